//! Entropy from nearest neighbours: a far neighbour means a thin density.
//!
//! In flat space (Kozachenko and Leonenko, Probl. Inf. Transm. 23, 95 (1987)), with `ε_k,i` the distance
//! from snapshot i to its k-th neighbour and `c_d` the volume of the unit ball,
//!
//! <!-- math
//! \hat h = \psi(N) - \psi(k) + \ln c_d + \frac{d}{N} \sum_i \ln \varepsilon_{k,i} .
//! -->
#![doc = include_str!("../math/entropy_knn_1.html")]
//!
//! On a sphere the ball becomes a geodesic cap of area A(θ),
//!
//! <!-- math
//! \hat h = \psi(N) - \psi(k) + \frac1N \sum_i \ln A(\theta_{k,i}) .
//! -->
#![doc = include_str!("../math/entropy_knn_2.html")]
//!
//! The mass of the ball out to the k-th of N − 1 neighbours has E ln mass = ψ(k) − ψ(N) whatever the
//! density; the only error is to take the density in the ball for constant. On the uniform sphere it
//! is, so the cap estimator has no bias there at any N and k. Elsewhere the bias is large as soon as
//! the ball is: on an isotropic Gaussian with N = 1000, k = 1, it is −0.010, +0.080, +0.178 nats *per
//! dimension* for d = 10, 30, 100, tending to (ln 2)/2 when all distances are equal.
//!
//! What survives in high dimension are exact laws: h(cX) = h(X) + d ln c, invariance under rotation
//! and translation (of the isotropic metric), and hence differences between clouds of one shape.
//!
//! Neighbours in time are neighbours in space: on an autoregression of d = 3 with truth 4.26 nats and
//! N = 1000 the estimate is 4.17, 4.04, 2.29, −0.88 for ρ = 0, .9, .99, .999. Exclude them
//! ([`Neighbors::exclude_lags`], after Theiler, Phys. Rev. A 34, 2427 (1986)) or thin the window.
//!
//! Two published estimators are here to compare with, under their own names: neighbours among
//! hyperspherical angles (arXiv 2511.07308) and the length of the neighbour graph (arXiv 2505.23489).

use statrs::function::gamma::digamma;

use super::distances::{Distances, Points};
use super::estimate::{
    Caveat, EntropyEstimate, Estimator, LEAST_INDEPENDENT, LEAST_PER_DIMENSION, Scaling, Validity,
};
use super::sphere::ln_ball;
use super::spread::{LEAST_N_EFF, Spread, spread, whole};
use super::tracker::{Among, Ring, Space, Tracker, Volumes};
use crate::{Error, Estimate, Reading, Reason};

/// Blocks of a trajectory for the error bar.
const MOST_BLOCKS: usize = 20;
/// Blocks below which their scatter is too uncertain to be an error bar.
const LEAST_BLOCKS: usize = 5;

/// Which neighbours count.
///
/// ```
/// use thermograd::entropy::Neighbors;
/// // The fourth neighbour, but none within 20 snapshots in time.
/// let neighbors = Neighbors::new(4).exclude_lags(20);
/// # let _ = neighbors;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Neighbors {
    k: usize,
    excluded: usize,
    independent: bool,
}

impl Default for Neighbors {
    /// The fourth neighbour: a fifth of the variance of the first, for little bias.
    fn default() -> Self {
        Self::new(4)
    }
}

impl Neighbors {
    /// The `k`-th nearest neighbour.
    pub const fn new(k: usize) -> Self {
        Self {
            k,
            excluded: 0,
            independent: false,
        }
    }

    /// Passes over neighbours that are this near in time, in snapshots: the autocorrelation time.
    #[must_use]
    pub const fn exclude_lags(mut self, snapshots: usize) -> Self {
        self.excluded = snapshots;
        self
    }

    /// Declares the snapshots independent: no autocorrelation is looked for.
    #[must_use]
    pub const fn independent(mut self) -> Self {
        self.independent = true;
        self
    }

    /// Which neighbour.
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Neighbours that are this near in time are passed over.
    pub(super) const fn excluded(&self) -> usize {
        self.excluded
    }

    pub(super) const fn is_independent(&self) -> bool {
        self.independent
    }

