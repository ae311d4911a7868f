//! Values by hand, closed forms and boundaries: pelt.

use super::*;
use thermograd::Reason;
use thermograd::phase_transition::change_point::{
    Cost, PeltConfig, Penalty, Segmentation, optimal_partitioning, pelt,
};

const KERNEL: Cost = Cost::Kernel { bandwidth: None };
/// Third quartile of the normal distribution.
const QUARTILE: f64 = 0.674_489_750_196_081_7;

fn middle(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    let n = x.len();
    if n % 2 == 1 {
        x[n / 2]
    } else {
        0.5 * (x[n / 2 - 1] + x[n / 2])
    }
}

fn spread(x: &[f64]) -> f64 {
    let mean = average(x);
    x.iter().map(|x| (x - mean).powi(2)).sum()
}

/// Noise on steps of the mean and of the width.
fn steps(n: usize, every: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let (mut level, mut width) = (0.0, 1.0);
    (0..n)
        .map(|t| {
            if t % every == every - 1 {
                level = 3.0 * random.normal();
                width = 0.3 + 2.0 * random.uniform();
            }
            level + width * random.normal()
        })
        .collect()
}

/// Costs of all segments, straight from their definitions: `table[s][t]` is that of `s..t`.
fn table(x: &[f64], cost: Cost, noise: f64) -> Vec<Vec<f64>> {
    let n = x.len();
    let floor = 1e-8 * spread(x) / n as f64;
    let width = if let Cost::Kernel { bandwidth: Some(h) } = cost {
        h
    } else {
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (x[i] - x[j]).abs()));
        middle(pairs.collect())
    };
    let kernel: Vec<Vec<f64>> = x
        .iter()
        .map(|a| {
            x.iter()
                .map(|b| (-(a - b).powi(2) / (2.0 * width * width)).exp())
                .collect()
        })
        .collect();
    let scatter = |s: usize, t: usize| -> f64 {
        let sum: f64 = kernel[s..t].iter().flat_map(|row| &row[s..t]).sum();
        (t - s) as f64 - sum / (t - s) as f64
    };
    let per_element = scatter(0, n) / n as f64;
    (0..n)
        .map(|s| {
            (0..=n)
                .map(|t| {
                    if t <= s {
                        return f64::INFINITY;
                    }
                    let part = &x[s..t];
                    let size = part.len() as f64;
                    match cost {
                        Cost::Mean => spread(part) / noise,
                        Cost::MeanAndVariance => {
                            let found = spread(part) / size;
                            let v = found.max(floor);
                            size * ((std::f64::consts::TAU * v).ln() + found / v)
                        }
                        _ => scatter(s, t) / per_element,
                    }
                })
                .collect()
        })
        .collect()
}

/// The least of `Σ cost + extra + β` a change over all segmentations, by the plain recursion.
fn least_of_all(table: &[Vec<f64>], least: usize, penalty: f64, modified: bool) -> f64 {
    let n = table.len();
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = -penalty;
    for t in least..=n {
        for s in 0..=t - least {
            best[t] = best[t].min(best[s] + segment(table, s, t, modified) + penalty);
        }
    }
    best[n]
}

fn segment(table: &[Vec<f64>], s: usize, t: usize, modified: bool) -> f64 {
    let share = (t - s) as f64 / table.len() as f64;
    table[s][t] + if modified { share.ln() } else { 0.0 }
}

/// `Σ cost` of an answer, with `ln(nᵢ/n)` where that is asked for.
fn sum_of(table: &[Vec<f64>], found: &Segmentation, least: usize, modified: bool) -> f64 {
    let mut bounds = vec![0];
    bounds.extend(&found.change_points);
    bounds.push(table.len());
    assert!(bounds.windows(2).all(|w| w[0] + least <= w[1]));
    bounds
        .windows(2)
        .map(|w| segment(table, w[0], w[1], modified))
        .sum()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-7 * (1.0 + expected.abs()),
        "{found} where {expected} is expected"
    );
}

