//! The invariants of this service's data, for `jangteo verify`.

use chassis::StoreError;
use contracts::auth::{AccountId, SessionId};

use crate::store::AuthStore;

/// Counts and samples that the invariants are checked on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Accounts in all.
    pub accounts: u64,
    /// Administrators that can sign in.
    pub enabled_admins: u64,
    /// Sessions of no account; at most 100.
    pub orphan_sessions: Vec<SessionId>,
    /// Accounts that nobody can sign in to; at most 100.
    pub accounts_without_password: Vec<AccountId>,
    /// Keys that sign access tokens.
    pub active_signing_keys: u64,
    /// Keys that no longer sign, yet could.
    pub retired_keys_with_private_half: u64,
    /// Audit sequence numbers that follow a gap; at most 100.
    pub audit_gaps: Vec<u64>,
}

/// Checks every invariant; one line per violation, none if all hold.
pub async fn verify(store: &dyn AuthStore) -> Result<Vec<String>, StoreError> {
    Ok(violations(&store.census().await?))
}

fn violations(census: &Census) -> Vec<String> {
    let mut found = Vec::new();
    if census.accounts > 0 && census.enabled_admins == 0 {
        found.push("auth: no enabled account is an administrator".to_owned());
    }
    for id in &census.orphan_sessions {
        found.push(format!("auth: session {id} belongs to no account"));
    }
    for id in &census.accounts_without_password {
        found.push(format!("auth: account {id} has no password"));
    }
    if census.active_signing_keys != 1 {
        found.push(format!("auth: {} keys sign access tokens, expected 1", census.active_signing_keys));
    }
    if census.retired_keys_with_private_half > 0 {
        found.push(format!(
            "auth: {} retired signing keys still have their private half",
            census.retired_keys_with_private_half
        ));
    }
    for sequence in &census.audit_gaps {
        found.push(format!("auth: audit events are missing before sequence {sequence}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_violation() {
        let sound = Census { accounts: 3, enabled_admins: 1, active_signing_keys: 1, ..Census::default() };
        assert_eq!(violations(&sound), Vec::<String>::new());
        let broken = Census {
            accounts: 3,
            enabled_admins: 0,
            orphan_sessions: vec![SessionId::from_uuid(uuid::Uuid::nil())],
            accounts_without_password: vec![AccountId::from_uuid(uuid::Uuid::nil())],
            active_signing_keys: 2,
            retired_keys_with_private_half: 1,
            audit_gaps: vec![7],
        };
        assert_eq!(violations(&broken).len(), 6);
    }
}
