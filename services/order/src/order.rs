//! The order: the fold of its facts, and what may happen to it next. Pure: no clock, no I/O.

pub(crate) mod announce;
pub(crate) mod fact;
pub(crate) mod number;
pub(crate) mod payment;
pub(crate) mod refund;
pub(crate) mod status;
pub(crate) mod stream;

use std::sync::Arc;

use contracts::order::{OrderId, OrderStatus, PaymentStatus};
use jiff::Timestamp;

use self::{
    fact::{Because, Cancelled, DecodeError, Fact, Terms},
    payment::Payment,
    refund::{Refund, RefundStatus},
    status::Refused,
    stream::{GENESIS, Hash, Origin, StoredFact},
};

/// The reason that customers read when nobody paid in time.
pub(crate) const PAYMENT_TIMED_OUT: &str = "payment_timed_out";
/// The reason that customers read when the provider let go of the money before it was taken.
pub(crate) const AUTHORIZATION_LOST: &str = "authorization_lost";
/// The reason that customers read when the goods were gone after the payment.
pub(crate) const OUT_OF_STOCK: &str = "out_of_stock";

/// An order as its facts made it.
#[derive(Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// How many facts made it.
    pub(crate) version: u64,
    pub(crate) status: OrderStatus,
    /// Why it is on hold, rejected, expired or cancelled.
    pub(crate) status_reason: Option<String>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) placed_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) payment: Payment,
    pub(crate) refunds: Vec<Refund>,
    /// The hash of the last fact.
    pub(crate) head: Hash,
}

