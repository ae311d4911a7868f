//! Training as a steam engine: Carnot's cycle of weights, and the books of a training run.
//!
//! ```text
//! cargo run --release --example engine
//! cargo run --release --example engine -- --json engine.json --plots plots
//! ```
//!
//! First a group of scale-invariant weights with one minimum is taken round Carnot's cycle by its
//! learning rate and weight decay: two isotherms, two adiabats, at every point until it is
//! stationary. Pressure is the decay's, volume, temperature and energy are measured; the efficiency
//! is work over heat by the first law, and is compared with 1 − T_c/T_h.
//!
//! Then the digits network is trained at a constant rate and every step's work and heat is booked.
//! The books balance to rounding, and the volume settles where the gradient's pressure has fallen to
//! the decay's. The heat would be the housekeeping heat η tr Σ if the noise did not depend on the
//! weights; a batch is curved along its own gradient, and gives off less.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;

use std::{error::Error, fs, num::NonZeroU64, path::Path as File, path::PathBuf};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use common::{
    data::Digits,
    plot::{Plot, Point},
    training::{Config, Training},
};
use thermograd::{
    Config as Options, Estimate, Groups, Observed, Observer, Optimizer, Reading, Symmetry, Window,
    energy,
    engine::{
        Basis, EquationOfState, Ledger, Path, StatePoint, diagram::carnot_efficiency,
        housekeeping_heat,
    },
    equilibrium::VerdictConfig,
    pressure, slices,
    systems::{GasProtocol, IsotropicGas, IsotropicGasConfig, VonMisesFisher},
    temperature,
};

/// Weights of the gas, noise variance on the unit sphere, amplitude of its mean loss.
const DIM: usize = 20;
const VARIANCE: f64 = 1.2;
const AMPLITUDE: f64 = 1.0;
const HOT: f64 = 0.004;
const COLD: f64 = 0.002;

/// Drives a gas round Carnot's cycle, and books the work and heat of a training run.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stationary states on each of the four sides.
    #[arg(long, value_name = "COUNT", default_value_t = 6)]
    states: usize,
    /// Relaxation times that each state is watched for, at least.
    #[arg(long, value_name = "COUNT", default_value_t = 300)]
    relaxations: usize,
    /// Steps of the training run.
    #[arg(long, value_name = "COUNT", default_value_t = 20_000)]
    steps: usize,
    /// Seed of both.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Write the answers as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the diagrams as SVG and PNG into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    for (what, value, least, most) in [
        ("states", arguments.states, 2, 1000),
        ("relaxations", arguments.relaxations, 10, 100_000),
        ("steps", arguments.steps, 1000, 10_000_000),
    ] {
        if !(least..=most).contains(&value) {
            return Err(format!("{what} is {value}: give {least} to {most}").into());
        }
    }
    if let Some(folder) = &arguments.plots {
        fs::create_dir_all(folder)?;
    }
    let carnot = carnot(&arguments)?;
    let run = books(&arguments)?;
    if let Some(path) = &arguments.json {
        let answer = json!({ "carnot": carnot, "run": run });
        fs::write(path, serde_json::to_string_pretty(&answer)?)?;
    }
    Ok(())
}

fn told(estimate: &Estimate) -> Value {
    json!({ "value": estimate.value, "std_error": estimate.std_error, "n_eff": estimate.n_eff })
}

fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        std_error: 0.0,
        n_eff: 1.0,
    }
}

fn ready(reading: Reading) -> Result<Estimate, String> {
    match reading {
        Reading::Ready(estimate) => Ok(estimate),
        other => Err(format!("a reading is not ready, watch for longer: {other}")),
    }
}

/// The entropy of the gas: that of the directions, which the model knows, and of the volume.
fn entropy(temperature: f64, volume: f64) -> Result<f64, thermograd::Error> {
    let directions = VonMisesFisher::new(DIM, AMPLITUDE / temperature)?.entropy();
    Ok(directions + 0.5 * (DIM as f64 - 1.0) * (2.0 * volume).ln())
}

/// (T, λ) along the cycle, from the smallest volume on the hot isotherm.
fn stations(sides: usize) -> Result<Vec<(f64, f64)>, thermograd::Error> {
    let r = 0.5 * (DIM as f64 - 1.0);
    let (low, high) = (entropy(HOT, 1.0)?, entropy(HOT, 2.0)?);
    let mut stations = Vec::new();
    for i in 0..4 * sides {
        let share = (i % sides) as f64 / sides as f64;
        let (t, s) = match i / sides {
            0 => (HOT, low + share * (high - low)),
            1 => (HOT * (COLD / HOT).powf(share), high),
            2 => (COLD, high + share * (low - high)),
            _ => (COLD * (HOT / COLD).powf(share), low),
        };
        // S grows by R ln V.
        let volume = ((s - entropy(t, 1.0)?) / r).exp();
        stations.push((t, r * t / volume));
    }
    Ok(stations)
}

