//! Every moment of one step, worked out by hand from round numbers.

use thermograd::{
    Decay, Ensemble, Moment as M, Optimizer, Protocol, Sampling, Step, Sums, Symmetry,
};

/// Two parameters with |w|² = 4, w·g = 1, |g|² = 2, tr Σ = 4.
fn sums() -> Sums {
    let mut sums = Sums::default();
    (sums.w_count, sums.w_w) = (2.0, 4.0);
    (sums.g_count, sums.w_g, sums.g_g) = (2.0, 1.0, 2.0);
    (sums.g2_count, sums.noise, sums.g_g2) = (2.0, 8.0, 0.5);
    (sums.centre_count, sums.centred_g, sums.centred_w) = (2.0, 0.75, 3.0);
    (sums.lag_count, sums.g_g1) = (2.0, 0.25);
    (sums.lag_sum, sums.lag_difference) = (6.0, 2.0);
    (sums.step_count, sums.step_step, sums.previous_step) = (2.0, 0.5, 0.5);
    (sums.midpoint_count, sums.midpoint_midpoint, sums.step_step1) = (2.0, 0.375, 0.125);
    sums
}

/// The same with a preconditioner.
fn preconditioned() -> Sums {
    let mut sums = sums();
    sums.d_count = 2.0;
    (sums.g_g_d, sums.dg_dg, sums.noise_d, sums.g_g2_d) = (1.5, 1.25, 3.0, 0.375);
    (sums.d_noise, sums.w_w_d, sums.centred_w_d) = (7.0, 6.0, 5.0);
    (sums.step_step_d, sums.midpoint_d) = (0.75, 0.625);
    sums
}

fn of(step: Step, before: Option<Step>, sums: &Sums) -> Ensemble {
    let mut ensemble = Ensemble::default();
    ensemble.push(&step, before.as_ref(), sums, Symmetry::Generic);
    ensemble
}

fn assert_reads(ensemble: &Ensemble, expected: &[(M, f64)]) {
    for &(moment, value) in expected {
        let mean = ensemble.mean(moment);
        let close = mean.is_some_and(|mean| (mean - value).abs() <= 1e-14 * value.abs());
        assert!(close, "{moment:?}: {mean:?} for {value}");
    }
}

fn assert_absent(ensemble: &Ensemble, absent: &[M]) {
    for &moment in absent {
        assert_eq!(ensemble.mean(moment), None, "{moment:?}");
    }
}

/// Half a learning rate of a half, decay of a quarter.
fn plain() -> Step {
    Step::new(3.0).learning_rate(0.5).weight_decay(0.25)
}

