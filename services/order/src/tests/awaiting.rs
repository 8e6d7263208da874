//! Orders that wait for their buyer or for staff before or after there is money.

use contracts::{
    order::{OrderEvent, OrderStatus, PaymentMethod, PaymentStatus},
    payment::{
        PaymentAction, PaymentActionRequired, PaymentAuthorized, PaymentCaptureFailed, PaymentDeclined, PaymentEvent,
        PaymentMethodRequired, PaymentReversed,
    },
};
use serde_json::json;

use super::{
    fixtures::{id, krw},
    shop::{Shop, authorized, captured, customer, empty_cart, guest, receipt, staff},
};
use crate::{
    advance_order::AdvanceError, give_payment_method::MethodRefused, order_view::OrderView, owner::Shopper,
    release_order::ReleaseRefused, verify::Findings,
};

fn method() -> PaymentMethod {
    PaymentMethod { provider: "sandbox".to_owned(), token: "tok_second".to_owned() }
}

fn action_required(order: &OrderView) -> PaymentEvent {
    let action = PaymentAction::Redirect { url: "https://pay.example/1".to_owned() };
    PaymentEvent::ActionRequired(PaymentActionRequired { payment_id: id(500), order_id: order.id, action })
}

fn method_required(order: &OrderView) -> PaymentEvent {
    let reason = "insufficient_funds".to_owned();
    let required = PaymentMethodRequired { payment_id: id(500), order_id: order.id, reason, attempts_left: 2 };
    PaymentEvent::MethodRequired(required)
}

async fn shown(shop: &Shop, shopper: &Shopper, order: &OrderView) -> (OrderStatus, serde_json::Value) {
    let order = shop.service.show_order(shopper, order.id).await.unwrap();
    (order.status, serde_json::to_value(order).unwrap())
}

#[tokio::test]
async fn an_order_shows_what_its_buyer_has_to_do_until_it_is_done() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    let envelope = shop.hear(&action_required(&order)).await;
    shop.consume(&envelope).await.unwrap();
    let (status, view) = shown(&shop, &owner, &order).await;
    assert_eq!(status, OrderStatus::AwaitingPayment);
    assert_eq!(view["payment"]["action"], json!({"kind": "redirect", "url": "https://pay.example/1"}));
    assert!(view["pay_by"].is_string());
    shop.hear(&authorized(&order)).await;
    let (status, view) = shown(&shop, &owner, &order).await;
    assert_eq!((status, &view["payment"]["action"]), (OrderStatus::Confirmed, &json!(null)));
    let said = shop.said().await;
    assert!(matches!(
        said.as_slice(),
        [OrderEvent::Placed(_), OrderEvent::AwaitingPayment(_), OrderEvent::Confirmed(_)]
    ));
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
}

#[tokio::test]
async fn another_method_is_passed_on_and_not_kept() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    let give = async |shopper: &Shopper, key: &str| {
        shop.service.give_payment_method(shopper, order.id, method(), receipt(key)).await
    };
    let early = give(&owner, "a1").await;
    assert!(matches!(early, Err(AdvanceError::Refused(MethodRefused::NotWanted(_)))));
    shop.hear(&method_required(&order)).await;
    let (_, view) = shown(&shop, &owner, &order).await;
    assert_eq!(view["payment"]["method_required"], json!({"reason": "insufficient_funds", "attempts_left": 2}));
    for stranger in [guest("gst_other"), customer(1)] {
        assert!(matches!(give(&stranger, "a2").await, Err(AdvanceError::Refused(MethodRefused::NotFound))));
    }
    let view = serde_json::to_value(give(&owner, "a3").await.unwrap()).unwrap();
    assert_eq!((&view["status"], &view["payment"]["method_required"]), (&json!("awaiting_payment"), &json!(null)));
    let twice = give(&staff(), "a4").await;
    assert!(matches!(twice, Err(AdvanceError::Refused(MethodRefused::NotWanted(_)))));
    let said = shop.said().await;
    let Some(OrderEvent::PaymentMethodGiven(given)) = said.last() else { panic!("payment is told") };
    assert_eq!(given.payment_method, method());
    let events = shop.service.list_order_events(&owner, order.id, 0, 10).await.unwrap();
    assert!(!serde_json::to_string(&events.items).unwrap().contains("tok_second"));

    let declined = PaymentDeclined { payment_id: id(500), order_id: order.id, reason: "stolen_card".into() };
    shop.hear(&PaymentEvent::Declined(declined)).await;
    let (status, view) = shown(&shop, &owner, &order).await;
    assert_eq!((status, &view["status_reason"]), (OrderStatus::Cancelled, &json!("stolen_card")));
    assert_eq!(shop.examine().await, Findings::default());
}

