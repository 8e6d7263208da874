//! The bus in one SQLite file: a log that needs no server.
//!
//! A record is in the file when `publish` returns and on disk after `sync`: its publisher's outbox holds it
//! until then. Consumer groups that keep up read from memory; a group that was away reads the file until it
//! has caught up.

mod append;
mod log;
mod offsets;
mod tail;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use self::{
    append::{Append, Appender},
    offsets::Offsets,
};
use super::{Bus, BusError, DeadLetter, Delivery, Record, StartFrom};
use crate::{
    Env, StoreError,
    sqlite::{Database, Location, OpenError},
};

const LAG_INTERVAL: Duration = Duration::from_secs(5);
const EXPIRE_INTERVAL: Duration = Duration::from_secs(60);

/// How long the log keeps what was said.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Records that every known group has handled stay this long.
    pub kept: Duration,
    /// Records that some group has not handled yet stay this long, and then they go too.
    pub kept_max: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { kept: Duration::from_secs(7 * 24 * 3600), kept_max: Duration::from_secs(14 * 24 * 3600) }
    }
}

/// A durable log in one SQLite file.
pub struct EmbeddedBus {
    database: Database,
    appender: Arc<Appender>,
    offsets: Arc<Offsets>,
}

impl EmbeddedBus {
    /// Opens or creates the log and starts its background tasks.
    pub fn open(env: &Env, location: &Location) -> Result<Arc<Self>, OpenError> {
        Self::open_with(env, location, Retention::default())
    }

    /// The same with another retention.
    pub fn open_with(env: &Env, location: &Location, retention: Retention) -> Result<Arc<Self>, OpenError> {
        let database = Database::open(location, &log::SCHEMA)?;
        let appender = Appender::new(env, database.clone());
        let offsets = Offsets::start(env, database.clone());
        let this = Arc::new(Self { database, appender, offsets });
        let (keeper, task_env) = (Arc::clone(&this), env.clone());
        env.spawn("bus-retention", async move { keeper.keep_house(&task_env, retention).await });
        Ok(this)
    }

    async fn keep_house(&self, env: &Env, retention: Retention) {
        let mut expire_at = tokio::time::Instant::now() + EXPIRE_INTERVAL;
        loop {
            tokio::select! {
                biased;
                () = env.stopping() => return,
                () = tokio::time::sleep(LAG_INTERVAL) => {}
            }
            let mut result = self.report_lag().await;
            if tokio::time::Instant::now() >= expire_at {
                expire_at = tokio::time::Instant::now() + EXPIRE_INTERVAL;
                result = result.and(self.expire(env, retention).await);
            }
            if let Err(error) = result {
                tracing::warn!(%error, "the bus could not look after its log");
            }
        }
    }

    async fn report_lag(&self) -> Result<(), StoreError> {
        for (group, topic, offset) in self.offsets.all() {
            let lag = match self.appender.tail.count_after(&topic, offset) {
                Some(lag) => lag,
                None => {
                    let topic = topic.clone();
                    self.database.read(move |connection| log::count_after(connection, &topic, offset)).await?
                }
            };
            metrics::gauge!("bus_lag", "group" => group, "topic" => topic).set(lag as f64);
        }
        Ok(())
    }

    async fn expire(&self, env: &Env, retention: Retention) -> Result<(), StoreError> {
        let ago = |kept| env.now().checked_sub(kept).unwrap_or(Timestamp::MIN);
        let (old, too_old) = (ago(retention.kept), ago(retention.kept_max));
        for topic in self.database.read(log::topics).await? {
            let mut more = true;
            while more && !env.is_stopping() {
                let topic = topic.clone();
                more = self.database.write(move |transaction| log::expire(transaction, &topic, old, too_old)).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError> {
        if records.is_empty() {
            return Ok(());
        }
        self.appender.append(Append::Records(records)).await.map(|_| ())
    }

    async fn sync(&self) -> Result<(), BusError> {
        Ok(self.database.sync().await?)
    }

    async fn fetch(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError> {
        loop {
            let changed = self.appender.tail.changed(topic);
            let found = self.read(topic, offset, limit).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            changed.await;
        }
    }

    async fn read(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError> {
        if let Some(found) = self.appender.tail.read(topic, offset, limit) {
            return Ok(found);
        }
        let topic = topic.to_owned();
        Ok(self.database.read(move |connection| log::read(connection, &topic, offset, limit)).await?)
    }

    async fn join(&self, group: &str, topic: &str, from: StartFrom) -> Result<u64, BusError> {
        self.offsets.join(group, topic, from).await
    }

    async fn commit(&self, group: &str, topic: &str, offset: u64) -> Result<(), BusError> {
        self.offsets.set(group, topic, offset).await
    }

    async fn bury(
        &self,
        group: &str,
        record: Record,
        reason: &str,
        attempts: u32,
        at: Timestamp,
    ) -> Result<(), BusError> {
        let letter = DeadLetter { id: 0, group: group.to_owned(), record, reason: reason.to_owned(), attempts, at };
        self.database.write(move |transaction| log::bury(transaction, &letter)).await.map_err(BusError::from)
    }

    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.database.read(move |connection| log::dead_letters(connection, after, limit)).await.map_err(BusError::from)
    }

    async fn replay_dead_letter(&self, id: u64) -> Result<bool, BusError> {
        let replayed = self.appender.append(Append::DeadLetter(id)).await?;
        self.sync().await?;
        Ok(replayed)
    }

    async fn discard_dead_letter(&self, id: u64) -> Result<bool, BusError> {
        self.database.write(move |transaction| log::discard(transaction, id)).await.map_err(BusError::from)
    }
}

impl From<StoreError> for BusError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{Bus as _, EmbeddedBus, Env, Location, Record, Retention, StartFrom, StoreError, log};

    #[tokio::test(start_paused = true)]
    async fn forgets_what_every_group_handled_and_at_last_the_rest() {
        let day = Duration::from_secs(24 * 3600);
        let (env, clock) = Env::simulated(1);
        let retention = Retention { kept: day, kept_max: 3 * day };
        let bus = EmbeddedBus::open_with(&env, &Location::Memory, retention).unwrap();
        let record = || Record { topic: "t".into(), key: "k".into(), id: env.new_id(), payload: Bytes::new() };
        bus.publish(vec![record(), record()]).await.unwrap();
        assert_eq!(bus.join("g", "t", StartFrom::Earliest).await.unwrap(), 0);
        bus.commit("g", "t", 1).await.unwrap();
        let kept = async || {
            tokio::time::sleep(Duration::from_secs(130)).await;
            let kept = bus.database.read(|connection| log::read(connection, "t", 0, 10)).await;
            let kept = kept.map_err(|error: StoreError| error.to_string()).unwrap();
            kept.iter().map(|delivery| delivery.offset).collect::<Vec<_>>()
        };
        assert_eq!(kept().await, [1, 2]);
        clock.advance(2 * day);
        bus.publish(vec![record()]).await.unwrap();
        assert_eq!(kept().await, [2, 3], "1 was handled and is old; 2 is waited for");
        clock.advance(2 * day);
        assert_eq!(kept().await, [3], "2 is too old even for those who have not handled it");
        env.stop().await;
    }
}
