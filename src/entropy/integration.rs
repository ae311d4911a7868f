//! Thermodynamic integration: entropy differences without a density, temperature without a bath.
//!
//! Between two stationary states joined by a family of them, dU = T dS at fixed volume, so
//!
//! <!-- math
//! S_2 - S_1 = \int \frac{dU}{T} = \int \frac{C}{T}\, dT .
//! -->
#![doc = include_str!("../math/entropy_integration_1.html")]
//!
//! Means of the loss are all it takes, in any dimension: where neighbours and determinants fail, this
//! is the number to believe. Integration by parts leaves U undifferentiated, in one of three variables
//! ([`Variable`]):
//!
//! <!-- math
//! \int \frac{dU}{T} = \Bigl[\frac UT\Bigr] + \int \frac UT\, d\ln T
//! = \Bigl[\frac UT\Bigr] + \int \frac{U}{T^2}\, dT = [\beta U] - \int U\, d\beta .
//! -->
#![doc = include_str!("../math/entropy_integration_2.html")]
//!
//! In ln T the integrand is constant where equipartition holds, so the rule is exact there.
//!
//! Read backwards, the same law is a thermometer. A stationary state that minimises U − T S among the
//! states of its family has dU/dS = T, and even a coarse family bounds it: of two states with
//! `S_j` > `S_i`, neither prefers to be the other, so `T_i` ≤ (`U_j` − `U_i`)/(`S_j` − `S_i`) ≤ `T_j`
//! (arXiv 2505.23489). Only differences of S enter: estimates that are good for differences will do.
//!
//! When it lies: states that are not stationary; volume (the norm of the weights) that changes along
//! the family, where T dS = dU + p dV; a transition between two points, where U jumps. The error bar
//! is statistical; the error of the quadrature is reported beside it.

use crate::{Error, Estimate, Reading, Reason};

/// A stationary state: its temperature, and the mean loss or the heat capacity there.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ThermalState {
    /// Temperature T > 0, in units of the loss.
    pub temperature: Estimate,
    /// The mean loss U, or the heat capacity C, as the function says.
    pub observable: Estimate,
}

/// The variable in which the integrand is interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Variable {
    /// ln T: exact under equipartition.
    #[default]
    LogTemperature,
    /// T: where C ∝ T.
    Temperature,
    /// β = 1/T: for energies that saturate at high temperature.
    InverseTemperature,
}

/// How the integrand is interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Rule {
    /// Straight lines.
    #[default]
    Trapezoid,
    /// A natural cubic spline: better for smooth, precise data, worse for noisy.
    Spline,
}

/// An entropy difference from integration.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Integrated {
    /// S(last) − S(first) in nats, with the statistical error of all states.
    pub difference: Estimate,
    /// What the two rules differ by: the scale of the quadrature error. With two states there is no
    /// second rule, and it is taken from the other variables.
    pub quadrature_error: f64,
}

/// S(last) − S(first) = ∫ dU/T in nats, from mean losses at increasing temperatures.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::entropy::{Rule, ThermalState, Variable, entropy_from_energy};
/// // Equipartition, U = 3 T / 2: ΔS = 3/2 ln 4 between T = 1 and 4, from the end points alone.
/// let exact = |value| Estimate { value, std_error: 0.0, n_eff: 1.0 };
/// let state = |t| ThermalState { temperature: exact(t), observable: exact(1.5 * t) };
/// let s = entropy_from_energy(&[state(1.0), state(4.0)], Variable::LogTemperature, Rule::Trapezoid)?;
/// assert!((s.ready().unwrap().difference.value - 1.5 * 4_f64.ln()).abs() < 1e-14);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for temperatures that are not positive or do not increase, or a negative
/// error bar; [`Error::NonFinite`].
pub fn entropy_from_energy(
    states: &[ThermalState],
    variable: Variable,
    rule: Rule,
) -> Result<Reading<Integrated>, Error> {
    integrated(states, variable, rule, |t, u, variable, rule| {
        let (x, y): (Vec<f64>, Vec<f64>) = t
            .iter()
            .zip(u)
            .map(|(&t, &u)| match variable {
                Variable::LogTemperature => (t.ln(), u / t),
                Variable::Temperature => (t, u / (t * t)),
                Variable::InverseTemperature => (1.0 / t, -u),
            })
            .unzip();
        let end = |i: usize| u[i] / t[i];
        end(t.len() - 1) - end(0) + integral(&x, &y, rule)
    })
}

