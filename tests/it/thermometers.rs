//! Every thermometer against exact answers, and its error bar against its scatter.

use proptest::prelude::*;
use thermograd::systems::{HarmonicBath, HarmonicConfig, HarmonicSampler, Random};
use thermograd::{
    Config, Ensemble, Estimate, GroupId, Groups, Observer, Reading, Reason, Step, Sums, Symmetry,
    Window, from_fn, pressure, temperature,
};

/// A random symmetric matrix with eigenvalues in `low..high`, row-major: Q D Q′ by rotations.
fn symmetric(random: &mut Random, dim: usize, low: f64, high: f64) -> Vec<f64> {
    let mut a = vec![0.0; dim * dim];
    for i in 0..dim {
        a[i * dim + i] = low + (high - low) * random.uniform();
    }
    for p in 0..dim {
        for q in p + 1..dim {
            let (s, c) = (std::f64::consts::TAU * random.uniform()).sin_cos();
            for k in 0..dim {
                let (x, y) = (a[k * dim + p], a[k * dim + q]);
                (a[k * dim + p], a[k * dim + q]) = (c * x - s * y, s * x + c * y);
            }
            for k in 0..dim {
                let (x, y) = (a[p * dim + k], a[q * dim + k]);
                (a[p * dim + k], a[q * dim + k]) = (c * x - s * y, s * x + c * y);
            }
        }
    }
    for p in 0..dim {
        for q in 0..p {
            a[p * dim + q] = a[q * dim + p];
        }
    }
    a
}

/// A bath with curvature and noise that do not commute.
fn bath(seed: u64, dim: usize, rate: f64, momentum: f64, decay: f64) -> HarmonicBath {
    let mut random = Random::new(seed);
    let curvature = symmetric(&mut random, dim, 0.2, 3.0);
    let noise = symmetric(&mut random, dim, 0.1, 2.0);
    let config = HarmonicConfig::new(rate)
        .momentum(momentum)
        .weight_decay(decay);
    HarmonicBath::new(&curvature, &noise, config).unwrap()
}

proptest! {
    /// The thermometers of the ensemble, fed with the exact stationary moments, are exact:
    /// midpoint and calorimetric read the bath, kinetic reads what forces read.
    #[test]
    fn exact_on_any_stationary_quadratic(
        seed in any::<u64>(),
        dim in 1_usize..6,
        rate in 0.01..0.5,
        momentum in 0.0..0.95,
        decay in 0.0..0.2,
    ) {
        let bath = bath(seed, dim, rate, momentum, decay);
        let exact = bath.stationary().unwrap();
        let d = dim as f64;
        let mut sums = Sums::default();
        for count in [
            &mut sums.w_count,
            &mut sums.g_count,
            &mut sums.g2_count,
            &mut sums.step_count,
            &mut sums.midpoint_count,
            &mut sums.centre_count,
            &mut sums.lag_count,
        ] {
            *count = d;
        }
        let trace = |m: &[f64]| (0..dim).map(|i| m[i * dim + i]).sum::<f64>();
        sums.noise = 2.0 * bath.noise_trace();
        sums.step_step = exact.square_step();
        sums.midpoint_midpoint = exact.square_midpoint();
        sums.w_w = trace(exact.weight_covariance());
        // In the bath's convention the gradient holds no decay.
        sums.w_g = exact.weight_dot_gradient();
        (sums.centred_g, sums.centred_w) = (sums.w_g, sums.w_w);
        (sums.lag_sum, sums.lag_difference) = (
            2.0 * exact.half_square_lag_sum(),
            2.0 * exact.half_square_lag_difference(),
        );
        let before = Step::new(1.0).learning_rate(rate).weight_decay(decay).momentum(momentum);
        let now = before.previous_batch_loss(1.0 + exact.heat());
        let mut e = Ensemble::default();
        e.push(&now, Some(&before), &sums, Symmetry::Generic);

        let expected = rate * bath.noise_trace() / (2.0 * (1.0 - momentum) * d);
        let close = |value: Option<f64>, exact: f64| {
            let value = value.unwrap();
            prop_assert!((value - exact).abs() <= 1e-9 * exact.abs(), "{value} {exact}");
            Ok(())
        };
        close(temperature::noise(&e), expected)?;
        close(temperature::midpoint(&e), expected)?;
        let with_decay = exact.weight_dot_gradient() + decay * sums.w_w;
        close(temperature::kinetic(&e), with_decay / d)?;
        close(temperature::virial(&e), with_decay / d)?;
        close(pressure::real_gas_balance(&e), 1.0)?;
        if decay == 0.0 {
            close(temperature::calorimetric(&e), expected)?;
        }
        let edge = temperature::edge_ratio(&e).unwrap();
        prop_assert!((-1e-9..1.0).contains(&edge));
        if momentum == 0.0 && decay == 0.0 {
            close(temperature::lag_sum(&e), expected)?;
        }
    }

    /// g → c g makes T → c² T; w and p stay.
    #[test]
    fn temperature_scales_with_the_square_of_the_noise(seed in any::<u64>(), c in 0.1..10.0) {
        let read = |scale: f64| {
            let mut random = Random::new(seed);
            let mut e = Ensemble::default();
            let step = Step::new(0.0).learning_rate(0.1).weight_decay(0.2);
            let w: Vec<f64> = (0..50).map(|_| random.normal()).collect();
            let mut draw = || (0..50).map(|_| scale * random.normal()).collect::<Vec<f64>>();
            let (g, g2) = (draw(), draw());
            let piece = thermograd::Piece::new(&w, &g).second_gradient(&g2);
            let sums = Sums::reduce(&piece, std::num::NonZeroUsize::MIN).unwrap();
            e.push(&step, None, &sums, Symmetry::Generic);
            e
        };
        let (one, scaled) = (read(1.0), read(c));
        let ratio = temperature::noise(&scaled).unwrap() / temperature::noise(&one).unwrap();
        prop_assert!((ratio - c * c).abs() < 1e-12 * c * c);
        prop_assert_eq!(pressure::volume(&one), pressure::volume(&scaled));
        let z = pressure::z(&scaled).unwrap() * c * c / pressure::z(&one).unwrap();
        prop_assert!((z - 1.0).abs() < 1e-12);
    }
}

