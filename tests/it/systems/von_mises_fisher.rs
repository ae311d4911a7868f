//! Von Mises-Fisher: the closed forms against 120-digit references, the samples against the forms.

use std::f64::consts::PI;

use thermograd::Error;
use thermograd::systems::{Random, VonMisesFisher};

use super::{assert_close, dot, mean_and_error, squared};

#[test]
fn golden_values() {
    let mut rows = 0;
    for line in include_str!("../../golden/von_mises_fisher.txt").lines() {
        let mut fields = line.split_whitespace();
        let dim = fields.next().unwrap().parse().unwrap();
        let [kappa, a, u, s, c] = std::array::from_fn(|_| fields.next().unwrap().parse().unwrap());
        let system = VonMisesFisher::new(dim, kappa).unwrap();
        let name = |what| format!("{what} at d = {dim}, kappa = {kappa:e}");
        assert_close(&name("A"), system.mean_resultant_length(), a, 1e-11);
        assert_close(&name("U"), system.energy(), u, 1e-11);
        assert_close(&name("S"), system.entropy(), s, 1e-11);
        assert_close(&name("C"), system.heat_capacity(), c, 1e-11);
        rows += 1;
    }
    assert_eq!(rows, 131);
}

#[test]
fn published_values() {
    // (d, kappa): A, S, C, to the twelve decimals they are given with.
    for (dim, kappa, a, s, c) in [
        (
            2,
            1.0,
            0.446_389_965_897,
            1.627_401_459_020,
            0.354_346_032_450,
        ),
        (
            3,
            10.0,
            0.900_000_004_122,
            0.535_291_930_131,
            0.999_999_175_539,
        ),
        (
            10,
            5.0,
            0.422_450_151_015,
            2.270_236_824_341,
            1.528_139_951_990,
        ),
        (
            10,
            100.0,
            0.955_795_172_881,
            -8.111_473_424_255,
            4.340_219_375_946,
        ),
        (
            100,
            100.0,
            0.619_565_614_185,
            -110.771_067_107_534,
            27.684_916_755_473,
        ),
    ] {
        let system = VonMisesFisher::new(dim, kappa).unwrap();
        assert!((system.mean_resultant_length() - a).abs() < 1e-12);
        assert!((system.entropy() - s).abs() < 1e-11);
        assert!((system.heat_capacity() - c).abs() < 1e-11);
    }
}

#[test]
fn elementary_in_three_dimensions() {
    for t in [0.01, 0.1, 0.3, 1.0, 5.0, 100.0] {
        let (system, k) = (VonMisesFisher::at_temperature(3, t).unwrap(), 1.0 / t);
        let coth = 1.0 / k.tanh();
        assert!((system.energy() - (1.0 + t - coth)).abs() < 1e-13);
        // ln sinh k = k + ln((1 - e^-2k)/2).
        let ln_sinh = k + (-(-2.0 * k).exp_m1() / 2.0).ln();
        let s = (4.0 * PI / k).ln() + ln_sinh - k * coth + 1.0;
        assert!((system.entropy() - s).abs() < 1e-12);
        let normalizer = k.ln() - (4.0 * PI).ln() - ln_sinh;
        assert!((system.ln_normalizer() - normalizer).abs() < 1e-12 * (1.0 + k));
        // F = U - T S.
        let f = system.energy() - t * system.entropy();
        assert!((t * system.reduced_free_energy() - f).abs() < 1e-12 * (1.0 + t));
    }
}

#[test]
fn derivatives_belong_together() {
    // dU/dT = C and T dS/dT = C by central differences. Their error is h^2, and rounding over h C.
    for dim in [2, 7, 50, 1000] {
        for t in [1e-3, 0.02, 0.5, 3.0] {
            let h = 1e-4;
            let at = |t: f64| VonMisesFisher::at_temperature(dim, t).unwrap();
            let (up, down, here) = (at(t * (1.0 + h)), at(t * (1.0 - h)), at(t));
            let c = here.heat_capacity();
            let du = (up.energy() - down.energy()) / (2.0 * h * t);
            let ds = (up.entropy() - down.entropy()) / (2.0 * h);
            assert!((du / c - 1.0).abs() < 1e-6, "d {dim} T {t}: {du} {c}");
            let rounding = 4.0 * f64::EPSILON * here.entropy().abs() / (h * c);
            assert!(
                (ds / c - 1.0).abs() < 1e-6 + rounding,
                "d {dim} T {t}: {ds} {c}"
            );
        }
    }
}

