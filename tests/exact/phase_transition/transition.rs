//! Values by hand, closed forms and boundaries: transition.

use super::*;
use thermograd::Reason;
use thermograd::phase_transition::{
    Branches, CurvePoint, PeakScale, RampPoint, SlowRamp, crossing, hysteresis, latent_heat, peak,
    ramp_trend,
};

const fn at(temperature: f64, value: f64, std_error: f64) -> CurvePoint {
    CurvePoint {
        temperature,
        value: est(value, std_error, 100.0),
    }
}

/// `y = a + bT + cT²` by weighted least squares: the coefficients and their covariance.
fn parabola(points: &[CurvePoint]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let row = |t: f64| [1.0, t, t * t];
    let weight = |p: &CurvePoint| p.value.std_error.powi(-2);
    let normal: Vec<Vec<f64>> = (0..3)
        .map(|i| {
            (0..3)
                .map(|j| {
                    points
                        .iter()
                        .map(|p| weight(p) * row(p.temperature)[i] * row(p.temperature)[j])
                        .sum()
                })
                .collect()
        })
        .collect();
    let right: Vec<f64> = (0..3)
        .map(|i| {
            points
                .iter()
                .map(|p| weight(p) * row(p.temperature)[i] * p.value.value)
                .sum()
        })
        .collect();
    let covariance = (0..3)
        .map(|i| {
            let unit = (0..3).map(|j| f64::from(u8::from(i == j))).collect();
            solve(normal.clone(), unit)
        })
        .collect();
    (solve(normal, right), covariance)
}

/// Location, its error, height, its error, from the fit in plain temperatures.
fn summit(points: &[CurvePoint]) -> [f64; 4] {
    let (fit, covariance) = parabola(points);
    let (b, c) = (fit[1], fit[2]);
    let t = -b / (2.0 * c);
    let slope = [0.0, -0.5 / c, b / (2.0 * c * c)];
    let there = [1.0, t, t * t];
    let form = |v: &[f64; 3]| -> f64 {
        let mut sum = 0.0;
        for i in 0..3 {
            for j in 0..3 {
                sum += v[i] * covariance[i][j] * v[j];
            }
        }
        sum.sqrt()
    };
    [t, form(&slope), fit[0] + b * t + c * t * t, form(&there)]
}

/// Ten uneven points of a bent peak; the largest is the sixth, so that the third to the ninth are fitted.
fn bent() -> Vec<CurvePoint> {
    let temperatures = [0.1, 0.5, 0.7, 1.2, 1.5, 1.9, 2.2, 2.9, 3.1, 4.0];
    let off = [0.0, 0.3, -0.02, 0.01, -0.03, 0.02, 0.01, -0.01, 0.02, 0.9];
    let errors = [0.1, 0.2, 0.03, 0.01, 0.02, 0.05, 0.01, 0.04, 0.02, 0.1];
    (0..10)
        .map(|i| {
            let t: f64 = temperatures[i];
            at(t, 5.0 - 1.3 * (t - 1.95).powi(2) + off[i], errors[i])
        })
        .collect()
}

#[test]
fn a_peak_is_that_of_the_weighted_parabola_through_seven_points() {
    let curve = bent();
    let [t, dt, h, dh] = summit(&curve[2..9]);
    let mut shuffled = curve.clone();
    shuffled.reverse();
    shuffled.swap(1, 4);
    for points in [curve, shuffled] {
        let top = ready(peak(&points, PeakScale::Linear));
        assert_eq!(top.points, 7);
        same(top.location, est(t, dt, 700.0), 1e-9);
        same(top.height, est(h, dh, 700.0), 1e-9);
    }
}

/// `ln y` has the error `δy/y`, and the height that of its logarithm times itself.
#[test]
fn a_peak_on_a_logarithmic_scale_is_that_of_the_logarithms() {
    let curve: Vec<CurvePoint> = bent()
        .iter()
        .map(|p| {
            at(
                p.temperature,
                p.value.value.exp(),
                p.value.value.exp() * p.value.std_error,
            )
        })
        .collect();
    let [t, dt, h, dh] = summit(&bent()[2..9]);
    let top = ready(peak(&curve, PeakScale::Logarithmic));
    same(top.location, est(t, dt, 700.0), 1e-8);
    same(top.height, est(h.exp(), h.exp() * dh, 700.0), 1e-8);
    let mut curve = curve;
    curve[9].value.value = 0.0;
    assert_eq!(refused(peak(&curve, PeakScale::Logarithmic)), 0.0);
    assert!(peak(&curve, PeakScale::Linear).is_ok());
}

