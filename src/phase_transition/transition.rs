//! Where the transition is and of which order: peaks, latent heat, hysteresis.
//!
//! All read curves over a family of runs: one [`CurvePoint`] a run, with its error bar.
//!
//! * **Peak** of a susceptibility or heat capacity: a parabola through the points about the largest, weighted by their
//!   error bars, on the values or their logarithms; location `−b/2c`, errors propagated through the covariance of the fit.
//! * **Crossing** of two curves, such as the free energies of gas and condensate: straight lines between points.
//! * **Latent heat**: the energy of the gas (the branch that comes from hot, *cooling*) less that of the condensate (the branch that comes
//!   from cold, *heating*), both at the transition. 0 for a continuous transition.
//! * **Hysteresis**: the area `∫ (U_cooling − U_heating) dT` between the branches, and its width, the distance between the
//!   temperatures at which they pass half way.
//! * **Against the ramp rate**: `size = limit + slope · rate^{2/3}`, the exponent of a ramp over a mean-field spinodal
//!   (Jung, Gray, Roy and Mandel, Phys. Rev. Lett. 65, 1990). A limit of 0 is a lag of the ramp, not
//!   a first-order transition.
//!
//! When they lie: a parabola is right only near the peak, so points far down its flanks pull it. Hysteresis at one rate says nothing
//! about the order of a transition. A limit above 0 means that even the slowest ramp was fast against nucleation: metastability,
//! which in a small system ends given time.

use nalgebra::{Matrix3, Vector3};

use crate::phase_transition::series::check_positive;
use crate::{Error, Estimate, Reading, Reason};

/// One run of a family: its temperature and what was measured there.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CurvePoint {
    /// Temperature, or any other parameter that was varied.
    pub temperature: f64,
    /// What was measured.
    pub value: Estimate,
}

fn check_curve(place: &str, points: &[CurvePoint]) -> Result<(), Error> {
    for (index, p) in points.iter().enumerate() {
        for value in [p.temperature, p.value.value, p.value.std_error] {
            if !value.is_finite() {
                return Err(Error::NonFinite {
                    place: place.to_owned(),
                    index,
                    value,
                });
            }
            if value.abs() > 1e100 {
                return Err(Error::Overflow {
                    place: place.to_owned(),
                    largest: value.abs(),
                });
            }
        }
        p.value.check_count()?;
        if p.value.std_error < 0.0 {
            return Err(Error::OutOfRange {
                what: "standard error",
                value: p.value.std_error,
                allowed: "0 or more",
            });
        }
    }
    Ok(())
}

/// By rising temperature; equal temperatures are refused.
fn sorted(place: &str, points: &[CurvePoint]) -> Result<Vec<CurvePoint>, Error> {
    check_curve(place, points)?;
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.temperature.total_cmp(&b.temperature));
    if points
        .windows(2)
        .any(|w| w[0].temperature == w[1].temperature)
    {
        return Err(Error::Conflict {
            what: "a curve with two values at one temperature",
            remedy: "average the runs of one temperature first",
        });
    }
    Ok(points)
}

/// On what a parabola is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PeakScale {
    /// The values.
    Linear,
    /// Their logarithms: for a peak much higher than its flanks. All values must be positive.
    Logarithmic,
}

/// A maximum of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Peak {
    /// Where it is.
    pub location: Estimate,
    /// How high.
    pub height: Estimate,
    /// Points fitted.
    pub points: usize,
}

/// Points on either side of the largest that the parabola takes in.
const PEAK_HALF_WIDTH: usize = 3;

