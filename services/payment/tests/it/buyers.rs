//! Buyers who have to act: prove who pays, transfer money, or find another card.

use contracts::payment::{PaymentAction, PaymentEvent};
use http::StatusCode;
use payment_service::{Config, payment::PaymentState};
use serde_json::json;

use crate::world::{AMOUNT, World, payment_config, sandbox_config};

/// Inquiries come so late that they settle nothing here.
fn never_asking() -> Config {
    Config { inquiry_pause_ms: 60_000, inquiry_pause_max_ms: 60_000, ..payment_config() }
}

async fn sent_to(world: &World, order: &contracts::order::OrderSnapshot) -> String {
    match world.hear(order, "payment.action_required").await {
        PaymentEvent::ActionRequired(event) => match event.action {
            PaymentAction::Redirect { url } => url,
            other @ PaymentAction::Deposit { .. } => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn webhook_return_and_poll_each_settle_what_the_buyer_proved() {
    for way in ["webhook", "return", "poll"] {
        let mut sandbox = sandbox_config();
        if way != "webhook" {
            // Its webhooks are not believed.
            sandbox.webhook_secret = crate::world::secret("another secret than ours");
        }
        let config = if way == "poll" { payment_config() } else { never_asking() };
        let world = World::start_with(config, sandbox).await;
        let order = world.place("tok_3ds").await;
        let url = sent_to(&world, &order).await;
        assert_eq!(world.payment(&order).await.unwrap().state, PaymentState::RequiresAction);
        let back = world.choose(&url, "approve").await;
        let id = world.payment(&order).await.unwrap().id;
        assert!(back.starts_with(&format!("/v1/payments/{id}/return?authorization=auth_")), "{back}");
        if way == "return" {
            let (status, view) = world.get(&back).await;
            let expected = json!({"order_id": order.order_id, "payment_state": "requires_capture"});
            assert_eq!((status, view), (StatusCode::OK, expected));
        }
        world.hear(&order, "payment.authorized").await;
        world.confirm(&order).await;
        world.hear(&order, "payment.captured").await;
        assert_eq!(world.said(&order), ["payment.action_required", "payment.authorized", "payment.captured"], "{way}");
        world.stop().await;
    }
}

#[tokio::test]
async fn whoever_comes_back_without_having_proved_it_has_not_paid() {
    let mut config = payment_config();
    config.return_to = Some("https://shop.example/orders/{order_id}".to_owned());
    let world = World::start_with(config, sandbox_config()).await;
    let order = world.place("tok_3ds").await;
    sent_to(&world, &order).await;
    let id = world.payment(&order).await.unwrap().id;
    let path = format!("/v1/payments/{id}/return?authorization=auth_1&status=authorized");
    assert_eq!(world.get(&path).await.0, StatusCode::SEE_OTHER);
    assert_eq!(world.payment(&order).await.unwrap().state, PaymentState::RequiresAction);
    let unknown = format!("/v1/payments/pay_{}/return", "0".repeat(32));
    assert_eq!(world.get(&unknown).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/v1/payments/x/return").await.0, StatusCode::BAD_REQUEST);
    world.stop().await;
}

#[tokio::test]
async fn another_method_pays_after_two_that_did_not() {
    let world = World::start().await;
    let order = world.place("tok_insufficient_funds").await;
    let PaymentEvent::MethodRequired(wanted) = world.hear(&order, "payment.method_required").await else { panic!() };
    assert_eq!((wanted.reason.as_str(), wanted.attempts_left), ("insufficient_funds", 2));
    world.give_method(&order, "tok_3ds").await;
    let url = sent_to(&world, &order).await;
    world.choose(&url, "refuse").await;
    world.hear_times(&order, "payment.method_required", 2).await;
    world.give_method(&order, "tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;

    let id = world.payment(&order).await.unwrap().id;
    let (_, payment) = world.get(&format!("/v1/payments/{id}")).await;
    let attempts: Vec<_> = payment["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (attempt["state"].as_str().unwrap(), attempt["error_code"].as_str()))
        .collect();
    let expected =
        [("failed", Some("insufficient_funds")), ("failed", Some("authentication_failed")), ("succeeded", None)];
    assert_eq!(attempts, expected);
    assert_eq!(payment["attempts"][2]["reference"], format!("{id}-3"));
    let totals = world.provider_get("/control/totals").await;
    assert_eq!((&totals["authorizations"], &totals["held"]), (&json!(3), &json!(1)));
    assert_eq!(totals["captured_minor"], AMOUNT);
    world.stop().await;
}

#[tokio::test]
async fn no_method_left_is_a_refusal() {
    let config = Config { attempts_max: 2, ..payment_config() };
    let world = World::start_with(config, sandbox_config()).await;
    let order = world.place("tok_expired_card").await;
    world.hear(&order, "payment.method_required").await;
    world.give_method(&order, "tok_insufficient_funds").await;
    let PaymentEvent::Declined(declined) = world.hear(&order, "payment.declined").await else { panic!() };
    assert_eq!(declined.reason, "insufficient_funds");
    world.stop().await;
}

#[tokio::test]
async fn a_transfer_pays_and_one_that_is_taken_back_does_not() {
    let world = World::start().await;
    let order = world.place("tok_virtual_account").await;
    let PaymentEvent::ActionRequired(wanted) = world.hear(&order, "payment.action_required").await else { panic!() };
    assert!(matches!(wanted.action, PaymentAction::Deposit { .. }), "{wanted:?}");
    let id = world.payment(&order).await.unwrap().id;
    let (_, payment) = world.get(&format!("/v1/payments/{id}")).await;
    assert_eq!(
        (payment["state"].as_str(), payment["action"]["kind"].as_str()),
        (Some("awaiting_deposit"), Some("deposit"))
    );

    let (status, paid) = world.provider_post("/control/deposits", &json!({"reference": id})).await;
    assert_eq!((status, paid["status"].as_str()), (StatusCode::OK, Some("captured")));
    world.hear(&order, "payment.captured").await;
    world.confirm(&order).await;
    let reverse = format!("/control/deposits/{}/reverse", paid["id"].as_str().unwrap());
    assert_eq!(world.provider_post(&reverse, &json!({})).await.0, StatusCode::OK);
    let PaymentEvent::Reversed(reversed) = world.hear(&order, "payment.reversed").await else { panic!() };
    assert_eq!(reversed.captured_total.amount_minor, 0);
    let payment = world.until(&order, |payment| payment.state == PaymentState::AwaitingDeposit).await;
    let ledger = world.running.store.ledger(payment.id).await.unwrap();
    assert_eq!((ledger.len(), ledger.iter().map(|entry| entry.amount.amount_minor).sum::<i64>()), (4, 0));

    world.provider_post("/control/deposits", &json!({"reference": id})).await;
    world.hear_times(&order, "payment.captured", 2).await;
    let payment = world.until(&order, |payment| payment.state == PaymentState::Succeeded).await;
    assert_eq!(payment.captured_minor, AMOUNT);
    world.stop().await;
}

#[tokio::test]
async fn what_nobody_does_in_time_expires_and_a_transfer_after_it_goes_back() {
    let world = World::start().await;
    let (proof, transfer) = (world.place("tok_3ds").await, world.place("tok_virtual_account").await);
    for order in [&proof, &transfer] {
        world.hear(order, "payment.action_required").await;
    }
    world.expire(&proof).await;
    world.until(&proof, |payment| payment.operations.iter().all(|operation| !operation.in_flight())).await;
    assert_eq!(world.payment(&proof).await.unwrap().state, PaymentState::Expired);
    assert_eq!(world.at_provider(&proof).await[0]["status"], "voided");

    // The transfer comes before the provider hears that nobody waits for it.
    world.order_faults(&[("void", "unavailable", 1_000)]).await;
    world.expire(&transfer).await;
    let id = world.until(&transfer, |payment| payment.state == PaymentState::Expired).await.id;
    assert_eq!(world.provider_post("/control/deposits", &json!({"reference": id})).await.0, StatusCode::OK);
    world.order_faults(&[]).await;
    world.until(&transfer, |payment| payment.refunded_minor == AMOUNT).await;
    assert_eq!(world.at_provider(&transfer).await[0]["refunded_minor"], AMOUNT);
    world.stop().await;
}
