//! One answer to one question: is this training run in thermal equilibrium?
//!
//! [`verdict`] takes the series a run leaves behind (loss, squared norm, temperatures by layer)
//! and answers in four ways, each with its evidence as data:
//!
//! - [`OutOfEquilibrium`](Verdict::OutOfEquilibrium): something drifts; which, where to, how fast.
//! - [`InsufficientData`](Verdict::InsufficientData): too few independent observations to say, and
//!   how many steps more it takes.
//! - [`SteadyNotThermal`](Verdict::SteadyNotThermal): nothing drifts, but temperatures differ or a
//!   current flows.
//! - [`Equilibrium`](Verdict::Equilibrium): none of that.
//!
//! # How it decides
//! Every observable gets one test, of the slope of its batch means ([`drift`](super::drift)); all
//! temperatures together one, Welch's analysis of variance ([`equipartition`]); the
//! probability currents one, if [`area_rates`](super::area_rates) were measured. These m p-values
//! are adjusted by Holm's method, so that the chance of *any* false alarm is `level` at most,
//! whatever the dependence between them (Holm, Scand. J. Stat. 6, 65, 1979). An observable with
//! fewer than 50 effective observations is not tested, and the verdict is then never
//! `Equilibrium`.
//!
//! Significance is not size. In a long run temperatures differ significantly because the learning
//! rate is finite; unequal temperatures therefore count only from a relative spread of
//! `least_spread` up, 5% unless told otherwise.
//!
//! # When the verdict lies
//! - A metastable state is stationary: a gas trapped above its transition passes. Only another
//!   run can tell.
//! - A motion slower than the series hides, if no observable shows it. Give the relaxation time
//!   where it is known: for the radius of a scale-invariant layer τ = (1 - μ)/(4ηλ) steps at a
//!   fixed learning rate.
//! - `Equilibrium` means that nothing was found by tests of finite power; it is not a
//!   proof.
//!
//! # Calibration
//! The measured rates of false alarm and of detection are in the tables of the
//! [parent module](super#how-often-the-tests-err).

use super::stationarity::{Caution, Drift, TestConfig, drift_by, drift_curved, plan};
use super::support::{batch_means, check, detrended, is_constant, law};
use super::thermal::{Circulation, equipartition};
use crate::error::{Error, check_range};
use crate::estimate::{Estimate, Reading};

/// What a series is to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Monitor,
    Temperature,
}

/// A named series, one value a step (or a batch of steps).
#[derive(Debug, Clone, Copy)]
pub struct Observable<'a> {
    name: &'a str,
    series: &'a [f64],
    role: Role,
}

impl<'a> Observable<'a> {
    /// Anything that must not drift: a loss, a squared norm, an overlap.
    pub const fn new(name: &'a str, series: &'a [f64]) -> Self {
        Self {
            name,
            series,
            role: Role::Monitor,
        }
    }

    /// A temperature of one layer: must not drift, and must agree with the other temperatures.
    pub const fn temperature(name: &'a str, series: &'a [f64]) -> Self {
        Self {
            name,
            series,
            role: Role::Temperature,
        }
    }
}

/// Options of [`verdict`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct VerdictConfig {
    /// Nominal chance of a false alarm, over all tests together: 0.04 by default. The p-values
    /// rest on estimated correlation times and are good to about a fifth; at this level the
    /// measured chance stays below 5%.
    pub level: f64,
    /// Relaxation time of the slowest known motion, in steps of the series.
    pub relaxation_time: Option<f64>,
    /// Unequal temperatures count from this relative spread sd(T)/mean up: 0.05 by default.
    pub least_spread: f64,
    /// A drift counts from this change over the series up, in standard deviations about its line:
    /// 0 by default.
    pub least_change: f64,
    /// Currents count from this angular rate in radians a step up: 0 by default.
    pub least_angular: f64,
    /// How series are cut, and the least effective number of observations.
    pub tests: TestConfig,
}

impl Default for VerdictConfig {
    fn default() -> Self {
        Self {
            level: 0.04,
            relaxation_time: None,
            least_spread: 0.05,
            least_change: 0.0,
            least_angular: 0.0,
            tests: TestConfig::default(),
        }
    }
}

impl VerdictConfig {
    fn checked(&self) -> Result<TestConfig, Error> {
        check_range("level", self.level, "a number between 0 and 1", |x| {
            x > 0.0 && x < 1.0
        })?;
        for (what, value) in [
            ("least_spread", self.least_spread),
            ("least_change", self.least_change),
            ("least_angular", self.least_angular),
        ] {
            check_range(what, value, "a finite number of at least 0", |x| x >= 0.0)?;
        }
        let mut tests = self.tests;
        if let Some(time) = self.relaxation_time {
            check_range("relaxation_time", time, "a positive number of steps", |x| {
                x > 0.0
            })?;
            // Exponential memory of time τ has g = 2τ.
            tests.least_inefficiency = tests.least_inefficiency.max(2.0 * time);
        }
        tests.check()?;
        Ok(tests)
    }
}

