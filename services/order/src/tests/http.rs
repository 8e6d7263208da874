//! The service as it is built, over its routes.

mod goods;
mod life;

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use chassis::{
    Env,
    bus::{Bus, EmbeddedBus, Record},
    env::ManualClock,
    queue::EmbeddedQueue,
    sqlite::Location,
    testing::TestAuth,
};
use contracts::{Event as _, Permission, event::EventId, order::OrderId, payment::PaymentEvent};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    fixtures::{address, id, krw},
    stock_room::{StockRoom, stock_room},
};
use crate::{Config, Deps, Running, build};

struct Site {
    env: Env,
    clock: Arc<ManualClock>,
    auth: Arc<TestAuth>,
    bus: Arc<EmbeddedBus>,
    product: Arc<StockRoom>,
    running: Running,
}

/// A request in the making.
struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

struct Reply {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Value,
}

impl Site {
    async fn open() -> Self {
        let (env, clock) = Env::simulated(3);
        let auth = TestAuth::new(&env);
        let bus = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let product = stock_room();
        product.stock(1, "CUP", 10_000, 10);
        let deps = Deps {
            env: env.clone(),
            location: Location::Memory,
            bus: bus.clone(),
            queue: EmbeddedQueue::open(&env, &Location::Memory).unwrap(),
            verifier: auth.verifier(),
            product: product.clone(),
        };
        let running = build(Config::default(), deps).await.unwrap();
        Self { env, clock, auth, bus, product, running }
    }

