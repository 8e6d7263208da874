//! A provider that declines, is slow, forgets to answer, or says everything twice.

use serde_json::json;

use crate::shop::{DEMO_SKU, Shop, text};

#[tokio::test]
async fn a_declined_payment_rejects_the_order_and_frees_the_stock() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    shop.post("/v1/products").bearer(&admin).json(&crate::shop::product("DECLINED", 1)).send().await.expect(201);
    let cart = shop.guest_cart("DECLINED", 1).await;
    let order = shop.place(&cart, "tok_decline", &shop.new_key()).await.expect(201).json();
    let order = shop.wait_for_status(order["id"].as_str().unwrap(), &cart.token, "rejected").await;
    assert_eq!(order["payment_status"], "not_paid");
    let variant = text(&order["lines"][0]["variant_id"]);
    shop.wait("the hold to be released", async || {
        let level = shop.get(&format!("/v1/variants/{variant}/stock")).bearer(&admin).send().await.json();
        (level["on_hand"] == 1 && level["reserved"] == 0).then_some(())
    })
    .await;
    shop.wait("a mail that says so", async || shop.mails("haneul@example.com").await.pop()).await;
    shop.stop_and_verify();
}

#[tokio::test]
async fn an_order_is_placed_once_per_key() {
    let shop = Shop::open().await;
    let cart = shop.guest_cart(DEMO_SKU, 1).await;
    let (first, second) = tokio::join!(
        shop.place(&cart, "tok_approve", "the-same-key"),
        shop.place(&cart, "tok_approve", "the-same-key")
    );
    let statuses = [first.status.as_u16(), second.status.as_u16()];
    assert!(statuses.contains(&201) && statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    let replay = shop.place(&cart, "tok_approve", "the-same-key").await.expect(201);
    assert_eq!(replay.headers["idempotency-replayed"], "true");
    let other = shop.place(&cart, "tok_decline", "the-same-key").await;
    other.problem(422, "idempotency_key_reused");
    let missing = json!({"cart_id": cart.id, "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
    let missing = shop.post("/v1/orders").guest(&cart.token).json(&missing).send().await;
    assert_eq!(missing.status, 400, "{}", missing.text);
    let twice = shop.place(&cart, "tok_approve", "another-key").await;
    assert_eq!(twice.status, 409, "one cart, one order: {}", twice.text);
    shop.wait_for_status(&text(&replay.json()["id"]), &cart.token, "confirmed").await;
    shop.stop_and_verify();
}

#[tokio::test]
async fn a_provider_that_charges_and_falls_silent_charges_once() {
    let shop = Shop::open_with("[payment]\nrequest_timeout_ms = 500\n").await;
    let cart = shop.guest_cart(DEMO_SKU, 1).await;
    let order = shop.place(&cart, "tok_timeout", &shop.new_key()).await.expect(201).json();
    let order = shop.wait_for_status(order["id"].as_str().unwrap(), &cart.token, "confirmed").await;
    let admin = shop.admin_token().await;
    let path = format!("/v1/payments?order_id={}", text(&order["id"]));
    let payments = shop.get(&path).bearer(&admin).send().await.expect(200).json();
    assert_eq!(payments["items"].as_array().unwrap().len(), 1, "{payments}");
    shop.stop_and_verify();
}

#[tokio::test]
async fn repeated_late_and_disordered_webhooks_change_nothing_twice() {
    let shop = Shop::open().await;
    for token in ["tok_webhook_twice", "tok_webhook_out_of_order", "tok_webhook_late", "tok_no_webhook", "tok_error"] {
        let cart = shop.guest_cart(DEMO_SKU, 1).await;
        let order = shop.place(&cart, token, &shop.new_key()).await.expect(201).json();
        let id = text(&order["id"]);
        shop.wait(&format!("the order paid with {token}"), async || {
            let order = shop.get(&format!("/v1/orders/{id}")).guest(&cart.token).send().await.json();
            (order["status"] == "confirmed" && order["payment_status"] == "paid").then_some(())
        })
        .await;
    }
    shop.stop_and_verify();
}
