//! Values by hand, closed forms and boundaries: early warning.

use super::*;
use thermograd::Reason;
use thermograd::phase_transition::change_point::{
    EarlyWarningConfig, RollingMoments, early_warning,
};

/// The line of least squares taken off, by its normal equations.
fn off_the_line(x: &[f64]) -> Vec<f64> {
    let n = x.len() as f64;
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().enumerate().map(|(i, x)| f(i as f64, *x)).sum()
    };
    let line = solve(
        vec![
            vec![n, sum(&|t, _| t)],
            vec![sum(&|t, _| t), sum(&|t, _| t * t)],
        ],
        vec![sum(&|_, x| x), sum(&|t, x| t * x)],
    );
    x.iter()
        .enumerate()
        .map(|(i, x)| x - line[0] - line[1] * i as f64)
        .collect()
}

/// Variance, over n − 2, and lag-1 autocorrelation about the line.
fn moments(x: &[f64]) -> (f64, f64) {
    let r = off_the_line(x);
    let square: f64 = r.iter().map(|r| r * r).sum();
    let product: f64 = r.windows(2).map(|w| w[0] * w[1]).sum();
    (square / (x.len() as f64 - 2.0), product / square)
}

fn kendall(x: &[f64]) -> f64 {
    let n = x.len();
    let mut score = 0.0;
    for i in 0..n {
        for j in i + 1..n {
            score += f64::from(i8::from(x[j] > x[i]) - i8::from(x[j] < x[i]));
        }
    }
    score / (0.5 * n as f64 * (n as f64 - 1.0))
}

/// Windows from the first to the last place, as even as whole numbers allow.
fn rolling(x: &[f64], window: usize, windows: usize) -> (Vec<f64>, Vec<f64>) {
    let last = x.len() - window;
    (0..windows)
        .map(|i| {
            let from = last * i / (windows - 1);
            moments(&x[from..from + window])
        })
        .unzip()
}

fn softening(n: usize, seed: u64) -> Vec<f64> {
    let (mut random, mut w) = (Random::new(seed), 0.0);
    (0..n)
        .map(|t| {
            w = 0.6 * t as f64 / n as f64 * w + random.normal();
            w + 0.01 * t as f64
        })
        .collect()
}

#[test]
fn trends_and_their_significance_are_those_of_a_slow_computation() {
    let n = 230;
    for (window, block, seed) in [
        (None, Some(7), 3),
        (Some(40), None, 4),
        (Some(16), Some(23), 5),
    ] {
        let x = softening(n, 10 + seed);
        let mut config = EarlyWarningConfig::default().surrogates(19).seed(seed);
        config.windows = 12;
        config.window = window;
        config.block = block;
        let found = ready(early_warning(&x, &config));
        let residuals = off_the_line(&x);
        let window = window.unwrap_or(n / 2);
        let block = block.unwrap_or_else(|| (10.0 * inefficiency(&residuals)).ceil() as usize);
        assert_eq!(found.block, block);
        let (v, r) = rolling(&x, window, 12);
        let (tau_v, tau_r) = (kendall(&v), kendall(&r));
        for (trend, values, tau) in [
            (found.variance, &v, tau_v),
            (found.autocorrelation, &r, tau_r),
        ] {
            near(trend.kendall_tau, tau, 1e-12);
            near(trend.first, values[0], 1e-8);
            near(trend.last, values[11], 1e-8);
        }
        // Surrogates: blocks from random places, round the end of the series, until it is as long.
        let mut random = Random::new(seed);
        let (mut as_high_v, mut as_high_r) = (1.0, 1.0);
        for _ in 0..19 {
            let mut surrogate = Vec::new();
            while surrogate.len() < n {
                let from = random.below(n);
                surrogate.extend((0..block).map(|i| residuals[(from + i) % n]));
            }
            let (v, r) = rolling(&surrogate[..n], window, 12);
            as_high_v += f64::from(u8::from(kendall(&v) >= tau_v));
            as_high_r += f64::from(u8::from(kendall(&r) >= tau_r));
        }
        near(found.variance.p_value, as_high_v / 20.0, 1e-12);
        near(found.autocorrelation.p_value, as_high_r / 20.0, 1e-12);
    }
}

/// A noise that grows without end has a variance that rises in every window: no surrogate does.
#[test]
fn a_rise_that_no_surrogate_shows_has_the_least_p_value() {
    let growing: Vec<f64> = softening(800, 1)
        .iter()
        .enumerate()
        .map(|(t, x)| (x - 0.01 * t as f64) * (1.0 + 0.05 * t as f64))
        .collect();
    let mut falling = growing.clone();
    falling.reverse();
    let config = EarlyWarningConfig::default()
        .surrogates(39)
        .block(20)
        .window(200);
    let rise = ready(early_warning(&growing, &config)).variance;
    assert!(rise.kendall_tau > 0.9 && rise.last > 4.0 * rise.first);
    near(rise.p_value, 1.0 / 40.0, 1e-14);
    let fall = ready(early_warning(&falling, &config)).variance;
    near(fall.kendall_tau, -rise.kendall_tau, 1e-9);
    near(fall.first, rise.last, 1e-9);
    near(fall.p_value, 1.0, 1e-14);
    // Neither the unit nor a straight line in time matters.
    let moved: Vec<f64> = growing
        .iter()
        .enumerate()
        .map(|(t, x)| 4.0 * x + 100.0 - 3.0 * t as f64)
        .collect();
    let same = ready(early_warning(&moved, &config)).variance;
    near(same.first, 16.0 * rise.first, 1e-9);
    near(same.kendall_tau, rise.kendall_tau, 1e-12);
}

