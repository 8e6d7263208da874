//! The invariants of this service, each a pure function, judged on live data by `jangteo verify`.

use std::time::Duration;

use chassis::StoreError;
use jiff::Timestamp;

use crate::{
    payment::{
        CaptureMethod, Operation, OperationKind, OperationState, OrderPhase, Payment, PaymentState, ledger::Account,
    },
    store::{PaymentRecord, PaymentStore},
};

const PAGE_LEN: u32 = 200;
/// An operation that did not move for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(3600);

/// Judges every payment and the whole ledger. Answers one sentence per violation.
pub async fn verify(store: &dyn PaymentStore, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let mut violations: Vec<String> =
        store.unbalanced().await?.into_iter().map(|id| format!("{id}: its entries do not sum to zero")).collect();
    // On a shop that stands still, nothing is late: time counts up to the last thing that happened.
    let now = store.last_change().await?.map_or(now, |last| last.min(now));
    let mut after = None;
    loop {
        let records = store.records(after, PAGE_LEN).await?;
        let Some(last) = records.last() else { return Ok(violations) };
        after = Some(last.payment.id);
        for record in &records {
            let found = judge(record).into_iter().chain(stuck(&record.payment, now));
            violations.extend(found.map(|what| format!("{}: {what}", record.payment.id)));
        }
    }
}

/// What is wrong with a payment at any moment.
pub fn judge(record: &PaymentRecord) -> Vec<String> {
    let PaymentRecord { payment, ledger } = record;
    let mut wrong = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let (captured, refunded) = (payment.captured_minor, payment.refunded_minor);
    demand(captured + payment.capturing_minor() <= payment.amount.amount_minor.max(0), "more captured than authorized");
    demand(refunded + payment.refunding_minor() <= captured, "more refunded, or about to be, than captured");
    demand(authorizations(payment) <= 1, "more than one authorization");
    let settled = |operation: &&Operation| !operation.in_flight() && operation.method_token.is_some();
    demand(payment.operations.iter().find(settled).is_none(), "a payment method is kept after its attempt");
    let waits = matches!(payment.state, PaymentState::RequiresAction | PaymentState::AwaitingDeposit);
    demand(waits == payment.action.is_some(), "it waits for the buyer without saying for what, or the other way round");
    let promised: i64 = of(payment, OperationKind::Refund, OperationState::Waiting).sum();
    demand(
        promised == 0 || refunded + payment.refunding_minor() + promised <= payment.amount.amount_minor,
        "more refunds wait than can ever be captured",
    );
    let balance = |account| -> i64 {
        ledger.iter().filter(|entry| entry.account == account).map(|entry| entry.amount.amount_minor).sum()
    };
    demand(balance(Account::ProviderReceivable) == captured - refunded, "the ledger differs from captured - refunded");
    demand(-balance(Account::Sales) == captured, "the ledger's sales differ from what was captured");
    demand(balance(Account::Refunds) == refunded, "the ledger's refunds differ from what was refunded");
    demand(
        ledger.iter().all(|entry| entry.amount.currency == payment.amount.currency),
        "the ledger is in another currency",
    );
    let refunds: i64 = of(payment, OperationKind::Refund, OperationState::Succeeded).sum();
    demand(refunds == refunded, "the refunds do not sum to what was refunded");
    demand(
        (payment.state == PaymentState::Succeeded) <= (captured == payment.amount.amount_minor),
        "succeeded without being captured in full",
    );
    demand(
        captured == 0 || !payment.state.is_undecided() && payment.state != PaymentState::RequiresCapture,
        "captured before it was authorized",
    );
    wrong
}

/// The amounts of the operations of `kind` that are `state`.
fn of(payment: &Payment, kind: OperationKind, state: OperationState) -> impl Iterator<Item = i64> {
    payment
        .operations
        .iter()
        .filter(move |operation| operation.kind == kind && operation.state == state)
        .map(|operation| operation.amount_minor)
}

fn authorizations(payment: &Payment) -> usize {
    let is_one = |kind, state| kind == OperationKind::Authorize && state != OperationState::Failed;
    payment.operations.iter().filter(|operation| is_one(operation.kind, operation.state)).count()
}

