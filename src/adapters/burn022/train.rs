//! Burn's own training loop, observed: a transparent wrapper around the model.
//!
//! [`Instrumented`] is the model in everything: it visits and maps as the model does, so that
//! names in checkpoints stay as they were, and hands every call through. Two of them it also
//! listens to. [`TrainStep::step`] counts micro-batches, keeps their losses and, where several make
//! a step, the squared norms of their gradients. [`TrainStep::optimize`] sees the model before its
//! update with the gradients that the optimiser takes, accumulated and gathered from all devices:
//! there the observer looks.
//!
//! ```no_run
//! use burn022 as burn;
//! use burn::{optim::SgdConfig, train::*};
//! use thermograd::adapters::burn022::{Instrumented, Parameters, StopWhen, WatchConfig};
//! use thermograd::Step;
//!
//! fn train<M>(
//!     model: M,
//!     training: SupervisedTraining<Instrumented<M>>,
//! ) -> Result<M, thermograd::Error>
//! where
//!     M: TrainStep<Output = ClassificationOutput> + InferenceStep + burn::module::Module
//!         + std::fmt::Display + 'static,
//! {
//!     let parameters = Parameters::of(&model)?;
//!     // What the loop cannot tell: everything but the loss and the learning rate.
//!     let step = Step::new(0.0).batch_size(64);
//!     let (model, watch) = Instrumented::new(model, parameters, WatchConfig::new(step), |output| {
//!         output.loss.clone()
//!     })?;
//!     let training = watch.dashboard(training)?;
//!     watch.stop_when(StopWhen::Overheating, training.interrupter());
//!     let result = training.launch(Learner::new(model, SgdConfig::new().init(), 0.1));
//!     Ok(result.model.into_inner())
//! }
//! ```
//!
//! # Gradient accumulation and several devices
//! Burn takes the *sum* of the gradients of K micro-batches, on one device or several. The
//! observer is given their mean, which is the gradient of the mean loss, with the learning rate and
//! the decay that move the weights by it as the optimiser does: Kη and λ/K for stochastic gradient
//! descent, which takes K times as long a step for it, and η as it is for Adam, which does not
//! see the scale. `batch_size` is that of one micro-batch. The spread of the micro-batches gives
//! the noise of the step ([`noise::Replicas`](crate::noise::Replicas)), and with it
//! `temperature_noise` and `z`, at no second gradient. They must be equally large, which the last
//! batches of an epoch may not be; and batches that batch normalisation normalises by themselves
//! have the noise of their own size, which is what accumulation trains with.
//!
//! Distributed data-parallel training runs replicas that each take the optimiser's step; those are
//! refused, not observed twice.
//!
//! # What it costs
//! By default 4 consecutive steps in 64 are read; a step in between costs a lock. Readings are
//! taken every 64 steps ([`WatchConfig::refresh`]). A step that is refused does not stop the
//! training: [`Watch::error`] and the verdict's place in the dashboard say why.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use burn022::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn022::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param};
use burn022::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn022::tensor::{Device, Tensor};
use burn022::train::metric::store::EventStoreClient;
use burn022::train::{
    EarlyStoppingStrategy, InferenceStep, Interrupter, LearnerModel, SupervisedTraining,
    TrainOutput, TrainStep,
};

use super::readout::{Entry, NumericReadout, Queue, TextReadout};
use super::{Fetch, Gradients, Parameters, Squares, reduce};
use crate::equilibrium::VerdictConfig;
use crate::phase_transition::Event;
use crate::{Config, Error, GroupId, Observed, Observer, Reading, Report, Step, Symmetry, from_fn};

/// Steps between readings: the period of the observer's default cadence.
const REFRESH: u64 = 64;
/// Events kept while nobody asks.
const EVENTS: usize = 256;

/// Options of an [`Instrumented`] model.
///
/// ```
/// use thermograd::{adapters::burn022::WatchConfig, Config, Step};
/// let step = Step::new(0.0).momentum(0.9).weight_decay(5e-4).batch_size(64);
/// let config = WatchConfig::new(step)
///     .observer(Config::every_step())
///     .show(["temperature_midpoint", "z_d"]);
/// ```
#[derive(Debug, Clone)]
pub struct WatchConfig {
    step: Step,
    observer: Config,
    refresh: NonZeroU64,
    shown: Vec<String>,
}

