//! The phases of running loops: overheating ahead of divergence, labels of systems whose phase is known, transitions, events.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use crate::digits::common::{
    data::Digits,
    training::{Config as Knobs, Training},
};
use thermograd::phase_transition::{
    Cause, Event, MonitorConfig, Overlap, Phase, Quantity, Witness,
};
use thermograd::systems::{
    Ar1, GasProtocol, IsotropicGasConfig, PSpin, PSpinSgd, Random, Region, Start,
};
use thermograd::{
    Cadence, Config, Error, Estimate, GroupId, Groups, Observer, Protocol, Reading, Step, Symmetry,
    Window, slices,
};

const fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        std_error: 0.0,
        n_eff: 1.0,
    }
}

fn observer(symmetry: Symmetry, window: u64, monitor: MonitorConfig) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("all", symmetry);
    let window = Window::Tumbling(NonZeroU64::new(window).unwrap());
    let config = Config::every_step().window(window).monitor(monitor);
    (Observer::with_config(groups, config).unwrap(), group)
}

/// What became of a run: when its loss left the level it had, and the first alarm.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    diverged: Option<u64>,
    alarm: Option<(u64, Cause)>,
}

impl Fate {
    fn listen(&mut self, observer: &mut Observer) {
        for event in observer.events() {
            if let Event::Overheating { step, cause, .. } = event {
                self.alarm = self.alarm.or(Some((step, cause)));
            }
        }
    }

    /// Steps from alarm to divergence.
    fn lead(&self) -> i64 {
        match (self.diverged, self.alarm) {
            (Some(diverged), Some((alarm, _))) => diverged.cast_signed() - alarm.cast_signed(),
            _ => i64::MIN,
        }
    }
}

/// A learning rate that stays for a while and then grows by the same factor every step.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    from: f64,
    to: f64,
    calm: u32,
    steps: u32,
}

impl Ramp {
    fn flat(rate: f64, steps: u32) -> Self {
        Self {
            from: rate,
            to: rate,
            calm: steps,
            steps: 0,
        }
    }

    fn at(&self, step: u32) -> f64 {
        let along = f64::from(step.saturating_sub(self.calm)) / f64::from(self.steps.max(1));
        self.from * (self.to / self.from).powf(along)
    }
}

/// Heavy ball in a bowl of stiffnesses 1 down to 0.01 under unit noise. It has diverged where 32 steps have ten times the mean
/// loss of the 512 before them.
fn harmonic(seed: u64, dimension: usize, momentum: f64, ramp: Ramp) -> Fate {
    let mut random = Random::new(seed);
    let stiffness: Vec<f64> = (0..dimension)
        .map(|i| 0.01_f64.powf(i as f64 / dimension.max(2) as f64))
        .collect();
    let (mut w, mut v) = (vec![0.0; dimension], vec![0.0; dimension]);
    let (mut observer, group) = observer(Symmetry::Generic, 10_000, MonitorConfig::default());
    let mut recent = VecDeque::new();
    let mut fate = Fate::default();
    for step in 0..ramp.calm + ramp.steps {
        let rate = ramp.at(step);
        let loss: f64 = stiffness.iter().zip(&w).map(|(a, w)| 0.5 * a * w * w).sum();
        let gradient: Vec<f64> = stiffness
            .iter()
            .zip(&w)
            .map(|(a, w)| a * w + random.normal())
            .collect();
        let facts = Step::new(loss).learning_rate(rate).momentum(momentum);
        observer
            .observe(&facts, &slices(group, &w, &gradient))
            .unwrap();
        fate.listen(&mut observer);
        recent.push_back(loss);
        if recent.len() > 544 {
            recent.pop_front();
            let level = recent.iter().take(512).sum::<f64>() / 512.0;
            let now = recent.iter().skip(512).sum::<f64>() / 32.0;
            if now > 10.0 * level {
                fate.diverged = Some(u64::from(step));
                break;
            }
        }
        for ((w, v), g) in w.iter_mut().zip(&mut v).zip(&gradient) {
            *v = momentum * *v + g;
            *w -= rate * *v;
        }
    }
    fate
}

