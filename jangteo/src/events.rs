//! `jangteo events`: what was said on a topic, from any place on, as CloudEvents in JSON lines.

use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use chassis::{
    Env,
    bus::EmbeddedBus,
    datadir,
    operations::events::{EventQuery, ToldEvent, read},
    sqlite::Location,
};
use contracts::Page;
use http::Method;

use crate::{
    shop,
    target::{RunningShop, Target},
};

/// Events in one page of a running shop.
const PAGE_LEN: usize = 100;

/// Prints the events of `topic` that match `query`.
pub fn run(target: &Target, topic: &str, query: EventQuery) -> Result<ExitCode> {
    shop::block_on(async {
        match target {
            Target::Running { url, api_key } => print_running(&RunningShop::new(url, api_key)?, topic, query).await?,
            Target::Stopped { config } => {
                if !config.data_dir.is_dir() {
                    bail!("there is no data folder {}; choose one with --data-dir", config.data_dir.display());
                }
                let env = Env::system();
                let lock = datadir::lock(&config.data_dir)?;
                let bus = EmbeddedBus::open(&env, &Location::in_folder(lock.path(), "bus.db"))?;
                let printed = print_stopped(&bus, topic, query).await;
                env.stop().await;
                printed?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn print_stopped(bus: &Arc<EmbeddedBus>, topic: &str, mut query: EventQuery) -> Result<()> {
    while query.limit > 0 {
        let (events, next) =
            read(&**bus, topic, &EventQuery { limit: query.limit.min(PAGE_LEN), ..query.clone() }).await?;
        query.limit -= events.len();
        let reads_on = print(events)?;
        let Some(next) = next.filter(|_| reads_on) else { break };
        query.from = next;
    }
    Ok(())
}

async fn print_running(shop: &RunningShop, topic: &str, mut query: EventQuery) -> Result<()> {
    let service =
        topic.strip_suffix(".events").with_context(|| format!("`{topic}` is not a topic like order.events"))?;
    let mut filter = url::form_urlencoded::Serializer::new(String::new());
    if let Some(event_type) = &query.event_type {
        filter.append_pair("type", event_type);
    }
    if let Some(key) = &query.key {
        filter.append_pair("key", key);
    }
    let filter = filter.finish();
    while query.limit > 0 {
        let (from, limit) = (query.from, query.limit.min(PAGE_LEN));
        let path = format!("/v1/operations/{service}/events?from={from}&limit={limit}&{filter}");
        let page: Page<ToldEvent> = shop.ask(Method::GET, path.trim_end_matches('&'), None).await?;
        query.limit -= page.items.len();
        let reads_on = print(page.items)?;
        let Some(next) = page.next_cursor.filter(|_| reads_on) else { break };
        query.from = next.parse().context("the shop's answer")?;
    }
    Ok(())
}

/// `false` if nobody reads on: `jangteo events order.events | head`.
fn print(events: Vec<ToldEvent>) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    for event in events {
        match writeln!(out, "{}", serde_json::to_string(&event)?) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            written => written?,
        }
    }
    Ok(true)
}
