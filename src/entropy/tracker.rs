//! Neighbours followed from snapshot to snapshot: an entropy estimate at the price of one row.
//!
//! When a snapshot enters a full window and the oldest leaves, one row of distances is new and one
//! is gone; all else is as it was. So nothing is searched again. Beside its matrix a window can keep
//!
//! * for every snapshot its 2k + 4 nearest, of which k are needed: a neighbour that leaves is struck
//!   off, one that enters and is near enough is sorted in, and only a list that has shrunk below k
//!   is searched again, in O(N). That is rare: a list gains as often as it loses.
//! * the same among the snapshots of each block of the trajectory, from which the error bar comes.
//!   Blocks slide with the window: each loses its oldest snapshot and gains one from the next.
//! * the logarithm of the ball or cap out to each k-th neighbour. The estimate adds these up anew
//!   every time, in the order of time, as the search from scratch does: a sum that is never
//!   corrected cannot drift, and the entropy has the same bits as without any of this.
//! * for the effective dimension and, unless the snapshots are declared independent, the
//!   autocorrelation time, the sum of every row of the matrix, of all squares and of every diagonal,
//!
//! <!-- math
//! \sum_i K_{i,i+\tau} = -\tfrac12 \Bigl[ \sum_i D_{i,i+\tau} - \sum_{i<N-\tau} \bar D_i
//! - \sum_{i \ge \tau} \bar D_i + (N-\tau) \bar D \Bigr], \qquad
//! \sum_{ij} K_{ij}^2 = \tfrac14 \Bigl[ \sum_{ij} D_{ij}^2 - 2 N \sum_i \bar D_i^2 + N^2 \bar D^2 \Bigr] .
//! -->
#![doc = include_str!("../math/entropy_tracker.html")]
//!
//! These sums gain and lose terms, so they are carried in twice the working precision, and taken
//! afresh when distances have shrunk so far (by 2²⁰) that what left could show, or after 2²⁰
//! snapshots. What is left of the terms that have gone is then below the rounding of the result. The
//! second sum cancels at most 4N-fold: it keeps twelve digits at N = 1000.
//!
//! The cost of a snapshot is O(N), one of its terms being the estimate's. Nothing is followed until
//! the window is full, nor while it holds a snapshot without a direction or at distances whose
//! squares overflow: estimates are then computed from scratch.
#![expect(
    clippy::inline_always,
    reason = "what is called where vector instructions are allowed must be compiled there"
)]

use std::ops::Range;

use super::distances::Twofold;
use super::knn::{Context, Neighbors, Scheme};
use super::sphere::{Caps, ln_ball};
use super::spread::{self, Spread};
use crate::{Error, Reading};

/// Following more neighbours than this is refused.
const MOST_NEIGHBORS: usize = 64;
/// Sums are taken afresh after as many snapshots, and when they have shrunk by as much.
const AFRESH: u32 = 1 << 20;
/// Lanes of a sum over a row.
const LANES: usize = 8;
/// Squared distances above this have squares that may not be summed.
const LARGEST: f64 = 1e140;

/// Where neighbours are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Space {
    /// Among the snapshots themselves: for [`kozachenko_leonenko`](super::kozachenko_leonenko).
    Parameters,
    /// Among their directions: for [`geodesic_cap`](super::geodesic_cap).
    Directions,
}

/// Whose neighbours a window follows as snapshots come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Followed {
    /// The metric.
    pub space: Space,
    /// Which neighbours: those that estimates will ask for.
    pub neighbors: Neighbors,
}

impl Followed {
    pub(super) fn check(self) -> Result<(), Error> {
        let k = self.neighbors.k();
        if (1..=MOST_NEIGHBORS).contains(&k) {
            return Ok(());
        }
        Err(Error::OutOfRange {
            what: "number k of the neighbour to follow",
            value: k as f64,
            allowed: "1 to 64",
        })
    }

    /// Entries of a list: the more, the rarer is a search, which finds more of them then.
    const fn keep(self, among: Among) -> usize {
        match among {
            Among::All => 2 * self.neighbors.k() + 4,
            Among::Block => self.neighbors.k() + 3,
        }
    }

    /// Bytes a snapshot of the window takes here.
    pub(super) const fn bytes_per_slot(self) -> usize {
        12 * (self.keep(Among::All) + self.keep(Among::Block)) + 2 * 20 + 8 * 13
    }
}

