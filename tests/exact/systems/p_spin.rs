//! Values by hand, closed forms and boundaries: p spin.

use thermograd::systems::{PSpin, PSpinSgd, Random, Region, Start};

use super::{above, below, close, dot, integral, near, refused};

fn spin(power: u32, dimension: usize, coupling: f64) -> PSpin {
    PSpin::new(power, dimension)
        .unwrap()
        .coupling(coupling)
        .unwrap()
}

/// m^{p−2}(1 − m²) = T̃/pJ with m chosen: of the two roots the larger is the condensate.
#[test]
fn overlaps_of_the_condensate_and_of_the_barrier() {
    for (p, coupling) in [(3, 2.0), (4, 0.5), (7, 1.0)] {
        let system = spin(p, 10, coupling);
        let exponent = p.cast_signed() - 2;
        let spinodal = (f64::from(exponent) / f64::from(p)).sqrt();
        let temperature = |m: f64| f64::from(p) * coupling * m.powi(exponent) * (1.0 - m * m);
        for part in [0.3, 0.9] {
            let m = spinodal + part * (1.0 - spinodal);
            close(system.condensed_overlap(temperature(m)).unwrap(), m, 1e-12);
            let m = part * spinodal;
            close(system.barrier_overlap(temperature(m)).unwrap(), m, 1e-12);
        }
        let top = temperature(spinodal);
        near(system.transition().spinodal, top, 1e-14);
        assert!(system.condensed_overlap(1.000_001 * top).is_none());
        assert!(system.barrier_overlap(1.000_001 * top).is_none());
        assert!(system.condensed_overlap(0.999_999 * top).is_some());
        assert!(system.barrier_overlap(0.999_999 * top).is_some());
        assert!(system.condensed_overlap(0.0).is_none());
        assert!(system.barrier_overlap(0.0).is_none());
    }
    assert!(spin(2, 10, 1.0).barrier_overlap(1.0).is_none());
    close(
        spin(2, 10, 3.0).condensed_overlap(1.5).unwrap(),
        0.75_f64.sqrt(),
        1e-12,
    );
}

/// At the transition gas and condensate have one free energy, f = 0, and the slope vanishes.
#[test]
fn transitions_are_where_the_free_energies_meet() {
    for (p, coupling) in [(3, 1.0), (5, 4.0)] {
        let system = spin(p, 10, coupling);
        let found = system.transition();
        let (t, m) = (found.temperature, found.overlap);
        let f = system.free_energy_density(m, t).unwrap();
        close(f, 0.0, 1e-12);
        let by_hand = -coupling * m.powi(p.cast_signed()) / t - 0.5 * (1.0 - m * m).ln();
        close(by_hand, 0.0, 1e-12);
        close(found.latent_heat, coupling * m.powi(p.cast_signed()), 1e-13);
        assert!(t < found.spinodal);
    }
    let continuous = spin(2, 10, 1.5).transition();
    assert_eq!((continuous.temperature, continuous.spinodal), (3.0, 3.0));
    assert_eq!((continuous.overlap, continuous.latent_heat), (0.0, 0.0));
    // −J m³/T − ½ ln(1 − m²) at m = −1/2: 2/8/4 − ½ ln ¾.
    let f = spin(3, 10, 2.0).free_energy_density(-0.5, 4.0).unwrap();
    close(f, 0.0625 - 0.5 * 0.75_f64.ln(), 1e-15);
    let system = spin(3, 10, 2.0);
    assert!(system.free_energy_density(1.0, 1.0).is_none());
    assert!(system.free_energy_density(-1.0, 1.0).is_none());
    assert!(system.free_energy_density(0.5, 0.0).is_none());
    assert!(system.free_energy_density(0.5, 1e-320).is_none());
}

