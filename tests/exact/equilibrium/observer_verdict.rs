//! Values by hand, closed forms and boundaries: observer verdict.

use super::{mean, near, noise};
use thermograd::equilibrium::{
    Check, Direction, Observable, Outcome, Verdict, VerdictConfig, verdict,
};
use thermograd::{
    Cadence, Config, GroupId, Groups, Moment, Observer, Step, Symmetry, Window, pressure, slices,
};

fn observer(symmetries: &[(&str, Symmetry)], cadence: Cadence) -> (Observer, Vec<GroupId>) {
    let mut groups = Groups::new();
    let ids = symmetries.iter().map(|(name, s)| groups.add(*name, *s));
    let ids = ids.collect();
    let config = Config::every_step()
        .cadence(cadence)
        .window(Window::Growing);
    (Observer::with_config(groups, config).unwrap(), ids)
}

fn one(cadence: Cadence) -> (Observer, GroupId) {
    let (observer, ids) = observer(&[("a", Symmetry::Generic)], cadence);
    (observer, ids[0])
}

/// Losses at every tenth step: a line is as steep as it is told, a step at a time.
#[test]
fn rates_are_per_step_whatever_the_cadence_and_the_blocks() {
    for observed in [100_u32, 200] {
        let (mut observer, group) = one(Cadence::bursts(1, 10).unwrap());
        for t in 0..10 * observed {
            let facts = Step::new(1.0 + f64::from(t) / 1024.0);
            observer
                .observe(&facts, &slices(group, &[1.0_f64], &[0.5_f64]))
                .unwrap();
        }
        let found = observer.verdict(&VerdictConfig::default()).unwrap();
        let Verdict::OutOfEquilibrium {
            observable,
            direction,
            rate,
            ..
        } = &found
        else {
            panic!("{found}");
        };
        assert_eq!(
            (observable.as_str(), *direction),
            ("loss", Direction::Rising)
        );
        near(rate.value, 1.0 / 1024.0, 1e-12);
        assert_eq!(found.evidence().len(), 2);
        assert_eq!(
            found.evidence()[1].check,
            Check::Drift("|w|² of a".to_owned())
        );
        assert_eq!(found.evidence()[1].outcome, Outcome::Constant);
    }
}

/// Bursts of two steps in ten: five steps for each one that is looked at.
#[test]
fn steps_between_bursts_count_for_those_within() {
    let (mut observer, group) = one(Cadence::bursts(2, 10).unwrap());
    let mut observed = 0.0;
    for _ in 0..500 {
        let due = observer.is_due();
        observer
            .observe(&Step::new(observed), &slices(group, &[1.0_f64], &[0.5_f64]))
            .unwrap();
        observed += if due { 1.0 } else { 0.0 };
    }
    let found = observer.verdict(&VerdictConfig::default()).unwrap();
    let Verdict::OutOfEquilibrium { rate, .. } = &found else {
        panic!("{found}");
    };
    near(rate.value, 0.2, 1e-12);
}

fn watch(observed: usize, every: u64) -> (Observer, Vec<f64>) {
    let (mut observer, group) = one(Cadence::bursts(1, every).unwrap());
    let losses = noise(observed, 3);
    for &loss in &losses {
        for _ in 0..every {
            observer
                .observe(&Step::new(loss), &slices(group, &[1.0_f64], &[0.5_f64]))
                .unwrap();
        }
    }
    (observer, losses)
}

/// Blocks of two observed steps, five steps apart: numbers of blocks count tenfold.
#[test]
fn waits_and_memories_are_in_steps() {
    let (observer, losses) = watch(140, 5);
    let blocks: Vec<f64> = losses.chunks_exact(2).map(mean).collect();
    let mut config = VerdictConfig::default();
    // Seven blocks of memory: an inefficiency of 14.
    config.relaxation_time = Some(70.0);
    let found = observer.verdict(&config).unwrap();
    config.relaxation_time = Some(7.0);
    let own = verdict(&[Observable::new("loss", &blocks)], None, &config).unwrap();
    let (
        Verdict::InsufficientData {
            more_steps: steps,
            evidence: in_steps,
            ..
        },
        Verdict::InsufficientData {
            more_steps: more,
            evidence: in_blocks,
            ..
        },
    ) = (&found, &own)
    else {
        panic!("{found} {own}");
    };
    assert_eq!(*steps, 10 * more);
    let (
        Outcome::TooShort { seen, needed },
        Outcome::TooShort {
            seen: few,
            needed: blocks,
        },
    ) = (&in_steps[0].outcome, &in_blocks[0].outcome)
    else {
        panic!("{found} {own}");
    };
    assert_eq!((*seen, *needed), (10 * few, 10 * blocks));
    // A memory of one block: an inefficiency of 2 leaves 50 of 100.
    let (observer, _) = watch(100, 10);
    let mut config = VerdictConfig::default();
    config.relaxation_time = Some(10.0);
    let found = observer.verdict(&config).unwrap();
    assert!(
        matches!(found, Verdict::Equilibrium { n_eff: 50.0, .. }),
        "{found}"
    );
    assert_eq!(found.evidence().len(), 2);
}

