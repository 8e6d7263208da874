//! The suite that every adapter of [`ProductStore`] must pass: plain functions over a fresh store. Call
//! [`crate::product_store_contract!`] with what opens one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{sync::Arc, time::Duration};

use chassis::{Env, env::ManualClock};
use contracts::{
    Currency, Event as _, Locale, LocalizedText, Money,
    order::{OrderEvent, OrderId, RefundRequested, RestockLine},
    product::{
        ProductError, QuoteRequest, Reservation, ReservationId, ReserveLine, ReserveRequest, VariantId, VariantRef,
    },
};

use super::{
    CommitStock, EndOrder, ProductKey, ProductStore, ReserveError, Restock, SaveBatch, SaveOutcome, SaveRefusal, Stamp,
    Stocked,
};
use crate::{
    product::{Price, ProductInput, ProductOption, ProductStatus, VariantInput},
    revision::{Origin, Revision, Wanted, revise},
    stock::MovementKind,
};

pub mod catalogue;
pub mod lists;
pub mod reservations;
pub mod settling;

/// One test per function of the suite, on what `$open` returns.
#[macro_export]
macro_rules! product_store_contract {
    ($open:expr) => {
        $crate::product_store_contract!(@ $open, catalogue: [
            finds_what_was_saved, refuses_what_contradicts, atomic_batches_write_all_or_nothing,
            variants_may_swap_skus, retired_variants_keep_their_ledger, counts_and_adjustments_are_in_the_ledger,
            counts_stop_at_promises, categories_form_a_tree,
        ]);
        $crate::product_store_contract!(@ $open, lists: [
            every_order_pages_through_everything_once, filters_combine, categories_hold_those_below,
            price_ranges_go_by_the_lowest_price, selling_out_shows,
        ]);
        $crate::product_store_contract!(@ $open, reservations: [
            quotes_name_what_cannot_be_sold, two_lines_of_one_variant_are_one_claim, all_shortages_are_named_and_nothing_is_held,
            fifty_buyers_of_ten_units, the_same_request_again_gets_the_same_answer, another_request_under_the_id_is_refused,
            released_stock_can_be_sold_again, a_late_request_after_its_release_is_refused, untracked_and_backordered_never_run_out,
        ]);
        $crate::product_store_contract!(@ $open, settling: [
            confirmed_orders_take_what_they_held, a_lapsed_hold_takes_stock_anew, a_lapsed_hold_that_is_sold_fails,
            an_unknown_hold_takes_stock, ended_orders_give_back_once, units_come_back_once_per_cause,
            no_order_gives_back_more_than_it_took, the_order_of_events_does_not_matter,
            a_lapsed_hold_races_the_next_buyer, expiry_races_commit, ended_holds_are_forgotten, backorder_can_be_ended_while_units_are_owed,
        ]);
    };
    (@ $open:expr, $module:ident: [$($name:ident),* $(,)?]) => {
        mod $module {
            #[allow(unused_imports, reason = "what `$open` names is near the call")]
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let open = $open;
                let (store, _kept) = open();
                $crate::store::contract::$module::$name($crate::store::contract::Shop::new(store)).await;
            })*
        }
    };
}

/// A store with a clock and helpers to say what happens in few words.
pub struct Shop {
    pub store: Arc<dyn ProductStore>,
    pub env: Env,
    pub clock: Arc<ManualClock>,
}

impl Shop {
    pub fn new(store: Arc<dyn ProductStore>) -> Self {
        let (env, clock) = Env::simulated(7);
        Self { store, env, clock }
    }

    pub fn stamp(&self) -> Stamp {
        Stamp::new(&self.env, "acc_test")
    }

    /// What `wanted` makes of `current`.
    pub fn revise(&self, current: Option<&Stocked>, wanted: Wanted) -> Revision {
        let origin =
            Origin { product_id: self.env.new_id(), variant_id: &mut || self.env.new_id(), now: self.env.now() };
        revise(current.map(|(product, levels)| (product, levels.as_slice())), wanted, origin).unwrap()
    }

    pub async fn try_save(&self, revisions: Vec<Revision>, atomic: bool) -> Vec<SaveOutcome> {
        let batch = SaveBatch { revisions, atomic, make_categories: true, record: None, stamp: self.stamp() };
        self.store.save(batch).await.unwrap()
    }

    /// Makes or replaces a product.
    pub async fn save(&self, input: ProductInput) -> Stocked {
        let handle = input.handle.clone();
        let current = self.store.find(ProductKey::Handle(handle.clone())).await.unwrap();
        let revision = self.revise(current.as_ref(), Wanted::by_content(input));
        assert_eq!(self.try_save(vec![revision], true).await, [SaveOutcome::Written]);
        self.product(&handle).await
    }

    pub async fn product(&self, handle: &str) -> Stocked {
        self.store.find(ProductKey::Handle(handle.to_owned())).await.unwrap().unwrap()
    }

