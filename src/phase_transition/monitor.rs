//! The phases of a run while it runs: order parameters, events and the phase itself, from an [`Observer`].
//!
//! The observer hands each step to a monitor of bounded memory. Order parameters come from the [`Observer`]'s
//! windows and from sketches of the weights on its probe; the formulas are those of this module, each in its place. What the
//! [rules](classify) need is gathered so:
//!
//! | evidence | from |
//! |---|---|
//! | energy, independent samples | the loss of the window, with its error bar |
//! | drifts of energy and of `ln|Δ|²` | straight lines through the 64 to 127 blocks of the window, their errors widened by the inefficiency of the residuals |
//! | gas energy, transition temperature | [`MonitorConfig`]: nobody but the user knows them |
//! | best energy | [`MonitorConfig`]; otherwise the lowest of the windows so far |
//! | overlap at long lag | sketches at least `3/⟨1 − cos⟩` steps apart: 3 times that in which diffusing directions forget themselves, `3/ηλ` in a stationary gas |
//! | drift of the overlap | the overlap at an eighth of the window, first against last; of the group in which it grows most clearly |
//! | drift of the participation ratio | that of the second half of the window less that of the first; of the group in which it falls most clearly |
//! | edge ratio, norm, age | the readings of the groups, the most alarming one |
//! | `ηλ_max/2(1 + μ)` | [`Observer::set_stability`]: it takes products with the Hessian |
//! | growth of the norm | `η²\|g\|²/\|w\|²` where the norm does not answer; on a sphere it is the squared tangent of a step, and from 1 on directions are forgotten in one |
//! | thermal energy `RT` | `⟨m tr Σ⟩/4` of the gradient noise, `d T/2`: needs a second gradient |
//!
//! Transitions are looked for in the mean loss and the turning of all groups, over the whole run in 128 to 256 blocks: [`pelt`] places
//! changes of the mean at a price of `5 ln n` in units of the long-run variance (from medians, so that the changes themselves do not count), and one is announced where both neighbours are plateaus (they drift by less
//! than half of the step between them) and where the next look, 8 blocks later, finds it again. Its interval holds 95 % of the likelihood of the place, in the same units.
//!
//! When it lies: everything slower than the window is invisible, a phase included; and see the notes of each order
//! parameter. In a window shorter than about 30 turning times the overlap at long lag stays pending.

use super::change_point::{Cost, PeltConfig, Penalty, pelt};
use super::cloud::Cloud;
use super::event::{Event, Interval, Quantity, Queue};
use super::order_parameter::{
    EnergyScale, Overlap, energy_fraction, long_overlap, overlap_at_lag, participation_ratio,
};
use super::overheating::Alarm;
use super::phase::{Classification, Evidence, PhaseConfig, Witness, classify};
use super::series::{inefficiency, mean, median};
use crate::equilibrium::{Verdict, VerdictConfig};
use crate::history::History;
use crate::random::mix;
use crate::{
    Ensemble, Error, Estimate, GroupId, Moment, Observer, Protocol, Reading, Reason, Step, Symmetry,
};

/// Sums of a sketch unless the user asks for another number.
const SKETCH: usize = 256;
/// Turning times between two snapshots that count as independent.
const LONG_LAG: f64 = 3.0;
/// Blocks of the record of the run, and those without which no change is looked for.
const RECORD: usize = 256;
const FEWEST_BLOCKS: usize = 64;
/// Steps of its first blocks.
const BLOCK: u64 = 16;
/// Blocks of a plateau.
const PLATEAU: usize = 8;
/// Price of a change in units of the long-run variance and of ln n. The usual 3 is for one look at a known variance.
const PRICE: f64 = 5.0;
/// Transitions remembered so that none is told twice.
const REMEMBERED: usize = 64;

/// What only the user knows about a run, and how its phase is told.
///
/// ```
/// use thermograd::phase_transition::MonitorConfig;
/// use thermograd::Estimate;
/// // A network that guesses among ten classes.
/// let gas = Estimate { value: 10_f64.ln(), std_error: 0.0, n_eff: 1.0 };
/// let config = MonitorConfig::default().gas_energy(gas);
/// # let _ = thermograd::Config::default().monitor(config);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MonitorConfig {
    /// Mean loss at random directions of the weights.
    pub gas_energy: Option<Estimate>,
    /// The lowest energy there is; that of the best window so far where it is not given.
    pub best_energy: Option<Estimate>,
    /// Temperature of the transition, if it is known.
    pub transition_temperature: Option<Estimate>,
    /// The thresholds of the rules.
    pub phase: PhaseConfig,
    /// Numbers by which a snapshot of a group is kept, of which there are 128 in each of two windows: half a megabyte a group.
    pub sketch: usize,
}