impl WatchConfig {
    /// The facts of a step that the loop cannot tell: momentum or Adam, weight decay, the size of
    /// a (micro-)batch and of the data set. Loss and learning rate are filled in at every step.
    ///
    /// Burn's `MomentumConfig` dampens the gradient by 0.1 unless told otherwise:
    /// [`Optimizer::HeavyBall`](crate::Optimizer::HeavyBall) takes both numbers. Its weight decay
    /// is coupled for SGD and Adam, and decoupled for `AdamW`.
    pub fn new(step: Step) -> Self {
        Self {
            step,
            observer: Config::default(),
            refresh: NonZeroU64::MIN.saturating_add(REFRESH - 1),
            shown: ["temperature_midpoint", "z", "z_d"]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// The observer's options; those of [`Config::default`] unless told otherwise.
    #[must_use]
    pub fn observer(mut self, config: Config) -> Self {
        self.observer = config;
        self
    }

    /// Optimiser steps between readings, 64 by default.
    #[must_use]
    pub const fn refresh(mut self, steps: NonZeroU64) -> Self {
        self.refresh = steps;
        self
    }

    /// The metrics that [`Watch::dashboard`] shows of each group, `temperature_midpoint`, `z` and
    /// `z_d` by default.
    #[must_use]
    pub fn show<N: Into<String>>(mut self, metrics: impl IntoIterator<Item = N>) -> Self {
        self.shown = metrics.into_iter().map(Into::into).collect();
        self
    }
}

/// What ends a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopWhen {
    /// [`Event::EquilibriumReached`]: a whole window of the observer is in equilibrium. Windows
    /// must tumble for it; one of the default options is 16 384 steps long.
    Equilibrium,
    /// [`Event::Overheating`]: divergence is ahead, or has come. To be told tens of steps before it,
    /// give [`WatchConfig::observer`] a cadence of every step.
    Overheating,
}

impl StopWhen {
    /// What burn reports as the reason of the interruption.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Equilibrium => "equilibrium reached",
            Self::Overheating => "overheating ahead",
        }
    }

    const fn is_met_by(self, event: &Event) -> bool {
        matches!(
            (self, event),
            (Self::Equilibrium, Event::EquilibriumReached { .. })
                | (Self::Overheating, Event::Overheating { .. })
        )
    }
}

/// What a metric shows.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    Metric(Option<GroupId>, String),
    Phase,
    Verdict,
}

struct State {
    observer: Observer,
    step: Step,
    refresh: NonZeroU64,
    shown: Vec<String>,
    /// Micro-batches since the last optimiser step, in it, and since the start.
    parts: u32,
    parts_before: u32,
    total: u64,
    updates: u64,
    losses: Vec<Tensor<1>>,
    squares: Vec<Squares>,
    channels: Vec<(Subject, Weak<Queue>)>,
    names: HashSet<String>,
    events: VecDeque<Event>,
    met: Vec<StopWhen>,
    stops: Vec<(StopWhen, Interrupter)>,
    refused: u64,
    error: Option<Error>,
}

/// The view of a training from outside: readings, metrics for burn, events, what went wrong.
/// Clones are handles of the same.
#[derive(Clone)]
pub struct Watch {
    parameters: Arc<Parameters>,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("parameters", &self.parameters.list.len())
            .finish_non_exhaustive()
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parameters, with their names, roles and groups.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Every reading there is.
    pub fn report(&self) -> Report {
        self.lock().observer.report()
    }

    /// Asks the observer anything. The training waits meanwhile.
    pub fn with_observer<R>(&self, ask: impl FnOnce(&mut Observer) -> R) -> R {
        ask(&mut self.lock().observer)
    }

