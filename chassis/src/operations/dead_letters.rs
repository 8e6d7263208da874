//! What was given up: events that a consumer could not handle, jobs that a worker could not do.

use std::{fmt, sync::Arc};

use contracts::{Page, event::EventId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OperationError;
use crate::{
    bus::{self, Bus},
    config::redacted_json,
    queue::{DeadJob, Queue},
};

/// Letters read at once.
const READ_LEN: usize = 256;

/// What was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeadLetterKind {
    /// Something that happened.
    Event,
    /// Something to be done.
    Job,
}

/// An event or a job that was given up, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Names it.
    #[schema(example = "1")]
    pub id: String,
    /// Event or job.
    pub kind: DeadLetterKind,
    /// Its topic or queue.
    #[schema(example = "order.events")]
    pub source: String,
    /// Who gave up, if it is an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "payment")]
    pub group: Option<String>,
    /// What it is about: an order, a recipient.
    pub key: String,
    /// What went wrong at the last attempt.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// What it says, secrets hidden; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, source, key, reason, attempts, at, .. } = self;
        match &self.group {
            Some(group) => write!(
                f,
                "{id}: {group} gave up an event of {source} about {key} at {at} ({attempts} attempts): {reason}"
            ),
            // The key of a job may be somebody's address.
            None => write!(f, "{id}: a job of {source} was given up at {at} ({attempts} attempts): {reason}"),
        }
    }
}

/// Whose dead letters.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// The consumer groups that gave up.
    pub groups: &'static [&'static str],
    /// The queues whose workers gave up.
    pub queues: &'static [&'static str],
}

/// The dead letters of a shop, or of one service in it.
pub struct DeadLetters {
    bus: Arc<dyn Bus>,
    queue: Arc<dyn Queue>,
    owner: Option<Owner>,
}

enum GivenUp {
    Event(bus::DeadLetter),
    Job(DeadJob),
}

/// Where a page begins.
#[derive(Clone, Copy)]
enum After {
    Event(u64),
    Job(u64),
}

impl After {
    fn parse(cursor: &str) -> Option<Self> {
        let (kind, number) = cursor.split_once('-')?;
        let number = number.parse().ok()?;
        match kind {
            "event" => Some(Self::Event(number)),
            "job" => Some(Self::Job(number)),
            _ => None,
        }
    }
}

impl GivenUp {
    fn cursor(&self) -> String {
        match self {
            Self::Event(letter) => format!("event-{}", letter.id),
            Self::Job(dead) => format!("job-{}", dead.number),
        }
    }

    fn view(self, with_payload: bool) -> DeadLetter {
        let shown = |payload: &[u8]| with_payload.then(|| show(payload));
        match self {
            Self::Event(bus::DeadLetter { id, group, record, reason, attempts, at }) => DeadLetter {
                id: id.to_string(),
                kind: DeadLetterKind::Event,
                source: record.topic,
                group: Some(group),
                key: record.key,
                reason,
                attempts,
                at,
                payload: shown(&record.payload),
            },
            Self::Job(DeadJob { job, reason, attempts, at, .. }) => DeadLetter {
                id: job.id.to_string(),
                kind: DeadLetterKind::Job,
                source: job.queue,
                group: None,
                key: job.key,
                reason,
                attempts,
                at,
                payload: shown(&job.payload),
            },
        }
    }
}

/// A payload as people may see it. In what is not JSON nobody could tell where the secrets are.
fn show(payload: &[u8]) -> serde_json::Value {
    match serde_json::from_slice(payload) {
        Ok(value) => redacted_json(value),
        Err(_) => serde_json::Value::String(format!("{} bytes that are not JSON", payload.len())),
    }
}

impl DeadLetters {
    /// Those of `owner`, or all.
    pub fn new(bus: Arc<dyn Bus>, queue: Arc<dyn Queue>, owner: Option<Owner>) -> Self {
        Self { bus, queue, owner }
    }

