//! Somebody ends one of their sessions.

use contracts::auth::{AccountId, SessionId};

use crate::{Auth, audit::Stamp, error::Error};

/// Ends a session of this account. Its access token works until it expires, minutes later.
pub async fn sign_out(auth: &Auth, account_id: AccountId, session_id: SessionId) -> Result<(), Error> {
    let stamp = Stamp::new(account_id.to_string(), auth.env.now());
    match auth.store.revoke_session(account_id, session_id, stamp).await? {
        true => Ok(()),
        false => Err(Error::NotFound("session")),
    }
}
