//! The matrix of squared distances between snapshots: all that most entropies need of a cloud.
//!
//! From the N × N matrix `D_ij` = |`w_i` − `w_j|²` follow every nearest neighbour, and, centred twice,
//!
//! <!-- math
//! K_{ij} = -\tfrac12 (D_{ij} - \bar D_{i} - \bar D_{j} + \bar D) = (w_i - \bar w) \cdot (w_j - \bar w) ,
//! -->
#![doc = include_str!("../math/entropy_distances_1.html")]
//!
//! the Gram matrix of the centred cloud (Torgerson, Psychometrika 17, 401 (1952)), whose non-zero
//! eigenvalues are those of the scatter matrix. So N² numbers stand for N × d, and
//!
//! * distances of disjoint sets of coordinates add: shards of a tensor [`merge`](Distances::merge);
//! * each entry is a sum of squared differences, which keeps a displacement of 10⁻⁴ on weights of
//!   norm 10 to all digits; products `w_i·w_j` would lose twelve of them;
//! * the autocorrelation of the whole trajectory is a mean over the diagonals of K.
//!
//! With the squared norms kept beside them, distances also give the chord between two *directions*,
//!
//! <!-- math
//! |\hat w_i - \hat w_j|^2 = \frac{D_{ij} - (r_i - r_j)^2}{r_i r_j} .
//! -->
#![doc = include_str!("../math/entropy_distances_2.html")]
//!
//! The radii `r_i` are roots of squared norms, both held in twice the working precision, and so is their
//! difference. It loses digits all the same where the radius moves far more than the direction: about as many as
//! (`r_i` − `r_j)²` exceeds the squared chord by.

use std::borrow::Cow;

use super::knn::Neighbors;
use super::rows::{Rows, each_against_earlier};
use super::tracker::{self, Radii, Space, Tracker};
use crate::{Error, Reading, Reason};

/// The most entries any matrix here may have: 2²⁹ f64, 4 GiB.
const MOST_ENTRIES: usize = 1 << 29;

/// A sum carried in twice the working precision (Knuth's exact addition).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Twofold {
    high: f64,
    low: f64,
}

impl Twofold {
    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        let sum = self.high + x;
        let part = sum - self.high;
        self.low += (self.high - (sum - part)) + (x - part);
        self.high = sum;
    }

    pub(super) fn value(self) -> f64 {
        self.high + self.low
    }

    pub(super) const fn new(high: f64, low: f64) -> Self {
        Self { high, low }
    }

    pub(super) const fn parts(self) -> (f64, f64) {
        (self.high, self.low)
    }

    /// The root of a sum, and what rounding took from it; zeros of what is not positive.
    pub(super) fn root(self) -> (f64, f64) {
        let root = self.value().max(0.0).sqrt();
        if root == 0.0 {
            return (0.0, 0.0);
        }
        // root² in two parts (Dekker), the factor being split into halves of 26 bits.
        let large = root * 134_217_729.0;
        let upper = large - (large - root);
        let lower = root - upper;
        let square = root * root;
        let missing = ((upper * upper - square) + 2.0 * upper * lower) + lower * lower;
        let left = ((self.high - square) - missing) + self.low;
        (root, left / (2.0 * root))
    }

    pub(super) fn plus(mut self, other: Self) -> Self {
        self.add(other.high);
        self.low += other.low;
        self
    }
}

/// Squared distances between N snapshots of d parameters, in the order of time.
///
/// Borrowed from a [`SnapshotWindow`](crate::entropy::SnapshotWindow), or owned after a merge, an import, or from
/// [`Points`].
///
/// ```
/// use thermograd::entropy::Points;
/// // A right triangle with legs 3 and 4.
/// let triangle = Points::new(vec![0.0, 0.0, 3.0, 0.0, 3.0, 4.0], 2)?;
/// let distances = triangle.distances()?;
/// assert_eq!(distances.squared(0, 2), Some(25.0));
/// assert_eq!(distances.squared(1, 2), Some(16.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Distances<'a> {
    matrix: Cow<'a, [f64]>,
    stride: usize,
    first: usize,
    slots: usize,
    len: usize,
    dimension: usize,
    norms: Option<Cow<'a, [Twofold]>>,
    steps: Cow<'a, [u64]>,
    projected: Option<usize>,
    tracked: Tracked<'a>,
}

/// The neighbours that a window has followed, if any: they are in the matrix too, so that they make
/// no difference between two.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tracked<'a>(pub(super) Option<&'a Tracker>);

