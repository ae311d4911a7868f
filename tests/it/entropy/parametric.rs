//! Von Mises-Fisher: fits, and neighbours on the same samples.

use thermograd::Reading;
use thermograd::entropy::{
    Caveat, Neighbors, NullCloud, NullKind, Points, Resultant, Sampling, Validity, concentration,
    fit_von_mises_fisher, gaussian, geodesic_cap, hyperspherical_angles, kozachenko_leonenko,
};
use thermograd::systems::{Random, VonMisesFisher};

use super::golden::{close, golden};
use super::{gaussian_cloud, mean, rms, value};

/// Directions at concentration κ about the diagonal, at norms that do not matter.
fn sample(n: usize, d: usize, kappa: f64, seed: u64) -> Points {
    let system = VonMisesFisher::new(d, kappa).unwrap();
    let mut random = Random::new(seed);
    let pole = vec![1.0; d];
    let mut rows = vec![0.0; n * d];
    for row in rows.chunks_exact_mut(d) {
        system.sample(&mut random, &pole, row).unwrap();
        let radius = 2.0 + random.uniform();
        for x in row {
            *x *= radius;
        }
    }
    Points::new(rows, d).unwrap()
}

#[test]
fn concentrations_come_back_from_the_mean_loss() {
    for d in [2, 3, 10, 100, 1000, 100_000] {
        for exponent in -8..=8 {
            let kappa = 10_f64.powi(exponent);
            let system = VonMisesFisher::new(d, kappa).unwrap();
            let found = concentration(d, system.energy()).unwrap();
            // Near κ = 0 the shortfall is 1 − κ/d: its rounding is all there is.
            let a = system.mean_resultant_length();
            let tolerance = 1e-10 + 1e-14 / a;
            assert!(
                (found / kappa - 1.0).abs() < tolerance,
                "d {d}: {found} {kappa}"
            );
        }
    }
    assert_eq!(concentration(3, 1.5), Ok(0.0));
    assert!(concentration(3, 0.0).is_err() && concentration(3, f64::NAN).is_err());
    assert!(concentration(1, 0.5).is_err());
}

#[test]
fn the_system_agrees_with_fifty_digits() {
    for row in golden()["von_mises_fisher"].as_array().unwrap() {
        let d = usize::try_from(row["dimension"].as_u64().unwrap()).unwrap();
        let kappa = row["kappa"].as_f64().unwrap();
        let system = VonMisesFisher::new(d, kappa).unwrap();
        close(system.mean_resultant_length(), &row["values"][0], "A");
        close(system.entropy(), &row["values"][1], "S");
        close(system.heat_capacity(), &row["values"][2], "C");
        // And the inverse, from 1 − A² = 2 (1 − A) − (1 − A)².
        let complement = row["values"][3].as_f64().unwrap();
        let shortfall = complement / (1.0 + (1.0 - complement).sqrt());
        let found = concentration(d, shortfall).unwrap();
        let a = system.mean_resultant_length();
        assert!(
            (found / kappa - 1.0).abs() < 1e-9 + 1e-14 / (a * a),
            "{d} {kappa} {found}"
        );
    }
}

#[test]
fn fits_find_the_truth_within_their_errors() {
    for (n, d, kappa) in [
        (200, 3, 2.0),
        (60, 10, 100.0),
        (80, 100, 100.0),
        (50, 10, 1e8),
    ] {
        let truth = VonMisesFisher::new(d, kappa).unwrap();
        let (mut entropy, mut heat, mut concentration) = (vec![], vec![], vec![]);
        for seed in 0..150 {
            let distances = sample(n, d, kappa, seed).distances().unwrap();
            let fit =
                fit_von_mises_fisher(&distances, Resultant::DistinctPairs, Sampling::Independent);
            let fit = fit.ready().unwrap();
            assert!(fit.entropy.has(Caveat::Parametric));
            entropy.push(fit.entropy.entropy.z_score(truth.entropy()).unwrap());
            heat.push(fit.heat_capacity.z_score(truth.heat_capacity()).unwrap());
            concentration.push(fit.concentration.z_score(kappa).unwrap());
        }
        let (s, k) = (rms(&entropy), rms(&concentration));
        assert!((0.8..1.3).contains(&s), "d {d}, kappa {kappa}: S {s}");
        assert!((0.8..1.3).contains(&k), "d {d}, kappa {kappa}: kappa {k}");
        assert!(rms(&heat) < 1.5, "d {d}, kappa {kappa}: C {}", rms(&heat));
    }
}

#[test]
fn the_likelihood_is_biased_where_pairs_are_not() {
    // Uniform directions, N < d: R² = 1/N whatever the truth, so the likelihood sees order.
    let fits = |resultant| -> Vec<f64> {
        (0..40)
            .map(|seed| {
                let distances = gaussian_cloud(30, 60, seed).distances().unwrap();
                let fit = fit_von_mises_fisher(&distances, resultant, Sampling::Independent);
                fit.ready().unwrap().mean_resultant_length.value.powi(2)
            })
            .collect()
    };
    let (biased, _) = mean(&fits(Resultant::MaximumLikelihood));
    assert!((biased - 1.0 / 30.0).abs() < 0.01, "{biased}");
    // Truncated at zero, so a little above it.
    let (pairs, _) = mean(&fits(Resultant::DistinctPairs));
    assert!(pairs < 0.004, "{pairs}");
}

