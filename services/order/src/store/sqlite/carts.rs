//! Carts on embedded SQL.

use async_trait::async_trait;
use chassis::{StoreError, idempotency};
use contracts::order::{CartId, LineId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::{
    SqliteStore,
    rows::{self, CART_COLUMNS},
};
use crate::{
    cart::{Cart, CartLine, CartPatch, LINES_MAX, QUANTITY_MAX},
    cart_view::CartView,
    owner::Owner,
    store::{CartAccess, CartChange, CartRefused, CartStore, Show},
};

impl From<rusqlite::Error> for CartRefused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

#[async_trait]
impl CartStore for SqliteStore {
    async fn create_cart(&self, cart: Cart, receipt: Option<idempotency::Record>) -> Result<(), StoreError> {
        self.database()
            .write(move |transaction| {
                insert_header(transaction, &cart)?;
                for line in &cart.lines {
                    add_line(transaction, cart.id, line)?;
                }
                receipt.iter().try_for_each(|record| idempotency::keep(transaction, record))
            })
            .await
    }

    async fn find_cart(&self, id: CartId) -> Result<Option<Cart>, StoreError> {
        self.database().read(move |connection| find(connection, id)).await
    }

    async fn change_cart(&self, access: CartAccess, change: CartChange, show: Show) -> Result<CartView, CartRefused> {
        self.database()
            .write(move |transaction| {
                let mut cart = find_header(transaction, access.cart_id)?.ok_or(CartRefused::NotFound)?;
                check_access(&cart, &access)?;
                apply(transaction, &mut cart, change)?;
                (cart.version, cart.updated_at, cart.expires_at) = (cart.version + 1, access.now, access.expires_at);
                update_header(transaction, &cart)?;
                cart.lines = lines(transaction, cart.id)?;
                if cart.lines.len() > LINES_MAX {
                    return Err(CartRefused::TooManyLines);
                }
                let (view, record) = show(cart)?;
                record.iter().try_for_each(|record| idempotency::keep(transaction, record))?;
                Ok(view)
            })
            .await
    }

    async fn forget_expired_carts(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.database()
            .write(move |transaction| {
                Ok(transaction
                    .prepare_cached(
                        "DELETE FROM carts WHERE id IN
                         (SELECT id FROM carts WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
                    )?
                    .execute((now.as_microsecond(), limit))?)
            })
            .await
    }
}

fn check_access(cart: &Cart, access: &CartAccess) -> Result<(), CartRefused> {
    if !access.shopper.owns(&cart.owner) || cart.expires_at <= access.now {
        return Err(CartRefused::NotFound);
    }
    if let Some(order_id) = cart.order_id {
        return Err(CartRefused::Ordered(order_id));
    }
    match access.if_match {
        Some(version) if version != cart.version => Err(CartRefused::Stale { current: cart.version }),
        _ => Ok(()),
    }
}

fn apply(transaction: &Connection, cart: &mut Cart, change: CartChange) -> Result<(), CartRefused> {
    match change {
        CartChange::AddLines(added) => {
            for line in &added {
                if add_line(transaction, cart.id, line)? > QUANTITY_MAX {
                    return Err(CartRefused::TooManyUnits(line.variant_id));
                }
            }
            Ok(())
        }
        CartChange::SetQuantity { line_id, quantity } => {
            let changed = transaction
                .prepare_cached("UPDATE cart_lines SET quantity = ?3 WHERE cart_id = ?1 AND id = ?2")?
                .execute((cart.id.to_string(), line_id.to_string(), quantity))?;
            if changed == 1 { Ok(()) } else { Err(CartRefused::LineNotFound) }
        }
        CartChange::RemoveLine(line_id) => remove_line(transaction, cart.id, line_id),
        CartChange::Patch(CartPatch { locale, email, shipping_address, shipping_method }) => {
            cart.locale = locale.unwrap_or(cart.locale);
            cart.email = email.unwrap_or_else(|| cart.email.take());
            cart.shipping_address = shipping_address.unwrap_or_else(|| cart.shipping_address.take());
            cart.shipping_method = shipping_method.unwrap_or_else(|| cart.shipping_method.take());
            Ok(())
        }
        CartChange::Claim(account) => {
            cart.owner = Owner::Account(account);
            Ok(())
        }
    }
}

/// Adds units of a variant; answers how many there are then.
fn add_line(transaction: &Connection, cart_id: CartId, line: &CartLine) -> Result<i64, StoreError> {
    Ok(transaction
        .prepare_cached(
            "INSERT INTO cart_lines (cart_id, variant_id, id, quantity) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (cart_id, variant_id) DO UPDATE SET quantity = quantity + excluded.quantity
             RETURNING quantity",
        )?
        .query_row((cart_id.to_string(), line.variant_id.to_string(), line.id.to_string(), line.quantity), |row| {
            row.get(0)
        })?)
}

fn remove_line(transaction: &Connection, cart_id: CartId, line_id: LineId) -> Result<(), CartRefused> {
    let removed = transaction
        .prepare_cached("DELETE FROM cart_lines WHERE cart_id = ?1 AND id = ?2")?
        .execute((cart_id.to_string(), line_id.to_string()))?;
    if removed == 1 { Ok(()) } else { Err(CartRefused::LineNotFound) }
}

fn insert_header(transaction: &Connection, cart: &Cart) -> Result<(), StoreError> {
    let (customer, guest_hash) = rows::owner_columns(&cart.owner);
    let address = cart.shipping_address.as_ref().map(serde_json::to_string).transpose()?;
    transaction
        .prepare_cached(
            "INSERT INTO carts (id, version, customer, guest_hash, currency, locale, email, shipping_address,
                                shipping_method, created_at, updated_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)",
        )?
        .execute((
            cart.id.to_string(),
            cart.version.cast_signed(),
            customer,
            guest_hash,
            cart.currency.code(),
            cart.locale.tag(),
            &cart.email,
            address,
            &cart.shipping_method,
            cart.created_at.as_microsecond(),
            cart.expires_at.as_microsecond(),
        ))?;
    Ok(())
}

fn update_header(transaction: &Connection, cart: &Cart) -> Result<(), StoreError> {
    let (customer, guest_hash) = rows::owner_columns(&cart.owner);
    let address = cart.shipping_address.as_ref().map(serde_json::to_string).transpose()?;
    transaction
        .prepare_cached(
            "UPDATE carts SET version = ?2, customer = ?3, guest_hash = ?4, locale = ?5, email = ?6,
                              shipping_address = ?7, shipping_method = ?8, updated_at = ?9, expires_at = ?10
             WHERE id = ?1",
        )?
        .execute((
            cart.id.to_string(),
            cart.version.cast_signed(),
            customer,
            guest_hash,
            cart.locale.tag(),
            &cart.email,
            address,
            &cart.shipping_method,
            cart.updated_at.as_microsecond(),
            cart.expires_at.as_microsecond(),
        ))?;
    Ok(())
}

fn find(connection: &Connection, id: CartId) -> Result<Option<Cart>, StoreError> {
    let Some(mut cart) = find_header(connection, id)? else { return Ok(None) };
    cart.lines = lines(connection, id)?;
    Ok(Some(cart))
}

fn find_header(connection: &Connection, id: CartId) -> Result<Option<Cart>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {CART_COLUMNS} FROM carts WHERE id = ?1"))?
        .query_row([id.to_string()], |row| Ok(rows::cart(row)))
        .optional()?
        .transpose()
}

fn lines(connection: &Connection, id: CartId) -> Result<Vec<CartLine>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id, variant_id, quantity FROM cart_lines WHERE cart_id = ?1 ORDER BY position")?;
    let mut found = statement.query([id.to_string()])?;
    let mut lines = Vec::new();
    while let Some(row) = found.next()? {
        lines.push(rows::cart_line(row)?);
    }
    Ok(lines)
}
