//! Parcels, cancellations, returns and refunds in random order: every unit is in one place, every won is paid
//! once, and the parts make the whole.

use std::collections::BTreeMap;

use contracts::{
    Money,
    order::{OrderEvent, OrderStatus, RestockLine, Totals},
    product::VariantId,
};
use proptest::prelude::*;

use super::{History, event, failed, goods::paid};
use crate::{
    order::{
        Order, Terms,
        fulfilment::ParcelStatus,
        refund::{RefundScope, RefundStatus, RefundUnits},
        returns::ReturnStatus,
        stream::broken_link,
    },
    tests::fixtures::{id, krw, terms},
};

/// What buyers, staff, carriers and payment do.
#[derive(Debug, Clone)]
enum Step {
    Pack(Vec<i64>, bool),
    PackRest(bool),
    Carry(usize, ParcelStatus),
    CancelUnits(Vec<i64>),
    Cancel,
    SendBack(Vec<i64>),
    Judge(usize, ReturnStatus),
    Receive { of: usize, quantities: Vec<i64>, good: bool, include_shipping: bool },
    RefundUnits(usize, i64, bool),
    RefundAmount(i64),
    Settle(usize, bool),
}

fn quantities() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(0_i64..3, 3)
}

/// Steps that give every unit its whole money.
fn fair_step() -> impl Strategy<Value = Step> {
    use ParcelStatus::{Allocated, Cancelled, Delivered, Lost, Packed, ReturnedToSender, Shipped};
    let parcel = prop::sample::select(vec![Allocated, Packed, Shipped, Delivered, Cancelled, Lost, ReturnedToSender]);
    let judgement = prop::sample::select(vec![
        ReturnStatus::Approved,
        ReturnStatus::Approved,
        ReturnStatus::InTransit,
        ReturnStatus::Rejected,
        ReturnStatus::Cancelled,
        ReturnStatus::Closed,
    ]);
    prop_oneof![
        4 => (quantities(), any::<bool>()).prop_map(|(lines, shipped)| Step::Pack(lines, shipped)),
        1 => any::<bool>().prop_map(Step::PackRest),
        6 => (0_usize..4, parcel).prop_map(|(index, to)| Step::Carry(index, to)),
        3 => quantities().prop_map(Step::CancelUnits),
        3 => quantities().prop_map(Step::SendBack),
        5 => (0_usize..4, judgement).prop_map(|(index, to)| Step::Judge(index, to)),
        6 => (0_usize..4, quantities(), any::<bool>()).prop_map(|(of, quantities, good)| Step::Receive {
            of, quantities, good, include_shipping: true,
        }),
        2 => (0_usize..3, 1_i64..3, any::<bool>()).prop_map(|(line, n, shelf)| Step::RefundUnits(line, n, shelf)),
        4 => (0_usize..4).prop_map(|index| Step::Settle(index, true)),
    ]
}

/// Everything else that can happen, too.
fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => fair_step(),
        1 => Just(Step::Cancel),
        1 => (1_i64..3_000).prop_map(Step::RefundAmount),
        3 => (0_usize..4).prop_map(|index| Step::Settle(index, false)),
        4 => (0_usize..4, quantities(), any::<bool>()).prop_map(|(of, quantities, good)| Step::Receive {
            of, quantities, good, include_shipping: false,
        }),
    ]
}

/// Units, total and tax rate of three lines, and the price of the delivery.
type Prices = (Vec<(i64, i64, i64)>, i64);

fn prices() -> impl Strategy<Value = Prices> {
    // Sums so small that a unit's share of them is nothing, and ordinary ones.
    let amount = || prop_oneof![0_i64..6, 0_i64..5_000];
    (proptest::collection::vec((1_i64..6, amount(), 0_i64..=500_000), 3), amount())
}

fn terms_of((lines, delivery): Prices) -> Terms {
    let mut terms = terms();
    let mut third = terms.lines[1].clone();
    (third.id, third.variant_id) = (id(13), id(113));
    terms.lines.push(third);
    for (line, (quantity, total, rate)) in terms.lines.iter_mut().zip(lines) {
        // Something has to be paid.
        line.total = krw(total + i64::from(line.id == id(13)));
        line.quantity = quantity;
        line.tax = line.total.tax_included(rate);
    }
    let shipping = terms.shipping.as_mut().unwrap();
    (shipping.price, shipping.tax) = (krw(delivery), krw(delivery).tax_included(100_000));
    let subtotal: i64 = terms.lines.iter().map(|line| line.total.amount_minor).sum();
    let tax: i64 = terms.lines.iter().map(|line| line.tax.amount_minor).sum();
    let tax = krw(tax + shipping.tax.amount_minor);
    terms.totals = Totals { subtotal: krw(subtotal), shipping: krw(delivery), tax, total: krw(subtotal + delivery) };
    terms
}

