//! `cargo xtask soak`: buyers buy, cancel and ask for money back while the shop is killed every few seconds and started
//! again on the same data. At the end nothing is missing that was ever answered with success.

mod books;
mod buyer;
mod patient;
mod provider;

use std::{
    cell::{Cell, RefCell},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tokio::time::Instant;

use crate::{
    load,
    shop::{Shop, Way, free_address},
};
use books::Books;
use provider::Provider;

/// How long and how hard.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArguments {
    /// The jangteo program
    #[arg(long, value_name = "FILE", default_value = "target/release/jangteo")]
    bin: PathBuf,
    /// Where the data folder is made; it is kept if something is wrong
    #[arg(long, value_name = "FOLDER", default_value = "target/soak")]
    dir: PathBuf,
    /// How long customers buy
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    minutes: f64,
    /// Buyers at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    buyers: usize,
    /// The process lives for up to so many seconds before it is killed, at random
    #[arg(long, value_name = "SECONDS", default_value_t = 6.0)]
    life: f64,
}

/// Products in the shop; what is sold comes on top.
const DEMO_PRODUCTS: usize = 100;

/// What buyers and killer share.
pub(crate) struct Soak {
    address: std::net::SocketAddr,
    until: Instant,
    books: RefCell<Books>,
    /// An administrator, and the access token of the moment.
    admin: (String, String),
    token: RefCell<String>,
    over: Cell<bool>,
}

/// Runs it and judges.
pub(crate) async fn run(arguments: &SoakArguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.dir)?;
    let folder = tempfile::Builder::new().prefix("soak-").tempdir_in(&arguments.dir)?;
    match soak(arguments, folder.path()).await {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(format!("the data is in {}", folder.keep().display()))),
    }
}

async fn soak(arguments: &SoakArguments, folder: &Path) -> Result<()> {
    let address = free_address()?;
    let provider = Provider::start(&arguments.bin, folder, address).await?;
    let settings = provider.settings();
    let way = Way { products: DEMO_PRODUCTS, address, settings: &settings };
    let (shop, _) = Shop::start_as(&arguments.bin, folder, &way).await?;
    let duration = Duration::from_secs_f64(arguments.minutes * 60.0);
    let soak = Rc::new(Soak {
        address,
        until: Instant::now() + duration,
        books: RefCell::default(),
        admin: shop.admin().await?,
        token: RefCell::default(),
        over: Cell::new(false),
    });
    books::stock_up(&soak).await?;
    let memory_at_first = shop.memory_mb("VmRSS")?;
    println!("{} buyers for {duration:.0?}, killed every few seconds", arguments.buyers);

    let buying = load::run_clients(arguments.buyers, |number| buyer::buy(Rc::clone(&soak), number));
    let buying = async {
        let bought = buying.await;
        soak.over.set(true);
        bought
    };
    let (bought, killed) = tokio::join!(buying, kill(&soak, shop, arguments, folder, &way));
    let (shop, deaths) = killed?;
    bought?;

    let orders = books::settle(&soak, &provider).await?;
    let memory_at_last = shop.memory_mb("VmRSS")?;
    shop.stop().await?;
    verify(&arguments.bin, folder)?;
    println!("{}", soak.books.borrow().summary(orders));
    println!(
        "killed {} times; back after {:.0} ms on average, {:.0} ms at most",
        deaths.count,
        deaths.back.as_secs_f64() * 1000.0 / f64::from(deaths.count.max(1)),
        deaths.back_max.as_secs_f64() * 1000.0,
    );
    println!("memory: {memory_at_first:.0} MB at the beginning, {memory_at_last:.0} MB at the end");
    println!("nothing is missing, every order was charged once, stock is right, all invariants hold");
    Ok(())
}

#[derive(Default)]
struct Deaths {
    count: u32,
    back: Duration,
    back_max: Duration,
}

/// Kills the shop again and again while customers come, and starts it again.
async fn kill(
    soak: &Soak,
    mut shop: Shop,
    arguments: &SoakArguments,
    folder: &Path,
    way: &Way<'_>,
) -> Result<(Shop, Deaths)> {
    let mut deaths = Deaths::default();
    loop {
        // From "just open" to "long at work"; the clock's last digits are random enough.
        let chance = f64::from(std::time::SystemTime::UNIX_EPOCH.elapsed()?.subsec_nanos() % 1_000_003) / 1_000_003.0;
        let death = Instant::now() + Duration::from_secs_f64(arguments.life * chance);
        while Instant::now() < death && !soak.over.get() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if soak.over.get() || Instant::now() >= soak.until {
            return Ok((shop, deaths));
        }
        shop.kill()?;
        let (again, back) = Shop::start_as(&arguments.bin, folder, way).await?;
        shop = again;
        deaths.count += 1;
        deaths.back += back;
        deaths.back_max = deaths.back_max.max(back);
    }
}

fn verify(bin: &Path, folder: &Path) -> Result<()> {
    let mut command = std::process::Command::new(bin);
    let output = command.arg("verify").arg("--data-dir").arg(folder.join("data")).output().context("jangteo verify")?;
    if !output.status.success() {
        bail!("jangteo verify: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
