//! The directions of one window in bounded memory: sketches of weights at evenly spaced steps.
//!
//! A snapshot of `d` followed coordinates is kept as `m` sums of them, each coordinate falling into one sum, by a hash of its position,
//! with a random sign (Charikar, Chen and Farach-Colton, Theoret. Comput. Sci. 312, 2004). Inner products of
//! sketches are those of the snapshots without bias, and scatter by `1/√m` of the product of the norms. With `d ≤ m` the coordinates are kept as they are.
//!
//! Of a window, 64 to 128 snapshots are held: whenever 128 are full every other one goes, and from then on half as many
//! are taken. So memory is fixed, a look costs one pass over the probe, and looks become rare as the window grows. A window after another of its
//! length begins with the right spacing.
//!
//! When it lies: a participation ratio above `m` cannot be seen, and one near it reads low. Steps outside the bursts of a cadence are
//! not sampled, so that snapshots are evenly spaced in bursts rather than in steps.

use crate::history::History;

/// Snapshots at which every other one is dropped.
const FULL: usize = 128;

/// Snapshots of one group in one window.
#[derive(Debug, Clone)]
pub(super) struct Cloud {
    dimension: usize,
    seed: u64,
    /// Snapshot after snapshot.
    data: Vec<f64>,
    /// The step of each.
    steps: Vec<u64>,
    stride: u64,
    /// Observed steps since the window began.
    seen: u64,
}

impl Cloud {
    pub(super) fn new(history: &History, dimension: usize, seed: u64) -> Self {
        let dimension = dimension.min(history.len());
        Self {
            dimension,
            seed,
            data: vec![0.0; FULL * dimension],
            steps: Vec::with_capacity(FULL),
            stride: 1,
            seen: 0,
        }
    }

    /// Begins a window, which is expected to be as long as the one before, of so many steps seen.
    pub(super) fn begin(&mut self, expected: u64) {
        self.steps.clear();
        self.stride = expected.div_ceil(FULL as u64 - 1).max(1);
        self.seen = 0;
    }

    /// Steps seen in this window, taken in or not.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes in the weights that the history holds, if it is their turn.
    pub(super) fn push(&mut self, step: u64, history: &History) {
        let due = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        if !due || self.dimension == 0 {
            return;
        }
        let at = self.steps.len() * self.dimension;
        if let Some(slot) = self.data.get_mut(at..at + self.dimension) {
            history.sketch(self.seed, slot);
            self.steps.push(step);
        }
        if self.steps.len() == FULL {
            for kept in 1..FULL / 2 {
                let from = 2 * kept * self.dimension;
                self.data
                    .copy_within(from..from + self.dimension, kept * self.dimension);
                self.steps[kept] = self.steps[2 * kept];
            }
            self.steps.truncate(FULL / 2);
            self.stride = self.stride.saturating_mul(2);
        }
    }

    /// The snapshots, in order of time.
    pub(super) fn snapshots(&self) -> Vec<&[f64]> {
        self.data
            .chunks_exact(self.dimension.max(1))
            .take(self.steps.len())
            .collect()
    }

    /// Mean number of steps between successive snapshots; `None` below two of them.
    pub(super) fn spacing(&self) -> Option<f64> {
        let (first, last) = (self.steps.first()?, self.steps.last()?);
        let gaps = self.steps.len() - 1;
        (gaps > 0 && last > first).then(|| (last - first) as f64 / gaps as f64)
    }
}
