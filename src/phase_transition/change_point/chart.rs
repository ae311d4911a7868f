//! Control charts: has the mean left the value it had, told online, with a known rate of false alarms.
//!
//! With residuals `z = (x − μ)/σ`, a slack `k` and a threshold `h`, Page's cumulative sums
//! (Biometrika 41, 1954)
//!
//! <!-- math
//! S^+ \leftarrow \max(0, S^+ + z - k), \qquad S^- \leftarrow \max(0, S^- - z - k), \qquad \text{alarm where one exceeds } h
//! -->
#![doc = include_str!("../../math/phase_transition_change_point_chart_1.html")]
//!
//! are the quickest to see a shift of `2k` standard deviations at a given rate of false alarms.
//!
//! # Average run length
//! The expected number of steps until the alarm, from `S = 0`, the mean being `μ + δσ`, solves
//!
//! <!-- math
//! L(s) = 1 + L(0)\, \Phi(k - s - \delta) + \int_0^h L(y)\, \varphi(y + k - s - \delta)\, dy
//! -->
#![doc = include_str!("../../math/phase_transition_change_point_chart_2.html")]
//!
//! which [`CusumConfig::run_length`] solves on Gauss-Legendre nodes to about ten digits. Two sums together have
//! `1/L = 1/L⁺ + 1/L⁻`. The Markov chain of Brook and Evans (Biometrika 59, 1972) is its oracle, and Siegmund's
//! approximation (*Sequential Analysis*, 1985), `(e^{−2Δb} + 2Δb − 1)/2Δ²` with `Δ = δ − k` and
//! `b = h + 1.166`, is right to a few per cent.
//!
//! | `k = 1/2` | `h = 4`, one sum | `h = 5`, one sum | Siegmund, `h = 4` |
//! |---|---|---|---|
//! | no shift | 335.4 | 930.9 | 338.1 |
//! | shift of 1 σ | 8.38 | 10.38 | 8.34 |
//!
//! The Page-Hinkley test is the same sum with the slack and the threshold in the unit of the data; with a known mean it is the
//! same test, with a running mean it has no such theory.
//!
//! When it lies: run lengths hold for independent Gaussian residuals of known mean and variance.
//! Correlation of inefficiency `g` shortens them by far more than `g`; thin or average over several `g` first,
//! then standardise. The measured false alarms stand in [the table](super#false-alarms).

use nalgebra::{DMatrix, DVector};

use crate::equilibrium::support::law::normal_cdf;
use crate::phase_transition::series::{check_positive, check_series};
use crate::systems::quadrature::gauss_legendre;
use crate::{Error, Reading, Reason};

/// Run lengths above this are lost in the rounding of the linear system.
const LONGEST: f64 = 1e10;

/// Where the mean went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// To larger values.
    Up,
    /// To smaller values.
    Down,
}

/// A two-sided cumulative sum.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CusumConfig {
    /// The mean `μ` while nothing happens.
    pub mean: f64,
    /// The standard deviation `σ` of independent residuals.
    pub std_dev: f64,
    /// The slack `k`, in standard deviations: half the shift to be seen. Default 1/2.
    pub slack: f64,
    /// The threshold `h`, in standard deviations. Default 5: 465 steps between false alarms.
    pub threshold: f64,
}

/// Average run lengths, in steps; 10¹⁰ stands for anything longer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RunLength {
    /// Until an upward alarm.
    pub up: f64,
    /// Until a downward alarm.
    pub down: f64,
    /// Until an alarm of either kind.
    pub either: f64,
}

impl CusumConfig {
    /// A chart for this mean and standard deviation, with slack 1/2 and threshold 5.
    pub const fn new(mean: f64, std_dev: f64) -> Self {
        Self {
            mean,
            std_dev,
            slack: 0.5,
            threshold: 5.0,
        }
    }

    /// The same with another slack.
    #[must_use]
    pub const fn slack(mut self, std_devs: f64) -> Self {
        self.slack = std_devs;
        self
    }

    /// The same with another threshold.
    #[must_use]
    pub const fn threshold(mut self, std_devs: f64) -> Self {
        self.threshold = std_devs;
        self
    }

