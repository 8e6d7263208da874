//! What happens to a request, top to bottom.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chassis::{
    Env, Problem,
    telemetry::RequestMetrics,
    trace::{self, TraceContext},
    transport::{Transport, TransportError},
};
use contracts::ErrorCode;
use http::{HeaderValue, Method, header, request::Parts};
use http_body::Body as _;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    BuildError, Deps, GatewayConfig,
    body::{BoundedBody, CutOff},
    cors::Cors,
    document,
    headers::{self, RATE_LIMIT, RATE_REMAINING, REQUEST_ID, TRACEPARENT},
    identity::Identity,
    limit::{Allowance, Client, Limiter},
    pages::{self, Page, Pages},
    routes::{self, Class, ROUTES, Route},
};

/// How often limiters forget clients that are idle.
const FORGET_PERIOD: Duration = Duration::from_secs(10);
/// Services behind HTTP may be replaced by newer ones with other documents.
const DOCUMENT_FRESH: Duration = Duration::from_secs(60);
/// Headers that the gateway adds to every answer, and room for CORS.
const HEADERS_ADDED: usize = 8;

/// Everything that is decided once.
pub(crate) struct Proxy {
    env: Env,
    config: GatewayConfig,
    identity: Identity,
    cors: Cors,
    limits: Arc<Limits>,
    /// Beside [`ROUTES`].
    targets: Vec<Target>,
    elsewhere: MethodMetrics,
    pages: Pages,
    document: tokio::sync::Mutex<Option<(Timestamp, Bytes)>>,
}

struct Limits {
    read: Limiter,
    write: Limiter,
    login: Limiter,
    webhook: Limiter,
}

struct Target {
    transport: Arc<dyn Transport>,
    metrics: MethodMetrics,
}

/// Where a path leads.
#[derive(Clone, Copy)]
enum Place {
    /// A route, by its place in [`ROUTES`].
    Service(usize),
    Own(Page),
    Nowhere,
}

impl Proxy {
    pub(crate) fn new(config: GatewayConfig, deps: Deps) -> Result<Self, BuildError> {
        let Deps { env, auth, verifier, upstreams } = deps;
        let mut targets = Vec::with_capacity(ROUTES.len());
        for route in &ROUTES {
            let upstream = upstreams
                .iter()
                .find(|upstream| upstream.service == route.service)
                .ok_or(BuildError::NoUpstream { path: route.prefix, service: route.service })?;
            let metrics = MethodMetrics::new(route.prefix);
            targets.push(Target { transport: Arc::clone(&upstream.transport), metrics });
        }
        let limiter = |quota| Limiter::new(quota, config.rate_clients_max);
        let limits = Arc::new(Limits {
            read: limiter(config.rate.read),
            write: limiter(config.rate.write),
            login: limiter(config.rate.login),
            webhook: limiter(config.rate.webhook),
        });
        limits.start_forgetting(&env);
        Ok(Self {
            identity: Identity::new(&env, auth, verifier),
            cors: Cors::new(&config.cors_origins)?,
            limits,
            targets,
            elsewhere: MethodMetrics::new("elsewhere"),
            pages: Pages::new(config.dev_mailbox),
            document: tokio::sync::Mutex::new(None),
            env,
            config,
        })
    }

    /// The answer, with everything around it: trace, request id, CORS, security headers, metrics, access log.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let started = Instant::now();
        let (mut parts, body) = request.into_parts();
        let trace = self.trace(&parts);
        parts.extensions.insert(trace);
        let request_id = headers::request_id(&parts.headers)
            .or_else(|| HeaderValue::try_from(trace.trace_id()).ok())
            .unwrap_or(HeaderValue::from_static("unknown"));
        let allowed_origin = self.cors.allowed(&parts.headers);
        let place = self.place(parts.uri.path());
        let method = parts.method.clone();
        parts.headers.insert(REQUEST_ID, request_id.clone());

        let mut response = trace::scope(trace, self.respond(place, parts, body)).await;

