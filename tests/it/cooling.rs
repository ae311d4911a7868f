//! Cooling: the harmonic well in closed form, by recursion and by SGD; schedules as state machines.

use proptest::prelude::*;
use thermograd::cooling::{
    Action, BatchGrowth, Bounds, CaloricCurve, ConstantSpeed, Controller, CoolingPoint,
    CoolingRecord, EquilibriumTriggered, HyperParameters, Mode, Regime, Schedule, Signals, State,
    decay_advice, energy_fluctuations,
};
use thermograd::equilibrium::VerdictConfig;
use thermograd::phase_transition::{Cause, Event};
use thermograd::systems::{
    GasProtocol, HarmonicBath, HarmonicConfig, HarmonicCooling, IsotropicGasConfig, Random,
};
use thermograd::{
    Config, Error, Estimate, Groups, Observer, Optimizer, Reading, Step, Symmetry, Window, slices,
};

fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        std_error: 0.0,
        n_eff: 1.0,
    }
}

fn value(reading: &Reading) -> f64 {
    match reading {
        Reading::Ready(estimate) => estimate.value,
        other => panic!("{other}"),
    }
}

/// The relaxation law of U under T = e^(−kt), one exact step of length h: both modes in closed form.
fn relax(u: f64, t: f64, (a, k, h): (f64, f64, f64)) -> f64 {
    // The particular solution is aT/(2a − k); what is beside it falls as e^(−2ah).
    let steady = a / (2.0 * a - k);
    steady * t * (-k * h).exp() + (u - steady * t) * (-2.0 * a * h).exp()
}

/// A recursion that knows nothing of the closed forms: from equilibrium, until the lag is steady.
#[test]
fn harmonic_cooling_by_recursion() {
    let (a, k) = (1.0, 0.3);
    let closed = HarmonicCooling::new(a, k).unwrap();
    // Midpoint steps of the equation itself, dU/dt = −2a(U − T/2), in ln T.
    let h = 1e-4;
    let (mut u, mut time) = (0.5, 0.0);
    let rate = |u: f64, t: f64| -2.0 * a * (u - 0.5 * t);
    let bath = |time: f64| (-k * time).exp();
    while time < 20.0 {
        let half = u + 0.5 * h * rate(u, bath(time));
        u += h * rate(half, bath(time + 0.5 * h));
        time += h;
    }
    let lag = u / (0.5 * bath(time));
    assert!((lag - closed.lag().ready().unwrap()).abs() < 1e-6, "{lag}");
    let solved = relax(u, bath(time), (a, k, 1.0)) / (0.5 * bath(time + 1.0));
    assert!((solved - lag).abs() < 1e-6);

    // From there over a factor 2 of the temperature: the analysis sees energies and times alone.
    let points = 4000;
    let whole = 2f64.ln() / k;
    let mut record = Vec::new();
    for i in 0..=points {
        let since = whole * f64::from(i) / f64::from(points);
        let t = bath(since);
        let u = relax(0.5 * lag, 1.0, (a, k, since));
        record.push(
            CoolingPoint::new(since, exact(t))
                .energy(exact(u))
                .heat_capacity(exact(0.5))
                .relaxation_time(exact(0.5 / a)),
        );
    }
    let record = CoolingRecord::new(record).unwrap();
    let curve = CaloricCurve::linear(0.0, 0.5).unwrap();
    let produced = value(&record.entropy_production(&curve));
    let bound = value(&record.dissipation_bound());
    let folds = 2f64.ln();
    assert!((produced - folds * closed.entropy_production().ready().unwrap()).abs() < 1e-6);
    assert!((bound - folds * closed.dissipation_bound()).abs() < 1e-6);
    // And the published digits.
    assert!((produced - 0.06116).abs() < 5e-6, "{produced}");
    assert!((bound - 0.05199).abs() < 5e-6, "{bound}");
    let length = value(&record.thermodynamic_length());
    assert!((length - 0.5_f64.sqrt() * folds).abs() < 1e-12);
    let Reading::Ready(found) = record.assess(Some(&curve)) else {
        panic!("everything is known");
    };
    assert_eq!(found.regime, Regime::Lagging);
    assert!((found.final_lag.value - (lag - 1.0)).abs() < 1e-6);
    // Speed is lag over sd(E)/T = √C, to first order in k.
    let (_, speed) = record.thermodynamic_speed()[0];
    assert!((speed - 0.5 * 0.5_f64.sqrt() * k).abs() < 1e-6);
    // Tool's equation is the same relaxation: τ = 1/(2a), and T_f = 2U.
    let tool = record.tool_temperatures();
    let from_equilibrium = relax(0.5, 1.0, (a, k, whole)) * 2.0;
    let last = *tool.ready().unwrap().last().unwrap();
    assert!(
        (last - from_equilibrium).abs() < 1e-6,
        "{last} {from_equilibrium}"
    );
}

