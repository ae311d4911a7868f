//! Systems with known answers, under any parameters.

use thermograd::systems::{
    Ar1, CurieWeissSampler, GasProtocol, HarmonicBath, HarmonicConfig, HarmonicCooling,
    IsotropicGasConfig, Landscape, LandscapeSgd, PSpin, PSpinSgd, Random, Region, SaddleToSaddle,
    Start, VonMisesFisher, circle_cycle, curie_weiss, curie_weiss_limit, heavy_ball_radius,
    ising_4x4, ising_energy, ising_magnetization, kramers_time, passage_time, regression_growth,
};
use thermograd::{Decay, Observer, Symmetry, slices};

use crate::check::{answer, made, sound};
use crate::observer::optimizer;
use crate::source::Source;

fn decay(source: &mut Source) -> Decay {
    source.pick(&[Decay::Coupled, Decay::Decoupled])
}

/// The gas and the harmonic bath, simulated, with what they say about themselves.
pub(crate) fn baths(source: &mut Source) {
    let protocol = match source.below(3) {
        0 => GasProtocol::FixedLearningRate {
            learning_rate: source.number(),
            weight_decay: source.number(),
        },
        1 => GasProtocol::FixedEffectiveLearningRate {
            effective_learning_rate: source.number(),
            weight_decay: source.number(),
        },
        _ => GasProtocol::FixedSphere {
            effective_learning_rate: source.number(),
        },
    };
    let mut config = IsotropicGasConfig::new(source.count(12), protocol).seed(source.bits());
    if source.chance(2) {
        config = config.noise(source.number()).radius(source.number());
    }
    if source.chance(2) {
        config = config.strength(source.number());
    }
    if source.chance(2) {
        config = config.momentum(source.share()).dampening(source.share());
    }
    config = config.decay(decay(source));
    sound(&config.second_moment());
    sound(&config.stationary_radius());
    sound(&config.temperature());
    sound(&config.compressibility_factor());
    sound(&config.rotation());
    sound(&config.overlap(u32::try_from(source.count(100)).unwrap_or(u32::MAX)));
    answer(config.relaxed_radius(source.number()));
    sound(&config.stationary_state());
    sound(&config.continuum_state());
    if let Ok(mut gas) = config.build() {
        for _ in 0..source.below(20) {
            if answer(gas.step()).is_none() {
                break;
            }
            if source.chance(4) {
                sound(gas.draw_second());
            }
            sound(gas.weights());
            sound(gas.gradient());
            sound(&(gas.radius(), gas.loss(), gas.same_batch_losses()));
            sound(&(gas.learning_rate(), gas.weight_decay(), gas.steps()));
            answer(gas.facts().check());
            if source.chance(32) {
                answer(gas.set_protocol(protocol));
            }
        }
    }
    harmonic(source);
}

fn harmonic(source: &mut Source) {
    let d = source.len(4);
    let square = |source: &mut Source| {
        let len = if source.chance(16) {
            source.below(9)
        } else {
            d * d
        };
        let mut matrix = source.numbers(len);
        if matrix.len() == d * d && !source.chance(16) {
            for i in 0..d {
                matrix[i * d + i] = matrix[i * d + i].abs() + 1.0;
                for j in 0..i {
                    matrix[i * d + j] = 0.1 * matrix[j * d + i];
                    matrix[j * d + i] = matrix[i * d + j];
                }
            }
        }
        matrix
    };
    let (hessian, noise) = (square(source), square(source));
    let mut config = HarmonicConfig::new(source.positive()).decay(decay(source));
    if source.chance(2) {
        config = config.momentum(source.share()).dampening(source.share());
    }
    if source.chance(4) {
        config = config.optimizer(optimizer(source));
    }
    if source.chance(2) {
        config = config.weight_decay(source.positive());
    }
    let Some(bath) = made(HarmonicBath::new(&hessian, &noise, config)) else {
        return;
    };
    sound(&(
        bath.noise_trace(),
        bath.temperature(),
        bath.spectral_radius(),
    ));
    if let Some(moments) = answer(bath.stationary()) {
        sound(&(
            moments.square_step(),
            moments.square_midpoint(),
            moments.energy(),
            moments.heat(),
        ));
        sound(&(
            moments.half_square_lag_sum(),
            moments.half_square_lag_difference(),
        ));
        sound(&(
            moments.midpoint_temperature(),
            moments.kinetic_temperature(),
            moments.virial_temperature(),
            moments.calorimetric_temperature(),
            moments.edge_ratio(),
            moments.weight_dot_gradient(),
        ));
        sound(&moments.area_rate((source.count(4), source.count(4))));
    }
    let sampler = match source.below(3) {
        0 => made(bath.sampler(&source.numbers(d), source.bits())),
        _ => made(bath.stationary_sampler(source.bits())),
    };
    if let Some(mut sampler) = sampler {
        for _ in 0..source.below(12) {
            if answer(sampler.step()).is_none() {
                break;
            }
            sampler.draw_second();
            sound(&(
                sampler.loss(),
                sampler.batch_loss(),
                sampler.previous_batch_loss(),
            ));
            sound(sampler.weights());
        }
        let mut groups = thermograd::Groups::new();
        let all = groups.add("all", Symmetry::Generic);
        let mut observer = Observer::new(groups).unwrap();
        answer(observer.observe(
            &sampler.facts(),
            &slices(all, sampler.weights(), sampler.gradient()),
        ));
    }
}

