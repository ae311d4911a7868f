//! How many dimensions a cloud fills, and how many of its snapshots are independent.
//!
//! Autocorrelation. The scalar product of centred snapshots τ apart, averaged over the trajectory,
//! is the autocovariance of all coordinates summed; its ratio to lag 0 integrates to
//!
//! <!-- math
//! g = 1 + 2 \sum_{\tau \ge 1} (1 - \tau/N)\, \rho_\tau ,
//! -->
#![doc = include_str!("../math/entropy_spread_1.html")]
//!
//! cut by Geyer's initial monotone sequence (Statist. Sci. 7, 473 (1992)), and `N_eff` = N / g. It is
//! weighted by variance: a slow direction of small variance can hide behind fast large ones. A window
//! shorter than the slowest time shows about N/10 to N/4 for g, whatever the truth, which is why nothing
//! is estimated from fewer than twenty independent snapshots.
//!
//! Dimensions. The participation ratio of the covariance eigenvalues,
//!
//! <!-- math
//! \mathrm{PR} = \frac{(\operatorname{tr} C)^2}{\operatorname{tr} C^2} ,
//! -->
#![doc = include_str!("../math/entropy_spread_2.html")]
//!
//! is d for an isotropic cloud and 1 for a line. From a sample it never exceeds N − 1, and an
//! isotropic one reads (nd + 2)/(d + n + 1), n = N − 1. Both traces have unbiased estimators under a
//! Gaussian (Srivastava, J. Japan Statist. Soc. 35, 251 (2005)), whose ratio is the debiased PR. The
//! effective rank is exp of the spectral entropy (Roy and Vetterli, EUSIPCO 2007). The two-neighbour
//! dimension (Facco et al., Sci. Rep. 7, 12140 (2017)) is that of the manifold the points lie on,
//! however curved: it lies low for a cloud with edges, and lower the higher the dimension.

use nalgebra::DMatrix;

use super::distances::Distances;
use super::knn::{Neighbors, Searched};
use crate::{Error, Estimate, Reading, Reason};

/// Independent snapshots below which nothing is estimated at all.
pub(super) const LEAST_N_EFF: f64 = 20.0;

/// Size, memory and shape of a cloud, from its distances alone.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Spread {
    /// Snapshots N.
    pub snapshots: usize,
    /// Total variance tr C, unbiased (denominator N − 1).
    pub total_variance: f64,
    /// Autocorrelation time g ≥ 1, in snapshots.
    pub autocorrelation_time: f64,
    /// Participation ratio of the sample covariance: at most N − 1.
    pub participation_ratio: f64,
    /// The same freed of its bias, between 1 and d.
    pub debiased_participation_ratio: f64,
}

impl Spread {
    /// From the sums of K along its diagonals, by lag, and of the squares of its elements.
    pub(super) fn of_sums(
        n: usize,
        dimension: usize,
        squares: f64,
        lags: impl Iterator<Item = f64>,
    ) -> Self {
        let mut lags = lags.peekable();
        let dof = n.saturating_sub(1) as f64;
        let trace = lags.peek().copied().unwrap_or_default() / dof;
        let trace_of_square = squares / (dof * dof);
        let ratio = trace * trace / trace_of_square;
        let of_square = trace_of_square - trace * trace / dof;
        let of_trace = ((dof + 1.0) * trace * trace - 2.0 * trace_of_square) / dof;
        let most = dimension as f64;
        let debiased = if of_square > 0.0 {
            (of_trace / of_square).clamp(1.0, most.max(1.0))
        } else {
            most
        };
        Self {
            snapshots: n,
            total_variance: trace,
            autocorrelation_time: initial_monotone(n, lags),
            participation_ratio: ratio.max(1.0),
            debiased_participation_ratio: debiased,
        }
    }

    /// N / g.
    pub fn n_eff(&self) -> f64 {
        self.snapshots as f64 / self.autocorrelation_time
    }

    /// How many times sparser the snapshots should come for successive ones to be independent.
    pub fn thinning(&self) -> u64 {
        whole(self.autocorrelation_time)
    }
}

