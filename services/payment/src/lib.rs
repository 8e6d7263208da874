//! The payment service: takes the money of orders, once, and gives it back.
//!
//! It is asked by the events of the order service only. Every event becomes a change of a payment in one
//! commit with the inbox; what has to be asked of a provider goes through a queue; whatever the provider
//! says, by answer, query or webhook, goes through one function of the domain.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use std::{sync::Arc, time::Duration};

use chassis::{
    Env,
    access::AccessError,
    bus::{self, Bus, ConsumerConfig},
    operations::{Operations, dead_letters::Owner},
    outbox::Relay,
    queue::{Queue, WorkerConfig},
    service::Service,
    sqlite::{Location, OpenError},
    token::TokenVerifier,
    transport::{HttpTransport, HttpTransportConfig, TransportConfigError},
};
use contracts::{Event as _, order::OrderEvent, payment::PaymentEvent};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

pub mod follow_order;
mod forget_provider_events;
mod http;
pub mod payment;
pub mod provider;
pub mod run_operation;
pub mod store;
pub mod take_webhook;
pub mod verify;

use crate::{
    follow_order::FollowOrder,
    payment::InquiryPolicy,
    provider::{Guarded, Provider, Providers, SandboxAccount, SandboxProvider},
    run_operation::RunOperation,
    store::{CONSUMER, PROVIDER_CALLS, PaymentStore, SqliteStore},
    take_webhook::TakeWebhook,
};

/// `[payment]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a provider may take to answer. After that the outcome is unknown, and is asked for.
    pub request_timeout_ms: u64,
    /// Calls to one provider at once.
    pub calls_max: usize,
    /// First pause before asking what became of a call; it doubles.
    pub inquiry_pause_ms: u64,
    /// Longest pause between inquiries.
    pub inquiry_pause_max_ms: u64,
    /// An authorization that nobody waits for any more, and that the provider has not heard of so long after
    /// it was sent, is given up.
    pub lost_after_ms: u64,
    /// The providers.
    pub providers: ProvidersConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_timeout_ms: 10_000,
            calls_max: 128,
            inquiry_pause_ms: 1_000,
            inquiry_pause_max_ms: 300_000,
            lost_after_ms: 600_000,
            providers: ProvidersConfig::default(),
        }
    }
}

/// `[payment.providers]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProvidersConfig {
    /// The sandbox provider, if it is to be used.
    pub sandbox: Option<SandboxProviderConfig>,
}

/// `[payment.providers.sandbox]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxProviderConfig {
    /// Where it is: `http://127.0.0.1:8090`.
    pub url: String,
    /// Our key there.
    pub secret_key: SecretString,
    /// What it signs webhooks with.
    pub webhook_secret: SecretString,
}

/// A shorter webhook secret can be guessed.
const WEBHOOK_SECRET_LEN_MIN: usize = 16;

/// What the service is built on.
pub struct Deps {
    /// Clock, ids and tasks.
    pub env: Env,
    /// Where its database lives.
    pub location: Location,
    /// What happens elsewhere, and who hears of us.
    pub bus: Arc<dyn Bus>,
    /// Calls to providers.
    pub queue: Arc<dyn Queue>,
    /// Who calls.
    pub verifier: Arc<TokenVerifier>,
}

/// The service at work.
pub struct Running {
    /// Its routes and document.
    pub service: Service,
    /// Its payments, for [`verify::verify`].
    pub store: Arc<dyn PaymentStore>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The database did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A provider cannot be reached as configured.
    #[error("payment.providers.sandbox.url: {0}")]
    Provider(#[from] TransportConfigError),
    /// Webhooks that anybody can sign are worse than none.
    #[error(
        "payment.providers.sandbox.webhook_secret is shorter than {WEBHOOK_SECRET_LEN_MIN} characters: anybody could forge webhooks"
    )]
    WebhookSecret,
    /// A key cannot be sent.
    #[error("payment.providers.sandbox.secret_key holds characters that cannot stand in a header")]
    SecretKey,
    /// An operation does not say who may call it.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Opens the store and starts following orders and calling the configured providers.
pub async fn build(config: Config, deps: Deps) -> Result<Running, BuildError> {
    let providers = providers(&config)?;
    build_with_providers(&config, deps, providers)
}

