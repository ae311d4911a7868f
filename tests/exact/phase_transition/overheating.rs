//! Values by hand, closed forms and boundaries: overheating.

use super::running::{Loop, median};
use super::*;
use thermograd::phase_transition::{Cause, Event, MonitorConfig};
use thermograd::{Protocol, Step, Symmetry};

/// A mean that forgets: the newest weighs 1/n, but never less than 1/horizon.
#[derive(Default)]
struct Short(f64, f64);

impl Short {
    fn push(&mut self, x: f64, horizon: f64) {
        self.1 = horizon.min(self.1 + 1.0);
        self.0 = self.0 * (1.0 - 1.0 / self.1) + x / self.1;
    }
}

/// A short mean, and of each full block of 32 the highest and the lowest it had.
#[derive(Default)]
struct Track {
    now: Short,
    block: Vec<f64>,
    blocks: Vec<(f64, f64)>,
    /// Level and spread over the last 32 blocks, of which there must be 8.
    level: Option<(f64, f64)>,
}

impl Track {
    fn push(&mut self, x: f64, horizon: f64) {
        self.now.push(x, horizon);
        self.block.push(self.now.0);
    }

    fn close(&mut self) {
        let high = self.block.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = self.block.iter().copied().fold(f64::INFINITY, f64::min);
        self.blocks.push((high, low));
        self.block.clear();
        let last = &self.blocks[self.blocks.len().saturating_sub(32)..];
        if last.len() >= 8 {
            let highs: Vec<f64> = last.iter().map(|b| b.0).collect();
            let spreads: Vec<f64> = last.iter().map(|b| b.0 - b.1).collect();
            self.level = Some((median(&highs), median(&spreads)));
        }
    }

    fn level(&self) -> (f64, f64) {
        self.level.unwrap_or((f64::INFINITY, 0.0))
    }

    fn above(&self, spreads: f64) -> bool {
        let (level, spread) = self.level();
        self.now.0 > level + spreads * spread
    }
}

/// The rules of the table, written down once more.
#[derive(Default)]
struct Slow {
    loss: Track,
    steps: Track,
    edge: Track,
    square: Short,
    product: Short,
    angle: Short,
    pushes: u32,
    quiet: Option<u32>,
}

/// One step as the alarm sees it.
struct Seen {
    loss: f64,
    /// Of the step that made the displacement.
    rate: f64,
    momentum: f64,
    square: Option<f64>,
    product: Option<f64>,
    angle: Option<f64>,
}

impl Slow {
    fn push(&mut self, s: &Seen, gas: Option<f64>) -> Option<Cause> {
        if let Some(angle) = s.angle {
            self.angle.push(angle, 16.0);
        }
        let cause = s.square.and_then(|square| self.judge(s, square, gas));
        let news = cause.is_some() && self.quiet.is_none_or(|q| q >= 256);
        self.quiet = match (cause, self.quiet) {
            (Some(_), _) => Some(0),
            (None, quiet) => quiet.map(|q| q + 1),
        };
        cause.filter(|_| news)
    }

    fn judge(&mut self, s: &Seen, square: f64, gas: Option<f64>) -> Option<Cause> {
        self.steps.push((square / (s.rate * s.rate)).ln(), 16.0);
        self.loss.push(s.loss, 16.0);
        if let Some(product) = s.product {
            self.square.push(square, 32.0);
            self.product.push(product, 32.0);
        }
        let edge = (self.square.1 >= 32.0)
            .then(|| (s.momentum - self.product.0 / self.square.0) / (1.0 + s.momentum));
        if let Some(edge) = edge {
            self.edge.push(edge, 1.0);
        }
        let cause = self.cause(edge, gas);
        self.pushes += 1;
        if self.pushes.is_multiple_of(32) {
            for track in [&mut self.loss, &mut self.steps, &mut self.edge] {
                track.close();
            }
        }
        cause
    }

