//! What providers tell by themselves: late, twice, out of order, or forged.

use axum::body::Body;
use chassis::transport::Transport as _;
use http::{Request, StatusCode};
use payment_service::payment::PaymentState;
use sandbox_provider::signature::sign;
use secrecy::ExposeSecret as _;

use crate::world::{World, ask, payment_config, sandbox_config, secret};

const PATH: &str = "/v1/payment-providers/sandbox/webhooks";

/// Sends `body` as the provider would, signed with `key` at `timestamp`.
async fn tell(world: &World, key: &str, timestamp: i64, id: &str, body: &str) -> (StatusCode, serde_json::Value) {
    let request = Request::post(PATH)
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", sign(key, id, timestamp, body.as_bytes()))
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = world.shop.send(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn key() -> String {
    sandbox_config().webhook_secret.expose_secret().to_owned()
}

#[tokio::test]
async fn a_pending_payment_is_decided_by_webhook() {
    let mut config = payment_config();
    config.inquiry_pause_ms = 60_000;
    config.inquiry_pause_max_ms = 60_000;
    let world = World::start_with(config, sandbox_config()).await;
    let (yes, no) = (world.place("tok_pending").await, world.place("tok_pending_decline").await);
    world.until(&yes, |payment| payment.state == PaymentState::Processing).await;
    world.hear(&yes, "payment.authorized").await;
    world.hear(&no, "payment.declined").await;
    world.stop().await;
}

#[tokio::test]
async fn a_pending_payment_is_decided_by_query_if_no_webhook_comes() {
    let mut sandbox = sandbox_config();
    sandbox.webhook_secret = secret("another secret than ours");
    let world = World::start_with(payment_config(), sandbox).await;
    let order = world.place("tok_pending").await;
    world.hear(&order, "payment.authorized").await;
    world.stop().await;
}

#[tokio::test]
async fn webhooks_that_come_twice_late_or_out_of_order_change_nothing() {
    let world = World::start().await;
    let mut orders = Vec::new();
    for token in ["tok_webhook_twice", "tok_webhook_late", "tok_webhook_out_of_order", "tok_no_webhook"] {
        orders.push(world.place(token).await);
    }
    for order in &orders {
        world.hear(order, "payment.authorized").await;
        world.confirm(order).await;
    }
    for order in &orders {
        world.hear(order, "payment.captured").await;
    }
    let delivered = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(10));
        while world.provider_get("/control/totals").await["webhooks_waiting"] != 0 {
            interval.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), delivered).await.expect("webhooks are taken");
    for order in &orders {
        assert_eq!(world.said(order), ["payment.authorized", "payment.captured"]);
        assert_eq!(world.payment(order).await.unwrap().state, PaymentState::Succeeded);
    }
    world.stop().await;
}

#[tokio::test]
async fn only_fresh_webhooks_with_the_right_signature_are_believed() {
    let world = World::start().await;
    let order = world.place("tok_no_webhook").await;
    world.hear(&order, "payment.authorized").await;
    let mut authorization = world.at_provider(&order).await.remove(0);
    authorization["status"] = "voided".into();
    let body = serde_json::json!({"id": "evt_1", "type": "authorization.voided", "data": authorization}).to_string();
    let now = world.env.now().as_second();

    let (forged, problem) = tell(&world, "whsec_Zm9yZ2Vk", now, "evt_1", &body).await;
    assert_eq!(
        (forged, problem["type"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("urn:jangteo:problem:webhook_signature"))
    );
    let (unsigned, _) = ask(&world.shop, Request::post(PATH), &world.staff, Body::from(body.clone())).await;
    assert_eq!(unsigned, StatusCode::UNAUTHORIZED);
    for stale in [now - 301, now + 301] {
        assert_eq!(tell(&world, &key(), stale, "evt_1", &body).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.payment(&order).await.unwrap().state, PaymentState::RequiresCapture);

    let (taken, answer) = tell(&world, &key(), now, "evt_1", &body).await;
    assert_eq!((taken, answer["taken"].as_str()), (StatusCode::OK, Some("applied")));
    let (again, answer) = tell(&world, &key(), now, "evt_1", &body).await;
    assert_eq!((again, answer["taken"].as_str()), (StatusCode::OK, Some("duplicate")));
    assert_eq!(world.payment(&order).await.unwrap().state, PaymentState::Canceled);
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_is_kept_and_answered_with_200() {
    let world = World::start().await;
    let now = world.env.now().as_second();
    let (unknown, answer) = tell(&world, &key(), now, "evt_2", r#"{"type": "payout.created", "data": {}}"#).await;
    assert_eq!((unknown, answer["taken"].as_str()), (StatusCode::OK, Some("unmatched")));
    assert_eq!(tell(&world, &key(), now, "evt_3", "not json").await.0, StatusCode::BAD_REQUEST);
    let elsewhere = Request::post("/v1/payment-providers/nobody/webhooks");
    assert_eq!(ask(&world.shop, elsewhere, &world.staff, Body::from("{}")).await.0, StatusCode::NOT_FOUND);
    world.stop().await;
}
