//! Does a real network obey Maxwell's relations? The normalised digits network in three protocols.
//!
//! ```text
//! cargo run --release --example maxwell_digits
//! cargo run --release --example maxwell_digits -- --protocol lr --grid 6 --json maxwell.json --plots plots
//! ```
//!
//! The rows of the layer are scale invariant, so that the layer is an ideal gas as far as noise alone
//! moves it (arXiv 2511.07308). A network runs at each place of a grid of learning rates and
//! decays (or radii), until it has forgotten its start; an observer reads T, p, V, the radius beside
//! its prediction, Z, Z_d and, from snapshots, the entropy S. Then:
//!
//! - fixed effective rate: (∂S/∂p)_T = −(∂V/∂T)_p, so that dS/dlnλ = −p dV/dT;
//! - fixed rate: the same with T, which goes as √(ηλ), held by going up in η and down in λ;
//! - fixed sphere: (∂S/∂V)_T = (∂p/∂T)_V, so that dS/dlnV = V dp/dT.
//!
//! For an ideal gas all of these are (d − K)/2 in size, with d − K degrees of freedom.
//!
//! What limits it: entropies are from nearest neighbours in 61 dimensions a row, row by row. They mean
//! nothing in absolute terms, and differences are right between clouds of one shape. That is so
//! where only the radius changes, which is what the relations ask; the slope over η is not to be
//! believed as well. And a mean gradient pushes the norm as noise does, which makes Z > 1.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;
mod run;

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

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use common::{
    data::Digits,
    fit::{linear, ln, mean, number, product, ratio, reading, slope, spread},
    plot::{Plot, Point},
};
use run::{Held, Seen, Setting, run};
use thermograd::{Estimate, Reading};

/// The seed of the split into training and test images, the same in every run.
const SPLIT: u64 = 0;
/// Largest relative errors of the published tables, over networks, protocols and data.
const PUBLISHED: (f64, f64) = (0.02, 0.23);

/// Tests Maxwell's relations on a small network.
#[derive(Debug, Parser)]
struct Arguments {
    /// One protocol only.
    #[arg(long, value_enum)]
    protocol: Option<Held>,
    /// Places along each axis of the grid.
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    grid: usize,
    /// Snapshots of each run.
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    snapshots: usize,
    /// Hidden neurons: so many spheres.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    hidden: usize,
    /// Examples in a batch.
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    batch: usize,
    /// The lowest learning rate, ten times less than the highest; a fixed effective rate begins at
    /// a fifth of it.
    #[arg(long, value_name = "RATE", default_value_t = 0.03)]
    lowest: f64,
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
            ("grid", self.grid, 2, 50),
            ("snapshots", self.snapshots, 50, 5000),
            ("hidden", self.hidden, 2, 1000),
            ("batch", self.batch, 2, 1000),
            ("threads", self.threads, 1, 1024),
        ];
        for (what, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!("{what} is {value}: give {least} to {most}"));
            }
        }
        if !(1e-3..=1.0).contains(&self.lowest) {
            return Err(format!("lowest is {}: give 1e-3 to 1", self.lowest));
        }
        Ok(())
    }

    fn settings(&self, held: Held) -> Vec<Setting> {
        let axis = |from: f64, factor: f64| {
            let last = (self.grid - 1) as f64;
            (0..self.grid).map(move |i| from * factor.powf(i as f64 / last))
        };
        let (rate, other) = match held {
            Held::Lr => (self.lowest, 0.005),
            Held::Elr => (0.2 * self.lowest, 0.005),
            Held::Sphere => (0.2 * self.lowest, 0.5),
        };
        // One network, and batches of their own at each place.
        axis(rate, 10.0)
            .flat_map(|rate| axis(other, 10.0).map(move |other| (rate, other)))
            .enumerate()
            .map(|(index, (rate, other))| Setting {
                held,
                rate,
                other,
                hidden: self.hidden,
                batch: self.batch,
                snapshots: self.snapshots,
                seed: self.seed,
                run: self.seed.wrapping_mul(100_003).wrapping_add(index as u64),
            })
            .collect()
    }
}

