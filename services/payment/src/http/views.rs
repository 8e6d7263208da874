//! What staff sees of a payment.

use contracts::{
    Money,
    order::{OrderId, RefundId},
    payment::{PaymentAction, PaymentId},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::payment::{
    CaptureMethod, Operation, OperationId, OperationKind, OperationState, OrderPhase, Payment, PaymentState,
    ledger::LedgerEntry,
};

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentView {
    /// Its id; also our reference at the provider.
    id: PaymentId,
    /// For which order.
    order_id: OrderId,
    /// Where it stands.
    state: PaymentState,
    /// How much.
    amount: Money,
    /// How much was taken.
    captured: Money,
    /// How much was given back.
    refunded: Money,
    /// Which provider.
    #[schema(example = "sandbox")]
    provider: String,
    /// The provider's name for the authorization.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_ref: Option<String>,
    /// Who takes the money of a confirmed order.
    capture_method: CaptureMethod,
    /// What the buyer has to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<PaymentAction>,
    /// True once the order ended: nothing is held or kept for it.
    order_ended: bool,
    /// After this nobody waits for the authorization.
    pay_by: Timestamp,
    /// When it was opened.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id,
            order_id: payment.order_id,
            state: payment.state,
            amount: payment.amount,
            captured: payment.money(payment.captured_minor),
            refunded: payment.money(payment.refunded_minor),
            provider: payment.provider.clone(),
            provider_ref: payment.provider_ref.clone(),
            capture_method: payment.capture_method,
            action: payment.action.clone(),
            order_ended: payment.order_phase == OrderPhase::Ended,
            pay_by: payment.pay_by,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}

/// Something that was asked of the provider.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OperationView {
    /// Its id; also its idempotency key at the provider.
    id: OperationId,
    /// How far it got.
    state: OperationState,
    /// Which provider.
    #[schema(example = "sandbox")]
    provider: String,
    /// Our name, at the provider, for the authorization.
    #[schema(example = "pay_0198f3c2a1b27c3d8e4f5a6b7c8d9e0f")]
    reference: String,
    /// How much.
    amount: Money,
    /// The order's name for a refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<RefundId>,
    /// Why the money goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why the provider refused, or why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    /// The provider's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_ref: Option<String>,
    /// How often it was sent.
    sends: u32,
    /// How often it was asked what became of it.
    inquiries: u32,
    /// When it was recorded.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

/// A payment with everything that was asked of the provider, and its books.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentDetail {
    #[serde(flatten)]
    payment: PaymentView,
    /// Authorizations, one per payment method that was tried.
    attempts: Vec<OperationView>,
    /// Money taken.
    captures: Vec<OperationView>,
    /// Money let go.
    voids: Vec<OperationView>,
    /// Money given back.
    refunds: Vec<OperationView>,
    /// Ledger entries: debits positive, credits negative; every transaction sums to zero.
    ledger: Vec<LedgerEntry>,
}

impl PaymentDetail {
    pub(super) fn new(payment: &Payment, ledger: Vec<LedgerEntry>) -> Self {
        let of = |kind: OperationKind| {
            let same = payment.operations.iter().filter(|operation| operation.kind == kind);
            same.map(|operation| operation_view(payment, operation)).collect()
        };
        Self {
            payment: payment.into(),
            attempts: of(OperationKind::Authorize),
            captures: of(OperationKind::Capture),
            voids: of(OperationKind::Void),
            refunds: of(OperationKind::Refund),
            ledger,
        }
    }
}

fn operation_view(payment: &Payment, operation: &Operation) -> OperationView {
    OperationView {
        id: operation.id,
        state: operation.state,
        provider: operation.provider.clone(),
        reference: operation.reference.clone(),
        amount: payment.money(operation.amount_minor),
        refund_id: operation.refund_id,
        reason: operation.reason.clone(),
        error_code: operation.error_code.clone(),
        provider_ref: operation.provider_ref.clone(),
        sends: operation.sends,
        inquiries: operation.inquiries,
        created_at: operation.created_at,
        updated_at: operation.updated_at,
    }
}
