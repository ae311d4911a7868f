//! Values by hand, closed forms and boundaries: chart.

use super::*;
use statrs::function::erf::erfc;
use thermograd::phase_transition::change_point::{
    Cusum, CusumConfig, Direction, PageHinkley, Reference,
};

/// The integral equation of the run length by Simpson's rule, whose error is of the fourth order.
fn run_length(k: f64, h: f64, shift: f64) -> f64 {
    (16.0 * by_simpson(k, h, shift, 120) - by_simpson(k, h, shift, 60)) / 15.0
}

fn by_simpson(k: f64, h: f64, shift: f64, n: usize) -> f64 {
    let step = h / n as f64;
    let weight = |j: usize| {
        let factor = match (j, j % 2) {
            (0, _) => 1.0,
            (_, 1) => 4.0,
            _ if j == n => 1.0,
            _ => 2.0,
        };
        factor * step / 3.0
    };
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let matrix = (0..=n)
        .map(|i| {
            let s = i as f64 * step;
            (0..=n)
                .map(|j| {
                    let y = j as f64 * step;
                    let mut kernel = weight(j) * density(y + k - s - shift);
                    if j == 0 {
                        kernel += 0.5 * erfc(-(k - s - shift) / 2_f64.sqrt());
                    }
                    f64::from(u8::from(i == j)) - kernel
                })
                .collect()
        })
        .collect();
    solve(matrix, vec![1.0; n + 1])[0]
}

#[test]
fn run_lengths_solve_their_integral_equation() {
    for (k, h, shift) in [(0.5, 4.0, 0.3), (0.8, 2.5, -0.4)] {
        let chart = CusumConfig::new(7.0, 3.0).slack(k).threshold(h);
        let found = ready(chart.run_length(shift));
        let (up, down) = (run_length(k, h, shift), run_length(k, h, -shift));
        near(found.up, up, 1e-7);
        near(found.down, down, 1e-7);
        near(found.either, up * down / (up + down), 1e-7);
    }
}

/// `(e^{−2Δb} + 2Δb − 1)/2Δ²`, and its series `b² (1 − 2Δb/3)` where Δb is small: the next term is `(Δb)²/3`.
#[test]
fn run_lengths_by_siegmund_are_his_formula() {
    let formula = |k: f64, h: f64, shift: f64| {
        let (d, b) = (shift - k, h + 1.166);
        ((-2.0 * d * b).exp() + 2.0 * d * b - 1.0) / (2.0 * d * d)
    };
    for (k, h, shift) in [(0.5, 4.0, 0.0), (0.5, 3.0, 1.2), (0.25, 6.0, -0.1)] {
        let chart = CusumConfig::new(0.0, 1.0).slack(k).threshold(h);
        let found = ready(chart.run_length_by_siegmund(shift));
        let (up, down) = (formula(k, h, shift), formula(k, h, -shift));
        near(found.up, up, 1e-12);
        near(found.down, down, 1e-12);
        near(found.either, up * down / (up + down), 1e-12);
    }
    let (k, h): (f64, f64) = (0.5, 3.0);
    let b = h + 1.166;
    let chart = CusumConfig::new(0.0, 1.0).slack(k).threshold(h);
    for x in [0.0, 0.9e-4, -0.9e-4, 1.1e-4, -1.1e-4] {
        let found = ready(chart.run_length_by_siegmund(k + x / b)).up;
        near(found, b * b * (1.0 - 2.0 * x / 3.0 + x * x / 3.0), 5e-9);
    }
}

