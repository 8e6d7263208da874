//! Runs seeds: `cargo xtask sim --seeds 200`.
#![expect(clippy::print_stdout, reason = "the report is what the command is for")]
#![expect(clippy::disallowed_methods, reason = "real time is what is measured, and a fresh seed comes from outside")]

use std::{
    process::{Command, ExitCode},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Instant, SystemTime},
};

use anyhow::Result;
use clap::Parser;
use sim::{batch, coverage, plan::Plan, regressions, rng::Rng, run, shrink};

/// Batches of so many seeds have to reach everything.
const COVERING_SEEDS: usize = 200;
/// Failures that are made small and shown.
const SHOWN_MAX: usize = 3;
/// Lines of a trace that are shown.
const LINES_MAX: usize = 400;

/// Simulates the shop.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run, besides those that once failed.
    #[arg(long, default_value_t = 200)]
    seeds: usize,
    /// The first seed, to run it again; the others follow it.
    #[arg(long)]
    seed: Option<u64>,
    /// Shows the trace of a failing seed as it is, without making it small.
    #[arg(long)]
    whole: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let fresh = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let first = arguments.seed.unwrap_or_else(|| Rng::of(fresh(), "base").below(1 << 40));
    let mut seeds: Vec<u64> = Vec::new();
    if arguments.seed.is_none() {
        seeds.extend(regressions::regressions()?.iter().map(|regression| regression.seed));
    }
    let known = seeds.len();
    seeds.extend((0..arguments.seeds as u64).map(|number| first.wrapping_add(number)));
    println!("{known} seeds that once failed, and {} from {first} on", arguments.seeds);
    let (began, ran) = (Instant::now(), AtomicUsize::new(0));
    let batch = batch::run_all(&seeds, |report| {
        let ran = ran.fetch_add(1, Ordering::Relaxed) + 1;
        if !report.wrongs.is_empty() {
            println!("seed {} fails: {}", report.plan.seed, report.wrongs[0]);
        }
        if ran % 1000 == 0 {
            println!("{ran} seeds");
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    for report in batch.failures.iter().take(SHOWN_MAX) {
        show(report, arguments.whole);
    }
    println!("\nReached, over all seeds:\n{}", coverage::table(&batch.counts));
    let hours = batch.simulated.as_secs_f64() / 3600.0;
    println!(
        "{} seeds, {} failures, {} events, {hours:.0} simulated hours in {seconds:.1} s: {:.1} simulated hours a second",
        batch.runs,
        batch.failures.len(),
        batch.events,
        hours / seconds
    );
    let never = coverage::never_reached(&batch.counts);
    if arguments.seeds >= COVERING_SEEDS && batch.failures.is_empty() && !never.is_empty() {
        println!("never reached: {}", never.join(", "));
        return Ok(ExitCode::from(2));
    }
    Ok(if batch.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Prints a failure with the shortest trace that shows it.
fn show(report: &run::Report, whole: bool) {
    let plan = if whole { report.plan.clone() } else { shrink::shrink(&report.plan) };
    let small = run::run(&Plan { recorded: true, ..plan });
    println!("\n==== seed {} at commit {}", report.plan.seed, commit());
    let faults: Vec<_> = small.plan.faults.keys().map(|fault| fault.name()).collect();
    println!("{} actions, {} shoppers, {}", small.plan.actions, small.plan.shoppers, faults.join(", "));
    let lines: Vec<&String> = small.lines.iter().filter(|line| whole || concerns(line, &small.wrongs)).collect();
    let skipped = lines.len().saturating_sub(LINES_MAX);
    println!("({skipped} lines before; --whole shows everything, as it first failed)");
    for line in &lines[if whole { 0 } else { skipped }..] {
        println!("{line}");
    }
    for wrong in &report.wrongs {
        println!("broken at first: {wrong}");
    }
    for wrong in &small.wrongs {
        println!("broken: {wrong}");
    }
    println!("again: cargo xtask sim --seeds 1 --seed {}", report.plan.seed);
}

/// True for what goes wrong by itself, and for what names something that is broken.
fn concerns(line: &str, wrongs: &[String]) -> bool {
    let words = wrongs.iter().flat_map(|wrong| wrong.split(|char: char| !char.is_ascii_alphanumeric() && char != '_'));
    let mut ids = words.filter(|word| word.len() > 30 && word.contains('_')).peekable();
    let happens = [" ** ", " -- ", " dies", " starts", "the clock", "WRONG"].iter().any(|mark| line.contains(mark));
    ids.peek().is_none() || happens || ids.any(|id| line.contains(id))
}

fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    output.map_or_else(|_| "?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
