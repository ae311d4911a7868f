//! Values by hand, closed forms and boundaries: observer.

use super::{exact, near, noise, refused};
use std::num::NonZeroU64;
use thermograd::cooling::CoolingPoint;
use thermograd::{
    Cadence, Config, Error, Estimate, GroupId, Groups, Metric, Moment, Observed, Observer, Piece,
    Reading, Reason, Scope, Step, Symmetry, Window, from_fn, slices,
};

fn one(symmetry: Symmetry, config: Config) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let group = groups.add("a", symmetry);
    (Observer::with_config(groups, config).unwrap(), group)
}

fn growing() -> Config {
    Config::every_step().window(Window::Growing)
}

#[test]
fn options_end_where_they_are_said_to() {
    assert_eq!(refused(Cadence::bursts(0, 5)), ("steps in a burst", 0.0));
    assert!(matches!(Cadence::bursts(6, 5), Err(Error::Conflict { .. })));
    assert!(Cadence::bursts(5, 5).is_ok());
    let with = |probe| {
        let mut groups = Groups::new();
        groups.add("a", Symmetry::Generic);
        Observer::with_config(groups, Config::default().probe(probe))
    };
    assert!(with(1).is_ok() && with(1 << 40).is_ok());
    let what = "coordinates of the probe";
    assert_eq!(refused(with(0)), (what, 0.0));
    assert_eq!(refused(with((1 << 40) + 1)).0, what);
}

#[test]
fn windows_tumble_and_readings_are_of_the_last_complete_one() {
    let length = NonZeroU64::new(3).unwrap();
    let config = Config::every_step().window(Window::Tumbling(length));
    let (mut observer, group) = one(Symmetry::Generic, config);
    let mean = |observer: &Observer| observer.ensemble(None).unwrap().mean(Moment::Loss);
    for t in 0..9 {
        let facts = Step::new(f64::from(t));
        let found = observer
            .observe(&facts, &slices(group, &[1.0_f64], &[1.0_f64]))
            .unwrap();
        let complete = t % 3 == 2;
        assert_eq!(found == Observed::WindowComplete, complete);
        let expected = match t {
            0..3 => 0.5 * f64::from(t),
            3..5 => 1.0,
            5..8 => 4.0,
            _ => 7.0,
        };
        assert_eq!(mean(&observer), Some(expected));
    }
    assert_eq!(observer.steps(), 9);
    // A window ended early is read, and the next one is empty of it.
    observer
        .observe(&Step::new(100.0), &slices(group, &[1.0_f64], &[1.0_f64]))
        .unwrap();
    observer.start_window();
    assert_eq!(mean(&observer), Some(100.0));
    observer.reset();
    assert_eq!((observer.steps(), mean(&observer)), (0, None));
    assert_eq!(observer.sums(group).unwrap(), None);
}

#[test]
fn a_growing_window_starts_from_nothing() {
    let (mut observer, group) = one(Symmetry::Generic, growing());
    for loss in [1.0, 2.0, 6.0] {
        observer
            .observe(&Step::new(loss), &slices(group, &[1.0_f64], &[1.0_f64]))
            .unwrap();
    }
    let whole = observer.ensemble(None).unwrap();
    assert_eq!(whole.mean(Moment::Loss), Some(3.0));
    observer.start_window();
    assert_eq!(observer.ensemble(None).unwrap().count(Moment::Loss), 0.0);
    assert_eq!(observer.steps(), 3);
}

/// 4ηλ a step, at steps that are not looked at as at those that are.
#[test]
fn relaxations_are_counted_at_every_step() {
    let config = growing().cadence(Cadence::bursts(1, 4).unwrap());
    let (mut observer, group) = one(Symmetry::ScaleInvariant, config);
    for t in 0..10 {
        let facts = Step::new(0.0)
            .learning_rate(if t < 5 { 0.1 } else { 0.2 })
            .weight_decay(0.01);
        observer
            .observe(&facts, &slices(group, &[1.0_f64, 2.0], &[0.2_f64, -0.1]))
            .unwrap();
    }
    // The rate of steps 0 and 4 holds over the first eight, that of step 8 over the last two.
    let expected = 4.0 * 0.01 * (8.0 * 0.1 + 2.0 * 0.2);
    near(observer.relaxations(Some(group)).unwrap(), expected, 1e-14);
    near(observer.relaxations(None).unwrap(), expected, 1e-14);
}

