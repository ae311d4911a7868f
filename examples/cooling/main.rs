//! Does a schedule that looks at the run need less tuning? Measured, against four that do not look.
//!
//! ```text
//! cargo run --release --example cooling
//! cargo run --release --example cooling -- --json cooling.json --plots plots
//! cargo run --release --example cooling -- --full
//! ```
//!
//! A network with one trained, batch-normalised layer learns the vendored digits and MNIST-1D with
//! eight schedules, each from every initial learning rate of a grid, in equally many steps, from the
//! same seeds. Four are baselines: a constant rate; steps by 1/10 at half and three quarters; cosine to
//! 0; warm-up over 5 %, stable, and linear decay to 0 over the last 20 %. Four are
//! `thermograd::cooling`'s with their defaults: constant thermodynamic speed from the first step; the
//! same from the moment on that the loss is stationary; cooling in steps, each triggered by a
//! stationary loss; and the same by larger batches (up to 16 times the first).
//!
//! Baselines are shown at the rate of the grid that is best for them *on the test set*: an oracle
//! that no user has, in their favour. All are shown at the middle of the grid as well, chosen before
//! anything was run: untuned. Nothing of ours was tuned to these tasks. What is
//! compared is the final test loss, in pairs of equal seeds. Larger batches are paid for: examples
//! are counted beside the steps.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

#[path = "../common/mod.rs"]
mod common;

use std::{
    error::Error,
    f64::consts::PI,
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
    mnist1d,
    plot::{Plot, Point},
    training::{Config, Training},
};
use thermograd::{
    Estimate, Step,
    cooling::{
        Action, BatchGrowth, Bounds, ConstantSpeed, Controller, EquilibriumTriggered,
        HyperParameters, Schedule, Signals, decay_advice,
    },
};

/// The seed of the data, the same in every run.
const DATA: u64 = 0;
const BATCH: usize = 64;
const LARGEST_BATCH: usize = 16 * BATCH;
const WEIGHT_DECAY: f64 = 0.01;
/// Looks at the run, for the schedules that look.
const LOOKS: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Task {
    /// 1797 scanned digits, 8 by 8.
    Digits,
    /// 5000 digits as noisy lines of 40 points.
    Mnist1d,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Mnist1d => "mnist1d",
        }
    }

    fn hidden(self) -> usize {
        match self {
            Self::Digits => 32,
            Self::Mnist1d => 64,
        }
    }
}

/// What sets the learning rate and the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Constant,
    Steps,
    Cosine,
    WarmupStableDecay,
    Speed,
    SpeedFromEquilibrium,
    Trigger,
    Batch,
}

const RULES: [Rule; 8] = [
    Rule::Constant,
    Rule::Steps,
    Rule::Cosine,
    Rule::WarmupStableDecay,
    Rule::Speed,
    Rule::SpeedFromEquilibrium,
    Rule::Trigger,
    Rule::Batch,
];

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Constant => "const",
            Self::Steps => "step",
            Self::Cosine => "cosine",
            Self::WarmupStableDecay => "WSD",
            Self::Speed => "speed",
            Self::SpeedFromEquilibrium => "eq-speed",
            Self::Trigger => "trigger",
            Self::Batch => "batch",
        }
    }

    fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Speed | Self::SpeedFromEquilibrium | Self::Trigger | Self::Batch
        )
    }

    /// The share of the initial rate at this share of the run, for the rules that do not look.
    fn planned(self, done: f64) -> f64 {
        match self {
            Self::Steps if done >= 0.75 => 0.01,
            Self::Steps if done >= 0.5 => 0.1,
            Self::Cosine => 0.5 * (1.0 + (PI * done).cos()),
            Self::WarmupStableDecay if done < 0.05 => (done / 0.05).max(0.01),
            Self::WarmupStableDecay if done > 0.8 => (1.0 - done) / 0.2,
            _ => 1.0,
        }
    }
}

