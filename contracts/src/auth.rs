//! The auth service: accounts, sessions, API keys.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Locale};

crate::typed_id!(
    /// A person's account.
    AccountId,
    "acc"
);
crate::typed_id!(
    /// One sign-in on one device: a family of refresh tokens.
    SessionId,
    "ses"
);
crate::typed_id!(
    /// A key for programs.
    ApiKeyId,
    "key"
);

/// How API keys begin, so that the edge tells them from access tokens and secret scanners find them.
pub const API_KEY_PREFIX: &str = "jgt_";

/// A short-lived access token (JWT).
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessGrant {
    /// The compact JWT; a secret.
    pub access_token: String,
    /// When it stops working.
    pub expires_at: jiff::Timestamp,
}

impl std::fmt::Debug for AccessGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessGrant").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Why auth refused. Its serialised form travels with a remote call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AuthError {
    /// The key is unknown, revoked or expired.
    #[error("the API key is not valid: it is unknown, revoked or expired")]
    InvalidApiKey,
    /// The auth service cannot answer now.
    #[error("the auth service is unavailable")]
    Unavailable,
}

impl AuthError {
    /// The code that callers see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidApiKey => ErrorCode::Unauthenticated,
            Self::Unavailable => ErrorCode::Unavailable,
        }
    }
}

/// What other services ask of auth.
#[async_trait]
pub trait AuthApi: Send + Sync {
    /// Exchanges an API key for an access token with the key's permissions.
    async fn exchange_api_key(&self, key: &str) -> Result<AccessGrant, AuthError>;
    /// The public keys that verify access tokens, as an RFC 7517 JWK set in JSON.
    async fn jwks(&self) -> Result<String, AuthError>;
}

/// `account.created`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountCreated {
    /// The new account.
    pub account_id: AccountId,
    /// Where to write to.
    pub email: String,
    /// How to address the person.
    pub name: String,
    /// In which language.
    pub locale: Locale,
}

/// `account.sessions_revoked`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionsRevoked {
    /// Whose sessions.
    pub account_id: AccountId,
    /// Where to write to.
    pub email: String,
    /// In which language.
    pub locale: Locale,
    /// Why: `refresh_token_reused`, `password_changed`.
    pub reason: String,
}

crate::events! {
    /// What happens in auth.
    AuthEvent on "auth.events" from "/jangteo/auth" {
        /// Somebody registered.
        AccountCreated(AccountCreated) = "account.created" / 1,
        /// A theft was suspected or a password changed: sessions ended.
        SessionsRevoked(SessionsRevoked) = "account.sessions_revoked" / 1,
    }
}
