//! The invariants of orders, checked on stored data by `jangteo verify`, by tests and by the simulator.

use std::time::Duration;

use chassis::StoreError;
use contracts::order::{OrderId, OrderStatus};
use jiff::Timestamp;

use crate::{
    order::{
        Order,
        refund::RefundStatus,
        saga::{Saga, SagaStep},
        snapshot::{SNAPSHOT_SCHEMA, Snapshot},
        status,
        stream::{StoredFact, broken_link},
    },
    store::{Audited, OrderStore, OrderSummary, sqlite::SqliteStore},
};

/// Orders read at once.
const BATCH_LEN: u32 = 200;
/// How long a step may be overdue before it is a violation.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Streams without an order that are named.
const ORPHANS_MAX: u32 = 1000;

/// What the examination of the stored orders found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must never be; one sentence each.
    pub violations: Vec<String>,
    /// What the running services have yet to settle; nothing is left of it once they come to rest.
    pub in_progress: Vec<String>,
}

/// What is wrong with the stored orders; one sentence per violation.
pub async fn verify(store: &SqliteStore) -> Result<Vec<String>, StoreError> {
    Ok(examine(store).await?.violations)
}

/// Examines every stored order, a batch at a time. What is overdue is measured by the last thing that was stored, not
/// by the clock: a shop that does not run moves nothing on, and that is no fault of its data.
pub async fn examine(store: &SqliteStore) -> Result<Findings, StoreError> {
    let mut findings = Findings::default();
    let now = store.last_activity().await?.unwrap_or(Timestamp::MIN);
    let mut after = None;
    loop {
        let batch = store.audit(after, BATCH_LEN).await?;
        let Some(last) = batch.last().map(|audited| audited.id) else { break };
        batch.into_iter().for_each(|audited| findings.judge(audited, now));
        after = Some(last);
    }
    for id in store.list_orphans(ORPHANS_MAX).await? {
        findings.violations.push(format!("order: {id} has events, but is in no list"));
    }
    Ok(findings)
}

impl Findings {
    fn wrong(&mut self, id: OrderId, what: impl std::fmt::Display) {
        self.violations.push(format!("order: {id}: {what}"));
    }

    fn open(&mut self, id: OrderId, what: impl std::fmt::Display) {
        self.in_progress.push(format!("order: {id}: {what}"));
    }

    fn judge(&mut self, audited: Audited, now: Timestamp) {
        let id = audited.id;
        let stream = match audited.stream {
            Ok(stream) => stream,
            Err(error) => return self.wrong(id, error),
        };
        if let Some(broken) = broken_link(id, &stream) {
            self.wrong(id, broken);
        }
        let Some(order) = self.fold(id, &stream) else { return };
        match audited.summary {
            Ok(summary) if summary == OrderSummary::of(&order) => {}
            Ok(_) => self.wrong(id, "its row in the list of orders is not what its events say"),
            Err(error) => self.wrong(id, error),
        }
        match audited.cart_order_id {
            Some(ordered) if ordered != Some(id.to_string()) => {
                self.wrong(id, format_args!("its cart {} says it became another order or none", order.terms.cart_id));
            }
            _ => {}
        }
        match audited.snapshot {
            Ok(Some(snapshot)) => self.judge_snapshot(id, &snapshot, &stream),
            Ok(None) => {}
            Err(error) => self.wrong(id, error),
        }
        self.judge_money(&order);
        self.judge_units(&order);
        self.judge_progress(&order);
        self.judge_saga(&order, now);
    }

    /// A snapshot of another schema is not read by anybody.
    fn judge_snapshot(&mut self, id: OrderId, snapshot: &Snapshot, stream: &[StoredFact]) {
        let past = usize::try_from(snapshot.version).ok().and_then(|version| stream.get(..version));
        let folded = past.and_then(|past| Order::fold(id, past).ok());
        if snapshot.schema == SNAPSHOT_SCHEMA && (folded.is_none() || snapshot.open(id) != folded) {
            self.wrong(id, format_args!("its snapshot of event {} is not what its events say", snapshot.version));
        }
    }

