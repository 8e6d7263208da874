//! What every provider adapter must do, as a plain function over the port; each adapter runs [`all`] against
//! the provider's own server.

use contracts::{
    Currency, Money,
    payment::{PaymentAction, PaymentId},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Outcome, Provider, ProviderCall, ProviderStatus, Snapshot};
use crate::payment::{OperationId, OperationKind};

/// Method tokens of the provider's test mode.
pub(super) struct Tokens {
    pub(super) approved: &'static str,
    pub(super) declined: &'static str,
    /// Declined in a way that another try may change.
    pub(super) declined_for_now: &'static str,
    /// The buyer has to prove who pays.
    pub(super) challenged: &'static str,
    /// The buyer has to transfer the money.
    pub(super) transferred: &'static str,
}

/// Runs the suite.
pub(super) async fn all(provider: &dyn Provider, tokens: &Tokens) {
    authorizes_once_per_key(provider, tokens).await;
    declines_in_our_words(provider, tokens).await;
    captures_and_refunds_within_bounds(provider, tokens).await;
    captures_in_parts_and_counts_its_snapshots(provider, tokens).await;
    says_what_the_buyer_has_to_do(provider, tokens).await;
    lets_go_of_what_was_not_taken(provider, tokens).await;
    knows_nothing_of_what_never_arrived(provider).await;
}

fn call(kind: OperationKind, payment: u128, operation: u128, token: &str, amount: i64) -> ProviderCall {
    ProviderCall {
        operation_id: OperationId::from_uuid(Uuid::from_u128(operation)),
        kind,
        payment_id: PaymentId::from_uuid(Uuid::from_u128(payment)),
        reference: PaymentId::from_uuid(Uuid::from_u128(payment)).to_string(),
        provider_ref: None,
        provider: String::new(),
        method_token: token.to_owned(),
        amount: Money::new(amount, Currency::KRW),
        pay_by: Timestamp::MAX,
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
    let Outcome::Declined { code, retryable, .. } = outcome else { panic!("not declined: {outcome:?}") };
    assert_eq!((code.as_str(), retryable), ("card_declined", false));
    let request = call(OperationKind::Authorize, 20, 20 << 8, tokens.declined_for_now, 5_000);
    let outcome = provider.authorize(&request).await;
    assert!(matches!(&outcome, Outcome::Declined { retryable: true, .. }), "{outcome:?}");
    let seen = provider.query(&request).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.decline_retryable), (ProviderStatus::Declined, true));
}

async fn captures_in_parts_and_counts_its_snapshots(provider: &dyn Provider, tokens: &Tokens) {
    let held = authorized(provider, tokens, 6).await;
    let part = |operation, amount| ProviderCall {
        provider_ref: Some(held.provider_ref.clone()),
        ..call(OperationKind::Capture, 6, (6_u128 << 8) + operation, "", amount)
    };
    let first = approved(provider.capture(&part(1, 2_000)).await);
    let second = approved(provider.capture(&part(2, 3_000)).await);
    assert_eq!((first.status, second.status), (ProviderStatus::PartiallyCaptured, ProviderStatus::Captured));
    assert!(held.sequence < first.sequence && first.sequence < second.sequence, "{held:?} {first:?} {second:?}");
    let listed: Vec<_> = second.captures.iter().map(|seen| (seen.reference.clone(), seen.amount_minor)).collect();
    let asked = [1, 2].map(|operation| part(operation, 0).operation_id.to_string());
    assert_eq!(listed, [(asked[0].clone(), 2_000), (asked[1].clone(), 3_000)]);
}

/// And what the buyer has not done is prevented by a void.
async fn says_what_the_buyer_has_to_do(provider: &dyn Provider, tokens: &Tokens) {
    for (payment, token, status) in [
        (7, tokens.challenged, ProviderStatus::RequiresAction),
        (8, tokens.transferred, ProviderStatus::AwaitingDeposit),
    ] {
        let request = call(OperationKind::Authorize, payment, payment << 8, token, 5_000);
        let Outcome::Pending(seen) = provider.authorize(&request).await else { panic!("{token} is decided at once") };
        assert_eq!((seen.status, seen.captured_minor), (status, 0));
        match seen.action {
            Some(PaymentAction::Redirect { url }) => {
                assert!(status == ProviderStatus::RequiresAction && url.starts_with("http"), "{url}");
            }
            Some(PaymentAction::Deposit { account_number, .. }) => {
                assert!(status == ProviderStatus::AwaitingDeposit && !account_number.is_empty());
            }
            None => panic!("{token} says nothing"),
        }
        let void = ProviderCall {
            provider_ref: Some(seen.provider_ref),
            ..call(OperationKind::Void, payment, (payment << 8) + 1, "", 5_000)
        };
        assert_eq!(approved(provider.void(&void).await).status, ProviderStatus::Voided);
    }
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