/// The discrete law, to the last digits, on both sides of freezing.
#[test]
fn freezing_by_recursion() {
    let x = 0.05;
    for k in [0.001, 0.02, 0.08] {
        let mut v = 1.0;
        let equilibrium = |t: u32| (-k * f64::from(t)).exp();
        let drive = 1.0 - (1.0_f64 - x).powi(2);
        // The deviation from steady lag falls by (1−x)² e^k a step: slowly near freezing.
        for t in 0..2000 {
            v = (1.0 - x).powi(2) * v + drive * equilibrium(t);
        }
        let ratio = v / equilibrium(2000);
        let closed = HarmonicCooling::new(x, k).unwrap().discrete_lag();
        let closed = *closed.ready().unwrap();
        assert!((ratio / closed - 1.0).abs() < 1e-6, "{k}: {ratio} {closed}");
    }
    let digits = |k| {
        *HarmonicCooling::new(x, k)
            .unwrap()
            .discrete_lag()
            .ready()
            .unwrap()
    };
    assert!((digits(0.02) - 1.254_85).abs() < 5e-6);
    assert!((digits(0.08) - 4.729).abs() < 5e-4);
    // A glass: V falls by (1−x)² a step, whatever the bath.
    let glass = HarmonicCooling::new(x, 0.2).unwrap();
    assert!(matches!(glass.discrete_lag(), Reading::Undefined(_)));
    let drive = 1.0 - (1.0_f64 - x).powi(2);
    let (mut v, mut before) = (1.0, 1.0);
    for t in 0..400 {
        before = v;
        v = (1.0 - x).powi(2) * v + drive * (-0.2 * f64::from(t)).exp();
    }
    assert!((v / before - (1.0 - x).powi(2)).abs() < 1e-9);
}

/// The same by SGD: many modes, noise variance falling as e^−kt; within error bars.
#[test]
fn freezing_by_sgd() {
    let (x, modes) = (0.05, 40_000);
    for (k, steps) in [(0.02, 120), (0.08, 500)] {
        let mut random = Random::new(11);
        // Equilibrium at the start: V = 1.
        let mut w: Vec<f64> = (0..modes).map(|_| random.normal()).collect();
        let strength = (1.0 - (1.0_f64 - x).powi(2)).sqrt();
        for t in 0..steps {
            let amplitude = strength * (-0.5 * k * f64::from(t)).exp();
            for w in &mut w {
                *w = (1.0 - x) * *w - amplitude * random.normal();
            }
        }
        let bath = (-k * f64::from(steps)).exp();
        let v = w.iter().map(|w| w * w).sum::<f64>() / f64::from(modes);
        let ratio = v / bath;
        let error = ratio * (2.0 / f64::from(modes)).sqrt();
        let closed = *HarmonicCooling::new(x, k)
            .unwrap()
            .discrete_lag()
            .ready()
            .unwrap();
        assert!(
            (ratio - closed).abs() < 4.0 * error,
            "{k}: {ratio} ± {error} against {closed}"
        );
        assert!(error < 0.01 * closed);
    }
}

