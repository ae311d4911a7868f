//! The window is the matrix of distances of the last N snapshots, and nothing an error touches.

use proptest::prelude::*;
use thermograd::entropy::{
    Distances, Neighbors, Offered, Points, Projection, SnapshotWindow, WindowConfig,
    kozachenko_leonenko, spread,
};
use thermograd::systems::Random;
use thermograd::{Error, View};

use super::normal;

#[track_caller]
fn assert_matrix(ours: &[f64], truth: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), truth.len());
    for (a, b) in ours.iter().zip(truth) {
        assert!((a - b).abs() <= tolerance * b.abs(), "{a} against {b}");
    }
}

#[test]
fn ten_thousand_pushes_equal_recomputation() {
    let (n, d) = (23, 37);
    let mut window = SnapshotWindow::new(WindowConfig::new(n)).unwrap();
    let mut random = Random::new(3);
    let mut all: Vec<Vec<f64>> = Vec::new();
    for step in 0..10_000 {
        let w: Vec<f64> = (0..d).map(|_| random.normal()).collect();
        window.push(step, &w).unwrap();
        all.push(w);
        if all.len() > n {
            all.remove(0);
        }
        if step % 97 == 0 || step > 9_990 {
            let scratch = Points::new(all.concat(), d).unwrap().distances().unwrap();
            let distances = window.distances();
            assert_matrix(&distances.to_flat(), &scratch.to_flat(), 1e-10);
            let norms = distances.squared_norms().unwrap();
            assert_matrix(&norms, &scratch.squared_norms().unwrap(), 1e-14);
        }
    }
    assert_eq!(
        window.distances().steps(),
        (9_977..10_000).collect::<Vec<u64>>()
    );
}

/// Integers times 2⁻²⁶ make every difference, square and sum of this size exact in 128 bits.
#[test]
fn small_steps_on_large_weights_keep_their_digits() {
    const UNIT: f32 = 1.0 / 4_194_304.0;
    let d = 5000_u16;
    let mut random = Random::new(8);
    // |w| = 10 in f32 multiples of 2⁻²²; steps of about 1e-4 in norm.
    let scale = 10.0 / f64::from(d).sqrt() / f64::from(UNIT);
    let mut grid: Vec<i64> = (0..d)
        .map(|_| (random.normal() * scale).round() as i64)
        .collect();
    let mut history = Vec::new();
    let mut window = SnapshotWindow::new(WindowConfig::new(12)).unwrap();
    for step in 0..12 {
        let w: Vec<f32> = grid.iter().map(|&k| k as f32 * UNIT).collect();
        for (&k, &x) in grid.iter().zip(&w) {
            assert_eq!(f64::from(x), k as f64 * f64::from(UNIT), "representable");
        }
        window.push(step, &w).unwrap();
        history.push(grid.clone());
        for k in &mut grid {
            *k += random.below(13) as i64 - 6;
        }
    }
    let norm = window.distances().squared_norms().unwrap()[0].sqrt();
    assert!((norm - 10.0).abs() < 0.5, "{norm}");
    for i in 0..12 {
        for j in 0..i {
            let exact: i128 = history[i]
                .iter()
                .zip(&history[j])
                .map(|(&a, &b)| i128::from(a - b).pow(2))
                .sum();
            let exact = exact as f64 * f64::from(UNIT).powi(2);
            let ours = window.distances().squared(i, j).unwrap();
            assert!((ours / exact - 1.0).abs() < 1e-9, "{ours} against {exact}");
            assert!(
                exact.sqrt() < 5e-4,
                "a small displacement: {}",
                exact.sqrt()
            );
        }
    }
}