/// The window as its tracker sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring<'a> {
    pub(super) matrix: &'a [f64],
    pub(super) norms: &'a [Twofold],
    pub(super) slots: usize,
    /// Slot of the oldest snapshot, and how many there are.
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) dimension: usize,
}

impl<'a> Ring<'a> {
    fn row(&self, slot: usize) -> &'a [f64] {
        &self.matrix[slot * self.slots..][..self.slots]
    }

    fn slot(&self, time: usize) -> usize {
        let slot = self.first + time;
        if slot < self.slots {
            slot
        } else {
            slot - self.slots
        }
    }

    /// The slots of snapshots `from..to` in time.
    fn ranges(&self, from: usize, to: usize) -> [Range<usize>; 2] {
        let (from, to) = (self.first + from, self.first + to.max(from));
        let end = self.slots;
        [
            from.min(end)..to.min(end),
            from.max(end) - end..to.max(end) - end,
        ]
    }
}

/// Volumes of balls by their squared radius, in one of the spaces.
#[derive(Debug, Clone, Copy)]
pub(super) enum Volumes {
    /// Of flat space: ln of the unit ball, and d/2.
    Balls(f64, f64),
    /// Caps on the sphere, by the squared chord.
    Caps(Caps),
}

impl Volumes {
    pub(super) fn new(space: Space, dimension: usize) -> Self {
        let d = dimension as f64;
        match space {
            Space::Parameters => Self::Balls(ln_ball(d), 0.5 * d),
            Space::Directions => Self::Caps(Caps::new(dimension)),
        }
    }

    pub(super) fn ln(&self, squared: f64) -> f64 {
        match self {
            Self::Balls(unit, half) => unit + half * squared.ln(),
            Self::Caps(caps) => caps.ln_area_of_squared_chord(squared),
        }
    }
}

/// Radii in twice the working precision, and their inverses: what turns distances into chords.
#[derive(Debug, Clone, Default)]
pub(super) struct Radii {
    high: Vec<f64>,
    low: Vec<f64>,
    inverse: Vec<f64>,
}

impl Radii {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            high: vec![0.0; slots],
            low: vec![0.0; slots],
            inverse: vec![0.0; slots],
        }
    }

    /// Of the snapshots with these squared norms; `None` where one has no direction.
    pub(super) fn of(squares: impl ExactSizeIterator<Item = Twofold>) -> Option<Self> {
        let mut radii = Self::new(squares.len());
        for (slot, square) in squares.enumerate() {
            radii.set(slot, square)?;
        }
        Some(radii)
    }

    fn set(&mut self, slot: usize, square: Twofold) -> Option<()> {
        let (high, low) = square.root();
        (high >= 1e-70).then(|| {
            self.high[slot] = high;
            self.low[slot] = low;
            self.inverse[slot] = 1.0 / high;
        })
    }

    /// Squared chords from `own` to the others in `range`, whose squared distances are given.
    /// The formula is in [`super::distances`].
    #[inline(always)]
    pub(super) fn chords(
        &self,
        own: usize,
        range: Range<usize>,
        squared: &[f64],
        into: &mut [f64],
    ) {
        let (high, low, inverse) = (self.high[own], self.low[own], self.inverse[own]);
        let others = self.high[range.clone()]
            .iter()
            .zip(&self.low[range.clone()])
            .zip(&self.inverse[range]);
        for ((chord, &d), ((&h, &l), &i)) in into.iter_mut().zip(squared).zip(others) {
            let apart = (high - h) + (low - l);
            *chord = ((d - apart * apart) * (inverse * i)).clamp(0.0, 4.0);
        }
    }
}

/// Nearest neighbours of every slot among some others, from the nearest on.
#[derive(Debug, Clone)]
struct Lists {
    k: usize,
    keep: usize,
    squared: Vec<f64>,
    who: Vec<u32>,
    len: Vec<u32>,
    /// Distance of the last entry: nothing nearer is missing from the list.
    reach: Vec<f64>,
    /// ln of the ball out to the k-th.
    ln_volume: Vec<f64>,
}

impl Lists {
    fn new(slots: usize, followed: Followed, among: Among) -> Self {
        let keep = followed.keep(among);
        Self {
            k: followed.neighbors.k(),
            keep,
            squared: vec![f64::INFINITY; slots * keep],
            who: vec![u32::MAX; slots * keep],
            len: vec![0; slots],
            reach: vec![0.0; slots],
            ln_volume: vec![0.0; slots],
        }
    }

