//! One's own account.

use std::sync::Arc;

use ::http::{HeaderMap, StatusCode, header};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Problem,
    http::{AcceptedLocale, CurrentCaller, IfMatch, Json, Keyed, Problems, answer, etag},
    idempotency::{Answer, Begun, Idempotency, IdempotencyKey, Receipt},
};
use contracts::{Locale, Role, auth::AccountId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Forbidden, person, sessions::current_session};
use crate::{
    Auth,
    account::Account,
    change_password::{ChangePassword, change_password},
    error::Error,
    register_account::{RegisterAccount, register_account},
    secret::{digest, hex},
    update_profile::{UpdateProfile, update_profile},
};

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountView {
    /// Which.
    id: AccountId,
    /// Unique; in lower case.
    #[schema(format = Email, example = "mina@example.com")]
    email: String,
    /// How to address the person.
    #[schema(example = "김민아")]
    name: String,
    /// The language for mails.
    locale: Locale,
    /// What the person may do.
    role: Role,
    /// A disabled account cannot sign in.
    disabled: bool,
    /// Grows with every change; the `ETag`.
    version: u64,
    /// When the person registered.
    created_at: Timestamp,
    /// When anything above changed last.
    updated_at: Timestamp,
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id,
            email: account.email.as_str().to_owned(),
            name: account.name.as_str().to_owned(),
            locale: account.locale,
            role: account.role,
            disabled: account.disabled,
            version: account.version,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// An account with its version as `ETag`.
pub(super) fn with_etag(account: &Account) -> Response {
    ([(header::ETAG, etag(account.version))], Json(AccountView::from(account))).into_response()
}

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateAccount {
    /// The address to sign in with.
    #[schema(format = Email, max_length = 254, example = "mina@example.com")]
    email: String,
    /// Not a common one, and without the address.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 128, example = "correct horse battery")]
    password: SecretString,
    /// How to address the person.
    #[schema(min_length = 1, max_length = 100, example = "김민아")]
    name: String,
    /// The language for mails; from `Accept-Language` if absent.
    #[serde(default)]
    locale: Option<Locale>,
}

/// Register.
///
/// A taken address is answered with 409 `email_taken`.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "Accounts", operation_id = "create_account",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe; random, at least 16 characters")),
    request_body = CreateAccount,
    responses((status = 201, description = "The new account", body = AccountView), Problems),
    security(())
)]
pub(super) async fn create(
    State(auth): State<Arc<Auth>>,
    State(idempotency): State<Idempotency>,
    AcceptedLocale(accepted): AcceptedLocale,
    Keyed { body, key }: Keyed<CreateAccount>,
) -> Result<Response, Problem> {
    let key = key.map(|key| without_secrets(key, &body));
    let _held = match &key {
        None => None,
        Some(key) => match idempotency.begin(key).await? {
            Begun::Replay(response) => return Ok(response),
            Begun::Fresh(held) => Some(held),
        },
    };
    let request = RegisterAccount {
        email: body.email,
        password: body.password,
        name: body.name,
        locale: body.locale.or(accepted).unwrap_or_default(),
    };
    let receipt = key.map(|key| Receipt::new(key, created as fn(&Account) -> _));
    let account = register_account(&auth, request, receipt).await?;
    Ok(created(&account).map_err(Problem::internal)?.into_response())
}

fn created(account: &Account) -> Result<Answer, serde_json::Error> {
    let answer = answer(StatusCode::CREATED, &AccountView::from(account))?;
    Ok(answer.location(format!("/v1/accounts/{}", account.id)).etag(account.version))
}

/// The key with a request hash that leaves the password out: the hash is stored, and a fast one over a
/// password would be a shortcut around the slow one. The address joins the scope, so that keys of
/// different people, none of whom has a token yet, do not meet.
fn without_secrets(key: IdempotencyKey, body: &CreateAccount) -> IdempotencyKey {
    let address = hex(&digest(body.email.trim().to_ascii_lowercase().as_bytes()));
    let visible = serde_json::json!([address, body.name, body.locale]).to_string();
    IdempotencyKey { scope: format!("{} {address}", key.scope), key: key.key, request_hash: digest(visible.as_bytes()) }
}

/// One's own account.
#[utoipa::path(
    get, path = "/v1/accounts/me", tag = "Accounts", operation_id = "get_own_account",
    responses((status = 200, description = "The account", body = AccountView), Problems, Forbidden),
    security(("bearer" = []))
)]
pub(super) async fn get_own(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
) -> Result<Response, Problem> {
    let account = auth.store.find_account(person(&caller)?).await?.ok_or(Error::NotFound("account"))?;
    Ok(with_etag(&account))
}

/// What is to become different; absent leaves a thing as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateOwnAccount {
    /// Another name.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100, example = "김민아")]
    name: Option<String>,
    /// Another language for mails.
    #[serde(default)]
    locale: Option<Locale>,
}

/// Change one's name or language.
#[utoipa::path(
    patch, path = "/v1/accounts/me", tag = "Accounts", operation_id = "update_own_account",
    params(("If-Match" = Option<String>, Header, description = "Refuse if this is no longer the `ETag`")),
    request_body = UpdateOwnAccount,
    responses((status = 200, description = "The account after the change", body = AccountView), Problems, Forbidden),
    security(("bearer" = []))
)]
pub(super) async fn update_own(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    IfMatch(expected_version): IfMatch,
    Json(body): Json<UpdateOwnAccount>,
) -> Result<Response, Problem> {
    let account_id = person(&caller)?;
    let request = UpdateProfile { account_id, name: body.name, locale: body.locale, expected_version };
    Ok(with_etag(&update_profile(&auth, request).await?))
}

/// The present password and the one to come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeOwnPassword {
    /// The present one.
    #[schema(value_type = String, format = Password)]
    current: SecretString,
    /// The one to come.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 128)]
    new: SecretString,
}

/// Change one's password.
///
/// All other sessions end, and a mail says so. A wrong present password is answered with 403
/// `wrong_password` and counts towards the lock of the account.
#[utoipa::path(
    post, path = "/v1/accounts/me/password", tag = "Accounts", operation_id = "change_own_password",
    request_body = ChangeOwnPassword,
    responses((status = 204, description = "The password was changed"), Problems, Forbidden),
    security(("bearer" = []))
)]
pub(super) async fn change_own_password(
    State(auth): State<Arc<Auth>>,
    CurrentCaller(caller): CurrentCaller,
    headers: HeaderMap,
    Json(body): Json<ChangeOwnPassword>,
) -> Result<StatusCode, Problem> {
    let account_id = person(&caller)?;
    let session_id = current_session(&auth, &headers);
    let request = ChangePassword { account_id, session_id, current: body.current, new: body.new };
    change_password(&auth, request).await?;
    Ok(StatusCode::NO_CONTENT)
}
