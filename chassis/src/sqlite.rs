//! Embedded SQL: one file, one writer, many readers.
//!
//! All writes of a file go through one thread. It takes every transaction that waits, runs each in a
//! savepoint of its own, commits them together and only then answers: a hundred callers share one
//! `fdatasync`, and none hears of an outcome that is not on disk. The queue before it is bounded.
//!
//! What can be made again from elsewhere may be written without waiting for the disk
//! ([`Database::write_unsynced`]); the next synced commit of the file carries it along.
//!
//! Reads run on the caller's thread: a look-up takes microseconds, less than handing it to another thread.
//! What takes longer goes through [`Database::scan`].

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use rusqlite::{Connection, ffi::SQLITE_IOERR_WRITE};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::StoreError;

mod open;
mod simulated;

pub use open::OpenError;
use open::{connect, migrate, open_error};
pub use simulated::{Access, Disk, Fate, SimulatedFile};

/// Transactions that may wait for the writer; more callers wait outside, in order.
const WRITER_QUEUE_LEN: usize = 1024;
/// Transactions in one commit at most, so that the first of them does not wait too long.
const BATCH_LEN_MAX: usize = 256;
/// How long the last handle waits for the file to be closed. A disk that takes longer is given up on; what the log
/// holds is found at the next start.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Readers of one file at most, however many cores there are.
const READERS_MAX: usize = 8;

/// Where a database lives.
#[derive(Debug, Clone)]
pub enum Location {
    /// A file; its folder must exist.
    File(PathBuf),
    /// Memory of this process; runs inline on the caller's thread, for tests and simulation.
    Memory,
    /// A file of a simulated world, which outlives the process that opens it; runs inline.
    Simulated(Arc<SimulatedFile>),
}

impl Location {
    /// The file `name` in `folder`.
    pub fn in_folder(folder: &Path, name: &str) -> Self {
        Self::File(folder.join(name))
    }
}

/// The tables of one database and how they came to be.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// For messages: `order`.
    pub name: &'static str,
    /// SQL scripts, applied in order, each once. Never change one that was released; add one.
    pub migrations: &'static [&'static str],
}

/// A database handle. Cloning is cheap; the file closes when the last clone is dropped, and holds everything
/// by then: no log is left beside it.
#[derive(Clone)]
pub struct Database {
    engine: Arc<Engine>,
    commits: watch::Sender<u64>,
}

enum Engine {
    /// Dropped in this order: the writer's connection closes last, and only the last one clears the log.
    Threaded {
        readers: Readers,
        writer: mpsc::Sender<Job>,
        unsynced: Arc<AtomicBool>,
        _closing: Closing,
    },
    Inline(Mutex<Connection>),
    Simulated(Arc<SimulatedFile>),
}

/// Waits, when dropped, until the writer has closed the file.
struct Closing {
    closed: Mutex<std::sync::mpsc::Receiver<()>>,
    writer: ThreadId,
}

impl Drop for Closing {
    fn drop(&mut self) {
        // A transaction that took the last handle along is dropped on the very thread to wait for.
        if std::thread::current().id() != self.writer {
            let closed = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = closed.recv_timeout(CLOSE_PATIENCE);
        }
    }
}

/// Connections that read. They are opened when they are first needed: most files of a small shop are never
/// read by two at once.
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// Tells the caller how its transaction ended, once the commit has or has not happened.
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Runs a transaction, if there is one to run it in; `true` keeps its changes.
type Run = Box<dyn FnOnce(Option<&Connection>) -> (bool, Finish) + Send>;

/// A transaction that waits for the writer.
struct Job {
    run: Run,
    /// Whether its caller is answered only when it is on disk.
    synced: bool,
}

