//! What every store must do, as plain functions over the port; each adapter runs [`all`].

use std::sync::Arc;

use chassis::idempotency;
use contracts::{Envelope, Event as _, Locale, auth::AccountCreated, auth::AuthEvent, event::EventId};
use jiff::Timestamp;

use super::{Filter, NotificationStore};
use crate::message::{Content, Message, State, tests::queued};

/// Runs the suite; `fresh` opens an empty store each time.
pub(super) async fn all(fresh: impl Fn() -> Arc<dyn NotificationStore>) {
    keeps_a_message_once_per_event(fresh()).await;
    advances_only_from_where_it_stands(fresh()).await;
    requeues_with_the_answer(fresh()).await;
    lists_newest_first_in_pages(fresh()).await;
    keeps_the_mailbox_short_and_free_of_copies(fresh()).await;
    forgets_only_what_came_to_rest_long_ago(fresh()).await;
}

fn second(number: i64) -> Timestamp {
    Timestamp::from_second(number).unwrap()
}

fn envelope(message: &Message) -> Envelope {
    let event = AuthEvent::AccountCreated(AccountCreated {
        account_id: message.about.parse().unwrap(),
        email: message.recipient.clone(),
        name: "Kim".to_owned(),
        locale: Locale::En,
    });
    event.seal(message.event_id, message.about.clone(), message.created_at, None).unwrap()
}

fn content(message: &Message) -> Content {
    Content { subject: message.subject.clone(), text: "text".to_owned(), html: "<p>html</p>".to_owned() }
}

async fn put(store: &Arc<dyn NotificationStore>, message: &Message) {
    assert!(store.create(&envelope(message), message.clone(), content(message)).await.unwrap());
}

async fn keeps_a_message_once_per_event(store: Arc<dyn NotificationStore>) {
    let message = queued(1);
    put(&store, &message).await;
    let again = Message { id: queued(2).id, job_id: queued(2).job_id, ..message.clone() };
    assert!(!store.create(&envelope(&again), again.clone(), content(&again)).await.unwrap());
    assert_eq!(store.find(message.id).await.unwrap(), Some(message.clone()));
    assert_eq!(store.content(message.id).await.unwrap(), Some(content(&message)));
    assert_eq!(store.find(again.id).await.unwrap(), None);
    assert_eq!(store.facts().await.unwrap().open, vec![message]);
}

async fn advances_only_from_where_it_stands(store: Arc<dyn NotificationStore>) {
    let message = queued(1);
    put(&store, &message).await;
    let sending = message.clone().begin(message.job_id, 1, second(5)).unwrap();
    assert!(store.begin(&message, &sending).await.unwrap());
    assert!(!store.begin(&message, &sending).await.unwrap(), "a second worker must not begin the same attempt");
    let sent = sending.clone().sent(second(6));
    assert!(store.advance(&sending, &sent).await.unwrap());
    assert_eq!(store.find(message.id).await.unwrap(), Some(sent));
    let facts = store.facts().await.unwrap();
    assert_eq!(facts, super::Facts::default(), "nothing is open and nothing is wrong");
}

async fn requeues_with_the_answer(store: Arc<dyn NotificationStore>) {
    let message = queued(1);
    put(&store, &message).await;
    let dead = message.clone().failed("550 no such user", true, second(5));
    assert!(store.advance(&message, &dead).await.unwrap());
    let again = dead.clone().resend(EventId::from(uuid::Uuid::from_u128(77)), second(6)).unwrap();
    let key = idempotency::IdempotencyKey { scope: "s".to_owned(), key: "k".to_owned(), request_hash: [0; 32] };
    let answer = idempotency::Answer { status: 202, location: None, etag: None, body: b"{}".to_vec() };
    let record = idempotency::Record { key, answer, at: second(6), expires_at: second(1_000_000) };
    assert!(store.requeue(&dead, &again, Some(record.clone())).await.unwrap());
    assert!(!store.requeue(&dead, &again, None).await.unwrap(), "the state moved on");
    let dead_again = again.clone().failed("550", true, second(7));
    assert!(store.advance(&again, &dead_again).await.unwrap());
    let third = dead_again.clone().resend(EventId::from(uuid::Uuid::from_u128(78)), second(8)).unwrap();
    assert!(store.requeue(&dead_again, &third, Some(record)).await.is_err(), "one key keeps one answer");
    assert_eq!(store.find(message.id).await.unwrap(), Some(dead_again), "and what it came with is rolled back");
}