impl PartialEq for Tracked<'_> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Where a window's snapshots lie in its matrix: `len` of `slots`, from `first` on and around.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    pub(super) first: usize,
    pub(super) slots: usize,
    pub(super) len: usize,
}

/// What a stored matrix of distances must be accompanied by.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Provenance {
    /// Number of parameters d behind the distances.
    pub dimension: usize,
    /// Training step of each snapshot, increasing.
    pub steps: Vec<u64>,
    /// |`w_i|²` of each snapshot; without it nothing is known of directions.
    pub squared_norms: Option<Vec<f64>>,
    /// Number of projected coordinates, where distances are those of a random projection.
    pub projected: Option<usize>,
}

impl Provenance {
    /// Distances between snapshots of `dimension` parameters taken at `steps`.
    pub const fn new(dimension: usize, steps: Vec<u64>) -> Self {
        Self {
            dimension,
            steps,
            squared_norms: None,
            projected: None,
        }
    }

    /// Adds the squared norms.
    #[must_use]
    pub fn squared_norms(mut self, norms: Vec<f64>) -> Self {
        self.squared_norms = Some(norms);
        self
    }

    /// Declares the distances to be those of a random projection to so many coordinates.
    #[must_use]
    pub const fn projected(mut self, coordinates: usize) -> Self {
        self.projected = Some(coordinates);
        self
    }
}

impl<'a> Distances<'a> {
    pub(super) fn of_ring(
        ring: Ring,
        matrix: &'a [f64],
        norms: &'a [Twofold],
        steps: &'a [u64],
        dimension: usize,
        projected: Option<usize>,
        tracked: Tracked<'a>,
    ) -> Self {
        Self {
            tracked,
            matrix: Cow::Borrowed(matrix),
            stride: ring.slots,
            first: ring.first,
            slots: ring.slots,
            len: ring.len,
            dimension,
            norms: Some(Cow::Borrowed(norms)),
            steps: Cow::Borrowed(steps),
            projected,
        }
    }

