//! Orders that wait, and orders as they were, over their routes.

use contracts::payment::{PaymentAction, PaymentActionRequired, PaymentAuthorized, PaymentMethodRequired};

use super::*;

async fn require_method(site: &Site, order: &str, token: &str) -> OrderId {
    let order_id: OrderId = order.parse().unwrap();
    let reason = "insufficient_funds".to_owned();
    let required = PaymentMethodRequired { payment_id: id(500), order_id, reason, attempts_left: 2 };
    site.publish(&PaymentEvent::MethodRequired(required), order_id).await;
    site.order_once(order, token, |order| order["payment"]["method_required"].is_object()).await;
    order_id
}

#[tokio::test]
async fn a_buyer_names_another_method_once() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let path = format!("/v1/orders/{order}/payment-attempts");
    let attempt = |token: &str| post(&path, json!({"payment_method": {"provider": "sandbox", "token": token}}));
    let early = site.send(attempt("tok_2").guest(&token).key("attempt-early")).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    assert_eq!(early.body["type"], "urn:jangteo:problem:payment_method_not_wanted");
    assert_eq!(early.body["status"], "pending");
    let order_id = require_method(&site, &order, &token).await;
    for (what, call, status) in [
        ("no token", attempt("tok_2").key("attempt-0000000001"), 401),
        ("another guest", attempt("tok_2").guest("gst_other").key("attempt-1"), 404),
        ("no key", attempt("tok_2").guest(&token), 400),
        ("no method", attempt("").guest(&token).key("attempt-2"), 400),
        ("more", post(&path, json!({"payment_method": {}, "more": 1})).guest(&token).key("attempt-3"), 400),
    ] {
        let reply = site.send(call).await;
        assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    }
    let first = site.send(attempt("tok_2").guest(&token).key("attempt-4")).await;
    assert_eq!((first.status, &first.body["status"]), (StatusCode::CREATED, &json!("awaiting_payment")));
    assert_eq!(first.headers[header::LOCATION], format!("/v1/orders/{order}"));
    let again = site.send(attempt("tok_2").guest(&token).key("attempt-4")).await;
    assert_eq!((again.status, &again.body), (StatusCode::CREATED, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = site.send(attempt("tok_3").guest(&token).key("attempt-4")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    let second = site.send(attempt("tok_3").guest(&token).key("attempt-5")).await;
    assert_eq!(second.status, StatusCode::CONFLICT);

    let amount = krw(23_000);
    site.publish(&PaymentEvent::Authorized(PaymentAuthorized { payment_id: id(500), order_id, amount }), order_id)
        .await;
    site.order_once(&order, &token, |order| order["status"] == "confirmed").await;
    assert_eq!(crate::verify::verify(&site.running.store).await.unwrap(), Vec::<String>::new());
    site.env.stop().await;
}

#[tokio::test]
async fn staff_name_another_method_for_a_buyer_on_the_phone() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    require_method(&site, &order, &token).await;
    let attempt = post(
        &format!("/v1/orders/{order}/payment-attempts"),
        json!({"payment_method": {"provider": "sandbox", "token": "tok_2"}}),
    );
    let given = site.send(attempt.bearer(&site.staff()).key("attempt-1")).await;
    assert_eq!(given.status, StatusCode::CREATED, "{}", given.body);
    site.env.stop().await;
}

#[tokio::test]
async fn a_redirect_shows_where_to_go() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let order_id: OrderId = order.parse().unwrap();
    let action = PaymentAction::Deposit {
        bank: "하나은행".to_owned(),
        account_number: "123-456".to_owned(),
        holder: "장터".to_owned(),
        due_at: site.env.now(),
    };
    let required = PaymentActionRequired { payment_id: id(500), order_id, action: action.clone() };
    site.publish(&PaymentEvent::ActionRequired(required), order_id).await;
    let shown = site.order_once(&order, &token, |order| order["status"] == "awaiting_payment").await;
    assert_eq!(shown["payment"]["action"], serde_json::to_value(action).unwrap());
    assert_eq!(shown["saga"], Value::Null);
    let staff = site.send(get(&format!("/v1/orders/{order}")).bearer(&site.staff())).await;
    assert_eq!((&staff.body["saga"]["step"], &staff.body["saga"]["due_at"]), (&json!("authorize"), &shown["pay_by"]));
    site.env.stop().await;
}