/// Without error bars: equal weights, and the variance of the scatter over n − 3.
#[test]
fn without_error_bars_the_scatter_gives_the_error() {
    let mut curve = bent();
    curve[4].value.std_error = 0.0;
    let mut alike: Vec<CurvePoint> = curve[2..9].to_vec();
    for p in &mut alike {
        p.value.std_error = 1.0;
    }
    let (fit, _) = parabola(&alike);
    let residual: f64 = alike
        .iter()
        .map(|p| {
            let t = p.temperature;
            (p.value.value - fit[0] - fit[1] * t - fit[2] * t * t).powi(2)
        })
        .sum();
    let scatter = (residual / 4.0).sqrt();
    let [t, dt, h, dh] = summit(&alike);
    let top = ready(peak(&curve, PeakScale::Linear));
    same(top.location, est(t, dt * scatter, 700.0), 1e-9);
    same(top.height, est(h, dh * scatter, 700.0), 1e-9);
    // Where the fit is perfect the scatter is rounding alone.
    let exact: Vec<CurvePoint> = [1.0, 2.0, 4.0]
        .map(|t| at(t, 6.0 * t - t * t, 0.0))
        .to_vec();
    assert_eq!(exact[1].value.value, 8.0);
    let mut exact = exact;
    exact.push(at(5.0, 5.0, 0.0));
    let top = ready(peak(&exact, PeakScale::Linear));
    near(top.location.value, 3.0, 1e-12);
    near(top.height.value, 9.0, 1e-12);
    assert_eq!(top.points, 4);
    assert!(top.location.std_error < 1e-12);
}

/// Through (−1, −h), (0, 0), (1, −h) with errors s: c = −h, of error s √6/2.
#[test]
fn a_curvature_within_three_errors_of_zero_is_no_peak() {
    let curve = |h: f64| [at(1.0, -h, 1.0), at(2.0, 0.0, 1.0), at(3.0, -h, 1.0)];
    let edge = 3.0 * 6_f64.sqrt() / 2.0;
    let top = ready(peak(&curve(edge + 1e-6), PeakScale::Linear));
    near(top.location.value, 2.0, 1e-12);
    assert_eq!(top.points, 3);
    assert!(matches!(
        peak(&curve(edge - 1e-6), PeakScale::Linear),
        Ok(Reading::Undefined(Reason::DividesByNoise(_)))
    ));
}

#[test]
fn a_peak_has_points_on_both_sides_and_lies_among_them() {
    let rising = [at(1.0, 1.0, 0.1), at(2.0, 2.0, 0.1), at(3.0, 3.5, 0.1)];
    let falling = [at(1.0, 3.0, 0.1), at(2.0, 2.0, 0.1), at(3.0, -1.0, 0.1)];
    // Told as such, though the first is bent upward and has no parabola with a summit either.
    for curve in [rising, falling] {
        assert!(matches!(
            peak(&curve, PeakScale::Linear),
            Ok(Reading::Undefined(Reason::Meaningless(_)))
        ));
    }
    assert_eq!(pending(peak(&rising[..2], PeakScale::Linear)), (2, 3));
    assert_eq!(pending(peak(&[], PeakScale::Linear)), (0, 3));
    // −(T − 6)² at 0, 1, 3 and 4, and a wild point of no weight at 2: the summit is at 6. At −2 it is from 0 − 2.
    for summit in [6.0, -2.0] {
        let mut curve: Vec<CurvePoint> = [0.0, 1.0, 3.0, 4.0]
            .map(|t: f64| at(t, -(t - summit).powi(2), 1e-3))
            .to_vec();
        curve.push(at(2.0, 100.0, 1e5));
        assert!(matches!(
            peak(&curve, PeakScale::Linear),
            Ok(Reading::Undefined(Reason::Meaningless(_)))
        ));
    }
    // At 3.9 it is within the points.
    let mut curve: Vec<CurvePoint> = [0.0, 1.0, 3.0, 4.0]
        .map(|t: f64| at(t, -(t - 3.9_f64).powi(2), 1e-3))
        .to_vec();
    curve.push(at(2.0, 100.0, 1e6));
    let top = ready(peak(&curve, PeakScale::Linear));
    near(top.location.value, 3.9, 1e-6);
}

