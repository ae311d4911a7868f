//! The published laws on a reduced grid, measured by the code of the examples.

use super::digits::common;

#[allow(dead_code, reason = "the example reads the rest")]
#[path = "../../examples/isotropic_gas/gas.rs"]
mod gas;
#[allow(dead_code, reason = "the example reads the rest")]
#[path = "../../examples/isotropic_gas/law.rs"]
mod law;

use gas::{Held, Setting};
use law::{Grid, by_chance, largest, rms};

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
