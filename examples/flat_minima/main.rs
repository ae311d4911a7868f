//! Do flatter minima generalise better? A family of small networks on real digits, over learning
//! rate and batch size, at matched training loss.
//!
//! ```text
//! cargo run --release --example flat_minima
//! cargo run --release --example flat_minima -- --json flat.json --plots plots
//! cargo run --release --example flat_minima -- --rates 0.004,0.016 --batches 4,64 --replicas 2 --draws 80
//! ```
//!
//! Every network begins at its own random weights and is trained by plain SGD until its loss over
//! all training images first falls to the target. There, at rest, these are measured over the
//! training images: the temperature that learning rate and gradient noise give it, trace and
//! largest eigenvalue of the Hessian, the entropy of the basin at one temperature common to all,
//! the learning coefficient by Langevin chains at that temperature, and the relative noise in the
//! weights that doubles the loss. The gap is the loss over images never trained on less that over
//! those trained on.
//!
//! The training set is small on purpose, 400 images: the gap is then large and, with some 1400
//! images to test on, well measured.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::Instant,
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use common::{
    data::{Digits, Split},
    network::Network,
    plot::{Plot, Point},
    training::{Config as Knobs, Training},
};
use thermograd::correlation::{Bootstrap, Interval};
use thermograd::curvature::{
    CentralDifference, DensityConfig, Dynamics, LanczosConfig, TraceConfig, edge_of_stability,
    extremes, gradient, loss, spectral_density, trace,
};
use thermograd::flatness::{
    Association, Basin, LearningCoefficientConfig, Measure, Noise, ResilienceConfig, Study,
    StudyConfig, Warning, generalisation_study, learning_coefficient, resilience, thermal_scale,
};
use thermograd::{Config, Estimate, Groups, Observer, Reading, Step, Symmetry, Window, slices};

/// The seed of the split of the images, the same in every run.
const SPLIT: u64 = 0;
/// The loss over the whole training set is looked at every step at first, later every so many: hot
/// networks arrive early, and fall far below the target between two looks.
const LOOK: usize = 10;
const EARLY: usize = 1000;
/// Curvature is averaged over this part of |w|: a shorter step meets few kinks of the ReLUs, and
/// those it meets look like walls.
const STEP: f64 = 0.01;
/// Pairs of gradients at rest that the temperature is taken from.
const PAIRS: usize = 200;
/// Scales of the noise at which the loss is told.
const SCALES: [f64; 7] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3];