/// Each of two groups on its own; a step without one of them is none of the model's.
#[test]
fn a_group_that_is_left_out_keeps_its_window() {
    let mut groups = Groups::new();
    let (a, b) = (
        groups.add("a", Symmetry::Generic),
        groups.add("b", Symmetry::ScaleInvariant),
    );
    let mut observer = Observer::with_config(groups, growing()).unwrap();
    for t in 0..6 {
        let visit = from_fn(|out| {
            out.piece(a, &Piece::new(&[3.0_f64, 4.0], &[1.0_f64, 1.0]))?;
            if t % 2 == 0 {
                out.piece(b, &Piece::new(&[1.0_f64, 2.0], &[0.0_f64, 1.0]))?;
            }
            Ok(())
        });
        let facts = Step::new(1.0).learning_rate(0.1).weight_decay(0.1);
        observer.observe(&facts, &visit).unwrap();
        let found = observer.sums(b).unwrap();
        assert_eq!(found.is_some(), t % 2 == 0);
    }
    let norm = |group| {
        let whole = observer.ensemble(group).unwrap();
        (
            whole.count(Moment::NormSquared),
            whole.mean(Moment::NormSquared),
        )
    };
    assert_eq!(norm(Some(a)), (6.0, Some(25.0)));
    assert_eq!(norm(Some(b)), (3.0, Some(5.0)));
    assert_eq!(norm(None), (3.0, Some(30.0)));
    // Two degrees of freedom, and two less a scale.
    let dof = |group| observer.ensemble(group).unwrap().mean(Moment::Dof);
    assert_eq!(
        (dof(Some(a)), dof(Some(b)), dof(None)),
        (Some(2.0), Some(1.0), Some(3.0))
    );
    let nobody = from_fn(|_| Ok(()));
    assert!(matches!(
        observer.observe(&Step::new(1.0), &nobody),
        Err(Error::Empty { .. })
    ));
    assert_eq!(observer.steps(), 6);
}

#[test]
fn what_changes_its_length_is_refused() {
    let (mut observer, group) = one(Symmetry::ScaleInvariantBy(3), growing());
    let mut show = |n: usize| {
        let w = vec![1.0_f64; n];
        observer.observe(&Step::new(0.0), &slices(group, &w, &w))
    };
    assert!(matches!(
        show(2),
        Err(Error::TooManyScales {
            scales: 3,
            len: 2,
            ..
        })
    ));
    assert!(show(3).is_ok());
    assert!(matches!(
        show(4),
        Err(Error::LengthChanged {
            expected: 3,
            found: 4,
            ..
        })
    ));
    assert!(show(3).is_ok());
}

#[test]
fn unknown_names_are_refused() {
    let (observer, _) = one(Symmetry::Generic, growing());
    let mut more = Groups::new();
    more.add("a", Symmetry::Generic);
    let other = more.add("b", Symmetry::Generic);
    let unknown = |error: Error| matches!(error, Error::UnknownGroup { index: 1, known: 1 });
    assert!(unknown(observer.read(other, "z").unwrap_err()));
    assert!(unknown(observer.ensemble(Some(other)).unwrap_err()));
    assert!(unknown(observer.sums(other).unwrap_err()));
    assert!(unknown(observer.relaxations(Some(other)).unwrap_err()));
    assert!(unknown(observer.settling(Some(other)).unwrap_err()));
    assert!(unknown(observer.snapshots(other).unwrap_err()));
    assert!(unknown(
        observer.coordinate_temperatures(other).unwrap_err()
    ));
    assert!(matches!(
        observer.read_model("zz"),
        Err(Error::UnknownMetric { name }) if name == "zz"
    ));
    assert_eq!(observer.groups().len(), 1);
}

#[test]
fn an_entropy_that_is_told_is_finite() {
    let (mut observer, _) = one(Symmetry::Generic, growing());
    let mut told = |value, std_error, n_eff| {
        observer.set_entropy(Estimate {
            value,
            std_error,
            n_eff,
        })
    };
    told(0.99e150, 0.99e150, f64::INFINITY).unwrap();
    told(-0.99e150, 0.0, 0.0).unwrap();
    for value in [1e150, -1e150] {
        assert_eq!(refused(told(value, 0.0, 1.0)), ("entropy", value));
    }
    for error in [-0.1, 1e150] {
        let what = "standard error of the entropy";
        assert_eq!(refused(told(0.0, error, 1.0)), (what, error));
    }
    assert_eq!(
        refused(told(0.0, 0.0, -1.0)),
        ("n_eff of the entropy", -1.0)
    );
}

/// From the last eighth of at least eight steps, at least one block.
#[test]
fn settling_is_forecast_from_eight_steps_on() {
    let (mut observer, group) = one(Symmetry::ScaleInvariant, growing());
    let facts = Step::new(0.0).learning_rate(0.1).weight_decay(0.05);
    for t in 0..10 {
        let found = observer.settling(Some(group)).unwrap();
        if t < 8 {
            assert_eq!(found, Reading::Pending { seen: t, needed: 8 });
        } else {
            assert!(found.ready().is_some());
        }
        // At right angles to w.
        observer
            .observe(&facts, &slices(group, &[3.0_f64, 4.0], &[-0.8_f64, 0.6]))
            .unwrap();
    }
    let found = observer.settling(None).unwrap();
    assert!(found.ready().is_some());
    near(found.ready().unwrap().relaxation_steps, 50.0, 1e-12);
    let (generic, _) = one(Symmetry::Generic, growing());
    assert!(matches!(
        generic.settling(None).unwrap(),
        Reading::Undefined(Reason::Symmetry(_))
    ));
}

