//! Ten million steps of four parameters in a harmonic bath, whose every temperature is known.

use std::error::Error;

use thermograd::phase_transition::Event;
use thermograd::systems::{HarmonicBath, HarmonicConfig};
use thermograd::{Config, Groups, Moment, Observed, Observer, Reading, Symmetry, Window, slices};

use crate::exact::Exact;
use crate::watch::{Finding, Watch};

/// z-scores of the windows of one half of the run.
#[derive(Debug, Clone, Copy, Default)]
struct Scores {
    count: f64,
    sum: f64,
    square: f64,
}

impl Scores {
    fn push(&mut self, z: f64) {
        self.count += 1.0;
        self.sum += z;
        self.square += z * z;
    }

    fn mean(self) -> f64 {
        self.sum / self.count
    }

    fn spread(self) -> f64 {
        (self.square / self.count - self.mean() * self.mean()).sqrt()
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 steps")]
#[expect(
    clippy::too_many_lines,
    reason = "one run, from its start to what it found"
)]
pub(crate) fn soak(steps: u64, findings: &mut Vec<Finding>) -> Result<(), Box<dyn Error>> {
    let hessian = [
        1.0, 0.3, 0.0, 0.0, 0.3, 2.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.1, 0.0, 0.0, 0.1, 1.5,
    ];
    let noise = [
        4.0, 1.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.5, 0.0, 0.0, 0.5, 5.0,
    ];
    let config = HarmonicConfig::new(0.05).weight_decay(0.1);
    let bath = HarmonicBath::new(&hessian, &noise, config)?;
    let moments = bath.stationary()?;
    let truths = [
        ("temperature_noise", bath.temperature()),
        ("temperature_midpoint", moments.midpoint_temperature()),
        ("temperature_kinetic", moments.kinetic_temperature()),
        ("temperature_virial", moments.virial_temperature()),
    ];

    let mut groups = Groups::new();
    let all = groups.add("all", Symmetry::Generic);
    let mut default = Observer::with_config(groups.clone(), Config::every_step())?;
    let mut growing = Observer::with_config(groups, Config::every_step().window(Window::Growing))?;
    let mut sampler = bath.stationary_sampler(1)?;
    let mut watch = Watch::default();
    let mut reference = [Exact::default(); 3];
    let mut scores = [[Scores::default(); 2]; 4];
    let mut alarms = Vec::new();
    for step in 0..steps {
        sampler.draw_second();
        let facts = sampler.facts();
        let (w, g) = (sampler.weights(), sampler.gradient());
        let second = sampler.second_gradient().unwrap_or(g);
        let snapshot = slices(all, w, g).second_gradient(second);
        let observed = watch.observe(&mut default, &facts, &snapshot)?;
        watch.observe(&mut growing, &facts, &snapshot)?;
        reference[0].add(sampler.batch_loss());
        for ((&w, &g), &other) in w.iter().zip(g).zip(second) {
            reference[1].add_product(w, w);
            reference[2].add_product(0.5 * (g - other), g - other);
        }
        if observed == Observed::WindowComplete {
            // The virial's centre is a mean of the same window: it is biased by the ratio of the
            // autocorrelation time to its length, and left to the growing one.
            for (score, (metric, truth)) in scores.iter_mut().zip(truths).take(3) {
                if let Reading::Ready(found) = default.read(all, metric)? {
                    let half = usize::from(2 * step >= steps);
                    score[half].push(found.z_score(truth).unwrap_or(f64::NAN));
                }
            }
            let alarm = |event: &Event| {
                matches!(event, Event::Transition { .. } | Event::Overheating { .. })
            };
            alarms.extend(default.events().filter(alarm));
            watch.look();
        }
        // Two windows have gone by, and the record of the run has been halved.
        if step == steps / 4 {
            watch.warm();
        }
        sampler.step()?;
    }
    watch.look();
    watch.tell("small", findings);

    let ensemble = growing.ensemble(Some(all))?;
    for (moment, exact) in [Moment::Loss, Moment::NormSquared, Moment::NoiseTrace]
        .into_iter()
        .zip(reference)
    {
        let truth = exact.value() / steps as f64;
        let error = ensemble.mean(moment).unwrap_or(f64::NAN) / truth - 1.0;
        findings.push(Finding::new(
            format!(
                "small: relative error of ⟨{}⟩ over all steps",
                moment.name()
            ),
            error,
            1e-12,
        ));
    }
    for ((metric, truth), score) in truths.into_iter().zip(scores) {
        if let Reading::Ready(found) = growing.read(all, metric)? {
            let z = found.z_score(truth).unwrap_or(f64::NAN);
            findings.push(Finding::new(
                format!("small: z of {metric}, one growing window"),
                z,
                4.0,
            ));
        } else {
            findings.push(Finding::new(
                format!("small: {metric} is not ready"),
                f64::NAN,
                0.0,
            ));
        }
        for (half, score) in ["first", "second"]
            .iter()
            .zip(score)
            .filter(|(_, s)| s.count > 0.0)
        {
            // The mean of n scores errs by 1/√n, and their spread by 1/√(2n).
            let n = score.count;
            findings.push(Finding::new(
                format!("small: mean z of {metric}, {half} half of {n} windows"),
                score.mean() * n.sqrt(),
                4.0,
            ));
            if n >= 50.0 {
                findings.push(Finding::new(
                    format!("small: spread of z of {metric} less 1, {half} half"),
                    score.spread() - 1.0,
                    0.1 + 4.0 / (2.0 * n).sqrt(),
                ));
            }
        }
    }
    // Nothing happens in a stationary run.
    for alarm in alarms.iter().take(20) {
        println!("small: told of {alarm:?}");
    }
    findings.push(Finding::new(
        "small: false alarms of a transition or of overheating",
        alarms.len() as f64,
        0.0,
    ));
    Ok(())
}