/// The digits network. It has diverged where 32 steps have ten times the mean loss of the second half of the calm.
fn digits(data: &Digits, knobs: &Knobs, ramp: Ramp) -> Fate {
    let mut training = Training::new(knobs, data);
    let symmetry = match training.network.scales() {
        0 => Symmetry::Generic,
        scales => Symmetry::ScaleInvariantBy(scales),
    };
    let (mut observer, group) = observer(symmetry, 10_000, MonitorConfig::default());
    let (mut level, mut recent) = (0.0, VecDeque::new());
    let mut fate = Fate::default();
    for step in 0..ramp.calm + ramp.steps {
        let rate = ramp.at(step);
        training.optimizer.learning_rate = rate;
        let loss = training.gradient();
        let facts = Step::new(loss)
            .learning_rate(rate)
            .momentum(knobs.momentum)
            .weight_decay(knobs.weight_decay);
        let state = training.state();
        observer
            .observe(&facts, &slices(group, state.weights, state.gradient))
            .unwrap();
        fate.listen(&mut observer);
        if (ramp.calm / 2..ramp.calm).contains(&step) {
            level += loss / f64::from(ramp.calm - ramp.calm / 2);
        }
        recent.push_back(loss);
        if recent.len() > 32 {
            recent.pop_front();
        }
        if step > ramp.calm && recent.iter().sum::<f64>() / 32.0 > 10.0 * level {
            fate.diverged = Some(u64::from(step));
            break;
        }
        training.update();
    }
    fate
}

fn check_ramps(name: &str, fates: &[Fate]) {
    assert!(
        fates.iter().all(|fate| fate.diverged.is_some()),
        "{name}: a ramp that does not diverge tests nothing: {fates:?}"
    );
    let ahead = fates.iter().filter(|fate| fate.lead() >= 50).count();
    assert!(
        10 * ahead >= 9 * fates.len(),
        "{name}: {ahead} of {}: {fates:?}",
        fates.len()
    );
}

fn check_calm(name: &str, fates: &[Fate]) {
    assert!(fates.iter().all(|fate| fate.diverged.is_none()), "{name}");
    let alarms = fates.iter().filter(|fate| fate.alarm.is_some()).count();
    assert!(20 * alarms <= fates.len(), "{name}: {alarms}: {fates:?}");
}

/// Through the edge of stability, at 2(1 + μ).
fn harmonic_ramp(momentum: f64) -> Ramp {
    let edge = 2.0 * (1.0 + momentum);
    Ramp {
        from: 0.1 * edge,
        to: 1.5 * edge,
        calm: 1500,
        steps: 4000,
    }
}

fn digits_ramp(momentum: f64) -> (Knobs, Ramp) {
    let from = 0.1 * (1.0 - momentum);
    let knobs = Knobs {
        learning_rate: from,
        momentum,
        no_norm: true,
        ..Knobs::default()
    };
    let ramp = Ramp {
        from,
        to: 200.0 * from,
        calm: 1500,
        steps: 4000,
    };
    (knobs, ramp)
}

#[test]
fn overheating_is_announced_before_a_bath_diverges() {
    for (dimension, momentum) in [(1, 0.0), (20, 0.0), (20, 0.9)] {
        let ramp = harmonic_ramp(momentum);
        let fates: Vec<Fate> = (0..10)
            .map(|seed| harmonic(seed, dimension, momentum, ramp))
            .collect();
        check_ramps(&format!("{dimension}, {momentum}"), &fates);
    }
}

#[test]
fn overheating_is_announced_before_the_digits_diverge() {
    let data = Digits::load(0).unwrap();
    let (knobs, ramp) = digits_ramp(0.0);
    let fates: Vec<Fate> = (0..10)
        .map(|seed| {
            let knobs = Knobs {
                seed,
                ..knobs.clone()
            };
            digits(&data, &knobs, ramp)
        })
        .collect();
    check_ramps("digits", &fates);
}

