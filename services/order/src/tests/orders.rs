//! Orders: placing, cancelling, refunding, listing, verifying.

use std::time::Duration;

use contracts::{
    Permission,
    order::{OrderEvent, OrderStatus, PaymentStatus},
};

use super::{
    fixtures::{id, krw},
    shop::{Shop, authorized, customer, empty_cart, guest, receipt, staff, whole},
};
use crate::{
    advance_order::AdvanceError,
    cancel_order::CancelError,
    order::{
        cancellation::CancelRefused,
        refund::{RefundRefused, RefundScope, RefundUnits},
    },
    place_order::PlaceError,
    refund_order::RefundError,
    show_order::ShowError,
    store::OrderFilter,
};

#[tokio::test]
async fn places_an_order_with_everything_that_belongs_to_it() {
    let shop = Shop::open();
    let (shopper, order) = shop.placed().await;
    assert_eq!((order.status, order.payment_status), (OrderStatus::Pending, PaymentStatus::NotPaid));
    assert_eq!(order.totals.total, krw(23_000));
    assert_eq!(order.pay_by, Some(shop.env.now() + Duration::from_secs(900)));
    assert_eq!(shop.product.held(id(1)), 2);
    let said = shop.said().await;
    let [OrderEvent::Placed(placed)] = said.as_slice() else { panic!("one event") };
    assert_eq!(placed.payment_method.token, "tok_approve");
    let events = shop.service.list_order_events(&shopper, order.id, 0, 10).await.unwrap();
    let json = serde_json::to_string(&events.items).unwrap();
    assert!(!json.contains("tok_approve") && json.contains("\"owner\":\"guest\""));
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
    assert_eq!(shop.pending_outbox().await, 1);
}

#[tokio::test]
async fn one_cart_becomes_one_order() {
    let shop = Shop::open();
    let (shopper, order) = shop.placed().await;
    let again = shop.place(&shopper, order.cart_id, "key-2").await;
    assert!(matches!(again, Err(PlaceError::Ordered(id)) if id == order.id));
    assert_eq!(shop.product.held(id(1)), 2);
    let cart = shop.service.show_cart(&shopper, order.cart_id).await.unwrap();
    assert_eq!(cart.order_id, Some(order.id));
    let target = crate::change_cart::CartTarget { cart_id: cart.id, if_match: None };
    let add = shop.service.add_lines(&shopper, target, vec![super::shop::new_line("CUP", 1)], None).await;
    assert!(matches!(add, Err(crate::cart_error::CartError::Ordered(_))));
}

#[tokio::test]
async fn a_retry_after_a_crash_holds_no_stock_twice() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 10_000, 2);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 2)]).await;
    // The first attempt reserved and died: its hold is there under the id that the key gives.
    let stored = shop.service.own_cart(&shopper, cart.id).await.unwrap();
    let key = super::shop::key("key-1");
    let (held, _) = shop.service.reserve(&stored, &key, shop.env.now()).await.unwrap();
    assert_eq!(shop.product.held(id(1)), 2);
    shop.clock.advance(Duration::from_secs(600));
    let order = shop.place(&shopper, cart.id, "key-1").await.unwrap();
    assert_eq!(shop.product.held(id(1)), 2);
    // The hold is not longer for the delay, so the payment has less time.
    assert_eq!(order.pay_by, Some(held.expires_at - Duration::from_secs(300)));
}

#[tokio::test]
async fn a_retry_that_finds_its_hold_ended_takes_another() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 10_000, 2);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 2)]).await;
    let stored = shop.service.own_cart(&shopper, cart.id).await.unwrap();
    let (held, _) = shop.service.reserve(&stored, &super::shop::key("key-1"), shop.env.now()).await.unwrap();
    contracts::product::ProductApi::release(&*shop.product, held.id).await.unwrap();
    let order = shop.place(&shopper, cart.id, "key-1").await.unwrap();
    assert_eq!(order.status, OrderStatus::Pending);
    assert_eq!(shop.product.held(id(1)), 2);
}

#[tokio::test]
async fn short_stock_names_the_lines() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 1);
    shop.product.stock(2, "POT", 1_000, 9);
    let (shopper, cart) = shop.guest_cart(&[("POT", 1), ("CUP", 2)]).await;
    let Err(PlaceError::Short(lines)) = shop.place(&shopper, cart.id, "key-1").await else { panic!("refused") };
    assert_eq!((lines.len(), lines[0].index, lines[0].requested, lines[0].available), (1, 1, 2, 1));
    assert_eq!(shop.product.held(id(2)), 0);
    assert!(shop.said().await.is_empty());
}

