//! Writing products.

use std::collections::{BTreeMap, HashMap};

use chassis::{StoreError, idempotency, outbox};
use contracts::{
    Currency, Locale,
    product::{ProductChanged, ProductEvent, VariantId},
};
use rusqlite::{Connection, OptionalExtension as _};

use super::{offer::Offer, products, shelf, text};
use crate::{
    product::{Product, ProductStatus},
    revision::Revision,
    stock::{Adjustment, MovementKind, StockLevel},
    store::{SaveBatch, SaveOutcome, SaveRefusal, Stamp},
    view::{Audience, ProductView},
};

/// Titles sort by so many characters.
const TITLE_KEY_CHARS: usize = 64;

/// How a batch ended.
pub(super) enum SaveFailure {
    /// An atomic batch had refusals; nothing of it stays.
    Refused(Vec<SaveOutcome>),
    Store(StoreError),
}

impl From<StoreError> for SaveFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Writes a batch. Answers the outcomes and whether the public sees a difference.
pub(super) fn save(transaction: &Connection, mut batch: SaveBatch) -> Result<(Vec<SaveOutcome>, bool), SaveFailure> {
    let mut outcomes = Vec::with_capacity(batch.revisions.len());
    let mut shown = false;
    for revision in &batch.revisions {
        let draft = Draft::read(transaction, revision)?;
        let refusals = draft.refusals(transaction, batch.make_categories)?;
        if refusals.is_empty() {
            shown |= draft.write(transaction, &mut batch.stamp)?;
            outcomes.push(SaveOutcome::Written);
        } else {
            outcomes.push(SaveOutcome::Refused(refusals));
        }
    }
    let all_written = outcomes.iter().all(|outcome| *outcome == SaveOutcome::Written);
    if batch.atomic && !all_written {
        return Err(SaveFailure::Refused(outcomes));
    }
    if let (true, Some(record)) = (all_written, &batch.record) {
        idempotency::keep(transaction, record)?;
    }
    Ok((outcomes, shown))
}

/// A revision beside what is stored now.
struct Draft<'a> {
    revision: &'a Revision,
    seq: Option<i64>,
    version: Option<u64>,
    /// Stored variants of the product with their SKUs.
    skus: HashMap<VariantId, Option<String>>,
    kept: HashMap<VariantId, shelf::Kept>,
    levels: Vec<Result<StockLevel, SaveRefusal>>,
}

