//! Rules of orders, by example and over random histories.

mod goods;
mod goods_at_random;
mod histories;
mod payment;
mod saga;

use contracts::{
    Money,
    event::EventId,
    order::{OrderEvent, OrderStatus, PaymentStatus},
    payment::{
        PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentId, PaymentRefundFailed, PaymentRefunded,
        PaymentVoided,
    },
};
use proptest::prelude::*;

use super::{
    cancellation::CancelRefused,
    refund::{RefundRefused, RefundScope, RefundUnits},
    status::Refused,
    stream::{Origin, StoredFact, broken_link},
    *,
};
use crate::tests::fixtures::{at, id, krw, terms};

/// An order with its stream.
struct History {
    order: Order,
    stream: Vec<StoredFact>,
    seconds: i64,
}

impl History {
    fn placed() -> Self {
        let (order, placed) = Order::place(id(1), terms(), origin(0)).unwrap();
        Self { order, stream: vec![placed], seconds: 0 }
    }

    fn confirmed() -> Self {
        let mut history = Self::placed();
        history.let_happen(history.order.payment_authorized(authorized(history.total())));
        history
    }

    fn paid() -> Self {
        let mut history = Self::confirmed();
        history.let_happen(history.order.payment_captured(captured(history.total())));
        history
    }

    fn total(&self) -> i64 {
        self.order.terms.totals.total.amount_minor
    }

    fn let_happen(&mut self, facts: Vec<Fact>) -> Vec<OrderEvent> {
        self.seconds += 1;
        let mut said = Vec::new();
        for fact in facts {
            said.extend(self.order.announce(&fact));
            self.stream.extend(self.order.advance(vec![fact], &origin(self.seconds)).unwrap());
        }
        said
    }

    fn refund(&mut self, number: u128, scope: &RefundScope) -> Result<Money, RefundRefused> {
        let facts = self.order.request_refund(id(number), scope, "broken".to_owned())?;
        self.let_happen(facts);
        Ok(self.order.refunds.last().unwrap().amount)
    }
}

fn origin(seconds: i64) -> Origin {
    Origin { actor: "guest".to_owned(), cause: "req_1".to_owned(), at: at(seconds) }
}

fn authorized(amount: i64) -> PaymentAuthorized {
    PaymentAuthorized { payment_id: id(50), order_id: id(1), amount: krw(amount) }
}

fn captured(amount: i64) -> PaymentCaptured {
    PaymentCaptured { payment_id: id(50), order_id: id(1), captured_total: krw(amount) }
}

fn declined() -> PaymentDeclined {
    PaymentDeclined { payment_id: id(50), order_id: id(1), reason: "card_declined".to_owned() }
}

fn voided() -> PaymentVoided {
    PaymentVoided { payment_id: id(50), order_id: id(1) }
}

fn refunded(number: Option<u128>, amount: i64, total: i64) -> PaymentRefunded {
    PaymentRefunded {
        payment_id: PaymentId::from_uuid(uuid::Uuid::from_u128(50)),
        order_id: id(1),
        refund_id: number.map(id),
        amount: krw(amount),
        refunded_total: krw(total),
    }
}

fn failed(number: u128, amount: i64) -> PaymentRefundFailed {
    PaymentRefundFailed {
        payment_id: id(50),
        order_id: id(1),
        refund_id: Some(id(number)),
        amount: krw(amount),
        reason: "provider_refused".to_owned(),
    }
}

fn event() -> EventId {
    id(60)
}

#[test]
fn an_authorized_order_is_confirmed_and_then_paid() {
    let mut history = History::placed();
    assert_eq!((history.order.status, history.order.payment_status()), (OrderStatus::Pending, PaymentStatus::NotPaid));
    let said = history.let_happen(history.order.payment_authorized(authorized(history.total())));
    assert!(matches!(said.as_slice(), [OrderEvent::Confirmed(_)]));
    assert_eq!(history.order.payment_status(), PaymentStatus::Authorized);
    assert_eq!(history.order.deadline(), None);
    history.let_happen(history.order.payment_captured(captured(history.total())));
    assert_eq!(history.order.payment_status(), PaymentStatus::Paid);
    assert_eq!(history.order.version, 4);
}

#[test]
fn what_payment_says_twice_happens_once() {
    let history = History::paid();
    let total = history.total();
    assert!(history.order.payment_authorized(authorized(total)).is_empty());
    assert!(history.order.payment_captured(captured(total)).is_empty());
    let mut history = history;
    history.refund(9, &RefundScope::Amount(krw(100))).unwrap();
    history.let_happen(history.order.payment_refunded(refunded(Some(9), 100, 100), event()));
    assert!(history.order.payment_refunded(refunded(Some(9), 100, 100), event()).is_empty());
    assert!(history.order.refund_failed(failed(9, 100), event()).is_empty());
    assert_eq!(history.order.payment_status(), PaymentStatus::PartiallyRefunded);
}

