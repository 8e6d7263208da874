//! The whole domain against a model of a provider, under every order of answers, losses and webhooks.

use std::{collections::BTreeMap, time::Duration};

use contracts::{Currency, Money, order::OrderId, order::RefundId, payment::PaymentEvent, payment::PaymentId};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    Change, Command, Due, Ids, InquiryPolicy, Job, NewPayment, OperationKind, OperationState, Payment, PaymentState,
    Refused, Reply,
    ledger::{LedgerEntry, Posting},
};
use crate::{
    provider::{Outcome, ProviderCall, ProviderStatus, RefundSeen, Snapshot},
    store::PaymentRecord,
    verify::judge,
};

const AMOUNT: i64 = 10_000;

fn won(amount: i64) -> Money {
    Money::new(amount, Currency::KRW)
}

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Luck {
    Fine,
    LostBefore,
    LostAfter,
    Unreachable,
    Refused,
    CrashBefore,
    CrashAfter,
}

/// A provider that keeps every snapshot it ever had, so that old news can be told again.
#[derive(Default)]
struct ModelProvider {
    now: Option<Snapshot>,
    history: Vec<Snapshot>,
    done: BTreeMap<String, ()>,
    authorizations: u32,
}

impl ModelProvider {
    fn perform(&mut self, call: &ProviderCall) -> Outcome {
        let key = call.operation_id.to_string();
        if self.done.contains_key(&key) {
            return self.now.clone().map_or_else(refused, Outcome::Approved);
        }
        let amount = call.amount.amount_minor;
        let held = self.now.as_ref().map(|now| now.status);
        match (call.kind, held, &mut self.now) {
            (OperationKind::Authorize, _, now) => {
                self.authorizations += 1;
                *now = Some(Snapshot {
                    reference: call.payment_id.to_string(),
                    provider_ref: "auth_1".to_owned(),
                    status: ProviderStatus::Authorized,
                    amount: call.amount,
                    captured_minor: 0,
                    refunds: Vec::new(),
                    decline_code: None,
                });
            }
            (OperationKind::Capture, Some(ProviderStatus::Authorized), Some(now)) => {
                now.captured_minor += amount;
                now.status = ProviderStatus::Captured;
            }
            (OperationKind::Void, Some(ProviderStatus::Authorized), Some(now)) => now.status = ProviderStatus::Voided,
            (OperationKind::Refund, Some(ProviderStatus::Captured), Some(now)) => {
                let given: i64 = now.refunds.iter().map(|refund| refund.amount_minor).sum();
                if given + amount > now.captured_minor {
                    return refused();
                }
                now.refunds.push(RefundSeen {
                    reference: key.clone(),
                    provider_ref: key.clone(),
                    amount_minor: amount,
                });
            }
            _ => return refused(),
        }
        self.done.insert(key, ());
        self.history.extend(self.now.clone());
        self.now.clone().map_or_else(refused, Outcome::Approved)
    }
}

fn refused() -> Outcome {
    Outcome::Declined { code: "refused".to_owned(), provider_ref: None }
}

