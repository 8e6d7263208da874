//! Variants and their prices.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    http::{CurrentCaller, IfMatch, Json, Keyed, Path, Problems, answer},
    idempotency::{Answer, Idempotency, Receipt},
};
use contracts::product::VariantId;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{begin, may_count, versioned};
use crate::{
    edit_variants::{EditedVariant, VariantPatch},
    product::{Price, VariantInput},
    service::ProductService,
    store::ProductKey,
    view::VariantView,
};

/// Add a variant.
///
/// The `ETag` here and below is the version of the product that the variant belongs to.
#[utoipa::path(
    post, path = "/v1/products/{id_or_handle}/variants", tag = "Products", operation_id = "add_variant",
    params(
        ("id_or_handle" = String, Path, description = "`prd_…`, or the product's handle"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe")
    ),
    request_body = VariantInput,
    responses((status = 201, description = "The variant", body = VariantView, headers(("ETag" = String))), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn add(
    State(service): State<Arc<ProductService>>,
    State(idempotency): State<Idempotency>,
    CurrentCaller(caller): CurrentCaller,
    Path(id_or_handle): Path<String>,
    seen: IfMatch,
    Keyed { body, key }: Keyed<VariantInput>,
) -> Result<Response, Problem> {
    may_count(&caller, [&body])?;
    let _in_flight = match begin(&idempotency, key.as_ref()).await? {
        Ok(guard) => guard,
        Err(replay) => return Ok(replay),
    };
    let receipt = key.map(|key| Receipt::new(key, made));
    let product = ProductKey::parse(&id_or_handle);
    let edited = service.add_variant(product, seen.0, body, receipt, &caller.actor()).await?;
    Ok(made(&edited).map_err(Problem::internal)?.into_response())
}

fn made(edited: &EditedVariant) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, &edited.variant)?.etag(edited.version))
}

/// Change a variant.
#[utoipa::path(
    patch, path = "/v1/variants/{id}", tag = "Products", operation_id = "update_variant",
    params(
        ("id" = VariantId, Path, description = "Which variant"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any")
    ),
    request_body = VariantPatch,
    responses((status = 200, description = "The variant now", body = VariantView, headers(("ETag" = String))), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn update(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<VariantId>,
    seen: IfMatch,
    Json(patch): Json<VariantPatch>,
) -> Result<Response, Problem> {
    let edited = service.edit_variant(id, seen.0, patch, &caller.actor()).await?;
    Ok(versioned(StatusCode::OK, edited.version, edited.variant))
}

/// Remove a variant.
///
/// Its stock and movements stay for the records.
#[utoipa::path(
    delete, path = "/v1/variants/{id}", tag = "Products", operation_id = "remove_variant",
    params(
        ("id" = VariantId, Path, description = "Which variant"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any")
    ),
    responses((status = 204, description = "It is gone"), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn remove(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<VariantId>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    service.remove_variant(id, seen.0, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All prices of a variant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    /// At most one per currency, tax included.
    #[schema(max_items = 30)]
    prices: Vec<Price>,
}

/// Set the prices of a variant.
#[utoipa::path(
    put, path = "/v1/variants/{id}/prices", tag = "Products", operation_id = "set_prices",
    params(
        ("id" = VariantId, Path, description = "Which variant"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any")
    ),
    request_body = Prices,
    responses((status = 200, description = "The variant now", body = VariantView, headers(("ETag" = String))), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn set_prices(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<VariantId>,
    seen: IfMatch,
    Json(body): Json<Prices>,
) -> Result<Response, Problem> {
    let patch = VariantPatch { prices: Some(body.prices), ..VariantPatch::default() };
    let edited = service.edit_variant(id, seen.0, patch, &caller.actor()).await?;
    Ok(versioned(StatusCode::OK, edited.version, edited.variant))
}
