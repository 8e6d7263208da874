//! Parcels, partial cancellations and returns, by example.

use contracts::order::{FulfilmentStatus, LineQuantity, OrderEvent, OrderStatus};

use super::{History, authorized, event, failed, refunded, voided};
use crate::{
    order::{
        Fact, FoldError, Order, Terms,
        cancellation::{CancelRefused, NewCancellation},
        fact::goods::{FulfilmentMoved, ReturnMoved},
        fulfilment::{self, FulfilRefused, FulfilmentChange, Label, NewFulfilment, ParcelStatus},
        give_back::GiveBackRefused,
        refund::{RefundRefused, RefundScope, RefundUnits},
        returns::{self, NewArrival, NewReturn, ReceivedUnits, ReturnRefused, ReturnStatus},
        units::UnitsRefused,
    },
    tests::fixtures::{at, id, krw, terms},
};

/// Goods may be sent back for so long.
pub(super) const WINDOW: i64 = 1000;

type Said = Vec<OrderEvent>;

impl History {
    /// So many units of the lines in their order; a line without units is left out.
    pub(super) fn lines(&self, quantities: &[i64]) -> Vec<LineQuantity> {
        let lines = self.order.terms.lines.iter().zip(quantities);
        lines
            .filter(|(_, quantity)| **quantity != 0)
            .map(|(line, quantity)| LineQuantity { line_id: line.id, quantity: *quantity })
            .collect()
    }

    pub(super) fn pack(&mut self, number: u128, lines: Option<&[i64]>, shipped: bool) -> Result<Said, FulfilRefused> {
        let lines = lines.map(|lines| self.lines(lines));
        let new = NewFulfilment { id: id(number), lines, label: label("CJ", "1"), shipped };
        let facts = self.order.create_fulfilment(&new, at(self.seconds + WINDOW))?;
        Ok(self.let_happen(facts))
    }

    pub(super) fn carry(&mut self, number: u128, status: ParcelStatus) -> Result<Said, FulfilRefused> {
        let change = FulfilmentChange { status: Some(status), label: Label::default() };
        let facts = self.order.change_fulfilment(id(number), &change, at(self.seconds + WINDOW))?;
        Ok(self.let_happen(facts))
    }

    pub(super) fn cancel_units(&mut self, number: u128, quantities: &[i64]) -> Result<Said, CancelRefused> {
        let (lines, reason) = (self.lines(quantities), "too many".to_owned());
        let new = NewCancellation { id: id(number), refund_id: id(number), lines, reason };
        let facts = self.order.cancel_lines(&new)?;
        Ok(self.let_happen(facts))
    }

    pub(super) fn send_back(&mut self, number: u128, quantities: &[i64]) -> Result<Said, ReturnRefused> {
        let new = NewReturn { id: id(number), lines: self.lines(quantities), reason: "does not fit".to_owned() };
        let facts = self.order.request_return(&new, at(self.seconds))?;
        Ok(self.let_happen(facts))
    }

    pub(super) fn judge(&mut self, number: u128, to: ReturnStatus) -> Result<Said, ReturnRefused> {
        let facts = self.order.move_return(id(number), to, Some("judged".to_owned()))?;
        Ok(self.let_happen(facts))
    }

    /// Units of a return arrive; `good` go back on the shelf.
    pub(super) fn receive(
        &mut self,
        (number, refund): (u128, u128),
        quantities: &[i64],
        good: bool,
        include_shipping: bool,
    ) -> Result<Said, ReturnRefused> {
        let units = self.lines(quantities).into_iter();
        let units = units.map(|part| ReceivedUnits { line_id: part.line_id, quantity: part.quantity, restock: good });
        let new = NewArrival { return_id: id(number), refund_id: id(refund), lines: units.collect(), include_shipping };
        let facts = self.order.receive_return(&new)?;
        Ok(self.let_happen(facts))
    }

    /// Lets payment say that refund `number` went back.
    pub(super) fn pay_back(&mut self, number: u128) -> Said {
        let amount = self.order.refunds.iter().find(|refund| refund.id == id(number)).unwrap().amount.amount_minor;
        let total = self.order.payment.refunded.amount_minor + amount;
        self.let_happen(self.order.payment_refunded(refunded(Some(number), amount, total), event()))
    }

    fn refunded(&self, number: u128) -> Option<i64> {
        let refund = self.order.refunds.iter().find(|refund| refund.id == id(number))?;
        Some(refund.amount.amount_minor)
    }

