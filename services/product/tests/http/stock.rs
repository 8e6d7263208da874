//! Stock, and what orders do to it.

use contracts::order::{
    CancellationId, OrderConfirmed, OrderEnded, OrderEvent, OrderLinesCancelled, OrderReturn, RestockLine, ReturnId,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Shop, variant_id};

#[tokio::test]
async fn stock_is_adjusted_once_per_key_and_leaves_a_trail() {
    let shop = Shop::open().await;
    let id = variant_id(&shop.create("a", 5).await);
    let path = format!("/v1/variants/{id}/stock-adjustments");
    let broken = json!({"delta": -2, "reason": "broken"});
    let first = shop.staff("POST", &path, &[("idempotency-key", "k")], &broken).await;
    assert_eq!((first.status, &first.body["on_hand"]), (StatusCode::CREATED, &json!(3)));
    let again = shop.staff("POST", &path, &[("idempotency-key", "k")], &broken).await;
    assert!(again.replayed && again.body == first.body);
    let other = json!({"delta": -1, "reason": "broken"});
    let reused = shop.staff("POST", &path, &[("idempotency-key", "k")], &other).await;
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);

    shop.reserve(&id, 2).await.unwrap();
    let short = shop.staff("POST", &path, &[], &json!({"count": 1, "reason": "x"})).await;
    assert_eq!(short.status, StatusCode::CONFLICT, "{}", short.body);
    for bad in
        [json!({"reason": "x"}), json!({"delta": 1, "count": 1, "reason": "x"}), json!({"delta": 1.5, "reason": "x"})]
    {
        assert_eq!(shop.staff("POST", &path, &[], &bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let level = shop.staff_get(&format!("/v1/variants/{id}/stock")).await;
    assert_eq!(
        (&level.body["on_hand"], &level.body["reserved"], &level.body["available"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let movements = shop.staff_get(&format!("/v1/variants/{id}/stock-movements?limit=1")).await;
    assert_eq!(movements.body["items"][0]["reason"], "broken");
    let cursor = movements.body["next_cursor"].as_str().unwrap();
    let rest = shop.staff_get(&format!("/v1/variants/{id}/stock-movements?limit=1&cursor={cursor}")).await;
    assert_eq!((&rest.body["items"][0]["delta"], rest.body.get("next_cursor")), (&json!(5), None));
}

#[tokio::test]
async fn orders_move_stock() {
    let shop = Shop::open().await;
    let id = variant_id(&shop.create("a", 5).await);
    let path = format!("/v1/variants/{id}/stock");
    let level = |on_hand: i64, reserved: i64| {
        move |body: &Value| body["on_hand"] == json!(on_hand) && body["reserved"] == json!(reserved)
    };
    let bought = shop.reserve(&id, 2).await.unwrap();
    let dropped = shop.reserve(&id, 1).await.unwrap();
    shop.eventually(&path, level(5, 3)).await;
    shop.order(&bought, |order| OrderEvent::Confirmed(OrderConfirmed { order, reminder: 0 })).await;
    shop.eventually(&path, level(3, 1)).await;
    shop.order(&dropped, |order| {
        OrderEvent::Rejected(OrderEnded { order, reason: "card_declined".to_owned(), restock: false })
    })
    .await;
    shop.eventually(&path, level(3, 0)).await;
    shop.order(&bought, |order| {
        OrderEvent::Cancelled(OrderEnded { order, reason: "changed mind".to_owned(), restock: true })
    })
    .await;
    shop.eventually(&path, level(5, 0)).await;
    assert!(shop.running.store.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn units_of_an_order_come_back_for_whatever_reason_and_never_more_than_it_took() {
    let shop = Shop::open().await;
    let id = variant_id(&shop.create("a", 5).await);
    let path = format!("/v1/variants/{id}/stock");
    let on_hand = |on_hand: i64| move |body: &Value| body["on_hand"] == json!(on_hand);
    let bought = shop.reserve(&id, 4).await.unwrap();
    shop.order(&bought, |order| OrderEvent::Confirmed(OrderConfirmed { order, reminder: 0 })).await;
    shop.eventually(&path, on_hand(1)).await;
    let variant_id = id.parse().unwrap();
    let units = move |quantity| vec![RestockLine { variant_id, quantity }];
    let cancelled = |number: u128, quantity| {
        move |order| {
            let cancellation_id = CancellationId::from_uuid(uuid::Uuid::from_u128(number));
            let (lines, restock) = (Vec::new(), units(quantity));
            let reason = String::new();
            OrderEvent::LinesCancelled(OrderLinesCancelled { order, cancellation_id, reason, lines, restock })
        }
    };
    let received = |receipt: u32, quantity| {
        move |order| {
            let return_id = ReturnId::from_uuid(uuid::Uuid::from_u128(7));
            let (lines, restock, reason) = (Vec::new(), units(quantity), String::new());
            OrderEvent::ReturnReceived(OrderReturn { order, return_id, reason, lines, restock, receipt })
        }
    };
    shop.order(&bought, cancelled(1, 1)).await;
    shop.order(&bought, cancelled(1, 1)).await;
    shop.order(&bought, received(1, 1)).await;
    shop.order(&bought, received(1, 1)).await;
    shop.order(&bought, received(2, 1)).await;
    shop.eventually(&path, on_hand(4)).await;
    // The last unit, however often it is said.
    shop.order(&bought, cancelled(2, 2)).await;
    shop.order(&bought, received(3, 3)).await;
    shop.order(&bought, |order| OrderEvent::Cancelled(OrderEnded { order, reason: String::new(), restock: true }))
        .await;
    let last = shop.reserve(&id, 1).await.unwrap();
    shop.order(&last, |order| OrderEvent::Confirmed(OrderConfirmed { order, reminder: 0 })).await;
    shop.eventually(&path, on_hand(4)).await;
    let movements = shop.staff_get(&format!("/v1/variants/{id}/stock-movements")).await;
    let kinds: Vec<_> = movements.body["items"].as_array().unwrap().iter().map(|m| m["kind"].clone()).collect();
    assert_eq!(kinds, ["sale", "cancellation", "return", "return", "cancellation", "sale", "count"]);
    assert!(shop.running.store.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_adjustment_is_refused_the_same_again() {
    let shop = Shop::open().await;
    let id = variant_id(&shop.create("a", 5).await);
    let path = format!("/v1/variants/{id}/stock-adjustments");
    let hold = shop.reserve(&id, 4).await.unwrap();
    let wanted = json!({"count": 1, "reason": "counted"});
    let key = [("idempotency-key", "count-1")];
    let first = shop.staff("POST", &path, &key, &wanted).await;
    assert_eq!((first.status, first.replayed), (StatusCode::CONFLICT, false), "{}", first.body);
    shop.order(&hold, |order| OrderEvent::Rejected(OrderEnded { order, reason: String::new(), restock: false })).await;
    shop.eventually(&format!("/v1/variants/{id}/stock"), |body| body["reserved"] == json!(0)).await;
    let again = shop.staff("POST", &path, &key, &wanted).await;
    assert_eq!((again.status, again.replayed, &again.body), (StatusCode::CONFLICT, true, &first.body));
    let anew = shop.staff("POST", &path, &[("idempotency-key", "count-2")], &wanted).await;
    assert_eq!((anew.status, &anew.body["on_hand"]), (StatusCode::CREATED, &json!(1)));
    let missing =
        format!("/v1/variants/{}/stock-adjustments", contracts::product::VariantId::from_uuid(uuid::Uuid::nil()));
    for replayed in [false, true] {
        let answer = shop.staff("POST", &missing, &key, &wanted).await;
        assert_eq!((answer.status, answer.replayed), (StatusCode::NOT_FOUND, replayed));
    }
}
