//! Stationarity diagnostics known from stochastic optimisation, as they were published.
//!
//! Each is a function of per-step scalars, for comparison with schedules that use it. What each
//! can see, and what it cannot:
//!
//! | function | sees | does not see |
//! |---|---|---|
//! | [`fdr1`] | a drift of \|w\|², as an effect size | anything else; a t test on it means nothing |
//! | [`fdr2`] | whether the gradient's square is what curvature and noise make it | drift along flat directions |
//! | [`sasa`] | a drift of \|w\|², with the error bar of the original | directions; its error bar is wrong |
//! | [`pflug`] | steps that begin to undo each other | any curvature x with x² d n below 16 |
//! | [`distance`] | growth of \|w_n - w_0\| that has levelled off | arrival of a scale-invariant network before 1/(ηλ) steps |
//!
//! The calibrated answer is [`verdict`](super::verdict()).

use super::autocorrelation::batch_means_estimate;
use super::support::{check, check_equal, law, mean};
use super::thermal::{Balance, kinetic_virial_balance};
use crate::error::{Error, check_range};
use crate::estimate::{Estimate, Reading, Reason};

/// Learning rate η and momentum μ of a heavy-ball run v' = μ v + g, w' = w - η v'.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Dynamics {
    learning_rate: f64,
    momentum: f64,
}

impl Dynamics {
    /// Plain SGD.
    pub const fn learning_rate(learning_rate: f64) -> Self {
        Self {
            learning_rate,
            momentum: 0.0,
        }
    }

    /// With momentum, undampened.
    #[must_use]
    pub const fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// 2(1 + μ)/η: the curvature at which a mode becomes unstable.
    ///
    /// ```
    /// use thermograd::equilibrium::Dynamics;
    /// assert!((Dynamics::learning_rate(0.1).momentum(0.5).critical_curvature()? - 30.0).abs() < 1e-12);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a learning rate outside 1e-150 to 1e150 or a momentum outside [0, 1).
    pub fn critical_curvature(&self) -> Result<f64, Error> {
        self.check()?;
        check_range(
            "learning_rate",
            self.learning_rate,
            "a positive number between 1e-150 and 1e150",
            |x| x > 1e-150 && x < 1e150,
        )?;
        Ok(2.0 * (1.0 + self.momentum) / self.learning_rate)
    }

    fn check(&self) -> Result<(), Error> {
        check_range(
            "learning_rate",
            self.learning_rate,
            "a positive number",
            |x| x > 0.0,
        )?;
        check_range(
            "momentum",
            self.momentum,
            "a number from 0 to below 1",
            |x| (0.0..1.0).contains(&x),
        )
    }
}

/// First fluctuation-dissipation relation: ⟨w·∇L⟩ against ((1 + μ)/2η)⟨|Δ|²⟩.
///
/// `weights_dot_gradient` and `squared_displacement` have one value a step, coupled decay counted
/// in the gradient. An effect size; see [`kinetic_virial_balance`] for why it has no p-value.
/// With w about the origin a scale-invariant group has w·∇L = 0 and only its radius is tested.
/// Source: Yaida, arXiv 1810.00004.
///
/// # Errors
/// [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for
/// bad dynamics.
///
/// ```
/// use thermograd::equilibrium::{Dynamics, fdr1};
/// // K = |Δ|²/(2η) = 0.04/0.2 = 0.2.
/// let balance = fdr1(&[0.21], &[0.04], Dynamics::learning_rate(0.1))?;
/// assert!((balance.ready().unwrap().residual - 0.05).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn fdr1(
    weights_dot_gradient: &[f64],
    squared_displacement: &[f64],
    dynamics: Dynamics,
) -> Result<Reading<Balance>, Error> {
    dynamics.check()?;
    check("squared displacement", squared_displacement)?;
    let factor = (1.0 + dynamics.momentum) / (2.0 * dynamics.learning_rate);
    let kinetic: Vec<f64> = squared_displacement.iter().map(|d| factor * d).collect();
    kinetic_virial_balance(&kinetic, weights_dot_gradient)
}