        let headers = response.headers_mut();
        headers.reserve(HEADERS_ADDED);
        headers.insert(REQUEST_ID, request_id);
        headers::secure(headers, self.config.https);
        self.cors.finish(allowed_origin, headers);
        let elapsed = started.elapsed();
        let metrics = match place {
            Place::Service(at) => self.targets.get(at).map(|target| &target.metrics),
            Place::Own(_) | Place::Nowhere => Some(&self.elsewhere),
        };
        if let Some(metrics) = metrics {
            metrics.of(&method).record(response.status(), elapsed);
        }
        response
    }

    async fn respond(&self, place: Place, parts: Parts, body: Body) -> Response {
        if let Some(preflight) = self.cors.preflight(&parts) {
            return preflight;
        }
        match place {
            Place::Service(at) => match self.forward(at, parts, body).await {
                Ok(response) => response,
                Err(problem) => problem.into_response(),
            },
            Place::Own(Page::Index) => self.pages.index(&parts.method),
            Place::Own(Page::Docs) => self.pages.docs(Request::from_parts(parts, body)).await,
            Place::Own(Page::Document) => match self.document().await {
                Ok(document) => pages::json_page(&parts.method, document),
                Err(error) => unavailable(&error).into_response(),
            },
            Place::Nowhere => chassis::service::unknown_path().await.into_response(),
        }
    }

    /// Passes the request on to its service, if the caller may send it now.
    async fn forward(&self, at: usize, mut parts: Parts, body: Body) -> Result<Response, Problem> {
        let (Some(route), Some(target)) = (ROUTES.get(at), self.targets.get(at)) else {
            return Err(Problem::internal("a route has no target"));
        };
        let address = headers::client_address(&parts.extensions, &parts.headers, &self.config.trusted_proxies);
        let allowance = match self.admit(route, &mut parts, address).await {
            Ok(allowance) => allowance,
            Err(refused) => return Ok(refused),
        };
        headers::clean_request(&mut parts.headers, address, self.config.https);
        let (body, cut_off) = bound(route, &parts, body)?;
        let safe = routes::is_safe(&parts.method);
        let sent = target.transport.send(Request::from_parts(parts, body));
        let mut response = match tokio::time::timeout(route.timeout, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) if cut_off.is_some_and(|cut_off| cut_off.happened()) => return Err(too_large(route)),
            Ok(Err(error @ TransportError::Unknown(_))) if !safe => return Err(outcome_unknown().source(error)),
            Ok(Err(error)) => return Err(unavailable(&error)),
            Err(_) => return Err(outcome_unknown().source(format!("{} took too long", route.service))),
        };
        headers::remove_hop_by_hop(response.headers_mut());
        show(allowance, &mut response);
        Ok(response)
    }

    /// Finds out who asks and counts the request; the answer if it may not go on.
    async fn admit(&self, route: &Route, parts: &mut Parts, address: IpAddr) -> Result<Allowance, Response> {
        let limiter = self.limits.of(route.class, &parts.method);
        // Whoever guesses at tokens is counted by address, and asks auth no more once that is used up.
        if self.identity.has_to_ask(&parts.headers)
            && let stranger = limiter.peek(Client::at(address), self.env.now())
            && let Some(wait) = stranger.refused
        {
            let mut response = too_many(wait).into_response();
            show(stranger, &mut response);
            return Err(response);
        }
        let identified = self.identity.find(&mut parts.headers).await;
        let client = identified.as_ref().map_or(Client::at(address), |caller| Client::of(caller, address));
        let allowance = limiter.take(client, self.env.now());
        let problem = match (allowance.refused, identified) {
            (Some(wait), _) => too_many(wait),
            (None, Err(problem)) => problem,
            (None, Ok(_)) => return Ok(allowance),
        };
        let mut response = problem.into_response();
        show(allowance, &mut response);
        Err(response)
    }

    /// One document for all services.
    pub(crate) async fn openapi(&self) -> Result<serde_json::Value, TransportError> {
        let mut documents: Vec<(&str, serde_json::Value)> = Vec::new();
        for (route, target) in ROUTES.iter().zip(&self.targets) {
            if documents.iter().all(|(service, _)| *service != route.service) {
                documents.push((route.service, pages::fetch_document(target.transport.as_ref()).await?));
            }
        }
        Ok(document::merge(documents, self.config.dev_mailbox))
    }

    async fn document(&self) -> Result<Bytes, TransportError> {
        let mut kept = self.document.lock().await;
        let now = self.env.now();
        if let Some((made_at, document)) = kept.as_ref()
            && now.duration_since(*made_at).unsigned_abs() < DOCUMENT_FRESH
        {
            return Ok(document.clone());
        }
        let document = Bytes::from(self.openapi().await?.to_string());
        *kept = Some((now, document.clone()));
        Ok(document)
    }

    fn place(&self, path: &str) -> Place {
        match (routes::find(path, self.config.dev_mailbox), Page::find(path)) {
            (Some(at), _) => Place::Service(at),
            (None, Some(page)) => Place::Own(page),
            (None, None) => Place::Nowhere,
        }
    }

    fn trace(&self, parts: &Parts) -> TraceContext {
        let header = parts.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        match header.and_then(TraceContext::parse) {
            Some(parent) => parent.child(&self.env),
            None => TraceContext::root(&self.env),
        }
    }
}

