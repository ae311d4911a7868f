//! How long ago the last change was, told online: the posterior of the run length.
//!
//! A segment starts anew at each observation with probability `h` (the hazard, one over the
//! expected length of a segment); within a segment observations are independent, of a conjugate
//! family. With `r` the number of observations of the current segment, the newest included, and
//! `π_r` the predictive density given the last `r` observations (arXiv:0710.3742):
//!
//! <!-- math
//! P(r + 1, x_{1 \ldots t}) = (1 - h)\, \pi_r(x_t)\, P(r, x_{1 \ldots t-1}), \qquad P(1, x_{1 \ldots t}) = h\, \pi_0(x_t) \sum_r P(r, x_{1 \ldots t-1})
//! -->
#![doc = include_str!("../../math/phase_transition_change_point_online_bayes.html")]
//!
//! A new segment thus *includes* the observation that opens it, so that `P(r = 1)` depends on the
//! data; in the other common convention it is `h` at every step. Everything is kept in logarithms.
//!
//! | prior | predictive |
//! |---|---|
//! | normal-inverse-gamma `(μ, κ, α, β)` | Student t, `2α` degrees of freedom, location `μ`, squared scale `β(κ + 1)/(ακ)` |
//! | one for each coordinate | their product |
//! | normal-inverse-Wishart `(μ, κ, ν, Ψ)` | multivariate t, `ν − d + 1` degrees of freedom, location `μ`, shape `Ψ(κ + 1)/(κ(ν − d + 1))` |
//!
//! (Murphy, *Conjugate Bayesian analysis of the Gaussian distribution*, 2007.)
//!
//! # Truncation
//! At most `capacity` run lengths are kept. When one more arises, the least probable is dropped and
//! the rest renormalised; the probability dropped in one step, at its largest, is
//! [`largest_truncation`](OnlineChangePoints::largest_truncation). Memory is fixed and a push
//! allocates nothing.
//!
//! When it lies: correlated observations look like segments; thin them by their inefficiency
//! first. The prior's scale `β/α` matters: put it near the variance of the noise. The measured false alarms stand in
//! [the table](super#false-alarms).

use statrs::function::gamma::ln_gamma;

use crate::Error;
use crate::phase_transition::series::check_length;

/// Prior of the mean and the variance of one coordinate: `x ~ N(m, v)`, `1/v ~ Gamma(α, rate β)`,
/// `m ~ N(μ, v/κ)`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NormalInverseGamma {
    /// Expected mean `μ`.
    pub mean: f64,
    /// Observations that the prior mean is worth, `κ > 0`.
    pub mean_weight: f64,
    /// Shape `α > 0`: half the observations that the prior variance is worth.
    pub shape: f64,
    /// Rate `β > 0`; `β/α` is about the expected variance.
    pub rate: f64,
}

impl NormalInverseGamma {
    /// A weak prior for noise of this variance about this mean: `κ = 0.01`, `α = 1`, `β = variance`.
    pub const fn weak(mean: f64, variance: f64) -> Self {
        Self {
            mean,
            mean_weight: 0.01,
            shape: 1.0,
            rate: variance,
        }
    }

    /// The posterior after one observation.
    ///
    /// ```
    /// use thermograd::phase_transition::change_point::NormalInverseGamma;
    /// let prior = NormalInverseGamma { mean: 0.0, mean_weight: 1.0, shape: 1.0, rate: 1.0 };
    /// let after = prior.update(2.0);
    /// // μ = 2/2, κ = 2, α = 3/2, β = 1 + 2²/(2·2).
    /// assert_eq!((after.mean, after.mean_weight, after.shape, after.rate), (1.0, 2.0, 1.5, 2.0));
    /// ```
    #[must_use]
    pub fn update(&self, x: f64) -> Self {
        let (kappa, step) = (self.mean_weight, x - self.mean);
        Self {
            mean: self.mean + step / (kappa + 1.0),
            mean_weight: kappa + 1.0,
            shape: self.shape + 0.5,
            rate: self.rate + kappa * step * step / (2.0 * (kappa + 1.0)),
        }
    }

    /// Log-density of the next observation.
    pub fn log_predictive(&self, x: f64) -> f64 {
        self.log_predictive_with(x, ln_gamma_half(self.shape))
    }