#[test]
fn calm_baths_do_not_overheat() {
    for (dimension, rate) in [(1, 0.2), (5, 1.0)] {
        let ramp = Ramp::flat(rate, 3000);
        let fates: Vec<Fate> = (0..20)
            .map(|seed| harmonic(seed, dimension, 0.0, ramp))
            .collect();
        check_calm(&format!("{dimension}, {rate}"), &fates);
    }
}

#[test]
fn calm_training_does_not_overheat() {
    let data = Digits::load(0).unwrap();
    for no_norm in [false, true] {
        let fates: Vec<Fate> = (0..20)
            .map(|seed| {
                let knobs = Knobs {
                    seed,
                    no_norm,
                    ..Knobs::default()
                };
                digits(&data, &knobs, Ramp::flat(0.1, 1500))
            })
            .collect();
        check_calm(&format!("no_norm {no_norm}"), &fates);
    }
}

/// Other seeds than those at which thresholds were looked at.
#[test]
#[ignore = "three minutes: long runs, many settings"]
fn overheating_over_many_settings() {
    let data = Digits::load(0).unwrap();
    for (dimension, momentum) in [(1, 0.0), (5, 0.0), (20, 0.0), (100, 0.0), (20, 0.9)] {
        let ramp = harmonic_ramp(momentum);
        let fates: Vec<Fate> = (100..130)
            .map(|seed| harmonic(seed, dimension, momentum, ramp))
            .collect();
        check_ramps(&format!("{dimension}, {momentum}"), &fates);
    }
    for momentum in [0.0, 0.9] {
        let (knobs, ramp) = digits_ramp(momentum);
        let fates: Vec<Fate> = (100..120)
            .map(|seed| {
                let knobs = Knobs {
                    seed,
                    ..knobs.clone()
                };
                digits(&data, &knobs, ramp)
            })
            .collect();
        check_ramps(&format!("digits {momentum}"), &fates);
    }
    for (dimension, momentum, rate) in [
        (1, 0.0, 0.2),
        (1, 0.0, 1.0),
        (5, 0.0, 1.0),
        (20, 0.0, 1.0),
        (20, 0.9, 1.0),
        (100, 0.0, 1.4),
    ] {
        let fates: Vec<Fate> = (100..120)
            .map(|seed| harmonic(seed, dimension, momentum, Ramp::flat(rate, 10_000)))
            .collect();
        check_calm(&format!("{dimension}, {momentum}, {rate}"), &fates);
    }
    for (no_norm, momentum, learning_rate, weight_decay) in [
        (true, 0.0, 0.1, 0.01),
        (false, 0.0, 0.1, 0.01),
        (false, 0.9, 0.1, 0.01),
        (true, 0.9, 0.02, 0.01),
        (false, 0.0, 0.5, 0.001),
        (true, 0.0, 0.3, 0.0),
    ] {
        let fates: Vec<Fate> = (100..120)
            .map(|seed| {
                let knobs = Knobs {
                    learning_rate,
                    weight_decay,
                    momentum,
                    seed,
                    no_norm,
                    ..Knobs::default()
                };
                digits(&data, &knobs, Ramp::flat(learning_rate, 4000))
            })
            .collect();
        let name = format!("{no_norm}, {momentum}, {learning_rate}, {weight_decay}");
        check_calm(&name, &fates);
    }
}

/// A run of the p-spin ferromagnet at the reduced temperature T̃ = T d, its second window read.
fn p_spin(
    power: u32,
    dimension: usize,
    reduced: f64,
    start: Start,
    window: u64,
) -> (Observer, GroupId) {
    let system = PSpin::new(power, dimension).unwrap();
    let temperature = reduced / dimension as f64;
    let rate = 0.02;
    let mut run = PSpinSgd::new(system, temperature, rate, start, 5).unwrap();
    let monitor = MonitorConfig::default()
        .gas_energy(exact(
            system.averages(1e3, Region::Everything).unwrap().energy,
        ))
        .best_energy(exact(-1.0));
    let (mut observer, group) = observer(Symmetry::ScaleInvariant, window, monitor);
    for _ in 0..2 * window {
        let facts = Step::new(run.loss())
            .learning_rate(rate)
            .protocol(Protocol::FixedSphere);
        observer
            .observe(&facts, &slices(group, run.weights(), run.gradient()))
            .unwrap();
        run.step();
    }
    (observer, group)
}

