//! Overheating, seen tens of steps ahead from what every step brings anyway.
//!
//! Three series are followed by exponential means of a short horizon: the loss, `ln(|Δ|²/η²)`, and the edge ratio
//!
//! <!-- math
//! e = \frac{\mu - \rho_1}{1 + \mu}, \qquad \rho_1 = \frac{\langle \Delta \cdot \Delta_{-1} \rangle}{\langle |\Delta|^2 \rangle}
//! -->
#![doc = include_str!("../math/phase_transition_overheating.html")]
//!
//! which is `x/2(1 + μ)` for a mode of stiffness `x = ηa` and 1 at the edge of stability, weighted by what each mode
//! contributes to the motion. Division by `η²` takes out of the steps what the learning rate itself put in: in a bath that is
//! merely heated they stay as they were.
//!
//! Loss and steps are compared with what the run did lately. Of each block of [`BLOCK`] steps the highest and the lowest short
//! mean are kept, for [`BLOCKS`] blocks; the level is the median of the highest, and the unit of growth is the median spread
//! between the two. This knows no zero of the energy and no scale, so it is the same for a loss of 0.01 and of −1000, in a
//! bath of one coordinate and of a million.
//!
//! | cause | condition |
//! |---|---|
//! | edge ratio | `e > 0.9`; or `e > 0.4` while `e` is one spread above its level, steps and loss are 1¼, and steps 1.3 times it |
//! | growth | steps and loss both two spreads above their level, and steps 2 times it |
//! | effective rate | `η²|g|² ≥ |w|²` on a scale-invariant group whose norm is not free |
//! | gas energy | the loss at that of the declared gas from below, steps one spread above their level and 1.3 times it |
//!
//! Measured (`tests/it/events.rs`): with the learning rate of harmonic baths of 1, 20 and 100 coordinates raised
//! 15-fold over 4000 steps through the edge of stability, and that of the digits network without normalisation 200-fold, each
//! without and with momentum, the alarm came 53 to 1176 steps before the loss was ten times its level, in all of 60 runs.
//! In 260 runs that stay where they are it came once.
//!
//! All of this counts observed steps. At 4 steps in 64, the observer's default, the level takes 4096 steps of the run and
//! the edge ratio a thousand: enough for a slow drift to the edge, and too late for what diverges within a hundred steps.
//!
//! When it lies: a fall over a barrier, as in a quartic valley that noise leaves in one kick, gives no sign before it
//! comes. Divergence from the first steps on leaves no time for a level, and only the edge ratio and values that are not finite are seen. A learning rate that is raised many times over in one step looks like what it often is.

use super::Cause;
use crate::phase_transition::series::median;
use crate::{Ensemble, Moment, Protocol, Step};

/// Steps in the memory of a short mean.
const HORIZON: f64 = 16.0;
/// Steps in the memory of the edge ratio, which compares products and scatters more.
const EDGE_HORIZON: f64 = 32.0;
/// The edge itself, within what 32 steps can tell.
const AT_THE_EDGE: f64 = 0.9;
/// An edge ratio that matters while everything grows.
const NEAR_THE_EDGE: f64 = 0.4;
/// Steps of a block.
const BLOCK: u32 = 32;
/// Blocks remembered.
const BLOCKS: usize = 32;
/// Blocks without which there is no level.
const FEWEST_BLOCKS: usize = 8;
/// Steps without alarm after which the next one is announced anew.
const QUIET: u32 = 256;

/// Exponential mean that starts as a plain one.
#[derive(Debug, Clone, Copy, Default)]
struct Smooth {
    value: f64,
    seen: f64,
}

impl Smooth {
    fn push(&mut self, x: f64, horizon: f64) {
        self.seen = (self.seen + 1.0).min(horizon);
        self.value += (x - self.value) / self.seen;
    }
}

/// A short mean and its recent range.
#[derive(Debug, Clone)]
struct Track {
    short: Smooth,
    horizon: f64,
    low: f64,
    high: f64,
    lows: [f64; BLOCKS],
    highs: [f64; BLOCKS],
    /// Medians of the above: the level, and the spread.
    level: f64,
    spread: f64,
}

impl Track {
    const fn new(horizon: f64) -> Self {
        Self {
            horizon,
            short: Smooth {
                value: 0.0,
                seen: 0.0,
            },
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            lows: [0.0; BLOCKS],
            highs: [0.0; BLOCKS],
            level: f64::INFINITY,
            spread: 0.0,
        }
    }

    fn push(&mut self, x: f64) {
        self.short.push(x, self.horizon);
        self.low = self.low.min(self.short.value);
        self.high = self.high.max(self.short.value);
    }