    pub(super) const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// What every estimator must know first: are there enough snapshots, and what is their spread?
    pub(super) fn context(self, distances: &Distances<'_>) -> Result<Reading<Context>, Error> {
        self.context_of(distances, || spread(distances))
    }

    /// The same with the spread that has been found already.
    fn context_of(
        self,
        distances: &Distances<'_>,
        spread: impl FnOnce() -> Reading<Spread>,
    ) -> Result<Reading<Context>, Error> {
        if self.k == 0 {
            return Err(Error::OutOfRange {
                what: "number k of the neighbour",
                value: 0.0,
                allowed: "1 for the nearest, 4 by default",
            });
        }
        let n = distances.len();
        // Every snapshot must keep a k-th neighbour when a block is left out.
        let reach = self.excluded.saturating_mul(2).saturating_add(1);
        let needed = self.k.saturating_add(reach).saturating_add(1).max(3);
        let short = |needed: u64| {
            Ok(Reading::Pending {
                seen: n as u64,
                needed,
            })
        };
        let mut context = match Context::with(distances, self.independent, spread()) {
            Reading::Ready(context) => context,
            Reading::Pending { needed: more, .. } => return short(more.max(needed as u64)),
            Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
        };
        if n < needed {
            return short(needed as u64);
        }
        if context.g > 1.5 && self.excluded as f64 + 1.0 < context.g {
            context.caveats.push(Caveat::Correlated);
        }
        Ok(Reading::Ready(context))
    }
}

/// Facts about a cloud that go into every estimate of its entropy.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) n: usize,
    pub(super) dimension: usize,
    pub(super) g: f64,
    pub(super) n_eff: f64,
    pub(super) effective_dimension: f64,
    pub(super) blocks: usize,
    pub(super) caveats: Vec<Caveat>,
}

impl Context {
    pub(super) fn of(distances: &Distances<'_>, independent: bool) -> Reading<Self> {
        Self::with(distances, independent, spread(distances))
    }

    fn with(
        distances: &Distances<'_>,
        independent: bool,
        spread: Reading<Spread>,
    ) -> Reading<Self> {
        let spread = match spread {
            Reading::Ready(spread) => spread,
            Reading::Pending { seen, needed } => return Reading::Pending { seen, needed },
            Reading::Undefined(reason) => return Reading::Undefined(reason),
        };
        let n = distances.len();
        let g = if independent {
            1.0
        } else {
            spread.autocorrelation_time
        };
        let n_eff = n as f64 / g;
        if !independent && n_eff < LEAST_N_EFF {
            return Reading::Pending {
                seen: n as u64,
                needed: whole(LEAST_N_EFF * g),
            };
        }
        let mut caveats = Vec::new();
        if n_eff < LEAST_INDEPENDENT {
            caveats.push(Caveat::FewIndependent);
        }
        let effective_dimension = spread.debiased_participation_ratio;
        if n_eff < LEAST_PER_DIMENSION * effective_dimension {
            caveats.push(Caveat::FewPerDimension);
        }
        if distances.projected().is_some() {
            caveats.push(Caveat::Projected);
        }
        let blocks = Self::blocks_for(n, n_eff);
        Reading::Ready(Self {
            n,
            dimension: distances.dimension(),
            g,
            n_eff,
            effective_dimension,
            blocks,
            caveats,
        })
    }

    /// Blocks of four autocorrelation times where there is room for it.
    pub(super) fn blocks_for(n: usize, n_eff: f64) -> usize {
        usize::try_from(whole(n_eff / 4.0))
            .unwrap_or(MOST_BLOCKS)
            .clamp(LEAST_BLOCKS, MOST_BLOCKS)
            .min(n)
    }

    /// First and one-past-last snapshot of a block.
    pub(super) const fn block(&self, b: usize) -> (usize, usize) {
        (b * self.n / self.blocks, (b + 1) * self.n / self.blocks)
    }

    /// Delete-one-block jackknife error of a statistic given without each block in turn.
    pub(super) fn jackknife(values: &[f64]) -> f64 {
        let b = values.len() as f64;
        let mean = values.iter().sum::<f64>() / b;
        let sum: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        ((b - 1.0) / b * sum).sqrt()
    }

