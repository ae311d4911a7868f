//! Values by hand, closed forms and boundaries: monitor.

use super::running::{Loop, median};
use super::*;
use thermograd::phase_transition::change_point::{Cost, PeltConfig, Penalty, pelt};
use thermograd::phase_transition::{
    Event, Evidence, MonitorConfig, Overlap, Phase, PhaseConfig, Quantity, Witness, long_overlap,
    overlap_at_lag, participation_ratio,
};
use thermograd::{Config, GroupId, Groups, Observer, Protocol, Reason, Step, Symmetry, slices};

const fn exact(value: f64) -> Estimate {
    est(value, 0.0, 100.0)
}

#[test]
fn what_is_declared_is_what_is_known() {
    let config = MonitorConfig::default();
    assert_eq!((config.sketch, config.phase), (256, PhaseConfig::default()));
    assert_eq!(
        (
            config.gas_energy,
            config.best_energy,
            config.transition_temperature
        ),
        (None, None, None)
    );
    let mut phase = PhaseConfig::default();
    phase.age = 7.0;
    let config = config
        .gas_energy(exact(3.0))
        .best_energy(exact(1.0))
        .transition_temperature(exact(0.5))
        .phase(phase)
        .sketch(99);
    assert_eq!((config.sketch, config.phase), (99, phase));
    let mut run = Loop::new(Symmetry::Generic, 1000, config);
    let evidence = run.observer.evidence();
    assert_eq!(evidence.gas_energy, Some(exact(3.0)));
    assert_eq!(evidence.best_energy, Some(exact(1.0)));
    assert_eq!(evidence.transition_temperature, Some(exact(0.5)));
    assert_eq!((evidence.witness, evidence.stability), (None, None));
    assert_eq!(evidence.non_finite_steps, Some(0));
    let witness = Witness {
        energy: exact(2.0),
        long_overlap: Overlap::new(exact(0.4), 0.1),
    };
    run.observer.set_witness(Some(witness)).unwrap();
    run.observer.set_stability(Some(exact(0.3))).unwrap();
    let evidence = run.observer.evidence();
    assert_eq!(evidence.witness, Some(witness));
    assert_eq!(evidence.stability, Some(exact(0.3)));
    // What is refused leaves what was told.
    let mut bad = witness;
    bad.energy.std_error = -1.0;
    assert_eq!(refused(run.observer.set_witness(Some(bad))), -1.0);
    assert_eq!(
        refused(run.observer.set_stability(Some(est(0.0, -2.0, 1.0)))),
        -2.0
    );
    assert_eq!(run.observer.evidence(), evidence);
    run.observer.set_witness(None).unwrap();
    run.observer.set_stability(None).unwrap();
    let evidence = run.observer.evidence();
    assert_eq!((evidence.witness, evidence.stability), (None, None));
}

#[test]
fn a_monitor_keeps_to_its_ranges() {
    let ask = |config: MonitorConfig| {
        let mut groups = Groups::new();
        groups.add("all", Symmetry::Generic);
        Observer::with_config(groups, Config::every_step().monitor(config)).map(drop)
    };
    let config = MonitorConfig::default;
    for good in [8, 1 << 20] {
        assert!(ask(config().sketch(good)).is_ok());
    }
    for bad in [0, 7, (1 << 20) + 1] {
        assert_eq!(refused(ask(config().sketch(bad))), bad as f64);
    }
    let declare: [fn(Estimate) -> MonitorConfig; 3] = [
        |e| MonitorConfig::default().gas_energy(e),
        |e| MonitorConfig::default().best_energy(e),
        |e| MonitorConfig::default().transition_temperature(e),
    ];
    for declare in declare {
        assert!(ask(declare(exact(1.0))).is_ok());
        assert_eq!(refused(ask(declare(est(1.0, 0.0, -3.0)))), -3.0);
        for (index, bad) in [est(f64::NAN, 0.0, 1.0), est(0.0, f64::NAN, 1.0)]
            .into_iter()
            .enumerate()
        {
            assert!(matches!(
                ask(declare(bad)),
                Err(Error::NonFinite { index: found, .. }) if found == index
            ));
        }
    }
    let mut phase = PhaseConfig::default();
    phase.edge_ratio = f64::NAN;
    assert!(matches!(
        ask(config().phase(phase)),
        Err(Error::NonFinite { .. })
    ));
}

/// A straight line through evenly spaced values: slope, its error by the inefficiency of the residuals, and their number.
fn trend(y: &[f64]) -> Estimate {
    let n = y.len() as f64;
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        y.iter().enumerate().map(|(i, y)| f(i as f64, *y)).sum()
    };
    let normal = vec![
        vec![n, sum(&|t, _| t)],
        vec![sum(&|t, _| t), sum(&|t, _| t * t)],
    ];
    let fit = solve(normal.clone(), vec![sum(&|_, y| y), sum(&|t, y| t * y)]);
    let inverse = solve(normal, vec![0.0, 1.0])[1];
    let left: Vec<f64> = y
        .iter()
        .enumerate()
        .map(|(i, y)| y - fit[0] - fit[1] * i as f64)
        .collect();
    let g = inefficiency(&left);
    let square: f64 = left.iter().map(|r| r * r).sum();
    est(fit[1], (g * square / (n - 2.0) * inverse).sqrt(), n / g)
}

