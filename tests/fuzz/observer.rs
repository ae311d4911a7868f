//! The observer and its door: snapshots of every kind, checkpoints restored, reports written.

use std::num::NonZeroU64;

use thermograd::noise::GradientNoise;
use thermograd::{
    Cadence, Collector, Config, Error, GroupId, Groups, Observed, Observer, Optimizer, Piece,
    Protocol, Sampling, Step, Sums, Symmetry, View, Window, from_fn,
};

use crate::check::{answer, made, prints, sound};
use crate::source::Source;

pub(crate) fn optimizer(source: &mut Source) -> Optimizer {
    match source.below(8) {
        0..3 => Optimizer::SGD,
        3 => Optimizer::HeavyBall {
            momentum: source.share(),
            dampening: source.share(),
        },
        4 => Optimizer::Nesterov {
            momentum: source.share(),
        },
        5 => Optimizer::Adam {
            beta1: source.share(),
            beta2: source.share(),
            epsilon: source.positive(),
        },
        6 => Optimizer::Preconditioned {
            momentum: source.share(),
            dampening: source.share(),
        },
        _ => Optimizer::Update,
    }
}

pub(crate) fn protocol(source: &mut Source) -> Protocol {
    source.pick(&[
        Protocol::FixedLearningRate,
        Protocol::FixedLearningRate,
        Protocol::FixedEffectiveLearningRate,
        Protocol::FixedSphere,
    ])
}

/// Facts of a step, each now and then.
pub(crate) fn facts(source: &mut Source) -> Step {
    let mut step = Step::new(source.number());
    if source.chance(2) {
        step = step.learning_rate(source.positive());
    }
    step = match source.below(3) {
        0 => step,
        1 => step.weight_decay(source.positive()),
        _ => step.decoupled_weight_decay(source.positive()),
    };
    if source.chance(2) {
        step = step.optimizer(optimizer(source));
    }
    if source.chance(8) {
        step = step.momentum(source.share());
    }
    step = step.protocol(protocol(source));
    if source.chance(2) {
        step = step.batch_size(source.count(300));
        if source.chance(2) {
            step = step.data_set_size(source.count(60_000));
        }
    }
    if source.chance(4) {
        step = step.sampling(source.pick(&[
            Sampling::WithReplacement,
            Sampling::WithoutReplacement,
            Sampling::Reshuffled,
        ]));
    }
    if source.chance(3) {
        step = step.independent_loss(source.number());
    }
    if source.chance(3) {
        step = step.previous_batch_loss(source.number());
    }
    step
}

/// Elements of any type that a view has.
#[derive(Debug, Clone)]
pub(crate) enum Elements {
    Single(Vec<f32>),
    Double(Vec<f64>),
    Brain(Vec<u16>),
    Half(Vec<u16>),
}

impl Elements {
    #[expect(clippy::cast_possible_truncation, reason = "bits of any precision")]
    pub(crate) fn draw(source: &mut Source, len: usize, kind: usize) -> Self {
        let values = source.numbers(len);
        let single = |&x: &f64| x as f32;
        match kind {
            0 => Self::Double(values),
            1 | 2 => Self::Single(values.iter().map(single).collect()),
            3 => {
                let brain = |x: &f64| (single(x).to_bits() >> 16) as u16;
                Self::Brain(values.iter().map(brain).collect())
            }
            _ => {
                // Any sixteen bits, mostly of a number near one.
                let bits = |x: &f64| {
                    (x.to_bits() >> 42) as u16 & 0x3fff | (x.to_bits() >> 48) as u16 & 0x8000
                };
                Self::Half(values.iter().map(bits).collect())
            }
        }
    }

    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Self::Single(values) => values.into(),
            Self::Double(values) => values.into(),
            Self::Brain(bits) => View::Bf16(bits),
            Self::Half(bits) => View::F16(bits),
        }
    }
}

/// The streams of one piece.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    weights: Elements,
    gradient: Option<Elements>,
    previous: Option<Elements>,
    second: Option<Elements>,
    update: Option<Elements>,
    preconditioner: Option<Elements>,
    offset: Option<usize>,
}

