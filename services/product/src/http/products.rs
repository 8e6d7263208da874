//! Products.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    http::{AcceptedLocale, CurrentCaller, IfMatch, Json, Keyed, Path, Problems, Query, answer},
    idempotency::{Idempotency, Receipt},
};
use contracts::{Caller, Currency, ErrorCode, Locale, Page, Permission};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{begin, may_count, page_limit, send, versioned};
use crate::{
    edit_product::ProductPatch,
    list_products::{ProductList, ProductSort},
    product::{ProductInput, ProductStatus},
    service::ProductService,
    store::ProductKey,
    view::{Audience, ProductView},
};

/// Which status to list.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StatusFilter {
    Draft,
    Active,
    Archived,
    Any,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
enum SortParam {
    #[serde(rename = "newest")]
    Newest,
    #[serde(rename = "price")]
    Price,
    #[serde(rename = "-price")]
    PriceDescending,
    #[serde(rename = "title")]
    Title,
}

/// How much of a product to show.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ViewParam {
    Public,
    Full,
}

/// Which products, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Text to find, in Korean or English.
    #[param(max_length = 200, example = "이어폰")]
    q: Option<String>,
    /// Handle of a category; those below it count too.
    category: Option<String>,
    /// Lowest price at least this, in minor units of `currency`.
    #[param(minimum = 0)]
    min_price: Option<i64>,
    /// Lowest price at most this, in minor units of `currency`.
    #[param(minimum = 0)]
    max_price: Option<i64>,
    /// Of prices to filter and sort by; KRW if absent.
    currency: Option<Currency>,
    /// Only what can be bought, or only what is sold out.
    in_stock: Option<bool>,
    /// The order; if absent, the best match first with `q`, else the newest. Sorted by price, products
    /// without a price in `currency` are left out.
    #[param(inline)]
    sort: Option<SortParam>,
    /// Of the titles to sort by; the language of the request if absent.
    locale: Option<Locale>,
    /// Staff only, `active` if absent. `any` goes with no other filter.
    #[param(inline)]
    status: Option<StatusFilter>,
    /// `full`, staff only: cost, attributes and stock too.
    #[param(inline)]
    view: Option<ViewParam>,
}

/// `view=full` of one product.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GetParams {
    /// `full`, staff only: cost, attributes and stock too.
    #[param(inline)]
    view: Option<ViewParam>,
}

impl ListParams {
    fn read(self, caller: &Caller, accepted: Option<Locale>) -> Result<ProductList, Problem> {
        let audience = audience(self.view, caller)?;
        let status = match self.status {
            None | Some(StatusFilter::Active) => Some(ProductStatus::Active),
            Some(StatusFilter::Draft) => Some(ProductStatus::Draft),
            Some(StatusFilter::Archived) => Some(ProductStatus::Archived),
            Some(StatusFilter::Any) => None,
        };
        if status != Some(ProductStatus::Active) {
            require_staff(caller)?;
        }
        let by_title = matches!(self.sort, Some(SortParam::Title));
        Ok(ProductList {
            status,
            category: self.category,
            min_price: self.min_price,
            max_price: self.max_price,
            currency: self.currency.unwrap_or(Currency::KRW),
            in_stock: self.in_stock,
            q: self.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty()),
            sort: match self.sort {
                None => ProductSort::Default,
                Some(SortParam::Newest) => ProductSort::Newest,
                Some(SortParam::Price) => ProductSort::Price,
                Some(SortParam::PriceDescending) => ProductSort::PriceDescending,
                Some(SortParam::Title) => ProductSort::Title,
            },
            // Of no account for other orders, and not to be kept apart then.
            locale: if by_title { self.locale.or(accepted).unwrap_or_default() } else { Locale::default() },
            limit: page_limit(self.limit)?,
            cursor: self.cursor,
            audience,
        })
    }
}

fn audience(view: Option<ViewParam>, caller: &Caller) -> Result<Audience, Problem> {
    match view {
        Some(ViewParam::Full) => require_staff(caller).map(|()| Audience::Staff),
        Some(ViewParam::Public) | None => Ok(Audience::Public),
    }
}

fn require_staff(caller: &Caller) -> Result<(), Problem> {
    if caller.may(Permission::CatalogWrite) {
        return Ok(());
    }
    let (code, detail) = match caller {
        Caller::Anonymous => (ErrorCode::Unauthenticated, "Only staff see this: sign in."),
        Caller::Account { .. } | Caller::ApiKey { .. } => {
            (ErrorCode::Forbidden, "Only staff see this: it needs the permission `catalog:write`.")
        }
    };
    Err(Problem::new(code, detail))
}

