//! The provider as merchants meet it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use chassis::{
    Env,
    sqlite::Location,
    transport::{Transport, TransportError},
};
use http::{Request, Response, StatusCode, header};
use sandbox_provider::{SandboxConfig, WebhookEvents, build, build_with_receiver, signature::sign};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

const PATIENCE: Duration = Duration::from_secs(20);

struct Merchant {
    env: Env,
    router: Router,
}

impl Merchant {
    async fn open(location: &Location) -> Self {
        let env = Env::system();
        let config = SandboxConfig { control: true, slow_ms: 50, hang_ms: 50, ..SandboxConfig::default() };
        let router = build(config, location, &env).await.unwrap();
        Self { env, router }
    }

    async fn send(&self, request: http::request::Builder, body: &str) -> (StatusCode, Value) {
        let request = request.header(header::AUTHORIZATION, "Bearer sk_sandbox").body(Body::from(body.to_owned()));
        read(self.router.clone().oneshot(request.unwrap()).await.unwrap()).await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        self.send(Request::post(path).header("idempotency-key", key), &body.to_string()).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Request::get(path), "").await
    }

    /// Authorizes 10,000 and answers the path of the authorization.
    async fn authorize(&self, token: &str, key: &str) -> String {
        let (status, authorization) = self.post("/v1/authorizations", key, &order(token, key)).await;
        assert_eq!(status, StatusCode::CREATED, "{authorization}");
        format!("/v1/authorizations/{}", authorization["id"].as_str().unwrap())
    }
}

fn order(token: &str, reference: &str) -> Value {
    json!({"amount_minor": 10_000, "currency": "KRW", "method_token": token, "reference": reference})
}

async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn takes_and_gives_back_within_bounds() {
    let merchant = Merchant::open(&Location::Memory).await;
    let path = merchant.authorize("tok_approve", "order-1").await;
    let (captures, refunds) = (format!("{path}/captures"), format!("{path}/refunds"));
    let (_, part) = merchant.post(&captures, "c1", &json!({"amount_minor": 4_000})).await;
    assert_eq!((&part["status"], &part["captured_minor"]), (&json!("partially_captured"), &json!(4_000)));
    let too_much = merchant.post(&captures, "c2", &json!({"amount_minor": 6_001})).await;
    assert_eq!(code(&too_much), (409, "amount_exceeds_authorized"));
    let (_, all) = merchant.post(&captures, "c3", &json!({})).await;
    assert_eq!((&all["status"], &all["captured_minor"]), (&json!("captured"), &json!(10_000)));
    assert_eq!(code(&merchant.post(&format!("{path}/void"), "v1", &json!({})).await), (409, "wrong_status"));

    let give = |amount: i64, reference: &str| json!({"amount_minor": amount, "reference": reference});
    merchant.post(&refunds, "r1", &give(7_000, "r1")).await;
    assert_eq!(code(&merchant.post(&refunds, "r2", &give(3_001, "r2")).await), (409, "amount_exceeds_captured"));
    assert_eq!(code(&merchant.post(&refunds, "r3", &give(1_000, "r1")).await), (409, "duplicate_reference"));
    assert_eq!(code(&merchant.post(&refunds, "r4", &give(0, "r4")).await), (409, "invalid_amount"));
    let (_, list) = merchant.get(&refunds).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(merchant.get("/control/totals").await.1["refunded_minor"], 7_000);
    merchant.env.stop().await;
}

#[tokio::test]
async fn lets_go_of_what_was_not_taken() {
    let merchant = Merchant::open(&Location::Memory).await;
    let path = merchant.authorize("tok_approve", "order-1").await;
    merchant.post(&format!("{path}/captures"), "c", &json!({"amount_minor": 4_000})).await;
    let (_, rest) = merchant.post(&format!("{path}/void"), "v", &json!({})).await;
    assert_eq!((&rest["status"], &rest["captured_minor"]), (&json!("captured"), &json!(4_000)));
    let untouched = merchant.authorize("tok_approve", "order-2").await;
    let (_, voided) = merchant.post(&format!("{untouched}/void"), "v2", &json!({})).await;
    assert_eq!(voided["status"], "voided");
    merchant.env.stop().await;
}

