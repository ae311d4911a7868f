//! Schedules that look at the run: from readings to hyper-parameters, and nothing else.
//!
//! A [`Schedule`] is a small state machine. It gets [`Signals`] (what an observer's verdict and
//! events say, or a plain series of losses), and proposes hyper-parameters; a [`Controller`] keeps
//! them within [`Bounds`] and applies them, or in [`Mode::DryRun`] only tells. Nothing here touches
//! weights, gradients or a framework: the loop sets the learning rate and draws the batch.
//!
//! # The schedules
//! The bath's temperature is proportional to η/B: both a smaller learning rate and a larger batch
//! cool it (McCandlish et al., arXiv 1812.06162; Smith et al., arXiv 1711.00489).
//!
//! 1. [`ConstantSpeed`] cools at the constant thermodynamic speed of Salamon and Nulton,
//!
//! <!-- math
//! \frac{d\ln T}{dt} = -\frac{v}{\tau\sqrt C}
//! -->
#![doc = include_str!("../math/cooling_control.html")]
//!
//!    with the one v that reaches the end temperature at the end of the run. Cooling by η slows the
//!    clock along with the motion: τ ∝ 1/η in steps. With C of equipartition, a constant, this is
//!    1/η growing linearly in time, the Robbins-Monro rate; measured τ and C replace the two
//!    assumptions where signals bring them.
//! 2. [`EquilibriumTriggered`] holds while the run drifts, cools by a factor when it is found
//!    stationary, and backs off, for good, when it overheats.
//! 3. [`BatchGrowth`] does the same by the batch: τ stays, and only when the batch is at its bound
//!    the learning rate falls.
//!
//! As stages of 2 and 3 get colder by η they need longer: each must last at least as long as the one
//! before, over the factor by which η fell. Without that rule a test that finds nothing because it has
//! seen little would cool at every look.
//!
//! # Constants
//! No schedule has a constant that belongs to a task. Defaults: cooling by ½; end temperature a
//! hundredth; of a run of known length the last tenth cools linearly to the end whatever the signals
//! say, as every run should end cold.
//!
//! # Weight decay
//! Weight decay is a pressure and not a temperature, and what it must be is told by time: the norm of
//! a scale-invariant layer needs five relaxation times, 5(1−μ)/(4ηλ) steps, to forget its start.
//! [`decay_advice`] turns the length of a run into the least λ, and the coarseness of the step into
//! the largest.
//!
//! # When it lies
//! A stationary loss is not a network in equilibrium: norms are slower than losses. The
//! observer's verdict asks for both and in short runs never says yes; a trigger on the loss alone
//! ([`Signals::loss`]) does. And the test is of a slope over all that was seen since the last change: a
//! loss that fell steeply at first and is flat since may pass before the next window forgets its start.

use std::fmt::Debug;

use crate::equilibrium::{Observable, Verdict, VerdictConfig, verdict};
use crate::phase_transition::Event;
use crate::{Error, Observer, Reading, Reason, Step};

/// What a schedule sets.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HyperParameters {
    /// η.
    pub learning_rate: f64,
    /// B.
    pub batch_size: usize,
}

impl HyperParameters {
    /// Learning rate and batch size.
    pub const fn new(learning_rate: f64, batch_size: usize) -> Self {
        Self {
            learning_rate,
            batch_size,
        }
    }
}

/// Where hyper-parameters may go, and how far at once.
///
/// ```
/// use thermograd::cooling::Bounds;
/// let bounds = Bounds::new(1e-4, 0.5)?.batch_sizes(32, 1024)?;
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Bounds {
    learning_rate: (f64, f64),
    /// `None`: the batch stays as it is.
    batch_size: Option<(usize, usize)>,
}

