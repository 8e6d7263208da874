//! An administrator makes a key for a program.

use contracts::{Permission, Violation};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{
    Auth,
    account::covers,
    actor::Actor,
    api_key::{self, ApiKey},
    audit::{AuditType, Stamp},
    error::Error,
    secret::ApiKeySecret,
};

/// What the key is to be.
#[derive(Debug, Clone)]
pub struct CreateApiKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// When it stops working, if ever.
    pub expires_at: Option<Timestamp>,
}

/// Makes a key and answers its secret, which is kept nowhere. Nobody grants what they do not hold.
pub async fn create_api_key(auth: &Auth, by: &Actor, request: CreateApiKey) -> Result<(ApiKey, SecretString), Error> {
    let now = auth.env.now();
    let name = check(&request, now)?;
    covers(&by.permissions, &request.permissions)?;
    let mut permissions = request.permissions;
    permissions.sort_unstable();
    permissions.dedup();
    let secret = ApiKeySecret::mint(&auth.env);
    let key = ApiKey {
        id: auth.env.new_id(),
        name,
        prefix: secret.prefix(),
        secret_digest: secret.digest(),
        permissions,
        created_by: by.name.clone(),
        created_at: now,
        expires_at: request.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    let scope: Vec<_> = key.permissions.iter().map(|permission| permission.as_str()).collect();
    let audit = Stamp::new(by.name.clone(), now).entry(AuditType::ApiKeyCreated).target(key.id);
    auth.store.create_api_key(key.clone(), audit.detail("permissions", scope.join(" "))).await?;
    Ok((key, secret.reveal()))
}

fn check(request: &CreateApiKey, now: Timestamp) -> Result<String, Error> {
    let mut errors = Vec::new();
    let name = api_key::check_name(&request.name).map_err(|violation| errors.push(violation)).unwrap_or_default();
    if request.permissions.is_empty() {
        errors.push(Violation::new("/permissions", "must name at least one permission"));
    }
    if request.expires_at.is_some_and(|expires_at| expires_at <= now) {
        errors.push(Violation::new("/expires_at", "must be in the future"));
    }
    if errors.is_empty() { Ok(name) } else { Err(Error::Invalid(errors)) }
}
