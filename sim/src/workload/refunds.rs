//! Staff gives money back.

use serde_json::{Value, json};

use super::{Person, money};
use crate::{
    client::Ask,
    history::What,
    shop::{KnownOrder, text},
};

async fn refund(person: &mut Person, order: KnownOrder, mut body: Value) {
    let (key, tries) = (person.key(), person.tries());
    // Unique, so that it is recognised later.
    let reason = format!("refund {key}");
    body["reason"] = reason.clone().into();
    let ask = Ask::post(&person.shop.staff, format!("/v1/orders/{}/refunds", order.id), &key, body);
    person.shop.act(What::Refund { order: order.id, reason }, ask, tries).await;
}

async fn see(person: &Person, order: &KnownOrder) -> Value {
    let ask = Ask::get(&person.shop.staff, format!("/v1/orders/{}", order.id));
    person.shop.world.ask(&ask).await.done().cloned().unwrap_or_default()
}

/// All that is left.
pub(super) async fn refund_rest(person: &mut Person) {
    if let Some(order) = person.any_order() {
        refund(person, order, json!({})).await;
    }
}

/// Some of it.
pub(super) async fn refund_amount(person: &mut Person) {
    let Some(order) = person.any_order() else { return };
    let captured = see(person, &order).await["payment"]["captured"]["amount_minor"].as_i64().unwrap_or(5_000);
    let amount = i64::try_from(person.rng.between(1, captured.max(1).unsigned_abs())).unwrap_or(1);
    refund(person, order, json!({"amount": money(amount)})).await;
}

/// More than there is.
pub(super) async fn refund_too_much(person: &mut Person) {
    let Some(order) = person.any_order() else { return };
    let total = see(person, &order).await["totals"]["total"]["amount_minor"].as_i64().unwrap_or(0);
    refund(person, order, json!({"amount": money(total + 1)})).await;
}

/// Units of a line, which go back on the shelf or do not.
pub(super) async fn refund_units(person: &mut Person) {
    let Some(order) = person.any_order() else { return };
    let seen = see(person, &order).await;
    let lines = seen["lines"].as_array().cloned().unwrap_or_default();
    let Some(line) = person.rng.pick(&lines).cloned() else { return };
    let units = line["quantity"].as_i64().unwrap_or(1).unsigned_abs();
    let quantity = person.rng.between(1, units + u64::from(person.rng.clone().chance(0.1)));
    let restock = person.rng.chance(0.7);
    let lines = json!([{"line_id": text(&line["id"]), "quantity": quantity, "restock": restock}]);
    refund(person, order, json!({"lines": lines})).await;
}
