//! The only writer of the queue: takes what was pushed, what was finished and what shall be loaded, writes
//! all of it in one commit, and only then changes what is in memory. One batch at a time.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::oneshot, time::Instant};

use super::{
    lanes::{End, Finished, LANE_LEN_MAX, LOADED_MAX, Lanes},
    table::{self, Stored},
};
use crate::{
    Env, StoreError,
    queue::{Job, QueueError},
    sqlite::Database,
};

const RETRY_DELAY: Duration = Duration::from_millis(200);

pub(super) struct Journal {
    env: Env,
    pub(super) database: Database,
    board: Mutex<Board>,
}

/// What the journal and the workers share.
pub(super) struct Board {
    pub(super) queues: BTreeMap<Arc<str>, Lanes>,
    pushes: Vec<Push>,
    answers: Vec<oneshot::Sender<Answer>>,
    /// A task is there that does what is on the board.
    attended: bool,
    /// Keys may be marked as held that nobody holds.
    pub(super) release: bool,
}

type Answer = Result<bool, QueueError>;

/// Jobs to be added.
#[derive(Clone)]
pub(super) enum Push {
    New(Vec<Arc<Job>>),
    /// A dead job, which is dead no more.
    Replay(Arc<Job>),
}

/// One commit's worth of work.
struct Batch {
    now: Timestamp,
    release: Option<HashSet<(String, String)>>,
    finished: Vec<(Arc<str>, Vec<Finished>)>,
    pushes: Vec<Push>,
    /// Keys in memory and room for new ones, per queue that has a worker.
    held: HashMap<Arc<str>, (HashSet<Arc<str>>, usize)>,
    refills: Vec<(Arc<str>, Arc<str>)>,
    scans: Vec<(Arc<str>, bool)>,
}

/// What a batch did.
#[derive(Default)]
struct Written {
    finished: Vec<(Arc<str>, Vec<Finished>)>,
    /// Per push: whether it added anything.
    added: Vec<bool>,
    placed: Vec<(Stored, Place)>,
    refills: Vec<(Arc<str>, Arc<str>, Vec<Stored>)>,
    scans: Vec<Scan>,
}

/// Where a new job went.
enum Place {
    /// Into memory, as the first of its key.
    Memory,
    /// Into the table, to be taken when it is due.
    Table(Timestamp),
    /// Behind others of its key.
    Behind,
}

struct Scan {
    queue: Arc<str>,
    due: Vec<Stored>,
    next: Option<Timestamp>,
    depth: Option<i64>,
}

impl Journal {
    pub(super) fn new(env: &Env, database: Database) -> Arc<Self> {
        let board =
            Board { queues: BTreeMap::new(), pushes: Vec::new(), answers: Vec::new(), attended: false, release: true };
        Arc::new(Self { env: env.clone(), database, board: Mutex::new(board) })
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds jobs, and writes whatever else there is to write. `false` if nothing was new.
    pub(super) async fn push(self: &Arc<Self>, push: Push) -> Answer {
        let (sender, receiver) = oneshot::channel();
        {
            let mut board = self.board();
            board.pushes.push(push);
            board.answers.push(sender);
        }
        self.attend();
        receiver.await.unwrap_or_else(|_| Err(QueueError("the queue's writer has stopped".to_owned())))
    }

    /// Sees to it that what is on the board gets done.
    pub(super) fn attend(self: &Arc<Self>) {
        if !std::mem::replace(&mut self.board().attended, true) {
            let this = Arc::clone(self);
            self.env.spawn("queue-journal", async move { while this.turn().await {} });
        }
    }

    /// Writes one batch; `false` when there was nothing to do.
    async fn turn(&self) -> bool {
        let (batch, answers) = {
            let mut board = self.board();
            let now = self.env.now();
            if !board.has_work(now) {
                board.attended = false;
                return false;
            }
            (board.take_batch(now), std::mem::take(&mut board.answers))
        };
        let (finished, refills) = (batch.finished.clone(), batch.refills.clone());
        crate::fail_point!("queue.journal.before");
        let written = self.database.write_unsynced(move |transaction| batch.write(transaction)).await;
        crate::fail_point!("queue.journal.after");
        match written {
            Ok(written) => {
                let added = self.board().apply(written);
                for (sender, added) in answers.into_iter().zip(added) {
                    // Who pushed and went away does not want to know.
                    let _ = sender.send(Ok(added));
                }
                true
            }
            Err(error) => {
                self.board().put_back(finished, refills);
                self.failed(&error, answers).await
            }
        }
    }

    async fn failed(&self, error: &StoreError, answers: Vec<oneshot::Sender<Answer>>) -> bool {
        tracing::warn!(%error, "the queue could not be written and will be tried again");
        for sender in answers {
            let _ = sender.send(Err(QueueError(error.to_string())));
        }
        tokio::select! {
            biased;
            () = self.env.stopping() => {
                let mut board = self.board();
                board.attended = !board.pushes.is_empty();
                board.attended
            }
            () = tokio::time::sleep(RETRY_DELAY) => true,
        }
    }
}

impl Board {
    fn has_work(&mut self, now: Timestamp) -> bool {
        let instant = Instant::now();
        !self.pushes.is_empty() || self.queues.values_mut().any(|lanes| lanes.needs_journal(now, instant))
    }

