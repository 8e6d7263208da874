//! Sessions and sign-in attempts in SQLite.

use chassis::{StoreError, outbox};
use contracts::auth::{AccountId, SessionId};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::{accounts, audit, rows};
use crate::{
    account::Account,
    audit::{AuditEntry, AuditType, Stamp},
    error::Error,
    secret::Digest,
    session::{RefreshAttempt, Session},
    store::NewSession,
    throttle::Throttle,
};

pub(super) fn count_attempt(
    tx: &Connection,
    email_digest: Digest,
    locked_out: AuditEntry,
) -> Result<Result<(), Error>, Error> {
    let before = rows::find(
        tx,
        "SELECT attempts, locked_until, attempted_at FROM sign_in_attempts WHERE email_digest = ?1",
        [email_digest],
        |row| {
            Ok(Throttle {
                attempts: row.get("attempts")?,
                locked_until: rows::time(row, "locked_until")?,
                attempted_at: rows::time(row, "attempted_at")?,
            })
        },
    )?;
    match Throttle::attempt(before, locked_out.stamp.at) {
        Ok(throttle) => {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO sign_in_attempts (email_digest, attempts, locked_until, attempted_at)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((
                email_digest,
                throttle.attempts,
                throttle.locked_until.as_microsecond(),
                throttle.attempted_at.as_microsecond(),
            ))?;
            Ok(Ok(()))
        }
        Err(locked) => {
            let retry_after_seconds = locked.retry_after_seconds;
            audit::append(tx, &locked_out.detail("retry_after_seconds", retry_after_seconds.to_string()))?;
            Ok(Err(Error::LockedOut { retry_after_seconds }))
        }
    }
}

pub(super) fn forget_attempts(tx: &Connection, email_digest: Digest) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM sign_in_attempts WHERE email_digest = ?1")?.execute([email_digest])?;
    Ok(())
}

pub(super) fn start(tx: &Connection, new: &NewSession) -> Result<(), Error> {
    let session = &new.session;
    if !accounts::credentials_hold(tx, session.account_id, &new.seen_hash)? {
        return Err(Error::WrongCredentials);
    }
    tx.prepare_cached(
        "INSERT INTO sessions (id, account_id, family_digest, token_digest, user_agent, created_at, refreshed_at,
                               idle_until, expires_at, revoked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((
        session.id.to_string(),
        session.account_id.to_string(),
        session.family_digest,
        session.token_digest,
        &session.user_agent,
        session.created_at.as_microsecond(),
        session.refreshed_at.as_microsecond(),
        session.idle_until.as_microsecond(),
        session.expires_at.as_microsecond(),
        rows::micros(session.revoked_at),
    ))?;
    forget_attempts(tx, new.email_digest)?;
    audit::append(tx, &new.audit)?;
    Ok(())
}

pub(super) fn refresh(tx: &Connection, attempt: &RefreshAttempt) -> Result<Option<(Session, Account)>, StoreError> {
    let session = rows::find(tx, "SELECT * FROM sessions WHERE family_digest = ?1", [attempt.family_digest], read)?;
    let found = match session {
        None => None,
        Some(session) => {
            let account = accounts::find(tx, session.account_id)?;
            Some((session, account.ok_or_else(|| StoreError::corrupt("sessions.account_id", "no such account"))?))
        }
    };
    let verdict = attempt.judge(found.as_ref().map(|(session, account)| (session, account)));
    if let Some(session) = &verdict.session {
        update(tx, session)?;
    }
    audit::append(tx, &verdict.audit)?;
    let account = found.map(|(_, account)| account);
    if let (Some(event), Some(account)) = (&verdict.event, &account) {
        outbox::publish(tx, event, attempt.event_id, &account.id.to_string(), attempt.stamp.at)?;
    }
    Ok(verdict.session.zip(account).filter(|_| verdict.granted))
}

fn update(tx: &Connection, session: &Session) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE sessions SET token_digest = ?2, refreshed_at = ?3, idle_until = ?4, revoked_at = ?5 WHERE id = ?1",
    )?
    .execute((
        session.id.to_string(),
        session.token_digest,
        session.refreshed_at.as_microsecond(),
        session.idle_until.as_microsecond(),
        rows::micros(session.revoked_at),
    ))?;
    Ok(())
}

pub(super) fn list(
    connection: &Connection,
    account_id: AccountId,
    now: Timestamp,
    after: Option<SessionId>,
    limit: u32,
) -> Result<Vec<Session>, StoreError> {
    rows::list(
        connection,
        "SELECT * FROM sessions
         WHERE account_id = ?1 AND (?2 IS NULL OR id < ?2) AND revoked_at IS NULL AND idle_until > ?3 AND expires_at > ?3
         ORDER BY id DESC LIMIT ?4",
        (account_id.to_string(), after.map(|id| id.to_string()), now.as_microsecond(), limit),
        read,
    )
}

pub(super) fn revoke(tx: &Connection, account_id: AccountId, id: SessionId, stamp: &Stamp) -> Result<bool, StoreError> {
    let revoked = tx
        .prepare_cached(
            "UPDATE sessions SET revoked_at = ?3
             WHERE id = ?1 AND account_id = ?2 AND revoked_at IS NULL AND idle_until > ?3 AND expires_at > ?3",
        )?
        .execute((id.to_string(), account_id.to_string(), stamp.at.as_microsecond()))?;
    if revoked > 0 {
        audit::append(tx, &stamp.entry(AuditType::SessionRevoked).target(id))?;
    }
    Ok(revoked > 0)
}

/// Ends all sessions of an account but `keep`; answers how many.
pub(super) fn revoke_all(
    tx: &Connection,
    account_id: AccountId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    Ok(tx
        .prepare_cached(
            "UPDATE sessions SET revoked_at = ?3 WHERE account_id = ?1 AND id IS NOT ?2 AND revoked_at IS NULL",
        )?
        .execute((account_id.to_string(), keep.map(|id| id.to_string()), now.as_microsecond()))?)
}

pub(super) fn sweep(tx: &Connection, sessions_before: Timestamp, attempts_before: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM sessions WHERE idle_until < ?1")?.execute([sessions_before.as_microsecond()])?;
    tx.prepare_cached("DELETE FROM sign_in_attempts WHERE attempted_at < ?1")?
        .execute([attempts_before.as_microsecond()])?;
    Ok(())
}

/// Sessions of nobody.
pub(super) fn orphans(connection: &Connection) -> Result<Vec<SessionId>, StoreError> {
    rows::list(
        connection,
        "SELECT id FROM sessions WHERE account_id NOT IN (SELECT id FROM accounts) ORDER BY id LIMIT 100",
        [],
        |row| rows::parse(row, "id"),
    )
}

fn read(row: &Row<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        id: rows::parse(row, "id")?,
        account_id: rows::parse(row, "account_id")?,
        family_digest: row.get("family_digest")?,
        token_digest: row.get("token_digest")?,
        user_agent: row.get("user_agent")?,
        created_at: rows::time(row, "created_at")?,
        refreshed_at: rows::time(row, "refreshed_at")?,
        idle_until: rows::time(row, "idle_until")?,
        expires_at: rows::time(row, "expires_at")?,
        revoked_at: rows::optional_time(row, "revoked_at")?,
    })
}