/// S(last) − S(first) = ∫ (C/T) dT in nats, from heat capacities at increasing temperatures.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::entropy::{Rule, ThermalState, Variable, entropy_from_heat_capacity};
/// // C = T: ΔS = T₂ − T₁, in the variable T.
/// let exact = |value| Estimate { value, std_error: 0.0, n_eff: 1.0 };
/// let state = |t| ThermalState { temperature: exact(t), observable: exact(t) };
/// let states = [state(1.0), state(2.0), state(4.0)];
/// let s = entropy_from_heat_capacity(&states, Variable::Temperature, Rule::Trapezoid)?;
/// assert!((s.ready().unwrap().difference.value - 3.0).abs() < 1e-14);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// As [`entropy_from_energy`].
pub fn entropy_from_heat_capacity(
    states: &[ThermalState],
    variable: Variable,
    rule: Rule,
) -> Result<Reading<Integrated>, Error> {
    integrated(states, variable, rule, |t, c, variable, rule| {
        let (x, y): (Vec<f64>, Vec<f64>) = t
            .iter()
            .zip(c)
            .map(|(&t, &c)| match variable {
                Variable::LogTemperature => (t.ln(), c),
                Variable::Temperature => (t, c / t),
                Variable::InverseTemperature => (1.0 / t, -c * t),
            })
            .unzip();
        integral(&x, &y, rule)
    })
}

fn integrated(
    states: &[ThermalState],
    variable: Variable,
    rule: Rule,
    entropy: impl Fn(&[f64], &[f64], Variable, Rule) -> f64,
) -> Result<Reading<Integrated>, Error> {
    for (i, state) in states.iter().enumerate() {
        check(&state.temperature, "temperatures", i)?;
        check(&state.observable, "energies or heat capacities", i)?;
        let t = state.temperature.value;
        if !(1e-150..=1e150).contains(&t) {
            return Err(Error::OutOfRange {
                what: "temperature",
                value: t,
                allowed: "a positive number between 1e-150 and 1e150",
            });
        }
        if i > 0 && t <= states[i - 1].temperature.value {
            return Err(Error::OutOfRange {
                what: "temperature",
                value: t,
                allowed: "temperatures in increasing order, each once",
            });
        }
    }
    if states.len() < 2 {
        return Ok(Reading::Pending {
            seen: states.len() as u64,
            needed: 2,
        });
    }
    let mut t: Vec<f64> = states.iter().map(|s| s.temperature.value).collect();
    let mut y: Vec<f64> = states.iter().map(|s| s.observable.value).collect();
    let value = entropy(&t, &y, variable, rule);
    // Each input a standard error up and down; a temperature no further than keeps it positive
    // and in order.
    let mut variance = 0.0;
    for (i, state) in states.iter().enumerate() {
        let (t0, y0) = (t[i], y[i]);
        let sigma = state.observable.std_error;
        if sigma > 0.0 {
            y[i] = y0 + sigma;
            let above = entropy(&t, &y, variable, rule);
            y[i] = y0 - sigma;
            let below = entropy(&t, &y, variable, rule);
            y[i] = y0;
            variance += (0.5 * (above - below)).powi(2);
        }
        let sigma = state.temperature.std_error;
        if sigma > 0.0 {
            let mut room = 0.5 * t0;
            if i > 0 {
                room = room.min(0.5 * (t0 - t[i - 1]));
            }
            if i + 1 < t.len() {
                room = room.min(0.5 * (t[i + 1] - t0));
            }
            let step = sigma.min(room);
            t[i] = t0 + step;
            let above = entropy(&t, &y, variable, rule);
            t[i] = t0 - step;
            let below = entropy(&t, &y, variable, rule);
            t[i] = t0;
            variance += (0.5 * (above - below) * (sigma / step)).powi(2);
        }
    }
    let others = if states.len() > 2 {
        let other = match rule {
            Rule::Trapezoid => Rule::Spline,
            Rule::Spline => Rule::Trapezoid,
        };
        vec![entropy(&t, &y, variable, other)]
    } else {
        [
            Variable::LogTemperature,
            Variable::Temperature,
            Variable::InverseTemperature,
        ]
        .map(|variable| entropy(&t, &y, variable, rule))
        .to_vec()
    };
    let quadrature_error = others.iter().fold(0.0_f64, |m, s| m.max((s - value).abs()));
    if !(value.is_finite() && variance.is_finite() && quadrature_error.is_finite()) {
        return Err(Error::Overflow {
            place: "thermodynamic integration".to_owned(),
            largest: y.iter().fold(0.0, |m, y| y.abs().max(m)),
        });
    }
    let n_eff = states.iter().fold(f64::INFINITY, |m, s| {
        m.min(s.observable.n_eff).min(s.temperature.n_eff)
    });
    Ok(Reading::Ready(Integrated {
        difference: Estimate {
            value,
            std_error: variance.sqrt(),
            n_eff,
        },
        quadrature_error,
    }))
}