/// Which way an observable drifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// Its level grows.
    Rising,
    /// Its level falls.
    Falling,
}

/// What a test was about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Check {
    /// The drift of the observable of this name.
    Drift(String),
    /// The equality of all temperatures.
    EqualTemperatures,
    /// The absence of probability currents.
    NoCurrents,
}

impl Check {
    fn subject(&self) -> String {
        match self {
            Self::Drift(name) => name.clone(),
            Self::EqualTemperatures => "the temperatures".to_owned(),
            Self::NoCurrents => "the currents".to_owned(),
        }
    }
}

/// What a test found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Outcome {
    /// It was made.
    Tested {
        /// Significance alone.
        p_value: f64,
        /// Adjusted for all tests of the verdict (Holm).
        adjusted: f64,
        /// Effect size: change over the series in standard deviations, relative spread of
        /// temperatures, or radians a step.
        effect: f64,
        /// Significant at the level, and no smaller than the least effect that counts.
        alarm: bool,
    },
    /// The series is too short for it.
    TooShort {
        /// Steps so far.
        seen: u64,
        /// Steps it takes, as estimated from what was seen.
        needed: u64,
    },
    /// The series does not vary: nothing drifts, and nothing can be compared.
    Constant,
}

/// One test and its outcome.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Finding {
    /// What was tested.
    pub check: Check,
    /// What came of it.
    pub outcome: Outcome,
}

/// Why a steady state is not a thermal one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Cause {
    /// Layers have different temperatures.
    UnequalTemperatures,
    /// Probability flows in circles: detailed balance is broken.
    Currents,
}

/// The answer of [`verdict`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing speaks against thermal equilibrium.
    Equilibrium {
        /// Effective observations of the slowest observable.
        n_eff: f64,
        /// All tests.
        evidence: Vec<Finding>,
    },
    /// An observable drifts.
    OutOfEquilibrium {
        /// The one that does so most significantly.
        observable: String,
        /// Which way.
        direction: Direction,
        /// How fast, per step.
        rate: Estimate,
        /// Its significance before adjustment, on the scale of a normal variable.
        sigmas: f64,
        /// All tests.
        evidence: Vec<Finding>,
    },
    /// Too few independent observations.
    InsufficientData {
        /// How many steps more, at least.
        more_steps: u64,
        /// The observable that needs them.
        observable: String,
        /// All tests.
        evidence: Vec<Finding>,
    },
    /// Stationary, but not in thermal equilibrium.
    SteadyNotThermal {
        /// What breaks it.
        cause: Cause,
        /// Relative spread of temperatures, or radians a step.
        effect: f64,
        /// Its significance before adjustment, on the scale of a normal variable.
        sigmas: f64,
        /// All tests.
        evidence: Vec<Finding>,
    },
}

impl Verdict {
    /// All tests behind the verdict.
    pub fn evidence(&self) -> &[Finding] {
        match self {
            Self::Equilibrium { evidence, .. }
            | Self::OutOfEquilibrium { evidence, .. }
            | Self::InsufficientData { evidence, .. }
            | Self::SteadyNotThermal { evidence, .. } => evidence,
        }
    }

    /// Whether it denies equilibrium: a drift, unequal temperatures or a current.
    pub const fn is_alarm(&self) -> bool {
        matches!(
            self,
            Self::OutOfEquilibrium { .. } | Self::SteadyNotThermal { .. }
        )
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equilibrium { n_eff, .. } => write!(f, "equilibrium (N_eff {n_eff:.0})"),
            Self::OutOfEquilibrium {
                observable,
                direction,
                rate,
                sigmas,
                ..
            } => {
                let verb = match direction {
                    Direction::Rising => "rises",
                    Direction::Falling => "falls",
                };
                write!(
                    f,
                    "out of equilibrium: {observable} {verb} at {rate} a step ({:.1} sigma)",
                    sigmas.abs()
                )
            }
            Self::InsufficientData {
                more_steps,
                observable,
                ..
            } => write!(
                f,
                "insufficient data: {observable} needs {more_steps} more steps"
            ),
            Self::SteadyNotThermal {
                cause,
                effect,
                sigmas,
                ..
            } => match cause {
                Cause::UnequalTemperatures => write!(
                    f,
                    "steady, not thermal: temperatures spread by {:.0}% ({sigmas:.1} sigma)",
                    100.0 * effect
                ),
                Cause::Currents => write!(
                    f,
                    "steady, not thermal: currents of {effect:.1e} rad a step ({sigmas:.1} sigma)"
                ),
            },
        }
    }
}

