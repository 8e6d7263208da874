//! A payment with its jobs and its provider, worked on step by step.

use std::time::Duration;

use contracts::{
    Currency, Event as _, Money,
    order::{OrderId, PaymentMethod, RefundId},
    payment::{PaymentEvent, PaymentId},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::model::{ModelProvider, refused};
use crate::{
    payment::{
        CaptureMethod, Change, Command, Due, Ids, Job, NewPayment, OrderPhase, Payment, PaymentState, Policy, Refused,
        Reply,
        ledger::{LedgerEntry, Posting},
    },
    provider::{Outcome, ProviderCall, ProviderStatus, QueryError},
    store::PaymentRecord,
    verify::judge,
};

pub(super) const AMOUNT: i64 = 10_000;

pub(super) fn won(amount: i64) -> Money {
    Money::new(amount, Currency::KRW)
}

/// How a call or a job goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Luck {
    Fine,
    LostBefore,
    LostAfter,
    Unreachable,
    Refused,
    CrashBefore,
    CrashAfter,
    /// All is well, but nobody noted that the job is done.
    Repeated,
}

pub(super) struct World {
    pub(super) payment: Payment,
    pub(super) now: Timestamp,
    pub(super) jobs: Vec<Due>,
    pub(super) events: Vec<PaymentEvent>,
    pub(super) provider: ModelProvider,
    policy: Policy,
    postings: Vec<Posting>,
    next_id: u128,
}

impl World {
    pub(super) fn new() -> Self {
        Self::paying_with("tok", CaptureMethod::Automatic)
    }

    pub(super) fn paying_with(token: &str, capture: CaptureMethod) -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let policy = Policy { capture, ..Policy::default() };
        let mut change = Change::new(now, Ids::new(Uuid::from_u128(1 << 64)), policy);
        let new = NewPayment {
            id: PaymentId::from_uuid(Uuid::from_u128(1)),
            order_id: OrderId::from_uuid(Uuid::from_u128(2)),
            amount: won(AMOUNT),
            provider: "model".to_owned(),
            method_token: token.to_owned(),
            pay_by: now + Duration::from_secs(1800),
        };
        let payment = Payment::open(new, true, &mut change);
        Self {
            payment,
            now,
            jobs: change.jobs,
            events: change.events,
            provider: ModelProvider::default(),
            policy,
            postings: Vec::new(),
            next_id: 2,
        }
    }

    pub(super) fn handle(&mut self, command: Command) -> Result<Reply, Refused> {
        self.next_id += 1;
        let mut change = Change::new(self.now, Ids::new(Uuid::from_u128(self.next_id << 64)), self.policy);
        let mut next = self.payment.clone();
        let reply = next.handle(command, &mut change)?;
        self.payment = next;
        self.jobs.extend(change.jobs);
        self.postings.extend(change.postings);
        self.events.extend(change.events);
        self.check();
        Ok(reply)
    }

    pub(super) fn give(&mut self, token: &str) {
        let method = PaymentMethod { provider: "model".to_owned(), token: token.to_owned() };
        self.handle(Command::GiveMethod { method, provider_known: true }).unwrap();
    }

    pub(super) fn end(&mut self) {
        self.handle(Command::End { expired: false }).unwrap();
    }

    pub(super) fn refund(&mut self, number: u128, amount: i64) {
        let refund_id = RefundId::from_uuid(Uuid::from_u128(number));
        self.handle(Command::Refund { refund_id, amount: won(amount), reason: "damaged".to_owned() }).unwrap();
    }

    /// Works on the job at `index`, as the worker does.
    pub(super) fn work(&mut self, index: usize, luck: Luck) {
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
            Job::Look { .. } => match (self.payment.look(), luck) {
                (Some(call), Luck::Fine | Luck::Repeated) => {
                    if let Some(snapshot) = self.provider.query(&call) {
                        self.handle(Command::Look(snapshot)).unwrap();
                    }
                }
                (Some(_), _) => self.jobs.push(due),
                (None, _) => {}
            },
        }
        if luck == Luck::Repeated {
            self.jobs.push(due);
        }
    }

    fn send(&mut self, call: &ProviderCall, luck: Luck, due: Due) {
        let lost = || Outcome::Unknown("lost".to_owned());
        let outcome = match luck {
            Luck::Fine | Luck::Repeated => self.provider.perform(call),
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
            Luck::Fine | Luck::Repeated => Ok(self.provider.query(call)),
            _ => Err(QueryError("lost".to_owned())),
        };
        self.handle(Command::Learn(call.operation_id, answer)).unwrap();
    }

    /// Tells once more what was so at some time.
    pub(super) fn webhook(&mut self, index: usize) {
        if !self.provider.history.is_empty() {
            let snapshot = self.provider.history[index % self.provider.history.len()].clone();
            self.handle(Command::Notice(snapshot)).unwrap();
        }
    }

    /// Tells what is so now.
    pub(super) fn newest_webhook(&mut self) {
        let last = self.provider.history.len().saturating_sub(1);
        self.webhook(last);
    }

    pub(super) fn waits_for_buyer(&self) -> bool {
        matches!(self.payment.state, PaymentState::RequiresAction | PaymentState::AwaitingDeposit)
    }

    /// Works until there is nothing to do, or only to ask whether the buyer has acted.
    pub(super) fn settle(&mut self) {
        for _ in 0..2_000 {
            if self.jobs.is_empty() {
                return;
            }
            let asks = self.jobs.iter().all(|due| matches!(due.job, Job::Inquire { .. }));
            let (version, waits) = (self.payment.version, self.waits_for_buyer());
            self.work(0, Luck::Fine);
            if asks && waits && version == self.payment.version && self.jobs.len() == 1 {
                return;
            }
        }
        panic!("the payment does not come to rest: {:?}", self.payment);
    }

    /// What has to be true at any moment.
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
        let holding = |status| {
            matches!(status, ProviderStatus::Authorized | ProviderStatus::PartiallyCaptured | ProviderStatus::Captured)
        };
        let held = self.provider.authorizations.values().filter(|now| holding(now.status)).count();
        assert!(held <= 1, "authorized twice: {:?}", self.provider.authorizations);
        for name in ["payment.declined", "payment.voided", "payment.capture_failed"] {
            let said = self.names().into_iter().filter(|said| *said == name).count();
            assert!(said <= 1, "{name} was said {said} times: {:?}", self.names());
        }
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.event_type()).collect()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.payment.order_phase == OrderPhase::Ended
    }
}