    /// One page: events, then jobs, the oldest first, without their payloads.
    pub async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<Page<DeadLetter>, OperationError> {
        let after = match cursor {
            Some(cursor) => After::parse(cursor).ok_or(OperationError::InvalidCursor)?,
            None => After::Event(0),
        };
        let wanted = limit as usize + 1;
        let mut found = Vec::new();
        let mut job_after = match after {
            After::Event(after) => {
                self.read_events(after, wanted, &mut found).await?;
                0
            }
            After::Job(after) => after,
        };
        while found.len() < wanted {
            let jobs = self.queue.dead_jobs(job_after, READ_LEN).await?;
            let Some(last) = jobs.last() else { break };
            job_after = last.number;
            let owned = jobs.into_iter().filter(|dead| self.owns_queue(&dead.job.queue));
            found.extend(owned.map(GivenUp::Job).take(wanted - found.len()));
        }
        Ok(Page::from_overread(found, limit, GivenUp::cursor).map(|one| one.view(false)))
    }

    async fn read_events(&self, after: u64, wanted: usize, found: &mut Vec<GivenUp>) -> Result<(), OperationError> {
        let mut after = after;
        while found.len() < wanted {
            let letters = self.bus.dead_letters(after, READ_LEN).await?;
            let Some(last) = letters.last() else { break };
            after = last.id;
            let owned = letters.into_iter().filter(|letter| self.owns_group(&letter.group));
            found.extend(owned.map(GivenUp::Event).take(wanted - found.len()));
        }
        Ok(())
    }

    /// Everything, however much, without payloads.
    pub async fn all(&self) -> Result<Vec<DeadLetter>, OperationError> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.page(cursor.as_deref(), 1000).await?;
            found.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// The one with this id, with its payload.
    pub async fn find(&self, id: &str) -> Result<Option<DeadLetter>, OperationError> {
        Ok(self.search(id).await?.map(|found| found.view(true)))
    }

    /// Has it handled again. `false` if there is none.
    pub async fn replay(&self, id: &str) -> Result<bool, OperationError> {
        Ok(match self.search(id).await? {
            Some(GivenUp::Event(letter)) => self.bus.replay_dead_letter(letter.id).await?,
            Some(GivenUp::Job(dead)) => self.queue.replay_dead_job(dead.job.id).await?,
            None => false,
        })
    }

    /// Drops it for good. `false` if there is none.
    pub async fn discard(&self, id: &str) -> Result<bool, OperationError> {
        Ok(match self.search(id).await? {
            Some(GivenUp::Event(letter)) => self.bus.discard_dead_letter(letter.id).await?,
            Some(GivenUp::Job(dead)) => self.queue.discard_dead_job(dead.job.id).await?,
            None => false,
        })
    }

    async fn search(&self, id: &str) -> Result<Option<GivenUp>, OperationError> {
        if let Ok(number) = id.parse::<u64>() {
            let next = self.bus.dead_letters(number.saturating_sub(1), 1).await?.pop();
            let owned = next.filter(|letter| letter.id == number && self.owns_group(&letter.group));
            return Ok(owned.map(GivenUp::Event));
        }
        let Ok(id) = id.parse::<EventId>() else { return Ok(None) };
        let mut after = 0;
        loop {
            let jobs = self.queue.dead_jobs(after, READ_LEN).await?;
            let Some(last) = jobs.last() else { return Ok(None) };
            after = last.number;
            if let Some(found) = jobs.into_iter().find(|dead| dead.job.id == id) {
                return Ok(Some(found).filter(|dead| self.owns_queue(&dead.job.queue)).map(GivenUp::Job));
            }
        }
    }

    fn owns_group(&self, group: &str) -> bool {
        self.owner.is_none_or(|owner| owner.groups.contains(&group))
    }

    fn owns_queue(&self, queue: &str) -> bool {
        self.owner.is_none_or(|owner| owner.queues.contains(&queue))
    }
}
