//! The embedded queue against the contract, in memory and on a file, and what only it promises.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};

use super::{EmbeddedQueue, Job, Queue, WorkError, Worker, WorkerConfig, contract};
use crate::{
    Env,
    sqlite::{Access, Disk, Fate, Location, SimulatedFile},
};

fn on_file(folder: &Path) -> impl Fn(&Env) -> Arc<dyn Queue> + use<> {
    let location = Location::in_folder(folder, "queue.db");
    move |env| EmbeddedQueue::open(env, &location).unwrap()
}

fn in_memory(env: &Env) -> Arc<dyn Queue> {
    EmbeddedQueue::open(env, &Location::Memory).unwrap()
}

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() { super::contract::$case(&super::in_memory).await; })+
        }
        mod file {
            on_file!($($case),+);
        }
    };
}

macro_rules! on_file {
    ($($case:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let folder = tempfile::tempdir().unwrap();
            super::contract::$case(&super::on_file(folder.path())).await;
        })+
    };
}

on_both!(
    keeps_the_order_of_a_key,
    runs_keys_side_by_side,
    waits_until_a_job_is_due,
    tries_again,
    gives_up_and_replays,
    does_a_job_once,
);

mod reopened {
    on_file!(goes_on_after_reopening);
}

/// Counts jobs; fails those whose key is odd, once.
struct Counter {
    done: watch::Sender<usize>,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
}

#[async_trait]
impl Worker for Counter {
    async fn work(&self, job: &Job, attempt: u32) -> Result<(), WorkError> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once_max.fetch_max(at_once, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if attempt == 1 && job.key.ends_with(['1', '3', '5', '7', '9']) {
            return Err(WorkError::Retry { reason: "odd".to_owned(), after: None });
        }
        self.done.send_modify(|done| *done += 1);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_off_far_more_than_it_holds_in_memory() {
    let (env, folder) = (Env::system(), tempfile::tempdir().unwrap());
    let queue = on_file(folder.path())(&env);
    let counter = Arc::new(Counter {
        done: watch::Sender::new(0),
        at_once: AtomicUsize::new(0),
        at_once_max: AtomicUsize::new(0),
    });
    let config = WorkerConfig { concurrency: 7, backoff_base: Duration::from_millis(1), ..WorkerConfig::default() };
    queue.start_worker(&env, "many", config, counter.clone());
    for batch in 0..12 {
        let jobs = (0..1000).map(|number| Job {
            queue: "many".to_owned(),
            key: format!("k{}", (batch * 1000 + number) % 9000),
            id: env.new_id(),
            due_at: env.now(),
            traceparent: None,
            payload: Bytes::new(),
        });
        queue.push(jobs.collect()).await.unwrap();
    }
    let mut done = counter.done.subscribe();
    let all = tokio::time::timeout(Duration::from_secs(30), done.wait_for(|done| *done == 12_000));
    assert!(all.await.is_ok(), "done: {}", *counter.done.borrow());
    assert_eq!(counter.at_once_max.load(Ordering::SeqCst), 7);
    env.stop().await;
}

/// Notes the payloads of jobs; hangs on those of the first key, if told so.
struct Hanging {
    hang: bool,
    noted: watch::Sender<Vec<Bytes>>,
}

#[async_trait]
impl Worker for Hanging {
    async fn work(&self, job: &Job, _: u32) -> Result<(), WorkError> {
        self.noted.send_modify(|noted| noted.push(job.payload.clone()));
        if self.hang && job.key == "a" {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_takes_over_what_another_was_cut_off_from() {
    let (env, first_env) = (Env::system(), Env::system());
    let queue = in_memory(&env);
    let worker = |hang| Arc::new(Hanging { hang, noted: watch::Sender::new(Vec::new()) });
    let (first, second) = (worker(true), worker(false));
    queue.start_worker(&first_env, "shift", WorkerConfig::default(), first.clone());
    let job = |key: &str, payload| Job {
        queue: "shift".to_owned(),
        key: key.to_owned(),
        id: env.new_id(),
        due_at: env.now(),
        traceparent: None,
        payload: Bytes::from_static(payload),
    };
    queue.push(vec![job("a", b"hangs"), job("a", b"behind"), job("b", b"done")]).await.unwrap();
    first.noted.subscribe().wait_for(|noted| noted.len() == 2).await.unwrap();
    first_env.stop().await;
    queue.push(vec![job("a", b"last")]).await.unwrap();
    queue.start_worker(&env, "shift", WorkerConfig::default(), second.clone());
    let mut noted = second.noted.subscribe();
    assert_eq!(*noted.wait_for(|noted| noted.len() == 3).await.unwrap(), ["hangs", "behind", "last"]);
    env.stop().await;
}

/// A disk whose next commit happens although it says that it does not know.
#[derive(Default)]
struct Doubtful(AtomicBool);

#[async_trait]
impl Disk for Doubtful {
    async fn before(&self, access: Access) -> Fate {
        match access == Access::Write && self.0.swap(false, Ordering::SeqCst) {
            true => Fate::Unanswered,
            false => Fate::Done,
        }
    }

    async fn after(&self, _: Access) {}
}

/// Does jobs one at a time, as it is let.
struct Paced {
    turns: Semaphore,
    begun: watch::Sender<Vec<Bytes>>,
}

#[async_trait]
impl Worker for Paced {
    async fn work(&self, job: &Job, _: u32) -> Result<(), WorkError> {
        self.begun.send_modify(|begun| begun.push(job.payload.clone()));
        self.turns.acquire().await.unwrap().forget();
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_commit_was_in_doubt_is_not_forgotten_behind_another_of_its_key() {
    let (env, disk) = (Env::system(), Arc::new(Doubtful::default()));
    let file = SimulatedFile::new(Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    let queue = EmbeddedQueue::open(&env, &Location::Simulated(file)).unwrap();
    let worker = Arc::new(Paced { turns: Semaphore::new(1), begun: watch::Sender::new(Vec::new()) });
    queue.start_worker(&env, "paced", WorkerConfig::default(), worker.clone());
    let job = |key: &str, payload| Job {
        queue: "paced".to_owned(),
        key: key.to_owned(),
        id: env.new_id(),
        due_at: env.now(),
        traceparent: None,
        payload: Bytes::from_static(payload),
    };
    // The very first job is found by looking; those after it go to the worker directly.
    queue.push(vec![job("other", b"other")]).await.unwrap();
    let mut begun = worker.begun.subscribe();
    begun.wait_for(|begun| begun.len() == 1).await.unwrap();
    queue.push(vec![job("a", b"first")]).await.unwrap();
    begun.wait_for(|begun| begun.len() == 2).await.unwrap();
    let second = job("a", b"second");
    disk.0.store(true, Ordering::SeqCst);
    assert!(queue.push(vec![second.clone()]).await.is_err(), "nobody knows");
    queue.push(vec![second]).await.unwrap();
    worker.turns.add_permits(2);
    let all = tokio::time::timeout(Duration::from_secs(60), begun.wait_for(|begun| begun.len() == 3)).await;
    assert!(all.is_ok(), "{:?}", *worker.begun.borrow());
    env.stop().await;
}