/// The same for the entropy, which multiplies the error of a logarithm by d = 10⁵: weights of norm
/// 10 in single precision, in steps of 10⁻⁴, against distances in integer arithmetic.
#[test]
fn entropy_of_small_steps_on_large_weights_is_exact() {
    // Of which every f32 above 2⁻³⁶ is a multiple.
    let unit = 2_f64.powi(60);
    let (n, d) = (40, 100_000_u32);
    let mut random = Random::new(18);
    let scale = 10.0 / f64::from(d).sqrt();
    let mut w: Vec<f32> = (0..d).map(|_| (scale * random.normal()) as f32).collect();
    let mut history: Vec<Vec<i64>> = Vec::new();
    let mut window = SnapshotWindow::new(WindowConfig::new(n)).unwrap();
    for step in 0..n as u64 {
        window.push(step, &w).unwrap();
        let whole = |&x: &f32| {
            let k = (f64::from(x) * unit) as i64;
            assert_eq!(k as f64, f64::from(x) * unit);
            k
        };
        history.push(w.iter().map(whole).collect());
        for x in &mut w {
            let moved = f64::from(*x) + 3e-7 * random.normal();
            *x = moved as f32;
        }
    }
    let mut exact = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let pairs = history[i].iter().zip(&history[j]);
            let sum: i128 = pairs.map(|(&a, &b)| i128::from(a - b).pow(2)).sum();
            exact[i * n + j] = sum as f64 / unit / unit;
        }
    }
    assert!(
        (5e-5..2e-4).contains(&exact[1].sqrt()),
        "{}",
        exact[1].sqrt()
    );
    let distances = window.distances();
    let norm = distances.squared_norms().unwrap()[0].sqrt();
    assert!((norm - 10.0).abs() < 0.2, "{norm}");
    let exact = Distances::from_flat(exact, distances.provenance()).unwrap();
    let neighbors = Neighbors::default().independent();
    let of = |d: &Distances<'_>| super::value(&kozachenko_leonenko(d, neighbors).unwrap());
    let error = (of(&distances) - of(&exact)).abs();
    assert!(error < 1e-9, "{error:e} nats");
}

#[test]
fn pieces_of_two_precisions_make_one_snapshot() {
    let single = |step: u64| {
        normal(5, 1, step)
            .iter()
            .map(|&x| x as f32)
            .collect::<Vec<_>>()
    };
    let double = |step: u64| normal(7, 1, step + 99);
    let mut pieces = SnapshotWindow::new(WindowConfig::new(4)).unwrap();
    let mut whole = SnapshotWindow::new(WindowConfig::new(4)).unwrap();
    for step in 0..9 {
        let (a, b) = (single(step), double(step));
        pieces.begin(step).unwrap();
        pieces.extend(&a[..2]).unwrap();
        pieces.extend(&b[..]).unwrap();
        pieces.extend(&a[2..]).unwrap();
        assert_eq!(pieces.commit(), Ok(Offered::Recorded));
        let joined: Vec<f64> = a.iter().map(|&x| f64::from(x)).chain(b).collect();
        whole.push(step, &joined).unwrap();
    }
    let (a, b) = (pieces.distances(), whole.distances());
    assert_matrix(&a.to_flat(), &b.to_flat(), 1e-14);
    assert_eq!(a.dimension(), 12);
    let points = pieces.points().unwrap();
    assert_eq!((points.len(), points.dimension()), (4, 12));
    assert_matrix(&points.distances().unwrap().to_flat(), &b.to_flat(), 1e-14);
}

#[test]
fn a_refused_snapshot_leaves_the_window_as_it_was() {
    let mut window = SnapshotWindow::new(WindowConfig::new(3).name("hidden")).unwrap();
    // Refusals before the first snapshot must not fix its length either.
    assert!(window.push(0, &[1.0, f64::NAN]).is_err());
    for step in 0..4_u8 {
        window
            .push(u64::from(step), &[f64::from(step), 1.0, 2.0])
            .unwrap();
    }
    let before = (window.distances().into_owned(), window.points().unwrap());
    let refused = [
        window.push(9, &[1.0, 2.0, f64::NAN]),
        window.push(9, &[1.0, 2.0]),
        window.push(9, &[1.0, 2.0, 3.0, 4.0]),
        window.push(9, &[1.0_f32, 2.0, 3.0]),
        window.push(9, &[1e200, 0.0, 0.0]),
        window.push(3, &[1.0, 2.0, 3.0]),
        window.push_pieces(9, []),
        window.commit(),
        window.extend(&[1.0]).map(|()| Offered::Recorded),
    ];
    for refusal in &refused {
        assert!(refusal.is_err(), "{refusal:?}");
    }
    assert!(matches!(refused[0], Err(Error::NonFinite { index: 2, .. })));
    assert!(matches!(
        refused[1],
        Err(Error::LengthChanged {
            expected: 3,
            found: 2,
            ..
        })
    ));
    assert!(matches!(refused[4], Err(Error::Overflow { .. })));
    assert!(matches!(refused[5], Err(Error::OutOfRange { .. })));
    assert!(matches!(refused[6], Err(Error::Empty { .. })));
    assert_eq!(before.0, window.distances().into_owned());
    assert_eq!(before.1, window.points().unwrap());
    window.push(9, &[1.0, 2.0, 3.0]).unwrap();
}

