//! Everything at once, as in a shop with customers: pages are read, carts filled, orders placed, cancelled,
//! refunded, sent and sent back.

use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, rc::Rc};

use anyhow::{Context as _, Result, bail};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Effort,
    http1::{Answer, Connection},
    list,
    load::{self, Latencies, Window},
    orders::{self, Cart, JSON},
    report::{Figure, Report},
    shop::Shop,
};

const CLIENTS: usize = 64;
/// Pages that are looked at before something is bought.
const PAGES: usize = 12;

/// What becomes of an order.
#[derive(Debug, Clone, Copy)]
enum Afterwards {
    Kept,
    Cancelled,
    Refunded,
    Returned,
}

/// In turn: of ten orders one is cancelled, one is refunded in part, and one is sent and comes back.
const AFTERWARDS: [Afterwards; 10] = {
    use Afterwards::{Cancelled, Kept, Refunded, Returned};
    [Kept, Kept, Returned, Kept, Cancelled, Kept, Kept, Kept, Kept, Refunded]
};

pub(crate) async fn measure(shop: &Shop, effort: Effort, report: &mut Report) -> Result<()> {
    let shared = Rc::new(Shared {
        address: shop.address,
        variants: orders::variants(shop.address).await?,
        staff: format!("Bearer {}", sign_in(shop).await?),
        window: Window::new(effort.warm_up, effort.measure),
        salt: std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_nanos(),
        latencies: RefCell::default(),
    });
    load::run_clients(CLIENTS, |number| client(Rc::clone(&shared), number)).await?;
    let latencies = shared.latencies.take();
    let all: usize = latencies.values().map(Latencies::len).sum();
    let seconds = shared.window.seconds();
    report.add(Figure::new(&format!("mixed load, {CLIENTS} clients"), all as f64 / seconds, "requests/s"));
    for (what, mut latencies) in latencies {
        report.add(
            Figure::new(&format!("  {what}"), latencies.len() as f64 / seconds, "/s")
                .p50(latencies.percentile_ms(50.0))
                .p99(latencies.percentile_ms(99.0)),
        );
    }
    Ok(())
}

struct Shared {
    address: SocketAddr,
    variants: Rc<[String]>,
    staff: String,
    window: Window,
    salt: u128,
    latencies: RefCell<BTreeMap<&'static str, Latencies>>,
}

async fn client(shared: Rc<Shared>, number: usize) -> Result<()> {
    let connection = Connection::open(shared.address).await.context("cannot connect")?;
    let mut customer = Customer { shared: &shared, connection, key: String::new() };
    for turn in 0.. {
        if shared.window.is_over() {
            break;
        }
        customer.key = format!("mixed-{:x}-{number}-{turn}", shared.salt);
        for _ in 0..PAGES {
            customer.ask("list", Method::GET, list::PATH, &[], None, StatusCode::OK).await?;
        }
        let cart = orders::make_cart(&mut customer.connection, &shared.variants, number, turn).await?;
        customer.buy(&cart, AFTERWARDS[(number + turn) % AFTERWARDS.len()]).await?;
    }
    Ok(())
}

struct Customer<'a> {
    shared: &'a Shared,
    connection: Connection,
    key: String,
}

