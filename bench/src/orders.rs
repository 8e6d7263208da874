//! Orders, placed to confirmed: stock reserved, payment authorized at a provider over HTTP, everything durable.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::{
    Effort, disk,
    http1::{self, Answer, Connection, member},
    load::{self, Latencies, Window},
    report::{Figure, Report, Target},
    shop::{Metrics, Shop},
};

/// After this an order is taken for lost, and the bench fails.
const ENDED_MAX: Duration = Duration::from_secs(30);
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// Clients of the level that is judged.
const JUDGED: usize = 256;

pub(crate) async fn measure(shop: &Shop, effort: Effort, report: &mut Report) -> Result<()> {
    let syncs = report.value(disk::SYNCS).context("the disk was not measured")?;
    let variants = variants(shop.address).await?;
    let window @ (warm_up, run) = (effort.warm_up, effort.measure);
    let mut per_second = 0.0;
    for clients in [1, 16, 64, JUDGED] {
        let outcome = checkouts(shop.address, &variants, clients, Vec::new(), window, Until::Confirmed).await?;
        per_second = outcome.per_second;
        add(report, &format!("whole checkouts, {clients} clients"), outcome, syncs, None);
    }
    // The carts made before: from placing to confirmed, and nothing else.
    let carts = (per_second * 2.0 * (warm_up + run).as_secs_f64()) as usize;
    let carts = prepare_carts(shop.address, &variants, JUDGED, carts.div_ceil(JUDGED)).await?;
    let before = shop.metrics().await?;
    let outcome = checkouts(shop.address, &variants, JUDGED, carts, window, Until::Confirmed).await?;
    let sharing = Sharing::between(&before, &shop.metrics().await?, outcome.bought);
    let target = Some(Target::RatioAtLeast(2.0));
    add(report, &format!("orders placed to confirmed, {JUDGED} clients"), outcome, syncs, target);
    sharing.add(report);
    Ok(())
}

/// How many share a commit, and with it the wait for the disk.
struct Sharing {
    commits: f64,
    transactions: f64,
    orders: f64,
}

impl Sharing {
    /// A shop that does not say which commits wait for the disk waits for every one.
    fn between(before: &Metrics, after: &Metrics, orders: usize) -> Self {
        let grown = |name: &str, label: &str| after.sum(name, label) - before.sum(name, label);
        let labelled = after.sum("sqlite_batch_transactions_count", "synced=") > 0.0;
        let commits = grown("sqlite_batch_transactions_count", if labelled { "synced=\"true\"" } else { "" });
        Self { commits, transactions: grown("sqlite_batch_transactions_sum", ""), orders: orders as f64 }
    }

    fn add(&self, report: &mut Report) {
        report.add(Figure::new("  synced commits per order, all databases", self.commits / self.orders, ""));
        report.add(Figure::new("  transactions per order", self.transactions / self.orders, ""));
        report.add(Figure::new("  transactions per synced commit", self.transactions / self.commits, ""));
    }
}

fn add(report: &mut Report, name: &str, mut outcome: Checkouts, syncs: f64, target: Option<Target>) {
    let figure = Figure::new(name, outcome.per_second, "/s")
        .p50(outcome.ended.percentile_ms(50.0))
        .p99(outcome.ended.percentile_ms(99.0))
        .against(disk::SYNCS, syncs);
    report.add(match target {
        Some(target) => figure.target(target),
        None => figure,
    });
    report.add(
        Figure::new(&format!("{name}: the answer 201"), outcome.per_second, "/s")
            .p50(outcome.placed.percentile_ms(50.0))
            .p99(outcome.placed.percentile_ms(99.0)),
    );
}

/// What a loop of checkouts came to. Making a cart may be part of the loop, and so of the rate, but never of the
/// latencies.
pub(crate) struct Checkouts {
    pub(crate) per_second: f64,
    /// Orders confirmed, before and after the window too.
    bought: usize,
    /// From placing to the answer 201.
    pub(crate) placed: Latencies,
    /// From placing to what was waited for, as the client sees it.
    pub(crate) ended: Latencies,
}

/// What a buyer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Payment is certain.
    Confirmed,
    /// The money was taken.
    Captured,
}