/// The gas at this learning rate and decay, stationary, watched for so many relaxations.
fn state(
    gas: &mut IsotropicGas,
    (t, decay): (f64, f64),
    relaxations: usize,
) -> Result<StatePoint, Box<dyn Error>> {
    let rate = 2.0 * t / VARIANCE;
    gas.set_protocol(GasProtocol::FixedEffectiveLearningRate {
        effective_learning_rate: rate,
        weight_decay: decay,
    })?;
    let relaxation = 1.0 / (rate * rate * (DIM as f64 - 1.0) * VARIANCE);
    let mut groups = Groups::new();
    let all = groups.add("gas", Symmetry::ScaleInvariant);
    let growing = Options::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(groups, growing)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of steps: not negative, and the cast saturates"
    )]
    let count = |times: usize| (times as f64 * relaxation) as u64;
    for _ in 0..count(5) {
        gas.step()?;
    }
    // As long as asked for, and on until every reading has its error bar.
    for _ in 0..10 {
        for _ in 0..count(relaxations) {
            gas.draw_second();
            let second = gas.second_gradient().unwrap_or_default();
            let snapshot = slices(all, gas.weights(), gas.gradient()).second_gradient(second);
            observer.observe(&gas.facts(), &snapshot)?;
            gas.step()?;
        }
        let verdict = observer.verdict(&VerdictConfig::default())?;
        if let Reading::Ready(state) = StatePoint::read(&observer, all, &verdict)? {
            let s = entropy(state.temperature.value, state.volume.value)?;
            return Ok(state.entropy(exact(s)));
        }
    }
    Err("a state is not ready: watch for longer (--relaxations)".into())
}

