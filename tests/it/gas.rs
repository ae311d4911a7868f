//! The equation of state: the isotropic gas in every protocol, its symmetries, its relaxation.

use proptest::prelude::*;
use thermograd::pressure::{self, Bath};
use thermograd::systems::{GasProtocol as Held, IsotropicGas, IsotropicGasConfig, Random};
use thermograd::{
    CATALOGUE, Config, Ensemble, Error, Estimate, GroupId, Groups, Moment, Observer, Piece,
    Protocol, Reading, Step, Sums, Symmetry, Window, from_fn, temperature,
};

fn observer(groups: Groups) -> Observer {
    Observer::with_config(groups, Config::every_step().window(Window::Growing)).unwrap()
}

fn one_group(symmetry: Symmetry) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("gas", symmetry);
    (observer(groups), group)
}

/// Runs a gas from near its stationary radius and watches it.
fn watch(gas: &mut IsotropicGas, facts: Step, burn_in: usize, steps: usize) -> (Observer, GroupId) {
    let (mut observer, group) = one_group(Symmetry::ScaleInvariant);
    for step in 0..burn_in + steps {
        if step >= burn_in {
            gas.draw_second();
            let facts = facts.learning_rate(gas.learning_rate());
            let visit = from_fn(|out| {
                let piece = Piece::new(gas.weights(), gas.gradient())
                    .second_gradient(gas.second_gradient().unwrap_or_default());
                out.piece(group, &piece)
            });
            observer.observe(&facts, &visit).unwrap();
        }
        gas.step().unwrap();
    }
    (observer, group)
}

fn ready(observer: &Observer, group: GroupId, metric: &str) -> Estimate {
    match observer.read(group, metric).unwrap() {
        Reading::Ready(estimate) => estimate,
        other => panic!("{metric}: {other}"),
    }
}

#[track_caller]
fn assert_agrees(what: &str, estimate: Estimate, truth: f64, resolution: f64) {
    let z = (estimate.value - truth) / estimate.std_error.max(1e-12 * truth.abs());
    assert!(z.abs() < 4.5, "{what}: {estimate} against {truth}, z = {z}");
    assert!(
        estimate.std_error < resolution * truth.abs(),
        "{what}: {estimate} cannot test {truth}"
    );
}

const DIM: usize = 400;

#[test]
fn the_ideal_gas_at_a_fixed_learning_rate() {
    for (rate, decay, momentum) in [(0.5, 0.02, 0.0), (0.5, 0.2, 0.0), (0.05, 0.2, 0.9)] {
        let held = Held::FixedLearningRate {
            learning_rate: rate,
            weight_decay: decay,
        };
        let config = IsotropicGasConfig::new(DIM, held)
            .momentum(momentum)
            .seed(1);
        let start = config.stationary_radius();
        let radius = *start.ready().unwrap();
        let mut gas = config.radius(radius).build().unwrap();
        let facts = Step::new(1.0).weight_decay(decay).momentum(momentum);
        let (observer, group) = watch(&mut gas, facts, 500, 20_000);
        let x = rate * decay;
        let read = |metric| ready(&observer, group, metric);
        let z = pressure::gas_z(&facts.learning_rate(rate)).unwrap();
        assert!((z - 1.0 / (1.0 - x / (2.0 * (1.0 + momentum)))).abs() < 1e-15);
        assert_agrees("Z", read("z"), z, 0.01);
        assert_agrees("balance", read("real_gas_balance"), 1.0, 0.01);
        // The closed form leaves out the fluctuation of the radius, of relative size x/d.
        let turn = read("rotation");
        let exact = x / (1.0 + momentum);
        let room = 4.5 * turn.std_error + 2.0 * exact * x / (DIM as f64 * (1.0 - momentum));
        assert!((turn.value - exact).abs() < room, "{turn} {exact}");
        if momentum == 0.0 {
            assert_agrees("Z_d", read("z_d"), 1.0, 0.01);
            let p = read("pressure_mechanical");
            let room = 4.5 * p.std_error + 2.0 * decay * x / DIM as f64;
            assert!((p.value - decay / z).abs() < room, "{p} {}", decay / z);
        }
        // The closed form for the radius holds to the relative fluctuation of r², of order ηλ/d.
        let closure = 1.0 + x / DIM as f64 / (1.0 - momentum);
        let r = read("radius").value;
        let predicted = read("radius_predicted").value;
        assert!(
            (r / predicted - 1.0).abs() < 0.01 * closure,
            "{r} {predicted}"
        );
        assert!((r / radius - 1.0).abs() < 0.02, "{r} {radius}");
        assert!(read("virial_ratio").value < 1e-14);
        // Before the run, from hyper-parameters alone.
        let bath = Bath::new(DIM - 1, (DIM - 1) as f64).unwrap();
        let forecast = bath.forecast(&facts.learning_rate(rate), None).unwrap();
        let forecast = forecast.ready().unwrap();
        assert!((forecast.radius / radius - 1.0).abs() < 1e-9, "one formula");
        let t = read("temperature_noise");
        assert!((forecast.temperature / t.value - 1.0).abs() < 0.02, "{t}");
        assert!((forecast.relaxation_steps - (1.0 - momentum) / (4.0 * x)).abs() < 1e-6);
    }
}

