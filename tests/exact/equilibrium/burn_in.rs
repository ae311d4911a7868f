//! Values by hand, closed forms and boundaries: burn in.

use super::{mean, memory, near, noise, refused};
use thermograd::equilibrium::{
    BurnIn, InitialSequenceConfig, LagGrid, LagWindow, Objective, Truncation, WindowConfig,
    detect_by_initial_sequence, detect_by_window, detect_equilibration, mser, mser5,
};
use thermograd::{Error, Reading};

/// From 8 down to noise.
fn settling(n: usize, seed: u64) -> Vec<f64> {
    let noise = memory(n, 0.4, seed);
    let fall = |(t, e): (usize, f64)| 8.0 * (-(t as f64) / 6.0).exp() + e;
    noise.into_iter().enumerate().map(fall).collect()
}

/// γ at a lag of what begins at `start`, about the common mean of all replicas.
fn gamma(replicas: &[&[f64]], start: usize, lag: usize) -> f64 {
    let kept: Vec<&[f64]> = replicas.iter().map(|r| &r[start..]).collect();
    let all = kept.concat();
    let centre = mean(&all);
    let of = |r: &&[f64]| {
        let later = r.get(lag..).unwrap_or(&[]);
        let pairs = r.iter().zip(later);
        pairs.map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>()
    };
    kept.iter().map(of).sum::<f64>() / all.len() as f64
}

/// The first of the starts with the least error, of the long-run variances given.
fn best(replicas: &[&[f64]], long: &[f64], objective: Objective) -> (usize, f64, f64) {
    let n = replicas[0].len();
    let size = |start: usize| ((n - start) * replicas.len()) as f64;
    let error = |start: usize| {
        let own = gamma(replicas, start, 0);
        let error = long[start].max(own) / size(start);
        match objective {
            Objective::EffectiveSize => error / own,
            _ => error,
        }
    };
    let origin = (0..long.len()).fold(0, |best, s| if error(s) < error(best) { s } else { best });
    let g = (long[origin] / gamma(replicas, origin, 0)).max(1.0);
    (origin, g, size(origin) / g)
}

#[track_caller]
fn same(found: &Reading<BurnIn>, expected: (usize, f64, f64)) {
    let found = found.ready().unwrap();
    assert_eq!(found.origin, expected.0);
    near(found.inefficiency, expected.1, 1e-9);
    near(found.n_eff, expected.2, 1e-9);
}

fn last(n: usize, margin: usize, padding: f64) -> usize {
    (n - margin).min(super::whole((n as f64 * (1.0 - padding)).round_ties_even()))
}

#[test]
fn a_bartlett_window_finds_the_least_error() {
    let (a, b) = (settling(70, 1), settling(70, 2));
    let replicas: [&[&[f64]]; 2] = [&[&a], &[&a, &b]];
    for replicas in replicas {
        for (window, margin) in [
            (LagWindow::SquareRoot, 2),
            (LagWindow::Fixed(1), 2),
            (LagWindow::Fixed(7), 8),
        ] {
            for objective in [Objective::SquaredError, Objective::EffectiveSize] {
                for padding in [0.0, 0.1, 0.95] {
                    let mut config = WindowConfig::default();
                    (config.window, config.objective) = (window, objective);
                    config.padding = padding;
                    let long: Vec<f64> = (0..=last(70, margin, padding))
                        .map(|s| {
                            let width = match window {
                                LagWindow::Fixed(lags) => lags,
                                _ => super::whole(((70 - s) as f64).sqrt().round_ties_even()),
                            };
                            let weight = |t: usize| 1.0 - t as f64 / width as f64;
                            let term = |t| 2.0 * weight(t) * gamma(replicas, s, t);
                            gamma(replicas, s, 0) + (1..width).map(term).sum::<f64>()
                        })
                        .collect();
                    let found = detect_by_window(replicas, &config).unwrap();
                    same(&found, best(replicas, &long, objective));
                }
            }
        }
    }
}

/// Noise that falls to a hundredth with the last three values and to nothing with the last two:
/// the last start that is tried is best, as long as it is one of them.
#[test]
fn the_last_start_leaves_room_for_its_lags() {
    let mut x = noise(60, 11);
    x[57..].copy_from_slice(&[0.01, 1e-6, 2e-6]);
    let mut config = InitialSequenceConfig::default();
    let mut window = WindowConfig::default();
    (config.padding, window.padding) = (0.0, 0.0);
    let mut by_pairs = |kept| {
        config.kept_pairs = kept;
        let found = detect_by_initial_sequence(&[&x], &config).unwrap();
        found.ready().unwrap().origin
    };
    assert_eq!((by_pairs(0), by_pairs(1), by_pairs(2)), (58, 58, 57));
    assert!(by_pairs(3) < 57);
    let mut by_window = |lags| {
        window.window = lags;
        let found = detect_by_window(&[&x], &window).unwrap();
        found.ready().unwrap().origin
    };
    assert_eq!(by_window(LagWindow::SquareRoot), 58);
    assert_eq!(by_window(LagWindow::Fixed(1)), 58);
    assert_eq!(by_window(LagWindow::Fixed(2)), 57);
    assert!(by_window(LagWindow::Fixed(3)) < 57);
}

