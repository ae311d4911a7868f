//! Values by hand, closed forms and boundaries: von mises fisher.

use std::f64::consts::{E, PI};

use thermograd::Error;
use thermograd::systems::{Random, VonMisesFisher};

use super::{above, close, dot, integral, near, refused};

/// d = 3 is elementary, and A_{d+2} = 1/A_d − d/κ leads up to d = 5.
#[test]
fn three_and_five_dimensions_are_elementary() {
    for kappa in [0.3, 1.0, 2.9, 3.1, 4.9, 5.5, 20.0] {
        let three = VonMisesFisher::new(3, kappa).unwrap();
        let a = 1.0 / kappa.tanh() - 1.0 / kappa;
        close(three.mean_resultant_length(), a, 1e-13);
        close(three.energy(), 1.0 - a, 1e-13);
        let c = (kappa / (4.0 * PI * kappa.sinh())).ln();
        close(three.ln_normalizer(), c, 1e-13);
        close(three.entropy(), -c - kappa * a, 1e-13);
        close(three.reduced_free_energy(), c + kappa, 1e-13);
        close(
            three.heat_capacity(),
            1.0 - (kappa / kappa.sinh()).powi(2),
            1e-12,
        );
        let five = VonMisesFisher::new(5, kappa).unwrap();
        let next = 1.0 / a - 3.0 / kappa;
        close(five.mean_resultant_length(), next, 1e-12);
        // C = κ²(1 − A² − 4A/κ).
        let capacity = kappa * kappa * (1.0 - next * next - 4.0 * next / kappa);
        close(five.heat_capacity(), capacity, 1e-10);
        // I_{3/2} = √(2/πκ)(cosh κ − sinh κ/κ).
        let bessel = (2.0 / (PI * kappa)).sqrt() * (kappa.cosh() - kappa.sinh() / kappa);
        let c = 1.5 * kappa.ln() - 2.5 * (2.0 * PI).ln() - bessel.ln();
        close(five.ln_normalizer(), c, 1e-12);
        close(five.entropy(), -c - kappa * next, 1e-12);
    }
    let cold = VonMisesFisher::new(3, 1e8).unwrap();
    near(cold.energy(), 1e-8, 1e-15);
    near(cold.heat_capacity(), 1.0, 1e-12);
    near(cold.entropy(), 1.0 + (2.0 * PI / 1e8).ln(), 1e-14);
}

/// ∫ e^{κ cos θ} sin^{d−2} θ on a grid, in dimensions on both sides of where the expansion is
/// used at once.
#[test]
fn many_dimensions_by_a_sum_over_angles() {
    for (d, kappa) in [
        (2, 0.7),
        (2, 6.0),
        (17, 9.0),
        (66, 30.0),
        (80, 100.0),
        (200, 10.0),
    ] {
        let system = VonMisesFisher::new(d, kappa).unwrap();
        let power = f64::from(u32::try_from(d).unwrap()) - 2.0;
        let of = |f: &dyn Fn(f64) -> f64| {
            integral(0.0, PI, 20_000, |angle| {
                let half = (0.5 * angle).sin();
                let loss = 2.0 * half * half;
                f(loss) * (-kappa * loss + power * angle.sin().ln()).exp()
            })
        };
        let z = of(&|_| 1.0);
        let energy = of(&|loss| loss) / z;
        near(system.energy(), energy, 1e-9);
        close(system.mean_resultant_length(), 1.0 - energy, 1e-9);
        let variance = of(&|loss| (loss - energy).powi(2)) / z;
        near(system.heat_capacity(), kappa * kappa * variance, 1e-8);
        // Against the uniform sphere of the same dimension: both normalisers, one integral.
        let free = VonMisesFisher::new(d, 0.0).unwrap();
        let uniform = integral(0.0, PI, 20_000, |angle| angle.sin().powf(power));
        close(
            free.reduced_free_energy() - system.reduced_free_energy(),
            (z / uniform).ln(),
            1e-8,
        );
        close(
            system.entropy() - free.entropy(),
            (z / uniform).ln() + kappa * energy,
            1e-8,
        );
    }
}

