//! Values by hand, closed forms and boundaries: sums.

use super::refused;
use std::num::NonZeroUsize;
use thermograd::{Error, Piece, Sums};

#[test]
fn a_flat_form_has_every_field_in_its_place() {
    let flat: [f64; Sums::FIELDS.len()] = std::array::from_fn(|i| 1.0 + i as f64);
    let sums = Sums::from_array(flat);
    assert_eq!(sums.to_array(), flat);
    assert_eq!((sums.w_count, sums.signal), (1.0, flat.len() as f64));
    let mut twice = sums;
    twice.merge(&sums);
    assert_eq!(twice.to_array(), flat.map(|x| 2.0 * x));
    assert_eq!(Sums::FIELDS[0], "w_count");
    assert_eq!(Sums::FIELDS.last(), Some(&"signal"));
}

/// Three weights and a gradient of (1, 2, 2).
fn plain() -> Sums {
    Sums::of(&[2.0_f64, 0.0, 1.0], &[1.0_f64, 2.0, 2.0]).unwrap()
}

#[test]
fn sums_that_no_vectors_have_are_refused() {
    let check = |change: &dyn Fn(&mut Sums)| {
        let mut sums = plain();
        change(&mut sums);
        sums.check("a")
    };
    check(&|_| ()).unwrap();
    for count in [0.0, 0.5, -1.0, 1.5, 2f64.powi(53)] {
        let found = check(&|s| (s.w_count, s.g_count) = (count, 0.0));
        assert_eq!(refused(found), ("w_count of reduced sums", count));
    }
    check(&|s| (s.w_count, s.g_count) = (1.0, 1.0)).unwrap();
    check(&|s| (s.w_count, s.g_count) = (2f64.powi(53) - 1.0, 0.0)).unwrap();
    let counts: [fn(&mut Sums) -> &mut f64; 9] = [
        |s| &mut s.g_count,
        |s| &mut s.g2_count,
        |s| &mut s.u_count,
        |s| &mut s.d_count,
        |s| &mut s.trace_count,
        |s| &mut s.step_count,
        |s| &mut s.midpoint_count,
        |s| &mut s.lag_count,
        |s| &mut s.centre_count,
    ];
    for field in counts {
        check(&|s| *field(s) = 0.0).unwrap();
        check(&|s| *field(s) = 3.0).unwrap();
        assert!(matches!(
            check(&|s| *field(s) = 2.0),
            Err(Error::PartialStream {
                expected: 3,
                found: 2,
                ..
            })
        ));
    }
    let squares: [fn(&mut Sums) -> &mut f64; 13] = [
        |s| &mut s.w_w,
        |s| &mut s.g_g,
        |s| &mut s.noise,
        |s| &mut s.u_u,
        |s| &mut s.step_step,
        |s| &mut s.midpoint_midpoint,
        |s| &mut s.lag_sum,
        |s| &mut s.lag_difference,
        |s| &mut s.w_w_d,
        |s| &mut s.g_g_d,
        |s| &mut s.dg_dg,
        |s| &mut s.step_step_d,
        |s| &mut s.midpoint_d,
    ];
    for field in squares {
        let found = check(&|s| *field(s) = -0.5);
        assert_eq!(refused(found), ("a sum of squares", -0.5));
    }
    // What may be negative in one step.
    check(&|s| (s.trace, s.signal, s.noise_d, s.d_noise) = (-1.0, -1.0, -1.0, -1.0)).unwrap();
    assert!(matches!(
        check(&|s| s.lag_sum = f64::INFINITY),
        Err(Error::NonFinite { value, .. }) if value == f64::INFINITY
    ));
}

/// |w|² = 4, |g|² = 9, |u|² = 16, |Δ|² = 25: no product beyond 1.01 of the two norms.
#[test]
fn products_lie_within_the_product_of_norms() {
    type Field = fn(&mut Sums) -> &mut f64;
    let products: [(&str, f64, Field); 4] = [
        ("w·g", 6.0, |s| &mut s.w_g),
        ("w·u", 8.0, |s| &mut s.w_u),
        ("g·u", 12.0, |s| &mut s.g_u),
        ("g·Δ", 15.0, |s| &mut s.g_step),
    ];
    for (name, norms, field) in products {
        for sign in [1.0, -1.0] {
            let with = |size: f64| {
                let mut sums = plain();
                (sums.w_w, sums.g_g, sums.w_g) = (4.0, 9.0, 0.0);
                (sums.u_u, sums.step_step) = (16.0, 25.0);
                *field(&mut sums) = sign * size * norms;
                sums.check("a")
            };
            with(1.0099).unwrap();
            assert!(matches!(
                with(1.0101),
                Err(Error::CauchySchwarz { product, bound, .. })
                    if product == name && bound == norms
            ));
        }
    }
}

#[test]
fn preconditioners_are_positive_and_elements_finite() {
    let (w, g) = (vec![1.0_f64; 600], vec![2.0_f64; 600]);
    let one = NonZeroUsize::MIN;
    for value in [0.0, -1.0] {
        let mut d = vec![1.0_f64; 600];
        d[599] = value;
        let piece = Piece::new(&w, &g).preconditioner(&d);
        let what = "an element of the preconditioner";
        assert_eq!(refused(Sums::reduce(&piece, one)), (what, value));
    }
    let mut bad = g.clone();
    bad[555] = f64::INFINITY;
    for piece in [
        Piece::new(&w, &bad),
        Piece::new(&w, &g).second_gradient(&bad),
        Piece::new(&w, &g).update(&bad),
        Piece::new(&w, &g).previous_weights(&bad),
        Piece::new(&w, &g).preconditioner(&bad),
        Piece::new(&bad, &g),
    ] {
        assert!(matches!(
            Sums::reduce(&piece, one),
            Err(Error::NonFinite { index: 555, value, .. }) if value == f64::INFINITY
        ));
    }
    // The largest of those that overflow is told.
    bad[555] = -1e200;
    bad[520] = 1e190;
    assert!(matches!(
        Sums::reduce(&Piece::new(&w, &bad), one),
        Err(Error::Overflow { largest, place }) if largest == 1e200 && place.contains("gradient")
    ));
}

