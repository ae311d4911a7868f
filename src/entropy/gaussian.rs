//! Entropy from the covariance: exact for a Gaussian, an upper bound for all else.
//!
//! Of all densities with covariance C the Gaussian has the largest entropy,
//!
//! <!-- math
//! S = \tfrac12 \ln \det (2 \pi e\, C) ,
//! -->
#![doc = include_str!("../math/entropy_gaussian_1.html")]
//!
//! the quasi-harmonic entropy of molecular dynamics (Karplus and Kushick, Macromolecules 14, 325
//! (1981)). Three estimators, by how many snapshots there are:
//!
//! * N > d: the sample covariance. Its log-determinant is biased by an amount that depends on n = N − 1
//!   and d alone, E ln det Ĉ = ln det C + Σ ψ((n − i)/2) + d ln(2/n), i = 0..d−1 (a Wishart matrix is
//!   triangular with independent χ² on its diagonal), so subtracting it leaves no bias at all for
//!   Gaussian, independent snapshots.
//! * any N: the covariance shrunk towards a sphere, (1 − ρ) Ĉ + ρ m I, with the weight ρ of Ledoit
//!   and Wolf (J. Multivariate Anal. 88, 365 (2004)). Directions that the sample has not seen get the
//!   variance ρ m: a guess, good for differences.
//! * any N: against a resolution δ, S = ½ Σ ln(1 + 2πe `λ_i/δ²`), in the manner of Schlitter (Chem. Phys.
//!   Lett. 215, 617 (1993)). Never negative, blind to variances far below δ²/2πe; δ is part of the
//!   answer.
//!
//! When it lies: a curved or multimodal cloud is far below its Gaussian bound; correlated snapshots
//! correct too little; and for N < d the unseen directions are most of the answer.

use nalgebra::{Cholesky, DMatrix};
use statrs::function::gamma::digamma;

use super::distances::{Distances, Points};
use super::estimate::{Caveat, EntropyEstimate, Estimator};
use super::knn::Context;
use super::spread::unusable;
use crate::{Error, Reading, Reason};

/// ln(2πe).
const LN_TWO_PI_E: f64 = 2.837_877_066_409_345_3;
/// A pivot below this part of the largest is rounding, not variance.
const RANK_TOLERANCE: f64 = 1e-13;

/// Whether successive snapshots may be correlated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Sampling {
    /// A trajectory: the autocorrelation time is measured, and widens the error bar.
    #[default]
    Trajectory,
    /// Declared independent: nothing is measured.
    Independent,
}

/// Bias of the log-determinant of a sample covariance with denominator n = N − 1, in nats:
/// E ln det Ĉ − ln det C = Σ_{i<d} ψ((n − i)/2) + d ln(2/n), for a Gaussian.
///
/// ```
/// use thermograd::entropy::ln_det_bias;
/// // Two points on a line: ψ(1/2) + ln 2 = −γ − ln 2.
/// let bias = ln_det_bias(2, 1)?;
/// assert!((bias + 0.577_215_664_901_532_9 + 2_f64.ln()).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for d = 0 or N ≤ d, where the determinant is zero.
pub fn ln_det_bias(snapshots: usize, dimension: usize) -> Result<f64, Error> {
    super::sphere::check_dimension(dimension, 1)?;
    if snapshots <= dimension {
        return Err(Error::OutOfRange {
            what: "number of snapshots",
            value: snapshots as f64,
            allowed: "more snapshots than dimensions",
        });
    }
    // One term of the sum for each dimension.
    if dimension > 1 << 24 {
        return Err(Error::OutOfRange {
            what: "dimension",
            value: dimension as f64,
            allowed: "at most 16777216",
        });
    }
    let n = (snapshots - 1) as f64;
    let sum: f64 = (0..dimension).map(|i| digamma(0.5 * (n - i as f64))).sum();
    Ok(sum + dimension as f64 * (2.0 / n).ln())
}

