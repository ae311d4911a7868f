//! From the temperatures of the runs to those between: histogram reweighting, one run or many.
//!
//! A canonical run at `β = 1/T` holds the averages at a nearby `β'` (Ferrenberg and Swendsen,
//! Phys. Rev. Lett. 61, 1988; 63, 1989):
//!
//! <!-- math
//! \begin{aligned}
//! \langle A \rangle' &= \frac{\sum A w}{\sum w}, & w &= e^{-(\beta' - \beta) E} && \text{one run} \\
//! w &= \frac{e^{-\beta' E}}{\sum_j N_j e^{f_j - \beta_j E}}, & e^{-f_j} &= \sum \frac{e^{-\beta_j E}}{\sum_k N_k e^{f_k - \beta_k E}} && \text{many}
//! \end{aligned}
//! -->
#![doc = include_str!("../math/phase_transition_reweighting.html")]
//!
//! the sums going over all samples of all runs; the second line is the multi-histogram method in the limit of
//! narrow bins, equal to MBAR (Shirts and Chodera, arXiv:0801.1426). Weights are formed in logarithms. `Nⱼ` counts
//! independent samples, the length over the statistical inefficiency. The free energies minimise a convex function, by Newton's method.
//!
//! How much is left after weighting is Kish's effective number `(Σw)²/Σw²`, over the inefficiency. Below
//! 50, or below 1 % of what there was, the answer is [`Reweighted::OutsideOverlap`]: the weighted mean would be that of a
//! few samples at the edge, with an error bar that does not know it. Neighbouring runs must
//! share at least 3 % of their samples (Klimovich, Shirts and Mobley, doi:10.1007/s10822-015-9840-9).
//!
//! Error bars are jackknives over blocks, the free energies solved anew for each.
//!
//! When it lies: only canonical energies reweight. SGD samples `e^{−E/T}` up to the step size times the curvature and only with isotropic
//! noise; with another noise its stationary state is another, and this file does not apply. A run that saw one
//! of two phases reweights to that phase.

use nalgebra::{DMatrix, DVector};

use crate::phase_transition::series::{
    block_jackknife, check_length, check_positive, check_series, finite, inefficiency, log_sum_exp,
    mean,
};
use crate::{Error, Estimate, Reading, Reason};

/// Independent samples left after weighting without which there is no answer.
const LEAST_EFFECTIVE: f64 = 50.0;
/// And the share of all.
const LEAST_SHARE: f64 = 0.01;
/// The share of a run's samples that its neighbour must have too.
const LEAST_OVERLAP: f64 = 0.03;
/// Groups of the jackknife over many runs.
const GROUPS: usize = 16;

/// What one run at one temperature recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run<'a> {
    temperature: f64,
    energies: &'a [f64],
    observable: &'a [f64],
    counts: Option<&'a [f64]>,
}

impl<'a> Run<'a> {
    /// A run whose observable is the energy itself; total energies, in time order.
    pub const fn new(temperature: f64, energies: &'a [f64]) -> Self {
        Self {
            temperature,
            energies,
            observable: energies,
            counts: None,
        }
    }

    /// The same with another observable, one value for each energy.
    #[must_use]
    pub const fn observable(mut self, values: &'a [f64]) -> Self {
        self.observable = values;
        self
    }

    /// The same as a histogram: so many *independent* samples at each energy, in any order.
    #[must_use]
    pub const fn counts(mut self, counts: &'a [f64]) -> Self {
        self.counts = Some(counts);
        self
    }

    fn validate(&self) -> Result<(), Error> {
        check_positive("temperature", self.temperature)?;
        check_series("energies", self.energies)?;
        check_series("observable", self.observable)?;
        check_length("observable", self.energies.len(), self.observable.len())?;
        if let Some(counts) = self.counts {
            check_series("counts", counts)?;
            check_length("counts", self.energies.len(), counts.len())?;
            if let Some(&value) = counts.iter().find(|c| **c < 0.0) {
                return Err(Error::OutOfRange {
                    what: "count",
                    value,
                    allowed: "0 or more",
                });
            }
        }
        Ok(())
    }

