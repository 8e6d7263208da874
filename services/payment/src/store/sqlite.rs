//! The store in SQLite.

use async_trait::async_trait;
use chassis::{
    StoreError, outbox,
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

mod rows;

/// The tables, in the order they came to be.
pub const SCHEMA: Schema = Schema { name: "payment", migrations: &[outbox::SCHEMA, rows::SCHEMA, rows::AGE_OF_EVENTS] };

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

    async fn take_provider_event(&self, event: ProviderEvent, change: Change) -> Result<Taken, ChangeError> {
        self.database
            .write(move |transaction| {
                if !rows::insert_provider_event(transaction, &event, change.now)? {
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
                rows::mark_provider_event(transaction, &event.provider, &event.event_id, taken)?;
                Ok(taken)
            })
            .await
    }

    async fn forget_provider_events(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.database.write(move |transaction| rows::forget_provider_events(transaction, before, limit)).await
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
        self.database.read(move |connection| rows::ledger(connection, payment)).await
    }

    async fn records(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<PaymentRecord>, StoreError> {
        self.database
            .scan(move |connection| {
                let mut records = Vec::new();
                for id in rows::ids_after(connection, after, limit)? {
                    let Some(payment) = rows::find(connection, id)? else { continue };
                    records.push(PaymentRecord { payment, ledger: rows::ledger(connection, id)? });
                }
                Ok(records)
            })
            .await
    }

    async fn last_change(&self) -> Result<Option<Timestamp>, StoreError> {
        self.database.scan(rows::last_change).await
    }

    async fn unbalanced(&self) -> Result<Vec<String>, StoreError> {
        self.database.scan(rows::unbalanced).await
    }
}

fn happened(transaction: &Connection, order: OrderId, command: Command, change: Change) -> Result<(), ChangeError> {
    match rows::find_by_order(transaction, order)? {
        Some(payment) => handle(transaction, payment, command, change).map(|_| ()),
        None if command == Command::End => Ok(rows::remember_ended(transaction, order)?),
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
        rows::post(transaction, payment, &posting, change.now)?;
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

    use chassis::sqlite::Location;

    use super::{PaymentStore, SqliteStore};
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
        let wrong = store.database().write(|transaction| {
            transaction.execute(
                "INSERT INTO payments VALUES ('pay_1', 'ord_1', 'KRW', 100, 100, 0, 60, 41, 'succeeded', 'open', 'p',
                     't', NULL, 0, 0, 1, 0, 0)",
                [],
            )?;
            Ok::<_, chassis::StoreError>(())
        });
        assert!(wrong.await.is_err());
    }
}