#[test]
fn a_drift_of_blocks_is_told_in_steps_with_its_error() {
    let (mut observer, group) = one(Cadence::bursts(1, 5).unwrap());
    let losses: Vec<f64> = noise(140, 6)
        .iter()
        .zip(0..)
        .map(|(e, t)| e + 0.1 * f64::from(t))
        .collect();
    for &loss in &losses {
        for _ in 0..5 {
            observer
                .observe(&Step::new(loss), &slices(group, &[1.0_f64], &[0.5_f64]))
                .unwrap();
        }
    }
    let blocks: Vec<f64> = losses.chunks_exact(2).map(mean).collect();
    let config = VerdictConfig::default();
    let own = verdict(&[Observable::new("loss", &blocks), CONSTANT], None, &config).unwrap();
    let found = observer.verdict(&config).unwrap();
    let (
        Verdict::OutOfEquilibrium {
            rate, sigmas: z, ..
        },
        Verdict::OutOfEquilibrium {
            rate: of_blocks,
            sigmas,
            ..
        },
    ) = (found, own)
    else {
        panic!("a drift");
    };
    near(rate.value * 10.0 / of_blocks.value, 1.0, 1e-9);
    near(rate.std_error * 10.0 / of_blocks.std_error, 1.0, 1e-9);
    near(z, sigmas, 1e-7);
}

const CONSTANT: Observable<'static> = Observable::new("constant", &[1.0; 70]);

/// 4ηλ = 1/16 a step: two blocks of memory, an inefficiency of four.
#[test]
fn the_memory_of_the_norm_is_known_to_the_verdict() {
    let all = [("a", Symmetry::ScaleInvariant)];
    let (mut observer, ids) = observer(&all, Cadence::bursts(1, 8).unwrap());
    for loss in noise(100, 7) {
        let facts = Step::new(loss).learning_rate(0.125).weight_decay(0.125);
        for _ in 0..8 {
            let snapshot = slices(ids[0], &[1.0_f64, 2.0], &[0.4_f64, -0.2]);
            observer.observe(&facts, &snapshot).unwrap();
        }
    }
    let found = observer.verdict(&VerdictConfig::default()).unwrap();
    let wait = Outcome::TooShort {
        seen: 800,
        needed: 1600,
    };
    assert_eq!(found.evidence()[0].outcome, wait);
    // What is told goes before what is known.
    let mut config = VerdictConfig::default();
    config.relaxation_time = Some(1.0);
    let found = observer.verdict(&config).unwrap();
    assert!(matches!(found, Verdict::Equilibrium { .. }), "{found}");
}

#[test]
fn a_window_without_two_blocks_wants_sixty_four() {
    for (observed, every) in [(0, 5), (1, 5)] {
        let (observer, _) = watch(observed, every);
        let found = observer.verdict(&VerdictConfig::default()).unwrap();
        let Verdict::InsufficientData {
            more_steps,
            observable,
            evidence,
        } = &found
        else {
            panic!("{found}");
        };
        assert_eq!(
            (*more_steps, observable.as_str()),
            (64 * every, "every observable")
        );
        assert!(evidence.is_empty());
    }
    let (observer, _) = watch(2, 5);
    let found = observer.verdict(&VerdictConfig::default()).unwrap();
    assert_eq!(found.evidence().len(), 2);
    assert!(matches!(
        found.evidence()[0].outcome,
        Outcome::TooShort {
            seen: 10,
            needed: 100
        }
    ));
}

