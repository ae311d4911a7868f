//! When something changed: detectors for finished series and for running ones.
//!
//! | question | detector | assumes |
//! |---|---|---|
//! | where did a finished series change? | [`pelt`] | segments of constant law; correlation allowed for by the automatic penalty |
//! | how long ago was the last change, now? | [`OnlineChangePoints`] | independent observations within a segment |
//! | has the mean left its known value, now? | [`Cusum`], [`PageHinkley`] | independent, standardised residuals |
//! | is a transition coming? | [`early_warning`] | a slowing mode, a series long against it |
//!
//! All refuse a NaN with its index, and all can answer that nothing changed.

mod chart;
mod cost;
mod early_warning;
mod online_bayes;
mod pelt;

pub use chart::{Cusum, CusumConfig, Direction, PageHinkley, Reference, RunLength};
pub use cost::Cost;
pub use early_warning::{EarlyWarning, EarlyWarningConfig, RollingMoments, Trend, early_warning};
pub use online_bayes::{
    NormalInverseGamma, NormalInverseWishart, OnlineChangePoints, OnlineConfig, Prior,
};
pub use pelt::{PeltConfig, Penalty, Segmentation, optimal_partitioning, pelt};