fn observer(symmetry: Symmetry) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("all", symmetry);
    let config = Config::every_step().window(Window::Growing);
    (Observer::with_config(groups, config).unwrap(), group)
}

/// Watches a harmonic bath for `steps` steps from its stationary law.
fn watch(bath: &HarmonicBath, facts: Step, seed: u64, steps: usize) -> (Observer, GroupId) {
    let mut sampler: HarmonicSampler = bath.stationary_sampler(seed).unwrap();
    let (mut observer, group) = observer(Symmetry::Generic);
    let mut loss = 0.0;
    for _ in 0..steps {
        sampler.draw_second();
        // Losses relative to each step's own: the heat is all that is read of them.
        let mut step = facts;
        if let Some(after) = sampler.previous_batch_loss() {
            step = step.previous_batch_loss(after - loss);
        }
        loss = sampler.batch_loss();
        observer
            .observe(
                &step,
                &from_fn(|out| {
                    let piece = thermograd::Piece::new(sampler.weights(), sampler.gradient())
                        .second_gradient(sampler.second_gradient().unwrap_or_default());
                    out.piece(group, &piece)
                }),
            )
            .unwrap();
        sampler.step().unwrap();
    }
    (observer, group)
}

const THERMOMETERS: [&str; 5] = [
    "temperature_noise",
    "temperature_midpoint",
    "temperature_kinetic",
    "temperature_virial",
    "temperature_calorimetric",
];

/// Over seeds the readings scatter about the exact temperatures as their error bars say.
#[test]
fn error_bars_of_thermometers_have_unit_spread() {
    let (rate, momentum) = (0.1, 0.5);
    let bath = bath(3, 4, rate, momentum, 0.0);
    let exact = bath.stationary().unwrap();
    let truths = [
        bath.temperature(),
        exact.midpoint_temperature(),
        exact.kinetic_temperature(),
        exact.virial_temperature(),
        exact.calorimetric_temperature(),
    ];
    let facts = Step::new(0.0)
        .learning_rate(rate)
        .weight_decay(0.0)
        .momentum(momentum);
    let mut scores = [const { Vec::new() }; 5];
    let seeds = 200;
    for seed in 0..seeds {
        let (observer, group) = watch(&bath, facts, seed, 4000);
        for ((name, truth), scores) in THERMOMETERS.iter().zip(truths).zip(&mut scores) {
            let reading = if *name == "temperature_calorimetric" {
                observer.read_model(name).unwrap()
            } else {
                observer.read(group, name).unwrap()
            };
            if let Reading::Ready(estimate) = reading {
                scores.push(estimate.z_score(truth).unwrap());
            }
        }
    }
    for (name, scores) in THERMOMETERS.iter().zip(&scores) {
        let n = scores.len() as f64;
        assert!(n > 0.9 * seeds as f64, "{name}: ready {n} times");
        let rms = (scores.iter().map(|z| z * z).sum::<f64>() / n).sqrt();
        let mean = scores.iter().sum::<f64>() / n;
        // The scatter of an rms over 200 seeds is 0.05.
        assert!((0.85..1.15).contains(&rms), "{name}: rms {rms}");
        assert!(mean.abs() < 0.3, "{name}: mean {mean}");
    }
}

