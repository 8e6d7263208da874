//! Signing in and out.

use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    access::bearer,
    http::{CurrentCaller, Json, Path, Problems, Query},
};
use contracts::{Page, auth::SessionId};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Forbidden, page, page_cursor, page_limit, person};
use crate::{
    Auth,
    error::Error,
    refresh_session::refresh_session,
    session::Session,
    sign_in::{SignIn, Tokens, sign_in},
    sign_out::sign_out,
};

/// The session that the request's token belongs to.
pub(super) fn current_session(auth: &Auth, headers: &HeaderMap) -> Option<SessionId> {
    bearer(headers).ok().flatten().and_then(|token| auth.signer.session_of(token))
}

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateSession {
    /// The account's address.
    #[schema(format = Email, example = "mina@example.com")]
    email: String,
    /// Its password.
    #[schema(value_type = String, format = Password, example = "correct horse battery")]
    password: SecretString,
}

/// Tokens of a session.
#[derive(Serialize, ToSchema)]
struct SessionTokens {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token stops working.
    #[schema(example = 300)]
    expires_in: i64,
    /// Exchange it at `/v1/sessions/refresh`; it works once.
    #[schema(example = "rft_…")]
    refresh_token: String,
    /// The session.
    session_id: SessionId,
}

fn tokens(auth: &Auth, status: StatusCode, tokens: Tokens) -> Response {
    let body = SessionTokens {
        access_token: tokens.access.access_token,
        token_type: "Bearer",
        expires_in: auth.signer.lifetime_seconds(),
        refresh_token: tokens.refresh_token.expose_secret().to_owned(),
        session_id: tokens.session_id,
    };
    let mut response = (status, Json(body)).into_response();
    // RFC 6749 §5.1.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sign in.
///
/// An unknown address and a wrong password get the same answer, 401 `wrong_credentials`. After five
/// failures the address is locked for 30 seconds, then for twice as long each time, up to 15 minutes: 429
/// `locked_out` with `Retry-After`.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "Sessions", operation_id = "create_session",
    request_body = CreateSession,
    responses((status = 201, description = "Tokens of the new session", body = SessionTokens), Problems, Forbidden),
    security(())
)]
pub(super) async fn create(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    Json(body): Json<CreateSession>,
) -> Result<Response, Problem> {
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let granted = sign_in(&auth, SignIn { email: body.email, password: body.password, user_agent }).await?;
    Ok(tokens(&auth, StatusCode::CREATED, granted))
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshSession {
    /// The last one that was given.
    #[schema(value_type = String, example = "rft_…")]
    refresh_token: SecretString,
}

/// Get new tokens.
///
/// A refresh token works once. Sending one that was used before ends its session: somebody has a copy.
#[utoipa::path(
    post, path = "/v1/sessions/refresh", tag = "Sessions", operation_id = "refresh_session",
    request_body = RefreshSession,
    responses((status = 200, description = "New tokens of the same session", body = SessionTokens), Problems),
    security(())
)]
pub(super) async fn refresh(
    State(auth): State<Arc<Auth>>,
    Json(body): Json<RefreshSession>,
) -> Result<Response, Problem> {
    let granted = refresh_session(&auth, &body.refresh_token).await?;
    Ok(tokens(&auth, StatusCode::OK, granted))
}

/// One sign-in on one device.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    /// Which.
    id: SessionId,
    /// What the client called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// True for the session that asks.
    current: bool,
    /// When the person signed in.
    created_at: Timestamp,
    /// When it was last refreshed.
    refreshed_at: Timestamp,
    /// When it ends if it is not refreshed before.
    expires_at: Timestamp,
}

fn view(session: Session, current: Option<SessionId>) -> SessionView {
    SessionView {
        id: session.id,
        current: current == Some(session.id),
        user_agent: session.user_agent,
        created_at: session.created_at,
        refreshed_at: session.refreshed_at,
        expires_at: session.idle_until,
    }
}

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// Items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub(super) limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// One's own sessions, newest first.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "Sessions", operation_id = "list_own_sessions",
    params(PageParams),
    responses((status = 200, description = "Sessions that are alive", body = Page<SessionView>), Problems, Forbidden),
    security(("bearer" = []))
)]
pub(super) async fn list_own(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    headers: HeaderMap,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let (limit, after) = (page_limit(params.limit)?, page_cursor(params.cursor.as_deref())?);
    let current = current_session(&auth, &headers);
    let items = auth.store.list_sessions(person(&caller)?, auth.env.now(), after, limit + 1).await?;
    Ok(Json(page(items, limit, |last| last.id.to_string(), |session| view(session, current))))
}

/// Sign out.
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "Sessions", operation_id = "end_current_session",
    responses((status = 204, description = "The session of this token has ended"), Problems, Forbidden),
    security(("bearer" = []))
)]
pub(super) async fn end_current(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let account_id = person(&caller)?;
    let session_id = current_session(&auth, &headers).ok_or(Error::NotFound("session"))?;
    match sign_out(&auth, account_id, session_id).await {
        // Signing out twice is signing out.
        Ok(()) | Err(Error::NotFound(_)) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error.into()),
    }
}

/// End one of one's own sessions.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "Sessions", operation_id = "end_session",
    params(("id" = SessionId, Path, description = "Which session")),
    responses((status = 204, description = "The session has ended"), Problems, Forbidden),
    security(("bearer" = []))
)]
pub(super) async fn end(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, Problem> {
    sign_out(&auth, person(&caller)?, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
