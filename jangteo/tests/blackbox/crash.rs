//! The power goes again and again while customers buy.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::shop::{DEMO_SKU, GuestCart, Shop, text};

const CLIENTS: usize = 50;
/// After how many placed orders the power goes, each time.
const CUTS: [usize; 5] = [1, 23, 7, 38, 15];

#[tokio::test]
async fn what_was_promised_survives_every_power_cut() {
    let mut shop = Shop::open().await;
    let placed: Mutex<BTreeMap<String, GuestCart>> = Mutex::default();
    for (round, cut) in CUTS.into_iter().enumerate() {
        let mut carts = Vec::new();
        for _ in 0..CLIENTS {
            carts.push(shop.guest_cart(DEMO_SKU, 1).await);
        }
        let before = len(&placed);
        let buying = futures::future::join_all(carts.into_iter().enumerate().map(async |(n, cart)| {
            let key = format!("power-cut-{round}-{n:03}");
            let order = serde_json::json!({
                "cart_id": cart.id, "payment_method": {"provider": "sandbox", "token": "tok_approve"},
            });
            let call = shop.post("/v1/orders").guest(&cart.token).key(&key).json(&order);
            // No answer is no promise.
            if let Ok((status, _, body)) = call.try_send().await
                && status == 201
            {
                let id = text(&serde_json::from_str::<serde_json::Value>(&body).unwrap()["id"]);
                placed.lock().unwrap_or_else(PoisonError::into_inner).insert(id, cart);
            }
        }));
        let enough = async {
            while len(&placed) < before + cut {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            biased;
            () = enough => {}
            _ = buying => {}
        }
        shop = shop.kill_and_restart().await;
    }
    let admin = shop.admin_token().await;
    let placed = placed.into_inner().unwrap();
    assert!(placed.len() >= CUTS.iter().sum(), "{} orders", placed.len());
    for (order, cart) in &placed {
        shop.wait_for_status(order, &cart.token, "confirmed").await;
        let payments = shop.get(&format!("/v1/payments?order_id={order}")).bearer(&admin).send().await.expect(200);
        assert_eq!(payments.json()["items"].as_array().unwrap().len(), 1, "{}", payments.text);
    }
    // Also those that nobody heard of come to an end.
    shop.wait("no order to be pending", async || {
        let pending = shop.get("/v1/orders?status=pending&limit=1").bearer(&admin).send().await.expect(200).json();
        pending["items"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    shop.stop_and_verify();
}

fn len(placed: &Mutex<BTreeMap<String, GuestCart>>) -> usize {
    placed.lock().unwrap_or_else(PoisonError::into_inner).len()
}
