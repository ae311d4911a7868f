//! The door: what a snapshot may look like, and what bad input gets.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use thermograd::{
    Cadence, Collector, Config, Error, GroupId, Groups, Moment, Observed, Observer, Optimizer,
    Piece, Snapshot, Step, Sums, Symmetry, View, Window, from_fn, slices, systems::Random,
};

fn one_group(symmetry: Symmetry) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("layer", symmetry);
    (
        Observer::with_config(groups, Config::every_step()).unwrap(),
        group,
    )
}

fn facts() -> Step {
    Step::new(0.5).learning_rate(0.1).weight_decay(0.01)
}

fn vector(seed: u64, len: usize) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.normal()).collect()
}

/// Sums that an observer reports for one visit, through its ensemble.
fn moments(visit: impl Fn(&mut Collector<'_>, GroupId) -> Result<(), Error>) -> Vec<f64> {
    let (mut observer, group) = one_group(Symmetry::Generic);
    observer
        .observe(&facts(), &from_fn(|out| visit(out, group)))
        .unwrap();
    observer.ensemble(Some(group)).unwrap().to_array().to_vec()
}

#[test]
fn every_element_type_gives_the_same_numbers() {
    // Multiples of 1/8 below 16 are exact in all four types.
    let exact: Vec<f64> = (0..100).map(|i| f64::from(i - 50) / 8.0).collect();
    let single: Vec<f32> = (0..100_i16).map(|i| f32::from(i - 50) / 8.0).collect();
    let brain: Vec<u16> = single.iter().map(|x| (x.to_bits() >> 16) as u16).collect();
    let half: Vec<u16> = single.iter().map(|&x| half_bits(x)).collect();
    let reference = moments(|out, group| out.tensor(group, &exact, &exact));
    assert_eq!(
        reference,
        moments(|out, group| out.tensor(group, &single, &single))
    );
    assert_eq!(
        reference,
        moments(|out, group| out.tensor(group, View::Bf16(&brain), View::F16(&half)))
    );
}

/// Half precision of a multiple of 1/8 below 8, by hand.
fn half_bits(x: f32) -> u16 {
    if x == 0.0 {
        return 0;
    }
    let bits = x.to_bits();
    let exponent = ((bits >> 23) & 0xff) + 15 - 127;
    let half = ((bits >> 16) & 0x8000) | (exponent << 10) | ((bits >> 13) & 0x3ff);
    u16::try_from(half).unwrap()
}

#[test]
fn half_precision_knows_its_extremes() {
    let of = |bits: u16| Sums::of(View::F16(&[bits]), View::F16(&[0])).map(|sums| sums.w_w);
    assert_eq!(of(0x0001).unwrap(), 2f64.powi(-48), "smallest subnormal");
    assert_eq!(of(0x03ff).unwrap(), (1023.0 * 2f64.powi(-24)).powi(2));
    assert_eq!(of(0x7bff).unwrap(), 65504.0 * 65504.0, "largest");
    assert_eq!(of(0xc000).unwrap(), 4.0, "minus two");
    for bits in [0x7c00, 0xfc00, 0x7e00] {
        assert!(matches!(of(bits), Err(Error::NonFinite { index: 0, .. })));
    }
}

proptest! {
    /// Any split into pieces, in order, has the bits of the whole; so does any number of threads.
    #[test]
    fn splits_and_threads_leave_the_bits(
        seed in any::<u64>(),
        len in 1_usize..5000,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        offset in 0_usize..2000,
    ) {
        let (w, g) = (vector(seed, len), vector(!seed, len));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(len)).collect();
        cuts.extend([0, len]);
        cuts.sort_unstable();
        cuts.dedup();
        let whole = moments(|out, group| out.tensor(group, &w, &g));
        let pieces = moments(|out, group| {
            cuts.windows(2).try_for_each(|cut| {
                out.tensor(group, &w[cut[0]..cut[1]], &g[cut[0]..cut[1]])
            })
        });
        prop_assert_eq!(&whole, &pieces);
        let pairs = moments(|out, group| {
            out.pairs(group, w.iter().zip(&g).map(|(&w, &g)| (w, g)))
        });
        prop_assert_eq!(&whole, &pairs);

        let piece = Piece::new(&w, &g).second_gradient(&w).offset(offset);
        let one = Sums::reduce(&piece, NonZeroUsize::MIN).unwrap();
        for threads in [2, 3, 8] {
            let many = Sums::reduce(&piece, NonZeroUsize::new(threads).unwrap()).unwrap();
            prop_assert_eq!(one.to_array().map(f64::to_bits), many.to_array().map(f64::to_bits));
        }
    }

    /// The slow obvious sum is the oracle.
    #[test]
    fn the_pass_agrees_with_a_plain_sum(seed in any::<u64>(), len in 1_usize..3000) {
        let (w, g, h) = (vector(seed, len), vector(!seed, len), vector(seed ^ 1, len));
        let piece = Piece::new(&w, &g).second_gradient(&h).update(&h);
        let sums = Sums::reduce(&piece, NonZeroUsize::MIN).unwrap();
        let plain = |f: &dyn Fn(usize) -> f64| {
            let terms: Vec<f64> = (0..len).map(f).collect();
            (terms.iter().sum::<f64>(), terms.iter().map(|x| x.abs()).sum::<f64>())
        };
        let checks: [(f64, &dyn Fn(usize) -> f64); 9] = [
            (sums.w_w, &|i| w[i] * w[i]),
            (sums.w_g, &|i| w[i] * g[i]),
            (sums.g_g, &|i| g[i] * g[i]),
            (sums.noise, &|i| (g[i] - h[i]).powi(2)),
            (sums.g_g2, &|i| g[i] * h[i]),
            (sums.w_g2, &|i| w[i] * h[i]),
            (sums.w_u, &|i| w[i] * h[i]),
            (sums.u_u, &|i| h[i] * h[i]),
            (sums.g_u, &|i| g[i] * h[i]),
        ];
        for (value, f) in checks {
            let (expected, scale) = plain(f);
            prop_assert!((value - expected).abs() <= 1e-13 * scale, "{value} {expected}");
        }
        prop_assert_eq!(sums.w_count, len as f64);
    }

    /// Reduction of a concatenation is the merge of the reductions; the empty sum is neutral.
    #[test]
    fn sums_merge(seed in any::<u64>(), a in 1_usize..900, b in 1_usize..900, c in 1_usize..900) {
        let (w, g) = (vector(seed, a + b + c), vector(!seed, a + b + c));
        let part = |from: usize, to: usize| Sums::of(&w[from..to], &g[from..to]).unwrap();
        let (x, y, z) = (part(0, a), part(a, a + b), part(a + b, a + b + c));
        let merged = |parts: &[Sums]| parts.iter().fold(Sums::default(), |mut sum, part| {
            sum.merge(part);
            sum
        });
        let mut right = y;
        right.merge(&z);
        let left = merged(&[x, y, z]);
        let mut nested = x;
        nested.merge(&right);
        let whole = part(0, a + b + c);
        let turned = merged(&[z, x, y]);
        let scale = merged(&[x, y, z]).to_array().map(|value| value.abs() + 1.0);
        for other in [nested, whole, turned] {
            for ((p, q), s) in left.to_array().iter().zip(other.to_array()).zip(scale) {
                prop_assert!((p - q).abs() <= 1e-12 * s * (a + b + c) as f64);
            }
        }
        prop_assert_eq!(Sums::from_array(whole.to_array()), whole);
        prop_assert_eq!(merged(&[Sums::default(), x]), x);
    }
}

