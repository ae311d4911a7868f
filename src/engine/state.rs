//! The equation of state fitted to stationary points, and the curves it draws under a diagram.
//!
//! # Definition
//! Near the stationary states of a scale-invariant group the fitted form is that of an ideal gas
//! of constant heat capacity,
//!
//! <!-- math
//! pV = RT, \qquad U = U_0 + C_V T, \qquad S = S_0 + C_V \ln T + R \ln V
//! -->
#![doc = include_str!("../math/engine_state.html")]
//!
//! whose curves are: isotherms p = RT/V; adiabats pV^γ = const with γ = 1 + R/C_V, vertical lines
//! where C_V = 0 (a gas of noise alone, whose energy does not know the temperature); in the (S, T)
//! plane isochores S = … + C_V ln T and isobars S = … + (C_V + R) ln T. For a cold group about one
//! minimum C_V = R = d/2, so γ = 2 and TV is constant along an adiabat (arXiv 2511.07308).
//!
//! R is the mean of pV/T over the points, by inverse variance where all have errors; C_V is the
//! slope of the energies over the temperatures. Error bars are widened by √(χ²/ν) where the points
//! scatter more than their own errors allow.
//!
//! # When it lies
//! R absorbs a Z that is the same everywhere (a constant signal-to-noise ratio looks like more
//! degrees of freedom), and [`EquationOfState::misfit`] tells of one that is not. C_V is a mean
//! over the temperatures of the points.

use crate::{Error, Estimate, Reading, Reason};

use super::StatePoint;

/// More points than any picture shows.
const MOST_POINTS: usize = 10_000;

/// pV = RT with its heat capacity.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EquationOfState {
    /// R; an ideal gas of d degrees of freedom has d/2.
    pub gas_constant: Estimate,
    /// √(χ²/ν) of pV/T about R: near 1 where the law holds, and undefined without errors.
    pub misfit: Reading<f64>,
    /// C_V, from energies at two temperatures and more.
    pub heat_capacity: Reading,
    /// S₀, the mean of S − C_V ln T − R ln V over the points that have an entropy.
    pub entropy_constant: Reading<f64>,
}

/// A weighted mean with its error, widened where the data scatter.
struct Mean {
    estimate: Estimate,
    misfit: Reading<f64>,
}

fn mean(values: &[Estimate]) -> Mean {
    let n = values.len() as f64;
    let weighted = values.iter().all(|v| v.std_error > 0.0);
    let weight = |v: &Estimate| if weighted { v.std_error.powi(-2) } else { 1.0 };
    let total: f64 = values.iter().map(weight).sum();
    let value = values.iter().map(|v| weight(v) * v.value).sum::<f64>() / total;
    let chi2: f64 = values
        .iter()
        .map(|v| weight(v) * (v.value - value).powi(2))
        .sum();
    let per_freedom = if n > 1.0 { chi2 / (n - 1.0) } else { 0.0 };
    let (variance, misfit) = if weighted {
        let misfit = if n > 1.0 {
            Reading::Ready(per_freedom.sqrt())
        } else {
            Reading::Pending { seen: 1, needed: 2 }
        };
        (per_freedom.max(1.0) / total, misfit)
    } else {
        let why = Reason::Missing("the error of a state");
        (per_freedom / n, Reading::Undefined(why))
    };
    Mean {
        estimate: Estimate {
            value,
            std_error: variance.sqrt(),
            n_eff: n,
        },
        misfit,
    }
}

