//! Laws of the module `systems`: what ships as known must be so.

mod ar1;
mod gas_state;
mod harmonic;
mod isotropic_gas;
mod von_mises_fisher;

use thermograd::systems::{Ar1, HarmonicBath, HarmonicConfig, SaddleToSaddle, VonMisesFisher};

/// Mean and standard error of correlated data, from 40 batches: each must outlast the memory.
fn batch_means(series: &[f64]) -> (f64, f64) {
    let batches: Vec<f64> = series
        .chunks_exact(series.len() / 40)
        .map(|batch| batch.iter().sum::<f64>() / batch.len() as f64)
        .collect();
    mean_and_error(&batches)
}

/// Mean and standard error of independent data.
fn mean_and_error(data: &[f64]) -> (f64, f64) {
    let n = data.len() as f64;
    let mean = data.iter().sum::<f64>() / n;
    let variance = data.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Fails unless the mean of `series` is within 4.5 standard errors of `exact`, and those are small.
#[track_caller]
fn assert_agrees(what: &str, series: &[f64], exact: f64, resolution: f64) {
    let (mean, error) = batch_means(series);
    let z = (mean - exact) / error;
    assert!(
        z.abs() < 4.5,
        "{what}: {mean} ± {error} against {exact}, z = {z}"
    );
    assert!(
        error < resolution * exact.abs(),
        "{what}: error {error} is too large to test {exact}"
    );
}

#[track_caller]
fn assert_close(what: &str, ours: f64, exact: f64, relative: f64) {
    assert!(
        (ours - exact).abs() <= relative * exact.abs(),
        "{what}: {ours:e} against {exact:e}, off by {:e}",
        (ours - exact).abs() / exact.abs()
    );
}

fn squared(x: &[f64]) -> f64 {
    dot(x, x)
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

#[test]
fn descent_from_a_saddle() {
    let network = SaddleToSaddle::new(2.0, 0.25).unwrap();
    assert!((network.loss(0.0).unwrap() - 0.5 * 1.75 * 1.75).abs() < 1e-15);
    assert!((network.loss(network.half_time()).unwrap() - 0.5).abs() < 1e-12);
    // a = b = 1/2: (ab − 2)b = −7/8.
    let mut descent = network.descent(0.25).unwrap();
    assert_eq!(descent.weights(), [0.5; 2]);
    assert_eq!(descent.gradient(), [-0.875; 2]);
    assert_eq!(descent.loss(), network.loss(0.0).unwrap());
    descent.step();
    assert_eq!(descent.weights(), [0.71875; 2]);
    let product = 0.71875 * 0.71875;
    assert_eq!(descent.gradient(), [(product - 2.0) * 0.71875; 2]);
    assert_eq!(descent.loss(), 0.5 * (2.0 - product) * (2.0 - product));
}

#[test]
fn systems_tell_what_they_were_given() {
    let series = Ar1::new(0.5).unwrap().with_variance(4.0).unwrap();
    let series = series.with_mean(3.0).unwrap();
    assert_eq!(
        (series.rho(), series.variance(), series.mean()),
        (0.5, 4.0, 3.0)
    );
    let sphere = VonMisesFisher::new(5, 2.5).unwrap();
    assert_eq!((sphere.dim(), sphere.kappa()), (5, 2.5));
    let (hessian, noise) = ([2.0, 0.5, 0.5, 1.0], [1.0, 0.25, 0.25, 0.5]);
    let bath = HarmonicBath::new(&hessian, &noise, HarmonicConfig::new(0.1)).unwrap();
    assert_eq!(bath.dim(), 2);
    assert_eq!((bath.hessian(), bath.noise()), (&hessian[..], &noise[..]));
}
