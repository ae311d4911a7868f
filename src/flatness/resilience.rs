//! How much noise in its weights a network bears.
//!
//! The loss is averaged over Gaussian noise of relative size σ, and the scale at which it has doubled is
//! the resilience. Noise comes in two kinds. [`Noise::Isotropic`] has the standard deviation σ in every weight;
//! in a bowl
//!
//! <!-- math
//! \mathrm{E}\, L(w + \sigma u) = L(w) + \frac{\sigma^2}{2} \operatorname{tr} H, \qquad \sigma_2 = \sqrt{\frac{2L}{\operatorname{tr} H}}
//! -->
#![doc = include_str!("../math/flatness_resilience.html")]
//!
//! so its resilience is the trace in other words. [`Noise::Filters`] gives each filter (a row of a weight
//! matrix, an output channel) noise of σ times the filter's own norm (Li et al., arXiv 1712.09913):
//! a network whose rows may be rescaled without changing what it computes then keeps its resilience,
//! which neither trace nor σ₂ of isotropic noise does.
//!
//! The thermal scale of noise, [`thermal_scale`], is σ_T = √(T d/tr H): a bath at T strays so far from a bowl's minimum in a
//! typical direction, and isotropic noise of that size costs T d/2 on average, as the bath itself does.
//!
//! Directions are drawn once and used at every scale, each with its opposite: the slope and all odd terms drop out, and the curve over σ is smooth. The
//! standard error is over directions. It lies where few directions dominate: the mean over Gaussian noise
//! is then that of rare, sharp draws, and the median network suffers less than the mean.

use crate::curvature::objective::{check_loss, check_weights, norm};
use crate::curvature::{Coordinates, Loss, Trace};
use crate::systems::Random;
use crate::{Error, Estimate, Reading, Reason};

/// The law of the noise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Noise {
    /// Standard deviation σ in every weight; σ has the unit of a weight.
    Isotropic,
    /// Each filter gets noise of exactly σ times its norm, in a random direction; σ is a pure
    /// number. Weights outside of all filters (biases, affine parts of a normalisation) get none.
    Filters(Vec<Coordinates>),
}

impl Noise {
    /// Filters that are the rows of a matrix, `width` weights each, over the whole vector.
    ///
    /// ```
    /// use thermograd::flatness::Noise;
    /// assert!(Noise::rows(6, 3).is_ok() && Noise::rows(6, 4).is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless the width divides the number of weights.
    pub fn rows(weights: usize, width: usize) -> Result<Self, Error> {
        if width == 0
            || !weights.is_multiple_of(width)
            || !(1..=1 << 24).contains(&(weights / width))
        {
            return Err(Error::OutOfRange {
                what: "width of a row",
                value: width as f64,
                allowed: "a divisor of the number of weights that makes 1 to 16777216 rows",
            });
        }
        let row = |i: usize| Coordinates::range(i * width..(i + 1) * width);
        (0..weights / width)
            .map(row)
            .collect::<Result<_, _>>()
            .map(Self::Filters)
    }

    /// One filter a group of coordinates, as the layers of a network.
    pub fn filters(filters: impl IntoIterator<Item = Coordinates>) -> Self {
        Self::Filters(filters.into_iter().collect())
    }

    fn check(&self, weights: &[f64]) -> Result<(), Error> {
        if let Self::Filters(filters) = self {
            if filters.is_empty() {
                return Err(Error::Empty {
                    place: "the filters".to_owned(),
                    remedy: "give at least one, or isotropic noise",
                });
            }
            for filter in filters {
                filter.check(weights.len())?;
            }
        }
        Ok(())
    }

    /// A direction at scale 1.
    fn draw(&self, weights: &[f64], random: &mut Random) -> Vec<f64> {
        match self {
            Self::Isotropic => weights.iter().map(|_| random.normal()).collect(),
            Self::Filters(filters) => {
                let mut out = vec![0.0; weights.len()];
                for filter in filters {
                    let own: Vec<f64> = filter.iter_of(weights).copied().collect();
                    let noise: Vec<f64> = own.iter().map(|_| random.normal()).collect();
                    let scale = norm(&own) / norm(&noise).max(f64::MIN_POSITIVE);
                    let mut noise = noise.into_iter();
                    for range in filter.as_ranges() {
                        for place in out.get_mut(range.clone()).unwrap_or(&mut []) {
                            *place += scale * noise.next().unwrap_or(0.0);
                        }
                    }
                }
                out
            }
        }
    }
}

/// What [`resilience`] tries.
///
/// ```
/// use thermograd::flatness::{Noise, ResilienceConfig};
/// let config = ResilienceConfig::new(Noise::rows(64, 16)?).scales(&[0.05, 0.1, 0.2]).directions(32);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ResilienceConfig {
    noise: Noise,
    scales: Vec<f64>,
    directions: usize,
    factor: f64,
    search: (f64, f64),
    seed: u64,
}

