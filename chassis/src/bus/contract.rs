//! What every bus adapter must do. An adapter's tests call each of these functions with a bus of their own;
//! topics and groups are named after the function, so a shared server will do.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use contracts::event::Envelope;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::{Bus, ConsumeError, Consumer, ConsumerConfig, DeadLetter, Record, StartFrom, start_consumer};
use crate::{Env, StoreError};

/// Opens the bus under test. What one open bus has taken, the next one has.
pub type Open<'a> = &'a (dyn Fn(&Env) -> Arc<dyn Bus> + Sync);

const PATIENCE: Duration = Duration::from_secs(20);

type Handle = dyn Fn(Call) -> BoxFuture<'static, Result<(), ConsumeError>> + Send + Sync;

/// One attempt at an event, as a handler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    key: String,
    number: u64,
    /// Starts at 1.
    attempt: u32,
}

/// A consumer that notes what it handled.
struct Notebook {
    handle: Box<Handle>,
    attempts: Mutex<BTreeMap<(String, u64), u32>>,
    running: Mutex<HashSet<String>>,
    handled: watch::Sender<Vec<(String, u64)>>,
}

impl Notebook {
    fn new(handle: impl Fn(Call) -> BoxFuture<'static, Result<(), ConsumeError>> + Send + Sync + 'static) -> Arc<Self> {
        let handled = watch::Sender::new(Vec::new());
        Arc::new(Self { handle: Box::new(handle), attempts: Mutex::default(), running: Mutex::default(), handled })
    }

    fn agreeable() -> Arc<Self> {
        Self::new(|_| Box::pin(async { Ok(()) }))
    }

    /// Answers at once.
    fn answering(answer: impl Fn(&Call) -> Result<(), ConsumeError> + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |call| {
            let answer = answer(&call);
            Box::pin(async move { answer })
        })
    }

    async fn until(&self, what: &str, done: impl FnMut(&Vec<(String, u64)>) -> bool) -> Vec<(String, u64)> {
        let mut handled = self.handled.subscribe();
        let waited = tokio::time::timeout(PATIENCE, handled.wait_for(done)).await;
        match waited {
            Ok(Ok(handled)) => handled.clone(),
            _ => panic!("{what} did not happen; handled: {:?}", self.handled.borrow()),
        }
    }

    async fn until_len(&self, len: usize) -> Vec<(String, u64)> {
        self.until(&format!("{len} events"), |handled| handled.len() >= len).await
    }
}

#[async_trait]
impl Consumer for Notebook {
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError> {
        let (key, number) = (envelope.subject.clone(), envelope.data.get().parse().expect("a number"));
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry((key.clone(), number)).or_insert(0);
            *attempt += 1;
            *attempt
        };
        assert!(self.running.lock().unwrap().insert(key.clone()), "two events of {key} at once");
        let _runs = Runs(&self.running, key.clone());
        (self.handle)(Call { key: key.clone(), number, attempt }).await?;
        self.handled.send_modify(|handled| handled.push((key, number)));
        Ok(())
    }
}

struct Runs<'a>(&'a Mutex<HashSet<String>>, String);

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.1);
    }
}

fn record(env: &Env, topic: &str, key: &str, number: u64) -> Record {
    let envelope = Envelope {
        specversion: "1.0".into(),
        id: env.new_id(),
        source: "/jangteo/test".to_owned(),
        event_type: "test.happened".to_owned(),
        dataschema: "/schemas/test.happened/1".to_owned(),
        subject: key.to_owned(),
        time: env.now(),
        traceparent: None,
        datacontenttype: "application/json".into(),
        data: serde_json::value::to_raw_value(&number).unwrap(),
    };
    let payload = Bytes::from(serde_json::to_vec(&envelope).unwrap());
    Record { topic: topic.to_owned(), key: key.to_owned(), id: envelope.id, payload }
}

async fn publish(env: &Env, bus: &Arc<dyn Bus>, topic: &str, events: impl IntoIterator<Item = (&str, u64)>) {
    let records = events.into_iter().map(|(key, number)| record(env, topic, key, number)).collect();
    bus.publish(records).await.unwrap();
}

fn quick() -> ConsumerConfig {
    ConsumerConfig {
        attempts_max: 3,
        backoff_base: Duration::from_millis(1),
        backoff_max: Duration::from_millis(4),
        stop_grace: Duration::from_millis(50),
        ..ConsumerConfig::default()
    }
}