#[test]
fn plain_descent() {
    let step = plain()
        .batch_size(4)
        .data_set_size(16)
        .sampling(Sampling::WithoutReplacement)
        .independent_loss(2.0);
    let e = of(step, None, &sums());
    // f = η/(λ(2 − ηλ)) = (1/2)/(15/32); 1/B − 1/N = 3/16.
    let factor = 16.0 / 15.0;
    let (ln_rate, ln_decay) = (0.5_f64.ln(), 0.25_f64.ln());
    assert_reads(
        &e,
        &[
            (M::Dof, 2.0),
            (M::Loss, 3.0),
            (M::PairedLoss, 3.0),
            (M::IndependentLoss, 2.0),
            (M::LossProduct, 6.0),
            (M::NormSquared, 4.0),
            (M::Norm, 2.0),
            (M::Pressure, 0.25),
            (M::PressureNormSquared, 1.0),
            (M::LogRate, ln_rate),
            (M::LogRateSquared, ln_rate * ln_rate),
            (M::LogDecay, ln_decay),
            (M::LogDecaySquared, ln_decay * ln_decay),
            (M::GradientNormSquared, 2.0),
            (M::Virial, 1.0),
            (M::VirialRatio, 1.0 / 8_f64.sqrt()),
            (M::UnitMoment, 8.0),
            (M::RadiusFourth, 8.0 * factor),
            (M::NormLoss, 4.0 / factor),
            (M::NormGain, 2.0),
            (M::NoiseTrace, 4.0),
            (M::SignalSquared, 0.5),
            (M::PreconditionedSignal, 0.5),
            (M::UnitNoise, 16.0),
            (M::NoiseHeat, 1.0),
            (M::ExampleNoise, 64.0 / 3.0),
            (M::ExampleHeat, 64.0 / 3.0),
            (M::GasRadiusFourth, 16.0 * factor),
            (M::CentredVirial, 1.5),
            (M::CentreForce, 0.5),
            (M::LagProduct, 0.25),
            (M::LagSumHeat, 0.75),
            (M::LagDifferenceHeat, 0.25),
            (M::StepAngleSquared, 0.125),
            (M::MechanicalPressure, 0.125),
            // (√(|w − ηg|²/|w|²) − 1)/η and (1 − √(1 − η²|g|²/|w|²))/η.
            (M::PublishedPressure, 2.0 * (0.875_f64.sqrt() - 1.0)),
            (M::ExactPressure, 2.0 * (1.0 - 0.875_f64.sqrt())),
            // 4mp
            (M::RelaxationRate, 0.5),
        ],
    );
    assert_absent(
        &e,
        &[
            M::EffectiveDecay,
            M::RadiusSquared,
            M::GasRadiusSquared,
            M::PreconditionedGradient,
            M::NesterovSteps,
            M::UpdateSteps,
            M::ReshuffledSteps,
            M::StepSquared,
            M::StepProduct,
            M::Heat,
            M::Entropy,
        ],
    );
    // Reshuffled batches are as noisy one by one.
    let e = of(step.sampling(Sampling::Reshuffled), None, &sums());
    assert_reads(
        &e,
        &[(M::ExampleNoise, 64.0 / 3.0), (M::ReshuffledSteps, 1.0)],
    );
    let e = of(step.sampling(Sampling::WithReplacement), None, &sums());
    assert_reads(&e, &[(M::ExampleNoise, 16.0)]);
    // The whole data set has no noise to divide by.
    assert_absent(&of(step.batch_size(16), None, &sums()), &[M::ExampleNoise]);
}

#[test]
fn displacements_of_the_step_before() {
    let heavy = Optimizer::HeavyBall {
        momentum: 0.5,
        dampening: 0.25,
    };
    let before = Step::new(2.0)
        .learning_rate(0.25)
        .decoupled_weight_decay(0.5)
        .optimizer(heavy);
    let mut sums = sums();
    sums.w_w = 9.0;
    let e = of(plain().previous_batch_loss(1.5), Some(before), &sums);
    // |w₋|² = 9 − 2·0.5 − 0.5 = 7.5.
    assert_reads(
        &e,
        &[
            (M::StepSquared, 0.5),
            (M::StepAlong, 0.5),
            (M::KineticHeat, 2.0),
            (M::UpdateHeat, 1.0),
            (M::DecayNormSquared, 3.75),
            (M::UpdateVirial, -5.75),
            // cos = (9 + 7.5 − 0.5)/(2·3·√7.5)
            (M::Rotation, 1.0 - 8.0 / (3.0 * 7.5_f64.sqrt())),
            (M::StepProduct, 0.125),
            (M::MidpointHeat, 2.0),
            (M::Heat, -0.5),
            (M::CalorimetricHeat, 0.5),
        ],
    );
    // The momentum of a step is no matter of its own displacement, but of its other moments.
    sums.w_w = 4.0;
    let e = of(plain().optimizer(heavy), None, &sums);
    // m = 0.5·0.75/0.5
    assert_reads(
        &e,
        &[
            (M::NoiseHeat, 1.5),
            (M::MechanicalPressure, 0.1875),
            (M::RelaxationRate, 0.75),
        ],
    );
    assert_absent(
        &e,
        &[
            M::LagSumHeat,
            M::LagDifferenceHeat,
            M::PublishedPressure,
            M::ExactPressure,
        ],
    );
}

