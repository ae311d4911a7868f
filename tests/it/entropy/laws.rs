//! What must hold on every cloud, to rounding.

use proptest::prelude::*;
use thermograd::Reading;
use thermograd::entropy::{
    Distances, EntropyEstimate, GraphLength, Neighbors, Points, Resultant, Sampling, Scaling,
    covariance_spectrum, entropy_at_radius, fit_von_mises_fisher, gaussian, geodesic_cap,
    graph_length, hyperspherical_angles, kozachenko_leonenko, kozachenko_leonenko_scaled,
    ledoit_wolf, resolution_limited, two_neighbor_dimension,
};

use super::{normal, value};

fn kth() -> Neighbors {
    Neighbors::new(2).independent()
}

type Flat = fn(&Distances<'_>) -> Reading<EntropyEstimate>;

/// Estimators of the entropy in flat space that know distances alone.
const FLAT: [(&str, Flat); 4] = [
    ("neighbours", |d| kozachenko_leonenko(d, kth()).unwrap()),
    ("gaussian", |d| gaussian(d, Sampling::Independent)),
    ("shrunk", |d| ledoit_wolf(d, Sampling::Independent)),
    ("graph", |d| {
        graph_length(d, GraphLength::new(kth())).unwrap()
    }),
];

fn cloud(n: usize, d: usize, seed: u64) -> Vec<f64> {
    // Not isotropic, not centred.
    let rows = normal(n, d, seed);
    let widths = |i: usize| 0.5 + (i % d) as f64;
    rows.iter()
        .enumerate()
        .map(|(i, x)| widths(i) * x + 0.7)
        .collect()
}

fn distances(rows: &[f64], d: usize) -> Distances<'static> {
    Points::new(rows.to_vec(), d).unwrap().distances().unwrap()
}

/// Householder reflections of all rows, one for each of two random vectors: a rotation.
fn rotated(rows: &[f64], d: usize, seed: u64) -> Vec<f64> {
    let mut rows = rows.to_vec();
    for axis in [normal(d, 1, seed), normal(d, 1, seed + 1)] {
        let square: f64 = axis.iter().map(|x| x * x).sum();
        for row in rows.chunks_exact_mut(d) {
            let along: f64 = row.iter().zip(&axis).map(|(a, b)| a * b).sum();
            for (x, a) in row.iter_mut().zip(&axis) {
                *x -= 2.0 * along / square * a;
            }
        }
    }
    rows
}

