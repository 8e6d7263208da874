//! Stock under contention: nothing is sold twice.

use serde_json::json;

use crate::shop::{Shop, product, text};

#[tokio::test]
async fn two_customers_and_the_last_item() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    shop.post("/v1/products").bearer(&admin).json(&product("LAST-ONE", 1)).send().await.expect(201);
    let carts = [shop.guest_cart("LAST-ONE", 1).await, shop.guest_cart("LAST-ONE", 1).await];
    let keys = [shop.new_key(), shop.new_key()];
    let (first, second) =
        tokio::join!(shop.place(&carts[0], "tok_approve", &keys[0]), shop.place(&carts[1], "tok_approve", &keys[1]));
    let mut outcomes = [(first, &carts[0]), (second, &carts[1])];
    outcomes.sort_by_key(|(reply, _)| reply.status.as_u16());
    let [(winner, cart), (loser, _)] = outcomes;
    let problem = loser.problem(409, "insufficient_stock");
    assert!(problem.to_string().contains("LAST-ONE") || problem.to_string().contains("var_"), "{problem}");
    shop.wait_for_status(winner.expect(201).json()["id"].as_str().unwrap(), &cart.token, "confirmed").await;
    let sold_out = shop.get("/v1/products/last-one").send().await.expect(200).json();
    assert_eq!(sold_out["variants"][0]["in_stock"], false);
    shop.stop_and_verify();
}

#[tokio::test]
async fn fifty_buyers_for_ten_units() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    shop.post("/v1/products").bearer(&admin).json(&product("FLASH-SALE", 10)).send().await.expect(201);
    let mut carts = Vec::new();
    for _ in 0..50 {
        carts.push(shop.guest_cart("FLASH-SALE", 1).await);
    }
    let keys: Vec<String> = carts.iter().map(|_| shop.new_key()).collect();
    let replies =
        futures::future::join_all(carts.iter().zip(&keys).map(|(cart, key)| shop.place(cart, "tok_approve", key)))
            .await;
    let placed: Vec<_> = replies.iter().zip(&carts).filter(|(reply, _)| reply.status == 201).collect();
    assert_eq!(placed.len(), 10);
    assert!(replies.iter().all(|reply| reply.status == 201 || reply.status == 409));
    for (reply, cart) in placed {
        shop.wait_for_status(reply.json()["id"].as_str().unwrap(), &cart.token, "confirmed").await;
    }
    let variant = text(&shop.get("/v1/products/flash-sale").send().await.json()["variants"][0]["id"]);
    shop.wait("all ten to leave", async || {
        let level = shop.get(&format!("/v1/variants/{variant}/stock")).bearer(&admin).send().await.json();
        (level["on_hand"] == 0 && level["reserved"] == 0).then_some(())
    })
    .await;
    shop.stop_and_verify();
}

#[tokio::test]
async fn an_order_that_was_refused_is_refused_the_same_under_its_key() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    let made = shop.post("/v1/products").bearer(&admin).json(&product("SOON-GONE", 1)).send().await.expect(201).json();
    let (late, early) = (shop.guest_cart("SOON-GONE", 1).await, shop.guest_cart("SOON-GONE", 1).await);
    shop.place(&early, "tok_approve", &shop.new_key()).await.expect(201);
    let key = shop.new_key();
    let first = shop.place(&late, "tok_approve", &key).await;
    assert!(!first.headers.contains_key("idempotency-replayed"), "{}", first.text);
    let refusal = first.text.clone();
    first.problem(409, "insufficient_stock");
    let path = format!("/v1/variants/{}/stock-adjustments", text(&made["variants"][0]["id"]));
    let delivery = json!({"delta": 5, "reason": "delivery"});
    shop.post(&path).bearer(&admin).key(&shop.new_key()).json(&delivery).send().await.expect(201);
    let again = shop.place(&late, "tok_approve", &key).await;
    assert_eq!((again.status.as_u16(), &again.text), (409, &refusal));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["content-type"], "application/problem+json");
    // A refusal survives a restart as any answer does; a new key is a new try.
    let shop = shop.stop_and_restart().await;
    assert_eq!(shop.place(&late, "tok_approve", &key).await.text, refusal);
    shop.place(&late, "tok_approve", &shop.new_key()).await.expect(201);
    shop.stop_and_verify();
}

#[tokio::test]
async fn two_lines_on_one_variant_count_together() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    shop.post("/v1/products").bearer(&admin).json(&product("TWO-LINES", 3)).send().await.expect(201);
    let cart = shop.guest_cart("TWO-LINES", 2).await;
    let more = json!({"sku": "TWO-LINES", "quantity": 2});
    shop.post(&format!("/v1/carts/{}/lines", cart.id)).guest(&cart.token).json(&more).send().await;
    shop.place(&cart, "tok_approve", &shop.new_key()).await.problem(409, "insufficient_stock");
    let variant = text(&cart.body["lines"][0]["variant_id"]);
    let level = shop.get(&format!("/v1/variants/{variant}/stock")).bearer(&admin).send().await.json();
    assert_eq!((&level["on_hand"], &level["reserved"]), (&json!(3), &json!(0)), "all lines or none");
}
