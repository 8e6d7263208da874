//! What the gateway answers itself: the index, the documents, how to browse them.

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chassis::{
    service::{unknown_path, wrong_method},
    transport::{Transport, TransportError},
};
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use tower::Service as _;
use utoipa_swagger_ui::SwaggerUi;

/// A service's document is never larger.
const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A path that no service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Index,
    Document,
    Docs,
}

impl Page {
    pub(crate) fn find(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Index),
            "/openapi.json" => Some(Self::Document),
            _ => path
                .strip_prefix("/docs")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                .then_some(Self::Docs),
        }
    }
}

/// The pages that never change.
pub(crate) struct Pages {
    index: Bytes,
    docs: Router,
}

impl Pages {
    pub(crate) fn new(dev_mailbox: bool) -> Self {
        let mut index = json!({
            "name": "Jangteo",
            "version": env!("CARGO_PKG_VERSION"),
            "docs": "/docs",
            "openapi": "/openapi.json",
            "products": "/v1/products",
        });
        if dev_mailbox {
            index["mailbox"] = "/dev/mailbox".into();
        }
        let docs = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
        let docs = Router::new().merge(docs).fallback(unknown_path).method_not_allowed_fallback(wrong_method);
        Self { index: Bytes::from(index.to_string()), docs }
    }

    pub(crate) fn index(&self, method: &Method) -> Response {
        json_page(method, self.index.clone())
    }

    pub(crate) async fn docs(&self, request: Request) -> Response {
        let mut response = match self.docs.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, DOCS_POLICY);
        response
    }
}

/// A JSON page for GET and HEAD.
pub(crate) fn json_page(method: &Method, body: Bytes) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let response = futures::FutureExt::now_or_never(wrong_method()).map(IntoResponse::into_response);
        let mut response = response.unwrap_or_default();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// Asks a service for its document.
pub(crate) async fn fetch_document(transport: &dyn Transport) -> Result<Value, TransportError> {
    let unknown = |error: &dyn std::fmt::Display| TransportError::Unknown(error.to_string());
    let request = Request::get("/openapi.json").body(Body::empty()).map_err(|error| unknown(&error))?;
    let response = transport.send(request).await?;
    if response.status() != StatusCode::OK {
        return Err(unknown(&response.status()));
    }
    let body =
        Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await.map_err(|error| unknown(&error))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| unknown(&error))
}
