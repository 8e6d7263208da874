//! Many runs, side by side, and what came of all of them.

use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    coverage::{self, Counts},
    plan::Plan,
    run::{Report, run},
    world::lock,
};

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Batch {
    /// How many there were.
    pub runs: usize,
    /// Those that broke something.
    pub failures: Vec<Report>,
    /// What was reached.
    pub counts: Counts,
    /// How much time passed in all worlds.
    pub simulated: Duration,
    /// How many events there were.
    pub events: u64,
}

/// Failures after which a batch is broken off: more of them say nothing new.
const FAILURES_MAX: usize = 20;

/// Runs all `seeds`, as many at once as there are cores; `done` hears of each.
pub fn run_all(seeds: &[u64], done: impl Fn(&Report) + Sync) -> Batch {
    let next = AtomicUsize::new(0);
    let batch = Mutex::new(Batch::default());
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run(&Plan::of(*seed));
                    done(&report);
                    let mut batch = lock(&batch);
                    batch.runs += 1;
                    batch.simulated += report.simulated;
                    batch.events += report.events;
                    coverage::add(&mut batch.counts, &report.counts);
                    if !report.wrongs.is_empty() {
                        batch.failures.push(report);
                    }
                    if batch.failures.len() >= FAILURES_MAX {
                        next.store(seeds.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut batch = batch.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    batch.failures.sort_by_key(|report| report.plan.seed);
    batch
}