    /// Independent samples that one element is worth.
    fn weight(&self) -> f64 {
        match self.counts {
            Some(_) => 1.0,
            None => inefficiency(self.energies)
                .into_iter()
                .chain(inefficiency(self.observable))
                .fold(1.0, f64::max)
                .recip(),
        }
    }

    fn count(&self, i: usize) -> f64 {
        self.counts.map_or(1.0, |c| c[i])
    }
}

/// A reweighted average, or how far off the runs it was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reweighted {
    /// The runs reach that temperature.
    Overlap {
        /// The average of the observable.
        estimate: Estimate,
        /// Independent samples left after weighting.
        effective_samples: f64,
    },
    /// They do not; a run nearer by is needed.
    OutsideOverlap {
        /// Independent samples left after weighting.
        effective_samples: f64,
        /// What it would take.
        needed: f64,
    },
}

impl Reweighted {
    /// The average, if the runs reach.
    pub const fn estimate(&self) -> Option<&Estimate> {
        match self {
            Self::Overlap { estimate, .. } => Some(estimate),
            Self::OutsideOverlap { .. } => None,
        }
    }
}

/// The average of one run's observable at another temperature.
///
/// ```
/// use thermograd::phase_transition::{Run, reweight};
/// // Two states of energy 0 and 1, at T = 1 in the ratio 1 : 1/e; at T = 1/2 it is 1 : 1/e².
/// let energies = [0.0, 1.0];
/// let counts = [1e6, 1e6 * (-1_f64).exp()];
/// let answer = reweight(&Run::new(1.0, &energies).counts(&counts), 0.5)?;
/// let energy = answer.ready().unwrap().estimate().unwrap().value;
/// assert!((energy - 1.0 / (1.0 + 2_f64.exp())).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Non-finite or overflowing data, lengths that differ, a temperature that is not positive, a negative count.
pub fn reweight(run: &Run<'_>, temperature: f64) -> Result<Reading<Reweighted>, Error> {
    run.validate()?;
    check_positive("temperature", temperature)?;
    let shift = temperature.recip() - run.temperature.recip();
    let exponents: Vec<f64> = run.energies.iter().map(|e| -shift * e).collect();
    Ok(weighted(std::slice::from_ref(run), &exponents, |kept| {
        jackknife_one(run, kept)
    }))
}