/// Both searches against the plain recursion on costs from their definitions.
#[test]
fn segmentations_are_the_least_of_all() {
    for (seed, n, every, least) in [
        (1, 40, 9, 1),
        (2, 60, 20, 2),
        (3, 61, 7, 3),
        (4, 75, 25, 6),
        (5, 30, 99, 2),
    ] {
        let x = steps(n, every, seed);
        let size = n as f64;
        let differences = x.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
        let noise = 0.5 * (middle(differences) / QUARTILE).powi(2);
        let costs = [
            (Cost::Mean, 1.0),
            (Cost::MeanAndVariance, 2.0),
            (KERNEL, 1.0),
            (
                Cost::Kernel {
                    bandwidth: Some(0.7),
                },
                1.0,
            ),
        ];
        for (cost, p) in costs {
            let least = if cost == Cost::MeanAndVariance {
                least.max(2)
            } else {
                least
            };
            let table = table(&x, cost, noise);
            let whole = table[0][n];
            let gain = (least..=n - least)
                .map(|t| whole - table[0][t] - table[t][n])
                .fold(f64::NEG_INFINITY, f64::max);
            for (penalty, price) in [
                (Penalty::Given(2.5), 2.5),
                (Penalty::Given(0.0), 0.0),
                (Penalty::Bic, (p + 1.0) * size.ln()),
                (Penalty::Mbic, (p + 2.0) * size.ln()),
            ] {
                let modified = penalty == Penalty::Mbic;
                let config = PeltConfig::new(cost).penalty(penalty).min_segment(least);
                let best = least_of_all(&table, least, price, modified);
                for found in [
                    ready(pelt(&x, &config)),
                    ready(optimal_partitioning(&x, &config)),
                ] {
                    let changes = found.change_points.len() as f64;
                    close(
                        sum_of(&table, &found, least, modified) + price * changes,
                        best,
                    );
                    close(found.cost, sum_of(&table, &found, least, false));
                    close(found.cost_without_change, whole);
                    close(found.statistic, gain);
                    near(found.penalty, price, 1e-14);
                    near(found.noise_variance, noise, 1e-12);
                    assert_eq!(found.inefficiency, 1.0);
                }
            }
        }
    }
}

/// The first and the last place where a series may be cut are looked at too.
#[test]
fn the_statistic_looks_at_both_ends() {
    for last in [false, true] {
        let mut x = steps(40, 99, 21);
        for (t, x) in x.iter_mut().enumerate() {
            *x += 9.0 * f64::from(u8::from(if last { t >= 35 } else { t < 5 }));
        }
        for cost in [Cost::Mean, Cost::MeanAndVariance, KERNEL] {
            let table = table(&x, cost, 2.0);
            let at = if last { 35 } else { 5 };
            let gain = |t: usize| table[0][40] - table[0][t] - table[t][40];
            assert!((5..=35).all(|t| gain(t) <= gain(at)));
            let config = PeltConfig::new(cost)
                .penalty(Penalty::Given(1e6))
                .min_segment(5)
                .noise_variance(2.0);
            close(ready(pelt(&x, &config)).statistic, gain(at));
        }
    }
}

/// Whole numbers, of which many segmentations are equally good, and more starts alive at a time than fit side by side.
#[test]
fn pruning_loses_nothing_among_equals() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let values = 2 + random.below(4);
        let mut level = 0;
        let x: Vec<f64> = (0..160)
            .map(|_| {
                if random.below(15) == 0 {
                    level = random.below(5);
                }
                (level + random.below(values)) as f64
            })
            .collect();
        for (penalty, price) in [
            (Penalty::Given(0.0), 0.0),
            (Penalty::Given(0.5), 0.5),
            (Penalty::Given(6.0), 6.0),
            (Penalty::Mbic, 3.0 * 160_f64.ln()),
        ] {
            let least = 1 + random.below(6);
            let config = PeltConfig::new(Cost::Mean)
                .penalty(penalty)
                .min_segment(least)
                .noise_variance(0.7);
            let total = |found: &Segmentation| {
                let mut bounds = vec![0];
                bounds.extend(&found.change_points);
                bounds.push(160);
                let share = |w: &[usize]| ((w[1] - w[0]) as f64 / 160.0).ln();
                let extra: f64 = bounds.windows(2).map(share).sum();
                let extra = if penalty == Penalty::Mbic { extra } else { 0.0 };
                found.cost + extra + price * found.change_points.len() as f64
            };
            let (pruned, full) = (
                ready(pelt(&x, &config)),
                ready(optimal_partitioning(&x, &config)),
            );
            close(total(&pruned), total(&full));
        }
    }
}