/// Gaussian entropy ½ ln det(2πe Ĉ) in nats, freed of its sampling bias. Needs N > d.
///
/// The error bar is that of the Wishart distribution, scaled by how widely the Mahalanobis distances
/// scatter compared with a Gaussian's, and by the autocorrelation time.
///
/// ```
/// use thermograd::entropy::{Points, Sampling, gaussian, ln_det_bias};
/// // Points −1, 0, 1 have variance 1: S = ½ [ln(2πe) − bias].
/// let points = Points::new(vec![-1.0, 0.0, 1.0], 1)?;
/// let s = gaussian(&points.distances()?, Sampling::Independent);
/// let expected = 0.5 * (2.837_877_066_409_345 - ln_det_bias(3, 1)?);
/// assert!((s.ready().unwrap().entropy.value - expected).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn gaussian(distances: &Distances<'_>, sampling: Sampling) -> Reading<EntropyEstimate> {
    let (n, d) = (distances.len(), distances.dimension());
    let needed = d.saturating_add(1).max(3);
    if n < needed {
        return Reading::Pending {
            seen: n as u64,
            needed: needed as u64,
        };
    }
    let mut context = match Context::of(distances, sampling == Sampling::Independent) {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Reading::Pending { seen, needed },
        Reading::Undefined(reason) => return Reading::Undefined(reason),
    };
    let Some(factor) = Factor::of(distances).filter(|factor| factor.rank() == d) else {
        return Reading::Undefined(Reason::Degenerate(
            "a singular covariance: constant or dependent coordinates",
        ));
    };
    let Some(cholesky) = Cholesky::new(factor.0.tr_mul(&factor.0)) else {
        return Reading::Undefined(Reason::Degenerate(
            "a singular covariance: constant or dependent coordinates",
        ));
    };
    let (dof, dim) = ((n - 1) as f64, d as f64);
    let ln_det = cholesky.ln_determinant() - dim * dof.ln();
    let bias: f64 =
        (0..d).map(|i| digamma(0.5 * (dof - i as f64))).sum::<f64>() + dim * (2.0 / dof).ln();
    let value = 0.5 * (dim * LN_TWO_PI_E + ln_det - bias);
    let wishart: f64 = (0..d).map(|i| trigamma(0.5 * (dof - i as f64))).sum();
    // Squared Mahalanobis distances, scaled to lie in (0, 1): a beta variable under a Gaussian.
    let mut columns = factor.0.transpose();
    let ratio = if cholesky.l_dirty().solve_lower_triangular_mut(&mut columns) && n > d + 1 {
        let shares: Vec<f64> = columns.column_iter().map(|c| c.norm_squared()).collect();
        let mean = dim / n as f64;
        let found = shares.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>() / n as f64;
        // Var Beta(d/2, (n−d)/2) with n = N − 1, times (n/N)².
        let gaussian =
            2.0 * dim * (dof - dim) / (dof * dof * (dof + 2.0)) * (dof / n as f64).powi(2);
        if gaussian > 0.0 {
            found / gaussian
        } else {
            1.0
        }
    } else {
        1.0
    };
    let std_error = 0.5 * (wishart * ratio * context.g).sqrt();
    if context.g > 1.5 {
        context.caveats.push(Caveat::Correlated);
    }
    Reading::Ready(context.estimate(Estimator::Gaussian, None, value, std_error))
}

