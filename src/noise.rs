//! Gradient noise: tr Σ of the step that is taken, from whatever a training loop has.
//!
//! The bath's temperature is m tr Σ/(2d), with Σ the covariance of the gradient *of the actual
//! step*. Every source below gives an unbiased estimate of it, and of the squared mean gradient
//! |∇L|², as a [`GradientNoise`] that a snapshot hands over by
//! [`Collector::noise`](crate::Collector::noise):
//!
//! | what there is | source | what is sent or stored |
//! |---|---|---|
//! | a second batch at the same weights | [`Piece::second_gradient`](crate::Piece::second_gradient) | one gradient |
//! | K accumulated micro-batches | [`GradientVariance`] | one mean gradient |
//! | R data-parallel replicas | [`Replicas`] | one number a rank |
//! | gradients of two batch sizes | [`TwoBatchSizes`] | two numbers |
//!
//! With K equal parts of covariance Σ₁ each the step's gradient is their mean, and its noise is
//! Σ₁/K: the spread of the parts over K, not the spread itself. Replicas are the same thing, and
//! both are the case b, Kb of two batch sizes (McCandlish et al., arXiv 1812.06162, appendix A):
//!
//! <!-- math
//! |\nabla L|^2 = \frac{B|g_B|^2 - b|g_b|^2}{B-b}, \qquad S = \frac{|g_b|^2-|g_B|^2}{1/b-1/B}, \qquad \operatorname{tr}\Sigma_B = S/B
//! -->
#![doc = include_str!("math/noise_1.html")]
//!
//! with S the noise of a single example. In one step either may come out negative. That is what
//! keeps them unbiased, and they are passed on as they are: the observer averages them first and
//! takes ratios after. The mean of the ratios S/|∇L|² would be off by a factor of two where the
//! signal is weak.
//!
//! # Noise scale
//! B = S/|∇L|² is the batch at which noise and signal are equally long ([`scale`]). Larger
//! batches buy little beyond it. The optimiser's own metric gives tr(DΣ₁)/(∇L·D∇L)
//! ([`critical_batch_size`]), which for plain SGD is the same number and for Adam weights each
//! coordinate by its step. Where the signal cannot be told from zero both are undefined with that
//! reason, and not an enormous or a negative number.
//!
//! # Finite data sets
//! A batch drawn without replacement from N examples has noise S(1/B − 1/N), S with N−1 in its
//! denominator; the whole set has none at all. All sources above include this factor by
//! themselves, except [`TwoBatchSizes`], [`Replicas`] and [`GradientVariance`] when the parts
//! exclude each other within one step: their S is then that of an infinite set, high by the
//! fraction B/N.
//!
//! # When it lies
//! Random reshuffling: batches of one epoch are anti-correlated, each pair by −S/N, and what the
//! steps of an epoch add up to is nearly noiseless. Modes slower than an epoch are colder than
//! the noise of one step says, by [`reshuffling_factor`]: a few thousandths for a mode that takes
//! many epochs. The temperature from per-step noise is then an upper bound. Batch normalisation
//! and dropout make the gradient's mean depend on the batch size; estimates from two sizes
//! contain that difference.

use crate::snapshot::View;
use crate::sums::{LEAF, lanes};
use crate::{Ensemble, Error, Moment, Reading, Reason};

/// An unbiased estimate of a step's gradient noise. Over tensors, pieces and shards it adds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GradientNoise {
    /// tr Σ of the step's gradient. May be negative in a single step.
    pub trace: f64,
    /// |∇L|². May be negative in a single step.
    pub signal: f64,
}

impl GradientNoise {
    /// An estimate of your own.
    pub const fn new(trace: f64) -> Self {
        Self { trace, signal: 0.0 }
    }

    /// The same with an unbiased |∇L|².
    #[must_use]
    pub const fn signal(mut self, signal: f64) -> Self {
        self.signal = signal;
        self
    }

    /// Adds the estimate for other coordinates.
    pub fn merge(&mut self, other: &Self) {
        self.trace += other.trace;
        self.signal += other.signal;
    }

    pub(crate) fn check(&self, group: &str) -> Result<(), Error> {
        for (index, value) in [self.trace, self.signal].into_iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::NonFinite {
                    place: format!("group {group:?}, noise estimate"),
                    index,
                    value,
                });
            }
        }
        Ok(())
    }
}

