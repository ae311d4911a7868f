//! The observer: what a training loop holds on to.
//!
//! It owns the memory (windows, past weights, error bars) and no formula. A call to
//! [`Observer::observe`] either takes in the whole step or, when it answers with an error,
//! nothing of it. After the first steps it does not allocate.

use std::num::NonZeroU64;

use crate::blocks::Blocks;
#[cfg(feature = "statistics")]
use crate::entropy::{EntropyEstimate, SnapshotWindow, WindowConfig, cloud::Cloud};
use crate::history::History;
use crate::metric::{CATALOGUE, Subject};
#[cfg(feature = "statistics")]
use crate::phase_transition::{Monitor, MonitorConfig};
use crate::pressure::Settling;
use crate::random::mix;
use crate::snapshot::{Collector, Slot};
use crate::sums::whole;
use crate::temperature::Spread;
use crate::{
    Ensemble, Error, Estimate, Formula, GroupId, Groups, Metric, Moment, Reading, Reason, Report,
    Row, Sampling, Snapshot, Step, Sums,
};

/// When steps are looked at: `burst` consecutive ones out of every `every`.
///
/// Thermometers that read motion need two or three consecutive steps, so cost is bounded by
/// bursts and not by single steps. The default is 4 steps in 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cadence {
    burst: u64,
    every: u64,
}

impl Default for Cadence {
    /// 4 consecutive steps in 64: two midpoints a burst, for a sixteenth of the cost.
    fn default() -> Self {
        Self {
            burst: 4,
            every: 64,
        }
    }
}

impl Cadence {
    /// Every step.
    pub const EVERY_STEP: Self = Self { burst: 1, every: 1 };

    /// Bursts of `burst` consecutive steps, one burst beginning every `every` steps.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an empty burst, [`Error::Conflict`] for one longer than its
    /// period.
    pub const fn bursts(burst: u64, every: u64) -> Result<Self, Error> {
        if burst == 0 {
            return Err(Error::OutOfRange {
                what: "steps in a burst",
                value: 0.0,
                allowed: "at least 1, and 3 for the midpoint thermometer",
            });
        }
        if every < burst {
            return Err(Error::Conflict {
                what: "a burst is longer than the period between bursts",
                remedy: "give a period of at least the burst's length",
            });
        }
        Ok(Self { burst, every })
    }

    /// Steps for each one that is looked at.
    #[cfg(feature = "statistics")]
    fn stride(self) -> f64 {
        self.every as f64 / self.burst as f64
    }

    const fn looks_at(self, step: u64) -> bool {
        step % self.every < self.burst
    }
}

/// Over which steps readings average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Window {
    /// Windows of this many observed steps, one after another. Readings are those of the last
    /// complete window, and of the first while it fills.
    Tumbling(NonZeroU64),
    /// One window that grows, and begins anew with [`Observer::start_window`]: after a transient,
    /// after a change of hyper-parameters. Readings are always those of the growing window.
    Growing,
}

/// Options of an observer.
///
/// # How often to look
/// An observed step reads every weight and gradient once, which is some percent of the training
/// step of a small network on a CPU. [`Config::default`] looks at 4 steps in 64 and costs less than
/// one percent: for runs of ten thousand steps and more. The first readings come after 24 bursts,
/// which are 1500 steps, and those of motion after 48. Error bars of what fluctuates from step to
/// step are four times as wide as they could be, and those of what is slow, such as the norm, about
/// the same.
/// [`Config::every_step`] looks at each: for shorter runs, for books of work and heat, and where
/// [`Event::Overheating`](crate::phase_transition::Event::Overheating) is to come tens of steps
/// before a divergence.
///
/// ```
/// use thermograd::{Cadence, Config, Groups, Observer, Symmetry, Window};
/// let mut groups = Groups::new();
/// groups.add("all", Symmetry::Generic);
/// let config = Config::default()
///     .cadence(Cadence::bursts(8, 256)?)
///     .window(Window::Growing)
///     .probe(1 << 20);
/// let observer = Observer::with_config(groups, config)?;
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    cadence: Cadence,
    window: Window,
    probe: usize,
    seed: u64,
    metrics: Vec<Metric>,
    #[cfg(feature = "statistics")]
    snapshots: Option<WindowConfig>,
    #[cfg(feature = "statistics")]
    monitor: MonitorConfig,
}

impl Default for Config {
    /// 4 steps in 64, tumbling windows of 1024 observed steps, which are 16 384 of the run, past
    /// values on 65 536 coordinates a group.
    fn default() -> Self {
        Self {
            cadence: Cadence::default(),
            window: Window::Tumbling(NonZeroU64::MIN.saturating_add(1023)),
            probe: 1 << 16,
            seed: 0,
            metrics: Vec::new(),
            #[cfg(feature = "statistics")]
            snapshots: None,
            #[cfg(feature = "statistics")]
            monitor: MonitorConfig::default(),
        }
    }
}