    fn clear(&mut self, slot: usize) {
        self.len[slot] = 0;
    }

    fn kth(&self, slot: usize) -> f64 {
        self.squared[slot * self.keep + self.k - 1]
    }

    fn nearest(&self, slot: usize) -> f64 {
        self.squared[slot * self.keep]
    }

    /// Sorts a neighbour in; the last of a full list drops out.
    #[inline(always)]
    fn insert(&mut self, slot: usize, who: u32, d: f64) {
        let from = slot * self.keep;
        let len = self.len[slot] as usize;
        let squared = &mut self.squared[from..from + self.keep];
        let names = &mut self.who[from..from + self.keep];
        let mut at = len.min(squared.len() - 1);
        while at > 0 && squared[at - 1] > d {
            squared[at] = squared[at - 1];
            names[at] = names[at - 1];
            at -= 1;
        }
        squared[at] = d;
        names[at] = who;
        let len = (len + 1).min(self.keep);
        self.reach[slot] = squared[len - 1];
        #[expect(clippy::cast_possible_truncation, reason = "at most 132")]
        {
            self.len[slot] = len as u32;
        }
    }

    /// Strikes a neighbour off, where it is in the list.
    #[inline(always)]
    fn remove(&mut self, slot: usize, who: u32) {
        let from = slot * self.keep;
        let len = self.len[slot] as usize;
        let names = &mut self.who[from..from + len];
        let squared = &mut self.squared[from..from + len];
        let Some(at) = names.iter().position(|&name| name == who) else {
            return;
        };
        for i in at + 1..len {
            squared[i - 1] = squared[i];
            names[i - 1] = names[i];
        }
        self.len[slot] -= 1;
        self.reach[slot] = match len {
            0 | 1 => f64::NEG_INFINITY,
            _ => squared[len - 2],
        };
    }

    /// Takes what of `row` is near; its entries are slots from `start` on.
    #[inline(always)]
    fn scan(&mut self, slot: usize, row: &[f64], start: usize) {
        let full = |this: &Self| {
            if (this.len[slot] as usize) < this.keep {
                f64::INFINITY
            } else {
                this.reach[slot]
            }
        };
        let mut limit = full(self);
        for (&d, who) in row.iter().zip(start..) {
            if d < limit {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a window has at most 23170 snapshots"
                )]
                self.insert(slot, who as u32, d);
                limit = full(self);
            }
        }
    }
}

/// Sums carried in twice the working precision, side by side.
#[derive(Debug, Clone, Default)]
struct Sums {
    high: Vec<f64>,
    low: Vec<f64>,
}

impl Sums {
    fn new(len: usize) -> Self {
        Self {
            high: vec![0.0; len],
            low: vec![0.0; len],
        }
    }

    /// Adds each of `terms`, negated where `sign` is −1, to the sums from `start` on.
    #[inline(always)]
    fn add(&mut self, start: usize, terms: &[f64], sign: f64) {
        let (high, low) = (&mut self.high[start..], &mut self.low[start..]);
        for ((high, low), &x) in high.iter_mut().zip(low).zip(terms) {
            let x = sign * x;
            let sum = *high + x;
            let part = sum - *high;
            *low += (*high - (sum - part)) + (x - part);
            *high = sum;
        }
    }

    fn value(&self, i: usize) -> f64 {
        self.high[i] + self.low[i]
    }

    fn clear(&mut self) {
        self.high.fill(0.0);
        self.low.fill(0.0);
    }
}

/// See the file.
#[derive(Debug, Clone)]
pub(super) struct Tracker {
    followed: Followed,
    volumes: Option<Volumes>,
    radii: Radii,
    all: Lists,
    parts: Lists,
    /// Blocks of which `parts` are; 0 where they are not followed.
    blocks: usize,
    /// By slot, by lag, and of squares.
    rows: Sums,
    lags: Sums,
    squares: Sums,
    since: u32,
    peak: f64,
    spread: Reading<Spread>,
    come: Vec<f64>,
    gone: Vec<f64>,
    buffer: Vec<f64>,
    means: Vec<f64>,
    ready: bool,
    /// Snapshots to come until the last one that cannot be followed has left.
    blocked: usize,
}

