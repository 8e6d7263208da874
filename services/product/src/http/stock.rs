//! Stock and its ledger.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    http::{CurrentCaller, Json, Keyed, Path, Problems, Query, answer},
    idempotency::{Answer, Idempotency, Receipt},
};
use contracts::{Page, Violation, product::VariantId};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{PageParams, begin, page_limit};
use crate::{
    service::ProductService,
    stock::{Adjustment, Movement},
    store::AdjustStock,
    view::StockView,
};

/// Show the stock of a variant.
#[utoipa::path(
    get, path = "/v1/variants/{id}/stock", tag = "Stock", operation_id = "get_stock",
    params(("id" = VariantId, Path, description = "Which variant")),
    responses((status = 200, description = "Its stock", body = StockView), Problems),
    security(("bearer" = ["stock:write"]))
)]
pub(super) async fn get(
    State(service): State<Arc<ProductService>>,
    Path(id): Path<VariantId>,
) -> Result<Json<StockView>, Problem> {
    Ok(Json(service.get_stock(id).await?))
}

/// A change of stock: `delta` or `count`, not both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StockAdjustment {
    /// So many came or, negative, went.
    #[serde(default)]
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000, example = -2)]
    delta: Option<i64>,
    /// So many are there.
    #[serde(default)]
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000)]
    count: Option<i64>,
    /// Why.
    #[schema(max_length = 255, example = "broken in the warehouse")]
    reason: String,
}

impl StockAdjustment {
    fn read(self, variant_id: VariantId) -> Result<AdjustStock, Problem> {
        let adjustment = match (self.delta, self.count) {
            (Some(delta), None) => Adjustment::Delta(delta),
            (None, Some(count)) => Adjustment::Count(count),
            (None, None) | (Some(_), Some(_)) => {
                return Err(Problem::invalid(vec![Violation::new("", "give either `delta` or `count`")]));
            }
        };
        Ok(AdjustStock { variant_id, adjustment, reason: self.reason.trim().to_owned() })
    }
}

/// Correct or count the stock of a variant.
///
/// There cannot be fewer than none, nor fewer than orders were promised, unless it may be sold beyond stock.
#[utoipa::path(
    post, path = "/v1/variants/{id}/stock-adjustments", tag = "Stock", operation_id = "adjust_stock",
    params(
        ("id" = VariantId, Path, description = "Which variant"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe")
    ),
    request_body = StockAdjustment,
    responses((status = 201, description = "The stock now", body = StockView), Problems),
    security(("bearer" = ["stock:write"]))
)]
pub(super) async fn adjust(
    State(service): State<Arc<ProductService>>,
    State(idempotency): State<Idempotency>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<VariantId>,
    Keyed { body, key }: Keyed<StockAdjustment>,
) -> Result<Response, Problem> {
    let adjust = body.read(id)?;
    let _in_flight = match begin(&idempotency, key.as_ref()).await? {
        Ok(guard) => guard,
        Err(replay) => return Ok(replay),
    };
    let view = service.adjust_stock(adjust, key.map(|key| Receipt::new(key, adjusted)), &caller.actor()).await?;
    Ok(adjusted(&view).map_err(Problem::internal)?.into_response())
}

fn adjusted(view: &StockView) -> Result<Answer, serde_json::Error> {
    answer(StatusCode::CREATED, view)
}

/// List the movements of a variant, newest first.
///
/// Their sum is what is on hand.
#[utoipa::path(
    get, path = "/v1/variants/{id}/stock-movements", tag = "Stock", operation_id = "list_stock_movements",
    params(("id" = VariantId, Path, description = "Which variant"), PageParams),
    responses((status = 200, description = "Movements", body = Page<Movement>), Problems),
    security(("bearer" = ["stock:write"]))
)]
pub(super) async fn list_movements(
    State(service): State<Arc<ProductService>>,
    Path(id): Path<VariantId>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<Movement>>, Problem> {
    let limit = page_limit(params.limit)?;
    Ok(Json(service.list_movements(id, limit, params.cursor.as_deref()).await?))
}
