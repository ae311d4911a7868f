//! The first law in every step: what a change of batch or decay did to the energy, and what a
//! change of weights did.
//!
//! # Definition
//! The energy of step t is that of its own batch at its own weights, with the decay's potential
//! where the norm is given:
//!
//! <!-- math
//! E_t = L_{B_t}(w_t) + \tfrac12 p_t |w_t|^2
//! -->
#![doc = include_str!("../math/engine_ledger_1.html")]
//!
//! The update moves the weights at fixed batch and decay: that is heat. Then the batch is replaced,
//! and perhaps the decay changed, at fixed weights: that is work (the discrete form of Sekimoto's
//! stochastic energetics, Prog. Theor. Phys. Suppl. 130, 17, 1998).
//!
//! <!-- math
//! Q_t = E(w_{t+1}; B_t, p_t) - E(w_t; B_t, p_t), \qquad
//! W_t = E(w_{t+1}; B_{t+1}, p_{t+1}) - E(w_{t+1}; B_t, p_t), \qquad
//! E_n - E_0 = \sum_t (Q_t + W_t)
//! -->
#![doc = include_str!("../math/engine_ledger_2.html")]
//!
//! The sum telescopes: it is exact for any data, and [`Balance::residual`] is rounding. Besides
//! the loss that every loop has, it needs the loss of the same batch after the update
//! ([`Step::previous_batch_loss`]).
//!
//! # Housekeeping and excess
//! In a stationary state every step gives off the heat η tr Σ to its batch, and the next batch
//! brings it back as work, for ever: housekeeping, in the sense of Oono and Paniconi (Prog. Theor.
//! Phys. Suppl. 130, 29, 1998). [`housekeeping_heat`] computes it from measured noise, and
//! [`excess_heat`] is what is left: the heat that changes the state. The two are equal in size on
//! any loss whose noise does not depend on the weights, which is how T is read by calorimetry.
//! Entropy that leaves with housekeeping heat, 2(1−μ)d nats a step, is the definition of the bath
//! over again; the excess alone tells of irreversibility, and the ledger keeps both apart once it
//! knows the bath ([`Ledger::set_bath`]).
//!
//! # Error bars
//! Totals are sums over one realisation, exact as such. Their standard error says how far another
//! realisation of the same run would be: see the private `tally` beside this file for how it is
//! found under a drifting level.
//!
//! # When it lies
//! Noise that depends on the weights breaks the equality of heat and housekeeping: a batch is curved
//! along its own gradient more than the mean loss is. On the digits network with batch normalisation
//! (`cargo run --release --example engine`) the heat is about half of η tr Σ; the books balance all
//! the same. Dropout or augmentation drawn anew between the two evaluations of a batch is booked as heat. So
//! is the change of batch statistics where the second evaluation updates them.

use crate::{Ensemble, Error, Estimate, Moment, Optimizer, Reading, Reason, Step, energy};

use super::tally::{Compensated, Tally};

/// What one step exchanged, in units of the loss; positive raises the network's energy.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Exchange {
    /// Q: the update at fixed batch and decay.
    pub heat: f64,
    /// Work of replacing the batch.
    pub batch_work: f64,
    /// Work of changing the decay, (p′ − p)|w|²/2 = V dp.
    pub decay_work: f64,
}

impl Exchange {
    /// W, both kinds.
    pub fn work(&self) -> f64 {
        self.batch_work + self.decay_work
    }
}

/// The bath that the heat is exchanged with.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BathState {
    temperature: f64,
    housekeeping: f64,
}

impl BathState {
    /// A bath of this temperature, whose stationary state takes `housekeeping` in a step (a
    /// negative number, as [`housekeeping_heat`] returns it).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless the temperature is positive and the heat finite and at most 0.
    pub fn new(temperature: f64, housekeeping: f64) -> Result<Self, Error> {
        if !(1e-100..=1e150).contains(&temperature) {
            return Err(Error::OutOfRange {
                what: "temperature of the bath",
                value: temperature,
                allowed: "1e-100 to 1e150",
            });
        }
        if !(-1e150..=0.0).contains(&housekeeping) {
            return Err(Error::OutOfRange {
                what: "housekeeping heat",
                value: housekeeping,
                allowed: "a number from -1e150 to 0",
            });
        }
        Ok(Self {
            temperature,
            housekeeping,
        })
    }
}

/// One side of the balance.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Account {
    /// The sum over all booked steps: exact up to rounding.
    pub total: f64,
    /// The same as an estimate of its average over realisations.
    pub expected: Reading,
    /// That, divided by the number of steps.
    pub per_step: Reading,
}

impl Account {
    fn of(tally: &Tally) -> Self {
        let expected = tally.estimate();
        let n = tally.count().max(1) as f64;
        Self {
            total: tally.value(),
            per_step: expected.clone().map(|e| Estimate {
                value: e.value / n,
                std_error: e.std_error / n,
                n_eff: e.n_eff,
            }),
            expected,
        }
    }
}

