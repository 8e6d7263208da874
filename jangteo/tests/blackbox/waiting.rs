//! Orders that wait for their buyer: another method, a page of the provider, a transfer; or for nobody.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use axum::body::Body;
use chassis::transport::{HttpTransport, HttpTransportConfig, Transport as _};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::shop::{GuestCart, Reply, Shop, free_port, product, program, text};

const SECRET_KEY: &str = "sk_of_the_scenarios";
const WEBHOOK_SECRET: &str = "whs_of_the_scenarios_0123456789";
const STOCK: i64 = 5;

/// An order that is not paid yet, of two of five units.
struct Waiting {
    shop: Shop,
    admin: String,
    cart: GuestCart,
    id: String,
    path: String,
}

impl Waiting {
    async fn of(shop: Shop, token: &str) -> Self {
        let admin = shop.admin_token().await;
        shop.post("/v1/products").bearer(&admin).json(&product("PATIENT", STOCK)).send().await.expect(201);
        let cart = shop.guest_cart("PATIENT", 2).await;
        let order = shop.place(&cart, token, &shop.new_key()).await.expect(201).json();
        let id = text(&order["id"]);
        let path = format!("/v1/orders/{id}");
        Self { shop, admin, cart, id, path }
    }

    async fn get(&self, path: &str) -> Value {
        self.shop.get(&format!("{}{path}", self.path)).guest(&self.cart.token).send().await.expect(200).json()
    }

    /// The order, as soon as it is what `wanted` says.
    async fn once(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.shop.wait(what, async || Some(self.get("").await).filter(|order| wanted(order))).await
    }

    async fn once_it_waits(&self) -> Value {
        let order = self.once("the order to wait", |order| order["status"] == "awaiting_payment").await;
        assert!(order["pay_by"].is_string() && order["payment_status"] == "not_paid", "{order}");
        order
    }

    async fn once_paid(&self) -> Value {
        let paid = |order: &Value| order["status"] == "confirmed" && order["payment_status"] == "paid";
        let order = self.once("the order to be confirmed and paid", paid).await;
        assert!(order["payment"].get("action").is_none() && order["payment"].get("method_required").is_none());
        assert_eq!(order["payment"]["captured"], order["totals"]["total"]);
        order
    }

    async fn pay_with(&self, token: &str, key: &str) -> Reply {
        let method = json!({"payment_method": {"provider": "sandbox", "token": token}});
        let call = self.shop.post(&format!("{}/payment-attempts", self.path)).guest(&self.cart.token);
        call.key(key).json(&method).send().await
    }

    /// What the mail of this kind about the order says.
    async fn mail(&self, kind: &str) -> String {
        let is_it = |mail: &Value| mail["kind"] == kind && mail["about"] == self.id;
        let find = async || self.shop.mails("haneul@example.com").await.into_iter().find(is_it);
        let mail = self.shop.wait(&format!("a mail {kind}"), find).await;
        let mail = self.shop.get(&format!("/dev/mailbox/{}?show=text", mail["id"])).send().await;
        mail.expect(200).text
    }

    async fn until_stock_is(&self, on_hand: i64, reserved: i64) {
        let variant = text(&self.get("").await["lines"][0]["variant_id"]);
        let path = format!("/v1/variants/{variant}/stock");
        self.shop
            .wait("the stock", async || {
                let level = self.shop.get(&path).bearer(&self.admin).send().await.expect(200).json();
                (level["on_hand"] == on_hand && level["reserved"] == reserved).then_some(())
            })
            .await;
    }

    /// When the order first became `kind`.
    async fn time_of(&self, kind: &str) -> String {
        let events = self.get("/events?limit=100").await;
        let event = events["items"].as_array().unwrap().iter().find(|event| event["type"] == kind);
        text(&event.unwrap_or_else(|| panic!("no {kind} in {events}"))["at"])
    }
}

