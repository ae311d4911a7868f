//! Is a network in training a gas, and how hot is it? One layer, real digits, every step observed.
//!
//! ```text
//! cargo run --release --example digits
//! cargo run --release --example digits -- --lr 0.2 --momentum 0.9 --json digits.json --plots plots
//! cargo run --release --example digits -- --no-norm
//! cargo run --release --example digits -- --optimizer adamw --lr 0.001 --weight-decay 0.5 --momentum 0.9
//! ```
//!
//! With batch normalisation the weights are an ideal gas: pV = RT holds with the temperature of
//! the gradient noise, and the norm settles where the gas law puts it. Without, w·∂L/∂w does not
//! vanish and the gas is a real one. Under AdamW every coordinate has a temperature of its own,
//! and the norm settles at √(ηd/(2λ)) whatever the loss.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;

use std::{
    error::Error,
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use common::{
    data::{Digits, Split},
    network::Evaluation,
    plot::Plot,
    training::{Config, Training},
};
use thermograd::{
    Config as Options, Ensemble, Estimate, Formula, GroupId, Groups, Observed, Observer, Reading,
    Symmetry, Window, energy, equilibrium::VerdictConfig, pressure, slices, temperature,
};

/// The seed of the split into training and test images, the same in every run.
const SPLIT: u64 = 0;

/// Trains a small network on handwritten digits and reads its thermodynamics.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    training: Config,
    /// Write the readings as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write U, T, V, Z and r over the steps as SVG files into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let config = &arguments.training;
    config.validate()?;

    let digits = Digits::load(SPLIT)?;
    println!(
        "{} digits to train on, {} to test; {} of 64 pixels are constant over the training set and left out",
        digits.training.len(),
        digits.test.len(),
        digits.dropped.len(),
    );

    let mut training = Training::new(config, &digits);
    let mut groups = Groups::new();
    let symmetry = match training.network.scales() {
        0 => Symmetry::Generic,
        scales => Symmetry::ScaleInvariantBy(scales),
    };
    let hidden = groups.add("hidden", symmetry);
    // The first quarter of the run settles, the rest is read; a second observer with short windows
    // draws the curves.
    let growing = Options::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(groups.clone(), growing)?;
    let length = NonZeroU64::new(config.steps.div_ceil(50).max(64) as u64);
    let tumbling = Window::Tumbling(length.unwrap_or(NonZeroU64::MIN));
    let mut short = Observer::with_config(groups, Options::every_step().window(tumbling))?;
    let mut curves = Curves::default();

    let start = Instant::now();
    let bar = ProgressBar::new(config.steps as u64).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {eta:>4}  {msg}",
    )?);
    for step in 0..config.steps {
        if step == config.steps / 4 {
            observer.start_window();
        }
        let loss = training.gradient();
        let independent_loss = training.second_gradient();
        // Everything is known here, and nothing has moved yet: the place to observe.
        let facts = training
            .optimizer
            .facts(loss)
            .independent_loss(independent_loss)
            .batch_size(config.batch);
        let state = training.state();
        let mut snapshot =
            slices(hidden, state.weights, state.gradient).second_gradient(state.second_gradient);
        if let Some(preconditioner) = state.preconditioner {
            snapshot = snapshot.preconditioner(preconditioner);
        }
        observer.observe(&facts, &snapshot)?;
        if short.observe(&facts, &snapshot)? == Observed::WindowComplete {
            curves.push(&short, hidden)?;
            bar.set_message(live(&short, hidden)?);
        }
        training.update();
        if step % 200 == 199 {
            bar.set_position(step as u64 + 1);
        }
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();

    let on_training = training
        .network
        .evaluate(&digits.training, &digits.training);
    let on_test = training.network.evaluate(&digits.training, &digits.test);
    println!("{} steps in {seconds:.1} s", config.steps);
    println!(
        "loss {:.4}, accuracy {:.1} % on the training set; {:.4}, {:.1} % on the test set\n",
        on_training.loss,
        100.0 * on_training.accuracy,
        on_test.loss,
        100.0 * on_test.accuracy,
    );
    println!("{}", observer.report());
    println!("{}", observer.verdict(&VerdictConfig::default())?);
    if let Reading::Ready(spread) = observer.coordinate_temperatures(hidden)? {
        println!("{spread}");
    }

    if let Some(path) = &arguments.json {
        let answer = answer(
            &arguments,
            &observer,
            hidden,
            (&on_training, &digits.training),
            (&on_test, &digits.test),
        )?;
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    if let Some(folder) = &arguments.plots {
        curves.draw(folder)?;
    }
    Ok(())
}

/// The accuracy as an estimate: examples are independent, so its error is binomial.
fn accuracy(evaluation: &Evaluation, split: &Split) -> Estimate {
    let (p, n) = (evaluation.accuracy, split.len() as f64);
    Estimate {
        value: p,
        std_error: (p * (1.0 - p) / n).sqrt(),
        n_eff: n,
    }
}

/// A ready reading as value, error and `n_eff`; any other as what it says.
fn to_json(reading: &Reading) -> Value {
    match reading {
        Reading::Ready(estimate) => estimate_to_json(estimate),
        other => json!({ "value": null, "why": other.to_string() }),
    }
}

fn estimate_to_json(estimate: &Estimate) -> Value {
    json!({
        "value": estimate.value,
        "std_error": estimate.std_error,
        "n_eff": estimate.n_eff,
    })
}

fn answer(
    arguments: &Arguments,
    observer: &Observer,
    hidden: GroupId,
    (on_training, training): (&Evaluation, &Split),
    (on_test, test): (&Evaluation, &Split),
) -> Result<Value, Box<dyn Error>> {
    let config = &arguments.training;
    let mut answer = serde_json::Map::new();
    answer.insert(
        "settings".to_owned(),
        json!({
            "learning_rate": config.learning_rate,
            "weight_decay": config.weight_decay,
            "optimizer": config.optimizer.to_possible_value().map(|v| v.get_name().to_owned()),
            "momentum": config.momentum,
            "beta2": config.beta2,
            "batch": config.batch,
            "hidden": config.hidden,
            "steps": config.steps,
            "seed": config.seed,
            "normalisation": if config.no_norm { "none" } else { "batch" },
        }),
    );
    for (name, evaluation, split) in [
        ("train_accuracy", on_training, training),
        ("test_accuracy", on_test, test),
    ] {
        let accuracy = accuracy(evaluation, split);
        answer.insert(name.to_owned(), estimate_to_json(&accuracy));
    }
    // The group's own readings; what only the model has, such as the loss, from the model.
    for row in &observer.report() {
        answer
            .entry(row.metric.name())
            .or_insert_with(|| to_json(&row.reading));
    }
    answer.insert(
        "relaxations".to_owned(),
        json!(observer.relaxations(Some(hidden))?),
    );
    Ok(answer.into())
}

/// The readings of successive short windows, without error bars.
#[derive(Debug, Default)]
struct Curves {
    windows: Vec<(f64, Ensemble)>,
}

impl Curves {
    fn push(&mut self, observer: &Observer, group: GroupId) -> Result<(), thermograd::Error> {
        let step = observer.steps() as f64;
        self.windows.push((step, observer.ensemble(Some(group))?));
        Ok(())
    }

    fn of(&self, formula: Formula) -> impl Iterator<Item = (f64, f64)> {
        self.windows
            .iter()
            .filter_map(move |(step, ensemble)| Some((*step, formula(ensemble)?)))
    }

    fn draw(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let plot = |title, y| Plot::new(title, "step", y);
        plot("Energy", "U (loss, nats)")
            .log_y()
            .line("mean loss of the batches", self.of(energy::internal))
            .save(&folder.join("energy"))?;
        plot("Temperature", "T (loss, nats)")
            .line("from the gradient noise", self.of(temperature::noise))
            .line("from the motion", self.of(temperature::midpoint))
            .save(&folder.join("temperature"))?;
        plot("Volume", "V = r²/2 (weight²)")
            .line("measured", self.of(pressure::volume))
            .save(&folder.join("volume"))?;
        plot("Equation of state", "Z = pV / RT")
            .line("measured", self.of(pressure::z))
            .level("ideal gas", 1.0)
            .save(&folder.join("compressibility"))?;
        plot("Radius", "r = |w| (weight)")
            .line("measured", self.of(pressure::radius))
            .dashed("where the gas would settle", self.of(pressure::radius_gas))
            .save(&folder.join("radius"))?;
        Ok(())
    }
}

/// A line of readings for the progress bar.
fn live(observer: &Observer, group: GroupId) -> Result<String, thermograd::Error> {
    let ensemble = observer.ensemble(Some(group))?;
    let show = |name: &str, formula: Formula| {
        formula(&ensemble).map_or(format!("{name} -"), |value| format!("{name} {value:.3e}"))
    };
    Ok([
        show("U", energy::internal),
        show("T", temperature::noise),
        show("Z", pressure::z),
        show("r", pressure::radius),
    ]
    .join("  "))
}
