//! A payment provider to try things with: an HTTP API of its own, signed webhooks, idempotency keys, and
//! tokens and faults that make it behave as badly as real ones do. See `docs/sandbox-provider.md`.
//!
//! It knows nothing of the shop: what it shares with the payment service is only what goes over the wire.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use std::{sync::Arc, time::Duration};

use chassis::{
    Env,
    sqlite::{Location, OpenError},
    transport::{HttpTransport, HttpTransportConfig, Transport, TransportConfigError},
};
use tokio::sync::Notify;

pub mod authorization;
mod config;
mod control;
pub mod fault;
mod http;
mod operation;
mod page;
pub mod signature;
mod store;
pub mod token;
mod webhook;

pub use config::{SandboxConfig, WebhookEvents};

/// Why the provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its books did not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The webhook address is no address.
    #[error("sandbox_provider.webhook_url `{0}` is not an http or https address")]
    WebhookUrl(String),
    /// The webhook address cannot be used.
    #[error("sandbox_provider.webhook_url: {0}")]
    Receiver(#[from] TransportConfigError),
}

/// Opens the provider's books at `location`, starts its webhook sender on `env`, and answers its API.
pub async fn build(config: SandboxConfig, location: &Location, env: &Env) -> Result<axum::Router, BuildError> {
    let receiver = config.webhook_url.as_deref().map(receiver).transpose()?;
    build_with_receiver(config, location, env, receiver)
}

/// Like [`build`], with webhooks sent through `receiver` (a transport and the path there) instead of to
/// the configured address.
pub fn build_with_receiver(
    mut config: SandboxConfig,
    location: &Location,
    env: &Env,
    receiver: Option<(Arc<dyn Transport>, String)>,
) -> Result<axum::Router, BuildError> {
    let database = store::open(location)?;
    if let (None, Some((_, path))) = (&config.webhook_url, &receiver) {
        config.webhook_url = Some(path.clone());
    }
    let sandbox = http::Sandbox {
        env: env.clone(),
        config: Arc::new(config),
        database: database.clone(),
        faults: Arc::default(),
        bell: Arc::new(Notify::new()),
    };
    let sender = webhook::sender::Sender {
        env: env.clone(),
        config: Arc::clone(&sandbox.config),
        database,
        receiver,
        bell: Arc::clone(&sandbox.bell),
    };
    env.spawn("sandbox-webhooks", sender.run());
    Ok(http::router(sandbox))
}

fn receiver(address: &str) -> Result<(Arc<dyn Transport>, String), BuildError> {
    let url = url::Url::parse(address).map_err(|_| BuildError::WebhookUrl(address.to_owned()))?;
    let origin = url.origin();
    if !origin.is_tuple() {
        return Err(BuildError::WebhookUrl(address.to_owned()));
    }
    let transport = HttpTransport::new(&HttpTransportConfig {
        base: origin.ascii_serialization(),
        connect_timeout: Duration::from_secs(5),
    })?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Ok((Arc::new(transport), path))
}