const D: usize = 6;

/// Weights that turn at random about a direction which itself drifts, and a loss that falls in noise.
fn weights(n: usize, turn: f64, seed: u64) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut random = Random::new(seed);
    let mut w = vec![3.0; D];
    (0..n)
        .map(|t| {
            for (k, w) in w.iter_mut().enumerate() {
                *w += turn * (1.0 + k as f64) * random.normal() - 0.2 * turn * (*w - 1.0);
            }
            (w.clone(), 5.0 - 0.01 * t as f64 + random.normal())
        })
        .unzip()
}

/// Which steps of a window of so many are held, and how far apart they are: when 128 are held every other one goes.
fn held(first: usize, last: usize, stride: usize) -> (Vec<usize>, usize) {
    let (mut steps, mut stride) = (Vec::new(), stride);
    for t in first..=last {
        if (t - first).is_multiple_of(stride) {
            steps.push(t);
        }
        if steps.len() == 128 {
            steps = steps.into_iter().step_by(2).collect();
            stride *= 2;
        }
    }
    (steps, stride)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// All that is read from snapshots: they are the weights themselves, where a sketch has room for them.
#[track_caller]
fn compare(run: &Loop, w: &[Vec<f64>], spacing: usize, turning: f64, null: f64) {
    let found = run.observer.order_parameters(run.group).unwrap();
    same(
        ready(Ok(found.participation_ratio)),
        ready(participation_ratio(w)),
        1e-9,
    );
    let least = (3.0 / turning / spacing as f64).ceil() as usize;
    match long_overlap(w, least).unwrap() {
        Reading::Ready(q) => {
            let overlap = ready(Ok(found.long_overlap));
            same(overlap.estimate, q.estimate, 1e-10);
            near(overlap.null_std_dev, null * q.null_std_dev, 1e-12);
            let length = ready(Ok(found.resultant_length));
            near(length.value, q.estimate.value.max(0.0).sqrt(), 1e-9);
            near(length.n_eff, q.estimate.n_eff, 1e-12);
        }
        Reading::Pending { seen, needed } => {
            // In steps.
            assert_eq!(
                pending(Ok(found.long_overlap)),
                (seen * spacing as u64, needed * spacing as u64)
            );
        }
        other => panic!("{other:?}"),
    }
    for steps in [1_usize, 3, 4, 9] {
        let overlap = run.observer.overlap_after(run.group, steps as u64);
        match overlap_at_lag(w, steps.div_ceil(spacing)).unwrap() {
            Reading::Ready(q) => {
                let overlap = ready(overlap);
                same(overlap.estimate, q.estimate, 1e-10);
                near(overlap.null_std_dev, null * q.null_std_dev, 1e-12);
            }
            other => assert_eq!(overlap.unwrap(), other),
        }
    }
    let evidence = run.observer.evidence();
    let (early, late) = w.split_at(w.len() / 2);
    let (early, late) = (
        ready(participation_ratio(early)),
        ready(participation_ratio(late)),
    );
    let between = 0.5 * (w.len() * spacing) as f64;
    same(
        evidence.participation_drift.unwrap(),
        est(
            (late.value - early.value) / between,
            (late.std_error.powi(2) + early.std_error.powi(2)).sqrt() / between,
            late.n_eff.min(early.n_eff),
        ),
        1e-8,
    );
    let lag = w.len() / 8;
    let series: Vec<f64> = (0..w.len() - lag)
        .map(|t| cosine(&w[t], &w[t + lag]))
        .collect();
    let drift = trend(&series);
    let size = spacing as f64;
    same(
        evidence.overlap_drift.unwrap(),
        est(drift.value / size, drift.std_error / size, drift.n_eff),
        1e-7,
    );
}

/// Mean of `1 − cos` between successive weights.
fn turning(w: &[Vec<f64>]) -> f64 {
    let each: Vec<f64> = w.windows(2).map(|p| 1.0 - cosine(&p[0], &p[1])).collect();
    average(&each)
}

/// In the first window; the past begins with the second step, and every other snapshot goes when 128 are full.
#[test]
fn order_parameters_are_those_of_the_weights() {
    for (n, turn, symmetry, spacing) in [
        (90, 1.0, Symmetry::Generic, 1),
        (128, 0.6, Symmetry::ScaleInvariant, 1),
        (129, 0.6, Symmetry::Generic, 2),
        (200, 0.2, Symmetry::Generic, 2),
        (300, 1.0, Symmetry::ScaleInvariant, 4),
    ] {
        let (w, losses) = weights(n, turn, n as u64);
        let config = MonitorConfig::default().sketch(8);
        let mut run = Loop::new(symmetry, 10_000, config);
        for (w, loss) in w.iter().zip(&losses) {
            let facts = Step::new(*loss).protocol(Protocol::FixedEffectiveLearningRate);
            run.observe(&facts, w, &[0.1; D]);
        }
        let (steps, stride) = held(1, n - 1, 1);
        assert_eq!(stride, spacing);
        let snapshots: Vec<Vec<f64>> = steps.iter().map(|&t| w[t].clone()).collect();
        // A scale-invariant group has one direction less than weights.
        let null = match symmetry {
            Symmetry::ScaleInvariant => (6.0_f64 / 5.0).sqrt(),
            _ => 1.0,
        };
        compare(&run, &snapshots, spacing, turning(&w[1..]), null);
    }
}

/// Readings are of the window that is complete; the next begins with the spacing that holds as many steps.
#[test]
fn a_window_begins_with_the_spacing_of_the_one_before() {
    let length = 150;
    let (w, losses) = weights(470, 0.8, 5);
    let mut run = Loop::new(Symmetry::Generic, length as u64, MonitorConfig::default());
    let mut past = 0;
    for t in 0..470 {
        run.observe(&Step::new(losses[t]), &w[t], &[0.1; D]);
        let complete = (t + 1) / length;
        if complete > past || t == 469 {
            let (from, to) = ((complete - 1) * length, complete * length - 1);
            // 149 steps of the first window, then 150: both need a spacing of 2 for 127 snapshots.
            let (steps, spacing) = if complete == 1 {
                held(1, to, 1)
            } else {
                held(from, to, 2)
            };
            assert_eq!(spacing, 2);
            let snapshots: Vec<Vec<f64>> = steps.iter().map(|&t| w[t].clone()).collect();
            let moved = if complete == 1 {
                turning(&w[1..=to])
            } else {
                turning(&w[from - 1..=to])
            };
            compare(&run, &snapshots, 2, moved, 1.0);
            past = complete;
        }
    }
}

/// Of slow turning: `3/⟨1 − cos⟩` steps between snapshots, and 8 of them.
#[test]
fn the_overlap_of_a_slow_turn_is_pending_in_steps() {
    let angle = 0.3_f64;
    let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
    assert_eq!(
        pending(Ok(run
            .observer
            .order_parameters(run.group)
            .unwrap()
            .long_overlap)),
        (0, 1)
    );
    assert_eq!(pending(run.observer.overlap_after(run.group, 3)), (0, 1));
    for t in 0..301 {
        let a = angle * f64::from(t);
        run.observe(&Step::new(1.0), &[a.cos(), a.sin()], &[0.1; 2]);
    }
    // 75 snapshots, 4 steps apart.
    let lag = (3.0 / (1.0 - angle.cos()) / 4.0).ceil() as u64;
    let found = run.observer.order_parameters(run.group).unwrap();
    assert_eq!(pending(Ok(found.long_overlap)), (300, 8 * lag * 4));
    assert_eq!(pending(Ok(found.resultant_length)), (300, 8 * lag * 4));
    assert_eq!(refused(run.observer.overlap_after(run.group, 0)), 0.0);
    let mut others = Groups::new();
    others.add("a", Symmetry::Generic);
    let stranger = others.add("b", Symmetry::Generic);
    for answer in [
        run.observer.overlap_after(stranger, 1).map(drop),
        run.observer.order_parameters(stranger).map(drop),
    ] {
        assert!(matches!(answer, Err(Error::UnknownGroup { index: 1, .. })));
    }
    // Weights that stay have no turning time.
    let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
    for _ in 0..50 {
        run.observe(&Step::new(1.0), &[1.0, 2.0], &[0.1; 2]);
    }
    let found = run.observer.order_parameters(run.group).unwrap();
    assert!(matches!(
        found.long_overlap,
        Reading::Undefined(Reason::Missing(_))
    ));
}

/// Blocks of one step below 128 steps, of two below 256.
#[test]
fn drifts_are_the_trends_of_blocks() {
    for (n, size) in [(100, 1), (127, 1), (240, 2), (400, 4)] {
        let (w, losses) = weights(n, 0.5, 20 + n as u64);
        let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
        for (w, loss) in w.iter().zip(&losses) {
            run.observe(&Step::new(*loss), w, &[0.1; D]);
        }
        let blocks: Vec<f64> = losses.chunks_exact(size).map(average).collect();
        let drift = trend(&blocks);
        let length = size as f64;
        let evidence = run.observer.evidence();
        same(
            evidence.energy_drift.unwrap(),
            est(drift.value / length, drift.std_error / length, drift.n_eff),
            1e-8,
        );
    }
}

/// `φ` is of the whole model, on the scale of what was declared.
#[test]
fn the_energy_fraction_lies_between_best_and_gas() {
    let read = |config: MonitorConfig, steps: usize| {
        let (w, losses) = weights(steps, 0.5, 3);
        let mut run = Loop::new(Symmetry::Generic, 10_000, config);
        for (t, (w, loss)) in w.iter().zip(&losses).enumerate() {
            run.observe(&Step::new(loss + 0.01 * t as f64), w, &[0.1; D]);
        }
        let energy = run.observer.read_model("loss").unwrap();
        let found = run.observer.order_parameters(run.group).unwrap();
        (energy, found.energy_fraction)
    };
    let both = || {
        MonitorConfig::default()
            .gas_energy(exact(9.0))
            .best_energy(exact(1.0))
    };
    let (energy, fraction) = read(both(), 3000);
    let energy = *energy.ready().unwrap();
    same(
        ready(Ok(fraction)),
        est(
            (energy.value - 1.0) / 8.0,
            energy.std_error / 8.0,
            energy.n_eff.min(100.0),
        ),
        1e-12,
    );
    assert!(matches!(read(both(), 50).1, Reading::Pending { .. }));
    let gas = MonitorConfig::default().gas_energy(exact(9.0));
    let best = MonitorConfig::default().best_energy(exact(1.0));
    for (config, what) in [(gas, "best"), (best, "gas")] {
        assert!(matches!(
            read(config, 100).1,
            Reading::Undefined(Reason::Missing(missing)) if missing.contains(what)
        ));
    }
}

/// Block means of a series over the whole run: 16 steps each, twice as many whenever there are 256.
struct Record {
    blocks: Vec<(u64, f64)>,
    open: Vec<f64>,
    length: usize,
    looked_at: u64,
    before: Vec<(u64, u64)>,
    told: Vec<(u64, u64)>,
}

impl Record {
    const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            open: Vec::new(),
            length: 16,
            looked_at: 0,
            before: Vec::new(),
            told: Vec::new(),
        }
    }

    fn push(&mut self, step: u64, x: f64) {
        self.open.push(x);
        if self.open.len() == self.length {
            self.blocks.push((step, average(&self.open)));
            self.open.clear();
        }
        if self.blocks.len() == 256 {
            self.blocks = self
                .blocks
                .chunks(2)
                .map(|pair| (pair[1].0, 0.5 * (pair[0].1 + pair[1].1)))
                .collect();
            self.length *= 2;
        }
    }

    /// Looks for transitions, 64 blocks there being and 8 new ones; answers with what is news: found in two looks in a row, and
    /// not told before, both within 8 blocks.
    fn look(&mut self) -> Vec<(u64, u64, u64)> {
        let Some(&(last, _)) = self.blocks.last() else {
            return Vec::new();
        };
        let near = 8 * self.length as u64;
        if self.blocks.len() < 64 || last < self.looked_at + near {
            return Vec::new();
        }
        self.looked_at = last;
        let found = self.transitions();
        let among = |list: &[(u64, u64)], first: u64, last: u64| {
            list.iter()
                .any(|l| first <= l.1 + near && l.0 <= last + near)
        };
        let mut news = Vec::new();
        for &(step, first, last) in &found {
            if among(&self.before, first, last) && !among(&self.told, first, last) {
                self.told.push((first, last));
                news.push((step, first, last));
            }
        }
        self.before = found.iter().map(|f| (f.1, f.2)).collect();
        news
    }

    fn transitions(&self) -> Vec<(u64, u64, u64)> {
        let x: Vec<f64> = self.blocks.iter().map(|b| b.1).collect();
        let n = x.len();
        let Some(noise) = long_run_variance(&x) else {
            return Vec::new();
        };
        let config = PeltConfig::new(Cost::Mean)
            .min_segment(8)
            .noise_variance(noise)
            .penalty(Penalty::Given(5.0 * (n as f64).ln()));
        let mut edges = vec![0];
        edges.extend(ready(pelt(&x, &config)).change_points);
        edges.push(n);
        let length = self.length as u64;
        let mut found = Vec::new();
        for e in edges.windows(3) {
            let (a, b) = (&x[e[0]..e[1]], &x[e[1]..e[2]]);
            let jump = (average(a) - average(b)).abs();
            let steep = |s: &[f64]| trend(s).value.abs() * s.len() as f64 > 0.5 * jump;
            if steep(a) || steep(b) {
                continue;
            }
            let (first, last) = place(&x[e[0]..e[2]], noise);
            let start = |i: usize| self.blocks[i].0.saturating_sub(length);
            found.push((
                start(e[1]),
                start((e[0] + first).saturating_sub(1)),
                self.blocks[e[0] + last].0,
            ));
        }
        found
    }
}

