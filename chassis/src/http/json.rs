//! JSON bodies, read strictly.

use axum::{
    extract::{FromRequest, Request, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use contracts::{ErrorCode, Violation};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_path_to_error::Segment;

use super::wording;
use crate::{Problem, server::BodyError};

/// A JSON body: `application/json`, nothing after the value, every mistake named by its JSON pointer.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        parse(&read_body(request, state).await?).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// The whole body, within the route's limit.
pub(super) async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(inner) if inner.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(ErrorCode::PayloadTooLarge, "The body is larger than this operation takes.")
        }
        slow if BodyError::is_too_slow(&slow) => {
            Problem::new(ErrorCode::InvalidRequest, "The body stood still for too long; send it again, without pauses.")
                .status(StatusCode::REQUEST_TIMEOUT)
                .kind("body_too_slow")
        }
        other => Problem::new(ErrorCode::InvalidRequest, "The body did not arrive completely.")
            .kind("body_incomplete")
            .source(other),
    })
}

pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = match essence.split_at_checked(12) {
        Some((kind, subtype)) if kind.eq_ignore_ascii_case("application/") => subtype,
        _ => "",
    };
    let plus_json = subtype.len() > 5 && subtype.as_bytes()[subtype.len() - 5..].eq_ignore_ascii_case(b"+json");
    if subtype.eq_ignore_ascii_case("json") || plus_json {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::InvalidRequest, "The body must be JSON: send `Content-Type: application/json`.")
        .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .kind("unsupported_media_type"))
}

/// Reads exactly one value.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if let Err(error) = std::str::from_utf8(body) {
        let detail = format!("the body must be UTF-8; byte {} is not", error.valid_up_to());
        return Err(Problem::invalid(vec![Violation::new("", detail)]));
    }
    if body.trim_ascii_start().starts_with(b"[") && wants_object::<T>() {
        return Err(Problem::invalid(vec![Violation::new("", "must be an object, not an array")]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Problem::invalid(vec![violation(error.path(), error.inner())]))?;
    deserializer.end().map_err(|error| {
        let detail = format!("something follows the JSON value, at line {} column {}", error.line(), error.column());
        Problem::invalid(vec![Violation::new("", detail)])
    })?;
    Ok(value)
}

/// serde's structs also read arrays, by position; no document says so.
fn wants_object<T: DeserializeOwned>() -> bool {
    T::deserialize(Probe).err().is_some_and(|error| error.to_string() == PROBE_OBJECT)
}

const PROBE_OBJECT: &str = "an object is wanted";

/// Refuses everything and says whether an object was wanted.
struct Probe;

impl<'de> serde::Deserializer<'de> for Probe {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("something else is wanted"))
    }

    fn deserialize_struct<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom(PROBE_OBJECT))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn violation(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Violation {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    if error.is_syntax() || error.is_eof() || error.is_io() {
        return Violation::new("", format!("the body is not valid JSON: {message}{place}"));
    }
    let wording = wording::of_serde(message);
    let mut field = pointer(path);
    if let Some(name) = wording.field
        && !field.ends_with(&format!("/{name}"))
    {
        push(&mut field, &name);
    }
    Violation::new(field, wording.detail)
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn push(pointer: &mut String, segment: &str) {
    pointer.push('/');
    pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
}