#[test]
fn limits_are_checked_before_memory_is_taken() {
    assert!(SnapshotWindow::new(WindowConfig::new(1)).is_err());
    assert!(SnapshotWindow::new(WindowConfig::new(usize::MAX)).is_err());
    assert!(SnapshotWindow::new(WindowConfig::new(1_000_000)).is_err());
    assert!(SnapshotWindow::new(WindowConfig::new(10).every(0)).is_err());
    let coarse = Projection {
        coordinates: 15,
        seed: 0,
    };
    assert!(SnapshotWindow::new(WindowConfig::new(10).projection(coarse)).is_err());
    let mut small = SnapshotWindow::new(WindowConfig::new(10).most_bytes(2000)).unwrap();
    assert!(matches!(
        small.push(0, &[0.0; 100]),
        Err(Error::OutOfRange { .. })
    ));
    assert!(small.push(0, &[0.0; 5]).is_ok());
    assert!(small.bytes() <= 2000);
}

#[test]
fn memory_settles_with_the_first_snapshot() {
    let mut window = SnapshotWindow::new(WindowConfig::new(50)).unwrap();
    window.push(0, &[0.5_f32; 200]).unwrap();
    let bytes = window.bytes();
    assert!(bytes >= 51 * (200 * 4 + 51 * 8));
    for step in 1..200 {
        window.push(step, &[step as f32; 200]).unwrap();
    }
    assert_eq!(window.bytes(), bytes);
}

#[test]
fn thinning_passes_over_what_comes_too_soon() {
    let mut window = SnapshotWindow::new(WindowConfig::new(4).every(3)).unwrap();
    let offered: Vec<Offered> = (0..7_u8)
        .map(|step| window.push(u64::from(step), &[f64::from(step)]).unwrap())
        .collect();
    let (r, t) = (Offered::Recorded, Offered::Thinned);
    assert_eq!(offered, [r, t, t, r, t, t, r]);
    assert_eq!(window.distances().steps(), [0, 3, 6]);
    window.set_every(1).unwrap();
    assert_eq!(window.push(7, &[1.0]), Ok(r));
    assert!(window.set_every(0).is_err());
}

#[test]
fn an_autoregression_proposes_its_own_thinning() {
    // g = (1 + ρ)/(1 − ρ) = 19 for ρ = .9.
    let points = super::autoregression(4000, 10, 0.9, 5);
    let spread = spread(&points.distances().unwrap());
    let spread = spread.ready().unwrap();
    assert!(
        (spread.autocorrelation_time - 19.0).abs() < 4.0,
        "{spread:?}"
    );
    assert!((16..=23).contains(&spread.thinning()));
    let iid = super::gaussian_cloud(1000, 10, 6).distances().unwrap();
    let g = super::spread_of(&iid).autocorrelation_time;
    assert!(g < 1.2, "{g}");
}

