//! Buyers pay in ways that need them: another method, a page of the provider, a transfer.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{Person, carts::new_cart, checkout};
use crate::{
    client::{Ask, Identity},
    shop::{KnownOrder, text},
    world::World,
};

/// Methods that do not pay at once.
const TOKENS: &[&str] =
    &["tok_3ds", "tok_3ds", "tok_virtual_account", "tok_virtual_account", "tok_insufficient_funds", "tok_expired_card"];
/// Methods that somebody tries next.
const NEXT_TOKENS: &[&str] =
    &["tok_approve", "tok_approve", "tok_slow", "tok_insufficient_funds", "tok_3ds", "tok_decline"];
/// How often a buyer looks whether there is something to do.
const LOOKS_MAX: u32 = 8;
/// How many methods may be tried; the provider knows each under a name of its own.
const ATTEMPTS: [&str; 3] = ["-3", "-2", ""];

/// Orders something, and does what the provider wants.
pub(super) async fn buy_and_act(person: &mut Person) {
    let Some(variant) = person.any_variant() else { return };
    let quantity = i64::try_from(person.rng.between(1, 3)).unwrap_or(1);
    let Some(at) = new_cart(person, &[(variant.id, quantity)]).await else { return };
    let token = person.rng.pick(TOKENS).copied().unwrap_or("tok_3ds");
    for order in checkout::order_with(person, at, token).await {
        attend(person, &order).await;
    }
}

/// Goes on with an order that perhaps waits.
pub(super) async fn come_back(person: &mut Person) {
    if let Some(order) = person.own_order() {
        attend(person, &order).await;
    }
}

/// Does what is to be done about the payment of `order`, until it is over or the buyer loses interest.
async fn attend(person: &mut Person, order: &KnownOrder) {
    for _ in 0..LOOKS_MAX {
        let ask = Ask::get(&order.owner, format!("/v1/orders/{}", order.id));
        let seen = person.shop.world.ask(&ask).await.done().cloned().unwrap_or_default();
        let payment = &seen["payment"];
        if ["confirmed", "rejected", "expired", "cancelled"].map(Value::from).contains(&seen["status"]) {
            return;
        }
        if !payment["method_required"].is_null() {
            name_method(person, order).await;
        } else if payment["action"]["kind"] == "redirect" {
            decide(person, &text(&payment["action"]["url"])).await;
        } else if payment["action"]["kind"] == "deposit" {
            transfer(person, order).await;
            return;
        }
        if person.rng.chance(0.1) {
            return;
        }
        let pause = person.rng.millis(100, 4_000);
        tokio::time::sleep(pause).await;
    }
}

async fn name_method(person: &mut Person, order: &KnownOrder) {
    let token = person.rng.pick(NEXT_TOKENS).copied().unwrap_or("tok_approve");
    let (key, tries) = (person.key(), person.tries());
    let body = json!({"payment_method": {"provider": "sandbox", "token": token}});
    let ask = Ask::post(&order.owner, format!("/v1/orders/{}/payment-attempts", order.id), &key, body);
    person.shop.world.insist(&ask, tries).await;
}

/// At the provider's page: approves, refuses, or goes away.
async fn decide(person: &mut Person, url: &str) {
    let decision = match person.rng.below(10) {
        0..=5 => "decision=approve",
        6..=7 => "decision=refuse",
        _ => return,
    };
    let way_back = person.shop.world.decide_at(url, decision).await;
    // Some close the window.
    if let Some(path) = way_back
        && person.rng.chance(0.7)
    {
        // Whoever comes back from there shows nothing.
        person.shop.world.ask(&Ask::get(&Identity::Stranger, path)).await;
    }
}

/// Transfers the money: soon, about when it is too late, or never.
async fn transfer(person: &mut Person, order: &KnownOrder) {
    let world = Arc::clone(&person.shop.world);
    let list = Ask::get(&person.shop.staff, format!("/v1/payments?order_id={}", order.id));
    let payments = world.ask(&list).await.done().cloned().unwrap_or_default();
    let payment = text(&payments["items"][0]["id"]);
    if payment.is_empty() || person.rng.chance(0.2) {
        return;
    }
    let wait = if person.rng.chance(0.7) {
        person.rng.millis(0, 5_000)
    } else {
        let whole = u64::from(world.plan.pay_within_seconds) * 1000;
        person.rng.millis(whole / 2, whole + whole / 50)
    };
    let reversed = person.rng.chance(0.3).then(|| person.rng.millis(0, 20_000));
    let again = person.rng.chance(0.6).then(|| person.rng.millis(0, 3_000));
    let bank = Arc::clone(&world);
    world.background(async move {
        tokio::time::sleep(wait).await;
        let Some(authorization) = deposit(&bank, &payment).await else { return };
        let Some(pause) = reversed else { return };
        tokio::time::sleep(pause).await;
        let path = format!("/control/deposits/{}/reverse", text(&authorization["id"]));
        if bank.at_provider(&path, &Value::Null).await.is_none() {
            return;
        }
        bank.coverage.reached("a deposit was reversed");
        if let Some(pause) = again {
            tokio::time::sleep(pause).await;
            if deposit(&bank, &payment).await.is_some() {
                bank.coverage.reached("a deposit came again");
            }
        }
    });
    tokio::time::sleep(wait.min(Duration::from_secs(5))).await;
}

/// The transfer for the attempt of `payment` that waits for one.
async fn deposit(world: &Arc<World>, payment: &str) -> Option<Value> {
    for suffix in ATTEMPTS {
        let done = world.at_provider("/control/deposits", &json!({"reference": format!("{payment}{suffix}")})).await;
        if done.is_some() {
            return done;
        }
    }
    None
}
