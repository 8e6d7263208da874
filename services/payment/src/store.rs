//! The store port: whole atomic operations in the words of the domain.

use async_trait::async_trait;
use chassis::{StoreError, idempotency::Receipt};
use contracts::{event::Envelope, order::OrderId, payment::PaymentId};
use jiff::Timestamp;

use crate::payment::{Change, Command, NewPayment, Payment, Refused, Reply, ledger::LedgerEntry};

#[cfg(test)]
mod contract;
mod sqlite;

pub use sqlite::{SCHEMA, SqliteStore};

/// The queue of calls to providers.
pub const PROVIDER_CALLS: &str = "payment.provider-calls";
/// This service's name as a consumer.
pub const CONSUMER: &str = "payment";

/// Which payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// By its id.
    Payment(PaymentId),
    /// By its order.
    Order(OrderId),
}

/// What an event of the order service asks for.
#[derive(Debug, Clone)]
pub enum OrderNews {
    /// A payment is wanted.
    Placed {
        /// Which.
        new: NewPayment,
        /// False if no such provider is configured.
        provider_known: bool,
    },
    /// Something happened to the order.
    Happened(OrderId, Command),
}

/// What a provider said by webhook. Only events whose signature was right come this far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEvent {
    /// Which provider.
    pub provider: String,
    /// Its id of the event.
    pub event_id: String,
    /// Its word for what happened.
    pub event_type: String,
    /// Exactly what was sent.
    pub body: Vec<u8>,
    /// Which payment it is about, if it is about one of ours.
    pub about: Option<(PaymentId, Command)>,
}

/// What became of a provider's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It changed the payment.
    Applied,
    /// It was old news.
    Stale,
    /// It was stored before.
    Duplicate,
    /// It is about nothing that is ours.
    Unmatched,
}

impl Taken {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Stale => "stale",
            Self::Duplicate => "duplicate",
            Self::Unmatched => "unmatched",
        }
    }
}

/// Why a change did not happen. Nothing was changed, unless the store says `Unknown`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The domain refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no such payment.
    #[error("there is no such payment")]
    NoPayment,
}

/// A payment with its books, as `verify` reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRecord {
    /// The payment.
    pub payment: Payment,
    /// Its ledger entries.
    pub ledger: Vec<LedgerEntry>,
}

/// Payments, their operations, their books and the provider's events.
#[async_trait]
pub trait PaymentStore: Send + Sync {
    /// Takes an event of the order service: inbox, payment, outgoing events and jobs in one commit. An event
    /// that was taken before changes nothing. The end of an order that has no payment is remembered, so that
    /// none is opened for it later.
    async fn take_order_news(&self, envelope: &Envelope, news: OrderNews, change: Change) -> Result<(), ChangeError>;

    /// Lets `command` happen to a payment: everything that follows is in one commit.
    async fn change(&self, payment: PaymentId, command: Command, change: Change) -> Result<Reply, ChangeError>;

    /// Like [`change`](Self::change), and keeps the answer under the caller's key in the same commit.
    async fn instruct(
        &self,
        payment: PaymentId,
        command: Command,
        change: Change,
        receipt: Receipt<PaymentRecord>,
    ) -> Result<PaymentRecord, ChangeError>;

    /// Stores a provider's event and applies it, in one commit.
    async fn take_provider_event(&self, event: ProviderEvent, change: Change) -> Result<Taken, ChangeError>;

    /// Forgets at most `limit` provider events that were received before `before`; says how many.
    async fn forget_provider_events(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;

    /// The payment, if it exists.
    async fn find(&self, lookup: Lookup) -> Result<Option<Payment>, StoreError>;

    /// Payments before `before` (exclusive), newest first, without their operations.
    async fn list(&self, before: Option<PaymentId>, limit: u32) -> Result<Vec<Payment>, StoreError>;

    /// The ledger entries of a payment, oldest first.
    async fn ledger(&self, payment: PaymentId) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Whole payments after `after` (exclusive) in the order of their ids, for `verify`.
    async fn records(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<PaymentRecord>, StoreError>;

    /// When anything last changed.
    async fn last_change(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Ledger transactions whose entries do not sum to zero, or mix currencies.
    async fn unbalanced(&self) -> Result<Vec<String>, StoreError>;
}
