//! Categories: the shelves that products stand on.

use contracts::LocalizedText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Category {
    /// Its name in addresses; never changes.
    pub handle: String,
    /// Its name.
    pub name: LocalizedText,
    /// The handle of the category it belongs to.
    pub parent: Option<String>,
    /// Smaller ones are shown first.
    pub position: i64,
    /// Grows by one with every change; also the `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A category as staff want it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryInput {
    /// Its name in addresses: lower-case letters, digits, `-` and `_`.
    #[schema(min_length = 1, max_length = 255, example = "audio")]
    pub handle: String,
    /// Its name; at least one language.
    pub name: LocalizedText,
    /// The handle of the category it belongs to.
    #[serde(default)]
    pub parent: Option<String>,
    /// Smaller ones are shown first.
    #[serde(default)]
    #[schema(minimum = -1_000_000, maximum = 1_000_000)]
    pub position: i64,
}
