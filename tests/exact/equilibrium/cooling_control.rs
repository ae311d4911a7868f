//! Values by hand, closed forms and boundaries: cooling control.

use super::{near, refused};
use thermograd::cooling::{
    Action, BatchGrowth, Bounds, ConstantSpeed, Controller, EquilibriumTriggered, HyperParameters,
    Mode, Schedule, Signals, State, decay_advice, energy_fluctuations,
};
use thermograd::equilibrium::{Cause, Direction, Verdict};
use thermograd::{Protocol, Reading, Reason, Step};

/// Proposes the same thing always.
#[derive(Debug)]
struct Fixed(Action, HyperParameters);

impl Schedule for Fixed {
    fn propose(&mut self, _: &Signals, _: HyperParameters) -> (Action, HyperParameters) {
        (self.0, self.1)
    }
}

fn at(step: u64, state: State) -> Signals {
    let mut signals = Signals::new(step);
    signals.state = state;
    signals
}

fn measured(step: u64, speed: f64) -> Signals {
    let mut signals = at(step, State::Unknown);
    // τ√C with C = 4.
    signals.relaxation_time = Some(0.5 * speed);
    signals.heat_capacity = Some(4.0);
    signals
}

const fn rate(learning_rate: f64) -> HyperParameters {
    HyperParameters::new(learning_rate, 64)
}

#[test]
fn bounds_end_where_they_are_said_to() {
    Bounds::new(1e-300, 1e50).unwrap();
    Bounds::new(0.1, 0.1).unwrap().batch_sizes(1, 1).unwrap();
    assert_eq!(refused(Bounds::new(0.0, 1.0)).1, 0.0);
    assert_eq!(refused(Bounds::new(1.0, 1.1e50)).1, 1.1e50);
    assert_eq!(refused(Bounds::new(1.0, 0.9)).1, 0.9);
    let bounds = Bounds::new(0.1, 1.0).unwrap();
    let what = "bound of the batch size";
    assert_eq!(refused(bounds.batch_sizes(0, 5)), (what, 0.0));
    assert_eq!(refused(bounds.batch_sizes(8, 4)), (what, 4.0));
}

#[test]
fn proposals_are_kept_within_bounds() {
    let bounds = Bounds::new(0.01, 0.5).unwrap();
    let wide = bounds.batch_sizes(16, 256).unwrap();
    let start = HyperParameters::new(0.1, 64);
    let apply = |bounds, learning_rate, batch_size| {
        let proposal = HyperParameters::new(learning_rate, batch_size);
        let schedule = Fixed(Action::Cool, proposal);
        let mut controller = Controller::new(schedule, bounds, start).unwrap();
        let decision = controller.step(&Signals::new(17));
        assert_eq!(decision.step, 17);
        assert_eq!(decision.in_force, controller.current());
        (
            decision.proposed.learning_rate,
            decision.proposed.batch_size,
        )
    };
    assert_eq!(apply(bounds, 0.2, 128), (0.2, 64));
    assert_eq!(apply(wide, 0.2, 128), (0.2, 128));
    assert_eq!(apply(wide, 0.001, 8), (0.01, 16));
    assert_eq!(apply(wide, 5.0, 512), (0.5, 256));
    assert_eq!(apply(wide, f64::NAN, 64), (0.1, 64));
    assert_eq!(apply(wide, f64::INFINITY, 64), (0.1, 64));
}

#[test]
fn cooling_that_changes_nothing_is_holding() {
    let bounds = Bounds::new(0.01, 0.5).unwrap();
    let start = rate(0.1);
    for (action, left) in [
        (Action::Cool, Action::Hold),
        (Action::Anneal, Action::Hold),
        (Action::Hold, Action::Hold),
        (Action::BackOff, Action::BackOff),
        (Action::HoldAndRestart, Action::HoldAndRestart),
    ] {
        let mut same = Controller::new(Fixed(action, start), bounds, start).unwrap();
        assert_eq!(same.step(&Signals::new(0)).action, left);
        let mut cooler = Controller::new(Fixed(action, rate(0.05)), bounds, start).unwrap();
        assert_eq!(cooler.step(&Signals::new(0)).action, action);
        assert_eq!(cooler.schedule().0, action);
        let restarts = matches!(
            action,
            Action::HoldAndRestart | Action::Cool | Action::BackOff
        );
        assert_eq!(action.restarts_window(), restarts);
    }
}

