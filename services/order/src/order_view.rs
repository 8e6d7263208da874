//! Orders as callers see them.

mod goods;

use contracts::{
    Currency, Locale, Money,
    auth::AccountId,
    order::{Address, CartId, FulfilmentStatus, OrderId, OrderStatus, PaymentStatus, RefundId, Totals},
    payment::PaymentAction,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use self::goods::{CancellationView, FulfilmentView, OrderLineView, ReturnView};
use crate::{
    order::{
        Order,
        fact::{RefundedLine, ShippingLine, goods::ShippingShare},
        payment::Wanted,
        refund::{Refund, RefundStatus},
        saga::{Saga, SagaStep},
        status,
        stream::StoredFact,
    },
    owner::{Owner, hex},
    store::OrderSummary,
};

/// An order.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct OrderView {
    /// Names the order.
    pub(crate) id: OrderId,
    /// The number in its `ETag`; everything that happens to the order raises it.
    pub(crate) version: u64,
    /// What people call it.
    #[schema(example = "2026-7KQ4ZM")]
    pub(crate) number: String,
    /// Where it stands.
    pub(crate) status: OrderStatus,
    /// Why it is on hold, rejected, expired or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_reason: Option<String>,
    /// What of the money has arrived.
    pub(crate) payment_status: PaymentStatus,
    /// What of the goods has left and come back.
    pub(crate) fulfilment_status: FulfilmentStatus,
    /// The buyer, unless a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<AccountId>,
    /// Where mails go.
    pub(crate) email: String,
    /// In which language.
    pub(crate) locale: Locale,
    /// Of all amounts.
    pub(crate) currency: Currency,
    /// What was sold, at the prices of that moment.
    pub(crate) lines: Vec<OrderLineView>,
    /// The sums.
    pub(crate) totals: Totals,
    /// How goods travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shipping: Option<ShippingLine>,
    /// Where goods go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shipping_address: Option<Address>,
    /// The money.
    pub(crate) payment: OrderPaymentView,
    /// Money that goes, went or could not go back.
    pub(crate) refunds: Vec<RefundView>,
    /// The parcels.
    pub(crate) fulfilments: Vec<FulfilmentView>,
    /// Units that were called off.
    pub(crate) cancellations: Vec<CancellationView>,
    /// Goods that come back.
    pub(crate) returns: Vec<ReturnView>,
    /// The cart it was.
    pub(crate) cart_id: CartId,
    /// When it was placed.
    pub(crate) placed_at: Timestamp,
    /// When something last happened to it.
    pub(crate) updated_at: Timestamp,
    /// When it lapses, while it waits for its payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pay_by: Option<Timestamp>,
    /// When its goods can no longer be sent back; absent while it is not complete or a return is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) return_until: Option<Timestamp>,
    /// What it waits for by itself; shown to staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) saga: Option<SagaView>,
}

/// What an order waits for by itself.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct SagaView {
    /// The step.
    step: SagaStep,
    /// How often it was taken again.
    attempts: u32,
    /// When the clock moves it on; absent once it is left to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
}

/// The money of an order.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct OrderPaymentView {
    /// The payment provider.
    provider: String,
    /// What the provider holds or held.
    authorized: Money,
    /// What was taken.
    captured: Money,
    /// What went back.
    refunded: Money,
    /// What is on its way back.
    refund_pending: Money,
    /// Why the provider said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    declined: Option<String>,
    /// What the buyer has to do, while the order waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<PaymentAction>,
    /// Present while the order waits for another payment method: `POST /v1/orders/{id}/payment-attempts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    method_required: Option<MethodRequiredView>,
    /// Why the provider does not hand over what it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_failed: Option<String>,
}

/// Another payment method is wanted.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct MethodRequiredView {
    /// Why the last one did not work.
    #[schema(example = "insufficient_funds")]
    reason: String,
    /// How many more may be tried.
    attempts_left: u32,
}

/// Money that goes, went or could not go back.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct RefundView {
    /// Names the refund.
    id: RefundId,
    /// How it stands.
    status: RefundStatus,
    /// How much.
    amount: Money,
    /// Why.
    reason: String,
    /// For which units; empty if it is for none in particular.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<RefundedLine>,
    /// What of it is for the delivery, by the units that were given back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shipping: Vec<ShippingShare>,
    /// Why the provider refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// When it was asked for.
    requested_at: Timestamp,
    /// When it succeeded or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<Timestamp>,
}

/// An order in a list.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct OrderSummaryView {
    /// Names the order.
    id: OrderId,
    /// What people call it.
    #[schema(example = "2026-7KQ4ZM")]
    number: String,
    /// Where it stands.
    status: OrderStatus,
    /// What of the money has arrived.
    payment_status: PaymentStatus,
    /// What of the goods has left and come back.
    fulfilment_status: FulfilmentStatus,
    /// The buyer, unless a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<AccountId>,
    /// Where mails go.
    email: String,
    /// What the buyer pays.
    total: Money,
    /// How many units.
    item_count: i64,
    /// When it was placed.
    placed_at: Timestamp,
    /// When something last happened to it.
    updated_at: Timestamp,
}