    /// Events since the last call, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.drain(..).collect()
    }

    /// Optimiser steps that the observer refused.
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// Why the first of them was.
    pub fn error(&self) -> Option<Error> {
        self.lock().error.clone()
    }

    /// A reading as a metric of burn, for one group or (`None`) the model. Its name is that of the
    /// metric and of the group, `z of conv1.weight`.
    ///
    /// # Errors
    /// [`Error::UnknownMetric`], [`Error::UnknownGroup`]; [`Error::DuplicateName`] for one that was
    /// asked for already: burn tells metrics by name, so clone the first.
    pub fn metric(&self, group: Option<GroupId>, metric: &str) -> Result<NumericReadout, Error> {
        let (name, unit) = {
            let mut state = self.lock();
            match group {
                Some(group) => state.observer.read(group, metric)?,
                None => state.observer.read_model(metric)?,
            };
            let groups = self.parameters.groups();
            let of = group
                .and_then(|id| groups.name(id))
                .map(|group| format!(" of {group}"));
            // Burn logs each metric in a file of its name.
            let name = format!("{metric}{}", of.unwrap_or_default()).replace(['/', '\\'], "_");
            state.name(&name)?;
            let unit = crate::CATALOGUE
                .iter()
                .find(|known| known.name() == metric)
                .map_or("", crate::Metric::unit);
            (name, unit)
        };
        let subject = Subject::Metric(group, metric.to_owned());
        Ok(NumericReadout::new(self, subject, name, unit))
    }

    /// The phase of the run in words, as a metric of burn.
    ///
    /// # Errors
    /// [`Error::DuplicateName`] if it was asked for already.
    pub fn phase(&self) -> Result<TextReadout, Error> {
        self.lock().name("phase")?;
        Ok(TextReadout::new(self, Subject::Phase, "phase"))
    }

    /// The verdict on equilibrium in words, as a metric of burn. Where steps were refused it says
    /// why.
    ///
    /// # Errors
    /// [`Error::DuplicateName`] if it was asked for already.
    pub fn verdict(&self) -> Result<TextReadout, Error> {
        self.lock().name("verdict")?;
        Ok(TextReadout::new(self, Subject::Verdict, "verdict"))
    }

    /// Adds to burn's dashboard and logs: the metrics of [`WatchConfig::show`] for every
    /// scale-invariant group (for the model, where no group is), the phase and the verdict.
    ///
    /// # Errors
    /// As [`Watch::metric`].
    pub fn dashboard<M: LearnerModel>(
        &self,
        training: SupervisedTraining<M>,
    ) -> Result<SupervisedTraining<M>, Error> {
        let shown = self.lock().shown.clone();
        let groups = self.parameters.groups();
        let mut subjects: Vec<Option<GroupId>> = groups
            .ids()
            .filter(|&id| {
                groups
                    .symmetry(id)
                    .is_some_and(Symmetry::is_scale_invariant)
            })
            .map(Some)
            .collect();
        if subjects.is_empty() {
            subjects.push(None);
        }
        let mut training = training;
        for subject in subjects {
            for metric in &shown {
                training = training.metric_train_numeric(self.metric(subject, metric)?);
            }
        }
        Ok(training
            .metric_train(self.phase()?)
            .metric_train(self.verdict()?))
    }

    /// Stops the training in the middle of an epoch when this happens, through burn's own
    /// interrupter, with [`StopWhen::reason`] as the reason.
    pub fn stop_when(&self, event: StopWhen, interrupter: Interrupter) {
        self.lock().stops.push((event, interrupter));
    }

    /// The same as a strategy of burn, which is asked at the end of each epoch:
    /// `SupervisedTraining::early_stopping`.
    pub fn stop_at_epoch_end(&self, event: StopWhen) -> StopAtEpochEnd {
        StopAtEpochEnd {
            watch: self.clone(),
            event,
        }
    }

    /// Lets a metric hear of every reading from now on; the count of micro-batches so far.
    pub(super) fn subscribe(&self, subject: Subject, queue: &Arc<Queue>) -> u64 {
        let mut state = self.lock();
        state.channels.push((subject, Arc::downgrade(queue)));
        state.total
    }

    /// One backward pass.
    fn micro_batch<M: Module>(&self, model: &M, gradients: &GradientsParams, loss: Tensor<1>) {
        let (due, several) = {
            let state = self.lock();
            (state.observer.is_due(), state.parts_before > 1)
        };
        let loss = due.then(|| loss.inner().mean());
        let squares = (due && several).then(|| {
            let mut squares = GroupSquares {
                parameters: &self.parameters,
                gradients,
                seen: HashSet::new(),
                squares: vec![Vec::new(); self.parameters.groups.len()],
            };
            model.visit(&mut squares);
            squares.squares
        });
        let mut state = self.lock();
        state.parts = state.parts.saturating_add(1);
        state.total = state.total.saturating_add(1);
        state.losses.extend(loss);
        state.squares.extend(squares);
    }

    /// The model before its update, with the gradients that the optimiser takes.
    fn before_update<M: Module>(
        &self,
        model: &M,
        rate: &ModuleLearningRate,
        gradients: Gradients<'_>,
    ) {
        let mut state = self.lock();
        let parts = std::mem::take(&mut state.parts);
        let losses = std::mem::take(&mut state.losses);
        let squares = std::mem::take(&mut state.squares);
        state.parts_before = parts;
        state.updates = state.updates.saturating_add(1);
        let taken = if state.observer.is_due() {
            self.observe(
                &mut state,
                (model, rate, gradients),
                (parts, losses, squares),
            )
        } else {
            // Outside the bursts nothing is read.
            let step = state.step;
            state.observer.observe(&step, &from_fn(|_| Ok(())))
        };
        if let Err(error) = taken {
            state.refused = state.refused.saturating_add(1);
            state.error.get_or_insert(error);
        }
        state.settle();
    }

    fn observe<M: Module>(
        &self,
        state: &mut State,
        (model, rate, gradients): (&M, &ModuleLearningRate, Gradients<'_>),
        (parts, losses, squares): (u32, Vec<Tensor<1>>, Vec<Squares>),
    ) -> Result<Observed, Error> {
        if parts == 0 || losses.len() != parts as usize {
            return Err(Error::Conflict {
                what: "an optimiser step without the backward passes that led to it",
                remedy: "call step and optimize of one Instrumented model and its clones",
            });
        }
        let learning_rate = self.learning_rate(rate)?;
        let mut fetch = Fetch::new(&self.parameters, gradients, parts);
        // Of a step in which the number of micro-batches changed, some were not asked.
        let noise = parts > 1 && squares.len() == parts as usize;
        fetch.squares = noise.then(|| vec![Vec::new(); self.parameters.groups.len()]);
        model.visit(&mut fetch);
        if is_distributed(model) {
            return Err(Error::Conflict {
                what: "replicas of distributed data-parallel training would each be observed",
                remedy: "train on several devices by ExecutionStrategy::MultiDevice, or observe one rank in a loop of your own",
            });
        }
        let asked: Vec<_> = losses
            .into_iter()
            .map(|loss| fetch.readback.ask(loss))
            .collect();
        let mut micro_batches = Vec::new();
        if noise {
            for one in squares {
                let mut ask = |tensors: Vec<Tensor<1>>| -> Vec<_> {
                    tensors.into_iter().map(|x| fetch.readback.ask(x)).collect()
                };
                micro_batches.push(one.into_iter().map(&mut ask).collect());
            }
        }
        let mut fetched = fetch.execute()?;
        fetched.micro_batches = micro_batches;
        let mut step = state.step.learning_rate(learning_rate).of_mean(parts);
        step.loss = fetched.answers.total(&asked)? / f64::from(parts);
        state.observer.observe(&step, &fetched)
    }

    /// The one learning rate of all that is observed.
    fn learning_rate(&self, rate: &ModuleLearningRate) -> Result<f64, Error> {
        let parameters = &self.parameters;
        let mut rates = parameters.by_id.iter().filter_map(|(&id, &index)| {
            let parameter = parameters.list.get(index)?;
            matches!(parameter.role, super::Role::Observed(_))
                .then(|| rate.lr_from_param(id, Some(&parameter.name)))
        });
        let first = rates.next().unwrap_or_else(|| rate.base());
        if rates.any(|other| other != first) {
            return Err(Error::Conflict {
                what: "observed parameters have different learning rates",
                remedy: "leave those of another rate out of the groups",
            });
        }
        Ok(first)
    }
}