/// The books at one moment.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Balance {
    /// Steps whose exchange was booked.
    pub steps: u64,
    /// Steps without the second evaluation: the books begin anew after each.
    pub gaps: u64,
    /// `E_n − E_0`, from the two energies alone; summed over the stretches between gaps.
    pub energy_change: f64,
    /// Heat.
    pub heat: Account,
    /// Work of replacing batches.
    pub batch_work: Account,
    /// Work of changing the decay.
    pub decay_work: Account,
    /// Entropy in nats given to the bath, −ΣQ/T. Undefined until a bath is known.
    pub entropy_to_bath: Reading,
    /// Of it what housekeeping does not explain, −Σ(Q − Q_hk)/T.
    pub excess_entropy_to_bath: Reading,
}

impl Balance {
    /// W, both kinds.
    pub fn work(&self) -> f64 {
        self.batch_work.total + self.decay_work.total
    }

    /// `E_n − E_0 − ΣQ − ΣW`: rounding.
    pub fn residual(&self) -> f64 {
        self.energy_change - self.heat.total - self.work()
    }
}

#[derive(Debug, Clone, Copy)]
struct Now {
    loss: f64,
    /// p and |w|², where the decay is part of the energy.
    decay: Option<(f64, f64)>,
}

impl Now {
    fn energy(&self) -> f64 {
        self.loss + self.decay.map_or(0.0, |(p, norm2)| 0.5 * p * norm2)
    }
}

/// Books heat and work of a run.
///
/// ```
/// use thermograd::{Step, engine::Ledger};
/// let mut ledger = Ledger::new();
/// ledger.observe(&Step::new(1.0))?; // the first batch, before its update
/// // The update took that batch from 1.0 to 0.7; the next one finds the weights at 1.2.
/// let booked = ledger.observe(&Step::new(1.2).previous_batch_loss(0.7))?.unwrap();
/// assert!((booked.heat + 0.3).abs() < 1e-15 && (booked.batch_work - 0.5).abs() < 1e-15);
/// let balance = ledger.balance();
/// assert!((balance.energy_change - 0.2).abs() < 1e-15);
/// assert!(balance.residual().abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Where the present stretch began, and where it is.
    first: Option<Now>,
    last: Option<Now>,
    /// Energy changes of the stretches that gaps ended.
    closed: Compensated,
    heat: Tally,
    batch_work: Tally,
    decay_work: Tally,
    bath: Option<BathState>,
    to_bath: Tally,
    excess_to_bath: Tally,
    gaps: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// Empty books, some 5 KiB whatever the length of the run.
    pub fn new() -> Self {
        Self {
            first: None,
            last: None,
            closed: Compensated::default(),
            heat: Tally::new(),
            batch_work: Tally::new(),
            decay_work: Tally::new(),
            bath: None,
            to_bath: Tally::new(),
            excess_to_bath: Tally::new(),
            gaps: 0,
        }
    }

    /// Takes in a step where the observer does: after the backward pass, before the update. The
    /// energy is the loss alone. `None` for the first step, and after a step without
    /// [`Step::previous_batch_loss`].
    ///
    /// # Errors
    /// As [`Step::check`]. Nothing is booked then.
    pub fn observe(&mut self, step: &Step) -> Result<Option<Exchange>, Error> {
        step.check()?;
        Ok(self.book(
            Now {
                loss: step.loss,
                decay: None,
            },
            step.previous_batch_loss,
        ))
    }

    /// The same with the decay's potential in the energy: `norm_squared` is |w|² of all that is
    /// decayed.
    ///
    /// ```
    /// use thermograd::{Step, engine::Ledger};
    /// let mut ledger = Ledger::new();
    /// ledger.observe_decayed(&Step::new(1.0).weight_decay(0.1), 4.0)?;
    /// let step = Step::new(1.0).previous_batch_loss(1.0).weight_decay(0.3);
    /// let booked = ledger.observe_decayed(&step, 2.0)?.unwrap();
    /// // Shrinking gave off 0.05·(4 − 2); raising p by 0.2 at V = 1 cost 0.2.
    /// assert!((booked.heat + 0.1).abs() < 1e-15 && (booked.decay_work - 0.2).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Step::check`]; [`Error::OutOfRange`] for a squared norm that is negative or above
    /// 1e150; [`Error::Conflict`] for a step without weight decay or under a rule without
    /// pressure.
    pub fn observe_decayed(
        &mut self,
        step: &Step,
        norm_squared: f64,
    ) -> Result<Option<Exchange>, Error> {
        step.check()?;
        if !(0.0..=1e150).contains(&norm_squared) {
            return Err(Error::OutOfRange {
                what: "squared norm",
                value: norm_squared,
                allowed: "a number from 0 to 1e150",
            });
        }
        let pressure = step
            .weight_decay
            .and_then(|decay| step.optimizer.pressure(decay, step.decay))
            .ok_or(Error::Conflict {
                what: "a decayed energy without a known decay",
                remedy: "give the step a weight decay, or book the loss alone with observe",
            })?;
        Ok(self.book(
            Now {
                loss: step.loss,
                decay: Some((pressure, norm_squared)),
            },
            step.previous_batch_loss,
        ))
    }

    /// The bath of the steps that follow: entropy given to it is booked from now on.
    pub const fn set_bath(&mut self, bath: BathState) {
        self.bath = Some(bath);
    }

    fn book(&mut self, now: Now, relaxed_loss: Option<f64>) -> Option<Exchange> {
        let Some(last) = self.last.replace(now) else {
            self.first = Some(now);
            return None;
        };
        // Energies with the decay and without have no difference: the books begin anew.
        let comparable = last.decay.is_some() == now.decay.is_some();
        let Some(relaxed) = relaxed_loss.filter(|_| comparable) else {
            self.gaps = self.gaps.saturating_add(1);
            if let Some(first) = self.first.replace(now) {
                self.closed.add(last.energy() - first.energy());
            }
            return None;
        };
        let (old, new) = (
            last.decay.unwrap_or_default(),
            now.decay.unwrap_or_default(),
        );
        let exchange = Exchange {
            heat: (relaxed - last.loss) + 0.5 * old.0 * (new.1 - old.1),
            batch_work: now.loss - relaxed,
            decay_work: 0.5 * (new.0 - old.0) * new.1,
        };
        self.heat.push(exchange.heat);
        self.batch_work.push(exchange.batch_work);
        self.decay_work.push(exchange.decay_work);
        if let Some(bath) = self.bath {
            self.to_bath.push(-exchange.heat / bath.temperature);
            let excess = exchange.heat - bath.housekeeping;
            self.excess_to_bath.push(-excess / bath.temperature);
        }
        Some(exchange)
    }

    fn energy_change(&self) -> f64 {
        let mut sum = self.closed;
        if let Some((first, last)) = self.first.zip(self.last) {
            sum.add(last.energy() - first.energy());
        }
        sum.value()
    }

    /// The books so far.
    pub fn balance(&self) -> Balance {
        let entropy = |tally: &Tally| {
            if tally.count() == 0 {
                Reading::Undefined(Reason::Missing("the bath (Ledger::set_bath)"))
            } else {
                tally.estimate()
            }
        };
        Balance {
            steps: self.heat.count(),
            gaps: self.gaps,
            energy_change: self.energy_change(),
            heat: Account::of(&self.heat),
            batch_work: Account::of(&self.batch_work),
            decay_work: Account::of(&self.decay_work),
            entropy_to_bath: entropy(&self.to_bath),
            excess_entropy_to_bath: entropy(&self.excess_to_bath),
        }
    }
}

