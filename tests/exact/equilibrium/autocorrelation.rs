//! Values by hand, closed forms and boundaries: autocorrelation.

use super::{batches, inefficiency, mean, memory, near, noise, refused, variance};
use thermograd::equilibrium::{
    Blocking, CorrelationTime, Spacing, Truncation, autocorrelation, autocovariance,
    autocovariance_direct, batch_means_estimate, correlated_mean, ess_bulk, ess_mean, ess_quantile,
    ess_tail, mcse_mean, mcse_quantile, mcse_sd, statistical_inefficiency,
    statistical_inefficiency_multiple, thinning,
};
use thermograd::{Error, Reading, Reason};

const RULES: [Truncation; 5] = [
    Truncation::InitialPositive,
    Truncation::InitialMonotone,
    Truncation::InitialConvex,
    Truncation::FirstZero,
    Truncation::FirstZeroSparse,
];

/// g and the last lag by the words of each rule, about the mean of all replicas.
pub(super) fn naive(replicas: &[&[f64]], rule: Truncation) -> (f64, usize) {
    let centre = mean(&replicas.concat());
    let total: usize = replicas.iter().map(|r| r.len()).sum();
    let longest = replicas.iter().map(|r| r.len()).max().unwrap();
    let products = |lag: usize| -> (f64, f64) {
        let of = |r: &&[f64]| {
            let later = r.get(lag..).unwrap_or(&[]);
            let pairs = r.iter().zip(later);
            let sum: f64 = pairs.map(|(a, b)| (a - centre) * (b - centre)).sum();
            (sum, later.len() as f64)
        };
        let add = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
        replicas.iter().map(of).fold((0.0, 0.0), add)
    };
    let sum = products(0).0;
    if matches!(rule, Truncation::FirstZero | Truncation::FirstZeroSparse) {
        let average = total as f64 / replicas.len() as f64;
        let ignored = if replicas.len() > 1 { 10 } else { 3 };
        let (mut g, mut last, mut lag, mut gap) = (1.0, 0, 1, 1);
        while lag < longest - 1 {
            let (product, pairs) = products(lag);
            let rho = product / pairs / (sum / total as f64);
            if rho <= 0.0 && lag > ignored {
                break;
            }
            g += 2.0 * rho * (1.0 - lag as f64 / average) * gap as f64;
            last = lag;
            lag += gap;
            gap += usize::from(rule == Truncation::FirstZeroSparse);
        }
        return (g.max(1.0), last);
    }
    let mut pairs: Vec<f64> = Vec::new();
    for m in 0..longest / 2 {
        let pair = products(2 * m).0 + products(2 * m + 1).0;
        if pair < 0.0 && m > 0 {
            break;
        }
        pairs.push(pair);
    }
    if rule != Truncation::InitialPositive {
        for m in 1..pairs.len() {
            pairs[m] = pairs[m].min(pairs[m - 1]);
        }
    }
    if rule == Truncation::InitialConvex {
        // The lowest chord over each place.
        let above = pairs.clone();
        for (m, pair) in pairs.iter_mut().enumerate() {
            for i in 0..=m {
                for j in m + 1..above.len() {
                    let share = (m - i) as f64 / (j - i) as f64;
                    *pair = pair.min(above[i] + share * (above[j] - above[i]));
                }
            }
        }
    }
    let g = 2.0 * pairs.iter().sum::<f64>() / sum - 1.0;
    (g.max(1.0), 2 * pairs.len() - 1)
}

#[track_caller]
fn same(found: &Reading<CorrelationTime>, (g, last): (f64, usize), total: usize) {
    let found = found.ready().unwrap();
    near(found.inefficiency, g, 1e-10);
    near(found.integrated_time, 0.5 * (g - 1.0), 1e-10);
    near(found.n_eff, total as f64 / g, 1e-10);
    assert_eq!(found.last_lag, last);
}

