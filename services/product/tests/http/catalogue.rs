//! Products, variants, imports and categories.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Shop, fields, handles, product, variant_id};

#[tokio::test]
async fn a_product_is_made_shown_changed_and_archived() {
    let shop = Shop::open().await;
    let made = shop.staff("POST", "/v1/products", &[], &product("buds", 3)).await;
    assert_eq!((made.status, made.etag.as_deref()), (StatusCode::CREATED, Some("\"1\"")));
    assert_eq!(made.body["description_html"]["en"], "<p>Loud</p>");
    assert_eq!(made.body["variants"][0]["internal"]["stock"]["on_hand"], 3);

    let location = made.location.unwrap();
    for path in [location.as_str(), "/v1/products/buds"] {
        let shown = shop.get(path).await;
        assert_eq!((shown.status, shown.etag.as_deref()), (StatusCode::OK, Some("\"1\"")));
        assert_eq!(shown.body["variants"][0]["in_stock"], true);
        assert!(shown.body["variants"][0].get("internal").is_none(), "{}", shown.body);
    }
    let request = Request::get("/v1/products/buds").header("if-none-match", "\"1\"").body(Body::empty()).unwrap();
    assert_eq!(shop.send(request).await.status, StatusCode::NOT_MODIFIED);

    let patch = json!({"title": {"en": "Buds"}, "tags": ["new"]});
    let stale = shop.staff("PATCH", &location, &[("if-match", "\"9\"")], &patch).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{}", stale.body);
    let changed = shop.staff("PATCH", &location, &[("if-match", "\"1\"")], &patch).await;
    assert_eq!((changed.status, changed.etag.as_deref()), (StatusCode::OK, Some("\"2\"")));
    assert_eq!(shop.get("/v1/products/buds").await.body["title"]["en"], "Buds");
    let same = shop.staff("PATCH", &location, &[], &patch).await;
    assert_eq!(same.etag.as_deref(), Some("\"2\""), "what is the same is no new version");

    assert_eq!(shop.staff("DELETE", &location, &[], &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(shop.get("/v1/products/buds").await.status, StatusCode::NOT_FOUND);
    assert_eq!(shop.staff_get("/v1/products/buds").await.body["status"], "archived");
    assert!(handles(&shop.get("/v1/products").await.body).is_empty());
    assert!(shop.reserve(&variant_id(&made.body), 1).await.is_err());
}

#[tokio::test]
async fn variants_and_prices_are_edited_one_by_one() {
    let shop = Shop::open().await;
    let made = shop.create("buds", 3).await;
    let first = variant_id(&made);
    let white = json!({"sku": "W", "option_values": ["White"], "on_hand": 2});
    let added = shop.staff("POST", "/v1/products/buds/variants", &[("idempotency-key", "k1")], &white).await;
    assert_eq!((added.status, added.etag.as_deref()), (StatusCode::CREATED, Some("\"2\"")), "{}", added.body);
    let again = shop.staff("POST", "/v1/products/buds/variants", &[("idempotency-key", "k1")], &white).await;
    assert!(again.replayed);
    assert_eq!(again.body, added.body);
    let twice = shop.staff("POST", "/v1/products/buds/variants", &[], &white).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    assert_eq!(fields(&twice.body), ["/option_values", "/sku"]);

    let path = format!("/v1/variants/{first}");
    // Both what it is found by change at once, and it stays the same variant.
    let patch = json!({"sku": null, "option_values": ["White"]});
    let taken = shop.staff("PATCH", &path, &[], &patch).await;
    assert_eq!(fields(&taken.body).len(), 1, "{}", taken.body);
    let id = added.body["id"].as_str().unwrap();
    let gone = shop.staff("DELETE", &format!("/v1/variants/{id}"), &[], &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let changed = shop.staff("PATCH", &path, &[], &patch).await;
    assert_eq!((changed.status, changed.body["id"].as_str().unwrap()), (StatusCode::OK, first.as_str()));
    assert_eq!(changed.body["internal"]["stock"]["on_hand"], 3);

    let prices = json!({"prices": [{"amount": {"amount_minor": 500, "currency": "KRW"}}]});
    let set = shop.staff("PUT", &format!("{path}/prices"), &[], &prices).await;
    assert_eq!(set.body["prices"][0]["amount"]["amount_minor"], 500);
    let quoted = shop.reserve(&first, 1).await;
    assert!(quoted.is_ok());
    let negative = json!({"prices": [{"amount": {"amount_minor": -1, "currency": "KRW"}}]});
    let refused = shop.staff("PUT", &format!("{path}/prices"), &[], &negative).await;
    assert_eq!(fields(&refused.body), ["/prices/0/amount/amount_minor"]);
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let shop = Shop::open().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=%21%21", "cursor"),
        ("currency=XXX", "currency"),
        ("min_price=-1", "min_price"),
        ("sort=title&q=x", "sort"),
        ("nonsense=1", "nonsense"),
        ("in_stock=maybe", "in_stock"),
        ("q=x&cursor=AAAA", "cursor"),
    ] {
        let answer = shop.get(&format!("/v1/products?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.body);
        assert_eq!(fields(&answer.body), [field], "{query}");
    }
    let mut bad = product("Bad Handle", -1);
    bad["variants"][0]["option_values"] = json!(["Green"]);
    bad["category"] = json!("nowhere");
    let answer = shop.staff("POST", "/v1/products", &[], &bad).await;
    let expected = ["/handle", "/variants/0/option_values/0", "/variants/0/on_hand"];
    assert_eq!((answer.status, fields(&answer.body)), (StatusCode::BAD_REQUEST, expected.to_vec()));
    let mut unknown = product("ok", 1);
    unknown["colour"] = json!("red");
    assert_eq!(shop.staff("POST", "/v1/products", &[], &unknown).await.status, StatusCode::BAD_REQUEST);
    let mut shelved = product("ok", 1);
    shelved["category"] = json!("nowhere");
    let answer = shop.staff("POST", "/v1/products", &[], &shelved).await;
    assert_eq!((answer.status, fields(&answer.body)), (StatusCode::BAD_REQUEST, vec!["/category"]));
    shop.create("ok", 1).await;
    let taken = shop.staff("POST", "/v1/products", &[], &product("ok", 1)).await;
    assert_eq!((taken.status, fields(&taken.body)), (StatusCode::CONFLICT, vec!["/handle", "/variants/0/sku"]));
    for path in ["/v1/products/prd_00000000000000000000000000000001", "/v1/products/nothing", "/v1/categories/x"] {
        assert_eq!(shop.get(path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(shop.staff_get("/v1/variants/nothing/stock").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn only_staff_may() {
    let shop = Shop::open().await;
    shop.create("a", 1).await;
    let body = product("b", 1);
    let post = |token| shop.call(token, "POST", "/v1/products", &[], &body);
    assert_eq!(post(None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post(Some(&shop.customer)).await.status, StatusCode::FORBIDDEN);
    for query in ["status=draft", "view=full", "status=any"] {
        let path = format!("/v1/products?{query}");
        assert_eq!(shop.get(&path).await.status, StatusCode::UNAUTHORIZED);
        let customer = shop.call(Some(&shop.customer), "GET", &path, &[], &Value::Null).await;
        assert_eq!(customer.status, StatusCode::FORBIDDEN);
        assert_eq!(shop.staff_get(&path).await.status, StatusCode::OK);
    }
    let full = shop.staff_get("/v1/products?status=any&view=full").await;
    assert_eq!(full.body["items"][0]["variants"][0]["internal"]["cost"]["amount_minor"], 7000);
    assert_eq!(shop.get("/v1/products/a?view=full").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn imports_are_idempotent_and_atomic_if_asked() {
    let shop = Shop::open().await;
    let import = |products: Value, atomic| {
        let body = json!({"products": products, "atomic": atomic});
        async { shop.staff("POST", "/v1/product-imports", &[], &Box::new(body)).await.body }
    };
    let outcomes = |body: &Value| -> Vec<String> {
        body["outcomes"].as_array().unwrap().iter().map(|o| o["outcome"].as_str().unwrap().to_owned()).collect()
    };
    let mut shelved = product("a", 1);
    shelved["category"] = json!("audio");
    let both = json!([shelved, product("b", 2)]);
    assert_eq!(outcomes(&import(both.clone(), false).await), ["created", "created"]);
    assert_eq!(outcomes(&import(both.clone(), true).await), ["unchanged", "unchanged"]);
    assert_eq!(shop.get("/v1/products/a").await.etag.as_deref(), Some("\"1\""));
    assert_eq!(handles(&shop.get("/v1/categories").await.body), ["audio"]);

    let mut changed = product("a", 7);
    changed["vendor"] = json!("Other");
    let mut bad = product("c", 1);
    bad["title"] = json!({});
    let mut thief = product("d", 1);
    thief["variants"][0]["sku"] = json!("b-BLK");
    let mixed = json!([changed, bad, thief, product("b", 2), product("a", 1)]);
    let result = import(mixed.clone(), true).await;
    assert_eq!((&result["written"], outcomes(&result)[1].as_str()), (&json!(false), "rejected"));
    assert_eq!(shop.get("/v1/products/a").await.etag.as_deref(), Some("\"1\""), "nothing was written");
    let result = import(mixed, false).await;
    assert_eq!(outcomes(&result), ["updated", "rejected", "rejected", "unchanged", "rejected"]);
    assert_eq!(result["outcomes"][1]["violations"][0]["field"], "/title");
    assert_eq!(result["outcomes"][2]["violations"][0]["field"], "/variants/0/sku");
    let full = shop.staff_get("/v1/products/a?view=full").await;
    assert_eq!(full.body["variants"][0]["internal"]["stock"]["on_hand"], 7);
}

#[tokio::test]
async fn categories_are_made_changed_and_removed() {
    let shop = Shop::open().await;
    let audio = json!({"handle": "audio", "name": {"ko": "오디오", "en": "Audio"}});
    let made = shop.staff("POST", "/v1/categories", &[], &audio).await;
    assert_eq!((made.status, made.location.as_deref()), (StatusCode::CREATED, Some("/v1/categories/audio")));
    assert_eq!(shop.staff("POST", "/v1/categories", &[], &audio).await.status, StatusCode::CONFLICT);
    let child = json!({"handle": "buds", "name": {"en": "Buds"}, "parent": "audio"});
    shop.staff("POST", "/v1/categories", &[], &child).await;
    let mut body = product("a", 1);
    body["category"] = json!("buds");
    shop.staff("POST", "/v1/products", &[], &body).await;
    assert_eq!(handles(&shop.get("/v1/products?category=audio").await.body), ["a"]);

    let patch = json!({"name": {"en": "Sound"}});
    let changed = shop.staff("PATCH", "/v1/categories/audio", &[("if-match", "\"1\"")], &patch).await;
    assert_eq!((changed.status, changed.etag.as_deref()), (StatusCode::OK, Some("\"2\"")));
    shop.eventually("/v1/products?q=sound", |body| body["items"].as_array().is_some_and(|i| i.len() == 1)).await;
    let cycle = json!({"parent": "buds"});
    assert_eq!(shop.staff("PATCH", "/v1/categories/audio", &[], &cycle).await.status, StatusCode::BAD_REQUEST);
    let used = shop.staff("DELETE", "/v1/categories/buds", &[], &Value::Null).await;
    assert_eq!(used.status, StatusCode::CONFLICT);
    shop.staff("PATCH", "/v1/products/a", &[], &json!({"category": null})).await;
    let gone = shop.staff("DELETE", "/v1/categories/buds", &[], &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}
