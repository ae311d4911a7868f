//! Fluctuations, reweighting, peaks and loops against exact sums.

use super::ar1;
use thermograd::equilibrium::batch_means_estimate;
use thermograd::phase_transition::{
    Branches, Conditions, CurvePoint, MultiHistogram, PeakScale, RampPoint, Reweighted, Run,
    SlowRamp, binder_cumulant, crossing, heat_capacity, hysteresis, latent_heat, peak, ramp_trend,
    reweight, susceptibility, vector_binder_cumulant,
};
use thermograd::systems::{
    CurieWeissSampler, Levels, PSpin, PSpinSgd, Random, Region, Start, curie_weiss, ising_4x4,
};
use thermograd::{Error, Estimate, Reading, Reason};

#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn estimate(reading: Result<Reading<Estimate>, Error>) -> Estimate {
    *reading.unwrap().ready().unwrap()
}

#[test]
fn independent_draws_of_ising_have_calibrated_error_bars() {
    let ising = ising_4x4();
    let t = 2.5;
    let exact = ising.averages(t).unwrap();
    let conditions = Conditions::at(t).sites(16.0);
    let runs = 200;
    let mut z2 = [0.0; 3];
    for seed in 0..runs {
        let draws = ising.draw(t, 1000, &mut Random::new(seed)).unwrap();
        let energies: Vec<f64> = draws.iter().map(|d| d.0).collect();
        let m: Vec<f64> = draws.iter().map(|d| d.1 / 16.0).collect();
        let found = [
            estimate(heat_capacity(&energies, &conditions)).z_score(exact.heat_capacity),
            estimate(susceptibility(&m, &conditions)).z_score(exact.susceptibility),
            estimate(binder_cumulant(&m)).z_score(exact.binder_cumulant),
        ];
        for (sum, z) in z2.iter_mut().zip(found) {
            *sum += z.unwrap().powi(2) / runs as f64;
        }
    }
    // Unit spread; the standard error of a mean square over 200 is 0.1.
    assert!(z2.iter().all(|z| (0.7..1.45).contains(z)), "{z2:?}");
}

#[test]
fn a_correlated_run_agrees_within_its_error_bar() {
    let (n, t) = (60, 1.1);
    let exact = curie_weiss(n).unwrap().averages(t).unwrap();
    let sites = 60.0;
    let conditions = Conditions::at(t).sites(sites);
    let runs = 24;
    let mut z2 = [0.0; 3];
    for seed in 0..runs {
        let mut sampler = CurieWeissSampler::new(n, t, seed).unwrap();
        let (mut energies, mut m) = (Vec::new(), Vec::new());
        for step in 0..8100 {
            sampler.step();
            if step >= 100 {
                energies.push(sampler.energy());
                m.push(sampler.magnetization() / sites);
            }
        }
        let found = [
            estimate(heat_capacity(&energies, &conditions)).z_score(exact.heat_capacity),
            estimate(susceptibility(&m, &conditions)).z_score(exact.susceptibility),
            estimate(binder_cumulant(&m)).z_score(exact.binder_cumulant),
        ];
        for (sum, z) in z2.iter_mut().zip(found) {
            *sum += z.unwrap().powi(2) / runs as f64;
        }
    }
    // The standard error of a mean square over 24 is 0.29; blocks of 5 g leave it high by a tenth.
    assert!(z2.iter().all(|z| (0.35..2.0).contains(z)), "{z2:?}");
}

