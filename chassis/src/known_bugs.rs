//! Bugs that were made on purpose, so that a test can require that the simulator finds them. They exist only with
//! the feature `known-bugs`, and even then only in a thread that asks for one.

use std::cell::Cell;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownBug {
    /// Stock is read in one transaction and promised in another.
    CheckThenActStock,
    /// What happened to an order is told before it is certain that it happens.
    PublishBeforeCommit,
    /// More is refunded than is left.
    RefundWithoutGuard,
    /// An event that comes twice counts twice.
    MissingInbox,
}

impl KnownBug {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::CheckThenActStock, Self::PublishBeforeCommit, Self::RefundWithoutGuard, Self::MissingInbox];
}

thread_local! {
    static PRESENT: Cell<Option<KnownBug>> = const { Cell::new(None) };
}

/// Brings a bug into this thread, or takes it out again.
pub fn set(bug: Option<KnownBug>) {
    PRESENT.set(bug);
}

/// True if this thread has `bug`.
pub fn has(bug: KnownBug) -> bool {
    PRESENT.get() == Some(bug)
}
