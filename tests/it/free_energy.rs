//! Entropy and free energies through the observer.

use thermograd::entropy::{Validity, WindowConfig};
use thermograd::systems::{GasProtocol, IsotropicGasConfig};
use thermograd::{
    Config, Estimate, GroupId, Groups, Observer, Piece, Reading, Reason, Symmetry, Window, from_fn,
};

/// Pure gases of three weights on fixed spheres, `scales` of them side by side in one group.
fn watch(scales: usize, radius: f64, config: Config, seed: u64) -> (Observer, GroupId) {
    let held = GasProtocol::FixedSphere {
        effective_learning_rate: 0.2,
    };
    let mut gases: Vec<_> = (0..scales as u64)
        .map(|k| {
            let gas = IsotropicGasConfig::new(3, held).radius(radius);
            gas.seed(seed * 100 + k).build().unwrap()
        })
        .collect();
    let mut groups = Groups::new();
    let group = groups.add("gas", Symmetry::ScaleInvariantBy(scales));
    let config = config.window(Window::Growing);
    let mut observer = Observer::with_config(groups, config).unwrap();
    for _ in 0..20_000 {
        for gas in &mut gases {
            gas.draw_second();
        }
        let visit = from_fn(|out| {
            gases.iter().try_for_each(|gas| {
                let piece = Piece::new(gas.weights(), gas.gradient());
                out.piece(
                    group,
                    &piece.second_gradient(gas.second_gradient().unwrap()),
                )
            })
        });
        observer.observe(&gases[0].facts(), &visit).unwrap();
        for gas in &mut gases {
            gas.step().unwrap();
        }
    }
    (observer, group)
}

/// Directions uniform on the sphere: S = K (ln 4π + 2 ln r), exactly.
fn exact(scales: usize, radius: f64) -> f64 {
    scales as f64 * ((4.0 * std::f64::consts::PI).ln() + 2.0 * radius.ln())
}

#[test]
fn the_entropy_of_gases_is_that_of_their_spheres() {
    for (scales, radius) in [(1, 1.0), (1, 3.0), (4, 0.5)] {
        let window = WindowConfig::new(400).every(50);
        let (observer, group) = watch(scales, radius, Config::every_step().snapshots(window), 1);
        let estimate = observer.entropy(group).unwrap();
        let estimate = estimate.ready().unwrap();
        assert_eq!((estimate.snapshots, estimate.dimension), (400, 3 * scales));
        assert_eq!(estimate.validity, Validity::Absolute, "{estimate}");
        let z = estimate.entropy.z_score(exact(scales, radius)).unwrap();
        assert!(
            z.abs() < 4.0,
            "{estimate} against {}",
            exact(scales, radius)
        );
        assert_eq!(observer.snapshots(group).unwrap().len(), scales);

        // F = U − TS with the errors of all three.
        let read = |metric| {
            let reading = observer.read_model(metric).unwrap();
            reading.ready().copied().unwrap()
        };
        let (u, t, s, f) = (
            read("loss"),
            read("temperature_noise"),
            read("entropy"),
            read("helmholtz"),
        );
        assert!((f.value - (u.value - t.value * s.value)).abs() < 1e-12);
        let from_entropy = t.value * s.std_error;
        assert!(f.std_error >= 0.999 * from_entropy, "{f} {from_entropy}");
        let bound = (t.std_error * s.value).hypot(from_entropy) + u.std_error;
        assert!(f.std_error <= 1.2 * bound, "{f} {bound}");
        // On the sphere there is no decay, p = 0, and G is F.
        assert!((read("gibbs").value - f.value).abs() < 1e-12);
    }
}

#[test]
fn entropy_may_be_told_and_is_refused_where_it_means_nothing() {
    let (mut observer, group) = watch(2, 1.0, Config::every_step(), 2);
    assert_eq!(
        observer.entropy(group).unwrap(),
        Reading::Undefined(Reason::Missing("a snapshot window"))
    );
    assert!(matches!(
        observer.read_model("helmholtz").unwrap(),
        Reading::Undefined(_)
    ));
    let told = Estimate {
        value: -7.0,
        std_error: 0.5,
        n_eff: 100.0,
    };
    observer.set_entropy(told).unwrap();
    let read = |metric| {
        let reading = observer.read_model(metric).unwrap();
        reading.ready().copied().unwrap()
    };
    let s = read("entropy");
    assert_eq!((s.value, s.std_error, s.n_eff), (-7.0, 0.5, 100.0));
    let (u, t, f) = (read("loss"), read("temperature_noise"), read("helmholtz"));
    assert!((f.value - (u.value + 7.0 * t.value)).abs() < 1e-12);
    for bad in [f64::NAN, f64::INFINITY] {
        let worse = Estimate { value: bad, ..told };
        assert!(observer.set_entropy(worse).is_err());
    }
    let worse = Estimate {
        std_error: -1.0,
        ..told
    };
    assert!(observer.set_entropy(worse).is_err());

    // 200 snapshots of a gas in 2000 dimensions: differences only, and F is refused.
    let mut groups = Groups::new();
    let group = groups.add("gas", Symmetry::ScaleInvariant);
    let config = Config::every_step().snapshots(WindowConfig::new(200));
    let mut observer = Observer::with_config(groups, config).unwrap();
    let held = GasProtocol::FixedSphere {
        effective_learning_rate: 0.05,
    };
    let mut gas = IsotropicGasConfig::new(2000, held).build().unwrap();
    for _ in 0..300 {
        gas.draw_second();
        let visit = from_fn(|out| {
            let piece = Piece::new(gas.weights(), gas.gradient());
            out.piece(
                group,
                &piece.second_gradient(gas.second_gradient().unwrap()),
            )
        });
        observer.observe(&gas.facts(), &visit).unwrap();
        gas.step().unwrap();
    }
    if let Reading::Ready(estimate) = observer.entropy(group).unwrap() {
        assert_eq!(estimate.validity, Validity::DifferenceOnly);
    }
    assert!(observer.read_model("helmholtz").unwrap().ready().is_none());

    // A probe that follows a part of the group has no entropy of the whole.
    let mut groups = Groups::new();
    let group = groups.add("gas", Symmetry::ScaleInvariant);
    let config = Config::every_step()
        .probe(512)
        .snapshots(WindowConfig::new(50));
    let mut observer = Observer::with_config(groups, config).unwrap();
    for _ in 0..5 {
        let visit = from_fn(|out| out.tensor(group, gas.weights(), gas.gradient()));
        observer.observe(&gas.facts(), &visit).unwrap();
    }
    assert!(matches!(
        observer.entropy(group).unwrap(),
        Reading::Undefined(Reason::Meaningless(_))
    ));
}