#[tokio::test]
async fn money_that_is_not_handed_over_cancels_the_order() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    shop.hear(&authorized(&order)).await;
    let (amount, reason) = (krw(23_000), "card_expired".to_owned());
    let failed = PaymentCaptureFailed { payment_id: id(500), order_id: order.id, amount, reason };
    shop.hear(&PaymentEvent::CaptureFailed(failed)).await;
    let (status, view) = shown(&shop, &owner, &order).await;
    assert_eq!((status, &view["status_reason"]), (OrderStatus::Cancelled, &json!("capture_failed")));
    assert_eq!(view["payment"]["capture_failed"], "card_expired");
    let said = shop.said().await;
    assert!(matches!(said.last(), Some(OrderEvent::Cancelled(ended)) if ended.restock));
}

#[tokio::test]
async fn a_deposit_that_is_taken_back_shows_in_the_payment_status() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    shop.hear(&action_required(&order)).await;
    shop.hear(&captured(&order)).await;
    assert_eq!(shop.examine().await, Findings::default());
    let reversed = PaymentReversed { payment_id: id(500), order_id: order.id, captured_total: krw(0) };
    shop.hear(&PaymentEvent::Reversed(reversed)).await;
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!((order.status, order.payment_status), (OrderStatus::Confirmed, PaymentStatus::NotPaid));
    let findings = shop.examine().await;
    assert_eq!((findings.violations.len(), findings.in_progress.len()), (0, 1));
    shop.hear(&captured(&order)).await;
    assert_eq!(shop.examine().await, Findings::default());
}

#[tokio::test]
async fn staff_release_what_is_on_hold() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    let release = async |if_match| shop.service.release_order(&staff(), order.id, if_match, None).await;
    assert!(matches!(release(None).await, Err(AdvanceError::Refused(ReleaseRefused::Status(_)))));
    let short = PaymentAuthorized { payment_id: id(500), order_id: order.id, amount: krw(22_999) };
    shop.hear(&PaymentEvent::Authorized(short)).await;
    assert_eq!(shown(&shop, &owner, &order).await.0, OrderStatus::OnHold);
    let stale = release(Some(1)).await;
    assert!(matches!(stale, Err(AdvanceError::Refused(ReleaseRefused::Stale { current: 3 }))));
    let released = release(Some(3)).await.unwrap();
    assert_eq!(released.status, OrderStatus::Confirmed);
    assert!(matches!(shop.said().await.last(), Some(OrderEvent::Confirmed(_))));
    let events = shop.service.list_order_events(&owner, order.id, 3, 1).await.unwrap();
    let event = serde_json::to_value(&events.items[0]).unwrap();
    assert_eq!((&event["type"], event["actor"].as_str().unwrap().starts_with("acc_")), (&json!("released"), true));
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
}

#[tokio::test]
async fn an_order_of_nothing_is_confirmed_like_any_other() {
    let shop = Shop::open();
    shop.product.stock_as(1, "SAMPLE", 0, 10, contracts::product::TaxClass::Standard, false);
    let new = crate::create_cart::NewCart { email: Some("a@b.co".into()), ..empty_cart(&[("SAMPLE", 1)]) };
    let cart = shop.service.create_cart(&customer(1), new, None).await.unwrap();
    let order = shop.place(&customer(1), cart.id, "k").await.unwrap();
    assert_eq!(order.totals.total, krw(0));
    shop.hear(&authorized(&order)).await;
    shop.hear(&captured(&order)).await;
    let order = shop.service.show_order(&customer(1), order.id).await.unwrap();
    assert_eq!((order.status, order.payment_status), (OrderStatus::Confirmed, PaymentStatus::Paid));
    assert_eq!(shop.examine().await, Findings::default());
}
