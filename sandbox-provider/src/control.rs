//! `/control`: orders faults, transfers deposits and shows totals. Open only if the configuration says so.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;

use crate::{
    fault::Fault,
    http::{Sandbox, answer, parse, perform_unasked, stored},
    operation::{Order, error_reply},
    store,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    faults: Vec<Fault>,
}

/// Which account a transfer goes to: that of the authorization `id`, or of the newest under `reference`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    reference: Option<String>,
}

pub(crate) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/control/faults", get(faults).put(set_faults))
        .route("/control/totals", get(totals))
        .route("/control/deposits", post(deposit))
        .route("/control/deposits/{id}/reverse", post(reverse_deposit))
}

async fn deposit(State(sandbox): State<Sandbox>, body: Bytes) -> Response {
    let id = match parse::<Transfer>(&body) {
        Ok(Transfer { id: Some(id), reference: None }) => id,
        Ok(Transfer { id: None, reference: Some(reference) }) => {
            match sandbox.database.read(move |connection| store::find_by_reference(connection, &reference)).await {
                Ok(mut found) => found.pop().map_or_else(String::new, |authorization| authorization.id),
                Err(error) => return stored(&error),
            }
        }
        Ok(_) => return answer(error_reply(400, "invalid_request", "send either id or reference")),
        Err(refusal) => return *refusal,
    };
    order(&sandbox, Order::Deposit { id }).await
}

async fn reverse_deposit(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    order(&sandbox, Order::ReverseDeposit { id }).await
}

async fn order(sandbox: &Sandbox, order: Order) -> Response {
    match perform_unasked(sandbox, order).await {
        Ok(reply) => answer(reply),
        Err(error) => stored(&error),
    }
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
