//! A window of the last N snapshots, streaming and of bounded memory.
//!
//! The window keeps the snapshots themselves in a ring, in the precision they came in, and the
//! N × N matrix of their squared distances. A new snapshot costs one row of that matrix: N direct
//! differences, accumulated in f64, read once from memory. The oldest snapshot drops out by being
//! overwritten. Whatever an estimator needs is then read from the matrix
//! ([`Distances`]), at a cost that does not grow with d.
//!
//! Memory is (N + 1) rows of the snapshot and (N + 1)² doubles, all of it allocated when the first
//! snapshot is complete; no push allocates after that.
//!
//! Where even N rows of d parameters are too much, a [`Projection`] keeps k numbers a row. It is a
//! shifted block count sketch: sixteen consecutive parameters, times one random sign, are added to
//! sixteen consecutive buckets at a random offset. Signs and offsets are hashes of the position, so
//! nothing is stored and d may be 10⁹. Squared distances keep their expectation exactly, and
//! distances acquire a relative error of about 1/√(2k). (Charikar, Chen and Farach-Colton, ICALP
//! 2002; Kane and Nelson, JACM 61 (2014), for why one non-zero a column is enough.)
//!
//! When it lies: the distances of a projection tell neighbours, drift and trends. An entropy
//! multiplies ln distance by d, and so the projection error by d as well: an entropy from projected
//! distances is marked as comparable within the one window only.

use super::distances::{Distances, Points, Ring, Tracked, Twofold, check_entries, squared_norm};
use super::knn::Neighbors;
use super::rows::{Rows as RowsOf, each_against_earlier, one_against_many};
use super::tracker::{self, Followed, Space, Tracker};
use crate::Error;
use crate::View;
use crate::random::mix;

/// Parameters that share one hash.
const BLOCK: usize = 16;

/// A piece of a snapshot in a precision that is stored.
#[derive(Debug, Clone, Copy)]
enum Values<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

impl Values<'_> {
    fn first_non_finite(&self) -> Option<(usize, f64)> {
        match self {
            Self::F32(piece) => first_non_finite(piece),
            Self::F64(piece) => first_non_finite(piece),
        }
    }
}

/// Looks at many before it asks, for an early way out would cost more than it saves.
fn first_non_finite<T: Copy + Into<f64>>(piece: &[T]) -> Option<(usize, f64)> {
    const MANY: usize = 256;
    let finite = |x: &T| (*x).into().is_finite();
    let (number, many) = piece
        .chunks(MANY)
        .enumerate()
        .find(|(_, many)| !many.iter().fold(true, |all, x| all & finite(x)))?;
    let at = many.iter().position(|x| !finite(x))?;
    Some((number * MANY + at, many[at].into()))
}

/// A random projection, defined by two numbers and never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Projection {
    /// Number of coordinates k that remain, 16 or more; a distance errs by 1/√(2k) of itself.
    pub coordinates: usize,
    /// Which of the projections. Windows to be compared must share it.
    pub seed: u64,
}

impl Projection {
    /// Adds `values`, whose first parameter is number `at` of the group, to the buckets.
    fn add<T: Copy + Into<f64>>(self, buckets: &mut [f64], mut at: usize, values: &[T]) {
        let mut rest = values;
        while !rest.is_empty() {
            let lane = at % BLOCK;
            let (piece, after) = rest.split_at(rest.len().min(BLOCK - lane));
            let hash = mix((at / BLOCK) as u64 ^ mix(self.seed));
            let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
            // The top 32 bits scaled to the number of buckets, at most 2²⁴.
            let offset = ((hash >> 32) * self.coordinates as u64) >> 32;
            let offset = usize::try_from(offset).unwrap_or(0) + lane;
            if let Some(target) = buckets.get_mut(offset..offset + piece.len()) {
                for (bucket, &x) in target.iter_mut().zip(piece) {
                    *bucket += sign * x.into();
                }
            } else {
                for (i, &x) in piece.iter().enumerate() {
                    buckets[(offset + i) % self.coordinates] += sign * x.into();
                }
            }
            at += piece.len();
            rest = after;
        }
    }
}