impl ResilienceConfig {
    /// Noise of this law, 16 directions, no curve, and the search for the scale at which the loss doubles.
    pub const fn new(noise: Noise) -> Self {
        Self {
            noise,
            scales: Vec::new(),
            directions: 16,
            factor: 2.0,
            search: (1e-4, 10.0),
            seed: 0,
        }
    }

    /// Scales σ at which to tell the mean loss.
    #[must_use]
    pub fn scales(mut self, scales: &[f64]) -> Self {
        self.scales = scales.to_vec();
        self
    }

    /// Directions, each used with its opposite: 16 by default, at least 2.
    #[must_use]
    pub const fn directions(mut self, directions: usize) -> Self {
        self.directions = directions;
        self
    }

    /// The factor by which the loss grows at the scale looked for: 2 by default.
    #[must_use]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Where the scale is looked for: from 10⁻⁴ to 10 by default.
    #[must_use]
    pub const fn between(mut self, smallest: f64, largest: f64) -> Self {
        self.search = (smallest, largest);
        self
    }

    /// Seed of the directions.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn check(&self, weights: &[f64]) -> Result<(), Error> {
        self.noise.check(weights)?;
        let scale = |what, value: f64| {
            if value > 0.0 && value < 1e100 {
                Ok(())
            } else {
                Err(Error::OutOfRange {
                    what,
                    value,
                    allowed: "a positive number below 1e100",
                })
            }
        };
        for s in &self.scales {
            scale("scale of the noise", *s)?;
        }
        scale("smallest scale", self.search.0)?;
        scale("largest scale", self.search.1)?;
        if self.search.0 >= self.search.1 {
            return Err(Error::Conflict {
                what: "a smallest scale that is not below the largest",
                remedy: "give them in this order",
            });
        }
        if !(self.factor > 1.0 && self.factor < 1e100) {
            return Err(Error::OutOfRange {
                what: "factor of the loss",
                value: self.factor,
                allowed: "a number above 1",
            });
        }
        if !(2..=1_000_000).contains(&self.directions) {
            return Err(Error::OutOfRange {
                what: "number of directions",
                value: self.directions as f64,
                allowed: "2 to 1000000",
            });
        }
        Ok(())
    }
}

/// The mean loss at one scale of the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NoisyLoss {
    /// σ.
    pub scale: f64,
    /// The mean loss with its standard error over directions.
    pub loss: Estimate,
}

/// The answer of [`resilience`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Resilience {
    /// The loss without noise.
    pub loss: f64,
    /// The mean loss at the scales asked for.
    pub curve: Vec<NoisyLoss>,
    /// The scale at which the mean loss is twice (or `factor` times) the loss without noise.
    pub doubling: Reading,
    /// Evaluations of the loss; no gradients are taken.
    pub loss_evaluations: u64,
}

struct Prober<'a, L> {
    loss: L,
    weights: &'a [f64],
    directions: Vec<Vec<f64>>,
    shifted: Vec<f64>,
    evaluations: u64,
}

impl<L: Loss> Prober<'_, L> {
    /// Mean loss of each direction and its opposite.
    fn pairs(&mut self, scale: f64) -> Result<Vec<f64>, Error> {
        let mut out = Vec::with_capacity(self.directions.len());
        for u in &self.directions {
            let mut pair = 0.0;
            for sign in [scale, -scale] {
                for ((s, w), u) in self.shifted.iter_mut().zip(self.weights).zip(u) {
                    *s = w + sign * u;
                }
                self.evaluations += 1;
                pair += 0.5 * check_loss(self.loss.loss(&self.shifted)?)?;
            }
            out.push(pair);
        }
        Ok(out)
    }

    fn mean(&mut self, scale: f64) -> Result<Estimate, Error> {
        let values = self.pairs(scale)?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Ok(Estimate {
            value: mean,
            std_error: (square / (n * (n - 1.0))).sqrt(),
            n_eff: n,
        })
    }

    /// The scale at which the mean reaches `level`.
    fn find(&mut self, level: f64, search: (f64, f64)) -> Result<Reading, Error> {
        const NEVER: Reason =
            Reason::Meaningless("the loss does not grow so much up to the largest scale");
        const ALREADY: Reason =
            Reason::Meaningless("the loss has grown more than that at the smallest scale");
        // Upwards, so that no scale is tried at which the network is far beyond.
        let (mut low, largest) = search;
        if self.mean(low)?.value >= level {
            return Ok(Reading::Undefined(ALREADY));
        }
        let mut high = (2.0 * low).min(largest);
        while self.mean(high)?.value < level {
            if high >= largest {
                return Ok(Reading::Undefined(NEVER));
            }
            low = high;
            high = (2.0 * high).min(largest);
        }
        // The last width, 2^(1/2^20), is far below any error bar.
        for _ in 0..20 {
            let middle = (low * high).sqrt();
            if self.mean(middle)?.value >= level {
                high = middle;
            } else {
                low = middle;
            }
        }
        let scale = (low * high).sqrt();
        // By the slope: δσ = δL/(dL/dσ).
        let step = 1.02;
        let slope = (self.mean(scale * step)?.value - self.mean(scale / step)?.value)
            / (scale * (step - 1.0 / step));
        let here = self.mean(scale)?;
        if slope > 0.0 && (here.std_error / slope).is_finite() {
            Ok(Reading::Ready(Estimate {
                value: scale,
                std_error: here.std_error / slope,
                n_eff: here.n_eff,
            }))
        } else {
            Ok(Reading::Undefined(Reason::DividesByNoise(
                "the slope of the loss over the scale",
            )))
        }
    }
}

