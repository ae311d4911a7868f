//! Values by hand, closed forms and boundaries: integration.

use thermograd::entropy::{
    FamilyMember, Rule, ThermalState, Variable, entropy_from_energy, entropy_from_heat_capacity,
    family_temperatures,
};
use thermograd::{Error, Estimate, Reading};

use super::{above, below, close, near, ready, refused};

const VARIABLES: [Variable; 3] = [
    Variable::LogTemperature,
    Variable::Temperature,
    Variable::InverseTemperature,
];

fn known(value: f64, std_error: f64, n_eff: f64) -> Estimate {
    Estimate {
        value,
        std_error,
        n_eff,
    }
}

fn states(t: &[(f64, f64)], y: &[(f64, f64)]) -> Vec<ThermalState> {
    t.iter()
        .zip(y)
        .map(|(&(t, dt), &(y, dy))| ThermalState {
            temperature: known(t, dt, 50.0),
            observable: known(y, dy, 40.0),
        })
        .collect()
}

/// Second derivatives of the natural spline by Gauss and Seidel's iteration on its equations.
fn bends(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut m = vec![0.0; x.len()];
    for _ in 0..200 {
        for i in 1..x.len() - 1 {
            let (h, k) = (x[i] - x[i - 1], x[i + 1] - x[i]);
            let jump = (y[i + 1] - y[i]) / k - (y[i] - y[i - 1]) / h;
            m[i] = (6.0 * jump - h * m[i - 1] - k * m[i + 1]) / (2.0 * (h + k));
        }
    }
    m
}

fn area(x: &[f64], y: &[f64], rule: Rule) -> f64 {
    let m = bends(x, y);
    (1..x.len())
        .map(|i| {
            let h = x[i] - x[i - 1];
            let flat = 0.5 * h * (y[i] + y[i - 1]);
            match rule {
                Rule::Spline => flat - h.powi(3) / 24.0 * (m[i] + m[i - 1]),
                _ => flat,
            }
        })
        .sum()
}

/// [U/T] + ∫ (U/T) d ln T = [U/T] + ∫ (U/T²) dT = [U/T] − ∫ U dβ; ∫ C d ln T and so on.
fn by_hand(t: &[f64], y: &[f64], variable: Variable, rule: Rule, energy: bool) -> f64 {
    let x: Vec<f64> = t
        .iter()
        .map(|t| match variable {
            Variable::LogTemperature => t.ln(),
            Variable::Temperature => *t,
            _ => 1.0 / t,
        })
        .collect();
    let f: Vec<f64> = t
        .iter()
        .zip(y)
        .map(|(t, y)| match (variable, energy) {
            (Variable::LogTemperature, true) | (Variable::Temperature, false) => y / t,
            (Variable::LogTemperature, false) => *y,
            (Variable::Temperature, true) => y / (t * t),
            (_, true) => -y,
            (_, false) => -y * t,
        })
        .collect();
    let last = t.len() - 1;
    let ends = if energy {
        y[last] / t[last] - y[0] / t[0]
    } else {
        0.0
    };
    ends + area(&x, &f, rule)
}

#[test]
fn integrals_and_their_errors_by_hand() {
    let t = [0.5, 0.8, 1.5, 2.0, 3.5];
    let y = [0.3, 0.7, 1.1, 2.2, 2.0];
    // One temperature is less certain than half its distance to the next.
    let dt = [0.0, 1e-4, 0.0, 0.4, 0.0];
    let dy = [0.02, 0.0, 0.05, 0.0, 0.03];
    let pairs = |x: &[f64], e: &[f64]| -> Vec<(f64, f64)> {
        x.iter().copied().zip(e.iter().copied()).collect()
    };
    let given = states(&pairs(&t, &dt), &pairs(&y, &dy));
    for variable in VARIABLES {
        for (rule, other) in [
            (Rule::Trapezoid, Rule::Spline),
            (Rule::Spline, Rule::Trapezoid),
        ] {
            for energy in [true, false] {
                let found = if energy {
                    entropy_from_energy(&given, variable, rule)
                } else {
                    entropy_from_heat_capacity(&given, variable, rule)
                };
                let found = ready(&found.unwrap());
                let of = |t: &[f64], y: &[f64]| by_hand(t, y, variable, rule, energy);
                let value = of(&t, &y);
                close(found.difference.value, value, 1e-12);
                let mut variance = 0.0;
                for i in 0..5 {
                    let (mut up, mut down) = (y, y);
                    up[i] += dy[i];
                    down[i] -= dy[i];
                    variance += (0.5 * (of(&t, &up) - of(&t, &down))).powi(2);
                    if dt[i] > 0.0 {
                        // No further than half the gap: 0.25 below 2.
                        let step = f64::min(dt[i], 0.25);
                        let (mut up, mut down) = (t, t);
                        up[i] += step;
                        down[i] -= step;
                        let change = 0.5 * (of(&up, &y) - of(&down, &y));
                        variance += (change * dt[i] / step).powi(2);
                    }
                }
                near(found.difference.std_error, variance.sqrt(), 1e-8);
                assert_eq!(found.difference.n_eff, 40.0);
                let beside = by_hand(&t, &y, variable, other, energy);
                close(found.quadrature_error, (beside - value).abs(), 1e-11);
            }
        }
    }
}