impl Config {
    /// The defaults of a short run: every step, tumbling windows of 10 000 steps.
    ///
    /// ```
    /// use thermograd::{slices, Config, Groups, Observer, Step, Symmetry};
    /// let mut groups = Groups::new();
    /// let all = groups.add("all", Symmetry::Generic);
    /// let mut observer = Observer::with_config(groups, Config::every_step())?;
    /// for _ in 0..100 {
    ///     assert!(observer.is_due());
    ///     observer.observe(&Step::new(0.5), &slices(all, &[1.0_f64], &[0.25_f64]))?;
    /// }
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn every_step() -> Self {
        Self::default()
            .cadence(Cadence::EVERY_STEP)
            .window(Window::Tumbling(NonZeroU64::MIN.saturating_add(9_999)))
    }

    /// Which steps are looked at: 4 in 64 by default.
    #[must_use]
    pub const fn cadence(mut self, cadence: Cadence) -> Self {
        self.cadence = cadence;
        self
    }

    /// Over which steps readings average.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// On how many coordinates of each group past values are kept, in whole runs of 512. Memory
    /// is about 36 bytes a coordinate for `f32` models and 56 for `f64`, and 24 more where a
    /// preconditioner is given with a second gradient; norms and gradient
    /// noise always read every coordinate.
    #[must_use]
    pub const fn probe(mut self, coordinates: usize) -> Self {
        self.probe = coordinates;
        self
    }

    /// The seed by which the probe's coordinates are drawn.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds a metric of your own to every report.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }

    /// Keeps snapshots of every group for its entropy, overlap and spread: for each of its scales
    /// a [`SnapshotWindow`] with these options. It needs a probe as large as the group.
    ///
    /// The windows are rings of the last snapshots: they pass over the borders of tumbling windows,
    /// and [`Observer::start_window`] empties them. Take snapshots apart by the autocorrelation
    /// time of the directions, about 1/(ηλ) steps, with [`WindowConfig::every`].
    #[cfg(feature = "statistics")]
    #[must_use]
    pub fn snapshots(mut self, snapshots: WindowConfig) -> Self {
        self.snapshots = Some(snapshots);
        self
    }

    /// What is known about the phases of the run.
    #[cfg(feature = "statistics")]
    #[must_use]
    pub fn monitor(mut self, monitor: MonitorConfig) -> Self {
        self.monitor = monitor;
        self
    }