/// The maximum of a curve, from a weighted parabola through up to 7 points about the largest.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::phase_transition::{CurvePoint, PeakScale, peak};
/// // 5 − (T − 2)² at five temperatures.
/// let curve: Vec<CurvePoint> = [1.0, 1.5, 1.9, 2.4, 3.0]
///     .map(|t| CurvePoint {
///         temperature: t,
///         value: Estimate { value: 5.0 - (t - 2.0) * (t - 2.0), std_error: 0.01, n_eff: 100.0 },
///     })
///     .to_vec();
/// let top = peak(&curve, PeakScale::Linear)?;
/// let top = top.ready().unwrap();
/// assert!((top.location.value - 2.0).abs() < 1e-9 && (top.height.value - 5.0).abs() < 1e-9);
/// assert!(top.location.std_error > 0.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Pending below 3 points; undefined where the largest is at an end of the curve, where the curvature
/// is zero within its error, or where the fit puts the maximum outside the points.
///
/// # Errors
/// Non-finite data, two values at one temperature, a value that has no logarithm.
pub fn peak(curve: &[CurvePoint], scale: PeakScale) -> Result<Reading<Peak>, Error> {
    let mut points = sorted("curve", curve)?;
    if points.len() < 3 {
        return Ok(Reading::Pending {
            seen: points.len() as u64,
            needed: 3,
        });
    }
    if scale == PeakScale::Logarithmic {
        for p in &mut points {
            check_positive("value on a logarithmic scale", p.value.value)?;
            p.value.std_error /= p.value.value;
            p.value.value = p.value.value.ln();
        }
    }
    let top = (0..points.len())
        .max_by(|&a, &b| points[a].value.value.total_cmp(&points[b].value.value))
        .unwrap_or(0);
    if top == 0 || top + 1 == points.len() {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the largest value is at an end of the curve: measure beyond it",
        )));
    }
    let from = top.saturating_sub(PEAK_HALF_WIDTH);
    let to = (top + PEAK_HALF_WIDTH + 1).min(points.len());
    let (near, centre) = (&points[from..to], points[top].temperature);
    let width = near
        .iter()
        .map(|p| (p.temperature - centre).abs())
        .fold(0.0, f64::max);
    // Without error bars the points weigh alike and their scatter gives the error.
    let known = near.iter().all(|p| p.value.std_error > 0.0);
    let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
    let row = |p: &CurvePoint| {
        let x = (p.temperature - centre) / width;
        Vector3::new(1.0, x, x * x)
    };
    let weight = |p: &CurvePoint| {
        if known {
            p.value.std_error.powi(-2)
        } else {
            1.0
        }
    };
    for p in near {
        normal += weight(p) * row(p) * row(p).transpose();
        right += weight(p) * p.value.value * row(p);
    }
    let degenerate = Reading::Undefined(Reason::DividesByNoise("the curvature at the peak"));
    let Some(mut covariance) = normal.try_inverse() else {
        return Ok(degenerate);
    };
    let fit = covariance * right;
    let residual: f64 = near
        .iter()
        .map(|p| weight(p) * (p.value.value - row(p).dot(&fit)).powi(2))
        .sum();
    let freedom = near.len().saturating_sub(3) as f64;
    if !known {
        covariance *= residual / freedom.max(1.0);
    }
    let (b, c) = (fit[1], fit[2]);
    let usable = fit.iter().chain(covariance.iter()).all(|x| x.is_finite());
    if !usable || c >= 0.0 || -c < 3.0 * covariance[(2, 2)].max(0.0).sqrt() {
        return Ok(degenerate);
    }
    let x = -0.5 * b / c;
    if x.abs() > 1.0 {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the fitted maximum lies outside the fitted points",
        )));
    }
    let slope = Vector3::new(0.0, -0.5 / c, 0.5 * b / (c * c));
    let variance = (slope.transpose() * covariance * slope)[0];
    // At the maximum the height does not depend on where it is.
    let at = Vector3::new(1.0, x, x * x);
    let (height, height_variance) = (at.dot(&fit), (at.transpose() * covariance * at)[0]);
    let (height, height_error) = match scale {
        PeakScale::Linear => (height, height_variance.max(0.0).sqrt()),
        PeakScale::Logarithmic => (height.exp(), height.exp() * height_variance.max(0.0).sqrt()),
    };
    let n_eff = near.iter().map(|p| p.value.n_eff).sum();
    let location = Estimate {
        value: centre + width * x,
        std_error: width * variance.max(0.0).sqrt(),
        n_eff,
    };
    let height = Estimate {
        value: height,
        std_error: height_error,
        n_eff,
    };
    let points = near.len();
    Ok(within_range(&[location, height], || Peak {
        location,
        height,
        points,
    }))
}

/// An answer, if the numbers that it is made of stayed in the range of f64.
fn within_range<T>(numbers: &[Estimate], answer: impl FnOnce() -> T) -> Reading<T> {
    let finite = |e: &Estimate| e.value.is_finite() && e.std_error.is_finite();
    if numbers.iter().all(finite) {
        Reading::Ready(answer())
    } else {
        Reading::Undefined(Reason::Meaningless(
            "temperatures or energies are too many orders of magnitude apart",
        ))
    }
}

/// A curve at a temperature between its points, by a straight line.
fn interpolate(points: &[CurvePoint], temperature: f64) -> Option<Estimate> {
    let above = points.partition_point(|p| p.temperature < temperature);
    if let Some(p) = points.get(above)
        && p.temperature == temperature
    {
        return Some(p.value);
    }
    let (a, b) = (points.get(above.checked_sub(1)?)?, points.get(above)?);
    let share = (temperature - a.temperature) / (b.temperature - a.temperature);
    Some(Estimate {
        value: (1.0 - share) * a.value.value + share * b.value.value,
        std_error: ((1.0 - share) * a.value.std_error).hypot(share * b.value.std_error),
        n_eff: a.value.n_eff.min(b.value.n_eff),
    })
}