/// The likelihood of a cut before element `k` is `e^{−S/2v}` with the squares `S` that are left on both sides: the cuts that hold
/// 95 % of it.
fn place(x: &[f64], noise: f64) -> (usize, usize) {
    let n = x.len();
    let squares = |s: &[f64]| -> f64 {
        let mean = average(s);
        s.iter().map(|x| (x - mean).powi(2)).sum()
    };
    let left: Vec<f64> = (1..n)
        .map(|k| squares(&x[..k]) + squares(&x[k..]))
        .collect();
    let least = left.iter().copied().fold(f64::INFINITY, f64::min);
    let weights: Vec<f64> = left
        .iter()
        .map(|s| (-0.5 * (s - least) / noise).exp())
        .collect();
    let all: f64 = weights.iter().sum();
    let reaches = |level: f64| {
        let mut below = 0.0;
        for (i, w) in weights.iter().enumerate() {
            below += w / all;
            if below >= level {
                return i + 1;
            }
        }
        n - 1
    };
    (reaches(0.025), reaches(0.975))
}

/// The larger of that of an autoregression and those of means of 1, 2, 4 … elements, all from medians of differences.
/// With fewer than 16 independent elements, by that autoregression, nothing.
fn long_run_variance(x: &[f64]) -> Option<f64> {
    let quartile = 0.674_489_750_196_081_7;
    let lagged = |x: &[f64], lag: usize| {
        let apart: Vec<f64> = (lag..x.len()).map(|t| (x[t] - x[t - lag]).abs()).collect();
        (median(&apart) / quartile).powi(2)
    };
    let rho = (lagged(x, 2) / lagged(x, 1) - 1.0).clamp(0.0, 0.999);
    if (x.len() as f64) < 16.0 * (1.0 + rho) / (1.0 - rho) {
        return None;
    }
    let mut largest = 0.5 * lagged(x, 1) / (1.0 - rho) * (1.0 + rho) / (1.0 - rho);
    let mut length = 1;
    while x.len() / length >= 16 {
        let means: Vec<f64> = x.chunks_exact(length).map(average).collect();
        largest = largest.max(0.5 * length as f64 * lagged(&means, 1));
        length *= 2;
    }
    Some(largest)
}

