//! Outbox and inbox: everything said is delivered, in order, and has its effect once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chassis::{
    Env, StoreError,
    bus::{Bus, BusError, DeadLetter, Delivery, EmbeddedBus, Record, StartFrom},
    outbox::{self, Relay},
    queue::{EmbeddedQueue, Job, Queue, WorkError, Worker, WorkerConfig},
    sqlite::{Database, Location, Schema},
    trace::{self, TraceContext},
};
use contracts::{
    Event as _,
    event::{Envelope, EventId},
    order::OrderId,
    payment::{PaymentEvent, PaymentId, PaymentVoided},
};
use jiff::Timestamp;
use tokio::sync::watch;

const SCHEMA: Schema = Schema { name: "test", migrations: &[outbox::SCHEMA] };
const TOPIC: &str = PaymentEvent::TOPIC;

/// A bus that refuses the first publishes, or takes one and never answers, or does not sync at first.
struct Troubled {
    bus: Arc<EmbeddedBus>,
    refusals: AtomicU32,
    sync_failures: AtomicU32,
    silent: bool,
}

#[async_trait]
impl Bus for Troubled {
    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError> {
        let refuse = |left: u32| left.checked_sub(1);
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok() {
            return Err(BusError("closed for the night".to_owned()));
        }
        self.bus.publish(records).await?;
        if self.silent {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
    async fn sync(&self) -> Result<(), BusError> {
        let fail = |left: u32| left.checked_sub(1);
        if self.sync_failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail).is_ok() {
            return Err(BusError("the disk does not answer".to_owned()));
        }
        self.bus.sync().await
    }
    async fn fetch(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError> {
        self.bus.fetch(topic, offset, limit).await
    }
    async fn read(&self, topic: &str, offset: u64, limit: usize) -> Result<Vec<Delivery>, BusError> {
        self.bus.read(topic, offset, limit).await
    }
    async fn join(&self, group: &str, topic: &str, from: StartFrom) -> Result<u64, BusError> {
        self.bus.join(group, topic, from).await
    }
    async fn commit(&self, group: &str, topic: &str, offset: u64) -> Result<(), BusError> {
        self.bus.commit(group, topic, offset).await
    }
    async fn bury(&self, group: &str, record: Record, why: &str, tried: u32, at: Timestamp) -> Result<(), BusError> {
        self.bus.bury(group, record, why, tried, at).await
    }
    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.bus.dead_letters(after, limit).await
    }
    async fn replay_dead_letter(&self, id: u64) -> Result<bool, BusError> {
        self.bus.replay_dead_letter(id).await
    }
    async fn discard_dead_letter(&self, id: u64) -> Result<bool, BusError> {
        self.bus.discard_dead_letter(id).await
    }
}

struct Shop {
    env: Env,
    database: Database,
    bus: Arc<EmbeddedBus>,
    queue: Arc<EmbeddedQueue>,
}

impl Shop {
    fn open() -> Self {
        let env = Env::system();
        let database = Database::open(&Location::Memory, &SCHEMA).unwrap();
        let bus = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let queue = EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        Self { env, database, bus, queue }
    }

    fn start_relay(&self, env: &Env, refusals: u32, silent: bool) {
        let refusals = AtomicU32::new(refusals);
        self.start_relay_to(env, Troubled { bus: Arc::clone(&self.bus), refusals, sync_failures: 0.into(), silent });
    }

    fn start_relay_to(&self, env: &Env, bus: Troubled) -> Arc<Troubled> {
        let bus = Arc::new(bus);
        let (database, queue) = (self.database.clone(), self.queue.clone());
        Relay { service: "test", database, bus: Arc::clone(&bus) as Arc<dyn Bus>, queue }.start(env);
        bus
    }

    /// Says an event about `key` and answers its id.
    async fn say(&self, key: &str) -> EventId {
        let (id, now, key) = (self.env.new_id(), self.env.now(), key.to_owned());
        let (payment_id, order_id): (PaymentId, OrderId) = (self.env.new_id(), self.env.new_id());
        let event = PaymentEvent::Voided(PaymentVoided { payment_id, order_id });
        let said = self.database.write(move |transaction| outbox::publish(transaction, &event, id, &key, now)).await;
        said.map_err(|error: StoreError| error.to_string()).unwrap();
        id
    }

    async fn delivered(&self, count: usize) -> Vec<EventId> {
        let (mut ids, mut offset) = (Vec::new(), 0);
        while ids.len() < count {
            let fetched = self.bus.fetch(TOPIC, offset, 100);
            let deliveries = tokio::time::timeout(Duration::from_secs(20), fetched).await.unwrap().unwrap();
            offset = deliveries.last().unwrap().offset;
            ids.extend(deliveries.iter().map(|delivery| delivery.record.id));
        }
        ids
    }