impl State {
    fn name(&mut self, name: &str) -> Result<(), Error> {
        if self.names.insert(name.to_owned()) {
            Ok(())
        } else {
            Err(Error::DuplicateName {
                name: name.to_owned(),
            })
        }
    }

    /// Hands on what is new.
    fn settle(&mut self) {
        let period = self.updates.is_multiple_of(self.refresh.get());
        if !period && self.stops.is_empty() {
            return;
        }
        for event in self.observer.events() {
            for (when, interrupter) in &self.stops {
                if when.is_met_by(&event) {
                    interrupter.stop(Some(when.reason()));
                }
            }
            for when in [StopWhen::Equilibrium, StopWhen::Overheating] {
                if when.is_met_by(&event) && !self.met.contains(&when) {
                    self.met.push(when);
                }
            }
            if self.events.len() >= EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
        if !period {
            return;
        }
        let (observer, at) = (&self.observer, self.total);
        let trouble = self.error.as_ref().map(|error| (self.refused, error));
        self.channels.retain(|(subject, queue)| {
            let Some(queue) = queue.upgrade() else {
                return false;
            };
            let (value, text) = subject.answer(observer, trouble);
            queue.push(Entry { at, value, text });
            true
        });
    }
}

impl Subject {
    fn answer(&self, observer: &Observer, trouble: Option<(u64, &Error)>) -> (Option<f64>, String) {
        match self {
            Self::Metric(group, metric) => {
                let reading = match group {
                    Some(group) => observer.read(*group, metric),
                    None => observer.read_model(metric),
                };
                match reading {
                    Ok(Reading::Ready(found)) => (Some(found.value), format!("{found:.4}")),
                    Ok(other) => (None, other.to_string()),
                    Err(error) => (None, error.to_string()),
                }
            }
            Self::Phase => {
                let text = match observer.phase() {
                    Reading::Ready(known) => format!("{:?}", known.phase),
                    other => other.map(|_| "").to_string(),
                };
                (None, text)
            }
            Self::Verdict => {
                let text = match (trouble, observer.verdict(&VerdictConfig::default())) {
                    (Some((refused, error)), _) => format!("{refused} steps refused: {error}"),
                    (None, Ok(verdict)) => verdict.to_string(),
                    (None, Err(error)) => error.to_string(),
                };
                (None, text)
            }
        }
    }
}

/// |g|² of every group.
struct GroupSquares<'a> {
    parameters: &'a Parameters,
    gradients: &'a GradientsParams,
    seen: HashSet<burn022::module::ParamId>,
    squares: Squares,
}

