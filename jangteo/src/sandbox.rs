//! `jangteo sandbox-provider`: the payment provider alone, for development against it.
#![expect(clippy::print_stdout, reason = "says where it listens")]

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Result;
use chassis::{
    Env, datadir, server,
    server::ServerConfig,
    sqlite::Location,
    telemetry::{self, TelemetryConfig},
};
use clap::Args;
use sandbox_provider::SandboxConfig;

use crate::{run::StopSignal, shop};

/// How to run the sandbox provider.
#[derive(Debug, Clone, Args)]
pub struct SandboxArguments {
    /// Address and port to serve on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Folder for its data; created if absent
    #[arg(long, value_name = "FOLDER", default_value = "sandbox-provider-data")]
    data_dir: PathBuf,
    /// Where webhooks go, such as http://127.0.0.1:8080/v1/payment-providers/sandbox/webhooks
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// What merchants authenticate with
    #[arg(long, value_name = "KEY", env = "SANDBOX_SECRET_KEY", default_value = "sk_sandbox", hide_env_values = true)]
    secret_key: String,
    /// What webhooks are signed with
    #[arg(long, value_name = "SECRET", env = "SANDBOX_WEBHOOK_SECRET", hide_env_values = true)]
    webhook_secret: Option<String>,
    /// Open /control, where faults can be ordered
    #[arg(long)]
    control: bool,
}

/// Runs it until it is told to stop.
pub fn run(arguments: &SandboxArguments) -> Result<ExitCode> {
    telemetry::init(&TelemetryConfig::default())?;
    shop::block_on(serve(arguments))
}

async fn serve(arguments: &SandboxArguments) -> Result<ExitCode> {
    let mut stop = StopSignal::listen()?;
    let env = Env::system();
    let listener = server::bind(arguments.listen).await?;
    let lock = datadir::lock(&arguments.data_dir)?;
    let mut config = SandboxConfig {
        listen: listener.local_addr()?,
        secret_key: arguments.secret_key.clone().into(),
        webhook_url: arguments.webhook_url.clone(),
        control: arguments.control,
        ..SandboxConfig::default()
    };
    if let Some(secret) = &arguments.webhook_secret {
        config.webhook_secret = secret.clone().into();
    }
    let location = Location::in_folder(lock.path(), "sandbox-provider.db");
    let router = sandbox_provider::build(config, &location, &env).await?;
    println!("The sandbox provider listens on http://{} (Ctrl-C to stop)", listener.local_addr()?);
    let limits = ServerConfig { listen: arguments.listen, ..ServerConfig::default() };
    env.spawn("server", server::serve(listener, router, limits, env.clone()));
    stop.given().await;
    env.stop().await;
    Ok(ExitCode::SUCCESS)
}