/// How a [`SnapshotWindow`] is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WindowConfig {
    /// Number of snapshots N that are kept. Default 1000.
    pub snapshots: usize,
    /// Steps between two recorded snapshots; those between are passed over. Default 1.
    pub every: u64,
    /// Keep a projection instead of the parameters. Default none.
    pub projection: Option<Projection>,
    /// The most bytes that the window may take. Default 4 GiB.
    pub most_bytes: usize,
    /// Neighbours that are followed from snapshot to snapshot. Default none.
    #[cfg_attr(feature = "serde", serde(default))]
    pub followed: Option<Followed>,
    /// How errors call this window. Default `"window"`.
    pub name: String,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            snapshots: 1000,
            every: 1,
            projection: None,
            followed: None,
            most_bytes: usize::try_from(1_u64 << 32).unwrap_or(usize::MAX),
            name: "window".to_owned(),
        }
    }
}

impl WindowConfig {
    /// A window of so many snapshots.
    pub fn new(snapshots: usize) -> Self {
        Self {
            snapshots,
            ..Self::default()
        }
    }

    /// Records a snapshot only when so many steps have passed since the last one.
    #[must_use]
    pub const fn every(mut self, steps: u64) -> Self {
        self.every = steps;
        self
    }

    /// Keeps a projection instead of the parameters.
    #[must_use]
    pub const fn projection(mut self, projection: Projection) -> Self {
        self.projection = Some(projection);
        self
    }

    /// Follows neighbours from snapshot to snapshot once the window is full, so that an estimate
    /// from just these costs next to nothing after each of them:
    /// [`kozachenko_leonenko`](super::kozachenko_leonenko) of parameters, or
    /// [`geodesic_cap`](super::geodesic_cap) of directions.
    ///
    /// The answers are the same, to the bit, as without; all other estimators are unaffected. A
    /// snapshot costs some operations more for each of the others, which shows below a hundred
    /// parameters.
    ///
    /// ```
    /// use thermograd::entropy::{Neighbors, SnapshotWindow, Space, WindowConfig, geodesic_cap};
    /// use thermograd::systems::Random;
    /// let neighbors = Neighbors::default();
    /// let config = WindowConfig::new(200);
    /// let mut plain = SnapshotWindow::new(config.clone())?;
    /// let mut fast = SnapshotWindow::new(config.follow(Space::Directions, neighbors))?;
    /// let mut random = Random::new(1);
    /// for step in 0..300 {
    ///     let w: Vec<f64> = (0..3).map(|_| random.normal()).collect();
    ///     plain.push(step, &w)?;
    ///     fast.push(step, &w)?;
    /// }
    /// let entropy = |window: &SnapshotWindow| {
    ///     geodesic_cap(&window.distances(), neighbors).map(|s| s.ready().unwrap().entropy.value)
    /// };
    /// assert_eq!(entropy(&plain)?, entropy(&fast)?);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    #[must_use]
    pub const fn follow(mut self, space: Space, neighbors: Neighbors) -> Self {
        self.followed = Some(Followed { space, neighbors });
        self
    }

    /// Refuses to take more memory than this.
    #[must_use]
    pub const fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Names the window in errors: the group it watches.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

/// What became of an offered snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offered {
    /// It is in the window, or being collected.
    Recorded,
    /// It came too soon after the last and was passed over.
    Thinned,
}

/// Stored snapshots of one window.
#[cfg(feature = "serde")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Rows {
    /// Parameters of a snapshot in each precision, before any projection.
    singles: usize,
    doubles: usize,
    kept: Vec<Row>,
}

#[cfg(feature = "serde")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Row {
    step: u64,
    singles: Vec<f32>,
    doubles: Vec<f64>,
}

/// How far the collection of a snapshot has come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pending {
    Nothing,
    Thinned,
    Collecting {
        step: u64,
        singles: usize,
        doubles: usize,
    },
}

/// Whether distances are computed as snapshots come, or of so many together later.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Waiting {
    None,
    Rows(usize),
}

