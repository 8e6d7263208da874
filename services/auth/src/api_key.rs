//! API keys: how programs prove who they are.

use contracts::{Permission, Violation, auth::ApiKeyId};
use jiff::Timestamp;

use crate::secret::Digest;

/// Characters in a key's name at most.
pub const NAME_CHARS_MAX: usize = 100;

/// A key for a program, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// The beginning of the secret.
    pub prefix: String,
    /// SHA-256 of the secret.
    pub secret_digest: Digest,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// Who made it: `acc_…`, `key_…` or `system`.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When it was last exchanged for a token, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// True while it works.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Trims and checks what a key is called.
pub fn check_name(text: &str) -> Result<String, Violation> {
    let name = text.trim();
    if !(1..=NAME_CHARS_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Violation::new(
            "/name",
            format!("must have 1 to {NAME_CHARS_MAX} characters and no control characters"),
        ));
    }
    Ok(name.to_owned())
}
