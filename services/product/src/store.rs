//! The store port: what product-service asks of a database, as whole atomic operations in its own words.
//!
//! Adapters mint no ids and no timestamps; whatever has to be announced is announced in the same commit.

use std::collections::HashMap;

use async_trait::async_trait;
use chassis::{
    Env, StoreError,
    idempotency::{Receipt, Record},
};
use contracts::{
    Currency,
    event::{Envelope, EventId},
    order::{OrderId, RestockLine},
    product::{
        ProductError, ProductId, QuoteRequest, Reservation, ReservationId, ReserveLine, ReserveRequest, VariantId,
        VariantQuote,
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    category::Category,
    product::{Product, ProductStatus},
    revision::Revision,
    stock::{Adjustment, Movement, MovementKind, StockLevel, StockRefusal},
    view::StockView,
};

#[cfg(any(test, feature = "contract-tests"))]
pub mod contract;
pub mod sqlite;

/// A product with the stock of its variants.
pub type Stocked = (Product, Vec<StockLevel>);

/// When and by whom a change is made, and the ids of the events that announce it.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// When.
    pub now: Timestamp,
    /// By whom: `acc_…`, `key_…`, an order, or a part of the system.
    pub actor: String,
    next_event: u128,
}

impl Stamp {
    /// A change by `actor`, now.
    pub fn new(env: &Env, actor: impl Into<String>) -> Self {
        let first: EventId = env.new_id();
        Self { now: env.now(), actor: actor.into(), next_event: first.as_uuid().as_u128() }
    }

    /// The id of the next event. One change may announce many, and how many only the store finds out:
    /// they count on from a random start (RFC 9562 §6.2).
    pub fn event_id(&mut self) -> EventId {
        let id = EventId::from_uuid(uuid::Uuid::from_u128(self.next_event));
        self.next_event = self.next_event.wrapping_add(1);
        id
    }
}

/// Names a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductKey {
    /// `prd_…`
    Id(ProductId),
    /// Its name in addresses.
    Handle(String),
    /// The product that has this variant.
    Variant(VariantId),
}

impl ProductKey {
    /// An id if it is one, else a handle.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Handle(text.to_owned()), Self::Id)
    }
}

/// Products to be written together.
#[derive(Debug, Clone)]
pub struct SaveBatch {
    /// What to write.
    pub revisions: Vec<Revision>,
    /// If any is refused, write none.
    pub atomic: bool,
    /// Make categories that are named but missing, instead of refusing.
    pub make_categories: bool,
    /// The answer to keep if everything is written.
    pub record: Option<Record>,
    /// When and by whom.
    pub stamp: Stamp,
}

/// What became of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveOutcome {
    /// It is written (unless another one of an atomic batch was refused).
    Written,
    /// It is not.
    Refused(Vec<SaveRefusal>),
}

/// Why a revision was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveRefusal {
    /// The version that it replaces is no longer current.
    Stale,
    /// Another product has the handle.
    HandleTaken,
    /// Another product has the SKU of this variant.
    SkuTaken {
        /// Which variant of the product.
        position: usize,
    },
    /// There is no such category.
    UnknownCategory,
    /// The count of this variant cannot be.
    Count {
        /// Which variant of the product.
        position: usize,
        /// Why.
        refusal: StockRefusal,
    },
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListSort {
    /// Newest first.
    Newest,
    /// Cheapest first, by the lowest price of the product in the currency.
    Price(Currency),
    /// Dearest first.
    PriceDescending(Currency),
    /// By Korean title.
    TitleKo,
    /// By English title.
    TitleEn,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListAfter {
    /// After this place in the order of making.
    Number(i64),
    /// After this price.
    Price(i64, i64),
    /// After this title.
    Title(String, i64),
}

/// Asks for a page of products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only these; `None` for all, which goes with no other filter and `Newest` only.
    pub status: Option<ProductStatus>,
    /// Only of this category and those below it.
    pub category: Option<String>,
    /// Only what can be bought, or only what cannot.
    pub in_stock: Option<bool>,
    /// Only with a lowest price from here; needs an order by price.
    pub min_price: Option<i64>,
    /// Only with a lowest price up to here; needs an order by price.
    pub max_price: Option<i64>,
    /// In which order.
    pub sort: ListSort,
    /// Where the page begins.
    pub after: Option<ListAfter>,
    /// How many at most.
    pub limit: u32,
}

/// A product in a list, rendered for the public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: ProductId,
    /// Its place in the list.
    pub place: ListAfter,
    /// Its public view in JSON.
    pub view: String,
}

/// The public view of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredView {
    /// Who may see it.
    pub status: ProductStatus,
    /// Its version.
    pub version: u64,
    /// JSON.
    pub view: String,
}

/// A change of stock by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustStock {
    /// Of which variant.
    pub variant_id: VariantId,
    /// What changes.
    pub adjustment: Adjustment,
    /// Why, in words.
    pub reason: String,
}

/// Why stock was not adjusted.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    /// No such variant.
    #[error("no such variant")]
    NotFound,
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] StockRefusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a quote or a reservation was not made.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] ProductError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An order became certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStock {
    /// Its hold.
    pub reservation_id: ReservationId,
    /// The order.
    pub order_id: OrderId,
    /// What it takes, should the hold be unknown.
    pub lines: Vec<ReserveLine>,
}

/// An order came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOrder {
    /// Its hold.
    pub reservation_id: ReservationId,
    /// The order.
    pub order_id: OrderId,
    /// What it took goes back on the shelf.
    pub restock: bool,
}