/// The loss under noise in the weights, and the scale at which it doubles.
///
/// ```
/// use thermograd::curvature::loss;
/// use thermograd::flatness::{Noise, ResilienceConfig, resilience};
/// // L = 1 + |w|²/2 of 100 weights at 0: σ₂ = √(2/100).
/// let bowl = loss(|w: &[f64]| 1.0 + 0.5 * w.iter().map(|w| w * w).sum::<f64>());
/// let found = resilience(bowl, &[0.0; 100], &ResilienceConfig::new(Noise::Isotropic))?;
/// let scale = found.doubling.ready().unwrap();
/// assert!(scale.z_score(0.02_f64.sqrt()).unwrap().abs() < 4.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// The scale is undefined where the loss is not positive, or does not grow so much within the range that is searched.
///
/// # Errors
/// [`Error::OutOfRange`], [`Error::Conflict`], [`Error::Empty`], [`Error::LengthMismatch`] for the configuration; [`Error::Empty`],
/// [`Error::NonFinite`], [`Error::Overflow`] for the weights; what the closure returns as an error, and a loss that is not finite.
pub fn resilience<L: Loss>(
    mut loss: L,
    weights: &[f64],
    config: &ResilienceConfig,
) -> Result<Resilience, Error> {
    check_weights(weights)?;
    config.check(weights)?;
    let mut random = Random::new(config.seed);
    let bare = check_loss(loss.loss(weights)?)?;
    let mut prober = Prober {
        loss,
        weights,
        directions: (0..config.directions)
            .map(|_| config.noise.draw(weights, &mut random))
            .collect(),
        shifted: vec![0.0; weights.len()],
        evaluations: 1,
    };
    let curve: Result<Vec<NoisyLoss>, Error> = config
        .scales
        .iter()
        .map(|&scale| {
            let loss = prober.mean(scale)?;
            Ok(NoisyLoss { scale, loss })
        })
        .collect();
    let curve = curve?;
    let doubling = if bare > 0.0 {
        prober.find(config.factor * bare, config.search)?
    } else {
        Reading::Undefined(Reason::DividesByZero("the loss without noise"))
    };
    Ok(Resilience {
        loss: bare,
        curve,
        doubling,
        loss_evaluations: prober.evaluations,
    })
}

/// The scale of thermal noise, σ_T = √(T d/tr H), in the unit of a weight.
///
/// ```
/// use thermograd::curvature::{TraceConfig, hessian_vector, trace};
/// use thermograd::flatness::thermal_scale;
/// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1]) = (3.0 * v[0], 5.0 * v[1]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// // Mean curvature 4: √(0.04/4).
/// let scale = thermal_scale(&trace(&mut h, &TraceConfig::default())?, 0.04)?;
/// assert!((scale.ready().unwrap().value - 0.1).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Undefined where the trace is not positive beyond two of its errors, or too small to divide by.
///
/// # Errors
/// [`Error::OutOfRange`] for a temperature that is not positive.
pub fn thermal_scale(trace: &Trace, temperature: f64) -> Result<Reading, Error> {
    if !(temperature > 1e-150 && temperature < 1e150) {
        return Err(Error::OutOfRange {
            what: "temperature",
            value: temperature,
            allowed: "a positive number between 1e-150 and 1e150",
        });
    }
    let mean = trace.mean_curvature();
    if mean.value <= 2.0 * mean.std_error {
        return Ok(Reading::Undefined(Reason::DividesByNoise("the trace")));
    }
    let value = (temperature / mean.value).sqrt();
    if !value.is_finite() {
        return Ok(Reading::Undefined(Reason::DividesByZero("the trace")));
    }
    Ok(Reading::Ready(Estimate {
        value,
        std_error: 0.5 * value * (mean.std_error / mean.value),
        n_eff: mean.n_eff,
    }))
}
