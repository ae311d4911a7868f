//! p-V and T-S diagrams: what a loop of states yields, and how efficiently.
//!
//! # Definition
//! A run taken slowly through hyper-parameters passes through stationary states. Each is a point
//! (V, p) and a point (S, T). On the way the gas expands against the decay and takes heat from the
//! bath,
//!
//! <!-- math
//! dU = T dS - p dV, \qquad W = \oint p\,dV, \qquad Q = \oint T\,dS
//! -->
#![doc = include_str!("../math/engine_diagram.html")]
//!
//! and over a closed loop both are areas: W = Q, positive for a loop that runs clockwise. Here W is
//! the work that the gas gives *off*. Areas are those of the polygon through the points (the
//! shoelace rule), which is the trapezoidal rule on every side; a convex side bulges less than its
//! chord by about (Δ ln V)²/12 of the work along an isotherm. The efficiency is W over the heat
//! taken from the hot bath, at most 1 − T_c/T_h (Carnot 1824; for a bath of gradient noise the
//! same algebra, arXiv 2511.07308).
//!
//! Heat along a side is read in two ways that share nothing: from T dS where entropies are known
//! ([`Path::heat_by_entropy`]), and from the first law, ΔU + ∫p dV, where energies are
//! ([`Path::heat_by_first_law`]).
//!
//! # Error bars
//! Errors of the points are taken to be independent of each other and are propagated to first order.
//!
//! # When it lies
//! Between points that are not stationary there is no p-V relation, and an area is a picture. It
//! is computed, and [`Loop::basis`] says so. A point's entropy is known up to a constant only: one
//! parametrisation, one estimator, in a whole loop.

use std::ops::RangeInclusive;

use crate::equilibrium::Verdict;
use crate::error::check_range;
use crate::{Error, Estimate, GroupId, Moment, Observer, Reading, Reason, pressure};

/// Whether a point, or all points of a path, are stationary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Basis {
    /// Stationary: diagrams mean what they show.
    Stationary,
    /// Not known.
    #[default]
    Unknown,
    /// Drifting: areas are a picture and no work.
    Transient,
}

impl From<&Verdict> for Basis {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Equilibrium { .. } | Verdict::SteadyNotThermal { .. } => Self::Stationary,
            Verdict::OutOfEquilibrium { .. } => Self::Transient,
            Verdict::InsufficientData { .. } => Self::Unknown,
        }
    }
}

impl Basis {
    /// The weaker of two.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Transient, _) | (_, Self::Transient) => Self::Transient,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            _ => Self::Stationary,
        }
    }
}

/// A state of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StatePoint {
    /// p.
    pub pressure: Estimate,
    /// V = |w|²/2.
    pub volume: Estimate,
    /// T.
    pub temperature: Estimate,
    /// S, up to a constant.
    pub entropy: Option<Estimate>,
    /// U.
    pub energy: Option<Estimate>,
    /// Whether the point is stationary.
    pub basis: Basis,
}

impl StatePoint {
    /// A state whose entropy, energy and standing are not known.
    pub const fn new(pressure: Estimate, volume: Estimate, temperature: Estimate) -> Self {
        Self {
            pressure,
            volume,
            temperature,
            entropy: None,
            energy: None,
            basis: Basis::Unknown,
        }
    }

    /// With its entropy.
    #[must_use]
    pub const fn entropy(mut self, entropy: Estimate) -> Self {
        self.entropy = Some(entropy);
        self
    }

    /// With its energy.
    #[must_use]
    pub const fn energy(mut self, energy: Estimate) -> Self {
        self.energy = Some(energy);
        self
    }

    /// With what is known of its stationarity.
    #[must_use]
    pub const fn basis(mut self, basis: Basis) -> Self {
        self.basis = basis;
        self
    }

