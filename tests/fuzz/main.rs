//! Whatever comes in: no panic, no overflow, no NaN in an answer, and no trace of an error.
//!
//! A target turns a string of bytes into arguments of public functions and looks at what comes
//! back. The ordinary run gives each of them some inputs from a fixed seed, and all that ever
//! failed, from `corpus/`. The long run goes on for as many as it is told:
//!
//! ```text
//! FUZZ_INPUTS=1000000 FUZZ_SEED=1 cargo test --test fuzz long -- --ignored --nocapture
//! ```
//!
//! The test profile has overflow checks and debug assertions on. `FUZZ_INPUTS` is the number for a
//! target of weight one. A failure prints the bytes that it takes, as short as they were found: a
//! line for the corpus.
//!
//! Nothing here needs a nightly compiler. A coverage-guided fuzzer drives the same targets by
//! handing its bytes to [`Source::new`].
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a test says what it expects by failing, and a long run says how far it went"
)]

mod check;
mod source;

#[cfg(feature = "statistics")]
mod cooling;
#[cfg(feature = "statistics")]
mod correlation;
#[cfg(feature = "statistics")]
mod curvature;
#[cfg(feature = "statistics")]
mod engine;
#[cfg(feature = "statistics")]
mod entropy;
#[cfg(feature = "statistics")]
mod equilibrium;
mod files;
mod formulas;
mod noise;
mod observer;
#[cfg(feature = "statistics")]
mod phases;
mod systems;

use std::cell::RefCell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use source::Source;
use thermograd::systems::Random;

type Target = fn(&mut Source);

/// Bytes of a random input; what a target reads beyond them is zero.
const LEN: usize = 1024;
/// Inputs for a target of weight one in the ordinary run.
const ORDINARY: u64 = 4_000;

thread_local! {
    /// Where the last panic of this thread was, and what it said.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs one input; `Err` tells the panic.
fn attempt(target: Target, bytes: &[u8]) -> Result<usize, String> {
    let mut source = Source::new(bytes);
    match catch_unwind(AssertUnwindSafe(|| target(&mut source))) {
        Ok(()) => Ok(source.used()),
        Err(_) => Err(LAST.take()),
    }
}

/// Panics are kept instead of printed, while a test looks for them.
fn quietly() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current()
                .name()
                .is_some_and(|name| name.contains("targets"))
            {
                let text = info.payload().downcast_ref::<String>().map(String::as_str);
                let said = text.or_else(|| info.payload().downcast_ref::<&str>().copied());
                let said = said.unwrap_or_default();
                let place = info.location().map(ToString::to_string);
                LAST.set(format!("{}: {said}", place.unwrap_or_default()));
            }
            if !LOOKING.get() {
                loud(info);
            }
        }));
    });
}

thread_local! {
    static LOOKING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The same failure with fewer bytes, and zeros for those that do not matter.
fn shortened(target: Target, bytes: &[u8], failure: &str) -> Vec<u8> {
    let place = |said: &str| said.split(": ").next().unwrap_or_default().to_owned();
    let fails =
        |bytes: &[u8]| attempt(target, bytes).is_err_and(|said| place(&said) == place(failure));
    let mut best = bytes.to_vec();
    let start = Instant::now();
    let mut cut = best.len() / 2;
    while cut > 0 && start.elapsed() < Duration::from_secs(10) {
        if fails(&best[..best.len() - cut.min(best.len())]) {
            best.truncate(best.len() - cut);
        } else {
            cut /= 2;
        }
    }
    for i in 0..best.len() {
        if best[i] != 0 && start.elapsed() < Duration::from_secs(10) {
            let byte = std::mem::take(&mut best[i]);
            if !fails(&best) {
                best[i] = byte;
            }
        }
    }
    best
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The inputs in a file of the corpus: a line of hexadecimal digits each, under comments that
/// say what it once broke.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let path = format!(
        "{}/tests/fuzz/corpus/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            (0..line.len() / 2)
                .map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).unwrap())
                .collect()
        })
        .collect()
}

