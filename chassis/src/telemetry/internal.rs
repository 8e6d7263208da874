//! The internal listener: health and metrics, never exposed to the public.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use futures::future::{BoxFuture, join_all};
use http::{HeaderValue, StatusCode, header};

use super::Metrics;
use crate::Env;

/// A check that takes longer than this has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// What must be true before this process is sent requests.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<(String, Check)>,
}

impl Readiness {
    /// Ready at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check; `name` is what `/readyz` says when it fails.
    pub fn check<F>(mut self, name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.checks.push((name.into(), Box::new(move || Box::pin(check()))));
        self
    }

    /// The names of what is not ready.
    pub async fn failing(&self) -> Vec<&str> {
        let checks = self.checks.iter().map(|(name, check)| async move {
            let passed = tokio::time::timeout(CHECK_TIMEOUT, check()).await.unwrap_or(false);
            (!passed).then_some(name.as_str())
        });
        join_all(checks).await.into_iter().flatten().collect()
    }
}

#[derive(Clone)]
struct Internal {
    env: Env,
    metrics: Metrics,
    readiness: Arc<Readiness>,
}

/// `/livez`: the process runs. `/readyz`: it can take requests, or which checks fail. `/metrics`: Prometheus.
pub fn internal_router(env: &Env, metrics: Metrics, readiness: Readiness) -> Router {
    let state = Internal { env: env.clone(), metrics, readiness: Arc::new(readiness) };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .fallback(crate::service::unknown_path)
        .method_not_allowed_fallback(crate::service::wrong_method)
        .with_state(state)
}

async fn readyz(State(internal): State<Internal>) -> impl IntoResponse {
    let mut failing = internal.readiness.failing().await;
    if internal.env.is_stopping() {
        failing.push("stopping");
    }
    let status = if failing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, crate::http::Json(serde_json::json!({ "ready": failing.is_empty(), "failing": failing })))
}

async fn render(State(internal): State<Internal>) -> impl IntoResponse {
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, format)], internal.metrics.render())
}
