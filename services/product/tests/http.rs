//! The service as it runs, over its router: who may do what, what good and bad requests get, and what
//! orders do to stock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use chassis::{
    Env,
    bus::{Bus, EmbeddedBus},
    queue::EmbeddedQueue,
    sqlite::Location,
    testing::TestAuth,
};
use contracts::{
    Currency, Event as _, Locale, LocalizedText, Money, Permission,
    order::{OrderConfirmed, OrderEnded, OrderEvent, OrderSnapshot, Totals},
    product::{ProductError, ReserveLine, ReserveRequest},
};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use product_service::{Config, Deps, Running, build};
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct Shop {
    env: Env,
    bus: Arc<dyn Bus>,
    running: Running,
    staff: String,
    customer: String,
}

struct Answer {
    status: StatusCode,
    etag: Option<String>,
    location: Option<String>,
    replayed: bool,
    body: Value,
}

impl Shop {
    async fn open() -> Self {
        let env = Env::system();
        let auth = TestAuth::new(&env);
        let bus: Arc<dyn Bus> = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let deps = Deps {
            env: env.clone(),
            location: Location::Memory,
            search_path: None,
            bus: Arc::clone(&bus),
            queue: EmbeddedQueue::open(&env, &Location::Memory).unwrap(),
            verifier: auth.verifier(),
        };
        let running = build(Config::default(), deps).await.unwrap();
        let staff = [Permission::CatalogWrite, Permission::StockWrite, Permission::Operate];
        let staff = auth.account_token(env.new_id(), &staff);
        let customer = auth.account_token(env.new_id(), &[]);
        Self { env, bus, running, staff, customer }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.running.service.router.clone().oneshot(request).await.unwrap();
        let text = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, etag, location) = (response.status(), text(header::ETAG), text(header::LOCATION));
        let replayed = response.headers().contains_key("idempotency-replayed");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, etag, location, replayed, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn staff_get(&self, path: &str) -> Answer {
        self.staff("GET", path, &[], &Value::Null).await
    }

    async fn staff(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.call(Some(&self.staff), method, path, headers, body).await
    }

