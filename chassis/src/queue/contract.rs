//! What every queue adapter must do. An adapter's tests call each of these functions with a queue of their
//! own; queues are named after the function, so a shared server will do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite fails by panicking")]

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::{DeadJob, Job, Queue, WorkError, Worker, WorkerConfig};
use crate::{Env, env::ManualClock};

/// Opens the queue under test. What one open queue has taken, the next one has.
pub type Open<'a> = &'a (dyn Fn(&Env) -> Arc<dyn Queue> + Sync);

const PATIENCE: Duration = Duration::from_secs(20);

type Handle = dyn Fn(String, u32) -> BoxFuture<'static, Result<(), WorkError>> + Send + Sync;

/// A worker that notes what it did. What it does follows from a job's payload, a short text.
struct Notebook {
    handle: Box<Handle>,
    running: Mutex<HashSet<String>>,
    done: watch::Sender<Vec<String>>,
}

impl Notebook {
    fn new(
        handle: impl Fn(String, u32) -> BoxFuture<'static, Result<(), WorkError>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let done = watch::Sender::new(Vec::new());
        Arc::new(Self { handle: Box::new(handle), running: Mutex::default(), done })
    }

    fn agreeable() -> Arc<Self> {
        Self::answering(|_, _| Ok(()))
    }

    fn answering(answer: impl Fn(&str, u32) -> Result<(), WorkError> + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |text, attempt| {
            let answer = answer(&text, attempt);
            Box::pin(async move { answer })
        })
    }

    async fn until_done(&self, count: usize) -> Vec<String> {
        let mut done = self.done.subscribe();
        let waited = tokio::time::timeout(PATIENCE, done.wait_for(|done| done.len() >= count)).await;
        match waited {
            Ok(Ok(done)) => done.clone(),
            _ => panic!("{count} jobs were not done; done: {:?}", self.done.borrow()),
        }
    }
}

#[async_trait]
impl Worker for Notebook {
    async fn work(&self, job: &Job, attempt: u32) -> Result<(), WorkError> {
        assert!(self.running.lock().unwrap().insert(job.key.clone()), "two jobs of {} at once", job.key);
        let _runs = Runs(&self.running, &job.key);
        let text = String::from_utf8(job.payload.to_vec()).unwrap();
        (self.handle)(text.clone(), attempt).await?;
        self.done.send_modify(|done| done.push(text));
        Ok(())
    }
}

struct Runs<'a>(&'a Mutex<HashSet<String>>, &'a str);

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.1);
    }
}

