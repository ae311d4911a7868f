//! The guide: pages to read, and no code to call.
//!
//! | page | answers |
//! |---|---|
//! | [`first_steps`] | how do I get a report, and how do I read it? |
//! | [`diagnosis`] | my loss plateaued; which batch size; is it safe to change the rate; `AdamW` and bf16; a billion parameters |
//! | [`metrics`] | what is this reading: symbol, unit, inputs, formula, source, when it lies |
//! | [`loops`] | how do tensors of my library get in? |
//! | [`cooling`] | how should a learning rate be lowered? |
//! | [`flat_minima`] | how flat is the minimum, and does it matter? |
//! | [`speed`] | what does observing cost? |
//! | [`paper`] | is a network really a gas? The published experiments, repeated |
//!
//! Pictures are made by the crate's own examples, and the commands that made them stand beside
//! them. The reference is elsewhere: conventions on the [crate's own page](crate), formulas in the
//! modules that hold them.

#[cfg(feature = "statistics")]
pub mod cooling;
#[cfg(feature = "statistics")]
pub mod diagnosis;
pub mod first_steps;
#[cfg(feature = "statistics")]
pub mod flat_minima;
pub mod loops;
pub mod metrics;
pub mod paper;
pub mod speed;