#[test]
fn weights_that_came_from_or_went_to_the_origin() {
    let mut sums = sums();
    // |w₋|² = 4 − 2·1.5 − 1 = 0.
    (sums.step_step, sums.previous_step) = (1.0, 1.5);
    let e = of(plain(), Some(plain()), &sums);
    assert_reads(&e, &[(M::DecayNormSquared, 0.0), (M::UpdateVirial, -3.0)]);
    assert_absent(&e, &[M::Rotation]);

    (sums.w_w, sums.w_g, sums.previous_step) = (0.0, 0.0, -1.0);
    let e = of(plain(), Some(plain()), &sums);
    assert_reads(
        &e,
        &[
            (M::DecayNormSquared, 0.25),
            (M::UnitMoment, 0.0),
            (M::Virial, 0.0),
        ],
    );
    assert_absent(
        &e,
        &[
            M::Rotation,
            M::VirialRatio,
            M::StepAngleSquared,
            M::MechanicalPressure,
        ],
    );

    // No gradient: nothing to compare w·g with.
    (sums.w_w, sums.g_g) = (4.0, 0.0);
    let e = of(plain(), None, &sums);
    assert_reads(&e, &[(M::NormGain, 0.0), (M::StepAngleSquared, 0.0)]);
    assert_absent(&e, &[M::VirialRatio]);
}

#[test]
fn steps_as_long_as_the_weights() {
    let mut sums = sums();
    // The published pressure exists down to a step into the origin, growth −1.
    for (along, expected) in [(4.5, Some(-2.0)), (5.0, None)] {
        sums.w_g = along;
        assert_eq!(
            of(plain(), None, &sums).mean(M::PublishedPressure),
            expected
        );
    }
    // The exact one as long as the step is shorter than the radius.
    sums.g_g = 15.0;
    assert_reads(&of(plain(), None, &sums), &[(M::ExactPressure, 1.5)]);
    sums.g_g = 16.0;
    assert_absent(&of(plain(), None, &sums), &[M::ExactPressure]);
}

/// Adam with β₁ = 1/2, η = λ = 1/2.
fn adam(decay: Decay) -> Step {
    let step = Step::new(0.0)
        .learning_rate(0.5)
        .batch_size(2)
        .optimizer(Optimizer::Adam {
            beta1: 0.5,
            beta2: 0.75,
            epsilon: 0.0,
        });
    match decay {
        Decay::Coupled => step.weight_decay(0.5),
        Decay::Decoupled => step.decoupled_weight_decay(0.5),
    }
}

/// f of AdamW with x = ηλ = 1/4: η′² (1 + qμ)/(x(2−x)(1−μ²)(1−qμ)), η′ = 1/4, q = 3/4, μ = 1/2.
const ADAMW: f64 = (0.0625 * 1.375) / (0.25 * 1.75 * 0.75 * 0.625);

#[test]
fn a_preconditioner_weighs_squares() {
    let e = of(
        adam(Decay::Decoupled),
        Some(adam(Decay::Decoupled)),
        &preconditioned(),
    );
    assert_reads(
        &e,
        &[
            (M::AdamSteps, 1.0),
            (M::PressureNormSquared, 3.0),
            (M::PreconditionedGradient, 1.5),
            (M::NormLoss, 4.0 / ADAMW),
            (M::NormGain, 1.25),
            (M::NoiseTrace, 4.0),
            (M::NoiseHeat, 0.75),
            (M::PreconditionedSignal, 0.375),
            (M::ExampleNoise, 8.0),
            (M::ExampleHeat, 6.0),
            (M::RadiusSquared, 1.25 * ADAMW),
            (M::GasRadiusSquared, 7.0 * ADAMW),
            (M::CentredVirial, 0.75 + 0.5 * 5.0),
            (M::CentreForce, 1.0 + 0.5 * 6.0 - 3.25),
            (M::MechanicalPressure, 0.0625),
            // (1+β₁)/(2η(1−β₁))·0.75 and 1/(η(1−β₁))·0.625
            (M::KineticHeat, 2.25),
            (M::MidpointHeat, 2.5),
            // 2mp
            (M::RelaxationRate, 0.5),
        ],
    );
    assert_absent(
        &e,
        &[
            M::RadiusFourth,
            M::GasRadiusFourth,
            M::StepAngleSquared,
            M::PublishedPressure,
            M::ExactPressure,
            M::LagSumHeat,
            M::LagDifferenceHeat,
        ],
    );
    // Decay within the gradient is not weighted, and the norm has no closed form.
    let e = of(adam(Decay::Coupled), None, &preconditioned());
    assert_reads(
        &e,
        &[
            (M::PressureNormSquared, 2.0),
            (M::CentredVirial, 0.75 + 0.5 * 3.0),
            (M::NormGain, 1.25),
            (M::NoiseHeat, 0.75),
        ],
    );
    assert_absent(
        &e,
        &[
            M::NormLoss,
            M::RadiusSquared,
            M::GasRadiusSquared,
            M::RelaxationRate,
        ],
    );
}

