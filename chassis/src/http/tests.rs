//! Bad requests are refused with a problem that says what and where.

use axum::{Router, body::Body, extract::DefaultBodyLimit, response::IntoResponse, routing::post};
use contracts::{Caller, Locale, auth::AccountId};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{IfMatch, Json, Keyed, Path, Query};
use crate::{Env, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body1 {
    lines: Vec<Line>,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    account: AccountId,
    quantity: u32,
    #[serde(default)]
    locale: Locale,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Filter {
    limit: Option<u32>,
    in_stock: Option<bool>,
    q: String,
}

async fn take(Json(body): Json<Body1>) -> String {
    let account = body.lines.first().map(|line| (line.account, line.quantity, line.locale));
    format!("{account:?} {:?}", body.note)
}

async fn take_path(Path((id, n)): Path<(AccountId, u32)>) -> String {
    format!("{id} {n}")
}

async fn take_query(Query(filter): Query<Filter>) -> String {
    format!("{:?} {:?} {}", filter.limit, filter.in_stock, filter.q)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    reason: Option<String>,
}

async fn take_keyed(keyed: Keyed<Cancel>) -> Result<String, Problem> {
    let key = keyed.required_key()?;
    Ok(format!("{}|{}|{:?}|{:?}", key.scope, key.key, &key.request_hash[..4], keyed.body.reason))
}

async fn take_if_match(seen: IfMatch) -> Result<String, Problem> {
    seen.check(7)?;
    seen.required().map(|version| version.to_string())
}

fn app() -> Router {
    Router::new()
        .route("/json", post(take))
        .route("/path/{id}/{n}", post(take_path))
        .route("/query", post(take_query))
        .route("/keyed", post(take_keyed))
        .route("/if-match", post(take_if_match))
        .layer(DefaultBodyLimit::max(2000))
}

async fn send(request: Request<Body>) -> (u16, String) {
    let response: Response<Body> = app().oneshot(request).await.unwrap().into_response();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn json(body: impl Into<Body>) -> Request<Body> {
    Request::post("/json").header("content-type", "application/json; charset=utf-8").body(body.into()).unwrap()
}

/// The first violation of a 400.
async fn violation(request: Request<Body>) -> (String, String) {
    let (status, body) = send(request).await;
    assert_eq!(status, 400, "{body}");
    let problem: Value = serde_json::from_str(&body).unwrap();
    for word in ["u32", "struct", "Body1", "Vec", "::", "enum"] {
        assert!(!body.contains(word), "leaks {word}: {body}");
    }
    let first = &problem["errors"][0];
    (first["field"].as_str().unwrap().to_owned(), first["detail"].as_str().unwrap().to_owned())
}

const ACCOUNT: &str = "acc_00000000000000000000000000000007";

#[tokio::test]
async fn json_names_every_mistake_by_pointer_and_in_plain_words() {
    let line = |rest: &str| format!(r#"{{"lines":[{{"account":"{ACCOUNT}",{rest}}}]}}"#);
    let cases = [
        (r#"{"lines":1}"#.to_owned(), "/lines", "an array"),
        (r#"{}"#.to_owned(), "/lines", "required"),
        (r#"{"lines":[],"nots":1}"#.to_owned(), "/nots", "`lines` or `note`"),
        (r#"{"lines":[],"lines":[]}"#.to_owned(), "/lines", "twice"),
        (line(r#""quantity":-1"#), "/lines/0/quantity", "whole number"),
        (line(r#""quantity":4294967296"#), "/lines/0/quantity", "whole number"),
        (line(r#""quantity":1.5"#), "/lines/0/quantity", "whole number"),
        (line(r#""quantity":"1""#), "/lines/0/quantity", "whole number"),
        (line(r#""quantity":1,"locale":"fr""#), "/lines/0/locale", "`ko` or `en`"),
        (r#"{"lines":[{"account":"ord_1","quantity":1}]}"#.to_owned(), "/lines/0/account", "acc_"),
        (r#"{"lines":[3]}"#.to_owned(), "/lines/0", "an object"),
        (r#" []"#.to_owned(), "", "must be an object, not an array"),
        (r#"[[]]"#.to_owned(), "", "must be an object, not an array"),
        (r#"{"lines":["#.to_owned(), "", "not valid JSON"),
        (r#"{"lines":[]} x"#.to_owned(), "", "follows"),
        (String::new(), "", "not valid JSON"),
        ("[".repeat(1000), "", "must be an object"),
        ("{\"note\":".repeat(200), "/note", "a string"),
    ];
    for (body, field, detail) in cases {
        let found = violation(json(body.clone())).await;
        assert!(found.0 == field && found.1.contains(detail), "{body}: {found:?}");
    }
    let (field, detail) = violation(json(b"{\"note\":\"\xff\"}".to_vec())).await;
    assert_eq!((field.as_str(), detail.as_str()), ("", "the body must be UTF-8; byte 9 is not"));
}

#[tokio::test]
async fn json_wants_its_media_type_and_bounds_its_body() {
    for media_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let request = Request::post("/json").header("content-type", media_type).body(Body::from("{}")).unwrap();
        assert_eq!(send(request).await.0, 415, "{media_type}");
    }
    for media_type in ["application/json", "APPLICATION/JSON", "application/merge-patch+json"] {
        let request = Request::post("/json").header("content-type", media_type);
        assert_eq!(send(request.body(Body::from(r#"{"lines":[]}"#)).unwrap()).await.0, 200, "{media_type}");
    }
    assert_eq!(send(json(" ".repeat(2001))).await.0, 413);
}

#[tokio::test]
async fn parameters_are_refused_by_name() {
    let at = |uri: &str| Request::post(uri).body(Body::empty()).unwrap();
    assert_eq!(send(at(&format!("/path/{ACCOUNT}/3"))).await, (200, format!("{ACCOUNT} 3")));
    let (_, detail) = violation(at(&format!("/path/{ACCOUNT}/x"))).await;
    assert!(detail.contains("whole number"), "{detail}");
    let (_, detail) = violation(at("/path/acc_1/3")).await;
    assert!(detail.contains("acc_"), "{detail}");
    assert_eq!(violation(at("/path/%ff/3")).await.1, "must be UTF-8");

    assert_eq!(send(at("/query?limit=3&in_stock=true&q=%EA%B0%80")).await, (200, "Some(3) Some(true) 가".to_owned()));
    for (uri, field, detail) in [
        ("/query?limit=x", "limit", "whole number"),
        ("/query?limit=-1", "limit", "whole number"),
        ("/query?limit=99999999999", "limit", "too large"),
        ("/query?in_stock=yes", "in_stock", "`true` or `false`"),
        ("/query?limt=3", "limt", "not known"),
        ("/query?limit=1&limit=2", "limit", "twice"),
        ("/query?q=%ff", "query", "UTF-8"),
    ] {
        let found = violation(at(uri)).await;
        assert!(found.0 == field && found.1.contains(detail), "{uri}: {found:?}");
    }
}

fn keyed(key: &str, guest: Option<&str>, caller: Option<Caller>, body: &str) -> Request<Body> {
    let mut request = Request::post("/keyed").header("content-type", "application/json").header("idempotency-key", key);
    if let Some(guest) = guest {
        request = request.header("guest-token", guest);
    }
    let mut request = request.body(Body::from(body.to_owned())).unwrap();
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    request
}

#[tokio::test]
async fn keys_belong_to_their_caller_and_strangers_need_long_ones() {
    let (env, _) = Env::simulated(1);
    let account = Caller::Account { id: env.new_id(), permissions: vec![] };
    let (status, text) = send(keyed("k", None, Some(account.clone()), "")).await;
    assert!(status == 200 && text.starts_with(&format!("{} POST /keyed|k|", account.actor())), "{text}");
    let (status, text) = send(keyed("k", Some("gst_secret"), None, "{}")).await;
    assert!(status == 200 && text.starts_with("guest:") && !text.contains("gst_secret"), "{text}");
    assert_eq!(violation(keyed("short", None, Some(Caller::Anonymous), "")).await.0, "Idempotency-Key");
    assert_eq!(send(keyed("0198f3c2-a1b0-7c3d", None, None, "")).await.0, 200);
    for bad in ["", "has space", &"x".repeat(256)] {
        assert_eq!(violation(keyed(bad, Some("g"), None, "")).await.0, "Idempotency-Key", "{bad}");
    }
    let without = Request::post("/keyed").body(Body::empty()).unwrap();
    assert_eq!(violation(without).await.0, "Idempotency-Key");
    let hash = |text: String| text.split('|').nth(2).unwrap().to_owned();
    let one = hash(send(keyed("k", Some("g"), None, r#"{"reason":"a"}"#)).await.1);
    let two = hash(send(keyed("k", Some("g"), None, r#"{"reason":"b"}"#)).await.1);
    assert_ne!(one, two, "another body is another request");
}

#[tokio::test]
async fn if_match_takes_one_version() {
    let with = |value: &str| Request::post("/if-match").header("if-match", value).body(Body::empty()).unwrap();
    assert_eq!(send(with("\"7\"")).await, (200, "7".to_owned()));
    assert_eq!(send(with("W/\"7\"")).await, (200, "7".to_owned()));
    assert_eq!(send(with("\"6\"")).await.0, 412);
    assert_eq!(send(with("*")).await.0, 428);
    assert_eq!(send(Request::post("/if-match").body(Body::empty()).unwrap()).await.0, 428);
    for bad in ["7", "\"\"", "\"+7\"", "\"7\", \"8\"", "\"99999999999999999999\"", "x"] {
        assert_eq!(violation(with(bad)).await.0, "If-Match", "{bad}");
    }
}
