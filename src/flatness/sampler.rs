//! Langevin chains in the tempered posterior exp(−nβ L(w) − γ|w − w*|²/2).

use crate::Error;
use crate::curvature::Objective;
use crate::curvature::objective::evaluate;
use crate::systems::Random;

/// How a chain moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Integrator {
    /// Stochastic gradient Langevin dynamics as published (Welling and Teh 2011): Euler's method.
    ///
    /// w' = w − (ε/2)∇Φ + √ε ξ. In a mode of stiffness k it is too hot by 1/(1 − εk/4).
    Euler,
    /// The same with the mean of this step's noise and the next one's in place of ξ (Leimkuhler and Matthews
    /// 2013): exact in a bowl at any stable step εk < 4. The default.
    #[default]
    AveragedNoise,
    /// Euler's step, accepted or refused (MALA): exact for every loss, but the closure must be deterministic.
    Metropolis,
}

/// What the chains sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) center: &'a [f64],
    pub(super) n_beta: f64,
    pub(super) localisation: f64,
}

impl Target<'_> {
    /// Φ, and ∇Φ in place of ∇L.
    fn potential(&self, w: &[f64], loss: f64, gradient: &mut [f64]) -> f64 {
        let mut spring = 0.0;
        for ((g, w), c) in gradient.iter_mut().zip(w).zip(self.center) {
            let away = w - c;
            spring += away * away;
            *g = self.n_beta * *g + self.localisation * away;
        }
        self.n_beta * loss + 0.5 * self.localisation * spring
    }
}

/// How long, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    pub(super) integrator: Integrator,
    pub(super) step: f64,
    pub(super) draws: usize,
    /// Steps before, in which Metropolis' step size adapts; not recorded.
    pub(super) adaptation: usize,
}

/// What a chain saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) losses: Vec<f64>,
    /// Loss or gradient ceased to be finite.
    pub(super) diverged: bool,
    /// Part of the proposals that were accepted; 1 without a test.
    pub(super) acceptance: f64,
    pub(super) evaluations: u64,
    /// The step size in the end.
    pub(super) step: f64,
}

/// Loss, or `None` where it or its gradient is not finite.
fn look<O: Objective + ?Sized>(
    objective: &mut O,
    w: &[f64],
    gradient: &mut [f64],
    record: &mut Record,
) -> Result<Option<f64>, Error> {
    record.evaluations += 1;
    if !w.iter().all(|w| w.is_finite()) {
        return Ok(None);
    }
    match evaluate(objective, w, gradient) {
        // Beyond it no minimum is left, and variances would overflow.
        Ok(loss) => Ok((loss.abs() < 1e70).then_some(loss)),
        Err(Error::NonFinite { .. } | Error::Overflow { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One chain from `w`, which it leaves where it ends.
pub(super) fn run<O: Objective + ?Sized>(
    objective: &mut O,
    target: &Target<'_>,
    course: &Course,
    w: &mut [f64],
    random: &mut Random,
) -> Result<Record, Error> {
    match course.integrator {
        Integrator::Metropolis => metropolis(objective, target, course, w, random),
        Integrator::Euler | Integrator::AveragedNoise => {
            unadjusted(objective, target, course, w, random)
        }
    }
}

fn unadjusted<O: Objective + ?Sized>(
    objective: &mut O,
    target: &Target<'_>,
    course: &Course,
    w: &mut [f64],
    random: &mut Random,
) -> Result<Record, Error> {
    let mut record = Record {
        losses: Vec::with_capacity(course.draws.min(1 << 16)),
        acceptance: 1.0,
        step: course.step,
        ..Record::default()
    };
    let mut force = vec![0.0; w.len()];
    let mut noise: Vec<f64> = (0..w.len()).map(|_| random.normal()).collect();
    let (half, root) = (0.5 * course.step, course.step.sqrt());
    for _ in 0..course.draws {
        let Some(loss) = look(objective, w, &mut force, &mut record)? else {
            record.diverged = true;
            break;
        };
        record.losses.push(loss);
        target.potential(w, loss, &mut force);
        for ((w, f), old) in w.iter_mut().zip(&force).zip(&mut noise) {
            let new = random.normal();
            let kick = match course.integrator {
                Integrator::AveragedNoise => 0.5 * (*old + new),
                _ => new,
            };
            *w += root * kick - half * f;
            *old = new;
        }
    }
    Ok(record)
}

fn metropolis<O: Objective + ?Sized>(
    objective: &mut O,
    target: &Target<'_>,
    course: &Course,
    w: &mut [f64],
    random: &mut Random,
) -> Result<Record, Error> {
    /// The best acceptance of Langevin proposals in many dimensions (Roberts and Rosenthal 1998).
    const WANTED: f64 = 0.574;
    let mut record = Record {
        losses: Vec::with_capacity(course.draws.min(1 << 16)),
        step: course.step,
        ..Record::default()
    };
    let mut force = vec![0.0; w.len()];
    let Some(mut loss) = look(objective, w, &mut force, &mut record)? else {
        record.diverged = true;
        return Ok(record);
    };
    let mut potential = target.potential(w, loss, &mut force);
    let (mut proposed, mut there) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    let mut accepted = 0_usize;
    for step in 0..course.adaptation + course.draws {
        let (half, root) = (0.5 * record.step, record.step.sqrt());
        let mut forth = 0.0;
        for ((p, w), f) in proposed.iter_mut().zip(&*w).zip(&force) {
            let kick = random.normal();
            forth += kick * kick;
            *p = w - half * f + root * kick;
        }
        // Where nothing is finite, nothing is likely: refused.
        let odds = match look(objective, &proposed, &mut there, &mut record)? {
            None => None,
            Some(loss) => {
                let potential_there = target.potential(&proposed, loss, &mut there);
                let pairs = w.iter().zip(&proposed).zip(&there);
                let back: f64 = pairs
                    .map(|((w, p), f)| ((w - p + half * f) / root).powi(2))
                    .sum();
                let ln = potential - potential_there + 0.5 * (forth - back);
                Some((ln.min(0.0).exp(), loss, potential_there))
            }
        };
        let chance = odds.map_or(0.0, |(chance, ..)| chance);
        if let Some((chance, loss_there, potential_there)) = odds
            && random.uniform() < chance
        {
            w.copy_from_slice(&proposed);
            std::mem::swap(&mut force, &mut there);
            (loss, potential) = (loss_there, potential_there);
            accepted += usize::from(step >= course.adaptation);
        }
        if step < course.adaptation {
            // Robbins and Monro's rule, slower and slower.
            let gain = 1.0 / (1.0 + step as f64).powf(0.6);
            record.step *= ((chance - WANTED) * gain).exp();
        } else {
            record.losses.push(loss);
        }
    }
    record.acceptance = accepted as f64 / course.draws.max(1) as f64;
    Ok(record)
}