    /// The same, `ln Γ(α + ½) − ln Γ(α)` being known.
    fn log_predictive_with(&self, x: f64, gamma_ratio: f64) -> f64 {
        let kappa = self.mean_weight;
        // 2α times the squared scale.
        let width = 2.0 * self.rate * (kappa + 1.0) / kappa;
        let z = (x - self.mean).powi(2) / width;
        gamma_ratio - 0.5 * (std::f64::consts::PI * width).ln() - (self.shape + 0.5) * z.ln_1p()
    }

    fn validate(&self) -> Result<(), Error> {
        check_magnitude("prior mean", &[self.mean])?;
        check_scale("weight of the prior mean", self.mean_weight)?;
        if !(LARGEST.recip()..=MOST_CERTAIN).contains(&self.shape) {
            return Err(Error::OutOfRange {
                what: "shape of the prior",
                value: self.shape,
                allowed: "a number between 1e-100 and 1e12",
            });
        }
        check_scale("rate of the prior", self.rate)
    }
}

/// Data and priors stay far enough from the ends of the range of f64 that no sum of squares meets them.
const LARGEST: f64 = 1e100;

/// A variance known better than from so many observations: a difference of log-gammas has no digits left there.
const MOST_CERTAIN: f64 = 1e12;

fn check_scale(what: &'static str, value: f64) -> Result<(), Error> {
    if (LARGEST.recip()..=LARGEST).contains(&value) {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what,
        value,
        allowed: "a number between 1e-100 and 1e100",
    })
}

fn check_magnitude(place: &str, values: &[f64]) -> Result<(), Error> {
    Error::check_finite(place, values)?;
    let largest = values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest <= LARGEST {
        return Ok(());
    }
    Err(Error::Overflow {
        place: place.to_owned(),
        largest,
    })
}

/// `ln Γ(a + ½) − ln Γ(a)`.
fn ln_gamma_half(a: f64) -> f64 {
    ln_gamma(a + 0.5) - ln_gamma(a)
}

/// Prior of a vector's mean and covariance: `x ~ N(m, C)`, `C ~ W⁻¹(Ψ, ν)`, `m ~ N(μ, C/κ)`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NormalInverseWishart {
    /// Expected mean `μ`; its length is the dimension `d`.
    pub mean: Vec<f64>,
    /// Observations that the prior mean is worth, `κ > 0`.
    pub mean_weight: f64,
    /// Degrees of freedom `ν > d − 1`.
    pub degrees: f64,
    /// `Ψ`, `d × d`, row by row: symmetric, positive definite.
    pub scale: Vec<f64>,
}

/// Prior of a segment.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Prior {
    /// Independent coordinates, one prior each; a single one for a scalar series.
    Independent(Vec<NormalInverseGamma>),
    /// Coordinates that covary.
    Joint(NormalInverseWishart),
}

/// How the online detector works.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OnlineConfig {
    /// Probability that a segment ends at any step, in `[0, 1)`.
    pub hazard: f64,
    /// Run lengths kept, at least 2.
    pub capacity: usize,
    /// Prior of a segment.
    pub prior: Prior,
}

impl OnlineConfig {
    /// A scalar series with one change in 250 steps expected and 256 run lengths kept.
    pub fn scalar(prior: NormalInverseGamma) -> Self {
        Self::new(Prior::Independent(vec![prior]))
    }

    /// One change in 250 steps expected and 256 run lengths kept.
    pub const fn new(prior: Prior) -> Self {
        Self {
            hazard: 1.0 / 250.0,
            capacity: 256,
            prior,
        }
    }

    /// The same with another hazard.
    #[must_use]
    pub const fn hazard(mut self, per_step: f64) -> Self {
        self.hazard = per_step;
        self
    }

    /// The same with room for another number of run lengths.
    #[must_use]
    pub const fn capacity(mut self, run_lengths: usize) -> Self {
        self.capacity = run_lengths;
        self
    }
}

/// The largest number of f64 that the statistics of all run lengths may take (256 MiB).
const LARGEST_STATE: usize = 1 << 25;

