//! The real program dies at every commit, publish and acknowledgement of every step of an order, is started again on
//! the same data, and has to end as if nothing had been. See `docs/crash-tests.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "tests; they wait for a program with its own clock"
)]

mod case;
mod client;
mod points;
mod process;
mod stage;
mod tale;
mod wish;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use case::{Case, Verdict};
use stage::{Stage, Template};
use tale::TALES;

/// Programs at the same time: they wait more than they compute.
const STAGES: usize = 6;
/// Only these, such as `captured@payment` for every point of payment in that step.
const ONLY: &str = "CRASH_CASE";

type Verdicts = Vec<(Case, Result<Verdict, String>)>;

#[tokio::test]
async fn an_order_survives_the_end_of_the_process_at_every_point_of_every_step() {
    let template = Template::prepare().await;
    let (mut cases, mut reached) = (Vec::new(), BTreeSet::new());
    let rehearsals = TALES.iter().map(|tale| case::rehearse(tale, &template));
    for (tale, trace) in TALES.iter().zip(futures::future::join_all(rehearsals).await) {
        let trace = trace.unwrap_or_else(|error| panic!("without any crash, `{}`: {error}", tale.name));
        cases.extend(case::plan(tale, &trace));
        reached.extend(trace);
    }
    points::check_known(&reached);
    let only = std::env::var(ONLY).ok();
    cases.retain(|case| only.as_ref().is_none_or(|only| case.name().starts_with(only)));
    assert!(!cases.is_empty(), "no case is called {only:?}");
    // Those of the last tales wait longest, so they come first.
    let (waiting, verdicts) = (Mutex::new(cases), Mutex::new(Vec::new()));
    futures::future::join_all((0..STAGES).map(|_| work_off(&template, &waiting, &verdicts))).await;
    judge(&verdicts.into_inner().unwrap(), only.is_none());
}

/// Tries cases on a stage of its own until none waits.
async fn work_off(template: &Template, waiting: &Mutex<Vec<Case>>, verdicts: &Mutex<Verdicts>) {
    let mut stage = None;
    loop {
        let Some(case) = waiting.lock().unwrap().pop() else { return };
        let set = match stage.take() {
            Some(stage) => stage,
            None => Stage::open().await,
        };
        let verdict = case::run(&case, &set, template).await;
        // What a failed case has left at its provider would disturb the next one.
        stage = verdict.is_ok().then_some(set);
        verdicts.lock().unwrap().push((case, verdict));
    }
}

fn judge(verdicts: &Verdicts, whole: bool) {
    let mut died: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut missed = Vec::new();
    let mut failures = Vec::new();
    for (case, verdict) in verdicts {
        match verdict {
            Ok(Verdict::Survived) => {
                died.entry(case.point.as_str()).or_default().insert(case.step);
            }
            Ok(Verdict::NotReached) => missed.push(case.name()),
            Err(error) => {
                failures.push(format!("{}\n    by hand: JANGTEO_FAILPOINT={}\n    {error}", case.name(), case.route))
            }
        }
    }
    for (point, steps) in &died {
        eprintln!("{point}: {}", steps.iter().copied().collect::<Vec<_>>().join(", "));
    }
    eprintln!(
        "{} crashes survived, {} not reached: {missed:?}",
        verdicts.len() - missed.len() - failures.len(),
        missed.len()
    );
    assert!(failures.is_empty(), "{} of {} cases failed:\n{}", failures.len(), verdicts.len(), failures.join("\n"));
    if whole {
        points::check_tried(&died.keys().copied().collect());
        // Two things that happen at the same time may change places, so that a point is passed before its step begins.
        assert!(missed.len() * 20 <= verdicts.len(), "too many points were not reached again: {missed:?}");
    }
}
