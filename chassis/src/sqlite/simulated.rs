//! A database file of a simulated world: in memory, outliving the process that has it open, on a disk that does
//! what the world wants.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;

use super::{OpenError, open_error, write_inline};
use crate::StoreError;

/// Prepared statements kept; a world runs for long on one connection.
const STATEMENTS_CACHED: usize = 256;

/// What is asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To look.
    Read,
    /// To commit a transaction.
    Write,
}

/// What becomes of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Done,
    /// It fails and does nothing.
    Unavailable,
    /// It does nothing, and nobody knows that.
    Lost,
    /// It is done, and nobody knows that.
    Unanswered,
}

/// Decides what becomes of accesses, and how long they take.
#[async_trait]
pub trait Disk: Send + Sync {
    /// Called before an access.
    async fn before(&self, access: Access) -> Fate;

    /// Called after an access that was done, before its caller hears of it.
    async fn after(&self, access: Access);
}

/// The file.
pub struct SimulatedFile {
    connection: Mutex<Connection>,
    disk: Arc<dyn Disk>,
}

impl SimulatedFile {
    /// An empty file on `disk`.
    pub fn new(disk: Arc<dyn Disk>) -> Result<Arc<Self>, OpenError> {
        let connection = Connection::open_in_memory().map_err(|error| open_error("memory", &error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        Ok(Arc::new(Self { connection: Mutex::new(connection), disk }))
    }

    /// The bare file, past its disk: for whoever made the world.
    pub fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn read<T, E: From<StoreError>>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.disk.before(Access::Read).await != Fate::Done {
            return Err(StoreError::Unavailable("the disk does not answer".to_owned()).into());
        }
        let result = query(&self.connection());
        self.disk.after(Access::Read).await;
        result
    }

    pub(super) async fn write<T, E: From<StoreError>>(
        &self,
        transaction: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let fate = self.disk.before(Access::Write).await;
        match fate {
            Fate::Unavailable => return Err(StoreError::Unavailable("the disk does not answer".to_owned()).into()),
            Fate::Lost => return Err(StoreError::Unknown("the disk went away".to_owned()).into()),
            Fate::Done | Fate::Unanswered => {}
        }
        let result = write_inline(&self.connection(), transaction);
        self.disk.after(Access::Write).await;
        match result {
            Ok(_) if fate == Fate::Unanswered => {
                Err(StoreError::Unknown("the disk went away after the commit".to_owned()).into())
            }
            result => result,
        }
    }
}

impl std::fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedFile").finish_non_exhaustive()
    }
}
