//! What observing costs: the same network three times, in turns of 64 steps, in one run.
//!
//! Each turn trains bare, observed at the default cadence of 4 steps in 64, and observed at every
//! step, in an order that rotates; the ratio of times within a turn cancels whatever else the
//! machine does for longer than a turn. The median of the turns is told with the median's own
//! error, from the spread of the turns.

use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use burn::train::Learner;
use thermograd::Config;

use crate::data::{self, Batch};
use crate::model::Network;
use crate::{Args, instrumented, optimizer, watch_config};

const TURNS: usize = 30;
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
    let (model, _default) = instrumented(device, watch_config(args, images))?;
    let mut default = Learner::new(model, optimizer(args), rate);
    let every_step = Config::every_step();
    let (model, watch) = instrumented(device, watch_config(args, images).observer(every_step))?;
    let mut every = Learner::new(model, optimizer(args), rate);

    let mut at = 0;
    let mut next = || {
        at += 1;
        batches[at % batches.len()].clone()
    };
    macro_rules! turn {
        ($learner:expr) => {{
            let begin = Instant::now();
            for _ in 0..STEPS {
                let output = $learner.train_step(next());
                $learner.lr_step();
                $learner.optimizer_step(output.grads);
            }
            begin.elapsed().as_secs_f64()
        }};
    }
    let mut ratios = [Vec::new(), Vec::new()];
    let mut step = Vec::new();
    for round in 0..=TURNS {
        let mut times = [0.0; 3];
        for place in 0..3 {
            let which = (round + place) % 3;
            times[which] = match which {
                0 => turn!(bare),
                1 => turn!(default),
                _ => turn!(every),
            };
        }
        // The first turn warms up.
        if round > 0 {
            step.push(times[0] / STEPS as f64);
            ratios[0].push(times[1] / times[0] - 1.0);
            ratios[1].push(times[2] / times[0] - 1.0);
        }
    }
    let (milliseconds, _) = median(&mut step);
    println!(
        "{:.2} ms a step, batches of {}, {TURNS} turns of {STEPS} steps",
        1e3 * milliseconds,
        2 * args.batch
    );
    for (name, ratios) in ["4 steps in 64", "every step"].iter().zip(&mut ratios) {
        let (value, error) = median(ratios);
        println!("{name:>14}: {:+.2} % ± {:.2} %", 1e2 * value, 1e2 * error);
    }
    if let Some(error) = watch.error() {
        return Err(error.into());
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