/// Heat that a stationary state takes in a step, −η tr Σ under plain SGD, from measured noise;
/// −2(1−μ)dT under the heavy ball and under Adam, −2(1−μ²)dT under Nesterov's rule.
///
/// ```
/// use thermograd::{Ensemble, Optimizer, Piece, Step, Sums, Symmetry, engine};
/// let piece = Piece::new(&[0.0_f64], &[1.0_f64]).second_gradient(&[-1.0_f64]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.0).learning_rate(0.1), None, &sums, Symmetry::Generic);
/// // tr Σ = 2²/2.
/// assert!((engine::housekeeping_heat(&e, Optimizer::SGD).unwrap() + 0.2).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn housekeeping_heat(e: &Ensemble, optimizer: Optimizer) -> Option<f64> {
    let per_heat = optimizer.calorimetric_factor().filter(|&f| f > 0.0)?;
    let heat = -e.mean(Moment::NoiseHeat)? / per_heat;
    heat.is_finite().then_some(heat)
}

/// Excess heat of a step, measured heat less [`housekeeping_heat`]: 0 in a stationary state,
/// negative while the network cools.
///
/// ```
/// use thermograd::{engine, Ensemble, Optimizer, Piece, Step, Sums, Symmetry};
/// let piece = Piece::new(&[1.0_f64], &[1.0_f64]).second_gradient(&[-1.0_f64]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let mut e = Ensemble::default();
/// let now = Step::new(0.0).learning_rate(0.1).previous_batch_loss(0.5);
/// e.push(&now, Some(&Step::new(0.75)), &sums, Symmetry::Generic);
/// // Heat 0.5 − 0.75, of which −η tr Σ = −0.1·2 keeps the state.
/// assert!((engine::excess_heat(&e, Optimizer::SGD).unwrap() + 0.05).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn excess_heat(e: &Ensemble, optimizer: Optimizer) -> Option<f64> {
    let excess = energy::heat(e)? - housekeeping_heat(e, optimizer)?;
    excess.is_finite().then_some(excess)
}
