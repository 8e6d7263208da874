//! What the worker of one queue holds in memory: the keys that have a job running or ready, a lane each.
//!
//! Everything else waits in the table: keys whose first job is not due or has to be tried again later, and
//! jobs that found no room here. Only the journal makes and removes lanes, so a lane that is there when a
//! batch begins is there when it ends.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::{sync::Notify, time::Instant};

use super::table::Stored;

/// Jobs of one queue in memory.
pub(super) const LOADED_MAX: usize = 4096;
/// Jobs of one key in memory.
pub(super) const LANE_LEN_MAX: usize = 32;
/// Due keys are taken from the table when no more than so many jobs are in memory.
const REFILL_BELOW: usize = LOADED_MAX / 2;
/// Finished jobs are written after this pause, together with others.
const FLUSH_DELAY: std::time::Duration = std::time::Duration::from_millis(25);
/// So many finished jobs are written at once.
const FINISHED_LEN_MAX: usize = 256;

/// The lanes of one queue.
pub(super) struct Lanes {
    lanes: HashMap<Arc<str>, Lane>,
    /// Keys that may run, each once.
    ready: VecDeque<Arc<str>>,
    loaded: usize,
    /// A worker is there.
    pub(super) attended: bool,
    /// When the first key in the table is due, as far as known.
    pub(super) due_at: Option<Timestamp>,
    /// Due keys shall be taken from the table.
    pub(super) scan: bool,
    /// A batch changed something the worker should look at.
    pub(super) touched: bool,
    /// Jobs in the table, once counted.
    pub(super) depth: Option<i64>,
    pub(super) finished: Vec<Finished>,
    /// When `finished` is to be written at the latest.
    pub(super) flush_at: Option<Instant>,
    /// Keys that have more jobs in the table and none here.
    pub(super) refills: Vec<Arc<str>>,
    pub(super) changed: Arc<Notify>,
}

struct Lane {
    key: Arc<str>,
    waiting: VecDeque<Stored>,
    running: bool,
    /// The table has, or may have, jobs after the last one here.
    more: bool,
    refilling: bool,
    /// Its first job goes back to the table, and the lane with it.
    leaving: bool,
    /// Finished jobs that are still in the table.
    unwritten: usize,
}

/// A job that needs no more work here.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) job: Stored,
    pub(super) end: End,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    Done,
    Dead { reason: String, attempts: u32 },
    Later { attempts: u32, ready_at: Timestamp },
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            loaded: 0,
            attended: false,
            due_at: None,
            scan: false,
            touched: false,
            depth: None,
            finished: Vec::new(),
            flush_at: None,
            refills: Vec::new(),
            changed: Arc::new(Notify::new()),
        }
    }
}

