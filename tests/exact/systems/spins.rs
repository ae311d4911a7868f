//! Values by hand, closed forms and boundaries: spins.

use std::f64::consts::{FRAC_PI_2, LN_2, PI};

use thermograd::systems::{
    CurieWeissSampler, ISING_CRITICAL_TEMPERATURE, Random, curie_weiss, curie_weiss_limit,
    ising_4x4, ising_energy, ising_magnetization,
};

use super::{above, below, close, integral, near, refused};

/// Four and five spins: −M²/2N, both signs of M together.
#[test]
fn levels_of_a_few_coupled_spins() {
    for (sites, expected) in [
        (1, vec![(-0.5, 1.0, 2.0)]),
        (4, vec![(-2.0, 4.0, 2.0), (-0.5, 2.0, 8.0), (0.0, 0.0, 6.0)]),
        (
            5,
            vec![(-2.5, 5.0, 2.0), (-0.9, 3.0, 10.0), (-0.1, 1.0, 20.0)],
        ),
    ] {
        let system = curie_weiss(sites).unwrap();
        assert_eq!(system.sites(), sites);
        assert_eq!(system.as_slice().len(), expected.len());
        for (level, (energy, magnetization, count)) in system.as_slice().iter().zip(expected) {
            close(level.energy, energy, 1e-15);
            assert_eq!(level.magnetization, magnetization);
            near(level.ln_count.exp(), count, 1e-14);
        }
    }
    refused(curie_weiss(0), "number of spins");
    refused(curie_weiss(1_000_001), "number of spins");
    refused(CurieWeissSampler::new(0, 1.0, 0), "number of spins");
}

/// Two spins: E = −1 with M = 2 twice, and 0 with M = 0 twice.
#[test]
fn averages_of_two_spins_by_hand() {
    let t = 0.7_f64;
    let found = curie_weiss(2).unwrap().averages(t).unwrap();
    let p = (1.0 / t).exp() / (1.0 + (1.0 / t).exp());
    close(found.energy, -0.5 * p, 1e-14);
    close(found.heat_capacity, p * (1.0 - p) / (2.0 * t * t), 1e-14);
    close(found.magnetization, p, 1e-14);
    close(
        found.susceptibility,
        (4.0 * p - 4.0 * p * p) / (2.0 * t),
        1e-14,
    );
    close(
        found.binder_cumulant,
        1.0 - 16.0 * p / (3.0 * 16.0 * p * p),
        1e-14,
    );
    let entropy = LN_2 - p * p.ln() - (1.0 - p) * (1.0 - p).ln();
    close(found.entropy, 0.5 * entropy, 1e-14);
    let system = curie_weiss(2).unwrap();
    refused(system.averages(below(1e-3)), "temperature");
    refused(system.averages(above(1e9)), "temperature");
    assert!(system.averages(1e-3).is_ok() && system.averages(1e9).is_ok());
    refused(system.draw(0.0, 1, &mut Random::new(0)), "temperature");
    // Drawn by inversion of the cumulative probability.
    let mut random = Random::new(4);
    let drawn = system.draw(t, 200, &mut Random::new(4)).unwrap();
    assert_eq!(drawn.len(), 200);
    for found in drawn {
        let up = random.uniform() < p;
        assert_eq!(found, if up { (-1.0, 2.0) } else { (0.0, 0.0) });
    }
}

/// m = tanh(m/T) at m = 1/2, and the free spins above T = 1.
#[test]
fn the_limit_of_many_spins_by_hand() {
    let t = 0.5 / 0.5_f64.atanh();
    let found = curie_weiss_limit(t).unwrap().unwrap();
    close(found.magnetization, 0.5, 1e-12);
    close(found.energy, -0.125, 1e-12);
    close(found.heat_capacity, 0.25 * 0.75 / (t * (t - 0.75)), 1e-11);
    close(found.susceptibility, 0.75 / (t - 0.75), 1e-11);
    close(found.binder_cumulant, 2.0 / 3.0, 1e-15);
    let entropy = -0.75 * 0.75_f64.ln() - 0.25 * 0.25_f64.ln();
    close(found.entropy, entropy, 1e-12);
    let free = curie_weiss_limit(3.0).unwrap().unwrap();
    assert_eq!(
        (free.magnetization, free.energy, free.heat_capacity),
        (0.0, 0.0, 0.0)
    );
    close(free.susceptibility, 0.5, 1e-15);
    assert_eq!(free.binder_cumulant, 0.0);
    close(free.entropy, LN_2, 1e-15);
    assert!(curie_weiss_limit(1.0).unwrap().is_none());
    assert!(curie_weiss_limit(1.0 + 1e-13).unwrap().is_none());
    assert!(curie_weiss_limit(1.0 - 1e-13).unwrap().is_none());
    assert!(curie_weiss_limit(1.0 + 1e-11).unwrap().is_some());
    refused(curie_weiss_limit(1e-4), "temperature");
}

