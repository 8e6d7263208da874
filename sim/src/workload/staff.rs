//! Staff looks after shelf, prices and orders.

use http::Method;
use serde_json::json;

use super::{Person, money};
use crate::{client::Ask, history::What};

/// More units on the shelf.
pub(super) async fn restock(person: &mut Person) {
    let delta = i64::try_from(person.rng.between(1, 5)).unwrap_or(1);
    adjust(person, delta).await;
}

/// Fewer units on the shelf.
pub(super) async fn write_off(person: &mut Person) {
    let delta = i64::try_from(person.rng.between(1, 3)).unwrap_or(1);
    adjust(person, -delta).await;
}

async fn adjust(person: &mut Person, delta: i64) {
    let Some(variant) = person.any_variant().filter(|variant| variant.tracked) else { return };
    let (key, tries) = (person.key(), person.tries());
    let path = format!("/v1/variants/{}/stock-adjustments", variant.id);
    let ask = Ask::post(&person.shop.staff, path, &key, json!({"delta": delta, "reason": "sim"}));
    person.shop.act(What::Adjust { variant: variant.id, delta }, ask, tries).await;
}

/// Another price.
pub(super) async fn edit_price(person: &mut Person) {
    let Some(variant) = person.any_variant() else { return };
    let price = i64::try_from(person.rng.between(100, 60_000)).unwrap_or(100);
    let path = format!("/v1/variants/{}/prices", variant.id);
    let ask = Ask::send(Method::PUT, &person.shop.staff, path, json!({"prices": [{"amount": money(price)}]}));
    person.shop.world.ask(&ask).await;
}

/// Somebody's order is called off.
pub(super) async fn cancel_any_order(person: &mut Person) {
    let Some(order) = person.any_order() else { return };
    let (key, tries) = (person.key(), person.tries());
    let path = format!("/v1/orders/{}/cancel", order.id);
    let ask = Ask::post(&person.shop.staff, path, &key, json!({"reason": "out of business"}));
    person.shop.act(What::Cancel { order: order.id }, ask, tries).await;
}

/// A look at lists.
pub(super) async fn look_around(person: &mut Person) {
    let staff = person.shop.staff.clone();
    for path in ["/v1/orders?limit=5", "/v1/payments?limit=5", "/v1/products?limit=5"] {
        person.shop.world.ask(&Ask::get(&staff, path)).await;
    }
}
