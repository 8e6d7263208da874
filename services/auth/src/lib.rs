//! The auth service: accounts, sessions, API keys, access tokens, and the audit trail of all of them.
//!
//! Ways in: `http.rs` for people and programs, [`contracts::auth::AuthApi`] for the other services, and
//! [`ensure_admin()`] and [`create_api_key()`] for the command line. One use case per file; `store.rs` is the
//! port to what is remembered.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use std::sync::Arc;

use chassis::{
    Env,
    access::AccessError,
    bus::Bus,
    idempotency::Idempotency,
    operations::{Operations, dead_letters::Owner},
    outbox::Relay,
    queue::Queue,
    service::Service,
    sqlite::{Location, OpenError},
    token::TokenVerifier,
};
use contracts::{
    Event as _,
    auth::{AccessGrant, AuthApi, AuthError, AuthEvent},
};
use jiff::SignedDuration;

pub mod account;
pub mod actor;
pub mod administer_account;
pub mod api_key;
pub mod audit;
pub mod change_password;
mod config;
pub mod create_api_key;
pub mod ensure_admin;
pub mod error;
pub mod exchange_api_key;
mod housekeeping;
mod http;
pub mod password;
pub mod refresh_session;
pub mod register_account;
pub mod reset_password;
pub mod revoke_api_key;
pub mod rotate_signing_key;
pub mod secret;
pub mod session;
pub mod sign_in;
pub mod sign_out;
pub mod signing;
pub mod store;
pub mod throttle;
pub mod update_profile;
pub mod verify;

pub use actor::Actor;
pub use config::{Config, ConfigError};
pub use create_api_key::{CreateApiKey, create_api_key};
pub use ensure_admin::ensure_admin;
pub use error::Error;
pub use reset_password::reset_password;
pub use verify::verify;

use store::{AuthStore, SqliteAuthStore};

/// What every use case works with.
pub struct Auth {
    pub(crate) env: Env,
    pub(crate) store: Arc<dyn AuthStore>,
    pub(crate) passwords: password::Passwords,
    pub(crate) signer: signing::TokenSigner,
    pub(crate) lifetimes: session::Lifetimes,
    pub(crate) signing_key_lifetime: SignedDuration,
}

impl Auth {
    /// Auth on any store, with the keys that are stored, or a first one.
    pub async fn open(env: &Env, config: &Config, store: Arc<dyn AuthStore>) -> Result<Arc<Self>, Error> {
        let auth = Arc::new(Self {
            env: env.clone(),
            store,
            passwords: password::Passwords::new(env, config.hashes_concurrent(), config.hashes_waiting_max),
            signer: signing::TokenSigner::new(config.token_rules()),
            lifetimes: config.lifetimes(),
            signing_key_lifetime: config.signing_key_lifetime(),
        });
        housekeeping::look_after_keys(&auth).await?;
        Ok(auth)
    }

    /// The store, for `verify`.
    pub fn store(&self) -> &Arc<dyn AuthStore> {
        &self.store
    }
}

#[async_trait::async_trait]
impl AuthApi for Auth {
    async fn exchange_api_key(&self, key: &str) -> Result<AccessGrant, AuthError> {
        exchange_api_key::exchange_api_key(self, key).await
    }

    async fn jwks(&self) -> Result<String, AuthError> {
        self.signer.jwks(self.env.now()).map_err(|_| AuthError::Unavailable)
    }
}

/// What auth runs on.
pub struct Deps {
    /// Clock, entropy, tasks.
    pub env: Env,
    /// Where the store is.
    pub location: Location,
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// Where work goes.
    pub queue: Arc<dyn Queue>,
}

/// The running service.
pub struct Running {
    /// Its routes and document.
    pub service: Service,
    /// For services in this process.
    pub api: Arc<dyn AuthApi>,
    /// Verifies this service's tokens; for all services in this process.
    pub verifier: Arc<TokenVerifier>,
    /// For [`verify()`].
    pub store: Arc<dyn AuthStore>,
    /// For [`ensure_admin()`] and [`create_api_key()`].
    pub auth: Arc<Auth>,
}

/// Why auth does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store does not work.
    #[error("auth cannot start: {0}")]
    Store(#[from] Error),
    /// A route does not say who may call it.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Opens the store, makes the first signing key if there is none, and starts the relay and the timers.
pub async fn build(config: Config, deps: Deps) -> Result<Running, BuildError> {
    let Deps { env, location, bus, queue } = deps;
    config.check()?;
    let sqlite = SqliteAuthStore::open(&location)?;
    let database = sqlite.database().clone();
    let store: Arc<dyn AuthStore> = Arc::new(sqlite);
    let auth = Auth::open(&env, &config, Arc::clone(&store)).await?;
    let api: Arc<dyn AuthApi> = Arc::clone(&auth) as _;
    let verifier = Arc::new(TokenVerifier::new(&env, Arc::clone(&api), config.token_config()));
    let idempotency = Idempotency::new(&env, database.clone(), config.idempotency);
    let operations = Operations {
        env: env.clone(),
        service: "auth",
        bus: Arc::clone(&bus),
        queue: Arc::clone(&queue),
        owner: Owner { groups: &[], queues: &[] },
        topic: Some(AuthEvent::TOPIC),
        rebuild: None,
    };
    let router = http::router(Arc::clone(&auth), idempotency).merge(operations.router());
    let service = Service::assemble(&env, "auth", router, Arc::clone(&verifier))?;
    Relay { service: "auth", database, bus, queue }.start(&env);
    housekeeping::start(Arc::clone(&auth));
    Ok(Running { service, api, verifier, store, auth })
}
