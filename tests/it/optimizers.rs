//! What each optimiser does to the formulas, against exact recursions and simulation.

use thermograd::pressure::{self, Bath};
use thermograd::systems::{HarmonicBath, HarmonicConfig, HarmonicSampler, Random};
use thermograd::{
    Config, Decay, Ensemble, Error, Estimate, GroupId, Groups, Moment, Observer, Optimizer,
    Protocol, Reading, Reason, Remark, Step, Sums, Symmetry, Window, slices, temperature,
};

fn one_group(symmetry: Symmetry) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("all", symmetry);
    let config = Config::every_step().window(Window::Growing);
    (Observer::with_config(groups, config).unwrap(), group)
}

#[track_caller]
fn ready(observer: &Observer, group: GroupId, metric: &str) -> Estimate {
    match observer.read(group, metric).unwrap() {
        Reading::Ready(estimate) => estimate,
        other => panic!("{metric}: {other}"),
    }
}

#[track_caller]
fn reason(observer: &Observer, group: GroupId, metric: &str) -> Reason {
    match observer.read(group, metric).unwrap() {
        Reading::Undefined(reason) => reason,
        other => panic!("{metric}: {other}"),
    }
}

#[track_caller]
fn assert_close(what: &str, ours: f64, exact: f64, relative: f64) {
    assert!(
        (ours - exact).abs() <= relative * exact.abs(),
        "{what}: {ours:e} against {exact:e}"
    );
}

/// Within `share` of the truth, and within the error bars where these are wider.
#[track_caller]
fn assert_near(what: &str, estimate: Estimate, truth: f64, share: f64) {
    let off = (estimate.value - truth).abs();
    assert!(
        off < 4.5 * estimate.std_error + share * truth.abs(),
        "{what}: {estimate} against {truth}"
    );
    assert!(
        estimate.std_error < 0.05 * truth.abs(),
        "{what}: {estimate} cannot test {truth}"
    );
}

const RULES: [Optimizer; 6] = [
    Optimizer::SGD,
    Optimizer::HeavyBall {
        momentum: 0.9,
        dampening: 0.0,
    },
    Optimizer::HeavyBall {
        momentum: 0.7,
        dampening: 0.7,
    },
    Optimizer::HeavyBall {
        momentum: 0.5,
        dampening: 0.2,
    },
    Optimizer::Nesterov { momentum: 0.9 },
    Optimizer::Nesterov { momentum: 0.4 },
];

/// A pure gas is a harmonic bath whose curvature is the decay and whose noise falls as 1/r²: the
/// Lyapunov moments of the bath give radius factor, Z and rotation of every linear rule.
#[test]
fn radius_and_rotation_from_exact_moments() {
    let (eta, lambda) = (0.2, 0.3);
    for rule in RULES {
        for decay in [Decay::Coupled, Decay::Decoupled] {
            let base = HarmonicConfig::new(eta).optimizer(rule);
            // Decay as the curvature itself, or beside a curvature too soft to matter.
            let (curvature, config, precision) = match decay {
                Decay::Coupled => (lambda, base, 1e-9),
                Decay::Decoupled => (1e-9, base.weight_decay(lambda).decay(decay), 1e-7),
            };
            let bath = HarmonicBath::new(&[curvature], &[1.0], config).unwrap();
            let moments = bath.stationary().unwrap();
            let square = moments.weight_covariance()[0];

            let step = Step::new(0.0).learning_rate(eta).optimizer(rule);
            let step = match decay {
                Decay::Coupled => step.weight_decay(lambda),
                Decay::Decoupled => step.decoupled_weight_decay(lambda),
            };
            // r⁴ = fM; unit noise per step at |w|² = square means M = square.
            let gas = Bath::new(1, square).unwrap();
            let forecast = gas.forecast(&step, None).unwrap();
            let forecast = forecast.ready().unwrap();
            let name = format!("{rule:?} {decay:?}");
            assert_close(&name, forecast.radius.powi(2), square, precision);
            assert_close(
                &name,
                pressure::gas_rotation(&step).unwrap(),
                moments.square_step() / (2.0 * square),
                precision,
            );
            let p = rule.pressure(lambda, decay).unwrap();
            let temperature = 0.5 * rule.mobility(eta).unwrap();
            assert_close(
                &name,
                pressure::gas_z(&step).unwrap(),
                p * square / temperature,
                precision,
            );
        }
    }
}

