//! Stock arithmetic: what is on the shelf, what of it is promised, and every movement in between.

use std::collections::BTreeMap;

use contracts::product::{ReserveLine, VariantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::validation::ON_HAND_MAX;

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

impl StockLevel {
    /// The level after `quantity` more were promised; the same if nothing is counted.
    pub fn reserved(mut self, quantity: i64) -> Self {
        if self.track {
            self.reserved += quantity;
        }
        self
    }

    /// The level after a promise of `quantity` was taken back.
    pub fn released(mut self, quantity: i64) -> Self {
        self.reserved -= quantity;
        self
    }

    /// The level after a promised `quantity` left the shelf.
    pub fn sold(mut self, quantity: i64) -> Self {
        self.on_hand -= quantity;
        self.reserved -= quantity;
        self
    }

    /// The level after somebody corrected or counted it.
    pub fn adjusted(mut self, adjustment: Adjustment) -> Result<Self, StockRefusal> {
        let before = self.on_hand;
        self.on_hand = match adjustment {
            Adjustment::Delta(delta) => self.on_hand.checked_add(delta).ok_or(StockRefusal::TooLarge)?,
            Adjustment::Count(on_hand) => on_hand,
        };
        if self.on_hand.abs() > ON_HAND_MAX {
            return Err(StockRefusal::TooLarge);
        }
        // What was promised beyond the shelf while that was allowed may still be made up for step by step.
        if self.track && !self.backorder && self.on_hand < before {
            if self.on_hand < 0 {
                return Err(StockRefusal::BelowZero);
            }
            if self.on_hand < self.reserved {
                return Err(StockRefusal::BelowReserved { reserved: self.reserved });
            }
        }
        Ok(self)
    }

    /// What is wrong with the level, if its invariant is broken. `debt` is what was promised beyond the
    /// shelf while that was allowed.
    pub fn broken(&self, debt: i64) -> Option<String> {
        if self.reserved < 0 {
            return Some(format!("{}: {} reserved, which is negative", self.variant_id, self.reserved));
        }
        let beyond = self.reserved - self.on_hand;
        (self.track && !self.backorder && beyond > debt.max(0)).then(|| {
            format!("{}: {} reserved of {} on hand without backorder", self.variant_id, self.reserved, self.on_hand)
        })
    }
}

/// A change of what is on the shelf, by a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// So many came or went.
    Delta(i64),
    /// So many are there.
    Count(i64),
}

/// Why an adjustment was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StockRefusal {
    /// There cannot be fewer than none.
    #[error("there would be fewer than none on hand")]
    BelowZero,
    /// Orders were promised more.
    #[error("{reserved} are promised to orders; there cannot be fewer on hand")]
    BelowReserved {
        /// How many are promised.
        reserved: i64,
    },
    /// Nobody has that many.
    #[error("the count would be beyond {ON_HAND_MAX}")]
    TooLarge,
}

/// Adds up the lines of each variant, in variant order: two lines of one variant are one claim on its stock.
pub fn merge(lines: &[ReserveLine]) -> Vec<ReserveLine> {
    let mut merged = BTreeMap::<VariantId, i64>::new();
    for line in lines {
        let quantity = merged.entry(line.variant_id).or_default();
        *quantity = quantity.saturating_add(line.quantity);
    }
    merged.into_iter().map(|(variant_id, quantity)| ReserveLine { variant_id, quantity }).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variant(n: u128) -> VariantId {
        VariantId::from_uuid(uuid::Uuid::from_u128(n))
    }

    fn level(on_hand: i64, backorder: bool) -> StockLevel {
        StockLevel { on_hand, backorder, ..StockLevel::uncounted(variant(1), true, backorder) }
    }

    #[test]
    fn availability_is_what_is_not_promised() {
        assert_eq!(level(5, false).reserved(5).available(), Some(0));
        assert!(!level(5, false).reserved(5).in_stock());
        assert!(level(0, true).covers(7));
        let untracked = StockLevel::uncounted(variant(1), false, false);
        assert_eq!(untracked.reserved(3), untracked);
        assert_eq!(untracked.available(), None);
    }

    #[test]
    fn adjustments_stop_at_promises_and_zero() {
        let level = level(5, false).reserved(3);
        assert_eq!(level.adjusted(Adjustment::Delta(-2)).map(|level| level.on_hand), Ok(3));
        assert_eq!(level.adjusted(Adjustment::Count(2)), Err(StockRefusal::BelowReserved { reserved: 3 }));
        assert_eq!(level.adjusted(Adjustment::Delta(-6)), Err(StockRefusal::BelowZero));
        assert_eq!(level.adjusted(Adjustment::Delta(i64::MAX)), Err(StockRefusal::TooLarge));
        assert_eq!(level.adjusted(Adjustment::Count(i64::MIN + 1)), Err(StockRefusal::TooLarge));
    }

    #[test]
    fn two_lines_of_one_variant_are_one_claim() {
        let line = |n, quantity| ReserveLine { variant_id: variant(n), quantity };
        assert_eq!(merge(&[line(2, 1), line(1, 4), line(2, 2)]), [line(1, 4), line(2, 3)]);
        assert_eq!(merge(&[line(1, i64::MAX), line(1, 1)]), [line(1, i64::MAX)]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Reserve(i64),
        Release(usize),
        Commit(usize),
        Adjust(Adjustment),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..20_i64).prop_map(Step::Reserve),
            any::<usize>().prop_map(Step::Release),
            any::<usize>().prop_map(Step::Commit),
            (-20..20_i64).prop_map(|delta| Step::Adjust(Adjustment::Delta(delta))),
            (-5..50_i64).prop_map(|count| Step::Adjust(Adjustment::Count(count))),
        ]
    }

    proptest! {
        #[test]
        fn no_order_of_steps_breaks_the_invariant(
            start in 0..30_i64, backorder: bool, steps in prop::collection::vec(step(), 0..60),
        ) {
            let mut level = level(start, backorder);
            let (mut holds, mut moved) = (Vec::new(), start);
            for step in steps {
                match step {
                    Step::Reserve(quantity) if level.covers(quantity) => {
                        level = level.reserved(quantity);
                        holds.push(quantity);
                    }
                    Step::Release(which) if !holds.is_empty() => {
                        level = level.released(holds.swap_remove(which % holds.len()));
                    }
                    Step::Commit(which) if !holds.is_empty() => {
                        let quantity = holds.swap_remove(which % holds.len());
                        moved -= quantity;
                        level = level.sold(quantity);
                    }
                    Step::Adjust(adjustment) => {
                        if let Ok(after) = level.adjusted(adjustment) {
                            moved += after.on_hand - level.on_hand;
                            level = after;
                        }
                    }
                    Step::Reserve(_) | Step::Release(_) | Step::Commit(_) => {}
                }
                prop_assert_eq!(level.broken(0), None);
                prop_assert_eq!(level.reserved, holds.iter().sum::<i64>());
                prop_assert_eq!(level.on_hand, moved);
            }
        }
    }
}