/// Magnets, spins, landscapes and other closed forms.
pub(crate) fn closed_forms(source: &mut Source) {
    let t = source.number();
    match source.below(12) {
        0 => {
            if let Some(levels) = answer(curie_weiss(source.count(60))) {
                answer(levels.averages(t));
                answer(levels.draw(t, source.below(5), &mut source.random()));
                sound(levels.as_slice());
            }
            answer(curie_weiss_limit(t));
        }
        1 => {
            if let Some(mut sampler) =
                made(CurieWeissSampler::new(source.count(20), t, source.bits()))
            {
                for _ in 0..5 {
                    sampler.step();
                    sound(&(sampler.magnetization(), sampler.energy()));
                }
            }
        }
        2 => {
            answer(ising_4x4().averages(t));
            answer(ising_energy(t));
            answer(ising_magnetization(t));
        }
        3 => {
            answer(heavy_ball_radius(t, source.share()));
            answer(regression_growth(t, source.count(90)));
            answer(circle_cycle(t));
            answer(passage_time(t));
            answer(kramers_time(t));
        }
        4 | 5 => landscapes(source, t),
        6 | 7 => spins(source, t),
        8 => {
            if let Some(system) = made(SaddleToSaddle::new(t, source.number())) {
                answer(system.product(source.number()));
                answer(system.loss(source.number()));
                sound(&system.half_time());
                if let Some(mut descent) = made(system.descent(source.number())) {
                    for _ in 0..5 {
                        descent.step();
                        sound(&descent.loss());
                        sound(descent.weights());
                    }
                }
            }
        }
        9 => {
            if let Some(cooling) = made(HarmonicCooling::new(t, source.number())) {
                sound(&(cooling.lag(), cooling.entropy_production()));
                sound(&(cooling.dissipation_bound(), cooling.discrete_lag()));
            }
        }
        10 => series(source),
        _ => vectors(source),
    }
}

fn landscapes(source: &mut Source, t: f64) {
    let landscape = source.pick(&[Landscape::Quartic, Landscape::DoubleWell]);
    answer(landscape.moments(t));
    if let Some(mut run) = made(LandscapeSgd::new(
        landscape,
        t,
        source.number(),
        source.bits(),
    )) {
        for _ in 0..source.below(30) {
            run.step();
            sound(&run.loss());
            sound(run.weights());
        }
    }
}

fn spins(source: &mut Source, t: f64) {
    let power = u32::try_from(source.count(7)).unwrap_or(u32::MAX);
    let Some(system) = made(PSpin::new(power, source.count(40))) else {
        return;
    };
    let system = if source.chance(2) {
        Some(system)
    } else {
        made(system.coupling(source.number()))
    };
    let Some(system) = system else { return };
    sound(&system.condensed_overlap(t));
    sound(&system.barrier_overlap(t));
    sound(&system.free_energy_density(source.share(), t));
    sound(&system.transition());
    let region = match source.below(3) {
        0 => Region::Everything,
        1 => Region::Below(source.share()),
        _ => Region::Above(source.share()),
    };
    answer(system.averages(t, region));
    let start = source.pick(&[Start::Gas, Start::Condensed]);
    if let Some(mut run) = made(PSpinSgd::new(
        system,
        t,
        source.number(),
        start,
        source.bits(),
    )) {
        for _ in 0..source.below(10) {
            run.step();
            sound(&(run.overlap(), run.loss()));
        }
        answer(run.set_temperature(source.number()));
        run.step();
        sound(run.weights());
    }
}

fn series(source: &mut Source) {
    let system = made(Ar1::new(source.number()));
    let system = match source.below(3) {
        0 => system.and_then(|system| made(system.with_variance(source.number()))),
        1 => system.and_then(|system| made(system.with_mean(source.number()))),
        _ => system,
    };
    if let Some(system) = system {
        sound(&(system.rho(), system.variance(), system.mean()));
        sound(&system.autocorrelation(u32::try_from(source.count(9)).unwrap_or(u32::MAX)));
        sound(&(
            system.statistical_inefficiency(),
            system.integrated_autocorrelation_time(),
        ));
        answer(system.variance_of_mean(source.long_count(99)));
        sound(&system.series(source.bits()).take(20).collect::<Vec<_>>());
    }
}

fn vectors(source: &mut Source) {
    let dim = source.count(50);
    let system = if source.chance(2) {
        made(VonMisesFisher::new(dim, source.number()))
    } else {
        made(VonMisesFisher::at_temperature(dim, source.number()))
    };
    let Some(system) = system else { return };
    sound(&(
        system.kappa(),
        system.mean_resultant_length(),
        system.energy(),
        system.ln_normalizer(),
    ));
    sound(&(
        system.entropy(),
        system.reduced_free_energy(),
        system.heat_capacity(),
    ));
    sound(&(
        system.low_temperature_energy(),
        system.low_temperature_entropy(),
    ));
    let mut random: Random = source.random();
    sound(&system.sample_loss(&mut random));
    let len = source.len(60);
    let mean = source.numbers(len);
    let mut out = vec![
        0.0;
        if source.chance(8) {
            source.below(60)
        } else {
            len
        }
    ];
    if answer(system.sample(&mut random, &mean, &mut out)).is_some() {
        sound(&out);
    }
    if dim < 100 && dim > 0 {
        let mut mean = vec![0.0; dim];
        mean[0] = 1.0;
        let mut out = vec![0.0; dim];
        answer(system.sample(&mut random, &mean, &mut out));
        sound(&out);
    }
}
