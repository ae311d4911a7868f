//! Ten thousand steps of ten million parameters that feel noise and decay alone.
//!
//! A gradient is one of four long random vectors with a random sign, so that no number has to be
//! drawn in the loop, and the noise is known to the last digit: tr Σ is their mean square. The
//! weights follow w′ = (1−ηλ)w − ηg, whose stationary state is that of one coordinate.

use std::error::Error;

use thermograd::systems::{HarmonicBath, HarmonicConfig, Random};
use thermograd::{Config, Groups, Moment, Observer, Reading, Step, Symmetry, Window, slices};

use crate::exact::Exact;
use crate::watch::{Finding, Watch};

const VECTORS: usize = 4;
const RATE: f64 = 0.05;
const DECAY: f64 = 0.4;
/// Coordinates that the observer follows by default.
const PROBE: f64 = 65_536.0;

/// Σ x y in twice the precision.
fn product(x: &[f32], y: &[f32]) -> f64 {
    let mut sum = Exact::default();
    for (&x, &y) in x.iter().zip(y) {
        // A product of two f32 is exact in f64.
        sum.add(f64::from(x) * f64::from(y));
    }
    sum.value()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "fewer than 2^53 steps and parameters"
)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the model is one of single precision"
)]
#[expect(
    clippy::too_many_lines,
    reason = "one run, from its start to what it found"
)]
pub(crate) fn soak(
    steps: u64,
    parameters: usize,
    findings: &mut Vec<Finding>,
) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(2);
    let mut vectors: Vec<Vec<f32>> = Vec::new();
    for _ in 0..VECTORS {
        let drawn: Vec<f32> = (0..parameters).map(|_| random.normal() as f32).collect();
        let negative = drawn.iter().map(|x| -x).collect();
        vectors.extend([drawn, negative]);
    }
    let trace = vectors.iter().map(|v| product(v, v)).sum::<f64>() / vectors.len() as f64;
    let d = parameters as f64;
    let config = HarmonicConfig::new(RATE).weight_decay(DECAY);
    // Next to no curvature: the bath wants some.
    let one = HarmonicBath::new(&[1e-12], &[trace / d], config)?;
    let moments = one.stationary()?;

    // The weights are a sum of the vectors: that sum is let settle first.
    let mut shares = [0.0; VECTORS];
    for _ in 0..1000 {
        let chosen = random.below(2 * VECTORS);
        for share in &mut shares {
            *share *= 1.0 - RATE * DECAY;
        }
        shares[chosen / 2] -= if chosen.is_multiple_of(2) {
            RATE
        } else {
            -RATE
        };
    }
    let mut w: Vec<f32> = (0..parameters)
        .map(|i| {
            shares
                .iter()
                .enumerate()
                .map(|(k, share)| share * f64::from(vectors[2 * k][i]))
                .sum::<f64>() as f32
        })
        .collect();

    let mut groups = Groups::new();
    let all = groups.add("all", Symmetry::Generic);
    let mut observer = Observer::with_config(groups, Config::every_step().window(Window::Growing))?;
    let mut watch = Watch::default();
    let mut reference = [Exact::default(); 2];
    let mut worst: f64 = 0.0;
    for step in 0..steps {
        let (g, second) = (
            &vectors[random.below(2 * VECTORS)],
            &vectors[random.below(2 * VECTORS)],
        );
        let facts = Step::new(0.0).learning_rate(RATE).weight_decay(DECAY);
        watch.observe(
            &mut observer,
            &facts,
            &slices(all, &w, g).second_gradient(second),
        )?;
        let sums = observer.sums(all)?.ok_or("the step was not observed")?;
        reference[0].add(sums.w_w);
        reference[1].add(0.5 * sums.noise);
        if step % (steps / 8).max(1) == 0 {
            // Errors of a scalar product are told against |w||g|: it may itself be near zero.
            let (ww, wg, gg) = (product(&w, &w), product(&w, g), product(g, g));
            let errors = [
                sums.w_w / ww - 1.0,
                sums.g_g / gg - 1.0,
                (sums.w_g - wg) / (ww * gg).sqrt(),
            ];
            worst = errors
                .iter()
                .fold(worst, |worst, error| worst.max(error.abs()));
            watch.look();
        }
        let (keep, rate) = ((1.0 - RATE * DECAY) as f32, RATE as f32);
        for (w, &g) in w.iter_mut().zip(g) {
            *w = keep * *w - rate * g;
        }
        // The centre of the followed weights, set aside at the start, is first written after 32 steps.
        if step == (steps / 8).max(64) {
            watch.warm();
        }
    }
    watch.look();
    watch.tell("large", findings);
    findings.push(Finding::new(
        "large: relative error of a step's sums",
        worst,
        1e-13,
    ));
    let ensemble = observer.ensemble(Some(all))?;
    for (moment, exact) in [Moment::NormSquared, Moment::NoiseTrace]
        .into_iter()
        .zip(reference)
    {
        let error =
            ensemble.mean(moment).unwrap_or(f64::NAN) / (exact.value() / steps as f64) - 1.0;
        findings.push(Finding::new(
            format!(
                "large: relative error of ⟨{}⟩ over all steps",
                moment.name()
            ),
            error,
            1e-13,
        ));
    }
    for (metric, truth) in [
        ("temperature_noise", one.temperature()),
        ("volume", 0.5 * d * moments.weight_covariance()[0]),
    ] {
        match observer.read(all, metric)? {
            Reading::Ready(found) => {
                let z = found.z_score(truth).unwrap_or(f64::NAN);
                findings.push(Finding::new(format!("large: z of {metric}"), z, 4.0));
            }
            other => println!("large: {metric} {other}"),
        }
    }
    // Of the coordinates that are followed, not of all: their share of the vectors' squares errs.
    let sampling = (2.0 / PROBE.min(d) / VECTORS as f64).sqrt();
    for (metric, truth) in [
        ("temperature_kinetic", moments.kinetic_temperature()),
        ("temperature_midpoint", moments.midpoint_temperature()),
    ] {
        match observer.read(all, metric)? {
            Reading::Ready(found) => {
                let error = found.std_error.hypot(truth * sampling);
                findings.push(Finding::new(
                    format!("large: z of {metric}, sampling of the probe included"),
                    (found.value - truth) / error,
                    4.0,
                ));
            }
            other => println!("large: {metric} {other}"),
        }
    }
    Ok(())
}
