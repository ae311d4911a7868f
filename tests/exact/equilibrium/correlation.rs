//! Values by hand, closed forms and boundaries: correlation.

use super::{mean, memory, near, noise, normal_cdf, normal_quantile, refused, variance};
use thermograd::correlation::{
    Bootstrap, Coefficient, Interval, bootstrap, correlation, partial_correlation,
};
use thermograd::systems::Random;
use thermograd::{Error, Reading, Reason};

const ALL: [Coefficient; 4] = [
    Coefficient::Kendall,
    Coefficient::Spearman,
    Coefficient::Pearson,
    Coefficient::NormalScores,
];

fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    let pairs = || x.iter().zip(y);
    let sum: f64 = pairs().map(|(a, b)| (a - mx) * (b - my)).sum();
    sum / ((x.len() as f64 - 1.0) * (variance(x) * variance(y)).sqrt())
}

/// How many are smaller, and half of those that are equal, from 1.
fn ranks(x: &[f64]) -> Vec<f64> {
    let rank = |a: &f64| {
        let below = x.iter().filter(|b| *b < a).count() as f64;
        let equal = x.iter().filter(|b| *b == a).count() as f64;
        below + 0.5 * (equal + 1.0)
    };
    x.iter().map(rank).collect()
}

/// Each by its definition, pair by pair.
fn naive(x: &[f64], y: &[f64], which: Coefficient) -> f64 {
    let scores = |x: &[f64]| -> Vec<f64> {
        let size = x.len() as f64 + 0.25;
        let score = |r: f64| normal_quantile((r - 0.375) / size);
        ranks(x).into_iter().map(score).collect()
    };
    match which {
        Coefficient::Spearman => pearson(&ranks(x), &ranks(y)),
        Coefficient::Pearson => pearson(x, y),
        Coefficient::NormalScores => pearson(&scores(x), &scores(y)),
        _ => {
            let (mut score, mut in_x, mut in_y) = (0.0, 0.0, 0.0);
            let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
            for i in 0..x.len() {
                for j in 0..i {
                    let (a, b) = (sign(x[i] - x[j]), sign(y[i] - y[j]));
                    score += a * b;
                    in_x += a * a;
                    in_y += b * b;
                }
            }
            let both: f64 = in_x * in_y;
            score / both.sqrt()
        }
    }
}

fn family() -> [Vec<f64>; 4] {
    let x = memory(14, 0.3, 1);
    // Whole numbers above zero: with ties.
    let whole = |size: f64, seed| -> Vec<f64> {
        let pairs = x.iter().zip(noise(14, seed));
        pairs.map(|(x, e)| 9.0 + (size * (x + e)).round()).collect()
    };
    let (y, z) = (whole(2.0, 2), whole(1.0, 3));
    [x, y, z, noise(14, 4)]
}

/// 2 concordant of 3 pairs, of which one is tied in x: 2/√(2·3), whatever the signs of the zeros.
#[test]
fn zeros_of_either_sign_are_tied() {
    for x in [[0.0, 0.0, 1.0], [0.0, -0.0, 1.0], [-0.0, 0.0, 1.0]] {
        for (x, y) in [(x, [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], x)] {
            let found = correlation(&x, &y, Coefficient::Kendall).unwrap();
            near(*found.ready().unwrap(), 2.0 / 6_f64.sqrt(), 1e-15);
        }
    }
}

#[test]
fn coefficients_are_those_of_their_definitions() {
    let [x, y, z, _] = family();
    for which in ALL {
        for (a, b) in [(&x, &y), (&y, &z), (&z, &x)] {
            let found = correlation(a, b, which).unwrap();
            let found = *found.ready().unwrap();
            near(found, naive(a, b, which), 1e-9);
            assert_eq!(correlation(b, a, which).unwrap(), Reading::Ready(found));
        }
        let back: Vec<f64> = x.iter().map(|x| -3.0 * x).collect();
        let found = correlation(&x, &back, which).unwrap();
        near(*found.ready().unwrap(), -1.0, 1e-14);
    }
}