impl<'a> Draft<'a> {
    fn read(connection: &Connection, revision: &'a Revision) -> Result<Self, StoreError> {
        let product = &revision.product;
        let stored = connection
            .prepare_cached("SELECT seq, version FROM products WHERE id = ?1")?
            .query_row([product.id.to_string()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        let mut skus = HashMap::new();
        if let Some((seq, _)) = stored {
            let mut statement = connection.prepare_cached("SELECT id, sku FROM variants WHERE product_seq = ?1")?;
            let mut rows = statement.query([seq])?;
            while let Some(row) = rows.next()? {
                skus.insert(text::id(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?, row.get(1)?);
            }
        }
        let mut kept = HashMap::new();
        for variant in product.variants.iter().filter(|variant| skus.contains_key(&variant.id)) {
            kept.extend(shelf::find(connection, variant.id)?.map(|found| (variant.id, found)));
        }
        let levels = levels_after(revision, &kept);
        let (seq, version) = stored.unzip();
        Ok(Self { revision, seq, version: version.map(i64::unsigned_abs), skus, kept, levels })
    }

    fn refusals(&self, transaction: &Connection, make_categories: bool) -> Result<Vec<SaveRefusal>, StoreError> {
        let product = &self.revision.product;
        if self.version != self.revision.replaces {
            return Ok(vec![SaveRefusal::Stale]);
        }
        let mut refusals = Vec::new();
        if other_has_handle(transaction, product)? {
            refusals.push(SaveRefusal::HandleTaken);
        }
        for (position, variant) in product.variants.iter().enumerate() {
            if let Some(sku) = &variant.sku
                && self.other_has_sku(transaction, sku)?
            {
                refusals.push(SaveRefusal::SkuTaken { position });
            }
        }
        if let Some(category) = &product.category
            && self.revision.edited
            && !make_categories
            && !super::categories::exists(transaction, category)?
        {
            refusals.push(SaveRefusal::UnknownCategory);
        }
        refusals.extend(self.levels.iter().filter_map(|level| level.as_ref().err().cloned()));
        Ok(refusals)
    }

    fn other_has_sku(&self, connection: &Connection, sku: &str) -> Result<bool, StoreError> {
        let owner: Option<i64> = connection
            .prepare_cached("SELECT product_seq FROM variants WHERE sku = ?1")?
            .query_row([sku], |row| row.get(0))
            .optional()?;
        Ok(owner.is_some() && owner != self.seq)
    }

    /// Writes everything; `true` if the public sees a difference.
    fn write(&self, transaction: &Connection, stamp: &mut Stamp) -> Result<bool, StoreError> {
        let levels: Vec<StockLevel> = self.levels.iter().filter_map(|level| level.as_ref().ok().copied()).collect();
        self.write_levels(transaction, &levels, stamp)?;
        if self.revision.edited {
            self.write_product(transaction, &levels, stamp)?;
            return Ok(true);
        }
        let mut flips = shelf::Flips::default();
        for level in &levels {
            if let Some(kept) = self.kept.get(&level.variant_id) {
                flips.note(transaction, &kept.level, level)?;
            }
        }
        flips.show(transaction, stamp)
    }

    fn write_levels(
        &self,
        transaction: &Connection,
        levels: &[StockLevel],
        stamp: &mut Stamp,
    ) -> Result<(), StoreError> {
        for level in levels {
            let kept = self.kept.get(&level.variant_id);
            if kept.is_none_or(|kept| kept.level != *level) {
                shelf::write(transaction, kept, level, MovementKind::Count, "", stamp)?;
            }
            // A new variant is announced with its product.
            if kept.is_some_and(|kept| kept.level.on_hand != level.on_hand) {
                shelf::announce(transaction, level, stamp)?;
            }
        }
        Ok(())
    }

    fn write_product(
        &self,
        transaction: &Connection,
        levels: &[StockLevel],
        stamp: &mut Stamp,
    ) -> Result<(), StoreError> {
        let product = &self.revision.product;
        if let Some(category) = &product.category {
            super::categories::make_missing(transaction, category, stamp.now)?;
        }
        let view = ProductView::new(product, levels, Audience::Public);
        let seq = write_row(transaction, product, &view)?;
        self.write_variants(transaction, seq)?;
        write_prices(transaction, seq, product, view.in_stock)?;
        let event = ProductEvent::Changed(ProductChanged { product_id: product.id, version: product.version });
        outbox::publish(transaction, &event, stamp.event_id(), &product.id.to_string(), stamp.now)
    }

    fn write_variants(&self, transaction: &Connection, seq: i64) -> Result<(), StoreError> {
        let product = &self.revision.product;
        for id in &self.revision.retired {
            transaction
                .prepare_cached("UPDATE variants SET retired = 1, on_sale = 0, sku = NULL WHERE id = ?1")?
                .execute([id.to_string()])?;
        }
        let renamed =
            product.variants.iter().any(|variant| self.skus.get(&variant.id).is_some_and(|sku| *sku != variant.sku));
        if renamed {
            // Variants may swap SKUs: free them all before giving them out.
            transaction
                .prepare_cached("UPDATE variants SET sku = NULL WHERE product_seq = ?1 AND sku IS NOT NULL")?
                .execute([seq])?;
        }
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO variants (id, product_seq, position, sku, on_sale, retired, offer)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)
             ON CONFLICT (id) DO UPDATE SET position = excluded.position, sku = excluded.sku,
                 on_sale = excluded.on_sale, retired = 0, offer = excluded.offer
             WHERE position <> excluded.position OR sku IS NOT excluded.sku OR on_sale <> excluded.on_sale
                 OR retired <> 0 OR offer <> excluded.offer",
        )?;
        let on_sale = product.status == ProductStatus::Active;
        for (position, variant) in product.variants.iter().enumerate() {
            let offer = serde_json::to_string(&Offer::new(product, variant))?;
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            upsert.execute((variant.id.to_string(), seq, position, &variant.sku, on_sale, offer))?;
        }
        Ok(())
    }
}

/// The level of each variant once its flags and its count are as the revision wants them.
fn levels_after(revision: &Revision, kept: &HashMap<VariantId, shelf::Kept>) -> Vec<Result<StockLevel, SaveRefusal>> {
    let counts: HashMap<VariantId, (usize, i64)> =
        revision.counts.iter().map(|count| (count.variant_id, (count.position, count.on_hand))).collect();
    let after = |variant: &crate::product::Variant| {
        let mut level = kept.get(&variant.id).map_or_else(
            || StockLevel::uncounted(variant.id, variant.track_stock, variant.allow_backorder),
            |kept| kept.level,
        );
        (level.track, level.backorder) = (variant.track_stock, variant.allow_backorder);
        match counts.get(&variant.id) {
            Some((position, on_hand)) => level
                .adjusted(Adjustment::Count(*on_hand))
                .map_err(|refusal| SaveRefusal::Count { position: *position, refusal }),
            None => Ok(level),
        }
    };
    revision.product.variants.iter().map(after).collect()
}

fn other_has_handle(connection: &Connection, product: &Product) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM products WHERE handle = ?1 AND id <> ?2")?
        .exists((&product.handle, product.id.to_string()))?)
}

fn write_row(transaction: &Connection, product: &Product, view: &ProductView) -> Result<i64, StoreError> {
    let title =
        |locale: Locale| -> String { product.title.get(locale).to_lowercase().chars().take(TITLE_KEY_CHARS).collect() };
    let seq = transaction
        .prepare_cached(
            "INSERT INTO products
                 (id, handle, version, status, category, in_stock, title_ko, title_en, view, doc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET handle = excluded.handle, version = excluded.version,
                 status = excluded.status, category = excluded.category, in_stock = excluded.in_stock,
                 title_ko = excluded.title_ko, title_en = excluded.title_en, view = excluded.view,
                 doc = excluded.doc
             RETURNING seq",
        )?
        .query_row(
            (
                product.id.to_string(),
                &product.handle,
                products::signed(product.version)?,
                product.status.as_str(),
                &product.category,
                view.in_stock,
                title(Locale::Ko),
                title(Locale::En),
                serde_json::to_string(view)?,
                serde_json::to_string(product)?,
            ),
            |row| row.get(0),
        )?;
    Ok(seq)
}

/// The lowest price in each currency, with the columns that lists filter by.
fn write_prices(transaction: &Connection, seq: i64, product: &Product, in_stock: bool) -> Result<(), StoreError> {
    let mut lowest: BTreeMap<Currency, i64> = BTreeMap::new();
    for price in product.variants.iter().flat_map(|variant| &variant.prices) {
        let known = lowest.entry(price.amount.currency).or_insert(i64::MAX);
        *known = (*known).min(price.amount.amount_minor);
    }
    transaction.prepare_cached("DELETE FROM product_prices WHERE seq = ?1")?.execute([seq])?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO product_prices (seq, currency, amount, status, category, in_stock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (currency, amount) in lowest {
        insert.execute((seq, currency.code(), amount, product.status.as_str(), &product.category, in_stock))?;
    }
    Ok(())
}