#[test]
fn what_is_in_force_lies_within_bounds() {
    let bounds = Bounds::new(0.01, 0.5)
        .unwrap()
        .batch_sizes(16, 256)
        .unwrap();
    let schedule = Fixed(Action::Hold, rate(0.1));
    let mut controller = Controller::new(schedule, bounds, rate(0.1))
        .unwrap()
        .mode(Mode::DryRun);
    for (learning_rate, batch) in [(0.01, 16), (0.5, 256)] {
        let other = HyperParameters::new(learning_rate, batch);
        controller.set_current(other).unwrap();
        assert_eq!(controller.current(), other);
    }
    let mut set = |learning_rate, batch| {
        refused(controller.set_current(HyperParameters::new(learning_rate, batch)))
    };
    assert_eq!(set(0.1, 15), ("batch size", 15.0));
    assert_eq!(set(0.1, 257), ("batch size", 257.0));
    assert_eq!(set(0.009, 64), ("learning rate", 0.009));
    assert_eq!(set(0.51, 64), ("learning rate", 0.51));
    assert_eq!(set(f64::INFINITY, 64), ("learning rate", f64::INFINITY));
    // Without bounds of the batch it may be anything but zero.
    let free = Bounds::new(0.01, 0.5).unwrap();
    let with = |batch| {
        let schedule = Fixed(Action::Hold, rate(0.1));
        Controller::new(schedule, free, HyperParameters::new(0.1, batch))
    };
    assert!(with(1).is_ok());
    assert_eq!(refused(with(0)), ("batch size", 0.0));
}

#[test]
fn signals_say_what_a_verdict_says_unless_it_overheats() {
    let evidence = Vec::new;
    let rate = super::estimate(-1.0, 0.1, 9.0);
    let verdicts = [
        (
            Verdict::Equilibrium {
                n_eff: 100.0,
                evidence: evidence(),
            },
            State::Stationary,
        ),
        (
            Verdict::SteadyNotThermal {
                cause: Cause::Currents,
                effect: 0.1,
                sigmas: 5.0,
                evidence: evidence(),
            },
            State::Stationary,
        ),
        (
            Verdict::OutOfEquilibrium {
                observable: "loss".to_owned(),
                direction: Direction::Falling,
                rate,
                sigmas: -10.0,
                evidence: evidence(),
            },
            State::Drifting,
        ),
        (
            Verdict::InsufficientData {
                more_steps: 5,
                observable: "loss".to_owned(),
                evidence: evidence(),
            },
            State::Unknown,
        ),
    ];
    for (verdict, state) in &verdicts {
        assert_eq!(State::from(verdict), *state);
        assert_eq!(at(3, State::Drifting).verdict(verdict).state, *state);
        let hot = at(3, State::Overheating).verdict(verdict);
        assert_eq!((hot.step, hot.state), (3, State::Overheating));
    }
    assert_eq!(Signals::new(4).state, State::Unknown);
    assert_eq!(Signals::new(4).step, 4);
}

#[test]
fn signals_carry_what_fluctuations_found() {
    let losses: Vec<f64> = (0..256).map(|t| f64::from(t % 2)).collect();
    let found = energy_fluctuations(&losses, &losses, 0.5).unwrap();
    let found = found.ready().unwrap();
    let signals = Signals::new(1).fluctuations(found);
    // Variance ¼ over T² = ¼.
    near(signals.heat_capacity.unwrap(), 1.0, 1e-14);
    near(signals.relaxation_time.unwrap(), 0.5, 1e-14);
}

