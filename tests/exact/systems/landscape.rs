//! Values by hand, closed forms and boundaries: landscape.

use std::f64::consts::PI;

use thermograd::systems::{Landscape, LandscapeSgd, Random, kramers_time, passage_time};

use super::{above, below, close, integral, near, refused};

#[test]
fn losses_and_slopes_of_the_landscapes() {
    assert_eq!(Landscape::Quartic.loss(-2.0), 4.0);
    assert_eq!(Landscape::Quartic.gradient(-2.0), -8.0);
    assert_eq!(Landscape::DoubleWell.loss(3.0), 20.25 - 4.5);
    assert_eq!(Landscape::DoubleWell.gradient(3.0), 24.0);
}

/// ⟨w⁴⟩ = T, ⟨L⟩ = T/4, C = 1/4 and ⟨w²⟩ = 2Γ(¾)/Γ(¼) √T in the quartic; sums over a grid in
/// the double well.
#[test]
fn moments_in_the_landscapes() {
    let ratio = 2.0 * 1.225_416_702_465_177_6 / 3.625_609_908_221_908;
    for t in [1e-4, 0.3, 1e6] {
        let m = Landscape::Quartic.moments(t).unwrap();
        near(m.fourth, t, 1e-12);
        near(m.energy, 0.25 * t, 1e-12);
        near(m.heat_capacity, 0.25, 1e-12);
        near(m.second, ratio * t.sqrt(), 1e-12);
        near(m.binder_cumulant, 1.0 - 1.0 / (3.0 * ratio * ratio), 1e-11);
    }
    for t in [0.05_f64, 2.0] {
        let loss = |w: f64| 0.25 * w.powi(4) - 0.5 * w * w;
        let of =
            |f: &dyn Fn(f64) -> f64| integral(0.0, 8.0, 20_000, |w| f(w) * (-loss(w) / t).exp());
        let z = of(&|_| 1.0);
        let energy = of(&loss) / z;
        let m = Landscape::DoubleWell.moments(t).unwrap();
        near(m.second, of(&|w| w * w) / z, 1e-9);
        near(m.fourth, of(&|w| w.powi(4)) / z, 1e-9);
        near(m.energy, energy, 1e-9);
        let variance = of(&|w| (loss(w) - energy).powi(2)) / z;
        near(m.heat_capacity, variance / (t * t), 1e-9);
        let binder = 1.0 - m.fourth / (3.0 * m.second * m.second);
        close(m.binder_cumulant, binder, 1e-14);
    }
    refused(Landscape::Quartic.moments(below(1e-4)), "temperature");
    refused(Landscape::Quartic.moments(above(1e6)), "temperature");
}

/// (1/T) ∫ dx e^{L(x)/T} ∫ dy e^{−L(y)/T} on a grid; Kramers' π√2 e^{1/4T}.
#[test]
fn times_of_passage_by_a_double_sum() {
    let loss = |w: f64| 0.25 * w.powi(4) - 0.5 * w * w;
    for t in [0.1_f64, 1.0] {
        let (from, cells) = (-4.0, 20_000_u32);
        let width = 5.0 / f64::from(cells);
        let (mut inner, mut sum) = (0.0, 0.0);
        for i in 0..cells {
            let x = from + (f64::from(i) + 0.5) * width;
            let part = width * (-loss(x) / t).exp();
            if x > -1.0 {
                sum += width * (loss(x) / t).exp() * (inner + 0.5 * part);
            }
            inner += part;
        }
        near(passage_time(t).unwrap(), sum / t, 1e-6);
        near(
            kramers_time(t).unwrap(),
            PI * 2_f64.sqrt() * (0.25 / t).exp(),
            1e-14,
        );
    }
    refused(passage_time(below(5e-4)), "temperature");
    refused(kramers_time(above(1e6)), "temperature");
    assert!(kramers_time(5e-4).is_ok());
}

#[test]
fn a_run_in_a_landscape_is_its_recursion() {
    let (t, eta) = (0.2, 0.1);
    let mut sgd = LandscapeSgd::new(Landscape::DoubleWell, t, eta, 6).unwrap();
    let mut random = Random::new(6);
    let mut w = -1.0_f64;
    for _ in 0..50 {
        // Noise of variance 2T/η = 4.
        let g = w.powi(3) - w + 2.0 * random.normal();
        close(sgd.weights()[0], w, 1e-12);
        close(sgd.gradient()[0], g, 1e-12);
        close(sgd.loss(), 0.25 * w.powi(4) - 0.5 * w * w, 1e-12);
        w -= eta * g;
        sgd.step();
    }
    // A step too large ends at the edge.
    let mut wild = LandscapeSgd::new(Landscape::Quartic, 1e6, 1.0, 0).unwrap();
    for _ in 0..40 {
        wild.step();
    }
    assert_eq!(wild.weights()[0].abs(), 1e6);
    let new = |eta: f64| LandscapeSgd::new(Landscape::Quartic, 1.0, eta, 0);
    refused(new(0.0), "learning rate");
    refused(new(above(1.0)), "learning rate");
    assert!(new(1.0).is_ok());
    refused(
        LandscapeSgd::new(Landscape::Quartic, 0.0, 0.1, 0),
        "temperature",
    );
}
