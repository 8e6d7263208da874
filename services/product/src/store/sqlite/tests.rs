//! The contract on SQLite, in memory and in a file, and what only SQLite can show.

use std::sync::Arc;

use chassis::sqlite::Location;
use contracts::{Currency, Envelope};

use super::SqliteProductStore;
use crate::store::{
    ListQuery, ListSort, ProductStore,
    contract::{Shop, mug},
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