/// Second fluctuation-dissipation relation: ⟨|∇L|²⟩ against (η/2)⟨g'Hg⟩, plain SGD.
///
/// `squared_gradient` must be unbiased: the product of two independent batch gradients at the same
/// weights, never |g|² of one. `curvature_along_gradient` is g'Hg of one batch, by a
/// Hessian-vector product. Holds to first order beyond a quadratic loss. Needs no origin, and so
/// sees directions that [`fdr1`] does not. Source: Yaida, arXiv 1810.00004.
///
/// # Errors
/// Those of [`fdr1`]; [`Error::OutOfRange`] for momentum, for which this form does not hold.
///
/// ```
/// use thermograd::equilibrium::{Dynamics, fdr2};
/// let balance = fdr2(&[0.06], &[1.0], Dynamics::learning_rate(0.1))?;
/// assert!((balance.ready().unwrap().residual - 0.2).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn fdr2(
    squared_gradient: &[f64],
    curvature_along_gradient: &[f64],
    dynamics: Dynamics,
) -> Result<Reading<Balance>, Error> {
    dynamics.check()?;
    check_range(
        "momentum",
        dynamics.momentum,
        "0: this relation is for plain SGD",
        |x| x == 0.0,
    )?;
    check("curvature along the gradient", curvature_along_gradient)?;
    let factor = 0.5 * dynamics.learning_rate;
    let expected: Vec<f64> = curvature_along_gradient
        .iter()
        .map(|c| factor * c)
        .collect();
    kinetic_virial_balance(&expected, squared_gradient)
}

/// Outcome of [`sasa`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Sasa {
    /// Mean of ⟨w·d⟩ - (α/2)|d|² with the batch-means error of the original.
    pub statistic: Estimate,
    /// What the original compares with its level; not calibrated (see [`sasa`]).
    pub published_p_value: f64,
}

/// The statistic of SASA+: ⟨w_k·d_k⟩ - (α/2)|d_k|² with d the direction of the step, averaged.
///
/// <!-- math
/// w \cdot d - \frac\alpha2 |d|^2 = \frac{|w_k|^2 - |w_{k+1}|^2}{2\alpha} \quad\text{for}\quad w' = w - \alpha d
/// -->
#[doc = include_str!("../math/equilibrium_diagnostics.html")]
///
/// identically, so that its mean is the total drift of |w|² over 2αn, and nothing else. Its true
/// scatter falls as 1/n, the batch-means error only as 1/√n or so: at a nominal 5% the test
/// hardly ever rejects in a stationary state, and has little power. It is here to compare with;
/// use [`drift`](super::drift) on the series |w|². √n batches. Pending below 16 steps, undefined
/// for a constant statistic. Source: Zhang, Lang, Liu and Xiao, arXiv 2002.10597.
///
/// # Errors
/// [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for
/// a learning rate that is not positive.
///
/// ```
/// use thermograd::equilibrium::sasa;
/// // One weight, w' = w - 0.5 d from 1.
/// let d: Vec<f64> = (0..32).map(|k| f64::from(k % 5) - 2.0).collect();
/// let (mut w, mut wd) = (1.0, vec![]);
/// for d in &d {
///     wd.push(w * d);
///     w -= 0.5 * d;
/// }
/// let squares: Vec<f64> = d.iter().map(|d| d * d).collect();
/// let found = sasa(&wd, &squares, 0.5)?;
/// // (1 - w²)/(2 × 0.5 × 32).
/// assert!((found.ready().unwrap().statistic.value - (1.0 - w * w) / 32.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn sasa(
    weights_dot_direction: &[f64],
    squared_direction: &[f64],
    learning_rate: f64,
) -> Result<Reading<Sasa>, Error> {
    let n = check_equal(
        "weights·direction or squared direction",
        &[weights_dot_direction, squared_direction],
    )?;
    Dynamics::learning_rate(learning_rate).check()?;
    if n < 16 {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: 16,
        });
    }
    let series: Vec<f64> = weights_dot_direction
        .iter()
        .zip(squared_direction)
        .map(|(x, d)| x - 0.5 * learning_rate * d)
        .collect();
    let batches = n.isqrt();
    let full = mean(&series);
    Ok(batch_means_estimate(&series, batches)?.map(|estimate| {
        let statistic = Estimate {
            value: full,
            ..estimate
        };
        Sasa {
            statistic,
            published_p_value: law::student_two_sided(
                full / estimate.std_error,
                batches as f64 - 1.0,
            ),
        }
    }))
}

