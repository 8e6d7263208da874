//! Carts become orders.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{Person, TOKENS, carts::new_cart, money};
use crate::{
    client::{Answer, Ask},
    history::What,
    shop::{KnownOrder, text},
};

/// A new cart with one or two lines, ordered at once.
pub(super) async fn buy_now(person: &mut Person) {
    let mut lines = Vec::new();
    for _ in 0..person.rng.between(1, 2) {
        let Some(variant) = person.any_variant() else { return };
        lines.push((variant.id, i64::try_from(person.rng.between(1, 2)).unwrap_or(1)));
    }
    if let Some(at) = new_cart(person, &lines).await {
        order(person, at, 1).await;
    }
}

/// One of the carts is ordered.
pub(super) async fn check_out(person: &mut Person) {
    if let Some(at) = person.any_cart() {
        order(person, at, 1).await;
    }
}

/// One of the carts is ordered two or three times at the same moment, with the same key and with others.
pub(super) async fn check_out_twice_at_once(person: &mut Person) {
    let times = person.rng.between(2, 3);
    if let Some(at) = person.any_cart() {
        order(person, at, times).await;
    }
}

async fn order(person: &mut Person, at: usize, times: u64) {
    let cart = person.carts[at].clone();
    let token = person.rng.pick(TOKENS).copied().unwrap_or("tok_approve");
    let mut body = json!({"cart_id": cart.id, "payment_method": {"provider": "sandbox", "token": token}});
    if person.rng.chance(0.3) {
        // What the buyer saw; prices may have changed since.
        body["expected_total"] = match &cart.seen["totals"]["total"] {
            Value::Null => money(1),
            seen => seen.clone(),
        };
    }
    let tries = person.tries();
    let mut key = person.key();
    let mut asks = Vec::new();
    for _ in 0..times {
        asks.push((key.clone(), Ask::post(&cart.owner, "/v1/orders", &key, body.clone())));
        if person.rng.chance(0.5) {
            key = person.key();
        }
    }
    let shop = std::sync::Arc::clone(&person.shop);
    let acts = asks.into_iter().map(|(key, ask)| shop.act(What::Checkout { cart: cart.id.clone(), key }, ask, tries));
    for answer in join_all(acts).await {
        if let Answer::Done(order) = answer {
            shop.know(KnownOrder { id: text(&order["id"]), owner: cart.owner.clone() });
        }
    }
    // Now and then somebody goes on with a cart that is ordered.
    if person.rng.chance(0.8) {
        person.carts[at].seen = Value::Null;
    }
}
