//! `ETag` and `If-Match`: nobody overwrites what they have not seen.

use axum::extract::FromRequestParts;
use contracts::{ErrorCode, Violation};
use http::{StatusCode, header, request::Parts};

use crate::Problem;

/// The `ETag` of a version: `"7"`.
pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// The version that the caller has seen, from `If-Match: "7"`. Absent or `*`: the caller does not mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

impl IfMatch {
    /// The version, for operations that insist on one.
    pub fn required(self) -> Result<u64, Problem> {
        self.0.ok_or_else(|| {
            Problem::new(
                ErrorCode::InvalidRequest,
                "This operation needs `If-Match` with the ETag that you have seen, so that no other change is lost.",
            )
            .status(StatusCode::PRECONDITION_REQUIRED)
            .kind("precondition_required")
        })
    }

    /// Refuses a version that is not `current`.
    pub fn check(self, current: u64) -> Result<(), Problem> {
        match self.0 {
            Some(seen) if seen != current => Err(Problem::new(
                ErrorCode::PreconditionFailed,
                format!("It was changed meanwhile: `If-Match` names version {seen}, the current one is {current}. Read it again, then repeat."),
            )
            .with("current_version", current)),
            _ => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        text.strip_prefix("W/")
            .unwrap_or(text)
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(|version| Self(Some(version)))
            .ok_or_else(|| {
                Problem::invalid(vec![Violation::new(
                    "If-Match",
                    "must be one ETag that this resource had, like `\"7\"`",
                )])
            })
    }
}
