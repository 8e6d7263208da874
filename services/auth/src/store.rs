//! The store port: whole atomic operations in the words of this service.
//!
//! Adapters mint no ids and no times; what must be decided on what is stored (is this refresh token the
//! current one?) is decided by the pure functions of the domain, inside the adapter's transaction.
//! `store/contract.rs` is the suite that every adapter passes.

use async_trait::async_trait;
use chassis::{StoreError, idempotency::Record};
use contracts::{
    Permission, Role,
    auth::{AccountId, ApiKeyId, SessionId},
    event::EventId,
};
use jiff::Timestamp;
use secrecy::{SecretSlice, SecretString};

use crate::{
    account::{Account, AccountChange, Email},
    api_key::ApiKey,
    audit::{AuditEntry, AuditEvent, AuditType, Stamp},
    error::Error,
    secret::Digest,
    session::{RefreshAttempt, Session},
    verify::Census,
};

pub mod contract;
mod sqlite;

pub use sqlite::SqliteAuthStore;

/// An account that is not stored yet.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The account.
    pub account: Account,
    /// The PHC string of its password.
    pub password_hash: SecretString,
    /// For the event.
    pub event_id: EventId,
    /// What the audit trail says.
    pub audit: AuditEntry,
}

/// What signing in needs to know.
#[derive(Debug, Clone)]
pub struct Login {
    /// Who.
    pub account: Account,
    /// The PHC string of the password.
    pub password_hash: SecretString,
}

/// Accounts to list; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// With this role.
    pub role: Option<Role>,
    /// With this address.
    pub email: Option<Email>,
}

/// A change to an account.
#[derive(Debug, Clone)]
pub struct ChangeAccount {
    /// Which.
    pub id: AccountId,
    /// What is to become different.
    pub change: AccountChange,
    /// The version that the caller has seen, if it matters.
    pub expected_version: Option<u64>,
    /// What the caller holds, if the caller is not the owner.
    pub authority: Option<Vec<Permission>>,
    /// By whom.
    pub stamp: Stamp,
}

/// A new password.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// Whose.
    pub account_id: AccountId,
    /// The PHC string that the present password was verified against.
    pub seen_hash: SecretString,
    /// The PHC string of the new one.
    pub password_hash: SecretString,
    /// The session that goes on; all others end.
    pub keep: Option<SessionId>,
    /// For the event.
    pub event_id: EventId,
    /// By whom.
    pub stamp: Stamp,
}

/// A session that is not stored yet.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The PHC string that the password was verified against.
    pub seen_hash: SecretString,
    /// Whose failed attempts are forgotten.
    pub email_digest: Digest,
    /// What the audit trail says.
    pub audit: AuditEntry,
}

/// A key that signs access tokens.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// PKCS #8; erased when the key retires.
    pub private_key: Option<SecretSlice<u8>>,
    /// The public key as a JWK in JSON.
    pub public_jwk: String,
    /// Since when it signs.
    pub created_at: Timestamp,
    /// Since when it no longer signs.
    pub retired_at: Option<Timestamp>,
}

/// Audit events to list; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this actor.
    pub actor: Option<String>,
    /// To this thing.
    pub target: Option<String>,
    /// Of this type.
    pub kind: Option<AuditType>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Everything that auth remembers.
#[async_trait]
pub trait AuthStore: Send + Sync {
    /// Adds an account, says so, and keeps the idempotency record. [`Error::EmailTaken`] if the address is.
    async fn register(&self, new: NewAccount, record: Option<Record>) -> Result<(), Error>;
    /// Adds an account if no account is an enabled administrator; `false` if one is.
    async fn register_first_admin(&self, new: NewAccount) -> Result<bool, Error>;
    /// True if some enabled account is an administrator.
    async fn has_admin(&self) -> Result<bool, StoreError>;
    /// The account, if there is one.
    async fn find_account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// The account with this address and its password, if there is one.
    async fn find_login(&self, email: &Email) -> Result<Option<Login>, StoreError>;
    /// Up to `limit` accounts, newest first, older than `after`.
    async fn list_accounts(
        &self,
        filter: AccountFilter,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError>;
    /// Changes an account. Disabling it ends its sessions. [`Error::NotFound`], [`Error::Stale`],
    /// [`Error::Exceeds`], [`Error::AccountDisabled`] (to its owner) or [`Error::LastAdmin`] if that is so at
    /// the moment of the change.
    async fn change_account(&self, change: ChangeAccount) -> Result<Account, Error>;
    /// Replaces the password, ends the other sessions, forgets failed attempts and says so.
    /// [`Error::WrongCredentials`] if the password changed meanwhile or the account was disabled.
    async fn change_password(&self, change: ChangePassword) -> Result<(), Error>;

    /// Counts a sign-in attempt at `locked_out.stamp.at`; [`Error::LockedOut`] (audited as `locked_out`)
    /// if there were too many.
    async fn count_attempt(&self, email_digest: Digest, locked_out: AuditEntry) -> Result<(), Error>;
    /// Adds a session and forgets failed attempts. [`Error::WrongCredentials`] if the password changed
    /// meanwhile or the account was disabled.
    async fn start_session(&self, new: NewSession) -> Result<(), Error>;
    /// Lets [`RefreshAttempt::judge`] decide and does what it says; the session and its account if a new
    /// token was granted.
    async fn refresh_session(&self, attempt: RefreshAttempt) -> Result<Option<(Session, Account)>, StoreError>;
    /// Up to `limit` sessions of an account that are alive at `now`, newest first, older than `after`.
    async fn list_sessions(
        &self,
        account_id: AccountId,
        now: Timestamp,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError>;
    /// Ends a session of this account; `false` if it has no such session that is alive.
    async fn revoke_session(&self, account_id: AccountId, id: SessionId, stamp: Stamp) -> Result<bool, StoreError>;

    /// Adds an API key.
    async fn create_api_key(&self, key: ApiKey, audit: AuditEntry) -> Result<(), StoreError>;
    /// The key with this secret, if there is one.
    async fn find_api_key(&self, secret_digest: Digest) -> Result<Option<ApiKey>, StoreError>;
    /// Up to `limit` keys, newest first, older than `after`.
    async fn list_api_keys(&self, after: Option<ApiKeyId>, limit: u32) -> Result<Vec<ApiKey>, StoreError>;
    /// Revokes a key. [`Error::NotFound`] if there is none that is not revoked, [`Error::Exceeds`] if it
    /// may do what `authority` may not.
    async fn revoke_api_key(&self, id: ApiKeyId, authority: Vec<Permission>, stamp: Stamp) -> Result<(), Error>;
    /// Notes that a key was used.
    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError>;

    /// All signing keys, newest first.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError>;
    /// Retires the key `replaces`, erases its private half, and adds `next`; `false` if `replaces` is not
    /// the key that signs (`None`: there is none), because another replica was faster.
    async fn rotate_signing_key(
        &self,
        next: SigningKey,
        replaces: Option<String>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Appends to the audit trail.
    async fn append_audit(&self, entry: AuditEntry) -> Result<(), StoreError>;
    /// Up to `limit` events, newest first, with a sequence below `before`.
    async fn list_audit(
        &self,
        filter: AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError>;

    /// Forgets sessions that ended before `sessions_before` and attempts before `attempts_before`.
    async fn sweep(&self, sessions_before: Timestamp, attempts_before: Timestamp) -> Result<(), StoreError>;
    /// What the invariants are checked on.
    async fn census(&self) -> Result<Census, StoreError>;
}
