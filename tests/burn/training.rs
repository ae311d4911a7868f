//! Burn's own training loop, observed.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Tensor;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{Aggregate, Direction, EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, NumericEntry};
use burn::train::{
    ExecutionStrategy, Learner, LearningResult, MetricEarlyStoppingStrategy, MultiDeviceOptim,
    StoppingCondition, SupervisedTraining, TrainStep, TrainingStrategy,
};
use thermograd::adapters::burn022::{Instrumented, Parameters, StopWhen, Watch, WatchConfig};
use thermograd::{Cadence, Config, Error, Observer, Reading, Step, Window};

use crate::common::{Cloud, device, loader, rows};

const LEN: usize = 32;
const ITEMS: usize = 1024;

#[test]
fn what_is_kept_goes_to_any_thread() {
    fn kept<T: Send + Sync + std::fmt::Debug>() {}
    kept::<Parameters>();
    kept::<Watch>();
    kept::<WatchConfig>();
}

/// What burn logs of one split, in memory.
#[derive(Clone, Default)]
struct Log {
    numbers: Arc<Mutex<Vec<(String, NumericEntry)>>>,
    texts: Arc<Mutex<Vec<(String, String)>>>,
    names: Arc<Mutex<Vec<MetricDefinition>>>,
}

impl Log {
    fn of(&self, metric: &str) -> Vec<f64> {
        let numbers = self.numbers.lock().unwrap();
        let mut found = Vec::new();
        for (name, entry) in numbers.iter() {
            if let (true, NumericEntry::Value(value)) = (name == metric, entry) {
                found.push(*value);
            }
        }
        found
    }

