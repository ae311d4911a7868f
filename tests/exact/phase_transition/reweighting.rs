//! Values by hand, closed forms and boundaries: reweighting.

use super::*;
use thermograd::Reason;
use thermograd::phase_transition::{MultiHistogram, Reweighted, Run, reweight};

#[track_caller]
fn inside(answer: Result<Reading<Reweighted>, Error>) -> (Estimate, f64) {
    match ready(answer) {
        Reweighted::Overlap {
            estimate,
            effective_samples,
        } => (estimate, effective_samples),
        other => panic!("{other:?}"),
    }
}

/// Samples that scatter about the energy of a bowl at a temperature.
fn energies(n: usize, temperature: f64, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..n)
        .map(|_| 0.5 * temperature * (0..6).map(|_| random.normal().powi(2)).sum::<f64>())
        .collect()
}

/// Kish's number and the mean of weighted counts, with the error of independent samples.
#[test]
fn a_histogram_is_weighted_count_by_count() {
    let energies = [0.5, -1.0, 2.0, 0.0];
    let values = [3.0, 1.0, -2.0, 0.7];
    let counts = [40.0, 30.0, 5.0, 60.0];
    let (from, to): (f64, f64) = (1.3, 0.9);
    let run = Run::new(from, &energies)
        .observable(&values)
        .counts(&counts);
    let w: Vec<f64> = energies
        .iter()
        .map(|e| (-(1.0 / to - 1.0 / from) * e).exp())
        .collect();
    let sum = |f: &dyn Fn(usize) -> f64| -> f64 { (0..4).map(f).sum() };
    let all = sum(&|i| counts[i] * w[i]);
    let mean = sum(&|i| counts[i] * w[i] * values[i]) / all;
    let effective = all * all / sum(&|i| counts[i] * w[i] * w[i]);
    let error = sum(&|i| counts[i] * (w[i] * (values[i] - mean)).powi(2)).sqrt() / all;
    let (found, samples) = inside(reweight(&run, to));
    same(found, est(mean, error, effective), 1e-12);
    near(samples, effective, 1e-12);
    // Without an observable: the energy itself.
    let run = Run::new(from, &energies).counts(&counts);
    let mean = sum(&|i| counts[i] * w[i] * energies[i]) / all;
    near(inside(reweight(&run, to)).0.value, mean, 1e-12);
    let answer = ready(reweight(&run, to));
    near(answer.estimate().unwrap().value, mean, 1e-12);
}

/// The ratio of two means by the jackknife; samples are worth the inverse of the larger inefficiency.
#[test]
fn a_series_is_weighted_element_by_element() {
    let x = ar1(0.5, 900, 3);
    let y: Vec<f64> = ar1(0.8, 900, 4).iter().map(|y| y + 2.0).collect();
    for (e, a) in [(&x, &y), (&y, &x), (&x, &x)] {
        let run = Run::new(2.0, e).observable(a);
        let weight = |e: f64| (-(1.0 / 2.3 - 0.5) * e).exp();
        let worth = 1.0 / inefficiency(e).max(inefficiency(a));
        let w: Vec<f64> = e.iter().map(|e| weight(*e)).collect();
        let largest = w.iter().copied().fold(0.0, f64::max);
        let centre = average(a);
        // Weights relative to the largest and values about the mean: the inefficiencies of these are those that count.
        let w: Vec<f64> = w.iter().map(|w| w / largest).collect();
        let product: Vec<f64> = w.iter().zip(a).map(|(w, a)| w * (a - centre)).collect();
        let mut expected = jackknife(&[product, w.clone()], |m| centre + m[0] / m[1]);
        let (sum, square) = (w.iter().sum::<f64>(), w.iter().map(|w| w * w).sum::<f64>());
        expected.n_eff = worth * sum * sum / square;
        let (found, samples) = inside(reweight(&run, 2.3));
        same(found, expected, 1e-8);
        near(samples, expected.n_eff, 1e-10);
    }
}