/// Trains with eight schedules and compares what comes out.
#[derive(Debug, Parser)]
struct Arguments {
    /// The tasks; both unless told.
    #[arg(long, value_enum)]
    task: Vec<Task>,
    /// Optimiser steps of each run.
    #[arg(long, value_name = "COUNT")]
    steps: Option<usize>,
    /// Independent runs of each kind.
    #[arg(long, value_name = "COUNT")]
    seeds: Option<usize>,
    /// Initial learning rates, a factor √10 apart about 0.3.
    #[arg(long, value_name = "COUNT")]
    rates: Option<usize>,
    /// 8000 steps, 20 seeds and 7 rates instead of 1500, 10 and 5.
    #[arg(long)]
    full: bool,
    /// Write the answers as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the curves as SVG and PNG into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

/// The arguments with their defaults.
struct Plan {
    tasks: Vec<Task>,
    steps: usize,
    seeds: usize,
    rates: Vec<f64>,
}

impl Arguments {
    fn plan(&self) -> Result<Plan, String> {
        let default = |given: Option<usize>, reduced, full| {
            given.unwrap_or(if self.full { full } else { reduced })
        };
        let (steps, seeds) = (default(self.steps, 1500, 8000), default(self.seeds, 10, 20));
        let rates = default(self.rates, 5, 7);
        for (what, value, least, most) in [
            ("steps", steps, 2 * LOOKS, 10_000_000),
            ("seeds", seeds, 2, 10_000),
            ("rates", rates, 1, 21),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{what} is {value}: give {least} to {most}"));
            }
        }
        let mut tasks = self.task.clone();
        if tasks.is_empty() {
            tasks = vec![Task::Digits, Task::Mnist1d];
        }
        let middle = (rates / 2) as f64;
        Ok(Plan {
            tasks,
            steps,
            seeds,
            rates: (0..rates)
                .map(|i| 0.3 * 10_f64.powf(0.5 * (i as f64 - middle)))
                .collect(),
        })
    }
}

/// How a run ended, and how it went.
#[derive(Debug, Clone, Default)]
struct Outcome {
    loss: f64,
    accuracy: f64,
    examples: u64,
    coolings: u64,
    /// (step, η/B) in units of the start, at every look.
    temperature: Vec<(f64, f64)>,
}

fn controller(
    rule: Rule,
    start: HyperParameters,
    steps: u64,
) -> Result<Option<Controller<Box<dyn Schedule>>>, thermograd::Error> {
    let schedule: Box<dyn Schedule> = match rule {
        Rule::Speed => Box::new(ConstantSpeed::new(steps)?),
        Rule::SpeedFromEquilibrium => Box::new(ConstantSpeed::new(steps)?.from_equilibrium()),
        Rule::Trigger => Box::new(EquilibriumTriggered::default().horizon(steps)),
        Rule::Batch => Box::new(BatchGrowth::new(LARGEST_BATCH)?.horizon(steps)),
        _ => return Ok(None),
    };
    let eta = start.learning_rate;
    let bounds = Bounds::new(1e-6 * eta, eta)?.batch_sizes(BATCH, LARGEST_BATCH)?;
    Controller::new(schedule, bounds, start).map(Some)
}

