//! The catalogue: one row a metric, with its name, unit, needs and formula.
//!
//! A new metric is one function of an [`Ensemble`] in the file of its physical idea, one row here
//! and one test. A user's own metric is made the same way ([`Metric::new`]) and gets the same
//! error bar.

use crate::blocks::{Blocks, FEWEST};
use crate::{
    Ensemble, Moment, Reading, Reason, Symmetry, energy, motion, noise, pressure, temperature,
};

/// What a metric speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// A group, and the model as the sum of its groups.
    Any,
    /// A scale-invariant group, and a model of such groups alone.
    ScaleInvariant,
    /// The model as a whole: it reads the loss.
    Model,
}

/// A formula of an [`Ensemble`].
pub type Formula = fn(&Ensemble) -> Option<f64>;

/// A named formula with all that is needed to read it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    name: &'static str,
    symbol: &'static str,
    unit: &'static str,
    scope: Scope,
    needs: &'static [Moment],
    formula: Formula,
    divides_by: Option<(&'static str, Formula)>,
}

impl Metric {
    /// A metric that is the value of `formula`, which reads the moments `needs`.
    ///
    /// ```
    /// use thermograd::{Ensemble, Metric, Moment};
    /// const GRADIENT: Metric = Metric::new("gradient_rms", &[Moment::GradientNormSquared], |e| {
    ///     Some(e.mean(Moment::GradientNormSquared)?.sqrt())
    /// })
    /// .with_symbol("|g|")
    /// .with_unit("loss/weight");
    /// assert_eq!(GRADIENT.name(), "gradient_rms");
    /// ```
    pub const fn new(name: &'static str, needs: &'static [Moment], formula: Formula) -> Self {
        Self {
            name,
            symbol: "",
            unit: "",
            scope: Scope::Any,
            needs,
            formula,
            divides_by: None,
        }
    }

    /// The symbol in formulas.
    #[must_use]
    pub const fn with_symbol(mut self, symbol: &'static str) -> Self {
        self.symbol = symbol;
        self
    }

    /// The unit; empty for a pure number.
    #[must_use]
    pub const fn with_unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// What it speaks of; any group by default.
    #[must_use]
    pub const fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The denominator, by name: where it is zero, or not to be told from zero, the metric is
    /// undefined rather than enormous.
    #[must_use]
    pub const fn with_denominator(mut self, what: &'static str, denominator: Formula) -> Self {
        self.divides_by = Some((what, denominator));
        self
    }