    fn status_of(&self, number: u128) -> ReturnStatus {
        self.order.find_return(id(number)).unwrap().status
    }

    fn axes(&self) -> (OrderStatus, FulfilmentStatus) {
        (self.order.status, self.order.fulfilment_status())
    }
}

fn label(carrier: &str, number: &str) -> Label {
    Label { carrier: Some(carrier.to_owned()), tracking_number: Some(number.to_owned()) }
}

/// A paid order on these terms.
pub(super) fn paid(terms: Terms) -> History {
    let (order, placed) = Order::place(id(1), terms, super::origin(0)).unwrap();
    let mut history = History { order, stream: vec![placed], seconds: 0 };
    let total = history.total();
    history.let_happen(history.order.payment_authorized(authorized(total)));
    history.let_happen(history.order.payment_captured(super::captured(total)));
    history
}

#[test]
fn a_parcel_goes_from_the_shelf_to_the_door() {
    let mut history = History::confirmed();
    assert_eq!(history.axes(), (OrderStatus::Confirmed, FulfilmentStatus::None));
    assert!(history.pack(70, None, false).unwrap().is_empty());
    assert_eq!(history.axes(), (OrderStatus::Processing, FulfilmentStatus::None));
    assert!(history.carry(70, ParcelStatus::Packed).unwrap().is_empty());
    let said = history.carry(70, ParcelStatus::Shipped).unwrap();
    let [OrderEvent::Shipped(shipped)] = said.as_slice() else { panic!("it is said that it left") };
    assert_eq!((shipped.carrier.as_deref(), shipped.lines.len()), (Some("CJ"), 2));
    assert_eq!(history.axes(), (OrderStatus::Completed, FulfilmentStatus::Shipped));
    let window = history.order.return_window_ends().unwrap();
    let said = history.carry(70, ParcelStatus::Delivered).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::Delivered(_)]));
    assert_eq!(history.axes(), (OrderStatus::Completed, FulfilmentStatus::Delivered));
    assert!(history.order.return_window_ends().unwrap() > window, "the time to return counts from the delivery");
    assert!(history.carry(70, ParcelStatus::Delivered).unwrap().is_empty(), "said twice, it happens once");
    let refused = fulfilment::StepRefused { from: ParcelStatus::Delivered, to: ParcelStatus::Lost };
    assert_eq!(history.carry(70, ParcelStatus::Lost).err(), Some(FulfilRefused::Step(refused)));
}

#[test]
fn what_is_shipped_at_once_is_said_with_its_goods() {
    let mut history = History::paid();
    let said = history.pack(70, Some(&[2, 0]), true).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::Shipped(shipped)] if shipped.lines[0].quantity == 2));
    assert_eq!(history.axes(), (OrderStatus::Processing, FulfilmentStatus::Partial));
    assert_eq!(history.order.return_window_ends(), None);
    history.pack(71, None, true).unwrap();
    assert_eq!(history.axes(), (OrderStatus::Completed, FulfilmentStatus::Shipped));
    assert_eq!(history.pack(72, None, true).err(), Some(FulfilRefused::NothingOpen));
}

#[test]
fn no_unit_is_in_two_parcels() {
    let mut history = History::paid();
    history.pack(70, Some(&[2, 0]), false).unwrap();
    let line = history.order.terms.lines[0].id;
    let too_many = UnitsRefused::TooMany { line, wanted: 2, left: 1 };
    assert_eq!(history.pack(71, Some(&[2, 0]), false).err(), Some(FulfilRefused::Units(too_many)));
    history.carry(70, ParcelStatus::Cancelled).unwrap();
    history.pack(71, Some(&[3, 1]), false).unwrap();
    assert_eq!(history.pack(72, None, false).err(), Some(FulfilRefused::NothingOpen));
    let unknown = NewFulfilment {
        id: id(73),
        lines: Some(vec![LineQuantity { line_id: id(99), quantity: 1 }]),
        label: Label::default(),
        shipped: false,
    };
    let refused = history.order.create_fulfilment(&unknown, at(0)).err();
    assert_eq!(refused, Some(FulfilRefused::Units(UnitsRefused::NoSuchLine(id(99)))));
}

