//! Snapshots: what a long stream comes to at one point, so that not all of it has to be read every time. The stream
//! stays the truth: a snapshot that does not fit is passed over.

use contracts::order::OrderId;

use super::{
    Order,
    stream::{Hash, StoredFact},
};

/// A snapshot is taken after so many facts, again and again.
pub(crate) const FACTS_PER_SNAPSHOT: u64 = 32;
/// The shape of the state. Raise it with every change of what an order is made of: a snapshot of another
/// shape, older or newer, is not read.
pub(crate) const SNAPSHOT_SCHEMA: u32 = 1;

/// An order as it was after one of its facts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The `seq` of the fact that it ends with.
    pub(crate) version: u64,
    pub(crate) schema: u32,
    /// The order, JSON.
    pub(crate) state: String,
    /// The hash of the fact that it ends with.
    pub(crate) hash: Hash,
}

/// What a store has of an order: its stream, or a snapshot with the stream from the fact on that it ends with.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) facts: Vec<StoredFact>,
}

impl Snapshot {
    /// The snapshot of `order`.
    pub(crate) fn take(order: &Order) -> Result<Self, serde_json::Error> {
        let state = serde_json::to_string(order)?;
        Ok(Self { version: order.version, schema: SNAPSHOT_SCHEMA, state, hash: order.head })
    }

    /// The snapshot of `order`, if it is time for one: it had `before` facts when the last append began.
    pub(crate) fn if_due(order: &Order, before: u64) -> Result<Option<Self>, serde_json::Error> {
        let due = before / FACTS_PER_SNAPSHOT < order.version / FACTS_PER_SNAPSHOT;
        due.then(|| Self::take(order)).transpose()
    }

    /// The order that this is a snapshot of; `None` if this program cannot read it or it is of another stream.
    pub(crate) fn open(&self, id: OrderId) -> Option<Order> {
        if self.schema != SNAPSHOT_SCHEMA {
            return None;
        }
        let order: Order = serde_json::from_str(&self.state).ok()?;
        (order.id == id && order.version == self.version && order.head == self.hash).then_some(order)
    }
}

impl Order {
    /// Makes the order from a snapshot and the facts from its last one on; `None` if they do not belong together,
    /// so that the whole stream has to be read.
    pub(crate) fn resume(id: OrderId, snapshot: &Snapshot, facts: &[StoredFact]) -> Option<Self> {
        let mut order = snapshot.open(id)?;
        let (last, later) = facts.split_first()?;
        if last.seq != snapshot.version || last.hash != snapshot.hash {
            return None;
        }
        order.follow(later).ok()?;
        Some(order)
    }
}
