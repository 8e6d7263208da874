//! What payment, product and the clock do to orders.

use std::{sync::Arc, time::Duration};

use chassis::{bus::ConsumeError, sqlite::Location};
use contracts::{
    order::{OrderEvent, OrderStatus, PaymentStatus},
    payment::{PaymentDeclined, PaymentEvent, PaymentRefunded, PaymentVoided},
    product::{ProductEvent, StockCommitFailed},
};

use super::{
    fixtures::{id, krw},
    shop::{Shop, authorized, captured},
};

#[tokio::test]
async fn an_event_that_comes_twice_has_its_effect_once() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    let envelope = shop.hear(&authorized(&order)).await;
    shop.consume(&envelope).await.unwrap();
    shop.hear(&authorized(&order)).await;
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!((order.status, order.version), (OrderStatus::Confirmed, 3));
    assert_eq!(shop.said().await.len(), 2);
}

#[tokio::test]
async fn a_decline_rejects() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    let declined = PaymentDeclined { payment_id: id(500), order_id: order.id, reason: "card_declined".into() };
    shop.hear(&PaymentEvent::Declined(declined)).await;
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!((order.status, order.status_reason.as_deref()), (OrderStatus::Rejected, Some("card_declined")));
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}

#[tokio::test]
async fn an_order_that_nobody_pays_expires() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    shop.clock.advance(Duration::from_secs(899));
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 0);
    shop.clock.advance(Duration::from_secs(1));
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 1);
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 0);
    // The authorization comes late: it is noted, and payment lets it go.
    shop.hear(&authorized(&order)).await;
    assert_eq!(shop.examine().await.in_progress.len(), 1);
    shop.hear(&PaymentEvent::Voided(PaymentVoided { payment_id: id(500), order_id: order.id })).await;
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!((order.status, order.payment_status), (OrderStatus::Expired, PaymentStatus::Voided));
    assert!(matches!(shop.said().await.as_slice(), [OrderEvent::Placed(_), OrderEvent::Expired(_)]));
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn expiry_and_authorization_race_and_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Arc::new(Shop::at(&Location::in_folder(folder.path(), "order.db")));
    shop.product.stock(1, "CUP", 1_000, 1_000);
    let mut orders = Vec::new();
    for number in 0..20 {
        let (shopper, cart) = shop.guest_cart(&[("CUP", 1)]).await;
        orders.push(shop.place(&shopper, cart.id, &format!("k{number}")).await.unwrap());
    }
    shop.clock.advance(Duration::from_secs(900));
    let authorize = async {
        for order in orders.iter().rev() {
            shop.hear(&authorized(order)).await;
        }
    };
    let (expired, ()) = tokio::join!(shop.service.run_due_sagas(), authorize);
    expired.unwrap();
    let findings = shop.examine().await;
    assert_eq!(findings.violations, Vec::<String>::new());
    let ends = shop.said().await.into_iter().filter(|event| !matches!(event, OrderEvent::Placed(_))).count();
    assert_eq!(ends, 20, "every order ends one way");
}

#[tokio::test]
async fn goods_that_are_gone_cancel_the_order_and_the_money_goes_back() {
    let shop = Shop::open();
    let (owner, order) = shop.paid().await;
    let gone = StockCommitFailed { reservation_id: id(7), order_id: order.id };
    let envelope = shop.seal(&ProductEvent::StockCommitFailed(gone), order.id);
    shop.consume(&envelope).await.unwrap();
    shop.consume(&envelope).await.unwrap();
    let refunded = PaymentRefunded {
        payment_id: id(500),
        order_id: order.id,
        refund_id: None,
        amount: krw(23_000),
        refunded_total: krw(23_000),
    };
    shop.hear(&PaymentEvent::Refunded(refunded)).await;
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!((order.status, order.payment_status), (OrderStatus::Cancelled, PaymentStatus::Refunded));
    let said = shop.said().await;
    let [_, _, OrderEvent::Cancelled(ended), OrderEvent::Refunded(refunded)] = said.as_slice() else {
        panic!("four events")
    };
    assert!(!ended.restock && refunded.refunded_total == krw(23_000));
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}

#[tokio::test]
async fn an_event_of_an_unknown_order_is_poison_and_others_are_none_of_our_business() {
    let shop = Shop::open();
    let (_, order) = shop.placed().await;
    let mut unknown = order.clone();
    unknown.id = id(404);
    let envelope = shop.seal(&captured(&unknown), unknown.id);
    assert!(matches!(shop.consume(&envelope).await, Err(ConsumeError::Poison(_))));
    let mut newer = shop.seal(&authorized(&order), order.id);
    newer.event_type = "payment.disputed".to_owned();
    shop.consume(&newer).await.unwrap();
    let mut malformed = shop.seal(&authorized(&order), order.id);
    malformed.data = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
    assert!(matches!(shop.consume(&malformed).await, Err(ConsumeError::Poison(_))));
}
