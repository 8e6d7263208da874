//! Somebody replaces their password.

use contracts::auth::{AccountId, SessionId};
use secrecy::SecretString;

use crate::{
    Auth,
    audit::{AuditType, Stamp},
    error::Error,
    password,
    secret::digest,
    store,
};

/// Who wants which password.
#[derive(Debug)]
pub struct ChangePassword {
    /// Whose.
    pub account_id: AccountId,
    /// The session that asks; it goes on, all others end.
    pub session_id: Option<SessionId>,
    /// The present password.
    pub current: SecretString,
    /// The one to come.
    pub new: SecretString,
}

/// Replaces the password, if the present one is known. Guesses count like guesses at signing in: a stolen
/// access token must not open a second door.
pub async fn change_password(auth: &Auth, request: ChangePassword) -> Result<(), Error> {
    let account = auth.store.find_account(request.account_id).await?.ok_or(Error::NotFound("account"))?;
    password::check_strength(&request.new, &account.email, "/new")
        .map_err(|violation| Error::Invalid(vec![violation]))?;
    let stamp = Stamp::new(account.id.to_string(), auth.env.now());
    let turn = auth.passwords.turn().await?;
    let login = auth.store.find_login(&account.email).await?.ok_or(Error::NotFound("account"))?;
    let email_digest = digest(account.email.as_str().as_bytes());
    let locked_out = stamp.entry(AuditType::SessionLockedOut).target(account.id);
    auth.store.count_attempt(email_digest, locked_out).await?;
    if !auth.passwords.verify(turn, request.current, Some(login.password_hash.clone())).await? {
        auth.store.append_audit(stamp.entry(AuditType::PasswordRefused).target(account.id)).await?;
        return Err(Error::WrongPassword);
    }
    let turn = auth.passwords.turn().await?;
    let password_hash = auth.passwords.hash(turn, request.new).await?;
    let change = store::ChangePassword {
        account_id: account.id,
        seen_hash: login.password_hash,
        password_hash,
        keep: request.session_id,
        event_id: auth.env.new_id(),
        stamp,
    };
    match auth.store.change_password(change).await {
        Err(Error::WrongCredentials) => Err(Error::WrongPassword),
        outcome => outcome,
    }
}