/// Variance of micro-batch gradients while they are accumulated: Welford's recursion on a vector.
///
/// Memory is one `f64` a coordinate, the mean, which is the accumulated gradient itself.
///
/// # The law
/// `GradientVariance::default()` is the identity, and [`merge`](Self::merge) (Chan, Golub and
/// `LeVeque`, 1983) gives what pushing both sequences gives, up to rounding.
///
/// ```
/// use thermograd::noise::GradientVariance;
/// let mut parts = GradientVariance::default();
/// for g in [[1.0_f64, 0.0], [3.0, 0.0], [2.0, 3.0]] {
///     parts.push(&g)?;
/// }
/// assert_eq!(parts.mean(), [2.0, 1.0]);
/// // (1 + 1 + 0)/2 + (1 + 1 + 4)/2 = 4 for one part, a third of it for their mean.
/// assert!((parts.trace().ready().unwrap() - 4.0).abs() < 1e-15);
/// let noise = parts.noise();
/// assert!((noise.ready().unwrap().trace - 4.0 / 3.0).abs() < 1e-15);
/// // |mean|² − tr Σ/3.
/// assert!((noise.ready().unwrap().signal - (5.0 - 4.0 / 3.0)).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GradientVariance {
    count: u64,
    mean: Vec<f64>,
    /// Σ|g − mean|².
    spread: f64,
}

impl GradientVariance {
    /// Takes in the gradient of one micro-batch. All must be of one size. After the first, no
    /// allocation.
    ///
    /// # Errors
    /// No elements, another length than before, an element that is not finite, squares that
    /// overflow. The state is then as before.
    pub fn push<'a>(&mut self, gradient: impl Into<View<'a>>) -> Result<(), Error> {
        let gradient = gradient.into();
        let place = || "micro-batch gradient".to_owned();
        if gradient.is_empty() {
            return Err(Error::Empty {
                place: "a micro-batch gradient".to_owned(),
                remedy: "leave out tensors without elements",
            });
        }
        if self.count > 0 && gradient.len() != self.mean.len() {
            return Err(Error::LengthMismatch {
                place: place(),
                expected: self.mean.len(),
                found: gradient.len(),
            });
        }
        let len = self.mean.len();
        if self.count == 0 {
            // What the first is compared with; nothing yet as far as anybody can see.
            self.mean.clear();
            self.mean.resize(gradient.len(), 0.0);
        }
        let taken = self.take(gradient);
        if self.count == 0 {
            self.mean.clear();
            self.mean.resize(len, 0.0);
        }
        taken
    }

    fn take(&mut self, gradient: View<'_>) -> Result<(), Error> {
        let place = || "micro-batch gradient".to_owned();
        let weight = 1.0 / (self.count as f64 + 1.0);
        let mut tile = [0.0; LEAF];
        let mut apart = 0.0;
        for (start, mean) in chunks(&self.mean) {
            let tile = &mut tile[..mean.len()];
            gradient.widen(start, tile);
            if let Some(i) = tile.iter().position(|x| !x.is_finite()) {
                return Err(Error::NonFinite {
                    place: place(),
                    index: start + i,
                    value: tile[i],
                });
            }
            apart += lanes(tile, mean, |g, m| (g - m) * (g - m));
        }
        let spread = if self.count > 0 {
            self.spread + apart * (1.0 - weight)
        } else {
            self.spread
        };
        if !(apart + spread).is_finite() {
            let mut largest = 0.0_f64;
            for (start, mean) in chunks(&self.mean) {
                let tile = &mut tile[..mean.len()];
                gradient.widen(start, tile);
                largest = tile.iter().fold(largest, |most, x| most.max(x.abs()));
            }
            return Err(Error::Overflow {
                place: place(),
                largest,
            });
        }
        let mut start = 0;
        for mean in self.mean.chunks_mut(LEAF) {
            let tile = &mut tile[..mean.len()];
            gradient.widen(start, tile);
            start += mean.len();
            for (m, &g) in mean.iter_mut().zip(&*tile) {
                *m += (g - *m) * weight;
            }
        }
        self.spread = spread;
        self.count += 1;
        Ok(())
    }

    /// Takes in the micro-batches that another worker has accumulated.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] for gradients of another length, [`Error::Overflow`] for squares
    /// that do. The state is then as before.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if other.count == 0 {
            return Ok(());
        }
        if self.count == 0 {
            self.clone_from(other);
            return Ok(());
        }
        if self.mean.len() != other.mean.len() {
            return Err(Error::LengthMismatch {
                place: "micro-batch gradient".to_owned(),
                expected: self.mean.len(),
                found: other.mean.len(),
            });
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let mut apart = 0.0;
        for ((start, mine), theirs) in chunks(&self.mean).zip(other.mean.chunks(LEAF)) {
            debug_assert!(start % LEAF == 0);
            apart += lanes(mine, theirs, |x, y| (x - y) * (x - y));
        }
        let spread = self.spread + other.spread + apart * (a * b / (a + b));
        if !(apart + spread).is_finite() {
            let size = |most: f64, x: &f64| most.max(x.abs());
            return Err(Error::Overflow {
                place: "micro-batch gradient".to_owned(),
                largest: self.mean.iter().chain(&other.mean).fold(0.0, size),
            });
        }
        for (m, &t) in self.mean.iter_mut().zip(&other.mean) {
            *m += (t - *m) * (b / (a + b));
        }
        self.spread = spread;
        self.count = self.count.saturating_add(other.count);
        Ok(())
    }

    /// Forgets the micro-batches and keeps the memory: call it after each optimiser step.
    pub fn clear(&mut self) {
        self.count = 0;
        self.spread = 0.0;
        self.mean.fill(0.0);
    }

    /// Micro-batches so far.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their mean: the gradient of the accumulated step.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Unbiased tr Σ₁ of a single micro-batch's gradient.
    pub fn trace(&self) -> Reading<f64> {
        if self.count < 2 {
            return Reading::Pending {
                seen: self.count,
                needed: 2,
            };
        }
        Reading::Ready(self.spread / (self.count as f64 - 1.0))
    }

    /// The noise of the accumulated step, tr Σ₁/K, and |mean|² − tr Σ₁/K.
    pub fn noise(&self) -> Reading<GradientNoise> {
        let square: f64 = self
            .mean
            .chunks(LEAF)
            .map(|m| lanes(m, m, |a, b| a * b))
            .sum();
        self.trace().map(|one| {
            let trace = one / self.count as f64;
            GradientNoise {
                trace,
                signal: square - trace,
            }
        })
    }
}

