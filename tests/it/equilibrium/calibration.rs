//! At a nominal 5% every test rejects in 3 to 8% of stationary series, or declines to answer.
//!
//! The rate is that among the answers, judged where at least half of the seeds had one: fewer are
//! a selection of series that happen to look less correlated than they are.

use super::simulation::{
    CASES, Case, Fault, SERIES_TESTS, SYSTEM_TESTS, series_rates, system_rates, verdict_rates,
};

const SEEDS: u32 = 1500;

#[test]
#[ignore = "calibration: minutes of simulation"]
fn tests_of_one_series_reject_as_often_as_they_say() {
    for (rho, n) in CASES {
        let case = Case {
            rho,
            n,
            seeds: SEEDS,
        };
        for (rate, name) in series_rates(case, 0.0).into_iter().zip(SERIES_TESTS) {
            if let Some(r) = rate.rate() {
                assert!((0.03..=0.08).contains(&r), "{name} at {case:?}: {rate}");
            }
        }
    }
}

#[test]
#[ignore = "calibration: minutes of simulation"]
fn tests_of_a_system_reject_as_often_as_they_say() {
    for (rho, n) in CASES {
        let case = Case {
            rho,
            n,
            seeds: SEEDS,
        };
        for (rate, name) in system_rates(case).into_iter().zip(SYSTEM_TESTS) {
            if let Some(r) = rate.rate() {
                assert!((0.03..=0.08).contains(&r), "{name} at {case:?}: {rate}");
            }
        }
    }
}

#[test]
#[ignore = "calibration: minutes of simulation"]
fn the_verdict_hardly_ever_cries_wolf() {
    let sound = Fault {
        rise: 0.0,
        ratio: 1.0,
    };
    for (rho, n) in CASES {
        let case = Case {
            rho,
            n,
            seeds: SEEDS,
        };
        let [alarm, ..] = verdict_rates(case, sound);
        // Of all seeds: a refusal is no alarm.
        let rate = f64::from(alarm.rejected) / f64::from(alarm.seeds);
        assert!(rate <= 0.05, "{case:?}: {rate}");
    }
}
