//! What becomes of the goods: they are packed, shipped, delivered, called off, sent back.

use serde_json::{Value, json};

use crate::shop::{GuestCart, Reply, Shop, product, text};

/// A paid order of a guest, and staff who handle it.
struct Deal {
    shop: Shop,
    admin: String,
    cart: GuestCart,
    path: String,
    line: String,
    variant: String,
}

impl Deal {
    async fn of(sku: &str, quantity: i64, stock: i64) -> Self {
        let shop = Shop::open().await;
        let admin = shop.admin_token().await;
        shop.post("/v1/products").bearer(&admin).json(&product(sku, stock)).send().await.expect(201);
        let (cart, order) = shop.buy(sku, quantity).await;
        let path = format!("/v1/orders/{}", text(&order["id"]));
        let (line, variant) = (text(&order["lines"][0]["id"]), text(&order["lines"][0]["variant_id"]));
        let deal = Self { shop, admin, cart, path, line, variant };
        deal.once("the payment to be captured", |order| order["payment_status"] == "paid").await;
        deal
    }

    /// The order, as soon as it is what `wanted` says.
    async fn once(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let show = async || self.shop.get(&self.path).guest(&self.cart.token).send().await.expect(200).json();
        self.shop.wait(what, async || Some(show().await).filter(|order| wanted(order))).await
    }

    async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Reply {
        let call = self.shop.post(&format!("{}{path}", self.path)).key(&self.shop.new_key());
        let call = match token {
            Some(token) => call.bearer(token),
            None => call.guest(&self.cart.token),
        };
        call.json(&body).send().await
    }

    async fn patch(&self, path: &str, body: Value) -> Value {
        let call = self.shop.patch(&format!("{}{path}", self.path)).bearer(&self.admin);
        call.json(&body).send().await.expect(200).json()
    }

    fn units(&self, quantity: i64) -> Value {
        json!([{"line_id": self.line, "quantity": quantity}])
    }

    async fn until_on_hand(&self, units: i64) {
        let path = format!("/v1/variants/{}/stock", self.variant);
        self.shop
            .wait("the stock", async || {
                let level = self.shop.get(&path).bearer(&self.admin).send().await.expect(200).json();
                (level["on_hand"] == units && level["reserved"] == 0).then_some(())
            })
            .await;
    }
}

#[tokio::test]
async fn goods_are_shipped_delivered_sent_back_and_paid_back() {
    let deal = Deal::of("SHIP-ME", 3, 5).await;
    deal.until_on_hand(2).await;
    let first = json!({"lines": deal.units(2), "carrier": "CJ대한통운", "tracking_number": "688712345678"});
    let packed = deal.post("/fulfilments", Some(&deal.admin), first).await.expect(201).json();
    assert_eq!(packed["status"], "processing");
    let parcel = format!("/fulfilments/{}", text(&packed["fulfilments"][0]["id"]));
    deal.patch(&parcel, json!({"status": "shipped"})).await;
    let rest = deal.post("/fulfilments", Some(&deal.admin), json!({"shipped": true})).await.expect(201).json();
    assert_eq!((&rest["status"], &rest["fulfilment_status"]), (&json!("completed"), &json!("shipped")));
    deal.post("/cancel", None, json!({})).await.problem(409, "order_not_cancellable");
    for parcel in rest["fulfilments"].as_array().unwrap() {
        deal.patch(&format!("/fulfilments/{}", text(&parcel["id"])), json!({"status": "delivered"})).await;
    }
    let order = deal.once("the delivery", |order| order["fulfilment_status"] == "delivered").await;
    let total = order["totals"]["total"]["amount_minor"].as_i64().unwrap();

    let ask = json!({"lines": deal.units(3), "reason": "does not fit"});
    let asked = deal.post("/returns", None, ask).await.expect(201).json();
    let returning = format!("/returns/{}", text(&asked["returns"][0]["id"]));
    deal.patch(&returning, json!({"status": "approved"})).await;
    for quantity in [1, 2] {
        let lines = json!([{"line_id": deal.line, "quantity": quantity, "restock": true}]);
        let receipt = json!({"lines": lines, "include_shipping": true});
        deal.post(&format!("{returning}/receipts"), Some(&deal.admin), receipt).await.expect(201);
    }
    let order = deal.once("the refunds", |order| order["payment_status"] == "refunded").await;
    assert_eq!(order["payment"]["refunded"]["amount_minor"], total);
    assert_eq!((&order["fulfilment_status"], &order["lines"][0]["returned"]), (&json!("returned"), &json!(3)));
    deal.once("the return to be closed", |order| order["returns"][0]["status"] == "closed").await;
    deal.until_on_hand(5).await;
    deal.shop.stop_and_verify();
}

#[tokio::test]
async fn one_of_three_is_called_off_and_then_the_others() {
    let deal = Deal::of("TOO-MANY", 3, 5).await;
    let one = json!({"lines": deal.units(1), "reason": "two are enough"});
    let order = deal.post("/cancel", None, one).await.expect(200).json();
    assert_eq!((&order["status"], &order["lines"][0]["cancelled"]), (&json!("confirmed"), &json!(1)));
    deal.until_on_hand(3).await;
    deal.once("the first refund", |order| order["payment_status"] == "partially_refunded").await;
    let rest = json!({"lines": deal.units(2), "reason": "none at all"});
    let order = deal.post("/cancel", None, rest).await.expect(200).json();
    assert_eq!(order["status"], "cancelled");
    deal.once("the rest of the money", |order| order["payment_status"] == "refunded").await;
    deal.until_on_hand(5).await;
    deal.shop.stop_and_verify();
}

#[tokio::test]
async fn of_two_who_ship_the_same_units_one_does() {
    let deal = Deal::of("RACE", 3, 5).await;
    let ship = || deal.post("/fulfilments", Some(&deal.admin), json!({"lines": deal.units(2), "shipped": true}));
    let replies = futures::future::join_all((0..4).map(|_| ship())).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    for reply in replies.into_iter().filter(|reply| reply.status != 201) {
        reply.problem(409, "units_not_open");
    }
    deal.shop.stop_and_verify();
}
