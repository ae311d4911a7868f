//! What the grid says of the laws: Maxwell's relations, scores against theory, the potential.

use statrs::function::erf::erfc;
use thermograd::{Estimate, systems::GasState};

use super::common::fit::{exact, linear, ln, mean, product, ratio, slope, spread};
use super::gas::{Held, Place, Setting};

/// A line of the table of slopes.
#[derive(Debug, Clone)]
pub(crate) struct Slope {
    pub(crate) name: &'static str,
    pub(crate) measured: Estimate,
    /// Standard deviation over the rows of the grid.
    pub(crate) spread: Option<f64>,
    /// By the same regression on the predictions for small steps.
    pub(crate) continuum: f64,
    /// By the same regression on those corrected for the step.
    pub(crate) corrected: f64,
    /// arXiv 2511.07308, with the spread over rows.
    pub(crate) published: Option<Estimate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Rate,
    Other,
}

/// One quantity, as measured or as predicted.
type Quantity<'a> = &'a dyn Fn(&Place) -> Estimate;

/// A name, whether it has an error bar, the measurement and the theory.
type Scored = (
    &'static str,
    bool,
    fn(&Place) -> Estimate,
    fn(&GasState) -> f64,
);

/// The grid in rows and columns.
#[derive(Debug)]
pub(crate) struct Grid<'a> {
    setting: &'a Setting,
    places: &'a [Place],
}

const fn published(value: f64, spread: f64) -> Estimate {
    Estimate {
        value,
        std_error: spread,
        n_eff: 17.0,
    }
}

/// S with the direction's share by the fit.
fn fitted_entropy(place: &Place) -> Estimate {
    let seen = &place.measured;
    let (total, part, fit) = (seen.entropy, seen.direction_entropy, seen.fitted_entropy);
    let variance = total.std_error.powi(2) - part.std_error.powi(2) + fit.std_error.powi(2);
    Estimate {
        value: total.value - part.value + fit.value,
        std_error: variance.max(0.0).sqrt(),
        n_eff: fit.n_eff,
    }
}

impl<'a> Grid<'a> {
    pub(crate) const fn new(setting: &'a Setting, places: &'a [Place]) -> Self {
        Self { setting, places }
    }

