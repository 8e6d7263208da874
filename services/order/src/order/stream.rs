//! The stream of an order: its facts in order, each with who, why, when, and the hash of the one before.

use contracts::order::OrderId;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::fact::Fact;

/// A SHA-256 hash in a stream.
pub(crate) type Hash = [u8; 32];

/// What the first fact of a stream names as the hash before it.
pub(crate) const GENESIS: Hash = [0; 32];

/// Who did something, because of what, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `acc_…`, `key_…`, `guest`, `payment`, `product`, `deadline`.
    pub(crate) actor: String,
    /// The request (`req_…`) or event (`evt_…`) that caused it.
    pub(crate) cause: String,
    pub(crate) at: Timestamp,
}

/// A fact in the form that stores keep, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredFact {
    /// 1 for the first of the order.
    pub(crate) seq: u64,
    pub(crate) kind: String,
    pub(crate) schema_version: u32,
    /// JSON.
    pub(crate) data: String,
    pub(crate) origin: Origin,
    /// The hash of the fact before.
    pub(crate) prev_hash: Hash,
    /// Over everything above and the order's id.
    pub(crate) hash: Hash,
}

impl StoredFact {
    /// Appends `fact` to the stream of `order_id` that ends with `seq - 1` and `prev_hash`.
    pub(crate) fn seal(
        order_id: OrderId,
        seq: u64,
        prev_hash: Hash,
        fact: &Fact,
        origin: Origin,
    ) -> Result<Self, serde_json::Error> {
        let mut stored = Self {
            seq,
            kind: fact.kind().to_owned(),
            schema_version: fact.schema_version(),
            data: fact.encode()?,
            origin,
            prev_hash,
            hash: GENESIS,
        };
        stored.hash = stored.compute_hash(order_id);
        Ok(stored)
    }

    /// The hash that this fact must have. Every field is preceded by its length, so that no two facts
    /// have the same bytes.
    pub(crate) fn compute_hash(&self, order_id: OrderId) -> Hash {
        let mut hasher = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        field(&self.prev_hash);
        field(order_id.as_uuid().as_bytes());
        field(&self.seq.to_be_bytes());
        field(self.kind.as_bytes());
        field(&self.schema_version.to_be_bytes());
        field(self.data.as_bytes());
        field(self.origin.actor.as_bytes());
        field(self.origin.cause.as_bytes());
        field(&self.origin.at.as_microsecond().to_be_bytes());
        hasher.finalize().into()
    }
}

/// What is wrong with the chain of `stream`, if anything.
pub(crate) fn broken_link(order_id: OrderId, stream: &[StoredFact]) -> Option<String> {
    let mut before = (0, GENESIS);
    for stored in stream {
        if stored.seq != before.0 + 1 {
            return Some(format!("event {} follows event {}", stored.seq, before.0));
        }
        if stored.prev_hash != before.1 {
            return Some(format!("event {} does not continue the hash of the one before", stored.seq));
        }
        if stored.hash != stored.compute_hash(order_id) {
            return Some(format!("event {} was changed after it was written", stored.seq));
        }
        before = (stored.seq, stored.hash);
    }
    None
}