/// Sufficient statistics of one run length lie in one row of a flat array.
#[derive(Debug, Clone)]
enum Family {
    /// Row: `μ, κ, α, β` and the gamma ratio of each coordinate.
    Independent(Vec<NormalInverseGamma>),
    /// Row: mean, lower Cholesky factor of `Ψ` (full square), `κ`, `ν`.
    Joint { dimension: usize },
}

impl Family {
    fn dimension(&self) -> usize {
        match self {
            Self::Independent(priors) => priors.len(),
            Self::Joint { dimension } => *dimension,
        }
    }

    fn row_length(&self) -> usize {
        match self {
            Self::Independent(priors) => 5 * priors.len(),
            Self::Joint { dimension } => dimension * dimension + dimension + 2,
        }
    }

    /// Log-predictive of `x` given a row, which is then updated with `x`.
    fn absorb(&self, row: &mut [f64], x: &[f64], work: &mut [f64]) -> f64 {
        match self {
            Self::Independent(_) => row
                .chunks_exact_mut(5)
                .zip(x)
                .map(|(slot, &x)| absorb_scalar(slot, x))
                .sum(),
            Self::Joint { dimension } => absorb_vector(*dimension, row, x, work),
        }
    }
}

fn absorb_scalar(slot: &mut [f64], x: f64) -> f64 {
    let [mean, mean_weight, shape, rate, ratio] = slot else {
        return 0.0;
    };
    let state = NormalInverseGamma {
        mean: *mean,
        mean_weight: *mean_weight,
        shape: *shape,
        rate: *rate,
    };
    let log_predictive = state.log_predictive_with(x, *ratio);
    let next = state.update(x);
    // Γ(α + 1) = α Γ(α) turns the ratio at α into that at α + ½.
    *ratio = shape.ln() - *ratio;
    (*mean, *mean_weight, *shape, *rate) = (next.mean, next.mean_weight, next.shape, next.rate);
    log_predictive
}

fn absorb_vector(d: usize, row: &mut [f64], x: &[f64], work: &mut [f64]) -> f64 {
    let (mean, rest) = row.split_at_mut(d);
    let (factor, tail) = rest.split_at_mut(d * d);
    let [kappa, nu] = tail else {
        return 0.0;
    };
    let (step, solved) = work.split_at_mut(d);
    let mut log_det = 0.0;
    let mut distance = 0.0;
    for i in 0..d {
        step[i] = x[i] - mean[i];
        let known: f64 = (0..i).map(|j| factor[i * d + j] * solved[j]).sum();
        solved[i] = (step[i] - known) / factor[i * d + i];
        distance += solved[i] * solved[i];
        log_det += 2.0 * factor[i * d + i].ln();
    }
    // Multivariate t: shape Ψ (κ + 1)/(κ f) with f degrees of freedom.
    let (size, f) = (d as f64, *nu - d as f64 + 1.0);
    let inflation = (*kappa + 1.0) / *kappa;
    let log_predictive = ln_gamma(0.5 * (f + size))
        - ln_gamma(0.5 * f)
        - 0.5 * (size * (std::f64::consts::PI * inflation).ln() + log_det)
        - 0.5 * (f + size) * (distance / inflation).ln_1p();
    // A factor with pivots near zero can leave the range of f64; nothing is less probable.
    let log_predictive = if log_predictive.is_finite() {
        log_predictive
    } else {
        -1e300
    };
    // Ψ gains κ/(κ + 1) (x − μ)(x − μ)ᵀ: a rank-one update of its factor.
    let weight = (*kappa / (*kappa + 1.0)).sqrt();
    for i in 0..d {
        mean[i] += step[i] / (*kappa + 1.0);
        step[i] *= weight;
    }
    for j in 0..d {
        let pivot = factor[j * d + j];
        let grown = pivot.hypot(step[j]);
        let (c, s) = (grown / pivot, step[j] / pivot);
        factor[j * d + j] = grown;
        for i in j + 1..d {
            factor[i * d + j] = (factor[i * d + j] + s * step[i]) / c;
            step[i] = c * step[i] - s * factor[i * d + j];
        }
    }
    *kappa += 1.0;
    *nu += 1.0;
    log_predictive
}

