//! Does SGD minimise a free energy U − TS? The temperature dU/dS of two families of networks.
//!
//! ```text
//! cargo run --release --example free_energy
//! cargo run --release --example free_energy -- --rates 12 --json free_energy.json --plots plots
//! ```
//!
//! A network in a stationary state that minimises U − T S among the states of other learning rates has
//! dU/dS = T between neighbours (arXiv 2505.23489): T is then bounded by the slopes to members of lower
//! and of higher entropy. One family is of networks that are too small for the data, the other of
//! networks with more weights than examples. The normalised rows are kept on their spheres. All
//! runs of a family begin hot and are cooled from rate to rate.
//!
//! - too small: the noise never vanishes, and T grows with the learning rate throughout;
//! - large: at low rates the loss stays where it is whatever the rate, while entropy still falls: T is zero
//!   long before the rate is.
//!
//! The temperature of the gradient's noise, which knows nothing of entropy, stands beside it.
//!
//! What limits it: the entropy is from nearest neighbours in 61 dimensions a row, and good for
//! differences between clouds of one shape only; correlations between rows are left out; a large
//! network at a low rate never leaves its valley, and its cloud is that of a finite time.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;
mod family;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use common::{
    data::Digits,
    fit::{mean, number, reading, spread},
    plot::{Plot, Point},
};
use family::{Seen, Setting, cool};
use thermograd::{
    Estimate, Reading,
    entropy::{FamilyMember, FamilyTemperature, family_temperatures},
};

/// The seed of the split into training and test images, the same in every run.
const SPLIT: u64 = 0;

/// Measures dU/dS over learning rates for a small and for a large network.
#[derive(Debug, Parser)]
struct Arguments {
    /// Learning rates, evenly spaced in the logarithm.
    #[arg(long, value_name = "COUNT", default_value_t = 9)]
    rates: usize,
    /// The lowest rate, per row of the layer.
    #[arg(long, value_name = "RATE", default_value_t = 0.02)]
    from: f64,
    /// The highest.
    #[arg(long, value_name = "RATE", default_value_t = 2.0)]
    to: f64,
    /// Hidden neurons of the small network.
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    small: usize,
    /// Hidden neurons of the large one.
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    large: usize,
    /// Snapshots at each rate.
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    snapshots: usize,
    /// Runs of each network.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    replicas: usize,
    /// Examples in a batch.
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    batch: usize,
    /// Seed of all networks and batches.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Threads to run on.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    threads: usize,
    /// Write everything measured as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the plots as SVG and PNG files into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl Arguments {
    fn validate(&self) -> Result<(), String> {
        let counts = [
            ("rates", self.rates, 3, 100),
            ("small", self.small, 2, 1000),
            ("large", self.large, 2, 1000),
            ("snapshots", self.snapshots, 100, 5000),
            ("replicas", self.replicas, 2, 100),
            ("batch", self.batch, 2, 1000),
            ("threads", self.threads, 1, 1024),
        ];
        for (what, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!("{what} is {value}: give {least} to {most}"));
            }
        }
        if !(self.from >= 1e-4 && self.from < self.to && self.to <= 1e3) {
            return Err("give two rates from 1e-4 to 1e3, the lowest first".to_owned());
        }
        Ok(())
    }

    /// Per row, from the highest down.
    fn rates(&self) -> Vec<f64> {
        let last = (self.rates - 1) as f64;
        (0..self.rates)
            .map(|i| self.to * (self.from / self.to).powf(i as f64 / last))
            .collect()
    }
}

/// A family of states, hottest first.
struct Family {
    name: &'static str,
    hidden: usize,
    weights: usize,
    members: Vec<Member>,
}