#[test]
fn the_ideal_gas_at_a_fixed_effective_rate_and_on_the_sphere() {
    let (effective, decay) = (0.01, 0.05);
    let held = Held::FixedEffectiveLearningRate {
        effective_learning_rate: effective,
        weight_decay: decay,
    };
    let config = IsotropicGasConfig::new(DIM, held).seed(2);
    let radius = *config.stationary_radius().ready().unwrap();
    let mut gas = config.radius(radius).build().unwrap();
    let protocol = Protocol::FixedEffectiveLearningRate;
    let facts = Step::new(1.0).weight_decay(decay).protocol(protocol);
    let (observer, group) = watch(&mut gas, facts, 2000, 20_000);
    let t = ready(&observer, group, "temperature_noise");
    assert_agrees("T", t, effective / 2.0, 0.01);
    let r = ready(&observer, group, "radius").value;
    let predicted = ready(&observer, group, "radius_predicted").value;
    assert!((r / predicted - 1.0).abs() < 0.01 && (r / radius - 1.0).abs() < 0.01);
    let bath = Bath::new(DIM - 1, (DIM - 1) as f64).unwrap();
    let forecast = bath
        .forecast(&facts.learning_rate(effective), None)
        .unwrap();
    let forecast = forecast.ready().unwrap();
    assert!((forecast.radius / radius - 1.0).abs() < 1e-9);
    assert!((forecast.temperature - effective / 2.0).abs() < 1e-15);

    let held = Held::FixedSphere {
        effective_learning_rate: effective,
    };
    let sphere = 3.0;
    let mut gas = IsotropicGasConfig::new(DIM, held)
        .radius(sphere)
        .seed(3)
        .build()
        .unwrap();
    let facts = Step::new(1.0).protocol(Protocol::FixedSphere);
    let (observer, group) = watch(&mut gas, facts, 0, 20_000);
    let t = ready(&observer, group, "temperature_noise").value;
    let volume = sphere * sphere / 2.0;
    // p V = R T with R = (d − 1)/2, in all three forms to their own order.
    let p = ready(&observer, group, "pressure_mechanical");
    let exact = (DIM - 1) as f64 / 2.0 * (effective / 2.0) / volume;
    assert_agrees("p_mech", p, exact, 0.01);
    assert!((p.value * volume / ((DIM - 1) as f64 / 2.0 * t) - 1.0).abs() < 0.01);
    let e = observer.ensemble(Some(group)).unwrap();
    let published = pressure::mechanical_published(&e).unwrap();
    let full = pressure::mechanical_exact(&e).unwrap();
    let angle2 = effective * effective * (DIM - 1) as f64;
    assert!((published / p.value - (1.0 - angle2 / 4.0)).abs() < angle2 * angle2);
    assert!((full / p.value - (1.0 + angle2 / 4.0)).abs() < angle2 * angle2);
    assert!(matches!(
        observer.read(group, "radius_predicted").unwrap(),
        Reading::Undefined(_)
    ));
    let step = facts.learning_rate(effective * sphere * sphere);
    let forecast = bath.forecast(&step, Some(sphere)).unwrap();
    let forecast = forecast.ready().unwrap();
    assert!((forecast.pressure / exact - 1.0).abs() < 1e-12);
    assert!((forecast.relaxation_steps - 2.0 / angle2.ln_1p()).abs() < 1e-6);
}

/// r⁴ relaxes by e^(−4ηλt): the radius along a run, against the exact step map and the law.
#[test]
fn the_norm_relaxes_as_forecast() {
    let (rate, decay) = (0.1, 0.01);
    let held = Held::FixedLearningRate {
        learning_rate: rate,
        weight_decay: decay,
    };
    let config = IsotropicGasConfig::new(4000, held).seed(5);
    let target = config.stationary_radius().ready().unwrap().powi(4);
    let start = 0.3 * target.powf(0.25);
    let mut gas = config.radius(start).build().unwrap();
    let (mut observer, group) = one_group(Symmetry::ScaleInvariant);
    let facts = Step::new(1.0).learning_rate(rate).weight_decay(decay);
    for step in 1..=600 {
        let snapshot = thermograd::slices(group, gas.weights(), gas.gradient());
        observer.observe(&facts, &snapshot).unwrap();
        gas.step().unwrap();
        if step % 100 == 0 {
            let elapsed = observer.relaxations(Some(group)).unwrap();
            assert!((elapsed - 4.0 * rate * decay * f64::from(step)).abs() < 1e-9);
            let law = target + (start.powi(4) - target) * (-elapsed).exp();
            let r4 = gas.radius().powi(4);
            assert!((r4 / law - 1.0).abs() < 0.02, "step {step}: {r4} {law}");
        }
    }
}

