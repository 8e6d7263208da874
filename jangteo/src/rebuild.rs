//! `jangteo rebuild`: makes read models again from what they follow from, on the files of a stopped shop or in a
//! running one, which serves from the old ones until the new ones are there.
#![expect(clippy::print_stderr, reason = "progress and the result are for the person at the terminal")]

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use chassis::{
    Env, datadir,
    operations::rebuild::{Progress, RebuildState},
    sqlite::Location,
};
use clap::ValueEnum;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use product_service::{index_products, search::SearchIndex, store::sqlite::SqliteProductStore};

use crate::{
    shop,
    target::{RunningShop, Target},
};

/// How often the progress is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What can be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadModel {
    /// The product search
    Search,
    /// The list of orders
    Orders,
    /// Everything
    All,
}

impl ReadModel {
    /// The parts of the shop that it is about.
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Search => &[Part::Search],
            Self::Orders => &[Part::Orders],
            Self::All => &Part::ALL,
        }
    }
}

/// One read model.
#[derive(Debug, Clone, Copy)]
enum Part {
    Search,
    Orders,
}

impl Part {
    const ALL: [Self; 2] = [Self::Search, Self::Orders];

    fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Orders => "orders",
        }
    }

    /// The service that it belongs to.
    fn service(self) -> &'static str {
        match self {
            Self::Search => "product",
            Self::Orders => "order",
        }
    }

    /// Makes it again in the data folder `folder` of a stopped shop.
    async fn make(self, env: &Env, folder: &Path, progress: &Progress) -> Result<()> {
        match self {
            Self::Search => {
                let store = Arc::new(SqliteProductStore::open(&Location::in_folder(folder, "product.db"))?);
                let search = SearchIndex::open(Some(&folder.join("search")))?;
                Ok(index_products::rebuild(env, store, search, progress).await?)
            }
            // A shop that has never run has none.
            Self::Orders if !folder.join("order.db").exists() => Ok(()),
            Self::Orders => {
                let store = order_service::SqliteStore::open(&Location::in_folder(folder, "order.db"))?;
                order_service::rebuild::rebuild(&store, env, progress).await?;
                Ok(())
            }
        }
    }
}

/// Makes `what` again.
pub fn run(target: &Target, what: ReadModel) -> Result<ExitCode> {
    shop::block_on(async {
        match target {
            Target::Running { url, api_key } => {
                let shop = RunningShop::new(url, api_key)?;
                for part in what.parts() {
                    in_running(&shop, *part).await?;
                }
            }
            Target::Stopped { config } => {
                if !config.data_dir.is_dir() {
                    bail!("there is no data folder {}; choose one with --data-dir", config.data_dir.display());
                }
                let env = Env::system();
                let lock = datadir::lock(&config.data_dir)?;
                for part in what.parts() {
                    on_files(&env, lock.path(), *part).await?;
                }
                env.stop().await;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn on_files(env: &Env, folder: &Path, part: Part) -> Result<()> {
    let (progress, bar) = (Progress::default(), bar());
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut made = std::pin::pin!(part.make(env, folder, &progress));
    loop {
        tokio::select! {
            biased;
            ended = &mut made => {
                ended?;
                break;
            }
            _ = look.tick() => show(&bar, part, progress.done(), progress.total()),
        }
    }
    bar.finish_and_clear();
    eprintln!("{}: {} made again", part.name(), progress.done());
    Ok(())
}

async fn in_running(shop: &RunningShop, part: Part) -> Result<()> {
    let path = format!("/v1/operations/{}/rebuild", part.service());
    let mut state: RebuildState = shop.ask(Method::POST, &path, None).await?;
    let bar = bar();
    while state.running {
        show(&bar, part, state.done, state.total);
        tokio::time::sleep(LOOK_INTERVAL).await;
        state = shop.ask(Method::GET, &path, None).await?;
    }
    bar.finish_and_clear();
    if state.failed {
        bail!("{} could not be made again; the shop's log tells why, and the old one is still in use", part.name());
    }
    eprintln!("{}: {} made again", part.name(), state.done);
    Ok(())
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, part: Part, done: u64, total: u64) {
    bar.set_message(part.name());
    bar.set_length(total);
    bar.set_position(done);
}
