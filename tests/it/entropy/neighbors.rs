//! Neighbour entropies against closed forms, with calibrated error bars, and their failures at the
//! measured size.

use thermograd::entropy::{
    Caveat, GraphLength, Neighbors, Points, Scaling, Validity, geodesic_cap, graph_length,
    hyperspherical_angles, kozachenko_leonenko, kozachenko_leonenko_scaled, ln_sphere_area,
    two_neighbor_dimension,
};
use thermograd::systems::Random;
use thermograd::{Reading, Reason};

use super::{autoregression, gaussian_cloud, mean, rms, value};

const LN_TWO_PI_E: f64 = 2.837_877_066_409_345_3;

fn kth(k: usize) -> Neighbors {
    Neighbors::new(k).independent()
}

/// Directions of a Gaussian cloud are uniform, whatever their norms.
fn cap(n: usize, d: usize, k: usize, seed: u64) -> f64 {
    let distances = gaussian_cloud(n, d, seed).distances().unwrap();
    value(&geodesic_cap(&distances, kth(k)).unwrap())
}

#[test]
fn caps_are_unbiased_on_the_uniform_sphere() {
    for d in [3, 10, 30, 100] {
        let exact = ln_sphere_area(d).unwrap();
        for k in [1, 4] {
            let errors: Vec<f64> = (0..12).map(|s| cap(500, d, k, s) - exact).collect();
            let (bias, error) = mean(&errors);
            assert!(bias.abs() < 4.0 * error, "d {d}, k {k}: {bias} ± {error}");
            assert!(error < 0.03, "the test sees small biases: {error}");
        }
    }
}

#[test]
fn caps_are_unbiased_however_few_the_snapshots() {
    for (n, d, k) in [(3, 2, 1), (4, 3, 2), (5, 3, 1), (6, 20, 4), (9, 5, 3)] {
        let exact = ln_sphere_area(d).unwrap();
        let errors: Vec<f64> = (0..3000).map(|s| cap(n, d, k, s) - exact).collect();
        let (bias, error) = mean(&errors);
        assert!(
            bias.abs() < 4.0 * error,
            "N {n}, d {d}, k {k}: {bias} ± {error}"
        );
    }
}

#[test]
fn error_bars_of_neighbours_have_unit_scores() {
    let cap_scores: Vec<f64> = (0..200)
        .map(|seed| {
            let distances = gaussian_cloud(240, 4, seed).distances().unwrap();
            let s = geodesic_cap(&distances, kth(4)).unwrap();
            let s = s.ready().unwrap().entropy;
            s.z_score(ln_sphere_area(4).unwrap()).unwrap()
        })
        .collect();
    let flat_scores: Vec<f64> = (0..200)
        .map(|seed| {
            let distances = gaussian_cloud(400, 2, seed).distances().unwrap();
            let s = kozachenko_leonenko(&distances, kth(1)).unwrap();
            s.ready().unwrap().entropy.z_score(LN_TWO_PI_E).unwrap()
        })
        .collect();
    // Of 200 scores the spread errs by a twentieth.
    for scores in [cap_scores, flat_scores] {
        let spread = rms(&scores);
        assert!((0.85..1.2).contains(&spread), "{spread}");
    }
}

/// With measured autocorrelation and neighbours in time passed over, the error bar holds for a
/// trajectory as it does for independent points.
#[test]
fn error_bars_hold_for_a_trajectory() {
    let scores: Vec<f64> = (0..60)
        .map(|seed| {
            let distances = autoregression(1500, 2, 0.7, seed).distances().unwrap();
            let s = kozachenko_leonenko(&distances, Neighbors::new(4).exclude_lags(20)).unwrap();
            let s = s.ready().unwrap();
            assert!(!s.has(Caveat::Correlated));
            s.entropy.z_score(LN_TWO_PI_E).unwrap()
        })
        .collect();
    let spread = rms(&scores);
    assert!((0.75..1.4).contains(&spread), "{spread}");
}

/// Biases per dimension measured on the peers: N = 1000, k = 1, isotropic Gaussian.
#[test]
fn flat_neighbours_fail_in_high_dimension_as_measured() {
    for (d, bias, admitted) in [(10, -0.010, true), (30, 0.080, false), (100, 0.178, false)] {
        let distances = gaussian_cloud(1000, d, 5).distances().unwrap();
        let s = kozachenko_leonenko(&distances, kth(1)).unwrap();
        let s = s.ready().unwrap();
        let found = s.entropy.value / d as f64 - 0.5 * LN_TWO_PI_E;
        let noise = s.entropy.std_error / d as f64;
        // The published figure is rounded to 0.001.
        assert!((found - bias).abs() < 4.0 * noise + 0.001, "d {d}: {found}");
        assert_eq!(s.validity == Validity::Absolute, admitted, "d {d}");
        assert_eq!(s.has(Caveat::HighDimension), !admitted);
        assert_eq!(s.absolute().ready().is_some(), admitted);
    }
}

