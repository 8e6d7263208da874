//! Puts the whole shop together: every service on its embedded store, joined in one process. The only place
//! that knows which shape this is.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use chassis::{
    Env,
    bus::{Bus, EmbeddedBus},
    queue::{EmbeddedQueue, Queue},
    server::{self, ServerConfig},
    service::Service,
    sqlite::Location,
    telemetry::Readiness,
    transport::{RouterTransport, Transport},
};
use gateway::{Gateway, GatewayConfig, Upstream};
use payment_service::SandboxProviderConfig;
use product_service::{category::CategoryInput, product::ImportOutcome, product::ProductInput};
use sandbox_provider::SandboxConfig;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Config;

/// A shop that runs.
pub struct Shop {
    gateway: Gateway,
    auth: auth_service::Running,
    product: product_service::Running,
    bus: Arc<dyn Bus>,
}

/// Work on other threads that is still going when a command has ended is waited for so long: it may be in the
/// middle of writing, and it may never end.
const LEFT_OVER_MAX: Duration = Duration::from_secs(2);

/// Runs a command to its end, on all cores.
pub fn block_on<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(LEFT_OVER_MAX);
    outcome
}

impl Shop {
    /// Opens every store in `folder` and starts everything that runs in the background. `url` is where the
    /// sandbox provider finds the webhook route.
    pub async fn open(config: &Config, env: &Env, folder: &Path, url: &str) -> Result<Self> {
        let at = |name: &str| Location::in_folder(folder, name);
        let bus: Arc<dyn Bus> = EmbeddedBus::open(env, &at("bus.db"))?;
        let queue: Arc<dyn Queue> = EmbeddedQueue::open(env, &at("queue.db"))?;
        let deps =
            auth_service::Deps { env: env.clone(), location: at("auth.db"), bus: bus.clone(), queue: queue.clone() };
        let idempotency = config.idempotency;
        let auth = auth_service::build(auth_service::Config { idempotency, ..config.auth.clone() }, deps).await?;
        let verifier = auth.verifier.clone();
        let deps = product_service::Deps {
            env: env.clone(),
            location: at("product.db"),
            search_path: Some(folder.join("search")),
            bus: bus.clone(),
            queue: queue.clone(),
            verifier: verifier.clone(),
        };
        let product = product_service::build(product_service::Config { idempotency }, deps).await?;
        let deps = order_service::Deps {
            env: env.clone(),
            location: at("order.db"),
            bus: bus.clone(),
            queue: queue.clone(),
            verifier: verifier.clone(),
            product: product.api.clone(),
        };
        let order = order_service::build(order_service::Config { idempotency, ..config.order.clone() }, deps).await?;
        let mut payment_config = payment_service::Config { idempotency, ..config.payment.clone() };
        payment_config.public_url.get_or_insert_with(|| url.to_owned());
        if payment_config.providers.sandbox.is_none() {
            payment_config.providers.sandbox = Some(start_sandbox(config, env, folder, url).await?);
        }
        let deps = payment_service::Deps {
            env: env.clone(),
            location: at("payment.db"),
            bus: bus.clone(),
            queue: queue.clone(),
            verifier: verifier.clone(),
        };
        let payment = payment_service::build(payment_config, deps).await?;
        let deps = notification_service::Deps {
            env: env.clone(),
            location: at("notification.db"),
            bus: bus.clone(),
            queue,
            verifier: verifier.clone(),
        };
        let mail_config = notification_service::Config { idempotency, ..config.notification.clone() };
        let notification = notification_service::build(mail_config, deps).await?;

        let services = [&auth.service, &product.service, &order.service, &payment.service, &notification.service];
        let deps = gateway::Deps {
            env: env.clone(),
            auth: auth.api.clone(),
            verifier,
            upstreams: services.map(upstream).into(),
        };
        let edge = GatewayConfig { dev_mailbox: config.shows_mailbox(), ..config.gateway.clone() };
        let gateway = gateway::build(edge, deps)?;
        Ok(Self { gateway, auth, product, bus })
    }

    /// The public API.
    pub fn gateway(&self) -> Gateway {
        self.gateway.clone()
    }

    /// The document of the public API.
    pub async fn openapi(&self) -> Result<serde_json::Value> {
        Ok(self.gateway.openapi().await?)
    }

    /// What has to answer before requests are sent here.
    pub fn readiness(&self) -> Readiness {
        let (auth, product, bus) = (self.auth.api.clone(), self.product.store.clone(), self.bus.clone());
        Readiness::new()
            .check("auth", move || {
                let auth = auth.clone();
                async move { auth.jwks().await.is_ok() }
            })
            .check("product", move || {
                let product = product.clone();
                async move { product.list_all(None, 1).await.is_ok() }
            })
            .check("bus", move || {
                let bus = bus.clone();
                async move { bus.dead_letters(0, 1).await.is_ok() }
            })
    }

    /// Makes the first administrator; answers the password, or `None` if there was one.
    pub async fn ensure_admin(&self, email: &str) -> Result<Option<String>> {
        let password = auth_service::ensure_admin(&self.auth.auth, email).await.context("admin.email")?;
        Ok(password.map(|password| password.expose_secret().to_owned()))
    }

    /// Makes the categories that do not exist yet.
    pub async fn create_categories(&self, categories: Vec<CategoryInput>) -> Result<()> {
        for category in categories {
            if self.product.product.get_category(&category.handle).await.is_err() {
                self.product.product.create_category(category, None).await?;
            }
        }
        Ok(())
    }

    /// Makes or changes products, one outcome each.
    pub async fn import_products(&self, products: Vec<ProductInput>, actor: &str) -> Result<Vec<ImportOutcome>> {
        Ok(self.product.product.import_products(products, false, actor.to_owned()).await?)
    }
}

fn upstream(service: &Service) -> Upstream {
    let transport: Arc<dyn Transport> = Arc::new(RouterTransport(service.router.clone()));
    Upstream { service: service.name, transport }
}

/// Starts the sandbox provider as it is configured. What is not set, only this process knows.
async fn start_sandbox(config: &Config, env: &Env, folder: &Path, url: &str) -> Result<SandboxProviderConfig> {
    let secret = |prefix: &str| {
        let bytes: [u8; 24] = env.random_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        SecretString::from(format!("{prefix}{hex}"))
    };
    let configured = &config.sandbox_provider;
    let secret_key = match configured.secret_key.expose_secret() {
        "" => secret("sk_"),
        _ => configured.secret_key.clone(),
    };
    let webhook_secret = secret("whs_");
    let listener = server::bind(configured.listen).await.context("the sandbox provider (sandbox_provider.listen)")?;
    let address = listener.local_addr()?;
    let sandbox = SandboxConfig {
        listen: address,
        secret_key: secret_key.clone(),
        webhook_secret: webhook_secret.clone(),
        webhook_url: Some(format!("{url}/v1/payment-providers/sandbox/webhooks")),
        ..configured.clone()
    };
    let location = Location::in_folder(folder, "sandbox-provider.db");
    let router = sandbox_provider::build(sandbox, &location, env).await?;
    let limits = ServerConfig { listen: address, drain_timeout: Duration::from_secs(1), ..ServerConfig::default() };
    env.spawn("sandbox-provider", server::serve(listener, router, limits, env.clone()));
    Ok(SandboxProviderConfig { url: format!("http://{address}"), secret_key, webhook_secret })
}
