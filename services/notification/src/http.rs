//! The ways in over HTTP: staff reads messages and sends them again; the mailbox of a demo shop.

use std::sync::Arc;

use axum::{extract::State as Shared, response::IntoResponse, response::Response};
use chassis::{
    Env, Problem, StoreError,
    http::{Json, Keyed, Path, Problems, Query, answer},
    idempotency::{Answer, Begun, Idempotency, Receipt},
};
use contracts::{ErrorCode, Locale, Page, Violation, event::EventId, notification::MessageId, page};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    message::{Channel, Content, Kind, Message, State},
    resend_message::{ResendError, ResendMessage},
    store::{Filter, NotificationStore},
    template::Templates,
};

mod mailbox;

/// What handlers need.
#[derive(Clone)]
pub(crate) struct AppState {
    store: Arc<dyn NotificationStore>,
    templates: Arc<Templates>,
    resend: Arc<ResendMessage>,
    idempotency: Idempotency,
}

impl AppState {
    /// Wires the handlers.
    pub(crate) fn new(
        env: &Env,
        store: Arc<dyn NotificationStore>,
        templates: Arc<Templates>,
        idempotency: Idempotency,
    ) -> Self {
        let resend = Arc::new(ResendMessage { env: env.clone(), store: Arc::clone(&store) });
        Self { store, templates, resend, idempotency }
    }
}

/// The routes; those of the mailbox only if there is one.
pub(crate) fn router(state: AppState, with_mailbox: bool) -> OpenApiRouter {
    let router = OpenApiRouter::new()
        .routes(routes!(list_messages))
        .routes(routes!(get_message))
        .routes(routes!(resend_message));
    let router = if with_mailbox { router.merge(mailbox::router()) } else { router };
    router.with_state(state)
}

/// A message without its text.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct MessageView {
    /// Its id.
    id: MessageId,
    /// The event it tells of.
    event_id: EventId,
    /// What it is about.
    kind: Kind,
    /// How it travels.
    channel: Channel,
    /// The address.
    #[schema(example = "haneul@example.com")]
    recipient: String,
    /// In which language.
    locale: Locale,
    /// The order or account.
    #[schema(example = "ord_0198f3c2a1b07c3d8e4f5a6b7c8d9e0f")]
    about: String,
    /// The subject line.
    subject: String,
    /// How far it got.
    state: State,
    /// Times it was put on the queue: 1, and one more for every resend.
    sends: u32,
    /// Attempts of the present send.
    attempts: u32,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When it was written.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// When the transport first took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Timestamp>,
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            event_id: message.event_id,
            kind: message.kind,
            channel: message.channel,
            recipient: message.recipient,
            locale: message.locale,
            about: message.about,
            subject: message.subject,
            state: message.state,
            sends: message.sends,
            attempts: message.attempts,
            last_error: message.last_error,
            created_at: message.created_at,
            updated_at: message.updated_at,
            sent_at: message.sent_at,
        }
    }
}

/// A message with what it says.
#[derive(Debug, Serialize, ToSchema)]
struct MessageDetail {
    #[serde(flatten)]
    message: MessageView,
    /// For readers without HTML.
    text: String,
    /// The same in HTML.
    html: String,
}

impl MessageDetail {
    fn new(message: Message, content: Content) -> Self {
        Self { message: message.into(), text: content.text, html: content.html }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only messages in this state.
    state: Option<State>,
    /// Only messages to this address.
    #[param(max_length = 320)]
    recipient: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List messages
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/messages", tag = "Messages", params(ListParams),
    security(("bearer" = ["orders:read"])),
    responses((status = 200, description = "One page of messages.", body = Page<MessageView>), Problems)
)]
async fn list_messages(
    Shared(state): Shared<AppState>,
    Query(params): Query<ListParams>,
) -> Result<Json<Page<MessageView>>, Problem> {
    let limit = page_limit(params.limit)?;
    let before = params.cursor.as_deref().map(cursor::<MessageId>).transpose()?;
    let filter = Filter { state: params.state, recipient: params.recipient };
    let messages = state.store.list(filter, before, limit + 1).await?;
    let page = Page::from_overread(messages, limit, |message| message.id.to_string());
    Ok(Json(page.map(MessageView::from)))
}

/// Get a message with its text
#[utoipa::path(
    get, path = "/v1/messages/{id}", tag = "Messages", params(("id" = MessageId, Path)),
    security(("bearer" = ["orders:read"])),
    responses((status = 200, description = "The message.", body = MessageDetail), Problems)
)]
async fn get_message(
    Shared(state): Shared<AppState>,
    Path(id): Path<MessageId>,
) -> Result<Json<MessageDetail>, Problem> {
    let message = state.store.find(id).await?.ok_or_else(|| Problem::not_found("message"))?;
    let content = state.store.content(id).await?;
    let content = content.ok_or_else(|| StoreError::Corrupt(format!("{id} has no content")))?;
    Ok(Json(MessageDetail::new(message, content)))
}

/// Nothing is to be said; send `{}` or no body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResendRequest {}

/// Send a message again
///
/// For messages that are sent or dead. The mail gets a new `Message-ID`, so that the receiver does not
/// take it for a copy.
#[utoipa::path(
    post, path = "/v1/messages/{id}/resend", tag = "Messages", request_body = ResendRequest,
    params(
        ("id" = MessageId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("bearer" = ["orders:write"])),
    responses((status = 202, description = "It waits in the queue.", body = MessageView), Problems)
)]
async fn resend_message(
    Shared(state): Shared<AppState>,
    Path(id): Path<MessageId>,
    request: Keyed<ResendRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?;
    let ResendRequest {} = request.body;
    let _held = match state.idempotency.begin(key).await? {
        Begun::Replay(response) => return Ok(response),
        Begun::Fresh(held) => held,
    };
    let receipt = Receipt::new(key.clone(), queued_answer);
    let message = state.resend.run(id, Some(receipt)).await?;
    Ok(queued_answer(&message).map_err(Problem::internal)?.into_response())
}

fn queued_answer(message: &Message) -> Result<Answer, serde_json::Error> {
    answer(StatusCode::ACCEPTED, &MessageView::from(message.clone()))
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::NotFound => Self::not_found("message"),
            ResendError::NotAtRest(state) => {
                let detail = format!(
                    "The message is {}; it can be sent again once it is sent or dead. Wait, then repeat.",
                    state.as_str()
                );
                Self::new(ErrorCode::Conflict, detail).kind("message_not_at_rest").with("state", state)
            }
            ResendError::Store(error) => error.into(),
        }
    }
}

fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(page::PAGE_ITEMS_DEFAULT);
    if (1..=page::PAGE_ITEMS_MAX).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("must be between 1 and {}", page::PAGE_ITEMS_MAX);
    Err(Problem::invalid(vec![Violation::new("limit", detail)]))
}

fn cursor<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    let detail = "must be the `next_cursor` of a page of this list";
    text.parse().map_err(|_| Problem::invalid(vec![Violation::new("cursor", detail)]))
}