/// Where two curves cross: the transition, for the free energies of gas and condensate.
///
/// Undefined where they cross nowhere, or more than once, between the temperatures that they share.
///
/// ```
/// use thermograd::{Estimate, phase_transition::{CurvePoint, crossing}};
/// let at = |temperature, value| CurvePoint { temperature, value: Estimate { value, std_error: 0.01, n_eff: 100.0 } };
/// // −T against −0.5 − T/2: at T = 1.
/// let gas = [at(0.0, 0.0), at(2.0, -2.0)];
/// let condensate = [at(0.0, -0.5), at(2.0, -1.5)];
/// let transition = *crossing(&gas, &condensate)?.ready().unwrap();
/// assert!((transition.value - 1.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Non-finite data, two values at one temperature.
pub fn crossing(first: &[CurvePoint], second: &[CurvePoint]) -> Result<Reading<Estimate>, Error> {
    let (first, second) = (
        sorted("first curve", first)?,
        sorted("second curve", second)?,
    );
    let mut grid: Vec<f64> = first.iter().chain(&second).map(|p| p.temperature).collect();
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    let gaps: Vec<(f64, f64, f64)> = grid
        .iter()
        .filter_map(|&t| {
            let (a, b) = (interpolate(&first, t)?, interpolate(&second, t)?);
            Some((t, a.value - b.value, a.std_error.hypot(b.std_error)))
        })
        .collect();
    if gaps.len() < 2 {
        return Ok(Reading::Pending {
            seen: gaps.len() as u64,
            needed: 2,
        });
    }
    let mut crossings = gaps.windows(2).filter(|w| (w[0].1 < 0.0) != (w[1].1 < 0.0));
    let (Some(pair), None) = (crossings.next(), crossings.next()) else {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the curves do not cross exactly once where both are known",
        )));
    };
    let ((t0, d0, e0), (t1, d1, e1)) = (pair[0], pair[1]);
    let share = d0 / (d0 - d1);
    let slope = (d1 - d0) / (t1 - t0);
    let at = Estimate {
        value: t0 + share * (t1 - t0),
        std_error: (((1.0 - share) * e0).hypot(share * e1) / slope).abs(),
        n_eff: first
            .iter()
            .chain(&second)
            .map(|p| p.value.n_eff)
            .fold(f64::INFINITY, f64::min),
    };
    Ok(within_range(&[at], || at))
}

/// The two branches of a loop in temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branches<'a> {
    /// Energies on the way up, from the condensate.
    pub heating: &'a [CurvePoint],
    /// Energies on the way down, from the gas.
    pub cooling: &'a [CurvePoint],
}

/// `U_gas − U_condensed` at the transition, in the unit of the loss.
///
/// Undefined where a branch does not reach the transition.
///
/// ```
/// use thermograd::{Estimate, phase_transition::{Branches, CurvePoint, latent_heat}};
/// let at = |temperature, value| CurvePoint { temperature, value: Estimate { value, std_error: 0.03, n_eff: 100.0 } };
/// let heating = [at(0.5, -0.8), at(1.5, -0.4)];
/// let cooling = [at(0.5, 0.0), at(1.5, 0.2)];
/// let heat = *latent_heat(&Branches { heating: &heating, cooling: &cooling }, 1.0)?.ready().unwrap();
/// // 0.1 − (−0.6), with the errors of four points that count half each.
/// assert!((heat.value - 0.7).abs() < 1e-12 && (heat.std_error - 0.03).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Non-finite data, two values at one temperature, a transition temperature that is not positive.
pub fn latent_heat(
    branches: &Branches<'_>,
    transition_temperature: f64,
) -> Result<Reading<Estimate>, Error> {
    check_positive("transition temperature", transition_temperature)?;
    let heating = sorted("heating branch", branches.heating)?;
    let cooling = sorted("cooling branch", branches.cooling)?;
    let (Some(condensed), Some(gas)) = (
        interpolate(&heating, transition_temperature),
        interpolate(&cooling, transition_temperature),
    ) else {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the transition lies outside a branch",
        )));
    };
    let heat = Estimate {
        value: gas.value - condensed.value,
        std_error: gas.std_error.hypot(condensed.std_error),
        n_eff: gas.n_eff.min(condensed.n_eff),
    };
    Ok(within_range(&[heat], || heat))
}

