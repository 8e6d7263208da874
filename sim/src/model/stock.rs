//! What is on the shelf is what was supplied, less what was sold, with what came back.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    client::Answer,
    history::{Act, What},
    shop::{Variant, text, units_of},
};

/// What is on the shelf at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelf {
    /// Units there.
    pub on_hand: i64,
    /// Of these, promised.
    pub reserved: i64,
}

/// What of an order has left the shelf for good: all of what was confirmed, less what was put back.
fn gone(order: &Value, variant: &str) -> i64 {
    let status = text(&order["status"]);
    if !matches!(status.as_str(), "confirmed" | "processing" | "completed" | "closed") {
        return 0;
    }
    let of_variant: Vec<&Value> =
        order["lines"].as_array().into_iter().flatten().filter(|line| line["variant_id"] == variant).collect();
    let refunds = order["refunds"].as_array().into_iter().flatten();
    let back: i64 = refunds
        .flat_map(|refund| refund["lines"].as_array().into_iter().flatten())
        .filter(|part| part["restock"] == true && of_variant.iter().any(|line| line["id"] == part["line_id"]))
        .filter_map(|part| part["quantity"].as_i64())
        .sum();
    units_of(order, variant) - back
}

/// Shelves that do not hold what they should. Every attempt has an outcome by now.
pub fn judge(
    variants: &[Variant],
    history: &[Act],
    orders: &[Value],
    shelves: &BTreeMap<String, Shelf>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for variant in variants.iter().filter(|variant| variant.tracked) {
        let adjusted: i64 = history
            .iter()
            .filter_map(|act| match (&act.what, &act.answer) {
                (What::Adjust { variant: of, delta }, Answer::Done(_)) if *of == variant.id => Some(*delta),
                _ => None,
            })
            .sum();
        let sold: i64 = orders.iter().map(|order| gone(order, &variant.id)).sum();
        let expected = variant.supplied + adjusted - sold;
        match shelves.get(&variant.id) {
            Some(shelf) if *shelf == (Shelf { on_hand: expected, reserved: 0 }) => {}
            found => wrong.push(format!(
                "stock of {}: {} supplied, {adjusted} adjusted, {sold} sold, but the shelf is {found:?}",
                variant.id, variant.supplied
            )),
        }
    }
    wrong
}