    fn take_batch(&mut self, now: Timestamp) -> Batch {
        let release = std::mem::take(&mut self.release).then(|| {
            let keys = self.queues.iter().flat_map(|(queue, lanes)| lanes.keys().map(move |key| (queue, key)));
            keys.map(|(queue, key)| (queue.to_string(), key.to_string())).collect()
        });
        let pushes = std::mem::take(&mut self.pushes);
        let mut held = HashMap::new();
        for job in pushes.iter().flat_map(Push::jobs) {
            let Some((queue, lanes)) = self.queues.get_key_value(job.queue.as_str()) else { continue };
            let (keys, _): &mut (HashSet<_>, _) =
                held.entry(Arc::clone(queue)).or_insert_with(|| (HashSet::new(), lanes.room(now)));
            if lanes.holds(&job.key) {
                keys.insert(job.key.as_str().into());
            }
        }
        let (mut finished, mut refills, mut scans) = (Vec::new(), Vec::new(), Vec::new());
        for (queue, lanes) in &mut self.queues {
            lanes.needs_journal(now, Instant::now());
            lanes.flush_at = None;
            if !lanes.finished.is_empty() {
                finished.push((Arc::clone(queue), std::mem::take(&mut lanes.finished)));
            }
            refills.extend(lanes.refills.drain(..).map(|key| (Arc::clone(queue), key)));
            if lanes.scan {
                scans.push((Arc::clone(queue), lanes.depth.is_none()));
            }
        }
        Batch { now, release, finished, pushes, held, refills, scans }
    }

    /// After a failed commit: nothing of it counts, but perhaps it happened.
    fn put_back(&mut self, finished: Vec<(Arc<str>, Vec<Finished>)>, refills: Vec<(Arc<str>, Arc<str>)>) {
        self.release = true;
        for (queue, mut finished) in finished {
            let Some(lanes) = self.queues.get_mut(&queue) else { continue };
            finished.append(&mut lanes.finished);
            lanes.finished = finished;
            lanes.flush_at = Some(Instant::now());
        }
        for (queue, key) in refills {
            if let Some(lanes) = self.queues.get_mut(&queue) {
                lanes.refills.push(key);
            }
        }
        for lanes in self.queues.values_mut() {
            // What the lost commit left in the table is found by looking.
            lanes.scan |= lanes.attended;
            lanes.doubt();
            lanes.depth = None;
        }
    }