    fn check(&self) -> Result<(), Error> {
        #[cfg(feature = "statistics")]
        if let Some(snapshots) = &self.snapshots {
            SnapshotWindow::new(snapshots.clone())?;
        }
        #[cfg(feature = "statistics")]
        self.monitor.check()?;
        if self.probe == 0 || self.probe > 1 << 40 {
            return Err(Error::OutOfRange {
                what: "coordinates of the probe",
                value: self.probe as f64,
                allowed: "from 1 to 2^40",
            });
        }
        let own = self.metrics.iter().enumerate();
        for (i, metric) in own {
            let others = CATALOGUE.iter().chain(&self.metrics[..i]);
            if others.into_iter().any(|m| m.name() == metric.name()) {
                return Err(Error::DuplicateName {
                    name: metric.name().to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observed {
    /// Outside the bursts: nothing was read.
    Skipped,
    /// Taken in.
    Recorded,
    /// Taken in, and a window is complete.
    WindowComplete,
}

/// What is kept for one group, or for the model.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Record {
    pub(crate) current: Blocks,
    pub(crate) complete: Option<Blocks>,
    /// Steps over relaxation time, summed over the run.
    pub(crate) relaxations: f64,
    pub(crate) rate: Option<f64>,
}

impl Record {
    fn new() -> Self {
        Self {
            current: Blocks::new(),
            complete: None,
            relaxations: 0.0,
            rate: None,
        }
    }

    fn push(&mut self, step: &Ensemble) {
        self.current.push(step);
        self.rate = step.mean(Moment::RelaxationRate);
        self.advance();
    }

    fn advance(&mut self) {
        self.relaxations += self.rate.unwrap_or(0.0);
    }

    fn blocks(&self) -> &Blocks {
        self.complete.as_ref().unwrap_or(&self.current)
    }

    /// Begins a new window; the old one is kept for reading where windows follow one another.
    fn start_window(&mut self, window: Window) {
        if window == Window::Growing {
            self.current.clear();
        } else if let Some(complete) = &mut self.complete {
            std::mem::swap(complete, &mut self.current);
            self.current.clear();
        } else {
            self.complete = Some(std::mem::replace(&mut self.current, Blocks::new()));
        }
    }
}

/// Follows a training run and answers with readings.
///
/// Beside the probe ([`Config::probe`]) it holds, for each group and for the model, two windows of
/// at most 128 blocks of some 2 KiB: half a megabyte a group, whatever the length of the run. A
/// model of thousands of tensors is better observed in some tens of groups.
///
/// ```
/// use thermograd::{slices, Groups, Observer, Step, Symmetry};
/// let mut groups = Groups::new();
/// let hidden = groups.add("hidden", Symmetry::ScaleInvariant);
/// let mut observer = Observer::new(groups)?;
/// let (mut w, mut g) = (vec![0.1_f32; 64], vec![0.0_f32; 64]);
/// for _ in 0..2000 {
///     // forward and backward, then observe, then update
///     let step = Step::new(0.5).learning_rate(0.1).weight_decay(1e-3);
///     observer.observe(&step, &slices(hidden, &w, &g))?;
///     for (w, g) in w.iter_mut().zip(&g) {
///         *w -= 0.1 * (g + 1e-3 * *w);
///     }
/// }
/// let pressure = observer.read(hidden, "pressure")?;
/// assert!((pressure.ready().unwrap().value - 1e-3).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Observer {
    groups: Groups,
    config: Config,
    slots: Vec<Slot>,
    /// This step's sums by group, between validation and commit.
    sums: Vec<Option<Sums>>,
    extents: Vec<Option<Extent>>,
    records: Vec<Record>,
    model: Record,
    /// The last step, if it was observed.
    before: Option<Step>,
    steps: u64,
    in_window: u64,
    /// The model's entropy, as told.
    entropy: Option<Estimate>,
    /// The snapshots of each group, where they are kept.
    #[cfg(feature = "statistics")]
    clouds: Vec<Cloud>,
    #[cfg(feature = "statistics")]
    pub(crate) monitor: Monitor,
}

impl Observer {
    /// An observer with default options: 4 steps in 64 are looked at, see [`Config`].
    ///
    /// # Errors
    /// No groups, or two of one name.
    pub fn new(groups: Groups) -> Result<Self, Error> {
        Self::with_config(groups, Config::default())
    }

    /// An observer with options of your own.
    ///
    /// # Errors
    /// No groups, two of one name, an option out of its range, a metric's name that is taken.
    pub fn with_config(groups: Groups, config: Config) -> Result<Self, Error> {
        groups.check()?;
        config.check()?;
        let count = groups.len();
        Ok(Self {
            entropy: None,
            #[cfg(feature = "statistics")]
            clouds: clouds(&groups, &config),
            slots: vec![Slot::default(); count],
            sums: vec![None; count],
            extents: vec![None; count],
            records: (0..count).map(|_| Record::new()).collect(),
            model: Record::new(),
            before: None,
            steps: 0,
            in_window: 0,
            #[cfg(feature = "statistics")]
            monitor: Monitor::new(&config.monitor, count),
            groups,
            config,
        })
    }

    /// All that it remembers, to be stored with a checkpoint of the model.
    #[cfg(feature = "serde")]
    pub fn state(&self) -> crate::State {
        let members = self.slots.iter().zip(&self.records).zip(&self.extents);
        let members = members.map(|((slot, record), extent)| crate::checkpoint::Member {
            record: record.clone(),
            extent: *extent,
            history: slot.history.clone(),
        });
        let mut state = crate::State::new(
            &self.groups,
            (self.steps, self.in_window),
            self.before,
            self.model.clone(),
            members.collect(),
        );
        // Not every format has an infinity.
        state.entropy = self.entropy.map(|entropy| Estimate {
            n_eff: entropy.n_eff.min(f64::MAX),
            ..entropy
        });
        #[cfg(feature = "statistics")]
        {
            state.clouds = self.clouds.iter().map(Cloud::stored).collect();
        }
        state
    }

    /// An observer that goes on where [`Observer::state`] was taken. Give it the options that it
    /// had: they are not in the state.
    ///
    /// # Errors
    /// As [`Observer::with_config`]; [`Error::Conflict`] for a state of other groups, and
    /// [`Error::Corrupt`], with the place, for one that no observer has written.
    #[cfg(feature = "serde")]
    pub fn restore(groups: Groups, config: Config, state: crate::State) -> Result<Self, Error> {
        let mut state = state;
        let mut observer = Self::with_config(groups, config)?;
        state.check(&observer.groups)?;
        observer.steps = state.steps;
        observer.in_window = state.in_window;
        observer.before = state.before;
        observer.model = state.model;
        observer.entropy = state.entropy;
        #[cfg(feature = "statistics")]
        {
            if !state.clouds.is_empty() && state.clouds.len() != observer.clouds.len() {
                return Err(Error::Conflict {
                    what: "the stored state has snapshots and the options have none, or for other groups",
                    remedy: "restore with the options that the observer had",
                });
            }
            for (cloud, stored) in observer.clouds.iter_mut().zip(&state.clouds) {
                cloud.restore(stored, state.steps)?;
            }
        }
        for (index, member) in state.members.into_iter().enumerate() {
            observer.slots[index].history = member.history;
            observer.records[index] = member.record;
            observer.extents[index] = member.extent;
        }
        Ok(observer)
    }

    /// The groups that it follows.
    pub const fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Steps since the start, observed or not.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether the next call to [`Observer::observe`] will read the snapshot. A loop may save
    /// itself a second gradient when it will not.
    pub const fn is_due(&self) -> bool {
        self.config.cadence.looks_at(self.steps)
    }

    /// Takes in one step: call it after the backward pass and before the update.
    ///
    /// # Errors
    /// Facts of the step that no step has; whatever the snapshot's visit answered; a group whose
    /// number of parameters changed, is below its number of scales, or came with a stream for a
    /// part of it only; no group at all. The observer is then as it was before the call, except
    /// that values which are not finite leave an event.
    pub fn observe<S: Snapshot + ?Sized>(
        &mut self,
        step: &Step,
        snapshot: &S,
    ) -> Result<Observed, Error> {
        let taken = self.take(step, snapshot);
        #[cfg(feature = "statistics")]
        if let Err(error) = &taken {
            self.monitor.refused(self.steps, error);
        }
        taken
    }

    fn take<S: Snapshot + ?Sized>(&mut self, step: &Step, snapshot: &S) -> Result<Observed, Error> {
        step.check()?;
        if !self.is_due() {
            self.skip();
            return Ok(Observed::Skipped);
        }
        if let Err(error) = self.collect(snapshot) {
            self.sums.fill(None);
            return Err(error);
        }
        self.commit(step);
        self.steps += 1;
        self.in_window += 1;
        if let Window::Tumbling(length) = self.config.window
            && self.in_window >= length.get()
        {
            self.turn_window();
            return Ok(Observed::WindowComplete);
        }
        Ok(Observed::Recorded)
    }

    /// Ends the window and begins the next. Where windows tumble, readings are then those of the
    /// window that was ended; a growing one starts from nothing. Snapshots that were kept are
    /// dropped.
    pub fn start_window(&mut self) {
        self.turn_window();
        #[cfg(feature = "statistics")]
        for cloud in &mut self.clouds {
            cloud.clear();
        }
    }

    fn turn_window(&mut self) {
        for record in &mut self.records {
            record.start_window(self.config.window);
        }
        self.model.start_window(self.config.window);
        for slot in &mut self.slots {
            if let Some(history) = &mut slot.history {
                history.new_window();
            }
        }
        #[cfg(feature = "statistics")]
        self.monitor.new_window(self.steps);
        self.in_window = 0;
    }

    /// Forgets everything but the groups and the options.
    pub fn reset(&mut self) {
        let count = self.groups.len();
        self.slots = vec![Slot::default(); count];
        self.extents = vec![None; count];
        self.sums = vec![None; count];
        self.records = (0..count).map(|_| Record::new()).collect();
        self.model = Record::new();
        self.before = None;
        self.steps = 0;
        self.in_window = 0;
        self.entropy = None;
        #[cfg(feature = "statistics")]
        {
            self.clouds = clouds(&self.groups, &self.config);
            self.monitor = Monitor::new(&self.config.monitor, count);
        }
    }

    fn skip(&mut self) {
        self.steps += 1;
        self.before = None;
        for slot in &mut self.slots {
            if let Some(history) = &mut slot.history {
                history.gap();
            }
        }
        for record in self.records.iter_mut().chain([&mut self.model]) {
            record.advance();
        }
    }

    /// Lets the snapshot visit and checks what came; changes nothing that lasts.
    fn collect<S: Snapshot + ?Sized>(&mut self, snapshot: &S) -> Result<(), Error> {
        for slot in &mut self.slots {
            slot.accumulator.begin();
            if let Some(history) = &mut slot.history {
                history.begin();
            }
            slot.outside = Sums::default();
            slot.sampled = None;
            slot.noise = None;
        }
        let mut collector = Collector {
            groups: &self.groups,
            slots: &mut self.slots,
            refused: None,
        };
        let visited = snapshot.visit(&mut collector);
        collector.refused.map_or(visited, Err)?;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            self.sums[index] = finish(slot, &self.groups, index, self.extents[index])?;
        }
        if self.sums.iter().all(Option::is_none) {
            return Err(Error::Empty {
                place: "the snapshot".to_owned(),
                remedy: "visit at least one group",
            });
        }
        Ok(())
    }

    /// Takes in what [`Observer::collect`] left; cannot fail.
    fn commit(&mut self, step: &Step) {
        let before = self.before.as_ref();
        let mut whole = Some((Sums::default(), 0.0));
        for (index, (slot, sums)) in self.slots.iter_mut().zip(&self.sums).enumerate() {
            let id = GroupId(index);
            let symmetry = self.groups.symmetry(id).unwrap_or_default();
            let Some(sums) = sums else {
                whole = None;
                if let Some(history) = &mut slot.history {
                    history.gap();
                }
                self.records[index].advance();
                continue;
            };
            let dof = (sums.w_count - symmetry.scales() as f64).max(0.0);
            if let Some((total, total_dof)) = &mut whole {
                total.merge(sums);
                *total_dof += dof;
            }
            let mut ensemble = Ensemble::default();
            ensemble.push_with_dof(step, before, sums, dof);
            self.records[index].push(&ensemble);
            if let Some(history) = &mut slot.history {
                history.add_heat(step.heat_factor(), sums);
            }
            remember(
                slot,
                &mut self.extents[index],
                sums,
                self.config.probe,
                mix(self.config.seed ^ mix(index as u64)),
            );
            #[cfg(feature = "statistics")]
            if let (Some(cloud), Some(history), Some(extent)) = (
                self.clouds.get_mut(index),
                &slot.history,
                self.extents[index],
            ) && history.depth() > 0
            {
                // A sample of a group is not the group.
                let visited = (extent.last - extent.first) as f64;
                let all = history.whole(extent.first, extent.last);
                cloud.offer(self.steps, all.filter(|_| visited >= extent.count));
            }
            #[cfg(feature = "statistics")]
            self.monitor.group(
                (index, self.steps),
                (step, before),
                (&ensemble, symmetry),
                slot.history.as_ref().filter(|history| history.holds()),
            );
        }
        if let Some((sums, dof)) = whole {
            let mut ensemble = Ensemble::default();
            ensemble.push_with_dof(step, before, &sums, dof);
            self.model.push(&ensemble);
            #[cfg(feature = "statistics")]
            self.monitor.model(self.steps, step, Some(&ensemble));
        } else {
            self.model.advance();
            #[cfg(feature = "statistics")]
            self.monitor.model(self.steps, step, None);
        }
        self.before = Some(*step);
    }

    /// The reading of a metric, by name, for one group.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`] or [`Error::UnknownMetric`].
    pub fn read(&self, group: GroupId, metric: &str) -> Result<Reading, Error> {
        let metric = self.metric(metric)?;
        let (record, subject) = self.subject(Some(group))?;
        Ok(metric.read(record.blocks(), subject, || {
            self.entropy_reading(Some(group))
        }))
    }

    /// The reading of a metric, by name, for the model as a whole: extensive quantities are sums
    /// over the groups, temperatures their average weighted by degrees of freedom.
    ///
    /// # Errors
    /// [`Error::UnknownMetric`].
    pub fn read_model(&self, metric: &str) -> Result<Reading, Error> {
        let metric = self.metric(metric)?;
        let (record, subject) = self.subject(None)?;
        Ok(metric.read(record.blocks(), subject, || self.entropy_reading(None)))
    }

    /// The value of any formula of your own, with its error bar, for one group or (`None`) the
    /// model. `needs` are the moments that it reads.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn read_formula(
        &self,
        group: Option<GroupId>,
        needs: &'static [Moment],
        formula: Formula,
    ) -> Result<Reading, Error> {
        let (record, subject) = self.subject(group)?;
        let metric = Metric::new("", needs, formula);
        Ok(metric.read(record.blocks(), subject, || self.entropy_reading(group)))
    }

    /// The averages of the window that readings speak of, for one group or (`None`) the model.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn ensemble(&self, group: Option<GroupId>) -> Result<Ensemble, Error> {
        Ok(self.subject(group)?.0.blocks().total())
    }

    /// The sums of a group over the step that was observed last; `None` if it was not in that
    /// step, or if the last call to [`Observer::observe`] took nothing in.
    ///
    /// This is how tensor-parallel shards meet: each rank observes its shard, the arrays of
    /// [`Sums::to_array`] are all-reduced by addition, and a second observer takes the total in by
    /// [`Collector::sums`].
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn sums(&self, group: GroupId) -> Result<Option<Sums>, Error> {
        self.subject(Some(group))?;
        let observed = self.before.and(self.sums.get(group.index()).copied());
        Ok(observed.flatten())
    }

    /// How many relaxation times of the norm the run has behind it, for one group or (`None`)
    /// the model: the sum over all steps of 1/τ at that step's hyper-parameters.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn relaxations(&self, group: Option<GroupId>) -> Result<f64, Error> {
        Ok(self.subject(group)?.0.relaxations)
    }

