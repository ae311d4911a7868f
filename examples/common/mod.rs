//! What the examples share: real data, a small network in plain Rust, its training, and plots.
//!
//! Nothing here knows of the instruments; it is the user's side of the door.
#![allow(dead_code, reason = "each example uses its part")]

pub(crate) mod data;
pub(crate) mod fit;
pub(crate) mod mnist1d;
pub(crate) mod network;
pub(crate) mod plot;
pub(crate) mod training;