#[tokio::test]
async fn an_incomplete_cart_is_refused_and_holds_nothing() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 9);
    let new = empty_cart(&[("CUP", 1)]);
    let cart = shop.service.create_cart(&customer(1), new, None).await.unwrap();
    let Err(PlaceError::Incomplete(missing)) = shop.place(&customer(1), cart.id, "k").await else { panic!("refused") };
    let fields: Vec<&str> = missing.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["/email", "/shipping_address", "/shipping_method"]);
    assert_eq!(shop.product.held(id(1)), 0);
}

#[tokio::test]
async fn what_needs_no_delivery_needs_no_address() {
    let shop = Shop::open();
    shop.product.stock_as(1, "EBOOK", 9_000, 100, contracts::product::TaxClass::Exempt, false);
    let new = crate::create_cart::NewCart { email: Some("a@b.co".into()), ..empty_cart(&[("EBOOK", 1)]) };
    let cart = shop.service.create_cart(&customer(1), new, None).await.unwrap();
    assert_eq!(cart.missing, Vec::new());
    let order = shop.place(&customer(1), cart.id, "k").await.unwrap();
    assert_eq!((order.totals.total, order.totals.tax, order.shipping), (krw(9_000), krw(0), None));
}

#[tokio::test]
async fn prices_are_those_of_the_reservation() {
    let shop = Shop::open();
    let cup = shop.product.stock(1, "CUP", 10_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 2)]).await;
    shop.product.reprice(cup, 11_000);
    let before = shop.product.questions();
    let order = shop.place(&shopper, cart.id, "k").await.unwrap();
    assert_eq!(order.totals.subtotal, krw(22_000));
    assert_eq!(shop.product.questions(), before + 1);
}

#[tokio::test]
async fn without_product_no_order() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 10_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 2)]).await;
    shop.product.set_down(true);
    assert!(matches!(shop.place(&shopper, cart.id, "k").await, Err(PlaceError::ProductUnavailable)));
    shop.product.set_down(false);
    assert!(shop.place(&shopper, cart.id, "k").await.is_ok());
}

#[tokio::test]
async fn an_order_opens_to_its_owner_and_to_staff() {
    let shop = Shop::open();
    let (owner, order) = shop.placed().await;
    assert!(shop.service.show_order(&owner, order.id).await.is_ok());
    assert!(shop.service.show_order(&staff(), order.id).await.is_ok());
    for stranger in [guest("gst_other"), customer(1)] {
        assert!(matches!(shop.service.show_order(&stranger, order.id).await, Err(ShowError::NotFound)));
        let cancel = shop.service.cancel_order(&stranger, order.id, None, whole("x"), None).await;
        assert!(matches!(cancel, Err(AdvanceError::Refused(CancelError::NotFound))));
        let list = shop.service.list_orders(&stranger, OrderFilter::default(), None, 10).await.unwrap();
        assert!(list.items.is_empty());
    }
}

#[tokio::test]
async fn cancelling_a_paid_order_says_so_once() {
    let shop = Shop::open();
    let (owner, order) = shop.paid().await;
    assert_eq!(order.payment_status, PaymentStatus::Paid);
    let stale = shop.service.cancel_order(&owner, order.id, Some(1), whole("x"), None).await;
    assert!(matches!(stale, Err(AdvanceError::Refused(CancelError::Stale { current: 4 }))));
    let cancelled = shop.service.cancel_order(&owner, order.id, Some(4), whole("too big"), None).await.unwrap();
    assert_eq!(cancelled.status, OrderStatus::Cancelled);
    assert_eq!(serde_json::to_value(&cancelled).unwrap()["payment"]["refund_pending"]["amount_minor"], 23_000);
    let again = shop.service.cancel_order(&owner, order.id, None, whole("x"), None).await;
    assert!(matches!(again, Err(AdvanceError::Refused(CancelError::Refused(CancelRefused::Status(_))))));
    let said = shop.said().await;
    let [OrderEvent::Placed(_), OrderEvent::Confirmed(_), OrderEvent::Cancelled(ended)] = said.as_slice() else {
        panic!("three events")
    };
    assert!(ended.restock && ended.reason == "too big");
    let findings = shop.examine().await;
    assert_eq!((findings.violations.len(), findings.in_progress.len()), (0, 1));
}