    /// Tells the model's entropy in nats where it comes from elsewhere, best from thermodynamic
    /// integration over a family of runs
    /// (`entropy::entropy_from_energy`): the free energies then read
    /// it, with its error, in place of what snapshots measure.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a value that is not finite or an error that is negative.
    pub fn set_entropy(&mut self, entropy: Estimate) -> Result<(), Error> {
        for (what, value, holds) in [
            ("entropy", entropy.value, entropy.value.abs() < 1e150),
            (
                "standard error of the entropy",
                entropy.std_error,
                (0.0..1e150).contains(&entropy.std_error),
            ),
            ("n_eff of the entropy", entropy.n_eff, entropy.n_eff >= 0.0),
        ] {
            if !holds {
                return Err(Error::OutOfRange {
                    what,
                    value,
                    allowed: "a finite number, not negative where it is an error or a count",
                });
            }
        }
        self.entropy = Some(entropy);
        Ok(())
    }

    /// The entropy of one group from its snapshots, with all that its bias depends on; see
    /// [`Config::snapshots`]. For K scales the sum of K spheres, each
    /// S(direction) + (dₖ − 1) ln rₖ by geodesic caps; for any other group a Gaussian, shrunk
    /// where snapshots are fewer than parameters.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`]; what kept the snapshots from being taken, such as a window that
    /// would need more memory than it may.
    #[cfg(feature = "statistics")]
    pub fn entropy(&self, group: GroupId) -> Result<Reading<EntropyEstimate>, Error> {
        self.subject(Some(group))?;
        match self.clouds.get(group.index()) {
            Some(cloud) => cloud.entropy(),
            None => Ok(Reading::Undefined(Reason::Missing("a snapshot window"))),
        }
    }