fn check(estimate: &Estimate, place: &str, index: usize) -> Result<(), Error> {
    for value in [estimate.value, estimate.std_error] {
        if !value.is_finite() {
            return Err(Error::NonFinite {
                place: place.to_owned(),
                index,
                value,
            });
        }
    }
    estimate.check_count()?;
    if estimate.std_error < 0.0 {
        return Err(Error::OutOfRange {
            what: "standard error",
            value: estimate.std_error,
            allowed: "zero or more",
        });
    }
    Ok(())
}

/// ∫ y dx through the nodes, which increase or decrease.
fn integral(x: &[f64], y: &[f64], rule: Rule) -> f64 {
    let trapezoid: f64 = x
        .windows(2)
        .zip(y.windows(2))
        .map(|(x, y)| (x[1] - x[0]) * 0.5 * (y[0] + y[1]))
        .sum();
    match rule {
        Rule::Trapezoid => trapezoid,
        Rule::Spline => {
            let bend: f64 = x
                .windows(2)
                .zip(second_derivatives(x, y).windows(2))
                .map(|(x, m)| (x[1] - x[0]).powi(3) / 24.0 * (m[0] + m[1]))
                .sum();
            trapezoid - bend
        }
    }
}

/// Second derivatives of the natural cubic spline at its nodes: a tridiagonal system.
fn second_derivatives(x: &[f64], y: &[f64]) -> Vec<f64> {
    let n = x.len();
    let mut m = vec![0.0; n];
    if n < 3 {
        return m;
    }
    let h = |i: usize| x[i + 1] - x[i];
    let slope = |i: usize| (y[i + 1] - y[i]) / h(i);
    let mut upper = vec![0.0; n];
    for i in 1..n - 1 {
        let pivot = 2.0 * (h(i - 1) + h(i)) - h(i - 1) * upper[i - 1];
        upper[i] = h(i) / pivot;
        m[i] = (6.0 * (slope(i) - slope(i - 1)) - h(i - 1) * m[i - 1]) / pivot;
    }
    for i in (1..n - 1).rev() {
        m[i] -= upper[i] * m[i + 1];
    }
    m
}

/// A stationary state of a family: its mean loss and its entropy, each up to a constant in common.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FamilyMember {
    /// Mean loss U.
    pub energy: Estimate,
    /// Entropy S in nats, up to a constant that all members share.
    pub entropy: Estimate,
}

/// The temperature of one member, by the others.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FamilyTemperature {
    /// dU/dS through the neighbours in S on both sides (on one, at the ends); undefined where their
    /// entropies cannot be told apart.
    pub slope: Reading,
    /// The largest slope to a member of lower entropy: T is at least that. Pending at the lower end.
    pub at_least: Reading,
    /// The smallest slope to a member of higher entropy: T is at most that. Pending at the upper end.
    pub at_most: Reading,
}

