//! A finished service: its routes, guarded and observed, and its document.

mod observe;

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use contracts::ErrorCode;
use http::{HeaderValue, StatusCode, header};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Env, Problem,
    access::{self, AccessError},
    idempotency::KeepRefusals,
    token::TokenVerifier,
};

/// Bytes that a body may have unless the route says otherwise.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// A service that can be served, in one process with others or alone.
#[derive(Clone)]
pub struct Service {
    /// `order`.
    pub name: &'static str,
    /// Its routes, `/openapi.json` included.
    pub router: Router,
    /// Its document.
    pub openapi: OpenApi,
}

impl Service {
    /// Finishes a service's router: access control as declared, problems for unknown paths and methods, the
    /// body limit, panics caught, traces, metrics and the access log. Every service goes through here.
    pub fn assemble(
        env: &Env,
        name: &'static str,
        router: OpenApiRouter,
        verifier: Arc<TokenVerifier>,
    ) -> Result<Self, AccessError> {
        let (router, openapi) = access::protect(router, verifier)?;
        let operations = access::operations(&openapi)?.into_iter().map(|operation| (operation.method, operation.path));
        let observe = observe::ObserveLayer::new(env, name, BODY_BYTES_MAX, operations);
        let document = Bytes::from(serde_json::to_vec(&openapi).unwrap_or_default());
        let serve_document =
            move || async move { ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document) };
        let router = router
            .route("/openapi.json", axum::routing::get(serve_document))
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method)
            .layer(KeepRefusals)
            .layer(observe);
        Ok(Self { name, router, openapi })
    }
}

/// The answer for a path that no service knows.
pub async fn unknown_path() -> Problem {
    Problem::new(ErrorCode::NotFound, "There is nothing at this path. See /docs for what there is.")
        .kind("unknown_path")
}

/// The answer for a method that the path does not take; axum adds `Allow`.
pub async fn wrong_method() -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "This path does not take this method; `Allow` says which it takes.")
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .kind("method_not_allowed")
}

#[cfg(test)]
mod tests;