/// One after the other: r_xy·zw = (r_xy·z − r_xw·z r_yw·z)/√((1 − r_xw·z²)(1 − r_yw·z²)).
#[test]
fn what_is_held_is_taken_out_one_after_the_other() {
    let [x, y, z, w] = family();
    let out = |r: f64, s: f64, t: f64| (r - s * t) / ((1.0 - s * s) * (1.0 - t * t)).sqrt();
    for which in ALL {
        let r = |a: &[f64], b: &[f64]| naive(a, b, which);
        let given_z = |a: &[f64], b: &[f64]| out(r(a, b), r(a, &z), r(b, &z));
        let found = partial_correlation(&x, &y, &[&z], which).unwrap();
        near(*found.ready().unwrap(), given_z(&x, &y), 1e-8);
        let found = partial_correlation(&x, &y, &[&z, &w], which).unwrap();
        let expected = out(given_z(&x, &y), given_z(&x, &w), given_z(&y, &w));
        near(*found.ready().unwrap(), expected, 1e-8);
    }
}

#[test]
fn correlation_takes_two_runs_and_one_more_for_each_that_is_held_and_two() {
    let [x, y, z, w] = family();
    let ask = |n: usize, held: &[&[f64]]| {
        let held: Vec<&[f64]> = held.iter().map(|h| &h[..n]).collect();
        partial_correlation(&x[..n], &y[..n], &held, Coefficient::Pearson).unwrap()
    };
    let pending = |seen, needed| Reading::Pending { seen, needed };
    assert_eq!(ask(1, &[]), pending(1, 2));
    near(ask(2, &[]).ready().unwrap().abs(), 1.0, 1e-14);
    assert_eq!(ask(3, &[&z]), pending(3, 4));
    assert!(ask(4, &[&z]).ready().is_some());
    assert_eq!(ask(4, &[&z, &w]), pending(4, 5));
    assert!(ask(5, &[&z, &w]).ready().is_some());
    assert!(matches!(
        correlation(&x, &y[..13], Coefficient::Kendall),
        Err(Error::LengthMismatch { .. })
    ));
    for which in ALL {
        assert!(matches!(
            correlation(&x, &[1.0; 14], which).unwrap(),
            Reading::Undefined(Reason::Degenerate(_))
        ));
        // Held fixed by itself nothing is left.
        assert!(matches!(
            partial_correlation(&x, &y, &[&x], which).unwrap(),
            Reading::Undefined(Reason::Degenerate(_))
        ));
    }
}

/// Order statistics with lines between them.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p * (sorted.len() as f64 - 1.0);
    let low = super::whole(place);
    let next = sorted[(low + 1).min(sorted.len() - 1)];
    sorted[low] + place.fract() * (next - sorted[low])
}

/// Efron's interval from the resamples that the seed draws.
fn naive_interval(all: [&[f64]; 2], units: &[Vec<usize>], level: f64, seed: u64) -> [f64; 4] {
    let over = |chosen: &[&Vec<usize>]| {
        let pick = |x: &[f64]| -> Vec<f64> {
            chosen
                .iter()
                .flat_map(|unit| unit.iter().map(|&i| x[i]))
                .collect()
        };
        pearson(&pick(all[0]), &pick(all[1]))
    };
    let value = over(&units.iter().collect::<Vec<_>>());
    let mut random = Random::new(seed);
    let mut seen: Vec<f64> = (0..200)
        .map(|_| {
            let chosen: Vec<&Vec<usize>> = (0..units.len())
                .map(|_| &units[random.below(units.len())])
                .collect();
            over(&chosen)
        })
        .collect();
    seen.sort_by(f64::total_cmp);
    let below = seen.iter().filter(|s| **s < value - 1e-12).count() as f64;
    let bias = normal_quantile(below / 200.0);
    let without: Vec<f64> = (0..units.len())
        .map(|out| {
            let rest = units.iter().enumerate().filter(|(i, _)| *i != out);
            over(&rest.map(|(_, unit)| unit).collect::<Vec<_>>())
        })
        .collect();
    let centre = mean(&without);
    let power = |k: i32| without.iter().map(|x| (centre - x).powi(k)).sum::<f64>();
    let skew = power(3) / (6.0 * power(2).powf(1.5));
    let end = |p: f64| {
        let z = bias + normal_quantile(p);
        quantile(&seen, normal_cdf(bias + z / (1.0 - skew * z)))
    };
    [
        value,
        variance(&seen).sqrt(),
        end(0.5 * (1.0 - level)),
        end(0.5 * (1.0 + level)),
    ]
}

