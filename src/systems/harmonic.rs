//! The harmonic bath: momentum SGD on a quadratic, every stationary second moment exact.
//!
//! # Definition
//! Loss L(w) = ½ w′A w with A symmetric positive definite; the batch at step t adds a linear term,
//! `L_B`(w) = L(w) + ξ·w, with ξ of covariance Σ, independent from step to step. A and Σ need not
//! commute. With velocity v, momentum μ, dampening τ and decay λ the step is linear in the joint state,
//!
//! <!-- math
//! (w', v') = F (w, v) + G \xi, \qquad C = F C F^T + G \Sigma G^T
//! -->
#![doc = include_str!("../math/systems_harmonic.html")]
//!
//! and the stationary covariance C solves that discrete Lyapunov equation (Mandt, Hoffman and Blei,
//! arXiv 1704.04289, for the continuum; Liu, Ziyin and Ueda, arXiv 2012.03636, for finite steps). In
//! the eigenbasis of A the map F is a 2×2 block a mode, so the equation falls into one 4×4 system for
//! each pair of modes, solved directly.
//!
//! # What is known of it
//! With T₀ = η(1−τ) tr Σ / (2 (1−μ) d), the temperature of the bath in units of the loss:
//! - the *midpoint* temperature ⟨|(`w_(t+1)` − `w_(t−1)`)/2|²⟩ / (η(1−τ) d) is T₀ for any A, Σ, μ;
//! - so is the *calorimetric* one, from the heat `L_B`(`w_(t+1)`) − `L_B`(`w_t`) of one and the same batch;
//! - the *kinetic* one (1+μ)⟨|Δ|²⟩ / (2 η(1−τ) d) and the *virial* one ⟨w·∇U⟩/d are equal to each
//!   other, and above T₀ by the discretisation of stiff modes (Yaida, arXiv 1810.00004). In one dimension
//!   the factor is 1/(1 − x/(2(1+μ))), x = η(1−τ)a.
//!
//! U includes the decay term ½λ|w|² when decay is coupled. The four statements are for the heavy
//! ball with coupled decay or none. For Nesterov the calorimetric identity reads ⟨q⟩ = −η(1+μ) tr Σ, and
//! the others fail: the stiff modes are colder.
//!
//! # When it lies
//! Noise that depends on w, curvature that does, reshuffled batches: none of it is here. The moments
//! are those of the stationary state; a simulation started elsewhere needs 1/(η a) steps of its
//! softest mode to get there ([`HarmonicBath::stationary_sampler`] starts inside it).

use nalgebra::{DMatrix, Matrix2, SymmetricEigen, Vector4};

use crate::error::check_range;
use crate::random::Random;
use crate::{Decay, Error, Optimizer, Step};

use super::dot;

/// Sweeps allowed to an eigenvalue decomposition; some 3 an eigenvalue are the rule.
const MAX_SWEEPS: usize = 1_000_000;
/// Relative asymmetry and negativity that rounding may have left in the input.
const ROUNDING: f64 = 1e-10;

/// The optimiser of a [`HarmonicBath`].
///
/// Defaults of [`new`](Self::new): plain SGD, λ = 0, coupled.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HarmonicConfig {
    learning_rate: f64,
    optimizer: Optimizer,
    weight_decay: f64,
    decay: Decay,
}

impl HarmonicConfig {
    /// Plain SGD with learning rate η.
    pub const fn new(learning_rate: f64) -> Self {
        Self {
            learning_rate,
            optimizer: Optimizer::SGD,
            weight_decay: 0.0,
            decay: Decay::Coupled,
        }
    }

    /// Momentum μ of the rule in use: heavy ball, unless [`optimizer`](Self::optimizer) said
    /// otherwise.
    #[must_use]
    pub const fn momentum(mut self, mu: f64) -> Self {
        self.optimizer = self.optimizer.with_momentum(mu);
        self
    }

    /// The update rule: heavy ball or Nesterov, which are linear in weights and gradient.
    #[must_use]
    pub const fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// Dampening τ of the heavy ball; τ = μ makes the velocity an exponential moving average.
    /// Nesterov's rule has none and stays as it is.
    #[must_use]
    pub const fn dampening(mut self, tau: f64) -> Self {
        self.optimizer = self.optimizer.with_dampening(tau);
        self
    }

    /// Weight decay λ, in the unit of a curvature.
    #[must_use]
    pub const fn weight_decay(mut self, lambda: f64) -> Self {
        self.weight_decay = lambda;
        self
    }

    /// Where weight decay enters.
    #[must_use]
    pub const fn decay(mut self, decay: Decay) -> Self {
        self.decay = decay;
        self
    }

