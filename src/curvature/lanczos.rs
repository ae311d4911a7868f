//! Extreme curvatures: the largest and the smallest eigenvalues of a Hessian by Lanczos' iteration.
//!
//! From a random direction q₁ the iteration builds an orthonormal basis Q of the Krylov space
//! span(q₁, Hq₁, H²q₁, …) in which the Hessian is tridiagonal, T = Q'HQ. The eigenvalues θ of T, the
//! Ritz values, approach those of H from within, the extreme ones first (Lanczos 1950; Golub and
//! Van Loan, ch. 10). For T s = θ s after m steps
//!
//! <!-- math
//! |H Q s - \theta Q s| = \beta_m |s_m|
//! -->
#![doc = include_str!("../math/curvature_lanczos.html")]
//!
//! and some eigenvalue of H lies within that residual of θ: a bound, not a standard error. Near a
//! converged, separated eigenvalue the error is smaller still, residual² over the gap.
//!
//! Every new vector is made orthogonal to all before it, twice: without, the same eigenvalue comes
//! back again and again as rounding spoils the basis. That takes one vector of the model's size a
//! step and m²d operations.
//!
//! It lies in three ways. An eigenvalue of several equal ones is found once, unless the Krylov space
//! closes (small or low-rank Hessians), where the iteration goes on from a new direction. The bound
//! assumes exact products: by central differences it is good to the rounding of the gradient to the
//! power ⅔ or so, relative to the largest curvature. And the largest curvature of a scale-invariant group
//! changes with its norm where the loss does not.

use nalgebra::{DMatrix, SymmetricEigen};

use super::objective::{Cost, HessianVector, norm, product};
use super::{Convergence, Probe, Subspace, check_dimension};
use crate::Error;
use crate::sums::dot;
use crate::systems::Random;

/// What [`extremes`] looks for.
///
/// ```
/// use thermograd::curvature::LanczosConfig;
/// let config = LanczosConfig::default().largest(5).smallest(1).tolerance(1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LanczosConfig {
    largest: usize,
    smallest: usize,
    tolerance: f64,
    steps: usize,
    seed: u64,
}

impl Default for LanczosConfig {
    fn default() -> Self {
        Self {
            largest: 1,
            smallest: 0,
            tolerance: 1e-3,
            steps: 100,
            seed: 0,
        }
    }
}

impl LanczosConfig {
    /// How many of the largest eigenvalues: 1 by default.
    #[must_use]
    pub const fn largest(mut self, count: usize) -> Self {
        self.largest = count;
        self
    }

    /// How many of the smallest (the most negative) eigenvalues: none by default.
    #[must_use]
    pub const fn smallest(mut self, count: usize) -> Self {
        self.smallest = count;
        self
    }

    /// Stop where the residual of each is below this part of the largest magnitude: 10⁻³ by default.
    #[must_use]
    pub const fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Products at most: 100 by default. As many vectors of the model's size are kept.
    #[must_use]
    pub const fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Seed of the first direction.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn check(&self) -> Result<(), Error> {
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            return Err(Error::OutOfRange {
                what: "tolerance of Lanczos' iteration",
                value: self.tolerance,
                allowed: "a finite number, 0 or more",
            });
        }
        let wanted = self.largest.saturating_add(self.smallest);
        if wanted == 0 {
            return Err(Error::OutOfRange {
                what: "number of eigenvalues",
                value: 0.0,
                allowed: "at least one, largest or smallest",
            });
        }
        check_steps(self.steps)?;
        if wanted > self.steps {
            return Err(Error::OutOfRange {
                what: "number of eigenvalues",
                value: wanted as f64,
                allowed: "at most as many as steps",
            });
        }
        Ok(())
    }
}

pub(super) fn check_steps(steps: usize) -> Result<(), Error> {
    if (1..=2000).contains(&steps) {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what: "number of Lanczos steps",
            value: steps as f64,
            allowed: "1 to 2000",
        })
    }
}

/// An eigenvalue with its direction.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Eigenpair {
    /// The eigenvalue, in the unit of a curvature.
    pub value: f64,
    /// |Hv − θv|: an eigenvalue of H lies no further than this from `value`.
    pub residual: f64,
    /// The direction v, of length 1.
    pub vector: Vec<f64>,
}

