//! Which pages may call the API from a browser (Fetch standard, CORS protocol).

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};

use crate::BuildError;

const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, accept-language, idempotency-key, if-match, if-none-match, guest-token, traceparent, x-request-id",
);
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "etag, location, retry-after, ratelimit-limit, ratelimit-remaining, idempotency-replayed, x-request-id",
);
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
const ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// The origins that are let in.
pub(crate) enum Cors {
    /// Credentials are tokens that a page must hold itself, never cookies: any page may ask.
    Any,
    Listed(Vec<HeaderValue>),
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Result<Self, BuildError> {
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        origins.iter().map(|origin| parse(origin)).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// What `Access-Control-Allow-Origin` says to whoever sent `headers`.
    pub(crate) fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        match self {
            Self::Any => Some(ANY),
            Self::Listed(origins) => origins.contains(origin).then(|| origin.clone()),
        }
    }

    /// The answer to a preflight, if this is one.
    pub(crate) fn preflight(&self, parts: &Parts) -> Option<Response> {
        let asks = parts.method == Method::OPTIONS
            && parts.headers.contains_key(header::ORIGIN)
            && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allowed(&parts.headers).is_some() {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
        }
        Some(response)
    }

    /// Adds what the browser must read.
    pub(crate) fn finish(&self, allowed: Option<HeaderValue>, headers: &mut HeaderMap) {
        if let Self::Listed(_) = self {
            headers.append(header::VARY, ORIGIN);
        }
        if let Some(origin) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
        }
    }
}

fn parse(origin: &str) -> Result<HeaderValue, BuildError> {
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).unwrap_or_default();
    let plain = !authority.is_empty() && !authority.contains(['/', '?', '#', '@', '*', ' ']);
    HeaderValue::from_str(origin).ok().filter(|_| plain).ok_or_else(|| BuildError::Origin { origin: origin.to_owned() })
}
