//! The Gibbs measure of a linear loss on the sphere: thermodynamics with every answer in closed form.
//!
//! The loss L(x) = 1 − m·x of a unit vector x ∈ `S^(d-1)` has its minimum 0 at the unit vector m. At
//! temperature T its Gibbs density is von Mises-Fisher's, with concentration κ = 1/T:
//!
//! <!-- math
//! \begin{aligned}
//! \rho(x) &= C_d(\kappa)\, e^{\kappa\, \hat m \cdot x}, \qquad A_d = \frac{I_{d/2}(\kappa)}{I_{d/2-1}(\kappa)} = \langle \hat m \cdot x \rangle \\
//! \ln C_d &= \bigl(\tfrac d2 - 1\bigr) \ln \kappa - \tfrac d2 \ln 2\pi - \ln I_{d/2-1}(\kappa) \\
//! U &= 1 - A_d, \qquad S = -\ln C_d - \kappa A_d, \qquad C = \frac{dU}{dT} = \kappa^2 \Bigl(1 - A_d^2 - \frac{(d-1) A_d}{\kappa}\Bigr)
//! \end{aligned}
//! -->
#![doc = include_str!("../math/systems_von_mises_fisher.html")]
//!
//! It is the toy model of arXiv 2511.07308, where the sign of m is the other one (L = 1 + μ·x): the
//! thermodynamics is the same. The distribution is in Mardia and Jupp, *Directional Statistics*
//! (2000), 9.3. S is the differential entropy with respect to area on the unit sphere, in nats.
//!
//! # How it is computed
//! The textbook forms overflow for κ > 700 and cancel for large κ, where U and C are differences of
//! nearly equal numbers. Here θ = d ln `I_ν` / d ln κ solves Riccati's equation θ² + κ θ′ = ν² + κ²,
//! whose expansion in 1/s, s² = ν² + κ², is uniform in κ (it is Debye's: DLMF 10.41). It is used at an
//! order of 32 or more, and `I_(ν−1)` − `I_(ν+1)` = (2ν/κ) `I_ν` leads down from there to the order that
//! is asked for, which is the stable direction. All of it is arranged in differences that do not
//! cancel, so that κ = 0 and κ = 1e8 need no case of their own. Cost: at most 33 recurrence steps.
//!
//! # When it lies
//! SGD with effective learning rate η samples this measure up to corrections of order η times the
//! curvature; compare a simulation with that margin, not with its statistical error alone. The
//! low-temperature forms hold for (d − 1) T ≪ 1 only.

use std::f64::consts::{E, PI};

use crate::Error;
use crate::error::check_range;
use crate::random::Random;

use super::dot;

/// Orders kept of the expansion in 1/s.
const ORDERS: usize = 20;
/// The order ν from which the expansion is exact to double precision.
const UNIFORM: f64 = 32.0;

/// Coefficients, in powers of u = ν²/s², of the polynomials that follow.
///
/// θ = s + `Σ_n` (1 − u) `P_n`(u) `s^(1-n)`; inserted into Riccati's equation, with s′ = s (1 − u) and
/// u′ = −2 u (1 − u), this gives each `P_n` from those before it.
const RICCATI: [[f64; ORDERS]; ORDERS] = {
    let mut p = [[0.0; ORDERS]; ORDERS];
    p[1][0] = -0.5;
    let mut n = 2;
    while n < ORDERS {
        let mut out = [0.0; ORDERS];
        // f = (1 - u) P_{n-1}, of degree n - 1.
        let mut k = 0;
        while k < n {
            let below = if k > 0 { p[n - 1][k - 1] } else { 0.0 };
            let f = p[n - 1][k] - below;
            out[k] -= 0.5 * (2.0 - n as f64 - 2.0 * k as f64) * f;
            k += 1;
        }
        // (1 - u) sum_j P_j P_{n-j}, of degree n - 1.
        let mut j = 1;
        while j < n {
            let mut a = 0;
            while a < j {
                let mut b = 0;
                while b < n - j {
                    let product = 0.5 * p[j][a] * p[n - j][b];
                    out[a + b] -= product;
                    out[a + b + 1] += product;
                    b += 1;
                }
                a += 1;
            }
            j += 1;
        }
        p[n] = out;
        n += 1;
    }
    p
};

/// Coefficients of ln `I_ν`: the integrals of the terms of θ over ln κ.
const LOGARITHM: [[f64; ORDERS]; ORDERS] = {
    let mut e = [[0.0; ORDERS]; ORDERS];
    let mut n = 2;
    while n < ORDERS {
        let mut k = 0;
        while k < n {
            e[n][k] = -RICCATI[n][k] / (n as f64 - 1.0 + 2.0 * k as f64);
            k += 1;
        }
        n += 1;
    }
    e
};

