//! The points that are known to be there. A point that is reached and not named here fails the test, and so does one
//! that is named here and at which no process ever died: it may be gone from the code, or no tale leads there.

use std::collections::BTreeSet;

/// Every point, the common beginning of its names first.
const POINTS: &[(&str, &[&str])] = &[
    // Group commits.
    ("product.commit", &["before", "after"]),
    ("order.commit", &["before", "after"]),
    ("payment.commit", &["before", "after"]),
    ("notification.commit", &["before", "after"]),
    ("bus.commit", &["before", "after"]),
    ("queue.commit", &["before", "after"]),
    // Outboxes: what they say is published; what is published is forgotten.
    ("order.relay", &["before", "after"]),
    ("order.sweep", &["before", "after"]),
    ("payment.relay", &["before", "between", "after"]),
    ("payment.sweep", &["before", "after"]),
    ("notification.relay", &["before", "between", "after"]),
    ("notification.sweep", &["before", "after"]),
    // Events: an effect, and later the offset.
    ("order.consume.payment.events", &["before", "after"]),
    ("payment.consume.order.events", &["before", "after"]),
    ("product-stock.consume.order.events", &["before", "after"]),
    ("notification.consume.order.events", &["before", "after"]),
    ("bus.offsets", &["before", "after"]),
    // Jobs: the work, and later the acknowledgement.
    ("payment.provider-calls.work", &["before", "after"]),
    ("notification.send.work", &["before", "after"]),
    ("queue.journal", &["before", "after"]),
    // What happens to an order that is there is decided and not written yet.
    ("order.advance", &["before"]),
    // Requests.
    ("idempotency", &["begun", "kept"]),
    // The provider, in both directions.
    ("payment.provider.authorize", &["before", "after"]),
    ("payment.provider.capture", &["before", "after"]),
    ("payment.provider.void", &["before", "after"]),
    ("payment.provider.refund", &["before", "after"]),
    ("payment.provider.query", &["before", "after"]),
    ("payment.webhook", &["before", "after"]),
];

fn all() -> BTreeSet<String> {
    POINTS.iter().flat_map(|(name, ends)| ends.iter().map(move |end| format!("{name}.{end}"))).collect()
}

pub fn check_known(reached: &BTreeSet<String>) {
    let known = all();
    let unknown: Vec<_> = reached.difference(&known).collect();
    assert!(unknown.is_empty(), "not in the table of points: {unknown:?}");
}

pub fn check_tried(died: &BTreeSet<&str>) {
    let untried: Vec<_> = all().into_iter().filter(|point| !died.contains(point.as_str())).collect();
    assert!(untried.is_empty(), "nothing died at {untried:?}");
}
