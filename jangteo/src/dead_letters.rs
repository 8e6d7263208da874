//! `jangteo dead-letters`: the events and jobs that a stopped shop's services gave up, each with its reason;
//! to be handled again when the shop starts, or to be dropped.
#![expect(clippy::print_stdout, reason = "the list is what the command is for")]

use std::{fmt, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use chassis::{
    Env,
    bus::{Bus, DeadLetter, EmbeddedBus},
    datadir,
    queue::{DeadJob, EmbeddedQueue, Queue},
    sqlite::Location,
};
use contracts::event::EventId;

use crate::{config::Config, shop};

/// Dead letters read at once.
const PAGE_LEN: usize = 1000;
/// Dead jobs looked at.
const DEAD_JOBS_MAX: usize = 100_000;
/// Names every one of them.
const ALL: &str = "all";

/// Which are handled again and which are dropped; all are listed if neither is said.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Ids of those to be handled again, or `all`.
    pub replay: Vec<String>,
    /// Ids of those to be dropped.
    pub discard: Vec<String>,
}

/// What a service gave up.
pub(crate) enum GivenUp {
    /// An event that a consumer could not handle.
    Event(DeadLetter),
    /// A job that a worker could not do.
    Job(DeadJob),
}

impl GivenUp {
    /// True for a mail that its server would not take, which happens in every shop.
    pub(crate) fn is_mail(&self) -> bool {
        matches!(self, Self::Job(dead) if dead.job.queue == notification_service::store::SEND_QUEUE)
    }

    fn id(&self) -> String {
        match self {
            Self::Event(letter) => letter.id.to_string(),
            Self::Job(dead) => dead.job.id.to_string(),
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id();
        match self {
            Self::Event(DeadLetter { group, record, reason, attempts, at, .. }) => {
                let (topic, key) = (&record.topic, &record.key);
                write!(
                    f,
                    "{id}: {group} gave up an event of {topic} about {key} at {at} ({attempts} attempts): {reason}"
                )
            }
            // The key of a job may be somebody's address.
            Self::Job(DeadJob { job, reason, attempts, at }) => {
                write!(f, "{id}: a job of {} was given up at {at} ({attempts} attempts): {reason}", job.queue)
            }
        }
    }
}

/// Does what `wishes` say, on the data of a stopped shop.
pub fn run(config: &Config, wishes: &Wishes) -> Result<ExitCode> {
    if !config.data_dir.is_dir() {
        bail!("there is no data folder {}; choose one with --data-dir", config.data_dir.display());
    }
    shop::block_on(async {
        let env = Env::system();
        let lock = datadir::lock(&config.data_dir)?;
        let at = |name: &str| Location::in_folder(lock.path(), name);
        let (bus, queue) = (EmbeddedBus::open(&env, &at("bus.db"))?, EmbeddedQueue::open(&env, &at("queue.db"))?);
        let done = grant(&*bus, &*queue, wishes).await;
        env.stop().await;
        for line in done? {
            println!("{line}");
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Everything that was given up, oldest first: events, then jobs.
pub(crate) async fn list(bus: &dyn Bus, queue: &dyn Queue) -> Result<Vec<GivenUp>> {
    let mut given_up = Vec::new();
    let mut after = 0;
    loop {
        let letters = bus.dead_letters(after, PAGE_LEN).await?;
        let Some(last) = letters.last() else { break };
        after = last.id;
        given_up.extend(letters.into_iter().map(GivenUp::Event));
    }
    given_up.extend(queue.dead_jobs(DEAD_JOBS_MAX).await?.into_iter().map(GivenUp::Job));
    Ok(given_up)
}

async fn grant(bus: &dyn Bus, queue: &dyn Queue, wishes: &Wishes) -> Result<Vec<String>> {
    let given_up = list(bus, queue).await?;
    if wishes.replay.is_empty() && wishes.discard.is_empty() {
        let lines: Vec<String> = given_up.iter().map(ToString::to_string).collect();
        return Ok(if lines.is_empty() { vec!["Nothing was given up.".to_owned()] } else { lines });
    }
    let replay = match wishes.replay.iter().any(|id| id == ALL) {
        true => given_up.iter().map(GivenUp::id).collect(),
        false => wishes.replay.clone(),
    };
    let mut lines = Vec::new();
    for id in &replay {
        let found = match target(id)? {
            Target::Event(id) => bus.replay_dead_letter(id).await?,
            Target::Job(id) => queue.replay_dead_job(id).await?,
        };
        lines.push(if found { format!("{id} is handled again when the shop starts") } else { unknown(id) });
    }
    for id in &wishes.discard {
        let found = match target(id)? {
            Target::Event(id) => bus.discard_dead_letter(id).await?,
            Target::Job(id) => queue.discard_dead_job(id).await?,
        };
        lines.push(if found { format!("{id} is gone") } else { unknown(id) });
    }
    Ok(lines)
}

fn unknown(id: &str) -> String {
    format!("{id} is not among what was given up")
}

enum Target {
    Event(u64),
    Job(EventId),
}

fn target(id: &str) -> Result<Target> {
    if let Ok(letter) = id.parse() {
        return Ok(Target::Event(letter));
    }
    let job = id.parse().ok().with_context(|| format!("`{id}` is no id; `jangteo dead-letters` lists them"))?;
    Ok(Target::Job(job))
}

#[cfg(test)]
mod tests {
    use chassis::bus::Record;

    use super::*;

    #[tokio::test]
    async fn lists_replays_and_discards() {
        let env = Env::system();
        let bus = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let queue = EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        let wishes = |replay: &[&str], discard: &[&str]| Wishes {
            replay: replay.iter().map(ToString::to_string).collect(),
            discard: discard.iter().map(ToString::to_string).collect(),
        };
        let nothing = wishes(&[], &[]);
        assert_eq!(grant(&*bus, &*queue, &nothing).await.unwrap(), ["Nothing was given up."]);
        for key in ["ord_1", "ord_2", "ord_3"] {
            let payload = b"{}".as_slice().into();
            let record = Record { topic: "order.events".to_owned(), key: key.to_owned(), id: env.new_id(), payload };
            bus.bury("payment", record, "no such payment", 10, env.now()).await.unwrap();
        }
        let lines = grant(&*bus, &*queue, &nothing).await.unwrap();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("2: payment gave up an event of order.events about ord_2 at "), "{}", lines[1]);
        assert!(lines[1].ends_with("(10 attempts): no such payment"), "{}", lines[1]);

        assert_eq!(grant(&*bus, &*queue, &wishes(&[], &["2"])).await.unwrap(), ["2 is gone"]);
        let again = grant(&*bus, &*queue, &wishes(&["2", "1"], &[])).await.unwrap();
        assert_eq!(again, ["2 is not among what was given up", "1 is handled again when the shop starts"]);
        grant(&*bus, &*queue, &wishes(&["all"], &[])).await.unwrap();
        assert!(list(&*bus, &*queue).await.unwrap().is_empty());
        assert!(grant(&*bus, &*queue, &wishes(&["evt"], &[])).await.is_err());
        env.stop().await;
    }
}