fn run(
    data: &Digits,
    task: Task,
    (rule, eta, seed): (Rule, f64, u64),
    steps: usize,
) -> Result<Outcome, thermograd::Error> {
    let config = Config {
        learning_rate: eta,
        weight_decay: WEIGHT_DECAY,
        batch: BATCH,
        hidden: task.hidden(),
        steps,
        seed,
        ..Config::default()
    };
    let mut training = Training::new(&config, data);
    let start = HyperParameters::new(eta, BATCH);
    let mut controller = controller(rule, start, steps as u64)?;
    let mut outcome = Outcome::default();
    // Losses since the present look began: what the trigger reads.
    let mut stage = Vec::with_capacity(steps);
    let look = steps / LOOKS;
    for step in 0..steps {
        let mut now = start;
        if let Some(controller) = &mut controller {
            if step % look == 0 {
                let signals = Signals::new(step as u64).loss(&stage)?;
                let decision = controller.step(&signals);
                if decision.action.restarts_window() {
                    stage.clear();
                }
                outcome.coolings += u64::from(decision.action == Action::Cool);
            }
            now = controller.current();
        } else {
            now.learning_rate *= rule.planned(step as f64 / steps as f64);
        }
        training.optimizer.learning_rate = now.learning_rate;
        training.set_batch(now.batch_size);
        stage.push(training.gradient());
        training.update();
        outcome.examples += now.batch_size as u64;
        if step % look == 0 {
            let colder = now.learning_rate / eta * BATCH as f64 / now.batch_size as f64;
            outcome.temperature.push((step as f64, colder));
        }
    }
    let found = training.network.evaluate(&data.training, &data.test);
    (outcome.loss, outcome.accuracy) = (found.loss, found.accuracy);
    Ok(outcome)
}

/// All runs of a task: by rule, then rate, then seed.
struct Table {
    task: Task,
    rates: Vec<f64>,
    runs: Vec<Vec<Vec<Outcome>>>,
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> Estimate {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Estimate {
        value: mean,
        std_error: (variance / n).sqrt(),
        n_eff: n,
    }
}

impl Table {
    fn cell(&self, rule: usize, rate: usize) -> &[Outcome] {
        &self.runs[rule][rate]
    }

    fn loss(&self, rule: usize, rate: usize) -> Estimate {
        mean(self.cell(rule, rate).iter().map(|o| o.loss))
    }

    fn accuracy(&self, rule: usize, rate: usize) -> Estimate {
        mean(self.cell(rule, rate).iter().map(|o| o.accuracy))
    }

    /// The rate of the grid that is best on the test set.
    fn best(&self, rule: usize) -> usize {
        (0..self.rates.len())
            .min_by(|&a, &b| {
                let loss = |rate| self.loss(rule, rate).value;
                loss(a).total_cmp(&loss(b))
            })
            .unwrap_or(0)
    }

    fn middle(&self) -> usize {
        self.rates.len() / 2
    }

    /// Loss above the best of the grid, averaged over the grid: what not tuning costs, in pairs.
    fn sensitivity(&self, rule: usize) -> Estimate {
        let best = self.best(rule);
        let rates = 0..self.rates.len();
        mean((0..self.cell(rule, best).len()).map(|seed| {
            let at = |rate: usize| self.cell(rule, rate)[seed].loss;
            rates.clone().map(at).sum::<f64>() / rates.len() as f64 - at(best)
        }))
    }

    /// The best baseline at its best rate.
    fn champion(&self) -> (usize, usize) {
        let baselines = RULES.iter().enumerate().filter(|(_, rule)| !rule.is_ours());
        baselines
            .map(|(i, _)| (i, self.best(i)))
            .min_by(|a, b| {
                let loss = |&(rule, rate): &(usize, usize)| self.loss(rule, rate).value;
                loss(a).total_cmp(&loss(b))
            })
            .unwrap_or((0, 0))
    }

    /// Loss of ours less that of the champion, in pairs of seeds.
    fn behind(&self, rule: usize, rate: usize) -> Estimate {
        let (champion, at) = self.champion();
        let pairs = self.cell(rule, rate).iter().zip(self.cell(champion, at));
        mean(pairs.map(|(ours, theirs)| ours.loss - theirs.loss))
    }

