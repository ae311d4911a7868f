//! Values by hand, closed forms and boundaries: history.

use super::{mean, near, noise};
use std::num::NonZeroU64;
use thermograd::{
    Cadence, Config, GroupId, Groups, Observed, Observer, Piece, Reading, Step, Sums, Symmetry,
    Window, from_fn, slices,
};

const N: usize = 1300;

/// The streams of one step.
#[derive(Clone)]
struct Streams {
    w: Vec<f64>,
    g: Vec<f64>,
    g2: Vec<f64>,
    d: Vec<f64>,
}

/// Numbers of at most a few bits, as `f32` holds them, unless `fine`.
fn streams(step: u64, n: usize, fine: bool) -> Streams {
    let draw = |kind: u64| -> Vec<f64> {
        let coarse = |x: f64| if fine { x } else { (64.0 * x).round() / 64.0 };
        noise(n, 10 * step + kind).into_iter().map(coarse).collect()
    };
    Streams {
        w: draw(1),
        g: draw(2),
        g2: draw(3),
        d: draw(4).iter().map(|x| x.abs() + 0.25).collect(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "to nearest: exact for numbers of a few bits"
)]
pub(super) fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

fn over(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    (0..n).map(term).sum()
}

/// Every sum by its definition, over the coordinates that are told; `past` are the steps before
/// in one burst, the latest last, and `centre` the mean of the weights where it is known.
fn naive(
    now: &Streams,
    past: &[&Streams],
    centre: Option<&[f64]>,
    at: std::ops::Range<usize>,
) -> Sums {
    let Streams { w, g, g2, d } = now;
    let all = |term: &dyn Fn(usize) -> f64| at.clone().map(term).sum::<f64>();
    let mut sums = Sums::default();
    let count = at.len() as f64;
    if let [.., one] = past {
        let step = |i: usize| w[i] - one.w[i];
        sums.step_count = count;
        sums.step_step = all(&|i| step(i).powi(2));
        sums.previous_step = all(&|i| one.w[i] * step(i));
        sums.g_step = all(&|i| g[i] * step(i));
        sums.step_step_d = all(&|i| step(i).powi(2) / d[i]);
        sums.lag_count = count;
        sums.g_g1 = all(&|i| g[i] * one.g[i]);
        sums.lag_sum = all(&|i| (g[i] + one.g[i]).powi(2));
        sums.lag_difference = all(&|i| (g[i] - one.g[i]).powi(2));
        if let [.., two, _] = past {
            let middle = |i: usize| 0.5 * (w[i] - two.w[i]);
            sums.midpoint_count = count;
            sums.midpoint_midpoint = all(&|i| middle(i).powi(2));
            sums.step_step1 = all(&|i| step(i) * (one.w[i] - two.w[i]));
            sums.midpoint_d = all(&|i| middle(i).powi(2) / d[i]);
        }
    }
    if let Some(c) = centre {
        sums.centre_count = count;
        sums.centred_g = all(&|i| (w[i] - c[i]) * g[i]);
        sums.centred_w = all(&|i| (w[i] - c[i]) * w[i]);
        sums.centred_w_d = all(&|i| (w[i] - c[i]) * w[i] / d[i]);
    }
    let n = w.len();
    let whole = n as f64;
    (sums.w_count, sums.g_count, sums.g2_count, sums.d_count) = (whole, whole, whole, whole);
    sums.w_w = over(n, |i| w[i] * w[i]);
    sums.w_g = over(n, |i| w[i] * g[i]);
    sums.g_g = over(n, |i| g[i] * g[i]);
    sums.noise = over(n, |i| (g[i] - g2[i]).powi(2));
    sums.g_g2 = over(n, |i| g[i] * g2[i]);
    sums.w_g2 = over(n, |i| w[i] * g2[i]);
    sums.w_w_d = over(n, |i| w[i] * w[i] / d[i]);
    sums.g_g_d = over(n, |i| d[i] * g[i] * g[i]);
    sums.dg_dg = over(n, |i| (d[i] * g[i]).powi(2));
    sums.noise_d = over(n, |i| d[i] * g[i] * (g[i] - g2[i]));
    sums.g_g2_d = over(n, |i| d[i] * g[i] * g2[i]);
    sums.d_noise = over(n, |i| d[i] * d[i] * g[i] * (g[i] - g2[i]));
    sums
}

#[track_caller]
fn same(found: &Sums, expected: &Sums, size: f64) {
    let pairs = found.to_array().into_iter().zip(expected.to_array());
    for ((found, expected), name) in pairs.zip(Sums::FIELDS) {
        assert!(
            (found - expected).abs() <= 1e-12 * size.max(expected.abs()),
            "{name}: {found} {expected}"
        );
    }
}

fn observer(config: Config) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("a", Symmetry::Generic);
    (Observer::with_config(groups, config).unwrap(), group)
}