impl Tracker {
    /// For a window of `slots` − 1 snapshots.
    pub(super) fn new(followed: Followed, slots: usize) -> Self {
        let directions = followed.space == Space::Directions;
        Self {
            followed,
            volumes: None,
            radii: Radii::new(if directions { slots } else { 0 }),
            all: Lists::new(slots, followed, Among::All),
            parts: Lists::new(slots, followed, Among::Block),
            blocks: 0,
            rows: Sums::new(slots),
            lags: Sums::new(slots),
            squares: Sums::new(LANES),
            since: 0,
            peak: 0.0,
            spread: Reading::Pending { seen: 0, needed: 3 },
            come: vec![0.0; slots],
            gone: vec![0.0; slots],
            buffer: vec![0.0; slots],
            means: vec![0.0; slots],
            ready: false,
            blocked: 0,
        }
    }

    /// Whether it answers for these neighbours now.
    pub(super) fn answers(&self, space: Space, neighbors: Neighbors) -> bool {
        self.ready && self.followed == Followed { space, neighbors }
    }

    pub(super) const fn clear(&mut self) {
        self.ready = false;
        self.blocked = 0;
    }

    /// A snapshot has come.
    pub(super) fn pushed(&mut self, ring: Ring<'_>) {
        let newest = ring.slot(ring.len.saturating_sub(1));
        self.blocked = self.blocked.saturating_sub(1);
        if !self.admit(ring, newest) {
            self.blocked = ring.slots - 1;
        }
        if self.blocked > 0 || ring.len + 1 < ring.slots {
            self.ready = false;
        } else if self.ready {
            // The same operations, compiled for wider vectors: the bits are the same.
            #[cfg(feature = "simd")]
            {
                use fearless_simd::{Level, Simd, dispatch};
                dispatch!(Level::new(), simd => {
                    let _ = simd.level();
                    self.slide(ring, newest);
                });
            }
            #[cfg(not(feature = "simd"))]
            self.slide(ring, newest);
        } else {
            self.build(ring);
        }
    }

    /// Many snapshots have come at once.
    pub(super) fn filled(&mut self, ring: Ring<'_>) {
        self.blocked = 0;
        for time in 0..ring.len {
            if !self.admit(ring, ring.slot(time)) {
                self.blocked = time + 1;
            }
        }
        self.ready = false;
        if self.blocked == 0 && ring.len + 1 == ring.slots {
            self.build(ring);
        }
    }

    /// Whether a snapshot can be followed: it has a direction where one is needed, and no distance
    /// is too large to be squared.
    fn admit(&mut self, ring: Ring<'_>, slot: usize) -> bool {
        if self.followed.space == Space::Directions
            && (ring.dimension < 2 || self.radii.set(slot, ring.norms[slot]).is_none())
        {
            return false;
        }
        let row = ring.row(slot);
        let small = |range: &Range<usize>| row[range.clone()].iter().all(|&d| d <= LARGEST);
        ring.ranges(0, ring.len).iter().all(small)
    }

    /// Distances in the metric from a slot to those of a range of slots.
    #[inline(always)]
    fn metric(&self, ring: Ring<'_>, slot: usize, range: Range<usize>, into: &mut [f64]) {
        let row = &ring.row(slot)[range.clone()];
        match self.followed.space {
            Space::Parameters => into[..row.len()].copy_from_slice(row),
            Space::Directions => {
                let own = slot.wrapping_sub(range.start);
                self.radii.chords(slot, range, row, into);
                if own < row.len() {
                    into[own] = 0.0;
                }
            }
        }
    }

    /// Searches the neighbours of the snapshot at `time` among those from `from` to `to`.
    #[inline(always)]
    fn search(&mut self, ring: Ring<'_>, which: Among, time: usize, (from, to): (usize, usize)) {
        let slot = ring.slot(time);
        let w = self.followed.neighbors.excluded();
        let near = (
            time.saturating_sub(w),
            to.min(time.saturating_add(w).saturating_add(1)),
        );
        let mut buffer = std::mem::take(&mut self.buffer);
        self.lists(which).clear(slot);
        for (a, b) in [(from, near.0.max(from)), (near.1.max(from), to)] {
            for range in ring.ranges(a, b) {
                let start = range.start;
                let row = &mut buffer[..range.len()];
                self.metric(ring, slot, range, row);
                self.lists(which).scan(slot, row, start);
            }
        }
        self.buffer = buffer;
    }