impl Until {
    /// What the order says then.
    fn mark(self) -> &'static [u8] {
        match self {
            Self::Confirmed => b"\"status\":\"confirmed\"",
            Self::Captured => b"\"payment_status\":\"paid\"",
        }
    }
}

/// A guest's cart.
pub(crate) struct Cart {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// Carts per client, to be ordered later.
pub(crate) async fn prepare_carts(
    address: SocketAddr,
    variants: &Rc<[String]>,
    clients: usize,
    each: usize,
) -> Result<Vec<Vec<Cart>>> {
    let carts: Rc<RefCell<Vec<Vec<Cart>>>> = Rc::default();
    load::run_clients(clients, |number| {
        let (carts, variants) = (Rc::clone(&carts), Rc::clone(variants));
        async move {
            let mut connection = Connection::open(address).await.context("cannot connect")?;
            let mut own = Vec::with_capacity(each);
            for turn in 0..each {
                own.push(make_cart(&mut connection, &variants, number, turn).await?);
            }
            carts.borrow_mut().push(own);
            Ok(())
        }
    })
    .await?;
    Ok(carts.take())
}

/// Lets `clients` buy. Each uses up its part of `carts` first and then makes its own.
pub(crate) async fn checkouts(
    address: SocketAddr,
    variants: &Rc<[String]>,
    clients: usize,
    carts: Vec<Vec<Cart>>,
    (warm_up, measure): (Duration, Duration),
    until: Until,
) -> Result<Checkouts> {
    let shared = Rc::new(Shared {
        variants: Rc::clone(variants),
        carts: RefCell::new(carts),
        window: Window::new(warm_up, measure),
        until,
        // Another shop, another level, another bench: no key is ever used twice.
        salt: std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_nanos(),
        usual: Cell::new(Duration::from_millis(5)),
        bought: Cell::new(0),
        placed: RefCell::default(),
        ended: RefCell::default(),
    });
    load::run_clients(clients, |number| {
        let shared = Rc::clone(&shared);
        async move {
            let mut connection = Connection::open(address).await.context("cannot connect")?;
            let carts = shared.carts.borrow_mut().pop().unwrap_or_default();
            let mut shopper = Shopper { shared: &shared, number, turn: 0, carts };
            while !shared.window.is_over() {
                shopper.buy(&mut connection).await?;
            }
            Ok(())
        }
    })
    .await?;
    let (placed, ended) = (shared.placed.take(), shared.ended.take());
    if ended.len() == 0 {
        bail!("no order was {until:?} in {measure:?} with {clients} clients");
    }
    let per_second = ended.len() as f64 / shared.window.seconds();
    Ok(Checkouts { per_second, bought: shared.bought.get(), placed, ended })
}

struct Shared {
    variants: Rc<[String]>,
    carts: RefCell<Vec<Vec<Cart>>>,
    window: Window,
    until: Until,
    salt: u128,
    /// What an order usually takes, so that clients ask about when it should be done and not all the time.
    usual: Cell<Duration>,
    bought: Cell<usize>,
    placed: RefCell<Latencies>,
    ended: RefCell<Latencies>,
}

struct Shopper<'a> {
    shared: &'a Shared,
    number: usize,
    turn: usize,
    carts: Vec<Cart>,
}

