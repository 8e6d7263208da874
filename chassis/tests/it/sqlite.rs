//! The embedded database: group commit, isolation of one transaction from the others, refusals to open.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use chassis::{
    StoreError,
    sqlite::{Database, Location, OpenError, Schema},
};
use futures::future::join_all;
use rusqlite::Connection;

const SCHEMA: Schema = Schema { name: "test", migrations: &["CREATE TABLE notes (text TEXT NOT NULL) STRICT;"] };

/// A refusal by a rule, or a failure of the store.
#[derive(Debug, PartialEq)]
enum Refusal {
    Rule,
    Store(String),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

fn open(folder: &Path) -> Database {
    Database::open(&Location::in_folder(folder, "test.db"), &SCHEMA).unwrap()
}

fn insert(transaction: &Connection, text: &str) -> Result<(), StoreError> {
    transaction.prepare_cached("INSERT INTO notes (text) VALUES (?1)")?.execute([text])?;
    Ok(())
}

async fn write(database: &Database, text: &str) -> Result<(), StoreError> {
    let text = text.to_owned();
    database.write(move |transaction| insert(transaction, &text)).await
}

async fn notes(database: &Database) -> Vec<String> {
    let read = |connection: &Connection| -> Result<Vec<String>, StoreError> {
        let mut statement = connection.prepare("SELECT text FROM notes ORDER BY rowid")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    };
    database.read(read).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let mut expected: Vec<_> = (0..500).map(|number| format!("note {number:03}")).collect();
    for result in join_all(expected.iter().map(|text| write(&database, text))).await {
        result.unwrap();
    }
    // Another connection sees only what was committed.
    let other = open(folder.path());
    let mut found = notes(&other).await;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_was_not_synced_is_seen_and_kept_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for database in [open(folder.path()), Database::open(&Location::Memory, &SCHEMA).unwrap()] {
        for text in ["unsynced", "synced", "unsynced again"] {
            let note = move |transaction: &Connection| insert(transaction, text);
            if text == "synced" {
                database.write(note).await.unwrap();
            } else {
                database.write_unsynced(note).await.unwrap();
            }
        }
        let refused = database.write_unsynced(|transaction| {
            insert(transaction, "refused")?;
            Err::<(), _>(Refusal::Rule)
        });
        assert_eq!(refused.await, Err(Refusal::Rule));
        database.sync().await.unwrap();
        database.sync().await.unwrap();
        assert_eq!(notes(&database).await, ["unsynced", "synced", "unsynced again"]);
        assert_eq!(database.scan(|connection| Ok::<_, StoreError>(notes_in(connection))).await.unwrap(), 3);
    }
    assert_eq!(notes(&open(folder.path())).await.len(), 3);
}

#[tokio::test]
async fn a_commit_is_visible_before_its_answer_and_wakes_those_who_wait() {
    let folder = tempfile::tempdir().unwrap();
    for database in [open(folder.path()), Database::open(&Location::Memory, &SCHEMA).unwrap()] {
        let mut commits = database.commits();
        for number in 0..20 {
            commits.borrow_and_update();
            write(&database, "note").await.unwrap();
            assert_eq!(notes(&database).await.len(), number + 1);
            commits.changed().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_refused_or_panicking_transaction_undoes_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    for database in [open(folder.path()), Database::open(&Location::Memory, &SCHEMA).unwrap()] {
        let refused = database.write(|transaction| {
            insert(transaction, "refused")?;
            Err::<(), _>(Refusal::Rule)
        });
        let broken = database.write(|transaction| {
            insert(transaction, "broken")?;
            if notes_in(transaction) > 0 {
                panic!("on purpose");
            }
            Ok::<(), Refusal>(())
        });
        let (before, refused, between, broken, after) = futures::join!(
            write(&database, "before"),
            refused,
            write(&database, "between"),
            broken,
            write(&database, "after")
        );
        assert!(before.is_ok() && between.is_ok() && after.is_ok());
        assert_eq!(refused, Err(Refusal::Rule));
        assert!(matches!(broken, Err(Refusal::Store(reason)) if reason.contains("panicked")));
        assert_eq!(notes(&database).await, ["before", "between", "after"]);
    }
}

fn notes_in(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_wait_are_committed_together_each_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let mut commits = database.commits();
    // The first transaction stays in the writer until all others wait behind it.
    let (release, released) = mpsc::channel();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let first = database.write(move |_| {
        let _ = entered.send(());
        released.recv().map_err(|_| Refusal::Rule)
    });
    let others = (0..24).map(|number| {
        database.write(move |transaction| {
            insert(transaction, &format!("{number:02}"))?;
            if number % 2 == 1 { Err(Refusal::Rule) } else { Ok(number) }
        })
    });
    let (mut first, mut others) = (std::pin::pin!(first), std::pin::pin!(join_all(others)));
    assert!(futures::poll!(&mut first).is_pending());
    inside.await.unwrap();
    assert!(futures::poll!(&mut others).is_pending());
    let before = *commits.borrow_and_update();
    release.send(()).unwrap();
    first.await.unwrap();
    for (number, result) in others.await.into_iter().enumerate() {
        assert_eq!(result, if number % 2 == 1 { Err(Refusal::Rule) } else { Ok(number) });
    }
    // The count comes after the answers.
    let after = *commits.wait_for(|count| *count >= before + 2).await.unwrap();
    assert_eq!(after, before + 2, "one commit for the first, one for all others");
    assert_eq!(notes(&database).await, (0..24).step_by(2).map(|number| format!("{number:02}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_outside_a_transaction_that_could_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let intruder = Connection::open(folder.path().join("test.db")).unwrap();
    intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&ran);
    let refused = database.write(move |transaction| {
        note.store(true, Ordering::SeqCst);
        insert(transaction, "lost")
    });
    let refused = refused.await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(!ran.load(Ordering::SeqCst), "it would have committed statement by statement");
    intruder.execute_batch("COMMIT").unwrap();
    write(&database, "kept").await.unwrap();
    assert_eq!(notes(&database).await, ["kept"]);
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    assert!(database.read(|connection| insert(connection, "sneaky")).await.is_err());
    assert_eq!(notes(&database).await, [""; 0]);
}

#[tokio::test]
async fn migrations_run_once_each_and_in_order() {
    const LONGER: Schema = Schema {
        name: "test",
        migrations: &[SCHEMA.migrations[0], "ALTER TABLE notes ADD COLUMN read INTEGER NOT NULL DEFAULT 0;"],
    };
    let folder = tempfile::tempdir().unwrap();
    let location = Location::in_folder(folder.path(), "test.db");
    write(&Database::open(&location, &SCHEMA).unwrap(), "old").await.unwrap();
    for _ in 0..2 {
        let database = Database::open(&location, &LONGER).unwrap();
        let unread = |connection: &Connection| -> Result<i64, StoreError> {
            Ok(connection.query_row("SELECT count(*) FROM notes WHERE read = 0", [], |row| row.get(0))?)
        };
        assert_eq!(database.read(unread).await.unwrap(), 1);
    }
    let error = Database::open(&location, &SCHEMA).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("test.db"), "{error}");
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x);").unwrap();
    let letter = folder.path().join("letter.txt");
    std::fs::write(&letter, "Dear Jangteo, this is not a database. ".repeat(30)).unwrap();
    for path in [foreign, letter] {
        let before = std::fs::read(&path).unwrap().len();
        let error = Database::open(&Location::File(path.clone()), &SCHEMA).err().unwrap();
        assert!(matches!(error, OpenError::Foreign(_)), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(std::fs::read(&path).unwrap().len(), before);
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let locked = folder.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    let mut permissions = std::fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&locked, permissions).unwrap();
    let mut cases = vec![folder.path().join("missing/test.db"), file.join("test.db"), folder.path().to_owned()];
    // The superuser may write anywhere.
    if std::fs::write(locked.join("probe"), "").is_err() {
        cases.push(locked.join("test.db"));
    }
    for path in cases {
        let error = Database::open(&Location::File(path.clone()), &SCHEMA).err().unwrap();
        assert!(matches!(error, OpenError::Inaccessible { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_file_leaves_no_log_behind() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("test.db-wal");
    let database = open(folder.path());
    let text = "x".repeat(10_000);
    for _ in 0..50 {
        write(&database, &text).await.unwrap();
    }
    database.write_unsynced(move |transaction| insert(transaction, "not synced")).await.unwrap();
    assert_eq!(notes(&database).await.len(), 51);
    assert!(std::fs::metadata(&log).unwrap().len() > 500_000, "the test shows nothing if there was no log");
    drop(database.clone());
    assert!(log.exists(), "there is another handle");
    drop(database);
    assert!(!log.exists(), "closing waits for it");
    let alone = Connection::open(folder.path().join("test.db")).unwrap();
    let kept: i64 = alone.query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_may_hold_the_last_handle() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let started = tokio::time::Instant::now();
    let (ran, done) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let last = database.clone();
    let mut writing = Box::pin(async move {
        let held = last.clone();
        let transaction = move |connection: &Connection| {
            ran.send("begun").unwrap();
            wait.recv().unwrap();
            insert(connection, "last")?;
            drop(held);
            ran.send("ended").unwrap();
            Ok::<_, StoreError>(())
        };
        last.write(transaction).await
    });
    assert!(futures::poll!(&mut writing).is_pending());
    assert_eq!(done.recv().unwrap(), "begun");
    drop(writing);
    drop(database);
    go.send(()).unwrap();
    assert_eq!(done.recv().unwrap(), "ended");
    assert!(started.elapsed() < std::time::Duration::from_secs(4), "the writer does not wait for itself");
}