impl Bounds {
    /// Learning rates from `least` to `most`; the batch stays as it is.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < least ≤ most ≤ 1e50.
    pub fn new(least: f64, most: f64) -> Result<Self, Error> {
        for (value, good) in [(least, least > 0.0), (most, most <= 1e50 && least <= most)] {
            if !good {
                return Err(Error::OutOfRange {
                    what: "bound of the learning rate",
                    value,
                    allowed: "a positive least rate, and a largest from there to 1e50",
                });
            }
        }
        Ok(Self {
            learning_rate: (least, most),
            batch_size: None,
        })
    }

    /// Batches from `least` to `most` examples.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 1 ≤ least ≤ most.
    pub fn batch_sizes(mut self, least: usize, most: usize) -> Result<Self, Error> {
        if least == 0 || most < least {
            return Err(Error::OutOfRange {
                what: "bound of the batch size",
                value: if least == 0 { 0.0 } else { most as f64 },
                allowed: "at least 1, and the largest not below the least",
            });
        }
        self.batch_size = Some((least, most));
        Ok(self)
    }

    fn clamp(&self, proposed: HyperParameters, current: HyperParameters) -> HyperParameters {
        let (least, most) = self.learning_rate;
        HyperParameters {
            learning_rate: if proposed.learning_rate.is_finite() {
                // Not clamp: it panics where stored bounds are out of order.
                proposed.learning_rate.max(least).min(most)
            } else {
                current.learning_rate
            },
            batch_size: self.batch_size.map_or(current.batch_size, |(least, most)| {
                proposed.batch_size.max(least).min(most)
            }),
        }
    }
}

/// What is known about the run since the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum State {
    /// Nothing drifts.
    Stationary,
    /// Something does.
    Drifting,
    /// Too little was seen.
    #[default]
    Unknown,
    /// Divergence is ahead.
    Overheating,
}

impl From<&Verdict> for State {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            // Layers of unequal temperature, or currents: steady all the same.
            Verdict::Equilibrium { .. } | Verdict::SteadyNotThermal { .. } => Self::Stationary,
            Verdict::OutOfEquilibrium { .. } => Self::Drifting,
            Verdict::InsufficientData { .. } => Self::Unknown,
        }
    }
}

/// What a schedule reads.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Signals {
    /// Steps done.
    pub step: u64,
    /// What is known of the present stage.
    pub state: State,
    /// τ of the energy in steps, if measured.
    pub relaxation_time: Option<f64>,
    /// C, if measured.
    pub heat_capacity: Option<f64>,
}

impl Signals {
    /// After so many steps, with nothing else known.
    pub const fn new(step: u64) -> Self {
        Self {
            step,
            state: State::Unknown,
            relaxation_time: None,
            heat_capacity: None,
        }
    }

    /// What an observer's window and events say: its verdict, overheating if it was announced since
    /// events were last asked for, and the heat capacity where it is read. Events are taken out of
    /// the observer's queue, and returned for other uses.
    ///
    /// # Errors
    /// As [`Observer::verdict`].
    pub fn read(
        observer: &mut Observer,
        config: &VerdictConfig,
    ) -> Result<(Self, Vec<Event>), Error> {
        let mut signals = Self::new(observer.steps()).verdict(&observer.verdict(config)?);
        let capacity = observer.read_model("heat_capacity")?;
        signals.heat_capacity = capacity
            .ready()
            .map(|c| c.value)
            .filter(|c| *c > 0.0 && c.is_finite());
        let events: Vec<Event> = observer.events().collect();
        for event in &events {
            signals = signals.event(event);
        }
        Ok((signals, events))
    }

    /// What a series of losses since the last change says, by the verdict's test of drift alone.
    ///
    /// ```
    /// use thermograd::{cooling::{Signals, State}, systems::Random};
    /// let mut random = Random::new(1);
    /// let falling: Vec<f64> = (0..500).map(|t| 1.0 - 1e-3 * f64::from(t) + 0.1 * random.normal()).collect();
    /// assert_eq!(Signals::new(500).loss(&falling)?.state, State::Drifting);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NonFinite`] and [`Error::Overflow`].
    pub fn loss(self, losses: &[f64]) -> Result<Self, Error> {
        let observable = Observable::new("loss", losses);
        let found = verdict(&[observable], None, &VerdictConfig::default())?;
        Ok(self.verdict(&found))
    }