    fn lists(&mut self, which: Among) -> &mut Lists {
        match which {
            Among::All => &mut self.all,
            Among::Block => &mut self.parts,
        }
    }

    /// Takes the logarithm of the ball out to the k-th of a slot.
    fn measure(&mut self, which: Among, slot: usize) {
        if let Some(volumes) = self.volumes {
            let lists = self.lists(which);
            lists.ln_volume[slot] = volumes.ln(lists.kth(slot));
        }
    }

    /// Everything from scratch.
    fn build(&mut self, ring: Ring<'_>) {
        let n = ring.len;
        self.volumes = Some(Volumes::new(self.followed.space, ring.dimension));
        let least = self
            .followed
            .neighbors
            .excluded()
            .saturating_add(self.all.keep)
            .saturating_mul(2);
        self.ready = n > least;
        if !self.ready {
            return;
        }
        for time in 0..n {
            self.search(ring, Among::All, time, (0, n));
            self.measure(Among::All, ring.slot(time));
        }
        self.afresh(ring);
        self.blocks = 0;
        self.describe(ring);
    }

    /// Takes the running sums from the matrix.
    fn afresh(&mut self, ring: Ring<'_>) {
        self.rows.clear();
        self.lags.clear();
        self.squares.clear();
        let n = ring.len;
        let mut row = std::mem::take(&mut self.come);
        for time in 0..n {
            let slot = ring.slot(time);
            let mut at = 0;
            for range in ring.ranges(time + 1, n) {
                let piece = &mut row[at..at + range.len()];
                at += range.len();
                self.metric(ring, slot, range.clone(), piece);
                self.rows.add(range.start, piece, 1.0);
            }
            self.take(slot, &row[..at], 1.0);
        }
        self.come = row;
        self.since = 0;
        self.peak = 0.0;
    }

    /// Adds the distances of a slot to its later or earlier ones, by lag from 1 on, to its own sum,
    /// to those of the diagonals and to that of squares; or takes them off the latter two.
    #[inline(always)]
    fn take(&mut self, slot: usize, by_lag: &[f64], sign: f64) {
        if !self.followed.neighbors.is_independent() {
            self.lags.add(1, by_lag, sign);
        }
        let (lines, rest) = by_lag.as_chunks::<LANES>();
        let mut own = Sums::new(0);
        std::mem::swap(&mut own, &mut self.squares);
        for line in lines {
            own.add(0, &line.map(|d| d * d), sign);
        }
        for (lane, d) in rest.iter().enumerate() {
            own.add(lane, &[d * d], sign);
        }
        std::mem::swap(&mut own, &mut self.squares);
        if sign > 0.0 {
            let mut sum = [Twofold::default(); LANES];
            for line in lines {
                for (sum, &d) in sum.iter_mut().zip(line) {
                    sum.add(d);
                }
            }
            for (sum, &d) in sum.iter_mut().zip(rest) {
                sum.add(d);
            }
            let total = sum.into_iter().reduce(Twofold::plus).unwrap_or_default();
            let (high, low) = total.parts();
            self.rows.add(slot, &[high], 1.0);
            self.rows.low[slot] += low;
        }
    }

    /// One snapshot in, the oldest out.
    #[inline(always)]
    fn slide(&mut self, ring: Ring<'_>, newest: usize) {
        let n = ring.len;
        // The slot that has become the spare one.
        let left = (newest + 1) % ring.slots;
        let (mut come, mut gone) = (
            std::mem::take(&mut self.come),
            std::mem::take(&mut self.gone),
        );
        for range in ring.ranges(0, n - 1) {
            self.metric(ring, newest, range.clone(), &mut come[range.clone()]);
            self.metric(ring, left, range.clone(), &mut gone[range]);
        }
        self.slide_sums(ring, newest, &come, &gone);
        self.slide_all(ring, (newest, left), &come, &gone);
        self.come = come;
        self.gone = gone;
        if self.since >= AFRESH {
            self.afresh(ring);
        }
        self.slide_parts(ring);
        self.describe(ring);
    }

