//! Cost of one observation: the fused pass against what one would write by hand, the projection,
//! and `observe`.

use std::hint::black_box;
use std::num::NonZeroUsize;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use thermograd::{
    Config, Groups, Instructions, Observer, Piece, Projection, Step, Sums, Symmetry, View, slices,
    systems::Random,
};

fn vector(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    #[expect(clippy::cast_possible_truncation, reason = "noise of any precision")]
    (0..len).map(|_| random.normal() as f32).collect()
}

/// The six sums of three streams, in f64, as an iterator fold.
fn fold(w: &[f32], g: &[f32], previous: &[f32]) -> [f64; 6] {
    let all = w.iter().zip(g).zip(previous);
    all.fold([0.0; 6], |[a, b, c, d, e, f], ((&w, &g), &p)| {
        let (w, g, p) = (f64::from(w), f64::from(g), f64::from(p));
        let step = w - p;
        [
            a + w * w,
            b + w * g,
            c + g * g,
            d + step * step,
            e + p * step,
            f + g * step,
        ]
    })
}

fn pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass");
    let one = NonZeroUsize::MIN;
    for len in [10_000, 1_000_000] {
        let (w, g, previous) = (vector(1, len), vector(2, len), vector(3, len));
        let brain = |values: &[f32]| -> Vec<u16> {
            values.iter().map(|x| (x.to_bits() >> 16) as u16).collect()
        };
        let (half_w, half_g) = (brain(&w), brain(&g));
        let two = Piece::new(&w, &g);
        let half = Piece::new(View::Bf16(&half_w), View::Bf16(&half_g));
        let three = two.previous_weights(&previous);
        group.throughput(Throughput::Elements(len as u64));
        for (name, piece, threads) in [
            ("two f32 streams", &two, one),
            ("two bf16 streams", &half, one),
            ("three f32 streams", &three, one),
            (
                "three f32 streams, two threads",
                &three,
                one.saturating_add(1),
            ),
        ] {
            group.bench_with_input(BenchmarkId::new(name, len), &len, |bencher, _| {
                let best = Instructions::default();
                bencher.iter(|| Sums::reduce_with(black_box(piece), threads, best));
            });
        }
        for instructions in Instructions::available() {
            let name = format!("three f32 streams, {instructions}");
            group.bench_with_input(BenchmarkId::new(name, len), &len, |bencher, _| {
                bencher.iter(|| Sums::reduce_with(black_box(&three), one, instructions));
            });
        }
        let name = "three f32 streams, plain fold";
        group.bench_with_input(BenchmarkId::new(name, len), &len, |bencher, _| {
            bencher.iter(|| fold(black_box(&w), black_box(&g), black_box(&previous)));
        });
    }
    group.finish();
}

fn projection(criterion: &mut Criterion) {
    let len = 1_000_000;
    let w = vector(1, len);
    let mut group = criterion.benchmark_group("projection of 1e6 f32");
    group.throughput(Throughput::Elements(len as u64));
    for dimension in [8, 64, 1024] {
        let Ok(mut projection) = Projection::new(dimension, 1) else {
            continue;
        };
        group.bench_function(BenchmarkId::from_parameter(dimension), |bencher| {
            bencher.iter(|| projection.add(0, black_box(&w)));
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
        let Ok(mut observer) = Observer::with_config(groups, Config::every_step()) else {
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

criterion_group!(benches, pass, projection, observe);
criterion_main!(benches);
