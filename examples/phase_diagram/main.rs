//! What does the learning rate do to a network whose weights cannot grow? Its phases, from frozen to molten.
//!
//! ```text
//! cargo run --release --example phase_diagram
//! cargo run --release --example phase_diagram -- --points 40 --json phases.json --plots plots
//! ```
//!
//! The rows of the hidden layer are scale invariant, each on its own. After every step each is put back on its sphere, of such a radius
//! that all together have norm 1, so that the learning rate is an effective one and nothing else sets the temperature. A
//! network annealed once is heated to each rate in turn. Three regimes are known (arXiv 2209.03695):
//!
//! 1. *convergence*: the loss stays at what the minimum has, whatever the rate;
//! 2. *chaotic equilibrium*: it settles above, the higher the hotter;
//! 3. *divergence*: it is worse than guessing, whatever the rate; every step undoes the one before.
//!
//! About the first point dU/dT is near that of equipartition, half the degrees of freedom (32 rows of 61 weights less one); well below it
//! the network does not settle in so few steps, and dU/dT is smaller.
//!
//! So `ln U` over `ln η` is a plateau, a slope and a plateau. The two corners of the best such line are the transition points; their
//! uncertainty is from bootstrap over networks and jackknife over rates.
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
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use common::{
    data::Digits,
    plot::{Plot, Point},
    training::{Config as Knobs, Training},
};
use thermograd::{
    Config, Estimate, Groups, Observer, Protocol, Reading, Step, Symmetry, Window,
    phase_transition::MonitorConfig, slices, systems::Random, temperature,
};

const SPLIT: u64 = 0;
const THREADS: usize = 2;
/// Rates of the annealing, first and last.
const ANNEALED: (f64, f64) = (2e-2, 1e-3);
const ANNEALING_STEPS: u32 = 5000;
const RANDOM_NETWORKS: u64 = 20;
const RESAMPLES: usize = 200;
/// Places for a corner.
const GRID: usize = 120;

/// Finds the phases of a small network over its effective learning rate.
#[derive(Debug, Parser)]
struct Arguments {
    /// Learning rates, evenly spaced in the logarithm.
    #[arg(long, value_name = "COUNT", default_value_t = 24)]
    points: usize,
    /// Steps at each; the second half is read.
    #[arg(long, value_name = "COUNT", default_value_t = 3000)]
    steps: u64,
    /// Independent networks.
    #[arg(long, value_name = "COUNT", default_value_t = 6)]
    replicas: u64,
    /// The first of their seeds.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// The lowest rate.
    #[arg(long, value_name = "RATE", default_value_t = 3e-4)]
    from: f64,
    /// The highest rate.
    #[arg(long, value_name = "RATE", default_value_t = 30.0)]
    to: f64,
    /// Write the answers as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the curves as SVG and PNG files into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl Arguments {
    fn validate(&self) -> Result<(), String> {
        let counts = [
            ("points", self.points as u64, 8, 1000),
            ("steps", self.steps, 400, 10_000_000),
            ("replicas", self.replicas, 2, 1000),
        ];
        for (what, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!("{what} is {value}: give {least} to {most}"));
            }
        }
        if !(self.from > 0.0 && self.from < self.to && self.to <= 1e6) {
            return Err("give two positive rates, the lowest first and 1e6 at most".to_owned());
        }
        Ok(())
    }

    fn rates(&self) -> Vec<f64> {
        let last = (self.points - 1) as f64;
        (0..self.points)
            .map(|i| self.from * (self.to / self.from).powf(i as f64 / last))
            .collect()
    }
}

/// What one run at one rate says.
#[derive(Debug, Clone)]
struct Seen {
    energy: f64,
    temperature: f64,
    overlap: Option<f64>,
    participation: Option<f64>,
    alignment: f64,
    phase: String,
}

/// A place in every curve: one rate, all replicas.
#[derive(Debug)]
struct Row {
    rate: f64,
    energy: Estimate,
    temperature: Estimate,
    capacity: Option<Estimate>,
    overlap: Option<Estimate>,
    participation: Option<Estimate>,
    alignment: Estimate,
    fraction: f64,
    phase: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    arguments.validate()?;
    let digits = Digits::load(SPLIT)?;
    let rates = arguments.rates();
    let gas = gas_energy(&digits);
    println!(
        "{} rates from {:.0e} to {:.0e}, {} networks, {} steps each; random weights have a loss of {:.3} ± {:.3}",
        rates.len(),
        arguments.from,
        arguments.to,
        arguments.replicas,
        arguments.steps,
        gas.value,
        gas.std_error,
    );

