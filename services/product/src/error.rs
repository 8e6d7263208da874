//! Why a use case said no.

use chassis::StoreError;
use contracts::Violation;

use crate::{
    search::SearchError,
    stock::StockRefusal,
    store::{AdjustError, CategoryError, SaveRefusal},
};

/// A refusal or failure of the catalogue's use cases.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The input breaks rules.
    #[error("the input breaks rules")]
    Invalid(Vec<Violation>),
    /// No such thing, or not for this caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The caller has seen another version.
    #[error("version {current} is current")]
    Stale {
        /// The current one.
        current: u64,
    },
    /// Something unique is taken, or something is in use.
    #[error("it contradicts what is there")]
    Conflict(Vec<Violation>),
    /// Others changed it again and again.
    #[error("too many changes at once")]
    Busy,
    /// The search index failed.
    #[error(transparent)]
    Search(SearchError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AdjustError> for CatalogueError {
    fn from(error: AdjustError) -> Self {
        match error {
            AdjustError::NotFound => Self::NotFound("variant"),
            AdjustError::Refused(refusal @ StockRefusal::TooLarge) => {
                Self::Invalid(vec![Violation::new("", refusal.to_string())])
            }
            AdjustError::Refused(refusal) => Self::Conflict(vec![Violation::new("", refusal.to_string())]),
            AdjustError::Store(error) => Self::Store(error),
        }
    }
}

impl From<CategoryError> for CatalogueError {
    fn from(error: CategoryError) -> Self {
        match error {
            CategoryError::NotFound => Self::NotFound("category"),
            CategoryError::Taken => Self::Conflict(vec![Violation::new("/handle", error.to_string())]),
            CategoryError::InUse => Self::Conflict(vec![Violation::new("", error.to_string())]),
            CategoryError::BadParent => Self::Invalid(vec![Violation::new("/parent", error.to_string())]),
            CategoryError::Stale(current) => Self::Stale { current },
            CategoryError::Store(error) => Self::Store(error),
        }
    }
}

impl From<SearchError> for CatalogueError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::InvalidCursor => Self::Invalid(vec![Violation::new("cursor", error.to_string())]),
            other => Self::Search(other),
        }
    }
}

/// What a refusal of the store means to whoever sent the product.
pub(crate) fn violation(refusal: &SaveRefusal) -> Violation {
    match refusal {
        SaveRefusal::Stale => Violation::new("", "was changed by somebody else at the same time"),
        SaveRefusal::HandleTaken => Violation::new("/handle", "another product has this handle"),
        SaveRefusal::SkuTaken { position } => {
            Violation::new(format!("/variants/{position}/sku"), "another product has this SKU")
        }
        SaveRefusal::UnknownCategory => Violation::new("/category", "there is no category with this handle"),
        SaveRefusal::Count { position, refusal } => {
            Violation::new(format!("/variants/{position}/on_hand"), refusal.to_string())
        }
    }
}