    fn validate(&self) -> Result<(), Error> {
        Error::check_finite("mean of the chart", &[self.mean])?;
        check_positive("standard deviation of the chart", self.std_dev)?;
        for (what, value) in [("slack", self.slack), ("threshold", self.threshold)] {
            if !(value > 0.0 && value <= 100.0) {
                return Err(Error::OutOfRange {
                    what,
                    value,
                    allowed: "a positive number of standard deviations, 100 at most",
                });
            }
        }
        Ok(())
    }

    /// Average run lengths where the mean is off by `shift` standard deviations.
    ///
    /// ```
    /// use thermograd::phase_transition::change_point::CusumConfig;
    /// let chart = CusumConfig::new(0.0, 1.0).threshold(4.0);
    /// let quiet = chart.run_length(0.0)?;
    /// let quiet = quiet.ready().unwrap();
    /// // A standard table gives 168 for the two-sided chart.
    /// assert!((quiet.either - 168.0).abs() < 0.5);
    /// assert!((quiet.up - 2.0 * quiet.either).abs() < 1e-6);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// Undefined where all are longer than 10¹⁰ steps.
    ///
    /// # Errors
    /// Parameters out of range, a non-finite shift.
    pub fn run_length(&self, shift: f64) -> Result<Reading<RunLength>, Error> {
        self.both(shift, |delta| {
            integral_equation(self.slack, self.threshold, delta)
        })
    }

    /// The same by a Markov chain of 801 states, right to about 10⁻⁴: the oracle.
    ///
    /// # Errors
    /// As [`run_length`](Self::run_length).
    pub fn run_length_by_markov_chain(&self, shift: f64) -> Result<Reading<RunLength>, Error> {
        self.both(shift, |delta| {
            markov_chain(self.slack, self.threshold, delta, 801)
        })
    }

    /// The same by Siegmund's approximation.
    ///
    /// # Errors
    /// As [`run_length`](Self::run_length).
    pub fn run_length_by_siegmund(&self, shift: f64) -> Result<Reading<RunLength>, Error> {
        self.both(shift, |delta| {
            Some(siegmund(self.slack, self.threshold, delta))
        })
    }

    fn both(
        &self,
        shift: f64,
        one: impl Fn(f64) -> Option<f64>,
    ) -> Result<Reading<RunLength>, Error> {
        self.validate()?;
        Error::check_finite("shift", &[shift])?;
        let usable = |length: Option<f64>| {
            length
                .filter(|l| *l >= 1.0 - 1e-9 && *l < LONGEST)
                .unwrap_or(f64::INFINITY)
        };
        let (up, down) = (usable(one(shift)), usable(one(-shift)));
        let either = (up.recip() + down.recip()).recip();
        if either.is_infinite() {
            return Ok(Reading::Undefined(Reason::Meaningless(
                "a run length above 10^10 steps",
            )));
        }
        Ok(Reading::Ready(RunLength {
            up: up.min(LONGEST),
            down: down.min(LONGEST),
            either,
        }))
    }
}

fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

/// Nyström's method: the unknowns are `L(0)` and `L` at the nodes.
fn integral_equation(k: f64, h: f64, shift: f64) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a threshold between 0 and 100"
    )]
    let n = 32 + (6.0 * h) as usize;
    let rule = gauss_legendre(n);
    let node = |i: usize| {
        if i == 0 {
            0.0
        } else {
            0.5 * h * (1.0 + rule[i - 1].0)
        }
    };
    let matrix = DMatrix::from_fn(n + 1, n + 1, |i, j| {
        let s = node(i);
        let kernel = if j == 0 {
            normal_cdf(k - s - shift)
        } else {
            0.5 * h * rule[j - 1].1 * normal_density(node(j) + k - s - shift)
        };
        f64::from(u8::from(i == j)) - kernel
    });
    let solved = matrix.lu().solve(&DVector::from_element(n + 1, 1.0))?;
    solved.get(0).copied()
}