impl Streams {
    pub(crate) fn draw(source: &mut Source, len: usize, kind: usize) -> Self {
        let stream = |source: &mut Source, one_in: u8| {
            let wanted = source.chance(one_in);
            // A stream of another length or type, rarely.
            let len = if source.chance(64) {
                source.below(9)
            } else {
                len
            };
            let kind = if source.chance(32) {
                source.below(5)
            } else {
                kind
            };
            wanted.then(|| Elements::draw(source, len, kind))
        };
        let gradient = if source.chance(16) {
            None
        } else {
            stream(source, 1)
        };
        let preconditioner = stream(source, 5).map(|diagonal| match diagonal {
            Elements::Double(values) => Elements::Double(values.iter().map(|x| x.abs()).collect()),
            Elements::Single(values) => Elements::Single(values.iter().map(|x| x.abs()).collect()),
            other => other,
        });
        Self {
            weights: Elements::draw(source, len, kind),
            gradient,
            previous: stream(source, 8),
            second: stream(source, 3),
            update: stream(source, 6),
            preconditioner,
            offset: source.chance(16).then(|| source.count(1024)),
        }
    }

    pub(crate) fn piece(&self) -> Piece<'_> {
        let weights = self.weights.view();
        let mut piece = match &self.gradient {
            Some(gradient) => Piece::new(weights, gradient.view()),
            None => Piece::weights(weights),
        };
        if let Some(previous) = &self.previous {
            piece = piece.previous_weights(previous.view());
        }
        if let Some(second) = &self.second {
            piece = piece.second_gradient(second.view());
        }
        if let Some(update) = &self.update {
            piece = piece.update(update.view());
        }
        if let Some(diagonal) = &self.preconditioner {
            piece = piece.preconditioner(diagonal.view());
        }
        match self.offset {
            Some(offset) => piece.offset(offset),
            None => piece,
        }
    }
}

/// One visit to the collector.
#[derive(Debug, Clone)]
enum Visit {
    Piece(Streams),
    Pairs(Vec<(f64, f64)>),
    Sums(Sums),
    Sampled(Sums),
    Noise(GradientNoise),
}

/// Sums that vectors can have, more often than not.
pub(crate) fn sums(source: &mut Source) -> Sums {
    let mut sums = if source.chance(4) {
        let mut flat = [0.0; Sums::FIELDS.len()];
        for slot in &mut flat {
            if source.chance(2) {
                *slot = source.number();
            }
        }
        Sums::from_array(flat)
    } else {
        Sums::of(&source.numbers(5), &source.numbers(5)).unwrap_or_default()
    };
    if source.chance(2) {
        sums.w_count = source.positive().round().max(1.0);
        for count in [
            &mut sums.g_count,
            &mut sums.g2_count,
            &mut sums.u_count,
            &mut sums.d_count,
            &mut sums.trace_count,
            &mut sums.step_count,
            &mut sums.midpoint_count,
            &mut sums.lag_count,
            &mut sums.centre_count,
        ] {
            *count = if source.chance(2) { sums.w_count } else { 0.0 };
        }
    }
    sums
}

/// What a model hands over in one step.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    visits: Vec<(GroupId, Visit)>,
}

impl Model {
    /// For groups of these lengths, which change rarely.
    pub(crate) fn draw(source: &mut Source, groups: &[(GroupId, usize, usize)]) -> Self {
        let mut visits = Vec::new();
        for &(id, len, kind) in groups {
            if source.chance(32) {
                continue;
            }
            let len = if source.chance(64) {
                source.below(1100)
            } else {
                len
            };
            match source.below(16) {
                0 => {
                    let (w, g) = (source.numbers(len), source.numbers(len));
                    visits.push((id, Visit::Pairs(w.into_iter().zip(g).collect())));
                }
                1 => visits.push((id, Visit::Sums(sums(source)))),
                2 => {
                    visits.push((id, Visit::Sampled(sums(source))));
                    visits.push((id, Visit::Piece(Streams::draw(source, len, kind))));
                }
                3 => {
                    let noise = GradientNoise::new(source.number()).signal(source.number());
                    visits.push((id, Visit::Noise(noise)));
                    visits.push((id, Visit::Piece(Streams::draw(source, len, kind))));
                }
                4 => {
                    let first = source.below(len + 1);
                    visits.push((id, Visit::Piece(Streams::draw(source, first, kind))));
                    visits.push((id, Visit::Piece(Streams::draw(source, len - first, kind))));
                }
                _ => visits.push((id, Visit::Piece(Streams::draw(source, len, kind)))),
            }
        }
        Self { visits }
    }