fn events(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(key, number)| ((*key).to_owned(), *number)).collect()
}

fn numbers(handled: &[(String, u64)], key: &str) -> Vec<u64> {
    handled.iter().filter(|(of, _)| of == key).map(|(_, number)| *number).collect()
}

async fn dead_letters(bus: &Arc<dyn Bus>, group: &str, count: usize) -> Vec<DeadLetter> {
    let found = async {
        loop {
            let mut letters = bus.dead_letters(0, 10_000).await.unwrap();
            letters.retain(|letter| letter.group == group);
            if letters.len() == count {
                return letters;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{count} dead letters of {group}"))
}

/// Events of one key are handled in the order they were published, one at a time, whoever publishes what else.
pub async fn keeps_the_order_of_a_key(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::new(|call| {
        Box::pin(async move {
            for _ in 0..(call.number % 5) {
                tokio::task::yield_now().await;
            }
            Ok(())
        })
    });
    start_consumer(&env, bus.clone(), "contract.order", &["contract.order"], quick(), notebook.clone());
    let keys = ["a", "b", "c", "d", "e", "f"];
    futures::future::join_all(keys.map(|key| {
        let (env, bus) = (env.clone(), bus.clone());
        async move {
            for number in 0..40 {
                publish(&env, &bus, "contract.order", [(key, 2 * number), (key, 2 * number + 1)]).await;
            }
        }
    }))
    .await;
    let handled = notebook.until_len(keys.len() * 80).await;
    for key in keys {
        assert_eq!(numbers(&handled, key), (0..80).collect::<Vec<_>>(), "key {key}");
    }
    env.stop().await;
}

/// Every group gets every event, also one that comes late.
pub async fn gives_every_group_everything(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let (early, late) = (Notebook::agreeable(), Notebook::agreeable());
    start_consumer(&env, bus.clone(), "contract.early", &["contract.groups"], quick(), early.clone());
    let all: Vec<_> = (0..600).map(|number| (["a", "b", "c"][number as usize % 3], number)).collect();
    publish(&env, &bus, "contract.groups", all.clone()).await;
    early.until_len(600).await;
    start_consumer(&env, bus.clone(), "contract.late", &["contract.groups"], quick(), late.clone());
    let handled = late.until_len(600).await;
    for key in ["a", "b", "c"] {
        let expected: Vec<_> = all.iter().filter(|(of, _)| *of == key).map(|(_, number)| *number).collect();
        assert_eq!(numbers(&handled, key), expected);
    }
    assert_eq!(early.handled.borrow().len(), 600);
    env.stop().await;
}

/// A group begins where it was told to, whatever others have handled; once it has joined, it goes on from there.
pub async fn begins_anywhere(open: Open<'_>) {
    const TOPIC: &str = "contract.anywhere";
    let env = Env::system();
    let bus = open(&env);
    publish(&env, &bus, TOPIC, (0..10).map(|number| ("a", number))).await;
    let first = bus.read(TOPIC, 0, 4).await.unwrap();
    assert_eq!(first.len(), 4);
    let rest = bus.read(TOPIC, first[3].offset, 100).await.unwrap();
    assert_eq!(rest.len(), 6);
    assert_eq!(bus.read(TOPIC, rest[5].offset, 100).await.unwrap(), [], "reading does not wait");

    let start = |group, from, notebook: &Arc<Notebook>| {
        start_consumer(&env, bus.clone(), group, &[TOPIC], ConsumerConfig { from, ..quick() }, notebook.clone());
    };
    let (early, middle, late) = (Notebook::agreeable(), Notebook::agreeable(), Notebook::agreeable());
    start("contract.from-first", StartFrom::Earliest, &early);
    start("contract.from-seventh", StartFrom::Offset(rest[2].offset), &middle);
    assert_eq!(early.until_len(10).await.len(), 10);
    assert_eq!(numbers(&middle.until_len(4).await, "a"), [6, 7, 8, 9]);
    assert_eq!(bus.join("contract.from-now", TOPIC, StartFrom::Latest).await.unwrap(), rest[5].offset);
    publish(&env, &bus, TOPIC, [("a", 10)]).await;
    // It has joined: neither the beginning nor the present end counts any more.
    start("contract.from-now", StartFrom::Latest, &late);
    assert_eq!(numbers(&late.until_len(1).await, "a"), [10]);
    assert_eq!(numbers(&middle.until_len(5).await, "a"), [6, 7, 8, 9, 10]);
    env.stop().await;
}

/// A group that joined at the end finds what was published while it was away, though it has handled nothing.
pub async fn remembers_where_it_joined(open: Open<'_>) {
    const TOPIC: &str = "contract.joined";
    let env = Env::system();
    let bus = open(&env);
    publish(&env, &bus, TOPIC, [("a", 0)]).await;
    bus.join("contract.joined", TOPIC, StartFrom::Latest).await.unwrap();
    publish(&env, &bus, TOPIC, [("a", 1)]).await;
    env.stop().await;
    drop(bus);

    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::agreeable();
    let config = ConsumerConfig { from: StartFrom::Latest, ..quick() };
    start_consumer(&env, bus, "contract.joined", &[TOPIC], config, notebook.clone());
    assert_eq!(notebook.until_len(1).await, events(&[("a", 1)]));
    env.stop().await;
}

/// After a clean stop a group goes on where it was, and nothing published is lost.
pub async fn goes_on_after_reopening(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::agreeable();
    start_consumer(&env, bus.clone(), "contract.reopen", &["contract.reopen"], quick(), notebook.clone());
    publish(&env, &bus, "contract.reopen", (0..10).map(|number| ("a", number))).await;
    notebook.until_len(10).await;
    env.stop().await;
    publish(&env, &bus, "contract.reopen", [("a", 10)]).await;
    drop(bus);

    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::agreeable();
    start_consumer(&env, bus.clone(), "contract.reopen", &["contract.reopen"], quick(), notebook.clone());
    publish(&env, &bus, "contract.reopen", [("a", 11)]).await;
    assert_eq!(notebook.until_len(2).await, events(&[("a", 10), ("a", 11)]));
    env.stop().await;
}

/// What was not handled when the process stopped comes again, and what came after it may.
pub async fn gives_again_what_was_not_handled(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let stuck = Notebook::new(|call| {
        Box::pin(async move {
            if call.number == 1 {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    start_consumer(&env, bus.clone(), "contract.again", &["contract.again"], quick(), stuck.clone());
    publish(&env, &bus, "contract.again", [("a", 0), ("b", 1), ("c", 2), ("b", 3)]).await;
    stuck.until_len(2).await;
    env.stop().await;
    drop(bus);

    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::agreeable();
    start_consumer(&env, bus, "contract.again", &["contract.again"], quick(), notebook.clone());
    let handled = notebook.until("1 and 3", |handled| numbers(handled, "b") == [1, 3]).await;
    assert_eq!(numbers(&handled, "a"), [0_u64; 0], "0 was committed");
    env.stop().await;
}

/// A failed event is tried again before the next of its key, and panics are failures.
pub async fn tries_again(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::answering(|call| match (call.number, call.attempt) {
        (0, 1) => Err(ConsumeError::Retry("not yet".to_owned())),
        (0, 2) => panic!("on purpose"),
        _ => Ok(()),
    });
    start_consumer(&env, bus.clone(), "contract.retry", &["contract.retry"], quick(), notebook.clone());
    publish(&env, &bus, "contract.retry", [("a", 0), ("a", 1)]).await;
    assert_eq!(notebook.until_len(2).await, events(&[("a", 0), ("a", 1)]));
    assert_eq!(dead_letters(&bus, "contract.retry", 0).await, []);
    env.stop().await;
}

/// What a handler needs may be down for longer than its attempts last: no event is given up for that.
pub async fn waits_out_an_outage(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::answering(|call| match call.attempt {
        attempt if call.number == 0 && attempt <= 8 => Err(StoreError::Full.into()),
        _ => Ok(()),
    });
    start_consumer(&env, bus.clone(), "contract.outage", &["contract.outage"], quick(), notebook.clone());
    publish(&env, &bus, "contract.outage", [("a", 0), ("a", 1)]).await;
    assert_eq!(notebook.until_len(2).await, events(&[("a", 0), ("a", 1)]));
    assert_eq!(dead_letters(&bus, "contract.outage", 0).await, []);
    env.stop().await;
}

/// Poison, failures without end and payloads that are no envelope are buried with their reason; what comes
/// after them is handled.
pub async fn buries_what_cannot_be_handled(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::answering(|call| match call.number {
        0 => Err(ConsumeError::Poison("no such thing".to_owned())),
        1 => Err(ConsumeError::Retry("never works".to_owned())),
        _ => Ok(()),
    });
    start_consumer(&env, bus.clone(), "contract.bury", &["contract.bury"], quick(), notebook.clone());
    publish(&env, &bus, "contract.bury", [("a", 0), ("a", 1)]).await;
    let garbage = Record { payload: Bytes::from_static(b"{"), ..record(&env, "contract.bury", "a", 2) };
    bus.publish(vec![garbage.clone()]).await.unwrap();
    publish(&env, &bus, "contract.bury", [("a", 3)]).await;

    assert_eq!(notebook.until_len(1).await, events(&[("a", 3)]));
    let letters = dead_letters(&bus, "contract.bury", 3).await;
    let reasons: Vec<_> = letters.iter().map(|letter| (letter.attempts, letter.reason.as_str())).collect();
    assert_eq!(reasons[..2], [(1, "no such thing"), (3, "never works")]);
    assert!(reasons[2].1.starts_with("the envelope does not parse: "), "{}", reasons[2].1);
    assert_eq!(letters[2].record, garbage);
    assert_eq!(bus.dead_letters(letters[1].id, 1).await.unwrap(), letters[2..], "pages go on after an id");
    env.stop().await;
}

/// A replayed dead letter goes to the group that gave up and to no other, again if it fails again; a
/// discarded one is gone.
pub async fn replays_to_the_group_that_gave_up(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let healed = Arc::new(Mutex::new(false));
    let is_healed = Arc::clone(&healed);
    let ill = Notebook::answering(move |_| {
        if *is_healed.lock().unwrap() { Ok(()) } else { Err(ConsumeError::Poison("ill".to_owned())) }
    });
    let well = Notebook::agreeable();
    start_consumer(&env, bus.clone(), "contract.ill", &["contract.replay"], quick(), ill.clone());
    start_consumer(&env, bus.clone(), "contract.well", &["contract.replay"], quick(), well.clone());
    publish(&env, &bus, "contract.replay", [("a", 0), ("b", 1)]).await;

    let letters = dead_letters(&bus, "contract.ill", 2).await;
    assert!(bus.discard_dead_letter(letters[1].id).await.unwrap());
    assert!(!bus.discard_dead_letter(letters[1].id).await.unwrap());
    assert!(bus.replay_dead_letter(letters[0].id).await.unwrap());
    assert!(!bus.replay_dead_letter(letters[0].id).await.unwrap());
    let again = dead_letters(&bus, "contract.ill", 1).await;
    assert_eq!(again[0].record, letters[0].record, "it is a letter of its first topic");

    *healed.lock().unwrap() = true;
    assert!(bus.replay_dead_letter(again[0].id).await.unwrap());
    assert_eq!(ill.until_len(1).await, events(&[("a", 0)]));
    publish(&env, &bus, "contract.replay", [("a", 2)]).await;
    let handled = well.until("the event after the replay", |handled| numbers(handled, "a").contains(&2)).await;
    assert_eq!(numbers(&handled, "a"), [0, 2]);
    dead_letters(&bus, "contract.ill", 0).await;
    env.stop().await;
}

/// A key whose handler does not return, and one that fails all the time, hold up no other key.
pub async fn lets_other_keys_pass(open: Open<'_>) {
    let env = Env::system();
    let bus = open(&env);
    let notebook = Notebook::new(|call| {
        Box::pin(async move {
            match call.key.as_str() {
                "slow" => std::future::pending().await,
                "failing" => Err(ConsumeError::Retry("not now".to_owned())),
                _ => Ok(()),
            }
        })
    });
    let config = ConsumerConfig { attempts_max: u32::MAX, concurrency: 2, ..quick() };
    start_consumer(&env, bus.clone(), "contract.pass", &["contract.pass"], config, notebook.clone());
    publish(&env, &bus, "contract.pass", [("slow", 0), ("failing", 0)]).await;
    publish(&env, &bus, "contract.pass", (0..300).map(|number| ("quick", number))).await;
    let handled = notebook.until_len(300).await;
    assert_eq!(numbers(&handled, "quick"), (0..300).collect::<Vec<_>>());
    env.stop().await;
}
