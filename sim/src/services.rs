//! How each process is put together: the real service on its disks, with wires to the others.

use std::sync::Arc;

use axum::Router;
use chassis::{
    Env,
    bus::{Bus, EmbeddedBus},
    queue::{EmbeddedQueue, Queue},
    token::TokenVerifier,
    transport::Transport,
};
use contracts::{auth::AuthApi, product::ProductApi};
use gateway::{GatewayConfig, Upstream};
use notification_service::store::NotificationStore;
use payment_service::{
    provider::{Providers, SandboxAccount, SandboxProvider},
    store::PaymentStore,
};
use product_service::store::ProductStore;
use sandbox_provider::SandboxConfig;
use secrecy::SecretString;

use crate::{
    bus::SimBus,
    net::{RemoteAuth, RemoteProduct, Wire},
    queue::SimQueue,
    webhook::WebhookWire,
    world::{Place, World},
};

/// Our key at the provider.
pub const PROVIDER_KEY: &str = "sk_simulated";
/// What the provider signs webhooks with.
pub const WEBHOOK_SECRET: &str = "whsec_c2ltdWxhdGVkLXdlYmhvb2stc2VjcmV0";
/// Where it sends them.
pub const WEBHOOK_PATH: &str = "/v1/payment-providers/sandbox/webhooks";

/// What runs at a place, as far as others use it.
#[derive(Clone, Default)]
pub struct Parts {
    /// True when it has started.
    pub up: bool,
    /// Its routes.
    pub router: Option<Router>,
    /// Auth itself.
    pub auth: Option<Arc<auth_service::Auth>>,
    /// Product, for order.
    pub product: Option<Arc<dyn ProductApi>>,
    /// The bus.
    pub bus: Option<Arc<EmbeddedBus>>,
    /// Its queue.
    pub queue: Option<Arc<EmbeddedQueue>>,
    /// Product's data.
    pub product_store: Option<Arc<dyn ProductStore>>,
    /// Orders' data.
    pub order_store: Option<order_service::SqliteStore>,
    /// Payments' data.
    pub payment_store: Option<Arc<dyn PaymentStore>>,
    /// Notifications' data.
    pub notification_store: Option<Arc<dyn NotificationStore>>,
}

/// What every service stands on.
struct Ground {
    location: chassis::sqlite::Location,
    bus: Arc<dyn Bus>,
    queue: Arc<dyn Queue>,
    own_queue: Arc<EmbeddedQueue>,
    verifier: Arc<TokenVerifier>,
}

type Built = Result<Parts, String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Builds what belongs at `place`.
pub(crate) async fn build(world: &Arc<World>, env: &Env, place: Place) -> Built {
    match place {
        Place::Outside => Ok(Parts { up: true, ..Parts::default() }),
        Place::Broker => {
            let bus = EmbeddedBus::open(env, &world.location(place, "bus").map_err(text)?).map_err(text)?;
            Ok(Parts { up: true, bus: Some(bus), ..Parts::default() })
        }
        Place::Auth => auth(world, env).await,
        Place::Product => product(world, env).await,
        Place::Order => order(world, env).await,
        Place::Payment => payment(world, env),
        Place::Notification => notification(world, env).await,
        Place::Gateway => edge(world, env),
        Place::Provider => provider(world, env),
    }
}

fn ground(
    world: &Arc<World>,
    env: &Env,
    place: Place,
    file: &'static str,
    queue: &'static str,
) -> Result<Ground, String> {
    let own_queue = EmbeddedQueue::open(env, &world.location(place, queue).map_err(text)?).map_err(text)?;
    let auth: Arc<dyn AuthApi> = Arc::new(RemoteAuth(Arc::clone(world)));
    Ok(Ground {
        location: world.location(place, file).map_err(text)?,
        bus: Arc::new(SimBus { world: Arc::clone(world), from: place }),
        queue: Arc::new(SimQueue { world: Arc::clone(world), queue: Arc::clone(&own_queue) }),
        own_queue,
        verifier: Arc::new(TokenVerifier::new(env, auth, auth_service::Config::default().token_config())),
    })
}

async fn auth(world: &Arc<World>, env: &Env) -> Built {
    let Ground { location, bus, queue, own_queue, .. } = ground(world, env, Place::Auth, "auth", "auth-queue")?;
    // Nobody here signs in again.
    let config =
        auth_service::Config { hashes_concurrent: 1, access_token_seconds: 3600, ..auth_service::Config::default() };
    let deps = auth_service::Deps { env: env.clone(), location, bus, queue };
    let running = auth_service::build(config, deps).await.map_err(text)?;
    Ok(Parts {
        up: true,
        router: Some(running.service.router),
        auth: Some(running.auth),
        queue: Some(own_queue),
        ..Parts::default()
    })
}

