//! What people want of an order. It can be asked for again from its beginning, as often as a process dies over it.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::{Client, Stop},
    stage::{Template, text},
};

/// What somebody wants of an order that was placed.
#[derive(Clone, Copy)]
pub enum Wish {
    Cancel,
    /// One unit goes back on the shelf.
    RefundOne,
    /// Everything is sent, arrives, and goes back on the shelf.
    SendAndTakeBack,
    /// The buyer names another method.
    PayOtherwise,
}

/// Where the wishes about one order are told.
pub struct Desk<'a> {
    client: &'a Client,
    template: &'a Template,
    order: &'a str,
    /// Of staff.
    bearer: String,
}

/// Who asks.
#[derive(Clone, Copy)]
enum Who {
    Buyer,
    Staff,
}

impl<'a> Desk<'a> {
    pub fn new(client: &'a Client, template: &'a Template, order: &'a str) -> Self {
        Self { client, template, order, bearer: format!("Bearer {}", template.admin) }
    }

    pub async fn see_to(&self, wish: Wish) -> Result<(), Stop> {
        match wish {
            Wish::Cancel => {
                self.until_provider_knows().await?;
                let why = json!({"reason": "changed my mind"});
                self.post(Who::Buyer, "/cancel", "crash-cancel", &why, StatusCode::OK).await
            }
            Wish::RefundOne => {
                let body = json!({"lines": [self.units(1).await?], "reason": "torn"});
                self.post(Who::Staff, "/refunds", "crash-refund", &body, StatusCode::CREATED).await
            }
            Wish::SendAndTakeBack => self.send_and_take_back().await,
            Wish::PayOtherwise => {
                let body = json!({"payment_method": {"provider": "sandbox", "token": "tok_approve"}});
                self.post(Who::Buyer, "/payment-attempts", "crash-method", &body, StatusCode::CREATED).await
            }
        }
    }

    async fn send_and_take_back(&self) -> Result<(), Stop> {
        let gone = json!({"shipped": true});
        self.post(Who::Staff, "/fulfilments", "crash-ship", &gone, StatusCode::CREATED).await?;
        self.move_on("fulfilments", "shipped", "delivered").await?;
        let mut units = self.units(3).await?;
        let receipt = json!({"lines": [units], "include_shipping": true});
        units.as_object_mut().unwrap().remove("restock");
        let back = json!({"lines": [units], "reason": "does not fit"});
        self.post(Who::Buyer, "/returns", "crash-return", &back, StatusCode::CREATED).await?;
        let path = self.move_on("returns", "requested", "approved").await?;
        self.post(Who::Staff, &format!("{path}/receipts"), "crash-receipt", &receipt, StatusCode::CREATED).await
    }

    /// Moves the only one of `these` on, unless that was done before; answers its path. It has no key.
    async fn move_on(&self, these: &str, from: &str, to: &str) -> Result<String, Stop> {
        let this = &self.show().await?[these][0];
        let path = format!("/{these}/{}", text(&this["id"]));
        if this["status"] == from {
            let headers = [("authorization", self.bearer.as_str())];
            let (whole, body) = (format!("/v1/orders/{}{path}", self.order), json!({"status": to}));
            self.client.ask(Method::PATCH, &whole, &headers, Some(&body)).await?.expect(StatusCode::OK)?;
        }
        Ok(path)
    }

    async fn post(&self, who: Who, path: &str, key: &str, body: &Value, status: StatusCode) -> Result<(), Stop> {
        let asks = match who {
            Who::Buyer => ("guest-token", self.template.guest.as_str()),
            Who::Staff => ("authorization", self.bearer.as_str()),
        };
        let path = format!("/v1/orders/{}{path}", self.order);
        let reply = self.client.ask(Method::POST, &path, &[asks, ("idempotency-key", key)], Some(body)).await?;
        reply.expect(status).map(drop)
    }

    async fn show(&self) -> Result<Value, Stop> {
        let path = format!("/v1/orders/{}", self.order);
        self.client.get(&path, &[("guest-token", &self.template.guest)]).await?.expect(StatusCode::OK)
    }

    async fn units(&self, quantity: i64) -> Result<Value, Stop> {
        let order = self.show().await?;
        Ok(json!({"line_id": order["lines"][0]["id"], "quantity": quantity, "restock": true}))
    }

    /// Otherwise there might be nothing to undo.
    async fn until_provider_knows(&self) -> Result<(), Stop> {
        let known = |payments: &Value| payments["items"][0]["provider_ref"].is_string();
        let path = format!("/v1/payments?order_id={}", self.order);
        let headers = [("authorization", self.bearer.as_str())];
        self.client.wait(&path, &headers, "the provider to know of it", known).await.map(drop)
    }
}
