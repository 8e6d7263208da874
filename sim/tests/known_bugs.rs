//! The simulator can fail: bugs that were made on purpose are found.
#![allow(clippy::panic, reason = "tests")]

use chassis::known_bugs::{self, KnownBug};
use sim::{plan::Plan, run::run};

/// A bug that survives so many seeds was not looked for.
const SEEDS_MAX: u64 = 1000;

fn is_found(bug: KnownBug) {
    for seed in 1..=SEEDS_MAX {
        let plan = Plan::of(seed);
        known_bugs::set(Some(bug));
        let broken = run(&plan).wrongs;
        known_bugs::set(None);
        if !broken.is_empty() {
            assert_eq!(run(&plan).wrongs, Vec::<String>::new(), "seed {seed} breaks something without {bug:?} too");
            return;
        }
    }
    panic!("{bug:?} was not found with {SEEDS_MAX} seeds");
}

#[test]
fn stock_that_is_checked_in_one_transaction_and_promised_in_another() {
    is_found(KnownBug::CheckThenActStock);
}

#[test]
fn events_that_are_published_before_the_commit() {
    is_found(KnownBug::PublishBeforeCommit);
}

#[test]
fn refunds_without_a_guard() {
    is_found(KnownBug::RefundWithoutGuard);
}

#[test]
fn a_consumer_without_an_inbox() {
    is_found(KnownBug::MissingInbox);
}