#[test]
fn an_initial_sequence_finds_the_least_error() {
    let (a, b) = (settling(60, 3), settling(60, 4));
    let replicas: [&[&[f64]]; 2] = [&[&a], &[&a, &b]];
    for replicas in replicas {
        for (rule, kept) in [
            (Truncation::InitialPositive, 3),
            (Truncation::InitialMonotone, 0),
            (Truncation::InitialConvex, 3),
            (Truncation::InitialPositive, 9),
        ] {
            for objective in [Objective::SquaredError, Objective::EffectiveSize] {
                let mut config = InitialSequenceConfig::default();
                (config.rule, config.objective) = (rule, objective);
                config.kept_pairs = kept;
                let until = last(60, 1 + kept.max(1), 0.1);
                let long: Vec<f64> = (0..=until)
                    .map(|s| {
                        let mut pairs: Vec<f64> = Vec::new();
                        for m in 0..((60 - s) / 2).max(1) {
                            let lag = |t| gamma(replicas, s, t);
                            let pair = lag(2 * m) + lag(2 * m + 1);
                            if pair < 0.0 && m > kept {
                                break;
                            }
                            pairs.push(pair);
                        }
                        bend(rule, &mut pairs);
                        2.0 * pairs.iter().sum::<f64>() - gamma(replicas, s, 0)
                    })
                    .collect();
                let found = detect_by_initial_sequence(replicas, &config).unwrap();
                same(&found, best(replicas, &long, objective));
            }
        }
    }
}

/// The running minimum, and the lowest chord over each place.
fn bend(rule: Truncation, pairs: &mut [f64]) {
    if rule != Truncation::InitialPositive {
        for m in 1..pairs.len() {
            pairs[m] = pairs[m].min(pairs[m - 1]);
        }
    }
    if rule == Truncation::InitialConvex {
        let above = pairs.to_vec();
        for (m, pair) in pairs.iter_mut().enumerate() {
            for i in 0..=m {
                for j in m + 1..above.len() {
                    let share = (m - i) as f64 / (j - i) as f64;
                    *pair = pair.min(above[i] + share * (above[j] - above[i]));
                }
            }
        }
    }
}

/// Σ(y − ȳ)²/(b − d)² over the batch means from d on, d up to half of them.
#[test]
fn mser_finds_the_least_marginal_error() {
    for (n, batch, seed) in [(60, 1, 1), (61, 5, 2), (87, 4, 3), (103, 10, 4)] {
        let x = settling(n, seed);
        let means: Vec<f64> = x.chunks_exact(batch).map(mean).collect();
        let b = means.len();
        let error = |d: usize| {
            let kept = &means[d..];
            let centre = mean(kept);
            let squares: f64 = kept.iter().map(|y| (y - centre).powi(2)).sum();
            squares / ((b - d) as f64).powi(2)
        };
        let best = (0..=b / 2).fold(0, |best, d| if error(d) < error(best) { d } else { best });
        assert!(best < b / 2);
        assert_eq!(mser(&x, batch).unwrap(), Reading::Ready(best * batch));
        if batch == 5 {
            assert_eq!(mser5(&x).unwrap(), Reading::Ready(best * batch));
        }
    }
    // A line has its least error where the least is kept.
    let line: Vec<f64> = (0..40).map(f64::from).collect();
    assert_eq!(
        mser(&line, 2).unwrap(),
        Reading::Pending {
            seen: 40,
            needed: 80
        }
    );
    assert_eq!(
        mser(&line[..29], 3).unwrap(),
        Reading::Pending {
            seen: 29,
            needed: 30
        }
    );
    assert!(
        mser(&noise(30, 1), 3).unwrap()
            != Reading::Pending {
                seen: 30,
                needed: 30
            }
    );
    assert!(matches!(
        mser(&[2.0; 40], 2).unwrap(),
        Reading::Undefined(_)
    ));
    assert_eq!(refused(mser(&line, 0)), ("batch", 0.0));
}

/// Starts are taken in stretches of 256.
#[test]
fn many_starts_are_searched_as_few_are() {
    let x = settling(560, 9);
    let mut config = InitialSequenceConfig::default();
    (config.rule, config.kept_pairs) = (Truncation::InitialPositive, 0);
    let replicas: &[&[f64]] = &[&x];
    let long: Vec<f64> = (0..=last(560, 2, 0.1))
        .map(|s| {
            let mut sum = 0.0;
            for m in 0..(560 - s) / 2 {
                let pair = gamma(replicas, s, 2 * m) + gamma(replicas, s, 2 * m + 1);
                if pair < 0.0 && m > 0 {
                    break;
                }
                sum += pair;
            }
            2.0 * sum - gamma(replicas, s, 0)
        })
        .collect();
    let found = detect_by_initial_sequence(replicas, &config).unwrap();
    same(&found, best(replicas, &long, Objective::SquaredError));
}

