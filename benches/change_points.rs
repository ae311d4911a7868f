//! Exact segmentation beside the full dynamic programme, and one step of the online detectors.
//!
//! Series have a step every 500 elements, or none. The dynamic programme is O(n²): at 10⁵ elements a
//! call takes half a minute, and ten are made.

#[path = "../examples/speed/baseline.rs"]
mod baseline;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use thermograd::phase_transition::change_point::{
    Cost, Cusum, CusumConfig, NormalInverseGamma, OnlineChangePoints, OnlineConfig, PeltConfig,
    Penalty, optimal_partitioning, pelt,
};
use thermograd::systems::Random;

fn steps(n: usize, every: usize) -> Vec<f64> {
    let mut random = Random::new(1);
    (0..n)
        .map(|t| {
            random.normal()
                + if (t / every).is_multiple_of(2) {
                    0.0
                } else {
                    2.0
                }
        })
        .collect()
}

fn segmentation(c: &mut Criterion) {
    let mut group = c.benchmark_group("segmentation");
    group.sample_size(10);
    let config = PeltConfig::new(Cost::Mean).penalty(Penalty::Mbic);
    for n in [1_000, 10_000, 100_000] {
        let series = steps(n, 500);
        group.bench_with_input(BenchmarkId::new("pelt", n), &series, |b, x| {
            b.iter(|| pelt(black_box(x), &config));
        });
        group.bench_with_input(
            BenchmarkId::new("optimal_partitioning", n),
            &series,
            |b, x| {
                b.iter(|| optimal_partitioning(black_box(x), &config));
            },
        );
        // The worst case of pruning by inequality alone: nothing changes.
        let quiet = steps(n, n + 1);
        for (name, cost) in [("mean", Cost::Mean), ("variance", Cost::MeanAndVariance)] {
            if n > 10_000 && cost != Cost::Mean {
                continue;
            }
            let config = PeltConfig::new(cost).penalty(Penalty::Mbic);
            let id = BenchmarkId::new(format!("pelt, no change, {name}"), n);
            group.bench_with_input(id, &quiet, |b, x| {
                b.iter(|| pelt(black_box(x), &config));
            });
        }
        if n == 1_000 {
            let penalty = 3.0 * (n as f64).ln();
            group.bench_with_input(BenchmarkId::new("literal programme", n), &series, |b, x| {
                b.iter(|| baseline::optimal_partitioning(black_box(x), penalty));
            });
        }
    }
    group.finish();
}

fn online(c: &mut Criterion) {
    let mut group = c.benchmark_group("online step");
    let mut random = Random::new(2);
    let prior = NormalInverseGamma::weak(0.0, 1.0);
    for capacity in [64, 256] {
        let config = OnlineConfig::scalar(prior).capacity(capacity);
        let Ok(mut detector) = OnlineChangePoints::new(&config) else {
            continue;
        };
        // Full before it is timed.
        for _ in 0..2 * capacity {
            let _ = detector.push(&[random.normal()]);
        }
        group.bench_function(BenchmarkId::new("bayes", capacity), |b| {
            b.iter(|| detector.push(&[black_box(random.normal())]));
        });
    }
    if let Ok(mut chart) = Cusum::new(CusumConfig::new(0.0, 1.0)) {
        group.bench_function("cusum", |b| {
            b.iter(|| chart.push(black_box(random.normal())));
        });
    }
    group.finish();
}

criterion_group!(benches, segmentation, online);
criterion_main!(benches);
