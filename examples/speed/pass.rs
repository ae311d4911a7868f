//! The fused pass, the projection and the observer: against the speed of reading, and against what
//! one would write instead.

use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use nalgebra::DVectorView;
use ndarray017::ArrayView1;
use thermograd::{
    Config, Groups, Instructions, Observer, Piece, Projection, Step, Sums, Symmetry, View, from_fn,
    slices, systems::Random,
};

use crate::common::{
    data::Digits,
    training::{self, Training},
};
use crate::limit::{Number, faster, read};
use crate::row::{Better, Curve, Effort, Row, Spread, paired, time};

/// Rounds, and the time after which no more begin.
type Budget = (usize, Duration);

/// Weights, gradient and previous weights, as training has them: a small gradient, a smaller step.
pub(crate) struct Streams {
    w: Vec<f32>,
    g: Vec<f32>,
    previous: Vec<f32>,
}

impl Streams {
    /// Pseudo-random streams of this length, a block of normal numbers over and over.
    fn new(len: usize) -> Self {
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
            let mut all = Vec::with_capacity(len);
            while all.len() < len {
                all.extend_from_slice(&block[..BLOCK.min(len - all.len())]);
            }
            all
        };
        let (w, g, mut previous) = (fill(&w), fill(&g), fill(&step));
        for (previous, w) in previous.iter_mut().zip(&w) {
            *previous = w - *previous;
        }
        Self { w, g, previous }
    }

    fn two(&self, len: usize) -> Piece<'_> {
        Piece::new(&self.w[..len], &self.g[..len])
    }

    fn three(&self, len: usize) -> Piece<'_> {
        self.two(len).previous_weights(&self.previous[..len])
    }
}

/// The upper halves: bfloat16, cut off.
fn brain(values: &[f32]) -> Vec<u16> {
    values.iter().map(|x| (x.to_bits() >> 16) as u16).collect()
}

fn threads(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}

fn reduce(piece: &Piece<'_>, n: usize) {
    // Finite numbers of equal length: there is nothing to refuse.
    let (n, best) = (threads(n), Instructions::default());
    let _ = black_box(Sums::reduce_with(black_box(piece), n, best));
}

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    let budget = effort.pick(
        (15, Duration::from_secs(7)),
        (5, Duration::from_millis(400)),
    );
    let many = (effort.pick(300, 30), budget.1 / 2);
    let streams = Streams::new(effort.pick(100_000_000, 2_000_000));
    rows.extend(shares(effort, budget, &streams));
    for (name, len, target) in [("1e6", 1_000_000, 0.95), ("1e4", 10_000, 0.0)] {
        let (w, g, previous) = (
            &streams.w[..len],
            &streams.g[..len],
            &streams.previous[..len],
        );
        for (n, piece, all) in [
            (2, streams.two(len), &[w, g][..]),
            (3, streams.three(len), &[w, g, previous]),
        ] {
            let name = format!("pass, f32, {n} streams, d={name}, 1 thread");
            if target > 0.0 {
                rows.push(share(name, target, many, &piece, all, 1));
            } else {
                rows.push(rate(name, 3e9, many, &piece, len));
            }
        }
    }
    rows.extend(against(many, &streams));
    let memory = effort.pick("1e8", "2e6");
    for dimension in [64, 1024] {
        rows.push(projecting(memory, dimension, &streams.w, budget)?);
    }
    for dimension in [8, 64, 1000, 1024] {
        rows.push(projecting("1e6", dimension, &streams.w[..1_000_000], many)?);
    }
    drop(streams);
    rows.extend(distances(effort)?);
    rows.push(same_bits(effort)?);
    rows.extend(rounding(effort)?);
    rows.extend(observing(effort)?);
    Ok(rows)
}

