//! The store on SQLite.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use chassis::{
    StoreError,
    idempotency::{self, Receipt, Record},
    sqlite::{Database, Location, OpenError},
};
use contracts::product::{
    ProductId, QuoteRequest, Reservation, ReservationId, ReserveRequest, VariantId, VariantQuote,
};
use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    AdjustError, AdjustStock, CategoryError, CommitStock, EndOrder, ListQuery, Listed, ProductKey, ProductStore,
    ReserveError, Restock, SaveBatch, SaveOutcome, Stamp, Stocked, StoredView,
};
use crate::{
    category::Category,
    stock::{Movement, StockLevel},
    view::StockView,
};

mod audit;
mod categories;
mod listing;
mod offer;
mod products;
mod reservations;
mod saving;
mod schema;
mod settling;
mod shelf;
#[cfg(test)]
mod tests;
mod text;

/// Product-service's tables in one SQLite file.
pub struct SqliteProductStore {
    database: Database,
    generation: Arc<AtomicU64>,
}

/// Counts a change of what the public sees when dropped. It travels with the result of its transaction,
/// so that it is dropped after the commit even if the caller went away meanwhile.
struct Shown(Arc<AtomicU64>);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl SqliteProductStore {
    /// Opens or creates the database.
    pub fn open(location: &Location) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(location, &schema::SCHEMA)?, generation: Arc::default() })
    }

    /// The database, for the relay and the idempotency keys.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Runs a transaction that answers a value and whether the public sees a difference.
    async fn write<T, E>(
        &self,
        transaction: impl FnOnce(&Connection) -> Result<(T, bool), E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let generation = Arc::clone(&self.generation);
        let (value, shown) = self
            .database
            .write(move |connection| {
                let (value, shown) = transaction(connection)?;
                Ok::<_, E>((value, shown.then(|| Shown(generation))))
            })
            .await?;
        drop(shown);
        Ok(value)
    }

    /// The same without a value.
    async fn change(
        &self,
        transaction: impl FnOnce(&Connection) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.write(move |connection| Ok(((), transaction(connection)?))).await
    }
}

#[async_trait]
impl ProductStore for SqliteProductStore {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    async fn save(&self, batch: SaveBatch) -> Result<Vec<SaveOutcome>, StoreError> {
        match self.write(move |transaction| saving::save(transaction, batch)).await {
            Ok(outcomes) | Err(saving::SaveFailure::Refused(outcomes)) => Ok(outcomes),
            Err(saving::SaveFailure::Store(error)) => Err(error),
        }
    }

    async fn find(&self, key: ProductKey) -> Result<Option<Stocked>, StoreError> {
        self.database.read(move |connection| products::find(connection, &key)).await
    }

    async fn find_view(&self, key: ProductKey) -> Result<Option<StoredView>, StoreError> {
        self.database.read(move |connection| products::find_view(connection, &key)).await
    }

    async fn find_by_handles(&self, handles: Vec<String>) -> Result<HashMap<String, Stocked>, StoreError> {
        self.database.read(move |connection| products::find_by_handles(connection, &handles)).await
    }

    async fn get_many(&self, ids: Vec<ProductId>) -> Result<Vec<Stocked>, StoreError> {
        self.database.read(move |connection| products::get_many(connection, &ids)).await
    }

    async fn views(&self, ids: Vec<ProductId>) -> Result<Vec<String>, StoreError> {
        self.database.read(move |connection| products::views(connection, &ids)).await
    }

    async fn list_all(&self, after: Option<ProductId>, limit: u32) -> Result<Vec<Stocked>, StoreError> {
        self.database.scan(move |connection| products::list_all(connection, after, limit)).await
    }

