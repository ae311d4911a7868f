//! Gauss-Legendre quadrature: what the one-dimensional exact answers are integrated with.

use std::f64::consts::PI;

/// Nodes and weights on `[-1, 1]`, exact for polynomials of degree `2n − 1`.
///
/// Newton's iteration on the Legendre polynomial from Tricomi's starting points.
pub(crate) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let size = n as f64;
    (0..n)
        .map(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (size + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut previous, mut value) = (1.0, x);
                for k in 2..=n {
                    let k = k as f64;
                    (previous, value) = (
                        value,
                        ((2.0 * k - 1.0) * x * value - (k - 1.0) * previous) / k,
                    );
                }
                slope = size * (x * value - previous) / (x * x - 1.0);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

/// `∫ f` over `[a, b]`, cut into equal panels of 20 nodes.
pub(crate) fn integrate(a: f64, b: f64, panels: usize, f: impl Fn(f64) -> f64) -> f64 {
    integrate_by(&gauss_legendre(20), a, b, panels, f)
}

/// The same with a rule that is at hand.
pub(crate) fn integrate_by(
    rule: &[(f64, f64)],
    a: f64,
    b: f64,
    panels: usize,
    f: impl Fn(f64) -> f64,
) -> f64 {
    let width = (b - a) / panels.max(1) as f64;
    (0..panels.max(1))
        .map(|i| {
            let middle = a + (i as f64 + 0.5) * width;
            let panel: f64 = rule
                .iter()
                .map(|&(x, w)| w * f(middle + 0.5 * width * x))
                .sum();
            0.5 * width * panel
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{gauss_legendre, integrate};

    #[test]
    fn exact_for_polynomials() {
        let rule = gauss_legendre(5);
        let ninth: f64 = rule.iter().map(|&(x, w)| w * (x.powi(8) + x.powi(9))).sum();
        assert!((ninth - 2.0 / 9.0).abs() < 1e-14);
        assert!((integrate(0.0, 1.0, 4, f64::exp) - (1_f64.exp() - 1.0)).abs() < 1e-14);
    }
}