#[test]
fn curves_are_checked() {
    let good = [at(1.0, 1.0, 0.1), at(2.0, 2.0, 0.1), at(3.0, 1.5, 0.1)];
    let spoil = |f: &dyn Fn(&mut CurvePoint)| {
        let mut points = good;
        f(&mut points[1]);
        peak(&points, PeakScale::Linear)
    };
    assert!(spoil(&|_| ()).is_ok());
    for field in 0..3 {
        let set = |p: &mut CurvePoint, x: f64| match field {
            0 => p.temperature = x,
            1 => p.value.value = x,
            _ => p.value.std_error = x,
        };
        assert!(spoil(&|p| set(p, 1e100)).is_ok());
        assert!(matches!(
            spoil(&|p| set(p, 1.1e100)),
            Err(Error::Overflow { largest, .. }) if largest == 1.1e100
        ));
        assert!(matches!(
            spoil(&|p| set(p, f64::INFINITY)),
            Err(Error::NonFinite { index: 1, .. })
        ));
        if field < 2 {
            assert!(matches!(
                spoil(&|p| set(p, -1.1e100)),
                Err(Error::Overflow { .. })
            ));
        }
    }
    assert_eq!(refused(spoil(&|p| p.value.std_error = -0.5)), -0.5);
    assert_eq!(refused(spoil(&|p| p.value.n_eff = -1.0)), -1.0);
    assert!(matches!(
        spoil(&|p| p.temperature = 3.0),
        Err(Error::Conflict { .. })
    ));
    // Equal temperatures that do not stand together are found all the same.
    assert!(matches!(
        spoil(&|p| p.temperature = 1.0),
        Err(Error::Conflict { .. })
    ));
}

/// 2 − 2T, known at 0 and 4, against −1, known at 1 and 3: at 3/2, a quarter of the way from 1 to 3.
#[test]
fn a_crossing_is_that_of_straight_lines_with_its_error() {
    let mut first = [at(4.0, -6.0, 0.2), at(0.0, 2.0, 0.1)];
    first[1].value.n_eff = 30.0;
    let second = [at(1.0, -1.0, 0.05), at(3.0, -1.0, 0.15)];
    // Errors of the difference at 1 and at 3, where the first line is a quarter and three quarters along.
    let e0 = (0.075_f64.powi(2) + 0.05_f64.powi(2) + 0.05_f64.powi(2)).sqrt();
    let e1 = (0.025_f64.powi(2) + 0.15_f64.powi(2) + 0.15_f64.powi(2)).sqrt();
    // The difference falls by 2 a degree.
    let error = ((0.75 * e0).powi(2) + (0.25 * e1).powi(2)).sqrt() / 2.0;
    same(
        ready(crossing(&first, &second)),
        est(1.5, error, 30.0),
        1e-12,
    );
    same(
        ready(crossing(&second, &first)),
        est(1.5, error, 30.0),
        1e-12,
    );
}

/// Between ∓10⁻²⁵⁰ and 0 the place is certain and its error, 10¹⁰⁰ over that, is beyond all numbers.
#[test]
fn a_crossing_whose_error_leaves_the_range_is_none() {
    let zero = [at(0.0, 0.0, 0.0), at(1.0, 0.0, 0.0)];
    let steep = |error| [at(0.0, -1e-250, error), at(1.0, 1e-250, error)];
    assert_eq!(ready(crossing(&steep(0.0), &zero)).value, 0.5);
    assert!(undefined(&crossing(&steep(1e100), &zero)));
}