    fn cause(&self, edge: Option<f64>, gas: Option<f64>) -> Option<Cause> {
        let times = |factor: f64| self.steps.now.0 > self.steps.level().0 + factor.ln();
        let edge = edge.unwrap_or(0.0);
        let nearer =
            self.edge.above(1.0) && self.steps.above(1.25) && self.loss.above(1.25) && times(1.3);
        if edge > 0.9 || (edge > 0.4 && nearer) {
            return Some(Cause::EdgeRatio);
        }
        if self.steps.above(2.0) && self.loss.above(2.0) && times(2.0) {
            return Some(Cause::StepGrowth);
        }
        if self.angle.1 >= 16.0 && self.angle.0 >= 1.0 {
            return Some(Cause::EffectiveRate);
        }
        let gas = gas?;
        let reached = self.loss.now.0 >= gas && self.loss.level().0 < gas;
        (reached && self.steps.above(1.0) && times(1.3)).then_some(Cause::GasEnergy)
    }
}

const D: usize = 3;

fn dot(a: &[f64; D], b: &[f64; D]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A run by a script: each step gives its facts, the displacement that follows, and the length of the gradient.
struct Script {
    gas: Option<f64>,
    symmetry: Symmetry,
    alarms: Vec<(u64, Cause)>,
    expected: Vec<(u64, Cause)>,
    slow: Slow,
    run: Loop,
    w: [f64; D],
    before: Option<(f64, f64)>,
    moves: Vec<[f64; D]>,
    at: u64,
}

impl Script {
    fn new(symmetry: Symmetry, gas: Option<f64>) -> Self {
        let mut monitor = MonitorConfig::default();
        if let Some(gas) = gas {
            monitor = monitor.gas_energy(est(gas, 0.0, 1.0));
        }
        Self {
            gas,
            symmetry,
            alarms: Vec::new(),
            expected: Vec::new(),
            slow: Slow::default(),
            run: Loop::new(symmetry, 100_000, monitor),
            w: [40.0, 0.0, 0.0],
            before: None,
            moves: Vec::new(),
            at: 0,
        }
    }

    fn step(&mut self, loss: f64, (rate, momentum): (f64, f64), next: [f64; D], gradient: f64) {
        let protocol = Protocol::FixedEffectiveLearningRate;
        let facts = Step::new(loss)
            .learning_rate(rate)
            .momentum(momentum)
            .protocol(protocol);
        self.run.observe(&facts, &self.w, &[0.0, 0.0, gradient]);
        let (last, earlier) = (self.moves.last(), self.moves.iter().rev().nth(1));
        let square = last.map(|m| dot(m, m)).filter(|s| *s > 0.0);
        let product = last.zip(earlier).map(|(a, b)| dot(a, b));
        let (rate_before, momentum_before) = self.before.unwrap_or((1.0, 0.0));
        let bound = self.symmetry.is_scale_invariant();
        let seen = Seen {
            loss,
            rate: if rate_before > 0.0 { rate_before } else { 1.0 },
            momentum: momentum_before,
            square,
            product,
            angle: bound.then(|| rate * rate * gradient * gradient / dot(&self.w, &self.w)),
        };
        if let Some(cause) = self.slow.push(&seen, self.gas) {
            self.expected.push((self.at, cause));
        }
        for event in self.run.observer.events() {
            if let Event::Overheating { step, group, cause } = event {
                assert_eq!(group, Some(self.run.group));
                self.alarms.push((step, cause));
            }
        }
        // What was moved is what the weights say, rounding included.
        let mut moved = [0.0; D];
        for k in 0..D {
            let to = self.w[k] + next[k];
            moved[k] = to - self.w[k];
            self.w[k] = to;
        }
        // The first visit only tells how long a group is: the past begins with the second.
        if self.at > 0 {
            self.moves.push(moved);
        }
        self.before = Some((rate, momentum));
        self.at += 1;
    }

    /// The causes told, in order, after a check that they are those of the slow rules.
    #[track_caller]
    fn told(&self) -> Vec<(u64, Cause)> {
        assert_eq!(self.alarms, self.expected);
        self.alarms.clone()
    }
}

/// Displacements at right angles to each other, of this squared length.
fn turning(t: u64, square: f64) -> [f64; D] {
    let s = square.sqrt();
    match t % 4 {
        0 => [s, 0.0, 0.0],
        1 => [0.0, s, 0.0],
        2 => [-s, 0.0, 0.0],
        _ => [0.0, -s, 0.0],
    }
}

/// Displacements are known from the third step on, products from the fourth, which is number 3, and 32 are needed.
#[test]
fn steps_that_undo_each_other_are_told_once_and_anew_after_256_quiet_ones() {
    for quiet in [100, 400] {
        let mut script = Script::new(Symmetry::Generic, None);
        let mut t = 0;
        let mut run = |script: &mut Script, steps: u64, back: bool| {
            for _ in 0..steps {
                let next = if back {
                    [if t % 2 == 0 { 0.5 } else { -0.5 }, 0.0, 0.0]
                } else {
                    turning(t, 0.25)
                };
                script.step(1.0, (0.1, 0.0), next, 1.0);
                t += 1;
            }
        };
        run(&mut script, 60, true);
        run(&mut script, quiet, false);
        run(&mut script, 120, true);
        let told = script.told();
        assert_eq!(told[0], (34, Cause::EdgeRatio));
        assert_eq!(told.len(), if quiet > 256 { 2 } else { 1 });
    }
}

/// A level of 1 and steps of one length have no spread: a loss above 1 and a short mean of `ln |Δ|²` twice above its level are
/// told at once, and not before eight blocks of 32 are full.
#[test]
fn growth_is_told_when_the_short_mean_has_doubled() {
    let with_rate = |rate: f64, at: u64, loss: f64, factor: f64, gas: Option<f64>| {
        let mut script = Script::new(Symmetry::Generic, gas);
        for t in 0..320 {
            let grown = t + 1 == at;
            let square = if grown { factor } else { 1.0 };
            let loss = if t == at { loss } else { 1.0 };
            script.step(loss, (rate, 0.0), turning(t, square), 1.0);
        }
        script.told()
    };
    let jump =
        |at: u64, loss: f64, factor: f64, gas: Option<f64>| with_rate(0.5, at, loss, factor, gas);
    // One step moves the mean by a sixteenth of its logarithm.
    let (doubled, third) = (16.0 * 2_f64.ln(), 16.0 * 1.3_f64.ln());
    let growth = |at| vec![(at, Cause::StepGrowth)];
    assert_eq!(jump(258, 1.1, (doubled + 0.01).exp(), None), growth(258));
    assert_eq!(jump(300, 1.1, (doubled + 0.01).exp(), None), growth(300));
    assert_eq!(jump(300, 1.1, (doubled - 0.01).exp(), None), []);
    for loss in [0.9, 1.0] {
        assert_eq!(jump(300, loss, (doubled + 0.01).exp(), None), []);
    }
    // A rate of zero takes nothing out of the steps.
    let without = with_rate(0.0, 300, 1.1, (doubled + 0.01).exp(), None);
    assert_eq!(without, growth(300));
    assert_eq!(jump(257, 1.1, (doubled + 0.01).exp(), None), []);
    assert_eq!(jump(100, 1.1, (doubled + 0.01).exp(), None), []);
    // At the energy of the gas a third more is enough: the mean of the loss must reach it from below.
    let gas = |at| vec![(at, Cause::GasEnergy)];
    assert_eq!(jump(300, 33.1, (third + 0.01).exp(), Some(3.0)), gas(300));
    assert_eq!(jump(300, 33.1, (third - 0.01).exp(), Some(3.0)), []);
    assert_eq!(jump(300, 32.9, (third + 0.01).exp(), Some(3.0)), []);
    assert_eq!(jump(300, 33.1, (third + 0.01).exp(), Some(1.0)), []);
    assert_eq!(jump(300, 33.1, (third + 0.01).exp(), None), []);
}

/// What the learning rate itself puts into the steps is taken out of them.
#[test]
fn a_raised_learning_rate_is_no_growth() {
    for (raised, expected) in [(0.5, 1), (5.0, 0)] {
        let mut script = Script::new(Symmetry::Generic, None);
        for t in 0..420 {
            let hot = t >= 350;
            let rate = if hot { raised } else { 0.5 };
            let square = if hot { 100.0 } else { 1.0 };
            let loss = if hot { 2.0 } else { 1.0 };
            script.step(loss, (rate, 0.0), turning(t, square), 1.0);
        }
        assert_eq!(script.told().len(), expected, "{raised}");
    }
}

/// Weights of norm 1 in all steps: `η²|g|²` is 1 from the first on, and the sixteenth tells.
#[test]
fn a_step_as_long_as_the_radius_is_told_with_the_sixteenth() {
    let run = |length: f64, symmetry: Symmetry| {
        let mut script = Script::new(symmetry, None);
        script.w = [1.0, 0.0, 0.0];
        let corners = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
        for t in 0..40 {
            let (here, next) = (corners[t % 4], corners[(t + 1) % 4]);
            let step = [next[0] - here[0], next[1] - here[1], 0.0];
            script.step(1.0, (0.5, 0.0), step, length);
        }
        script.told()
    };
    let told = vec![(15, Cause::EffectiveRate)];
    assert_eq!(run(2.0, Symmetry::ScaleInvariant), told);
    assert_eq!(run(1.99, Symmetry::ScaleInvariant), []);
    assert_eq!(run(2.0, Symmetry::Generic), []);
}

/// The end of a condition counts: 256 steps without it make the next one news.
#[test]
fn quiet_is_counted_in_steps() {
    for (quiet, alarms) in [(255, 1), (256, 2)] {
        let mut script = Script::new(Symmetry::ScaleInvariant, None);
        script.w = [1.0, 0.0, 0.0];
        let corners = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
        for t in 0..16 + quiet + 4 {
            let (here, next) = (corners[t % 4], corners[(t + 1) % 4]);
            let step = [next[0] - here[0], next[1] - here[1], 0.0];
            let length = match t {
                0..16 => 2.0,
                t if t < 16 + quiet => 0.0,
                _ => 1e3,
            };
            script.step(1.0, (0.5, 0.0), step, length);
        }
        let told = script.told();
        assert_eq!(told.len(), alarms, "{quiet}");
        assert_eq!(
            told.last().unwrap().0,
            if alarms == 1 { 15 } else { 16 + quiet as u64 }
        );
    }
}

/// Noise, bursts, oscillations and heavy balls: the alarms are those of the rules written down once more.
#[test]
fn alarms_are_those_of_the_slow_rules() {
    let mut causes = Vec::new();
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let symmetry = if seed % 3 == 0 {
            Symmetry::ScaleInvariant
        } else {
            Symmetry::Generic
        };
        let gas = (seed % 2 == 0).then_some(1.8);
        let mut script = Script::new(symmetry, gas);
        let (mut heat, mut back, mut cold) = (1.0, 0.0, 1.0);
        let mut last = [0.0; D];
        for t in 0..1100 {
            if t % 50 == 49 && t > 200 {
                (heat, back, cold) = match random.below(7) {
                    0 => (1.3, 0.55, 1.6),
                    1 => (2.5, 0.0, 1.8),
                    2 => (1.5, 0.0, 2.0),
                    3 => (1.0, 0.95, 1.0),
                    _ => (1.0, 0.0, 1.0),
                };
            }
            let mut next = [0.0; D];
            for (next, last) in next.iter_mut().zip(&last) {
                *next = heat * random.normal() - back * last;
            }
            last = next;
            // The weights are drawn back, so that they stay where they are.
            for (next, w) in next.iter_mut().zip(&script.w) {
                *next -= 0.05 * (w - 20.0);
            }
            // Now and then they stand still.
            if random.below(9) == 0 {
                next = [0.0; D];
            }
            let momentum = if seed % 4 == 1 { 0.5 } else { 0.0 };
            let rate = 0.1 + 0.02 * random.uniform();
            let gradient = if heat > 1.0 { 600.0 } else { 10.0 };
            let loss = cold + 0.2 * random.normal();
            script.step(loss, (rate, momentum), next, gradient);
        }
        causes.extend(script.told().iter().map(|a| a.1));
    }
    for cause in [
        Cause::EdgeRatio,
        Cause::StepGrowth,
        Cause::EffectiveRate,
        Cause::GasEnergy,
    ] {
        assert!(causes.contains(&cause), "{cause:?}");
    }
}
