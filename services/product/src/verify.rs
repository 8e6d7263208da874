//! The invariants of stock, as pure checks that tests, simulation and `jangteo verify` share.

use chassis::StoreError;

use crate::{stock::StockLevel, store::ProductStore};

/// Checks all stock in `store`, streaming. Empty means that all is well.
pub async fn verify(store: &dyn ProductStore) -> Result<Vec<String>, StoreError> {
    store.verify().await
}

/// Everything that the store knows of the stock of one variant.
#[derive(Debug, Clone, Copy)]
pub struct StockFacts {
    /// The level.
    pub level: StockLevel,
    /// Promised beyond the shelf while that was allowed.
    pub debt: i64,
    /// The sum of its movements.
    pub moved: i64,
    /// The sum of its lines in reservations that are held.
    pub held: i64,
}

/// What is wrong: on hand = sum of movements; reserved = sum of held lines; 0 <= reserved <= on hand
/// unless it may be sold beyond that.
pub fn check(facts: &StockFacts) -> Vec<String> {
    let StockFacts { level, debt, moved, held } = facts;
    let id = level.variant_id;
    let mut violations = Vec::new();
    if level.on_hand != *moved {
        violations.push(format!("{id}: {} on hand, but its movements sum to {moved}", level.on_hand));
    }
    if level.reserved != *held {
        violations.push(format!("{id}: {} reserved, but held reservations sum to {held}", level.reserved));
    }
    violations.extend(level.broken(*debt));
    violations
}

#[cfg(test)]
mod tests {
    use contracts::product::VariantId;

    use super::*;

    #[test]
    fn names_every_broken_invariant() {
        let variant_id = VariantId::from_uuid(uuid::Uuid::from_u128(1));
        let level = StockLevel { variant_id, on_hand: 5, reserved: 2, track: true, backorder: false };
        let good = StockFacts { level, debt: 0, moved: 5, held: 2 };
        assert!(check(&good).is_empty());
        assert_eq!(check(&StockFacts { moved: 4, ..good }).len(), 1);
        assert_eq!(check(&StockFacts { held: 1, ..good }).len(), 1);
        let oversold = StockLevel { reserved: 6, ..level };
        assert_eq!(check(&StockFacts { level: oversold, held: 6, ..good }).len(), 1);
        assert!(check(&StockFacts { level: oversold, held: 6, debt: 1, ..good }).is_empty());
        assert_eq!(check(&StockFacts { level: StockLevel { reserved: -1, ..level }, ..good }).len(), 2);
    }
}