/// Bayesian online change-point detection.
///
/// ```
/// use thermograd::phase_transition::change_point::{
///     NormalInverseGamma, OnlineChangePoints, OnlineConfig,
/// };
/// let prior = NormalInverseGamma { mean: 0.0, mean_weight: 1.0, shape: 1.0, rate: 1.0 };
/// let mut detector = OnlineChangePoints::new(&OnlineConfig::scalar(prior).hazard(0.5))?;
/// detector.push(&[0.0])?;
/// // Student t of 2 degrees of freedom and squared scale 2, at its centre: 1/4.
/// assert!((detector.log_evidence() - 0.25_f64.ln()).abs() < 1e-12);
/// detector.push(&[0.0])?;
/// // Going on: t of 3 degrees of freedom, squared scale 1, at its centre: 2/(π√3).
/// let (on, anew) = (2.0 / (std::f64::consts::PI * 3_f64.sqrt()), 0.25);
/// assert!((detector.run_length_probability(1) - anew / (anew + on)).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct OnlineChangePoints {
    family: Family,
    prior_row: Vec<f64>,
    /// `ln h` and `ln (1 − h)`.
    log_hazard: (f64, f64),
    capacity: usize,
    /// Run length and log posterior.
    runs: Vec<(u64, f64)>,
    rows: Vec<f64>,
    work: Vec<f64>,
    seen: u64,
    log_evidence: f64,
    largest_truncation: f64,
}

impl OnlineChangePoints {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// A hazard outside `[0, 1)`, a capacity below 2 or too large for the dimension, a prior out of range.
    pub fn new(config: &OnlineConfig) -> Result<Self, Error> {
        if !(0.0..1.0).contains(&config.hazard) {
            return Err(Error::OutOfRange {
                what: "hazard",
                value: config.hazard,
                allowed: "a probability below 1",
            });
        }
        let (family, prior_row) = prepare(&config.prior)?;
        let row = family.row_length();
        let largest = (LARGEST_STATE / row.max(1)).saturating_sub(1);
        if config.capacity < 2 || config.capacity > largest {
            return Err(Error::OutOfRange {
                what: "capacity",
                value: config.capacity as f64,
                allowed: "2 run lengths or more, and at most 2^25 numbers in all their statistics",
            });
        }
        let dimension = family.dimension();
        Ok(Self {
            family,
            log_hazard: (config.hazard.ln(), (-config.hazard).ln_1p()),
            capacity: config.capacity,
            runs: Vec::with_capacity(config.capacity + 1),
            rows: vec![0.0; row * (config.capacity + 1)],
            work: vec![0.0; row + 2 * dimension],
            prior_row,
            seen: 0,
            log_evidence: 0.0,
            largest_truncation: 0.0,
        })
    }

    /// Takes in one observation and returns the log-density with which it was predicted.
    ///
    /// # Errors
    /// A length that is not the prior's dimension; a non-finite or overflowing element. Nothing is
    /// recorded then.
    pub fn push(&mut self, x: &[f64]) -> Result<f64, Error> {
        check_length("observation", self.family.dimension(), x.len())?;
        check_magnitude("observation", x)?;
        let row = self.family.row_length();
        let (go_on, anew) = if self.seen == 0 {
            (f64::NEG_INFINITY, 0.0)
        } else {
            (self.log_hazard.1, self.log_hazard.0)
        };
        let (scratch, work) = self.work.split_at_mut(row);
        for (i, (length, log_weight)) in self.runs.iter_mut().enumerate() {
            let state = &mut self.rows[i * row..(i + 1) * row];
            *log_weight += go_on + self.family.absorb(state, x, work);
            *length += 1;
        }
        scratch.copy_from_slice(&self.prior_row);
        let fresh = anew + self.family.absorb(scratch, x, work);
        if fresh > f64::NEG_INFINITY {
            let at = self.runs.len();
            self.rows[at * row..(at + 1) * row].copy_from_slice(scratch);
            self.runs.push((1, fresh));
        }
        let total = self.normalise();
        self.seen += 1;
        self.log_evidence += total;
        if self.runs.len() > self.capacity {
            self.drop_least(row);
        }
        Ok(total)
    }

    fn normalise(&mut self) -> f64 {
        let largest = self
            .runs
            .iter()
            .fold(f64::NEG_INFINITY, |m, run| m.max(run.1));
        let sum: f64 = self.runs.iter().map(|run| (run.1 - largest).exp()).sum();
        let total = largest + sum.ln();
        for run in &mut self.runs {
            run.1 -= total;
        }
        total
    }