#[test]
fn a_preconditioner_that_was_not_given() {
    let weighted = [
        M::PressureNormSquared,
        M::PreconditionedGradient,
        M::NormLoss,
        M::NormGain,
        M::NoiseHeat,
        M::PreconditionedSignal,
        M::ExampleHeat,
        M::RadiusSquared,
        M::CentredVirial,
        M::MechanicalPressure,
        M::KineticHeat,
        M::MidpointHeat,
    ];
    let step = adam(Decay::Decoupled);
    for count in [0.0, 1.0] {
        let mut sums = preconditioned();
        sums.d_count = count;
        let e = of(step, Some(step), &sums);
        assert_absent(&e, &weighted);
        // |Dg|² = d where noise makes up the second moment, whatever D.
        assert_reads(&e, &[(M::GasRadiusSquared, 2.0 * ADAMW)]);
    }
    // A noise estimate from elsewhere is not weighted.
    let mut sums = preconditioned();
    (sums.g2_count, sums.trace_count, sums.trace) = (0.0, 2.0, 3.0);
    let e = of(step, None, &sums);
    assert_reads(
        &e,
        &[(M::NoiseTrace, 3.0), (M::RadiusSquared, 1.25 * ADAMW)],
    );
    assert_absent(
        &e,
        &[
            M::NoiseHeat,
            M::ExampleHeat,
            M::PreconditionedSignal,
            M::GasRadiusSquared,
        ],
    );
    // No weights to weigh: no pressure.
    let mut sums = preconditioned();
    sums.w_w_d = 0.0;
    assert_absent(&of(step, None, &sums), &[M::MechanicalPressure]);
    // Of the rules with one, Adam alone has a norm without it.
    let other = step.optimizer(Optimizer::Preconditioned {
        momentum: 0.5,
        dampening: 0.5,
    });
    let e = of(other, None, &self::sums());
    assert_absent(&e, &[M::GasRadiusSquared, M::AdamSteps]);
    assert_reads(&e, &[(M::PreconditionedSteps, 1.0)]);
}

#[test]
fn a_rule_known_by_its_update() {
    let step = Step::new(0.0)
        .learning_rate(0.5)
        .decoupled_weight_decay(0.5)
        .optimizer(Optimizer::Update);
    let mut sums = sums();
    (sums.u_count, sums.u_u, sums.w_u) = (2.0, 3.0, 0.25);
    // (η²|u|² − 2η(1−x)w·u)/(x(2−x)) = (0.75 − 0.1875)/0.4375
    assert_reads(
        &of(step, None, &sums),
        &[(M::RadiusSquared, 9.0 / 7.0), (M::UpdateSteps, 1.0)],
    );
    for count in [0.0, 1.0] {
        sums.u_count = count;
        assert_absent(&of(step, None, &sums), &[M::RadiusSquared]);
    }
    sums.u_count = 2.0;
    let plain = step.optimizer(Optimizer::SGD);
    assert_absent(&of(plain, None, &sums), &[M::RadiusSquared]);
    let sphere = step.protocol(Protocol::FixedSphere);
    assert_absent(&of(sphere, None, &sums), &[M::RadiusSquared]);
}

