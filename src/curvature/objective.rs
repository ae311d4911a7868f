//! The door for curvature: a loss and its gradient as closures over flat slices.
//!
//! Everything that asks about the shape of a minimum asks through one of three traits. An
//! [`Objective`] tells loss and gradient at given weights, a [`Loss`] the loss alone, a
//! [`HessianVector`] the product of the Hessian with a direction. [`gradient`], [`gradient_f32`],
//! [`loss`], [`loss_f32`] and [`hessian_vector`] make them of closures; [`CentralDifference`] makes
//! a product of two gradients:
//!
//! <!-- math
//! H v \approx \frac{\nabla L(w + \varepsilon v) - \nabla L(w - \varepsilon v)}{2 \varepsilon}
//! -->
#![doc = include_str!("../math/curvature_objective.html")]
//!
//! with an error of order ε² from third derivatives of the gradient (none for a loss that is cubic
//! at most) and of order ρ/ε from the rounding ρ of the gradient. The default |εv| = ρ^{1/3}|w|
//! balances the two.
//!
//! Assumptions: both gradients are of the *same* batch with the same dropout masks; otherwise their
//! difference is gradient noise over 2ε and no curvature at all. It lies at the kinks of a ReLU,
//! where the gradient jumps: the rare short step that crosses one sees the jump over 2ε, a huge
//! curvature that no larger scale has. Take steps there that cross many
//! ([`CentralDifference::step_length`], a hundredth of |w| or the width of the noise in question):
//! the answer is then the curvature averaged over that distance, which is what a bath feels.
//!
//! A closure may fail. What it returns as an error becomes [`Error::Evaluation`]; a loss or a
//! gradient that is not finite, or an element that was never written, becomes [`Error::NonFinite`].
//! Weights are given as `&[f64]` and never changed.

use std::fmt::Display;

use crate::Error;

/// Loss and gradient at given weights, always of the same batch.
pub trait Objective {
    /// Writes the gradient at `weights` into `gradient`, every element, and returns the loss.
    ///
    /// Both slices have the same length.
    ///
    /// # Errors
    /// What keeps it from an answer: [`Error::Evaluation`].
    fn evaluate(&mut self, weights: &[f64], gradient: &mut [f64]) -> Result<f64, Error>;

    /// The relative rounding ρ of a gradient, which sets the step of differences.
    fn rounding(&self) -> f64 {
        f64::EPSILON
    }
}

impl<O: Objective + ?Sized> Objective for &mut O {
    fn evaluate(&mut self, weights: &[f64], gradient: &mut [f64]) -> Result<f64, Error> {
        (**self).evaluate(weights, gradient)
    }

    fn rounding(&self) -> f64 {
        (**self).rounding()
    }
}

/// The loss at given weights, always of the same batch.
pub trait Loss {
    /// The loss at `weights`.
    ///
    /// # Errors
    /// What keeps it from an answer: [`Error::Evaluation`].
    fn loss(&mut self, weights: &[f64]) -> Result<f64, Error>;
}

impl<L: Loss + ?Sized> Loss for &mut L {
    fn loss(&mut self, weights: &[f64]) -> Result<f64, Error> {
        (**self).loss(weights)
    }
}

/// The product of a Hessian with a direction, at weights that the implementation holds.
pub trait HessianVector {
    /// The number d of weights.
    fn dimension(&self) -> usize;

    /// Writes H v into `out`, every element; both slices have length d.
    ///
    /// # Errors
    /// What keeps it from an answer: [`Error::Evaluation`].
    fn apply(&mut self, direction: &[f64], out: &mut [f64]) -> Result<(), Error>;

    /// Gradient evaluations that one product takes; 0 where it takes something else.
    fn evaluations_per_product(&self) -> u64 {
        0
    }

    /// The relative error of a product, below which differences mean nothing.
    fn rounding(&self) -> f64 {
        f64::EPSILON
    }
}

impl<H: HessianVector + ?Sized> HessianVector for &mut H {
    fn dimension(&self) -> usize {
        (**self).dimension()
    }

    fn apply(&mut self, direction: &[f64], out: &mut [f64]) -> Result<(), Error> {
        (**self).apply(direction, out)
    }

    fn evaluations_per_product(&self) -> u64 {
        (**self).evaluations_per_product()
    }

    fn rounding(&self) -> f64 {
        (**self).rounding()
    }
}

/// What a closure may return for the loss: a float, or a `Result` of one with any printable error.
pub trait LossValue {
    /// The loss, or the printed error.
    ///
    /// # Errors
    /// The closure's own error, printed.
    fn into_loss(self) -> Result<f64, String>;
}