/// With two states the other variables are the second rule; half a temperature, or half a gap,
/// is as far as a temperature is moved.
#[test]
fn two_states_are_told_by_all_variables() {
    let given = states(&[(1.0, 0.9), (1.6, 2.0)], &[(1.0, 0.0), (2.0, 0.0)]);
    for variable in VARIABLES {
        let found = ready(&entropy_from_energy(&given, variable, Rule::Trapezoid).unwrap());
        let of = |variable, t: [f64; 2]| by_hand(&t, &[1.0, 2.0], variable, Rule::Trapezoid, true);
        let value = of(variable, [1.0, 1.6]);
        let spread = VARIABLES
            .iter()
            .map(|&v| (of(v, [1.0, 1.6]) - value).abs())
            .fold(0.0, f64::max);
        close(found.quadrature_error, spread, 1e-13);
        let first = of(variable, [1.3, 1.6]) - of(variable, [0.7, 1.6]);
        let second = of(variable, [1.0, 1.9]) - of(variable, [1.0, 1.3]);
        let error = (0.5 * first * 0.9 / 0.3).hypot(0.5 * second * 2.0 / 0.3);
        near(found.difference.std_error, error, 1e-10);
    }
    // The first of two far apart: half of itself.
    let given = states(&[(2.0, 3.0), (18.0, 0.0)], &[(1.0, 0.0), (2.0, 0.0)]);
    let found = entropy_from_energy(&given, Variable::Temperature, Rule::Trapezoid).unwrap();
    let of = |t: f64| {
        by_hand(
            &[t, 18.0],
            &[1.0, 2.0],
            Variable::Temperature,
            Rule::Trapezoid,
            true,
        )
    };
    let error = (0.5 * (of(3.0) - of(1.0)) * 3.0).abs();
    near(ready(&found).difference.std_error, error, 1e-12);
}

#[test]
fn states_of_an_integral_are_checked() {
    let of = |t: &[(f64, f64)], y: &[(f64, f64)]| {
        entropy_from_energy(&states(t, y), Variable::default(), Rule::default())
    };
    let y = [(1.0, 0.0), (2.0, 0.0)];
    refused(of(&[(below(1e-150), 0.0), (1.0, 0.0)], &y), "temperature");
    refused(of(&[(1.0, 0.0), (above(1e150), 0.0)], &y), "temperature");
    refused(of(&[(1.0, 0.0), (1.0, 0.0)], &y), "temperature");
    assert!(of(&[(1.0, 0.0), (above(1.0), 0.0)], &y).is_ok());
    refused(of(&[(1.0, -1e-9), (2.0, 0.0)], &y), "standard error");
    refused(
        of(&[(1.0, 0.0), (2.0, 0.0)], &[(1.0, 0.0), (2.0, -1.0)]),
        "standard error",
    );
    assert!(matches!(
        of(&[(1.0, 0.0), (2.0, f64::NAN)], &y),
        Err(Error::NonFinite { index: 1, ref place, .. }) if place == "temperatures"
    ));
    assert!(matches!(
        of(&[(1.0, 0.0)], &y),
        Ok(Reading::Pending { seen: 1, needed: 2 })
    ));
}