#[track_caller]
fn same(a: f64, b: f64, what: &str) -> Result<(), TestCaseError> {
    prop_assert!((a - b).abs() < 1e-8 * a.abs().max(1.0), "{what}: {a} {b}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn scale_translation_rotation_and_order(
        seed in 0_u64..10_000, n in 9_usize..40, d in 2_usize..6, factor in 1e-3_f64..1e3,
    ) {
        let rows = cloud(n, d, seed);
        let shift = normal(d, 1, seed + 5);
        let scaled: Vec<f64> = rows.iter().map(|x| factor * x).collect();
        let moved: Vec<f64> = rows.iter().enumerate().map(|(i, x)| x + shift[i % d]).collect();
        let turned = rotated(&rows, d, seed + 7);
        let mut shuffled: Vec<&[f64]> = rows.chunks_exact(d).collect();
        shuffled.reverse();
        shuffled.swap(1, n / 2);
        let shuffled = shuffled.concat();
        for (name, entropy) in FLAT {
            let of = |rows: &[f64]| value(&entropy(&distances(rows, d)));
            let base = of(&rows);
            same(of(&scaled), base + d as f64 * factor.ln(), name)?;
            same(of(&moved), base, name)?;
            same(of(&turned), base, name)?;
            same(of(&shuffled), base, name)?;
        }
        // Mahalanobis neighbours obey all of them too, per-coordinate ones all but rotation.
        for scaling in [Scaling::PerCoordinate, Scaling::Covariance] {
            let of = |rows: &[f64]| {
                let points = Points::new(rows.to_vec(), d).unwrap();
                value(&kozachenko_leonenko_scaled(&points, scaling, kth()).unwrap())
            };
            let base = of(&rows);
            same(of(&scaled), base + d as f64 * factor.ln(), "scaled")?;
            same(of(&moved), base, "moved")?;
            same(of(&shuffled), base, "shuffled")?;
            if scaling == Scaling::Covariance {
                same(of(&turned), base, "turned")?;
            }
        }
        // Directions know no scale.
        let of = |rows: &[f64]| value(&geodesic_cap(&distances(rows, d), kth()).unwrap());
        let base = of(&rows);
        same(of(&scaled), base, "cap scaled")?;
        same(of(&turned), base, "cap turned")?;
        same(of(&shuffled), base, "cap shuffled")?;
        // With the radius, S shifts by (d − 1) ln c: one degree of freedom less than in flat space.
        let with_radius = |rows: &[f64]| {
            let distances = distances(rows, d);
            let norms = distances.squared_norms().unwrap();
            let radius = (norms.iter().sum::<f64>() / n as f64).sqrt();
            let direction = value(&geodesic_cap(&distances, kth()).unwrap());
            entropy_at_radius(direction, d, radius).unwrap()
        };
        let shift = (d as f64 - 1.0) * factor.ln();
        same(with_radius(&scaled), with_radius(&rows) + shift, "radius")?;
        // Resolution scales with the cloud.
        let of = |rows: &[f64], delta| {
            value(&resolution_limited(&distances(rows, d), delta, Sampling::Independent).unwrap())
        };
        same(of(&scaled, 0.3 * factor), of(&rows, 0.3), "resolution")?;
        prop_assert!(of(&rows, 0.3) >= 0.0);
    }

    /// Over independent blocks of coordinates, sample covariances without cross terms: the
    /// determinants multiply exactly, and so do the corrections' parts in n that do not mix.
    #[test]
    fn gaussian_entropy_is_additive_over_uncorrelated_blocks(seed in 0_u64..1000, n in 8_usize..30) {
        // Two blocks made exactly uncorrelated in the sample: each sign pattern of the second
        // meets each of the first.
        let a = normal(n, 2, seed);
        let b = normal(n, 1, seed + 1);
        let mut rows = Vec::new();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for sign in [1.0, -1.0] {
            for i in 0..n {
                let (x, y) = (&a[2 * i..2 * i + 2], sign * b[i]);
                rows.extend([x[0], x[1], y]);
                left.extend_from_slice(x);
                right.push(y);
            }
        }
        let ln_det = |rows: &[f64], d: usize| {
            let s = value(&gaussian(&distances(rows, d), Sampling::Independent));
            let bias = thermograd::entropy::ln_det_bias(2 * n, d).unwrap();
            2.0 * s + bias - d as f64 * 2.837_877_066_409_345_3
        };
        same(ln_det(&rows, 3), ln_det(&left, 2) + ln_det(&right, 1), "log-determinants add")?;
    }

    /// Chords come from distances and norms alone, also where the radius moves a thousand times more
    /// than the direction. Of the sixteen digits of a distance, twice three are lost to the radius.
    #[test]
    fn directions_survive_a_moving_radius(seed in 0_u64..1000, swing in 0.0_f64..0.5) {
        let (n, d) = (12, 6);
        let base = normal(1, d, seed);
        let steps = normal(n, d, seed + 1);
        let growth = normal(n, 1, seed + 2);
        let directions: Vec<f64> = (0..n * d).map(|i| base[i % d] + 1e-3 * steps[i]).collect();
        let grown: Vec<f64> = directions
            .iter()
            .enumerate()
            .map(|(i, x)| x * (swing * growth[i / d]).exp())
            .collect();
        let of = |rows: &[f64]| value(&geodesic_cap(&distances(rows, d), kth()).unwrap());
        let (a, b) = (of(&grown), of(&directions));
        prop_assert!((a - b).abs() < 1e-7, "{} {}", a, b);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever comes in, what comes out is finite, or says why not.
    #[test]
    fn nothing_is_ever_nan(
        seed in 0_u64..1000, n in 0_usize..14, d in 1_usize..5, exponent in -320_i32..150,
        k in 1_usize..4, lags in 0_usize..3, repeat in 0_usize..3,
    ) {
        let mut rows: Vec<f64> = normal(n, d, seed)
            .iter()
            .map(|x| (x * 0.2).clamp(-1.0, 1.0) * 10_f64.powi(exponent))
            .collect();
        for i in 0..repeat.min(n.saturating_sub(1)) {
            rows.copy_within(..d, (i + 1) * d);
        }
        let points = Points::new(rows, d).unwrap();
        let distances = points.distances().unwrap();
        let neighbors = Neighbors::new(k).exclude_lags(lags).independent();
        let mut readings = vec![
            kozachenko_leonenko(&distances, neighbors).unwrap(),
            geodesic_cap(&distances, neighbors).unwrap(),
            gaussian(&distances, Sampling::Independent),
            ledoit_wolf(&distances, Sampling::Independent),
            resolution_limited(&distances, 1e-3, Sampling::Independent).unwrap(),
            resolution_limited(&distances, 1e149, Sampling::Independent).unwrap(),
        ];
        for scaling in [Scaling::PerCoordinate, Scaling::Covariance] {
            readings.push(kozachenko_leonenko_scaled(&points, scaling, neighbors).unwrap());
        }
        for gamma in [0.5, 1e-3, 0.999] {
            let graph = GraphLength::new(neighbors).gamma(gamma);
            readings.push(graph_length(&distances, graph).unwrap());
            let high = graph.gamma(gamma * 1e5).dimension(100_000);
            readings.push(graph_length(&distances, high).unwrap());
        }
        for resultant in [Resultant::DistinctPairs, Resultant::MaximumLikelihood] {
            let fit = fit_von_mises_fisher(&distances, resultant, Sampling::Independent);
            if let Reading::Ready(fit) = fit {
                prop_assert!(fit.concentration.value.is_finite());
                prop_assert!(fit.concentration.std_error.is_finite());
                prop_assert!(fit.heat_capacity.value.is_finite());
                readings.push(Reading::Ready(fit.entropy));
            }
        }
        if d > 1 {
            let nearest = Neighbors::new(1).independent();
            readings.push(hyperspherical_angles(&points, nearest).unwrap());
        }
        for reading in readings {
            if let Reading::Ready(s) = reading {
                prop_assert!(s.entropy.value.is_finite(), "{:?}", s);
                prop_assert!(s.entropy.std_error.is_finite(), "{:?}", s);
                prop_assert!(s.effective_dimension.is_finite(), "{:?}", s);
            }
        }
        if let Reading::Ready(dimension) = two_neighbor_dimension(&distances, neighbors).unwrap() {
            prop_assert!(dimension.value.is_finite() && dimension.std_error.is_finite());
        }
        if let Reading::Ready(spectrum) = covariance_spectrum(&distances) {
            prop_assert!(spectrum.iter().all(|x| x.is_finite() && *x >= 0.0));
        }
    }
}
