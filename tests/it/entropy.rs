//! Laws of the module `entropy`.