#[test]
fn correlation_times_follow_the_words_of_their_rules() {
    for (n, rho, seed) in [
        (4, 0.0, 1),
        (5, 0.9, 2),
        (90, 0.7, 3),
        (91, 0.95, 4),
        (60, -0.5, 5),
    ] {
        let x: Vec<f64> = memory(n, rho, seed).iter().map(|x| 1e3 + x).collect();
        for rule in RULES {
            let found = statistical_inefficiency(&x, rule).unwrap();
            same(&found, naive(&[&x], rule), n);
            let mean = correlated_mean(&x, rule).unwrap();
            let mean = mean.ready().unwrap();
            let g = naive(&[&x], rule).0;
            near(mean.std_error, (variance(&x) * g / n as f64).sqrt(), 1e-9);
            near(mean.n_eff, n as f64 / g, 1e-10);
            near(mean.value, super::mean(&x), 1e-15);
        }
    }
    let (a, b, c) = (memory(50, 0.8, 6), memory(37, 0.8, 7), memory(3, 0.8, 8));
    for rule in RULES {
        let found = statistical_inefficiency_multiple(&[&a, &b, &c], rule).unwrap();
        same(&found, naive(&[&a, &b, &c], rule), 90);
    }
    // Forgetful replicas cross zero before lag 10; a series that turns has no negative pair.
    let (d, e) = (noise(30, 9), noise(25, 10));
    let turns = [1.0, -1.0].repeat(6);
    for rule in RULES {
        let found = statistical_inefficiency_multiple(&[&d, &e], rule).unwrap();
        same(&found, naive(&[&d, &e], rule), 55);
        let found = statistical_inefficiency(&turns, rule).unwrap();
        same(&found, naive(&[&turns], rule), 12);
        let found = statistical_inefficiency_multiple(&[&d[..4], &e[..2]], rule).unwrap();
        same(&found, naive(&[&d[..4], &e[..2]], rule), 6);
    }
    near(
        naive(&[&a], Truncation::InitialMonotone).0,
        inefficiency(&a),
        1e-12,
    );
}

