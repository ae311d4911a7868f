//! How often do the tests of `equilibrium` cry wolf, and what do they see?
//!
//! Prints the Markdown tables of the module documentation:
//!
//! ```sh
//! cargo run --release --features fft --example calibration -- 2000
//! ```

#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

#[path = "common/simulation.rs"]
mod simulation;

use simulation::{
    CASES, Case, Fault, SERIES_TESTS, SYSTEM_TESTS, series_rates, system_rates, verdict_rates,
};

fn head(first: &[&str], names: &[&str]) {
    let columns: Vec<&str> = first.iter().chain(names).copied().collect();
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

fn row(first: &[String], rates: &[simulation::Rate]) {
    let cells: Vec<String> = rates.iter().map(ToString::to_string).collect();
    println!("| {} | {} |", first.join(" | "), cells.join(" | "));
}

fn main() {
    let seeds = std::env::args()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(2000);
    let names: Vec<&str> = SERIES_TESTS.iter().chain(&SYSTEM_TESTS).copied().collect();

    println!("Rejections at a nominal 5% in equilibrium:\n");
    head(
        &["ρ", "N"],
        &[names.as_slice(), &["verdict: any alarm"]].concat(),
    );
    for (rho, n) in CASES {
        let case = Case { rho, n, seeds };
        let mut rates = series_rates(case, 0.0).to_vec();
        rates.extend(system_rates(case));
        let sound = Fault {
            rise: 0.0,
            ratio: 1.0,
        };
        rates.extend(verdict_rates(case, sound).into_iter().take(1));
        row(&[rho.to_string(), n.to_string()], &rates);
    }

    println!("\nPower: a line that rises by so many sd over the series:\n");
    head(
        &["ρ", "N", "rise/sd"],
        &[&SERIES_TESTS[..4], &["verdict: out of equilibrium"]].concat(),
    );
    for (rho, n) in [(0.0, 1000), (0.9, 5000)] {
        for rise in [0.1, 0.3, 0.5, 1.0, 2.0] {
            let case = Case {
                rho,
                n,
                seeds: seeds / 2,
            };
            let mut rates = series_rates(case, rise)[..4].to_vec();
            rates.push(verdict_rates(case, Fault { rise, ratio: 1.0 })[1]);
            row(&[rho.to_string(), n.to_string(), rise.to_string()], &rates);
        }
    }

    println!("\nPower: one layer of three hotter by a factor:\n");
    head(&["ρ", "N", "ratio"], &["verdict: steady, not thermal"]);
    for (rho, n) in [(0.0, 200), (0.0, 1000), (0.9, 1000), (0.9, 5000)] {
        for ratio in [1.05, 1.2, 1.5, 2.0] {
            let case = Case {
                rho,
                n,
                seeds: seeds / 2,
            };
            let rates = verdict_rates(case, Fault { rise: 0.0, ratio });
            row(
                &[rho.to_string(), n.to_string(), ratio.to_string()],
                &rates[2..],
            );
        }
    }
}
