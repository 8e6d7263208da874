//! The notification service: tells people by mail what happened to their orders and accounts.
//!
//! An event becomes a rendered message once (inbox, message and delivery job share a commit); a queue
//! delivers it, one after another within a recipient, until a transport has taken it or it is given up.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use std::sync::Arc;

use chassis::{
    Env,
    access::AccessError,
    bus::{self, Bus, ConsumerConfig},
    forget,
    idempotency::{Idempotency, IdempotencyConfig},
    operations::{Operations, dead_letters::Owner},
    outbox::Relay,
    queue::Queue,
    service::Service,
    sqlite::{Location, OpenError},
    token::TokenVerifier,
};
use serde::Deserialize;

pub mod events;
mod http;
pub mod message;
pub mod resend_message;
pub mod send_message;
pub mod store;
pub mod template;
pub mod transport;
pub mod verify;
pub mod write_message;

pub use transport::smtp::{SmtpConfig, SmtpConfigError, TlsMode};

use crate::{
    events::Listener,
    send_message::SendMessage,
    store::{NotificationStore, SEND_QUEUE, sqlite::SqliteStore},
    template::{RenderError, Templates},
    transport::{MailTransport, mailbox::Mailbox, smtp::Smtp},
    write_message::WriteMessage,
};

/// `[notification]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who mails are from; the name before the address signs them: `Jangteo <shop@example.com>`.
    pub from: String,
    /// Keeps mails in the shop, for `/dev/mailbox`, unless `smtp` is set.
    pub mailbox: bool,
    /// Days that messages are kept after they came to rest; they hold names and addresses.
    pub keep_days: u16,
    /// The server that carries mails.
    pub smtp: Option<SmtpConfig>,
    /// What all services do with idempotency keys.
    #[serde(skip)]
    pub idempotency: IdempotencyConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            from: "Jangteo <shop@jangteo.example>".to_owned(),
            mailbox: true,
            keep_days: 90,
            smtp: None,
            idempotency: IdempotencyConfig::default(),
        }
    }
}

/// What the service is built on.
pub struct Deps {
    /// Clock, ids and tasks.
    pub env: Env,
    /// Where its database lives.
    pub location: Location,
    /// What happened elsewhere.
    pub bus: Arc<dyn Bus>,
    /// Deliveries.
    pub queue: Arc<dyn Queue>,
    /// Who calls.
    pub verifier: Arc<TokenVerifier>,
}

/// The service at work.
pub struct Running {
    /// Its routes and document.
    pub service: Service,
    /// Its messages, for [`verify::verify`].
    pub store: Arc<dyn NotificationStore>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The database did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The sender is no mail address.
    #[error("notification.from: `{0}` is not a mail address; write `shop@example.com` or `Name <shop@example.com>`")]
    From(String),
    /// Mails have nowhere to go.
    #[error("notification: mails have nowhere to go; set [notification.smtp], or `mailbox = true` for a demo")]
    NoTransport,
    /// The SMTP settings are wrong.
    #[error(transparent)]
    Smtp(#[from] SmtpConfigError),
    /// A template does not parse.
    #[error(transparent)]
    Template(#[from] RenderError),
    /// An operation does not say who may call it.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Opens the store and starts listening, sending and forgetting.
pub async fn build(config: Config, deps: Deps) -> Result<Running, BuildError> {
    let Deps { env, location, bus, queue, verifier } = deps;
    let from: lettre::message::Mailbox = config.from.parse().map_err(|_| BuildError::From(config.from.clone()))?;
    let templates = Arc::new(Templates::new(from.name.as_deref().unwrap_or("Jangteo"))?);
    let sqlite = SqliteStore::open(&location)?;
    let database = sqlite.database();
    let store: Arc<dyn NotificationStore> = Arc::new(sqlite);

    let transport: Arc<dyn MailTransport> = match &config.smtp {
        Some(smtp) => Arc::new(Smtp::new(smtp, from)?),
        None if config.mailbox => Arc::new(Mailbox::new(Arc::clone(&store))),
        None => return Err(BuildError::NoTransport),
    };

    Relay { service: "notification", database: database.clone(), bus: Arc::clone(&bus), queue: Arc::clone(&queue) }
        .start(&env);
    let sender = SendMessage { env: env.clone(), store: Arc::clone(&store), transport };
    queue.start_worker(&env, SEND_QUEUE, send_message::worker_config(), Arc::new(sender));
    let write_message =
        Arc::new(WriteMessage { env: env.clone(), store: Arc::clone(&store), templates: Arc::clone(&templates) });
    let listener = Arc::new(Listener { write_message });
    bus::start_consumer(&env, Arc::clone(&bus), events::GROUP, events::TOPICS, ConsumerConfig::default(), listener);
    start_forgetting(&env, Arc::clone(&store), config.keep_days);

    let operations = Operations {
        env: env.clone(),
        service: "notification",
        bus,
        queue,
        owner: Owner { groups: &[events::GROUP], queues: &[SEND_QUEUE] },
        topic: None,
        rebuild: None,
    };
    let idempotency = Idempotency::new(&env, database, config.idempotency);
    let state = http::AppState::new(&env, Arc::clone(&store), templates, idempotency);
    let router = http::router(state, config.mailbox && config.smtp.is_none()).merge(operations.router());
    let service = Service::assemble(&env, "notification", router, verifier)?;
    Ok(Running { service, store })
}

/// How many old messages go in one commit.
const FORGET_BATCH: u32 = 500;

fn start_forgetting(env: &Env, store: Arc<dyn NotificationStore>, keep_days: u16) {
    let kept = jiff::SignedDuration::from_hours(24 * i64::from(keep_days));
    let now = env.clone();
    forget::start(env, "old messages", FORGET_BATCH as usize, move || {
        let store = Arc::clone(&store);
        let before = now.now().checked_sub(kept).unwrap_or(jiff::Timestamp::MIN);
        async move { Ok(usize::try_from(store.forget(before, FORGET_BATCH).await?).unwrap_or(usize::MAX)) }
    });
}