/// Small steps: every rule is Δ = −m(g + pw), and Z = 1.
#[test]
fn mobility_and_pressure_are_the_small_step_limit() {
    for rule in RULES {
        for decay in [Decay::Coupled, Decay::Decoupled] {
            let step = Step::new(0.0).learning_rate(1e-6).optimizer(rule);
            let step = match decay {
                Decay::Coupled => step.weight_decay(0.1),
                Decay::Decoupled => step.decoupled_weight_decay(0.1),
            };
            assert_close(
                &format!("{rule:?} {decay:?}"),
                pressure::gas_z(&step).unwrap(),
                1.0,
                1e-5,
            );
        }
    }
}

fn watch(run: &mut HarmonicSampler, steps: usize) -> (Observer, GroupId) {
    let (mut observer, group) = one_group(Symmetry::Generic);
    for _ in 0..steps {
        run.draw_second();
        let second = run.second_gradient().unwrap();
        let snapshot = slices(group, run.weights(), run.gradient()).second_gradient(second);
        observer.observe(&run.facts(), &snapshot).unwrap();
        run.step().unwrap();
    }
    (observer, group)
}

/// On a bath of non-commuting curvature and noise each thermometer reads what its exact moments
/// say, or says that the rule has none.
#[test]
fn thermometers_under_each_rule() {
    let a = [2.0, 0.5, -0.3, 0.5, 1.0, 0.2, -0.3, 0.2, 0.7];
    let sigma = [1.0, -0.4, 0.1, -0.4, 3.0, 0.9, 0.1, 0.9, 0.5];
    for (seed, rule) in RULES.into_iter().enumerate() {
        for decay in [Decay::Coupled, Decay::Decoupled] {
            let config = HarmonicConfig::new(0.2)
                .optimizer(rule)
                .weight_decay(0.1)
                .decay(decay);
            let bath = HarmonicBath::new(&a, &sigma, config).unwrap();
            let moments = bath.stationary().unwrap();
            let mut run = bath.stationary_sampler(seed as u64).unwrap();
            let (observer, group) = watch(&mut run, 30_000);
            let name = |metric: &str| format!("{metric} {rule:?} {decay:?}");
            let check = |metric: &str, truth: f64| {
                assert_near(&name(metric), ready(&observer, group, metric), truth, 0.0);
            };
            check("temperature_noise", bath.temperature());
            // ⟨q⟩ = E[ξ·Δ] is −η(1−τ) tr Σ, and −η(1+μ) tr Σ under Nesterov's rule.
            let mu = rule.momentum();
            let per_heat = match rule {
                Optimizer::Nesterov { .. } => 0.5 / (1.0 - mu * mu),
                _ => 0.5 / (1.0 - mu),
            };
            let calorimetric = observer.read_model("temperature_calorimetric").unwrap();
            assert_near(
                &name("calorimetric"),
                *calorimetric.ready().unwrap(),
                -moments.heat() * per_heat / 3.0,
                0.0,
            );
            assert_close(
                &name("heat"),
                -moments.heat() * per_heat / 3.0,
                bath.temperature(),
                1e-9,
            );
            if matches!(rule, Optimizer::Nesterov { .. }) {
                for metric in ["temperature_midpoint", "temperature_kinetic", "edge_ratio"] {
                    let why = reason(&observer, group, metric);
                    assert!(
                        matches!(why, Reason::Optimizer(text) if text.contains("Nesterov")),
                        "{metric}: {why}"
                    );
                }
            } else {
                check("temperature_midpoint", moments.midpoint_temperature());
                check("temperature_kinetic", moments.kinetic_temperature());
                if decay == Decay::Coupled {
                    check("temperature_midpoint", bath.temperature());
                }
            }
            let lag = observer.read(group, "temperature_lag_sum").unwrap();
            if mu == 0.0 {
                assert!(lag.ready().is_some());
            } else {
                assert!(
                    matches!(lag, Reading::Undefined(Reason::Optimizer(_))),
                    "{lag}"
                );
            }
        }
    }
}

/// Adam with decoupled decay, as it is implemented everywhere.
#[derive(Clone)]
struct AdamW {
    rate: f64,
    decay: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    steps: i32,
    first: Vec<f64>,
    second: Vec<f64>,
    /// 1/(√v̂ + ε) after the last step.
    diagonal: Vec<f64>,
}