fn phase(observer: &Observer) -> Phase {
    let Reading::Ready(seen) = observer.phase() else {
        panic!("{:?} of {:?}", observer.phase(), observer.evidence());
    };
    seen.phase
}

/// T̃_c = 2 for p = 2: condensed below, a gas above, and the overlap is the exact one.
#[test]
fn the_continuous_ferromagnet_condenses() {
    let (mut cold, group) = p_spin(2, 100, 1.0, Start::Condensed, 12_000);
    assert_eq!(phase(&cold), Phase::Condensed, "{:?}", cold.phase());
    let order = cold.order_parameters(group).unwrap();
    let q = order.long_overlap.ready().unwrap();
    // m² = 1 − T̃/2 of an infinite system; 100 coordinates are within 2 %. The start chose the sign of m.
    assert!(
        (q.estimate.value - 0.5).abs() < 0.02 + 4.0 * q.estimate.std_error,
        "{q:?}"
    );
    let r = order.resultant_length.ready().unwrap();
    assert!((r.value * r.value - q.estimate.value).abs() < 1e-12);
    let radius = order.radius.ready().map(|r| r.value);
    assert!(
        radius.is_some_and(|r| (r - 1.0).abs() < 1e-9),
        "{:?}",
        order.radius
    );
    let events: Vec<Event> = cold.events().collect();
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::EquilibriumReached { .. })),
        "{events:?}"
    );
    assert!(
        events.iter().any(|e| matches!(
            e,
            Event::PhaseChanged {
                from: None,
                to: Phase::Condensed,
                ..
            }
        )),
        "{events:?}"
    );

    let (hot, group) = p_spin(2, 100, 6.0, Start::Gas, 12_000);
    assert_eq!(phase(&hot), Phase::Gas, "{:?}", hot.phase());
    let late = hot.overlap_after(group, 1000).unwrap();
    let late = late.ready().unwrap();
    assert!(late.estimate.value.abs() < 4.0 * late.null_std_dev.max(late.estimate.std_error));
}

/// The p = 3 gas below the transition looks like any gas; a witness shows that it is trapped.
#[test]
fn a_trapped_gas_needs_a_witness() {
    let (mut gas, _) = p_spin(3, 1000, 0.9, Start::Gas, 10_000);
    let alone = gas.phase();
    let alone = alone.ready().unwrap();
    assert_eq!(alone.phase, Phase::Gas, "{alone:?}");
    assert!(alone.metastability_not_excluded);

    let (other, group) = p_spin(3, 1000, 0.9, Start::Condensed, 10_000);
    let long_overlap = *other
        .order_parameters(group)
        .unwrap()
        .long_overlap
        .ready()
        .unwrap();
    let energy = *other.read_model("loss").unwrap().ready().unwrap();
    assert_eq!(phase(&other), Phase::Condensed, "{:?}", other.phase());
    gas.set_witness(Some(Witness {
        energy,
        long_overlap,
    }))
    .unwrap();
    assert_eq!(phase(&gas), Phase::Trapped, "{:?}", gas.phase());
    gas.set_witness(None).unwrap();
    assert_eq!(phase(&gas), Phase::Gas);
    let wrong = Witness {
        energy: exact(f64::NAN),
        long_overlap: Overlap::new(exact(0.0), 1.0),
    };
    assert!(matches!(
        gas.set_witness(Some(wrong)),
        Err(Error::NonFinite { .. })
    ));
}

/// A curvature at the edge of stability is overheating, whatever the window says; below it, and unknown, it is not.
#[test]
fn a_curvature_beyond_the_edge_is_overheating() {
    let (mut run, _) = p_spin(2, 100, 1.0, Start::Condensed, 10_000);
    assert_eq!(phase(&run), Phase::Condensed, "{:?}", run.phase());
    for (ratio, expected) in [
        (Some(0.99), Phase::Condensed),
        (Some(1.0), Phase::Overheating),
        (None, Phase::Condensed),
    ] {
        run.set_stability(ratio.map(exact)).unwrap();
        assert_eq!(phase(&run), expected, "{ratio:?}: {:?}", run.phase());
    }
    assert!(matches!(
        run.set_stability(Some(exact(f64::NAN))),
        Err(Error::NonFinite { .. })
    ));
    assert_eq!(run.evidence().stability, None);
}

