//! How a schedule cooled: slowly enough to be followed, or a quench; and what it dissipated.
//!
//! # Definitions
//! A run is a record of bath temperature T, energy U, heat capacity C and relaxation time τ of the
//! energy, at growing times. With dots for derivatives by time,
//!
//! <!-- math
//! \mathcal L = \int \frac{\sqrt C}{T}\,|dT|, \qquad
//! v = \tau\sqrt C\,\frac{|\dot T|}{T}, \qquad
//! \mathrm{De} = \tau\,\frac{|\dot T|}{T}
//! -->
#![doc = include_str!("../math/cooling_analysis_1.html")]
//!
//! are the thermodynamic length (Weinhold; Crooks, arXiv 0706.0559), the thermodynamic speed and
//! the Deborah number. v is the lag of the energy behind equilibrium in standard deviations of the
//! energy, |U − U_eq|/sd(E), to leading order, and constant speed is the schedule of least
//! dissipation (Salamon and Berry, Phys. Rev. Lett. 51, 1127, 1983; Nulton and Salamon, Phys. Rev. A 37,
//! 1351, 1988). In a given time t the entropy produced is at least
//!
//! <!-- math
//! \Sigma \ge \frac1t \left(\int \frac{\sqrt{\tau C}}{T}\,|dT|\right)^2
//! -->
#![doc = include_str!("../math/cooling_analysis_2.html")]
//!
//! and what is produced follows from energies alone, once the caloric curve is known: heat leaves
//! a system of fictive temperature T_f for a bath at T,
//!
//! <!-- math
//! \Sigma = \int \left(\frac{1}{T_f} - \frac1T\right) dU
//! -->
#![doc = include_str!("../math/cooling_analysis_3.html")]
//!
//! The harmonic well ([`HarmonicCooling`](crate::systems::HarmonicCooling)) has all of it in
//! closed form. There the bound is strict for cooling, where relaxation is what hinders, and is
//! undercut by fast heating: it is a statement of linear response.
//!
//! # Freezing
//! Where De passes 1 the system no longer follows. The energy then stays, and its fictive
//! temperature with it: the temperature at which the network froze. [`FreezeOut`] puts the moment
//! where the bath had that temperature, as glass physics does. Without a caloric curve the fictive
//! temperature is followed by Tool's equation Ṫ_f = (T − T_f)/τ instead.
//!
//! # Error bars
//! Points are taken as independent, their errors propagated to first order. Temperatures that go up
//! and down within five standard errors of their difference are not counted as length; a real turn is
//! read from its extreme point and long by some two standard errors.
//!
//! # When it lies
//! A training run that still learns loses energy that no bath takes: dU then contains learning, and
//! "dissipation" is dominated by it. A network has many relaxation times; τ is that of the energy.

use crate::error::check_range;
use crate::{Error, Estimate, Moment, Observer, Reading, Reason};

use super::CaloricCurve;

const FAR_APART: Reading = Reading::Undefined(Reason::Degenerate(
    "points too many orders of magnitude apart",
));
/// A reversal of the temperature counts from so many standard errors up.
const REVERSAL: f64 = 5.0;
/// Lag (T_f/T − 1) up to which a run counts as quasi-static.
const QUASISTATIC: f64 = 0.1;
/// Lag at the end from which it counts as frozen: the bath is at half the fictive temperature.
const FROZEN: f64 = 1.0;

/// What is known of a run at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CoolingPoint {
    /// In steps.
    pub time: f64,
    /// T of the bath.
    pub temperature: Estimate,
    /// U.
    pub energy: Option<Estimate>,
    /// C.
    pub heat_capacity: Option<Estimate>,
    /// τ of the energy, in steps.
    pub relaxation_time: Option<Estimate>,
}

impl CoolingPoint {
    /// A point of which only the bath is known.
    pub const fn new(time: f64, temperature: Estimate) -> Self {
        Self {
            time,
            temperature,
            energy: None,
            heat_capacity: None,
            relaxation_time: None,
        }
    }

