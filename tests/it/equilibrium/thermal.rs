//! Currents, temperatures and ensembles of systems that can be solved.

use thermograd::equilibrium::{
    Dynamics, EnsembleRun, TestConfig, area_rates, distance, drift, ensemble_test, equipartition,
    fdr1, fdr2, pflug, sasa, thermometer_agreement,
};
use thermograd::systems::Random;

/// Plane SGD on a₁x²/2 + a₂y²/2 with unit noise of correlation `s12`.
struct Plane {
    curvature: [f64; 2],
    rate: f64,
    s12: f64,
}

impl Plane {
    /// Positions from the stationary state on, and the gradients used at each.
    fn run(&self, seed: u64, n: usize) -> ([Vec<f64>; 2], [Vec<f64>; 2]) {
        let mut random = Random::new(seed);
        let (mut w, mut path, mut gradients) = ([0.0; 2], [vec![], vec![]], [vec![], vec![]]);
        for t in 0..n + 200 {
            let first = random.normal();
            let second = self.s12 * first + (1.0 - self.s12 * self.s12).sqrt() * random.normal();
            for (k, noise) in [first, second].into_iter().enumerate() {
                let g = self.curvature[k] * w[k] + noise;
                if t >= 200 {
                    path[k].push(w[k]);
                    gradients[k].push(g);
                }
                w[k] -= self.rate * g;
            }
        }
        (path, gradients)
    }

    /// (η/2) C₁₂ (a₁ - a₂) with C₁₂ = η s₁₂/(a₁ + a₂ - η a₁a₂).
    fn area_rate(&self) -> f64 {
        let [a1, a2] = self.curvature;
        let c12 = self.rate * self.s12 / (a1 + a2 - self.rate * a1 * a2);
        0.5 * self.rate * c12 * (a1 - a2)
    }
}

#[test]
fn noise_that_does_not_commute_with_the_curvature_drives_a_current() {
    let plane = Plane {
        curvature: [1.0, 0.2],
        rate: 0.2,
        s12: 0.8,
    };
    let exact = plane.area_rate();
    let (mut sum, mut squares, mut seen) = (0.0, 0.0, 0);
    let seeds = 60;
    for seed in 0..seeds {
        let ([x, y], _) = plane.run(seed, 10_000);
        let found = area_rates(&[&x, &y], 2, &TestConfig::default()).unwrap();
        let found = found.ready().unwrap();
        // A rotation or reflection into principal components keeps the area up to its sign.
        let mut rate = found.planes[0].rate;
        rate.value = rate.value.abs();
        let z = rate.z_score(exact).unwrap();
        sum += z;
        squares += z * z;
        seen += u32::from(found.p_value < 0.05);
    }
    let seeds = seeds as f64;
    // z is Student's with 19 degrees of freedom: variance 19/17.
    assert!((sum / seeds).abs() < 4.0 / seeds.sqrt(), "{}", sum / seeds);
    assert!((squares / seeds - 1.1).abs() < 0.75, "{}", squares / seeds);
    assert_eq!(seen, 60);
}

#[test]
fn noise_that_commutes_drives_none() {
    let plane = Plane {
        curvature: [1.0, 0.2],
        rate: 0.2,
        s12: 0.0,
    };
    let alarms: u32 = (0..100)
        .map(|seed| {
            let ([x, y], _) = plane.run(seed, 10_000);
            let found = area_rates(&[&x, &y], 2, &TestConfig::default()).unwrap();
            u32::from(found.ready().unwrap().p_value < 0.05)
        })
        .sum();
    // Binomial with mean 5: 13 or more has a chance of 0.1%.
    assert!(alarms <= 12, "{alarms}");
}

/// Midpoint-kinetic temperatures, step by step, of a layer of 20 coordinates.
fn layer(seed: u64, variance: f64, curvature: f64, n: usize) -> Vec<f64> {
    let (rate, d) = (0.1, 20);
    let mut random = Random::new(seed);
    let mut w = vec![0.0; d];
    let (mut before, mut last) = (w.clone(), w.clone());
    let mut out = Vec::new();
    for t in 0..n + 300 {
        for x in &mut w {
            *x -= rate * (curvature * *x + variance.sqrt() * random.normal());
        }
        if t >= 300 {
            let square: f64 = w
                .iter()
                .zip(&before)
                .map(|(a, b)| 0.25 * (a - b).powi(2))
                .sum();
            out.push(square / (rate * d as f64));
        }
        std::mem::swap(&mut before, &mut last);
        last.clone_from(&w);
    }
    out
}