    /// A product with one variant of `on_hand` units.
    pub async fn stocked(&self, handle: &str, on_hand: i64) -> VariantId {
        self.save(mug(handle, &[(handle, on_hand)])).await.0.variants[0].id
    }

    /// On hand and reserved.
    pub async fn level(&self, id: VariantId) -> (i64, i64) {
        let level = self.store.find_level(id).await.unwrap().unwrap();
        (level.on_hand, level.reserved)
    }

    pub fn request(&self, lines: &[(VariantId, i64)]) -> ReserveRequest {
        ReserveRequest {
            reservation_id: self.env.new_id(),
            currency: Currency::KRW,
            lines: lines
                .iter()
                .map(|(variant_id, quantity)| ReserveLine { variant_id: *variant_id, quantity: *quantity })
                .collect(),
            expires_at: self.env.now() + Duration::from_secs(600),
        }
    }

    pub async fn try_reserve(&self, request: ReserveRequest) -> Result<Reservation, ProductError> {
        self.store.reserve(request, self.stamp()).await.map_err(|error| match error {
            ReserveError::Refused(refusal) => refusal,
            ReserveError::Store(error) => panic!("{error}"),
        })
    }

    pub async fn reserve(&self, lines: &[(VariantId, i64)]) -> ReservationId {
        self.try_reserve(self.request(lines)).await.unwrap().id
    }

    pub async fn commit(&self, reservation_id: ReservationId, lines: &[(VariantId, i64)]) -> CommitStock {
        let lines = self.request(lines).lines;
        let commit = CommitStock { reservation_id, order_id: self.env.new_id(), lines };
        self.store.commit(commit.clone(), self.stamp()).await.unwrap();
        commit
    }

    pub async fn end(&self, commit: &CommitStock, restock: bool) {
        let end = EndOrder { reservation_id: commit.reservation_id, order_id: commit.order_id, restock };
        self.store.end_order(end, self.stamp()).await.unwrap();
    }

    /// Units of an order come back for `cause`, which a new event says.
    pub fn restock(&self, order_id: OrderId, cause: &str, kind: MovementKind, lines: &[(VariantId, i64)]) -> Restock {
        let line =
            |(variant_id, quantity): &(VariantId, i64)| RestockLine { variant_id: *variant_id, quantity: *quantity };
        let lines: Vec<RestockLine> = lines.iter().map(line).collect();
        let amount = Money::new(1, Currency::KRW);
        let (refund_id, reason, restock) = (self.env.new_id(), String::new(), lines.clone());
        let event = OrderEvent::RefundRequested(RefundRequested { order_id, refund_id, amount, reason, restock });
        let event = event.seal(self.env.new_id(), order_id.to_string(), self.env.now(), None).unwrap();
        Restock { order_id, cause: cause.to_owned(), kind, lines, event }
    }

    /// Lets all holds lapse.
    pub async fn lapse(&self) -> usize {
        self.clock.advance(Duration::from_secs(601));
        self.store.expire(100, self.stamp()).await.unwrap()
    }

    pub async fn quote(&self, id: VariantId) -> contracts::product::VariantQuote {
        let request = QuoteRequest { currency: Currency::KRW, variants: vec![VariantRef::Id(id)] };
        self.store.quote(request).await.unwrap().remove(0)
    }

    /// All stock keeps its invariants.
    pub async fn check(&self) {
        assert_eq!(self.store.verify().await.unwrap(), Vec::<String>::new());
    }
}

/// An active product with one variant per SKU, all at ₩12,900.
pub fn mug(handle: &str, variants: &[(&str, i64)]) -> ProductInput {
    let values: Vec<String> = variants.iter().map(|(sku, _)| format!("value of {sku}")).collect();
    let kind = ProductOption { name: LocalizedText::one(Locale::En, "Kind"), values: values.clone() };
    ProductInput {
        handle: handle.to_owned(),
        status: ProductStatus::Active,
        title: LocalizedText::both(format!("머그 {handle}"), format!("Mug {handle}")),
        options: if variants.is_empty() { Vec::new() } else { vec![kind] },
        variants: variants
            .iter()
            .zip(values)
            .map(|((sku, on_hand), value)| VariantInput {
                sku: Some((*sku).to_owned()),
                option_values: vec![value],
                prices: vec![Price { amount: Money::new(12_900, Currency::KRW), compare_at: None }],
                on_hand: Some(*on_hand),
                ..VariantInput::default()
            })
            .collect(),
        ..ProductInput::default()
    }
}

/// True if it was refused for exactly this.
pub fn refused(outcome: &SaveOutcome, refusal: &SaveRefusal) -> bool {
    matches!(outcome, SaveOutcome::Refused(refusals) if refusals == std::slice::from_ref(refusal))
}