#[tokio::test]
async fn refunds_never_exceed_the_capture() {
    let shop = Shop::open();
    let (_, order) = shop.paid().await;
    let line_id = order.lines[0].line.id;
    let refund = async |scope, key: &str| {
        shop.service.refund_order(&staff(), order.id, None, scope, "broken".into(), receipt(key)).await
    };
    let one_cup = RefundScope::Units(vec![RefundUnits { line_id, quantity: 1, restock: true }]);
    let view = refund(one_cup.clone(), "r1").await.unwrap();
    assert_eq!(serde_json::to_value(&view).unwrap()["refunds"][0]["amount"]["amount_minor"], 10_000);
    let too_much = refund(RefundScope::Amount(krw(13_001)), "r2").await;
    assert!(matches!(too_much, Err(AdvanceError::Refused(RefundError::Refused(RefundRefused::MoreThanLeft { .. })))));
    refund(RefundScope::Rest, "r3").await.unwrap();
    let nothing = refund(RefundScope::Rest, "r4").await;
    assert!(matches!(nothing, Err(AdvanceError::Refused(RefundError::Refused(RefundRefused::NothingLeft)))));
    let said = shop.said().await;
    let wanted: i64 = said
        .iter()
        .filter_map(|event| match event {
            OrderEvent::RefundRequested(wanted) => Some(wanted.amount.amount_minor),
            _ => None,
        })
        .sum();
    assert_eq!(wanted, 23_000);
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
}

#[tokio::test]
async fn lists_by_owner_status_number_and_time_in_pages() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 100);
    let mut orders = Vec::new();
    for number in 0..5 {
        let new = crate::create_cart::NewCart {
            email: Some(format!("Buyer{}@example.com", number % 2)),
            shipping_address: Some(super::fixtures::address()),
            shipping_method: Some("pickup".into()),
            ..empty_cart(&[("CUP", 1)])
        };
        let buyer = customer(1 + number % 2);
        let cart = shop.service.create_cart(&buyer, new, None).await.unwrap();
        orders.push(shop.place(&buyer, cart.id, &format!("k{number}")).await.unwrap());
        shop.clock.advance(Duration::from_secs(1));
    }
    shop.hear(&authorized(&orders[0])).await;
    let list = async |shopper, filter| {
        let page = shop.service.list_orders(&shopper, filter, None, 10).await.unwrap();
        serde_json::to_value(page.items).unwrap().as_array().unwrap().len()
    };
    assert_eq!(list(customer(1), OrderFilter::default()).await, 3);
    assert_eq!(list(staff(), OrderFilter::default()).await, 5);
    let status = Some(OrderStatus::Confirmed);
    assert_eq!(list(staff(), OrderFilter { status, ..OrderFilter::default() }).await, 1);
    assert_eq!(list(customer(2), OrderFilter { status, ..OrderFilter::default() }).await, 0);
    let email = Some("buyer1@EXAMPLE.com".to_owned());
    assert_eq!(list(staff(), OrderFilter { email, ..OrderFilter::default() }).await, 2);
    let number = Some(orders[3].number.clone());
    assert_eq!(list(staff(), OrderFilter { number, ..OrderFilter::default() }).await, 1);
    let (placed_from, placed_until) = (Some(orders[1].placed_at), Some(orders[3].placed_at));
    assert_eq!(list(staff(), OrderFilter { placed_from, placed_until, ..OrderFilter::default() }).await, 2);

    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = shop.service.list_orders(&staff(), OrderFilter::default(), cursor, 2).await.unwrap();
        let items = serde_json::to_value(&page.items).unwrap();
        seen.extend(items.as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()));
        match page.next_cursor {
            Some(next) => cursor = Some(next.parse().unwrap()),
            None => break,
        }
    }
    let newest_first: Vec<String> = orders.iter().rev().map(|order| order.id.to_string()).collect();
    assert_eq!(seen, newest_first);
    assert!(!staff().may(Permission::CatalogWrite));
}

#[tokio::test]
async fn verification_finds_what_was_changed_behind_our_back() {
    for (sql, finding) in [
        ("UPDATE order_events SET data = replace(data, '10000', '10001') WHERE seq = 1", "was changed"),
        ("UPDATE order_events SET actor = 'somebody' WHERE seq = 2", "was changed"),
        ("DELETE FROM order_events WHERE seq = 2", "follows event"),
        ("DELETE FROM order_events WHERE seq = 4", "not what its events say"),
        ("UPDATE orders SET status = 'expired'", "not what its events say"),
        ("UPDATE orders SET status = 'nonsense'", "damaged"),
        ("UPDATE carts SET order_id = NULL", "another order or none"),
        ("DELETE FROM orders", "in no list"),
    ] {
        let shop = Shop::open();
        shop.paid().await;
        assert_eq!(shop.examine().await, crate::verify::Findings::default());
        let change = move |connection: &rusqlite::Connection| -> Result<(), chassis::StoreError> {
            connection.execute_batch(sql)?;
            Ok(())
        };
        shop.store.database().write(change).await.unwrap();
        let violations = shop.examine().await.violations;
        assert!(violations.iter().any(|violation| violation.contains(finding)), "{sql}: {violations:?}");
    }
}