/// The last N snapshots of one group of parameters and their distances.
///
/// ```
/// use thermograd::entropy::{SnapshotWindow, WindowConfig};
/// let mut window = SnapshotWindow::new(WindowConfig::new(3))?;
/// for step in 0..5_u8 {
///     window.push(u64::from(step), &[f32::from(step), 0.0])?;
/// }
/// // Steps 2, 3 and 4 are left, on a line at distances 1 and 2.
/// let distances = window.distances();
/// assert_eq!(distances.steps(), [2, 3, 4]);
/// assert_eq!(distances.to_flat(), [0.0, 1.0, 4.0, 1.0, 0.0, 1.0, 4.0, 1.0, 0.0]);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SnapshotWindow {
    config: WindowConfig,
    /// N + 1 rows each: the spare one collects, so that a refused snapshot changes nothing.
    singles: Vec<f32>,
    doubles: Vec<f64>,
    shape: Option<Shape>,
    pending: Pending,
    matrix: Vec<f64>,
    norms: Vec<Twofold>,
    steps: Vec<u64>,
    scratch: Vec<Twofold>,
    /// Snapshots, the latest, whose distances are still to be computed together.
    waiting: Waiting,
    tracker: Option<Tracker>,
    spare: usize,
    len: usize,
}

/// Parameters of a snapshot, and what is stored of them in each precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    singles: usize,
    doubles: usize,
    stored_singles: usize,
    stored_doubles: usize,
}

impl SnapshotWindow {
    /// An empty window.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for fewer than two snapshots, a spacing of 0, a projection to fewer
    /// than 16 or more than 2²⁴ coordinates, or a matrix that is larger than the memory allowed.
    pub fn new(config: WindowConfig) -> Result<Self, Error> {
        let refuse = |what, value, allowed| {
            Err(Error::OutOfRange {
                what,
                value,
                allowed,
            })
        };
        if config.snapshots < 2 {
            return refuse(
                "number of snapshots",
                config.snapshots as f64,
                "a window of two or more",
            );
        }
        if config.every == 0 {
            return refuse("steps between snapshots", 0.0, "1 or more");
        }
        if let Some(projection) = config.projection
            && !(BLOCK..=1 << 24).contains(&projection.coordinates)
        {
            return refuse(
                "coordinates of the projection",
                projection.coordinates as f64,
                "16 to 16777216",
            );
        }
        let slots = config.snapshots.saturating_add(1);
        check_entries(slots)?;
        if let Some(followed) = config.followed {
            followed.check()?;
        }
        let this = Self {
            config,
            singles: Vec::new(),
            doubles: Vec::new(),
            shape: None,
            pending: Pending::Nothing,
            matrix: Vec::new(),
            norms: vec![Twofold::default(); slots],
            steps: vec![0; slots],
            scratch: vec![Twofold::default(); slots],
            waiting: Waiting::None,
            tracker: None,
            spare: 0,
            len: 0,
        };
        this.check_bytes(0, 0)?;
        Ok(this)
    }