    fn close(&mut self, slot: usize, filled: usize) {
        self.lows[slot] = self.low;
        self.highs[slot] = self.high;
        (self.low, self.high) = (f64::INFINITY, f64::NEG_INFINITY);
        if filled >= FEWEST_BLOCKS {
            let (mut highs, mut spreads) = (self.highs, self.highs);
            for (spread, low) in spreads.iter_mut().zip(&self.lows) {
                *spread -= low;
            }
            self.level = median(&mut highs[..filled]);
            self.spread = median(&mut spreads[..filled]);
        }
    }

    /// How many spreads above the level.
    fn above(&self, spreads: f64) -> bool {
        self.short.value > self.level + spreads * self.spread
    }
}

/// What is followed of one group.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    loss: Track,
    steps: Track,
    edge: Track,
    square: Smooth,
    product: Smooth,
    angle: Smooth,
    in_block: u32,
    slot: usize,
    filled: usize,
    /// Steps since the condition last held; `None` before it ever did.
    quiet: Option<u32>,
}

impl Alarm {
    pub(crate) const fn new() -> Self {
        let zero = Smooth {
            value: 0.0,
            seen: 0.0,
        };
        Self {
            loss: Track::new(HORIZON),
            steps: Track::new(HORIZON),
            edge: Track::new(1.0),
            square: zero,
            product: zero,
            angle: zero,
            in_block: 0,
            slot: 0,
            filled: 0,
            quiet: None,
        }
    }

    /// Takes in one step of a group: its facts, those of the step before, which made the displacement, and its products. Answers
    /// when overheating is news.
    pub(crate) fn push(
        &mut self,
        (step, before): (&Step, Option<&Step>),
        group: &Ensemble,
        scale_invariant: bool,
        gas_energy: Option<f64>,
    ) -> Option<Cause> {
        let bound = scale_invariant && step.protocol != Protocol::FixedLearningRate;
        if bound && let Some(angle) = group.mean(Moment::StepAngleSquared) {
            self.angle.push(angle, HORIZON);
        }
        let square = group
            .mean(Moment::StepSquared)
            .filter(|&square| square > 0.0);
        let (Some(square), Some(before)) = (square, before) else {
            return self.report(None);
        };
        let rate = before.learning_rate.filter(|&rate| rate > 0.0);
        // Below the smallest normal numbers logarithms are of rounding.
        let scaled = square / rate.map_or(1.0, |rate| rate * rate);
        if scaled > 1e-300 {
            self.steps.push(scaled.ln());
        }
        self.loss.push(step.loss);
        if let Some(product) = group.mean(Moment::StepProduct) {
            self.square.push(square, EDGE_HORIZON);
            self.product.push(product, EDGE_HORIZON);
        }
        let edge = self.edge_ratio(before.optimizer.momentum());
        if let Some(edge) = edge {
            self.edge.push(edge);
        }
        let cause = self.judge(edge, gas_energy);
        self.in_block += 1;
        if self.in_block == BLOCK {
            self.in_block = 0;
            self.filled = (self.filled + 1).min(BLOCKS);
            self.loss.close(self.slot, self.filled);
            self.steps.close(self.slot, self.filled);
            self.edge.close(self.slot, self.filled);
            self.slot = (self.slot + 1) % BLOCKS;
        }
        self.report(cause)
    }

    /// The edge ratio of the last steps.
    fn edge_ratio(&self, momentum: f64) -> Option<f64> {
        (self.square.seen >= EDGE_HORIZON && self.square.value > 0.0)
            .then(|| (momentum - self.product.value / self.square.value) / (1.0 + momentum))
    }

    fn judge(&self, edge: Option<f64>, gas_energy: Option<f64>) -> Option<Cause> {
        let grown = |spreads: f64, factor: f64| {
            self.steps.above(spreads) && self.steps.short.value > self.steps.level + factor.ln()
        };
        let hotter = |spreads: f64| self.loss.above(spreads);
        let nearer = || self.edge.above(1.0) && grown(1.25, 1.3) && hotter(1.25);
        if edge.is_some_and(|e| e > AT_THE_EDGE || (e > NEAR_THE_EDGE && nearer())) {
            return Some(Cause::EdgeRatio);
        }
        if grown(2.0, 2.0) && hotter(2.0) {
            return Some(Cause::StepGrowth);
        }
        if self.angle.seen >= HORIZON && self.angle.value >= 1.0 {
            return Some(Cause::EffectiveRate);
        }
        let loss = &self.loss;
        if gas_energy.is_some_and(|gas| loss.short.value >= gas && loss.level < gas)
            && grown(1.0, 1.3)
        {
            return Some(Cause::GasEnergy);
        }
        None
    }

    /// A condition that goes on is told once.
    fn report(&mut self, cause: Option<Cause>) -> Option<Cause> {
        let news = self.quiet.is_none_or(|quiet| quiet >= QUIET);
        match (cause, self.quiet) {
            (Some(_), _) => self.quiet = Some(0),
            (None, Some(quiet)) => self.quiet = Some(quiet.saturating_add(1)),
            (None, None) => {}
        }
        cause.filter(|_| news)
    }
}