#[test]
fn strided_data_come_as_pairs() {
    // A 3 × 4 matrix stored by columns, visited by rows.
    let by_columns: Vec<f64> = (0..12).map(f64::from).collect();
    let transposed = || (0..3).flat_map(|row| (0..4).map(move |column| (row, column)));
    let by_rows: Vec<f64> = transposed()
        .map(|(row, column)| by_columns[column * 3 + row])
        .collect();
    let strided = moments(|out, group| {
        out.pairs(
            group,
            transposed().map(|(row, column)| {
                let w = by_columns[column * 3 + row];
                (w, 2.0 * w)
            }),
        )
    });
    let doubled: Vec<f64> = by_rows.iter().map(|w| 2.0 * w).collect();
    assert_eq!(
        strided,
        moments(|out, group| out.tensor(group, &by_rows, &doubled))
    );
}

#[test]
fn a_group_may_be_many_tensors_and_be_visited_again() {
    let (w, g) = (vector(1, 700), vector(2, 700));
    let mut groups = Groups::new();
    let (a, b) = (
        groups.add("a", Symmetry::Generic),
        groups.add("b", Symmetry::Generic),
    );
    let mut observer = Observer::new(groups).unwrap();
    // a, then b, then a again: a is the concatenation.
    observer
        .observe(
            &facts(),
            &from_fn(|out| {
                out.tensor(a, &w[..300], &g[..300])?;
                out.tensor(b, &w[..5], &g[..5])?;
                out.tensor(a, &w[300..], &g[300..])
            }),
        )
        .unwrap();
    let expected = moments(|out, group| out.tensor(group, &w, &g));
    let found = observer.ensemble(Some(a)).unwrap().to_array().to_vec();
    assert_eq!(found, expected);
}

