//! Tokens: how they end, what they open, and what guessing them brings.

use serde_json::{Value, json};

use crate::shop::{DEMO_SKU, Reply, Shop, text};

const PASSWORD: &str = "correct horse battery";

async fn session(shop: &Shop, email: &str) -> Value {
    shop.post("/v1/sessions").json(&json!({"email": email, "password": PASSWORD})).send().await.expect(201).json()
}

async fn refresh(shop: &Shop, token: &Value) -> Reply {
    shop.post("/v1/sessions/refresh").json(&json!({"refresh_token": token})).send().await
}

#[tokio::test]
async fn an_access_token_expires_and_is_refreshed() {
    let shop = Shop::open_with("[auth]\naccess_token_seconds = 5\n").await;
    shop.customer("mina@example.com").await;
    let mut tokens = session(&shop, "mina@example.com").await;
    assert_eq!(tokens["expires_in"], 5);
    let first = text(&tokens["access_token"]);
    let path = "/v1/accounts/me";
    shop.get(path).bearer(&first).send().await.expect(200);
    let expired = shop
        .wait("the token to expire", async || {
            let reply = shop.get(path).bearer(&first).send().await;
            (reply.status != 200).then_some(reply)
        })
        .await;
    expired.problem(401, "token_expired");
    // Public pages do not fall back to the public's view in silence.
    assert_eq!(shop.get("/v1/products?limit=1").bearer(&first).send().await.status, 401);
    tokens = refresh(&shop, &tokens["refresh_token"]).await.expect(200).json();
    shop.get(path).bearer(&text(&tokens["access_token"])).send().await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let shop = Shop::open().await;
    shop.customer("mina@example.com").await;
    let stolen = session(&shop, "mina@example.com").await;
    let other = session(&shop, "mina@example.com").await;
    let second = refresh(&shop, &stolen["refresh_token"]).await.expect(200).json();
    assert_ne!(second["refresh_token"], stolen["refresh_token"]);
    let third = refresh(&shop, &second["refresh_token"]).await.expect(200).json();
    // Whoever comes with the first again: one of the two is a thief, so nobody goes on.
    assert_eq!(refresh(&shop, &stolen["refresh_token"]).await.status, 401);
    assert_eq!(refresh(&shop, &third["refresh_token"]).await.status, 401);
    let other = refresh(&shop, &other["refresh_token"]).await.expect(200).json();
    for nonsense in ["", "rft_", "rft_zz", &format!("rft_{}", "0".repeat(64)), &"a".repeat(10_000)] {
        let reply = refresh(&shop, &json!(nonsense)).await;
        assert!([400, 401].contains(&reply.status.as_u16()), "{}", reply.text);
    }
    // Two at once: one of them at most is served.
    let (one, two) = tokio::join!(refresh(&shop, &other["refresh_token"]), refresh(&shop, &other["refresh_token"]));
    assert!(one.status == 401 || two.status == 401, "{} {}", one.text, two.text);
    // Signing out ends a session.
    let last = session(&shop, "mina@example.com").await;
    let out = shop.delete("/v1/sessions/current").bearer(&text(&last["access_token"])).send().await;
    assert!(out.status.is_success(), "{}", out.text);
    assert_eq!(refresh(&shop, &last["refresh_token"]).await.status, 401);
    let admin = shop.admin_token().await;
    let audit = shop.get("/v1/audit-events?limit=100").bearer(&admin).send().await.expect(200);
    assert!(audit.text.contains("reuse"), "a reuse is in the audit trail: {}", audit.text);
    assert!(!audit.text.contains(stolen["refresh_token"].as_str().unwrap()), "but no token is");
}