/// Correlates flatness with generalisation over a family of networks.
#[derive(Debug, Parser)]
struct Arguments {
    /// Learning rates of the family.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [0.004, 0.016, 0.064, 0.2])]
    rates: Vec<f64>,
    /// Batch sizes of the family.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [2, 8, 32, 128])]
    batches: Vec<usize>,
    /// Networks of each learning rate and batch size, with seeds of their own.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    replicas: usize,
    /// The training loss at which every network stops.
    #[arg(long, value_name = "LOSS", default_value_t = 0.05)]
    target: f64,
    /// Networks that have not got there after so many steps are left out.
    #[arg(long, value_name = "COUNT", default_value_t = 30_000)]
    steps: usize,
    /// Images to train on; all others are for the test.
    #[arg(long, value_name = "COUNT", default_value_t = 400)]
    images: usize,
    /// Hidden neurons.
    #[arg(long, value_name = "COUNT", default_value_t = 32)]
    hidden: usize,
    /// Prior precision about each minimum, in 1/weight².
    #[arg(long, value_name = "PRECISION", default_value_t = 200.0)]
    localisation: f64,
    /// Draws of each of the four Langevin chains.
    #[arg(long, value_name = "COUNT", default_value_t = 300)]
    draws: usize,
    /// Seed of everything.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Write runs and correlations as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write pictures as SVG and PNG into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

/// A network of the family before it is trained.
#[derive(Debug, Clone, Copy)]
struct Member {
    rate: f64,
    batch: usize,
    setting: usize,
    seed: u64,
}

/// What is known of it at rest.
#[derive(Debug, Clone)]
struct Run {
    member: Member,
    steps: usize,
    training_loss: f64,
    test_loss: f64,
    test_accuracy: f64,
    norm: f64,
    temperature: Reading,
    trace: Estimate,
    top: f64,
    edge: Option<f64>,
    entropy: Reading,
    learning_coefficient: Reading,
    warnings: Vec<Warning>,
    doubling: Reading,
    noisy: Vec<(f64, Estimate)>,
    thermal: Reading,
    evaluations: Evaluations,
}

/// Gradient evaluations over the whole training set, by estimator; losses for the noise.
#[derive(Debug, Clone, Copy, Default)]
struct Evaluations {
    trace: u64,
    top: u64,
    entropy: u64,
    learning_coefficient: u64,
    noise: u64,
}

impl Run {
    fn gap(&self) -> f64 {
        self.test_loss - self.training_loss
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let digits = small(&Digits::load(SPLIT)?, arguments.images)?;
    let members = family(&arguments)?;
    println!(
        "{} networks; {} images to train on, {} to test",
        members.len(),
        digits.training.len(),
        digits.test.len()
    );
    let start = Instant::now();
    let runs = measure_all(&arguments, &members, &digits)?;
    println!("{:.0} s\n", start.elapsed().as_secs_f64());
    if runs.len() < members.len() {
        println!(
            "{} networks did not reach a training loss of {} in {} steps and are left out\n",
            members.len() - runs.len(),
            arguments.target,
            arguments.steps
        );
    }
    print(&runs);
    let studies = studies(&runs, arguments.seed)?;
    println!("\nKendall's τ with 95 % bootstrap intervals over runs; training loss held fixed:");
    println!("{}", studies.loss_held);
    println!("training loss and ln T held fixed:");
    println!("{}", studies.temperature_held);
    println!("training loss, ln T and |w| held fixed:");
    println!("{}", studies.norm_held);
    println!("training loss held fixed, whole settings resampled:");
    println!("{}", studies.clustered);
    println!("{}", verdict(&runs, &studies));
    if let Some(path) = &arguments.json {
        let answer = answer(&arguments, &runs, &studies);
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    if let Some(folder) = &arguments.plots {
        draw(folder, &arguments, &runs, &studies.loss_held)?;
    }
    Ok(())
}

/// The first images to train on, all others to test.
fn small(digits: &Digits, images: usize) -> Result<Digits, String> {
    let width = digits.training.width();
    if images < 20 || images >= digits.training.len() {
        return Err(format!(
            "images is {images}: give 20 to {}",
            digits.training.len() - 1
        ));
    }
    let part = |from: usize, to: usize| Split {
        inputs: digits.training.inputs[from * width..to * width].to_vec(),
        labels: digits.training.labels[from..to].to_vec(),
    };
    let mut test = part(images, digits.training.len());
    test.inputs.extend_from_slice(&digits.test.inputs);
    test.labels.extend_from_slice(&digits.test.labels);
    Ok(Digits {
        training: part(0, images),
        test,
        dropped: digits.dropped.clone(),
    })
}

fn family(arguments: &Arguments) -> Result<Vec<Member>, String> {
    if !(arguments.target > 0.0 && arguments.target.is_finite()) {
        return Err(format!(
            "target is {}: give a positive loss",
            arguments.target
        ));
    }
    let mut members = Vec::new();
    for &rate in &arguments.rates {
        for &batch in &arguments.batches {
            let setting = members.len() / arguments.replicas.max(1);
            for _ in 0..arguments.replicas {
                let seed = arguments.seed * 1_000_003 + members.len() as u64;
                let member = Member {
                    rate,
                    batch,
                    setting,
                    seed,
                };
                knobs(arguments, member).validate()?;
                members.push(member);
            }
        }
    }
    Ok(members)
}

fn knobs(arguments: &Arguments, member: Member) -> Knobs {
    Knobs {
        learning_rate: member.rate,
        batch: member.batch,
        seed: member.seed,
        hidden: arguments.hidden,
        weight_decay: 0.0,
        steps: arguments.steps,
        no_norm: true,
        ..Knobs::default()
    }
}

/// What becomes of a member: `None` where it does not reach the target.
type Arrival = Result<Option<Run>, thermograd::Error>;

/// Trains and measures every member, on as many threads as there are processors; those that arrived.
fn measure_all(
    arguments: &Arguments,
    members: &[Member],
    digits: &Digits,
) -> Result<Vec<Run>, Box<dyn Error>> {
    let bar = ProgressBar::new(members.len() as u64).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {eta:>4}",
    )?);
    // Small steps and batches take longest: they first.
    let queue = Mutex::new(members.iter().enumerate().rev().collect::<Vec<_>>());
    let done: Mutex<Vec<(usize, Arrival)>> = Mutex::default();
    let work = || {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.pop());
            let Some((i, member)) = next else { break };
            let run = train_and_measure(arguments, *member, digits);
            if let Ok(mut done) = done.lock() {
                done.push((i, run));
            }
            bar.inc(1);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().map_err(|_| "a thread failed")?;
    done.sort_by_key(|(i, _)| *i);
    let mut runs = Vec::new();
    for (_, run) in done {
        runs.extend(run?);
    }
    Ok(runs)
}

/// `None` where the training loss never fell to the target.
fn train_and_measure(
    arguments: &Arguments,
    member: Member,
    digits: &Digits,
) -> Result<Option<Run>, thermograd::Error> {
    let mut training = Training::new(&knobs(arguments, member), digits);
    let all: Vec<usize> = (0..digits.training.len()).collect();
    let mut whole = training.network.clone();
    for step in 1..=arguments.steps {
        training.gradient();
        training.update();
        if step > EARLY && step % LOOK > 0 {
            continue;
        }
        whole
            .weights_mut()
            .copy_from_slice(training.network.weights());
        let loss = whole.loss(&digits.training, &all);
        if !loss.is_finite() {
            return Ok(None);
        }
        if loss <= arguments.target {
            let temperature = temperature(&mut training, member)?;
            return measure(arguments, member, digits, &whole, step, temperature).map(Some);
        }
    }
    Ok(None)
}

/// T = η tr Σ/(2d) at the weights as they are: batches are drawn and no step is taken.
fn temperature(training: &mut Training<'_>, member: Member) -> Result<Reading, thermograd::Error> {
    let mut groups = Groups::new();
    let hidden = groups.add("hidden", Symmetry::Generic);
    let mut observer = Observer::with_config(groups, Config::every_step().window(Window::Growing))?;
    for _ in 0..PAIRS {
        let loss = training.gradient();
        training.second_gradient();
        let facts = Step::new(loss).learning_rate(member.rate);
        let state = training.state();
        let snapshot =
            slices(hidden, state.weights, state.gradient).second_gradient(state.second_gradient);
        observer.observe(&facts, &snapshot)?;
    }
    observer.read(hidden, "temperature_noise")
}

fn measure(
    arguments: &Arguments,
    member: Member,
    digits: &Digits,
    network: &Network,
    steps: usize,
    temperature: Reading,
) -> Result<Run, thermograd::Error> {
    let all: Vec<usize> = (0..digits.training.len()).collect();
    let weights = network.weights().to_vec();
    let on_test = network.evaluate(&digits.training, &digits.test);

    // The door to everything below: weights in, gradient out, loss returned.
    let mut model = network.clone();
    let mut objective = gradient(|w: &[f64], g: &mut [f64]| {
        model.weights_mut().copy_from_slice(w);
        model.loss_and_gradient(&digits.training, &all, g)
    });

    let norm = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
    let mut hessian = CentralDifference::new(&mut objective, &weights)?.step_length(STEP * norm)?;
    let precise = TraceConfig::default()
        .sketch(10)
        .relative_error(0.03)
        .seed(member.seed);
    let trace = trace(&mut hessian, &precise)?;
    let ends = extremes(&mut hessian, &LanczosConfig::default().tolerance(0.01))?;
    let edge = edge_of_stability(&ends, Dynamics::learning_rate(member.rate))?;
    let spectrum = spectral_density(
        &mut hessian,
        &DensityConfig::default()
            .probes(6)
            .steps(30)
            .seed(member.seed),
    )?;
    let sampling = LearningCoefficientConfig::new(digits.training.len() as u64)
        .localisation(arguments.localisation)
        .draws(arguments.draws)
        .seed(member.seed);
    let found = learning_coefficient(&mut objective, &weights, &sampling)?;
    // One temperature and one spring for all networks: those of the chains.
    let common = found.n_beta.recip();
    let basin = Basin::at_temperature(common).localisation(arguments.localisation * common);
    let entropy = basin.entropy_of(&spectrum)?.map(|s| s.estimate);

    let mut model = network.clone();
    let noise = Noise::rows(weights.len(), digits.training.width())?;
    let noisy = resilience(
        loss(|w: &[f64]| {
            model.weights_mut().copy_from_slice(w);
            model.loss(&digits.training, &all)
        }),
        &weights,
        &ResilienceConfig::new(noise)
            .scales(&SCALES)
            .seed(member.seed),
    )?;
    let thermal = match &temperature {
        Reading::Ready(t) if t.value > 0.0 => thermal_scale(&trace, t.value)?,
        reading => reading.clone(),
    };
    Ok(Run {
        member,
        steps,
        training_loss: noisy.loss,
        test_loss: on_test.loss,
        test_accuracy: on_test.accuracy,
        norm,
        temperature,
        trace: trace.estimate,
        top: ends.top().map_or(0.0, |pair| pair.value),
        edge: edge.ready().map(|edge| edge.ratio),
        entropy,
        learning_coefficient: found.estimate,
        warnings: found.warnings,
        doubling: noisy.doubling,
        noisy: noisy
            .curve
            .iter()
            .map(|point| (point.scale, point.loss))
            .collect(),
        thermal,
        evaluations: Evaluations {
            trace: trace.cost.gradient_evaluations,
            top: ends.cost.gradient_evaluations,
            entropy: spectrum.cost().gradient_evaluations,
            learning_coefficient: found.gradient_evaluations,
            noise: noisy.loss_evaluations,
        },
    })
}

fn value(reading: &Reading) -> Option<f64> {
    reading.ready().map(|e| e.value)
}

fn print(runs: &[Run]) {
    println!(
        "{:>7} {:>5} {:>6} {:>8} {:>8} {:>7} {:>8} {:>9} {:>8} {:>7} {:>6} {:>16} {:>14} {:>14}",
        "η",
        "B",
        "steps",
        "loss",
        "gap",
        "test %",
        "|w|",
        "T",
        "tr H",
        "h_max",
        "η h/2",
        "S (nats)",
        "λ̂",
        "σ₂"
    );
    let with_error = |reading: &Reading, digits: usize| match reading {
        Reading::Ready(e) => format!("{:.*} ± {:.*}", digits, e.value, digits, e.std_error),
        _ => "-".to_owned(),
    };
    for run in runs {
        println!(
            "{:>7} {:>5} {:>6} {:>8.5} {:>8.4} {:>7.2} {:>8.3} {:>9} {:>8.1} {:>7.2} {:>6.3} {:>16} {:>14} {:>14}{}",
            run.member.rate,
            run.member.batch,
            run.steps,
            run.training_loss,
            run.gap(),
            100.0 * run.test_accuracy,
            run.norm,
            value(&run.temperature).map_or("-".to_owned(), |t| format!("{t:.2e}")),
            run.trace.value,
            run.top,
            run.edge.unwrap_or(0.0),
            with_error(&run.entropy, 1),
            with_error(&run.learning_coefficient, 1),
            with_error(&run.doubling, 3),
            if run.warnings.is_empty() { "" } else { " !" },
        );
    }
    for run in runs.iter().filter(|run| !run.warnings.is_empty()) {
        let Member {
            rate, batch, seed, ..
        } = run.member;
        println!("! η = {rate}, B = {batch}, seed {seed}: {:?}", run.warnings);
    }
    let mean = |of: &dyn Fn(&Evaluations) -> u64| {
        let sum: u64 = runs.iter().map(|run| of(&run.evaluations)).sum();
        sum as f64 / runs.len().max(1) as f64
    };
    println!(
        "\ngradient evaluations a network: tr H {:.0}, h_max {:.0}, S {:.0}, λ̂ {:.0}; evaluations of the loss for σ₂ {:.0}",
        mean(&|e| e.trace),
        mean(&|e| e.top),
        mean(&|e| e.entropy),
        mean(&|e| e.learning_coefficient),
        mean(&|e| e.noise),
    );
}

struct Studies {
    loss_held: Study,
    temperature_held: Study,
    norm_held: Study,
    clustered: Study,
}

fn studies(runs: &[Run], seed: u64) -> Result<Studies, thermograd::Error> {
    let column = |of: &dyn Fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
    let gap = column(&Run::gap);
    let loss = column(&|run| run.training_loss);
    let measures = [
        Measure::new(
            "temperature T",
            runs.iter().map(|run| value(&run.temperature)),
        ),
        Measure::known("trace tr H", &column(&|run| run.trace.value)),
        Measure::known("largest curvature", &column(&|run| run.top)),
        Measure::new(
            "basin entropy S",
            runs.iter().map(|run| value(&run.entropy)),
        ),
        Measure::new(
            "learning coefficient",
            runs.iter().map(|run| value(&run.learning_coefficient)),
        ),
        Measure::new(
            "noise that doubles",
            runs.iter().map(|run| value(&run.doubling)),
        ),
        Measure::known("norm |w|", &column(&|run| run.norm)),
    ];
    let resampling = Bootstrap::default().seed(seed);
    let each = StudyConfig::default().bootstrap(resampling.clone());
    let settings: Vec<usize> = runs.iter().map(|run| run.member.setting).collect();
    let whole = StudyConfig::default().bootstrap(resampling.clusters(&settings));
    // T is positive wherever it is known; rank correlations do not see the logarithm.
    let heat = column(&|run| value(&run.temperature).unwrap_or(0.0).max(1e-300).ln());
    let norm = column(&|run| run.norm);
    let all = [&loss[..], &heat, &norm];
    Ok(Studies {
        loss_held: generalisation_study(&gap, &[&loss], &measures, &each)?,
        norm_held: generalisation_study(&gap, &all, &measures, &each)?,
        temperature_held: generalisation_study(&gap, &[&loss, &heat], &measures, &each)?,
        clustered: generalisation_study(&gap, &[&loss], &measures, &whole)?,
    })
}

/// What the correlations show and what they do not, in words that follow the numbers.
fn verdict(runs: &[Run], studies: &Studies) -> String {
    let clear = |study: &Study, of: fn(&Association) -> &Reading<Interval>| {
        let named = study.rows.iter().filter_map(|row| {
            let interval = of(row).ready()?;
            let sign = if interval.value > 0.0 { '+' } else { '−' };
            interval
                .excludes_zero()
                .then(|| format!("{} ({sign})", row.name))
        });
        let named: Vec<String> = named.collect();
        if named.is_empty() {
            "nothing".to_owned()
        } else {
            named.join(", ")
        }
    };
    let ends = |of: &dyn Fn(&Run) -> f64| {
        let values = || runs.iter().map(of);
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        )
    };
    let (low, high) = ends(&Run::gap);
    let (least, most) = ends(&|run| run.training_loss);
    let (smallest, largest) = ends(&|run| run.norm);
    format!(
        "Over {} networks with training losses from {least:.4} to {most:.4} the gap runs from {low:.3} to {high:.3}. \
         Its interval excludes zero for: {}. With the training loss held fixed (normal scores) it does for: {}. With \
         the temperature held fixed as well: {}; with the norm of the weights, too: {}. With whole settings resampled, which \
         is what it takes to speak of other learning rates and batch sizes than these: {}. A minus at trace or largest \
         curvature, a plus at the entropy, says that the flatter networks had the larger gap; a minus at the noise that \
         doubles the loss, that the more resilient ones had the smaller. This shows what goes together in this family, for \
         one architecture on one data set. It does not show that flatness, or the lack of it, makes a network generalise: \
         learning rate and batch size move temperature, norm, flatness and gap at once, and what is left with temperature and norm \
         held fixed is all that a measure knows beyond them. Seven measures at 95 % hold an accidental one in every third \
         such study. Trace, entropy and learning coefficient are per unit of weight, and the norm of the weights differs by \
         a factor of {:.1} over the family; the noise that doubles the loss is relative to it, row by row.",
        runs.len(),
        clear(&studies.loss_held, |row| &row.plain),
        clear(&studies.loss_held, |row| &row.scores),
        clear(&studies.temperature_held, |row| &row.scores),
        clear(&studies.norm_held, |row| &row.scores),
        clear(&studies.clustered, |row| &row.scores),
        largest / smallest,
    )
}

