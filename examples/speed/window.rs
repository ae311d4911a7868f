//! Entropy of a window of snapshots, and detectors of change: cost against the usual algorithms.
//!
//! All of it on one thread; what more threads bring stands in the notes.

use std::{error::Error, hint::black_box, time::Duration};

use thermograd::{
    View,
    entropy::{
        Distances, Neighbors, SnapshotWindow, Space, WindowConfig, geodesic_cap,
        kozachenko_leonenko,
    },
    equilibrium::{LagGrid, detect_equilibration},
    phase_transition::change_point::{Cost, PeltConfig, Penalty, optimal_partitioning, pelt},
    systems::Random,
};

use crate::{
    baseline,
    limit::{arithmetic, faster, read},
    row::{Better, Curve, Effort, Row, Spread, paired, time},
};

type Answer<T> = Result<T, Box<dyn Error>>;

/// Runs on one thread whatever the pool.
#[cfg(feature = "rayon")]
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> Answer<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    Ok(pool.install(work))
}

#[cfg(not(feature = "rayon"))]
fn alone<T>(work: impl FnOnce() -> T) -> Answer<T> {
    Ok(work())
}

fn cloud(n: usize, d: usize) -> Vec<Vec<f32>> {
    let mut random = Random::new(1);
    // Four bytes of each number drawn: the time does not depend on the shape of the cloud.
    let mut next = || {
        let bits = random.bits();
        let part = |shift: u32| f32::from(u8::try_from(bits >> shift & 0xff).unwrap_or(0)) - 127.5;
        part(0) + part(8) / 256.0 + part(16) / 65_536.0
    };
    (0..n).map(|_| (0..d).map(|_| next()).collect()).collect()
}

/// A full window whose neighbours are followed, and what is pushed next.
struct Following<'a> {
    window: SnapshotWindow,
    rows: &'a [Vec<f32>],
    step: u64,
}

impl<'a> Following<'a> {
    fn new(rows: &'a [Vec<f32>]) -> Answer<Self> {
        let config = WindowConfig::new(rows.len()).follow(Space::Directions, neighbors());
        let mut window = SnapshotWindow::new(config)?;
        window.push_all((0..).zip(rows).map(|(step, w)| (step, View::F32(w))))?;
        let step = rows.len() as u64;
        Ok(Self { window, rows, step })
    }

    /// A snapshot and the estimate after it.
    fn next(&mut self) {
        let row = usize::try_from(self.step * 7).unwrap_or(0) % self.rows.len();
        let pushed = self.window.push(self.step, &self.rows[row]);
        self.step += 1;
        let _ = black_box((pushed, geodesic_cap(&self.window.distances(), neighbors())));
    }
}

fn neighbors() -> Neighbors {
    Neighbors::new(4).independent()
}

/// A cold window and one estimate from it.
fn cold(rows: &[Vec<f32>]) {
    let window = SnapshotWindow::new(WindowConfig::new(rows.len()));
    let _ = black_box(window.map(|mut window| {
        let all = (0..).zip(rows).map(|(step, w)| (step, View::F32(w)));
        let filled = window.push_all(all);
        (filled, geodesic_cap(&window.distances(), neighbors()))
    }));
}

fn row(name: String, target: f64, ratio: Spread, note: String) -> Row {
    Row {
        name,
        better: Better::Higher,
        target,
        ratio,
        unit: "times faster",
        note,
    }
}

/// The rows of the table.
pub(crate) fn rows(effort: Effort) -> Answer<Vec<Row>> {
    let mut rows = Vec::new();
    let n = effort.pick(1000, 150);
    let sizes: &[(usize, f64)] = effort.pick(
        &[(1_000, 100.0), (10_000, 200.0), (100_000, 300.0)],
        &[(1_000, 100.0)],
    );
    for &(d, target) in sizes {
        rows.extend(large(n, d, target)?);
    }
    rows.extend(small(n, effort)?);
    rows.push(accuracy(effort)?);
    rows.extend(detectors(effort)?);
    Ok(rows)
}