/// Something that happened to an order.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct OrderEventView {
    /// 1 for the first; the order's version after it.
    seq: u64,
    /// What happened: `placed`, `payment_authorized`, `confirmed`, …
    #[serde(rename = "type")]
    #[schema(example = "confirmed")]
    kind: String,
    /// The version of the shape of `data`.
    schema_version: u32,
    /// Who did it: an account, an API key, `guest`, another service, `deadline`.
    actor: String,
    /// The request or event that caused it.
    cause: String,
    /// When.
    at: Timestamp,
    /// What is to be known of it.
    #[schema(value_type = Object)]
    data: serde_json::Value,
    /// SHA-256 over this event and the hash of the one before, in hexadecimal.
    hash: String,
    /// The hash of the event before; zeros for the first.
    prev_hash: String,
}

impl OrderView {
    /// The order as it is.
    pub(crate) fn of(order: &Order) -> Self {
        let terms = &*order.terms;
        Self {
            id: order.id,
            version: order.version,
            number: terms.number.clone(),
            status: order.status,
            status_reason: order.status_reason.clone(),
            payment_status: order.payment_status(),
            fulfilment_status: order.fulfilment_status(),
            customer: terms.owner.account(),
            email: terms.email.clone(),
            locale: terms.locale,
            currency: terms.currency,
            lines: OrderLineView::all(order),
            totals: terms.totals,
            shipping: terms.shipping.clone(),
            shipping_address: terms.shipping_address.clone(),
            payment: OrderPaymentView::of(order),
            refunds: order.refunds.iter().map(RefundView::of).collect(),
            fulfilments: order.fulfilments.iter().map(FulfilmentView::of).collect(),
            cancellations: order.cancellations.iter().map(CancellationView::of).collect(),
            returns: order.returns.iter().map(ReturnView::of).collect(),
            cart_id: terms.cart_id,
            placed_at: order.placed_at,
            updated_at: order.updated_at,
            pay_by: order.deadline(),
            return_until: order.return_window_ends(),
            saga: None,
        }
    }
}

impl OrderPaymentView {
    fn of(order: &Order) -> Self {
        let payment = &order.payment;
        let wanted = payment.wanted.as_ref().filter(|_| order.status == OrderStatus::AwaitingPayment);
        let (action, method_required) = match wanted {
            Some(Wanted::Action(action)) => (Some(action.clone()), None),
            Some(Wanted::Method { reason, attempts_left }) => {
                (None, Some(MethodRequiredView { reason: reason.clone(), attempts_left: *attempts_left }))
            }
            None => (None, None),
        };
        Self {
            provider: order.payment_provider().to_owned(),
            authorized: payment.authorized,
            captured: payment.captured,
            refunded: payment.refunded,
            refund_pending: refund_pending(order),
            declined: payment.declined.clone(),
            action,
            method_required,
            capture_failed: payment.capture_failed.clone(),
        }
    }
}

impl From<Saga> for SagaView {
    fn from(Saga { step, attempts, due_at }: Saga) -> Self {
        Self { step, attempts, due_at }
    }
}

/// Of an order that was undone, everything goes back without being asked for.
fn refund_pending(order: &Order) -> Money {
    let nothing = Money::zero(order.terms.currency);
    let pending = if status::is_undone(order.status) {
        order.payment.captured.checked_sub(order.payment.refunded)
    } else {
        order.refunds_in_flight()
    };
    pending.unwrap_or(nothing)
}

impl RefundView {
    fn of(refund: &Refund) -> Self {
        Self {
            id: refund.id,
            status: refund.status,
            amount: refund.amount,
            reason: refund.reason.clone(),
            lines: refund.lines.clone(),
            shipping: refund.shipping.clone(),
            failure: refund.failure.clone(),
            requested_at: refund.requested_at,
            settled_at: refund.settled_at,
        }
    }
}

impl From<OrderSummary> for OrderSummaryView {
    fn from(summary: OrderSummary) -> Self {
        Self {
            id: summary.id,
            number: summary.number,
            status: summary.status,
            payment_status: summary.payment_status,
            fulfilment_status: summary.fulfilment_status,
            customer: summary.owner.account(),
            email: summary.email,
            total: summary.total,
            item_count: summary.item_count,
            placed_at: summary.placed_at,
            updated_at: summary.updated_at,
        }
    }
}

impl OrderEventView {
    /// The fact without what only the store needs to know.
    pub(crate) fn of(stored: StoredFact) -> Result<Self, serde_json::Error> {
        let mut data: serde_json::Value = serde_json::from_str(&stored.data)?;
        if let Some(owner) = data.get_mut("owner")
            && let Ok(Owner::Guest(_)) = serde_json::from_value(owner.clone())
        {
            *owner = "guest".into();
        }
        Ok(Self {
            seq: stored.seq,
            kind: stored.kind,
            schema_version: stored.schema_version,
            actor: stored.origin.actor,
            cause: stored.origin.cause,
            at: stored.origin.at,
            data,
            hash: hex(&stored.hash),
            prev_hash: hex(&stored.prev_hash),
        })
    }
}
