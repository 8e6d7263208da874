//! Serves what a process offers the other services, with the standard health and reflection services beside it.

use std::{sync::Arc, time::Duration};

use chassis::Env;
use contracts::{auth::AuthApi, product::ProductApi};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use crate::{
    auth::AuthServer,
    product::ProductServer,
    proto::{
        DESCRIPTORS, auth::v1::auth_service_server::AuthServiceServer,
        product::v1::product_service_server::ProductServiceServer,
    },
};

/// A message may be so long; a reservation of a thousand lines takes a tenth of it.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Calls of one connection at a time.
const CONCURRENT_CALLS_MAX: u32 = 1024;
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(10);

/// What the process offers.
#[derive(Clone, Default)]
pub struct Offered {
    /// Prices and stock.
    pub product: Option<Arc<dyn ProductApi>>,
    /// Keys and grants.
    pub auth: Option<Arc<dyn AuthApi>>,
}

/// The server could not be set up or broke down.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket or HTTP/2.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors of the protos are not readable: a bug of the build.
    #[error("gRPC reflection cannot be set up: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves on `listener` until the process is asked to stop; calls under way are finished.
pub async fn serve(env: Env, listener: TcpListener, offered: Offered) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let product = offered.product.map(|api| {
        ProductServiceServer::new(ProductServer { env: env.clone(), api }).max_decoding_message_size(MESSAGE_BYTES_MAX)
    });
    let auth = offered.auth.map(|api| {
        AuthServiceServer::new(AuthServer { env: env.clone(), api }).max_decoding_message_size(MESSAGE_BYTES_MAX)
    });
    if product.is_some() {
        health.set_serving::<ProductServiceServer<ProductServer>>().await;
    }
    if auth.is_some() {
        health.set_serving::<AuthServiceServer<AuthServer>>().await;
    }
    Server::builder()
        .max_concurrent_streams(CONCURRENT_CALLS_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_MAX))
        .add_service(health_service)
        .add_service(reflection)
        .add_optional_service(product)
        .add_optional_service(auth)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async move {
            env.stopping().await;
        })
        .await?;
    Ok(())
}
