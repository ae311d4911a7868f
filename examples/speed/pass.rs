//! The fused pass, the projection and the observer: against the speed of reading, and against what
//! one would write instead.

use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;

use thermograd::{Instructions, Piece, Sums, View, systems::Random};

use crate::limit::{Number, read};
use crate::row::{Better, Curve, Effort, Row, Spread, paired};

/// Weights, gradient and previous weights, as training has them: a small gradient, a smaller step.
pub(crate) struct Streams {
    w: Vec<f32>,
    g: Vec<f32>,
    previous: Vec<f32>,
}

impl Streams {
    /// Pseudo-random streams of this length, a block of normal numbers over and over.
    pub(crate) fn new(len: usize) -> Self {
        const BLOCK: usize = 65_521;
        let mut random = Random::new(1);
        #[expect(clippy::cast_possible_truncation, reason = "noise of any precision")]
        let mut block = |scale: f64| -> Vec<f32> {
            (0..BLOCK)
                .map(|_| (scale * random.normal()) as f32)
                .collect()
        };
        let (w, g, step) = (block(1.0), block(0.01), block(0.001));
        let fill = |block: &[f32]| {
            block
                .iter()
                .copied()
                .cycle()
                .take(len)
                .collect::<Vec<f32>>()
        };
        let (w, g) = (fill(&w), fill(&g));
        let steps = step.iter().cycle();
        let previous = w.iter().zip(steps).map(|(w, step)| w - step).collect();
        Self { w, g, previous }
    }

    fn two(&self, len: usize) -> Piece<'_> {
        Piece::new(&self.w[..len], &self.g[..len])
    }

    fn three(&self, len: usize) -> Piece<'_> {
        self.two(len).previous_weights(&self.previous[..len])
    }
}

fn brain(values: &[f32]) -> Vec<u16> {
    #[expect(clippy::cast_possible_truncation, reason = "the upper half of 32 bits")]
    values.iter().map(|x| (x.to_bits() >> 16) as u16).collect()
}

fn threads(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}

/// The pass over the reading of the same streams.
fn share<T: Number>(
    name: &str,
    target: f64,
    (rounds, limit): (usize, Duration),
    piece: &Piece<'_>,
    streams: &[&[T]],
    n: usize,
) -> Row {
    let pair = paired(
        rounds,
        limit,
        || read(streams, n),
        || {
            let _ = black_box(Sums::reduce(black_box(piece), threads(n)));
        },
    );
    let bytes = streams.iter().map(|s| size_of_val(*s)).sum::<usize>() as f64;
    Row {
        name: name.to_owned(),
        better: Better::Higher,
        target,
        ratio: pair.ratio,
        unit: "of the read bandwidth",
        note: format!(
            "{:.1} of {:.1} GB/s",
            bytes / pair.second.median * 1e-9,
            bytes / pair.first.median * 1e-9
        ),
    }
}

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    let d = effort.pick(100_000_000, 4_000_000);
    let budget = effort.pick(
        (15, Duration::from_secs(6)),
        (5, Duration::from_millis(300)),
    );
    let streams = Streams::new(d);
    let (w, g, previous) = (&streams.w[..], &streams.g[..], &streams.previous[..]);
    for n in [1, 2] {
        let name = format!("pass, f32, 2 streams, d={d:.0e}, {n} threads", d = d as f64);
        rows.push(share(&name, 0.90, budget, &streams.two(d), &[w, g], n));
        let name = format!("pass, f32, 3 streams, d={d:.0e}, {n} threads", d = d as f64);
        rows.push(share(
            &name,
            0.85,
            budget,
            &streams.three(d),
            &[w, g, previous],
            n,
        ));
    }
    let m = 1_000_000;
    let many = (effort.pick(200, 40), budget.1);
    rows.push(share(
        "pass, f32, 3 streams, d=1e6, 1 thread",
        0.95,
        many,
        &streams.three(m),
        &[&w[..m], &g[..m], &previous[..m]],
        1,
    ));
    rows.push(share(
        "pass, f32, 2 streams, d=1e6, 1 thread",
        0.95,
        many,
        &streams.two(m),
        &[&w[..m], &g[..m]],
        1,
    ));
    for (k, piece) in [(2, streams.two(10_000)), (3, streams.three(10_000))] {
        let pair = paired(
            400,
            budget.1,
            || {
                let _ = black_box(Sums::reduce(black_box(&piece), threads(1)));
            },
            || {},
        );
        rows.push(Row {
            name: format!("pass, f32, {k} streams, d=1e4, 1 thread"),
            better: Better::Higher,
            target: 3e9,
            ratio: Spread {
                median: 1e4 / pair.first.median,
                low: 1e4 / pair.first.high,
                high: 1e4 / pair.first.low,
                rounds: pair.first.rounds,
            },
            unit: "parameters/s",
            note: String::new(),
        });
    }
    let half = [brain(w), brain(g), brain(previous)];
    let [hw, hg, hp] = &half;
    for n in [1, 2] {
        let two = Piece::new(View::Bf16(hw), View::Bf16(hg));
        rows.push(share(
            &format!("pass, bf16, 2 streams, {n}"),
            0.8,
            budget,
            &two,
            &[hw, hg],
            n,
        ));
        let three = two.previous_weights(View::Bf16(hp));
        rows.push(share(
            &format!("pass, bf16, 3 streams, {n}"),
            0.8,
            budget,
            &three,
            &[hw, hg, hp],
            n,
        ));
    }
    println!("{}", Instructions::detected());
    for i in Instructions::available() {
        let piece = streams.three(m);
        let pair = paired(
            100,
            budget.1,
            || {
                let _ = black_box(Sums::reduce_with(black_box(&piece), threads(1), i));
            },
            || {
                let _ = black_box(Sums::reduce(black_box(&piece), threads(1)));
            },
        );
        println!(
            "{i}: {:.2e}/s, {:.2}",
            1e6 / pair.first.median,
            pair.ratio.median
        );
        let piece = streams.two(m);
        let pair = paired(
            100,
            budget.1,
            || {
                let _ = black_box(Sums::reduce_with(black_box(&piece), threads(1), i));
            },
            || {
                let _ = black_box(Sums::reduce(black_box(&piece), threads(1)));
            },
        );
        println!(
            "{i}: {:.2e}/s, {:.2}",
            1e6 / pair.first.median,
            pair.ratio.median
        );
    }
    Ok(rows)
}

pub(crate) fn curves(_effort: Effort) -> Vec<Curve> {
    Vec::new()
}
