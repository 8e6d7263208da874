//! Pages of products. Each combination of filters reads one index, in order, from where the last page ended.

use std::cmp::Ordering;

use chassis::StoreError;
use rusqlite::{Connection, ToSql};

use super::{categories, text};
use crate::store::{ListAfter, ListQuery, ListSort, Listed};

/// One page of products. A category with others below it is as many ordered lists, which are merged: the
/// cost grows with the number of categories, not of products.
pub(super) fn list(connection: &Connection, query: &ListQuery) -> Result<Vec<Listed>, StoreError> {
    let Some(category) = &query.category else { return list_one(connection, query) };
    let mut listed = Vec::new();
    for category in categories::with_descendants(connection, category)? {
        listed.extend(list_one(connection, &ListQuery { category: Some(category), ..query.clone() })?);
    }
    listed.sort_by(|a, b| order(query.sort, &a.place, &b.place));
    listed.truncate(query.limit as usize);
    Ok(listed)
}

fn order(sort: ListSort, a: &ListAfter, b: &ListAfter) -> Ordering {
    match (sort, a, b) {
        (ListSort::PriceDescending(_), ListAfter::Price(..), ListAfter::Price(..)) => b.cmp(a),
        (ListSort::Newest, ListAfter::Number(a), ListAfter::Number(b)) => b.cmp(a),
        _ => a.cmp(b),
    }
}

fn list_one(connection: &Connection, query: &ListQuery) -> Result<Vec<Listed>, StoreError> {
    let (text, sql) = statement(query);
    let mut statement = connection.prepare_cached(&text)?;
    let mut rows = statement.query(rusqlite::params_from_iter(sql.values.iter().map(AsRef::as_ref)))?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        let id = text::id(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        let place = match query.sort {
            ListSort::Newest => ListAfter::Number(row.get(2)?),
            ListSort::Price(_) | ListSort::PriceDescending(_) => ListAfter::Price(row.get(3)?, row.get(2)?),
            ListSort::TitleKo | ListSort::TitleEn => ListAfter::Title(row.get(3)?, row.get(2)?),
        };
        listed.push(Listed { id, place, view: row.get(1)? });
    }
    Ok(listed)
}

/// How SQLite would run it.
#[cfg(test)]
pub(super) fn explain(connection: &Connection, query: &ListQuery) -> Result<String, StoreError> {
    let (text, sql) = statement(query);
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}"))?;
    let values = rusqlite::params_from_iter(sql.values.iter().map(AsRef::as_ref));
    let steps = statement.query_map(values, |row| row.get(3))?.collect::<Result<Vec<String>, _>>()?;
    Ok(steps.join("; "))
}

/// The statement and its values; it yields id, view, row number and, unless by age, the sort key.
fn statement(query: &ListQuery) -> (String, Sql) {
    match query.sort {
        ListSort::Price(currency) => by_price(query, currency.code(), false),
        ListSort::PriceDescending(currency) => by_price(query, currency.code(), true),
        ListSort::Newest => by_age(query),
        ListSort::TitleKo => by_title(query, "ko"),
        ListSort::TitleEn => by_title(query, "en"),
    }
}

/// A statement under construction; every condition binds its value.
struct Sql {
    conditions: Vec<String>,
    values: Vec<Box<dyn ToSql>>,
}

impl Sql {
    /// The conditions of `query` that are equalities, and the suffix of the index that serves them.
    fn filters(query: &ListQuery) -> (Self, String) {
        let mut sql = Self { conditions: Vec::new(), values: Vec::new() };
        let mut index = String::from("s");
        if let Some(status) = query.status {
            sql.and("status = ?", status.as_str());
        }
        if let Some(category) = &query.category {
            sql.and("category = ?", category.clone());
            index.push('c');
        }
        if let Some(in_stock) = query.in_stock {
            sql.and("in_stock = ?", in_stock);
            index.push('i');
        }
        (sql, index)
    }

    fn and(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.values.push(Box::new(value));
        self.conditions.push(condition.replacen('?', &format!("?{}", self.values.len()), 1));
    }

    /// After the place where the last page ended; rows with equal keys go by row number.
    fn after<K: ToSql + 'static>(&mut self, columns: &str, operator: &str, key: K, seq: i64) {
        self.values.push(Box::new(key));
        self.values.push(Box::new(seq));
        let (key, seq) = (self.values.len() - 1, self.values.len());
        self.conditions.push(format!("({columns}) {operator} (?{key}, ?{seq})"));
    }

    /// Bound like any value, so that lists of all lengths share a statement.
    fn limit(&mut self, query: &ListQuery) -> String {
        self.values.push(Box::new(query.limit));
        format!("?{}", self.values.len())
    }

    fn clause(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!("WHERE {}", self.conditions.join(" AND ")) }
    }
}

fn by_age(query: &ListQuery) -> (String, Sql) {
    let (mut sql, index) = Sql::filters(query);
    if let Some(ListAfter::Number(seq)) = query.after {
        sql.and("seq < ?", seq);
    }
    let index = if query.status.is_some() { format!("INDEXED BY products_{index}") } else { String::new() };
    let (clause, limit) = (sql.clause(), sql.limit(query));
    let text = format!("SELECT id, view, seq FROM products {index} {clause} ORDER BY seq DESC LIMIT {limit}");
    (text, sql)
}

fn by_title(query: &ListQuery, locale: &str) -> (String, Sql) {
    let (mut sql, index) = Sql::filters(query);
    if let Some(ListAfter::Title(title, seq)) = &query.after {
        sql.after(&format!("title_{locale}, seq"), ">", title.clone(), *seq);
    }
    let (clause, limit) = (sql.clause(), sql.limit(query));
    let text = format!(
        "SELECT id, view, seq, title_{locale} FROM products INDEXED BY products_{index}_{locale} {clause}
         ORDER BY title_{locale}, seq LIMIT {limit}"
    );
    (text, sql)
}

fn by_price(query: &ListQuery, currency: &str, descending: bool) -> (String, Sql) {
    let (mut sql, index) = Sql::filters(query);
    sql.and("currency = ?", currency.to_owned());
    if let Some(min) = query.min_price {
        sql.and("amount >= ?", min);
    }
    if let Some(max) = query.max_price {
        sql.and("amount <= ?", max);
    }
    let (operator, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
    if let Some(ListAfter::Price(amount, seq)) = query.after {
        sql.after("amount, seq", operator, amount, seq);
    }
    let (clause, limit) = (sql.clause(), sql.limit(query));
    let text = format!(
        "SELECT p.id, p.view, l.seq, l.amount FROM (
             SELECT seq, amount FROM product_prices INDEXED BY product_prices_{index} {clause}
             ORDER BY amount {direction}, seq {direction} LIMIT {limit}
         ) l JOIN products p ON p.seq = l.seq ORDER BY l.amount {direction}, l.seq {direction}"
    );
    (text, sql)
}