impl EquationOfState {
    /// The law that fits these states.
    ///
    /// ```
    /// use thermograd::{Estimate, engine::{EquationOfState, StatePoint}};
    /// let exact = |value| Estimate { value, std_error: 0.0, n_eff: 1.0 };
    /// let state = |p, v, t| StatePoint::new(exact(p), exact(v), exact(t)).energy(exact(3.0 * t));
    /// // pV/T = 2 and U = 3T at both.
    /// let law = EquationOfState::fit(&[state(2.0, 1.0, 1.0), state(1.0, 4.0, 2.0)])?;
    /// let law = law.ready().unwrap();
    /// assert_eq!(law.gas_constant.value, 2.0);
    /// assert!((law.heat_capacity.ready().unwrap().value - 3.0).abs() < 1e-12);
    /// // pV^(5/3) is the same at both ends of an adiabat.
    /// let end = *law.adiabat((1.0, 2.0), 8.0, 50)?.last().unwrap();
    /// assert!((end.1 - 2.0 / 8f64.powf(5.0 / 3.0)).abs() < 1e-12);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// Pending without states; undefined where a temperature or volume is not positive.
    ///
    /// # Errors
    /// As [`Path::new`](super::Path::new).
    pub fn fit(states: &[StatePoint]) -> Result<Reading<Self>, Error> {
        super::Path::new(states.to_vec())?;
        if states.is_empty() {
            return Ok(Reading::Pending { seen: 0, needed: 1 });
        }
        let positive = |s: &StatePoint| {
            [s.temperature, s.volume, s.pressure]
                .iter()
                .all(|x| x.value > 1e-70)
        };
        if !states.iter().all(positive) {
            return Ok(Reading::Undefined(Reason::Degenerate(
                "a temperature, volume or pressure that is not positive",
            )));
        }
        let ratios: Vec<Estimate> = states
            .iter()
            .map(|s| {
                let value = s.pressure.value * (s.volume.value / s.temperature.value);
                let relative = [s.pressure, s.volume, s.temperature]
                    .iter()
                    .map(|x| (x.std_error / x.value).powi(2))
                    .sum::<f64>();
                Estimate {
                    value,
                    std_error: value * relative.sqrt(),
                    n_eff: 1.0,
                }
            })
            .collect();
        let gas = mean(&ratios);
        if !(gas.estimate.value.is_finite() && gas.estimate.std_error.is_finite()) {
            return Ok(Reading::Undefined(Reason::Degenerate(
                "state variables too many orders of magnitude apart",
            )));
        }
        let heat_capacity = heat_capacity(states);
        let entropy_constant = match &heat_capacity {
            Reading::Ready(c) => {
                let constants: Vec<f64> = states
                    .iter()
                    .filter_map(|s| {
                        let thermal = c.value * s.temperature.value.ln();
                        let spatial = gas.estimate.value * s.volume.value.ln();
                        Some(s.entropy?.value - thermal - spatial)
                    })
                    .collect();
                if constants.is_empty() {
                    Reading::Undefined(Reason::Missing("an entropy"))
                } else {
                    Reading::Ready(constants.iter().sum::<f64>() / constants.len() as f64)
                }
            }
            Reading::Pending { seen, needed } => Reading::Pending {
                seen: *seen,
                needed: *needed,
            },
            Reading::Undefined(reason) => Reading::Undefined(reason.clone()),
        };
        Ok(Reading::Ready(Self {
            gas_constant: gas.estimate,
            misfit: gas.misfit,
            heat_capacity,
            entropy_constant,
        }))
    }

    /// (V, p) at one temperature, for `count` volumes in geometric progression.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a temperature or volume outside 1e-70 to 1e70, or a count
    /// outside 2 to 10 000.
    pub fn isotherm(
        &self,
        temperature: f64,
        volumes: (f64, f64),
        count: usize,
    ) -> Result<Vec<(f64, f64)>, Error> {
        check("temperature", temperature)?;
        let law = self.gas_constant.value * temperature;
        Ok(progression("volume", volumes, count)?
            .map(|v| (v, law / v))
            .collect())
    }

    /// (V, p) along the adiabat from (V, p) = `start` to the volume `end`; where C_V is 0 within
    /// twice its error or not known to be positive, the vertical line between the same pressures.
    ///
    /// # Errors
    /// As [`isotherm`](Self::isotherm).
    pub fn adiabat(
        &self,
        start: (f64, f64),
        end: f64,
        count: usize,
    ) -> Result<Vec<(f64, f64)>, Error> {
        check("pressure", start.1)?;
        let volumes: Vec<f64> = progression("volume", (start.0, end), count)?.collect();
        let stiff = self
            .heat_capacity
            .ready()
            .filter(|c| c.value > 2.0 * c.std_error && c.value > 0.0)
            .map(|c| 1.0 + self.gas_constant.value / c.value);
        let line: Vec<(f64, f64)> = volumes
            .into_iter()
            .map(|v| match stiff {
                Some(gamma) => (v, start.1 * (start.0 / v).powf(gamma)),
                None => (start.0, start.1 * start.0 / v),
            })
            .collect();
        match line.iter().find(|(_, pressure)| !pressure.is_finite()) {
            None => Ok(line),
            Some(&(volume, _)) => Err(Error::OutOfRange {
                what: "volume on an adiabat",
                value: volume,
                allowed: "one nearer to the start: the pressure leaves the range of f64",
            }),
        }
    }