#[test]
fn pieces_with_offsets_may_come_in_any_order() {
    let len = 2000;
    let (w, g) = (vector(3, len), vector(4, len));
    let orders: [[usize; 4]; 3] = [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]];
    let run = |shuffled: bool| {
        let (mut observer, group) = one_group(Symmetry::Generic);
        let mut w = w.clone();
        for step in 0..9 {
            let order = if shuffled {
                orders[step % 3]
            } else {
                orders[0]
            };
            observer
                .observe(
                    &facts(),
                    &from_fn(|out| {
                        order.iter().try_for_each(|&part| {
                            let range = part * 500..(part + 1) * 500;
                            let piece =
                                Piece::new(&w[range.clone()], &g[range]).offset(part * 500 + 64);
                            out.piece(group, &piece)
                        })
                    }),
                )
                .unwrap();
            for (w, g) in w.iter_mut().zip(&g) {
                *w -= 0.1 * g;
            }
        }
        observer.ensemble(Some(group)).unwrap()
    };
    let (ordered, shuffled) = (run(false), run(true));
    assert_eq!(ordered.count(Moment::StepSquared), 7.0);
    for moment in Moment::ALL {
        match (ordered.mean(moment), shuffled.mean(moment)) {
            (Some(a), Some(b)) => {
                assert!(
                    (a - b).abs() <= 1e-12 * a.abs().max(1.0),
                    "{moment:?} {a} {b}"
                );
            }
            (a, b) => assert_eq!(a, b, "{moment:?}"),
        }
    }
}

#[test]
fn a_group_missing_in_a_step_is_left_out_of_it() {
    let mut groups = Groups::new();
    let (a, b) = (
        groups.add("a", Symmetry::Generic),
        groups.add("b", Symmetry::Generic),
    );
    let mut observer = Observer::with_config(groups, Config::every_step()).unwrap();
    let (w, g) = ([1.0_f32, 2.0], [0.5_f32, 0.5]);
    for step in 0..10 {
        observer
            .observe(
                &facts(),
                &from_fn(|out| {
                    out.tensor(a, &w, &g)?;
                    if step == 5 {
                        return Ok(());
                    }
                    out.tensor(b, &w, &g)
                }),
            )
            .unwrap();
    }
    let count = |group, moment| observer.ensemble(group).unwrap().count(moment);
    assert_eq!(count(Some(a), Moment::NormSquared), 10.0);
    assert_eq!(count(Some(b), Moment::NormSquared), 9.0);
    assert_eq!(count(None, Moment::NormSquared), 9.0);
    // The first visit fixes lengths and the second is the first past: 8 displacements for a;
    // b loses those across the gap, step 5 and the one from 5 to 6.
    assert_eq!(count(Some(a), Moment::StepSquared), 8.0);
    assert_eq!(count(Some(b), Moment::StepSquared), 6.0);
}