/// Energy and turning of a run whose loss and steps change by jumps: what is announced is what the slow record finds.
#[test]
fn transitions_are_those_of_the_slow_record() {
    let mut told = [0, 0];
    for (seed, steps, jumps) in [
        (1, 1400, vec![(700, 3.0, 0.3)]),
        (2, 1900, vec![(600, 0.8, 0.1), (1300, 2.0, 0.1)]),
        (4, 1900, vec![(900, 200.0, 0.1)]),
        (
            3,
            5300,
            vec![
                (1500, 0.4, 0.1),
                (2900, 0.4, 0.25),
                (3300, 5.0, 0.1),
                (4350, -4.0, 0.2),
            ],
        ),
    ] {
        let mut random = Random::new(seed);
        let mut run = Loop::new(Symmetry::Generic, 100_000, MonitorConfig::default());
        let (mut energy, mut rotation) = (Record::new(), Record::new());
        let (mut level, mut swing, mut angle) = (-1.5, 0.1, 0.0_f64);
        let (mut previous, mut slow) = ([1.0, 0.0], 0.0);
        for t in 0..steps {
            for jump in &jumps {
                if t == jump.0 {
                    (level, swing) = (level + jump.1, jump.2);
                }
            }
            // A loss that hardly forgets has too few independent blocks to say anything, be the jump as it may.
            if seed == 4 && t % 16 == 0 {
                slow = 0.9 * slow + random.normal();
            }
            let loss = level + slow + random.normal();
            angle += swing * random.normal();
            let w = [angle.cos(), angle.sin()];
            run.observe(&Step::new(loss), &w, &[0.1; 2]);
            energy.push(t, loss);
            // Known from the third step on.
            if t >= 2 {
                rotation.push(t, 1.0 - cosine(&previous, &w));
            }
            previous = w;
            if t % 40 != 39 {
                continue;
            }
            let mut expected = Vec::new();
            for (quantity, record) in [
                (Quantity::Energy, &mut energy),
                (Quantity::Rotation, &mut rotation),
            ] {
                for (step, first, last) in record.look() {
                    expected.push((quantity, step, first, last));
                }
            }
            let mut found = Vec::new();
            for event in run.observer.events() {
                if let Event::Transition {
                    step,
                    interval,
                    quantity,
                } = event
                {
                    found.push((quantity, step, interval.first, interval.last));
                }
            }
            assert_eq!(found, expected, "{seed} {t}");
            for f in found {
                told[usize::from(f.0 == Quantity::Rotation)] += 1;
            }
        }
    }
    assert!(told[0] >= 4 && told[1] >= 1, "{told:?}");
}

