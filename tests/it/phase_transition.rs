//! Laws of the module `phase_transition`.
