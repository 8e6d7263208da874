//! The port to payment providers. Each adapter speaks one provider's protocol; the domain knows none.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use contracts::{
    Money,
    payment::{PaymentAction, PaymentId},
};
use http::HeaderMap;
use jiff::Timestamp;

use crate::payment::{OperationId, OperationKind};

#[cfg(test)]
mod contract;
mod guarded;
mod sandbox;

pub use guarded::Guarded;
pub use sandbox::{SandboxAccount, SandboxProvider};

/// One operation, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCall {
    /// The idempotency key: the same at every repetition.
    pub operation_id: OperationId,
    /// What is asked.
    pub kind: OperationKind,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// Our name at the provider for the authorization that this makes or is about.
    pub reference: String,
    /// The provider's own name for the authorization, once known.
    pub provider_ref: Option<String>,
    /// Which provider.
    pub provider: String,
    /// Which payment method, for an authorization.
    pub method_token: String,
    /// How much.
    pub amount: Money,
    /// After this nobody waits for the authorization.
    pub pay_by: Timestamp,
}

/// What the provider holds, took and gave back: its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Our reference.
    pub reference: String,
    /// The provider's name for the authorization.
    pub provider_ref: String,
    /// Where it stands.
    pub status: ProviderStatus,
    /// Higher in newer snapshots of the same authorization; 0 if the provider does not count.
    pub sequence: u64,
    /// What the buyer has to do, if it waits for the buyer.
    pub action: Option<PaymentAction>,
    /// The sum that was authorized.
    pub amount: Money,
    /// How much of it was taken.
    pub captured_minor: i64,
    /// What was taken, one by one, if the provider lists it.
    pub captures: Vec<MoneySeen>,
    /// What was given back, one by one.
    pub refunds: Vec<MoneySeen>,
    /// Why it was declined.
    pub decline_code: Option<String>,
    /// True if another try or another payment method may work.
    pub decline_retryable: bool,
}

/// A capture or a refund at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneySeen {
    /// Whoever asked for it gave it this name: ours is the operation's id.
    pub reference: String,
    /// The provider's name for it.
    pub provider_ref: String,
    /// How much.
    pub amount_minor: i64,
}

/// Where an authorization stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderStatus {
    /// Not decided.
    Pending,
    /// Not decided: the buyer has to prove who pays.
    RequiresAction,
    /// Not decided: the buyer has to transfer the money.
    AwaitingDeposit,
    /// Refused.
    Declined,
    /// Held.
    Authorized,
    /// Taken in part.
    PartiallyCaptured,
    /// Taken; the rest, if any, was let go.
    Captured,
    /// Let go.
    Voided,
}

impl ProviderStatus {
    /// Where the provider does not count its snapshots, news of a lower rank than what is known is old news,
    /// however late it arrives. A refusal ranks below an authorization: providers were seen to report DONE and
    /// then ABORTED for one payment. Stored.
    pub fn rank(self) -> u8 {
        match self {
            Self::Pending | Self::RequiresAction | Self::AwaitingDeposit => 1,
            Self::Declined => 2,
            Self::Authorized => 3,
            Self::PartiallyCaptured => 4,
            Self::Captured => 5,
            Self::Voided => 6,
        }
    }

    /// True while there is something to let go.
    pub fn can_be_voided(self) -> bool {
        match self {
            Self::Pending
            | Self::RequiresAction
            | Self::AwaitingDeposit
            | Self::Authorized
            | Self::PartiallyCaptured => true,
            Self::Declined | Self::Captured | Self::Voided => false,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Approved(Snapshot),
    /// Refused; nothing was done.
    Declined {
        /// The provider's code in our words.
        code: String,
        /// True if another try or another payment method may work.
        retryable: bool,
        /// The provider's name for the refused authorization, if it keeps one.
        provider_ref: Option<String>,
    },
    /// Accepted, not decided; a webhook or a query tells.
    Pending(Snapshot),
    /// Sent, and nobody knows what became of it.
    Unknown(String),
    /// Nothing was done: the same call may be made again.
    Unreachable(String),
}

/// A query failed; it may be asked again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider does not answer: {0}")]
pub struct QueryError(pub String);

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The provider's id of the event; unique.
    pub event_id: String,
    /// The provider's word for what happened.
    pub event_type: String,
    /// The authorization as the provider sees it; `None` for events that do not concern us.
    pub snapshot: Option<Snapshot>,
}

/// Why a webhook is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// No signature, or a wrong one.
    #[error("the signature is missing or wrong")]
    Forged,
    /// Signed too long ago, or in the future.
    #[error("the timestamp is outside the replay window")]
    OutsideWindow,
    /// Signed, but not what this provider sends.
    #[error("the event cannot be read: {0}")]
    Malformed(String),
}

/// A payment provider.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Holds the money.
    async fn authorize(&self, call: &ProviderCall) -> Outcome;
    /// Takes money that is held.
    async fn capture(&self, call: &ProviderCall) -> Outcome;
    /// Lets go of what was not taken.
    async fn void(&self, call: &ProviderCall) -> Outcome;
    /// Gives money back.
    async fn refund(&self, call: &ProviderCall) -> Outcome;
    /// What the provider knows of the authorization of `call`; `None` if it never heard of it.
    async fn query(&self, call: &ProviderCall) -> Result<Option<Snapshot>, QueryError>;
    /// Checks and reads a webhook.
    fn parse_webhook(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Notice, NoticeError>;
}

/// The providers that are configured, by name.
#[derive(Clone, Default)]
pub struct Providers(BTreeMap<String, Arc<dyn Provider>>);

impl Providers {
    /// Adds `provider` as `name`.
    pub fn with(mut self, name: &str, provider: Arc<dyn Provider>) -> Self {
        self.0.insert(name.to_owned(), provider);
        self
    }

    /// The provider called `name`.
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.0.get(name)
    }
}

impl Providers {
    /// What the provider of `call` knows of its authorization.
    pub(crate) async fn query(&self, call: &ProviderCall) -> Result<Option<Snapshot>, QueryError> {
        match self.find(&call.provider) {
            Some(provider) => provider.query(call).await,
            None => Err(QueryError(format!("the provider `{}` is not configured", call.provider))),
        }
    }
}

/// Makes `call`.
pub(crate) async fn make(provider: &dyn Provider, call: &ProviderCall) -> Outcome {
    match call.kind {
        OperationKind::Authorize => provider.authorize(call).await,
        OperationKind::Capture => provider.capture(call).await,
        OperationKind::Void => provider.void(call).await,
        OperationKind::Refund => provider.refund(call).await,
    }
}
