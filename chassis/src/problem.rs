//! Errors at the edge: RFC 9457 problem details. The only place that maps codes to HTTP statuses.
//!
//! What the caller reads (`detail`, `errors`) and what the log keeps (`source`) are separate: nothing
//! internal reaches a response.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use contracts::{ErrorCode, Violation};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::StoreError;

/// Seconds after which a caller may try again when a dependency is down.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A failed request. Boxed, because most requests succeed and their results should stay small.
#[derive(Debug)]
pub struct Problem(Box<Content>);

#[derive(Debug)]
struct Content {
    code: ErrorCode,
    status: StatusCode,
    kind: Cow<'static, str>,
    detail: String,
    errors: Vec<Violation>,
    extra: serde_json::Map<String, serde_json::Value>,
    retry_after: Option<u32>,
    source: Option<String>,
    undecided: bool,
}

/// Marks a refusal that is not kept under an idempotency key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Undecided;

/// The body of every error response (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Names the kind of problem; stable.
    #[serde(rename = "type")]
    #[schema(example = "urn:jangteo:problem:insufficient_stock")]
    kind: String,
    /// The HTTP status, in words.
    #[schema(example = "Conflict")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// One of a closed set; what a program decides by.
    code: ErrorCode,
    /// What happened and what to do, for a person.
    detail: &'a str,
    /// Everything that is wrong with the request, and where.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<Violation>)]
    errors: &'a [Violation],
    /// More, depending on the type.
    #[serde(flatten)]
    extra: &'a serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A problem with `code` whose `type` is the code itself.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Content {
            code,
            status: status(code),
            kind: Cow::Borrowed(name(code)),
            detail: detail.into(),
            errors: Vec::new(),
            extra: serde_json::Map::new(),
            retry_after: matches!(code, ErrorCode::Unavailable).then_some(RETRY_AFTER_SECONDS),
            source: None,
            undecided: false,
        }))
    }

    /// A request that breaks rules, all of which are named.
    pub fn invalid(errors: Vec<Violation>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.field, only.detail),
            several => format!("{} things are wrong with this request; see `errors`.", several.len()),
        };
        let mut problem = Self::new(ErrorCode::InvalidRequest, detail);
        problem.0.errors = errors;
        problem
    }

    /// No such thing, or not the caller's: the answer is the same, so that ids cannot be probed.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("There is no such {what}, or it is not yours."))
    }

    /// A failure of ours; `source` goes to the log only.
    pub fn internal(source: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(ErrorCode::Internal, "Something is broken on our side. The incident was logged.");
        problem.0.source = Some(source.to_string());
        problem
    }

    /// Narrows the `type`: `insufficient_stock`.
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.0.kind = kind.into();
        self
    }

    /// Another HTTP status than the code's own, for what HTTP itself defines (405, 408, 415, 431).
    pub fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Names what stands in the way, and where.
    pub fn violations(mut self, errors: Vec<Violation>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds a member to the body.
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.0.extra.insert(name.to_owned(), value);
        }
        self
    }

    /// When the caller may try again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// The same request may well be accepted once something else was put right: nothing was decided, and a repeat
    /// under the same idempotency key is looked at anew.
    pub fn undecided(mut self) -> Self {
        self.0.undecided = true;
        self
    }

    /// What the log should know.
    pub fn source(mut self, source: impl std::fmt::Display) -> Self {
        self.0.source = Some(source.to_string());
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The headers that say that a body is a problem.
    pub(crate) fn describe(headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }

    /// What the caller reads.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Full => Self::new(
                ErrorCode::Unavailable,
                "The service cannot store anything now; nothing was changed. Try again.",
            )
            .source(error),
            StoreError::Unknown(_) => Self::new(
                ErrorCode::Timeout,
                "It is not known whether this was done. Repeat the request with the same Idempotency-Key to find out.",
            )
            .source(error),
            StoreError::Corrupt(_) => Self::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(source) = &self.0.source {
            let level_error = self.0.status == StatusCode::INTERNAL_SERVER_ERROR;
            if level_error {
                tracing::error!(source, kind = %self.0.kind, "request failed");
            } else {
                tracing::warn!(source, kind = %self.0.kind, "request failed");
            }
        }
        let body = ProblemBody {
            kind: format!("urn:jangteo:problem:{}", self.0.kind),
            title: self.0.status.canonical_reason().unwrap_or("Error"),
            status: self.0.status.as_u16(),
            code: self.0.code,
            detail: &self.0.detail,
            errors: &self.0.errors,
            extra: &self.0.extra,
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.0.status, bytes).into_response();
        if self.0.undecided {
            response.extensions_mut().insert(Undecided);
        }
        let headers = response.headers_mut();
        Self::describe(headers);
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

fn name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidRequest => "invalid_request",
        ErrorCode::Unauthenticated => "unauthenticated",
        ErrorCode::Forbidden => "forbidden",
        ErrorCode::NotFound => "not_found",
        ErrorCode::Conflict => "conflict",
        ErrorCode::PreconditionFailed => "precondition_failed",
        ErrorCode::PayloadTooLarge => "payload_too_large",
        ErrorCode::Unprocessable => "unprocessable",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::Internal => "internal",
        ErrorCode::Unavailable => "unavailable",
        ErrorCode::Timeout => "timeout",
    }
}
