//! Is a transition coming? The slowing that precedes one, with a significance that can be believed.
//!
//! Near a continuous transition or a point of instability the curvature `a` of the softest mode goes to zero. An
//! overdamped mode with step `x = ηa` then has
//!
//! <!-- math
//! \rho(1) = 1 - x \to 1, \qquad \operatorname{Var} = \frac{\eta s^2}{a (2 - x)} \to \infty
//! -->
#![doc = include_str!("../../math/phase_transition_change_point_early_warning.html")]
//!
//! so that the lag-1 autocorrelation and the variance, each in a rolling window, both rise (Scheffer et al., Nature 461,
//! 2009; Dakos et al., doi:10.1371/journal.pone.0041010). The rise is measured by Kendall's rank correlation with time.
//!
//! Windows overlap and the series is correlated, so that the textbook p-value of Kendall's τ rejects
//! almost always. Here it comes from surrogates: the series is put together anew from blocks of 10
//! inefficiencies, drawn with replacement (Künsch, Ann. Statist. 17, 1989), which keeps the short correlations and
//! destroys a trend; `p = (1 + #{τ* ≥ τ})/(1 + surrogates)`, for a rise only.
//!
//! Each window is taken about its least-squares line, so that a drift of the mean is not a variance.
//!
//! When it lies: a first-order transition by nucleation gives no warning; growing noise raises the variance
//! but not the autocorrelation, which is why both are reported. The measured false alarms stand in
//! [the table](super#false-alarms).

use crate::correlation::Pairs;
use crate::phase_transition::series::{check_series, inefficiency};
use crate::random::Random;
use crate::{Error, Reading, Reason};

/// Fewer blocks to draw from than this give no significance.
const LEAST_BLOCKS: usize = 8;

/// How to look for the slowing.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EarlyWarningConfig {
    /// Elements of a rolling window; `None` takes half the series.
    pub window: Option<usize>,
    /// Windows evaluated, evenly spaced. Default 60.
    pub windows: usize,
    /// Surrogates. Default 199: p-values are multiples of 1/200.
    pub surrogates: usize,
    /// Elements of a surrogate's blocks; `None` takes ten inefficiencies.
    pub block: Option<usize>,
    /// Seed of the surrogates.
    pub seed: u64,
}

impl Default for EarlyWarningConfig {
    fn default() -> Self {
        Self {
            window: None,
            windows: 60,
            surrogates: 199,
            block: None,
            seed: 0,
        }
    }
}

impl EarlyWarningConfig {
    /// The same with windows of this many elements.
    #[must_use]
    pub const fn window(mut self, elements: usize) -> Self {
        self.window = Some(elements);
        self
    }

    /// The same with this many surrogates.
    #[must_use]
    pub const fn surrogates(mut self, count: usize) -> Self {
        self.surrogates = count;
        self
    }

    /// The same with surrogates made of blocks of this many elements.
    #[must_use]
    pub const fn block(mut self, elements: usize) -> Self {
        self.block = Some(elements);
        self
    }

    /// The same with another seed of the surrogates.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// A trend of a rolling statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Trend {
    /// Kendall's rank correlation with time, in `[−1, 1]`.
    pub kendall_tau: f64,
    /// Probability of a rise like this in a stationary series of the same short correlations.
    pub p_value: f64,
    /// The statistic in the first window.
    pub first: f64,
    /// The statistic in the last window.
    pub last: f64,
}

/// What the rolling windows say.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EarlyWarning {
    /// Of the variance.
    pub variance: Trend,
    /// Of the lag-1 autocorrelation.
    pub autocorrelation: Trend,
    /// Elements of the blocks that the surrogates were made of.
    pub block: usize,
}