fn carnot(arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let sides = arguments.states;
    let stations = stations(sides)?;
    let start = GasProtocol::FixedEffectiveLearningRate {
        effective_learning_rate: 2.0 * HOT / VARIANCE,
        weight_decay: stations[0].1,
    };
    let mut gas = IsotropicGasConfig::new(DIM, start)
        .noise(VARIANCE.sqrt())
        .strength(AMPLITUDE)
        .radius(2_f64.sqrt())
        .seed(arguments.seed)
        .build()?;
    let style = ProgressStyle::with_template("cycle {bar:30} {pos}/{len} {eta:>4}")?;
    let bar = ProgressBar::new(stations.len() as u64).with_style(style);
    let mut states = Vec::new();
    for &station in &stations {
        states.push(state(&mut gas, station, arguments.relaxations)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let path = Path::new(states)?;
    let unready = "the cycle is too short";
    let efficiency = *path.efficiency(0..=sides)?.ready().ok_or(unready)?;
    let (work, heat) = (path.work(), path.heat());
    let (work, heat) = (work.ready().ok_or(unready)?, heat.ready().ok_or(unready)?);
    let mean = |from: usize| {
        let part = &path.states()[from..from + sides];
        let n = part.len() as f64;
        let error = part
            .iter()
            .map(|s| s.temperature.std_error.powi(2))
            .sum::<f64>();
        Estimate {
            value: part.iter().map(|s| s.temperature.value).sum::<f64>() / n,
            std_error: error.sqrt() / n,
            n_eff: n,
        }
    };
    let best = carnot_efficiency(&mean(2 * sides), &mean(0))?;
    let law = EquationOfState::fit(path.states())?;
    let law = law.ready().ok_or(unready)?;
    println!("Carnot's cycle of {DIM} weights, {} states", stations.len());
    let of = |basis| path.states().iter().filter(|s| s.basis == basis).count();
    println!(
        "  by the verdict {} are stationary, {} drift, {} would need longer",
        of(Basis::Stationary),
        of(Basis::Transient),
        of(Basis::Unknown)
    );
    println!("  work ∮p dV        {}", work.value);
    println!("  heat ∮T dS        {}", heat.value);
    println!("  efficiency W/Q_h  {}", efficiency.value);
    println!("  1 − T_c/T_h       {best}");
    let error = efficiency.value.std_error.hypot(best.std_error);
    let z = (efficiency.value.value - best.value) / error;
    println!("  apart by {z:+.1} standard errors");
    println!(
        "  fitted law: R = {} ((d − 1)/2 = {}), C_V = {}",
        law.gas_constant,
        0.5 * (DIM as f64 - 1.0),
        law.heat_capacity
    );
    if let Some(folder) = &arguments.plots {
        draw_cycle(&path, law, folder)?;
    }
    Ok(json!({
        "work": told(&work.value),
        "heat": told(&heat.value),
        "basis": format!("{:?}", work.basis),
        "efficiency": told(&efficiency.value),
        "carnot": told(&best),
        "sigmas": z,
        "gas_constant": told(&law.gas_constant),
        "heat_capacity": law.heat_capacity.ready().map(told),
    }))
}

fn draw_cycle(path: &Path, law: &EquationOfState, folder: &File) -> Result<(), Box<dyn Error>> {
    let ends = |values: &[f64]| {
        let bounds = (f64::MAX, f64::MIN);
        values
            .iter()
            .fold(bounds, |(low, high), &x| (low.min(x), high.max(x)))
    };
    let closed = |points: Vec<(f64, f64)>| {
        let first = points.first().copied();
        points.into_iter().chain(first)
    };
    let volumes: Vec<f64> = path.pressure_volume().map(|(v, _)| v).collect();
    let temperatures: Vec<f64> = path.temperature_entropy().map(|(_, t)| t).collect();
    let (v, t) = (ends(&volumes), ends(&temperatures));
    let wide = (0.9 * v.0, 1.1 * v.1);
    let mut plot = Plot::new(
        "Carnot's cycle of weights",
        "V = |w|²/2 (weight²)",
        "p (loss/weight²)",
    );
    for temperature in [COLD, HOT] {
        let name = format!("isotherm T = {temperature}");
        plot = plot.dashed(&name, law.isotherm(temperature, wide, 80)?);
    }
    let corners: Vec<(f64, f64)> = path.pressure_volume().collect();
    let side = corners.len() / 4;
    for (name, from, to) in [("adiabat", side, 2 * side), ("adiabat", 0, 3 * side)] {
        plot = plot.dashed(name, law.adiabat(corners[from], corners[to].0, 80)?);
    }
    plot.line("cycle", closed(corners.clone()))
        .dots(
            "measured",
            path.states().iter().map(|s| Point {
                x: s.volume.value,
                y: s.pressure.value,
                error: s.pressure.std_error,
            }),
        )
        .save(&folder.join("engine_pv.svg"))?;
    let pressures: Vec<f64> = corners.iter().map(|&(_, p)| p).collect();
    let p = ends(&pressures);
    let mut plot = Plot::new("The same cycle", "S (nats)", "T (loss)");
    for pressure in [p.0, p.1] {
        if let Reading::Ready(curve) = law.isobar(pressure, t, 60)? {
            plot = plot.dashed(&format!("isobar p = {pressure:.4}"), curve);
        }
    }
    for volume in [v.0, v.1] {
        if let Reading::Ready(curve) = law.isochore(volume, t, 60)? {
            plot = plot.dashed(&format!("V = {volume:.1}"), curve);
        }
    }
    let cycle: Vec<(f64, f64)> = path.temperature_entropy().collect();
    plot.line("cycle", closed(cycle))
        .dots(
            "measured",
            path.states().iter().filter_map(|s| {
                Some(Point {
                    x: s.entropy?.value,
                    y: s.temperature.value,
                    error: s.temperature.std_error,
                })
            }),
        )
        .save(&folder.join("engine_ts.svg"))
}

/// The digits network at a constant rate, every step booked.
fn books(arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let config = Config {
        steps: arguments.steps,
        seed: arguments.seed,
        ..Config::default()
    };
    let digits = Digits::load(0)?;
    let mut training = Training::new(&config, &digits);
    let mut groups = Groups::new();
    let hidden = groups.add(
        "hidden",
        Symmetry::ScaleInvariantBy(training.network.scales()),
    );
    let length = NonZeroU64::new((config.steps as u64 / 40).max(1)).unwrap_or(NonZeroU64::MIN);
    let tumbling = Options::every_step().window(Window::Tumbling(length));
    let mut short = Observer::with_config(groups.clone(), tumbling)?;
    let mut observer =
        Observer::with_config(groups, Options::every_step().window(Window::Growing))?;
    let (mut all, mut settled) = (Ledger::new(), Ledger::new());
    let (mut way, mut heat) = (Vec::new(), Vec::new());
    let mut relaxed: Option<f64> = None;
    let style = ProgressStyle::with_template("run   {bar:30} {pos}/{len} {eta:>4}")?;
    let bar = ProgressBar::new(config.steps as u64).with_style(style);
    for step in 0..config.steps {
        let loss = training.gradient();
        training.second_gradient();
        let mut facts = training.optimizer.facts(loss).batch_size(config.batch);
        if let Some(relaxed) = relaxed {
            facts = facts.previous_batch_loss(relaxed);
        }
        let state = training.state();
        let norm2 = state.weights.iter().map(|w| w * w).sum::<f64>();
        let snapshot =
            slices(hidden, state.weights, state.gradient).second_gradient(state.second_gradient);
        all.observe_decayed(&facts, norm2)?;
        if 2 * step >= config.steps {
            settled.observe(&facts)?;
            observer.observe(&facts, &snapshot)?;
        }
        if short.observe(&facts, &snapshot)? == Observed::WindowComplete {
            let e = short.ensemble(Some(hidden))?;
            if let (Some(v), Some(p), Some(t)) = (
                pressure::volume(&e),
                pressure::mechanical(&e),
                temperature::noise(&e),
            ) {
                way.push((v, p, t));
            }
            let model = short.ensemble(None)?;
            let given = model.mean(thermograd::Moment::Heat);
            let expected = housekeeping_heat(&model, Optimizer::SGD);
            if let (Some(given), Some(expected)) = (given, expected) {
                heat.push((step as f64, -given, -expected, energy::internal(&model)));
            }
        }
        training.update();
        relaxed = Some(training.loss_again());
        bar.inc(1);
    }
    bar.finish_and_clear();
    let books = all.balance();
    println!("\nThe digits network over {} steps", books.steps);
    println!(
        "  E_n − E_0 = {:.6} = Q + W = {:.6} + {:.6}, apart by {:.1e}",
        books.energy_change,
        books.heat.total,
        books.work(),
        books.residual()
    );
    let per_step = ready(settled.balance().heat.per_step)?;
    let expected = ready(
        observer.read_formula(None, &[thermograd::Moment::NoiseHeat], |e| {
            housekeeping_heat(e, Optimizer::SGD)
        })?,
    )?;
    println!("  heat a step in the second half   {per_step}");
    println!("  housekeeping heat, −η tr Σ       {expected}");
    let error = per_step.std_error.hypot(expected.std_error);
    println!(
        "  excess                           {:+.2e} ± {error:.1e}: the noise depends on the weights",
        per_step.value - expected.value
    );
    if let Some(folder) = &arguments.plots {
        draw_run(&way, &heat, config.weight_decay, folder)?;
    }
    Ok(json!({
        "energy_change": books.energy_change,
        "heat": books.heat.total,
        "work": books.work(),
        "residual": books.residual(),
        "heat_per_step": told(&per_step),
        "housekeeping_heat": told(&expected),
    }))
}

type Heat = (f64, f64, f64, Option<f64>);

fn draw_run(
    way: &[(f64, f64, f64)],
    heat: &[Heat],
    decay: f64,
    folder: &File,
) -> Result<(), Box<dyn Error>> {
    let states: Vec<StatePoint> = way
        .iter()
        .map(|&(v, p, t)| StatePoint::new(exact(p), exact(v), exact(t)))
        .collect();
    let mut plot = Plot::new(
        "A training run: the gradient's pressure falls to the decay's",
        "V = |w|²/2 (weight²)",
        "p (loss/weight²)",
    )
    .log_y();
    if let Reading::Ready(law) = EquationOfState::fit(&states)? {
        let ends = [way.first(), way.last()];
        let v = |w: &(f64, f64, f64)| w.0;
        let low = way.iter().map(v).fold(f64::MAX, f64::min);
        let high = way.iter().map(v).fold(f64::MIN, f64::max);
        for end in ends.into_iter().flatten() {
            let name = format!("isotherm T = {:.1e}", end.2);
            plot = plot.dashed(&name, law.isotherm(end.2, (low, high), 60)?);
        }
    }
    plot.line("run", way.iter().map(|&(v, p, _)| (v, p)))
        .level("weight decay", decay)
        .save(&folder.join("engine_run_pv.svg"))?;
    Plot::new("Heat given off in a step", "step", "−Q (loss, nats)")
        .log_y()
        .line("measured", heat.iter().map(|&(x, q, _, _)| (x, q)))
        .dashed(
            "housekeeping, η tr Σ",
            heat.iter().map(|&(x, _, q, _)| (x, q)),
        )
        .save(&folder.join("engine_heat.svg"))
}
