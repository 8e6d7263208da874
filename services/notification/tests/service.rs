//! The service as it runs: events in, mails and answers out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use chassis::{
    Env,
    bus::{Bus, EmbeddedBus, Record},
    queue::{EmbeddedQueue, Queue},
    sqlite::Location,
    testing::TestAuth,
};
use contracts::{
    Event, Locale, Permission,
    auth::{AccountCreated, AccountId, AuthEvent, SessionsRevoked},
    event::EventId,
    order::{OrderConfirmed, OrderEnded, OrderEvent, OrderId, OrderSnapshot},
    product::ReservationId,
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use notification_service::{BuildError, Config, Deps, Running, build, verify::verify};
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct Shop {
    env: Env,
    bus: Arc<dyn Bus>,
    queue: Arc<dyn Queue>,
    running: Running,
    staff: String,
}

impl Shop {
    async fn open(config: Config) -> Self {
        let env = Env::system();
        let auth = TestAuth::new(&env);
        let bus: Arc<dyn Bus> = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let queue: Arc<dyn Queue> = EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        let permissions = [Permission::OrdersRead, Permission::OrdersWrite];
        let staff = format!("Bearer {}", auth.account_token(env.new_id(), &permissions));
        let deps = Deps {
            env: env.clone(),
            location: Location::Memory,
            bus: Arc::clone(&bus),
            queue: Arc::clone(&queue),
            verifier: auth.verifier(),
        };
        let running = build(config, deps).await.unwrap();
        Self { env, bus, queue, running, staff }
    }

    async fn publish<E: Event>(&self, id: EventId, event: &E) {
        let envelope = event.seal(id, "acc".to_owned(), self.env.now(), None).unwrap();
        let payload = serde_json::to_vec(&envelope).unwrap().into();
        let record = Record { topic: E::TOPIC.to_owned(), key: "acc".to_owned(), id, payload };
        self.bus.publish(vec![record]).await.unwrap();
    }

    async fn send(&self, request: http::request::Builder, body: &str) -> (Response<()>, String) {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.running.service.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (Response::from_parts(parts, ()), body)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("accept", "application/json").header("authorization", &self.staff);
        let (response, body) = self.send(request, "").await;
        (response.status(), serde_json::from_str(&body).unwrap_or_default())
    }

    async fn page(&self, path: &str, language: &str) -> (Response<()>, String) {
        let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
        self.send(Request::get(path).header("accept", accept).header("accept-language", language), "").await
    }

    /// Waits until a list has so many items and answers them.
    async fn wait_for(&self, path: &str, count: usize) -> Vec<Value> {
        let arrived = async {
            let mut interval = tokio::time::interval(Duration::from_millis(5));
            loop {
                interval.tick().await;
                let (_, page) = self.get(path).await;
                let items = page["items"].as_array().cloned().unwrap_or_default();
                if items.len() == count {
                    return items;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), arrived).await.unwrap_or_else(|_| panic!("{path}: not {count}"))
    }
}

fn created(env: &Env, email: &str, name: &str, locale: Locale) -> AuthEvent {
    let account_id: AccountId = env.new_id();
    AuthEvent::AccountCreated(AccountCreated { account_id, email: email.to_owned(), name: name.to_owned(), locale })
}

#[tokio::test]
async fn an_event_becomes_one_mail_however_often_it_comes() {
    let shop = Shop::open(Config::default()).await;
    let (first, second) = (shop.env.new_id(), shop.env.new_id());
    let event = created(&shop.env, "haneul@example.com", "김하늘", Locale::Ko);
    shop.publish(first, &event).await;
    shop.publish(first, &event).await;
    let revoked = SessionsRevoked {
        account_id: shop.env.new_id(),
        email: "kim@example.com".to_owned(),
        locale: Locale::En,
        reason: "refresh_token_reused".to_owned(),
    };
    shop.publish(second, &AuthEvent::SessionsRevoked(revoked)).await;
    let sent = shop.wait_for("/v1/messages?state=sent", 2).await;
    assert_eq!(sent[0]["recipient"], "kim@example.com");
    assert_eq!(sent[1]["event_id"], first.to_string());
    assert_eq!(sent[1]["subject"], "[Jangteo] 가입을 환영합니다");
    let mails = shop.wait_for("/dev/mailbox", 2).await;
    let about_first = mails.iter().filter(|mail| mail["recipient"] == "haneul@example.com").count();
    assert_eq!(about_first, 1);
    assert_eq!(verify(&*shop.running.store, &*shop.queue).await.unwrap(), Vec::<String>::new());
    shop.env.stop().await;
}

/// An order of nothing in particular.
fn order(env: &Env) -> OrderSnapshot {
    let money = json!({"amount_minor": 1_000, "currency": "KRW"});
    serde_json::from_value(json!({
        "order_id": env.new_id::<OrderId>(), "number": "2026-7KQ4ZM", "customer": null, "email": "haneul@example.com",
        "locale": "ko", "currency": "KRW", "lines": [], "shipping_address": null,
        "totals": {"subtotal": money, "shipping": money, "tax": money, "total": money},
        "reservation_id": env.new_id::<ReservationId>(), "placed_at": env.now(),
    }))
    .unwrap()
}

#[tokio::test]
async fn a_confirmation_that_is_said_again_for_payment_writes_to_nobody() {
    let shop = Shop::open(Config::default()).await;
    let order = order(&shop.env);
    for reminder in 0..3 {
        let event = OrderEvent::Confirmed(OrderConfirmed { order: order.clone(), reminder });
        shop.publish(shop.env.new_id(), &event).await;
    }
    // Of one key, so it comes after all reminders.
    let ended = OrderEnded { order, reason: "too late".to_owned(), restock: true };
    shop.publish(shop.env.new_id(), &OrderEvent::Cancelled(ended)).await;
    let sent = shop.wait_for("/v1/messages?state=sent", 2).await;
    let kinds: Vec<&Value> = sent.iter().map(|message| &message["kind"]).collect();
    assert_eq!(kinds, ["order_cancelled", "order_confirmed"]);
    assert_eq!(shop.get("/v1/messages").await.1["items"].as_array().unwrap().len(), 2);
    shop.env.stop().await;
}

#[tokio::test]
async fn the_mailbox_is_a_page_for_people_and_json_for_programs() {
    let shop = Shop::open(Config::default()).await;
    let (_, empty) = shop.page("/dev/mailbox", "ko").await;
    assert!(empty.contains("아직 보낸 메일이 없습니다"));
    let hostile = "<script>alert(1)</script>\" onload=\"x";
    for number in 1..=3 {
        let event = created(&shop.env, &format!("person{number}@example.com"), hostile, Locale::En);
        shop.publish(shop.env.new_id(), &event).await;
        shop.wait_for("/dev/mailbox", number).await;
    }
    let (_, page) = shop.get("/dev/mailbox?limit=2").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, rest) = shop.get(&format!("/dev/mailbox?limit=2&cursor={cursor}")).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert!(rest.get("next_cursor").is_none());

    let path = format!("/dev/mailbox/{}", page["items"][0]["id"]);
    let (response, list) = shop.page("/dev/mailbox?limit=2", "en").await;
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(list.contains("Demo mailbox") && list.contains(&path) && list.contains("Older mails"));
    let (_, mail) = shop.page(&path, "ko").await;
    assert!(mail.contains("<iframe sandbox ") && mail.contains("우편함"));
    assert!(!mail.contains("<script"), "{mail}");
    let (response, html) = shop.page(&format!("{path}?show=html"), "en").await;
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("sandbox;"));
    assert!(html.starts_with("<!doctype html>") && !html.contains("<script"));
    let (response, text) = shop.page(&format!("{path}?show=text"), "en").await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert!(text.contains(hostile), "plain text needs no escaping");
    let (_, json) = shop.get(&path).await;
    assert_eq!(json["text"], text);
    for bad in ["/dev/mailbox?limit=0", "/dev/mailbox?limit=101", "/dev/mailbox?cursor=x", "/dev/mailbox?page=2"] {
        assert_eq!(shop.get(bad).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(shop.get("/dev/mailbox/999999").await.0, StatusCode::NOT_FOUND);
    shop.env.stop().await;
}

#[tokio::test]
async fn staff_reads_messages_and_sends_them_again_once_per_key() {
    let shop = Shop::open(Config::default()).await;
    shop.publish(shop.env.new_id(), &created(&shop.env, "haneul@example.com", "Kim", Locale::En)).await;
    let sent = shop.wait_for("/v1/messages?state=sent&recipient=haneul@example.com", 1).await;
    let id = sent[0]["id"].as_str().unwrap();
    let (status, message) = shop.get(&format!("/v1/messages/{id}")).await;
    assert_eq!((status, &message["state"]), (StatusCode::OK, &Value::from("sent")));
    assert!(message["text"].as_str().unwrap().contains("Hello Kim"));

    let path = format!("/v1/messages/{id}/resend");
    let resend = |key: Option<&'static str>| {
        let request = Request::post(&path).header("authorization", &shop.staff);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    };
    assert_eq!(shop.send(resend(None), "").await.0.status(), StatusCode::BAD_REQUEST);
    let (response, first) = shop.send(resend(Some("k1")), "").await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let (response, again) = shop.send(resend(Some("k1")), "").await;
    assert_eq!((response.status(), &first), (StatusCode::ACCEPTED, &again));
    assert_eq!(response.headers()["idempotency-replayed"], "true");
    shop.wait_for("/dev/mailbox", 2).await;
    let resent = shop.wait_for("/v1/messages?state=sent", 1).await;
    assert_eq!(resent[0]["sends"], 2);
    shop.env.stop().await;
}

#[tokio::test]
async fn only_staff_may_and_what_is_not_there_is_said() {
    let shop = Shop::open(Config::default()).await;
    let anonymous = shop.send(Request::get("/v1/messages"), "").await.0;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let unknown = format!("/v1/messages/msg_{:032x}", 1);
    assert_eq!(shop.get(&unknown).await.0, StatusCode::NOT_FOUND);
    assert_eq!(shop.get("/v1/messages/ord_1").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(shop.get("/v1/messages?state=lost").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(shop.get("/v1/messages?cursor=ord_1").await.0, StatusCode::BAD_REQUEST);
    let request =
        Request::post(format!("{unknown}/resend")).header("authorization", &shop.staff).header("idempotency-key", "k");
    assert_eq!(shop.send(request, "").await.0.status(), StatusCode::NOT_FOUND);
    shop.env.stop().await;
}

#[tokio::test]
async fn a_shop_with_a_mail_server_has_no_public_mailbox_and_bad_settings_stop_it() {
    let smtp: Config = serde_json::from_value(serde_json::json!({
        "from": "Shop <shop@example.com>", "smtp": {"host": "localhost", "tls": "none"}
    }))
    .unwrap();
    let shop = Shop::open(smtp.clone()).await;
    assert_eq!(shop.get("/dev/mailbox").await.0, StatusCode::NOT_FOUND);
    assert!(!shop.running.service.openapi.paths.paths.contains_key("/dev/mailbox"));

    let deps = || Deps {
        env: shop.env.clone(),
        location: Location::Memory,
        bus: Arc::clone(&shop.bus),
        queue: Arc::clone(&shop.queue),
        verifier: TestAuth::new(&shop.env).verifier(),
    };
    let nowhere = build(Config { mailbox: false, ..Config::default() }, deps()).await;
    assert!(matches!(nowhere.err(), Some(BuildError::NoTransport)));
    let nobody = build(Config { from: "nobody\r\nBcc: x@example.com".to_owned(), ..smtp }, deps()).await;
    assert!(matches!(nobody.err(), Some(BuildError::From(_))));
    assert!(serde_json::from_value::<Config>(serde_json::json!({"form": "typo"})).is_err());
    shop.env.stop().await;
}