/// Time of an estimate, per snapshot and cold, against the published algorithm.
fn large(n: usize, d: usize, target: f64) -> Answer<Vec<Row>> {
    let snapshots = cloud(n, d);
    let mut following = Following::new(&snapshots)?;
    let rounds = if d > 10_000 { 3 } else { 5 };
    let (warm, chill, seconds) = alone(|| {
        let mut literal = || {
            black_box(baseline::published_entropy(&snapshots));
        };
        let (mut warm, mut chill, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        following.next();
        for _ in 0..rounds {
            let calls = (200_000_000 / (n * d)).clamp(5, 400);
            let one = time(&mut || following.next(), u32::try_from(calls).unwrap_or(5));
            let usual = time(&mut literal, 1);
            let all = time(&mut || cold(&snapshots), 1);
            warm.push(usual / one);
            chill.push(usual / all);
            seconds.push((one, usual, all));
        }
        (warm, chill, seconds)
    })?;
    let threads = time(&mut || following.next(), 5);
    let together = time(&mut || cold(&snapshots), 1);
    let streams: Vec<&[f32]> = snapshots.iter().map(Vec::as_slice).collect();
    let ahead = faster(&streams, 1);
    let reading = Spread::of(
        (0..5)
            .map(|_| time(&mut || read(&streams, 1, ahead), 1))
            .collect(),
    );
    let gigabytes = 4e-9 * (n * d) as f64;
    // A difference, its square and a sum for each parameter of each pair.
    let operations = 1.5e-9 * (n * (n - 1) * d) as f64;
    let (one, usual, all) = seconds[seconds.len() / 2];
    Ok(vec![
        row(
            format!("entropy per added snapshot, N={n}, d={d}"),
            target,
            Spread::of(warm),
            format!(
                "{:.3} ms [{:.3} on all threads] against {:.1} ms; {:.1} of {:.1} GB/s",
                1e3 * one,
                1e3 * threads,
                1e3 * usual,
                gigabytes / one,
                gigabytes / reading.median
            ),
        ),
        row(
            format!("entropy of a cold window, N={n}, d={d}"),
            3.0,
            Spread::of(chill),
            format!(
                "{:.1} ms [{:.1} on all threads] against {:.1} ms; {:.1} of {:.1} G operations/s",
                1e3 * all,
                1e3 * together,
                1e3 * usual,
                operations / all,
                1e-9 * arithmetic()
            ),
        ),
    ])
}

/// The same in three dimensions, against a tree and against all pairs.
fn small(n: usize, effort: Effort) -> Answer<Vec<Row>> {
    let snapshots = cloud(n, 3);
    let mut following = Following::new(&snapshots)?;
    let flat: Vec<f64> = snapshots.iter().flatten().map(|&x| f64::from(x)).collect();
    let rounds = effort.pick(41, 5);
    let limit = Duration::from_secs(5);
    let against_tree = paired(
        rounds,
        limit,
        || {
            black_box(baseline::published_entropy(&snapshots));
        },
        || following.next(),
    );
    let against_pairs = paired(
        rounds,
        limit,
        || {
            black_box(baseline::nearest_by_pairs(&flat, 3));
        },
        || following.next(),
    );
    let mut plain = SnapshotWindow::new(WindowConfig::new(n))?;
    plain.push_all((0..).zip(&snapshots).map(|(step, w)| (step, View::F32(w))))?;
    let unfollowed = paired(
        rounds,
        limit,
        || {
            let _ = black_box(geodesic_cap(&plain.distances(), neighbors()));
        },
        || following.next(),
    );
    let note = |paired: &crate::row::Paired| {
        let (a, b) = (paired.second.median, paired.first.median);
        format!("{:.1} us against {:.1} us", 1e6 * a, 1e6 * b)
    };
    Ok(vec![
        row(
            format!("entropy per added snapshot, N={n}, d=3, a k-d tree"),
            20.0,
            against_tree.ratio,
            note(&against_tree),
        ),
        row(
            format!("entropy per added snapshot, N={n}, d=3, all pairs"),
            20.0,
            against_pairs.ratio,
            note(&against_pairs),
        ),
        row(
            "the same, d=3, our own from the matrix".to_owned(),
            20.0,
            unfollowed.ratio,
            note(&unfollowed),
        ),
    ])
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
fn narrow(x: f64) -> f32 {
    x as f32
}

/// Entropy of single-precision snapshots of norm 10 in steps of 10⁻⁴ against integer arithmetic.
fn accuracy(effort: Effort) -> Answer<Row> {
    let (n, d) = (effort.pick(60, 20), 100_000_u32);
    // Of which every f32 above 2⁻³⁶ is a multiple.
    let unit = 2_f64.powi(60);
    let mut random = Random::new(3);
    let mut w: Vec<f32> = (0..d)
        .map(|_| narrow(10.0 / f64::from(d).sqrt() * random.normal()))
        .collect();
    let (mut window, mut history) = (SnapshotWindow::new(WindowConfig::new(n))?, Vec::new());
    for step in 0..n as u64 {
        window.push(step, &w)?;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2⁶⁰")]
        let whole = |&x: &f32| (f64::from(x) * unit) as i64;
        history.push(w.iter().map(whole).collect::<Vec<_>>());
        for x in &mut w {
            *x = narrow(f64::from(*x) + 3e-7 * random.normal());
        }
    }
    let mut exact = vec![0.0; n * n];
    for (i, a) in history.iter().enumerate() {
        for (j, b) in history.iter().enumerate() {
            let squares = a.iter().zip(b).map(|(a, b)| i128::from(a - b).pow(2));
            exact[i * n + j] = squares.sum::<i128>() as f64 / unit / unit;
        }
    }
    let distances = window.distances();
    let exact = Distances::from_flat(exact, distances.provenance())?;
    let of = |distances: &Distances<'_>| -> Answer<f64> {
        let reading = kozachenko_leonenko(distances, neighbors())?;
        Ok(reading.ready().ok_or("too few snapshots")?.entropy.value)
    };
    let (ours, truth) = (of(&distances)?, of(&exact)?);
    Ok(Row {
        name: format!("entropy of f32 snapshots, |w|=10, steps 1e-4, d={d}"),
        better: Better::Lower,
        target: 1e-9,
        ratio: Spread::exact((ours - truth).abs()),
        unit: "nats",
        note: format!("{truth:.3} nats in integer arithmetic"),
    })
}

/// An autoregression with g = 19 and a transient of eight standard deviations.
fn transient(n: usize) -> Vec<f64> {
    let (mut random, mut x) = (Random::new(1), 0.0);
    (0..n)
        .map(|t| {
            x = 0.9 * x + 0.19_f64.sqrt() * random.normal();
            x + 8.0 * (-(t as f64) / 100.0).exp()
        })
        .collect()
}

/// Unit noise with a step of two after each `every` elements.
fn steps(n: usize, every: usize) -> Vec<f64> {
    let mut random = Random::new(1);
    (0..n)
        .map(|t| random.normal() + f64::from(u8::from(!(t / every).is_multiple_of(2))) * 2.0)
        .collect()
}

fn means(n: usize) -> PeltConfig {
    PeltConfig::new(Cost::Mean)
        .penalty(Penalty::Given(3.0 * (n as f64).ln()))
        .noise_variance(1.0)
}

fn detectors(effort: Effort) -> Answer<Vec<Row>> {
    let mut rows = Vec::new();
    let rounds = effort.pick(9, 3);
    let limit = Duration::from_secs(effort.pick(15, 2));
    let ms = |paired: &crate::row::Paired| {
        let (a, b) = (paired.second.median, paired.first.median);
        format!("{:.3} ms against {:.3} ms", 1e3 * a, 1e3 * b)
    };

    let n = effort.pick(10_000, 1_000);
    let series = transient(n);
    let found = detect_equilibration(&series, LagGrid::Sparse)?;
    let (origin, size) = baseline::pymbar_equilibration(&series);
    let found = found.ready().ok_or("a series long enough")?;
    if found.origin != origin || (found.n_eff / size - 1.0).abs() > 1e-9 {
        return Err(format!("{found:?} where pymbar's loop finds {origin}, {size}").into());
    }
    let both = paired(
        rounds,
        limit,
        || {
            black_box(baseline::pymbar_equilibration(&series));
        },
        || {
            let _ = black_box(detect_equilibration(&series, LagGrid::Sparse));
        },
    );
    rows.push(row(
        format!("burn-in, n={n}, pymbar's loop"),
        50.0,
        both.ratio,
        ms(&both),
    ));

    let n = 1_000;
    for (name, every) in [("a change every 100", 100), ("no change", n + 1)] {
        let (series, config) = (steps(n, every), means(n));
        let penalty = 3.0 * (n as f64).ln();
        let truth = baseline::optimal_partitioning(&series, penalty);
        let found = pelt(&series, &config)?;
        let found = found.ready().ok_or("a series long enough")?;
        if found.change_points != truth {
            return Err(format!("{:?} where {truth:?} is best", found.change_points).into());
        }
        let fast = || {
            let _ = black_box(pelt(&series, &config));
        };
        let both = paired(
            4 * rounds,
            limit,
            || {
                black_box(baseline::optimal_partitioning(&series, penalty));
            },
            fast,
        );
        rows.push(row(
            format!("PELT, n={n}, {name}, O(n²) programme"),
            100.0,
            both.ratio,
            ms(&both),
        ));
        if every < n {
            let both = paired(
                rounds,
                limit,
                || {
                    black_box(baseline::optimal_partitioning_by_elements(&series, penalty));
                },
                fast,
            );
            rows.push(row(
                format!("PELT, n={n}, {name}, O(n²) costs from elements"),
                100.0,
                both.ratio,
                ms(&both),
            ));
        }
    }
    let n = effort.pick(10_000, 2_000);
    let (series, config) = (steps(n, n + 1), means(n));
    let both = paired(
        3,
        limit,
        || {
            let _ = black_box(optimal_partitioning(&series, &config));
        },
        || {
            let _ = black_box(pelt(&series, &config));
        },
    );
    rows.push(row(
        format!("PELT, n={n}, no change, our O(n²) programme"),
        100.0,
        both.ratio,
        ms(&both),
    ));
    Ok(rows)
}

/// Calls, for a clock that sees milliseconds.
fn seconds(mut work: impl FnMut()) -> f64 {
    work();
    let once = time(&mut work, 1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 1000"
    )]
    let calls = (5e-3 / once.max(1e-9)).clamp(1.0, 1e3) as u32;
    Spread::of((0..3).map(|_| time(&mut work, calls)).collect()).median
}