#[test]
fn projected_distances_are_unbiased_and_err_by_the_stated_amount() {
    let (d, k) = (20_000, 64);
    // Pairs at a known distance 1: a fixed random unit vector under many seeds.
    let mut difference = normal(d, 1, 4);
    let norm = difference.iter().map(|x| x * x).sum::<f64>().sqrt();
    for x in &mut difference {
        *x /= norm;
    }
    let origin = vec![0.0; d];
    let errors: Vec<f64> = (0..400)
        .map(|seed| {
            let projection = Projection {
                coordinates: k,
                seed,
            };
            let config = WindowConfig::new(2).projection(projection);
            let mut window = SnapshotWindow::new(config).unwrap();
            window.push(0, &origin).unwrap();
            // In pieces that cut the blocks of sixteen.
            let cut = 16 * 311 + 5;
            let pieces = [&difference[..cut], &difference[cut..]].map(View::F64);
            window.push_pieces(1, pieces).unwrap();
            window.distances().squared(0, 1).unwrap() - 1.0
        })
        .collect();
    let (bias, error) = super::mean(&errors);
    assert!(bias.abs() < 4.0 * error, "{bias} ± {error}");
    // The square errs by sqrt(2/k), its root by half that.
    let spread = super::rms(&errors) / (2.0 / k as f64).sqrt();
    assert!((spread - 1.0).abs() < 0.15, "{spread}");
}

