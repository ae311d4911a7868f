//! Laws of the module `systems`: what ships as known must be so.

mod ar1;
mod gas_state;
mod harmonic;
mod isotropic_gas;
mod von_mises_fisher;

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