/// A loop that looks at some of two groups, in this order.
fn looking_at(order: &[usize], protocol: Protocol) -> (Observer, Vec<GroupId>) {
    let mut groups = Groups::new();
    let ids: Vec<GroupId> = order
        .iter()
        .map(|i| groups.add(format!("group {i}"), Symmetry::ScaleInvariant))
        .collect();
    let mut observer = Observer::with_config(groups, Config::every_step()).unwrap();
    // One group wanders about an axis; the other turns ever faster.
    let mut random = Random::new(77);
    let mut w = [vec![2.0; D], vec![3.0; D]];
    for t in 0..200 {
        for (i, w) in w.iter_mut().enumerate() {
            let width = if i == 0 {
                0.4
            } else {
                0.3 + 0.01 * f64::from(t)
            };
            for (k, w) in w.iter_mut().enumerate() {
                *w += width * (1.0 + k as f64) * random.normal() - 0.3 * (*w - 1.0);
            }
        }
        let step = Step::new(random.normal())
            .learning_rate(0.1)
            .weight_decay(0.01)
            .momentum(0.5)
            .protocol(protocol);
        let g: Vec<f64> = (0..D).map(|_| 5.0 * random.normal()).collect();
        let parts: Vec<_> = order
            .iter()
            .zip(&ids)
            .map(|(&i, id)| slices(*id, &w[i], &g))
            .collect();
        observer.observe(&step, &parts[..]).unwrap();
    }
    (observer, ids)
}