#[test]
fn references_boxes_closures_and_lists_are_snapshots() {
    struct Model(GroupId, Vec<f32>);
    impl Snapshot for Model {
        fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
            out.tensor(self.0, &self.1, &self.1)
        }
    }
    let (mut observer, group) = one_group(Symmetry::Generic);
    let mut model = Model(group, vec![1.0; 3]);
    observer.observe(&facts(), &model).unwrap();
    observer.observe(&facts(), &&model).unwrap();
    observer.observe(&facts(), &&mut model).unwrap();
    let boxed: Box<dyn Snapshot> = Box::new(model);
    observer.observe(&facts(), &boxed).unwrap();
    observer.observe(&facts(), boxed.as_ref()).unwrap();
    let w = [1.0_f32; 3];
    observer.observe(&facts(), &slices(group, &w, &w)).unwrap();
    observer
        .observe(&facts(), &from_fn(|out| out.tensor(group, &w, &w)))
        .unwrap();
    let thirds = [
        slices(group, &w[..1], &w[..1]),
        slices(group, &w[1..], &w[1..]),
    ];
    observer.observe(&facts(), thirds.as_slice()).unwrap();
    let ensemble = observer.ensemble(Some(group)).unwrap();
    assert_eq!(ensemble.count(Moment::NormSquared), 8.0);
    assert_eq!(ensemble.mean(Moment::NormSquared), Some(3.0));
}

#[test]
fn sums_from_elsewhere_equal_the_tensors_they_came_from() {
    let (w, g) = (vector(5, 1000), vector(6, 1000));
    let device = Sums::of(&w, &g).unwrap();
    assert_eq!(
        moments(|out, group| out.sums(group, &device)),
        moments(|out, group| out.tensor(group, &w, &g))
    );
    // Part here, part on a device.
    let part = Sums::of(&w[512..], &g[512..]).unwrap();
    let mixed = moments(|out, group| {
        out.sums(group, &part)?;
        out.tensor(group, &w[..512], &g[..512])
    });
    let whole = moments(|out, group| out.tensor(group, &w, &g));
    for (a, b) in mixed.iter().zip(&whole) {
        assert!((a - b).abs() <= 1e-12 * a.abs().max(1.0));
    }
}

type Visit<'a> = Box<dyn Fn(&mut Collector<'_>) -> Result<(), Error> + 'a>;
type Check = fn(&Error) -> bool;

