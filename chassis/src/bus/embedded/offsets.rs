//! How far each group has read. Kept in memory and written a few times a second, all groups together:
//! after a crash a group sees the last events again, which its inbox ignores.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::Notify;

use super::log;
use crate::{
    Env, StoreError,
    bus::{BusError, StartFrom},
    sqlite::Database,
};

const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

pub(super) struct Offsets {
    env: Env,
    database: Database,
    groups: Mutex<HashMap<String, HashMap<String, Offset>>>,
    dirty: Notify,
}

#[derive(Clone, Copy)]
struct Offset {
    position: u64,
    saved: bool,
}

impl Offsets {
    /// Offsets kept in `database`, written by a background task.
    pub(super) fn start(env: &Env, database: Database) -> Arc<Self> {
        let this = Arc::new(Self { env: env.clone(), database, groups: Mutex::default(), dirty: Notify::new() });
        let writer = Arc::clone(&this);
        env.spawn("bus-offsets", async move { writer.write_behind().await });
        this
    }

    /// Where `group` is in `topic`. Asking makes the group known: retention waits for it from now on.
    pub(super) async fn join(&self, group: &str, topic: &str, from: StartFrom) -> Result<u64, BusError> {
        if let Some(known) = self.lock().get(group).and_then(|topics| topics.get(topic)) {
            return Ok(known.position);
        }
        let (wanted_group, wanted_topic) = (group.to_owned(), topic.to_owned());
        let place = move |connection: &Connection| match log::offset(connection, &wanted_group, &wanted_topic)? {
            Some(position) => Ok(Offset { position, saved: true }),
            None => {
                let position = match from {
                    StartFrom::Earliest => 0,
                    StartFrom::Offset(offset) => offset.saturating_sub(1),
                    StartFrom::Latest => log::end(connection, &wanted_topic)?,
                };
                Ok(Offset { position, saved: false })
            }
        };
        let place = self.database.read(place).await.map_err(|error: StoreError| BusError(error.to_string()))?;
        let position = self.advance(group, topic, place);
        if !place.saved && from != StartFrom::Earliest {
            // Kept before anything is read: a group that joined at the end must not miss what comes while it is down.
            self.flush().await.map_err(|error| BusError(error.to_string()))?;
        }
        Ok(position)
    }

    /// Moves `group` forward in `topic`, never back.
    pub(super) async fn set(&self, group: &str, topic: &str, position: u64) -> Result<(), BusError> {
        self.advance(group, topic, Offset { position, saved: false });
        if self.env.is_stopping() {
            // The background task may have written for the last time.
            self.flush().await.map_err(|error| BusError(error.to_string()))?;
        }
        Ok(())
    }

    /// All known groups with their topics and positions.
    pub(super) fn all(&self) -> Vec<(String, String, u64)> {
        self.collect(|_| true)
    }

    fn advance(&self, group: &str, topic: &str, offset: Offset) -> u64 {
        let mut groups = self.lock();
        let known = groups.get_mut(group).and_then(|topics| topics.get_mut(topic));
        let position = match known {
            Some(known) if known.position >= offset.position => known.position,
            Some(known) => {
                *known = offset;
                offset.position
            }
            None => {
                groups.entry(group.to_owned()).or_default().insert(topic.to_owned(), offset);
                offset.position
            }
        };
        drop(groups);
        if !offset.saved {
            self.dirty.notify_one();
        }
        position
    }

    async fn write_behind(&self) {
        loop {
            tokio::select! {
                biased;
                () = self.env.stopping() => break,
                () = self.dirty.notified() => {}
            }
            tokio::select! {
                biased;
                () = self.env.stopping() => break,
                () = tokio::time::sleep(FLUSH_INTERVAL) => {}
            }
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "the offsets of the bus stay unwritten for now");
                self.dirty.notify_one();
            }
        }
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "the last offsets of the bus were not written; some events will be seen again");
        }
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let unsaved = self.collect(|offset| !offset.saved);
        if unsaved.is_empty() {
            return Ok(());
        }
        crate::fail_point!("bus.offsets.before");
        let written: Vec<(String, String, u64)> = self
            .database
            .write_unsynced(move |transaction| {
                for (group, topic, position) in &unsaved {
                    log::save_offset(transaction, group, topic, *position)?;
                }
                Ok::<_, StoreError>(unsaved)
            })
            .await?;
        crate::fail_point!("bus.offsets.after");
        let mut groups = self.lock();
        for (group, topic, position) in written {
            let known = groups.get_mut(&group).and_then(|topics| topics.get_mut(&topic));
            if let Some(known) = known.filter(|known| known.position == position) {
                known.saved = true;
            }
        }
        Ok(())
    }

    fn collect(&self, wanted: impl Fn(&Offset) -> bool) -> Vec<(String, String, u64)> {
        let mut found = Vec::new();
        for (group, topics) in &*self.lock() {
            for (topic, offset) in topics.iter().filter(|(_, offset)| wanted(offset)) {
                found.push((group.clone(), topic.clone(), offset.position));
            }
        }
        found.sort();
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, Offset>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