    pub(crate) fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
        for (id, visit) in &self.visits {
            match visit {
                Visit::Piece(streams) => out.piece(*id, &streams.piece())?,
                Visit::Pairs(pairs) => out.pairs(*id, pairs.iter().copied())?,
                Visit::Sums(sums) => out.sums(*id, sums)?,
                Visit::Sampled(sums) => out.sampled(*id, sums)?,
                Visit::Noise(noise) => out.noise(*id, noise)?,
            }
        }
        Ok(())
    }
}

pub(crate) fn symmetry(source: &mut Source) -> Symmetry {
    match source.below(4) {
        0 | 1 => Symmetry::Generic,
        2 => Symmetry::ScaleInvariant,
        _ => Symmetry::ScaleInvariantBy(source.count(3)),
    }
}

fn config(source: &mut Source) -> Config {
    let mut config = Config::default().seed(source.bits());
    if source.chance(2) {
        config = config.window(if source.chance(3) {
            Window::Growing
        } else {
            Window::Tumbling(NonZeroU64::new(source.long_count(200)).unwrap_or(NonZeroU64::MIN))
        });
    }
    if source.chance(4) {
        config = config.probe(source.count(700));
    }
    if source.chance(4)
        && let Ok(cadence) = Cadence::bursts(source.long_count(4), source.long_count(7))
    {
        config = config.cadence(cadence);
    }
    #[cfg(feature = "statistics")]
    {
        if source.chance(4) {
            config = config.snapshots(crate::entropy::window_config(source));
        }
        if source.chance(8) {
            config = config.monitor(crate::phases::monitor_config(source));
        }
    }
    config
}

/// Everything that an observer remembers, as far as it can be compared.
fn memory(observer: &Observer) -> String {
    #[cfg(feature = "serde")]
    return serde_json::to_string(&observer.state()).unwrap();
    #[cfg(not(feature = "serde"))]
    format!("{:?}", observer.report())
}

/// Every question that an observer answers.
fn ask(observer: &mut Observer) {
    let report = observer.report();
    sound(&report);
    sound(&report.remarks());
    prints(&report);
    #[cfg(feature = "json")]
    assert!(!report.to_json_line().is_empty());
    for group in observer.groups().ids().map(Some).chain([None]) {
        answer(observer.ensemble(group)).unwrap();
        answer(observer.relaxations(group)).unwrap();
        answer(observer.settling(group)).unwrap();
        if let Some(id) = group {
            answer(observer.sums(id)).unwrap();
            answer(observer.coordinate_temperatures(id)).unwrap();
            #[cfg(feature = "statistics")]
            {
                answer(observer.entropy(id));
                answer(observer.order_parameters(id));
                answer(observer.overlap_after(id, 3));
            }
        }
    }
    #[cfg(feature = "statistics")]
    {
        answer(observer.verdict(&thermograd::equilibrium::VerdictConfig::default()));
        sound(&observer.evidence());
        sound(&observer.phase());
        for event in observer.events().collect::<Vec<_>>() {
            sound(&event);
        }
    }
}