#[test]
fn intervals_are_bootstrap_intervals_corrected_for_bias_and_skewness() {
    let x = noise(18, 1);
    let y: Vec<f64> = x
        .iter()
        .zip(noise(18, 2))
        .map(|(x, e)| x.exp() + e)
        .collect();
    let clusters = [3, 1, 3, 0, 5, 5, 2, 4, 1, 7, 6, 6, 8, 9, 0, 2, 4, 7];
    let alone: Vec<Vec<usize>> = (0..18).map(|i| vec![i]).collect();
    let together: Vec<Vec<usize>> = (0..10)
        .map(|c| (0..18).filter(|&i| clusters[i] == c).collect())
        .collect();
    for (units, level, seed) in [(&alone, 0.9, 4), (&together, 0.8, 5), (&alone, 0.99, 6)] {
        let mut config = Bootstrap::default().level(level).resamples(200).seed(seed);
        if units.len() == 10 {
            config = config.clusters(&clusters);
        }
        let found = bootstrap(&x, &y, &[], Coefficient::Pearson, &config).unwrap();
        let found = *found.ready().unwrap();
        let [value, error, low, high] = naive_interval([&x, &y], units, level, seed);
        near(found.value, value, 1e-13);
        near(found.std_error, error, 1e-12);
        near(found.low, low, 1e-8);
        near(found.high, high, 1e-8);
        assert_eq!((found.level, found.units), (level, units.len()));
    }
}

#[test]
fn an_interval_on_one_side_excludes_zero() {
    let x = noise(30, 1);
    let read = |share: f64, seed| -> Interval {
        let y: Vec<f64> = x
            .iter()
            .zip(noise(30, seed))
            .map(|(x, e)| share * x + e)
            .collect();
        let config = Bootstrap::default().resamples(400);
        let found = bootstrap(&x, &y, &[], Coefficient::Spearman, &config).unwrap();
        *found.ready().unwrap()
    };
    for (share, sign) in [(3.0, 1.0), (-3.0, -1.0)] {
        let found = read(share, 2);
        assert!(found.excludes_zero() && found.value * sign > 0.5);
        assert!(found.low < found.value && found.value < found.high);
    }
    let found = read(0.0, 3);
    assert!(!found.excludes_zero() && found.low < 0.0 && found.high > 0.0);
}

#[test]
fn resampling_ends_where_it_is_said_to() {
    let (x, y) = (noise(12, 1), noise(12, 2));
    let ask = |n: usize, config: &Bootstrap| {
        bootstrap(&x[..n], &y[..n], &[], Coefficient::Pearson, config)
    };
    let quick = Bootstrap::default().resamples(100);
    let pending = |seen| Reading::Pending { seen, needed: 8 };
    assert_eq!(ask(7, &quick).unwrap(), pending(7));
    assert!(ask(8, &quick).unwrap().ready().is_some());
    let pairs = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5];
    assert_eq!(
        ask(12, &quick.clone().clusters(&pairs)).unwrap(),
        pending(6)
    );
    assert!(matches!(
        ask(11, &quick.clone().clusters(&pairs)),
        Err(Error::LengthMismatch {
            expected: 11,
            found: 12,
            ..
        })
    ));
    for level in [0.0, 1.0] {
        let found = ask(12, &quick.clone().level(level));
        assert_eq!(refused(found), ("level of the interval", level));
    }
    for count in [99, 1_000_001] {
        let found = ask(12, &quick.clone().resamples(count));
        assert_eq!(refused(found), ("number of resamples", count as f64));
    }
    // One odd run of twenty is left out by a third of the resamples, three by a twenty-fifth.
    let odd = |count: usize| -> Vec<f64> {
        (0..20)
            .map(|i| if i < count { 1.0 + i as f64 } else { 0.0 })
            .collect()
    };
    let other = noise(20, 3);
    let found = |count| bootstrap(&odd(count), &other, &[], Coefficient::Pearson, &quick);
    assert!(matches!(
        found(1).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert!(found(3).unwrap().ready().is_some());
    assert!(matches!(
        found(0).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    // The number of runs that a partial correlation takes is asked as well.
    let held: Vec<Vec<f64>> = (0..7).map(|k| noise(8, 10 + k)).collect();
    let held: Vec<&[f64]> = held.iter().map(Vec::as_slice).collect();
    let found = bootstrap(&x[..8], &y[..8], &held, Coefficient::Pearson, &quick);
    assert_eq!(
        found.unwrap(),
        Reading::Pending {
            seen: 8,
            needed: 10
        }
    );
}
