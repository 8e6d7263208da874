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
    idempotency::{Idempotency, IdempotencyConfig},
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
pub mod instruct_payment;
pub mod payment;
pub mod provider;
pub mod return_from_provider;
pub mod run_operation;
pub mod store;
pub mod take_webhook;
pub mod verify;

use crate::{
    follow_order::FollowOrder,
    instruct_payment::InstructPayment,
    payment::{CaptureMethod, InquiryPolicy, Policy},
    provider::{Guarded, Provider, Providers, SandboxAccount, SandboxProvider},
    return_from_provider::ReturnFromProvider,
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
    /// So many payment methods may be tried for one order.
    pub attempts_max: u32,
    /// Who takes the money of a confirmed order: `automatic`, the service itself, all of it; `manual`, staff.
    pub capture: CaptureMethod,
    /// Where buyers' browsers reach the shop: providers send them back there.
    pub public_url: Option<String>,
    /// Where a buyer who comes back from a provider's page goes on: `https://shop.example/orders/{order_id}`.
    pub return_to: Option<String>,
    /// The providers.
    pub providers: ProvidersConfig,
    /// What all services do with idempotency keys.
    #[serde(skip)]
    pub idempotency: IdempotencyConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_timeout_ms: 10_000,
            calls_max: 128,
            inquiry_pause_ms: 1_000,
            inquiry_pause_max_ms: 300_000,
            lost_after_ms: 600_000,
            attempts_max: 3,
            capture: CaptureMethod::Automatic,
            public_url: None,
            return_to: None,
            providers: ProvidersConfig::default(),
            idempotency: IdempotencyConfig::default(),
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
    /// Nobody can pay.
    #[error("payment.attempts_max must be at least 1")]
    Attempts,
    /// Browsers are sent to web pages only.
    #[error("payment.{0} is not an http or https address")]
    Address(&'static str),
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
    check(config)?;
    let Deps { env, location, bus, queue, verifier } = deps;
    let sqlite = SqliteStore::open(&location)?;
    let database = sqlite.database().clone();
    let store: Arc<dyn PaymentStore> = Arc::new(sqlite);
    let policy = policy(config);

    let idempotency = Idempotency::new(&env, database.clone(), config.idempotency);
    forget_provider_events::start(&env, Arc::clone(&store));
    Relay { service: "payment", database, bus: Arc::clone(&bus), queue: Arc::clone(&queue) }.start(&env);
    let worker = RunOperation { env: env.clone(), store: Arc::clone(&store), providers: providers.clone(), policy };
    queue.start_worker(&env, PROVIDER_CALLS, worker_config(config), Arc::new(worker));
    let follow_order =
        FollowOrder { env: env.clone(), store: Arc::clone(&store), providers: providers.clone(), policy };
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

    let returns = ReturnFromProvider {
        env: env.clone(),
        store: Arc::clone(&store),
        providers: providers.clone(),
        policy,
        return_to: config.return_to.clone(),
    };
    let webhooks = TakeWebhook { env: env.clone(), store: Arc::clone(&store), providers, policy };
    let instructions = InstructPayment { env: env.clone(), store: Arc::clone(&store), policy };
    let state = http::AppState { store: Arc::clone(&store), webhooks, returns, instructions, idempotency };
    let router = http::router(state).merge(operations.router());
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
    let provider = SandboxProvider::new(Arc::new(transport), account)
        .map_err(|_| BuildError::SecretKey)?
        .returning_to(config.public_url.clone());
    Ok(Providers::default().with("sandbox", guarded(config, Arc::new(provider))))
}

fn policy(config: &Config) -> Policy {
    let inquiries = InquiryPolicy {
        base: Duration::from_millis(config.inquiry_pause_ms),
        max: Duration::from_millis(config.inquiry_pause_max_ms),
        lost_after: Duration::from_millis(config.lost_after_ms),
    };
    Policy { inquiries, attempts_max: config.attempts_max, capture: config.capture }
}

fn check(config: &Config) -> Result<(), BuildError> {
    if config.attempts_max == 0 {
        return Err(BuildError::Attempts);
    }
    for (name, address) in [("public_url", &config.public_url), ("return_to", &config.return_to)] {
        if address.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err(BuildError::Address(name));
        }
    }
    Ok(())
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
    use super::{BuildError, Config, SandboxProviderConfig, check, providers};

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            check(&config).is_err()
        };
        assert!(!refused(|_| {}));
        assert!(refused(|config| config.attempts_max = 0));
        assert!(refused(|config| config.public_url = Some("shop.example".to_owned())));
        assert!(refused(|config| config.return_to = Some("javascript:alert(1)".to_owned())));
    }

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