impl Customer<'_> {
    async fn buy(&mut self, cart: &Cart, afterwards: Afterwards) -> Result<()> {
        let guest = ("guest-token", cart.token.as_str());
        let body = json!({"cart_id": cart.id, "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
        let key = format!("{}-order", self.key);
        let headers = [guest, ("idempotency-key", &key)];
        let order = self.ask("place", Method::POST, "/v1/orders", &headers, Some(&body), StatusCode::CREATED).await?;
        if order.status == StatusCode::CONFLICT {
            return Ok(());
        }
        let order: Value = serde_json::from_slice(&order.body)?;
        let path = format!("/v1/orders/{}", order["id"].as_str().context("an id")?);
        match afterwards {
            Afterwards::Kept => Ok(()),
            Afterwards::Cancelled => self.cancel(&path, guest).await,
            Afterwards::Refunded => self.refund(&path, guest).await,
            Afterwards::Returned => self.take_back(&path, guest, &order["lines"]).await,
        }
    }

    async fn cancel(&mut self, path: &str, guest: (&'static str, &str)) -> Result<()> {
        let (path, key) = (format!("{path}/cancel"), format!("{}-cancel", self.key));
        let (headers, body) = ([guest, ("idempotency-key", &key)], json!({"reason": "changed my mind"}));
        self.ask("cancel", Method::POST, &path, &headers, Some(&body), StatusCode::OK).await.map(drop)
    }

    /// Gives a part back, once it was paid.
    async fn refund(&mut self, path: &str, guest: (&'static str, &str)) -> Result<()> {
        self.until_paid(path, guest).await?;
        let staff = ("authorization", self.shared.staff.as_str());
        let body = json!({"amount": {"amount_minor": 100, "currency": "KRW"}, "reason": "scratched"});
        self.post("refund", &format!("{path}/refunds"), staff, &body).await.map(drop)
    }

    /// Sends everything, once it was paid, and takes it back: four requests of two people.
    async fn take_back(&mut self, path: &str, guest: (&'static str, &str), lines: &Value) -> Result<()> {
        self.until_paid(path, guest).await?;
        let shared = self.shared;
        let staff = ("authorization", shared.staff.as_str());
        let all = lines.as_array().context("lines")?;
        let unit = |line: &Value| json!({"line_id": line["id"], "quantity": line["quantity"]});
        let unit_to_restock =
            |line: &Value| json!({"line_id": line["id"], "quantity": line["quantity"], "restock": true});
        let shipped = json!({"shipped": true});
        self.post("ship", &format!("{path}/fulfilments"), staff, &shipped).await?;
        let wanted = json!({"lines": all.iter().map(unit).collect::<Vec<_>>(), "reason": "does not fit"});
        let asked = self.post("ask for a return", &format!("{path}/returns"), guest, &wanted).await?;
        let asked: Value = serde_json::from_slice(&asked.body)?;
        let path = format!("{path}/returns/{}", asked["returns"][0]["id"].as_str().context("a return")?);
        let approved = json!({"status": "approved"});
        self.ask("approve a return", Method::PATCH, &path, &[staff], Some(&approved), StatusCode::OK).await?;
        let arrived: Vec<_> = all.iter().map(unit_to_restock).collect();
        let receipt = json!({"lines": arrived, "include_shipping": true});
        self.post("receive a return", &format!("{path}/receipts"), staff, &receipt).await.map(drop)
    }

    /// Asks for something to be made, under a key of its own.
    async fn post(
        &mut self,
        what: &'static str,
        path: &str,
        who: (&'static str, &str),
        body: &Value,
    ) -> Result<Answer> {
        let key = format!("{}-{what}", self.key).replace(' ', "-");
        let headers = [who, ("idempotency-key", &key)];
        self.ask(what, Method::POST, path, &headers, Some(body), StatusCode::CREATED).await
    }

    async fn until_paid(&mut self, path: &str, guest: (&'static str, &str)) -> Result<()> {
        loop {
            let answer = self.ask("show an order", Method::GET, path, &[guest], None, StatusCode::OK).await?;
            let order: Value = serde_json::from_slice(&answer.body)?;
            if order["payment_status"] == "paid" {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    async fn ask(
        &mut self,
        what: &'static str,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
        expected: StatusCode,
    ) -> Result<Answer> {
        let headers = [headers, &[JSON]].concat();
        let body = body.map(ToString::to_string).unwrap_or_default();
        let started = Instant::now();
        let answer = self.connection.ask(method, path, &headers, body.into()).await?;
        let ended = Instant::now();
        if answer.status != expected {
            let body = String::from_utf8_lossy(&answer.body);
            if body.contains("insufficient_stock") {
                // Sold out meanwhile; another one next time.
                return Ok(answer);
            }
            bail!("{what}: {path} answered {}: {body}", answer.status);
        }
        if self.shared.window.counts(ended) {
            self.shared.latencies.borrow_mut().entry(what).or_default().note(ended - started);
        }
        Ok(answer)
    }
}

async fn sign_in(shop: &Shop) -> Result<String> {
    let (email, password) = shop.admin().await?;
    let body = json!({"email": email, "password": password}).to_string();
    let mut connection = Connection::open(shop.address).await?;
    let answer = connection.ask(Method::POST, "/v1/sessions", &[JSON], body.into()).await?;
    let session: Value = serde_json::from_slice(&answer.body)?;
    Ok(session["access_token"].as_str().context("an access token")?.to_owned())
}
