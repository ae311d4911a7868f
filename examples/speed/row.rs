//! One row of the table: a target beside what was measured, and how a ratio is measured.
//!
//! A machine that others use too has no steady speed, so no time stands alone: two things are
//! timed in turn, over and over, and each turn gives one ratio. The median of those ratios is the
//! figure and their quartiles are its spread.
#![allow(dead_code, reason = "each half of the table uses its part")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How much time the whole table may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// The sizes of the table, in under five minutes.
    Full,
    /// Small sizes and few rounds, in under twenty seconds: does it run, and do its bits agree.
    Quick,
}

impl Effort {
    /// One of two settings.
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// Which side of its target a figure should lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// Median and quartiles of repeated measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) rounds: usize,
}

impl Spread {
    /// Of these measurements; zero where there are none.
    pub(crate) fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a length, at least 0"
            )]
            let index = (share * samples.len().saturating_sub(1) as f64).round() as usize;
            samples.get(index).copied().unwrap_or_default()
        };
        Self {
            median: at(0.5),
            low: at(0.25),
            high: at(0.75),
            rounds: samples.len(),
        }
    }

    /// A figure that has no spread, such as an error of rounding.
    pub(crate) fn exact(value: f64) -> Self {
        Self::of(vec![value])
    }
}

/// Two things timed in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paired {
    /// Time of the first over time of the second.
    pub(crate) ratio: Spread,
    /// Seconds that one call of the first takes.
    pub(crate) first: Spread,
    /// Seconds that one call of the second takes.
    pub(crate) second: Spread,
}

/// Times two things in turn, `rounds` times but for no longer than about `limit`, and at least
/// three times. Quick ones are called often enough in a row for the clock to see them.
pub(crate) fn paired(
    rounds: usize,
    limit: Duration,
    mut first: impl FnMut(),
    mut second: impl FnMut(),
) -> Paired {
    let begin = Instant::now();
    let (first_calls, second_calls) = (calls(&mut first), calls(&mut second));
    let (mut ratios, mut firsts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds.max(3) {
        if round >= 3 && begin.elapsed() > limit {
            break;
        }
        // Whoever goes second finds the caches as the other left them: take turns in that too.
        let (a, b) = if round % 2 == 0 {
            let a = time(&mut first, first_calls);
            (a, time(&mut second, second_calls))
        } else {
            let b = time(&mut second, second_calls);
            (time(&mut first, first_calls), b)
        };
        ratios.push(a / b);
        firsts.push(a);
        seconds.push(b);
    }
    Paired {
        ratio: Spread::of(ratios),
        first: Spread::of(firsts),
        second: Spread::of(seconds),
    }
}

/// Calls that take a fifth of a millisecond together, after one to warm up.
fn calls(work: &mut impl FnMut()) -> u32 {
    work();
    let once = time(work, 1).max(1e-9);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 200 000"
    )]
    let calls = (2e-4 / once).clamp(1.0, 2e5) as u32;
    calls
}

/// Seconds a call, over that many calls.
pub(crate) fn time(work: &mut impl FnMut(), calls: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..calls {
        work();
    }
    begin.elapsed().as_secs_f64() / f64::from(calls)
}

/// A target and what was measured of it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What is measured, and against what.
    pub(crate) name: String,
    pub(crate) better: Better,
    pub(crate) target: f64,
    pub(crate) ratio: Spread,
    /// Of target and ratio: `of bandwidth`, `times faster`, `nats`.
    pub(crate) unit: &'static str,
    /// What the ratio is made of, such as GB/s, or why a row could not be measured here.
    pub(crate) note: String,
}

impl Row {
    /// Whether the median lies on the right side of the target.
    pub(crate) fn met(&self) -> bool {
        match self.better {
            Better::Higher => self.ratio.median >= self.target,
            Better::Lower => self.ratio.median <= self.target,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "better": match self.better { Better::Higher => "higher", Better::Lower => "lower" },
            "target": self.target,
            "median": self.ratio.median,
            "quartiles": [self.ratio.low, self.ratio.high],
            "rounds": self.ratio.rounds,
            "unit": self.unit,
            "met": self.met(),
            "note": self.note,
        })
    }
}

/// A line of a log-log plot of time against a size.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    /// The picture it belongs to, `speed_d`: the name of its file.
    pub(crate) picture: &'static str,
    /// The axes of that picture.
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// Its name in the legend.
    pub(crate) name: String,
    /// Size and seconds.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) fn json(&self) -> Value {
        json!({
            "picture": self.picture,
            "x": self.x,
            "y": self.y,
            "name": self.name,
            "points": self.points,
        })
    }
}