fn member(energy: (f64, f64), entropy: (f64, f64)) -> FamilyMember {
    FamilyMember {
        energy: known(energy.0, energy.1, 70.0),
        entropy: known(entropy.0, entropy.1, 60.0),
    }
}

/// The slope of the parabola through three points at the middle one, and its error by the
/// derivative with respect to each of the six numbers.
#[test]
fn temperatures_of_a_family_by_numerical_differentiation() {
    let u = [(1.0, 0.02), (4.0, 0.03), (13.0, 0.05)];
    let s = [(0.0, 0.01), (2.0, 0.02), (5.0, 0.04)];
    let family: Vec<FamilyMember> = u.iter().zip(&s).map(|(&u, &s)| member(u, s)).collect();
    let found = family_temperatures(&family).unwrap();
    // Inputs U₀, U₁, U₂, S₀, S₁, S₂.
    let slope = |x: &[f64; 6]| {
        let (h, k) = (x[4] - x[3], x[5] - x[4]);
        let (left, right) = ((x[1] - x[0]) / h, (x[2] - x[1]) / k);
        (k * left + h * right) / (h + k)
    };
    let chord = |x: &[f64; 6]| (x[1] - x[0]) / (x[4] - x[3]);
    let at = [1.0, 4.0, 13.0, 0.0, 2.0, 5.0];
    let errors = [0.02, 0.03, 0.05, 0.01, 0.02, 0.04];
    let error = |f: &dyn Fn(&[f64; 6]) -> f64| {
        let square: f64 = (0..6)
            .map(|i| {
                let (mut up, mut down) = (at, at);
                up[i] += 1e-5;
                down[i] -= 1e-5;
                (errors[i] * (f(&up) - f(&down)) / 2e-5).powi(2)
            })
            .sum();
        square.sqrt()
    };
    let middle = ready(&found[1].slope);
    close(middle.value, slope(&at), 1e-14);
    near(middle.std_error, error(&slope), 1e-7);
    assert_eq!(middle.n_eff, 60.0);
    // At the ends a chord is all there is; to the right of the first the least, 1.5 and 2.4.
    let end = ready(&found[0].slope);
    close(end.value, 1.5, 1e-14);
    near(end.std_error, error(&chord), 1e-7);
    assert_eq!(end.n_eff, 60.0);
    close(ready(&found[0].at_most).value, 1.5, 1e-14);
    assert!(matches!(
        found[0].at_least,
        Reading::Pending { seen: 1, needed: 2 }
    ));
    // Of the last, chords 3 and 2.4: at least the larger.
    close(ready(&found[2].slope).value, 3.0, 1e-14);
    close(ready(&found[2].at_least).value, 3.0, 1e-14);
    close(ready(&found[1].at_least).value, 1.5, 1e-14);
    close(ready(&found[1].at_most).value, 3.0, 1e-14);
    // The order in which they are given is that of the answers.
    let turned: Vec<FamilyMember> = family.iter().rev().copied().collect();
    let again = family_temperatures(&turned).unwrap();
    assert_eq!(again[0], found[2]);
    assert_eq!(again[1], found[1]);
}

#[test]
fn entropies_within_two_errors_are_not_told_apart() {
    // √(3² + 4²) = 5: a difference of 10 is two errors, which is enough.
    let of = |difference: f64| {
        let family = [
            member((0.0, 0.0), (0.0, 3.0)),
            member((1.0, 0.0), (difference, 4.0)),
        ];
        family_temperatures(&family).unwrap().remove(0)
    };
    close(ready(&of(10.0).slope).value, 0.1, 1e-15);
    assert!(matches!(of(9.99).slope, Reading::Undefined(_)));
    assert!(matches!(of(9.99).at_most, Reading::Undefined(_)));
    let exact = [
        member((0.0, 0.0), (1.0, 0.0)),
        member((1.0, 0.0), (1.0, 0.0)),
    ];
    let found = family_temperatures(&exact).unwrap();
    assert!(found[0].slope.ready().is_none());
    assert!(matches!(
        family_temperatures(&[member((0.0, 0.0), (f64::NAN, 0.0))]),
        Err(Error::NonFinite { index: 0, ref place, .. }) if place == "entropies of the family"
    ));
    refused(
        family_temperatures(&[member((0.0, -1.0), (1.0, 0.0))]),
        "standard error",
    );
}