/// Every start on its own: (N − t + 1)/g with g to the first zero after lag 3.
#[test]
fn detection_is_the_loop_over_all_starts() {
    let mut stuck = settling(80, 5);
    stuck[74..].fill(0.125);
    // Next to nothing is learned on the way, and nothing at the end.
    let slow: Vec<f64> = (0..80_u8).map(|t| f64::from(t.min(40))).collect();
    for x in [settling(80, 6), settling(33, 7), noise(40, 8), stuck, slow] {
        let n = x.len();
        let tail = x.iter().rev().take_while(|v| **v == x[n - 1]).count();
        for (grid, rule) in [
            (LagGrid::Every, Truncation::FirstZero),
            (LagGrid::Sparse, Truncation::FirstZeroSparse),
        ] {
            let mut expected = (0, 1.0, 0.0);
            for origin in 0..n - 1 {
                let size = (n - origin + 1) as f64;
                let g = if origin + tail >= n {
                    size
                } else {
                    super::autocorrelation::naive(&[&x[origin..]], rule).0
                };
                if size / g > expected.2 {
                    expected = (origin, g, size / g);
                }
            }
            same(&detect_equilibration(&x, grid).unwrap(), expected);
        }
    }
}

/// A start is worth (N − t + 1)/g; a tail of equal values one sample.
#[test]
fn a_constant_tail_is_one_sample() {
    let pending = detect_equilibration(&[1.0, 2.0, 3.0], LagGrid::Every).unwrap();
    assert_eq!(pending, Reading::Pending { seen: 3, needed: 4 });
    assert!(matches!(
        detect_equilibration(&[4.0; 20], LagGrid::Sparse).unwrap(),
        Reading::Undefined(_)
    ));
    for grid in [LagGrid::Sparse, LagGrid::Every] {
        // One step, and nothing after it: from the start on g is that of the whole.
        let mut x = vec![0.0; 30];
        x[0] = 1.0;
        let found = detect_equilibration(&x, grid).unwrap();
        let found = *found.ready().unwrap();
        assert_eq!(found.origin, 0);
        assert_eq!((found.inefficiency, found.n_eff), (1.0, 31.0));
    }
}

#[test]
fn options_end_where_they_are_said_to() {
    let x = noise(40, 1);
    let mut config = WindowConfig::default();
    let mut other = InitialSequenceConfig::default();
    for padding in [-0.01, 1.0] {
        (config.padding, other.padding) = (padding, padding);
        assert_eq!(
            refused(detect_by_window(&[&x], &config)),
            ("padding", padding)
        );
        let found = detect_by_initial_sequence(&[&x], &other);
        assert_eq!(refused(found), ("padding", padding));
    }
    (config.padding, other.padding) = (0.0, 0.0);
    let pending = |seen, needed| Reading::Pending { seen, needed };
    let by_window = |n: usize, config: &WindowConfig| detect_by_window(&[&x[..n]], config);
    assert_eq!(by_window(7, &config).unwrap(), pending(7, 8));
    assert!(by_window(8, &config).unwrap().ready().is_some());
    for (lags, needed) in [(6, 8), (7, 9), (12, 14)] {
        config.window = LagWindow::Fixed(lags);
        let short = needed - 1;
        assert_eq!(
            by_window(short, &config).unwrap(),
            pending(short as u64, needed as u64)
        );
        assert!(by_window(needed, &config).unwrap().ready().is_some());
    }
    config.window = LagWindow::Fixed(0);
    assert_eq!(refused(by_window(40, &config)), ("window", 0.0));
    let by_pairs =
        |n: usize, config: &InitialSequenceConfig| detect_by_initial_sequence(&[&x[..n]], config);
    assert_eq!(by_pairs(7, &other).unwrap(), pending(7, 8));
    assert!(by_pairs(8, &other).unwrap().ready().is_some());
    other.kept_pairs = 9;
    assert_eq!(by_pairs(10, &other).unwrap(), pending(10, 11));
    assert!(by_pairs(11, &other).unwrap().ready().is_some());
    for rule in [Truncation::FirstZero, Truncation::FirstZeroSparse] {
        other.rule = rule;
        assert!(matches!(by_pairs(40, &other), Err(Error::Conflict { .. })));
    }
    assert!(matches!(
        detect_by_window(&[&[1.0; 20]], &WindowConfig::default()).unwrap(),
        Reading::Undefined(_)
    ));
}
