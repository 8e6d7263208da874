//! Developer commands: `cargo xtask --help`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a command line tool of the repository, never shipped"
)]

mod bench;
mod checks;
mod graph;
mod run;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Developer commands of Jangteo.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything CI runs: format, clippy, deny, docs, all tests, Schemathesis.
    Test {
        /// Leave out Schemathesis, which takes minutes.
        #[arg(long)]
        quick: bool,
    },
    /// Format, clippy, deny and docs only.
    Lint,
    /// Measures speed and size against the machine's limits; writes bench/results/latest.json.
    Bench {
        /// Passed on to the bench program; see `cargo xtask bench -- --help`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Customers buy while the shop is killed every few seconds; at the end nothing may be missing.
    Soak {
        /// Passed on, such as `--minutes 10`; see `cargo xtask soak --help`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Simulates the shop with everything failing around it; see sim/README.md.
    Sim {
        /// How many seeds, besides those that once failed.
        #[arg(long, default_value_t = checks::SEEDS)]
        seeds: u32,
        /// The first of them, to run it again; fresh ones if absent.
        #[arg(long)]
        seed: Option<u64>,
        /// Shows the whole trace of a failure, as it first was.
        #[arg(long)]
        whole: bool,
        /// For many seeds: building takes longer, running less.
        #[arg(long)]
        release: bool,
    },
    /// Writes openapi/jangteo.json from the code.
    Openapi {
        /// Fail if the file is not current instead of writing it.
        #[arg(long)]
        check: bool,
    },
    /// Writes docs/service-graph.txt: which crate depends on which, and which service calls whom.
    Graph {
        /// Fail if the file is not current instead of writing it.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Test { quick } => checks::test(quick),
        Command::Lint => checks::lint(),
        Command::Bench { arguments } => bench::bench(&arguments),
        Command::Soak { arguments } => bench::soak(&arguments),
        Command::Sim { seeds, seed, whole, release } => checks::sim(seeds, seed, whole, release),
        Command::Openapi { check } => checks::openapi(check),
        Command::Graph { check } => graph::write(check),
    }
}
