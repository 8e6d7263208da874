//! A provider that is slow, silent or broken.

use payment_service::{
    Config,
    payment::{OperationKind, OperationState, PaymentState},
};

use crate::world::{AMOUNT, World, payment_config, sandbox_config};

/// Calls are given up soon, so that silence costs a test little.
fn impatient() -> Config {
    Config { request_timeout_ms: 150, ..payment_config() }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let world = World::start().await;
    let order = world.place("tok_slow").await;
    world.hear(&order, "payment.authorized").await;
    let payment = world.payment(&order).await.unwrap();
    assert_eq!(payment.operations[0].inquiries, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_charge_without_an_answer_is_found_and_not_repeated() {
    let world = World::start_with(impatient(), sandbox_config()).await;
    let order = world.place("tok_timeout").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    assert_eq!(world.at_provider(&order).await.len(), 1);
    assert_eq!(world.said(&order), ["payment.authorized", "payment.captured"]);
    world.stop().await;
}

#[tokio::test]
async fn a_query_alone_settles_what_no_webhook_tells() {
    let mut silent = sandbox_config();
    silent.webhook_attempts_max = 0;
    let world = World::start_with(impatient(), silent).await;
    world.order_faults(&[("authorize", "hang", 1), ("capture", "hang", 1), ("refund", "hang", 1)]).await;
    let order = world.place("tok_no_webhook").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    world.refund(&order, 5_000).await;
    world.hear(&order, "payment.refunded").await;
    let [authorization] = &world.at_provider(&order).await[..] else { panic!("not one authorization") };
    assert_eq!((&authorization["captured_minor"], &authorization["refunded_minor"]), (&AMOUNT.into(), &5_000.into()));
    let payment = world.payment(&order).await.unwrap();
    assert!(payment.operations.iter().all(|operation| operation.sends == 1 && operation.inquiries > 0));
    world.stop().await;
}

#[tokio::test]
async fn a_request_that_was_lost_is_sent_again_and_charges_once() {
    let world = World::start_with(impatient(), sandbox_config()).await;
    world.order_faults(&[("authorize", "hang_before", 2), ("capture", "hang_before", 1)]).await;
    let order = world.place("tok_no_webhook").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    assert_eq!(world.at_provider(&order).await.len(), 1);
    assert_eq!(world.payment(&order).await.unwrap().operations[0].sends, 3);
    world.stop().await;
}

#[tokio::test]
async fn errors_and_outages_pass() {
    let world = World::start_with(impatient(), sandbox_config()).await;
    world
        .order_faults(&[("authorize", "unavailable", 2), ("authorize", "error_after", 1), ("query", "error", 2)])
        .await;
    let first = world.place("tok_no_webhook").await;
    let second = world.place("tok_error").await;
    for order in [&first, &second] {
        world.hear(order, "payment.authorized").await;
    }
    world.order_faults(&[]).await;
    for order in [&first, &second] {
        assert_eq!(world.at_provider(order).await.len(), 1);
    }
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_ends_while_nobody_knows_keeps_no_money() {
    let world = World::start_with(impatient(), sandbox_config()).await;
    world.order_faults(&[("authorize", "hang", 1), ("query", "unavailable", 6)]).await;
    let order = world.place("tok_no_webhook").await;
    world.until(&order, |payment| payment.state == PaymentState::Unknown).await;
    world.cancel(&order).await;
    world.hear(&order, "payment.voided").await;
    assert_eq!(world.at_provider(&order).await[0]["status"], "voided");
    assert_eq!(world.said(&order), ["payment.voided"]);
    world.stop().await;
}

#[tokio::test]
async fn an_authorization_that_never_arrived_is_given_up_after_a_while() {
    let config = Config { lost_after_ms: 300, ..impatient() };
    let world = World::start_with(config, sandbox_config()).await;
    world.order_faults(&[("authorize", "hang_before", 1)]).await;
    let order = world.place("tok_approve").await;
    world.until(&order, |payment| payment.state == PaymentState::Processing).await;
    world.cancel(&order).await;
    world.until(&order, |payment| payment.state == PaymentState::Canceled).await;
    assert!(world.at_provider(&order).await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_refused_void_leads_to_a_refund() {
    let world = World::start_with(impatient(), sandbox_config()).await;
    let order = world.place("tok_no_webhook").await;
    world.hear(&order, "payment.authorized").await;
    // The capture happens and is not answered; its order ends meanwhile.
    world.order_faults(&[("capture", "hang", 1), ("query", "unavailable", 6)]).await;
    world.confirm(&order).await;
    world
        .until(&order, |payment| {
            payment
                .operations
                .iter()
                .any(|operation| operation.kind == OperationKind::Capture && operation.state == OperationState::Unknown)
        })
        .await;
    world.cancel(&order).await;
    world.until(&order, |payment| payment.refunded_minor == AMOUNT).await;
    assert_eq!(world.said(&order), ["payment.authorized", "payment.captured", "payment.refunded"]);
    world.stop().await;
}