/// A quiet half costs as if it had 10⁻⁸ of the variance of all.
#[test]
fn a_constant_segment_has_the_floor_of_the_variance() {
    let x: Vec<f64> = (0..24)
        .map(|t| match t {
            0..12 => 5.0,
            t if t % 2 == 0 => 4.0,
            _ => 6.0,
        })
        .collect();
    let table = table(&x, Cost::MeanAndVariance, 1.0);
    let config = PeltConfig::new(Cost::MeanAndVariance).penalty(Penalty::Given(20.0));
    let found = ready(pelt(&x, &config));
    assert_eq!(found.change_points, [12]);
    // Variance of all: a half; of the second half: 1.
    let floor = 0.5e-8 * std::f64::consts::TAU;
    close(
        found.cost,
        12.0 * floor.ln() + 12.0 * (std::f64::consts::TAU.ln() + 1.0),
    );
    close(found.statistic, table[0][24] - found.cost);
}

/// Above 512 elements the width is the median distance of 512 of them; where more than half the pairs are equal, the mean distance.
#[test]
fn the_width_of_the_kernel_is_a_median_distance() {
    let x = steps(600, 300, 6);
    let some: Vec<f64> = (0..512).map(|i| x[i * 600 / 512]).collect();
    let pairs = |s: &[f64]| -> Vec<f64> {
        (0..s.len())
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| (s[i] - s[j]).abs())
            .collect()
    };
    let ask = |x: &[f64], bandwidth: Option<f64>| {
        let config = PeltConfig::new(Cost::Kernel { bandwidth }).penalty(Penalty::Given(1e9));
        ready(pelt(x, &config)).statistic
    };
    near(ask(&x, None), ask(&x, Some(middle(pairs(&some)))), 1e-12);
    let rare: Vec<f64> = (0..40)
        .map(|t| if t % 9 == 4 { f64::from(t) } else { 1.0 })
        .collect();
    near(
        ask(&rare, None),
        ask(&rare, Some(average(&pairs(&rare)))),
        1e-12,
    );
}

/// Variance and inefficiency of the noise by the rules 1 to 3: medians of differences, of block means, and the raw series above.
fn automatic_noise(x: &[f64]) -> (f64, f64) {
    let n = x.len();
    let lagged = |lag: usize| {
        let differences = (lag..n).map(|t| (x[t] - x[t - lag]).abs()).collect();
        (middle(differences) / QUARTILE).powi(2)
    };
    let rho = (lagged(2) / lagged(1) - 1.0).clamp(0.0, 0.999);
    let raw = spread(x) / n as f64;
    let variance = (lagged(1) / (2.0 * (1.0 - rho))).min(raw);
    let length = (n as f64).sqrt().floor() as usize;
    let means: Vec<f64> = x.chunks_exact(length).map(average).collect();
    let differences = means.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
    let blocks = length as f64 * 0.5 * (middle(differences) / QUARTILE).powi(2);
    let long = (variance * (1.0 + rho) / (1.0 - rho)).max(blocks);
    let long = long.min(raw * inefficiency(x));
    (variance, (long / variance).max(1.0))
}

/// What is left when every segment loses its mean: its long-run variance.
fn left_over(x: &[f64], found: &Segmentation) -> f64 {
    let mut bounds = vec![0];
    bounds.extend(&found.change_points);
    bounds.push(x.len());
    let left: Vec<f64> = bounds
        .windows(2)
        .flat_map(|w| {
            let mean = average(&x[w[0]..w[1]]);
            x[w[0]..w[1]].iter().map(move |x| x - mean)
        })
        .collect();
    inefficiency(&left) * left.iter().map(|r| r * r).sum::<f64>() / x.len() as f64
}

