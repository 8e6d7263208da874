//! SQLite without us: the limit that stores are held against. The same rows, tables, indexes and durability.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params_from_iter, types::Value};

/// As many as a group commit takes.
pub(crate) const EVENTS_PER_COMMIT: usize = 256;

/// The rows of a table.
pub(crate) struct Table {
    insert: String,
    rows: Vec<Vec<Value>>,
}

/// Opens a file as the stores do.
pub(crate) fn open(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = 4000;",
    )?;
    Ok(connection)
}

/// Reads every column of every row; answers how many rows there are.
pub(crate) fn scan(file: &Path, table: &str) -> Result<usize> {
    Ok(read_table(&open(file)?, table)?.rows.len())
}

/// All tables that have rows.
pub(crate) fn read_tables(file: &Path) -> Result<Vec<Table>> {
    let connection = open(file)?;
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let tables = names.iter().map(|name| read_table(&connection, name)).collect::<Result<Vec<_>>>()?;
    Ok(tables.into_iter().filter(|table| !table.rows.is_empty()).collect())
}

/// Inserts everything, some of every table in each commit; there are `events` events in it.
pub(crate) fn insert(connection: &Connection, tables: &[Table], events: f64) -> Result<()> {
    let commits = (events / EVENTS_PER_COMMIT as f64).ceil() as usize;
    for commit in 0..commits {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for table in tables {
            let part = |number: usize| table.rows.len() * number / commits;
            insert_rows(connection, table, part(commit)..part(commit + 1))?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

/// Copies a table's rows to another file in one commit; answers how many.
pub(crate) fn copy_table(from: &Path, to: &Path, name: &str) -> Result<u64> {
    let table = read_table(&open(from)?, name)?;
    let connection = open(to)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    insert_rows(&connection, &table, 0..table.rows.len())?;
    connection.execute_batch("COMMIT")?;
    Ok(table.rows.len() as u64)
}

fn insert_rows(connection: &Connection, table: &Table, rows: std::ops::Range<usize>) -> Result<()> {
    let mut statement = connection.prepare_cached(&table.insert)?;
    for row in &table.rows[rows] {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

fn read_table(connection: &Connection, name: &str) -> Result<Table> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {name}"))?;
    let columns = statement.column_count();
    let insert = format!("INSERT INTO {name} VALUES ({})", vec!["?"; columns].join(", "));
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push((0..columns).map(|column| row.get(column)).collect::<Result<Vec<Value>, _>>()?);
    }
    Ok(Table { insert, rows })
}
