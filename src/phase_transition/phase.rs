//! The phase a run is in, from evidence, by stated rules.
//!
//! The rules are tried in this order and the first that holds names the phase; thresholds are those of [`PhaseConfig`].
//!
//! | phase | holds where |
//! |---|---|
//! | `Overheating` | a step was not finite; or `ln|Δ|²` grows while `U ≥ U_gas`; or the edge ratio is above 0.9; or `ηλ_max ≥ 2(1 + μ)`; or `η_eff² M ≥ 1`, where no radius is stationary and on a fixed sphere the step is longer than the radius |
//! | `Condensing` | out of equilibrium, the energy falls, and the overlap grows or the participation ratio falls |
//! | `OutOfEquilibrium` | fewer than 50 independent samples; or younger than 5/4 relaxations; or the norm drifts, `|Z_d − 1| > 0.05`; or the energy drifts by more than 3 standard errors |
//! | `Trapped` | as gas, or with `φ` above one half, *and* with a witness: another run at the same temperature and pressure with a lower energy (5 standard errors) and an overlap beyond chance; or a temperature below the known transition |
//! | `Gas` | `φ > 0.9`, or an energy that is the gas's within 3 standard errors; and no overlap at long lag beyond chance |
//! | `Condensed` | an overlap at long lag beyond chance, and an energy above the best by `RT` within a factor 2, or an overlap that no longer changes |
//! | `Mixed` | stationary, and none of these |
//!
//! An overlap is beyond chance where it exceeds 3 standard deviations of the null and 3 of its own standard errors.
//! A rule whose evidence is missing does not hold; without the number of independent samples, the drift of the energy, the energies, and the
//! overlap at long lag, a run that is not overheating has no phase and the answer says what is missing.
//!
//! A label changes when two successive windows agree on the new one; a step that is not finite is believed at once.
//!
//! # What cannot be known
//! A trapped gas and a stable gas have one and the same stationary statistics: the p-spin ferromagnet with `p = 3`
//! is locally stable as a gas at every temperature, and no single run that stays in it sees that a
//! lower state exists. Without a witness the answer is `Gas` with
//! [`metastability_not_excluded`](Classification::metastability_not_excluded), unless the temperature is known to be above
//! the transition.

use crate::phase_transition::order_parameter::{EnergyScale, Overlap, energy_fraction};
use crate::phase_transition::series::check_series;
use crate::{Error, Estimate, Reading, Reason};

/// What state of matter a run is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Phase {
    /// Directions at random, the energy of a random network.
    Gas,
    /// On its way from gas to condensate.
    Condensing,
    /// About one minimum.
    Condensed,
    /// Unstable: steps grow.
    Overheating,
    /// A gas where a lower state is known to exist.
    Trapped,
    /// Not stationary, or not known to be.
    OutOfEquilibrium,
    /// Stationary, and neither gas nor condensate.
    Mixed,
}

/// Another run at the same temperature and pressure.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Witness {
    /// Its energy.
    pub energy: Estimate,
    /// Its overlap at long lag.
    pub long_overlap: Overlap,
}

/// What is known about one window of a run. Everything is optional; see the rules for what each is needed for.
///
/// ```
/// use thermograd::phase_transition::Evidence;
/// let mut evidence = Evidence::default();
/// evidence.effective_samples = Some(400.0);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Evidence {
    /// Steps with a loss, weight or gradient that was not finite.
    pub non_finite_steps: Option<u64>,
    /// Trend of `ln|Δ|²`, per step.
    pub step_growth: Option<Estimate>,
    /// Edge ratio: 0 far from the edge of stability, 1 beyond it.
    pub edge_ratio: Option<Estimate>,
    /// `ηλ_max / 2(1 + μ)`: 1 at the edge of stability.
    pub stability: Option<Estimate>,
    /// `η_eff² M` at fixed effective learning rate: from 1 on the norm grows without end.
    pub norm_growth: Option<Estimate>,
    /// Independent samples in the window.
    pub effective_samples: Option<f64>,
    /// Age of the run in relaxations of the norm, `ηλt`.
    pub age: Option<f64>,
    /// `Z_d`: 1 where the norm is stationary.
    pub norm_stationarity: Option<Estimate>,
    /// `dU/dt` over the window, its error from batch means.
    pub energy_drift: Option<Estimate>,
    /// `dq/dt` over the window.
    pub overlap_drift: Option<Estimate>,
    /// Trend of the participation ratio over the window.
    pub participation_drift: Option<Estimate>,
    /// Mean loss `U`.
    pub energy: Option<Estimate>,
    /// Mean loss at random directions of the same norm.
    pub gas_energy: Option<Estimate>,
    /// The lowest energy seen, by this run or by others.
    pub best_energy: Option<Estimate>,
    /// `RT`: what equipartition puts above the minimum.
    pub thermal_energy: Option<Estimate>,
    /// Overlap at lags of 3 relaxations or more.
    pub long_overlap: Option<Overlap>,
    /// Temperature.
    pub temperature: Option<Estimate>,
    /// Temperature of the transition, from a heating branch or from crossing free energies.
    pub transition_temperature: Option<Estimate>,
    /// Another run at the same temperature and pressure.
    pub witness: Option<Witness>,
}

