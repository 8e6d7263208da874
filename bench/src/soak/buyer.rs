//! One customer after another: fills a cart, mostly buys it, and sometimes thinks better of it.

use std::{rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Soak,
    books::{Bought, Fate, SKUS},
    patient::{As, Patient},
};

/// An order that takes longer than this to be paid is taken for lost.
const PAID_MAX: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Buys until the soak is over.
pub(crate) async fn buy(soak: Rc<Soak>, number: usize) -> Result<()> {
    let mut client = Patient::new(&soak);
    for turn in 0.. {
        if Instant::now() >= soak.until {
            break;
        }
        let key = format!("soak-buyer-{number:03}-{turn:06}");
        visit(&soak, &mut client, &key, number + turn).await.with_context(|| format!("the buyer with key {key}"))?;
    }
    Ok(())
}

async fn visit(soak: &Soak, client: &mut Patient<'_>, key: &str, turn: usize) -> Result<()> {
    let (sku, units) = (turn % SKUS, 1 + turn as i64 % 3);
    let line = json!({"sku": format!("SOAK-{sku}"), "quantity": 1});
    let cart = json!({
        "currency": "KRW", "locale": "ko", "email": format!("{key}@example.com"), "lines": [line],
        "shipping_address": {
            "name": "김하늘", "phone": "+821012345678", "country": "KR", "postal_code": "04524",
            "city": "서울특별시 중구", "line1": "세종대로 110",
        },
        "shipping_method": "standard",
    });
    let cart = client.post(As::Anybody, "/v1/carts", &format!("{key}-cart"), &cart).await?;
    let (cart, guest) = (text(&cart["id"])?, text(&cart["guest_token"])?);
    for more in 1..units {
        let path = format!("/v1/carts/{cart}/lines");
        client.post(As::Guest(&guest), &path, &format!("{key}-line-{more}"), &line).await?;
    }
    soak.books.borrow_mut().cart_changes += units.unsigned_abs();
    if turn % 8 == 7 {
        soak.books.borrow_mut().abandoned.push((cart, guest, units));
        return Ok(());
    }
    let body = json!({"cart_id": cart, "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
    let place_key = format!("{key}-order");
    let order = client.post(As::Guest(&guest), "/v1/orders", &place_key, &body).await?;
    let id = text(&order["id"])?;
    let total = order["totals"]["total"]["amount_minor"].as_i64().context("a total")?;
    let note = |fate| soak.books.borrow_mut().note(&id, Bought { guest: guest.clone(), sku, units, total, fate });
    note(Fate::Kept)?;
    match turn % 5 {
        // Whoever did not trust the answer asks again.
        0 => {
            let again = client.post(As::Guest(&guest), "/v1/orders", &place_key, &body).await?;
            anyhow::ensure!(again["id"] == order["id"], "one key, two orders: {id} and {}", again["id"]);
        }
        1 => {
            // At any moment: before, while or after the money is taken.
            let reason = json!({"reason": "changed my mind"});
            let path = format!("/v1/orders/{id}/cancel");
            client.post(As::Guest(&guest), &path, &format!("{key}-cancel"), &reason).await?;
            note(Fate::Cancelled)?;
        }
        2 => {
            paid(client, &id, &guest).await?;
            let amount = json!({"amount": {"amount_minor": 1000, "currency": "KRW"}, "reason": "scratched"});
            let path = format!("/v1/orders/{id}/refunds");
            client.post(As::Staff, &path, &format!("{key}-refund"), &amount).await?;
            note(Fate::Refunded(1000))?;
        }
        _ => {}
    }
    Ok(())
}

async fn paid(client: &mut Patient<'_>, order: &str, guest: &str) -> Result<()> {
    let deadline = Instant::now() + PAID_MAX;
    while client.get(As::Guest(guest), &format!("/v1/orders/{order}")).await?["payment_status"] != "paid" {
        anyhow::ensure!(Instant::now() < deadline, "{order} was not paid within {PAID_MAX:?}");
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(())
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("not a text: {value}"))?.to_owned())
}
