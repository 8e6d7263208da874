//! Goods that come back: asked for, granted, received in one or several parts, paid back.

use contracts::order::{LineId, LineQuantity, OrderStatus, RefundId, ReturnId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::ReturnStatus::{Approved, Cancelled, Closed, InTransit, PartiallyReceived, Received, Rejected, Requested};
use super::{
    FoldError, Order,
    fact::{
        Fact,
        goods::{ReturnMoved, ReturnReceived, ReturnRequested},
    },
    give_back::GiveBackRefused,
    refund::RefundStatus,
    units::{UnitsRefused, count, merge},
};

/// Where a return stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReturnStatus {
    /// Asked for.
    Requested,
    /// The shop takes the goods back.
    Approved,
    /// The shop does not.
    Rejected,
    /// Called off.
    Cancelled,
    /// The goods are on their way.
    InTransit,
    /// Some of them arrived.
    PartiallyReceived,
    /// All of them arrived.
    Received,
    /// The money went back, or nothing was due.
    Closed,
}

/// Every step there is; what is not here is refused. Goods may arrive before anybody says that they are on
/// their way, and what is lost on its way back is called off or, after a part of it arrived, closed.
const STEPS: &[(ReturnStatus, &[ReturnStatus])] = &[
    (Requested, &[Approved, Rejected, Cancelled]),
    (Approved, &[InTransit, PartiallyReceived, Received, Cancelled]),
    (InTransit, &[PartiallyReceived, Received, Cancelled]),
    (PartiallyReceived, &[PartiallyReceived, Received, Closed]),
    (Received, &[Closed]),
    (Rejected, &[]),
    (Cancelled, &[]),
    (Closed, &[]),
];

/// A step that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a return that is {} cannot become {}", .from.name(), .to.name())]
pub(crate) struct StepRefused {
    pub(crate) from: ReturnStatus,
    pub(crate) to: ReturnStatus,
}

impl ReturnStatus {
    /// `to`, if a return that is `self` may become it.
    pub(crate) fn step(self, to: Self) -> Result<Self, StepRefused> {
        if self.next().contains(&to) { Ok(to) } else { Err(StepRefused { from: self, to }) }
    }

    fn next(self) -> &'static [Self] {
        STEPS.iter().find(|(from, _)| *from == self).map_or(&[], |(_, next)| next)
    }

    /// True while goods may still come.
    pub(crate) fn is_under_way(self) -> bool {
        matches!(self, Requested | Approved | InTransit | PartiallyReceived)
    }

    /// The wire form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Requested => "requested",
            Approved => "approved",
            Rejected => "rejected",
            Cancelled => "cancelled",
            InTransit => "in_transit",
            PartiallyReceived => "partially_received",
            Received => "received",
            Closed => "closed",
        }
    }
}

/// Goods that come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Return {
    pub(crate) id: ReturnId,
    pub(crate) status: ReturnStatus,
    /// The buyer's reason.
    pub(crate) reason: String,
    /// Why it was rejected or called off.
    pub(crate) status_reason: Option<String>,
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) receipts: Vec<Arrival>,
    pub(crate) requested_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What arrived of a return at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) restock: Vec<LineQuantity>,
    pub(crate) include_shipping: bool,
    pub(crate) refund: Option<RefundId>,
    pub(crate) at: Timestamp,
}

impl Return {
    /// How many units of a line arrived.
    pub(crate) fn received(&self, line: LineId) -> i64 {
        self.receipts.iter().map(|arrival| count(&arrival.lines, line)).sum()
    }
}

/// A return that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct NewReturn {
    pub(crate) id: ReturnId,
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) reason: String,
}

/// Units that arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceivedUnits {
    pub(crate) line_id: LineId,
    pub(crate) quantity: i64,
    /// True if they go back on the shelf.
    pub(crate) restock: bool,
}

/// What arrived, and what follows for the money.
#[derive(Debug, Clone)]
pub(crate) struct NewArrival {
    pub(crate) return_id: ReturnId,
    pub(crate) refund_id: RefundId,
    pub(crate) lines: Vec<ReceivedUnits>,
    /// True if the share of the delivery goes back, too.
    pub(crate) include_shipping: bool,
}