#[test]
fn limits_and_bounds_of_the_distribution() {
    let system = VonMisesFisher::at_temperature(5, 0.25).unwrap();
    assert_eq!((system.dim(), system.kappa()), (5, 4.0));
    // Equipartition of four degrees of freedom: 4T/2 and 2 ln 2πeT.
    close(system.low_temperature_energy().unwrap(), 0.5, 1e-15);
    close(
        system.low_temperature_entropy().unwrap(),
        2.0 * (2.0 * PI * E * 0.25).ln(),
        1e-14,
    );
    let free = VonMisesFisher::new(5, 0.0).unwrap();
    assert_eq!((free.energy(), free.heat_capacity()), (1.0, 0.0));
    assert!(free.low_temperature_energy().is_none());
    assert!(free.low_temperature_entropy().is_none());
    // ln of the area 8π²/3.
    close(free.entropy(), (8.0 * PI * PI / 3.0).ln(), 1e-13);
    refused(VonMisesFisher::new(1, 1.0), "dimension");
    refused(VonMisesFisher::new(2, -1e-300), "concentration kappa");
    refused(VonMisesFisher::new(2, above(1e150)), "concentration kappa");
    assert!(VonMisesFisher::new(2, 1e150).is_ok());
    refused(VonMisesFisher::at_temperature(3, 0.9e-150), "temperature");
    refused(VonMisesFisher::at_temperature(3, 1.1e150), "temperature");
    assert_eq!(
        VonMisesFisher::at_temperature(3, 1e-150).unwrap().kappa(),
        1e150
    );
}

/// Marsaglia and Tsang's gamma variate.
fn gamma(random: &mut Random, shape: f64) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - random.uniform()).powf(1.0 / shape);
        return gamma(random, shape + 1.0) * boost;
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let x = random.normal();
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 {
            let u = 1.0 - random.uniform();
            if u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

/// Wood's algorithm in his own terms: b, x₀, c, and W = (1 − (1+b)Z)/(1 − (1−b)Z).
#[test]
fn samples_are_those_of_wood() {
    for (d, kappa) in [(2, 0.5), (3, 4.0), (6, 20.0), (10, 1.0)] {
        let system = VonMisesFisher::new(d, kappa).unwrap();
        let freedom = f64::from(u32::try_from(d).unwrap()) - 1.0;
        let (mut ours, mut random) = (Random::new(9), Random::new(9));
        let b = ((4.0 * kappa * kappa + freedom * freedom).sqrt() - 2.0 * kappa) / freedom;
        let x0 = (1.0 - b) / (1.0 + b);
        let c = kappa * x0 + freedom * (1.0 - x0 * x0).ln();
        for _ in 0..40 {
            let w = loop {
                let x = gamma(&mut random, 0.5 * freedom);
                let y = gamma(&mut random, 0.5 * freedom);
                let z = x / (x + y);
                let w = (1.0 - (1.0 + b) * z) / (1.0 - (1.0 - b) * z);
                let u = 1.0 - random.uniform();
                if kappa * w + freedom * (1.0 - x0 * w).ln() - c >= u.ln() {
                    break w;
                }
            };
            close(system.sample_loss(&mut ours), 1.0 - w, 1e-11);
        }
    }
}

#[test]
fn samples_lie_on_the_sphere_at_their_loss() {
    let system = VonMisesFisher::new(4, 3.0).unwrap();
    let mean = [2.0, -1.0, 0.5, 3.0];
    let length = dot(&mean, &mean).sqrt();
    let mut random = Random::new(2);
    let mut alone = Random::new(2);
    let mut x = [0.0; 4];
    for i in 0..50 {
        let loss = system.sample(&mut random, &mean, &mut x).unwrap();
        if i == 0 {
            // The component along the mean is drawn first.
            assert_eq!(loss, system.sample_loss(&mut alone));
        }
        close(dot(&x, &x), 1.0, 1e-13);
        close(dot(&x, &mean) / length, 1.0 - loss, 1e-13);
    }
    let mut short = [0.0; 3];
    assert!(matches!(
        system.sample(&mut random, &mean, &mut short),
        Err(Error::LengthMismatch {
            expected: 4,
            found: 3,
            ..
        })
    ));
    assert!(system.sample(&mut random, &mean[..3], &mut x).is_err());
    refused(
        system.sample(&mut random, &[0.0; 4], &mut x),
        "length of the mean direction",
    );
    assert!(matches!(
        system.sample(&mut random, &[0.0, f64::NAN, 0.0, 1.0], &mut x),
        Err(Error::NonFinite { index: 1, .. })
    ));
}