fn step() -> Step {
    Step::new(0.5).learning_rate(0.1)
}

fn show(observer: &mut Observer, group: GroupId, now: &Streams) -> Observed {
    let snapshot = slices(group, &now.w, &now.g)
        .second_gradient(&now.g2)
        .preconditioner(&now.d);
    observer.observe(&step(), &snapshot).unwrap()
}

fn show_narrow(observer: &mut Observer, group: GroupId, now: &Streams) {
    let (w, g) = (narrow(&now.w), narrow(&now.g));
    let (g2, d) = (narrow(&now.g2), narrow(&now.d));
    let snapshot = slices(group, &w, &g)
        .second_gradient(&g2)
        .preconditioner(&d);
    observer.observe(&step(), &snapshot).unwrap();
}

fn centre(steps: &[Streams]) -> Vec<f64> {
    (0..steps[0].w.len())
        .map(|i| mean(&steps.iter().map(|s| s.w[i]).collect::<Vec<_>>()))
        .collect()
}

/// The first step fixes the length alone, and the centre is taken of 16 steps and then of 32.
/// Halfway the weights come as f64.
#[test]
fn what_is_remembered_is_the_past() {
    let (mut observer, group) = observer(Config::every_step());
    let mut all: Vec<Streams> = Vec::new();
    for t in 0..40 {
        let fine = t >= 22;
        let mut now = streams(t, N, fine);
        if fine {
            show(&mut observer, group, &now);
        } else {
            now.d = narrow(&now.d).into_iter().map(f64::from).collect();
            show_narrow(&mut observer, group, &now);
        }
        let from = all.len().min(1);
        let past: Vec<&Streams> = all[from..].iter().collect();
        let known = match t {
            33.. => Some(centre(&all[1..33])),
            17.. => Some(centre(&all[1..17])),
            _ => None,
        };
        let found = observer.sums(group).unwrap().unwrap();
        let expected = naive(&now, &past, known.as_deref(), 0..N);
        same(&found, &expected, N as f64);
        all.push(now);
    }
}

/// Bursts of four steps: none knows what was before a gap, but all know the centre.
#[test]
fn a_gap_is_no_step() {
    let cadence = Cadence::bursts(4, 6).unwrap();
    let (mut observer, group) = observer(Config::every_step().cadence(cadence));
    let mut seen: Vec<Streams> = Vec::new();
    let mut burst: Vec<Streams> = Vec::new();
    for t in 0..36 {
        let now = streams(t, 600, true);
        assert_eq!(observer.is_due(), t % 6 < 4);
        let found = show(&mut observer, group, &now);
        if t % 6 >= 4 {
            assert_eq!(found, Observed::Skipped);
            assert_eq!(observer.sums(group).unwrap(), None);
            burst.clear();
            continue;
        }
        let past: Vec<&Streams> = burst.iter().collect();
        let known = (seen.len() > 16).then(|| centre(&seen[1..17]));
        let found = observer.sums(group).unwrap().unwrap();
        same(&found, &naive(&now, &past, known.as_deref(), 0..600), 600.0);
        if t > 0 {
            burst.push(now.clone());
        }
        seen.push(now);
    }
    assert_eq!(observer.steps(), 36);
}

/// The centre is that of the window, and taken anew with it.
#[test]
fn a_window_has_its_own_centre() {
    let length = NonZeroU64::new(20).unwrap();
    let (mut observer, group) = observer(Config::every_step().window(Window::Tumbling(length)));
    let mut all: Vec<Streams> = Vec::new();
    for t in 0..60_usize {
        let now = streams(t as u64, 40, true);
        let found = show(&mut observer, group, &now);
        assert_eq!(found == Observed::WindowComplete, t % 20 == 19);
        // The first window lacks its first step.
        let known = match t {
            0..20 => (t > 16).then(|| centre(&all[1..17])),
            _ => (t % 20 >= 16).then(|| centre(&all[t - t % 20..t - t % 20 + 16])),
        };
        let past: Vec<&Streams> = all.get(1..).unwrap_or(&[]).iter().collect();
        let found = observer.sums(group).unwrap().unwrap();
        same(&found, &naive(&now, &past, known.as_deref(), 0..40), 40.0);
        all.push(now);
    }
}