    fn print(&self) {
        println!(
            "\n{}: final test loss and accuracy, mean ± standard error over {} seeds",
            self.task.name(),
            self.cell(0, 0).len(),
        );
        println!(
            "{:9} {:>6}  {:>17}  {:>15}  {:>11}  {:>17}",
            "schedule", "rate", "loss", "accuracy %", "examples", "cost of no tuning"
        );
        for (i, rule) in RULES.iter().enumerate() {
            let mut rates = vec![self.best(i)];
            if self.middle() != rates[0] {
                rates.insert(0, self.middle());
            }
            for rate in rates {
                let (loss, accuracy) = (self.loss(i, rate), self.accuracy(i, rate));
                let examples = mean(self.cell(i, rate).iter().map(|o| o.examples as f64));
                let cost = self.sensitivity(i);
                println!(
                    "{:9} {:>6.3}{} {:>8.4} ± {:.4}  {:>7.2} ± {:.2}  {:>12.0}  {:>8.4} ± {:.4}",
                    rule.name(),
                    self.rates[rate],
                    if rate == self.best(i) { '*' } else { ' ' },
                    loss.value,
                    loss.std_error,
                    100.0 * accuracy.value,
                    100.0 * accuracy.std_error,
                    examples.value,
                    cost.value,
                    cost.std_error,
                );
            }
        }
        let (champion, rate) = self.champion();
        println!(
            "* best of the grid on the test set. Best baseline: {} at {:.3}.",
            RULES[champion].name(),
            self.rates[rate]
        );
        for (i, rule) in RULES.iter().enumerate().filter(|(_, r)| r.is_ours()) {
            let untuned = self.behind(i, self.middle());
            let tuned = self.behind(i, self.best(i));
            println!(
                "{}: untuned {:+.4} ± {:.4} of its loss ({}), tuned {:+.4} ± {:.4} ({})",
                rule.name(),
                untuned.value,
                untuned.std_error,
                judge(&untuned),
                tuned.value,
                tuned.std_error,
                judge(&tuned),
            );
        }
    }

    fn json(&self) -> Value {
        let estimate = |e: &Estimate| json!({ "value": e.value, "std_error": e.std_error });
        let (champion, at) = self.champion();
        let rules: serde_json::Map<String, Value> = RULES
            .iter()
            .enumerate()
            .map(|(i, rule)| {
                let rates: Vec<Value> = (0..self.rates.len())
                    .map(|rate| {
                        let runs = self.cell(i, rate);
                        json!({
                            "learning_rate": self.rates[rate],
                            "test_loss": estimate(&self.loss(i, rate)),
                            "test_accuracy": estimate(&self.accuracy(i, rate)),
                            "examples": mean(runs.iter().map(|o| o.examples as f64)).value,
                            "coolings": mean(runs.iter().map(|o| o.coolings as f64)).value,
                            "above_best_baseline": estimate(&self.behind(i, rate)),
                        })
                    })
                    .collect();
                let answer = json!({
                    "rates": rates,
                    "best_rate": self.rates[self.best(i)],
                    "sensitivity": estimate(&self.sensitivity(i)),
                });
                (rule.name().to_owned(), answer)
            })
            .collect();
        json!({
            "best_baseline": { "schedule": RULES[champion].name(), "learning_rate": self.rates[at] },
            "untuned_learning_rate": self.rates[self.middle()],
            "schedules": rules,
        })
    }