/// Variance and lag-1 autocorrelation of a window about its least-squares line.
fn moments(window: impl ExactSizeIterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let n = window.len();
    if n < 4 {
        return None;
    }
    let size = n as f64;
    let middle = 0.5 * (size - 1.0);
    let mean = window.clone().sum::<f64>() / size;
    let slope_sum: f64 = window
        .clone()
        .enumerate()
        .map(|(i, x)| (i as f64 - middle) * (x - mean))
        .sum();
    let slope = slope_sum * 12.0 / (size * (size * size - 1.0));
    let (mut square, mut product, mut previous, mut largest) = (0.0, 0.0, None, 0.0_f64);
    for (i, x) in window.enumerate() {
        let residual = x - mean - slope * (i as f64 - middle);
        square += residual * residual;
        product += residual * previous.unwrap_or(0.0);
        previous = Some(residual);
        largest = largest.max(x.abs());
    }
    if square <= size * (1e-13 * largest).powi(2) {
        return None;
    }
    Some((square / (size - 2.0), product / square))
}

/// Kendall's τ of a sequence with its index, ties counting as neither.
fn kendall(values: &[f64]) -> f64 {
    Pairs::with_order(values).tau_a()
}

/// Rolling variance and autocorrelation at evenly spaced windows; `None` if one is constant.
fn rolling(series: &[f64], window: usize, windows: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let last = series.len() - window;
    let count = windows.min(last + 1);
    (0..count)
        .map(|i| {
            let from = last * i / (count - 1).max(1);
            moments(series[from..from + window].iter().copied())
        })
        .collect::<Option<Vec<_>>>()
        .map(|pairs| pairs.into_iter().unzip())
}

/// Do the variance and the lag-1 autocorrelation rise?
///
/// Pending where the series has fewer than 8 blocks of 10 inefficiencies; undefined where a window is constant.
///
/// ```
/// use thermograd::phase_transition::change_point::{EarlyWarningConfig, early_warning};
/// use thermograd::systems::Random;
/// // A mode that softens: its step falls from 0.8 to 0.05.
/// let (mut random, mut w) = (Random::new(4), 0.0);
/// let series: Vec<f64> = (0..4000)
///     .map(|t| {
///         let x = 0.8 - 0.75 * f64::from(t) / 4000.0;
///         w = (1.0 - x) * w + random.normal();
///         w
///     })
///     .collect();
/// let warning = early_warning(&series, &EarlyWarningConfig::default())?;
/// let warning = warning.ready().unwrap();
/// assert!(warning.variance.p_value < 0.05 && warning.autocorrelation.p_value < 0.05);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A non-finite element, with its index; a window shorter than 16; fewer than 10 windows or 19
/// surrogates, more than 10 000 of either; an empty block.
pub fn early_warning(
    series: &[f64],
    config: &EarlyWarningConfig,
) -> Result<Reading<EarlyWarning>, Error> {
    check_series("series", series)?;
    let n = series.len();
    for (what, value, least) in [
        ("number of windows", config.windows, 10),
        ("number of surrogates", config.surrogates, 19),
    ] {
        if value < least || value > 10_000 {
            return Err(Error::OutOfRange {
                what,
                value: value as f64,
                allowed: "10 windows and 19 surrogates or more, 10 000 at most",
            });
        }
    }
    for (what, value, least) in [
        ("elements of a window", config.window, 16),
        ("elements of a block", config.block, 1),
    ] {
        if let Some(value) = value.filter(|v| *v < least || *v > 1 << 24) {
            return Err(Error::OutOfRange {
                what,
                value: value as f64,
                allowed: "a window of 16 or more, a block of 1 or more, 2^24 at most",
            });
        }
    }
    let window = config.window.unwrap_or((n / 2).max(16));
    let needed = window + config.windows;
    if n < needed {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: needed as u64,
        });
    }
    let degenerate = Reading::Undefined(Reason::Degenerate("a window is constant"));
    let Some((variances, correlations)) = rolling(series, window, config.windows) else {
        return Ok(degenerate);
    };
    let residuals = detrended(series);
    let Some(g) = inefficiency(&residuals) else {
        return Ok(degenerate);
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an inefficiency is between 1 and the length of the series"
    )]
    let block = config.block.unwrap_or((10.0 * g).ceil() as usize);
    if n / block < LEAST_BLOCKS {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: (block * LEAST_BLOCKS) as u64,
        });
    }
    let (tau_v, tau_r) = (kendall(&variances), kendall(&correlations));
    let mut random = Random::new(config.seed);
    let mut surrogate = Vec::with_capacity(n + block);
    let (mut above_v, mut above_r) = (1_u32, 1_u32);
    for _ in 0..config.surrogates {
        surrogate.clear();
        while surrogate.len() < n {
            let from = random.below(n);
            surrogate.extend((from..from + block).map(|i| residuals[i % n]));
        }
        surrogate.truncate(n);
        let Some((v, r)) = rolling(&surrogate, window, config.windows) else {
            return Ok(degenerate);
        };
        above_v += u32::from(kendall(&v) >= tau_v);
        above_r += u32::from(kendall(&r) >= tau_r);
    }
    let all = config.surrogates as f64 + 1.0;
    let trend = |values: &[f64], tau: f64, above: u32| Trend {
        kendall_tau: tau,
        p_value: f64::from(above) / all,
        first: values.first().copied().unwrap_or(0.0),
        last: values.last().copied().unwrap_or(0.0),
    };
    Ok(Reading::Ready(EarlyWarning {
        variance: trend(&variances, tau_v, above_v),
        autocorrelation: trend(&correlations, tau_r, above_r),
        block,
    }))
}