/// ln of the pseudo-determinant of the sample covariance: of the product of its eigenvalues that
/// are not zero by construction, min(d, N − 1) of them. In ln of (parameter²) to that power.
///
/// For N ≤ d the covariance has rank N − 1, and no eigenvalue need be found: with w₀ any one of the
/// snapshots,
///
/// <!-- math
/// \operatorname{pdet} \hat C = \frac{\det G}{N (N-1)^{N-1}}, \qquad
/// G_{ij} = (w_i - w_0) \cdot (w_j - w_0) = \tfrac12 (D_{i0} + D_{j0} - D_{ij}),
/// -->
#[doc = include_str!("../math/entropy_gaussian_2.html")]
///
/// since both sides are the squared volume of the simplex of snapshots times ((N − 1)!)². It is a
/// volume of the seen directions: comparable between clouds of one N. Undefined where snapshots are
/// linearly dependent; takes N³/3 operations.
///
/// ```
/// use thermograd::entropy::{Points, ln_pseudo_determinant};
/// // Two points a distance 2 apart: variance 2 in one direction of three.
/// let points = Points::new(vec![0., 0., 0., 0., 2., 0.], 3)?;
/// let ln = ln_pseudo_determinant(&points.distances()?);
/// assert!((ln.ready().unwrap() - 2_f64.ln()).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ln_pseudo_determinant(distances: &Distances<'_>) -> Reading<f64> {
    let (n, d) = (distances.len(), distances.dimension());
    if n < 2 {
        return Reading::Pending {
            seen: n as u64,
            needed: 2,
        };
    }
    let (means, grand) = distances.row_means();
    if let Some(reason) = unusable(grand) {
        return Reading::Undefined(reason);
    }
    let dof = (n - 1) as f64;
    let ln = if n <= d {
        // The snapshot in the middle of the others loses the fewest digits.
        let central = |a: &usize, b: &usize| means[*a].total_cmp(&means[*b]);
        let origin = (0..n).min_by(central).unwrap_or(0);
        let others: Vec<usize> = (0..n).filter(|&i| i != origin).collect();
        let products = |i: usize, j: usize| {
            let (i, j) = (others[i], others[j]);
            let far = distances.entry(i, origin) + distances.entry(j, origin);
            0.5 * (far - distances.entry(i, j))
        };
        ln_determinant(DMatrix::from_fn(n - 1, n - 1, products)).map(|ln| ln - (n as f64).ln())
    } else {
        Factor::of(distances)
            .filter(|factor| factor.rank() == d)
            .and_then(|factor| ln_determinant(factor.0.tr_mul(&factor.0)))
    };
    ln.map_or(
        Reading::Undefined(Reason::Degenerate("linearly dependent snapshots")),
        |ln| Reading::Ready(ln - d.min(n - 1) as f64 * dof.ln()),
    )
}

/// ln det of a symmetric matrix; `None` where it is singular to rounding or not positive.
fn ln_determinant(matrix: DMatrix<f64>) -> Option<f64> {
    let largest = matrix.diagonal().max();
    let cholesky = Cholesky::new(matrix)?;
    let pivots = cholesky.l_dirty().diagonal();
    pivots
        .iter()
        .all(|x| x * x > RANK_TOLERANCE * largest)
        .then(|| cholesky.ln_determinant())
}

/// What Ledoit and Wolf make of a sample covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Shrinkage {
    /// Weight ρ of the sphere, between 0 and 1.
    pub weight: f64,
    /// Variance m of the sphere: the mean of the sample variances (denominator N).
    pub variance: f64,
}

/// The Ledoit-Wolf weight of a cloud.
///
/// With S the covariance of denominator N, p parameters and x the centred snapshots:
///
/// <!-- math
/// m = \frac{\operatorname{tr} S}{p}, \quad \delta^2 = \frac{|S|_F^2}{p} - m^2, \quad
/// \beta^2 = \min\Bigl(\delta^2, \frac{\overline{|x|^4} - |S|_F^2}{N p}\Bigr), \quad
/// \rho = \frac{\beta^2}{\delta^2} .
/// -->
#[doc = include_str!("../math/entropy_gaussian_3.html")]
///
/// ```
/// use thermograd::entropy::{Points, ledoit_wolf_shrinkage};
/// // ±(2, 0) and ±(0, 1): S = diag(2, 1/2), m = 5/4, δ² = 17/8 − 25/16 = 9/16,
/// // β² = (17/2 − 17/4)/8 = 17/32, ρ = 17/18.
/// let points = Points::new(vec![2., 0., -2., 0., 0., 1., 0., -1.], 2)?;
/// let shrinkage = ledoit_wolf_shrinkage(&points.distances()?);
/// let shrinkage = shrinkage.ready().unwrap();
/// assert!((shrinkage.variance - 1.25).abs() < 1e-15);
/// assert!((shrinkage.weight - 17.0 / 18.0).abs() < 1e-14);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ledoit_wolf_shrinkage(distances: &Distances<'_>) -> Reading<Shrinkage> {
    if distances.len() < 2 {
        return Reading::Pending {
            seen: distances.len() as u64,
            needed: 2,
        };
    }
    if let Some(reason) = unusable(distances.row_means().1) {
        return Reading::Undefined(reason);
    }
    let scatter = Scatter::of_gram(distances.centred(), distances.len());
    shrinkage(&scatter, distances.dimension()).map_or(
        Reading::Undefined(Reason::Degenerate("all snapshots are equal")),
        Reading::Ready,
    )
}

