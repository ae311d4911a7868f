//! Which phase the network is in, and when it changes.