/// Weighs, judges the overlap, and asks for the error bar.
fn weighted(
    runs: &[Run<'_>],
    exponents: &[f64],
    estimate: impl Fn(&[f64]) -> Reading<Estimate>,
) -> Reading<Reweighted> {
    let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if exponents.is_empty() {
        return Reading::Pending {
            seen: 0,
            needed: floor(LEAST_EFFECTIVE),
        };
    }
    if !largest.is_finite() {
        return Reading::Undefined(Reason::Meaningless("the weights leave the range of f64"));
    }
    let weights: Vec<f64> = exponents.iter().map(|e| (e - largest).exp()).collect();
    let (mut sum, mut square, mut all, mut at) = (0.0, 0.0, 0.0, 0);
    for run in runs {
        let worth = run.weight();
        for i in 0..run.energies.len() {
            let (c, w) = (run.count(i) * worth, weights[at]);
            sum += c * w;
            square += c * w * w;
            all += c;
            at += 1;
        }
    }
    if square <= 0.0 {
        return Reading::Undefined(Reason::DividesByZero("the sum of the counts"));
    }
    let effective_samples = sum * sum / square;
    let needed = LEAST_EFFECTIVE.max(LEAST_SHARE * all);
    if all < LEAST_EFFECTIVE {
        return Reading::Pending {
            seen: floor(all),
            needed: floor(LEAST_EFFECTIVE),
        };
    }
    if effective_samples < needed {
        return Reading::Ready(Reweighted::OutsideOverlap {
            effective_samples,
            needed,
        });
    }
    estimate(&weights).map(|estimate| Reweighted::Overlap {
        estimate: Estimate {
            n_eff: effective_samples,
            ..estimate
        },
        effective_samples,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of samples; the cast saturates"
)]
fn floor(x: f64) -> u64 {
    x as u64
}

/// Weighted mean and the standard error that independent samples have.
fn independent(samples: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Reading<Estimate> {
    let sum: f64 = samples.clone().map(|(c, w, _)| c * w).sum();
    if sum <= 0.0 {
        return Reading::Undefined(Reason::DividesByZero("the sum of the weights"));
    }
    let value = samples.clone().map(|(c, w, a)| c * w * a).sum::<f64>() / sum;
    let spread: f64 = samples.map(|(c, w, a)| c * (w * (a - value)).powi(2)).sum();
    finite(Estimate {
        value,
        std_error: spread.sqrt() / sum,
        n_eff: sum,
    })
}

fn jackknife_one(run: &Run<'_>, weights: &[f64]) -> Reading<Estimate> {
    if let Some(counts) = run.counts {
        let samples = counts
            .iter()
            .zip(weights)
            .zip(run.observable)
            .map(|((c, w), a)| (*c, *w, *a));
        return independent(samples);
    }
    // About the mean, so that no digits cancel in the ratio.
    let centre = mean(run.observable);
    let product: Vec<f64> = weights
        .iter()
        .zip(run.observable)
        .map(|(w, a)| w * (a - centre))
        .collect();
    block_jackknife(&[&product, weights], |m| {
        (m[1] > 0.0).then(|| centre + m[0] / m[1])
    })
}

/// Several runs joined into one density of states.
#[derive(Debug, Clone)]
pub struct MultiHistogram<'a> {
    runs: Vec<Run<'a>>,
    /// Free energies `f = βF` of all data, then of all data but one group.
    free_energies: Vec<Vec<f64>>,
    /// Independent samples that an element of each run is worth.
    worth: Vec<f64>,
}

/// Sample `i` of `n` belongs to this group.
fn group(i: usize, n: usize) -> usize {
    i * GROUPS / n.max(1)
}

impl<'a> MultiHistogram<'a> {
    /// Joins runs of overlapping energies, ordered by temperature inside.
    ///
    /// Pending where a run is shorter than 16 blocks of two inefficiencies; undefined where neighbours do not overlap.
    ///
    /// # Errors
    /// No runs; non-finite or overflowing data, lengths that differ, a temperature that is not positive, a negative count.
    pub fn new(runs: &[Run<'a>]) -> Result<Reading<Self>, Error> {
        if runs.is_empty() {
            return Err(Error::Empty {
                place: "runs".to_owned(),
                remedy: "give one run or more",
            });
        }
        for run in runs {
            run.validate()?;
        }
        let mut runs = runs.to_vec();
        runs.sort_by(|a, b| a.temperature.total_cmp(&b.temperature));
        let worth: Vec<f64> = runs.iter().map(Run::weight).collect();
        for (run, worth) in runs.iter().zip(&worth) {
            let n = run.energies.len();
            if run.counts.is_none() && n as f64 * worth < 2.0 * GROUPS as f64 {
                return Ok(Reading::Pending {
                    seen: n as u64,
                    needed: floor((2.0 * GROUPS as f64 / worth).ceil()),
                });
            }
            let sum: f64 = (0..n).map(|i| run.count(i)).sum();
            if sum <= 0.0 {
                return Ok(Reading::Undefined(Reason::Degenerate(
                    "a run without samples",
                )));
            }
        }
        let mut joined = Self {
            runs,
            free_energies: Vec::new(),
            worth,
        };
        let disjoint = Reading::Undefined(Reason::Meaningless(
            "neighbouring runs do not overlap: add temperatures between them",
        ));
        let Some(all) = joined.solve(None, &joined.first_guess()) else {
            return Ok(disjoint);
        };
        if joined.least_overlap(&all) < LEAST_OVERLAP {
            return Ok(disjoint);
        }
        let mut solutions = vec![all.clone()];
        if joined.runs.iter().all(|r| r.counts.is_none()) {
            for left_out in 0..GROUPS {
                let Some(f) = joined.solve(Some(left_out), &all) else {
                    return Ok(disjoint);
                };
                solutions.push(f);
            }
        }
        joined.free_energies = solutions;
        Ok(Reading::Ready(joined))
    }

    /// `βF` of each run, by rising temperature, relative to the first.
    pub fn free_energies(&self) -> &[f64] {
        self.free_energies.first().map_or(&[], Vec::as_slice)
    }

    /// Trapezoidal thermodynamic integration of the mean energies.
    fn first_guess(&self) -> Vec<f64> {
        let mut f = 0.0;
        let mut guess = vec![0.0];
        for pair in self.runs.windows(2) {
            let centre = |run: &Run<'_>| {
                let sum: f64 = (0..run.energies.len()).map(|i| run.count(i)).sum();
                (0..run.energies.len())
                    .map(|i| run.count(i) * run.energies[i])
                    .sum::<f64>()
                    / sum
            };
            let step = pair[1].temperature.recip() - pair[0].temperature.recip();
            f += 0.5 * step * (centre(&pair[0]) + centre(&pair[1]));
            guess.push(f);
        }
        guess
    }

    /// Every sample that is not left out, as its count and its energy.
    fn samples(&self, left_out: Option<usize>) -> impl Iterator<Item = (usize, f64, f64)> + '_ {
        self.runs
            .iter()
            .zip(&self.worth)
            .enumerate()
            .flat_map(move |(k, (run, worth))| {
                let n = run.energies.len();
                (0..n)
                    .filter(move |i| left_out != Some(group(*i, n)))
                    .map(move |i| (k, run.count(i) * worth, run.energies[i]))
            })
    }

    /// `ln Nⱼ + fⱼ − βⱼE`, the terms of the denominator.
    fn terms(lines: &[(f64, f64)], energy: f64) -> impl Iterator<Item = f64> + Clone {
        lines
            .iter()
            .map(move |(offset, beta)| offset - beta * energy)
    }

    /// `ln Nⱼ + fⱼ` and `βⱼ` of each run.
    fn lines(&self, sizes: &[f64], f: &[f64]) -> Vec<(f64, f64)> {
        self.runs
            .iter()
            .zip(sizes)
            .zip(f)
            .map(|((run, size), f)| (size.ln() + f, run.temperature.recip()))
            .collect()
    }

    fn sizes(&self, left_out: Option<usize>) -> Vec<f64> {
        let mut sizes = vec![0.0; self.runs.len()];
        for (k, count, _) in self.samples(left_out) {
            sizes[k] += count;
        }
        sizes
    }

    /// Newton's method with halving on the convex function whose gradient is the equations' residual.
    fn solve(&self, left_out: Option<usize>, start: &[f64]) -> Option<Vec<f64>> {
        let k = self.runs.len();
        let sizes = self.sizes(left_out);
        let total: f64 = sizes.iter().sum();
        let mut f = start.to_vec();
        let objective = |f: &[f64]| -> f64 {
            let lines = self.lines(&sizes, f);
            let logs: f64 = self
                .samples(left_out)
                .map(|(_, c, e)| c * log_sum_exp(Self::terms(&lines, e)))
                .sum();
            logs - sizes.iter().zip(f).map(|(n, f)| n * f).sum::<f64>()
        };
        let mut value = objective(&f);
        let mut shares = vec![0.0; k];
        for _ in 0..100 {
            let mut gradient = DVector::<f64>::zeros(k);
            let mut hessian = DMatrix::<f64>::zeros(k, k);
            let lines = self.lines(&sizes, &f);
            for (_, c, e) in self.samples(left_out) {
                let norm = log_sum_exp(Self::terms(&lines, e));
                for (share, term) in shares.iter_mut().zip(Self::terms(&lines, e)) {
                    *share = (term - norm).exp();
                }
                for i in 0..k {
                    gradient[i] += c * shares[i];
                    hessian[(i, i)] += c * shares[i];
                    for j in 0..k {
                        hessian[(i, j)] -= c * shares[i] * shares[j];
                    }
                }
            }
            for i in 0..k {
                gradient[i] -= sizes[i];
            }
            if gradient.amax() <= 1e-11 * total {
                return Some(f);
            }
            // The first free energy is the reference.
            let inner = hessian.view((1, 1), (k - 1, k - 1)).clone_owned();
            let step = inner
                .cholesky()?
                .solve(&gradient.rows(1, k - 1).clone_owned());
            let mut fraction = 1.0;
            loop {
                let mut trial = f.clone();
                for (slot, s) in trial.iter_mut().skip(1).zip(step.iter()) {
                    *slot -= fraction * s;
                }
                let reached = objective(&trial);
                if reached <= value + 1e-12 * value.abs() {
                    (f, value) = (trial, reached);
                    break;
                }
                fraction *= 0.5;
                if fraction < 1e-6 {
                    return None;
                }
            }
            // Rounding of the objective can keep the gradient above its goal.
            if step.amax() <= 1e-11 {
                return Some(f);
            }
        }
        None
    }

    /// The least share of a run's samples that its neighbour has too.
    fn least_overlap(&self, f: &[f64]) -> f64 {
        let sizes = self.sizes(None);
        let lines = self.lines(&sizes, f);
        let mut shared = vec![0.0; self.runs.len().saturating_sub(1)];
        for (_, c, e) in self.samples(None) {
            let norm = log_sum_exp(Self::terms(&lines, e));
            let shares: Vec<f64> = Self::terms(&lines, e)
                .map(|term| (term - norm).exp())
                .collect();
            for (slot, pair) in shared.iter_mut().zip(shares.windows(2)) {
                *slot += c * pair[0] * pair[1];
            }
        }
        shared
            .iter()
            .zip(sizes.windows(2))
            .map(|(s, pair)| s / pair[0].min(pair[1]))
            .fold(1.0, f64::min)
    }

    fn exponents(&self, temperature: f64, left_out: Option<usize>) -> Vec<f64> {
        let sizes = self.sizes(left_out);
        let which = left_out.map_or(0, |g| g + 1);
        let Some(f) = self.free_energies.get(which) else {
            return Vec::new();
        };
        let lines = self.lines(&sizes, f);
        self.samples(None)
            .map(|(_, _, e)| -e / temperature - log_sum_exp(Self::terms(&lines, e)))
            .collect()
    }

    /// The average of the runs' observable at a temperature.
    ///
    /// # Errors
    /// A temperature that is not positive.
    pub fn reweight(&self, temperature: f64) -> Result<Reading<Reweighted>, Error> {
        check_positive("temperature", temperature)?;
        let exponents = self.exponents(temperature, None);
        Ok(weighted(&self.runs, &exponents, |weights| {
            self.error_bar(temperature, weights)
        }))
    }

    fn error_bar(&self, temperature: f64, weights: &[f64]) -> Reading<Estimate> {
        let observable: Vec<f64> = self
            .runs
            .iter()
            .flat_map(|r| r.observable)
            .copied()
            .collect();
        let counts: Vec<f64> = self.samples(None).map(|(_, c, _)| c).collect();
        let all = independent(
            counts
                .iter()
                .zip(weights)
                .zip(&observable)
                .map(|((c, w), a)| (*c, *w, *a)),
        );
        let Reading::Ready(full) = all else {
            return all;
        };
        if self.free_energies.len() <= GROUPS {
            return all;
        }
        let groups: Vec<usize> = self
            .runs
            .iter()
            .flat_map(|r| (0..r.energies.len()).map(|i| group(i, r.energies.len())))
            .collect();
        let (mut first, mut second) = (0.0, 0.0);
        for left_out in 0..GROUPS {
            let exponents = self.exponents(temperature, Some(left_out));
            let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let (mut sum, mut product) = (0.0, 0.0);
            for i in 0..exponents.len() {
                if groups[i] != left_out {
                    let w = counts[i] * (exponents[i] - largest).exp();
                    sum += w;
                    product += w * (observable[i] - full.value);
                }
            }
            if sum <= 0.0 {
                return Reading::Undefined(Reason::DividesByZero("the sum of the weights"));
            }
            first += product / sum;
            second += (product / sum).powi(2);
        }
        let k = GROUPS as f64;
        let offset = first / k;
        finite(Estimate {
            value: full.value - (k - 1.0) * offset,
            std_error: ((k - 1.0) * (second / k - offset * offset)).max(0.0).sqrt(),
            n_eff: full.n_eff,
        })
    }
}
