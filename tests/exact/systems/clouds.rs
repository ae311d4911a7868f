//! Values by hand, closed forms and boundaries: clouds.

use thermograd::entropy::{
    Neighbors, Sampling, Validity, WindowConfig, gaussian, geodesic_cap, ledoit_wolf,
};
use thermograd::systems::Random;
use thermograd::{Config, Error, GroupId, Groups, Observer, Reading, Step, Symmetry, slices};

use super::{close, dot, near, ready};

fn observed(
    symmetry: Symmetry,
    d: usize,
    steps: usize,
    window: WindowConfig,
) -> (Observer, GroupId) {
    let mut groups = Groups::new();
    let all = groups.add("all", symmetry);
    let config = Config::every_step().snapshots(window);
    let mut observer = Observer::with_config(groups, config).unwrap();
    let mut random = Random::new(4);
    for _ in 0..steps {
        let w: Vec<f64> = (0..d)
            .map(|i| 1.0 + (i % 2) as f64 + 0.5 * random.normal())
            .collect();
        let g: Vec<f64> = (0..d).map(|_| random.normal()).collect();
        observer
            .observe(&Step::new(1.0).learning_rate(0.1), &slices(all, &w, &g))
            .unwrap();
    }
    (observer, all)
}

/// Each row a sphere of its own: directions, and (d − 1) times the mean logarithm of its norm.
#[test]
fn a_group_of_rows_is_a_sum_of_spheres() {
    let window = WindowConfig::new(60);
    let (observer, all) = observed(Symmetry::ScaleInvariantBy(2), 6, 80, window);
    let found = ready(&observer.entropy(all).unwrap());
    let windows = observer.snapshots(all).unwrap();
    assert_eq!(windows.len(), 2);
    let (mut value, mut variance, mut effective) = (0.0, 0.0, 0.0);
    let (mut memory, mut fewest) = (0.0_f64, f64::INFINITY);
    for window in windows {
        assert_eq!((window.len(), window.dimension()), (60, 3));
        let cap = geodesic_cap(&window.distances(), Neighbors::default()).unwrap();
        let cap = ready(&cap);
        let points = window.points().unwrap();
        let logs: f64 = points.iter().map(|w| 0.5 * dot(w, w).ln()).sum();
        value += cap.entropy.value + 2.0 * logs / 60.0;
        variance += cap.entropy.std_error.powi(2);
        effective += cap.effective_dimension;
        memory = memory.max(cap.autocorrelation_time);
        fewest = cap.entropy.n_eff.min(fewest);
    }
    close(found.entropy.value, value, 1e-12);
    near(found.entropy.std_error, variance.sqrt(), 1e-12);
    close(found.effective_dimension, effective, 1e-12);
    assert_eq!(
        (found.autocorrelation_time, found.entropy.n_eff),
        (memory, fewest)
    );
    assert_eq!(
        (found.dimension, found.validity),
        (6, Validity::DifferenceOnly)
    );
    // A doubt of both is told once.
    for (i, caveat) in found.caveats.iter().enumerate() {
        assert!(!found.caveats[..i].contains(caveat), "{:?}", found.caveats);
    }
}

/// A group without symmetry is one flat cloud, by the Gaussian, or shrunk where that cannot be.
#[test]
fn a_generic_group_is_one_flat_cloud() {
    let (observer, all) = observed(Symmetry::Generic, 3, 70, WindowConfig::new(60));
    let windows = observer.snapshots(all).unwrap();
    assert_eq!((windows.len(), windows[0].len()), (1, 60));
    let expected = ready(&gaussian(&windows[0].distances(), Sampling::Trajectory));
    assert_eq!(ready(&observer.entropy(all).unwrap()), expected);
    let (observer, all) = observed(Symmetry::Generic, 50, 40, WindowConfig::new(30));
    let windows = observer.snapshots(all).unwrap();
    let expected = ledoit_wolf(&windows[0].distances(), Sampling::Trajectory);
    assert_eq!(observer.entropy(all).unwrap(), expected);
    assert!(expected.ready().is_some());
}

#[test]
fn what_keeps_snapshots_from_being_taken_is_told() {
    let (observer, all) = observed(Symmetry::ScaleInvariantBy(2), 5, 3, WindowConfig::new(60));
    assert!(matches!(
        observer.entropy(all),
        Err(Error::LengthMismatch {
            expected: 4,
            found: 5,
            ..
        })
    ));
    let window = WindowConfig::new(60).most_bytes(40_000);
    let (observer, all) = observed(Symmetry::Generic, 50, 3, window);
    assert!(matches!(
        observer.entropy(all),
        Err(Error::OutOfRange { .. })
    ));
    let (observer, all) = observed(Symmetry::ScaleInvariant, 4, 0, WindowConfig::new(60));
    assert!(matches!(
        observer.entropy(all).unwrap(),
        Reading::Pending { seen: 0, needed: 1 }
    ));
    let (mut observer, all) = observed(Symmetry::Generic, 3, 40, WindowConfig::new(60));
    assert!(observer.entropy(all).unwrap().ready().is_some());
    observer.start_window();
    assert!(observer.entropy(all).unwrap().ready().is_none());
    assert!(observer.snapshots(all).unwrap()[0].is_empty());
}
