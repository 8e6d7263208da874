//! Sessions: one sign-in on one device, kept alive by rotating refresh tokens (RFC 9700 §4.14.2).

use contracts::{
    auth::{AccountId, AuthEvent, SessionId, SessionsRevoked},
    event::EventId,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    account::Account,
    audit::{AuditEntry, AuditType, Stamp},
    secret::Digest,
};

/// Characters of a `User-Agent` that are kept, so that people recognise their devices.
const USER_AGENT_CHARS_MAX: usize = 200;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub account_id: AccountId,
    /// Finds the session by any of its refresh tokens.
    pub family_digest: Digest,
    /// The current refresh token.
    pub token_digest: Digest,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the last refresh token was given.
    pub refreshed_at: Timestamp,
    /// The session ends now if it is not refreshed before.
    pub idle_until: Timestamp,
    /// The session ends then in any case.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// How long a session may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without being refreshed.
    pub idle: SignedDuration,
    /// In all.
    pub absolute: SignedDuration,
}

impl Session {
    /// True while it can be refreshed.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.idle_until && now < self.expires_at
    }
}

/// Shortens what a client called itself, and drops what could disturb a terminal.
pub fn shorten_user_agent(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS_MAX).collect()
}

/// A refresh token comes in. The store finds the session and lets [`RefreshAttempt::judge`] decide, in
/// one commit: two uses of one token cannot both win.
#[derive(Debug, Clone)]
pub struct RefreshAttempt {
    /// Finds the session.
    pub family_digest: Digest,
    /// The token that came in.
    pub token_digest: Digest,
    /// The token that replaces it.
    pub next_digest: Digest,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
    /// For the audit trail; the actor is the account if there is one.
    pub stamp: Stamp,
    /// For the event, if the session must end.
    pub event_id: EventId,
}

/// What a refresh token turns out to be worth.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The session as it is to be stored, if it changes.
    pub session: Option<Session>,
    /// What the audit trail says.
    pub audit: AuditEntry,
    /// What is published.
    pub event: Option<AuthEvent>,
    /// True if the caller gets a new token.
    pub granted: bool,
}

impl RefreshAttempt {
    /// Decides: rotate; or refuse; or, if the token was used before, end the session, as either the
    /// thief or the owner holds the current token and nobody can tell which.
    pub fn judge(&self, found: Option<(&Session, &Account)>) -> Verdict {
        let refused = |reason: &str| Verdict {
            session: None,
            audit: self.stamp.entry(AuditType::RefreshRefused).detail("reason", reason),
            event: None,
            granted: false,
        };
        let Some((session, account)) = found else { return refused("unknown") };
        let stamp = Stamp { actor: account.id.to_string(), ..self.stamp.clone() };
        if !session.is_alive(stamp.at) {
            let mut verdict = refused("session_ended");
            verdict.audit = verdict.audit.target(session.id);
            return verdict;
        }
        if session.token_digest != self.token_digest {
            return self.end(session, account);
        }
        if account.disabled {
            let mut verdict = refused("account_disabled");
            verdict.audit = verdict.audit.target(session.id);
            return verdict;
        }
        let idle_until = stamp.at.saturating_add(self.lifetimes.idle).unwrap_or(session.expires_at);
        let rotated = Session {
            token_digest: self.next_digest,
            refreshed_at: stamp.at,
            idle_until: idle_until.min(session.expires_at),
            ..session.clone()
        };
        let audit = stamp.entry(AuditType::SessionRefreshed).target(session.id);
        Verdict { session: Some(rotated), audit, event: None, granted: true }
    }

    fn end(&self, session: &Session, account: &Account) -> Verdict {
        // Whoever sent it is not known to be the owner.
        let audit = self.stamp.entry(AuditType::RefreshReused).target(session.id);
        let audit = audit.detail("account", account.id.to_string());
        let event = sessions_revoked(account, "refresh_token_reused");
        let ended = Session { revoked_at: Some(self.stamp.at), ..session.clone() };
        Verdict { session: Some(ended), audit, event: Some(event), granted: false }
    }
}

/// The event that tells a person that sessions ended.
pub fn sessions_revoked(account: &Account, reason: &str) -> AuthEvent {
    AuthEvent::SessionsRevoked(SessionsRevoked {
        account_id: account.id,
        email: account.email.as_str().to_owned(),
        locale: account.locale,
        reason: reason.to_owned(),
    })
}
