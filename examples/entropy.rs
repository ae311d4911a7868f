//! How spread are the weights? One trajectory by every estimator, the two traps, and which to believe.
//!
//! ```text
//! cargo run --release --example entropy
//! cargo run --release --example entropy -- --plots plots
//! ```
//!
//! The trajectories are Ornstein-Uhlenbeck clouds of unit variance: the entropy is (d/2) ln 2πe, that
//! of the directions the logarithm of the sphere's area, both known to every digit. The last part
//! heats a von Mises-Fisher gas, whose entropy is known too.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[allow(
    dead_code,
    reason = "shared with the other examples, which use the rest"
)]
#[path = "common/plot.rs"]
mod plot;

use std::{error::Error, fmt::Write, fs, path::PathBuf};

use clap::Parser;
use thermograd::entropy::{
    Distances, EntropyEstimate, Neighbors, NullCloud, NullKind, Points, Resultant, Rule, Sampling,
    SnapshotWindow, ThermalState, Variable, WindowConfig, entropy_from_energy,
    fit_von_mises_fisher, gaussian, geodesic_cap, hyperspherical_angles, kozachenko_leonenko,
    ledoit_wolf, ln_sphere_area, spread,
};
use thermograd::systems::{Random, VonMisesFisher};
use thermograd::{Estimate, Reading};

use plot::{Plot, Point};

const SNAPSHOTS: usize = 1000;

/// Entropy by every estimator, where the truth is known.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write the bias of each estimator over the dimension as an SVG file into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Seed of the trajectories.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    one_cloud(arguments.seed)?;
    correlation(arguments.seed)?;
    let plot = dimension(arguments.seed)?;
    heating(arguments.seed)?;
    if let Some(folder) = arguments.plots {
        fs::create_dir_all(&folder)?;
        let path = folder.join("entropy_bias");
        plot.save(&path)?;
        println!("\nwrote {0}.svg and {0}.png", path.display());
    }
    Ok(())
}

/// Every coordinate an autoregression of unit variance: x ← ρ x + √(1 − ρ²) ξ.
fn trajectory(d: usize, rho: f64, every: u64, seed: u64) -> Result<SnapshotWindow, Box<dyn Error>> {
    let mut random = Random::new(seed);
    let mut window = SnapshotWindow::new(WindowConfig::new(SNAPSHOTS).every(every))?;
    let mut x: Vec<f64> = (0..d).map(|_| random.normal()).collect();
    for step in 0..SNAPSHOTS as u64 * every {
        window.push(step, &x)?;
        for v in &mut x {
            *v = rho * *v + (1.0 - rho * rho).sqrt() * random.normal();
        }
    }
    Ok(window)
}

fn flat_truth(d: usize) -> f64 {
    0.5 * d as f64 * (2.0 * std::f64::consts::PI * std::f64::consts::E).ln()
}

fn show(name: &str, truth: f64, reading: &Reading<EntropyEstimate>) {
    match reading {
        Reading::Ready(s) => {
            let off = s.entropy.value - truth;
            let doubt = s.caveats.first().map(ToString::to_string);
            let verdict = match s.absolute() {
                Reading::Ready(_) => "the value itself".to_owned(),
                _ => format!("differences: {}", doubt.unwrap_or_default()),
            };
            let value = format!("{:9.3} ± {:.3}", s.entropy.value, s.entropy.std_error);
            println!("  {name:<26}{value:<19}{off:+8.3}   {verdict}");
        }
        other => println!("  {name:<26}{other}"),
    }
}

fn one_cloud(seed: u64) -> Result<(), Box<dyn Error>> {
    let d = 4;
    let raw = trajectory(d, 0.9, 1, seed)?;
    let thinning = spread(&raw.distances())
        .ready()
        .map_or(1, thermograd::entropy::Spread::thinning);
    let window = trajectory(d, 0.9, thinning, seed)?;
    let (points, distances) = (window.points()?, window.distances());
    let (flat, sphere) = (flat_truth(d), ln_sphere_area(d)?);
    println!(
        "1. {d} parameters, N = {SNAPSHOTS}; memory of 19 steps, so every {thinning}th is kept. \
         Truth: {flat:.3} nats, directions {sphere:.3}"
    );
    println!("  estimator                 nats                    off   good for");
    show(
        "Gaussian",
        flat,
        &gaussian(&distances, Sampling::Trajectory),
    );
    let kth = Neighbors::default();
    show(
        "4th neighbour, flat",
        flat,
        &kozachenko_leonenko(&distances, kth)?,
    );
    show(
        "Ledoit-Wolf",
        flat,
        &ledoit_wolf(&distances, Sampling::Trajectory),
    );
    show(
        "4th neighbour, caps",
        sphere,
        &geodesic_cap(&distances, kth)?,
    );
    let fit = fit_von_mises_fisher(&distances, Resultant::DistinctPairs, Sampling::Trajectory);
    show("von Mises-Fisher fit", sphere, &fit.map(|fit| fit.entropy));
    let published = hyperspherical_angles(&points, Neighbors::new(1))?;
    show("angles (arXiv 2511.07308)", sphere, &published);
    Ok(())
}

