//! Parcels, partial cancellations and returns over their routes.

use contracts::{order::OrderId, payment::PaymentEvent};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{Reply, Site, call, get, post, text};
use crate::tests::fixtures::{id, krw};

impl Site {
    /// A guest's order for two cups, paid: its id, the token and its line.
    async fn paid_order(&self) -> (String, String, String) {
        let (order, token) = self.guest_order("first-order-0001").await;
        let order_id: OrderId = order.parse().unwrap();
        let payment_id = id(500);
        let authorized = contracts::payment::PaymentAuthorized { payment_id, order_id, amount: krw(23_000) };
        self.publish(&PaymentEvent::Authorized(authorized), order_id).await;
        let captured = contracts::payment::PaymentCaptured { payment_id, order_id, captured_total: krw(23_000) };
        self.publish(&PaymentEvent::Captured(captured), order_id).await;
        let paid = self.order_once(&order, &token, |order| order["payment_status"] == "paid").await;
        (order, token, text(&paid["lines"][0]["id"]))
    }

    async fn send_as_staff(&self, path: &str, body: Value, key: &str) -> Reply {
        self.send(post(path, body).bearer(&self.staff()).key(key)).await
    }
}

fn refusal(reply: &Reply) -> (u16, String) {
    let kind = text(&reply.body["type"]);
    (reply.status.as_u16(), kind.trim_start_matches("urn:jangteo:problem:").to_owned())
}

fn refused(status: u16, kind: &str) -> (u16, String) {
    (status, kind.to_owned())
}

#[tokio::test]
async fn staff_ship_and_the_buyer_sends_back() {
    let site = Site::open().await;
    let (order, token, line) = site.paid_order().await;
    let path = format!("/v1/orders/{order}");
    let parcels = format!("{path}/fulfilments");
    let body = json!({"carrier": " CJ대한통운 ", "tracking_number": "688712345678"});
    let created = site.send_as_staff(&parcels, body.clone(), "parcel-1").await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(created.headers[header::LOCATION], path);
    let parcel = &created.body["fulfilments"][0];
    assert_eq!((&parcel["status"], &parcel["carrier"]), (&json!("pending"), &json!("CJ대한통운")));
    let replay = site.send_as_staff(&parcels, body, "parcel-1").await;
    assert_eq!((replay.headers["idempotency-replayed"].as_bytes(), &replay.body), (&b"true"[..], &created.body));
    let nothing = site.send_as_staff(&parcels, json!({}), "parcel-2").await;
    assert_eq!(refusal(&nothing), refused(409, "nothing_to_fulfil"));
    let again = site.send_as_staff(&parcels, json!({"lines": [{"line_id": line, "quantity": 1}]}), "parcel-3").await;
    assert_eq!(refusal(&again), refused(409, "units_not_open"));
    assert_eq!((&again.body["line_id"], &again.body["units_left"]), (&json!(line), &json!(0)));

    let parcel = format!("{parcels}/{}", text(&parcel["id"]));
    let change = |body: Value| call(Method::PATCH, &parcel, Some(body)).bearer(&site.staff());
    let early = site.send(change(json!({"status": "delivered"}))).await;
    assert_eq!(refusal(&early), refused(409, "fulfilment_transition"));
    assert_eq!(early.body["allowed"], json!(["allocated", "packed", "shipped", "cancelled"]));
    let stale = site.send(change(json!({"status": "shipped"})).if_match(1)).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let shipped = site.send(change(json!({"status": "shipped"}))).await;
    assert_eq!((&shipped.body["status"], &shipped.body["fulfilment_status"]), (&json!("completed"), &json!("shipped")));
    assert_eq!(shipped.headers[header::ETAG], format!("\"{}\"", shipped.body["version"]));
    let relabelled = site.send(change(json!({"status": "shipped", "tracking_number": "2"}))).await;
    assert_eq!(relabelled.body["fulfilments"][0]["tracking_number"], "2");
    site.send(change(json!({"status": "delivered"}))).await;

    let ask = json!({"lines": [{"line_id": line, "quantity": 2}], "reason": "too big"});
    let asked = site.send(post(&format!("{path}/returns"), ask).guest(&token).key("return-1")).await;
    assert_eq!(asked.status, StatusCode::CREATED, "{}", asked.body);
    let returning = format!("{path}/returns/{}", text(&asked.body["returns"][0]["id"]));
    let judge = |body: Value| call(Method::PATCH, &returning, Some(body));
    let by_buyer = site.send(judge(json!({"status": "approved"})).guest(&token)).await;
    assert_eq!(by_buyer.status, StatusCode::FORBIDDEN);
    let unreasoned = site.send(judge(json!({"status": "rejected"})).bearer(&site.staff())).await;
    assert_eq!(
        (unreasoned.status, &unreasoned.body["errors"][0]["field"]),
        (StatusCode::BAD_REQUEST, &json!("/reason"))
    );
    let approved = site.send(judge(json!({"status": "approved"})).bearer(&site.staff())).await;
    assert_eq!(approved.body["returns"][0]["status"], "approved");
    let receipt = json!({"lines": [{"line_id": line, "quantity": 2, "restock": true}], "include_shipping": true});
    let received = site.send_as_staff(&format!("{returning}/receipts"), receipt.clone(), "receipt-1").await;
    assert_eq!(received.status, StatusCode::CREATED, "{}", received.body);
    let refund = &received.body["refunds"][0];
    assert_eq!(
        (&refund["amount"]["amount_minor"], &received.body["returns"][0]["status"]),
        (&json!(23_000), &json!("received"))
    );
    let (goods, delivery) = (&refund["lines"][0]["tax"]["amount_minor"], &refund["shipping"][0]["tax"]["amount_minor"]);
    let taxes = goods.as_i64().unwrap() + delivery.as_i64().unwrap();
    assert_eq!(json!(taxes), received.body["totals"]["tax"]["amount_minor"]);
    let again = site.send_as_staff(&format!("{returning}/receipts"), receipt, "receipt-2").await;
    assert_eq!(refusal(&again), refused(409, "return_transition"));
    assert!(again.body["detail"].as_str().unwrap().contains("cannot be received"), "{}", again.body);
    assert_eq!(crate::verify::verify(&site.running.store).await.unwrap(), Vec::<String>::new());
    site.env.stop().await;
}

