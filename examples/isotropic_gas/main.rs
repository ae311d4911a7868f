//! Does SGD on a scale-invariant loss obey the thermodynamics of an ideal gas? The model of arXiv 2511.07308, measured.
//!
//! ```text
//! cargo run --release --example isotropic_gas -- --protocol elr
//! cargo run --release --example isotropic_gas -- --protocol lr --grid 17 --steps 16000000 --json lr.json --plots plots
//! cargo run --release --example isotropic_gas -- --protocol sphere --dims 100 --grid 5 --steps 1000000
//! ```
//!
//! The loss is 1 + μ̂·w/|w| and the gradient's noise isotropic (σ = 1): in the limit of small steps
//! the directions are von Mises-Fisher's, with the temperature T = η_eff σ²/2. At each place of a
//! grid of learning rates and decays (or radii) one gas runs until it has forgotten its start, and an
//! observer reads U, T, V, p and the entropy S. What is tested:
//!
//! - each reading against the theory for small steps, and against the one corrected to first order
//!   in the step (`IsotropicGasConfig::stationary_state`);
//! - the slopes of S, which Maxwell's relations tie to the equation of state;
//! - the minimum of the potential U − T*S + p*V over all states, which is to lie at (T*, p*).
//!
//! Entropies are from nearest neighbours on the sphere in three dimensions, which assumes nothing,
//! and from a von Mises-Fisher fit in more, where neighbours are too far.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;
mod gas;
mod grid;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use common::{
    fit::{exact, mean, number, ratio},
    plot::{HeatMap, Plot, Point},
};
use gas::{Held, Measured, Place, Setting};
use grid::{Grid, Minima, Scores, Slope, by_chance, largest, rms};
use thermograd::{Estimate, systems::GasState};