#[test]
fn other_protocols() {
    let e = of(
        plain().protocol(Protocol::FixedEffectiveLearningRate),
        None,
        &sums(),
    );
    assert_reads(
        &e,
        &[(M::EffectiveDecay, 0.03125), (M::RelaxationRate, 0.125)],
    );
    assert_absent(&e, &[M::RadiusFourth, M::GasRadiusFourth]);
    let e = of(plain().protocol(Protocol::FixedSphere), None, &sums());
    assert_reads(&e, &[(M::RelaxationRate, 0.5 * 1.125_f64.ln())]);
    assert_absent(
        &e,
        &[M::EffectiveDecay, M::RadiusFourth, M::GasRadiusFourth],
    );
    let adam = adam(Decay::Decoupled).protocol(Protocol::FixedEffectiveLearningRate);
    assert_absent(
        &of(adam, None, &preconditioned()),
        &[M::RelaxationRate, M::RadiusSquared],
    );
    // Without the gradient or without weights, no angle.
    let mut bare = sums();
    bare.g_count = 0.0;
    let step = plain().protocol(Protocol::FixedEffectiveLearningRate);
    assert_absent(&of(step, None, &bare), &[M::RelaxationRate]);
    let mut bare = sums();
    (bare.w_w, bare.w_g) = (0.0, 0.0);
    assert_absent(
        &of(step, None, &bare),
        &[M::RelaxationRate, M::EffectiveDecay],
    );
}

/// What was given for some parameters of the group only, or for none, is not known of it.
#[test]
fn tensors_that_were_not_given() {
    let by_gradient = [
        M::GradientNormSquared,
        M::Virial,
        M::RadiusFourth,
        M::NormGain,
        M::StepAngleSquared,
        M::CentredVirial,
    ];
    let by_noise = [
        M::NoiseTrace,
        M::SignalSquared,
        M::NoiseHeat,
        M::GasRadiusFourth,
    ];
    let by_step = [M::StepSquared, M::KineticHeat, M::Rotation, M::UpdateHeat];
    for count in [0.0, 1.0] {
        let without = |change: fn(&mut Sums, f64)| {
            let mut sums = sums();
            change(&mut sums, count);
            of(plain(), Some(plain()), &sums)
        };
        assert_absent(&without(|s, n| s.g_count = n), &by_gradient);
        assert_absent(&without(|s, n| s.g2_count = n), &by_noise);
        assert_absent(&without(|s, n| s.step_count = n), &by_step);
        assert_absent(
            &without(|s, n| s.midpoint_count = n),
            &[M::StepProduct, M::MidpointHeat],
        );
        assert_absent(
            &without(|s, n| s.centre_count = n),
            &[M::CentredVirial, M::CentreForce],
        );
        assert_absent(
            &without(|s, n| s.lag_count = n),
            &[M::LagProduct, M::LagSumHeat],
        );
        // An incomplete estimate of the noise gives way to the second gradient.
        let e = without(|s, n| (s.trace_count, s.trace) = (n, 9.0));
        assert_reads(&e, &[(M::NoiseTrace, 4.0)]);
    }
    // No parameters at all.
    let e = of(plain(), Some(plain()), &Sums::default());
    for step in [adam(Decay::Decoupled), plain().optimizer(Optimizer::Update)] {
        assert_absent(
            &of(step, None, &Sums::default()),
            &[M::RadiusSquared, M::NormGain],
        );
    }
    for absent in [
        &by_gradient[..],
        &by_noise,
        &by_step,
        &[M::StepProduct, M::LagProduct],
    ] {
        assert_absent(&e, absent);
    }
    let e = of(
        Step::new(0.0).learning_rate(0.0).weight_decay(0.0),
        Some(plain()),
        &sums(),
    );
    assert_reads(&e, &[(M::LearningRate, 0.0), (M::WeightDecay, 0.0)]);
    assert_absent(
        &e,
        &[M::LogRate, M::LogDecay, M::NoiseHeat, M::MechanicalPressure],
    );
    let e = of(plain(), Some(plain().learning_rate(0.0)), &sums());
    assert_absent(
        &e,
        &[
            M::UpdateHeat,
            M::DecayNormSquared,
            M::UpdateVirial,
            M::KineticHeat,
        ],
    );
}

#[test]
fn symmetries_take_degrees_of_freedom() {
    let dof = |symmetry| {
        let mut ensemble = Ensemble::default();
        ensemble.push(&plain(), None, &sums(), symmetry);
        ensemble.mean(M::Dof)
    };
    assert_eq!(dof(Symmetry::Generic), Some(2.0));
    assert_eq!(dof(Symmetry::ScaleInvariant), Some(1.0));
    assert_eq!(dof(Symmetry::ScaleInvariantBy(3)), Some(0.0));
}