/// Temperatures of the members of a family from dU/dS, in the order given.
///
/// Each comes with pairwise bounds. Where `at_least` exceeds `at_most` by more than the errors, the
/// member does not minimise U − T S within the family: it is metastable, or an estimate is wrong.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::entropy::{FamilyMember, family_temperatures};
/// // U = S²: T = 2 S. Members at S = 1, 2, 4; the middle one has T = 4, between 3 and 6.
/// let estimate = |value| Estimate { value, std_error: 1e-6, n_eff: 100.0 };
/// let family = [1.0, 2.0, 4.0].map(|s| FamilyMember {
///     energy: estimate(s * s),
///     entropy: estimate(s),
/// });
/// let middle = &family_temperatures(&family)?[1];
/// assert!((middle.slope.ready().unwrap().value - 4.0).abs() < 1e-12);
/// assert!((middle.at_least.ready().unwrap().value - 3.0).abs() < 1e-12);
/// assert!((middle.at_most.ready().unwrap().value - 6.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::NonFinite`]; [`Error::OutOfRange`] for a negative error bar.
pub fn family_temperatures(family: &[FamilyMember]) -> Result<Vec<FamilyTemperature>, Error> {
    for (i, member) in family.iter().enumerate() {
        check(&member.energy, "energies of the family", i)?;
        check(&member.entropy, "entropies of the family", i)?;
    }
    let mut order: Vec<usize> = (0..family.len()).collect();
    order.sort_by(|&a, &b| family[a].entropy.value.total_cmp(&family[b].entropy.value));
    let mut answers = vec![None; family.len()];
    for (rank, &i) in order.iter().enumerate() {
        let own = &family[i];
        let pending = || Reading::Pending { seen: 1, needed: 2 };
        let noise = || Reading::Undefined(Reason::DividesByNoise("the difference in entropy"));
        // Slopes that cannot be told from any other are no bounds.
        let chords = |others: &[usize]| -> Vec<Estimate> {
            let others = others.iter();
            others.filter_map(|&j| chord(own, &family[j])).collect()
        };
        let bound = |others: &[usize], worst: f64| {
            if others.is_empty() {
                return pending();
            }
            chords(others)
                .into_iter()
                .min_by(|a, b| (worst * a.value).total_cmp(&(worst * b.value)))
                .map_or_else(noise, Reading::Ready)
        };
        let (lower, upper) = (&order[..rank], &order[rank + 1..]);
        let slope = match (lower.last(), upper.first()) {
            (None, None) => pending(),
            (Some(&j), None) | (None, Some(&j)) => {
                chord(own, &family[j]).map_or_else(noise, Reading::Ready)
            }
            (Some(&a), Some(&b)) => {
                through(&family[a], own, &family[b]).map_or_else(noise, Reading::Ready)
            }
        };
        answers[i] = Some(FamilyTemperature {
            slope,
            at_least: bound(lower, -1.0),
            at_most: bound(upper, 1.0),
        });
    }
    Ok(answers.into_iter().flatten().collect())
}

/// (U_b − U_a)/(S_b − S_a); `None` where the entropies differ by less than two errors.
fn chord(a: &FamilyMember, b: &FamilyMember) -> Option<Estimate> {
    let (du, ds) = (
        b.energy.value - a.energy.value,
        b.entropy.value - a.entropy.value,
    );
    let error = a.entropy.std_error.hypot(b.entropy.std_error);
    if ds == 0.0 || ds.abs() < 2.0 * error {
        return None;
    }
    let value = du / ds;
    let energies = a.energy.std_error.hypot(b.energy.std_error) / ds;
    finite(Estimate {
        value,
        std_error: energies.hypot(value * error / ds),
        n_eff: least([a, b]),
    })
}

/// Derivative at the middle of the parabola through three members.
fn through(a: &FamilyMember, own: &FamilyMember, b: &FamilyMember) -> Option<Estimate> {
    let (left, right) = (chord(a, own)?, chord(own, b)?);
    let (h, k) = (
        own.entropy.value - a.entropy.value,
        b.entropy.value - own.entropy.value,
    );
    // Weights of the two chords. The member's own errors enter both with opposite signs; with the
    // derivative with respect to each input they are counted once.
    let (p, q) = (k / (h + k), h / (h + k));
    let value = p * left.value + q * right.value;
    let (to_a, to_b) = (p / h, q / k);
    let to_own = to_a - to_b;
    let energies = (to_a * a.energy.std_error)
        .hypot(to_b * b.energy.std_error)
        .hypot(to_own * own.energy.std_error);
    // dT/dS of a parabola with curvature c: from its derivatives with respect to h and k.
    let bend = (right.value - left.value) / (h + k);
    let by_h = (-p * left.value / h) + bend * k / (h + k);
    let by_k = (-q * right.value / k) - bend * h / (h + k);
    let entropies = (by_h * a.entropy.std_error)
        .hypot(by_k * b.entropy.std_error)
        .hypot((by_h - by_k) * own.entropy.std_error);
    finite(Estimate {
        value,
        std_error: energies.hypot(entropies),
        n_eff: least([a, own, b]),
    })
}

fn least<const N: usize>(members: [&FamilyMember; N]) -> f64 {
    members.iter().fold(f64::INFINITY, |m, member| {
        m.min(member.energy.n_eff).min(member.entropy.n_eff)
    })
}

fn finite(estimate: Estimate) -> Option<Estimate> {
    (estimate.value.is_finite() && estimate.std_error.is_finite()).then_some(estimate)
}
