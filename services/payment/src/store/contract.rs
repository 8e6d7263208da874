//! What every store must do, as plain functions over the port; each adapter runs [`all`].

use std::{sync::Arc, time::Duration};

use chassis::idempotency::{IdempotencyKey, Receipt};
use contracts::{
    Currency, Envelope, Event as _, Money,
    event::EventId,
    order::{OrderEvent, OrderId, PaymentMethod, RefundId, RefundRequested},
    payment::{PaymentAction, PaymentId},
};
use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

use super::{ChangeError, Lookup, OrderNews, PaymentRecord, PaymentStore, ProviderEvent, Taken};
use crate::{
    payment::{
        Change, Command, Ids, NewPayment, OperationKind, Payment, PaymentState, Policy, Refused, Reply, ledger::Account,
    },
    provider::{MoneySeen, Outcome, ProviderStatus, Snapshot},
    verify::verify,
};

const AMOUNT: i64 = 9_000;

/// Runs the suite; `fresh` opens an empty store each time.
pub(super) async fn all(fresh: impl Fn() -> Arc<dyn PaymentStore>) {
    opens_one_payment_per_order(fresh()).await;
    keeps_what_was_done(fresh()).await;
    remembers_orders_that_ended_first(fresh()).await;
    takes_a_provider_event_once(fresh()).await;
    forgets_old_provider_events(fresh()).await;
    changes_nothing_when_refused(fresh()).await;
    keeps_refunds_within_what_was_captured(fresh()).await;
    keeps_every_attempt_and_what_the_buyer_has_to_do(fresh()).await;
    keeps_captures_within_what_was_authorized(fresh()).await;
    lists_newest_first(fresh()).await;
}

