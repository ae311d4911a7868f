//! One weight in a known landscape: the quartic, where curvature vanishes, and the double well.
//!
//! At temperature `T` the weight has density `∝ e^{−L(w)/T}`. The quartic `w⁴/4` is the pitchfork point, where the
//! harmonic formulas fail: `⟨w⁴⟩ = T`, `⟨w²⟩ = 2Γ(¾)/Γ(¼) √T`, heat capacity 1/4. The double well
//! `w⁴/4 − w²/2` has minima at ±1 under a barrier of 1/4; overdamped motion in it passes from −1 to +1 after
//!
//! <!-- math
//! \begin{aligned}
//! \text{exact} && & \frac1T \int_{-1}^1 dx\, e^{L(x)/T} \int_{-\infty}^x dy\, e^{-L(y)/T} \\
//! \text{Kramers} && & \frac{2\pi}{\sqrt{L''(1)\, |L''(0)|}}\, e^{1/4T} = \pi \sqrt2\, e^{1/4T} && \text{for } T \ll 1/4
//! \end{aligned}
//! -->
#![doc = include_str!("../math/systems_landscape.html")]
//!
//! in units where the gradient moves the weight at unit rate: a time `t` is `t/η` steps of SGD.
//! (Kramers, Physica 7, 1940.)

use std::f64::consts::{PI, SQRT_2};

use super::quadrature::{gauss_legendre, integrate, integrate_by};
use crate::Error;
use crate::error::check_range;
use crate::random::Random;

/// A loss of one weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Landscape {
    /// `w⁴/4`.
    Quartic,
    /// `w⁴/4 − w²/2`.
    DoubleWell,
}

/// Exact moments in a landscape.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Moments {
    /// `⟨w²⟩`.
    pub second: f64,
    /// `⟨w⁴⟩`.
    pub fourth: f64,
    /// `⟨L⟩`.
    pub energy: f64,
    /// `Var(L)/T²`.
    pub heat_capacity: f64,
    /// `1 − ⟨w⁴⟩/3⟨w²⟩²`.
    pub binder_cumulant: f64,
}

impl Landscape {
    /// The loss at a weight.
    pub fn loss(self, w: f64) -> f64 {
        match self {
            Self::Quartic => 0.25 * w.powi(4),
            Self::DoubleWell => 0.25 * w.powi(4) - 0.5 * w * w,
        }
    }

    /// Its derivative.
    pub fn gradient(self, w: f64) -> f64 {
        match self {
            Self::Quartic => w.powi(3),
            Self::DoubleWell => w.powi(3) - w,
        }
    }

    /// Beyond this the density is below `e^{−45}` of its largest.
    fn extent(self, temperature: f64) -> f64 {
        let quartic = (180.0 * temperature).powf(0.25);
        match self {
            Self::Quartic => quartic,
            // w⁴/4 − w²/2 + 1/4 = (w² − 1)²/4.
            Self::DoubleWell => (1.0 + (180.0 * temperature).sqrt()).sqrt(),
        }
    }

    /// Exact moments at a temperature, by quadrature.
    ///
    /// ```
    /// let m = thermograd::systems::Landscape::Quartic.moments(0.01)?;
    /// // Equipartition: ⟨w L′⟩ = ⟨w⁴⟩ = T, and so ⟨L⟩ = T/4.
    /// assert!((m.fourth - 0.01).abs() < 1e-14 && (m.energy - 0.0025).abs() < 1e-14);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// A temperature outside `[10⁻⁴, 10⁶]`.
    pub fn moments(self, temperature: f64) -> Result<Moments, Error> {
        check(temperature)?;
        let lowest = match self {
            Self::Quartic => 0.0,
            Self::DoubleWell => -0.25,
        };
        let limit = self.extent(temperature);
        let integral = |f: &dyn Fn(f64) -> f64| {
            integrate(0.0, limit, 200, |w| {
                f(w) * (-(self.loss(w) - lowest) / temperature).exp()
            })
        };
        let z = integral(&|_| 1.0);
        let average = |f: &dyn Fn(f64) -> f64| integral(f) / z;
        let (second, fourth) = (average(&|w| w * w), average(&|w| w.powi(4)));
        let energy = average(&|w| self.loss(w));
        Ok(Moments {
            second,
            fourth,
            energy,
            heat_capacity: average(&|w| (self.loss(w) - energy).powi(2)) / temperature.powi(2),
            binder_cumulant: 1.0 - fourth / (3.0 * second * second),
        })
    }
}

