//! What does burn's dashboard say when it also shows temperature, equation of state, phase and
//! verdict?
//!
//! The network is written as any other, and wrapped: the filters of each convolution are followed by
//! batch normalisation, so each layer is an ideal gas with as many scales as filters. Two
//! micro-batches make a step, and their spread is the noise that Z needs.

mod data;
mod model;
mod overhead;

use std::error::Error;
use std::num::NonZeroU64;

use burn::module::Module;
use burn::optim::{SgdConfig, decay::WeightDecayConfig};
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::renderer::CliMetricsRenderer;
use burn::train::{Learner, SupervisedTraining};
use clap::Parser;
use thermograd::adapters::burn022::{Instrumented, Parameters, StopWhen, Watch, WatchConfig};
use thermograd::phase_transition::MonitorConfig;
use thermograd::{Config, Estimate, Step, Symmetry, Window};

use model::Network;

/// Micro-batches of a step.
const PARTS: usize = 2;

/// Thermodynamics of a convolutional network in burn's dashboard.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Args {
    /// Passes over the 1536 training images.
    #[arg(long, default_value_t = 200)]
    epochs: usize,
    /// Images of a micro-batch; two of them make a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Learning rate η on the sum of the two, as burn takes it.
    #[arg(long, default_value_t = 0.05)]
    learning_rate: f64,
    /// Weight decay λ beside that sum.
    #[arg(long, default_value_t = 0.02)]
    weight_decay: f32,
    /// Go on when equilibrium is reached.
    #[arg(long)]
    keep_going: bool,
    /// Stop when overheating is announced. This network trains at the edge of stability, where an
    /// alarm may come without a divergence.
    #[arg(long)]
    stop_when_hot: bool,
    /// Print readings at the end, and no dashboard.
    #[arg(long)]
    no_tui: bool,
    /// Measure what observing costs, and train no further.
    #[arg(long)]
    overhead: bool,
    /// Seed of weights and batches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let device = Device::flex().autodiff();
    device.seed(args.seed);
    if args.overhead {
        return overhead::measure(&args, &device);
    }
    let (training, validation) = data::load(args.seed)?;
    let gas = gas_energy(&training, &device)?;
    let observer = Config::every_step()
        .window(Window::Tumbling(NonZeroU64::new(2048).ok_or("a window")?))
        .monitor(MonitorConfig::default().gas_energy(gas));
    let config = watch_config(&args, training.len()).observer(observer);
    let (model, watch) = instrumented(&device, config)?;

    let directory = std::env::temp_dir().join("thermograd-burn-dashboard");
    let mut run = SupervisedTraining::new(
        directory,
        data::loader(training, args.batch, Some(args.seed)),
        data::loader(validation, 261, None),
    )
    .metric_train_numeric(LossMetric::new())
    .metric_valid_numeric(LossMetric::new())
    .metric_valid_numeric(AccuracyMetric::new())
    .num_epochs(args.epochs)
    .grads_accumulation(PARTS);
    run = watch.dashboard(run)?;
    if args.stop_when_hot {
        watch.stop_when(StopWhen::Overheating, run.interrupter());
    }
    if !args.keep_going {
        watch.stop_when(StopWhen::Equilibrium, run.interrupter());
    }
    if args.no_tui {
        run = run.renderer(Box::new(CliMetricsRenderer::new()));
    }
    let result = run.launch(Learner::new(model, optimizer(&args), args.learning_rate));
    // Out of the wrapper: the network as it was written.
    let network: Network = result.model.into_inner();
    tell(&watch);
    if let Some(reason) = result.interrupted.and_then(|stop| stop.reason) {
        println!("stopped: {reason}");
    }
    println!("{} parameters trained", network.num_params());
    Ok(())
}

/// Plain SGD with coupled decay: the update that the law pV = RT is about.
pub(crate) fn optimizer(args: &Args) -> burn::optim::ModuleOptimizer {
    SgdConfig::new()
        .with_weight_decay(Some(WeightDecayConfig::new(args.weight_decay)))
        .init()
}

/// What the loop cannot tell by itself.
pub(crate) fn watch_config(args: &Args, images: usize) -> WatchConfig {
    let step = Step::new(0.0)
        .weight_decay(f64::from(args.weight_decay))
        .batch_size(args.batch)
        .data_set_size(images)
        .sampling(thermograd::Sampling::Reshuffled);
    WatchConfig::new(step).show(["temperature_noise", "z", "z_d"])
}

/// The network, observed: convolutions by themselves, with as many scales as filters.
pub(crate) fn instrumented(
    device: &Device,
    config: WatchConfig,
) -> Result<(Instrumented<Network>, Watch), thermograd::Error> {
    let network = Network::new(device);
    let parameters = Parameters::grouped(&network, |parameter| match parameter.rows() {
        Some(filters) if parameter.layer == "Conv2d" => {
            let layer = parameter.name.trim_end_matches(".weight");
            Some((layer.to_owned(), Symmetry::ScaleInvariantBy(filters)))
        }
        _ => Some(("other".to_owned(), Symmetry::Generic)),
    })?;
    Instrumented::new(network, parameters, config, |output| output.loss.clone())
}

/// The loss of networks with random weights: what the phase is told by.
fn gas_energy(digits: &[data::Digit], device: &Device) -> Result<Estimate, Box<dyn Error>> {
    let batch = data::batch(&digits[..digits.len().min(256)], device);
    let losses = (0..16)
        .map(|_| {
            Ok(Network::new(device)
                .classify(batch.clone())
                .loss
                .try_into_scalar::<f64>()?)
        })
        .collect::<Result<Vec<f64>, Box<dyn Error>>>()?;
    let n = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / n;
    let variance = losses.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Ok(Estimate {
        value: mean,
        std_error: (variance / n).sqrt(),
        n_eff: n,
    })
}

fn tell(watch: &Watch) {
    println!("{}", watch.report());
    for remark in watch.report().remarks() {
        println!("{remark}");
    }
    for event in watch.events() {
        println!("{event:?}");
    }
    let verdict = watch.with_observer(|observer| observer.verdict(&Default::default()));
    match verdict {
        Ok(verdict) => println!("{verdict}"),
        Err(error) => println!("{error}"),
    }
    if let Some(error) = watch.error() {
        println!("{} steps refused: {error}", watch.refused());
    }
}