/// Heat capacity of a quadratic well is (d/2)/(1 − ηa/2)², batch noise or not.
#[test]
fn heat_capacity_is_not_fooled_by_the_batch() {
    let (dim, rate, curvature) = (6, 0.2, 1.5);
    let mut random = Random::new(11);
    let (mut w, mut readings) = (vec![0.0; dim], Vec::new());
    for _ in 0..60 {
        let (mut observer, group) = observer(Symmetry::Generic);
        let mut gradient = || -> Vec<f64> { (0..dim).map(|_| random.normal()).collect() };
        for step in 0..6000 {
            let (xi, other) = (gradient(), gradient());
            let slope: Vec<f64> = w.iter().map(|w| curvature * w).collect();
            let g: Vec<f64> = slope.iter().zip(&xi).map(|(a, b)| a + b).collect();
            let g2: Vec<f64> = slope.iter().zip(&other).map(|(a, b)| a + b).collect();
            if step >= 200 {
                let full: f64 = 0.5 * curvature * w.iter().map(|w| w * w).sum::<f64>();
                // A batch's loss differs from the full one by far more than the thermal motion.
                let (here, there) = (full + 5.0 * xi[0], full + 5.0 * other[0]);
                let facts = Step::new(here).independent_loss(there).learning_rate(rate);
                let piece = thermograd::Piece::new(&w, &g).second_gradient(&g2);
                observer
                    .observe(&facts, &from_fn(|out| out.piece(group, &piece)))
                    .unwrap();
            }
            for (w, g) in w.iter_mut().zip(&g) {
                *w -= rate * g;
            }
        }
        let reading = observer.read_model("heat_capacity").unwrap();
        readings.push(reading.ready().copied().unwrap());
    }
    let exact = dim as f64 / 2.0 / (1.0 - rate * curvature / 2.0).powi(2);
    assert_scatter("heat capacity", &readings, exact);
}

