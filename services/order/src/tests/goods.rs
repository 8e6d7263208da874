//! Parcels, partial cancellations and returns on a real store.

use std::{sync::Arc, time::Duration};

use chassis::sqlite::Location;
use contracts::{
    Currency, Locale,
    order::{FulfilmentStatus, LineQuantity, OrderEvent, OrderStatus, PaymentStatus, RefundId},
    payment::{PaymentEvent, PaymentRefunded},
};

use super::{
    fixtures::{address, id, krw},
    shop::{Shop, authorized, captured, customer, guest, receipt, staff},
};
use crate::{
    advance_order::AdvanceError,
    cancel_order::{CancelError, CancelOrder},
    change_fulfilment::ChangeFulfilmentError,
    create_cart::NewCart,
    fulfil_order::Pack,
    order::{
        cancellation::CancelRefused,
        fulfilment::{FulfilRefused, FulfilmentChange, Label, ParcelStatus},
        returns::{ReceivedUnits, ReturnRefused, ReturnStatus},
        units::UnitsRefused,
    },
    order_view::OrderView,
    request_return::ReturnError,
    store::OrderFilter,
};

fn pack(lines: Option<Vec<LineQuantity>>, shipped: bool) -> Pack {
    Pack { lines, label: Label { carrier: Some("CJ".to_owned()), tracking_number: None }, shipped }
}

fn of_first(order: &OrderView, quantity: i64) -> Vec<LineQuantity> {
    vec![LineQuantity { line_id: order.lines[0].line.id, quantity }]
}

fn carried(status: ParcelStatus) -> FulfilmentChange {
    FulfilmentChange { status: Some(status), label: Label::default() }
}

fn arrived(order: &OrderView, quantity: i64) -> Vec<ReceivedUnits> {
    vec![ReceivedUnits { line_id: order.lines[0].line.id, quantity, restock: true }]
}

/// Payment says that a refund went back.
async fn pay_back(shop: &Shop, order: &OrderView, refund_id: RefundId, amount: i64, total: i64) {
    let refunded = PaymentRefunded {
        payment_id: id(500),
        order_id: order.id,
        refund_id: Some(refund_id),
        amount: krw(amount),
        refunded_total: krw(total),
    };
    shop.hear(&PaymentEvent::Refunded(refunded)).await;
}

