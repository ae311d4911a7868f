//! Values by hand, closed forms and boundaries: order parameter.

use super::*;
use thermograd::phase_transition::{
    EnergyScale, energy_fraction, long_overlap, mean_resultant_length, overlap, overlap_at_lag,
    participation_ratio, replica_overlap, step_alignment,
};

/// Snapshots about a direction, of different lengths.
fn cloud(n: usize, d: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Random::new(seed);
    (0..n)
        .map(|_| {
            let scale = 0.5 + random.uniform();
            (0..d)
                .map(|k| scale * (random.normal() * (1.0 + k as f64) + 1.0))
                .collect()
        })
        .collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The mean over pairs that pass, each pair looked at once.
fn mean_over_pairs(w: &[Vec<f64>], passes: impl Fn(usize, usize) -> bool) -> f64 {
    let cosines: Vec<f64> = (0..w.len())
        .flat_map(|i| (i + 1..w.len()).map(move |j| (i, j)))
        .filter(|&(i, j)| passes(i, j))
        .map(|(i, j)| cosine(&w[i], &w[j]))
        .collect();
    average(&cosines)
}

#[test]
fn the_long_overlap_is_the_mean_of_all_pairs_far_enough_apart() {
    // 25 independent ones in 20 groups, 8 in as many, and 19 in 19.
    for (n, lag, d) in [(50, 2, 3), (17, 2, 5), (19, 1, 2), (100, 7, 4)] {
        let w = cloud(n, d, n as u64);
        let independent = n / lag;
        let groups = independent.min(20);
        let far = |i: usize, j: usize| j - i >= lag;
        let partial: Vec<f64> = (0..groups)
            .map(|g| {
                mean_over_pairs(&w, |i, j| {
                    far(i, j) && i * groups / n != g && j * groups / n != g
                })
            })
            .collect();
        let size = independent as f64;
        let expected = est(mean_over_pairs(&w, far), group_error(&partial), size);
        let q = ready(long_overlap(&w, lag));
        same(q.estimate, expected, 1e-11);
        near(
            q.null_std_dev,
            (d as f64 * size * (size - 1.0) / 2.0).powf(-0.5),
            1e-13,
        );
        // R = √q, δR = δq/2R.
        let r = expected.value.sqrt();
        same(
            ready(mean_resultant_length(&w, lag)),
            est(r, expected.std_error / (2.0 * r), size),
            1e-11,
        );
    }
}

/// Snapshots that point by turns to both sides: q = −1/19, of which there is no root.
#[test]
fn a_negative_overlap_has_no_resultant_length() {
    let w: Vec<[f64; 2]> = (0..20)
        .map(|t| if t % 2 == 0 { [1.0, 0.5] } else { [-1.0, -0.5] })
        .collect();
    let q = ready(long_overlap(&w, 1)).estimate;
    near(q.value, -1.0 / 19.0, 1e-12);
    let r = ready(mean_resultant_length(&w, 1));
    assert_eq!(r.value, 0.0);
    near(r.std_error, q.std_error.sqrt(), 1e-14);
}

#[test]
fn the_overlap_of_replicas_leaves_out_one_at_a_time() {
    for (n, d) in [(3, 2), (4, 3), (11, 6)] {
        let w = cloud(n, d, 40 + n as u64);
        let partial: Vec<f64> = (0..n)
            .map(|g| mean_over_pairs(&w, |i, j| i != g && j != g))
            .collect();
        let size = n as f64;
        let q = ready(replica_overlap(&w));
        same(
            q.estimate,
            est(
                mean_over_pairs(&w, |_, _| true),
                group_error(&partial),
                size,
            ),
            1e-11,
        );
        near(
            q.null_std_dev,
            (d as f64 * size * (size - 1.0) / 2.0).powf(-0.5),
            1e-13,
        );
    }
    let w = cloud(2, 3, 9);
    assert_eq!(pending(replica_overlap(&w)), (2, 3));
}

#[test]
fn the_overlap_at_a_lag_is_that_of_a_series() {
    let w = cloud(150, 4, 7);
    for lag in [1, 3, 20] {
        let series: Vec<f64> = (0..150 - lag).map(|t| cosine(&w[t], &w[t + lag])).collect();
        let expected = jackknife(&[series], |m| m[0]);
        let q = ready(overlap_at_lag(&w, lag));
        same(q.estimate, expected, 1e-10);
        near(q.null_std_dev, (4.0 * expected.n_eff).powf(-0.5), 1e-12);
    }
    assert_eq!(refused(overlap_at_lag(&w, 0)), 0.0);
    assert_eq!(refused(long_overlap(&w, 0)), 0.0);
}

#[test]
fn the_alignment_of_steps_is_that_of_differences() {
    let w = cloud(120, 3, 8);
    let steps: Vec<Vec<f64>> = w
        .windows(2)
        .map(|p| p[1].iter().zip(&p[0]).map(|(b, a)| b - a).collect())
        .collect();
    let series: Vec<f64> = steps.windows(2).map(|p| cosine(&p[0], &p[1])).collect();
    same(
        ready(step_alignment(&w)),
        jackknife(&[series], |m| m[0]),
        1e-10,
    );
}

/// `(tr C)²/tr C²` by the unbiased estimates of both from the covariance matrix of the sample.
fn participation(w: &[&Vec<f64>]) -> f64 {
    let (size, d) = (w.len() as f64, w[0].len());
    let mean: Vec<f64> = (0..d)
        .map(|k| w.iter().map(|x| x[k]).sum::<f64>() / size)
        .collect();
    let n = size - 1.0;
    let entry = |a: usize, b: usize| -> f64 {
        w.iter()
            .map(|x| (x[a] - mean[a]) * (x[b] - mean[b]))
            .sum::<f64>()
            / n
    };
    let trace: f64 = (0..d).map(|a| entry(a, a)).sum();
    let square: f64 = (0..d)
        .flat_map(|a| (0..d).map(move |b| (a, b)))
        .map(|(a, b)| entry(a, b).powi(2))
        .sum();
    let numerator = n / ((n - 1.0) * (n + 2.0)) * ((n + 1.0) * trace * trace - 2.0 * square);
    let denominator = n * n / ((n - 1.0) * (n + 2.0)) * (square - trace * trace / n);
    numerator / denominator
}

#[test]
fn the_participation_ratio_is_that_of_the_covariance_matrix() {
    for (n, d, seed) in [(8, 2, 1), (13, 3, 2), (45, 4, 3)] {
        let w = cloud(n, d, seed);
        let all: Vec<&Vec<f64>> = w.iter().collect();
        let groups = n.min(20);
        let partial: Vec<f64> = (0..groups)
            .map(|g| {
                let kept: Vec<&Vec<f64>> = (0..n)
                    .filter(|i| i * groups / n != g)
                    .map(|i| &w[i])
                    .collect();
                participation(&kept)
            })
            .collect();
        let expected = est(participation(&all), group_error(&partial), n as f64);
        same(ready(participation_ratio(&w)), expected, 1e-9);
        // Neither the place nor the unit of the cloud matters.
        let moved: Vec<Vec<f64>> = w
            .iter()
            .map(|x| x.iter().map(|x| 1e3 * x + 5e3).collect())
            .collect();
        same(ready(participation_ratio(&moved)), expected, 1e-9);
    }
    assert_eq!(pending(participation_ratio(&cloud(7, 2, 1))), (7, 8));
}

/// Whole numbers are moved without rounding, and any number by a power of two.
#[test]
fn a_cloud_far_away_or_vast_loses_no_digits() {
    let place = |by: f64, unit: f64| -> Vec<Vec<f64>> {
        cloud(25, 3, 4)
            .iter()
            .map(|x| x.iter().map(|x| ((8.0 * x).round() + by) * unit).collect())
            .collect()
    };
    let here = ready(participation_ratio(&place(0.0, 1.0)));
    same(
        ready(participation_ratio(&place(2_f64.powi(40), 1.0))),
        here,
        1e-9,
    );
    for unit in [2_f64.powi(455), 2_f64.powi(-400)] {
        same(ready(participation_ratio(&place(0.0, unit))), here, 1e-9);
    }
}

/// Along a line tr C² is (tr C)²: the estimates of both are the same.
#[test]
fn a_cloud_along_a_line_spreads_over_one_direction() {
    let mut random = Random::new(3);
    let w: Vec<Vec<f64>> = (0..30)
        .map(|_| {
            let x = random.normal();
            vec![x, 2.0 * x, -x]
        })
        .collect();
    let found = ready(participation_ratio(&w));
    near(found.value, 1.0, 1e-9);
    assert!(found.std_error < 1e-9);
}

/// Nine snapshots in nine directions of equal length: S² is (tr S)²/8 to rounding, and tr C² is zero.
#[test]
fn a_cloud_of_as_many_directions_as_snapshots_has_no_ratio() {
    let w: Vec<Vec<f64>> = (0..9)
        .map(|i| (0..9).map(|k| f64::from(u8::from(i == k))).collect())
        .collect();
    assert!(undefined(&participation_ratio(&w)));
}

#[test]
fn snapshots_are_counted_and_measured() {
    // More than 10 000 are too many to compare pair by pair; of 10 000 zeros there is no direction.
    let many = vec![[0.0]; 10_001];
    for answer in [
        long_overlap(&many, 1).map(drop),
        replica_overlap(&many).map(drop),
        participation_ratio(&many).map(drop),
    ] {
        assert_eq!(refused(answer), 10_001.0);
    }
    assert!(undefined(&long_overlap(&many[1..], 1)));
    assert!(undefined(&replica_overlap(&many[1..])));
    assert!(undefined(&participation_ratio(&many[1..])));
    assert_eq!(pending(long_overlap(&many[..15], 2)), (15, 16));
    assert!(undefined(&long_overlap(&many[..16], 2)));
    assert!(overlap(&[1e140, 1.0], &[1.0, 1.0]).is_ok());
    assert!(matches!(
        overlap(&[1.0, 1.0], &[1.0, -1.1e140]),
        Err(Error::Overflow { largest, .. }) if largest == 1.1e140
    ));
    assert!(matches!(
        overlap(&[1.0], &[1.0, 2.0]),
        Err(Error::LengthMismatch {
            expected: 1,
            found: 2,
            ..
        })
    ));
    // Squares far below the smallest numbers have no root.
    assert!(undefined(&overlap(&[1e-151, 0.0], &[1.0, 0.0])));
    near(ready(overlap(&[1e-149, 0.0], &[-3.0, 0.0])), -1.0, 1e-12);
    near(
        ready(overlap(&[1.0, 2.0, 2.0], &[2.0, -1.0, 6.0])),
        12.0 / (3.0 * 41_f64.sqrt()),
        1e-14,
    );
}

#[test]
fn the_energy_fraction_carries_the_errors_of_all_three() {
    let scale = EnergyScale {
        gas: est(3.0, 0.2, 40.0),
        best: est(-1.0, 0.1, 90.0),
    };
    let energy = est(0.0, 0.3, 60.0);
    // φ = 1/4; ∂φ/∂U = 1/4, ∂φ/∂U_gas = −1/16, ∂φ/∂U_best = −3/16.
    let error = (0.075_f64.powi(2) + 0.0125_f64.powi(2) + 0.01875_f64.powi(2)).sqrt();
    same(
        ready(energy_fraction(&energy, &scale)),
        est(0.25, error, 40.0),
        1e-12,
    );
    for (a, b, expected) in [(10.0, 20.0, 10.0), (80.0, 20.0, 20.0)] {
        let mut scale = scale;
        (scale.gas.n_eff, scale.best.n_eff) = (a, b);
        assert_eq!(ready(energy_fraction(&energy, &scale)).n_eff, expected);
    }
    // A range of five errors in hypotenuse: 3-4-5.
    let scale = |range: f64| EnergyScale {
        gas: est(range, 3.0, 9.0),
        best: est(0.0, 4.0, 9.0),
    };
    assert!(undefined(&energy_fraction(&energy, &scale(15.0))));
    assert!(undefined(&energy_fraction(&energy, &scale(-16.0))));
    assert!(energy_fraction(&energy, &scale(15.001)).is_ok_and(|r| r.ready().is_some()));
    // An error beyond all numbers.
    let narrow = EnergyScale {
        gas: est(1e-200, 0.0, 9.0),
        best: est(0.0, 0.0, 9.0),
    };
    assert!(energy_fraction(&est(0.0, 0.0, 9.0), &narrow).is_ok_and(|r| r.ready().is_some()));
    assert!(undefined(&energy_fraction(&est(0.0, 1e149, 9.0), &narrow)));
    let mut bad = scale(20.0);
    bad.best.n_eff = -1.0;
    assert_eq!(refused(energy_fraction(&energy, &bad)), -1.0);
    bad.best.n_eff = 1.0;
    bad.gas.std_error = f64::NAN;
    assert!(matches!(
        energy_fraction(&energy, &bad),
        Err(Error::NonFinite { .. })
    ));
}
