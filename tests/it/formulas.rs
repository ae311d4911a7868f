//! Formulas at moments that were put in by hand, and where their denominators vanish.

use thermograd::noise::{
    GradientNoise, GradientVariance, Replicas, critical_batch_size, reshuffling_factor,
};
use thermograd::pressure::{self, Bath};
use thermograd::{
    Ensemble, Error, Estimate, Metric, Moment as M, Optimizer, Protocol, Reading, Reason, Step,
    energy, motion, temperature,
};

fn with(moments: &[(M, f64)]) -> Ensemble {
    let mut ensemble = Ensemble::default();
    for &(moment, value) in moments {
        ensemble.add(moment, value);
    }
    ensemble
}

fn assert_close(what: &str, found: f64, expected: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-13 * expected.abs(),
        "{what}: {found} for {expected}"
    );
}

#[test]
fn potentials() {
    let e = with(&[
        (M::Dof, 2.0),
        (M::Loss, 5.0),
        (M::NoiseHeat, 6.0),
        (M::KineticHeat, 7.0),
        (M::PressureNormSquared, 8.0),
        (M::Entropy, 0.5),
    ]);
    assert_eq!(energy::internal(&e), Some(5.0));
    assert_eq!(energy::decay_potential(&e), Some(4.0));
    assert_eq!(energy::kinetic(&e), Some(3.5));
    assert_eq!(energy::enthalpy(&e), Some(9.0));
    assert_eq!(energy::entropy(&e), Some(0.5));
    // T = 3
    assert_eq!(energy::helmholtz(&e), Some(3.5));
    assert_eq!(energy::gibbs(&e), Some(7.5));
}

#[test]
fn norms() {
    let e = with(&[
        (M::NormSquared, 6.0),
        (M::Norm, 2.25),
        (M::NoiseHeat, 4.0),
        (M::Virial, 3.0),
        (M::VirialRatio, 0.75),
        (M::NormLoss, 3.0),
        (M::NormGain, 4.0),
        (M::UpdateHeat, 4.0),
        (M::UpdateVirial, 3.0),
        (M::DecayNormSquared, 6.0),
        (M::RelaxationRate, 0.125),
        (M::Rotation, 0.375),
    ]);
    assert_eq!(pressure::volume(&e), Some(3.0));
    assert_eq!(pressure::radius(&e), Some(2.25));
    assert_eq!(pressure::z_virial(&e), Some(-0.75));
    assert_eq!(pressure::virial_ratio(&e), Some(0.75));
    assert_eq!(pressure::z_d(&e), Some(0.75));
    assert_eq!(pressure::z_update(&e), Some(1.5));
    assert_eq!(pressure::z_update_virial(&e), Some(-0.75));
    assert_eq!(pressure::relaxation_steps(&e), Some(8.0));
    assert_eq!(pressure::rotation(&e), Some(0.375));
    // Rates of e^(±1e−7) differ by more than rounding, equal ones do not.
    let e = with(&[
        (M::LogDecay, 1e-7),
        (M::LogDecay, -1e-7),
        (M::LogDecaySquared, 1e-14),
    ]);
    assert_close("spread", pressure::decay_spread(&e).unwrap(), 1e-7);
    let e = with(&[(M::LogDecay, 3.0), (M::LogDecaySquared, 9.0)]);
    assert_eq!(pressure::decay_spread(&e), Some(0.0));
}

#[test]
fn stationary_radii() {
    let fourth = with(&[(M::GasRadiusFourth, 16.0), (M::RadiusFourth, 81.0)]);
    assert_eq!(pressure::radius_gas(&fourth), Some(2.0));
    assert_eq!(pressure::radius_balance(&fourth), Some(3.0));
    let square = with(&[(M::GasRadiusSquared, 16.0), (M::RadiusSquared, 81.0)]);
    assert_eq!(pressure::radius_gas(&square), Some(4.0));
    assert_eq!(pressure::radius_balance(&square), Some(9.0));
    // Noise makes up 3/4 of |g|², and (1 − √(1 − x))/y with x = 0.75·0.48 = 0.36, y = 0.05.
    let angle = [
        (M::NoiseTrace, 3.0),
        (M::GradientNormSquared, 4.0),
        (M::StepAngleSquared, 0.48),
        (M::EffectiveDecay, 0.05),
    ];
    assert_close("gas", pressure::radius_gas(&with(&angle)).unwrap(), 2.0);
    let balance = (1.0 - 0.52_f64.sqrt()) / 0.05;
    let found = pressure::radius_balance(&with(&angle)).unwrap();
    assert_close("balance", found * found, balance);
    // No gradient, no share of noise in it.
    let mut nothing = angle;
    (nothing[0].1, nothing[1].1) = (0.0, 0.0);
    assert_eq!(pressure::radius_gas(&with(&nothing)), None);
}