/// While a new window is empty the last one is asked.
#[test]
fn settling_is_read_from_the_window_that_fills() {
    let length = NonZeroU64::new(10).unwrap();
    let config = Config::every_step().window(Window::Tumbling(length));
    let (mut observer, group) = one(Symmetry::ScaleInvariant, config);
    let facts = Step::new(0.0).learning_rate(0.1).weight_decay(0.05);
    for t in 1..=19 {
        observer
            .observe(&facts, &slices(group, &[3.0_f64, 4.0], &[-0.8_f64, 0.6]))
            .unwrap();
        let found = observer.settling(Some(group)).unwrap();
        match t % 10 {
            0 | 8 | 9 => assert!(found.ready().is_some()),
            seen => assert_eq!(found, Reading::Pending { seen, needed: 8 }),
        }
    }
}

/// From the second step that was looked at, and emptied with a window that is begun by hand.
#[test]
fn snapshots_are_kept_of_a_group_that_is_followed_whole() {
    let length = |observer: &Observer, group| {
        let windows = observer.snapshots(group).unwrap();
        windows
            .iter()
            .map(thermograd::entropy::SnapshotWindow::len)
            .sum::<usize>()
    };
    let kept = |n: usize, probe: usize| {
        let snapshots = thermograd::entropy::WindowConfig::new(4);
        let (mut observer, group) = one(
            Symmetry::Generic,
            growing().probe(probe).snapshots(snapshots),
        );
        let mut lengths = Vec::new();
        for t in 0..7 {
            let w = noise(n, t);
            observer
                .observe(&Step::new(0.0), &slices(group, &w, &w))
                .unwrap();
            lengths.push(length(&observer, group));
        }
        observer.start_window();
        lengths.push(length(&observer, group));
        lengths
    };
    assert_eq!(kept(600, 1024), [0, 1, 2, 3, 4, 4, 4, 0]);
    assert_eq!(kept(512, 512), [0, 1, 2, 3, 4, 4, 4, 0]);
    // A part of the group is not the group.
    assert_eq!(kept(1100, 1024), [0; 8]);
}

#[test]
fn a_sample_is_no_larger_than_its_group() {
    let (mut observer, group) = one(Symmetry::Generic, growing());
    let (w, g) = (noise(9, 1), noise(9, 2));
    let mut show = |n: usize| {
        let whole = thermograd::Sums::of(&w[..8], &g[..8]).unwrap();
        let visit = from_fn(|out| {
            out.piece(group, &Piece::new(&w[..n], &g[..n]))?;
            out.sampled(group, &whole)
        });
        observer.observe(&Step::new(0.0), &visit)
    };
    assert!(matches!(
        show(9),
        Err(Error::LengthMismatch {
            expected: 8,
            found: 9,
            ..
        })
    ));
    assert!(show(8).is_ok());
}

#[test]
fn a_metric_gives_back_what_it_was_made_of() {
    const NEEDS: &[Moment] = &[Moment::Loss];
    let metric = Metric::new("name", NEEDS, |_| Some(f64::INFINITY));
    assert_eq!(
        (metric.name(), metric.symbol(), metric.unit()),
        ("name", "", "")
    );
    assert_eq!((metric.scope(), metric.needs()), (Scope::Any, NEEDS));
    let metric = metric
        .with_symbol("s")
        .with_unit("u")
        .with_scope(Scope::Model);
    assert_eq!((metric.symbol(), metric.unit()), ("s", "u"));
    assert_eq!(metric.scope(), Scope::Model);
    let (observer, _) = one(Symmetry::Generic, growing());
    let nothing = observer.ensemble(None).unwrap();
    assert_eq!(metric.value(&nothing), None);
    let seven = Metric::new("seven", NEEDS, |_| Some(7.0));
    assert_eq!(seven.value(&nothing), Some(7.0));
}

const OWN: Metric = Metric::new("own", &[Moment::Loss], |e| e.mean(Moment::Loss));

