//! Burn-in detection against the literal algorithm, and the autocorrelation by both ways.

#[path = "../examples/speed/baseline.rs"]
mod baseline;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use thermograd::equilibrium::{
    InitialSequenceConfig, LagGrid, Observable, Truncation, VerdictConfig, WindowConfig,
    detect_by_initial_sequence, detect_by_window, detect_equilibration, ess_bulk, mser5,
    statistical_inefficiency, verdict,
};
use thermograd::systems::Random;

/// An autoregression with g = 19 and a transient of eight standard deviations.
fn series(n: usize) -> Vec<f64> {
    let (mut random, mut x) = (Random::new(1), 0.0);
    (0..n)
        .map(|t| {
            x = 0.9 * x + 0.19_f64.sqrt() * random.normal();
            x + 8.0 * (-(t as f64) / 100.0).exp()
        })
        .collect()
}

fn burn_in(c: &mut Criterion) {
    let mut group = c.benchmark_group("burn_in");
    group.sample_size(10);
    for n in [1_000, 10_000, 100_000, 1_000_000] {
        let x = series(n);
        group.bench_with_input(BenchmarkId::new("sparse lags", n), &x, |b, x| {
            b.iter(|| detect_equilibration(black_box(x), LagGrid::Sparse));
        });
        group.bench_with_input(BenchmarkId::new("every lag", n), &x, |b, x| {
            b.iter(|| detect_equilibration(black_box(x), LagGrid::Every));
        });
        group.bench_with_input(BenchmarkId::new("mser5", n), &x, |b, x| {
            b.iter(|| mser5(black_box(x)));
        });
        if n <= 100_000 {
            group.bench_with_input(BenchmarkId::new("window", n), &x, |b, x| {
                b.iter(|| detect_by_window(&[black_box(x)], &WindowConfig::default()));
            });
            group.bench_with_input(BenchmarkId::new("initial sequence", n), &x, |b, x| {
                b.iter(|| {
                    detect_by_initial_sequence(&[black_box(x)], &InitialSequenceConfig::default())
                });
            });
        }
        // The literal loop takes half a minute a call at 100 000.
        if n <= 10_000 {
            group.bench_with_input(BenchmarkId::new("literal, sparse lags", n), &x, |b, x| {
                b.iter(|| baseline::pymbar_equilibration(black_box(x)));
            });
        }
    }
    group.finish();
}

fn correlation(c: &mut Criterion) {
    let mut group = c.benchmark_group("correlation");
    group.sample_size(10);
    for n in [1_000, 10_000, 100_000] {
        let x = series(n);
        group.bench_with_input(BenchmarkId::new("initial monotone", n), &x, |b, x| {
            b.iter(|| statistical_inefficiency(black_box(x), Truncation::InitialMonotone));
        });
        group.bench_with_input(BenchmarkId::new("bulk size", n), &x, |b, x| {
            b.iter(|| ess_bulk(&[black_box(x)]));
        });
        group.bench_with_input(BenchmarkId::new("verdict", n), &x, |b, x| {
            let observables = [Observable::new("x", x)];
            b.iter(|| verdict(black_box(&observables), None, &VerdictConfig::default()));
        });
    }
    group.finish();
}

criterion_group!(benches, burn_in, correlation);
criterion_main!(benches);
