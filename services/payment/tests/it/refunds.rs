//! Money that goes back: in parts, at once, never too much.

use contracts::payment::PaymentEvent;

use crate::world::{AMOUNT, World, payment_config, sandbox_config};

#[tokio::test]
async fn refunds_at_the_same_time_never_exceed_what_was_captured() {
    let world = World::start().await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    // Five of these are more than there is; four fit.
    let part = AMOUNT / 4;
    for _ in 0..5 {
        world.refund(&order, part).await;
    }
    let PaymentEvent::RefundFailed(failed) = world.hear(&order, "payment.refund_failed").await else { panic!() };
    assert_eq!(failed.reason, "exceeds_captured");
    world.until(&order, |payment| payment.refunded_minor == 4 * part).await;
    let [authorization] = &world.at_provider(&order).await[..] else { panic!("not one authorization") };
    assert_eq!(authorization["refunded_minor"], 4 * part);
    world.stop().await;
}

#[tokio::test]
async fn a_refund_that_the_provider_refuses_is_said_so_and_may_be_tried_again() {
    let mut config = payment_config();
    config.request_timeout_ms = 150;
    let world = World::start_with(config, sandbox_config()).await;
    let order = world.place("tok_approve").await;
    world.hear(&order, "payment.authorized").await;
    world.confirm(&order).await;
    world.hear(&order, "payment.captured").await;
    world.order_faults(&[("refund", "refuse", 1)]).await;
    let refused = world.refund(&order, AMOUNT).await;
    let PaymentEvent::RefundFailed(failed) = world.hear(&order, "payment.refund_failed").await else { panic!() };
    assert_eq!((failed.refund_id, failed.reason.as_str()), (Some(refused), "refused"));
    world.order_faults(&[("refund", "hang", 1)]).await;
    let again = world.refund(&order, AMOUNT).await;
    let PaymentEvent::Refunded(refunded) = world.hear(&order, "payment.refunded").await else { panic!() };
    assert_eq!((refunded.refund_id, refunded.refunded_total.amount_minor), (Some(again), AMOUNT));
    assert_eq!(world.at_provider(&order).await[0]["refunds"].as_array().unwrap().len(), 1);
    world.stop().await;
}