impl Default for MonitorConfig {
    /// Nothing known, the default thresholds, sketches of 256 numbers.
    fn default() -> Self {
        Self {
            gas_energy: None,
            best_energy: None,
            transition_temperature: None,
            phase: PhaseConfig::default(),
            sketch: SKETCH,
        }
    }
}

impl MonitorConfig {
    /// Declares the mean loss at random weights: the energy of the gas.
    #[must_use]
    pub const fn gas_energy(mut self, energy: Estimate) -> Self {
        self.gas_energy = Some(energy);
        self
    }

    /// Declares the lowest energy there is.
    #[must_use]
    pub const fn best_energy(mut self, energy: Estimate) -> Self {
        self.best_energy = Some(energy);
        self
    }

    /// Declares the temperature of the transition.
    #[must_use]
    pub const fn transition_temperature(mut self, temperature: Estimate) -> Self {
        self.transition_temperature = Some(temperature);
        self
    }

    /// The same with other thresholds.
    #[must_use]
    pub const fn phase(mut self, thresholds: PhaseConfig) -> Self {
        self.phase = thresholds;
        self
    }

    /// The same with larger or smaller sketches.
    #[must_use]
    pub const fn sketch(mut self, numbers: usize) -> Self {
        self.sketch = numbers;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let declared = [
            self.gas_energy,
            self.best_energy,
            self.transition_temperature,
        ];
        for estimate in declared.into_iter().flatten() {
            Error::check_finite("declared energy", &[estimate.value, estimate.std_error])?;
            estimate.check_count()?;
        }
        if !(8..=1 << 20).contains(&self.sketch) {
            return Err(Error::OutOfRange {
                what: "numbers of a sketch",
                value: self.sketch as f64,
                allowed: "from 8 to 2^20",
            });
        }
        // Thresholds and standard errors are checked where they are used.
        classify(&Evidence::default(), None, &self.phase).map(drop)
    }
}

/// What tells a gas of directions from a condensate, for one group and the window that readings speak of.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OrderParameters {
    /// Mean norm of the weights.
    pub radius: Reading,
    /// Overlap of directions further apart than they remember, see [`long_overlap`].
    pub long_overlap: Reading<Overlap>,
    /// Its root, the mean resultant length.
    pub resultant_length: Reading,
    /// Directions over which the cloud of weights spreads, see [`participation_ratio`].
    pub participation_ratio: Reading,
    /// Mean cosine of successive steps.
    pub step_alignment: Reading,
    /// Mean gradient over gradient noise.
    pub signal_to_noise: Reading,
    /// Energy on the scale from the best (0) to the gas (1): the whole model's.
    pub energy_fraction: Reading,
}

/// What is kept of one group.
#[derive(Debug, Clone)]
struct Watch {
    alarm: Alarm,
    current: Option<Cloud>,
    complete: Option<Cloud>,
    windows: u64,
}

impl Watch {
    const fn new() -> Self {
        Self {
            alarm: Alarm::new(),
            current: None,
            complete: None,
            windows: 0,
        }
    }

    /// The cloud of the window that readings speak of.
    const fn cloud(&self) -> Option<&Cloud> {
        if self.windows > 0 {
            self.complete.as_ref()
        } else {
            self.current.as_ref()
        }
    }
}

/// Block means of one series over the whole run, in bounded memory.
#[derive(Debug, Clone)]
struct Record {
    /// Last step and mean of each block.
    blocks: Vec<(u64, f64)>,
    sum: f64,
    count: u64,
    length: u64,
    looked_at: u64,
}

impl Record {
    fn new() -> Self {
        Self {
            blocks: Vec::with_capacity(RECORD),
            sum: 0.0,
            count: 0,
            length: BLOCK,
            looked_at: 0,
        }
    }

    fn push(&mut self, step: u64, x: f64) {
        self.sum += x;
        self.count += 1;
        if self.count < self.length {
            return;
        }
        self.blocks.push((step, self.sum / self.count as f64));
        (self.sum, self.count) = (0.0, 0);
        if self.blocks.len() == RECORD {
            for i in 0..RECORD / 2 {
                let (a, b) = (self.blocks[2 * i], self.blocks[2 * i + 1]);
                self.blocks[i] = (b.0, 0.5 * (a.1 + b.1));
            }
            self.blocks.truncate(RECORD / 2);
            self.length = self.length.saturating_mul(2);
        }
    }