    /// Restores distances exported by [`to_flat`](Self::to_flat).
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] where the matrix is not N × N for N steps;
    /// [`Error::NonFinite`], and [`Error::Corrupt`] for entries that are negative, asymmetric or not
    /// zero on the diagonal, or for steps that do not increase.
    pub fn from_flat(
        matrix: Vec<f64>,
        provenance: Provenance,
    ) -> Result<Distances<'static>, Error> {
        let n = provenance.steps.len();
        let expected = n.saturating_mul(n);
        if matrix.len() != expected {
            return Err(Error::LengthMismatch {
                place: "flat matrix of distances".to_owned(),
                expected,
                found: matrix.len(),
            });
        }
        Error::check_finite("flat matrix of distances", &matrix)?;
        let corrupt = |place: String| Error::Corrupt {
            what: "matrix of distances",
            place,
        };
        for i in 0..n {
            for j in 0..=i {
                let (a, b) = (matrix[i * n + j], matrix[j * n + i]);
                if a != b || a < 0.0 || (i == j && a != 0.0) {
                    return Err(corrupt(format!("row {i}, column {j}")));
                }
            }
        }
        if provenance.steps.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(corrupt("steps, which must increase".to_owned()));
        }
        super::sphere::check_dimension(provenance.dimension, 1)?;
        let norms = match provenance.squared_norms {
            None => None,
            Some(norms) => {
                if norms.len() != n {
                    return Err(Error::LengthMismatch {
                        place: "squared norms".to_owned(),
                        expected: n,
                        found: norms.len(),
                    });
                }
                Error::check_finite("squared norms", &norms)?;
                if let Some(i) = norms.iter().position(|&x| x < 0.0) {
                    return Err(corrupt(format!("squared norm {i}")));
                }
                let twofold = |high| Twofold { high, low: 0.0 };
                Some(norms.into_iter().map(twofold).collect())
            }
        };
        Ok(Distances {
            matrix: Cow::Owned(matrix),
            stride: n,
            first: 0,
            slots: n,
            len: n,
            dimension: provenance.dimension,
            norms: norms.map(Cow::Owned),
            steps: Cow::Owned(provenance.steps),
            projected: provenance.projected,
            tracked: Tracked(None),
        })
    }

    /// The number of snapshots N.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no snapshot yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of parameters d behind each snapshot, before any projection.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The number of projected coordinates, where the distances are those of a projection.
    pub const fn projected(&self) -> Option<usize> {
        self.projected
    }

    /// |`w_i` − `w_j|²` of the i-th and j-th snapshot in time; `None` beyond the last.
    pub fn squared(&self, i: usize, j: usize) -> Option<f64> {
        (i < self.len && j < self.len).then(|| self.entry(i, j))
    }

    /// Training step of each snapshot, in order.
    pub fn steps(&self) -> Vec<u64> {
        (0..self.len).map(|i| self.steps[self.slot(i)]).collect()
    }

    /// |`w_i|²` of each snapshot, in order; `None` where they were never given.
    pub fn squared_norms(&self) -> Option<Vec<f64>> {
        let norms = self.norms.as_ref()?;
        Some((0..self.len).map(|i| norms[self.slot(i)].value()).collect())
    }

    /// The matrix row by row, N² numbers in the order of time: what another process needs to merge.
    pub fn to_flat(&self) -> Vec<f64> {
        let mut flat = Vec::with_capacity(self.len * self.len);
        for i in 0..self.len {
            let (old, new) = self.row(i);
            flat.extend_from_slice(old);
            flat.extend_from_slice(new);
        }
        flat
    }

    /// What [`from_flat`](Self::from_flat) needs beside the matrix.
    pub fn provenance(&self) -> Provenance {
        Provenance {
            dimension: self.dimension,
            steps: self.steps(),
            squared_norms: self.squared_norms(),
            projected: self.projected,
        }
    }

    /// A copy that borrows from nothing.
    pub fn into_owned(self) -> Distances<'static> {
        let matrix = self.to_flat();
        let norms = self.norms.as_ref().map(|norms| {
            (0..self.len)
                .map(|i| norms[self.slot(i)])
                .collect::<Vec<_>>()
        });
        Distances {
            matrix: Cow::Owned(matrix),
            stride: self.len,
            first: 0,
            slots: self.len,
            len: self.len,
            dimension: self.dimension,
            norms: norms.map(Cow::Owned),
            steps: Cow::Owned(self.steps()),
            projected: self.projected,
            tracked: Tracked(None),
        }
    }

    /// Distances over two disjoint sets of coordinates of the same snapshots: they add.
    ///
    /// ```
    /// use thermograd::entropy::Points;
    /// // Points (0, 0) and (3, 4), one coordinate at a time.
    /// let x = Points::new(vec![0.0, 3.0], 1)?.distances()?;
    /// let y = Points::new(vec![0.0, 4.0], 1)?.distances()?;
    /// let both = x.merge(&y)?;
    /// assert_eq!((both.dimension(), both.squared(0, 1)), (2, Some(25.0)));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] or [`Error::Conflict`] where the snapshots are not of the same steps.
    pub fn merge(self, other: &Distances<'_>) -> Result<Distances<'static>, Error> {
        if self.len != other.len {
            return Err(Error::LengthMismatch {
                place: "window to be merged".to_owned(),
                expected: self.len,
                found: other.len,
            });
        }
        if (0..self.len).any(|i| self.steps[self.slot(i)] != other.steps[other.slot(i)]) {
            return Err(Error::Conflict {
                what: "windows of different training steps cannot be merged",
                remedy: "record every shard at the same steps",
            });
        }
        let mut merged = self.into_owned();
        let n = merged.len;
        let matrix = merged.matrix.to_mut();
        for i in 0..n {
            let (old, new) = other.row(i);
            for (sum, &part) in matrix[i * n..].iter_mut().zip(old.iter().chain(new)) {
                *sum += part;
            }
        }
        merged.norms = match (merged.norms.take(), &other.norms) {
            (Some(ours), Some(theirs)) => Some(Cow::Owned(
                (0..n)
                    .map(|i| ours[i].plus(theirs[other.slot(i)]))
                    .collect(),
            )),
            _ => None,
        };
        merged.projected = match (merged.projected, other.projected) {
            (None, None) => None,
            (a, b) => Some(
                a.unwrap_or(merged.dimension)
                    .saturating_add(b.unwrap_or(other.dimension)),
            ),
        };
        merged.dimension = merged.dimension.saturating_add(other.dimension);
        Ok(merged)
    }

    /// Every `every`-th snapshot, counted back from the last: thinning after the fact.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for `every` = 0.
    pub fn thinned(&self, every: usize) -> Result<Distances<'static>, Error> {
        if every == 0 {
            return Err(Error::OutOfRange {
                what: "thinning",
                value: 0.0,
                allowed: "1 or more snapshots apart",
            });
        }
        let kept: Vec<usize> = (0..self.len)
            .filter(|i| (self.len - 1 - i).is_multiple_of(every))
            .collect();
        Ok(self.select(&kept))
    }

    /// The chosen snapshots only; `kept` must be in range and increasing.
    pub(super) fn select(&self, kept: &[usize]) -> Distances<'static> {
        let n = kept.len();
        let mut matrix = Vec::with_capacity(n * n);
        for &i in kept {
            matrix.extend(kept.iter().map(|&j| self.entry(i, j)));
        }
        Distances {
            matrix: Cow::Owned(matrix),
            stride: n,
            first: 0,
            slots: n,
            len: n,
            dimension: self.dimension,
            norms: self
                .norms
                .as_ref()
                .map(|norms| Cow::Owned(kept.iter().map(|&i| norms[self.slot(i)]).collect())),
            steps: Cow::Owned(kept.iter().map(|&i| self.steps[self.slot(i)]).collect()),
            projected: self.projected,
            tracked: Tracked(None),
        }
    }

    /// The neighbours, where just these have been followed.
    pub(super) fn tracker(
        &self,
        space: Space,
        neighbors: Neighbors,
    ) -> Option<(&Tracker, tracker::Ring<'_>)> {
        let tracker = self.tracked.0?;
        let ring = tracker::Ring {
            matrix: &self.matrix,
            norms: self.norms.as_deref()?,
            slots: self.slots,
            first: self.first,
            len: self.len,
            dimension: self.dimension,
        };
        tracker.answers(space, neighbors).then_some((tracker, ring))
    }

    const fn slot(&self, i: usize) -> usize {
        let slot = self.first + i;
        if slot >= self.slots {
            slot - self.slots
        } else {
            slot
        }
    }

    pub(super) fn entry(&self, i: usize, j: usize) -> f64 {
        self.matrix[self.slot(i) * self.stride + self.slot(j)]
    }

    /// Row i in the order of time, in two pieces because the ring wraps.
    pub(super) fn row(&self, i: usize) -> (&[f64], &[f64]) {
        let row = &self.matrix[self.slot(i) * self.stride..][..self.slots];
        let before_wrap = self.len.min(self.slots - self.first);
        (
            &row[self.first..self.first + before_wrap],
            &row[..self.len - before_wrap],
        )
    }

    /// Appends row i in the order of time.
    pub(super) fn fill(&self, i: usize, row: &mut Vec<f64>) {
        let (old, new) = self.row(i);
        row.extend_from_slice(old);
        row.extend_from_slice(new);
    }

    /// Squared chords between the directions `w_i`/|`w_i`|: the distances of the cloud on the unit
    /// sphere. Undefined where norms are unknown or zero.
    ///
    /// ```
    /// use thermograd::entropy::Points;
    /// // Directions (1, 0) and (0, 1), at radii 3 and 4.
    /// let points = Points::new(vec![3.0, 0.0, 0.0, 4.0], 2)?;
    /// let directions = points.distances()?.directions();
    /// let squared = directions.ready().unwrap().squared(0, 1).unwrap();
    /// assert!((squared - 2.0).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn directions(&self) -> Reading<Distances<'static>> {
        if self.dimension == 1 {
            return Reading::Undefined(Reason::Degenerate("one parameter has no direction"));
        }
        let Some(norms) = self.norms.as_ref() else {
            return Reading::Undefined(Reason::Missing("the norm of snapshots"));
        };
        let Some(radii) = Radii::of((0..self.len).map(|i| norms[self.slot(i)])) else {
            return Reading::Undefined(Reason::Degenerate(
                "a snapshot of norm zero has no direction",
            ));
        };
        let n = self.len;
        let mut matrix = vec![0.0; n * n];
        for (i, row) in matrix.chunks_exact_mut(n.max(1)).enumerate() {
            let (old, new) = self.row(i);
            let (before, after) = row.split_at_mut(old.len());
            radii.chords(i, 0..old.len(), old, before);
            radii.chords(i, old.len()..n, new, after);
            row[i] = 0.0;
        }
        let unit = Twofold {
            high: 1.0,
            low: 0.0,
        };
        Reading::Ready(Distances {
            matrix: Cow::Owned(matrix),
            stride: n,
            first: 0,
            slots: n,
            len: n,
            dimension: self.dimension,
            norms: Some(Cow::Owned(vec![unit; n])),
            steps: Cow::Owned(self.steps()),
            projected: self.projected,
            tracked: Tracked(None),
        })
    }

    /// The centred Gram matrix K, flat.
    pub(super) fn centred(&self) -> Vec<f64> {
        let n = self.len;
        let (means, grand) = self.row_means();
        let mut gram = Vec::with_capacity(n * n);
        for i in 0..n {
            let (old, new) = self.row(i);
            let own = means[i] - grand;
            gram.extend(
                old.iter()
                    .chain(new)
                    .zip(&means)
                    .map(|(&d, &mean)| -0.5 * (d - own - mean)),
            );
        }
        gram
    }

    pub(super) fn row_means(&self) -> (Vec<f64>, f64) {
        let n = self.len.max(1) as f64;
        let means: Vec<f64> = (0..self.len)
            .map(|i| {
                let (old, new) = self.row(i);
                (old.iter().sum::<f64>() + new.iter().sum::<f64>()) / n
            })
            .collect();
        let grand = means.iter().sum::<f64>() / n;
        (means, grand)
    }
}