impl AdamW {
    fn new(len: usize, rate: f64, decay: f64, (beta1, beta2): (f64, f64)) -> Self {
        Self {
            rate,
            decay,
            beta1,
            beta2,
            epsilon: 0.0,
            steps: 0,
            first: vec![0.0; len],
            second: vec![0.0; len],
            diagonal: vec![1.0; len],
        }
    }

    fn facts(&self, loss: f64) -> Step {
        Step::new(loss)
            .learning_rate(self.rate)
            .decoupled_weight_decay(self.decay)
            .optimizer(Optimizer::Adam {
                beta1: self.beta1,
                beta2: self.beta2,
                epsilon: self.epsilon,
            })
    }

    fn step(&mut self, weights: &mut [f64], gradient: &[f64]) {
        self.steps += 1;
        let bias1 = 1.0 - self.beta1.powi(self.steps);
        let bias2 = 1.0 - self.beta2.powi(self.steps);
        for (i, (w, g)) in weights.iter_mut().zip(gradient).enumerate() {
            let (m, v) = (&mut self.first[i], &mut self.second[i]);
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            let d = 1.0 / ((*v / bias2).sqrt() + self.epsilon);
            self.diagonal[i] = d;
            *w -= self.rate * (self.decay * *w + d * *m / bias1);
        }
    }
}

/// A scale-invariant gas under AdamW: noise σz/r in the tangent plane.
struct Gas {
    weights: Vec<f64>,
    gradient: Vec<f64>,
    other: Vec<f64>,
    sigma: f64,
    random: Random,
}

impl Gas {
    fn new(len: usize, radius: f64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut weights: Vec<f64> = (0..len).map(|_| random.normal()).collect();
        let norm = dot(&weights, &weights).sqrt();
        for w in &mut weights {
            *w *= radius / norm;
        }
        Self {
            gradient: vec![0.0; len],
            other: vec![0.0; len],
            weights,
            sigma: 1.0,
            random,
        }
    }

