//! The closed set of error codes that cross a boundary, and what a caller may do about each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every failure a caller can see is one of these. The HTTP status follows from it in one place,
/// `chassis::problem`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed or breaks a rule of its own: 400.
    InvalidRequest,
    /// No credentials, or credentials that are expired, forged or revoked: 401.
    Unauthenticated,
    /// The caller is known and may not do this: 403.
    Forbidden,
    /// No such thing, or not the caller's: 404.
    NotFound,
    /// The request contradicts the present state (short stock, a refused transition, a request in flight): 409.
    Conflict,
    /// `If-Match` names a version that is no longer current: 412.
    PreconditionFailed,
    /// The body is larger than the route takes: 413.
    PayloadTooLarge,
    /// Well-formed, but cannot be done as asked (an idempotency key reused with another body): 422.
    Unprocessable,
    /// Too many requests: 429 with `Retry-After`.
    RateLimited,
    /// A bug or a broken store on our side: 500.
    Internal,
    /// A dependency is down or saturated: 503 with `Retry-After`.
    Unavailable,
    /// The deadline passed; whether the work was done is unknown: 504.
    Timeout,
}

impl ErrorCode {
    /// May the very same request succeed later, without a change by the caller?
    pub fn retryable(self) -> bool {
        match self {
            Self::RateLimited | Self::Unavailable | Self::Timeout => true,
            Self::InvalidRequest
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::PreconditionFailed
            | Self::PayloadTooLarge
            | Self::Unprocessable
            | Self::Internal => false,
        }
    }
}

/// One thing that is wrong in a request, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// JSON Pointer into the body (`/lines/0/quantity`), or the name of a parameter or header.
    #[schema(example = "/lines/0/quantity")]
    pub field: String,
    /// What is wrong and what is expected.
    #[schema(example = "must be between 1 and 999")]
    pub detail: String,
}

impl Violation {
    /// A violation at `field`.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}