    /// Whether enough has come since the last look to be worth another.
    fn is_due(&self) -> bool {
        let last = self.blocks.last().map_or(0, |block| block.0);
        self.blocks.len() >= FEWEST_BLOCKS
            && last - self.looked_at.min(last) >= PLATEAU as u64 * self.length
    }

    /// Changes from plateau to plateau: where, and within which steps.
    fn transitions(&mut self) -> Vec<(u64, Interval)> {
        self.looked_at = self.blocks.last().map_or(0, |block| block.0);
        let x: Vec<f64> = self.blocks.iter().map(|block| block.1).collect();
        let Some(noise) = long_run_variance(&x) else {
            return Vec::new();
        };
        let config = PeltConfig::new(Cost::Mean)
            .min_segment(PLATEAU)
            .noise_variance(noise)
            .penalty(Penalty::Given(PRICE * (x.len() as f64).ln()));
        let Ok(Reading::Ready(found)) = pelt(&x, &config) else {
            return Vec::new();
        };
        let mut edges = vec![0];
        edges.extend(&found.change_points);
        edges.push(x.len());
        edges
            .windows(3)
            .filter_map(|edge| {
                let (before, after) = (x.get(edge[0]..edge[1])?, x.get(edge[1]..edge[2])?);
                let jump = (mean(after) - mean(before)).abs();
                let drifts = |plateau: &[f64]| slope(plateau).abs() * plateau.len() as f64;
                if drifts(before).max(drifts(after)) > 0.5 * jump {
                    return None;
                }
                let (first, last) = place(x.get(edge[0]..edge[2])?, noise)?;
                // A block's step is its last: the change lies before it, and after that of the block before.
                let end = |i: usize| self.blocks.get(i).map(|block| block.0);
                let start = |i: usize| end(i).map(|step| step.saturating_sub(self.length));
                let interval = Interval {
                    first: start((edge[0] + first).saturating_sub(1))?,
                    last: end(edge[0] + last)?,
                };
                Some((start(edge[1])?, interval))
            })
            .collect()
    }
}

/// Variance of a mean of n elements, times n, from medians of successive differences of means of 1, 2, 4 … elements:
/// a few jumps, and the relaxation after them, do not move it. `None` for fewer than 16 independent elements, as an
/// autoregression would have them, and for a constant series.
fn long_run_variance(x: &[f64]) -> Option<f64> {
    /// Third quartile of the normal distribution.
    const QUARTILE: f64 = 0.674_489_750_196_081_7;
    let lagged = |lag: usize| {
        let later = x.iter().skip(lag);
        let mut apart: Vec<f64> = x.iter().zip(later).map(|(a, b)| (b - a).abs()).collect();
        (median(&mut apart) / QUARTILE).powi(2)
    };
    // ⟨(x_{t+1} − x_t)²⟩ = 2σ²(1 − ρ), and with two steps 2σ²(1 − ρ²).
    let (first, second) = (lagged(1), lagged(2));
    if first <= 0.0 {
        return None;
    }
    let rho = (second / first - 1.0).clamp(0.0, 0.999);
    let g = (1.0 + rho) / (1.0 - rho);
    if (x.len() as f64) < 16.0 * g {
        return None;
    }
    let mut largest = 0.5 * first / (1.0 - rho) * g;
    let mut length = 1;
    while 16 * length <= x.len() {
        let means: Vec<f64> = x.chunks_exact(length).map(mean).collect();
        let mut apart: Vec<f64> = means.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
        let of_mean = 0.5 * (median(&mut apart) / QUARTILE).powi(2);
        largest = largest.max(length as f64 * of_mean);
        length *= 2;
    }
    Some(largest)
}

/// Slope of a straight line through evenly spaced values.
fn slope(values: &[f64]) -> f64 {
    let (n, centre) = (values.len() as f64, mean(values));
    let middle = 0.5 * (n - 1.0);
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, value) in values.iter().enumerate() {
        let t = i as f64 - middle;
        products += t * (value - centre);
        squares += t * t;
    }
    if squares > 0.0 {
        products / squares
    } else {
        0.0
    }
}

/// The cuts of two segments that hold 95 % of the likelihood.
fn place(x: &[f64], noise: f64) -> Option<(usize, usize)> {
    let n = x.len();
    let total: f64 = x.iter().sum();
    let mut sum = 0.0;
    let gain: Vec<f64> = x
        .iter()
        .enumerate()
        .take(n.checked_sub(1)?)
        .map(|(i, value)| {
            sum += value;
            let k = (i + 1) as f64;
            // By how much the squared residuals fall when cut behind element i.
            (sum - k * total / n as f64).powi(2) * n as f64 / (k * (n as f64 - k))
        })
        .collect();
    let best = gain.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = gain
        .iter()
        .map(|g| (0.5 * (g - best) / noise.max(f64::MIN_POSITIVE)).exp())
        .collect();
    let all: f64 = weights.iter().sum();
    let (mut below, mut first, mut last) = (0.0, None, n - 1);
    for (i, weight) in weights.iter().enumerate() {
        below += weight / all;
        if below >= 0.025 && first.is_none() {
            first = Some(i + 1);
        }
        if below >= 0.975 {
            last = i + 1;
            break;
        }
    }
    Some((first?, last))
}

