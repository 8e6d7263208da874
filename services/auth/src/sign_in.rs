//! Somebody signs in.

use contracts::auth::{AccessGrant, SessionId};
use secrecy::SecretString;

use crate::{
    Auth,
    account::{Account, Email},
    audit::{AuditEntry, AuditType, Stamp},
    error::Error,
    secret::{RefreshToken, digest},
    session::{Session, shorten_user_agent},
    signing::Subject,
    store::NewSession,
};

/// Who wants to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// As typed.
    pub email: String,
    /// As typed.
    pub password: SecretString,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

/// What a client gets when it signs in or refreshes.
#[derive(Debug)]
pub struct Tokens {
    /// For requests.
    pub access: AccessGrant,
    /// For the next access token; works once.
    pub refresh_token: SecretString,
    /// The session.
    pub session_id: SessionId,
}

/// Starts a session. An unknown address and a wrong password get the same answer after the same work.
pub async fn sign_in(auth: &Auth, request: SignIn) -> Result<Tokens, Error> {
    let email = Email::parse(&request.email).map_err(|violation| Error::Invalid(vec![violation]))?;
    let email_digest = digest(email.as_str().as_bytes());
    let stamp = Stamp::new("anonymous", auth.env.now());
    let turn = auth.passwords.turn().await?;
    let login = auth.store.find_login(&email).await?;
    let about = |kind| {
        let entry = stamp.entry(kind);
        match &login {
            Some(login) => entry.target(login.account.id),
            None => entry,
        }
    };
    auth.store.count_attempt(email_digest, about(AuditType::SessionLockedOut)).await?;
    let hash = login.as_ref().map(|login| login.password_hash.clone());
    let verified = auth.passwords.verify(turn, request.password, hash).await?;
    let refused = |reason: &str| about(AuditType::SessionRefused).detail("reason", reason);
    let login = match &login {
        None => return refuse(auth, refused("unknown_account"), Error::WrongCredentials).await,
        Some(_) if !verified => return refuse(auth, refused("wrong_password"), Error::WrongCredentials).await,
        Some(login) if login.account.disabled => {
            return refuse(auth, refused("account_disabled"), Error::AccountDisabled).await;
        }
        Some(login) => login,
    };
    let token = RefreshToken::mint(&auth.env);
    let session = new_session(auth, &login.account, &token, request.user_agent.as_deref());
    let audit = Stamp { actor: login.account.id.to_string(), ..stamp.clone() }.entry(AuditType::SessionStarted);
    let new = NewSession {
        session: session.clone(),
        seen_hash: login.password_hash.clone(),
        email_digest,
        audit: audit.target(session.id),
    };
    match auth.store.start_session(new).await {
        Ok(()) => grant(auth, &login.account, session.id, &token),
        Err(Error::WrongCredentials) => refuse(auth, refused("credentials_changed"), Error::WrongCredentials).await,
        Err(error) => Err(error),
    }
}

async fn refuse(auth: &Auth, audit: AuditEntry, error: Error) -> Result<Tokens, Error> {
    auth.store.append_audit(audit).await?;
    Err(error)
}

fn new_session(auth: &Auth, account: &Account, token: &RefreshToken, user_agent: Option<&str>) -> Session {
    let now = auth.env.now();
    let expires_at = now.saturating_add(auth.lifetimes.absolute).unwrap_or(now);
    Session {
        id: auth.env.new_id(),
        account_id: account.id,
        family_digest: token.family_digest(),
        token_digest: token.digest(),
        user_agent: user_agent.map(shorten_user_agent),
        created_at: now,
        refreshed_at: now,
        idle_until: now.saturating_add(auth.lifetimes.idle).unwrap_or(now).min(expires_at),
        expires_at,
        revoked_at: None,
    }
}

/// The tokens of a session.
pub(crate) fn grant(
    auth: &Auth,
    account: &Account,
    session_id: SessionId,
    token: &RefreshToken,
) -> Result<Tokens, Error> {
    let subject = Subject {
        id: account.id.to_string(),
        permissions: account.role.permissions().to_vec(),
        roles: vec![account.role],
        session: Some(session_id),
        until: None,
    };
    let access = auth.signer.sign(&auth.env, &subject)?;
    Ok(Tokens { access, refresh_token: token.reveal(), session_id })
}