fn correlation(seed: u64) -> Result<(), Box<dyn Error>> {
    let truth = flat_truth(3);
    println!("\n2. The trap of memory: 3 parameters, every step kept. Truth: {truth:.2} nats");
    println!("  memory     nearest neighbour, blind   neighbours in time passed over");
    for rho in [0.0, 0.9, 0.99, 0.999] {
        let window = trajectory(3, rho, 1, seed)?;
        let distances = window.distances();
        let blind = kozachenko_leonenko(&distances, Neighbors::new(1).independent())?;
        let g = spread(&distances)
            .ready()
            .map_or(1, thermograd::entropy::Spread::thinning);
        let lags = usize::try_from(2 * g)?;
        let careful = kozachenko_leonenko(&distances, Neighbors::new(1).exclude_lags(lags))?;
        let careful = match &careful {
            Reading::Ready(s) => format!(
                "{:.2} ± {:.2}, N_eff {:.0}",
                s.entropy.value, s.entropy.std_error, s.entropy.n_eff
            ),
            other => format!("{other} snapshots"),
        };
        let blind = blind.ready().map_or(f64::NAN, |s| s.entropy.value);
        println!("  rho {rho:<7}{blind:10.2}{:17}{careful}", "");
    }
    Ok(())
}

type Estimator = fn(&Distances<'_>) -> Result<Reading<EntropyEstimate>, thermograd::Error>;

fn dimension(seed: u64) -> Result<Plot, Box<dyn Error>> {
    let estimators: [(&str, NullKind, Estimator); 4] = [
        ("flat k=1", NullKind::Points, |d| {
            kozachenko_leonenko(d, Neighbors::new(1).independent())
        }),
        ("caps k=4", NullKind::Directions, |d| {
            geodesic_cap(d, Neighbors::new(4).independent())
        }),
        ("Gaussian", NullKind::Points, |d| {
            Ok(gaussian(d, Sampling::Independent))
        }),
        ("Ledoit-Wolf", NullKind::Points, |d| {
            Ok(ledoit_wolf(d, Sampling::Independent))
        }),
    ];
    println!("\n3. The trap of dimension: bias in nats per parameter, 300 independent snapshots");
    println!("  d        flat k=1     caps k=4     Gaussian     Ledoit-Wolf   absolute?");
    let mut series: Vec<Vec<Point>> = vec![Vec::new(); estimators.len()];
    for d in [3_u16, 10, 30, 100, 1000] {
        let mut line = format!("  {d:<6}");
        let size = f64::from(d);
        for ((_, kind, estimator), points) in estimators.iter().zip(&mut series) {
            let null = NullCloud::new(*kind, usize::from(d))
                .snapshots(300)
                .replicas(4)
                .seed(seed);
            if let Reading::Ready(bias) = null.bias(estimator)? {
                points.push(Point {
                    x: size,
                    y: bias.value / size,
                    error: bias.std_error / size,
                });
                write!(line, "{:+11.4}  ", bias.value / size)?;
            } else {
                write!(line, "{:>11}  ", "needs N > d")?;
            }
        }
        let cloud = NullCloud::new(NullKind::Points, usize::from(d)).snapshots(300);
        let s = kozachenko_leonenko(&cloud.cloud(0)?, Neighbors::new(1).independent())?;
        let absolute = s.ready().is_some_and(|s| s.absolute().ready().is_some());
        println!(
            "{line}   {}",
            if absolute {
                "flat: yes"
            } else {
                "flat: refused"
            }
        );
    }
    println!(
        "  caps are unbiased because these directions are uniform; a peaked cloud biases them too"
    );
    let mut plot = Plot::new(
        "Bias of entropy estimators, N = 300",
        "parameters d",
        "bias / d (nats)",
    )
    .log_x()
    .level("truth", 0.0);
    for ((name, _, _), points) in estimators.iter().zip(series) {
        plot = plot.dots(name, points);
    }
    Ok(plot)
}

/// A von Mises-Fisher gas of 100 parameters heated tenfold: mean losses against densities.
fn heating(seed: u64) -> Result<(), Box<dyn Error>> {
    let d = 100;
    let mut random = Random::new(seed);
    let mut states = Vec::new();
    let mut clouds = Vec::new();
    for i in 0..9_u8 {
        let t = 0.003 * 10_f64.powf(f64::from(i) / 8.0);
        let system = VonMisesFisher::at_temperature(d, t)?;
        let pole = vec![1.0; d];
        let mut rows = vec![0.0; 300 * d];
        let mut losses = Vec::with_capacity(300);
        for row in rows.chunks_exact_mut(d) {
            losses.push(system.sample(&mut random, &pole, row)?);
        }
        let n = losses.len() as f64;
        let mean = losses.iter().sum::<f64>() / n;
        let variance = losses.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let exact = |value, std_error| Estimate {
            value,
            std_error,
            n_eff: n,
        };
        states.push(ThermalState {
            temperature: exact(t, 0.0),
            observable: exact(mean, (variance / n).sqrt()),
        });
        clouds.push((system, Points::new(rows, d)?));
    }
    let (Some((cold, first)), Some((hot, last))) = (clouds.first(), clouds.last()) else {
        return Ok(());
    };
    let truth = hot.entropy() - cold.entropy();
    println!("\n4. What to believe: {d} parameters heated tenfold. Truth: {truth:+.2} nats");
    let s = entropy_from_energy(&states, Variable::LogTemperature, Rule::Spline)?;
    if let Reading::Ready(s) = s {
        let (value, error) = (s.difference.value, s.difference.std_error);
        println!(
            "  thermodynamic integration {value:8.2} ± {error:.2}   <- mean losses of nine runs"
        );
    }
    let kth = Neighbors::default().independent();
    let caps = |points: &Points| -> Result<_, Box<dyn Error>> {
        Ok(geodesic_cap(&points.distances()?, kth)?)
    };
    if let (Reading::Ready(hot), Reading::Ready(cold)) = (caps(last)?, caps(first)?)
        && let Reading::Ready(s) = hot.minus(&cold)
    {
        println!(
            "  difference of caps        {:8.2} ± {:.2}   <- the cloud changed its shape: so did the bias, unseen",
            s.value, s.std_error
        );
        println!("  caps on the hot run alone {}", hot.absolute());
    }
    Ok(())
}