/// What is refused changes nothing, so refusals are passed over.
fn take(history: &mut History, step: Step, number: u128) -> Vec<OrderEvent> {
    let parcel = |history: &History, index: usize| history.order.fulfilments.get(index).map(|parcel| parcel.id);
    let returning = |history: &History, index: usize| history.order.returns.get(index).map(|returning| returning.id);
    let said = match step {
        Step::Pack(lines, shipped) => history.pack(number, Some(&lines), shipped).ok(),
        Step::PackRest(shipped) => history.pack(number, None, shipped).ok(),
        Step::Carry(index, to) => {
            parcel(history, index).and_then(|parcel| history.carry(parcel.as_uuid().as_u128(), to).ok())
        }
        Step::CancelUnits(lines) => history.cancel_units(number, &lines).ok(),
        Step::Cancel => {
            let facts = history.order.cancel("no".to_owned()).unwrap_or_default();
            (!facts.is_empty()).then(|| history.let_happen(facts))
        }
        Step::SendBack(lines) => history.send_back(number, &lines).ok(),
        Step::Judge(index, to) => {
            returning(history, index).and_then(|id| history.judge(id.as_uuid().as_u128(), to).ok())
        }
        Step::Receive { of, quantities, good, include_shipping } => returning(history, of)
            .and_then(|id| history.receive((id.as_uuid().as_u128(), number), &quantities, good, include_shipping).ok()),
        Step::RefundUnits(line, quantity, restock) => {
            let line_id = history.order.terms.lines[line].id;
            let scope = RefundScope::Units(vec![RefundUnits { line_id, quantity, restock }]);
            let facts = history.order.request_refund(id(number), &scope, "broken".to_owned()).unwrap_or_default();
            (!facts.is_empty()).then(|| history.let_happen(facts))
        }
        Step::RefundAmount(amount) => {
            let scope = RefundScope::Amount(krw(amount));
            let facts = history.order.request_refund(id(number), &scope, "sorry".to_owned()).unwrap_or_default();
            (!facts.is_empty()).then(|| history.let_happen(facts))
        }
        Step::Settle(index, succeeds) => {
            let open = history.order.refunds.iter().filter(|refund| refund.status == RefundStatus::Requested);
            let refund = open.map(|refund| (refund.id.as_uuid().as_u128(), refund.amount)).nth(index);
            refund.map(|(number, amount)| {
                if succeeds {
                    return history.pay_back(number);
                }
                history.let_happen(history.order.refund_failed(failed(number, amount.amount_minor), event()))
            })
        }
    };
    said.unwrap_or_default()
}

/// What is put back on the shelf by `said`.
fn shelved(said: &[OrderEvent], shelf: &mut BTreeMap<VariantId, i64>) {
    let mut put = |lines: &[RestockLine]| {
        for RestockLine { variant_id, quantity } in lines {
            *shelf.entry(*variant_id).or_default() += quantity;
        }
    };
    for event in said {
        match event {
            OrderEvent::LinesCancelled(cancelled) => put(&cancelled.restock),
            OrderEvent::ReturnReceived(arrived) => put(&arrived.restock),
            OrderEvent::RefundRequested(wanted) => put(&wanted.restock),
            _ => {}
        }
    }
}

fn check(order: &Order) -> Result<(), TestCaseError> {
    for line in &order.terms.lines {
        let units = order.units(line);
        prop_assert!(units.cancelled + units.packing + units.sent <= line.quantity, "{units:?}");
        prop_assert!(units.cancelled + units.fulfilled() <= line.quantity, "{units:?}");
        prop_assert!(units.returned + units.returning <= units.sent, "{units:?}");
        prop_assert!(units.returned <= units.fulfilled(), "{units:?}");
        prop_assert!(units.open() >= 0 && units.cancellable() >= 0 && units.returnable() >= 0, "{units:?}");
        let (goods, shipping) = (order.paid_for(line).unwrap(), order.shipping_paid_for(line.id).unwrap());
        prop_assert!(goods.units <= line.quantity && shipping.units <= line.quantity);
        prop_assert!(goods.amount.amount_minor <= line.total.amount_minor);
        prop_assert!(goods.tax.amount_minor <= line.tax.amount_minor);
        if order.status == OrderStatus::Completed {
            prop_assert!(units.cancellable() == 0, "{units:?} of a completed order");
        }
    }
    let (captured, refunded) = (order.payment.captured.amount_minor, order.payment.refunded.amount_minor);
    let in_flight = order.refunds_in_flight().unwrap().amount_minor;
    prop_assert!(refunded + in_flight <= captured, "{refunded} + {in_flight} of {captured}");
    for refund in &order.refunds {
        let parts = refund.lines.iter().map(|part| part.amount).chain(refund.shipping.iter().map(|part| part.amount));
        let sum = Money::sum(order.terms.currency, parts).unwrap();
        prop_assert!(refund.lines.is_empty() && refund.shipping.is_empty() || sum == refund.amount);
    }
    Ok(())
}