    fn validate(&self) -> Result<(), Error> {
        check_range(
            "learning rate",
            self.learning_rate,
            "a positive number up to 1e100",
            |x| x > 0.0 && x <= 1e100,
        )?;
        check_range("momentum", self.optimizer.momentum(), "0 <= mu < 1", |x| {
            (0.0..1.0).contains(&x)
        })?;
        check_range(
            "dampening",
            self.optimizer.dampening(),
            "0 <= tau < 1",
            |x| (0.0..1.0).contains(&x),
        )?;
        check_range("weight decay", self.weight_decay, "0 to 1e100", |x| {
            (0.0..=1e100).contains(&x)
        })?;
        if !matches!(
            self.optimizer,
            Optimizer::HeavyBall { .. } | Optimizer::Nesterov { .. }
        ) {
            return Err(Error::Conflict {
                what: "an update rule that is not linear in the gradient",
                remedy: "give the heavy ball or Nesterov's rule",
            });
        }
        Ok(())
    }

    /// The coefficients of the step: w′ = (q − η α a) w − η β v − η α ξ, v′ = γ (a w + ξ) + μ v.
    fn coefficients(&self) -> Coefficients {
        let (mu, damped) = (self.optimizer.momentum(), 1.0 - self.optimizer.dampening());
        let (alpha, beta) = match self.optimizer {
            Optimizer::Nesterov { .. } => (1.0 + mu, mu * mu),
            // The others were refused.
            _ => (damped, mu),
        };
        let (shift, shrink) = match self.decay {
            Decay::Coupled => (self.weight_decay, 0.0),
            Decay::Decoupled => (0.0, self.learning_rate * self.weight_decay),
        };
        Coefficients {
            eta: self.learning_rate,
            mu,
            alpha,
            beta,
            gamma: damped,
            shift,
            shrink,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Coefficients {
    eta: f64,
    mu: f64,
    alpha: f64,
    beta: f64,
    gamma: f64,
    /// Coupled decay, added to each curvature.
    shift: f64,
    /// ηλ for decoupled decay, else 0.
    shrink: f64,
}

impl Coefficients {
    /// F − 1 of a mode with curvature `a` (decay not included): F itself would round slow modes away.
    fn change(&self, a: f64) -> Matrix2<f64> {
        let a = a + self.shift;
        Matrix2::new(
            -self.shrink - self.eta * self.alpha * a,
            -self.eta * self.beta,
            self.gamma * a,
            self.mu - 1.0,
        )
    }

    /// G: what a unit of noise adds to (w, v).
    fn kick(&self) -> [f64; 2] {
        [-self.eta * self.alpha, self.gamma]
    }
}

/// A quadratic loss with gradient noise, and the optimiser that moves in it.
///
/// ```
/// use thermograd::systems::{HarmonicBath, HarmonicConfig};
/// // One mode: a = 2, s^2 = 3, eta = 0.1. Var w = eta s^2 / (a (2 - eta a)).
/// let bath = HarmonicBath::new(&[2.0], &[3.0], HarmonicConfig::new(0.1))?;
/// let moments = bath.stationary()?;
/// assert!((moments.weight_covariance()[0] - 0.3 / 3.6).abs() < 1e-15);
/// assert!((moments.midpoint_temperature() - 0.15).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HarmonicBath {
    config: HarmonicConfig,
    dim: usize,
    hessian: Vec<f64>,
    noise: Vec<f64>,
    /// R with R R′ = Σ, row-major.
    noise_root: Vec<f64>,
    curvatures: Vec<f64>,
    /// Eigenvectors of A as columns.
    basis: DMatrix<f64>,
}

impl HarmonicBath {
    /// The bath of Hessian `hessian` (A) and noise covariance `noise` (Σ), flat row-major d×d each.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::LengthMismatch`] unless both are d×d for one d ≥ 1,
    /// [`Error::NonFinite`], and [`Error::OutOfRange`] unless both are symmetric, A is positive definite (to 1e−13)
    /// and Σ positive semidefinite with tr Σ > 0 (both to 1e−10 of their scale), or for the optimiser's parameters.
    pub fn new(hessian: &[f64], noise: &[f64], config: HarmonicConfig) -> Result<Self, Error> {
        config.validate()?;
        if hessian.is_empty() {
            return Err(Error::Empty {
                place: "the Hessian".to_owned(),
                remedy: "give a d by d matrix, row by row",
            });
        }
        let dim = hessian.len().isqrt();
        for (place, matrix) in [("the Hessian", hessian), ("the noise covariance", noise)] {
            if matrix.len() != dim * dim {
                return Err(Error::LengthMismatch {
                    place: place.to_owned(),
                    expected: dim * dim,
                    found: matrix.len(),
                });
            }
            Error::check_finite(place, matrix)?;
        }
        let (curvatures, basis) = eigen("the Hessian", dim, hessian)?;
        let softest = curvatures.iter().copied().fold(f64::INFINITY, f64::min);
        let stiffest = curvatures.iter().copied().fold(0.0, f64::max);
        check_range(
            "smallest eigenvalue of the Hessian",
            softest,
            "a positive number, at least 1e-13 of the largest",
            |a| a > 0.0 && a >= 1e-13 * stiffest,
        )?;
        let (strengths, directions) = eigen("the noise covariance", dim, noise)?;
        let largest = strengths.iter().copied().fold(0.0, f64::max);
        let smallest = strengths.iter().copied().fold(f64::INFINITY, f64::min);
        check_range(
            "largest eigenvalue of the noise covariance",
            largest,
            "a positive number",
            |s| s > 0.0,
        )?;
        check_range(
            "smallest eigenvalue of the noise covariance",
            smallest,
            "0 or more",
            |s| s >= -ROUNDING * largest,
        )?;
        let noise_root = square_root(&strengths, &directions);
        Ok(Self {
            config,
            dim,
            hessian: hessian.to_vec(),
            noise: noise.to_vec(),
            noise_root,
            curvatures,
            basis,
        })
    }

    /// d.
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// The optimiser.
    pub const fn config(&self) -> &HarmonicConfig {
        &self.config
    }

    /// A, row-major.
    pub fn hessian(&self) -> &[f64] {
        &self.hessian
    }

    /// Σ, row-major.
    pub fn noise(&self) -> &[f64] {
        &self.noise
    }

    /// tr Σ.
    pub fn noise_trace(&self) -> f64 {
        trace(self.dim, &self.noise)
    }

    /// T₀ = η(1−τ) tr Σ / (2 (1−μ) d): the temperature of the bath, in units of the loss.
    ///
    /// ```
    /// use thermograd::systems::{HarmonicBath, HarmonicConfig};
    /// let config = HarmonicConfig::new(0.1).momentum(0.5);
    /// let bath = HarmonicBath::new(&[1.0, 0.0, 0.0, 2.0], &[3.0, 0.0, 0.0, 5.0], config)?;
    /// // 0.1 * 8 / (2 * 0.5 * 2).
    /// assert!((bath.temperature() - 0.4).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn temperature(&self) -> f64 {
        let c = &self.config;
        let damped = c.learning_rate * (1.0 - c.optimizer.dampening());
        damped * self.noise_trace() / (2.0 * (1.0 - c.optimizer.momentum()) * self.dim as f64)
    }

    /// The spectral radius of one step; a stationary state exists below 1.
    ///
    /// The heavy ball is stable for η(1−τ)a < 2(1+μ), Nesterov for ηa < 2(1+μ)/(1+2μ).
    pub fn spectral_radius(&self) -> f64 {
        let coefficients = self.config.coefficients();
        self.curvatures
            .iter()
            .map(|&a| spectral_radius(&(Matrix2::identity() + coefficients.change(a))))
            .fold(0.0, f64::max)
    }

    /// The exact stationary second moments.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when the spectral radius is 1 or more: there is no stationary state.
    pub fn stationary(&self) -> Result<HarmonicMoments, Error> {
        check_range(
            "spectral radius of the step",
            self.spectral_radius(),
            "less than 1: lower the learning rate",
            |r| r < 1.0,
        )?;
        let d = self.dim;
        let coefficients = self.config.coefficients();
        let kick = coefficients.kick();
        let sigma = self.basis.transpose() * matrix(d, &self.noise) * &self.basis;
        let mut modes = [
            DMatrix::zeros(d, d),
            DMatrix::zeros(d, d),
            DMatrix::zeros(d, d),
        ];
        for (i, &a) in self.curvatures.iter().enumerate() {
            for (j, &b) in self.curvatures.iter().enumerate() {
                let (f, h) = (coefficients.change(a), coefficients.change(b));
                // vec(C) = (F_i (x) F_j) vec(C) + vec(Q), C = [ww, wv, vw, vv] of the pair; F = 1 + f.
                let one = Matrix2::<f64>::identity();
                let system = -(f.kronecker(&one) + one.kronecker(&h) + f.kronecker(&h));
                let source = Vector4::new(
                    kick[0] * kick[0],
                    kick[0] * kick[1],
                    kick[1] * kick[0],
                    kick[1] * kick[1],
                ) * sigma[(i, j)];
                let Some(c) = system.lu().solve(&source) else {
                    return Err(Error::OutOfRange {
                        what: "spectral radius of the step",
                        value: 1.0,
                        allowed: "less than 1: lower the learning rate",
                    });
                };
                modes[0][(i, j)] = c[0];
                modes[1][(i, j)] = c[1];
                modes[2][(i, j)] = c[3];
            }
        }
        let [ww, wv, vv] = modes.map(|c| &self.basis * c * self.basis.transpose());
        let moments = HarmonicMoments::new(self, &ww, &wv, &vv);
        let extreme = moments
            .weight
            .iter()
            .chain(&moments.velocity)
            .fold(moments.square_step, |sum, x| sum + x.abs());
        check_range(
            "scale of the stationary moments",
            extreme,
            "one whose squares stay in the range of f64: rescale loss or learning rate",
            |_| moments.square_step > 1e-280 && moments.square_midpoint > 1e-280,
        )?;
        Ok(moments)
    }

    /// A simulation from the weights `start`, at rest, with its own seed.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] or [`Error::NonFinite`] for a bad start.
    pub fn sampler(&self, start: &[f64], seed: u64) -> Result<HarmonicSampler, Error> {
        if start.len() != self.dim {
            return Err(Error::LengthMismatch {
                place: "the starting weights".to_owned(),
                expected: self.dim,
                found: start.len(),
            });
        }
        Error::check_finite("the starting weights", start)?;
        check_range(
            "squared norm of the starting weights",
            dot(start, start),
            "at most 1e200",
            |x| x <= 1e200,
        )?;
        Ok(HarmonicSampler::new(
            self.clone(),
            start,
            &vec![0.0; self.dim],
            seed,
        ))
    }

    /// A simulation whose first state is drawn from the exact stationary law: nothing to burn in.
    ///
    /// # Errors
    /// As [`stationary`](Self::stationary).
    pub fn stationary_sampler(&self, seed: u64) -> Result<HarmonicSampler, Error> {
        let moments = self.stationary()?;
        let d = self.dim;
        // Joint covariance of (w, v), each scaled to unit trace: the two differ by 1/eta^2.
        let (sw, sv) = (
            trace(d, &moments.weight).sqrt().max(f64::MIN_POSITIVE),
            trace(d, &moments.velocity).sqrt().max(f64::MIN_POSITIVE),
        );
        let joint = DMatrix::from_fn(2 * d, 2 * d, |i, j| match (i < d, j < d) {
            (true, true) => moments.weight[i * d + j] / (sw * sw),
            (true, false) => moments.cross[i * d + j - d] / (sw * sv),
            (false, true) => moments.cross[j * d + i - d] / (sw * sv),
            (false, false) => moments.velocity[(i - d) * d + j - d] / (sv * sv),
        });
        let flat: Vec<f64> = joint.transpose().iter().copied().collect();
        let (values, vectors) = eigen("the joint covariance", 2 * d, &flat)?;
        let root = square_root(&values, &vectors);
        let mut random = Random::new(seed ^ 0x5bd1_e995);
        let z: Vec<f64> = (0..2 * d).map(|_| random.normal()).collect();
        let draw: Vec<f64> = root.chunks_exact(2 * d).map(|row| dot(row, &z)).collect();
        let (w, v) = draw.split_at(d);
        let w: Vec<f64> = w.iter().map(|x| x * sw).collect();
        let v: Vec<f64> = v.iter().map(|x| x * sv).collect();
        Ok(HarmonicSampler::new(self.clone(), &w, &v, seed))
    }
}

/// Exact stationary moments of a [`HarmonicBath`]; matrices are flat row-major d×d.
///
/// v is the velocity that made the last step, Δ the step to come.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HarmonicMoments {
    dim: usize,
    effective_rate: f64,
    momentum: f64,
    weight: Vec<f64>,
    velocity: Vec<f64>,
    cross: Vec<f64>,
    area: Vec<f64>,
    square_step: f64,
    square_midpoint: f64,
    weight_gradient: f64,
    virial: f64,
    energy: f64,
    heat: f64,
    lag_sum: f64,
    lag_difference: f64,
}