/// The whole number at or above x.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "x counts snapshots; a cast saturates"
)]
pub(super) fn whole(x: f64) -> u64 {
    x.ceil() as u64
}

/// Why a mean squared distance is none to work with; its square must be in the range of f64.
pub(super) fn unusable(mean_squared_distance: f64) -> Option<Reason> {
    if mean_squared_distance == 0.0 {
        Some(Reason::Degenerate("all snapshots are equal"))
    } else if (1e-140..=1e140).contains(&mean_squared_distance) {
        None
    } else {
        Some(Reason::Meaningless(
            "distances outside 1e-70 to 1e70: rescale the parameters",
        ))
    }
}

/// Size, memory and shape of a cloud of three or more snapshots.
///
/// ```
/// use thermograd::entropy::{Points, spread};
/// // The corners of a square of side 2: variance 4/3 in each of two directions.
/// let square = Points::new(vec![1., 1., -1., -1., 1., -1., -1., 1.], 2)?;
/// let spread = spread(&square.distances()?);
/// let spread = spread.ready().unwrap();
/// assert!((spread.total_variance - 8.0 / 3.0).abs() < 1e-12);
/// assert!((spread.participation_ratio - 2.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn spread(distances: &Distances<'_>) -> Reading<Spread> {
    let n = distances.len();
    if n < 3 {
        return Reading::Pending {
            seen: n as u64,
            needed: 3,
        };
    }
    let (means, grand) = distances.row_means();
    if let Some(reason) = unusable(grand) {
        return Reading::Undefined(reason);
    }
    let mut lags = vec![0.0; n];
    let mut squares = 0.0;
    let mut row = vec![0.0; n];
    for i in 0..n {
        let (old, new) = distances.row(i);
        let own = means[i] - grand;
        for ((k, d), mean) in row.iter_mut().zip(old.iter().chain(new)).zip(&means) {
            *k = -0.5 * (d - own - mean);
        }
        let mut sum = [0.0; 4];
        for (lag, &k) in lags.iter_mut().zip(&row[i..]) {
            *lag += k;
        }
        let (quads, rest) = row[i..].as_chunks::<4>();
        for quad in quads {
            for lane in 0..4 {
                sum[lane] += quad[lane] * quad[lane];
            }
        }
        // The diagonal counts once, all else twice.
        let own = row[i] * row[i];
        squares += 2.0 * (sum.iter().sum::<f64>() + rest.iter().map(|k| k * k).sum::<f64>()) - own;
    }
    Reading::Ready(Spread::of_sums(
        n,
        distances.dimension(),
        squares,
        lags.into_iter(),
    ))
}

/// g from autocovariances normalised by N, by Geyer's initial monotone sequence; between 1 and N.
fn initial_monotone(n: usize, mut covariances: impl Iterator<Item = f64>) -> f64 {
    let mut variance = None;
    let mut sum = 0.0;
    let mut last = f64::INFINITY;
    while let (Some(even), Some(odd)) = (covariances.next(), covariances.next()) {
        let gamma = (even + odd) / *variance.get_or_insert(even);
        if gamma.is_nan() || gamma <= 0.0 {
            break;
        }
        last = last.min(gamma);
        sum += last;
    }
    (2.0 * sum - 1.0).clamp(1.0, n.max(1) as f64)
}

/// Eigenvalues of the unbiased sample covariance, the min(d, N − 1) that can differ from zero, from
/// the largest down.
///
/// Takes about N³ operations. Eigenvalues below 10⁻¹² of the largest are rounding.
///
/// ```
/// use thermograd::entropy::{Points, covariance_spectrum};
/// // Variances 4/3·1 and 4/3·9 along the axes.
/// let points = Points::new(vec![1., 3., -1., -3., 1., -3., -1., 3.], 2)?;
/// let spectrum = covariance_spectrum(&points.distances()?);
/// let spectrum = spectrum.ready().unwrap();
/// assert!((spectrum[0] - 12.0).abs() < 1e-12 && (spectrum[1] - 4.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn covariance_spectrum(distances: &Distances<'_>) -> Reading<Vec<f64>> {
    let n = distances.len();
    if n < 2 {
        return Reading::Pending {
            seen: n as u64,
            needed: 2,
        };
    }
    if let Some(reason) = unusable(distances.row_means().1) {
        return Reading::Undefined(reason);
    }
    let gram = DMatrix::from_row_slice(n, n, &distances.centred());
    let mut values: Vec<f64> = gram.symmetric_eigenvalues().iter().copied().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values.truncate(distances.dimension().min(n - 1));
    for value in &mut values {
        *value = value.max(0.0) / (n - 1) as f64;
    }
    Reading::Ready(values)
}

