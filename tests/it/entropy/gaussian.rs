//! Covariance entropies against closed forms, with calibrated error bars.

use thermograd::entropy::{
    Caveat, Points, Sampling, Validity, covariance_spectrum, effective_rank, gaussian, ledoit_wolf,
    ln_det_bias, resolution_limited, spread,
};
use thermograd::{Reading, Reason};

use super::{autoregression, gaussian_cloud, mean, rms};

const LN_TWO_PI_E: f64 = 2.837_877_066_409_345_3;

#[test]
fn the_correction_leaves_no_bias_and_the_error_bar_is_right() {
    for (n, d) in [(6, 5), (12, 3), (30, 10), (200, 20)] {
        let truth = 0.5 * d as f64 * LN_TWO_PI_E;
        let (mut errors, mut scores) = (Vec::new(), Vec::new());
        for seed in 0..400 {
            let distances = gaussian_cloud(n, d, seed).distances().unwrap();
            let s = gaussian(&distances, Sampling::Independent);
            let s = s.ready().unwrap().entropy;
            errors.push(s.value - truth);
            scores.push(s.z_score(truth).unwrap());
        }
        let (bias, error) = mean(&errors);
        assert!(bias.abs() < 4.0 * error, "N {n}, d {d}: {bias} ± {error}");
        let correction = 0.5 * ln_det_bias(n, d).unwrap();
        assert!(correction.abs() > 8.0 * error, "a bias that would be seen");
        if n > 2 * d {
            let spread = rms(&scores);
            assert!((0.85..1.25).contains(&spread), "N {n}, d {d}: {spread}");
        }
    }
}

#[test]
fn the_error_bar_knows_tails_and_correlation() {
    // Uniform coordinates: lighter tails, smaller error. Truth ½ ln(2πe/12) each.
    let truth = 1.5 * (LN_TWO_PI_E - 12_f64.ln());
    let mut random = thermograd::systems::Random::new(3);
    let scores: Vec<f64> = (0..300)
        .map(|_| {
            let rows = (0..600).map(|_| random.uniform()).collect();
            let distances = Points::new(rows, 3).unwrap().distances().unwrap();
            let s = gaussian(&distances, Sampling::Independent);
            s.ready().unwrap().entropy.z_score(truth).unwrap()
        })
        .collect();
    let spread = rms(&scores);
    assert!((0.85..1.2).contains(&spread), "{spread}");
    // A trajectory: the error bar is wider than measured, for variances forget twice as fast.
    let scores: Vec<f64> = (0..60)
        .map(|seed| {
            let distances = autoregression(1000, 2, 0.8, seed).distances().unwrap();
            let s = gaussian(&distances, Sampling::Trajectory);
            let s = s.ready().unwrap();
            assert!(s.has(Caveat::Correlated));
            s.entropy.z_score(LN_TWO_PI_E).unwrap()
        })
        .collect();
    let spread = rms(&scores);
    assert!((0.4..1.1).contains(&spread), "{spread}");
}

#[test]
fn shrinkage_is_for_differences() {
    // N < d: a cloud twice as wide, drawn independently, differs by d ln 2.
    let d = 40;
    let scores: Vec<f64> = (0..40)
        .map(|seed| {
            let wide: Vec<f64> = super::normal(25, d, 500 + seed)
                .iter()
                .map(|x| 2.0 * x)
                .collect();
            let wide = Points::new(wide, d).unwrap().distances().unwrap();
            let narrow = gaussian_cloud(25, d, seed).distances().unwrap();
            let wide = ledoit_wolf(&wide, Sampling::Independent);
            let narrow = ledoit_wolf(&narrow, Sampling::Independent);
            let (wide, narrow) = (wide.ready().unwrap(), narrow.ready().unwrap());
            assert!(wide.has(Caveat::Shrunk) && wide.validity == Validity::DifferenceOnly);
            let difference = wide.minus(narrow);
            difference
                .ready()
                .unwrap()
                .z_score(d as f64 * 2_f64.ln())
                .unwrap()
        })
        .collect();
    let spread = rms(&scores);
    assert!((0.6..1.5).contains(&spread), "{spread}");
}

#[test]
fn a_resolution_hides_what_is_below_it() {
    let points = gaussian_cloud(500, 3, 2);
    let distances = points.distances().unwrap();
    let limited = |delta| {
        let s = resolution_limited(&distances, delta, Sampling::Independent).unwrap();
        s.ready().unwrap().entropy.value
    };
    let plain = gaussian(&distances, Sampling::Independent);
    let biased = plain.ready().unwrap().entropy.value + 0.5 * ln_det_bias(500, 3).unwrap();
    assert!((limited(1e-4) - (biased + 3.0 * 1e4_f64.ln())).abs() < 1e-6);
    assert!(limited(1e4) < 1e-6 && limited(1e4) > 0.0);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-200] {
        assert!(resolution_limited(&distances, bad, Sampling::Independent).is_err());
    }
}