/// Slope of a straight line per element, its error widened by the inefficiency of the residuals; `None` below 16
/// elements and for residuals that are all zero.
fn trend(values: &[f64]) -> Option<Estimate> {
    let n = values.len();
    if n < 16 {
        return None;
    }
    let (slope, centre) = (slope(values), mean(values));
    let middle = 0.5 * (n as f64 - 1.0);
    let residuals: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(i, value)| value - centre - slope * (i as f64 - middle))
        .collect();
    let square: f64 = residuals.iter().map(|r| r * r).sum();
    let g = inefficiency(&residuals)?;
    let spread = n as f64 * (n as f64 * n as f64 - 1.0) / 12.0;
    Some(Estimate {
        value: slope,
        std_error: (g * square / (n as f64 - 2.0) / spread).sqrt(),
        n_eff: n as f64 / g,
    })
}

/// The part of an observer that watches for phases.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    config: MonitorConfig,
    groups: Vec<Watch>,
    queue: Queue,
    energy: Record,
    rotation: Record,
    /// Transitions of the last look, and those that were told.
    suspected: Vec<(Quantity, Interval)>,
    told: Vec<(Quantity, Interval)>,
    /// Complete windows, and the step at which the last one ended.
    windows: (u64, u64),
    /// Windows that were judged, with or without an answer.
    judged: u64,
    classified: Option<(u64, Classification)>,
    best: Option<Estimate>,
    witness: Option<Witness>,
    stability: Option<Estimate>,
    protocol: Protocol,
    non_finite: bool,
    settled: bool,
}

impl Monitor {
    pub(crate) fn new(config: &MonitorConfig, groups: usize) -> Self {
        Self {
            config: config.clone(),
            groups: (0..groups).map(|_| Watch::new()).collect(),
            queue: Queue::new(),
            energy: Record::new(),
            rotation: Record::new(),
            suspected: Vec::new(),
            told: Vec::with_capacity(REMEMBERED),
            windows: (0, 0),
            judged: 0,
            classified: None,
            best: None,
            witness: None,
            stability: None,
            protocol: Protocol::FixedLearningRate,
            non_finite: false,
            settled: false,
        }
    }

    /// What was told changes what the last window means.
    const fn judge_again(&mut self) {
        self.judged = self.judged.saturating_sub(1);
        if let Some((windows, _)) = &mut self.classified {
            *windows = windows.saturating_sub(1);
        }
    }

    /// One step of one group, whose history holds its weights by now.
    pub(crate) fn group(
        &mut self,
        (index, at): (usize, u64),
        steps: (&Step, Option<&Step>),
        (group, symmetry): (&Ensemble, Symmetry),
        history: Option<&History>,
    ) {
        let Some(watch) = self.groups.get_mut(index) else {
            return;
        };
        let gas = self.config.gas_energy.map(|energy| energy.value);
        let news = watch
            .alarm
            .push(steps, group, symmetry.is_scale_invariant(), gas);
        if let Some(cause) = news {
            self.queue.push(Event::Overheating {
                step: at,
                group: Some(GroupId(index)),
                cause,
            });
        }
        if let Some(history) = history {
            let sketch = self.config.sketch;
            watch
                .current
                .get_or_insert_with(|| Cloud::new(history, sketch, mix(index as u64)))
                .push(at, history);
        }
    }

    /// One step of the model as a whole, after its groups.
    pub(crate) fn model(&mut self, at: u64, step: &Step, model: Option<&Ensemble>) {
        self.protocol = step.protocol;
        self.non_finite = false;
        self.energy.push(at, step.loss);
        if let Some(rotation) = model.and_then(|model| model.mean(Moment::Rotation)) {
            self.rotation.push(at, rotation);
        }
    }

    pub(crate) fn new_window(&mut self, at: u64) {
        self.windows = (self.windows.0 + 1, at);
        for watch in &mut self.groups {
            std::mem::swap(&mut watch.current, &mut watch.complete);
            watch.windows += 1;
            if watch.current.is_none() {
                // The first window to end: room for the next is taken now.
                watch.current = watch.complete.clone();
            }
            if let Some((cloud, complete)) = watch.current.as_mut().zip(watch.complete.as_ref()) {
                cloud.begin(complete.seen());
            }
        }
    }