fn job(env: &Env, queue: &str, key: &str, text: &str) -> Job {
    Job {
        queue: queue.to_owned(),
        key: key.to_owned(),
        id: env.new_id(),
        due_at: env.now(),
        traceparent: None,
        payload: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn delayed(env: &Env, queue: &str, key: &str, text: &str, by: Duration) -> Job {
    Job { due_at: env.now() + by, ..job(env, queue, key, text) }
}

fn quick() -> WorkerConfig {
    WorkerConfig {
        attempts_max: 3,
        backoff_base: Duration::from_millis(1),
        backoff_max: Duration::from_millis(4),
        ..WorkerConfig::default()
    }
}

async fn dead_jobs(queue: &Arc<dyn Queue>, name: &str, count: usize) -> Vec<DeadJob> {
    let found = async {
        loop {
            let mut dead = queue.dead_jobs(0, 10_000).await.unwrap();
            dead.retain(|dead| dead.job.queue == name);
            if dead.len() == count {
                return dead;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{count} dead jobs of {name}"))
}

/// Jobs of a key run in the order they were pushed, one at a time, however many there are.
pub async fn keeps_the_order_of_a_key(open: Open<'_>) {
    let env = Env::system();
    let queue = open(&env);
    let notebook = Notebook::new(|_, _| {
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(())
        })
    });
    let before: Vec<_> = (0..100).map(|number| job(&env, "contract.order", "a", &format!("a{number}"))).collect();
    queue.push(before).await.unwrap();
    queue.start_worker(&env, "contract.order", quick(), notebook.clone());
    let pushing = ["a", "b", "c", "d"].map(|key| {
        let (env, queue) = (env.clone(), Arc::clone(&queue));
        async move {
            for number in 100..150 {
                queue.push(vec![job(&env, "contract.order", key, &format!("{key}{number}"))]).await.unwrap();
            }
        }
    });
    futures::future::join_all(pushing).await;
    let done = notebook.until_done(300).await;
    for (key, from) in [("a", 0), ("b", 100), ("c", 100), ("d", 100)] {
        let of_key: Vec<_> = done.iter().filter(|text| text.starts_with(key)).cloned().collect();
        assert_eq!(of_key, (from..150).map(|number| format!("{key}{number}")).collect::<Vec<_>>());
    }
    env.stop().await;
}

/// Different keys run at once, up to the configured number; one that hangs holds up none of the others.
pub async fn runs_keys_side_by_side(open: Open<'_>) {
    let env = Env::system();
    let queue = open(&env);
    let together = Arc::new(tokio::sync::Barrier::new(4));
    let notebook = Notebook::new(move |text, _| {
        let together = Arc::clone(&together);
        Box::pin(async move {
            match text.as_str() {
                "hang" => std::future::pending().await,
                "meet" => {
                    together.wait().await;
                }
                _ => {}
            }
            Ok(())
        })
    });
    let config = WorkerConfig { concurrency: 5, ..quick() };
    queue.start_worker(&env, "contract.parallel", config, notebook.clone());
    queue.push(vec![job(&env, "contract.parallel", "stuck", "hang")]).await.unwrap();
    let meeting = ["a", "b", "c", "d"].map(|key| job(&env, "contract.parallel", key, "meet"));
    queue.push(meeting.into()).await.unwrap();
    let after = (0..200).map(|number| job(&env, "contract.parallel", &format!("k{number}"), "after"));
    queue.push(after.collect()).await.unwrap();
    notebook.until_done(204).await;
    env.request_stop();
}

/// A job waits until it is due, and with it later jobs of its key, but no other key.
pub async fn waits_until_a_job_is_due(open: Open<'_>) {
    let (env, clock) = Env::simulated(11);
    let queue = open(&env);
    let notebook = Notebook::agreeable();
    queue.start_worker(&env, "contract.delay", quick(), notebook.clone());
    let hour = Duration::from_secs(3600);
    let jobs = vec![
        delayed(&env, "contract.delay", "a", "a in an hour", hour),
        job(&env, "contract.delay", "a", "a behind it"),
        job(&env, "contract.delay", "b", "b now"),
        delayed(&env, "contract.delay", "b", "b in two hours", 2 * hour),
    ];
    queue.push(jobs).await.unwrap();
    assert_eq!(notebook.until_done(1).await, ["b now"]);
    clock.advance(hour);
    assert_eq!(notebook.until_done(3).await[1..], ["a in an hour", "a behind it"]);
    clock.advance(hour);
    assert_eq!(notebook.until_done(4).await[3..], ["b in two hours"]);
    env.stop().await;
}

/// A failed job is tried again before the next of its key; panics are failures; a worker may name the pause.
pub async fn tries_again(open: Open<'_>) {
    let (env, clock) = Env::simulated(12);
    let queue = open(&env);
    let asked = watch::Sender::new(0);
    let asking = asked.clone();
    let notebook = Notebook::answering(move |text, attempt| match (text, attempt) {
        ("flaky", 1) => panic!("on purpose"),
        ("flaky", 2) => {
            asking.send_replace(2);
            Err(WorkError::Retry { reason: "busy".to_owned(), after: Some(Duration::from_secs(60)) })
        }
        _ => Ok(()),
    });
    queue.start_worker(&env, "contract.retry", quick(), notebook.clone());
    queue
        .push(vec![job(&env, "contract.retry", "a", "flaky"), job(&env, "contract.retry", "a", "next")])
        .await
        .unwrap();
    advance_until(&clock, Duration::from_millis(4), async {
        asked.subscribe().wait_for(|attempt| *attempt == 2).await.unwrap();
    })
    .await;
    clock.advance(Duration::from_secs(59));
    queue.push(vec![job(&env, "contract.retry", "b", "meanwhile")]).await.unwrap();
    assert_eq!(notebook.until_done(1).await, ["meanwhile"], "the worker asked for a minute");
    advance_until(&clock, Duration::from_secs(1), async {
        assert_eq!(notebook.until_done(3).await[1..], ["flaky", "next"]);
    })
    .await;
    env.stop().await;
}

/// Lets time pass in small steps until `event`.
async fn advance_until(clock: &ManualClock, step: Duration, event: impl Future<Output = ()>) {
    let mut event = std::pin::pin!(event);
    for _ in 0..10_000 {
        tokio::select! {
            biased;
            () = &mut event => return,
            () = tokio::time::sleep(Duration::from_millis(1)) => clock.advance(step),
        }
    }
    panic!("it did not happen");
}

/// Jobs that cannot be done are dead with their reason; the key goes on. A replayed one runs again, behind
/// the others of its key; a discarded one is gone.
pub async fn gives_up_and_replays(open: Open<'_>) {
    let env = Env::system();
    let queue = open(&env);
    let healed = Arc::new(Mutex::new(false));
    let is_healed = Arc::clone(&healed);
    let notebook = Notebook::answering(move |text, _| match text {
        "impossible" if !*is_healed.lock().unwrap() => Err(WorkError::Dead("no such thing".to_owned())),
        "hopeless" => Err(WorkError::Retry { reason: "never works".to_owned(), after: None }),
        _ => Ok(()),
    });
    queue.start_worker(&env, "contract.dead", quick(), notebook.clone());
    let jobs: Vec<_> =
        ["impossible", "hopeless", "fine"].iter().map(|text| job(&env, "contract.dead", "a", text)).collect();
    queue.push(jobs.clone()).await.unwrap();
    assert_eq!(notebook.until_done(1).await, ["fine"]);
    let dead = dead_jobs(&queue, "contract.dead", 2).await;
    let seen: Vec<_> = dead.iter().map(|dead| (&dead.job, dead.reason.as_str(), dead.attempts)).collect();
    assert_eq!(seen, [(&jobs[0], "no such thing", 1), (&jobs[1], "never works", 3)]);
    let next = queue.dead_jobs(dead[0].number, 10_000).await.unwrap();
    assert!(next.contains(&dead[1]) && !next.contains(&dead[0]), "pages go on after a number");

    queue.push(jobs.clone()).await.unwrap();
    assert!(queue.discard_dead_job(jobs[1].id).await.unwrap());
    assert!(!queue.discard_dead_job(jobs[1].id).await.unwrap());
    *healed.lock().unwrap() = true;
    assert!(queue.replay_dead_job(jobs[0].id).await.unwrap());
    assert!(!queue.replay_dead_job(jobs[0].id).await.unwrap());
    assert!(!queue.replay_dead_job(env.new_id()).await.unwrap());
    assert_eq!(notebook.until_done(2).await, ["fine", "impossible"], "pushing known jobs again did nothing");
    dead_jobs(&queue, "contract.dead", 0).await;
    env.stop().await;
}

/// Pushing a job twice does it once, also when the first is done.
pub async fn does_a_job_once(open: Open<'_>) {
    let env = Env::system();
    let queue = open(&env);
    let notebook = Notebook::agreeable();
    let once = job(&env, "contract.once", "a", "once");
    queue.push(vec![once.clone(), once.clone()]).await.unwrap();
    queue.push(vec![once.clone()]).await.unwrap();
    queue.start_worker(&env, "contract.once", quick(), notebook.clone());
    notebook.until_done(1).await;
    queue.push(vec![once.clone(), job(&env, "contract.once", "a", "then")]).await.unwrap();
    assert_eq!(notebook.until_done(2).await, ["once", "then"]);
    env.stop().await;
}

/// Everything but what was done is there after reopening: waiting jobs, attempts, dead jobs, and the ids of
/// done jobs, which whoever pushed them may push again.
pub async fn goes_on_after_reopening(open: Open<'_>) {
    let env = Env::system();
    let queue = open(&env);
    let failed = watch::Sender::new(false);
    let failing = failed.clone();
    let first = Notebook::answering(move |text, _| match text {
        "flaky" => {
            failing.send_replace(true);
            Err(WorkError::Retry { reason: "not today".to_owned(), after: Some(Duration::from_millis(1)) })
        }
        "bad" => Err(WorkError::Dead("bad".to_owned())),
        _ => Ok(()),
    });
    let config = WorkerConfig { attempts_max: u32::MAX, ..quick() };
    queue.start_worker(&env, "contract.reopen", config, first.clone());
    let done = job(&env, "contract.reopen", "a", "done");
    let later = delayed(&env, "contract.reopen", "a", "later", Duration::from_millis(1500));
    let flaky = job(&env, "contract.reopen", "b", "flaky");
    let behind = job(&env, "contract.reopen", "b", "behind");
    queue.push(vec![done.clone(), later, flaky, behind, job(&env, "contract.reopen", "c", "bad")]).await.unwrap();
    first.until_done(1).await;
    failed.subscribe().wait_for(|failed| *failed).await.unwrap();
    dead_jobs(&queue, "contract.reopen", 1).await;
    env.stop().await;
    drop(queue);

    let env = Env::system();
    let queue = open(&env);
    queue.push(vec![done]).await.unwrap();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&attempts);
    let second = Notebook::answering(move |text, attempt| {
        noting.lock().unwrap().push((text.to_owned(), attempt));
        Ok(())
    });
    queue.start_worker(&env, "contract.reopen", quick(), second.clone());
    assert_eq!(second.until_done(3).await, ["flaky", "behind", "later"]);
    assert!(attempts.lock().unwrap()[0].1 > 1, "attempts were kept: {attempts:?}");
    dead_jobs(&queue, "contract.reopen", 1).await;
    env.stop().await;
}