#[test]
fn participation_ratio_is_naive_or_debiased() {
    // Isotropic, d = 100, N = 20: naive reads (nd + 2)/(d + n + 1) = 15.85, debiased near 100.
    let (mut naive, mut square, mut of_square) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..200 {
        let distances = gaussian_cloud(20, 100, seed).distances().unwrap();
        let s = spread(&distances);
        let s = s.ready().unwrap();
        naive.push(s.participation_ratio);
        // Unbiased are the traces of which the debiased ratio is made: 100² and 100.
        let spectrum = covariance_spectrum(&distances);
        let spectrum = spectrum.ready().unwrap();
        let (n, t) = (19.0, spectrum.iter().sum::<f64>());
        let t2: f64 = spectrum.iter().map(|x| x * x).sum();
        square.push(n / ((n - 1.0) * (n + 2.0)) * ((n + 1.0) * t * t - 2.0 * t2));
        of_square.push(n * n / ((n - 1.0) * (n + 2.0)) * (t2 - t * t / n));
        let ratio = (square[square.len() - 1] / of_square[of_square.len() - 1]).clamp(1.0, 100.0);
        assert!((s.debiased_participation_ratio / ratio - 1.0).abs() < 1e-9);
        let rank = effective_rank(spectrum).unwrap();
        let rank = *rank.ready().unwrap();
        assert!(s.participation_ratio <= rank + 1e-9 && rank <= 19.0 + 1e-9);
    }
    let (ratio, error) = mean(&naive);
    assert!(
        (ratio - 1902.0 / 120.0).abs() < 4.0 * error + 0.03,
        "{ratio} ± {error}"
    );
    let (top, top_error) = mean(&square);
    let (bottom, bottom_error) = mean(&of_square);
    assert!((top - 1e4).abs() < 4.0 * top_error, "{top}");
    assert!((bottom - 100.0).abs() < 4.0 * bottom_error, "{bottom}");
}

#[test]
fn singular_and_short_are_told_apart() {
    let constant: Vec<f64> = super::normal(20, 1, 1)
        .iter()
        .flat_map(|&x| [x, 3.0])
        .collect();
    let constant = Points::new(constant, 2).unwrap().distances().unwrap();
    assert!(matches!(
        gaussian(&constant, Sampling::Independent),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert!(
        ledoit_wolf(&constant, Sampling::Independent)
            .ready()
            .is_some()
    );
    let few = gaussian_cloud(5, 5, 1).distances().unwrap();
    assert!(matches!(
        gaussian(&few, Sampling::Independent),
        Reading::Pending { seen: 5, needed: 6 }
    ));
    let equal = Points::new(vec![2.0; 30], 3).unwrap().distances().unwrap();
    for reading in [
        gaussian(&equal, Sampling::Independent),
        ledoit_wolf(&equal, Sampling::Independent),
        resolution_limited(&equal, 1.0, Sampling::Independent).unwrap(),
    ] {
        assert!(matches!(reading, Reading::Undefined(Reason::Degenerate(_))));
    }
}

/// The determinant of differences is the product of the eigenvalues that are not zero.
#[test]
fn pseudo_determinants_are_products_of_eigenvalues() {
    use thermograd::entropy::{Points, covariance_spectrum, ln_pseudo_determinant};
    for (n, d) in [
        (2, 1),
        (2, 5),
        (7, 30),
        (20, 20),
        (20, 19),
        (40, 6),
        (60, 500),
    ] {
        let distances = super::gaussian_cloud(n, d, 3).distances().unwrap();
        let spectrum = covariance_spectrum(&distances);
        let product: f64 = spectrum.ready().unwrap().iter().map(|x| x.ln()).sum();
        let ours = *ln_pseudo_determinant(&distances).ready().unwrap();
        assert!(
            (ours - product).abs() < 1e-9 * product.abs().max(1.0),
            "{n} {d}: {ours} {product}"
        );
    }
    // On a line in the plane there is a direction too few; of one point none.
    let line = Points::new(vec![0., 0., 1., 1., 3., 3.], 2).unwrap();
    let line = ln_pseudo_determinant(&line.distances().unwrap());
    assert!(
        matches!(line, thermograd::Reading::Undefined(_)),
        "{line:?}"
    );
    let one = Points::new(vec![1., 2.], 2).unwrap().distances().unwrap();
    assert!(matches!(
        ln_pseudo_determinant(&one),
        thermograd::Reading::Pending { .. }
    ));
}