    /// The snapshots of one group, a window for each of its scales; none where they are not kept.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    #[cfg(feature = "statistics")]
    pub fn snapshots(&self, group: GroupId) -> Result<&[SnapshotWindow], Error> {
        self.subject(Some(group))?;
        Ok(self
            .clouds
            .get(group.index())
            .map_or(&[], |cloud| cloud.windows()))
    }

    /// The entropy that formulas read: as told for the model, else as measured, if it may be
    /// taken for absolute.
    fn entropy_reading(&self, group: Option<GroupId>) -> Reading {
        if let (None, Some(entropy)) = (group, self.entropy) {
            return Reading::Ready(entropy);
        }
        #[cfg(feature = "statistics")]
        {
            let measured = |id: GroupId| match self.entropy(id) {
                Ok(Reading::Ready(estimate)) => estimate.absolute(),
                Ok(Reading::Pending { seen, needed }) => Reading::Pending { seen, needed },
                Ok(Reading::Undefined(reason)) => Reading::Undefined(reason),
                Err(_) => Reading::Undefined(Reason::Meaningless(
                    "snapshots could not be kept: ask Observer::entropy",
                )),
            };
            if let Some(id) = group {
                return measured(id);
            }
            let mut sum = Estimate {
                value: 0.0,
                std_error: 0.0,
                n_eff: f64::INFINITY,
            };
            for id in self.groups.ids() {
                match measured(id) {
                    Reading::Ready(part) => {
                        sum.value += part.value;
                        sum.std_error = sum.std_error.hypot(part.std_error);
                        sum.n_eff = sum.n_eff.min(part.n_eff);
                    }
                    other => return other,
                }
            }
            Reading::Ready(sum)
        }
        #[cfg(not(feature = "statistics"))]
        Reading::Undefined(Reason::Missing("the entropy"))
    }