    async fn call(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    async fn create(&self, handle: &str, on_hand: i64) -> Value {
        let answer = self.staff("POST", "/v1/products", &[], &product(handle, on_hand)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body
    }

    async fn reserve(&self, variant: &str, quantity: i64) -> Result<ReserveRequest, ProductError> {
        let request = ReserveRequest {
            reservation_id: self.env.new_id(),
            currency: Currency::KRW,
            lines: vec![ReserveLine { variant_id: variant.parse().unwrap(), quantity }],
            expires_at: self.env.now() + Duration::from_secs(600),
        };
        self.running.api.reserve(request.clone()).await.map(|_| request)
    }

    /// Says that something happened to the order of this reservation.
    async fn order(&self, request: &ReserveRequest, event: fn(OrderSnapshot) -> OrderEvent) {
        let zero = Money::zero(Currency::KRW);
        let order = OrderSnapshot {
            order_id: contracts::order::OrderId::from_uuid(request.reservation_id.as_uuid()),
            number: "1".to_owned(),
            customer: None,
            email: "a@example.com".to_owned(),
            locale: Locale::Ko,
            currency: Currency::KRW,
            lines: Vec::new(),
            totals: Totals { subtotal: zero, shipping: zero, tax: zero, total: zero },
            shipping_address: None,
            reservation_id: request.reservation_id,
            placed_at: self.env.now(),
        };
        let (id, key) = (self.env.new_id(), order.order_id.to_string());
        let envelope = event(order).seal(id, key.clone(), self.env.now(), None).unwrap();
        let payload = serde_json::to_vec(&envelope).unwrap().into();
        let record = chassis::bus::Record { topic: OrderEvent::TOPIC.to_owned(), key, id, payload };
        self.bus.publish(vec![record]).await.unwrap();
    }

    /// Waits until `seen` holds of what `path` answers to staff.
    async fn eventually(&self, path: &str, seen: impl Fn(&Value) -> bool) -> Value {
        let wait = async {
            loop {
                let answer = self.staff_get(path).await;
                if seen(&answer.body) {
                    return answer.body;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("{path} never got there"))
    }
}

fn product(handle: &str, on_hand: i64) -> Value {
    json!({
        "handle": handle,
        "status": "active",
        "title": {"ko": format!("무선 이어폰 {handle}"), "en": format!("Wireless earbuds {handle}")},
        "description_html": {"en": "<p>Loud</p><script>alert(1)</script>"},
        "vendor": "Sori",
        "options": [{"name": {"en": "Colour", "ko": "색상"}, "values": ["Black", "White"]}],
        "variants": [{
            "sku": format!("{handle}-BLK"),
            "option_values": ["Black"],
            "prices": [
                {"amount": {"amount_minor": 12900, "currency": "KRW"}},
                {"amount": {"amount_minor": 990, "currency": "USD"}}
            ],
            "cost": {"amount_minor": 7000, "currency": "KRW"},
            "on_hand": on_hand
        }]
    })
}

fn handles(body: &Value) -> Vec<&str> {
    body["items"].as_array().unwrap().iter().map(|item| item["handle"].as_str().unwrap()).collect()
}

fn variant_id(product: &Value) -> String {
    product["variants"][0]["id"].as_str().unwrap().to_owned()
}

fn fields(body: &Value) -> Vec<&str> {
    body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_product_is_made_shown_changed_and_archived() {
    let shop = Shop::open().await;
    let made = shop.staff("POST", "/v1/products", &[], &product("buds", 3)).await;
    assert_eq!((made.status, made.etag.as_deref()), (StatusCode::CREATED, Some("\"1\"")));
    assert_eq!(made.body["description_html"]["en"], "<p>Loud</p>");
    assert_eq!(made.body["variants"][0]["internal"]["stock"]["on_hand"], 3);

    let location = made.location.unwrap();
    for path in [location.as_str(), "/v1/products/buds"] {
        let shown = shop.get(path).await;
        assert_eq!((shown.status, shown.etag.as_deref()), (StatusCode::OK, Some("\"1\"")));
        assert_eq!(shown.body["variants"][0]["in_stock"], true);
        assert!(shown.body["variants"][0].get("internal").is_none(), "{}", shown.body);
    }
    let request = Request::get("/v1/products/buds").header("if-none-match", "\"1\"").body(Body::empty()).unwrap();
    assert_eq!(shop.send(request).await.status, StatusCode::NOT_MODIFIED);

    let patch = json!({"title": {"en": "Buds"}, "tags": ["new"]});
    let stale = shop.staff("PATCH", &location, &[("if-match", "\"9\"")], &patch).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{}", stale.body);
    let changed = shop.staff("PATCH", &location, &[("if-match", "\"1\"")], &patch).await;
    assert_eq!((changed.status, changed.etag.as_deref()), (StatusCode::OK, Some("\"2\"")));
    assert_eq!(shop.get("/v1/products/buds").await.body["title"]["en"], "Buds");
    let same = shop.staff("PATCH", &location, &[], &patch).await;
    assert_eq!(same.etag.as_deref(), Some("\"2\""), "what is the same is no new version");

    assert_eq!(shop.staff("DELETE", &location, &[], &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(shop.get("/v1/products/buds").await.status, StatusCode::NOT_FOUND);
    assert_eq!(shop.staff_get("/v1/products/buds").await.body["status"], "archived");
    assert!(handles(&shop.get("/v1/products").await.body).is_empty());
    assert!(shop.reserve(&variant_id(&made.body), 1).await.is_err());
}

#[tokio::test]
async fn variants_and_prices_are_edited_one_by_one() {
    let shop = Shop::open().await;
    let made = shop.create("buds", 3).await;
    let first = variant_id(&made);
    let white = json!({"sku": "W", "option_values": ["White"], "on_hand": 2});
    let added = shop.staff("POST", "/v1/products/buds/variants", &[("idempotency-key", "k1")], &white).await;
    assert_eq!((added.status, added.etag.as_deref()), (StatusCode::CREATED, Some("\"2\"")), "{}", added.body);
    let again = shop.staff("POST", "/v1/products/buds/variants", &[("idempotency-key", "k1")], &white).await;
    assert!(again.replayed);
    assert_eq!(again.body, added.body);
    let twice = shop.staff("POST", "/v1/products/buds/variants", &[], &white).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    assert_eq!(fields(&twice.body), ["/option_values", "/sku"]);

    let path = format!("/v1/variants/{first}");
    // Both what it is found by change at once, and it stays the same variant.
    let patch = json!({"sku": null, "option_values": ["White"]});
    let taken = shop.staff("PATCH", &path, &[], &patch).await;
    assert_eq!(fields(&taken.body).len(), 1, "{}", taken.body);
    let id = added.body["id"].as_str().unwrap();
    let gone = shop.staff("DELETE", &format!("/v1/variants/{id}"), &[], &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let changed = shop.staff("PATCH", &path, &[], &patch).await;
    assert_eq!((changed.status, changed.body["id"].as_str().unwrap()), (StatusCode::OK, first.as_str()));
    assert_eq!(changed.body["internal"]["stock"]["on_hand"], 3);

    let prices = json!({"prices": [{"amount": {"amount_minor": 500, "currency": "KRW"}}]});
    let set = shop.staff("PUT", &format!("{path}/prices"), &[], &prices).await;
    assert_eq!(set.body["prices"][0]["amount"]["amount_minor"], 500);
    let quoted = shop.reserve(&first, 1).await;
    assert!(quoted.is_ok());
    let negative = json!({"prices": [{"amount": {"amount_minor": -1, "currency": "KRW"}}]});
    let refused = shop.staff("PUT", &format!("{path}/prices"), &[], &negative).await;
    assert_eq!(fields(&refused.body), ["/prices/0/amount/amount_minor"]);
}

#[tokio::test]
async fn lists_filter_sort_page_and_search() {
    let shop = Shop::open().await;
    for (handle, on_hand, price) in [("a", 1, 3000), ("b", 0, 1000), ("c", 5, 2000)] {
        let mut body = product(handle, on_hand);
        body["variants"][0]["prices"][0]["amount"]["amount_minor"] = json!(price);
        assert_eq!(shop.staff("POST", "/v1/products", &[], &body).await.status, StatusCode::CREATED);
    }
    for (query, expected) in [
        ("", vec!["c", "b", "a"]),
        ("?sort=price", vec!["b", "c", "a"]),
        ("?sort=-price&in_stock=true", vec!["a", "c"]),
        ("?sort=price&min_price=1500&max_price=2500", vec!["c"]),
        ("?sort=title&locale=en", vec!["a", "b", "c"]),
        ("?in_stock=false", vec!["b"]),
        ("?category=none", vec![]),
    ] {
        let answer = shop.get(&format!("/v1/products{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.body);
        assert_eq!(handles(&answer.body), expected, "{query}");
    }
    let first = shop.get("/v1/products?limit=2&sort=price").await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = shop.get(&format!("/v1/products?limit=2&sort=price&cursor={cursor}")).await;
    assert_eq!(handles(&second.body), ["a"]);
    assert!(second.body.get("next_cursor").is_none());
    assert_eq!(shop.get(&format!("/v1/products?cursor={cursor}")).await.status, StatusCode::BAD_REQUEST);

    let found = |expected: usize| move |body: &Value| body["items"].as_array().is_some_and(|i| i.len() == expected);
    shop.eventually("/v1/products?q=%EC%9D%B4%EC%96%B4%ED%8F%B0", found(3)).await;
    let body = shop.eventually("/v1/products?q=earbuds&in_stock=true&sort=price", found(2)).await;
    assert_eq!(handles(&body), ["c", "a"]);
    shop.eventually("/v1/products?min_price=2000", found(2)).await;
}

#[tokio::test]
async fn a_list_is_kept_until_what_it_shows_changes() {
    let shop = Shop::open().await;
    let made = shop.create("a", 2).await;
    let before = shop.get("/v1/products").await;
    shop.reserve(&variant_id(&made), 1).await.unwrap();
    assert_eq!(shop.get("/v1/products").await.etag, before.etag);
    shop.reserve(&variant_id(&made), 1).await.unwrap();
    let after = shop.get("/v1/products").await;
    assert_ne!(after.etag, before.etag);
    assert_eq!(after.body["items"][0]["in_stock"], false);
    let etag = after.etag.unwrap();
    let request = Request::get("/v1/products").header("if-none-match", etag).body(Body::empty()).unwrap();
    assert_eq!(shop.send(request).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let shop = Shop::open().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=%21%21", "cursor"),
        ("currency=XXX", "currency"),
        ("min_price=-1", "min_price"),
        ("sort=title&q=x", "sort"),
        ("nonsense=1", "nonsense"),
        ("in_stock=maybe", "in_stock"),
        ("q=x&cursor=AAAA", "cursor"),
    ] {
        let answer = shop.get(&format!("/v1/products?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.body);
        assert_eq!(fields(&answer.body), [field], "{query}");
    }
    let mut bad = product("Bad Handle", -1);
    bad["variants"][0]["option_values"] = json!(["Green"]);
    bad["category"] = json!("nowhere");
    let answer = shop.staff("POST", "/v1/products", &[], &bad).await;
    let expected = ["/handle", "/variants/0/option_values/0", "/variants/0/on_hand"];
    assert_eq!((answer.status, fields(&answer.body)), (StatusCode::BAD_REQUEST, expected.to_vec()));
    let mut unknown = product("ok", 1);
    unknown["colour"] = json!("red");
    assert_eq!(shop.staff("POST", "/v1/products", &[], &unknown).await.status, StatusCode::BAD_REQUEST);
    let mut shelved = product("ok", 1);
    shelved["category"] = json!("nowhere");
    let answer = shop.staff("POST", "/v1/products", &[], &shelved).await;
    assert_eq!((answer.status, fields(&answer.body)), (StatusCode::BAD_REQUEST, vec!["/category"]));
    shop.create("ok", 1).await;
    let taken = shop.staff("POST", "/v1/products", &[], &product("ok", 1)).await;
    assert_eq!((taken.status, fields(&taken.body)), (StatusCode::CONFLICT, vec!["/handle", "/variants/0/sku"]));
    for path in ["/v1/products/prd_00000000000000000000000000000001", "/v1/products/nothing", "/v1/categories/x"] {
        assert_eq!(shop.get(path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(shop.staff_get("/v1/variants/nothing/stock").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn only_staff_may() {
    let shop = Shop::open().await;
    shop.create("a", 1).await;
    let body = product("b", 1);
    let post = |token| shop.call(token, "POST", "/v1/products", &[], &body);
    assert_eq!(post(None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post(Some(&shop.customer)).await.status, StatusCode::FORBIDDEN);
    for query in ["status=draft", "view=full", "status=any"] {
        let path = format!("/v1/products?{query}");
        assert_eq!(shop.get(&path).await.status, StatusCode::UNAUTHORIZED);
        let customer = shop.call(Some(&shop.customer), "GET", &path, &[], &Value::Null).await;
        assert_eq!(customer.status, StatusCode::FORBIDDEN);
        assert_eq!(shop.staff_get(&path).await.status, StatusCode::OK);
    }
    let full = shop.staff_get("/v1/products?status=any&view=full").await;
    assert_eq!(full.body["items"][0]["variants"][0]["internal"]["cost"]["amount_minor"], 7000);
    assert_eq!(shop.get("/v1/products/a?view=full").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn stock_is_adjusted_once_per_key_and_leaves_a_trail() {
    let shop = Shop::open().await;
    let id = variant_id(&shop.create("a", 5).await);
    let path = format!("/v1/variants/{id}/stock-adjustments");
    let broken = json!({"delta": -2, "reason": "broken"});
    let first = shop.staff("POST", &path, &[("idempotency-key", "k")], &broken).await;
    assert_eq!((first.status, &first.body["on_hand"]), (StatusCode::CREATED, &json!(3)));
    let again = shop.staff("POST", &path, &[("idempotency-key", "k")], &broken).await;
    assert!(again.replayed && again.body == first.body);
    let other = json!({"delta": -1, "reason": "broken"});
    let reused = shop.staff("POST", &path, &[("idempotency-key", "k")], &other).await;
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);

    shop.reserve(&id, 2).await.unwrap();
    let short = shop.staff("POST", &path, &[], &json!({"count": 1, "reason": "x"})).await;
    assert_eq!(short.status, StatusCode::CONFLICT, "{}", short.body);
    for bad in
        [json!({"reason": "x"}), json!({"delta": 1, "count": 1, "reason": "x"}), json!({"delta": 1.5, "reason": "x"})]
    {
        assert_eq!(shop.staff("POST", &path, &[], &bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let level = shop.staff_get(&format!("/v1/variants/{id}/stock")).await;
    assert_eq!(
        (&level.body["on_hand"], &level.body["reserved"], &level.body["available"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let movements = shop.staff_get(&format!("/v1/variants/{id}/stock-movements?limit=1")).await;
    assert_eq!(movements.body["items"][0]["reason"], "broken");
    let cursor = movements.body["next_cursor"].as_str().unwrap();
    let rest = shop.staff_get(&format!("/v1/variants/{id}/stock-movements?limit=1&cursor={cursor}")).await;
    assert_eq!((&rest.body["items"][0]["delta"], rest.body.get("next_cursor")), (&json!(5), None));
}

#[tokio::test]
async fn imports_are_idempotent_and_atomic_if_asked() {
    let shop = Shop::open().await;
    let import = |products: Value, atomic| {
        let body = json!({"products": products, "atomic": atomic});
        async { shop.staff("POST", "/v1/product-imports", &[], &Box::new(body)).await.body }
    };
    let outcomes = |body: &Value| -> Vec<String> {
        body["outcomes"].as_array().unwrap().iter().map(|o| o["outcome"].as_str().unwrap().to_owned()).collect()
    };
    let mut shelved = product("a", 1);
    shelved["category"] = json!("audio");
    let both = json!([shelved, product("b", 2)]);
    assert_eq!(outcomes(&import(both.clone(), false).await), ["created", "created"]);
    assert_eq!(outcomes(&import(both.clone(), true).await), ["unchanged", "unchanged"]);
    assert_eq!(shop.get("/v1/products/a").await.etag.as_deref(), Some("\"1\""));
    assert_eq!(handles(&shop.get("/v1/categories").await.body), ["audio"]);

    let mut changed = product("a", 7);
    changed["vendor"] = json!("Other");
    let mut bad = product("c", 1);
    bad["title"] = json!({});
    let mut thief = product("d", 1);
    thief["variants"][0]["sku"] = json!("b-BLK");
    let mixed = json!([changed, bad, thief, product("b", 2), product("a", 1)]);
    let result = import(mixed.clone(), true).await;
    assert_eq!((&result["written"], outcomes(&result)[1].as_str()), (&json!(false), "rejected"));
    assert_eq!(shop.get("/v1/products/a").await.etag.as_deref(), Some("\"1\""), "nothing was written");
    let result = import(mixed, false).await;
    assert_eq!(outcomes(&result), ["updated", "rejected", "rejected", "unchanged", "rejected"]);
    assert_eq!(result["outcomes"][1]["violations"][0]["field"], "/title");
    assert_eq!(result["outcomes"][2]["violations"][0]["field"], "/variants/0/sku");
    let full = shop.staff_get("/v1/products/a?view=full").await;
    assert_eq!(full.body["variants"][0]["internal"]["stock"]["on_hand"], 7);
}

#[tokio::test]
async fn orders_move_stock() {
    let shop = Shop::open().await;
    let id = variant_id(&shop.create("a", 5).await);
    let path = format!("/v1/variants/{id}/stock");
    let level = |on_hand: i64, reserved: i64| {
        move |body: &Value| body["on_hand"] == json!(on_hand) && body["reserved"] == json!(reserved)
    };
    let bought = shop.reserve(&id, 2).await.unwrap();
    let dropped = shop.reserve(&id, 1).await.unwrap();
    shop.eventually(&path, level(5, 3)).await;
    shop.order(&bought, |order| OrderEvent::Confirmed(OrderConfirmed { order })).await;
    shop.eventually(&path, level(3, 1)).await;
    shop.order(&dropped, |order| {
        OrderEvent::Rejected(OrderEnded { order, reason: "card_declined".to_owned(), restock: false })
    })
    .await;
    shop.eventually(&path, level(3, 0)).await;
    shop.order(&bought, |order| {
        OrderEvent::Cancelled(OrderEnded { order, reason: "changed mind".to_owned(), restock: true })
    })
    .await;
    shop.eventually(&path, level(5, 0)).await;
    assert!(shop.running.store.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn categories_are_made_changed_and_removed() {
    let shop = Shop::open().await;
    let audio = json!({"handle": "audio", "name": {"ko": "오디오", "en": "Audio"}});
    let made = shop.staff("POST", "/v1/categories", &[], &audio).await;
    assert_eq!((made.status, made.location.as_deref()), (StatusCode::CREATED, Some("/v1/categories/audio")));
    assert_eq!(shop.staff("POST", "/v1/categories", &[], &audio).await.status, StatusCode::CONFLICT);
    let child = json!({"handle": "buds", "name": {"en": "Buds"}, "parent": "audio"});
    shop.staff("POST", "/v1/categories", &[], &child).await;
    let mut body = product("a", 1);
    body["category"] = json!("buds");
    shop.staff("POST", "/v1/products", &[], &body).await;
    assert_eq!(handles(&shop.get("/v1/products?category=audio").await.body), ["a"]);

    let patch = json!({"name": {"en": "Sound"}});
    let changed = shop.staff("PATCH", "/v1/categories/audio", &[("if-match", "\"1\"")], &patch).await;
    assert_eq!((changed.status, changed.etag.as_deref()), (StatusCode::OK, Some("\"2\"")));
    shop.eventually("/v1/products?q=sound", |body| body["items"].as_array().is_some_and(|i| i.len() == 1)).await;
    let cycle = json!({"parent": "buds"});
    assert_eq!(shop.staff("PATCH", "/v1/categories/audio", &[], &cycle).await.status, StatusCode::BAD_REQUEST);
    let used = shop.staff("DELETE", "/v1/categories/buds", &[], &Value::Null).await;
    assert_eq!(used.status, StatusCode::CONFLICT);
    shop.staff("PATCH", "/v1/products/a", &[], &json!({"category": null})).await;
    let gone = shop.staff("DELETE", "/v1/categories/buds", &[], &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_index_can_be_made_again() {
    let shop = Shop::open().await;
    shop.create("a", 1).await;
    let found = |body: &Value| body["items"].as_array().is_some_and(|items| items.len() == 1);
    shop.eventually("/v1/products?q=earbuds", found).await;
    let rebuild = shop.staff("POST", "/v1/search-index/rebuild", &[], &Value::Null).await;
    assert_eq!(rebuild.status, StatusCode::ACCEPTED);
    shop.eventually("/v1/products?q=earbuds", found).await;
    let customer = shop.call(Some(&shop.customer), "POST", "/v1/search-index/rebuild", &[], &Value::Null).await;
    assert_eq!(customer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn last_words_reach_the_index_when_the_process_stops_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let env = Env::system();
        let auth = TestAuth::new(&env);
        let file = |name| Location::in_folder(folder.path(), name);
        let deps = Deps {
            env: env.clone(),
            location: file("product.db"),
            search_path: Some(folder.path().join("search")),
            bus: EmbeddedBus::open(&env, &file("bus.db")).unwrap(),
            queue: EmbeddedQueue::open(&env, &file("queue.db")).unwrap(),
            verifier: auth.verifier(),
        };
        (env, build(Config::default(), deps).await.unwrap())
    };
    let input = product_service::product::ProductInput {
        handle: "late".to_owned(),
        status: product_service::product::ProductStatus::Active,
        title: LocalizedText::one(Locale::En, "Latecomer"),
        ..Default::default()
    };
    let (env, running) = start().await;
    running.product.import_products(vec![input], true, "key_test".to_owned()).await.unwrap();
    env.stop().await;
    drop(running);

    let (env, running) = start().await;
    let find = async || {
        let request = Request::get("/v1/products?q=latecomer").body(Body::empty()).unwrap();
        let response = running.service.router.clone().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["items"].as_array().map_or(0, Vec::len)
    };
    let wait = async {
        while find().await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
    env.stop().await;
}
