//! What observing costs: the same network three times, step by step in turn, in one run.
//!
//! One trains bare, one observed at the default cadence of 4 steps in 64, and one observed at every
//! step, in an order that rotates, so that a slow moment is slow for all three. Of each turn of 64
//! steps the median time counts, for a step that was interrupted says nothing; at 4 in 64 the steps
//! that are looked at and those that are passed over have a median each, and are weighted 4 to 60.
//! The answer is the median over turns of the extra time, with its standard error.

use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use burn::train::Learner;
use thermograd::Config;

use crate::data::{self, Batch};
use crate::model::Network;
use crate::{Args, instrumented, optimizer, watch_config};

const TURNS: usize = 60;
const STEPS: usize = 64;

pub(crate) fn measure(args: &Args, device: &Device) -> Result<(), Box<dyn Error>> {
    let (digits, _) = data::load(args.seed)?;
    let images = digits.len();
    let batches: Vec<Batch> = digits
        .chunks_exact(2 * args.batch)
        .map(|chunk| data::batch(chunk, device))
        .collect();
    let rate = args.learning_rate;
    let mut bare = Learner::new(Network::new(device), optimizer(args), rate);
    let (model, sparse) = instrumented(device, watch_config(args, images))?;
    let mut default = Learner::new(model, optimizer(args), rate);
    let every_step = Config::every_step();
    let (model, watch) = instrumented(device, watch_config(args, images).observer(every_step))?;
    let mut every = Learner::new(model, optimizer(args), rate);

    let mut at = 0;
    let mut next = || {
        at += 1;
        batches[at % batches.len()].clone()
    };
    macro_rules! timed {
        ($learner:expr) => {{
            let begin = Instant::now();
            let output = $learner.train_step(next());
            $learner.lr_step();
            $learner.optimizer_step(output.grads);
            begin.elapsed().as_secs_f64()
        }};
    }
    let mut ratios = [Vec::new(), Vec::new()];
    let mut step = Vec::new();
    for turn in 0..=TURNS {
        // Bare, passed over, looked at by the sparse observer, every step.
        let mut times: [Vec<f64>; 4] = Default::default();
        for i in 0..3 * STEPS {
            let (slot, seconds) = match (i + i / 3) % 3 {
                0 => (0, timed!(bare)),
                1 => {
                    let due = sparse.with_observer(|observer| observer.is_due());
                    (1 + usize::from(due), timed!(default))
                }
                _ => (3, timed!(every)),
            };
            times[slot].push(seconds);
        }
        // The first turn warms up.
        if turn > 0 {
            let [none, passed, looked, all] = times.each_mut().map(|times| median(times).0);
            step.push(none);
            ratios[0].push((60.0 * passed + 4.0 * looked) / 64.0 / none - 1.0);
            ratios[1].push(all / none - 1.0);
        }
    }
    let (milliseconds, _) = median(&mut step);
    println!(
        "{:.2} ms a step, batches of {}, {TURNS} turns of 3 × {STEPS} steps",
        1e3 * milliseconds,
        2 * args.batch
    );
    for (name, ratios) in ["4 steps in 64", "every step"].iter().zip(&mut ratios) {
        let (value, error) = median(ratios);
        println!("{name:>14}: {:+.2} % ± {:.2} %", 1e2 * value, 1e2 * error);
    }
    for watch in [sparse, watch] {
        if let Some(error) = watch.error() {
            return Err(error.into());
        }
    }
    Ok(())
}

/// The median and its standard error, 1.25 times that of a mean of normal values, the deviation
/// taken from the quartiles.
fn median(values: &mut [f64]) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    let deviation = (at(0.75) - at(0.25)) / 1.349;
    (at(0.5), 1.253 * deviation / (values.len() as f64).sqrt())
}