/// The published estimator on the uniform sphere, N = 500: off by 0.3, 4.7 and 33 nats.
#[test]
fn published_angles_are_off_on_the_uniform_sphere_as_measured() {
    for (d, measured) in [(3, 2.557), (10, 3.503), (30, -2.662), (100, -53.14)] {
        let values: Vec<f64> = (0..6)
            .map(|seed| {
                value(&hyperspherical_angles(&gaussian_cloud(500, d, seed), kth(1)).unwrap())
            })
            .collect();
        let (found, error) = mean(&values);
        // The measured figure is of one run: √6 times less certain than the mean of six.
        assert!(
            (found - measured).abs() < 11.0 * error,
            "d {d}: {found} ± {error}"
        );
        if d > 3 {
            let off = found - ln_sphere_area(d).unwrap();
            assert!(off > 10.0 * error && off > 0.2, "d {d}: {off}");
        }
    }
}

/// d = 3, N = 1000, truth 4.26 nats: correlated snapshots look ordered.
#[test]
fn correlation_biases_neighbours_and_is_refused() {
    let truth = 1.5 * LN_TWO_PI_E;
    for (rho, measured) in [(0.0, 4.17), (0.9, 4.04), (0.99, 2.29), (0.999, -0.88)] {
        let clouds = (0..8).map(|seed| autoregression(1000, 3, rho, seed).distances().unwrap());
        let blind: Vec<f64> = clouds
            .map(|distances| value(&kozachenko_leonenko(&distances, kth(1)).unwrap()))
            .collect();
        let (blind, error) = mean(&blind);
        // The measured figure is of one run, √8 times less certain than the mean of eight.
        assert!(
            (blind - measured).abs() < 12.0 * error,
            "{blind} ± {error} against {measured}"
        );
        let distances = autoregression(1000, 3, rho, 12).distances().unwrap();
        let honest = kozachenko_leonenko(&distances, Neighbors::new(1)).unwrap();
        match honest {
            Reading::Ready(s) if rho == 0.0 => {
                assert_eq!(s.validity, Validity::Absolute);
                assert!(s.entropy.z_score(truth).unwrap().abs() < 4.0);
            }
            Reading::Ready(s) => {
                assert!(rho < 0.95);
                assert!(s.has(Caveat::Correlated) && s.has(Caveat::FewIndependent));
                assert!(s.absolute().ready().is_none());
            }
            Reading::Pending { seen, needed } => {
                assert!(rho > 0.95 && seen == 1000 && needed > 1000);
            }
            other => panic!("{other:?}"),
        }
        assert!(blind < truth + 4.0 * error);
        if rho > 0.95 {
            assert!(blind < truth - 1.0, "{blind}");
        }
    }
    // Passing over neighbours in time mends the bias of the third.
    let values: Vec<f64> = (0..8)
        .map(|seed| {
            let distances = autoregression(3000, 3, 0.9, seed).distances().unwrap();
            let s = kozachenko_leonenko(&distances, Neighbors::new(1).exclude_lags(40)).unwrap();
            value(&s) - truth
        })
        .collect();
    let (bias, error) = mean(&values);
    assert!(bias.abs() < 4.0 * error, "{bias} ± {error}");
    assert!(error < 0.1, "{error}");
}

#[test]
fn scalings_suit_clouds_of_unequal_widths() {
    // Deviations 1, 10, 100: truth 3/2 ln 2πe + ln 1000.
    let truth = 1.5 * LN_TWO_PI_E + 1000_f64.ln();
    let cloud = |seed| {
        let mut random = Random::new(seed);
        let rows = (0..1000)
            .flat_map(|_| {
                [
                    random.normal(),
                    10.0 * random.normal(),
                    100.0 * random.normal(),
                ]
            })
            .collect();
        Points::new(rows, 3).unwrap()
    };
    for scaling in [Scaling::PerCoordinate, Scaling::Covariance] {
        let errors: Vec<f64> = (0..8)
            .map(|seed| {
                value(&kozachenko_leonenko_scaled(&cloud(seed), scaling, kth(4)).unwrap()) - truth
            })
            .collect();
        let (bias, error) = mean(&errors);
        assert!(
            bias.abs() < 4.0 * error + 0.02,
            "{scaling:?}: {bias} ± {error}"
        );
    }
    let isotropic = value(&kozachenko_leonenko(&cloud(0).distances().unwrap(), kth(4)).unwrap());
    assert!(
        isotropic > truth + 0.2,
        "balls are too round: {isotropic} {truth}"
    );
}

