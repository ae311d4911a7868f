//! Cost of one observation: the fused pass against what one would write by hand, and `observe`.

use std::hint::black_box;
use std::num::NonZeroUsize;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use thermograd::{Groups, Observer, Piece, Step, Sums, Symmetry, slices, systems::Random};

fn vector(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    #[expect(clippy::cast_possible_truncation, reason = "noise of any precision")]
    (0..len).map(|_| random.normal() as f32).collect()
}

/// The three sums of two streams, in f64, as an iterator fold.
fn fold(w: &[f32], g: &[f32]) -> (f64, f64, f64) {
    w.iter()
        .zip(g)
        .fold((0.0, 0.0, 0.0), |(ww, wg, gg), (&w, &g)| {
            let (w, g) = (f64::from(w), f64::from(g));
            (ww + w * w, wg + w * g, gg + g * g)
        })
}

fn pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass, two f32 streams");
    for len in [10_000, 1_000_000] {
        let (w, g) = (vector(1, len), vector(2, len));
        group.throughput(Throughput::Elements(len as u64));
        group.bench_with_input(BenchmarkId::new("sums", len), &len, |bencher, _| {
            bencher.iter(|| Sums::of(black_box(&w), black_box(&g)));
        });
        group.bench_with_input(BenchmarkId::new("fold", len), &len, |bencher, _| {
            bencher.iter(|| fold(black_box(&w), black_box(&g)));
        });
        let piece = Piece::new(&w, &g);
        let two = NonZeroUsize::MIN.saturating_add(1);
        group.bench_with_input(BenchmarkId::new("two threads", len), &len, |bencher, _| {
            bencher.iter(|| Sums::reduce(black_box(&piece), two));
        });
    }
    group.finish();
}

fn observe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observe every step, f32");
    for len in [2_000, 50_000, 1_000_000] {
        let (w, g) = (vector(1, len), vector(2, len));
        let mut groups = Groups::new();
        let layer = groups.add("layer", Symmetry::ScaleInvariant);
        let Ok(mut observer) = Observer::new(groups) else {
            continue;
        };
        let step = Step::new(0.5).learning_rate(0.1).weight_decay(1e-3);
        group.throughput(Throughput::Elements(len as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &len, |bencher, _| {
            bencher.iter(|| observer.observe(&step, &slices(layer, black_box(&w), black_box(&g))));
        });
        if len == 2_000 {
            group.bench_function("report", |bencher| bencher.iter(|| observer.report()));
        }
    }
    group.finish();
}

criterion_group!(benches, pass, observe);
criterion_main!(benches);