    /// What an observer's window says of the model: its middle in steps, T from measured noise (from
    /// midpoints where there is none), U, and C where an independent loss is given. τ is for
    /// [`energy_fluctuations`], from the losses themselves.
    ///
    /// # Errors
    /// None of its own: the names are those of the catalogue.
    pub fn read(observer: &Observer) -> Result<Reading<Self>, Error> {
        let noise = observer.read_model("temperature_noise")?;
        let temperature = match noise {
            Reading::Undefined(_) => observer.read_model("temperature_midpoint")?,
            known => known,
        };
        let time = observer.steps() as f64 - 0.5 * observer.ensemble(None)?.count(Moment::Loss);
        let energy = observer.read_model("loss")?.ready().copied();
        let capacity = observer.read_model("heat_capacity")?;
        Ok(temperature.map(|temperature| Self {
            energy,
            heat_capacity: capacity.ready().copied().filter(|c| c.value >= 0.0),
            ..Self::new(time, temperature)
        }))
    }

    /// With U.
    #[must_use]
    pub const fn energy(mut self, energy: Estimate) -> Self {
        self.energy = Some(energy);
        self
    }

    /// With C.
    #[must_use]
    pub const fn heat_capacity(mut self, heat_capacity: Estimate) -> Self {
        self.heat_capacity = Some(heat_capacity);
        self
    }

    /// With τ.
    #[must_use]
    pub const fn relaxation_time(mut self, relaxation_time: Estimate) -> Self {
        self.relaxation_time = Some(relaxation_time);
        self
    }

    /// With C and τ as [`energy_fluctuations`] found them.
    #[must_use]
    pub const fn fluctuations(self, found: &Fluctuations) -> Self {
        self.heat_capacity(found.heat_capacity)
            .relaxation_time(found.relaxation_time)
    }

    fn check(&self, index: usize) -> Result<(), Error> {
        let place = || "a cooling record".to_owned();
        let known = [
            Some(self.temperature),
            self.energy,
            self.heat_capacity,
            self.relaxation_time,
        ];
        known.iter().flatten().try_for_each(Estimate::check_count)?;
        for value in known
            .iter()
            .flatten()
            .flat_map(|e| [e.value, e.std_error])
            .chain([self.time])
        {
            if !value.is_finite() {
                return Err(Error::NonFinite {
                    place: place(),
                    index,
                    value,
                });
            }
        }
        let range = |what, value: f64, good: bool| {
            let allowed = "temperatures 1e-70 to 1e70, relaxation times up to 1e70 and heat capacities 0 to 1e70, energies and times up to 1e70 in size, errors 0 to 1e70";
            check_range(what, value, allowed, |_| good)
        };
        let positive = 1e-70..=1e70;
        let size = 0.0..=1e70;
        let t = self.temperature.value;
        range("temperature", t, positive.contains(&t))?;
        range("time", self.time, self.time.abs() <= 1e70)?;
        if let Some(u) = self.energy {
            range("energy", u.value, u.value.abs() <= 1e70)?;
        }
        if let Some(c) = self.heat_capacity {
            range("heat capacity", c.value, size.contains(&c.value))?;
        }
        if let Some(tau) = self.relaxation_time {
            range("relaxation time", tau.value, size.contains(&tau.value))?;
        }
        for estimate in known.iter().flatten() {
            let error = estimate.std_error;
            range("standard error", error, size.contains(&error))?;
        }
        Ok(())
    }
}

/// A run from hot to cold, or back.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CoolingRecord {
    points: Vec<CoolingPoint>,
}

/// How well the run followed its bath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Regime {
    /// The fictive temperature stayed within a tenth of the bath's: slow, reversible (what is
    /// called adiabatic of a slow schedule).
    Quasistatic,
    /// It fell behind, and still moves.
    Lagging,
    /// A quench: it ended at more than twice the temperature of the bath.
    FrozenOut,
}

