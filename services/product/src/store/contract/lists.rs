//! Lists and views.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use contracts::{Currency, LocalizedText, Money};

use super::{Shop, mug};
use crate::{
    product::{Price, ProductInput, ProductStatus},
    store::{ListQuery, ListSort, ProductKey},
};

fn all(sort: ListSort) -> ListQuery {
    ListQuery {
        status: Some(ProductStatus::Active),
        category: None,
        in_stock: None,
        min_price: None,
        max_price: None,
        sort,
        after: None,
        limit: 100,
    }
}

fn priced(handle: &str, on_hand: i64, price: i64) -> ProductInput {
    let mut input = mug(handle, &[(handle, on_hand)]);
    input.variants[0].prices[0].amount = Money::new(price, Currency::KRW);
    input
}

/// Handles of a list in order, read in pages of `limit`.
async fn handles(shop: &Shop, query: ListQuery, limit: u32) -> Vec<String> {
    let mut query = ListQuery { limit, ..query };
    let mut handles = Vec::new();
    loop {
        let page = shop.store.list(query.clone()).await.unwrap();
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return handles };
        query.after = Some(last.place.clone());
        for listed in &page {
            let view: crate::view::ProductView = serde_json::from_str(&listed.view).unwrap();
            assert_eq!(view.id, listed.id);
            handles.push(view.handle);
        }
    }
}

pub async fn every_order_pages_through_everything_once(shop: Shop) {
    // Pairs share price and title, so that ties fall on page borders too.
    for (index, handle) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let mut input = priced(handle, 1, 1000 * (i64::try_from(index).unwrap() / 2));
        input.title = LocalizedText::both(format!("가{}", index / 2), format!("T{}", 9 - index / 2));
        shop.save(input).await;
    }
    let mut draft = mug("draft", &[("draft", 1)]);
    draft.status = ProductStatus::Draft;
    shop.save(draft).await;
    for (sort, expected) in [
        (ListSort::Newest, ["e", "d", "c", "b", "a"]),
        (ListSort::Price(Currency::KRW), ["a", "b", "c", "d", "e"]),
        (ListSort::PriceDescending(Currency::KRW), ["e", "d", "c", "b", "a"]),
        (ListSort::TitleKo, ["a", "b", "c", "d", "e"]),
        (ListSort::TitleEn, ["e", "c", "d", "a", "b"]),
    ] {
        for limit in 1..=6 {
            assert_eq!(handles(&shop, all(sort), limit).await, expected, "{sort:?} by {limit}");
        }
    }
    assert!(handles(&shop, all(ListSort::Price(Currency::USD)), 9).await.is_empty());
    let any = ListQuery { status: None, ..all(ListSort::Newest) };
    assert_eq!(handles(&shop, any, 4).await, ["draft", "e", "d", "c", "b", "a"]);
    let drafts = ListQuery { status: Some(ProductStatus::Draft), ..all(ListSort::TitleKo) };
    assert_eq!(handles(&shop, drafts, 4).await, ["draft"]);
}

pub async fn filters_combine(shop: Shop) {
    for (handle, on_hand, category) in [("a", 0, Some("x")), ("b", 1, Some("x")), ("c", 1, None), ("d", 0, None)] {
        let category = category.map(str::to_owned);
        shop.save(ProductInput { category, ..mug(handle, &[(handle, on_hand)]) }).await;
    }
    let sorts = [
        ListSort::Newest,
        ListSort::Price(Currency::KRW),
        ListSort::PriceDescending(Currency::KRW),
        ListSort::TitleKo,
        ListSort::TitleEn,
    ];
    for sort in sorts {
        for (category, in_stock, expected) in [
            (None, Some(true), &["b", "c"][..]),
            (None, Some(false), &["a", "d"]),
            (Some("x"), None, &["a", "b"]),
            (Some("x"), Some(true), &["b"]),
            (Some("y"), None, &[]),
        ] {
            let query = ListQuery { category: category.map(str::to_owned), in_stock, ..all(sort) };
            let mut found = handles(&shop, query, 1).await;
            found.sort();
            assert_eq!(found, expected, "{sort:?} {category:?} {in_stock:?}");
        }
    }
}