fn to_json(reading: &Reading) -> Value {
    match reading {
        Reading::Ready(e) => json!({ "value": e.value, "std_error": e.std_error }),
        _ => Value::Null,
    }
}

fn study_to_json(study: &Study) -> Value {
    let interval = |reading: &Reading<Interval>| {
        reading
            .ready()
            .map(|i| json!({ "value": i.value, "std_error": i.std_error, "low": i.low, "high": i.high, "units": i.units }))
    };
    let rows = study.rows.iter().map(|row| {
        json!({
            "measure": row.name,
            "runs": row.runs,
            "tau": interval(&row.plain),
            "partial_tau": interval(&row.held),
            "partial_scores": interval(&row.scores),
        })
    });
    rows.collect()
}

fn answer(arguments: &Arguments, runs: &[Run], studies: &Studies) -> Value {
    let rows: Vec<Value> = runs
        .iter()
        .map(|run| {
            json!({
                "learning_rate": run.member.rate,
                "batch": run.member.batch,
                "seed": run.member.seed,
                "steps": run.steps,
                "training_loss": run.training_loss,
                "test_loss": run.test_loss,
                "test_accuracy": run.test_accuracy,
                "gap": run.gap(),
                "norm": run.norm,
                "temperature": to_json(&run.temperature),
                "trace": { "value": run.trace.value, "std_error": run.trace.std_error },
                "largest_curvature": run.top,
                "edge_of_stability": run.edge,
                "basin_entropy": to_json(&run.entropy),
                "learning_coefficient": to_json(&run.learning_coefficient),
                "warnings": run.warnings.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>(),
                "doubling_scale": to_json(&run.doubling),
                "thermal_scale": to_json(&run.thermal),
                "noisy_loss": run.noisy.iter().map(|(scale, loss)| json!({ "scale": scale, "loss": loss.value, "std_error": loss.std_error })).collect::<Vec<_>>(),
                "gradient_evaluations": {
                    "trace": run.evaluations.trace,
                    "largest_curvature": run.evaluations.top,
                    "basin_entropy": run.evaluations.entropy,
                    "learning_coefficient": run.evaluations.learning_coefficient,
                },
                "loss_evaluations": run.evaluations.noise,
            })
        })
        .collect();
    json!({
        "settings": {
            "rates": arguments.rates,
            "batches": arguments.batches,
            "replicas": arguments.replicas,
            "target": arguments.target,
            "images": arguments.images,
            "hidden": arguments.hidden,
            "localisation": arguments.localisation,
            "draws": arguments.draws,
            "seed": arguments.seed,
        },
        "runs": rows,
        "training_loss_held": study_to_json(&studies.loss_held),
        "training_loss_and_temperature_held": study_to_json(&studies.temperature_held),
        "training_loss_temperature_and_norm_held": study_to_json(&studies.norm_held),
        "whole_settings_resampled": study_to_json(&studies.clustered),
        "paragraph": verdict(runs, studies),
    })
}