#[test]
fn a_search_keeps_to_its_ranges() {
    let x = softening(200, 2);
    let ask = |set: &dyn Fn(&mut EarlyWarningConfig)| {
        let mut config = EarlyWarningConfig::default()
            .surrogates(19)
            .block(5)
            .window(16);
        config.windows = 10;
        set(&mut config);
        early_warning(&x, &config)
    };
    assert!(ask(&|_| ()).is_ok_and(|r| r.ready().is_some()));
    assert_eq!(refused(ask(&|c| c.windows = 9)), 9.0);
    assert_eq!(refused(ask(&|c| c.windows = 10_001)), 10_001.0);
    assert_eq!(pending(ask(&|c| c.windows = 10_000)), (200, 10_016));
    assert_eq!(refused(ask(&|c| c.surrogates = 18)), 18.0);
    assert_eq!(refused(ask(&|c| c.surrogates = 10_001)), 10_001.0);
    assert_eq!(refused(ask(&|c| c.window = Some(15))), 15.0);
    assert_eq!(refused(ask(&|c| c.block = Some(0))), 0.0);
    assert!(ask(&|c| c.block = Some(1)).is_ok_and(|r| r.ready().is_some()));
    let most = 1_usize << 24;
    for set in [
        |c: &mut EarlyWarningConfig, n: usize| c.window = Some(n),
        |c: &mut EarlyWarningConfig, n: usize| c.block = Some(n),
    ] {
        assert!(ask(&|c| set(c, most)).is_ok());
        assert_eq!(refused(ask(&|c| set(c, most + 1))), 16_777_217.0);
    }
    assert!(matches!(
        early_warning(&[0.0, f64::NAN], &EarlyWarningConfig::default()),
        Err(Error::NonFinite { index: 1, .. })
    ));
}

#[test]
fn a_search_needs_its_windows_and_eight_blocks() {
    let x = softening(300, 2);
    let mut config = EarlyWarningConfig::default()
        .surrogates(19)
        .block(5)
        .window(20);
    config.windows = 30;
    assert_eq!(pending(early_warning(&x[..49], &config)), (49, 50));
    assert!(early_warning(&x[..50], &config).is_ok_and(|r| r.ready().is_some()));
    // Half the series, 16 at least.
    config.window = None;
    assert_eq!(pending(early_warning(&x[..20], &config)), (20, 46));
    assert_eq!(pending(early_warning(&x[..58], &config)), (58, 59));
    assert!(early_warning(&x[..59], &config).is_ok_and(|r| r.ready().is_some()));
}

#[test]
fn a_search_needs_eight_blocks_to_draw_from() {
    let x = softening(300, 2);
    let mut config = EarlyWarningConfig::default().surrogates(19).window(20);
    config.windows = 10;
    config.block = Some(38);
    assert_eq!(pending(early_warning(&x, &config)), (300, 304));
    config.block = Some(37);
    assert!(early_warning(&x, &config).is_ok_and(|r| r.ready().is_some()));
    // A constant window, or one on a straight line.
    for slope in [0.0, 3.0] {
        let line: Vec<f64> = (0..300).map(|t| 5.0 + slope * f64::from(t)).collect();
        assert!(matches!(
            early_warning(&line, &config),
            Ok(Reading::Undefined(Reason::Degenerate(_)))
        ));
    }
}

#[test]
fn builders_set_what_they_name() {
    let config = EarlyWarningConfig::default();
    assert_eq!(
        (
            config.window,
            config.windows,
            config.surrogates,
            config.block,
            config.seed
        ),
        (None, 60, 199, None, 0)
    );
    let config = config.window(33).surrogates(44).block(55).seed(66);
    assert_eq!(
        (
            config.window,
            config.windows,
            config.surrogates,
            config.block,
            config.seed
        ),
        (Some(33), 60, 44, Some(55), 66)
    );
}

#[test]
fn rolling_moments_are_those_of_the_last_elements() {
    for window in [4, 5, 9] {
        let x = softening(40, 6);
        let mut rolling = RollingMoments::new(window).unwrap();
        for (t, value) in x.iter().enumerate() {
            if t < window {
                for reading in [rolling.variance(), rolling.autocorrelation()] {
                    assert_eq!(pending(Ok(reading)), (t as u64, window as u64));
                }
            }
            rolling.push(*value).unwrap();
            assert!(rolling.push(f64::NAN).is_err());
            if t + 1 >= window {
                let (v, r) = moments(&x[t + 1 - window..=t]);
                near(ready(Ok(rolling.variance())), v, 1e-10);
                near(ready(Ok(rolling.autocorrelation())), r, 1e-9);
            }
        }
    }
    for bad in [0, 3, (1 << 24) + 1] {
        assert_eq!(refused(RollingMoments::new(bad)), bad as f64);
    }
    assert!(RollingMoments::new(1 << 24).is_ok());
}

/// Of a straight line nothing is left but rounding.
#[test]
fn a_straight_window_is_constant() {
    for (from, slope) in [(0.0, 0.0), (7.0, 0.0), (1e6, 0.1), (-3.0, 1.0)] {
        let mut rolling = RollingMoments::new(6).unwrap();
        for t in 0..6 {
            rolling.push(from + slope * f64::from(t)).unwrap();
        }
        assert!(undefined(&Ok(rolling.variance())), "{from} {slope}");
        assert!(undefined(&Ok(rolling.autocorrelation())), "{from} {slope}");
    }
    // One part in 10⁹ is more than that.
    let mut rolling = RollingMoments::new(6).unwrap();
    for t in 0..6 {
        let bump = f64::from(u8::from(t == 2));
        rolling.push(1e3 + 1e-6 * bump).unwrap();
    }
    let bump = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    near(
        ready(Ok(rolling.variance())),
        1e-12 * moments(&bump).0,
        1e-5,
    );
}