/// A ratio whose denominator is zero is no number, whatever the numerator.
#[test]
fn zero_over_zero() {
    let e = with(&[
        (M::Dof, 2.0),
        (M::NoiseHeat, 0.0),
        (M::KineticHeat, 0.0),
        (M::MidpointHeat, 0.0),
        (M::NoiseTrace, 0.0),
        (M::SignalSquared, 0.0),
        (M::PreconditionedSignal, 0.0),
        (M::ExampleHeat, 0.0),
        (M::PressureNormSquared, 0.0),
        (M::Virial, 0.0),
        (M::NormLoss, 0.0),
        (M::NormGain, 0.0),
        (M::StepSquared, 0.0),
        (M::StepProduct, 0.0),
        (M::StepAlong, 0.0),
        (M::UpdateHeat, 0.0),
        (M::UpdateVirial, 0.0),
        (M::DecayNormSquared, 0.0),
        (M::RelaxationRate, 0.0),
        (M::LossProduct, 0.0),
        (M::PairedLoss, 0.0),
        (M::IndependentLoss, 0.0),
    ]);
    for formula in [
        temperature::edge_ratio,
        temperature::signal_to_noise,
        critical_batch_size,
        pressure::z,
        pressure::z_virial,
        pressure::z_d,
        pressure::real_gas_balance,
        pressure::relaxation_steps,
        pressure::norm_balance,
        pressure::z_update,
        pressure::z_update_virial,
        motion::alignment,
        energy::heat_capacity,
    ] {
        assert_eq!(formula(&e), None);
    }
    let frozen = with(&[(M::Dof, 0.0), (M::NoiseHeat, 1.0)]);
    assert_eq!(temperature::noise(&frozen), None);
    let exact = Estimate {
        value: 1.0,
        std_error: 0.0,
        n_eff: 1.0,
    };
    assert_eq!(exact.z_score(0.0), None);
    assert_eq!(
        format!(
            "{}",
            Estimate {
                std_error: 0.25,
                ..exact
            }
        ),
        "1.000e0 ± 2.5e-1"
    );
    assert_eq!(format!("{exact:.2}"), "1.0e0 ± 0.0e0");
}

#[test]
fn rules_without_rounding_and_without_motion() {
    // η(1−β₁)/(1−β₁) would be off by one unit in the last place.
    assert_eq!(Optimizer::ADAM.with_momentum(0.3).mobility(0.1), Some(0.1));
    let still = Step::new(0.0).learning_rate(0.0).weight_decay(0.5);
    assert_eq!(pressure::gas_rotation(&still), None);
    assert_eq!(pressure::gas_z(&still), None);
    // The heat of Nesterov's step: ½ · 1/(2(1 − 1/4)).
    let nesterov = Step::new(1.0).optimizer(Optimizer::Nesterov { momentum: 0.5 });
    let after = Step::new(0.0).previous_batch_loss(0.5);
    let mut e = Ensemble::default();
    let mut sums = thermograd::Sums::default();
    sums.w_count = 1.0;
    e.push(
        &after,
        Some(&nesterov),
        &sums,
        thermograd::Symmetry::Generic,
    );
    assert_close("heat", e.mean(M::CalorimetricHeat).unwrap(), 1.0 / 3.0);
}