/// Weight decay against noise and nothing else. The loss is that of a random network: noise about its level.
#[test]
fn the_isotropic_gas_is_a_gas() {
    let protocol = GasProtocol::FixedLearningRate {
        learning_rate: 0.1,
        weight_decay: 0.02,
    };
    let mut gas = IsotropicGasConfig::new(200, protocol)
        .noise(1.0)
        .radius(3.0)
        .build()
        .unwrap();
    let monitor = MonitorConfig::default()
        .gas_energy(exact(2.3))
        .best_energy(exact(0.0));
    let window = 40_000;
    let (mut observer, group) = observer(Symmetry::ScaleInvariant, window, monitor);
    let noise = Ar1::new(0.0).unwrap().series(3);
    for x in noise.take(2 * 40_000) {
        let facts = Step::new(2.3 + 0.1 * x)
            .learning_rate(gas.learning_rate())
            .weight_decay(gas.weight_decay())
            .protocol(Protocol::FixedLearningRate)
            .optimizer(thermograd::Optimizer::SGD);
        observer
            .observe(&facts, &slices(group, gas.weights(), gas.gradient()))
            .unwrap();
        gas.step().unwrap();
    }
    assert_eq!(phase(&observer), Phase::Gas, "{:?}", observer.phase());
    let order = observer.order_parameters(group).unwrap();
    // Steps of a gas are nearly independent: ρ₁ = −e, of the order of ηλ.
    let alignment = order.step_alignment.ready().unwrap();
    assert!(alignment.value.abs() < 0.01, "{alignment}");
    let spread = order.participation_ratio.ready().unwrap();
    assert!(spread.value > 50.0, "{spread}");
    assert!(
        observer
            .events()
            .all(|e| !matches!(e, Event::Overheating { .. })),
        "a gas at rest is not too hot"
    );
}

/// A loss that drops from one plateau to another at step 20 000, in noise.
#[test]
fn a_transition_is_found_once_with_its_interval() {
    let (mut right, mut events) = (0, 0);
    for seed in 0..20 {
        let (mut observer, group) = observer(Symmetry::Generic, 5000, MonitorConfig::default());
        let mut random = Random::new(seed);
        let noise = Ar1::new(0.9).unwrap().series(seed);
        for (step, x) in (0_u32..40_000).zip(noise) {
            let level = if step < 20_000 { 2.0 } else { 1.5 };
            let w = [random.normal(), random.normal()];
            let facts = Step::new(level + 0.5 * x);
            observer
                .observe(&facts, &slices(group, &w, &[0.0_f64, 0.0]))
                .unwrap();
            if step % 500 == 0 {
                for event in observer.events() {
                    if let Event::Transition {
                        interval,
                        quantity,
                        step,
                        ..
                    } = event
                    {
                        assert_eq!(quantity, Quantity::Energy);
                        assert!((interval.first..=interval.last).contains(&step));
                        events += 1;
                        right += usize::from((interval.first..=interval.last).contains(&20_000));
                    }
                }
            }
        }
    }
    assert!(
        (19..=21).contains(&events) && right >= 18,
        "{right} of {events}"
    );
}

#[test]
fn a_stationary_run_has_no_transitions() {
    let mut told = Vec::new();
    for seed in 0..60 {
        let rho = match seed % 3 {
            0 => 0.0,
            1 => 0.95,
            _ => 0.99,
        };
        let (mut observer, group) = observer(Symmetry::Generic, 5000, MonitorConfig::default());
        let mut random = Random::new(seed);
        for (step, x) in (0_u32..40_000).zip(Ar1::new(rho).unwrap().series(seed)) {
            let w = [random.normal(), random.normal()];
            observer
                .observe(&Step::new(x), &slices(group, &w, &[0.0_f64, 0.0]))
                .unwrap();
            if step % 500 == 0 {
                for event in observer.events() {
                    if matches!(event, Event::Transition { .. }) {
                        told.push((rho, step, event));
                    }
                }
            }
        }
    }
    assert!(told.len() <= 3, "in 60 runs of two series: {told:#?}");
}