    fn last_text(&self, metric: &str) -> String {
        let texts = self.texts.lock().unwrap();
        let found = texts.iter().rev().find(|(name, _)| name == metric);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

impl MetricLogger for Log {
    fn log(&mut self, update: MetricsUpdate, _: usize, split: &Split) {
        if *split != Split::Train {
            return;
        }
        let names = self.names.lock().unwrap();
        let name = |id| {
            let known = names.iter().find(|known| known.metric_id == id);
            known.unwrap().name.to_string()
        };
        for one in update.entries {
            let text = one.serialized_entry.formatted;
            self.texts.lock().unwrap().push((name(one.metric_id), text));
        }
        for one in update.entries_numeric {
            if one.entry.serialized_entry.is_not_available() {
                continue;
            }
            if let Some(number) = one.numeric_entry {
                self.numbers
                    .lock()
                    .unwrap()
                    .push((name(one.entry.metric_id), number));
            }
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        _: usize,
        _: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let numbers = self.numbers.lock().unwrap();
        let of_name = numbers.iter().filter(|(known, _)| known == name);
        Ok(of_name.map(|(_, number)| number.clone()).collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names.lock().unwrap().push(definition);
    }

    fn log_epoch_summary(&mut self, _: EpochSummary) {}
}

/// A run of the exactly solvable bath.
struct Run {
    batch: usize,
    accumulation: Option<usize>,
    rate: f64,
    decay: f32,
    epochs: usize,
    items: usize,
    config: Config,
    strategy: Option<TrainingStrategy<Instrumented<Cloud>>>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            batch: 4,
            accumulation: None,
            rate: 0.1,
            decay: 0.0,
            epochs: 1,
            items: ITEMS,
            config: Config::every_step().window(Window::Growing),
            strategy: None,
        }
    }
}

type Training = SupervisedTraining<Instrumented<Cloud>>;

impl Run {
    fn go(
        self,
        set: impl FnOnce(Training, &Watch) -> Training,
    ) -> (LearningResult<Instrumented<Cloud>>, Watch, Log) {
        let device = device();
        let cloud = Cloud::new(LEN, &device);
        let parameters = Parameters::of(&cloud).unwrap();
        let step = Step::new(0.0)
            .weight_decay(f64::from(self.decay))
            .batch_size(self.batch);
        let config = WatchConfig::new(step)
            .observer(self.config)
            .refresh(NonZeroU64::MIN);
        let (model, watch) =
            Instrumented::new(cloud, parameters, config, |output| output.loss.clone()).unwrap();
        let directory =
            std::env::temp_dir().join(format!("thermograd-burn-{}", std::process::id()));
        let log = Log::default();
        let mut training = SupervisedTraining::new(
            directory,
            loader(rows(self.items, LEN, 5), self.batch),
            loader(rows(4, LEN, 6), 4),
        )
        .num_epochs(self.epochs)
        .with_metric_logger(log.clone())
        .with_application_logger(None)
        .renderer(Box::new(burn::train::renderer::CliMetricsRenderer::new()));
        if let Some(parts) = self.accumulation {
            training = training.grads_accumulation(parts);
        }
        if let Some(strategy) = self.strategy {
            training = training.with_training_strategy(strategy);
        }
        let training = set(training, &watch);
        let mut optim = SgdConfig::new();
        if self.decay > 0.0 {
            optim = optim.with_weight_decay(Some(WeightDecayConfig::new(self.decay)));
        }
        let result = training.launch(Learner::new(model, optim.init(), self.rate));
        assert!(result.error.is_none(), "{:?}", result.error);
        (result, watch, log)
    }
}

fn value(watch: &Watch, metric: &str) -> f64 {
    match watch
        .with_observer(|observer| observer.read_model(metric))
        .unwrap()
    {
        Reading::Ready(found) => found.value,
        other => panic!("{metric}: {other}"),
    }
}

/// What a loop of one's own reads after each of its steps.
fn by_hand(batch: usize, rate: f64, metric: &str) -> (Vec<Option<f64>>, Cloud) {
    let device = device();
    let mut cloud = Cloud::new(LEN, &device);
    let parameters = Parameters::of(&cloud).unwrap();
    let config = Config::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(parameters.groups().clone(), config).unwrap();
    let mut optim = SgdConfig::new().init();
    let mut found = Vec::new();
    for item in loader(rows(ITEMS, LEN, 5), batch).iter() {
        let output = TrainStep::step(&cloud, Tensor::from_inner(item.unwrap()));
        let loss = output.item.loss.clone().try_into_scalar::<f64>().unwrap();
        let step = Step::new(loss)
            .learning_rate(rate)
            .weight_decay(0.0)
            .batch_size(batch);
        observer
            .observe(&step, &parameters.snapshot(&cloud, &output.grads))
            .unwrap();
        cloud = optim.step(rate, cloud, output.grads);
        found.push(
            observer
                .read_model(metric)
                .unwrap()
                .ready()
                .map(|e| e.value),
        );
    }
    (found, cloud)
}

fn vector(cloud: &Cloud) -> Vec<f32> {
    cloud.weight.val().into_data().try_into_vec().unwrap()
}

/// Every iteration logs the reading of its own step, and training is what it was without.
#[test]
fn a_log_holds_each_steps_own_reading() {
    let (result, _, log) = Run::default()
        .go(|training, watch| training.metric_train_numeric(watch.metric(None, "volume").unwrap()));
    let (expected, cloud) = by_hand(4, 0.1, "volume");
    assert_eq!(expected.len(), 256);
    let ready: Vec<f64> = expected.into_iter().flatten().collect();
    assert!(ready.len() > 32 && ready.windows(2).all(|w| w[0] != w[1]));
    assert_eq!(log.of("volume"), ready);
    assert_eq!(vector(result.model.inner()), vector(&cloud));
}

/// K micro-batches are one step: readings are those of one batch of that size, told at the items
/// that completed it, and their spread is its noise.
#[test]
fn accumulation_reads_as_one_large_batch() {
    let small = Run {
        accumulation: Some(2),
        decay: 0.02,
        items: 2 * ITEMS,
        ..Run::default()
    };
    let (result, watch, log) = small
        .go(|training, watch| training.metric_train_numeric(watch.metric(None, "volume").unwrap()));
    let large = Run {
        batch: 8,
        rate: 0.2,
        decay: 0.01,
        items: 2 * ITEMS,
        ..Run::default()
    };
    let (expected, reference, _) = large.go(|training, _| training);
    for metric in [
        "loss",
        "pressure",
        "volume",
        "temperature_midpoint",
        "decay_potential",
        "rotation",
    ] {
        let (found, expected) = (value(&watch, metric), value(&reference, metric));
        let close = (found - expected).abs() <= 1e-4 * expected.abs();
        assert!(close, "{metric}: {found} for {expected}");
    }
    for (a, b) in vector(result.model.inner())
        .iter()
        .zip(vector(expected.model.inner()))
    {
        assert!((a - b).abs() < 1e-5);
    }
    // tr Σ of the mean of 8 unit normals in 32 dimensions is 4; T = η tr Σ/(2d), η = 0.2.
    let hot = watch
        .with_observer(|o| o.read_model("temperature_noise"))
        .unwrap();
    let hot = *hot.ready().unwrap();
    assert!(hot.z_score(0.2 * 4.0 / 64.0).unwrap().abs() < 4.0, "{hot}");
    assert!(hot.std_error < 0.2 * hot.value);
    assert_eq!(watch.refused(), 0, "{:?}", watch.error());
    assert_eq!(watch.with_observer(|o| o.steps()), 256);
    // A reading stays for the K items until the next is complete.
    let volumes = log.of("volume");
    let (first, pairs) = (volumes.len() % 2, volumes.len() / 2);
    assert!(pairs > 8);
    for pair in volumes[..volumes.len() - first].chunks(2).take(pairs) {
        assert_eq!(pair[0], pair[1]);
    }
}

/// Two devices share the batches; the step is that of all.
#[test]
fn several_devices_are_one_step() {
    for optim in [
        MultiDeviceOptim::OptimMainDevice,
        MultiDeviceOptim::OptimSharded,
    ] {
        let devices = vec![device(), device()];
        let run = Run {
            decay: 0.02,
            epochs: 2,
            strategy: Some(TrainingStrategy::Default(ExecutionStrategy::multi(
                devices, optim,
            ))),
            ..Run::default()
        };
        let (_, watch, _) = run.go(|training, watch| {
            training.metric_train_numeric(watch.metric(None, "loss").unwrap())
        });
        assert_eq!(watch.refused(), 0, "{optim:?}: {:?}", watch.error());
        // 256 batches an epoch, two at a time.
        assert_eq!(watch.with_observer(|o| o.steps()), 256);
        assert!((value(&watch, "pressure") - 0.01).abs() < 1e-9);
        let hot = watch
            .with_observer(|o| o.read_model("temperature_noise"))
            .unwrap();
        let hot = *hot.ready().unwrap();
        assert!(hot.z_score(0.2 * 4.0 / 64.0).unwrap().abs() < 4.0, "{hot}");
    }
}

#[test]
fn names_in_checkpoints_stay_as_they_were() {
    #[derive(Default)]
    struct Names(Vec<String>, Vec<String>);
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.1.push(self.0.join("."));
        }
    }
    let cloud = Cloud::new(LEN, &device());
    let parameters = Parameters::of(&cloud).unwrap();
    let config = WatchConfig::new(Step::new(0.0));
    let (model, _) = Instrumented::new(cloud.clone(), parameters, config, |output| {
        output.loss.clone()
    })
    .unwrap();
    let mut names = Names::default();
    model.visit(&mut names);
    assert_eq!(names.1, ["weight"]);
    assert_eq!(format!("{model}"), format!("{cloud}"));
    assert_eq!(model.num_params(), LEN);
    // A checkpoint of the one is a checkpoint of the other.
    let other = Cloud::new(LEN, &device()).load_record(model.clone().into_record());
    assert_eq!(vector(&other), vector(&cloud));
    let restored = model.load_record(other.into_record());
    assert_eq!(
        vector(&restored.valid().train().into_inner()),
        vector(&cloud)
    );
}

