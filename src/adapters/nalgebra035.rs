//! Matrices of nalgebra 0.35 as tensors of a snapshot, whatever their strides.
//!
//! [`tensor`] takes anything that converts to a view with dynamic strides: `&matrix`, a view of
//! some rows and columns, a row-major buffer seen through its strides. Elements are read in
//! nalgebra's own order, column by column, and copied through a tile of 256 elements on the stack.
//! A whole matrix that is laid out that way needs no adapter: its `as_slice()` goes to
//! [`Collector::tensor`] without a copy.
//!
//! ```
//! use nalgebra::{DMatrixView, Dyn, Matrix2};
//! use thermograd::{adapters::nalgebra035, Groups, Moment, Observer, Step, Symmetry};
//! let mut groups = Groups::new();
//! let layer = groups.add("layer", Symmetry::Generic);
//! let mut observer = Observer::new(groups)?;
//! let weights = Matrix2::new(1.0_f32, 2.0, 3.0, 4.0);
//! // The gradient in a row-major buffer: one row is two elements on.
//! let buffer = [1.0_f32, 0.0, 0.0, 2.0];
//! let gradient = DMatrixView::from_slice_with_strides_generic(&buffer, Dyn(2), Dyn(2), Dyn(2), Dyn(1));
//! observer.observe(&Step::new(0.5), &nalgebra035::tensor(layer, &weights, gradient)?)?;
//! // w·g = 1·1 + 4·2
//! assert_eq!(observer.ensemble(Some(layer))?.mean(Moment::Virial), Some(9.0));
//! # Ok::<(), thermograd::Error>(())
//! ```

use nalgebra::{Dyn, MatrixView, Scalar, iter::MatrixIter};

use super::gather::{Element, Read, Stream, Streams, give};
use crate::{Collector, Error, GroupId, Snapshot};

/// A matrix of any size and any strides, not owned.
pub type Matrix<'a, T> = MatrixView<'a, T, Dyn, Dyn, Dyn, Dyn>;

/// Weights and gradient of one tensor, as a snapshot: observe it, or visit it from the snapshot of
/// a model of many.
///
/// # Errors
/// [`Error::ShapeMismatch`] where the two shapes differ.
pub fn tensor<'a, T: Element + Scalar>(
    group: GroupId,
    weights: impl Into<Matrix<'a, T>>,
    gradient: impl Into<Matrix<'a, T>>,
) -> Result<Tensor<'a, T>, Error> {
    let (weights, gradient) = (weights.into(), gradient.into());
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
pub struct Tensor<'a, T: Scalar> {
    group: GroupId,
    weights: Matrix<'a, T>,
    gradient: Matrix<'a, T>,
    second: Option<Matrix<'a, T>>,
    update: Option<Matrix<'a, T>>,
    preconditioner: Option<Matrix<'a, T>>,
}

impl<'a, T: Element + Scalar> Tensor<'a, T> {
    /// Adds an independent gradient at the same weights; see
    /// [`Piece::second_gradient`](crate::Piece::second_gradient).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`].
    pub fn second_gradient(mut self, gradient: impl Into<Matrix<'a, T>>) -> Result<Self, Error> {
        let gradient = gradient.into();
        same_shape("second gradient", &self.weights, &gradient)?;
        self.second = Some(gradient);
        Ok(self)
    }

    /// Adds the optimiser's update; see [`Piece::update`](crate::Piece::update).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`].
    pub fn update(mut self, update: impl Into<Matrix<'a, T>>) -> Result<Self, Error> {
        let update = update.into();
        same_shape("update", &self.weights, &update)?;
        self.update = Some(update);
        Ok(self)
    }

    /// Adds the optimiser's preconditioner; see
    /// [`Piece::preconditioner`](crate::Piece::preconditioner).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`].
    pub fn preconditioner(mut self, diagonal: impl Into<Matrix<'a, T>>) -> Result<Self, Error> {
        let diagonal = diagonal.into();
        same_shape("preconditioner", &self.weights, &diagonal)?;
        self.preconditioner = Some(diagonal);
        Ok(self)
    }
}

fn same_shape<T: Element + Scalar>(
    stream: &str,
    weights: &Matrix<'_, T>,
    other: &Matrix<'_, T>,
) -> Result<(), Error> {
    if weights.shape() == other.shape() {
        return Ok(());
    }
    let list = |(rows, columns): (usize, usize)| vec![rows, columns];
    Err(Error::ShapeMismatch {
        place: stream.to_owned(),
        expected: list(weights.shape()),
        found: list(other.shape()),
    })
}

impl<T: Element + Scalar> Snapshot for Tensor<'_, T> {
    fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        let mut weights = Columns(self.weights.iter());
        let mut gradient = Columns(self.gradient.iter());
        let mut second = self.second.as_ref().map(|m| Columns(m.iter()));
        let mut update = self.update.as_ref().map(|m| Columns(m.iter()));
        let mut diagonal = self.preconditioner.as_ref().map(|m| Columns(m.iter()));
        let streams = Streams {
            weights: Stream::Scattered(&mut weights),
            gradient: Stream::Scattered(&mut gradient),
            second: second.as_mut().map(|source| Stream::Scattered(source)),
            update: update.as_mut().map(|source| Stream::Scattered(source)),
            preconditioner: diagonal.as_mut().map(|source| Stream::Scattered(source)),
        };
        give(out, self.group, self.weights.len(), streams)
    }
}

/// A matrix, column by column.
struct Columns<I>(I);

type ViewIter<'a, T> =
    MatrixIter<'a, T, Dyn, Dyn, nalgebra::ViewStorage<'a, T, Dyn, Dyn, Dyn, Dyn>>;

impl<T: Element + Scalar> Read for Columns<ViewIter<'_, T>> {
    fn read(&mut self, out: &mut [f64]) {
        for (slot, &value) in out.iter_mut().zip(&mut self.0) {
            *slot = value.into();
        }
    }

    fn is_wide(&self) -> bool {
        T::WIDE
    }
}