    pub(super) fn estimate(
        self,
        estimator: Estimator,
        neighbors: Option<usize>,
        value: f64,
        std_error: f64,
    ) -> EntropyEstimate {
        let refuses = |caveat: &Caveat| {
            !matches!(
                caveat,
                Caveat::Correlated
                    | Caveat::Duplicates
                    | Caveat::Parametric
                    | Caveat::CoordinateDependent
            )
        };
        let validity = if self.caveats.iter().any(refuses) {
            Validity::DifferenceOnly
        } else {
            Validity::Absolute
        };
        EntropyEstimate {
            entropy: Estimate {
                value,
                std_error,
                n_eff: self.n_eff,
            },
            estimator,
            snapshots: self.n,
            dimension: self.dimension,
            neighbors,
            autocorrelation_time: self.g,
            effective_dimension: self.effective_dimension,
            validity,
            caveats: self.caveats,
        }
    }
}

/// Inserts what of `row` is nearer than the last of `best`.
fn search(row: &[f64], best: &mut [f64]) {
    let Some(last) = best.len().checked_sub(1) else {
        return;
    };
    let mut limit = best[last];
    for &d in row {
        if d < limit {
            let at = best.partition_point(|&b| b <= d);
            best[at..].rotate_right(1);
            best[at] = d;
            limit = best[last];
        }
    }
}

/// Squared distances to the k nearest of some snapshots among themselves.
#[derive(Debug, Default)]
pub(super) struct Found {
    k: usize,
    members: Vec<usize>,
    candidates: Vec<usize>,
    squared: Vec<f64>,
}

impl Found {
    fn new(k: usize, members: usize) -> Self {
        Self {
            k,
            members: Vec::with_capacity(members),
            candidates: Vec::with_capacity(members),
            squared: Vec::with_capacity(members.saturating_mul(k)),
        }
    }

    /// Searches for the neighbours of snapshot i in the given ranges of its row, those outside
    /// `near` only.
    fn add(&mut self, i: usize, row: &[f64], ranges: &[(usize, usize)], near: (usize, usize)) {
        let start = self.squared.len();
        self.squared.resize(start + self.k, f64::INFINITY);
        let best = &mut self.squared[start..];
        let mut candidates = 0;
        for &(from, to) in ranges {
            for (lo, hi) in [(from, to.min(near.0)), (from.max(near.1), to)] {
                if lo < hi {
                    search(&row[lo..hi], best);
                    candidates += hi - lo;
                }
            }
        }
        self.members.push(i);
        self.candidates.push(candidates);
    }

    /// The k distances of each member, from the nearest on.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.squared.chunks_exact(self.k.max(1))
    }

    fn kth(&self) -> impl Iterator<Item = f64> {
        self.rows().filter_map(|row| row.last().copied())
    }

    /// Mean of ψ(candidates + 1) − ψ(k) + ln volume of the ball out to the k-th.
    fn entropy(&self, ln_volume: impl Fn(f64) -> f64) -> f64 {
        let balls = self.kth().zip(&self.candidates);
        mean_ln_mass(
            balls.map(|(squared, &candidates)| (candidates, ln_volume(squared))),
            self.members.len(),
            self.k,
        )
    }
}

/// How parts of a trajectory tell the error of the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scheme {
    /// Blocks on their own: N Var does not depend on N, so the mean over B blocks scatters as the
    /// whole does. A jackknife would overstate: to leave points out moves all their neighbours.
    Disjoint,
    /// All but one block, where blocks would be too short: a jackknife, up to 1.4 times too wide.
    LeftOut,
}

impl Scheme {
    /// The scheme for N snapshots, given how many blocks there is room for, and its number of them.
    pub(super) fn of(n: usize, blocks: usize, neighbors: Neighbors) -> (Self, usize) {
        // What a block needs at least for every member to have a k-th neighbour.
        let least = neighbors.k + 2 * neighbors.excluded + 2;
        let disjoint = blocks.min(n / (4 * least));
        if disjoint >= LEAST_BLOCKS {
            (Self::Disjoint, disjoint)
        } else {
            let room = n + 1 - least.min(n);
            (Self::LeftOut, blocks.max(n.div_ceil(room)).min(n))
        }
    }

    /// The error of the whole from a statistic of its parts.
    fn error(self, parts: &[f64]) -> f64 {
        match self {
            Self::LeftOut => Context::jackknife(parts),
            // s/√B, where the jackknife has s (B − 1)/√B; widened so that scores have unit spread
            // although s itself, from ν = B − 1 degrees of freedom, scatters.
            Self::Disjoint => {
                let nu = parts.len() as f64 - 1.0;
                Context::jackknife(parts) / nu * (nu / (nu - 2.0)).sqrt()
            }
        }
    }
}

