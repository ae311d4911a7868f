//! Neighbours that are followed are those that a search finds, whatever comes and goes.

use proptest::prelude::*;
use thermograd::entropy::{
    EntropyEstimate, Neighbors, SnapshotWindow, Space, WindowConfig, geodesic_cap,
    kozachenko_leonenko,
};
use thermograd::systems::Random;
use thermograd::{Reading, View};

fn entropy(
    window: &SnapshotWindow,
    space: Space,
    neighbors: Neighbors,
) -> Reading<EntropyEstimate> {
    match space {
        Space::Parameters => kozachenko_leonenko(&window.distances(), neighbors),
        Space::Directions => geodesic_cap(&window.distances(), neighbors),
    }
    .unwrap()
}

/// The same estimate, its error and doubts to the bit; what comes of running sums to 1e-10.
fn assert_same(
    fast: &Reading<EntropyEstimate>,
    slow: &Reading<EntropyEstimate>,
) -> Result<(), TestCaseError> {
    match (fast, slow) {
        (Reading::Ready(fast), Reading::Ready(slow)) => {
            prop_assert_eq!(fast.entropy.value, slow.entropy.value);
            prop_assert_eq!(fast.entropy.std_error, slow.entropy.std_error);
            prop_assert_eq!(&fast.caveats, &slow.caveats);
            prop_assert_eq!(fast.validity, slow.validity);
            for (a, b) in [
                (fast.autocorrelation_time, slow.autocorrelation_time),
                (fast.effective_dimension, slow.effective_dimension),
                (fast.entropy.n_eff, slow.entropy.n_eff),
            ] {
                prop_assert!((a - b).abs() <= 1e-10 * b.abs(), "{} {}", a, b);
            }
        }
        (Reading::Pending { .. }, Reading::Pending { .. }) => {}
        (fast, slow) => prop_assert_eq!(fast, slow),
    }
    Ok(())
}

/// Snapshots of a walk with jumps, stays, repeats and leaps in size.
struct Walk {
    random: Random,
    at: Vec<f64>,
    kept: Vec<Vec<f64>>,
    rough: bool,
}

impl Walk {
    fn next(&mut self) -> Vec<f64> {
        let pull = if self.rough { 0.97 } else { 0.0 };
        for x in &mut self.at {
            *x = pull * *x + self.random.normal();
        }
        let mut w = self.at.clone();
        if self.rough {
            match self.random.below(60) {
                0 => w.clone_from(&self.kept[self.random.below(self.kept.len())]),
                1 => w.iter_mut().for_each(|x| *x *= 1e12),
                2 => w.iter_mut().for_each(|x| *x *= 1e-12),
                3 => w.fill(0.0),
                4 => w.iter_mut().for_each(|x| *x *= 1e75),
                _ => {}
            }
        }
        if self.kept.len() < 20 {
            self.kept.push(w.clone());
        }
        w
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn following_is_searching(
        seed in 0_u64..10_000, n in 30_usize..170, d in 1_usize..7, k in 1_usize..6,
        lags in 0_usize..4, independent in any::<bool>(), directions in any::<bool>(),
        rough in any::<bool>(), half in any::<bool>(), at_once in 0_usize..300,
    ) {
        let single = half && !rough;
        let space = if directions { Space::Directions } else { Space::Parameters };
        let mut neighbors = Neighbors::new(k).exclude_lags(lags);
        if independent {
            neighbors = neighbors.independent();
        }
        let config = WindowConfig::new(n);
        let mut slow = SnapshotWindow::new(config.clone()).unwrap();
        let mut fast = SnapshotWindow::new(config.follow(space, neighbors)).unwrap();
        let mut walk = Walk {
            random: Random::new(seed),
            at: vec![0.0; d],
            kept: vec![vec![0.5; d]],
            rough,
        };
        let mut first: Vec<Vec<f64>> = Vec::new();
        for step in 0..3 * n + 20 {
            let mut w = walk.next();
            if single {
                // Held in single precision by the window, all of it.
                for x in &mut w {
                    *x = f64::from(*x as f32);
                }
            }
            let narrow: Vec<f32> = w.iter().map(|&x| x as f32).collect();
            let view = if single { View::F32(&narrow) } else { View::F64(&w) };
            slow.push(step as u64, view).unwrap();
            if step >= at_once {
                fast.push(step as u64, view).unwrap();
            } else {
                // The beginning of the run comes in one go.
                first.push(w);
                if step + 1 < at_once {
                    continue;
                }
                let narrow = |w: &Vec<f64>| w.iter().map(|&x| x as f32).collect::<Vec<f32>>();
                let narrow: Vec<Vec<f32>> = first.iter().map(narrow).collect();
                let view = |i: usize| {
                    if single {
                        View::F32(&narrow[i])
                    } else {
                        View::F64(&first[i])
                    }
                };
                fast.push_all((0..first.len()).map(|i| (i as u64, view(i)))).unwrap();
            }
            if step % 7 == 0 || step > 3 * n {
                assert_same(&entropy(&fast, space, neighbors), &entropy(&slow, space, neighbors))?;
                prop_assert_eq!(fast.distances().to_flat(), slow.distances().to_flat());
            }
        }
    }
}

/// Ten thousand snapshots in and out: nothing is left of those that went.
#[test]
fn running_sums_do_not_drift() {
    let neighbors = Neighbors::new(3);
    let config = WindowConfig::new(60);
    let mut slow = SnapshotWindow::new(config.clone()).unwrap();
    let mut fast = SnapshotWindow::new(config.follow(Space::Parameters, neighbors)).unwrap();
    let mut random = Random::new(5);
    for step in 0..10_000_u32 {
        // From far away to a cloud 10⁻⁸ as wide.
        let scale = (-f64::from(step) * 2e-3).exp();
        let w: Vec<f64> = (0..4).map(|_| scale * random.normal()).collect();
        slow.push(u64::from(step), &w).unwrap();
        fast.push(u64::from(step), &w).unwrap();
        if step % 500 == 499 {
            let (fast, slow) = (
                entropy(&fast, Space::Parameters, neighbors),
                entropy(&slow, Space::Parameters, neighbors),
            );
            assert_same(&fast, &slow).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_followed_is_refused() {
    for k in [0, 65] {
        let config = WindowConfig::new(200).follow(Space::Directions, Neighbors::new(k));
        assert!(SnapshotWindow::new(config).is_err(), "{k}");
    }
    // One parameter has no direction, and three snapshots no fourth neighbour.
    let follow = |n: usize| {
        let config = WindowConfig::new(n).follow(Space::Directions, Neighbors::default());
        SnapshotWindow::new(config).unwrap()
    };
    let (mut line, mut small) = (follow(40), follow(3));
    for step in 0..100_u8 {
        line.push(u64::from(step), &[f64::from(step) + 1.0])
            .unwrap();
        small
            .push(u64::from(step), &[1.0, f64::from(step)])
            .unwrap();
    }
    let cap = |w: &SnapshotWindow| geodesic_cap(&w.distances(), Neighbors::default()).unwrap();
    assert!(matches!(cap(&line), Reading::Undefined(_)));
    assert!(matches!(cap(&small), Reading::Pending { .. }));
}
