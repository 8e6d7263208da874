//! Rows of what providers told.

use chassis::StoreError;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::store::{ProviderEvent, Taken};

/// False if the event was stored before.
pub(super) fn insert(transaction: &Connection, event: &ProviderEvent, now: Timestamp) -> Result<bool, StoreError> {
    let inserted = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO provider_events (provider, event_id, event_type, payment_id, body, taken, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'unmatched', ?6)",
        )?
        .execute((
            &event.provider,
            &event.event_id,
            &event.event_type,
            event.about.as_ref().map(|(id, _)| id.to_string()),
            &event.body,
            now.as_microsecond(),
        ))?;
    Ok(inserted == 1)
}

pub(super) fn forget(transaction: &Connection, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
    Ok(transaction
        .prepare_cached(
            "DELETE FROM provider_events WHERE (provider, event_id) IN (
                 SELECT provider, event_id FROM provider_events WHERE received_at < ?1 ORDER BY received_at LIMIT ?2)",
        )?
        .execute((before.as_microsecond(), limit))?)
}

pub(super) fn mark(transaction: &Connection, provider: &str, event_id: &str, taken: Taken) -> Result<(), StoreError> {
    if taken != Taken::Unmatched {
        transaction
            .prepare_cached("UPDATE provider_events SET taken = ?3 WHERE provider = ?1 AND event_id = ?2")?
            .execute((provider, event_id, taken.as_str()))?;
    }
    Ok(())
}
