//! Categories.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    http::{IfMatch, Json, Keyed, Path, Problems, Query, answer},
    idempotency::{Answer, Idempotency, Receipt},
};
use contracts::Page;
use http::StatusCode;

use super::{PageParams, begin, page_limit, versioned};
use crate::{
    category::{Category, CategoryInput},
    edit_categories::CategoryPatch,
    service::ProductService,
};

/// List categories by position.
#[utoipa::path(
    get, path = "/v1/categories", tag = "Categories", operation_id = "list_categories",
    params(PageParams),
    responses((status = 200, description = "Categories", body = Page<Category>), Problems),
    security(())
)]
pub(super) async fn list(
    State(service): State<Arc<ProductService>>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<Category>>, Problem> {
    let limit = page_limit(params.limit)?;
    Ok(Json(service.list_categories(limit, params.cursor.as_deref()).await?))
}

/// Show a category.
#[utoipa::path(
    get, path = "/v1/categories/{handle}", tag = "Categories", operation_id = "get_category",
    params(("handle" = String, Path, description = "Which category")),
    responses((status = 200, description = "The category", body = Category, headers(("ETag" = String))), Problems),
    security(())
)]
pub(super) async fn get(
    State(service): State<Arc<ProductService>>,
    Path(handle): Path<String>,
) -> Result<Response, Problem> {
    let category = service.get_category(&handle).await?;
    Ok(versioned(StatusCode::OK, category.version, category))
}

/// Make a category.
#[utoipa::path(
    post, path = "/v1/categories", tag = "Categories", operation_id = "create_category",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe")),
    request_body = CategoryInput,
    responses(
        (status = 201, description = "The category", body = Category, headers(("ETag" = String), ("Location" = String))),
        Problems
    ),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn create(
    State(service): State<Arc<ProductService>>,
    State(idempotency): State<Idempotency>,
    Keyed { body, key }: Keyed<CategoryInput>,
) -> Result<Response, Problem> {
    let _in_flight = match begin(&idempotency, key.as_ref()).await? {
        Ok(guard) => guard,
        Err(replay) => return Ok(replay),
    };
    let category = service.create_category(body, key.map(|key| Receipt::new(key, made))).await?;
    Ok(made(&category).map_err(Problem::internal)?.into_response())
}

fn made(category: &Category) -> Result<Answer, serde_json::Error> {
    // Handles may hold letters of any language; a header takes ASCII.
    let path: String = url::form_urlencoded::byte_serialize(category.handle.as_bytes()).collect();
    Ok(answer(StatusCode::CREATED, category)?.location(format!("/v1/categories/{path}")).etag(category.version))
}

/// Change a category.
#[utoipa::path(
    patch, path = "/v1/categories/{handle}", tag = "Categories", operation_id = "update_category",
    params(
        ("handle" = String, Path, description = "Which category"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any")
    ),
    request_body = CategoryPatch,
    responses((status = 200, description = "The category now", body = Category, headers(("ETag" = String))), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn update(
    State(service): State<Arc<ProductService>>,
    Path(handle): Path<String>,
    seen: IfMatch,
    Json(patch): Json<CategoryPatch>,
) -> Result<Response, Problem> {
    let category = service.edit_category(&handle, seen.0, patch).await?;
    Ok(versioned(StatusCode::OK, category.version, category))
}

/// Remove a category that no product and no other category belongs to.
#[utoipa::path(
    delete, path = "/v1/categories/{handle}", tag = "Categories", operation_id = "delete_category",
    params(
        ("handle" = String, Path, description = "Which category"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any")
    ),
    responses((status = 204, description = "It is gone"), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn delete(
    State(service): State<Arc<ProductService>>,
    Path(handle): Path<String>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    service.delete_category(&handle, seen.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
