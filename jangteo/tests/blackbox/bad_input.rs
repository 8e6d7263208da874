//! Bad input gets a clear problem and changes nothing.

use serde_json::json;

use crate::shop::{DEMO_SKU, Shop, address, cart};

#[tokio::test]
async fn malformed_bodies_are_named() {
    let shop = Shop::open().await;
    let post = |body: &str| shop.post("/v1/carts").raw(body.as_bytes().to_vec()).send();
    post("{").await.problem(400, "invalid_request");
    post("[]").await.problem(400, "invalid_request");
    post("{\"currency\":\"KRW\",\"colour\":1}").await.problem(400, "invalid_request");
    post("{\"currency\":\"XYZ\"}").await.problem(400, "invalid_request");
    post("{\"currency\":\"KRW\"} trailing").await.problem(400, "invalid_request");
    let wrong = post("{\"currency\":\"KRW\",\"lines\":[{\"sku\":\"A\",\"quantity\":\"two\"}]}").await;
    let problem = wrong.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "/lines/0/quantity", "{problem}");
    let utf8 = shop.post("/v1/carts").raw(b"{\"currency\":\"\xff\"}".to_vec()).send().await;
    utf8.problem(400, "invalid_request");
    let plain = shop.post("/v1/carts").header("content-type", "text/plain").raw("{}").send().await;
    assert_eq!(plain.status, 415, "{}", plain.text);
}

#[tokio::test]
async fn impossible_values_are_refused() {
    let shop = Shop::open().await;
    for quantity in [0, -1, 1000, i64::MAX] {
        let reply = shop.post("/v1/carts").json(&cart(DEMO_SKU, quantity)).send().await;
        let problem = reply.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], "/lines/0/quantity", "{problem}");
    }
    let unknown = shop.post("/v1/carts").json(&cart("NO-SUCH-SKU", 1)).send().await;
    assert_eq!(unknown.status, 422, "{}", unknown.text);
    let mut nowhere = cart(DEMO_SKU, 1);
    nowhere["shipping_address"] =
        json!({"name": "", "phone": "", "country": "Korea", "postal_code": "", "city": "", "line1": ""});
    let problem = shop.post("/v1/carts").json(&nowhere).send().await.problem(400, "invalid_request");
    assert!(problem["errors"].as_array().unwrap().len() >= 2, "all violations at once: {problem}");
    shop.get("/v1/products?limit=0").send().await.problem(400, "invalid_request");
    shop.get("/v1/products?limit=many").send().await.problem(400, "invalid_request");
    shop.get("/v1/products?colour=red").send().await.problem(400, "invalid_request");
    shop.get("/v1/products?cursor=garbage").send().await.problem(400, "invalid_request");
    shop.get("/v1/products/prd_00000000000000000000000000000000").send().await.problem(404, "not_found");
    shop.get("/v1/nothing").send().await.problem(404, "unknown_path");
    assert_eq!(shop.delete("/v1/products").send().await.status, 405);
}

#[tokio::test]
async fn amounts_that_overflow_are_refused() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    let mut dear = crate::shop::product("DEAR", 999);
    dear["variants"][0]["prices"][0]["amount"]["amount_minor"] = json!(i64::MAX);
    let reply = shop.post("/v1/products").bearer(&admin).json(&dear).send().await;
    assert_eq!(reply.status, 400, "no price may be so high that a cart overflows: {}", reply.text);
    dear["variants"][0]["prices"][0]["amount"]["amount_minor"] = json!(-1);
    let reply = shop.post("/v1/products").bearer(&admin).json(&dear).send().await;
    reply.problem(400, "invalid_request");
}

#[tokio::test]
async fn another_currency_needs_a_price() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    shop.post("/v1/products").bearer(&admin).json(&crate::shop::product("WON-ONLY", 9)).send().await.expect(201);
    let dollars =
        json!({"currency": "USD", "lines": [{"sku": "WON-ONLY", "quantity": 1}], "shipping_address": address()});
    let reply = shop.post("/v1/carts").json(&dollars).send().await;
    assert_eq!(reply.status, 422, "{}", reply.text);
}

#[tokio::test]
async fn bodies_and_tokens_out_of_bounds_are_refused() {
    let shop = Shop::open().await;
    let huge = json!({"currency": "KRW", "email": "x".repeat(2_000_000)});
    let reply = shop.post("/v1/carts").json(&huge).send().await;
    assert_eq!(reply.status, 413, "{}", reply.text);
    for token in
        ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhY2NfMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAifQ."]
    {
        shop.get("/v1/accounts/me").bearer(token).send().await.problem(401, "invalid_token");
    }
    let admin = shop.admin_token().await;
    let mut forged = admin.clone();
    forged.pop();
    forged.push(if admin.ends_with('A') { 'B' } else { 'A' });
    shop.get("/v1/accounts/me").bearer(&forged[..forged.len() - 4]).send().await.problem(401, "invalid_token");
    shop.get("/v1/accounts/me").bearer(&format!("jgt_{}", "0".repeat(64))).send().await.expect(401);
}