/// Heat-bath flips of a spin at random, N to a step, from the same random numbers.
#[test]
fn spins_flip_by_glauber_s_rule() {
    let mut sampler = CurieWeissSampler::new(9, 1.3, 8).unwrap();
    assert_eq!((sampler.magnetization(), sampler.energy()), (9.0, -4.5));
    let mut random = Random::new(8);
    let mut up = 9_usize;
    let mut seen = Vec::new();
    for _ in 0..60 {
        sampler.step();
        for _ in 0..9 {
            let m = 2.0 * f64::from(u32::try_from(up).unwrap()) - 9.0;
            let is_up = random.below(9) < up;
            // −M²/18 after less before.
            let after = if is_up { m - 2.0 } else { m + 2.0 };
            let rise = (m * m - after * after) / 18.0;
            let flips = random.uniform() < 1.0 / (1.0 + (rise / 1.3).exp());
            up = match (flips, is_up) {
                (true, true) => up - 1,
                (true, false) => up + 1,
                _ => up,
            };
        }
        let m = 2.0 * f64::from(u32::try_from(up).unwrap()) - 9.0;
        assert_eq!(sampler.magnetization(), m);
        close(sampler.energy(), -m * m / 18.0, 1e-15);
        seen.push(up);
    }
    assert!(seen.iter().min() < Some(&3) && seen.iter().max() > Some(&6));
}

/// The number of states by energy of 4 × 4 spins, known from exact enumeration.
#[test]
fn sixteen_spins_have_their_known_numbers_of_states() {
    let system = ising_4x4();
    assert_eq!(system.sites(), 16);
    for (energy, count) in [
        (-32.0, 2.0),
        (-24.0, 32.0),
        (-20.0, 64.0),
        (-16.0, 424.0),
        (-12.0, 1728.0),
        (-8.0, 6688.0),
        (-4.0, 13568.0),
        (0.0, 20524.0),
        (4.0, 13568.0),
        (24.0, 32.0),
        (32.0, 2.0),
    ] {
        let of = system.as_slice().iter().filter(|l| l.energy == energy);
        near(of.map(|l| l.ln_count.exp()).sum(), count, 1e-12);
    }
    // By magnetisation they are binomial: 16 over 8 + k, both signs.
    for (m, count) in [(16.0, 2.0), (14.0, 32.0), (12.0, 240.0), (0.0, 12870.0)] {
        let of = system.as_slice().iter().filter(|l| l.magnetization == m);
        near(of.map(|l| l.ln_count.exp()).sum(), count, 1e-12);
    }
}

/// K(k) = ∫ dθ/√(1 − k² sin²θ) by an equidistant rule, which converges fast for what is periodic.
#[test]
fn the_infinite_lattice_by_its_elliptic_integral() {
    for t in [1.2_f64, 2.0, 3.0, 8.0] {
        let x = 2.0 / t;
        let k = 2.0 * x.sinh() / x.cosh().powi(2);
        let elliptic = integral(0.0, FRAC_PI_2, 2000, |theta| {
            1.0 / (1.0 - (k * theta.sin()).powi(2)).sqrt()
        });
        let bracket = 2.0 * x.tanh().powi(2) - 1.0;
        let expected = -(1.0 + 2.0 / PI * bracket * elliptic) / x.tanh();
        close(ising_energy(t).unwrap(), expected, 1e-12);
    }
    // sinh(2/T) = 2: m = (15/16)^{1/8}.
    let t = 2.0 / 2_f64.asinh();
    close(
        ising_magnetization(t).unwrap(),
        0.9375_f64.powf(0.125),
        1e-14,
    );
    assert_eq!(ising_magnetization(3.0).unwrap(), 0.0);
    close(
        ISING_CRITICAL_TEMPERATURE,
        2.0 / (1.0 + 2_f64.sqrt()).ln(),
        1e-15,
    );
    refused(ising_energy(0.0), "temperature");
    refused(ising_magnetization(1e10), "temperature");
}