impl Database {
    /// Opens or creates the database and brings its schema up to date.
    pub fn open(location: &Location, schema: &Schema) -> Result<Self, OpenError> {
        let commits = watch::Sender::new(0);
        let engine = match location {
            Location::Memory => {
                let connection = Connection::open_in_memory().map_err(|error| open_error("memory", &error))?;
                migrate(&connection, "memory", schema)?;
                Engine::Inline(Mutex::new(connection))
            }
            Location::Simulated(file) => {
                migrate(&file.connection(), schema.name, schema)?;
                Engine::Simulated(Arc::clone(file))
            }
            Location::File(path) => {
                let name = path.display().to_string();
                let writer = connect(path, false)?;
                migrate(&writer, &name, schema)?;
                let readers = Readers::open(path)?;
                let (sender, receiver) = mpsc::channel(WRITER_QUEUE_LEN);
                let unsynced = Arc::new(AtomicBool::new(false));
                let writer = Writer {
                    database: schema.name,
                    connection: writer,
                    commits: commits.clone(),
                    unsynced: Arc::clone(&unsynced),
                };
                let (open, closed) = std::sync::mpsc::channel();
                let thread = std::thread::Builder::new()
                    .name(format!("sqlite-{}", schema.name))
                    .spawn(move || {
                        writer.run(receiver);
                        drop(open);
                    })
                    .map_err(|error| OpenError::Inaccessible { path: name, reason: error.to_string() })?;
                let closing = Closing { closed: Mutex::new(closed), writer: thread.thread().id() };
                Engine::Threaded { readers, writer: sender, unsynced, _closing: closing }
            }
        };
        Ok(Self { engine: Arc::new(engine), commits })
    }

    /// Runs `transaction`; its changes are durable when this returns `Ok`, and gone when it returns `Err`.
    pub async fn write<T, E>(
        &self,
        transaction: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.commit(true, transaction).await
    }

    /// Runs `transaction` without waiting for the disk: its changes are seen by everybody when this returns
    /// `Ok` and survive the end of this process; a power cut may undo them, together with all that came after
    /// them. They are durable once a later [`write`](Self::write) or [`sync`](Self::sync) has returned.
    ///
    /// Only for what can be made again from elsewhere, and never for something that the outbox says.
    pub async fn write_unsynced<T, E>(
        &self,
        transaction: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.commit(false, transaction).await
    }

    /// Makes everything durable that was written so far.
    pub async fn sync(&self) -> Result<(), StoreError> {
        match &*self.engine {
            Engine::Threaded { unsynced, .. } if unsynced.load(Ordering::Acquire) => self.write(|_| Ok(())).await,
            Engine::Threaded { .. } | Engine::Inline(_) | Engine::Simulated(_) => Ok(()),
        }
    }