impl HarmonicMoments {
    fn new(bath: &HarmonicBath, ww: &DMatrix<f64>, wv: &DMatrix<f64>, vv: &DMatrix<f64>) -> Self {
        let d = bath.dim;
        let c = bath.config.coefficients();
        let identity = DMatrix::<f64>::identity(d, d);
        let a = matrix(d, &bath.hessian);
        let sigma = matrix(d, &bath.noise);
        let total = &a + &identity * c.shift;
        let cov = |x: &DMatrix<f64>, y: &DMatrix<f64>| {
            // E[(x w + y v)(x w + y v)'].
            let mixed = x * wv * y.transpose();
            x * ww * x.transpose() + &mixed + mixed.transpose() + y * vv * y.transpose()
        };
        // w' - w = step_w w + to_w_v v + kick_w xi.
        let step_w = &identity * (-c.shrink) - &total * (c.eta * c.alpha);
        let to_w = &identity + &step_w;
        let to_w_v = &identity * (-c.eta * c.beta);
        let kick_w = -c.eta * c.alpha;
        let step = cov(&step_w, &to_w_v) + &sigma * (kick_w * kick_w);
        // Two steps on: w'' - w = (rows of F^2 - 1) (w, v) + (row of F) G xi + G xi'.
        let twice_w = &step_w * 2.0 + &step_w * &step_w + &to_w_v * &total * c.gamma;
        let twice_v = &to_w * &to_w_v + &to_w_v * c.mu;
        let carried = &to_w * kick_w + &to_w_v * c.gamma;
        let two_steps = cov(&twice_w, &twice_v)
            + &carried * &sigma * carried.transpose()
            + &sigma * (kick_w * kick_w);
        // Detailed balance: half the antisymmetric part of E[w Delta'].
        let w_step = ww * step_w.transpose() + wv * to_w_v.transpose();
        let area = (&w_step - w_step.transpose()) * 0.5;
        // Loss gradients without decay, at successive steps.
        let same = &a * ww * &a + &sigma;
        let later = &a * ((&to_w * ww + &to_w_v * wv.transpose()) * &a + &sigma * kick_w);
        // Heat: E[L(w') - L(w)] from the propagated covariance (0 by stationarity), plus E[xi.Delta].
        let next_ww = cov(&to_w, &to_w_v) + &sigma * (kick_w * kick_w);
        let energy_change = 0.5 * (&a * (next_ww - ww)).trace();
        let weight_gradient = (&a * ww).trace();
        let config = &bath.config;
        let pressure = config
            .optimizer
            .pressure(config.weight_decay, config.decay)
            .unwrap_or(0.0);
        Self {
            dim: d,
            effective_rate: c.eta * c.gamma,
            momentum: c.mu,
            weight: flat(ww),
            velocity: flat(vv),
            cross: flat(wv),
            area: flat(&area),
            square_step: step.trace(),
            square_midpoint: two_steps.trace() / 4.0,
            weight_gradient,
            virial: weight_gradient + pressure * ww.trace(),
            energy: 0.5 * weight_gradient,
            heat: energy_change + kick_w * sigma.trace(),
            lag_sum: same.trace() + later.trace(),
            lag_difference: same.trace() - later.trace(),
        }
    }

