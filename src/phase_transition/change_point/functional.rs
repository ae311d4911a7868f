//! The programme of PELT for changes of the mean, with functional pruning, eight starts at a time.
//!
//! What it computes is told in [`pelt`](super::pelt); this is how. At every end `t` the best start is
//! found, and from the same costs follows at once where, on the axis of means, a segment that starts
//! at `t` can be better than those before it. It may be the last one only `minimum` elements later,
//! and whatever it beats goes no sooner than that.
//!
//! Between two starts the boundary is at `μ = x̄ ± √(lead σ²/n)`. Rounding must not drop an equal: the
//! lead is taken a little larger where a start loses ground to a new one, and a little smaller where
//! the new one loses to it.
#![expect(
    clippy::inline_always,
    reason = "what is called where vector instructions are allowed must be compiled there"
)]

use super::cost::{MeanCost, Moments, SegmentCost};

const LANES: usize = 8;
type Lane = [f64; LANES];

/// One problem of segmentation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Problem {
    pub(super) length: usize,
    pub(super) least: usize,
    pub(super) penalty: f64,
    /// Adds `ln(nᵢ / n)` to each segment.
    pub(super) modified: bool,
}

/// Where a last segment may start: eight such places, side by side.
#[derive(Debug, Clone, Copy)]
struct Eight {
    /// What is before: elements, their sum and that of their squares, and least cost.
    position: Lane,
    sum: Lane,
    square: Lane,
    before: Lane,
    /// The end from which on it cannot win.
    until: Lane,
    /// It can be the best only at means in here,
    low: Lane,
    high: Lane,
    /// but not in here.
    hole_low: Lane,
    hole_high: Lane,
    /// With a segment from here to the end in hand: the cost of all, what the best is chosen by,
    /// the mean of that segment, and σ² over its elements.
    value: Lane,
    reached: Lane,
    mean: Lane,
    flatness: Lane,
    /// How far from that mean it is better than a start at the end.
    lost: Lane,
}

/// Lanes that no start takes: infinitely dear.
const NOBODY: Eight = Eight {
    position: [-1.0; LANES],
    sum: [0.0; LANES],
    square: [0.0; LANES],
    before: [f64::INFINITY; LANES],
    until: [f64::INFINITY; LANES],
    low: [0.0; LANES],
    high: [0.0; LANES],
    hole_low: [f64::INFINITY; LANES],
    hole_high: [f64::NEG_INFINITY; LANES],
    value: [f64::INFINITY; LANES],
    reached: [f64::INFINITY; LANES],
    mean: [0.0; LANES],
    flatness: [0.0; LANES],
    lost: [0.0; LANES],
};

/// One of them, without what belongs to the end in hand.
#[derive(Debug, Clone, Copy)]
struct Start([f64; 9]);

impl Eight {
    const fn get(&self, lane: usize) -> Start {
        Start([
            self.position[lane],
            self.sum[lane],
            self.square[lane],
            self.before[lane],
            self.until[lane],
            self.low[lane],
            self.high[lane],
            self.hole_low[lane],
            self.hole_high[lane],
        ])
    }

    fn set(&mut self, lane: usize, start: Start) {
        [
            self.position[lane],
            self.sum[lane],
            self.square[lane],
            self.before[lane],
            self.until[lane],
            self.low[lane],
            self.high[lane],
            self.hole_low[lane],
            self.hole_high[lane],
        ] = start.0;
    }
}

/// What is the same for all starts at one end.
#[derive(Debug, Clone, Copy)]
struct End {
    moments: Moments,
    /// Elements that a segment has at least.
    least: f64,
    variance: f64,
    precision: f64,
}

impl Eight {
    /// Costs of segments up to an end.
    #[inline(always)]
    fn advance(&mut self, end: &End) {
        for i in 0..LANES {
            let n = end.moments.position - self.position[i];
            let inverse = 1.0 / n;
            let sum = end.moments.sum - self.sum[i];
            let square = end.moments.square - self.square[i] - sum * sum * inverse;
            let square = if square > 0.0 { square } else { 0.0 };
            let value = self.before[i] + square * end.precision;
            self.value[i] = value;
            self.reached[i] = if n >= end.least { value } else { f64::INFINITY };
            self.mean[i] = sum * inverse;
            self.flatness[i] = inverse * end.variance;
        }
    }

    /// Drops what is above the bar.
    #[inline(always)]
    fn drop_above(&mut self, bar: f64, until: f64) {
        for i in 0..LANES {
            let dear = self.reached[i] > bar && self.reached[i] < f64::INFINITY;
            let stays = self.until[i];
            self.until[i] = if dear && until < stays { until } else { stays };
        }
    }

