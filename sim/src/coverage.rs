//! What was reached at least sometimes. What never happens in many runs was never tested.

use std::{collections::BTreeMap, fmt::Write as _, sync::Mutex};

use crate::{fault::Fault, world::lock};

/// States and refusals that every batch of many seeds has to reach, besides all faults. What is reached about five
/// times in 200 seeds, such as an order cancelled because its hold had lapsed, is counted and not required.
pub const EXPECTED: &[&str] = &[
    "order: pending",
    "order: confirmed",
    "order: rejected",
    "order: expired",
    "order: cancelled",
    "order payment: not_paid",
    "order payment: authorized",
    "order payment: paid",
    "order payment: partially_refunded",
    "order payment: refunded",
    "order payment: voided",
    "refund: requested",
    "refund: succeeded",
    "payment: requires_confirmation",
    "payment: processing",
    "payment: unknown",
    "payment: requires_capture",
    "payment: succeeded",
    "payment: canceled",
    "payment: declined",
    "refused: insufficient_stock",
    "refused: cart_already_ordered",
    "refused: cart_incomplete",
    "refused: total_changed",
    "refused: idempotency_key_in_flight",
    "refused: idempotency_key_reused",
    "refused: order_not_cancellable",
    "refused: order_not_refundable",
    "refused: nothing_to_refund",
    "refused: refund_exceeds_payment",
    "refused: too_many_units",
    "refused: not_found",
    "refused: unavailable",
    "refused: timeout",
    "an answer was replayed",
    "an unknown outcome was settled by repeating",
    "an outcome stayed unknown",
    "restarted",
];

/// How often something was reached.
#[derive(Default)]
pub struct Coverage(Mutex<BTreeMap<String, u64>>);

/// Counts of a whole batch.
pub type Counts = BTreeMap<String, u64>;

impl Coverage {
    /// Counts `what`.
    pub fn reached(&self, what: &str) {
        let mut counts = lock(&self.0);
        match counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(counts.insert(what.to_owned(), 1)),
        }
    }

    /// All counts.
    pub fn counts(&self) -> Counts {
        lock(&self.0).clone()
    }
}

/// Adds `more` to `counts`.
pub fn add(counts: &mut Counts, more: &Counts) {
    for (what, count) in more {
        *counts.entry(what.clone()).or_default() += count;
    }
}

/// What should have been reached and was not.
pub fn never_reached(counts: &Counts) -> Vec<&'static str> {
    let expected = EXPECTED.iter().copied().chain(Fault::ALL.iter().map(|fault| fault.name()));
    expected.filter(|what| !counts.contains_key(*what)).collect()
}

/// The counts as a table.
pub fn table(counts: &Counts) -> String {
    let mut text = String::new();
    let mut all = counts.clone();
    for what in never_reached(counts) {
        all.insert(what.to_owned(), 0);
    }
    for (what, count) in &all {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{count:>10}  {what}{}", if *count == 0 { "   <- never" } else { "" });
    }
    text
}
