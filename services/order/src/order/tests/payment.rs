//! What payment says while a buyer has to act, and after money did not come as it should.

use contracts::{
    order::PaymentMethod,
    payment::{PaymentAction, PaymentActionRequired, PaymentCaptureFailed, PaymentMethodRequired, PaymentReversed},
};

use super::*;
use crate::order::payment::NoMethodWanted;

fn redirect() -> PaymentActionRequired {
    let action = PaymentAction::Redirect { url: "https://pay.example/1".to_owned() };
    PaymentActionRequired { payment_id: id(50), order_id: id(1), action }
}

fn method_required(attempts_left: u32) -> PaymentMethodRequired {
    let reason = "insufficient_funds".to_owned();
    PaymentMethodRequired { payment_id: id(50), order_id: id(1), reason, attempts_left }
}

fn method() -> PaymentMethod {
    PaymentMethod { provider: "other".to_owned(), token: "tok_other".to_owned() }
}

fn capture_failed(history: &History) -> PaymentCaptureFailed {
    let amount = history.order.terms.totals.total;
    PaymentCaptureFailed { payment_id: id(50), order_id: id(1), amount, reason: "card_expired".to_owned() }
}

fn reversed() -> PaymentReversed {
    PaymentReversed { payment_id: id(50), order_id: id(1), captured_total: krw(0) }
}

#[test]
fn a_buyer_who_has_to_act_is_told_and_has_until_the_deadline() {
    let mut history = History::placed();
    let said = history.let_happen(history.order.payment_action_required(redirect()));
    let [OrderEvent::AwaitingPayment(waits)] = said.as_slice() else { panic!("one event") };
    assert_eq!((waits.action.as_ref(), waits.reason.as_ref()), (Some(&redirect().action), None));
    assert_eq!(waits.pay_by, history.order.terms.pay_by);
    assert_eq!(history.order.status, OrderStatus::AwaitingPayment);
    assert_eq!(history.order.payment_status(), PaymentStatus::NotPaid);
    assert_eq!(history.order.deadline(), Some(waits.pay_by));
    assert!(history.order.payment_action_required(redirect()).is_empty(), "the same is not said twice");
    let said = history.let_happen(history.order.take_due_step(waits.pay_by));
    assert!(matches!(said.as_slice(), [OrderEvent::Expired(_)]));
    assert!(history.order.payment_action_required(redirect()).is_empty(), "nobody waits any more");
}

#[test]
fn money_that_comes_while_the_order_waits_confirms_it() {
    let mut history = History::placed();
    history.let_happen(history.order.payment_action_required(redirect()));
    let said = history.let_happen(history.order.payment_authorized(authorized(history.total())));
    assert!(matches!(said.as_slice(), [OrderEvent::Confirmed(confirmed)] if confirmed.reminder == 0));
    assert_eq!(history.order.payment.wanted, None);

    let mut history = History::placed();
    history.let_happen(history.order.payment_action_required(redirect()));
    let said = history.let_happen(history.order.payment_captured(captured(history.total())));
    assert!(matches!(said.as_slice(), [OrderEvent::Confirmed(_)]), "a deposit is captured at once");
    assert_eq!(history.order.payment_status(), PaymentStatus::Paid);
}

#[test]
fn a_deposit_in_two_parts_confirms_when_it_is_whole() {
    let mut history = History::placed();
    history.let_happen(history.order.payment_action_required(redirect()));
    history.let_happen(history.order.payment_captured(captured(10_000)));
    assert_eq!(history.order.status, OrderStatus::AwaitingPayment);
    assert_eq!(history.order.payment_status(), PaymentStatus::PartiallyPaid);
    history.let_happen(history.order.payment_captured(captured(history.total())));
    assert_eq!(history.order.status, OrderStatus::Confirmed);
    assert_eq!(history.order.payment.authorized.amount_minor, history.total());
}

#[test]
fn another_method_is_taken_once_for_each_time_that_one_is_wanted() {
    let mut history = History::placed();
    assert_eq!(history.order.give_payment_method(method()), Err(NoMethodWanted(OrderStatus::Pending)));
    let said = history.let_happen(history.order.payment_method_required(method_required(2)));
    let [OrderEvent::AwaitingPayment(waits)] = said.as_slice() else { panic!("one event") };
    assert_eq!((waits.action.as_ref(), waits.reason.as_deref()), (None, Some("insufficient_funds")));
    let said = history.let_happen(history.order.give_payment_method(method()).unwrap());
    let [OrderEvent::PaymentMethodGiven(given)] = said.as_slice() else { panic!("one event") };
    assert_eq!(given.payment_method, method());
    assert!(!history.stream.last().unwrap().data.contains("tok_other"), "the token is not kept");
    assert_eq!(history.order.payment_provider(), "other");
    assert_eq!(history.order.give_payment_method(method()), Err(NoMethodWanted(OrderStatus::AwaitingPayment)));

    history.let_happen(history.order.payment_method_required(method_required(1)));
    history.let_happen(history.order.give_payment_method(method()).unwrap());
    let said = history.let_happen(history.order.payment_declined(declined()));
    assert!(
        matches!(said.as_slice(), [OrderEvent::Cancelled(ended)] if ended.reason == "card_declined" && !ended.restock)
    );
    assert!(history.order.payment_declined(declined()).is_empty());
    assert_eq!(history.order.give_payment_method(method()), Err(NoMethodWanted(OrderStatus::Cancelled)));
}