/// One run of 512 of three is followed, scaled up by 1300/512 or, at the end, by 1300/276.
#[test]
fn a_probe_stands_for_the_group() {
    let mut drawn = [false; 3];
    let all: Vec<Streams> = (0..20).map(|t| streams(t, N, true)).collect();
    for seed in 0..12 {
        let (mut observer, group) = observer(Config::every_step().probe(600).seed(seed));
        for now in &all {
            show(&mut observer, group, now);
        }
        let found = observer.sums(group).unwrap().unwrap();
        let known = centre(&all[1..17]);
        let past: Vec<&Streams> = all[1..19].iter().collect();
        let of = |part: usize| {
            let at = 512 * part..N.min(512 * (part + 1));
            let share = N as f64 / at.len() as f64;
            let mut sums = naive(&all[19], &past, Some(&known), at);
            for sum in [
                &mut sums.step_count,
                &mut sums.step_step,
                &mut sums.previous_step,
                &mut sums.g_step,
                &mut sums.step_step_d,
                &mut sums.midpoint_count,
                &mut sums.midpoint_midpoint,
                &mut sums.step_step1,
                &mut sums.midpoint_d,
                &mut sums.lag_count,
                &mut sums.g_g1,
                &mut sums.lag_sum,
                &mut sums.lag_difference,
                &mut sums.centre_count,
                &mut sums.centred_g,
                &mut sums.centred_w,
                &mut sums.centred_w_d,
            ] {
                *sum *= share;
            }
            sums
        };
        let close = |part: &usize| (of(*part).step_step - found.step_step).abs() < 1e-6;
        let part = (0..3).find(close).unwrap();
        drawn[part] = true;
        same(&found, &of(part), N as f64);
    }
    assert_eq!(drawn, [true; 3]);
}

/// The motion of a sample, scaled up, and everything else of the sums that are told.
#[test]
fn a_sample_tells_the_motion_of_sums_that_were_reduced_elsewhere() {
    let (mut observer, group) = observer(Config::every_step());
    let all: Vec<Streams> = (0..20).map(|t| streams(t, N, true)).collect();
    for now in &all {
        let whole = Sums::of(&now.w, &now.g).unwrap();
        let visit = from_fn(|out| {
            out.piece(
                group,
                &Piece::new(&now.w[..650], &now.g[..650]).preconditioner(&now.d[..650]),
            )?;
            out.sampled(group, &whole)
        });
        observer.observe(&step(), &visit).unwrap();
    }
    let past: Vec<&Streams> = all[1..19].iter().collect();
    let known = centre(&all[1..17]);
    let sample = naive(&all[19], &past, Some(&known), 0..650);
    let mut expected = Sums::of(&all[19].w, &all[19].g).unwrap();
    expected.step_count = 1300.0;
    expected.step_step = 2.0 * sample.step_step;
    expected.previous_step = 2.0 * sample.previous_step;
    expected.g_step = 2.0 * sample.g_step;
    expected.step_step_d = 2.0 * sample.step_step_d;
    expected.midpoint_count = 1300.0;
    expected.midpoint_midpoint = 2.0 * sample.midpoint_midpoint;
    expected.step_step1 = 2.0 * sample.step_step1;
    expected.midpoint_d = 2.0 * sample.midpoint_d;
    expected.lag_count = 1300.0;
    expected.g_g1 = 2.0 * sample.g_g1;
    expected.lag_sum = 2.0 * sample.lag_sum;
    expected.lag_difference = 2.0 * sample.lag_difference;
    expected.centre_count = 1300.0;
    expected.centred_g = 2.0 * sample.centred_g;
    expected.centred_w = 2.0 * sample.centred_w;
    expected.centred_w_d = 2.0 * sample.centred_w_d;
    let found = observer.sums(group).unwrap().unwrap();
    same(&found, &expected, N as f64);
}