/// Asks any server: posts `body` if there is one.
async fn browse(url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Reply {
    let end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let config = HttpTransportConfig { base: url[..end].to_owned(), connect_timeout: Duration::from_secs(5) };
    let mut request = Request::builder().method(if body.is_some() { "POST" } else { "GET" }).uri(&url[end..]);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap();
    let (parts, body) = HttpTransport::new(&config).unwrap().send(request).await.unwrap().into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Reply { status: parts.status, headers: parts.headers, text }
}

/// Presses a button of the page at `url` and goes where the browser is sent.
async fn decide(shop: &Shop, url: &str, decision: &str) -> Value {
    let page = browse(url, &[], None).await.expect(200).text;
    assert!(page.contains("<form method=\"post\">"), "{page}");
    assert!(page.contains(&format!("name=\"decision\" value=\"{decision}\"")), "{page}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let sent = browse(url, &form, Some(&format!("decision={decision}"))).await.expect(303);
    let back = sent.headers["location"].to_str().unwrap();
    let path = back.strip_prefix(&shop.url).unwrap_or_else(|| panic!("not to the shop: {back}"));
    assert!(path.starts_with("/v1/payments/pay_") && path.contains("/return?authorization="), "{path}");
    shop.get(path).send().await.expect(200).json()
}

#[tokio::test]
async fn a_card_without_funds_is_replaced_by_another() {
    let order = Waiting::of(Shop::open().await, "tok_insufficient_funds").await;
    let waits = order.once_it_waits().await;
    let left = waits["payment"]["method_required"]["attempts_left"].as_u64().unwrap();
    assert_eq!(waits["payment"]["method_required"]["reason"], "insufficient_funds");
    assert!(left > 1, "{waits}");
    order.until_stock_is(STOCK, 2).await;
    assert!(order.mail("order_awaiting_payment").await.contains("잔액이 부족합니다"));

    order.pay_with("tok_insufficient_funds", "the-second-try").await.expect(201);
    let fewer = |order: &Value| order["payment"]["method_required"]["attempts_left"] == left - 1;
    let again = order.once("the second method to be declined", fewer).await;
    assert_eq!(again["pay_by"], waits["pay_by"], "trying again buys no time");
    order.pay_with("tok_approve", "the-third-try").await.expect(201);
    order.once_paid().await;
    order.until_stock_is(STOCK - 2, 0).await;
    order.mail("order_confirmed").await;

    let too_late = order.pay_with("tok_approve", "too-late").await;
    assert!(!too_late.headers.contains_key("idempotency-replayed"));
    let refused = too_late.problem(409, "payment_method_not_wanted");
    let replay = order.pay_with("tok_approve", "too-late").await;
    assert_eq!(replay.headers["idempotency-replayed"], "true");
    assert_eq!(replay.problem(409, "payment_method_not_wanted")["detail"], refused["detail"]);
    let path = format!("/v1/payments?order_id={}", order.id);
    let payments = order.shop.get(&path).bearer(&order.admin).send().await.expect(200).json();
    assert_eq!(payments["items"].as_array().unwrap().len(), 1, "{payments}");
    order.shop.stop_and_verify();
}

#[tokio::test]
async fn a_page_of_the_provider_is_shown_and_approved() {
    let order = Waiting::of(Shop::open().await, "tok_3ds").await;
    let waits = order.once_it_waits().await;
    assert_eq!(waits["payment"]["action"]["kind"], "redirect");
    let url = text(&waits["payment"]["action"]["url"]);
    assert!(order.mail("order_awaiting_payment").await.contains(&url));
    let back = decide(&order.shop, &url, "approve").await;
    assert_eq!(back["order_id"], order.id);
    assert_ne!(back["payment_state"], "requires_action", "the provider was asked");
    order.once_paid().await;
    let page = browse(&url, &[], None).await.expect(200).text;
    assert!(!page.contains("<form"), "decided once: {page}");
    order.shop.stop_and_verify();
}

#[tokio::test]
async fn a_page_of_the_provider_is_refused_and_another_method_wanted() {
    let order = Waiting::of(Shop::open().await, "tok_3ds").await;
    let url = text(&order.once_it_waits().await["payment"]["action"]["url"]);
    decide(&order.shop, &url, "refuse").await;
    let wanted = |order: &Value| order["payment"]["method_required"].is_object();
    let refused = order.once("another method to be wanted", wanted).await;
    assert_eq!(refused["status"], "awaiting_payment");
    assert_eq!(refused["payment"]["method_required"]["reason"], "authentication_failed");
    assert!(refused["payment"].get("action").is_none(), "{refused}");
    order.pay_with("tok_approve", "another-card").await.expect(201);
    order.once_paid().await;
    order.shop.stop_and_verify();
}

/// The provider as a process of its own, whose books and bank can be moved.
struct Bank {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Bank {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Bank {
    /// A shop, and its bank.
    async fn with_shop() -> (Shop, Self) {
        let url = format!("http://127.0.0.1:{}", free_port());
        let settings = format!(
            "[payment]\ninquiry_pause_ms = 100\n[payment.providers.sandbox]\nurl = \"{url}\"\n\
             secret_key = \"{SECRET_KEY}\"\nwebhook_secret = \"{WEBHOOK_SECRET}\"\n"
        );
        let shop = Shop::open_with(&settings).await;
        let folder = tempfile::tempdir().unwrap();
        let webhooks = format!("{}/v1/payment-providers/sandbox/webhooks", shop.url);
        let mut command = program();
        command.args(["sandbox-provider", "--control", "--listen", url.trim_start_matches("http://")]);
        command.args(["--secret-key", SECRET_KEY, "--webhook-secret", WEBHOOK_SECRET, "--webhook-url", &webhooks]);
        command.arg("--data-dir").arg(folder.path().join("data")).stdout(Stdio::null()).stderr(Stdio::null());
        (shop, Self { process: command.spawn().unwrap(), url, _folder: folder })
    }

    async fn order(&self, path: &str, body: &Value) -> Value {
        order_at(&self.url, path, body).await
    }
}

/// Asks the provider at `url` for something under `/control`.
async fn order_at(url: &str, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {SECRET_KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let reply = browse(&format!("{url}{path}"), &headers, Some(&body.to_string())).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
    reply.json()
}

#[tokio::test]
async fn a_transfer_arrives_and_is_taken_back() {
    let (shop, bank) = Bank::with_shop().await;
    let order = Waiting::of(shop, "tok_virtual_account").await;
    let waits = order.once_it_waits().await;
    let account = &waits["payment"]["action"];
    assert_eq!(account["kind"], "deposit");
    let mail = order.mail("order_awaiting_payment").await;
    for member in ["bank", "account_number", "holder"] {
        assert!(mail.contains(&text(&account[member])), "no {member} of {account} in {mail}");
    }
    let path = format!("/v1/payments?order_id={}", order.id);
    let payments = order.shop.get(&path).bearer(&order.admin).send().await.expect(200).json();
    let authorization = text(&payments["items"][0]["provider_ref"]);
    bank.order("/control/deposits", &json!({"id": authorization})).await;
    order.once_paid().await;

    let waited = order.time_of("awaiting_payment").await;
    let past = order.get(&format!("?at={waited}")).await;
    assert_eq!((&past["status"], &past["payment"]["action"]), (&json!("awaiting_payment"), account));

    bank.order(&format!("/control/deposits/{authorization}/reverse"), &json!({})).await;
    let gone = order.once("the reversal", |order| order["payment_status"] != "paid").await;
    assert_eq!(gone["payment"]["captured"]["amount_minor"], 0);
    let ship = order.shop.post(&format!("{}/fulfilments", order.path)).bearer(&order.admin).key("ship-it");
    let refused = ship.json(&json!({"shipped": true})).send().await.problem(409, "order_not_paid");
    assert_eq!(refused["payment_status"], gone["payment_status"]);
    order.shop.stop_and_verify();
}

#[tokio::test]
async fn the_provider_beside_the_shop_can_keep_its_address_and_key() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let settings = format!(
        "[sandbox_provider]\nlisten = \"{}\"\nsecret_key = \"{SECRET_KEY}\"\ncontrol = true\n",
        url.trim_start_matches("http://")
    );
    let mut order = Waiting::of(Shop::open_with(&settings).await, "tok_virtual_account").await;
    order.once_it_waits().await;
    order.shop = order.shop.kill_and_restart().await;
    order.admin = order.shop.admin_token().await;
    let path = format!("/v1/payments?order_id={}", order.id);
    let payments = order.shop.get(&path).bearer(&order.admin).send().await.expect(200).json();
    order_at(&url, "/control/deposits", &json!({"id": payments["items"][0]["provider_ref"]})).await;
    order.once_paid().await;
    order.shop.stop_and_verify();
}

#[tokio::test]
async fn nobody_pays_and_the_past_stays_to_be_seen() {
    let settings = "[order]\npay_within_seconds = 8\nhold_margin_seconds = 1\n";
    let order = Waiting::of(Shop::open_with(settings).await, "tok_3ds").await;
    let waits = order.once_it_waits().await;
    order.until_stock_is(STOCK, 2).await;
    let expired = order.once("the order to expire", |order| order["status"] == "expired").await;
    assert!(expired["status_reason"].is_string() && expired.get("pay_by").is_none(), "{expired}");
    assert!(expired["payment"].get("action").is_none(), "{expired}");
    order.until_stock_is(STOCK, 0).await;
    order.mail("order_expired").await;
    order.pay_with("tok_approve", "after-the-end").await.problem(409, "payment_method_not_wanted");

    let (waited, ended) = (order.time_of("awaiting_payment").await, order.time_of("expired").await);
    let past = order.get(&format!("?at={waited}")).await;
    for member in ["status", "payment", "pay_by", "version"] {
        assert_eq!(past[member], waits[member], "{member}");
    }
    let became = order.get(&format!("/changes?from={waited}&until={ended}")).await;
    let change = |path: &str| {
        let found = became["changes"].as_array().unwrap().iter().find(|change| change["path"] == path).cloned();
        found.unwrap_or_else(|| panic!("no {path} in {became}"))
    };
    assert_eq!(change("/status"), json!({"path": "/status", "before": "awaiting_payment", "after": "expired"}));
    assert_eq!(change("/payment/action")["before"]["url"], waits["payment"]["action"]["url"]);
    assert!(became["events"].as_array().unwrap().iter().any(|event| event["type"] == "expired"));
    let early = order.shop.get(&format!("{}?at=2001-01-01T00:00:00Z", order.path)).guest(&order.cart.token);
    assert_eq!(early.send().await.status, StatusCode::NOT_FOUND);
    order.shop.stop_and_verify();
}
