//! Numbers worked out by hand, closed forms, slow independent computations and the boundaries of
//! every argument: a file for each module. Laws that runs obey are in `it`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test says what it expects by failing, and a computation is told in one place"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts, computed as formulas are written"
)]

mod equilibrium;
mod phase_transition;
mod systems;