    /// Offers a whole snapshot taken at `step`.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), [`extend`](Self::extend) and [`commit`](Self::commit). The window
    /// is as it was.
    pub fn push<'a>(&mut self, step: u64, values: impl Into<View<'a>>) -> Result<Offered, Error> {
        self.push_pieces(step, [values.into()])
    }

    /// Offers a snapshot in pieces: the tensors of a group, of either precision, always in the same
    /// order.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_pieces<'a>(
        &mut self,
        step: u64,
        pieces: impl IntoIterator<Item = View<'a>>,
    ) -> Result<Offered, Error> {
        if self.begin(step)? == Offered::Thinned {
            self.abandon();
            return Ok(Offered::Thinned);
        }
        for piece in pieces {
            self.extend(piece)?;
        }
        self.commit()
    }

    /// Offers many snapshots at once: how a cold window is filled from a record of a run.
    ///
    /// The window is, to the bit, what it would be had they been pushed one by one. But their
    /// distances are computed together, in tiles that stay in cache, at the speed of arithmetic
    /// instead of that of memory: some times faster for a thousand snapshots. Says how many were
    /// recorded.
    ///
    /// ```
    /// use thermograd::View;
    /// use thermograd::entropy::{SnapshotWindow, WindowConfig};
    /// let run = [[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]];
    /// let mut window = SnapshotWindow::new(WindowConfig::new(3))?;
    /// assert_eq!(window.push_all((0..).zip(&run).map(|(step, w)| (step, View::F64(w))))?, 3);
    /// assert_eq!(window.distances().squared(0, 2), Some(25.0));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`push`](Self::push), of the first snapshot that is refused; those before it are in the
    /// window.
    pub fn push_all<'a>(
        &mut self,
        snapshots: impl IntoIterator<Item = (u64, View<'a>)>,
    ) -> Result<usize, Error> {
        self.waiting = Waiting::Rows(0);
        let mut recorded = 0;
        let mut outcome = Ok(());
        for (step, values) in snapshots {
            match self.push(step, values) {
                Ok(Offered::Recorded) => recorded += 1,
                Ok(Offered::Thinned) => {}
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        self.add_waiting_rows();
        outcome.map(|()| recorded)
    }

    /// Starts a snapshot; one that was under way is abandoned.
    ///
    /// Where the answer is [`Offered::Thinned`] the pieces may be given or left out: they are
    /// ignored.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a step that is not later than the last one recorded.
    pub fn begin(&mut self, step: u64) -> Result<Offered, Error> {
        self.abandon();
        if let Some(last) = self.last_step() {
            if step <= last {
                return Err(Error::OutOfRange {
                    what: "step of a snapshot",
                    value: step as f64,
                    allowed: "a step later than the last one recorded",
                });
            }
            if step - last < self.config.every {
                self.pending = Pending::Thinned;
                return Ok(Offered::Thinned);
            }
        }
        if let (Some(_), Some(shape)) = (self.config.projection, self.shape) {
            let from = self.spare * shape.stored_doubles;
            self.doubles[from..from + shape.stored_doubles].fill(0.0);
        }
        self.pending = Pending::Collecting {
            step,
            singles: 0,
            doubles: 0,
        };
        Ok(Offered::Recorded)
    }

    /// Adds a piece to the snapshot that was begun.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the position in the snapshot, [`Error::LengthChanged`] where there
    /// are more parameters than before, [`Error::OutOfRange`] where the window would outgrow its
    /// memory, [`Error::Conflict`] without a `begin`. The snapshot is abandoned, the window is as it
    /// was.
    pub fn extend<'a>(&mut self, piece: impl Into<View<'a>>) -> Result<(), Error> {
        let outcome = match piece.into() {
            View::F32(values) => self.try_extend(Values::F32(values)),
            View::F64(values) => self.try_extend(Values::F64(values)),
            half => self.extend_half(&half),
        };
        if outcome.is_err() {
            self.abandon();
        }
        outcome
    }

    /// Completes the snapshot: the oldest leaves a full window and the row of distances is computed.
    ///
    /// # Errors
    /// [`Error::LengthChanged`] where parameters are missing, [`Error::Empty`] for a snapshot
    /// without any, [`Error::Overflow`] where squares leave the range of f64,
    /// [`Error::OutOfRange`] where memory runs out, [`Error::Conflict`] without a `begin`. The
    /// snapshot is abandoned, the window is as it was.
    pub fn commit(&mut self) -> Result<Offered, Error> {
        let outcome = self.try_commit();
        if outcome.is_err() {
            self.abandon();
        }
        self.pending = Pending::Nothing;
        outcome
    }

    /// Forgets the snapshot that was begun.
    pub fn abandon(&mut self) {
        self.pending = Pending::Nothing;
        if self.shape.is_none() {
            self.singles.clear();
            self.doubles.clear();
        }
    }

    /// Forgets all snapshots and keeps the memory.
    pub fn clear(&mut self) {
        self.abandon();
        self.len = 0;
        self.spare = 0;
        if let Some(tracker) = &mut self.tracker {
            tracker.clear();
        }
    }

    /// Changes the spacing of snapshots from now on; what is in the window stays.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for 0.
    pub fn set_every(&mut self, steps: u64) -> Result<(), Error> {
        if steps == 0 {
            return Err(Error::OutOfRange {
                what: "steps between snapshots",
                value: 0.0,
                allowed: "1 or more",
            });
        }
        self.config.every = steps;
        Ok(())
    }

    /// The options, as they stand.
    pub const fn config(&self) -> &WindowConfig {
        &self.config
    }

    /// The number of snapshots in the window.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the window has no snapshot yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a push makes the oldest snapshot leave.
    pub const fn is_full(&self) -> bool {
        self.len == self.config.snapshots
    }

    /// The number of parameters of a snapshot; 0 before the first.
    pub const fn dimension(&self) -> usize {
        match self.shape {
            Some(shape) => shape.singles + shape.doubles,
            None => 0,
        }
    }

    /// Bytes taken by snapshots, distances and the rest.
    pub fn bytes(&self) -> usize {
        4 * self.singles.capacity()
            + 8 * (self.doubles.capacity() + self.matrix.capacity() + self.steps.capacity())
            + 16 * (self.norms.capacity() + self.scratch.capacity())
            + self.tracker.as_ref().map_or(0, |t| t.bytes(self.slots()))
    }

    /// The step of the latest snapshot.
    pub fn last_step(&self) -> Option<u64> {
        let slots = self.slots();
        (self.len > 0).then(|| self.steps[(self.spare + slots - 1) % slots])
    }

    /// The squared distances of the snapshots in the window, borrowed.
    pub fn distances(&self) -> Distances<'_> {
        let projected = self.config.projection.map(|p| p.coordinates);
        let ring = Ring {
            first: self.first(),
            slots: self.slots(),
            len: self.len,
        };
        Distances::of_ring(
            ring,
            &self.matrix,
            &self.norms,
            &self.steps,
            self.dimension(),
            projected,
            Tracked(self.tracker.as_ref()),
        )
    }

    /// A copy of the snapshots in f64, the single-precision parameters of each first.
    ///
    /// # Errors
    /// [`Error::Empty`] for an empty window, [`Error::Conflict`] for a projected one, whose
    /// parameters are gone, [`Error::OutOfRange`] where the copy needs more than the memory allowed.
    pub fn points(&self) -> Result<Points, Error> {
        let shape = match self.shape {
            Some(shape) if self.len > 0 => shape,
            _ => {
                return Err(Error::Empty {
                    place: self.config.name.clone(),
                    remedy: "push snapshots first",
                });
            }
        };
        if self.config.projection.is_some() {
            return Err(Error::Conflict {
                what: "a projected window has no parameters left",
                remedy: "use its distances, or keep the parameters",
            });
        }
        let dimension = shape.singles + shape.doubles;
        let numbers = self.len.saturating_mul(dimension);
        if numbers.saturating_mul(8) > self.config.most_bytes {
            return Err(self.too_large(numbers.saturating_mul(8)));
        }
        let mut rows = Vec::with_capacity(numbers);
        for i in 0..self.len {
            let slot = (self.first() + i) % self.slots();
            rows.extend(self.single_row(shape, slot).iter().map(|&x| f64::from(x)));
            rows.extend_from_slice(self.double_row(shape, slot));
        }
        Points::new(rows, dimension)
    }

    const fn slots(&self) -> usize {
        self.config.snapshots + 1
    }

    const fn first(&self) -> usize {
        (self.spare + self.slots() - self.len) % self.slots()
    }

    fn single_row(&self, shape: Shape, slot: usize) -> &[f32] {
        &self.singles[slot * shape.stored_singles..][..shape.stored_singles]
    }

    fn double_row(&self, shape: Shape, slot: usize) -> &[f64] {
        &self.doubles[slot * shape.stored_doubles..][..shape.stored_doubles]
    }

    /// Sixteen-bit formats are exact in single precision.
    fn extend_half(&mut self, piece: &View<'_>) -> Result<(), Error> {
        let (mut wide, mut single) = ([0.0_f64; 256], [0.0_f32; 256]);
        let mut done = 0;
        while done < piece.len() {
            let take = wide.len().min(piece.len() - done);
            piece.widen(done, &mut wide[..take]);
            for (slot, &value) in single.iter_mut().zip(&wide[..take]) {
                #[expect(clippy::cast_possible_truncation, reason = "it was no wider before")]
                {
                    *slot = value as f32;
                }
            }
            self.try_extend(Values::F32(&single[..take]))?;
            done += take;
        }
        Ok(())
    }

    fn try_extend(&mut self, piece: Values<'_>) -> Result<(), Error> {
        let (step, singles, doubles) = match self.pending {
            Pending::Thinned => return Ok(()),
            Pending::Nothing => return Err(not_begun()),
            Pending::Collecting {
                step,
                singles,
                doubles,
            } => (step, singles, doubles),
        };
        let at = singles + doubles;
        if let Some((index, value)) = piece.first_non_finite() {
            return Err(Error::NonFinite {
                place: self.config.name.clone(),
                index: at + index,
                value,
            });
        }
        let (more_singles, more_doubles) = match piece {
            Values::F32(values) => (values.len(), 0),
            Values::F64(values) => (0, values.len()),
        };
        let after = (singles + more_singles, doubles + more_doubles);
        if let Some(shape) = self.shape {
            if after.0 > shape.singles || after.1 > shape.doubles {
                return Err(self.length_changed(after.0 + after.1));
            }
        } else {
            let (stored_singles, stored_doubles) = self.stored(after.0, after.1);
            self.check_bytes(stored_singles, stored_doubles)?;
        }
        let shape = self.shape;
        if let Some(projection) = self.config.projection {
            if shape.is_none() {
                self.doubles.resize(projection.coordinates, 0.0);
            }
            let k = projection.coordinates;
            let from = shape.map_or(0, |_| self.spare * k);
            let row = &mut self.doubles[from..from + k];
            match piece {
                Values::F32(values) => projection.add(row, at, values),
                Values::F64(values) => projection.add(row, at, values),
            }
        } else {
            match (piece, shape) {
                (Values::F32(values), None) => self.singles.extend_from_slice(values),
                (Values::F64(values), None) => self.doubles.extend_from_slice(values),
                (Values::F32(values), Some(shape)) => {
                    let from = self.spare * shape.singles + singles;
                    self.singles[from..from + values.len()].copy_from_slice(values);
                }
                (Values::F64(values), Some(shape)) => {
                    let from = self.spare * shape.doubles + doubles;
                    self.doubles[from..from + values.len()].copy_from_slice(values);
                }
            }
        }
        self.pending = Pending::Collecting {
            step,
            singles: after.0,
            doubles: after.1,
        };
        Ok(())
    }

    fn try_commit(&mut self) -> Result<Offered, Error> {
        let (step, singles, doubles) = match self.pending {
            Pending::Thinned => return Ok(Offered::Thinned),
            Pending::Nothing => return Err(not_begun()),
            Pending::Collecting {
                step,
                singles,
                doubles,
            } => (step, singles, doubles),
        };
        if singles + doubles == 0 {
            return Err(Error::Empty {
                place: self.config.name.clone(),
                remedy: "give the snapshot's parameters before completing it",
            });
        }
        let shape = match self.shape {
            Some(shape) if (shape.singles, shape.doubles) == (singles, doubles) => shape,
            Some(_) => return Err(self.length_changed(singles + doubles)),
            None => {
                let (stored_singles, stored_doubles) = self.stored(singles, doubles);
                Shape {
                    singles,
                    doubles,
                    stored_singles,
                    stored_doubles,
                }
            }
        };
        let norm = squared_norm(self.single_row(shape, self.spare))
            .plus(squared_norm(self.double_row(shape, self.spare)));
        // A quarter of the range is left, so that no distance can overflow either.
        if norm.value().is_nan() || norm.value() > f64::MAX / 16.0 {
            return Err(Error::Overflow {
                place: self.config.name.clone(),
                largest: self
                    .double_row(shape, self.spare)
                    .iter()
                    .fold(0.0, |m, x| x.abs().max(m)),
            });
        }
        if self.shape.is_none() {
            self.settle(shape)?;
        }
        // Nothing below can fail.
        self.norms[self.spare] = norm;
        self.steps[self.spare] = step;
        match &mut self.waiting {
            Waiting::None => self.add_row(shape),
            Waiting::Rows(rows) => *rows += 1,
        }
        let slots = self.slots();
        self.spare = (self.spare + 1) % slots;
        self.len = self.config.snapshots.min(self.len + 1);
        if self.waiting == Waiting::None {
            self.track(Tracker::pushed);
        }
        Ok(Offered::Recorded)
    }

    fn track(&mut self, change: impl FnOnce(&mut Tracker, tracker::Ring<'_>)) {
        let Some(mut tracker) = self.tracker.take() else {
            return;
        };
        let ring = tracker::Ring {
            matrix: &self.matrix,
            norms: &self.norms,
            slots: self.slots(),
            first: self.first(),
            len: self.len,
            dimension: self.dimension(),
        };
        change(&mut tracker, ring);
        self.tracker = Some(tracker);
    }

    /// The snapshots as they are kept, oldest first: distances follow from them.
    #[cfg(feature = "serde")]
    pub(crate) fn rows(&self) -> Rows {
        let shape = self.shape.filter(|_| self.len > 0);
        let kept = |shape: Shape| {
            let slots = (0..self.len).map(|i| (self.first() + i) % self.slots());
            slots
                .map(|slot| Row {
                    step: self.steps[slot],
                    singles: self.single_row(shape, slot).to_vec(),
                    doubles: self.double_row(shape, slot).to_vec(),
                })
                .collect()
        };
        Rows {
            singles: shape.map_or(0, |shape| shape.singles),
            doubles: shape.map_or(0, |shape| shape.doubles),
            kept: shape.map_or_else(Vec::new, kept),
        }
    }

    /// A window of stored snapshots, the last of them before step `end`.
    #[cfg(feature = "serde")]
    pub(crate) fn from_rows(config: WindowConfig, stored: &Rows, end: u64) -> Result<Self, Error> {
        let corrupt = |place: String| Error::Corrupt {
            what: "snapshots",
            place,
        };
        let mut window = Self::new(config)?;
        window.waiting = Waiting::Rows(0);
        if stored.kept.len() > window.config.snapshots {
            return Err(corrupt(format!("{} rows", stored.kept.len())));
        }
        let (singles, doubles) = window.stored(stored.singles, stored.doubles);
        for (i, row) in stored.kept.iter().enumerate() {
            let later = window.last_step().is_none_or(|last| row.step > last) && row.step < end;
            let whole = row.singles.len() == singles && row.doubles.len() == doubles;
            let finite = row.singles.iter().all(|x| x.is_finite())
                && row.doubles.iter().all(|x| x.is_finite());
            if !later || !whole || !finite || stored.singles.checked_add(stored.doubles).is_none() {
                return Err(corrupt(format!("row {i}")));
            }
            if window.shape.is_none() {
                window.check_bytes(singles, doubles)?;
                window.settle(Shape {
                    singles: stored.singles,
                    doubles: stored.doubles,
                    stored_singles: singles,
                    stored_doubles: doubles,
                })?;
            }
            let spare = window.spare;
            window.singles[spare * singles..][..singles].copy_from_slice(&row.singles);
            window.doubles[spare * doubles..][..doubles].copy_from_slice(&row.doubles);
            window.pending = Pending::Collecting {
                step: row.step,
                singles: stored.singles,
                doubles: stored.doubles,
            };
            window
                .commit()
                .map_err(|error| corrupt(format!("row {i}, {error}")))?;
        }
        window.add_waiting_rows();
        Ok(window)
    }

    /// The row of distances from the spare slot to every snapshot that stays.
    fn add_row(&mut self, shape: Shape) {
        let (slots, spare) = (self.slots(), self.spare);
        let mut sums = std::mem::take(&mut self.scratch);
        sums.fill(Twofold::default());
        // The snapshot that is about to leave is skipped; slots behind the spare one are in use
        // once the window is full.
        let (before, after) = if self.len < self.config.snapshots {
            (0..spare, slots..slots)
        } else if spare + 1 < slots {
            (0..spare, spare + 2..slots)
        } else {
            (1..spare, slots..slots)
        };
        for range in [before, after] {
            let sums = &mut sums[range.clone()];
            let width = shape.stored_singles;
            let rows = &self.singles[range.start * width..range.end * width];
            one_against_many(self.single_row(shape, spare), rows, sums);
            let width = shape.stored_doubles;
            let rows = &self.doubles[range.start * width..range.end * width];
            one_against_many(self.double_row(shape, spare), rows, sums);
        }
        let row = &mut self.matrix[spare * slots..][..slots];
        for (entry, sum) in row.iter_mut().zip(&sums) {
            *entry = sum.value();
        }
        let column = self.matrix[spare..].iter_mut().step_by(slots);
        for (entry, sum) in column.zip(&sums) {
            *entry = sum.value();
        }
        self.scratch = sums;
    }

    /// The distances of all snapshots that wait for them, in tiles.
    fn add_waiting_rows(&mut self) {
        let Waiting::Rows(waiting) = std::mem::replace(&mut self.waiting, Waiting::None) else {
            return;
        };
        let Some(shape) = self.shape else { return };
        let slots = self.slots();
        let order: Vec<usize> = (0..self.len).map(|i| (self.first() + i) % slots).collect();
        let from = self.len - waiting.min(self.len);
        let singles = RowsOf {
            flat: &self.singles,
            width: shape.stored_singles,
        };
        let doubles = RowsOf {
            flat: &self.doubles,
            width: shape.stored_doubles,
        };
        let matrix = &mut self.matrix;
        for &slot in &order[from..] {
            matrix[slot * slots + slot] = 0.0;
        }
        each_against_earlier(singles, doubles, &order, from, |later, earlier, squared| {
            let (later, earlier) = (order[later], order[earlier]);
            matrix[later * slots + earlier] = squared;
            matrix[earlier * slots + later] = squared;
        });
        self.track(Tracker::filled);
    }

    /// Takes all the memory that the window will ever need.
    fn settle(&mut self, shape: Shape) -> Result<(), Error> {
        let slots = self.slots();
        let (singles, doubles) = (shape.stored_singles * slots, shape.stored_doubles * slots);
        let bytes = 4 * singles + 8 * (doubles + slots * slots);
        let reserved = self
            .singles
            .try_reserve_exact(singles - self.singles.len())
            .and_then(|()| self.doubles.try_reserve_exact(doubles - self.doubles.len()))
            .and_then(|()| self.matrix.try_reserve_exact(slots * slots));
        if reserved.is_err() {
            return Err(self.too_large(bytes));
        }
        self.singles.resize(singles, 0.0);
        self.doubles.resize(doubles, 0.0);
        self.matrix.resize(slots * slots, 0.0);
        self.tracker = self.config.followed.map(|of| Tracker::new(of, slots));
        self.shape = Some(shape);
        Ok(())
    }

    fn stored(&self, singles: usize, doubles: usize) -> (usize, usize) {
        self.config
            .projection
            .map_or((singles, doubles), |p| (0, p.coordinates))
    }

    fn check_bytes(&self, singles: usize, doubles: usize) -> Result<(), Error> {
        let slots = self.slots();
        let row = singles
            .saturating_mul(4)
            .saturating_add(doubles.saturating_mul(8))
            .saturating_add(slots.saturating_mul(8))
            // Its step, its norm and room to compute one.
            .saturating_add(8 + 16 + 16)
            .saturating_add(self.config.followed.map_or(0, Followed::bytes_per_slot));
        let bytes = row.saturating_mul(slots);
        if bytes > self.config.most_bytes {
            return Err(self.too_large(bytes));
        }
        Ok(())
    }

    fn too_large(&self, bytes: usize) -> Error {
        let _ = self;
        Error::OutOfRange {
            what: "bytes of a window of snapshots",
            value: bytes as f64,
            allowed: "a projection, fewer snapshots, or a larger most_bytes",
        }
    }

    fn length_changed(&self, found: usize) -> Error {
        Error::LengthChanged {
            group: self.config.name.clone(),
            expected: self.dimension(),
            found,
        }
    }
}

const fn not_begun() -> Error {
    Error::Conflict {
        what: "a piece of a snapshot that was never begun",
        remedy: "call begin first",
    }
}