/// Where the network stopped following its bath.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FreezeOut {
    /// The fictive temperature at the end: that of the frozen state.
    pub temperature: Estimate,
    /// When the bath had it for the last time.
    pub time: f64,
    /// τ|d ln T/dt| then, of order 1; `None` where no relaxation time is known.
    pub deborah: Option<f64>,
}

/// A run's cooling in a few numbers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Assessment {
    /// How well it followed.
    pub regime: Regime,
    /// The largest T_f/T − 1.
    pub largest_lag: f64,
    /// T_f/T − 1 at the end.
    pub final_lag: Estimate,
    /// Where it froze, if it did.
    pub freeze_out: Option<FreezeOut>,
    /// Σ, in nats.
    pub entropy_production: Reading,
    /// The least Σ for a run of this duration.
    pub dissipation_bound: Reading,
}

impl CoolingRecord {
    /// A record of these points.
    ///
    /// # Errors
    /// [`Error::NonFinite`] and [`Error::OutOfRange`] for a variable out of its range or times that
    /// do not grow.
    pub fn new(points: Vec<CoolingPoint>) -> Result<Self, Error> {
        for (index, point) in points.iter().enumerate() {
            point.check(index)?;
        }
        for pair in points.windows(2) {
            if let [a, b] = pair
                && b.time <= a.time
            {
                return Err(Error::OutOfRange {
                    what: "time of a point",
                    value: b.time,
                    allowed: "times that grow from point to point",
                });
            }
        }
        Ok(Self { points })
    }

    /// Its points.
    pub fn points(&self) -> &[CoolingPoint] {
        &self.points
    }

    /// From the first point to the last.
    pub fn duration(&self) -> f64 {
        match (self.points.first(), self.points.last()) {
            (Some(a), Some(b)) => b.time - a.time,
            _ => 0.0,
        }
    }

    /// ℒ = ∫√C |d ln T|, by the trapezoidal rule over ln T.
    ///
    /// ```
    /// use thermograd::{cooling::{CoolingPoint, CoolingRecord}, Estimate};
    /// let exact = |value| Estimate { value, std_error: 0.0, n_eff: 1.0 };
    /// let point = |time: f64, t: f64| CoolingPoint::new(time, exact(t)).heat_capacity(exact(2.0)).relaxation_time(exact(3.0));
    /// let record = CoolingRecord::new(vec![point(0.0, 4.0), point(10.0, 2.0), point(50.0, 1.0)])?;
    /// // √2·ln 4, and √(3·2)·ln 4; the bound is its square over 50.
    /// let length = record.thermodynamic_length();
    /// assert!((length.ready().unwrap().value - 2f64.sqrt() * 4f64.ln()).abs() < 1e-15);
    /// let bound = record.dissipation_bound();
    /// assert!((bound.ready().unwrap().value - 6.0 * 4f64.ln().powi(2) / 50.0).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// Pending below 2 points, undefined where a heat capacity is missing.
    pub fn thermodynamic_length(&self) -> Reading {
        self.length(|p| Some(p.heat_capacity?.value.max(0.0).sqrt()))
    }

    /// ∫√(τC) |d ln T|, whose square over the duration bounds the entropy production.
    pub fn relaxation_length(&self) -> Reading {
        self.length(|p| Some((p.relaxation_time?.value * p.heat_capacity?.value).sqrt()))
    }

    /// The least entropy, in nats, that a run over these temperatures produces in this duration.
    pub fn dissipation_bound(&self) -> Reading {
        let duration = self.duration();
        let bound = self.relaxation_length().map(|length| Estimate {
            value: length.value * length.value / duration,
            std_error: 2.0 * length.value * length.std_error / duration,
            n_eff: length.n_eff,
        });
        match bound {
            Reading::Ready(e) if !(e.value.is_finite() && e.std_error.is_finite()) => FAR_APART,
            bound => bound,
        }
    }