/// The answer of [`extremes`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Extremes {
    /// The largest eigenvalues, descending.
    pub largest: Vec<Eigenpair>,
    /// The smallest, ascending.
    pub smallest: Vec<Eigenpair>,
    /// Whether all residuals met the tolerance.
    pub convergence: Convergence,
    /// What it took: one product a step.
    pub cost: Cost,
}

impl Extremes {
    /// The largest eigenvalue, with its residual as a bound on the error.
    pub fn top(&self) -> Option<&Eigenpair> {
        self.largest.first()
    }
}

/// Basis and tridiagonal matrix of a Lanczos iteration.
#[derive(Debug, Default)]
pub(super) struct Tridiagonal {
    pub(super) diagonal: Vec<f64>,
    /// One entry a step: what couples it to the next, 0 where the Krylov space closed.
    pub(super) coupling: Vec<f64>,
    pub(super) basis: Subspace,
}

/// Eigenvalues of a tridiagonal matrix, ascending, with the eigenvectors as columns.
pub(super) fn ritz(diagonal: &[f64], coupling: &[f64]) -> Option<(Vec<f64>, DMatrix<f64>)> {
    let m = diagonal.len();
    let mut t = DMatrix::zeros(m, m);
    for (i, &a) in diagonal.iter().enumerate() {
        t[(i, i)] = a;
    }
    for (i, &b) in coupling.iter().take(m.saturating_sub(1)).enumerate() {
        t[(i + 1, i)] = b;
        t[(i, i + 1)] = b;
    }
    let eigen = SymmetricEigen::try_new(t, f64::EPSILON, 10_000)?;
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[i].total_cmp(&eigen.eigenvalues[j]));
    let values = order.iter().map(|&i| eigen.eigenvalues[i]).collect();
    let vectors = DMatrix::from_fn(m, m, |row, column| {
        order
            .get(column)
            .map_or(0.0, |&i| eigen.eigenvectors[(row, i)])
    });
    Some((values, vectors))
}

impl Tridiagonal {
    pub(super) fn starting_at(direction: &[f64]) -> Self {
        let mut new = Self::default();
        new.basis.extend(direction);
        new
    }

    /// One more step, `false` once the basis spans everything.
    ///
    /// Where the Krylov space closes, `restart` gives a new direction or `false`.
    pub(super) fn step<H: HessianVector + ?Sized>(
        &mut self,
        hessian: &mut H,
        image: &mut [f64],
        cost: &mut Cost,
        mut restart: impl FnMut(&mut [f64]) -> bool,
    ) -> Result<bool, Error> {
        let step = self.diagonal.len();
        let Some(q) = self.basis.vectors().get(step) else {
            return Ok(false);
        };
        product(hessian, q, image, cost)?;
        let along = dot(q, image);
        self.diagonal.push(along);
        if self.basis.len() == image.len() {
            self.coupling.push(0.0);
            return Ok(false);
        }
        // What remains of a closed space is the rounding of the products.
        let floor = self.scale() * hessian.rounding() * 16.0;
        let mut rest = image.to_vec();
        self.basis.remove(&mut rest);
        let left = norm(&rest);
        if left > floor {
            self.coupling.push(left);
            return Ok(self.basis.extend(&rest) > 0.0);
        }
        self.coupling.push(0.0);
        Ok(restart(image) && self.basis.extend(image) > 0.0)
    }

    /// The largest magnitude seen in T.
    fn scale(&self) -> f64 {
        let both = self.diagonal.iter().chain(&self.coupling);
        both.fold(0.0, |m, x| m.max(x.abs()))
    }
}

