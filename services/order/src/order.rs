//! The order: the fold of its facts, and what may happen to it next. Pure: no clock, no I/O.

pub(crate) mod announce;
pub(crate) mod cancellation;
pub(crate) mod fact;
pub(crate) mod fulfilment;
pub(crate) mod give_back;
pub(crate) mod number;
pub(crate) mod payment;
pub(crate) mod refund;
pub(crate) mod returns;
pub(crate) mod saga;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod units;

use std::sync::Arc;

use contracts::order::{OrderId, OrderStatus, PaymentStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::{
    cancellation::Cancellation,
    fact::{Cancelled, DecodeError, Fact, MethodRequired, Nothing, Terms, goods::Waived},
    fulfilment::Fulfilment,
    payment::{Payment, Wanted},
    refund::{Refund, RefundStatus},
    returns::Return,
    status::Refused,
    stream::{GENESIS, Hash, Origin, StoredFact},
};

/// The reason that customers read when nobody paid in time.
pub(crate) const PAYMENT_TIMED_OUT: &str = "payment_timed_out";
/// The reason that customers read when the provider let go of the money before it was taken.
pub(crate) const AUTHORIZATION_LOST: &str = "authorization_lost";
/// The reason that customers read when the provider would not hand the money over.
pub(crate) const CAPTURE_FAILED: &str = "capture_failed";
/// The reason that customers read when the goods were gone after the payment.
pub(crate) const OUT_OF_STOCK: &str = "out_of_stock";

/// An order as its facts made it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
    pub(crate) confirmed_at: Option<Timestamp>,
    /// A person let it go on although something was odd about it.
    pub(crate) released: bool,
    pub(crate) payment: Payment,
    /// How often payment was told again that the money is wanted, and when last.
    pub(crate) reminded: Option<(u32, Timestamp)>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) fulfilments: Vec<Fulfilment>,
    pub(crate) cancellations: Vec<Cancellation>,
    pub(crate) returns: Vec<Return>,
    /// Units that were given back and got nothing.
    pub(crate) waived: Vec<Waived>,
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
    #[error("event {seq}: {detail}")]
    Contradicts { seq: u64, detail: String },
    #[error("event {seq}: {source}")]
    Decode { seq: u64, source: DecodeError },
    #[error(transparent)]
    Encode(#[from] serde_json::Error),
}

impl Order {
    /// Makes the order from its stream.
    pub(crate) fn fold(id: OrderId, stream: &[StoredFact]) -> Result<Self, FoldError> {
        let (first, rest) = stream.split_first().ok_or(FoldError::Empty)?;
        let mut order = match decode(first)? {
            Fact::Placed(terms) => Self::placed(id, terms, first.origin.at, first.hash),
            other => return Err(FoldError::Misplaced { seq: first.seq, kind: other.kind() }),
        };
        order.follow(rest)?;
        Ok(order)
    }