/// Measures the isotropic gas over a grid of hyper-parameters.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is held fixed.
    #[arg(long, value_enum, default_value_t = Held::Elr)]
    protocol: Held,
    /// Places along each axis of the grid.
    #[arg(long, value_name = "COUNT", default_value_t = 9)]
    grid: usize,
    /// The lowest learning rate and decay; the highest are 0.1.
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    lowest: f64,
    /// Steps measured at the coldest place; elsewhere as many relaxation times.
    #[arg(long, value_name = "COUNT", default_value_t = 6_000_000)]
    steps: u64,
    /// Number of weights.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    dims: usize,
    /// Seed of all noise.
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
    fn setting(&self) -> Result<Setting, String> {
        let counts = [
            ("grid", self.grid as u64, 3, 100),
            ("steps", self.steps, 1000, 10_000_000_000),
            ("dims", self.dims as u64, 3, 600),
            ("threads", self.threads as u64, 1, 1024),
        ];
        for (what, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!("{what} is {value}: give {least} to {most}"));
            }
        }
        if !(1e-5..=2e-2).contains(&self.lowest) {
            return Err(format!("lowest is {}: give 1e-5 to 2e-2", self.lowest));
        }
        Ok(Setting {
            held: self.protocol,
            dims: self.dims,
            grid: self.grid,
            lowest: self.lowest,
            steps: self.steps,
            seed: self.seed,
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let setting = arguments.setting()?;
    let start = Instant::now();
    let bar = ProgressBar::new((setting.grid * setting.grid) as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {eta:>4}")?,
    );
    let places = setting.run(arguments.threads, || bar.inc(1))?;
    bar.finish_and_clear();
    println!(
        "{} gases of {} weights in {:.1} s\n",
        places.len(),
        setting.dims,
        start.elapsed().as_secs_f64(),
    );

    let grid = Grid::new(&setting, &places);
    let (slopes, scores, minima) = (grid.maxwell(), grid.scores(), grid.minima());
    print_corners(&setting, &grid);
    print_slopes(&slopes);
    print_scores(&places, &scores);
    print_minima(&setting, &minima);
    if let Some(path) = &arguments.json {
        let answer = answer(&setting, &places, &slopes, &scores, &minima);
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    if let Some(folder) = &arguments.plots {
        let drawing = Drawing {
            folder,
            setting: &setting,
            grid: &grid,
        };
        drawing.all()?;
    }
    Ok(())
}

/// The name of the first axis and of the second.
const fn axes(held: Held) -> (&'static str, &'static str) {
    match held {
        Held::Elr => ("η_eff", "λ"),
        Held::Lr => ("η", "λ"),
        Held::Sphere => ("η_eff", "r"),
    }
}

fn print_corners(setting: &Setting, grid: &Grid<'_>) {
    let (rate, other) = axes(setting.held);
    println!("{rate:>8} {other:>8}    measured / theory corrected for the step");
    let last = setting.grid - 1;
    for (i, j) in [
        (0, 0),
        (0, last),
        (last / 2, last / 2),
        (last, 0),
        (last, last),
    ] {
        let place = grid.at(i, j);
        let (seen, theory) = (&place.measured, &place.corrected);
        let show = |name: &str, seen: Estimate, theory: f64| {
            format!(
                "{name} {:.5} ± {:.5} / {theory:.5}",
                seen.value, seen.std_error
            )
        };
        println!(
            "{:8.2e} {:8.2e}    {}  {}  {}",
            place.rate,
            place.other,
            show("U", seen.energy, theory.energy),
            show("V", seen.volume, 0.5 * theory.squared_radius),
            show("S", seen.entropy, theory.entropy),
        );
    }
    println!();
}

fn print_slopes(slopes: &[Slope]) {
    println!(
        "{:36} {:>9} {:>8} {:>8}   {:>9} {:>9}   {:>16}",
        "slope", "measured", "± error", "spread", "theory", "corrected", "published"
    );
    for slope in slopes {
        let spread = slope.spread.map_or(String::new(), |s| format!("{s:.4}"));
        let published = slope.published.map_or(String::new(), |p| {
            if p.std_error.is_nan() {
                format!("{:.4}", p.value)
            } else {
                format!("{:.4} ± {:.4}", p.value, p.std_error)
            }
        });
        println!(
            "{:36} {:9.5} {:8.5} {:>8}   {:9.5} {:9.5}   {:>16}",
            slope.name,
            slope.measured.value,
            slope.measured.std_error,
            spread,
            slope.continuum,
            slope.corrected,
            published,
        );
    }
    println!("(spread: over the rows of the grid, as published)\n");
}

/// All scores after the correction.
fn corrected(scores: &[Scores]) -> Vec<f64> {
    scores
        .iter()
        .flat_map(|s| s.corrected.iter().copied())
        .collect()
}

fn print_scores(places: &[Place], scores: &[Scores]) {
    println!("distance from theory in standard errors, rms over the grid");
    println!(
        "{:>4} {:>14} {:>24}   largest",
        "", "small steps", "corrected for the step"
    );
    for score in scores {
        let worst = largest(&score.corrected)
            .and_then(|(index, z)| places.get(index).map(|place| (place, z)))
            .map_or(String::new(), |(place, z)| {
                format!("{z:+.1} at {:.2e}, {:.2e}", place.rate, place.other)
            });
        println!(
            "{:>4} {:14.2} {:24.2}   {worst}",
            score.name,
            rms(&score.continuum),
            rms(&score.corrected),
        );
    }
    let all = corrected(scores);
    let all_before: Vec<f64> = scores.iter().flat_map(|s| s.continuum.clone()).collect();
    let largest = largest(&all).map_or(0.0, |(_, z)| z);
    println!(
        "{:>4} {:14.2} {:24.2}   of {} scores one as large as {:.1} comes by chance with probability {:.2}\n",
        "all",
        rms(&all_before),
        rms(&all),
        all.len(),
        largest.abs(),
        by_chance(largest, all.len()),
    );
}

fn print_minima(setting: &Setting, minima: &Minima) {
    let (rate, other) = axes(setting.held);
    let potential = match setting.held {
        Held::Sphere => "U - T*S at the true volume",
        Held::Elr | Held::Lr => "U - T*S + p*V",
    };
    println!(
        "the least of {potential} lies at the true state for {} of {} targets, there or next to it for {}",
        minima.exact, minima.places, minima.near
    );
    for (axis, offset) in [(rate, minima.rate_offset), (other, minima.other_offset)] {
        if let Some(offset) = offset {
            println!(
                "between places: off by {:+.4} ± {:.4} in ln {axis} (a place is {:.3} wide)",
                offset.value,
                offset.std_error,
                width(setting),
            );
        }
    }
}

/// The spacing of the grid along the first axis, in logarithms.
fn width(setting: &Setting) -> f64 {
    match setting.rates().as_slice() {
        [first, second, ..] => (second / first).ln(),
        _ => 0.0,
    }
}

fn state(state: &GasState) -> Value {
    json!({
        "energy": state.energy,
        "temperature": state.temperature,
        "radius": state.squared_radius.sqrt(),
        "volume": 0.5 * state.squared_radius,
        "pressure": state.pressure,
        "direction_entropy": state.direction_entropy,
        "entropy": state.entropy,
    })
}

fn answer(
    setting: &Setting,
    places: &[Place],
    slopes: &[Slope],
    scores: &[Scores],
    minima: &Minima,
) -> Value {
    let protocol = setting.held.to_possible_value();
    let rows: Vec<Value> = places
        .iter()
        .map(|place| {
            let seen = &place.measured;
            json!({
                "rate": place.rate,
                if setting.held == Held::Sphere { "radius_set" } else { "weight_decay" }: place.other,
                "steps": place.steps,
                "energy": number(&seen.energy),
                "temperature": number(&seen.temperature),
                "radius": number(&seen.radius),
                "volume": number(&seen.volume),
                "pressure": number(&seen.pressure),
                "direction_entropy": number(&seen.direction_entropy),
                "fitted_entropy": number(&seen.fitted_entropy),
                "entropy": number(&seen.entropy),
                "theory_small_steps": state(&place.continuum),
                "theory_corrected": state(&place.corrected),
            })
        })
        .collect();
    let slopes: Vec<Value> = slopes
        .iter()
        .map(|slope| {
            let mut row = number(&slope.measured);
            row["name"] = json!(slope.name);
            row["spread_over_rows"] = json!(slope.spread);
            row["theory_small_steps"] = json!(slope.continuum);
            row["theory_corrected"] = json!(slope.corrected);
            row["published"] = slope.published.map_or(Value::Null, |p| {
                json!({
                    "value": p.value,
                    "std_error": Some(p.std_error).filter(|e| e.is_finite()),
                    "std_error_is": "spread over rows",
                    "source": "arXiv 2511.07308",
                })
            });
            row
        })
        .collect();
    let all = corrected(scores);
    let worst = largest(&all).map_or(0.0, |(_, z)| z);
    let scores: Vec<Value> = scores
        .iter()
        .map(|score| {
            json!({
                "name": score.name,
                "rms_small_steps": rms(&score.continuum),
                "rms_corrected": rms(&score.corrected),
                "largest_corrected": largest(&score.corrected).map(|(_, z)| z),
            })
        })
        .collect();
    json!({
        "settings": {
            "protocol": protocol.map(|v| v.get_name().to_owned()),
            "dims": setting.dims,
            "grid": setting.grid,
            "lowest": setting.lowest,
            "steps": setting.steps,
            "seed": setting.seed,
        },
        "slopes": slopes,
        "scores": {
            "by_quantity": scores,
            "count": all.len(),
            "rms_corrected": rms(&all),
            "largest_corrected": worst,
            "probability_of_one_as_large": by_chance(worst, all.len()),
        },
        "potential": {
            "targets": minima.places,
            "minimum_at_target": minima.exact,
            "minimum_at_target_or_next": minima.near,
            "ln_rate_offset": minima.rate_offset.map(|offset| number(&offset)),
            "ln_other_offset": minima.other_offset.map(|offset| number(&offset)),
        },
        "places": rows,
    })
}

fn point(x: f64, y: Estimate) -> Point {
    Point {
        x,
        y: y.value,
        error: y.std_error,
    }
}

/// What the pictures are made of.
#[derive(Clone, Copy)]
struct Drawing<'a> {
    folder: &'a Path,
    setting: &'a Setting,
    grid: &'a Grid<'a>,
}

impl<'a> Drawing<'a> {
    /// Nine places of a fine grid are enough for the eye.
    fn shown(self) -> impl Iterator<Item = usize> {
        let n = self.setting.grid;
        (0..n).step_by(((n - 1) / 8).max(1))
    }

    fn along_other(self, i: usize) -> impl Iterator<Item = &'a Place> {
        self.shown().map(move |j| self.grid.at(i, j))
    }

    /// Along the rates, in the middle of the other axis.
    fn middle(self) -> impl Iterator<Item = &'a Place> {
        self.shown()
            .map(move |i| self.grid.at(i, self.setting.grid / 2))
    }

    fn title(self, what: &str) -> String {
        let held = match self.setting.held {
            Held::Elr => "fixed effective learning rate",
            Held::Lr => "fixed learning rate",
            Held::Sphere => "fixed sphere",
        };
        format!("{what}: {held}, d = {}", self.setting.dims)
    }

    fn sphere(self) -> bool {
        self.setting.held == Held::Sphere
    }

    /// Dots and theory over the second axis, for the lowest, middle and highest rate.
    fn over_other(
        self,
        mut plot: Plot,
        seen: impl Fn(&Measured) -> Estimate,
        theory: impl Fn(&GasState) -> f64,
    ) -> Plot {
        let n = self.setting.grid;
        let rate = axes(self.setting.held).0;
        for i in [0, n / 2, n - 1] {
            let name = format!("{rate} = {:.3}", self.grid.at(i, 0).rate);
            let dots = self
                .along_other(i)
                .map(|p| point(p.other, seen(&p.measured)));
            plot = plot.dots(&name, dots);
        }
        for (turn, i) in [0, n / 2, n - 1].into_iter().enumerate() {
            let name = if turn == 0 { "theory" } else { "" };
            plot = plot.theory(
                name,
                self.along_other(i).map(|p| (p.other, theory(&p.corrected))),
            );
        }
        plot
    }

    fn all(self) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(self.folder)?;
        let label = if self.sphere() {
            "r (weight)"
        } else {
            "λ (loss/weight²)"
        };
        let mechanics = if self.sphere() {
            let plot = Plot::new(&self.title("Pressure"), label, "p (loss/weight²)");
            self.over_other(
                plot.log_x().log_y(),
                |seen| seen.pressure,
                |state| state.pressure,
            )
        } else {
            let plot = Plot::new(&self.title("Stationary radius"), label, "r (weight)");
            self.over_other(
                plot.log_x().log_y(),
                |seen| seen.radius,
                |state| state.squared_radius.sqrt(),
            )
        };
        mechanics.save(&self.folder.join("mechanics"))?;
        let plot = Plot::new(&self.title("Entropy"), label, "S (nats)").log_x();
        self.over_other(plot, |seen| seen.entropy, |state| state.entropy)
            .save(&self.folder.join("entropy"))?;
        self.thermal()?;
        if self.setting.held != Held::Lr {
            self.step()?;
        }
        self.scores()?;
        self.potential()
    }

    /// Energy and entropy of the direction over the temperature.
    fn thermal(self) -> Result<(), Box<dyn Error>> {
        let freedom = self.setting.dims as f64 - 1.0;
        let over = |of: fn(&Measured) -> Estimate| {
            self.middle()
                .map(move |p| point(p.measured.temperature.value, of(&p.measured)))
        };
        let law = |of: fn(&GasState) -> f64| {
            self.middle()
                .map(move |p| (p.continuum.temperature, of(&p.continuum)))
        };
        let low = |of: &dyn Fn(f64) -> f64| {
            let t = self.middle().map(|p| p.continuum.temperature);
            t.map(|t| (t, of(t))).collect::<Vec<_>>()
        };
        Plot::new(&self.title("Energy"), "T (loss)", "U (loss)")
            .log_x()
            .log_y()
            .dots("measured", over(|seen| seen.energy))
            .line("von Mises-Fisher", law(|state| state.energy))
            .dashed("(d-1)T/2", low(&|t| 0.5 * freedom * t))
            .save(&self.folder.join("energy"))?;
        let two_pi_e = 2.0 * std::f64::consts::PI * std::f64::consts::E;
        Plot::new(
            &self.title("Entropy of the direction"),
            "T (loss)",
            "S on the unit sphere (nats)",
        )
        .log_x()
        .dots("measured", over(|seen| seen.direction_entropy))
        .line("von Mises-Fisher", law(|state| state.direction_entropy))
        .dashed(
            "low temperature",
            low(&|t| 0.5 * freedom * (two_pi_e * t).ln()),
        )
        .save(&self.folder.join("direction_entropy"))
    }

    /// Energies over those of small steps, the whole second axis together.
    fn step(self) -> Result<(), Box<dyn Error>> {
        let n = self.setting.grid;
        let (mut dots, mut line) = (Vec::new(), Vec::new());
        for i in self.shown() {
            let row = || (0..n).map(|j| self.grid.at(i, j));
            let theory = |of: fn(&Place) -> f64| row().map(of).sum::<f64>() / n as f64;
            let limit = theory(|p| p.continuum.energy);
            let energies: Vec<Estimate> = row().map(|p| p.measured.energy).collect();
            let rate = self.grid.at(i, 0).rate;
            dots.push(point(rate, ratio(mean(&energies), exact(limit))));
            line.push((rate, theory(|p| p.corrected.energy) / limit));
        }
        Plot::new(
            &self.title("What the size of the step does"),
            "η_eff (1/loss)",
            "U over that of small steps",
        )
        .log_x()
        .dots("measured", dots)
        .dashed("first order in the step", line)
        .level("limit of small steps", 1.0)
        .save(&self.folder.join("step"))
    }

    /// The distribution of all scores against a normal one.
    fn scores(self) -> Result<(), Box<dyn Error>> {
        let mut scores = corrected(&self.grid.scores());
        scores.sort_by(f64::total_cmp);
        let count = scores.len() as f64;
        let every = (scores.len() / 100).max(1);
        let normal = |z: f64| 0.5 * statrs::function::erf::erfc(-z / std::f64::consts::SQRT_2);
        let curve = (-40..=40).map(|i| f64::from(i) / 10.0);
        let steps = scores.iter().enumerate().step_by(every);
        Plot::new(
            &self.title("Scores against theory"),
            "(measured - theory)/error, corrected for the step",
            "fraction below",
        )
        .line(
            "measured",
            steps.map(|(i, &z)| (z, (i as f64 + 0.5) / count)),
        )
        .dashed("normal", curve.map(|z| (z, normal(z))))
        .save(&self.folder.join("scores"))
    }

    fn potential(self) -> Result<(), Box<dyn Error>> {
        draw_potential(
            self.folder,
            self.setting,
            self.grid,
            axes(self.setting.held),
        )
    }
}

