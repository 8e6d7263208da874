//! Goods leave in parcels, are called off before that, and come back.

use http::Method;
use serde_json::{Value, json};

use super::Person;
use crate::{
    client::{Ask, Identity},
    history::What,
    shop::{KnownOrder, text},
};

/// Orders that somebody looks at to find one that suits.
const LOOKS_MAX: u32 = 8;

/// An order whose status is one of `statuses`, as staff sees it.
async fn find(person: &mut Person, own: bool, statuses: &[&str]) -> Option<(KnownOrder, Value)> {
    for _ in 0..LOOKS_MAX {
        let order = if own { person.own_order() } else { person.any_order() }?;
        let ask = Ask::get(&order.owner, format!("/v1/orders/{}", order.id));
        let seen = person.shop.world.ask(&ask).await.done().cloned().unwrap_or_default();
        if statuses.iter().any(|status| seen["status"] == *status) {
            return Some((order, seen));
        }
    }
    None
}

/// Some units of some lines, of each at most as many as `left` says; now and then one too many.
fn some_units(person: &mut Person, seen: &Value, left: impl Fn(&Value) -> i64) -> Vec<Value> {
    let mut units = Vec::new();
    for line in seen["lines"].as_array().into_iter().flatten() {
        let left = left(line) + i64::from(person.rng.chance(0.05));
        if left > 0 && person.rng.chance(0.7) {
            units.push(json!({"line_id": line["id"], "quantity": person.rng.between(1, left.unsigned_abs())}));
        }
    }
    units
}

fn number(line: &Value, name: &str) -> i64 {
    line[name].as_i64().unwrap_or(0)
}

/// Posts `body` under `path` of the order; what it makes is known by `mark`, which stands in it.
async fn make(person: &mut Person, order: &KnownOrder, who: &Identity, path: &str, what: (What, Value)) {
    let (key, tries) = (person.key(), person.tries());
    let ask = Ask::post(who, format!("/v1/orders/{}/{path}", order.id), &key, what.1);
    person.shop.act(what.0, ask, tries).await;
}

async fn ship(person: &mut Person, order: &KnownOrder, lines: Option<Vec<Value>>) {
    let mark = person.key();
    let mut body = json!({"tracking_number": mark, "carrier": "sim", "shipped": person.rng.chance(0.6)});
    if let Some(lines) = lines {
        body["lines"] = lines.into();
    }
    let (staff, order_id) = (person.shop.staff.clone(), order.id.clone());
    make(person, order, &staff, "fulfilments", (What::Fulfil { order: order_id, mark }, body)).await;
}

/// All that waits to leave, in one parcel.
pub(super) async fn ship_all(person: &mut Person) {
    if let Some((order, _)) = find(person, false, &["confirmed", "processing", "completed"]).await {
        ship(person, &order, None).await;
    }
}

/// Some of it.
pub(super) async fn ship_part(person: &mut Person) {
    let Some((order, seen)) = find(person, false, &["confirmed", "processing"]).await else { return };
    let left = |line: &Value| number(line, "quantity") - number(line, "cancelled") - number(line, "fulfilled");
    let lines = some_units(person, &seen, left);
    if !lines.is_empty() {
        ship(person, &order, Some(lines)).await;
    }
}

/// A parcel goes on, arrives, is lost or called off.
pub(super) async fn move_parcel(person: &mut Person) {
    let Some((order, seen)) = find(person, false, &["processing", "completed"]).await else { return };
    let parcels = seen["fulfilments"].as_array().cloned().unwrap_or_default();
    let Some(parcel) = person.rng.pick(&parcels).cloned() else { return };
    let steps: &[&str] = match parcel["status"].as_str() {
        Some("shipped") => &["delivered", "delivered", "delivered", "lost", "returned_to_sender"],
        Some("delivered") => &["delivered", "lost"],
        _ => &["allocated", "packed", "shipped", "shipped", "shipped", "cancelled"],
    };
    let status = person.rng.pick(steps).copied().unwrap_or("shipped");
    let path = format!("/v1/orders/{}/fulfilments/{}", order.id, text(&parcel["id"]));
    let ask = Ask::send(Method::PATCH, &person.shop.staff, path, json!({"status": status}));
    let tries = person.tries();
    person.shop.world.insist(&ask, tries).await;
}

