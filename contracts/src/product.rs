//! The product service: catalogue, prices, stock and reservations.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Currency, ErrorCode, LocalizedText, Money};

crate::typed_id!(
    /// A product: what a shopper looks at.
    ProductId,
    "prd"
);
crate::typed_id!(
    /// A variant: what a shopper buys. Stock and prices hang on it.
    VariantId,
    "var"
);
crate::typed_id!(
    /// A hold on stock, for one order.
    ReservationId,
    "rsv"
);

/// How a variant is taxed; the order service knows the rate of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaxClass {
    /// The ordinary rate (Korea: 10 % VAT).
    #[default]
    Standard,
    /// Exempt (Korea: 면세): fresh food, books.
    Exempt,
}

/// Names a variant by id or by SKU.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariantRef {
    /// `var_…`
    Id(VariantId),
    /// The shop's own code.
    Sku(String),
}

impl std::fmt::Display for VariantRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Sku(sku) => write!(f, "SKU {sku}"),
        }
    }
}

/// What a variant costs and is called now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantQuote {
    /// The variant.
    pub variant_id: VariantId,
    /// Its product.
    pub product_id: ProductId,
    /// The shop's own code, if it has one.
    pub sku: Option<String>,
    /// The product's name.
    pub title: LocalizedText,
    /// The option values: `["Black", "128 GB"]`; empty for a product without options.
    pub option_values: Vec<String>,
    /// Tax-inclusive price of one.
    pub unit_price: Money,
    /// How it is taxed.
    pub tax_class: TaxClass,
    /// False for what needs no delivery.
    pub requires_shipping: bool,
    /// How many can be bought now; `None` if stock is not tracked or backorder is allowed.
    pub available: Option<i64>,
}

/// Asks for prices in one currency.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QuoteRequest {
    /// In which currency.
    pub currency: Currency,
    /// Which variants; duplicates are allowed.
    pub variants: Vec<VariantRef>,
}

/// So many of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveLine {
    /// Which variant; several lines may name the same one.
    pub variant_id: VariantId,
    /// How many, at least 1.
    pub quantity: i64,
}

/// Asks to hold stock for all lines or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReserveRequest {
    /// Repeating a request with this id returns the first reservation.
    pub reservation_id: ReservationId,
    /// Prices are quoted in this currency.
    pub currency: Currency,
    /// What to hold.
    pub lines: Vec<ReserveLine>,
    /// When the hold lapses if nobody commits it.
    pub expires_at: jiff::Timestamp,
}

/// Held stock, with the prices at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// When it lapses.
    pub expires_at: jiff::Timestamp,
    /// One quote per requested line, in the same order.
    pub quotes: Vec<VariantQuote>,
}

/// A line that stock does not cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Which variant.
    pub variant_id: VariantId,
    /// How many were asked for, over all lines.
    pub requested: i64,
    /// How many there are.
    pub available: i64,
}

/// Why product refused. Its serialised form travels with a remote call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ProductError {
    /// Not all lines are covered; nothing was reserved.
    #[error("not enough stock")]
    InsufficientStock(Vec<Shortage>),
    /// No such variant, or it is not on sale.
    #[error("{0} is not on sale")]
    NotOnSale(VariantRef),
    /// The variant has no price in that currency.
    #[error("{variant} has no price in {currency}")]
    NoPrice {
        /// Which variant.
        variant: VariantRef,
        /// Which currency.
        currency: Currency,
    },
    /// The same reservation id came with other lines.
    #[error("reservation {0} exists with other lines")]
    ReservationMismatch(ReservationId),
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The product service cannot answer now; nothing is known to have changed.
    #[error("the product service is unavailable")]
    Unavailable,
}

impl ProductError {
    /// The code that callers see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InsufficientStock(_) => ErrorCode::Conflict,
            Self::NotOnSale(_) | Self::NoPrice { .. } => ErrorCode::Unprocessable,
            Self::ReservationMismatch(_) => ErrorCode::Unprocessable,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::Unavailable => ErrorCode::Unavailable,
        }
    }
}

/// What other services ask of product.
#[async_trait]
pub trait ProductApi: Send + Sync {
    /// Prices and availability; one answer per request entry, in order.
    async fn quote(&self, request: QuoteRequest) -> Result<Vec<VariantQuote>, ProductError>;
    /// Holds stock for all lines or none. Idempotent by reservation id.
    async fn reserve(&self, request: ReserveRequest) -> Result<Reservation, ProductError>;
    /// Gives held stock back. Idempotent; releasing an unknown, lapsed or released hold is no error.
    async fn release(&self, reservation_id: ReservationId) -> Result<(), ProductError>;
}

/// `product.changed`: a product was created, edited, archived or its availability flipped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProductChanged {
    /// Which product.
    pub product_id: ProductId,
    /// Its version after the change; a consumer that has seen a higher one ignores this.
    pub version: u64,
}

/// `stock.commit_failed`: an order was confirmed, but its hold had lapsed and the stock is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StockCommitFailed {
    /// The hold.
    pub reservation_id: ReservationId,
    /// The order that it was for.
    pub order_id: crate::order::OrderId,
}

/// `stock.level_changed`: what is on hand or reserved changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StockLevelChanged {
    /// Which variant.
    pub variant_id: VariantId,
    /// On the shelf after the change.
    pub on_hand: i64,
    /// Of these, promised.
    pub reserved: i64,
}

crate::events! {
    /// What happens in product.
    ProductEvent on "product.events" from "/jangteo/product" {
        /// See [`ProductChanged`].
        Changed(ProductChanged) = "product.changed" / 1,
        /// See [`StockCommitFailed`].
        StockCommitFailed(StockCommitFailed) = "stock.commit_failed" / 1,
        /// See [`StockLevelChanged`].
        StockLevelChanged(StockLevelChanged) = "stock.level_changed" / 1,
    }
}