/// Every kind of bad input is a typed error, and the observer is as it was.
#[test]
fn errors_are_typed_and_leave_no_trace() {
    let mut groups = Groups::new();
    let a = groups.add("a", Symmetry::ScaleInvariantBy(2));
    let b = groups.add("b", Symmetry::Generic);
    let mut stranger = groups.clone();
    let unknown = stranger.add("c", Symmetry::Generic);
    let mut observer = Observer::with_config(groups, Config::every_step()).unwrap();
    let (w, g) = (vector(7, 600), vector(8, 600));
    let good = from_fn(|out| {
        out.tensor(a, &w, &g)?;
        out.tensor(b, &w[..10], &g[..10])
    });
    let mut twin = observer.clone();
    for _ in 0..5 {
        observer.observe(&facts(), &good).unwrap();
        twin.observe(&facts(), &good).unwrap();
    }
    let with = |index: usize, value: f64| {
        let mut bad = g.clone();
        bad[index] = value;
        bad
    };
    let (nan, infinite, huge) = (with(577, f64::NAN), with(3, f64::INFINITY), with(3, 1e200));
    let bad_sums = |change: fn(&mut Sums)| {
        let mut sums = Sums::of(&w, &g).unwrap();
        change(&mut sums);
        sums
    };
    let visits: Vec<(Visit<'_>, Check)> = vec![
        (Box::new(|out| out.tensor(a, &w, &g[..599])), |e| {
            matches!(
                e,
                Error::LengthMismatch {
                    expected: 600,
                    found: 599,
                    ..
                }
            )
        }),
        (
            Box::new(|out| out.piece(a, &Piece::new(&w, &g).second_gradient(&g[..1]))),
            |e| matches!(e, Error::LengthMismatch { found: 1, .. }),
        ),
        (Box::new(|out| out.tensor(a, &w, &nan)), |e| {
            matches!(e, Error::NonFinite { index: 577, .. })
        }),
        (
            Box::new(|out| {
                out.tensor(b, &w[..10], &g[..10])?;
                out.tensor(a, &w, &infinite)
            }),
            |e| matches!(e, Error::NonFinite { index: 3, value, .. } if value.is_infinite()),
        ),
        (
            Box::new(|out| out.tensor(a, &w, &huge)),
            |e| matches!(e, Error::Overflow { largest, .. } if *largest == 1e200),
        ),
        (Box::new(|out| out.tensor(unknown, &w, &g)), |e| {
            matches!(e, Error::UnknownGroup { index: 2, known: 2 })
        }),
        (Box::new(|out| out.tensor(a, &w[..0], &g[..0])), |e| {
            matches!(e, Error::Empty { .. })
        }),
        (Box::new(|out| out.pairs(a, std::iter::empty())), |e| {
            matches!(e, Error::Empty { .. })
        }),
        (Box::new(|_| Ok(())), |e| matches!(e, Error::Empty { .. })),
        (Box::new(|out| out.tensor(a, &w[..599], &g[..599])), |e| {
            matches!(
                e,
                Error::LengthChanged {
                    expected: 600,
                    found: 599,
                    ..
                }
            )
        }),
        (
            Box::new(|out| {
                out.tensor(a, &w[..300], &g[..300])?;
                out.piece(a, &Piece::weights(&w[300..]))
            }),
            |e| {
                matches!(
                    e,
                    Error::PartialStream {
                        expected: 600,
                        found: 300,
                        ..
                    }
                )
            },
        ),
        (
            Box::new(|out| {
                out.piece(a, &Piece::new(&w[..300], &g[..300]))?;
                out.piece(a, &Piece::new(&w[300..], &g[300..]).offset(299))
            }),
            |e| matches!(e, Error::Misplaced { .. }),
        ),
        (
            Box::new(|out| out.piece(a, &Piece::new(&w, &g).offset(usize::MAX))),
            |e| matches!(e, Error::OutOfRange { .. }),
        ),
        (
            Box::new(|out| {
                // The refusal stands although the snapshot ignores it.
                let _ = out.tensor(a, &w, &nan);
                out.tensor(b, &w[..10], &g[..10])
            }),
            |e| matches!(e, Error::NonFinite { .. }),
        ),
    ];
    for (visit, expected) in &visits {
        let error = observer.observe(&facts(), &from_fn(visit)).unwrap_err();
        assert!(expected(&error), "{error}");
        assert!(error.to_string().contains(": "), "{error}");
    }
    let sums: [(Sums, Check); 5] = [
        (bad_sums(|s| s.w_g = 1e9), |e| {
            matches!(
                e,
                Error::CauchySchwarz {
                    product: "w·g", ..
                }
            )
        }),
        (bad_sums(|s| s.g_g = f64::NAN), |e| {
            matches!(e, Error::NonFinite { .. })
        }),
        (bad_sums(|s| s.g_g = -1.0), |e| {
            matches!(e, Error::OutOfRange { .. })
        }),
        (bad_sums(|s| s.w_count = 0.5), |e| {
            matches!(e, Error::OutOfRange { .. })
        }),
        (bad_sums(|s| s.g2_count = 3.0), |e| {
            matches!(e, Error::PartialStream { found: 3, .. })
        }),
    ];
    for (sums, expected) in sums {
        let error = observer
            .observe(&facts(), &from_fn(|out| out.sums(a, &sums)))
            .unwrap_err();
        assert!(expected(&error), "{error}");
    }
    let steps = [
        Step::new(f64::NAN),
        Step::new(0.5).learning_rate(-0.1),
        Step::new(0.5).learning_rate(f64::INFINITY),
        Step::new(0.5).weight_decay(-1e-9),
        Step::new(0.5).momentum(1.0),
        Step::new(0.5).momentum(-0.1),
        Step::new(0.5).momentum(f64::NAN),
        Step::new(0.5).optimizer(Optimizer::HeavyBall {
            momentum: 0.9,
            dampening: 1.0,
        }),
        Step::new(0.5).batch_size(0),
        Step::new(0.5).data_set_size(0),
        Step::new(0.5).batch_size(65).data_set_size(64),
        Step::new(0.5).independent_loss(f64::NEG_INFINITY),
        Step::new(0.5).previous_batch_loss(1e200),
    ];
    for step in steps {
        let error = observer.observe(&step, &good).unwrap_err();
        assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
    }

    // The same future after all that as without it, to the last bit.
    for _ in 0..70 {
        observer.observe(&facts(), &good).unwrap();
        twin.observe(&facts(), &good).unwrap();
    }
    assert_eq!(
        format!("{:?}", observer.report()),
        format!("{:?}", twin.report())
    );
}

