//! `/control`: orders faults and shows totals. Open only if the configuration says so.

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Deserialize;

use crate::{
    fault::Fault,
    http::{Sandbox, parse, stored},
    store,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    faults: Vec<Fault>,
}

pub(crate) fn router() -> Router<Sandbox> {
    Router::new().route("/control/faults", get(faults).put(set_faults)).route("/control/totals", get(totals))
}

async fn faults(State(sandbox): State<Sandbox>) -> Response {
    Json(serde_json::json!({"faults": sandbox.faults.list()})).into_response()
}

async fn set_faults(State(sandbox): State<Sandbox>, body: Bytes) -> Response {
    match parse::<FaultOrder>(&body) {
        Ok(order) => {
            sandbox.faults.set(order.faults);
            faults(State(sandbox)).await
        }
        Err(refusal) => *refusal,
    }
}

async fn totals(State(sandbox): State<Sandbox>) -> Response {
    match sandbox.database.scan(store::totals).await {
        Ok(totals) => Json(totals).into_response(),
        Err(error) => stored(&error),
    }
}