/// Everything an observer reads of a random walk with gradients, by metric name.
fn readings(scale: f64, seed: u64) -> Vec<(&'static str, Option<f64>)> {
    // Gauge: w → c w, g → g/c, η → c² η, λ → λ/c² leave the motion on the sphere as it is.
    let c = scale;
    let (rate, decay) = (0.1 * c * c, 0.02 / (c * c));
    let mut random = Random::new(seed);
    let dim = 60;
    let mut w: Vec<f64> = (0..dim).map(|_| c * random.normal()).collect();
    let (mut observer, group) = one_group(Symmetry::ScaleInvariant);
    for _ in 0..300 {
        let mut tangent = || {
            let mut g: Vec<f64> = (0..dim).map(|_| random.normal() / c).collect();
            let r2: f64 = w.iter().map(|w| w * w).sum();
            let along = w.iter().zip(&g).map(|(w, g)| w * g).sum::<f64>() / r2;
            for (g, w) in g.iter_mut().zip(&w) {
                *g -= along * w;
            }
            g
        };
        let (g, g2) = (tangent(), tangent());
        let facts = Step::new(0.5).learning_rate(rate).weight_decay(decay);
        let snapshot = thermograd::slices(group, &w, &g).second_gradient(&g2);
        observer.observe(&facts, &snapshot).unwrap();
        for (w, g) in w.iter_mut().zip(&g) {
            *w -= rate * (g + decay * *w);
        }
    }
    let ensemble = observer.ensemble(Some(group)).unwrap();
    CATALOGUE
        .iter()
        .map(|metric| (metric.name(), metric.value(&ensemble)))
        .collect()
}

proptest! {
    /// The gauge symmetry of a scale-invariant group, on the same trajectory, to rounding.
    #[test]
    fn gauge_symmetry(seed in any::<u64>(), c in 0.2..5.0) {
        for ((name, a), (_, b)) in readings(1.0, seed).into_iter().zip(readings(c, seed)) {
            let (Some(a), Some(b)) = (a, b) else {
                prop_assert_eq!(a.is_some(), b.is_some(), "{}", name);
                continue;
            };
            let factor = match name {
                "volume" => c * c,
                "radius" | "radius_predicted" | "radius_balance" => c,
                "pressure" | "pressure_mechanical" => 1.0 / (c * c),
                // Rounding, not a quantity.
                "virial_ratio" | "z_virial" => continue,
                _ => 1.0,
            };
            // The kinetic and virial heats cancel some digits.
            prop_assert!((b - factor * a).abs() <= 1e-8 * (factor * a).abs().max(1e-6), "{name}: {a} {b}");
        }
    }

    /// Ensembles merge in any grouping and order; the empty one is neutral.
    #[test]
    fn ensembles_merge(seed in any::<u64>(), lengths in prop::array::uniform3(1_usize..20)) {
        let mut random = Random::new(seed);
        let parts: Vec<Ensemble> = lengths
            .iter()
            .map(|&steps| {
                let mut e = Ensemble::default();
                for _ in 0..steps {
                    let mut draw = || -> Vec<f64> { (0..5).map(|_| random.normal()).collect() };
                    let (w, g) = (draw(), draw());
                    let sums = Sums::of(&w, &g).unwrap();
                    let step = Step::new(w[0]).learning_rate(0.1).weight_decay(g[0].abs());
                    e.push(&step, None, &sums, Symmetry::Generic);
                }
                e
            })
            .collect();
        let merge = |order: &[usize]| order.iter().fold(Ensemble::default(), |mut sum, &i| {
            sum.merge(&parts[i]);
            sum
        });
        let left = merge(&[0, 1, 2]);
        let mut tail = parts[1];
        tail.merge(&parts[2]);
        let mut right = parts[0];
        right.merge(&tail);
        for other in [right, merge(&[2, 0, 1])] {
            for (a, b) in left.to_array().iter().zip(other.to_array()) {
                prop_assert!((a - b).abs() <= 1e-12 * a.abs().max(1.0));
            }
        }
        prop_assert_eq!(merge(&[0]), parts[0]);
        prop_assert_eq!(Ensemble::from_array(&left.to_array()), left);
    }

    /// Extensive quantities add over groups, and temperature is their average by degrees of
    /// freedom.
    #[test]
    fn groups_add_up(seed in any::<u64>(), sizes in prop::array::uniform3(3_usize..80)) {
        let mut random = Random::new(seed);
        let mut groups = Groups::new();
        let ids: Vec<GroupId> = (0..3)
            .map(|i| groups.add(format!("layer {i}"), Symmetry::ScaleInvariantBy(i)))
            .collect();
        let mut observer = observer(groups);
        let total: usize = sizes.iter().sum();
        let mut w: Vec<f64> = (0..total).map(|_| random.normal()).collect();
        for _ in 0..20 {
            let mut draw = || -> Vec<f64> { (0..total).map(|_| random.normal()).collect() };
            let (g, g2) = (draw(), draw());
            let visit = from_fn(|out| {
                let mut at = 0;
                for (&id, &size) in ids.iter().zip(&sizes) {
                    let range = at..at + size;
                    let piece = Piece::new(&w[range.clone()], &g[range.clone()])
                        .second_gradient(&g2[range]);
                    out.piece(id, &piece)?;
                    at += size;
                }
                Ok::<(), Error>(())
            });
            let facts = Step::new(0.5).learning_rate(0.1).weight_decay(0.02);
            observer.observe(&facts, &visit).unwrap();
            for (w, g) in w.iter_mut().zip(&g) {
                *w -= 0.1 * (g + 0.02 * *w);
            }
        }
        let parts: Vec<Ensemble> = ids.iter().map(|&id| observer.ensemble(Some(id)).unwrap()).collect();
        let whole = observer.ensemble(None).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-10 * a.abs().max(b.abs()).max(1e-9);
        for moment in [
            Moment::Dof,
            Moment::NormSquared,
            Moment::NoiseHeat,
            Moment::KineticHeat,
            Moment::MidpointHeat,
            Moment::CentredVirial,
            Moment::SignalSquared,
        ] {
            let sum: f64 = parts.iter().map(|e| e.mean(moment).unwrap()).sum();
            prop_assert!(close(whole.mean(moment).unwrap(), sum), "{moment:?}");
        }
        let (heat, dof) = parts.iter().fold((0.0, 0.0), |(heat, dof), e| {
            let d = e.mean(Moment::Dof).unwrap();
            (heat + d * temperature::noise(e).unwrap(), dof + d)
        });
        prop_assert!(close(temperature::noise(&whole).unwrap(), heat / dof));
    }
}