    /// (S, T) at one volume, for `count` temperatures in geometric progression. Undefined without
    /// C_V and S₀.
    ///
    /// # Errors
    /// As [`isotherm`](Self::isotherm).
    pub fn isochore(
        &self,
        volume: f64,
        temperatures: (f64, f64),
        count: usize,
    ) -> Result<Reading<Vec<(f64, f64)>>, Error> {
        check("volume", volume)?;
        let r = self.gas_constant.value;
        self.entropies(temperatures, count, |_| r * volume.ln())
    }

    /// (S, T) at one pressure, for `count` temperatures in geometric progression. Undefined without
    /// C_V and S₀.
    ///
    /// # Errors
    /// As [`isotherm`](Self::isotherm).
    pub fn isobar(
        &self,
        pressure: f64,
        temperatures: (f64, f64),
        count: usize,
    ) -> Result<Reading<Vec<(f64, f64)>>, Error> {
        check("pressure", pressure)?;
        let r = self.gas_constant.value;
        self.entropies(temperatures, count, |t| r * (r * t / pressure).ln())
    }

    fn entropies(
        &self,
        temperatures: (f64, f64),
        count: usize,
        spatial: impl Fn(f64) -> f64,
    ) -> Result<Reading<Vec<(f64, f64)>>, Error> {
        let temperatures = progression("temperature", temperatures, count)?;
        Ok(match (&self.heat_capacity, &self.entropy_constant) {
            (Reading::Ready(c), Reading::Ready(s0)) => Reading::Ready(
                temperatures
                    .map(|t| (s0 + c.value * t.ln() + spatial(t), t))
                    .collect(),
            ),
            _ => Reading::Undefined(Reason::Missing("C_V and an entropy")),
        })
    }
}

/// Slope of U over T, by weighted least squares.
fn heat_capacity(states: &[StatePoint]) -> Reading {
    let points: Vec<(f64, Estimate)> = states
        .iter()
        .filter_map(|s| Some((s.temperature.value, s.energy?)))
        .collect();
    if points.is_empty() {
        return Reading::Undefined(Reason::Missing("the energy of a state"));
    }
    if points.len() < 2 {
        return Reading::Pending { seen: 1, needed: 2 };
    }
    let weighted = points.iter().all(|(_, u)| u.std_error > 0.0);
    let weight = |u: &Estimate| if weighted { u.std_error.powi(-2) } else { 1.0 };
    let total: f64 = points.iter().map(|(_, u)| weight(u)).sum();
    let mean = |f: &dyn Fn(&(f64, Estimate)) -> f64| {
        points.iter().map(|p| weight(&p.1) * f(p)).sum::<f64>() / total
    };
    let (t0, u0) = (mean(&|p| p.0), mean(&|p| p.1.value));
    let spread = mean(&|p| (p.0 - t0).powi(2));
    let scale = mean(&|p| p.0 * p.0);
    // Temperatures that agree to six digits have no slope above their own rounding and noise.
    if spread <= 1e-12 * scale {
        return Reading::Undefined(Reason::Degenerate("all states have one temperature"));
    }
    let slope = mean(&|p| (p.0 - t0) * (p.1.value - u0)) / spread;
    let residual = mean(&|p| (p.1.value - u0 - slope * (p.0 - t0)).powi(2));
    let freedom = points.len() as f64 - 2.0;
    let scatter = if freedom > 0.0 {
        residual * total / freedom
    } else {
        0.0
    };
    let unit = if weighted { scatter.max(1.0) } else { scatter };
    let error = (unit / (total * spread)).sqrt();
    if !(slope.is_finite() && error.is_finite()) {
        return Reading::Undefined(Reason::Degenerate(
            "energies too many orders of magnitude apart",
        ));
    }
    Reading::Ready(Estimate {
        value: slope,
        std_error: error,
        n_eff: points.len() as f64,
    })
}

fn check(what: &'static str, value: f64) -> Result<(), Error> {
    if (1e-70..=1e70).contains(&value) {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what,
        value,
        allowed: "1e-70 to 1e70",
    })
}

/// `count` numbers from one end to the other in equal ratios.
fn progression(
    what: &'static str,
    (from, to): (f64, f64),
    count: usize,
) -> Result<impl Iterator<Item = f64> + use<>, Error> {
    check(what, from)?;
    check(what, to)?;
    if !(2..=MOST_POINTS).contains(&count) {
        return Err(Error::OutOfRange {
            what: "number of points on a curve",
            value: count as f64,
            allowed: "2 to 10000",
        });
    }
    let (start, range) = (from.ln(), (to / from).ln());
    let last = (count - 1) as f64;
    Ok((0..count).map(move |i| (start + range * i as f64 / last).exp()))
}
