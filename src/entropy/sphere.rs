//! Areas, volumes and the radius: the geometry under every entropy on a sphere or in flat space.
//!
//! A scale-invariant group lives on a sphere, so its entropy has two parts: that of the direction,
//! measured on the unit sphere S^{d−1}, and that of the radius,
//!
//! <!-- math
//! S(w) = S_{\mathrm{sphere}}(w/|w|) + (d - 1) \ln r .
//! -->
#![doc = include_str!("../math/entropy_sphere_1.html")]
//!
//! The second term is the volume dependence of an ideal gas: with V = r²/2 it is ((d−1)/2) ln V up to
//! a constant. A tensor made of K separately scale-invariant rows is K gases, each with a radius and
//! a sphere of its own, d − K thermal degrees of freedom in all (arXiv 2511.07308).
//!
//! The measure of a spherical cap of angular radius θ is an incomplete beta function,
//!
//! <!-- math
//! A(\theta) = \tfrac12 \Omega_d\, I_{\sin^2\theta}\!\left(\tfrac{d-1}{2}, \tfrac12\right)
//! \quad (\theta \le \pi/2), \qquad \Omega_d = \frac{2 \pi^{d/2}}{\Gamma(d/2)} ,
//! -->
#![doc = include_str!("../math/entropy_sphere_2.html")]
//!
//! needed here in logarithms, because for d = 1000 the cap of one radian is already e⁻¹⁷⁵ of the
//! sphere. S. Li, Asian J. Math. Stat. 4, 66 (2011); continued fraction: DLMF 8.17.22.

use statrs::function::gamma::ln_gamma;

use crate::Error;

const LN_PI: f64 = 1.144_729_885_849_400_2;

/// ln of the area of the unit sphere in d dimensions, ln `Ω_d` = ln 2 + (d/2) ln π − ln Γ(d/2).
///
/// This is the entropy in nats of the uniform distribution on the sphere, and the largest that any
/// distribution of directions can have.
///
/// ```
/// // The circle has length 2π, the sphere in three dimensions area 4π.
/// use thermograd::entropy::ln_sphere_area;
/// assert!((ln_sphere_area(2)? - (2.0 * std::f64::consts::PI).ln()).abs() < 1e-12);
/// assert!((ln_sphere_area(3)? - 2.531_024_246_969_290_6).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for d = 0 or above 2⁵³.
pub fn ln_sphere_area(dimension: usize) -> Result<f64, Error> {
    check_dimension(dimension, 1)?;
    Ok(ln_area(dimension as f64))
}

/// ln of the volume of the unit ball in d dimensions, ln `c_d` = (d/2) ln π − ln Γ(d/2 + 1).
///
/// ```
/// // Length 2, area π, volume 4π/3.
/// use thermograd::entropy::ln_ball_volume;
/// assert!((ln_ball_volume(1)? - 2_f64.ln()).abs() < 1e-12);
/// assert!((ln_ball_volume(3)? - (4.0 * std::f64::consts::PI / 3.0).ln()).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for d = 0 or above 2⁵³.
pub fn ln_ball_volume(dimension: usize) -> Result<f64, Error> {
    check_dimension(dimension, 1)?;
    Ok(ln_ball(dimension as f64))
}

/// ln of the area of the cap of angular radius θ ∈ [1e−150, π] on the unit sphere in d ≥ 2 dimensions.
///
/// ```
/// // Archimedes: in three dimensions the cap has area 2π (1 − cos θ).
/// use thermograd::entropy::ln_cap_area;
/// let theta = 0.7_f64;
/// let exact = (2.0 * std::f64::consts::PI * (1.0 - theta.cos())).ln();
/// assert!((ln_cap_area(3, theta)? - exact).abs() < 1e-13);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for d < 2 or above 2⁵³, or an angle outside [1e−150, π].
pub fn ln_cap_area(dimension: usize, angle: f64) -> Result<f64, Error> {
    check_dimension(dimension, 2)?;
    if !(1e-150..=std::f64::consts::PI).contains(&angle) {
        return Err(Error::OutOfRange {
            what: "angular radius of a cap",
            value: angle,
            allowed: "an angle from 1e-150 to pi",
        });
    }
    Ok(Caps::new(dimension).ln_area_of_angle(angle))
}