async fn lists_newest_first_in_pages(store: Arc<dyn NotificationStore>) {
    for number in 1..=5 {
        let mut message = queued(number);
        message.recipient = if number == 2 { "two@example.com".to_owned() } else { "person@example.com".to_owned() };
        put(&store, &message).await;
        if number == 3 {
            assert!(store.advance(&message, &message.clone().failed("451", true, second(1))).await.unwrap());
        }
    }
    let ids = |messages: Vec<Message>| messages.into_iter().map(|message| message.id).collect::<Vec<_>>();
    let list = |filter: Filter, before, limit| {
        let store = Arc::clone(&store);
        async move { ids(store.list(filter, before, limit).await.unwrap()) }
    };
    let id = |number| queued(number).id;
    assert_eq!(list(Filter::default(), None, 2).await, [id(5), id(4)]);
    assert_eq!(list(Filter::default(), Some(id(4)), 10).await, [id(3), id(2), id(1)]);
    let dead = Filter { state: Some(State::Dead), recipient: None };
    assert_eq!(list(dead, None, 10).await, [id(3)]);
    let to_two = Filter { state: Some(State::Queued), recipient: Some("two@example.com".to_owned()) };
    assert_eq!(list(to_two, None, 10).await, [id(2)]);
}

async fn keeps_the_mailbox_short_and_free_of_copies(store: Arc<dyn NotificationStore>) {
    for number in 1..=4 {
        let message = queued(number);
        put(&store, &message).await;
        store.put_in_mailbox(message.id, message.mail_id(), second(9), 3).await.unwrap();
        store.put_in_mailbox(message.id, message.mail_id(), second(9), 3).await.unwrap();
    }
    let mails = store.mailbox(None, 10).await.unwrap();
    let ids: Vec<_> = mails.iter().map(|mail| mail.message.id).collect();
    assert_eq!(ids, [queued(4).id, queued(3).id, queued(2).id]);
    let older = store.mailbox(Some(mails[1].seq), 10).await.unwrap();
    assert_eq!(older, mails[2..]);
    let (entry, text) = store.mailbox_entry(mails[0].seq).await.unwrap().unwrap();
    assert_eq!((entry, text), (mails[0].clone(), content(&queued(4))));
    assert_eq!(store.mailbox_entry(u64::MAX).await.unwrap(), None);
}

async fn forgets_only_what_came_to_rest_long_ago(store: Arc<dyn NotificationStore>) {
    for number in 1..=3 {
        let message = queued(number);
        put(&store, &message).await;
        store.put_in_mailbox(message.id, message.mail_id(), second(1), 3).await.unwrap();
        let at = second(if number == 1 { 10 } else { 100 });
        if number < 3 {
            assert!(store.advance(&message, &message.clone().sent(at)).await.unwrap());
        }
    }
    assert_eq!(store.forget(second(50), 10).await.unwrap(), 1);
    assert_eq!(store.forget(second(50), 10).await.unwrap(), 0);
    assert_eq!(store.find(queued(1).id).await.unwrap(), None);
    assert_eq!(store.content(queued(1).id).await.unwrap(), None);
    assert_eq!(store.mailbox(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn sqlite_in_memory() {
    all(|| Arc::new(super::sqlite::SqliteStore::open(&chassis::sqlite::Location::Memory).unwrap())).await;
}

#[tokio::test]
async fn sqlite_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    all(|| {
        count.set(count.get() + 1);
        let location = chassis::sqlite::Location::in_folder(folder.path(), &format!("{}.db", count.get()));
        Arc::new(super::sqlite::SqliteStore::open(&location).unwrap())
    })
    .await;
}
