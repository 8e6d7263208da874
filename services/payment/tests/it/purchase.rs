//! What ordinary orders do to money.

use contracts::payment::PaymentEvent;
use payment_service::payment::PaymentState;

use crate::world::{AMOUNT, World};

#[tokio::test]
async fn a_confirmed_order_is_paid() {
    let world = World::start().await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    let PaymentEvent::Captured(captured) = world.hear(&order, "payment.captured").await else { panic!() };
    assert_eq!(captured.captured_total.amount_minor, AMOUNT);
    let [authorization] = &world.at_provider(&order).await[..] else { panic!("not one authorization") };
    assert_eq!(authorization["status"], "captured");
    assert_eq!(authorization["captured_minor"], AMOUNT);
    world.stop().await;
}

#[tokio::test]
async fn a_declined_card_is_said_so() {
    let world = World::start().await;
    for (token, reason) in [("tok_decline", "card_declined"), ("tok_fraud", "fraud")] {
        let order = world.place(token).await;
        let PaymentEvent::Declined(declined) = world.hear(&order, "payment.declined").await else { panic!() };
        assert_eq!(declined.reason, reason);
        world.cancel(&order).await;
        world.until(&order, |payment| payment.state == PaymentState::Declined).await;
    }
    let order = world.place("tok_nonsense").await;
    world.hear(&order, "payment.declined").await;
    world.stop().await;
}

#[tokio::test]
async fn an_event_that_comes_twice_opens_one_payment() {
    let world = World::start().await;
    let order = world.order();
    let id = world.env.new_id();
    for _ in 0..3 {
        world.placed(&order, "tok_approve", id).await;
    }
    // The same order under another event id, as after a replay.
    world.placed(&order, "tok_approve", world.env.new_id()).await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    assert_eq!(world.at_provider(&order).await.len(), 1);
    assert_eq!(world.said(&order), ["payment.authorized", "payment.captured"]);
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_ends_lets_the_money_go() {
    let world = World::start().await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.cancel(&order).await;
    world.hear(&order, "payment.voided").await;
    assert_eq!(world.at_provider(&order).await[0]["status"], "voided");
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_ends_after_it_was_paid_gives_the_money_back() {
    let world = World::start().await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    // The end may overtake the capture: whatever was taken by then goes back.
    world.confirm(&order).await;
    world.cancel(&order).await;
    let payment = world
        .until(&order, |payment| payment.state == PaymentState::Canceled || payment.refunded_minor == AMOUNT)
        .await;
    let authorization = &world.at_provider(&order).await[0];
    assert_eq!(authorization["refunded_minor"], authorization["captured_minor"]);
    assert_eq!(authorization["refunded_minor"], payment.refunded_minor);
    world.stop().await;
}

#[tokio::test]
async fn the_end_of_an_order_is_remembered_before_its_payment_exists() {
    let world = World::start().await;
    let order = world.order();
    world.cancel(&order).await;
    world.placed(&order, "tok_approve", world.env.new_id()).await;
    let next = world.place("tok_approve").await;
    world.hear(&next, "payment.authorized").await;
    assert_eq!(world.payment(&order).await, None);
    world.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_not_there_declines() {
    let world = World::start().await;
    let order = world.order();
    let placed = contracts::order::OrderPlaced {
        order: order.clone(),
        payment_method: contracts::order::PaymentMethod { provider: "stripe".to_owned(), token: "x".to_owned() },
        pay_by: world.env.now(),
    };
    world.publish(world.env.new_id(), order.order_id, contracts::order::OrderEvent::Placed(placed)).await;
    let PaymentEvent::Declined(declined) = world.hear(&order, "payment.declined").await else { panic!() };
    assert_eq!(declined.reason, "unknown_provider");
    world.stop().await;
}

#[tokio::test]
async fn many_orders_at_once_are_each_paid_once() {
    let world = World::start().await;
    let mut orders = Vec::new();
    for _ in 0..60 {
        orders.push(world.place("tok_approve").await);
    }
    for order in &orders {
        world.hear(order, "payment.authorized").await;
        world.confirm(order).await;
    }
    for order in &orders {
        world.hear(order, "payment.captured").await;
    }
    let totals = world.provider_get("/control/totals").await;
    assert_eq!(totals["authorizations"], 60);
    assert_eq!(totals["captured_minor"], 60 * AMOUNT);
    world.stop().await;
}