/// The series about its least-squares line.
fn detrended(series: &[f64]) -> Vec<f64> {
    let n = series.len() as f64;
    let middle = 0.5 * (n - 1.0);
    let mean = crate::phase_transition::series::mean(series);
    let sum: f64 = series
        .iter()
        .enumerate()
        .map(|(i, x)| (i as f64 - middle) * (x - mean))
        .sum();
    let slope = sum * 12.0 / (n * (n * n - 1.0)).max(1.0);
    series
        .iter()
        .enumerate()
        .map(|(i, x)| x - mean - slope * (i as f64 - middle))
        .collect()
}

/// The same two moments, over a running series: a ring of fixed size.
///
/// ```
/// use thermograd::phase_transition::change_point::RollingMoments;
/// let mut rolling = RollingMoments::new(4)?;
/// for x in [9.0, 1.0, -1.0, -1.0, 1.0] {
///     rolling.push(x)?;
/// }
/// // About the flat line through 1, −1, −1, 1: squares 4, over 4 − 2; products −1 + 1 − 1.
/// assert_eq!(rolling.variance().ready(), Some(&2.0));
/// assert_eq!(rolling.autocorrelation().ready(), Some(&-0.25));
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RollingMoments {
    ring: Vec<f64>,
    next: usize,
    seen: u64,
}

impl RollingMoments {
    /// An empty window of this many elements.
    ///
    /// # Errors
    /// Fewer than 4 elements, or more than 2²⁴.
    pub fn new(window: usize) -> Result<Self, Error> {
        if !(4..=1 << 24).contains(&window) {
            return Err(Error::OutOfRange {
                what: "window",
                value: window as f64,
                allowed: "4 to 2^24 elements",
            });
        }
        Ok(Self {
            ring: vec![0.0; window],
            next: 0,
            seen: 0,
        })
    }

    /// Takes in one observation, in O(1) and without allocation.
    ///
    /// # Errors
    /// A non-finite or overflowing observation; nothing is recorded then.
    pub fn push(&mut self, x: f64) -> Result<(), Error> {
        check_series("observation", &[x])?;
        if let Some(slot) = self.ring.get_mut(self.next) {
            *slot = x;
        }
        self.next = (self.next + 1) % self.ring.len().max(1);
        self.seen = self.seen.saturating_add(1);
        Ok(())
    }

    fn moments(&self) -> Reading<(f64, f64)> {
        let n = self.ring.len();
        if self.seen < n as u64 {
            return Reading::Pending {
                seen: self.seen,
                needed: n as u64,
            };
        }
        let ordered = (0..n).map(|i| self.ring[(self.next + i) % n]);
        moments(ordered).map_or(
            Reading::Undefined(Reason::Degenerate("the window is constant")),
            Reading::Ready,
        )
    }

    /// Variance of the window about its least-squares line.
    pub fn variance(&self) -> Reading<f64> {
        self.moments().map(|m| m.0)
    }

    /// Lag-1 autocorrelation of the window about its least-squares line.
    pub fn autocorrelation(&self) -> Reading<f64> {
        self.moments().map(|m| m.1)
    }
}