#[tokio::test]
async fn a_buyer_decides_on_the_page() {
    let merchant = Merchant::open(&Location::Memory).await;
    for (decision, status, decline) in
        [("approve", "authorized", None), ("refuse", "declined", Some("authentication_failed"))]
    {
        let mut wanted = order("tok_3ds", "<order>");
        wanted["return_url"] = json!("https://shop.example/back?order=1");
        let (_, asked) = merchant.post("/v1/authorizations", decision, &wanted).await;
        assert_eq!((asked["status"].as_str(), asked["sequence"].as_i64()), (Some("requires_action"), Some(1)));
        let url = asked["action_url"].as_str().unwrap();
        let path = url.strip_prefix("http://127.0.0.1:8090").unwrap().to_owned();
        let browser = |request: http::request::Builder, body: String| {
            let router = merchant.router.clone();
            async move { router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap() }
        };
        let page = browser(Request::get(&path), String::new()).await;
        let html = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
        assert!(String::from_utf8_lossy(&html).contains("<code>&lt;order&gt;</code>"), "{html:?}");
        assert_eq!(browser(Request::post(&path), "decision=x".to_owned()).await.status(), StatusCode::BAD_REQUEST);
        // Choosing again, or otherwise, changes nothing.
        for choice in [decision, "approve", "refuse"] {
            let back = browser(Request::post(&path), format!("decision={choice}")).await;
            assert_eq!(back.status(), StatusCode::SEE_OTHER);
            let id = asked["id"].as_str().unwrap();
            let expected = format!("https://shop.example/back?order=1&authorization={id}");
            assert_eq!(back.headers()[header::LOCATION], expected.as_str());
        }
        let (_, decided) = merchant.get(&format!("/v1/authorizations/{}", asked["id"].as_str().unwrap())).await;
        assert_eq!((decided["status"].as_str(), decided["decline_code"].as_str()), (Some(status), decline));
        assert_eq!(decided["sequence"], 2);
    }
    let untouched = merchant.authorize("tok_approve", "order-2").await;
    let none = Request::get(untouched.replace("/v1/authorizations", "/pages")).body(Body::empty()).unwrap();
    assert_eq!(merchant.router.clone().oneshot(none).await.unwrap().status(), StatusCode::NOT_FOUND);
    let mut elsewhere = order("tok_3ds", "order-3");
    elsewhere["return_url"] = json!("javascript:alert(1)");
    assert_eq!(merchant.post("/v1/authorizations", "e", &elsewhere).await.0, StatusCode::BAD_REQUEST);
    merchant.env.stop().await;
}

#[tokio::test]
async fn a_transfer_is_taken_at_once_and_may_be_taken_back() {
    let merchant = Merchant::open(&Location::Memory).await;
    let path = merchant.authorize("tok_virtual_account", "order-1").await;
    let (_, asked) = merchant.get(&path).await;
    assert_eq!(
        (asked["status"].as_str(), asked["deposit"]["account_number"].as_str().unwrap().len()),
        (Some("awaiting_deposit"), 14)
    );
    let transfer = json!({"reference": "order-1"});
    let (_, paid) = merchant.post("/control/deposits", "", &transfer).await;
    assert_eq!((&paid["status"], &paid["captured_minor"]), (&json!("captured"), &json!(10_000)));
    assert_eq!(code(&merchant.post("/control/deposits", "", &transfer).await), (409, "wrong_status"));
    let reverse = format!("/control/deposits/{}/reverse", asked["id"].as_str().unwrap());
    let (_, back) = merchant.post(&reverse, "", &json!({})).await;
    assert_eq!((&back["status"], &back["captured_minor"]), (&json!("awaiting_deposit"), &json!(0)));
    assert_eq!((&back["captures"], &back["sequence"]), (&json!([]), &json!(3)));
    assert_eq!(merchant.get(&path).await.1, back);
    merchant.post("/control/deposits", "", &json!({"id": asked["id"]})).await;
    merchant.post(&format!("{path}/refunds"), "r", &json!({"amount_minor": 1, "reference": "r"})).await;
    assert_eq!(code(&merchant.post(&reverse, "", &json!({})).await), (409, "already_refunded"));

    let mut late = order("tok_virtual_account", "order-2");
    late["deposit_due_at"] = json!("2020-01-01T00:00:00Z");
    merchant.post("/v1/authorizations", "late", &late).await;
    let overdue = merchant.post("/control/deposits", "", &json!({"reference": "order-2"})).await;
    assert_eq!(code(&overdue), (409, "deposit_overdue"));
    for bad in [json!({}), json!({"id": "a", "reference": "b"})] {
        assert_eq!(merchant.post("/control/deposits", "", &bad).await.0, StatusCode::BAD_REQUEST);
    }
    assert_eq!(merchant.post("/control/deposits", "", &json!({"id": "auth_0"})).await.0, StatusCode::NOT_FOUND);
    merchant.env.stop().await;
}