    /// E\[w w′\].
    pub fn weight_covariance(&self) -> &[f64] {
        &self.weight
    }

    /// E\[v v′\].
    pub fn velocity_covariance(&self) -> &[f64] {
        &self.velocity
    }

    /// E\[w v′\] at one time index; for the heavy ball its trace is −(η/2) E|v|².
    pub fn weight_velocity_covariance(&self) -> &[f64] {
        &self.cross
    }

    /// E|Δ|².
    pub const fn square_step(&self) -> f64 {
        self.square_step
    }

    /// E|(`w_(t+1)` − `w_(t−1)`)/2|².
    pub const fn square_midpoint(&self) -> f64 {
        self.square_midpoint
    }

    /// E\[w·∇L\], the loss alone.
    pub const fn weight_dot_gradient(&self) -> f64 {
        self.weight_gradient
    }

    /// E\[L\] = ½ tr(A E\[w w′\]).
    pub const fn energy(&self) -> f64 {
        self.energy
    }

    /// ⟨q⟩ = E\[`L_B`(`w_(t+1)`) − `L_B`(`w_t`)\], one batch before and after its own step.
    pub const fn heat(&self) -> f64 {
        self.heat
    }

    /// ⟨|`w_(t+1)` − `w_(t−1)`|²⟩ / (4 η(1−τ) d): T₀ for the heavy ball, whatever A and Σ.
    pub fn midpoint_temperature(&self) -> f64 {
        self.square_midpoint / (self.effective_rate * self.dim as f64)
    }