fn polynomial(coefficients: &[f64], u: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * u + c)
}

/// What is needed of the Bessel functions of order ν = d/2 − 1 and ν + 1.
#[derive(Debug, Clone, Copy)]
struct Ratios {
    /// `A_d` / κ, finite at κ = 0.
    over_kappa: f64,
    /// `A_(d+2)` / κ.
    over_kappa_next: f64,
    /// κ (κ (1 − `A_d`) − (d − 1)/2): finite as κ → ∞. Kept for κ ≥ d only.
    excess: f64,
    /// The same at d + 2.
    excess_next: f64,
    /// ln(`I_ν` κ^−ν e^−κ).
    ln_scaled: f64,
}

impl Ratios {
    fn new(dim: f64, kappa: f64) -> Self {
        let nu = dim / 2.0 - 1.0;
        let steps = (UNIFORM - nu).ceil().max(1.0);
        let top = nu + steps;
        let s = top.hypot(kappa);
        let u = (top / s) * (top / s);
        let outer = (kappa / s) * (kappa / s);
        let (mut over_kappa, mut excess, mut ln_series) = (0.0, 0.0, 0.0);
        for n in (1..ORDERS).rev() {
            // Horner in 1/s: the sums of P_n s^(-1-n), P_n s^(1-n) from n = 2, and of ln I.
            let term = polynomial(&RICCATI[n][..n], u);
            over_kappa = (over_kappa + term) / s;
            if n > 1 {
                excess = (excess + outer * term) / s;
                ln_series = (ln_series + polynomial(&LOGARITHM[n][..n], u)) / s;
            }
        }
        over_kappa = over_kappa / s + 1.0 / (s + top);
        excess = -kappa * (top * (top / (s + kappa)) + u / 2.0 + excess);
        let mut ln_scaled = ln_series - 0.5 * (2.0 * PI * s).ln() - top * (top + s).ln()
            + top * (top / (s + kappa));
        let (mut over_kappa_next, mut excess_next) = (over_kappa, excess);
        let mut step = steps;
        while step > 0.0 {
            step -= 1.0;
            let order = nu + step;
            (over_kappa_next, excess_next) = (over_kappa, excess);
            let h = 2.0 * (order + 1.0) + kappa * (kappa * over_kappa_next);
            ln_scaled += h.ln();
            over_kappa = 1.0 / h;
            if kappa >= dim {
                let m = order + 0.5;
                let n = m - excess_next / kappa;
                excess = -(excess_next + m * n) * (kappa / (kappa + n));
            }
        }
        Self {
            over_kappa,
            over_kappa_next,
            excess,
            excess_next,
            ln_scaled,
        }
    }
}

/// The von Mises-Fisher distribution on the unit sphere of R^d, and the thermodynamics of L = 1 − m·x.
///
/// ```
/// use thermograd::systems::VonMisesFisher;
/// // d = 3 is elementary: U = 1 + T - coth(1/T).
/// let system = VonMisesFisher::at_temperature(3, 1.0)?;
/// assert!((system.energy() - (2.0 - 1.0 / 1.0_f64.tanh())).abs() < 1e-15);
/// // At infinite temperature the entropy is the logarithm of the area of the sphere.
/// let free = VonMisesFisher::new(3, 0.0)?;
/// assert!((free.entropy() - (4.0 * std::f64::consts::PI).ln()).abs() < 1e-13);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct VonMisesFisher {
    dim: usize,
    kappa: f64,
    ratios: Ratios,
}

impl VonMisesFisher {
    /// The distribution on the unit sphere of R^`dim`, with concentration `kappa`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for `dim` < 2 or a `kappa` that is negative or not finite.
    pub fn new(dim: usize, kappa: f64) -> Result<Self, Error> {
        check_range("dimension", dim as f64, "2 or more", |d| d >= 2.0)?;
        check_range("concentration kappa", kappa, "0 <= kappa <= 1e150", |k| {
            (0.0..=1e150).contains(&k)
        })?;
        Ok(Self {
            dim,
            kappa,
            ratios: Ratios::new(dim as f64, kappa),
        })
    }