#[test]
fn correlation_times_take_four_values() {
    let pending = |seen| Reading::Pending { seen, needed: 4 };
    let x = [1.0, 3.0, 2.0];
    let rule = Truncation::default();
    assert_eq!(statistical_inefficiency(&x, rule).unwrap(), pending(3));
    let both = statistical_inefficiency_multiple(&[&x, &x[..2]], rule).unwrap();
    assert_eq!(both, pending(3));
    for of in [ess_bulk, ess_tail, ess_mean] {
        assert_eq!(of(&[&x]).unwrap(), Reading::Pending { seen: 3, needed: 4 });
        assert!(matches!(of(&[&[2.0; 8]]).unwrap(), Reading::Undefined(_)));
        let four = of(&[&[1.0, 3.0, 2.0, 7.0]]).unwrap();
        assert!(!matches!(four, Reading::Pending { .. }));
    }
    assert_eq!(mcse_sd(&[&x]).unwrap().ready(), None);
    assert!(matches!(
        mcse_sd(&[&[2.0; 8]]).unwrap(),
        Reading::Undefined(_)
    ));
    assert!(mcse_sd(&[&[1.0, 3.0, 2.0, 7.0]]).unwrap().ready().is_some());
    // Every deviation has the same square.
    assert!(matches!(
        mcse_sd(&[&[1.0, -1.0, 1.0, -1.0]]).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert!(matches!(
        statistical_inefficiency(&[5.0; 9], rule).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert!(matches!(
        ess_mean(&[&x, &x[..2]]),
        Err(Error::LengthMismatch { .. })
    ));
    assert!(matches!(ess_mean(&[]), Err(Error::Empty { .. })));
}

#[test]
fn autocovariances_are_means_of_lagged_products() {
    let x: Vec<f64> = memory(300, 0.6, 1).iter().map(|x| x - 20.0).collect();
    let centre = mean(&x);
    let gamma = |lag: usize| -> f64 {
        let pairs = x.iter().zip(&x[lag..]);
        pairs.map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>() / 300.0
    };
    for lags in [0, 30, 299] {
        let fast = autocovariance(&x, lags).unwrap();
        let direct = autocovariance_direct(&x, lags).unwrap();
        let rho = autocorrelation(&x, lags).unwrap();
        let rho = rho.ready().unwrap();
        assert_eq!(
            (fast.len(), direct.len(), rho.len()),
            (lags + 1, lags + 1, lags + 1)
        );
        for lag in 0..=lags {
            near(fast[lag], gamma(lag), 1e-11);
            near(direct[lag], gamma(lag), 1e-12);
            near(rho[lag], gamma(lag) / gamma(0), 1e-11);
        }
    }
    for of in [autocovariance, autocovariance_direct] {
        assert_eq!(refused(of(&x, 300)), ("max_lag", 300.0));
        assert!(matches!(of(&[], 0), Err(Error::Empty { .. })));
        assert_eq!(of(&[3.0; 5], 2).unwrap(), [0.0; 3]);
    }
    assert!(matches!(
        autocorrelation(&[3.0; 5], 2).unwrap(),
        Reading::Undefined(_)
    ));
}

/// Squares fit up to 1e150; a spread of eight roundings is none.
#[test]
fn a_series_varies_by_more_than_rounding_and_less_than_overflow() {
    let largest = autocovariance(&[1e150, -1e150], 0).unwrap();
    near(largest[0] / 1e300, 1.0, 1e-15);
    assert!(matches!(
        autocovariance(&[1.1e150, 0.0], 0),
        Err(Error::Overflow { largest, .. }) if largest == 1.1e150
    ));
    let varies = |step: f64| {
        let x = [1.0, 1.0 + step * f64::EPSILON];
        autocorrelation(&x, 0).unwrap().ready().is_some()
    };
    assert!(!varies(0.0) && !varies(8.0) && varies(9.0));
    let tiny = autocovariance(&[1e-150, -1e-150], 0).unwrap();
    near(tiny[0] / 1e-300, 1.0, 1e-15);
}

/// The algorithm of Vehtari et al. by its published steps, on chains as they stand.
fn naive_size(chains: &[Vec<f64>]) -> f64 {
    let (m, n) = (chains.len() as f64, chains[0].len());
    let size = n as f64;
    let gamma = |lag: usize| -> f64 {
        let of = |c: &Vec<f64>| {
            let centre = mean(c);
            let pairs = c.iter().zip(&c[lag..]);
            pairs.map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>() / size
        };
        chains.iter().map(of).sum::<f64>() / m
    };
    let within = gamma(0) * size / (size - 1.0);
    let mut plus = within * (size - 1.0) / size;
    if chains.len() > 1 {
        plus += variance(&chains.iter().map(|c| mean(c)).collect::<Vec<_>>());
    }
    let rho = |lag: usize| 1.0 - (within - gamma(lag)) / plus;
    let mut kept = vec![0.0; n + 2];
    let (mut even, mut odd) = (1.0, rho(1));
    (kept[0], kept[1]) = (even, odd);
    let mut t = 1;
    while t < n - 3 && even + odd > 0.0 {
        (even, odd) = (rho(t + 1), rho(t + 2));
        if even + odd >= 0.0 {
            (kept[t + 1], kept[t + 2]) = (even, odd);
        }
        t += 2;
    }
    let (end, until) = (t, t - 1);
    if even > 0.0 {
        kept[until] = even;
    }
    let mut t = 1;
    while t + 4 <= end {
        if kept[t + 1] + kept[t + 2] > kept[t - 1] + kept[t] {
            kept[t + 1] = 0.5 * (kept[t - 1] + kept[t]);
            kept[t + 2] = kept[t + 1];
        }
        t += 2;
    }
    let tau = 2.0 * kept[..until].iter().sum::<f64>() - 1.0 + kept[until];
    m * size / tau.max(1.0 / (m * size).log10())
}

fn halves(replicas: &[&[f64]]) -> Vec<Vec<f64>> {
    let half = |r: &&[f64]| r.len() / 2;
    let heads = replicas.iter().map(|r| r[..half(r)].to_vec());
    let tails = replicas.iter().map(|r| r[r.len() - half(r)..].to_vec());
    heads.chain(tails).collect()
}

/// Of Beta's law, by summing its density over ten thousand cells.
fn beta_quantile(a: f64, b: f64, share: f64) -> f64 {
    let mode = (a - 1.0) / (a + b - 2.0);
    let log = |x: f64| (a - 1.0) * x.ln() + (b - 1.0) * (1.0 - x).ln();
    let place = |k: i32| (f64::from(k) + 0.5) / 1e4;
    let cells: Vec<f64> = (0..10_000)
        .map(|k| (log(place(k)) - log(mode)).exp())
        .collect();
    let whole: f64 = cells.iter().sum();
    let mut sum = 0.0;
    let past = |cell: &f64| {
        sum += cell;
        sum > share * whole
    };
    let cell = cells.iter().position(past).unwrap();
    (cell as f64 + 0.5) / 1e4
}

#[test]
fn effective_sizes_follow_their_published_steps() {
    let sets: [Vec<Vec<f64>>; 4] = [
        vec![memory(60, 0.5, 1), memory(60, 0.5, 2)],
        vec![memory(41, 0.9, 3)],
        vec![memory(40, -0.7, 4), memory(40, 0.2, 5), memory(40, 0.0, 6)],
        vec![memory(200, 0.3, 7)],
    ];
    for set in &sets {
        let views: Vec<&[f64]> = set.iter().map(Vec::as_slice).collect();
        let found = ess_mean(&views).unwrap();
        let size = naive_size(&halves(&views));
        near(*found.ready().unwrap(), size, 1e-9);
        let all = views.concat();
        let error = mcse_mean(&views).unwrap();
        let error = error.ready().unwrap();
        near(error.std_error, (variance(&all) / size).sqrt(), 1e-9);
        near(error.value, mean(&all), 1e-12);
        near(error.n_eff, size, 1e-9);
        // ⟨δ⁴⟩ − ⟨δ²⟩² over 4⟨δ²⟩ and the size of δ².
        let centre = mean(&all);
        let of = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| (x - centre).powi(2)).collect() };
        let squares: Vec<Vec<f64>> = views.iter().map(|x| of(x)).collect();
        let views2: Vec<&[f64]> = squares.iter().map(Vec::as_slice).collect();
        let size = naive_size(&halves(&views2));
        let (second, flat) = (mean(&of(&all)), of(&all));
        let fourth = mean(&flat.iter().map(|x| x * x).collect::<Vec<_>>());
        let found = mcse_sd(&views).unwrap();
        let found = found.ready().unwrap();
        near(found.value, variance(&all).sqrt(), 1e-12);
        near(
            found.std_error,
            ((fourth - second * second) / (4.0 * second * size)).sqrt(),
            1e-9,
        );
        near(found.n_eff, size, 1e-9);
        // Indicators of what lies below a quantile between two order statistics.
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |p: f64| {
            let place = p * (sorted.len() as f64 - 1.0);
            let low = super::whole(place);
            sorted[low] + place.fract() * (sorted[low + 1] - sorted[low])
        };
        let size = |p: f64| {
            let below = |x: &&[f64]| -> Vec<f64> {
                x.iter().map(|x| f64::from(u8::from(*x <= at(p)))).collect()
            };
            let sets: Vec<Vec<f64>> = views.iter().map(below).collect();
            naive_size(&halves(&sets.iter().map(Vec::as_slice).collect::<Vec<_>>()))
        };
        for p in [0.05, 0.3, 0.95] {
            let found = ess_quantile(&views, p).unwrap();
            near(*found.ready().unwrap(), size(p), 1e-9);
            let found = mcse_quantile(&views, p).unwrap();
            let found = found.ready().unwrap();
            near(found.value, at(p), 1e-12);
            near(found.n_eff, size(p), 1e-9);
            // Half of what lies between the order statistics at one sigma of Beta's law.
            let places = all.len() as f64;
            let ends = [0.158_655_3, 0.841_344_7].map(|share| {
                let (a, b) = (size(p) * p + 1.0, size(p) * (1.0 - p) + 1.0);
                beta_quantile(a, b, share) * places - 1.0
            });
            let low = sorted[super::whole(ends[0].max(0.0).floor())];
            let high = sorted[super::whole(ends[1].min(places - 1.0).ceil())];
            near(found.std_error, 0.5 * (high - low), 1e-12);
        }
        let found = ess_tail(&views).unwrap();
        near(*found.ready().unwrap(), size(0.05).min(size(0.95)), 1e-9);
        // Ranks do not know a stretched scale.
        let bent: Vec<Vec<f64>> = views
            .iter()
            .map(|x| x.iter().map(|x| x.exp()).collect())
            .collect();
        let bent: Vec<&[f64]> = bent.iter().map(Vec::as_slice).collect();
        assert_eq!(ess_bulk(&views).unwrap(), ess_bulk(&bent).unwrap());
    }
    for p in [0.0, 1.0] {
        assert_eq!(
            refused(ess_quantile(&[&[1.0, 2.0, 3.0, 4.0]], p)),
            ("probability", p)
        );
    }
    // Alternation is worth no more than S log₁₀ S.
    let turns = [1.0, -1.0].repeat(50);
    near(*ess_mean(&[&turns]).unwrap().ready().unwrap(), 200.0, 1e-10);
}

#[test]
fn thinning_keeps_the_nearest_or_every_so_many() {
    let x = thinning(9, 1.5, Spacing::Nearest).unwrap();
    // 0 1.5 3 4.5 6 7.5, ties to even; 9 is past the end.
    assert_eq!(x, [0, 2, 3, 4, 6, 8]);
    assert_eq!(thinning(7, 2.0, Spacing::Even).unwrap(), [0, 2, 4, 6]);
    assert_eq!(thinning(7, 2.1, Spacing::Even).unwrap(), [0, 3, 6]);
    assert_eq!(thinning(3, 1.0, Spacing::Nearest).unwrap(), [0, 1, 2]);
    assert!(thinning(0, 1.0, Spacing::Nearest).unwrap().is_empty());
    assert_eq!(
        refused(thinning(3, 0.99, Spacing::Even)),
        ("inefficiency", 0.99)
    );
    assert!(thinning(3, f64::INFINITY, Spacing::Even).is_err());
    let longest = thinning(1 << 30, 1e9, Spacing::Even).unwrap();
    assert_eq!(longest, [0, 1_000_000_000]);
    let beyond = (1 << 30) + 1;
    assert_eq!(
        refused(thinning(beyond, 1e9, Spacing::Even)),
        ("len", beyond as f64)
    );
}

/// Means of 1, 2, 4 … values; the first level with B³ > 2N (se_B/se_1)⁴ and 16 blocks.
#[test]
fn blocking_chooses_the_first_level_that_is_long_enough() {
    let mut waited = 0;
    for (n, rho, seed) in [
        (16, 0.0, 1),
        (300, 0.0, 2),
        (1500, 0.5, 3),
        (777, -0.8, 4),
        (400, 0.9, 5),
    ] {
        let x = memory(n, rho, seed);
        let mut blocking = Blocking::new();
        assert!(blocking.is_empty());
        for value in &x {
            blocking.push(*value).unwrap();
        }
        assert_eq!((blocking.len(), blocking.is_empty()), (n as u64, false));
        let error = |block: usize| {
            let means: Vec<f64> = x.chunks_exact(block).map(mean).collect();
            (means.len() >= 16).then(|| variance(&means) / means.len() as f64)
        };
        let naive = error(1).unwrap();
        let mut expected = None;
        let mut block = 1;
        while let Some(blocked) = error(block) {
            let inflation = blocked / naive;
            if (block as f64).powi(3) > 2.0 * n as f64 * inflation * inflation {
                expected = Some(blocked);
                break;
            }
            block *= 2;
        }
        match (blocking.mean(), expected) {
            (Reading::Ready(found), Some(blocked)) => {
                let g = (blocked / naive).max(1.0);
                near(found.value, mean(&x), 1e-12);
                near(found.std_error, blocked.max(naive).sqrt(), 1e-10);
                near(found.n_eff, n as f64 / g, 1e-10);
                near(*blocking.inefficiency().ready().unwrap(), g, 1e-10);
            }
            (Reading::Pending { seen, needed }, None) => {
                assert_eq!((seen, needed), (n as u64, 2 * n as u64));
                waited += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((1..4).contains(&waited), "{waited}");
    let mut few = Blocking::new();
    for _ in 0..15 {
        few.push(1.0).unwrap();
    }
    assert_eq!(
        few.mean(),
        Reading::Pending {
            seen: 15,
            needed: 16
        }
    );
    few.push(1.0).unwrap();
    assert!(matches!(few.mean(), Reading::Undefined(_)));
    assert!(few.push(f64::NAN).is_err() && few.push(2e150).is_err());
    assert_eq!(few.len(), 16);
}

#[test]
fn batch_means_have_the_error_of_their_scatter() {
    let x = noise(23, 1);
    for count in [2, 5, 23] {
        let means = batches(&x, count);
        let found = batch_means_estimate(&x, count).unwrap();
        let found = found.ready().unwrap();
        near(found.value, mean(&means), 1e-14);
        near(
            found.std_error,
            (variance(&means) / count as f64).sqrt(),
            1e-14,
        );
        assert_eq!(found.n_eff, count as f64);
    }
    assert_eq!(
        batch_means_estimate(&x, 24).unwrap(),
        Reading::Pending {
            seen: 23,
            needed: 24
        }
    );
    assert_eq!(refused(batch_means_estimate(&x, 1)), ("batches", 1.0));
}