/// In d dimensions the density of m is (1 − m²)^{(d−3)/2}: a sum over a grid.
#[test]
fn averages_over_regions_by_a_sum_over_a_grid() {
    for (p, d, coupling, t) in [(3, 5, 2.0, 0.4), (2, 7, 1.0, 0.3)] {
        let system = spin(p, d, coupling);
        let loss = |m: f64| -coupling * m.powi(p.cast_signed());
        let half = 0.5 * (f64::from(u32::try_from(d).unwrap()) - 3.0);
        for (region, low, high) in [
            (Region::Everything, -1.0, 1.0),
            (Region::Below(0.25), -1.0, 0.25),
            (Region::Above(-0.5), -0.5, 1.0),
        ]
        .into_iter()
        .take(if p == 3 { 3 } else { 1 })
        {
            let of = |f: &dyn Fn(f64) -> f64| {
                integral(low, high, 10_000, |m| {
                    f(m) * (1.0 - m * m).powf(half) * (-loss(m) / t).exp()
                })
            };
            let z = of(&|_| 1.0);
            let found = system.averages(t, region).unwrap();
            close(found.overlap, of(&|m| m) / z, 1e-6);
            close(found.overlap_squared, of(&|m| m * m) / z, 1e-6);
            let energy = of(&loss) / z;
            close(found.energy, energy, 1e-6);
            let variance = of(&|m| (loss(m) - energy).powi(2)) / z;
            close(found.heat_capacity, variance / (t * t), 1e-5);
            let uniform = integral(-1.0, 1.0, 10_000, |m| (1.0 - m * m).powf(half));
            close(found.free_energy, -t * (z / uniform).ln(), 1e-6);
        }
    }
}

#[test]
fn systems_and_regions_have_bounds() {
    refused(PSpin::new(1, 5), "power");
    refused(PSpin::new(9, 5), "power");
    refused(PSpin::new(2, 2), "dimension");
    refused(PSpin::new(2, 100_001), "dimension");
    assert!(PSpin::new(8, 3).is_ok() && PSpin::new(2, 100_000).is_ok());
    let system = PSpin::new(2, 3).unwrap();
    refused(system.coupling(below(1e-9)), "coupling");
    refused(system.coupling(above(1e9)), "coupling");
    assert!(system.coupling(1e-9).is_ok());
    let hot = system.coupling(2.0).unwrap();
    refused(hot.averages(1.9e-5, Region::Everything), "temperature");
    refused(hot.averages(2.1e6, Region::Everything), "temperature");
    assert!(hot.averages(2.1e-5, Region::Everything).is_ok());
    for region in [
        Region::Below(-1.0),
        Region::Below(1.1),
        Region::Above(1.0),
        Region::Above(-1.1),
        Region::Above(f64::NAN),
    ] {
        refused(hot.averages(1.0, region), "edge of the region");
    }
    assert!(hot.averages(1.0, Region::Below(1.0)).is_ok());
    assert!(hot.averages(1.0, Region::Above(-1.0)).is_ok());
    let run = |t: f64, eta: f64| PSpinSgd::new(hot, t, eta, Start::Gas, 0).map(|_| ());
    refused(run(1.0, below(1e-100)), "learning rate");
    refused(run(1.0, above(1.0)), "learning rate");
    refused(run(0.0, 0.1), "temperature");
    assert!(run(1.0, 1.0).is_ok());
}

/// g = (1 − ŵŵ')(∇L + √(2T/η) z), a step, and back to the unit sphere.
#[test]
fn a_run_on_the_sphere_is_its_recursion() {
    let system = spin(3, 4, 2.0);
    for (start, seed) in [(Start::Gas, 5_u64), (Start::Condensed, 7)] {
        let (mut t, eta) = (0.05_f64, 0.02);
        let mut sgd = PSpinSgd::new(system, t, eta, start, seed).unwrap();
        let mut random = Random::new(seed);
        let mut w = match start {
            Start::Gas => (0..4).map(|_| random.normal()).collect::<Vec<f64>>(),
            _ => vec![1.0, 0.0, 0.0, 0.0],
        };
        for step in 0..12 {
            let norm = dot(&w, &w).sqrt();
            for w in &mut w {
                *w /= norm;
            }
            let mut g: Vec<f64> = (0..4)
                .map(|_| (2.0 * t / eta).sqrt() * random.normal())
                .collect();
            g[0] -= 6.0 * w[0] * w[0];
            let along = dot(&g, &w);
            for (g, w) in g.iter_mut().zip(&w) {
                *g -= along * w;
            }
            for i in 0..4 {
                close(sgd.weights()[i], w[i], 1e-12);
                close(sgd.gradient()[i], g[i], 1e-11);
            }
            close(sgd.overlap(), w[0], 1e-12);
            close(sgd.loss(), -2.0 * w[0].powi(3), 1e-12);
            if step == 5 {
                t = 0.4;
                sgd.set_temperature(t).unwrap();
            }
            for (w, g) in w.iter_mut().zip(&g) {
                *w -= eta * g;
            }
            sgd.step();
        }
        refused(sgd.set_temperature(0.0), "temperature");
    }
}
