//! Calling an order off, wholly or in part.

use contracts::order::{CancellationId, LineQuantity, OrderStatus, RefundId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Order,
    fact::{Cancelled, Fact, goods::LinesCancelled},
    give_back::GiveBackRefused,
    status::{self, Refused},
    units::{UnitsRefused, count},
};

/// Units that were called off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cancellation {
    pub(crate) id: CancellationId,
    pub(crate) reason: String,
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) restock: Vec<LineQuantity>,
    pub(crate) refund: Option<RefundId>,
    pub(crate) at: Timestamp,
}

/// What is to be called off.
#[derive(Debug, Clone)]
pub(crate) struct NewCancellation {
    pub(crate) id: CancellationId,
    pub(crate) refund_id: RefundId,
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) reason: String,
}

/// Why an order, or units of it, are not called off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CancelRefused {
    #[error(transparent)]
    Status(#[from] Refused),
    #[error("goods of the order have left")]
    Shipped,
    /// Until it is confirmed, an order is called off as a whole.
    #[error("units of an order that is {} cannot be called off", status::name(*.0))]
    NotInPart(OrderStatus),
    #[error(transparent)]
    Units(#[from] UnitsRefused),
    #[error(transparent)]
    GiveBack(#[from] GiveBackRefused),
}

impl Order {
    /// Decides to call the order off; whatever was taken of it goes back. Once something has left it is too
    /// late; parcels that have not left are called off with it.
    pub(crate) fn cancel(&self, reason: String) -> Result<Vec<Fact>, CancelRefused> {
        let restock = matches!(self.status, OrderStatus::Confirmed | OrderStatus::Processing);
        self.end(Cancelled { reason, restock })
    }

    pub(super) fn end(&self, cancelled: Cancelled) -> Result<Vec<Fact>, CancelRefused> {
        if self.has_shipped() {
            return Err(CancelRefused::Shipped);
        }
        status::step(self.status, OrderStatus::Cancelled)?;
        let mut facts = self.cancel_open_fulfilments();
        facts.push(Fact::Cancelled(cancelled));
        Ok(facts)
    }

    /// Decides to call units off that are in no parcel. If nothing else is left, the order is called off.
    pub(crate) fn cancel_lines(&self, new: &NewCancellation) -> Result<Vec<Fact>, CancelRefused> {
        let confirmed = matches!(self.status, OrderStatus::Confirmed | OrderStatus::Processing);
        let left = |line: &contracts::order::OrderLine| {
            if confirmed { self.units(line).cancellable() } else { line.quantity }
        };
        let lines = self.take_units(&new.lines, left)?;
        if self.terms.lines.iter().all(|line| self.units(line).cancelled + count(&lines, line.id) == line.quantity) {
            return self.cancel(new.reason.clone());
        }
        if !confirmed {
            return Err(CancelRefused::NotInPart(self.status));
        }
        let given = self.give_back(new.refund_id, &new.reason, &lines, true)?;
        let restock = self.shelve(&lines, &lines);
        let finishes = self.would_be_finished(|id, units| units.cancelled += count(&lines, id));
        let cancelled = LinesCancelled {
            cancellation_id: new.id,
            reason: new.reason.clone(),
            lines,
            restock,
            refund: given.refund.as_ref().map(|_| new.refund_id),
            waived: given.waived,
        };
        let facts = [Fact::LinesCancelled(cancelled)].into_iter().chain(given.refund);
        Ok(facts.chain(self.completion(finishes)).collect())
    }

    pub(super) fn lines_cancelled(&mut self, fact: LinesCancelled, at: Timestamp) {
        self.waived.push(fact.waived);
        self.cancellations.push(Cancellation {
            id: fact.cancellation_id,
            reason: fact.reason,
            lines: fact.lines,
            restock: fact.restock,
            refund: fact.refund,
            at,
        });
    }
}
