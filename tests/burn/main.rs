//! The burn adapter against burn's own CPU backend.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::format_push_string,
    reason = "a test says what it expects by failing"
)]

// What burn's derive macros expect in scope.
extern crate burn022 as burn;

mod common;
#[path = "../routes/mod.rs"]
mod routes;
mod snapshot;
mod training;