/// Rule 4: as long as more is left over than was allowed for, allow for that and segment again.
#[test]
fn the_automatic_penalty_follows_its_rules() {
    let mut raised = 0;
    for (rho, n, jump, seed) in [
        (0.0, 300, 6.0, 1),
        (0.4, 350, 0.0, 2),
        (0.5, 500, 9.0, 3),
        (-0.5, 200, 0.0, 7),
        (0.0, 900, 0.0, 8),
        (0.6, 600, 5.0, 9),
        (0.5, 450, 6.0, 10),
        (0.3, 450, 6.0, 11),
    ] {
        // One has rare bumps that no median sees and that are not worth two changes.
        let bump = |t: usize| f64::from(u8::from(seed == 8 && t % 180 < 12));
        let x: Vec<f64> = ar1(rho, n, seed)
            .iter()
            .enumerate()
            .map(|(t, x)| x + 1.5 * bump(t) + if t < n / 3 { 0.0 } else { jump })
            .collect();
        let (variance, g) = automatic_noise(&x);
        let ln_n = (n as f64).ln();
        for (cost, p) in [(Cost::Mean, 1.0), (Cost::MeanAndVariance, 2.0)] {
            if seed > 7 && p > 1.0 {
                continue;
            }
            let mut expected = None;
            let mut now = g;
            for _ in 0..=5 {
                let price = (p + 2.0) * now * ln_n;
                let config = PeltConfig::new(cost)
                    .penalty(Penalty::Given(price))
                    .noise_variance(variance);
                let found = ready(pelt(&x, &config));
                let left = left_over(&x, &found);
                expected = Some((found, now, price));
                if left <= variance * now * (1.0 + 1e-9) {
                    break;
                }
                raised += 1;
                now = left / variance;
            }
            let (segmentation, now, price) = expected.unwrap();
            let found = ready(pelt(&x, &PeltConfig::new(cost)));
            near(found.noise_variance, variance, 1e-10);
            near(found.inefficiency, now, 1e-8);
            near(found.penalty, price, 1e-8);
            assert_eq!(found.change_points, segmentation.change_points);
        }
        // A known variance leaves the long-run variance what it is.
        for factor in [2.0, 100.0] {
            let known = factor * variance;
            let config = PeltConfig::new(Cost::Mean).noise_variance(known);
            let found = ready(pelt(&x, &config));
            assert_eq!(found.noise_variance, known);
            if seed < 8 {
                near(found.inefficiency, (g / factor).max(1.0), 1e-8);
            }
        }
    }
    assert!(raised > 0);
}

/// Where most elements repeat the median difference is zero: the mean square takes its place.
#[test]
fn the_noise_of_repeating_elements_is_a_mean_square() {
    let x: Vec<f64> = (0..80)
        .map(|t| if t % 10 == 7 { 3.0 } else { 1.0 })
        .collect();
    // Eight bumps of 2, up and down: 16 of 79 differences.
    let square = 16.0 * 4.0 / 79.0;
    let config = PeltConfig::new(Cost::Mean).penalty(Penalty::Given(1e3));
    near(ready(pelt(&x, &config)).noise_variance, 0.5 * square, 1e-12);
}

#[test]
fn fifty_independent_observations_are_needed() {
    // A series that turns its sign at every step: g = 1.
    let by_turns: Vec<f64> = (0..60).map(|t| f64::from(t % 2)).collect();
    let config = PeltConfig::new(Cost::Mean);
    assert_eq!(pending(pelt(&by_turns[..49], &config)), (49, 50));
    assert!(pelt(&by_turns[..50], &config).is_ok_and(|r| r.ready().is_some()));
    let slow = ar1(0.95, 500, 8);
    let (_, g) = automatic_noise(&slow);
    assert!(50.0 * g > 500.0);
    assert_eq!(
        pending(pelt(&slow, &config)),
        (500, (50.0 * g).ceil() as u64)
    );
}

