//! The bus as services see it: the real one, in a process that dies, behind a network that fails.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{
    bus::{Bus, BusError, DeadLetter, Delivery, EmbeddedBus, Record, StartFrom},
    transport::TransportError,
};
use futures::{FutureExt as _, future::BoxFuture};
use jiff::Timestamp;

use crate::{
    fault::Fault,
    world::{Errand, Place, World},
};

/// The bus, from elsewhere.
pub struct SimBus {
    pub(crate) world: Arc<World>,
    pub(crate) from: Place,
}

fn unavailable(error: TransportError) -> BusError {
    BusError(error.to_string())
}

impl SimBus {
    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        ask: impl FnOnce(Arc<EmbeddedBus>) -> BoxFuture<'static, Result<T, BusError>> + Send + 'static,
    ) -> Result<T, BusError> {
        let errand: Errand<Result<T, BusError>> = Box::new(move |parts| parts.bus.map(ask));
        self.world.call(Place::Broker, what, errand).await.unwrap_or_else(|error| Err(unavailable(error)))
    }

    /// Records of one key stay in their order; which key comes first is chance.
    fn reorder(&self, records: Vec<Record>) -> Vec<Record> {
        let mut by_key: BTreeMap<(String, String), Vec<Record>> = BTreeMap::new();
        for record in records {
            by_key.entry((record.topic.clone(), record.key.clone())).or_default().push(record);
        }
        let mut keys: Vec<Vec<Record>> = by_key.into_values().collect();
        self.world.faults.shuffle(Fault::BusReordered, &mut keys);
        keys.into_iter().flatten().collect()
    }

    fn repeat_later(&self, record: Record) {
        let world = Arc::clone(&self.world);
        let millis = world.faults.size(Fault::BusRepeated, 0, 60_000);
        self.world.background(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            if let (Some(bus), Some(env)) = (world.parts(Place::Broker).bus, world.env(Place::Broker)) {
                world.log(format_args!("{} {} comes again", record.topic, record.id));
                // One that is not taken is one repetition less.
                let _ = env.live(bus.publish(vec![record])).await;
            }
        });
    }
}

#[async_trait]
impl Bus for SimBus {
    async fn publish(&self, mut records: Vec<Record>) -> Result<(), BusError> {
        let from = self.from.name();
        if self.world.strikes(Fault::BusRefused, &from) {
            return Err(BusError("the broker does not answer".to_owned()));
        }
        if records.len() > 1 && self.world.strikes(Fault::BusReordered, &from) {
            records = self.reorder(records);
        }
        for record in &records {
            let kind = kind(&record.payload);
            self.world.log(format_args!("{from} says {kind} of {} ({})", record.key, record.id));
        }
        if self.world.strikes(Fault::BusRepeated, &from) {
            let at = self.world.faults.size(Fault::BusRepeated, 0, records.len().saturating_sub(1) as u64);
            if let Some(record) = records.get(usize::try_from(at).unwrap_or(0)) {
                self.repeat_later(record.clone());
            }
        }
        self.ask("publish", |bus| async move { bus.publish(records).await }.boxed()).await?;
        if self.world.strikes(Fault::BusUnanswered, &from) {
            return Err(BusError("the broker went away".to_owned()));
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), BusError> {
        self.ask("sync", |bus| async move { bus.sync().await }.boxed()).await
    }

    async fn fetch(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError> {
        let gone = || BusError("the broker is down".to_owned());
        let (bus, env) = match (self.world.parts(Place::Broker).bus, self.world.env(Place::Broker)) {
            (Some(bus), Some(env)) => (bus, env),
            _ => return Err(gone()),
        };
        let deliveries = env.live(bus.fetch(topic, offset, limit)).await.ok_or_else(gone)??;
        if self.world.strikes(Fault::BusDelayed, &self.from.name()) {
            let millis = self.world.faults.size(Fault::BusDelayed, 100, 120_000);
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        for delivery in &deliveries {
            self.world.log(format_args!(
                "{} hears {} of {} ({})",
                self.from.name(),
                kind(&delivery.record.payload),
                delivery.record.key,
                delivery.offset
            ));
        }
        Ok(deliveries)
    }

    async fn read(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError> {
        let topic = topic.to_owned();
        self.ask("read", move |bus| async move { bus.read(&topic, offset, limit).await }.boxed()).await
    }

    async fn join(&self, group: &str, topic: &str, from: StartFrom) -> Result<u64, BusError> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.ask("join", move |bus| async move { bus.join(&group, &topic, from).await }.boxed()).await
    }

    async fn commit(&self, group: &str, topic: &str, offset: u64) -> Result<(), BusError> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.ask("commit", move |bus| async move { bus.commit(&group, &topic, offset).await }.boxed()).await
    }

    async fn bury(
        &self,
        group: &str,
        record: Record,
        reason: &str,
        attempts: u32,
        at: Timestamp,
    ) -> Result<(), BusError> {
        self.world.log(format_args!("{group} buries {} of {}: {reason}", kind(&record.payload), record.key));
        let (group, reason) = (group.to_owned(), reason.to_owned());
        self.ask("bury", move |bus| async move { bus.bury(&group, record, &reason, attempts, at).await }.boxed()).await
    }

    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.ask("dead letters", move |bus| async move { bus.dead_letters(after, limit).await }.boxed()).await
    }

    async fn replay_dead_letter(&self, id: u64) -> Result<bool, BusError> {
        self.ask("replay", move |bus| async move { bus.replay_dead_letter(id).await }.boxed()).await
    }

    async fn discard_dead_letter(&self, id: u64) -> Result<bool, BusError> {
        self.ask("discard", move |bus| async move { bus.discard_dead_letter(id).await }.boxed()).await
    }
}

/// The type of an event, for the trace.
fn kind(payload: &[u8]) -> String {
    let event = serde_json::from_slice::<serde_json::Value>(payload).unwrap_or_default();
    event["type"].as_str().unwrap_or("?").to_owned()
}