/// A run and what it said.
type Place = (Setting, Seen);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    arguments.validate()?;
    let digits = Digits::load(SPLIT)?;
    let held = match arguments.protocol {
        Some(held) => vec![held],
        None => vec![Held::Lr, Held::Elr, Held::Sphere],
    };
    let settings: Vec<Setting> = held
        .iter()
        .flat_map(|&held| arguments.settings(held))
        .collect();
    let start = Instant::now();
    let bar = ProgressBar::new(settings.len() as u64).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {eta:>4}",
    )?);
    let places = measure(&settings, &digits, arguments.threads, &bar)?;
    bar.finish_and_clear();
    println!(
        "{} networks in {:.1} s",
        places.len(),
        start.elapsed().as_secs_f64()
    );

    let mut answers = Vec::new();
    for (protocol, places) in held
        .iter()
        .zip(places.chunks(arguments.grid * arguments.grid))
    {
        let grid = Grid {
            held: *protocol,
            size: arguments.grid,
            places,
        };
        let table = grid.maxwell();
        grid.print(&table);
        answers.push(grid.answer(&table));
        if let Some(folder) = &arguments.plots {
            fs::create_dir_all(folder)?;
            grid.draw(folder)?;
        }
    }
    if let Some(path) = &arguments.json {
        let answer = json!({
            "settings": {
                "grid": arguments.grid,
                "snapshots": arguments.snapshots,
                "hidden": arguments.hidden,
                "batch": arguments.batch,
                "lowest": arguments.lowest,
                "seed": arguments.seed,
            },
            "published": {
                "source": "arXiv 2511.07308",
                "worst_relative_error_of_maxwell": { "least": PUBLISHED.0, "largest": PUBLISHED.1 },
            },
            "protocols": answers,
        });
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    Ok(())
}

/// Runs all of them, on some threads.
fn measure(
    settings: &[Setting],
    digits: &Digits,
    threads: usize,
    bar: &ProgressBar,
) -> Result<Vec<Place>, Box<dyn Error>> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<(), String> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(setting) = settings.get(index) else {
                return Ok(());
            };
            let seen = run(setting, digits)
                .map_err(|error| format!("at {}, {}: {error}", setting.rate, setting.other))?;
            let mut results = results.lock().map_err(|_| "a worker gave up")?;
            results.push((index, (*setting, seen)));
            bar.inc(1);
        }
    };
    thread::scope(|scope| -> Result<(), String> {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a worker gave up")?)
    })?;
    let mut results = results.into_inner()?;
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, place)| place).collect())
}

/// One protocol's grid, rates outermost.
struct Grid<'a> {
    held: Held,
    size: usize,
    places: &'a [Place],
}

/// A line of the table: a slope with its error bar, and what an ideal gas has.
#[derive(Debug, Clone)]
struct Slope {
    name: &'static str,
    measured: Estimate,
    spread: Option<f64>,
    ideal: f64,
}