/// Why goods do not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReturnRefused {
    #[error("the order is {}", super::status::name(*.0))]
    Status(OrderStatus),
    #[error("goods could be returned until {0}")]
    WindowOver(Timestamp),
    #[error(transparent)]
    Units(#[from] UnitsRefused),
    #[error("no such return")]
    NoSuchReturn,
    #[error(transparent)]
    Step(#[from] StepRefused),
    #[error("refunds of the return are on their way")]
    RefundPending,
    #[error(transparent)]
    GiveBack(#[from] GiveBackRefused),
}

impl Order {
    /// When the order may be closed: the last of its goods can no longer be sent back. `None` while it is not
    /// complete, or a parcel has yet to leave, or a return is not at its end.
    pub(crate) fn return_window_ends(&self) -> Option<Timestamp> {
        let ended = |returning: &Return| matches!(returning.status, Rejected | Cancelled | Closed);
        let open = self.fulfilments.iter().any(|parcel| parcel.status.is_open()) || !self.returns.iter().all(ended);
        (self.status == OrderStatus::Completed && !open).then(|| self.last_return()).flatten()
    }

    /// Until when anything may be sent back.
    fn last_return(&self) -> Option<Timestamp> {
        self.fulfilments.iter().filter_map(|parcel| parcel.return_until).max()
    }

    /// Decides on a wish to send goods back at `now`. The time for it counts from when the order is complete.
    pub(crate) fn request_return(&self, new: &NewReturn, now: Timestamp) -> Result<Vec<Fact>, ReturnRefused> {
        match self.status {
            OrderStatus::Processing => {}
            OrderStatus::Completed => match self.last_return() {
                Some(until) if until < now => return Err(ReturnRefused::WindowOver(until)),
                _ => {}
            },
            status => return Err(ReturnRefused::Status(status)),
        }
        let lines = self.take_units(&new.lines, |line| self.units(line).returnable())?;
        let requested = ReturnRequested { return_id: new.id, reason: new.reason.clone(), lines };
        Ok(vec![Fact::ReturnRequested(requested)])
    }

    /// Decides on a step of a return that a person takes; empty if it is there already. A return is closed by
    /// hand when its refund failed or the rest of it will not come.
    pub(crate) fn move_return(
        &self,
        id: ReturnId,
        to: ReturnStatus,
        reason: Option<String>,
    ) -> Result<Vec<Fact>, ReturnRefused> {
        let returning = self.find_return(id)?;
        if returning.status == to {
            return Ok(Vec::new());
        }
        returning.status.step(to)?;
        let pending = |arrival: &Arrival| self.refund_stands(arrival.refund, RefundStatus::Requested);
        if to == Closed && returning.receipts.iter().any(pending) {
            return Err(ReturnRefused::RefundPending);
        }
        Ok(vec![Fact::ReturnMoved(ReturnMoved { return_id: id, to, reason })])
    }

    /// Decides what follows from goods of a return having arrived: their money goes back.
    pub(crate) fn receive_return(&self, new: &NewArrival) -> Result<Vec<Fact>, ReturnRefused> {
        let returning = self.find_return(new.return_id)?;
        let units = |part: &ReceivedUnits| LineQuantity { line_id: part.line_id, quantity: part.quantity };
        let wanted: Vec<LineQuantity> = new.lines.iter().map(units).collect();
        returning.status.step(PartiallyReceived)?;
        let awaited = |id| count(&returning.lines, id) - returning.received(id);
        let lines = self.take_units(&wanted, |line| awaited(line.id))?;
        let whole = returning.lines.iter().all(|part| awaited(part.line_id) == count(&lines, part.line_id));
        let to = if whole { Received } else { PartiallyReceived };
        let good: Vec<LineQuantity> = new.lines.iter().filter(|part| part.restock).map(units).collect();
        let given = self.give_back(new.refund_id, &returning.reason, &lines, new.include_shipping)?;
        let nothing_due = given.refund.is_none();
        let restock = self.shelve(&lines, &merge(&good));
        let fact = Fact::ReturnReceived(ReturnReceived {
            return_id: new.return_id,
            to,
            lines,
            restock,
            include_shipping: new.include_shipping,
            refund: given.refund.as_ref().map(|_| new.refund_id),
            waived: given.waived,
        });
        let mut facts: Vec<Fact> = [fact].into_iter().chain(given.refund).collect();
        if whole && nothing_due && returning.receipts.iter().all(|arrival| self.is_paid_back(arrival)) {
            facts.push(closed(new.return_id));
        }
        Ok(facts)
    }

    /// Returns that are settled once `refund` has succeeded.
    pub(super) fn close_returns(&self, refund: RefundId) -> Vec<Fact> {
        let settled = |returning: &&Return| {
            returning.status == Received
                && returning.receipts.iter().any(|arrival| arrival.refund == Some(refund))
                && returning.receipts.iter().all(|arrival| arrival.refund == Some(refund) || self.is_paid_back(arrival))
        };
        self.returns.iter().filter(settled).map(|returning| closed(returning.id)).collect()
    }

    fn is_paid_back(&self, arrival: &Arrival) -> bool {
        arrival.refund.is_none() || self.refund_stands(arrival.refund, RefundStatus::Succeeded)
    }

    fn refund_stands(&self, id: Option<RefundId>, status: RefundStatus) -> bool {
        self.refunds.iter().any(|refund| Some(refund.id) == id && refund.status == status)
    }

    pub(super) fn find_return(&self, id: ReturnId) -> Result<&Return, ReturnRefused> {
        self.returns.iter().find(|returning| returning.id == id).ok_or(ReturnRefused::NoSuchReturn)
    }

    pub(super) fn return_requested(&mut self, fact: ReturnRequested, at: Timestamp) {
        self.returns.push(Return {
            id: fact.return_id,
            status: Requested,
            reason: fact.reason,
            status_reason: None,
            lines: fact.lines,
            receipts: Vec::new(),
            requested_at: at,
            updated_at: at,
        });
    }

    pub(super) fn return_moved(&mut self, fact: ReturnMoved, at: Timestamp, seq: u64) -> Result<(), FoldError> {
        let returning = self.step_return(fact.return_id, fact.to, at, seq)?;
        returning.status_reason = fact.reason;
        Ok(())
    }

    pub(super) fn return_received(&mut self, fact: ReturnReceived, at: Timestamp, seq: u64) -> Result<(), FoldError> {
        let returning = self.step_return(fact.return_id, fact.to, at, seq)?;
        returning.receipts.push(Arrival {
            lines: fact.lines,
            restock: fact.restock,
            include_shipping: fact.include_shipping,
            refund: fact.refund,
            at,
        });
        self.waived.push(fact.waived);
        Ok(())
    }

    fn step_return(
        &mut self,
        id: ReturnId,
        to: ReturnStatus,
        at: Timestamp,
        seq: u64,
    ) -> Result<&mut Return, FoldError> {
        let contradicts = |detail| FoldError::Contradicts { seq, detail };
        let returning = self.returns.iter_mut().find(|returning| returning.id == id);
        let returning = returning.ok_or_else(|| contradicts(format!("there is no return {id}")))?;
        returning.status = returning.status.step(to).map_err(|refused| contradicts(refused.to_string()))?;
        returning.updated_at = at;
        Ok(returning)
    }
}

fn closed(return_id: ReturnId) -> Fact {
    Fact::ReturnMoved(ReturnMoved { return_id, to: Closed, reason: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ReturnStatus; 8] =
        [Requested, Approved, Rejected, Cancelled, InTransit, PartiallyReceived, Received, Closed];

    #[test]
    fn every_status_has_one_row_and_a_name_that_is_the_wire_form() {
        assert_eq!(STEPS.len(), ALL.len());
        for status in ALL {
            assert_eq!(STEPS.iter().filter(|(from, _)| *from == status).count(), 1, "{status:?}");
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }

    #[test]
    fn nothing_is_received_that_was_not_approved_or_has_ended() {
        for from in ALL {
            let receives = matches!(from, Approved | InTransit | PartiallyReceived);
            assert_eq!(from.step(PartiallyReceived).is_ok(), receives, "{from:?}");
            assert_eq!(from.step(Received).is_ok(), receives, "{from:?}");
            assert_eq!(from.next().is_empty(), matches!(from, Rejected | Cancelled | Closed), "{from:?}");
        }
        assert_eq!(Received.step(Cancelled), Err(StepRefused { from: Received, to: Cancelled }));
    }
}