#[test]
fn curves_that_cross_twice_or_never_have_no_transition() {
    let flat = [at(0.0, 0.0, 0.1), at(4.0, 0.0, 0.1)];
    let bump = [at(0.0, -1.0, 0.1), at(2.0, 1.0, 0.1), at(4.0, -1.0, 0.1)];
    let above = [at(0.0, 1.0, 0.1), at(4.0, 2.0, 0.1)];
    let touching = [at(0.0, 1.0, 0.1), at(2.0, 0.0, 0.1), at(4.0, 1.0, 0.1)];
    for other in [&bump[..], &above, &touching] {
        assert!(undefined(&crossing(&flat, other)));
        assert!(undefined(&crossing(other, &flat)));
    }
    // Through a point of the grid: there, with the error of that point.
    let through = [at(0.0, -1.0, 0.1), at(2.0, 0.0, 0.3), at(4.0, 3.0, 0.1)];
    let found = ready(crossing(&through, &flat));
    // From −1 to 0 over two degrees: a slope of ½; all weight is on the second end, where flat has 0.1/√2.
    same(
        found,
        est(2.0, (0.09_f64 + 0.005).sqrt() / 0.5, 100.0),
        1e-12,
    );
    // One shared temperature, or none.
    assert_eq!(
        pending(crossing(&flat, &[at(4.0, 1.0, 0.1), at(5.0, 2.0, 0.1)])),
        (1, 2)
    );
    assert_eq!(
        pending(crossing(&flat, &[at(4.5, 1.0, 0.1), at(5.0, 2.0, 0.1)])),
        (0, 2)
    );
}

#[test]
fn latent_heat_is_the_gap_at_the_transition() {
    let mut heating = [at(1.0, -3.0, 0.1), at(3.0, -1.0, 0.2)];
    heating[1].value.n_eff = 7.0;
    let cooling = [at(1.0, 0.0, 0.3), at(2.0, 0.5, 0.4), at(3.0, 5.0, 0.5)];
    let branches = Branches {
        heating: &heating,
        cooling: &cooling,
    };
    // At 1.5: −2.5 with errors 3/4 · 0.1 and 1/4 · 0.2, and 0.25 with halves of 0.3 and 0.4.
    let error = (0.075_f64.powi(2) + 0.05_f64.powi(2) + 0.15_f64.powi(2) + 0.2_f64.powi(2)).sqrt();
    same(
        ready(latent_heat(&branches, 1.5)),
        est(2.75, error, 7.0),
        1e-12,
    );
    // At the points themselves: theirs.
    let last = (0.2_f64.powi(2) + 0.5_f64.powi(2)).sqrt();
    same(
        ready(latent_heat(&branches, 3.0)),
        est(6.0, last, 7.0),
        1e-12,
    );
    let first = (0.1_f64.powi(2) + 0.3_f64.powi(2)).sqrt();
    same(
        ready(latent_heat(&branches, 1.0)),
        est(3.0, first, 100.0),
        1e-12,
    );
    assert!(undefined(&latent_heat(&branches, 0.99)));
    assert!(undefined(&latent_heat(&branches, 3.01)));
    assert_eq!(refused(latent_heat(&branches, 0.0)), 0.0);
    let short = Branches {
        heating: &heating[..1],
        cooling: &cooling,
    };
    assert!(undefined(&latent_heat(&short, 2.0)));
}

/// A piecewise straight line at a temperature.
fn line(points: &[(f64, f64)], t: f64) -> f64 {
    let i = points
        .iter()
        .rposition(|p| p.0 <= t)
        .unwrap()
        .min(points.len() - 2);
    let (a, b) = (points[i], points[i + 1]);
    a.1 + (b.1 - a.1) * (t - a.0) / (b.0 - a.0)
}

/// Its integral, by trapezia between all its points inside.
fn area(points: &[(f64, f64)], low: f64, high: f64) -> f64 {
    let mut grid: Vec<f64> = points
        .iter()
        .map(|p| p.0)
        .filter(|t| *t > low && *t < high)
        .collect();
    grid.insert(0, low);
    grid.push(high);
    grid.windows(2)
        .map(|w| 0.5 * (w[1] - w[0]) * (line(points, w[0]) + line(points, w[1])))
        .sum()
}

/// The error of that integral: it is linear in each value.
fn area_error(points: &[CurvePoint], low: f64, high: f64) -> f64 {
    (0..points.len())
        .map(|i| {
            let unit: Vec<(f64, f64)> = points
                .iter()
                .enumerate()
                .map(|(j, p)| (p.temperature, f64::from(u8::from(i == j))))
                .collect();
            (area(&unit, low, high) * points[i].value.std_error).powi(2)
        })
        .sum::<f64>()
        .sqrt()
}

