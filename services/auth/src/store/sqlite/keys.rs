//! API keys and signing keys in SQLite.

use chassis::StoreError;
use contracts::{Permission, auth::ApiKeyId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::{audit, rows};
use crate::{
    account::covers,
    api_key::ApiKey,
    audit::{AuditEntry, AuditType, Stamp},
    error::Error,
    secret::Digest,
    store::SigningKey,
};

pub(super) fn create_api_key(tx: &Connection, key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError> {
    let permissions = serde_json::to_string(&key.permissions)?;
    tx.prepare_cached(
        "INSERT INTO api_keys (id, name, prefix, secret_digest, permissions, created_by, created_at, expires_at,
                               revoked_at, last_used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((
        key.id.to_string(),
        &key.name,
        &key.prefix,
        key.secret_digest,
        permissions,
        &key.created_by,
        key.created_at.as_microsecond(),
        rows::micros(key.expires_at),
        rows::micros(key.revoked_at),
        rows::micros(key.last_used_at),
    ))?;
    audit::append(tx, entry)
}

pub(super) fn find_api_key(connection: &Connection, secret_digest: Digest) -> Result<Option<ApiKey>, StoreError> {
    rows::find(connection, "SELECT * FROM api_keys WHERE secret_digest = ?1", [secret_digest], read_api_key)
}

pub(super) fn list_api_keys(
    connection: &Connection,
    after: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>, StoreError> {
    rows::list(
        connection,
        "SELECT * FROM api_keys WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2",
        (after.map(|id| id.to_string()), limit),
        read_api_key,
    )
}

pub(super) fn revoke_api_key(
    tx: &Connection,
    id: ApiKeyId,
    authority: &[Permission],
    stamp: &Stamp,
) -> Result<(), Error> {
    let sql = "SELECT * FROM api_keys WHERE id = ?1 AND revoked_at IS NULL";
    let key = rows::find(tx, sql, [id.to_string()], read_api_key)?.ok_or(Error::NotFound("API key"))?;
    covers(authority, &key.permissions)?;
    tx.prepare_cached("UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1")?
        .execute((id.to_string(), stamp.at.as_microsecond()))?;
    audit::append(tx, &stamp.entry(AuditType::ApiKeyRevoked).target(id))?;
    Ok(())
}

pub(super) fn touch_api_key(tx: &Connection, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1")?
        .execute((id.to_string(), at.as_microsecond()))?;
    Ok(())
}

fn read_api_key(row: &Row<'_>) -> Result<ApiKey, StoreError> {
    let permissions: String = row.get("permissions")?;
    Ok(ApiKey {
        id: rows::parse(row, "id")?,
        name: row.get("name")?,
        prefix: row.get("prefix")?,
        secret_digest: row.get("secret_digest")?,
        permissions: serde_json::from_str(&permissions)?,
        created_by: row.get("created_by")?,
        created_at: rows::time(row, "created_at")?,
        expires_at: rows::optional_time(row, "expires_at")?,
        revoked_at: rows::optional_time(row, "revoked_at")?,
        last_used_at: rows::optional_time(row, "last_used_at")?,
    })
}

pub(super) fn signing_keys(connection: &Connection) -> Result<Vec<SigningKey>, StoreError> {
    rows::list(connection, "SELECT * FROM signing_keys ORDER BY created_at DESC, kid", [], |row| {
        Ok(SigningKey {
            kid: row.get("kid")?,
            private_key: row.get::<_, Option<Vec<u8>>>("private_key")?.map(SecretSlice::from),
            public_jwk: row.get("public_jwk")?,
            created_at: rows::time(row, "created_at")?,
            retired_at: rows::optional_time(row, "retired_at")?,
        })
    })
}

pub(super) fn rotate_signing_key(
    tx: &Connection,
    next: &SigningKey,
    replaces: Option<&str>,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let active: Option<String> = tx
        .prepare_cached("SELECT kid FROM signing_keys WHERE retired_at IS NULL")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if active.as_deref() != replaces {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE signing_keys SET retired_at = ?1, private_key = NULL WHERE retired_at IS NULL")?
        .execute([next.created_at.as_microsecond()])?;
    tx.prepare_cached(
        "INSERT INTO signing_keys (kid, private_key, public_jwk, created_at, retired_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        &next.kid,
        next.private_key.as_ref().map(|key| key.expose_secret()),
        &next.public_jwk,
        next.created_at.as_microsecond(),
        rows::micros(next.retired_at),
    ))?;
    audit::append(tx, entry)?;
    Ok(true)
}

pub(super) fn active_signing_keys(connection: &Connection) -> Result<u64, StoreError> {
    rows::count(connection, "SELECT count(*) FROM signing_keys WHERE retired_at IS NULL")
}

pub(super) fn retired_with_private_half(connection: &Connection) -> Result<u64, StoreError> {
    rows::count(
        connection,
        "SELECT count(*) FROM signing_keys WHERE retired_at IS NOT NULL AND private_key IS NOT NULL",
    )
}
