//! Money that staff takes in parts, and money that the provider does not hand over.

use contracts::payment::PaymentEvent;
use futures::future::join_all;
use http::StatusCode;
use payment_service::{
    Config,
    payment::{CaptureMethod, PaymentState},
};
use serde_json::json;

use crate::world::{AMOUNT, World, ask, payment_config, sandbox_config};

fn manual() -> Config {
    Config { capture: CaptureMethod::Manual, ..payment_config() }
}

fn won(amount: i64) -> serde_json::Value {
    json!({"amount": {"amount_minor": amount, "currency": "KRW"}})
}

#[tokio::test]
async fn staff_takes_parts_and_lets_the_rest_go() {
    let world = World::start_with(manual(), sandbox_config()).await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    let id = world.payment(&order).await.unwrap().id;
    let (captures, void) = (format!("/v1/payments/{id}/captures"), format!("/v1/payments/{id}/void"));

    // A refund that comes before the money waits for it.
    world.refund(&order, 10_000).await;
    let first = world.instruct(&captures, "key-1", &won(12_000)).await;
    assert_eq!((first.0, first.1["captures"][0]["state"].as_str()), (StatusCode::CREATED, Some("requested")));
    let again = world.instruct(&captures, "key-1", &won(12_000)).await;
    assert_eq!(again, first);
    assert_eq!(world.instruct(&captures, "key-1", &won(1)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    world.hear(&order, "payment.refunded").await;

    let (status, problem) = world.instruct(&captures, "key-2", &won(AMOUNT)).await;
    assert_eq!((status, problem["left_minor"].as_i64()), (StatusCode::UNPROCESSABLE_ENTITY, Some(AMOUNT - 12_000)));
    for bad in [won(0), won(-1), json!({"amount": {"amount_minor": 1, "currency": "USD"}}), json!({"x": 1})] {
        assert_eq!(world.instruct(&captures, "key-3", &bad).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
    world.instruct(&captures, "key-4", &won(8_000)).await;
    world.until(&order, |payment| payment.captured_minor == 20_000).await;
    assert_eq!(world.instruct(&void, "key-5", &json!({})).await.0, StatusCode::ACCEPTED);
    world.until(&order, |payment| payment.state == PaymentState::Closed).await;
    let (status, problem) = world.instruct(&void, "key-6", &json!({})).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::CONFLICT, Some("urn:jangteo:problem:payment_not_held"))
    );
    let [authorization] = &world.at_provider(&order).await[..] else { panic!("not one authorization") };
    assert_eq!((&authorization["status"], &authorization["captured_minor"]), (&json!("captured"), &json!(20_000)));
    world.stop().await;
}

#[tokio::test]
async fn captures_at_once_never_exceed_what_was_authorized() {
    let world = World::start_with(manual(), sandbox_config()).await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    let id = world.payment(&order).await.unwrap().id;
    let path = format!("/v1/payments/{id}/captures");
    let part = won(AMOUNT / 3);
    let asked = (0..8).map(|number| {
        let (world, path, part) = (&world, &path, &part);
        async move { world.instruct(path, &format!("key-{number}"), part).await.0 }
    });
    let answers = join_all(asked).await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::CREATED).count(), 3, "{answers:?}");
    world.until(&order, |payment| payment.state == PaymentState::Succeeded).await;
    let [authorization] = &world.at_provider(&order).await[..] else { panic!("not one authorization") };
    assert_eq!(authorization["captures"].as_array().unwrap().len(), 3);
    world.stop().await;
}

#[tokio::test]
async fn instructions_need_permission_key_and_payment() {
    let world = World::start_with(manual(), sandbox_config()).await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    let id = world.payment(&order).await.unwrap().id;
    for what in ["captures", "void"] {
        let path = format!("/v1/payments/{id}/{what}");
        let request = || http::Request::post(&path);
        let as_stranger = ask(&world.shop, request(), &world.stranger, axum::body::Body::empty()).await;
        assert_eq!(as_stranger.0, StatusCode::FORBIDDEN, "{what}");
        let (status, problem) = ask(&world.shop, request(), &world.staff, axum::body::Body::empty()).await;
        let kind = problem["type"].as_str();
        assert_eq!((status, kind), (StatusCode::BAD_REQUEST, Some("urn:jangteo:problem:idempotency_key_required")));
        let unknown = format!("/v1/payments/pay_{}/{what}", "0".repeat(32));
        assert_eq!(world.instruct(&unknown, "key-1", &json!({})).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(world.payment(&order).await.unwrap().operations.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_capture_that_the_provider_refuses_is_said_once_and_holds_no_money() {
    let world = World::start().await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.order_faults(&[("capture", "refuse", 1)]).await;
    world.confirm(&order).await;
    let PaymentEvent::CaptureFailed(failed) = world.hear(&order, "payment.capture_failed").await else { panic!() };
    assert_eq!((failed.reason.as_str(), failed.amount.amount_minor), ("refused", AMOUNT));
    world.hear(&order, "payment.voided").await;
    assert_eq!(world.at_provider(&order).await[0]["status"], "voided");
    assert_eq!(world.said(&order), ["payment.authorized", "payment.capture_failed", "payment.voided"]);
    world.stop().await;
}
