//! Laws of the module `equilibrium`.
