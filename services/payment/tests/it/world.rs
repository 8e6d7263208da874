//! A payment service with its bus, its queue and its provider, as they run in the shop.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Body;
use chassis::{
    Env,
    bus::{Bus, ConsumeError, Consumer, ConsumerConfig, EmbeddedBus, Record, start_consumer},
    queue::{EmbeddedQueue, Queue},
    sqlite::Location,
    testing::TestAuth,
    transport::{HttpTransport, HttpTransportConfig, Transport},
};
use contracts::{
    Currency, Envelope, Event as _, Locale, Money, Permission,
    event::EventId,
    order::{
        OrderConfirmed, OrderEnded, OrderEvent, OrderId, OrderPaymentMethodGiven, OrderPlaced, OrderSnapshot,
        PaymentMethod, RefundId, RefundRequested, Totals,
    },
    payment::PaymentEvent,
};
use http::{Request, StatusCode, header};
use payment_service::{
    Config, Deps, Running, SandboxProviderConfig, build, payment::Payment, store::Lookup, verify::verify,
};
use sandbox_provider::SandboxConfig;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

pub(crate) const AMOUNT: i64 = 42_000;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) running: Running,
    pub(crate) staff: String,
    pub(crate) stranger: String,
    /// The payment service, over its socket.
    pub(crate) shop: HttpTransport,
    bus: Arc<dyn Bus>,
    provider: HttpTransport,
    heard: watch::Receiver<Vec<PaymentEvent>>,
}

/// Collects what the payment service says.
struct Listener {
    heard: watch::Sender<Vec<PaymentEvent>>,
    seen: Mutex<Vec<EventId>>,
}

#[async_trait]
impl Consumer for Listener {
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError> {
        let mut seen = self.seen.lock().unwrap();
        if !seen.contains(&envelope.id) {
            seen.push(envelope.id);
            let event = PaymentEvent::open(envelope)?.unwrap();
            self.heard.send_modify(|heard| heard.push(event));
        }
        Ok(())
    }
}

fn client(listener: &TcpListener) -> HttpTransport {
    let base = format!("http://{}", listener.local_addr().unwrap());
    HttpTransport::new(&HttpTransportConfig { base, connect_timeout: Duration::from_secs(5) }).unwrap()
}

fn serve(env: &Env, listener: TcpListener, router: axum::Router) {
    let stopping = env.clone();
    env.spawn("server", async move {
        let serving = axum::serve(listener, router);
        tokio::select! {
            biased;
            () = stopping.stopping() => {}
            _ = serving => {}
        }
    });
}

/// Impatient, so that tests are quick.
pub(crate) fn sandbox_config() -> SandboxConfig {
    SandboxConfig {
        control: true,
        slow_ms: 300,
        hang_ms: 20_000,
        pending_ms: 300,
        webhook_late_ms: 700,
        webhook_reorder_ms: 400,
        webhook_retry_ms: 20,
        ..SandboxConfig::default()
    }
}