/// The largest and smallest eigenvalues of a Hessian.
///
/// ```
/// use thermograd::curvature::{LanczosConfig, extremes, hessian_vector};
/// let mut h = hessian_vector(3, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1], out[2]) = (-1.0 * v[0], 2.0 * v[1], 5.0 * v[2]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// let found = extremes(&mut h, &LanczosConfig::default().largest(2).smallest(1))?;
/// assert!((found.largest[0].value - 5.0).abs() < 1e-12);
/// assert!((found.largest[1].value - 2.0).abs() < 1e-12);
/// assert!((found.smallest[0].value + 1.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Fewer than asked for come back where there are fewer; none twice.
///
/// # Errors
/// [`Error::OutOfRange`] for the configuration, [`Error::Empty`] for a Hessian of dimension 0,
/// and what the closure returns: [`Error::Evaluation`], [`Error::NonFinite`], [`Error::Overflow`].
pub fn extremes<H: HessianVector + ?Sized>(
    hessian: &mut H,
    config: &LanczosConfig,
) -> Result<Extremes, Error> {
    config.check()?;
    let dimension = check_dimension(hessian)?;
    let mut random = Random::new(config.seed);
    let mut cost = Cost::default();
    let mut image = vec![0.0; dimension];
    Probe::Gaussian.draw(&mut random, &mut image);
    let mut krylov = Tridiagonal::starting_at(&image);
    let steps = config.steps.min(dimension);
    let mut checked = 0;
    loop {
        let more = krylov.step(hessian, &mut image, &mut cost, |v| {
            Probe::Gaussian.draw(&mut random, v);
            true
        })?;
        let m = krylov.diagonal.len();
        // Small matrices are looked at every step, large ones every tenth of their size.
        if more && m < steps && m < checked + (checked / 10).max(1) {
            continue;
        }
        checked = m;
        let last = !more || m >= steps;
        let seen = Inspected::of(&krylov, config).ok_or(UNSOLVED)?;
        if last || seen.met {
            return Ok(seen.answer(&krylov, config, cost));
        }
    }
}

pub(super) const UNSOLVED: Error = Error::Conflict {
    what: "a tridiagonal matrix whose eigenvalues do not converge",
    remedy: "look at the products for values of wildly different size",
};

/// The Ritz values of what has been built, and whether they are good enough.
struct Inspected {
    values: Vec<f64>,
    vectors: DMatrix<f64>,
    met: bool,
    /// β_m.
    beyond: f64,
}

impl Inspected {
    fn of(krylov: &Tridiagonal, config: &LanczosConfig) -> Option<Self> {
        let (values, vectors) = ritz(&krylov.diagonal, &krylov.coupling)?;
        let mut seen = Self {
            values,
            vectors,
            met: false,
            beyond: krylov.coupling.last().copied().unwrap_or(0.0),
        };
        let m = seen.values.len();
        let scale = seen.values.iter().fold(0.0_f64, |s, v| s.max(v.abs()));
        let good = |i: usize| seen.residual(i) <= config.tolerance * scale;
        let (largest, smallest) = wanted(config, m);
        let enough = largest + smallest == config.largest + config.smallest;
        // A space that spans everything has nothing more to give.
        let whole = krylov.basis.vectors().first().map_or(0, Vec::len) == m;
        seen.met = whole || enough && (m - largest..m).chain(0..smallest).all(good);
        Some(seen)
    }

    fn residual(&self, i: usize) -> f64 {
        self.beyond * self.vectors[(self.values.len() - 1, i)].abs()
    }

    fn answer(&self, krylov: &Tridiagonal, config: &LanczosConfig, cost: Cost) -> Extremes {
        let m = self.values.len();
        let (largest, smallest) = wanted(config, m);
        let pair = |i: usize| {
            let size = krylov.basis.vectors().first().map_or(0, Vec::len);
            let mut vector = vec![0.0; size];
            for (k, q) in krylov.basis.vectors().iter().take(m).enumerate() {
                for (x, q) in vector.iter_mut().zip(q) {
                    *x += self.vectors[(k, i)] * q;
                }
            }
            Eigenpair {
                value: self.values.get(i).copied().unwrap_or(0.0),
                residual: self.residual(i),
                vector,
            }
        };
        Extremes {
            largest: (m - largest..m).rev().map(pair).collect(),
            smallest: (0..smallest).map(pair).collect(),
            convergence: if self.met {
                Convergence::Met
            } else {
                Convergence::Exhausted
            },
            cost,
        }
    }
}

/// How many of `m` values from each end, never the same from both.
fn wanted(config: &LanczosConfig, m: usize) -> (usize, usize) {
    let largest = config.largest.min(m);
    (largest, config.smallest.min(m - largest))
}
