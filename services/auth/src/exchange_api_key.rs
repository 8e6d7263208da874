//! The edge exchanges a program's key for an access token.

use contracts::auth::{AccessGrant, AuthError};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Auth,
    api_key::ApiKey,
    audit::{AuditType, Stamp},
    error::Error,
    secret::ApiKeySecret,
    signing::Subject,
};

/// When a key was used is kept to this precision, so that a busy key does not write all the time.
const LAST_USED_PRECISION: SignedDuration = SignedDuration::from_secs(60);

/// A token with the key's permissions; it ends when the key does.
pub async fn exchange_api_key(auth: &Auth, key: &str) -> Result<AccessGrant, AuthError> {
    match exchange(auth, key).await {
        Ok(Some(grant)) => Ok(grant),
        Ok(None) => Err(AuthError::InvalidApiKey),
        Err(error) => {
            tracing::warn!(%error, "an API key could not be exchanged");
            Err(AuthError::Unavailable)
        }
    }
}

async fn exchange(auth: &Auth, text: &str) -> Result<Option<AccessGrant>, Error> {
    let now = auth.env.now();
    let found = match ApiKeySecret::parse(text) {
        Some(secret) => auth.store.find_api_key(secret.digest()).await?,
        None => None,
    };
    let Some(key) = found.as_ref().filter(|key| key.is_valid(now)) else {
        refuse(auth, found.as_ref(), now).await?;
        return Ok(None);
    };
    let used_lately = key.last_used_at.is_some_and(|at| now.duration_since(at) < LAST_USED_PRECISION);
    if !used_lately {
        auth.store.touch_api_key(key.id, now).await?;
    }
    let subject = Subject {
        id: key.id.to_string(),
        permissions: key.permissions.clone(),
        roles: Vec::new(),
        session: None,
        until: key.expires_at,
    };
    Ok(Some(auth.signer.sign(&auth.env, &subject)?))
}

async fn refuse(auth: &Auth, found: Option<&ApiKey>, now: Timestamp) -> Result<(), Error> {
    let entry = Stamp::new("anonymous", now).entry(AuditType::ApiKeyRefused);
    let entry = match found {
        None => entry.detail("reason", "unknown"),
        Some(key) if key.revoked_at.is_some() => entry.target(key.id).detail("reason", "revoked"),
        Some(key) => entry.target(key.id).detail("reason", "expired"),
    };
    Ok(auth.store.append_audit(entry).await?)
}