    /// Whether the window shows the run in equilibrium, and if not, what drifts or what is
    /// missing; see [`equilibrium::verdict`](crate::equilibrium::verdict()) for how it decides
    /// and how often it errs.
    ///
    /// The series are means over blocks of the window, the relaxation time of the norm is known
    /// from the hyper-parameters, and everything is told in steps. A window that holds the
    /// transient says so: start a new one after it.
    ///
    /// ```
    /// use thermograd::equilibrium::{Verdict, VerdictConfig};
    /// # use thermograd::{slices, Groups, Observer, Step, Symmetry};
    /// # let mut groups = Groups::new();
    /// # let all = groups.add("all", Symmetry::Generic);
    /// # let mut observer = Observer::new(groups)?;
    /// for step in 0..1000 {
    ///     let loss = 1.0 / (1.0 + f64::from(step));
    ///     observer.observe(&Step::new(loss), &slices(all, &[1.0_f64], &[loss]))?;
    /// }
    /// let verdict = observer.verdict(&VerdictConfig::default())?;
    /// assert!(!matches!(verdict, Verdict::Equilibrium { .. }));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// An option of the configuration out of its range.
    #[cfg(feature = "statistics")]
    pub fn verdict(
        &self,
        config: &crate::equilibrium::VerdictConfig,
    ) -> Result<crate::equilibrium::Verdict, Error> {
        let witnesses: Vec<_> = self
            .groups
            .ids()
            .zip(&self.records)
            .map(|(id, record)| crate::verdict::Witness {
                name: self.groups.name(id).unwrap_or_default(),
                scale_invariant: self
                    .groups
                    .symmetry(id)
                    .unwrap_or_default()
                    .is_scale_invariant(),
                blocks: record.blocks(),
            })
            .collect();
        crate::verdict::of_windows(
            &witnesses,
            self.model.blocks(),
            self.config.cadence.stride(),
            config,
        )
    }

