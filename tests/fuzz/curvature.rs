//! Curvature and flatness with closures that may answer anything, or fail.

use thermograd::curvature::{
    CentralDifference, Coordinates, DensityConfig, Dynamics, LanczosConfig, Probe, Trace,
    TraceConfig, edge_of_stability, edge_ratio, extremes, frobenius_squared, gradient,
    gradient_f32, hessian_vector, loss, loss_f32, sharpness, spectral_density, trace, traces,
};
use thermograd::flatness::{
    Basin, Integrator, LearningCoefficientConfig, LocalEntropyConfig, Noise, ReducedRank,
    ResilienceConfig, StepSize, learning_coefficient, local_entropy,
    localised_learning_coefficient, normal_crossing, reduced_rank, resilience, thermal_scale,
    unit_square_crossing,
};
use thermograd::systems::Random;

use crate::check::{answer, made, sound};
use crate::source::Source;

/// What a user's closure does.
#[derive(Clone)]
struct Closure {
    curvatures: Vec<f64>,
    offset: f64,
    /// At which evaluation it misbehaves, and how.
    misbehaves: u64,
    how: usize,
    calls: u64,
    random: Random,
}

impl Closure {
    fn draw(source: &mut Source, len: usize) -> Self {
        Self {
            curvatures: source.numbers(len),
            offset: if source.chance(2) {
                0.0
            } else {
                source.number()
            },
            misbehaves: if source.chance(3) {
                source.below(30) as u64
            } else {
                u64::MAX
            },
            how: source.below(6),
            calls: 0,
            random: source.random(),
        }
    }

    fn evaluate(&mut self, w: &[f64], g: &mut [f64]) -> Result<f64, String> {
        self.calls += 1;
        let mut value = self.offset;
        for ((g, &w), &k) in g.iter_mut().zip(w).zip(self.curvatures.iter().cycle()) {
            *g = k * w;
            value += 0.5 * k * w * w;
        }
        if self.calls > self.misbehaves {
            match self.how {
                0 => return Err("out of memory".to_owned()),
                1 => value = f64::NAN,
                2 => g.fill(f64::INFINITY),
                3 => g.fill(1e300),
                4 => value = self.random.normal() * 1e9,
                _ => g.fill(0.0),
            }
        }
        Ok(value)
    }

    fn product(&mut self, v: &[f64], out: &mut [f64]) -> Result<(), String> {
        self.evaluate(v, out).map(|_| ())
    }
}

fn ranges(source: &mut Source, len: usize) -> Option<Coordinates> {
    match source.below(3) {
        0 => {
            let from = source.count(9);
            answer(Coordinates::range(from..source.count(9)))
        }
        1 => {
            let ends: Vec<usize> = (0..4).map(|_| source.count(9)).collect();
            answer(Coordinates::ranges([ends[0]..ends[1], ends[2]..ends[3]]))
        }
        _ => answer(Coordinates::mask(
            &(0..len).map(|_| source.chance(2)).collect::<Vec<_>>(),
        )),
    }
}

fn trace_config(source: &mut Source) -> TraceConfig {
    let mut config = TraceConfig::default()
        .probe(source.pick(&[Probe::Rademacher, Probe::Gaussian]))
        .least_probes(source.below(5))
        .most_probes(source.below(20))
        .seed(source.bits());
    if source.chance(3) {
        config = config.sketch(source.count(5));
    }
    if source.chance(4) {
        config = config.relative_error(source.number());
    }
    if source.chance(4) {
        config = config.absolute_error(source.number());
    }
    config
}