    async fn commit<T, E>(
        &self,
        synced: bool,
        transaction: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Inline(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let result = write_inline(&connection, transaction);
                drop(connection);
                self.commits.send_modify(|count| *count += 1);
                result
            }
            Engine::Simulated(file) => {
                let result = file.write(transaction).await;
                self.commits.send_modify(|count| *count += 1);
                result
            }
            Engine::Threaded { writer, .. } => {
                let (sender, receiver) = oneshot::channel();
                let trace = crate::trace::current();
                let run: Run = Box::new(move |connection| {
                    let result = connection
                        .map(|connection| crate::trace::sync_scope(trace, || run_guarded(connection, transaction)));
                    let keep = matches!(result, Some(Ok(_)));
                    let finish: Finish = Box::new(move |committed| {
                        // A caller that went away does not want to know.
                        let _ = sender.send(committed.map_err(E::from).and_then(|()| {
                            let no_begin = || StoreError::Unavailable("no transaction could begin".to_owned());
                            result.unwrap_or_else(|| Err(no_begin().into()))
                        }));
                    });
                    (keep, finish)
                });
                let stopped = || StoreError::Unavailable("the writer has stopped".to_owned());
                writer.send(Job { run, synced }).await.map_err(|_| stopped())?;
                receiver.await.map_err(|_| StoreError::Unknown("the writer has stopped".to_owned()))?
            }
        }
    }

    /// Runs `query` on a consistent snapshot, on the caller's thread: for what an index answers at once. It
    /// holds up whatever else that thread serves.
    pub async fn read<T, E>(&self, query: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Inline(connection) => query(&connection.lock().unwrap_or_else(PoisonError::into_inner)),
            Engine::Simulated(file) => file.read(query).await,
            Engine::Threaded { readers, .. } => {
                let stopped = |_| StoreError::Unavailable("the readers have stopped".to_owned());
                let _permit = readers.permits.acquire().await.map_err(stopped)?;
                readers.run(query)
            }
        }
    }

    /// The same on a thread of its own: for what reads many rows.
    #[expect(clippy::disallowed_methods, reason = "the pool bounds how many threads this takes")]
    pub async fn scan<T, E>(&self, query: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let Engine::Threaded { readers, .. } = &*self.engine else { return self.read(query).await };
        let stopped = |_| StoreError::Unavailable("the readers have stopped".to_owned());
        let _permit = readers.permits.acquire().await.map_err(stopped)?;
        let engine = Arc::clone(&self.engine);
        let scanned = tokio::task::spawn_blocking(move || match &*engine {
            Engine::Threaded { readers, .. } => readers.run(query),
            Engine::Inline(connection) => query(&connection.lock().unwrap_or_else(PoisonError::into_inner)),
            Engine::Simulated(file) => query(&file.connection()),
        });
        scanned.await.map_err(|_| StoreError::Corrupt("a query panicked".to_owned()))?
    }

    /// Changes whenever something was committed; what waits for new rows waits on this.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }
}

impl Readers {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // One more than there are threads that read in passing, so that a scan does not keep one of them waiting.
        let permits = Semaphore::new((cores + 1).min(READERS_MAX));
        Ok(Self { path: path.to_owned(), idle: Mutex::new(vec![connect(path, true)?]), permits })
    }

    /// Runs `query` on a connection that is idle. The caller has a permit.
    fn run<T, E: From<StoreError>>(&self, query: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let known = idle().pop();
        let connection = match known {
            Some(connection) => connection,
            None => connect(&self.path, true).map_err(|error| StoreError::Unavailable(error.to_string()))?,
        };
        let result = catch_unwind(AssertUnwindSafe(|| snapshot(&connection, query)));
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        idle().push(connection);
        result.unwrap_or_else(|_| Err(StoreError::Corrupt("a query panicked".to_owned()).into()))
    }
}

fn snapshot<T, E: From<StoreError>>(
    connection: &Connection,
    query: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    execute(connection, "BEGIN")?;
    let result = query(connection);
    execute(connection, "COMMIT")?;
    result
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn run_guarded<T, E: From<StoreError>>(
    connection: &Connection,
    transaction: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(|| transaction(connection)))
        .unwrap_or_else(|_| Err(StoreError::Corrupt("a transaction panicked".to_owned()).into()))
}

fn write_inline<T, E: From<StoreError>>(
    connection: &Connection,
    transaction: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let result = run_guarded(connection, transaction);
    let result = result.and_then(|value| commit(connection).map(|()| value).map_err(E::from));
    if result.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    result
}

/// Commits. When the disk fails here, what was written may be found again after a crash.
fn commit(connection: &Connection) -> Result<(), StoreError> {
    let committed = connection.prepare_cached("COMMIT").and_then(|mut statement| statement.execute([]));
    committed.map(drop).map_err(|error| {
        // A page that could not be written to the log: the log is read up to the last complete commit, which this
        // is not. That is how quotas and limits on file sizes end a commit; only a failed sync leaves doubt.
        let unwritten = error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_WRITE);
        match StoreError::from(error) {
            StoreError::Unavailable(reason) if !unwritten => StoreError::Unknown(reason),
            other => other,
        }
    })
}