    fn judge_saga(&mut self, order: &Order, now: Timestamp) {
        let Some(Saga { step, attempts, due_at }) = Saga::of(order) else { return };
        let id = order.id;
        match due_at {
            None => self.wrong(id, format_args!("its money did not come after {attempts} reminders")),
            Some(due_at) if due_at.checked_add(PATIENCE).is_ok_and(|end| end < now) => {
                self.wrong(id, format_args!("its step `{}` is overdue since {due_at}", step.name()));
            }
            Some(due_at) => match step {
                SagaStep::Authorize => self.open(id, format_args!("waits for its payment until {due_at}")),
                SagaStep::Capture => self.open(id, "its money is to be captured"),
                SagaStep::Close => {}
            },
        }
    }

    fn fold(&mut self, id: OrderId, stream: &[StoredFact]) -> Option<Order> {
        Order::fold(id, stream).map_err(|error| self.wrong(id, format_args!("its events make no order: {error}"))).ok()
    }

    fn judge_money(&mut self, order: &Order) {
        use OrderStatus::{Closed, Completed, Confirmed, Processing};
        let (id, payment, total) = (order.id, &order.payment, order.terms.totals.total);
        let confirmed = matches!(order.status, Confirmed | Processing | Completed | Closed);
        let excused = payment.reversed.is_some() || order.released;
        if confirmed && !excused && (!payment.is_held() || payment.authorized != total) {
            self.wrong(id, format_args!("confirmed with {} authorized of {total}", payment.authorized));
        }
        if payment.captured.amount_minor > payment.authorized.amount_minor {
            self.wrong(id, format_args!("captured {} of {} authorized", payment.captured, payment.authorized));
        }
        match order.refundable() {
            Ok(left) if left.amount_minor < 0 && !status::is_undone(order.status) => {
                self.wrong(id, "refunds, with those in flight, exceed what was captured");
            }
            Err(error) => self.wrong(id, error),
            Ok(_) => {}
        }
        if payment.refunded.amount_minor > payment.captured.amount_minor {
            self.wrong(id, format_args!("refunded {} of {} captured", payment.refunded, payment.captured));
        }
    }

    /// Every unit is in one place, and is paid back once.
    fn judge_units(&mut self, order: &Order) {
        for line in &order.terms.lines {
            let units = order.units(line);
            if units.cancelled + units.packing + units.sent > units.quantity || units.open() < 0 {
                self.wrong(order.id, format_args!("{units:?} of line {}: more than were sold", line.id));
            }
            if units.returned + units.returning > units.sent || units.returned > units.fulfilled() {
                self.wrong(order.id, format_args!("{units:?} of line {}: more come back than left", line.id));
            }
            match order.paid_for(line) {
                Ok(paid) if paid.units > line.quantity || paid.amount.amount_minor > line.total.amount_minor => {
                    self.wrong(order.id, format_args!("{} units of line {} are paid back", paid.units, line.id));
                }
                Err(error) => self.wrong(order.id, error),
                Ok(_) => {}
            }
        }
    }

    fn judge_progress(&mut self, order: &Order) {
        let (id, payment) = (order.id, &order.payment);
        let kept = payment.captured.amount_minor - payment.refunded.amount_minor;
        if status::is_undone(order.status) && kept > 0 {
            let failed = order.refunds.iter().any(|refund| refund.status == RefundStatus::Failed);
            let open = order.refunds.iter().any(|refund| refund.status == RefundStatus::Requested);
            if failed && !open {
                self.wrong(id, format_args!("{} with money kept: a refund failed", status::name(order.status)));
            } else {
                self.open(id, "its money is on its way back");
            }
        } else if status::is_undone(order.status)
            && payment.authorized.amount_minor > 0
            && payment.captured.amount_minor == 0
            && !payment.voided
        {
            self.open(id, "its authorization is to be let go");
        } else if order.refunds.iter().any(|refund| refund.status == RefundStatus::Requested) {
            self.open(id, "a refund is on its way");
        }
        if payment.reversed.is_some() && !status::is_undone(order.status) {
            self.open(id, "its deposit was taken back");
        }
    }
}
