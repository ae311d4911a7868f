//! One group of a model: which coordinates of the flat vector are meant.
//!
//! The curvature of a layer is the diagonal block of the Hessian over its coordinates, with every
//! other weight held. Restricted to them, any [`Objective`], [`Loss`] or [`HessianVector`] is a
//! smaller one of its own ([`Coordinates::of`], [`Coordinates::loss_of`], [`Coordinates::block`]), and every
//! function of this module and of [`flatness`](crate::flatness) takes it.
//!
//! Traces of blocks that cover the model add up to the trace of the whole. Extreme eigenvalues do
//! not: those of a block lie between those of the whole (Cauchy's interlacing), and how far inside
//! says how much curvature couples the groups.

use std::ops::Range;

use super::objective::{HessianVector, Loss, Objective, check_length, check_weights, product};
use crate::{Error, curvature::Cost};

/// A set of coordinates, as ranges that ascend and do not touch each other.
///
/// ```
/// use thermograd::curvature::Coordinates;
/// let ranges = Coordinates::ranges([0..2, 4..5])?;
/// assert_eq!(ranges, Coordinates::mask(&[true, true, false, false, true])?);
/// assert_eq!(ranges.len(), 3);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinates {
    ranges: Vec<Range<usize>>,
    len: usize,
}

impl Coordinates {
    /// The coordinates of one range.
    ///
    /// # Errors
    /// Those of [`ranges`](Self::ranges).
    pub fn range(range: Range<usize>) -> Result<Self, Error> {
        Self::ranges(std::iter::once(range))
    }

    /// The coordinates in these ranges, ascending; neighbours are joined, empty ranges left out.
    ///
    /// # Errors
    /// [`Error::Conflict`] for ranges that overlap or descend, [`Error::Empty`] for none at all.
    pub fn ranges(ranges: impl IntoIterator<Item = Range<usize>>) -> Result<Self, Error> {
        let mut joined: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            if range.start > range.end || joined.last().is_some_and(|last| range.start < last.end) {
                return Err(Error::Conflict {
                    what: "ranges of coordinates that overlap or descend",
                    remedy: "give them in ascending order, each coordinate once",
                });
            }
            match joined.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ if range.is_empty() => {}
                _ => joined.push(range),
            }
        }
        let len = joined.iter().map(ExactSizeIterator::len).sum();
        if len == 0 {
            return Err(Error::Empty {
                place: "the set of coordinates".to_owned(),
                remedy: "choose at least one coordinate",
            });
        }
        Ok(Self {
            ranges: joined,
            len,
        })
    }

    /// The coordinates where `mask` is true.
    ///
    /// # Errors
    /// [`Error::Empty`] where it nowhere is.
    pub fn mask(mask: &[bool]) -> Result<Self, Error> {
        let mut from = 0;
        Self::ranges(mask.chunk_by(|a, b| a == b).filter_map(|run| {
            let range = from..from + run.len();
            from = range.end;
            (run.first() == Some(&true)).then_some(range)
        }))
    }

    /// How many they are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Never: a set has at least one coordinate.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ranges, ascending.
    pub fn as_ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// These coordinates of a vector, one after another.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] for a vector that does not reach to the last of them.
    pub fn gather(&self, from: &[f64]) -> Result<Vec<f64>, Error> {
        self.check(from.len())?;
        let mut out = vec![0.0; self.len];
        self.collect(from, &mut out);
        Ok(out)
    }

    /// An objective over these coordinates alone, the others held at `weights`.
    ///
    /// ```
    /// use thermograd::curvature::{Coordinates, Objective, gradient};
    /// let product = gradient(|w: &[f64], g: &mut [f64]| {
    ///     (g[0], g[1]) = (w[1], w[0]);
    ///     w[0] * w[1]
    /// });
    /// let mut second = Coordinates::range(1..2)?.of(product, &[3.0, 5.0])?;
    /// let mut g = [0.0];
    /// assert_eq!(second.evaluate(&[2.0], &mut g)?, 6.0);
    /// assert_eq!(g, [3.0]);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] for weights that do not reach to the last coordinate; those of
    /// weights that are empty or not finite.
    pub fn of<O>(&self, objective: O, weights: &[f64]) -> Result<Restricted<O>, Error> {
        check_weights(weights)?;
        self.check(weights.len())?;
        Ok(Restricted {
            inner: objective,
            coordinates: self.clone(),
            weights: weights.to_vec(),
            gradient: vec![0.0; weights.len()],
        })
    }

    /// A loss over these coordinates alone, the others held at `weights`.
    ///
    /// # Errors
    /// Those of [`of`](Self::of).
    pub fn loss_of<L>(&self, loss: L, weights: &[f64]) -> Result<RestrictedLoss<L>, Error> {
        check_weights(weights)?;
        self.check(weights.len())?;
        Ok(RestrictedLoss {
            inner: loss,
            coordinates: self.clone(),
            weights: weights.to_vec(),
        })
    }

    /// The diagonal block of a Hessian over these coordinates.
    ///
    /// ```
    /// use thermograd::curvature::{Coordinates, HessianVector, hessian_vector};
    /// let mut whole = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
    ///     (out[0], out[1]) = (2.0 * v[0] + v[1], v[0] + 7.0 * v[1]);
    ///     Ok::<(), std::fmt::Error>(())
    /// });
    /// let mut block = Coordinates::range(1..2)?.block(&mut whole)?;
    /// let mut out = [0.0];
    /// block.apply(&[1.0], &mut out)?;
    /// assert_eq!(out, [7.0]);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] for a Hessian that does not reach to the last coordinate.
    pub fn block<H: HessianVector>(&self, hessian: H) -> Result<Block<H>, Error> {
        let dimension = hessian.dimension();
        self.check(dimension)?;
        Ok(Block {
            inner: hessian,
            coordinates: self.clone(),
            direction: vec![0.0; dimension],
            product: vec![0.0; dimension],
        })
    }

    pub(crate) fn check(&self, len: usize) -> Result<(), Error> {
        match self.ranges.last() {
            Some(last) if last.end > len => Err(Error::LengthMismatch {
                place: "the vector that a set of coordinates is of".to_owned(),
                expected: last.end,
                found: len,
            }),
            _ => Ok(()),
        }
    }

    fn collect(&self, from: &[f64], out: &mut [f64]) {
        let chosen = self.iter_of(from);
        for (out, x) in out.iter_mut().zip(chosen) {
            *out = *x;
        }
    }

    /// The elements at these coordinates; those beyond the end are left out.
    pub(crate) fn iter_of<'a>(&'a self, from: &'a [f64]) -> impl Iterator<Item = &'a f64> {
        self.ranges
            .iter()
            .flat_map(|range| from.get(range.clone()).unwrap_or(&[]))
    }

    fn scatter(&self, from: &[f64], out: &mut [f64]) {
        let mut rest = from;
        for range in &self.ranges {
            let (head, tail) = rest.split_at(range.len().min(rest.len()));
            if let Some(place) = out.get_mut(range.start..range.start + head.len()) {
                place.copy_from_slice(head);
            }
            rest = tail;
        }
    }
}

