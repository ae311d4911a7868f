//! Laws of the module `equilibrium`.

mod calibration;
mod degenerate;
mod golden;
mod series;
mod simulation;
mod thermal;
mod verdict;