    /// With a verdict. Overheating that is known already stays.
    #[must_use]
    pub fn verdict(mut self, verdict: &Verdict) -> Self {
        if self.state != State::Overheating {
            self.state = State::from(verdict);
        }
        self
    }

    /// With an event: overheating counts, whatever the verdict.
    #[must_use]
    pub const fn event(mut self, event: &Event) -> Self {
        if matches!(event, Event::Overheating { .. }) {
            self.state = State::Overheating;
        }
        self
    }

    /// With the relaxation time of the energy and its heat capacity, as
    /// [`energy_fluctuations`](super::energy_fluctuations) finds them.
    #[must_use]
    pub const fn fluctuations(mut self, found: &super::Fluctuations) -> Self {
        self.relaxation_time = Some(found.relaxation_time.value);
        self.heat_capacity = Some(found.heat_capacity.value);
        self
    }
}

/// What a schedule does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Action {
    /// Nothing: keep looking at the same stage.
    Hold,
    /// Nothing yet: what was seen is of a transient; look anew from here
    /// ([`Observer::start_window`]).
    HoldAndRestart,
    /// Cool; a new stage begins.
    Cool,
    /// Cool a little along a ramp; the stage goes on.
    Anneal,
    /// Cool because of overheating, and never go back.
    BackOff,
}

impl Action {
    /// Whether observation should begin anew after it.
    pub const fn restarts_window(self) -> bool {
        matches!(self, Self::HoldAndRestart | Self::Cool | Self::BackOff)
    }
}

/// A state machine from signals to hyper-parameters.
pub trait Schedule: Debug {
    /// What should be done now, at the hyper-parameters in force.
    fn propose(&mut self, signals: &Signals, current: HyperParameters)
    -> (Action, HyperParameters);
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn propose(
        &mut self,
        signals: &Signals,
        current: HyperParameters,
    ) -> (Action, HyperParameters) {
        (**self).propose(signals, current)
    }
}

/// Whether a controller acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Mode {
    /// Proposals within bounds come into force.
    #[default]
    Act,
    /// Proposals are told and nothing changes.
    DryRun,
}

/// What a controller decided.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Decision {
    /// Steps done.
    pub step: u64,
    /// What is to be done.
    pub action: Action,
    /// Hyper-parameters as they should be, within bounds.
    pub proposed: HyperParameters,
    /// Hyper-parameters in force: those proposed, or in a dry run those from before.
    pub in_force: HyperParameters,
}

/// A schedule with its bounds and the hyper-parameters in force.
///
/// ```
/// use thermograd::cooling::{Action, Bounds, Controller, EquilibriumTriggered, HyperParameters, Mode, Signals, State};
/// let start = HyperParameters::new(0.1, 64);
/// let bounds = Bounds::new(1e-3, 0.1)?;
/// let mut controller = Controller::new(EquilibriumTriggered::default(), bounds, start)?;
/// let mut signals = Signals::new(1000);
/// signals.state = State::Stationary;
/// let decision = controller.step(&signals);
/// assert_eq!((decision.action, decision.in_force.learning_rate), (Action::Cool, 0.05));
/// // The same, asked for advice.
/// let mut adviser = Controller::new(EquilibriumTriggered::default(), bounds, start)?.mode(Mode::DryRun);
/// let decision = adviser.step(&signals);
/// assert_eq!((decision.proposed.learning_rate, decision.in_force.learning_rate), (0.05, 0.1));
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Controller<S> {
    schedule: S,
    bounds: Bounds,
    mode: Mode,
    current: HyperParameters,
}

impl<S: Schedule> Controller<S> {
    /// A controller that acts, starting from these hyper-parameters.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a start outside the bounds.
    pub fn new(schedule: S, bounds: Bounds, start: HyperParameters) -> Result<Self, Error> {
        let mut controller = Self {
            schedule,
            bounds,
            mode: Mode::Act,
            current: start,
        };
        controller.set_current(start)?;
        Ok(controller)
    }

