//! What clients were told about orders and money, held against orders, payments and the provider's books.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    client::Answer,
    history::{Act, What},
    shop::text,
};

/// An order with everything that three parties know of its money.
#[derive(Debug, Clone)]
pub struct Account {
    /// As the order service shows it.
    pub order: Value,
    /// As the payment service shows it; most orders have exactly one.
    pub payments: Vec<Value>,
    /// As the provider shows it.
    pub authorizations: Vec<Value>,
}

/// Orders at whose end nothing is kept.
const UNDONE: [&str; 3] = ["rejected", "expired", "cancelled"];
/// Orders that wait for a person outside of the shop.
const WAITING: [&str; 1] = ["on_hold"];

fn minor(value: &Value) -> i64 {
    value["amount_minor"].as_i64().or_else(|| value.as_i64()).unwrap_or(0)
}

/// One charge per order, and all three agree on it.
pub fn judge_account(account: &Account) -> Vec<String> {
    let Account { order, payments, authorizations } = account;
    let (id, status) = (text(&order["id"]), text(&order["status"]));
    let mut wrong = Vec::new();
    // Whoever reads the trace has to know by which names the others call it.
    let ids = payments.iter().chain(authorizations).map(|named| text(&named["id"]));
    let ids = ids.collect::<Vec<_>>().join(", ");
    let mut demand = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{id} ({status}; {ids}): {what}"));
        }
    };
    let (captured, refunded) = (minor(&order["payment"]["captured"]), minor(&order["payment"]["refunded"]));
    let total = minor(&order["totals"]["total"]);
    let undone = UNDONE.contains(&status.as_str());
    let ended = undone || ["confirmed", "processing", "completed", "closed"].contains(&status.as_str());
    demand(ended || WAITING.contains(&status.as_str()), "it did not come to an end".to_owned());
    demand(payments.len() <= 1, format!("it has {} payments", payments.len()));
    let sum = |name: &str| authorizations.iter().map(|one| one[name].as_i64().unwrap_or(0)).sum::<i64>();
    let live = |status: &str| matches!(status, "pending" | "authorized" | "partially_captured" | "captured");
    let charges = authorizations.iter().filter(|one| live(&text(&one["status"]))).count();
    demand(charges <= 1, format!("the provider has {charges} charges"));
    let held = authorizations.iter().filter(|one| one["status"] == "authorized").count();
    demand(held == 0, "the provider still holds money".to_owned());
    if let [payment] = payments.as_slice() {
        let (taken, given) = (minor(&payment["captured"]), minor(&payment["refunded"]));
        demand((taken, given) == (captured, refunded), format!("payment took {taken} and gave {given} back"));
    }
    let (taken, given) = (sum("captured_minor"), sum("refunded_minor"));
    demand(
        (taken, given) == (captured, refunded),
        format!("{captured} captured and {refunded} refunded, but the provider took {taken} and gave {given} back"),
    );
    demand(!undone || captured == refunded, format!("{captured} captured and only {refunded} given back"));
    demand(undone || captured == total, format!("{captured} captured of {total}"));
    wrong
}

/// What clients were told is so: orders that were acknowledged are there, keys and carts made one order each,
/// what was cancelled is, and refunds happened once.
pub fn judge_history(history: &[Act], orders: &[Value]) -> Vec<String> {
    let by_id: BTreeMap<String, &Value> = orders.iter().map(|order| (text(&order["id"]), order)).collect();
    let mut wrong = Vec::new();
    let mut of_key: BTreeMap<&str, String> = BTreeMap::new();
    let mut carts = BTreeSet::new();
    for act in history {
        match (&act.what, &act.answer) {
            (What::Checkout { cart, key }, answer) => {
                carts.insert(cart.as_str());
                let Answer::Done(placed) = answer else { continue };
                let id = text(&placed["id"]);
                if by_id.get(&id).is_none_or(|order| order["totals"] != placed["totals"]) {
                    wrong.push(format!("{id} was acknowledged and is not there as it was"));
                }
                if of_key.insert(key, id.clone()).is_some_and(|other| other != id) {
                    wrong.push(format!("key {key} made two orders"));
                }
            }
            (What::Cancel { order }, Answer::Done(_))
                if by_id.get(order).is_none_or(|order| order["status"] != "cancelled") =>
            {
                wrong.push(format!("{order} was cancelled and is not"));
            }
            (What::Refund { order, reason }, answer) => {
                wrong.extend(judge_refund(order, reason, answer, by_id.get(order).copied()));
            }
            _ => {}
        }
    }
    let mut of_cart = BTreeSet::new();
    for order in orders {
        let cart = text(&order["cart_id"]);
        if !carts.contains(cart.as_str()) {
            wrong.push(format!("{} came from a cart that nobody ordered", order["id"]));
        }
        if !of_cart.insert(cart.clone()) {
            wrong.push(format!("{cart} became two orders"));
        }
    }
    wrong
}

fn judge_refund(id: &str, reason: &str, answer: &Answer, order: Option<&Value>) -> Option<String> {
    let refunds = order.and_then(|order| order["refunds"].as_array()).cloned().unwrap_or_default();
    let made: Vec<&Value> = refunds.iter().filter(|refund| refund["reason"] == reason).collect();
    let expected = match answer {
        Answer::Done(_) => made.len() == 1,
        Answer::Refused(..) => made.is_empty(),
        Answer::Unknown => made.len() <= 1,
    };
    if !expected {
        return Some(format!("{id}: `{reason}` was answered {answer:?}, and there are {} of it", made.len()));
    }
    let refused = made.iter().find(|refund| refund["status"] == "failed");
    // The provider here gives back whatever it took.
    refused.map(|refund| format!("{id}: `{reason}` was accepted and failed: {}", refund["failure"]))
}