/// A run of steps, with questions in between; after an error everything is as it was before.
pub(crate) fn observe(source: &mut Source) {
    let mut groups = Groups::new();
    let mut members = Vec::new();
    for name in ["a", "b", "c"].iter().take(source.below(4)) {
        let id = groups.add(*name, symmetry(source));
        let len = if source.chance(8) {
            source.below(1100)
        } else {
            1 + source.below(12)
        };
        members.push((id, len, source.below(5)));
    }
    if source.chance(32) {
        groups.add("a", Symmetry::Generic);
    }
    let config = config(source);
    let Some(mut observer) = made(Observer::with_config(groups.clone(), config.clone())) else {
        return;
    };
    let mut errors = 0;
    // Repetitions of few different steps: a window fills without a byte for each.
    let turns = source.below(6);
    for _ in 0..turns {
        let kinds: Vec<(Step, Model)> = (0..=source.below(3))
            .map(|_| (facts(source), Model::draw(source, &members)))
            .collect();
        let steps = match source.below(8) {
            0 => 260,
            1 | 2 => 70,
            _ => 1 + source.below(5),
        };
        for i in 0..steps {
            let (step, model) = &kinds[i % kinds.len()];
            let visit = from_fn(|out| model.visit(out));
            // Each of the few kinds of step comes among the first.
            let before = (errors < 3 && i < 4).then(|| memory(&observer));
            match observer.observe(step, &visit) {
                Ok(Observed::WindowComplete) if errors == 0 => sound(&observer.report()),
                Ok(_) => {}
                Err(error) => {
                    prints(&error);
                    errors += 1;
                    if let Some(before) = before {
                        assert_eq!(before, memory(&observer), "a trace of {error}");
                    }
                    if kinds.len() == 1 {
                        break;
                    }
                }
            }
        }
        match source.below(8) {
            0 => observer.start_window(),
            1 => observer.reset(),
            2 => {
                let told = source.estimate();
                answer(observer.set_entropy(told));
            }
            _ => {}
        }
        ask(&mut observer);
    }
    #[cfg(feature = "serde")]
    restore(source, groups, config, &observer);
}

/// A stored observer comes back as it was, and a damaged one is refused or sound.
#[cfg(feature = "serde")]
fn restore(source: &mut Source, groups: Groups, config: Config, observer: &Observer) {
    use serde_json::Value;

    let state = observer.state();
    let text = serde_json::to_string(&state).unwrap();
    let back = Observer::restore(
        groups.clone(),
        config.clone(),
        serde_json::from_str(&text).unwrap(),
    );
    let back = back.unwrap();
    assert_eq!(memory(&back), memory(observer));
    let mut value: Value = serde_json::from_str(&text).unwrap();
    for _ in 0..=source.below(3) {
        damage(source, &mut value);
    }
    let state = if source.chance(4) {
        // A cut or a flipped bit in the text itself.
        let mut bytes = text.into_bytes();
        let at = source.below(bytes.len());
        if source.chance(2) {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << source.below(8);
        }
        serde_json::from_slice(&bytes)
    } else {
        serde_json::from_value(value)
    };
    let Ok(state) = state else { return };
    let Some(mut observer) = made(Observer::restore(groups, config, state)) else {
        return;
    };
    ask(&mut observer);
    let members: Vec<_> = observer
        .groups()
        .ids()
        .map(|id| (id, 1 + source.below(12), 0))
        .collect();
    let (step, model) = (facts(source), Model::draw(source, &members));
    for _ in 0..3 {
        let before = memory(&observer);
        if observer
            .observe(&step, &from_fn(|out| model.visit(out)))
            .is_err()
        {
            assert_eq!(before, memory(&observer));
        }
    }
    ask(&mut observer);
}

/// Changes one thing somewhere in a stored value.
#[cfg(feature = "serde")]
fn damage(source: &mut Source, value: &mut serde_json::Value) {
    use serde_json::{Value, json};

    match value {
        Value::Object(map) if !map.is_empty() && !source.chance(32) => {
            let at = source.below(map.len());
            if source.chance(64) {
                let key = map.keys().nth(at).cloned().unwrap();
                map.remove(&key);
            } else if let Some(inside) = map.values_mut().nth(at) {
                damage(source, inside);
            }
        }
        Value::Array(list) if !list.is_empty() && !source.chance(16) => {
            let at = source.below(list.len());
            match source.below(32) {
                0 => {
                    list.remove(at);
                }
                1 => list.push(list[at].clone()),
                2 => list.clear(),
                _ => damage(source, &mut list[at]),
            }
        }
        Value::Bool(known) => *known = !*known,
        other => {
            *other = match source.below(8) {
                0 => Value::Null,
                1 => json!([]),
                2 => json!(source.bits()),
                3 => json!(source.count(4)),
                4 => json!("a"),
                _ => json!(source.number()),
            };
        }
    }
}