impl ModuleVisitor for GroupSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let known = self.parameters.by_id.get(&param.id);
        let role = known
            .and_then(|&index| self.parameters.list.get(index))
            .map(|p| p.role);
        let Some(super::Role::Observed(group)) = role else {
            return;
        };
        if let (true, Some(gradient), Some(squares)) = (
            self.seen.insert(param.id),
            self.gradients.get::<D>(param.id),
            self.squares.get_mut(group.index()),
        ) {
            squares.extend(reduce::square(&gradient.inner().reshape([-1])));
        }
    }
}

/// Whether gradients are exchanged among replicas behind the model's back.
fn is_distributed<M: Module>(model: &M) -> bool {
    struct Visitor(bool);
    impl ModuleVisitor for Visitor {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 = self.0 || param.val().is_distributed();
        }
    }
    let mut visitor = Visitor(false);
    model.visit(&mut visitor);
    visitor.0
}

/// Ends the training at the end of an epoch; see [`Watch::stop_at_epoch_end`].
#[derive(Debug, Clone)]
pub struct StopAtEpochEnd {
    watch: Watch,
    event: StopWhen,
}

impl EarlyStoppingStrategy for StopAtEpochEnd {
    fn should_stop(&mut self, _: usize, _: &EventStoreClient) -> bool {
        self.watch.lock().met.contains(&self.event)
    }
}

type Loss<O> = Arc<dyn Fn(&O) -> Tensor<1> + Send + Sync>;

