//! What every provider adapter must do, as a plain function over the port; each adapter runs [`all`] against
//! the provider's own server.

use contracts::{Currency, Money, payment::PaymentId};
use uuid::Uuid;

use super::{Outcome, Provider, ProviderCall, ProviderStatus, Snapshot};
use crate::payment::{OperationId, OperationKind};

/// Method tokens that the provider's test mode approves and declines.
pub(super) struct Tokens {
    pub(super) approved: &'static str,
    pub(super) declined: &'static str,
}

/// Runs the suite.
pub(super) async fn all(provider: &dyn Provider, tokens: &Tokens) {
    authorizes_once_per_key(provider, tokens).await;
    declines_in_our_words(provider, tokens).await;
    captures_and_refunds_within_bounds(provider, tokens).await;
    lets_go_of_what_was_not_taken(provider, tokens).await;
    knows_nothing_of_what_never_arrived(provider).await;
}

fn call(kind: OperationKind, payment: u128, operation: u128, token: &str, amount: i64) -> ProviderCall {
    ProviderCall {
        operation_id: OperationId::from_uuid(Uuid::from_u128(operation)),
        kind,
        payment_id: PaymentId::from_uuid(Uuid::from_u128(payment)),
        provider_ref: None,
        provider: String::new(),
        method_token: token.to_owned(),
        amount: Money::new(amount, Currency::KRW),
    }
}

fn approved(outcome: Outcome) -> Snapshot {
    match outcome {
        Outcome::Approved(snapshot) => snapshot,
        other => panic!("not approved: {other:?}"),
    }
}

async fn authorized(provider: &dyn Provider, tokens: &Tokens, payment: u128) -> Snapshot {
    let request = call(OperationKind::Authorize, payment, payment << 8, tokens.approved, 5_000);
    approved(provider.authorize(&request).await)
}

async fn authorizes_once_per_key(provider: &dyn Provider, tokens: &Tokens) {
    let first = authorized(provider, tokens, 1).await;
    let again = authorized(provider, tokens, 1).await;
    assert_eq!(first, again);
    assert_eq!((first.status, first.amount.amount_minor), (ProviderStatus::Authorized, 5_000));
    let mut query = call(OperationKind::Authorize, 1, 1 << 8, tokens.approved, 5_000);
    assert_eq!(provider.query(&query).await, Ok(Some(first.clone())));
    query.provider_ref = Some(first.provider_ref.clone());
    assert_eq!(provider.query(&query).await, Ok(Some(first)));
}

async fn declines_in_our_words(provider: &dyn Provider, tokens: &Tokens) {
    let request = call(OperationKind::Authorize, 2, 2 << 8, tokens.declined, 5_000);
    let outcome = provider.authorize(&request).await;
    assert!(matches!(&outcome, Outcome::Declined { code, .. } if code == "card_declined"), "{outcome:?}");
}

async fn captures_and_refunds_within_bounds(provider: &dyn Provider, tokens: &Tokens) {
    let held = authorized(provider, tokens, 3).await;
    let with_ref = |kind, operation, amount| ProviderCall {
        provider_ref: Some(held.provider_ref.clone()),
        ..call(kind, 3, (3_u128 << 8) + operation, "", amount)
    };
    let too_much = provider.capture(&with_ref(OperationKind::Capture, 1, 5_001)).await;
    assert!(matches!(too_much, Outcome::Declined { .. }), "{too_much:?}");
    let capture = with_ref(OperationKind::Capture, 2, 5_000);
    let taken = approved(provider.capture(&capture).await);
    assert_eq!((taken.status, taken.captured_minor), (ProviderStatus::Captured, 5_000));
    assert_eq!(approved(provider.capture(&capture).await), taken);

    let refund = with_ref(OperationKind::Refund, 3, 3_000);
    approved(provider.refund(&refund).await);
    let given = approved(provider.refund(&refund).await);
    let [seen] = &given.refunds[..] else { panic!("not one refund: {given:?}") };
    assert_eq!((seen.reference.clone(), seen.amount_minor), (refund.operation_id.to_string(), 3_000));
    let too_much = provider.refund(&with_ref(OperationKind::Refund, 4, 2_001)).await;
    assert!(matches!(too_much, Outcome::Declined { .. }), "{too_much:?}");
    let late = provider.void(&with_ref(OperationKind::Void, 5, 5_000)).await;
    assert!(matches!(late, Outcome::Declined { .. }), "{late:?}");
}

async fn lets_go_of_what_was_not_taken(provider: &dyn Provider, tokens: &Tokens) {
    let held = authorized(provider, tokens, 4).await;
    let void =
        ProviderCall { provider_ref: Some(held.provider_ref), ..call(OperationKind::Void, 4, (4 << 8) + 1, "", 5_000) };
    for _ in 0..2 {
        assert_eq!(approved(provider.void(&void).await).status, ProviderStatus::Voided);
    }
}

async fn knows_nothing_of_what_never_arrived(provider: &dyn Provider) {
    let query = call(OperationKind::Authorize, 5, 5 << 8, "", 5_000);
    assert_eq!(provider.query(&query).await, Ok(None));
}

/// A call that any provider would take.
pub(super) fn some_authorization() -> ProviderCall {
    call(OperationKind::Authorize, 9, 9 << 8, "tok_approve", 5_000)
}