    /// (time, v) between successive points: the lag in standard deviations of the energy.
    pub fn thermodynamic_speed(&self) -> Vec<(f64, f64)> {
        self.rates(|p| Some(p.relaxation_time?.value * p.heat_capacity?.value.sqrt()))
    }

    /// (time, τ|d ln T/dt|) between successive points: above 1 the run does not follow.
    pub fn deborah(&self) -> Vec<(f64, f64)> {
        self.rates(|p| Some(p.relaxation_time?.value))
    }

    fn rates(&self, of: impl Fn(&CoolingPoint) -> Option<f64>) -> Vec<(f64, f64)> {
        self.points
            .windows(2)
            .filter_map(|pair| {
                let [a, b] = pair else { return None };
                let fold = (b.temperature.value / a.temperature.value).ln().abs();
                let factor = 0.5 * (of(a)? + of(b)?);
                let middle = 0.5 * (a.time + b.time);
                Some((middle, factor * fold / (b.time - a.time)))
            })
            .filter(|(_, rate)| rate.is_finite())
            .collect()
    }

    /// Points at which the temperature turns by more than its error, and both ends.
    fn turns(&self) -> Vec<usize> {
        let Some(last) = self.points.len().checked_sub(1) else {
            return Vec::new();
        };
        let ln = |i: usize| self.points.get(i).map_or(0.0, |p| p.temperature.value.ln());
        let error = |i: usize| {
            self.points
                .get(i)
                .map_or(0.0, |p| p.temperature.std_error / p.temperature.value)
        };
        let mut turns = vec![0];
        // The furthest point so far in the present direction; none before a first real change.
        let (mut extreme, mut sense) = (0, 0.0);
        for i in 1..=last {
            let ahead = ln(i) - ln(extreme);
            let real = ahead.abs() > REVERSAL * error(i).hypot(error(extreme));
            if sense == 0.0 {
                if real {
                    (extreme, sense) = (i, ahead.signum());
                }
            } else if ahead * sense > 0.0 {
                extreme = i;
            } else if real {
                turns.push(extreme);
                (extreme, sense) = (i, -sense);
            }
        }
        turns.push(last);
        turns
    }

    fn length(&self, of: impl Fn(&CoolingPoint) -> Option<f64>) -> Reading {
        if self.points.len() < 2 {
            return Reading::Pending {
                seen: self.points.len() as u64,
                needed: 2,
            };
        }
        if !self.points.iter().all(|p| of(p).is_some()) {
            return Reading::Undefined(Reason::Missing("heat capacity or relaxation time"));
        }
        // Each stretch between turns is integrated with its sign, so that jitter within it cancels.
        let turns = self.turns();
        let mut signs = vec![0.0; self.points.len().saturating_sub(1)];
        for pair in turns.windows(2) {
            let &[from, to] = pair else { continue };
            let ends = self.points.get(from).zip(self.points.get(to));
            let sign = ends.map_or(0.0, |(a, b)| {
                (b.temperature.value - a.temperature.value).signum()
            });
            signs
                .iter_mut()
                .skip(from)
                .take(to.saturating_sub(from))
                .for_each(|s| *s = sign);
        }
        let part = |a: &CoolingPoint, b: &CoolingPoint| {
            let mean = 0.5 * (of(a).unwrap_or(0.0) + of(b).unwrap_or(0.0));
            mean * (b.temperature.value / a.temperature.value).ln()
        };
        let signed = |i: usize, a: &CoolingPoint, b: &CoolingPoint| {
            signs.get(i).copied().unwrap_or(0.0) * part(a, b)
        };
        self.propagate(signed)
    }

