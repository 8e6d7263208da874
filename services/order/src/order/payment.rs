//! The money side of an order: what payment said, and what follows from it.

use contracts::{
    Currency, Money,
    event::EventId,
    order::{OrderStatus, PaymentMethod, PaymentStatus, RefundId},
    payment::{
        PaymentAction, PaymentActionRequired, PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured,
        PaymentDeclined, PaymentId, PaymentMethodRequired, PaymentRefundFailed, PaymentRefunded, PaymentReversed,
        PaymentVoided,
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AUTHORIZATION_LOST, CAPTURE_FAILED, Order,
    fact::{
        ActionRequired, Authorized, Because, CaptureFailed, Captured, Declined, Fact, MethodGiven, MethodRequired,
        Nothing, RefundFailed, Refunded, Reversed, Voided,
    },
    refund::{Refund, RefundStatus},
    status,
};

/// The reason of a refund that nobody asked for: the order ended.
const ORDER_ENDED: &str = "order_ended";
/// The reason of an order that waits for a person because the authorized sum is not its total.
const AMOUNT_DIFFERS: &str = "authorized_amount_differs";

/// What the buyer has to do before there is any money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Wanted {
    /// To act.
    Action(PaymentAction),
    /// To name another method.
    Method { reason: String, attempts_left: u32 },
}

/// What the provider has of the buyer's money, even if the sum is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Held {
    Nothing,
    /// It held the sum before handing it over.
    Authorization,
    /// It got the sum without being asked to hold it first: a bank transfer.
    Deposit,
}

/// What is known of the payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: Option<PaymentId>,
    pub(crate) held: Held,
    /// A deposit counts as authorized by having come.
    pub(crate) authorized: Money,
    pub(crate) captured: Money,
    pub(crate) refunded: Money,
    pub(crate) voided: bool,
    /// Why the provider said no.
    pub(crate) declined: Option<String>,
    pub(crate) wanted: Option<Wanted>,
    /// Of the method that was named last, if another than the first.
    pub(crate) provider: Option<String>,
    /// Why the provider does not hand over what it holds.
    pub(crate) capture_failed: Option<String>,
    /// What had come before a deposit was taken back, until as much has come again.
    pub(crate) reversed: Option<Money>,
}

/// Why another payment method is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no other payment method is wanted of an order that is {}", status::name(*.0))]
pub(crate) struct NoMethodWanted(pub(crate) OrderStatus);

impl Payment {
    pub(crate) fn none(currency: Currency) -> Self {
        let nothing = Money::zero(currency);
        Self {
            id: None,
            held: Held::Nothing,
            authorized: nothing,
            captured: nothing,
            refunded: nothing,
            voided: false,
            declined: None,
            wanted: None,
            provider: None,
            capture_failed: None,
            reversed: None,
        }
    }

    pub(crate) fn status(&self, total: Money) -> PaymentStatus {
        let (authorized, captured, refunded) =
            (self.authorized.amount_minor, self.captured.amount_minor, self.refunded.amount_minor);
        if refunded > 0 && refunded >= captured {
            PaymentStatus::Refunded
        } else if refunded > 0 {
            PaymentStatus::PartiallyRefunded
        } else if captured > 0 && captured >= total.amount_minor {
            PaymentStatus::Paid
        } else if captured > 0 {
            PaymentStatus::PartiallyPaid
        } else if self.voided {
            PaymentStatus::Voided
        } else if self.is_held() && total.amount_minor == 0 {
            PaymentStatus::Paid
        } else if authorized > 0 || self.is_held() {
            PaymentStatus::Authorized
        } else {
            PaymentStatus::NotPaid
        }
    }

    pub(crate) fn authorize(&mut self, fact: Authorized) {
        self.id = Some(fact.payment_id);
        self.authorized = fact.amount;
        self.held = Held::Authorization;
        self.declined = None;
        self.wanted = None;
    }

    pub(crate) fn want(&mut self, payment_id: PaymentId, wanted: Wanted) {
        self.id = Some(payment_id);
        self.wanted = Some(wanted);
    }

    pub(crate) fn try_method(&mut self, fact: MethodGiven) {
        self.provider = Some(fact.provider);
        self.wanted = None;
    }

    pub(crate) fn decline(&mut self, fact: Declined) {
        self.id = Some(fact.payment_id);
        self.declined = Some(fact.reason);
        self.wanted = None;
    }

    pub(crate) fn capture(&mut self, fact: Captured) {
        self.id = Some(fact.payment_id);
        self.captured = fact.captured_total;
        if self.held != Held::Authorization {
            self.held = Held::Deposit;
            self.authorized = fact.captured_total;
        }
        self.reversed = self.reversed.filter(|before| before.amount_minor > fact.captured_total.amount_minor);
        self.wanted = None;
    }