#[tokio::test]
async fn a_key_stands_for_one_request_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::in_folder(folder.path(), "sandbox.db");
    let merchant = Merchant::open(&location).await;
    let first = merchant.post("/v1/authorizations", "key", &order("tok_approve", "order-1")).await;
    merchant.env.stop().await;
    drop(merchant);

    let merchant = Merchant::open(&location).await;
    let again = merchant.post("/v1/authorizations", "key", &order("tok_approve", "order-1")).await;
    assert_eq!(first, again);
    let other = merchant.post("/v1/authorizations", "key", &order("tok_approve", "order-2")).await;
    assert_eq!(code(&other), (422, "idempotency_key_reused"));
    let third = order("tok_approve", "order-3");
    let requests = (0..20).map(|_| merchant.post("/v1/authorizations", "key-2", &third));
    let answers = futures::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    let (_, list) = merchant.get("/v1/authorizations?reference=order-3").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    merchant.env.stop().await;
}

#[tokio::test]
async fn tokens_and_faults_behave_as_documented() {
    let merchant = Merchant::open(&Location::Memory).await;
    for (token, status, decline) in [
        ("tok_decline", "declined", Some(("card_declined", false))),
        ("tok_fraud", "declined", Some(("fraud", false))),
        ("tok_insufficient_funds", "declined", Some(("insufficient_funds", true))),
        ("tok_expired_card", "declined", Some(("expired_card", true))),
        ("tok_pending", "pending", None),
        ("tok_slow", "authorized", None),
        ("tok_timeout", "authorized", None),
    ] {
        let (_, answer) = merchant.post("/v1/authorizations", token, &order(token, token)).await;
        let declined = answer["decline_code"].as_str().zip(answer["decline_retryable"].as_bool());
        assert_eq!((&answer["status"], declined), (&json!(status), decline), "{token}");
    }
    let first = merchant.post("/v1/authorizations", "e", &order("tok_error", "e")).await;
    let second = merchant.post("/v1/authorizations", "e", &order("tok_error", "e")).await;
    assert_eq!((first.0.as_u16(), second.0.as_u16()), (500, 201));

    let path = merchant.authorize("tok_approve", "f").await;
    let faults = json!({"faults": [
        {"operation": "capture", "kind": "error_after", "times": 1},
        {"operation": "void", "kind": "refuse"},
    ]});
    merchant.send(Request::put("/control/faults"), &faults.to_string()).await;
    let captures = format!("{path}/captures");
    assert_eq!(merchant.post(&captures, "c", &json!({})).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(merchant.post(&captures, "c", &json!({})).await.1["status"], "captured");
    assert_eq!(code(&merchant.post(&format!("{path}/void"), "v", &json!({})).await), (409, "refused"));
    assert_eq!(merchant.get("/control/faults").await.1["faults"].as_array().unwrap().len(), 1);
    merchant.env.stop().await;
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let merchant = Merchant::open(&Location::Memory).await;
    for body in [
        "",
        "{",
        "[]",
        r#"{"amount_minor": 1, "currency": "KRW", "method_token": "tok_approve", "reference": "r", "x": 1}"#,
        r#"{"amount_minor": 0, "currency": "KRW", "method_token": "tok_approve", "reference": "r"}"#,
        r#"{"amount_minor": -5, "currency": "KRW", "method_token": "tok_approve", "reference": "r"}"#,
        r#"{"amount_minor": 1e30, "currency": "KRW", "method_token": "tok_approve", "reference": "r"}"#,
        r#"{"amount_minor": 1, "currency": "won", "method_token": "tok_approve", "reference": "r"}"#,
        r#"{"amount_minor": 1, "currency": "KRW", "method_token": "tok_unheard_of", "reference": "r"}"#,
        r#"{"amount_minor": 1, "currency": "KRW", "method_token": "tok_approve", "reference": ""}"#,
    ] {
        assert_eq!(merchant.send(Request::post("/v1/authorizations"), body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(code(&merchant.get("/v1/authorizations/auth_0").await), (404, "not_found"));
    assert_eq!(code(&merchant.get("/v1/authorizations").await), (400, "invalid_request"));
    assert_eq!(code(&merchant.get("/v2").await), (404, "not_found"));
    assert_eq!(merchant.send(Request::delete("/v1/authorizations"), "").await.0, StatusCode::METHOD_NOT_ALLOWED);
    for sent in ["", "Bearer sk_wrong", "Bearer", "Basic !", "Basic c2tfd3Jvbmc6"] {
        let request = Request::get("/v1/authorizations/x").header(header::AUTHORIZATION, sent);
        let answer = merchant.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{sent}");
    }
    let basic = Request::get("/v1/authorizations/x").header(header::AUTHORIZATION, "Basic c2tfc2FuZGJveDo=");
    let answer = merchant.router.clone().oneshot(basic.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    merchant.env.stop().await;
}

/// Takes webhooks after having refused some.
struct Receiver {
    refusals: AtomicU32,
    taken: watch::Sender<Vec<(String, String)>>,
}

#[async_trait]
impl Transport for Receiver {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
        let (id, timestamp) = (text("webhook-id"), text("webhook-timestamp").parse().unwrap());
        let secret = SandboxConfig::default().webhook_secret;
        assert_eq!(text("webhook-signature"), sign(secret.expose_secret(), &id, timestamp, &body));
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Ok(Response::builder().status(503).body(Body::empty()).unwrap());
        }
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["id"], id);
        let kind = event["type"].as_str().unwrap().to_owned();
        self.taken.send_modify(|taken| taken.push((event["data"]["reference"].as_str().unwrap().to_owned(), kind)));
        Ok(Response::new(Body::empty()))
    }
}

async fn tell(refusals: u32, events: WebhookEvents) -> (Merchant, watch::Receiver<Vec<(String, String)>>) {
    let taken = watch::Sender::new(Vec::new());
    let heard = taken.subscribe();
    let receiver = Arc::new(Receiver { refusals: refusals.into(), taken });
    let env = Env::system();
    let config = SandboxConfig {
        webhook_events: events,
        webhook_retry_ms: 5,
        webhook_late_ms: 100,
        webhook_reorder_ms: 100,
        pending_ms: 20,
        abort_ms: 20,
        ..SandboxConfig::default()
    };
    let router = build_with_receiver(config, &Location::Memory, &env, Some((receiver, "/hooks".to_owned()))).unwrap();
    (Merchant { env, router }, heard)
}

async fn heard(mut taken: watch::Receiver<Vec<(String, String)>>, count: usize) -> Vec<(String, String)> {
    let waited = tokio::time::timeout(PATIENCE, taken.wait_for(|taken| taken.len() >= count)).await;
    waited.expect("webhooks come").unwrap().clone()
}

fn about(heard: &[(String, String)], reference: &str) -> Vec<String> {
    heard.iter().filter(|(about, _)| about == reference).map(|(_, kind)| kind.clone()).collect()
}

#[tokio::test]
async fn webhooks_are_sent_until_they_are_taken() {
    let (merchant, taken) = tell(3, WebhookEvents::All).await;
    let path = merchant.authorize("tok_approve", "a").await;
    merchant.post(&format!("{path}/captures"), "c", &json!({})).await;
    merchant.post(&format!("{path}/refunds"), "r", &json!({"amount_minor": 1, "reference": "r"})).await;
    let mut kinds = about(&heard(taken, 3).await, "a");
    kinds.sort();
    assert_eq!(kinds, ["authorization.authorized", "authorization.captured", "refund.succeeded"]);
    merchant.env.stop().await;
}

#[tokio::test]
async fn webhooks_misbehave_as_documented() {
    let (merchant, taken) = tell(0, WebhookEvents::Unanswered).await;
    for token in [
        "tok_approve",
        "tok_no_webhook",
        "tok_webhook_twice",
        "tok_webhook_late",
        "tok_pending_decline",
        "tok_abort",
        "tok_webhook_false_abort",
    ] {
        merchant.authorize(token, token).await;
    }
    let path = merchant.authorize("tok_webhook_out_of_order", "turned").await;
    merchant.post(&format!("{path}/captures"), "c", &json!({})).await;
    let heard = heard(taken, 9).await;
    assert_eq!(about(&heard, "tok_approve"), Vec::<String>::new());
    assert_eq!(about(&heard, "tok_no_webhook"), Vec::<String>::new());
    assert_eq!(about(&heard, "tok_webhook_twice").len(), 2);
    assert_eq!(about(&heard, "tok_webhook_late"), ["authorization.authorized"]);
    assert_eq!(about(&heard, "tok_pending_decline"), ["authorization.declined"]);
    assert_eq!(about(&heard, "tok_abort"), ["authorization.declined"]);
    let lie = merchant.get("/v1/authorizations?reference=tok_webhook_false_abort").await.1;
    assert_eq!(about(&heard, "tok_webhook_false_abort"), ["authorization.authorized", "authorization.declined"]);
    assert_eq!(lie["items"][0]["status"], "authorized");
    assert_eq!(about(&heard, "turned"), ["authorization.captured", "authorization.authorized"]);
    merchant.env.stop().await;
}