    /// Σ of a function of neighbours, its error from each point's errors by differences of the two
    /// terms that hold the point.
    fn propagate(&self, term: impl Fn(usize, &CoolingPoint, &CoolingPoint) -> f64) -> Reading {
        let pairs = || self.points.windows(2).enumerate();
        let value: f64 = pairs()
            .map(|(i, pair)| match pair {
                [a, b] => term(i, a, b),
                _ => 0.0,
            })
            .sum();
        let mut variance = 0.0;
        for (i, point) in self.points.iter().enumerate() {
            let around = |point: &CoolingPoint| {
                let before = i
                    .checked_sub(1)
                    .and_then(|j| Some(term(j, self.points.get(j)?, point)));
                let after = self.points.get(i + 1).map(|next| term(i, point, next));
                before.unwrap_or(0.0) + after.unwrap_or(0.0)
            };
            let here = around(point);
            for moved in moved(point) {
                variance += (around(&moved) - here).powi(2);
            }
        }
        let smallest = self
            .points
            .iter()
            .map(|p| p.temperature.n_eff)
            .fold(f64::INFINITY, f64::min);
        let estimate = Estimate {
            value,
            std_error: variance.sqrt(),
            n_eff: smallest,
        };
        if value.is_finite() && estimate.std_error.is_finite() {
            Reading::Ready(estimate)
        } else {
            FAR_APART
        }
    }

    /// T_f of every point by its energy; `None` where the curve does not reach or no energy is known.
    pub fn fictive_temperatures(&self, curve: &CaloricCurve) -> Vec<Option<Estimate>> {
        let fictive = |p: &CoolingPoint| {
            let energy = p.energy?;
            let value = curve.fictive_temperature(energy.value)?;
            let moved = [energy.std_error, -energy.std_error]
                .into_iter()
                .find_map(|by| curve.fictive_temperature(energy.value + by))?;
            Some(Estimate {
                value,
                std_error: (moved - value).abs(),
                n_eff: energy.n_eff,
            })
        };
        self.points.iter().map(fictive).collect()
    }

    /// T_f by Tool's equation Ṫ_f = (T − T_f)/τ from equilibrium at the first point, T linear and τ
    /// constant (the geometric mean) between points. Undefined where a relaxation time is missing.
    pub fn tool_temperatures(&self) -> Reading<Vec<f64>> {
        let Some(first) = self.points.first() else {
            return Reading::Pending { seen: 0, needed: 1 };
        };
        let mut fictive = first.temperature.value;
        let mut found = vec![fictive];
        for pair in self.points.windows(2) {
            let [a, b] = pair else { continue };
            let (Some(ta), Some(tb)) = (a.relaxation_time, b.relaxation_time) else {
                return Reading::Undefined(Reason::Missing("a relaxation time"));
            };
            let (start, end) = (a.temperature.value, b.temperature.value);
            let time = b.time - a.time;
            let tau = (ta.value * tb.value).sqrt();
            let folds = time / tau;
            fictive = if folds > 700.0 || !folds.is_finite() {
                // Memory far shorter than the interval: the lag of a steady ramp.
                end - (end - start) * (tau / time)
            } else if folds < 1e-9 {
                // And far longer: nothing relaxes.
                fictive + (0.5 * (start + end) - fictive) * folds
            } else {
                let lag = (end - start) / folds;
                end - lag + (fictive - start + lag) * (-folds).exp()
            };
            found.push(fictive);
        }
        Reading::Ready(found)
    }