#[test]
fn a_metric_says_what_it_was_told() {
    let metric = Metric::new("rms", &[M::GradientNormSquared], |e| {
        Some(e.mean(M::GradientNormSquared)?.sqrt())
    });
    assert_eq!((metric.symbol(), metric.unit()), ("", ""));
    let metric = metric.with_symbol("|g|").with_unit("loss/weight");
    assert_eq!((metric.symbol(), metric.unit()), ("|g|", "loss/weight"));
    assert_eq!(
        metric.value(&with(&[(M::GradientNormSquared, 9.0)])),
        Some(3.0)
    );
    assert_eq!(metric.value(&with(&[(M::GradientNormSquared, -9.0)])), None);
    assert_eq!(metric.value(&with(&[])), None);
}

/// |w|² tr Σ = 18 on two degrees of freedom.
#[test]
fn forecasts_by_hand() {
    let bath = Bath::new(2, 18.0).unwrap();
    assert_eq!(
        Bath::measured(&with(&[(M::UnitNoise, 18.0), (M::Dof, 2.0)])),
        Some(bath)
    );
    let plain = Step::new(0.0).learning_rate(0.5).weight_decay(0.25);
    let adamw = Step::new(0.0)
        .learning_rate(0.5)
        .decoupled_weight_decay(0.5);
    let adamw = adamw.optimizer(Optimizer::Adam {
        beta1: 0.5,
        beta2: 0.75,
        epsilon: 0.0,
    });
    let effective = plain.learning_rate(0.1).weight_decay(0.5);
    let effective = effective.protocol(Protocol::FixedEffectiveLearningRate);
    let sphere = plain.protocol(Protocol::FixedSphere);
    // f = η/(λ(2−ηλ)) = 16/15; AdamW's f = 44/105 with |Dg|² = d.
    let norms = [
        ((16.0 / 15.0 * 18.0_f64).sqrt(), None),
        (44.0 / 105.0 * 2.0, None),
        ((1.0 - 0.82_f64.sqrt()) / 0.05, None),
        (9.0, Some(3.0)),
    ];
    let heats = [
        0.5 * 18.0 / (4.0 * norms[0].0),
        0.25 * (18.0 / (2.0 * norms[1].0)).sqrt(),
        0.45,
        0.25,
    ];
    let pressures = [0.25, 0.5, 0.5, 1.0 / 18.0];
    let steps = [2.0, 2.0, 1.0 / 0.18, 2.0 / (1.0 + 1.0 / 18.0_f64).ln()];
    for (i, step) in [plain, adamw, effective, sphere].into_iter().enumerate() {
        let (square, radius) = norms[i];
        let forecast = bath.forecast(&step, radius).unwrap();
        let forecast = forecast.ready().unwrap();
        assert_close("volume", forecast.volume, 0.5 * square);
        assert_close("radius", forecast.radius, square.sqrt());
        assert_close("temperature", forecast.temperature, heats[i]);
        assert_close("pressure", forecast.pressure, pressures[i]);
        assert_close("relaxation", forecast.relaxation_steps, steps[i]);
    }
    assert!(matches!(
        bath.forecast(&sphere, None),
        Ok(Reading::Undefined(Reason::Missing(_)))
    ));
    for radius in [0.0, -1.0, 1e75, f64::NAN] {
        let refused = bath.forecast(&sphere, Some(radius));
        assert!(matches!(
            refused,
            Err(Error::OutOfRange { what: "radius", .. })
        ));
    }
    let silent = Bath::new(2, 0.0).unwrap();
    assert_eq!(
        silent.forecast(&plain, None),
        Ok(Reading::Undefined(Reason::DividesByZero("the noise")))
    );
}

#[test]
fn noise_estimates() {
    let mut noise = GradientNoise::new(2.0).signal(0.5);
    noise.merge(&GradientNoise::new(3.0).signal(0.25));
    assert_eq!((noise.trace, noise.signal), (5.0, 0.75));
    let silent = GradientNoise::new(0.0).signal(1.0);
    assert_eq!(silent.scale(4).unwrap().ready(), Some(&0.0));
    for meaningless in [
        GradientNoise::new(1.0),
        GradientNoise::new(-1.0).signal(1.0),
    ] {
        assert!(matches!(
            meaningless.scale(4),
            Ok(Reading::Undefined(Reason::Meaningless(_)))
        ));
    }
    let infinite = GradientNoise::new(1.0).signal(f64::INFINITY);
    assert!(matches!(
        infinite.scale(4),
        Err(Error::NonFinite { index: 1, .. })
    ));
    let e = with(&[(M::PreconditionedSignal, 0.5), (M::ExampleHeat, 6.0)]);
    assert_eq!(critical_batch_size(&e), Some(12.0));

    let mut parts = GradientVariance::default();
    assert_eq!(parts.count(), 0);
    parts.push(&[1.0_f64]).unwrap();
    parts.push(&[2.0_f64]).unwrap();
    assert_eq!(parts.count(), 2);
}