/// Mean within four of its errors of the truth, and error bars that match the scatter.
#[track_caller]
fn assert_scatter(what: &str, readings: &[Estimate], truth: f64) {
    let n = readings.len() as f64;
    let mean = readings.iter().map(|e| e.value).sum::<f64>() / n;
    let scatter = readings
        .iter()
        .map(|e| (e.value - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0);
    let z = (mean - truth) / (scatter / n).sqrt();
    assert!(z.abs() < 4.0, "{what}: {mean}, truth {truth}, z {z}");
    let claimed = readings.iter().map(|e| e.std_error.powi(2)).sum::<f64>() / n;
    let ratio = (scatter / claimed).sqrt();
    // Three standard deviations of a scatter over n readings.
    assert!(
        (ratio - 1.0).abs() < 3.0 / (2.0 * n).sqrt(),
        "{what}: ratio {ratio}"
    );
}

/// Same-batch residuals telescope: Σ (2 w·Δ + |Δ|²) is the change of |w|² and nothing else.
#[test]
fn the_same_batch_identity_telescopes() {
    let bath = bath(5, 5, 0.1, 0.9, 0.01);
    let mut sampler = bath.stationary_sampler(1).unwrap();
    let (mut observer, group) = observer(Symmetry::Generic);
    let facts = Step::new(0.0)
        .learning_rate(0.1)
        .weight_decay(0.01)
        .momentum(0.9);
    let mut norms = Vec::new();
    for _ in 0..500 {
        let (w, g) = (sampler.weights(), sampler.gradient());
        norms.push(w.iter().map(|w| w * w).sum::<f64>());
        let snapshot = thermograd::slices(group, w, g);
        observer.observe(&facts, &snapshot).unwrap();
        sampler.step().unwrap();
    }
    // The displacement from the second step on: the first visit only fixes lengths.
    let mut total = 0.0;
    let mut twin = bath.stationary_sampler(1).unwrap();
    let mut before: Vec<f64> = twin.weights().to_vec();
    for step in 0..499 {
        twin.step().unwrap();
        let sums: (f64, f64) = twin
            .weights()
            .iter()
            .zip(&before)
            .fold((0.0, 0.0), |acc, (w, w1)| {
                (acc.0 + w1 * (w - w1), acc.1 + (w - w1) * (w - w1))
            });
        if step >= 1 {
            total += 2.0 * sums.0 + sums.1;
        }
        before = twin.weights().to_vec();
    }
    let drift = norms[499] - norms[1];
    assert!(
        (total - drift).abs() < 1e-10 * norms[1].max(1.0),
        "{total} {drift}"
    );
    let ensemble = observer.ensemble(Some(group)).unwrap();
    assert_eq!(ensemble.count(thermograd::Moment::StepSquared), 498.0);
}

/// What cannot be measured is said to be so, with the reason.
#[test]
fn undefined_and_pending_have_reasons() {
    let run = |facts: Step, symmetry: Symmetry, w: &[f64], noise: f64, steps: usize| {
        let (mut observer, group) = observer(symmetry);
        let mut random = Random::new(2);
        for _ in 0..steps {
            let mut draw = || -> Vec<f64> { w.iter().map(|_| noise * random.normal()).collect() };
            let (g, g2) = (draw(), draw());
            let snapshot = thermograd::slices(group, w, &g).second_gradient(&g2);
            observer.observe(&facts, &snapshot).unwrap();
        }
        (observer, group)
    };
    let reason = |(observer, group): &(Observer, GroupId), metric: &str| match observer
        .read(*group, metric)
        .unwrap()
    {
        Reading::Undefined(reason) => reason,
        other => panic!("{metric}: {other}"),
    };
    let w = [1.0, 2.0, 3.0];
    let all = Step::new(0.5).learning_rate(0.1).weight_decay(0.01);

    let cold = run(all, Symmetry::ScaleInvariant, &w, 0.0, 100);
    assert_eq!(reason(&cold, "z"), Reason::DividesByZero("the temperature"));
    assert_eq!(reason(&cold, "z_d"), Reason::DividesByZero("the gradient"));
    assert_eq!(
        reason(&cold, "signal_to_noise"),
        Reason::DividesByZero("the gradient noise")
    );
    assert_eq!(
        reason(&cold, "edge_ratio"),
        Reason::DividesByZero("the displacement"),
        "the weights stand still"
    );

    let frozen = run(
        all.learning_rate(0.0),
        Symmetry::ScaleInvariant,
        &w,
        1.0,
        100,
    );
    for metric in [
        "temperature_noise",
        "temperature_midpoint",
        "z",
        "relaxation_steps",
    ] {
        assert_eq!(
            reason(&frozen, metric),
            Reason::DividesByZero("the learning rate"),
            "{metric}"
        );
    }
    let free = run(
        all.weight_decay(0.0),
        Symmetry::ScaleInvariant,
        &w,
        1.0,
        100,
    );
    for metric in ["z_d", "relaxation_steps", "radius_predicted"] {
        assert_eq!(
            reason(&free, metric),
            Reason::DividesByZero("the weight decay"),
            "{metric}"
        );
    }
    let blind = run(Step::new(0.5), Symmetry::Generic, &w, 1.0, 100);
    assert_eq!(
        reason(&blind, "temperature_noise"),
        Reason::Missing("the learning rate")
    );
    assert_eq!(reason(&blind, "z"), Reason::Missing("the weight decay"));
    assert!(matches!(reason(&blind, "z_d"), Reason::Symmetry(_)));
    assert!(matches!(reason(&blind, "loss"), Reason::Meaningless(_)));

    let single = run(all, Symmetry::ScaleInvariant, &[1.0], 1.0, 100);
    assert!(matches!(
        reason(&single, "temperature_noise"),
        Reason::Degenerate(_)
    ));

    let nesterov = all.optimizer(thermograd::Optimizer::Nesterov { momentum: 0.9 });
    let nesterov = run(nesterov, Symmetry::Generic, &w, 1.0, 100);
    assert!(matches!(
        reason(&nesterov, "temperature_midpoint"),
        Reason::Optimizer(_)
    ));

    let (young, group) = run(all, Symmetry::ScaleInvariant, &w, 1.0, 1);
    for row in &young.report() {
        assert!(
            !matches!(row.reading, Reading::Ready(_)),
            "{} is certain after one step",
            row.metric.name()
        );
    }
    let pending = young.read(group, "volume").unwrap();
    assert_eq!(
        pending,
        Reading::Pending {
            seen: 1,
            needed: 96
        }
    );

    // A constant series has no error, and says so.
    let (old, _) = run(all, Symmetry::ScaleInvariant, &w, 1.0, 100);
    let loss = old.read_model("loss").unwrap();
    let loss = loss.ready().unwrap();
    assert_eq!((loss.value, loss.std_error), (0.5, 0.0));
}