#[test]
fn a_loop_has_the_area_between_its_branches_and_the_width_half_way() {
    let mut heating = [
        at(0.5, -1.0, 0.1),
        at(1.5, -0.8, 0.2),
        at(2.5, -0.3, 0.15),
        at(3.1, 0.9, 0.05),
        at(5.0, 1.0, 0.3),
    ];
    let cooling = [
        at(0.2, -0.9, 0.12),
        at(0.9, 0.4, 0.22),
        at(2.0, 0.6, 0.07),
        at(4.4, 0.8, 0.17),
    ];
    heating[2].value.n_eff = 11.0;
    let plain = |points: &[CurvePoint]| -> Vec<(f64, f64)> {
        points
            .iter()
            .map(|p| (p.temperature, p.value.value))
            .collect()
    };
    let (low, high) = (0.5, 4.4);
    let between = area(&plain(&cooling), low, high) - area(&plain(&heating), low, high);
    let error = area_error(&cooling, low, high).hypot(area_error(&heating, low, high));
    // Half way between −1 and 1 is 0: heating passes a quarter of the way from 2.5 to 3.1, cooling 9/13 of that from 0.2 to
    // 0.9. Errors: that of the straight line there over its slope, and the distance of the points over √12.
    let up = 2.5 + 0.25 * 0.6;
    let up_error = ((0.75_f64 * 0.15).hypot(0.25 * 0.05) * 0.6 / 1.2).hypot(0.6 / 12_f64.sqrt());
    let share: f64 = 9.0 / 13.0;
    let down = 0.2 + share * 0.7;
    let down_error =
        (((1.0 - share) * 0.12).hypot(share * 0.22) * 0.7 / 1.3).hypot(0.7 / 12_f64.sqrt());
    let mut reversed = cooling;
    reversed.reverse();
    for cooling in [cooling, reversed] {
        let found = ready(hysteresis(&Branches {
            heating: &heating,
            cooling: &cooling,
        }));
        same(found.area, est(between, error, 11.0), 1e-12);
        same(
            found.width,
            est(up - down, up_error.hypot(down_error), 11.0),
            1e-12,
        );
    }
}

/// Of several passages the steepest counts: 0 to 3 in half a degree, not in one.
#[test]
fn a_branch_passes_where_it_is_steepest() {
    let heating = [
        at(1.0, 0.0, 0.0),
        at(2.0, 3.0, 0.0),
        at(3.0, 0.0, 0.0),
        at(3.5, 3.0, 0.0),
        at(5.0, 0.0, 0.0),
    ];
    let cooling = [at(1.0, 0.0, 0.0), at(1.4, 3.0, 0.0), at(5.0, 3.0, 0.0)];
    let found = ready(hysteresis(&Branches {
        heating: &heating,
        cooling: &cooling,
    }));
    near(found.width.value, 3.25 - 1.2, 1e-12);
    near(
        found.width.std_error,
        (0.5_f64 / 12_f64.sqrt()).hypot(0.4 / 12_f64.sqrt()),
        1e-12,
    );
}

#[test]
fn a_loop_needs_three_points_a_branch_that_overlap_and_pass_half_way() {
    let branch = |from: f64, values: [f64; 3]| -> Vec<CurvePoint> {
        (0..3)
            .map(|i| at(from + i as f64, values[i], 0.1))
            .collect()
    };
    let ask = |a: &[CurvePoint], b: &[CurvePoint]| {
        hysteresis(&Branches {
            heating: a,
            cooling: b,
        })
    };
    let (a, b) = (branch(1.0, [0.0, 0.0, 1.0]), branch(1.0, [0.0, 1.0, 1.0]));
    assert!(ask(&a, &b).is_ok_and(|r| r.ready().is_some()));
    assert_eq!(pending(ask(&a[..2], &b)), (2, 3));
    assert_eq!(pending(ask(&a, &b[1..])), (2, 3));
    // They share one temperature, then none.
    assert!(undefined(&ask(&a, &branch(3.0, [0.0, 1.0, 1.0]))));
    assert!(undefined(&ask(&a, &branch(4.0, [0.0, 1.0, 1.0]))));
    assert!(ask(&a, &branch(2.5, [0.0, 1.0, 1.0])).is_ok_and(|r| r.ready().is_some()));
    assert!(undefined(&ask(&branch(1.0, [0.0, 0.1, 0.2]), &b)));
    assert!(undefined(&ask(&a, &branch(1.0, [0.6, 0.7, 0.9]))));
}