    /// (1+μ) ⟨|Δ|²⟩ / (2 η(1−τ) d).
    pub fn kinetic_temperature(&self) -> f64 {
        (1.0 + self.momentum) * self.square_step / (2.0 * self.effective_rate * self.dim as f64)
    }

    /// ⟨w·∇U⟩ / d, with U = L + ½ p |w|², p = λ for coupled decay, λ(1−μ)/(1−τ) for decoupled.
    pub fn virial_temperature(&self) -> f64 {
        self.virial / self.dim as f64
    }

    /// −⟨q⟩ / (2 (1−μ) d), for the heavy ball; dampening cancels in it.
    pub fn calorimetric_temperature(&self) -> f64 {
        -self.heat / (2.0 * (1.0 - self.momentum) * self.dim as f64)
    }

    /// 1 − `T_mid`/`T_kin`, in \[0, 1): the distance to the edge of stability without a Hessian.
    ///
    /// In one dimension x/(2(1+μ)), x = η(1−τ)a; it reaches 1 where the step turns unstable.
    ///
    /// ```
    /// use thermograd::systems::{HarmonicBath, HarmonicConfig};
    /// let bath = HarmonicBath::new(&[1.0], &[1.0], HarmonicConfig::new(1.0))?;
    /// assert!((bath.stationary()?.edge_ratio() - 0.5).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn edge_ratio(&self) -> f64 {
        1.0 - self.midpoint_temperature() / self.kinetic_temperature()
    }

    /// ½ E|`g_t` + `g_(t−1)`|²: exactly tr Σ without momentum, whatever A and Σ.
    pub const fn half_square_lag_sum(&self) -> f64 {
        self.lag_sum
    }

    /// ½ E|`g_t` − `g_(t−1)`|²: above tr Σ by the discretisation.
    pub const fn half_square_lag_difference(&self) -> f64 {
        self.lag_difference
    }

    /// ½⟨`w_i Δ_j` − `w_j Δ_i`⟩ per step: zero for all pairs if and only if detailed balance holds.
    ///
    /// `None` for an index that is not below d.
    pub fn area_rate(&self, pair: (usize, usize)) -> Option<f64> {
        let (i, j) = pair;
        (i < self.dim && j < self.dim)
            .then(|| self.area.get(i * self.dim + j).copied())
            .flatten()
    }
}

