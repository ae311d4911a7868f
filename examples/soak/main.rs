//! Does an observer stay small, exact and calibrated when nobody ever looks after it?
//!
//! ```text
//! cargo run --release --features simd,rayon --example soak -- --json soak.json
//! cargo run --release --features simd,rayon --example soak -- --quick
//! ```
//!
//! Two models with known temperatures: a small one for ten million steps, and one of ten million
//! parameters for ten thousand, each of them looked at ([`Config::every_step`](thermograd::Config)). The small run
//! is followed by two observers, in windows and in one that grows to the end. Memory is the process's
//! resident set (Linux), allocations are those within [`Observer::observe`](thermograd::Observer),
//! and sums are compared with sums in twice the precision.
#![expect(
    clippy::print_stdout,
    reason = "a program that answers on its terminal"
)]

mod exact;
mod large;
mod small;
mod watch;

use std::alloc::System;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use watch::Finding;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Runs two models for long and compares memory, precision and calibration with what they must be.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write every figure as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A hundredth of the steps, and a tenth of the parameters: seconds.
    #[arg(long)]
    quick: bool,
    /// Steps of the small model.
    #[arg(long, default_value_t = 10_000_000)]
    small_steps: u64,
    /// Steps of the large model.
    #[arg(long, default_value_t = 10_000)]
    large_steps: u64,
    /// Parameters of the large model.
    #[arg(long, default_value_t = 10_000_000)]
    parameters: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments::parse();
    if arguments.quick {
        arguments.small_steps /= 100;
        arguments.large_steps /= 100;
        arguments.parameters /= 10;
    }
    let mut findings = Vec::new();
    let begin = Instant::now();
    small::soak(arguments.small_steps, &mut findings)?;
    println!("small model: {:.0} s", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    large::soak(arguments.large_steps, arguments.parameters, &mut findings)?;
    println!("large model: {:.0} s\n", begin.elapsed().as_secs_f64());
    for finding in &findings {
        println!("{finding}");
    }
    if let Some(file) = &arguments.json {
        let rows: Vec<_> = findings.iter().map(Finding::json).collect();
        let all = json!({
            "small_steps": arguments.small_steps,
            "large_steps": arguments.large_steps,
            "parameters": arguments.parameters,
            "findings": rows,
        });
        fs::write(file, serde_json::to_string_pretty(&all)?)?;
    }
    let missed = findings.iter().filter(|finding| !finding.met()).count();
    if missed > 0 {
        return Err(format!(
            "{missed} of {} figures are not what they must be",
            findings.len()
        )
        .into());
    }
    Ok(())
}
