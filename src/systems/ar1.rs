//! A first-order autoregressive series: the correlated data whose error bars are known exactly.
//!
//! <!-- math
//! x_{t+1} - m = \rho (x_t - m) + \sqrt{\sigma^2 (1 - \rho^2)}\; z_t, \qquad z_t \sim N(0, 1) \text{ independent}
//! -->
#![doc = include_str!("../math/systems_ar1_1.html")]
//!
//! Started from its stationary law, the series is stationary from the first element on, with
//! autocorrelation ρ^|t|. A metric that claims an error bar on correlated data is checked here
//! first: with ρ = 0.99 a naive standard error is fourteen times too small.
//!
//! Conventions differ between tools, so both are given: the *statistical inefficiency*
//! g = 1 + 2 Σ ρ^t (what a sample size is divided by) and Sokal's *integrated autocorrelation
//! time* τ = g / 2 (Madras and Sokal, J. Stat. Phys. 50, 109, 1988). Some tools call g the
//! autocorrelation time.
//!
//! It says nothing on heavy tails or on several time scales: an estimator that fits one exponential
//! is flattered by it.

use crate::Error;
use crate::error::check_range;
use crate::random::Random;

/// A stationary Gaussian AR(1) process with known moments.
///
/// ```
/// use thermograd::systems::Ar1;
/// let process = Ar1::new(0.5)?.with_variance(4.0)?.with_mean(10.0)?;
/// assert_eq!(process.statistical_inefficiency(), 3.0);
/// assert_eq!(process.autocorrelation(2), 0.25);
/// let series: Vec<f64> = process.series(1).take(1000).collect();
/// assert_eq!(series.len(), 1000);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ar1 {
    rho: f64,
    variance: f64,
    mean: f64,
}

impl Ar1 {
    /// A process of mean 0 and variance 1 with lag-one autocorrelation `rho`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless −1 < `rho` < 1.
    pub fn new(rho: f64) -> Result<Self, Error> {
        check_range("lag-one autocorrelation", rho, "-1 < rho < 1", |r| {
            r.abs() < 1.0
        })?;
        Ok(Self {
            rho,
            variance: 1.0,
            mean: 0.0,
        })
    }

    /// The same process with another stationary variance.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless the variance is positive and below 1e150.
    pub fn with_variance(self, variance: f64) -> Result<Self, Error> {
        check_range(
            "stationary variance",
            variance,
            "a positive number below 1e150",
            |v| v > 0.0 && v < 1e150,
        )?;
        Ok(Self { variance, ..self })
    }

    /// The same process about another mean.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless the mean is below 1e150 in size.
    pub fn with_mean(self, mean: f64) -> Result<Self, Error> {
        check_range("mean", mean, "a number below 1e150 in size", |m| {
            m.abs() < 1e150
        })?;
        Ok(Self { mean, ..self })
    }

    /// The lag-one autocorrelation ρ.
    pub const fn rho(&self) -> f64 {
        self.rho
    }

    /// The stationary variance of one element.
    pub const fn variance(&self) -> f64 {
        self.variance
    }

    /// The stationary mean.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// ρ^lag.
    pub fn autocorrelation(&self, lag: u32) -> f64 {
        self.rho.powf(f64::from(lag))
    }

    /// g = 1 + 2 Σ_{t≥1} ρ^t = (1 + ρ) / (1 − ρ): how many correlated elements weigh as one.
    pub fn statistical_inefficiency(&self) -> f64 {
        (1.0 + self.rho) / (1.0 - self.rho)
    }

    /// Sokal's τ = ½ + Σ_{t≥1} ρ^t = g / 2, in steps.
    pub fn integrated_autocorrelation_time(&self) -> f64 {
        0.5 * self.statistical_inefficiency()
    }

    /// The exact variance of the mean of `n` successive elements.
    ///
    /// <!-- math
    /// \operatorname{Var} = \frac{\sigma^2}{n} \Bigl[ \frac{1 + \rho}{1 - \rho} - \frac{2 \rho (1 - \rho^n)}{n (1 - \rho)^2} \Bigr]
    /// -->
    #[doc = include_str!("../math/systems_ar1_2.html")]
    ///
    /// which is `var g / n` only for n far above g.
    ///
    /// ```
    /// use thermograd::systems::Ar1;
    /// // Two elements: (1 + 1 + 2 rho) / 4.
    /// let v = Ar1::new(0.5)?.variance_of_mean(2)?;
    /// assert!((v - 0.75).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] for `n` = 0.
    pub fn variance_of_mean(&self, n: u64) -> Result<f64, Error> {
        if n == 0 {
            return Err(Error::Empty {
                place: "the sample to average".to_owned(),
                remedy: "ask for the mean of at least one element",
            });
        }
        let (rho, count) = (self.rho, n as f64);
        if rho <= 0.0 {
            // Both terms are positive: the closed form loses nothing.
            let gap = 1.0 - rho;
            let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
            let power = sign * (-rho).powf(count);
            let edge = -2.0 * rho * (1.0 - power) / (count * gap * gap);
            return Ok(self.variance / count * ((1.0 + rho) / gap + edge));
        }
        // For rho near 1 the closed form cancels. The double sum of rho^|i-j| over a window obeys
        // sum(a + b) = sum(a) + sum(b) + 2 rho geo(a) geo(b), geo(a) = 1 + ... + rho^(a-1): only
        // positive terms, and a run through the bits of n.
        let (mut sum, mut geometric, mut power) = (0.0, 0.0, 1.0);
        for bit in (0..u64::BITS - n.leading_zeros()).rev() {
            sum = 2.0 * (sum + rho * geometric * geometric);
            geometric += power * geometric;
            power *= power;
            if (n >> bit) & 1 == 1 {
                sum += 1.0 + 2.0 * rho * geometric;
                geometric += power;
                power *= rho;
            }
        }
        Ok(self.variance * (sum / count) / count)
    }

    /// A stationary realisation; each seed is a series of its own.
    pub fn series(&self, seed: u64) -> Ar1Series {
        let mut random = Random::new(seed);
        let deviation = self.variance.sqrt() * random.normal();
        let innovation = (self.variance * (1.0 - self.rho) * (1.0 + self.rho)).sqrt();
        Ar1Series {
            process: *self,
            random,
            deviation,
            innovation,
        }
    }
}

/// An endless realisation of an [`Ar1`] process.
#[derive(Debug, Clone)]
pub struct Ar1Series {
    process: Ar1,
    random: Random,
    deviation: f64,
    innovation: f64,
}

impl Iterator for Ar1Series {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let x = self.process.mean + self.deviation;
        self.deviation = self.process.rho * self.deviation + self.innovation * self.random.normal();
        Some(x)
    }
}