    async fn until_swept(&self) {
        let swept = async {
            let mut commits = self.database.commits();
            while self.database.read(outbox::pending).await.unwrap() > 0 {
                commits.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), swept).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_said_is_delivered_in_order_and_then_forgotten() {
    let shop = Shop::open();
    let mut said = vec![shop.say("a").await, shop.say("b").await];
    shop.start_relay(&shop.env, 0, false);
    for number in 0..50 {
        said.push(shop.say(&format!("k{}", number % 3)).await);
    }
    assert_eq!(shop.delivered(said.len()).await, said);
    shop.until_swept().await;
    shop.env.stop().await;
}

#[tokio::test]
async fn a_transaction_that_was_rolled_back_said_nothing() {
    let shop = Shop::open();
    let (id, now) = (shop.env.new_id(), shop.env.now());
    let refused = shop.database.write(move |transaction| {
        outbox::enqueue(transaction, "test.queue", "a", id, now, &"never")?;
        Err::<(), _>(StoreError::Unavailable("refused".to_owned()))
    });
    assert!(refused.await.is_err());
    assert_eq!(shop.database.read(outbox::pending).await.unwrap(), 0);
    shop.env.stop().await;
}

#[tokio::test]
async fn a_bus_that_is_down_gets_everything_when_it_is_back() {
    let shop = Shop::open();
    shop.start_relay(&shop.env, 2, false);
    let mut said = Vec::new();
    for key in ["a", "b", "a"] {
        said.push(shop.say(key).await);
    }
    assert_eq!(shop.delivered(3).await, said);
    shop.env.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_forgotten_before_the_bus_has_it_on_disk() {
    let shop = Shop::open();
    let bus = Troubled { bus: Arc::clone(&shop.bus), refusals: 0.into(), sync_failures: 3.into(), silent: false };
    let bus = shop.start_relay_to(&shop.env, bus);
    let said = [shop.say("a").await];
    assert_eq!(shop.delivered(1).await, said);
    while bus.sync_failures.load(Ordering::SeqCst) > 0 {
        assert_eq!(shop.database.read(outbox::pending).await.unwrap(), 1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shop.until_swept().await;
    shop.env.stop().await;
}

#[tokio::test]
async fn a_crash_after_publishing_repeats_the_event_and_the_inbox_ignores_it() {
    let shop = Shop::open();
    let said = [shop.say("a").await, shop.say("a").await];
    let doomed = Env::system();
    shop.start_relay(&doomed, 0, true);
    assert_eq!(shop.delivered(2).await, said);
    // That relay never learns that its events arrived; the next one starts from what is in the outbox.
    shop.start_relay(&shop.env, 0, false);
    assert_eq!(shop.delivered(4).await, [said, said].concat());

    let mut effects = 0;
    for delivery in shop.bus.fetch(TOPIC, 0, 10).await.unwrap() {
        let envelope: Envelope = serde_json::from_slice(&delivery.record.payload).unwrap();
        let now = shop.env.now();
        let receive = move |transaction: &_| outbox::receive(transaction, "test", &envelope, now);
        effects += usize::from(shop.database.write(receive).await.unwrap());
    }
    assert_eq!(effects, 2);
    shop.env.stop().await;
}

/// Notes payload and trace of what it was given.
struct Noting(watch::Sender<Vec<(String, Option<String>)>>);

#[async_trait]
impl Worker for Noting {
    async fn work(&self, job: &Job, _: u32) -> Result<(), WorkError> {
        let text = serde_json::from_slice(&job.payload)?;
        self.0.send_modify(|noted| noted.push((text, trace::current().map(|trace| trace.trace_id()))));
        Ok(())
    }
}

#[tokio::test]
async fn work_reaches_its_queue_in_order_and_keeps_its_trace() {
    let shop = Shop::open();
    let noting = Arc::new(Noting(watch::Sender::new(Vec::new())));
    shop.queue.start_worker(&shop.env, "test.queue", WorkerConfig::default(), noting.clone());
    shop.start_relay(&shop.env, 0, false);
    let cause = TraceContext::root(&shop.env);
    trace::scope(cause, async {
        for text in ["first", "second"] {
            let (id, now) = (shop.env.new_id(), shop.env.now());
            let enqueue = move |transaction: &_| outbox::enqueue(transaction, "test.queue", "a", id, now, &text);
            shop.database.write(enqueue).await.map_err(|error: StoreError| error.to_string()).unwrap();
        }
    })
    .await;
    let mut noted = noting.0.subscribe();
    let both = tokio::time::timeout(Duration::from_secs(20), noted.wait_for(|noted| noted.len() == 2));
    let trace = Some(cause.trace_id());
    assert_eq!(*both.await.unwrap().unwrap(), [("first".to_owned(), trace.clone()), ("second".to_owned(), trace)]);
    shop.env.stop().await;
}

#[tokio::test]
async fn a_backlog_tells_since_when_it_waits_and_when_the_shop_last_ran() {
    let (env, clock) = Env::simulated(3);
    let database = Database::open(&Location::Memory, &SCHEMA).unwrap();
    let empty = database.read(outbox::backlog).await.map_err(|error: StoreError| error.to_string());
    assert_eq!(empty, Ok(outbox::Backlog::default()));
    let say = async || {
        let (id, now) = (env.new_id(), env.now());
        let enqueue = move |transaction: &rusqlite::Connection| outbox::enqueue(transaction, "q", "k", id, now, &1);
        database.write(enqueue).await.unwrap();
        now
    };
    let first = say().await;
    clock.advance(Duration::from_secs(60));
    say().await;
    clock.advance(Duration::from_secs(60));
    let heard_at = env.now();
    let event = PaymentEvent::Voided(PaymentVoided { payment_id: env.new_id(), order_id: env.new_id() });
    let envelope = event.seal(env.new_id(), "p".to_owned(), heard_at, None).unwrap();
    let hear = move |transaction: &rusqlite::Connection| outbox::receive(transaction, "c", &envelope, heard_at);
    assert!(database.write(hear).await.unwrap());
    let backlog: outbox::Backlog = database.read(outbox::backlog).await.unwrap_or_else(|_: StoreError| panic!());
    assert_eq!(backlog, outbox::Backlog { rows: 2, oldest: Some(first), last_heard: Some(heard_at) });
    env.stop().await;
}