/// The centred cloud as far as determinants know it: any matrix with the non-zero eigenvalues of the
/// centred Gram matrix, the smaller the better.
struct Scatter {
    /// Squared distances of the snapshots from their mean.
    diagonal: Vec<f64>,
    matrix: DMatrix<f64>,
}

impl Scatter {
    fn of_gram(gram: Vec<f64>, n: usize) -> Self {
        Self {
            diagonal: gram.iter().step_by(n + 1).copied().collect(),
            matrix: DMatrix::from_vec(n, n, gram),
        }
    }

    fn len(&self) -> usize {
        self.diagonal.len()
    }

    /// ln det(I + s K).
    fn ln_det_one_plus(&self, scale: f64) -> Option<f64> {
        let mut matrix = &self.matrix * scale;
        for i in 0..matrix.nrows() {
            matrix[(i, i)] += 1.0;
        }
        let ln_det = Cholesky::new(matrix)?.ln_determinant();
        ln_det.is_finite().then_some(ln_det)
    }
}

fn shrinkage(scatter: &Scatter, dimension: usize) -> Option<Shrinkage> {
    let (count, p) = (scatter.len() as f64, dimension as f64);
    let trace = scatter.diagonal.iter().sum::<f64>() / count;
    let fourth = scatter.diagonal.iter().map(|k| k * k).sum::<f64>() / count;
    let frobenius = scatter.matrix.norm_squared() / (count * count);
    let mean = trace / p;
    if mean <= 0.0 || mean.is_nan() {
        return None;
    }
    let delta = (frobenius / p - mean * mean).max(0.0);
    let beta = ((fourth - frobenius) / (count * p)).clamp(0.0, delta);
    let weight = if delta > 0.0 { beta / delta } else { 0.0 };
    Some(Shrinkage {
        weight,
        variance: mean,
    })
}

/// Gaussian entropy of the shrunk covariance, ½ ln det(2πe[(1 − ρ) S + ρ m I]), in nats.
///
/// Finite for any N ≥ 3. For differences only: where N is not much larger than d, most of the value
/// is the variance ρ m guessed for directions that the sample has hardly seen.
///
/// ```
/// use thermograd::entropy::{Points, Sampling, ledoit_wolf};
/// // From the example above: (1 − ρ) S + ρ m = diag(2/18, 1/36) + 85/72 = diag(93, 87)/72.
/// let points = Points::new(vec![2., 0., -2., 0., 0., 1., 0., -1.], 2)?;
/// let s = ledoit_wolf(&points.distances()?, Sampling::Independent);
/// let expected = 2.837_877_066_409_345 + 0.5 * (93.0 * 87.0 / 5184.0_f64).ln();
/// assert!((s.ready().unwrap().entropy.value - expected).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ledoit_wolf(distances: &Distances<'_>, sampling: Sampling) -> Reading<EntropyEstimate> {
    determinant(distances, sampling, Estimator::LedoitWolf, |scatter, p| {
        let Shrinkage { weight, variance } = shrinkage(scatter, p)?;
        let (n, p) = (scatter.len() as f64, p as f64);
        let floor = weight * variance;
        if floor > 0.0 {
            let ln_det = scatter.ln_det_one_plus((1.0 - weight) / (floor * n))?;
            Some(0.5 * (p * (LN_TWO_PI_E + floor.ln()) + ln_det))
        } else {
            // An exactly spherical sample is its own target.
            let spread = scatter.matrix.norm_squared() / (n * n) / p;
            (spread <= variance * variance * (1.0 + 1e-12))
                .then(|| 0.5 * p * (LN_TWO_PI_E + variance.ln()))
        }
    })
}

