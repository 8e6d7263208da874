//! Random histories: whatever happens in whatever order, money and history stay right.

use contracts::payment::{
    PaymentAction, PaymentActionRequired, PaymentCaptureFailed, PaymentMethodRequired, PaymentReversed,
};
use proptest::prelude::*;

use super::*;
use crate::order::{payment::Held, snapshot::Snapshot};

/// Anything that can happen to an order from outside.
#[derive(Debug, Clone)]
enum Step {
    Authorize(bool),
    Decline,
    Capture,
    Void,
    Cancel,
    OutOfStock,
    TimePasses(i64),
    RequireAction,
    RequireMethod(u32),
    GiveMethod,
    FailCapture,
    Reverse,
    Release,
    Process,
    Complete,
    RefundRest,
    RefundAmount(i64),
    RefundUnits(usize, i64),
    SettleRefund(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Authorize),
        1 => Just(Step::Decline),
        3 => Just(Step::Capture),
        1 => Just(Step::Void),
        1 => Just(Step::Cancel),
        1 => Just(Step::OutOfStock),
        2 => (0_i64..4_000_000).prop_map(Step::TimePasses),
        2 => Just(Step::RequireAction),
        2 => (0_u32..3).prop_map(Step::RequireMethod),
        2 => Just(Step::GiveMethod),
        1 => Just(Step::FailCapture),
        1 => Just(Step::Reverse),
        2 => Just(Step::Release),
        2 => Just(Step::Process),
        2 => Just(Step::Complete),
        1 => Just(Step::RefundRest),
        4 => (1_i64..40_000).prop_map(Step::RefundAmount),
        4 => (0_usize..3, 1_i64..4).prop_map(|(line, quantity)| Step::RefundUnits(line, quantity)),
        5 => (0_usize..6, any::<bool>()).prop_map(|(refund, ok)| Step::SettleRefund(refund, ok)),
    ]
}

fn take(history: &mut History, step: Step, number: u128) {
    let total = history.total();
    let order = &history.order;
    let facts = match step {
        Step::Authorize(whole) => order.payment_authorized(authorized(if whole { total } else { total - 1 })),
        Step::Decline => order.payment_declined(declined()),
        Step::Capture if order.payment.authorized.amount_minor > 0 => {
            order.payment_captured(captured(order.payment.authorized.amount_minor))
        }
        // A deposit: nothing was heard of its money before.
        Step::Capture => order.payment_captured(captured(total)),
        Step::Void => order.payment_voided(&voided()),
        Step::Cancel => order.cancel("no".to_owned()).unwrap_or_default(),
        Step::OutOfStock => order.run_out_of_stock(),
        Step::TimePasses(seconds) => {
            history.seconds += seconds;
            history.order.take_due_step(at(history.seconds))
        }
        Step::RequireAction => {
            let action = PaymentAction::Redirect { url: "https://pay.example/1".to_owned() };
            order.payment_action_required(PaymentActionRequired { payment_id: id(50), order_id: id(1), action })
        }
        Step::RequireMethod(attempts_left) => {
            let reason = "insufficient_funds".to_owned();
            let (payment_id, order_id) = (id(50), id(1));
            order.payment_method_required(PaymentMethodRequired { payment_id, order_id, reason, attempts_left })
        }
        Step::GiveMethod => order.give_payment_method(method()).unwrap_or_default(),
        Step::FailCapture => {
            let (amount, reason) = (order.terms.totals.total, "card_expired".to_owned());
            order.payment_capture_failed(PaymentCaptureFailed { payment_id: id(50), order_id: id(1), amount, reason })
        }
        // Only a deposit is taken back, and here only one of which nothing has gone back.
        Step::Reverse if order.payment.held == Held::Deposit && order.refunds.is_empty() => {
            let captured_total = krw(0);
            order.payment_reversed(PaymentReversed { payment_id: id(50), order_id: id(1), captured_total })
        }
        Step::Reverse => Vec::new(),
        Step::Release => order.release().unwrap_or_default(),
        Step::Process if order.status == OrderStatus::Confirmed => vec![Fact::ProcessingStarted(Nothing {})],
        Step::Complete if order.status == OrderStatus::Processing => vec![Fact::Completed(Nothing {})],
        Step::Process | Step::Complete => Vec::new(),
        Step::RefundRest | Step::RefundAmount(_) | Step::RefundUnits(..) => {
            let lines = &order.terms.lines;
            let scope = match step {
                Step::RefundAmount(amount) => RefundScope::Amount(krw(amount)),
                Step::RefundUnits(line, quantity) => {
                    let line_id = lines[line % lines.len()].id;
                    RefundScope::Units(vec![RefundUnits { line_id, quantity, restock: true }])
                }
                _ => RefundScope::Rest,
            };
            order.request_refund(id(number), &scope, "broken".to_owned()).unwrap_or_default()
        }
        Step::SettleRefund(index, ok) => {
            let Some(refund) =
                order.refunds.iter().filter(|refund| refund.status == RefundStatus::Requested).nth(index)
            else {
                return;
            };
            let (number, amount) = (refund.id.as_uuid().as_u128(), refund.amount.amount_minor);
            if ok {
                let total = order.payment.refunded.amount_minor + amount;
                order.payment_refunded(refunded(Some(number), amount, total), event())
            } else {
                order.refund_failed(failed(number, amount), event())
            }
        }
    };
    if !facts.is_empty() {
        history.let_happen(facts);
    }
}

