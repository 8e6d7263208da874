//! Keys for programs.

use std::sync::Arc;

use ::http::{HeaderValue, StatusCode, header};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    http::{CurrentCaller, Json, Path, Problems, Query},
};
use contracts::{Page, Permission, auth::ApiKeyId};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{page, page_cursor, page_limit, sessions::PageParams};
use crate::{
    Auth,
    actor::Actor,
    api_key::ApiKey,
    create_api_key::{self, create_api_key},
    revoke_api_key::revoke_api_key,
};

/// A key for a program, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct ApiKeyView {
    /// Which.
    id: ApiKeyId,
    /// What it is for.
    #[schema(example = "nightly stock import")]
    name: String,
    /// The beginning of the secret.
    #[schema(example = "jgt_3fa9c2d1")]
    prefix: String,
    /// What it may do.
    permissions: Vec<Permission>,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: Timestamp,
    /// When it stops working.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            permissions: key.permissions,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A new key; the only time its secret is shown.
#[derive(Serialize, ToSchema)]
struct NewApiKey {
    /// The key.
    #[serde(flatten)]
    key: ApiKeyView,
    /// Send it as `Authorization: Bearer …`. Keep it: it is not shown again.
    #[schema(example = "jgt_…")]
    secret: String,
}

/// What the key is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApiKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100, example = "nightly stock import")]
    name: String,
    /// What it may do; nothing that you may not do yourself.
    #[schema(min_items = 1)]
    permissions: Vec<Permission>,
    /// When it stops working; never if absent.
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// Make a key.
///
/// The secret is shown in this answer and never again, so this operation takes no `Idempotency-Key`: an
/// answer that can be given again would have to be kept. If an answer was lost, revoke the key that was
/// never used and make another.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "Administration", operation_id = "create_api_key",
    request_body = CreateApiKey,
    responses((status = 201, description = "The new key and its secret", body = NewApiKey), Problems),
    security(("bearer" = ["accounts:write"]))
)]
pub(super) async fn create(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    Json(body): Json<CreateApiKey>,
) -> Result<Response, Problem> {
    let CreateApiKey { name, permissions, expires_at } = body;
    let request = create_api_key::CreateApiKey { name, permissions, expires_at };
    let (key, secret) = create_api_key(&auth, &Actor::from(&caller), request).await?;
    let body = NewApiKey { key: key.into(), secret: secret.expose_secret().to_owned() };
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Keys, newest first.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "Administration", operation_id = "list_api_keys",
    params(PageParams),
    responses((status = 200, description = "Keys, revoked and expired ones included", body = Page<ApiKeyView>), Problems),
    security(("bearer" = ["accounts:write"]))
)]
pub(super) async fn list(
    State(auth): State<Arc<Auth>>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<ApiKeyView>>, Problem> {
    let (limit, after) = (page_limit(params.limit)?, page_cursor(params.cursor.as_deref())?);
    let items = auth.store.list_api_keys(after, limit + 1).await?;
    Ok(Json(page(items, limit, |last| last.id.to_string(), ApiKeyView::from)))
}

/// Revoke a key.
///
/// Access tokens that it was exchanged for work until they expire, at most five minutes later.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "Administration", operation_id = "revoke_api_key",
    params(("id" = ApiKeyId, Path, description = "Which key")),
    responses((status = 204, description = "The key no longer works"), Problems),
    security(("bearer" = ["accounts:write"]))
)]
pub(super) async fn revoke(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    revoke_api_key(&auth, &Actor::from(&caller), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