/// The potential of the state in the middle of the grid, over all states; on the sphere, of all
/// temperatures over all.
fn draw_potential(
    folder: &Path,
    setting: &Setting,
    grid: &Grid<'_>,
    (rate, other): (&str, &str),
) -> Result<(), Box<dyn Error>> {
    let n = setting.grid;
    let places = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
    let middle = n / 2;
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let path = folder.join("potential");
    if setting.held == Held::Sphere {
        // Rows of the state, columns of the target: above the least of each column.
        let raw = |i: usize, j: usize| {
            let target = grid.at(j, middle);
            grid.potential(grid.at(i, middle), target).value / target.measured.temperature.value
        };
        let lowest: Vec<f64> = (0..n)
            .map(|j| least(&(0..n).map(|i| raw(i, j)).collect::<Vec<_>>()))
            .collect();
        let values = places
            .map(|(i, j)| raw(i, j) - lowest[j])
            .map(|v| v.max(0.02))
            .collect();
        let temperatures: Vec<f64> = (0..n)
            .map(|i| grid.at(i, middle).measured.temperature.value)
            .collect();
        let mut map = HeatMap::new(
            "Helmholtz potential F = U - T*S of all states: least where T = T*",
            ("T of the state (loss)", temperatures.clone()),
            ("T* (loss)", temperatures.clone()),
            ("(F - min)/T*", values),
        )
        .log();
        for (j, &t) in temperatures.iter().enumerate() {
            let best = (0..n)
                .min_by(|&a, &b| raw(a, j).total_cmp(&raw(b, j)))
                .unwrap_or(j);
            map = map.cross(if j == 0 { "T = T*" } else { "" }, (t, t));
            map = map.ring(if j == 0 { "least" } else { "" }, (temperatures[best], t));
        }
        return map.save(&path);
    }
    let unit = match setting.held {
        Held::Lr => "weight²/loss",
        Held::Elr | Held::Sphere => "1/loss",
    };
    let target = grid.at(middle, middle);
    let raw = |i: usize, j: usize| {
        grid.potential(grid.at(i, j), target).value / target.measured.temperature.value
    };
    let all: Vec<f64> = places.clone().map(|(i, j)| raw(i, j)).collect();
    let lowest = least(&all);
    let best = places
        .min_by(|&(a, b), &(c, d)| raw(a, b).total_cmp(&raw(c, d)))
        .unwrap_or((middle, middle));
    let best = grid.at(best.0, best.1);
    HeatMap::new(
        "Gibbs potential G = U - T*S + p*V of all states, at the T*, p* of one",
        (&format!("{rate} ({unit})"), setting.rates()),
        (&format!("{other} (loss/weight²)"), setting.others()),
        (
            "(G - min)/T*",
            all.iter().map(|v| (v - lowest).max(0.02)).collect(),
        ),
    )
    .log()
    .cross("true state", (target.rate, target.other))
    .ring("least", (best.rate, best.other))
    .save(&path)
}
