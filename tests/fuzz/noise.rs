//! Gradient noise, invariance, projections and assignments of names.

use thermograd::invariance::ScaleTest;
use thermograd::noise::{
    BatchGradient, GradientNoise, GradientVariance, Replicas, TwoBatchSizes, reshuffling_factor,
    without_replacement,
};
use thermograd::{Assignment, Projection};

use crate::check::{answer, made, prints, sound};
use crate::observer::{Elements, symmetry};
use crate::source::Source;

fn batch(source: &mut Source) -> BatchGradient {
    BatchGradient {
        batch_size: source.count(64),
        squared_norm: source.positive(),
    }
}

pub(crate) fn noise(source: &mut Source) {
    let mut parts = GradientVariance::default();
    let mut others = GradientVariance::default();
    let len = source.len(40);
    for _ in 0..source.below(6) {
        let len = if source.chance(16) {
            source.below(40)
        } else {
            len
        };
        let kind = source.below(5);
        let gradient = Elements::draw(source, len, kind);
        let target = if source.chance(3) {
            &mut others
        } else {
            &mut parts
        };
        let before = target.clone();
        if answer(target.push(gradient.view())).is_none() {
            assert_eq!(before, *target);
        }
        if source.chance(4) {
            let before = parts.clone();
            if answer(parts.merge(&others)).is_none() {
                assert_eq!(before, parts);
            }
        }
        sound(&parts);
        sound(&parts.trace());
        sound(&parts.noise());
        if source.chance(16) {
            parts.clear();
        }
    }
    let two = TwoBatchSizes {
        small: batch(source),
        large: batch(source),
    };
    answer(two.noise());
    let mut ranks = match source.below(3) {
        0 => {
            let flat = std::array::from_fn(|_| source.positive().round());
            answer(Replicas::from_array(flat)).unwrap_or_default()
        }
        _ => Replicas::default(),
    };
    for _ in 0..source.below(4) {
        let before = ranks;
        if answer(ranks.push(batch(source))).is_none() {
            assert_eq!(before, ranks);
        }
        if source.chance(3) {
            let other = ranks;
            answer(ranks.merge(&other));
        }
        sound(&ranks.to_array());
    }
    answer(ranks.noise(source.number()));
    let own = GradientNoise::new(source.number()).signal(source.number());
    answer(own.scale(source.count(100)));
    answer(without_replacement(source.count(100), source.count(1000)));
    answer(reshuffling_factor(source.long_count(100), source.share()));
}

pub(crate) fn projection(source: &mut Source) {
    let (dimension, seed) = (source.count(80), source.below(2) as u64);
    let Some(mut first) = made(Projection::new(dimension, seed)) else {
        return;
    };
    let coordinates = source.series(80);
    let second = made(Projection::from_coordinates(seed, &coordinates));
    for _ in 0..source.below(4) {
        let (len, kind) = (source.len(100), source.below(5));
        let values = Elements::draw(source, len, kind);
        let before = first.clone();
        let offset = source.count(1000);
        if answer(first.add(offset, values.view())).is_none() {
            assert_eq!(before.coordinates(), first.coordinates());
        }
        if let Some(second) = &second {
            answer(first.distance(second));
            let before = first.clone();
            if source.chance(2) && answer(first.merge(second)).is_none() {
                assert_eq!(before.coordinates(), first.coordinates());
            }
        }
        sound(&first.coordinates());
        sound(&first.norm_squared());
        sound(&first.relative_error());
    }
}

pub(crate) fn invariance(source: &mut Source) {
    let test = match source.maybe(Source::number) {
        None => Some(ScaleTest::new()),
        Some(tolerance) => made(ScaleTest::with_tolerance(tolerance)),
    };
    let Some(mut test) = test else { return };
    let names = ["a.weight", "a.bias", "b.weight", "", "é"];
    let shapes: [Vec<usize>; 5] = std::array::from_fn(|_| {
        let rank = source.below(4);
        (0..rank).map(|_| source.below(5)).collect()
    });
    let steps = if source.chance(4) {
        130
    } else {
        source.below(5)
    };
    let present = source.byte();
    let odd = source.below(40);
    let kind = source.below(3);
    let drawn: Vec<(Elements, Elements)> = (0..8)
        .map(|i| {
            let len = shapes[i % 5].iter().product();
            (
                Elements::draw(source, len, kind),
                Elements::draw(source, len, kind),
            )
        })
        .collect();
    for step in 0..steps {
        let before = test.steps();
        let told = format!("{:?}", test.proposal());
        let seen = test.observe(|out| {
            for (i, name) in names.iter().enumerate() {
                if present >> i & 1 == 0 && !(step == odd && i == 0) {
                    continue;
                }
                let (w, g) = &drawn[(i + 5 * (step % 2)) % 8];
                out.tensor(
                    name,
                    &shapes[(i + usize::from(step == odd)) % 5],
                    w.view(),
                    g.view(),
                )?;
            }
            Ok(())
        });
        if answer(seen).is_none() {
            assert_eq!(test.steps(), before);
            assert_eq!(format!("{:?}", test.proposal()), told);
            if step > 2 {
                break;
            }
        }
        if step == 3 {
            sound(&test.proposal());
        }
    }
    let proposal = test.proposal();
    sound(&proposal);
    prints(&proposal);
    for name in names {
        sound(&proposal.symmetry(name));
    }
    assert!(proposal.undecided().count() <= names.len());
    answer(proposal.assignment());
}

pub(crate) fn assignment(source: &mut Source) {
    let parts = [
        "", ".", "a", "b", "a.b", "..", "é", "weight", "a.weight", "\u{0}",
    ];
    let mut names: Vec<String> = Vec::new();
    for _ in 0..source.below(8) {
        let name: String = (0..source.below(4)).map(|_| source.pick(&parts)).collect();
        names.push(name);
    }
    let known = names.iter().map(String::as_str);
    let mut all = match source.below(3) {
        0 => Assignment::each(known),
        1 => Assignment::by_module(known),
        _ => Assignment::new(),
    };
    let group = all.group(source.pick(&parts), symmetry(source));
    for name in &names {
        match source.below(3) {
            0 => {
                answer(all.assign(name.as_str(), group));
            }
            1 => all.leave_out(name.as_str()),
            _ => {}
        }
        answer(all.of(name));
    }
    assert!(all.iter().count() <= names.len());
    answer(thermograd::Observer::new(all.groups().clone()).map(|observer| observer.steps()));
}