/// The most alarming reading of all groups, and the strongest order.
#[test]
fn of_several_groups_the_most_alarming_reading_counts() {
    for (protocol, unit, growing) in [
        (Protocol::FixedLearningRate, 0.25, false),
        (Protocol::FixedEffectiveLearningRate, 0.5, true),
        (Protocol::FixedSphere, 1.0, true),
    ] {
        let single = [0, 1].map(|i| looking_at(&[i], protocol).0.evidence());
        let pick = |of: fn(&Evidence) -> Option<Estimate>, rank: fn(&Estimate) -> f64| {
            let mut all: Vec<Estimate> = single.iter().filter_map(of).collect();
            all.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
            all.last().copied()
        };
        for order in [[0, 1], [1, 0]] {
            let (observer, ids) = looking_at(&order, protocol);
            let both = observer.evidence();
            let check = |found: Option<Estimate>, expected: Option<Estimate>| {
                assert_eq!(found.is_some(), expected.is_some());
                if let (Some(found), Some(expected)) = (found, expected) {
                    same(found, expected, 1e-7);
                }
            };
            check(both.edge_ratio, pick(|e| e.edge_ratio, |e| e.value));
            check(
                both.norm_stationarity,
                pick(|e| e.norm_stationarity, |e| (e.value - 1.0).abs()),
            );
            check(both.norm_growth, pick(|e| e.norm_growth, |e| e.value));
            assert!(both.edge_ratio.is_some());
            assert_eq!(both.norm_growth.is_some(), growing);
            check(
                both.overlap_drift,
                pick(|e| e.overlap_drift, |e| e.value / e.std_error),
            );
            check(
                both.participation_drift,
                pick(|e| e.participation_drift, |e| -e.value / e.std_error),
            );
            let beyond = |e: &Evidence| {
                let q = e.long_overlap.unwrap();
                q.estimate.value / q.null_std_dev.max(q.estimate.std_error)
            };
            let stronger = usize::from(beyond(&single[1]) > beyond(&single[0]));
            let expected = single[stronger].long_overlap.unwrap();
            let found = both.long_overlap.unwrap();
            same(found.estimate, expected.estimate, 1e-7);
            near(found.null_std_dev, expected.null_std_dev, 1e-9);
            // The younger one's age, in relaxations of its norm.
            let ages: Vec<f64> = ids
                .iter()
                .map(|id| unit * observer.relaxations(Some(*id)).unwrap())
                .collect();
            match both.age {
                Some(age) => near(age, ages[0].min(ages[1]), 1e-12),
                None => assert!(ages.iter().all(|age| *age <= 0.0)),
            }
        }
    }
}

/// `d T/2` of the gradient noise, two gradients at the same weights telling it.
#[test]
fn equipartition_puts_half_a_temperature_on_each_weight() {
    let mut random = Random::new(51);
    let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
    for _ in 0..400 {
        let mut normal = || -> Vec<f64> { (0..D).map(|_| random.normal()).collect() };
        let (w, g, second) = (normal(), normal(), normal());
        let step = Step::new(random.normal()).learning_rate(0.1);
        let parts = slices(run.group, &w, &g).second_gradient(&second);
        run.observer.observe(&step, &parts).unwrap();
    }
    let evidence = run.observer.evidence();
    let t = ready(run.observer.read_model("temperature_noise"));
    assert_eq!(evidence.temperature, Some(t));
    let half = 0.5 * D as f64;
    let heat = evidence.thermal_energy.unwrap();
    near(heat.value, half * t.value, 1e-10);
    near(heat.std_error, half * t.std_error, 1e-8);
}

/// Of 255 steps a spacing of 2 keeps 128 snapshots, one too many, so that half of them go; windows after those of
/// 255 begin with 3.
#[test]
fn a_spacing_fits_the_window_before_into_127_snapshots() {
    let (w, losses) = weights(1020, 0.8, 6);
    let mut run = Loop::new(Symmetry::Generic, 255, MonitorConfig::default());
    for (t, (w_now, loss)) in w.iter().zip(&losses).enumerate() {
        run.observe(&Step::new(*loss), w_now, &[0.1; D]);
        let (from, first, spacing) = match t {
            254 => (1, 1, 1),
            509 => (255, 254, 2),
            764 => (510, 509, 3),
            1019 => (765, 764, 3),
            _ => continue,
        };
        let (steps, spacing) = held(from, t, spacing);
        assert_eq!(spacing, [2, 4, 3, 3][t / 255]);
        let snapshots: Vec<Vec<f64>> = steps.iter().map(|&t| w[t].clone()).collect();
        compare(&run, &snapshots, spacing, turning(&w[first..=t]), 1.0);
    }
}

