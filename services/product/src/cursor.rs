//! Cursors: where a page ended, in a form that callers have no reason to look into.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::Violation;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::CatalogueError;

/// Longer ones are not ours.
const LEN_MAX: usize = 1024;

pub(crate) fn encode<T: Serialize>(place: &T) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

pub(crate) fn decode<T: DeserializeOwned>(cursor: &str) -> Result<T, CatalogueError> {
    (cursor.len() <= LEN_MAX)
        .then(|| URL_SAFE_NO_PAD.decode(cursor).ok())
        .flatten()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(invalid)
}

pub(crate) fn invalid() -> CatalogueError {
    let detail = "must be the next_cursor of a page of this list, with the same other parameters";
    CatalogueError::Invalid(vec![Violation::new("cursor", detail)])
}