    /// The state of a group in the observer's window: p, V, T from measured noise (from midpoints
    /// where there is none), U of the model, S where snapshots measure it. `verdict` is the
    /// observer's, so that it is not computed once more for every group.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn read(
        observer: &Observer,
        group: GroupId,
        verdict: &Verdict,
    ) -> Result<Reading<Self>, Error> {
        let mut found = Vec::with_capacity(3);
        let window = observer.ensemble(Some(group))?;
        for name in ["pressure", "volume", "temperature_noise"] {
            let reading = match observer.read(group, name)? {
                // A decay that was never changed is exact. Sums of millions of equal numbers scatter
                // by their rounding, which is no error bar.
                _ if name == "pressure" && pressure::decay_spread(&window) == Some(0.0) => {
                    pressure::pressure(&window).map_or(
                        Reading::Undefined(Reason::Missing("the weight decay")),
                        |value| {
                            Reading::Ready(Estimate {
                                value,
                                std_error: 0.0,
                                n_eff: window.count(Moment::Pressure),
                            })
                        },
                    )
                }
                Reading::Undefined(_) if name == "temperature_noise" => {
                    observer.read(group, "temperature_midpoint")?
                }
                reading => reading,
            };
            match reading {
                Reading::Ready(estimate) => found.push(estimate),
                Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
                Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
            }
        }
        let &[pressure, volume, temperature] = found.as_slice() else {
            return Ok(Reading::Undefined(Reason::Missing("a state variable")));
        };
        let mut point = Self::new(pressure, volume, temperature).basis(Basis::from(verdict));
        point.energy = observer.read_model("loss")?.ready().copied();
        point.entropy = observer.read(group, "entropy")?.ready().copied();
        Ok(Reading::Ready(point))
    }

    fn variables(&self) -> [Option<Estimate>; 5] {
        [
            Some(self.pressure),
            Some(self.volume),
            Some(self.temperature),
            self.entropy,
            self.energy,
        ]
    }

    fn check(&self, index: usize) -> Result<(), Error> {
        for variable in self.variables().into_iter().flatten() {
            variable.check_count()?;
            for (value, good) in [
                (variable.value, variable.value.abs() <= 1e70),
                (
                    variable.std_error,
                    (0.0..=1e70).contains(&variable.std_error),
                ),
            ] {
                if !value.is_finite() {
                    return Err(Error::NonFinite {
                        place: "the states of a path".to_owned(),
                        index,
                        value,
                    });
                }
                if !good {
                    return Err(Error::OutOfRange {
                        what: "a state variable or its error",
                        value,
                        allowed: "numbers up to 1e70 in size, errors not negative",
                    });
                }
            }
        }
        Ok(())
    }
}

/// What a path yields, and on what basis.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Loop {
    /// The integral, in units of the loss.
    pub value: Estimate,
    /// Whether all its points are stationary.
    pub basis: Basis,
}

/// States in the order in which a run passed through them.
///
/// ```
/// use thermograd::Estimate;
/// use thermograd::engine::{Path, StatePoint};
/// let exact = |value| Estimate { value, std_error: 0.0, n_eff: 1.0 };
/// let corners = [(1.0, 3.0), (4.0, 3.0), (4.0, 1.0), (1.0, 1.0)];
/// let states = corners.map(|(v, p)| StatePoint::new(exact(p), exact(v), exact(1.0)));
/// let path = Path::new(states.to_vec())?;
/// // Clockwise round a rectangle of 3 by 2.
/// assert_eq!(path.work().ready().unwrap().value.value, 6.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Path {
    states: Vec<StatePoint>,
}

/// Which variable of a state an integral is made of.
#[derive(Debug, Clone, Copy)]
enum Variable {
    Pressure = 0,
    Volume = 1,
    Temperature = 2,
    Entropy = 3,
    Energy = 4,
}

/// A quantity that depends on the states, and its derivatives by each of their variables.
#[derive(Debug, Clone)]
struct Linear {
    value: f64,
    slopes: Vec<[f64; 5]>,
}

impl Linear {
    fn zero(len: usize) -> Self {
        Self {
            value: 0.0,
            slopes: vec![[0.0; 5]; len],
        }
    }

    fn slope(&mut self, state: usize, variable: Variable, slope: f64) {
        if let Some(slot) = self
            .slopes
            .get_mut(state)
            .and_then(|s| s.get_mut(variable as usize))
        {
            *slot += slope;
        }
    }

    /// a·self + b·other.
    fn combine(&self, a: f64, other: &Self, b: f64) -> Vec<[f64; 5]> {
        let pairs = self.slopes.iter().zip(&other.slopes);
        pairs
            .map(|(x, y)| std::array::from_fn(|i| a * x[i] + b * y[i]))
            .collect()
    }
}

impl Path {
    /// A path through these states.
    ///
    /// # Errors
    /// [`Error::NonFinite`] and [`Error::OutOfRange`] for a variable or an error that no state has.
    pub fn new(states: Vec<StatePoint>) -> Result<Self, Error> {
        for (index, state) in states.iter().enumerate() {
            state.check(index)?;
        }
        Ok(Self { states })
    }

    /// The states.
    pub fn states(&self) -> &[StatePoint] {
        &self.states
    }

    /// (V, p), point by point.
    pub fn pressure_volume(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let pair = |s: &StatePoint| (s.volume.value, s.pressure.value);
        self.states.iter().map(pair)
    }

    /// (S, T) of the points whose entropy is known.
    pub fn temperature_entropy(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let pair = |s: &StatePoint| Some((s.entropy?.value, s.temperature.value));
        self.states.iter().filter_map(pair)
    }