    /// Acting, or advising only.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The hyper-parameters in force.
    pub const fn current(&self) -> HyperParameters {
        self.current
    }

    /// Tells what is in force when something else set it: the loop's own schedule, in a dry run.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] outside the bounds.
    pub fn set_current(&mut self, current: HyperParameters) -> Result<(), Error> {
        let clamped = self.bounds.clamp(current, current);
        if current.batch_size == 0 || clamped.batch_size != current.batch_size {
            return Err(Error::OutOfRange {
                what: "batch size",
                value: current.batch_size as f64,
                allowed: "within the bounds, and at least 1",
            });
        }
        if !current.learning_rate.is_finite() || clamped.learning_rate != current.learning_rate {
            return Err(Error::OutOfRange {
                what: "learning rate",
                value: current.learning_rate,
                allowed: "within the bounds",
            });
        }
        self.current = current;
        Ok(())
    }

    /// What to do now. Call it every so many steps; between calls nothing changes.
    pub fn step(&mut self, signals: &Signals) -> Decision {
        let (action, proposed) = self.schedule.propose(signals, self.current);
        let proposed = self.bounds.clamp(proposed, self.current);
        // At its bound there is nothing left to cool: the stage goes on.
        let action = if proposed == self.current && matches!(action, Action::Cool | Action::Anneal)
        {
            Action::Hold
        } else {
            action
        };
        if self.mode == Mode::Act {
            self.current = proposed;
        }
        Decision {
            step: signals.step,
            action,
            proposed,
            in_force: self.current,
        }
    }

    /// The schedule.
    pub const fn schedule(&self) -> &S {
        &self.schedule
    }
}

/// Hyper-parameters after backing off: half the learning rate.
fn backed_off(current: HyperParameters) -> (Action, HyperParameters) {
    let cooler = HyperParameters {
        learning_rate: 0.5 * current.learning_rate,
        ..current
    };
    (Action::BackOff, cooler)
}

/// Cooling at constant thermodynamic speed over a run of known length.
///
/// With s = τ√C it follows d ln T/dt = −v/s, v chosen anew at each call so that the end
/// temperature is reached at the end. What s will be is extrapolated from what it is as s ∝ 1/T, cooling by
/// η being slower motion; where two and more temperatures have been measured, by the power that was
/// found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConstantSpeed {
    horizon: u64,
    end: f64,
    waits: bool,
    begun: Option<(u64, f64)>,
    last_step: u64,
    /// Sums of a regression of ln s over ln η.
    fit: [f64; 5],
}

impl ConstantSpeed {
    /// Over `horizon` steps from the first call on, to a hundredth of the starting temperature.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a horizon of 0.
    pub fn new(horizon: u64) -> Result<Self, Error> {
        if horizon == 0 {
            return Err(Error::OutOfRange {
                what: "horizon",
                value: 0.0,
                allowed: "at least one step",
            });
        }
        Ok(Self {
            horizon,
            end: 0.01,
            waits: false,
            begun: None,
            last_step: 0,
            fit: [0.0; 5],
        })
    }

