//! What people do. An action is a function in a file of its own and a row in a table here; the rest follows.

mod carts;
mod checkout;
mod mischief;
mod refunds;
mod staff;
mod tour;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::{
    client::Identity,
    rng::Rng,
    shop::{KnownOrder, Shop, Variant},
};

/// Something that people do.
struct Action {
    /// For traces.
    name: &'static str,
    /// How often, against the others.
    weight: u64,
    run: for<'a> fn(&'a mut Person) -> BoxFuture<'a, ()>,
}

macro_rules! actions {
    ($($weight:literal $module:ident::$name:ident,)*) => {
        &[$(Action {
            name: stringify!($name),
            weight: $weight,
            run: |person| Box::pin($module::$name(person)),
        },)*]
    };
}

const OF_SHOPPERS: &[Action] = actions! {
    30 checkout::buy_now,
    10 carts::fill_cart,
    10 carts::add_side_by_side,
    5 carts::change_quantity,
    5 carts::remove_line,
    4 carts::look_at_cart,
    12 checkout::check_out,
    4 checkout::check_out_twice_at_once,
    8 checkout::check_out_while_adding,
    8 checkout::rush,
    6 tour::look_at_orders,
    10 tour::cancel_order,
    3 mischief::reuse_key,
    2 mischief::peep_at_order,
    2 mischief::order_without_address,
};

const OF_STAFF: &[Action] = actions! {
    10 refunds::refund_rest,
    10 refunds::refund_amount,
    10 refunds::refund_units,
    4 refunds::refund_too_much,
    10 staff::restock,
    4 staff::write_off,
    5 staff::edit_price,
    5 staff::cancel_any_order,
    4 staff::look_around,
};

/// Payment methods at the provider, each a way of its own to behave.
const TOKENS: &[&str] = &[
    "tok_approve",
    "tok_approve",
    "tok_approve",
    "tok_approve",
    "tok_decline",
    "tok_insufficient_funds",
    "tok_error",
    "tok_pending",
    "tok_pending_decline",
    "tok_slow",
    "tok_timeout",
    "tok_no_webhook",
    "tok_webhook_twice",
    "tok_webhook_late",
    "tok_webhook_out_of_order",
];

/// A cart that somebody has.
#[derive(Debug, Clone)]
pub(crate) struct Cart {
    id: String,
    owner: Identity,
    /// As it was last seen.
    seen: Value,
}

/// Somebody in the shop.
pub struct Person {
    pub(crate) shop: Arc<Shop>,
    pub(crate) rng: Rng,
    name: String,
    /// Of somebody with an account.
    account: Option<Identity>,
    carts: Vec<Cart>,
    keys: u64,
}

impl Person {
    /// Somebody new; staff if `account` is staff's.
    pub fn new(shop: &Arc<Shop>, name: &str, account: Option<Identity>) -> Self {
        let rng = Rng::of(shop.world.plan.seed, name);
        Self { shop: Arc::clone(shop), rng, name: name.to_owned(), account, carts: Vec::new(), keys: 0 }
    }

    /// Does `actions` things, with pauses.
    pub async fn live(mut self, actions: u32) {
        let is_staff = self.account.as_ref() == Some(&self.shop.staff);
        let table = if is_staff { OF_STAFF } else { OF_SHOPPERS };
        for _ in 0..actions {
            let pause = if self.rng.chance(0.3) { Duration::ZERO } else { self.rng.millis(0, 20_000) };
            tokio::time::sleep(pause).await;
            let total = table.iter().map(|action| action.weight).sum();
            let mut drawn = self.rng.below(total);
            for action in table {
                if drawn < action.weight {
                    self.shop.world.log(format_args!("-- {}: {}", self.name, action.name));
                    (action.run)(&mut self).await;
                    break;
                }
                drawn -= action.weight;
            }
        }
    }

    /// A key that nobody else uses.
    fn key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{:06}-{:016x}", self.name, self.keys, self.rng.draw())
    }

    fn identity(&self) -> Identity {
        self.account.clone().unwrap_or(Identity::Stranger)
    }

    /// Something that is sold; often what there is little of.
    fn any_variant(&mut self) -> Option<Variant> {
        if self.rng.chance(0.3) {
            return self.shop.variants.first().cloned();
        }
        self.rng.pick(&self.shop.variants).cloned()
    }

    /// One of the carts that are not ordered yet, as far as is known.
    fn any_cart(&mut self) -> Option<usize> {
        if self.carts.is_empty() {
            return None;
        }
        usize::try_from(self.rng.below(self.carts.len() as u64)).ok()
    }

    /// One of this person's orders.
    fn own_order(&mut self) -> Option<KnownOrder> {
        let mut mine = self.shop.orders();
        mine.retain(|order| {
            self.carts.iter().any(|cart| cart.owner == order.owner) || Some(&order.owner) == self.account.as_ref()
        });
        self.rng.pick(&mine).cloned()
    }

    fn any_order(&mut self) -> Option<KnownOrder> {
        let orders = self.shop.orders();
        self.rng.pick(&orders).cloned()
    }

    /// How often this person tries when nobody knows what happened.
    fn tries(&mut self) -> u32 {
        if self.rng.chance(0.7) { 6 } else { 1 }
    }
}

fn address() -> Value {
    json!({
        "name": "Sim Shopper", "phone": "+821012345678", "country": "KR", "postal_code": "04524",
        "city": "Seoul", "line1": "Sejong-daero 110",
    })
}

fn money(amount_minor: i64) -> Value {
    json!({"amount_minor": amount_minor, "currency": "KRW"})
}