#[tokio::test]
async fn an_api_key_opens_what_it_is_for_until_it_is_revoked() {
    // A revoked key works for as long as the access token that it was last exchanged for.
    let shop = Shop::open_with("[auth]\naccess_token_seconds = 31\n").await;
    let admin = shop.admin_token().await;
    let wanted = json!({"name": "stock robot", "permissions": ["stock:write"]});
    let made = shop.post("/v1/api-keys").bearer(&admin).json(&wanted).send().await.expect(201).json();
    let secret = made
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_str)
        .find(|text| text.starts_with("jgt_") && text.len() > 40);
    let secret = secret.unwrap().to_owned();
    let variant = {
        let list = shop.get("/v1/products?limit=1").send().await.expect(200).json();
        text(&list["items"][0]["variants"][0]["id"])
    };
    let stock = format!("/v1/variants/{variant}/stock");
    shop.get(&stock).bearer(&secret).send().await.expect(200);
    for path in ["/v1/payments", "/v1/messages", "/v1/accounts", "/v1/api-keys", "/v1/audit-events"] {
        shop.get(path).bearer(&secret).send().await.problem(403, "forbidden");
    }
    let body = crate::shop::product("BY-ROBOT", 1);
    assert_eq!(shop.post("/v1/products").bearer(&secret).json(&body).send().await.status, 403);
    assert_eq!(shop.post("/v1/api-keys").bearer(&secret).json(&wanted).send().await.status, 403);
    let listed = shop.get("/v1/api-keys").bearer(&admin).send().await.expect(200);
    assert!(!listed.text.contains(&secret), "the secret is shown once");
    let id = listed.json()["items"].as_array().unwrap().iter().find(|key| key["name"] == "stock robot").unwrap()["id"]
        .clone();
    let gone = shop.delete(&format!("/v1/api-keys/{}", text(&id))).bearer(&admin).send().await;
    assert!(gone.status.is_success(), "{}", gone.text);
    shop.wait("the key to stop working", async || {
        let reply = shop.get(&stock).bearer(&secret).send().await;
        (reply.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_not_there() {
    let shop = Shop::open().await;
    let (mine, order) = shop.buy(DEMO_SKU, 1).await;
    let open = shop.guest_cart(DEMO_SKU, 1).await;
    let foreign_guest = shop.guest_cart(DEMO_SKU, 1).await.token;
    let customer = shop.customer("other@example.com").await;
    let order = format!("/v1/orders/{}", text(&order["id"]));
    let cart = format!("/v1/carts/{}", open.id);
    let events = format!("{order}/events");
    for path in [&order, &cart, &events] {
        shop.get(path).guest(&foreign_guest).send().await.problem(404, "not_found");
        shop.get(path).bearer(&customer).send().await.problem(404, "not_found");
        let stranger = shop.get(path).send().await;
        assert!([401, 404].contains(&stranger.status.as_u16()), "{}", stranger.text);
    }
    shop.get(&order).guest(&mine.token).send().await.expect(200);
    let cancel = json!({"reason": "mischief"});
    let reply = shop.post(&format!("{order}/cancel")).guest(&foreign_guest).json(&cancel).send().await;
    reply.problem(404, "not_found");
    let lines = format!("{cart}/lines");
    let line = json!({"sku": DEMO_SKU, "quantity": 1});
    shop.post(&lines).bearer(&customer).json(&line).send().await.problem(404, "not_found");
    let steal = json!({"cart_id": open.id, "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
    let reply = shop.post("/v1/orders").guest(&foreign_guest).key("somebody-elses-cart-1").json(&steal).send().await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    for nonsense in ["gst_", "nonsense", &format!("gst_{}", "0".repeat(64))] {
        let reply = shop.get(&cart).guest(nonsense).send().await;
        assert!([401, 404].contains(&reply.status.as_u16()), "{}", reply.text);
    }
    let mine = shop.get("/v1/orders").bearer(&customer).send().await.expect(200).json();
    assert_eq!(mine["items"].as_array().unwrap().len(), 0, "{mine}");
}

#[tokio::test]
async fn a_guests_cart_becomes_the_accounts() {
    let shop = Shop::open().await;
    let cart = shop.guest_cart(DEMO_SKU, 2).await;
    let customer = shop.customer("mina@example.com").await;
    let thief = shop.customer("thief@example.com").await;
    let foreign = shop.guest_cart(DEMO_SKU, 1).await;
    let path = format!("/v1/carts/{}", cart.id);
    let claim = format!("{path}/claim");
    for call in [shop.post(&claim).bearer(&thief), shop.post(&claim).bearer(&thief).guest(&foreign.token)] {
        let reply = call.json(&json!({})).send().await;
        assert_eq!(reply.status, 404, "{}", reply.text);
    }
    for _ in 0..2 {
        // Repeating it is safe.
        shop.post(&claim).bearer(&customer).guest(&cart.token).json(&json!({})).send().await.expect(200);
    }
    shop.get(&path).guest(&cart.token).send().await.problem(404, "not_found");
    shop.get(&path).bearer(&thief).send().await.problem(404, "not_found");
    let claimed = shop.get(&path).bearer(&customer).send().await.expect(200).json();
    assert_eq!(claimed["lines"], cart.body["lines"]);
    let order = json!({"cart_id": cart.id, "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
    let order =
        shop.post("/v1/orders").bearer(&customer).key("claimed-cart-order").json(&order).send().await.expect(201);
    let id = text(&order.json()["id"]);
    shop.get(&format!("/v1/orders/{id}")).bearer(&customer).send().await.expect(200);
    shop.get(&format!("/v1/orders/{id}")).guest(&cart.token).send().await.problem(404, "not_found");
    shop.stop_and_verify();
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down_without_telling_who_exists() {
    let shop = Shop::open().await;
    shop.customer("mina@example.com").await;
    for email in ["mina@example.com", "nobody@example.com"] {
        let guess = |n: usize| {
            let body = json!({"email": email, "password": format!("guess number {n}")});
            shop.post("/v1/sessions").json(&body).send()
        };
        let replies = futures::future::join_all((0..20).map(guess)).await;
        let refused = replies.iter().filter(|reply| reply.status == 401).count();
        assert!(refused <= 5, "{refused} guesses were looked at");
        let slowed = replies.into_iter().find(|reply| reply.status == 429).unwrap();
        assert!(slowed.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        slowed.problem(429, "locked_out");
    }
    // The right password has to wait as well, or guessing would go on.
    let right = shop.post("/v1/sessions").json(&json!({"email": "mina@example.com", "password": PASSWORD}));
    assert_eq!(right.send().await.status, 429);
}
