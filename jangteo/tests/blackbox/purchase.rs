//! The whole purchase, as a guest and as a customer.

use serde_json::json;

use crate::shop::{DEMO_SKU, Shop, address, text};

#[tokio::test]
async fn a_guest_buys_and_gets_a_mail() {
    let shop = Shop::open().await;
    let list = shop.get("/v1/products?limit=5").send().await.expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 5);

    let cart = shop.guest_cart(DEMO_SKU, 2).await;
    let line = &cart.body["lines"][0];
    let unit = line["unit_price"]["amount_minor"].as_i64().unwrap();
    assert_eq!(line["total"]["amount_minor"], unit * 2);
    let tax = line["tax"]["amount_minor"].as_i64().unwrap();
    assert!((tax - unit * 2 / 11).abs() <= 1, "a tenth of the supply value is VAT: {line}");

    let order = shop.place(&cart, "tok_approve", "guest-order-key-1").await.expect(201).json();
    assert_eq!(order["totals"], cart.body["totals"]);
    let order = shop.wait_for_status(order["id"].as_str().unwrap(), &cart.token, "confirmed").await;
    let id = text(&order["id"]);

    // Captured by event shortly after.
    let paid = shop
        .wait("the payment to be captured", async || {
            let order = shop.get(&format!("/v1/orders/{id}")).guest(&cart.token).send().await.json();
            (order["payment_status"] == "paid").then_some(order)
        })
        .await;
    assert_eq!(paid["totals"]["total"], order["totals"]["total"]);

    let mail = shop.wait("the mail", async || shop.mails("haneul@example.com").await.pop()).await;
    assert!(mail["subject"].as_str().unwrap().contains(order["number"].as_str().unwrap()), "{mail}");

    let events = shop.get(&format!("/v1/orders/{id}/events")).guest(&cart.token).send().await.expect(200).json();
    let types: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    assert!(types.len() >= 3, "{types:?}");
    assert!(!events.to_string().contains("tok_approve"), "the payment token is nobody's business");
    shop.stop_and_verify();
}