    #[inline(always)]
    fn slide_sums(&mut self, ring: Ring<'_>, newest: usize, come: &[f64], gone: &[f64]) {
        let n = ring.len;
        let mut by_lag = std::mem::take(&mut self.buffer);
        let mut at = 0;
        for range in ring.ranges(0, n - 1) {
            self.rows.add(range.start, &come[range.clone()], 1.0);
            self.rows.add(range.start, &gone[range.clone()], -1.0);
            by_lag[at..at + range.len()].copy_from_slice(&gone[range.clone()]);
            at += range.len();
        }
        self.take(newest, &by_lag[..at], -1.0);
        at = 0;
        for range in ring.ranges(0, n - 1).into_iter().rev() {
            for (slot, &d) in by_lag[at..]
                .iter_mut()
                .zip(come[range.clone()].iter().rev())
            {
                *slot = d;
            }
            at += range.len();
        }
        (self.rows.high[newest], self.rows.low[newest]) = (0.0, 0.0);
        self.take(newest, &by_lag[..at], 1.0);
        self.buffer = by_lag;
        self.since += 1;
    }

    #[inline(always)]
    fn slide_all(
        &mut self,
        ring: Ring<'_>,
        (newest, left): (usize, usize),
        come: &[f64],
        gone: &[f64],
    ) {
        let n = ring.len;
        // Those too near in time to be a neighbour of the newest.
        let late = n - 1 - self.followed.neighbors.excluded().min(n - 1);
        let mut time = 0;
        for range in ring.ranges(0, n - 1) {
            for slot in range {
                let reach = self.all.reach[slot];
                let candidate = time < late && come[slot] < reach;
                if candidate || gone[slot] <= reach {
                    self.exchange(
                        ring,
                        Among::All,
                        (time, slot),
                        (0, n),
                        (left, gone[slot]),
                        candidate.then_some((newest, come[slot])),
                    );
                }
                time += 1;
            }
        }
        // The newest has its distances at hand.
        self.all.clear(newest);
        for range in ring.ranges(0, late) {
            self.all.scan(newest, &come[range.clone()], range.start);
        }
        self.measure(Among::All, newest);
    }

    /// Takes a neighbour out of a list and another in, and searches where too few are left.
    fn exchange(
        &mut self,
        ring: Ring<'_>,
        which: Among,
        (time, slot): (usize, usize),
        among: (usize, usize),
        (left, gone): (usize, f64),
        entered: Option<(usize, f64)>,
    ) {
        let lists = self.lists(which);
        let before = lists.kth(slot);
        if gone <= lists.reach[slot] {
            #[expect(clippy::cast_possible_truncation, reason = "a slot is at most 23170")]
            lists.remove(slot, left as u32);
        }
        if let Some((newest, d)) = entered
            && d < lists.reach[slot]
        {
            #[expect(clippy::cast_possible_truncation, reason = "a slot is at most 23170")]
            lists.insert(slot, newest as u32, d);
        }
        if (lists.len[slot] as usize) < lists.k {
            self.search(ring, which, time, among);
        }
        if self.lists(which).kth(slot) != before {
            self.measure(which, slot);
        }
    }

    #[inline(always)]
    fn slide_parts(&mut self, ring: Ring<'_>) {
        let (n, blocks, w) = (ring.len, self.blocks, self.followed.neighbors.excluded());
        let (mut come, mut gone) = (
            std::mem::take(&mut self.come),
            std::mem::take(&mut self.gone),
        );
        for block in 0..blocks {
            let (from, to) = (block * n / blocks, (block + 1) * n / blocks);
            // What was the block's first is one slot back now.
            let left = (ring.slot(from) + ring.slots - 1) % ring.slots;
            let entered = ring.slot(to - 1);
            let late = to - 1 - w.min(to - 1);
            let mut time = from;
            for range in ring.ranges(from, to - 1) {
                let len = range.len();
                self.metric(ring, entered, range.clone(), &mut come[..len]);
                self.metric(ring, left, range.clone(), &mut gone[..len]);
                for ((slot, &come), &gone) in range.zip(&come).zip(&gone) {
                    let reach = self.parts.reach[slot];
                    let candidate = time < late && come < reach;
                    if candidate || gone <= reach {
                        self.exchange(
                            ring,
                            Among::Block,
                            (time, slot),
                            (from, to),
                            (left, gone),
                            candidate.then_some((entered, come)),
                        );
                    }
                    time += 1;
                }
            }
            self.search(ring, Among::Block, to - 1, (from, to));
            self.measure(Among::Block, entered);
        }
        self.come = come;
        self.gone = gone;
    }