/// A loop between heating and cooling.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Hysteresis {
    /// `∫ (U_cooling − U_heating) dT`, in units of loss × temperature.
    pub area: Estimate,
    /// Temperature at which the heating branch passes half way, less that of the cooling branch.
    pub width: Estimate,
}

/// The loop between the branches, over the temperatures that both have.
///
/// Half way is the mean of the lowest and the highest energy of either. Where a branch jumps from one point to the next, the width
/// is uncertain by the distance of the points over √12, which is in its error.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::phase_transition::{Branches, CurvePoint, hysteresis};
/// let point = |temperature, value| CurvePoint {
///     temperature,
///     value: Estimate { value, std_error: 0.0, n_eff: 100.0 },
/// };
/// // Up: jumps from 0 to 1 between 3 and 4. Down: back between 2 and 1.
/// let heating = [1.0, 2.0, 3.0, 4.0].map(|t| point(t, if t < 3.5 { 0.0 } else { 1.0 }));
/// let cooling = [1.0, 2.0, 3.0, 4.0].map(|t| point(t, if t < 1.5 { 0.0 } else { 1.0 }));
/// let found = hysteresis(&Branches { heating: &heating, cooling: &cooling })?;
/// let found = found.ready().unwrap();
/// assert!((found.width.value - 2.0).abs() < 1e-12 && (found.area.value - 2.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Pending below 3 points on a branch; undefined where a branch does not pass half way or they share no temperatures.
///
/// # Errors
/// Non-finite data, two values at one temperature.
pub fn hysteresis(branches: &Branches<'_>) -> Result<Reading<Hysteresis>, Error> {
    let heating = sorted("heating branch", branches.heating)?;
    let cooling = sorted("cooling branch", branches.cooling)?;
    let fewest = heating.len().min(cooling.len());
    if fewest < 3 {
        return Ok(Reading::Pending {
            seen: fewest as u64,
            needed: 3,
        });
    }
    let low = heating[0].temperature.max(cooling[0].temperature);
    let high = heating[heating.len() - 1]
        .temperature
        .min(cooling[cooling.len() - 1].temperature);
    if low >= high {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the branches share no temperatures",
        )));
    }
    let (up, down) = (integral(&heating, low, high), integral(&cooling, low, high));
    let energies = || heating.iter().chain(&cooling).map(|p| p.value.value);
    let middle = 0.5 * energies().fold(f64::INFINITY, f64::min)
        + 0.5 * energies().fold(f64::NEG_INFINITY, f64::max);
    let (Some(up_at), Some(down_at)) = (passes(&heating, middle), passes(&cooling, middle)) else {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "a branch does not pass half way: ramp further",
        )));
    };
    let n_eff = heating
        .iter()
        .chain(&cooling)
        .map(|p| p.value.n_eff)
        .fold(f64::INFINITY, f64::min);
    let area = Estimate {
        value: down.0 - up.0,
        std_error: up.1.hypot(down.1),
        n_eff,
    };
    let width = Estimate {
        value: up_at.0 - down_at.0,
        std_error: up_at.1.hypot(down_at.1),
        n_eff,
    };
    Ok(within_range(&[area, width], || Hysteresis { area, width }))
}

/// Integral of the straight lines between points over `[low, high]`, and its error.
fn integral(points: &[CurvePoint], low: f64, high: f64) -> (f64, f64) {
    let mut weights = vec![0.0; points.len()];
    for i in 1..points.len() {
        let (a, b) = (points[i - 1].temperature, points[i].temperature);
        let (from, to) = (a.max(low), b.min(high));
        if from < to {
            // The line at the middle of what is left, shared between the two ends.
            let share = (0.5 * (from + to) - a) / (b - a);
            weights[i - 1] += (1.0 - share) * (to - from);
            weights[i] += share * (to - from);
        }
    }
    let (mut sum, mut variance) = (0.0, 0.0);
    for (w, p) in weights.iter().zip(points) {
        sum += w * p.value.value;
        variance += (w * p.value.std_error).powi(2);
    }
    (sum, variance.sqrt())
}

/// Where a curve passes a level, taking the steepest of several passages, and the error.
fn passes(points: &[CurvePoint], level: f64) -> Option<(f64, f64)> {
    points
        .windows(2)
        .filter(|w| (w[0].value.value < level) != (w[1].value.value < level))
        .map(|w| {
            let (a, b) = (&w[0], &w[1]);
            let step = b.temperature - a.temperature;
            let rise = b.value.value - a.value.value;
            let share = (level - a.value.value) / rise;
            let noise = ((1.0 - share) * a.value.std_error).hypot(share * b.value.std_error);
            let error = (noise * step / rise).hypot(step / 12_f64.sqrt());
            (a.temperature + share * step, error, (rise / step).abs())
        })
        .max_by(|a, b| a.2.total_cmp(&b.2))
        .map(|(at, error, _)| (at, error))
}

