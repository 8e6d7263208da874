//! The store in SQLite.

use async_trait::async_trait;
use chassis::{
    StoreError,
    idempotency::{self, Receipt},
    outbox,
    sqlite::{Database, Location, OpenError, Schema},
};
use contracts::{
    event::{Envelope, EventId},
    order::OrderId,
    payment::{PaymentEvent, PaymentId},
};
use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    CONSUMER, ChangeError, Lookup, OrderNews, PROVIDER_CALLS, PaymentRecord, PaymentStore, ProviderEvent, Taken,
};
use crate::payment::{Change, Command, Payment, Reply, ledger::LedgerEntry};

mod ledger;
mod provider_events;
mod rows;
mod schema;

/// The tables, in the order they came to be.
pub const SCHEMA: Schema = Schema {
    name: "payment",
    migrations: &[
        outbox::SCHEMA,
        schema::FIRST,
        schema::AGE_OF_EVENTS,
        schema::WHOLE_LIFE,
        chassis::idempotency::SCHEMA,
    ],
};

/// Payments in SQLite.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens or creates the store.
    pub fn open(location: &Location) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(location, &SCHEMA)? })
    }

    /// The database, for the outbox relay.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

#[async_trait]
impl PaymentStore for SqliteStore {
    async fn take_order_news(
        &self,
        envelope: &Envelope,
        news: OrderNews,
        mut change: Change,
    ) -> Result<(), ChangeError> {
        let envelope = envelope.clone();
        self.database
            .write(move |transaction| {
                if !outbox::receive(transaction, CONSUMER, &envelope, change.now)? {
                    return Ok(());
                }
                match news {
                    OrderNews::Placed { new, provider_known } => {
                        if rows::has_payment_or_ended(transaction, new.order_id)? {
                            return Ok(());
                        }
                        let payment = Payment::open(new, provider_known, &mut change);
                        rows::insert(transaction, &payment)?;
                        follow_up(transaction, &payment, &mut change)
                    }
                    OrderNews::Happened(order, command) => happened(transaction, order, command, change),
                }
            })
            .await
    }

    async fn change(&self, payment: PaymentId, command: Command, change: Change) -> Result<Reply, ChangeError> {
        self.database
            .write(move |transaction| {
                let payment = rows::find(transaction, payment)?.ok_or(ChangeError::NoPayment)?;
                Ok(handle(transaction, payment, command, change)?.0)
            })
            .await
    }

    async fn instruct(
        &self,
        payment: PaymentId,
        command: Command,
        change: Change,
        receipt: Receipt<PaymentRecord>,
    ) -> Result<PaymentRecord, ChangeError> {
        let now = change.now;
        self.database
            .write(move |transaction| {
                let found = rows::find(transaction, payment)?.ok_or(ChangeError::NoPayment)?;
                handle(transaction, found, command, change)?;
                let payment = rows::find(transaction, payment)?.ok_or(ChangeError::NoPayment)?;
                let record = PaymentRecord { ledger: ledger::entries(transaction, payment.id)?, payment };
                idempotency::keep(transaction, &receipt.record(&record, now)?)?;
                Ok(record)
            })
            .await
    }

    async fn take_provider_event(&self, event: ProviderEvent, change: Change) -> Result<Taken, ChangeError> {
        self.database
            .write(move |transaction| {
                if !provider_events::insert(transaction, &event, change.now)? {
                    return Ok(Taken::Duplicate);
                }
                let found = match event.about {
                    Some((id, command)) => rows::find(transaction, id)?.map(|payment| (payment, command)),
                    None => None,
                };
                let taken = match found {
                    Some((payment, command)) if payment.provider == event.provider => {
                        let (_, changed) = handle(transaction, payment, command, change)?;
                        if changed { Taken::Applied } else { Taken::Stale }
                    }
                    _ => Taken::Unmatched,
                };
                provider_events::mark(transaction, &event.provider, &event.event_id, taken)?;
                Ok(taken)
            })
            .await
    }

    async fn forget_provider_events(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.database.write(move |transaction| provider_events::forget(transaction, before, limit)).await
    }

    async fn find(&self, lookup: Lookup) -> Result<Option<Payment>, StoreError> {
        self.database
            .read(move |connection| match lookup {
                Lookup::Payment(id) => rows::find(connection, id),
                Lookup::Order(order) => rows::find_by_order(connection, order),
            })
            .await
    }

    async fn list(&self, before: Option<PaymentId>, limit: u32) -> Result<Vec<Payment>, StoreError> {
        self.database.read(move |connection| rows::list_before(connection, before, limit)).await
    }

    async fn ledger(&self, payment: PaymentId) -> Result<Vec<LedgerEntry>, StoreError> {
        self.database.read(move |connection| ledger::entries(connection, payment)).await
    }

