//! Path and query parameters.

use axum::extract::{FromRequestParts, path::ErrorKind, rejection::PathRejection};
use contracts::Violation;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::wording;
use crate::Problem;

/// Path parameters.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(path_problem(error.into_kind(), parts)),
            Err(other) => Err(Problem::internal(other)),
        }
    }
}

fn path_problem(kind: ErrorKind, parts: &Parts) -> Problem {
    let (field, detail) = match kind {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => (key, must_be(expected_type)),
        ErrorKind::ParseErrorAtIndex { expected_type, .. } | ErrorKind::ParseError { expected_type, .. } => {
            ("path".to_owned(), must_be(expected_type))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => (key, "must be UTF-8".to_owned()),
        ErrorKind::DeserializeError { key, message, .. } => (key, wording::of_serde(&message).detail),
        ErrorKind::Message(message) => ("path".to_owned(), wording::of_serde(&message).detail),
        other => return Problem::internal(format!("{other} at {}", parts.uri.path())),
    };
    Problem::invalid(vec![Violation::new(field, detail)])
}

fn must_be(expected_type: &str) -> String {
    format!("must be {}", wording::expectation(expected_type))
}

/// Query parameters. Derive `deny_unknown_fields` on `T`, so that a misspelt filter is refused, not ignored.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if !decodes_to_utf8(query) {
        return Err(Problem::invalid(vec![Violation::new("query", "must be UTF-8 when percent-decoded")]));
    }
    let deserializer = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let wording = wording::of_serde(&error.inner().to_string());
        let field = wording.field.unwrap_or_else(|| error.path().to_string());
        Problem::invalid(vec![Violation::new(field, wording.detail)])
    })
}

fn decodes_to_utf8(query: &str) -> bool {
    if !query.contains('%') {
        return true;
    }
    let mut decoded = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = (byte == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                rest = &tail[2..];
            }
            None => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}
