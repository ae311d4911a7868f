//! Training as a heat engine: work, heat, their diagrams, and loops in them.
//!
//! - [`ledger`]: the first law, step by step, from losses that a loop has or can evaluate;
//! - [`diagram`]: paths in the (V, p) and (S, T) planes, what a loop yields, and how efficiently;
//! - [`state`](mod@state): the equation of state fitted to stationary points, for the isotherms, isobars and
//!   adiabats underneath.
//!
//! Work is what changes the energy at fixed weights: another batch, another decay. Heat is what
//! changes it by moving the weights. Both are positive when they raise the energy of the network.

pub mod diagram;
pub mod ledger;
pub mod state;
mod tally;

pub use diagram::{Basis, Loop, Path, StatePoint};
pub use ledger::{Account, Balance, BathState, Exchange, Ledger, excess_heat, housekeeping_heat};
pub use state::EquationOfState;