/// Mean of ψ(candidates + 1) + ln volume of the ball out to the k-th, less ψ(k).
fn mean_ln_mass(balls: impl Iterator<Item = (usize, f64)>, members: usize, k: usize) -> f64 {
    let mut last = (usize::MAX, 0.0);
    let mut sum = 0.0;
    for (candidates, ln_volume) in balls {
        if candidates != last.0 {
            last = (candidates, digamma(candidates as f64 + 1.0));
        }
        sum += last.1 + ln_volume;
    }
    sum / members as f64 - digamma(k as f64)
}

/// Entropy with its error, where no k-th neighbour is at distance zero, and whether any is.
type Searching = (Option<(f64, f64)>, bool);

/// The neighbours that a window has followed, where an estimate can be made of them.
fn tracked<'a>(
    distances: &'a Distances<'_>,
    space: Space,
    neighbors: Neighbors,
) -> Option<(&'a Tracker, Ring<'a>)> {
    let found = distances.tracker(space, neighbors);
    found.filter(|(tracker, _)| tracker.blocks() > 0)
}

/// The entropy from neighbours that are searched for.
fn search_in(
    distances: &Distances<'_>,
    context: &Context,
    neighbors: Neighbors,
    space: Space,
) -> Searching {
    let found = Searched::new(context, neighbors, |i, row| distances.fill(i, row));
    let volumes = Volumes::new(space, distances.dimension());
    (
        found.entropy(|squared| volumes.ln(squared)),
        found.duplicates(),
    )
}

fn followed(tracker: &Tracker, ring: Ring<'_>, n: usize, neighbors: Neighbors) -> Searching {
    let (duplicates, joined) = tracker.coincide(ring);
    if joined {
        return (None, duplicates);
    }
    let w = neighbors.excluded;
    let of = |from: usize, to: usize, among| {
        let candidates = (from..to).map(|i| {
            let near = (i.saturating_sub(w).max(from), to.min(i + w + 1));
            (to - from) - (near.1 - near.0)
        });
        let balls = candidates.zip(tracker.ln_volumes(ring, (from, to), among));
        mean_ln_mass(balls, to - from, neighbors.k)
    };
    let blocks = tracker.blocks();
    let mut parts = [0.0; MOST_BLOCKS];
    let parts = &mut parts[..blocks.min(MOST_BLOCKS)];
    for (b, part) in parts.iter_mut().enumerate() {
        *part = of(b * n / blocks, (b + 1) * n / blocks, Among::Block);
    }
    let value = of(0, n, Among::All);
    (Some((value, Scheme::Disjoint.error(parts))), duplicates)
}

/// The neighbours of every snapshot, among all and among parts.
#[derive(Debug)]
pub(super) struct Searched {
    pub(super) all: Found,
    parts: Vec<Found>,
    scheme: Scheme,
}

impl Searched {
    /// `fill` writes row i of squared distances into an empty buffer.
    pub(super) fn new(
        context: &Context,
        neighbors: Neighbors,
        mut fill: impl FnMut(usize, &mut Vec<f64>),
    ) -> Self {
        let (n, k, w) = (context.n, neighbors.k, neighbors.excluded);
        let (scheme, blocks) = Scheme::of(n, context.blocks, neighbors);
        let bounds: Vec<(usize, usize)> = (0..blocks)
            .map(|b| (b * n / blocks, (b + 1) * n / blocks))
            .collect();
        let mut all = Found::new(k, n);
        let mut parts: Vec<Found> = bounds
            .iter()
            .map(|&(start, end)| match scheme {
                Scheme::Disjoint => Found::new(k, end - start),
                Scheme::LeftOut => Found::new(k, n - (end - start)),
            })
            .collect();
        let mut row = Vec::with_capacity(n);
        for i in 0..n {
            row.clear();
            fill(i, &mut row);
            let near = (i.saturating_sub(w), n.min(i + w + 1));
            all.add(i, &row, &[(0, n)], near);
            for (part, &(start, end)) in parts.iter_mut().zip(&bounds) {
                match (scheme, (start..end).contains(&i)) {
                    (Scheme::Disjoint, true) => part.add(i, &row, &[(start, end)], near),
                    (Scheme::LeftOut, false) => part.add(i, &row, &[(0, start), (end, n)], near),
                    _ => {}
                }
            }
        }
        Self { all, parts, scheme }
    }

