//! How a store fails, whatever the engine behind it.

/// A failure of the store itself; refusals by a rule are errors of the use case.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store cannot answer now, and nothing was changed. Try later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The commit may or may not have happened. Find out before trying again.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
    /// The disk is full; nothing was changed.
    #[error("the disk is full")]
    Full,
    /// Stored bytes cannot be understood, or the code broke its own rules.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// A value in the store that does not parse.
    pub fn corrupt(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Corrupt(format!("{what}: {error}"))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Sqlite;
        match error.sqlite_error_code() {
            Some(Sqlite::DiskFull) => Self::Full,
            Some(Sqlite::DatabaseBusy | Sqlite::DatabaseLocked | Sqlite::SystemIoFailure | Sqlite::CannotOpen) => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::corrupt("stored JSON", error)
    }
}