impl Limits {
    fn of(&self, class: Class, method: &Method) -> &Limiter {
        match (class, routes::is_safe(method)) {
            (_, true) => &self.read,
            (Class::ByMethod, false) => &self.write,
            (Class::Login, false) => &self.login,
            (Class::Webhook, false) => &self.webhook,
        }
    }

    fn start_forgetting(self: &Arc<Self>, env: &Env) {
        let (limits, task_env) = (Arc::clone(self), env.clone());
        env.spawn("rate-limits", async move {
            loop {
                tokio::select! {
                    biased;
                    () = task_env.stopping() => return,
                    () = tokio::time::sleep(FORGET_PERIOD) => {}
                }
                for limiter in [&limits.read, &limits.write, &limits.login, &limits.webhook] {
                    limiter.forget_idle(task_env.now());
                }
            }
        });
    }
}

/// The metrics of one route, per method.
struct MethodMetrics([(Method, RequestMetrics); 6], RequestMetrics);

impl MethodMetrics {
    fn new(route: &'static str) -> Self {
        let methods = [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::PATCH, Method::HEAD];
        let metrics = |method: &str| RequestMetrics::new("gateway", route.to_owned(), method.to_owned());
        Self(methods.map(|method| (method.clone(), metrics(method.as_str()))), metrics("other"))
    }

    fn of(&self, method: &Method) -> &RequestMetrics {
        self.0.iter().find(|(known, _)| known == method).map_or(&self.1, |(_, metrics)| metrics)
    }
}

/// Refuses a body that says it is too large, and cuts off one that turns out to be.
fn bound(route: &Route, parts: &Parts, body: Body) -> Result<(Body, Option<CutOff>), Problem> {
    if body.is_end_stream() {
        return Ok((body, None));
    }
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if said.is_some_and(|bytes| bytes > route.body_bytes_max) {
        return Err(too_large(route));
    }
    let cut_off = CutOff::default();
    Ok((Body::new(BoundedBody::new(body, route.body_bytes_max, cut_off.clone())), Some(cut_off)))
}

fn show(allowance: Allowance, response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(RATE_LIMIT, HeaderValue::from(allowance.limit));
    headers.insert(RATE_REMAINING, HeaderValue::from(allowance.remaining));
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::new(ErrorCode::RateLimited, "Too many requests. Wait as long as `Retry-After` says, then go on.")
        .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
}

fn too_large(route: &Route) -> Problem {
    let limit = route.body_bytes_max;
    Problem::new(ErrorCode::PayloadTooLarge, format!("The body may have {limit} bytes here at most."))
}

fn unavailable(error: &TransportError) -> Problem {
    Problem::new(ErrorCode::Unavailable, "A part of the shop is not available at the moment. Try again.").source(error)
}

fn outcome_unknown() -> Problem {
    Problem::new(
        ErrorCode::Timeout,
        "No answer came in time; whether the request was done is unknown. \
         Repeat it with the same Idempotency-Key, or look.",
    )
}