#[tokio::test]
async fn staff_release_an_order_that_is_on_hold() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let path = format!("/v1/orders/{order}/release");
    let release = || post(&path, json!({})).bearer(&site.staff());
    let early = site.send(release()).await;
    assert_eq!(
        (early.status, &early.body["type"]),
        (StatusCode::CONFLICT, &json!("urn:jangteo:problem:order_not_on_hold"))
    );
    let order_id: OrderId = order.parse().unwrap();
    let amount = krw(22_999);
    site.publish(&PaymentEvent::Authorized(PaymentAuthorized { payment_id: id(500), order_id, amount }), order_id)
        .await;
    site.order_once(&order, &token, |order| order["status"] == "on_hold").await;
    let customer = site.auth.account_token(id(1), &[]);
    let reader = site.auth.account_token(id(901), &[Permission::OrdersRead]);
    for (what, call, status) in [
        ("the buyer", post(&path, json!({})).guest(&token), 401),
        ("a customer", post(&path, json!({})).bearer(&customer), 403),
        ("who may only read", post(&path, json!({})).bearer(&reader), 403),
        ("on another version", release().if_match(1), 412),
        (
            "no such order",
            post(&format!("/v1/orders/{}/release", id::<OrderId>(404)), json!({})).bearer(&site.staff()),
            404,
        ),
    ] {
        let reply = site.send(call).await;
        assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    }
    let released = site.send(release().if_match(3).key("release-1")).await;
    assert_eq!((released.status, &released.body["status"]), (StatusCode::OK, &json!("confirmed")));
    let again = site.send(release().if_match(3).key("release-1")).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &released.body));
    site.env.stop().await;
}

#[tokio::test]
async fn those_who_run_the_shop_make_the_list_of_orders_again() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let damage = |connection: &rusqlite::Connection| -> Result<usize, chassis::StoreError> {
        Ok(connection.execute("DELETE FROM orders", [])?)
    };
    assert_eq!(site.running.store.database().write(damage).await.unwrap(), 1);
    assert_eq!(site.send(get("/v1/orders").guest(&token)).await.body["items"], json!([]));
    let path = "/v1/operations/order/rebuild";
    let refused = site.send(post(path, json!({})).bearer(&site.staff())).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let operator = site.auth.account_token(id(902), &[Permission::Operate]);
    let started = site.send(post(path, json!({})).bearer(&operator)).await;
    assert!(started.status.is_success(), "{}", started.body);
    let listed = async {
        loop {
            let list = site.send(get("/v1/orders").guest(&token)).await;
            if let Some(found) = list.body["items"].get(0) {
                return found["id"].clone();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let listed = tokio::time::timeout(Duration::from_secs(20), listed).await.expect("the list is made again");
    assert_eq!(listed, json!(order));
    let state = site.send(get(path).bearer(&operator)).await;
    assert_eq!((&state.body["name"], &state.body["failed"]), (&json!("orders"), &json!(false)));
    site.env.stop().await;
}

#[tokio::test]
async fn an_order_is_shown_as_it_was_and_what_became_of_it() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let placed = site.send(get(&format!("/v1/orders/{order}")).guest(&token)).await;
    let placed_at = text(&placed.body["placed_at"]);
    site.clock.advance(Duration::from_secs(60));
    let cancel = post(&format!("/v1/orders/{order}/cancel"), json!({"reason": "changed my mind"})).guest(&token);
    assert_eq!(site.send(cancel).await.status, StatusCode::OK);

    let ask = async |query: &str| site.send(get(&format!("/v1/orders/{order}{query}")).guest(&token)).await;
    let then = ask(&format!("?at={placed_at}")).await;
    assert_eq!((then.status, &then.body), (StatusCode::OK, &placed.body));
    assert!(!then.headers.contains_key(header::ETAG), "the past cannot be changed");
    assert_eq!(ask("?at=9999-01-01T00:00:00Z").await.body["status"], "cancelled");
    let before = ask("?at=2020-01-01T00:00:00Z").await;
    assert_eq!(before.status, StatusCode::NOT_FOUND);
    assert_eq!(before.body["type"], "urn:jangteo:problem:order_not_yet_placed");
    assert_eq!(before.body["placed_at"], json!(placed_at));

    let changes = ask(&format!("/changes?from={placed_at}&until=9999-01-01T00:00:00Z")).await;
    assert_eq!(changes.status, StatusCode::OK, "{}", changes.body);
    let all = changes.body["changes"].as_array().unwrap();
    assert!(all.contains(&json!({"path": "/status", "before": "pending", "after": "cancelled"})), "{all:?}");
    assert!(all.contains(&json!({"path": "/status_reason", "before": null, "after": "changed my mind"})));
    let event = &changes.body["events"][0];
    assert_eq!((&event["type"], &event["actor"]), (&json!("cancelled"), &json!("guest")));
    assert!(text(&event["cause"]).starts_with("req_") && event["at"].is_string());
    assert!(text(&event["hash"]).len() == 64 && text(&event["prev_hash"]).len() == 64);

    for (query, status) in [
        ("?at=yesterday", 400),
        ("?when=2026-01-01T00:00:00Z", 400),
        ("/changes", 400),
        ("/changes?from=2026-01-01T00:00:00Z", 400),
        ("/changes?from=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", 400),
        ("/changes?from=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z", 404),
    ] {
        let reply = ask(query).await;
        assert_eq!(reply.status.as_u16(), status, "{query}: {}", reply.body);
    }
    let stranger = get(&format!("/v1/orders/{order}?at={placed_at}")).guest("gst_other");
    assert_eq!(site.send(stranger).await.status, StatusCode::NOT_FOUND);
    site.env.stop().await;
}
