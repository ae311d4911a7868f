//! Has training arrived: correlation times, burn-in, tests of stationarity and of thermality.

#![expect(
    clippy::doc_markdown,
    reason = "inline formulas carry subscripts, which are no code"
)]

pub mod autocorrelation;
pub mod burn_in;
pub mod diagnostics;
pub mod stationarity;
mod support;
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