/// A cloud of N points in d coordinates, held in memory as f64, row by row in the order of time.
///
/// For estimators that look at coordinates one by one; and for data that is not streamed.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    rows: Vec<f64>,
    dimension: usize,
}

impl Points {
    /// N points of `dimension` coordinates each, concatenated.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for no coordinates, [`Error::LengthMismatch`] for a last point that is
    /// incomplete, [`Error::NonFinite`], [`Error::Overflow`].
    pub fn new(rows: Vec<f64>, dimension: usize) -> Result<Self, Error> {
        super::sphere::check_dimension(dimension, 1)?;
        if !rows.len().is_multiple_of(dimension) {
            return Err(Error::LengthMismatch {
                place: "last point of the cloud".to_owned(),
                expected: dimension,
                found: rows.len() % dimension,
            });
        }
        Error::check_finite("points", &rows)?;
        let largest = rows.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        if largest > 1e150 {
            return Err(Error::Overflow {
                place: "points".to_owned(),
                largest,
            });
        }
        Ok(Self { rows, dimension })
    }

    /// The number of points N.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dimension
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of coordinates d.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The points one after the other.
    pub fn as_flat(&self) -> &[f64] {
        &self.rows
    }

    /// The points in turn.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.rows.chunks_exact(self.dimension)
    }

    /// All squared distances and norms. Takes N² d / 2 operations; steps are numbered from 0.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] where the matrix would take more than 4 GiB.
    pub fn distances(&self) -> Result<Distances<'static>, Error> {
        let n = self.len();
        check_entries(n)?;
        let mut matrix = vec![0.0; n * n];
        let doubles = Rows {
            flat: &self.rows,
            width: self.dimension,
        };
        let order: Vec<usize> = (0..n).collect();
        each_against_earlier(Rows::NONE, doubles, &order, 0, |later, earlier, squared| {
            matrix[later * n + earlier] = squared;
            matrix[earlier * n + later] = squared;
        });
        let norms = self.iter().map(squared_norm).collect();
        Ok(Distances {
            matrix: Cow::Owned(matrix),
            stride: n,
            first: 0,
            slots: n,
            len: n,
            dimension: self.dimension,
            norms: Some(Cow::Owned(norms)),
            steps: Cow::Owned((0..n as u64).collect()),
            projected: None,
            tracked: Tracked(None),
        })
    }
}

