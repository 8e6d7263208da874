//! Shoppers look after their orders.

use serde_json::json;

use super::Person;
use crate::{client::Ask, history::What};

/// A look at an order.
pub(super) async fn look_at_orders(person: &mut Person) {
    if let Some(order) = person.own_order() {
        let world = std::sync::Arc::clone(&person.shop.world);
        world.ask(&Ask::get(&order.owner, format!("/v1/orders/{}", order.id))).await;
        world.ask(&Ask::get(&order.owner, format!("/v1/orders/{}/events", order.id))).await;
    }
}

/// An order is called off.
pub(super) async fn cancel_order(person: &mut Person) {
    let Some(order) = person.own_order() else { return };
    let (key, tries) = (person.key(), person.tries());
    let path = format!("/v1/orders/{}/cancel", order.id);
    let ask = Ask::post(&order.owner, path, &key, json!({"reason": "changed my mind"}));
    person.shop.act(What::Cancel { order: order.id }, ask, tries).await;
}
