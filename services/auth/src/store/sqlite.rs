//! The store on SQLite.

use async_trait::async_trait;
use chassis::{
    StoreError, idempotency,
    idempotency::Record,
    outbox,
    sqlite::{Database, Location, OpenError, Schema},
};
use contracts::{
    Permission,
    auth::{AccountId, ApiKeyId, SessionId},
};
use jiff::Timestamp;

use super::{
    AccountFilter, AuditFilter, AuthStore, ChangeAccount, ChangePassword, Login, NewAccount, NewSession, SigningKey,
};
use crate::{
    account::{Account, Email},
    api_key::ApiKey,
    audit::{AuditEntry, AuditEvent, Stamp},
    error::Error,
    secret::Digest,
    session::{RefreshAttempt, Session},
    verify::Census,
};

mod accounts;
mod audit;
mod keys;
mod rows;
mod sessions;
#[cfg(test)]
mod tests;

const TABLES: &str = include_str!("sqlite/schema.sql");

const SCHEMA: Schema = Schema { name: "auth", migrations: &[outbox::SCHEMA, idempotency::SCHEMA, TABLES] };

/// The auth store in one SQLite file.
#[derive(Clone)]
pub struct SqliteAuthStore {
    database: Database,
}

impl SqliteAuthStore {
    /// Opens or creates the store.
    pub fn open(location: &Location) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(location, &SCHEMA)? })
    }

    /// The database, for the outbox relay and the idempotency keys.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

#[async_trait]
impl AuthStore for SqliteAuthStore {
    async fn register(&self, new: NewAccount, record: Option<Record>) -> Result<(), Error> {
        self.database.write(move |tx| accounts::register(tx, &new, record.as_ref())).await
    }

    async fn register_first_admin(&self, new: NewAccount) -> Result<bool, Error> {
        self.database.write(move |tx| accounts::register_first_admin(tx, &new)).await
    }

    async fn has_admin(&self) -> Result<bool, StoreError> {
        self.database.read(|connection| Ok(accounts::enabled_admins(connection)? > 0)).await
    }

    async fn find_account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.database.read(move |connection| accounts::find(connection, id)).await
    }

    async fn find_login(&self, email: &Email) -> Result<Option<Login>, StoreError> {
        let email = email.clone();
        self.database.read(move |connection| accounts::find_login(connection, &email)).await
    }

    async fn list_accounts(
        &self,
        filter: AccountFilter,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        self.database.read(move |connection| accounts::list(connection, &filter, after, limit)).await
    }

    async fn change_account(&self, change: ChangeAccount) -> Result<Account, Error> {
        self.database.write(move |tx| accounts::change(tx, &change)).await
    }

    async fn change_password(&self, change: ChangePassword) -> Result<(), Error> {
        self.database.write(move |tx| accounts::change_password(tx, &change)).await
    }

    async fn count_attempt(&self, email_digest: Digest, locked_out: AuditEntry) -> Result<(), Error> {
        // A lockout commits its audit entry, so it must not be the transaction's error.
        self.database.write(move |tx| sessions::count_attempt(tx, email_digest, locked_out)).await.flatten()
    }

    async fn start_session(&self, new: NewSession) -> Result<(), Error> {
        self.database.write(move |tx| sessions::start(tx, &new)).await
    }

    async fn refresh_session(&self, attempt: RefreshAttempt) -> Result<Option<(Session, Account)>, StoreError> {
        self.database.write(move |tx| sessions::refresh(tx, &attempt)).await
    }

    async fn list_sessions(
        &self,
        account_id: AccountId,
        now: Timestamp,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.database.read(move |connection| sessions::list(connection, account_id, now, after, limit)).await
    }

    async fn revoke_session(&self, account_id: AccountId, id: SessionId, stamp: Stamp) -> Result<bool, StoreError> {
        self.database.write(move |tx| sessions::revoke(tx, account_id, id, &stamp)).await
    }

    async fn create_api_key(&self, key: ApiKey, audit: AuditEntry) -> Result<(), StoreError> {
        self.database.write(move |tx| keys::create_api_key(tx, &key, &audit)).await
    }

    async fn find_api_key(&self, secret_digest: Digest) -> Result<Option<ApiKey>, StoreError> {
        self.database.read(move |connection| keys::find_api_key(connection, secret_digest)).await
    }

    async fn list_api_keys(&self, after: Option<ApiKeyId>, limit: u32) -> Result<Vec<ApiKey>, StoreError> {
        self.database.read(move |connection| keys::list_api_keys(connection, after, limit)).await
    }

    async fn revoke_api_key(&self, id: ApiKeyId, authority: Vec<Permission>, stamp: Stamp) -> Result<(), Error> {
        self.database.write(move |tx| keys::revoke_api_key(tx, id, &authority, &stamp)).await
    }

    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        self.database.write(move |tx| keys::touch_api_key(tx, id, at)).await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        self.database.read(keys::signing_keys).await
    }

    async fn rotate_signing_key(
        &self,
        next: SigningKey,
        replaces: Option<String>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.database.write(move |tx| keys::rotate_signing_key(tx, &next, replaces.as_deref(), &audit)).await
    }

    async fn append_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.database.write(move |tx| audit::append(tx, &entry)).await
    }

    async fn list_audit(
        &self,
        filter: AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.database.read(move |connection| audit::list(connection, &filter, before, limit)).await
    }

    async fn sweep(&self, sessions_before: Timestamp, attempts_before: Timestamp) -> Result<(), StoreError> {
        self.database.write(move |tx| sessions::sweep(tx, sessions_before, attempts_before)).await
    }

    async fn census(&self) -> Result<Census, StoreError> {
        self.database
            .read(|connection| {
                Ok(Census {
                    enabled_admins: accounts::enabled_admins(connection)?,
                    accounts: accounts::count(connection)?,
                    orphan_sessions: sessions::orphans(connection)?,
                    accounts_without_password: accounts::without_password(connection)?,
                    active_signing_keys: keys::active_signing_keys(connection)?,
                    retired_keys_with_private_half: keys::retired_with_private_half(connection)?,
                    audit_gaps: audit::gaps(connection)?,
                })
            })
            .await
    }
}