    /// A step was refused. If because it was not finite, that is an event, told once until steps are finite again.
    pub(crate) fn refused(&mut self, at: u64, error: &Error) {
        let non_finite = match error {
            Error::NonFinite { .. } | Error::Overflow { .. } => true,
            Error::OutOfRange { value, .. } => !value.is_finite(),
            _ => false,
        };
        if non_finite && !self.non_finite {
            self.non_finite = true;
            self.queue.push(Event::Overheating {
                step: at,
                group: None,
                cause: super::Cause::NonFinite,
            });
        }
    }

    /// Whether the run is in a stationary state, as of this step: news is announced.
    pub(crate) fn settle(&mut self, at: u64, settled: bool) {
        if settled && !self.settled {
            self.queue.push(Event::EquilibriumReached { step: at });
        }
        self.settled = settled;
    }

    fn look_for_transitions(&mut self) {
        let records = [
            (Quantity::Energy, &mut self.energy),
            (Quantity::Rotation, &mut self.rotation),
        ];
        for (quantity, record) in records {
            if !record.is_due() {
                continue;
            }
            let near = PLATEAU as u64 * record.length;
            let among = |list: &[(Quantity, Interval)], interval: Interval| {
                list.iter().any(|(of, other)| {
                    *of == quantity
                        && interval.first <= other.last.saturating_add(near)
                        && other.first <= interval.last.saturating_add(near)
                })
            };
            let found = record.transitions();
            for &(step, interval) in &found {
                // Twice in a row: many looks at one series find what one look would not.
                if among(&self.told, interval) || !among(&self.suspected, interval) {
                    continue;
                }
                if self.told.len() == REMEMBERED {
                    self.told.remove(0);
                }
                self.told.push((quantity, interval));
                self.queue.push(Event::Transition {
                    step,
                    interval,
                    quantity,
                });
            }
            self.suspected.retain(|(of, _)| *of != quantity);
            let found = found.iter().map(|&(_, interval)| (quantity, interval));
            self.suspected.extend(found);
        }
    }
}