#[test]
fn observers_are_checked_when_they_are_made() {
    let error = Observer::new(Groups::new()).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
    let mut twice = Groups::new();
    twice.add("a", Symmetry::Generic);
    twice.add("a", Symmetry::Generic);
    let error = Observer::new(twice).unwrap_err();
    assert!(matches!(error, Error::DuplicateName { .. }), "{error}");
    assert!(Cadence::bursts(0, 4).is_err());
    assert!(Cadence::bursts(5, 4).is_err());
    let mut groups = Groups::new();
    groups.add("a", Symmetry::Generic);
    let none = Config::default().probe(0);
    assert!(Observer::with_config(groups.clone(), none).is_err());
    let error = Observer::new(groups)
        .unwrap()
        .read_model("enthropy")
        .unwrap_err();
    assert!(matches!(error, Error::UnknownMetric { .. }), "{error}");

    let (mut observer, group) = one_group(Symmetry::ScaleInvariantBy(3));
    let error = observer
        .observe(&facts(), &slices(group, &[1.0_f64, 2.0], &[0.0_f64, 0.0]))
        .unwrap_err();
    assert!(matches!(error, Error::TooManyScales { .. }), "{error}");
}

#[test]
fn bursts_are_read_and_the_rest_is_skipped() {
    let mut groups = Groups::new();
    let group = groups.add("a", Symmetry::Generic);
    let config = Config::default()
        .cadence(Cadence::bursts(3, 10).unwrap())
        .window(Window::Growing);
    let mut observer = Observer::with_config(groups, config).unwrap();
    let mut w = vector(9, 100);
    for step in 0..100 {
        let due = observer.is_due();
        assert_eq!(due, step % 10 < 3);
        let observed = observer.observe(&facts(), &slices(group, &w, &w)).unwrap();
        assert_eq!(observed == Observed::Recorded, due);
        for w in &mut w {
            *w *= 0.99;
        }
    }
    let ensemble = observer.ensemble(Some(group)).unwrap();
    assert_eq!(ensemble.count(Moment::NormSquared), 30.0);
    // Per burst one midpoint, and two displacements; the first step of all only fixes lengths.
    assert_eq!(ensemble.count(Moment::StepSquared), 19.0);
    assert_eq!(ensemble.count(Moment::MidpointHeat), 9.0);
    // 4ηλ a step, over all steps, read or not.
    let relaxations = observer.relaxations(Some(group)).unwrap();
    assert!((relaxations - 100.0 * 4.0 * 0.1 * 0.01).abs() < 1e-12);
}

#[test]
fn windows_tumble_and_reset_forgets() {
    let mut groups = Groups::new();
    let group = groups.add("a", Symmetry::Generic);
    let window = Window::Tumbling(std::num::NonZeroU64::new(50).unwrap());
    let mut observer = Observer::with_config(groups, Config::every_step().window(window)).unwrap();
    let mut complete = 0;
    for step in 0..120 {
        let w = [f64::from(step / 50) + 1.0];
        let observed = observer.observe(&facts(), &slices(group, &w, &w)).unwrap();
        complete += usize::from(observed == Observed::WindowComplete);
    }
    assert_eq!(complete, 2);
    let r2 = |observer: &Observer| observer.ensemble(None).unwrap().mean(Moment::NormSquared);
    assert_eq!(r2(&observer), Some(4.0), "the last complete window");
    observer.start_window();
    assert_eq!(r2(&observer), Some(9.0), "the one that was ended");
    observer.reset();
    assert_eq!((observer.steps(), r2(&observer)), (0, None));
    // After a reset another length is welcome.
    observer
        .observe(&facts(), &slices(group, &[1.0_f64; 4], &[1.0_f64; 4]))
        .unwrap();
}