    /// To this share of the starting temperature.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless it is in (0, 1).
    pub fn end(mut self, share: f64) -> Result<Self, Error> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::OutOfRange {
                what: "share of the starting temperature at the end",
                value: share,
                allowed: "a number between 0 and 1",
            });
        }
        self.end = share;
        Ok(self)
    }

    /// Not before the run is found stationary, or only a tenth of it is left: the theory speaks of a
    /// system that starts in equilibrium, and cooling one that still falls is a quench at any speed. The
    /// horizon is that of the run, from step 0, and the end temperature is reached at its end all the same.
    #[must_use]
    pub const fn from_equilibrium(mut self) -> Self {
        self.waits = true;
        self
    }

    /// α of s ∝ T^−α: 1 until measured at temperatures a factor 2 apart, and then within 0 to 4.
    pub fn exponent(&self) -> f64 {
        let [n, x, y, xx, xy] = self.fit;
        let spread = xx - x * x / n.max(1.0);
        // Variance of ln η of (ln 2)²/4: half the points a factor 2 from the others.
        if n < 2.0 || spread < n * 0.12 {
            return 1.0;
        }
        (-(xy - x * y / n) / spread).clamp(0.0, 4.0)
    }

    /// ln η after `steps` of what is left, from ln(η/η_end) = `folds` now.
    ///
    /// With s ∝ η^−α constant speed means that η^−α grows linearly in time (ln η for α = 0).
    fn fall(alpha: f64, folds: f64, share: f64) -> f64 {
        if alpha < 1e-6 {
            return folds * share;
        }
        ((alpha * folds).exp_m1() * share).ln_1p() / alpha
    }
}

impl Schedule for ConstantSpeed {
    fn propose(
        &mut self,
        signals: &Signals,
        current: HyperParameters,
    ) -> (Action, HyperParameters) {
        if signals.state == State::Overheating {
            // The end stays where it was: only the rest of the way is shorter.
            self.last_step = signals.step;
            return backed_off(current);
        }
        if self.waits && self.begun.is_none() && signals.state != State::Stationary {
            let left = 1.0 - signals.step as f64 / self.horizon as f64;
            if left > Quench::SHARE {
                return match signals.state {
                    State::Drifting => (Action::HoldAndRestart, current),
                    _ => (Action::Hold, current),
                };
            }
        }
        let &mut (first, start) = self
            .begun
            .get_or_insert((signals.step, current.learning_rate));
        if signals.step == first {
            self.last_step = first;
        }
        if let Some((tau, capacity)) = signals.relaxation_time.zip(signals.heat_capacity)
            && tau > 0.0
            && capacity > 0.0
        {
            let (x, y) = (current.learning_rate.ln(), (tau * capacity.sqrt()).ln());
            if x.is_finite() && y.is_finite() {
                for (sum, term) in self.fit.iter_mut().zip([1.0, x, y, x * x, x * y]) {
                    *sum += term;
                }
            }
        }
        // Who waited has what is left of the run; else the run begins with the cooling.
        let origin = if self.waits { 0 } else { first };
        let left = self
            .horizon
            .saturating_sub(self.last_step.saturating_sub(origin));
        let elapsed = signals.step.saturating_sub(self.last_step);
        self.last_step = signals.step;
        let folds = (current.learning_rate / (start * self.end)).ln();
        if elapsed == 0 || folds <= 0.0 || left == 0 {
            return (Action::Hold, current);
        }
        let share = (elapsed as f64 / left as f64).min(1.0);
        let fall = Self::fall(self.exponent(), folds, share);
        let cooler = HyperParameters {
            learning_rate: current.learning_rate * (-fall).exp(),
            ..current
        };
        (Action::Anneal, cooler)
    }
}

/// The last tenth of a run of known length, linear to the end.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Quench {
    horizon: u64,
    /// Learning rate at which it began.
    from: Option<f64>,
}

impl Quench {
    const SHARE: f64 = 0.1;
    const END: f64 = 0.01;

    /// The rate of this step, once the last tenth has begun.
    fn rate(&mut self, step: u64, current: f64) -> Option<f64> {
        let left = 1.0 - step as f64 / self.horizon.max(1) as f64;
        if left > Self::SHARE {
            return None;
        }
        let from = *self.from.get_or_insert(current);
        let share = (left / Self::SHARE).max(Self::END);
        Some((from * share).min(current))
    }
}

/// Stages: how long the present one is, and how long it must be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Stages {
    since: u64,
    least: f64,
}

impl Stages {
    fn may_end(&self, step: u64) -> bool {
        step.saturating_sub(self.since) as f64 >= self.least
    }

    /// Ends the stage; the next one relaxes slower by the factor by which η fell.
    fn end(&mut self, step: u64, slower: f64) {
        self.least = step.saturating_sub(self.since) as f64 * slower;
        self.since = step;
    }
}

