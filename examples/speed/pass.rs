//! The fused pass, the projection and the observer: against the speed of reading, and against what
//! one would write instead.

use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use thermograd::{Groups, Observer, Piece, Sums, Symmetry, View, slices, systems::Random};

use crate::common::{
    data::Digits,
    training::{Config, Training},
};
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

/// Observing a network in training, against the training step itself.
fn observing(effort: Effort) -> Result<Row, Box<dyn Error>> {
    let digits = Digits::load(0)?;
    let config = Config::default();
    let mut training = Training::new(&config, &digits);
    let mut groups = Groups::new();
    let scales = training.network.scales();
    let layer = groups.add("hidden", Symmetry::ScaleInvariantBy(scales));
    let mut observer = Observer::new(groups)?;
    let (mut shares, mut observe, mut step) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.pick(3000, 600) {
        let begin = Instant::now();
        let loss = training.gradient();
        let seen = Instant::now();
        let state = training.state();
        let facts = training.optimizer.facts(loss);
        observer.observe(&facts, &slices(layer, state.weights, state.gradient))?;
        let watched = seen.elapsed().as_secs_f64();
        let update = Instant::now();
        training.update();
        let trained = (seen - begin + update.elapsed()).as_secs_f64();
        // The first steps fill the memory of the observer.
        if round >= 100 {
            shares.push(watched / trained);
            observe.push(watched);
            step.push(trained);
        }
    }
    Ok(Row {
        name: "observing the digits network, every step".to_owned(),
        better: Better::Lower,
        target: 0.01,
        ratio: Spread::of(shares),
        unit: "of the step",
        note: format!(
            "{:.2} of {:.0} µs",
            Spread::of(observe).median * 1e6,
            Spread::of(step).median * 1e6
        ),
    })
}

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = vec![observing(effort)?];
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
    Ok(rows)
}

pub(crate) fn curves(_effort: Effort) -> Vec<Curve> {
    Vec::new()
}
