//! Answers that can be kept under an idempotency key.

use http::StatusCode;
use serde::Serialize;

use crate::idempotency::Answer;

/// An answer with `value` as its JSON body.
pub fn answer<T: Serialize>(status: StatusCode, value: &T) -> Result<Answer, serde_json::Error> {
    Ok(Answer { status: status.as_u16(), location: None, etag: None, body: serde_json::to_vec(value)? })
}

impl Answer {
    /// Says where the new thing is.
    pub fn location(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Says which version of the thing this is.
    pub fn etag(mut self, version: u64) -> Self {
        self.etag = Some(super::etag(version));
        self
    }
}