#[test]
fn nothing_leaves_for_an_order_that_is_not_paid_or_not_confirmed() {
    assert_eq!(History::placed().pack(70, None, true).err(), Some(FulfilRefused::Status(OrderStatus::Pending)));
    let mut history = History::paid();
    history.pack(70, Some(&[1, 0]), false).unwrap();
    history.refund(9, &RefundScope::Rest).unwrap();
    history.pay_back(9);
    let refused = Some(FulfilRefused::NotPaid(contracts::order::PaymentStatus::Refunded));
    assert_eq!(history.pack(71, None, true).err(), refused);
    assert_eq!(history.carry(70, ParcelStatus::Shipped).err(), refused);
    let mut history = History::confirmed();
    history.pack(70, None, false).unwrap();
    let said = history.let_happen(history.order.payment_voided(&voided()));
    assert!(matches!(said.as_slice(), [OrderEvent::Cancelled(_)]));
    assert_eq!(history.order.fulfilments[0].status, ParcelStatus::Cancelled, "a parcel is called off with its order");
}

#[test]
fn nothing_more_leaves_once_the_money_is_refused() {
    let mut history = History::confirmed();
    history.pack(70, Some(&[1, 0]), true).unwrap();
    history.pack(71, None, false).unwrap();
    let failed = contracts::payment::PaymentCaptureFailed {
        payment_id: id(50),
        order_id: id(1),
        amount: krw(history.total()),
        reason: "expired".to_owned(),
    };
    history.let_happen(history.order.payment_capture_failed(failed));
    assert_eq!(history.order.status, OrderStatus::Processing, "a part of it has left");
    let refused = Some(FulfilRefused::NotPaid(contracts::order::PaymentStatus::Authorized));
    assert_eq!(history.carry(71, ParcelStatus::Shipped).err(), refused);
    history.carry(71, ParcelStatus::Cancelled).unwrap();
    let said = history.cancel_units(80, &[2, 1]).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::LinesCancelled(_)]), "nothing was taken that could go back");
    assert_eq!(history.order.status, OrderStatus::Completed);
}

#[test]
fn a_label_is_corrected_until_the_parcel_has_arrived() {
    let mut history = History::paid();
    history.pack(70, None, true).unwrap();
    let correct = |number: &str| FulfilmentChange {
        status: None,
        label: Label { carrier: None, tracking_number: Some(number.to_owned()) },
    };
    let facts = history.order.change_fulfilment(id(70), &correct("2"), at(0)).unwrap();
    assert!(history.let_happen(facts).is_empty());
    assert_eq!(history.order.fulfilments[0].label, label("CJ", "2"));
    assert!(history.order.change_fulfilment(id(70), &correct("2"), at(0)).unwrap().is_empty());
    history.carry(70, ParcelStatus::Delivered).unwrap();
    let refused = history.order.change_fulfilment(id(70), &correct("3"), at(0));
    assert_eq!(refused.err(), Some(FulfilRefused::LabelIsFinal(ParcelStatus::Delivered)));
    let unknown = history.order.change_fulfilment(id(71), &correct("3"), at(0));
    assert_eq!(unknown.err(), Some(FulfilRefused::NoSuchFulfilment));
}

#[test]
fn what_was_lost_may_be_sent_once_more() {
    for gone in [ParcelStatus::Lost, ParcelStatus::ReturnedToSender] {
        let mut history = History::paid();
        history.pack(70, None, true).unwrap();
        history.carry(70, gone).unwrap();
        assert_eq!(history.axes(), (OrderStatus::Completed, FulfilmentStatus::Shipped));
        history.pack(71, Some(&[3, 0]), true).unwrap();
        history.carry(71, ParcelStatus::Delivered).unwrap();
        let units = history.order.units(&history.order.terms.lines[0]);
        assert_eq!((units.fulfilled(), units.open(), units.cancellable(), units.returnable()), (3, 0, 0, 3));
        let units = history.order.units(&history.order.terms.lines[1]);
        assert_eq!((units.fulfilled(), units.open(), units.cancellable(), units.returnable()), (1, 1, 0, 0));
    }
}