/// Runs the corpus and that many inputs from a seed, and fails with every failure there was.
fn run(name: &str, target: Target, inputs: u64, seed: u64) {
    quietly();
    LOOKING.set(true);
    let mut failures: Vec<(String, Vec<u8>)> = Vec::new();
    let mut note = |said: String, bytes: &[u8]| {
        let place = |said: &str| said.split(": ").next().unwrap_or_default().to_owned();
        if failures.len() < 20 && failures.iter().all(|(old, _)| place(old) != place(&said)) {
            let short = shortened(target, bytes, &said);
            failures.push((said, short));
        }
    };
    for bytes in corpus(name) {
        if let Err(said) = attempt(target, &bytes) {
            note(said, &bytes);
        }
    }
    let mut bytes = [0; LEN];
    let begun = Instant::now();
    let (mut slowest, mut slow_input) = (Duration::ZERO, 0);
    for input in 0..inputs {
        let mut random = Random::new(seed.wrapping_mul(1 << 40).wrapping_add(input));
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&random.bits().to_le_bytes());
        }
        let start = Instant::now();
        if let Err(said) = attempt(target, &bytes) {
            note(said, &bytes);
        }
        if start.elapsed() > slowest {
            (slowest, slow_input) = (start.elapsed(), input);
        }
    }
    LOOKING.set(false);
    println!(
        "{name}: {inputs} inputs of seed {seed} in {:.1} s, the slowest {:.0} ms (number {slow_input})",
        begun.elapsed().as_secs_f64(),
        slowest.as_secs_f64() * 1e3,
    );
    let told: Vec<String> = failures
        .iter()
        .map(|(said, bytes)| format!("# {said}\n{}", hex(bytes)))
        .collect();
    assert!(
        told.is_empty(),
        "{name}: {} failures\n{}",
        told.len(),
        told.join("\n")
    );
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Declares each target twice, with the share of inputs that its cost allows.
macro_rules! targets {
    ($($(#[$cfg:meta])? $name:ident = $module:ident::$target:ident / $share:literal;)*) => {
        mod targets {
            use super::{ORDINARY, run};
            $($(#[$cfg])? #[test] fn $name() {
                run(stringify!($name), crate::$module::$target, (ORDINARY / $share).max(20), 0);
            })*
        }

        mod long_targets {
            use super::{run, setting};
            $($(#[$cfg])? #[test] #[ignore = "as long as FUZZ_INPUTS says"] fn $name() {
                let inputs = setting("FUZZ_INPUTS", 100_000) / $share;
                run(stringify!($name), crate::$module::$target, inputs, setting("FUZZ_SEED", 1));
            })*
        }
    };
}

targets! {
    observe = observer::observe / 50;
    sums = formulas::sums / 1;
    ensemble = formulas::ensemble / 2;
    gradient_noise = noise::noise / 1;
    projection = noise::projection / 1;
    invariance = noise::invariance / 10;
    assignment = noise::assignment / 1;
    closed_forms = systems::closed_forms / 1;
    baths = systems::baths / 2;
    #[cfg(feature = "statistics")] snapshot_window = entropy::window / 10;
    #[cfg(feature = "statistics")] distances = entropy::distances / 4;
    #[cfg(feature = "statistics")] entropy_laws = entropy::laws / 1;
    #[cfg(feature = "statistics")] null_clouds = entropy::nulls / 10;
    #[cfg(feature = "statistics")] correlation_times = equilibrium::correlation_times / 10;
    #[cfg(feature = "statistics")] many_series = equilibrium::many / 10;
    #[cfg(feature = "statistics")] stationarity = equilibrium::tests / 5;
    #[cfg(feature = "statistics")] phase_rules = phases::rules / 1;
    #[cfg(feature = "statistics")] segments = phases::segments / 10;
    #[cfg(feature = "statistics")] early_warnings = phases::warnings / 10;
    #[cfg(feature = "statistics")] charts = phases::charts / 5;
    #[cfg(feature = "statistics")] online_bayes = phases::online / 5;
    #[cfg(feature = "statistics")] responses = phases::responses / 1;
    #[cfg(feature = "statistics")] reweighting = phases::reweighting / 5;
    #[cfg(feature = "statistics")] overlaps = phases::overlaps / 2;
    #[cfg(feature = "statistics")] correlations = correlation::correlations / 10;
    #[cfg(feature = "statistics")] cooling_records = cooling::records / 2;
    #[cfg(feature = "statistics")] controllers = cooling::controllers / 1;
    #[cfg(feature = "statistics")] spectra = curvature::spectra / 10;
    #[cfg(feature = "statistics")] flatness = curvature::flatness / 10;
    #[cfg(feature = "statistics")] ledgers = engine::ledgers / 5;
    #[cfg(feature = "statistics")] diagrams = engine::diagrams / 1;
    #[cfg(feature = "safetensors")] checkpoint_files = files::checkpoints / 20;
    #[cfg(any(feature = "ndarray017", feature = "nalgebra035"))] arrays = files::arrays / 1;
    #[cfg(any(feature = "csv", feature = "json"))] sinks = files::sinks / 10;
}