/// Cooling in steps, each taken when the stage before is found stationary.
///
/// Stationary: cool by the factor. Drifting: hold, and look anew. Unknown: hold, and keep
/// looking. Overheating: back off.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EquilibriumTriggered {
    factor: f64,
    stages: Stages,
    quench: Option<Quench>,
}

impl Default for EquilibriumTriggered {
    /// Cooling by ½, for as long as the run lasts.
    fn default() -> Self {
        Self {
            factor: 0.5,
            stages: Stages::default(),
            quench: None,
        }
    }
}

impl EquilibriumTriggered {
    /// Cooling by this factor instead of ½.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless it is between 0.01 and 0.99.
    pub fn factor(mut self, factor: f64) -> Result<Self, Error> {
        if !(0.01..=0.99).contains(&factor) {
            return Err(Error::OutOfRange {
                what: "cooling factor",
                value: factor,
                allowed: "0.01 to 0.99",
            });
        }
        self.factor = factor;
        Ok(self)
    }

    /// For a run of this many steps: its last tenth cools linearly to a hundredth.
    #[must_use]
    pub const fn horizon(mut self, steps: u64) -> Self {
        self.quench = Some(Quench {
            horizon: steps,
            from: None,
        });
        self
    }
}

impl Schedule for EquilibriumTriggered {
    fn propose(
        &mut self,
        signals: &Signals,
        current: HyperParameters,
    ) -> (Action, HyperParameters) {
        let rate = |learning_rate| HyperParameters {
            learning_rate,
            ..current
        };
        if signals.state == State::Overheating {
            self.stages = Stages {
                since: signals.step,
                ..Stages::default()
            };
            return backed_off(current);
        }
        if let Some(quench) = &mut self.quench
            && let Some(learning_rate) = quench.rate(signals.step, current.learning_rate)
        {
            return (Action::Anneal, rate(learning_rate));
        }
        match signals.state {
            State::Stationary if self.stages.may_end(signals.step) => {
                self.stages.end(signals.step, 1.0 / self.factor);
                (Action::Cool, rate(self.factor * current.learning_rate))
            }
            State::Drifting => (Action::HoldAndRestart, current),
            _ => (Action::Hold, current),
        }
    }
}

/// Cooling by the batch: at a stationary stage it doubles, at a constant learning rate; when it is
/// at its bound the learning rate is halved instead.
///
/// Give [`Bounds::batch_sizes`]. Steps get as much more expensive as batches get larger: compare
/// runs by examples as well as by steps.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchGrowth {
    largest: usize,
    stages: Stages,
    quench: Option<Quench>,
}

impl BatchGrowth {
    /// Up to this batch.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a batch of 0.
    pub fn new(largest: usize) -> Result<Self, Error> {
        if largest == 0 {
            return Err(Error::OutOfRange {
                what: "largest batch",
                value: 0.0,
                allowed: "at least 1",
            });
        }
        Ok(Self {
            largest,
            stages: Stages::default(),
            quench: None,
        })
    }

    /// For a run of this many steps: in its last tenth the learning rate falls linearly to a
    /// hundredth.
    #[must_use]
    pub const fn horizon(mut self, steps: u64) -> Self {
        self.quench = Some(Quench {
            horizon: steps,
            from: None,
        });
        self
    }
}