/// The pass over streams from memory.
fn shares(effort: Effort, budget: Budget, streams: &Streams) -> Vec<Row> {
    let mut rows = Vec::new();
    let len = streams.w.len();
    let d = effort.pick("1e8", "2e6");
    let (w, g, previous) = (&streams.w[..], &streams.g[..], &streams.previous[..]);
    for (n, words) in [(1, "1 thread"), (2, "2 threads")] {
        let name = format!("pass, f32, 2 streams, d={d}, {words}");
        rows.push(share(name, 0.90, budget, &streams.two(len), &[w, g], n));
        let name = format!("pass, f32, 3 streams, d={d}, {words}");
        let all = [w, g, previous];
        rows.push(share(name, 0.85, budget, &streams.three(len), &all, n));
    }
    let [w, g, previous] = [w, g, previous].map(brain);
    for (n, words) in [(1, "1 thread"), (2, "2 threads")] {
        let two = Piece::new(View::Bf16(&w), View::Bf16(&g));
        let name = format!("pass, bf16, 2 streams, d={d}, {words}");
        rows.push(share(name, 0.80, budget, &two, &[&w, &g], n));
        let three = two.previous_weights(View::Bf16(&previous));
        let name = format!("pass, bf16, 3 streams, d={d}, {words}");
        rows.push(share(name, 0.80, budget, &three, &[&w, &g, &previous], n));
    }
    rows
}