/// Lengths above 10¹⁰ count as for ever: at −3 σ the sum of 5 has e^{43} steps.
#[test]
fn a_length_beyond_all_bounds_is_no_part_of_both() {
    let chart = CusumConfig::new(0.0, 1.0);
    let found = ready(chart.run_length_by_siegmund(3.0));
    assert_eq!(found.down, 1e10);
    near(found.either, found.up, 1e-12);
    let other = ready(chart.run_length_by_siegmund(-3.0));
    assert_eq!((other.up, other.down), (found.down, found.up));
    let found = ready(chart.run_length(3.0));
    assert_eq!(found.down, 1e10);
    near(found.either, found.up, 1e-12);
    assert!(found.up > 1.0 && found.up < 3.0);
    let deaf = chart.slack(2.0).threshold(20.0);
    assert!(undefined(&deaf.run_length_by_siegmund(0.0)));
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(matches!(
            chart.run_length(bad),
            Err(Error::NonFinite { .. })
        ));
    }
}

#[test]
fn a_chart_keeps_to_its_ranges() {
    let chart = CusumConfig::new(2.0, 3.0);
    assert_eq!(
        (chart.mean, chart.std_dev, chart.slack, chart.threshold),
        (2.0, 3.0, 0.5, 5.0)
    );
    assert!(Cusum::new(chart.slack(100.0)).is_ok());
    assert!(Cusum::new(chart.threshold(100.0)).is_ok());
    for bad in [0.0, -1.0, 100.1, f64::INFINITY] {
        assert_eq!(refused(Cusum::new(chart.slack(bad))), bad);
        assert_eq!(refused(Cusum::new(chart.threshold(bad))), bad);
        assert_eq!(
            refused(chart.threshold(bad).run_length_by_siegmund(0.0)),
            bad
        );
    }
    assert_eq!(refused(Cusum::new(CusumConfig::new(0.0, -1.0))), -1.0);
    assert!(matches!(
        Cusum::new(CusumConfig::new(f64::NAN, 1.0)),
        Err(Error::NonFinite { .. })
    ));
}

/// Mean 10, deviation 2: 16 is +3, 8 is −1; the slack takes off 1/2.
#[test]
fn sums_follow_page_and_count_their_steps() {
    let mut chart = Cusum::new(CusumConfig::new(10.0, 2.0)).unwrap();
    assert_eq!(
        (chart.sums(), chart.rising_for(), chart.falling_for()),
        ((0.0, 0.0), 0, 0)
    );
    // Observation, sums up and down, steps up and down, answer.
    for (x, up, down, rising, falling, answer) in [
        (16.0, 2.5, 0.0, 1, 0, None),
        (16.0, 5.0, 0.0, 2, 0, None),
        (13.0, 6.0, 0.0, 3, 0, Some(Direction::Up)),
        (8.0, 4.5, 0.5, 4, 1, None),
        (2.0, 0.0, 4.0, 0, 2, None),
        (4.0, 0.0, 6.5, 0, 3, Some(Direction::Down)),
        (12.0, 0.5, 5.0, 1, 4, None),
        (40.0, 15.0, 0.0, 2, 0, Some(Direction::Up)),
    ] {
        assert_eq!(chart.push(x).unwrap(), answer, "{x}");
        assert_eq!(chart.sums(), (up, down), "{x}");
        assert_eq!(
            (chart.rising_for(), chart.falling_for()),
            (rising, falling),
            "{x}"
        );
    }
    assert!(chart.push(f64::NAN).is_err());
    assert_eq!(chart.sums(), (15.0, 0.0));
    chart.reset();
    assert_eq!(
        (chart.sums(), chart.rising_for(), chart.falling_for()),
        ((0.0, 0.0), 0, 0)
    );
    assert_eq!(chart.push(4.0).unwrap(), None);
    assert_eq!((chart.sums(), chart.falling_for()), ((0.0, 2.5), 1));
    chart.reset();
    assert_eq!((chart.sums(), chart.falling_for()), ((0.0, 0.0), 0));
}

