//! `/pages`: what the buyer sees when the provider wants to know who pays (3-D Secure, a payment window). The
//! address holds an id that cannot be guessed; nobody signs in.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};
use http::{StatusCode, header};

use crate::{
    authorization::{Authorization, Status},
    http::{Sandbox, perform_unasked, stored},
    operation::Order,
    store,
};

pub(crate) fn router() -> Router<Sandbox> {
    Router::new().route("/pages/{id}", get(show).post(decide))
}

async fn show(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    match sandbox.database.read(move |connection| store::find(connection, &id)).await {
        Ok(Some(authorization)) if authorization.action_url.is_some() => page(StatusCode::OK, &content(&authorization)),
        Ok(_) => page(StatusCode::NOT_FOUND, "<p>There is nothing to decide here.</p>"),
        Err(error) => stored(&error),
    }
}

/// Takes the buyer's choice and sends the browser back to the shop. Choosing again changes nothing.
async fn decide(State(sandbox): State<Sandbox>, Path(id): Path<String>, form: Bytes) -> Response {
    let approved = match &form[..] {
        b"decision=approve" => true,
        b"decision=refuse" => false,
        _ => return page(StatusCode::BAD_REQUEST, "<p>Choose to approve or to refuse.</p>"),
    };
    let order = Order::Decide { id: id.clone(), approved };
    if let Err(error) = perform_unasked(&sandbox, order).await {
        return stored(&error);
    }
    match sandbox.database.read(move |connection| store::find(connection, &id)).await {
        Ok(Some(authorization)) if authorization.action_url.is_some() => match way_back(&authorization) {
            Some(url) => Redirect::to(&url).into_response(),
            None => page(StatusCode::OK, &content(&authorization)),
        },
        Ok(_) => page(StatusCode::NOT_FOUND, "<p>There is nothing to decide here.</p>"),
        Err(error) => stored(&error),
    }
}

/// The merchant's address with the authorization's id.
fn way_back(authorization: &Authorization) -> Option<String> {
    let mut url = url::Url::parse(authorization.return_url.as_deref()?).ok()?;
    url.query_pairs_mut().append_pair("authorization", &authorization.id);
    Some(url.into())
}

fn content(authorization: &Authorization) -> String {
    let sum = format!("{} {}", authorization.currency, authorization.amount_minor);
    let order = escaped(&authorization.reference);
    if authorization.status == Status::RequiresAction {
        return format!(
            "<p>Do you pay <b>{sum}</b> for <code>{order}</code>?</p>
<form method=\"post\">
<button name=\"decision\" value=\"approve\">Approve</button>
<button name=\"decision\" value=\"refuse\">Refuse</button>
</form>"
        );
    }
    let back = way_back(authorization)
        .map_or_else(String::new, |url| format!("<p><a href=\"{}\">Back to the shop</a></p>", escaped(&url)));
    let status = authorization.status.as_str();
    format!("<p>The payment of <b>{sum}</b> for <code>{order}</code> is decided: {status}.</p>{back}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn page(status: StatusCode, content: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sandbox provider</title>
<h1>Sandbox provider</h1>{content}</html>"
    );
    let policy = "default-src 'none'; frame-ancestors 'none'";
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}
