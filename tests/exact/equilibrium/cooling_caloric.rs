//! Values by hand, closed forms and boundaries: cooling caloric.

use super::{near, refused};
use thermograd::cooling::CaloricCurve;

#[test]
fn a_line_begins_at_absolute_zero() {
    let line = CaloricCurve::linear(1.0, 0.5).unwrap();
    assert_eq!(line.energy(0.0), Some(1.0));
    assert_eq!(line.energy(-1e-300), None);
    assert_eq!(line.energy(f64::NAN), None);
    assert_eq!(line.fictive_temperature(1.0), Some(0.0));
    assert_eq!(line.fictive_temperature(0.9), None);
    assert_eq!(line.entropy_change(1.0, 2.0), None);
}

#[test]
fn hotter_points_have_more_energy_and_every_point_its_temperature() {
    for (points, value) in [
        ([(1.0, 1.0), (1.0, 2.0)], 2.0),
        ([(1.0, 1.0), (2.0, 1.0)], 1.0),
        ([(2.0, 0.5), (1.0, 1.0)], 0.5),
    ] {
        let (what, found) = refused(CaloricCurve::table(&points));
        assert_eq!((what, found), ("energy of the hotter of two points", value));
    }
}

/// Σ C ln(T_b/T_a) over the pieces of lines: slopes 1, 2, 4 over T = 1 2 3 4.
#[test]
fn entropy_adds_line_by_line() {
    let table = CaloricCurve::table(&[(3.0, 4.0), (1.0, 1.0), (2.0, 2.0), (4.0, 8.0)]).unwrap();
    let logs = |a: f64, b: f64| (b / a).ln();
    for (from, to, expected) in [
        (
            1.5,
            6.0,
            logs(1.5, 2.0) + 2.0 * logs(2.0, 3.0) + 4.0 * logs(3.0, 3.5),
        ),
        (2.5, 3.5, 2.0 * logs(2.25, 2.75)),
        (
            1.0,
            8.0,
            logs(1.0, 2.0) + 2.0 * logs(2.0, 3.0) + 4.0 * logs(3.0, 4.0),
        ),
        (2.0, 2.0, 0.0),
    ] {
        near(table.entropy_change(from, to).unwrap(), expected, 1e-14);
        near(table.entropy_change(to, from).unwrap(), -expected, 1e-14);
    }
    assert_eq!(table.entropy_change(0.5, 2.0), None);
    assert_eq!(table.entropy_change(2.0, 8.5), None);
    assert_eq!(table.energy(3.5), Some(6.0));
    assert_eq!(table.fictive_temperature(6.0), Some(3.5));
}

#[test]
fn curves_end_where_they_are_said_to() {
    for (ground, capacity) in [(0.0, 1e-100), (0.0, 1e100), (-1e100, 1e100)] {
        CaloricCurve::linear(ground, capacity).unwrap();
    }
    for ground in [1.1e100, -1.1e100] {
        let found = CaloricCurve::linear(ground, 1e99);
        assert_eq!(refused(found), ("ground energy", ground));
    }
    for capacity in [9e-101, 1.1e100, 0.0] {
        let found = CaloricCurve::linear(0.0, capacity);
        assert_eq!(refused(found), ("heat capacity", capacity));
    }
    CaloricCurve::table(&[(1e-100, -1e100), (1e100, 1e100)]).unwrap();
    for (point, refusal) in [
        ((9e-101, 0.0), ("temperature", 9e-101)),
        ((1.1e100, 0.0), ("temperature", 1.1e100)),
        ((1.0, 1.1e100), ("energy", 1.1e100)),
        ((1.0, -1.1e100), ("energy", -1.1e100)),
    ] {
        assert_eq!(refused(CaloricCurve::table(&[point, (2.0, 3.0)])), refusal);
    }
}
