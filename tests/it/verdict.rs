//! The observer's verdict and forecast, on a real network and on systems that are known.

use std::num::NonZeroU64;

use thermograd::equilibrium::{Direction, Verdict, VerdictConfig};
use thermograd::systems::{GasProtocol, IsotropicGasConfig};
use thermograd::{
    Cadence, Config, Error, GroupId, Groups, Observed, Observer, Piece, Symmetry, Window, from_fn,
    slices,
};

use crate::digits::common::{
    data::Digits,
    training::{Config as TrainingConfig, Training},
};

fn judge(observer: &Observer) -> Verdict {
    observer.verdict(&VerdictConfig::default()).unwrap()
}

/// A run of the digits network: verdict in the transient, forecast beside the fact, and, where the
/// run is long enough for one, the verdict after it.
fn digits(seed: u64, steps: usize) {
    let digits = Digits::load(0).unwrap();
    let config = TrainingConfig {
        seed,
        ..TrainingConfig::default()
    };
    let mut training = Training::new(&config, &digits);
    let mut groups = Groups::new();
    let symmetry = Symmetry::ScaleInvariantBy(training.network.scales());
    let hidden = groups.add("hidden", symmetry);
    let options = Config::every_step().window(Window::Growing);
    let mut observer = Observer::with_config(groups.clone(), options).unwrap();
    // Short windows for the transient: one that holds the whole of it averages its rise and fall.
    let length = NonZeroU64::new(250).unwrap();
    let options = Config::every_step().window(Window::Tumbling(length));
    let mut short = Observer::with_config(groups, options).unwrap();
    let mut norms: Vec<f64> = Vec::new();
    let mut forecasts: Vec<Option<f64>> = Vec::new();
    let mut windows = Vec::new();
    for step in 0..steps {
        let loss = training.gradient();
        training.second_gradient();
        let state = training.state();
        let facts = thermograd::Step::new(loss)
            .learning_rate(config.learning_rate)
            .weight_decay(config.weight_decay);
        let snapshot =
            slices(hidden, state.weights, state.gradient).second_gradient(state.second_gradient);
        observer.observe(&facts, &snapshot).unwrap();
        if step < 2000 && short.observe(&facts, &snapshot).unwrap() == Observed::WindowComplete {
            windows.push((step, judge(&short)));
        }
        norms.push(state.weights.iter().map(|w| w * w).sum::<f64>().powi(2));
        if step < 2000 {
            let settling = observer.settling(Some(hidden)).unwrap();
            forecasts.push(settling.ready().map(|settling| settling.remaining_steps));
        }
        if step == 3000 {
            observer.start_window();
        }
        training.update();
    }
    if steps > 50_000 {
        let late = judge(&observer);
        assert!(
            matches!(late, Verdict::Equilibrium { .. }),
            "seed {seed}, after the transient: {late}"
        );
    }
    // The norm has settled when r⁴ first comes within 5 % of what it then keeps about.
    let settled = norms[2000..].iter().sum::<f64>() / (norms.len() - 2000) as f64;
    let transient = norms
        .iter()
        .enumerate()
        .skip(50)
        .find(|(_, r4)| (*r4 / settled - 1.0).abs() < 0.05)
        .map(|(step, _)| step)
        .unwrap();
    assert!((300..2000).contains(&transient), "{transient}");
    for (step, verdict) in windows {
        let falling = matches!(
            verdict,
            Verdict::OutOfEquilibrium {
                direction: Direction::Falling,
                ..
            }
        );
        // The first window averages the rise of the first steps with the fall after it.
        if step > 250 && step < transient * 3 / 4 {
            assert!(
                falling,
                "seed {seed}, step {step} of {transient}: {verdict}"
            );
        }
        assert!(
            !(falling && step > 2 * transient),
            "seed {seed}, step {step} of {transient}: {verdict}"
        );
    }
    let at = transient / 5;
    let forecast = forecasts[at].unwrap();
    let fact = (transient - at) as f64;
    assert!(
        (0.5..2.0).contains(&(forecast / fact)),
        "seed {seed}: forecast {forecast} at step {at}, in fact {fact}"
    );
}

#[test]
fn the_digits_network_settles_as_forecast() {
    digits(0, 6000);
}