#[tokio::test]
async fn a_customer_builds_a_cart_step_by_step() {
    let shop = Shop::open().await;
    let token = shop.customer("sora@example.com").await;
    let created = shop.post("/v1/carts").bearer(&token).json(&json!({"currency": "KRW"})).send().await.expect(201);
    assert!(created.json().get("guest_token").is_none_or(serde_json::Value::is_null));
    let path = format!("/v1/carts/{}", text(&created.json()["id"]));

    let added =
        shop.post(&format!("{path}/lines")).bearer(&token).json(&json!({"sku": DEMO_SKU, "quantity": 1})).send().await;
    assert!(added.status.is_success(), "{}", added.text);
    let cart = shop.get(&path).bearer(&token).send().await.expect(200);
    let line = format!("{path}/lines/{}", text(&cart.json()["lines"][0]["id"]));
    let changed = shop.patch(&line).bearer(&token).header("if-match", cart.etag()).json(&json!({"quantity": 3}));
    changed.send().await.expect(200);
    let stale = shop.patch(&line).bearer(&token).header("if-match", cart.etag()).json(&json!({"quantity": 9}));
    stale.send().await.problem(412, "precondition_failed");

    let incomplete =
        json!({"cart_id": text(&cart.json()["id"]), "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
    let refused = shop.post("/v1/orders").bearer(&token).key("customer-order-0").json(&incomplete).send().await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let details = json!({"email": "sora@example.com", "shipping_address": address(), "shipping_method": "standard"});
    shop.patch(&path).bearer(&token).json(&details).send().await.expect(200);
    let order =
        shop.post("/v1/orders").bearer(&token).key("customer-order-1").json(&incomplete).send().await.expect(201);
    let id = text(&order.json()["id"]);
    shop.wait("the order to be confirmed", async || {
        let order = shop.get(&format!("/v1/orders/{id}")).bearer(&token).send().await.expect(200).json();
        (order["status"] == "confirmed").then_some(())
    })
    .await;
    let mine = shop.get("/v1/orders").bearer(&token).send().await.expect(200).json();
    assert_eq!(mine["items"].as_array().unwrap().len(), 1);
    shop.stop_and_verify();
}

#[tokio::test]
async fn parallel_adds_lose_no_line() {
    let shop = Shop::open().await;
    let list = shop.get("/v1/products?limit=10").send().await.json();
    let skus: Vec<String> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|product| product["variants"].as_array().unwrap())
        .take(20)
        .map(|variant| text(&variant["id"]))
        .collect();
    let cart = shop.post("/v1/carts").json(&json!({"currency": "KRW"})).send().await.expect(201).json();
    let (path, guest) = (format!("/v1/carts/{}/lines", text(&cart["id"])), text(&cart["guest_token"]));
    let adds = skus
        .iter()
        .chain(&skus)
        .map(|variant| shop.post(&path).guest(&guest).json(&json!({"variant_id": variant, "quantity": 1})).send());
    for reply in futures::future::join_all(adds).await {
        assert!(reply.status.is_success(), "{}", reply.text);
    }
    let cart = shop.get(path.trim_end_matches("/lines")).guest(&guest).send().await.json();
    let lines = cart["lines"].as_array().unwrap();
    assert_eq!(lines.len(), skus.len());
    assert!(lines.iter().all(|line| line["quantity"] == 2), "{cart}");
}

#[tokio::test]
async fn cancelling_gives_money_and_stock_back() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    shop.post("/v1/products").bearer(&admin).json(&crate::shop::product("CANCEL-ME", 5)).send().await.expect(201);
    let (cart, order) = shop.buy("CANCEL-ME", 3).await;
    let path = format!("/v1/orders/{}", text(&order["id"]));
    shop.wait("the capture", async || {
        let order = shop.get(&path).guest(&cart.token).send().await.json();
        (order["payment_status"] == "paid").then_some(())
    })
    .await;
    let cancel = shop.post(&format!("{path}/cancel")).guest(&cart.token).json(&json!({"reason": "changed my mind"}));
    assert!(cancel.send().await.status.is_success());
    let again = shop.post(&format!("{path}/cancel")).guest(&cart.token).json(&json!({})).send().await;
    assert_eq!(again.status, 409, "{}", again.text);
    shop.wait("the refund", async || {
        let order = shop.get(&path).guest(&cart.token).send().await.json();
        (order["status"] == "cancelled" && order["payment_status"] == "refunded").then_some(())
    })
    .await;
    let variant = text(&order["lines"][0]["variant_id"]);
    shop.wait("the stock to come back", async || {
        let level = shop.get(&format!("/v1/variants/{variant}/stock")).bearer(&admin).send().await.expect(200).json();
        (level["on_hand"] == 5 && level["reserved"] == 0).then_some(())
    })
    .await;
    shop.wait("two mails", async || (shop.mails("haneul@example.com").await.len() >= 2).then_some(())).await;
    shop.stop_and_verify();
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_after_a_kill() {
    let shop = Shop::open().await;
    let (cart, order) = shop.buy(DEMO_SKU, 1).await;
    let path = format!("/v1/orders/{}", text(&order["id"]));
    let shop = shop.stop_and_restart().await;
    assert_eq!(shop.get(&path).guest(&cart.token).send().await.expect(200).json()["number"], order["number"]);
    let second = shop.guest_cart(DEMO_SKU, 1).await;
    let placed = shop.place(&second, "tok_approve", "placed-before-the-kill").await.expect(201).json();
    let shop = shop.kill_and_restart().await;
    shop.wait_for_status(placed["id"].as_str().unwrap(), &second.token, "confirmed").await;
    let replayed = shop.place(&second, "tok_approve", "placed-before-the-kill").await.expect(201);
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
    assert_eq!(replayed.json()["id"], placed["id"]);
    shop.stop_and_verify();
}