/// One rate.
struct Member {
    rate: f64,
    energy: Estimate,
    entropy: Estimate,
    noise: Estimate,
    independent: f64,
    temperature: FamilyTemperature,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    arguments.validate()?;
    let digits = Digits::load(SPLIT)?;
    let rates = arguments.rates();
    let networks = [("too small", arguments.small), ("large", arguments.large)];
    let start = Instant::now();
    let runs = networks.len() * arguments.replicas;
    let bar = ProgressBar::new((runs * rates.len()) as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {eta:>4}")?,
    );
    let seen = measure(&arguments, &networks, &rates, &digits, &bar)?;
    bar.finish_and_clear();
    println!("{runs} runs in {:.1} s", start.elapsed().as_secs_f64());

    let mut families = Vec::new();
    for (&(name, hidden), runs) in networks.iter().zip(seen.chunks(arguments.replicas)) {
        let weights = hidden * digits.training.width();
        families.push(Family {
            name,
            hidden,
            weights,
            members: members(&rates, runs)?,
        });
    }
    for family in &families {
        print(family, digits.training.len());
    }
    if let Some(path) = &arguments.json {
        let answer = json!({
            "settings": {
                "snapshots": arguments.snapshots,
                "replicas": arguments.replicas,
                "batch": arguments.batch,
                "seed": arguments.seed,
            },
            "families": families.iter().map(answer).collect::<Vec<_>>(),
            "published": {
                "source": "arXiv 2505.23489",
                "too_small": "temperature grows with the learning rate",
                "large": "temperature falls to zero at low learning rates",
            },
        });
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    if let Some(folder) = &arguments.plots {
        fs::create_dir_all(folder)?;
        draw(folder, &families)?;
    }
    Ok(())
}

/// All runs of all networks, in order.
fn measure(
    arguments: &Arguments,
    networks: &[(&str, usize)],
    rates: &[f64],
    digits: &Digits,
    bar: &ProgressBar,
) -> Result<Vec<Vec<Seen>>, Box<dyn Error>> {
    // The large ones first, so that no thread is left with one at the end.
    let order: Vec<usize> = (0..networks.len() * arguments.replicas).rev().collect();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<(), String> {
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let hidden = networks[index / arguments.replicas].1;
            let setting = Setting {
                hidden,
                batch: arguments.batch,
                snapshots: arguments.snapshots,
                seed: arguments.seed,
                run: arguments
                    .seed
                    .wrapping_mul(100_003)
                    .wrapping_add(index as u64),
            };
            // Rows have radius 1/√hidden: what acts on the direction is η times hidden.
            let own: Vec<f64> = rates.iter().map(|rate| rate / hidden as f64).collect();
            let seen = cool(&setting, &own, digits, || bar.inc(1)).map_err(|e| e.to_string())?;
            let mut results = results.lock().map_err(|_| "a worker gave up")?;
            results.push((index, seen));
        }
        Ok(())
    };
    thread::scope(|scope| -> Result<(), String> {
        let workers: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a worker gave up")?)
    })?;
    let mut results = results.into_inner()?;
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, seen)| seen).collect())
}

/// The mean over runs, with the larger of the two errors: that of the runs, and their scatter.
fn average(of: &[Estimate]) -> Estimate {
    let mean = mean(of);
    let scatter = spread(of) / (of.len() as f64).sqrt();
    Estimate {
        std_error: mean.std_error.max(scatter),
        ..mean
    }
}

fn members(rates: &[f64], runs: &[Vec<Seen>]) -> Result<Vec<Member>, Box<dyn Error>> {
    let at = |i: usize, of: fn(&Seen) -> Estimate| {
        let values: Vec<Estimate> = runs.iter().filter_map(|run| run.get(i)).map(of).collect();
        average(&values)
    };
    let states: Vec<FamilyMember> = (0..rates.len())
        .map(|i| FamilyMember {
            energy: at(i, |seen| seen.energy),
            entropy: at(i, |seen| seen.entropy),
        })
        .collect();
    let temperatures = family_temperatures(&states)?;
    let each = rates.iter().zip(&states).zip(temperatures).enumerate();
    Ok(each
        .map(|(i, ((&rate, state), temperature))| Member {
            rate,
            energy: state.energy,
            entropy: state.entropy,
            noise: at(i, |seen| seen.temperature),
            independent: runs
                .iter()
                .filter_map(|run| run.get(i))
                .map(|seen| seen.independent)
                .fold(f64::INFINITY, f64::min),
            temperature,
        })
        .collect())
}