/// A running simulation of a [`HarmonicBath`]: weights, the gradient drawn at them, the update.
///
/// ```
/// use thermograd::systems::{HarmonicBath, HarmonicConfig};
/// let config = HarmonicConfig::new(0.1).momentum(0.9);
/// let bath = HarmonicBath::new(&[1.0, 0.2, 0.2, 0.5], &[1.0, 0.0, 0.0, 4.0], config)?;
/// let mut run = bath.stationary_sampler(1)?;
/// let mut heat = 0.0;
/// for _ in 0..20_000 {
///     // Observe run.weights() and run.gradient() here; then:
///     let before = run.batch_loss();
///     run.step()?;
///     heat += (run.previous_batch_loss().unwrap() - before) / 20_000.0;
/// }
/// // <q> = -eta tr Sigma = -0.5.
/// assert!((heat + 0.5).abs() < 0.05);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HarmonicSampler {
    bath: HarmonicBath,
    random: Random,
    second_random: Random,
    weights: Vec<f64>,
    velocity: Vec<f64>,
    /// A w.
    slope: Vec<f64>,
    xi: Vec<f64>,
    gradient: Vec<f64>,
    second: Vec<f64>,
    second_drawn: bool,
    normals: Vec<f64>,
    next: Vec<f64>,
    previous_batch_loss: Option<f64>,
    steps: u64,
}

impl HarmonicSampler {
    fn new(bath: HarmonicBath, weights: &[f64], velocity: &[f64], seed: u64) -> Self {
        let d = bath.dim;
        let mut sampler = Self {
            bath,
            random: Random::new(seed),
            second_random: Random::new(!seed),
            weights: weights.to_vec(),
            velocity: velocity.to_vec(),
            slope: vec![0.0; d],
            xi: vec![0.0; d],
            gradient: vec![0.0; d],
            second: vec![0.0; d],
            second_drawn: false,
            normals: vec![0.0; d],
            next: vec![0.0; d],
            previous_batch_loss: None,
            steps: 0,
        };
        sampler.draw();
        sampler
    }

    /// The system that is simulated.
    pub const fn bath(&self) -> &HarmonicBath {
        &self.bath
    }

    /// `w_t`.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// `v_t`, the velocity that led here.
    pub fn velocity(&self) -> &[f64] {
        &self.velocity
    }

    /// `g_t` = A w + ξ, of the coming step's batch; without any decay term.
    pub fn gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// A w, the gradient without noise.
    pub fn mean_gradient(&self) -> &[f64] {
        &self.slope
    }

    /// Draws a second gradient at the same weights; the trajectory is the same with it or without.
    pub fn draw_second(&mut self) -> &[f64] {
        draw_noise(
            &self.bath.noise_root,
            &mut self.second_random,
            &mut self.normals,
            &mut self.second,
        );
        for (g, a) in self.second.iter_mut().zip(&self.slope) {
            *g += a;
        }
        self.second_drawn = true;
        &self.second
    }

    /// The second gradient at these weights; `None` until [`draw_second`](Self::draw_second).
    pub fn second_gradient(&self) -> Option<&[f64]> {
        self.second_drawn.then_some(self.second.as_slice())
    }

