//! How spread the weights are in their stationary state.