/// States are cells of width `w = 2h/(2m − 1)` about `0, w, 2w, …`.
fn markov_chain(k: f64, h: f64, shift: f64, states: usize) -> Option<f64> {
    let width = 2.0 * h / (2.0 * states as f64 - 1.0);
    let matrix = DMatrix::from_fn(states, states, |i, j| {
        let upper = (j as f64 - i as f64 + 0.5) * width + k - shift;
        let move_probability = if j == 0 {
            normal_cdf(upper)
        } else {
            normal_cdf(upper) - normal_cdf(upper - width)
        };
        f64::from(u8::from(i == j)) - move_probability
    });
    let solved = matrix.lu().solve(&DVector::from_element(states, 1.0))?;
    solved.get(0).copied()
}

fn siegmund(k: f64, h: f64, shift: f64) -> f64 {
    let (drift, b) = (shift - k, h + 1.166);
    if (drift * b).abs() < 1e-4 {
        // The series about no drift.
        return b * b * (1.0 - 2.0 * drift * b / 3.0);
    }
    ((-2.0 * drift * b).exp_m1() + 2.0 * drift * b) / (2.0 * drift * drift)
}

/// The running chart.
///
/// ```
/// use thermograd::phase_transition::change_point::{Cusum, CusumConfig, Direction};
/// let mut chart = Cusum::new(CusumConfig::new(0.0, 1.0).threshold(4.0))?;
/// // A constant 2 adds 3/2 a step: above 4 at the third.
/// assert_eq!(chart.push(2.0)?, None);
/// assert_eq!(chart.push(2.0)?, None);
/// assert_eq!(chart.push(2.0)?, Some(Direction::Up));
/// assert_eq!(chart.rising_for(), 3);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cusum {
    config: CusumConfig,
    up: f64,
    down: f64,
    up_for: u64,
    down_for: u64,
}

impl Cusum {
    /// A chart at rest.
    ///
    /// # Errors
    /// Parameters out of range.
    pub fn new(config: CusumConfig) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            up: 0.0,
            down: 0.0,
            up_for: 0,
            down_for: 0,
        })
    }

    /// Takes in one observation; answers with a direction while a sum is above the threshold.
    ///
    /// # Errors
    /// A non-finite observation; nothing is recorded then.
    pub fn push(&mut self, x: f64) -> Result<Option<Direction>, Error> {
        check_series("observation", &[x])?;
        // An outlier near the end of the range must not become an infinity in the sum.
        let z = ((x - self.config.mean) / self.config.std_dev).clamp(-1e150, 1e150);
        let step = |sum: f64, count: u64, z: f64| {
            let next = (sum + z - self.config.slack).clamp(0.0, 1e300);
            (next, if next > 0.0 { count + 1 } else { 0 })
        };
        (self.up, self.up_for) = step(self.up, self.up_for, z);
        (self.down, self.down_for) = step(self.down, self.down_for, -z);
        let h = self.config.threshold;
        Ok(if self.up > h && self.up >= self.down {
            Some(Direction::Up)
        } else if self.down > h {
            Some(Direction::Down)
        } else {
            None
        })
    }

    /// The two sums, upward and downward, in standard deviations.
    pub const fn sums(&self) -> (f64, f64) {
        (self.up, self.down)
    }

    /// Steps since the upward sum was last zero: where an upward shift is estimated to have begun.
    pub const fn rising_for(&self) -> u64 {
        self.up_for
    }

    /// Steps since the downward sum was last zero.
    pub const fn falling_for(&self) -> u64 {
        self.down_for
    }

    /// Back to rest, as after an alarm that was dealt with.
    pub const fn reset(&mut self) {
        (self.up, self.down) = (0.0, 0.0);
        (self.up_for, self.down_for) = (0, 0);
    }
}

/// What the Page-Hinkley test compares with.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reference {
    /// A known mean: the test is a one-sided cumulative sum.
    Known(f64),
    /// The mean of all observations so far: no theory of its run length.
    Running,
}

