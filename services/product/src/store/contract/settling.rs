//! What becomes of holds.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use super::{Shop, mug};
use crate::{
    product::VariantInput,
    revision::Wanted,
    stock::{Adjustment, MovementKind},
    store::{AdjustStock, CommitStock},
};

pub async fn confirmed_orders_take_what_they_held(shop: Shop) {
    let id = shop.stocked("a", 5).await;
    let hold = shop.reserve(&[(id, 2)]).await;
    let commit = shop.commit(hold, &[(id, 2)]).await;
    assert_eq!(shop.level(id).await, (3, 0));
    shop.store.commit(commit.clone(), shop.stamp()).await.unwrap();
    assert_eq!(shop.level(id).await, (3, 0), "the event came twice");
    let sale = shop.store.list_movements(id, None, 1).await.unwrap().remove(0);
    assert_eq!((sale.kind, sale.delta, sale.on_hand), (MovementKind::Sale, -2, 3));
    assert_eq!(shop.lapse().await, 0);
    shop.check().await;
}

pub async fn a_lapsed_hold_takes_stock_anew(shop: Shop) {
    let id = shop.stocked("a", 2).await;
    let hold = shop.reserve(&[(id, 2)]).await;
    assert_eq!(shop.lapse().await, 1);
    assert_eq!(shop.level(id).await, (2, 0));
    shop.commit(hold, &[(id, 2)]).await;
    assert_eq!(shop.level(id).await, (0, 0));
    shop.check().await;
}

pub async fn a_lapsed_hold_that_is_sold_fails(shop: Shop) {
    let (product, _) = shop.save(mug("a", &[("A1", 5), ("A2", 2)])).await;
    let (plenty, scarce) = (product.variants[0].id, product.variants[1].id);
    let lines = [(plenty, 1), (scarce, 2)];
    let hold = shop.reserve(&lines).await;
    shop.lapse().await;
    shop.reserve(&[(scarce, 1)]).await;
    let commit = shop.commit(hold, &lines).await;
    assert_eq!((shop.level(plenty).await, shop.level(scarce).await), ((5, 0), (2, 1)), "nothing was taken");
    // Whatever comes later, the order got nothing and gives nothing back.
    shop.lapse().await;
    shop.store.commit(commit.clone(), shop.stamp()).await.unwrap();
    shop.end(&commit, true).await;
    assert_eq!((shop.level(plenty).await, shop.level(scarce).await), ((5, 0), (2, 0)));
    shop.check().await;
}

pub async fn an_unknown_hold_takes_stock(shop: Shop) {
    let id = shop.stocked("a", 3).await;
    let commit = shop.commit(shop.env.new_id(), &[(id, 1), (id, 1)]).await;
    assert_eq!(shop.level(id).await, (1, 0));
    shop.store.commit(commit, shop.stamp()).await.unwrap();
    assert_eq!(shop.level(id).await, (1, 0));
    shop.check().await;
}

pub async fn ended_orders_give_back_once(shop: Shop) {
    let id = shop.stocked("a", 5).await;
    let hold = shop.reserve(&[(id, 2)]).await;
    let commit = shop.commit(hold, &[(id, 2)]).await;
    for _ in 0..2 {
        shop.end(&commit, true).await;
        assert_eq!(shop.level(id).await, (5, 0));
    }
    shop.store.commit(commit, shop.stamp()).await.unwrap();
    assert_eq!(shop.level(id).await, (5, 0), "the confirmation came again, after the cancellation");
    let movement = shop.store.list_movements(id, None, 1).await.unwrap().remove(0);
    assert_eq!((movement.kind, movement.delta), (MovementKind::Cancellation, 2));
    // An order that was never confirmed held, but took nothing.
    let hold = shop.reserve(&[(id, 4)]).await;
    let rejected = crate::store::CommitStock { reservation_id: hold, order_id: shop.env.new_id(), lines: vec![] };
    shop.end(&rejected, false).await;
    assert_eq!(shop.level(id).await, (5, 0));
    shop.check().await;
}