/// A gas set below its critical temperature: while it falls into the condensate, its directions gather.
#[test]
fn a_quenched_gas_condenses_before_our_eyes() {
    let (d, rate) = (1000, 0.002);
    let system = PSpin::new(2, d).unwrap();
    let mut run = PSpinSgd::new(system, 0.4 / 1000.0, rate, Start::Gas, 3).unwrap();
    let monitor = MonitorConfig::default()
        .gas_energy(exact(0.0))
        .best_energy(exact(-1.0));
    let (mut observer, group) = observer(Symmetry::ScaleInvariant, 3000, monitor);
    let mut seen = Vec::new();
    for _ in 0..16_000 {
        let facts = Step::new(run.loss())
            .learning_rate(rate)
            .protocol(Protocol::FixedSphere);
        observer
            .observe(&facts, &slices(group, run.weights(), run.gradient()))
            .unwrap();
        run.step();
        for event in observer.events() {
            if let Event::PhaseChanged { to, .. } = event {
                seen.push(to);
            }
        }
    }
    assert!(seen.contains(&Phase::Condensing), "{seen:?}");
}

/// A hot gas, quenched at step 18 000 to where it condenses.
#[test]
fn a_quench_is_told_as_transition_and_change_of_phase() {
    let system = PSpin::new(2, 100).unwrap();
    let (hot, cold) = (6.0 / 100.0, 0.5 / 100.0);
    let rate = 0.02;
    let mut run = PSpinSgd::new(system, hot, rate, Start::Gas, 1).unwrap();
    let gas = system.averages(1e3, Region::Everything).unwrap().energy;
    let monitor = MonitorConfig::default()
        .gas_energy(exact(gas))
        .best_energy(exact(-1.0));
    let (mut observer, group) = observer(Symmetry::ScaleInvariant, 6000, monitor);
    let (mut changes, mut transitions) = (Vec::new(), Vec::new());
    for step in 0..60_000 {
        if step == 18_000 {
            run.set_temperature(cold).unwrap();
        }
        let facts = Step::new(run.loss())
            .learning_rate(rate)
            .protocol(Protocol::FixedSphere);
        observer
            .observe(&facts, &slices(group, run.weights(), run.gradient()))
            .unwrap();
        run.step();
        for event in observer.events() {
            match event {
                Event::PhaseChanged { from, to, .. } => changes.push((from, to)),
                Event::Transition {
                    interval,
                    quantity: Quantity::Energy,
                    ..
                } => transitions.push(interval),
                _ => {}
            }
        }
    }
    assert_eq!(changes.first(), Some(&(None, Phase::Gas)), "{changes:?}");
    assert_eq!(
        changes.last().map(|change| change.1),
        Some(Phase::Condensed),
        "{changes:?}"
    );
    // The fall from the saddle takes some hundred steps.
    let around = |first: u64, last: u64| first <= 19_500 && last >= 18_000;
    assert!(
        transitions.len() == 1 && transitions.iter().all(|i| around(i.first, i.last)),
        "{transitions:?}"
    );
}

/// A learning rate that grows tenfold and stays well below the edge heats the bath and is no overheating.
#[test]
fn a_warming_bath_does_not_overheat() {
    let ramp = Ramp {
        from: 0.05,
        to: 0.5,
        calm: 500,
        steps: 2000,
    };
    let fates: Vec<Fate> = (0..20).map(|seed| harmonic(seed, 20, 0.0, ramp)).collect();
    check_calm("warming", &fates);
}

