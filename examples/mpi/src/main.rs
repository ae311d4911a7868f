//! Does a distributed run read as a single process does? Two kinds of parallelism, every metric.
//!
//! *Data-parallel*: each rank has all weights and a part of the batch. The gradient is averaged as
//! it is anyway; beyond that each rank gives the squared norm of its local gradient, one number,
//! and the noise of the step is known. *Tensor-parallel*: each rank has a part of the weights. It
//! observes its shard, the sums of all shards are added, and every rank holds the whole's readings.
//!
//! Either is compared with the same training in one process, which takes the ranks' parts of the
//! batch as accumulated micro-batches.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

use std::error::Error;
use std::num::NonZeroU64;

use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};
use thermograd::noise::{BatchGradient, GradientNoise, GradientVariance, Replicas};
use thermograd::systems::Random;
use thermograd::{
    Config, GroupId, Groups, Observer, Reading, Report, Step, Sums, Symmetry, Window, from_fn,
};

const WEIGHTS: usize = 512;
const BATCH: usize = 64;
const STEPS: usize = 3000;
/// The run settles in the first window and is read in the second.
const WINDOW: u64 = 1500;
const RATE: f64 = 0.2;
const DECAY: f64 = 0.1;
const MOMENTUM: f64 = 0.5;
/// Relative difference that the order of additions may make, over all steps.
const ROUNDING: f64 = 1e-9;

type Answer<T> = Result<T, Box<dyn Error>>;

/// Least squares on examples that are drawn anew at every step, the same on every rank.
struct Task {
    truth: Vec<f64>,
    random: Random,
    inputs: Vec<f64>,
    targets: Vec<f64>,
}

impl Task {
    fn new() -> Self {
        let mut random = Random::new(1);
        let truth = (0..WEIGHTS).map(|_| random.normal() / 22.0).collect();
        Self {
            truth,
            random,
            inputs: vec![0.0; BATCH * WEIGHTS],
            targets: vec![0.0; BATCH],
        }
    }

    fn draw(&mut self) {
        for (x, y) in self.inputs.chunks_mut(WEIGHTS).zip(&mut self.targets) {
            // Curvature 1/16 in each direction.
            for x in x.iter_mut() {
                *x = self.random.normal() / 4.0;
            }
            *y = dot(x, &self.truth) + self.random.normal();
        }
    }

    fn example(&self, i: usize) -> (&[f64], f64) {
        (
            &self.inputs[i * WEIGHTS..(i + 1) * WEIGHTS],
            self.targets[i],
        )
    }