    /// The payment waits for the deposit again: nothing is held.
    pub(crate) fn reverse(&mut self, fact: Reversed) {
        self.id = Some(fact.payment_id);
        self.reversed = self.reversed.or(Some(self.captured));
        self.captured = fact.captured_total;
        self.authorized = fact.captured_total;
        self.held = Held::Nothing;
    }

    pub(crate) fn void(&mut self, fact: Voided) {
        self.id = Some(fact.payment_id);
        self.voided = true;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held != Held::Nothing
    }
}

/// What payment says may come twice or late; each decision is empty for what is already known.
impl Order {
    /// Decides what follows from money being held. Too late for an order that ended: it is noted, and
    /// payment lets it go.
    pub(crate) fn payment_authorized(&self, event: PaymentAuthorized) -> Vec<Fact> {
        if self.payment.is_held() {
            return Vec::new();
        }
        let PaymentAuthorized { payment_id, amount, .. } = event;
        let mut facts = vec![Fact::PaymentAuthorized(Authorized { payment_id, amount })];
        facts.extend(self.money_came(amount));
        facts
    }

    /// What becomes of an order that waits for its payment when `amount` comes.
    fn money_came(&self, amount: Money) -> Option<Fact> {
        let whole = amount == self.terms.totals.total;
        let to = if whole { OrderStatus::Confirmed } else { OrderStatus::OnHold };
        let moves = status::awaits_payment(self.status) && status::step(self.status, to).is_ok();
        moves.then(|| match whole {
            true => Fact::Confirmed(Nothing {}),
            false => Fact::PutOnHold(Because { reason: AMOUNT_DIFFERS.to_owned() }),
        })
    }

    /// Decides what follows from the buyer having to act. What nobody waits for any more is not asked for.
    pub(crate) fn payment_action_required(&self, event: PaymentActionRequired) -> Vec<Fact> {
        let PaymentActionRequired { payment_id, action, .. } = event;
        if self.payment.wanted == Some(Wanted::Action(action.clone())) {
            return Vec::new();
        }
        self.await_payment(Fact::PaymentActionRequired(ActionRequired { payment_id, action }))
    }

    /// Decides what follows from a refusal that is not final: the buyer may name another method until the deadline.
    pub(crate) fn payment_method_required(&self, event: PaymentMethodRequired) -> Vec<Fact> {
        let PaymentMethodRequired { payment_id, reason, attempts_left, .. } = event;
        if self.payment.wanted == Some(Wanted::Method { reason: reason.clone(), attempts_left }) {
            return Vec::new();
        }
        self.await_payment(Fact::PaymentMethodRequired(MethodRequired { payment_id, reason, attempts_left }))
    }

    fn await_payment(&self, wanted: Fact) -> Vec<Fact> {
        if !status::awaits_payment(self.status) {
            return Vec::new();
        }
        let awaits = status::step(self.status, OrderStatus::AwaitingPayment);
        [wanted].into_iter().chain(awaits.is_ok().then_some(Fact::AwaitingPayment(Nothing {}))).collect()
    }

    /// Decides on another payment method that the buyer names, which is taken only when one is wanted.
    pub(crate) fn give_payment_method(&self, method: PaymentMethod) -> Result<Vec<Fact>, NoMethodWanted> {
        match (self.status, &self.payment.wanted) {
            (OrderStatus::AwaitingPayment, Some(Wanted::Method { .. })) => {
                let PaymentMethod { provider, token } = method;
                Ok(vec![Fact::PaymentMethodGiven(MethodGiven { provider, token })])
            }
            _ => Err(NoMethodWanted(self.status)),
        }
    }

    /// Decides what follows from the provider's final no: the order never came about, or, if its buyer was
    /// already asked to act, it is called off.
    pub(crate) fn payment_declined(&self, event: PaymentDeclined) -> Vec<Fact> {
        if self.payment.is_held() || self.payment.voided || self.payment.declined.is_some() {
            return Vec::new();
        }
        let PaymentDeclined { payment_id, reason, .. } = event;
        let mut facts = vec![Fact::PaymentDeclined(Declined { payment_id, reason: reason.clone() })];
        match self.status {
            OrderStatus::Pending => facts.push(Fact::Rejected(Because { reason })),
            OrderStatus::AwaitingPayment => facts.extend(self.cancel(reason).unwrap_or_default()),
            _ => {}
        }
        facts
    }

