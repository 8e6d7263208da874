//! Everybody's accounts, for administrators.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use chassis::{
    Problem,
    http::{CurrentCaller, IfMatch, Json, Path, Problems, Query},
};
use contracts::{Page, Role, auth::AccountId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    accounts::{AccountView, with_etag},
    page, page_cursor, page_limit,
};
use crate::{
    Auth,
    account::Email,
    actor::Actor,
    administer_account::{AdministerAccount, administer_account},
    error::Error,
    store::AccountFilter,
};

/// Which accounts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountParams {
    /// Only with this role.
    #[param(inline)]
    role: Option<Role>,
    /// Only with this address.
    #[param(format = Email, example = "mina@example.com")]
    email: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Accounts, newest first.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "Administration", operation_id = "list_accounts",
    params(AccountParams),
    responses((status = 200, description = "Accounts", body = Page<AccountView>), Problems),
    security(("bearer" = ["accounts:write"]))
)]
pub(super) async fn list_accounts(
    State(auth): State<Arc<Auth>>,
    Query(params): Query<AccountParams>,
) -> Result<Json<Page<AccountView>>, Problem> {
    let (limit, after) = (page_limit(params.limit)?, page_cursor(params.cursor.as_deref())?);
    let email = params.email.as_deref().map(Email::parse).transpose().map_err(|mut violation| {
        // A parameter, not a body.
        "email".clone_into(&mut violation.field);
        Problem::invalid(vec![violation])
    })?;
    let filter = AccountFilter { role: params.role, email };
    let items = auth.store.list_accounts(filter, after, limit + 1).await?;
    Ok(Json(page(items, limit, |last| last.id.to_string(), |account| AccountView::from(&account))))
}

/// An account.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "Administration", operation_id = "get_account",
    params(("id" = AccountId, Path, description = "Which account")),
    responses((status = 200, description = "The account", body = AccountView), Problems),
    security(("bearer" = ["accounts:write"]))
)]
pub(super) async fn get_account(State(auth): State<Arc<Auth>>, Path(id): Path<AccountId>) -> Result<Response, Problem> {
    let account = auth.store.find_account(id).await?.ok_or(Error::NotFound("account"))?;
    Ok(with_etag(&account))
}

/// What is to become different; absent leaves a thing as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateAccount {
    /// Another role.
    #[serde(default)]
    role: Option<Role>,
    /// True locks the account and ends its sessions.
    #[serde(default)]
    disabled: Option<bool>,
}

/// Change somebody's role, or lock the account.
///
/// Nobody grants a role, or acts on an account, with permissions that they do not hold themselves: 403
/// `permissions_exceeded`. The last enabled administrator stays: 409 `last_admin`. Access tokens that are
/// out keep the old role until they expire, at most five minutes later.
#[utoipa::path(
    patch, path = "/v1/accounts/{id}", tag = "Administration", operation_id = "update_account",
    params(
        ("id" = AccountId, Path, description = "Which account"),
        ("If-Match" = Option<String>, Header, description = "Refuse if this is no longer the `ETag`")
    ),
    request_body = UpdateAccount,
    responses((status = 200, description = "The account after the change", body = AccountView), Problems),
    security(("bearer" = ["accounts:write"]))
)]
pub(super) async fn update_account(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<AccountId>,
    IfMatch(expected_version): IfMatch,
    Json(body): Json<UpdateAccount>,
) -> Result<Response, Problem> {
    let request = AdministerAccount { id, role: body.role, disabled: body.disabled, expected_version };
    Ok(with_etag(&administer_account(&auth, &Actor::from(&caller), request).await?))
}
