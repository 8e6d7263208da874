//! What providers do on their own: they change their mind, and move money from their own console.

use contracts::{order::OrderSnapshot, payment::PaymentEvent};
use http::StatusCode;
use payment_service::payment::PaymentState;
use serde_json::json;

use crate::world::{AMOUNT, World};

async fn webhooks_are_taken(world: &World) {
    let taken = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(5));
        while world.provider_get("/control/totals").await["webhooks_waiting"] != 0 {
            interval.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), taken).await.expect("webhooks are taken");
}

/// Toss was seen to say DONE and, 46 ms later, ABORTED.
#[tokio::test]
async fn done_then_aborted_is_what_a_query_makes_of_it() {
    let world = World::start().await;
    let (lie, truth) = (world.place("tok_webhook_false_abort").await, world.place("tok_abort").await);
    world.hear(&lie, "payment.authorized").await;
    world.hear(&truth, "payment.voided").await;
    assert_eq!(world.said(&truth), ["payment.authorized", "payment.voided"]);
    assert_eq!(world.payment(&truth).await.unwrap().state, PaymentState::Canceled);
    webhooks_are_taken(&world).await;
    world.confirm(&lie).await;
    world.hear(&lie, "payment.captured").await;
    assert_eq!(world.said(&lie), ["payment.authorized", "payment.captured"]);
    world.stop().await;
}

#[tokio::test]
async fn an_authorization_that_is_aborted_while_it_is_captured_takes_nothing() {
    let world = World::start().await;
    world.order_faults(&[("capture", "unavailable", 2)]).await;
    let order = world.place("tok_abort").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    let payment =
        world.until(&order, |payment| matches!(payment.state, PaymentState::Canceled | PaymentState::Succeeded)).await;
    let [authorization] = &world.at_provider(&order).await[..] else { panic!("not one authorization") };
    assert_eq!(authorization["captured_minor"], payment.captured_minor);
    world.stop().await;
}

async fn captured(world: &World) -> (OrderSnapshot, String) {
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    let id = world.at_provider(&order).await[0]["id"].as_str().unwrap().to_owned();
    (order, id)
}

#[tokio::test]
async fn a_refund_from_the_console_is_in_the_books_and_leaves_less_for_ours() {
    let world = World::start().await;
    let (order, id) = captured(&world).await;
    let refund = json!({"amount_minor": 30_000, "reference": "console"});
    assert_eq!(world.provider_post(&format!("/v1/authorizations/{id}/refunds"), &refund).await.0, StatusCode::OK);
    let PaymentEvent::Refunded(refunded) = world.hear(&order, "payment.refunded").await else { panic!() };
    assert_eq!((refunded.refund_id, refunded.amount.amount_minor), (None, 30_000));
    world.refund(&order, AMOUNT - 30_000 + 1).await;
    let PaymentEvent::RefundFailed(failed) = world.hear(&order, "payment.refund_failed").await else { panic!() };
    assert_eq!(failed.reason, "exceeds_captured");
    world.refund(&order, AMOUNT - 30_000).await;
    world.until(&order, |payment| payment.refunded_minor == AMOUNT).await;
    world.stop().await;
}

#[tokio::test]
async fn a_capture_from_the_console_leaves_less_to_capture() {
    let world = World::start().await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    let id = world.at_provider(&order).await[0]["id"].as_str().unwrap().to_owned();
    let capture = json!({"amount_minor": 2_000, "reference": "console"});
    assert_eq!(world.provider_post(&format!("/v1/authorizations/{id}/captures"), &capture).await.0, StatusCode::OK);
    world.confirm(&order).await;
    world.until(&order, |payment| payment.state == PaymentState::Succeeded).await;
    let [authorization] = &world.at_provider(&order).await[..] else { panic!("not one authorization") };
    assert_eq!(authorization["captured_minor"], AMOUNT);
    world.stop().await;
}
