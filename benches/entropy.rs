//! The entropy window beside a search from scratch, N = 1000 snapshots of d parameters.
//!
//! * `push`: one snapshot into a full window, that is one row of the matrix of distances;
//! * `estimate`: geodesic caps, k = 4, with error bar, spread and autocorrelation, from the matrix;
//! * `followed`: the same estimate after a push, where neighbours are followed;
//! * `cold`: a window filled at once, and an estimate;
//! * `published`: the entropy of arXiv 2511.07308 as published, by hyperspherical angles and the
//!   nearest neighbour among them, measured on 200 snapshots (on all of them in three dimensions).
//!
//! `cargo bench --features simd --bench entropy`; some minutes, and 1.2 GB for d = 100 000.
#![allow(missing_docs, reason = "criterion_group makes a public function")]

#[path = "../examples/speed/baseline.rs"]
mod baseline;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use thermograd::View;
use thermograd::entropy::{
    Neighbors, Sampling, SnapshotWindow, Space, WindowConfig, gaussian, geodesic_cap, ledoit_wolf,
};
use thermograd::systems::Random;

const SNAPSHOTS: usize = 1000;
const COMPARED: usize = 200;

fn snapshots(d: usize) -> Vec<Vec<f32>> {
    let mut random = Random::new(1);
    // A cheap cloud: the time does not depend on the numbers.
    let mut next = || f32::from(u8::try_from(random.bits() >> 56).unwrap_or(0)) / 256.0 - 0.5;
    (0..SNAPSHOTS)
        .map(|_| (0..d).map(|_| next()).collect())
        .collect()
}

fn window(c: &mut Criterion) {
    for d in [3_usize, 1000, 10_000, 100_000] {
        let rows = snapshots(d);
        let mut window =
            SnapshotWindow::new(WindowConfig::new(SNAPSHOTS)).expect("a thousand is allowed");
        let mut step = 0;
        let mut push = |window: &mut SnapshotWindow| {
            let row = &rows[usize::try_from(step).unwrap_or(0) % SNAPSHOTS];
            step += 1;
            window.push(step, row).expect("finite numbers")
        };
        for _ in 0..SNAPSHOTS {
            push(&mut window);
        }
        let mut group =
            c.benchmark_group(format!("entropy d={d} ({} MB)", window.bytes() / 1_000_000));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(2));
        group.bench_function("push", |b| b.iter(|| push(&mut window)));
        group.bench_function("estimate", |b| {
            let neighbors = Neighbors::new(4).independent();
            b.iter(|| geodesic_cap(&black_box(&window).distances(), neighbors));
        });
        let neighbors = Neighbors::new(4).independent();
        let config = WindowConfig::new(SNAPSHOTS).follow(Space::Directions, neighbors);
        let mut window = SnapshotWindow::new(config).expect("a thousand is allowed");
        let all = || (0..).zip(&rows).map(|(step, row)| (step, View::F32(row)));
        window.push_all(all()).expect("finite numbers");
        let mut step = SNAPSHOTS;
        group.bench_function("followed", |b| {
            b.iter(|| {
                step += 1;
                let pushed = window.push(step as u64, &rows[step % SNAPSHOTS]);
                (pushed, geodesic_cap(&window.distances(), neighbors))
            });
        });
        drop(window);
        if d <= 10_000 {
            group.bench_function("cold", |b| {
                b.iter(|| {
                    let window = SnapshotWindow::new(WindowConfig::new(SNAPSHOTS));
                    let mut window = window.expect("a thousand is allowed");
                    window.push_all(all()).expect("finite numbers");
                    geodesic_cap(&window.distances(), neighbors)
                });
            });
        }
        let few = if d == 3 { &rows } else { &rows[..COMPARED] };
        group.bench_function(format!("published, N={}", few.len()), |b| {
            b.iter(|| baseline::published_entropy(black_box(few)));
        });
        group.finish();
    }
}

fn covariance(c: &mut Criterion) {
    let mut group = c.benchmark_group("entropy covariance");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    for d in [10_usize, 900] {
        let rows = snapshots(d);
        let mut window =
            SnapshotWindow::new(WindowConfig::new(SNAPSHOTS)).expect("a thousand is allowed");
        for (step, row) in (0..).zip(&rows) {
            window.push(step, row).expect("finite numbers");
        }
        group.bench_function(format!("gaussian d={d}"), |b| {
            b.iter(|| gaussian(&black_box(&window).distances(), Sampling::Independent));
        });
        group.bench_function(format!("ledoit_wolf d={d}"), |b| {
            b.iter(|| ledoit_wolf(&black_box(&window).distances(), Sampling::Independent));
        });
    }
    group.finish();
}

criterion_group!(benches, window, covariance);
criterion_main!(benches);
