//! Categories.

use chassis::StoreError;
use contracts::{Locale, LocalizedText};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{products, text};
use crate::{category::Category, store::CategoryError};

/// Deeper trees are mistakes; also what ends the walk up a broken one.
const DEPTH_MAX: usize = 32;
const COLUMNS: &str = "handle, name, parent, position, version, created_at, updated_at";

pub(super) fn exists(connection: &Connection, handle: &str) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM categories WHERE handle = ?1")?.exists([handle])?)
}

/// Makes a category that an import named, called by its handle until staff name it.
pub(super) fn make_missing(transaction: &Connection, handle: &str, now: Timestamp) -> Result<(), StoreError> {
    if exists(transaction, handle)? {
        return Ok(());
    }
    insert(
        transaction,
        &Category {
            handle: handle.to_owned(),
            name: LocalizedText::one(Locale::En, handle.replace('-', " ")),
            parent: None,
            position: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        },
    )
}

fn insert(transaction: &Connection, category: &Category) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO categories (handle, name, parent, position, version, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            &category.handle,
            serde_json::to_string(&category.name).map_err(StoreError::from)?,
            &category.parent,
            category.position,
            products::signed(category.version)?,
            category.created_at.as_microsecond(),
            category.updated_at.as_microsecond(),
        ))?;
    Ok(())
}

pub(super) fn create(transaction: &Connection, category: &Category) -> Result<(), CategoryError> {
    if exists(transaction, &category.handle)? {
        return Err(CategoryError::Taken);
    }
    check_parent(transaction, category)?;
    Ok(insert(transaction, category)?)
}

pub(super) fn update(transaction: &Connection, category: &Category, expected: u64) -> Result<(), CategoryError> {
    let current = find(transaction, &category.handle)?.ok_or(CategoryError::NotFound)?;
    if current.version != expected {
        return Err(CategoryError::Stale(current.version));
    }
    check_parent(transaction, category)?;
    transaction
        .prepare_cached(
            "UPDATE categories SET name = ?2, parent = ?3, position = ?4, version = ?5, updated_at = ?6
             WHERE handle = ?1",
        )
        .and_then(|mut statement| {
            let name = serde_json::to_string(&category.name)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            let version = i64::try_from(category.version).unwrap_or(i64::MAX);
            let updated_at = category.updated_at.as_microsecond();
            statement.execute((&category.handle, name, &category.parent, category.position, version, updated_at))
        })
        .map_err(StoreError::from)?;
    Ok(())
}

/// The parent exists, and the walk up from it does not meet the category.
fn check_parent(connection: &Connection, category: &Category) -> Result<(), CategoryError> {
    let mut above = category.parent.clone();
    for _ in 0..DEPTH_MAX {
        let Some(handle) = above else { return Ok(()) };
        if handle == category.handle {
            return Err(CategoryError::BadParent);
        }
        above = find(connection, &handle)?.ok_or(CategoryError::BadParent)?.parent;
    }
    Err(CategoryError::BadParent)
}

pub(super) fn delete(transaction: &Connection, handle: &str, expected: Option<u64>) -> Result<(), CategoryError> {
    let current = find(transaction, handle)?.ok_or(CategoryError::NotFound)?;
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(CategoryError::Stale(current.version));
    }
    let sql = "SELECT 1 FROM products WHERE status IN ('draft', 'active', 'archived') AND category = ?1
               UNION ALL SELECT 1 FROM categories WHERE parent = ?1 LIMIT 1";
    let used = transaction.prepare_cached(sql).and_then(|mut statement| statement.exists([handle]));
    if used.map_err(StoreError::from)? {
        return Err(CategoryError::InUse);
    }
    let deleted = transaction
        .prepare_cached("DELETE FROM categories WHERE handle = ?1")
        .and_then(|mut statement| statement.execute([handle]));
    deleted.map_err(StoreError::from)?;
    Ok(())
}

/// `handle` and all categories below it.
pub(super) fn with_descendants(connection: &Connection, handle: &str) -> Result<Vec<String>, StoreError> {
    let handles = connection
        .prepare_cached(
            "WITH RECURSIVE below (handle) AS (
                 VALUES (?1) UNION SELECT c.handle FROM categories c JOIN below ON c.parent = below.handle
             ) SELECT handle FROM below",
        )?
        .query_map([handle], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(handles)
}

pub(super) fn find(connection: &Connection, handle: &str) -> Result<Option<Category>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM categories WHERE handle = ?1"))?
        .query_row([handle], columns)
        .optional()?
        .map(read)
        .transpose()
}

pub(super) fn list(
    connection: &Connection,
    after: Option<(i64, String)>,
    limit: u32,
) -> Result<Vec<Category>, StoreError> {
    let (position, handle) = after.unwrap_or((i64::MIN, String::new()));
    let rows = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM categories WHERE (position, handle) > (?1, ?2)
             ORDER BY position, handle LIMIT ?3"
        ))?
        .query_map((position, handle, limit), columns)?
        .collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(read).collect()
}

type Columns = (String, String, Option<String>, i64, i64, i64, i64);

fn columns(row: &Row<'_>) -> Result<Columns, rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}

fn read((handle, name, parent, position, version, created_at, updated_at): Columns) -> Result<Category, StoreError> {
    Ok(Category {
        handle,
        name: serde_json::from_str(&name)?,
        parent,
        position,
        version: version.unsigned_abs(),
        created_at: text::timestamp(created_at)?,
        updated_at: text::timestamp(updated_at)?,
    })
}