/// 4 steps in 64 read what theory says of the gas, with honest error bars, and find it settled.
#[test]
fn the_default_options_read_the_gas_and_find_it_settled() {
    let (rate, decay) = (0.5, 0.02);
    let held = GasProtocol::FixedLearningRate {
        learning_rate: rate,
        weight_decay: decay,
    };
    let mut scores = Vec::new();
    for seed in 0..8 {
        let config = IsotropicGasConfig::new(200, held).seed(seed);
        let radius = *config.stationary_radius().ready().unwrap();
        let temperature = *config.temperature().ready().unwrap();
        let mut gas = config.radius(radius).build().unwrap();
        let mut groups = Groups::new();
        let all = groups.add("gas", Symmetry::ScaleInvariant);
        let mut observer = Observer::new(groups).unwrap();
        let (mut observed, mut settled) = (0, false);
        // Two windows of 1024 observed steps.
        for _ in 0..2 * 16 * 1024 {
            observed += u64::from(observer.is_due());
            if observer.is_due() {
                gas.draw_second();
            }
            let second = gas.second_gradient().unwrap_or_default();
            let snapshot = slices(all, gas.weights(), gas.gradient()).second_gradient(second);
            observer.observe(&gas.facts(), &snapshot).unwrap();
            gas.step().unwrap();
            settled |= observer
                .events()
                .any(|event| matches!(event, Event::EquilibriumReached { .. }));
        }
        assert_eq!(observed, 2048);
        assert!(settled, "seed {seed}");
        for (metric, truth) in [
            ("temperature_noise", temperature),
            ("temperature_midpoint", temperature),
            ("radius", radius),
            ("z_d", 1.0 / (1.0 - rate * decay / 2.0)),
        ] {
            let reading = observer.read(all, metric).unwrap();
            let estimate = reading.ready().unwrap();
            assert!(estimate.std_error < 0.02 * truth, "{metric}: {estimate}");
            scores.push((metric, estimate.z_score(truth).unwrap()));
        }
    }
    let squares: f64 = scores.iter().map(|(_, z)| z * z).sum();
    let mean = squares / scores.len() as f64;
    assert!((0.4..2.0).contains(&mean), "{mean}: {scores:?}");
}

/// Two layers of which one diverges, in a cadence of bursts.
#[test]
fn overheating_names_its_group() {
    let mut groups = Groups::new();
    let cool = groups.add("cool", Symmetry::Generic);
    let hot = groups.add("hot", Symmetry::Generic);
    let config = Config::default().cadence(Cadence::bursts(8, 10).unwrap());
    let mut observer = Observer::with_config(groups, config).unwrap();
    let mut random = Random::new(0);
    let (mut a, mut b) = (vec![0.0; 500], vec![0.0; 10]);
    let mut told = Vec::new();
    for step in 0..6000 {
        let rate = 0.2 * 15_f64.powf(f64::from(step) / 5000.0);
        let pull: Vec<f64> = a.iter().map(|a| 0.1 * a + random.normal()).collect();
        let push: Vec<f64> = b.iter().map(|b| b + random.normal()).collect();
        let loss: f64 = a.iter().map(|a| 0.05 * a * a).sum::<f64>()
            + b.iter().map(|b| 0.5 * b * b).sum::<f64>();
        if loss > 1e6 {
            break;
        }
        let visit = thermograd::from_fn(|out| {
            out.tensor(cool, &a, &pull)?;
            out.tensor(hot, &b, &push)
        });
        observer
            .observe(&Step::new(loss).learning_rate(rate), &visit)
            .unwrap();
        told.extend(observer.events());
        for (w, g) in a.iter_mut().zip(&pull).chain(b.iter_mut().zip(&push)) {
            *w -= rate * g;
        }
    }
    let named = |event: &Event| match event {
        Event::Overheating { group, cause, .. } => Some((*group, *cause)),
        _ => None,
    };
    let first = told.iter().find_map(named);
    assert_eq!(first, Some((Some(hot), Cause::EdgeRatio)), "{told:?}");
    assert!(
        told.iter()
            .filter_map(named)
            .all(|(group, _)| group != Some(cool)),
        "{told:?}"
    );
}