#[test]
fn binder_cumulants_of_gaussians_and_of_order() {
    let mut random = Random::new(3);
    for components in [1, 2, 5] {
        let lengths: Vec<f64> = (0..40_000)
            .map(|_| {
                (0..components)
                    .map(|_| random.normal().powi(2))
                    .sum::<f64>()
                    .sqrt()
            })
            .collect();
        let gaussian = estimate(vector_binder_cumulant(&lengths, components));
        assert!(
            gaussian.value.abs() < 4.0 * gaussian.std_error,
            "{components} {gaussian}"
        );
        let ordered: Vec<f64> = lengths.iter().map(|l| 1.0 + 1e-4 * l).collect();
        let ordered = estimate(vector_binder_cumulant(&ordered, components));
        assert!((ordered.value - 2.0 / (components as f64 + 2.0)).abs() < 1e-6);
    }
    assert!(vector_binder_cumulant(&[1.0; 10], 0).is_err());
    assert!(matches!(
        binder_cumulant(&[1.0; 100]).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert!(matches!(
        binder_cumulant(&ar1(0.99, 100, &mut random)).unwrap(),
        Reading::Pending { seen: 100, .. }
    ));
    assert!(matches!(
        susceptibility(&[0.0, f64::NAN], &Conditions::at(1.0)),
        Err(Error::NonFinite { index: 1, .. })
    ));
    assert!(heat_capacity(&[0.0, 1.0], &Conditions::at(0.0)).is_err());
}

/// The levels with as many samples as an infinite run would have.
fn exact_histogram(levels: &Levels, temperature: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let list = levels.as_slice();
    let exponents: Vec<f64> = list
        .iter()
        .map(|l| l.ln_count - l.energy / temperature)
        .collect();
    let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let counts = exponents
        .iter()
        .map(|e| 1e9 * (e - largest).exp())
        .collect();
    (
        list.iter().map(|l| l.energy).collect(),
        list.iter().map(|l| l.magnetization).collect(),
        counts,
    )
}

#[test]
fn reweighting_is_exact_on_exact_histograms() {
    for (levels, from, to) in [
        (ising_4x4(), 2.5, 2.2),
        (ising_4x4(), 2.0, 2.8),
        (curie_weiss(100).unwrap(), 1.0, 1.15),
        (curie_weiss(100).unwrap(), 1.1, 0.95),
    ] {
        let sites = levels.sites() as f64;
        let (energies, m, counts) = exact_histogram(&levels, from);
        let run = Run::new(from, &energies).counts(&counts);
        let truth = levels.averages(to).unwrap();
        let energy = reweight(&run, to).unwrap();
        let energy = energy.ready().unwrap().estimate().unwrap().value;
        assert!(
            (energy / sites - truth.energy).abs() < 1e-9,
            "{energy} {truth:?}"
        );
        let order = reweight(&run.observable(&m), to).unwrap();
        let order = order.ready().unwrap().estimate().unwrap().value;
        assert!((order / sites - truth.magnetization).abs() < 1e-9);
    }
}

#[test]
fn many_histograms_are_exact_on_exact_histograms() {
    let ising = ising_4x4();
    let temperatures = [1.6, 2.0, 2.4, 3.0];
    let histograms: Vec<_> = temperatures
        .iter()
        .map(|t| exact_histogram(&ising, *t))
        .collect();
    let runs: Vec<Run> = temperatures
        .iter()
        .zip(&histograms)
        .map(|(t, h)| Run::new(*t, &h.0).counts(&h.2))
        .collect();
    let joined = MultiHistogram::new(&runs).unwrap();
    let joined = joined.ready().unwrap();
    // βF = βE − S, relative to the first temperature.
    let beta_f = |t: f64| {
        let a = ising.averages(t).unwrap();
        16.0 * (a.energy / t - a.entropy)
    };
    for (f, t) in joined.free_energies().iter().zip(temperatures) {
        assert!((f - (beta_f(t) - beta_f(1.6))).abs() < 1e-8, "{t}: {f}");
    }
    for t in [1.6, 1.8, 2.269, 2.7, 3.2] {
        let answer = joined.reweight(t).unwrap();
        let energy = answer.ready().unwrap().estimate().unwrap().value;
        assert!((energy / 16.0 - ising.averages(t).unwrap().energy).abs() < 1e-9);
    }
}

#[test]
fn reweighted_error_bars_are_calibrated_and_the_far_is_refused() {
    let ising = ising_4x4();
    let runs = 60;
    let (mut one, mut many) = (0.0, 0.0);
    for seed in 0..runs {
        let mut random = Random::new(seed);
        let mut series = |t: f64| -> Vec<f64> {
            ising
                .draw(t, 2000, &mut random)
                .unwrap()
                .iter()
                .map(|d| d.0)
                .collect()
        };
        let (a, b, c) = (series(2.0), series(2.4), series(2.9));
        let truth = |t: f64| 16.0 * ising.averages(t).unwrap().energy;
        let single = reweight(&Run::new(2.4, &b), 2.2).unwrap();
        one += single
            .ready()
            .unwrap()
            .estimate()
            .unwrap()
            .z_score(truth(2.2))
            .unwrap()
            .powi(2);
        let runs = [Run::new(2.0, &a), Run::new(2.4, &b), Run::new(2.9, &c)];
        let joined = MultiHistogram::new(&runs).unwrap();
        let answer = joined.ready().unwrap().reweight(2.2).unwrap();
        many += answer
            .ready()
            .unwrap()
            .estimate()
            .unwrap()
            .z_score(truth(2.2))
            .unwrap()
            .powi(2);
    }
    let (one, many) = (one / runs as f64, many / runs as f64);
    // The standard error of a mean square over 60 is 0.18, of 16 groups a little more.
    assert!(
        (0.55..1.7).contains(&one) && (0.55..1.8).contains(&many),
        "{one} {many}"
    );
    // Runs too far from each other do not join.
    let large = curie_weiss(2000).unwrap();
    let series = |t: f64| -> Vec<f64> {
        large
            .draw(t, 500, &mut Random::new(1))
            .unwrap()
            .iter()
            .map(|d| d.0)
            .collect()
    };
    let (a, b) = (series(0.5), series(1.5));
    let far = reweight(&Run::new(1.5, &b), 0.5).unwrap();
    assert!(
        matches!(far, Reading::Ready(Reweighted::OutsideOverlap { .. })),
        "{far:?}"
    );
    let apart = MultiHistogram::new(&[Run::new(0.5, &a), Run::new(1.5, &b)]).unwrap();
    assert!(matches!(apart, Reading::Undefined(Reason::Meaningless(_))));
    assert!(reweight(&Run::new(1.0, &a).observable(&b[..3]), 1.0).is_err());
    assert!(reweight(&Run::new(1.0, &a), f64::NAN).is_err());
    assert!(MultiHistogram::new(&[]).is_err());
}

#[test]
fn peak_of_the_heat_capacity_of_ising() {
    let ising = ising_4x4();
    // The exact maximum, by bisection on the slope.
    let c = |t: f64| ising.averages(t).unwrap().heat_capacity;
    let (mut low, mut high) = (2.0, 3.0);
    for _ in 0..60 {
        let t = 0.5 * (low + high);
        if c(t + 1e-4) > c(t - 1e-4) {
            low = t;
        } else {
            high = t;
        }
    }
    let runs = 60;
    let mut z2 = 0.0;
    for seed in 0..runs {
        let mut random = Random::new(seed);
        let curve: Vec<CurvePoint> = (0..7)
            .map(|i| {
                let temperature = 2.22 + 0.06 * f64::from(i);
                let draws = ising.draw(temperature, 20_000, &mut random).unwrap();
                let energies: Vec<f64> = draws.iter().map(|d| d.0).collect();
                let value = estimate(heat_capacity(
                    &energies,
                    &Conditions::at(temperature).sites(16.0),
                ));
                CurvePoint { temperature, value }
            })
            .collect();
        for scale in [PeakScale::Linear, PeakScale::Logarithmic] {
            let top = peak(&curve, scale).unwrap();
            let Some(top) = top.ready() else { continue };
            z2 += top.location.z_score(low).unwrap().powi(2) / (2.0 * runs as f64);
            assert!((top.height.value - c(low)).abs() < 5.0 * top.height.std_error + 0.01);
        }
    }
    assert!((0.5..1.7).contains(&z2), "{z2}");
    // A maximum at the end is not a peak.
    let rising: Vec<CurvePoint> = (0..5)
        .map(|i| CurvePoint {
            temperature: f64::from(i),
            value: Estimate {
                value: f64::from(i),
                std_error: 0.1,
                n_eff: 10.0,
            },
        })
        .collect();
    assert!(matches!(
        peak(&rising, PeakScale::Linear).unwrap(),
        Reading::Undefined(_)
    ));
    assert!(peak(&[rising[0], rising[0]], PeakScale::Linear).is_err());
}

#[test]
fn p_spin_crossing_and_latent_heat() {
    // Free energies of the two sides of the barrier at d = 2000 cross near the limit's transition.
    let d = 2000;
    let system = PSpin::new(3, d).unwrap();
    let limit = system.transition();
    let (mut gas, mut condensed, mut energies) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for i in 0..9 {
        let reduced = 0.98 + 0.01 * f64::from(i);
        let edge = system.barrier_overlap(reduced).unwrap();
        let t = reduced / d as f64;
        let exact = |value: f64| Estimate {
            value,
            std_error: 1e-6,
            n_eff: 1e6,
        };
        let below = system.averages(t, Region::Below(edge)).unwrap();
        let above = system.averages(t, Region::Above(edge)).unwrap();
        let point = |value: f64| CurvePoint {
            temperature: reduced,
            value: exact(value),
        };
        gas.push(point(below.free_energy));
        condensed.push(point(above.free_energy));
        energies.0.push(point(above.energy));
        energies.1.push(point(below.energy));
    }
    let at = estimate(crossing(&gas, &condensed));
    assert!((at.value - limit.temperature).abs() < 0.01, "{at}");
    let branches = Branches {
        heating: &energies.0,
        cooling: &energies.1,
    };
    let heat = estimate(latent_heat(&branches, at.value));
    assert!(
        (heat.value / limit.latent_heat - 1.0).abs() < 0.02,
        "{heat}"
    );
    assert!(matches!(
        latent_heat(&branches, 2.0).unwrap(),
        Reading::Undefined(_)
    ));
}

/// A loop of ramps of the p-spin run, in `T̃`.
#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn ramp(power: u32, d: usize, steps_each: usize, seed: u64) -> (Vec<CurvePoint>, Vec<CurvePoint>) {
    let system = PSpin::new(power, d).unwrap();
    let size = d as f64;
    let grid: Vec<f64> = (0..16).map(|i| 0.5 + 0.06 * f64::from(i)).collect();
    let branch = |start: Start, temperatures: &[f64]| -> Vec<CurvePoint> {
        let mut sgd = PSpinSgd::new(system, temperatures[0] / size, 0.02, start, seed).unwrap();
        temperatures
            .iter()
            .map(|&temperature| {
                sgd.set_temperature(temperature / size).unwrap();
                let losses: Vec<f64> = (0..steps_each)
                    .map(|_| {
                        sgd.step();
                        sgd.loss()
                    })
                    .collect();
                // Five batches: the scatter within a temperature, drift included.
                let value = estimate(batch_means_estimate(&losses, 5));
                CurvePoint { temperature, value }
            })
            .collect()
    };
    let heating = branch(Start::Condensed, &grid);
    let down: Vec<f64> = grid.iter().rev().copied().collect();
    (heating, branch(Start::Gas, &down))
}

#[test]
fn a_first_order_loop_and_what_becomes_of_it() {
    let (heating, cooling) = ramp(3, 500, 150, 1);
    // In time, the gas does not find the condensate on the way down.
    assert!(cooling.iter().all(|p| p.value.value > -0.1));
    assert!(heating[0].value.value < -0.6 && heating[15].value.value > -0.1);
    let branches = Branches {
        heating: &heating,
        cooling: &cooling,
    };
    let heat = estimate(latent_heat(
        &branches,
        PSpin::new(3, 500).unwrap().transition().temperature,
    ));
    assert!((heat.value - 0.39).abs() < 0.06, "{heat}");
    // A gas that never condenses has no cooling passage.
    assert!(matches!(
        hysteresis(&branches).unwrap(),
        Reading::Undefined(_)
    ));
    let sizes = |limit: f64, slope: f64| -> Vec<RampPoint> {
        [1e-5, 1e-4, 1e-3]
            .map(|rate: f64| RampPoint {
                rate,
                size: Estimate {
                    value: limit + slope * rate.powf(2.0 / 3.0),
                    std_error: 0.01,
                    n_eff: 10.0,
                },
            })
            .to_vec()
    };
    let stays = ramp_trend(&sizes(0.3, 10.0)).unwrap();
    let stays = stays.ready().unwrap();
    assert!((stays.limit.value - 0.3).abs() < 1e-9 && (stays.slope.value - 10.0).abs() < 1e-6);
    assert_eq!(stays.slow_ramp, SlowRamp::Stays);
    let shrinks = ramp_trend(&sizes(0.0, 10.0)).unwrap();
    assert_eq!(shrinks.ready().unwrap().slow_ramp, SlowRamp::Shrinks);
    let small = ramp_trend(&sizes(0.0, 0.1)).unwrap();
    assert_eq!(small.ready().unwrap().slow_ramp, SlowRamp::Undecided);
    assert!(
        ramp_trend(&[RampPoint {
            rate: 0.0,
            size: heat
        }])
        .is_err()
    );
}

#[test]
#[ignore = "a minute: loops of ramps at four rates, eight seeds each"]
fn a_continuous_transition_keeps_no_loop() {
    // p = 2 between T̃ = 1 and 3: the loop is the lag of the ramp alone.
    let system = PSpin::new(2, 200).unwrap();
    let ramps: Vec<RampPoint> = [100_usize, 400, 1600, 6400]
        .map(|steps| {
            let areas: Vec<f64> = (0..8)
                .map(|seed| {
                    let grid: Vec<f64> = (0..21).map(|i| 1.0 + 0.1 * f64::from(i)).collect();
                    let branch = |start: Start, temperatures: &[f64]| -> Vec<CurvePoint> {
                        let first = temperatures[0] / 200.0;
                        let mut sgd = PSpinSgd::new(system, first, 0.02, start, seed).unwrap();
                        temperatures
                            .iter()
                            .map(|&temperature| {
                                sgd.set_temperature(temperature / 200.0).unwrap();
                                let sum: f64 = (0..steps)
                                    .map(|_| {
                                        sgd.step();
                                        sgd.loss()
                                    })
                                    .sum();
                                let value = Estimate {
                                    value: sum / steps as f64,
                                    std_error: 0.0,
                                    n_eff: 1.0,
                                };
                                CurvePoint { temperature, value }
                            })
                            .collect()
                    };
                    let heating = branch(Start::Condensed, &grid);
                    let down: Vec<f64> = grid.iter().rev().copied().collect();
                    let cooling = branch(Start::Gas, &down);
                    let found = hysteresis(&Branches {
                        heating: &heating,
                        cooling: &cooling,
                    })
                    .unwrap();
                    found.ready().unwrap().area.value
                })
                .collect();
            let mean = areas.iter().sum::<f64>() / 8.0;
            let variance = areas.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 7.0;
            RampPoint {
                rate: 0.1 / steps as f64,
                size: Estimate {
                    value: mean,
                    std_error: (variance / 8.0).sqrt(),
                    n_eff: 8.0,
                },
            }
        })
        .to_vec();
    let trend = ramp_trend(&ramps).unwrap();
    let trend = trend.ready().unwrap();
    assert_eq!(trend.slow_ramp, SlowRamp::Shrinks, "{trend:?} {ramps:?}");
}