impl Shopper<'_> {
    async fn buy(&mut self, connection: &mut Connection) -> Result<()> {
        self.turn += 1;
        let Cart { id: cart_id, token } = match self.carts.pop() {
            Some(cart) => cart,
            None => make_cart(connection, &self.shared.variants, self.number, self.turn).await?,
        };
        let key = format!("bench-{:x}-{}-{}", self.shared.salt, self.number, self.turn);
        let body =
            format!(r#"{{"cart_id":"{cart_id}","payment_method":{{"provider":"sandbox","token":"tok_approve"}}}}"#);
        let headers = [JSON, ("guest-token", &token), ("idempotency-key", &key)];
        let started = Instant::now();
        let answer = connection.ask(Method::POST, "/v1/orders", &headers, body.into()).await?;
        let placed = Instant::now();
        match answer.status {
            StatusCode::CREATED => {}
            // Sold out meanwhile; another one next time.
            StatusCode::CONFLICT => return Ok(()),
            _ => return Err(unexpected("POST /v1/orders", &answer)),
        }
        let path = format!("/v1/orders/{}", member(&answer.body, "\"id\":\"")?);
        self.until_ended(connection, &path, &token, started).await?;
        let ended = Instant::now();
        let usual = self.shared.usual.get();
        self.shared.usual.set(usual.mul_f64(0.9) + (ended - started).mul_f64(0.1));
        self.shared.bought.set(self.shared.bought.get() + 1);
        if self.shared.window.counts(ended) {
            self.shared.placed.borrow_mut().note(placed - started);
            self.shared.ended.borrow_mut().note(ended - started);
        }
        Ok(())
    }

    /// Asks first when the order should nearly be done, then often.
    async fn until_ended(&self, connection: &mut Connection, path: &str, token: &str, started: Instant) -> Result<()> {
        let usual = self.shared.usual.get();
        let mut ask_at = started + usual.mul_f64(0.8);
        loop {
            tokio::time::sleep_until(ask_at).await;
            let answer = connection.ask(Method::GET, path, &[("guest-token", token)], Bytes::new()).await?;
            let says = |status: &str| contains(&answer.body, format!("\"status\":\"{status}\"").as_bytes());
            if answer.status != StatusCode::OK || says("rejected") || says("expired") || says("cancelled") {
                return Err(unexpected(path, &answer));
            }
            if contains(&answer.body, self.shared.until.mark()) {
                return Ok(());
            }
            if started.elapsed() > ENDED_MAX {
                bail!("an order was not {:?} within {ENDED_MAX:?}", self.shared.until);
            }
            ask_at = Instant::now() + usual.mul_f64(0.1).max(Duration::from_millis(1));
        }
    }
}

pub(crate) async fn make_cart(
    connection: &mut Connection,
    variants: &[String],
    number: usize,
    turn: usize,
) -> Result<Cart> {
    // A different variant each time, spread over the catalogue (Knuth's multiplicative hash).
    let mixed = (number * 1_000_003 + turn).wrapping_mul(2_654_435_761);
    let variant = &variants[mixed % variants.len()];
    let body = format!(
        r#"{{"currency":"KRW","locale":"ko","email":"buyer{number}@example.com","lines":[{{"variant_id":"{variant}","quantity":1}}],"shipping_address":{{"name":"김하늘","phone":"+821012345678","country":"KR","postal_code":"04524","city":"서울특별시 중구","line1":"세종대로 110"}},"shipping_method":"standard"}}"#
    );
    let answer = connection.ask(Method::POST, "/v1/carts", &[JSON], body.into()).await?;
    if answer.status != StatusCode::CREATED {
        return Err(unexpected("POST /v1/carts", &answer));
    }
    Ok(Cart { id: member(&answer.body, "\"id\":\"")?, token: member(&answer.body, "\"guest_token\":\"")? })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn unexpected(what: &str, answer: &Answer) -> anyhow::Error {
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(500).collect();
    anyhow::anyhow!("{what} answered {}: {body}", answer.status)
}

/// Variants from all over the catalogue, whatever else a product says: the first pages of several orders.
pub(crate) async fn variants(address: SocketAddr) -> Result<Rc<[String]>> {
    const PAGES_MAX: usize = 5;
    let mut found = BTreeSet::new();
    for sort in ["newest", "price", "-price", "title"] {
        let first = format!("/v1/products?limit=100&sort={sort}");
        let mut path = first.clone();
        for _ in 0..PAGES_MAX {
            let answer = http1::get(address, &path).await?;
            let text = std::str::from_utf8(&answer.body)?;
            found.extend(text.split('"').filter(|word| word.starts_with("var_")).map(str::to_owned));
            match member(&answer.body, "\"next_cursor\":\"") {
                Ok(cursor) => path = format!("{first}&cursor={cursor}"),
                Err(_) => break,
            }
        }
    }
    if found.is_empty() {
        bail!("the catalogue shows no variants");
    }
    Ok(found.into_iter().collect())
}