/// Weights at rest, zero weights, no learning rate, equal losses: readings say so, and nothing is NaN or an event.
#[test]
fn nothing_happens_to_a_run_at_rest() {
    for (weight, rate) in [(0.0, Some(0.1)), (1.0, Some(0.0)), (1.0, None)] {
        let gas = MonitorConfig::default().gas_energy(exact(2.0));
        let (mut observer, group) = observer(Symmetry::ScaleInvariant, 500, gas);
        for _ in 0..2000 {
            let mut facts = Step::new(1.0);
            if let Some(rate) = rate {
                facts = facts.learning_rate(rate);
            }
            let (w, g) = ([weight; 30], [0.0; 30]);
            observer.observe(&facts, &slices(group, &w, &g)).unwrap();
            assert_eq!(observer.events().count(), 0);
        }
        assert!(observer.phase().ready().is_none(), "{:?}", observer.phase());
        let order = observer.order_parameters(group).unwrap();
        assert!(order.long_overlap.ready().is_none());
        assert!(order.participation_ratio.ready().is_none());
        assert!(observer.overlap_after(group, 0).is_err());
        if let Reading::Ready(q) = observer.overlap_after(group, 50).unwrap() {
            assert!(q.estimate.value.is_finite() && q.estimate.std_error.is_finite());
        }
    }
}

#[test]
fn values_that_are_not_finite_are_told_once() {
    let (mut observer, group) = observer(Symmetry::Generic, 100, MonitorConfig::default());
    let good = [1.0, 2.0];
    observer
        .observe(&Step::new(1.0), &slices(group, &good, &good))
        .unwrap();
    for _ in 0..3 {
        let bad = [1.0, f64::INFINITY];
        assert!(
            observer
                .observe(&Step::new(1.0), &slices(group, &bad, &good))
                .is_err()
        );
        assert!(
            observer
                .observe(&Step::new(f64::NAN), &slices(group, &good, &good))
                .is_err()
        );
    }
    let told: Vec<Event> = observer.events().collect();
    let is_news = |e: &Event| {
        matches!(
            e,
            Event::Overheating {
                step: 1,
                group: None,
                cause: Cause::NonFinite,
                ..
            }
        )
    };
    assert!(told.len() == 1 && told.iter().all(is_news), "{told:?}");
    // Now the phase says it at once, and recovers with the run.
    assert_eq!(phase(&observer), Phase::Overheating);
    observer
        .observe(&Step::new(1.0), &slices(group, &good, &good))
        .unwrap();
    assert!(observer.phase().ready().is_none());
    assert_eq!(observer.events().count(), 0);
    // A wrong length is a mistake of the caller, not of the run.
    assert!(
        observer
            .observe(&Step::new(1.0), &slices(group, &[1.0], &[1.0]))
            .is_err()
    );
    assert_eq!(observer.events().count(), 0);
}

#[test]
fn the_phase_says_what_it_needs() {
    let (mut observer, group) = observer(Symmetry::Generic, 1000, MonitorConfig::default());
    assert!(matches!(observer.phase(), Reading::Pending { seen: 0, .. }));
    let mut random = Random::new(0);
    for _ in 0..2000 {
        let w: Vec<f64> = (0..20).map(|_| random.normal()).collect();
        let facts = Step::new(random.normal()).learning_rate(0.1);
        observer.observe(&facts, &slices(group, &w, &w)).unwrap();
    }
    // Everything is there but the energy of the gas, which only the user knows.
    let needs = observer.phase().to_string_or("ready");
    assert!(needs.contains("gas"), "{needs}");
    let monitor = MonitorConfig::default().gas_energy(exact(f64::NAN));
    let refused = Observer::with_config(
        observer.groups().clone(),
        Config::default().monitor(monitor),
    );
    assert!(matches!(refused, Err(Error::NonFinite { .. })));
    let refused = Observer::with_config(
        observer.groups().clone(),
        Config::default().monitor(MonitorConfig::default().sketch(0)),
    );
    assert!(matches!(refused, Err(Error::OutOfRange { .. })));
}

trait Told {
    fn to_string_or(&self, ready: &str) -> String;
}

impl<T> Told for Reading<T> {
    fn to_string_or(&self, ready: &str) -> String {
        match self {
            Self::Undefined(reason) => reason.to_string(),
            Self::Pending { seen, needed } => format!("{seen} of {needed}"),
            _ => ready.to_owned(),
        }
    }
}