#[test]
#[ignore = "whole trainings: a minute"]
fn the_digits_network_is_in_equilibrium_once_it_has_settled() {
    for seed in 0..3 {
        digits(seed, 63_000);
    }
}

/// Two gases side by side, the second at `ratio` times the temperature of the first.
fn gases(ratio: f64, seed: u64) -> Result<Verdict, Error> {
    let gas = |effective: f64, seed: u64| {
        let held = GasProtocol::FixedEffectiveLearningRate {
            effective_learning_rate: effective,
            weight_decay: 1.0,
        };
        let config = IsotropicGasConfig::new(40, held).seed(seed);
        let radius = *config.stationary_radius().ready().unwrap();
        config.radius(radius).build()
    };
    let mut pair = [gas(0.05, seed)?, gas(0.05 * ratio, !seed)?];
    let mut groups = Groups::new();
    let ids: Vec<GroupId> = ["cold", "hot"]
        .map(|name| groups.add(name, Symmetry::ScaleInvariant))
        .to_vec();
    let mut observer = Observer::with_config(groups, Config::every_step().window(Window::Growing))?;
    for _ in 0..4000 {
        for gas in &mut pair {
            gas.draw_second();
        }
        // Each gas has a learning rate of its own; the temperatures compared are those at the
        // step's, so the hotter gas is given by larger gradients at one rate.
        let facts = pair[0].facts();
        let scale = (pair[1].learning_rate() / pair[0].learning_rate()).sqrt();
        let larger = |g: &[f64]| g.iter().map(|g| g * scale).collect::<Vec<f64>>();
        let (g, g2) = (
            larger(pair[1].gradient()),
            larger(pair[1].second_gradient().unwrap()),
        );
        let visit = from_fn(|out| {
            let cold = Piece::new(pair[0].weights(), pair[0].gradient());
            out.piece(
                ids[0],
                &cold.second_gradient(pair[0].second_gradient().unwrap()),
            )?;
            let hot = Piece::new(pair[1].weights(), &g);
            out.piece(ids[1], &hot.second_gradient(&g2))
        });
        observer.observe(&facts, &visit)?;
        for gas in &mut pair {
            gas.step()?;
        }
    }
    observer.verdict(&VerdictConfig::default())
}

#[test]
fn unequal_temperatures_are_steady_and_not_thermal() {
    let alarms = |ratio: f64| {
        (0..20)
            .filter(|&seed| gases(ratio, seed).unwrap().is_alarm())
            .count()
    };
    assert!(alarms(1.0) <= 3, "equal temperatures");
    let hot = gases(2.0, 3).unwrap();
    assert!(matches!(hot, Verdict::SteadyNotThermal { .. }), "{hot}");
    assert!(alarms(2.0) >= 19, "one gas twice as hot");
}

#[test]
fn few_steps_say_nothing_and_numbers_are_in_steps() {
    let mut groups = Groups::new();
    let group = groups.add("a", Symmetry::ScaleInvariant);
    let config = Config::default()
        .cadence(Cadence::bursts(1, 10).unwrap())
        .window(Window::Tumbling(NonZeroU64::MAX));
    let mut observer = Observer::with_config(groups, config).unwrap();
    let mut random = thermograd::systems::Random::new(1);
    let short = judge(&observer);
    assert!(matches!(short, Verdict::InsufficientData { .. }), "{short}");
    let mut run = |observer: &mut Observer, steps: u32, slope: f64| {
        for step in 0..steps {
            let loss = 1.0 + 0.01 * random.normal() + slope * f64::from(step);
            let facts = thermograd::Step::new(loss);
            let w = [1.0, 0.01 * random.normal()];
            observer
                .observe(&facts, &slices(group, &w, &[0.0, 1.0]))
                .unwrap();
        }
    };
    run(&mut observer, 20_000, 1e-5);
    match judge(&observer) {
        Verdict::OutOfEquilibrium {
            observable, rate, ..
        } => {
            assert_eq!(observable, "loss");
            let z = rate.z_score(1e-5).unwrap();
            assert!(z.abs() < 4.0, "{rate} a step");
        }
        other => panic!("{other}"),
    }
}