pub(crate) fn payment_config() -> Config {
    Config { request_timeout_ms: 5_000, inquiry_pause_ms: 50, inquiry_pause_max_ms: 200, ..Config::default() }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(payment_config(), sandbox_config()).await
    }

    pub(crate) async fn start_with(mut config: Config, mut sandbox: SandboxConfig) -> Self {
        let env = Env::system();
        let (shop_listener, provider_listener) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (shop, provider) = (client(&shop_listener), client(&provider_listener));
        let own = shop_listener.local_addr().unwrap();
        sandbox.listen = provider_listener.local_addr().unwrap();
        config.public_url = Some(format!("http://{own}"));
        sandbox.webhook_url = Some(format!("http://{own}/v1/payment-providers/sandbox/webhooks"));
        config.providers.sandbox = Some(SandboxProviderConfig {
            url: format!("http://{}", provider_listener.local_addr().unwrap()),
            secret_key: sandbox.secret_key.clone(),
            webhook_secret: sandbox.webhook_secret.clone(),
        });
        let router = sandbox_provider::build(sandbox, &Location::Memory, &env).await.unwrap();
        serve(&env, provider_listener, router);

        let auth = TestAuth::new(&env);
        let bus: Arc<dyn Bus> = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let queue: Arc<dyn Queue> = EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        let deps = Deps {
            env: env.clone(),
            location: Location::Memory,
            bus: Arc::clone(&bus),
            queue,
            verifier: auth.verifier(),
        };
        let running = build(config, deps).await.unwrap();
        serve(&env, shop_listener, running.service.router.clone());
        let heard = watch::Sender::new(Vec::new());
        let receiver = heard.subscribe();
        let listener = Arc::new(Listener { heard, seen: Mutex::default() });
        let group: &'static [&'static str] = &[PaymentEvent::TOPIC];
        start_consumer(&env, Arc::clone(&bus), "test", group, ConsumerConfig::default(), listener);
        let staff = auth.account_token(env.new_id(), &[Permission::OrdersRead, Permission::RefundsWrite]);
        let stranger = auth.account_token(env.new_id(), &[]);
        Self { env, running, staff, stranger, shop, bus, provider, heard: receiver }
    }

    /// Places an order that pays with `token`, and answers it.
    pub(crate) async fn place(&self, token: &str) -> OrderSnapshot {
        let order = self.order();
        self.placed(&order, token, self.env.new_id()).await;
        order
    }

    pub(crate) fn order(&self) -> OrderSnapshot {
        let money = |amount| Money::new(amount, Currency::KRW);
        OrderSnapshot {
            order_id: self.env.new_id(),
            number: "J-1".to_owned(),
            customer: None,
            email: "haneul@example.com".to_owned(),
            locale: Locale::Ko,
            currency: Currency::KRW,
            lines: Vec::new(),
            totals: Totals { subtotal: money(AMOUNT), shipping: money(0), tax: money(3_818), total: money(AMOUNT) },
            shipping_address: None,
            reservation_id: self.env.new_id(),
            placed_at: self.env.now(),
        }
    }

    pub(crate) async fn placed(&self, order: &OrderSnapshot, token: &str, id: EventId) {
        let placed = OrderPlaced {
            order: order.clone(),
            payment_method: PaymentMethod { provider: "sandbox".to_owned(), token: token.to_owned() },
            pay_by: self.env.now() + Duration::from_secs(60),
        };
        self.publish(id, order.order_id, OrderEvent::Placed(placed)).await;
    }

    pub(crate) async fn confirm(&self, order: &OrderSnapshot) {
        let event = OrderEvent::Confirmed(OrderConfirmed { order: order.clone(), reminder: 0 });
        self.publish(self.env.new_id(), order.order_id, event).await;
    }

    pub(crate) async fn cancel(&self, order: &OrderSnapshot) {
        let ended = OrderEnded { order: order.clone(), reason: "changed my mind".to_owned(), restock: false };
        self.publish(self.env.new_id(), order.order_id, OrderEvent::Cancelled(ended)).await;
    }

    pub(crate) async fn expire(&self, order: &OrderSnapshot) {
        let ended = OrderEnded { order: order.clone(), reason: "nobody paid".to_owned(), restock: false };
        self.publish(self.env.new_id(), order.order_id, OrderEvent::Expired(ended)).await;
    }

    pub(crate) async fn give_method(&self, order: &OrderSnapshot, token: &str) {
        let given = OrderPaymentMethodGiven {
            order_id: order.order_id,
            payment_method: PaymentMethod { provider: "sandbox".to_owned(), token: token.to_owned() },
        };
        self.publish(self.env.new_id(), order.order_id, OrderEvent::PaymentMethodGiven(given)).await;
    }

    pub(crate) async fn refund(&self, order: &OrderSnapshot, amount: i64) -> RefundId {
        let refund_id = self.env.new_id();
        let wanted = RefundRequested {
            order_id: order.order_id,
            refund_id,
            amount: Money::new(amount, Currency::KRW),
            reason: "damaged".to_owned(),
            restock: Vec::new(),
        };
        self.publish(self.env.new_id(), order.order_id, OrderEvent::RefundRequested(wanted)).await;
        refund_id
    }

    pub(crate) async fn publish(&self, id: EventId, order: OrderId, event: OrderEvent) {
        let key = order.to_string();
        let envelope = event.seal(id, key.clone(), self.env.now(), None).unwrap();
        let payload = serde_json::to_vec(&envelope).unwrap().into();
        self.bus.publish(vec![Record { topic: OrderEvent::TOPIC.to_owned(), key, id, payload }]).await.unwrap();
    }

    /// Waits until the service has said something about the order that `wanted` accepts.
    pub(crate) async fn hear(&self, order: &OrderSnapshot, wanted: &str) -> PaymentEvent {
        let mut heard = self.heard.clone();
        let found = heard.wait_for(|heard| heard.iter().any(|event| is(event, order, wanted)));
        let Ok(Ok(heard)) = tokio::time::timeout(PATIENCE, found).await else {
            panic!("{wanted} was not said; said: {:?}", self.said(order));
        };
        heard.iter().find(|event| is(event, order, wanted)).cloned().unwrap()
    }

    /// Everything that was said about the order.
    pub(crate) fn said(&self, order: &OrderSnapshot) -> Vec<&'static str> {
        let heard = self.heard.borrow();
        let about = heard.iter().filter(|event| order_of(event) == order.order_id);
        about.map(|event| event.event_type()).collect()
    }

    pub(crate) async fn payment(&self, order: &OrderSnapshot) -> Option<Payment> {
        self.running.store.find(Lookup::Order(order.order_id)).await.unwrap()
    }

    /// Waits until the payment of the order is as `wanted`.
    pub(crate) async fn until(&self, order: &OrderSnapshot, wanted: impl Fn(&Payment) -> bool) -> Payment {
        let mut last = None;
        let arrives = async {
            let mut interval = tokio::time::interval(Duration::from_millis(5));
            loop {
                interval.tick().await;
                last = self.payment(order).await;
                if let Some(payment) = last.as_ref().filter(|payment| wanted(payment)) {
                    return payment.clone();
                }
            }
        };
        match tokio::time::timeout(PATIENCE, arrives).await {
            Ok(payment) => payment,
            Err(_) => panic!("the payment does not get there: {last:?}"),
        }
    }

    /// Waits until something was said about the order so many times.
    pub(crate) async fn hear_times(&self, order: &OrderSnapshot, wanted: &str, times: usize) {
        let mut heard = self.heard.clone();
        let found = heard.wait_for(|heard| heard.iter().filter(|event| is(event, order, wanted)).count() >= times);
        if !matches!(tokio::time::timeout(PATIENCE, found).await, Ok(Ok(_))) {
            panic!("{wanted} was not said {times} times; said: {:?}", self.said(order));
        }
    }

    /// What the provider itself holds for the payment of the order.
    pub(crate) async fn at_provider(&self, order: &OrderSnapshot) -> Vec<Value> {
        let payment = self.payment(order).await.unwrap();
        let list = self.provider_get(&format!("/v1/authorizations?reference={}", payment.id)).await;
        list["items"].as_array().unwrap().clone()
    }

    pub(crate) async fn provider_get(&self, path: &str) -> Value {
        ask(&self.provider, Request::get(path), "sk_sandbox", Body::empty()).await.1
    }

    /// Asks the provider for something under a fresh key, as its console does.
    pub(crate) async fn provider_post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let key: uuid::Uuid = self.env.new_id();
        let request = Request::post(path).header("idempotency-key", key.to_string());
        ask(&self.provider, request, "sk_sandbox", Body::from(body.to_string())).await
    }

    /// Lets the buyer choose on the provider's page at `url`; answers the path that the browser is sent to.
    pub(crate) async fn choose(&self, url: &str, decision: &str) -> String {
        let path = format!("/{}", url.splitn(4, '/').last().unwrap());
        let page = self.provider.send(Request::get(&path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let html = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
        assert!(String::from_utf8_lossy(&html).contains("Approve"), "{html:?}");
        let form = Request::post(&path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = form.body(Body::from(format!("decision={decision}"))).unwrap();
        let response = self.provider.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        format!("/{}", location.splitn(4, '/').last().unwrap())
    }

    /// Sends a staff instruction.
    pub(crate) async fn instruct(&self, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let request =
            Request::post(path).header("idempotency-key", key).header(header::CONTENT_TYPE, "application/json");
        ask(&self.shop, request, &self.staff, Body::from(body.to_string())).await
    }

    /// Orders faults: `("capture", "hang", 1)`.
    pub(crate) async fn order_faults(&self, faults: &[(&str, &str, u32)]) {
        let faults: Vec<Value> = faults
            .iter()
            .map(|(operation, kind, times)| json!({"operation": operation, "kind": kind, "times": times}))
            .collect();
        let body = Body::from(json!({"faults": faults}).to_string());
        let (status, _) = ask(&self.provider, Request::put("/control/faults"), "sk_sandbox", body).await;
        assert_eq!(status, StatusCode::OK);
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        ask(&self.shop, Request::get(path), &self.staff, Body::empty()).await
    }

    /// The invariants hold.
    pub(crate) async fn verify(&self) {
        assert_eq!(verify(&*self.running.store, self.env.now()).await.unwrap(), Vec::<String>::new());
    }

    pub(crate) async fn stop(self) {
        self.verify().await;
        let Self { env, running, shop, bus, provider, .. } = self;
        drop((running, shop, bus, provider));
        tokio::time::timeout(PATIENCE, env.stop()).await.expect("everything stops when asked to");
    }
}

pub(crate) async fn ask(
    transport: &HttpTransport,
    request: http::request::Builder,
    key: &str,
    body: Body,
) -> (StatusCode, Value) {
    let request = request.header(header::AUTHORIZATION, format!("Bearer {key}")).body(body).unwrap();
    let response = transport.send(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn is(event: &PaymentEvent, order: &OrderSnapshot, wanted: &str) -> bool {
    order_of(event) == order.order_id && event.event_type() == wanted
}

fn order_of(event: &PaymentEvent) -> OrderId {
    match event {
        PaymentEvent::ActionRequired(event) => event.order_id,
        PaymentEvent::MethodRequired(event) => event.order_id,
        PaymentEvent::Authorized(event) => event.order_id,
        PaymentEvent::Declined(event) => event.order_id,
        PaymentEvent::Captured(event) => event.order_id,
        PaymentEvent::CaptureFailed(event) => event.order_id,
        PaymentEvent::Reversed(event) => event.order_id,
        PaymentEvent::Voided(event) => event.order_id,
        PaymentEvent::Refunded(event) => event.order_id,
        PaymentEvent::RefundFailed(event) => event.order_id,
    }
}
