//! What was asked of parcels, cancellations and returns happened once, and units that were given back got their price.

use serde_json::Value;

use super::stock::put_back;
use crate::{client::Answer, history::What, shop::text};

/// Something that an act makes of an order, known by a mark that nothing else has.
pub struct Made<'a> {
    /// Of which order.
    pub order: &'a str,
    list: &'static str,
    field: &'static str,
    mark: &'a str,
}

/// What `what` makes of an order, if anything.
pub fn made(what: &What) -> Option<Made<'_>> {
    let (order, list, field, mark) = match what {
        What::CancelUnits { order, mark } => (order, "cancellations", "reason", mark),
        What::Fulfil { order, mark } => (order, "fulfilments", "tracking_number", mark),
        What::Return { order, mark } => (order, "returns", "reason", mark),
        _ => return None,
    };
    Some(Made { order, list, field, mark })
}

impl Made<'_> {
    /// It is there once if that was answered, and not if it was refused.
    pub fn judge(&self, answer: &Answer, order: Option<&Value>) -> Option<String> {
        let order = order.unwrap_or(&Value::Null);
        let in_list = order[self.list].as_array().into_iter().flatten();
        let whole = usize::from(order["status"] == "cancelled" && order["status_reason"] == self.mark);
        let found = in_list.filter(|one| one[self.field] == self.mark).count() + whole;
        let expected = match answer {
            Answer::Done(_) => found == 1,
            Answer::Refused(..) => found == 0,
            Answer::Unknown => found <= 1,
        };
        let (id, mark, list) = (self.order, self.mark, self.list);
        (!expected).then(|| format!("{id}: `{mark}` was answered {answer:?}, and there are {found} in {list}"))
    }
}

fn number(value: &Value) -> i64 {
    value["amount_minor"].as_i64().or_else(|| value.as_i64()).unwrap_or(0)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What does not hold of the units of `order` and their money.
pub fn judge_prices(order: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let refunds = || items(&order["refunds"]).filter(|refund| refund["status"] != "failed");
    for refund in refunds().filter(|refund| refund.get("lines").is_some() || refund.get("shipping").is_some()) {
        let parts = items(&refund["lines"]).chain(items(&refund["shipping"]));
        let sum: i64 = parts.map(|part| number(&part["amount"])).sum();
        if sum != number(&refund["amount"]) {
            wrong.push(format!("the parts of refund {} sum to {sum}", text(&refund["id"])));
        }
    }
    let succeeded = refunds().filter(|refund| refund["status"] == "succeeded");
    let given: i64 = succeeded.map(|refund| number(&refund["amount"])).sum();
    if given != number(&order["payment"]["refunded"]) {
        wrong.push(format!("its refunds sum to {given}"));
    }
    // A sum for nothing in particular leaves less for units that come back later.
    let plain = refunds().all(|refund| refund.get("lines").is_some() || refund.get("shipping").is_some());
    for line in items(&order["lines"]) {
        let (id, quantity) = (&line["id"], number(&line["quantity"]));
        let back = number(&line["cancelled"]) + number(&line["returned"]);
        if order["status"] == "cancelled" {
            continue;
        }
        let shelved = put_back(order, id);
        if back > quantity || shelved > quantity || shelved < number(&line["cancelled"]) {
            wrong.push(format!("{shelved} units of line {id} are on the shelf again, {back} were given back"));
        }
        let paid = || refunds().flat_map(|refund| items(&refund["lines"])).filter(|part| part["line_id"] == *id);
        let (units, sum) = paid()
            .fold((0, 0), |(units, sum), part| (units + number(&part["quantity"]), sum + number(&part["amount"])));
        let due = number(&line["total"]) * units;
        if plain && (units < back || units > quantity || (sum * quantity - due).abs() >= quantity) {
            wrong.push(format!(
                "{sum} went back for {units} of {quantity} units of line {id}, of which {back} came back"
            ));
        }
    }
    wrong
}

/// Everything that arrived of a return was taken once: as many receipts as were acknowledged.
pub fn judge_receipts(history: &[crate::history::Act], orders: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for order in orders {
        for returning in items(&order["returns"]) {
            let id = text(&returning["id"]);
            let of_return =
                history.iter().filter(|act| matches!(&act.what, What::Receive { returning, .. } if *returning == id));
            let (mut known, mut doubtful) = (0, 0);
            for act in of_return {
                match act.answer {
                    Answer::Done(_) => known += 1,
                    Answer::Unknown => doubtful += 1,
                    Answer::Refused(..) => {}
                }
            }
            let found = items(&returning["receipts"]).count();
            if !(known..=known + doubtful).contains(&found) {
                wrong.push(format!("{id} has {found} receipts, {known} were acknowledged"));
            }
        }
    }
    wrong
}