    /// Notes money that was taken; totals only grow. A deposit is the first that is heard of its money.
    pub(crate) fn payment_captured(&self, event: PaymentCaptured) -> Vec<Fact> {
        let PaymentCaptured { payment_id, captured_total, .. } = event;
        if captured_total.amount_minor <= self.payment.captured.amount_minor {
            return Vec::new();
        }
        let mut facts = vec![Fact::PaymentCaptured(Captured { payment_id, captured_total })];
        facts.extend(self.money_came(captured_total));
        facts
    }

    /// Decides what follows from the provider keeping what it holds: nothing leaves without money, and what has
    /// left stays to be settled by a person.
    pub(crate) fn payment_capture_failed(&self, event: PaymentCaptureFailed) -> Vec<Fact> {
        let PaymentCaptureFailed { payment_id, amount, reason, .. } = event;
        if self.payment.capture_failed.is_some() || self.is_captured() {
            return Vec::new();
        }
        let mut facts = vec![Fact::PaymentCaptureFailed(CaptureFailed { payment_id, amount, reason })];
        facts.extend(self.cancel(CAPTURE_FAILED.to_owned()).unwrap_or_default());
        facts
    }

    /// Notes a deposit that was taken back.
    pub(crate) fn payment_reversed(&self, event: PaymentReversed) -> Vec<Fact> {
        let PaymentReversed { payment_id, captured_total, .. } = event;
        if captured_total.amount_minor >= self.payment.captured.amount_minor {
            return Vec::new();
        }
        vec![Fact::PaymentReversed(Reversed { payment_id, captured_total })]
    }

    /// Who was asked for the money last.
    pub(crate) fn payment_provider(&self) -> &str {
        self.payment.provider.as_deref().unwrap_or(&self.terms.payment_provider)
    }

    /// True if nothing more is to be taken: the total, or less of it if that is all that is held.
    pub(crate) fn is_captured(&self) -> bool {
        let Payment { authorized, captured, .. } = &self.payment;
        captured.amount_minor >= authorized.amount_minor.min(self.terms.totals.total.amount_minor)
    }

    /// Decides what follows from the authorization being let go. Payment does that for orders that have ended;
    /// if the provider did it by itself, nobody pays for this one any more.
    pub(crate) fn payment_voided(&self, event: &PaymentVoided) -> Vec<Fact> {
        if self.payment.voided {
            return Vec::new();
        }
        let mut facts = vec![Fact::PaymentVoided(Voided { payment_id: event.payment_id })];
        if self.payment.captured.amount_minor == 0 {
            facts.extend(self.cancel(AUTHORIZATION_LOST.to_owned()).unwrap_or_default());
        }
        facts
    }

    /// Notes money that went back, which may settle a return. A refund that nobody requested is named after
    /// the event.
    pub(crate) fn payment_refunded(&self, event: PaymentRefunded, event_id: EventId) -> Vec<Fact> {
        let PaymentRefunded { payment_id, refund_id, amount, refunded_total, .. } = event;
        if refunded_total.amount_minor <= self.payment.refunded.amount_minor {
            return Vec::new();
        }
        let refund_id = refund_id.unwrap_or_else(|| RefundId::from_uuid(event_id.as_uuid()));
        let mut facts = vec![Fact::PaymentRefunded(Refunded { payment_id, refund_id, amount, refunded_total })];
        facts.extend(self.close_returns(refund_id));
        facts
    }

    /// Notes that money could not go back.
    pub(crate) fn refund_failed(&self, event: PaymentRefundFailed, event_id: EventId) -> Vec<Fact> {
        let PaymentRefundFailed { payment_id, refund_id, amount, reason, .. } = event;
        let refund_id = refund_id.unwrap_or_else(|| RefundId::from_uuid(event_id.as_uuid()));
        let open = |refund: &Refund| refund.status == RefundStatus::Requested;
        match self.refunds.iter().find(|refund| refund.id == refund_id) {
            Some(refund) if !open(refund) => Vec::new(),
            _ => vec![Fact::RefundFailed(RefundFailed { payment_id, refund_id, amount, reason })],
        }
    }

    /// Settles a refund, or notes one that payment made by itself because the order ended.
    pub(super) fn settle(
        &mut self,
        id: RefundId,
        amount: Money,
        status: RefundStatus,
        failure: Option<String>,
        at: Timestamp,
    ) {
        match self.refunds.iter_mut().find(|refund| refund.id == id) {
            Some(refund) => {
                refund.status = status;
                refund.failure = failure;
                refund.settled_at = Some(at);
            }
            None => self.refunds.push(Refund {
                id,
                amount,
                reason: ORDER_ENDED.to_owned(),
                lines: Vec::new(),
                shipping: Vec::new(),
                status,
                failure,
                requested_at: at,
                settled_at: Some(at),
            }),
        }
    }
}
