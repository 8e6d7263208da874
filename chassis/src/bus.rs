//! The bus: what happened, told to whoever wants to know. Topics keep events for a while; every consumer
//! group reads each event, in order within a key.
//!
//! This file holds the port and the consumer runtime that all adapters share; `bus/embedded.rs` is the
//! durable log that needs no server.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use contracts::event::{Envelope, EventId};
use jiff::Timestamp;

mod consumer;
#[cfg(any(test, feature = "contract-tests"))]
pub mod contract;
mod embedded;
#[cfg(test)]
mod tests;

pub(crate) use consumer::panic_message;
pub use consumer::{ConsumerConfig, start_consumer};
pub use embedded::{EmbeddedBus, Retention};

/// An event on its way to the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it goes: `order.events`.
    pub topic: String,
    /// Events of one key stay in order.
    pub key: String,
    /// The event's id; a record published twice keeps it.
    pub id: EventId,
    /// The CloudEvent in JSON.
    pub payload: Bytes,
}

/// An event that a consumer group has been given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the topic.
    pub offset: u64,
    /// The event.
    pub record: Record,
}

/// An event that a consumer group gave up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Identifies the dead letter.
    pub id: u64,
    /// Who gave up.
    pub group: String,
    /// The event.
    pub record: Record,
    /// What went wrong at the last attempt.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// Where a consumer group begins that has never read a topic. Where it has, it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartFrom {
    /// With the oldest event that is kept.
    #[default]
    Earliest,
    /// With the event at this offset, or the first one after it.
    Offset(u64),
    /// With what is published from now on.
    Latest,
}

/// The bus cannot take or give events now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the bus is unavailable: {0}")]
pub struct BusError(pub String);

/// A durable log of events with consumer groups.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Appends the records in order; when this returns `Ok`, consumers see them. They are durable once a later
    /// [`sync`](Self::sync) has returned: until then the publisher keeps them, to publish them again.
    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError>;

    /// Makes durable what was published so far; does nothing where `publish` does that.
    async fn sync(&self) -> Result<(), BusError>;

    /// Up to `limit` deliveries of `topic` after `offset` (exclusive; 0 for the beginning), waiting until
    /// there is at least one.
    async fn fetch(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError>;

    /// The same without waiting; empty at the end of the topic.
    async fn read(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError>;

    /// The offset up to which `group` has handled `topic`. A group that has never asked before joins `from` there,
    /// which is kept: where it joined is where it goes on after a restart, even if nothing has happened since.
    async fn join(&self, group: &str, topic: &str, from: StartFrom) -> Result<u64, BusError>;

    /// Notes that `group` has handled `topic` up to and including `offset`. May be written late: after a
    /// crash a group sees some events again.
    async fn commit(&self, group: &str, topic: &str, offset: u64) -> Result<(), BusError>;

    /// Keeps an event that `group` gave up on. Durable on return.
    async fn bury(
        &self,
        group: &str,
        record: Record,
        reason: &str,
        attempts: u32,
        at: Timestamp,
    ) -> Result<(), BusError>;

    /// Dead letters after `after` (exclusive), oldest first.
    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, BusError>;

    /// Moves a dead letter to the [`retry_topic`] of the group that gave up, and of no other: its consumer
    /// handles the event again. `false` if there is no such dead letter.
    async fn replay_dead_letter(&self, id: u64) -> Result<bool, BusError>;

    /// Drops a dead letter for good. `false` if there is no such dead letter.
    async fn discard_dead_letter(&self, id: u64) -> Result<bool, BusError>;
}

/// Where the replayed dead letters of `group` go: a topic like any other that only this group reads.
pub fn retry_topic(topic: &str, group: &str) -> String {
    format!("{topic}.retry.{group}")
}

/// Handles the events of one consumer group.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Handles one event. Must be idempotent: note the event in the inbox with the effect.
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError>;
}

/// Why an event was not handled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsumeError {
    /// What the handler needs is down, which is not the event's fault: try again until it works.
    #[error("{0}")]
    Outage(String),
    /// Try again after a pause, a limited number of times.
    #[error("{0}")]
    Retry(String),
    /// It will never work: straight to the dead letters.
    #[error("{0}")]
    Poison(String),
}

impl From<crate::StoreError> for ConsumeError {
    fn from(error: crate::StoreError) -> Self {
        use crate::StoreError::{Corrupt, Full, Unavailable, Unknown};
        match &error {
            // A full disk must not turn every event of that hour into a dead letter.
            Unavailable(_) | Unknown(_) | Full => Self::Outage(error.to_string()),
            Corrupt(_) => Self::Retry(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for ConsumeError {
    fn from(error: serde_json::Error) -> Self {
        Self::Poison(format!("the event does not decode: {error}"))
    }
}

/// Pause before attempt `attempt + 1`: exponential from `base` to `max`, with half of it random.
pub fn backoff(env: &crate::Env, attempt: u32, base: Duration, max: Duration) -> Duration {
    let full = base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(max);
    let millis = u64::try_from(full.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis / 2 + env.random_below(millis / 2 + 1))
}