/// Neighbours on von Mises-Fisher samples, N = 1000, as measured: exact | cap k = 1, k = 4.
#[test]
fn neighbours_on_a_peaked_cloud_are_as_far_off_as_measured() {
    for (d, kappa, exact, first, fourth) in [
        (10, 100.0, -8.111, -8.137, -8.053),
        (30, 30.0, -14.62, -13.88, f64::NAN),
        (100, 100.0, -110.8, -103.3, f64::NAN),
        (100, 1e4, -315.7, -298.8, f64::NAN),
    ] {
        let truth = VonMisesFisher::new(d, kappa).unwrap().entropy();
        assert!((truth - exact).abs() < 0.06);
        let clouds: Vec<Points> = (0..3).map(|s| sample(1000, d, kappa, s)).collect();
        let average =
            |of: &dyn Fn(&Points) -> f64| mean(&clouds.iter().map(of).collect::<Vec<f64>>());
        let cap = |points: &Points, k| {
            let s = geodesic_cap(
                &points.distances().unwrap(),
                Neighbors::new(k).independent(),
            );
            s.unwrap()
        };
        // One measured run, three of ours: an error of their own from the estimate itself.
        let sigma = cap(&clouds[0], 1).ready().unwrap().entropy.std_error;
        let (found, _) = average(&|points| value(&cap(points, 1)));
        assert!(
            (found - first).abs() < 5.0 * sigma,
            "d {d}: {found} {first} {sigma}"
        );
        if fourth.is_finite() {
            let (found, _) = average(&|points| value(&cap(points, 4)));
            assert!(
                (found - fourth).abs() < 5.0 * sigma,
                "d {d}: {found} {fourth}"
            );
        }
        // The angles' error depends on where the pole is; in high dimension it is the larger one.
        let (off, _) = average(&|points| {
            let nearest = Neighbors::new(1).independent();
            value(&hyperspherical_angles(points, nearest).unwrap()) - truth
        });
        assert!(d == 10 || off > found - truth, "d {d}: {off}");
        // The estimate knows: absolute in ten dimensions, refused in a hundred.
        let validity = cap(&clouds[0], 4).ready().unwrap().validity;
        assert_eq!(validity == Validity::Absolute, d == 10, "d {d}");
    }
}

#[test]
fn a_null_measures_the_bias() {
    let nearest = Neighbors::new(1).independent();
    let null = NullCloud::new(NullKind::Points, 100).replicas(3);
    let bias = null
        .bias(|cloud| kozachenko_leonenko(cloud, nearest))
        .unwrap();
    let bias = bias.ready().unwrap();
    // 0.178 nats a dimension, as measured with other clouds and to three digits.
    assert!(
        (bias.value - 17.8).abs() < 4.0 * bias.std_error + 0.15,
        "{bias}"
    );
    let null = NullCloud::new(NullKind::Points, 5)
        .snapshots(50)
        .replicas(200);
    let bias = null
        .bias(|cloud| Ok(gaussian(cloud, Sampling::Independent)))
        .unwrap();
    assert!(bias.ready().unwrap().z_score(0.0).unwrap().abs() < 4.0);
    let null = NullCloud::new(NullKind::Directions, 30)
        .snapshots(40)
        .replicas(200);
    let bias = null.bias(|cloud| geodesic_cap(cloud, nearest)).unwrap();
    assert!(bias.ready().unwrap().z_score(0.0).unwrap().abs() < 4.0);
    // Folded: d > N through Bartlett's factor, and drawn outright.
    let mean_square = |distances: &thermograd::entropy::Distances<'_>| {
        let flat = distances.to_flat();
        let mean = flat.iter().sum::<f64>() / 870.0;
        let spread = flat
            .iter()
            .filter(|&&d| d > 0.0)
            .map(|d| (d - mean).powi(2));
        (mean, spread.sum::<f64>() / 870.0)
    };
    let null = NullCloud::new(NullKind::Points, 500).snapshots(30);
    let (mut means, mut spreads) = (vec![], vec![]);
    for replica in 0..40 {
        let cloud = null.cloud(replica).unwrap();
        assert_eq!((cloud.len(), cloud.dimension()), (30, 500));
        let (m, s) = mean_square(&cloud);
        means.push(m);
        spreads.push(s);
    }
    // |w − w'|² is twice a χ² with 500 degrees of freedom: mean 1000, variance 4000.
    let (m, e) = mean(&means);
    assert!((m - 1000.0).abs() < 4.0 * e, "{m} ± {e}");
    let (s, e) = mean(&spreads);
    assert!((s - 4000.0).abs() < 4.0 * e + 100.0, "{s} ± {e}");
    assert!(
        null.replicas(1)
            .bias(|cloud| geodesic_cap(cloud, nearest))
            .is_err()
    );
    let few = NullCloud::new(NullKind::Points, 3).snapshots(0);
    assert!(matches!(
        few.bias(|cloud| geodesic_cap(cloud, nearest)),
        Ok(Reading::Pending { .. })
    ));
    assert!(NullCloud::new(NullKind::Points, 0).cloud(0).is_err());
    assert!(
        NullCloud::new(NullKind::Points, 3)
            .snapshots(usize::MAX)
            .cloud(0)
            .is_err()
    );
}