pub async fn units_come_back_once_per_cause(shop: Shop) {
    let id = shop.stocked("a", 5).await;
    let hold = shop.reserve(&[(id, 3)]).await;
    let commit = shop.commit(hold, &[(id, 3)]).await;
    let refund = shop.restock(commit.order_id, "refund ref_1", MovementKind::Return, &[(id, 1)]);
    for _ in 0..2 {
        shop.store.restock(refund.clone(), shop.stamp()).await.unwrap();
        assert_eq!(shop.level(id).await, (3, 0), "once per event");
    }
    let said_again = shop.restock(commit.order_id, "refund ref_1", MovementKind::Return, &[(id, 1)]);
    shop.store.restock(said_again, shop.stamp()).await.unwrap();
    assert_eq!(shop.level(id).await, (3, 0), "another event about the same refund");
    let returned = |number| format!("return rtn_1/{number}");
    let receipt = shop.restock(commit.order_id, &returned(1), MovementKind::Return, &[(id, 1), (id, 0)]);
    shop.store.restock(receipt, shop.stamp()).await.unwrap();
    assert_eq!(shop.level(id).await, (4, 0));
    assert_eq!(shop.store.list_movements(id, None, 1).await.unwrap()[0].kind, MovementKind::Return);
    shop.end(&commit, true).await;
    assert_eq!(shop.level(id).await, (5, 0), "the others are on the shelf already");
    assert_eq!(shop.store.list_movements(id, None, 1).await.unwrap()[0].kind, MovementKind::Cancellation);
    shop.check().await;
}

pub async fn no_order_gives_back_more_than_it_took(shop: Shop) {
    let (product, _) = shop.save(mug("a", &[("A1", 9), ("A2", 9)])).await;
    let (one, two) = (product.variants[0].id, product.variants[1].id);
    let hold = shop.reserve(&[(one, 2), (two, 1)]).await;
    let commit = shop.commit(hold, &[]).await;
    shop.end(&commit, true).await;
    assert_eq!((shop.level(one).await, shop.level(two).await), ((9, 0), (9, 0)));
    // A refund that was given up before the cancellation is handled again after it; goods are sent back all the same;
    // and some were never sold to this order at all.
    for (cause, lines) in [("refund ref_1", [(one, 2), (two, 1)]), ("return rtn_1/1", [(one, 1), (two, 5)])] {
        let restock = shop.restock(commit.order_id, cause, MovementKind::Return, &lines);
        shop.store.restock(restock, shop.stamp()).await.unwrap();
    }
    let stranger = shop.restock(shop.env.new_id(), "refund ref_2", MovementKind::Return, &[(one, 1)]);
    shop.store.restock(stranger, shop.stamp()).await.unwrap();
    assert_eq!((shop.level(one).await, shop.level(two).await), ((9, 0), (9, 0)));
    shop.check().await;
}

/// Whatever an order is told, in whichever order: the shelf ends up the same.
pub async fn the_order_of_events_does_not_matter(shop: Shop) {
    let id = shop.stocked("a", 10).await;
    for turn in 0..24 {
        let hold = shop.reserve(&[(id, 4)]).await;
        let order_id = shop.env.new_id();
        let commit = CommitStock { reservation_id: hold, order_id, lines: vec![] };
        // Every order of four steps: the digits of `turn` choose among those that are left.
        let (mut left, mut code) = (vec![0, 1, 2, 3], turn);
        for choices in [4, 3, 2, 1] {
            let step = left.remove(code % choices);
            code /= choices;
            let (cause, kind, quantity) = match step {
                0 => {
                    shop.store.commit(commit.clone(), shop.stamp()).await.unwrap();
                    continue;
                }
                1 => ("cancellation", MovementKind::Cancellation, 1),
                2 => ("return", MovementKind::Return, 1),
                _ => ("refund", MovementKind::Return, 1),
            };
            let restock = shop.restock(order_id, &format!("{cause} {turn}"), kind, &[(id, quantity)]);
            shop.store.restock(restock, shop.stamp()).await.unwrap();
        }
        assert_eq!(shop.level(id).await, (9, 0), "turn {turn}: 4 were sold and 3 came back");
        shop.end(&commit, true).await;
        assert_eq!(shop.level(id).await, (10, 0), "turn {turn}");
    }
    shop.check().await;
}