fn check(temperature: f64) -> Result<(), Error> {
    check_range(
        "temperature",
        temperature,
        "a number between 1e-4 and 1e6",
        |t| (1e-4..=1e6).contains(&t),
    )
}

/// Mean time of the passage from −1 to +1 in the double well, exactly.
///
/// ```
/// use thermograd::systems::{kramers_time, passage_time};
/// assert!((passage_time(0.08)? - 120.006).abs() < 0.001);
/// // Kramers is low by 16 % there, and right where it is cold.
/// assert!((kramers_time(0.08)? - 101.1).abs() < 0.1);
/// assert!((passage_time(0.002)? / kramers_time(0.002)? - 1.0).abs() < 0.01);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A temperature outside `[5·10⁻⁴, 10⁶]`: below it the time overflows.
pub fn passage_time(temperature: f64) -> Result<f64, Error> {
    check_passage(temperature)?;
    let well = Landscape::DoubleWell;
    let limit = -well.extent(temperature);
    // The inner integral grows panel by panel; within one it is integrated anew.
    let panels = 400;
    let width = 2.0 / f64::from(panels);
    let below = |x: f64| (-(well.loss(x) + 0.25) / temperature).exp();
    let rule = gauss_legendre(20);
    let mut reached = integrate_by(&rule, limit, -1.0, 200, below);
    let mut sum = 0.0;
    for i in 0..panels {
        let from = -1.0 + f64::from(i) * width;
        sum += integrate_by(&rule, from, from + width, 1, |x| {
            let within = integrate_by(&rule, from, x, 1, below);
            (well.loss(x) / temperature).exp() * (reached + within)
        });
        reached += integrate_by(&rule, from, from + width, 1, below);
    }
    Ok(sum * (0.25 / temperature).exp() / temperature)
}

/// The same by Kramers' formula, right for `T ≪ 1/4`.
///
/// # Errors
/// As [`passage_time`].
pub fn kramers_time(temperature: f64) -> Result<f64, Error> {
    check_passage(temperature)?;
    Ok(PI * SQRT_2 * (0.25 / temperature).exp())
}

fn check_passage(temperature: f64) -> Result<(), Error> {
    check_range(
        "temperature",
        temperature,
        "a number between 5e-4 and 1e6",
        |t| (5e-4..=1e6).contains(&t),
    )
}

/// SGD in a landscape: Gaussian gradient noise of variance `2T/η` about the true gradient.
///
/// Observe, then step: [`gradient`](Self::gradient) is the noisy gradient that the next
/// [`step`](Self::step) will use.
#[derive(Debug, Clone)]
pub struct LandscapeSgd {
    landscape: Landscape,
    weight: f64,
    gradient: f64,
    learning_rate: f64,
    noise: f64,
    random: Random,
}

impl LandscapeSgd {
    /// A run at a temperature from weight −1.
    ///
    /// # Errors
    /// A temperature outside `[10⁻⁴, 10⁶]`, a learning rate outside `(0, 1]`.
    pub fn new(
        landscape: Landscape,
        temperature: f64,
        learning_rate: f64,
        seed: u64,
    ) -> Result<Self, Error> {
        check(temperature)?;
        if !(learning_rate > 0.0 && learning_rate <= 1.0) {
            return Err(Error::OutOfRange {
                what: "learning rate",
                value: learning_rate,
                allowed: "a positive number, 1 at most",
            });
        }
        let mut sgd = Self {
            landscape,
            weight: -1.0,
            gradient: 0.0,
            learning_rate,
            noise: (2.0 * temperature / learning_rate).sqrt(),
            random: Random::new(seed),
        };
        sgd.draw();
        Ok(sgd)
    }

    fn draw(&mut self) {
        self.gradient = self.landscape.gradient(self.weight) + self.noise * self.random.normal();
    }

    /// The weight.
    pub fn weights(&self) -> &[f64] {
        std::slice::from_ref(&self.weight)
    }

    /// The noisy gradient at the weight.
    pub fn gradient(&self) -> &[f64] {
        std::slice::from_ref(&self.gradient)
    }

    /// The loss at the weight, without noise.
    pub fn loss(&self) -> f64 {
        self.landscape.loss(self.weight)
    }

    /// One update. A weight that a step too large throws out of `[−10⁶, 10⁶]` stays at the edge.
    pub fn step(&mut self) {
        self.weight = (self.weight - self.learning_rate * self.gradient).clamp(-1e6, 1e6);
        self.draw();
    }
}