    /// Divides the means between each and a new start that costs `best`.
    #[inline(always)]
    fn yield_to<const MODIFIED: bool>(
        &mut self,
        best: f64,
        (slack, room): (f64, f64),
        handicap: &Lane,
        until: f64,
    ) {
        for (i, handicap) in handicap.iter().enumerate() {
            let lead = best - self.value[i];
            let square = (lead - slack - handicap) * self.flatness[i];
            let lost = if square > 0.0 { square.sqrt() } else { 0.0 };
            // √(a + b) ≤ √a + √b, with no more than σ² for the flatness of b.
            let mut reach = lost + room;
            if MODIFIED {
                reach += (handicap * self.flatness[i]).sqrt();
            }
            let (low, high) = (self.mean[i] - reach, self.mean[i] + reach);
            let low = if low > self.low[i] { low } else { self.low[i] };
            let high = if high < self.high[i] {
                high
            } else {
                self.high[i]
            };
            let gone = lead + slack < 0.0
                || low > high
                || (self.hole_low[i] < low && high < self.hole_high[i]);
            (self.low[i], self.high[i], self.lost[i]) = (low, high, lost);
            let stays = self.until[i];
            let dead = gone && self.before[i] < f64::INFINITY && until < stays;
            self.until[i] = if dead { until } else { stays };
        }
    }
}

/// All starts that can still win, in order.
#[derive(Debug)]
struct Starts {
    eights: Vec<Eight>,
    len: usize,
}

impl Starts {
    fn push(&mut self, moments: Moments, before: f64, range: (f64, f64), hole: (f64, f64)) {
        let lane = self.len % LANES;
        if lane == 0 {
            self.eights.push(NOBODY);
        }
        self.len += 1;
        if let Some(last) = self.eights.last_mut() {
            last.position[lane] = moments.position;
            last.sum[lane] = moments.sum;
            last.square[lane] = moments.square;
            last.before[lane] = before;
            (last.low[lane], last.high[lane]) = range;
            (last.hole_low[lane], last.hole_high[lane]) = hole;
        }
    }

    /// Divides the means between all of these and a start at the end that costs `best`. Where the
    /// latter is never better: a bound of that.
    #[inline(always)]
    fn divide(&mut self, end: &End, best: f64, slack: f64, modified: bool) -> (f64, f64) {
        let at = end.moments.position;
        let until = at + end.least;
        let room = (2.0 * slack * end.variance).sqrt();
        let mut hole = NOTHING;
        let full = self.eights.len().saturating_sub(1) * LANES;
        let mut taken = self.len.saturating_sub(full);
        for eight in self.eights.iter_mut().rev() {
            let mut handicap = [0.0; LANES];
            let rounding = (slack, room);
            if modified {
                // What the penalty has against the older one at the first end where both may
                // be last, and less so later.
                for (handicap, position) in handicap.iter_mut().zip(eight.position) {
                    *handicap = ((end.least + at - position) / end.least).ln();
                }
                eight.yield_to::<true>(best, rounding, &handicap, until);
            } else {
                eight.yield_to::<false>(best, rounding, &handicap, until);
            }
            for lane in (0..taken).rev() {
                let (mean, lost) = (eight.mean[lane], eight.lost[lane]);
                let (low, high) = (mean - lost, mean + lost);
                if low < hole.1 && hole.0 < high {
                    hole = (smaller(hole.0, low), -smaller(-hole.1, -high));
                } else if high - low > hole.1 - hole.0 {
                    hole = (low, high);
                }
            }
            taken = LANES;
        }
        hole
    }

    /// Keeps those that can win at a later end than this.
    fn retain(&mut self, end: f64) {
        let mut kept = 0;
        for i in 0..self.len {
            let from = &self.eights[i / LANES];
            if from.until[i % LANES] > end {
                if kept < i {
                    let start = from.get(i % LANES);
                    self.eights[kept / LANES].set(kept % LANES, start);
                }
                kept += 1;
            }
        }
        self.eights.truncate(kept.div_ceil(LANES));
        if let Some(last) = self.eights.last_mut() {
            for lane in (kept - 1) % LANES + 1..LANES {
                last.set(lane, NOBODY.get(lane));
            }
        }
        self.len = kept;
    }
}