/// The reading of some streams over the pass through them.
fn share<T: Number>(
    name: String,
    target: f64,
    (rounds, limit): Budget,
    piece: &Piece<'_>,
    streams: &[&[T]],
    n: usize,
) -> Row {
    let ahead = faster(streams, n);
    let reading = || read(streams, n, ahead);
    let pair = paired(rounds, limit, reading, || reduce(piece, n));
    let bytes = streams.iter().map(|s| size_of_val(*s)).sum::<usize>() as f64;
    Row {
        name,
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

/// Parameters a second of a pass that caches hold.
fn rate(name: String, target: f64, (rounds, limit): Budget, piece: &Piece<'_>, len: usize) -> Row {
    let pair = paired(rounds, limit, || reduce(piece, 1), || {});
    let rate = |seconds: f64| len as f64 / seconds;
    Row {
        name,
        better: Better::Higher,
        target,
        ratio: Spread {
            median: rate(pair.first.median),
            low: rate(pair.first.high),
            high: rate(pair.first.low),
            rounds: pair.first.rounds,
        },
        unit: "parameters/s",
        note: String::new(),
    }
}

/// Σw², Σwg, Σg² and, of the displacement Δ from the previous weights, ΣΔ², Σw₋₁Δ, Σg Δ: the six
/// sums of three streams, in f64.
type Six = [f64; 6];

/// As an iterator fold, with nothing else in it.
fn fold(w: &[f32], g: &[f32], previous: &[f32]) -> Six {
    let all = w.iter().zip(g).zip(previous);
    all.fold([0.0; 6], |[ww, wg, gg, ss, ps, gs], ((&w, &g), &p)| {
        let (w, g, p) = (f64::from(w), f64::from(g), f64::from(p));
        let step = w - p;
        [
            ww + w * w,
            wg + w * g,
            gg + g * g,
            ss + step * step,
            ps + p * step,
            gs + g * step,
        ]
    })
}

/// As one writes it with nalgebra.
fn by_nalgebra(w: &[f32], g: &[f32], previous: &[f32]) -> Six {
    let [w, g, p] = [w, g, previous].map(|x| DVectorView::from_slice(x, x.len()).map(f64::from));
    let step = &w - &p;
    [
        w.norm_squared(),
        w.dot(&g),
        g.norm_squared(),
        step.norm_squared(),
        p.dot(&step),
        g.dot(&step),
    ]
}

/// As one writes it with ndarray.
fn by_ndarray(w: &[f32], g: &[f32], previous: &[f32]) -> Six {
    let [w, g, p] = [w, g, previous].map(|x| ArrayView1::from(x).mapv(f64::from));
    let step = &w - &p;
    [
        w.dot(&w),
        w.dot(&g),
        g.dot(&g),
        step.dot(&step),
        p.dot(&step),
        g.dot(&step),
    ]
}

/// Others' time over that of the pass.
fn against((rounds, limit): Budget, streams: &Streams) -> Vec<Row> {
    let len = 1_000_000;
    let (w, g, p) = (
        &streams.w[..len],
        &streams.g[..len],
        &streams.previous[..len],
    );
    let piece = streams.three(len);
    let row = |name: &str, target: f64, other: fn(&[f32], &[f32], &[f32]) -> Six| {
        let theirs = || {
            black_box(other(black_box(w), black_box(g), black_box(p)));
        };
        let pair = paired(rounds, limit, theirs, || reduce(&piece, 1));
        Row {
            name: format!("pass, f32, 3 streams, d=1e6, against {name}"),
            better: Better::Higher,
            target,
            ratio: pair.ratio,
            unit: "times faster",
            note: format!(
                "{:.0} over {:.0} µs",
                pair.first.median * 1e6,
                pair.second.median * 1e6
            ),
        }
    };
    vec![
        row("nalgebra", 10.0, by_nalgebra),
        row("ndarray", 4.0, by_ndarray),
        row("a plain fold", 5.0, fold),
    ]
}

/// How many of many random passes differ in a bit from plain code on one thread: over lengths,
/// offsets, numbers of threads, sets of instructions and splits into pieces.
fn same_bits(effort: Effort) -> Result<Row, Box<dyn Error>> {
    let mut random = Random::new(5);
    let (mut compared, mut differ) = (0_u32, 0_u32);
    for _ in 0..effort.pick(100, 10) {
        let len = 1 + random.below(300_000);
        let streams = Streams::new(len);
        let piece = streams.three(len).offset(random.below(3000));
        let plain = Sums::reduce_with(&piece, threads(1), Instructions::Plain)?;
        for instructions in Instructions::available() {
            for n in [1, 2, 3, 8] {
                let found = Sums::reduce_with(&piece, threads(n), instructions)?;
                compared += 1;
                differ += u32::from(found != plain);
            }
        }
        let mut groups = Groups::new();
        let id = groups.add("group", Symmetry::Generic);
        let mut observer = Observer::new(groups)?;
        let cut = random.below(len);
        let visit = from_fn(|out| {
            for range in [0..cut, cut..len] {
                if !range.is_empty() {
                    let piece = Piece::new(&streams.w[range.clone()], &streams.g[range.clone()]);
                    out.piece(id, &piece.previous_weights(&streams.previous[range]))?;
                }
            }
            Ok(())
        });
        observer.observe(&Step::new(1.0), &visit)?;
        let whole = Sums::reduce(&streams.three(len), threads(1))?;
        compared += 1;
        differ += u32::from(observer.sums(id)? != Some(whole));
    }
    let names: Vec<String> = Instructions::available().map(|x| x.to_string()).collect();
    Ok(Row {
        name: "same bits: 1, 2, 3, 8 threads, splits, instructions".to_owned(),
        better: Better::Lower,
        target: 0.0,
        ratio: Spread::exact(f64::from(differ)),
        unit: "passes that differ",
        note: format!("of {compared}; {}", names.join(", ")),
    })
}

/// a + b, and what the sum left out (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The error of rounding over the sum of absolute terms. Products of f32 are exact in f64, and
/// sums of them in twice the precision are the reference.
fn rounding(effort: Effort) -> Result<Vec<Row>, Box<dyn Error>> {
    let len = effort.pick(10_000_000, 1_000_000);
    let streams = Streams::new(len);
    let [w, g, p] = [&streams.w, &streams.g, &streams.previous];
    let sums = Sums::reduce(&streams.three(len), threads(1))?;
    let [ww, wg, gg, ..] = fold(w, g, p);
    let (mut worst, mut folded) = (0.0_f64, 0.0_f64);
    for (found, by_fold, a, b) in [
        (sums.w_w, ww, w, w),
        (sums.w_g, wg, w, g),
        (sums.g_g, gg, g, g),
    ] {
        let (mut exact, mut rest, mut size) = (0.0, 0.0, 0.0);
        for (&a, &b) in a.iter().zip(b) {
            let term = f64::from(a) * f64::from(b);
            let (sum, left) = two_sum(exact, term);
            exact = sum;
            rest += left;
            size += term.abs();
        }
        worst = worst.max(((found - exact) - rest).abs() / size);
        folded = folded.max(((by_fold - exact) - rest).abs() / size);
    }
    Ok(vec![Row {
        name: format!("rounding of w², w·g, g², d={}", effort.pick("1e7", "1e6")),
        better: Better::Lower,
        target: 2e-15,
        ratio: Spread::exact(worst),
        unit: "of the sum of absolute terms",
        note: format!("a plain fold: {folded:.1e}"),
    }])
}

/// What a projection costs over a pure read.
fn projecting(
    d: &str,
    dimension: usize,
    w: &[f32],
    (rounds, limit): Budget,
) -> Result<Row, Box<dyn Error>> {
    let mut projection = Projection::new(dimension, 1)?;
    let ahead = faster(&[w], 1);
    let project = || {
        projection.clear();
        // Finite numbers: there is nothing to refuse.
        let _ = projection.add(0, black_box(w));
        black_box(&projection);
    };
    let pair = paired(rounds, limit, project, || read(&[w], 1, ahead));
    Ok(Row {
        name: format!("projection, f32, d={d}, k={dimension}, over a pure read"),
        better: Better::Lower,
        target: 1.25,
        ratio: pair.ratio,
        unit: "times its time",
        note: format!(
            "{:.2} over {:.2} ms",
            pair.first.median * 1e3,
            pair.second.median * 1e3
        ),
    })
}

/// How well a projection keeps distances.
fn distances(effort: Effort) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    // The distance of two snapshots: of their displacement, over seeds.
    let len = effort.pick(100_000, 20_000);
    let streams = Streams::new(len);
    let (w, p) = (&streams.w[..len], &streams.previous[..len]);
    let apart = w.iter().zip(p).map(|(w, p)| f64::from(*w) - f64::from(*p));
    let distance = apart.map(|d| d * d).sum::<f64>().sqrt();
    for dimension in [64, 1024] {
        let seeds = effort.pick(1000, 100);
        let (mut squares, mut unit) = (0.0, 0.0);
        for seed in 0..seeds {
            let mut here = Projection::new(dimension, seed)?;
            let mut there = here.clone();
            here.add(0, w)?;
            there.add(0, p)?;
            squares += (here.distance(&there)? / distance - 1.0).powi(2);
            unit = here.relative_error();
        }
        rows.push(Row {
            name: format!("projection, rms error of a distance times √2k, k={dimension}"),
            better: Better::Lower,
            target: 1.1,
            ratio: Spread::exact((squares / seeds as f64).sqrt() / unit),
            unit: "",
            note: format!("over {seeds} seeds"),
        });
    }
    Ok(rows)
}

/// Observing a network in training, against the training step itself.
fn observing(effort: Effort) -> Result<Vec<Row>, Box<dyn Error>> {
    let digits = Digits::load(0)?;
    let mut rows = Vec::new();
    for (name, options, target) in [
        ("4 steps in 64 (the default)", Config::default(), 0.01),
        ("every step", Config::every_step(), 0.1),
    ] {
        let config = training::Config::default();
        let mut training = Training::new(&config, &digits);
        let mut groups = Groups::new();
        let scales = training.network.scales();
        let layer = groups.add("hidden", Symmetry::ScaleInvariantBy(scales));
        let mut observer = Observer::with_config(groups, options)?;
        let (mut shares, mut watching, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        // A share is that of whole bursts: the mean over 64 steps.
        for round in 0..effort.pick(200, 40) {
            let (mut watched, mut trained) = (0.0, 0.0);
            for _ in 0..64 {
                let begin = Instant::now();
                let loss = training.gradient();
                let seen = Instant::now();
                let state = training.state();
                let facts = training.optimizer.facts(loss);
                observer.observe(&facts, &slices(layer, state.weights, state.gradient))?;
                watched += seen.elapsed().as_secs_f64();
                let update = Instant::now();
                training.update();
                trained += (seen - begin + update.elapsed()).as_secs_f64();
            }
            // The first steps fill the memory of the observer.
            if round >= 4 {
                shares.push(watched / trained);
                watching.push(watched / 64.0);
                steps.push(trained / 64.0);
            }
        }
        rows.push(Row {
            name: format!("observing the digits network, {name}"),
            better: Better::Lower,
            target,
            ratio: Spread::of(shares),
            unit: "of the step",
            note: format!(
                "{:.2} of {:.0} µs",
                Spread::of(watching).median * 1e6,
                Spread::of(steps).median * 1e6
            ),
        });
    }
    Ok(rows)
}

/// What is timed, up to which length, and how.
type Work<'a> = (&'static str, usize, Box<dyn FnMut(usize) + 'a>);

/// Seconds against the number of parameters.
pub(crate) fn curves(effort: Effort) -> Vec<Curve> {
    let largest: usize = effort.pick(100_000_000, 1_000_000);
    let streams = Streams::new(largest);
    let lens: Vec<usize> = (6..=16)
        .map(|half| {
            let mantissa = if half % 2 == 0 { 1.0 } else { 3.162_277_66 };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a length up to 1e8"
            )]
            let len = (mantissa * 10f64.powi(half / 2)) as usize;
            len
        })
        .filter(|&len| len <= largest)
        .collect();
    let mut projection = Projection::new(1024, 1).ok();
    let cut = |len: usize| {
        let Streams { w, g, previous } = &streams;
        (&w[..len], &g[..len], &previous[..len])
    };
    let mut works: Vec<Work<'_>> = vec![
        (
            "nalgebra",
            10_000_000,
            Box::new(|len| {
                let (w, g, p) = cut(len);
                black_box(by_nalgebra(w, g, p));
            }),
        ),
        (
            "plain fold",
            largest,
            Box::new(|len| {
                let (w, g, p) = cut(len);
                black_box(fold(w, g, p));
            }),
        ),
        (
            "pass",
            largest,
            Box::new(|len| reduce(&streams.three(len), 1)),
        ),
        (
            "pass, 2 threads",
            largest,
            Box::new(|len| reduce(&streams.three(len), 2)),
        ),
        (
            "pure read",
            largest,
            Box::new(|len| {
                let (w, g, p) = cut(len);
                read(&[w, g, p], 1, crate::limit::Ahead::No);
            }),
        ),
        (
            "projection of w, k=1024",
            largest,
            Box::new(|len| {
                if let Some(projection) = &mut projection {
                    let _ = projection.add(0, black_box(cut(len).0));
                }
            }),
        ),
    ];
    works
        .iter_mut()
        .map(|(name, most, work)| Curve {
            picture: "speed_d",
            x: "parameters d",
            y: "seconds for w, g and previous w",
            name: (*name).to_string(),
            points: lens
                .iter()
                .filter(|len| **len <= *most)
                .map(|&len| (len as f64, steady(|| work(len))))
                .collect(),
        })
        .collect()
}

/// Seconds of one call: the median of a few batches of calls.
fn steady(mut work: impl FnMut()) -> f64 {
    work();
    let once = time(&mut work, 1).max(1e-8);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 10 000"
    )]
    let calls = (1e-3 / once).clamp(1.0, 1e4) as u32;
    let rounds = if once > 0.05 { 3 } else { 15 };
    Spread::of((0..rounds).map(|_| time(&mut work, calls)).collect()).median
}