/// One weight in each leaf of 512 positions: they meet in a binary tree over their places, in
/// which an absent leaf is zero.
#[test]
fn leaves_meet_in_a_binary_tree_whatever_threads_and_pieces_they_come_in() {
    fn tree(leaves: &[f64]) -> f64 {
        match leaves {
            [] => 0.0,
            [one] => *one,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(half);
                tree(left) + tree(right)
            }
        }
    }
    let count = 421;
    let n = 512 * count - 100;
    // Three digits, of many sizes: squares are exact, and sums are not.
    let values: Vec<f64> = super::noise(count, 1)
        .iter()
        .zip(super::noise(count, 2))
        .map(|(x, e)| (1.0 + (8.0 * x).round() / 64.0) * (3.0 * e).round().exp2())
        .collect();
    let values = super::history::narrow(&values);
    let leaves: Vec<f64> = values.iter().map(|&x| f64::from(x).powi(2)).collect();
    let sums: Vec<f64> = [count, 256, 37, 1]
        .iter()
        .map(|&k| tree(&leaves[..k]))
        .collect();
    let mut narrow = vec![0.0_f32; n];
    for (slot, value) in narrow.iter_mut().step_by(512).zip(&values) {
        *slot = *value;
    }
    let wide: Vec<f64> = narrow.iter().map(|&x| f64::from(x)).collect();
    for threads in [1, 2, 5] {
        let threads = NonZeroUsize::new(threads).unwrap();
        for (k, expected) in [count, 256, 37, 1].into_iter().zip(&sums) {
            let end = n.min(512 * k);
            for offset in [0, 512 * 1024] {
                for piece in [
                    Piece::weights(&narrow[..end]),
                    Piece::new(&narrow[..end], &narrow[..end]),
                    Piece::new(&narrow[..end], &wide[..end]),
                    Piece::new(&wide[..end], &wide[..end]).update(&wide[..end]),
                ] {
                    let found = Sums::reduce(&piece.offset(offset), threads).unwrap();
                    assert_eq!(found.w_w.to_bits(), expected.to_bits());
                    assert_eq!(found.w_count, end as f64);
                    if found.u_count > 0.0 {
                        assert_eq!(found.g_u.to_bits(), expected.to_bits());
                    }
                }
            }
        }
    }
    let mut groups = thermograd::Groups::new();
    let group = groups.add("a", thermograd::Symmetry::Generic);
    let config = thermograd::Config::every_step().probe(1024);
    let mut observer = thermograd::Observer::with_config(groups, config).unwrap();
    for cuts in [
        vec![0, n],
        vec![0, 1, 700, 60_000, n],
        vec![0, 512 * 5, 512 * 9, n],
    ] {
        let visit = thermograd::from_fn(|out| {
            for cut in cuts.windows(2) {
                out.piece(group, &Piece::weights(&narrow[cut[0]..cut[1]]))?;
            }
            Ok(())
        });
        observer
            .observe(&thermograd::Step::new(0.0), &visit)
            .unwrap();
        let found = observer.sums(group).unwrap().unwrap();
        assert_eq!(found.w_w.to_bits(), sums[0].to_bits());
        assert_eq!(found.w_count, n as f64);
    }
}

/// All optional streams at once, on any number of threads, at any offset.
#[test]
fn optional_streams_have_sums_of_their_own() {
    let n = 1100;
    let draw = |seed| super::noise(n, seed);
    let (w, g, p, h, u) = (draw(1), draw(2), draw(3), draw(4), draw(5));
    let over = |term: &dyn Fn(usize) -> f64| (0..n).map(term).sum::<f64>();
    let piece = Piece::new(&w, &g)
        .previous_weights(&p)
        .second_gradient(&h)
        .update(&u);
    for (threads, offset) in [(1, 0), (3, 0), (2, 100), (1, 511)] {
        let piece = piece.offset(offset);
        let found = Sums::reduce(&piece, NonZeroUsize::new(threads).unwrap()).unwrap();
        for (found, expected) in [
            (found.w_w, over(&|i| w[i] * w[i])),
            (found.w_g, over(&|i| w[i] * g[i])),
            (found.g_g, over(&|i| g[i] * g[i])),
            (found.step_step, over(&|i| (w[i] - p[i]).powi(2))),
            (found.previous_step, over(&|i| p[i] * (w[i] - p[i]))),
            (found.g_step, over(&|i| g[i] * (w[i] - p[i]))),
            (found.noise, over(&|i| (g[i] - h[i]).powi(2))),
            (found.g_g2, over(&|i| g[i] * h[i])),
            (found.w_g2, over(&|i| w[i] * h[i])),
            (found.w_u, over(&|i| w[i] * u[i])),
            (found.u_u, over(&|i| u[i] * u[i])),
            (found.g_u, over(&|i| g[i] * u[i])),
        ] {
            super::near(found, expected, 1e-11);
        }
        let whole = n as f64;
        let counts = [
            found.w_count,
            found.g_count,
            found.g2_count,
            found.u_count,
            found.step_count,
        ];
        assert_eq!(counts, [whole; 5]);
        assert_eq!((found.d_count, found.lag_count), (0.0, 0.0));
    }
    let far = Piece::weights(&w).offset(usize::MAX - 10);
    assert!(Sums::reduce(&far, NonZeroUsize::MIN).is_err());
}