/// The change points of the best segmentation.
pub(super) fn programme(costs: &MeanCost, problem: &Problem) -> Vec<usize> {
    // The same operations, compiled for wider vectors: the bits are the same.
    #[cfg(feature = "simd")]
    {
        use fearless_simd::{Level, Simd, dispatch};
        dispatch!(Level::new(), simd => {
            let _ = simd.level();
            solve(costs, problem)
        })
    }
    #[cfg(not(feature = "simd"))]
    solve(costs, problem)
}

#[inline(always)]
fn solve(costs: &MeanCost, problem: &Problem) -> Vec<usize> {
    let (n, least) = (problem.length, problem.least);
    let range = costs.range();
    let share = |elements: usize| (elements as f64 / n as f64).ln();
    // What the modified penalty adds, by the length of the segment.
    let extra: Vec<f64> = if problem.modified {
        (0..=n).map(share).collect()
    } else {
        Vec::new()
    };
    let mut best = vec![f64::INFINITY; n + 1];
    let mut previous = vec![0_usize; n + 1];
    best[0] = -problem.penalty;
    let mut starts = Starts {
        eights: Vec::with_capacity(8),
        len: 0,
    };
    starts.push(costs.mark(0), best[0], range, NOTHING);
    let mut end = End {
        moments: costs.mark(0),
        least: least as f64,
        variance: 1.0 / costs.precision(),
        precision: costs.precision(),
    };
    for t in least..=n {
        end.moments = costs.mark(t);
        let at = end.moments.position;
        let mut smallest = [f64::INFINITY; LANES];
        for eight in &mut starts.eights {
            eight.advance(&end);
            if problem.modified {
                for (reached, position) in eight.reached.iter_mut().zip(eight.position) {
                    if *reached < f64::INFINITY {
                        *reached += extra[index(at - position)];
                    }
                }
            }
            for (smallest, &reached) in smallest.iter_mut().zip(&eight.reached) {
                *smallest = if reached < *smallest {
                    reached
                } else {
                    *smallest
                };
            }
        }
        let value = smallest
            .into_iter()
            .fold(f64::INFINITY, |a, b| if b < a { b } else { a });
        for eight in &starts.eights {
            if let Some(lane) = eight.reached.iter().position(|reached| *reached == value) {
                previous[t] = index(eight.position[lane]);
                break;
            }
        }
        best[t] = value + problem.penalty;

        let until = at + end.least;
        let slack = 1e-9 * (1.0 + best[t].abs());
        for eight in &mut starts.eights {
            eight.drop_above(best[t] + slack, until);
        }
        if t + least <= n {
            let hole = starts.divide(&end, best[t], slack, problem.modified);
            if starts.len == 0 || !(hole.0 < range.0 && range.1 < hole.1) {
                starts.push(end.moments, best[t], range, hole);
            }
        }
        let mut next_to_go = [f64::INFINITY; LANES];
        for eight in &starts.eights {
            for (next, &until) in next_to_go.iter_mut().zip(&eight.until) {
                *next = smaller(until, *next);
            }
        }
        if next_to_go.into_iter().fold(f64::INFINITY, smaller) <= at + 1.0 {
            starts.retain(at + 1.0);
        }
    }
    let (mut change_points, mut t) = (Vec::new(), previous[n]);
    while t > 0 {
        change_points.push(t);
        t = previous[t];
    }
    change_points.reverse();
    change_points
}

/// The smaller of two; the second where they are equal or no numbers.
#[inline]
const fn smaller(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// No mean at all.
const NOTHING: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in a series: a whole number, not negative"
)]
fn index(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests {
    use crate::phase_transition::change_point::{
        Cost, PeltConfig, Penalty, optimal_partitioning, pelt,
    };
    use crate::random::Random;

    /// Long enough for more starts than lanes.
    #[test]
    fn long_series_have_the_segmentation_of_the_full_programme() -> Result<(), crate::Error> {
        let mut random = Random::new(4);
        for (least, every) in [(1, 700), (2, 60), (5, 2000), (40, 300)] {
            let series: Vec<f64> = (0..1200)
                .map(|t| random.normal() + 1.5 * f64::from(u8::from(t / every % 2 == 1)))
                .collect();
            for penalty in [Penalty::Given(4.0), Penalty::Bic, Penalty::Mbic] {
                let config = PeltConfig::new(Cost::Mean)
                    .penalty(penalty)
                    .min_segment(least);
                let full = optimal_partitioning(&series, &config)?;
                assert_eq!(pelt(&series, &config)?, full, "{least} {every} {penalty:?}");
            }
        }
        Ok(())
    }
}
