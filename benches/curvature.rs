//! What the shape of a minimum costs, in gradient evaluations and in time beside them.
//!
//! The objective is a bowl of 10 000 weights whose gradient takes 20 µs or so: what remains is the
//! estimators' own work, at its worst beside so cheap a gradient. Each name says how many gradient
//! evaluations one call takes; `gradients alone` makes as many and nothing else.

use std::cell::Cell;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use thermograd::curvature::{
    CentralDifference, DensityConfig, LanczosConfig, Objective, TraceConfig, extremes, gradient,
    sharpness, spectral_density, trace,
};
use thermograd::flatness::{LearningCoefficientConfig, StepSize, learning_coefficient};

const WEIGHTS: usize = 10_000;

/// Curvatures 1/(1 + i), each weight coupled to its neighbour.
fn bowl(calls: &Cell<u64>) -> impl Objective + '_ {
    gradient(|w: &[f64], g: &mut [f64]| {
        calls.set(calls.get() + 1);
        let mut loss = 0.0;
        let mut left = 0.0;
        for (i, (g, w)) in g.iter_mut().zip(w).enumerate() {
            let stiff = 1.0 / (1.0 + i as f64);
            *g = stiff * w + 0.1 * (w - left);
            loss += 0.5 * stiff * w * w;
            left = *w;
        }
        loss
    })
}

/// The evaluations of one call.
fn count(call: impl Fn(&Cell<u64>)) -> u64 {
    let calls = Cell::new(0);
    call(&calls);
    calls.get()
}

fn compare(c: &mut Criterion, name: &str, call: impl Fn(&Cell<u64>)) {
    let evaluations = count(&call);
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    let calls = Cell::new(0);
    group.bench_function(format!("{evaluations} gradient evaluations"), |b| {
        b.iter(|| call(black_box(&calls)));
    });
    group.bench_function(format!("{evaluations} gradients alone"), |b| {
        let (mut objective, w) = (bowl(&calls), vec![1.0; WEIGHTS]);
        let mut g = vec![0.0; WEIGHTS];
        b.iter(|| {
            for _ in 0..evaluations {
                let _ = black_box(objective.evaluate(&w, &mut g));
            }
        });
    });
    group.finish();
}

fn hessian(calls: &Cell<u64>) -> Option<CentralDifference<impl Objective + '_>> {
    CentralDifference::new(bowl(calls), &vec![1.0; WEIGHTS]).ok()
}

fn curvature(c: &mut Criterion) {
    let probes = TraceConfig::default().relative_error(0.0).most_probes(32);
    compare(c, "trace, 32 signs", |calls| {
        let _ = black_box(hessian(calls).map(|mut h| trace(&mut h, &probes)));
    });
    compare(c, "trace, Hutch++ 8 and 16", |calls| {
        let config = probes.sketch(8).most_probes(16);
        let _ = black_box(hessian(calls).map(|mut h| trace(&mut h, &config)));
    });
    compare(c, "largest eigenvalue", |calls| {
        let config = LanczosConfig::default();
        let _ = black_box(hessian(calls).map(|mut h| extremes(&mut h, &config)));
    });
    compare(c, "spectral density, 8 times 40", |calls| {
        let config = DensityConfig::default();
        let _ = black_box(hessian(calls).map(|mut h| spectral_density(&mut h, &config)));
    });
    compare(c, "sharpness along an update", |calls| {
        let _ = black_box(hessian(calls).map(|mut h| sharpness(&mut h, &vec![1.0; WEIGHTS])));
    });
    compare(c, "learning coefficient, 4 times 200", |calls| {
        let config = LearningCoefficientConfig::new(10_000)
            .step(StepSize::Fixed(1e-3))
            .draws(200);
        let _ = black_box(learning_coefficient(
            bowl(calls),
            &vec![1.0; WEIGHTS],
            &config,
        ));
    });
}

criterion_group!(benches, curvature);
criterion_main!(benches);
