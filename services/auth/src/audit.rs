//! The audit trail: who did what to what, when, and in which request. Never a secret, never an address.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum AuditType {
    /// Somebody registered, or the first administrator was made.
    #[serde(rename = "account.created")]
    AccountCreated,
    /// A name or language changed.
    #[serde(rename = "account.updated")]
    AccountUpdated,
    /// A role was given or taken.
    #[serde(rename = "account.role_changed")]
    AccountRoleChanged,
    /// An account was locked by an administrator.
    #[serde(rename = "account.disabled")]
    AccountDisabled,
    /// An account was unlocked.
    #[serde(rename = "account.enabled")]
    AccountEnabled,
    /// A password was replaced; other sessions ended.
    #[serde(rename = "account.password_changed")]
    PasswordChanged,
    /// Somebody changing a password did not know the present one.
    #[serde(rename = "account.password_refused")]
    PasswordRefused,
    /// Somebody signed in.
    #[serde(rename = "session.started")]
    SessionStarted,
    /// Somebody could not sign in.
    #[serde(rename = "session.refused")]
    SessionRefused,
    /// Too many attempts for one address: refused without looking at the password.
    #[serde(rename = "session.locked_out")]
    SessionLockedOut,
    /// A refresh token was exchanged for a new one.
    #[serde(rename = "session.refreshed")]
    SessionRefreshed,
    /// A refresh token was unknown, expired or of an ended session.
    #[serde(rename = "session.refresh_refused")]
    RefreshRefused,
    /// A refresh token came back after it was used: the session ended, as it may have been stolen.
    #[serde(rename = "session.refresh_token_reused")]
    RefreshReused,
    /// A session was ended.
    #[serde(rename = "session.revoked")]
    SessionRevoked,
    /// A key for a program was made.
    #[serde(rename = "api_key.created")]
    ApiKeyCreated,
    /// A key was revoked.
    #[serde(rename = "api_key.revoked")]
    ApiKeyRevoked,
    /// A key was unknown, revoked or expired.
    #[serde(rename = "api_key.refused")]
    ApiKeyRefused,
    /// A new key signs access tokens.
    #[serde(rename = "signing_key.rotated")]
    SigningKeyRotated,
}

impl AuditType {
    /// All types.
    pub const ALL: [Self; 18] = [
        Self::AccountCreated,
        Self::AccountUpdated,
        Self::AccountRoleChanged,
        Self::AccountDisabled,
        Self::AccountEnabled,
        Self::PasswordChanged,
        Self::PasswordRefused,
        Self::SessionStarted,
        Self::SessionRefused,
        Self::SessionLockedOut,
        Self::SessionRefreshed,
        Self::RefreshRefused,
        Self::RefreshReused,
        Self::SessionRevoked,
        Self::ApiKeyCreated,
        Self::ApiKeyRevoked,
        Self::ApiKeyRefused,
        Self::SigningKeyRotated,
    ];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountCreated => "account.created",
            Self::AccountUpdated => "account.updated",
            Self::AccountRoleChanged => "account.role_changed",
            Self::AccountDisabled => "account.disabled",
            Self::AccountEnabled => "account.enabled",
            Self::PasswordChanged => "account.password_changed",
            Self::PasswordRefused => "account.password_refused",
            Self::SessionStarted => "session.started",
            Self::SessionRefused => "session.refused",
            Self::SessionLockedOut => "session.locked_out",
            Self::SessionRefreshed => "session.refreshed",
            Self::RefreshRefused => "session.refresh_refused",
            Self::RefreshReused => "session.refresh_token_reused",
            Self::SessionRevoked => "session.revoked",
            Self::ApiKeyCreated => "api_key.created",
            Self::ApiKeyRevoked => "api_key.revoked",
            Self::ApiKeyRefused => "api_key.refused",
            Self::SigningKeyRotated => "signing_key.rotated",
        }
    }

    /// The type with this wire form.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Who acts, when and in which request: what all entries of one request share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// `acc_…`, `key_…`, `anonymous` or `system`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// W3C trace id of the request.
    pub trace_id: Option<String>,
}

impl Stamp {
    /// A stamp for the request that is running.
    pub fn new(actor: impl Into<String>, at: Timestamp) -> Self {
        let trace_id = chassis::trace::current().map(|trace| trace.trace_id());
        Self { actor: actor.into(), at, trace_id }
    }

    /// An entry by the same actor, at the same time, in the same request.
    pub fn entry(&self, kind: AuditType) -> AuditEntry {
        AuditEntry { kind, stamp: self.clone(), target: None, details: BTreeMap::new() }
    }
}

/// Something to be appended to the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// What happened.
    pub kind: AuditType,
    /// Who, when, in which request.
    pub stamp: Stamp,
    /// To what: an id.
    pub target: Option<String>,
    /// What else is worth knowing.
    pub details: BTreeMap<String, String>,
}

impl AuditEntry {
    /// Says to what it happened.
    pub fn target(mut self, target: impl std::fmt::Display) -> Self {
        self.target = Some(target.to_string());
        self
    }

    /// Adds a detail.
    pub fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// Something in the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// Its place: 1, 2, 3, … without gaps, so that a missing one shows.
    pub sequence: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: AuditType,
    /// Who: `acc_…`, `key_…`, `anonymous` or `system`.
    pub actor: String,
    /// To what: an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When.
    pub at: Timestamp,
    /// W3C trace id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// What else is worth knowing; never a secret.
    pub details: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::AuditType;

    #[test]
    fn the_wire_form_is_the_json_form() {
        for kind in AuditType::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(AuditType::find(kind.as_str()), Some(kind));
        }
    }
}