    fn draw(&mut self) {
        let square = dot(&self.weights, &self.weights);
        for out in [&mut self.gradient, &mut self.other] {
            for g in out.iter_mut() {
                *g = self.sigma / square.sqrt() * self.random.normal();
            }
            let along = dot(out, &self.weights) / square;
            for (g, w) in out.iter_mut().zip(&self.weights) {
                *g -= along * w;
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// r* = √(ηd/(2λ)), the rotation ηλ(1−β₁)/(1+β₁), and the gas law in the metric of D.
#[test]
fn adamw_on_the_gas() {
    let (len, rate, decay) = (300, 0.02, 0.05);
    for (seed, beta1) in [(1, 0.0), (2, 0.9)] {
        let mut optimizer = AdamW::new(len, rate, decay, (beta1, 0.999));
        // √(ηd/(2λ)) but for ηλ/(1−β₁).
        let gas = Bath::new(len - 1, 1.0).unwrap();
        let forecast = gas.forecast(&optimizer.facts(0.0), None).unwrap();
        let radius = forecast.ready().unwrap().radius;
        let leading = (rate * len as f64 / (2.0 * decay)).sqrt();
        assert!((radius / leading - 1.0).abs() < 0.01);
        let mut gas = Gas::new(len, radius, seed);
        let (mut observer, group) = one_group(Symmetry::ScaleInvariant);
        for step in 0..44_000 {
            gas.draw();
            if step >= 4_000 {
                let snapshot = slices(group, &gas.weights, &gas.gradient)
                    .second_gradient(&gas.other)
                    .preconditioner(&optimizer.diagonal);
                observer.observe(&optimizer.facts(0.0), &snapshot).unwrap();
            }
            optimizer.step(&mut gas.weights, &gas.gradient);
        }
        let check = |metric: &str, truth: f64, share: f64| {
            assert_near(
                &format!("{metric}, beta1 {beta1}"),
                ready(&observer, group, metric),
                truth,
                share,
            );
        };
        // Moment closure, frozen D: a per cent.
        check("radius", radius, 0.01);
        check("radius_predicted", radius, 0.01);
        check("radius_balance", radius, 0.01);
        check(
            "rotation",
            pressure::gas_rotation(&optimizer.facts(0.0)).unwrap(),
            0.02,
        );
        let temperature = ready(&observer, group, "temperature_noise").value;
        // Every coordinate has ηs/2, s = σ/r.
        assert_close("T", temperature, 0.5 * rate / radius, 0.02);
        // Low by less than ηλ/(1−β₁), the decay being decoupled.
        check("temperature_midpoint", temperature, 0.02);
        check("z", 1.0, 0.02);
        check("z_d", 1.0, 0.02);
        check("real_gas_balance", 1.0, 0.02);
        check("norm_balance", 1.0, 0.01);
        check("relaxation_steps", 1.0 / (2.0 * rate * decay), 1e-9);

        let spread = observer.coordinate_temperatures(group).unwrap();
        let spread = spread.ready().unwrap();
        assert_eq!((spread.coordinates, spread.steps), (len, 39_999));
        // d of 301 coordinates against d − 1 degrees of freedom.
        let share = (len as f64 - 1.0) / len as f64;
        assert_close("mean", spread.mean, temperature * share, 1e-4);
        let [low, .., high] = spread.quantiles;
        assert!(low < spread.mean && spread.mean < high && high / low < 1.15);
    }
}

/// The forecast before the run is what the run settles to.
#[test]
fn adamw_is_forecast() {
    let step = Step::new(0.0)
        .learning_rate(0.002)
        .decoupled_weight_decay(0.05)
        .optimizer(Optimizer::ADAM);
    let forecast = Bath::new(300, 300.0)
        .unwrap()
        .forecast(&step, None)
        .unwrap();
    let forecast = *forecast.ready().unwrap();
    assert_close("r*", forecast.radius, 6f64.sqrt(), 0.01);
    assert_close("T", forecast.temperature, 0.001 / 6f64.sqrt(), 0.01);
    assert_close("relaxation", forecast.relaxation_steps, 5000.0, 1e-9);
    // Four times the noise: the radius does not know, the temperature doubles.
    let hot = Bath::new(300, 1200.0)
        .unwrap()
        .forecast(&step, None)
        .unwrap();
    let hot = *hot.ready().unwrap();
    assert_close("r*", hot.radius, forecast.radius, 1e-12);
    assert_close("T", hot.temperature, 2.0 * forecast.temperature, 1e-12);
    let coupled = step.weight_decay(0.5);
    let reading = Bath::new(300, 300.0).unwrap().forecast(&coupled, None);
    assert!(matches!(
        reading,
        Ok(Reading::Undefined(Reason::Optimizer(_)))
    ));
    let update = step.optimizer(Optimizer::Update);
    let reading = Bath::new(300, 300.0).unwrap().forecast(&update, None);
    assert!(matches!(
        reading,
        Ok(Reading::Undefined(Reason::Optimizer(_)))
    ));
}

/// A quadratic with noise of four sizes under Adam: Tᵢ = ηsᵢ/2, and what β₂ does to it.
fn adam_well(beta1: f64, beta2: f64) -> (Observer, GroupId) {
    const SCALES: [f64; 4] = [0.1, 1.0, 3.0, 10.0];
    let len = 64;
    let mut optimizer = AdamW::new(len, 0.01, 0.0, (beta1, beta2));
    optimizer.epsilon = 1e-8;
    let mut random = Random::new(5);
    let mut w = vec![0.0; len];
    let (mut g, mut h) = (vec![0.0; len], vec![0.0; len]);
    let (mut observer, group) = one_group(Symmetry::Generic);
    let mut before = None;
    for step in 0..30_000 {
        let mut loss = 0.0;
        for i in 0..len {
            let s = SCALES[i % 4];
            let noise = s * random.normal();
            // Curvature in proportion to the noise: all modes have the same time.
            g[i] = s * w[i] + noise;
            h[i] = s * w[i] + s * random.normal();
            loss += 0.5 * s * w[i] * w[i] + noise * w[i];
        }
        let mut facts = optimizer.facts(loss);
        if let Some(after) = before {
            facts = facts.previous_batch_loss(after);
        }
        if step >= 5000 {
            let snapshot = slices(group, &w, &g)
                .second_gradient(&h)
                .preconditioner(&optimizer.diagonal);
            observer.observe(&facts, &snapshot).unwrap();
        }
        let old = w.clone();
        optimizer.step(&mut w, &g);
        // The same batch after the step: its noise is g − sw at the old weights.
        before = Some(
            (0..len)
                .map(|i| {
                    let s = SCALES[i % 4];
                    0.5 * s * w[i] * w[i] + (g[i] - s * old[i]) * w[i]
                })
                .sum(),
        );
    }
    (observer, group)
}

#[test]
fn adam_has_a_temperature_for_each_coordinate() {
    let mean = 0.01 * 0.5 * (0.1 + 1.0 + 3.0 + 10.0) / 4.0;
    for beta1 in [0.0, 0.9] {
        let (observer, group) = adam_well(beta1, 0.999);
        // Signal adds ηa/2 to the second moment, 1/4 of which D loses.
        let noise = ready(&observer, group, "temperature_noise");
        assert_near("T", noise, mean, 0.01);
        let check = |metric: &str, truth: f64, share: f64| {
            assert_near(metric, ready(&observer, group, metric), truth, share);
        };
        check("temperature_midpoint", noise.value, 0.01);
        check("temperature_kinetic", noise.value, 0.015);
        let heat = observer.read_model("temperature_calorimetric").unwrap();
        assert_near("T_cal", *heat.ready().unwrap(), noise.value, 0.01);

        let spread = observer.coordinate_temperatures(group).unwrap();
        let spread = spread.ready().unwrap();
        let expected = [0.0005, 0.005, 0.015, 0.05];
        let [low, quarter, median, .., high] = spread.quantiles;
        assert_close("coldest", low, expected[0], 0.05);
        assert_close("hottest", high, expected[3], 0.05);
        assert!(quarter > low && median < high && median > 0.9 * expected[1]);
        // The first step only tells how many coordinates there are.
        assert_close("mean", spread.mean, noise.value, 1e-4);
    }
}

/// β₂ below its usual value: D follows the step's own noise and correlates with it. The formulas
/// treat it as frozen, to O(1−β₂).
#[test]
fn the_frozen_preconditioner_costs_one_minus_beta2() {
    let off = |beta2: f64| {
        let (observer, group) = adam_well(0.9, beta2);
        let noise = ready(&observer, group, "temperature_noise").value;
        let midpoint = ready(&observer, group, "temperature_midpoint").value;
        (midpoint / noise - 1.0).abs()
    };
    let (slow, fast) = (off(0.999), off(0.9));
    assert!(slow < 0.01, "{slow}");
    assert!(fast > 0.02 && fast < 0.4, "{fast}");
}

/// g → cg alone: T → c²T for SGD and cT for Adam, to rounding on one trajectory (c a power of 2).
#[test]
fn covariance_under_a_rescaled_loss() {
    let run = |scale: f64, adam: bool| {
        let len = 32;
        let mut random = Random::new(9);
        let mut optimizer = AdamW::new(len, 0.01, 0.1, (0.9, 0.99));
        let mut w: Vec<f64> = (0..len).map(|_| random.normal()).collect();
        let (mut observer, group) = one_group(Symmetry::Generic);
        for _ in 0..300 {
            let mut draw = || -> Vec<f64> { (0..len).map(|_| scale * random.normal()).collect() };
            let (g, h) = (draw(), draw());
            if adam {
                let snapshot = slices(group, &w, &g)
                    .second_gradient(&h)
                    .preconditioner(&optimizer.diagonal);
                if optimizer.steps > 0 {
                    observer.observe(&optimizer.facts(0.0), &snapshot).unwrap();
                }
                optimizer.step(&mut w, &g);
            } else {
                let facts = Step::new(0.0).learning_rate(0.01).weight_decay(0.1);
                let snapshot = slices(group, &w, &g).second_gradient(&h);
                observer.observe(&facts, &snapshot).unwrap();
                // The same trajectory: the learning rate is not part of the covariance.
                for (w, g) in w.iter_mut().zip(&g) {
                    *w -= 0.01 * (g / scale + 0.1 * *w);
                }
            }
        }
        let ensemble = observer.ensemble(Some(group)).unwrap();
        (
            temperature::noise(&ensemble).unwrap(),
            temperature::midpoint(&ensemble),
            pressure::z(&ensemble).unwrap(),
        )
    };
    let (one, four) = (run(1.0, false), run(4.0, false));
    assert_close("SGD", four.0, 16.0 * one.0, 1e-14);
    let (one, four) = (run(1.0, true), run(4.0, true));
    assert_close("Adam", four.0, 4.0 * one.0, 1e-12);
    assert_close("midpoint", four.1.unwrap(), 4.0 * one.1.unwrap(), 1e-12);
    assert_close("Z", four.2, one.2, 1e-12);
}

/// 2Σw·Δ + Σ|Δ|² is the change of |w|², for updates of any making, here those of Lion.
#[test]
fn the_law_of_the_norm_for_any_update() {
    let (len, rate, decay) = (200, 0.01, 0.5);
    let mut random = Random::new(3);
    // u = sign(0.9m + 0.1g), |u|² = d: r*² = ηd/(2λ) but for the memory of m.
    let mut w: Vec<f64> = (0..len).map(|_| 0.1 * random.normal()).collect();
    let mut m = vec![0.0; len];
    let (mut observer, group) = one_group(Symmetry::Generic);
    let facts = Step::new(0.0)
        .learning_rate(rate)
        .decoupled_weight_decay(decay)
        .optimizer(Optimizer::Update);
    let mut identity = Ensemble::default();
    let (mut start, mut before) = (None, w.clone());
    for step in 0..80_000 {
        let g: Vec<f64> = (0..len).map(|_| random.normal()).collect();
        let u: Vec<f64> = m
            .iter()
            .zip(&g)
            .map(|(m, g): (&f64, &f64)| (0.9 * m + 0.1 * g).signum())
            .collect();
        for (m, g) in m.iter_mut().zip(&g) {
            *m = 0.99 * *m + 0.01 * g;
        }
        if step >= 2_000 {
            observer
                .observe(&facts, &slices(group, &w, &g).update(&u))
                .unwrap();
            if start.is_none() {
                start = Some(dot(&w, &w));
            } else {
                let mut sums = Sums::of(&w, &g).unwrap();
                let step: Vec<f64> = w.iter().zip(&before).map(|(w, b)| w - b).collect();
                sums.step_count = sums.w_count;
                sums.step_step = dot(&step, &step);
                sums.previous_step = dot(&before, &step);
                identity.push(&facts, Some(&facts), &sums, Symmetry::Generic);
            }
            before.clone_from(&w);
        }
        for (w, u) in w.iter_mut().zip(&u) {
            *w -= rate * (decay * *w + u);
        }
    }
    // The identity itself, to rounding, on plain numbers.
    let n = identity.count(Moment::StepSquared);
    let change = dot(&before, &before) - start.unwrap();
    let sum = 2.0 * identity.mean(Moment::StepAlong).unwrap()
        + identity.mean(Moment::StepSquared).unwrap();
    assert!((n * sum - change).abs() < 1e-9, "{} {change}", n * sum);

    let balance = ready(&observer, group, "norm_balance");
    assert!((balance.value - 1.0).abs() < 0.02, "{balance}");
    let z = ready(&observer, group, "z_update");
    let term = ready(&observer, group, "z_update_virial");
    let both = z.value - term.value;
    assert!((both - balance.value).abs() < 0.02, "{z} {term} {balance}");
    // Lion's memory makes u lean on the past: a real gas.
    assert!(term.value > 1.0, "{term}");
    let ensemble = observer.ensemble(Some(group)).unwrap();
    let square = ensemble.mean(Moment::NormSquared).unwrap();
    let predicted = pressure::radius_balance(&ensemble).unwrap();
    assert_close("r* from the update", predicted.powi(2), square, 0.02);
    for metric in [
        "temperature_noise",
        "temperature_midpoint",
        "temperature_kinetic",
        "z",
        "pressure",
        "decay_potential",
    ] {
        let why = reason(&observer, group, metric);
        // Noise is the exception: no second gradient was given either.
        assert!(matches!(why, Reason::Optimizer(_)), "{metric}: {why}");
    }
}

/// A heavy-ball gas has Z_u = 1 + μ: its velocity leans on the weights.
#[test]
fn memory_counts_as_interaction() {
    let sampler = |mu: f64| {
        let a: Vec<f64> = vec![1.0];
        let config = HarmonicConfig::new(0.05).momentum(mu);
        HarmonicBath::new(&a, &[1.0], config).unwrap()
    };
    for mu in [0.0, 0.5] {
        let moments = sampler(mu).stationary().unwrap();
        // Curvature as coupled decay λ = 1: Z_u = 2ηλ⟨w²⟩/⟨Δ²⟩.
        let z = 2.0 * 0.05 * moments.weight_covariance()[0] / moments.square_step();
        assert_close("Z_u", z, 1.0 + mu, 1e-9);
    }
}

#[test]
fn what_an_optimiser_lacks_is_said() {
    let (mut observer, group) = one_group(Symmetry::Generic);
    let mut random = Random::new(1);
    let facts = Step::new(0.5)
        .learning_rate(0.1)
        .decoupled_weight_decay(0.1)
        .optimizer(Optimizer::ADAM);
    for _ in 0..200 {
        let mut draw = || [random.normal(), random.normal()];
        let (w, g, h) = (draw(), draw(), draw());
        observer
            .observe(&facts, &slices(group, &w, &g).second_gradient(&h))
            .unwrap();
    }
    for metric in [
        "temperature_noise",
        "temperature_midpoint",
        "temperature_kinetic",
        "decay_potential",
        "z",
        "critical_batch_size",
    ] {
        assert_eq!(
            reason(&observer, group, metric),
            Reason::Missing("the preconditioner"),
            "{metric}"
        );
    }
    assert_eq!(
        observer.coordinate_temperatures(group).unwrap(),
        Reading::Undefined(Reason::Missing("a preconditioner with a second gradient"))
    );
    assert!(matches!(
        reason(&observer, group, "temperature_lag_sum"),
        Reason::Optimizer(_)
    ));
    // Nothing given at all.
    let (mut observer, group) = one_group(Symmetry::Generic);
    for _ in 0..200 {
        let w = [random.normal()];
        let step = Step::new(0.5).optimizer(Optimizer::ADAM);
        observer.observe(&step, &slices(group, &w, &w)).unwrap();
    }
    assert!(matches!(
        reason(&observer, group, "pressure"),
        Reason::Missing("the weight decay")
    ));
}

/// Each rule says which formulas do not hold for it, in words of its own.
#[test]
fn reasons_name_the_rule() {
    let nesterov = Optimizer::Nesterov { momentum: 0.5 };
    let other = Optimizer::Preconditioned {
        momentum: 0.5,
        dampening: 0.0,
    };
    let weighted = "coupled decay is divided";
    for (rule, metric, why) in [
        (nesterov, "temperature_midpoint", "Nesterov's rule damps"),
        (nesterov, "temperature_kinetic", "Nesterov's displacements"),
        (nesterov, "temperature_lag_sum", "successive gradients"),
        (
            Optimizer::ADAM,
            "temperature_lag_difference",
            "successive gradients",
        ),
        (Optimizer::ADAM, "z_d", weighted),
        (Optimizer::ADAM, "relaxation_steps", weighted),
        (other, "relaxation_steps", weighted),
        (
            Optimizer::Update,
            "temperature_noise",
            "a rule known by its update alone has no temp",
        ),
        (
            Optimizer::Update,
            "pressure",
            "the decay of a rule known by its update",
        ),
        (
            Optimizer::Update,
            "relaxation_steps",
            "no closed form for the norm",
        ),
    ] {
        let (mut observer, group) = one_group(Symmetry::ScaleInvariant);
        let mut random = Random::new(1);
        let step = Step::new(0.5)
            .learning_rate(0.1)
            .weight_decay(0.1)
            .optimizer(rule);
        for _ in 0..100 {
            let mut draw = || [random.normal(), random.normal()];
            let (w, g, h) = (draw(), draw(), draw());
            let piece = slices(group, &w, &g).second_gradient(&h);
            let piece = if rule.is_preconditioned() {
                piece.preconditioner(&[1.0, 2.0])
            } else {
                piece
            };
            observer.observe(&step, &piece).unwrap();
        }
        let reason = reason(&observer, group, metric);
        let told = matches!(reason, Reason::Optimizer(text) if text.starts_with(why));
        assert!(told, "{rule:?}, {metric}: {reason}");
    }
}

/// What else was missing is said where the rule is no reason.
#[test]
fn reasons_beside_the_rule() {
    let read = |steps: usize, step: Step, gradient: f64, metric: &str| {
        let (mut observer, group) = one_group(Symmetry::Generic);
        for i in 0..steps {
            let w = [1.0 + i as f64, 2.0];
            observer
                .observe(&step, &slices(group, &w, &[gradient, 0.0]))
                .unwrap();
        }
        observer.read(group, metric).unwrap()
    };
    let plain = Step::new(0.5).learning_rate(0.1);
    let missing = Reading::Undefined(Reason::Missing("a second gradient"));
    assert_eq!(read(32, plain, 1.0, "temperature_noise"), missing);
    // The first steps may still bring it.
    let pending = Reading::Pending {
        seen: 0,
        needed: 96,
    };
    assert_eq!(read(31, plain, 1.0, "temperature_noise"), pending);
    assert_eq!(read(1, plain, 1.0, "temperature_noise"), pending);
    let other = plain.optimizer(Optimizer::Preconditioned {
        momentum: 0.5,
        dampening: 0.0,
    });
    let missing = Reading::Undefined(Reason::Missing("the preconditioner"));
    assert_eq!(read(40, other, 1.0, "temperature_kinetic"), missing);
    // Nesterov's rule is the reason with a decay and without.
    let nesterov = plain.optimizer(Optimizer::Nesterov { momentum: 0.5 });
    for step in [nesterov, nesterov.weight_decay(0.1)] {
        assert!(matches!(
            read(40, step, 1.0, "temperature_midpoint"),
            Reading::Undefined(Reason::Optimizer(_))
        ));
    }
    // A gradient of zero was given, and has no direction.
    assert!(matches!(
        read(40, plain, 0.0, "virial_ratio"),
        Reading::Undefined(Reason::Degenerate(_))
    ));
}

#[test]
fn nonsense_is_refused() {
    let adam = |beta1: f64, beta2: f64, epsilon: f64| {
        Step::new(0.0)
            .optimizer(Optimizer::Adam {
                beta1,
                beta2,
                epsilon,
            })
            .check()
    };
    assert!(adam(0.9, 0.999, 1e-8).is_ok() && adam(0.0, 0.0, 0.0).is_ok());
    for (result, name) in [
        (adam(1.0, 0.999, 1e-8), "beta1"),
        (adam(f64::NAN, 0.999, 1e-8), "beta1"),
        (adam(0.9, 1.0, 1e-8), "beta2"),
        (adam(0.9, -0.1, 1e-8), "beta2"),
        (adam(0.9, 0.999, -1e-8), "epsilon"),
        (adam(0.9, 0.999, f64::NAN), "epsilon"),
    ] {
        assert!(
            matches!(result, Err(Error::OutOfRange { what, .. }) if what == name),
            "{name}: {result:?}"
        );
    }
    let (mut observer, group) = one_group(Symmetry::Generic);
    let (w, g) = ([1.0, 2.0], [0.1, 0.2]);
    let step = Step::new(0.0);
    let short = slices(group, &w, &g).second_gradient(&[1.0]);
    assert!(matches!(
        observer.observe(&step, &short),
        Err(Error::LengthMismatch { .. })
    ));
    for bad in [[1.0, 0.0], [-1.0, 1.0]] {
        let snapshot = slices(group, &w, &g).preconditioner(&bad);
        assert!(matches!(
            observer.observe(&step, &snapshot),
            Err(Error::OutOfRange { .. })
        ));
    }
    let nan = slices(group, &w, &g).preconditioner(&[1.0, f64::NAN]);
    assert!(matches!(
        observer.observe(&step, &nan),
        Err(Error::NonFinite { .. })
    ));
    assert_eq!(observer.steps(), 0);
}

/// A window that spans a large change of the learning rate says so; a warm plateau does not.
#[test]
fn schedules_are_remarked_on() {
    let remarks = |rate: &dyn Fn(f64) -> f64| {
        let (mut observer, group) = one_group(Symmetry::Generic);
        let mut random = Random::new(2);
        for step in 0..500 {
            let w = [random.normal()];
            let facts = Step::new(0.0)
                .learning_rate(rate(f64::from(step) / 500.0))
                .weight_decay(0.1);
            observer.observe(&facts, &slices(group, &w, &w)).unwrap();
        }
        let report = observer.report();
        let spread = report.learning_rate_spread.unwrap();
        let found = report
            .remarks()
            .into_iter()
            .find_map(|remark| match remark {
                Remark::Schedule { what, spread } => Some((what, spread)),
                _ => None,
            });
        (found, spread)
    };
    assert_eq!(remarks(&|_| 0.1), (None, 0.0));
    assert_eq!(remarks(&|t| 0.1 * (1.0 - 0.2 * t)).0, None);
    let cosine = |t: f64| 0.05 * (1.0 + (std::f64::consts::PI * t).cos());
    let (found, spread) = remarks(&cosine);
    assert!(matches!(found, Some(("learning rate", _))) && spread > 0.5);
    // Uniform ln η over one e-fold: 1/√12.
    let (_, spread) = remarks(&|t| (-t).exp());
    assert_close("spread", spread, 1.0 / 12f64.sqrt(), 0.01);
}

#[test]
fn protocols_without_a_closed_form_say_so() {
    let step = Step::new(0.0)
        .learning_rate(0.1)
        .weight_decay(0.1)
        .momentum(0.9)
        .protocol(Protocol::FixedSphere);
    assert_eq!(pressure::gas_rotation(&step), None);
    let reading = Bath::new(10, 1.0).unwrap().forecast(&step, Some(1.0));
    assert!(matches!(
        reading,
        Ok(Reading::Undefined(Reason::Optimizer(_)))
    ));
}