    let start = Instant::now();
    let bar = ProgressBar::new(arguments.replicas * rates.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {eta:>4}")?,
    );
    let (next, seen) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| -> Result<(), thermograd::Error> {
        let work = || -> Result<(), thermograd::Error> {
            loop {
                let replica = next.fetch_add(1, Ordering::Relaxed);
                if replica >= arguments.replicas {
                    return Ok(());
                }
                let annealed = anneal(&digits, arguments.seed.wrapping_add(replica));
                let mut curve = Vec::with_capacity(rates.len());
                for &rate in &rates {
                    curve.push(heat(annealed.clone(), rate, arguments.steps, gas)?);
                    bar.inc(1);
                }
                if let Ok(mut seen) = seen.lock() {
                    seen.push((replica, curve));
                }
            }
        };
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            if let Ok(done) = worker.join() {
                done?;
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    let mut seen = seen.into_inner()?;
    seen.sort_by_key(|(replica, _)| *replica);
    let curves: Vec<Vec<Seen>> = seen.into_iter().map(|(_, curve)| curve).collect();
    if curves.len() as u64 != arguments.replicas {
        return Err("a worker gave up".into());
    }

    let rows = rows(&rates, &curves, gas);
    let corners = locate(&rates, &curves, arguments.seed);
    println!("done in {:.1} s\n", start.elapsed().as_secs_f64());
    print(&rows, &corners);
    if let Some(path) = &arguments.json {
        let answer = answer(&arguments, &rows, &corners, gas);
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    if let Some(folder) = &arguments.plots {
        draw(folder, &rows, &corners, gas)?;
    }
    Ok(())
}

/// Puts every row back on its sphere.
fn project(training: &mut Training<'_>) {
    let rows = training.network.scales();
    let weights = training.network.weights_mut();
    let width = (weights.len() / rows).max(1);
    for row in weights.chunks_mut(width) {
        let norm = (rows as f64 * row.iter().map(|w| w * w).sum::<f64>()).sqrt();
        if norm > 0.0 {
            for w in row {
                *w /= norm;
            }
        }
    }
}

fn knobs(seed: u64) -> Knobs {
    Knobs {
        weight_decay: 0.0,
        seed,
        ..Knobs::default()
    }
}

/// The mean loss of networks that never were trained.
fn gas_energy(digits: &Digits) -> Estimate {
    let losses: Vec<f64> = (0..RANDOM_NETWORKS)
        .map(|seed| {
            let training = Training::new(&knobs(1000 + seed), digits);
            training
                .network
                .evaluate(&digits.training, &digits.training)
                .loss
        })
        .collect();
    estimate(&losses)
}

fn anneal(digits: &Digits, seed: u64) -> Training<'_> {
    let mut training = Training::new(&knobs(seed), digits);
    for step in 0..ANNEALING_STEPS {
        let along = f64::from(step) / f64::from(ANNEALING_STEPS);
        training.optimizer.learning_rate = ANNEALED.0 * (ANNEALED.1 / ANNEALED.0).powf(along);
        training.gradient();
        training.update();
        project(&mut training);
    }
    training
}

/// Runs at one rate and reads the second half.
fn heat(
    mut training: Training<'_>,
    rate: f64,
    steps: u64,
    gas: Estimate,
) -> Result<Seen, thermograd::Error> {
    training.optimizer.learning_rate = rate;
    let mut groups = Groups::new();
    let symmetry = Symmetry::ScaleInvariantBy(training.network.scales());
    let hidden = groups.add("hidden", symmetry);
    let window = NonZeroU64::new(steps / 2).unwrap_or(NonZeroU64::MIN);
    let config = Config::every_step()
        .window(Window::Tumbling(window))
        .monitor(MonitorConfig::default().gas_energy(gas));
    let mut observer = Observer::with_config(groups, config)?;
    for _ in 0..2 * window.get() {
        let loss = training.gradient();
        training.second_gradient();
        let facts = Step::new(loss)
            .learning_rate(rate)
            .protocol(Protocol::FixedSphere);
        let state = training.state();
        let snapshot =
            slices(hidden, state.weights, state.gradient).second_gradient(state.second_gradient);
        observer.observe(&facts, &snapshot)?;
        training.update();
        project(&mut training);
    }
    let ensemble = observer.ensemble(Some(hidden))?;
    let order = observer.order_parameters(hidden)?;
    let value = |reading: &Reading| reading.ready().map(|e| e.value);
    Ok(Seen {
        energy: thermograd::energy::internal(&ensemble).unwrap_or(0.0),
        temperature: temperature::noise(&ensemble).unwrap_or(0.0),
        overlap: order.long_overlap.ready().map(|q| q.estimate.value),
        participation: value(&order.participation_ratio),
        alignment: thermograd::motion::alignment(&ensemble).unwrap_or(0.0),
        phase: match observer.phase() {
            Reading::Ready(seen) => format!("{:?}", seen.phase),
            _ => "(window too short)".to_owned(),
        },
    })
}

/// Mean over independent runs.
fn estimate(values: &[f64]) -> Estimate {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    Estimate {
        value: mean,
        std_error: (square / (n - 1.0).max(1.0) / n).sqrt(),
        n_eff: n,
    }
}

fn rows(rates: &[f64], curves: &[Vec<Seen>], gas: Estimate) -> Vec<Row> {
    let over = |i: usize, of: &dyn Fn(&Seen) -> f64| {
        estimate(&curves.iter().map(|curve| of(&curve[i])).collect::<Vec<_>>())
    };
    // What only some replicas know is not told.
    let all = |i: usize, of: &dyn Fn(&Seen) -> Option<f64>| {
        let values: Option<Vec<f64>> = curves.iter().map(|curve| of(&curve[i])).collect();
        values.map(|values| estimate(&values))
    };
    let lowest = (0..rates.len())
        .map(|i| over(i, &|seen| seen.energy).value)
        .fold(f64::INFINITY, f64::min);
    (0..rates.len())
        .map(|i| {
            let energy = over(i, &|seen| seen.energy);
            // dU/dT by differences over the neighbours, each replica for itself.
            let capacity = (i > 0 && i + 1 < rates.len()).then(|| {
                let of = |curve: &Vec<Seen>| {
                    (curve[i + 1].energy - curve[i - 1].energy)
                        / (curve[i + 1].temperature - curve[i - 1].temperature)
                };
                estimate(&curves.iter().map(of).collect::<Vec<_>>())
            });
            // The label of most replicas.
            let labels = || curves.iter().map(|curve| &curve[i].phase);
            let phase = labels().max_by_key(|label| labels().filter(|l| l == label).count());
            Row {
                rate: rates[i],
                energy,
                temperature: over(i, &|seen| seen.temperature),
                capacity,
                overlap: all(i, &|seen| seen.overlap),
                participation: all(i, &|seen| seen.participation),
                alignment: over(i, &|seen| seen.alignment),
                fraction: (energy.value - lowest) / (gas.value - lowest),
                phase: phase.cloned().unwrap_or_default(),
            }
        })
        .collect()
}

/// The rates at the corners of plateau, slope, plateau.
#[derive(Debug)]
struct Corners {
    chaos: Estimate,
    divergence: Estimate,
}

/// Least squares of y = a + b·(x, held between the corners), over all pairs of corners on a grid.
fn fit(x: &[f64], y: &[f64], (first, last): (f64, f64)) -> (f64, f64) {
    let at = |i: usize| first + (last - first) * i as f64 / GRID as f64;
    let n = x.len() as f64;
    let mean_y = y.iter().sum::<f64>() / n;
    let (mut best, mut corners) = (f64::NEG_INFINITY, (first, last));
    for i in 0..GRID {
        for j in i + 1..=GRID {
            let (low, high) = (at(i), at(j));
            let held = || x.iter().map(|x| x.clamp(low, high));
            let mean_x = held().sum::<f64>() / n;
            let (mut products, mut squares) = (0.0, 0.0);
            for (x, y) in held().zip(y) {
                products += (x - mean_x) * (y - mean_y);
                squares += (x - mean_x) * (x - mean_x);
            }
            // The part of the variance that the line explains.
            let explained = products * products / squares;
            if explained > best {
                (best, corners) = (explained, (low, high));
            }
        }
    }
    corners
}

fn locate(rates: &[f64], curves: &[Vec<Seen>], seed: u64) -> Corners {
    let x: Vec<f64> = rates.iter().map(|rate| rate.ln()).collect();
    let mean_curve = |chosen: &[usize]| -> Vec<f64> {
        (0..x.len())
            .map(|i| {
                let sum: f64 = chosen.iter().map(|&r| curves[r][i].energy.ln()).sum();
                sum / chosen.len() as f64
            })
            .collect()
    };
    let n = curves.len();
    let range = (x[0], x[x.len() - 1]);
    let y = mean_curve(&(0..n).collect::<Vec<_>>());
    let (chaos, divergence) = fit(&x, &y, range);
    // The curve has no corners, and where the best ones lie depends on the rates: each left out in turn.
    let without: Vec<(f64, f64)> = (0..x.len())
        .map(|left_out| {
            let rest = |values: &[f64]| {
                let kept = values.iter().enumerate().filter(|(i, _)| *i != left_out);
                kept.map(|(_, value)| *value).collect::<Vec<f64>>()
            };
            fit(&rest(&x), &rest(&y), range)
        })
        .collect();
    let mut random = Random::new(seed);
    let resampled: Vec<(f64, f64)> = (0..RESAMPLES)
        .map(|_| {
            let chosen: Vec<usize> = (0..n).map(|_| random.below(n)).collect();
            fit(&x, &mean_curve(&chosen), range)
        })
        .collect();
    // Half the grid's step is unknown in any case, and n − 1 of n replicas were free.
    let step = (range.1 - range.0) / GRID as f64;
    let about = |of: &dyn Fn(&(f64, f64)) -> f64, at: f64, corners: &[(f64, f64)]| {
        corners.iter().map(|c| (of(c) - at).powi(2)).sum::<f64>() / corners.len() as f64
    };
    let spread = |of: &dyn Fn(&(f64, f64)) -> f64, at: f64| {
        let seeds = about(of, at, &resampled) * n as f64 / (n as f64 - 1.0);
        let points = about(of, at, &without) * (x.len() as f64 - 1.0);
        (seeds + points + step * step / 12.0).sqrt()
    };
    let corner = |at: f64, error: f64| Estimate {
        value: at.exp(),
        std_error: at.exp() * error,
        n_eff: n as f64,
    };
    Corners {
        chaos: corner(chaos, spread(&|r| r.0, chaos)),
        divergence: corner(divergence, spread(&|r| r.1, divergence)),
    }
}

fn regime(rate: f64, corners: &Corners) -> &'static str {
    if rate < corners.chaos.value {
        "convergence"
    } else if rate < corners.divergence.value {
        "chaotic equilibrium"
    } else {
        "divergence"
    }
}

fn print(rows: &[Row], corners: &Corners) {
    println!(
        "{:>9} {:>8} {:>6} {:>9} {:>9} {:>7} {:>7} {:>7}  {:<20} label of the observer",
        "η_eff", "U", "φ", "T", "dU/dT", "q", "PR", "ρ₁", "regime"
    );
    let optional = |e: &Option<Estimate>, digits: usize| {
        e.map_or("-".to_owned(), |e| format!("{:.*}", digits, e.value))
    };
    for row in rows {
        println!(
            "{:>9.2e} {:>8.4} {:>6.3} {:>9.2e} {:>9} {:>7} {:>7} {:>7.3}  {:<20} {}",
            row.rate,
            row.energy.value,
            row.fraction,
            row.temperature.value,
            row.capacity
                .map_or("-".to_owned(), |c| format!("{:.1e}", c.value)),
            optional(&row.overlap, 3),
            optional(&row.participation, 1),
            row.alignment.value,
            regime(row.rate, corners),
            row.phase,
        );
    }
    println!(
        "\nconvergence to chaotic equilibrium at η_eff = {:.4} ± {:.4}",
        corners.chaos.value, corners.chaos.std_error
    );
    println!(
        "chaotic equilibrium to divergence   at η_eff = {:.4} ± {:.4}",
        corners.divergence.value, corners.divergence.std_error
    );
}

fn to_json(e: &Estimate) -> Value {
    json!({ "value": e.value, "std_error": e.std_error })
}

fn answer(arguments: &Arguments, rows: &[Row], corners: &Corners, gas: Estimate) -> Value {
    let curve: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "effective_learning_rate": row.rate,
                "loss": to_json(&row.energy),
                "energy_fraction": row.fraction,
                "temperature": to_json(&row.temperature),
                "heat_capacity": row.capacity.as_ref().map(to_json),
                "long_overlap": row.overlap.as_ref().map(to_json),
                "participation_ratio": row.participation.as_ref().map(to_json),
                "step_alignment": to_json(&row.alignment),
                "regime": regime(row.rate, corners),
                "phase": row.phase,
            })
        })
        .collect();
    json!({
        "settings": {
            "points": arguments.points,
            "steps": arguments.steps,
            "replicas": arguments.replicas,
            "seed": arguments.seed,
        },
        "gas_energy": to_json(&gas),
        "convergence_to_chaotic_equilibrium": to_json(&corners.chaos),
        "chaotic_equilibrium_to_divergence": to_json(&corners.divergence),
        "curve": curve,
    })
}