#[test]
fn equal_baths_have_one_temperature_and_unequal_ones_do_not() {
    let config = TestConfig::default();
    let n = 3000;
    // Different curvatures, one noise: T = ησ²/2 in every layer exactly.
    let same = [
        layer(1, 1.0, 1.0, n),
        layer(2, 1.0, 0.3, n),
        layer(3, 1.0, 3.0, n),
    ];
    let views: Vec<&[f64]> = same.iter().map(Vec::as_slice).collect();
    let found = equipartition(&views, &config).unwrap();
    let found = found.ready().unwrap();
    assert!(found.p_value > 0.01, "{found:?}");
    assert!((found.mean / 0.05 - 1.0).abs() < 0.01, "{found:?}");

    let unequal = [
        layer(1, 1.0, 1.0, n),
        layer(2, 1.0, 0.3, n),
        layer(3, 2.0, 3.0, n),
    ];
    let views: Vec<&[f64]> = unequal.iter().map(Vec::as_slice).collect();
    let found = equipartition(&views, &config).unwrap();
    let found = found.ready().unwrap();
    assert!(found.p_value < 1e-10, "{found:?}");
    // Temperatures 1, 1 and 2 (times 0.05): sd 0.577 over mean 1.333.
    assert!(
        (found.excess_spread / 0.433 - 1.0).abs() < 0.03,
        "{found:?}"
    );
}

#[test]
fn two_thermometers_of_one_bath_agree() {
    // 1-d SGD with x = ηa = 0.1: kinetic and noise temperature differ by 1/(1 - x/2), 5%.
    let (rate, a) = (0.1, 1.0);
    let mut random = Random::new(11);
    let mut w = 0.0;
    let (mut midpoint, mut bath, mut kinetic) = (vec![], vec![], vec![]);
    let (mut before, mut last) = (0.0, 0.0);
    for t in 0..60_000_u32 {
        let noise = random.normal();
        let step = -rate * (a * w + noise);
        w += step;
        if t > 500 {
            midpoint.push((0.5 * (w - before)).powi(2) / rate);
            bath.push(0.5 * rate * noise * noise);
            kinetic.push(step * step / (2.0 * rate));
        }
        (before, last) = (last, w);
    }
    let config = TestConfig::default();
    let same = thermometer_agreement(&[&midpoint, &bath], &config).unwrap();
    assert!(same.ready().unwrap().p_value > 0.01, "{same:?}");
    let apart = thermometer_agreement(&[&midpoint, &kinetic], &config).unwrap();
    assert!(apart.ready().unwrap().p_value < 0.01, "{apart:?}");
    assert!(last.is_finite());
}

#[test]
fn the_residual_of_the_step_taken_telescopes() {
    let plane = Plane {
        curvature: [1.0, 0.5],
        rate: 0.1,
        s12: 0.0,
    };
    let mut rejected = 0;
    for seed in 0..200 {
        let ([x, y], [gx, gy]) = plane.run(seed, 1000);
        let n = 999;
        let dot: Vec<f64> = (0..n).map(|t| x[t] * gx[t] + y[t] * gy[t]).collect();
        let square: Vec<f64> = (0..n).map(|t| gx[t].powi(2) + gy[t].powi(2)).collect();
        let statistic = sasa(&dot, &square, plane.rate).unwrap();
        let statistic = statistic.ready().unwrap();
        let norm = |t: usize| x[t] * x[t] + y[t] * y[t];
        let identity = (norm(0) - norm(n)) / (2.0 * plane.rate * n as f64);
        assert!((statistic.statistic.value - identity).abs() < 1e-12);
        rejected += u32::from(statistic.published_p_value < 0.05);
        // The relation itself, as an effect size: kinetic and virial within a few percent.
        let moves: Vec<f64> = square.iter().map(|s| plane.rate.powi(2) * s).collect();
        let balance = fdr1(&dot, &moves, Dynamics::learning_rate(plane.rate)).unwrap();
        assert!(balance.ready().unwrap().residual.abs() < 0.05);
    }
    // Nominal 5% of 200 would be 10.
    assert!(rejected <= 1, "{rejected}");
}