/// An objective over part of the weights ([`Coordinates::of`]).
#[derive(Debug, Clone)]
pub struct Restricted<O> {
    inner: O,
    coordinates: Coordinates,
    weights: Vec<f64>,
    gradient: Vec<f64>,
}

impl<O: Objective> Objective for Restricted<O> {
    fn evaluate(&mut self, weights: &[f64], gradient: &mut [f64]) -> Result<f64, Error> {
        check_length("the weights", self.coordinates.len, weights.len())?;
        self.coordinates.scatter(weights, &mut self.weights);
        self.gradient.fill(f64::NAN);
        let loss = self.inner.evaluate(&self.weights, &mut self.gradient)?;
        self.coordinates.collect(&self.gradient, gradient);
        Ok(loss)
    }

    fn rounding(&self) -> f64 {
        self.inner.rounding()
    }
}

/// A loss over part of the weights ([`Coordinates::loss_of`]).
#[derive(Debug, Clone)]
pub struct RestrictedLoss<L> {
    inner: L,
    coordinates: Coordinates,
    weights: Vec<f64>,
}

impl<L: Loss> Loss for RestrictedLoss<L> {
    fn loss(&mut self, weights: &[f64]) -> Result<f64, Error> {
        check_length("the weights", self.coordinates.len, weights.len())?;
        self.coordinates.scatter(weights, &mut self.weights);
        self.inner.loss(&self.weights)
    }
}

/// A diagonal block of a Hessian ([`Coordinates::block`]).
#[derive(Debug, Clone)]
pub struct Block<H> {
    inner: H,
    coordinates: Coordinates,
    direction: Vec<f64>,
    product: Vec<f64>,
}

impl<H: HessianVector> HessianVector for Block<H> {
    fn dimension(&self) -> usize {
        self.coordinates.len
    }

    fn apply(&mut self, direction: &[f64], out: &mut [f64]) -> Result<(), Error> {
        check_length("the direction", self.coordinates.len, direction.len())?;
        self.coordinates.scatter(direction, &mut self.direction);
        let mut cost = Cost::default();
        product(
            &mut self.inner,
            &self.direction,
            &mut self.product,
            &mut cost,
        )?;
        self.coordinates.collect(&self.product, out);
        Ok(())
    }

    fn evaluations_per_product(&self) -> u64 {
        self.inner.evaluations_per_product()
    }

    fn rounding(&self) -> f64 {
        self.inner.rounding()
    }
}
