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
//!
//! # False alarms
//! The share of 400 stationary AR(1) series of 1000 elements in which a detector gave an alarm at any time, and
//! in brackets the share in which it asked for more data instead. Thinned detectors were given 1000 elements that
//! are `2g` steps apart, `g = (1 + ρ)/(1 − ρ)` being the statistical inefficiency. From
//! `cargo run --release --example false_alarms -- --runs 400`.
//!
//! | detector | ρ = 0 | ρ = 0.5 | ρ = 0.9 | ρ = 0.99 |
//! |---|---|---|---|---|
//! | PELT, mean, `Bic` | 0.020 | 1.000 | 1.000 | 1.000 |
//! | PELT, mean, `Mbic` | 0.003 | 1.000 | 1.000 | 1.000 |
//! | PELT, mean, `Automatic` | 0.000 | 0.000 | 0.000 (0.56) | 0.000 (1.00) |
//! | PELT, mean and variance, `Bic` | 0.005 | 0.698 | 1.000 | 1.000 |
//! | PELT, mean and variance, `Automatic` | 0.000 | 0.000 | 0.000 (0.56) | 0.000 (1.00) |
//! | PELT, kernel, `Automatic` | 0.000 | 0.000 | 0.000 (0.56) | 0.000 (1.00) |
//! | Bayesian online, P(change in last 50) > 0.9 | 0.005 | 0.963 | 1.000 | 1.000 |
//! | the same, thinned by 2 g | 0.005 | 0.013 | 0.015 | 0.010 |
//! | CUSUM, k = 1/2, h = 8 | 0.098 | 0.995 | 1.000 | 1.000 |
//! | the same, thinned by 2 g | 0.098 | 0.145 | 0.138 | 0.115 |
//! | Page-Hinkley up, running mean, 1/2, 8, thinned by 2 g | 0.043 | 0.077 | 0.068 | 0.062 |
//! | Early warning, autocorrelation, p < 0.05 | 0.037 | 0.035 | 0.003 (0.89) | 0.000 (1.00) |
//! | Early warning, both, p < 0.05 | 0.000 | 0.015 | 0.000 (0.89) | 0.000 (1.00) |
//!
//! What to read from it: anything that takes a correlated series for independent finds changes in all of them; thinning by
//! `2g`, which leaves a correlation of 0.02 between neighbours, or the automatic penalty, brings back what white noise has. With a
//! step of 3 standard deviations in the middle (`--step 3`) the automatic penalty finds it in all of 200 series at `ρ = 0` and in
//! 0.995 at `ρ = 0.5`; at `ρ = 0.9` it asks for more than 1000 elements in 0.9 of them.

mod chart;
mod cost;
mod early_warning;
mod functional;
mod online_bayes;
mod pelt;

pub use chart::{Cusum, CusumConfig, Direction, PageHinkley, Reference, RunLength};
pub use cost::Cost;
pub use early_warning::{EarlyWarning, EarlyWarningConfig, RollingMoments, Trend, early_warning};
pub use online_bayes::{
    NormalInverseGamma, NormalInverseWishart, OnlineChangePoints, OnlineConfig, Prior,
};
pub use pelt::{PeltConfig, Penalty, Segmentation, optimal_partitioning, pelt};