#[test]
fn fifty_samples_and_one_in_a_hundred_are_needed() {
    // At its own temperature every sample counts.
    let energies = [0.0, 1.0];
    let at_home = |n: f64| {
        let counts = [0.5 * n, 0.5 * n];
        reweight(&Run::new(1.0, &energies).counts(&counts), 1.0)
    };
    assert_eq!(pending(at_home(49.9)), (49, 50));
    near(inside(at_home(50.0)).1, 50.0, 1e-14);
    // 400 at weight 1 and 600 at weight w: (400 + 600 w)²/(400 + 600 w²).
    let counts = [40.0, 6e3];
    let run = Run::new(1.0, &energies).counts(&counts);
    let far = |t: f64| {
        let w = (1.0 - 1.0 / t).exp();
        (w, (40.0 + 6e3 * w).powi(2) / (40.0 + 6e3 * w * w))
    };
    // As T falls w falls to 0 and 40 samples are left, fewer than the 60.4 of one in a hundred.
    for t in [0.5, 0.2, 0.15, 0.13, 0.1, 0.05] {
        let (_, effective) = far(t);
        match ready(reweight(&run, t)) {
            Reweighted::Overlap {
                effective_samples, ..
            } => {
                near(effective_samples, effective, 1e-12);
                assert!(effective >= 60.4, "{t}");
            }
            Reweighted::OutsideOverlap {
                effective_samples,
                needed,
            } => {
                near(effective_samples, effective, 1e-12);
                near(needed, 60.4, 1e-12);
                assert!(effective < 60.4, "{t}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(ready(reweight(&run, 0.05)).estimate().is_none());
    // With fewer samples in all, 50 are needed.
    let counts = [40.0, 600.0];
    let answer = ready(reweight(&Run::new(1.0, &energies).counts(&counts), 0.05));
    assert!(matches!(answer, Reweighted::OutsideOverlap { needed, .. } if needed == 50.0));
}

#[test]
fn runs_are_checked() {
    let e = [0.0, 1.0, 2.0];
    let ask = |run: &Run| reweight(run, 1.0);
    assert_eq!(refused(ask(&Run::new(0.0, &e))), 0.0);
    assert_eq!(refused(reweight(&Run::new(1.0, &e), -1.0)), -1.0);
    assert!(ask(&Run::new(1.0, &e).counts(&[0.0, 9.0, 99.0])).is_ok());
    assert_eq!(
        refused(ask(&Run::new(1.0, &e).counts(&[0.0, -3.0, 9.0]))),
        -3.0
    );
    for run in [
        Run::new(1.0, &e).counts(&[1.0, 2.0]),
        Run::new(1.0, &e).observable(&[1.0, 2.0]),
    ] {
        assert!(matches!(
            ask(&run),
            Err(Error::LengthMismatch {
                expected: 3,
                found: 2,
                ..
            })
        ));
    }
    let nan = [0.0, f64::NAN, 1.0];
    for run in [
        Run::new(1.0, &nan),
        Run::new(1.0, &e).observable(&nan),
        Run::new(1.0, &e).counts(&nan),
    ] {
        assert!(matches!(ask(&run), Err(Error::NonFinite { index: 1, .. })));
    }
    assert_eq!(pending(ask(&Run::new(1.0, &[]))), (0, 50));
    assert!(matches!(
        ask(&Run::new(1.0, &e).counts(&[0.0; 3])),
        Ok(Reading::Undefined(Reason::DividesByZero(_)))
    ));
    assert!(matches!(MultiHistogram::new(&[]), Err(Error::Empty { .. })));
    assert_eq!(
        refused(MultiHistogram::new(&[Run::new(-1.0, &e)]).map(|_| ())),
        -1.0
    );
}

/// A run for the slow joining: temperature, energies, observable, and what an element is worth.
struct Slow<'a> {
    beta: f64,
    energies: &'a [f64],
    values: &'a [f64],
    worth: f64,
}

/// What each run weighs: the energies that are kept, times what one of them is worth.
fn sizes(runs: &[Slow], kept: impl Fn(usize, usize) -> bool) -> Vec<f64> {
    let size = |r: &Slow| {
        let n = r.energies.len();
        (0..n).filter(|&i| kept(i, n)).count() as f64 * r.worth
    };
    runs.iter().map(size).collect()
}

/// Free energies by plain iteration of the equations, without those elements of a run that are left out.
fn iterate(runs: &[Slow], kept: impl Fn(usize, usize) -> bool) -> Vec<f64> {
    let sizes = sizes(runs, &kept);
    let mut f = vec![0.0; runs.len()];
    for _ in 0..300 {
        let mut sums = vec![0.0; runs.len()];
        for r in runs {
            for (i, e) in r.energies.iter().enumerate() {
                if !kept(i, r.energies.len()) {
                    continue;
                }
                let below: f64 = (0..runs.len())
                    .map(|j| sizes[j] * (f[j] - runs[j].beta * e).exp())
                    .sum();
                for (sum, run) in sums.iter_mut().zip(runs) {
                    *sum += r.worth * (-run.beta * e).exp() / below;
                }
            }
        }
        f = sums.iter().map(|s| -(s / sums[0]).ln()).collect();
    }
    f
}

/// The mean at an inverse temperature and Kish's number, given the free energies.
fn reach(runs: &[Slow], f: &[f64], beta: f64, kept: impl Fn(usize, usize) -> bool) -> (f64, f64) {
    let sizes = sizes(runs, &kept);
    let (mut sum, mut product, mut square) = (0.0, 0.0, 0.0);
    for r in runs {
        for (i, e) in r.energies.iter().enumerate() {
            if !kept(i, r.energies.len()) {
                continue;
            }
            let below: f64 = (0..runs.len())
                .map(|j| sizes[j] * (f[j] - runs[j].beta * e).exp())
                .sum();
            let w = (-beta * e).exp() / below;
            sum += r.worth * w;
            product += r.worth * w * r.values[i];
            square += r.worth * w * w;
        }
    }
    (product / sum, sum * sum / square)
}

/// Plain iteration for all data and for all but each sixteenth; the jackknife takes off its bias.
#[test]
fn many_runs_are_joined_as_by_plain_iteration() {
    let (a, b, c) = (
        energies(90, 1.0, 1),
        energies(64, 1.4, 2),
        energies(77, 1.9, 3),
    );
    let values: Vec<Vec<f64>> = [&a, &b, &c]
        .iter()
        .map(|e| e.iter().map(|e| e.sqrt() + 1.0).collect())
        .collect();
    let runs = [
        Run::new(1.4, &b).observable(&values[1]),
        Run::new(1.9, &c).observable(&values[2]),
        Run::new(1.0, &a).observable(&values[0]),
    ];
    let slow: Vec<Slow> = [(1.0, &a), (1.4, &b), (1.9, &c)]
        .iter()
        .zip(&values)
        .map(|(&(t, e), v)| Slow {
            beta: 1.0 / t,
            energies: e,
            values: v,
            worth: 1.0 / inefficiency(e).max(inefficiency(v)),
        })
        .collect();
    let joined = ready(MultiHistogram::new(&runs));
    let f = iterate(&slow, |_, _| true);
    assert_eq!(joined.free_energies().len(), 3);
    for (found, expected) in joined.free_energies().iter().zip(&f) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
    let without: Vec<Vec<f64>> = (0..16)
        .map(|g| iterate(&slow, |i, n| i * 16 / n != g))
        .collect();
    for t in [1.0, 1.6, 2.2] {
        let (full, effective) = reach(&slow, &f, 1.0 / t, |_, _| true);
        let partial: Vec<f64> = (0..16)
            .map(|g| reach(&slow, &without[g], 1.0 / t, |i, n| i * 16 / n != g).0)
            .collect();
        let expected = est(
            16.0 * full - 15.0 * average(&partial),
            group_error(&partial),
            effective,
        );
        let (found, samples) = inside(joined.reweight(t));
        same(found, expected, 1e-8);
        near(samples, effective, 1e-9);
    }
    assert_eq!(refused(joined.reweight(0.0)), 0.0);
}

/// A constant added to the energies adds `βE₀` to the free energies and nothing else.
#[test]
fn the_zero_of_the_energy_does_not_matter() {
    let far = 4096.0;
    let near_by: Vec<Vec<f64>> = [(1.0, 1), (1.4, 2), (1.9, 3)]
        .iter()
        .map(|&(t, seed)| energies(160, t, seed))
        .collect();
    let moved: Vec<Vec<f64>> = near_by
        .iter()
        .map(|e| e.iter().map(|e| e + far).collect())
        .collect();
    let runs = |data: &[Vec<f64>]| -> (Estimate, Vec<f64>, Estimate, Vec<Estimate>) {
        let runs: Vec<Run> = [1.0, 1.4, 1.9]
            .iter()
            .zip(data)
            .zip(&near_by)
            .map(|((t, e), a)| Run::new(*t, e).observable(a))
            .collect();
        let joined = ready(MultiHistogram::new(&runs));
        (
            inside(reweight(&runs[1], 1.2)).0,
            joined.free_energies().to_vec(),
            inside(reweight(&runs[1], 1.7)).0,
            [1.1, 1.6, 2.1]
                .map(|t| inside(joined.reweight(t)).0)
                .to_vec(),
        )
    };
    let (here, there) = (runs(&near_by), runs(&moved));
    same(there.0, here.0, 1e-8);
    same(there.2, here.2, 1e-8);
    for (k, beta) in [1.0, 1.0 / 1.4, 1.0 / 1.9].into_iter().enumerate() {
        let shift = (beta - 1.0) * far;
        assert!((there.1[k] - here.1[k] - shift).abs() < 1e-7);
    }
    for (there, here) in there.3.iter().zip(&here.3) {
        same(*there, *here, 1e-7);
    }
}

/// Two levels, 0 and 1: all is known in closed form, the free energies and the error of the mean too.
#[test]
fn joined_histograms_of_two_levels_have_closed_forms() {
    let levels = [0.0, 1.0];
    let occupied = |t: f64| 1.0 / (1.0 + (1.0 / t).exp());
    let counts = |t: f64, n: f64| [n * (1.0 - occupied(t)), n * occupied(t)];
    let (first, second) = (counts(0.7, 300.0), counts(1.5, 900.0));
    let runs = [
        Run::new(1.5, &levels).counts(&second),
        Run::new(0.7, &levels).counts(&first),
    ];
    let joined = ready(MultiHistogram::new(&runs));
    let f = |t: f64| -(1.0 + (-1.0_f64 / t).exp()).ln();
    let free = joined.free_energies();
    assert_eq!(free.len(), 2);
    assert_eq!(free[0], 0.0);
    near(free[1], f(1.5) - f(0.7), 1e-9);
    // Each level has one weight: p/m of its share p and its counts m in both runs.
    let t = 1.0;
    let p = occupied(t);
    let (below, above) = (first[0] + second[0], first[1] + second[1]);
    let square = (1.0 - p).powi(2) / below + p * p / above;
    let error = ((1.0 - p).powi(2) * p * p * (1.0 / below + 1.0 / above)).sqrt();
    let (found, samples) = inside(joined.reweight(t));
    same(found, est(p, error, 1.0 / square), 1e-8);
    near(samples, 1.0 / square, 1e-8);
}

/// White samples are worth one each, at least: 32 are needed, two for each group of the jackknife.
#[test]
fn a_joined_run_has_two_samples_for_each_group() {
    let by_turns: Vec<f64> = (0..64).map(|i| f64::from(i % 2)).collect();
    let join = |n: usize| MultiHistogram::new(&[Run::new(1.0, &by_turns[..n])]);
    assert_eq!(pending(join(31)), (31, 32));
    let one = ready(join(32));
    assert_eq!(one.free_energies(), [0.0]);
    // A slow series asks for as many more as it is slow.
    let slow = ar1(0.9, 200, 5);
    let g = inefficiency(&slow);
    assert!(200.0 / g < 32.0);
    let needed = (32.0 * g).ceil() as u64;
    assert_eq!(
        pending(MultiHistogram::new(&[Run::new(1.0, &slow)])),
        (200, needed)
    );
    assert!(matches!(
        MultiHistogram::new(&[Run::new(1.0, &[1.0, 2.0]).counts(&[0.0, 0.0])]),
        Ok(Reading::Undefined(Reason::Degenerate(_)))
    ));
}

/// Runs of `n` and `m` samples of which the first has a share `a` in the upper of two levels, the second the same share in the lower
/// one: the sum over levels of `N₀P₀N₁P₁/(N₀P₀ + N₁P₁)`, over the smaller run, is what they have in common.
#[test]
fn neighbours_share_three_samples_in_a_hundred() {
    let common = |n: f64, m: f64, a: f64| {
        let level = |p: f64, q: f64| n * p * m * q / (n * p + m * q);
        (level(1.0 - a, a) + level(a, 1.0 - a)) / n.min(m)
    };
    let levels = [0.0, 1.0];
    let joins = |n: f64, m: f64, a: f64| {
        // Canonical where the odds grow by e^{β₀ − β₁}.
        let beta = 1.0 + 2.0 * ((1.0 - a) / a).ln();
        let (cold, hot) = ([n * (1.0 - a), n * a], [m * a, m * (1.0 - a)]);
        let runs = [
            Run::new(1.0 / beta, &levels).counts(&cold),
            Run::new(1.0, &levels).counts(&hot),
        ];
        MultiHistogram::new(&runs).is_ok_and(|r| r.ready().is_some())
    };
    for (n, m) in [(500.0, 500.0), (500.0, 2000.0), (2000.0, 300.0)] {
        let (mut low, mut high) = (1e-6, 0.5);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if common(n, m, middle) < 0.03 {
                low = middle;
            } else {
                high = middle;
            }
        }
        assert!(joins(n, m, low * 1.001), "{n} {m}");
        assert!(!joins(n, m, low * 0.999), "{n} {m}");
        assert!(joins(n, m, 0.3));
    }
}