/// A denominator that is zero, or within three of its errors, leaves nothing to read.
#[test]
fn a_metric_is_read_where_it_speaks_and_its_denominator_is_known() {
    let zero = OWN.with_denominator("nothing", |_| Some(0.0));
    let noisy = Metric::new("noisy", &[Moment::Loss], |e| e.mean(Moment::Loss))
        .with_denominator("the loss", |e| e.mean(Moment::Loss));
    let sphere =
        Metric::new("sphere", &[Moment::Loss], |_| Some(1.0)).with_scope(Scope::ScaleInvariant);
    let model = Metric::new("model", &[Moment::Loss], |_| Some(1.0)).with_scope(Scope::Model);
    let late = Metric::new("late", &[Moment::NoiseHeat], |_| Some(1.0));
    let config = [zero, noisy, sphere, model, late]
        .into_iter()
        .fold(growing(), Config::metric);
    let (mut observer, group) = one(Symmetry::Generic, config);
    for (t, loss) in noise(200, 1).into_iter().enumerate() {
        if t == 31 {
            // The first steps of a run have no past yet.
            let early = observer.read(group, "late").unwrap();
            assert_eq!(
                early,
                Reading::Pending {
                    seen: 0,
                    needed: 96
                }
            );
        }
        observer
            .observe(&Step::new(loss), &slices(group, &[1.0_f64], &[1.0_f64]))
            .unwrap();
    }
    let read = |metric: &str| observer.read(group, metric).unwrap();
    assert_eq!(
        read("own"),
        Reading::Undefined(Reason::DividesByZero("nothing"))
    );
    assert_eq!(
        read("noisy"),
        Reading::Undefined(Reason::DividesByNoise("the loss"))
    );
    assert!(matches!(
        read("sphere"),
        Reading::Undefined(Reason::Symmetry(_))
    ));
    assert!(matches!(
        read("model"),
        Reading::Undefined(Reason::Meaningless(_))
    ));
    let of_model = observer.read_model("model").unwrap();
    assert_eq!(of_model.ready().unwrap().value, 1.0);
    assert!(matches!(read("late"), Reading::Undefined(_)));
}

/// A mean of five standard errors and more is no noise.
#[test]
fn a_denominator_beyond_its_error_is_known() {
    let ratio = OWN.with_denominator("the loss", |e| e.mean(Moment::Loss));
    let (mut observer, group) = one(Symmetry::Generic, growing().metric(ratio));
    for loss in noise(200, 1) {
        observer
            .observe(
                &Step::new(0.5 + loss),
                &slices(group, &[1.0_f64], &[1.0_f64]),
            )
            .unwrap();
    }
    let found = observer.read(group, "own").unwrap();
    let loss = observer.read_model("loss").unwrap();
    assert_eq!(found, loss);
    assert!(found.ready().unwrap().z_score(0.0).unwrap() > 3.5);
}

/// An error of the entropy adds what it moves: f = U + 2S has 2 σ_S, beside no error of U.
#[test]
fn the_error_of_a_told_entropy_adds_to_that_of_averages() {
    const FREE: Metric = Metric::new("free", &[Moment::Loss, Moment::Entropy], |e| {
        Some(e.mean(Moment::Loss)? + 2.0 * e.mean(Moment::Entropy)?)
    });
    for scatter in [0.0, 1.0] {
        let (mut observer, group) = one(Symmetry::Generic, growing().metric(FREE));
        observer
            .set_entropy(Estimate {
                value: 3.0,
                std_error: 0.25,
                n_eff: 17.0,
            })
            .unwrap();
        for e in noise(200, 4) {
            observer
                .observe(
                    &Step::new(0.5 + scatter * e),
                    &slices(group, &[1.0_f64], &[1.0_f64]),
                )
                .unwrap();
        }
        let loss = *observer.read_model("loss").unwrap().ready().unwrap();
        let free = *observer.read_model("free").unwrap().ready().unwrap();
        near(free.value, loss.value + 6.0, 1e-12);
        near(free.std_error, loss.std_error.hypot(0.5), 1e-9);
        if scatter == 0.0 {
            assert_eq!((loss.std_error, free.n_eff), (0.0, 17.0));
        } else {
            near(free.n_eff, loss.n_eff, 1e-6);
        }
    }
}

#[test]
fn a_cooling_point_is_read_with_its_energy() {
    let (mut observer, group) = one(Symmetry::Generic, growing());
    for draw in noise(600, 5).chunks_exact(3) {
        let facts = Step::new(2.0 + 0.1 * draw[2]).learning_rate(0.1);
        let snapshot = slices(group, &[1.0_f64], &draw[..1]).second_gradient(&draw[1..2]);
        observer.observe(&facts, &snapshot).unwrap();
    }
    let point = CoolingPoint::read(&observer).unwrap();
    let point = *point.ready().unwrap();
    let read = |metric: &str| observer.read_model(metric).unwrap().ready().copied();
    assert_eq!(point.energy, read("loss"));
    assert_eq!(Some(point.temperature), read("temperature_noise"));
    // The middle of 200 steps.
    assert_eq!(point.time, 100.0);
    assert_eq!((point.heat_capacity, point.relaxation_time), (None, None));
    assert!(point.energy.is_some() && point.energy != Some(exact(2.0)));
}