/// Some of an order is called off.
pub(super) async fn cancel_units(person: &mut Person) {
    let is_staff = person.identity() == person.shop.staff;
    let Some((order, seen)) = find(person, !is_staff, &["confirmed", "processing"]).await else { return };
    let left = |line: &Value| number(line, "quantity") - number(line, "cancelled") - number(line, "fulfilled");
    let lines = some_units(person, &seen, left);
    if lines.is_empty() {
        return;
    }
    let mark = format!("cancel {}", person.key());
    let who = if is_staff { person.shop.staff.clone() } else { order.owner.clone() };
    let body = json!({"lines": lines, "reason": mark});
    let what = What::CancelUnits { order: order.id.clone(), mark };
    make(person, &order, &who, "cancel", (what, body)).await;
}

/// Goods are to come back; often staff deals with that at once.
pub(super) async fn send_back(person: &mut Person) {
    let is_staff = person.identity() == person.shop.staff;
    let Some((order, seen)) = find(person, !is_staff, &["processing", "completed"]).await else { return };
    let left = |line: &Value| number(line, "fulfilled") - number(line, "returned");
    let lines = some_units(person, &seen, left);
    if lines.is_empty() {
        return;
    }
    let mark = format!("return {}", person.key());
    let who = if is_staff { person.shop.staff.clone() } else { order.owner.clone() };
    let body = json!({"lines": lines, "reason": mark});
    let what = What::Return { order: order.id.clone(), mark };
    make(person, &order, &who, "returns", (what, body)).await;
    for _ in 0..person.rng.below(4) {
        deal_with_return(person, &order).await;
    }
}

/// Staff deals with some return.
pub(super) async fn deal_with_returns(person: &mut Person) {
    let Some((order, _)) = find(person, false, &["processing", "completed"]).await else { return };
    deal_with_return(person, &order).await;
}

/// A return of the order is approved or rejected, moved on, or its goods arrive.
async fn deal_with_return(person: &mut Person, order: &KnownOrder) {
    let ask = Ask::get(&person.shop.staff, format!("/v1/orders/{}", order.id));
    let seen = person.shop.world.ask(&ask).await.done().cloned().unwrap_or_default();
    let returns = seen["returns"].as_array().cloned().unwrap_or_default();
    let Some(returning) = person.rng.pick(&returns).cloned() else { return };
    let steps: &[&str] = match returning["status"].as_str() {
        Some("requested") => &["approved", "approved", "approved", "approved", "rejected", "cancelled"],
        Some("approved" | "in_transit" | "partially_received") if person.rng.chance(0.8) => {
            return receive(person, order, &returning).await;
        }
        Some("approved" | "in_transit") => &["in_transit", "in_transit", "cancelled"],
        _ => &["closed"],
    };
    let status = person.rng.pick(steps).copied().unwrap_or("approved");
    let path = format!("/v1/orders/{}/returns/{}", order.id, text(&returning["id"]));
    let ask = Ask::send(Method::PATCH, &person.shop.staff, path, json!({"status": status, "reason": "sim"}));
    let tries = person.tries();
    person.shop.world.insist(&ask, tries).await;
}

/// Goods of a return arrive, all or some of them, in good order or not.
async fn receive(person: &mut Person, order: &KnownOrder, returning: &Value) {
    let mut lines = Vec::new();
    for line in returning["lines"].as_array().into_iter().flatten() {
        let units = number(line, "quantity").unsigned_abs().max(1);
        let quantity = if person.rng.chance(0.6) { units } else { person.rng.between(1, units) };
        let restock = person.rng.chance(0.7);
        lines.push(json!({"line_id": line["line_id"], "quantity": quantity, "restock": restock}));
    }
    let body = json!({"lines": lines, "include_shipping": person.rng.chance(0.4)});
    let (staff, id) = (person.shop.staff.clone(), text(&returning["id"]));
    let what = What::Receive { order: order.id.clone(), returning: id.clone() };
    make(person, order, &staff, &format!("returns/{id}/receipts"), (what, body)).await;
}
