//! The caloric curve: the energy of equilibrium at each temperature, and its inverse.
//!
//! # Definition
//! U_eq(T) grows with T. Read backwards it gives the *fictive temperature* of a state that is not
//! in equilibrium: the temperature at which equilibrium has the energy found (Tool, J. Am. Ceram.
//! Soc. 29, 240, 1946). Along it the entropy is that of equilibrium,
//!
//! <!-- math
//! U_\mathrm{eq}(T_f) = U, \qquad S(U_2) - S(U_1) = \int_{U_1}^{U_2} \frac{dU}{T_f(U)}
//! -->
#![doc = include_str!("../math/cooling_caloric.html")]
//!
//! Near a quadratic minimum the curve is the line U₀ + CT with C = d/2 of equipartition. Elsewhere
//! it is a table, from runs that were held at several temperatures until they settled; between its
//! points the curve is a straight line, along which the entropy integral is elementary.
//!
//! # When it lies
//! One number is asked to describe a state. A network whose stiff modes have cooled while soft
//! ones have not has several temperatures, and the fictive one is their mean by heat capacity.

use crate::Error;

/// U_eq(T), piecewise linear.
///
/// ```
/// use thermograd::cooling::CaloricCurve;
/// let curve = CaloricCurve::linear(1.0, 0.5)?;
/// assert_eq!(curve.energy(4.0), Some(3.0));
/// assert_eq!(curve.fictive_temperature(3.0), Some(4.0));
/// // ∫dU/T_f from T = 4 to T = 2: C ln ½.
/// assert!((curve.entropy_change(3.0, 2.0).unwrap() + 0.5 * 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CaloricCurve {
    /// (T, U), both growing; the first and last lines reach on where `open`.
    points: Vec<(f64, f64)>,
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
enum Open {
    /// Known between its points.
    Closed,
    /// A line without ends.
    Line,
}

impl CaloricCurve {
    /// U₀ + CT at every temperature: equipartition with C = d/2, about a minimum of energy U₀.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless |U₀| ≤ 1e100 and C is in 1e-100 to 1e100.
    pub fn linear(ground: f64, heat_capacity: f64) -> Result<Self, Error> {
        check("ground energy", ground, ground.abs() <= 1e100)?;
        let range = 1e-100..=1e100;
        check(
            "heat capacity",
            heat_capacity,
            range.contains(&heat_capacity),
        )?;
        Ok(Self {
            points: vec![(0.0, ground), (1.0, ground + heat_capacity)],
            open: Open::Line,
        })
        .and_then(|curve| {
            // A capacity that rounding swallows beside the ground energy has no inverse.
            check("heat capacity", heat_capacity, curve.slope(0) > 0.0)?;
            Ok(curve)
        })
    }

    /// A table of (T, U) from settled runs, in any order.
    ///
    /// # Errors
    /// [`Error::Empty`] below two points, [`Error::NonFinite`], and [`Error::OutOfRange`] for a
    /// temperature that is not positive or two points of which the hotter has not the higher energy.
    pub fn table(points: &[(f64, f64)]) -> Result<Self, Error> {
        if points.len() < 2 {
            return Err(Error::Empty {
                place: "the caloric curve".to_owned(),
                remedy: "give temperature and energy of two settled runs or more",
            });
        }
        for (index, &(t, u)) in points.iter().enumerate() {
            for value in [t, u] {
                if !value.is_finite() {
                    return Err(Error::NonFinite {
                        place: "the caloric curve".to_owned(),
                        index,
                        value,
                    });
                }
            }
            check("temperature", t, (1e-100..=1e100).contains(&t))?;
            check("energy", u, u.abs() <= 1e100)?;
        }
        let mut points = points.to_vec();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in points.windows(2) {
            if let [a, b] = pair
                && !(b.0 > a.0 && b.1 > a.1)
            {
                return Err(Error::OutOfRange {
                    what: "energy of the hotter of two points",
                    value: b.1,
                    allowed: "more than that of the colder, and no two points of one temperature: longer runs, or fewer temperatures",
                });
            }
        }
        Ok(Self {
            points,
            open: Open::Closed,
        })
    }

    /// Energy over temperature on the line after this point.
    fn slope(&self, line: usize) -> f64 {
        match (self.points.get(line), self.points.get(line + 1)) {
            (Some(a), Some(b)) => (b.1 - a.1) / (b.0 - a.0),
            _ => 0.0,
        }
    }

    /// The line that holds this abscissa, as its first point and slope.
    fn line(&self, x: f64, of: impl Fn(&(f64, f64)) -> f64) -> Option<((f64, f64), f64)> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        if self.open == Open::Closed && !(of(first)..=of(last)).contains(&x) {
            return None;
        }
        let after = self.points.partition_point(|p| of(p) <= x);
        let line = after.clamp(1, self.points.len() - 1) - 1;
        Some((*self.points.get(line)?, self.slope(line)))
    }

    /// U_eq(T); `None` outside the table and below absolute zero.
    pub fn energy(&self, temperature: f64) -> Option<f64> {
        if temperature.is_nan() || temperature < 0.0 {
            return None;
        }
        let ((t, u), slope) = self.line(temperature, |p| p.0)?;
        Some(u + slope * (temperature - t)).filter(|u| u.is_finite())
    }

    /// The temperature at which equilibrium has this energy; `None` outside the table and for
    /// energies below the ground's.
    pub fn fictive_temperature(&self, energy: f64) -> Option<f64> {
        let ((t, u), slope) = self.line(energy, |p| p.1)?;
        Some(t + (energy - u) / slope).filter(|t| t.is_finite() && *t >= 0.0)
    }

    /// S(U₂) − S(U₁) along the curve, in nats; `None` where an end has no fictive temperature above 0.
    pub fn entropy_change(&self, from: f64, to: f64) -> Option<f64> {
        if from > to {
            return Some(-self.entropy_change(to, from)?);
        }
        let (low, high) = (
            self.fictive_temperature(from)?,
            self.fictive_temperature(to)?,
        );
        if low <= 0.0 {
            return None;
        }
        // C ln(T_b/T_a) on each line between the two.
        let mut sum = 0.0;
        let last = self.points.len().saturating_sub(2);
        for (line, pair) in self.points.windows(2).enumerate() {
            let [a, b] = pair else { continue };
            let start = if self.open == Open::Line || line == 0 {
                low
            } else {
                low.max(a.0)
            };
            let end = if self.open == Open::Line || line == last {
                high
            } else {
                high.min(b.0)
            };
            if end > start {
                sum += self.slope(line) * (end / start).ln();
            }
        }
        sum.is_finite().then_some(sum)
    }
}

fn check(what: &'static str, value: f64, good: bool) -> Result<(), Error> {
    if good {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what,
        value,
        allowed: "finite numbers up to 1e100, temperatures and heat capacities from 1e-100 up and not lost beside the energy",
    })
}
