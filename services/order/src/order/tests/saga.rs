//! What the clock makes of an order.

use super::*;
use crate::order::{
    fulfilment::ParcelStatus,
    saga::{REMINDERS_MAX, Saga, SagaStep},
};

#[test]
fn each_status_waits_for_its_step() {
    let mut history = History::placed();
    let pay_by = history.order.terms.pay_by;
    let waits = |history: &History| Saga::of(&history.order).map(|saga| (saga.step, saga.attempts, saga.due_at));
    assert_eq!(waits(&history), Some((SagaStep::Authorize, 0, Some(pay_by))));
    history.let_happen(history.order.payment_authorized(authorized(history.total())));
    assert_eq!(waits(&history), Some((SagaStep::Capture, 0, Some(at(1 + 900)))));
    history.let_happen(history.order.payment_captured(captured(history.total())));
    assert_eq!(waits(&history), None);
    history.pack(70, None, false).unwrap();
    assert_eq!(waits(&history), None);
    history.carry(70, ParcelStatus::Shipped).unwrap();
    let closes = history.order.return_window_ends().unwrap();
    assert_eq!(waits(&history), Some((SagaStep::Close, 0, Some(closes))));
    assert!(history.order.take_due_step(closes - std::time::Duration::from_secs(1)).is_empty());
    let said = history.let_happen(history.order.take_due_step(closes));
    assert!(said.is_empty());
    assert_eq!((history.order.status, waits(&history)), (OrderStatus::Closed, None));
}

#[test]
fn late_money_is_asked_for_again_in_pauses_that_double_and_then_no_more() {
    let mut history = History::confirmed();
    let mut pauses = Vec::new();
    let mut last = history.order.confirmed_at.unwrap();
    while let Some(due_at) = Saga::of(&history.order).and_then(|saga| saga.due_at) {
        pauses.push(due_at.duration_since(last).as_secs() / 900);
        assert!(history.order.take_due_step(due_at - std::time::Duration::from_secs(1)).is_empty());
        history.seconds = due_at.as_second() - at(0).as_second() - 1;
        let said = history.let_happen(history.order.take_due_step(due_at));
        let [OrderEvent::Confirmed(reminder)] = said.as_slice() else { panic!("one event") };
        assert_eq!(reminder.reminder as usize, pauses.len());
        last = due_at;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32]);
    let left = Saga::of(&history.order).unwrap();
    assert_eq!((left.step, left.attempts, left.due_at), (SagaStep::Capture, REMINDERS_MAX, None));
    assert!(history.order.take_due_step(Timestamp::MAX).is_empty());
    history.let_happen(history.order.payment_captured(captured(history.total())));
    assert_eq!(Saga::of(&history.order), None);
}

#[test]
fn what_no_reminder_can_bring_is_not_waited_for() {
    let mut voided_order = History::confirmed();
    voided_order.let_happen(voided_order.order.payment_voided(&voided()));
    assert_eq!(Saga::of(&voided_order.order), None);
    let mut held = History::placed();
    held.let_happen(held.order.payment_authorized(authorized(held.total() - 1)));
    assert_eq!((held.order.status, Saga::of(&held.order)), (OrderStatus::OnHold, None));
}