impl LossValue for f64 {
    fn into_loss(self) -> Result<f64, String> {
        Ok(self)
    }
}

impl LossValue for f32 {
    fn into_loss(self) -> Result<f64, String> {
        Ok(f64::from(self))
    }
}

impl<T: Into<f64>, E: Display> LossValue for Result<T, E> {
    fn into_loss(self) -> Result<f64, String> {
        self.map(Into::into).map_err(|error| error.to_string())
    }
}

/// The objective that [`gradient`] makes.
#[derive(Debug, Clone)]
pub struct Gradient<F> {
    closure: F,
    evaluations: u64,
}

/// An objective of a closure `(weights, gradient to be written) → loss`.
///
/// The loss is an `f64`, an `f32`, or a `Result` of one with any printable error.
///
/// ```
/// use thermograd::curvature::{Objective, gradient};
/// let mut bowl = gradient(|w: &[f64], g: &mut [f64]| {
///     g[0] = 3.0 * w[0];
///     1.5 * w[0] * w[0]
/// });
/// let mut g = [0.0];
/// assert_eq!(bowl.evaluate(&[2.0], &mut g)?, 6.0);
/// assert_eq!(g, [6.0]);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn gradient<F, R>(closure: F) -> Gradient<F>
where
    F: FnMut(&[f64], &mut [f64]) -> R,
    R: LossValue,
{
    Gradient {
        closure,
        evaluations: 0,
    }
}

impl<F, R> Objective for Gradient<F>
where
    F: FnMut(&[f64], &mut [f64]) -> R,
    R: LossValue,
{
    fn evaluate(&mut self, weights: &[f64], gradient: &mut [f64]) -> Result<f64, Error> {
        self.evaluations += 1;
        (self.closure)(weights, gradient)
            .into_loss()
            .map_err(|cause| failed("the gradient closure", self.evaluations, cause))
    }
}

/// The objective that [`gradient_f32`] makes.
#[derive(Debug, Clone)]
pub struct GradientF32<F> {
    closure: F,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    evaluations: u64,
}

/// The same of a closure in single precision, as most frameworks have it.
///
/// Differences of its gradients take a step that suits 24 bits.
///
/// ```
/// use thermograd::curvature::{Objective, gradient_f32};
/// let mut failing = gradient_f32(|_: &[f32], _: &mut [f32]| Err::<f32, _>("out of memory"));
/// let error = failing.evaluate(&[1.0], &mut [0.0]).unwrap_err();
/// assert!(error.to_string().contains("evaluation 1: out of memory"));
/// ```
pub fn gradient_f32<F, R>(closure: F) -> GradientF32<F>
where
    F: FnMut(&[f32], &mut [f32]) -> R,
    R: LossValue,
{
    GradientF32 {
        closure,
        weights: Vec::new(),
        gradient: Vec::new(),
        evaluations: 0,
    }
}

impl<F, R> Objective for GradientF32<F>
where
    F: FnMut(&[f32], &mut [f32]) -> R,
    R: LossValue,
{
    fn evaluate(&mut self, weights: &[f64], gradient: &mut [f64]) -> Result<f64, Error> {
        self.evaluations += 1;
        narrow(weights, &mut self.weights);
        // An element that the closure leaves alone is found out.
        self.gradient.clear();
        self.gradient.resize(gradient.len(), f32::NAN);
        let loss = (self.closure)(&self.weights, &mut self.gradient)
            .into_loss()
            .map_err(|cause| failed("the gradient closure", self.evaluations, cause))?;
        for (wide, narrow) in gradient.iter_mut().zip(&self.gradient) {
            *wide = f64::from(*narrow);
        }
        Ok(loss)
    }

    fn rounding(&self) -> f64 {
        f64::from(f32::EPSILON)
    }
}

/// The loss that [`loss`] makes.
#[derive(Debug, Clone)]
pub struct LossOf<F> {
    closure: F,
    evaluations: u64,
}

/// A loss of a closure `weights → loss`, for what needs no gradient.
///
/// ```
/// use thermograd::curvature::{Loss, loss};
/// let mut bowl = loss(|w: &[f64]| 1.5 * w[0] * w[0]);
/// assert_eq!(bowl.loss(&[2.0])?, 6.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn loss<F, R>(closure: F) -> LossOf<F>
where
    F: FnMut(&[f64]) -> R,
    R: LossValue,
{
    LossOf {
        closure,
        evaluations: 0,
    }
}