/// What halving the batch or doubling the decay does, told before training.
#[test]
fn forecasts_say_what_a_change_would_do() {
    let bath = Bath::new(1000, 1000.0).unwrap();
    let step = Step::new(0.0).learning_rate(0.1).weight_decay(1e-3);
    let read = |bath: Bath, step: Step| match bath.forecast(&step, None).unwrap() {
        Reading::Ready(forecast) => forecast,
        other => panic!("{other:?}"),
    };
    let now = read(bath, step);
    let decayed = read(bath, step.weight_decay(2e-3));
    // Twice the decay: T grows by √2, V falls by √2, the norm settles twice as fast.
    assert!((decayed.temperature / now.temperature - 2f64.sqrt()).abs() < 1e-3);
    assert!((decayed.volume / now.volume - 0.5f64.sqrt()).abs() < 1e-3);
    assert!((decayed.relaxation_steps / now.relaxation_steps - 0.5).abs() < 1e-12);
    // pV = RT, before a single step is run.
    for forecast in [now, decayed] {
        let z = forecast.pressure * forecast.volume / (500.0 * forecast.temperature);
        assert!((z - 1.0).abs() < 1e-3, "{z}");
    }
    // Decoupled decay under momentum presses with (1 − μ)λ.
    let heavy = read(bath, step.decoupled_weight_decay(1e-3).momentum(0.9));
    assert!((heavy.pressure - 1e-4).abs() < 1e-18);
    for (bad, why) in [
        (Step::new(0.0).weight_decay(1e-3), "learning rate"),
        (Step::new(0.0).learning_rate(0.1), "weight decay"),
        (step.weight_decay(0.0), "weight decay"),
        (step.learning_rate(0.0), "learning rate"),
        (step.learning_rate(1e4), "too large"),
        (step.protocol(Protocol::FixedSphere), "radius"),
    ] {
        match bath.forecast(&bad, None).unwrap() {
            Reading::Undefined(reason) => {
                assert!(reason.to_string().contains(why), "{reason} {why}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(bath.forecast(&step, Some(-1.0)).is_err());
    assert!(bath.forecast(&step.momentum(2.0), None).is_err());
    assert!(Bath::new(0, 1.0).is_err() && Bath::new(1, f64::NAN).is_err());
    assert!(bath.scale_batch(0.0).is_err());
}