/// The size of a loop at one rate of the ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RampPoint {
    /// Change of temperature a step, positive.
    pub rate: f64,
    /// Area or width of the loop.
    pub size: Estimate,
}

/// What becomes of a loop when the ramp is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum SlowRamp {
    /// It goes to zero within its error: the system lagged behind the ramp.
    Shrinks,
    /// It stays above zero by three standard errors: metastability on the scale of the slowest ramp.
    Stays,
    /// Neither can be said.
    Undecided,
}

/// The size of a loop against the rate of the ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RampTrend {
    /// Size in the limit of a slow ramp.
    pub limit: Estimate,
    /// Growth with `rate^{2/3}`.
    pub slope: Estimate,
    /// What that says.
    pub slow_ramp: SlowRamp,
}

/// Does the hysteresis shrink with the rate of the ramp?
///
/// Pending below 3 rates.
///
/// ```
/// use thermograd::{Estimate, phase_transition::{RampPoint, SlowRamp, ramp_trend}};
/// // Loops of 0.2 + rate^(2/3): what is left at rate 0 belongs to the transition.
/// let ramps = [0.001, 0.008, 0.027, 0.064].map(|rate: f64| RampPoint {
///     rate,
///     size: Estimate { value: 0.2 + rate.powf(2.0 / 3.0), std_error: 0.001, n_eff: 100.0 },
/// });
/// let trend = ramp_trend(&ramps)?;
/// let trend = trend.ready().unwrap();
/// assert!((trend.limit.value - 0.2).abs() < 1e-9);
/// assert_eq!(trend.slow_ramp, SlowRamp::Stays);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A rate or an error bar that is not positive and finite, a size that is not finite.
pub fn ramp_trend(ramps: &[RampPoint]) -> Result<Reading<RampTrend>, Error> {
    for (index, ramp) in ramps.iter().enumerate() {
        check_positive("rate of a ramp", ramp.rate)?;
        check_positive("standard error of a loop", ramp.size.std_error)?;
        ramp.size.check_count()?;
        if !ramp.size.value.is_finite() || ramp.size.value.abs() > 1e100 {
            return Err(Error::NonFinite {
                place: "sizes of loops".to_owned(),
                index,
                value: ramp.size.value,
            });
        }
    }
    if ramps.len() < 3 {
        return Ok(Reading::Pending {
            seen: ramps.len() as u64,
            needed: 3,
        });
    }
    let fastest = ramps.iter().map(|r| r.rate).fold(0.0, f64::max);
    let smallest = ramps
        .iter()
        .map(|r| r.size.std_error)
        .fold(f64::INFINITY, f64::min);
    let x = |r: &RampPoint| (r.rate / fastest).powf(2.0 / 3.0);
    let sum = |f: &dyn Fn(&RampPoint) -> f64| -> f64 {
        ramps
            .iter()
            .map(|r| f(r) * (smallest / r.size.std_error).powi(2))
            .sum()
    };
    let (s0, s1, s2) = (sum(&|_| 1.0), sum(&|r| x(r)), sum(&|r| x(r) * x(r)));
    let (y0, y1) = (sum(&|r| r.size.value), sum(&|r| x(r) * r.size.value));
    let determinant = s0 * s2 - s1 * s1;
    if determinant <= 1e-12 * s0 * s2 {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "all ramps have one rate",
        )));
    }
    let unit = fastest.powf(-2.0 / 3.0);
    let estimate = |value: f64, variance: f64| Estimate {
        value,
        std_error: smallest * variance.sqrt(),
        n_eff: ramps.len() as f64,
    };
    let limit = estimate((s2 * y0 - s1 * y1) / determinant, s2 / determinant);
    let scaled = estimate((s0 * y1 - s1 * y0) / determinant, s0 / determinant);
    let significance = |e: &Estimate| e.z_score(0.0).unwrap_or(0.0);
    let slow_ramp = if significance(&limit) > 3.0 {
        SlowRamp::Stays
    } else if significance(&scaled) > 3.0 && significance(&limit).abs() < 2.0 {
        SlowRamp::Shrinks
    } else {
        SlowRamp::Undecided
    };
    let slope = Estimate {
        value: scaled.value * unit,
        std_error: scaled.std_error * unit,
        n_eff: scaled.n_eff,
    };
    Ok(within_range(&[limit, slope], || RampTrend {
        limit,
        slope,
        slow_ramp,
    }))
}