#[test]
fn replicas_from_numbers() {
    // Two ranks of three examples each.
    let good = [2.0, 6.0, 18.0, 5.0];
    let replicas = Replicas::from_array(good).unwrap();
    assert_eq!(replicas.to_array(), good);
    // tr Σ = (5/2 − 2)/1
    let noise = replicas.noise(2.0).unwrap();
    assert_eq!(noise.ready(), Some(&GradientNoise::new(0.5).signal(1.5)));
    let none = Replicas::from_array([0.0; 4]).unwrap();
    assert_eq!(none.noise(1.0), Ok(Reading::Pending { seen: 0, needed: 2 }));
    let big = 2_f64.powi(53);
    for bad in [
        [1.5, 6.0, 24.0, 5.0],
        [-1.0, 6.0, 18.0, 5.0],
        [big, big, big, 5.0],
        [2.0, 6.5, 18.0, 5.0],
        [2.0, big, 18.0, 5.0],
        [7.0, 6.0, 1.0, 5.0],
        [2.0, 6.0, 18.0, -5.0],
        [2.0, 6.0, f64::NEG_INFINITY, 5.0],
        [2.0, 6.0, 18.0, f64::INFINITY],
    ] {
        let refused = Replicas::from_array(bad);
        assert!(
            matches!(refused, Err(Error::Corrupt { .. })),
            "{bad:?}: {refused:?}"
        );
    }
    let unequal = Replicas::from_array([2.0, 6.0, 20.0, 5.0]);
    assert!(matches!(unequal, Err(Error::Conflict { .. })));
    // Seven equal ones whose squares are rounded.
    let batch = 123_456_789.0;
    let squares = (0..7).fold(0.0, |sum, _| sum + batch * batch);
    assert!(squares * 7.0 > (7.0 * batch) * (7.0 * batch));
    assert!(Replicas::from_array([7.0, 7.0 * batch, squares, 5.0]).is_ok());
}

#[test]
fn reshuffling_by_the_sum() {
    // n = 3, x = 3/2: c = 1, −1/2, 1/4.
    assert_close("stiff", reshuffling_factor(3, 1.5).unwrap(), 6.0 / 7.0);
    // n = 2, x = 1: c = 1, 0.
    assert_close("x = 1", reshuffling_factor(2, 1.0).unwrap(), 0.5);
    let by_sum = |n: i32, x: f64| {
        let c = |t| (1.0 - x).powi(t);
        let sum: f64 = (0..n).map(c).sum();
        let squares: f64 = (0..n).map(|t| c(t) * c(t)).sum();
        (squares - sum * sum / f64::from(n)) * x * (2.0 - x) / (1.0 - c(2 * n))
    };
    for (n, x) in [(4096, 0.01), (4097, 0.01), (5001, 1.9), (5000, 1.9)] {
        let (found, exact) = (
            reshuffling_factor(n, x).unwrap(),
            by_sum(i32::try_from(n).unwrap(), x),
        );
        assert!(
            (found / exact - 1.0).abs() < 1e-10,
            "{n} {x}: {found} {exact}"
        );
    }
    // Slow modes: x²(n² − 1)/12, whose relative error nx is 5e−12 here.
    let found = reshuffling_factor(5000, 1e-15).unwrap();
    let exact = 1e-30 * (25e6 - 1.0) / 12.0;
    assert!((found / exact - 1.0).abs() < 1e-9, "{found} {exact}");
    for x in [0.0, 2.0, f64::NAN] {
        assert!(matches!(
            reshuffling_factor(3, x),
            Err(Error::OutOfRange { .. })
        ));
    }
}