    /// Lets happen what the stream says next.
    fn follow(&mut self, stream: &[StoredFact]) -> Result<(), FoldError> {
        stream.iter().try_for_each(|stored| self.apply(decode(stored)?, stored.origin.at, stored.hash))
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
            confirmed_at: None,
            released: false,
            reminded: None,
            refunds: Vec::new(),
            fulfilments: Vec::new(),
            cancellations: Vec::new(),
            returns: Vec::new(),
            waived: Vec::new(),
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
        if let Some((to, reason)) = status_after(&fact) {
            self.status = status::step(self.status, to).map_err(|refused| FoldError::Refused { seq, refused })?;
            self.status_reason = reason;
            if to == OrderStatus::Confirmed {
                self.confirmed_at = Some(at);
            }
        }
        match fact {
            Fact::Placed(_) => return Err(FoldError::Misplaced { seq, kind }),
            Fact::AwaitingPayment(_)
            | Fact::Confirmed(_)
            | Fact::PutOnHold(_)
            | Fact::Rejected(_)
            | Fact::Expired(_)
            | Fact::Cancelled(_)
            | Fact::ProcessingStarted(_)
            | Fact::Completed(_)
            | Fact::Closed(_) => {}
            Fact::Released(_) => self.released = true,
            Fact::PaymentActionRequired(fact) => self.payment.want(fact.payment_id, Wanted::Action(fact.action)),
            Fact::PaymentMethodRequired(MethodRequired { payment_id, reason, attempts_left }) => {
                self.payment.want(payment_id, Wanted::Method { reason, attempts_left });
            }
            Fact::PaymentMethodGiven(fact) => self.payment.try_method(fact),
            Fact::PaymentAuthorized(fact) => self.payment.authorize(fact),
            Fact::PaymentDeclined(fact) => self.payment.decline(fact),
            Fact::PaymentCaptured(fact) => self.payment.capture(fact),
            Fact::PaymentCaptureFailed(fact) => self.payment.capture_failed = Some(fact.reason),
            Fact::PaymentReversed(fact) => self.payment.reverse(fact),
            Fact::PaymentVoided(fact) => self.payment.void(fact),
            Fact::CaptureReminded(fact) => self.reminded = Some((fact.attempt, at)),
            Fact::RefundRequested(wanted) => self.refunds.push(Refund::requested(wanted, at)),
            Fact::PaymentRefunded(fact) => {
                self.payment.refunded = fact.refunded_total;
                self.settle(fact.refund_id, fact.amount, RefundStatus::Succeeded, None, at);
            }
            Fact::RefundFailed(fact) => {
                self.settle(fact.refund_id, fact.amount, RefundStatus::Failed, Some(fact.reason), at);
            }
            Fact::FulfilmentCreated(fact) => self.fulfilment_created(fact, at),
            Fact::FulfilmentMoved(fact) => self.fulfilment_moved(fact, at, seq)?,
            Fact::FulfilmentRelabelled(fact) => self.fulfilment_relabelled(fact, seq)?,
            Fact::LinesCancelled(fact) => self.lines_cancelled(fact, at),
            Fact::ReturnRequested(fact) => self.return_requested(fact, at),
            Fact::ReturnMoved(fact) => self.return_moved(fact, at, seq)?,
            Fact::ReturnReceived(fact) => self.return_received(fact, at, seq)?,
        }
        self.version = seq;
        self.updated_at = at;
        self.head = hash;
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

    /// Decides what follows from the goods being gone although the order was confirmed. An order that has
    /// ended meanwhile needs nothing, nor has one to be called off whose goods have left all the same.
    pub(crate) fn run_out_of_stock(&self) -> Vec<Fact> {
        self.end(Cancelled { reason: OUT_OF_STOCK.to_owned(), restock: false }).unwrap_or_default()
    }

    /// Decides to let an order go on that waited for a person.
    pub(crate) fn release(&self) -> Result<Vec<Fact>, Refused> {
        match self.status {
            OrderStatus::OnHold => Ok(vec![Fact::Released(Nothing {})]),
            from => Err(Refused { from, to: OrderStatus::Confirmed }),
        }
    }
}

fn decode(stored: &StoredFact) -> Result<Fact, FoldError> {
    Fact::decode(&stored.kind, stored.schema_version, &stored.data)
        .map_err(|source| FoldError::Decode { seq: stored.seq, source })
}

/// Where a fact takes an order, and why, if it moves it at all.
fn status_after(fact: &Fact) -> Option<(OrderStatus, Option<String>)> {
    use OrderStatus as To;
    Some(match fact {
        Fact::AwaitingPayment(_) => (To::AwaitingPayment, None),
        Fact::Confirmed(_) | Fact::Released(_) => (To::Confirmed, None),
        Fact::PutOnHold(because) => (To::OnHold, Some(because.reason.clone())),
        Fact::Rejected(because) => (To::Rejected, Some(because.reason.clone())),
        Fact::Expired(because) => (To::Expired, Some(because.reason.clone())),
        Fact::Cancelled(cancelled) => (To::Cancelled, Some(cancelled.reason.clone())),
        Fact::ProcessingStarted(_) => (To::Processing, None),
        Fact::Completed(_) => (To::Completed, None),
        Fact::Closed(_) => (To::Closed, None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