    async fn count(&self) -> Result<u64, StoreError> {
        self.database.scan(products::count).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Listed>, StoreError> {
        self.database.read(move |connection| listing::list(connection, &query)).await
    }

    async fn find_level(&self, variant_id: VariantId) -> Result<Option<StockLevel>, StoreError> {
        let level = move |connection: &Connection| match shelf::product_of(connection, variant_id)? {
            Some(_) => Ok(shelf::find(connection, variant_id)?.map(|kept| kept.level)),
            None => Ok(None),
        };
        self.database.read(level).await
    }

    async fn adjust(
        &self,
        adjust: AdjustStock,
        receipt: Option<Receipt<StockView>>,
        mut stamp: Stamp,
    ) -> Result<StockLevel, AdjustError> {
        self.write(move |transaction| shelf::adjust(transaction, &adjust, receipt.as_ref(), &mut stamp)).await
    }

    async fn list_movements(
        &self,
        variant_id: VariantId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Movement>, StoreError> {
        self.database.read(move |connection| shelf::list_movements(connection, variant_id, before, limit)).await
    }

    async fn quote(&self, request: QuoteRequest) -> Result<Vec<VariantQuote>, ReserveError> {
        self.database.read(move |connection| reservations::quote(connection, &request)).await
    }

    async fn reserve(&self, request: ReserveRequest, mut stamp: Stamp) -> Result<Reservation, ReserveError> {
        #[cfg(feature = "known-bugs")]
        if chassis::known_bugs::has(chassis::known_bugs::KnownBug::CheckThenActStock) {
            let wanted = request.clone();
            let seen = self.database.read(move |connection| reservations::promised(connection, &wanted)).await?;
            return self.write(move |tx| reservations::reserve_as_seen(tx, &request, &seen, &mut stamp)).await;
        }
        self.write(move |transaction| reservations::reserve(transaction, &request, &mut stamp)).await
    }

    async fn release(&self, reservation_id: ReservationId, mut stamp: Stamp) -> Result<(), StoreError> {
        self.change(move |transaction| settling::release(transaction, reservation_id, &mut stamp)).await
    }

    async fn commit(&self, commit: CommitStock, mut stamp: Stamp) -> Result<(), StoreError> {
        self.change(move |transaction| settling::commit(transaction, &commit, &mut stamp)).await
    }

    async fn end_order(&self, end: EndOrder, mut stamp: Stamp) -> Result<(), StoreError> {
        self.change(move |transaction| settling::end_order(transaction, &end, &mut stamp)).await
    }

    async fn restock(&self, restock: Restock, mut stamp: Stamp) -> Result<(), StoreError> {
        self.change(move |transaction| settling::restock(transaction, &restock, &mut stamp)).await
    }

    async fn expire(&self, limit: u32, mut stamp: Stamp) -> Result<usize, StoreError> {
        let now = stamp.now.as_microsecond();
        if !self.database.read(move |connection| settling::any_due(connection, now)).await? {
            return Ok(0);
        }
        self.write(move |transaction| settling::expire(transaction, limit, &mut stamp)).await
    }

    async fn forget_ended(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.database.write(move |transaction| settling::forget_ended(transaction, before, limit)).await
    }

    async fn create_category(&self, category: Category, record: Option<Record>) -> Result<(), CategoryError> {
        self.database
            .write(move |transaction| {
                categories::create(transaction, &category)?;
                if let Some(record) = &record {
                    idempotency::keep(transaction, record)?;
                }
                Ok(())
            })
            .await
    }

    async fn update_category(&self, category: Category, expected: u64) -> Result<(), CategoryError> {
        self.database.write(move |transaction| categories::update(transaction, &category, expected)).await
    }

    async fn delete_category(&self, handle: String, expected: Option<u64>) -> Result<(), CategoryError> {
        self.database.write(move |transaction| categories::delete(transaction, &handle, expected)).await
    }

    async fn find_category(&self, handle: String) -> Result<Option<Category>, StoreError> {
        self.database.read(move |connection| categories::find(connection, &handle)).await
    }

    async fn list_categories(&self, after: Option<(i64, String)>, limit: u32) -> Result<Vec<Category>, StoreError> {
        self.database.read(move |connection| categories::list(connection, after, limit)).await
    }

    async fn verify(&self) -> Result<Vec<String>, StoreError> {
        self.database.scan(audit::verify).await
    }
}
