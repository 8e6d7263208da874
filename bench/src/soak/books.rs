//! What was answered with success, and what must therefore be there at the end.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Soak,
    patient::{As, Patient},
    provider::Provider,
};

/// Products that are bought.
pub(crate) const SKUS: usize = 8;
const STOCK: i64 = 1_000_000;
/// How long everything may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(120);

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Cancelled,
    /// So much went back.
    Refunded(i64),
}

/// An order that somebody was told of.
#[derive(Debug, Clone)]
pub(crate) struct Bought {
    pub(crate) guest: String,
    pub(crate) sku: usize,
    pub(crate) units: i64,
    pub(crate) total: i64,
    pub(crate) fate: Fate,
}

/// Everything that was answered with success.
#[derive(Default)]
pub(crate) struct Books {
    orders: BTreeMap<String, Bought>,
    variants: Vec<String>,
    /// Carts that nobody ordered: id, token, units.
    pub(crate) abandoned: Vec<(String, String, i64)>,
    pub(crate) cart_changes: u64,
    /// Answers marked as replays.
    pub(crate) replays: u64,
    /// Requests that had to be sent again.
    pub(crate) repeated: u64,
}

impl Books {
    pub(crate) fn note(&mut self, order: &str, bought: Bought) -> Result<()> {
        if let Some(before) = self.orders.insert(order.to_owned(), bought.clone()) {
            ensure!(before.guest == bought.guest, "{order} was answered to two customers");
        }
        Ok(())
    }

    pub(crate) fn summary(&self, orders: usize) -> String {
        let count = |wanted: fn(&Fate) -> bool| self.orders.values().filter(|bought| wanted(&bought.fate)).count();
        format!(
            "{orders} orders ({} cancelled, {} refunded in part), {} cart changes, {} carts left, {} replays, \
             {} requests repeated",
            count(|fate| *fate == Fate::Cancelled),
            count(|fate| matches!(fate, Fate::Refunded(_))),
            self.cart_changes,
            self.abandoned.len(),
            self.replays,
            self.repeated
        )
    }
}

/// Puts the goods on the shelf.
pub(crate) async fn stock_up(soak: &Soak) -> Result<()> {
    let mut client = Patient::new(soak);
    for sku in 0..SKUS {
        let product = json!({
            "handle": format!("soak-{sku}"), "status": "active", "title": {"ko": "시험 상품", "en": "Test product"},
            "variants": [{
                "sku": format!("SOAK-{sku}"), "track_stock": true, "on_hand": STOCK,
                "prices": [{"amount": {"amount_minor": 11000 + 700 * sku, "currency": "KRW"}}],
            }],
        });
        let product = client.post(As::Staff, "/v1/products", &format!("soak-product-{sku}"), &product).await?;
        let variant = product["variants"][0]["id"].as_str().context("a variant")?.to_owned();
        soak.books.borrow_mut().variants.push(variant);
    }
    Ok(())
}

/// Waits until all is at rest and compares it with what was promised; answers how many orders there are.
pub(crate) async fn settle(soak: &Soak, provider: &Provider) -> Result<usize> {
    let mut client = Patient::new(soak);
    let (orders, variants, abandoned) = {
        let books = soak.books.borrow();
        (books.orders.clone(), books.variants.clone(), books.abandoned.clone())
    };
    let (mut captured, mut refunded) = (0, 0);
    for (id, bought) in &orders {
        let order = at_rest(&mut client, id, bought).await?;
        let total = order["totals"]["total"]["amount_minor"].as_i64();
        ensure!(total == Some(bought.total), "{id} came to {} when it was placed: {order}", bought.total);
        if order["payment_status"] == "voided" || order["payment_status"] == "not_paid" {
            continue;
        }
        captured += bought.total;
        refunded += match bought.fate {
            Fate::Kept => 0,
            Fate::Cancelled => bought.total,
            Fate::Refunded(amount) => amount,
        };
    }
    let books = provider.settled(REST_MAX).await?;
    let charges = books["authorizations"].as_u64().context("authorizations")?;
    // An order that was called off before the provider heard of it has none.
    ensure!(charges <= orders.len() as u64, "{charges} authorizations for {} orders", orders.len());
    ensure!(books["captured_minor"] == captured, "the provider took other sums than {captured}: {books}");
    ensure!(books["refunded_minor"] == refunded, "the provider gave back other sums than {refunded}: {books}");
    for (sku, variant) in variants.iter().enumerate() {
        let sold = orders.values().filter(|bought| bought.sku == sku && bought.fate != Fate::Cancelled);
        let left = STOCK - sold.map(|bought| bought.units).sum::<i64>();
        let right = |level: &Value| level["on_hand"] == left && level["reserved"] == 0;
        let path = format!("/v1/variants/{variant}/stock");
        until(&mut client, As::Staff, &path, &format!("{left} on the shelf, none reserved"), right).await?;
    }
    for (cart, guest, units) in &abandoned {
        let shown = client.get(As::Guest(guest), &format!("/v1/carts/{cart}")).await?;
        ensure!(shown["lines"][0]["quantity"] == *units, "{units} were put into {cart}: {shown}");
    }
    let listed = count_orders(&mut client).await?;
    ensure!(listed == orders.len(), "{} orders were answered, {listed} are there", orders.len());
    Ok(listed)
}

async fn at_rest(client: &mut Patient<'_>, id: &str, bought: &Bought) -> Result<Value> {
    let path = format!("/v1/orders/{id}");
    let right = |order: &Value| {
        let (status, paid) = (order["status"].as_str(), order["payment_status"].as_str());
        match bought.fate {
            Fate::Kept => (status, paid) == (Some("confirmed"), Some("paid")),
            Fate::Refunded(_) => (status, paid) == (Some("confirmed"), Some("partially_refunded")),
            Fate::Cancelled => status == Some("cancelled") && matches!(paid, Some("refunded" | "voided" | "not_paid")),
        }
    };
    until(client, As::Guest(&bought.guest), &path, &format!("the end of {:?}", bought.fate), right).await
}

async fn until(
    client: &mut Patient<'_>,
    who: As<'_>,
    path: &str,
    what: &str,
    right: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let deadline = Instant::now() + REST_MAX;
    loop {
        let shown = client.get(who, path).await?;
        if right(&shown) {
            return Ok(shown);
        }
        if Instant::now() > deadline {
            bail!("{path} should show {what}, but is {shown}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count_orders(client: &mut Patient<'_>) -> Result<usize> {
    let (mut count, mut path) = (0, "/v1/orders?limit=100".to_owned());
    loop {
        let page = client.get(As::Staff, &path).await?;
        count += page["items"].as_array().context("a page")?.len();
        let Some(cursor) = page["next_cursor"].as_str() else { return Ok(count) };
        path = format!("/v1/orders?limit=100&cursor={cursor}");
    }
}