fn chunks(values: &[f64]) -> impl Iterator<Item = (usize, &[f64])> {
    values
        .chunks(LEAF)
        .enumerate()
        .map(|(i, chunk)| (i * LEAF, chunk))
}

/// The gradient of one batch, known by its length alone.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchGradient {
    /// Examples in the batch.
    pub batch_size: usize,
    /// |g|².
    pub squared_norm: f64,
}

impl BatchGradient {
    fn check(&self) -> Result<(), Error> {
        if self.batch_size == 0 {
            return Err(Error::OutOfRange {
                what: "batch size",
                value: 0.0,
                allowed: "at least 1",
            });
        }
        if !(0.0..1e300).contains(&self.squared_norm) {
            return Err(Error::OutOfRange {
                what: "squared norm of a gradient",
                value: self.squared_norm,
                allowed: "a number from 0 to 1e300",
            });
        }
        Ok(())
    }
}

/// Gradients of two batch sizes at the same weights.
///
/// ```
/// use thermograd::noise::{BatchGradient, TwoBatchSizes};
/// let pair = TwoBatchSizes {
///     small: BatchGradient { batch_size: 2, squared_norm: 9.0 },
///     large: BatchGradient { batch_size: 8, squared_norm: 6.0 },
/// };
/// // S = (9 − 6)/(1/2 − 1/8) = 8, tr Σ = S/8, |∇L|² = (8·6 − 2·9)/6.
/// let noise = pair.noise()?;
/// assert!((noise.trace - 1.0).abs() < 1e-15);
/// assert!((noise.signal - 5.0).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TwoBatchSizes {
    /// The gradient of a small batch, or the mean squared norm over several of one size.
    pub small: BatchGradient,
    /// The gradient of a large batch: the one that the step is taken with.
    pub large: BatchGradient,
}

