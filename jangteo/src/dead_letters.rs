//! `jangteo dead-letters`: the events and jobs that services gave up, each with its reason; to be looked at, handled
//! again, or dropped. On the data of a stopped shop or in a running one.
#![expect(clippy::print_stdout, reason = "the list is what the command is for")]

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail};
use chassis::{
    Env,
    bus::EmbeddedBus,
    datadir,
    operations::dead_letters::{DeadLetter, DeadLetters},
    queue::EmbeddedQueue,
    sqlite::Location,
};
use contracts::Page;
use http::Method;

use crate::{
    config::Config,
    shop,
    target::{RunningShop, Target},
};

/// Names every one of them.
const ALL: &str = "all";

/// What to do with what was given up.
#[derive(Debug)]
pub enum Wish {
    /// Show one line for each.
    List,
    /// Show one as it is.
    Show(String),
    /// Have these handled again, or `all`.
    Replay(Vec<String>),
    /// Drop these for good.
    Drop(Vec<String>),
}

/// Where the dead letters are.
enum Letters {
    Stopped(DeadLetters),
    Running(Box<RunningShop>),
}

/// Does what `wish` says. Exit code 1 if something that was named is not there.
pub fn run(target: &Target, wish: &Wish) -> Result<ExitCode> {
    shop::block_on(async {
        let Reply { lines, complete } = match target {
            Target::Running { url, api_key } => {
                grant(&Letters::Running(Box::new(RunningShop::new(url, api_key)?)), wish, "is handled again").await?
            }
            Target::Stopped { config } => on_files(config, wish).await?,
        };
        for line in lines {
            println!("{line}");
        }
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
    })
}

async fn on_files(config: &Config, wish: &Wish) -> Result<Reply> {
    if !config.data_dir.is_dir() {
        bail!("there is no data folder {}; choose one with --data-dir", config.data_dir.display());
    }
    let env = Env::system();
    let lock = datadir::lock(&config.data_dir)?;
    let at = |name: &str| Location::in_folder(lock.path(), name);
    let (bus, queue) = (EmbeddedBus::open(&env, &at("bus.db"))?, EmbeddedQueue::open(&env, &at("queue.db"))?);
    let letters = Letters::Stopped(DeadLetters::new(bus, queue, None));
    let reply = grant(&letters, wish, "is handled again when the shop starts").await;
    env.stop().await;
    reply
}

/// What to print, and whether everything that was named was there.
#[derive(Debug, PartialEq)]
struct Reply {
    lines: Vec<String>,
    complete: bool,
}

async fn grant(letters: &Letters, wish: &Wish, replayed: &str) -> Result<Reply> {
    match wish {
        Wish::List => {
            let found = letters.all().await?;
            let lines = if found.is_empty() {
                vec!["Nothing was given up.".to_owned()]
            } else {
                found.iter().map(ToString::to_string).collect()
            };
            Ok(Reply { lines, complete: true })
        }
        Wish::Show(id) => Ok(match letters.find(id).await? {
            Some(letter) => Reply { lines: vec![serde_json::to_string_pretty(&letter)?], complete: true },
            None => Reply { lines: vec![unknown(id)], complete: false },
        }),
        Wish::Replay(ids) => {
            let all = ids.iter().any(|id| id == ALL);
            let ids = if all { letters.all().await?.into_iter().map(|one| one.id).collect() } else { ids.clone() };
            each(&ids, replayed, async |id| letters.change(id, Change::Replay).await).await
        }
        Wish::Drop(ids) => each(ids, "is gone", async |id| letters.change(id, Change::Drop).await).await,
    }
}

async fn each(ids: &[String], done: &str, change: impl AsyncFn(&str) -> Result<bool>) -> Result<Reply> {
    let mut reply = Reply { lines: Vec::new(), complete: true };
    for id in ids {
        let found = change(id).await?;
        reply.complete &= found;
        reply.lines.push(if found { format!("{id} {done}") } else { unknown(id) });
    }
    Ok(reply)
}

fn unknown(id: &str) -> String {
    format!("{id} is not among what was given up")
}

#[derive(Clone, Copy)]
enum Change {
    Replay,
    Drop,
}

/// Where each service of a running shop is operated.
fn desks() -> impl Iterator<Item = &'static str> {
    gateway::ROUTES.iter().map(|route| route.prefix).filter(|prefix| prefix.starts_with("/v1/operations/"))
}