/// S of a group of one scale: the entropy of its direction plus (d − 1) ln r.
///
/// `unit_sphere` in nats is what [`geodesic_cap`](crate::entropy::geodesic_cap) or a von
/// Mises-Fisher fit returns, `dimension` the number of parameters, `radius` the norm |w|.
///
/// ```
/// // Doubling the norm of four parameters adds 3 ln 2.
/// use thermograd::entropy::entropy_at_radius;
/// let s = entropy_at_radius(1.0, 4, 2.0)?;
/// assert!((s - (1.0 + 3.0 * 2_f64.ln())).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for d = 0 or a radius that is not positive and finite;
/// [`Error::NonFinite`] for an entropy that is not finite.
pub fn entropy_at_radius(unit_sphere: f64, dimension: usize, radius: f64) -> Result<f64, Error> {
    entropy_at_radii(unit_sphere, &[Sphere { dimension, radius }])
}

/// One scale-invariant group: how many parameters share a norm, and that norm.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sphere {
    /// Number of parameters d of the group.
    pub dimension: usize,
    /// Its norm r = |w|.
    pub radius: f64,
}

/// S of K separately scale-invariant groups: Σ over groups of (`d_l` − 1) ln `r_l`, added to the entropy
/// of all directions together.
///
/// With one radius in common this is (d − K) ln r, the d − K being the thermal degrees of freedom.
///
/// ```
/// // Two rows of three parameters at radius 2 have 6 − 2 = 4 degrees of freedom.
/// use thermograd::entropy::{Sphere, entropy_at_radii};
/// let row = Sphere { dimension: 3, radius: 2.0 };
/// let s = entropy_at_radii(0.5, &[row, row])?;
/// assert!((s - (0.5 + 4.0 * 2_f64.ln())).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// As [`entropy_at_radius`]; [`Error::Empty`] without any group.
pub fn entropy_at_radii(unit_spheres: f64, spheres: &[Sphere]) -> Result<f64, Error> {
    Error::check_finite("entropy on the unit spheres", &[unit_spheres])?;
    if spheres.is_empty() {
        return Err(Error::Empty {
            place: "list of spheres".to_owned(),
            remedy: "give one radius per scale-invariant group",
        });
    }
    let mut entropy = unit_spheres;
    for sphere in spheres {
        check_dimension(sphere.dimension, 1)?;
        if !(sphere.radius > 0.0 && sphere.radius.is_finite()) {
            return Err(Error::OutOfRange {
                what: "radius",
                value: sphere.radius,
                allowed: "a positive, finite norm",
            });
        }
        entropy += (sphere.dimension as f64 - 1.0) * sphere.radius.ln();
    }
    Ok(entropy)
}

/// Thermal degrees of freedom Σ (`d_l` − 1) of separately scale-invariant groups: d − K.
///
/// ```
/// use thermograd::entropy::{Sphere, thermal_degrees_of_freedom};
/// let row = Sphere { dimension: 3, radius: 1.0 };
/// assert_eq!(thermal_degrees_of_freedom(&[row, row]), 4);
/// ```
pub fn thermal_degrees_of_freedom(spheres: &[Sphere]) -> usize {
    spheres.iter().fold(0, |sum: usize, sphere| {
        sum.saturating_add(sphere.dimension.saturating_sub(1))
    })
}

pub(crate) fn check_dimension(dimension: usize, least: usize) -> Result<(), Error> {
    if !(least..=1 << 53).contains(&dimension) {
        return Err(Error::OutOfRange {
            what: "dimension",
            value: dimension as f64,
            allowed: if least < 2 {
                "from 1 to 2^53 parameters"
            } else {
                "from 2 to 2^53 parameters"
            },
        });
    }
    Ok(())
}

pub(super) fn ln_area(d: f64) -> f64 {
    std::f64::consts::LN_2 + 0.5 * d * LN_PI - ln_gamma(0.5 * d)
}

pub(super) fn ln_ball(d: f64) -> f64 {
    0.5 * d * LN_PI - ln_gamma(0.5 * d + 1.0)
}

/// Cap areas of one dimension, with what depends on the dimension alone computed once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    a: f64,
    ln_beta: f64,
    ln_area: f64,
}

impl Caps {
    pub(super) fn new(dimension: usize) -> Self {
        let d = dimension as f64;
        let a = 0.5 * (d - 1.0);
        Self {
            a,
            ln_beta: ln_gamma(a) + 0.5 * LN_PI - ln_gamma(a + 0.5),
            ln_area: ln_area(d),
        }
    }