    /// Σ = ∫(1/T_f − 1/T) dU in nats: what the run produced.
    ///
    /// The first part is the change of entropy along the caloric curve, exact; the second a sum of
    /// −ΔU·⟨1/T⟩ with the mean over both ends.
    ///
    /// Pending below 2 points, undefined where an energy is missing or outside the curve.
    pub fn entropy_production(&self, curve: &CaloricCurve) -> Reading {
        if self.points.len() < 2 {
            return Reading::Pending {
                seen: self.points.len() as u64,
                needed: 2,
            };
        }
        if self.points.iter().any(|p| p.energy.is_none()) {
            return Reading::Undefined(Reason::Missing("the energy of a point"));
        }
        let energy = |p: &CoolingPoint| p.energy.map_or(0.0, |u| u.value);
        let reached = |p: &CoolingPoint| {
            curve
                .fictive_temperature(energy(p))
                .is_some_and(|t| t > 0.0)
        };
        if !self.points.iter().all(reached) {
            return Reading::Undefined(Reason::Meaningless(
                "an energy lies outside the caloric curve",
            ));
        }
        // An error that leads off the curve is cut at its end: no entropy change is known there.
        let term = |_: usize, a: &CoolingPoint, b: &CoolingPoint| {
            let system = curve.entropy_change(energy(a), energy(b)).unwrap_or(0.0);
            let inverse = 0.5 * (a.temperature.value.recip() + b.temperature.value.recip());
            system - (energy(b) - energy(a)) * inverse
        };
        self.propagate(term)
    }

    /// Whether the run was followed, and where not. With a caloric curve the fictive temperature is
    /// read off the energies, else Tool's equation gives it.
    ///
    /// Pending below 2 points, undefined where neither is possible.
    pub fn assess(&self, curve: Option<&CaloricCurve>) -> Reading<Assessment> {
        if self.points.len() < 2 {
            return Reading::Pending {
                seen: self.points.len() as u64,
                needed: 2,
            };
        }
        let fictive: Vec<Option<Estimate>> = match curve {
            Some(curve) => self.fictive_temperatures(curve),
            None => match self.tool_temperatures() {
                Reading::Ready(found) => {
                    let told = |value| Estimate {
                        value,
                        std_error: 0.0,
                        n_eff: 1.0,
                    };
                    found.into_iter().map(|t| Some(told(t))).collect()
                }
                Reading::Pending { seen, needed } => return Reading::Pending { seen, needed },
                Reading::Undefined(reason) => return Reading::Undefined(reason),
            },
        };
        let Some((Some(end), last)) = fictive.last().copied().zip(self.points.last()) else {
            return Reading::Undefined(Reason::Meaningless(
                "no fictive temperature at the end: give a caloric curve that reaches its energy",
            ));
        };
        let bath = last.temperature;
        let ratio = end.value / bath.value;
        let final_lag = Estimate {
            value: ratio - 1.0,
            std_error: (end.std_error / bath.value).hypot(ratio * bath.std_error / bath.value),
            n_eff: end.n_eff.min(bath.n_eff),
        };
        let largest_lag = fictive
            .iter()
            .zip(&self.points)
            .filter_map(|(f, p)| Some(f.as_ref()?.value / p.temperature.value - 1.0))
            .fold(f64::NEG_INFINITY, f64::max);
        let regime = if final_lag.value > FROZEN {
            Regime::FrozenOut
        } else if largest_lag > QUASISTATIC {
            Regime::Lagging
        } else {
            Regime::Quasistatic
        };
        Reading::Ready(Assessment {
            regime,
            largest_lag,
            final_lag,
            freeze_out: (regime == Regime::FrozenOut)
                .then(|| self.freeze_out(end))
                .flatten(),
            entropy_production: curve.map_or(
                Reading::Undefined(Reason::Missing("a caloric curve")),
                |curve| self.entropy_production(curve),
            ),
            dissipation_bound: self.dissipation_bound(),
        })
    }