/// Where both sums are above the threshold the larger one speaks, upward where they are equal.
#[test]
fn of_two_alarms_the_larger_speaks() {
    for (second, answer) in [
        (-49.75, Direction::Up),
        (-49.5, Direction::Up),
        (-50.0, Direction::Down),
    ] {
        let mut chart = Cusum::new(CusumConfig::new(0.0, 1.0)).unwrap();
        assert_eq!(chart.push(100.0).unwrap(), Some(Direction::Up));
        assert_eq!(chart.push(second).unwrap(), Some(answer));
        assert_eq!(chart.sums(), (99.0 + second, -0.5 - second));
    }
}

#[test]
fn an_outlier_does_not_leave_the_range() {
    for (x, direction) in [(1e149, Direction::Up), (-1e149, Direction::Down)] {
        let mut chart = Cusum::new(CusumConfig::new(0.0, 1e-9)).unwrap();
        assert_eq!(chart.push(x).unwrap(), Some(direction));
        let (up, down) = chart.sums();
        assert_eq!((up.max(down), up.min(down)), (1e150, 0.0));
    }
}

#[test]
fn page_and_hinkley_sum_the_excess_over_the_mean() {
    let mut up = PageHinkley::new(Reference::Known(10.0), Direction::Up);
    let mut down = PageHinkley::new(Reference::Known(10.0), Direction::Down)
        .tolerance(1.0)
        .threshold(3.0);
    for (x, above, alarm_up, below, alarm_down) in [
        (13.0, 2.5, false, 0.0, false),
        (13.0, 5.0, false, 0.0, false),
        (10.75, 5.25, true, 0.0, false),
        (6.0, 0.75, false, 3.0, false),
        (8.5, 0.0, false, 3.5, true),
        (12.5, 2.0, false, 0.0, false),
    ] {
        assert_eq!(up.push(x).unwrap(), alarm_up, "{x}");
        assert_eq!(up.excess(), above, "{x}");
        assert_eq!(down.push(x).unwrap(), alarm_down, "{x}");
        assert_eq!(down.excess(), below, "{x}");
    }
    up.reset();
    assert_eq!(up.excess(), 0.0);
}

/// Running means of 4, 8, 3, 9: 4, 6, 5, 6.
#[test]
fn a_running_reference_is_the_mean_so_far() {
    for (direction, excesses) in [
        (Direction::Up, [0.0, 1.0, 0.0, 2.0]),
        (Direction::Down, [0.0, 0.0, 1.0, 0.0]),
    ] {
        let mut test = PageHinkley::new(Reference::Running, direction).tolerance(1.0);
        for _ in 0..2 {
            for (x, excess) in [4.0, 8.0, 3.0, 9.0].into_iter().zip(excesses) {
                assert!(!test.push(x).unwrap());
                assert_eq!(test.excess(), excess);
            }
            test.reset();
        }
    }
}

#[test]
fn page_and_hinkley_keep_to_their_ranges() {
    let test = || PageHinkley::new(Reference::Known(0.0), Direction::Up);
    assert!(test().tolerance(0.0).push(1.0).is_ok());
    for bad in [-0.1, f64::INFINITY] {
        let mut spoilt = test().tolerance(bad);
        assert_eq!(refused(spoilt.push(9.0)), bad);
        assert_eq!(spoilt.excess(), 0.0);
    }
    assert!(test().tolerance(f64::NAN).push(9.0).is_err());
    for bad in [0.0, -1.0, f64::INFINITY] {
        let mut spoilt = test().threshold(bad);
        assert_eq!(refused(spoilt.push(9.0)), bad);
        assert_eq!(spoilt.excess(), 0.0);
    }
    for mut spoilt in [
        PageHinkley::new(Reference::Known(f64::NAN), Direction::Up),
        test(),
    ] {
        assert!(matches!(
            spoilt.push(f64::NAN),
            Err(Error::NonFinite { .. })
        ));
    }
    let mut spoilt = PageHinkley::new(Reference::Known(f64::INFINITY), Direction::Up);
    assert!(matches!(spoilt.push(1.0), Err(Error::NonFinite { .. })));
    assert_eq!(spoilt.excess(), 0.0);
}
