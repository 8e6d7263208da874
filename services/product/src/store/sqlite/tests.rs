//! The contract on SQLite, in memory and in a file, and what only SQLite can show.

use std::sync::Arc;

use chassis::sqlite::Location;
use contracts::{Currency, Envelope, order::OrderId, product::VariantId};

use super::SqliteProductStore;
use crate::{
    stock::MovementKind,
    store::{
        ListQuery, ListSort, ProductStore,
        contract::{Shop, mug},
    },
};

fn memory() -> (Arc<dyn ProductStore>, ()) {
    (Arc::new(SqliteProductStore::open(&Location::Memory).unwrap()), ())
}

fn file() -> (Arc<dyn ProductStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteProductStore::open(&Location::in_folder(folder.path(), "product.db")).unwrap();
    (Arc::new(store), folder)
}

mod in_memory {
    use super::memory;
    crate::product_store_contract!(memory);
}

mod in_a_file {
    use super::file;
    crate::product_store_contract!(file);
}

async fn outbox(store: &SqliteProductStore) -> Vec<Envelope> {
    let payloads: Vec<Vec<u8>> = store
        .database()
        .read(|connection| {
            let mut statement = connection.prepare("SELECT payload FROM outbox ORDER BY seq")?;
            let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok::<_, chassis::StoreError>(rows)
        })
        .await
        .unwrap();
    payloads.iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
}

async fn announced(store: &SqliteProductStore) -> Vec<String> {
    outbox(store).await.into_iter().map(|envelope| envelope.event_type).collect()
}

#[tokio::test]
async fn changes_are_announced_and_single_sales_are_not() {
    let store = Arc::new(SqliteProductStore::open(&Location::Memory).unwrap());
    let shop = Shop::new(Arc::clone(&store) as _);
    let id = shop.stocked("a", 3).await;
    assert_eq!(announced(&store).await, ["product.changed"]);
    let hold = shop.reserve(&[(id, 1)]).await;
    shop.commit(hold, &[]).await;
    assert_eq!(announced(&store).await.len(), 1);
    let last = shop.reserve(&[(id, 2)]).await;
    assert_eq!(announced(&store).await, ["product.changed", "product.changed"]);
    shop.lapse().await;
    shop.reserve(&[(id, 1)]).await;
    let commit = shop.commit(last, &[]).await;
    let events = outbox(&store).await;
    assert_eq!(events.last().unwrap().event_type, "stock.commit_failed");
    assert_eq!(events.last().unwrap().subject, commit.order_id.to_string());
    let mut ids: Vec<_> = events.iter().map(|envelope| envelope.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), events.len());
}

/// A page costs the same whatever the catalogue holds: no plan sorts, none scans a table.
#[tokio::test]
async fn every_list_reads_one_index_in_order() {
    let store = SqliteProductStore::open(&Location::Memory).unwrap();
    let shop = Shop::new(Arc::new(SqliteProductStore::open(&Location::Memory).unwrap()));
    shop.save(mug("a", &[("a", 1)])).await;
    let sorts = [
        ListSort::Newest,
        ListSort::Price(Currency::KRW),
        ListSort::PriceDescending(Currency::KRW),
        ListSort::TitleKo,
        ListSort::TitleEn,
    ];
    for sort in sorts {
        for category in [None, Some("x".to_owned())] {
            for in_stock in [None, Some(true)] {
                let query = ListQuery {
                    status: Some(crate::product::ProductStatus::Active),
                    category: category.clone(),
                    in_stock,
                    min_price: None,
                    max_price: None,
                    sort,
                    after: shop.store.list(plain(sort)).await.unwrap().pop().map(|listed| listed.place),
                    limit: 20,
                };
                let plan =
                    store.database().read(move |connection| super::listing::explain(connection, &query)).await.unwrap();
                assert!(!plan.contains("TEMP B-TREE"), "{sort:?}: {plan}");
                assert!(!plan.contains("SCAN products") && !plan.contains("SCAN product_prices"), "{plan}");
            }
        }
    }
}

fn plain(sort: ListSort) -> ListQuery {
    ListQuery {
        status: Some(crate::product::ProductStatus::Active),
        category: None,
        in_stock: None,
        min_price: None,
        max_price: None,
        sort,
        after: None,
        limit: 20,
    }
}

/// A file of the version before orders' units were counted: what it has in its ledger counts.
#[tokio::test]
async fn what_older_versions_sold_and_put_back_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("product.db");
    let (variant, order): (VariantId, OrderId) = (uuid::Uuid::from_u128(1).into(), uuid::Uuid::from_u128(2).into());
    {
        let known = super::schema::SCHEMA.migrations.len() - 1;
        let older = rusqlite::Connection::open(&path).unwrap();
        for script in &super::schema::SCHEMA.migrations[..known] {
            older.execute_batch(script).unwrap();
        }
        let movement = "INSERT INTO movements VALUES (?1, ?2, ?3, ?4, ?5, '', ?6, 0)";
        for (number, delta, on_hand, kind, actor) in [
            (1, 10, 10, "count", "acc_1"),
            (2, -3, 7, "sale", order.to_string().as_str()),
            (3, 1, 8, "return", order.to_string().as_str()),
        ] {
            older.execute(movement, (variant.to_string(), number, delta, on_hand, kind, actor)).unwrap();
        }
        older.execute("INSERT INTO stock_levels VALUES (?1, 8, 0, 1, 0, 0, 3)", [variant.to_string()]).unwrap();
        older.pragma_update(None, "application_id", 0x4a41_4e47).unwrap();
        older.pragma_update(None, "user_version", known as i64).unwrap();
    }
    let store = Arc::new(SqliteProductStore::open(&Location::File(path)).unwrap());
    let shop = Shop::new(Arc::clone(&store) as _);
    shop.check().await;
    let restock = shop.restock(order, "cancellation can_1", MovementKind::Cancellation, &[(variant, 3)]);
    store.restock(restock, shop.stamp()).await.unwrap();
    let moved = store.list_movements(variant, None, 1).await.unwrap().remove(0);
    assert_eq!((moved.delta, moved.on_hand), (2, 10), "one of the three had come back before");
}

#[tokio::test]
async fn an_order_that_put_back_too_much_is_found() {
    let store = Arc::new(SqliteProductStore::open(&Location::Memory).unwrap());
    let shop = Shop::new(Arc::clone(&store) as _);
    let id = shop.stocked("a", 1).await;
    let forged = move |transaction: &rusqlite::Connection| {
        let order = "ord_1";
        let movement = "INSERT INTO movements VALUES (?1, ?2, ?3, 1, ?4, '', ?5, 0)";
        transaction.execute(movement, (id.to_string(), 2, -1, "sale", order))?;
        transaction.execute(movement, (id.to_string(), 3, 1, "return", order))?;
        transaction.execute(movement, (id.to_string(), 4, 1, "cancellation", order))?;
        transaction.execute("UPDATE stock_levels SET on_hand = 2", [])?;
        Ok::<_, chassis::StoreError>(())
    };
    store.database().write(forged).await.unwrap();
    let violations = store.verify().await.unwrap();
    assert_eq!(violations, [format!("{id}: ord_1 put back 1 more than it took")]);
}