#[tokio::test]
async fn an_order_is_shipped_delivered_returned_and_paid_back() {
    let shop = Shop::open();
    let (buyer, order) = shop.paid().await;
    let order = shop.service.fulfil_order(&staff(), order.id, pack(None, true), receipt("f1")).await.unwrap();
    assert_eq!((order.status, order.fulfilment_status), (OrderStatus::Completed, FulfilmentStatus::Shipped));
    assert_eq!((order.lines[0].fulfilled, order.return_until), (2, Some(shop.env.now() + days(30))));
    shop.clock.advance(days(2));
    let target = (order.id, order.fulfilments[0].id);
    let delivered = carried(ParcelStatus::Delivered);
    let order = shop.service.change_fulfilment(&staff(), target, Some(order.version), delivered).await.unwrap();
    assert_eq!(order.return_until, Some(shop.env.now() + days(30)));

    shop.clock.advance(days(30));
    let ask = async |quantity, key: &str| {
        shop.service.request_return(&buyer, order.id, of_first(&order, quantity), "too big".into(), receipt(key)).await
    };
    let order = ask(2, "r1").await.unwrap();
    let target = (order.id, order.returns[0].id);
    let only_staff = shop.service.move_return(&buyer, target, ReturnStatus::Approved, None).await;
    assert!(matches!(only_staff, Err(AdvanceError::Refused(ReturnError::StaffOnly))));
    shop.service.move_return(&staff(), target, ReturnStatus::Approved, None).await.unwrap();
    let receive = async |quantity, shipping, key: &str| {
        shop.service.receive_return(&staff(), target, arrived(&order, quantity), shipping, receipt(key)).await
    };
    receive(1, false, "a1").await.unwrap();
    let order = receive(1, true, "a2").await.unwrap();
    assert_eq!((order.returns[0].status, order.lines[0].returned), (ReturnStatus::Received, 2));
    let refunds = serde_json::to_value(&order.refunds).unwrap();
    let amounts = [0, 1].map(|index| refunds[index]["amount"]["amount_minor"].as_i64().unwrap());
    assert_eq!(amounts, [10_000, 11_500]);
    let ids = [0, 1].map(|index| refunds[index]["id"].as_str().unwrap().parse().unwrap());
    pay_back(&shop, &order, ids[1], 11_500, 11_500).await;
    pay_back(&shop, &order, ids[0], 10_000, 21_500).await;
    let order = shop.service.show_order(&buyer, order.id).await.unwrap();
    assert_eq!(
        (order.returns[0].status, order.payment_status),
        (ReturnStatus::Closed, PaymentStatus::PartiallyRefunded)
    );
    assert_eq!(order.fulfilment_status, FulfilmentStatus::Returned);
    let said: Vec<&str> = shop.said().await.iter().map(contracts::Event::event_type).collect();
    assert_eq!(
        said[2..],
        [
            "order.shipped",
            "order.delivered",
            "order.return_requested",
            "order.return_approved",
            "order.return_received",
            "order.refund_requested",
            "order.return_received",
            "order.refund_requested",
            "order.refunded",
            "order.refunded",
        ]
    );
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

#[tokio::test]
async fn the_window_for_returns_ends() {
    let shop = Shop::open();
    let (buyer, order) = shop.paid().await;
    let order = shop.service.fulfil_order(&staff(), order.id, pack(None, true), receipt("f1")).await.unwrap();
    shop.clock.advance(days(30) + Duration::from_secs(1));
    let late = shop.service.request_return(&buyer, order.id, of_first(&order, 1), "x".into(), receipt("r1")).await;
    assert!(matches!(late, Err(AdvanceError::Refused(ReturnError::Refused(ReturnRefused::WindowOver(_))))));
}

#[tokio::test]
async fn a_buyer_calls_one_of_two_off_and_staff_ship_the_other() {
    let shop = Shop::open();
    let (buyer, order) = shop.paid().await;
    let one = |reason: &str| CancelOrder { lines: Some(of_first(&order, 1)), reason: reason.to_owned() };
    let view = shop.service.cancel_order(&buyer, order.id, None, one("one is enough"), None).await.unwrap();
    assert_eq!((view.status, view.lines[0].cancelled), (OrderStatus::Confirmed, 1));
    assert_eq!(serde_json::to_value(&view).unwrap()["payment"]["refund_pending"]["amount_minor"], 11_500);
    let said = shop.said().await;
    let [.., OrderEvent::LinesCancelled(cancelled), OrderEvent::RefundRequested(wanted)] = said.as_slice() else {
        panic!("goods and money")
    };
    assert_eq!((cancelled.restock[0].quantity, wanted.restock.len()), (1, 0));
    let order = shop.service.fulfil_order(&staff(), order.id, pack(None, false), receipt("f1")).await.unwrap();
    assert_eq!((order.status, order.fulfilments[0].lines[0].quantity), (OrderStatus::Processing, 1));
    let refused = shop.service.cancel_order(&buyer, order.id, None, one("late"), None).await;
    let Err(AdvanceError::Refused(CancelError::Refused(CancelRefused::Units(refused)))) = refused else {
        panic!("what is packed is not called off")
    };
    assert!(matches!(refused, UnitsRefused::TooMany { left: 0, .. }));
    let target = (order.id, order.fulfilments[0].id);
    let stale = shop.service.change_fulfilment(&staff(), target, Some(1), carried(ParcelStatus::Shipped)).await;
    assert!(matches!(stale, Err(AdvanceError::Refused(ChangeFulfilmentError::Stale { .. }))));
    shop.service.change_fulfilment(&staff(), target, None, carried(ParcelStatus::Shipped)).await.unwrap();
    let list = shop.service.list_orders(&buyer, OrderFilter::default(), None, 10).await.unwrap();
    assert_eq!(serde_json::to_value(&list.items).unwrap()[0]["fulfilment_status"], "shipped");
    let whole = shop.service.cancel_order(&buyer, order.id, None, super::shop::whole("late"), None).await;
    let Err(AdvanceError::Refused(CancelError::Refused(CancelRefused::Shipped))) = whole else { panic!("too late") };
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
}

#[tokio::test]
async fn returns_are_the_business_of_their_buyer_and_staff() {
    let shop = Shop::open();
    let (buyer, order) = shop.paid().await;
    shop.service.fulfil_order(&staff(), order.id, pack(None, true), receipt("f1")).await.unwrap();
    for stranger in [guest("gst_other"), customer(1)] {
        let lines = of_first(&order, 1);
        let asked = shop.service.request_return(&stranger, order.id, lines, "x".into(), receipt("r0")).await;
        assert!(matches!(asked, Err(AdvanceError::Refused(ReturnError::NotFound))));
    }
    let lines = of_first(&order, 1);
    let order = shop.service.request_return(&buyer, order.id, lines, "x".into(), receipt("r1")).await.unwrap();
    let target = (order.id, order.returns[0].id);
    let not_theirs = shop.service.move_return(&customer(1), target, ReturnStatus::Cancelled, None).await;
    assert!(matches!(not_theirs, Err(AdvanceError::Refused(ReturnError::NotFound))));
    let order = shop.service.move_return(&buyer, target, ReturnStatus::Cancelled, Some("kept".into())).await.unwrap();
    assert_eq!(order.returns[0].status, ReturnStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_ship_the_same_units_at_once_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Arc::new(Shop::at(&Location::in_folder(folder.path(), "order.db")));
    shop.product.stock(1, "CUP", 10_000, 100);
    for round in 0..10 {
        let new = NewCart {
            currency: Currency::KRW,
            locale: Locale::Ko,
            email: Some("haneul@example.com".to_owned()),
            shipping_address: Some(address()),
            shipping_method: Some("standard".to_owned()),
            lines: vec![super::shop::new_line("CUP", 2)],
        };
        let cart = shop.service.create_cart(&customer(1), new, None).await.unwrap();
        let order = shop.place(&customer(1), cart.id, &format!("place-{round}")).await.unwrap();
        shop.hear(&authorized(&order)).await;
        shop.hear(&captured(&order)).await;
        let mut racing = Vec::new();
        for packer in 0..4 {
            let (racer, shop) = (Arc::clone(&shop), Arc::clone(&shop));
            let lines = of_first(&order, 2);
            let name = format!("ship-{round}-{packer}");
            let order_id = order.id;
            let (answer, answered) = tokio::sync::oneshot::channel();
            shop.env.spawn("packer", async move {
                let pack = pack(Some(lines), true);
                let _ = answer.send(racer.service.fulfil_order(&staff(), order_id, pack, receipt(&name)).await);
            });
            racing.push(answered);
        }
        let mut won = 0;
        for answered in racing {
            match answered.await.unwrap() {
                Ok(_) => won += 1,
                Err(AdvanceError::Refused(FulfilRefused::Units(UnitsRefused::TooMany { left: 0, .. }))) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(won, 1);
        let order = shop.service.show_order(&customer(1), order.id).await.unwrap();
        assert_eq!((order.fulfilments.len(), order.lines[0].fulfilled), (1, 2));
    }
    let shipped = shop.said().await.into_iter().filter(|event| matches!(event, OrderEvent::Shipped(_))).count();
    assert_eq!(shipped, 10);
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}

#[tokio::test]
async fn orders_stored_before_parcels_were_known_have_nothing_shipped() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::in_folder(folder.path(), "order.db");
    let shop = Shop::at(&location);
    let (buyer, order) = shop.paid().await;
    // The column as a data folder of that time gets it.
    let renew = |connection: &rusqlite::Connection| -> Result<(), chassis::StoreError> {
        connection.execute_batch(&format!(
            "ALTER TABLE orders DROP COLUMN fulfilment_status; {}",
            crate::store::sqlite::FULFILMENT
        ))?;
        Ok(())
    };
    shop.store.database().write(renew).await.unwrap();
    let list = shop.service.list_orders(&buyer, OrderFilter::default(), None, 10).await.unwrap();
    assert_eq!(serde_json::to_value(&list.items).unwrap()[0]["fulfilment_status"], "none");
    assert_eq!(shop.service.show_order(&buyer, order.id).await.unwrap().fulfilment_status, FulfilmentStatus::None);
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}