/// Effective rank exp(−Σ p ln p), p the share of each covariance eigenvalue in the total variance.
///
/// Between 1 and the number of eigenvalues; naive, so at most N − 1. The participation ratio never
/// exceeds it.
///
/// ```
/// use thermograd::entropy::effective_rank;
/// assert!((effective_rank(&[2.0, 2.0, 2.0])?.ready().unwrap() - 3.0).abs() < 1e-12);
/// assert_eq!(effective_rank(&[5.0, 0.0])?.ready(), Some(&1.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::NonFinite`]; [`Error::OutOfRange`] for a negative eigenvalue.
pub fn effective_rank(eigenvalues: &[f64]) -> Result<Reading<f64>, Error> {
    Error::check_finite("eigenvalues", eigenvalues)?;
    if let Some(&value) = eigenvalues.iter().find(|&&x| x < 0.0) {
        return Err(Error::OutOfRange {
            what: "eigenvalue of a covariance",
            value,
            allowed: "zero or more",
        });
    }
    let largest = eigenvalues.iter().fold(0.0_f64, |m, &x| m.max(x));
    if largest == 0.0 {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "all snapshots are equal",
        )));
    }
    let total: f64 = eigenvalues.iter().map(|x| x / largest).sum();
    let entropy: f64 = eigenvalues
        .iter()
        .map(|x| x / largest / total)
        .filter(|&p| p > 0.0)
        .map(|p| -p * p.ln())
        .sum();
    Ok(Reading::Ready(entropy.exp()))
}

/// The two-neighbour intrinsic dimension (N − 1) / Σ ln(r₂/r₁), r₁ and r₂ the distances to the first
/// and second neighbour.
///
/// Dimensionless; standard error `m/√N_eff`. Undefined where snapshots are duplicated.
///
/// ```
/// use thermograd::{entropy::{Neighbors, Points, two_neighbor_dimension}, systems::Random};
/// // A plane in three dimensions.
/// let mut random = Random::new(1);
/// let plane: Vec<f64> = (0..500)
///     .flat_map(|_| {
///         let (x, y) = (random.normal(), random.normal());
///         [x, y, x + y]
///     })
///     .collect();
/// let dimension = two_neighbor_dimension(&Points::new(plane, 3)?.distances()?, Neighbors::new(1).independent())?;
/// let dimension = *dimension.ready().unwrap();
/// assert!((dimension.value - 2.0).abs() < 4.0 * dimension.std_error);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// As [`kozachenko_leonenko`](crate::entropy::kozachenko_leonenko).
pub fn two_neighbor_dimension(
    distances: &Distances<'_>,
    neighbors: Neighbors,
) -> Result<Reading, Error> {
    let neighbors = neighbors.with_k(2);
    let context = match neighbors.context(distances)? {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    let found = Searched::new(&context, neighbors, |i, row| distances.fill(i, row));
    let mut sum = 0.0;
    for row in found.all.rows() {
        match row {
            [first, second] if *first > 0.0 => sum += 0.5 * (second.ln() - first.ln()),
            _ => {
                return Ok(Reading::Undefined(Reason::Degenerate(
                    "duplicated snapshots",
                )));
            }
        }
    }
    if sum <= 0.0 {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "all neighbours are equally far",
        )));
    }
    let value = (context.n - 1) as f64 / sum;
    Ok(Reading::Ready(Estimate {
        value,
        std_error: value / context.n_eff.sqrt(),
        n_eff: context.n_eff,
    }))
}