#[test]
fn overheating_interrupts() {
    let run = Run {
        rate: 2.5,
        epochs: 50,
        ..Run::default()
    };
    let (result, watch, _) = run.go(|training, watch| {
        watch.stop_when(StopWhen::Overheating, training.interrupter());
        training
    });
    let reason = result.interrupted.and_then(|stop| stop.reason);
    assert_eq!(reason.as_deref(), Some("overheating ahead"));
    assert!(!watch.events().is_empty());
}

/// The bath settles within some of its relaxation times, and training ends there.
#[test]
fn equilibrium_ends_a_training() {
    let settled = |at_epoch_end: bool| {
        let run = Run {
            rate: 0.2,
            epochs: 16,
            items: 8192,
            config: Config::every_step().window(Window::Tumbling(NonZeroU64::new(8192).unwrap())),
            ..Run::default()
        };
        run.go(|training, watch| {
            if at_epoch_end {
                training.early_stopping(watch.stop_at_epoch_end(StopWhen::Equilibrium))
            } else {
                watch.stop_when(StopWhen::Equilibrium, training.interrupter());
                training
            }
        })
    };
    let (result, watch, _) = settled(false);
    let reason = result.interrupted.and_then(|stop| stop.reason);
    let verdict = watch.with_observer(|o| {
        o.verdict(&thermograd::equilibrium::VerdictConfig::default())
            .unwrap()
    });
    assert_eq!(
        reason.as_deref(),
        Some("equilibrium reached"),
        "{verdict}, {:?}",
        watch.events()
    );
    let steps = watch.with_observer(|o| o.steps());
    assert!(steps < 16 * 2048, "{steps}");
    let (result, watch, _) = settled(true);
    assert!(result.interrupted.is_none());
    let later = watch.with_observer(|o| o.steps());
    assert!(
        later >= steps && later < 16 * 2048 && later % 2048 == 0,
        "{later} after {steps}"
    );
}

