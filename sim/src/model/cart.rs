//! A cart line is a counter that can be set, until the cart is ordered once.

use std::collections::{BTreeMap, BTreeSet};

use super::linear::{Event, explains};
use crate::{
    client::Answer,
    history::{Act, What},
    shop::{text, units_of},
};

/// What happens to the line of one variant in one cart, with what was seen afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    Add(i64, Option<i64>),
    Set(i64, Option<i64>),
    Look(i64),
    /// Became the order with this id, with so many units.
    Order(Option<(String, i64)>),
}

/// Units, and the order that the cart became.
type Line = (i64, Option<String>);

fn step((units, order): &Line, deed: &Deed) -> Option<Line> {
    let matches = |seen: &Option<i64>, units: i64| seen.is_none_or(|seen| seen == units);
    match (deed, order) {
        (Deed::Look(seen), _) => (seen == units).then(|| (*units, order.clone())),
        (Deed::Add(add, seen), None) => matches(seen, units + add).then(|| (units + add, None)),
        (Deed::Set(to, seen), None) => matches(seen, *to).then_some((*to, None)),
        (Deed::Order(Some((id, sold))), None) => (sold == units).then(|| (*units, Some(id.clone()))),
        (Deed::Order(Some((id, _))), Some(known)) => (id == known).then(|| (*units, order.clone())),
        (Deed::Order(None), _) => Some((*units, order.clone().or_else(|| Some("?".to_owned())))),
        (Deed::Add(..) | Deed::Set(..), Some(_)) => None,
    }
}

/// What `act` did to the line of `variant`; `None` if it is about something else, or nothing.
fn event(act: &Act, variant: &str) -> Option<Event<Deed>> {
    let view = match &act.answer {
        Answer::Done(view) => Some(view),
        Answer::Unknown => None,
        Answer::Refused(..) => return None,
    };
    let seen = view.map(|view| units_of(view, variant));
    let deed = match &act.what {
        What::CartAdd { variant: of, quantity, .. } if of == variant => Deed::Add(*quantity, seen),
        What::CartSet { variant: of, quantity, .. } if of == variant => Deed::Set(*quantity, seen),
        What::CartLook { .. } => Deed::Look(seen?),
        What::Checkout { .. } => Deed::Order(view.map(|order| (text(&order["id"]), units_of(order, variant)))),
        _ => return None,
    };
    Some(Event { deed, began: act.began, ended: view.map(|_| act.ended) })
}

fn cart_of(what: &What) -> Option<&str> {
    match what {
        What::CartAdd { cart, .. }
        | What::CartSet { cart, .. }
        | What::CartLook { cart }
        | What::Checkout { cart, .. } => Some(cart),
        What::Cancel { .. } | What::Refund { .. } | What::Adjust { .. } => None,
    }
}

/// Carts whose history nothing explains: an acknowledged change is missing, or one was made twice.
pub fn judge(history: &[Act]) -> Vec<String> {
    let mut by_cart: BTreeMap<&str, Vec<&Act>> = BTreeMap::new();
    for act in history {
        if let Some(cart) = cart_of(&act.what) {
            by_cart.entry(cart).or_default().push(act);
        }
    }
    let mut wrong = Vec::new();
    for (cart, acts) in by_cart {
        let variants: BTreeSet<&str> = acts
            .iter()
            .filter_map(|act| match &act.what {
                What::CartAdd { variant, .. } | What::CartSet { variant, .. } => Some(variant.as_str()),
                _ => None,
            })
            .collect();
        for variant in variants {
            let events: Vec<Event<Deed>> = acts.iter().filter_map(|act| event(act, variant)).collect();
            if !explains((0, None), &events, step) {
                wrong.push(format!("nothing explains what was seen of {variant} in {cart}: {events:?}"));
            }
        }
    }
    wrong
}
