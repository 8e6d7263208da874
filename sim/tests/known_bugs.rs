//! The simulator can fail.
