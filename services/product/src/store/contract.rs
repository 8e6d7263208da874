//! The suite every adapter must pass.
