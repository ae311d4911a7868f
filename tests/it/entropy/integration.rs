//! Entropy from energies, temperature from entropies: exact on the von Mises-Fisher sphere.

use thermograd::entropy::{
    FamilyMember, Rule, ThermalState, Variable, entropy_from_energy, entropy_from_heat_capacity,
    family_temperatures,
};
use thermograd::systems::{Random, VonMisesFisher};
use thermograd::{Error, Estimate, Reading};

use super::rms;

const fn estimate(value: f64, std_error: f64) -> Estimate {
    Estimate {
        value,
        std_error,
        n_eff: 100.0,
    }
}

fn system(d: usize, t: f64) -> VonMisesFisher {
    VonMisesFisher::at_temperature(d, t).unwrap()
}

/// Temperatures from 0.1 to 1, evenly in the logarithm.
fn ladder(n: u32) -> Vec<f64> {
    (0..n)
        .map(|i| 0.1 * 10_f64.powf(f64::from(i) / f64::from(n - 1)))
        .collect()
}

fn states(temperatures: &[f64], of: impl Fn(f64) -> f64) -> Vec<ThermalState> {
    let state = |&t: &f64| ThermalState {
        temperature: estimate(t, 0.0),
        observable: estimate(of(t), 0.0),
    };
    temperatures.iter().map(state).collect()
}

const VARIABLES: [Variable; 3] = [
    Variable::LogTemperature,
    Variable::Temperature,
    Variable::InverseTemperature,
];

/// d = 3 from T = 0.1 to 1: 1.8441363929100887 in closed form.
#[test]
fn both_integrals_reach_the_closed_form() {
    let truth = system(3, 1.0).entropy() - system(3, 0.1).entropy();
    assert!((truth - 1.844_136_392_910_088_7).abs() < 1e-13);
    let energies = states(&ladder(400), |t| system(3, t).energy());
    let capacities = states(&ladder(400), |t| system(3, t).heat_capacity());
    for variable in VARIABLES {
        for (rule, tolerance) in [(Rule::Trapezoid, 2e-5), (Rule::Spline, 1e-6)] {
            let by_energy = entropy_from_energy(&energies, variable, rule).unwrap();
            let by_energy = *by_energy.ready().unwrap();
            let by_capacity = entropy_from_heat_capacity(&capacities, variable, rule).unwrap();
            let by_capacity = *by_capacity.ready().unwrap();
            for s in [by_energy, by_capacity] {
                let error = (s.difference.value - truth).abs();
                assert!(error < tolerance, "{variable:?} {rule:?}: {error}");
                assert!(
                    error < 3.0 * s.quadrature_error + 1e-6,
                    "the quadrature error says so"
                );
            }
        }
    }
    // The trapezoid is of second order: a step ten times smaller, an error a hundred times.
    let error = |n| {
        let energies = states(&ladder(n), |t| system(3, t).energy());
        let s = entropy_from_energy(&energies, Variable::LogTemperature, Rule::Trapezoid).unwrap();
        (s.ready().unwrap().difference.value - truth).abs()
    };
    assert!((error(11) / error(101) - 100.0).abs() < 5.0);
}

#[test]
fn errors_propagate_from_energies_and_temperatures() {
    let truth = system(3, 1.0).entropy() - system(3, 0.1).entropy();
    let exact: Vec<f64> = ladder(60);
    let mut random = Random::new(5);
    for variable in VARIABLES {
        for rule in [Rule::Trapezoid, Rule::Spline] {
            let scores: Vec<f64> = (0..300)
                .map(|_| {
                    let noisy: Vec<ThermalState> = exact
                        .iter()
                        .map(|&t| {
                            let (du, dt) = (0.01 * t, 0.002 * t);
                            let energy = system(3, t).energy() + du * random.normal();
                            ThermalState {
                                temperature: estimate(t + dt * random.normal(), dt),
                                observable: estimate(energy, du),
                            }
                        })
                        .collect();
                    let s = entropy_from_energy(&noisy, variable, rule).unwrap();
                    s.ready().unwrap().difference.z_score(truth).unwrap()
                })
                .collect();
            let spread = rms(&scores);
            assert!(
                (0.87..1.15).contains(&spread),
                "{variable:?} {rule:?}: {spread}"
            );
        }
    }
}