/// Like [`build`], with providers that are already made: tests and the simulator bring their own transport.
pub fn build_with_providers(config: &Config, deps: Deps, providers: Providers) -> Result<Running, BuildError> {
    let Deps { env, location, bus, queue, verifier } = deps;
    let sqlite = SqliteStore::open(&location)?;
    let database = sqlite.database().clone();
    let store: Arc<dyn PaymentStore> = Arc::new(sqlite);
    let inquiries = inquiries(config);

    forget_provider_events::start(&env, Arc::clone(&store));
    Relay { service: "payment", database, bus: Arc::clone(&bus), queue: Arc::clone(&queue) }.start(&env);
    let worker = RunOperation { env: env.clone(), store: Arc::clone(&store), providers: providers.clone(), inquiries };
    queue.start_worker(&env, PROVIDER_CALLS, worker_config(config), Arc::new(worker));
    let follow_order =
        FollowOrder { env: env.clone(), store: Arc::clone(&store), providers: providers.clone(), inquiries };
    let operations = Operations {
        env: env.clone(),
        service: "payment",
        bus: Arc::clone(&bus),
        queue,
        owner: Owner { groups: &[CONSUMER], queues: &[PROVIDER_CALLS] },
        topic: Some(PaymentEvent::TOPIC),
        rebuild: None,
    };
    bus::start_consumer(&env, bus, CONSUMER, &[OrderEvent::TOPIC], ConsumerConfig::default(), Arc::new(follow_order));

    let webhooks = TakeWebhook { env: env.clone(), store: Arc::clone(&store), providers, inquiries };
    let router = http::router(http::AppState { store: Arc::clone(&store), webhooks }).merge(operations.router());
    let service = Service::assemble(&env, "payment", router, verifier)?;
    Ok(Running { service, store })
}

/// A provider behind the bulkhead, timeout and circuit breaker of `config`.
pub fn guarded(config: &Config, provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
    Arc::new(Guarded::new(provider, config.calls_max, Duration::from_millis(config.request_timeout_ms)))
}

fn providers(config: &Config) -> Result<Providers, BuildError> {
    let Some(sandbox) = &config.providers.sandbox else { return Ok(Providers::default()) };
    if sandbox.webhook_secret.expose_secret().len() < WEBHOOK_SECRET_LEN_MIN {
        return Err(BuildError::WebhookSecret);
    }
    let transport = HttpTransport::new(&HttpTransportConfig {
        base: sandbox.url.clone(),
        connect_timeout: Duration::from_millis(config.request_timeout_ms / 2),
    })?;
    let account =
        SandboxAccount { secret_key: sandbox.secret_key.clone(), webhook_secret: sandbox.webhook_secret.clone() };
    let provider = SandboxProvider::new(Arc::new(transport), account).map_err(|_| BuildError::SecretKey)?;
    Ok(Providers::default().with("sandbox", guarded(config, Arc::new(provider))))
}

fn inquiries(config: &Config) -> InquiryPolicy {
    InquiryPolicy {
        base: Duration::from_millis(config.inquiry_pause_ms),
        max: Duration::from_millis(config.inquiry_pause_max_ms),
        lost_after: Duration::from_millis(config.lost_after_ms),
    }
}

/// Calls are never given up: what the provider did with the money has to be found out, however long it takes.
fn worker_config(config: &Config) -> WorkerConfig {
    WorkerConfig {
        concurrency: config.calls_max,
        attempts_max: u32::MAX,
        backoff_max: Duration::from_secs(10),
        ..WorkerConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{BuildError, Config, SandboxProviderConfig, providers};

    #[test]
    fn a_webhook_secret_that_can_be_guessed_is_refused() {
        let with = |webhook_secret: &str| {
            let mut config = Config::default();
            config.providers.sandbox = Some(SandboxProviderConfig {
                url: "http://127.0.0.1:9".to_owned(),
                secret_key: "sk_1".into(),
                webhook_secret: webhook_secret.into(),
            });
            providers(&config)
        };
        assert!(matches!(with(""), Err(BuildError::WebhookSecret)));
        assert!(matches!(with("whsec_"), Err(BuildError::WebhookSecret)));
        assert!(with("whsec_c2FuZGJveC13ZWJob29rLXNlY3JldA==").is_ok());
    }
}
