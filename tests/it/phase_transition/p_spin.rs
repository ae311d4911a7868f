//! Temperatures of both transitions, latent heat and spinodal of the p-spin model, found from runs of SGD.
//!
//! The exact values are those of the limit of large d with the finite step in them: a step of η at
//! noise of variance 2T/η moves the critical temperature of p = 2 to 2J(1 + ηJ), where the growth
//! 1 + 2ηJ of the overlap equals that of the norm, √(1 + 2ηT̃); and the temperature at which an
//! overlap m is stationary for p = 3 to 3Jm(1 − m²) + (9/2)ηJ²m²(1 − m²)(1 − 2m²).

use statrs::function::gamma::ln_gamma;
use thermograd::entropy::{Rule, ThermalState, Variable, entropy_from_energy};
use thermograd::equilibrium::{Truncation, correlated_mean};
use thermograd::flatness::Basin;
use thermograd::phase_transition::{
    Branches, CurvePoint, RampPoint, binder_cumulant, crossing, latent_heat, ramp_trend,
};
use thermograd::systems::{PSpin, PSpinSgd, Region, Start};
use thermograd::{Error, Estimate, Reading};

#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn estimate(reading: Result<Reading<Estimate>, Error>) -> Estimate {
    *reading.unwrap().ready().unwrap()
}

/// The Binder cumulant of the overlap over a family of runs of p = 2, in `T̃/(1 + ηJ)`.
#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn binder_curve(d: usize, steps: usize, seed: u64) -> Vec<CurvePoint> {
    let learning_rate = 0.05;
    let system = PSpin::new(2, d).unwrap();
    (0..5_u32)
        .map(|i| {
            let temperature = 1.6 + 0.16 * f64::from(i);
            let t = temperature * (1.0 + learning_rate) / d as f64;
            let seed = 10 * seed + u64::from(i);
            let mut sgd = PSpinSgd::new(system, t, learning_rate, Start::Gas, seed).unwrap();
            (0..steps / 10).for_each(|_| sgd.step());
            let overlaps: Vec<f64> = (0..steps)
                .map(|_| {
                    sgd.step();
                    sgd.overlap()
                })
                .collect();
            let value = estimate(binder_cumulant(&overlaps));
            CurvePoint { temperature, value }
        })
        .collect()
}

/// Where the cumulants of two sizes cross in the Gibbs state, by sums over a fine grid of overlaps.
fn exact_crossing(small: usize, large: usize) -> f64 {
    let cumulant = |d: usize, t: f64| {
        let (mut zeroth, mut second, mut fourth) = (0.0, 0.0, 0.0);
        for i in 1..20_000 {
            let m2 = (f64::from(i) / 20_000.0).powi(2);
            let weight = (0.5 * (d as f64 - 3.0) * (-m2).ln_1p() + d as f64 * m2 / t).exp();
            zeroth += weight;
            second += weight * m2;
            fourth += weight * m2 * m2;
        }
        1.0 - fourth * zeroth / (3.0 * second * second)
    };
    let (mut low, mut high) = (1.7, 2.2);
    for _ in 0..40 {
        let t = 0.5 * (low + high);
        if cumulant(large, t) > cumulant(small, t) {
            low = t;
        } else {
            high = t;
        }
    }
    0.5 * (low + high)
}

#[test]
fn cumulants_of_two_sizes_cross_where_gibbs_says() {
    let found = estimate(crossing(
        &binder_curve(50, 60_000, 1),
        &binder_curve(400, 60_000, 2),
    ));
    let exact = exact_crossing(50, 400);
    assert!(found.z_score(exact).unwrap().abs() < 3.0, "{found} {exact}");
    assert!(found.std_error < 0.03, "{found}");
}

#[test]
#[ignore = "a minute: forty families of runs"]
fn critical_temperature_of_the_continuous_transition() {
    // The crossing of d and 4d is off by a multiple of 1/d, which two pairs take away.
    let drift = (exact_crossing(50, 200) - 2.0) / (exact_crossing(100, 400) - 2.0);
    assert!((drift - 2.0).abs() < 0.1, "{drift}");
    let seeds = 8;
    let (mut sum, mut squares, mut z2) = (0.0, 0.0, 0.0);
    for seed in 0..seeds {
        let curve = |d: usize, n: u64| binder_curve(d, 120_000, 100 * seed + n);
        let small = estimate(crossing(&curve(50, 1), &curve(200, 2)));
        let large = estimate(crossing(&curve(100, 3), &curve(400, 4)));
        let value = 2.0 * large.value - small.value;
        let error = (2.0 * large.std_error).hypot(small.std_error);
        sum += value / seeds as f64;
        squares += value * value / seeds as f64;
        z2 += ((value - 2.0) / error).powi(2) / seeds as f64;
    }
    let error = ((squares - sum * sum) / (seeds - 1) as f64).sqrt();
    println!("T_c = {sum:.4} ± {error:.4}, exactly 2; mean z² {z2:.2}");
    assert!(
        (sum - 2.0).abs() < 3.0 * error && error < 0.04,
        "{sum} {error}"
    );
    // The standard error of a mean square over 8 is 0.5.
    assert!((0.1..2.6).contains(&z2), "{z2}");
}