struct World {
    payment: Payment,
    now: Timestamp,
    next_id: u128,
    jobs: Vec<Due>,
    postings: Vec<Posting>,
    events: Vec<PaymentEvent>,
    provider: ModelProvider,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut change = Change::new(now, Ids::new(Uuid::from_u128(1 << 64)), policy());
        let new = NewPayment {
            id: PaymentId::from_uuid(Uuid::from_u128(1)),
            order_id: OrderId::from_uuid(Uuid::from_u128(2)),
            amount: won(AMOUNT),
            provider: "model".to_owned(),
            method_token: "tok".to_owned(),
            pay_by: now + Duration::from_secs(1800),
        };
        let payment = Payment::open(new, true, &mut change);
        let (jobs, events) = (change.jobs, change.events);
        Self { payment, now, next_id: 2, jobs, postings: Vec::new(), events, provider: ModelProvider::default() }
    }

    fn handle(&mut self, command: Command) -> Result<Reply, Refused> {
        self.next_id += 1;
        let mut change = Change::new(self.now, Ids::new(Uuid::from_u128(self.next_id << 64)), policy());
        let mut next = self.payment.clone();
        let reply = next.handle(command, &mut change)?;
        self.payment = next;
        self.jobs.extend(change.jobs);
        self.postings.extend(change.postings);
        self.events.extend(change.events);
        self.check();
        Ok(reply)
    }

    /// Works on the job at `index`, as the worker does.
    fn work(&mut self, index: usize, luck: Luck) {
        if self.jobs.is_empty() {
            return;
        }
        let due = self.jobs.remove(index % self.jobs.len());
        self.now = self.now.max(due.at);
        match due.job {
            Job::Run { operation_id, .. } => match self.handle(Command::Begin(operation_id)).unwrap() {
                Reply::Send(call) => self.send(&call, luck, due),
                Reply::Ask(call) => self.ask(&call, luck),
                Reply::Done => {}
                Reply::Retry(_) => self.jobs.push(due),
            },
            Job::Inquire { operation_id, inquiry, .. } => {
                if let Some(call) = self.payment.inquiry(operation_id, inquiry) {
                    self.ask(&call, luck);
                }
            }
        }
    }

    fn send(&mut self, call: &ProviderCall, luck: Luck, due: Due) {
        let lost = || Outcome::Unknown("lost".to_owned());
        let outcome = match luck {
            Luck::Fine => self.provider.perform(call),
            Luck::LostBefore => lost(),
            Luck::LostAfter => {
                self.provider.perform(call);
                lost()
            }
            Luck::Unreachable => Outcome::Unreachable("down".to_owned()),
            Luck::Refused => refused(),
            Luck::CrashBefore => return self.jobs.push(due),
            Luck::CrashAfter => {
                self.provider.perform(call);
                return self.jobs.push(due);
            }
        };
        if let Reply::Retry(_) = self.handle(Command::Answer(call.operation_id, outcome)).unwrap() {
            self.jobs.push(due);
        }
    }

    fn ask(&mut self, call: &ProviderCall, luck: Luck) {
        let answer = match luck {
            Luck::Fine => Ok(self.provider.now.clone()),
            _ => Err(crate::provider::QueryError("lost".to_owned())),
        };
        self.handle(Command::Learn(call.operation_id, answer)).unwrap();
    }

    fn webhook(&mut self, index: usize) {
        if !self.provider.history.is_empty() {
            let snapshot = self.provider.history[index % self.provider.history.len()].clone();
            self.handle(Command::Notice(snapshot)).unwrap();
        }
    }

    fn settle(&mut self) {
        for _ in 0..2_000 {
            if self.jobs.is_empty() {
                return;
            }
            self.work(0, Luck::Fine);
        }
        panic!("the payment does not come to rest: {:?}", self.payment);
    }

    fn check(&self) {
        let entries = self.postings.iter().flat_map(|posting| {
            posting.entries().map(|(account, amount)| LedgerEntry {
                transaction_id: posting.id,
                payment_id: self.payment.id,
                account,
                amount: won(amount),
                at: self.now,
            })
        });
        let record = PaymentRecord { payment: self.payment.clone(), ledger: entries.collect() };
        assert_eq!(judge(&record), Vec::<String>::new(), "{:?}", self.payment);
        assert!(self.provider.authorizations <= 1, "authorized twice");
        for name in ["payment.authorized", "payment.declined", "payment.captured", "payment.voided"] {
            let said = self.names().into_iter().filter(|said| *said == name).count();
            assert!(said <= 1, "{name} was said {said} times");
        }
    }

    fn names(&self) -> Vec<&'static str> {
        use contracts::Event as _;
        self.events.iter().map(|event| event.event_type()).collect()
    }
}

fn policy() -> InquiryPolicy {
    InquiryPolicy::default()
}

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
    assert_eq!(world.provider.authorizations, 1);
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
    world.handle(Command::End).unwrap();
    world.webhook(0);
    world.settle();
    assert_eq!(world.payment.state, PaymentState::Canceled);
    assert_eq!(world.names(), ["payment.voided"]);
}

#[test]
fn an_order_that_ends_before_anything_was_sent_asks_nobody() {
    let mut world = World::new();
    world.handle(Command::End).unwrap();
    world.settle();
    assert_eq!((world.payment.state, world.provider.authorizations), (PaymentState::Canceled, 0));
}

