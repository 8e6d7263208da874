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
    Currency, Event as _, Locale, Money, Permission,
    order::{OrderEvent, OrderSnapshot, Totals},
    product::{ProductError, ReserveLine, ReserveRequest},
};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use product_service::{Config, Deps, Running, build};
use serde_json::{Value, json};
use tower::ServiceExt as _;

mod catalogue;
mod lists;
mod stock;

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
    async fn order(&self, request: &ReserveRequest, event: impl FnOnce(OrderSnapshot) -> OrderEvent) {
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