/// Holm's adjustment of p-values for the making of all of `planned` tests.
///
/// <!-- math
/// \tilde p_{(i)} = \max_{j \le i} \min\bigl(1, (m - j + 1)\, p_{(j)}\bigr)
/// -->
#[doc = include_str!("../math/equilibrium_verdict.html")]
fn holm(p_values: &[f64], planned: usize) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = p_values.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut running = 0.0_f64;
    for (rank, (p, index)) in order.into_iter().enumerate() {
        running = running
            .max(p * planned.saturating_sub(rank).max(1) as f64)
            .min(1.0);
        if let Some(slot) = adjusted.get_mut(index) {
            *slot = running;
        }
    }
    adjusted
}

/// A test made, before the adjustment.
struct Made {
    p_value: f64,
    effect: f64,
    least: f64,
    drift: Option<Drift>,
}

enum Attempt {
    Made(Made),
    TooShort { seen: u64, needed: u64 },
    Constant,
}

fn attempt_drift(
    series: &[f64],
    tests: &TestConfig,
    config: &VerdictConfig,
    slowest: &mut f64,
) -> Attempt {
    let made = |found: Drift| {
        Attempt::Made(Made {
            p_value: found.p_value,
            effect: found.relative_change,
            least: config.least_change,
            drift: Some(found),
        })
    };
    match plan(series, tests) {
        Reading::Ready(plan) => {
            *slowest = slowest.min(plan.n_eff);
            match drift_by(series, &plan, Caution::FewBatches) {
                Reading::Ready(found) => made(found),
                // The scatter of batch means is zero: all of one value, or all on a line.
                _ if is_constant(&batch_means(series, plan.batches)) => Attempt::Constant,
                _ => made(noiseless(series)),
            }
        }
        Reading::Pending { seen, needed } => match drift_curved(series, tests) {
            // Only a finding can come of it: without one the series is still too short.
            Some(found) if found.p_value < config.level => made(found),
            _ => Attempt::TooShort { seen, needed },
        },
        Reading::Undefined(_) if is_constant(series) => Attempt::Constant,
        Reading::Undefined(_) => made(noiseless(series)),
    }
}

/// A straight line without noise: a drift beyond doubt, with no error bar to divide by.
fn noiseless(series: &[f64]) -> Drift {
    let (_, slope) = detrended(series);
    Drift {
        rate: Estimate {
            value: slope,
            std_error: 0.0,
            n_eff: series.len() as f64,
        },
        relative_change: f64::MAX.copysign(slope),
        t: f64::MAX.copysign(slope),
        degrees_of_freedom: f64::MAX,
        p_value: 0.0,
    }
}

/// Is this run in thermal equilibrium?
///
/// `observables` are the series of one window of training, the transient left in or cut off as
/// the caller decides: left in, it is found as a drift. `circulation` comes from
/// [`area_rates`](super::area_rates), where coordinates were recorded. How it decides, and how
/// often it errs: see the [module](self).
///
/// # Errors
/// [`Error::Empty`] without observables, [`Error::NonFinite`], [`Error::Overflow`];
/// [`Error::OutOfRange`] for a bad configuration.
///
/// ```
/// use thermograd::equilibrium::{Direction, Observable, Verdict, VerdictConfig, verdict};
/// use thermograd::systems::Random;
/// let mut random = Random::new(4);
/// let loss: Vec<f64> = (0..2000).map(|_| 1.0 + 0.1 * random.normal()).collect();
/// let falling: Vec<f64> = loss.iter().zip(0..).map(|(l, t)| l - 1e-4 * f64::from(t)).collect();
///
/// let config = VerdictConfig::default();
/// let steady = verdict(&[Observable::new("loss", &loss)], None, &config)?;
/// assert!(matches!(steady, Verdict::Equilibrium { .. }));
///
/// match verdict(&[Observable::new("loss", &falling)], None, &config)? {
///     Verdict::OutOfEquilibrium { direction, rate, .. } => {
///         assert_eq!(direction, Direction::Falling);
///         assert!(rate.z_score(-1e-4).unwrap().abs() < 3.0);
///     }
///     other => panic!("{other}"),
/// }
///
/// let short = verdict(&[Observable::new("loss", &loss[..30])], None, &config)?;
/// assert!(matches!(short, Verdict::InsufficientData { more_steps: 1.., .. }));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn verdict(
    observables: &[Observable<'_>],
    circulation: Option<&Circulation>,
    config: &VerdictConfig,
) -> Result<Verdict, Error> {
    let tests = config.checked()?;
    if observables.is_empty() {
        return Err(Error::Empty {
            place: "observables".to_owned(),
            remedy: "give at least one series, say the loss",
        });
    }
    let mut slowest = f64::INFINITY;
    let mut attempts: Vec<(Check, Attempt)> = Vec::new();
    for observable in observables {
        check(observable.name, observable.series)?;
        let attempt = attempt_drift(observable.series, &tests, config, &mut slowest);
        attempts.push((Check::Drift(observable.name.to_owned()), attempt));
    }
    let temperatures: Vec<&[f64]> = observables
        .iter()
        .filter(|o| o.role == Role::Temperature)
        .map(|o| o.series)
        .collect();
    if temperatures.len() > 1 {
        let attempt = match equipartition(&temperatures, &tests)? {
            Reading::Ready(found) => Attempt::Made(Made {
                p_value: found.p_value,
                effect: found.excess_spread,
                least: config.least_spread,
                drift: None,
            }),
            Reading::Pending { seen, needed } => Attempt::TooShort { seen, needed },
            Reading::Undefined(_) => Attempt::Constant,
        };
        attempts.push((Check::EqualTemperatures, attempt));
    }
    if let Some(found) = circulation {
        let attempt = Attempt::Made(Made {
            p_value: found.p_value.clamp(0.0, 1.0),
            effect: found.largest_angular,
            least: config.least_angular,
            drift: None,
        });
        attempts.push((Check::NoCurrents, attempt));
    }
    Ok(conclude(&attempts, config.level, slowest))
}

