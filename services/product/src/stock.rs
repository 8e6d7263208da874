//! Stock arithmetic: what is on the shelf, what of it is promised, and every movement in between.

use contracts::product::VariantId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many of a variant there are. `available = on_hand - reserved`, never below zero for the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevel {
    /// Which variant.
    pub variant_id: VariantId,
    /// On the shelf.
    pub on_hand: i64,
    /// Of these, promised to orders.
    pub reserved: i64,
    /// False for what never runs out; nothing is counted then.
    pub track: bool,
    /// True if it may be sold beyond what is on hand.
    pub backorder: bool,
}

impl StockLevel {
    /// The level of a variant that nobody has counted yet.
    pub fn uncounted(variant_id: VariantId, track: bool, backorder: bool) -> Self {
        Self { variant_id, on_hand: 0, reserved: 0, track, backorder }
    }

    /// How many can be bought; `None` if there is no limit.
    pub fn available(&self) -> Option<i64> {
        (self.track && !self.backorder).then(|| self.on_hand.saturating_sub(self.reserved).max(0))
    }

    /// True if at least one can be bought.
    pub fn in_stock(&self) -> bool {
        self.available().is_none_or(|available| available > 0)
    }

    /// True if `quantity` can be promised.
    pub fn covers(&self, quantity: i64) -> bool {
        self.available().is_none_or(|available| available >= quantity)
    }
}

/// Why the count changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Somebody counted.
    Count,
    /// Somebody corrected: broken, found, received.
    Adjustment,
    /// An order took it.
    Sale,
    /// An order that had taken it was called off.
    Cancellation,
    /// A refund put it back.
    Return,
}

impl MovementKind {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Adjustment => "adjustment",
            Self::Sale => "sale",
            Self::Cancellation => "cancellation",
            Self::Return => "return",
        }
    }
}

/// One entry of the ledger of a variant: append-only, and its sum is what is on hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Movement {
    /// Counts the movements of this variant, from 1.
    pub number: u64,
    /// Of which variant.
    pub variant_id: VariantId,
    /// How many came (or, negative, went).
    pub delta: i64,
    /// On hand afterwards.
    pub on_hand: i64,
    /// Why.
    pub kind: MovementKind,
    /// Why, in words.
    pub reason: String,
    /// Who: `acc_…`, `key_…`, or the order it was for.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}