    async fn send(&self, call: Call) -> Reply {
        let mut request = Request::builder().method(call.method).uri(call.path);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let body = call.body.map_or_else(Body::empty, Body::from);
        let response = self.running.service.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// A guest's complete cart: its id and the token.
    async fn guest_cart(&self) -> (String, String) {
        let reply = self.send(post("/v1/carts", complete_cart())).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        (text(&reply.body["id"]), text(&reply.body["guest_token"]))
    }

    async fn guest_order(&self, key: &str) -> (String, String) {
        let (cart, token) = self.guest_cart().await;
        let reply = self.send(post("/v1/orders", order_of(&cart)).guest(&token).key(key)).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        (text(&reply.body["id"]), token)
    }

    async fn publish(&self, event: &PaymentEvent, order_id: OrderId) {
        let event_id: EventId = self.env.new_id();
        let envelope = event.seal(event_id, order_id.to_string(), self.env.now(), None).unwrap();
        let payload = serde_json::to_vec(&envelope).unwrap().into();
        let record = Record { topic: PaymentEvent::TOPIC.into(), key: order_id.to_string(), id: event_id, payload };
        self.bus.publish(vec![record]).await.unwrap();
    }

    /// Asks for the order until it is what `wanted` says.
    async fn order_once(&self, order: &str, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let reply = self.send(get(&format!("/v1/orders/{order}")).guest(token)).await;
                if wanted(&reply.body) {
                    return reply.body;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the order comes that far")
    }

    fn staff(&self) -> String {
        use Permission::{OrdersRead, OrdersWrite, RefundsWrite};
        self.auth.account_token(id(900), &[OrdersRead, OrdersWrite, RefundsWrite])
    }
}

impl Call {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn guest(self, token: &str) -> Self {
        self.with("guest-token", token)
    }

    fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    fn key(self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    fn if_match(self, version: u64) -> Self {
        self.with("if-match", format!("\"{version}\""))
    }
}

fn call(method: Method, path: &str, body: Option<Value>) -> Call {
    let call = Call { method, path: path.to_owned(), headers: Vec::new(), body: None };
    match body {
        Some(body) => {
            Call { body: Some(body.to_string().into_bytes()), ..call }.with("content-type", "application/json")
        }
        None => call,
    }
}

fn get(path: &str) -> Call {
    call(Method::GET, path, None)
}

fn post(path: &str, body: Value) -> Call {
    call(Method::POST, path, Some(body))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn complete_cart() -> Value {
    json!({"currency": "KRW", "email": "haneul@example.com", "lines": [{"sku": "CUP", "quantity": 2}],
        "shipping_address": address(), "shipping_method": "standard"})
}

fn order_of(cart: &str) -> Value {
    json!({"cart_id": cart, "payment_method": {"provider": "sandbox", "token": "tok_approve"}})
}

#[tokio::test]
async fn a_guest_buys_and_the_order_is_paid_by_itself() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let order_id: OrderId = order.parse().unwrap();
    let payment_id = id(500);
    let authorized = contracts::payment::PaymentAuthorized { payment_id, order_id, amount: krw(23_000) };
    site.publish(&PaymentEvent::Authorized(authorized), order_id).await;
    site.order_once(&order, &token, |order| order["status"] == "confirmed").await;
    let captured = contracts::payment::PaymentCaptured { payment_id, order_id, captured_total: krw(23_000) };
    site.publish(&PaymentEvent::Captured(captured), order_id).await;
    let paid = site.order_once(&order, &token, |order| order["payment_status"] == "paid").await;
    assert_eq!(paid["totals"]["total"], json!({"amount_minor": 23_000, "currency": "KRW"}));

    let events = site.send(get(&format!("/v1/orders/{order}/events?limit=3")).guest(&token)).await;
    let types: Vec<&str> =
        events.body["items"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["placed", "payment_authorized", "confirmed"]);
    let next = text(&events.body["next_cursor"]);
    let rest = site.send(get(&format!("/v1/orders/{order}/events?cursor={next}")).guest(&token)).await;
    assert_eq!(rest.body["items"][0]["type"], "payment_captured");
    assert_eq!(rest.body["items"][0]["prev_hash"], events.body["items"][2]["hash"]);

    let refund = post(&format!("/v1/orders/{order}/refunds"), json!({"reason": "goodwill", "amount": krw(500)}));
    let refunded = site.send(refund.bearer(&site.staff()).key("refund-1")).await;
    assert_eq!(refunded.status, StatusCode::CREATED, "{}", refunded.body);
    let cancel = post(&format!("/v1/orders/{order}/cancel"), json!({"reason": "changed my mind"})).guest(&token);
    let cancelled = site.send(cancel.key("cancel-1")).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(crate::verify::verify(&site.running.store).await.unwrap(), Vec::<String>::new());
    site.env.stop().await;
}

#[tokio::test]
async fn placing_is_idempotent_by_key() {
    let site = Site::open().await;
    let (cart, token) = site.guest_cart().await;
    let place = |body: Value| post("/v1/orders", body).guest(&token).key("place-0001");
    let first = site.send(place(order_of(&cart))).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    assert_eq!(first.headers[header::ETAG], "\"1\"");
    assert_eq!(first.headers[header::LOCATION], format!("/v1/orders/{}", text(&first.body["id"])));
    let again = site.send(place(order_of(&cart))).await;
    assert_eq!((again.status, &again.body), (StatusCode::CREATED, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let mut other = order_of(&cart);
    other["payment_method"]["token"] = json!("tok_other");
    let other = site.send(place(other)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.body["type"], "urn:jangteo:problem:idempotency_key_reused");
    let second = site.send(post("/v1/orders", order_of(&cart)).guest(&token).key("place-0002")).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert_eq!(second.body["type"], "urn:jangteo:problem:cart_already_ordered");
    assert_eq!(second.body["order_id"], first.body["id"]);
    let without = site.send(post("/v1/orders", order_of(&cart)).guest(&token)).await;
    assert_eq!(without.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.product.held(id(1)), 2);
    site.env.stop().await;
}

#[tokio::test]
async fn a_total_that_the_buyer_was_not_shown_is_not_charged() {
    let site = Site::open().await;
    let (cart, token) = site.guest_cart().await;
    let shown = site.send(get(&format!("/v1/carts/{cart}")).guest(&token)).await;
    let total = &shown.body["totals"]["total"];
    let place = |amount: i64| {
        let mut order = order_of(&cart);
        order["expected_total"] = json!({"amount_minor": amount, "currency": total["currency"]});
        post("/v1/orders", order).guest(&token).key(&format!("place-{amount}"))
    };
    let amount = total["amount_minor"].as_i64().unwrap();
    let refused = site.send(place(amount - 1)).await;
    assert_eq!((refused.status, &refused.body["total"]), (StatusCode::CONFLICT, total));
    assert_eq!(refused.body["type"], "urn:jangteo:problem:total_changed");
    assert_eq!(site.product.held(id(1)), 0, "nothing is held for an order that did not come about");
    assert_eq!(site.send(place(amount)).await.status, StatusCode::CREATED);
    site.env.stop().await;
}

#[tokio::test]
async fn the_token_of_a_guest_is_never_kept() {
    let site = Site::open().await;
    let create = || post("/v1/carts", complete_cart()).key("0123456789abcdef");
    let (first, again) = (site.send(create()).await, site.send(create()).await);
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_ne!(first.body["id"], again.body["id"], "whoever guesses the key gets a cart of their own");
    let token = text(&first.body["guest_token"]);
    let kept = site.running.store.database().read(move |connection| {
        let sql = "SELECT count(*) FROM idempotency WHERE instr(body, CAST(?1 AS BLOB)) > 0";
        Ok::<i64, chassis::StoreError>(connection.query_row(sql, [token], |row| row.get(0))?)
    });
    assert_eq!(kept.await.unwrap(), 0);

    let buyer = site.auth.account_token(id(7), &[]);
    let create = || post("/v1/carts", complete_cart()).bearer(&buyer).key("mine");
    let (first, again) = (site.send(create()).await, site.send(create()).await);
    assert_eq!(first.body["id"], again.body["id"], "an account gets its answer again");
    site.env.stop().await;
}

#[tokio::test]
async fn a_key_in_flight_is_refused() {
    let site = Site::open().await;
    let (cart, token) = site.guest_cart().await;
    let place = || post("/v1/orders", order_of(&cart)).guest(&token).key("place-0001");
    site.product.pause();
    let (first, second) = tokio::join!(site.send(place()), async {
        site.product.until_paused().await;
        let second = site.send(place()).await;
        site.product.resume();
        second
    });
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert_eq!(second.body["type"], "urn:jangteo:problem:idempotency_key_in_flight");
    site.env.stop().await;
}

#[tokio::test]
async fn carts_answer_with_their_version_and_honour_it() {
    let site = Site::open().await;
    let created = site.send(post("/v1/carts", complete_cart()).with("accept-language", "ko-KR,en;q=0.5")).await;
    assert_eq!((created.status, &created.headers[header::ETAG]), (StatusCode::CREATED, &"\"1\"".parse().unwrap()));
    assert_eq!(created.body["locale"], "ko");
    let (cart, token) = (text(&created.body["id"]), text(&created.body["guest_token"]));
    let path = format!("/v1/carts/{cart}");
    let line = format!("{path}/lines/{}", text(&created.body["lines"][0]["id"]));
    let shown = site.send(get(&path).guest(&token)).await;
    assert_eq!(shown.body["guest_token"], Value::Null);

    let add = || post(&format!("{path}/lines"), json!({"sku": "CUP", "quantity": 1})).guest(&token);
    let added = site.send(add().if_match(1)).await;
    assert_eq!((added.status, &added.headers[header::ETAG]), (StatusCode::CREATED, &"\"2\"".parse().unwrap()));
    let stale = site.send(add().if_match(1)).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale.body["current_version"], 2);
    assert_eq!(site.send(add().key("add-1")).await.body["lines"][0]["quantity"], 4);
    let replay = site.send(add().key("add-1")).await;
    assert_eq!(replay.body["lines"][0]["quantity"], 4);
    assert_eq!(replay.headers["idempotency-replayed"], "true");

    let set = call(Method::PATCH, &line, Some(json!({"quantity": 7}))).guest(&token);
    assert_eq!(site.send(set).await.body["totals"]["subtotal"]["amount_minor"], 70_000);
    let patch = call(Method::PATCH, &path, Some(json!({"email": null, "locale": "en"}))).guest(&token);
    let patched = site.send(patch).await;
    assert_eq!((&patched.body["email"], &patched.body["locale"]), (&Value::Null, &json!("en")));
    assert_eq!(patched.body["shipping_method"], "standard");
    let removed = site.send(call(Method::DELETE, &line, None).guest(&token)).await;
    assert_eq!((removed.status, &removed.body["lines"]), (StatusCode::OK, &json!([])));
    site.env.stop().await;
}

#[tokio::test]
async fn every_broken_rule_is_named() {
    let site = Site::open().await;
    let (cart, token) = site.guest_cart().await;
    let lines = format!("/v1/carts/{cart}/lines");
    for (path, body, status, field) in [
        ("/v1/carts", json!({"currency": "KRX"}), 400, "/currency"),
        ("/v1/carts", json!({"currency": "KRW", "lines": [{"sku": "CUP", "quantity": 0}]}), 400, "/lines/0/quantity"),
        ("/v1/carts", json!({"currency": "KRW", "lines": [{"quantity": 1}]}), 400, "/lines/0"),
        ("/v1/carts", json!({"currency": "KRW", "email": "nobody"}), 400, "/email"),
        ("/v1/carts", json!({"currency": "KRW", "shipping_method": "rocket"}), 400, "/shipping_method"),
        ("/v1/carts", json!({"currency": "USD", "lines": [{"sku": "CUP", "quantity": 1}]}), 422, "/lines/0/sku"),
        ("/v1/carts", json!({"currency": "KRW", "coupon": "X"}), 400, "/coupon"),
        (&lines, json!({"sku": "NONE", "quantity": 1}), 422, "/lines/0/sku"),
        (&lines, json!({"sku": "CUP", "quantity": 1000}), 400, "/quantity"),
        (&lines, json!({"sku": "CUP", "quantity": -1}), 400, "/quantity"),
        (&lines, json!({"sku": "CUP", "quantity": 998}), 422, "/quantity"),
        (&lines, json!({"sku": "CUP", "quantity": 1.5}), 400, "/quantity"),
    ] {
        let reply = site.send(post(path, body.clone()).guest(&token)).await;
        assert_eq!(reply.status.as_u16(), status, "{body}: {}", reply.body);
        assert_eq!(reply.body["errors"][0]["field"], field, "{body}: {}", reply.body);
    }
    let empty = site.send(post("/v1/carts", json!({"currency": "KRW"}))).await;
    let (cart, token) = (text(&empty.body["id"]), text(&empty.body["guest_token"]));
    let refused = site.send(post("/v1/orders", order_of(&cart)).guest(&token).key("place-0001")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.body["type"], "urn:jangteo:problem:cart_incomplete");
    // Once the cart is complete, the same key orders it: an incomplete cart decided nothing.
    let again = site.send(post("/v1/orders", order_of(&cart)).guest(&token).key("place-0001")).await;
    assert!(!again.headers.contains_key("idempotency-replayed"), "{}", again.body);
    site.env.stop().await;
}

#[tokio::test]
async fn short_stock_is_a_conflict_that_names_lines() {
    let site = Site::open().await;
    let (cart, token) = site.guest_cart().await;
    let more = post(&format!("/v1/carts/{cart}/lines"), json!({"sku": "CUP", "quantity": 9})).guest(&token);
    site.send(more).await;
    let refused = site.send(post("/v1/orders", order_of(&cart)).guest(&token).key("place-0001")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.body["type"], "urn:jangteo:problem:insufficient_stock");
    assert_eq!(
        (&refused.body["lines"][0]["requested"], &refused.body["lines"][0]["available"]),
        (&json!(11), &json!(10))
    );
    site.product.set_down(true);
    let down = site.send(post("/v1/orders", order_of(&cart)).guest(&token).key("place-0002")).await;
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(down.headers.contains_key(header::RETRY_AFTER));
    site.env.stop().await;
}

#[tokio::test]
async fn nobody_reaches_what_is_not_theirs() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let (cart, _) = site.guest_cart().await;
    let customer = site.auth.account_token(id(1), &[]);
    let refund = || post(&format!("/v1/orders/{order}/refunds"), json!({"reason": "x"})).key("refund-1");
    for (what, call, status) in [
        ("no token", get(&format!("/v1/orders/{order}")), 401),
        ("another guest", get(&format!("/v1/orders/{order}")).guest("gst_other"), 404),
        ("another customer", get(&format!("/v1/orders/{order}")).bearer(&customer), 404),
        ("staff", get(&format!("/v1/orders/{order}")).bearer(&site.staff()), 200),
        ("another's events", get(&format!("/v1/orders/{order}/events")).guest("gst_other"), 404),
        ("another's cancel", post(&format!("/v1/orders/{order}/cancel"), json!({})).bearer(&customer), 404),
        ("another's cart", get(&format!("/v1/carts/{cart}")).guest(&token), 404),
        ("ordering another's cart", post("/v1/orders", order_of(&cart)).guest(&token).key("place-0001"), 404),
        ("staff and carts", get(&format!("/v1/carts/{cart}")).bearer(&site.staff()), 404),
        ("a guest refunds", refund().guest(&token), 401),
        ("a customer refunds", refund().bearer(&customer), 403),
        ("staff refunds what is not paid", refund().bearer(&site.staff()), 409),
        ("an id of another kind", get(&format!("/v1/orders/{cart}")).guest(&token), 400),
        ("a forged cursor", get("/v1/orders?cursor=1.2").guest(&token), 400),
        ("an unknown filter", get("/v1/orders?stauts=pending").guest(&token), 400),
        ("a list without a token", get("/v1/orders"), 401),
    ] {
        let reply = site.send(call).await;
        assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    }
    let list = site.send(get("/v1/orders?status=pending").guest(&token)).await;
    assert_eq!(list.body["items"][0]["id"], json!(order));
    let stale = post(&format!("/v1/orders/{order}/cancel"), json!({})).guest(&token).if_match(9);
    assert_eq!(site.send(stale).await.status, StatusCode::PRECONDITION_FAILED);
    site.env.stop().await;
}

#[tokio::test]
async fn claiming_needs_both_tokens() {
    let site = Site::open().await;
    let (cart, token) = site.guest_cart().await;
    let path = format!("/v1/carts/{cart}/claim");
    let customer = site.auth.account_token(id(1), &[]);
    assert_eq!(site.send(post(&path, json!({})).guest(&token)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.send(post(&path, json!({})).bearer(&customer)).await.status, StatusCode::NOT_FOUND);
    let claimed = site.send(post(&path, json!({})).bearer(&customer).guest(&token)).await;
    assert_eq!(claimed.status, StatusCode::OK, "{}", claimed.body);
    assert_eq!(site.send(get(&format!("/v1/carts/{cart}")).bearer(&customer)).await.status, StatusCode::OK);
    site.env.stop().await;
}

#[tokio::test]
async fn shipping_methods_are_listed_per_currency() {
    let site = Site::open().await;
    let all = site.send(get("/v1/shipping-methods?currency=USD")).await;
    assert_eq!(all.body["items"][0]["price"], json!([{"amount_minor": 500, "currency": "USD"}]));
    let none = site.send(get("/v1/shipping-methods?currency=EUR")).await;
    assert_eq!(none.body["items"], json!([]));
    site.env.stop().await;
}

#[tokio::test]
async fn a_setting_that_cannot_be_stops_the_start() {
    let site = Site::open().await;
    let deps = Deps {
        env: site.env.clone(),
        location: Location::Memory,
        bus: site.bus.clone(),
        queue: EmbeddedQueue::open(&site.env, &Location::Memory).unwrap(),
        verifier: site.auth.verifier(),
        product: site.product.clone(),
    };
    let config = Config { pay_within_seconds: 0, ..Config::default() };
    assert!(build(config, deps).await.is_err_and(|error| error.to_string().contains("pay_within_seconds")));
    site.env.stop().await;
}