/// Where the free energies of gas and condensate cross at finite d, by quadrature.
#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn exact_transition(system: PSpin, d: usize) -> f64 {
    let depth = |reduced: f64| {
        let edge = system.barrier_overlap(reduced).unwrap();
        let side = |region| {
            let averages = system.averages(reduced / d as f64, region).unwrap();
            averages.free_energy
        };
        side(Region::Above(edge)) - side(Region::Below(edge))
    };
    let (mut low, mut high) = (0.95, 1.1);
    for _ in 0..20 {
        let t = 0.5 * (low + high);
        if depth(t) < 0.0 {
            low = t;
        } else {
            high = t;
        }
    }
    0.5 * (low + high)
}

/// The condensate's free energy by integration of dU/T from the cold, where it is a bowl of d − 1
/// curvatures 3J, meets the gas's, whose energy is 0 and whose entropy is that of the sphere.
#[test]
fn temperature_of_the_first_order_transition() {
    let (d, steps) = (500, 30_000);
    let system = PSpin::new(3, d).unwrap();
    let size = d as f64;
    let sphere = 2_f64.ln() + 0.5 * size * std::f64::consts::PI.ln() - ln_gamma(0.5 * size);
    let exact = |value: f64| Estimate {
        value,
        std_error: 0.0,
        n_eff: 1.0,
    };
    let mut temperatures: Vec<f64> = (0..10)
        .map(|i| 0.02 * 45_f64.powf(f64::from(i) / 9.0))
        .collect();
    temperatures.extend([0.94, 0.98, 1.02, 1.06]);
    let transition = |learning_rate: f64, seed: u64| -> Estimate {
        let states: Vec<ThermalState> = temperatures
            .iter()
            .map(|&temperature| {
                let mut sgd = PSpinSgd::new(
                    system,
                    temperature / size,
                    learning_rate,
                    Start::Condensed,
                    seed,
                )
                .unwrap();
                (0..steps / 10).for_each(|_| sgd.step());
                // From the minimum up: where equipartition holds the integrand is then constant.
                let losses: Vec<f64> = (0..steps)
                    .map(|_| {
                        sgd.step();
                        sgd.loss() + 1.0
                    })
                    .collect();
                ThermalState {
                    temperature: exact(temperature),
                    observable: estimate(correlated_mean(&losses, Truncation::default())),
                }
            })
            .collect();
        let bowl = Basin::at_temperature(temperatures[0] / size)
            .entropy(&vec![3.0; d - 1])
            .unwrap();
        let cold = (bowl.ready().unwrap() - sphere) / size;
        let (condensed, gas): (Vec<CurvePoint>, Vec<CurvePoint>) = (10..states.len())
            .map(|i| {
                let (t, u) = (temperatures[i], states[i].observable);
                let gained =
                    entropy_from_energy(&states[..=i], Variable::LogTemperature, Rule::Trapezoid);
                let gained = gained.unwrap().ready().unwrap().difference;
                let point = |value: f64, std_error: f64| CurvePoint {
                    temperature: t,
                    value: Estimate {
                        value,
                        std_error,
                        n_eff: u.n_eff,
                    },
                };
                let depth = u.value - 1.0 - t * (cold + gained.value);
                // The energy here is in what was gained, too, and goes out but for its share of the integral.
                let rest = gained.std_error.powi(2) - (u.std_error / t).powi(2);
                (point(depth, t * rest.max(0.0).sqrt()), point(0.0, 0.0))
            })
            .unzip();
        estimate(crossing(&condensed, &gas))
    };
    // What is of first order in the step goes with two of them.
    let (coarse, fine) = (transition(0.004, 1), transition(0.002, 2));
    let found = Estimate {
        value: 2.0 * fine.value - coarse.value,
        std_error: (2.0 * fine.std_error).hypot(coarse.std_error),
        n_eff: fine.n_eff,
    };
    let truth = exact_transition(system, d);
    println!("transition at {found} ({coarse}, {fine}), exactly {truth:.4}");
    assert!(
        (truth - system.transition().temperature).abs() < 0.02,
        "{truth}"
    );
    assert!(found.z_score(truth).unwrap().abs() < 3.0, "{found} {truth}");
    assert!(found.std_error < 0.04, "{found}");
}