    fn duplicates(&self) -> bool {
        self.all
            .rows()
            .any(|row| row.first().is_some_and(|&d| d <= 0.0))
    }

    /// A statistic of all, with its error from the parts.
    fn with_error(&self, statistic: impl Fn(&Found) -> f64) -> (f64, f64) {
        let parts: Vec<f64> = self.parts.iter().map(&statistic).collect();
        let error = self.scheme.error(&parts);
        (statistic(&self.all), error)
    }

    /// Entropy and its error; `None` where a k-th neighbour is at distance zero.
    fn entropy(&self, ln_volume: impl Fn(f64) -> f64) -> Option<(f64, f64)> {
        let apart = self.all.kth().all(|d| d > 0.0);
        apart.then(|| self.with_error(|found| found.entropy(&ln_volume)))
    }
}

/// Kozachenko-Leonenko entropy in the Euclidean metric, in nats.
///
/// Assumes independent snapshots of a density in d dimensions that is smooth on the scale of the
/// k-th neighbour's distance. Needs k + 2 snapshots, more where lags are excluded.
///
/// ```
/// use thermograd::entropy::{Neighbors, Points, kozachenko_leonenko};
/// // Four points at 0, 1, 3, 7: nearest distances 1, 1, 2, 4; h = ψ(4) − ψ(1) + ln 2 + mean ln ε,
/// // where ψ(4) − ψ(1) = 1 + 1/2 + 1/3.
/// let points = Points::new(vec![0.0, 1.0, 3.0, 7.0], 1)?;
/// let h = kozachenko_leonenko(&points.distances()?, Neighbors::new(1).independent())?;
/// let expected = 11.0 / 6.0 + 2_f64.ln() + 8_f64.ln() / 4.0;
/// assert!((h.ready().unwrap().entropy.value - expected).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for k = 0.
pub fn kozachenko_leonenko(
    distances: &Distances<'_>,
    neighbors: Neighbors,
) -> Result<Reading<EntropyEstimate>, Error> {
    flat(distances, neighbors, Scaling::Isotropic, 0.0)
}

/// Kozachenko-Leonenko entropy in another metric: h of the rescaled cloud plus the log of the scale.
///
/// Dividing each coordinate by its deviation, or the cloud by the root of its covariance, leaves the
/// truth unchanged and makes balls fit the density better. The price is invariance: only the
/// covariance metric is unaffected by rotations.
///
/// ```
/// use thermograd::entropy::{Neighbors, Points, Scaling, kozachenko_leonenko_scaled};
/// // In one dimension no scaling can matter.
/// let points = Points::new(vec![0.0, 1.0, 3.0, 7.0], 1)?;
/// let nearest = Neighbors::new(1).independent();
/// let h = |scaling| kozachenko_leonenko_scaled(&points, scaling, nearest)
///     .map(|h| h.ready().unwrap().entropy.value);
/// assert!((h(Scaling::PerCoordinate)? - h(Scaling::Isotropic)?).abs() < 1e-12);
/// assert!((h(Scaling::Covariance)? - h(Scaling::Isotropic)?).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for k = 0 or a cloud whose matrix of distances would exceed 4 GiB.
pub fn kozachenko_leonenko_scaled(
    points: &Points,
    scaling: Scaling,
    neighbors: Neighbors,
) -> Result<Reading<EntropyEstimate>, Error> {
    let (scaled, ln_scale) = match scaling {
        Scaling::Isotropic => return kozachenko_leonenko(&points.distances()?, neighbors),
        Scaling::PerCoordinate => match points.standardized() {
            Some(scaled) => scaled,
            None => {
                return Ok(degenerate_or_pending(
                    points,
                    2,
                    "a coordinate that never changes",
                ));
            }
        },
        Scaling::Covariance => match points.whitened() {
            Some(scaled) => scaled,
            None => {
                return Ok(degenerate_or_pending(
                    points,
                    points.dimension().saturating_add(2),
                    "a singular covariance",
                ));
            }
        },
    };
    let mut reading = flat(&scaled.distances()?, neighbors, scaling, ln_scale)?;
    // The effective dimension is that of the cloud itself, not of the rescaled one.
    if let (Reading::Ready(estimate), Reading::Ready(spread)) =
        (&mut reading, spread(&points.distances()?))
    {
        estimate.effective_dimension = spread.debiased_participation_ratio;
    }
    Ok(reading)
}