/// Traces, spectra and sharpness of a Hessian that is any closure.
pub(crate) fn spectra(source: &mut Source) {
    let len = source.len(12);
    let dimension = if source.chance(64) {
        source.count(12)
    } else {
        len
    };
    let mut closure = Closure::draw(source, len);
    let weights = source.numbers(len);
    let config = trace_config(source);
    let direction = source.numbers(len);
    let group = ranges(source, len);
    let density = DensityConfig::default()
        .probe(Probe::Gaussian)
        .probes(source.below(4))
        .steps(source.count(8))
        .seed(source.bits());
    let lanczos = LanczosConfig::default()
        .largest(source.count(3))
        .smallest(source.count(3))
        .tolerance(source.share())
        .steps(source.count(20))
        .seed(source.bits());
    let rates = Dynamics::learning_rate(source.number()).momentum(source.share());
    answer(rates.critical_curvature());
    let mut found: Option<Trace> = None;
    let mut work = |source: &mut Source, hessian: &mut dyn thermograd::curvature::HessianVector| {
        found = answer(trace(hessian, &config));
        if let Some(found) = &found {
            sound(&found.mean_curvature());
        }
        answer(frobenius_squared(hessian, &config));
        let groups: Vec<Coordinates> = group.iter().cloned().collect();
        answer(traces(hessian, &groups, &config));
        if let Some(group) = &group
            && let Some(mut block) = made(group.block(&mut *hessian))
        {
            answer(trace(&mut block, &config));
        }
        if let Some(along) = answer(sharpness(hessian, &direction)) {
            sound(&along.curvature());
            answer(edge_ratio(&[along, along], rates));
        }
        if let Some(found) = answer(extremes(hessian, &lanczos)) {
            answer(edge_of_stability(&found, rates));
            sound(&found.top());
        }
        if let Some(spectrum) = answer(spectral_density(hessian, &density)) {
            sound(&spectrum.nodes().collect::<Vec<_>>());
            sound(&spectrum.trace_of(|x| x));
            sound(&spectrum.trace_of(|x| 1.0 / x));
            answer(spectrum.ln_det(source.number()));
            sound(&spectrum.fraction_below(source.number()));
            answer(spectrum.density(source.number(), source.number()));
            let basin = Basin::at_temperature(source.positive()).localisation(source.positive());
            answer(basin.entropy_of(&spectrum));
            answer(basin.energy_of(&spectrum));
        }
    };
    match source.below(3) {
        0 => {
            let mut hessian =
                hessian_vector(dimension.min(1 << 20), |v, out| closure.product(v, out));
            work(source, &mut hessian);
        }
        1 => {
            let model = gradient(|w, g| closure.evaluate(w, g));
            if let Some(mut hessian) = made(CentralDifference::new(model, &weights)) {
                if source.chance(3) {
                    let Some(longer) = made(hessian.step_length(source.number())) else {
                        return;
                    };
                    hessian = longer;
                }
                work(source, &mut hessian);
            }
        }
        _ => {
            let model = gradient_f32(|w, g| {
                let wide: Vec<f64> = w.iter().map(|&w| f64::from(w)).collect();
                let mut out = vec![0.0; wide.len()];
                let value = closure.evaluate(&wide, &mut out)?;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "single precision is wanted"
                )]
                for (g, &x) in g.iter_mut().zip(&out) {
                    *g = x as f32;
                }
                Ok::<f64, String>(value)
            });
            if let Some(mut hessian) = made(CentralDifference::new(model, &weights)) {
                work(source, &mut hessian);
            }
        }
    }
    if let Some(found) = found {
        answer(thermal_scale(&found, source.number()));
    }
}

/// Basins, noise and sampled flatness.
pub(crate) fn flatness(source: &mut Source) {
    let len = source.len(6);
    let mut closure = Closure::draw(source, len);
    let weights = source.numbers(len);
    let curvatures = source.numbers(len);
    let basin = Basin::at_temperature(source.number()).localisation(source.number());
    answer(basin.entropy(&curvatures));
    answer(basin.energy(&curvatures));
    answer(basin.local_entropy(&curvatures, &weights));
    answer(localised_learning_coefficient(
        &curvatures,
        source.number(),
        source.number(),
    ));
    let powers = |source: &mut Source| -> Vec<u32> {
        (0..source.below(4))
            .map(|_| u32::try_from(source.count(4)).unwrap_or(u32::MAX))
            .collect()
    };
    answer(normal_crossing(&powers(source), &powers(source)));
    let mut size = || u32::try_from(source.count(9)).unwrap_or(u32::MAX);
    answer(reduced_rank(ReducedRank {
        inputs: size(),
        hidden: size(),
        outputs: size(),
        rank: size(),
    }));
    answer(unit_square_crossing(source.number()));
    let noise = match source.below(3) {
        0 => Some(Noise::Isotropic),
        1 => answer(Noise::rows(source.count(12), source.count(4))),
        _ => Some(Noise::filters(ranges(source, len))),
    };
    if let Some(noise) = noise {
        let mut config = ResilienceConfig::new(noise)
            .directions(source.below(5))
            .seed(source.bits());
        if source.chance(2) {
            config = config.scales(&source.series(4));
        }
        if source.chance(4) {
            config = config
                .factor(source.number())
                .between(source.number(), source.number());
        }
        let mut other = closure.clone();
        answer(resilience(
            loss(|w| other.evaluate(w, &mut vec![0.0; w.len()])),
            &weights,
            &config,
        ));
        let single = loss_f32(|w: &[f32]| w.iter().sum::<f32>());
        answer(resilience(single, &weights, &config));
    }
    let integrator = source.pick(&[
        Integrator::Euler,
        Integrator::AveragedNoise,
        Integrator::Metropolis,
    ]);
    let step = if source.chance(2) {
        StepSize::Curvature(source.number())
    } else {
        StepSize::Fixed(source.number())
    };
    let mut config = LearningCoefficientConfig::new(source.long_count(1000))
        .integrator(integrator)
        .step(step)
        .chains(source.below(4))
        .draws(source.below(60))
        .center_evaluations(source.below(4))
        .seed(source.bits());
    if source.chance(3) {
        config = config.n_beta(source.number()).localisation(source.number());
    }
    if source.chance(8) {
        config = config.rhat_alarm(source.number());
    }
    answer(learning_coefficient(
        gradient(|w, g| closure.evaluate(w, g)),
        &weights,
        &config,
    ));
    let mut config = LocalEntropyConfig::at_n_beta(source.number())
        .integrator(integrator)
        .nodes(source.below(6))
        .chains(source.below(3))
        .draws(source.below(30))
        .seed(source.bits());
    if source.chance(2) {
        config = config.localisation(source.number());
    }
    answer(local_entropy(
        gradient(|w, g| closure.evaluate(w, g)),
        &weights,
        &config,
    ));
}
