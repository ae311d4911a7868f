//! Gradient noise from every source: unbiased, additive, one number.

use proptest::prelude::*;
use thermograd::noise::{
    BatchGradient, GradientNoise, GradientVariance, Replicas, TwoBatchSizes, reshuffling_factor,
    without_replacement,
};
use thermograd::systems::Random;
use thermograd::{
    Config, Error, Estimate, GroupId, Groups, Moment, Observer, Piece, Reading, Reason, Remark,
    Sampling, Step, Sums, Symmetry, Window, from_fn, slices,
};

fn squared(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let n = rows.len() as f64;
    (0..rows[0].len())
        .map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / n)
        .collect()
}

fn draw(rows: usize, len: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Random::new(seed);
    (0..rows)
        .map(|_| (0..len).map(|_| 0.3 + random.normal()).collect())
        .collect()
}

fn variance_of(rows: &[Vec<f64>]) -> GradientVariance {
    let mut parts = GradientVariance::default();
    for row in rows {
        parts.push(row).unwrap();
    }
    parts
}

fn replicas_of(rows: &[Vec<f64>], batch_size: usize) -> Replicas {
    let mut replicas = Replicas::default();
    for row in rows {
        let squared_norm = squared(row);
        replicas
            .push(BatchGradient {
                batch_size,
                squared_norm,
            })
            .unwrap();
    }
    replicas
}

fn one_group() -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("all", Symmetry::Generic);
    let config = Config::every_step().window(Window::Growing);
    (Observer::with_config(groups, config).unwrap(), group)
}

#[track_caller]
fn ready(observer: &Observer, group: GroupId, metric: &str) -> Estimate {
    match observer.read(group, metric).unwrap() {
        Reading::Ready(estimate) => estimate,
        other => panic!("{metric}: {other}"),
    }
}