/// Units of an order come back.
#[derive(Debug, Clone)]
pub struct Restock {
    /// The order.
    pub order_id: OrderId,
    /// What for, and which one: `refund ref_…`. Units come back once for each.
    pub cause: String,
    /// How the ledger calls it.
    pub kind: MovementKind,
    /// What comes back.
    pub lines: Vec<RestockLine>,
    /// What says so.
    pub event: Envelope,
}

/// Why a category was not written.
#[derive(Debug, thiserror::Error)]
pub enum CategoryError {
    /// There is one with this handle.
    #[error("there is a category with this handle")]
    Taken,
    /// No such category.
    #[error("no such category")]
    NotFound,
    /// Another version is current.
    #[error("version {0} is current")]
    Stale(u64),
    /// The parent does not exist, or is the category itself or below it.
    #[error("the parent must exist and must not be below the category")]
    BadParent,
    /// Products or categories stand on it.
    #[error("products or other categories belong to it")]
    InUse,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What product-service stores.
#[async_trait]
pub trait ProductStore: Send + Sync {
    /// Grows with every commit that changes what the public sees; never goes back.
    fn generation(&self) -> u64;

    /// Writes products with variants, prices and counts, and announces them.
    async fn save(&self, batch: SaveBatch) -> Result<Vec<SaveOutcome>, StoreError>;
    /// The product that `key` names.
    async fn find(&self, key: ProductKey) -> Result<Option<Stocked>, StoreError>;
    /// The public view of the product that `key` names.
    async fn find_view(&self, key: ProductKey) -> Result<Option<StoredView>, StoreError>;
    /// The products that have these handles, by handle.
    async fn find_by_handles(&self, handles: Vec<String>) -> Result<HashMap<String, Stocked>, StoreError>;
    /// The products that have these ids, in the order asked for; unknown ids are left out.
    async fn get_many(&self, ids: Vec<ProductId>) -> Result<Vec<Stocked>, StoreError>;
    /// Public views of those of these ids that are on sale, in the order asked for.
    async fn views(&self, ids: Vec<ProductId>) -> Result<Vec<String>, StoreError>;
    /// All products of whatever status, in id order.
    async fn list_all(&self, after: Option<ProductId>, limit: u32) -> Result<Vec<Stocked>, StoreError>;
    /// How many products there are, of whatever status.
    async fn count(&self) -> Result<u64, StoreError>;
    /// One page of products.
    async fn list(&self, query: ListQuery) -> Result<Vec<Listed>, StoreError>;

    /// The stock of a variant.
    async fn find_level(&self, variant_id: VariantId) -> Result<Option<StockLevel>, StoreError>;
    /// Corrects or counts stock, with an entry in the ledger.
    async fn adjust(
        &self,
        adjust: AdjustStock,
        receipt: Option<Receipt<StockView>>,
        stamp: Stamp,
    ) -> Result<StockLevel, AdjustError>;
    /// The ledger of a variant, newest first, before the movement with this number.
    async fn list_movements(
        &self,
        variant_id: VariantId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Movement>, StoreError>;

    /// Prices and availability.
    async fn quote(&self, request: QuoteRequest) -> Result<Vec<VariantQuote>, ReserveError>;
    /// Holds stock for all lines or none, and quotes them.
    async fn reserve(&self, request: ReserveRequest, stamp: Stamp) -> Result<Reservation, ReserveError>;
    /// Gives a hold back. A hold that is not known yet can no longer be made.
    async fn release(&self, reservation_id: ReservationId, stamp: Stamp) -> Result<(), StoreError>;
    /// Takes held stock off the shelf; if the hold lapsed, takes stock anew or announces that it is gone.
    async fn commit(&self, commit: CommitStock, stamp: Stamp) -> Result<(), StoreError>;
    /// Gives back what an ended order held or, if `restock`, took.
    async fn end_order(&self, end: EndOrder, stamp: Stamp) -> Result<(), StoreError>;
    /// Puts units of an order back on the shelf, once per cause, and over all causes never more than the order took.
    /// Should it not have taken them yet, they come back when it does.
    async fn restock(&self, restock: Restock, stamp: Stamp) -> Result<(), StoreError>;
    /// Lets holds lapse that are due, at most `limit`; says how many.
    async fn expire(&self, limit: u32, stamp: Stamp) -> Result<usize, StoreError>;
    /// Forgets holds that were given back or lapsed before `before`, at most `limit`; says how many.
    async fn forget_ended(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError>;

    /// Makes a category.
    async fn create_category(&self, category: Category, record: Option<Record>) -> Result<(), CategoryError>;
    /// Replaces a category; `expected` is the version that the caller has seen.
    async fn update_category(&self, category: Category, expected: u64) -> Result<(), CategoryError>;
    /// Removes a category that nothing belongs to.
    async fn delete_category(&self, handle: String, expected: Option<u64>) -> Result<(), CategoryError>;
    /// The category with this handle.
    async fn find_category(&self, handle: String) -> Result<Option<Category>, StoreError>;
    /// Categories by position and handle, after this one.
    async fn list_categories(&self, after: Option<(i64, String)>, limit: u32) -> Result<Vec<Category>, StoreError>;

    /// What is wrong with the stored stock, if its invariants are broken anywhere; see [`crate::verify`].
    async fn verify(&self) -> Result<Vec<String>, StoreError>;
}