fn degenerate_or_pending(
    points: &Points,
    needed: usize,
    what: &'static str,
) -> Reading<EntropyEstimate> {
    if points.len() < needed {
        Reading::Pending {
            seen: points.len() as u64,
            needed: needed as u64,
        }
    } else {
        Reading::Undefined(Reason::Degenerate(what))
    }
}

fn flat(
    distances: &Distances<'_>,
    neighbors: Neighbors,
    scaling: Scaling,
    ln_scale: f64,
) -> Result<Reading<EntropyEstimate>, Error> {
    let tracked = tracked(distances, Space::Parameters, neighbors);
    let context = match tracked {
        Some((tracker, _)) => neighbors.context_of(distances, || tracker.spread())?,
        None => neighbors.context(distances)?,
    };
    let mut context = match context {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    let (entropy, duplicates) = match tracked {
        Some((tracker, ring)) => followed(tracker, ring, context.n, neighbors),
        None => search_in(distances, &context, neighbors, Space::Parameters),
    };
    let Some((value, std_error)) = entropy else {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "duplicated snapshots",
        )));
    };
    context.neighbor_caveats(duplicates);
    if scaling == Scaling::PerCoordinate {
        context.caveats.push(Caveat::CoordinateDependent);
    }
    Ok(Reading::Ready(context.estimate(
        Estimator::KozachenkoLeonenko(scaling),
        Some(neighbors.k),
        value + ln_scale,
        std_error,
    )))
}

impl Context {
    fn neighbor_caveats(&mut self, duplicates: bool) {
        if self.n_eff.ln() < 0.5 * self.effective_dimension {
            self.caveats.push(Caveat::HighDimension);
        }
        if duplicates {
            self.caveats.push(Caveat::Duplicates);
        }
    }
}

/// Entropy of the directions w/|w| on the unit sphere, by the areas of geodesic caps, in nats.
///
/// Exactly unbiased on the uniform sphere for every N and k. Never more than a sampling error above
/// [`ln_sphere_area`](crate::entropy::ln_sphere_area), the entropy of the uniform distribution.
///
/// ```
/// use thermograd::entropy::{Neighbors, Points, geodesic_cap};
/// // The corners of a square, at any radius: nearest neighbours are π/2 away, an arc of π. With
/// // ψ(4) − ψ(1) = 11/6 the estimate is 11/6 + ln π.
/// let square = Points::new(vec![1., 0., 0., 2., -3., 0., 0., -4.], 2)?;
/// let h = geodesic_cap(&square.distances()?, Neighbors::new(1).independent())?;
/// let expected = 11.0 / 6.0 + std::f64::consts::PI.ln();
/// assert!((h.ready().unwrap().entropy.value - expected).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for k = 0. A single parameter has no direction: that is undefined.
pub fn geodesic_cap(
    distances: &Distances<'_>,
    neighbors: Neighbors,
) -> Result<Reading<EntropyEstimate>, Error> {
    // Memory and dimension are those of the directions: a radius that moves hides both.
    let tracked = tracked(distances, Space::Directions, neighbors);
    let (directions, context) = match tracked {
        Some((tracker, _)) => (None, neighbors.context_of(distances, || tracker.spread())?),
        None => match distances.directions() {
            Reading::Ready(directions) => {
                let context = neighbors.context(&directions)?;
                (Some(directions), context)
            }
            Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
            Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
        },
    };
    let mut context = match context {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    let (entropy, duplicates) = match (tracked, &directions) {
        (Some((tracker, ring)), _) => followed(tracker, ring, context.n, neighbors),
        (None, Some(directions)) => search_in(directions, &context, neighbors, Space::Directions),
        (None, None) => (None, true),
    };
    let Some((value, std_error)) = entropy else {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "duplicated directions",
        )));
    };
    context.neighbor_caveats(duplicates);
    Ok(Reading::Ready(context.estimate(
        Estimator::GeodesicCap,
        Some(neighbors.k),
        value,
        std_error,
    )))
}