#[test]
fn degenerate_clouds_are_told_apart() {
    let undefined = |rows: Vec<f64>, d: usize, scaling: Scaling| {
        let points = Points::new(rows, d).unwrap();
        kozachenko_leonenko_scaled(&points, scaling, kth(1)).unwrap()
    };
    let degenerate = |reading| matches!(reading, Reading::Undefined(Reason::Degenerate(_)));
    assert!(degenerate(undefined(vec![1.0; 20], 2, Scaling::Isotropic)));
    let twice: Vec<f64> = super::normal(10, 2, 1).repeat(2);
    assert!(degenerate(undefined(twice.clone(), 2, Scaling::Isotropic)));
    let constant: Vec<f64> = super::normal(20, 1, 1)
        .iter()
        .flat_map(|&x| [x, 3.0])
        .collect();
    assert!(degenerate(undefined(
        constant.clone(),
        2,
        Scaling::PerCoordinate
    )));
    assert!(degenerate(undefined(constant, 2, Scaling::Covariance)));
    let tied: Vec<f64> = super::normal(20, 1, 1)
        .iter()
        .flat_map(|&x| [x, 3.0 * x])
        .collect();
    assert!(degenerate(undefined(tied, 2, Scaling::Covariance)));
    // Twice the same point, third neighbours differ: an answer, with a warning.
    let points = Points::new(twice, 2).unwrap();
    let third = kozachenko_leonenko(&points.distances().unwrap(), kth(3)).unwrap();
    assert!(third.ready().unwrap().has(Caveat::Duplicates));
    let few = gaussian_cloud(5, 2, 1).distances().unwrap();
    assert!(matches!(
        kozachenko_leonenko(&few, kth(4)).unwrap(),
        Reading::Pending { seen: 5, needed: 6 }
    ));
    assert!(kozachenko_leonenko(&few, kth(0)).is_err());
    assert!(
        kozachenko_leonenko(&few, kth(usize::MAX))
            .unwrap()
            .ready()
            .is_none()
    );
    let endless = kth(1).exclude_lags(usize::MAX);
    assert!(
        kozachenko_leonenko(&few, endless)
            .unwrap()
            .ready()
            .is_none()
    );
    let zero = Points::new(vec![0., 0., 1., 0., 0., 1., 1., 1.], 2).unwrap();
    assert!(degenerate(
        geodesic_cap(&zero.distances().unwrap(), kth(1)).unwrap()
    ));
    let bare = few.to_flat();
    let bare = thermograd::entropy::Distances::from_flat(
        bare,
        thermograd::entropy::Provenance::new(2, vec![1, 2, 3, 4, 5]),
    )
    .unwrap();
    assert!(matches!(
        geodesic_cap(&bare, kth(1)).unwrap(),
        Reading::Undefined(Reason::Missing(_))
    ));
}

#[test]
fn graph_lengths_are_relative_by_construction() {
    let one = gaussian_cloud(300, 4, 1).distances().unwrap();
    let graph = GraphLength::new(kth(3));
    let s = graph_length(&one, graph).unwrap();
    let s = s.ready().unwrap();
    assert!(s.has(Caveat::Relative) && s.absolute().ready().is_none());
    assert!(graph_length(&one, graph.gamma(4.0)).is_err());
    assert!(graph_length(&one, graph.gamma(0.0)).is_err());
    assert!(graph_length(&one, graph.gamma(f64::NAN)).is_err());
    // Differences: a cloud twice as wide, independently drawn, is 4 ln 2 more.
    let differences: Vec<f64> = (0..60)
        .map(|seed| {
            let wide: Vec<f64> = super::normal(300, 4, 900 + seed)
                .iter()
                .map(|x| 2.0 * x)
                .collect();
            let wide = Points::new(wide, 4).unwrap().distances().unwrap();
            let narrow = gaussian_cloud(300, 4, seed).distances().unwrap();
            let wide = graph_length(&wide, graph).unwrap();
            let narrow = graph_length(&narrow, graph).unwrap();
            let difference = wide.ready().unwrap().minus(narrow.ready().unwrap());
            difference
                .ready()
                .unwrap()
                .z_score(4.0 * 2_f64.ln())
                .unwrap()
        })
        .collect();
    let spread = rms(&differences);
    assert!((0.75..1.35).contains(&spread), "{spread}");
}

#[test]
fn two_neighbours_count_dimensions() {
    // Points on a plane through ten dimensions.
    let mut random = Random::new(4);
    let rows: Vec<f64> = (0..2000)
        .flat_map(|_| {
            let (a, b) = (random.normal(), random.normal());
            (0..10).map(move |i| a * f64::from(i).cos() + b * f64::from(i).sin())
        })
        .collect();
    let plane = Points::new(rows, 10).unwrap().distances().unwrap();
    let dimension = two_neighbor_dimension(&plane, kth(2)).unwrap();
    let dimension = dimension.ready().unwrap();
    assert!(dimension.z_score(2.0).unwrap().abs() < 3.0, "{dimension}");
    assert!((dimension.std_error - 2.0 / 2000_f64.sqrt()).abs() < 0.01);
}
