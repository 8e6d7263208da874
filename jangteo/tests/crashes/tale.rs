//! What happens to an order, and the steps of it in which the process is to die.
//!
//! A tale can be told again from its beginning: every request carries the key it had the first time.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::{Client, Stop},
    stage::{STOCK, Template, text},
    wish::{Desk, Wish},
};

/// Begins when a point is reached for the first time after the step before began.
pub struct Step {
    /// Empty for what only leads to the next one.
    pub name: &'static str,
    pub begins: &'static str,
}

pub struct Tale {
    pub name: &'static str,
    pub steps: &'static [Step],
    /// How the buyer pays.
    token: &'static str,
    /// Status and payment status in which the order comes to rest.
    placed: [&'static str; 2],
    /// What is wanted then, and what comes of it.
    wish: Option<(Wish, [&'static str; 2])>,
    /// Units that are gone from the shelf at the end.
    sold: i64,
    /// Whether money was taken.
    captured: bool,
}

const fn step(name: &'static str, begins: &'static str) -> Step {
    Step { name, begins }
}

/// A request that makes something begins here.
const ASKED: &str = "idempotency.begun";
/// It is decided what happens to an order that is there, be it a request, an event or the time that says so.
const DECIDED: &str = "order.advance.before";
const PAID: [&str; 2] = ["confirmed", "paid"];

pub const TALES: &[Tale] = &[
    Tale {
        name: "a purchase",
        steps: &[
            step("placed", ASKED),
            step("authorized", "payment.provider.authorize.after"),
            step("confirmed", "order.consume.payment.events.after"),
            step("captured", "payment.provider.capture.after"),
        ],
        token: "tok_approve",
        placed: PAID,
        wish: None,
        sold: 3,
        captured: true,
    },
    Tale {
        name: "a cancelled purchase",
        steps: &[step("", ASKED), step("cancelled", ASKED), step("paid back", "payment.provider.refund.after")],
        token: "tok_approve",
        placed: PAID,
        wish: Some((Wish::Cancel, ["cancelled", "refunded"])),
        sold: 0,
        captured: true,
    },
    Tale {
        name: "a refund",
        steps: &[step("", ASKED), step("refund wanted", ASKED), step("refunded", "payment.provider.refund.after")],
        token: "tok_approve",
        placed: PAID,
        wish: Some((Wish::RefundOne, ["confirmed", "partially_refunded"])),
        sold: 2,
        captured: true,
    },
    Tale {
        name: "a declined card",
        steps: &[step("declined", "payment.provider.authorize.after")],
        token: "tok_decline",
        placed: ["rejected", "not_paid"],
        wish: None,
        sold: 0,
        captured: false,
    },
    Tale {
        name: "an answer that nobody knows",
        steps: &[
            step("unknown", "payment.provider.authorize.after"),
            step("asked about", "payment.provider.query.before"),
        ],
        token: "tok_error",
        placed: PAID,
        wish: None,
        sold: 3,
        captured: true,
    },
    Tale {
        name: "an order called off before the bank has decided",
        steps: &[step("", ASKED), step("", ASKED), step("let go", "payment.provider.void.before")],
        token: "tok_pending",
        placed: ["pending", "not_paid"],
        wish: Some((Wish::Cancel, ["cancelled", "voided"])),
        sold: 0,
        captured: false,
    },
    Tale {
        name: "goods that are sent, arrive and come back",
        steps: &[
            step("", ASKED),
            step("parcel asked for", ASKED),
            step("sent", DECIDED),
            step("delivered", DECIDED),
            step("return asked for", ASKED),
            step("return noted", DECIDED),
            step("return approved", DECIDED),
            step("receipt asked for", ASKED),
            step("received", DECIDED),
            step("paid back for the return", "payment.provider.refund.after"),
        ],
        token: "tok_approve",
        placed: PAID,
        wish: Some((Wish::SendAndTakeBack, ["completed", "refunded"])),
        sold: 0,
        captured: true,
    },
    Tale {
        name: "a card without funds, and another one",
        steps: &[
            step("method wanted", "payment.provider.authorize.after"),
            step("another method", ASKED),
            step("authorized after all", "payment.provider.authorize.after"),
        ],
        token: "tok_insufficient_funds",
        placed: ["awaiting_payment", "not_paid"],
        wish: Some((Wish::PayOtherwise, PAID)),
        sold: 3,
        captured: true,
    },
];

/// What was heard, also from a process that is dead now.
#[derive(Default)]
pub struct Heard {
    order: Option<String>,
    /// The order had come to rest.
    rested: bool,
}

impl Tale {
    /// Tells it, or what is left of it.
    pub async fn tell(&self, client: &Client, template: &Template, heard: &mut Heard) -> Result<(), Stop> {
        let order = self.place(client, template, heard).await?;
        if !heard.rested {
            self.until(client, template, &order, self.placed).await?;
            heard.rested = true;
        }
        if let Some((wish, outcome)) = self.wish {
            Desk::new(client, template, &order).see_to(wish).await?;
            self.until(client, template, &order, outcome).await?;
        }
        Ok(())
    }

    /// Places the order. Whoever has heard of it hears of the same one again.
    async fn place(&self, client: &Client, template: &Template, heard: &mut Heard) -> Result<String, Stop> {
        let body = json!({"cart_id": template.cart, "payment_method": {"provider": "sandbox", "token": self.token}});
        let headers = [("guest-token", template.guest.as_str()), ("idempotency-key", "crash-place")];
        let reply = client.ask(Method::POST, "/v1/orders", &headers, Some(&body)).await?;
        let replayed = reply.headers.contains_key("idempotency-replayed");
        let order = text(&reply.expect(StatusCode::CREATED)?["id"]);
        match heard.order.replace(order.clone()) {
            Some(before) if before != order => Err(Stop::Wrong(format!("{before} was placed, and {order} again"))),
            Some(_) if !replayed => Err(Stop::Wrong("the answer is not marked as a replay".to_owned())),
            _ => Ok(order),
        }
    }

    async fn until(
        &self,
        client: &Client,
        template: &Template,
        order: &str,
        [status, payment_status]: [&str; 2],
    ) -> Result<Value, Stop> {
        let done = |order: &Value| order["status"] == status && order["payment_status"] == payment_status;
        let what = format!("{status}, {payment_status}");
        client.wait(&format!("/v1/orders/{order}"), &[("guest-token", &template.guest)], &what, done).await
    }

    /// Checks the end of it: one order, one payment, every unit and every coin in its place. `before` and `after` are
    /// the provider's books.
    pub async fn check(
        &self,
        client: &Client,
        template: &Template,
        heard: &mut Heard,
        [before, after]: [Value; 2],
    ) -> Result<(), Stop> {
        let order = self.place(client, template, heard).await?;
        let outcome = self.wish.map_or(self.placed, |(_, outcome)| outcome);
        let order = self.until(client, template, &order, outcome).await?;
        let total = order["totals"]["total"]["amount_minor"].as_i64().unwrap();
        let refunds = order["refunds"].as_array().unwrap().iter();
        let refunded = match self.wish {
            Some((Wish::Cancel, _)) if self.captured => total,
            _ => refunds.map(|refund| refund["amount"]["amount_minor"].as_i64().unwrap()).sum(),
        };
        let grown = |name: &str| after[name].as_i64().unwrap() - before[name].as_i64().unwrap();
        let books = ["authorizations", "held", "captured_minor", "refunded_minor"].map(grown);
        // Every method that is tried is one.
        let tried = if matches!(self.wish, Some((Wish::PayOtherwise, _))) { 2 } else { 1 };
        let expected = [tried, self.captured.into(), if self.captured { total } else { 0 }, refunded];
        if books != expected {
            return Err(Stop::Wrong(format!(
                "the provider's books grew by {books:?} (authorizations, held, captured, refunded), not {expected:?}"
            )));
        }
        let bearer = format!("Bearer {}", template.admin);
        let staff = [("authorization", bearer.as_str())];
        let path = format!("/v1/payments?order_id={}", text(&order["id"]));
        let payments = client.get(&path, &staff).await?.expect(StatusCode::OK)?;
        if payments["items"].as_array().unwrap().len() != 1 {
            return Err(Stop::Wrong(format!("one order, one payment: {payments}")));
        }
        let left = STOCK - self.sold;
        let right = |level: &Value| level["on_hand"] == left && level["reserved"] == 0;
        let path = format!("/v1/variants/{}/stock", template.variant);
        client.wait(&path, &staff, &format!("{left} on the shelf and none reserved"), right).await.map(drop)
    }
}
