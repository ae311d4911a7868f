//! How often do the tests of `equilibrium` cry wolf, and what do they see?
//!
//! Prints the Markdown tables of the module documentation:
//!
//! ```sh
//! cargo run --release --features fft --example calibration -- 2000
//! ```

#![expect(clippy::print_stdout, reason = "printing is what this example is for")]
#![expect(clippy::unwrap_used, reason = "simulated series are valid input")]

#[path = "../tests/it/equilibrium/simulation.rs"]
mod simulation;

use simulation::{SERIES_TESTS, series_rates};

fn main() {
    let seeds = std::env::args()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(1000);
    println!("| ρ | N | {} |", SERIES_TESTS.join(" | "));
    println!("|---|---|{}", "---|".repeat(SERIES_TESTS.len()));
    for (rho, lengths) in [
        (0.0, [100, 1000]),
        (0.5, [300, 3000]),
        (0.9, [1000, 10_000]),
        (0.99, [1000, 20_000]),
    ] {
        for n in lengths {
            let rates = series_rates(seeds, rho, n, 0.0).map(|r| r.to_string());
            println!("| {rho} | {n} | {} |", rates.join(" | "));
        }
    }
}
