//! Which phase the network is in, and when it changes.

pub mod change_point;

mod series;