impl<'a> Grid<'a> {
    fn at(&self, rate: usize, other: usize) -> &'a Place {
        &self.places[rate * self.size + other]
    }

    /// Slopes along the rates or along the other axis, one a line.
    fn slopes(
        &self,
        along_rate: bool,
        x: &dyn Fn(&Place) -> f64,
        y: &dyn Fn(&Place) -> Estimate,
    ) -> Vec<Estimate> {
        (0..self.size)
            .filter_map(|line| {
                let places = (0..self.size).map(|i| {
                    if along_rate {
                        self.at(i, line)
                    } else {
                        self.at(line, i)
                    }
                });
                let (x, y): (Vec<f64>, Vec<Estimate>) = places.map(|p| (x(p), y(p))).unzip();
                slope(&x, &y)
            })
            .collect()
    }

    fn maxwell(&self) -> Vec<Slope> {
        let freedom = self.places.first().map_or(0.0, |(_, seen)| seen.freedom);
        let half = 0.5 * freedom;
        let entropy = |place: &Place| place.1.entropy;
        let row = |name, slopes: &[Estimate], factor: f64, ideal| Slope {
            name,
            measured: linear([(factor, mean(slopes))]),
            spread: Some(factor.abs() * spread(slopes)),
            ideal,
        };
        let over_rate = self.slopes(true, &|p| p.0.rate.ln(), &entropy);
        let over_other = self.slopes(false, &|p| p.0.other.ln(), &entropy);
        // (pV/T) d ln y/d ln T along the rates; y is V, or p on the sphere.
        let mechanical = |sign: f64, y: &dyn Fn(&Place) -> Estimate, name| {
            let law: Vec<Estimate> = self
                .places
                .iter()
                .map(|(_, s)| ratio(product(s.pressure, s.volume), s.temperature))
                .collect();
            let slopes = self.slopes(true, &|p| p.1.temperature.value.ln(), &|p| ln(y(p)));
            let measured = product(linear([(sign, mean(&law))]), mean(&slopes));
            Slope {
                name,
                spread: Some(mean(&law).value * spread(&slopes)),
                measured,
                ideal: sign * half,
            }
        };
        let (mut table, left, right) = match self.held {
            Held::Lr => {
                let rate = row("dS/dlnη", &over_rate, 1.0, half);
                let decay = row("dS/dlnλ", &over_other, 1.0, 0.0);
                let left = Slope {
                    name: "dS/dlnη - dS/dlnλ",
                    measured: linear([(1.0, rate.measured), (-1.0, decay.measured)]),
                    spread: None,
                    ideal: half,
                };
                let right = mechanical(1.0, &|p| p.1.volume, "p dV/dT at fixed p");
                (vec![rate, decay, left.clone()], left, right)
            }
            Held::Elr => {
                let rate = row("dS/dlnη_eff", &over_rate, 1.0, freedom);
                let left = row("dS/dlnλ", &over_other, 1.0, -half);
                let right = mechanical(-1.0, &|p| p.1.volume, "-p dV/dT at fixed p");
                (vec![rate, left.clone()], left, right)
            }
            Held::Sphere => {
                let rate = row("dS/dlnη_eff", &over_rate, 1.0, half);
                let left = row("dS/dlnV", &over_other, 0.5, half);
                let right = mechanical(1.0, &|p| p.1.pressure, "V dp/dT at fixed V");
                (vec![rate, left.clone()], left, right)
            }
        };
        table.push(right.clone());
        let quotient = ratio(left.measured, right.measured);
        table.push(Slope {
            name: "relative error of Maxwell's relation",
            measured: Estimate {
                value: quotient.value - 1.0,
                ..quotient
            },
            spread: None,
            ideal: 0.0,
        });
        table
    }

    /// Decay where there is one.
    fn continuous(&self, (setting, _): &Place, r: &Reading) -> Option<Estimate> {
        let r = r.ready()?;
        Some(Seen::continuous(self.held, setting.other, setting.rate, *r))
    }

    fn print(&self, table: &[Slope]) {
        let name = match self.held {
            Held::Lr => "fixed learning rate",
            Held::Elr => "fixed effective learning rate",
            Held::Sphere => "fixed sphere",
        };
        println!("\n{name}");
        println!(
            "{:>8} {:>8} {:>11} {:>8} | {:>8} {:>8} {:>8} {:>8} | {:>15} {:>15} | {:>9}",
            "rate",
            if self.held == Held::Sphere {
                "radius"
            } else {
                "decay"
            },
            "T",
            "U",
            "r",
            "r* cont.",
            "r* noise",
            "r* all",
            "Z",
            "Z_d",
            "S"
        );
        for place in self.places {
            let (setting, seen) = place;
            let show = |r: Option<f64>| r.map_or("-".to_owned(), |r| format!("{r:.4}"));
            let pair = |r: &Reading| {
                r.ready().map_or("-".to_owned(), |r| {
                    format!("{:.3} ± {:.3}", r.value, r.std_error)
                })
            };
            println!(
                "{:8.4} {:8.4} {:11.3e} {:8.4} | {:8.4} {:>8} {:>8} {:>8} | {:>15} {:>15} | {:9.2}",
                setting.rate,
                setting.other,
                seen.temperature.value,
                seen.energy.value,
                seen.radius.value,
                show(self.continuous(place, &seen.balance).map(|r| r.value)),
                show(seen.predicted.ready().map(|r| r.value)),
                show(seen.balance.ready().map(|r| r.value)),
                pair(&seen.z),
                pair(&seen.z_d),
                seen.entropy.value,
            );
        }
        println!(
            "{:38} {:>10} {:>9} {:>9} {:>10}",
            "", "measured", "± error", "spread", "ideal gas"
        );
        for slope in table {
            println!(
                "{:38} {:10.4} {:9.4} {:>9} {:10.4}",
                slope.name,
                slope.measured.value,
                slope.measured.std_error,
                slope.spread.map_or(String::new(), |s| format!("{s:.3}")),
                slope.ideal,
            );
        }
        println!(
            "(published: worst relative errors of {:.0} to {:.0} %)",
            100.0 * PUBLISHED.0,
            100.0 * PUBLISHED.1
        );
    }

    fn answer(&self, table: &[Slope]) -> Value {
        let optional = |e: Option<Estimate>| e.map_or(Value::Null, |e| number(&e));
        let places: Vec<Value> = self
            .places
            .iter()
            .map(|place| {
                let (setting, seen) = place;
                json!({
                    "rate": setting.rate,
                    if self.held == Held::Sphere { "radius_set" } else { "weight_decay" }: setting.other,
                    "steps": seen.steps,
                    "turn_per_step": seen.turn,
                    "energy": number(&seen.energy),
                    "temperature": number(&seen.temperature),
                    "pressure": number(&seen.pressure),
                    "volume": number(&seen.volume),
                    "radius": number(&seen.radius),
                    "radius_predicted_continuous": optional(self.continuous(place, &seen.balance)),
                    "radius_predicted_by_noise": reading(&seen.predicted),
                    "radius_predicted": reading(&seen.balance),
                    "z": reading(&seen.z),
                    "z_d": reading(&seen.z_d),
                    "entropy": number(&seen.entropy),
                    "snapshot_autocorrelation_time": seen.memory,
                })
            })
            .collect();
        let slopes: Vec<Value> = table
            .iter()
            .map(|slope| {
                let mut row = number(&slope.measured);
                row["name"] = json!(slope.name);
                row["spread_over_rows"] = json!(slope.spread);
                row["ideal_gas"] = json!(slope.ideal);
                row
            })
            .collect();
        let protocol = self.held.to_possible_value();
        json!({
            "protocol": protocol.map(|v| v.get_name().to_owned()),
            "slopes": slopes,
            "places": places,
        })
    }

    fn line(&self, i: usize) -> impl Iterator<Item = &'a Place> {
        (0..self.size).map(move |j| self.at(i, j))
    }

    /// The lines that are drawn.
    const fn lines(&self) -> [usize; 3] {
        [0, self.size / 2, self.size - 1]
    }

    fn draw(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let (name, title, rate) = match self.held {
            Held::Lr => ("lr", "fixed learning rate", "η"),
            Held::Elr => ("elr", "fixed effective learning rate", "η_eff"),
            Held::Sphere => ("sphere", "fixed sphere", "η_eff"),
        };
        let path = |what: &str| folder.join(format!("{name}_{what}"));
        let title = |what: &str| format!("{what} of the digits network: {title}");
        self.mechanics(&title, rate).save(&path("mechanics"))?;
        self.entropies(&title("Entropy"), rate)
            .save(&path("entropy"))?;
        self.state(&title("Equation of state")).save(&path("z"))
    }

    const fn other(&self) -> &'static str {
        match self.held {
            Held::Sphere => "r (weight)",
            Held::Lr | Held::Elr => "λ (loss/weight²)",
        }
    }

    /// The radius, or on the sphere the pressure.
    fn mechanics(&self, title: &dyn Fn(&str) -> String, rate: &str) -> Plot {
        let sphere = self.held == Held::Sphere;
        let (what, unit) = if sphere {
            ("Pressure", "p (loss/weight²)")
        } else {
            ("Radius", "r (weight)")
        };
        let mut plot = Plot::new(&title(what), self.other(), unit).log_x().log_y();
        for i in self.lines() {
            let of = |s: &Seen| if sphere { s.pressure } else { s.radius };
            plot = plot.dots(
                &format!("{rate} = {:.3}", self.at(i, 0).0.rate),
                self.line(i)
                    .map(|(setting, seen)| point(setting.other, of(seen))),
            );
        }
        for (turn, i) in self.lines().into_iter().enumerate() {
            let law = |(setting, seen): &Place| {
                // On the sphere RT/V of the noise, and elsewhere r* of noise and gradient.
                let gas = 0.5 * seen.freedom * seen.temperature.value / seen.volume.value;
                let r = seen.balance.ready().map(|r| r.value);
                Some((setting.other, if sphere { gas } else { r? }))
            };
            let legend = if sphere { "RT/V" } else { "r*" };
            plot = plot.theory(
                if turn == 0 { legend } else { "" },
                self.line(i).filter_map(law),
            );
        }
        plot
    }

    fn entropies(&self, title: &str, rate: &str) -> Plot {
        let mut plot = Plot::new(title, self.other(), "S (nats, up to a constant)").log_x();
        for i in self.lines() {
            plot = plot.dots(
                &format!("{rate} = {:.3}", self.at(i, 0).0.rate),
                self.line(i)
                    .map(|(setting, seen)| point(setting.other, seen.entropy)),
            );
        }
        // An ideal gas: through the mean of each line, with the slope that Maxwell's relation gives.
        let half = 0.5 * self.at(0, 0).1.freedom;
        let steepness = match self.held {
            Held::Lr => 0.0,
            Held::Elr => -half,
            Held::Sphere => 2.0 * half,
        };
        for (turn, i) in self.lines().into_iter().enumerate() {
            let n = self.size as f64;
            let x = self.line(i).map(|p| p.0.other.ln()).sum::<f64>() / n;
            let y = self.line(i).map(|p| p.1.entropy.value).sum::<f64>() / n;
            let ideal = self
                .line(i)
                .map(|p| (p.0.other, y + steepness * (p.0.other.ln() - x)));
            plot = plot.theory(
                if turn == 0 {
                    "slope of an ideal gas"
                } else {
                    ""
                },
                ideal,
            );
        }
        plot
    }

    fn state(&self, title: &str) -> Plot {
        let other = if self.held == Held::Sphere { "r" } else { "λ" };
        let mut plot = Plot::new(title, "T (loss)", "Z = pV/RT").log_x();
        for j in self.lines() {
            let column = (0..self.size).map(|i| self.at(i, j));
            plot = plot.dots(
                &format!("{other} = {:.3}", self.at(0, j).0.other),
                column.filter_map(|(_, s)| Some(point(s.temperature.value, *s.z.ready()?))),
            );
        }
        plot.level("ideal gas", 1.0)
    }
}

const fn point(x: f64, y: Estimate) -> Point {
    Point {
        x,
        y: y.value,
        error: y.std_error,
    }
}
