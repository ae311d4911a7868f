//! Systems with known answers: what every metric is checked against.

pub use crate::random::Random;

pub(crate) mod quadrature;
