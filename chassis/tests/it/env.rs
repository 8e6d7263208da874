//! Time, randomness and tasks.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::Env;
use contracts::event::EventId;

#[test]
fn ids_are_uuids_of_version_7_in_the_order_of_the_clock() {
    let (env, clock) = Env::simulated(1);
    let mut ids: Vec<EventId> = Vec::new();
    for _ in 0..100 {
        ids.push(env.new_id());
        clock.advance(Duration::from_millis(1));
    }
    assert!(ids.is_sorted());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    assert!(ids.iter().all(|id| id.as_uuid().get_version_num() == 7));
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let world = |seed| {
        let (env, clock) = Env::simulated(seed);
        let first: EventId = env.new_id();
        clock.advance(Duration::from_secs(3));
        (first, env.random_below(1000), env.random_bytes::<13>(), env.now())
    };
    assert_eq!(world(7), world(7));
    assert_ne!(world(7).0, world(8).0);
}

#[test]
fn time_is_cut_to_what_stores_keep() {
    let (env, clock) = Env::simulated(1);
    let before = env.now();
    clock.advance(Duration::from_micros(1_500_001));
    assert_eq!(env.now().duration_since(before).as_micros(), 1_500_001);
    let now = Env::system().now();
    assert_eq!(jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap(), now);
}

#[test]
fn random_numbers_stay_below_their_bound() {
    let env = Env::system();
    assert!((0..1000).all(|_| env.random_below(3) < 3));
    assert_eq!((env.random_below(0), env.random_below(1)), (0, 0));
}

#[tokio::test]
async fn stop_waits_for_all_tasks_also_for_one_that_panicked() {
    let env = Env::system();
    let finished = Arc::new(AtomicBool::new(false));
    let (task_env, note) = (env.clone(), Arc::clone(&finished));
    env.spawn("patient", async move {
        task_env.stopping().await;
        tokio::task::yield_now().await;
        note.store(true, Ordering::SeqCst);
    });
    env.spawn("broken", async { panic!("on purpose") });
    assert!(!env.is_stopping());
    env.stop().await;
    assert!(env.is_stopping() && finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn blocking_work_answers_and_its_panic_is_an_error() {
    let env = Env::system();
    assert_eq!(env.blocking(|| 6 * 7).await.unwrap(), 42);
    assert!(env.blocking(|| panic!("on purpose")).await.is_err());
}