#[tokio::test]
async fn units_are_called_off_until_they_are_packed() {
    let site = Site::open().await;
    let (order, token, line) = site.paid_order().await;
    let cancel = |quantity: i64, key: &str| {
        let lines = json!({"lines": [{"line_id": line, "quantity": quantity}]});
        post(&format!("/v1/orders/{order}/cancel"), lines).guest(&token).key(key)
    };
    let first = site.send(cancel(1, "cancel-1")).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    assert_eq!((&first.body["lines"][0]["cancelled"], &first.body["status"]), (&json!(1), &json!("confirmed")));
    assert_eq!(first.body["cancellations"][0]["refund_id"], first.body["refunds"][0]["id"]);
    let replay = site.send(cancel(1, "cancel-1")).await;
    assert_eq!(replay.body, first.body);
    let too_many = site.send(cancel(2, "cancel-2")).await;
    assert_eq!(refusal(&too_many), refused(409, "units_not_cancellable"));
    let shipped = site.send_as_staff(&format!("/v1/orders/{order}/fulfilments"), json!({"shipped": true}), "p").await;
    assert_eq!(shipped.body["status"], "completed", "{}", shipped.body);
    let late = site.send(cancel(1, "cancel-3")).await;
    assert_eq!(refusal(&late), refused(409, "order_not_cancellable"));
    let whole = site.send(post(&format!("/v1/orders/{order}/cancel"), json!({})).guest(&token)).await;
    assert_eq!(refusal(&whole), refused(409, "order_not_cancellable"));
    site.env.stop().await;
}

#[tokio::test]
async fn goods_are_moved_only_by_those_who_may() {
    let site = Site::open().await;
    let (order, token) = site.guest_order("first-order-0001").await;
    let line = text(&site.send(get(&format!("/v1/orders/{order}")).guest(&token)).await.body["lines"][0]["id"]);
    let (parcels, returns) = (format!("/v1/orders/{order}/fulfilments"), format!("/v1/orders/{order}/returns"));
    let (no_parcel, no_return) = (format!("{parcels}/{}", no_id("ful")), format!("{returns}/{}", no_id("rtn")));
    let customer = site.auth.account_token(id(1), &[]);
    let staff = site.staff();
    let lines = json!([{"line_id": line, "quantity": 1}]);
    let ask = || post(&returns, json!({"lines": lines, "reason": "x"})).key("return-0001");
    let receive = || post(&format!("{no_return}/receipts"), json!({"lines": lines})).key("receipt-0001");
    let patch = |path: &str, body: Value| call(Method::PATCH, path, Some(body));
    let other_line = json!([{"line_id": no_id("lin"), "quantity": 1}]);
    for (what, call, status) in [
        ("a guest packs", post(&parcels, json!({})).guest(&token).key("k"), 401),
        ("a customer packs", post(&parcels, json!({})).bearer(&customer).key("k"), 403),
        ("staff pack what is not paid", post(&parcels, json!({})).bearer(&staff).key("k"), 409),
        ("staff pack without a key", post(&parcels, json!({})).bearer(&staff), 400),
        ("no lines", post(&parcels, json!({"lines": []})).bearer(&staff).key("k"), 400),
        ("no units", post(&parcels, json!({"lines": [{"line_id": line, "quantity": 0}]})).bearer(&staff).key("k"), 400),
        ("an empty carrier", post(&parcels, json!({"carrier": " "})).bearer(&staff).key("k"), 400),
        ("an unknown parcel", patch(&no_parcel, json!({"status": "shipped"})).bearer(&staff), 404),
        ("a status that is none", patch(&no_parcel, json!({"status": "flying"})).bearer(&staff), 400),
        ("another's return", ask().guest("gst_other"), 404),
        ("a return of what was not shipped", ask().guest(&token), 409),
        ("a return without a reason", post(&returns, json!({"lines": lines})).guest(&token).key("k2"), 400),
        ("an unknown return", patch(&no_return, json!({"status": "cancelled"})).guest(&token), 404),
        ("another's return is judged", patch(&no_return, json!({"status": "cancelled"})).bearer(&customer), 404),
        ("a step that people do not take", patch(&no_return, json!({"status": "received"})).bearer(&staff), 400),
        ("a customer receives", receive().bearer(&customer), 403),
        ("staff receive what nobody sent", receive().bearer(&staff), 404),
        (
            "a line of another order",
            post(&format!("/v1/orders/{order}/cancel"), json!({"lines": other_line})).guest(&token),
            422,
        ),
        (
            "a part of what is not confirmed",
            post(&format!("/v1/orders/{order}/cancel"), json!({"lines": lines})).guest(&token),
            409,
        ),
    ] {
        let reply = site.send(call).await;
        assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    }
    site.env.stop().await;
}

fn no_id(prefix: &str) -> String {
    format!("{prefix}_{:032x}", 404)
}
