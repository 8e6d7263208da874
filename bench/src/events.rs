//! The streams of orders against SQLite itself: events appended by many writers, projections made anew, and the relay
//! that carries what was said. In this process, on files of its own.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result};
use chassis::{
    Env,
    bus::{Bus, EmbeddedBus},
    operations::rebuild::Progress,
    outbox,
    queue::EmbeddedQueue,
    sqlite::{Database, Location, Schema},
};
use order_service::{SqliteStore, append_life::append_life, rebuild::rebuild};

use crate::{
    Effort, load, raw,
    report::{Figure, Report, Target, median},
};

/// Writers at the same time: what group commit is for.
const WRITERS: usize = 256;
/// What the order service says goes here.
const TOPIC: &str = "order.events";

/// One round's rates, all in events a second.
struct Round {
    appended: f64,
    inserted: f64,
    rebuilt: f64,
    scanned: f64,
    relayed: f64,
}

pub(crate) async fn measure(dir: &Path, effort: Effort, report: &mut Report) -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let folder = tempfile::tempdir_in(dir)?;
        rounds.push(round(folder.path(), effort).await?);
    }
    let of = |rate: fn(&Round) -> f64| median(rounds.iter().map(rate));
    let ratio = |rate: fn(&Round) -> f64, limit: fn(&Round) -> f64| {
        median(rounds.iter().map(|round| rate(round) / limit(round)))
    };
    let raw_insert = format!("raw SQLite: the same rows, {} events per commit", raw::EVENTS_PER_COMMIT);
    report.add(Figure::new(&raw_insert, of(|round| round.inserted), "events/s"));
    report.add(
        Figure::new(&format!("order events appended, {WRITERS} writers"), of(|round| round.appended), "events/s")
            .against(&raw_insert, of(|round| round.inserted))
            .ratio(ratio(|round| round.appended, |round| round.inserted))
            .target(Target::RatioAtLeast(0.5)),
    );
    let raw_scan = "raw SQLite: the events read row by row";
    report.add(Figure::new(raw_scan, of(|round| round.scanned), "events/s"));
    report.add(
        Figure::new("orders made from their events", of(|round| round.rebuilt), "events/s")
            .against(raw_scan, of(|round| round.scanned))
            .ratio(ratio(|round| round.rebuilt, |round| round.scanned))
            .target(Target::AtLeast(300_000.0)),
    );
    report.add(Figure::new("events relayed from outbox to bus", of(|round| round.relayed), "events/s"));
    Ok(())
}

async fn round(folder: &Path, effort: Effort) -> Result<Round> {
    let (env, file) = (Env::system(), folder.join("appended.db"));
    let store = SqliteStore::open(&Location::File(file.clone()))?;
    let began = Instant::now();
    let events = append(&store, &env, effort.lives).await?;
    let appended = events / began.elapsed().as_secs_f64();
    let began = Instant::now();
    rebuild(&store, &env, &Progress::default()).await?;
    let rebuilt = events / began.elapsed().as_secs_f64();
    let violations = order_service::verify::verify(&store).await?;
    anyhow::ensure!(violations.is_empty(), "{violations:?}");
    let (scanned, inserted) = against_sqlite(&file, &folder.join("inserted.db"), events)?;
    let relayed = relay(&env, &file, folder).await?;
    env.stop().await;
    Ok(Round { appended, inserted, rebuilt, scanned, relayed })
}

/// Lets many orders live at the same time; answers how many events that were.
async fn append(store: &SqliteStore, env: &Env, lives: usize) -> Result<f64> {
    let events = Rc::new(std::cell::Cell::new(0));
    load::run_clients(WRITERS, |_| {
        let (store, env, events) = (store.clone(), env.clone(), Rc::clone(&events));
        async move {
            for _ in 0..lives / WRITERS {
                let more = append_life(&store, &env).await?;
                events.set(events.get() + more);
            }
            Ok(())
        }
    })
    .await?;
    Ok(events.get() as f64)
}

/// How fast SQLite reads the events, and how fast it inserts all that the appends left behind.
fn against_sqlite(appended: &Path, inserted: &Path, events: f64) -> Result<(f64, f64)> {
    let began = Instant::now();
    let read = raw::scan(appended, "order_events")?;
    let scanned = events / began.elapsed().as_secs_f64();
    anyhow::ensure!(read as f64 == events, "{events} events were appended, {read} are there");
    let tables = raw::read_tables(appended)?;
    // For the tables.
    drop(SqliteStore::open(&Location::File(inserted.to_owned()))?);
    let connection = raw::open(inserted)?;
    let began = Instant::now();
    raw::insert(&connection, &tables, events)?;
    Ok((scanned, events / began.elapsed().as_secs_f64()))
}

/// Carries what the orders said from an outbox to a bus; what counts is when the last of it can be read there.
async fn relay(env: &Env, appended: &Path, folder: &Path) -> Result<f64> {
    const SCHEMA: Schema = Schema { name: "relay", migrations: &[outbox::SCHEMA] };
    let at = |name: &str| -> PathBuf { folder.join(name) };
    let database = Database::open(&Location::File(at("relay.db")), &SCHEMA)?;
    let said = raw::copy_table(appended, &at("relay.db"), "outbox")?;
    let bus = EmbeddedBus::open(env, &Location::File(at("bus.db")))?;
    let queue = EmbeddedQueue::open(env, &Location::File(at("queue.db")))?;
    let before = said.checked_sub(1).context("the orders said nothing")?;
    let began = Instant::now();
    outbox::Relay { service: "bench", database, bus: Arc::<EmbeddedBus>::clone(&bus), queue }.start(env);
    bus.fetch(TOPIC, before, 1).await?;
    Ok(said as f64 / began.elapsed().as_secs_f64())
}
