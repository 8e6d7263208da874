//! The mailbox of a demo shop, for people and for programs. Mounted only if mails stay here; what it
//! shows is public, which a demo wants and a real shop must not have.

use axum::{
    extract::State as Shared,
    response::{Html, IntoResponse, Response},
};
use chassis::{
    Problem, StoreError,
    http::{AcceptedLocale, Json, Path, Problems, Query},
};
use contracts::{Locale, Page, notification::MessageId};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AppState, cursor, page_limit};
use crate::{
    message::{Content, Kind},
    store::Delivered,
    template::{RenderError, moment},
};

/// A page of ours: its style is inline, it runs nothing and loads nothing.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; \
                           base-uri 'none'; form-action 'none'";
/// A mail by itself: as before, and in an origin of its own.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                           form-action 'none'";

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_mails)).routes(routes!(get_mail))
}

/// A mail in the mailbox.
#[derive(Debug, Serialize, ToSchema)]
struct MailView {
    /// Its place: higher is newer.
    id: u64,
    /// The message it carries.
    message_id: MessageId,
    /// What it is about.
    kind: Kind,
    /// The order or account.
    about: String,
    /// To whom.
    recipient: String,
    /// In which language.
    locale: Locale,
    /// The subject line.
    subject: String,
    /// When it arrived.
    delivered_at: Timestamp,
}

impl From<Delivered> for MailView {
    fn from(Delivered { seq, at, message }: Delivered) -> Self {
        Self {
            id: seq,
            message_id: message.id,
            kind: message.kind,
            about: message.about,
            recipient: message.recipient,
            locale: message.locale,
            subject: message.subject,
            delivered_at: at,
        }
    }
}

/// A mail with what it says.
#[derive(Debug, Serialize, ToSchema)]
struct MailDetail {
    #[serde(flatten)]
    mail: MailView,
    /// For readers without HTML.
    text: String,
    /// The same in HTML.
    html: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Mails per page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Read the demo mailbox
///
/// The last 1,000 mails, newest first: a page for people, JSON with `Accept: application/json`.
#[utoipa::path(
    get, path = "/dev/mailbox", tag = "Mailbox", params(ListParams), security(()),
    responses(
        (status = 200, description = "The mails.", content(
            (Page<MailView> = "application/json"), (String = "text/html"))),
        Problems
    )
)]
async fn list_mails(
    Shared(state): Shared<AppState>,
    AcceptedLocale(locale): AcceptedLocale,
    headers: HeaderMap,
    Query(params): Query<ListParams>,
) -> Result<Response, Problem> {
    let limit = page_limit(params.limit)?;
    let before = params.cursor.as_deref().map(cursor::<u64>).transpose()?;
    let mails = state.store.mailbox(before, limit + 1).await?;
    let page = Page::from_overread(mails, limit, |mail| mail.seq.to_string()).map(MailView::from);
    if wants_json(&headers) {
        return Ok(Json(page).into_response());
    }
    let locale = locale.unwrap_or_default();
    let rows: Vec<_> = page.items.iter().map(|mail| Row { mail, at: moment(mail.delivered_at, locale) }).collect();
    let values = ListPage { lang: locale.tag(), rows, next_cursor: page.next_cursor.as_deref(), limit };
    html(state.templates.page("pages/mailbox.html", values)?, PAGE_POLICY)
}

#[derive(Serialize)]
struct ListPage<'a> {
    lang: &'a str,
    rows: Vec<Row<'a>>,
    next_cursor: Option<&'a str>,
    limit: u32,
}

#[derive(Serialize)]
struct Row<'a> {
    mail: &'a MailView,
    at: String,
}

/// How a mail is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Show {
    /// A page around it.
    #[default]
    Page,
    /// Its HTML alone.
    Html,
    /// Its text alone.
    Text,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShowParams {
    /// `page` (default), or only the mail's `html` or `text`.
    show: Option<Show>,
}

/// Read a mail of the demo mailbox
#[utoipa::path(
    get, path = "/dev/mailbox/{id}", tag = "Mailbox", security(()),
    params(("id" = u64, Path, description = "Its place in the mailbox."), ShowParams),
    responses(
        (status = 200, description = "The mail.", content(
            (MailDetail = "application/json"), (String = "text/html"), (String = "text/plain"))),
        Problems
    )
)]
async fn get_mail(
    Shared(state): Shared<AppState>,
    AcceptedLocale(locale): AcceptedLocale,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Query(params): Query<ShowParams>,
) -> Result<Response, Problem> {
    let found = state.store.mailbox_entry(id).await?;
    let (delivered, Content { text, html: body, .. }) = found.ok_or_else(|| Problem::not_found("mail"))?;
    match params.show {
        Some(Show::Html) => html(body, MAIL_POLICY),
        Some(Show::Text) => Ok(text.into_response()),
        None if wants_json(&headers) => {
            Ok(Json(MailDetail { mail: delivered.into(), text, html: body }).into_response())
        }
        Some(Show::Page) | None => {
            let locale = locale.unwrap_or_default();
            let at = moment(delivered.at, locale);
            let mail = MailView::from(delivered);
            let values = MailPage { lang: locale.tag(), mail: &mail, at, text: &text, html: &body };
            html(state.templates.page("pages/mail.html", values)?, PAGE_POLICY)
        }
    }
}

#[derive(Serialize)]
struct MailPage<'a> {
    lang: &'a str,
    mail: &'a MailView,
    at: String,
    text: &'a str,
    html: &'a str,
}

fn html(body: String, policy: &'static str) -> Result<Response, Problem> {
    let mut response = Html(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// True unless the caller asks for HTML before JSON, as browsers do.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .find_map(|range| match range {
            "application/json" => Some(true),
            "text/html" => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

impl From<RenderError> for Problem {
    fn from(error: RenderError) -> Self {
        StoreError::Corrupt(error.to_string()).into()
    }
}
