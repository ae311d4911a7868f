//! Laws of the module `equilibrium`.

mod calibration;
mod degenerate;
mod golden;
mod series;
#[path = "../../examples/common/simulation.rs"]
mod simulation;
mod thermal;
mod verdict;