/// A hold lapses while its order is being confirmed, and somebody else wants the last unit: exactly one gets it.
pub async fn a_lapsed_hold_races_the_next_buyer(shop: Shop) {
    let shop = Arc::new(shop);
    for round in 0..20 {
        let id = shop.stocked(&format!("last-{round}"), 1).await;
        let hold = shop.reserve(&[(id, 1)]).await;
        shop.clock.advance(std::time::Duration::from_secs(601));
        let (expiring, committing, buying) = (Arc::clone(&shop), Arc::clone(&shop), Arc::clone(&shop));
        let expire = async move {
            expiring.store.expire(10, expiring.stamp()).await.unwrap();
            None
        };
        let commit = async move {
            committing.commit(hold, &[(id, 1)]).await;
            None
        };
        let buy = async move {
            let request = buying.request(&[(id, 1)]);
            Some(buying.try_reserve(request).await.is_ok())
        };
        let mut tasks = tokio::task::JoinSet::new();
        if round % 2 == 0 {
            tasks.spawn(expire);
            tasks.spawn(commit);
            tasks.spawn(buy);
        } else {
            tasks.spawn(buy);
            tasks.spawn(expire);
            tasks.spawn(commit);
        }
        let bought = tasks.join_all().await.into_iter().flatten().next().unwrap();
        let expected = if bought { (1, 1) } else { (0, 0) };
        assert_eq!(shop.level(id).await, expected, "round {round}: the buyer got it: {bought}");
    }
    shop.check().await;
}

pub async fn expiry_races_commit(shop: Shop) {
    let shop = Arc::new(shop);
    let id = shop.stocked("a", 1000).await;
    let mut sold = 0;
    for round in 0..20 {
        let hold = shop.reserve(&[(id, 3)]).await;
        shop.clock.advance(std::time::Duration::from_secs(601));
        let (expiring, committing) = (Arc::clone(&shop), Arc::clone(&shop));
        let mut tasks = tokio::task::JoinSet::new();
        let commit = async move {
            committing.commit(hold, &[(id, 3)]).await;
        };
        let expire = async move {
            expiring.store.expire(10, expiring.stamp()).await.unwrap();
        };
        if round % 2 == 0 {
            tasks.spawn(commit);
            tasks.spawn(expire);
        } else {
            tasks.spawn(expire);
            tasks.spawn(commit);
        }
        tasks.join_all().await;
        sold += 3;
        assert_eq!(shop.level(id).await, (1000 - sold, 0));
    }
    shop.check().await;
}

pub async fn backorder_can_be_ended_while_units_are_owed(shop: Shop) {
    let mut input = mug("a", &[("A1", 1)]);
    input.variants[0].allow_backorder = true;
    let stocked = shop.save(input).await;
    let id = stocked.0.variants[0].id;
    let hold = shop.reserve(&[(id, 4)]).await;
    let mut wanted = Wanted::same(&shop.product("a").await.0);
    wanted.input.variants[0] = VariantInput { allow_backorder: false, ..wanted.input.variants[0].clone() };
    let current = shop.product("a").await;
    let revision = shop.revise(Some(&current), wanted);
    shop.try_save(vec![revision], true).await;
    assert!(shop.try_reserve(shop.request(&[(id, 1)])).await.is_err());
    shop.check().await;
    // Goods arrive step by step; the owed units leave.
    let adjust = AdjustStock { variant_id: id, adjustment: Adjustment::Delta(2), reason: String::new() };
    shop.store.adjust(adjust, None, shop.stamp()).await.unwrap();
    assert_eq!(shop.level(id).await, (3, 4));
    shop.commit(hold, &[(id, 4)]).await;
    assert_eq!(shop.level(id).await, (-1, 0));
    shop.check().await;
}

pub async fn ended_holds_are_forgotten(shop: Shop) {
    let id = shop.stocked("a", 9).await;
    let lines = [(id, 1)];
    let (released, sold) = (shop.reserve(&lines).await, shop.reserve(&lines).await);
    shop.store.release(released, shop.stamp()).await.unwrap();
    let commit = shop.commit(sold, &lines).await;
    shop.reserve(&lines).await;
    shop.lapse().await;
    let live = shop.reserve(&lines).await;
    let now = shop.env.now();
    let long_ago = now - std::time::Duration::from_secs(3600);
    assert_eq!(shop.store.forget_ended(long_ago, 10).await.unwrap(), 0, "they have not ended long ago");
    let forget = || shop.store.forget_ended(now + std::time::Duration::from_secs(9999), 10);
    assert_eq!(forget().await.unwrap(), 2, "the one given back and the one that lapsed");
    assert_eq!(forget().await.unwrap(), 0);
    shop.end(&commit, true).await;
    assert_eq!(shop.level(id).await, (9, 1), "what was sold can still be called off");
    shop.commit(live, &lines).await;
    assert_eq!(shop.level(id).await, (8, 0));
    shop.check().await;
}