/// Two temperatures measured: α is the slope between them, and 1 until they are a factor 2 apart.
#[test]
fn the_exponent_is_read_from_temperatures_a_factor_two_apart() {
    let alpha = |rates: [f64; 2], speeds: [f64; 2]| {
        let mut schedule = ConstantSpeed::new(1000).unwrap();
        assert_eq!(schedule.exponent(), 1.0);
        schedule.propose(&measured(0, speeds[0]), rate(rates[0]));
        assert_eq!(schedule.exponent(), 1.0);
        schedule.propose(&measured(1, speeds[1]), rate(rates[1]));
        schedule.exponent()
    };
    // 8 = 4^1.5.
    near(alpha([0.4, 0.1], [1.0, 8.0]), 1.5, 1e-13);
    near(alpha([0.4, 0.2], [3.0, 3.0 * 2f64.sqrt()]), 0.5, 1e-13);
    assert_eq!(alpha([0.4, 0.4 / 1.99], [1.0, 8.0]), 1.0);
    // Faster when colder, and far slower, are taken for noise.
    assert_eq!(alpha([0.4, 0.1], [8.0, 1.0]), 0.0);
    assert_eq!(alpha([0.4, 0.1], [1.0, 1000.0]), 4.0);
    // Speed is τ√C whichever of the two changes: 4 times C is twice the speed.
    let mut schedule = ConstantSpeed::new(1000).unwrap();
    for (step, learning_rate, capacity) in [(0, 0.4, 1.0), (1, 0.1, 4.0)] {
        let mut signals = measured(step, 1.0);
        signals.heat_capacity = Some(capacity);
        schedule.propose(&signals, rate(learning_rate));
    }
    near(schedule.exponent(), 0.5, 1e-13);
    // Nothing that is not positive is measured.
    assert_eq!(alpha([0.4, 0.1], [1.0, 0.0]), 1.0);
    assert_eq!(alpha([0.4, 0.1], [1.0, -8.0]), 1.0);
    let mut schedule = ConstantSpeed::new(1000).unwrap();
    for (step, learning_rate) in [(0, 0.4), (1, 0.1)] {
        let mut signals = measured(step, 1.0 / learning_rate / learning_rate);
        signals.heat_capacity = Some(0.0);
        schedule.propose(&signals, rate(learning_rate));
    }
    assert_eq!(schedule.exponent(), 1.0);
}

/// With s ∝ η^−α the power η^−α grows linearly from its start to its end.
#[test]
fn constant_speed_is_linear_in_a_power_of_the_rate() {
    let mut schedule = ConstantSpeed::new(1000).unwrap();
    assert_eq!(
        schedule.propose(&at(100, State::Unknown), rate(0.4)),
        (Action::Hold, rate(0.4))
    );
    // 1/η from 2.5 to 250 over the 1000 steps from 100 on.
    let mut now = rate(0.4);
    for (step, share) in [(350, 0.25), (600, 0.5), (1100, 1.0)] {
        let (action, next) = schedule.propose(&at(step, State::Unknown), now);
        assert_eq!((action, next.batch_size), (Action::Anneal, 64));
        near(1.0 / next.learning_rate, 2.5 + share * 247.5, 1e-12);
        now = next;
    }
    // At the end there is nothing left.
    let (action, next) = schedule.propose(&at(1200, State::Unknown), now);
    assert_eq!((action, next), (Action::Hold, now));
    // Another end: 1/η from 2.5 to 25.
    let mut schedule = ConstantSpeed::new(1000).unwrap().end(0.1).unwrap();
    schedule.propose(&at(0, State::Unknown), rate(0.4));
    let (_, next) = schedule.propose(&at(500, State::Unknown), rate(0.4));
    near(1.0 / next.learning_rate, 13.75, 1e-12);
    // α = 2: 1/η² from 6.25 to 62500, from measured speeds ∝ 1/η².
    let mut schedule = ConstantSpeed::new(1000).unwrap();
    schedule.propose(&measured(0, 1.0), rate(0.4));
    let (_, next) = schedule.propose(&measured(500, 16.0), rate(0.1));
    let (from, to) = (100.0, 62_500.0);
    near(next.learning_rate.powi(-2), from + 0.5 * (to - from), 1e-9);
    // α = 0: half of the folds from 0.1 to 0.004.
    let mut schedule = ConstantSpeed::new(1000).unwrap();
    schedule.propose(&measured(0, 1.0), rate(0.4));
    let (_, next) = schedule.propose(&measured(500, 1.0), rate(0.1));
    near(next.learning_rate, (0.1_f64 * 0.004).sqrt(), 1e-12);
}

