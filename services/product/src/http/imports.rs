//! Imports, and the search index.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use chassis::{
    Problem,
    http::{CurrentCaller, Json, Problems},
};
use contracts::Violation;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AppState, may_count};
use crate::{
    product::{ImportOutcome, ProductInput},
    service::ProductService,
};

/// Bytes in one import; larger ones come in parts.
pub(super) const IMPORT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Products in one import.
const IMPORT_PRODUCTS_MAX: usize = 5000;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(import)).layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX)).routes(routes!(rebuild))
}

/// Products to make or change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductImport {
    /// Whole products.
    #[schema(min_items = 1, max_items = 5000)]
    products: Vec<ProductInput>,
    /// If any is rejected, write none.
    #[serde(default)]
    atomic: bool,
}

/// What became of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportResult {
    /// False if it was atomic and something was rejected.
    written: bool,
    /// One per product, in order. Of an atomic import with rejections, the others say what would have
    /// happened.
    outcomes: Vec<ImportOutcome>,
}

/// Import products.
///
/// Makes those whose handle is new, changes those that differ and leaves alone those that are the same, so
/// that repeating an import is safe. Variants are found by SKU, else by option values; those not named are
/// removed. Categories that do not exist are made. Stock counts (`on_hand`) need `stock:write`, too.
#[utoipa::path(
    post, path = "/v1/product-imports", tag = "Products", operation_id = "import_products",
    request_body = ProductImport,
    responses((status = 200, description = "What became of each", body = ImportResult), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn import(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    Json(ProductImport { products, atomic }): Json<ProductImport>,
) -> Result<Json<ImportResult>, Problem> {
    if !(1..=IMPORT_PRODUCTS_MAX).contains(&products.len()) {
        let detail = format!("must have 1 to {IMPORT_PRODUCTS_MAX} products");
        return Err(Problem::invalid(vec![Violation::new("/products", detail)]));
    }
    may_count(&caller, products.iter().flat_map(|product| &product.variants))?;
    let outcomes = service.import_products(products, atomic, caller.actor()).await?;
    let rejected = outcomes.iter().any(|outcome| matches!(outcome, ImportOutcome::Rejected { .. }));
    Ok(Json(ImportResult { written: !(atomic && rejected), outcomes }))
}

/// Make the search index again.
///
/// In the background; searches find what was there until it is done. `POST /v1/operations/product/rebuild` does the
/// same and tells how far it is.
#[utoipa::path(
    post, path = "/v1/search-index/rebuild", tag = "Operations", operation_id = "rebuild_search_index",
    responses((status = 202, description = "It has begun"), Problems),
    security(("bearer" = ["system:operate"]))
)]
pub(super) async fn rebuild(State(service): State<Arc<ProductService>>) -> StatusCode {
    service.rebuild_search().await;
    StatusCode::ACCEPTED
}