/// The thresholds of the rules.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PhaseConfig {
    /// Standard errors that make a trend, an overlap or a difference. Default 3.
    pub significance: f64,
    /// Edge ratio of overheating. Default 0.9.
    pub edge_ratio: f64,
    /// Independent samples of a verdict. Default 50.
    pub effective_samples: f64,
    /// Age of a verdict in relaxations of the norm. Default 5/4.
    pub age: f64,
    /// Largest `|Z_d − 1|` of a stationary norm. Default 0.05.
    pub norm_drift: f64,
    /// Least `φ` of a gas. Default 0.9.
    pub gas_fraction: f64,
    /// Least `φ` of a trapped gas. Default 0.5.
    pub trapped_fraction: f64,
    /// Standard errors by which a witness must be lower. Default 5.
    pub witness_significance: f64,
    /// Largest ratio, either way, of `U − U_best` to `RT` in a condensate. Default 2.
    pub equipartition_factor: f64,
}

impl Default for PhaseConfig {
    fn default() -> Self {
        Self {
            significance: 3.0,
            edge_ratio: 0.9,
            effective_samples: 50.0,
            age: 1.25,
            norm_drift: 0.05,
            gas_fraction: 0.9,
            trapped_fraction: 0.5,
            witness_significance: 5.0,
            equipartition_factor: 2.0,
        }
    }
}

/// A quantity that a rule looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Criterion {
    /// Steps that were not finite.
    NonFinite,
    /// Trend of `ln|Δ|²`, in standard errors.
    StepGrowth,
    /// The edge ratio.
    EdgeRatio,
    /// `ηλ_max / 2(1 + μ)`.
    Stability,
    /// `η_eff² M`.
    NormGrowth,
    /// Independent samples.
    EffectiveSamples,
    /// Relaxations of the norm.
    Age,
    /// `|Z_d − 1|`.
    NormDrift,
    /// Drift of the energy, in standard errors.
    EnergyDrift,
    /// Drift of the overlap, in standard errors.
    OverlapDrift,
    /// Drift of the participation ratio, in standard errors.
    ParticipationDrift,
    /// `φ`.
    EnergyFraction,
    /// Energy above that of the gas, in standard errors.
    GasEnergy,
    /// Overlap at long lag, over its significance.
    LongOverlap,
    /// Energy above that of a witness, in standard errors.
    Witness,
    /// Transition temperature above the run's, in standard errors.
    Undercooling,
    /// `(U − U_best)/RT`.
    Equipartition,
}

/// One comparison that a rule made.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ground {
    /// What was looked at.
    pub criterion: Criterion,
    /// Its value.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
}

/// A phase, and why.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Classification {
    /// The phase, after the hysteresis of one window.
    pub phase: Phase,
    /// What this window alone says.
    pub candidate: Phase,
    /// A gas of which nobody knows whether a lower state exists.
    pub metastability_not_excluded: bool,
    /// The comparisons made, in order.
    pub grounds: Vec<Ground>,
    /// What was known.
    pub evidence: Evidence,
}

impl Evidence {
    fn estimates(&self) -> impl Iterator<Item = Estimate> + '_ {
        [
            self.step_growth,
            self.edge_ratio,
            self.stability,
            self.norm_growth,
            self.norm_stationarity,
            self.energy_drift,
            self.overlap_drift,
            self.participation_drift,
            self.energy,
            self.gas_energy,
            self.best_energy,
            self.thermal_energy,
            self.temperature,
            self.transition_temperature,
            self.long_overlap.map(|q| q.estimate),
            self.witness.map(|w| w.energy),
            self.witness.map(|w| w.long_overlap.estimate),
        ]
        .into_iter()
        .flatten()
    }

    fn validate(&self) -> Result<(), Error> {
        for e in self.estimates() {
            check_series("evidence", &[e.value, e.std_error])?;
            e.check_count()?;
            if e.std_error < 0.0 {
                return Err(Error::OutOfRange {
                    what: "standard error",
                    value: e.std_error,
                    allowed: "0 or more",
                });
            }
        }
        for x in [self.effective_samples, self.age].into_iter().flatten() {
            check_series("evidence", &[x])?;
        }
        let overlaps = [self.long_overlap, self.witness.map(|w| w.long_overlap)];
        for q in overlaps.into_iter().flatten() {
            check_series("null of an overlap", &[q.null_std_dev])?;
        }
        Ok(())
    }
}