/// A straight line in rate^(2/3) by weighted least squares: limit, slope, and their errors.
fn ramp_fit(ramps: &[RampPoint]) -> [f64; 4] {
    let x = |r: &RampPoint| r.rate.cbrt().powi(2);
    let sum = |f: &dyn Fn(&RampPoint) -> f64| -> f64 {
        ramps.iter().map(|r| f(r) / r.size.std_error.powi(2)).sum()
    };
    let normal = vec![
        vec![sum(&|_| 1.0), sum(&x)],
        vec![sum(&x), sum(&|r| x(r) * x(r))],
    ];
    let right = vec![sum(&|r| r.size.value), sum(&|r| x(r) * r.size.value)];
    let fit = solve(normal.clone(), right);
    let (p, q) = (
        solve(normal.clone(), vec![1.0, 0.0]),
        solve(normal, vec![0.0, 1.0]),
    );
    [fit[0], p[0].sqrt(), fit[1], q[1].sqrt()]
}

#[test]
fn a_ramp_trend_is_the_weighted_line_in_the_two_thirds_power() {
    let ramps: Vec<RampPoint> = [
        (0.3, 1.9, 0.1),
        (0.02, 0.7, 0.05),
        (0.005, 0.66, 0.02),
        (0.11, 1.1, 0.2),
    ]
    .iter()
    .map(|&(rate, value, std_error)| RampPoint {
        rate,
        size: est(value, std_error, 9.0),
    })
    .collect();
    let [limit, limit_error, slope, slope_error] = ramp_fit(&ramps);
    let found = ready(ramp_trend(&ramps));
    same(found.limit, est(limit, limit_error, 4.0), 1e-11);
    same(found.slope, est(slope, slope_error, 4.0), 1e-11);
    assert_eq!(found.slow_ramp, SlowRamp::Stays);
}

/// The same loops moved up or down move the limit and nothing else: its significance is chosen so.
#[test]
fn what_a_slow_ramp_leaves_is_told_by_standard_errors() {
    let rates = [0.008, 0.064, 0.125, 1.0];
    let ramps = |limit: f64, slope: f64| -> Vec<RampPoint> {
        rates
            .map(|rate: f64| RampPoint {
                rate,
                size: est(limit + slope * rate.cbrt().powi(2), 0.1, 9.0),
            })
            .to_vec()
    };
    let [_, limit, _, slope] = ramp_fit(&ramps(0.0, 0.0));
    let told = |a: f64, b: f64| ready(ramp_trend(&ramps(a * limit, b * slope))).slow_ramp;
    for (a, b, expected) in [
        (3.01, 0.0, SlowRamp::Stays),
        (3.01, 9.0, SlowRamp::Stays),
        (2.99, 9.0, SlowRamp::Undecided),
        (2.01, 9.0, SlowRamp::Undecided),
        (1.99, 9.0, SlowRamp::Shrinks),
        (0.0, 3.01, SlowRamp::Shrinks),
        (0.0, 2.99, SlowRamp::Undecided),
        (-1.99, 9.0, SlowRamp::Shrinks),
        (-2.01, 9.0, SlowRamp::Undecided),
        (0.0, -9.0, SlowRamp::Undecided),
    ] {
        assert_eq!(told(a, b), expected, "{a} {b}");
    }
}

#[test]
fn ramps_are_checked() {
    let ramp = |rate, value, std_error| RampPoint {
        rate,
        size: est(value, std_error, 9.0),
    };
    let good = [
        ramp(0.1, 1.0, 0.1),
        ramp(0.2, 1.1, 0.1),
        ramp(0.4, 1.2, 0.1),
    ];
    assert!(ramp_trend(&good).is_ok_and(|r| r.ready().is_some()));
    assert_eq!(pending(ramp_trend(&good[..2])), (2, 3));
    assert!(undefined(&ramp_trend(&[good[1]; 3])));
    let with = |p: RampPoint| ramp_trend(&[good[0], good[1], good[2], p]);
    assert_eq!(refused(with(ramp(0.0, 1.0, 0.1))), 0.0);
    assert_eq!(refused(with(ramp(1.0, 1.0, 0.0))), 0.0);
    assert!(with(ramp(1.0, 1e100, 0.1)).is_ok());
    for bad in [1.1e100, -1.1e100, f64::INFINITY] {
        assert!(matches!(
            with(ramp(1.0, bad, 0.1)),
            Err(Error::NonFinite { index: 3, value, .. }) if value == bad
        ));
    }
    let mut uncounted = good[0];
    uncounted.size.n_eff = -2.0;
    assert_eq!(refused(with(uncounted)), -2.0);
}
