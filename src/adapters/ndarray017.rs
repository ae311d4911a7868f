//! Arrays of ndarray 0.17 as tensors of a snapshot, whatever their strides.
//!
//! [`tensor`] takes views: of a whole array, of a slice with a step, reversed, transposed,
//! broadcast. Elements are read in the logical order of the array, the last axis fastest. Arrays
//! in standard layout are read in place; others are copied through a tile of 256 elements on the
//! stack, so that nothing is allocated.
//!
//! The logical order is kept because what is remembered of a coordinate is kept by its position:
//! the gradient that comes from `x.t().dot(&delta)` may be laid out one way in one step and
//! another way in the next, and must not be scrambled against the weights.
//!
//! ```
//! use ::ndarray017::array;
//! use thermograd::{adapters::ndarray017, Groups, Moment, Observer, Step, Symmetry};
//! let mut groups = Groups::new();
//! let layer = groups.add("layer", Symmetry::Generic);
//! let mut observer = Observer::new(groups)?;
//! let weights = array![[1.0_f32, 2.0], [3.0, 4.0]];
//! let gradient_transposed = array![[1.0_f32, 0.0], [0.0, 2.0]];
//! observer.observe(
//!     &Step::new(0.5),
//!     &ndarray017::tensor(layer, weights.view(), gradient_transposed.t())?,
//! )?;
//! // w·g = 1·1 + 4·2
//! assert_eq!(observer.ensemble(Some(layer))?.mean(Moment::Virial), Some(9.0));
//! # Ok::<(), thermograd::Error>(())
//! ```

use ndarray017::{ArrayView, ArrayView1, Axis, Dimension, Slice, iter::LanesIter};

use super::gather::{Element, Read, Stream, Streams, give};
use crate::{Collector, Error, GroupId, Snapshot, View};

/// Weights and gradient of one tensor, as a snapshot: observe it, or visit it from the snapshot of
/// a model of many.
///
/// # Errors
/// [`Error::ShapeMismatch`] where the two shapes differ.
pub fn tensor<'a, T: Element, D: Dimension>(
    group: GroupId,
    weights: ArrayView<'a, T, D>,
    gradient: ArrayView<'a, T, D>,
) -> Result<Tensor<'a, T, D>, Error> {
    same_shape("gradient", &weights, &gradient)?;
    Ok(Tensor {
        group,
        weights,
        gradient,
        second: None,
        update: None,
        preconditioner: None,
    })
}

/// The snapshot that [`tensor`] returns.
#[derive(Debug, Clone)]
pub struct Tensor<'a, T, D: Dimension> {
    group: GroupId,
    weights: ArrayView<'a, T, D>,
    gradient: ArrayView<'a, T, D>,
    second: Option<ArrayView<'a, T, D>>,
    update: Option<ArrayView<'a, T, D>>,
    preconditioner: Option<ArrayView<'a, T, D>>,
}

impl<'a, T: Element, D: Dimension> Tensor<'a, T, D> {
    /// Adds an independent gradient at the same weights; see
    /// [`Piece::second_gradient`](crate::Piece::second_gradient).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`].
    pub fn second_gradient(mut self, gradient: ArrayView<'a, T, D>) -> Result<Self, Error> {
        same_shape("second gradient", &self.weights, &gradient)?;
        self.second = Some(gradient);
        Ok(self)
    }

    /// Adds the optimiser's update; see [`Piece::update`](crate::Piece::update).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`].
    pub fn update(mut self, update: ArrayView<'a, T, D>) -> Result<Self, Error> {
        same_shape("update", &self.weights, &update)?;
        self.update = Some(update);
        Ok(self)
    }

    /// Adds the optimiser's preconditioner; see
    /// [`Piece::preconditioner`](crate::Piece::preconditioner).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`].
    pub fn preconditioner(mut self, diagonal: ArrayView<'a, T, D>) -> Result<Self, Error> {
        same_shape("preconditioner", &self.weights, &diagonal)?;
        self.preconditioner = Some(diagonal);
        Ok(self)
    }
}

fn same_shape<T, D: Dimension>(
    stream: &str,
    weights: &ArrayView<'_, T, D>,
    other: &ArrayView<'_, T, D>,
) -> Result<(), Error> {
    if weights.shape() == other.shape() {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        place: stream.to_owned(),
        expected: weights.shape().to_vec(),
        found: other.shape().to_vec(),
    })
}

impl<T: Element, D: Dimension> Snapshot for Tensor<'_, T, D> {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        let mut weights = Source::new(&self.weights);
        let mut gradient = Source::new(&self.gradient);
        let mut second = self.second.as_ref().map(Source::new);
        let mut update = self.update.as_ref().map(Source::new);
        let mut diagonal = self.preconditioner.as_ref().map(Source::new);
        let streams = Streams {
            weights: weights.stream(),
            gradient: gradient.stream(),
            second: second.as_mut().map(Source::stream),
            update: update.as_mut().map(Source::stream),
            preconditioner: diagonal.as_mut().map(Source::stream),
        };
        give(out, self.group, self.weights.len(), streams)
    }
}

/// An array as a stream: in place, or lane by lane along its last axis.
enum Source<'a, T, D: Dimension> {
    Run(View<'a>),
    Lanes(Lanes<'a, T, D>),
}

impl<'a, T: Element, D: Dimension> Source<'a, T, D> {
    fn new(array: &'a ArrayView<'_, T, D>) -> Self {
        match array.as_slice() {
            Some(run) => Self::Run(T::view(run)),
            None => Self::Lanes(Lanes {
                rest: array.rows().into_iter(),
                lane: None,
                at: 0,
            }),
        }
    }

    fn stream(&mut self) -> Stream<'_> {
        match self {
            Self::Run(view) => Stream::Run(*view),
            Self::Lanes(lanes) => Stream::Scattered(lanes),
        }
    }
}

struct Lanes<'a, T, D: Dimension> {
    rest: LanesIter<'a, T, D::Smaller>,
    lane: Option<ArrayView1<'a, T>>,
    at: usize,
}

impl<T: Element, D: Dimension> Read for Lanes<'_, T, D> {
    fn read(&mut self, mut out: &mut [f64]) {
        while !out.is_empty() {
            let Some(lane) = &self.lane else {
                self.lane = self.rest.next();
                self.at = 0;
                if self.lane.is_none() {
                    return;
                }
                continue;
            };
            let take = out.len().min(lane.len() - self.at);
            let (now, later) = out.split_at_mut(take);
            let end = self.at + take;
            if let Some(run) = lane.as_slice() {
                for (slot, &value) in now.iter_mut().zip(&run[self.at..end]) {
                    *slot = value.into();
                }
            } else {
                let part = lane.slice_axis(Axis(0), Slice::from(self.at..end));
                for (slot, &value) in now.iter_mut().zip(part) {
                    *slot = value.into();
                }
            }
            out = later;
            if end == lane.len() {
                self.lane = None;
            } else {
                self.at = end;
            }
        }
    }

    fn is_wide(&self) -> bool {
        T::WIDE
    }
}