#[test]
fn pieces_do_not_change_a_projection() {
    let values = normal(1000, 1, 2);
    let config = WindowConfig::new(2).projection(Projection {
        coordinates: 40,
        seed: 7,
    });
    let distance = |cuts: &[usize]| {
        let mut window = SnapshotWindow::new(config.clone()).unwrap();
        window.push(0, &vec![0.0; 1000]).unwrap();
        window.begin(1).unwrap();
        let mut from = 0;
        for &to in cuts.iter().chain(&[1000]) {
            window.extend(&values[from..to]).unwrap();
            from = to;
        }
        window.commit().unwrap();
        assert!(window.points().is_err());
        assert_eq!(window.distances().projected(), Some(40));
        assert_eq!(window.dimension(), 1000);
        window.distances().squared(0, 1).unwrap()
    };
    let whole = distance(&[]);
    for cuts in [&[1][..], &[16, 17, 400], &[5, 5, 999]] {
        assert!((distance(cuts) / whole - 1.0).abs() < 1e-13);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Windows over disjoint coordinates add up to the window over all, whichever comes first; and
    /// a matrix survives export and import.
    #[test]
    fn shards_merge(seed in 0_u64..1000, d in 2_usize..20, cut in 1_usize..19, n in 2_usize..9) {
        let cut = cut.min(d - 1);
        let make = || SnapshotWindow::new(WindowConfig::new(n)).unwrap();
        let (mut left, mut right, mut whole) = (make(), make(), make());
        for step in 0..2 * n as u64 {
            let w = normal(d, 1, seed * 100 + step);
            left.push(step, &w[..cut]).unwrap();
            right.push(step, &w[cut..]).unwrap();
            whole.push(step, &w).unwrap();
        }
        let truth = whole.distances();
        let one = left.distances().merge(&right.distances()).unwrap();
        let two = right.distances().merge(&left.distances()).unwrap();
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(one.dimension(), d);
        assert_matrix(&one.to_flat(), &truth.to_flat(), 1e-13);
        assert_matrix(&one.squared_norms().unwrap(), &truth.squared_norms().unwrap(), 1e-13);
        let back = Distances::from_flat(truth.to_flat(), truth.provenance()).unwrap();
        prop_assert_eq!(back.to_flat(), truth.to_flat());
        prop_assert_eq!(back.steps(), truth.steps());
        // Another set of steps is refused.
        right.push(1000, &normal(d - cut, 1, 0)).unwrap();
        prop_assert!(left.distances().merge(&right.distances()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However snapshots come, in pieces, all at once, or as points, and however many parameters
    /// there are of each precision, distances have the same bits.
    #[test]
    fn distances_have_the_same_bits_however_they_come(
        seed in 0_u64..1000, n in 2_usize..80, kept in 2_usize..90, before in 0_usize..40,
        singles in prop::sample::select(vec![0_usize, 1, 3, 15, 16, 17, 1024, 1025, 3000]),
        doubles in prop::sample::select(vec![0_usize, 1, 4, 5, 31, 1023, 2050]),
        cut in 0_usize..3001,
    ) {
        prop_assume!(singles + doubles > 0);
        let rows: Vec<(Vec<f32>, Vec<f64>)> = (0..(n + before) as u64)
            .map(|i| {
                let wide = normal(singles, 1, seed * 997 + i);
                (wide.iter().map(|&x| x as f32).collect(), normal(doubles, 1, seed * 991 + i))
            })
            .collect();
        let make = || SnapshotWindow::new(WindowConfig::new(kept)).unwrap();
        let (mut whole, mut pieces) = (make(), make());
        for (step, (a, b)) in (0..).zip(&rows) {
            whole.push_pieces(step, [View::F32(a), View::F64(b)]).unwrap();
            pieces.begin(step).unwrap();
            let at = cut.min(singles);
            pieces.extend(&a[..at]).unwrap();
            pieces.extend(&b[..]).unwrap();
            pieces.extend(&a[at..]).unwrap();
            pieces.commit().unwrap();
        }
        prop_assert_eq!(whole.distances().to_flat(), pieces.distances().to_flat());
        if doubles == 0 {
            // Some one by one, the rest at once.
            let mut bulk = make();
            for (step, (a, _)) in (0..).zip(&rows[..before]) {
                bulk.push(step, a).unwrap();
            }
            let rest = (before as u64..).zip(&rows[before..]);
            prop_assert_eq!(bulk.push_all(rest.map(|(i, (a, _))| (i, View::F32(a)))).unwrap(), n);
            prop_assert_eq!(bulk.distances().to_flat(), whole.distances().to_flat());
            prop_assert_eq!(bulk.distances().steps(), whole.distances().steps());
        }
        if singles == 0 && rows.len() <= kept {
            let points = whole.points().unwrap().distances().unwrap();
            prop_assert_eq!(points.to_flat(), whole.distances().to_flat());
        }
    }
}

#[test]
fn a_refused_snapshot_among_many_leaves_those_before_it() {
    let rows = [[1.0, 2.0], [3.0, 4.0], [f64::NAN, 0.0], [5.0, 6.0]];
    let mut window = SnapshotWindow::new(WindowConfig::new(9)).unwrap();
    let all = (0..).zip(&rows).map(|(step, w)| (step, View::F64(w)));
    assert!(matches!(window.push_all(all), Err(Error::NonFinite { .. })));
    assert_eq!(window.distances().to_flat(), [0.0, 8.0, 8.0, 0.0]);
    window.push(7, &rows[3]).unwrap();
    assert_eq!(window.distances().squared(0, 2), Some(32.0));
}

#[test]
fn what_no_window_can_have_written_is_refused() {
    let points = super::gaussian_cloud(4, 2, 1).distances().unwrap();
    let (flat, with) = (points.to_flat(), points.provenance());
    let broken = |change: &dyn Fn(&mut Vec<f64>)| {
        let mut flat = flat.clone();
        change(&mut flat);
        Distances::from_flat(flat, with.clone())
    };
    assert!(broken(&|_| {}).is_ok());
    assert!(broken(&|m| m[1] += 1e-3).is_err());
    assert!(broken(&|m| m[0] = 1.0).is_err());
    assert!(broken(&|m| m[1] = f64::NAN).is_err());
    assert!(broken(&|m| m.truncate(15)).is_err());
    assert!(
        broken(&|m| {
            m[1] = -1.0;
            m[4] = -1.0;
        })
        .is_err()
    );
    let mut late = with.clone();
    late.steps.swap(0, 1);
    assert!(Distances::from_flat(flat, late).is_err());
}

#[test]
fn sixteen_bit_snapshots_are_those_of_their_values() {
    let mut random = Random::new(3);
    let mut wide = SnapshotWindow::new(WindowConfig::new(20)).unwrap();
    let mut brain = SnapshotWindow::new(WindowConfig::new(20)).unwrap();
    for step in 0..30 {
        let bits: Vec<u16> = (0..700)
            .map(|_| u16::try_from(random.below(0x4000)).unwrap())
            .collect();
        let values: Vec<f32> = bits
            .iter()
            .map(|&b| f32::from_bits(u32::from(b) << 16))
            .collect();
        wide.push(step, &values).unwrap();
        brain.push(step, View::Bf16(&bits)).unwrap();
    }
    assert_eq!(wide.distances().to_flat(), brain.distances().to_flat());
}