    /// The Gibbs measure of L = 1 − m·x at temperature `temperature` = 1/κ, in units of the loss.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for `dim` < 2 or a temperature outside 1e−150 ..= 1e150.
    pub fn at_temperature(dim: usize, temperature: f64) -> Result<Self, Error> {
        check_range("temperature", temperature, "1e-150 <= T <= 1e150", |t| {
            (1e-150..=1e150).contains(&t)
        })?;
        Self::new(dim, (1.0 / temperature).min(1e150))
    }

    /// The dimension d of the space (the sphere has one less).
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// The concentration κ = 1/T.
    pub const fn kappa(&self) -> f64 {
        self.kappa
    }

    fn m(&self) -> f64 {
        (self.dim as f64 - 1.0) / 2.0
    }

    /// Whether 1 − A is small enough to be taken from the expansion about it.
    fn concentrated(&self) -> bool {
        self.kappa >= self.dim as f64
    }

    /// `A_d`(κ) = ⟨m·x⟩, the mean resultant length, in [0, 1].
    ///
    /// ```
    /// use thermograd::systems::VonMisesFisher;
    /// // Langevin's function in three dimensions: coth k - 1/k.
    /// let a = VonMisesFisher::new(3, 2.0)?.mean_resultant_length();
    /// assert!((a - (1.0 / 2.0_f64.tanh() - 0.5)).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn mean_resultant_length(&self) -> f64 {
        if self.concentrated() {
            1.0 - self.energy()
        } else {
            self.kappa * self.ratios.over_kappa
        }
    }

    /// κ (1 − A) = U/T.
    fn reduced_energy(&self) -> f64 {
        if self.concentrated() {
            self.m() + self.ratios.excess / self.kappa
        } else {
            self.kappa * (1.0 - self.kappa * self.ratios.over_kappa)
        }
    }

    /// The mean loss U = 1 − `A_d`(1/T), exact to rounding however small.
    pub fn energy(&self) -> f64 {
        if self.concentrated() {
            self.reduced_energy() / self.kappa
        } else {
            1.0 - self.kappa * self.ratios.over_kappa
        }
    }

    /// ln `C_d`(κ), the logarithm of the density's normaliser.
    ///
    /// ```
    /// use thermograd::systems::VonMisesFisher;
    /// // d = 3: C = k / (4 pi sinh k).
    /// let c = VonMisesFisher::new(3, 2.0)?.ln_normalizer();
    /// assert!((c - (2.0 / (4.0 * std::f64::consts::PI * 2.0_f64.sinh())).ln()).abs() < 1e-13);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn ln_normalizer(&self) -> f64 {
        -self.ln_partition_function() - self.kappa
    }

    /// ln ∫ `e^(-L/T)` dx over the unit sphere.
    fn ln_partition_function(&self) -> f64 {
        self.dim as f64 / 2.0 * (2.0 * PI).ln() + self.ratios.ln_scaled
    }

    /// The differential entropy S = −ln `C_d` − κ `A_d` in nats, with respect to area.
    pub fn entropy(&self) -> f64 {
        self.ln_partition_function() + self.reduced_energy()
    }

    /// F/T = (U − T S)/T = −ln ∫ `e^(-L/T)` dx; finite at infinite temperature too.
    pub fn reduced_free_energy(&self) -> f64 {
        -self.ln_partition_function()
    }

    /// The heat capacity C = dU/dT = Var(L)/T², dimensionless. It tends to (d − 1)/2 as T → 0.
    ///
    /// ```
    /// use thermograd::systems::VonMisesFisher;
    /// // d = 3: 1 - k^2 / sinh^2 k.
    /// let c = VonMisesFisher::new(3, 2.0)?.heat_capacity();
    /// assert!((c - (1.0 - (2.0 / 2.0_f64.sinh()).powi(2))).abs() < 1e-14);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn heat_capacity(&self) -> f64 {
        let r = &self.ratios;
        // C = kappa A (1 - kappa (A - A+)), A+ the function at d + 2: the recurrence turned
        // dA/dkappa into it. The two branches are the same number without cancellation.
        if self.concentrated() {
            self.mean_resultant_length() * (r.excess - r.excess_next)
        } else {
            let (a, a_next) = (self.kappa * r.over_kappa, self.kappa * r.over_kappa_next);
            self.kappa * a * (1.0 - self.kappa * (a - a_next))
        }
    }

    /// U ≈ (d − 1) T / 2, equipartition: valid for (d − 1) T ≪ 1. `None` at κ = 0.
    pub fn low_temperature_energy(&self) -> Option<f64> {
        (self.kappa > 0.0)
            .then(|| self.m() / self.kappa)
            .filter(|energy| energy.is_finite())
    }

    /// S ≈ ((d − 1)/2) ln(2π e T): valid for (d − 1) T ≪ 1. `None` at κ = 0.
    pub fn low_temperature_entropy(&self) -> Option<f64> {
        (self.kappa > 0.0).then(|| self.m() * ((2.0 * PI * E).ln() - self.kappa.ln()))
    }

    /// Writes an exact sample into `out` and returns its loss 1 − m·x, accurate however small.
    ///
    /// Wood's rejection (Comm. Stat. Simul. 23, 157, 1994) for the component along the mean
    /// direction, a uniform direction across it. `mean` is the direction m, of any length but zero.
    ///
    /// ```
    /// use thermograd::systems::{Random, VonMisesFisher};
    /// let system = VonMisesFisher::new(3, 1e6)?;
    /// let mut x = [0.0; 3];
    /// let loss = system.sample(&mut Random::new(1), &[0.0, 0.0, 1.0], &mut x)?;
    /// assert!((1.0 - x[2] - loss).abs() < 1e-15 && loss < 1e-4);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] unless both slices have `dim` elements, [`Error::NonFinite`] and
    /// [`Error::OutOfRange`] for a mean direction that is not finite or is zero.
    pub fn sample(&self, random: &mut Random, mean: &[f64], out: &mut [f64]) -> Result<f64, Error> {
        for (place, found) in [("mean direction", mean.len()), ("output", out.len())] {
            if found != self.dim {
                return Err(Error::LengthMismatch {
                    place: place.to_owned(),
                    expected: self.dim,
                    found,
                });
            }
        }
        Error::check_finite("mean direction", mean)?;
        let norm = dot(mean, mean).sqrt();
        check_range(
            "length of the mean direction",
            norm,
            "a vector of length between 1e-150 and 1e150",
            |n| (1e-150..=1e150).contains(&n),
        )?;
        let loss = self.sample_loss(random);
        // A uniform direction orthogonal to the mean. A second projection removes what rounding
        // left of the first, and a vanishing remainder (d = 2 only, by bad luck) is drawn again.
        let tangent = loop {
            for x in out.iter_mut() {
                *x = random.normal();
            }
            for _ in 0..2 {
                let along = dot(out, mean) / norm / norm;
                out.iter_mut().zip(mean).for_each(|(x, m)| *x -= along * m);
            }
            let length = dot(out, out).sqrt();
            if length > 1e-8 {
                break length;
            }
        };
        let across = (loss * (2.0 - loss)).max(0.0).sqrt() / tangent;
        let along = (1.0 - loss) / norm;
        out.iter_mut()
            .zip(mean)
            .for_each(|(x, m)| *x = across * *x + along * m);
        Ok(loss)
    }

    /// A sample of L = 1 − m·x alone: all that energy statistics need, at a cost free of d.
    pub fn sample_loss(&self, random: &mut Random) -> f64 {
        let (kappa, freedom) = (self.kappa, self.dim as f64 - 1.0);
        let b = freedom / (2.0 * kappa + (2.0 * kappa).hypot(freedom));
        // Everything in v = 1 - m.x and in gap = 1 - x0, which stay exact when they are tiny.
        let gap = 2.0 * b / (1.0 + b);
        loop {
            let beta = symmetric_beta(random, freedom / 2.0);
            let v = 2.0 * b * beta / (1.0 - (1.0 - b) * beta);
            let ratio = (v + gap * (1.0 - v)) / (gap * (2.0 - gap));
            let log_accept = kappa * (gap - v) + freedom * ratio.ln();
            // 1 - uniform is in (0, 1], where the logarithm is finite.
            if log_accept >= (1.0 - random.uniform()).ln() {
                return v.clamp(0.0, 2.0);
            }
        }
    }
}

/// Beta(a, a), as a ratio of gamma variates.
fn symmetric_beta(random: &mut Random, shape: f64) -> f64 {
    loop {
        let (x, y) = (gamma(random, shape), gamma(random, shape));
        if x + y > 0.0 {
            return x / (x + y);
        }
    }
}

/// Gamma(shape, 1) by the method of Marsaglia and Tsang (ACM TOMS 26, 363, 2000).
fn gamma(random: &mut Random, shape: f64) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - random.uniform()).powf(1.0 / shape);
        return gamma(random, shape + 1.0) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = random.normal();
        let cube = (1.0 + c * x).powi(3);
        if cube > 0.0 {
            let log_u = (1.0 - random.uniform()).ln();
            if log_u < 0.5 * x * x + d * (1.0 - cube + cube.ln()) {
                return d * cube;
            }
        }
    }
}