impl<F, R> Loss for LossOf<F>
where
    F: FnMut(&[f64]) -> R,
    R: LossValue,
{
    fn loss(&mut self, weights: &[f64]) -> Result<f64, Error> {
        self.evaluations += 1;
        (self.closure)(weights)
            .into_loss()
            .map_err(|cause| failed("the loss closure", self.evaluations, cause))
    }
}

/// The loss that [`loss_f32`] makes.
#[derive(Debug, Clone)]
pub struct LossOfF32<F> {
    closure: F,
    weights: Vec<f32>,
    evaluations: u64,
}

/// The same of a closure in single precision.
///
/// ```
/// use thermograd::curvature::{Loss, loss_f32};
/// assert_eq!(loss_f32(|w: &[f32]| w[0]).loss(&[0.5])?, 0.5);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn loss_f32<F, R>(closure: F) -> LossOfF32<F>
where
    F: FnMut(&[f32]) -> R,
    R: LossValue,
{
    LossOfF32 {
        closure,
        weights: Vec::new(),
        evaluations: 0,
    }
}

impl<F, R> Loss for LossOfF32<F>
where
    F: FnMut(&[f32]) -> R,
    R: LossValue,
{
    fn loss(&mut self, weights: &[f64]) -> Result<f64, Error> {
        self.evaluations += 1;
        narrow(weights, &mut self.weights);
        (self.closure)(&self.weights)
            .into_loss()
            .map_err(|cause| failed("the loss closure", self.evaluations, cause))
    }
}

/// The product that [`hessian_vector`] makes.
#[derive(Debug, Clone)]
pub struct Product<F> {
    closure: F,
    dimension: usize,
    applications: u64,
}

/// A Hessian-vector product of a closure `(direction, product to be written)`, for automatic
/// differentiation that has one.
///
/// The closure returns `Result<(), E>` with any printable error. It calls no gradient that we could count, so results say
/// 0 gradient evaluations and the number of products.
///
/// ```
/// use thermograd::curvature::{HessianVector, hessian_vector};
/// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1]) = (3.0 * v[0], 1.0 * v[1]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// let mut out = [0.0; 2];
/// h.apply(&[1.0, 2.0], &mut out)?;
/// assert_eq!(out, [3.0, 2.0]);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn hessian_vector<F, E>(dimension: usize, closure: F) -> Product<F>
where
    F: FnMut(&[f64], &mut [f64]) -> Result<(), E>,
    E: Display,
{
    Product {
        closure,
        dimension,
        applications: 0,
    }
}

impl<F, E> HessianVector for Product<F>
where
    F: FnMut(&[f64], &mut [f64]) -> Result<(), E>,
    E: Display,
{
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn apply(&mut self, direction: &[f64], out: &mut [f64]) -> Result<(), Error> {
        self.applications += 1;
        (self.closure)(direction, out).map_err(|error| {
            failed(
                "the Hessian-vector closure",
                self.applications,
                error.to_string(),
            )
        })
    }
}

/// A Hessian-vector product by central differences of the gradient of an [`Objective`]: two
/// gradient evaluations each.
///
/// ```
/// use thermograd::curvature::{CentralDifference, HessianVector, gradient};
/// // L = w₀² w₁: the Hessian at (1, 2) is [[4, 2], [2, 0]].
/// let saddle = gradient(|w: &[f64], g: &mut [f64]| {
///     (g[0], g[1]) = (2.0 * w[0] * w[1], w[0] * w[0]);
///     w[0] * w[0] * w[1]
/// });
/// let mut h = CentralDifference::new(saddle, &[1.0, 2.0])?;
/// let mut out = [0.0; 2];
/// h.apply(&[1.0, 1.0], &mut out)?;
/// assert!((out[0] - 6.0).abs() < 1e-9 && (out[1] - 2.0).abs() < 1e-9);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CentralDifference<O> {
    objective: O,
    weights: Vec<f64>,
    /// |εv|.
    length: f64,
    shifted: Vec<f64>,
    ahead: Vec<f64>,
}