fn conclude(attempts: &[(Check, Attempt)], level: f64, slowest: f64) -> Verdict {
    let p_values: Vec<f64> = attempts
        .iter()
        .filter_map(|(_, a)| match a {
            Attempt::Made(made) => Some(made.p_value),
            _ => None,
        })
        .collect();
    let mut adjusted = holm(&p_values, attempts.len()).into_iter();
    let mut evidence = Vec::with_capacity(attempts.len());
    let mut drifting: Option<(&str, &Drift)> = None;
    let mut unthermal: Option<(Cause, &Made)> = None;
    let mut short: Option<(u64, String)> = None;
    let mut all_constant = true;
    for (check, attempt) in attempts {
        let outcome = match attempt {
            Attempt::Made(made) => {
                all_constant = false;
                let adjusted = adjusted.next().unwrap_or(1.0);
                let alarm = adjusted < level && made.effect.abs() >= made.least;
                match (check, &made.drift) {
                    (Check::Drift(name), Some(drift))
                        if alarm && drifting.is_none_or(|(_, d)| drift.p_value < d.p_value) =>
                    {
                        drifting = Some((name, drift));
                    }
                    (Check::EqualTemperatures, _) if alarm => {
                        unthermal = Some((Cause::UnequalTemperatures, made));
                    }
                    (Check::NoCurrents, _)
                        if alarm && unthermal.is_none_or(|(_, m)| made.p_value < m.p_value) =>
                    {
                        unthermal = Some((Cause::Currents, made));
                    }
                    _ => {}
                }
                Outcome::Tested {
                    p_value: made.p_value,
                    adjusted,
                    effect: made.effect,
                    alarm,
                }
            }
            &Attempt::TooShort { seen, needed } => {
                all_constant = false;
                let more = needed.saturating_sub(seen).max(1);
                if short.as_ref().is_none_or(|(most, _)| more > *most) {
                    short = Some((more, check.subject()));
                }
                Outcome::TooShort { seen, needed }
            }
            Attempt::Constant => Outcome::Constant,
        };
        evidence.push(Finding {
            check: check.clone(),
            outcome,
        });
    }
    if let Some((name, drift)) = drifting {
        let rises = drift.rate.value > 0.0;
        let (up, down) = (Direction::Rising, Direction::Falling);
        return Verdict::OutOfEquilibrium {
            observable: name.to_owned(),
            direction: if rises { up } else { down },
            rate: drift.rate,
            sigmas: drift.sigmas(),
            evidence,
        };
    }
    if let Some((more_steps, observable)) = short {
        return Verdict::InsufficientData {
            more_steps,
            observable,
            evidence,
        };
    }
    if all_constant {
        // A run in which nothing varies says nothing; more of the same will not either, but only
        // more can vary.
        return Verdict::InsufficientData {
            more_steps: 1,
            observable: "every observable (constant so far)".to_owned(),
            evidence,
        };
    }
    if let Some((cause, made)) = unthermal {
        return Verdict::SteadyNotThermal {
            cause,
            effect: made.effect,
            sigmas: law::sigmas(made.p_value),
            evidence,
        };
    }
    Verdict::Equilibrium {
        n_eff: slowest,
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn holm_by_hand() {
        let adjusted = holm(&[0.01, 0.04, 0.03], 3);
        let expected = [0.03, 0.06, 0.06];
        for (a, e) in adjusted.iter().zip(expected) {
            assert!((a - e).abs() < 1e-15);
        }
        // A planned test that could not be made counts.
        assert!((holm(&[0.01], 2)[0] - 0.02).abs() < 1e-15);
    }
}