    /// Where the bath had the fictive temperature of the end for the last time.
    fn freeze_out(&self, end: Estimate) -> Option<FreezeOut> {
        let target = end.value.ln();
        let ln = |p: &CoolingPoint| p.temperature.value.ln();
        let crossing = self.points.windows(2).rev().find_map(|pair| {
            let [a, b] = pair else { return None };
            let inside = (ln(a) >= target) && (ln(b) < target);
            inside.then(|| {
                let share = (ln(a) - target) / (ln(a) - ln(b));
                let tau = a.relaxation_time.zip(b.relaxation_time);
                let rate = (ln(a) - ln(b)) / (b.time - a.time);
                FreezeOut {
                    temperature: end,
                    time: a.time + share * (b.time - a.time),
                    deborah: tau
                        .map(|(x, y)| (x.value + share * (y.value - x.value)) * rate)
                        .filter(|number| number.is_finite()),
                }
            })
        });
        // Colder from the start than it ended: frozen before the record began.
        crossing.or_else(|| {
            let first = self.points.first()?;
            Some(FreezeOut {
                temperature: end,
                time: first.time,
                deborah: None,
            })
        })
    }
}

/// The point with each of its variables moved by one standard error, kept within its range.
fn moved(point: &CoolingPoint) -> impl Iterator<Item = CoolingPoint> + use<> {
    let up = |e: Estimate| Estimate {
        value: e.value + e.std_error,
        ..e
    };
    [
        Some(CoolingPoint {
            temperature: up(point.temperature),
            ..*point
        }),
        point.energy.map(|e| point.energy(up(e))),
        point.heat_capacity.map(|e| point.heat_capacity(up(e))),
        point.relaxation_time.map(|e| point.relaxation_time(up(e))),
    ]
    .into_iter()
    .flatten()
}

/// Heat capacity and relaxation time of a stretch at one temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Fluctuations {
    /// C = Cov(L, L′)/T².
    pub heat_capacity: Estimate,
    /// τ of the energy in steps: its integrated autocorrelation time ½ + Σρ_k.
    pub relaxation_time: Estimate,
}

/// Blocks of the jackknife.
const PARTS: usize = 16;
/// Lags are summed up to so many times the sum so far (Sokal).
const WINDOW: f64 = 5.0;

/// C and τ of the energy from the losses of two independent batches at each step of a stretch at
/// one temperature.
///
/// The loss of a batch varies with the batch, far more than the energy does: `independent` are the
/// losses of batches that did not make the steps ([`Step::independent_loss`](crate::Step::independent_loss)), so their
/// products at different times hold the energy's memory alone, and the product of the two at one
/// time its variance. Losses of the whole data set may be given as both.
///
/// Lags are summed up to five times the sum (Sokal's window); errors are from a jackknife over 16
/// parts of the stretch. The cost is length × 5τ.
///
/// ```
/// use thermograd::{cooling::energy_fluctuations, systems::Random};
/// // An energy that forgets a tenth a step, unit variance, behind batch noise of 3.
/// let (mut random, mut u) = (Random::new(1), 0.0);
/// let (mut a, mut b) = (Vec::new(), Vec::new());
/// for _ in 0..60_000 {
///     u = 0.9 * u + 0.19_f64.sqrt() * random.normal();
///     a.push(u + 3.0 * random.normal());
///     b.push(u + 3.0 * random.normal());
/// }
/// let found = energy_fluctuations(&a, &b, 0.5)?;
/// let found = found.ready().unwrap();
/// // C = 1/0.5², τ = ½ + 9.
/// assert!(found.heat_capacity.z_score(4.0).unwrap().abs() < 4.0);
/// assert!(found.relaxation_time.z_score(9.5).unwrap().abs() < 4.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Pending below 256 steps and below 40 relaxation times; undefined where the variance is not
/// above its error.
///
/// # Errors
/// [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`] above 1e140;
/// [`Error::OutOfRange`] for a temperature outside 1e-70 to 1e70.
pub fn energy_fluctuations(
    losses: &[f64],
    independent: &[f64],
    temperature: f64,
) -> Result<Reading<Fluctuations>, Error> {
    const FEWEST: usize = 256;
    if losses.len() != independent.len() {
        return Err(Error::LengthMismatch {
            place: "the independent losses".to_owned(),
            expected: losses.len(),
            found: independent.len(),
        });
    }
    if !(1e-70..=1e70).contains(&temperature) {
        return Err(Error::OutOfRange {
            what: "temperature",
            value: temperature,
            allowed: "1e-70 to 1e70",
        });
    }
    for (place, series) in [
        ("the losses", losses),
        ("the independent losses", independent),
    ] {
        Error::check_finite(place, series)?;
        let largest = series.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        if largest > 1e140 {
            return Err(Error::Overflow {
                place: place.to_owned(),
                largest,
            });
        }
    }
    if losses.len() < FEWEST {
        return Ok(Reading::Pending {
            seen: losses.len() as u64,
            needed: FEWEST as u64,
        });
    }
    let (x, y) = (centred(losses), centred(independent));
    Ok(fluctuations(&x, &y, temperature))
}