#[test]
fn a_declined_order_is_rejected() {
    let mut history = History::placed();
    let said = history.let_happen(history.order.payment_declined(declined()));
    assert!(
        matches!(said.as_slice(), [OrderEvent::Rejected(ended)] if ended.reason == "card_declined" && !ended.restock)
    );
    assert_eq!(history.order.status, OrderStatus::Rejected);
    assert!(history.order.payment_declined(declined()).is_empty());
}

#[test]
fn an_authorization_that_comes_late_is_noted_and_changes_nothing() {
    let mut history = History::placed();
    let pay_by = history.order.terms.pay_by;
    assert!(history.order.take_due_step(at(0)).is_empty());
    let said = history.let_happen(history.order.take_due_step(pay_by));
    assert!(matches!(said.as_slice(), [OrderEvent::Expired(ended)] if ended.reason == PAYMENT_TIMED_OUT));
    let said = history.let_happen(history.order.payment_authorized(authorized(history.total())));
    assert!(said.is_empty());
    assert_eq!(history.order.status, OrderStatus::Expired);
    history.let_happen(history.order.payment_voided(&voided()));
    assert_eq!(history.order.payment_status(), PaymentStatus::Voided);
    assert!(history.order.take_due_step(pay_by).is_empty());
}

#[test]
fn an_authorization_of_another_sum_waits_for_a_person() {
    let mut history = History::placed();
    let said = history.let_happen(history.order.payment_authorized(authorized(history.total() - 1)));
    assert!(said.is_empty());
    assert_eq!(history.order.status, OrderStatus::OnHold);
    let said = history.let_happen(history.order.cancel("wrong sum".to_owned()).unwrap());
    assert!(matches!(said.as_slice(), [OrderEvent::Cancelled(ended)] if !ended.restock));
}

#[test]
fn cancelling_puts_goods_back_that_were_taken() {
    let mut history = History::confirmed();
    let said = history.let_happen(history.order.cancel("changed my mind".to_owned()).unwrap());
    assert!(matches!(said.as_slice(), [OrderEvent::Cancelled(ended)] if ended.restock));
    let again = history.order.cancel("again".to_owned());
    let refused = Refused { from: OrderStatus::Cancelled, to: OrderStatus::Cancelled };
    assert_eq!(again, Err(CancelRefused::Status(refused)));
    assert!(history.order.run_out_of_stock().is_empty());
}

#[test]
fn an_order_whose_money_was_let_go_is_not_delivered() {
    let mut history = History::confirmed();
    let said = history.let_happen(history.order.payment_voided(&voided()));
    assert!(
        matches!(said.as_slice(), [OrderEvent::Cancelled(ended)] if ended.reason == AUTHORIZATION_LOST && ended.restock)
    );
    assert!(history.order.payment_voided(&voided()).is_empty());
    let mut paid = History::paid();
    paid.let_happen(paid.order.payment_voided(&voided()));
    assert_eq!(paid.order.status, OrderStatus::Confirmed, "what was taken is not let go");
}

#[test]
fn goods_that_are_gone_are_not_put_back() {
    let mut history = History::paid();
    let said = history.let_happen(history.order.run_out_of_stock());
    assert!(
        matches!(said.as_slice(), [OrderEvent::Cancelled(ended)] if ended.reason == OUT_OF_STOCK && !ended.restock)
    );
    let total = history.total();
    history.let_happen(history.order.payment_refunded(refunded(None, total, total), event()));
    assert_eq!(history.order.payment_status(), PaymentStatus::Refunded);
    assert_eq!(history.order.refunds.len(), 1);
}

#[test]
fn refunds_in_flight_count() {
    let mut history = History::paid();
    let total = history.total();
    assert_eq!(history.refund(1, &RefundScope::Amount(krw(total - 100))), Ok(krw(total - 100)));
    assert_eq!(
        history.refund(2, &RefundScope::Amount(krw(101))),
        Err(RefundRefused::MoreThanLeft { wanted: krw(101), left: krw(100) })
    );
    assert_eq!(history.refund(2, &RefundScope::Rest), Ok(krw(100)));
    assert_eq!(history.refund(3, &RefundScope::Rest), Err(RefundRefused::NothingLeft));
    history.let_happen(history.order.refund_failed(failed(2, 100), event()));
    assert_eq!(history.refund(3, &RefundScope::Rest), Ok(krw(100)));
}