/// Entropy against a resolution, ½ Σ ln(1 + 2πe `λ_i/δ²`), in nats; `λ_i` the unbiased sample variances.
///
/// Never negative. For δ far below every deviation it is the Gaussian entropy plus d ln(1/δ); a
/// direction whose deviation is far below δ adds nothing.
///
/// ```
/// use thermograd::entropy::{Points, Sampling, resolution_limited};
/// // Points −1, 0, 1 have variance 1; at δ² = 2πe the entropy is ½ ln 2.
/// let points = Points::new(vec![-1.0, 0.0, 1.0], 1)?;
/// let delta = 2.837_877_066_409_345_f64.exp().sqrt();
/// let s = resolution_limited(&points.distances()?, delta, Sampling::Independent)?;
/// assert!((s.ready().unwrap().entropy.value - 0.5 * 2_f64.ln()).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a resolution that is not positive and finite.
pub fn resolution_limited(
    distances: &Distances<'_>,
    resolution: f64,
    sampling: Sampling,
) -> Result<Reading<EntropyEstimate>, Error> {
    // The square must be a normal number as well.
    if !(resolution > 1e-150 && resolution < 1e150) {
        return Err(Error::OutOfRange {
            what: "resolution",
            value: resolution,
            allowed: "a positive length between 1e-150 and 1e150",
        });
    }
    let estimator = Estimator::ResolutionLimited { resolution };
    Ok(determinant(distances, sampling, estimator, |scatter, _| {
        let unit = LN_TWO_PI_E.exp() / (resolution * resolution);
        let ln_det = scatter.ln_det_one_plus(unit / (scatter.len() as f64 - 1.0))?;
        Some(0.5 * ln_det)
    }))
}

/// An entropy that is a function of the centred Gram matrix, with a jackknife over blocks.
fn determinant(
    distances: &Distances<'_>,
    sampling: Sampling,
    estimator: Estimator,
    entropy: impl Fn(&Scatter, usize) -> Option<f64>,
) -> Reading<EntropyEstimate> {
    /// Each block costs a factorisation.
    const MOST_BLOCKS: usize = 10;
    let mut context = match Context::of(distances, sampling == Sampling::Independent) {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Reading::Pending { seen, needed },
        Reading::Undefined(reason) => return Reading::Undefined(reason),
    };
    let p = distances.dimension();
    // With fewer parameters than snapshots, the cloud itself is the smaller description.
    let factor = (p < distances.len())
        .then(|| Factor::of(distances))
        .flatten();
    context.blocks = context.blocks.min(MOST_BLOCKS);
    let of = |kept: Option<(usize, usize)>| -> Option<f64> {
        let n = distances.len();
        let kept: Vec<usize> = match kept {
            None => (0..n).collect(),
            Some((start, end)) => (0..start).chain(end..n).collect(),
        };
        let scatter = match &factor {
            Some(factor) => factor.scatter(&kept),
            None if kept.len() == n => Scatter::of_gram(distances.centred(), n),
            None => Scatter::of_gram(distances.select(&kept).centred(), kept.len()),
        };
        entropy(&scatter, p)
    };
    let Some(value) = of(None) else {
        return Reading::Undefined(Reason::Degenerate("a singular covariance"));
    };
    let without: Option<Vec<f64>> = (0..context.blocks)
        .map(|b| of(Some(context.block(b))))
        .collect();
    let Some(without) = without else {
        return Reading::Undefined(Reason::Degenerate(
            "snapshots that are equal outside one block",
        ));
    };
    context.caveats.insert(
        0,
        if estimator == Estimator::LedoitWolf {
            Caveat::Shrunk
        } else {
            Caveat::Resolution
        },
    );
    if context.g > 1.5 {
        context.caveats.push(Caveat::Correlated);
    }
    let std_error = Context::jackknife(&without);
    Reading::Ready(context.estimate(estimator, None, value, std_error))
}

/// Coordinates of the centred cloud in as many dimensions as it has: one row a snapshot.
struct Factor(DMatrix<f64>);

