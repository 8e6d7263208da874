//! Making the list of orders anew while the shop serves.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chassis::{StoreError, operations::rebuild::Progress, sqlite::Location};
use contracts::order::{OrderId, OrderStatus};

use super::shop::{Shop, authorized, staff};
use crate::{
    rebuild::{RebuildError, rebuild},
    store::{OrderFilter, OrderStore as _},
    verify::Findings,
};

async fn execute(shop: &Shop, sql: &'static str) {
    let change = move |transaction: &rusqlite::Connection| Ok::<_, StoreError>(transaction.execute_batch(sql)?);
    shop.store.database().write(change).await.unwrap();
}

async fn place_many(shop: &Shop, from: usize, until: usize) -> Vec<OrderId> {
    let mut ids = Vec::new();
    for number in from..until {
        let (shopper, cart) = shop.guest_cart(&[("CUP", 1)]).await;
        let order = shop.place(&shopper, cart.id, &format!("k{number}")).await.unwrap();
        if number % 2 == 0 {
            shop.hear(&authorized(&order)).await;
        }
        ids.push(order.id);
    }
    ids
}

/// What a handler may wait for.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

/// What the schema has of the table of orders.
async fn schema(shop: &Shop) -> Vec<String> {
    let sql = "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema WHERE name LIKE '%orders%' ORDER BY name";
    let read = |connection: &rusqlite::Connection| {
        let mut statement = connection.prepare(sql)?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        Ok::<_, StoreError>(names.into_iter().map(|text| text.replace('"', "")).collect())
    };
    shop.store.database().read(read).await.unwrap()
}

#[tokio::test]
async fn makes_the_list_from_the_streams_alone() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 10_000);
    place_many(&shop, 0, 40).await;
    let before = shop.store.list_orders(OrderFilter::default(), None, 100).await.unwrap();
    let tables = schema(&shop).await;
    execute(&shop, "DELETE FROM orders WHERE rowid % 3 = 0; UPDATE orders SET status = 'closed', saga_step = NULL")
        .await;
    execute(&shop, "CREATE TABLE orders_shadow (left_behind INTEGER)").await;
    assert!(!shop.examine().await.violations.is_empty());
    let progress = Progress::default();
    let rebuilt = rebuild(&shop.store, &shop.env, &progress).await.unwrap();
    assert_eq!((rebuilt.orders, rebuilt.events), (40, 80));
    assert_eq!((progress.done(), progress.total()), (40, 40));
    assert!(shop.store.list_orders(OrderFilter::default(), None, 100).await.unwrap() == before);
    assert_eq!(schema(&shop).await, tables, "the table has its indexes, and nothing is left behind");
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
    // And again, on what a rebuild has made.
    rebuild(&shop.store, &shop.env, &Progress::default()).await.unwrap();
    place_many(&shop, 40, 42).await;
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_shop_without_orders_is_rebuilt_too() {
    let shop = Shop::open();
    assert_eq!(rebuild(&shop.store, &shop.env, &Progress::default()).await.unwrap().orders, 0);
    shop.placed().await;
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_stream_that_makes_no_order_stops_the_rebuild_and_changes_nothing() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 10_000);
    let ids = place_many(&shop, 0, 3).await;
    let before = shop.store.list_orders(OrderFilter::default(), None, 100).await.unwrap();
    execute(&shop, "UPDATE order_events SET data = '{}' WHERE type = 'confirmed' OR position = 1").await;
    let failed = rebuild(&shop.store, &shop.env, &Progress::default()).await;
    assert!(matches!(failed, Err(RebuildError::Store(error)) if error.to_string().contains(&ids[0].to_string())));
    assert!(shop.store.list_orders(OrderFilter::default(), None, 100).await.unwrap() == before);
    let _held = shop.store.begin_alone().unwrap();
    assert!(matches!(rebuild(&shop.store, &shop.env, &Progress::default()).await, Err(RebuildError::Running)));
}

#[tokio::test]
async fn a_rebuild_that_is_cut_short_changes_nothing_and_starts_over() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 10_000);
    place_many(&shop, 0, 3).await;
    execute(&shop, "UPDATE orders SET status = 'closed'").await;
    let before = shop.store.list_orders(OrderFilter::default(), None, 100).await.unwrap();
    let (stopping, _) = chassis::Env::simulated(8);
    stopping.request_stop();
    let cut = rebuild(&shop.store, &stopping, &Progress::default()).await;
    assert!(matches!(cut, Err(RebuildError::Interrupted)));
    assert!(shop.store.list_orders(OrderFilter::default(), None, 100).await.unwrap() == before);
    assert!(!shop.examine().await.violations.is_empty());
    rebuild(&shop.store, &shop.env, &Progress::default()).await.unwrap();
    assert_eq!(shop.examine().await.violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_shop_serves_meanwhile_and_nobody_sees_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Arc::new(Shop::at(&Location::in_folder(folder.path(), "order.db")));
    shop.product.stock(1, "CUP", 1_000, 10_000);
    let ids = place_many(&shop, 0, 60).await;
    let done = Arc::new(AtomicBool::new(false));
    let watching = async {
        let mut least = usize::MAX;
        while !done.load(Ordering::SeqCst) {
            let page = shop.service.list_orders(&staff(), OrderFilter::default(), None, 100).await.unwrap();
            least = least.min(page.items.len());
            let shown = shop.service.show_order(&staff(), ids[0]).await.unwrap();
            assert_eq!(shown.status, OrderStatus::Confirmed);
            tokio::task::yield_now().await;
        }
        least
    };
    let selling = async {
        let mut number = 60;
        while !done.load(Ordering::SeqCst) {
            place_many(&shop, number, number + 1).await;
            number += 1;
        }
        number
    };
    let rebuilding = async {
        for _ in 0..10 {
            sendable(rebuild(&shop.store, &shop.env, &Progress::default())).await.unwrap();
        }
        done.store(true, Ordering::SeqCst);
    };
    let (least, sold, ()) = tokio::join!(watching, selling, rebuilding);
    assert!(least >= 60, "a list had {least} of 60 orders");
    assert!(sold > 60, "orders were placed meanwhile");
    let findings = shop.examine().await;
    assert_eq!(findings.violations, Vec::<String>::new());
    let listed = shop.store.list_orders(OrderFilter::default(), None, 10_000).await.unwrap();
    assert_eq!(listed.len(), sold);
    assert_ne!(findings, Findings::default(), "they wait for their payment");
}
