//! What staff do: products, stock, refunds.

use serde_json::json;

use crate::shop::{Shop, product, text};

#[tokio::test]
async fn staff_create_edit_and_archive_a_product() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    let key = shop.new_key();
    let create = || shop.post("/v1/products").bearer(&admin).key(&key).json(&product("STAFF-1", 7)).send();
    let created = create().await.expect(201);
    assert!(created.headers["location"].to_str().unwrap().starts_with("/v1/products/prd_"));
    let replay = create().await.expect(201);
    assert_eq!(replay.json()["id"], created.json()["id"]);
    let path = format!("/v1/products/{}", text(&created.json()["id"]));
    let edit = json!({"title": {"ko": "새 이름", "en": "A new name"}});
    shop.patch(&path)
        .bearer(&admin)
        .header("if-match", "\"999\"")
        .json(&edit)
        .send()
        .await
        .problem(412, "precondition_failed");
    let edited =
        shop.patch(&path).bearer(&admin).header("if-match", created.etag()).json(&edit).send().await.expect(200);
    assert_eq!(edited.json()["title"]["en"], "A new name");
    shop.wait("the new name to be found", async || {
        let found = shop.get("/v1/products?q=%EC%83%88%20%EC%9D%B4%EB%A6%84").send().await.expect(200).json();
        found["items"].as_array().unwrap().iter().any(|item| item["id"] == created.json()["id"]).then_some(())
    })
    .await;
    let again = shop.post("/v1/products").bearer(&admin).json(&product("STAFF-1", 7)).send().await;
    assert_eq!(again.status, 409, "the handle is taken: {}", again.text);
    let archived = shop.delete(&path).bearer(&admin).header("if-match", edited.etag()).send().await;
    assert!(archived.status.is_success(), "{}", archived.text);
    shop.get(&path).send().await.problem(404, "not_found");
    shop.stop_and_verify();
}

#[tokio::test]
async fn stock_has_a_history() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    let created = shop.post("/v1/products").bearer(&admin).json(&product("HISTORY", 7)).send().await.expect(201).json();
    let path = format!("/v1/variants/{}", text(&created["variants"][0]["id"]));
    let adjust = json!({"delta": -2, "reason": "damaged"});
    let adjusted = shop.post(&format!("{path}/stock-adjustments")).bearer(&admin).key(&shop.new_key()).json(&adjust);
    assert!(adjusted.send().await.status.is_success());
    let below = json!({"delta": -6, "reason": "too many"});
    let refused =
        shop.post(&format!("{path}/stock-adjustments")).bearer(&admin).key(&shop.new_key()).json(&below).send().await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    let level = shop.get(&format!("{path}/stock")).bearer(&admin).send().await.expect(200).json();
    assert_eq!(level["on_hand"], 5);
    let history = shop.get(&format!("{path}/stock-movements")).bearer(&admin).send().await.expect(200).json();
    assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
    shop.stop_and_verify();
}

#[tokio::test]
async fn refunds_in_part_and_in_whole_never_exceed_what_was_paid() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    shop.post("/v1/products").bearer(&admin).json(&product("REFUND", 9)).send().await.expect(201);
    let (cart, order) = shop.buy("REFUND", 3).await;
    let path = format!("/v1/orders/{}", text(&order["id"]));
    let paid = |status: &'static str| {
        let (shop, path, cart) = (&shop, &path, &cart);
        async move {
            shop.wait(status, async || {
                let order = shop.get(path).guest(&cart.token).send().await.json();
                (order["payment_status"] == status).then_some(order)
            })
            .await
        }
    };
    let total = paid("paid").await["totals"]["total"]["amount_minor"].as_i64().unwrap();
    let refund = |body: serde_json::Value, key: String| {
        shop.post(&format!("{path}/refunds")).bearer(&admin).key(&key).json(&body).send()
    };
    let part = json!({"amount": {"amount_minor": 1000, "currency": "KRW"}, "reason": "scratched"});
    assert!(refund(part.clone(), "refund-part".into()).await.status.is_success());
    assert!(refund(part, "refund-part".into()).await.status.is_success(), "the same key is the same refund");
    paid("partially_refunded").await;
    let too_much = json!({"amount": {"amount_minor": total, "currency": "KRW"}, "reason": "all of it"});
    let refused = refund(too_much.clone(), "refund-too-much".into()).await;
    assert!(refused.status.is_client_error(), "{}", refused.text);
    let races = futures::future::join_all((0..4).map(|n| {
        let rest = json!({"amount": {"amount_minor": total - 1000, "currency": "KRW"}, "reason": "the rest"});
        refund(rest, format!("refund-race-{n}"))
    }))
    .await;
    assert_eq!(races.iter().filter(|reply| reply.status.is_success()).count(), 1, "only one of four fits");
    paid("refunded").await;
    let customer =
        shop.post(&format!("{path}/refunds")).guest(&cart.token).key("not-staff").json(&too_much).send().await;
    assert!([401, 403].contains(&customer.status.as_u16()), "{}", customer.text);
    shop.stop_and_verify();
}

#[tokio::test]
async fn counting_stock_needs_its_own_permission() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    let wanted = json!({"name": "catalogue only", "permissions": ["catalog:write"]});
    let key = shop.post("/v1/api-keys").bearer(&admin).json(&wanted).send().await.expect(201).json();
    let secret = text(&key["secret"]);
    let mut uncounted = product("NO-COUNT", 5);
    let with_count = json!({"products": [uncounted.clone()]});
    shop.post("/v1/product-imports").bearer(&secret).json(&with_count).send().await.problem(403, "forbidden");
    shop.post("/v1/products").bearer(&secret).json(&uncounted).send().await.problem(403, "forbidden");
    uncounted["variants"][0].as_object_mut().unwrap().remove("on_hand");
    shop.post("/v1/products").bearer(&secret).json(&uncounted).send().await.expect(201);
}