/// What does not move and should.
fn stuck(payment: &Payment, now: Timestamp) -> Vec<String> {
    let old = |at: Timestamp| now.duration_since(at) > jiff::SignedDuration::try_from(STUCK_AFTER).unwrap_or_default();
    let mut stuck: Vec<String> = payment
        .operations
        .iter()
        .filter(|operation| operation.in_flight() && old(operation.updated_at) && old(payment.pay_by))
        .map(|operation| format!("{} is {} for over an hour", operation.id, operation.state.as_str()))
        .collect();
    let idle = payment.operations.iter().all(|operation| !operation.in_flight());
    let unfinished = match (payment.order_phase, payment.state) {
        (_, PaymentState::Conflicted) => Some("the provider contradicts the record; a person has to decide"),
        (OrderPhase::Confirmed, PaymentState::RequiresCapture)
            if payment.capture_method == CaptureMethod::Automatic =>
        {
            Some("the order is confirmed and not captured")
        }
        (OrderPhase::Open, PaymentState::RequiresMethod) if old(payment.pay_by) => {
            Some("it waits for a payment method that the order does not wait for any more")
        }
        (
            OrderPhase::Ended,
            PaymentState::RequiresMethod | PaymentState::RequiresAction | PaymentState::AwaitingDeposit,
        ) => Some("the order ended and its payment still waits for the buyer"),
        (OrderPhase::Ended, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured) => {
            Some("the order ended and its money is still held")
        }
        (OrderPhase::Ended, PaymentState::Succeeded | PaymentState::Closed) if payment.refundable_minor() > 0 => {
            Some("the order ended and its money was kept")
        }
        _ => None,
    };
    if idle && let Some(what) = unfinished {
        stuck.push(what.to_owned());
    }
    stuck
}

#[cfg(test)]
mod tests {
    use contracts::{
        Currency, Money,
        order::{OrderId, RefundId},
        payment::{PaymentAction, PaymentId},
    };
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::{judge, stuck};
    use crate::{
        payment::{
            Change, Command, Ids, NewPayment, OperationState, OrderPhase, Payment, PaymentState, Policy, Refused,
        },
        store::PaymentRecord,
    };

    fn payment() -> Payment {
        let mut change = Change::new(Timestamp::UNIX_EPOCH, Ids::new(Uuid::from_u128(9 << 64)), Policy::default());
        let new = NewPayment {
            id: PaymentId::from_uuid(Uuid::from_u128(1)),
            order_id: OrderId::from_uuid(Uuid::from_u128(2)),
            amount: Money::new(500, Currency::KRW),
            provider: "sandbox".to_owned(),
            method_token: "tok".to_owned(),
            pay_by: Timestamp::MAX,
        };
        let mut payment = Payment::open(new, true, &mut change);
        let refund_id = RefundId::from_uuid(Uuid::from_u128(3));
        let refund = Command::Refund { refund_id, amount: Money::new(500, Currency::KRW), reason: String::new() };
        let handled: Result<_, Refused> = payment.handle(refund, &mut change);
        handled.unwrap();
        payment
    }

    #[test]
    fn every_fault_is_found() {
        let wrong = |spoil: fn(&mut Payment)| {
            let mut payment = payment();
            spoil(&mut payment);
            judge(&PaymentRecord { payment, ledger: Vec::new() }).len()
        };
        assert_eq!(wrong(|_| {}), 0);
        let faults: [fn(&mut Payment); 6] = [
            |payment| payment.operations[0].state = OperationState::Failed,
            |payment| payment.state = PaymentState::AwaitingDeposit,
            |payment| payment.action = Some(PaymentAction::Redirect { url: "https://bank.example".to_owned() }),
            |payment| payment.operations[1].amount_minor = 501,
            |payment| payment.operations.push(payment.operations[0].clone()),
            |payment| payment.captured_minor = 500,
        ];
        for (number, fault) in faults.into_iter().enumerate() {
            assert!(wrong(fault) > 0, "fault {number} is not found");
        }
    }

    #[test]
    fn what_waits_for_nobody_is_found() {
        let mut payment = payment();
        payment.operations.clear();
        for (phase, state, expected) in [
            (OrderPhase::Open, PaymentState::RequiresMethod, 0),
            (OrderPhase::Open, PaymentState::AwaitingDeposit, 0),
            (OrderPhase::Confirmed, PaymentState::RequiresCapture, 1),
            (OrderPhase::Ended, PaymentState::RequiresMethod, 1),
            (OrderPhase::Ended, PaymentState::RequiresAction, 1),
            (OrderPhase::Ended, PaymentState::AwaitingDeposit, 1),
            (OrderPhase::Ended, PaymentState::Expired, 0),
        ] {
            (payment.order_phase, payment.state) = (phase, state);
            assert_eq!(stuck(&payment, Timestamp::UNIX_EPOCH).len(), expected, "{phase:?} {state:?}");
        }
        (payment.order_phase, payment.pay_by) = (OrderPhase::Open, Timestamp::UNIX_EPOCH);
        payment.state = PaymentState::RequiresMethod;
        assert_eq!(stuck(&payment, Timestamp::from_second(7_200).unwrap()).len(), 1);
    }
}