/// The temperature of the noise where a second gradient tells it, else that of midpoints.
#[test]
fn every_group_is_asked_for_its_norm_and_its_temperature() {
    let all = [("cold", Symmetry::Generic), ("warm", Symmetry::Generic)];
    let (mut observer, ids) = observer(&all, Cadence::EVERY_STEP);
    let draws = noise(3000, 1);
    for draw in draws.chunks_exact(10) {
        let facts = Step::new(draw[0]).learning_rate(0.1);
        let both = thermograd::from_fn(|out| {
            let first = thermograd::Piece::new(&draw[1..3], &draw[3..5]);
            out.piece(ids[0], &first.second_gradient(&draw[5..7]))?;
            out.piece(ids[1], &thermograd::Piece::new(&draw[7..8], &draw[8..9]))
        });
        observer.observe(&facts, &both).unwrap();
    }
    let found = observer.verdict(&VerdictConfig::default()).unwrap();
    let names: Vec<&Check> = found.evidence().iter().map(|f| &f.check).collect();
    let drift = |name: &str| Check::Drift(name.to_owned());
    // No midpoint is known of the first steps, so that the warm group's temperature has no series.
    assert_eq!(
        names[..4],
        [
            &drift("loss"),
            &drift("|w|² of cold"),
            &drift("T of cold"),
            &drift("|w|² of warm")
        ]
    );
}

/// Weights whose norm is pushed by noise far more, or far less, than decay shrinks it, over a
/// window much shorter than the norm's memory. The rate is half of d|w|²/dt = ⟨|w|²⟩/τ (x − 1)
/// with x the expanding over the shrinking force.
#[test]
fn a_norm_out_of_balance_drifts_though_its_series_is_short() {
    for (size, direction) in [
        (1.0, Some(Direction::Rising)),
        (0.02, Some(Direction::Falling)),
    ] {
        let all = [
            ("first", Symmetry::ScaleInvariant),
            ("second", Symmetry::ScaleInvariant),
        ];
        let (mut observer, ids) = observer(&all, Cadence::EVERY_STEP);
        let (rate, decay) = (0.01, 0.002);
        let mut weights = [vec![0.7; 20], vec![0.7; 20]];
        let mut draws = noise(2 * 20 * 400, 2).into_iter();
        for t in 0..400 {
            let gradients: Vec<Vec<f64>> = weights
                .iter()
                .zip([1.0, 0.5])
                .map(|(w, part)| {
                    let g: Vec<f64> = draws.by_ref().take(20).collect();
                    let r2: f64 = w.iter().map(|w| w * w).sum();
                    let along = w.iter().zip(&g).map(|(w, g)| w * g).sum::<f64>() / r2;
                    g.iter()
                        .zip(w)
                        .map(|(g, w)| size * part * (g - along * w))
                        .collect()
                })
                .collect();
            // The loss stays: it says nothing.
            let facts = Step::new(f64::from(t % 2))
                .learning_rate(rate)
                .weight_decay(decay);
            let visit = thermograd::from_fn(|out| {
                for ((id, w), g) in ids.iter().zip(&weights).zip(&gradients) {
                    out.piece(*id, &thermograd::Piece::new(w, g))?;
                }
                Ok(())
            });
            observer.observe(&facts, &visit).unwrap();
            for (w, g) in weights.iter_mut().zip(&gradients) {
                for (w, g) in w.iter_mut().zip(g) {
                    *w -= rate * (g + decay * *w);
                }
            }
        }
        let found = observer.verdict(&VerdictConfig::default()).unwrap();
        let expected = ids.iter().map(|&id| {
            let whole = observer.ensemble(Some(id)).unwrap();
            let forces = observer.read_formula(
                Some(id),
                &[Moment::KineticHeat, Moment::PressureNormSquared],
                |e| Some(1.0 / pressure::real_gas_balance(e)?),
            );
            let x = *forces.unwrap().ready().unwrap();
            let scale = 0.5 * whole.mean(Moment::NormSquared).unwrap()
                / pressure::relaxation_steps(&whole).unwrap();
            (scale * (x.value - 1.0), scale * x.std_error, x.n_eff)
        });
        let expected: Vec<(f64, f64, f64)> = expected.collect();
        let sigmas = |e: &(f64, f64, f64)| (e.0 / e.1).abs();
        let which = usize::from(sigmas(&expected[1]) > sigmas(&expected[0]));
        let Verdict::OutOfEquilibrium {
            observable,
            direction: told,
            rate,
            sigmas: strength,
            evidence,
        } = &found
        else {
            panic!("{found}");
        };
        assert_eq!(Some(*told), direction);
        assert_eq!(*observable, format!("|w|² of {}", all[which].0));
        near(rate.value / expected[which].0, 1.0, 1e-9);
        near(rate.std_error / expected[which].1, 1.0, 1e-9);
        near(rate.n_eff / expected[which].2, 1.0, 1e-9);
        near(*strength, expected[which].0 / expected[which].1, 1e-8);
        assert!(
            evidence
                .iter()
                .any(|f| matches!(f.outcome, Outcome::TooShort { .. }))
        );
    }
}