    /// Takes over what was committed; answers which pushes were new.
    fn apply(&mut self, written: Written) -> Vec<bool> {
        for (stored, place) in written.placed {
            let Some(lanes) = self.queues.get_mut(stored.job.queue.as_str()) else { continue };
            lanes.touched = true;
            if let Some(depth) = &mut lanes.depth {
                *depth += 1;
            }
            match place {
                Place::Memory => lanes.open_lane(stored, false),
                Place::Table(ready_at) => lanes.expect_due(ready_at),
                Place::Behind => lanes.follow(stored),
            }
        }
        for (queue, finished) in written.finished {
            let Some(lanes) = self.queues.get_mut(&queue) else { continue };
            lanes.touched = true;
            finished.iter().for_each(|finished| lanes.written(finished));
        }
        for (queue, key, mut jobs) in written.refills {
            let Some(lanes) = self.queues.get_mut(&queue) else { continue };
            let more = jobs.len() > LANE_LEN_MAX;
            jobs.truncate(LANE_LEN_MAX);
            lanes.touched = true;
            lanes.refill(&key, jobs, more);
        }
        for scan in written.scans {
            let Some(lanes) = self.queues.get_mut(&scan.queue) else { continue };
            lanes.touched = true;
            lanes.scan = false;
            lanes.due_at = scan.next;
            lanes.depth = lanes.depth.or(scan.depth);
            scan.due.into_iter().for_each(|stored| lanes.open_lane(stored, true));
        }
        for (queue, lanes) in self.queues.iter_mut().filter(|(_, lanes)| lanes.touched) {
            lanes.touched = false;
            if let Some(depth) = lanes.depth {
                metrics::gauge!("queue_depth", "queue" => Arc::clone(queue)).set(depth as f64);
            }
            lanes.changed.notify_one();
        }
        written.added
    }
}

impl Push {
    fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        match self {
            Self::New(jobs) => jobs.iter(),
            Self::Replay(job) => std::slice::from_ref(job).iter(),
        }
    }
}

impl Batch {
    fn write(mut self, transaction: &rusqlite::Connection) -> Result<Written, StoreError> {
        let mut written = Written::default();
        for finished in self.finished.iter().flat_map(|(_, finished)| finished) {
            match &finished.end {
                End::Done => table::done(transaction, &finished.job, self.now)?,
                End::Dead { reason, attempts } => {
                    table::dead(transaction, &finished.job, reason, *attempts, self.now)?;
                }
                End::Later { attempts, ready_at } => {
                    table::postpone(transaction, &finished.job, *attempts, *ready_at)?;
                }
            }
        }
        written.finished = std::mem::take(&mut self.finished);
        // Not before: the first job of a key may just have been deleted.
        if let Some(held) = &self.release {
            table::release_all_but(transaction, held)?;
        }
        for push in std::mem::take(&mut self.pushes) {
            let before = written.placed.len();
            for job in push.jobs() {
                let id = job.id.to_string();
                let new = match &push {
                    Push::New(_) => !table::is_known(transaction, &id)?,
                    Push::Replay(_) => table::remove_dead(transaction, &id)?,
                };
                if new {
                    written.placed.push(self.place(transaction, Arc::clone(job), &id)?);
                }
            }
            written.added.push(written.placed.len() > before);
        }
        for (queue, key) in self.refills {
            let jobs = table::first_of_key(transaction, &queue, &key, LANE_LEN_MAX + 1)?;
            written.refills.push((queue, key, jobs));
        }
        for (queue, count) in self.scans {
            let due = table::take_due(transaction, &queue, self.now, LOADED_MAX / 2)?;
            let next = table::next_ready_at(transaction, &queue)?;
            let depth = if count { Some(table::depth(transaction, &queue)?) } else { None };
            written.scans.push(Scan { queue, due, next, depth });
        }
        Ok(written)
    }

    /// Inserts a job: into memory if it is the only one of its key, due, and has room there.
    fn place(
        &mut self,
        transaction: &rusqlite::Connection,
        job: Arc<Job>,
        id: &str,
    ) -> Result<(Stored, Place), StoreError> {
        let held = self.held.get_mut(job.queue.as_str());
        let is_held = held.as_ref().is_some_and(|(keys, _)| keys.contains(job.key.as_str()));
        let place = if is_held || table::has_jobs(transaction, &job.queue, &job.key)? {
            Place::Behind
        } else if let Some((_, room)) = held.filter(|(_, room)| *room > 0 && job.due_at <= self.now) {
            *room -= 1;
            Place::Memory
        } else {
            Place::Table(job.due_at)
        };
        let ready_at = match place {
            Place::Table(ready_at) => Some(ready_at),
            Place::Memory | Place::Behind => None,
        };
        let seq = table::insert(transaction, &job, id, ready_at)?;
        Ok((Stored { seq, job, attempts: 0 }, place))
    }
}
