//! The way in over HTTP; the only place that knows status codes.

use std::sync::Arc;

use axum::{
    extract::{DefaultBodyLimit, FromRef},
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    http::Json,
    idempotency::{Begun, Idempotency, IdempotencyKey, InFlight},
};
use contracts::{
    Caller, ErrorCode, Permission, Violation,
    page::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{error::CatalogueError, product::VariantInput, rendered::Rendered, service::ProductService};

mod categories;
mod imports;
mod products;
mod stock;
mod variants;

/// Products come with long descriptions and hundreds of variants.
const PRODUCT_BYTES_MAX: usize = 2 * 1024 * 1024;

#[derive(Clone)]
struct AppState {
    service: Arc<ProductService>,
    idempotency: Idempotency,
}

impl FromRef<AppState> for Arc<ProductService> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.service)
    }
}

impl FromRef<AppState> for Idempotency {
    fn from_ref(state: &AppState) -> Self {
        state.idempotency.clone()
    }
}

/// All routes of this service.
pub(crate) fn router(service: Arc<ProductService>, idempotency: Idempotency) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(products::list, products::create))
        .routes(routes!(products::get, products::update, products::archive))
        .routes(routes!(variants::add))
        .routes(routes!(variants::update, variants::remove))
        .routes(routes!(variants::set_prices))
        .layer(DefaultBodyLimit::max(PRODUCT_BYTES_MAX))
        .routes(routes!(stock::get))
        .routes(routes!(stock::adjust))
        .routes(routes!(stock::list_movements))
        .routes(routes!(categories::list, categories::create))
        .routes(routes!(categories::get, categories::update, categories::delete))
        .merge(imports::router())
        .with_state(AppState { service, idempotency })
}

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageParams {
    /// Items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The number of items to show.
fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE_ITEMS_DEFAULT) {
        limit @ 1..=PAGE_ITEMS_MAX => Ok(limit),
        _ => Err(Problem::invalid(vec![Violation::new("limit", format!("must be between 1 and {PAGE_ITEMS_MAX}"))])),
    }
}

/// Holds the key while its work runs, or gives the answer that it got before.
async fn begin(
    idempotency: &Idempotency,
    key: Option<&IdempotencyKey>,
) -> Result<Result<Option<InFlight>, Response>, Problem> {
    let Some(key) = key else { return Ok(Ok(None)) };
    match idempotency.begin(key).await? {
        Begun::Replay(response) => Ok(Err(response)),
        Begun::Fresh(guard) => Ok(Ok(Some(guard))),
    }
}

/// `value` as JSON under its version.
/// Counting stock needs a permission of its own, also where it comes along with a product.
fn may_count<'a>(caller: &Caller, variants: impl IntoIterator<Item = &'a VariantInput>) -> Result<(), Problem> {
    let counts = variants.into_iter().any(|variant| variant.on_hand.is_some());
    if counts && !caller.may(Permission::StockWrite) {
        let detail = "Setting `on_hand` needs the permission stock:write. Leave it out, or ask an administrator.";
        return Err(Problem::new(ErrorCode::Forbidden, detail));
    }
    Ok(())
}

fn versioned<T: Serialize>(status: StatusCode, version: u64, value: T) -> Response {
    let mut response = (status, Json(value)).into_response();
    if let Ok(etag) = HeaderValue::from_str(&chassis::http::etag(version)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// A kept response, or 304 if the caller has it.
fn send(rendered: Rendered, request: &HeaderMap) -> Response {
    let seen = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let known = seen.is_some_and(|seen| {
        seen.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == &*rendered.etag)
    });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = rendered.body.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    if let Ok(etag) = HeaderValue::from_str(&rendered.etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

impl From<CatalogueError> for Problem {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Invalid(errors) => Self::invalid(errors),
            CatalogueError::NotFound(what) => Self::not_found(what),
            CatalogueError::Stale { current } => Self::new(
                ErrorCode::PreconditionFailed,
                format!("It was changed meanwhile: the current version is {current}. Read it again, then repeat."),
            )
            .with("current_version", current),
            CatalogueError::Conflict(errors) => {
                let detail = match errors.first() {
                    Some(first) => format!("It contradicts what is there: {}.", first.detail),
                    None => "It contradicts what is there.".to_owned(),
                };
                Self::new(ErrorCode::Conflict, detail).violations(errors)
            }
            CatalogueError::Busy => {
                Self::new(ErrorCode::Unavailable, "Too many changes at once; nothing was changed. Try again.")
            }
            CatalogueError::Search(error) => {
                Self::new(ErrorCode::Unavailable, "The search cannot answer now. Lists without `q` still do.")
                    .source(error)
            }
            CatalogueError::Store(error) => error.into(),
        }
    }
}