fn draw(
    folder: &Path,
    rows: &[Row],
    corners: &Corners,
    gas: Estimate,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let dots = |of: &dyn Fn(&Row) -> Option<Estimate>| -> Vec<Point> {
        rows.iter()
            .filter_map(|row| {
                of(row).map(|e| Point {
                    x: row.rate,
                    y: e.value,
                    error: e.std_error,
                })
            })
            .collect()
    };
    let plot = |title, y| Plot::new(title, "η_eff (loss⁻¹)", y).log_x();
    let ends = |of: &dyn Fn(&Row) -> f64| {
        let values = || rows.iter().map(of).filter(|value| *value > 0.0);
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(0.0, f64::max),
        )
    };
    // The transition points as vertical lines between the lowest and the highest value.
    let marked = |plot: Plot, (low, high): (f64, f64)| {
        [
            ("to chaos", &corners.chaos),
            ("to divergence", &corners.divergence),
        ]
        .into_iter()
        .fold(plot, |plot, (name, corner)| {
            plot.dashed(name, [(corner.value, low), (corner.value, high)])
        })
    };
    let energy = plot("Energy", "U (loss, nats)")
        .log_y()
        .dots("mean loss", dots(&|row| Some(row.energy)))
        .level("random weights", gas.value);
    marked(energy, ends(&|row| row.energy.value)).save(&folder.join("energy"))?;
    let heat = plot("Temperature", "T (loss, nats)").log_y().dots(
        "from the gradient noise",
        dots(&|row| Some(row.temperature)),
    );
    marked(heat, ends(&|row| row.temperature.value)).save(&folder.join("temperature"))?;
    let capacity = plot("Heat capacity", "dU/dT")
        .log_y()
        .dots("by differences", dots(&|row| row.capacity));
    let of = |row: &Row| row.capacity.map_or(0.0, |c| c.value);
    marked(capacity, ends(&of)).save(&folder.join("heat_capacity"))?;
    let order = plot(
        "Order parameters",
        "overlap q, step alignment ρ₁, energy fraction φ",
    )
    .dots("q", dots(&|row| row.overlap))
    .dots("ρ₁", dots(&|row| Some(row.alignment)))
    .line("φ", rows.iter().map(|row| (row.rate, row.fraction)));
    marked(order, (-1.0, 1.0)).save(&folder.join("order"))?;
    let spread = plot("Participation ratio", "directions")
        .log_y()
        .dots("of the weights", dots(&|row| row.participation));
    let of = |row: &Row| row.participation.map_or(0.0, |p| p.value);
    marked(spread, ends(&of)).save(&folder.join("participation"))?;
    let names = ["convergence", "chaotic equilibrium", "divergence"];
    names
        .into_iter()
        .fold(plot("Phase", "energy fraction φ"), |plot, name| {
            let of = rows.iter().filter(|row| regime(row.rate, corners) == name);
            plot.dots(
                name,
                of.map(|row| Point {
                    x: row.rate,
                    y: row.fraction,
                    error: 0.0,
                }),
            )
        })
        .save(&folder.join("phase"))?;
    Ok(())
}