#[test]
fn limits_at_both_ends() {
    for dim in [2_usize, 3, 10, 1000] {
        let half = (dim as f64 - 1.0) / 2.0;
        let cold = VonMisesFisher::new(dim, 1e12).unwrap();
        assert_close(
            "U",
            cold.energy(),
            cold.low_temperature_energy().unwrap(),
            1e-8,
        );
        assert_close(
            "S",
            cold.entropy(),
            cold.low_temperature_entropy().unwrap(),
            1e-8,
        );
        assert_close("C", cold.heat_capacity(), half, 1e-8);
        let hot = VonMisesFisher::new(dim, 0.0).unwrap();
        assert_eq!(
            (
                hot.mean_resultant_length(),
                hot.energy(),
                hot.heat_capacity()
            ),
            (0.0, 1.0, 0.0)
        );
        assert!(hot.low_temperature_energy().is_none() && hot.low_temperature_entropy().is_none());
    }
    for kappa in [0.0, 5e-324, 1e-300, 1e-10, 1e16, 1e100, 1e150] {
        for dim in [2, 3, 64, 65, 66, 67, 100_000_000, usize::MAX] {
            let s = VonMisesFisher::new(dim, kappa).unwrap();
            let all = [
                s.energy(),
                s.entropy(),
                s.heat_capacity(),
                s.ln_normalizer(),
                s.mean_resultant_length(),
            ];
            assert!(
                all.iter().all(|x| x.is_finite()),
                "d {dim} kappa {kappa}: {all:?}"
            );
            assert!(
                (0.0..=1.0).contains(&all[4]) && (0.0..=1.0).contains(&all[0]),
                "{all:?}"
            );
            assert!(all[2] >= 0.0, "d {dim} kappa {kappa}: {all:?}");
        }
    }
}

#[test]
fn samples_have_the_energy_and_heat_capacity_of_the_closed_form() {
    for (seed, (dim, kappa)) in [
        (2, 0.0),
        (2, 3.0),
        (3, 1.0),
        (3, 1e6),
        (10, 5.0),
        (50, 1e3),
        (400, 30.0),
    ]
    .into_iter()
    .enumerate()
    {
        let system = VonMisesFisher::new(dim, kappa).unwrap();
        let mut random = Random::new(seed as u64 + 10);
        let losses: Vec<f64> = (0..40_000)
            .map(|_| system.sample_loss(&mut random))
            .collect();
        let (mean, error) = mean_and_error(&losses);
        let z = (mean - system.energy()) / error;
        assert!(z.abs() < 4.0, "d {dim} kappa {kappa}: z = {z}");
        let squares: Vec<f64> = losses
            .iter()
            .map(|l| (l - system.energy()).powi(2))
            .collect();
        let (variance, error) = mean_and_error(&squares);
        // Var L = C / kappa^2, and 1/d for the uniform distribution.
        let exact = if kappa > 0.0 {
            system.heat_capacity() / kappa / kappa
        } else {
            1.0 / dim as f64
        };
        let z = (variance - exact) / error;
        assert!(z.abs() < 4.0, "d {dim} kappa {kappa}: variance z = {z}");
    }
}

#[test]
fn samples_are_unit_vectors_about_the_mean_direction() {
    let system = VonMisesFisher::new(4, 8.0).unwrap();
    let mean = [2.0, 0.0, -2.0, 1.0];
    let mut random = Random::new(3);
    let mut x = [0.0; 4];
    let (mut along, mut across) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        let loss = system.sample(&mut random, &mean, &mut x).unwrap();
        assert!((squared(&x) - 1.0).abs() < 1e-14);
        assert!((1.0 - dot(&x, &mean) / 3.0 - loss).abs() < 1e-14);
        along.push(1.0 - loss);
        across.push(x[1]);
    }
    let (m, e) = mean_and_error(&along);
    assert!(((m - system.mean_resultant_length()) / e).abs() < 4.0);
    let (m, e) = mean_and_error(&across);
    assert!((m / e).abs() < 4.0);
    // <x_1^2> = (1 - <(m.x)^2>)/3 = A/kappa.
    let squares: Vec<f64> = across.iter().map(|a| a * a).collect();
    let (m, e) = mean_and_error(&squares);
    assert!(((m - system.mean_resultant_length() / 8.0) / e).abs() < 4.0);
}

#[test]
fn nonsense_is_refused() {
    for (dim, kappa) in [
        (1, 1.0),
        (0, 1.0),
        (3, -1.0),
        (3, f64::NAN),
        (3, f64::INFINITY),
    ] {
        assert!(matches!(
            VonMisesFisher::new(dim, kappa),
            Err(Error::OutOfRange { .. })
        ));
    }
    for t in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(VonMisesFisher::at_temperature(3, t).is_err());
    }
    let (system, mut random, mut x) = (
        VonMisesFisher::new(3, 1.0).unwrap(),
        Random::new(0),
        [0.0; 3],
    );
    assert!(matches!(
        system.sample(&mut random, &[1.0, 0.0], &mut x),
        Err(Error::LengthMismatch {
            expected: 3,
            found: 2,
            ..
        })
    ));
    assert!(
        system
            .sample(&mut random, &[1.0, 0.0, 0.0], &mut x[..2])
            .is_err()
    );
    assert!(system.sample(&mut random, &[0.0; 3], &mut x).is_err());
    assert!(matches!(
        system.sample(&mut random, &[0.0, f64::NAN, 0.0], &mut x),
        Err(Error::NonFinite { index: 1, .. })
    ));
}