/// A model that is observed while burn trains it, and otherwise the model.
pub struct Instrumented<M: TrainStep> {
    model: M,
    loss: Loss<M::Output>,
    watch: Watch,
}

impl<M: TrainStep + Module> Instrumented<M> {
    /// Wraps a model. `loss` takes the mean loss of a batch, one number, out of the step's output.
    ///
    /// # Errors
    /// Options or groups that an [`Observer`] does not take; facts that no step has.
    pub fn new(
        model: M,
        parameters: Parameters,
        config: WatchConfig,
        loss: impl Fn(&M::Output) -> Tensor<1> + Send + Sync + 'static,
    ) -> Result<(Self, Watch), Error> {
        config.step.check()?;
        let observer = Observer::with_config(parameters.groups().clone(), config.observer)?;
        for metric in &config.shown {
            observer.read_model(metric)?;
        }
        let watch = Watch {
            parameters: Arc::new(parameters),
            state: Arc::new(Mutex::new(State {
                observer,
                step: config.step,
                refresh: config.refresh,
                shown: config.shown,
                parts: 0,
                parts_before: 0,
                total: 0,
                updates: 0,
                losses: Vec::new(),
                squares: Vec::new(),
                channels: Vec::new(),
                names: HashSet::new(),
                events: VecDeque::new(),
                met: Vec::new(),
                stops: Vec::new(),
                refused: 0,
                error: None,
            })),
        };
        let model = Self {
            model,
            loss: Arc::new(loss),
            watch: watch.clone(),
        };
        Ok((model, watch))
    }

    /// The model itself.
    pub const fn inner(&self) -> &M {
        &self.model
    }

    /// The model, out of the wrapper.
    pub fn into_inner(self) -> M {
        self.model
    }

    fn with(&self, model: M) -> Self {
        Self {
            model,
            loss: self.loss.clone(),
            watch: self.watch.clone(),
        }
    }

    fn map_model(self, map: impl FnOnce(M) -> M) -> Self {
        Self {
            model: map(self.model),
            loss: self.loss,
            watch: self.watch,
        }
    }
}

impl<M: TrainStep + Clone> Clone for Instrumented<M> {
    fn clone(&self) -> Self {
        Self {
            model: self.model.clone(),
            loss: self.loss.clone(),
            watch: self.watch.clone(),
        }
    }
}

impl<M: TrainStep + std::fmt::Debug> std::fmt::Debug for Instrumented<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.model.fmt(f)
    }
}

impl<M: TrainStep + std::fmt::Display> std::fmt::Display for Instrumented<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.model.fmt(f)
    }
}

impl<M: TrainStep + Module> Module for Instrumented<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.model.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.map_model(|model| model.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_model(|model| model.to_device(device))
    }

    fn train(self) -> Self {
        self.map_model(Module::train)
    }

    fn valid(&self) -> Self {
        self.with(self.model.valid())
    }

    fn materialize(self) -> Self {
        self.map_model(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model.visit(visitor);
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        self.map_model(|model| model.map(mapper))
    }
}

impl<M: TrainStep + Module> TrainStep for Instrumented<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: Self::Input) -> TrainOutput<Self::Output> {
        let output = self.model.step(item);
        self.watch
            .micro_batch(&self.model, &output.grads, (self.loss)(&output.item));
        output
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr_module: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.watch
            .before_update(&self.model, &lr_module, Gradients::One(&grads));
        self.map_model(|model| model.optimize(optim, lr_module, grads))
    }

    fn optimize_multi(
        self,
        optim: &mut ModuleOptimizer,
        lr_module: ModuleLearningRate,
        grads: MultiGradientsParams,
    ) -> Self {
        self.watch
            .before_update(&self.model, &lr_module, Gradients::Many(&grads));
        self.map_model(|model| model.optimize_multi(optim, lr_module, grads))
    }
}

impl<M: TrainStep + InferenceStep> InferenceStep for Instrumented<M> {
    type Input = <M as InferenceStep>::Input;
    type Output = <M as InferenceStep>::Output;

    fn step(&self, item: Self::Input) -> Self::Output {
        InferenceStep::step(&self.model, item)
    }
}