impl Factor {
    /// Pivoted Cholesky factorisation of the centred Gram matrix, which is never formed.
    fn of(distances: &Distances<'_>) -> Option<Self> {
        let n = distances.len();
        let (means, grand) = distances.row_means();
        let mut residual: Vec<f64> = means.iter().map(|mean| mean - 0.5 * grand).collect();
        let largest = residual.iter().fold(0.0_f64, |m, &x| m.max(x));
        if largest <= 0.0 {
            return None;
        }
        let most = distances.dimension().min(n.saturating_sub(1));
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(most);
        for _ in 0..most {
            let (pivot, &height) = residual
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(b.1))?;
            if height <= RANK_TOLERANCE * largest {
                break;
            }
            let root = height.sqrt();
            let (old, new) = distances.row(pivot);
            let own = means[pivot] - grand;
            let mut column: Vec<f64> = old
                .iter()
                .chain(new)
                .zip(&means)
                .map(|(d, mean)| -0.5 * (d - own - mean))
                .collect();
            for earlier in &columns {
                let weight = earlier[pivot];
                for (x, e) in column.iter_mut().zip(earlier) {
                    *x -= weight * e;
                }
            }
            for (x, left) in column.iter_mut().zip(&mut residual) {
                *x /= root;
                *left = (*left - *x * *x).max(0.0);
            }
            residual[pivot] = 0.0;
            columns.push(column);
        }
        let flat: Vec<f64> = columns.concat();
        Some(Self(DMatrix::from_vec(n, columns.len(), flat)))
    }

    fn rank(&self) -> usize {
        self.0.ncols()
    }

    /// Scatter of some of the snapshots about their own mean.
    fn scatter(&self, kept: &[usize]) -> Scatter {
        let mut rows = self.0.select_rows(kept);
        let mean = rows.row_mean();
        for mut row in rows.row_iter_mut() {
            row -= &mean;
        }
        Scatter {
            diagonal: rows.row_iter().map(|row| row.norm_squared()).collect(),
            matrix: rows.tr_mul(&rows),
        }
    }
}

/// ψ′(x) for x > 0: upward recurrence to where the asymptotic series holds.
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 12.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series =
        1.0 / 6.0 - y * (1.0 / 30.0 - y * (1.0 / 42.0 - y * (1.0 / 30.0 - y * 5.0 / 66.0)));
    sum + 1.0 / x + 0.5 * y + y / x * series
}

impl Points {
    /// Each coordinate divided by its deviation, with Σ ln deviation; `None` where one is zero.
    pub(super) fn standardized(&self) -> Option<(Self, f64)> {
        let (d, n) = (self.dimension(), self.len());
        if n < 2 {
            return None;
        }
        let mean = self.mean();
        let mut squares = vec![0.0; d];
        for row in self.iter() {
            for ((s, x), m) in squares.iter_mut().zip(row).zip(&mean) {
                *s += (x - m) * (x - m);
            }
        }
        let deviations: Vec<f64> = squares
            .iter()
            .map(|s| (s / (n - 1) as f64).sqrt())
            .collect();
        if deviations
            .iter()
            .zip(&mean)
            .any(|(&s, m)| s <= 1e-14 * m.abs())
        {
            return None;
        }
        let rows = self
            .iter()
            .flat_map(|row| {
                let scaled = row.iter().zip(&mean).zip(&deviations);
                scaled.map(|((x, m), s)| (x - m) / s)
            })
            .collect();
        let ln_scale = deviations.iter().map(|s| s.ln()).sum();
        Some((Self::new(rows, d).ok()?, ln_scale))
    }

    /// The cloud with covariance divided out, with ½ ln det of it; `None` where it is singular.
    pub(super) fn whitened(&self) -> Option<(Self, f64)> {
        let (scaled, ln_scale) = self.standardized()?;
        let (d, n) = (self.dimension(), self.len());
        if n <= d {
            return None;
        }
        let mut columns = DMatrix::from_column_slice(d, n, scaled.as_flat());
        let correlation = (&columns * columns.transpose()) / (n - 1) as f64;
        let cholesky = Cholesky::new(correlation)?;
        let factor = cholesky.l_dirty();
        // Of unit diagonal, so that a pivot is a part of one.
        if factor.diagonal().iter().any(|x| x * x <= RANK_TOLERANCE) {
            return None;
        }
        factor
            .solve_lower_triangular_mut(&mut columns)
            .then_some(())?;
        let ln_det = 0.5 * cholesky.ln_determinant();
        let white = Self::new(columns.as_slice().to_vec(), d).ok()?;
        Some((white, ln_scale + ln_det))
    }

    fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dimension()];
        for row in self.iter() {
            for (m, x) in mean.iter_mut().zip(row) {
                *m += x;
            }
        }
        for m in &mut mean {
            *m /= self.len() as f64;
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::trigamma;

    #[test]
    fn trigamma_at_known_points() {
        let sixth = std::f64::consts::PI.powi(2) / 6.0;
        assert!((trigamma(1.0) - sixth).abs() < 1e-14);
        assert!((trigamma(0.5) - 3.0 * sixth).abs() < 1e-13);
        assert!((trigamma(20.0) - 0.051_270_822_935_203_12).abs() < 1e-15);
    }
}