/// Of two stationary norms the one further from balance counts, on whichever side; of two overlaps the one further beyond chance,
/// though it be the smaller one.
#[test]
fn of_two_groups_the_further_from_balance_and_the_more_certain_count() {
    for order in [[0, 1], [1, 0]] {
        let mut groups = Groups::new();
        let ids = order.map(|i| groups.add(format!("group {i}"), Symmetry::ScaleInvariant));
        let mut observer = Observer::with_config(groups, Config::every_step()).unwrap();
        let mut random = Random::new(61);
        for _ in 0..400 {
            let mut about = |axis: f64, d: usize| -> Vec<f64> {
                (0..d).map(|_| axis + random.normal()).collect()
            };
            let w = [about(1.0, 40), about(1.6, 3)];
            // Z_d is λ(2 − ηλ)⟨r²⟩/η⟨|g|²⟩, about 0.2 ⟨r²⟩/|g|².
            let g = [0.5_f64, 1.3].map(|z| (0.2 / z).sqrt());
            let g: Vec<Vec<f64>> = (0..2)
                .map(|i| w[i].iter().map(|w| g[i] * w).collect())
                .collect();
            let step = Step::new(random.normal())
                .learning_rate(0.1)
                .weight_decay(0.01);
            let parts = [0, 1].map(|k| slices(ids[k], &w[order[k]], &g[order[k]]));
            observer.observe(&step, &parts[..]).unwrap();
        }
        let (first, second) = if order[0] == 0 {
            (ids[0], ids[1])
        } else {
            (ids[1], ids[0])
        };
        let z = [first, second].map(|id| ready(observer.read(id, "z_d")).value);
        near(z[0], 0.5 * (1.0 - 0.0005), 1e-9);
        near(z[1], 1.3 * (1.0 - 0.0005), 1e-9);
        let evidence = observer.evidence();
        assert_eq!(
            evidence.norm_stationarity,
            Some(ready(observer.read(first, "z_d")))
        );
        let q = [first, second]
            .map(|id| ready(Ok(observer.order_parameters(id).unwrap().long_overlap)));
        assert!(q[0].estimate.value < q[1].estimate.value);
        let beyond = q.map(|q| q.estimate.value / q.null_std_dev.max(q.estimate.std_error));
        assert!(beyond[0] > beyond[1]);
        assert_eq!(evidence.long_overlap, Some(q[0]));
    }
}

/// Trend of the logarithm of the mean square step of each block.
#[test]
fn steps_grow_by_the_trend_of_their_logarithms() {
    for (n, size) in [(100, 1), (200, 2), (500, 4)] {
        let mut random = Random::new(31);
        let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
        let mut w = vec![0.0; D];
        let mut squares = vec![None];
        for t in 0..n {
            run.observe(&Step::new(random.normal()), &w, &[0.1; D]);
            let mut square = 0.0;
            for w in &mut w {
                let step = random.normal() * (0.003 * f64::from(t)).exp();
                *w += step;
                square += step * step;
            }
            // Known from the third step on.
            squares.push((t > 0).then_some(square));
        }
        squares.pop();
        let blocks: Vec<f64> = squares
            .chunks_exact(size)
            .filter_map(|block| {
                let known: Vec<f64> = block.iter().flatten().copied().collect();
                (!known.is_empty()).then(|| average(&known).ln())
            })
            .collect();
        let slope = trend(&blocks);
        let length = size as f64;
        same(
            run.observer.evidence().step_growth.unwrap(),
            est(slope.value / length, slope.std_error / length, slope.n_eff),
            1e-7,
        );
    }
    // Fewer than sixteen have no trend.
    for (n, known) in [(15, false), (16, true)] {
        let mut random = Random::new(32);
        let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
        for _ in 0..n {
            run.observe(&Step::new(random.normal()), &[1.0; 2], &[0.1; 2]);
        }
        assert_eq!(run.observer.evidence().energy_drift.is_some(), known);
    }
}

/// A loss that needs more steps says how many: there are sixteen independent ones where it has as many as it needs.
#[test]
fn a_long_window_of_few_independent_losses_says_so() {
    for (n, told) in [(191_u32, false), (192, true), (700, true)] {
        let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
        for t in 0..n {
            run.observe(&Step::new(f64::from(t)), &[1.0; 2], &[0.1; 2]);
        }
        let (seen, needed) = pending(run.observer.read_model("loss"));
        assert_eq!(seen, u64::from(n));
        let evidence = run.observer.evidence();
        assert_eq!(evidence.energy, None);
        match evidence.effective_samples {
            Some(found) => near(found, 16.0 * seen as f64 / needed as f64, 1e-14),
            None => assert!(!told),
        }
        assert_eq!(evidence.effective_samples.is_some(), told, "{n}");
    }
    let mut random = Random::new(33);
    let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
    for _ in 0..1000 {
        run.observe(&Step::new(random.normal()), &[1.0; 2], &[0.1; 2]);
    }
    let evidence = run.observer.evidence();
    let energy = ready(run.observer.read_model("loss"));
    assert_eq!(evidence.energy, Some(energy));
    assert_eq!(evidence.effective_samples, Some(energy.n_eff));
}

/// Weights at random in every step, or about an axis; a loss that scatters about a level.
fn window(run: &mut Loop, random: &mut Random, order: f64, level: f64, steps: u32) {
    for _ in 0..steps {
        let w: Vec<f64> = (0..20).map(|_| order + random.normal()).collect();
        run.observe(&Step::new(level + random.normal()), &w, &[0.1; 20]);
    }
}

