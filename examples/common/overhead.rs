//! What observing costs a training step, measured in one run on a machine that does other things.
//!
//! A step without an observer, one observed at the default of 4 steps in 64, and one observed at every step follow
//! each other, in an order that turns, so that a slow moment is slow for all three. Of each turn of
//! 64 steps the median time counts, for a step that was interrupted says nothing; at 4 in 64 the steps
//! that are looked at and those that are passed over have a median each, and are weighted 4 to 60.
//! The answer is the median over turns of the extra time, with its standard error.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use thermograd::{Config, Groups, Observer};

/// Steps in a turn: one period of the default cadence.
const STEPS: usize = 64;

/// Trains `1 + turns` turns of 3 × 64 steps by `step`, and says what observing them cost.
pub(crate) fn overhead(
    turns: usize,
    groups: &Groups,
    mut step: impl FnMut(Option<&mut Observer>) -> Result<(), Box<dyn Error>>,
) -> Result<String, Box<dyn Error>> {
    let mut sparse = Observer::new(groups.clone())?;
    let mut dense = Observer::with_config(groups.clone(), Config::every_step())?;
    let mut extra = [Vec::new(), Vec::new()];
    let mut bare = Vec::new();
    for turn in 0..=turns {
        // Bare, passed over, looked at by the sparse observer, every step.
        let mut times: [Vec<f64>; 4] = Default::default();
        for i in 0..3 * STEPS {
            let (slot, observer) = match (i + i / 3) % 3 {
                0 => (0, None),
                1 => (1 + usize::from(sparse.is_due()), Some(&mut sparse)),
                _ => (3, Some(&mut dense)),
            };
            let start = Instant::now();
            step(observer)?;
            let elapsed: Duration = start.elapsed();
            times[slot].push(elapsed.as_secs_f64());
        }
        if turn == 0 {
            continue; // memory and caches are warm from here on
        }
        let [none, passed, looked, every] = times.each_mut().map(|times| median(times).0);
        bare.push(none);
        extra[0].push((60.0 * passed + 4.0 * looked) / 64.0 / none - 1.0);
        extra[1].push(every / none - 1.0);
    }
    let mut told = format!(
        "a step takes {:.2} ms; extra time, median of {turns} turns of 3 × {STEPS} steps:",
        1e3 * median(&mut bare).0
    );
    for (name, extra) in ["4 steps in 64", "every step"].iter().zip(&mut extra) {
        let (middle, error) = median(extra);
        told += &format!(
            "\n  {name:14} {:6.2} % ± {:.2} %",
            100.0 * middle,
            100.0 * error
        );
    }
    Ok(told)
}

/// Median, and its standard error from the distance of the quartiles.
fn median(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 {
        return (f64::INFINITY, f64::INFINITY);
    }
    let quartiles = values[3 * n / 4] - values[n / 4];
    (
        f64::midpoint(values[(n - 1) / 2], values[n / 2]),
        1.253 * quartiles / 1.349 / (n as f64).sqrt(),
    )
}