    /// Size, memory and shape of the cloud, and the blocks that follow from them.
    #[inline(always)]
    fn describe(&mut self, ring: Ring<'_>) {
        let mut total = self.sums(ring);
        self.peak = self.peak.max(total);
        if total * f64::from(AFRESH) < self.peak {
            self.afresh(ring);
            total = self.sums(ring);
            self.peak = total;
        }
        let squares = 2.0
            * (0..LANES)
                .map(|lane| Twofold::new(self.squares.high[lane], self.squares.low[lane]))
                .reduce(Twofold::plus)
                .unwrap_or_default()
                .value();
        let n = ring.len as f64;
        let mean_squares: f64 = self.means[..ring.len].iter().map(|m| m * m).sum();
        let grand = total / (n * n);
        let centred = 0.25 * (squares - 2.0 * n * mean_squares + n * n * grand * grand);
        self.spread = match spread::unusable(grand) {
            Some(reason) => Reading::Undefined(reason),
            None => Reading::Ready(Spread::of_sums(
                ring.len,
                ring.dimension,
                centred,
                self.covariances(ring.len, total),
            )),
        };
        let blocks = self.spread.ready().map_or(0, |spread| {
            let n_eff = if self.followed.neighbors.is_independent() {
                n
            } else {
                spread.n_eff()
            };
            match Scheme::of(
                ring.len,
                Context::blocks_for(ring.len, n_eff),
                self.followed.neighbors,
            ) {
                (Scheme::Disjoint, blocks) => blocks,
                (Scheme::LeftOut, _) => 0,
            }
        });
        if blocks != self.blocks {
            self.blocks = blocks;
            for block in 0..blocks {
                let (from, to) = (block * ring.len / blocks, (block + 1) * ring.len / blocks);
                for time in from..to {
                    self.search(ring, Among::Block, time, (from, to));
                    self.measure(Among::Block, ring.slot(time));
                }
            }
        }
    }

    /// Means of rows in the order of time; the sum over the matrix.
    #[inline(always)]
    fn sums(&mut self, ring: Ring<'_>) -> f64 {
        let n = ring.len;
        let size = n as f64;
        let mut time = 0;
        for range in ring.ranges(0, n) {
            for slot in range {
                self.means[time] = self.rows.value(slot) / size;
                time += 1;
            }
        }
        self.means[..n].iter().sum::<f64>() * size
    }

    /// Autocovariances by lag, from the mean of rows and the sum over the matrix.
    ///
    /// For independent snapshots that at lag 0 only: the others are not asked for.
    fn covariances(&self, n: usize, total: f64) -> impl Iterator<Item = f64> {
        let lags = if self.followed.neighbors.is_independent() {
            1
        } else {
            n
        };
        let size = n as f64;
        let grand = total / (size * size);
        // Means of the first n − τ, and of the last.
        let (mut first, mut last) = (total / size, total / size);
        (0..lags).map(move |lag| {
            if lag > 0 {
                first -= self.means[n - lag];
                last -= self.means[lag - 1];
            }
            -0.5 * ((self.lags.value(lag) - first) - (last - (n - lag) as f64 * grand))
        })
    }

    /// Size, memory and shape of the cloud.
    pub(super) fn spread(&self) -> Reading<Spread> {
        self.spread.clone()
    }

    /// Blocks whose neighbours are followed.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Whether two snapshots coincide, and whether a k-th neighbour does.
    pub(super) fn coincide(&self, ring: Ring<'_>) -> (bool, bool) {
        let slots = || ring.ranges(0, ring.len).into_iter().flatten();
        let any = slots().any(|slot| self.all.nearest(slot) <= 0.0);
        (any, any && slots().any(|slot| self.all.kth(slot) <= 0.0))
    }

    /// ln of the balls out to the k-th neighbours of the snapshots `from..to` in time, among all or
    /// among their block, in the order of time.
    pub(super) fn ln_volumes(
        &self,
        ring: Ring<'_>,
        (from, to): (usize, usize),
        which: Among,
    ) -> impl Iterator<Item = f64> {
        let lists = match which {
            Among::All => &self.all,
            Among::Block => &self.parts,
        };
        let ranges = ring.ranges(from, to);
        ranges
            .into_iter()
            .flat_map(|range| lists.ln_volume[range].iter().copied())
    }

    pub(super) fn bytes(&self, slots: usize) -> usize {
        slots * self.followed.bytes_per_slot()
    }
}

/// Among which snapshots neighbours were sought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Among {
    All,
    Block,
}
