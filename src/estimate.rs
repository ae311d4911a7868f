//! What a metric answers: a value with its error bar, or why there is none.
//!
//! An estimate without an error bar is not an estimate, and NaN is not an answer. A metric is
//! [`Ready`](Reading::Ready) with an [`Estimate`], [`Pending`](Reading::Pending) with what it
//! still needs, or [`Undefined`](Reading::Undefined) with the [`Reason`].

use std::fmt;

/// A value, its standard error, and the number of independent observations behind them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Estimate {
    /// The estimate itself, in the metric's unit.
    pub value: f64,
    /// One standard error of `value`, autocorrelation included.
    pub std_error: f64,
    /// How many independent observations would carry the same error.
    pub n_eff: f64,
}

impl Estimate {
    /// Distance from `truth` in standard errors; `None` where the error bar is zero.
    ///
    /// ```
    /// use thermograd::Estimate;
    /// let e = Estimate { value: 1.2, std_error: 0.1, n_eff: 50.0 };
    /// assert!((e.z_score(1.0).unwrap() - 2.0).abs() < 1e-12);
    /// ```
    pub fn z_score(&self, truth: f64) -> Option<f64> {
        (self.std_error > 0.0).then(|| (self.value - truth) / self.std_error)
    }
}

impl Estimate {
    /// Refuses what counts no observations.
    #[cfg(feature = "statistics")]
    pub(crate) fn check_count(&self) -> Result<(), crate::Error> {
        if self.n_eff >= 0.0 {
            return Ok(());
        }
        Err(crate::Error::OutOfRange {
            what: "n_eff of an estimate",
            value: self.n_eff,
            allowed: "a number from 0 on, infinite where the value is exact",
        })
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(4);
        write!(
            f,
            "{:.*e} ± {:.1e}",
            digits.saturating_sub(1),
            self.value,
            self.std_error
        )
    }
}

/// The answer of a metric.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reading<T = Estimate> {
    /// The answer.
    Ready(T),
    /// Not yet: more observations will make it ready.
    Pending {
        /// Observations so far, in the metric's own count.
        seen: u64,
        /// A lower bound on what it takes, in the same count.
        needed: u64,
    },
    /// No number of further observations of this kind gives an answer.
    Undefined(Reason),
}

impl<T> Reading<T> {
    /// The answer, if there is one.
    pub fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(answer) => Some(answer),
            _ => None,
        }
    }

    /// The same reading with the answer transformed.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Ready(answer) => Reading::Ready(f(answer)),
            Self::Pending { seen, needed } => Reading::Pending { seen, needed },
            Self::Undefined(reason) => Reading::Undefined(reason),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Reading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => answer.fmt(f),
            Self::Pending { seen, needed } => write!(f, "pending ({seen} of {needed})"),
            Self::Undefined(reason) => write!(f, "undefined: {reason}"),
        }
    }
}

/// Why a metric is undefined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// The formula holds for groups of another symmetry.
    Symmetry(&'static str),
    /// An input that was never given.
    Missing(&'static str),
    /// A denominator that is exactly zero.
    DividesByZero(&'static str),
    /// A denominator that cannot be told from zero within its own error.
    DividesByNoise(&'static str),
    /// Data with nothing to estimate from: constant, duplicated, one-dimensional.
    Degenerate(&'static str),
    /// The formula does not hold for the optimiser in use.
    Optimizer(&'static str),
    /// The number could be computed and would mean nothing.
    Meaningless(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symmetry(what) => write!(f, "symmetry: {what}"),
            Self::Missing(what) => write!(f, "{what} was never given"),
            Self::DividesByZero(what) => write!(f, "{what} is zero"),
            Self::DividesByNoise(what) => write!(f, "{what} is zero within its error"),
            Self::Degenerate(what) => write!(f, "degenerate: {what}"),
            Self::Optimizer(what) => write!(f, "optimiser: {what}"),
            Self::Meaningless(what) => write!(f, "meaningless: {what}"),
        }
    }
}