fn print(family: &Family, examples: usize) {
    println!(
        "\n{}: {} neurons, {} weights, {examples} examples",
        family.name, family.hidden, family.weights
    );
    println!(
        "{:>8} {:>20} {:>18} {:>24} {:>10} {:>10} {:>11} {:>8}",
        "rate", "U", "S", "dU/dS", "at least", "at most", "T (noise)", "N_eff"
    );
    for member in &family.members {
        let t = &member.temperature;
        let slope = match &t.slope {
            Reading::Ready(t) => format!("{:.3e} ± {:.0e}", t.value, t.std_error),
            _ => "-".to_owned(),
        };
        let bound = |r: &Reading| {
            r.ready()
                .map_or("-".to_owned(), |t| format!("{:.2e}", t.value))
        };
        println!(
            "{:8.4} {:>20} {:>18} {:>24} {:>10} {:>10} {:11.3e} {:8.0}",
            member.rate,
            format!(
                "{:.5} ± {:.5}",
                member.energy.value, member.energy.std_error
            ),
            format!(
                "{:.1} ± {:.1}",
                member.entropy.value, member.entropy.std_error
            ),
            slope,
            bound(&t.at_least),
            bound(&t.at_most),
            member.noise.value,
            member.independent,
        );
    }
}

fn answer(family: &Family) -> Value {
    let members: Vec<Value> = family
        .members
        .iter()
        .map(|member| {
            json!({
                "rate_per_row": member.rate,
                "energy": number(&member.energy),
                "entropy": number(&member.entropy),
                "temperature_from_slope": reading(&member.temperature.slope),
                "temperature_at_least": reading(&member.temperature.at_least),
                "temperature_at_most": reading(&member.temperature.at_most),
                "temperature_noise": number(&member.noise),
                "independent_snapshots": Some(member.independent).filter(|n| n.is_finite()),
            })
        })
        .collect();
    json!({
        "name": family.name,
        "hidden": family.hidden,
        "weights": family.weights,
        "members": members,
    })
}

fn draw(folder: &Path, families: &[Family]) -> Result<(), Box<dyn Error>> {
    let point = |x: f64, y: Estimate| Point {
        x,
        y: y.value,
        error: y.std_error,
    };
    for (family, file) in families.iter().zip(["small", "large"]) {
        let title = |what: &str| format!("{what}: {} weights, {}", family.weights, family.name);
        let slopes = family.members.iter();
        let slopes = slopes.filter_map(|m| Some(point(m.rate, *m.temperature.slope.ready()?)));
        let bound = |of: fn(&FamilyTemperature) -> &Reading| {
            let members = family.members.iter();
            members.filter_map(move |m| Some((m.rate, of(&m.temperature).ready()?.value)))
        };
        Plot::new(
            &title("Temperature"),
            "effective learning rate of a row (1/loss)",
            "T (loss, nats)",
        )
        .log_x()
        .log_y()
        .dots("dU/dS", slopes)
        .line(
            "noise",
            family.members.iter().map(|m| (m.rate, m.noise.value)),
        )
        .dashed("at least", bound(|t| &t.at_least))
        .dashed("at most", bound(|t| &t.at_most))
        .save(&folder.join(format!("{file}_temperature")))?;
        let states = family.members.iter();
        Plot::new(
            &title("States"),
            "S (nats, up to a constant)",
            "U (loss, nats)",
        )
        .dots(
            "one a learning rate",
            states.map(|m| point(m.entropy.value, m.energy)),
        )
        .save(&folder.join(format!("{file}_states")))?;
    }
    Ok(())
}