    /// The place of these numbers along the axes.
    pub(crate) fn at(&self, rate: usize, other: usize) -> &'a Place {
        &self.places[rate * self.setting.grid + other]
    }

    fn lines(&self, axis: Axis) -> Vec<Vec<&'a Place>> {
        let n = self.setting.grid;
        let along = |line: usize| {
            (0..n).map(move |i| match axis {
                Axis::Rate => self.at(i, line),
                Axis::Other => self.at(line, i),
            })
        };
        (0..n).map(|line| along(line).collect()).collect()
    }

    /// Slopes of y over x along an axis, one a line.
    fn slopes(&self, axis: Axis, x: Quantity<'_>, y: Quantity<'_>) -> Vec<Estimate> {
        let lines = self.lines(axis);
        let of = |line: &Vec<&Place>| {
            let x: Vec<f64> = line.iter().map(|place| x(place).value).collect();
            let y: Vec<Estimate> = line.iter().map(|place| y(place)).collect();
            slope(&x, &y)
        };
        lines.iter().filter_map(of).collect()
    }

    fn average(&self, of: Quantity<'_>) -> Estimate {
        mean(&self.places.iter().map(of).collect::<Vec<_>>())
    }

    /// dS/d ln of the quantity along an axis.
    fn entropy_slope(
        &self,
        name: &'static str,
        (axis, factor): (Axis, f64),
        entropy: Quantity<'_>,
        published: Option<Estimate>,
    ) -> Slope {
        let x = move |place: &Place| {
            exact(
                factor
                    * match axis {
                        Axis::Rate => place.rate.ln(),
                        Axis::Other => place.other.ln(),
                    },
            )
        };
        let over = |y: Quantity<'_>| self.slopes(axis, &x, y);
        let measured = over(entropy);
        Slope {
            name,
            measured: mean(&measured),
            spread: Some(spread(&measured)),
            continuum: mean(&over(&|place| exact(place.continuum.entropy))).value,
            corrected: mean(&over(&|place| exact(place.corrected.entropy))).value,
            published,
        }
    }

    /// (pV/T) d ln y/d ln T along the rates.
    fn mechanical_slope(
        &self,
        name: &'static str,
        sign: f64,
        y: &dyn Fn(&Seen) -> Estimate,
    ) -> Slope {
        let over = |seen: &dyn Fn(&Place) -> Seen| {
            let law = self.average(&|place| {
                let Seen {
                    temperature,
                    volume,
                    pressure,
                } = seen(place);
                ratio(product(pressure, volume), temperature)
            });
            let temperature = |place: &Place| ln(seen(place).temperature);
            let slopes = self.slopes(Axis::Rate, &temperature, &|place| ln(y(&seen(place))));
            (product(linear([(sign, law)]), mean(&slopes)), slopes)
        };
        let (measured, slopes) = over(&|place| Seen {
            temperature: place.measured.temperature,
            volume: place.measured.volume,
            pressure: place.measured.pressure,
        });
        Slope {
            name,
            measured,
            spread: Some(measured.value.abs() * spread(&slopes)),
            continuum: over(&|place| Seen::of(&place.continuum)).0.value,
            corrected: over(&|place| Seen::of(&place.corrected)).0.value,
            published: None,
        }
    }

    /// The table of slopes: both sides of the protocol's Maxwell relation, and their ratio.
    pub(crate) fn maxwell(&self) -> Vec<Slope> {
        let held = self.setting.held;
        let three = self.setting.dims == 3 && held != Held::Sphere;
        let known = |value, spread| three.then(|| published(value, spread));
        let volume = |seen: &Seen| seen.volume;
        let pressure = |seen: &Seen| seen.pressure;
        let rate = (Axis::Rate, 1.0);
        let other = (Axis::Other, if held == Held::Sphere { 2.0 } else { 1.0 });
        let mut table = Vec::new();
        let mut left = None;
        for (fitted, entropy) in [
            (true, &fitted_entropy as Quantity<'_>),
            (false, &|place: &Place| place.measured.entropy),
        ] {
            // In many dimensions the fit is all there is.
            if fitted && self.setting.dims > 3 {
                continue;
            }
            let name = |plain, by_fit| if fitted { by_fit } else { plain };
            let side = match held {
                Held::Elr => {
                    let name = name("dS/dlnλ", "dS/dlnλ, entropy by the fit");
                    self.entropy_slope(name, other, entropy, known(-0.9989, 0.0052))
                }
                Held::Sphere => {
                    let name = name("dS/dlnV", "dS/dlnV, entropy by the fit");
                    self.entropy_slope(name, other, entropy, None)
                }
                Held::Lr => {
                    let by_decay = name("dS/dlnλ", "dS/dlnλ, entropy by the fit");
                    let by_rate = name("dS/dlnη", "dS/dlnη, entropy by the fit");
                    let decay = self.entropy_slope(by_decay, other, entropy, known(0.0131, 0.0071));
                    let rate = self.entropy_slope(by_rate, rate, entropy, known(1.0139, 0.0090));
                    let difference = Slope {
                        name: name("dS/dlnη - dS/dlnλ", "the difference, entropy by the fit"),
                        measured: linear([(1.0, rate.measured), (-1.0, decay.measured)]),
                        spread: None,
                        continuum: rate.continuum - decay.continuum,
                        corrected: rate.corrected - decay.corrected,
                        published: known(1.0008, f64::NAN),
                    };
                    table.extend([decay, rate]);
                    difference
                }
            };
            table.push(side.clone());
            left = Some(side);
        }
        if held != Held::Lr {
            let entropy = &|place: &Place| place.measured.entropy;
            table.push(self.entropy_slope("dS/dlnη_eff", rate, entropy, None));
        }
        let right = match held {
            Held::Elr => self.mechanical_slope("-p dV/dT at fixed p", -1.0, &volume),
            Held::Lr => self.mechanical_slope("p dV/dT at fixed p", 1.0, &volume),
            Held::Sphere => self.mechanical_slope("V dp/dT at fixed V", 1.0, &pressure),
        };
        table.push(right.clone());
        table.extend(left.map(|left| Slope {
            name: "Maxwell: one side over the other",
            measured: ratio(left.measured, right.measured),
            spread: None,
            continuum: left.continuum / right.continuum,
            corrected: left.corrected / right.corrected,
            published: None,
        }));
        table
    }

    /// Every measurement that has an error bar, against theory.
    pub(crate) fn scores(&self) -> Vec<Scores> {
        let sphere = self.setting.held == Held::Sphere;
        let quantities: [Scored; 5] = [
            ("U", true, |p| p.measured.energy, |s| s.energy),
            ("T", true, |p| p.measured.temperature, |s| s.temperature),
            (
                "V",
                !sphere,
                |p| p.measured.volume,
                |s| 0.5 * s.squared_radius,
            ),
            ("p", sphere, |p| p.measured.pressure, |s| s.pressure),
            ("S", true, |p| p.measured.entropy, |s| s.entropy),
        ];
        let known = quantities.into_iter().filter(|quantity| quantity.1);
        known
            .map(|(name, _, measured, theory)| {
                let against = |state: fn(&Place) -> &GasState| -> Vec<f64> {
                    let score = |place: &Place| {
                        measured(place).z_score(theory(state(place))).unwrap_or(0.0)
                    };
                    self.places.iter().map(score).collect()
                };
                Scores {
                    name,
                    continuum: against(|place| &place.continuum),
                    corrected: against(|place| &place.corrected),
                }
            })
            .collect()
    }

    /// G = U − T*S + p*V, or U − T*S on a sphere, of the state at a place.
    pub(crate) fn potential(&self, place: &Place, target: &Place) -> Estimate {
        let seen = &place.measured;
        let (t, p) = (
            target.measured.temperature.value,
            target.measured.pressure.value,
        );
        let volume = if self.setting.held == Held::Sphere {
            0.0
        } else {
            p
        };
        linear([
            (1.0, seen.energy),
            (-t, seen.entropy),
            (volume, seen.volume),
        ])
    }

    /// Where the potential of each place has its minimum.
    pub(crate) fn minima(&self) -> Minima {
        let n = self.setting.grid;
        let sphere = self.setting.held == Held::Sphere;
        let (mut exact_hits, mut near, mut all) = (0, 0, 0);
        let (mut rates, mut others) = (Vec::new(), Vec::new());
        for i in 0..n {
            for j in 0..n {
                let target = self.at(i, j);
                let value = |a: usize, b: usize| self.potential(self.at(a, b), target).value;
                // On a sphere the volume is held: the minimum is over the temperatures at that volume.
                let candidates = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
                let best = candidates
                    .filter(|&(_, b)| !sphere || b == j)
                    .min_by(|&(a, b), &(c, d)| value(a, b).total_cmp(&value(c, d)));
                if let Some((a, b)) = best {
                    all += 1;
                    exact_hits += usize::from((a, b) == (i, j));
                    near += usize::from(a.abs_diff(i) <= 1 && b.abs_diff(j) <= 1);
                }
                let inside = |k: usize| k >= 2 && k + 2 < n;
                if inside(i) && (sphere || inside(j)) {
                    let (x, y) = self.newton(i, j);
                    rates.push(x);
                    others.extend(y);
                }
            }
        }
        let offset = |values: &[f64]| {
            let values: Vec<Estimate> = values.iter().map(|&x| exact(x)).collect();
            // Fewer have no spread to speak of.
            (values.len() > 2).then(|| Estimate {
                value: mean(&values).value,
                std_error: spread(&values) / (values.len() as f64).sqrt(),
                n_eff: values.len() as f64,
            })
        };
        Minima {
            places: all,
            exact: exact_hits,
            near,
            rate_offset: offset(&rates),
            other_offset: offset(&others),
        }
    }

    /// The distance from the true place to the minimum, in ln of each axis: a Newton step with
    /// derivatives from five places a side.
    fn newton(&self, i: usize, j: usize) -> (f64, Option<f64>) {
        let target = self.at(i, j);
        let value = |a: usize, b: usize| self.potential(self.at(a, b), target).value;
        let first = |m2: f64, m1: f64, p1: f64, p2: f64| (8.0 * (p1 - m1) - (p2 - m2)) / 12.0;
        let second = |m2: f64, m1: f64, c: f64, p1: f64, p2: f64| {
            (16.0 * (p1 + m1) - (p2 + m2) - 30.0 * c) / 12.0
        };
        let h = (self.at(i + 1, j).rate / target.rate).ln();
        let centre = value(i, j);
        let x = [
            value(i - 2, j),
            value(i - 1, j),
            value(i + 1, j),
            value(i + 2, j),
        ];
        let gx = first(x[0], x[1], x[2], x[3]);
        let hxx = second(x[0], x[1], centre, x[2], x[3]);
        if self.setting.held == Held::Sphere {
            return (-h * gx / hxx, None);
        }
        let k = (self.at(i, j + 1).other / target.other).ln();
        let y = [
            value(i, j - 2),
            value(i, j - 1),
            value(i, j + 1),
            value(i, j + 2),
        ];
        let gy = first(y[0], y[1], y[2], y[3]);
        let hyy = second(y[0], y[1], centre, y[2], y[3]);
        let hxy = 0.25
            * (value(i + 1, j + 1) - value(i + 1, j - 1) - value(i - 1, j + 1)
                + value(i - 1, j - 1));
        let determinant = hxx * hyy - hxy * hxy;
        let dx = -(hyy * gx - hxy * gy) / determinant;
        let dy = -(hxx * gy - hxy * gx) / determinant;
        (h * dx, Some(k * dy))
    }
}