/// Everything that has not left is called off, and everything else comes back.
fn give_everything_back(history: &mut History) {
    for index in 0..history.order.returns.len() {
        take(history, Step::Judge(index, ReturnStatus::Cancelled), 0);
        take(history, Step::Judge(index, ReturnStatus::Closed), 0);
    }
    for index in 0..history.order.fulfilments.len() {
        take(history, Step::Carry(index, ParcelStatus::Cancelled), 0);
    }
    for _ in 0..history.order.refunds.len() {
        take(history, Step::Settle(0, true), 0);
    }
    for index in 0..history.order.returns.len() {
        take(history, Step::Judge(index, ReturnStatus::Closed), 0);
    }
    let left = |history: &History, units: fn(&crate::order::units::Units) -> i64| -> Vec<i64> {
        history.order.terms.lines.iter().map(|line| units(&history.order.units(line))).collect()
    };
    let cancellable = left(history, crate::order::units::Units::cancellable);
    if cancellable.iter().any(|units| *units > 0) {
        history.cancel_units(9_001, &cancellable).unwrap();
    }
    if left(history, crate::order::units::Units::open).iter().any(|units| *units > 0) {
        history.pack(9_002, None, true).unwrap();
    }
    let returnable = left(history, crate::order::units::Units::returnable);
    if returnable.iter().any(|units| *units > 0) {
        history.send_back(9_003, &returnable).unwrap();
        history.judge(9_003, ReturnStatus::Approved).unwrap();
        history.receive((9_003, 9_004), &returnable, false, true).unwrap();
    }
}

proptest! {
    #[test]
    fn whatever_happens_to_goods_nothing_is_counted_or_paid_twice(
        prices in prices(),
        steps in proptest::collection::vec(any_step(), 0..60),
    ) {
        let mut history = paid(terms_of(prices));
        let mut shelf = BTreeMap::new();
        for (index, step) in steps.into_iter().enumerate() {
            let said = take(&mut history, step, 100 + index as u128);
            shelved(&said, &mut shelf);
            check(&history.order)?;
            for line in &history.order.terms.lines {
                prop_assert!(shelf.get(&line.variant_id).is_none_or(|units| *units <= line.quantity));
            }
        }
        let folded = Order::fold(history.order.id, &history.stream).unwrap();
        prop_assert!(folded == history.order);
        prop_assert_eq!(broken_link(history.order.id, &history.stream), None);
    }

    #[test]
    fn once_everything_is_given_back_the_parts_make_the_whole(
        prices in prices(),
        steps in proptest::collection::vec(fair_step(), 0..40),
    ) {
        let mut history = paid(terms_of(prices));
        // Something leaves at first, so that the order is never called off as a whole.
        history.pack(99, Some(&[1, 0, 0]), true).unwrap();
        for (index, step) in steps.into_iter().enumerate() {
            take(&mut history, step, 100 + index as u128);
        }
        // Nobody pays for the way of an order whose money is gone.
        prop_assume!(history.order.refundable().unwrap().amount_minor > 0);
        give_everything_back(&mut history);
        let order = &history.order;
        for line in &order.terms.lines {
            prop_assert_eq!(order.units(line).given_back(), line.quantity);
        }
        let currency = order.terms.currency;
        let goods = || order.refunds.iter().flat_map(|refund| &refund.lines);
        let shipping = || order.refunds.iter().flat_map(|refund| &refund.shipping);
        let amount = Money::sum(currency, order.refunds.iter().map(|refund| refund.amount)).unwrap();
        prop_assert_eq!(amount, order.terms.totals.total);
        let delivery = Money::sum(currency, shipping().map(|part| part.amount)).unwrap();
        prop_assert_eq!(delivery, order.terms.totals.shipping);
        let taxes = goods().filter_map(|part| part.tax).chain(shipping().map(|part| part.tax));
        prop_assert_eq!(Money::sum(currency, taxes).unwrap(), order.terms.totals.tax);
    }
}