#[test]
fn overheating_halves_and_leaves_the_end_where_it_was() {
    let mut schedule = ConstantSpeed::new(1000).unwrap();
    schedule.propose(&at(0, State::Unknown), rate(0.4));
    assert_eq!(
        schedule.propose(&at(400, State::Overheating), rate(0.4)),
        (Action::BackOff, rate(0.2))
    );
    // 1/η from 5 to 250 over the 600 steps that are left.
    let (_, next) = schedule.propose(&at(550, State::Unknown), rate(0.2));
    near(1.0 / next.learning_rate, 5.0 + 0.25 * 245.0, 1e-12);
}

#[test]
fn cooling_from_equilibrium_waits_for_it_or_for_the_last_tenth() {
    let waiting = || ConstantSpeed::new(1000).unwrap().from_equilibrium();
    let mut schedule = waiting();
    for (step, state, action) in [
        (100, State::Unknown, Action::Hold),
        (200, State::Drifting, Action::HoldAndRestart),
        (899, State::Drifting, Action::HoldAndRestart),
        (899, State::Unknown, Action::Hold),
        // The last tenth: it begins, and what drifts afterwards does not stop it.
        (900, State::Drifting, Action::Hold),
        (950, State::Drifting, Action::Anneal),
    ] {
        let (found, _) = schedule.propose(&at(step, state), rate(0.4));
        assert_eq!(found, action, "{step}");
    }
    let mut schedule = waiting();
    schedule.propose(&at(100, State::Stationary), rate(0.4));
    let (action, _) = schedule.propose(&at(200, State::Drifting), rate(0.4));
    assert_eq!(action, Action::Anneal);
}

/// However late it begins, the run ends at a hundredth: 1/η is linear from 1/0.4 to 100/0.4.
#[test]
fn cooling_from_equilibrium_ends_cold_with_the_run() {
    for begins in [100, 500, 900] {
        let mut schedule = ConstantSpeed::new(1000).unwrap().from_equilibrium();
        let mut now = rate(0.4);
        for step in (0..=1000).step_by(50) {
            let state = if step < begins {
                State::Drifting
            } else {
                State::Stationary
            };
            now = schedule.propose(&at(step, state), now).1;
            let share = step.saturating_sub(begins) as f64 / (1000 - begins) as f64;
            near(1.0 / now.learning_rate, 2.5 * (1.0 + 99.0 * share), 1e-12);
        }
        // Past the end nothing moves.
        assert_eq!(
            schedule.propose(&at(1100, State::Stationary), now),
            (Action::Hold, now)
        );
    }
}

#[test]
fn configurations_end_where_they_are_said_to() {
    let speed = || ConstantSpeed::new(1).unwrap();
    assert_eq!(refused(ConstantSpeed::new(0)), ("horizon", 0.0));
    speed().end(1e-300).unwrap();
    speed().end(1.0 - 1e-16).unwrap();
    assert_eq!(refused(speed().end(0.0)).1, 0.0);
    assert_eq!(refused(speed().end(1.0)).1, 1.0);
    for factor in [0.01, 0.99] {
        EquilibriumTriggered::default().factor(factor).unwrap();
    }
    for factor in [0.0099, 0.991] {
        let found = EquilibriumTriggered::default().factor(factor);
        assert_eq!(refused(found), ("cooling factor", factor));
    }
    BatchGrowth::new(1).unwrap();
    assert_eq!(refused(BatchGrowth::new(0)), ("largest batch", 0.0));
}

/// A quarter of the rate: four times as long before the next.
#[test]
fn a_stage_lasts_as_much_longer_as_it_is_colder() {
    let mut schedule = EquilibriumTriggered::default().factor(0.25).unwrap();
    let mut ask = |step| schedule.propose(&at(step, State::Stationary), rate(0.4)).0;
    assert_eq!(ask(100), Action::Cool);
    assert_eq!(ask(499), Action::Hold);
    assert_eq!(ask(500), Action::Cool);
    assert_eq!(ask(2099), Action::Hold);
    assert_eq!(ask(2100), Action::Cool);
}