    /// Its name, as in reports and JSON.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its symbol in formulas.
    pub const fn symbol(&self) -> &'static str {
        self.symbol
    }

    /// Its unit; empty for a pure number.
    pub const fn unit(&self) -> &'static str {
        self.unit
    }

    /// What it speaks of.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The moments that it reads.
    pub const fn needs(&self) -> &'static [Moment] {
        self.needs
    }

    /// The bare value of the formula, without an error bar.
    pub fn value(&self, e: &Ensemble) -> Option<f64> {
        (self.formula)(e).filter(|value| value.is_finite())
    }

    /// The reading of a window; `entropy` is that of the same subject.
    pub(crate) fn read(
        &self,
        blocks: &Blocks,
        subject: Subject,
        entropy: impl FnOnce() -> Reading,
    ) -> Reading {
        if let Err(reason) = self.speaks_of(subject) {
            return Reading::Undefined(reason);
        }
        if !self.needs.contains(&Moment::Entropy) {
            return self.read_by(blocks, self.formula);
        }
        let entropy = match entropy() {
            Reading::Ready(entropy) => entropy,
            other => return other,
        };
        // The entropy is one number for the window: its error adds to that of the averages.
        let at = |s: f64| move |e: &Ensemble| (self.formula)(&e.with_entropy(s));
        let whole = blocks.total();
        let slope = at(entropy.value + entropy.std_error)(&whole)
            .zip(at(entropy.value)(&whole))
            .map_or(0.0, |(up, here)| up - here);
        self.read_by(blocks, at(entropy.value))
            .map(|estimate| crate::Estimate {
                std_error: estimate.std_error.hypot(slope),
                n_eff: if estimate.std_error == 0.0 {
                    entropy.n_eff
                } else {
                    estimate.n_eff
                },
                ..estimate
            })
    }

    fn read_by(&self, blocks: &Blocks, formula: impl Fn(&Ensemble) -> Option<f64>) -> Reading {
        let whole = blocks.total();
        let count = |e: &Ensemble| {
            self.needs
                .iter()
                .filter(|&&moment| moment != Moment::Entropy)
                .map(|&moment| e.count(moment))
                .fold(e.count(Moment::Dof), f64::min)
        };
        if count(&whole) == 0.0 {
            return self.absent(&whole, blocks.len());
        }
        if let Some((what, denominator)) = self.divides_by {
            match denominator(&whole) {
                None | Some(0.0) => return Reading::Undefined(Reason::DividesByZero(what)),
                Some(_) => {}
            }
            if let Some(Reading::Ready(estimate)) = blocks.estimate(denominator, count)
                && estimate.value.abs() < 3.0 * estimate.std_error
            {
                return Reading::Undefined(Reason::DividesByNoise(what));
            }
        }
        blocks
            .estimate(formula, count)
            .unwrap_or_else(|| self.without_value(&whole))
    }

    fn speaks_of(&self, subject: Subject) -> Result<(), Reason> {
        match (self.scope, subject) {
            (Scope::Any, _) | (Scope::Model, Subject::Model(_)) => Ok(()),
            (Scope::Model, Subject::Group(_)) => {
                Err(Reason::Meaningless("the loss is the whole model's"))
            }
            (Scope::ScaleInvariant, Subject::Group(symmetry) | Subject::Model(symmetry)) => {
                if symmetry.is_scale_invariant() {
                    Ok(())
                } else {
                    Err(Reason::Symmetry("holds for scale-invariant groups only"))
                }
            }
        }
    }

    /// No step had all the inputs: why?
    fn absent(&self, whole: &Ensemble, steps: u64) -> Reading {
        let missing = self
            .needs
            .iter()
            .copied()
            .find(|&moment| whole.count(moment) == 0.0);
        // The first steps of a run have no past yet, and a centre takes a few.
        if steps < 32 {
            return Reading::Pending {
                seen: 0,
                needed: FEWEST,
            };
        }
        Reading::Undefined(missing.map_or_else(
            || Reason::Missing("a step with all its inputs"),
            |moment| whole.why_absent(moment),
        ))
    }

    fn without_value(&self, whole: &Ensemble) -> Reading {
        let reason = if whole.dof().is_none() {
            Reason::Degenerate("no thermal degrees of freedom")
        } else if let Some((what, _)) = self.divides_by {
            Reason::DividesByNoise(what)
        } else {
            Reason::Degenerate("the formula has no value on these data")
        };
        Reading::Undefined(reason)
    }
}

/// Whose window is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    Group(Symmetry),
    Model(Symmetry),
}

fn heat(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::NoiseHeat)
}

fn kinetic_heat(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::KineticHeat)
}

const LOSS: &str = "loss";