#[test]
fn units_that_are_called_off_give_their_money_and_their_share_of_the_delivery_back() {
    let mut history = History::paid();
    let said = history.cancel_units(80, &[1, 0]).unwrap();
    let [OrderEvent::LinesCancelled(cancelled), OrderEvent::RefundRequested(wanted)] = said.as_slice() else {
        panic!("goods and money")
    };
    // 3,000 of delivery: 1,507 for the first line, a third of which is 502.
    assert_eq!(wanted.amount, krw(3_333 + 502));
    assert!(wanted.restock.is_empty(), "the goods are told by the cancellation");
    assert_eq!((cancelled.restock[0].quantity, cancelled.lines[0].quantity), (1, 1));
    assert_eq!(history.order.status, OrderStatus::Confirmed);
    let refund = &history.order.refunds[0];
    assert_eq!((refund.lines[0].tax, refund.shipping[0].tax), (Some(krw(303)), krw(46)));
    history.pack(70, None, true).unwrap();
    assert_eq!(history.axes(), (OrderStatus::Completed, FulfilmentStatus::Shipped));
    let line = history.order.terms.lines[0].id;
    let refused = UnitsRefused::TooMany { line, wanted: 1, left: 0 };
    assert_eq!(history.cancel_units(81, &[1, 0]).err(), Some(CancelRefused::NotInPart(OrderStatus::Completed)));
    assert_eq!(history.pack(71, Some(&[1, 0]), true).err(), Some(FulfilRefused::Units(refused)));
}

#[test]
fn calling_off_what_has_not_left_completes_the_order() {
    let mut history = History::paid();
    history.pack(70, Some(&[3, 0]), true).unwrap();
    assert_eq!(history.order.cancel("late".to_owned()).err(), Some(CancelRefused::Shipped));
    assert!(history.order.run_out_of_stock().is_empty(), "what has left was there");
    history.cancel_units(80, &[0, 1]).unwrap();
    assert_eq!(history.axes(), (OrderStatus::Completed, FulfilmentStatus::Shipped));
    assert_eq!(history.refunded(80), Some(9_900 + 1_493));
}

#[test]
fn calling_off_the_last_units_calls_the_order_off() {
    let mut history = History::paid();
    history.cancel_units(80, &[2, 0]).unwrap();
    history.pack(70, Some(&[1, 0]), false).unwrap();
    let line = history.order.terms.lines[0].id;
    let refused = CancelRefused::Units(UnitsRefused::TooMany { line, wanted: 1, left: 0 });
    assert_eq!(history.cancel_units(81, &[1, 1]).err(), Some(refused));
    history.carry(70, ParcelStatus::Cancelled).unwrap();
    let said = history.cancel_units(82, &[1, 1]).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::Cancelled(ended)] if ended.restock));
    assert_eq!((history.order.status, history.order.refunds.len()), (OrderStatus::Cancelled, 1));
    assert_eq!(history.cancel_units(83, &[1, 0]).err(), Some(CancelRefused::NotInPart(OrderStatus::Cancelled)));

    let mut unpaid = History::placed();
    assert_eq!(unpaid.cancel_units(80, &[1, 0]).err(), Some(CancelRefused::NotInPart(OrderStatus::Pending)));
    unpaid.cancel_units(80, &[3, 1]).unwrap();
    assert_eq!(unpaid.order.status, OrderStatus::Cancelled);
}

#[test]
fn money_that_is_not_taken_yet_cannot_go_back() {
    let mut history = History::confirmed();
    let refused = CancelRefused::GiveBack(GiveBackRefused::NotCaptured);
    assert_eq!(history.cancel_units(80, &[1, 0]).err(), Some(refused));
    assert_eq!(history.stream.len(), 3);
}

#[test]
fn a_unit_that_was_refunded_is_neither_paid_nor_shelved_twice() {
    let mut history = History::paid();
    let line_id = history.order.terms.lines[0].id;
    let units = |quantity| RefundScope::Units(vec![RefundUnits { line_id, quantity, restock: true }]);
    history.refund(9, &units(1)).unwrap();
    let said = history.cancel_units(80, &[2, 0]).unwrap();
    assert!(matches!(&said[0], OrderEvent::LinesCancelled(cancelled) if cancelled.restock[0].quantity == 1));
    // One of the two; the delivery for both.
    assert_eq!(history.refunded(80), Some(3_333 + 1_005));
    assert_eq!(history.refund(10, &units(2)), Err(RefundRefused::TooManyUnits { line: line_id, left: 1 }));
    history.refund(10, &units(1)).unwrap();
    let said = history.pack(70, Some(&[1, 1]), true).unwrap();
    assert_eq!(said.len(), 1);
    history.send_back(90, &[1, 0]).unwrap();
    history.judge(90, ReturnStatus::Approved).unwrap();
    let said = history.receive((90, 91), &[1, 0], true, false).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::ReturnReceived(arrived)] if arrived.restock.is_empty()));
    assert_eq!((history.status_of(90), history.refunded(91)), (ReturnStatus::Closed, None));
}