    /// Mean loss over a part of the batch, and its gradient.
    fn gradient(&self, weights: &[f64], part: std::ops::Range<usize>) -> (f64, Vec<f64>) {
        let n = part.len() as f64;
        let mut gradient = vec![0.0; WEIGHTS];
        let mut loss = 0.0;
        for i in part {
            let (x, y) = self.example(i);
            let error = dot(x, weights) - y;
            loss += 0.5 * error * error / n;
            for (g, x) in gradient.iter_mut().zip(x) {
                *g += error * x / n;
            }
        }
        (loss, gradient)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Heavy ball with coupled decay.
fn update(weights: &mut [f64], velocity: &mut [f64], gradient: &[f64]) {
    for ((w, v), g) in weights.iter_mut().zip(velocity).zip(gradient) {
        *v = MOMENTUM * *v + g + DECAY * *w;
        *w -= RATE * *v;
    }
}

fn facts(loss: f64) -> Step {
    Step::new(loss)
        .learning_rate(RATE)
        .weight_decay(DECAY)
        .momentum(MOMENTUM)
        .batch_size(BATCH)
}

fn observer() -> Answer<(Observer, GroupId)> {
    let mut groups = Groups::new();
    let group = groups.add("weights", Symmetry::Generic);
    let length = NonZeroU64::new(WINDOW).unwrap_or(NonZeroU64::MIN);
    let config = Config::every_step().window(Window::Tumbling(length));
    Ok((Observer::with_config(groups, config)?, group))
}

fn all_reduce(world: &SimpleCommunicator, values: &mut [f64]) {
    let mine = values.to_vec();
    world.all_reduce_into(&mine[..], values, SystemOperation::sum());
}

/// One process; the batch in `parts` accumulated micro-batches.
fn single(parts: usize) -> Answer<Report> {
    let mut task = Task::new();
    let (mut observer, group) = observer()?;
    let (mut weights, mut velocity) = (vec![0.0; WEIGHTS], vec![0.0; WEIGHTS]);
    let mut accumulated = GradientVariance::default();
    for _ in 0..STEPS {
        task.draw();
        accumulated.clear();
        let mut loss = 0.0;
        for part in 0..parts {
            let share = BATCH / parts;
            let (local, gradient) = task.gradient(&weights, part * share..(part + 1) * share);
            loss += local / parts as f64;
            accumulated.push(&gradient)?;
        }
        let gradient = accumulated.mean();
        let noise = accumulated.noise();
        observe(
            &mut observer,
            group,
            &facts(loss),
            (&weights, gradient),
            &noise,
        )?;
        update(&mut weights, &mut velocity, gradient);
    }
    Ok(observer.report())
}

fn observe(
    observer: &mut Observer,
    group: GroupId,
    facts: &Step,
    (weights, gradient): (&[f64], &[f64]),
    noise: &Reading<GradientNoise>,
) -> Answer<()> {
    let snapshot = from_fn(|out| {
        out.tensor(group, weights, gradient)?;
        match noise.ready() {
            Some(noise) => out.noise(group, noise),
            None => Ok(()),
        }
    });
    observer.observe(facts, &snapshot)?;
    Ok(())
}

fn data_parallel(world: &SimpleCommunicator) -> Answer<Report> {
    let (rank, ranks) = (
        usize::try_from(world.rank())?,
        usize::try_from(world.size())?,
    );
    let share = BATCH / ranks;
    let mut task = Task::new();
    let (mut observer, group) = observer()?;
    let (mut weights, mut velocity) = (vec![0.0; WEIGHTS], vec![0.0; WEIGHTS]);
    for _ in 0..STEPS {
        task.draw();
        let (loss, mut gradient) = task.gradient(&weights, rank * share..(rank + 1) * share);
        // What any data-parallel training does: loss and gradient are averaged.
        let mut replicas = Replicas::default();
        replicas.push(BatchGradient {
            batch_size: share,
            squared_norm: dot(&gradient, &gradient),
        })?;
        all_reduce(world, &mut gradient);
        gradient.iter_mut().for_each(|g| *g /= ranks as f64);
        // What the library adds: four numbers.
        let mut flat = replicas.to_array();
        all_reduce(world, &mut flat);
        let noise = Replicas::from_array(flat)?.noise(dot(&gradient, &gradient))?;
        let mut mean = [loss / ranks as f64];
        all_reduce(world, &mut mean);
        observe(
            &mut observer,
            group,
            &facts(mean[0]),
            (&weights, &gradient),
            &noise,
        )?;
        update(&mut weights, &mut velocity, &gradient);
    }
    Ok(observer.report())
}

/// Each rank has a range of the weights; predictions are sums over ranks.
fn tensor_parallel(world: &SimpleCommunicator, parts: usize) -> Answer<Report> {
    let (rank, ranks) = (
        usize::try_from(world.rank())?,
        usize::try_from(world.size())?,
    );
    let len = WEIGHTS / ranks;
    let mine = rank * len..(rank + 1) * len;
    let mut task = Task::new();
    // One observer remembers the shard's past, the other reads the whole.
    let (mut shard, piece) = observer()?;
    let (mut whole, group) = observer()?;
    let (mut weights, mut velocity) = (vec![0.0; len], vec![0.0; len]);
    let mut accumulated = GradientVariance::default();
    for _ in 0..STEPS {
        task.draw();
        let mut errors: Vec<f64> = (0..BATCH)
            .map(|i| dot(&task.example(i).0[mine.clone()], &weights))
            .collect();
        all_reduce(world, &mut errors);
        let mut loss = 0.0;
        for (i, error) in errors.iter_mut().enumerate() {
            *error -= task.example(i).1;
            loss += 0.5 * *error * *error / BATCH as f64;
        }
        accumulated.clear();
        for part in 0..parts {
            let share = BATCH / parts;
            let mut gradient = vec![0.0; len];
            for i in part * share..(part + 1) * share {
                let x = &task.example(i).0[mine.clone()];
                for (g, x) in gradient.iter_mut().zip(x) {
                    *g += errors[i] * x / share as f64;
                }
            }
            accumulated.push(&gradient)?;
        }
        let gradient = accumulated.mean();
        let facts = facts(loss);
        let noise = accumulated.noise();
        observe(&mut shard, piece, &facts, (&weights, gradient), &noise)?;
        let mut flat = shard.sums(piece)?.ok_or("nothing was observed")?.to_array();
        all_reduce(world, &mut flat);
        let total = Sums::from_array(flat);
        whole.observe(&facts, &from_fn(|out| out.sums(group, &total)))?;
        update(&mut weights, &mut velocity, gradient);
    }
    Ok(whole.report())
}

/// The largest relative difference of ready readings; an error where one is ready and one is not.
fn compare(ours: &Report, reference: &Report) -> Answer<(f64, usize)> {
    let (mut worst, mut count) = (0.0_f64, 0);
    for (a, b) in ours.iter().zip(reference) {
        match (&a.reading, &b.reading) {
            (Reading::Ready(x), Reading::Ready(y)) => {
                // On the scale of the error bar, where the value itself is near zero.
                let scale = y.value.abs().max(y.std_error);
                let off = (x.value - y.value).abs() / scale.max(f64::MIN_POSITIVE);
                worst = worst.max(off);
                count += 1;
            }
            (x, y) if std::mem::discriminant(x) == std::mem::discriminant(y) => {}
            (x, y) => return Err(format!("{}: {x} against {y}", a.metric.name()).into()),
        }
    }
    Ok((worst, count))
}

fn main() -> Answer<()> {
    let universe = mpi::initialize().ok_or("MPI does not start")?;
    let world = universe.world();
    let ranks = usize::try_from(world.size())?;
    if BATCH % ranks != 0 || BATCH / ranks < 1 {
        return Err(format!("{ranks} ranks: give a divisor of {BATCH}").into());
    }
    let parts = if ranks == 1 { 2 } else { ranks };
    let reference = single(parts)?;
    let mut runs = vec![("tensor-parallel", tensor_parallel(&world, parts)?)];
    if ranks > 1 {
        runs.push(("data-parallel", data_parallel(&world)?));
    }
    for (name, report) in runs {
        let (worst, count) = compare(&report, &reference)?;
        if world.rank() == 0 {
            println!(
                "{name}, {ranks} ranks: {count} readings equal those of one process to {worst:.1e}"
            );
        }
        if worst > ROUNDING || count < 15 {
            return Err(format!("{name}: {count} readings, off by {worst:e}").into());
        }
    }
    if world.rank() == 0 {
        println!("\n{reference}");
    }
    Ok(())
}
