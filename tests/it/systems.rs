//! Laws of the module `systems`.