#[test]
fn what_a_goodwill_refund_took_is_not_paid_again() {
    let mut history = History::paid();
    history.refund(9, &RefundScope::Amount(krw(20_000))).unwrap();
    history.cancel_units(80, &[0, 1]).unwrap();
    assert_eq!(history.refunded(80), Some(2_899), "the rest of the payment");
    let refund = &history.order.refunds[1];
    assert_eq!(refund.lines[0].amount.amount_minor + refund.shipping[0].amount.amount_minor, 2_899);
    let said = history.cancel_units(81, &[1, 0]).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::LinesCancelled(_)]), "nothing is left to refund");
}

#[test]
fn goods_come_back_in_parts_and_are_paid_back_when_they_arrive() {
    let mut history = History::paid();
    history.pack(70, None, true).unwrap();
    history.carry(70, ParcelStatus::Delivered).unwrap();
    let said = history.send_back(90, &[3, 1]).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::ReturnRequested(asked)] if asked.lines.len() == 2));
    assert_eq!(history.order.return_window_ends(), None, "an order does not close while goods come back");
    let early = returns::StepRefused { from: ReturnStatus::Requested, to: ReturnStatus::PartiallyReceived };
    assert_eq!(history.receive((90, 91), &[1, 0], true, false).err(), Some(ReturnRefused::Step(early)));
    let said = history.judge(90, ReturnStatus::Approved).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::ReturnApproved(_)]));
    history.judge(90, ReturnStatus::InTransit).unwrap();
    let said = history.receive((90, 91), &[2, 0], true, false).unwrap();
    let [OrderEvent::ReturnReceived(arrived), OrderEvent::RefundRequested(wanted)] = said.as_slice() else {
        panic!("goods and money")
    };
    assert_eq!((arrived.receipt, arrived.restock[0].quantity, wanted.amount), (1, 2, krw(6_666)));
    assert!(wanted.restock.is_empty());
    assert_eq!(history.order.fulfilment_status(), FulfilmentStatus::PartiallyReturned);
    assert_eq!(history.judge(90, ReturnStatus::Closed).err(), Some(ReturnRefused::RefundPending));
    history.pay_back(91);
    assert_eq!(history.status_of(90), ReturnStatus::PartiallyReceived);
    let line = history.order.terms.lines[0].id;
    let refused = UnitsRefused::TooMany { line, wanted: 2, left: 1 };
    assert_eq!(history.receive((90, 92), &[2, 0], true, false).err(), Some(ReturnRefused::Units(refused)));
    let said = history.receive((90, 92), &[1, 1], false, true).unwrap();
    assert!(
        matches!(&said[0], OrderEvent::ReturnReceived(arrived) if arrived.receipt == 2 && arrived.restock.is_empty())
    );
    assert_eq!(history.status_of(90), ReturnStatus::Received);
    assert_eq!(history.order.fulfilment_status(), FulfilmentStatus::Returned);
    history.pay_back(92);
    assert_eq!(history.status_of(90), ReturnStatus::Closed);
    assert_eq!(history.refunded(92), Some(3_333 + 9_900 + 502 + 1_493));
}

#[test]
fn a_return_may_be_refused_or_called_off_and_its_units_are_free_again() {
    let mut history = History::paid();
    history.pack(70, Some(&[2, 0]), true).unwrap();
    let line = history.order.terms.lines[0].id;
    let not_shipped = UnitsRefused::TooMany { line, wanted: 3, left: 2 };
    assert_eq!(history.send_back(90, &[3, 0]).err(), Some(ReturnRefused::Units(not_shipped)));
    history.send_back(90, &[2, 0]).unwrap();
    let twice = UnitsRefused::TooMany { line, wanted: 1, left: 0 };
    assert_eq!(history.send_back(91, &[1, 0]).err(), Some(ReturnRefused::Units(twice)));
    assert_eq!(history.carry(70, ParcelStatus::Lost).err(), Some(FulfilRefused::InReturn(line)));
    let said = history.judge(90, ReturnStatus::Rejected).unwrap();
    assert!(matches!(said.as_slice(), [OrderEvent::ReturnRejected(told)] if told.reason == "judged"));
    history.send_back(91, &[1, 0]).unwrap();
    history.judge(91, ReturnStatus::Approved).unwrap();
    assert!(history.judge(91, ReturnStatus::Cancelled).unwrap().is_empty());
    history.carry(70, ParcelStatus::Lost).unwrap();
    assert_eq!(history.judge(99, ReturnStatus::Approved).err(), Some(ReturnRefused::NoSuchReturn));
}

