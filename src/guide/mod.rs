//! The guide: pages to read, and no code to call.
//!
//! Each page answers one question, with pictures made by the crate's own examples and the commands
//! that made them. The reference is elsewhere: the quantities in the [crate's own page](crate), and
//! formulas in the modules that hold them.

pub mod speed;
