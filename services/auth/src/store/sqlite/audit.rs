//! The audit trail in SQLite.

use chassis::StoreError;
use rusqlite::Connection;

use super::rows;
use crate::{
    audit::{AuditEntry, AuditEvent, AuditType},
    store::AuditFilter,
};

/// Gaps that a check names at most.
const GAPS_MAX: u32 = 100;

/// Appends. The next sequence is one more than the last: an INTEGER PRIMARY KEY picks it that way, no
/// row is ever deleted, and a transaction that is rolled back takes its number with it.
pub(super) fn append(tx: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    let details = serde_json::to_string(&entry.details)?;
    tx.prepare_cached(
        "INSERT INTO audit_events (type, actor, target, at, trace_id, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        entry.kind.as_str(),
        &entry.stamp.actor,
        &entry.target,
        entry.stamp.at.as_microsecond(),
        &entry.stamp.trace_id,
        details,
    ))?;
    Ok(())
}

pub(super) fn list(
    connection: &Connection,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditEvent>, StoreError> {
    rows::list(
        connection,
        "SELECT sequence, type, actor, target, at, trace_id, details FROM audit_events
         WHERE sequence < ?1 AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR target = ?3)
           AND (?4 IS NULL OR type = ?4) AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at < ?6)
         ORDER BY sequence DESC LIMIT ?7",
        (
            before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX),
            &filter.actor,
            &filter.target,
            filter.kind.map(AuditType::as_str),
            rows::micros(filter.from),
            rows::micros(filter.until),
            limit,
        ),
        |row| {
            let kind: String = row.get("type")?;
            let details: String = row.get("details")?;
            Ok(AuditEvent {
                sequence: row.get::<_, i64>("sequence")?.unsigned_abs(),
                kind: AuditType::find(&kind).ok_or_else(|| StoreError::corrupt("audit_events.type", &kind))?,
                actor: row.get("actor")?,
                target: row.get("target")?,
                at: rows::time(row, "at")?,
                trace_id: row.get("trace_id")?,
                details: serde_json::from_str(&details)?,
            })
        },
    )
}

/// Sequence numbers that come right after a gap.
pub(super) fn gaps(connection: &Connection) -> Result<Vec<u64>, StoreError> {
    rows::list(
        connection,
        "SELECT sequence FROM (SELECT sequence, lag(sequence, 1, 0) OVER (ORDER BY sequence) AS previous FROM audit_events)
         WHERE sequence <> previous + 1 ORDER BY sequence LIMIT ?1",
        [GAPS_MAX],
        |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()),
    )
}
