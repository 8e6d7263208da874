//! A few seeds: the same one gives the same run, those that once failed no longer do, and fresh ones do not either.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use sim::{batch, plan::Plan, regressions::regressions, run::run};

/// Fixed, so that a change is judged by the same runs as the one before it; `cargo xtask sim` runs fresh ones.
const SEEDS: std::ops::Range<u64> = 1_000..1_020;

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3] {
        let plan = Plan { recorded: true, ..Plan::of(seed) };
        let (first, second) = (run(&plan), run(&plan));
        let differs = first.lines.iter().zip(&second.lines).position(|(first, second)| first != second);
        if let Some(at) = differs {
            panic!("seed {seed} went another way at:\n{}\n{}", first.lines[at], second.lines[at]);
        }
        assert_eq!((first.hash, first.events), (second.hash, second.events), "seed {seed}");
        assert_ne!(first.hash, run(&Plan::of(seed + 1)).hash, "another seed is another run");
    }
}

#[test]
fn without_faults_nothing_is_refused_that_should_work() {
    let report = run(&Plan::of(7).calm());
    assert_eq!(report.wrongs, Vec::<String>::new());
    for refused in ["refused: unavailable", "refused: timeout", "restarted"] {
        assert!(!report.counts.contains_key(refused), "{refused}");
    }
    assert!(report.counts.contains_key("order: confirmed"), "{:?}", report.counts);
}

#[test]
fn seeds_that_once_failed_and_a_few_more_break_nothing() {
    let known = regressions().unwrap();
    assert!(known.iter().all(|regression| !regression.story.trim().is_empty()));
    let seeds: Vec<u64> = known.iter().map(|regression| regression.seed).chain(SEEDS).collect();
    let batch = batch::run_all(&seeds, |_| {});
    let failures: Vec<_> = batch.failures.iter().map(|report| (report.plan.seed, &report.wrongs)).collect();
    assert!(failures.is_empty(), "cargo xtask sim --seeds 1 --seed SEED shows each: {failures:#?}");
    assert_eq!(batch.runs, seeds.len());
}