    /// L(`w_t`) = ½ w′A w.
    pub fn loss(&self) -> f64 {
        0.5 * dot(&self.weights, &self.slope)
    }

    /// `L_B`(`w_t`) = L + ξ·w, of the coming step's batch.
    pub fn batch_loss(&self) -> f64 {
        self.loss() + dot(&self.xi, &self.weights)
    }

    /// The last step's batch evaluated at the weights it led to; `None` before the first step.
    pub const fn previous_batch_loss(&self) -> Option<f64> {
        self.previous_batch_loss
    }

    /// Steps taken.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The facts of the coming step: loss of its batch, learning rate, decay, update rule, and
    /// the last batch's loss after its step.
    pub fn facts(&self) -> Step {
        let config = &self.bath.config;
        let step = Step::new(self.batch_loss())
            .learning_rate(config.learning_rate)
            .optimizer(config.optimizer);
        let step = match config.decay {
            Decay::Coupled => step.weight_decay(config.weight_decay),
            Decay::Decoupled => step.decoupled_weight_decay(config.weight_decay),
        };
        match self.previous_batch_loss {
            Some(after) => step.previous_batch_loss(after),
            None => step,
        }
    }

    /// Applies the update with `g_t`, then draws the gradient at the new weights. Allocates nothing.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when |w|² would pass 1e200 (an unstable step); the state then stays.
    pub fn step(&mut self) -> Result<(), Error> {
        let c = self.bath.config.coefficients();
        for (((next, w), v), g) in self
            .next
            .iter_mut()
            .zip(&self.weights)
            .zip(&self.velocity)
            .zip(&self.gradient)
        {
            let force = g + c.shift * w;
            *next = (1.0 - c.shrink) * w - c.eta * (c.alpha * force + c.beta * v);
        }
        check_range(
            "squared norm of the weights after the step",
            dot(&self.next, &self.next),
            "at most 1e200: lower the learning rate",
            |x| x <= 1e200,
        )?;
        for ((v, w), g) in self
            .velocity
            .iter_mut()
            .zip(&self.weights)
            .zip(&self.gradient)
        {
            *v = c.mu * *v + c.gamma * (g + c.shift * w);
        }
        std::mem::swap(&mut self.weights, &mut self.next);
        let noise_part = dot(&self.xi, &self.weights);
        self.second_drawn = false;
        self.draw();
        self.previous_batch_loss = Some(self.loss() + noise_part);
        self.steps = self.steps.saturating_add(1);
        Ok(())
    }

    fn draw(&mut self) {
        let d = self.bath.dim;
        for (slope, row) in self.slope.iter_mut().zip(self.bath.hessian.chunks_exact(d)) {
            *slope = dot(row, &self.weights);
        }
        draw_noise(
            &self.bath.noise_root,
            &mut self.random,
            &mut self.normals,
            &mut self.xi,
        );
        for ((g, a), xi) in self.gradient.iter_mut().zip(&self.slope).zip(&self.xi) {
            *g = a + xi;
        }
    }
}

/// R z.
fn draw_noise(root: &[f64], random: &mut Random, normals: &mut [f64], out: &mut [f64]) {
    for z in normals.iter_mut() {
        *z = random.normal();
    }
    for (x, row) in out.iter_mut().zip(root.chunks_exact(normals.len().max(1))) {
        *x = dot(row, normals);
    }
}

fn matrix(dim: usize, row_major: &[f64]) -> DMatrix<f64> {
    DMatrix::from_row_slice(dim, dim, row_major)
}

/// Row-major, symmetrised nowhere.
fn flat(m: &DMatrix<f64>) -> Vec<f64> {
    m.transpose().iter().copied().collect()
}

fn trace(dim: usize, row_major: &[f64]) -> f64 {
    row_major.iter().step_by(dim + 1).sum()
}

/// Eigenvalues and eigenvectors of a symmetric matrix, checked to be one.
fn eigen(
    place: &'static str,
    dim: usize,
    row_major: &[f64],
) -> Result<(Vec<f64>, DMatrix<f64>), Error> {
    let m = matrix(dim, row_major);
    let largest = m.amax();
    if largest > 1e100 {
        return Err(Error::Overflow {
            place: place.to_owned(),
            largest,
        });
    }
    check_range(
        "asymmetry of a matrix that must be symmetric",
        (&m - m.transpose()).amax(),
        "at most 1e-10 of its largest element",
        |gap| gap <= ROUNDING * largest,
    )?;
    let symmetric = (&m + m.transpose()) * 0.5;
    let Some(eigen) = SymmetricEigen::try_new(symmetric, f64::EPSILON, MAX_SWEEPS) else {
        return Err(Error::Conflict {
            what: "a symmetric matrix whose eigenvalues were not found",
            remedy: "rescale it so that its elements are near 1",
        });
    };
    Ok((
        eigen.eigenvalues.iter().copied().collect(),
        eigen.eigenvectors,
    ))
}