#[test]
fn what_was_taken_goes_back_when_the_order_ends() {
    let mut world = World::new();
    world.work(0, Luck::Fine);
    world.handle(Command::Confirm).unwrap();
    world.settle();
    world.handle(Command::End).unwrap();
    world.settle();
    assert_eq!(world.payment.refunded_minor, AMOUNT);
    assert_eq!(world.names(), ["payment.authorized", "payment.captured", "payment.refunded"]);
}

#[test]
fn refunds_never_exceed_what_was_captured() {
    let mut world = World::new();
    world.work(0, Luck::Fine);
    world.handle(Command::Confirm).unwrap();
    let refund = |number: u128, amount: i64| Command::Refund {
        refund_id: RefundId::from_uuid(Uuid::from_u128(number)),
        amount: won(amount),
        reason: "damaged".to_owned(),
    };
    assert_eq!(world.handle(refund(1, 4_000)), Err(Refused::TooEarly));
    world.settle();
    world.handle(refund(1, 6_000)).unwrap();
    world.handle(refund(1, 6_000)).unwrap();
    world.handle(refund(2, 6_000)).unwrap();
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
    let refund_id = RefundId::from_uuid(Uuid::from_u128(1));
    world.handle(Command::Refund { refund_id, amount: won(AMOUNT), reason: "damaged".to_owned() }).unwrap();
    world.handle(Command::End).unwrap();
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
    let mut change = Change::new(Timestamp::UNIX_EPOCH, Ids::new(Uuid::from_u128(9 << 64)), policy());
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

#[derive(Debug, Clone)]
enum Step {
    Confirm,
    End,
    Refund(i64),
    Work(usize, Luck),
    Webhook(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let luck = prop_oneof![
        4 => Just(Luck::Fine),
        1 => Just(Luck::LostBefore),
        2 => Just(Luck::LostAfter),
        1 => Just(Luck::Unreachable),
        1 => Just(Luck::Refused),
        1 => Just(Luck::CrashBefore),
        1 => Just(Luck::CrashAfter),
    ];
    prop_oneof![
        2 => Just(Step::Confirm),
        1 => Just(Step::End),
        2 => (1..=AMOUNT).prop_map(Step::Refund),
        8 => (0..8_usize, luck).prop_map(|(index, luck)| Step::Work(index, luck)),
        3 => (0..8_usize).prop_map(Step::Webhook),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: one authorization, never too much taken or given back, books
    /// that balance; and once faults stop, the record and the provider agree and nothing is kept for an
    /// order that ended.
    #[test]
    fn record_and_provider_converge(steps in prop::collection::vec(step(), 0..40), ends in any::<bool>()) {
        let mut world = World::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Confirm if world.payment.state == PaymentState::RequiresCapture => {
                    world.handle(Command::Confirm).unwrap();
                }
                Step::Confirm => {}
                Step::End => { world.handle(Command::End).unwrap(); }
                Step::Refund(amount) => {
                    let command = Command::Refund {
                        refund_id: RefundId::from_uuid(Uuid::from_u128(number as u128)),
                        amount: won(amount),
                        reason: String::new(),
                    };
                    prop_assert!(matches!(world.handle(command), Ok(_) | Err(Refused::TooEarly)));
                }
                Step::Work(index, luck) => world.work(index, luck),
                Step::Webhook(index) => world.webhook(index),
            }
        }
        world.settle();
        if ends {
            world.handle(Command::End).unwrap();
            world.settle();
        }
        let payment = &world.payment;
        prop_assert!(payment.operations.iter().all(|operation| !operation.in_flight()));
        prop_assert!(payment.state != PaymentState::Conflicted);
        if let Some(provider) = &world.provider.now {
            let given: i64 = provider.refunds.iter().map(|refund| refund.amount_minor).sum();
            prop_assert_eq!(payment.captured_minor, provider.captured_minor);
            prop_assert_eq!(payment.refunded_minor, given);
            let refund_refused = payment.operations.iter().any(|operation| {
                operation.kind == OperationKind::Refund && operation.state == OperationState::Failed
            });
            if ends && !refund_refused {
                let nothing_held = provider.status == ProviderStatus::Voided || given == provider.captured_minor && provider.captured_minor > 0;
                prop_assert!(nothing_held, "kept {:?} for {:?}", provider, payment);
            }
        } else {
            prop_assert_eq!(payment.captured_minor, 0);
        }
    }
}
