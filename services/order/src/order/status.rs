//! Where an order may go from where it stands: the one table, and nothing else decides it.

use contracts::order::OrderStatus::{self, *};

/// Every transition there is. What is not here is refused.
///
/// Two entries go beyond the table that most shops draw: a pending order may expire, because a provider
/// that never answers must not hold stock for ever, and its buyer may call it off while waiting; payment
/// voids an authorization that comes late.
const TRANSITIONS: &[(OrderStatus, &[OrderStatus])] = &[
    (Pending, &[AwaitingPayment, Confirmed, OnHold, Rejected, Expired, Cancelled]),
    (AwaitingPayment, &[Confirmed, Expired, Cancelled]),
    (OnHold, &[Confirmed, Cancelled]),
    (Confirmed, &[Processing, Cancelled]),
    (Processing, &[Completed, Cancelled]),
    (Completed, &[Closed]),
    (Rejected, &[]),
    (Expired, &[]),
    (Cancelled, &[]),
    (Closed, &[]),
];

/// A transition that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} cannot become {}", name(*.from), name(*.to))]
pub(crate) struct Refused {
    pub(crate) from: OrderStatus,
    pub(crate) to: OrderStatus,
}

/// `to`, if an order that is `from` may become it.
pub(crate) fn step(from: OrderStatus, to: OrderStatus) -> Result<OrderStatus, Refused> {
    if next(from).contains(&to) { Ok(to) } else { Err(Refused { from, to }) }
}

/// True if the order never came about or was undone, so that no money may be kept for it.
pub(crate) fn is_undone(status: OrderStatus) -> bool {
    matches!(status, Rejected | Expired | Cancelled)
}

/// True while the deadline for paying counts.
pub(crate) fn awaits_payment(status: OrderStatus) -> bool {
    matches!(status, Pending | AwaitingPayment)
}

/// The wire form.
pub(crate) fn name(status: OrderStatus) -> &'static str {
    match status {
        Pending => "pending",
        AwaitingPayment => "awaiting_payment",
        OnHold => "on_hold",
        Confirmed => "confirmed",
        Processing => "processing",
        Completed => "completed",
        Rejected => "rejected",
        Expired => "expired",
        Cancelled => "cancelled",
        Closed => "closed",
    }
}

fn next(from: OrderStatus) -> &'static [OrderStatus] {
    TRANSITIONS.iter().find(|(status, _)| *status == from).map_or(&[], |(_, next)| next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_final(status: OrderStatus) -> bool {
        next(status).is_empty()
    }

    const ALL: [OrderStatus; 10] =
        [Pending, AwaitingPayment, OnHold, Confirmed, Processing, Completed, Rejected, Expired, Cancelled, Closed];

    #[test]
    fn every_status_has_exactly_one_row() {
        for status in ALL {
            assert_eq!(TRANSITIONS.iter().filter(|(from, _)| *from == status).count(), 1, "{status:?}");
        }
        assert_eq!(TRANSITIONS.len(), ALL.len());
    }

    #[test]
    fn allows_what_the_table_says_and_refuses_the_rest() {
        for from in ALL {
            for to in ALL {
                let allowed = next(from).contains(&to);
                assert_eq!(step(from, to).is_ok(), allowed, "{from:?} to {to:?}");
                if !allowed {
                    assert_eq!(step(from, to), Err(Refused { from, to }));
                }
            }
        }
    }

    #[test]
    fn every_order_can_end_and_what_has_ended_stays() {
        for status in ALL {
            let mut reached = vec![status];
            let mut index = 0;
            while let Some(from) = reached.get(index).copied() {
                index += 1;
                reached.extend(next(from).iter().filter(|to| !reached.contains(to)).copied().collect::<Vec<_>>());
            }
            assert!(reached.into_iter().any(is_final), "{status:?} never ends");
        }
        assert!([Rejected, Expired, Cancelled, Closed].into_iter().all(is_final));
        assert!(ALL.into_iter().filter(|status| is_undone(*status)).all(is_final));
    }

    #[test]
    fn names_are_the_wire_form() {
        for status in ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), name(status));
        }
    }
}
