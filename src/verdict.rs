//! The observer's verdict: which of its series are asked, and in what units they answer.
//!
//! The window is held as 64 to 127 blocks of steps; their means are the series that
//! [`equilibrium::verdict`](crate::equilibrium::verdict()) tests. Asked are the loss, |w|² of
//! every group, and the temperature of every group (of the noise where it is measured, of the
//! midpoints elsewhere), which must not drift and must agree with each other. The relaxation time
//! of the norm is given to the tests, so that a window which is short against it is called short
//! and not settled. Rates and numbers of steps are returned in steps.
//!
//! A window shorter than the memory of the norm could not be told from a slow fluctuation by its
//! series alone. But the forces on the norm are measured as well: where what shrinks it and what
//! expands it differ by more than a fifth, and by five standard errors, it drifts, and the
//! answer is that rather than a lack of data.

use crate::blocks::Blocks;
use crate::equilibrium::{Direction, Observable, Outcome, Verdict, VerdictConfig, verdict};
use crate::{Ensemble, Error, Estimate, Moment, energy, pressure, temperature};

/// Imbalance of the forces on a norm that no stationary state shows, and its least significance.
const LEAST_IMBALANCE: f64 = 0.2;
const LEAST_SIGMAS: f64 = 5.0;

/// One group's window, by name.
pub(crate) struct Witness<'a> {
    pub(crate) name: &'a str,
    pub(crate) scale_invariant: bool,
    pub(crate) blocks: &'a Blocks,
}

impl Witness<'_> {
    fn norm(&self) -> String {
        format!("|w|² of {}", self.name)
    }

    /// The drift of the norm under the forces measured on it:
    /// d|w|²/dt = 2mp|w|²(1/b − 1) with the real-gas balance b and 4mp the relaxation rate.
    fn drift(&self) -> Option<(Estimate, f64)> {
        if !self.scale_invariant {
            return None;
        }
        let count = |e: &Ensemble| {
            e.count(Moment::KineticHeat)
                .min(e.count(Moment::PressureNormSquared))
        };
        // What expands the norm over what shrinks it: the noise is in the numerator.
        let expansion = |e: &Ensemble| Some(1.0 / pressure::real_gas_balance(e)?);
        let reading = self.blocks.estimate(expansion, count)?;
        let expansion = reading.ready()?;
        let excess = expansion.value - 1.0;
        if excess.abs() < LEAST_IMBALANCE || excess.abs() < LEAST_SIGMAS * expansion.std_error {
            return None;
        }
        let whole = self.blocks.total();
        let scale = 0.5 / pressure::relaxation_steps(&whole)? * whole.mean(Moment::NormSquared)?;
        let rate = Estimate {
            value: scale * excess,
            std_error: scale * expansion.std_error,
            n_eff: expansion.n_eff,
        };
        Some((rate, rate.z_score(0.0)?))
    }
}

/// The verdict on the windows of the groups and of the model, which is the last of them.
/// `stride` is the number of steps behind one observed step.
pub(crate) fn of_windows(
    groups: &[Witness<'_>],
    model: &Blocks,
    stride: f64,
    config: &VerdictConfig,
) -> Result<Verdict, Error> {
    let block = model.block_len();
    let steps_in_block = block as f64 * stride;
    let mut named: Vec<(String, Vec<f64>, bool)> = Vec::new();
    named.extend(
        model
            .series(energy::internal)
            .map(|series| ("loss".to_owned(), series, false)),
    );
    let mut slowest: f64 = 0.0;
    for group in groups {
        let whole = group.blocks.total();
        let norm = |e: &Ensemble| e.mean(Moment::NormSquared);
        named.extend(
            group
                .blocks
                .series(norm)
                .map(|series| (group.norm(), series, false)),
        );
        let hot = |series| (format!("T of {}", group.name), series, true);
        let noise = group.blocks.series(temperature::noise).map(hot);
        named.extend(noise.or_else(|| group.blocks.series(temperature::midpoint).map(hot)));
        slowest = slowest.max(pressure::relaxation_steps(&whole).unwrap_or(0.0));
    }
    let shortest = named.iter().map(|(_, series, _)| series.len()).min();
    if shortest.unwrap_or(0) < 2 {
        return Ok(Verdict::InsufficientData {
            more_steps: steps(64.0 * steps_in_block),
            observable: "every observable".to_owned(),
            evidence: Vec::new(),
        });
    }
    let observables: Vec<Observable<'_>> = named
        .iter()
        .map(|(name, series, hot)| {
            if *hot {
                Observable::temperature(name, series)
            } else {
                Observable::new(name, series)
            }
        })
        .collect();
    let mut config = *config;
    if config.relaxation_time.is_none() && slowest > 0.0 {
        config.relaxation_time = Some(slowest / steps_in_block);
    } else {
        config.relaxation_time = config.relaxation_time.map(|time| time / steps_in_block);
    }
    let found = in_steps(verdict(&observables, None, &config)?, steps_in_block);
    let Verdict::InsufficientData { evidence, .. } = &found else {
        return Ok(found);
    };
    let drifting = groups
        .iter()
        .filter_map(|group| Some((group, group.drift()?)))
        .max_by(|(_, (_, a)), (_, (_, b))| a.abs().total_cmp(&b.abs()));
    Ok(match drifting {
        None => found,
        Some((group, (rate, sigmas))) => Verdict::OutOfEquilibrium {
            observable: group.norm(),
            direction: if rate.value > 0.0 {
                Direction::Rising
            } else {
                Direction::Falling
            },
            rate,
            sigmas,
            evidence: evidence.clone(),
        },
    })
}

/// From blocks to steps.
fn in_steps(verdict: Verdict, steps_in_block: f64) -> Verdict {
    let mut verdict = verdict;
    let scaled = |count: u64| steps(count as f64 * steps_in_block);
    match &mut verdict {
        Verdict::OutOfEquilibrium { rate, evidence, .. } => {
            rate.value /= steps_in_block;
            rate.std_error /= steps_in_block;
            rescale(evidence, scaled);
        }
        Verdict::InsufficientData {
            more_steps,
            evidence,
            ..
        } => {
            *more_steps = scaled(*more_steps);
            rescale(evidence, scaled);
        }
        Verdict::Equilibrium { evidence, .. } | Verdict::SteadyNotThermal { evidence, .. } => {
            rescale(evidence, scaled);
        }
    }
    verdict
}

fn rescale(evidence: &mut [crate::equilibrium::Finding], scaled: impl Fn(u64) -> u64) {
    for finding in evidence {
        if let Outcome::TooShort { seen, needed } = &mut finding.outcome {
            (*seen, *needed) = (scaled(*seen), scaled(*needed));
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of steps: not negative, and the cast saturates"
)]
fn steps(count: f64) -> u64 {
    count.ceil() as u64
}