fn id<T: From<Uuid>>(number: u128) -> T {
    T::from(Uuid::from_u128(number))
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn change(number: u128) -> Change {
    Change::new(now(), Ids::new(Uuid::from_u128(number << 70)), Policy::default())
}

fn won(amount: i64) -> Money {
    Money::new(amount, Currency::KRW)
}

fn envelope(number: u128) -> Envelope {
    let event = OrderEvent::RefundRequested(RefundRequested {
        order_id: id(1),
        refund_id: id(1),
        amount: won(1),
        reason: String::new(),
        restock: Vec::new(),
    });
    event.seal(id::<EventId>(number), "order".to_owned(), now(), None).unwrap()
}

fn placed(number: u128) -> OrderNews {
    OrderNews::Placed {
        new: NewPayment {
            id: id(number),
            order_id: id(number),
            amount: won(AMOUNT),
            provider: "sandbox".to_owned(),
            method_token: "tok".to_owned(),
            pay_by: now() + Duration::from_secs(60),
        },
        provider_known: true,
    }
}

fn seen(status: ProviderStatus, captured_minor: i64, refunds: Vec<MoneySeen>) -> Snapshot {
    Snapshot {
        reference: id::<PaymentId>(1).to_string(),
        provider_ref: "auth_1".to_owned(),
        status,
        sequence: 0,
        action: None,
        amount: won(AMOUNT),
        captured_minor,
        captures: Vec::new(),
        refunds,
        decline_code: None,
        decline_retryable: false,
    }
}

fn told(event: &str, about: u128, snapshot: Snapshot) -> ProviderEvent {
    ProviderEvent {
        provider: "sandbox".to_owned(),
        event_id: event.to_owned(),
        event_type: "authorization.changed".to_owned(),
        body: b"{}".to_vec(),
        about: Some((id(about), Command::Notice(snapshot))),
    }
}

async fn the(store: &Arc<dyn PaymentStore>, number: u128) -> Payment {
    store.find(Lookup::Payment(id(number))).await.unwrap().unwrap()
}

async fn captured(store: &Arc<dyn PaymentStore>) {
    store.take_order_news(&envelope(1), placed(1), change(1)).await.unwrap();
    let event = told("evt_captured", 1, seen(ProviderStatus::Captured, AMOUNT, Vec::new()));
    assert_eq!(store.take_provider_event(event, change(2)).await.unwrap(), Taken::Applied);
}

async fn opens_one_payment_per_order(store: Arc<dyn PaymentStore>) {
    store.take_order_news(&envelope(1), placed(1), change(1)).await.unwrap();
    store.take_order_news(&envelope(1), placed(1), change(2)).await.unwrap();
    store.take_order_news(&envelope(2), placed(1), change(3)).await.unwrap();
    let payment = store.find(Lookup::Order(id::<OrderId>(1))).await.unwrap().unwrap();
    assert_eq!((payment.version, payment.operations.len()), (1, 1));
    assert_eq!(store.find(Lookup::Payment(id(9))).await.unwrap(), None);
}

async fn keeps_what_was_done(store: Arc<dyn PaymentStore>) {
    store.take_order_news(&envelope(1), placed(1), change(1)).await.unwrap();
    let attempt = the(&store, 1).await.operations[0].id;
    let Reply::Send(call) = store.change(id(1), Command::Begin(attempt), change(2)).await.unwrap() else {
        panic!("the first attempt is sent");
    };
    assert_eq!((call.kind, call.amount, call.provider_ref), (OperationKind::Authorize, won(AMOUNT), None));
    assert_eq!(the(&store, 1).await.state, PaymentState::Processing);
    // The process stopped before the answer was recorded: nobody sends again without asking.
    let again = store.change(id(1), Command::Begin(attempt), change(3)).await.unwrap();
    assert!(matches!(again, Reply::Ask(_)), "{again:?}");
    let approved = Outcome::Approved(seen(ProviderStatus::Authorized, 0, Vec::new()));
    store.change(id(1), Command::Answer(attempt, approved), change(4)).await.unwrap();
    store.take_order_news(&envelope(2), OrderNews::Happened(id(1), Command::Confirm), change(5)).await.unwrap();
    let payment = the(&store, 1).await;
    assert_eq!((payment.state, payment.capturing_minor()), (PaymentState::RequiresCapture, AMOUNT));
    assert_eq!(payment.provider_ref.as_deref(), Some("auth_1"));
    let event = told("evt", 1, seen(ProviderStatus::Captured, AMOUNT, Vec::new()));
    store.take_provider_event(event, change(6)).await.unwrap();
    let ledger = store.ledger(id(1)).await.unwrap();
    let sides: Vec<_> = ledger.iter().map(|entry| (entry.account, entry.amount.amount_minor)).collect();
    assert_eq!(sides, [(Account::ProviderReceivable, AMOUNT), (Account::Sales, -AMOUNT)]);
    assert_eq!(verify(&*store, now()).await.unwrap(), Vec::<String>::new());
}

async fn remembers_orders_that_ended_first(store: Arc<dyn PaymentStore>) {
    let ended = OrderNews::Happened(id(1), Command::End { expired: false });
    store.take_order_news(&envelope(1), ended, change(1)).await.unwrap();
    store.take_order_news(&envelope(2), placed(1), change(2)).await.unwrap();
    assert_eq!(store.find(Lookup::Order(id::<OrderId>(1))).await.unwrap(), None);
    let confirmed = OrderNews::Happened(id(2), Command::Confirm);
    let refused = store.take_order_news(&envelope(3), confirmed.clone(), change(3)).await;
    assert!(matches!(refused, Err(ChangeError::NoPayment)), "{refused:?}");
    // Refused is not taken: once there is a payment, the same event is.
    store.take_order_news(&envelope(4), placed(2), change(4)).await.unwrap();
    store.take_order_news(&envelope(3), confirmed, change(5)).await.unwrap();
    assert_eq!(the(&store, 2).await.version, 2);
}

async fn forgets_old_provider_events(store: Arc<dyn PaymentStore>) {
    captured(&store).await;
    let later = now() + Duration::from_secs(1);
    assert_eq!(store.forget_provider_events(now(), 10).await.unwrap(), 0, "what was received then stays");
    let forgotten = store.forget_provider_events(later, 10).await.unwrap();
    assert!(forgotten > 0);
    assert_eq!(store.forget_provider_events(later, 10).await.unwrap(), 0);
    // What is told again is old news and changes nothing.
    let before = the(&store, 1).await;
    let again = told("evt_captured", 1, seen(ProviderStatus::Captured, AMOUNT, Vec::new()));
    assert_eq!(store.take_provider_event(again, change(900)).await.unwrap(), Taken::Stale);
    assert_eq!(the(&store, 1).await, before);
}

async fn takes_a_provider_event_once(store: Arc<dyn PaymentStore>) {
    captured(&store).await;
    let version = the(&store, 1).await.version;
    for (event, taken) in [
        (told("evt_captured", 1, seen(ProviderStatus::Voided, 0, Vec::new())), Taken::Duplicate),
        (told("evt_late", 1, seen(ProviderStatus::Authorized, 0, Vec::new())), Taken::Stale),
        (told("evt_other", 7, seen(ProviderStatus::Captured, AMOUNT, Vec::new())), Taken::Unmatched),
        (
            ProviderEvent {
                provider: "toss".to_owned(),
                ..told("evt_x", 1, seen(ProviderStatus::Voided, 0, Vec::new()))
            },
            Taken::Unmatched,
        ),
        (
            ProviderEvent { about: None, ..told("evt_y", 1, seen(ProviderStatus::Voided, 0, Vec::new())) },
            Taken::Unmatched,
        ),
    ] {
        assert_eq!(store.take_provider_event(event, change(10)).await.unwrap(), taken);
    }
    assert_eq!(the(&store, 1).await.version, version);
}

async fn changes_nothing_when_refused(store: Arc<dyn PaymentStore>) {
    store.take_order_news(&envelope(1), placed(1), change(1)).await.unwrap();
    let before = the(&store, 1).await;
    let unknown = store.change(id(1), Command::Begin(id(99)), change(2)).await;
    assert!(matches!(unknown, Err(ChangeError::Refused(Refused::NoOperation(_)))), "{unknown:?}");
    let nobody = store.change(id(8), Command::Confirm, change(3)).await;
    assert!(matches!(nobody, Err(ChangeError::NoPayment)), "{nobody:?}");
    assert_eq!(the(&store, 1).await, before);
}

async fn keeps_refunds_within_what_was_captured(store: Arc<dyn PaymentStore>) {
    captured(&store).await;
    let part = AMOUNT / 3;
    let requests = (1..=5_u128).map(|number| {
        let store = Arc::clone(&store);
        async move {
            let refund =
                Command::Refund { refund_id: id::<RefundId>(number), amount: won(part), reason: "late".to_owned() };
            let news = OrderNews::Happened(id(1), refund);
            store.take_order_news(&envelope(100 + number), news, change(100 + number)).await.unwrap();
        }
    });
    join_all(requests).await;
    let payment = the(&store, 1).await;
    assert_eq!((payment.refunding_minor(), payment.refundable_minor()), (AMOUNT, 0));
    let refunds = payment.operations.iter().filter(|operation| operation.kind == OperationKind::Refund);
    let done = refunds
        .map(|refund| MoneySeen {
            reference: refund.id.to_string(),
            provider_ref: format!("rfnd_{}", refund.id),
            amount_minor: refund.amount_minor,
        })
        .collect();
    let event = told("evt_refunded", 1, seen(ProviderStatus::Captured, AMOUNT, done));
    store.take_provider_event(event, change(300)).await.unwrap();
    let payment = the(&store, 1).await;
    assert_eq!((payment.refunded_minor, payment.refunding_minor()), (AMOUNT, 0));
    assert_eq!(verify(&*store, now()).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.unbalanced().await.unwrap(), Vec::<String>::new());
}

async fn keeps_every_attempt_and_what_the_buyer_has_to_do(store: Arc<dyn PaymentStore>) {
    store.take_order_news(&envelope(1), placed(1), change(1)).await.unwrap();
    let declined = Snapshot { decline_retryable: true, ..seen(ProviderStatus::Declined, 0, Vec::new()) };
    store.take_provider_event(told("evt_1", 1, declined), change(2)).await.unwrap();
    let payment = the(&store, 1).await;
    assert_eq!((payment.state, payment.operations[0].method_token.as_deref()), (PaymentState::RequiresMethod, None));
    let method = PaymentMethod { provider: "toss".to_owned(), token: "second".to_owned() };
    let given = OrderNews::Happened(id(1), Command::GiveMethod { method, provider_known: true });
    store.take_order_news(&envelope(2), given, change(3)).await.unwrap();
    let payment = the(&store, 1).await;
    let second = payment.operations[1].clone();
    assert_eq!((payment.provider.as_str(), second.method_token.as_deref()), ("toss", Some("second")));
    let action = PaymentAction::Redirect { url: "https://bank.example/3ds".to_owned() };
    let asked = Snapshot {
        reference: second.reference.clone(),
        provider_ref: "auth_2".to_owned(),
        action: Some(action.clone()),
        sequence: 7,
        ..seen(ProviderStatus::RequiresAction, 0, Vec::new())
    };
    store.change(id(1), Command::Look(asked), change(4)).await.unwrap();
    let payment = the(&store, 1).await;
    assert_eq!(
        (payment.state, payment.action, payment.provider_sequence),
        (PaymentState::RequiresAction, Some(action), 7)
    );
    assert_eq!(verify(&*store, now()).await.unwrap(), Vec::<String>::new());
}

async fn keeps_captures_within_what_was_authorized(store: Arc<dyn PaymentStore>) {
    store.take_order_news(&envelope(1), placed(1), change(1)).await.unwrap();
    let authorized = told("evt_1", 1, seen(ProviderStatus::Authorized, 0, Vec::new()));
    store.take_provider_event(authorized, change(2)).await.unwrap();
    let orders = (1..=5_u128).map(|number| {
        let store = Arc::clone(&store);
        async move {
            let key = IdempotencyKey { scope: "staff".to_owned(), key: number.to_string(), request_hash: [0; 32] };
            let receipt = Receipt::new(key, |record: &PaymentRecord| {
                chassis::http::answer(http::StatusCode::CREATED, &record.payment.version)
            });
            let command = Command::Capture { amount_minor: Some(AMOUNT / 3) };
            store.instruct(id(1), command, change(100 + number), receipt).await
        }
    });
    let outcomes = join_all(orders).await;
    let refused = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(ChangeError::Refused(Refused::ExceedsAuthorized(0)))))
        .count();
    assert_eq!(refused, 2, "{outcomes:?}");
    let payment = the(&store, 1).await;
    assert_eq!((payment.capturing_minor(), payment.capturable_minor()), (AMOUNT, 0));
}

async fn lists_newest_first(store: Arc<dyn PaymentStore>) {
    for number in 1..=3 {
        store.take_order_news(&envelope(number), placed(number), change(number)).await.unwrap();
    }
    let ids = |payments: Vec<Payment>| -> Vec<PaymentId> { payments.iter().map(|payment| payment.id).collect() };
    assert_eq!(ids(store.list(None, 2).await.unwrap()), [id(3), id(2)]);
    assert_eq!(ids(store.list(Some(id(2)), 2).await.unwrap()), [id(1)]);
    assert_eq!(store.last_change().await.unwrap(), Some(now()));
    let records = store.records(Some(id(1)), 5).await.unwrap();
    assert_eq!(records.iter().map(|record| record.payment.id).collect::<Vec<PaymentId>>(), [id(2), id(3)]);
}