/// The Page-Hinkley test for a change of the mean in one direction.
///
/// `m ← m + x − x̄ − tolerance` (signs turned for [`Direction::Down`]); alarm where `m` is above its
/// lowest so far by more than the threshold. Tolerance and threshold are in the unit of the data; with a
/// [`Reference::Known`] mean and residuals of standard deviation `σ` its run lengths are those of
/// [`CusumConfig::run_length`] with slack `tolerance/σ` and threshold `threshold/σ`.
///
/// ```
/// use thermograd::phase_transition::change_point::{Direction, PageHinkley, Reference};
/// let mut test = PageHinkley::new(Reference::Known(0.0), Direction::Up).tolerance(0.5).threshold(4.0);
/// assert!(!test.push(2.0)?);
/// assert!(!test.push(2.0)?);
/// assert!(test.push(2.0)?);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PageHinkley {
    reference: Reference,
    direction: Direction,
    tolerance: f64,
    threshold: f64,
    seen: u64,
    mean: f64,
    excess: f64,
}

impl PageHinkley {
    /// A test at rest, with tolerance 1/2 and threshold 5: meant for standardised data.
    pub const fn new(reference: Reference, direction: Direction) -> Self {
        Self {
            reference,
            direction,
            tolerance: 0.5,
            threshold: 5.0,
            seen: 0,
            mean: 0.0,
            excess: 0.0,
        }
    }

    /// The same with another tolerance, in the unit of the data.
    #[must_use]
    pub const fn tolerance(mut self, amount: f64) -> Self {
        self.tolerance = amount;
        self
    }

    /// The same with another threshold, in the unit of the data.
    #[must_use]
    pub const fn threshold(mut self, amount: f64) -> Self {
        self.threshold = amount;
        self
    }

    /// Takes in one observation; `true` while the excess is above the threshold.
    ///
    /// # Errors
    /// A non-finite observation or reference; a negative or non-finite tolerance, a threshold that is not positive.
    /// Nothing is recorded then.
    pub fn push(&mut self, x: f64) -> Result<bool, Error> {
        check_series("observation", &[x])?;
        check_positive("threshold", self.threshold)?;
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return Err(Error::OutOfRange {
                what: "tolerance",
                value: self.tolerance,
                allowed: "a finite number, 0 or more",
            });
        }
        if let Reference::Known(mean) = self.reference {
            check_series("reference", &[mean])?;
        }
        self.seen += 1;
        self.mean += (x - self.mean) / self.seen as f64;
        let centre = match self.reference {
            Reference::Known(mean) => mean,
            Reference::Running => self.mean,
        };
        let above = match self.direction {
            Direction::Up => x - centre,
            Direction::Down => centre - x,
        };
        // The excess of a sum over its minimum needs neither.
        self.excess = (self.excess + above - self.tolerance).clamp(0.0, 1e300);
        Ok(self.excess > self.threshold)
    }

    /// The excess of the sum over its lowest, in the unit of the data.
    pub const fn excess(&self) -> f64 {
        self.excess
    }

    /// Forgets everything.
    pub const fn reset(&mut self) {
        (self.seen, self.mean, self.excess) = (0, 0.0, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{integral_equation, markov_chain, siegmund};

    #[test]
    fn integral_equation_agrees_with_the_markov_chain() {
        for (k, h, shift) in [
            (0.5, 4.0, 0.0),
            (0.5, 5.0, 1.0),
            (0.25, 8.0, 0.3),
            (1.0, 2.0, -0.2),
        ] {
            let exact = integral_equation(k, h, shift).unwrap();
            // The chain converges as the square of the width of its cells.
            let (coarse, fine) = (
                markov_chain(k, h, shift, 101).unwrap(),
                markov_chain(k, h, shift, 202).unwrap(),
            );
            let extrapolated = fine + (fine - coarse) / 3.0;
            assert!(
                (extrapolated / exact - 1.0).abs() < 1e-4,
                "{k} {h}: {extrapolated} {exact}"
            );
        }
    }

    #[test]
    fn siegmund_is_near_and_smooth() {
        assert!((siegmund(0.5, 4.0, 0.0) - 338.1).abs() < 0.1);
        assert!((siegmund(0.5, 4.0, 1.0) - 8.34).abs() < 0.01);
        let (below, above) = (
            siegmund(0.5, 4.0, 0.5 - 2.1e-5),
            siegmund(0.5, 4.0, 0.5 - 1.9e-5),
        );
        assert!((below / above - 1.0).abs() < 1e-4);
    }
}