    /// How long the norm still takes to settle, for one group or (`None`) the model, from the
    /// last stretch of the run.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn settling(&self, group: Option<GroupId>) -> Result<Reading<Settling>, Error> {
        let (record, Subject::Group(symmetry) | Subject::Model(symmetry)) = self.subject(group)?;
        if !symmetry.is_scale_invariant() {
            return Ok(Reading::Undefined(Reason::Symmetry(
                "holds for scale-invariant groups only",
            )));
        }
        let latest = if record.current.len() > 0 {
            &record.current
        } else {
            record.blocks()
        };
        if latest.len() < 8 {
            return Ok(Reading::Pending {
                seen: latest.len(),
                needed: 8,
            });
        }
        let recent = latest.recent();
        Ok(Settling::measured(&recent).map_or_else(
            || Reading::Undefined(recent.why_absent(Moment::RadiusFourth)),
            Reading::Ready,
        ))
    }

    /// The temperatures of single coordinates, `Tᵢ = m⟨Dᵢ Σᵢᵢ⟩/2`, summarised: under Adam every
    /// coordinate has its own. Their mean, with its error bar, is `temperature_noise`.
    ///
    /// They are followed on the coordinates of the probe, from the first step that brings a
    /// [preconditioner](crate::Piece::preconditioner) and a second gradient (give a
    /// preconditioner of ones under plain SGD), and need 64 steps.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn coordinate_temperatures(&self, group: GroupId) -> Result<Reading<Spread>, Error> {
        self.subject(Some(group))?;
        let known = self
            .slots
            .get(group.index())
            .and_then(|slot| slot.history.as_ref())
            .zip(self.extents.get(group.index()).copied().flatten());
        let (temperatures, steps) = known.map_or_else(
            || (Vec::new(), 0),
            |(history, extent)| history.temperatures(extent.first, extent.last),
        );
        Ok(Spread::of(temperatures, steps))
    }

    /// Every reading there is.
    pub fn report(&self) -> Report {
        let metrics = || CATALOGUE.iter().chain(&self.config.metrics);
        let groups = self.groups.ids().map(Some).chain([None]);
        // Where the model is one group, only the loss and what is made of it is the model's own.
        let one_group = self.groups.len() == 1;
        let mut rows = Vec::new();
        for group in groups {
            let Ok((record, subject)) = self.subject(group) else {
                continue;
            };
            let entropy = self.entropy_reading(group);
            for metric in metrics() {
                let of_model = metric.scope() == crate::Scope::Model;
                if of_model == group.is_some() && (of_model || one_group) {
                    continue;
                }
                rows.push(Row {
                    group: group.and_then(|id| self.groups.name(id)).map(str::to_owned),
                    metric: *metric,
                    reading: metric.read(record.blocks(), subject, || entropy.clone()),
                });
            }
        }
        Report {
            step: self.steps,
            window: self
                .records
                .iter()
                .map(|record| record.blocks().len())
                .max()
                .unwrap_or(0),
            rows,
            sampling: self.sampling(),
            learning_rate_spread: self.widest(crate::pressure::rate_spread),
            weight_decay_spread: self.widest(crate::pressure::decay_spread),
        }
    }

    /// The largest value of a formula over the groups' windows, without an error bar: for what
    /// is set and not measured.
    fn widest(&self, formula: Formula) -> Option<f64> {
        let values = self
            .records
            .iter()
            .map(|record| formula(&record.blocks().total()));
        values.flatten().reduce(f64::max)
    }

    fn sampling(&self) -> Sampling {
        let reshuffled = self.records.iter().any(|record| {
            record
                .blocks()
                .total()
                .count(crate::Moment::ReshuffledSteps)
                > 0.0
        });
        if reshuffled {
            Sampling::Reshuffled
        } else {
            self.before.map(|step| step.sampling).unwrap_or_default()
        }
    }

    /// A formula over the blocks of the model's window, with the steps of a block.
    #[cfg(feature = "statistics")]
    pub(crate) fn block_values(&self, formula: Formula) -> (u64, Vec<f64>) {
        self.model.blocks().values(formula)
    }

    fn metric(&self, name: &str) -> Result<&Metric, Error> {
        CATALOGUE
            .iter()
            .chain(&self.config.metrics)
            .find(|metric| metric.name() == name)
            .ok_or_else(|| Error::UnknownMetric {
                name: name.to_owned(),
            })
    }

    fn subject(&self, group: Option<GroupId>) -> Result<(&Record, Subject), Error> {
        match group {
            None => Ok((&self.model, Subject::Model(self.groups.joint_symmetry()))),
            Some(id) => match (self.records.get(id.index()), self.groups.symmetry(id)) {
                (Some(record), Some(symmetry)) => Ok((record, Subject::Group(symmetry))),
                _ => Err(Error::UnknownGroup {
                    index: id.index(),
                    known: self.groups.len(),
                }),
            },
        }
    }
}

