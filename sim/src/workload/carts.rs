//! Carts are filled, changed and looked at.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::{Cart, Person, address};
use crate::{
    client::{Ask, Identity},
    history::What,
    shop::text,
};

/// Makes a cart with `lines` of (variant, quantity); `None` if it was not made, or nobody knows.
pub(super) async fn new_cart(person: &mut Person, lines: &[(String, i64)]) -> Option<usize> {
    let lines: Vec<Value> =
        lines.iter().map(|(variant, quantity)| json!({"variant_id": variant, "quantity": quantity})).collect();
    let body = json!({
        "currency": "KRW", "email": "sim@example.com", "lines": lines,
        "shipping_address": address(), "shipping_method": "standard",
    });
    let key = person.key();
    let ask = Ask::post(&person.identity(), "/v1/carts", &key, body);
    let answer = person.shop.world.ask(&ask).await;
    let seen = answer.done()?.clone();
    let owner = match seen["guest_token"].as_str() {
        Some(token) => Identity::Guest(token.to_owned()),
        None => person.identity(),
    };
    let id = text(&seen["id"]);
    person.shop.own(&id, owner.clone());
    person.carts.push(Cart { id: id.clone(), owner, seen: seen.clone() });
    for line in seen["lines"].as_array().into_iter().flatten() {
        let (variant, quantity) = (text(&line["variant_id"]), line["quantity"].as_i64().unwrap_or(0));
        let what = What::CartAdd { cart: id.clone(), variant, quantity };
        person.shop.note(what, answer.clone(), ask.clone());
    }
    Some(person.carts.len() - 1)
}

/// A new cart, or one more line in an old one.
pub(super) async fn fill_cart(person: &mut Person) {
    let at = match person.any_cart() {
        Some(at) if person.rng.chance(0.6) => Some(at),
        _ => new_cart(person, &[]).await,
    };
    if let Some(at) = at {
        add(person, at, 1).await;
    }
}

/// Several lines at the same moment, perhaps of one variant.
pub(super) async fn add_side_by_side(person: &mut Person) {
    let at = match person.any_cart() {
        Some(at) if person.rng.chance(0.7) => Some(at),
        _ => new_cart(person, &[]).await,
    };
    if let Some(at) = at {
        let adds = person.rng.between(2, 4);
        add(person, at, adds).await;
    }
}

async fn add(person: &mut Person, at: usize, adds: u64) {
    let tries = person.tries();
    let mut asks = Vec::new();
    for _ in 0..adds {
        let Some(variant) = person.any_variant() else { return };
        let quantity = i64::try_from(person.rng.between(1, 3)).unwrap_or(1);
        let key = person.key();
        let cart = &person.carts[at];
        let body = json!({"variant_id": variant.id, "quantity": quantity});
        let ask = Ask::post(&cart.owner, format!("/v1/carts/{}/lines", cart.id), &key, body);
        asks.push((What::CartAdd { cart: cart.id.clone(), variant: variant.id, quantity }, ask));
    }
    let shop = std::sync::Arc::clone(&person.shop);
    let answers = join_all(asks.into_iter().map(|(what, ask)| shop.act(what, ask, tries))).await;
    if let Some(seen) = answers.iter().rev().find_map(|answer| answer.done()) {
        person.carts[at].seen = seen.clone();
    }
}

/// A line of one of the carts, as it was last seen: cart, line, variant.
fn any_line(person: &mut Person) -> Option<(usize, String, String)> {
    let at = person.any_cart()?;
    let lines = person.carts[at].seen["lines"].as_array()?.clone();
    let line = person.rng.pick(&lines)?;
    Some((at, text(&line["id"]), text(&line["variant_id"])))
}

/// Another quantity on a line.
pub(super) async fn change_quantity(person: &mut Person) {
    let Some((at, line, variant)) = any_line(person) else { return };
    let quantity = i64::try_from(person.rng.between(1, 5)).unwrap_or(1);
    let cart = person.carts[at].clone();
    let ask = Ask::send(
        Method::PATCH,
        &cart.owner,
        format!("/v1/carts/{}/lines/{line}", cart.id),
        json!({"quantity": quantity}),
    );
    let answer = person.shop.act(What::CartSet { cart: cart.id, variant, quantity }, ask, 1).await;
    if let Some(seen) = answer.done() {
        person.carts[at].seen = seen.clone();
    }
}

/// A line less.
pub(super) async fn remove_line(person: &mut Person) {
    let Some((at, line, variant)) = any_line(person) else { return };
    let cart = person.carts[at].clone();
    let path = format!("/v1/carts/{}/lines/{line}", cart.id);
    let ask = Ask::send(Method::DELETE, &cart.owner, path, Value::Null);
    let answer = person.shop.act(What::CartSet { cart: cart.id, variant, quantity: 0 }, ask, 1).await;
    if let Some(seen) = answer.done() {
        person.carts[at].seen = seen.clone();
    }
}

/// A look at a cart.
pub(super) async fn look_at_cart(person: &mut Person) {
    let Some(at) = person.any_cart() else { return };
    let cart = person.carts[at].clone();
    let ask = Ask::get(&cart.owner, format!("/v1/carts/{}", cart.id));
    let answer = person.shop.act(What::CartLook { cart: cart.id }, ask, 1).await;
    if let Some(seen) = answer.done() {
        person.carts[at].seen = seen.clone();
    }
}