#[test]
fn a_batch_at_its_bound_leaves_the_rate_to_fall_in_longer_stages() {
    let mut schedule = BatchGrowth::new(100).unwrap();
    let mut ask = |step, batch| {
        let current = HyperParameters::new(0.4, batch);
        let (action, next) = schedule.propose(&at(step, State::Stationary), current);
        (action, next.batch_size, next.learning_rate)
    };
    assert_eq!(ask(100, 64), (Action::Cool, 100, 0.4));
    assert_eq!(ask(199, 100), (Action::Hold, 100, 0.4));
    assert_eq!(ask(200, 100), (Action::Cool, 100, 0.2));
    // Half the rate: twice as long.
    assert_eq!(ask(399, 100), (Action::Hold, 100, 0.4));
    assert_eq!(ask(400, 100), (Action::Cool, 100, 0.2));
}

fn ends_cold(mut schedule: impl Schedule) {
    let mut ask = |step, learning_rate| {
        let signals = at(step, State::Drifting);
        let (action, next) = schedule.propose(&signals, rate(learning_rate));
        assert_eq!(next.batch_size, 64);
        (action, next.learning_rate)
    };
    assert_eq!(ask(899, 0.4), (Action::HoldAndRestart, 0.4));
    // The share of the last tenth that is left, and a hundredth at least.
    for (step, share) in [
        (900, 1.0),
        (925, 0.75),
        (950, 0.5),
        (999, 0.01),
        (2000, 0.01),
    ] {
        let (action, found) = ask(step, 0.4);
        assert_eq!(action, Action::Anneal);
        near(found, 0.4 * share, 1e-12);
    }
    // Never back up.
    assert_eq!(ask(950, 0.1), (Action::Anneal, 0.1));
}

#[test]
fn the_last_tenth_is_linear_to_a_hundredth() {
    ends_cold(EquilibriumTriggered::default().horizon(1000));
    ends_cold(BatchGrowth::new(128).unwrap().horizon(1000));
}

#[test]
fn overheating_begins_a_new_first_stage() {
    let mut batch = BatchGrowth::new(64).unwrap();
    let mut ask = |step, state| batch.propose(&at(step, state), rate(0.4));
    assert_eq!(ask(100, State::Stationary), (Action::Cool, rate(0.2)));
    assert_eq!(ask(150, State::Overheating), (Action::BackOff, rate(0.2)));
    assert_eq!(ask(151, State::Stationary), (Action::Cool, rate(0.2)));
    // One step, and twice that.
    let mut steps = EquilibriumTriggered::default();
    let mut told = |step, state| steps.propose(&at(step, state), rate(0.4));
    assert_eq!(told(100, State::Stationary), (Action::Cool, rate(0.2)));
    assert_eq!(told(150, State::Overheating), (Action::BackOff, rate(0.2)));
    assert_eq!(told(151, State::Stationary), (Action::Cool, rate(0.2)));
    assert_eq!(told(152, State::Stationary), (Action::Hold, rate(0.4)));
    assert_eq!(told(153, State::Stationary), (Action::Cool, rate(0.2)));
    assert_eq!(ask(152, State::Stationary), (Action::Hold, rate(0.4)));
    assert_eq!(ask(153, State::Stationary), (Action::Cool, rate(0.2)));
}

#[test]
fn decay_has_no_advice_without_a_rate_that_acts() {
    let advice = |step: Step| decay_advice(&step, 1000).unwrap();
    let step = Step::new(0.0).weight_decay(1e-3);
    assert!(matches!(
        advice(step),
        Reading::Undefined(Reason::Missing(_))
    ));
    assert!(matches!(
        advice(step.learning_rate(0.0)),
        Reading::Undefined(Reason::DividesByZero(_))
    ));
    assert!(matches!(
        advice(step.learning_rate(1e-320)),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    // Undampened momentum speeds the step tenfold, and decoupled decay not at all: mp = ηλ.
    let decoupled = Step::new(0.0)
        .learning_rate(0.1)
        .momentum(0.9)
        .decoupled_weight_decay(1e-3);
    near(advice(decoupled).ready().unwrap().most, 1.0, 1e-12);
    let other = step
        .learning_rate(0.1)
        .protocol(Protocol::FixedEffectiveLearningRate);
    assert!(matches!(
        advice(other),
        Reading::Undefined(Reason::Optimizer(_))
    ));
}