/// List products.
///
/// The answer carries an `ETag`; send it as `If-None-Match` to get 304 while nothing has changed.
#[utoipa::path(
    get, path = "/v1/products", tag = "Products", operation_id = "list_products",
    params(ListParams, ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the answer that you have")),
    responses(
        (status = 200, description = "Products", body = Page<ProductView>, headers(("ETag" = String))),
        (status = 304, description = "Nothing has changed"),
        (status = 403, description = "Staff only", content_type = "application/problem+json", body = chassis::problem::ProblemBody<'static>),
        Problems
    ),
    security((), ("bearer" = []))
)]
pub(super) async fn list(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    AcceptedLocale(accepted): AcceptedLocale,
    Query(params): Query<ListParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let list = params.read(&caller, accepted)?;
    Ok(send(service.list_products(&list).await?, &headers))
}

/// Show a product.
#[utoipa::path(
    get, path = "/v1/products/{id_or_handle}", tag = "Products", operation_id = "get_product",
    params(
        ("id_or_handle" = String, Path, description = "`prd_…`, or the product's handle"),
        GetParams,
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the answer that you have")
    ),
    responses(
        (status = 200, description = "The product", body = ProductView, headers(("ETag" = String))),
        (status = 304, description = "Nothing has changed"),
        (status = 403, description = "Staff only", content_type = "application/problem+json", body = chassis::problem::ProblemBody<'static>),
        Problems
    ),
    security((), ("bearer" = []))
)]
pub(super) async fn get(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id_or_handle): Path<String>,
    Query(params): Query<GetParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let audience = audience(params.view, &caller)?;
    let unlisted = caller.may(Permission::CatalogWrite);
    Ok(send(service.get_product(&id_or_handle, audience, unlisted).await?, &headers))
}

/// Make a product.
#[utoipa::path(
    post, path = "/v1/products", tag = "Products", operation_id = "create_product",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe")),
    request_body = ProductInput,
    responses(
        (status = 201, description = "The product", body = ProductView, headers(("ETag" = String), ("Location" = String))),
        Problems
    ),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn create(
    State(service): State<Arc<ProductService>>,
    State(idempotency): State<Idempotency>,
    CurrentCaller(caller): CurrentCaller,
    Keyed { body, key }: Keyed<ProductInput>,
) -> Result<Response, Problem> {
    may_count(&caller, &body.variants)?;
    let _in_flight = match begin(&idempotency, key.as_ref()).await? {
        Ok(guard) => guard,
        Err(replay) => return Ok(replay),
    };
    let view = service.create_product(body, key.map(|key| Receipt::new(key, made)), &caller.actor()).await?;
    Ok(made(&view).map_err(Problem::internal)?.into_response())
}

fn made(view: &ProductView) -> Result<chassis::idempotency::Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, view)?.location(format!("/v1/products/{}", view.id)).etag(view.version))
}

/// Change a product.
///
/// Members that are absent stay as they are. `variants`, if given, replaces all of them: those that are
/// there are found by SKU, else by option values, and keep their ids and stock; the others are removed.
#[utoipa::path(
    patch, path = "/v1/products/{id_or_handle}", tag = "Products", operation_id = "update_product",
    params(
        ("id_or_handle" = String, Path, description = "`prd_…`, or the product's handle"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any")
    ),
    request_body = ProductPatch,
    responses((status = 200, description = "The product now", body = ProductView, headers(("ETag" = String))), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn update(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id_or_handle): Path<String>,
    seen: IfMatch,
    Json(patch): Json<ProductPatch>,
) -> Result<Response, Problem> {
    may_count(&caller, patch.variants.iter().flatten())?;
    let key = ProductKey::parse(&id_or_handle);
    let view = service.edit_product(key, seen.0, patch, &caller.actor()).await?;
    Ok(versioned(StatusCode::OK, view.version, view))
}

/// Archive a product.
///
/// It leaves the shop; orders, stock and movements stay. `PATCH` its `status` to bring it back.
#[utoipa::path(
    delete, path = "/v1/products/{id_or_handle}", tag = "Products", operation_id = "archive_product",
    params(
        ("id_or_handle" = String, Path, description = "`prd_…`, or the product's handle"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that you have seen; `*` for any")
    ),
    responses((status = 204, description = "It is archived"), Problems),
    security(("bearer" = ["catalog:write"]))
)]
pub(super) async fn archive(
    State(service): State<Arc<ProductService>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id_or_handle): Path<String>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    service.archive_product(ProductKey::parse(&id_or_handle), seen.0, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