impl Letters {
    /// All of them: of a running shop service by service, else oldest first.
    async fn all(&self) -> Result<Vec<DeadLetter>> {
        let shop = match self {
            Self::Stopped(letters) => return Ok(letters.all().await?),
            Self::Running(shop) => shop,
        };
        let mut found = Vec::new();
        for desk in desks() {
            let mut cursor = String::new();
            loop {
                let path = format!("{desk}/dead-letters?limit=100{cursor}");
                let page: Page<DeadLetter> = shop.ask(Method::GET, &path, None).await?;
                found.extend(page.items);
                let Some(next) = page.next_cursor else { break };
                cursor = format!("&cursor={next}");
            }
        }
        Ok(found)
    }

    async fn find(&self, id: &str) -> Result<Option<DeadLetter>> {
        match self {
            Self::Stopped(letters) => Ok(letters.find(id).await?),
            Self::Running(shop) => {
                let found = first(shop, Method::GET, id, "").await?;
                found.map(|body| serde_json::from_slice(&body).context("the shop's answer")).transpose()
            }
        }
    }

    async fn change(&self, id: &str, change: Change) -> Result<bool> {
        match (self, change) {
            (Self::Stopped(letters), Change::Replay) => Ok(letters.replay(id).await?),
            (Self::Stopped(letters), Change::Drop) => Ok(letters.discard(id).await?),
            (Self::Running(shop), Change::Replay) => Ok(first(shop, Method::POST, id, "/replay").await?.is_some()),
            (Self::Running(shop), Change::Drop) => Ok(first(shop, Method::DELETE, id, "").await?.is_some()),
        }
    }
}

/// Asks one service after the other about the dead letter, until one knows it.
async fn first(shop: &RunningShop, method: Method, id: &str, action: &str) -> Result<Option<Vec<u8>>> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(None);
    }
    for desk in desks() {
        let found = shop.find(method.clone(), &format!("{desk}/dead-letters/{id}{action}")).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// True for a mail that its server would not take, which happens in every shop.
pub(crate) fn is_mail(letter: &DeadLetter) -> bool {
    letter.group.is_none() && letter.source == notification_service::store::SEND_QUEUE
}

/// Everything that the services of a stopped shop gave up.
pub(crate) async fn all(bus: Arc<EmbeddedBus>, queue: Arc<EmbeddedQueue>) -> Result<Vec<DeadLetter>> {
    Ok(DeadLetters::new(bus, queue, None).all().await?)
}

#[cfg(test)]
mod tests {
    use chassis::bus::{Bus as _, Record};

    use super::*;

    #[tokio::test]
    async fn lists_shows_replays_and_drops() {
        let env = Env::system();
        let bus = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let queue = EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        let letters = Letters::Stopped(DeadLetters::new(bus.clone(), queue, None));
        let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ask = async |wish: Wish| {
            let Reply { lines, complete } = grant(&letters, &wish, "is handled again").await.unwrap();
            (lines, complete)
        };
        assert_eq!(ask(Wish::List).await, (ids(&["Nothing was given up."]), true));
        for key in ["ord_1", "ord_2", "ord_3"] {
            let payload = b"{\"token\": \"tok_1\"}".as_slice().into();
            let record = Record { topic: "order.events".to_owned(), key: key.to_owned(), id: env.new_id(), payload };
            bus.bury("payment", record, "no such payment", 10, env.now()).await.unwrap();
        }
        let (lines, _) = ask(Wish::List).await;
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("2: payment gave up an event of order.events about ord_2 at "), "{}", lines[1]);
        assert!(lines[1].ends_with("(10 attempts): no such payment"), "{}", lines[1]);
        let (shown, complete) = ask(Wish::Show("2".to_owned())).await;
        assert!(complete && shown[0].contains("\"token\": \"(hidden)\""), "{}", shown[0]);
        assert!(!ask(Wish::Show("evt".to_owned())).await.1);

        assert_eq!(ask(Wish::Drop(ids(&["2"]))).await, (ids(&["2 is gone"]), true));
        let again = ask(Wish::Replay(ids(&["2", "1"]))).await;
        assert_eq!(again, (ids(&["2 is not among what was given up", "1 is handled again"]), false));
        assert_eq!(ask(Wish::Replay(ids(&["all"]))).await, (ids(&["3 is handled again"]), true));
        assert_eq!(ask(Wish::List).await, (ids(&["Nothing was given up."]), true));
        env.stop().await;
    }

    #[test]
    fn every_service_of_the_shop_can_be_operated() {
        let services: std::collections::BTreeSet<_> = gateway::ROUTES.iter().map(|route| route.service).collect();
        let operated: std::collections::BTreeSet<_> =
            desks().map(|desk| desk.trim_start_matches("/v1/operations/")).collect();
        assert_eq!(services, operated);
    }
}
