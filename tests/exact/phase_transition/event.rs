//! Values by hand, closed forms and boundaries: event.

use super::running::Loop;
use thermograd::phase_transition::{Cause, Event, MonitorConfig};
use thermograd::{Step, Symmetry, slices};

/// Steps that are not finite by turns with others: each is told, and of those that nobody asks for the last 64 wait.
#[test]
fn the_last_sixty_four_events_wait() {
    for refusals in [3_u32, 64, 65, 90] {
        let mut run = Loop::new(Symmetry::Generic, 1000, MonitorConfig::default());
        for t in 0..refusals {
            run.observe(&Step::new(1.0), &[1.0, 2.0], &[0.5, f64::from(t)]);
            for loss in [f64::NAN, f64::INFINITY] {
                let refused = run
                    .observer
                    .observe(&Step::new(loss), &slices(run.group, &[1.0], &[1.0]));
                assert!(refused.is_err());
            }
        }
        let steps: Vec<u64> = run
            .observer
            .events()
            .map(|event| match event {
                Event::Overheating {
                    step,
                    group: None,
                    cause: Cause::NonFinite,
                } => step,
                other => panic!("{other:?}"),
            })
            .collect();
        // The step that was refused would have been the next: after one, two, three.
        let first = refusals.max(64) - 64 + 1;
        let expected: Vec<u64> = (first..=refusals).map(u64::from).collect();
        assert_eq!(steps, expected);
        assert_eq!(run.observer.events().count(), 0);
    }
}

/// Weights that are not finite are told as a loss is, and other refusals are not.
#[test]
fn only_what_is_not_finite_is_told() {
    let mut run = Loop::new(Symmetry::Generic, 1000, MonitorConfig::default());
    let group = run.group;
    let mut told = |w: &[f64], g: &[f64]| {
        let _ = run.observer.observe(&Step::new(1.0), &slices(group, w, g));
        run.observer.events().count()
    };
    assert_eq!(told(&[1.0, 2.0], &[1.0]), 0);
    assert_eq!(told(&[1.0, f64::NAN], &[1.0, 1.0]), 1);
    assert_eq!(told(&[1.0, f64::NAN], &[1.0, 1.0]), 0);
    assert_eq!(told(&[1.0, 1.0], &[1.0, 1.0]), 0);
    assert_eq!(told(&[1e200, 1.0], &[1.0, 1.0]), 1);
    let _ = run
        .observer
        .observe(&Step::new(1.0), &slices(group, &[1.0, 1.0], &[1.0, 1.0]));
    let negative = Step::new(1.0).learning_rate(-1.0);
    let refused = run
        .observer
        .observe(&negative, &slices(group, &[1.0, 1.0], &[1.0, 1.0]));
    assert!(refused.is_err());
    assert_eq!(run.observer.events().count(), 0);
}