/// |row|², in eight sums that do not wait for each other.
pub(super) fn squared_norm<T: Copy + Into<f64>>(row: &[T]) -> Twofold {
    const LANES: usize = 8;
    let (mut high, mut low) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    let (wholes, rest) = row.as_chunks::<LANES>();
    for whole in wholes {
        // `Twofold::add`, lane by lane.
        for lane in 0..LANES {
            let x: f64 = whole[lane].into();
            let x = x * x;
            let sum = high[lane] + x;
            let part = sum - high[lane];
            low[lane] += (high[lane] - (sum - part)) + (x - part);
            high[lane] = sum;
        }
    }
    let lanes = high.into_iter().zip(low);
    let mut norm = lanes
        .map(|(high, low)| Twofold::new(high, low))
        .fold(Twofold::default(), Twofold::plus);
    for &x in rest {
        let x: f64 = x.into();
        norm.add(x * x);
    }
    norm
}

pub(super) fn check_entries(n: usize) -> Result<(), Error> {
    match n.checked_mul(n) {
        Some(entries) if entries <= MOST_ENTRIES => Ok(()),
        _ => Err(Error::OutOfRange {
            what: "number of snapshots",
            value: n as f64,
            allowed: "at most 23170, whose distances take 4 GiB",
        }),
    }
}