fn method() -> contracts::order::PaymentMethod {
    contracts::order::PaymentMethod { provider: "sandbox".to_owned(), token: "tok_other".to_owned() }
}

proptest! {
    #[test]
    fn whatever_happens_money_and_history_stay_right(steps in proptest::collection::vec(step(), 0..40)) {
        let mut history = History::placed();
        for (index, step) in steps.into_iter().enumerate() {
            take(&mut history, step, 100 + index as u128);
            let order = &history.order;
            let (captured, refunded) = (order.payment.captured.amount_minor, order.payment.refunded.amount_minor);
            let in_flight = order.refunds_in_flight().unwrap().amount_minor;
            prop_assert!(refunded + in_flight <= captured, "{refunded} + {in_flight} of {captured}");
            prop_assert!(captured <= order.payment.authorized.amount_minor);
            if order.status == OrderStatus::Confirmed && !order.released && order.payment.reversed.is_none() {
                prop_assert_eq!(order.payment.authorized, order.terms.totals.total);
            }
        }
        let folded = Order::fold(history.order.id, &history.stream).unwrap();
        prop_assert!(folded == history.order);
        prop_assert_eq!(broken_link(history.order.id, &history.stream), None);
    }

    #[test]
    fn a_snapshot_and_what_came_after_it_are_the_whole(
        steps in proptest::collection::vec(step(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut history = History::placed();
        for (index, step) in steps.into_iter().enumerate() {
            take(&mut history, step, 100 + index as u128);
        }
        let (id, stream) = (history.order.id, &history.stream);
        let version = cut.index(stream.len()) + 1;
        let past = Order::fold(id, &stream[..version]).unwrap();
        let snapshot = Snapshot::take(&past).unwrap();
        prop_assert!(snapshot.open(id).is_some_and(|opened| opened == past));
        let resumed = Order::resume(id, &snapshot, &stream[version - 1..]);
        prop_assert!(resumed.is_some_and(|resumed| resumed == history.order));
        // What does not belong together is not put together.
        prop_assert!(Order::resume(id, &snapshot, &stream[version..]).is_none_or(|resumed| resumed == past));
        let newer = Snapshot { schema: snapshot.schema + 1, ..snapshot.clone() };
        prop_assert!(Order::resume(id, &newer, &stream[version - 1..]).is_none());
        let other = Snapshot { hash: [9; 32], ..snapshot.clone() };
        prop_assert!(Order::resume(id, &other, &stream[version - 1..]).is_none());
        let broken = Snapshot { state: snapshot.state[1..].to_owned(), ..snapshot };
        prop_assert!(Order::resume(id, &broken, &stream[version - 1..]).is_none());
    }
}