    fn draw(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let name = self.task.name();
        let title = format!("{name}: loss over the initial learning rate");
        let mut loss = Plot::new(&title, "initial learning rate", "final test loss (nats)")
            .log_x()
            .log_y();
        let title = format!(
            "{name}: temperature of the bath from rate {:.2}",
            self.rates[self.middle()]
        );
        let mut temperature = Plot::new(&title, "step", "η/B over its start").log_y();
        for (i, rule) in RULES.iter().enumerate() {
            let at = |rate: usize| {
                let e = self.loss(i, rate);
                // Beside each other, not on top of each other.
                let aside = 10_f64.powf(0.02 * (i as f64 - 3.5));
                Point {
                    x: self.rates[rate] * aside,
                    y: e.value,
                    error: e.std_error,
                }
            };
            loss = loss.dots(rule.name(), (0..self.rates.len()).map(at));
            let run = self.cell(i, self.middle()).first();
            let path = run.map(|o| o.temperature.clone()).unwrap_or_default();
            let path = path.into_iter().map(|(step, t)| (step, t.max(1e-4)));
            temperature = if rule.is_ours() {
                temperature.line(rule.name(), path)
            } else {
                temperature.dashed(rule.name(), path)
            };
        }
        loss.save(&folder.join(format!("cooling_{name}_loss.svg")))?;
        temperature.save(&folder.join(format!("cooling_{name}_temperature.svg")))?;
        Ok(())
    }
}

fn judge(behind: &Estimate) -> &'static str {
    if behind.value < -behind.std_error {
        "better"
    } else if behind.value <= behind.std_error {
        "within one standard error"
    } else {
        "worse"
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let plan = arguments.plan()?;
    // What the theory of the norm says of the decay that all runs share, before they are run.
    for &rate in &plan.rates {
        let step = Step::new(0.0)
            .learning_rate(rate)
            .weight_decay(WEIGHT_DECAY);
        if let Some(advice) = decay_advice(&step, plan.steps as u64)?.ready() {
            println!(
                "rate {rate:.3}, decay {WEIGHT_DECAY}: {:.1} relaxations of the norm in {} steps; it settles from a decay of {:.1e} up",
                advice.relaxations, plan.steps, advice.least
            );
        }
    }
    let mut answers = serde_json::Map::new();
    for &task in &plan.tasks {
        let table = compare(task, &plan)?;
        table.print();
        answers.insert(task.name().to_owned(), table.json());
        if let Some(folder) = &arguments.plots {
            fs::create_dir_all(folder)?;
            table.draw(folder)?;
        }
    }
    if let Some(path) = &arguments.json {
        answers.insert(
            "settings".to_owned(),
            json!({ "steps": plan.steps, "seeds": plan.seeds, "learning_rates": plan.rates,
                "batch": BATCH, "largest_batch": LARGEST_BATCH, "weight_decay": WEIGHT_DECAY }),
        );
        fs::write(path, serde_json::to_string_pretty(&answers)?)?;
    }
    Ok(())
}

/// All runs of a task, on as many threads as the machine has cores.
fn compare(task: Task, plan: &Plan) -> Result<Table, Box<dyn Error>> {
    let data = match task {
        Task::Digits => Digits::load(DATA)?,
        Task::Mnist1d => mnist1d::generate(DATA),
    };
    let mut jobs = Vec::new();
    for rule in 0..RULES.len() {
        for rate in 0..plan.rates.len() {
            for seed in 0..plan.seeds {
                jobs.push((rule, rate, seed));
            }
        }
    }
    let style = ProgressStyle::with_template("{msg:8} {bar:30} {pos}/{len} {eta:>4}")?;
    let bar = ProgressBar::new(jobs.len() as u64)
        .with_style(style)
        .with_message(task.name());
    let empty = vec![vec![vec![Outcome::default(); plan.seeds]; plan.rates.len()]; RULES.len()];
    let (next, runs, failed) = (AtomicUsize::new(0), Mutex::new(empty), Mutex::new(None));
    let start = Instant::now();
    let work = || {
        while let Some(&(rule, rate, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let job = (RULES[rule], plan.rates[rate], seed as u64);
            let outcome = run(&data, task, job, plan.steps);
            // A poisoned lock means a thread that panicked: the scope will tell.
            match outcome {
                Ok(outcome) => {
                    if let Ok(mut runs) = runs.lock() {
                        runs[rule][rate][seed] = outcome;
                    }
                }
                Err(error) => {
                    if let Ok(mut failed) = failed.lock() {
                        *failed = Some(error);
                    }
                }
            }
            bar.inc(1);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    bar.finish_and_clear();
    if let Some(error) = failed.into_inner().map_err(|e| e.to_string())? {
        return Err(error.into());
    }
    println!(
        "{}: {} runs of {} steps in {:.0} s",
        task.name(),
        jobs.len(),
        plan.steps,
        start.elapsed().as_secs_f64()
    );
    Ok(Table {
        task,
        rates: plan.rates.clone(),
        runs: runs.into_inner().map_err(|e| e.to_string())?,
    })
}