#[track_caller]
fn assert_agrees(what: &str, estimate: Estimate, truth: f64, resolution: f64) {
    let z = (estimate.value - truth) / estimate.std_error;
    assert!(z.abs() < 4.5, "{what}: {estimate} against {truth}");
    assert!(
        estimate.std_error < resolution * truth.abs(),
        "{what}: {estimate} cannot test {truth}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Replicas, accumulated micro-batches and two batch sizes are one estimator.
    #[test]
    fn three_sources_are_one(seed in any::<u64>(), rows in 2_usize..9, len in 1_usize..1200, batch in 1_usize..64) {
        let gradients = draw(rows, len, seed);
        let average = squared(&mean(&gradients));
        let from_replicas = *replicas_of(&gradients, batch).noise(average).unwrap().ready().unwrap();
        let from_parts = *variance_of(&gradients).noise().ready().unwrap();
        let small = gradients.iter().map(|g| squared(g)).sum::<f64>() / rows as f64;
        let from_sizes = TwoBatchSizes {
            small: BatchGradient { batch_size: batch, squared_norm: small },
            large: BatchGradient { batch_size: rows * batch, squared_norm: average },
        }
        .noise()
        .unwrap();
        let scale = small;
        for other in [from_replicas, from_parts] {
            prop_assert!((other.trace - from_sizes.trace).abs() < 1e-11 * scale);
            prop_assert!((other.signal - from_sizes.signal).abs() < 1e-11 * scale);
        }
    }

    /// Chan's merge, in any order and any split, is the recursion over all.
    #[test]
    fn micro_batches_merge(seed in any::<u64>(), rows in 3_usize..12, len in 1_usize..900, cut in 1_usize..3) {
        let gradients = draw(rows, len, seed);
        let whole = variance_of(&gradients);
        let (a, b) = gradients.split_at(cut.min(rows - 1));
        let (a, b) = (variance_of(a), variance_of(b));
        for (first, second) in [(&a, &b), (&b, &a)] {
            let mut merged = first.clone();
            merged.merge(second).unwrap();
            prop_assert_eq!(merged.count(), whole.count());
            for (m, w) in merged.mean().iter().zip(whole.mean()) {
                prop_assert!((m - w).abs() < 1e-13 * (1.0 + w.abs()));
            }
            let (m, w) = (merged.trace(), whole.trace());
            prop_assert!((m.ready().unwrap() / w.ready().unwrap() - 1.0).abs() < 1e-12);
        }
        let mut identity = GradientVariance::default();
        identity.merge(&whole).unwrap();
        prop_assert_eq!(&identity, &whole);
        identity.merge(&GradientVariance::default()).unwrap();
        prop_assert_eq!(&identity, &whole);
    }

    /// Shards and ranks merge in any order to the same within rounding, and for a fixed tree to
    /// the same bits.
    #[test]
    fn shards_merge_in_any_order(seed in any::<u64>(), ranks in 2_usize..7, len in 1_usize..400) {
        let shards: Vec<Sums> = (0..ranks as u64)
            .map(|rank| {
                let streams = draw(3, len, seed ^ rank);
                let piece = Piece::new(&streams[0], &streams[1]).second_gradient(&streams[2]);
                Sums::reduce(&piece, std::num::NonZero::<usize>::MIN).unwrap()
            })
            .collect();
        let add = |order: &mut dyn Iterator<Item = &Sums>| {
            let mut total = Sums::default();
            order.for_each(|shard| total.merge(shard));
            total
        };
        let forward = add(&mut shards.iter());
        let backward = add(&mut shards.iter().rev());
        // An all-reduce by addition of the flat form, pairwise as a ring or a tree would.
        let tree = |shards: &[Sums]| {
            let mut level: Vec<Vec<f64>> = shards.iter().map(|s| s.to_array().to_vec()).collect();
            while level.len() > 1 {
                level = level
                    .chunks(2)
                    .map(|pair| {
                        let mut sum = pair[0].clone();
                        if let Some(other) = pair.get(1) {
                            sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
                        }
                        sum
                    })
                    .collect();
            }
            let flat: [f64; Sums::FIELDS.len()] = level.remove(0).try_into().unwrap();
            Sums::from_array(flat)
        };
        let reduced = tree(&shards);
        for other in [backward, reduced] {
            for (a, b) in forward.to_array().into_iter().zip(other.to_array()) {
                prop_assert!((a - b).abs() <= 1e-12 * forward.g_g.max(a.abs()));
            }
        }
        prop_assert_eq!(reduced, tree(&shards));
        let replicas = draw(ranks, len, seed);
        let mut halves = replicas_of(&replicas[..1], 4);
        halves.merge(&replicas_of(&replicas[1..], 4)).unwrap();
        let (a, b) = (halves.to_array(), replicas_of(&replicas, 4).to_array());
        prop_assert!((a[3] - b[3]).abs() <= 1e-12 * b[3] && a[..3] == b[..3]);
        prop_assert_eq!(Replicas::from_array(a).unwrap(), halves);
    }
}

/// Two ranks with a shard each, whose sums are added: every reading of one process, past included.
#[test]
fn sharded_observers_read_as_one() {
    let len = 1300;
    let cut = 700;
    let (mut whole, group) = one_group();
    let (mut total, all) = one_group();
    let mut shards = [one_group(), one_group()];
    let mut random = Random::new(6);
    let mut w: Vec<f64> = (0..len).map(|_| random.normal()).collect();
    for _ in 0..300 {
        let mut draw = || -> Vec<f64> { (0..len).map(|_| random.normal()).collect() };
        let (g, h) = (draw(), draw());
        let d: Vec<f64> = draw().iter().map(|x| x.abs() + 0.1).collect();
        let facts = Step::new(0.5)
            .learning_rate(0.1)
            .decoupled_weight_decay(0.1)
            .optimizer(thermograd::Optimizer::ADAM);
        let part = |range: std::ops::Range<usize>| {
            Piece::new(&w[range.clone()], &g[range.clone()])
                .second_gradient(&h[range.clone()])
                .preconditioner(&d[range])
        };
        let one = part(0..len);
        whole
            .observe(&facts, &from_fn(|out| out.piece(group, &one)))
            .unwrap();
        let mut flat = [0.0; Sums::FIELDS.len()];
        for ((shard, id), range) in shards.iter_mut().zip([0..cut, cut..len]) {
            assert_eq!(shard.sums(*id).unwrap().is_some(), shard.steps() > 0);
            let piece = part(range);
            shard
                .observe(&facts, &from_fn(|out| out.piece(*id, &piece)))
                .unwrap();
            let mine = shard.sums(*id).unwrap().unwrap().to_array();
            flat.iter_mut().zip(mine).for_each(|(a, b)| *a += b);
        }
        let sum = Sums::from_array(flat);
        total
            .observe(&facts, &from_fn(|out| out.sums(all, &sum)))
            .unwrap();
        for (w, g) in w.iter_mut().zip(&g) {
            *w -= 0.1 * (0.1 * *w + g);
        }
    }
    let (a, b) = (
        whole.ensemble(Some(group)).unwrap(),
        total.ensemble(Some(all)).unwrap(),
    );
    let mut compared = 0;
    for moment in Moment::ALL {
        assert_eq!(a.count(moment), b.count(moment), "{moment:?}");
        if let Some((x, y)) = a.mean(moment).zip(b.mean(moment)) {
            assert!(
                (x - y).abs() <= 1e-10 * x.abs().max(1e-3),
                "{moment:?} {x} {y}"
            );
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
    // A refused step leaves no sums to be taken for it.
    let bad = slices(group, &[f64::NAN], &[0.0]);
    assert!(whole.observe(&Step::new(0.0), &bad).is_err());
    assert_eq!(whole.sums(group).unwrap(), None);
}

/// All batches of a small data set, counted out: S(1/B − 1/N) without replacement, nothing at
/// B = N, σ²/B with.
#[test]
fn finite_data_sets_by_counting() {
    let examples = [1.0, -2.0, 4.0, 0.5, 3.0, -1.5];
    let n = examples.len();
    let mean = examples.iter().sum::<f64>() / n as f64;
    let spread: f64 = examples.iter().map(|x| (x - mean).powi(2)).sum();
    let single = spread / (n as f64 - 1.0);
    for batch in 1..=n {
        let (mut sum, mut count) = (0.0, 0.0);
        for subset in 0_u32..1 << n {
            if subset.count_ones() as usize == batch {
                let chosen = (0..n).filter(|i| subset >> i & 1 == 1);
                let average = chosen.map(|i| examples[i]).sum::<f64>() / batch as f64;
                sum += (average - mean).powi(2);
                count += 1.0;
            }
        }
        let factor = without_replacement(batch, n).unwrap();
        assert!((sum / count - single * factor).abs() < 1e-13, "{batch}");
    }
    assert_eq!(without_replacement(n, n).unwrap(), 0.0);
}

/// One mode, learning rate times curvature x, disjoint batches of one example each epoch.
#[test]
fn reshuffling_cools_slow_modes() {
    for (batches, x) in [(20_usize, 0.05), (8, 0.3), (20, 0.002)] {
        let mut random = Random::new(7);
        let examples: Vec<f64> = {
            let raw: Vec<f64> = (0..batches).map(|_| random.normal()).collect();
            let mean = raw.iter().sum::<f64>() / batches as f64;
            raw.iter().map(|x| x - mean).collect()
        };
        let single = squared(&examples) / (batches as f64 - 1.0);
        let (mut w, mut sum, mut fourth) = (0.0, 0.0, 0.0);
        let epochs = 40_000;
        let mut order: Vec<usize> = (0..batches).collect();
        for epoch in 0..epochs + 2_000 {
            for i in (1..batches).rev() {
                order.swap(i, random.below(i + 1));
            }
            for &i in &order {
                w = (1.0 - x) * w - examples[i];
            }
            if epoch >= 2_000 {
                sum += w * w;
                fourth += w.powi(4);
            }
        }
        let n = f64::from(epochs);
        // Independent batches: S²/(1 − (1−x)²).
        let exact = reshuffling_factor(batches as u64, x).unwrap() * single / (x * (2.0 - x));
        // Epochs are correlated by (1−x)^n.
        let memory = (1.0 - x).powf(2.0 * batches as f64);
        let inefficiency = (1.0 + memory) / (1.0 - memory);
        let error = ((fourth / n - (sum / n).powi(2)).max(0.0) * inefficiency / n).sqrt();
        assert!(
            (sum / n - exact).abs() < 5.0 * error && error < 0.05 * exact,
            "{batches} {x}: {} ± {error} against {exact}",
            sum / n
        );
    }
    // Slow modes: (nx)²/12; and the two ways of computing it meet.
    let slow = reshuffling_factor(1000, 1e-9).unwrap();
    assert!(
        (slow / (1e-6_f64.powi(2) / 12.0) - 1.0).abs() < 1e-5,
        "{slow:e}"
    );
    for x in [1e-9, 1e-8, 1e-6, 1e-3, 0.5, 1.5] {
        let (below, above) = (
            reshuffling_factor(4096, x).unwrap(),
            reshuffling_factor(4097, x).unwrap(),
        );
        let ratio = above / below;
        assert!((ratio - 1.0).abs() < 6e-4, "{x}: {ratio}");
    }
    assert!(reshuffling_factor(u64::MAX, 1e-12).unwrap().is_finite());
    assert!(reshuffling_factor(0, 0.1).is_err() && reshuffling_factor(3, 2.0).is_err());
    assert!(reshuffling_factor(3, f64::NAN).is_err());
}

/// An estimate from local gradients, their mean and the local batch.
type Source = fn(&[Vec<f64>], &[f64], usize) -> GradientNoise;

/// Known covariance and mean: every source, averaged over steps, gives both within error bars.
#[test]
fn sources_are_unbiased_and_carried_by_a_step() {
    let (len, ranks, batch) = (40, 4, 8);
    // Per-example noise of variance 1 + i/10, mean gradient 0.15 everywhere.
    let single: f64 = (0..len).map(|i| 1.0 + i as f64 / 10.0).sum();
    let signal = len as f64 * 0.15 * 0.15;
    let trace = single / (ranks * batch) as f64;
    let rate = 0.1;
    let sources: [(&str, Source); 3] = [
        ("replicas", |rows, mean, batch| {
            *replicas_of(rows, batch)
                .noise(squared(mean))
                .unwrap()
                .ready()
                .unwrap()
        }),
        ("accumulated", |rows, _, _| {
            *variance_of(rows).noise().ready().unwrap()
        }),
        ("two sizes", |rows, mean, batch| {
            TwoBatchSizes {
                small: BatchGradient {
                    batch_size: batch,
                    squared_norm: squared(&rows[0]),
                },
                large: BatchGradient {
                    batch_size: rows.len() * batch,
                    squared_norm: squared(mean),
                },
            }
            .noise()
            .unwrap()
        }),
    ];
    for (name, source) in sources {
        let mut random = Random::new(11);
        let (mut observer, group) = one_group();
        let weights = vec![1.0; len];
        let mut negative = 0;
        for _ in 0..8_000 {
            let rows: Vec<Vec<f64>> = (0..ranks)
                .map(|_| {
                    (0..len)
                        .map(|i| {
                            let sd = ((1.0 + i as f64 / 10.0) / batch as f64).sqrt();
                            0.15 + sd * random.normal()
                        })
                        .collect()
                })
                .collect();
            let gradient = mean(&rows);
            let noise = source(&rows, &gradient, batch);
            negative += usize::from(noise.signal < 0.0);
            let facts = Step::new(0.0).learning_rate(rate).batch_size(ranks * batch);
            // In two pieces, each with a part of the estimate.
            let part = GradientNoise::new(0.25 * noise.trace).signal(0.25 * noise.signal);
            let rest = GradientNoise::new(0.75 * noise.trace).signal(0.75 * noise.signal);
            let visit = from_fn(|out| {
                out.tensor(group, &weights, &gradient)?;
                out.noise(group, &part)?;
                out.noise(group, &rest)
            });
            observer.observe(&facts, &visit).unwrap();
        }
        assert!(negative > 100, "{name}: the test is of weak signals");
        let check = |metric: &str, truth: f64, resolution: f64| {
            assert_agrees(
                &format!("{metric} from {name}"),
                ready(&observer, group, metric),
                truth,
                resolution,
            );
        };
        check("temperature_noise", 0.5 * rate * trace / len as f64, 0.02);
        check("signal_to_noise", signal / trace, 0.1);
        check("gradient_noise_scale", single / signal, 0.1);
        check("critical_batch_size", single / signal, 0.1);
    }
}

/// Without any signal the noise scale is undefined for that reason, and not a wild number.
#[test]
fn no_signal_no_noise_scale() {
    let mut random = Random::new(4);
    let (mut observer, group) = one_group();
    for _ in 0..500 {
        let mut draw = || -> Vec<f64> { (0..10).map(|_| random.normal()).collect() };
        let (w, g, h) = (draw(), draw(), draw());
        let facts = Step::new(0.0).learning_rate(0.1).batch_size(16);
        observer
            .observe(&facts, &slices(group, &w, &g).second_gradient(&h))
            .unwrap();
    }
    for metric in ["gradient_noise_scale", "critical_batch_size"] {
        let reading = observer.read(group, metric).unwrap();
        assert_eq!(
            reading,
            Reading::Undefined(Reason::DividesByNoise("the squared mean gradient"))
        );
    }
    // The squared signal itself is reported as it came out.
    assert!(ready(&observer, group, "signal_to_noise").value.abs() < 0.1);
    let mut blind = Groups::new();
    let all = blind.add("all", Symmetry::Generic);
    let mut observer = Observer::with_config(blind, Config::every_step()).unwrap();
    for _ in 0..200 {
        let (w, g, h) = ([1.0], [random.normal()], [random.normal()]);
        let facts = Step::new(0.0).learning_rate(0.1);
        observer
            .observe(&facts, &slices(all, &w, &g).second_gradient(&h))
            .unwrap();
    }
    assert_eq!(
        observer.read(all, "gradient_noise_scale").unwrap(),
        Reading::Undefined(Reason::Missing("the batch size"))
    );
}

/// A whole-set batch without replacement: no per-example noise can follow from none.
#[test]
fn sampling_enters_the_noise_of_one_example() {
    let mut sums = Sums::of(&[1.0_f64], &[1.0_f64]).unwrap();
    (sums.trace_count, sums.trace, sums.signal) = (1.0, 3.0, 2.0);
    let scale = |step: Step| {
        let mut e = thermograd::Ensemble::default();
        e.push(&step, None, &sums, Symmetry::Generic);
        thermograd::noise::scale(&e)
    };
    let step = Step::new(0.0).batch_size(4).data_set_size(12);
    assert_eq!(scale(step), Some(6.0));
    // 1/(1/4 − 1/12) = 6 in place of 4.
    let without = scale(step.sampling(Sampling::WithoutReplacement)).unwrap();
    assert!((without - 9.0).abs() < 1e-12);
    let whole = step.data_set_size(4).sampling(Sampling::WithoutReplacement);
    assert_eq!(scale(whole), None);
}

#[test]
fn reshuffling_is_remarked_on() {
    for (sampling, expected) in [
        (Sampling::Reshuffled, true),
        (Sampling::WithoutReplacement, false),
    ] {
        let (mut observer, group) = one_group();
        let facts = Step::new(0.0).sampling(sampling);
        observer
            .observe(&facts, &slices(group, &[1.0], &[1.0]))
            .unwrap();
        let report = observer.report();
        assert_eq!(report.remarks().contains(&Remark::Reshuffled), expected);
    }
}

#[test]
fn nonsense_is_refused() {
    let mut parts = GradientVariance::default();
    assert!(matches!(
        parts.trace(),
        Reading::Pending { seen: 0, needed: 2 }
    ));
    assert!(matches!(
        parts.push(&[] as &[f64]),
        Err(Error::Empty { .. })
    ));
    parts.push(&[1.0, 2.0]).unwrap();
    let kept = parts.clone();
    assert!(matches!(parts.noise(), Reading::Pending { seen: 1, .. }));
    assert!(matches!(
        parts.push(&[1.0]),
        Err(Error::LengthMismatch {
            expected: 2,
            found: 1,
            ..
        })
    ));
    assert!(matches!(
        parts.push(&[1.0, f64::NAN]),
        Err(Error::NonFinite { index: 1, .. })
    ));
    assert!(matches!(
        parts.push(&[1e200, 0.0]),
        Err(Error::Overflow { .. })
    ));
    assert!(parts.merge(&variance_of(&[vec![1.0; 3]])).is_err());
    assert_eq!(parts, kept);
    parts.clear();
    assert_eq!(parts.count(), 0);

    let gradient = |batch_size, squared_norm| BatchGradient {
        batch_size,
        squared_norm,
    };
    let mut replicas = Replicas::default();
    replicas.push(gradient(8, 1.0)).unwrap();
    assert!(matches!(
        replicas.noise(1.0).unwrap(),
        Reading::Pending { seen: 1, needed: 2 }
    ));
    assert!(matches!(
        replicas.push(gradient(9, 1.0)),
        Err(Error::Conflict {
            what: "replicas of unequal batch",
            ..
        })
    ));
    let mut other = Replicas::default();
    other.push(gradient(4, 1.0)).unwrap();
    assert!(replicas.merge(&other).is_err());
    for bad in [gradient(0, 1.0), gradient(8, -1.0), gradient(8, f64::NAN)] {
        assert!(replicas.push(bad).is_err());
    }
    assert!(replicas.noise(f64::INFINITY).is_err());
    assert!(matches!(
        Replicas::from_array([2.0, 16.0, f64::NAN, 1.0]),
        Err(Error::Corrupt { .. })
    ));
    assert!(matches!(
        Replicas::from_array([2.0, 12.0, 80.0, 1.0]),
        Err(Error::Conflict { .. })
    ));
    let sizes = |small, large| {
        TwoBatchSizes {
            small: gradient(small, 1.0),
            large: gradient(large, 1.0),
        }
        .noise()
    };
    assert!(sizes(8, 8).is_err() && sizes(9, 8).is_err() && sizes(0, 8).is_err());

    let (mut observer, group) = one_group();
    let visit = from_fn(|out| {
        out.tensor(group, &[1.0], &[1.0])?;
        out.noise(group, &GradientNoise::new(f64::NAN))
    });
    assert!(matches!(
        observer.observe(&Step::new(0.0), &visit),
        Err(Error::NonFinite { .. })
    ));
    let alone = from_fn(|out| out.noise(group, &GradientNoise::new(1.0)));
    assert!(matches!(
        observer.observe(&Step::new(0.0), &alone),
        Err(Error::Empty { .. })
    ));
    assert_eq!(observer.steps(), 0);
}