/// A stream that is not one of an order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error("the stream is empty")]
    Empty,
    #[error("event {seq} ({kind}) cannot stand there")]
    Misplaced { seq: u64, kind: &'static str },
    #[error("event {seq}: {refused}")]
    Refused { seq: u64, refused: Refused },
    #[error("event {seq}: {source}")]
    Decode { seq: u64, source: DecodeError },
    #[error(transparent)]
    Encode(#[from] serde_json::Error),
}

impl Order {
    /// Makes the order from its stream.
    pub(crate) fn fold(id: OrderId, stream: &[StoredFact]) -> Result<Self, FoldError> {
        let decode = |stored: &StoredFact| {
            Fact::decode(&stored.kind, stored.schema_version, &stored.data)
                .map_err(|source| FoldError::Decode { seq: stored.seq, source })
        };
        let (first, rest) = stream.split_first().ok_or(FoldError::Empty)?;
        let mut order = match decode(first)? {
            Fact::Placed(terms) => Self::placed(id, terms, first.origin.at, first.hash),
            other => return Err(FoldError::Misplaced { seq: first.seq, kind: other.kind() }),
        };
        for stored in rest {
            order.apply(decode(stored)?, stored.origin.at, stored.hash)?;
        }
        Ok(order)
    }

    /// Places a new order: the order and the first fact of its stream.
    pub(crate) fn place(id: OrderId, terms: Terms, origin: Origin) -> Result<(Self, StoredFact), serde_json::Error> {
        let (at, terms) = (origin.at, Arc::new(terms));
        let stored = StoredFact::seal(id, 1, GENESIS, &Fact::Placed(Arc::clone(&terms)), origin)?;
        Ok((Self::placed(id, terms, at, stored.hash), stored))
    }

    fn placed(id: OrderId, terms: Arc<Terms>, at: Timestamp, head: Hash) -> Self {
        Self {
            id,
            version: 1,
            status: OrderStatus::Pending,
            status_reason: None,
            payment: Payment::none(terms.currency),
            terms,
            placed_at: at,
            updated_at: at,
            refunds: Vec::new(),
            head,
        }
    }

    /// Lets `facts` happen; answers them in the form to be stored.
    pub(crate) fn advance(&mut self, facts: Vec<Fact>, origin: &Origin) -> Result<Vec<StoredFact>, FoldError> {
        let mut sealed = Vec::with_capacity(facts.len());
        for fact in facts {
            let stored = StoredFact::seal(self.id, self.version + 1, self.head, &fact, origin.clone())?;
            self.apply(fact, origin.at, stored.hash)?;
            sealed.push(stored);
        }
        Ok(sealed)
    }

    fn apply(&mut self, fact: Fact, at: Timestamp, hash: Hash) -> Result<(), FoldError> {
        let (seq, kind) = (self.version + 1, fact.kind());
        match fact {
            Fact::Placed(_) => return Err(FoldError::Misplaced { seq, kind }),
            Fact::Confirmed(_) => self.become_status(OrderStatus::Confirmed, None, seq)?,
            Fact::PutOnHold(because) => self.become_status(OrderStatus::OnHold, Some(because.reason), seq)?,
            Fact::Rejected(because) => self.become_status(OrderStatus::Rejected, Some(because.reason), seq)?,
            Fact::Expired(because) => self.become_status(OrderStatus::Expired, Some(because.reason), seq)?,
            Fact::Cancelled(cancelled) => {
                self.become_status(OrderStatus::Cancelled, Some(cancelled.reason), seq)?;
            }
            Fact::PaymentAuthorized(fact) => self.payment.authorize(fact),
            Fact::PaymentDeclined(fact) => self.payment.decline(fact),
            Fact::PaymentCaptured(fact) => self.payment.capture(fact),
            Fact::PaymentVoided(fact) => self.payment.void(fact),
            Fact::RefundRequested(wanted) => self.refunds.push(Refund {
                id: wanted.refund_id,
                amount: wanted.amount,
                reason: wanted.reason,
                lines: wanted.lines,
                status: RefundStatus::Requested,
                failure: None,
                requested_at: at,
                settled_at: None,
            }),
            Fact::PaymentRefunded(fact) => {
                self.payment.refunded = fact.refunded_total;
                self.settle(fact.refund_id, fact.amount, RefundStatus::Succeeded, None, at);
            }
            Fact::RefundFailed(fact) => {
                self.settle(fact.refund_id, fact.amount, RefundStatus::Failed, Some(fact.reason), at);
            }
        }
        self.version = seq;
        self.updated_at = at;
        self.head = hash;
        Ok(())
    }

    fn become_status(&mut self, to: OrderStatus, reason: Option<String>, seq: u64) -> Result<(), FoldError> {
        self.status = status::step(self.status, to).map_err(|refused| FoldError::Refused { seq, refused })?;
        self.status_reason = reason;
        Ok(())
    }

    /// When the order lapses, while it still can.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        status::awaits_payment(self.status).then_some(self.terms.pay_by)
    }

    /// What of the money has arrived.
    pub(crate) fn payment_status(&self) -> PaymentStatus {
        self.payment.status(self.terms.totals.total)
    }

    /// Decides to call the order off; whatever was taken of it goes back.
    pub(crate) fn cancel(&self, reason: String) -> Result<Vec<Fact>, Refused> {
        status::step(self.status, OrderStatus::Cancelled)?;
        let restock = matches!(self.status, OrderStatus::Confirmed | OrderStatus::Processing);
        Ok(vec![Fact::Cancelled(Cancelled { reason, restock })])
    }

    /// Decides what follows from the goods being gone although the order was confirmed. An order that has
    /// ended meanwhile needs nothing.
    pub(crate) fn run_out_of_stock(&self) -> Vec<Fact> {
        match status::step(self.status, OrderStatus::Cancelled) {
            Ok(_) => vec![Fact::Cancelled(Cancelled { reason: OUT_OF_STOCK.to_owned(), restock: false })],
            Err(_) => Vec::new(),
        }
    }

    /// Decides what follows from the time being `now`.
    pub(crate) fn expire(&self, now: Timestamp) -> Vec<Fact> {
        match self.deadline() {
            Some(deadline) if deadline <= now => {
                vec![Fact::Expired(Because { reason: PAYMENT_TIMED_OUT.to_owned() })]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