    /// Work ∮p dV that the closed loop gives off, positive where it runs clockwise in (V, p).
    ///
    /// Pending below 3 points.
    pub fn work(&self) -> Reading<Loop> {
        self.closed(Variable::Volume, Variable::Pressure)
    }

    /// Heat ∮T dS that the closed loop takes, positive where it runs clockwise in (S, T).
    ///
    /// Pending below 3 points, undefined where an entropy is missing.
    pub fn heat(&self) -> Reading<Loop> {
        self.closed(Variable::Entropy, Variable::Temperature)
    }

    /// Work ∫p dV that the gas gives off along the part of the path between two points.
    ///
    /// # Errors
    /// As [`heat_by_first_law`](Self::heat_by_first_law).
    pub fn expansion_work(&self, part: RangeInclusive<usize>) -> Result<Reading<Loop>, Error> {
        self.check_part(&part)?;
        Ok(self.told(
            &self.integral(Variable::Volume, Variable::Pressure, sides(&part)),
            part,
        ))
    }

    /// Heat ∫T dS taken along the part of the path between two points.
    ///
    /// # Errors
    /// As [`heat_by_first_law`](Self::heat_by_first_law).
    pub fn heat_by_entropy(&self, part: RangeInclusive<usize>) -> Result<Reading<Loop>, Error> {
        self.check_part(&part)?;
        let known = self.all_known(Variable::Entropy, &part);
        Ok(known.unwrap_or_else(|| {
            self.told(
                &self.integral(Variable::Entropy, Variable::Temperature, sides(&part)),
                part,
            )
        }))
    }

    /// Heat ΔU + ∫p dV taken along the part of the path between two points, which may be the same.
    ///
    /// Undefined where an energy at the ends is missing.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a part that is empty or not within the path.
    pub fn heat_by_first_law(&self, part: RangeInclusive<usize>) -> Result<Reading<Loop>, Error> {
        self.check_part(&part)?;
        Ok(match self.first_law(&part) {
            Some(heat) => self.told(&heat, part),
            None => Reading::Undefined(Reason::Missing("the energy of a state")),
        })
    }

    /// Efficiency of the closed loop: work over the heat taken along `hot`, the side where the gas
    /// is coupled to its hot bath, by the first law. Compare with [`carnot_efficiency`].
    ///
    /// Pending below 3 points, undefined where an energy is missing or no heat is taken.
    ///
    /// # Errors
    /// As [`heat_by_first_law`](Self::heat_by_first_law).
    pub fn efficiency(&self, hot: RangeInclusive<usize>) -> Result<Reading<Loop>, Error> {
        self.check_part(&hot)?;
        if let Some(pending) = self.too_short() {
            return Ok(pending);
        }
        let Some(heat) = self.first_law(&hot) else {
            return Ok(Reading::Undefined(Reason::Missing("the energy of a state")));
        };
        if heat.value <= 0.0 {
            return Ok(Reading::Undefined(Reason::Meaningless(
                "no heat is taken along the hot side",
            )));
        }
        let work = self.integral(Variable::Volume, Variable::Pressure, self.all_sides());
        let ratio = work.value / heat.value;
        let efficiency = Linear {
            value: ratio,
            slopes: work.combine(1.0 / heat.value, &heat, -ratio / heat.value),
        };
        Ok(self.told(&efficiency, 0..=self.states.len().saturating_sub(1)))
    }

    fn closed(&self, x: Variable, y: Variable) -> Reading<Loop> {
        let all = 0..=self.states.len().saturating_sub(1);
        if let Some(pending) = self.too_short() {
            return pending;
        }
        if let Some(unknown) = self.all_known(x, &all) {
            return unknown;
        }
        self.told(&self.integral(x, y, self.all_sides()), all)
    }

    fn too_short(&self) -> Option<Reading<Loop>> {
        (self.states.len() < 3).then_some(Reading::Pending {
            seen: self.states.len() as u64,
            needed: 3,
        })
    }

    fn all_known(&self, variable: Variable, part: &RangeInclusive<usize>) -> Option<Reading<Loop>> {
        let states = self.states.get(part.clone()).unwrap_or_default();
        let known = |s: &StatePoint| s.variables()[variable as usize].is_some();
        (!states.iter().all(known)).then_some(Reading::Undefined(Reason::Missing(
            "the entropy of a state",
        )))
    }

    fn check_part(&self, part: &RangeInclusive<usize>) -> Result<(), Error> {
        if part.start() > part.end() || *part.end() >= self.states.len() {
            return Err(Error::OutOfRange {
                what: "the last point of a part of a path",
                value: *part.end() as f64,
                allowed: "indices of points, the first not above the last",
            });
        }
        Ok(())
    }