fn centred(series: &[f64]) -> Vec<f64> {
    let mean = series.iter().sum::<f64>() / series.len() as f64;
    series.iter().map(|x| x - mean).collect()
}

/// Mean product of two series at a lag, and the same without each part; a pair belongs to the part
/// of its earlier step.
fn lagged(x: &[f64], y: &[f64], lag: usize) -> (f64, [f64; PARTS]) {
    let mut sums = [(0.0, 0.0); PARTS];
    for (t, (a, b)) in x.iter().zip(y.iter().skip(lag)).enumerate() {
        if let Some(sum) = sums.get_mut(t * PARTS / x.len()) {
            sum.0 += a * b;
            sum.1 += 1.0;
        }
    }
    let all = sums
        .iter()
        .fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    let ratio = |(sum, count): (f64, f64)| if count > 0.0 { sum / count } else { 0.0 };
    let without = sums.map(|part| ratio((all.0 - part.0, all.1 - part.1)));
    (ratio(all), without)
}

fn fluctuations(x: &[f64], y: &[f64], temperature: f64) -> Reading<Fluctuations> {
    let n = x.len();
    let noise = Reading::Undefined(Reason::DividesByNoise("the variance of the energy"));
    let (variance, variances) = lagged(x, y, 0);
    let error = jackknife(variance, &variances);
    if variance <= 2.0 * error || variance <= 0.0 {
        return noise;
    }
    let (mut sum, mut sums) = (0.0, [0.0; PARTS]);
    let mut lag = 0;
    while (lag as f64) < WINDOW * (0.5 + sum / variance).max(1.0) {
        lag += 1;
        if lag > n / 8 {
            return Reading::Pending {
                seen: n as u64,
                needed: (2 * n) as u64,
            };
        }
        let (product, without) = lagged(y, y, lag);
        sum += product;
        for (total, product) in sums.iter_mut().zip(without) {
            *total += product;
        }
    }
    let tau = (0.5 + sum / variance).max(0.5);
    let pairs = sums.iter().zip(&variances);
    let taus: Vec<f64> = pairs.map(|(sum, variance)| 0.5 + sum / variance).collect();
    let scale = 1.0 / (temperature * temperature);
    let n_eff = (n as f64 / (2.0 * tau)).max(1.0);
    let estimate = |value, std_error| Estimate {
        value,
        std_error,
        n_eff,
    };
    let found = Fluctuations {
        heat_capacity: estimate(variance * scale, error * scale),
        relaxation_time: estimate(tau, jackknife(tau, &taus)),
    };
    let finite = |e: &Estimate| e.value.is_finite() && e.std_error.is_finite();
    if finite(&found.heat_capacity) && finite(&found.relaxation_time) {
        Reading::Ready(found)
    } else {
        noise
    }
}

/// Standard error from the values without one part each.
fn jackknife(whole: f64, without: &[f64]) -> f64 {
    let n = without.len() as f64;
    let square: f64 = without.iter().map(|x| (x - whole).powi(2)).sum();
    (square * (n - 1.0) / n).sqrt()
}
