//! Lists, searches, and what is kept of them.

use std::time::Duration;

use axum::body::Body;
use chassis::{Env, bus::EmbeddedBus, queue::EmbeddedQueue, sqlite::Location, testing::TestAuth};
use contracts::{Locale, LocalizedText};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use product_service::{Config, Deps, build};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Shop, handles, product, variant_id};

#[tokio::test]
async fn lists_filter_sort_page_and_search() {
    let shop = Shop::open().await;
    for (handle, on_hand, price) in [("a", 1, 3000), ("b", 0, 1000), ("c", 5, 2000)] {
        let mut body = product(handle, on_hand);
        body["variants"][0]["prices"][0]["amount"]["amount_minor"] = json!(price);
        assert_eq!(shop.staff("POST", "/v1/products", &[], &body).await.status, StatusCode::CREATED);
    }
    for (query, expected) in [
        ("", vec!["c", "b", "a"]),
        ("?sort=price", vec!["b", "c", "a"]),
        ("?sort=-price&in_stock=true", vec!["a", "c"]),
        ("?sort=price&min_price=1500&max_price=2500", vec!["c"]),
        ("?sort=title&locale=en", vec!["a", "b", "c"]),
        ("?in_stock=false", vec!["b"]),
        ("?category=none", vec![]),
    ] {
        let answer = shop.get(&format!("/v1/products{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.body);
        assert_eq!(handles(&answer.body), expected, "{query}");
    }
    let first = shop.get("/v1/products?limit=2&sort=price").await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = shop.get(&format!("/v1/products?limit=2&sort=price&cursor={cursor}")).await;
    assert_eq!(handles(&second.body), ["a"]);
    assert!(second.body.get("next_cursor").is_none());
    assert_eq!(shop.get(&format!("/v1/products?cursor={cursor}")).await.status, StatusCode::BAD_REQUEST);

    let found = |expected: usize| move |body: &Value| body["items"].as_array().is_some_and(|i| i.len() == expected);
    shop.eventually("/v1/products?q=%EC%9D%B4%EC%96%B4%ED%8F%B0", found(3)).await;
    let body = shop.eventually("/v1/products?q=earbuds&in_stock=true&sort=price", found(2)).await;
    assert_eq!(handles(&body), ["c", "a"]);
    shop.eventually("/v1/products?min_price=2000", found(2)).await;
}

#[tokio::test]
async fn a_list_is_kept_until_what_it_shows_changes() {
    let shop = Shop::open().await;
    let made = shop.create("a", 2).await;
    let before = shop.get("/v1/products").await;
    shop.reserve(&variant_id(&made), 1).await.unwrap();
    assert_eq!(shop.get("/v1/products").await.etag, before.etag);
    shop.reserve(&variant_id(&made), 1).await.unwrap();
    let after = shop.get("/v1/products").await;
    assert_ne!(after.etag, before.etag);
    assert_eq!(after.body["items"][0]["in_stock"], false);
    let etag = after.etag.unwrap();
    let request = Request::get("/v1/products").header("if-none-match", etag).body(Body::empty()).unwrap();
    assert_eq!(shop.send(request).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn the_index_can_be_made_again() {
    let shop = Shop::open().await;
    shop.create("a", 1).await;
    let found = |body: &Value| body["items"].as_array().is_some_and(|items| items.len() == 1);
    shop.eventually("/v1/products?q=earbuds", found).await;
    let rebuild = shop.staff("POST", "/v1/search-index/rebuild", &[], &Value::Null).await;
    assert_eq!(rebuild.status, StatusCode::ACCEPTED);
    shop.eventually("/v1/products?q=earbuds", found).await;
    let rebuild = shop.staff("POST", "/v1/operations/product/rebuild", &[], &Value::Null).await;
    assert_eq!((rebuild.status, &rebuild.body["name"]), (StatusCode::ACCEPTED, &json!("search")));
    let ended = |body: &Value| body["running"] == json!(false);
    let state = shop.eventually("/v1/operations/product/rebuild", ended).await;
    assert_eq!((&state["done"], &state["total"], &state["failed"]), (&json!(1), &json!(1), &json!(false)));
    shop.eventually("/v1/products?q=earbuds", found).await;
    for path in ["/v1/search-index/rebuild", "/v1/operations/product/rebuild"] {
        let customer = shop.call(Some(&shop.customer), "POST", path, &[], &Value::Null).await;
        assert_eq!(customer.status, StatusCode::FORBIDDEN);
    }
    let events = shop.staff_get("/v1/operations/product/events?type=product.changed").await;
    assert_eq!(events.body["items"][0]["source"], "/jangteo/product");
    assert_eq!(shop.staff_get("/v1/operations/product/dead-letters").await.body["items"], json!([]));
}

#[tokio::test]
async fn last_words_reach_the_index_when_the_process_stops_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let env = Env::system();
        let auth = TestAuth::new(&env);
        let file = |name| Location::in_folder(folder.path(), name);
        let deps = Deps {
            env: env.clone(),
            location: file("product.db"),
            search_path: Some(folder.path().join("search")),
            bus: EmbeddedBus::open(&env, &file("bus.db")).unwrap(),
            queue: EmbeddedQueue::open(&env, &file("queue.db")).unwrap(),
            verifier: auth.verifier(),
        };
        (env, build(Config::default(), deps).await.unwrap())
    };
    let input = product_service::product::ProductInput {
        handle: "late".to_owned(),
        status: product_service::product::ProductStatus::Active,
        title: LocalizedText::one(Locale::En, "Latecomer"),
        ..Default::default()
    };
    let (env, running) = start().await;
    running.product.import_products(vec![input], true, "key_test".to_owned()).await.unwrap();
    env.stop().await;
    drop(running);

    let (env, running) = start().await;
    let find = async || {
        let request = Request::get("/v1/products?q=latecomer").body(Body::empty()).unwrap();
        let response = running.service.router.clone().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["items"].as_array().map_or(0, Vec::len)
    };
    let wait = async {
        while find().await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
    env.stop().await;
}