/// The lines of its plots.
pub(crate) fn curves(effort: Effort) -> Answer<Vec<Curve>> {
    let curve = |(picture, x): (&'static str, &'static str), name: &str| Curve {
        picture,
        x,
        y: "seconds",
        name: name.to_owned(),
        points: Vec::new(),
    };
    let by_d = ("speed_entropy_d", "parameters d, N = 1000");
    let by_n = ("speed_entropy_n", "snapshots N, d = 1000");
    let by_length = ("speed_detectors_n", "length n of the series");

    let mut lines = [by_d, by_n]
        .map(|axes| ["published", "cold", "per snapshot"].map(|name| curve(axes, name)));
    let most = effort.pick(30_000, 300);
    let kept = effort.pick(1_000, 100);
    let many = effort.pick(3_000, 100);
    let by_width = [3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000]
        .into_iter()
        .filter(|&d| d <= most)
        .map(|d| (0, kept, d));
    let by_count = [30, 100, 300, 1_000, 3_000]
        .into_iter()
        .filter(|&n| n <= many)
        .map(|n| (1, n, effort.pick(1_000, 100)));
    for (picture, n, d) in by_width.chain(by_count) {
        let snapshots = cloud(n, d);
        let mut following = Following::new(&snapshots)?;
        let size = if picture == 0 { d } else { n } as f64;
        let [published, chill, warm] = &mut lines[picture];
        warm.points.push((size, seconds(|| following.next())));
        if n * d <= effort.pick(10_000_000, 1_000_000) {
            let mut literal = || {
                black_box(baseline::published_entropy(&snapshots));
            };
            published.points.push((size, time(&mut literal, 1)));
        }
        chill.points.push((size, time(&mut || cold(&snapshots), 1)));
    }

    let mut literal = curve(by_length, "pymbar's loop");
    let mut burn_in = curve(by_length, "burn-in");
    let mut programme = curve(by_length, "O(n²) programme");
    let mut changing = curve(by_length, "PELT, changes");
    let mut quiet = curve(by_length, "PELT, none");
    for n in [300, 1_000, 3_000, 10_000, 30_000, 100_000] {
        if n > effort.pick(100_000, 1_000) {
            break;
        }
        let size = n as f64;
        let (decay, some, none, config) = (transient(n), steps(n, 500), steps(n, n + 1), means(n));
        burn_in.points.push((
            size,
            seconds(|| {
                let _ = black_box(detect_equilibration(&decay, LagGrid::Sparse));
            }),
        ));
        for (line, series) in [(&mut changing, &some), (&mut quiet, &none)] {
            let work = || {
                let _ = black_box(pelt(series, &config));
            };
            line.points.push((size, seconds(work)));
        }
        if n <= 10_000 {
            let work = || {
                black_box(baseline::pymbar_equilibration(&decay));
            };
            literal.points.push((size, seconds(work)));
            let work = || {
                let _ = black_box(optimal_partitioning(&none, &config));
            };
            programme.points.push((size, seconds(work)));
        }
    }
    let mut all: Vec<Curve> = lines.into_iter().flatten().collect();
    all.extend([literal, burn_in, programme, changing, quiet]);
    Ok(all)
}