#[test]
fn goods_come_back_only_while_the_window_is_open() {
    let mut history = History::confirmed();
    assert_eq!(history.send_back(90, &[1, 0]).err(), Some(ReturnRefused::Status(OrderStatus::Confirmed)));
    history.pack(70, None, true).unwrap();
    let until = history.order.return_window_ends().unwrap();
    history.seconds += WINDOW + 1;
    assert_eq!(history.send_back(90, &[1, 0]).err(), Some(ReturnRefused::WindowOver(until)));
    history.seconds -= 2;
    history.send_back(90, &[1, 0]).unwrap();
}

#[test]
fn a_return_whose_refund_failed_is_closed_by_hand() {
    let mut history = History::paid();
    history.pack(70, None, true).unwrap();
    history.send_back(90, &[0, 1]).unwrap();
    history.judge(90, ReturnStatus::Approved).unwrap();
    history.receive((90, 91), &[0, 1], true, false).unwrap();
    history.let_happen(history.order.refund_failed(failed(91, 9_900), event()));
    assert_eq!(history.status_of(90), ReturnStatus::Received);
    let line_id = history.order.terms.lines[1].id;
    let again = RefundScope::Units(vec![RefundUnits { line_id, quantity: 1, restock: true }]);
    assert_eq!(history.refund(92, &again), Ok(krw(9_900)));
    assert!(!history.order.refunds[1].lines[0].restock, "it is on the shelf already");
    history.judge(90, ReturnStatus::Closed).unwrap();
    assert!(history.order.return_window_ends().is_some());
}

#[test]
fn what_costs_nothing_is_called_off_without_a_refund() {
    let mut free = terms();
    free.lines[0].total = krw(1);
    free.lines[0].tax = krw(0);
    free.shipping = None;
    free.totals.total = krw(9_901);
    let mut history = paid(free);
    // A third of one won is nothing, two thirds are one won.
    assert_eq!(history.cancel_units(80, &[1, 0]).unwrap().len(), 1);
    assert_eq!(history.cancel_units(81, &[1, 0]).unwrap().len(), 2);
    assert_eq!(history.cancel_units(82, &[1, 0]).unwrap().len(), 1);
    assert_eq!((history.refunded(80), history.refunded(81), history.refunded(82)), (None, Some(1), None));
}

#[test]
fn a_stream_that_contradicts_itself_is_refused() {
    let mut history = History::paid();
    let moved = FulfilmentMoved {
        fulfilment_id: id(70),
        to: ParcelStatus::Shipped,
        label: Label::default(),
        return_until: None,
    };
    let moved = Fact::FulfilmentMoved(moved);
    let unknown = history.order.clone().advance(vec![moved.clone()], &super::origin(9));
    assert!(matches!(unknown, Err(FoldError::Contradicts { .. })));
    history.pack(70, None, true).unwrap();
    let twice = history.order.clone().advance(vec![moved], &super::origin(9));
    assert!(matches!(twice, Err(FoldError::Contradicts { .. })));
    let closed = ReturnMoved { return_id: id(90), to: ReturnStatus::Closed, reason: None };
    let unknown = history.order.clone().advance(vec![Fact::ReturnMoved(closed)], &super::origin(9));
    assert!(matches!(unknown, Err(FoldError::Contradicts { .. })));
}

#[test]
fn refunds_that_were_stored_before_they_told_the_tax_still_count() {
    let mut history = History::paid();
    let line = history.order.terms.lines[0].id;
    let stored = format!(
        r#"{{"refund_id":"{}","amount":{{"amount_minor":6666,"currency":"KRW"}},"reason":"old","lines":[
            {{"line_id":"{line}","quantity":2,"restock":false,"amount":{{"amount_minor":6666,"currency":"KRW"}}}}]}}"#,
        id::<contracts::order::RefundId>(9)
    );
    history.let_happen(vec![Fact::decode("refund_requested", 1, &stored).unwrap()]);
    let paid = history.order.paid_for(&history.order.terms.lines[0]).unwrap();
    assert_eq!((paid.units, paid.amount, paid.tax), (2, krw(6_666), krw(606)));
}