/// Standard errors of an estimate from zero; a zero error bar is an exact value.
fn significance(e: &Estimate) -> f64 {
    match e.z_score(0.0) {
        Some(z) => z.clamp(-1e300, 1e300),
        None if e.value == 0.0 => 0.0,
        None => 1e300_f64.copysign(e.value),
    }
}

/// `a − b` with the errors of both.
fn difference(a: &Estimate, b: &Estimate) -> Estimate {
    Estimate {
        value: a.value - b.value,
        std_error: a.std_error.hypot(b.std_error),
        n_eff: a.n_eff.min(b.n_eff),
    }
}

/// Is the run hotter than the transition, beyond its error?
fn above_transition(evidence: &Evidence, config: &PhaseConfig) -> bool {
    match (evidence.temperature, evidence.transition_temperature) {
        (Some(t), Some(transition)) => {
            significance(&difference(&t, &transition)) > config.significance
        }
        _ => false,
    }
}

/// The rules at work on one window.
struct Judge<'a> {
    evidence: &'a Evidence,
    config: &'a PhaseConfig,
    grounds: Vec<Ground>,
}

impl Judge<'_> {
    /// Records a comparison and answers whether the value exceeds the threshold.
    fn exceeds(&mut self, criterion: Criterion, value: f64, threshold: f64) -> bool {
        self.grounds.push(Ground {
            criterion,
            value,
            threshold,
        });
        value > threshold
    }

    /// The same, reaching being enough.
    fn reaches(&mut self, criterion: Criterion, value: f64, threshold: f64) -> bool {
        self.exceeds(criterion, value, threshold) || value == threshold
    }

    fn overheating(&mut self) -> bool {
        let (e, c) = (self.evidence, self.config);
        if let Some(steps) = e.non_finite_steps
            && self.exceeds(Criterion::NonFinite, steps as f64, 0.0)
        {
            return true;
        }
        if let (Some(growth), Some(u), Some(gas)) = (e.step_growth, e.energy, e.gas_energy)
            && u.value >= gas.value
            && self.exceeds(Criterion::StepGrowth, significance(&growth), c.significance)
        {
            return true;
        }
        if let Some(edge) = e.edge_ratio
            && self.exceeds(Criterion::EdgeRatio, edge.value, c.edge_ratio)
        {
            return true;
        }
        if let Some(s) = e.stability
            && self.reaches(Criterion::Stability, s.value, 1.0)
        {
            return true;
        }
        e.norm_growth
            .is_some_and(|m| self.reaches(Criterion::NormGrowth, m.value, 1.0))
    }

    fn unsettled(&mut self, effective: f64, drift: &Estimate) -> bool {
        let (e, c) = (self.evidence, self.config);
        let few = !self.reaches(Criterion::EffectiveSamples, effective, c.effective_samples);
        let young = e
            .age
            .is_some_and(|age| !self.reaches(Criterion::Age, age, c.age));
        let norm = e.norm_stationarity.is_some_and(|z| {
            self.exceeds(Criterion::NormDrift, (z.value - 1.0).abs(), c.norm_drift)
        });
        let energy = self.exceeds(
            Criterion::EnergyDrift,
            significance(drift).abs(),
            c.significance,
        );
        few || young || norm || energy
    }

    fn condensing(&mut self, drift: &Estimate) -> bool {
        let (e, bar) = (self.evidence, self.config.significance);
        if significance(drift) >= -bar {
            return false;
        }
        let orders = e
            .overlap_drift
            .is_some_and(|q| self.exceeds(Criterion::OverlapDrift, significance(&q), bar));
        orders
            || e.participation_drift.is_some_and(|p| {
                self.exceeds(Criterion::ParticipationDrift, -significance(&p), bar)
            })
    }

    fn beyond_chance(&mut self, q: &Overlap) -> bool {
        let bar = self.config.significance;
        let threshold = bar * q.null_std_dev.max(q.estimate.std_error);
        self.exceeds(Criterion::LongOverlap, q.estimate.value, threshold)
    }

    fn has_witness(&mut self, u: &Estimate) -> bool {
        let (e, c) = (self.evidence, self.config);
        if let Some(other) = e.witness {
            let above = significance(&difference(u, &other.energy));
            if self.exceeds(Criterion::Witness, above, c.witness_significance)
                && self.beyond_chance(&other.long_overlap)
            {
                return true;
            }
        }
        match (e.temperature, e.transition_temperature) {
            (Some(t), Some(transition)) => {
                let below = significance(&difference(&transition, &t));
                self.exceeds(Criterion::Undercooling, below, c.significance)
            }
            _ => false,
        }
    }

    fn stationary(&mut self, u: &Estimate, gas: &Estimate, q: &Overlap) -> Result<Phase, Error> {
        let (e, c) = (self.evidence, self.config);
        let ordered = self.beyond_chance(q);
        let fraction = match e.best_energy {
            Some(best) => energy_fraction(u, &EnergyScale { gas: *gas, best })?,
            None => Reading::Undefined(Reason::Missing("the best energy")),
        };
        let above_gas = significance(&difference(u, gas));
        let at_gas_energy = self.exceeds(Criterion::GasEnergy, above_gas, -c.significance);
        let phi = fraction.ready().map(|phi| phi.value);
        let gas_fraction =
            phi.is_some_and(|phi| self.exceeds(Criterion::EnergyFraction, phi, c.gas_fraction));
        let is_gas = (gas_fraction || at_gas_energy) && !ordered;
        let high =
            phi.is_some_and(|phi| self.exceeds(Criterion::EnergyFraction, phi, c.trapped_fraction));
        if (is_gas || (high && !ordered)) && self.has_witness(u) {
            return Ok(Phase::Trapped);
        }
        if is_gas {
            return Ok(Phase::Gas);
        }
        if ordered {
            if let (Some(best), Some(thermal)) = (e.best_energy, e.thermal_energy)
                && thermal.value > 0.0
            {
                let ratio = ((u.value - best.value) / thermal.value).clamp(-1e300, 1e300);
                let factor = c.equipartition_factor.max(1.0);
                if self.reaches(Criterion::Equipartition, ratio, factor.recip()) && ratio <= factor
                {
                    return Ok(Phase::Condensed);
                }
            }
            if let Some(drift) = e.overlap_drift
                && !self.exceeds(
                    Criterion::OverlapDrift,
                    significance(&drift).abs(),
                    c.significance,
                )
            {
                return Ok(Phase::Condensed);
            }
        }
        Ok(Phase::Mixed)
    }
}