impl Schedule for BatchGrowth {
    fn propose(
        &mut self,
        signals: &Signals,
        current: HyperParameters,
    ) -> (Action, HyperParameters) {
        if signals.state == State::Overheating {
            self.stages = Stages {
                since: signals.step,
                ..Stages::default()
            };
            return backed_off(current);
        }
        if let Some(quench) = &mut self.quench
            && let Some(learning_rate) = quench.rate(signals.step, current.learning_rate)
        {
            let cooler = HyperParameters {
                learning_rate,
                ..current
            };
            return (Action::Anneal, cooler);
        }
        match signals.state {
            State::Stationary if self.stages.may_end(signals.step) => {
                let grown = current.batch_size.saturating_mul(2).min(self.largest);
                if grown > current.batch_size {
                    // Cooler noise, the same motion: no stage gets slower.
                    self.stages.end(signals.step, 1.0);
                    let cooler = HyperParameters {
                        batch_size: grown,
                        ..current
                    };
                    (Action::Cool, cooler)
                } else {
                    self.stages.end(signals.step, 2.0);
                    let cooler = HyperParameters {
                        learning_rate: 0.5 * current.learning_rate,
                        ..current
                    };
                    (Action::Cool, cooler)
                }
            }
            State::Drifting => (Action::HoldAndRestart, current),
            _ => (Action::Hold, current),
        }
    }
}

/// What weight decay should be for a run of given length.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DecayAdvice {
    /// Relaxation times of the norm that the run will see with the decay it has.
    pub relaxations: f64,
    /// λ below which the run ends before the norm has settled, five relaxation times.
    pub least: f64,
    /// λ above which the step is coarse: a gas would have Z off by 5 %, mp = 0.1.
    pub most: f64,
}

/// Relaxation times after which a norm counts as settled.
const SETTLED: f64 = 5.0;
/// The product of mobility and pressure that makes Z − 1 = mp/2 of 5 %.
const COARSE: f64 = 0.1;

/// Weight decay as pressure: what λ lets the norms of scale-invariant layers settle in `run_length`
/// steps at this learning rate.
///
/// Where the rate changes during the run, give its mean over the steps.
///
/// ```
/// use thermograd::{Step, cooling::decay_advice};
/// let step = Step::new(0.0).learning_rate(0.1).weight_decay(1e-3);
/// let advice = decay_advice(&step, 10_000)?;
/// let advice = advice.ready().unwrap();
/// // 4ηλn = 4; 5/(4ηn); 0.1/η.
/// assert!((advice.relaxations - 4.0).abs() < 1e-12);
/// assert!((advice.least - 1.25e-3).abs() < 1e-15);
/// assert!((advice.most - 1.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Undefined without a learning rate, and under rules whose norm has no known rate.
///
/// # Errors
/// As [`Step::check`]; [`Error::OutOfRange`] for a run of no steps.
pub fn decay_advice(step: &Step, run_length: u64) -> Result<Reading<DecayAdvice>, Error> {
    step.check()?;
    if run_length == 0 {
        return Err(Error::OutOfRange {
            what: "length of the run",
            value: 0.0,
            allowed: "at least one step",
        });
    }
    let Some(rate) = step.learning_rate else {
        return Ok(Reading::Undefined(Reason::Missing("the learning rate")));
    };
    if rate == 0.0 {
        return Ok(Reading::Undefined(Reason::DividesByZero(
            "the learning rate",
        )));
    }
    // Rates are proportional to λ in every rule that has one: read them at λ = 1.
    let mut unit = *step;
    unit.weight_decay = Some(1.0);
    let norm = unit
        .relaxation_rate(None)
        .filter(|_| step.protocol == crate::Protocol::FixedLearningRate);
    let force = unit
        .optimizer
        .mobility(rate)
        .zip(unit.optimizer.pressure(1.0, unit.decay))
        .map(|(m, p)| m * p)
        .filter(|&force| force > 0.0);
    let Some((norm, force)) = norm.zip(force) else {
        return Ok(Reading::Undefined(Reason::Optimizer(
            "the rate at which the norm settles is not known",
        )));
    };
    let steps = run_length as f64;
    let advice = DecayAdvice {
        relaxations: norm * step.weight_decay.unwrap_or(0.0) * steps,
        least: SETTLED / (norm * steps),
        most: COARSE / force,
    };
    let finite = [advice.relaxations, advice.least, advice.most];
    Ok(if finite.iter().all(|x| x.is_finite()) {
        Reading::Ready(advice)
    } else {
        Reading::Undefined(Reason::Degenerate("a learning rate too small to act"))
    })
}
