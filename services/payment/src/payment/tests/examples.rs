//! Ordinary payments, and the oldest ways in which they go wrong.

use contracts::{order::OrderId, payment::PaymentId};
use jiff::Timestamp;
use uuid::Uuid;

use super::world::{AMOUNT, Luck, World, won};
use crate::payment::{Change, Command, Ids, NewPayment, Payment, PaymentState, Policy};

#[test]
fn a_confirmed_order_is_captured_once() {
    let mut world = World::new();
    world.work(0, Luck::Fine);
    world.handle(Command::Confirm).unwrap();
    world.handle(Command::Confirm).unwrap();
    world.settle();
    assert_eq!(world.payment.state, PaymentState::Succeeded);
    assert_eq!(world.names(), ["payment.authorized", "payment.captured"]);
}

#[test]
fn a_lost_answer_is_settled_by_a_query() {
    let mut world = World::new();
    world.work(0, Luck::LostAfter);
    assert_eq!(world.payment.state, PaymentState::Unknown);
    world.settle();
    assert_eq!(world.payment.state, PaymentState::RequiresCapture);
    assert_eq!(world.provider.authorizations.len(), 1);
}

#[test]
fn a_request_that_never_arrived_is_sent_again_under_its_key() {
    let mut world = World::new();
    world.work(0, Luck::LostBefore);
    world.settle();
    assert_eq!(world.payment.state, PaymentState::RequiresCapture);
    assert_eq!(world.payment.operations.len(), 1);
    assert_eq!(world.payment.operations[0].sends, 2);
}

#[test]
fn an_authorization_that_arrives_after_the_end_is_voided() {
    let mut world = World::new();
    world.work(0, Luck::LostAfter);
    world.end();
    world.webhook(0);
    world.settle();
    assert_eq!(world.payment.state, PaymentState::Canceled);
    assert_eq!(world.names(), ["payment.voided"]);
}

#[test]
fn an_order_that_ends_before_anything_was_sent_asks_nobody() {
    let mut world = World::new();
    world.end();
    world.settle();
    assert_eq!((world.payment.state, world.provider.authorizations.len()), (PaymentState::Canceled, 0));
}

#[test]
fn what_was_taken_goes_back_when_the_order_ends() {
    let mut world = World::new();
    world.work(0, Luck::Fine);
    world.handle(Command::Confirm).unwrap();
    world.settle();
    world.end();
    world.settle();
    assert_eq!(world.payment.refunded_minor, AMOUNT);
    assert_eq!(world.names(), ["payment.authorized", "payment.captured", "payment.refunded"]);
}

#[test]
fn refunds_never_exceed_what_was_captured() {
    let mut world = World::new();
    world.work(0, Luck::Fine);
    world.handle(Command::Confirm).unwrap();
    world.settle();
    world.refund(1, 6_000);
    world.refund(1, 6_000);
    world.refund(2, 6_000);
    world.settle();
    assert_eq!(world.payment.refunded_minor, 6_000);
    assert_eq!(world.names(), ["payment.authorized", "payment.captured", "payment.refund_failed", "payment.refunded"]);
}

#[test]
fn a_refund_that_fails_after_the_order_ended_is_not_kept() {
    let mut world = World::new();
    world.work(0, Luck::Fine);
    world.handle(Command::Confirm).unwrap();
    world.settle();
    world.refund(1, AMOUNT);
    world.end();
    world.work(0, Luck::Refused);
    world.settle();
    assert_eq!(world.payment.refunded_minor, AMOUNT);
    assert_eq!(world.names(), ["payment.authorized", "payment.captured", "payment.refund_failed", "payment.refunded"]);
}

#[test]
fn another_sum_at_the_provider_needs_a_person() {
    let mut world = World::new();
    world.work(0, Luck::LostAfter);
    let mut other = world.provider.history[0].clone();
    other.amount = won(AMOUNT + 1);
    world.handle(Command::Notice(other)).unwrap();
    assert_eq!(world.payment.state, PaymentState::Conflicted);
}

#[test]
fn nothing_to_pay_needs_no_provider() {
    let mut change = Change::new(Timestamp::UNIX_EPOCH, Ids::new(Uuid::from_u128(9 << 64)), Policy::default());
    let new = NewPayment {
        id: PaymentId::from_uuid(Uuid::from_u128(1)),
        order_id: OrderId::from_uuid(Uuid::from_u128(2)),
        amount: won(0),
        provider: "model".to_owned(),
        method_token: "tok".to_owned(),
        pay_by: Timestamp::UNIX_EPOCH,
    };
    let mut payment = Payment::open(new, true, &mut change);
    payment.handle(Command::Confirm, &mut change).unwrap();
    assert_eq!((payment.state, change.jobs.len(), change.events.len()), (PaymentState::Succeeded, 0, 2));
}
