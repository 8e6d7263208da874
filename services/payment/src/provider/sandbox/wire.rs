//! What goes over the wire to and from the sandbox provider, and what it means to us.

use contracts::{Currency, Money, payment::PaymentAction};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::provider::{MoneySeen, Outcome, ProviderCall, ProviderStatus, Snapshot};

#[derive(Serialize)]
pub(super) struct AuthorizeRequest<'a> {
    pub(super) amount_minor: i64,
    pub(super) currency: &'a str,
    pub(super) method_token: &'a str,
    pub(super) reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) return_url: Option<String>,
    pub(super) deposit_due_at: Timestamp,
}

/// A capture or a refund.
#[derive(Serialize)]
pub(super) struct MoneyRequest {
    amount_minor: i64,
    reference: String,
}

impl MoneyRequest {
    pub(super) fn of(call: &ProviderCall) -> Self {
        Self { amount_minor: call.amount.amount_minor, reference: call.operation_id.to_string() }
    }
}

#[derive(Deserialize)]
pub(super) struct Authorization {
    id: String,
    reference: String,
    status: Status,
    currency: String,
    amount_minor: i64,
    captured_minor: i64,
    #[serde(default)]
    decline_code: Option<String>,
    #[serde(default)]
    decline_retryable: bool,
    #[serde(default)]
    action_url: Option<String>,
    #[serde(default)]
    deposit: Option<Deposit>,
    #[serde(default)]
    sequence: u64,
    #[serde(default)]
    captures: Vec<Movement>,
    #[serde(default)]
    refunds: Vec<Movement>,
}

#[derive(Deserialize)]
struct Deposit {
    bank: String,
    account_number: String,
    holder: String,
    due_at: Timestamp,
}

#[derive(Deserialize)]
struct Movement {
    id: String,
    reference: String,
    amount_minor: i64,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    RequiresAction,
    AwaitingDeposit,
    Authorized,
    PartiallyCaptured,
    Captured,
    Voided,
    Declined,
}

#[derive(Deserialize)]
pub(super) struct List {
    pub(super) items: Vec<Authorization>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
}

#[derive(Deserialize)]
pub(super) struct WebhookEvent {
    #[serde(rename = "type")]
    pub(super) event_type: String,
    pub(super) data: serde_json::Value,
}

/// An answer that is no success: what it says about whether anything was done.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Outcome {
    let error = serde_json::from_slice::<ErrorAnswer>(body).map(|answer| answer.error).ok();
    let said = error.as_ref().map_or_else(|| status.to_string(), |error| format!("{status}: {}", error.message));
    match status {
        // This provider promises that nothing was done.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Outcome::Unreachable(said),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            tracing::error!(%status, "the payment provider does not accept our key");
            Outcome::Unreachable(said)
        }
        status if status.is_client_error() => match error {
            Some(error) => Outcome::Declined { code: error.code, retryable: false, provider_ref: None },
            None => Outcome::Unknown(said),
        },
        _ => Outcome::Unknown(said),
    }
}

pub(super) fn outcome(authorization: Authorization) -> Outcome {
    let snapshot = match snapshot(authorization) {
        Ok(snapshot) => snapshot,
        Err(error) => return Outcome::Unknown(error),
    };
    match snapshot.status {
        ProviderStatus::Pending | ProviderStatus::RequiresAction | ProviderStatus::AwaitingDeposit => {
            Outcome::Pending(snapshot)
        }
        ProviderStatus::Declined => Outcome::Declined {
            code: snapshot.decline_code.unwrap_or_else(|| "declined".to_owned()),
            retryable: snapshot.decline_retryable,
            provider_ref: Some(snapshot.provider_ref),
        },
        ProviderStatus::Authorized
        | ProviderStatus::PartiallyCaptured
        | ProviderStatus::Captured
        | ProviderStatus::Voided => Outcome::Approved(snapshot),
    }
}

pub(super) fn snapshot(authorization: Authorization) -> Result<Snapshot, String> {
    let currency: Currency = authorization.currency.parse().map_err(|error| format!("{error}"))?;
    let action = action(authorization.status, authorization.action_url, authorization.deposit)?;
    Ok(Snapshot {
        reference: authorization.reference,
        provider_ref: authorization.id,
        status: match authorization.status {
            Status::Pending => ProviderStatus::Pending,
            Status::RequiresAction => ProviderStatus::RequiresAction,
            Status::AwaitingDeposit => ProviderStatus::AwaitingDeposit,
            Status::Authorized => ProviderStatus::Authorized,
            Status::PartiallyCaptured => ProviderStatus::PartiallyCaptured,
            Status::Captured => ProviderStatus::Captured,
            Status::Voided => ProviderStatus::Voided,
            Status::Declined => ProviderStatus::Declined,
        },
        sequence: authorization.sequence,
        action,
        amount: Money::new(authorization.amount_minor, currency),
        captured_minor: authorization.captured_minor,
        captures: authorization.captures.into_iter().map(seen).collect(),
        refunds: authorization.refunds.into_iter().map(seen).collect(),
        decline_code: authorization.decline_code,
        decline_retryable: authorization.decline_retryable,
    })
}

fn seen(movement: Movement) -> MoneySeen {
    MoneySeen { reference: movement.reference, provider_ref: movement.id, amount_minor: movement.amount_minor }
}

/// What the buyer has to do. Browsers are sent to web pages only.
fn action(status: Status, url: Option<String>, deposit: Option<Deposit>) -> Result<Option<PaymentAction>, String> {
    match (status, url, deposit) {
        (Status::RequiresAction, Some(url), _) if url.starts_with("https://") || url.starts_with("http://") => {
            Ok(Some(PaymentAction::Redirect { url }))
        }
        (Status::AwaitingDeposit, _, Some(Deposit { bank, account_number, holder, due_at })) => {
            Ok(Some(PaymentAction::Deposit { bank, account_number, holder, due_at }))
        }
        (Status::RequiresAction | Status::AwaitingDeposit, ..) => {
            Err("the buyer has to act and is not told how".to_owned())
        }
        _ => Ok(None),
    }
}
