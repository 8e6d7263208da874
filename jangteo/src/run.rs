//! Running the shop: from the first lock to the last drained request.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the banner and the farewell are for the terminal")]

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use chassis::{
    Env,
    datadir::{self, DataDirLock},
    server,
    server::ServerConfig,
    telemetry::{self, Metrics, internal_router},
};

use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    banner::{self, Banner},
    cli::RunArguments,
    config::{self, Config},
    seed,
    shop::{self, Shop},
};

/// Beyond the drain timeout, for what is written when everything else has stopped.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// Runs the shop until it is told to stop.
pub fn run(flags: &RunArguments) -> Result<ExitCode> {
    let config = config::load(flags)?;
    let metrics = telemetry::init(&config.telemetry)?;
    shop::block_on(serve(config, metrics))
}

async fn serve(config: Config, metrics: Metrics) -> Result<ExitCode> {
    let mut stop = StopSignal::listen()?;
    let env = Env::system();
    let listener = server::bind(config.server.listen).await?;
    let internal = server::bind(config.internal.listen).await.context("the internal listener (internal.listen)")?;
    let lock = datadir::lock(&config.data_dir)?;
    // Filling a new shop can take a while, and goes on at the next start.
    tokio::select! {
        biased;
        () = stop.given() => {}
        opened = open(&config, &env, &lock, metrics, [listener, internal]) => {
            print!("{}", opened?);
            stop.given().await;
        }
    }
    eprintln!("Stopping: requests under way may finish; press Ctrl-C again to stop at once.");
    let patience = config.server.drain_timeout + STOP_MARGIN;
    tokio::select! {
        biased;
        () = env.stop() => Ok(ExitCode::SUCCESS),
        () = stop.given() => Ok(ExitCode::from(1)),
        () = tokio::time::sleep(patience) => {
            eprintln!("Some work did not end in time; it resumes at the next start.");
            Ok(ExitCode::from(1))
        }
    }
}

/// Opens the shop, fills it if it is new, lets customers in, and answers the banner.
async fn open(
    config: &Config,
    env: &Env,
    lock: &DataDirLock,
    metrics: Metrics,
    [listener, internal]: [TcpListener; 2],
) -> Result<String> {
    let url = format!("http://{}", reachable(listener.local_addr()?));
    let internal_url = format!("http://{}", reachable(internal.local_addr()?));
    let shop = Shop::open(config, env, lock.path(), &url).await?;
    metrics.start_upkeep(env);
    let internal_server = ServerConfig { listen: config.internal.listen, ..config.server.clone() };
    let health = internal_router(env, metrics, shop.readiness());
    env.spawn("internal-server", server::serve(internal, health, internal_server, env.clone()));
    let password = seed::seed(config, &shop, lock).await?;
    env.spawn("server", server::serve(listener, shop.gateway(), config.server.clone(), env.clone()));
    let banner = Banner {
        url: &url,
        internal_url: &internal_url,
        admin: (&config.admin.email, password.as_deref()),
        data_dir: lock.path(),
        mailbox: config.shows_mailbox(),
        play_money: config.payment.providers.sandbox.is_none(),
        demo: config.demo.enabled,
    };
    Ok(banner.render(banner::speaks_korean(|name| std::env::var(name).ok())))
}

/// Where a browser on this machine finds a listener that may listen everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(loopback, address.port())
}

/// Ctrl-C, or what an orchestrator sends. Listening begins with the program, so that neither is missed.
pub(crate) struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits until the program is told to stop, once more each time.
    pub(crate) async fn given(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