fn news(run: &mut Loop) -> Vec<Event> {
    let told = |e: &Event| !matches!(e, Event::Transition { .. } | Event::Overheating { .. });
    run.observer.events().filter(told).collect()
}

/// A window of a gas, another, then two of a condensate: the second of each kind of label settles it.
#[test]
fn phases_and_equilibrium_are_told_at_the_ends_of_windows() {
    let gas = MonitorConfig::default().gas_energy(est(5.0, 0.1, 100.0));
    let mut run = Loop::new(Symmetry::Generic, 1000, gas);
    let mut random = Random::new(41);
    assert!(matches!(run.observer.phase(), Reading::Pending { .. }));
    window(&mut run, &mut random, 0.0, 5.0, 999);
    assert_eq!(news(&mut run), []);
    window(&mut run, &mut random, 0.0, 5.0, 1);
    let told = news(&mut run);
    assert!(
        told.iter()
            .any(|e| matches!(e, Event::EquilibriumReached { step: 1000 }))
    );
    assert!(told.iter().any(|e| matches!(
        e,
        Event::PhaseChanged {
            step: 1000,
            from: None,
            to: Phase::Gas
        }
    )));
    assert_eq!(told.len(), 2);
    let known = ready(Ok(run.observer.phase()));
    assert_eq!(known.phase, Phase::Gas);
    assert!(known.metastability_not_excluded);
    // The lowest energy so far is the best.
    let first = run.observer.evidence();
    assert_eq!(first.best_energy, first.energy);
    assert_eq!(news(&mut run), []);
    window(&mut run, &mut random, 0.0, 5.5, 1000);
    assert_eq!(news(&mut run), []);
    assert_eq!(run.observer.evidence().best_energy, first.energy);
    window(&mut run, &mut random, 2.0, 1.0, 1000);
    assert_eq!(news(&mut run), []);
    let third = ready(Ok(run.observer.phase()));
    assert_eq!(
        (third.phase, third.candidate),
        (Phase::Gas, Phase::Condensed)
    );
    let lower = run.observer.evidence();
    assert_eq!(lower.best_energy, lower.energy);
    assert!(lower.energy.unwrap().value < 1.5);
    window(&mut run, &mut random, 2.0, 1.0, 1000);
    let told = news(&mut run);
    assert!(matches!(
        told[..],
        [Event::PhaseChanged {
            step: 4000,
            from: Some(Phase::Gas),
            to: Phase::Condensed
        }]
    ));
}

/// A witness told after the window is judged makes it judged again; two such verdicts make the gas a trapped one.
#[test]
fn a_witness_makes_the_window_be_judged_again() {
    let gas = MonitorConfig::default().gas_energy(est(5.0, 0.1, 100.0));
    let mut run = Loop::new(Symmetry::Generic, 1000, gas);
    let mut random = Random::new(42);
    window(&mut run, &mut random, 0.0, 5.0, 1000);
    assert_eq!(news(&mut run).len(), 2);
    assert_eq!(ready(Ok(run.observer.phase())).candidate, Phase::Gas);
    run.observer
        .set_witness(Some(Witness {
            energy: est(1.0, 0.1, 100.0),
            long_overlap: Overlap::new(est(0.8, 0.01, 100.0), 0.01),
        }))
        .unwrap();
    let again = ready(Ok(run.observer.phase()));
    assert_eq!((again.phase, again.candidate), (Phase::Gas, Phase::Trapped));
    assert_eq!(news(&mut run), []);
    window(&mut run, &mut random, 0.0, 5.0, 1000);
    assert!(matches!(
        news(&mut run)[..],
        [Event::PhaseChanged {
            step: 2000,
            from: Some(Phase::Gas),
            to: Phase::Trapped
        }]
    ));
}

#[test]
fn a_phase_that_cannot_be_known_says_why() {
    let mut run = Loop::new(Symmetry::Generic, 10_000, MonitorConfig::default());
    let mut random = Random::new(43);
    window(&mut run, &mut random, 0.0, 5.0, 20);
    let (seen, needed) = pending(run.observer.read_model("loss"));
    assert_eq!(pending(Ok(run.observer.phase())), (seen, needed));
    window(&mut run, &mut random, 0.0, 5.0, 1000);
    assert!(matches!(
        run.observer.phase(),
        Reading::Undefined(Reason::Missing(what)) if what.contains("gas")
    ));
    // With a gas and weights that hardly turn: the overlap is pending, in steps.
    let gas = MonitorConfig::default().gas_energy(exact(5.0));
    let (mut run, mut random) = (Loop::new(Symmetry::Generic, 10_000, gas), Random::new(44));
    for t in 0..1000 {
        let angle = 0.01 * f64::from(t);
        let w = [angle.cos(), angle.sin()];
        run.observe(&Step::new(5.0 + random.normal()), &w, &[0.1; 2]);
    }
    let found = run.observer.order_parameters(run.group).unwrap();
    let (seen, needed) = pending(Ok(found.long_overlap));
    assert_eq!(pending(Ok(run.observer.phase())), (seen, needed));
}