/// The snapshot windows of all groups, where they are wanted.
#[cfg(feature = "statistics")]
fn clouds(groups: &Groups, config: &Config) -> Vec<Cloud> {
    let Some(snapshots) = &config.snapshots else {
        return Vec::new();
    };
    groups
        .ids()
        .map(|id| {
            let name = groups.name(id).unwrap_or_default();
            let options = snapshots.clone().name(format!("group {name:?}"));
            Cloud::new(options, groups.symmetry(id).unwrap_or_default())
        })
        .collect()
}

/// What a group's first visit fixes: where its elements lie, and how many weights it has with
/// those that were reduced elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Extent {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) count: f64,
}

/// Closes a group's reduction and checks it against what the group was before.
fn finish(
    slot: &mut Slot,
    groups: &Groups,
    index: usize,
    before: Option<Extent>,
) -> Result<Option<Sums>, Error> {
    let id = GroupId(index);
    let name = groups.name(id).unwrap_or_default();
    let visited = slot.accumulator.count();
    if visited == 0 && slot.outside.w_count == 0.0 && slot.sampled.is_none() {
        return match slot.noise {
            None => Ok(None),
            Some(_) => Err(Error::Empty {
                place: format!("group {name:?}, whose noise is given,"),
                remedy: "visit its weights in the same step",
            }),
        };
    }
    slot.accumulator
        .flush(slot.history.as_mut())
        .map_err(|fault| fault.in_group(name))?;
    let (first, last) =
        slot.accumulator
            .extent()
            .map_err(|(found, expected)| Error::Misplaced {
                group: name.to_owned(),
                found,
                expected,
            })?;
    if let Some(found) = slot.accumulator.partly_previous() {
        return Err(Error::PartialStream {
            group: name.to_owned(),
            stream: "previous weights",
            expected: visited,
            found,
        });
    }
    let mut sums = slot.accumulator.total().extrapolated();
    if let Some(total) = &slot.sampled {
        if sums.w_count > total.w_count {
            return Err(Error::LengthMismatch {
                place: format!("group {name:?}, sample"),
                expected: whole(total.w_count),
                found: whole(sums.w_count),
            });
        }
        sums = total.with_motion_of(&sums);
    }
    if let Some(noise) = slot.noise {
        sums.trace_count = sums.w_count;
        sums.trace = noise.trace;
        sums.signal = noise.signal;
    }
    sums.merge(&slot.outside);
    sums.check_finite(name)?;
    sums.check_given(name)?;
    let scales = groups.symmetry(id).unwrap_or_default().scales();
    if scales as f64 > sums.w_count {
        return Err(Error::TooManyScales {
            group: name.to_owned(),
            scales,
            len: whole(sums.w_count),
        });
    }
    let extent = Extent {
        first,
        last,
        count: sums.w_count,
    };
    if let Some(expected) = before
        && expected != extent
    {
        return Err(Error::LengthChanged {
            group: name.to_owned(),
            expected: whole(expected.count),
            found: whole(sums.w_count),
        });
    }
    Ok(Some(sums))
}

/// Moves a group's present into its past. The first visit only fixes its length.
fn remember(slot: &mut Slot, extent: &mut Option<Extent>, sums: &Sums, probe: usize, seed: u64) {
    let has_gradient = sums.g_count > 0.0;
    match &mut slot.history {
        Some(history) => history.commit(has_gradient),
        None => {
            if let Ok((first, last)) = slot.accumulator.extent() {
                *extent = Some(Extent {
                    first,
                    last,
                    count: sums.w_count,
                });
                if last > first {
                    let wide = slot.accumulator.wide;
                    slot.history = Some(History::new(first, last, probe, wide, seed));
                }
            }
        }
    }
}
