//! Where payment providers tell what happened.

use axum::{body::Bytes, extract::State};
use chassis::{
    Problem,
    http::{Json, Path, Problems},
};
use contracts::ErrorCode;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use crate::{provider::NoticeError, take_webhook::WebhookError};

/// What became of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookAnswer {
    /// `applied`, `stale`, `duplicate` or `unmatched`.
    #[schema(example = "applied")]
    taken: &'static str,
}

/// Where payment providers tell what happened. The body has to carry the provider's signature.
///
/// The sandbox provider signs after Standard Webhooks: headers `webhook-id`, `webhook-timestamp` and
/// `webhook-signature`. An event that was taken before, old news and unknown types are answered with 200.
#[utoipa::path(
    post,
    path = "/v1/payment-providers/{provider}/webhooks",
    tag = "Payments",
    params(("provider" = String, Path, description = "The provider's name.", example = "sandbox")),
    request_body(content = serde_json::Value, description = "The event, as the provider defines it."),
    security(()),
    responses((status = 200, description = "The event is stored.", body = WebhookAnswer), Problems)
)]
pub(super) async fn take_webhook(
    State(state): State<AppState>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookAnswer>, Problem> {
    let taken = state.webhooks.take(&provider, &headers, body.to_vec()).await?;
    Ok(Json(WebhookAnswer { taken: taken.as_str() }))
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NoProvider => Self::not_found("payment provider"),
            WebhookError::Notice(NoticeError::Forged) => Self::new(
                ErrorCode::Unauthenticated,
                "The signature is missing or wrong. Check the webhook secret of this provider.",
            )
            .kind("webhook_signature"),
            WebhookError::Notice(NoticeError::OutsideWindow) => Self::new(
                ErrorCode::Unauthenticated,
                "The webhook was signed more than five minutes ago or in the future. Sign it anew.",
            )
            .kind("webhook_timestamp"),
            WebhookError::Notice(NoticeError::Malformed(what)) => {
                Self::new(ErrorCode::InvalidRequest, format!("The event cannot be read: {what}"))
            }
            WebhookError::Change(error) => error.into(),
        }
    }
}
