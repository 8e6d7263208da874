//! Quotes and reservations.
//!
//! `Held → Committed | Released | Expired`, `Expired → Committed`, `Committed → Released`. A state is left
//! once, so that an event delivered twice finds nothing to do: no inbox is needed for these.

use chassis::StoreError;
use contracts::{
    Currency,
    product::{
        ProductError, QuoteRequest, Reservation, ReservationId, ReserveLine, ReserveRequest, Shortage, VariantId,
        VariantQuote, VariantRef,
    },
};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    offer::Offer,
    shelf::{self, Flips},
    text,
};
use crate::{
    stock::{self, StockLevel},
    store::{ReserveError, Stamp},
};

/// A line of a reservation: variant, quantity, and whether it was taken from a level (stock was tracked).
pub(super) type HeldLine = (VariantId, i64, bool);

pub(super) fn quote(connection: &Connection, request: &QuoteRequest) -> Result<Vec<VariantQuote>, ReserveError> {
    let mut quotes = Vec::with_capacity(request.variants.len());
    for variant in &request.variants {
        let (id, offer, level) = on_sale(connection, variant)?;
        let quote = offer.quote(id, request.currency, &level);
        quotes.push(quote.ok_or_else(|| no_price(variant.clone(), request.currency))?);
    }
    Ok(quotes)
}

fn no_price(variant: VariantRef, currency: Currency) -> ProductError {
    ProductError::NoPrice { variant, currency }
}

/// The offer and the stock of a variant that can be bought.
fn on_sale(connection: &Connection, variant: &VariantRef) -> Result<(VariantId, Offer, StockLevel), ReserveError> {
    let (sql, key) = match variant {
        VariantRef::Id(id) => (OFFER_BY_ID, id.to_string()),
        VariantRef::Sku(sku) => (OFFER_BY_SKU, sku.clone()),
    };
    let mut statement = connection.prepare_cached(sql).map_err(StoreError::from)?;
    let found = statement.query_row([key], read_offer).optional().map_err(StoreError::from)?;
    let Some((id, offer, level)) = found else { return Err(ProductError::NotOnSale(variant.clone()).into()) };
    let id = text::id(&id)?;
    let offer = serde_json::from_str(&offer).map_err(StoreError::from)?;
    Ok((id, offer, StockLevel { variant_id: id, ..level }))
}

const OFFER_BY_ID: &str = "SELECT v.id, v.offer, s.on_hand, s.reserved, s.track, s.backorder
    FROM variants v JOIN stock_levels s ON s.variant_id = v.id WHERE v.id = ?1 AND v.on_sale = 1";
const OFFER_BY_SKU: &str = "SELECT v.id, v.offer, s.on_hand, s.reserved, s.track, s.backorder
    FROM variants v JOIN stock_levels s ON s.variant_id = v.id WHERE v.sku = ?1 AND v.on_sale = 1";

fn read_offer(row: &Row<'_>) -> Result<(String, String, StockLevel), rusqlite::Error> {
    let nobody = VariantId::from_uuid(uuid::Uuid::nil());
    Ok((row.get(0)?, row.get(1)?, shelf::read_level(row, 2, nobody)?))
}

/// Holds stock for all lines or none. Answers the reservation and whether the public sees a difference.
pub(super) fn reserve(
    transaction: &Connection,
    request: &ReserveRequest,
    stamp: &mut Stamp,
) -> Result<(Reservation, bool), ReserveError> {
    let merged = stock::merge(&request.lines);
    if let Some(stored) = find(transaction, request.reservation_id)? {
        return Ok((stored.answer(request, &merged)?, false));
    }
    let mut held: Vec<HeldLine> = Vec::with_capacity(merged.len());
    let mut quotes: Vec<VariantQuote> = Vec::with_capacity(merged.len());
    let mut shortages = Vec::new();
    let mut flips = Flips::default();
    for ReserveLine { variant_id, quantity } in merged {
        let (_, offer, level) = on_sale(transaction, &VariantRef::Id(variant_id))?;
        let quote = offer.quote(variant_id, request.currency, &level);
        quotes.push(quote.ok_or_else(|| no_price(VariantRef::Id(variant_id), request.currency))?);
        if level.track && !hold(transaction, variant_id, quantity)? {
            let available = level.available().unwrap_or(0);
            shortages.push(Shortage { variant_id, requested: quantity, available });
        } else {
            flips.note(transaction, &level, &level.reserved(quantity))?;
        }
        held.push((variant_id, quantity, level.track));
    }
    if !shortages.is_empty() {
        return Err(ProductError::InsufficientStock(shortages).into());
    }
    let reservation = Reservation {
        id: request.reservation_id,
        expires_at: request.expires_at,
        quotes: in_order(&request.lines, &quotes),
    };
    insert(transaction, &reservation, "held", &held)?;
    let shown = flips.show(transaction, stamp)?;
    Ok((reservation, shown))
}

/// The guard: promises `quantity` only if it is there. `false` if it is not.
fn hold(transaction: &Connection, variant_id: VariantId, quantity: i64) -> Result<bool, StoreError> {
    let held = transaction
        .prepare_cached(
            "UPDATE stock_levels SET reserved = reserved + ?2
             WHERE variant_id = ?1 AND (backorder = 1 OR on_hand - reserved >= ?2)",
        )?
        .execute((variant_id.to_string(), quantity))?;
    Ok(held == 1)
}