#[test]
fn latent_heat_of_the_first_order_transition() {
    let (d, learning_rate) = (2000, 0.02);
    let system = PSpin::new(3, d).unwrap();
    let limit = system.transition();
    let branch = |start: Start| -> Vec<CurvePoint> {
        [-0.02, 0.0, 0.02]
            .map(|offset| {
                let temperature = limit.temperature + offset;
                let t = temperature / d as f64;
                let mut sgd = PSpinSgd::new(system, t, learning_rate, start, 5).unwrap();
                (0..1000).for_each(|_| sgd.step());
                let losses: Vec<f64> = (0..10_000)
                    .map(|_| {
                        sgd.step();
                        sgd.loss()
                    })
                    .collect();
                let value = estimate(correlated_mean(&losses, Truncation::default()));
                CurvePoint { temperature, value }
            })
            .to_vec()
    };
    let (heating, cooling) = (branch(Start::Condensed), branch(Start::Gas));
    let branches = Branches {
        heating: &heating,
        cooling: &cooling,
    };
    let found = estimate(latent_heat(&branches, limit.temperature));
    // The overlap at which T̃ is stationary, by Newton's method from that of a small step.
    let stationary = |m: f64| {
        let square = m * m;
        3.0 * m * (1.0 - square)
            + 4.5 * learning_rate * square * (1.0 - square) * (1.0 - 2.0 * square)
    };
    let mut m = system.condensed_overlap(limit.temperature).unwrap();
    for _ in 0..20 {
        let slope = (stationary(m + 1e-6) - stationary(m - 1e-6)) / 2e-6;
        m -= (stationary(m) - limit.temperature) / slope;
    }
    let exact = m.powi(3);
    println!("latent heat {found}, exactly {exact:.5} at this step");
    assert!((exact - limit.latent_heat).abs() < 0.002, "{exact}");
    assert!(found.z_score(exact).unwrap().abs() < 3.0, "{found} {exact}");
    assert!(found.std_error < 0.004, "{found}");
}

#[test]
fn spinodal_of_the_condensate_on_heating() {
    let (d, learning_rate, replicas) = (2000, 0.05, 6);
    let system = PSpin::new(3, d).unwrap();
    // The condensate ends at m = 1/√3, at an energy of −1/3√3; half of it lies between the two branches.
    let level = -0.5 / 27_f64.sqrt();
    // Steps in a thousandth of T̃.
    let passage = |whole: u32, seed: u64| -> f64 {
        let steps = f64::from(whole);
        let rate = 1e-3 / steps;
        let mut t = 1.05;
        let mut sgd =
            PSpinSgd::new(system, t / d as f64, learning_rate, Start::Condensed, seed).unwrap();
        (0..400).for_each(|_| sgd.step());
        let point = |temperature: f64, value: f64| CurvePoint {
            temperature,
            value: Estimate {
                value,
                std_error: 0.0,
                n_eff: 1.0,
            },
        };
        let mut heating = Vec::new();
        while t < 1.4
            && heating
                .last()
                .is_none_or(|p: &CurvePoint| p.value.value < 0.2 * level)
        {
            let (mut energy, from) = (0.0, t);
            for _ in 0..whole {
                t += rate;
                sgd.set_temperature(t / d as f64).unwrap();
                sgd.step();
                energy += sgd.loss() / steps;
            }
            heating.push(point(0.5 * (from + t), energy));
        }
        let flat: Vec<_> = heating
            .iter()
            .map(|p| point(p.temperature, level))
            .collect();
        estimate(crossing(&heating, &flat)).value
    };
    let ramps: Vec<RampPoint> = [6, 12, 25, 50]
        .map(|steps| {
            let found: Vec<f64> = (0..replicas).map(|seed| passage(steps, seed)).collect();
            let n = found.len() as f64;
            let mean = found.iter().sum::<f64>() / n;
            let variance = found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let size = Estimate {
                value: mean,
                std_error: (variance / n).sqrt(),
                n_eff: n,
            };
            let rate = 1e-3 / f64::from(steps);
            RampPoint { rate, size }
        })
        .to_vec();
    let trend = ramp_trend(&ramps).unwrap();
    let trend = trend.ready().unwrap();
    let exact = 2.0 / 3_f64.sqrt() + learning_rate / 3.0;
    println!("spinodal {}, exactly {exact:.4} at this step", trend.limit);
    let z = trend.limit.z_score(exact).unwrap();
    assert!(z.abs() < 3.0, "{} {exact}", trend.limit);
    assert!(trend.limit.std_error < 0.01, "{}", trend.limit);
    // The faster the ramp, the later the passage.
    assert!(trend.slope.z_score(0.0).unwrap() > 2.0, "{}", trend.slope);
}