/// The entropy of arXiv 2511.07308 as its published code computes it: nearest neighbours among
/// hyperspherical angles, plus the mean log of their volume element. In nats, on the unit sphere.
///
/// For comparison with published numbers only. With φ the d − 1 angles of w,
///
/// <!-- math
/// \hat h = \ln(N-1) + \gamma + \ln c_{d-1} + \frac1N \sum_i \Bigl[ (d-1) \ln \varepsilon_i
/// + \sum_{m=1}^{d-2} (d-1-m) \ln \sin \varphi_{i,m} \Bigr] ,
/// -->
#[doc = include_str!("../math/entropy_knn_3.html")]
///
/// ε the Euclidean distance between angle vectors, with ε and the sines cut off below at 10⁻⁸. It
/// treats the last angle as a line although it is a circle, is not invariant under rotation, and on
/// the *uniform* sphere with N = 500 is off by +0.3, +4.7 and +33 nats for d = 10, 30 and 100, where
/// [`geodesic_cap`] has no bias.
///
/// ```
/// use thermograd::entropy::{Neighbors, Points, hyperspherical_angles};
/// // On the circle the one angle is atan2(y, x): here 0, π/2, −π/2, so that each is π/2 from its
/// // neighbour: ln 2 + γ + ln 2 + ln(π/2).
/// let points = Points::new(vec![1., 0., 0., 1., 0., -1.], 2)?;
/// let h = hyperspherical_angles(&points, Neighbors::new(1).independent())?;
/// let expected = 2.0 * 2_f64.ln() + 0.577_215_664_901_532_9 + std::f64::consts::FRAC_PI_2.ln();
/// assert!((h.ready().unwrap().entropy.value - expected).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for k other than 1, for a single parameter, or for more than 23170 points.
pub fn hyperspherical_angles(
    points: &Points,
    neighbors: Neighbors,
) -> Result<Reading<EntropyEstimate>, Error> {
    const FLOOR: f64 = 1e-8;
    super::sphere::check_dimension(points.dimension(), 2)?;
    if neighbors.k != 1 {
        return Err(Error::OutOfRange {
            what: "number k of the neighbour",
            value: neighbors.k as f64,
            allowed: "1: the published estimator knows no other",
        });
    }
    let distances = points.distances()?;
    let mut context = match neighbors.context(&distances)? {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    let angles_count = points.dimension() - 1;
    let mut angles = Vec::with_capacity(points.len() * angles_count);
    let mut volume = Vec::with_capacity(points.len());
    for row in points.iter() {
        let start = angles.len();
        append_angles(row, &mut angles);
        let bent = &angles[start..start + angles_count - 1];
        let ln_volume: f64 = bent
            .iter()
            .enumerate()
            .map(|(m, angle)| (angles_count - 1 - m) as f64 * angle.sin().max(FLOOR).ln())
            .sum();
        volume.push(ln_volume);
    }
    let angle_distances = Points::new(angles, angles_count)?.distances()?;
    let found = Searched::new(&context, neighbors, |i, row| angle_distances.fill(i, row));
    let dim = angles_count as f64;
    let (value, std_error) = found.with_error(|found| {
        let n = found.members.len() as f64;
        let sum: f64 = found
            .kth()
            .zip(&found.members)
            .map(|(squared, &i)| dim * squared.sqrt().max(FLOOR).ln() + volume[i])
            .sum();
        sum / n + ln_ball(dim) + (n - 1.0).ln() - digamma(1.0)
    });
    context.neighbor_caveats(found.duplicates());
    context.caveats.push(Caveat::CoordinateDependent);
    Ok(Reading::Ready(context.estimate(
        Estimator::HypersphericalAngles,
        Some(1),
        value,
        std_error,
    )))
}

/// `φ_m` = atan2(|w_{m+1..}|, `w_m`), and for the last two coordinates the signed angle.
fn append_angles(row: &[f64], angles: &mut Vec<f64>) {
    let d = row.len();
    let start = angles.len();
    let mut tail = 0.0;
    for m in (0..d - 1).rev() {
        tail += row[m + 1] * row[m + 1];
        angles.push(if m == d - 2 {
            row[m + 1].atan2(row[m])
        } else {
            tail.sqrt().atan2(row[m])
        });
    }
    angles[start..].reverse();
}

/// The neighbour graph whose length [`graph_length`] takes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GraphLength {
    /// Which neighbours are joined, and which passed over: edges go to the k nearest.
    pub neighbors: Neighbors,
    /// The power γ of the edge lengths, above 0 and below the dimension. Default 1.
    pub gamma: f64,
    /// The dimension in the formula; d where not given, d − 1 for weights on a sphere.
    pub dimension: Option<usize>,
}