/// Modes cooled by SGD, from the steady lag over a factor 2: production read from energies alone.
#[test]
fn entropy_production_by_sgd() {
    let (k, h, modes, runs) = (0.3, 0.01_f64, 4000, 60);
    let closed = HarmonicCooling::new(1.0, k).unwrap();
    let lag = *closed.lag().ready().unwrap();
    let steps = (2f64.ln() / k / h).round();
    let folds = k * h * steps;
    let curve = CaloricCurve::linear(0.0, 0.5).unwrap();
    // The step that shrinks by e^−h, and the noise that holds V = T under it.
    let shrink = (-h).exp();
    let strength = (1.0 - shrink * shrink).sqrt();
    let mut found = Vec::new();
    for seed in 0..runs {
        let mut random = Random::new(seed);
        let mut w: Vec<f64> = (0..modes).map(|_| lag.sqrt() * random.normal()).collect();
        let mut record = Vec::new();
        let mut t = 0.0;
        while t <= steps {
            let energy = 0.5 * w.iter().map(|w| w * w).sum::<f64>() / f64::from(modes);
            record.push(CoolingPoint::new(t * h, exact((-k * h * t).exp())).energy(exact(energy)));
            let bath = (-k * h * (t + 0.5)).exp().sqrt();
            for w in &mut w {
                *w = shrink * *w + strength * bath * random.normal();
            }
            t += 1.0;
        }
        let record = CoolingRecord::new(record).unwrap();
        found.push(value(&record.entropy_production(&curve)));
    }
    let n = f64::from(u32::try_from(found.len()).unwrap());
    let mean = found.iter().sum::<f64>() / n;
    let variance = found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    let truth = folds * closed.entropy_production().ready().unwrap();
    assert!(
        (mean - truth).abs() < 3.5 * error,
        "{mean} ± {error} against {truth}"
    );
    // Good enough to tell it from the bound, which is 15 % lower.
    assert!(error < 0.05 * truth, "{error}");
    assert!(mean - folds * closed.dissipation_bound() > 2.0 * error);
}

/// A quench froze where its bath had the temperature that its energy still has.
#[test]
fn a_quench_freezes_where_it_stopped_following() {
    // τ grows as 1/T: an exponential schedule outruns it.
    let mut points = Vec::new();
    let (mut fictive, tau) = (1.0_f64, |t: f64| 5.0 / t);
    for i in 0..=400 {
        let time = f64::from(i);
        let t = (-0.02 * time).exp();
        points.push(
            CoolingPoint::new(time, exact(t))
                .energy(exact(3.0 + 2.0 * fictive))
                .heat_capacity(exact(2.0))
                .relaxation_time(exact(tau(t))),
        );
        // Tool's equation by small steps.
        for j in 0..100 {
            let now = (-0.02 * (time + f64::from(j) / 100.0)).exp();
            fictive += 0.01 * (now - fictive) / tau(now);
        }
    }
    let record = CoolingRecord::new(points).unwrap();
    let curve = CaloricCurve::linear(3.0, 2.0).unwrap();
    for curve in [Some(&curve), None] {
        let Reading::Ready(found) = record.assess(curve) else {
            panic!("known either way");
        };
        assert_eq!(found.regime, Regime::FrozenOut);
        let freeze = found.freeze_out.unwrap();
        assert!((freeze.temperature.value / fictive - 1.0).abs() < 0.01);
        assert!(((-0.02 * freeze.time).exp() / freeze.temperature.value - 1.0).abs() < 0.01);
        // τ|d ln T/dt| of order 1 at freezing.
        assert!((0.3..3.0).contains(&freeze.deborah.unwrap()), "{freeze:?}");
    }
    // A hundred times slower it is followed for as long.
    let slow: Vec<_> = record
        .points()
        .iter()
        .take(60)
        .map(|p| {
            let mut p = *p;
            p.time *= 100.0;
            p.energy = Some(exact(3.0 + 2.0 * p.temperature.value));
            p
        })
        .collect();
    let slow = CoolingRecord::new(slow).unwrap();
    assert_eq!(
        slow.assess(Some(&curve)).ready().unwrap().regime,
        Regime::Quasistatic
    );
}

/// Jitter within its error bars is no length; a real turn is.
#[test]
fn length_counts_turns_and_not_jitter() {
    let mut random = Random::new(3);
    let error = 0.01;
    let mut point = |i: u32, t: f64| {
        let t = Estimate {
            value: t * (1.0 + error * random.normal()),
            std_error: error * t,
            n_eff: 10.0,
        };
        CoolingPoint::new(f64::from(i), t).heat_capacity(exact(1.0))
    };
    let there: Vec<_> = (0..400)
        .map(|i| point(i, (-f64::from(i) / 400.0).exp()))
        .collect();
    let back: Vec<_> = (400..800)
        .map(|i| point(i, (f64::from(i) / 400.0 - 2.0).exp()))
        .collect();
    let one = CoolingRecord::new(there.clone())
        .unwrap()
        .thermodynamic_length();
    let two = CoolingRecord::new([there, back].concat())
        .unwrap()
        .thermodynamic_length();
    assert!((value(&one) - 1.0).abs() < 0.06, "{one}");
    assert!((value(&two) - 2.0).abs() < 0.12, "{two}");
}