async fn product(world: &Arc<World>, env: &Env) -> Built {
    let ground = ground(world, env, Place::Product, "product", "product-queue")?;
    let deps = product_service::Deps {
        env: env.clone(),
        location: ground.location,
        search_path: None,
        bus: ground.bus,
        queue: ground.queue,
        verifier: ground.verifier,
    };
    let running = product_service::build(product_service::Config::default(), deps).await.map_err(text)?;
    Ok(Parts {
        up: true,
        router: Some(running.service.router),
        product: Some(running.api),
        product_store: Some(running.store),
        queue: Some(ground.own_queue),
        ..Parts::default()
    })
}

async fn order(world: &Arc<World>, env: &Env) -> Built {
    let ground = ground(world, env, Place::Order, "order", "order-queue")?;
    let config = order_service::Config {
        pay_within_seconds: world.plan.pay_within_seconds,
        hold_margin_seconds: world.plan.hold_margin_seconds,
        ..order_service::Config::default()
    };
    let deps = order_service::Deps {
        env: env.clone(),
        location: ground.location,
        bus: ground.bus,
        queue: ground.queue,
        verifier: ground.verifier,
        product: Arc::new(RemoteProduct(Arc::clone(world))),
    };
    let running = order_service::build(config, deps).await.map_err(text)?;
    Ok(Parts {
        up: true,
        router: Some(running.service.router),
        order_store: Some(running.store),
        queue: Some(ground.own_queue),
        ..Parts::default()
    })
}

fn payment(world: &Arc<World>, env: &Env) -> Built {
    let ground = ground(world, env, Place::Payment, "payment", "payment-queue")?;
    let config = payment_service::Config::default();
    let transport = Wire { world: Arc::clone(world), from: Place::Payment, to: Place::Provider };
    let account = SandboxAccount {
        secret_key: SecretString::from(PROVIDER_KEY),
        webhook_secret: SecretString::from(WEBHOOK_SECRET),
    };
    let provider = SandboxProvider::new(Arc::new(transport), account).map_err(text)?;
    let providers = Providers::default().with("sandbox", payment_service::guarded(&config, Arc::new(provider)));
    let deps = payment_service::Deps {
        env: env.clone(),
        location: ground.location,
        bus: ground.bus,
        queue: ground.queue,
        verifier: ground.verifier,
    };
    let running = payment_service::build_with_providers(&config, deps, providers).map_err(text)?;
    Ok(Parts {
        up: true,
        router: Some(running.service.router),
        payment_store: Some(running.store),
        queue: Some(ground.own_queue),
        ..Parts::default()
    })
}

async fn notification(world: &Arc<World>, env: &Env) -> Built {
    let ground = ground(world, env, Place::Notification, "notification", "notification-queue")?;
    let deps = notification_service::Deps {
        env: env.clone(),
        location: ground.location,
        bus: ground.bus,
        queue: ground.queue,
        verifier: ground.verifier,
    };
    let running = notification_service::build(notification_service::Config::default(), deps).await.map_err(text)?;
    Ok(Parts {
        up: true,
        router: Some(running.service.router),
        notification_store: Some(running.store),
        queue: Some(ground.own_queue),
        ..Parts::default()
    })
}

fn edge(world: &Arc<World>, env: &Env) -> Built {
    let auth: Arc<dyn AuthApi> = Arc::new(RemoteAuth(Arc::clone(world)));
    let services = [Place::Auth, Place::Product, Place::Order, Place::Payment, Place::Notification];
    let upstream = |to: Place| {
        let transport: Arc<dyn Transport> = Arc::new(Wire { world: Arc::clone(world), from: Place::Gateway, to });
        Upstream { service: to.name(), transport }
    };
    let deps = gateway::Deps {
        env: env.clone(),
        auth: Arc::clone(&auth),
        verifier: Arc::new(TokenVerifier::new(env, auth, auth_service::Config::default().token_config())),
        upstreams: services.map(upstream).into(),
    };
    let gateway = gateway::build(GatewayConfig::default(), deps).map_err(text)?;
    Ok(Parts { up: true, router: Some(gateway.into_router()), ..Parts::default() })
}

fn provider(world: &Arc<World>, env: &Env) -> Built {
    let config = SandboxConfig {
        secret_key: SecretString::from(PROVIDER_KEY),
        webhook_secret: SecretString::from(WEBHOOK_SECRET),
        control: true,
        ..SandboxConfig::default()
    };
    let location = world.location(Place::Provider, "provider").map_err(text)?;
    let receiver: Arc<dyn Transport> = Arc::new(WebhookWire::new(world));
    let receiver = Some((receiver, WEBHOOK_PATH.to_owned()));
    let router = sandbox_provider::build_with_receiver(config, &location, env, receiver).map_err(text)?;
    Ok(Parts { up: true, router: Some(router), ..Parts::default() })
}