impl Observer {
    /// What happened since this was last asked: transitions, changes of phase, overheating ahead, equilibrium.
    ///
    /// Overheating is noticed by [`Observer::observe`] itself; the others are looked for here, so ask at least once
    /// a window. At most 64 events wait.
    ///
    /// ```
    /// use thermograd::phase_transition::{Cause, Event};
    /// use thermograd::{slices, Groups, Observer, Step, Symmetry};
    /// let mut groups = Groups::new();
    /// let all = groups.add("all", Symmetry::Generic);
    /// let mut observer = Observer::new(groups)?;
    /// let refused = observer.observe(&Step::new(f64::NAN), &slices(all, &[1.0_f64], &[0.0_f64]));
    /// assert!(refused.is_err());
    /// let first = observer.events().next();
    /// assert!(matches!(first, Some(Event::Overheating { cause: Cause::NonFinite, .. })));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.monitor.look_for_transitions();
        let (windows, at) = self.monitor.windows;
        let news = windows > self.monitor.judged;
        self.monitor.judged = windows;
        if news {
            let verdict = self.verdict(&VerdictConfig::default());
            let settled = matches!(verdict, Ok(Verdict::Equilibrium { .. }));
            self.monitor.settle(at, settled);
        }
        if news && let Reading::Ready(now) = self.phase() {
            let before = self
                .monitor
                .classified
                .as_ref()
                .map(|(_, before)| before.phase);
            if before != Some(now.phase) {
                self.monitor.queue.push(Event::PhaseChanged {
                    step: at,
                    from: before,
                    to: now.phase,
                });
            }
            if let Some(energy) = now.evidence.energy
                && self
                    .monitor
                    .best
                    .is_none_or(|best| energy.value < best.value)
            {
                self.monitor.best = Some(energy);
            }
            self.monitor.classified = Some((windows, now));
        }
        self.monitor.queue.drain()
    }

    /// The phase of the window that readings speak of, with its grounds and evidence.
    ///
    /// Undefined where the rules lack evidence that more steps would not bring, above all the
    /// [energy of the gas](MonitorConfig::gas_energy); pending where more steps would.
    pub fn phase(&self) -> Reading<Classification> {
        let monitor = &self.monitor;
        if let Some((windows, known)) = &monitor.classified
            && *windows == monitor.windows.0
            && *windows > 0
        {
            return Reading::Ready(known.clone());
        }
        let evidence = self.evidence();
        let previous = monitor.classified.as_ref().map(|(_, before)| before);
        let answer = match classify(&evidence, previous, &monitor.config.phase) {
            Ok(answer) => answer,
            // Declared values were checked when they came, and readings are finite.
            Err(_) => Reading::Undefined(Reason::Degenerate("evidence out of range")),
        };
        if matches!(answer, Reading::Undefined(_)) {
            if evidence.energy.is_none()
                && let Ok(Reading::Pending { seen, needed }) = self.read_model("loss")
            {
                return Reading::Pending { seen, needed };
            }
            if evidence.long_overlap.is_none()
                && let Some(pending) = self.pending_overlap()
            {
                return pending;
            }
        }
        answer
    }

    /// What the window says about the phase.
    pub fn evidence(&self) -> Evidence {
        let config = &self.monitor.config;
        let mut evidence = Evidence {
            non_finite_steps: Some(u64::from(self.monitor.non_finite)),
            ..Evidence::default()
        };
        let loss = self.read_model("loss");
        match loss {
            Ok(Reading::Ready(energy)) => {
                evidence.energy = Some(energy);
                evidence.effective_samples = Some(energy.n_eff);
            }
            // A window of many steps and few independent ones says so, and is not in equilibrium.
            Ok(Reading::Pending { seen, needed }) if seen >= 2 * crate::blocks::FEWEST => {
                evidence.effective_samples = Some(16.0 * seen as f64 / needed.max(1) as f64);
            }
            _ => {}
        }
        let line = |formula: fn(&Ensemble) -> Option<f64>| {
            let (length, values) = self.block_values(formula);
            trend(&values).map(|slope| Estimate {
                value: slope.value / length as f64,
                std_error: slope.std_error / length as f64,
                n_eff: slope.n_eff,
            })
        };
        evidence.energy_drift = line(|e| e.mean(Moment::Loss));
        evidence.step_growth = line(|e| {
            e.mean(Moment::StepSquared)
                .filter(|&square| square > 0.0)
                .map(f64::ln)
        });
        evidence.gas_energy = config.gas_energy;
        evidence.best_energy = config.best_energy.or(self.monitor.best);
        evidence.transition_temperature = config.transition_temperature;
        evidence.witness = self.monitor.witness;
        evidence.stability = self.monitor.stability;
        evidence.temperature = self
            .read_model("temperature_noise")
            .ok()
            .and_then(|t| t.ready().copied());
        evidence.thermal_energy = self
            .read_formula(None, &[Moment::NoiseHeat], |e| {
                Some(0.5 * e.mean(Moment::NoiseHeat)?)
            })
            .ok()
            .and_then(|heat| heat.ready().copied());
        for group in self.groups().ids() {
            self.add_group(group, &mut evidence);
        }
        evidence
    }

    /// Each group's part: the most alarming reading, the strongest order.
    fn add_group(&self, group: GroupId, evidence: &mut Evidence) {
        let read = |name| self.read(group, name).ok()?.ready().copied();
        let larger = |a: Option<Estimate>, b: Option<Estimate>| match (a, b) {
            (Some(a), Some(b)) if a.value >= b.value => Some(a),
            (a, b) => b.or(a),
        };
        evidence.edge_ratio = larger(evidence.edge_ratio, read("edge_ratio"));
        let symmetry = self.groups().symmetry(group).unwrap_or_default();
        if symmetry.is_scale_invariant() {
            let off = |z: Option<Estimate>| z.map(|z| (z.value - 1.0).abs());
            let z = read("z_d");
            if off(z) > off(evidence.norm_stationarity) {
                evidence.norm_stationarity = z;
            }
            // Relaxations of r⁴ at a fixed learning rate, of r² at a fixed effective one, in units of ηλt.
            let unit = match self.monitor.protocol {
                Protocol::FixedLearningRate => 0.25,
                Protocol::FixedEffectiveLearningRate => 0.5,
                Protocol::FixedSphere => 1.0,
            };
            let age = self.relaxations(Some(group)).ok().filter(|&age| age > 0.0);
            if let Some(age) = age {
                let age = unit * age;
                evidence.age = Some(evidence.age.map_or(age, |other| other.min(age)));
            }
            if self.monitor.protocol != Protocol::FixedLearningRate {
                let growth = self.read_formula(Some(group), &[Moment::StepAngleSquared], |e| {
                    e.mean(Moment::StepAngleSquared)
                });
                let growth = growth.ok().and_then(|growth| growth.ready().copied());
                evidence.norm_growth = larger(evidence.norm_growth, growth);
            }
        }
        if let Reading::Ready(q) = self.group_overlap(group) {
            let beyond = |q: &Overlap| q.estimate.value / q.null_std_dev.max(q.estimate.std_error);
            if evidence
                .long_overlap
                .is_none_or(|known| beyond(&q) > beyond(&known))
            {
                evidence.long_overlap = Some(q);
            }
        }
        let clarity = |e: &Estimate| e.z_score(0.0).unwrap_or(0.0);
        if let Some(drift) = self.overlap_drift(group)
            && evidence
                .overlap_drift
                .is_none_or(|known| clarity(&drift) > clarity(&known))
        {
            evidence.overlap_drift = Some(drift);
        }
        if let Some(drift) = self.participation_drift(group)
            && evidence
                .participation_drift
                .is_none_or(|known| clarity(&drift) < clarity(&known))
        {
            evidence.participation_drift = Some(drift);
        }
    }

    /// Names another run at the same temperature and pressure, or none: only with one can a gas be told to be trapped.
    ///
    /// # Errors
    /// An energy or overlap that is not finite, a negative standard error.
    pub fn set_witness(&mut self, witness: Option<Witness>) -> Result<(), Error> {
        let evidence = Evidence {
            witness,
            ..Evidence::default()
        };
        classify(&evidence, None, &self.monitor.config.phase)?;
        self.monitor.witness = witness;
        self.monitor.judge_again();
        Ok(())
    }

    /// Tells how near the largest curvature is to the edge of stability, `ηλ_max/2(1 + μ)` of
    /// [`edge_of_stability`](crate::curvature::edge_of_stability), or that it is not known. At 1 the phase is overheating.
    ///
    /// It costs products with the Hessian, which only the loop can make; the edge ratio costs nothing and sees the directions
    /// in which steps go. What was told stands until it is told anew: measure again after a change of the learning rate.
    ///
    /// ```
    /// # use thermograd::{Estimate, Groups, Observer, Symmetry};
    /// use thermograd::curvature::{Dynamics, LanczosConfig, edge_of_stability, extremes, hessian_vector};
    /// # let mut groups = Groups::new();
    /// # groups.add("all", Symmetry::Generic);
    /// # let mut observer = Observer::new(groups)?;
    /// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
    ///     (out[0], out[1]) = (1.0 * v[0], 15.0 * v[1]);
    ///     Ok::<(), std::fmt::Error>(())
    /// });
    /// let edge = edge_of_stability(&extremes(&mut h, &LanczosConfig::default())?, Dynamics::learning_rate(0.1))?;
    /// let ratio = edge.ready().map(|edge| Estimate { value: edge.ratio, std_error: edge.bound, n_eff: 1.0 });
    /// observer.set_stability(ratio)?;
    /// assert!((observer.evidence().stability.unwrap().value - 0.75).abs() < 1e-12);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// A ratio that is not finite, a negative standard error.
    pub fn set_stability(&mut self, ratio: Option<Estimate>) -> Result<(), Error> {
        let evidence = Evidence {
            stability: ratio,
            ..Evidence::default()
        };
        classify(&evidence, None, &self.monitor.config.phase)?;
        self.monitor.stability = ratio;
        self.monitor.judge_again();
        Ok(())
    }

    /// The order parameters of a group.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn order_parameters(&self, group: GroupId) -> Result<OrderParameters, Error> {
        let long_overlap = self.group_overlap(group);
        let resultant_length = long_overlap
            .clone()
            .map(|q| super::order_parameter::root(&q));
        let cloud = self.cloud(group);
        let participation = match cloud {
            Some(cloud) => participation_ratio(&cloud.snapshots())?,
            None => nothing(),
        };
        Ok(OrderParameters {
            radius: self.read(group, "radius")?,
            long_overlap,
            resultant_length,
            participation_ratio: participation,
            step_alignment: self.read(group, "step_alignment")?,
            signal_to_noise: self.read(group, "signal_to_noise")?,
            energy_fraction: self.energy_fraction(),
        })
    }

    /// Mean overlap of directions about this many steps apart in the window, `⟨ŵ(t)·ŵ(t + lag)⟩`.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], a lag of 0.
    pub fn overlap_after(&self, group: GroupId, steps: u64) -> Result<Reading<Overlap>, Error> {
        self.read(group, "radius")?;
        if steps == 0 {
            return Err(Error::OutOfRange {
                what: "lag",
                value: 0.0,
                allowed: "1 step or more",
            });
        }
        let Some((cloud, spacing)) = self.cloud(group).and_then(|c| Some((c, c.spacing()?))) else {
            return Ok(nothing());
        };
        let lag = lag(steps as f64, spacing).max(1);
        Ok(overlap_at_lag(&cloud.snapshots(), lag)?.map(|q| self.null(group, cloud, q)))
    }

    fn energy_fraction(&self) -> Reading {
        let config = &self.monitor.config;
        let Some(gas) = config.gas_energy else {
            return Reading::Undefined(Reason::Missing("the energy of the gas"));
        };
        let Some(best) = config.best_energy.or(self.monitor.best) else {
            return Reading::Undefined(Reason::Missing("the best energy"));
        };
        let energy = match self.read_model("loss") {
            Ok(Reading::Ready(energy)) => energy,
            Ok(other) => return other,
            Err(_) => return nothing(),
        };
        energy_fraction(&energy, &EnergyScale { gas, best })
            .unwrap_or(Reading::Undefined(Reason::Degenerate("energies")))
    }

    fn cloud(&self, group: GroupId) -> Option<&Cloud> {
        self.monitor.groups.get(group.index())?.cloud()
    }

    /// Chance overlaps of a sketch with fewer live coordinates than numbers.
    fn null(&self, group: GroupId, cloud: &Cloud, mut q: Overlap) -> Overlap {
        let ensemble = self.ensemble(Some(group)).ok();
        let dof = ensemble.and_then(|e| e.dof());
        let length = cloud.snapshots().first().map_or(0, |s| s.len()) as f64;
        if let Some(dof) = dof.filter(|&dof| dof < length) {
            q.null_std_dev *= (length / dof).sqrt();
        }
        q
    }

    fn group_overlap(&self, group: GroupId) -> Reading<Overlap> {
        let Some((cloud, spacing)) = self.cloud(group).and_then(|c| Some((c, c.spacing()?))) else {
            return nothing();
        };
        let turning = self
            .ensemble(Some(group))
            .ok()
            .and_then(|e| e.mean(Moment::Rotation));
        let Some(turning) = turning.filter(|&turning| turning > 0.0) else {
            return Reading::Undefined(Reason::Missing("a run of two consecutive steps"));
        };
        let least = lag(LONG_LAG / turning, spacing).max(1);
        match long_overlap(&cloud.snapshots(), least) {
            Ok(q) => match q {
                Reading::Ready(q) => Reading::Ready(self.null(group, cloud, q)),
                // In steps, as the user counts.
                Reading::Pending { seen, needed } => Reading::Pending {
                    seen: lag(seen as f64 * spacing, 1.0) as u64,
                    needed: lag(needed as f64 * spacing, 1.0) as u64,
                },
                other @ Reading::Undefined(_) => other,
            },
            Err(_) => Reading::Undefined(Reason::Degenerate("sketches out of range")),
        }
    }

    fn pending_overlap(&self) -> Option<Reading<Classification>> {
        self.groups()
            .ids()
            .find_map(|group| match self.group_overlap(group) {
                Reading::Pending { seen, needed } => Some(Reading::Pending { seen, needed }),
                _ => None,
            })
    }

    /// Change of the participation ratio between the halves of the window, per step.
    fn participation_drift(&self, group: GroupId) -> Option<Estimate> {
        let cloud = self.cloud(group)?;
        let (snapshots, spacing) = (cloud.snapshots(), cloud.spacing()?);
        let (early, late) = snapshots.split_at(snapshots.len() / 2);
        let spread = |half: &[&[f64]]| participation_ratio(half).ok()?.ready().copied();
        let (early, late) = (spread(early)?, spread(late)?);
        // From the middle of one half to that of the other.
        let steps = 0.5 * spacing * snapshots.len() as f64;
        Some(Estimate {
            value: (late.value - early.value) / steps,
            std_error: late.std_error.hypot(early.std_error) / steps,
            n_eff: late.n_eff.min(early.n_eff),
        })
    }

    /// Trend of the overlap at an eighth of the window, per step.
    fn overlap_drift(&self, group: GroupId) -> Option<Estimate> {
        let cloud = self.cloud(group)?;
        let (snapshots, spacing) = (cloud.snapshots(), cloud.spacing()?);
        let lag = (snapshots.len() / 8).max(1);
        let series = super::order_parameter::overlaps(&snapshots, lag)?;
        trend(&series).map(|slope| Estimate {
            value: slope.value / spacing,
            std_error: slope.std_error / spacing,
            n_eff: slope.n_eff,
        })
    }
}

/// Nothing seen yet.
const fn nothing<T>() -> Reading<T> {
    Reading::Pending { seen: 0, needed: 1 }
}

/// Steps as a number of snapshots.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-int cast saturates, and both are positive"
)]
fn lag(steps: f64, spacing: f64) -> usize {
    (steps / spacing).ceil() as usize
}