/// Pflug's statistic: the mean product of successive gradients ⟨g_t·g_{t-1}⟩, negative once steps
/// undo each other.
///
/// In a stationary quadratic with curvature a it is -x σ²/(2 - x) with x = ηa, while the noise of
/// one product is σ²√d: telling it from zero takes n of the order 16/(x² d) steps, and it is known
/// to declare convergence too early (Pesme, Dieuleveut and Flammarion, arXiv 2007.00534). The
/// error is a batch-means one over 20 batches, good here because successive products are nearly
/// independent. Pending below 40 products, undefined for constant ones.
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::pflug;
/// let products: Vec<f64> = (0..40).map(|t| f64::from(t % 3) - 2.0).collect();
/// assert!(pflug(&products)?.ready().unwrap().value < 0.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn pflug(products: &[f64]) -> Result<Reading<Estimate>, Error> {
    check("products of successive gradients", products)?;
    if products.len() < 40 {
        return Ok(Reading::Pending {
            seen: products.len() as u64,
            needed: 40,
        });
    }
    batch_means_estimate(products, 20)
}

/// The distance diagnostic: slope of ln|w_n - w_0|² against ln n between n/q and n.
///
/// 1 for free diffusion, 2 for steady motion, 0 once the iterate wanders about its end. The
/// original calls it saturated below 0.6 with q = 1.5. `squared_distances` holds |w_t - w_0|²
/// for t = 1, 2, …. It has no error bar: one number at each end. A scale-invariant network
/// saturates only after 1/(ηλ) steps, when its direction has forgotten w_0. Pending below 10
/// values, undefined where a distance is zero. Source: Pesme et al., arXiv 2007.00534.
///
/// # Errors
/// [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for a ratio not above 1 or a
/// negative distance.
///
/// ```
/// use thermograd::equilibrium::distance;
/// // Free diffusion: |w_t - w_0|² = t.
/// let squares: Vec<f64> = (1..=100).map(f64::from).collect();
/// assert!((distance(&squares, 1.5)?.ready().unwrap() - 1.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn distance(squared_distances: &[f64], ratio: f64) -> Result<Reading<f64>, Error> {
    check("squared distances", squared_distances)?;
    check_range("ratio", ratio, "a number above 1", |x| x > 1.0)?;
    if let Some(bad) = squared_distances.iter().find(|d| **d < 0.0) {
        check_range("squared distance", *bad, "a number of at least 0", |_| {
            false
        })?;
    }
    let n = squared_distances.len();
    if n < 10 {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: 10,
        });
    }
    let early = super::support::count((n as f64 / ratio).round()).clamp(1, n - 1);
    let at = |t: usize| squared_distances.get(t - 1).copied().unwrap_or(0.0);
    let (first, last) = (at(early), at(n));
    if first <= 0.0 || last <= 0.0 {
        return Ok(Reading::Undefined(Reason::DividesByZero("a distance")));
    }
    Ok(Reading::Ready(
        (last.ln() - first.ln()) / (n as f64 / early as f64).ln(),
    ))
}