/// A quantity of a run.
type Of = fn(&Run) -> Option<f64>;

fn draw(
    folder: &Path,
    arguments: &Arguments,
    runs: &[Run],
    study: &Study,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let panels: [(&str, &str, Of); 5] = [
        ("temperature", "T (loss, nats)", |run| {
            value(&run.temperature)
        }),
        ("trace", "tr H (loss/weight²)", |run| Some(run.trace.value)),
        ("entropy", "S (nats)", |run| value(&run.entropy)),
        ("learning_coefficient", "λ̂", |run| {
            value(&run.learning_coefficient)
        }),
        ("noise", "relative noise that doubles the loss", |run| {
            value(&run.doubling)
        }),
    ];
    for (name, x, of) in panels {
        let mut plot = Plot::new(
            "Generalisation gap at matched training loss",
            x,
            "gap (loss, nats)",
        )
        .log_y();
        if name != "entropy" {
            plot = plot.log_x();
        }
        for &batch in &arguments.batches {
            let own = runs.iter().filter(|run| run.member.batch == batch);
            let points = own.filter_map(|run| {
                of(run).map(|x| Point {
                    x,
                    y: run.gap(),
                    error: 0.0,
                })
            });
            plot = plot.dots(&format!("B = {batch}"), points);
        }
        plot.save(&folder.join(format!("gap_{name}")))?;
    }
    let mut plot = Plot::new(
        "Loss under noise in the weights, filter by filter",
        "relative scale σ of the noise",
        "loss (nats)",
    )
    .log_y();
    let heat = |run: &&Run| value(&run.temperature).unwrap_or(0.0);
    let coldest = runs.iter().min_by(|a, b| heat(a).total_cmp(&heat(b)));
    let hottest = runs.iter().max_by(|a, b| heat(a).total_cmp(&heat(b)));
    for (name, run) in [("coldest network", coldest), ("hottest network", hottest)] {
        if let Some(run) = run {
            let points = run.noisy.iter().map(|(scale, loss)| Point {
                x: *scale,
                y: loss.value,
                error: loss.std_error,
            });
            plot = plot.dots(name, points);
        }
    }
    plot.save(&folder.join("resilience"))?;
    // One place a measure along x, in the order of the table.
    let bars = |of: fn(&Association) -> &Reading<Interval>, shift: f64| {
        let rows = study.rows.iter().enumerate();
        rows.filter_map(move |(i, row)| {
            of(row).ready().map(|interval| Point {
                x: i as f64 + 1.0 + shift,
                y: 0.5 * (interval.low + interval.high),
                error: 0.5 * (interval.high - interval.low),
            })
        })
        .collect::<Vec<_>>()
    };
    Plot::new(
        "95 % intervals of the correlation with the gap",
        "1 T   2 tr H   3 h_max   4 S   5 λ̂   6 σ₂   7 |w|",
        "correlation",
    )
    .dots("τ", bars(|row| &row.plain, -0.1))
    .dots("scores, training loss held", bars(|row| &row.scores, 0.1))
    .level("none", 0.0)
    .save(&folder.join("correlations"))
}