impl TwoBatchSizes {
    /// The noise of the step with the large batch. Both numbers may be negative.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an empty batch, a squared norm below 0 or not finite, or a large
    /// batch that is not the larger; [`Error::Overflow`] where sizes so alike make it so large.
    pub fn noise(&self) -> Result<GradientNoise, Error> {
        self.small.check()?;
        self.large.check()?;
        let (b, large) = (self.small.batch_size as f64, self.large.batch_size as f64);
        if self.large.batch_size <= self.small.batch_size {
            return Err(Error::OutOfRange {
                what: "size of the large batch",
                value: large,
                allowed: "a number above the size of the small one",
            });
        }
        let (small_square, square) = (self.small.squared_norm, self.large.squared_norm);
        // tr Σ_B = S/B with S = (|g_b|² − |g_B|²)/(1/b − 1/B), multiplied out.
        let trace = (small_square - square) * b / (large - b);
        if !trace.is_finite() {
            return Err(Error::Overflow {
                place: "two batch sizes".to_owned(),
                largest: small_square.max(square),
            });
        }
        Ok(GradientNoise {
            trace,
            signal: square - trace,
        })
    }
}

/// Data-parallel replicas: each rank gives the squared norm of its local gradient, a single
/// number, and the averaged gradient is there anyway.
///
/// # The law
/// Two sets of ranks [`merge`](Self::merge) by addition, so that one all-reduce of
/// [`Replicas::to_array`] does it.
///
/// ```
/// use thermograd::noise::{BatchGradient, Replicas};
/// let mut replicas = Replicas::default();
/// // Local gradients (3, 0) and (1, 2), mean (2, 1).
/// replicas.push(BatchGradient { batch_size: 16, squared_norm: 9.0 })?;
/// replicas.push(BatchGradient { batch_size: 16, squared_norm: 5.0 })?;
/// let noise = replicas.noise(5.0)?;
/// // Σ|g_r − ḡ|²/(R−1) = 4 for one rank, half of it for the mean of two.
/// assert!((noise.ready().unwrap().trace - 2.0).abs() < 1e-15);
/// assert!((noise.ready().unwrap().signal - 3.0).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Replicas {
    count: f64,
    batch: f64,
    batch_squares: f64,
    squares: f64,
}

impl Replicas {
    /// Adds one rank's local gradient.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an empty batch or a squared norm below 0 or not finite;
    /// [`Error::Conflict`] for a batch of another size than before.
    pub fn push(&mut self, local: BatchGradient) -> Result<(), Error> {
        local.check()?;
        let batch = local.batch_size as f64;
        let mut next = *self;
        next.count += 1.0;
        next.batch += batch;
        next.batch_squares += batch * batch;
        next.squares += local.squared_norm;
        next.check_equal()?;
        *self = next;
        Ok(())
    }

    /// Adds other ranks.
    ///
    /// # Errors
    /// [`Error::Conflict`] for batches of another size.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        let sum = Self {
            count: self.count + other.count,
            batch: self.batch + other.batch,
            batch_squares: self.batch_squares + other.batch_squares,
            squares: self.squares + other.squares,
        };
        sum.check_equal()?;
        *self = sum;
        Ok(())
    }

    /// Four numbers for an all-reduce by addition.
    pub const fn to_array(&self) -> [f64; 4] {
        [self.count, self.batch, self.batch_squares, self.squares]
    }

    /// The inverse of [`Replicas::to_array`], after the reduction.
    ///
    /// # Errors
    /// [`Error::Conflict`] for ranks of unequal batches, [`Error::Corrupt`] for numbers that no
    /// ranks have.
    pub fn from_array(flat: [f64; 4]) -> Result<Self, Error> {
        let [count, batch, batch_squares, squares] = flat;
        let whole = |x: f64| x >= 0.0 && x.fract() == 0.0 && x < 2f64.powi(53);
        let fits = whole(count) && whole(batch) && batch >= count && squares >= 0.0;
        if !(fits && batch_squares.is_finite() && squares.is_finite()) {
            return Err(Error::Corrupt {
                what: "replicas",
                place: format!("{flat:?}"),
            });
        }
        let replicas = Self {
            count,
            batch,
            batch_squares,
            squares,
        };
        replicas.check_equal()?;
        Ok(replicas)
    }

    fn check_equal(&self) -> Result<(), Error> {
        if !self.to_array().iter().all(|x| x.is_finite()) {
            return Err(Error::Overflow {
                place: "sums over replicas".to_owned(),
                largest: f64::MAX,
            });
        }
        // Cauchy-Schwarz: equality only for equal batches.
        let excess = self.batch_squares * self.count - self.batch * self.batch;
        if excess > 1e-9 * self.batch * self.batch {
            return Err(Error::Conflict {
                what: "replicas of unequal batch",
                remedy: "give every rank the same number of examples, or leave the odd one out of average and noise",
            });
        }
        Ok(())
    }

    /// The noise of the step with the averaged gradient, whose squared norm is given:
    /// tr Σ = (mean|g_r|² − |ḡ|²)/(R−1).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a squared norm below 0 or not finite.
    pub fn noise(&self, averaged_squared_norm: f64) -> Result<Reading<GradientNoise>, Error> {
        let averaged = BatchGradient {
            batch_size: 1,
            squared_norm: averaged_squared_norm,
        };
        averaged.check()?;
        if self.count < 2.0 {
            return Ok(Reading::Pending {
                seen: u64::from(self.count > 0.0),
                needed: 2,
            });
        }
        let mean_square = self.squares / self.count;
        let trace = (mean_square - averaged_squared_norm) / (self.count - 1.0);
        Ok(Reading::Ready(GradientNoise {
            trace,
            signal: averaged_squared_norm - trace,
        }))
    }
}