impl GraphLength {
    /// Edges to the k nearest, γ = 1, all d dimensions.
    pub const fn new(neighbors: Neighbors) -> Self {
        Self {
            neighbors,
            gamma: 1.0,
            dimension: None,
        }
    }

    /// Another power of the edge lengths.
    #[must_use]
    pub const fn gamma(mut self, gamma: f64) -> Self {
        self.gamma = gamma;
        self
    }

    /// Another dimension.
    #[must_use]
    pub const fn dimension(mut self, dimension: usize) -> Self {
        self.dimension = Some(dimension);
        self
    }
}

/// The entropy of arXiv 2505.23489 from the length of the neighbour graph, in nats up to a constant:
///
/// <!-- math
/// H = \frac{d}{\gamma} \Bigl[ \ln L - \bigl(1 - \tfrac{\gamma}{d}\bigr) \ln N \Bigr], \qquad
/// L = \sum_i \sum_{j \in k\mathrm{NN}(i)} |w_i - w_j|^\gamma .
/// -->
#[doc = include_str!("../math/entropy_knn_4.html")]
///
/// It tends to the Rényi entropy of order (d − γ)/d plus a constant of d, γ and k that has no closed
/// form, so it is relative by construction; under w → cw it shifts by d ln c exactly.
///
/// ```
/// use thermograd::entropy::{GraphLength, Neighbors, Points, graph_length};
/// // Points 0, 1, 3 in the plane: edges 1, 1, 2, so L = 4 and H = 2 [ln 4 − ln 3 / 2].
/// let points = Points::new(vec![0., 0., 1., 0., 3., 0.], 2)?;
/// let graph = GraphLength::new(Neighbors::new(1).independent());
/// let h = graph_length(&points.distances()?, graph)?;
/// let expected = 2.0 * (4_f64.ln() - 3_f64.ln() / 2.0);
/// assert!((h.ready().unwrap().entropy.value - expected).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for k = 0, a dimension of 0, or γ outside (0, d).
pub fn graph_length(
    distances: &Distances<'_>,
    graph: GraphLength,
) -> Result<Reading<EntropyEstimate>, Error> {
    let dimension = graph.dimension.unwrap_or_else(|| distances.dimension());
    super::sphere::check_dimension(dimension.max(usize::from(distances.is_empty())), 1)?;
    let d = dimension as f64;
    let gamma = graph.gamma;
    if !(gamma > 0.0 && (gamma < d || distances.is_empty())) {
        return Err(Error::OutOfRange {
            what: "power gamma of the edge lengths",
            value: gamma,
            allowed: "a power above 0 and below the dimension",
        });
    }
    let neighbors = graph.neighbors;
    let mut context = match neighbors.context(distances)? {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    let found = Searched::new(&context, neighbors, |i, row| distances.fill(i, row));
    // A part can have length zero only if a member's every edge is: less than all, so look there.
    if found.all.kth().any(|squared| squared <= 0.0) {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "duplicated snapshots",
        )));
    }
    let (value, std_error) = found.with_error(|found| {
        // In logarithms: a power of a hundred thousand leaves the range of f64 at once.
        let edges = || {
            found
                .rows()
                .flatten()
                .map(|squared| 0.5 * gamma * squared.ln())
        };
        let largest = edges().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = edges().map(|ln| (ln - largest).exp()).sum();
        let ln_length = largest + sum.ln();
        d / gamma * (ln_length - (1.0 - gamma / d) * (found.members.len() as f64).ln())
    });
    if !(value.is_finite() && std_error.is_finite()) {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the power of the edge lengths is too small for f64",
        )));
    }
    context.neighbor_caveats(found.duplicates());
    context.caveats.insert(0, Caveat::Relative);
    Ok(Reading::Ready(context.estimate(
        Estimator::GraphLength { gamma },
        Some(neighbors.k),
        value,
        std_error,
    )))
}