#[test]
fn drift_of_the_norm_is_seen_where_the_telescoping_statistic_says_nothing() {
    // Growth by 2 sd over the run.
    let mut random = Random::new(5);
    let norm: Vec<f64> = (0..2000)
        .map(|t| 10.0 + random.normal() + 0.001 * f64::from(t))
        .collect();
    let found = drift(&norm, &TestConfig::default()).unwrap();
    assert!(found.ready().unwrap().sigmas() > 5.0);
}

#[test]
fn sgd_diagnostics_on_a_harmonic_well() {
    // x = ηa = 0.5: ⟨g_t g_{t-1}⟩ = -x σ²/(2 - x) = -1/3, ⟨a²w²⟩ = (η/2) a ⟨g²⟩.
    let (rate, a) = (0.5, 1.0);
    let mut random = Random::new(2);
    let (mut w, mut previous) = (0.0, 0.0);
    let (mut products, mut squares, mut curved, mut distances) = (vec![], vec![], vec![], vec![]);
    let mut origin = 0.0;
    for t in 0..40_000_u32 {
        let g = a * w + random.normal();
        if t == 50 {
            origin = w;
        }
        if t > 50 {
            products.push(g * previous);
            squares.push(a * a * w * w);
            curved.push(a * g * g);
            distances.push((w - origin).powi(2));
        }
        previous = g;
        w -= rate * g;
    }
    let product = pflug(&products).unwrap();
    let product = product.ready().unwrap();
    assert!(
        product.z_score(-1.0 / 3.0).unwrap().abs() < 4.0,
        "{product}"
    );
    let balance = fdr2(&squares, &curved, Dynamics::learning_rate(rate)).unwrap();
    assert!(balance.ready().unwrap().residual.abs() < 0.05);
    // Saturated: averaged over the window's end it no longer grows.
    let smooth: Vec<f64> = (1..=400)
        .map(|k| distances[..k * 99].iter().sum::<f64>() / (k * 99) as f64)
        .collect();
    assert!(distance(&smooth, 1.5).unwrap().ready().unwrap().abs() < 0.1);
}

#[test]
fn two_runs_of_one_ensemble_in_energy_and_volume() {
    // E is Gamma(2) in units of T, V is Gamma(3) in units of T/p: ln ratio linear in both.
    let sample = |random: &mut Random, shape: usize, unit: f64| {
        -unit
            * (0..shape)
                .map(|_| (1.0 - random.uniform()).ln())
                .sum::<f64>()
    };
    let (mut rejected, mut z2, seeds) = (0, 0.0, 200);
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let mut run = |t: f64, p: f64| -> (Vec<f64>, Vec<f64>) {
            (0..1000)
                .map(|_| (sample(&mut random, 2, t), sample(&mut random, 3, t / p)))
                .unzip()
        };
        let ((e1, v1), (e2, v2)) = (run(1.0, 1.0), run(1.1, 1.2));
        let check = ensemble_test(
            &EnsembleRun::at_temperature(&e1, 1.0).at_pressure(&v1, 1.0),
            &EnsembleRun::at_temperature(&e2, 1.1).at_pressure(&v2, 1.2),
        )
        .unwrap();
        let check = check.ready().unwrap();
        rejected += u32::from(check.p_value < 0.05);
        z2 += check.energy.sigmas.powi(2) + check.volume.unwrap().sigmas.powi(2);
        assert!(check.overlap > 0.9);
    }
    // Binomial with mean 10 and sd 3; 400 squared z-scores.
    assert!((2..=22).contains(&rejected), "{rejected}");
    assert!((z2 / 400.0 - 1.0).abs() < 0.3, "{}", z2 / 400.0);
}

#[test]
fn runs_that_do_not_overlap_are_refused() {
    let mut random = Random::new(1);
    let mut run = |t: f64| {
        (0..500)
            .map(|_| t + 0.01 * random.normal())
            .collect::<Vec<_>>()
    };
    let (cold, hot) = (run(1.0), run(2.0));
    let check = ensemble_test(
        &EnsembleRun::at_temperature(&cold, 1.0),
        &EnsembleRun::at_temperature(&hot, 2.0),
    )
    .unwrap();
    assert!(check.ready().is_none(), "{check:?}");
}
