//! How one part sends a request to another: in this process or over HTTP, behind the same seam.

use std::time::Duration;

use async_trait::async_trait;
use axum::{Router, body::Body};
use http::{HeaderName, HeaderValue, Request, Response, Uri, header, uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower::Service as _;

use crate::trace::TraceContext;

/// Idle connections that wait for the next request, per upstream.
const IDLE_CONNECTIONS_MAX: usize = 128;
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Sends requests to one upstream.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`, whose URI has a path and a query only, and answers when the head of the response is here.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, TransportError>;
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nothing was sent: repeating is safe.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(String),
    /// It was sent, or a part of it; nobody knows what happened.
    #[error("the upstream did not answer: {0}")]
    Unknown(String),
}

/// A router in this process.
#[derive(Clone)]
pub struct RouterTransport(pub Router);

#[async_trait]
impl Transport for RouterTransport {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        match self.0.clone().call(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

/// How to reach an upstream over HTTP.
#[derive(Debug, Clone)]
pub struct HttpTransportConfig {
    /// Where it is: `http://127.0.0.1:9001` or `https://…`; a path is put before every request's path.
    pub base: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
}

/// Why an upstream's address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TransportConfigError {
    /// Not a URL to send to.
    #[error("`{base}` is not the address of a service: use http://host:port or https://host")]
    Base {
        /// What was given.
        base: String,
    },
    /// No trust anchors for https.
    #[error("the system's TLS certificates cannot be read: {0}")]
    Certificates(String),
}

/// Pooled HTTP/1.1 connections to one upstream.
#[derive(Clone)]
pub struct HttpTransport {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    scheme: uri::Scheme,
    authority: uri::Authority,
    host: HeaderValue,
    prefix: String,
}

impl HttpTransport {
    /// Connects lazily.
    pub fn new(config: &HttpTransportConfig) -> Result<Self, TransportConfigError> {
        let bad_base = || TransportConfigError::Base { base: config.base.clone() };
        let parts = config.base.parse::<Uri>().map_err(|_| bad_base())?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(bad_base()) };
        if scheme != uri::Scheme::HTTP && scheme != uri::Scheme::HTTPS {
            return Err(bad_base());
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| bad_base())?;
        let prefix = parts.path_and_query.map_or_else(String::new, |path| path.path().trim_end_matches('/').to_owned());
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.connect_timeout));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let tls = tls_config(scheme == uri::Scheme::HTTPS)?;
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, scheme, authority, host, prefix })
    }

    fn address(&self, request: &mut Request<Body>) -> Result<(), http::Error> {
        let own = request.uri().path_and_query().map_or("/", uri::PathAndQuery::as_str);
        let path = if self.prefix.is_empty() {
            uri::PathAndQuery::try_from(own)?
        } else {
            uri::PathAndQuery::try_from(format!("{}{own}", self.prefix))?
        };
        *request.uri_mut() = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()?;
        Ok(())
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, TransportError> {
        self.address(&mut request).map_err(|error| TransportError::Unreachable(error.to_string()))?;
        let trace = request.extensions().get::<TraceContext>().copied().or_else(crate::trace::current);
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        if let Some(value) = trace.and_then(|trace| HeaderValue::try_from(trace.traceparent()).ok()) {
            headers.insert(TRACEPARENT, value);
        }
        match self.client.request(request).await {
            Ok(response) => Ok(response.map(Body::new)),
            Err(error) if error.is_connect() => Err(TransportError::Unreachable(describe(&error))),
            Err(error) => Err(TransportError::Unknown(describe(&error))),
        }
    }
}

/// The error with its causes: the outermost alone says nothing.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The system's certificates are read only where TLS is spoken: it takes time and memory.
fn tls_config(used: bool) -> Result<rustls::ClientConfig, TransportConfigError> {
    use hyper_rustls::ConfigBuilderExt as _;
    let certificates = |error: &dyn std::fmt::Display| TransportConfigError::Certificates(error.to_string());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| certificates(&error))?;
    if used {
        Ok(builder.with_native_roots().map_err(|error| certificates(&error))?.with_no_client_auth())
    } else {
        Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
    }
}

#[cfg(test)]
mod tests;