/// C and τ of a real bath from noisy batch losses.
#[test]
fn fluctuations_of_a_harmonic_bath() {
    let (x, d) = (0.1, 4);
    let mut hessian = vec![0.0; d * d];
    for i in 0..d {
        hessian[i * d + i] = 1.0;
    }
    let bath = HarmonicBath::new(&hessian, &hessian, HarmonicConfig::new(x)).unwrap();
    let mut sampler = bath.stationary_sampler(5).unwrap();
    let mut random = Random::new(6);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..60_000 {
        let u = sampler.loss();
        a.push(u + 0.3 * random.normal());
        b.push(u + 0.3 * random.normal());
        sampler.step().unwrap();
    }
    let t = bath.temperature();
    let found = energy_fluctuations(&a, &b, t).unwrap();
    let found = found.ready().unwrap();
    let capacity = 0.5 * d as f64 / (1.0 - 0.5 * x).powi(2);
    // w² of an AR(1) with ρ = 1−x has ρ_k = (1−x)^2k.
    let keep = (1.0_f64 - x).powi(2);
    let tau = 0.5 + keep / (1.0 - keep);
    assert!(
        found.heat_capacity.z_score(capacity).unwrap().abs() < 4.0,
        "{found:?}"
    );
    assert!(
        found.relaxation_time.z_score(tau).unwrap().abs() < 4.0,
        "{found:?} {tau}"
    );
    assert!(found.relaxation_time.std_error < 0.2 * tau);
    // Batch noise alone has no capacity.
    let noise = |random: &mut Random| (0..2000).map(|_| random.normal()).collect::<Vec<_>>();
    let (a, b) = (noise(&mut random), noise(&mut random));
    assert!(
        !matches!(energy_fluctuations(&a, &b, 1.0).unwrap(), Reading::Ready(f) if f.heat_capacity.value > 0.2)
    );
    assert!(matches!(
        energy_fluctuations(&a, &b[1..], 1.0),
        Err(Error::LengthMismatch { .. })
    ));
    assert!(matches!(
        energy_fluctuations(&a[..9], &b[..9], 1.0).unwrap(),
        Reading::Pending { .. }
    ));
    assert!(energy_fluctuations(&a, &b, 0.0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Up the curve and down again, and by way of anywhere.
    #[test]
    fn the_caloric_curve_has_an_inverse_and_a_potential(steps in prop::collection::vec((0.01..5.0_f64, 0.01..5.0_f64), 2..10), at in prop::collection::vec(0.0..1.0_f64, 3)) {
        let (mut t, mut u) = (0.0, -3.0);
        let table: Vec<_> = steps.iter().map(|(dt, du)| { t += dt; u += du; (t, u) }).collect();
        let curve = CaloricCurve::table(&table).unwrap();
        let (low, high) = (table[0].1, table[table.len() - 1].1);
        let energies: Vec<_> = at.iter().map(|s| low + s * (high - low)).collect();
        for &u in &energies {
            let t = curve.fictive_temperature(u).unwrap();
            prop_assert!((curve.energy(t).unwrap() - u).abs() < 1e-9);
        }
        let [a, b, c] = [energies[0], energies[1], energies[2]];
        let change = |x, y| curve.entropy_change(x, y).unwrap();
        prop_assert!((change(a, b) + change(b, c) + change(c, a)).abs() < 1e-9);
        prop_assert!(curve.energy(t * 2.0).is_none());
    }

    /// No signal moves hyper-parameters out of their bounds, heats, or panics.
    #[test]
    fn schedules_keep_their_bounds(signals in prop::collection::vec((0_u64..3000, 0_u8..4, prop::option::of(-1.0..1e9_f64), prop::option::of(-1.0..1e9_f64)), 1..200), which in 0_u8..4) {
        let schedule: Box<dyn Schedule> = match which {
            0 => Box::new(ConstantSpeed::new(2000).unwrap()),
            1 => Box::new(EquilibriumTriggered::default()),
            2 => Box::new(EquilibriumTriggered::default().horizon(2500)),
            _ => Box::new(BatchGrowth::new(1000).unwrap().horizon(2500)),
        };
        let start = HyperParameters::new(0.3, 16);
        let bounds = Bounds::new(1e-3, 0.5).unwrap().batch_sizes(16, 512).unwrap();
        let mut controller = Controller::new(schedule, bounds, start).unwrap();
        for (step, state, tau, capacity) in signals {
            let before = controller.current();
            let mut signal = Signals::new(step);
            signal.state = [State::Stationary, State::Drifting, State::Unknown, State::Overheating][usize::from(state)];
            (signal.relaxation_time, signal.heat_capacity) = (tau, capacity);
            let decision = controller.step(&signal);
            let now = decision.in_force;
            prop_assert_eq!(now, decision.proposed);
            prop_assert!((1e-3..=0.5).contains(&now.learning_rate));
            prop_assert!((16..=512).contains(&now.batch_size));
            prop_assert!(now.learning_rate <= before.learning_rate && now.batch_size >= before.batch_size);
        }
    }
}

const START: HyperParameters = HyperParameters::new(0.4, 32);

fn told(step: u64, state: State) -> Signals {
    let mut signals = Signals::new(step);
    signals.state = state;
    signals
}

#[test]
fn stages_end_by_equilibrium_and_last_longer_when_colder() {
    let bounds = Bounds::new(0.05, 0.4).unwrap();
    let mut controller = Controller::new(EquilibriumTriggered::default(), bounds, START).unwrap();
    let mut at = |step, state| {
        let decision = controller.step(&told(step, state));
        (decision.action, decision.in_force.learning_rate)
    };
    assert_eq!(at(100, State::Unknown), (Action::Hold, 0.4));
    assert_eq!(at(200, State::Drifting), (Action::HoldAndRestart, 0.4));
    assert_eq!(at(300, State::Stationary), (Action::Cool, 0.2));
    // Half the rate: twice the 300 steps.
    assert_eq!(at(800, State::Stationary), (Action::Hold, 0.2));
    assert_eq!(at(900, State::Stationary), (Action::Cool, 0.1));
    assert_eq!(at(950, State::Overheating), (Action::BackOff, 0.05));
    // At the bound nothing is left to cool.
    assert_eq!(at(9000, State::Stationary), (Action::Hold, 0.05));
}

#[test]
fn batches_grow_first_and_rates_fall_after() {
    let bounds = Bounds::new(1e-3, 0.4)
        .unwrap()
        .batch_sizes(32, 128)
        .unwrap();
    let schedule = BatchGrowth::new(100).unwrap();
    let mut controller = Controller::new(schedule, bounds, START).unwrap();
    let mut step = 0;
    let mut next = || {
        step += 1000;
        let now = controller.step(&told(step, State::Stationary)).in_force;
        (now.batch_size, now.learning_rate)
    };
    assert_eq!(next(), (64, 0.4));
    assert_eq!(next(), (100, 0.4));
    assert_eq!(next(), (100, 0.2));
    assert_eq!(next(), (100, 0.2));
    assert_eq!(next(), (100, 0.1));
}

/// With τ ∝ 1/η constant speed is 1/η linear in time, however often it is asked; with τ constant it
/// is exponential.
#[test]
fn constant_speed_is_robbins_monro_or_exponential() {
    for stride in [1, 7, 50] {
        let bounds = Bounds::new(1e-9, 0.4).unwrap();
        let mut controller =
            Controller::new(ConstantSpeed::new(1000).unwrap(), bounds, START).unwrap();
        let mut halfway = 0.0;
        for step in (0..=1000_u32).step_by(stride) {
            let now = controller.step(&Signals::new(step.into())).in_force;
            if step <= 500 {
                halfway = 1.0 / (0.4 / now.learning_rate - 1.0) * f64::from(step) / 1000.0;
            }
        }
        // 1/η grows from 2.5 by 99 times that.
        assert!((halfway * 99.0 - 1.0).abs() < 1e-9, "{halfway}");
        assert!((controller.current().learning_rate / 0.004 - 1.0).abs() < 0.05);
    }
    let bounds = Bounds::new(1e-9, 0.4).unwrap();
    let mut controller = Controller::new(ConstantSpeed::new(1000).unwrap(), bounds, START).unwrap();
    for step in 0..=1000 {
        let mut signals = Signals::new(step);
        (signals.relaxation_time, signals.heat_capacity) = (Some(30.0), Some(2.0));
        controller.step(&signals);
    }
    assert!(controller.schedule().exponent() < 1e-9);
    assert!((controller.current().learning_rate / 0.004 - 1.0).abs() < 1e-6);
}

#[test]
fn a_run_of_known_length_ends_cold() {
    let bounds = Bounds::new(1e-6, 0.4).unwrap();
    let schedule = EquilibriumTriggered::default().horizon(1000);
    let mut controller = Controller::new(schedule, bounds, START).unwrap();
    for step in 0..1000 {
        let now = controller.step(&told(step, State::Unknown)).in_force;
        let linear = ((1000 - step) as f64 / 100.0).clamp(0.01, 1.0) * 0.4;
        assert!((now.learning_rate - linear).abs() < 1e-12, "{step}");
    }
}

#[test]
fn advice_without_action() {
    let bounds = Bounds::new(0.05, 0.4).unwrap();
    let schedule = EquilibriumTriggered::default();
    let mut adviser = Controller::new(schedule, bounds, START)
        .unwrap()
        .mode(Mode::DryRun);
    let decision = adviser.step(&told(100, State::Stationary));
    assert_eq!(decision.proposed.learning_rate, 0.2);
    assert_eq!((decision.in_force, adviser.current()), (START, START));
    // The loop has a schedule of its own.
    let own = HyperParameters::new(0.1, START.batch_size);
    adviser.set_current(own).unwrap();
    assert_eq!(
        adviser
            .step(&told(5000, State::Stationary))
            .proposed
            .learning_rate,
        0.05
    );
    let outside = HyperParameters::new(1.0, START.batch_size);
    assert!(matches!(
        adviser.set_current(outside),
        Err(Error::OutOfRange { .. })
    ));
    assert!(Bounds::new(0.0, 1.0).is_err() && Bounds::new(1.0, 0.5).is_err());
    assert!(ConstantSpeed::new(0).is_err() && BatchGrowth::new(0).is_err());
}

/// The whole loop on a gas: an observer's verdict cools it, stage by stage, to the bound.
#[test]
fn an_observer_cools_a_gas() {
    let start = HyperParameters::new(0.5, 1);
    let bounds = Bounds::new(0.1, 0.5).unwrap();
    let mut controller = Controller::new(EquilibriumTriggered::default(), bounds, start).unwrap();
    let protocol = |learning_rate| GasProtocol::FixedLearningRate {
        learning_rate,
        weight_decay: 0.2,
    };
    let mut gas = IsotropicGasConfig::new(60, protocol(0.5))
        .radius(3.0)
        .seed(4)
        .build()
        .unwrap();
    let mut groups = Groups::new();
    let all = groups.add("gas", Symmetry::ScaleInvariant);
    let config = Config::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(groups, config).unwrap();
    let mut actions = Vec::new();
    for step in 1..=40_000_u32 {
        gas.draw_second();
        let second = gas.second_gradient().unwrap_or_default();
        let snapshot = slices(all, gas.weights(), gas.gradient()).second_gradient(second);
        observer.observe(&gas.facts(), &snapshot).unwrap();
        gas.step().unwrap();
        if step % 500 == 0 {
            let (signals, _) = Signals::read(&mut observer, &VerdictConfig::default()).unwrap();
            let decision = controller.step(&signals);
            actions.push(decision.action);
            if decision.action.restarts_window() {
                observer.start_window();
            }
            gas.set_protocol(protocol(decision.in_force.learning_rate))
                .unwrap();
        }
    }
    assert_eq!(
        actions.iter().filter(|a| **a == Action::Cool).count(),
        3,
        "{actions:?}"
    );
    assert_eq!(controller.current().learning_rate, 0.1);
    // Fixed learning rate: T ∝ √η.
    let t = observer.read(all, "temperature_noise").unwrap();
    let expected = *gas.config().temperature().ready().unwrap();
    assert!((value(&t) / expected - 1.0).abs() < 0.05);
}

/// A window of a bath as a point of a record; and overheating outranks any verdict.
#[test]
fn signals_and_points_are_read_from_an_observer() {
    let bath = HarmonicBath::new(&[1.0], &[1.0], HarmonicConfig::new(0.1)).unwrap();
    let mut sampler = bath.stationary_sampler(1).unwrap();
    let mut groups = Groups::new();
    let all = groups.add("all", Symmetry::Generic);
    let config = Config::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(groups, config).unwrap();
    assert!(CoolingPoint::read(&observer).unwrap().ready().is_none());
    for _ in 0..8000 {
        let facts = sampler.facts().independent_loss(sampler.loss());
        sampler.draw_second();
        let snapshot = slices(all, sampler.weights(), sampler.gradient())
            .second_gradient(sampler.second_gradient().unwrap());
        observer.observe(&facts, &snapshot).unwrap();
        sampler.step().unwrap();
    }
    let point = CoolingPoint::read(&observer).unwrap();
    let point = point.ready().unwrap();
    assert_eq!(point.time, 4000.0);
    assert!(point.temperature.z_score(bath.temperature()).unwrap().abs() < 4.0);
    let capacity = point.heat_capacity.unwrap();
    assert!(
        capacity.z_score(0.5 / 0.95_f64.powi(2)).unwrap().abs() < 4.0,
        "{capacity}"
    );
    let (signals, events) = Signals::read(&mut observer, &VerdictConfig::default()).unwrap();
    assert_eq!(signals.step, 8000);
    assert!(signals.heat_capacity.is_some());
    assert!(
        !events
            .iter()
            .any(|e| matches!(e, Event::Overheating { .. }))
    );
    let overheating = Event::Overheating {
        step: 1,
        group: None,
        cause: Cause::EdgeRatio,
    };
    let verdict = observer.verdict(&VerdictConfig::default()).unwrap();
    let signals = Signals::new(1).event(&overheating).verdict(&verdict);
    assert_eq!(signals.state, State::Overheating);
}

#[test]
fn decay_advice_by_rule() {
    let advice = |step: &Step| decay_advice(step, 1000).unwrap();
    let sgd = Step::new(0.0).learning_rate(0.1);
    let plain = *advice(&sgd).ready().unwrap();
    assert_eq!(plain.relaxations, 0.0);
    // Momentum speeds both up tenfold.
    let heavy = *advice(&sgd.momentum(0.9)).ready().unwrap();
    assert!((plain.least / heavy.least - 10.0).abs() < 1e-9);
    assert!((plain.most / heavy.most - 10.0).abs() < 1e-9);
    // AdamW: r² relaxes at 2ηλ.
    let adamw = sgd.decoupled_weight_decay(0.1).optimizer(Optimizer::ADAM);
    assert!((advice(&adamw).ready().unwrap().relaxations - 20.0).abs() < 1e-9);
    assert!(matches!(advice(&Step::new(0.0)), Reading::Undefined(_)));
    assert!(matches!(
        advice(&sgd.optimizer(Optimizer::Update)),
        Reading::Undefined(_)
    ));
    assert!(decay_advice(&sgd, 0).is_err());
}

#[test]
fn records_refuse_what_no_run_has() {
    let point = |time, t| CoolingPoint::new(time, exact(t));
    assert!(CoolingRecord::new(vec![point(1.0, 1.0), point(1.0, 1.0)]).is_err());
    assert!(CoolingRecord::new(vec![point(1.0, 0.0)]).is_err());
    assert!(CoolingRecord::new(vec![point(f64::NAN, 1.0)]).is_err());
    let record = CoolingRecord::new(vec![point(0.0, 2.0), point(1.0, 1.0)]).unwrap();
    assert!(matches!(
        record.thermodynamic_length(),
        Reading::Undefined(_)
    ));
    assert!(matches!(record.assess(None), Reading::Undefined(_)));
    assert!(matches!(
        CoolingRecord::new(vec![]).unwrap().dissipation_bound(),
        Reading::Pending { .. }
    ));
    assert!(CaloricCurve::table(&[(1.0, 2.0), (2.0, 1.0)]).is_err());
    assert!(CaloricCurve::table(&[(1.0, 2.0)]).is_err());
    assert!(CaloricCurve::linear(1e90, 1.0).is_err());
}
