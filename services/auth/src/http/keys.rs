//! The public keys of access tokens.

use std::sync::Arc;

use ::http::header;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{Problem, http::Problems};
use contracts::ErrorCode;

use crate::Auth;

/// Verifiers may keep the keys for as long as an access token lives. One that meets an unknown `kid` asks again.
const CACHE_CONTROL: &str = "public, max-age=300";

/// The public keys that verify access tokens (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Sessions", operation_id = "get_jwks",
    responses((status = 200, description = "A JWK set", body = serde_json::Value, content_type = "application/jwk-set+json"), Problems),
    security(())
)]
pub(super) async fn jwks(State(auth): State<Arc<Auth>>) -> Result<Response, Problem> {
    let jwks = auth.signer.jwks(auth.env.now()).map_err(|error| {
        Problem::new(ErrorCode::Unavailable, "The keys are not loaded yet. Try again.").source(error)
    })?;
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, CACHE_CONTROL)];
    Ok((headers, jwks).into_response())
}
