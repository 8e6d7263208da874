//! A client exchanges its refresh token for new tokens.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    Auth,
    audit::{AuditType, Stamp},
    error::Error,
    secret::RefreshToken,
    session::RefreshAttempt,
    sign_in::{Tokens, grant},
};

/// New tokens for a session. A refresh token works once: whoever sends one that was used before ends
/// the session, also if it is a client that lost the answer. A grace period for those would be one for
/// thieves too; they sign in again.
pub async fn refresh_session(auth: &Auth, token: &SecretString) -> Result<Tokens, Error> {
    let stamp = Stamp::new("anonymous", auth.env.now());
    let Some(token) = RefreshToken::parse(token.expose_secret()) else {
        auth.store.append_audit(stamp.entry(AuditType::RefreshRefused).detail("reason", "malformed")).await?;
        return Err(Error::InvalidRefreshToken);
    };
    let next = token.rotate(&auth.env);
    let attempt = RefreshAttempt {
        family_digest: token.family_digest(),
        token_digest: token.digest(),
        next_digest: next.digest(),
        lifetimes: auth.lifetimes,
        stamp,
        event_id: auth.env.new_id(),
    };
    match auth.store.refresh_session(attempt).await? {
        Some((session, account)) => grant(auth, &account, session.id, &next),
        None => Err(Error::InvalidRefreshToken),
    }
}
