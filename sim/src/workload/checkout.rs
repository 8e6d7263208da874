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

/// Several people want the same thing at the same moment.
pub(super) async fn rush(person: &mut Person) {
    let Some(variant) = person.any_variant() else { return };
    let mut carts = Vec::new();
    for _ in 0..person.rng.between(2, 5) {
        carts.extend(new_cart(person, &[(variant.id.clone(), 1)]).await);
    }
    let mut orders = Vec::new();
    for at in carts {
        orders.extend(asks(person, at, 1));
    }
    place(person, orders, vec![]).await;
}

/// One of the carts gets more while it is ordered.
pub(super) async fn check_out_while_adding(person: &mut Person) {
    let (Some(at), Some(variant)) = (person.any_cart(), person.any_variant()) else { return };
    let cart = person.carts[at].clone();
    let orders = asks(person, at, 1);
    let body = json!({"variant_id": variant.id, "quantity": 1});
    let add = Ask::post(&cart.owner, format!("/v1/carts/{}/lines", cart.id), &person.key(), body);
    place(person, orders, vec![(What::CartAdd { cart: cart.id, variant: variant.id, quantity: 1 }, add)]).await;
}

async fn order(person: &mut Person, at: usize, times: u64) {
    let orders = asks(person, at, times);
    place(person, orders, vec![]).await;
    // Now and then somebody goes on with a cart that is ordered.
    if person.rng.chance(0.8) {
        person.carts[at].seen = Value::Null;
    }
}

/// So many requests to order the cart, some under the same key.
fn asks(person: &mut Person, at: usize, times: u64) -> Vec<(What, Ask)> {
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
    let mut key = person.key();
    let mut asks = Vec::new();
    for _ in 0..times {
        let what = What::Checkout { cart: cart.id.clone(), key: key.clone() };
        asks.push((what, Ask::post(&cart.owner, "/v1/orders", &key, body.clone())));
        if person.rng.chance(0.5) {
            key = person.key();
        }
    }
    asks
}

/// Places `orders` and does `others`, all at the same moment.
async fn place(person: &mut Person, orders: Vec<(What, Ask)>, others: Vec<(What, Ask)>) {
    let tries = person.tries();
    let shop = std::sync::Arc::clone(&person.shop);
    let acts = orders.into_iter().chain(others).map(async |(what, ask)| {
        let is_order = matches!(what, What::Checkout { .. });
        let owner = ask.identity.clone();
        if let Answer::Done(order) = shop.act(what, ask, tries).await
            && is_order
        {
            shop.know(KnownOrder { id: text(&order["id"]), owner });
        }
    });
    join_all(acts).await;
}