impl<O: Objective> CentralDifference<O> {
    /// The Hessian at `weights`, with steps of length ρ^{1/3}|w| (ρ^{1/3} where all weights are 0).
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::Overflow`] for the weights.
    pub fn new(objective: O, weights: &[f64]) -> Result<Self, Error> {
        check_weights(weights)?;
        let norm = norm(weights);
        let length = objective.rounding().cbrt() * if norm > 0.0 { norm } else { 1.0 };
        Ok(Self {
            objective,
            weights: weights.to_vec(),
            length,
            shifted: vec![0.0; weights.len()],
            ahead: vec![0.0; weights.len()],
        })
    }

    /// Steps of another length |εv|, in the unit of a weight.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless it is positive and finite.
    pub fn step_length(mut self, length: f64) -> Result<Self, Error> {
        if !(length > 0.0 && length < 1e150) {
            return Err(Error::OutOfRange {
                what: "step length of the differences",
                value: length,
                allowed: "a positive number below 1e150",
            });
        }
        self.length = length;
        Ok(self)
    }

    /// The weights at which the Hessian is taken.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The objective, back.
    pub fn into_inner(self) -> O {
        self.objective
    }

    fn shift(&mut self, direction: &[f64], by: f64) {
        for ((s, w), v) in self.shifted.iter_mut().zip(&self.weights).zip(direction) {
            *s = w + by * v;
        }
    }
}

impl<O: Objective> HessianVector for CentralDifference<O> {
    fn dimension(&self) -> usize {
        self.weights.len()
    }

    fn apply(&mut self, direction: &[f64], out: &mut [f64]) -> Result<(), Error> {
        check_length("the direction", self.weights.len(), direction.len())?;
        check_length("the product", self.weights.len(), out.len())?;
        let norm = norm(direction);
        if norm == 0.0 {
            out.fill(0.0);
            return Ok(());
        }
        let epsilon = self.length / norm;
        self.shift(direction, epsilon);
        evaluate(&mut self.objective, &self.shifted, &mut self.ahead)?;
        self.shift(direction, -epsilon);
        evaluate(&mut self.objective, &self.shifted, out)?;
        for (behind, ahead) in out.iter_mut().zip(&self.ahead) {
            *behind = (ahead - *behind) / (2.0 * epsilon);
        }
        Ok(())
    }

    fn evaluations_per_product(&self) -> u64 {
        2
    }

    fn rounding(&self) -> f64 {
        self.objective.rounding().powf(2.0 / 3.0)
    }
}

/// What an estimate cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Cost {
    /// Hessian-vector products.
    pub products: u64,
    /// Gradient evaluations: two a product by central differences, none of ours where the product
    /// is a closure of its own.
    pub gradient_evaluations: u64,
}

/// A product, counted and checked to be finite.
pub(crate) fn product<H: HessianVector + ?Sized>(
    hessian: &mut H,
    direction: &[f64],
    out: &mut [f64],
    cost: &mut Cost,
) -> Result<(), Error> {
    out.fill(f64::NAN);
    hessian.apply(direction, out)?;
    cost.products += 1;
    cost.gradient_evaluations += hessian.evaluations_per_product();
    check_within("the Hessian-vector product", out, 1e70)
}

/// Loss and gradient, checked to be finite and written.
pub(crate) fn evaluate<O: Objective + ?Sized>(
    objective: &mut O,
    weights: &[f64],
    gradient: &mut [f64],
) -> Result<f64, Error> {
    gradient.fill(f64::NAN);
    let loss = objective.evaluate(weights, gradient)?;
    check_finite("the gradient that the closure wrote", gradient)?;
    check_loss(loss)
}

/// A loss, checked to be finite.
pub(crate) fn check_loss(loss: f64) -> Result<f64, Error> {
    check_finite("the loss that the closure returned", &[loss])?;
    Ok(loss)
}

/// Finite, and squares that fit.
fn check_finite(place: &str, values: &[f64]) -> Result<(), Error> {
    check_within(place, values, 1e140)
}

/// Finite, and no larger than a limit; squares of squares fit below 1e70.
pub(crate) fn check_within(place: &str, values: &[f64], limit: f64) -> Result<(), Error> {
    Error::check_finite(place, values)?;
    let largest = values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest > limit {
        return Err(Error::Overflow {
            place: place.to_owned(),
            largest,
        });
    }
    Ok(())
}

/// Weights that a shape can be asked about.
pub(crate) fn check_weights(weights: &[f64]) -> Result<(), Error> {
    if weights.is_empty() {
        return Err(Error::Empty {
            place: "the weights".to_owned(),
            remedy: "give at least one",
        });
    }
    check_finite("the weights", weights)
}

/// Two lengths that must agree.
pub(crate) fn check_length(place: &str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found {
        Ok(())
    } else {
        Err(Error::LengthMismatch {
            place: place.to_owned(),
            expected,
            found,
        })
    }
}

/// |a|.
pub(crate) fn norm(a: &[f64]) -> f64 {
    crate::sums::dot(a, a).sqrt()
}

fn failed(closure: &'static str, evaluation: u64, cause: String) -> Error {
    Error::Evaluation {
        closure,
        evaluation,
        cause,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "single precision is what the closure computes in"
)]
fn narrow(weights: &[f64], out: &mut Vec<f32>) {
    out.clear();
    out.extend(weights.iter().map(|w| *w as f32));
}
