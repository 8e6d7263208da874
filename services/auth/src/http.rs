//! The way in over HTTP; the only place that knows status codes.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::FromRef;
use chassis::{Problem, idempotency::Idempotency};
use contracts::{
    Caller, ErrorCode, Page, Violation,
    auth::AccountId,
    page::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX},
};
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Auth, error::Error};

mod accounts;
mod administration;
mod api_keys;
mod audit_events;
mod keys;
mod sessions;

/// What handlers work with.
#[derive(Clone)]
struct AppState {
    auth: Arc<Auth>,
    idempotency: Idempotency,
}

impl FromRef<AppState> for Arc<Auth> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.auth)
    }
}

impl FromRef<AppState> for Idempotency {
    fn from_ref(state: &AppState) -> Self {
        state.idempotency.clone()
    }
}

/// All routes of this service.
pub(crate) fn router(auth: Arc<Auth>, idempotency: Idempotency) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(accounts::create, administration::list_accounts))
        .routes(routes!(accounts::get_own, accounts::update_own))
        .routes(routes!(accounts::change_own_password))
        .routes(routes!(administration::get_account, administration::update_account))
        .routes(routes!(sessions::create, sessions::list_own))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::end_current))
        .routes(routes!(sessions::end))
        .routes(routes!(api_keys::create, api_keys::list))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(audit_events::list))
        .routes(routes!(keys::jwks))
        .with_state(AppState { auth, idempotency })
}

/// Documents the 403 of operations that need no permission and refuse some callers all the same: API keys
/// where a person is wanted, disabled accounts, a wrong present password.
struct Forbidden;

impl IntoResponses for Forbidden {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("The caller is known and may not do this.")
            .content("application/problem+json", problem);
        BTreeMap::from([("403".to_owned(), response.into())])
    }
}

/// The account of a signed-in person.
fn person(caller: &Caller) -> Result<AccountId, Error> {
    caller.account().ok_or(Error::NotAPerson)
}

/// The number of items to show.
fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE_ITEMS_DEFAULT) {
        limit @ 1..=PAGE_ITEMS_MAX => Ok(limit),
        _ => Err(Problem::invalid(vec![Violation::new("limit", format!("must be between 1 and {PAGE_ITEMS_MAX}"))])),
    }
}

/// Where the page begins: an id or number that an earlier page named.
fn page_cursor<T: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let refuse = |_| Problem::invalid(vec![Violation::new("cursor", "must be the `next_cursor` of an earlier page")]);
    cursor.map(|cursor| cursor.parse().map_err(refuse)).transpose()
}

/// A page of views from items that were read with one more than `limit`.
fn page<T, V>(items: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String, view: impl FnMut(T) -> V) -> Page<V> {
    Page::from_overread(items, limit, cursor).map(view)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::invalid(errors),
            Error::EmailTaken => {
                Self::new(ErrorCode::Conflict, "There is an account with this e-mail address. Sign in instead.")
                    .kind("email_taken")
            }
            Error::WrongCredentials => {
                Self::new(ErrorCode::Unauthenticated, "The e-mail address or the password is wrong.")
                    .kind("wrong_credentials")
            }
            // Not 401: the token is good, and a client must not try to refresh it.
            Error::WrongPassword => {
                Self::new(ErrorCode::Forbidden, "The present password is wrong.").kind("wrong_password")
            }
            Error::LockedOut { retry_after_seconds } => Self::new(
                ErrorCode::RateLimited,
                "There were too many attempts for this e-mail address. Wait, then try again.",
            )
            .kind("locked_out")
            .retry_after(retry_after_seconds),
            Error::AccountDisabled => {
                Self::new(ErrorCode::Forbidden, "This account is disabled. Ask the shop.").kind("account_disabled")
            }
            Error::InvalidRefreshToken => Self::new(
                ErrorCode::Unauthenticated,
                "The refresh token is unknown, expired or was used before. Sign in again.",
            )
            .kind("invalid_refresh_token"),
            Error::NotFound(what) => Self::not_found(what),
            Error::Stale { current } => Self::new(
                ErrorCode::PreconditionFailed,
                format!("It was changed meanwhile: the current version is {current}. Read it again, then repeat."),
            )
            .with("current_version", current),
            Error::LastAdmin => {
                Self::new(ErrorCode::Conflict, "This is the last enabled administrator. Make another one first.")
                    .kind("last_admin")
            }
            Error::Exceeds(permissions) => Self::new(
                ErrorCode::Forbidden,
                "This would grant or override permissions that you do not hold; see `permissions`.",
            )
            .kind("permissions_exceeded")
            .with("permissions", permissions),
            Error::NotAPerson => {
                Self::new(ErrorCode::Forbidden, "Only a person with an account can do this, not an API key.")
                    .kind("not_a_person")
            }
            Error::Busy => {
                Self::new(ErrorCode::Unavailable, "Too many people are signing in right now. Try again in a moment.")
                    .kind("too_busy")
            }
            Error::Store(error) => error.into(),
        }
    }
}
