//! An observer that was stored and restored goes on as if nothing had happened.

use serde_json::Value;
use thermograd::systems::Random;
use thermograd::{
    Cadence, Config, Error, Groups, Observer, Optimizer, Piece, State, Step, Symmetry, Window,
    from_fn,
};

fn groups() -> Groups {
    let mut groups = Groups::new();
    groups.add("body", Symmetry::ScaleInvariantBy(3));
    groups.add("head", Symmetry::Generic);
    groups
}

fn config() -> Config {
    let length = std::num::NonZeroU64::MIN.saturating_add(299);
    Config::default()
        .cadence(Cadence::bursts(5, 6).unwrap())
        .window(Window::Tumbling(length))
        .probe(1024)
        .seed(7)
}

/// A model under Adam whose every stream is drawn at random: readings are not the point here.
struct Model {
    random: Random,
    body: Vec<f32>,
    head: Vec<f64>,
}

impl Model {
    fn new() -> Self {
        let mut random = Random::new(1);
        #[expect(clippy::cast_possible_truncation, reason = "a value of any precision")]
        let body = (0..3000).map(|_| random.normal() as f32).collect();
        let head = (0..20).map(|_| random.normal()).collect();
        Self { random, body, head }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a value of any precision")]
    fn observe(&mut self, observer: &mut Observer) {
        let mut ids = observer.groups().ids();
        let (body, head) = (ids.next().unwrap(), ids.next().unwrap());
        let random = &mut self.random;
        let facts = Step::new(random.uniform())
            .independent_loss(random.uniform())
            .previous_batch_loss(random.uniform())
            .learning_rate(0.01)
            .decoupled_weight_decay(0.1)
            .batch_size(32)
            .optimizer(Optimizer::ADAM);
        let mut wide = |len: usize| -> Vec<f64> { (0..len).map(|_| random.normal()).collect() };
        let (g, h) = (wide(20), wide(20));
        let mut narrow = || -> Vec<f32> { wide(3000).iter().map(|&x| x as f32).collect() };
        let (bg, bh) = (narrow(), narrow());
        let d = vec![0.5_f32; 3000];
        let visit = from_fn(|out| {
            let piece = Piece::new(&self.body, &bg).second_gradient(&bh);
            out.piece(body, &piece.preconditioner(&d))?;
            out.piece(head, &Piece::new(&self.head, &g).second_gradient(&h))
        });
        observer.observe(&facts, &visit).unwrap();
        for (w, g) in self.body.iter_mut().zip(&bg) {
            *w -= 0.01 * g;
        }
        for (w, g) in self.head.iter_mut().zip(&g) {
            *w -= 0.01 * g;
        }
    }
}

fn stored(observer: &Observer) -> String {
    serde_json::to_string(&observer.state()).unwrap()
}

fn restored(text: &str) -> Result<Observer, Error> {
    Observer::restore(groups(), config(), serde_json::from_str(text).unwrap())
}

/// Readings are equal as text of every digit, and so is everything else that is remembered.
#[test]
fn a_resumed_run_reads_exactly_the_same() {
    for interruption in [1, 2, 7, 150, 299, 360, 500, 871] {
        let mut straight = Observer::with_config(groups(), config()).unwrap();
        let mut model = Model::new();
        for _ in 0..interruption {
            model.observe(&mut straight);
        }
        let mut resumed = restored(&stored(&straight)).unwrap();
        // A second trip changes nothing.
        assert_eq!(stored(&resumed), stored(&straight));
        let mut twin = Model {
            random: model.random.clone(),
            body: model.body.clone(),
            head: model.head.clone(),
        };
        for _ in 0..400 {
            model.observe(&mut straight);
            twin.observe(&mut resumed);
        }
        assert_eq!(stored(&resumed), stored(&straight), "{interruption}");
        let text = |observer: &Observer| serde_json::to_string(&observer.report()).unwrap();
        assert_eq!(text(&resumed), text(&straight), "{interruption}");
        for id in straight.groups().ids() {
            assert_eq!(
                resumed.coordinate_temperatures(id),
                straight.coordinate_temperatures(id)
            );
            assert_eq!(
                resumed.relaxations(Some(id)).unwrap().to_bits(),
                straight.relaxations(Some(id)).unwrap().to_bits()
            );
            assert_eq!(
                resumed.ensemble(Some(id)).unwrap(),
                straight.ensemble(Some(id)).unwrap()
            );
        }
    }
}

/// Snapshots and an entropy that was told are part of it.
#[cfg(feature = "statistics")]
#[test]
fn snapshots_are_kept() {
    use thermograd::entropy::WindowConfig;
    let config = || {
        Config::every_step()
            .window(Window::Growing)
            .snapshots(WindowConfig::new(40).every(3))
    };
    for interruption in [2, 50, 200] {
        let mut straight = Observer::with_config(groups(), config()).unwrap();
        let mut model = Model::new();
        for _ in 0..interruption {
            model.observe(&mut straight);
        }
        straight
            .set_entropy(thermograd::Estimate {
                value: 3.0,
                std_error: 0.5,
                n_eff: f64::INFINITY,
            })
            .unwrap();
        let state: State = serde_json::from_str(&stored(&straight)).unwrap();
        let mut resumed = Observer::restore(groups(), config(), state.clone()).unwrap();
        let mut twin = Model {
            random: model.random.clone(),
            body: model.body.clone(),
            head: model.head.clone(),
        };
        for _ in 0..130 {
            model.observe(&mut straight);
            twin.observe(&mut resumed);
        }
        assert_eq!(stored(&resumed), stored(&straight), "{interruption}");
        for id in straight.groups().ids() {
            let distances = |observer: &Observer| -> Vec<Vec<f64>> {
                let windows = observer.snapshots(id).unwrap().iter();
                windows.map(|window| window.distances().to_flat()).collect()
            };
            assert_eq!(distances(&resumed), distances(&straight));
            assert!(!distances(&resumed)[0].is_empty());
        }
        assert!(matches!(
            Observer::restore(groups(), Config::default(), state),
            Err(Error::Conflict { .. })
        ));
    }
    let mut observer = Observer::with_config(groups(), config()).unwrap();
    let mut model = Model::new();
    for _ in 0..20 {
        model.observe(&mut observer);
    }
    let good: Value = serde_json::from_str(&stored(&observer)).unwrap();
    for (path, new) in [
        ("/clouds/0/windows/0/kept/0/step", 1_000_000.into()),
        ("/clouds/0/windows/0/kept/1/singles", Value::Array(vec![])),
        ("/clouds/0/windows", Value::Array(vec![Value::Null; 0])),
        ("/clouds/0/windows/0/singles", 7.into()),
        (
            "/entropy",
            serde_json::json!({"value": 1.0, "std_error": -1.0, "n_eff": 1.0}),
        ),
    ] {
        let mut bad = good.clone();
        replace(&mut bad, path, new);
        let state: State = serde_json::from_value(bad).unwrap();
        let result = Observer::restore(groups(), config(), state);
        // A group that never had snapshots is a state that an observer can be in.
        if path == "/clouds/0/windows" {
            assert!(result.is_ok());
        } else {
            assert!(matches!(result, Err(Error::Corrupt { .. })), "{path}");
        }
    }
}

#[test]
fn a_state_of_other_groups_is_refused() {
    let mut observer = Observer::with_config(groups(), config()).unwrap();
    Model::new().observe(&mut observer);
    let state = observer.state();
    let mut others = Groups::new();
    others.add("body", Symmetry::Generic);
    assert!(matches!(
        Observer::restore(others, config(), state.clone()),
        Err(Error::Conflict { .. })
    ));
    assert!(matches!(
        Observer::restore(groups(), config().probe(0), state),
        Err(Error::OutOfRange { .. })
    ));
}

fn replace(value: &mut Value, path: &str, new: Value) {
    let slot = value
        .pointer_mut(path)
        .unwrap_or_else(|| panic!("no {path}"));
    *slot = new;
}

/// Each edit is something that a failing disk or a careless hand could do.
#[test]
fn corrupt_states_are_refused_with_their_place() {
    let mut observer = Observer::with_config(groups(), config()).unwrap();
    let mut model = Model::new();
    for _ in 0..400 {
        model.observe(&mut observer);
    }
    let good: Value = serde_json::from_str(&stored(&observer)).unwrap();
    let block = "/members/0/record/current/full/0";
    let edits: Vec<(&str, Value)> = vec![
        ("/version", 99.into()),
        ("/steps", u64::MAX.into()),
        ("/steps", 3.into()),
        ("/in_window", 401.into()),
        ("/members", Value::Array(vec![])),
        ("/before/learning_rate", (-1.0).into()),
        ("/before/optimizer/Adam/beta2", 2.0.into()),
        ("/model/relaxations", (-1.0).into()),
        ("/model/rate", 0.0.into()),
        ("/model/current/block_len", 0.into()),
        ("/model/current/block_len", 3.into()),
        ("/model/current/open_len", (1_u64 << 40).into()),
        ("/members/0/extent", Value::Null),
        ("/members/0/extent/last", 0.into()),
        ("/members/0/extent/count", 0.5.into()),
        ("/members/0/extent/first", 4000.into()),
        ("/members/0/history", Value::Null),
        ("/members/0/history/leaves", Value::Array(vec![])),
        ("/members/0/history/leaves/1", u64::from(u32::MAX).into()),
        ("/members/0/history/leaves/1", 0.into()),
        ("/members/0/history/depth", 3.into()),
        ("/members/0/history/wide", true.into()),
        ("/members/0/history/centre", Value::Array(vec![])),
        ("/members/0/history/samples", 10_000.into()),
        ("/members/0/history/next_centre", 1.into()),
        ("/members/0/history/heat/steps", 1_000_000.into()),
        ("/members/0/history/heat/current", vec![1.0].into()),
        ("/members/0/history/weights/Narrow", Value::Array(vec![])),
    ];
    let refused = |value: &Value, what: &str| {
        let state: State = serde_json::from_value(value.clone()).unwrap();
        let result = Observer::restore(groups(), config(), state);
        match result {
            Err(Error::Corrupt { place, .. }) => assert!(!place.is_empty()),
            Ok(_) => panic!("{what}: restored"),
            Err(other) => panic!("{what}: {other}"),
        }
    };
    for (path, new) in edits {
        let mut bad = good.clone();
        replace(&mut bad, path, new.clone());
        refused(&bad, &format!("{path} = {new}"));
    }
    // Moments: [name, count, sum].
    for (part, column, new) in [
        ("total", 1, Value::from(-1.0)),
        ("total", 1, Value::from(0.5)),
        ("total", 1, Value::from(1e9)),
        ("sample", 1, Value::from(2.0)),
    ] {
        let mut bad = good.clone();
        replace(&mut bad, &format!("{block}/{part}/0/{column}"), new.clone());
        refused(&bad, &format!("{part} {column} {new}"));
    }
    // A name that no moment has does not get past the reader.
    let mut bad = good.clone();
    replace(&mut bad, &format!("{block}/total/0/0"), "Phlogiston".into());
    assert!(serde_json::from_value::<State>(bad).is_err());
    let intact: State = serde_json::from_value(good).unwrap();
    assert!(Observer::restore(groups(), config(), intact).is_ok());
}

/// A byte lost anywhere is an error of the format or of the check, and never a panic.
#[test]
fn truncation_and_noise_never_panic() {
    let mut observer = Observer::with_config(groups(), config().probe(1)).unwrap();
    let mut model = Model::new();
    for _ in 0..20 {
        model.observe(&mut observer);
    }
    let text = stored(&observer);
    let mut random = Random::new(3);
    for _ in 0..300 {
        let mut bytes = text.clone().into_bytes();
        let at = random.below(bytes.len());
        bytes[at] = b"0123456789-.eE,:[]{}\"n"[random.below(22)];
        let Ok(state) = serde_json::from_slice::<State>(&bytes) else {
            continue;
        };
        if let Ok(mut resumed) = Observer::restore(groups(), config().probe(1), state) {
            let mut model = Model::new();
            let mut ids = resumed.groups().ids();
            let (body, head) = (ids.next().unwrap(), ids.next().unwrap());
            let visit = from_fn(|out| {
                out.tensor(body, &model.body, &model.body)?;
                out.tensor(head, &model.head, &model.head)
            });
            // Whether it is taken depends on the byte.
            let _ = resumed.observe(&Step::new(0.5), &visit);
            let _ = resumed.report();
            model.head.clear();
        }
    }
}
