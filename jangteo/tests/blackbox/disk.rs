//! A disk that is full for a while, played by the limit on the size of files.

use std::process::Command;

use serde_json::json;

use crate::shop::{DEMO_SKU, GuestCart, Setup, Shop, text};

/// Writes beyond the limit fail instead of killing the process.
const LIMITED: Setup = Setup { config: String::new(), products: 12, prelude: "trap '' XFSZ" };

/// From now on no file of the shop may grow beyond `bytes`.
fn limit_files(shop: &Shop, bytes: &str) {
    let limit = format!("--fsize={bytes}:");
    let status = Command::new("prlimit").args(["--pid", &shop.pid().to_string(), &limit]).status().unwrap();
    assert!(status.success());
}

/// The size that the largest of the files of a store may grow by nothing from.
fn size(shop: &Shop, name: &str) -> u64 {
    std::fs::metadata(shop.data_dir().join(name)).unwrap().len()
}

#[tokio::test]
async fn a_full_disk_refuses_writes_loses_nothing_and_ends() {
    let shop = Shop::open_as(LIMITED).await;
    let admin = shop.admin_token().await;
    let mut carts = Vec::new();
    for _ in 0..30 {
        carts.push(shop.guest_cart(DEMO_SKU, 1).await);
    }
    // Below what is there already: the very next write of most stores fails.
    limit_files(&shop, &(size(&shop, "order.db-wal") + 40_000).to_string());
    let mut placed: Vec<(GuestCart, String)> = Vec::new();
    let mut refused = Vec::new();
    for (n, cart) in carts.into_iter().enumerate() {
        let reply = shop.place(&cart, "tok_approve", &format!("full-disk-order-{n:02}")).await;
        if reply.status == 201 {
            placed.push((cart, text(&reply.json()["id"])));
        } else {
            let problem = reply.problem(503, "unavailable");
            assert!(!problem.to_string().to_lowercase().contains("sqlite"), "no internals: {problem}");
            refused.push((cart, n));
        }
    }
    assert!(!refused.is_empty(), "the disk was never full");
    let reply = shop.post("/v1/products").bearer(&admin).json(&crate::shop::product("NO-ROOM", 1)).send().await;
    reply.problem(503, "unavailable");
    let reply = shop.post("/v1/carts").json(&json!({"currency": "KRW"})).send().await;
    assert!([201, 503].contains(&reply.status.as_u16()), "{}", reply.text);

    // Reads go on.
    shop.get("/v1/products?limit=5").send().await.expect(200);
    shop.get("/v1/products?q=shirt").send().await.expect(200);
    shop.get("/v1/accounts/me").bearer(&admin).send().await.expect(200);
    for (cart, _) in &refused {
        shop.get(&format!("/v1/carts/{}", cart.id)).guest(&cart.token).send().await.expect(200);
    }
    for (cart, order) in &placed {
        shop.get(&format!("/v1/orders/{order}")).guest(&cart.token).send().await.expect(200);
    }
    shop.get("/v1/products/no-room").send().await.expect(404);

    // There is room again: everything goes on without a restart, and the same keys work.
    limit_files(&shop, "unlimited");
    for (cart, n) in refused {
        let reply = shop.place(&cart, "tok_approve", &format!("full-disk-order-{n:02}")).await.expect(201);
        placed.push((cart, text(&reply.json()["id"])));
    }
    settled(&shop, &placed).await;
    assert!(!shop.log().contains("panicked"), "{}", shop.log());
    shop.stop_and_verify();
}

#[tokio::test]
async fn a_shop_that_died_on_a_full_disk_starts_again() {
    let mut shop = Shop::open_as(LIMITED).await;
    let mut carts = Vec::new();
    for _ in 0..10 {
        carts.push(shop.guest_cart(DEMO_SKU, 1).await);
    }
    let mut placed = Vec::new();
    for (n, cart) in carts.into_iter().enumerate() {
        if n == 5 {
            limit_files(&shop, "20000");
        }
        let reply = shop.place(&cart, "tok_approve", &format!("last-room-order-{n:02}")).await;
        if reply.status == 201 {
            placed.push((cart, text(&reply.json()["id"])));
        } else {
            reply.problem(503, "unavailable");
        }
    }
    assert_eq!(placed.len(), 5);
    shop.kill();
    // A start on the full disk says so.
    let data = shop.data_dir();
    let full = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec timeout 20 \"$0\" --listen 127.0.0.1:0 --data-dir \"$1\""])
        .arg(env!("CARGO_BIN_EXE_jangteo"))
        .arg(&data)
        .env("JANGTEO__INTERNAL__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    assert_eq!(full.status.code(), Some(2), "{said}");
    assert!(said.contains("space") && said.contains(data.to_str().unwrap()) && !said.contains("panicked"), "{said}");
    let shop = shop.reopen().await;
    settled(&shop, &placed).await;
    shop.stop_and_verify();
}

/// Waits until every order is confirmed and paid, once each.
async fn settled(shop: &Shop, placed: &[(GuestCart, String)]) {
    let admin = shop.admin_token().await;
    for (cart, order) in placed {
        shop.wait_for_status(order, &cart.token, "confirmed").await;
        let payments = shop.get(&format!("/v1/payments?order_id={order}")).bearer(&admin).send().await.expect(200);
        assert_eq!(payments.json()["items"].as_array().unwrap().len(), 1, "{}", payments.text);
    }
}