#[test]
fn a_segmentation_needs_two_segments_and_eight_elements() {
    let x = steps(40, 50, 9);
    let given = |least: usize| {
        PeltConfig::new(Cost::Mean)
            .penalty(Penalty::Given(1.0))
            .min_segment(least)
    };
    for (least, needed) in [(1, 8), (4, 8), (5, 10), (12, 24)] {
        let short = &x[..needed - 1];
        assert_eq!(
            pending(pelt(short, &given(least))),
            (needed as u64 - 1, needed as u64)
        );
        let found = ready(pelt(&x[..needed], &given(least)));
        assert!(found.change_points.len() < needed / least);
    }
    for cost in [Cost::Mean, KERNEL] {
        let config = PeltConfig::new(cost).penalty(Penalty::Given(1.0));
        assert_eq!(refused(pelt(&x, &config.clone().min_segment(0))), 0.0);
        assert!(pelt(&x, &config.min_segment(1)).is_ok());
    }
    let both = PeltConfig::new(Cost::MeanAndVariance).penalty(Penalty::Given(1.0));
    assert_eq!(refused(pelt(&x, &both.clone().min_segment(1))), 1.0);
    assert!(pelt(&x, &both.min_segment(2)).is_ok());
    assert_eq!(
        [Cost::Mean, Cost::MeanAndVariance, KERNEL].map(|c| PeltConfig::new(c).min_segment),
        [2, 5, 5]
    );
}

#[test]
fn a_segmentation_keeps_to_its_ranges() {
    let x = steps(40, 50, 9);
    let config = PeltConfig::new(Cost::Mean);
    for bad in [-1e-9, f64::INFINITY] {
        assert_eq!(
            refused(pelt(&x, &config.clone().penalty(Penalty::Given(bad)))),
            bad
        );
    }
    for bad in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(refused(pelt(&x, &config.clone().noise_variance(bad))), bad);
        let kernel = PeltConfig::new(Cost::Kernel {
            bandwidth: Some(bad),
        })
        .penalty(Penalty::Given(1.0));
        assert_eq!(refused(pelt(&x, &kernel)), bad);
    }
    // The kernel takes 20 000 elements, be they constant; the others take more.
    let long = vec![1.0; 20_001];
    assert_eq!(refused(pelt(&long, &PeltConfig::new(KERNEL))), 20_001.0);
    let given = PeltConfig::new(Cost::Mean)
        .noise_variance(1.0)
        .penalty(Penalty::Given(1.0));
    for answer in [
        pelt(&long[1..], &PeltConfig::new(KERNEL)),
        pelt(&long, &PeltConfig::new(Cost::Mean)),
        pelt(&long[..30], &given),
    ] {
        assert!(matches!(
            answer,
            Ok(Reading::Undefined(Reason::Degenerate(_)))
        ));
    }
    // Noise too small for the numbers.
    let vast: Vec<f64> = x.iter().map(|x| 1e140 * x).collect();
    assert!(matches!(
        pelt(&vast, &given.noise_variance(1e-50)),
        Ok(Reading::Undefined(Reason::Meaningless(_)))
    ));
}

/// Of a kernel as wide as h an element costs var/h²: below 10⁻¹² that is rounding.
#[test]
fn a_kernel_far_wider_than_the_series_sees_nothing() {
    let x = steps(60, 99, 3);
    let deviation = (spread(&x) / 60.0).sqrt();
    let ask = |per_element: f64| {
        let config = PeltConfig::new(Cost::Kernel {
            bandwidth: Some(deviation / per_element.sqrt()),
        });
        pelt(&x, &config.penalty(Penalty::Given(1.0)))
    };
    assert!(ask(2e-12).is_ok_and(|r| r.ready().is_some()));
    assert!(undefined(&ask(0.5e-12)));
}

/// Sums are taken about the median: neither the zero nor, for a given variance in its unit, the unit matters.
#[test]
fn the_zero_and_the_unit_of_a_series_do_not_matter() {
    let x: Vec<f64> = steps(300, 40, 12)
        .iter()
        .map(|x| (64.0 * x).round())
        .collect();
    let moved: Vec<f64> = x.iter().map(|x| 0.25 * (x + 2_f64.powi(36))).collect();
    for cost in [Cost::Mean, Cost::MeanAndVariance, KERNEL] {
        let config = PeltConfig::new(cost).penalty(Penalty::Bic);
        let (a, b) = (ready(pelt(&x, &config)), ready(pelt(&moved, &config)));
        assert_eq!(a.change_points, b.change_points);
        near(b.statistic, a.statistic, 1e-9);
        near(b.noise_variance, a.noise_variance / 16.0, 1e-12);
    }
}