/// V √max(λ, 0), row-major: a root R of the matrix with R R′ equal to it.
fn square_root(values: &[f64], vectors: &DMatrix<f64>) -> Vec<f64> {
    let mut root = vectors.clone();
    for (mut column, value) in root.column_iter_mut().zip(values) {
        column *= value.max(0.0).sqrt();
    }
    flat(&root)
}

/// The larger modulus of the two eigenvalues.
fn spectral_radius(m: &Matrix2<f64>) -> f64 {
    let half = m.trace() / 2.0;
    let determinant = m.determinant();
    let discriminant = half * half - determinant;
    if !discriminant.is_finite() {
        // The squares of such entries are beyond range, the eigenvalues are not: no parameter exceeds 1e100.
        let scale = m.amax();
        return scale * spectral_radius(&(m / scale));
    }
    if discriminant >= 0.0 {
        half.abs() + discriminant.sqrt()
    } else {
        determinant.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::{DMatrix, Decay, HarmonicBath, HarmonicConfig, Optimizer, matrix};

    #[test]
    fn spectral_radius_of_numbers_whose_squares_are_beyond_range() {
        let m = nalgebra::Matrix2::new(3.0, 1.0, 2.0, 4.0);
        assert_eq!(super::spectral_radius(&m), 5.0);
        let ratio = super::spectral_radius(&(m * 1e200)) / 5e200;
        assert!((ratio - 1.0).abs() < 1e-15, "{ratio}");
        let stiff = HarmonicBath::new(&[1e100], &[1.0], HarmonicConfig::new(1e100)).unwrap();
        assert_eq!(stiff.spectral_radius(), 1e200);
    }

    /// The slow obvious way: iterate C = F C F' + Q on the joint state until it stands still.
    fn by_iteration(bath: &HarmonicBath) -> DMatrix<f64> {
        let (d, c) = (bath.dim, bath.config.coefficients());
        let identity = DMatrix::<f64>::identity(d, d);
        let a = matrix(d, &bath.hessian) + &identity * c.shift;
        let sigma = matrix(d, &bath.noise);
        let mut f = DMatrix::zeros(2 * d, 2 * d);
        f.view_mut((0, 0), (d, d))
            .copy_from(&(&identity * (1.0 - c.shrink) - &a * (c.eta * c.alpha)));
        f.view_mut((0, d), (d, d))
            .copy_from(&(&identity * (-c.eta * c.beta)));
        f.view_mut((d, 0), (d, d)).copy_from(&(&a * c.gamma));
        f.view_mut((d, d), (d, d)).copy_from(&(&identity * c.mu));
        let mut g = DMatrix::zeros(2 * d, d);
        g.view_mut((0, 0), (d, d))
            .copy_from(&(&identity * (-c.eta * c.alpha)));
        g.view_mut((d, 0), (d, d)).copy_from(&(&identity * c.gamma));
        let q = &g * sigma * g.transpose();
        let mut joint = q.clone();
        for _ in 0..4000 {
            joint = &f * joint * f.transpose() + &q;
        }
        joint
    }

    #[test]
    fn pairs_of_modes_give_what_iteration_gives() {
        let a = [2.0, 0.5, -0.3, 0.5, 1.0, 0.2, -0.3, 0.2, 0.7];
        let sigma = [1.0, -0.4, 0.1, -0.4, 3.0, 0.9, 0.1, 0.9, 0.5];
        for config in [
            HarmonicConfig::new(0.3),
            HarmonicConfig::new(0.3).momentum(0.9).dampening(0.5),
            HarmonicConfig::new(0.1).optimizer(Optimizer::Nesterov { momentum: 0.8 }),
            HarmonicConfig::new(0.2).momentum(0.6).weight_decay(0.3),
            HarmonicConfig::new(0.2)
                .momentum(0.6)
                .weight_decay(0.3)
                .decay(Decay::Decoupled),
        ] {
            let bath = HarmonicBath::new(&a, &sigma, config).unwrap();
            let moments = bath.stationary().unwrap();
            let joint = by_iteration(&bath);
            for i in 0..3 {
                for j in 0..3 {
                    let k = 3 * i + j;
                    for (ours, slow) in [
                        (moments.weight[k], joint[(i, j)]),
                        (moments.cross[k], joint[(i, j + 3)]),
                        (moments.velocity[k], joint[(i + 3, j + 3)]),
                    ] {
                        assert!(
                            (ours - slow).abs() < 1e-12 * joint.amax(),
                            "{config:?} {ours} {slow}"
                        );
                    }
                }
            }
        }
    }
}
