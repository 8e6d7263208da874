//! Reading products.

use std::collections::HashMap;

use chassis::StoreError;
use contracts::product::ProductId;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{shelf, text};
use crate::{
    product::{Product, ProductStatus},
    stock::StockLevel,
    store::{ProductKey, Stocked, StoredView},
};

/// SQLite has no unsigned integers.
pub(super) fn signed(version: u64) -> Result<i64, StoreError> {
    i64::try_from(version).map_err(|error| StoreError::corrupt("a version", error))
}

pub(super) fn status(text: &str) -> Result<ProductStatus, StoreError> {
    match text {
        "draft" => Ok(ProductStatus::Draft),
        "active" => Ok(ProductStatus::Active),
        "archived" => Ok(ProductStatus::Archived),
        other => Err(StoreError::corrupt("products.status", other)),
    }
}

/// The row number of the product that `key` names.
pub(super) fn seq(connection: &Connection, key: &ProductKey) -> Result<Option<i64>, StoreError> {
    let (sql, value) = match key {
        ProductKey::Id(id) => ("SELECT seq FROM products WHERE id = ?1", id.to_string()),
        ProductKey::Handle(handle) => ("SELECT seq FROM products WHERE handle = ?1", handle.clone()),
        ProductKey::Variant(id) => ("SELECT product_seq FROM variants WHERE id = ?1 AND retired = 0", id.to_string()),
    };
    Ok(connection.prepare_cached(sql)?.query_row([value], |row| row.get(0)).optional()?)
}

pub(super) fn find(connection: &Connection, key: &ProductKey) -> Result<Option<Stocked>, StoreError> {
    match seq(connection, key)? {
        Some(seq) => Ok(load(connection, &[seq])?.pop()),
        None => Ok(None),
    }
}

pub(super) fn find_view(connection: &Connection, key: &ProductKey) -> Result<Option<StoredView>, StoreError> {
    let Some(seq) = seq(connection, key)? else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT status, version, view FROM products WHERE seq = ?1")?;
    let mut rows = statement.query([seq])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(StoredView {
        status: status(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?,
        version: row.get::<_, i64>(1)?.unsigned_abs(),
        view: row.get(2)?,
    }))
}

/// The products in these rows with their stock, in the order of `seqs`: two queries, however many there are.
pub(super) fn load(connection: &Connection, seqs: &[i64]) -> Result<Vec<Stocked>, StoreError> {
    let list = serde_json::to_string(seqs)?;
    let mut levels = levels(connection, &list)?;
    let mut statement = connection
        .prepare_cached("SELECT seq, version, doc FROM products WHERE seq IN (SELECT value FROM json_each(?1))")?;
    let mut rows = statement.query([&list])?;
    let mut found = HashMap::with_capacity(seqs.len());
    while let Some(row) = rows.next()? {
        let (seq, product) = read(row)?;
        found.insert(seq, (product, levels.remove(&seq).unwrap_or_default()));
    }
    Ok(seqs.iter().filter_map(|seq| found.remove(seq)).collect())
}

fn read(row: &Row<'_>) -> Result<(i64, Product), StoreError> {
    let doc = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
    let mut product: Product = serde_json::from_str(doc)?;
    // Selling out makes a new version without touching the document.
    product.version = row.get::<_, i64>(1)?.unsigned_abs();
    Ok((row.get(0)?, product))
}

fn levels(connection: &Connection, seqs: &str) -> Result<HashMap<i64, Vec<StockLevel>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT v.product_seq, v.id, s.on_hand, s.reserved, s.track, s.backorder
         FROM variants v JOIN stock_levels s ON s.variant_id = v.id
         WHERE v.product_seq IN (SELECT value FROM json_each(?1)) AND v.retired = 0
         ORDER BY v.product_seq, v.position",
    )?;
    let mut rows = statement.query([seqs])?;
    let mut levels: HashMap<i64, Vec<StockLevel>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let id = text::id(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        levels.entry(row.get(0)?).or_default().push(shelf::read_level(row, 2, id)?);
    }
    Ok(levels)
}

pub(super) fn find_by_handles(
    connection: &Connection,
    handles: &[String],
) -> Result<HashMap<String, Stocked>, StoreError> {
    let seqs = pick(connection, "SELECT seq FROM products WHERE handle = ?1", handles)?;
    Ok(load(connection, &seqs)?.into_iter().map(|stocked| (stocked.0.handle.clone(), stocked)).collect())
}

pub(super) fn get_many(connection: &Connection, ids: &[ProductId]) -> Result<Vec<Stocked>, StoreError> {
    let ids: Vec<String> = ids.iter().map(ProductId::to_string).collect();
    let seqs = pick(connection, "SELECT seq FROM products WHERE id = ?1", &ids)?;
    load(connection, &seqs)
}

/// Runs a look-up by unique key for each of `keys`.
fn pick(connection: &Connection, sql: &str, keys: &[String]) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut seqs = Vec::with_capacity(keys.len());
    for key in keys {
        seqs.extend(statement.query_row([key], |row| row.get::<_, i64>(0)).optional()?);
    }
    Ok(seqs)
}

pub(super) fn views(connection: &Connection, ids: &[ProductId]) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT view FROM products WHERE id = ?1 AND status = 'active'")?;
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        views.extend(statement.query_row([id.to_string()], |row| row.get::<_, String>(0)).optional()?);
    }
    Ok(views)
}

pub(super) fn count(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection.prepare_cached("SELECT count(*) FROM products")?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

pub(super) fn list_all(
    connection: &Connection,
    after: Option<ProductId>,
    limit: u32,
) -> Result<Vec<Stocked>, StoreError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let seqs = connection
        .prepare_cached("SELECT seq FROM products WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map((after, limit), |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    load(connection, &seqs)
}
