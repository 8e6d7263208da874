//! Why auth refuses; a closed set. `http.rs` turns it into problems.

use chassis::StoreError;
use contracts::{Permission, Violation};

/// A refusal, or a failure of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The request breaks rules; all are named.
    #[error("the request breaks {} rule(s)", .0.len())]
    Invalid(Vec<Violation>),
    /// An account with this address exists.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Unknown address or wrong password: the same, so that addresses cannot be probed.
    #[error("wrong e-mail address or password")]
    WrongCredentials,
    /// The present password is not the one that was sent.
    #[error("wrong password")]
    WrongPassword,
    /// Too many attempts for one address.
    #[error("too many attempts; the next one counts in {retry_after_seconds} s")]
    LockedOut {
        /// When the next attempt counts.
        retry_after_seconds: u32,
    },
    /// The account is locked by an administrator.
    #[error("the account is disabled")]
    AccountDisabled,
    /// The refresh token is unknown, expired, of an ended session, or was used before.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    /// No such thing, or not the caller's.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// `If-Match` names another version than the current one.
    #[error("the current version is {current}")]
    Stale {
        /// The current version.
        current: u64,
    },
    /// The last enabled administrator must stay.
    #[error("the last enabled administrator cannot be demoted or disabled")]
    LastAdmin,
    /// Permissions would be granted or overridden that the caller does not hold.
    #[error("the caller lacks {0:?}")]
    Exceeds(Vec<Permission>),
    /// Only a person with an account can do this.
    #[error("only a person with an account can do this")]
    NotAPerson,
    /// Too many passwords are being checked already.
    #[error("too many passwords are being checked")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