/// In any order of pieces, and after a step that is refused.
#[test]
fn pieces_in_any_order_and_refused_steps_change_nothing() {
    let (mut plain, group) = observer(Config::every_step());
    let (mut parted, _) = observer(Config::every_step());
    for t in 0..20 {
        let now = streams(t as u64, N, true);
        show(&mut plain, group, &now);
        if t % 5 == 3 {
            let mut bad = now.clone();
            bad.g[777] = f64::NAN;
            let snapshot = slices(group, &bad.w, &bad.g)
                .second_gradient(&bad.g2)
                .preconditioner(&bad.d);
            assert!(parted.observe(&step(), &snapshot).is_err());
        }
        let cuts = [[512, 1024], [100, 700], [513, 514], [1, 1299]][t % 4];
        let visit = from_fn(|out| {
            for (from, to) in [(cuts[1], N), (0, cuts[0]), (cuts[0], cuts[1])] {
                let piece = Piece::new(&now.w[from..to], &now.g[from..to])
                    .second_gradient(&now.g2[from..to])
                    .preconditioner(&now.d[from..to])
                    .offset(from);
                out.piece(group, &piece)?;
            }
            Ok(())
        });
        parted.observe(&step(), &visit).unwrap();
        let expected = plain.sums(group).unwrap().unwrap();
        same(&parted.sums(group).unwrap().unwrap(), &expected, N as f64);
    }
}

/// ⟨η/2 Dᵢ gᵢ(gᵢ − g₂ᵢ)⟩ of each coordinate: of the last complete window, and of the first while
/// it fills.
#[test]
fn coordinates_have_temperatures_of_their_own() {
    let length = NonZeroU64::new(70).unwrap();
    let (mut observer, group) = observer(Config::every_step().window(Window::Tumbling(length)));
    let n = 530;
    let mut all: Vec<Streams> = Vec::new();
    let spread = |steps: &[Streams]| {
        let heat = |i: usize| {
            let of = |s: &Streams| 0.05 * s.d[i] * s.g[i] * (s.g[i] - s.g2[i]);
            mean(&steps.iter().map(of).collect::<Vec<_>>())
        };
        let mut heats: Vec<f64> = (0..n).map(heat).collect();
        heats.sort_by(f64::total_cmp);
        heats
    };
    for t in 0..150 {
        let now = streams(t, n, true);
        show(&mut observer, group, &now);
        all.push(now);
        let found = observer.coordinate_temperatures(group).unwrap();
        // The first step has no memory yet.
        let window = match t {
            0..70 => 1..all.len(),
            70..139 => 1..70,
            _ => 70..140,
        };
        let behind = window.len() as u64;
        match found {
            Reading::Ready(found) => {
                assert!(behind >= 64);
                if t % 9 != 3 && t != 139 {
                    continue;
                }
                let heats = spread(&all[window]);
                assert_eq!((found.coordinates, found.steps), (n, behind));
                near(found.mean, mean(&heats), 1e-13);
                // The median lies between two.
                near(found.quantiles[2], 0.5 * (heats[264] + heats[265]), 1e-13);
                near(found.sampling, (3.0 / behind as f64).sqrt(), 1e-15);
            }
            Reading::Pending { seen, needed } => {
                assert!(behind < 64);
                assert_eq!((seen, needed), (behind, 64));
            }
            Reading::Undefined(_) => assert_eq!(t, 0),
            other => panic!("{other:?}"),
        }
    }
}

/// Weights that are told stand for the memory of them; a step without a gradient leaves none.
#[test]
fn given_previous_weights_count_and_a_missing_gradient_does_not() {
    let (mut observer, group) = observer(Config::every_step());
    let mut before: Option<Streams> = None;
    for t in 0..6_u64 {
        let now = streams(t, 700, true);
        let told = streams(100 + t, 700, true);
        let visit = from_fn(|out| {
            let piece = if t == 3 {
                Piece::weights(&now.w)
            } else {
                Piece::new(&now.w, &now.g).previous_weights(&told.w)
            };
            out.piece(group, &piece)
        });
        observer.observe(&step(), &visit).unwrap();
        let found = observer.sums(group).unwrap().unwrap();
        let from = if t == 3 { before.as_ref() } else { Some(&told) };
        let from = from.unwrap();
        let moved = |i: usize| now.w[i] - from.w[i];
        let gradient = |i: usize| if t == 3 { 0.0 } else { now.g[i] };
        near(found.step_step, over(700, |i| moved(i).powi(2)), 1e-12);
        near(
            found.previous_step,
            over(700, |i| from.w[i] * moved(i)),
            1e-12,
        );
        near(found.g_step, over(700, |i| gradient(i) * moved(i)), 1e-12);
        assert_eq!(found.step_count, 700.0);
        assert_eq!(found.g_count, if t == 3 { 0.0 } else { 700.0 });
        // The gradient of the step before, from the third step on; step 3 had none.
        let lagged = t >= 2 && t != 4;
        assert_eq!(found.lag_count, if lagged { 700.0 } else { 0.0 });
        assert_eq!(found.midpoint_count, if t >= 3 { 700.0 } else { 0.0 });
        before = Some(now);
    }
}
