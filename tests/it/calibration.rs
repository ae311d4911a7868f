//! Error bars of readings over series whose autocorrelation time is known.

use thermograd::systems::Ar1;
use thermograd::{
    Config, Groups, Moment, Observer, Reading, Step, Symmetry, Window, energy, slices,
};

struct Scores {
    ready: usize,
    squares: f64,
    n_eff: f64,
}

/// Reads the mean (or the square of the mean, a nonlinear formula) of AR(1) losses.
fn scores(rho: f64, steps: usize, seeds: u64, nonlinear: bool) -> Scores {
    let series = Ar1::new(rho).unwrap().with_mean(3.0).unwrap();
    let mut scores = Scores {
        ready: 0,
        squares: 0.0,
        n_eff: 0.0,
    };
    for seed in 0..seeds {
        let mut groups = Groups::new();
        let group = groups.add("one", Symmetry::Generic);
        let config = Config::every_step().window(Window::Growing);
        let mut observer = Observer::with_config(groups, config).unwrap();
        for loss in series.series(seed).take(steps) {
            let snapshot = slices(group, &[1.0_f64], &[0.0_f64]);
            observer.observe(&Step::new(loss), &snapshot).unwrap();
        }
        let (reading, truth) = if nonlinear {
            let square = |e: &thermograd::Ensemble| Some(energy::internal(e)?.powi(2));
            let reading = observer.read_formula(None, &[Moment::Loss], square);
            (reading.unwrap(), 9.0)
        } else {
            (observer.read_model("loss").unwrap(), 3.0)
        };
        if let Reading::Ready(estimate) = reading {
            scores.ready += 1;
            scores.squares += estimate.z_score(truth).unwrap().powi(2);
            scores.n_eff += estimate.n_eff;
        }
    }
    scores
}

fn check(rho: f64, steps: usize, seeds: u64, nonlinear: bool) -> String {
    let found = scores(rho, steps, seeds, nonlinear);
    let n = found.ready as f64;
    if n < seeds as f64 / 10.0 {
        return format!("rho {rho:4}, n {steps:6}: pending ({n} of {seeds} ready)");
    }
    let rms = (found.squares / n).sqrt();
    assert!(
        (0.9..1.1).contains(&rms),
        "rho {rho}, n {steps}, nonlinear {nonlinear}: rms {rms} over {n}"
    );
    let exact = Ar1::new(rho)
        .unwrap()
        .variance_of_mean(steps as u64)
        .unwrap();
    let ratio = found.n_eff / n * exact;
    assert!(
        (0.75..1.35).contains(&ratio),
        "rho {rho}, n {steps}: n_eff over the exact one is {ratio}"
    );
    format!("rho {rho:4}, n {steps:6}: rms {rms:.3}, n_eff ratio {ratio:.2}, ready {n}")
}

#[test]
fn z_scores_have_unit_spread() {
    for (rho, steps) in [(0.0, 1000), (0.5, 2000), (0.9, 5000), (-0.5, 3000)] {
        check(rho, steps, 400, false);
    }
    check(0.5, 4000, 400, true);
}

#[test]
fn too_short_for_its_memory_is_pending() {
    for (rho, steps) in [(0.99, 500), (0.999, 2000), (0.0, 40)] {
        let found = scores(rho, steps, 100, false);
        assert!(
            found.ready <= 3,
            "rho {rho}, n {steps}: ready {}",
            found.ready
        );
    }
}

#[test]
#[ignore = "calibration: a minute of simulation"]
fn z_scores_have_unit_spread_over_many_lengths() {
    let mut table = String::new();
    for rho in [-0.5, 0.0, 0.5, 0.9, 0.99] {
        for steps in [300, 1000, 3000, 10_000] {
            // A reading that is ready for a few lucky seeds only is conditioned on its luck.
            let tau = (1.0_f64 + rho) / (1.0 - rho);
            if (steps as f64) < 40.0 * tau {
                continue;
            }
            table += &check(rho, steps, 400, false);
            table.push('\n');
            table += &check(rho, steps, 400, true);
            table.push('\n');
        }
    }
    println!("{table}");
}
