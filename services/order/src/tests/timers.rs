//! Sagas over time and over restarts.

use std::time::Duration;

use chassis::sqlite::Location;
use contracts::order::{OrderEvent, OrderId, OrderStatus};
use serde_json::json;

use super::shop::{Shop, authorized, captured, receipt, staff};
use crate::{fulfil_order::Pack, order::fulfilment::Label, store::OrderStore as _};

const QUARTER: Duration = Duration::from_secs(900);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn saga(shop: &Shop, id: OrderId) -> serde_json::Value {
    let order = shop.service.show_order(&staff(), id).await.unwrap();
    serde_json::to_value(order).unwrap()["saga"].clone()
}

#[tokio::test]
async fn a_deadline_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::in_folder(folder.path(), "order.db");
    let (owner, order) = {
        let shop = Shop::at(&location);
        shop.placed().await
    };
    let shop = Shop::at(&location);
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 0);
    shop.clock.advance(QUARTER);
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 1);
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!(order.status, OrderStatus::Expired);
}

#[tokio::test]
async fn late_money_is_asked_for_again_until_people_have_to_look() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::in_folder(folder.path(), "order.db");
    let (owner, order) = {
        let shop = Shop::at(&location);
        let (owner, order) = shop.placed().await;
        shop.hear(&authorized(&order)).await;
        assert!(saga(&shop, order.id).await["due_at"].is_string());
        (owner, order)
    };
    let shop = Shop::at(&location);
    let mut pause = QUARTER;
    for attempt in 0..6 {
        let shown = saga(&shop, order.id).await;
        assert_eq!((&shown["step"], &shown["attempts"]), (&json!("capture"), &json!(attempt)));
        shop.clock.advance(pause - Duration::from_secs(1));
        assert_eq!(shop.service.run_due_sagas().await.unwrap(), 0);
        shop.clock.advance(Duration::from_secs(1));
        assert_eq!(shop.service.run_due_sagas().await.unwrap(), 1);
        assert_eq!(shop.service.run_due_sagas().await.unwrap(), 0);
        pause *= 2;
    }
    assert_eq!(saga(&shop, order.id).await, json!({"step": "capture", "attempts": 6}));
    shop.clock.advance(DAY);
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 0);
    let reminders: Vec<u32> = shop.said().await.iter().filter_map(reminder).collect();
    assert_eq!(reminders, [0, 1, 2, 3, 4, 5, 6]);
    let violations = shop.examine().await.violations;
    assert!(violations.len() == 1 && violations[0].contains("after 6 reminders"), "{violations:?}");

    shop.hear(&captured(&order)).await;
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!(serde_json::to_value(order).unwrap()["saga"], json!(null), "buyers see nothing of it");
}

fn reminder(event: &OrderEvent) -> Option<u32> {
    match event {
        OrderEvent::Confirmed(confirmed) => Some(confirmed.reminder),
        _ => None,
    }
}

#[tokio::test]
async fn an_order_closes_when_its_return_window_is_over() {
    let shop = Shop::open();
    let (owner, order) = shop.paid().await;
    let everything = Pack { lines: None, label: Label::default(), shipped: true };
    shop.service.fulfil_order(&staff(), order.id, everything, receipt("f1")).await.unwrap();
    assert_eq!(saga(&shop, order.id).await["step"], "close");
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
    shop.clock.advance(30 * DAY - Duration::from_secs(1));
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 0);
    shop.clock.advance(Duration::from_secs(1));
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 1);
    let order = shop.service.show_order(&owner, order.id).await.unwrap();
    assert_eq!(order.status, OrderStatus::Closed);
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}

#[tokio::test]
async fn a_step_that_nobody_took_for_an_hour_is_found_once_time_has_passed_for_the_store() {
    let shop = Shop::open();
    shop.placed().await;
    shop.clock.advance(QUARTER + Duration::from_secs(3601));
    let findings = shop.examine().await;
    assert_eq!((findings.violations.len(), findings.in_progress.len()), (0, 1), "a shop that stands still is sound");
    shop.guest_cart(&[("CUP", 1)]).await;
    let findings = shop.examine().await;
    assert!(findings.violations.len() == 1 && findings.violations[0].contains("`authorize` is overdue"));
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 1);
    assert_eq!(shop.examine().await, crate::verify::Findings::default());
}

#[tokio::test]
async fn many_due_orders_are_all_moved_on() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 1_000);
    for number in 0..120 {
        let (shopper, cart) = shop.guest_cart(&[("CUP", 1)]).await;
        shop.place(&shopper, cart.id, &format!("k{number}")).await.unwrap();
    }
    shop.clock.advance(QUARTER);
    assert_eq!(shop.service.run_due_sagas().await.unwrap(), 120);
    assert!(shop.store.list_overdue(shop.env.now(), 10).await.unwrap().is_empty());
}
