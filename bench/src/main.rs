//! Measures a `jangteo` process against the limits of the machine, in one run: `cargo xtask bench`.
//!
//! The load generator shares the machine with the server, as the published figures of other products do.
//! It runs on one thread, keeps its connections open, and every client asks again as soon as it was answered.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that measures the real machine, never shipped"
)]

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

mod bare;
mod disk;
mod events;
mod growth;
mod http1;
mod list;
mod load;
mod machine;
mod mixed;
mod orders;
mod raw;
mod report;
mod saga;
mod shop;
mod size;
mod slow_disk;
mod soak;

use report::Report;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Section {
    /// Listing products, against a bare server that sends the same bytes.
    List,
    /// Orders placed to confirmed, against the syncs of the disk.
    Orders,
    /// Orders placed, confirmed and captured.
    Saga,
    /// Pages, carts, orders, cancellations, refunds and returns at once.
    Mixed,
    /// Events of orders appended, made into orders again, and relayed, against SQLite itself.
    Events,
    /// Memory when idle, time to start.
    Size,
    /// Latencies with many products, against few.
    Growth,
}

/// Measures Jangteo: figure, limit of this machine, ratio.
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The jangteo program, built for release
    #[arg(long, value_name = "FILE", default_value = "target/release/jangteo")]
    bin: PathBuf,
    /// A smoke test: short, small, no judgement
    #[arg(long, conflicts_with = "strict")]
    quick: bool,
    /// Only these; all by default
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Products of the large shop in `growth` [default: 100000; with --quick 2000]
    #[arg(long, value_name = "COUNT")]
    products: Option<usize>,
    /// Where data folders are made; the disk that is measured
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    dir: PathBuf,
    /// Where the figures go, in JSON
    #[arg(long, value_name = "FILE", default_value = "bench/results/latest.json")]
    out: PathBuf,
    /// As on a disk with so many syncs a second, such as 510: the orders of a fast and of a slow disk are
    /// limited by different things
    #[arg(long, value_name = "SYNCS")]
    slow_disk: Option<u32>,
    /// Fail if a target is missed
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Customers buy while the shop is killed again and again; nothing may be missing in the end
    Soak(soak::SoakArguments),
    /// Serves one answer for ever; the bench starts this itself.
    #[command(hide = true)]
    BareServer {
        /// Where to listen.
        listen: SocketAddr,
        /// The answer's body.
        body: PathBuf,
        /// The answer's headers, in JSON.
        headers: PathBuf,
    },
}

/// How long and how much.
#[derive(Debug, Clone, Copy)]
struct Effort {
    warm_up: Duration,
    measure: Duration,
    rounds: usize,
    products: usize,
    products_large: usize,
    /// Orders that live and end in `events`.
    lives: usize,
    idle: Duration,
}

impl Effort {
    fn new(quick: bool, products_large: Option<usize>) -> Self {
        if quick {
            Self {
                warm_up: Duration::from_millis(500),
                measure: Duration::from_secs(2),
                rounds: 1,
                products: 100,
                products_large: products_large.unwrap_or(2_000),
                lives: 5_120,
                idle: Duration::from_secs(1),
            }
        } else {
            Self {
                warm_up: Duration::from_secs(3),
                measure: Duration::from_secs(8),
                rounds: 3,
                products: 500,
                products_large: products_large.unwrap_or(100_000),
                lives: 51_200,
                idle: Duration::from_secs(5),
            }
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::BareServer { listen, body, headers }) = &arguments.command {
        return bare::serve(*listen, body, headers);
    }
    if let Some(syncs_per_second) = arguments.slow_disk {
        slow_disk::enter(syncs_per_second, &arguments.dir)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &arguments.command {
        Some(Command::Soak(arguments)) => runtime.block_on(soak::run(arguments)),
        Some(Command::BareServer { .. }) | None => runtime.block_on(run(&arguments)),
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.bin.is_file() {
        bail!("{} is not there; build it with `cargo build --release`, or name it with --bin", arguments.bin.display());
    }
    std::fs::create_dir_all(&arguments.dir).with_context(|| format!("cannot make {}", arguments.dir.display()))?;
    let effort = Effort::new(arguments.quick, arguments.products);
    let wanted = |section| arguments.only.is_empty() || arguments.only.contains(&section);
    let mut report = Report::new(machine::facts(), arguments.quick);
    println!("{}", report.machine());

    if [Section::List, Section::Orders, Section::Saga, Section::Mixed, Section::Size].into_iter().any(wanted) {
        let folder = tempfile::tempdir_in(&arguments.dir)?;
        let (mut shop, first_start) = shop::Shop::start(&arguments.bin, folder.path(), effort.products).await?;
        if wanted(Section::Size) {
            shop = size::measure(shop, first_start, effort, &mut report).await?;
        }
        if wanted(Section::List) {
            list::measure(&shop, effort, &mut report).await?;
        }
        if wanted(Section::Orders) || wanted(Section::Saga) {
            disk::measure(&arguments.dir, effort, &mut report)?;
        }
        if wanted(Section::Orders) {
            orders::measure(&shop, effort, &mut report).await?;
        }
        if wanted(Section::Saga) {
            saga::measure(&shop, effort, &mut report).await?;
        }
        if wanted(Section::Mixed) {
            mixed::measure(&shop, effort, &mut report).await?;
        }
        shop.stop().await?;
    }
    if wanted(Section::Events) {
        events::measure(&arguments.dir, effort, &mut report).await?;
    }
    if wanted(Section::Growth) {
        growth::measure(&arguments.bin, &arguments.dir, effort, &mut report).await?;
    }

    println!("\n{}", report.table());
    report.save(&arguments.out)?;
    println!("JSON: {}", arguments.out.display());
    let missed = report.missed();
    if arguments.strict && !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    Ok(())
}