/// What the equation of state needs of a place.
#[derive(Debug, Clone, Copy)]
struct Seen {
    temperature: Estimate,
    volume: Estimate,
    pressure: Estimate,
}

impl Seen {
    const fn of(state: &GasState) -> Self {
        Self {
            temperature: exact(state.temperature),
            volume: exact(0.5 * state.squared_radius),
            pressure: exact(state.pressure),
        }
    }
}

/// Distances from theory in standard errors, one a place.
#[derive(Debug, Clone)]
pub(crate) struct Scores {
    pub(crate) name: &'static str,
    pub(crate) continuum: Vec<f64>,
    pub(crate) corrected: Vec<f64>,
}

/// Root mean square.
pub(crate) fn rms(scores: &[f64]) -> f64 {
    (scores.iter().map(|z| z * z).sum::<f64>() / scores.len().max(1) as f64).sqrt()
}

/// The largest in size, with its place in the list.
pub(crate) fn largest(scores: &[f64]) -> Option<(usize, f64)> {
    let indexed = scores.iter().copied().enumerate();
    indexed.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
}

/// The probability that the largest of so many normal scores exceeds |z|.
pub(crate) fn by_chance(z: f64, scores: usize) -> f64 {
    let one = erfc(z.abs() / std::f64::consts::SQRT_2);
    -(scores as f64 * (-one).ln_1p()).exp_m1()
}

/// Where the minima of the potential lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minima {
    pub(crate) places: usize,
    /// At the true place.
    pub(crate) exact: usize,
    /// There or at one of its neighbours.
    pub(crate) near: usize,
    /// ln of the rate at the minimum less the true one, on average over the inner places.
    pub(crate) rate_offset: Option<Estimate>,
    pub(crate) other_offset: Option<Estimate>,
}