#[test]
fn refuses_refunds_that_cannot_be() {
    let mut history = History::confirmed();
    assert_eq!(history.refund(1, &RefundScope::Rest), Err(RefundRefused::NothingLeft));
    assert_eq!(History::placed().refund(1, &RefundScope::Rest), Err(RefundRefused::Status(OrderStatus::Pending)));
    let mut history = History::paid();
    let line = history.order.terms.lines[0].id;
    let units = |line_id, quantity| RefundScope::Units(vec![RefundUnits { line_id, quantity, restock: true }]);
    assert_eq!(history.refund(1, &units(id(99), 1)), Err(RefundRefused::NoSuchLine(id(99))));
    assert_eq!(history.refund(1, &units(line, 4)), Err(RefundRefused::TooManyUnits { line, left: 3 }));
    assert_eq!(history.refund(1, &RefundScope::Amount(krw(0))), Err(RefundRefused::Amount(contracts::Currency::KRW)));
    let dollars = RefundScope::Amount(Money::new(1, contracts::Currency::USD));
    assert_eq!(history.refund(1, &dollars), Err(RefundRefused::Amount(contracts::Currency::KRW)));
    let twice = RefundScope::Units(vec![RefundUnits { line_id: line, quantity: 2, restock: false }; 2]);
    assert_eq!(history.refund(1, &twice), Err(RefundRefused::TooManyUnits { line, left: 1 }));
}

#[test]
fn units_that_go_back_on_the_shelf_are_announced() {
    let mut history = History::paid();
    let line = history.order.terms.lines[0].clone();
    let scope = RefundScope::Units(vec![RefundUnits { line_id: line.id, quantity: 2, restock: true }]);
    let facts = history.order.request_refund(id(1), &scope, "broken".to_owned()).unwrap();
    let said = history.let_happen(facts);
    let [OrderEvent::RefundRequested(wanted)] = said.as_slice() else { panic!("a refund is announced") };
    assert_eq!((wanted.restock[0].variant_id, wanted.restock[0].quantity), (line.variant_id, 2));
}

#[test]
fn a_stream_of_another_shape_is_refused() {
    let history = History::confirmed();
    assert!(matches!(Order::fold(id(1), &[]), Err(FoldError::Empty)));
    assert!(matches!(Order::fold(id(1), &history.stream[1..]), Err(FoldError::Misplaced { .. })));
    let twice = [history.stream.clone(), history.stream[2..].to_vec()].concat();
    assert!(matches!(Order::fold(id(1), &twice), Err(FoldError::Refused { .. })));
    let mut unknown = history.stream.clone();
    unknown[1].schema_version = 9;
    assert!(matches!(Order::fold(id(1), &unknown), Err(FoldError::Decode { .. })));
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(victim in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), field in 0_u8..6) {
        let mut stream = History::paid().stream;
        let index = victim.index(stream.len());
        let fact = &mut stream[index];
        let flip = |text: &mut String| {
            let mut bytes = text.clone().into_bytes();
            let at = byte.index(bytes.len());
            bytes[at] ^= 1;
            *text = String::from_utf8_lossy(&bytes).into_owned();
        };
        match field {
            0 => flip(&mut fact.data),
            1 => flip(&mut fact.origin.actor),
            2 => flip(&mut fact.origin.cause),
            3 => flip(&mut fact.kind),
            4 => fact.hash[0] ^= 1,
            _ => fact.origin.at = at(999),
        }
        prop_assert!(broken_link(id(1), &stream).is_some());
        let mut shorter = History::paid().stream;
        shorter.remove(victim.index(shorter.len() - 1));
        prop_assert!(broken_link(id(1), &shorter).is_some());
    }

    #[test]
    fn unit_refunds_sum_to_the_line(parts in proptest::collection::vec((1_i64..4, any::<bool>()), 1..30), total in 0_i64..10_000) {
        let mut terms = terms();
        terms.lines[0].quantity = 11;
        terms.lines[0].total = krw(total);
        let line_id = terms.lines[0].id;
        let (order, placed) = Order::place(id(1), terms, origin(0)).unwrap();
        let mut history = History { order, stream: vec![placed], seconds: 0 };
        let sum = history.total();
        history.let_happen(history.order.payment_authorized(authorized(sum)));
        history.let_happen(history.order.payment_captured(captured(sum)));
        let (mut units, mut amount, mut number) = (0, 0, 100);
        for (quantity, succeeds) in parts.into_iter().chain([(1, true); 11]) {
            number += 1;
            let scope = RefundScope::Units(vec![RefundUnits { line_id, quantity, restock: false }]);
            let Ok(priced) = history.order.price_for_test(&scope) else { continue };
            prop_assert!(priced >= 0);
            if priced == 0 || history.refund(number, &scope).is_err() {
                continue;
            }
            if succeeds {
                (units, amount) = (units + quantity, amount + priced);
            } else {
                history.let_happen(history.order.refund_failed(failed(number, priced), event()));
            }
        }
        prop_assert!(units <= 11);
        prop_assert!(amount <= total);
        if units == 11 {
            prop_assert_eq!(amount, total);
        }
    }
}
