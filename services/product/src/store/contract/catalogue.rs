//! Products, stock counts and categories.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use contracts::{Locale, LocalizedText};

use super::{Shop, mug, refused};
use crate::{
    category::Category,
    product::ProductStatus,
    revision::Wanted,
    stock::{Adjustment, MovementKind, StockRefusal},
    store::{AdjustError, AdjustStock, CategoryError, ProductKey, SaveBatch, SaveOutcome, SaveRefusal},
};

pub async fn finds_what_was_saved(shop: Shop) {
    let (product, levels) = shop.save(mug("a", &[("A1", 3), ("A2", 0)])).await;
    assert_eq!((product.version, product.variants.len()), (1, 2));
    assert_eq!(levels.iter().map(|level| level.on_hand).collect::<Vec<_>>(), [3, 0]);
    for key in [ProductKey::Id(product.id), ProductKey::Variant(product.variants[1].id)] {
        assert_eq!(shop.store.find(key).await.unwrap().unwrap().0, product);
    }
    let view = shop.store.find_view(ProductKey::parse("a")).await.unwrap().unwrap();
    assert_eq!((view.status, view.version), (ProductStatus::Active, 1));
    assert!(view.view.contains("Mug a") && !view.view.contains("on_hand"), "{}", view.view);

    let mut input = product.to_input();
    input.title = LocalizedText::one(Locale::En, "Cup");
    let (edited, _) = shop.save(input).await;
    assert_eq!((edited.version, edited.id), (2, product.id));
    assert_eq!(shop.store.get_many(vec![shop.env.new_id(), product.id]).await.unwrap()[0].0, edited);
    assert_eq!(shop.store.find(ProductKey::parse("b")).await.unwrap(), None);
    shop.save(mug("b", &[])).await;
    let all = shop.store.list_all(None, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(shop.store.list_all(Some(all[0].0.id), 10).await.unwrap(), all[1..]);
    shop.check().await;
}

pub async fn refuses_what_contradicts(shop: Shop) {
    let (product, levels) = shop.save(mug("a", &[("A1", 3)])).await;
    let current = (product.clone(), levels);
    let taken = shop.revise(None, Wanted::by_content(mug("a", &[])));
    let sku = shop.revise(None, Wanted::by_content(mug("b", &[("B1", 1), ("A1", 1)])));
    let mut archived = product.to_input();
    archived.status = ProductStatus::Archived;
    let first = shop.revise(Some(&current), Wanted::by_content(archived.clone()));
    archived.vendor = "other".to_owned();
    let stale = shop.revise(Some(&current), Wanted::by_content(archived));
    let outcomes = shop.try_save(vec![taken, sku, first, stale], false).await;
    assert!(refused(&outcomes[0], &SaveRefusal::HandleTaken), "{outcomes:?}");
    assert!(refused(&outcomes[1], &SaveRefusal::SkuTaken { position: 1 }), "{outcomes:?}");
    assert_eq!(outcomes[2], SaveOutcome::Written);
    assert!(refused(&outcomes[3], &SaveRefusal::Stale), "{outcomes:?}");
    assert_eq!(shop.product("a").await.0.status, ProductStatus::Archived);

    let mut shelved = mug("c", &[]);
    shelved.category = Some("nowhere".to_owned());
    let revisions = vec![shop.revise(None, Wanted::by_content(shelved))];
    let stamp = shop.stamp();
    let batch = SaveBatch { revisions, atomic: true, make_categories: false, record: None, stamp };
    let outcomes = shop.store.save(batch).await.unwrap();
    assert!(refused(&outcomes[0], &SaveRefusal::UnknownCategory), "{outcomes:?}");
}

pub async fn atomic_batches_write_all_or_nothing(shop: Shop) {
    shop.save(mug("a", &[("A1", 3)])).await;
    let generation = shop.store.generation();
    let good = shop.revise(None, Wanted::by_content(mug("b", &[("B1", 1)])));
    let bad = shop.revise(None, Wanted::by_content(mug("c", &[("A1", 1)])));
    let outcomes = shop.try_save(vec![good.clone(), bad.clone()], true).await;
    assert_eq!(outcomes[0], SaveOutcome::Written);
    assert!(refused(&outcomes[1], &SaveRefusal::SkuTaken { position: 0 }));
    assert_eq!(shop.store.find(ProductKey::parse("b")).await.unwrap(), None);
    shop.try_save(vec![good, bad], false).await;
    assert!(shop.store.find(ProductKey::parse("b")).await.unwrap().is_some());
    assert!(shop.store.generation() > generation);
    shop.check().await;
}

pub async fn variants_may_swap_skus(shop: Shop) {
    let stocked = shop.save(mug("a", &[("A1", 1), ("A2", 2)])).await;
    let mut wanted = Wanted::same(&stocked.0);
    wanted.input.variants[0].sku = Some("A2".to_owned());
    wanted.input.variants[1].sku = Some("A1".to_owned());
    let revision = shop.revise(Some(&stocked), wanted);
    assert_eq!(shop.try_save(vec![revision], true).await, [SaveOutcome::Written]);
    let (after, levels) = shop.product("a").await;
    assert_eq!(after.variants[0].sku.as_deref(), Some("A2"));
    assert_eq!((after.variants[0].id, levels[0].on_hand), (stocked.0.variants[0].id, 1));
}

pub async fn retired_variants_keep_their_ledger(shop: Shop) {
    let (product, _) = shop.save(mug("a", &[("A1", 4), ("A2", 2)])).await;
    let gone = product.variants[0].id;
    let hold = shop.reserve(&[(gone, 1)]).await;
    shop.save(mug("a", &[("A2", 2)])).await;
    assert_eq!(shop.store.find_level(gone).await.unwrap(), None);
    assert!(shop.try_reserve(shop.request(&[(gone, 1)])).await.is_err());
    shop.commit(hold, &[(gone, 1)]).await;
    assert_eq!(shop.store.list_movements(gone, None, 9).await.unwrap()[0].on_hand, 3);
    // Its SKU is free for another one.
    shop.save(mug("b", &[("A1", 1)])).await;
    shop.check().await;
}

pub async fn counts_and_adjustments_are_in_the_ledger(shop: Shop) {
    let id = shop.stocked("a", 5).await;
    for adjustment in [Adjustment::Delta(3), Adjustment::Count(2), Adjustment::Count(2), Adjustment::Delta(0)] {
        let adjust = AdjustStock { variant_id: id, adjustment, reason: "inventory".to_owned() };
        shop.store.adjust(adjust, None, shop.stamp()).await.unwrap();
    }
    let movements = shop.store.list_movements(id, None, 10).await.unwrap();
    let seen: Vec<_> = movements.iter().map(|m| (m.number, m.delta, m.on_hand, m.kind)).collect();
    let expected =
        [(3, -6, 2, MovementKind::Count), (2, 3, 8, MovementKind::Adjustment), (1, 5, 5, MovementKind::Count)];
    assert_eq!(seen, expected);
    assert_eq!((movements[0].reason.as_str(), movements[0].actor.as_str()), ("inventory", "acc_test"));
    assert_eq!(shop.store.list_movements(id, Some(3), 1).await.unwrap()[0].number, 2);
    let unknown =
        AdjustStock { variant_id: shop.env.new_id(), adjustment: Adjustment::Delta(1), reason: String::new() };
    assert!(matches!(shop.store.adjust(unknown, None, shop.stamp()).await, Err(AdjustError::NotFound)));
    shop.check().await;
}

pub async fn counts_stop_at_promises(shop: Shop) {
    let id = shop.stocked("a", 5).await;
    shop.reserve(&[(id, 3)]).await;
    let adjust = |adjustment| AdjustStock { variant_id: id, adjustment, reason: String::new() };
    let refused = shop.store.adjust(adjust(Adjustment::Delta(-3)), None, shop.stamp()).await;
    assert!(matches!(refused, Err(AdjustError::Refused(StockRefusal::BelowReserved { reserved: 3 }))));
    let refused = shop.store.adjust(adjust(Adjustment::Count(-1)), None, shop.stamp()).await;
    assert!(matches!(refused, Err(AdjustError::Refused(StockRefusal::BelowZero))));
    let current = shop.product("a").await;
    let revision = shop.revise(Some(&current), Wanted::by_content(mug("a", &[("a", 2)])));
    let outcomes = shop.try_save(vec![revision], true).await;
    let refusal = StockRefusal::BelowReserved { reserved: 3 };
    assert!(super::refused(&outcomes[0], &SaveRefusal::Count { position: 0, refusal }), "{outcomes:?}");
    shop.store.adjust(adjust(Adjustment::Count(3)), None, shop.stamp()).await.unwrap();
    assert_eq!(shop.level(id).await, (3, 3));
    shop.check().await;
}

pub async fn categories_form_a_tree(shop: Shop) {
    let category = |handle: &str, parent: Option<&str>, position| Category {
        handle: handle.to_owned(),
        name: LocalizedText::one(Locale::En, handle),
        parent: parent.map(str::to_owned),
        position,
        version: 1,
        created_at: shop.env.now(),
        updated_at: shop.env.now(),
    };
    let create = |category| shop.store.create_category(category, None);
    create(category("audio", None, 2)).await.unwrap();
    create(category("earbuds", Some("audio"), 1)).await.unwrap();
    assert!(matches!(create(category("audio", None, 0)).await, Err(CategoryError::Taken)));
    assert!(matches!(create(category("x", Some("nowhere"), 0)).await, Err(CategoryError::BadParent)));
    let listed = shop.store.list_categories(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|c| c.handle.as_str()).collect::<Vec<_>>(), ["earbuds", "audio"]);
    assert_eq!(shop.store.list_categories(Some((1, "earbuds".to_owned())), 10).await.unwrap(), listed[1..]);

    let update = |parent, version| {
        shop.store.update_category(Category { version: version + 1, ..category("audio", parent, 0) }, version)
    };
    assert!(matches!(update(Some("earbuds"), 1).await, Err(CategoryError::BadParent)));
    assert!(matches!(update(None, 7).await, Err(CategoryError::Stale(1))));
    update(None, 1).await.unwrap();
    let delete = |handle: &str| shop.store.delete_category(handle.to_owned(), None);
    assert!(matches!(delete("audio").await, Err(CategoryError::InUse)));
    let mut shelved = mug("a", &[]);
    shelved.category = Some("earbuds".to_owned());
    shop.save(shelved).await;
    assert!(matches!(delete("earbuds").await, Err(CategoryError::InUse)));
    shop.save(mug("a", &[])).await;
    delete("earbuds").await.unwrap();
    delete("audio").await.unwrap();
    assert!(matches!(delete("audio").await, Err(CategoryError::NotFound)));
}