    pub(super) fn ln_area_of_angle(&self, angle: f64) -> f64 {
        let half = (0.5 * angle).sin();
        self.ln_area_of_squared_chord(4.0 * half * half)
    }

    /// From |û − v̂|² = 4 sin²(θ/2), the form that distances give: no angle loses digits near 0.
    pub(super) fn ln_area_of_squared_chord(&self, squared: f64) -> f64 {
        if self.a == 1.0 {
            // Archimedes: on the ordinary sphere a cap has the area of a disc as wide as its chord.
            return LN_PI + squared.clamp(0.0, 4.0).ln();
        }
        let q = (0.25 * squared).clamp(0.0, 1.0); // sin²(θ/2)
        let (sin2, cos) = (4.0 * q * (1.0 - q), 1.0 - 2.0 * q);
        let ln_half = self.ln_half_regularised(sin2, cos * cos);
        self.ln_area
            + if cos >= 0.0 {
                ln_half
            } else {
                (-ln_half.exp()).ln_1p()
            }
    }

    /// `ln(I_x(a`, 1/2) / 2) with y = 1 − x given beside x, so that neither is a difference.
    fn ln_half_regularised(&self, x: f64, y: f64) -> f64 {
        if x <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let front = self.a * x.ln() + 0.5 * y.ln() - self.ln_beta;
        if x < (self.a + 1.0) / (self.a + 2.5) {
            front - self.a.ln() + beta_fraction(self.a, 0.5, x).ln() - std::f64::consts::LN_2
        } else {
            let upper = if y > 0.0 {
                front.exp() * 2.0 * beta_fraction(0.5, self.a, y)
            } else {
                0.0
            };
            (-upper).ln_1p() - std::f64::consts::LN_2
        }
    }
}

/// The continued fraction of the incomplete beta function, by Lentz's method. It needs about
/// √max(a, b) terms on its side of the mean; the cap keeps the loop finite whatever comes in.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..100_000_u32 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::{Caps, ln_area};

    #[test]
    fn caps_join_at_the_equator_and_fill_the_sphere() {
        for d in [2_usize, 3, 4, 10, 101, 1000, 100_000] {
            let caps = Caps::new(d);
            let half = caps.ln_area_of_angle(std::f64::consts::FRAC_PI_2);
            let area = ln_area(d as f64);
            assert!(
                (half - (area - std::f64::consts::LN_2)).abs() < 1e-9,
                "d = {d}: {half} {area}"
            );
            assert!((caps.ln_area_of_angle(std::f64::consts::PI) - area).abs() < 1e-12);
        }
    }

    #[test]
    fn caps_of_two_and_four_dimensions_have_closed_forms() {
        for i in 1..60 {
            let theta = f64::from(i) * 0.05;
            // Arc 2θ; and 2π(θ − sin θ cos θ) on the three-sphere.
            let two = (2.0 * theta).ln();
            assert!((Caps::new(2).ln_area_of_angle(theta) - two).abs() < 1e-12);
            let four = (2.0 * std::f64::consts::PI * (theta - theta.sin() * theta.cos())).ln();
            let ours = Caps::new(4).ln_area_of_angle(theta);
            assert!((ours - four).abs() < 1e-10, "{theta}: {ours} {four}");
        }
    }

    #[test]
    fn caps_of_three_dimensions_are_those_of_the_general_formula() {
        let caps = Caps::new(3);
        for i in 1..62 {
            let theta = f64::from(i) * 0.05;
            let exact = (2.0 * std::f64::consts::PI * (1.0 - theta.cos())).ln();
            assert!((caps.ln_area_of_angle(theta) - exact).abs() < 1e-12);
            let (sin2, cos2) = (theta.sin().powi(2), theta.cos().powi(2));
            if theta < std::f64::consts::FRAC_PI_2 {
                let general = caps.ln_area + caps.ln_half_regularised(sin2, cos2);
                assert!(
                    (general - exact).abs() < 1e-12,
                    "{theta}: {general} {exact}"
                );
            }
        }
    }

    #[test]
    fn small_caps_are_flat_discs() {
        // A(θ) → c_{d−1} θ^{d−1}; the next order is −(d−1)(d−2)θ²/(6 (d+1))... below 1e-12 here.
        let (d, theta) = (50_usize, 1e-8);
        let flat = super::ln_ball(49.0) + 49.0 * f64::ln(theta);
        assert!((Caps::new(d).ln_area_of_angle(theta) - flat).abs() < 1e-9);
    }
}