/// Every metric that the crate reports by itself.
pub const CATALOGUE: &[Metric] = &[
    Metric::new("loss", &[Moment::Loss], energy::internal)
        .with_symbol("U")
        .with_unit(LOSS)
        .with_scope(Scope::Model),
    Metric::new(
        "temperature_noise",
        &[Moment::NoiseHeat],
        temperature::noise,
    )
    .with_symbol("T")
    .with_unit(LOSS),
    Metric::new(
        "temperature_midpoint",
        &[Moment::MidpointHeat],
        temperature::midpoint,
    )
    .with_symbol("T_mid")
    .with_unit(LOSS),
    Metric::new(
        "temperature_kinetic",
        &[Moment::KineticHeat],
        temperature::kinetic,
    )
    .with_symbol("T_kin")
    .with_unit(LOSS),
    Metric::new(
        "temperature_virial",
        &[Moment::CentredVirial],
        temperature::virial,
    )
    .with_symbol("T_vir")
    .with_unit(LOSS),
    Metric::new(
        "temperature_lag_sum",
        &[Moment::LagSumHeat],
        temperature::lag_sum,
    )
    .with_symbol("T_sum")
    .with_unit(LOSS),
    Metric::new(
        "temperature_lag_difference",
        &[Moment::LagDifferenceHeat],
        temperature::lag_difference,
    )
    .with_symbol("T_dif")
    .with_unit(LOSS),
    Metric::new(
        "temperature_calorimetric",
        &[Moment::CalorimetricHeat],
        temperature::calorimetric,
    )
    .with_symbol("T_cal")
    .with_unit(LOSS)
    .with_scope(Scope::Model),
    Metric::new(
        "edge_ratio",
        &[Moment::MidpointHeat, Moment::KineticHeat],
        temperature::edge_ratio,
    )
    .with_symbol("e")
    .with_denominator("the displacement", kinetic_heat),
    Metric::new(
        "signal_to_noise",
        &[Moment::SignalSquared, Moment::NoiseTrace],
        temperature::signal_to_noise,
    )
    .with_symbol("SNR")
    .with_denominator("the gradient noise", |e| e.mean(Moment::NoiseTrace)),
    Metric::new(
        "gradient_noise_scale",
        &[Moment::ExampleNoise, Moment::SignalSquared],
        noise::scale,
    )
    .with_symbol("B_simple")
    .with_unit("examples")
    .with_denominator("the squared mean gradient", |e| {
        e.mean(Moment::SignalSquared)
    }),
    Metric::new(
        "critical_batch_size",
        &[Moment::ExampleHeat, Moment::PreconditionedSignal],
        noise::critical_batch_size,
    )
    .with_symbol("B_crit")
    .with_unit("examples")
    .with_denominator("the squared mean gradient", |e| {
        e.mean(Moment::PreconditionedSignal)
    }),
    Metric::new("pressure", &[Moment::Pressure], pressure::pressure)
        .with_symbol("p")
        .with_unit("loss/V"),
    Metric::new(
        "pressure_mechanical",
        &[Moment::MechanicalPressure],
        pressure::mechanical,
    )
    .with_symbol("p_mech")
    .with_unit("loss/V")
    .with_scope(Scope::ScaleInvariant),
    Metric::new("volume", &[Moment::NormSquared], pressure::volume)
        .with_symbol("V")
        .with_unit("weight²"),
    Metric::new("radius", &[Moment::Norm], pressure::radius)
        .with_symbol("r")
        .with_unit("weight"),
    Metric::new(
        "radius_predicted",
        &[Moment::UnitNoise, Moment::RelaxationRate],
        pressure::radius_gas,
    )
    .with_symbol("r*")
    .with_unit("weight")
    .with_scope(Scope::ScaleInvariant),
    Metric::new(
        "radius_balance",
        &[Moment::UnitMoment, Moment::RelaxationRate],
        pressure::radius_balance,
    )
    .with_symbol("r*_M")
    .with_unit("weight")
    .with_scope(Scope::ScaleInvariant),
    Metric::new(
        "z",
        &[Moment::PressureNormSquared, Moment::NoiseHeat],
        pressure::z,
    )
    .with_symbol("Z")
    .with_denominator("the temperature", heat),
    Metric::new("z_d", &[Moment::NormLoss, Moment::NormGain], pressure::z_d)
        .with_symbol("Z_d")
        .with_scope(Scope::ScaleInvariant)
        .with_denominator("the gradient", |e| e.mean(Moment::NormGain)),
    Metric::new(
        "z_virial",
        &[Moment::Virial, Moment::NoiseHeat],
        pressure::z_virial,
    )
    .with_symbol("Z_vir")
    .with_denominator("the temperature", heat),
    Metric::new(
        "real_gas_balance",
        &[
            Moment::PressureNormSquared,
            Moment::Virial,
            Moment::KineticHeat,
        ],
        pressure::real_gas_balance,
    )
    .with_symbol("bal")
    .with_denominator("the displacement", kinetic_heat),
    Metric::new(
        "norm_balance",
        &[Moment::StepAlong, Moment::StepSquared],
        pressure::norm_balance,
    )
    .with_symbol("-2wΔ/Δ²")
    .with_denominator("the displacement", |e| e.mean(Moment::StepSquared)),
    Metric::new(
        "z_update",
        &[Moment::DecayNormSquared, Moment::UpdateHeat],
        pressure::z_update,
    )
    .with_symbol("Z_u")
    .with_denominator("the displacement", |e| e.mean(Moment::UpdateHeat)),
    Metric::new(
        "z_update_virial",
        &[Moment::UpdateVirial, Moment::UpdateHeat],
        pressure::z_update_virial,
    )
    .with_symbol("Z_u,vir")
    .with_denominator("the displacement", |e| e.mean(Moment::UpdateHeat)),
    Metric::new(
        "virial_ratio",
        &[Moment::VirialRatio],
        pressure::virial_ratio,
    )
    .with_symbol("|cos|"),
    Metric::new("rotation", &[Moment::Rotation], pressure::rotation).with_symbol("1-cos"),
    Metric::new(
        "update_ratio",
        &[Moment::StepSquared, Moment::NormSquared],
        motion::update_ratio,
    )
    .with_symbol("|Δ|/|w|")
    .with_denominator("the weights", |e| e.mean(Moment::NormSquared)),
    Metric::new(
        "step_alignment",
        &[Moment::StepProduct, Moment::StepSquared],
        motion::alignment,
    )
    .with_symbol("ρ₁")
    .with_denominator("the displacement", |e| e.mean(Moment::StepSquared)),
    Metric::new(
        "relaxation_steps",
        &[Moment::RelaxationRate],
        pressure::relaxation_steps,
    )
    .with_symbol("τ")
    .with_unit("steps")
    .with_scope(Scope::ScaleInvariant),
    Metric::new(
        "decay_potential",
        &[Moment::PressureNormSquared],
        energy::decay_potential,
    )
    .with_symbol("pV")
    .with_unit(LOSS),
    Metric::new("kinetic_energy", &[Moment::KineticHeat], energy::kinetic)
        .with_symbol("K")
        .with_unit(LOSS),
    Metric::new("heat", &[Moment::Heat], energy::heat)
        .with_symbol("Q")
        .with_unit(LOSS)
        .with_scope(Scope::Model),
    Metric::new(
        "enthalpy",
        &[Moment::Loss, Moment::PressureNormSquared],
        energy::enthalpy,
    )
    .with_symbol("H")
    .with_unit(LOSS)
    .with_scope(Scope::Model),
    Metric::new("entropy", &[Moment::Entropy], energy::entropy)
        .with_symbol("S")
        .with_unit("nats"),
    Metric::new(
        "helmholtz",
        &[Moment::Loss, Moment::NoiseHeat, Moment::Entropy],
        energy::helmholtz,
    )
    .with_symbol("F")
    .with_unit(LOSS)
    .with_scope(Scope::Model),
    Metric::new(
        "gibbs",
        &[
            Moment::Loss,
            Moment::NoiseHeat,
            Moment::Entropy,
            Moment::PressureNormSquared,
        ],
        energy::gibbs,
    )
    .with_symbol("G")
    .with_unit(LOSS)
    .with_scope(Scope::Model),
    Metric::new(
        "heat_capacity",
        &[
            Moment::LossProduct,
            Moment::PairedLoss,
            Moment::IndependentLoss,
            Moment::NoiseHeat,
        ],
        energy::heat_capacity,
    )
    .with_symbol("C")
    .with_scope(Scope::Model)
    .with_denominator("the temperature", heat),
];