pub async fn categories_hold_those_below(shop: Shop) {
    for (handle, category) in [("a", "top"), ("b", "left"), ("c", "right"), ("d", "left"), ("e", "other")] {
        let category = Some(category.to_owned());
        shop.save(ProductInput { category, ..mug(handle, &[(handle, 1)]) }).await;
    }
    for child in ["left", "right"] {
        let mut category = shop.store.find_category(child.to_owned()).await.unwrap().unwrap();
        category.parent = Some("top".to_owned());
        shop.store.update_category(category, 1).await.unwrap();
    }
    for (sort, expected) in [
        (ListSort::Newest, ["d", "c", "b", "a"]),
        (ListSort::TitleEn, ["a", "b", "c", "d"]),
        (ListSort::Price(Currency::KRW), ["a", "b", "c", "d"]),
        (ListSort::PriceDescending(Currency::KRW), ["d", "c", "b", "a"]),
    ] {
        let query = ListQuery { category: Some("top".to_owned()), ..all(sort) };
        for limit in 1..=5 {
            assert_eq!(handles(&shop, query.clone(), limit).await, expected, "{sort:?} by {limit}");
        }
    }
}

pub async fn price_ranges_go_by_the_lowest_price(shop: Shop) {
    for (handle, price) in [("a", 100), ("b", 200), ("c", 300)] {
        let mut input = priced(handle, 1, price);
        let dearer = Price { amount: Money::new(9_000, Currency::KRW), compare_at: None };
        input.options[0].values.push("dear".to_owned());
        let mut variant = input.variants[0].clone();
        (variant.sku, variant.option_values, variant.prices) = (None, vec!["dear".to_owned()], vec![dearer]);
        input.variants.push(variant);
        shop.save(input).await;
    }
    let range = |min_price, max_price, sort| ListQuery { min_price, max_price, ..all(sort) };
    let up = ListSort::Price(Currency::KRW);
    let down = ListSort::PriceDescending(Currency::KRW);
    assert_eq!(handles(&shop, range(Some(200), None, up), 1).await, ["b", "c"]);
    assert_eq!(handles(&shop, range(None, Some(200), down), 1).await, ["b", "a"]);
    assert_eq!(handles(&shop, range(Some(101), Some(299), up), 9).await, ["b"]);
    assert!(handles(&shop, range(Some(301), None, down), 9).await.is_empty());
}

pub async fn selling_out_shows(shop: Shop) {
    let id = shop.stocked("a", 2).await;
    let view = async || shop.store.find_view(ProductKey::parse("a")).await.unwrap().unwrap();
    let in_stock = ListQuery { in_stock: Some(true), ..all(ListSort::Price(Currency::KRW)) };
    let generation = shop.store.generation();
    shop.reserve(&[(id, 1)]).await;
    assert_eq!(shop.store.generation(), generation, "one sale of many is nobody's business");
    assert_eq!(view().await.version, 1);

    let last = shop.reserve(&[(id, 1)]).await;
    assert!(shop.store.generation() > generation);
    assert_eq!(view().await.version, 2);
    assert!(view().await.view.contains("\"in_stock\":false"));
    assert!(handles(&shop, in_stock.clone(), 9).await.is_empty());
    assert_eq!(shop.product("a").await.0.version, 2);

    shop.store.release(last, shop.stamp()).await.unwrap();
    assert_eq!(view().await.version, 3);
    assert!(!view().await.view.contains("\"in_stock\":false"));
    assert_eq!(handles(&shop, in_stock, 9).await, ["a"]);
    let ids = vec![shop.product("a").await.0.id];
    assert_eq!(shop.store.views(ids).await.unwrap(), [view().await.view]);
    shop.check().await;
}