#[test]
fn without_money_nothing_leaves_and_what_has_left_is_left_to_people() {
    let mut history = History::confirmed();
    let said = history.let_happen(history.order.payment_capture_failed(capture_failed(&history)));
    assert!(
        matches!(said.as_slice(), [OrderEvent::Cancelled(ended)] if ended.reason == CAPTURE_FAILED && ended.restock)
    );
    assert!(history.order.payment_capture_failed(capture_failed(&history)).is_empty());

    let mut history = History::confirmed();
    history.let_happen(vec![Fact::ProcessingStarted(Nothing {}), Fact::Completed(Nothing {})]);
    let said = history.let_happen(history.order.payment_capture_failed(capture_failed(&history)));
    assert!(said.is_empty());
    assert_eq!(history.order.status, OrderStatus::Completed);
    assert_eq!(history.order.payment.capture_failed.as_deref(), Some("card_expired"));
    assert_eq!(history.order.payment_status(), PaymentStatus::Authorized);
    assert!(History::paid().order.payment_capture_failed(capture_failed(&history)).is_empty());
}

#[test]
fn a_deposit_that_is_taken_back_is_missing_until_it_comes_again() {
    let mut history = History::placed();
    history.let_happen(history.order.payment_action_required(redirect()));
    let total = history.total();
    history.let_happen(history.order.payment_captured(captured(total)));
    let said = history.let_happen(history.order.payment_reversed(reversed()));
    assert!(said.is_empty());
    assert_eq!(history.order.status, OrderStatus::Confirmed);
    assert_eq!(history.order.payment_status(), PaymentStatus::NotPaid);
    assert!(history.order.payment_reversed(reversed()).is_empty());
    history.let_happen(history.order.payment_captured(captured(total - 1)));
    assert!(history.order.payment.reversed.is_some(), "a part of it is not all of it");
    history.let_happen(history.order.payment_captured(captured(total)));
    assert_eq!(history.order.payment_status(), PaymentStatus::Paid);
    assert_eq!(history.order.payment.reversed, None);
}

#[test]
fn only_what_is_on_hold_is_released() {
    let mut history = History::placed();
    assert_eq!(history.order.release().unwrap_err().from, OrderStatus::Pending);
    history.let_happen(history.order.payment_authorized(authorized(history.total() - 1)));
    let said = history.let_happen(history.order.release().unwrap());
    assert!(matches!(said.as_slice(), [OrderEvent::Confirmed(_)]));
    assert_eq!((history.order.status, history.order.status_reason.as_ref()), (OrderStatus::Confirmed, None));
    assert!(history.order.release().is_err());
    // What a person accepted is all there is to take.
    history.let_happen(history.order.payment_captured(captured(history.total() - 1)));
    assert!(history.order.is_captured());
}

#[test]
fn an_order_of_nothing_is_confirmed_and_paid_by_a_payment_of_nothing() {
    let mut terms = terms();
    for line in &mut terms.lines {
        (line.unit_price, line.total, line.tax) = (krw(0), krw(0), krw(0));
    }
    (terms.totals.subtotal, terms.totals.shipping) = (krw(0), krw(0));
    (terms.totals.tax, terms.totals.total) = (krw(0), krw(0));
    let (order, placed) = Order::place(id(1), terms, origin(0)).unwrap();
    let mut history = History { order, stream: vec![placed], seconds: 0 };
    assert_eq!(history.order.payment_status(), PaymentStatus::NotPaid);
    let said = history.let_happen(history.order.payment_authorized(authorized(0)));
    assert!(matches!(said.as_slice(), [OrderEvent::Confirmed(_)]));
    assert_eq!(history.order.payment_status(), PaymentStatus::Paid);
    assert!(history.order.payment_captured(captured(0)).is_empty());
    assert_eq!(crate::order::saga::Saga::of(&history.order), None, "there is nothing to wait for");
}