    fn drop_least(&mut self, row: usize) {
        let least = (0..self.runs.len()).min_by(|&a, &b| self.runs[a].1.total_cmp(&self.runs[b].1));
        if let Some(at) = least {
            let (_, log_weight) = self.runs.swap_remove(at);
            let last = self.runs.len();
            if at < last {
                self.rows
                    .copy_within(last * row..(last + 1) * row, at * row);
            }
            self.largest_truncation = self.largest_truncation.max(log_weight.exp());
            self.normalise();
        }
    }

    /// `ln P(x₁…ₜ)`; exact until run lengths are dropped.
    pub const fn log_evidence(&self) -> f64 {
        self.log_evidence
    }

    /// Observations so far.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Posterior probability that the current segment has this many observations.
    pub fn run_length_probability(&self, length: u64) -> f64 {
        self.probability(|r| r == length)
    }

    /// Posterior probability that the current segment began within the last `steps`
    /// observations; the start of the data is no change.
    pub fn probability_of_change_within(&self, steps: u64) -> f64 {
        self.probability(|r| r <= steps && r < self.seen)
    }

    fn probability(&self, chosen: impl Fn(u64) -> bool) -> f64 {
        self.runs
            .iter()
            .filter(|run| chosen(run.0))
            .map(|run| run.1.exp())
            .sum()
    }

    /// The most probable run length, `None` before the first observation.
    pub fn most_probable_run_length(&self) -> Option<u64> {
        self.runs
            .iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|run| run.0)
    }

    /// Every run length kept with its posterior probability, in no particular order.
    pub fn posterior(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        self.runs.iter().map(|run| (run.0, run.1.exp()))
    }

    /// The largest probability that truncation dropped in one step; 0 while there was room.
    pub const fn largest_truncation(&self) -> f64 {
        self.largest_truncation
    }
}

/// The family and the row of a segment without observations.
fn prepare(prior: &Prior) -> Result<(Family, Vec<f64>), Error> {
    match prior {
        Prior::Independent(priors) => {
            if priors.is_empty() {
                return Err(Error::Empty {
                    place: "prior".to_owned(),
                    remedy: "give one prior for each coordinate",
                });
            }
            let mut row = Vec::with_capacity(5 * priors.len());
            for p in priors {
                p.validate()?;
                row.extend([
                    p.mean,
                    p.mean_weight,
                    p.shape,
                    p.rate,
                    ln_gamma_half(p.shape),
                ]);
            }
            Ok((Family::Independent(priors.clone()), row))
        }
        Prior::Joint(prior) => {
            let d = prior.mean.len();
            if d == 0 {
                return Err(Error::Empty {
                    place: "prior mean".to_owned(),
                    remedy: "give one element for each coordinate",
                });
            }
            let square = d.saturating_mul(d);
            check_length("scale matrix of the prior", square, prior.scale.len())?;
            check_magnitude("prior mean", &prior.mean)?;
            check_magnitude("scale matrix of the prior", &prior.scale)?;
            check_scale("weight of the prior mean", prior.mean_weight)?;
            if !(prior.degrees > d as f64 - 1.0 && prior.degrees <= MOST_CERTAIN) {
                return Err(Error::OutOfRange {
                    what: "degrees of freedom of the prior",
                    value: prior.degrees,
                    allowed: "a number above the dimension less one and at most 1e12",
                });
            }
            let matrix = nalgebra::DMatrix::from_row_slice(d, d, &prior.scale);
            let asymmetry = (&matrix - matrix.transpose()).amax();
            let Some(cholesky) = matrix
                .clone()
                .cholesky()
                .filter(|_| asymmetry <= 1e-12 * matrix.amax())
            else {
                return Err(Error::Conflict {
                    what: "the scale matrix of the prior is not symmetric and positive definite",
                    remedy: "give a covariance matrix times the degrees of freedom",
                });
            };
            let factor = cholesky.l();
            let mut row = prior.mean.clone();
            row.extend((0..square).map(|i| factor[(i / d, i % d)]));
            row.extend([prior.mean_weight, prior.degrees]);
            Ok((Family::Joint { dimension: d }, row))
        }
    }
}
