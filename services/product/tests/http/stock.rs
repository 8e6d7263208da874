//! Stock, and what orders do to it.

use contracts::order::{OrderConfirmed, OrderEnded, OrderEvent};
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
    shop.order(&bought, |order| OrderEvent::Confirmed(OrderConfirmed { order })).await;
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
