//! Observing allocates nothing once it is warm.
//!
//! In a binary of its own, because the allocator is the process's.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use thermograd::{
    Cadence, Config, Groups, Observer, Piece, Step, Symmetry, Window, from_fn, systems::Random,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn observe_does_not_allocate_after_warm_up() -> Result<(), thermograd::Error> {
    let mut groups = Groups::new();
    let a = groups.add("a", Symmetry::ScaleInvariant);
    let b = groups.add("b", Symmetry::Generic);
    let window = Window::Tumbling(std::num::NonZeroU64::MIN.saturating_add(299));
    let config = Config::default()
        .cadence(Cadence::bursts(7, 8)?)
        .window(window);
    let mut observer = Observer::with_config(groups, config)?;
    let mut random = Random::new(1);
    let mut draw = |len: usize| -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "noise of any precision")]
        (0..len).map(|_| random.normal() as f32).collect()
    };
    let (mut w, g, g2) = (draw(2000), draw(2000), draw(2000));
    let mut run = |observer: &mut Observer, steps: usize| -> Result<(), thermograd::Error> {
        for step in 0..steps {
            let facts = Step::new(0.5)
                .learning_rate(0.1)
                .weight_decay(1e-3)
                .previous_batch_loss(0.4)
                .independent_loss(0.6);
            let visit = from_fn(|out| {
                // Three tensors, one of them strided, and a group that now and then stays away.
                out.piece(
                    a,
                    &Piece::new(&w[..700], &g[..700]).second_gradient(&g2[..700]),
                )?;
                let rest = Piece::new(&w[700..1500], &g[700..1500]);
                out.piece(a, &rest.second_gradient(&g2[700..1500]))?;
                if step % 50 == 17 {
                    return Ok(());
                }
                let strided = w[1500..].iter().zip(&g[1500..]).step_by(2);
                out.pairs(b, strided.map(|(&w, &g)| (f64::from(w), f64::from(g))))
            });
            observer.observe(&facts, &visit)?;
            for (w, g) in w.iter_mut().zip(&g) {
                *w -= 1e-4 * g;
            }
        }
        Ok(())
    };
    // Warm: two windows have been completed.
    run(&mut observer, 1000)?;
    let region = Region::new(ALLOCATOR);
    run(&mut observer, 2000)?;
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    // The instrument is alive: a report does allocate.
    let region = Region::new(ALLOCATOR);
    assert!(!observer.report().rows.is_empty());
    assert!(region.change().allocations > 0);
    Ok(())
}