    async fn records(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<PaymentRecord>, StoreError> {
        self.database
            .scan(move |connection| {
                let mut records = Vec::new();
                for id in rows::ids_after(connection, after, limit)? {
                    let Some(payment) = rows::find(connection, id)? else { continue };
                    records.push(PaymentRecord { payment, ledger: ledger::entries(connection, id)? });
                }
                Ok(records)
            })
            .await
    }

    async fn last_change(&self) -> Result<Option<Timestamp>, StoreError> {
        self.database.scan(rows::last_change).await
    }

    async fn unbalanced(&self) -> Result<Vec<String>, StoreError> {
        self.database.scan(ledger::unbalanced).await
    }
}

fn happened(transaction: &Connection, order: OrderId, command: Command, change: Change) -> Result<(), ChangeError> {
    match rows::find_by_order(transaction, order)? {
        Some(payment) => handle(transaction, payment, command, change).map(|_| ()),
        None if matches!(command, Command::End { .. }) => Ok(rows::remember_ended(transaction, order)?),
        None => Err(ChangeError::NoPayment),
    }
}

/// Lets `command` happen and writes everything that follows; true if the payment changed.
fn handle(
    transaction: &Connection,
    mut payment: Payment,
    command: Command,
    mut change: Change,
) -> Result<(Reply, bool), ChangeError> {
    let before = payment.clone();
    let reply = payment.handle(command, &mut change)?;
    let changed = payment != before;
    if changed {
        rows::update(transaction, &before, &payment)?;
    }
    follow_up(transaction, &payment, &mut change)?;
    Ok((reply, changed))
}

/// Writes the ledger, tells the other services and puts the worker to work.
fn follow_up(transaction: &Connection, payment: &Payment, change: &mut Change) -> Result<(), ChangeError> {
    for posting in std::mem::take(&mut change.postings) {
        ledger::post(transaction, payment, &posting, change.now)?;
    }
    let order = payment.order_id.to_string();
    for event in std::mem::take(&mut change.events) {
        let id: EventId = change.ids.mint();
        outbox::publish::<PaymentEvent>(transaction, &event, id, &order, change.now)?;
    }
    for due in std::mem::take(&mut change.jobs) {
        let id: EventId = change.ids.mint();
        outbox::enqueue(transaction, PROVIDER_CALLS, &due.job.key(), id, due.at, &due.job)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use chassis::sqlite::{Database, Location, Schema};
    use contracts::payment::PaymentId;

    use super::{Lookup, PaymentStore, SCHEMA, SqliteStore};
    use crate::store::contract;

    #[tokio::test]
    async fn in_memory_passes_the_suite() {
        contract::all(|| Arc::new(SqliteStore::open(&Location::Memory).unwrap()) as Arc<dyn PaymentStore>).await;
    }

    #[tokio::test]
    async fn in_a_file_passes_the_suite() {
        let folders = Mutex::new(Vec::new());
        contract::all(|| {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&Location::in_folder(folder.path(), "payment.db")).unwrap();
            folders.lock().unwrap().push(folder);
            Arc::new(store) as Arc<dyn PaymentStore>
        })
        .await;
    }

    /// The last guard, should everything above it fail.
    #[tokio::test]
    async fn the_tables_refuse_more_than_was_captured() {
        let store = SqliteStore::open(&Location::Memory).unwrap();
        for (captured, refunding, fits) in [(100, 40, true), (100, 41, false), (101, 0, false)] {
            let written = store.database().write(move |transaction| {
                transaction.execute(
                    "INSERT INTO payments (id, order_id, currency, amount_minor, captured_minor, capturing_minor,
                         refunded_minor, refunding_minor, state, order_phase, provider, provider_rank, pay_by, version,
                         created_at, updated_at)
                     VALUES (?1, ?1, 'KRW', 100, ?2, 0, 60, ?3, 'succeeded', 'open', 'p', 0, 0, 1, 0, 0)",
                    (format!("{captured}-{refunding}"), captured, refunding),
                )?;
                Ok::<_, chassis::StoreError>(())
            });
            assert_eq!(written.await.is_ok(), fits, "{captured} {refunding}");
        }
    }

    /// A shop that was stopped in the middle of two payments and started again with this program.
    #[tokio::test]
    async fn what_was_stored_before_there_were_several_attempts_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::in_folder(folder.path(), "payment.db");
        let (open, paid, order) = ("0".repeat(31) + "1", "0".repeat(31) + "2", "0".repeat(32));
        let old = Schema { name: "payment", migrations: &SCHEMA.migrations[..3] };
        let (first, second) = (open.clone(), paid.clone());
        let database = Database::open(&location, &old).unwrap();
        let written = database.write(move |transaction| {
            for (id, state, attempt, captured) in
                [(&first, "processing", "sent", 0), (&second, "succeeded", "succeeded", 500)]
            {
                transaction.execute(
                    "INSERT INTO payments VALUES (?1, ?2, 'KRW', 500, ?3, 0, 0, 0, ?4, 'open', 'sandbox', 'tok_kept',
                         'auth_9', 3, 0, 1, 0, 0)",
                    (format!("pay_{id}"), format!("ord_{}{}", &order[1..], &id[31..]), captured, state),
                )?;
                transaction.execute(
                    "INSERT INTO operations VALUES (?1, ?2, 'authorize', 500, ?3, NULL, NULL, NULL, NULL, 1, 0, 0, 0, 0)",
                    (format!("pay_{id}"), format!("pop_{id}"), attempt),
                )?;
            }
            Ok::<_, chassis::StoreError>(())
        });
        written.await.unwrap();
        drop(database);
        let store = SqliteStore::open(&location).unwrap();
        for (id, token) in [(open, Some("tok_kept")), (paid, None)] {
            let id: PaymentId = format!("pay_{id}").parse().unwrap();
            let payment = store.find(Lookup::Payment(id)).await.unwrap().unwrap();
            let attempt = &payment.operations[0];
            assert_eq!((attempt.reference.as_str(), attempt.provider.as_str()), (id.to_string().as_str(), "sandbox"));
            assert_eq!((attempt.method_token.as_deref(), attempt.provider_ref.as_deref()), (token, Some("auth_9")));
            let call = payment.look().unwrap();
            assert_eq!((call.reference, call.provider_ref.as_deref()), (id.to_string(), Some("auth_9")));
        }
    }
}
