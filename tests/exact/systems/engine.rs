//! Values by hand, closed forms and boundaries: engine.

use thermograd::engine::{EquationOfState, StatePoint};
use thermograd::{Estimate, Reading, Reason};

use super::{close, ready};

fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        std_error: 0.0,
        n_eff: 1.0,
    }
}

fn state(p: f64, v: f64, t: f64) -> StatePoint {
    StatePoint::new(exact(p), exact(v), exact(t))
}

/// Where the heat capacity is not known an adiabat is the vertical line p = p₀ V₀/V.
#[test]
fn adiabats_without_a_heat_capacity_are_vertical() {
    let law = ready(&EquationOfState::fit(&[state(2.0, 3.0, 1.0)]).unwrap());
    let line = law.adiabat((2.0, 3.0), 8.0, 3).unwrap();
    for ((v, p), expected) in line.into_iter().zip([3.0, 1.5, 0.75]) {
        close(v, 2.0, 1e-14);
        close(p, expected, 1e-13);
    }
}

/// A ratio of 10²⁰⁹ beside one of 1 has a mean and no scatter that a number can hold.
#[test]
fn ratios_whose_squares_overflow_have_no_law() {
    let states = [state(1e70, 1e70, 1e-69), state(1.0, 1.0, 1.0)];
    assert!(matches!(
        EquationOfState::fit(&states).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
}
