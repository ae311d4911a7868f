//! The deep linear network of one weight a layer: long plateaus and sudden falls, in closed form.
//!
//! `L = (s − ab)²/2` from balanced small weights `a = b = √u₀` follows, under gradient flow
//! (Saxe et al., arXiv:1312.6120), with `u = ab`
//!
//! <!-- math
//! u(t) = \frac{s e^{2st}}{e^{2st} - 1 + s/u_0}, \qquad u = \frac s2 \;\text{ at }\; t = \frac{\ln(s/u_0 - 1)}{2s}
//! -->
#![doc = include_str!("../math/systems_saddle.html")]
//!
//! a change in the loss without any transition of a stationary state: what a change-point detector should find and a
//! classifier of phases should call out of equilibrium. A time `t` is `t/η` steps of gradient descent, which
//! lags behind the flow by O(η).

use crate::Error;
use crate::error::check_range;

/// Two weights in a row, learning the product `s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SaddleToSaddle {
    target: f64,
    start: f64,
}

impl SaddleToSaddle {
    /// Learning the product `target` from the product `start`.
    ///
    /// # Errors
    /// Unless `0 < start < target ≤ 10⁶`.
    pub fn new(target: f64, start: f64) -> Result<Self, Error> {
        for (what, value, largest) in [("target", target, 1e6), ("start", start, target)] {
            if !(value > 1e-300 && value <= largest) || start == target {
                return Err(Error::OutOfRange {
                    what,
                    value,
                    allowed: "a positive start below the target, a target of 1e6 at most",
                });
            }
        }
        Ok(Self { target, start })
    }

    /// The product at a time under gradient flow.
    ///
    /// # Errors
    /// A time that is not finite.
    ///
    /// ```
    /// let network = thermograd::systems::SaddleToSaddle::new(2.0, 1e-4)?;
    /// assert!((network.product(0.0)? - 1e-4).abs() < 1e-18);
    /// assert!((network.product(network.half_time())? - 1.0).abs() < 1e-12);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn product(&self, time: f64) -> Result<f64, Error> {
        check_range("time", time, "a finite number", |_| true)?;
        let decay = (-2.0 * self.target * time).exp();
        Ok(self.target / (1.0 + self.excess() * decay))
    }

    /// What is missing at the start, over the start: positive, since the two differ.
    fn excess(&self) -> f64 {
        (self.target - self.start) / self.start
    }

    /// The loss at a time under gradient flow.
    ///
    /// # Errors
    /// As for [`product`](Self::product).
    pub fn loss(&self, time: f64) -> Result<f64, Error> {
        Ok(0.5 * (self.target - self.product(time)?).powi(2))
    }

    /// When the product has reached half its target.
    pub fn half_time(&self) -> f64 {
        self.excess().ln() / (2.0 * self.target)
    }

    /// Gradient descent from the same start.
    ///
    /// # Errors
    /// A learning rate outside `(0, 1/target)`, where it is not stable.
    pub fn descent(&self, learning_rate: f64) -> Result<SaddleDescent, Error> {
        if !(learning_rate > 0.0 && learning_rate * self.target < 1.0) {
            return Err(Error::OutOfRange {
                what: "learning rate",
                value: learning_rate,
                allowed: "a positive number below 1 / target",
            });
        }
        let mut descent = SaddleDescent {
            target: self.target,
            weights: [self.start.sqrt(); 2],
            gradient: [0.0; 2],
            learning_rate,
        };
        descent.differentiate();
        Ok(descent)
    }
}

/// Gradient descent on the two weights.
#[derive(Debug, Clone)]
pub struct SaddleDescent {
    target: f64,
    weights: [f64; 2],
    gradient: [f64; 2],
    learning_rate: f64,
}

impl SaddleDescent {
    fn differentiate(&mut self) {
        let [a, b] = self.weights;
        let error = a * b - self.target;
        self.gradient = [error * b, error * a];
    }

    /// The weights `a` and `b`.
    pub const fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The gradient that the next step will use.
    pub const fn gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// The loss at the weights.
    pub fn loss(&self) -> f64 {
        let [a, b] = self.weights;
        0.5 * (self.target - a * b).powi(2)
    }

    /// One update.
    pub fn step(&mut self) {
        for (w, g) in self.weights.iter_mut().zip(self.gradient) {
            *w -= self.learning_rate * g;
        }
        self.differentiate();
    }
}