/// The one who writes a file, on a thread of its own.
struct Writer {
    database: &'static str,
    connection: Connection,
    commits: watch::Sender<u64>,
    /// The file may hold commits that are not on disk.
    unsynced: Arc<AtomicBool>,
}

impl Writer {
    /// Takes whatever waits, commits it together, answers, and starts over until all handles are gone.
    fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let connection = &self.connection;
        let mut batch: Vec<Job> = Vec::with_capacity(BATCH_LEN_MAX);
        let mut syncs = true;
        while jobs.blocking_recv_many(&mut batch, BATCH_LEN_MAX) > 0 {
            let sync = batch.iter().any(|job| job.synced);
            let mut finishers = Vec::with_capacity(batch.len());
            let ready = if sync == syncs { Ok(()) } else { set_sync(connection, sync) };
            syncs = if ready.is_ok() { sync } else { syncs };
            let committed = self.commit_together(ready, sync, batch.drain(..), &mut finishers);
            if committed.is_err() && !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
            let synced = if sync { "true" } else { "false" };
            metrics::histogram!("sqlite_batch_transactions", "database" => self.database, "synced" => synced)
                .record(finishers.len() as f64);
            for finish in finishers {
                finish(committed.clone());
            }
            self.commits.send_modify(|count| *count += 1);
        }
        if self.unsynced.load(Ordering::Acquire) && set_sync(connection, true).is_ok() {
            let _ = touch(connection);
        }
        // Moves the log into the file, also if another process still reads it. What fails here is done at the next start.
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// Runs the jobs in one transaction. Every job is called and its `Finish` collected, also when the
    /// transaction cannot begin or breaks off: nobody may be left waiting, and nothing may run outside of it.
    fn commit_together(
        &self,
        ready: Result<(), StoreError>,
        sync: bool,
        jobs: impl ExactSizeIterator<Item = Job>,
        finishers: &mut Vec<Finish>,
    ) -> Result<(), StoreError> {
        let connection = &self.connection;
        let mut outcome = ready.and_then(|()| execute(connection, "BEGIN IMMEDIATE"));
        let alone = jobs.len() == 1;
        for job in jobs {
            if outcome.is_ok() && !alone {
                outcome = execute(connection, "SAVEPOINT job");
            }
            let (keep, finish) = (job.run)(outcome.is_ok().then_some(connection));
            finishers.push(finish);
            if outcome.is_ok() && connection.is_autocommit() {
                // After some errors, such as a full disk, SQLite rolls everything back by itself.
                outcome = Err(StoreError::Unavailable("the transaction was rolled back".to_owned()));
            }
            if outcome.is_ok() && !keep {
                outcome = execute(connection, if alone { "ROLLBACK" } else { "ROLLBACK TO job" });
            }
            if outcome.is_ok() && !alone {
                outcome = execute(connection, "RELEASE job");
            }
        }
        if connection.is_autocommit() {
            // The only job was refused, and was rolled back, or there was no transaction at all.
            return outcome;
        }
        if sync && self.unsynced.load(Ordering::Acquire) {
            outcome = outcome.and_then(|()| touch(connection));
        }
        if outcome.is_ok() {
            crate::fail_point!(self.database, "commit.before");
            outcome = commit(connection);
            crate::fail_point!(self.database, "commit.after");
        }
        if !sync {
            self.unsynced.store(true, Ordering::Release);
        } else if outcome.is_ok() {
            self.unsynced.store(false, Ordering::Release);
        }
        outcome
    }
}

/// Whether commits from now on wait for the disk.
fn set_sync(connection: &Connection, sync: bool) -> Result<(), StoreError> {
    Ok(connection.pragma_update(None, "synchronous", if sync { "FULL" } else { "NORMAL" })?)
}

/// Writes something that changes nothing: a commit without changes would not sync what others left behind.
fn touch(connection: &Connection) -> Result<(), StoreError> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(connection.pragma_update(None, "user_version", version)?)
}
