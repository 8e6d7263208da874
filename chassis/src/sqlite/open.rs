//! Opening a database: how it is set up, how its schema comes up to date, and what a person reads when it cannot be opened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::Schema;

const STATEMENTS_CACHED: usize = 128;
/// `PRAGMA application_id` of all our files: "JANG".
const APPLICATION_ID: i32 = 0x4a41_4e47;

/// Why a database did not open. Each message says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer program.
    #[error(
        "{path} was written by a newer version of Jangteo (schema {found}, this program knows {known}). \
         Run that version, or restore a backup that this version wrote."
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema version.
        found: usize,
        /// The newest that this program knows.
        known: usize,
    },
    /// Not one of our files.
    #[error("{0} is not a Jangteo database. Choose another data folder with --data-dir, or move this file away.")]
    Foreign(String),
    /// The file is damaged.
    #[error("{path} is damaged: {reason}. Restore it from a backup; `jangteo verify` tells what is affected.")]
    Damaged {
        /// The file.
        path: String,
        /// What SQLite says.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot open {path}: {reason}. Check that the folder exists, is writable and has free space.")]
    Inaccessible {
        /// The file.
        path: String,
        /// What was refused.
        reason: String,
    },
}

pub(super) fn connect(path: &Path, read_only: bool) -> Result<Connection, OpenError> {
    let name = path.display().to_string();
    let error = |error: rusqlite::Error| open_error(&name, &error);
    let access = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(error)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Plans that depend on bound values are made anew for every execution.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(error)?;
    if !read_only {
        connection.pragma_update(None, "journal_mode", "WAL").map_err(error)?;
    }
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(error)?;
    Ok(connection)
}

pub(super) fn migrate(connection: &Connection, path: &str, schema: &Schema) -> Result<(), OpenError> {
    let error = |error: rusqlite::Error| open_error(path, &error);
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(error);
    let done = usize::try_from(pragma("user_version")?).unwrap_or(usize::MAX);
    let owner = pragma("application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(error)?;
    if owner != APPLICATION_ID && (owner != 0 || tables != 0) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if done > schema.migrations.len() {
        return Err(OpenError::Newer { path: path.to_owned(), found: done, known: schema.migrations.len() });
    }
    for (index, script) in schema.migrations.iter().enumerate().skip(done) {
        let version = index + 1;
        connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; \
                 PRAGMA user_version = {version}; COMMIT;"
            ))
            .map_err(error)?;
    }
    Ok(())
}

pub(super) fn open_error(path: &str, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode as Sqlite;
    let (path, reason) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(Sqlite::NotADatabase) => OpenError::Foreign(path),
        Some(Sqlite::DatabaseCorrupt) => OpenError::Damaged { path, reason },
        _ => OpenError::Inaccessible { path, reason },
    }
}