/// The phase of a window, given the classification of the window before.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::phase_transition::{Evidence, Overlap, Phase, PhaseConfig, classify};
/// let about = |value, std_error| Some(Estimate { value, std_error, n_eff: 400.0 });
/// let mut evidence = Evidence::default();
/// evidence.effective_samples = Some(400.0);
/// evidence.energy_drift = about(0.0, 1e-6);
/// evidence.energy = about(-0.001, 0.002);
/// evidence.gas_energy = about(0.0, 0.0);
/// evidence.long_overlap = about(0.001, 0.001).map(|q| Overlap::new(q, 0.002));
/// let seen = classify(&evidence, None, &PhaseConfig::default())?;
/// let seen = seen.ready().unwrap();
/// assert_eq!(seen.phase, Phase::Gas);
/// assert!(seen.metastability_not_excluded);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Undefined where evidence that the rules cannot do without is missing.
///
/// # Errors
/// Evidence or thresholds that are not finite, a negative standard error.
pub fn classify(
    evidence: &Evidence,
    previous: Option<&Classification>,
    config: &PhaseConfig,
) -> Result<Reading<Classification>, Error> {
    evidence.validate()?;
    Error::check_finite(
        "thresholds",
        &[
            config.significance,
            config.edge_ratio,
            config.effective_samples,
            config.age,
            config.norm_drift,
            config.gas_fraction,
            config.trapped_fraction,
            config.witness_significance,
            config.equipartition_factor,
        ],
    )?;
    let mut judge = Judge {
        evidence,
        config,
        grounds: Vec::new(),
    };
    let missing = |what| Ok(Reading::Undefined(Reason::Missing(what)));
    let candidate = if judge.overheating() {
        Phase::Overheating
    } else {
        let Some(effective) = evidence.effective_samples else {
            return missing("the number of independent samples");
        };
        let Some(drift) = evidence.energy_drift else {
            return missing("the drift of the energy");
        };
        if judge.unsettled(effective, &drift) {
            if judge.condensing(&drift) {
                Phase::Condensing
            } else {
                Phase::OutOfEquilibrium
            }
        } else {
            let (Some(u), Some(gas)) = (evidence.energy, evidence.gas_energy) else {
                return missing("the energy, or that of the gas,");
            };
            let Some(q) = evidence.long_overlap else {
                return missing("the overlap at long lag");
            };
            judge.stationary(&u, &gas, &q)?
        }
    };
    let at_once = evidence.non_finite_steps.is_some_and(|n| n > 0);
    let phase = match previous {
        Some(before) if !at_once && candidate != before.phase && candidate != before.candidate => {
            before.phase
        }
        _ => candidate,
    };
    Ok(Reading::Ready(Classification {
        phase,
        candidate,
        metastability_not_excluded: phase == Phase::Gas && !above_transition(evidence, config),
        grounds: judge.grounds,
        evidence: evidence.clone(),
    }))
}
