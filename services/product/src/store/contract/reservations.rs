//! Quotes and reservations.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use contracts::{
    Currency,
    product::{ProductError, QuoteRequest, ReserveLine, Shortage, VariantRef},
};

use super::{Shop, mug};
use crate::{product::ProductStatus, store::ReserveError};

pub async fn quotes_name_what_cannot_be_sold(shop: Shop) {
    let id = shop.stocked("a", 5).await;
    let mut draft = mug("draft", &[("D1", 1)]);
    draft.status = ProductStatus::Draft;
    let hidden = shop.save(draft).await.0.variants[0].id;
    let quote = async |currency, variants| {
        shop.store.quote(QuoteRequest { currency, variants }).await.map_err(|error| match error {
            ReserveError::Refused(refusal) => Some(refusal),
            ReserveError::Store(_) => None,
        })
    };
    let both = vec![VariantRef::Sku("a".to_owned()), VariantRef::Id(id), VariantRef::Id(id)];
    let quotes = quote(Currency::KRW, both).await.unwrap();
    assert_eq!(quotes.len(), 3);
    assert!(quotes.iter().all(|quote| quote.variant_id == id && quote.available == Some(5)));
    assert_eq!(quotes[0].unit_price.amount_minor, 12_900);
    for variant in [VariantRef::Id(hidden), VariantRef::Sku("nothing".to_owned())] {
        let refusal = quote(Currency::KRW, vec![variant.clone()]).await;
        assert_eq!(refusal, Err(Some(ProductError::NotOnSale(variant))));
    }
    let no_price = ProductError::NoPrice { variant: VariantRef::Id(id), currency: Currency::USD };
    assert_eq!(quote(Currency::USD, vec![VariantRef::Id(id)]).await, Err(Some(no_price)));
}

pub async fn two_lines_of_one_variant_are_one_claim(shop: Shop) {
    let id = shop.stocked("a", 5).await;
    let refusal = shop.try_reserve(shop.request(&[(id, 3), (id, 3)])).await;
    let shortage = Shortage { variant_id: id, requested: 6, available: 5 };
    assert_eq!(refusal, Err(ProductError::InsufficientStock(vec![shortage])));
    let reservation = shop.try_reserve(shop.request(&[(id, 3), (id, 2)])).await.unwrap();
    assert_eq!(reservation.quotes.len(), 2);
    assert_eq!(shop.level(id).await, (5, 5));
    shop.check().await;
}

pub async fn all_shortages_are_named_and_nothing_is_held(shop: Shop) {
    let (product, _) = shop.save(mug("a", &[("A1", 1), ("A2", 9), ("A3", 0)])).await;
    let ids: Vec<_> = product.variants.iter().map(|variant| variant.id).collect();
    let refusal = shop.try_reserve(shop.request(&[(ids[2], 1), (ids[1], 2), (ids[0], 4)])).await;
    let Err(ProductError::InsufficientStock(mut shortages)) = refusal else { unreachable!("{refusal:?}") };
    shortages.sort_by_key(|shortage| shortage.requested);
    let short = |variant_id, requested, available| Shortage { variant_id, requested, available };
    assert_eq!(shortages, [short(ids[2], 1, 0), short(ids[0], 4, 1)]);
    for (id, on_hand) in ids.iter().zip([1, 9, 0]) {
        assert_eq!(shop.level(*id).await, (on_hand, 0));
    }
    shop.check().await;
}

pub async fn fifty_buyers_of_ten_units(shop: Shop) {
    let shop = Arc::new(shop);
    let id = shop.stocked("a", 10).await;
    let mut buyers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (shop, request) = (Arc::clone(&shop), shop.request(&[(id, 1)]));
        buyers.spawn(async move { shop.try_reserve(request).await });
    }
    let (mut served, mut refused) = (0, 0);
    while let Some(outcome) = buyers.join_next().await {
        match outcome.unwrap() {
            Ok(_) => served += 1,
            Err(ProductError::InsufficientStock(_)) => refused += 1,
            Err(other) => unreachable!("{other}"),
        }
    }
    assert_eq!((served, refused), (10, 40));
    assert_eq!(shop.level(id).await, (10, 10));
    shop.check().await;
}

pub async fn the_same_request_again_gets_the_same_answer(shop: Shop) {
    let (product, _) = shop.save(mug("a", &[("A1", 3), ("A2", 3)])).await;
    let request = shop.request(&[(product.variants[1].id, 2), (product.variants[0].id, 1)]);
    let first = shop.try_reserve(request.clone()).await.unwrap();
    assert_eq!(first.quotes[0].variant_id, product.variants[1].id);
    // The price has changed meanwhile.
    let mut input = product.to_input();
    input.variants[0].prices[0].amount.amount_minor = 1;
    input.variants[1].prices[0].amount.amount_minor = 1;
    shop.save(input).await;
    assert_eq!(shop.try_reserve(request.clone()).await, Ok(first.clone()));
    shop.commit(first.id, &[]).await;
    assert_eq!(shop.try_reserve(request).await, Ok(first));
    assert_eq!(shop.level(product.variants[1].id).await, (1, 0));
    shop.check().await;
}

pub async fn another_request_under_the_id_is_refused(shop: Shop) {
    let id = shop.stocked("a", 9).await;
    let request = shop.request(&[(id, 2)]);
    shop.try_reserve(request.clone()).await.unwrap();
    let mismatch = Err(ProductError::ReservationMismatch(request.reservation_id));
    let mut other = request.clone();
    other.lines[0].quantity = 3;
    assert_eq!(shop.try_reserve(other).await, mismatch);
    let mut split = request.clone();
    split.lines = vec![ReserveLine { variant_id: id, quantity: 1 }; 2];
    assert_eq!(shop.try_reserve(split).await, mismatch);
    assert_eq!(shop.level(id).await, (9, 2));
}

pub async fn released_stock_can_be_sold_again(shop: Shop) {
    let id = shop.stocked("a", 1).await;
    let hold = shop.reserve(&[(id, 1)]).await;
    assert!(shop.try_reserve(shop.request(&[(id, 1)])).await.is_err());
    for _ in 0..3 {
        shop.store.release(hold, shop.stamp()).await.unwrap();
        assert_eq!(shop.level(id).await, (1, 0));
    }
    shop.reserve(&[(id, 1)]).await;
    shop.check().await;
}

pub async fn a_late_request_after_its_release_is_refused(shop: Shop) {
    let id = shop.stocked("a", 1).await;
    let request = shop.request(&[(id, 1)]);
    shop.store.release(request.reservation_id, shop.stamp()).await.unwrap();
    assert!(matches!(shop.try_reserve(request).await, Err(ProductError::Invalid(_))));
    assert_eq!(shop.level(id).await, (1, 0));
}

pub async fn untracked_and_backordered_never_run_out(shop: Shop) {
    let mut input = mug("a", &[("A1", 0), ("A2", 1)]);
    input.variants[0].track_stock = false;
    input.variants[1].allow_backorder = true;
    let (product, _) = shop.save(input).await;
    let (free, backordered) = (product.variants[0].id, product.variants[1].id);
    assert_eq!((shop.quote(free).await.available, shop.quote(backordered).await.available), (None, None));
    let hold = shop.reserve(&[(free, 99), (backordered, 3)]).await;
    assert_eq!((shop.level(free).await, shop.level(backordered).await), ((0, 0), (1, 3)));
    shop.check().await;
    shop.commit(hold, &[]).await;
    assert_eq!((shop.level(free).await, shop.level(backordered).await), ((0, 0), (-2, 0)));
    shop.check().await;
}
