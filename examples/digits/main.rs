//! Is a network in training a gas, and how hot is it? One layer, real digits, every step observed.
//!
//! ```text
//! cargo run --release --example digits
//! cargo run --release --example digits -- --lr 0.2 --momentum 0.9 --json digits.json --plots plots
//! cargo run --release --example digits -- --no-norm
//! ```
//!
//! With batch normalisation the weights are an ideal gas: pV = RT holds with the temperature of
//! the gradient noise, and the norm settles where the gas law puts it. Without, w·∂L/∂w does not
//! vanish and the gas is a real one.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;
mod instrument;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use common::{
    data::Digits,
    plot::Plot,
    training::{Config, Training},
};
use instrument::{Instrument, Observation, Sums};

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
    let mut instrument = Instrument::new(training.network.scales(), config.steps);

    let start = Instant::now();
    let bar = ProgressBar::new(config.steps as u64).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {eta:>4}  {msg}",
    )?);
    for step in 0..config.steps {
        let loss = training.gradient();
        training.second_gradient();
        // The seam: everything is known, and nothing has moved yet.
        instrument.observe(&Observation {
            loss,
            state: training.state(),
            learning_rate: training.optimizer.learning_rate,
            weight_decay: training.optimizer.weight_decay,
            momentum: training.optimizer.momentum,
        });
        training.update();
        if step % 200 == 199 {
            bar.set_position(step as u64 + 1);
            bar.set_message(instrument.live());
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
    println!("{}", instrument.table());

    if let Some(path) = &arguments.json {
        let answer = json!({
            "learning_rate": config.learning_rate,
            "weight_decay": config.weight_decay,
            "momentum": config.momentum,
            "batch": config.batch,
            "hidden": config.hidden,
            "steps": config.steps,
            "seed": config.seed,
            "normalisation": if config.no_norm { "none" } else { "batch" },
            "seconds": seconds,
            "test": { "loss": on_test.loss, "accuracy": on_test.accuracy },
            "readings": instrument.json(),
        });
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    if let Some(folder) = &arguments.plots {
        draw(folder, &instrument)?;
    }
    Ok(())
}

fn draw(folder: &Path, instrument: &Instrument) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let over_steps = |read: fn(&Sums) -> f64| {
        instrument
            .windows
            .iter()
            .map(move |(step, sums)| (*step, read(sums)))
    };
    let plot = |title, y| Plot::new(title, "step", y);
    plot("Energy", "U (loss, nats)")
        .log_y()
        .line("mean loss of the batches", over_steps(Sums::energy))
        .save(&folder.join("energy.svg"))?;
    plot("Temperature", "T (loss, nats)")
        .line("from the gradient noise", over_steps(Sums::temperature))
        .line("from the motion", over_steps(Sums::temperature_middle))
        .save(&folder.join("temperature.svg"))?;
    plot("Volume", "V = r²/2")
        .line("measured", over_steps(Sums::volume))
        .save(&folder.join("volume.svg"))?;
    plot("Equation of state", "Z = pV / RT")
        .line("measured", over_steps(Sums::compressibility))
        .level("ideal gas", 1.0)
        .save(&folder.join("compressibility.svg"))?;
    plot("Radius", "r = |w|")
        .line("measured", over_steps(Sums::radius))
        .dashed(
            "where the gas would settle",
            over_steps(Sums::radius_predicted),
        )
        .save(&folder.join("radius.svg"))?;
    Ok(())
}