/// Burn's own early stopping by one of our metrics.
#[test]
fn early_stopping_by_a_reading() {
    let run = Run {
        epochs: 40,
        // Exact, and so is its mean.
        decay: 0.03125,
        config: Config::every_step().window(Window::Growing),
        ..Run::default()
    };
    let (_, watch, _) = run.go(|training, watch| {
        // The pressure is a constant: it does not improve from the first epoch on.
        let metric = watch.metric(None, "pressure").unwrap();
        let strategy = MetricEarlyStoppingStrategy::new(
            &metric,
            Aggregate::Mean,
            Direction::Lowest,
            Split::Train,
            StoppingCondition::NoImprovementSince { n_epochs: 3 },
        );
        training
            .metric_train_numeric(metric)
            .early_stopping(strategy)
    });
    let steps = watch.with_observer(|o| o.steps());
    assert_eq!(steps, 4 * 256);
}

/// The dashboard's texts, and what becomes of a step that is refused.
#[test]
fn a_refused_step_is_told_and_does_not_stop_the_training() {
    let device = device();
    let cloud = Cloud::new(LEN, &device);
    let parameters = Parameters::of(&cloud).unwrap();
    let config = WatchConfig::new(Step::new(0.0)).refresh(NonZeroU64::MIN);
    let (model, watch) =
        Instrumented::new(cloud, parameters, config, |output| output.loss.clone()).unwrap();
    let mut learner = Learner::new(model, SgdConfig::new().init(), 0.1);
    for item in loader(rows(64, LEN, 5), 4).iter() {
        let _ = learner.train_step(Tensor::from_inner(item.unwrap()));
        learner.lr_step();
        // A graph that was cut, or gradients that were lost.
        learner.optimizer_step(GradientsParams::new());
    }
    // One of the burst was due, was refused, and stays due.
    assert_eq!(watch.refused(), 16);
    assert!(matches!(watch.error(), Some(Error::NoGradient { .. })));
}

#[test]
fn a_dashboard_has_phase_and_verdict() {
    let run = Run {
        items: 2 * ITEMS,
        config: Config::default()
            .cadence(Cadence::bursts(4, 8).unwrap())
            .window(Window::Growing),
        ..Run::default()
    };
    let (_, watch, log) = run.go(|training, watch| watch.dashboard(training).unwrap());
    assert!(!log.of("z_d").is_empty() || !log.of("temperature_midpoint").is_empty());
    assert!(!log.last_text("phase").is_empty());
    assert!(
        log.last_text("verdict").len() > 8,
        "{}",
        log.last_text("verdict")
    );
    // Burn tells metrics by name.
    assert!(matches!(
        watch.metric(None, "z"),
        Err(Error::DuplicateName { .. })
    ));
    assert!(matches!(
        watch.metric(None, "entropie"),
        Err(Error::UnknownMetric { .. })
    ));
}