/// Gradient noise scale `B_simple` = ⟨tr Σ₁⟩/⟨|∇L|²⟩ in examples, the ratio of two means.
///
/// ```
/// use thermograd::{noise, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::of(&[1.0_f64], &[1.0_f64])?;
/// let mut e = Ensemble::default();
/// // Two steps of batch 4: tr Σ = 3 and 1, |∇L|² = 1 and −0.5, negative by chance.
/// for (trace, signal) in [(3.0, 1.0), (1.0, -0.5)] {
///     (sums.trace_count, sums.trace, sums.signal) = (1.0, trace, signal);
///     e.push(&Step::new(0.0).batch_size(4), None, &sums, Symmetry::Generic);
/// }
/// assert_eq!(noise::scale(&e), Some(4.0 * 2.0 / 0.25));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn scale(e: &Ensemble) -> Option<f64> {
    let signal = e.mean(Moment::SignalSquared).filter(|&s| s != 0.0)?;
    Some(e.mean(Moment::ExampleNoise)? / signal)
}

/// Critical batch size ⟨tr(DΣ₁)⟩/⟨∇L·D∇L⟩ in examples: the noise scale in the optimiser's own
/// metric, D = 1 without a preconditioner.
///
/// It takes the curvature to be D⁻¹ up to a factor, which is what a preconditioner is meant for.
///
/// ```
/// use thermograd::{noise, Ensemble, Optimizer, Piece, Step, Sums, Symmetry};
/// // g, g₂ = (3, 1), (3, −1): signal in the first coordinate, noise of variance 2 in the second.
/// let piece = Piece::new(&[1.0_f64, 1.0], &[3.0_f64, 1.0])
///     .second_gradient(&[3.0_f64, -1.0])
///     .preconditioner(&[1.0_f64, 0.1]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let step = Step::new(0.0).learning_rate(0.1).batch_size(4).optimizer(Optimizer::ADAM);
/// let mut e = Ensemble::default();
/// e.push(&step, None, &sums, Symmetry::Generic);
/// // tr(DΣ) = 0.1·2 and g·Dg₂ = 9 − 0.1.
/// assert!((noise::critical_batch_size(&e).unwrap() - 4.0 * 0.2 / 8.9).abs() < 1e-12);
/// // Without D: tr Σ = 2 and g·g₂ = 9 − 1.
/// assert_eq!(noise::scale(&e), Some(4.0 * 2.0 / 8.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn critical_batch_size(e: &Ensemble) -> Option<f64> {
    let signal = e.mean(Moment::PreconditionedSignal).filter(|&s| s != 0.0)?;
    Some(e.mean(Moment::ExampleHeat)? / signal)
}

impl GradientNoise {
    /// Noise scale of averaged estimates from batches of this size; undefined where the averaged
    /// signal is not positive.
    ///
    /// ```
    /// use thermograd::noise::GradientNoise;
    /// let mean = GradientNoise::new(2.0).signal(0.5);
    /// assert_eq!(mean.scale(4)?.ready(), Some(&16.0));
    /// let weak = GradientNoise::new(2.0).signal(-0.1).scale(4)?;
    /// assert!(weak.to_string().starts_with("undefined: meaningless: "));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an empty batch, [`Error::NonFinite`] for estimates that are not
    /// finite.
    pub fn scale(&self, batch_size: usize) -> Result<Reading<f64>, Error> {
        self.check("all")?;
        if batch_size == 0 {
            return Err(Error::OutOfRange {
                what: "batch size",
                value: 0.0,
                allowed: "at least 1",
            });
        }
        Ok(if self.trace < 0.0 {
            Reading::Undefined(Reason::Meaningless(
                "the noise came out negative: average more steps before the ratio",
            ))
        } else if self.signal > 0.0 {
            let scale = batch_size as f64 * self.trace / self.signal;
            if scale.is_finite() {
                Reading::Ready(scale)
            } else {
                Reading::Undefined(Reason::DividesByNoise("the squared mean gradient"))
            }
        } else {
            Reading::Undefined(Reason::Meaningless(
                "the squared mean gradient came out negative: average more steps before the ratio",
            ))
        })
    }
}

