//! What staff reads.

use axum::body::Body;
use http::{Request, StatusCode};

use crate::world::{AMOUNT, World, ask};

#[tokio::test]
async fn staff_sees_payments_with_their_attempts_and_books() {
    let world = World::start().await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    world.refund(&order, 2_000).await;
    world.hear(&order, "payment.refunded").await;

    let (status, page) = world.get(&format!("/v1/payments?order_id={}", order.order_id)).await;
    assert_eq!((status, page["items"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)));
    let id = page["items"][0]["id"].as_str().unwrap().to_owned();
    let (_, payment) = world.get(&format!("/v1/payments/{id}")).await;
    assert_eq!(payment["state"], "succeeded");
    assert_eq!(payment["captured"]["amount_minor"], AMOUNT);
    assert_eq!(payment["refunded"]["amount_minor"], 2_000);
    assert_eq!(payment["attempts"][0]["state"], "succeeded");
    assert_eq!(payment["refunds"][0]["reason"], "damaged");
    let ledger = payment["ledger"].as_array().unwrap();
    let sum: i64 = ledger.iter().map(|entry| entry["amount"]["amount_minor"].as_i64().unwrap()).sum();
    assert_eq!((ledger.len(), sum), (4, 0));
    world.stop().await;
}

#[tokio::test]
async fn pages_meet_and_bad_input_is_refused() {
    let world = World::start().await;
    for _ in 0..3 {
        let order = world.place("tok_approve").await;
        world.hear(&order, "payment.authorized").await;
    }
    let (_, first) = world.get("/v1/payments?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = world.get(&format!("/v1/payments?limit=2&cursor={cursor}")).await;
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (2, 1));
    assert!(second.get("next_cursor").is_none());

    for bad in ["limit=0", "limit=101", "cursor=x", "order_id=pay_1", "colour=red"] {
        assert_eq!(world.get(&format!("/v1/payments?{bad}")).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
    let unknown = format!("/v1/payments/pay_{}", "0".repeat(32));
    assert_eq!(world.get(&unknown).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/v1/payments/ord_1").await.0, StatusCode::BAD_REQUEST);
    let as_stranger = ask(&world.shop, Request::get("/v1/payments"), &world.stranger, Body::empty()).await;
    assert_eq!(as_stranger.0, StatusCode::FORBIDDEN);
    world.stop().await;
}
