//! Has training arrived: correlation times, burn-in, tests of stationarity and of thermality, and
//! one verdict.
//!
//! Everything here is a pure function of series. From the bottom up:
//!
//! - [`autocorrelation`](mod@autocorrelation): how many independent observations a series is worth;
//! - [`burn_in`]: where its transient ends;
//! - [`stationarity`]: whether it still drifts;
//! - [`thermal`]: whether a steady state has one temperature, no currents, and the right laws;
//! - [`diagnostics`]: what the literature on stochastic optimisation uses instead;
//! - [`verdict`](mod@verdict): all of it in one answer with a measured rate of false alarms.
//!
//! # Outcomes
//! Input that cannot be meant (NaN, unequal lengths, a probability of 2) is an
//! [`Error`](crate::Error). Too little of it is [`Pending`](crate::Reading::Pending), with the
//! number of steps it takes; input that says nothing (constants) is
//! [`Undefined`](crate::Reading::Undefined). No function returns NaN.
//!
//! # How often the tests err
//! Rejections at a nominal 5% (the verdict: alarms at its default level of 4%) of first-order
//! autoregressions in equilibrium with correlation ρ, 1000 seeds each, so ±0.007. In brackets the
//! part of seeds that had enough data for an answer; the rate is that among the answers. Where
//! few have one, those few are the ones that happen to look less correlated than they are.
//!
//! ```sh
//! cargo run --release --features fft --example calibration -- 1000
//! ```
//!
//! | ρ | N | drift | geweke | kpss | trend | MB, known width | MB, estimated | equipartition | thermometers | ensemble_test | area_rates | **verdict** |
//! |---|---|---|---|---|---|---|---|---|---|---|---|---|
//! | 0 | 200 | 0.059 | 0.034 | 0.054 | 0.063 | 0.047 | 0.043 | 0.045 | 0.043 | 0.052 | 0.054 | 0.037 |
//! | 0 | 1000 | 0.052 | 0.046 | 0.045 | 0.052 | 0.048 | 0.046 | 0.040 | 0.036 | 0.055 | 0.054 | 0.038 |
//! | 0.5 | 1000 | 0.053 | 0.043 | 0.056 | 0.049 | 0.052 | 0.057 | 0.043 | 0.040 | 0.054 | 0.053 | 0.042 |
//! | 0.9 | 1000 | 0.078 (79%) | 0.036 (79%) | 0.067 (79%) | 0.052 (79%) | 0.055 (93%) | 0.042 (93%) | pending (48%) | pending (25%) | 0.054 (100%) | pending (48%) | 0.055 (63%) |
//! | 0.9 | 5000 | 0.053 | 0.041 | 0.063 | 0.048 | 0.059 | 0.042 | 0.059 | 0.066 | 0.052 | 0.056 | 0.035 |
//! | 0.99 | 1000 | pending | pending | pending | pending | pending | pending | pending | pending | pending | pending | pending |
//! | 0.99 | 15000 | 0.058 (99%) | 0.033 (99%) | 0.053 (99%) | 0.045 (99%) | 0.057 (99%) | 0.053 (99%) | 0.063 (92%) | 0.056 (77%) | 0.059 | 0.052 (93%) | 0.042 (95%) |
//!
//! The power to see a straight line that rises by so many standard deviations over the series
//! (500 seeds), by each test alone and by the verdict over five observables and the currents:
//!
//! | ρ | N | rise/sd | drift | geweke | kpss | trend | verdict: out of equilibrium |
//! |---|---|---|---|---|---|---|---|
//! | 0 | 1000 | 0.1 | 0.140 | 0.080 | 0.140 | 0.090 | 0.038 |
//! | 0 | 1000 | 0.3 | 0.746 | 0.468 | 0.770 | 0.406 | 0.418 |
//! | 0 | 1000 | 0.5 | 0.996 | 0.904 | 0.996 | 0.830 | 0.902 |
//! | 0 | 1000 | 1 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |
//! | 0 | 1000 | 2 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |
//! | 0.9 | 5000 | 0.1 | 0.070 | 0.050 | 0.086 | 0.066 | 0.040 |
//! | 0.9 | 5000 | 0.3 | 0.282 | 0.160 | 0.286 | 0.262 | 0.104 |
//! | 0.9 | 5000 | 0.5 | 0.616 | 0.340 | 0.632 | 0.540 | 0.304 |
//! | 0.9 | 5000 | 1 | 0.996 | 0.882 | 0.996 | 0.988 | 0.928 |
//! | 0.9 | 5000 | 2 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |
//!
//! And the verdict's power to see that one layer of three is hotter by a factor, each temperature
//! the mean of eight squared displacements (a ratio of 1.05 is below its least spread of 5%; the
//! rest to 1 are false alarms of a drift):
//!
//! | ρ | N | ratio | verdict: steady, not thermal |
//! |---|---|---|---|
//! | 0 | 200 | 1.05 | 0.030 |
//! | 0 | 200 | 1.2 | 0.698 |
//! | 0 | 200 | 1.5 | 0.960 |
//! | 0 | 200 | 2 | 0.960 |
//! | 0 | 1000 | 1.05 | 0.018 |
//! | 0 | 1000 | 1.2 | 0.970 |
//! | 0 | 1000 | 1.5 | 0.970 |
//! | 0 | 1000 | 2 | 0.970 |
//! | 0.9 | 1000 | 1.05 | 0.016 (64%) |
//! | 0.9 | 1000 | 1.2 | 0.295 (64%) |
//! | 0.9 | 1000 | 1.5 | 0.919 (64%) |
//! | 0.9 | 1000 | 2 | 0.957 (64%) |
//! | 0.9 | 5000 | 1.05 | 0.054 |
//! | 0.9 | 5000 | 1.2 | 0.956 |
//! | 0.9 | 5000 | 1.5 | 0.960 |
//! | 0.9 | 5000 | 2 | 0.960 |

pub mod autocorrelation;
pub mod burn_in;
pub mod diagnostics;
pub mod stationarity;
pub(crate) mod support;
pub mod thermal;
pub mod verdict;

pub use autocorrelation::{
    Blocking, CorrelationTime, Spacing, Truncation, autocorrelation, autocovariance,
    autocovariance_direct, batch_means_estimate, correlated_mean, ess_bulk, ess_mean, ess_quantile,
    ess_tail, mcse_mean, mcse_quantile, mcse_sd, statistical_inefficiency,
    statistical_inefficiency_multiple, thinning,
};
pub use burn_in::{
    BurnIn, InitialSequenceConfig, LagGrid, LagWindow, Objective, WindowConfig,
    detect_by_initial_sequence, detect_by_window, detect_equilibration, mser, mser5,
};
pub use diagnostics::{Dynamics, Sasa, distance, fdr1, fdr2, pflug, sasa};
pub use stationarity::{
    Drift, TestConfig, TestResult, drift, geweke, kendall_tau, kpss, kpss_statistic, rhat,
    rhat_bulk, rhat_folded, rhat_split, trend,
};
pub use thermal::{
    AreaRate, Balance, Circulation, EnsembleCheck, EnsembleRun, Heterogeneity, MaxwellBoltzmann,
    Slope, Width, area_rates, ensemble_test, equipartition, estimate_heterogeneity,
    kinetic_virial_balance, maxwell_boltzmann, thermometer_agreement,
};
pub use verdict::{
    Cause, Check, Direction, Finding, Observable, Outcome, Verdict, VerdictConfig, verdict,
};