/// Noise of a batch without replacement over that of a single example, 1/B − 1/N: exactly zero
/// for the whole data set.
///
/// ```
/// use thermograd::noise::without_replacement;
/// assert_eq!(without_replacement(2, 8)?, 0.375);
/// assert_eq!(without_replacement(49, 49)?, 0.0);
/// assert!(without_replacement(9, 8).is_err());
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for an empty batch or one larger than the data set.
pub fn without_replacement(batch_size: usize, data_set_size: usize) -> Result<f64, Error> {
    if batch_size == 0 || batch_size > data_set_size {
        return Err(Error::OutOfRange {
            what: "batch size",
            value: batch_size as f64,
            allowed: "from 1 to the data-set size",
        });
    }
    let (batch, data) = (batch_size as f64, data_set_size as f64);
    Ok((data - batch) / (batch * data))
}

/// How much colder a mode is under random reshuffling than under independent batches of the same
/// noise: the ratio of its variances at the end of an epoch, exact for a quadratic without
/// momentum.
///
/// A mode of curvature a under learning rate η shrinks by 1−x in a step, x = ηa = `decay`. An
/// epoch of n batches whose noise adds up to zero leaves it with
///
/// <!-- math
/// \frac{V_\mathrm{reshuffled}}{V_\mathrm{independent}} = \Bigl[\sum_t c_t^2 - \tfrac1n\bigl(\sum_t c_t\bigr)^2\Bigr] \frac{1-(1-x)^2}{1-(1-x)^{2n}}, \qquad c_t = (1-x)^t
/// -->
#[doc = include_str!("math/noise_2.html")]
///
/// with S² the per-step variance with n−1 in its denominator. It tends to (nx)²/12 for slow
/// modes. To a relative 1e−5.
///
/// ```
/// use thermograd::noise::reshuffling_factor;
/// // n = 2, x = 1/2: [1 + 1/4 − (3/2)²/2]·(3/4)/(15/16).
/// assert!((reshuffling_factor(2, 0.5)? - 0.125 * 0.8).abs() < 1e-15);
/// // One batch an epoch is the whole data set: no noise.
/// assert_eq!(reshuffling_factor(1, 0.5)?, 0.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for no batches, or x outside (0, 2).
pub fn reshuffling_factor(batches: u64, decay: f64) -> Result<f64, Error> {
    if batches == 0 {
        return Err(Error::OutOfRange {
            what: "batches in an epoch",
            value: 0.0,
            allowed: "at least 1",
        });
    }
    if !(decay > 0.0 && decay < 2.0) {
        return Err(Error::OutOfRange {
            what: "learning rate times curvature",
            value: decay,
            allowed: "a number in (0, 2)",
        });
    }
    let (n, x) = (batches as f64, decay);
    // (1−x)^k − 1, without cancellation for small x.
    let shrink = |k: f64| {
        if x < 1.0 {
            (k * (-x).ln_1p()).exp_m1()
        } else {
            let sign = if k % 2.0 == 0.0 { 1.0 } else { -1.0 };
            sign * (x - 1.0).powf(k) - 1.0
        }
    };
    let whole = -shrink(2.0 * n);
    let one = x * (2.0 - x);
    let scatter = if batches <= 4096 {
        let mean = (0..batches).map(|t| shrink(t as f64)).sum::<f64>() / n;
        (0..batches)
            .map(|t| (shrink(t as f64) - mean).powi(2))
            .sum::<f64>()
    } else if n * x > 1e-5 {
        let sum = -shrink(n) / x;
        whole / one - sum * sum / n
    } else {
        x * x * n * (n * n - 1.0) / 12.0
    };
    Ok(scatter * one / whole)
}
