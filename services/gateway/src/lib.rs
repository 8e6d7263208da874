//! The only door to the public: it knows which service answers a path, who asks, and how often they may.
//!
//! It never reads a body. [`routes`] is the one table of paths; [`proxy`] is what happens to a request, top to
//! bottom. A service in this process and one behind HTTP stand behind the same [`chassis::transport::Transport`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod body;
mod config;
mod cors;
mod document;
mod headers;
mod identity;
mod limit;
mod pages;
mod proxy;
mod routes;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use chassis::{
    Env,
    token::TokenVerifier,
    transport::{Transport, TransportError},
};
use contracts::auth::AuthApi;
use futures::future::BoxFuture;

pub use config::{GatewayConfig, Quota, Rates};
pub use document::merge;
pub use routes::{Class, ROUTES, Route};

/// A service and how to reach it.
#[derive(Clone)]
pub struct Upstream {
    /// `order`, as in [`ROUTES`].
    pub service: &'static str,
    /// The way there.
    pub transport: Arc<dyn Transport>,
}

/// What the gateway needs from outside.
pub struct Deps {
    /// Time, randomness, tasks.
    pub env: Env,
    /// Exchanges API keys.
    pub auth: Arc<dyn AuthApi>,
    /// Verifies access tokens.
    pub verifier: Arc<TokenVerifier>,
    /// Every service that [`ROUTES`] names.
    pub upstreams: Vec<Upstream>,
}

/// Why the gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A route leads nowhere.
    #[error("the route {path} leads to the service `{service}`, which is not among the upstreams")]
    NoUpstream {
        /// The route's prefix.
        path: &'static str,
        /// The missing service.
        service: &'static str,
    },
    /// An origin that no browser would send.
    #[error("`{origin}` in gateway.cors_origins is not an origin: use `https://shop.example`, without a path, or `*`")]
    Origin {
        /// What was given.
        origin: String,
    },
}

/// Builds the gateway and starts its housekeeping on `deps.env`.
pub fn build(config: GatewayConfig, deps: Deps) -> Result<Gateway, BuildError> {
    proxy::Proxy::new(config, deps).map(|proxy| Gateway(Arc::new(proxy)))
}

/// Answers every public request. Serve it with [`chassis::server::serve`].
#[derive(Clone)]
pub struct Gateway(Arc<proxy::Proxy>);

impl Gateway {
    /// The same as a router, for whoever needs one.
    pub fn into_router(self) -> axum::Router {
        axum::Router::new().fallback_service(self)
    }

    /// One document for all services that answer, as served at `/openapi.json`.
    pub async fn openapi(&self) -> Result<serde_json::Value, TransportError> {
        self.0.openapi().await
    }
}

impl tower::Service<Request> for Gateway {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let proxy = Arc::clone(&self.0);
        Box::pin(async move { Ok(proxy.answer(request).await.into_response()) })
    }
}

#[cfg(test)]
mod tests;
