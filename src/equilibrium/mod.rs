//! Whether a run has settled, and if not, how long still.
