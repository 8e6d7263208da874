//! What nobody should do, and is refused for.

use serde_json::json;

use super::Person;
use crate::{
    client::{Answer, Ask, Identity},
    shop::text,
};

/// Uses a key for two different requests.
pub(super) async fn reuse_key(person: &mut Person) {
    let (Some(at), Some(variant)) = (person.any_cart(), person.any_variant()) else { return };
    let (cart, key) = (person.carts[at].clone(), person.key());
    let world = std::sync::Arc::clone(&person.shop.world);
    let path = format!("/v1/carts/{}/lines", cart.id);
    for quantity in [1, 2] {
        let body = json!({"variant_id": variant.id, "quantity": quantity});
        let ask = Ask::post(&cart.owner, path.clone(), &key, body);
        let what = crate::history::What::CartAdd { cart: cart.id.clone(), variant: variant.id.clone(), quantity };
        let answer = if quantity == 1 { person.shop.act(what, ask, 6).await } else { world.ask(&ask).await };
        match (quantity, answer) {
            (1, Answer::Done(_)) => {}
            (2, Answer::Done(_)) => world.blame(format!("a key served two different requests on {}", cart.id)),
            _ => return,
        }
    }
}

/// Looks at somebody else's order.
pub(super) async fn peep_at_order(person: &mut Person) {
    let Some(order) = person.any_order() else { return };
    let stranger = Identity::Guest(format!("gst_{:032x}", person.rng.draw()));
    let world = std::sync::Arc::clone(&person.shop.world);
    if let Answer::Done(_) = world.ask(&Ask::get(&stranger, format!("/v1/orders/{}", order.id))).await {
        world.blame(format!("{} was shown to a stranger", order.id));
    }
}

/// Orders a cart that lacks everything.
pub(super) async fn order_without_address(person: &mut Person) {
    let world = std::sync::Arc::clone(&person.shop.world);
    let cart = world.ask(&Ask::post(&Identity::Stranger, "/v1/carts", &person.key(), json!({"currency": "KRW"}))).await;
    let Some(cart) = cart.done() else { return };
    let guest = Identity::Guest(text(&cart["guest_token"]));
    let body = json!({"cart_id": cart["id"], "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
    let answer = world.ask(&Ask::post(&guest, "/v1/orders", &person.key(), body)).await;
    if answer.done().is_some() {
        world.blame("a cart without lines and address became an order".to_owned());
    }
}