/// The probe reads an unbiased part: over seeds its mean is the group's.
#[test]
fn the_probe_is_unbiased() {
    // 17 leaves of which 4 are followed: not a whole multiple.
    let len = 17 * 512;
    let start = vector(10, len);
    // Displacements that differ greatly along the tensor.
    let moved: Vec<f64> = start
        .iter()
        .enumerate()
        .map(|(i, w)| w + 1e-3 * (i as f64 / len as f64).powi(2))
        .collect();
    let exact: f64 = start.iter().zip(&moved).map(|(a, b)| (a - b).powi(2)).sum();
    let found: Vec<f64> = (0..400)
        .map(|seed| {
            let mut groups = Groups::new();
            let group = groups.add("a", Symmetry::Generic);
            let config = Config::every_step().probe(4 * 512).seed(seed);
            let mut observer = Observer::with_config(groups, config).unwrap();
            for w in [&start, &start, &moved] {
                observer.observe(&facts(), &slices(group, w, w)).unwrap();
            }
            let ensemble = observer.ensemble(Some(group)).unwrap();
            // The mean over the only displacement.
            assert_eq!(ensemble.count(Moment::StepSquared), 1.0);
            ensemble.mean(Moment::StepSquared).unwrap()
        })
        .collect();
    let n = found.len() as f64;
    let mean = found.iter().sum::<f64>() / n;
    let error = (found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n / n).sqrt();
    assert!(error < 0.05 * exact, "{error} {exact}");
    let z = (mean - exact) / error;
    assert!(z.abs() < 4.0, "{mean} ± {error}, exact {exact}");
}

/// A device gives the sums of a whole group and every fourth of its coordinates: norms are exact,
/// and motion is that of the sample scaled up.
#[test]
fn a_sample_stands_for_the_motion_of_its_group() {
    let (mut whole, group) = one_group(Symmetry::Generic);
    let (mut sampled, same) = one_group(Symmetry::Generic);
    let mut w = vector(1, 4096);
    for seed in 0..8 {
        let g = vector(100 + seed, 4096);
        whole.observe(&facts(), &slices(group, &w, &g)).unwrap();
        let part = |x: &[f64]| x.iter().copied().step_by(4).collect::<Vec<f64>>();
        let (some_w, some_g) = (part(&w), part(&g));
        let sums = Sums::of(&w, &g).unwrap();
        let visit = from_fn(|out| {
            out.sampled(same, &sums)?;
            out.tensor(same, &some_w, &some_g)
        });
        sampled.observe(&facts(), &visit).unwrap();
        for (w, g) in w.iter_mut().zip(&g) {
            *w -= 0.1 * g;
        }
    }
    let exact = whole.sums(group).unwrap().unwrap();
    let found = sampled.sums(same).unwrap().unwrap();
    for (a, b) in [
        (found.w_count, exact.w_count),
        (found.w_w, exact.w_w),
        (found.w_g, exact.w_g),
        (found.g_g, exact.g_g),
        (found.step_count, exact.step_count),
        (found.midpoint_count, exact.midpoint_count),
        (found.lag_count, exact.lag_count),
    ] {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} for {b}");
    }
    // Δ = −0.1 g: a relative error of √(2/1024)·√(3/4) = 4 %, and far from a factor of 4.
    assert!((found.step_step / exact.step_step - 1.0).abs() < 0.15);
    assert!((found.lag_sum / exact.lag_sum - 1.0).abs() < 0.15);
    // A sample larger than its group is none.
    let one = Sums::of(&[1.0_f64], &[1.0_f64]).unwrap();
    let (mut observer, group) = one_group(Symmetry::Generic);
    let refused = observer.observe(
        &facts(),
        &from_fn(|out| {
            out.sampled(group, &one)?;
            out.tensor(group, &[1.0_f64, 2.0], &[1.0_f64, 2.0])
        }),
    );
    assert!(matches!(
        refused,
        Err(Error::LengthMismatch {
            expected: 1,
            found: 2,
            ..
        })
    ));
    // Sums alone: norms, and no motion.
    let alone = from_fn(|out| out.sampled(group, &one));
    observer.observe(&facts(), &alone).unwrap();
    observer.observe(&facts(), &alone).unwrap();
    assert_eq!(observer.sums(group).unwrap().unwrap().step_count, 0.0);
}