    fn all_sides(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let n = self.states.len();
        (0..n).map(move |i| (i, (i + 1) % n))
    }

    fn value(&self, state: usize, variable: Variable) -> f64 {
        self.states
            .get(state)
            .and_then(|s| s.variables()[variable as usize])
            .map_or(0.0, |estimate| estimate.value)
    }

    /// ∫y dx over these sides, by the trapezoidal rule.
    fn integral(
        &self,
        x: Variable,
        y: Variable,
        sides: impl Iterator<Item = (usize, usize)>,
    ) -> Linear {
        let mut sum = Linear::zero(self.states.len());
        for (a, b) in sides {
            let dx = self.value(b, x) - self.value(a, x);
            let mean = 0.5 * (self.value(a, y) + self.value(b, y));
            sum.value += mean * dx;
            sum.slope(a, y, 0.5 * dx);
            sum.slope(b, y, 0.5 * dx);
            sum.slope(a, x, -mean);
            sum.slope(b, x, mean);
        }
        sum
    }

    fn first_law(&self, part: &RangeInclusive<usize>) -> Option<Linear> {
        let (first, last) = (*part.start(), *part.end());
        let energies = [first, last].map(|i| self.states.get(i).and_then(|s| s.energy));
        let [Some(start), Some(end)] = energies else {
            return None;
        };
        let mut heat = self.integral(Variable::Volume, Variable::Pressure, sides(part));
        heat.value += end.value - start.value;
        heat.slope(last, Variable::Energy, 1.0);
        heat.slope(first, Variable::Energy, -1.0);
        Some(heat)
    }

    fn told(&self, quantity: &Linear, part: RangeInclusive<usize>) -> Reading<Loop> {
        let (mut variance, mut n_eff) = (0.0, f64::INFINITY);
        for (state, slopes) in self.states.iter().zip(&quantity.slopes) {
            for (variable, slope) in state.variables().into_iter().zip(slopes) {
                let Some(variable) = variable.filter(|v| v.std_error > 0.0 && *slope != 0.0) else {
                    continue;
                };
                variance += (slope * variable.std_error).powi(2);
                n_eff = variable.n_eff.min(n_eff);
            }
        }
        if !(quantity.value.is_finite() && variance.is_finite()) {
            return Reading::Undefined(Reason::Degenerate(
                "states too many orders of magnitude apart",
            ));
        }
        let states = self.states.get(part).unwrap_or_default();
        let basis = states
            .iter()
            .fold(Basis::Stationary, |basis, s| basis.and(s.basis));
        Reading::Ready(Loop {
            value: Estimate {
                value: quantity.value,
                std_error: variance.sqrt(),
                n_eff: if n_eff.is_finite() { n_eff } else { 1.0 },
            },
            basis,
        })
    }
}

/// The sides between the points of a part.
fn sides(part: &RangeInclusive<usize>) -> impl Iterator<Item = (usize, usize)> + use<> {
    (*part.start()..*part.end()).map(|i| (i, i + 1))
}

/// Carnot's efficiency 1 − T_c/T_h of an engine between two baths, errors included.
///
/// ```
/// use thermograd::{engine::diagram::carnot_efficiency, Estimate};
/// let bath = |value| Estimate { value, std_error: 0.01 * value, n_eff: 100.0 };
/// let best = carnot_efficiency(&bath(1.0), &bath(4.0))?;
/// // 1 − 1/4; the ratio is known to √2 per cent.
/// assert!((best.value - 0.75).abs() < 1e-15);
/// assert!((best.std_error - 0.0025 * 2f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] unless 0 ≤ T_c ≤ T_h, T_h > 0, up to 1e150.
pub fn carnot_efficiency(cold: &Estimate, hot: &Estimate) -> Result<Estimate, Error> {
    let check = |what, value: f64, good: bool| {
        let allowed = "a positive number up to 1e150, the cold one not above the hot";
        check_range(what, value, allowed, |_| good)
    };
    cold.check_count()?;
    hot.check_count()?;
    let range = 1e-150..=1e150;
    check("hot temperature", hot.value, range.contains(&hot.value))?;
    let good = (0.0..=hot.value).contains(&cold.value);
    check("cold temperature", cold.value, good)?;
    for error in [cold.std_error, hot.std_error] {
        check(
            "error of a temperature",
            error,
            (0.0..=1e150).contains(&error),
        )?;
    }
    let ratio = cold.value / hot.value;
    Ok(Estimate {
        value: 1.0 - ratio,
        std_error: (cold.std_error / hot.value).hypot(ratio * (hot.std_error / hot.value)),
        n_eff: cold.n_eff.min(hot.n_eff),
    })
}