impl Lanes {
    /// For the worker: a job that may run now.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Stored> {
        while let Some(key) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            let Some(job) = lane.waiting.pop_front() else { continue };
            if job.job.due_at <= now {
                lane.running = true;
                return Some(job);
            }
            let end = End::Later { attempts: job.attempts, ready_at: job.job.due_at };
            self.finish(job, end);
        }
        None
    }

    /// For the worker: notes how a job ended. The next of its key may run.
    pub(super) fn finish(&mut self, job: Stored, end: End) {
        if let Some(lane) = self.lanes.get_mut(job.job.key.as_str()) {
            lane.running = false;
            lane.unwritten += 1;
            self.loaded -= 1;
            if matches!(end, End::Later { .. }) {
                lane.leaving = true;
            } else if !lane.waiting.is_empty() {
                self.ready.push_back(Arc::clone(&lane.key));
            } else if lane.more {
                lane.refilling = true;
                self.refills.push(Arc::clone(&lane.key));
            }
        }
        self.finished.push(Finished { job, end });
        self.flush_at.get_or_insert_with(|| Instant::now() + FLUSH_DELAY);
    }

    /// For the worker: when to look again, if nothing else happens; `now` in both clocks.
    pub(super) fn wake_at(&mut self, now: Timestamp, instant: Instant) -> Option<Instant> {
        let due = self.due_at.filter(|_| !self.scan && self.loaded <= REFILL_BELOW).map(|due_at| {
            // Short naps, because the two clocks need not run alike.
            let left = std::time::Duration::try_from(due_at.duration_since(now)).unwrap_or_default();
            instant + left.min(std::time::Duration::from_secs(1))
        });
        [due, self.flush_at].into_iter().flatten().min()
    }

    /// For a worker that leaves: nothing is held any more, and what was cut off counts as not begun.
    pub(super) fn abandon(&mut self) {
        self.lanes.clear();
        self.ready.clear();
        self.refills.clear();
        self.loaded = 0;
        self.attended = false;
    }

    /// Decides what the journal has to do; `true` if it should do it now.
    pub(super) fn needs_journal(&mut self, now: Timestamp, instant: Instant) -> bool {
        let room = self.attended && self.loaded <= REFILL_BELOW;
        self.scan |= room && self.due_at.is_some_and(|due_at| due_at <= now);
        self.scan
            || !self.refills.is_empty()
            || self.finished.len() >= FINISHED_LEN_MAX
            || self.flush_at.is_some_and(|flush_at| flush_at <= instant)
    }

    /// For the journal, after a commit of which nobody knows whether it happened: the table may have more of every
    /// key that is held here.
    pub(super) fn doubt(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.more = true;
            if lane.waiting.is_empty() && !(lane.running || lane.refilling || lane.leaving) {
                lane.refilling = true;
                self.refills.push(Arc::clone(&lane.key));
            }
        }
        self.refills.sort_unstable();
    }

    pub(super) fn holds(&self, key: &str) -> bool {
        self.lanes.contains_key(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.lanes.keys()
    }

    /// How many new keys may come in directly: none while others that are due wait in the table.
    pub(super) fn room(&self, now: Timestamp) -> usize {
        let backlog = self.scan || self.due_at.is_some_and(|due_at| due_at <= now);
        if self.attended && !backlog { LOADED_MAX.saturating_sub(self.loaded) } else { 0 }
    }

    /// For the journal: the first job of a key that was not held.
    pub(super) fn open_lane(&mut self, job: Stored, more: bool) {
        let key: Arc<str> = job.job.key.as_str().into();
        self.loaded += 1;
        self.ready.push_back(Arc::clone(&key));
        let lane = Lane {
            key: Arc::clone(&key),
            waiting: VecDeque::from([job]),
            running: false,
            more,
            refilling: false,
            leaving: false,
            unwritten: 0,
        };
        self.lanes.insert(key, lane);
    }

    /// For the journal: a new job at the end of its key. Does nothing if the key is not held.
    pub(super) fn follow(&mut self, job: Stored) {
        let Some(lane) = self.lanes.get_mut(job.job.key.as_str()) else { return };
        let full = self.loaded >= LOADED_MAX || lane.waiting.len() >= LANE_LEN_MAX;
        if lane.more || lane.refilling || lane.leaving || full {
            lane.more = true;
            if !lane.running && !lane.refilling && !lane.leaving && lane.waiting.is_empty() {
                lane.refilling = true;
                self.refills.push(Arc::clone(&lane.key));
            }
            return;
        }
        self.loaded += 1;
        lane.waiting.push_back(job);
        if !lane.running && lane.waiting.len() == 1 {
            self.ready.push_back(Arc::clone(&lane.key));
        }
    }

    /// For the journal: the next jobs of a key whose lane had run empty.
    pub(super) fn refill(&mut self, key: &Arc<str>, jobs: Vec<Stored>, more: bool) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.refilling = false;
        lane.more = more;
        self.loaded += jobs.len();
        if jobs.is_empty() {
            self.close_if_empty(key);
            return;
        }
        lane.waiting.extend(jobs);
        self.ready.push_back(Arc::clone(key));
    }

    /// For the journal: the end of a job is written.
    pub(super) fn written(&mut self, finished: &Finished) {
        let key = finished.job.job.key.as_str();
        if let End::Later { ready_at, .. } = finished.end {
            if let Some(lane) = self.lanes.remove(key) {
                self.loaded -= lane.waiting.len();
            }
            self.expect_due(ready_at);
            return;
        }
        if let Some(depth) = &mut self.depth {
            *depth -= 1;
        }
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.unwritten -= 1;
            self.close_if_empty(key);
        }
    }

    fn close_if_empty(&mut self, key: &str) {
        let empty = |lane: &Lane| {
            lane.waiting.is_empty() && lane.unwritten == 0 && !(lane.running || lane.refilling || lane.leaving)
        };
        if self.lanes.get(key).is_some_and(empty) {
            self.lanes.remove(key);
        }
    }

    /// For the journal: a key in the table will be due then.
    pub(super) fn expect_due(&mut self, ready_at: Timestamp) {
        self.due_at = Some(self.due_at.map_or(ready_at, |due_at| due_at.min(ready_at)));
    }
}
