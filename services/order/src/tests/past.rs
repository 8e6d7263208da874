//! Orders as they were, long streams, and what was changed behind our back.

use std::time::Duration;

use contracts::{
    order::{OrderStatus, PaymentStatus},
    payment::{PaymentEvent, PaymentRefundFailed},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    fixtures::{id, krw},
    shop::{Shop, authorized, captured, guest, receipt, staff},
};
use crate::{order::refund::RefundScope, order_view::OrderView, show_order::ShowError, store::OrderStore as _};

const SECOND: Duration = Duration::from_secs(1);

/// Adds two facts to a paid order: money is asked back and does not go.
async fn try_refund(shop: &Shop, order: &OrderView, number: usize) {
    let scope = RefundScope::Amount(krw(100));
    let reason = "broken".to_owned();
    let view = shop.service.refund_order(&staff(), order.id, None, scope, reason, receipt(&format!("r{number}"))).await;
    let view = serde_json::to_value(view.unwrap()).unwrap();
    let refund_id = view["refunds"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().parse().unwrap();
    shop.hear(&PaymentEvent::RefundFailed(PaymentRefundFailed {
        payment_id: id(500),
        order_id: order.id,
        refund_id: Some(refund_id),
        amount: krw(100),
        reason: "provider_refused".into(),
    }))
    .await;
}

/// An order that was placed, confirmed 10 seconds later and paid after 10 more.
async fn slowly_paid(shop: &Shop) -> (crate::owner::Shopper, OrderView) {
    let (owner, order) = shop.placed().await;
    shop.clock.advance(10 * SECOND);
    shop.hear(&authorized(&order)).await;
    shop.clock.advance(10 * SECOND);
    shop.hear(&captured(&order)).await;
    (owner, order)
}

#[tokio::test]
async fn an_order_is_shown_as_it_was() {
    let shop = Shop::open();
    let (owner, order) = slowly_paid(&shop).await;
    let placed_at = order.placed_at;
    let shown = async |at: Timestamp| {
        let order = shop.service.show_order_at(&owner, order.id, at).await.unwrap();
        (order.status, order.payment_status, order.version)
    };
    assert_eq!(shown(placed_at).await, (OrderStatus::Pending, PaymentStatus::NotPaid, 1));
    assert_eq!(shown(placed_at + 9 * SECOND).await.2, 1);
    assert_eq!(shown(placed_at + 10 * SECOND).await, (OrderStatus::Confirmed, PaymentStatus::Authorized, 3));
    assert_eq!(shown(placed_at + 20 * SECOND).await, (OrderStatus::Confirmed, PaymentStatus::Paid, 4));
    assert_eq!(shown(Timestamp::MAX).await.2, 4);
    let before = shop.service.show_order_at(&owner, order.id, placed_at - SECOND).await;
    assert!(matches!(before, Err(ShowError::NotYetPlaced { placed_at: at }) if at == placed_at));
    let stranger = shop.service.show_order_at(&guest("gst_other"), order.id, placed_at).await;
    assert!(matches!(stranger, Err(ShowError::NotFound)));
    let first = serde_json::to_value(shop.service.show_order_at(&owner, order.id, placed_at).await.unwrap()).unwrap();
    assert_eq!(first, serde_json::to_value(&order).unwrap(), "the answer to placing it is what it was");
}

#[tokio::test]
async fn what_became_of_an_order_is_the_difference_and_the_events() {
    let shop = Shop::open();
    let (owner, order) = slowly_paid(&shop).await;
    let changes = async |from: Timestamp, until: Timestamp| {
        let changes = shop.service.list_order_changes(&owner, order.id, from, until).await?;
        Ok::<Value, ShowError>(serde_json::to_value(changes).unwrap())
    };
    let placed_at = order.placed_at;
    let confirmed = changes(placed_at, placed_at + 15 * SECOND).await.unwrap();
    let change = |path: &str| {
        let all = confirmed["changes"].as_array().unwrap();
        all.iter()
            .find(|change| change["path"] == path)
            .map(|change| (change["before"].clone(), change["after"].clone()))
    };
    assert_eq!(change("/status"), Some((json!("pending"), json!("confirmed"))));
    assert_eq!(change("/payment_status"), Some((json!("not_paid"), json!("authorized"))));
    assert_eq!(change("/payment/authorized/amount_minor"), Some((json!(0), json!(23_000))));
    assert_eq!(change("/version"), Some((json!(1), json!(3))));
    assert!(matches!(change("/pay_by"), Some((Value::String(_), Value::Null))));
    assert_eq!((change("/number"), change("/lines")), (None, None));
    let types: Vec<&Value> = confirmed["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["payment_authorized", "confirmed"]);

    let nothing = changes(placed_at, placed_at + SECOND).await.unwrap();
    assert_eq!(nothing, json!({"changes": [], "events": []}));
    let whole = changes(placed_at - SECOND, Timestamp::MAX).await.unwrap();
    assert_eq!((&whole["changes"][0]["path"], &whole["changes"][0]["before"]), (&json!(""), &Value::Null));
    assert_eq!((&whole["changes"][0]["after"]["version"], whole["events"].as_array().unwrap().len()), (&json!(4), 4));
    let before = changes(Timestamp::MIN, placed_at - SECOND).await;
    assert!(matches!(before, Err(ShowError::NotYetPlaced { .. })));
    let stranger = shop.service.list_order_changes(&guest("gst_x"), order.id, placed_at, Timestamp::MAX).await;
    assert!(matches!(stranger, Err(ShowError::NotFound)));
}

#[tokio::test]
async fn a_long_stream_is_read_from_its_snapshot_on() {
    let shop = Shop::open();
    let (owner, order) = shop.paid().await;
    for number in 0..30 {
        try_refund(&shop, &order, number).await;
    }
    let stored = shop.store.load_recent(order.id).await.unwrap();
    assert_eq!((stored.snapshot.as_ref().unwrap().version, stored.facts[0].seq), (64, 64));
    let before = serde_json::to_value(shop.service.show_order(&owner, order.id).await.unwrap()).unwrap();
    assert_eq!((&before["version"], before["refunds"].as_array().unwrap().len()), (&json!(64), 30));
    assert_eq!(shop.examine().await, crate::verify::Findings::default());

    // One that cannot be read is passed over and found; one of another program is only passed over.
    for (sql, finding) in [
        ("UPDATE order_snapshots SET state = replace(state, 'KRW', 'USD')", Some("its snapshot of event 64")),
        ("UPDATE order_snapshots SET state = '{}'", Some("its snapshot of event 64")),
        ("UPDATE order_snapshots SET hash = zeroblob(32)", Some("its snapshot of event 64")),
        ("UPDATE order_snapshots SET version = 99", Some("its snapshot of event 99")),
        ("UPDATE order_snapshots SET schema = 99, state = 'anything'", None),
    ] {
        shop.store
            .database()
            .write(move |transaction| Ok::<_, chassis::StoreError>(transaction.execute_batch(sql)?))
            .await
            .unwrap();
        let violations = shop.examine().await.violations;
        assert_eq!(
            violations.first().map(|found| found.contains(finding.unwrap_or("?"))),
            finding.map(|_| true),
            "{sql}"
        );
        if !sql.contains("USD") {
            let shown = shop.service.show_order(&owner, order.id).await.unwrap();
            assert_eq!(serde_json::to_value(shown).unwrap(), before, "{sql}");
        }
    }
    crate::rebuild::rebuild(&shop.store, &shop.env, &Default::default()).await.unwrap();
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
    assert!(shop.store.load_recent(order.id).await.unwrap().snapshot.is_none(), "a rebuild trusts the stream alone");
}

#[tokio::test]
async fn one_changed_byte_in_the_table_is_found_wherever_it_is() {
    let shop = Shop::open();
    let (_, order) = shop.paid().await;
    let stream = shop.store.load(order.id).await.unwrap();
    for fact in &stream {
        for at in (0..fact.data.len()).step_by(7) {
            let (seq, mut bytes) = (fact.seq, fact.data.clone().into_bytes());
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            let set = async |data: String| {
                let sql = "UPDATE order_events SET data = ?1 WHERE seq = ?2";
                let change = move |transaction: &rusqlite::Connection| {
                    Ok::<_, chassis::StoreError>(transaction.execute(sql, (data, seq.cast_signed()))?)
                };
                shop.store.database().write(change).await.unwrap();
            };
            set(changed).await;
            let violations = shop.examine().await.violations;
            let wanted = format!("event {seq} was changed after it was written");
            assert!(violations.iter().any(|found| found.contains(&wanted)), "byte {at} of event {seq}: {violations:?}");
            set(fact.data.clone()).await;
        }
    }
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}
