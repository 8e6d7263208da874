//! What surrounds every request of a service: its trace, its body limit, panics caught, metrics, the access log.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::{DefaultBodyLimit, MatchedPath, Request},
    response::{IntoResponse, Response},
};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderName, Method};
use http_body::Body as _;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::{
    Env, Problem,
    telemetry::RequestMetrics,
    trace::{self, TraceContext},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Surrounds the routes of one service.
#[derive(Clone)]
pub(super) struct ObserveLayer(Arc<Shared>);

struct Shared {
    env: Env,
    body_bytes_max: usize,
    /// By path and method, so that no request looks up a metric by its labels.
    routes: HashMap<String, Vec<(Method, RequestMetrics)>>,
    unmatched: RequestMetrics,
}

impl ObserveLayer {
    pub(super) fn new(
        env: &Env,
        service: &'static str,
        body_bytes_max: usize,
        operations: impl IntoIterator<Item = (Method, String)>,
    ) -> Self {
        let mut routes: HashMap<String, Vec<(Method, RequestMetrics)>> = HashMap::new();
        for (method, path) in operations {
            let metrics = RequestMetrics::new(service, path.clone(), method.to_string());
            routes.entry(path).or_default().push((method, metrics));
        }
        let unmatched = RequestMetrics::new(service, "unmatched".to_owned(), "any".to_owned());
        Self(Arc::new(Shared { env: env.clone(), body_bytes_max, routes, unmatched }))
    }
}

impl Shared {
    /// HEAD counts as the GET whose handler answers it.
    fn metrics(&self, route: Option<&MatchedPath>, method: &Method) -> &RequestMetrics {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        route
            .and_then(|route| self.routes.get(route.as_str()))
            .and_then(|methods| methods.iter().find(|(known, _)| known == method))
            .map_or(&self.unmatched, |(_, metrics)| metrics)
    }

    /// The gateway in the same process hands its trace over; others send a header.
    fn trace(&self, request: &Request) -> TraceContext {
        if let Some(trace) = request.extensions().get::<TraceContext>() {
            return *trace;
        }
        let header = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        match header.and_then(TraceContext::parse) {
            Some(parent) => parent.child(&self.env),
            None => TraceContext::root(&self.env),
        }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, shared: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
pub(super) struct Observe<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let trace = shared.trace(&request);
        if !request.body().is_end_stream() {
            DefaultBodyLimit::max(shared.body_bytes_max).apply(&mut request);
        }
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        Box::pin(trace::scope(trace, async move {
            let started = Instant::now();
            let work = AssertUnwindSafe(async { inner.call(request).await }).catch_unwind();
            let response = match work.await {
                Ok(answer) => answer?,
                Err(panic) => Problem::internal(message_of(panic.as_ref())).into_response(),
            };
            let elapsed = started.elapsed();
            shared.metrics(route.as_ref(), &method).record(response.status(), elapsed);
            tracing::debug!(
                target: "jangteo::access",
                %method,
                route = route.as_ref().map_or("unmatched", MatchedPath::as_str),
                status = response.status().as_u16(),
                micros = elapsed.as_micros(),
                "answered"
            );
            Ok(response)
        }))
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", message.unwrap_or("no message"))
}
