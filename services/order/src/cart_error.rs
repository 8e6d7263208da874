//! Why a cart could not be made, shown or changed.

use chassis::StoreError;
use contracts::{MoneyError, Violation, order::OrderId, product::VariantId};

use crate::{cart_view::NotShown, quotes::QuoteError, store::CartRefused};

/// A refusal; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CartError {
    #[error("no such cart")]
    NotFound,
    #[error("no such line")]
    LineNotFound,
    #[error("only a signed-in customer can claim a cart")]
    NotSignedIn,
    #[error("the cart has become order {0}")]
    Ordered(OrderId),
    #[error("the cart has version {current}")]
    Stale { current: u64 },
    #[error("too many lines")]
    TooManyLines,
    #[error("too many units of {0}")]
    TooManyUnits(VariantId),
    /// The request breaks rules of its own.
    #[error("the request breaks rules")]
    Invalid(Vec<Violation>),
    /// What is asked for cannot be bought.
    #[error("not for sale")]
    Unsellable(Vec<Violation>),
    #[error("product cannot answer")]
    ProductUnavailable,
    /// The cart changes faster than it can be priced.
    #[error("the cart is busy")]
    Busy,
    #[error(transparent)]
    Money(#[from] MoneyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CartRefused> for CartError {
    fn from(refused: CartRefused) -> Self {
        match refused {
            CartRefused::NotFound => Self::NotFound,
            CartRefused::LineNotFound => Self::LineNotFound,
            CartRefused::Ordered(id) => Self::Ordered(id),
            CartRefused::Stale { current } => Self::Stale { current },
            CartRefused::TooManyLines => Self::TooManyLines,
            CartRefused::TooManyUnits(id) => Self::TooManyUnits(id),
            CartRefused::Unpriced => Self::Busy,
            CartRefused::Money(error) => Self::Money(error),
            CartRefused::Store(error) => Self::Store(error),
        }
    }
}

impl From<NotShown> for CartError {
    fn from(error: NotShown) -> Self {
        match error {
            NotShown::Unpriced => Self::Busy,
            NotShown::Money(error) => Self::Money(error),
        }
    }
}

impl From<NotShown> for CartRefused {
    fn from(error: NotShown) -> Self {
        match error {
            NotShown::Unpriced => Self::Unpriced,
            NotShown::Money(error) => Self::Money(error),
        }
    }
}

impl From<QuoteError> for CartError {
    fn from(error: QuoteError) -> Self {
        match error {
            QuoteError::Unsellable(variant, why) => {
                Self::Unsellable(vec![Violation::new(variant.to_string(), why.advice())])
            }
            QuoteError::Product(error) => {
                tracing::warn!(%error, "product gave no quotes");
                Self::ProductUnavailable
            }
        }
    }
}