#[test]
fn a_family_measures_its_temperature() {
    // Entropy and energy of the sphere in ten dimensions: dU/dS = T.
    let temperatures = ladder(30);
    let member = |t: f64| FamilyMember {
        energy: estimate(system(10, t).energy(), 1e-9),
        entropy: estimate(system(10, t).entropy(), 1e-9),
    };
    let mut family: Vec<FamilyMember> = temperatures.iter().map(|&t| member(t)).collect();
    family.reverse();
    let found = family_temperatures(&family).unwrap();
    for (answer, &t) in found.iter().rev().zip(&temperatures) {
        if let Reading::Ready(bound) = &answer.at_least {
            assert!(bound.value < t, "{bound} {t}");
        }
        if let Reading::Ready(bound) = &answer.at_most {
            assert!(bound.value > t, "{bound} {t}");
        }
        let slope = answer.slope.ready().unwrap().value;
        let end = answer.at_least.ready().is_none() || answer.at_most.ready().is_none();
        let tolerance = if end { 0.05 } else { 0.005 };
        assert!((slope / t - 1.0).abs() < tolerance, "{slope} {t}");
    }
    assert!(found[29].at_least.ready().is_none() && found[0].at_most.ready().is_none());
}

#[test]
fn the_error_of_a_slope_is_right() {
    let mut random = Random::new(9);
    let middle: Vec<f64> = (0..400)
        .map(|_| {
            // U = S², so T = 2 S exactly for a parabola.
            let family = [1.0, 2.0, 4.0].map(|s: f64| FamilyMember {
                energy: estimate(s * s + 0.03 * random.normal(), 0.03),
                entropy: estimate(s + 0.01 * random.normal(), 0.01),
            });
            let found = family_temperatures(&family).unwrap();
            let slope = found[1].slope.ready().unwrap();
            slope.z_score(4.0).unwrap()
        })
        .collect();
    let spread = rms(&middle);
    assert!((0.88..1.12).contains(&spread), "{spread}");
}

#[test]
fn bad_families_are_refused_or_undefined() {
    let state = |t, u| ThermalState {
        temperature: estimate(t, 0.0),
        observable: estimate(u, 0.0),
    };
    let of =
        |states: &[ThermalState]| entropy_from_energy(states, Variable::Temperature, Rule::Spline);
    assert!(matches!(
        of(&[]),
        Ok(Reading::Pending { seen: 0, needed: 2 })
    ));
    assert!(of(&[state(1.0, 1.0), state(1.0, 2.0)]).is_err());
    assert!(of(&[state(2.0, 1.0), state(1.0, 2.0)]).is_err());
    assert!(of(&[state(0.0, 1.0), state(1.0, 2.0)]).is_err());
    assert!(of(&[state(1.0, f64::NAN), state(2.0, 2.0)]).is_err());
    assert!(matches!(
        of(&[state(1.0, f64::MAX), state(2.0, -f64::MAX)]),
        Err(Error::Overflow { .. })
    ));
    let same = FamilyMember {
        energy: estimate(1.0, 0.1),
        entropy: estimate(1.0, 0.1),
    };
    let found = family_temperatures(&[same, same]).unwrap();
    assert!(matches!(found[0].slope, Reading::Undefined(_)));
    assert!(matches!(found[0].at_most, Reading::Undefined(_)));
    let alone = family_temperatures(&[same]).unwrap();
    assert!(matches!(alone[0].slope, Reading::Pending { .. }));
    assert!(family_temperatures(&[]).unwrap().is_empty());
}