/// What is promised of each variant of a request that was not seen before.
#[cfg(feature = "known-bugs")]
pub(super) fn promised(
    connection: &Connection,
    request: &ReserveRequest,
) -> Result<Vec<(VariantId, i64)>, ReserveError> {
    if find(connection, request.reservation_id)?.is_some() {
        return Ok(Vec::new());
    }
    let lines = stock::merge(&request.lines).into_iter();
    lines.map(|line| Ok((line.variant_id, on_sale(connection, &VariantRef::Id(line.variant_id))?.2.reserved))).collect()
}

/// Reserves, and writes what follows from what was seen before: what happened since is lost.
#[cfg(feature = "known-bugs")]
pub(super) fn reserve_as_seen(
    transaction: &Connection,
    request: &ReserveRequest,
    seen: &[(VariantId, i64)],
    stamp: &mut Stamp,
) -> Result<(Reservation, bool), ReserveError> {
    let done = reserve(transaction, request, stamp)?;
    let lines = stock::merge(&request.lines);
    for (variant_id, reserved) in seen {
        let quantity = lines.iter().find(|line| line.variant_id == *variant_id).map_or(0, |line| line.quantity);
        transaction
            .execute(
                "UPDATE stock_levels SET reserved = ?2 WHERE variant_id = ?1 AND track = 1",
                (variant_id.to_string(), reserved + quantity),
            )
            .map_err(StoreError::from)?;
    }
    Ok(done)
}

/// One quote per requested line; lines of one variant share theirs.
fn in_order(lines: &[ReserveLine], quotes: &[VariantQuote]) -> Vec<VariantQuote> {
    let of = |line: &ReserveLine| quotes.binary_search_by_key(&line.variant_id, |quote| quote.variant_id).ok();
    lines.iter().filter_map(of).filter_map(|index| quotes.get(index)).cloned().collect()
}

/// A reservation as it is stored.
pub(super) struct Stored {
    pub(super) state: String,
    expires_at: i64,
    pub(super) lines: Vec<HeldLine>,
    quotes: String,
}

impl Stored {
    /// The first answer again, if the request is the first one again.
    fn answer(self, request: &ReserveRequest, merged: &[ReserveLine]) -> Result<Reservation, ReserveError> {
        let id = request.reservation_id;
        if matches!(self.state.as_str(), "released" | "expired") {
            let detail = format!("reservation {id} has ended; ask again under a new id");
            return Err(ProductError::Invalid(detail).into());
        }
        let quotes: Vec<VariantQuote> = serde_json::from_str(&self.quotes).map_err(StoreError::from)?;
        let same_lines =
            self.lines.iter().map(|line| (line.0, line.1)).eq(merged.iter().map(|m| (m.variant_id, m.quantity)));
        let same_order =
            quotes.iter().map(|quote| quote.variant_id).eq(request.lines.iter().map(|line| line.variant_id));
        let same_currency = quotes.iter().all(|quote| quote.unit_price.currency == request.currency);
        if !(same_lines && same_order && same_currency) {
            return Err(ProductError::ReservationMismatch(id).into());
        }
        Ok(Reservation { id, expires_at: text::timestamp(self.expires_at)?, quotes })
    }
}

pub(super) fn find(connection: &Connection, id: ReservationId) -> Result<Option<Stored>, StoreError> {
    let found = connection
        .prepare_cached("SELECT state, expires_at, lines, quotes FROM reservations WHERE id = ?1")?
        .query_row([id.to_string()], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?))
        })
        .optional()?;
    found
        .map(|(state, expires_at, lines, quotes)| {
            Ok(Stored { state, expires_at, lines: serde_json::from_str(&lines)?, quotes })
        })
        .transpose()
}

pub(super) fn insert(
    transaction: &Connection,
    reservation: &Reservation,
    state: &str,
    lines: &[HeldLine],
) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT INTO reservations (id, state, expires_at, lines, quotes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((
            reservation.id.to_string(),
            state,
            reservation.expires_at.as_microsecond(),
            serde_json::to_string(lines)?,
            serde_json::to_string(&reservation.quotes)?,
        ))?;
    Ok(())
}

/// Leaves state `from` for `to`; answers the lines, or `None` if the reservation is not in `from`.
pub(super) fn leave(
    transaction: &Connection,
    id: ReservationId,
    from: &str,
    to: &str,
) -> Result<Option<Vec<HeldLine>>, StoreError> {
    let lines: Option<String> = transaction
        .prepare_cached("UPDATE reservations SET state = ?3 WHERE id = ?1 AND state = ?2 RETURNING lines")?
        .query_row((id.to_string(), from, to), |row| row.get(0))
        .optional()?;
    lines.map(|lines| Ok(serde_json::from_str(&lines)?)).transpose()
}

/// Takes back the promise of `lines`.
pub(super) fn unhold(transaction: &Connection, lines: &[HeldLine], flips: &mut Flips) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "UPDATE stock_levels SET reserved = reserved - ?2 WHERE variant_id = ?1
         RETURNING on_hand, reserved, track, backorder",
    )?;
    for (variant_id, quantity, counted) in lines {
        if *counted {
            let after = statement
                .query_row((variant_id.to_string(), quantity), |row| shelf::read_level(row, 0, *variant_id))?;
            let before = StockLevel { reserved: after.reserved + quantity, ..after };
            flips.note(transaction, &before, &after)?;
        }
    }
    Ok(())
}
