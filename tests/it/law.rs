//! The published laws on a reduced grid, measured by the code of the examples.

use super::digits::common;

#[allow(dead_code, reason = "the example reads the rest")]
#[path = "../../examples/free_energy/family.rs"]
mod family;
#[allow(dead_code, reason = "the example reads the rest")]
#[path = "../../examples/isotropic_gas/gas.rs"]
mod gas;
#[allow(dead_code, reason = "the example reads the rest")]
#[path = "../../examples/isotropic_gas/grid.rs"]
mod grid;

#[allow(dead_code, reason = "the example reads the rest")]
#[path = "../../examples/maxwell_digits/run.rs"]
mod network;

use gas::{Held, Setting};
use grid::{Grid, by_chance, largest, rms};
use thermograd::{
    Estimate,
    entropy::{FamilyMember, family_temperatures},
};

const fn small(held: Held, dims: usize) -> Setting {
    Setting {
        held,
        dims,
        grid: 5,
        lowest: 0.01,
        steps: 100_000,
        seed: 7,
    }
}

#[test]
fn the_isotropic_gas_obeys_its_theory() {
    for (held, dims) in [
        (Held::Elr, 3),
        (Held::Lr, 3),
        (Held::Sphere, 3),
        (Held::Elr, 10),
    ] {
        let setting = small(held, dims);
        let places = setting.run(2, || ()).unwrap();
        assert_eq!(places.len(), 25);
        let grid = Grid::new(&setting, &places);
        let mut all = vec![];
        for score in grid.scores() {
            assert!(
                rms(&score.corrected) < 1.5,
                "{held:?} {dims}: {} {:?}",
                score.name,
                score.corrected
            );
            all.extend(score.corrected);
        }
        let (_, worst) = largest(&all).unwrap();
        assert!(
            by_chance(worst, all.len()) > 1e-3,
            "{held:?} {dims}: {worst}"
        );
        for slope in grid.maxwell() {
            let z = slope.measured.z_score(slope.corrected).unwrap();
            assert!(z.abs() < 4.0, "{held:?} {dims}: {slope:?}");
            // An error bar that could not tell 1 from 0 would be no test.
            assert!(
                slope.measured.std_error < 0.1 * (dims as f64 - 1.0),
                "{slope:?}"
            );
        }
        let minima = grid.minima();
        assert!(
            minima.near * 10 >= minima.places * 9,
            "{held:?} {dims}: {minima:?}"
        );
    }
}

/// Where the step is large and the error bars small, the theory of small steps is rejected.
#[test]
fn the_correction_for_the_step_is_needed() {
    let setting = small(Held::Sphere, 3);
    let places = setting.run(2, || ()).unwrap();
    let grid = Grid::new(&setting, &places);
    let pressure = grid
        .scores()
        .into_iter()
        .find(|score| score.name == "p")
        .unwrap();
    assert!(
        rms(&pressure.continuum) > 2.0 * rms(&pressure.corrected),
        "{pressure:?}"
    );
}

fn digits_network(held: network::Held, rate: f64, other: f64, run: u64) -> network::Setting {
    network::Setting {
        held,
        rate,
        other,
        hidden: 3,
        batch: 8,
        snapshots: 80,
        seed: 2,
        run,
    }
}

/// The same network at the same ηλ: only the scale of the weights differs, r⁴ as η/λ, and with it
/// S by (d − K) ln r. This is Maxwell's relation at a fixed learning rate.
#[test]
fn the_entropy_of_a_network_knows_its_radius() {
    let digits = common::data::Digits::load(0).unwrap();
    let run = |held, rate, other, seed| {
        network::run(&digits_network(held, rate, other, seed), &digits).unwrap()
    };
    let (wide, narrow) = (
        run(network::Held::Lr, 0.4, 0.01, 1),
        run(network::Held::Lr, 0.1, 0.04, 2),
    );
    let error = wide.entropy.std_error.hypot(narrow.entropy.std_error);
    let theory = 0.25 * wide.freedom * 16_f64.ln();
    let found = wide.entropy.value - narrow.entropy.value;
    assert!(
        (found - theory).abs() < 4.0 * error,
        "{found} ± {error}, {theory}"
    );
    assert!(error < 0.1 * theory, "no test: {error}");
    for seen in [&wide, &narrow] {
        let z_d = seen.z_d.ready().unwrap();
        assert!(z_d.z_score(1.0).unwrap().abs() < 4.0, "{z_d}");
        let z = seen.z.ready().unwrap();
        assert!(z.value > 1.0 - 4.0 * z.std_error && z.value < 1.5, "{z}");
    }
    // On a sphere the pressure is RT/V times what the mean gradient adds.
    let held = run(network::Held::Sphere, 0.02, 1.0, 3);
    let z = held.z.ready().unwrap();
    assert!(z.value > 1.0 - 4.0 * z.std_error && z.value < 1.5, "{z}");
    // Under decay the same effective rate has the same temperature.
    let free = run(network::Held::Elr, 0.02, 0.02, 4);
    let error = held.temperature.std_error.hypot(free.temperature.std_error);
    let off = (held.temperature.value - free.temperature.value).abs();
    assert!(
        off < 4.0 * error + 0.02 * free.temperature.value,
        "{off} ± {error}"
    );
}

/// A network too small for the data: U and S grow with the rate, and so does dU/dS.
#[test]
fn the_temperature_of_a_family_grows_with_the_rate() {
    let digits = common::data::Digits::load(0).unwrap();
    let setting = family::Setting {
        hidden: 3,
        batch: 8,
        snapshots: 100,
        seed: 2,
        run: 5,
    };
    let rates = [0.4, 0.1, 0.025];
    let seen = family::cool(&setting, &rates, &digits, || ()).unwrap();
    let members: Vec<FamilyMember> = seen
        .iter()
        .map(|seen| FamilyMember {
            energy: seen.energy,
            entropy: seen.entropy,
        })
        .collect();
    let temperatures = family_temperatures(&members).unwrap();
    let slopes: Vec<Estimate> = temperatures
        .iter()
        .map(|t| *t.slope.ready().unwrap())
        .collect();
    for pair in slopes.windows(2) {
        let error = pair[0].std_error.hypot(pair[1].std_error);
        assert!(pair[0].value > pair[1].value + error, "{slopes:?}");
    }
    let middle = &temperatures[1];
    let (low, high) = (
        middle.at_least.ready().unwrap(),
        middle.at_most.ready().unwrap(),
    );
    assert!(low.value <= slopes[1].value && slopes[1].value <= high.value);
    // The noise knows nothing of entropy, and is of the same size.
    let ratio = slopes[1].value / seen[1].temperature.value;
    assert!((0.5..3.0).contains(&ratio), "{ratio}");
}
