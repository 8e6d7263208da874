//! Route × role × owner: every operation of the document, called by everybody who might try.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::shop::{DEMO_SKU, Reply, Shop, product, text};

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Stranger,
    OtherGuest,
    OtherCustomer,
    Staff,
    Admin,
}

/// What staff may do; admins may do everything.
const STAFF: [&str; 5] = ["catalog:write", "stock:write", "orders:read", "orders:write", "refunds:write"];

struct Cast {
    tokens: BTreeMap<&'static str, String>,
    other_guest: String,
    ids: BTreeMap<&'static str, String>,
}

struct Operation {
    method: Method,
    path: String,
    security: Vec<Value>,
}

impl Operation {
    fn is_open(&self) -> bool {
        self.security.iter().any(|way| way.as_object().is_some_and(serde_json::Map::is_empty))
    }

    fn for_guests(&self) -> bool {
        self.security.iter().any(|way| way.get("guest").is_some())
    }

    /// The permissions that a bearer needs; `None` if tokens do not help.
    fn permissions(&self) -> Option<Vec<&str>> {
        let way = self.security.iter().find_map(|way| way.get("bearer"))?;
        Some(way.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    fn allows(&self, who: Who) -> bool {
        let by_token = |held: &[&str]| {
            self.permissions().is_some_and(|needed| needed.iter().all(|permission| held.contains(permission)))
        };
        self.is_open()
            || match who {
                Who::Stranger => false,
                Who::OtherGuest => self.for_guests(),
                Who::OtherCustomer => by_token(&[]),
                Who::Staff => by_token(&STAFF),
                Who::Admin => self.permissions().is_some(),
            }
    }
}

#[tokio::test]
async fn every_route_refuses_who_may_not_call_it() {
    let shop = Shop::open().await;
    let cast = cast(&shop).await;
    let document = shop.get("/openapi.json").send().await.expect(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let operations = operations(&document);
    assert!(operations.len() > 40, "only {} operations are documented", operations.len());
    let mut wrong = Vec::new();
    for who in [Who::Stranger, Who::OtherGuest, Who::OtherCustomer, Who::Staff, Who::Admin] {
        for operation in &operations {
            let path = fill(&operation.path, &cast.ids);
            let reply = call(&shop, &cast, who, operation, &path).await;
            if let Some(complaint) = judge(operation, who, &reply) {
                wrong.push(format!("{} {} as {who:?}: {complaint}: {}", operation.method, operation.path, reply.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!shop.log().contains("panicked"), "{}", shop.log());
}

fn judge(operation: &Operation, who: Who, reply: &Reply) -> Option<String> {
    let status = reply.status.as_u16();
    if status >= 500 {
        return Some(format!("{status} is our fault"));
    }
    if !operation.allows(who) {
        let expected = if matches!(who, Who::Stranger | Who::OtherGuest) { 401 } else { 403 };
        return (status != expected).then(|| format!("{status} instead of {expected}"));
    }
    // Sign-in and webhooks are open to everybody who can prove something in the body.
    let proves_itself = operation.path.starts_with("/v1/sessions") || operation.path.ends_with("/webhooks");
    if matches!(status, 401 | 403) && !proves_itself {
        return Some(format!("{status}, although the document allows it"));
    }
    // Signed in, but it belongs to somebody else: as if it were not there.
    let owned =
        ["/v1/carts/{", "/v1/orders/{", "/v1/sessions/{"].iter().any(|prefix| operation.path.starts_with(prefix));
    let outsider = matches!(who, Who::OtherGuest | Who::OtherCustomer);
    let private = operation.for_guests() || operation.permissions().is_some_and(|needed| needed.is_empty());
    (owned && outsider && private && reply.status.is_success()).then(|| "somebody else's".to_owned())
}

async fn call(shop: &Shop, cast: &Cast, who: Who, operation: &Operation, path: &str) -> Reply {
    let call = shop.call(operation.method.clone(), path).key("access-matrix-key-0001");
    let call = match who {
        Who::Stranger => call,
        Who::OtherGuest => call.guest(&cast.other_guest),
        Who::OtherCustomer => call.bearer(&cast.tokens["customer"]),
        Who::Staff => call.bearer(&cast.tokens["staff"]),
        Who::Admin => call.bearer(&cast.tokens["admin"]),
    };
    if matches!(operation.method, Method::GET | Method::DELETE) {
        call.send().await
    } else {
        call.raw("{}").send().await
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !matches!(method, Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE) {
                continue;
            }
            let security = operation["security"].as_array();
            let security = security.unwrap_or_else(|| panic!("{method} {path} does not say who may call it")).clone();
            operations.push(Operation { method, path: path.clone(), security });
        }
    }
    operations
}

/// Puts the victim's ids in. A parameter that nobody thought of stops the test, so that it gets a case.
fn fill(path: &str, ids: &BTreeMap<&'static str, String>) -> String {
    let mut filled = String::new();
    let mut collection = "";
    for segment in path.split('/').skip(1) {
        filled.push('/');
        if segment.starts_with('{') {
            let id = ids.get(collection).unwrap_or_else(|| panic!("{path}: no example for {collection}/{segment}"));
            filled.push_str(id);
        } else {
            collection = segment;
            filled.push_str(segment);
        }
    }
    filled
}

/// The people, and what belongs to the victim.
async fn cast(shop: &Shop) -> Cast {
    let admin = shop.admin_token().await;
    let customer = shop.customer("other@example.com").await;
    shop.customer("staff@example.com").await;
    let accounts = shop.get("/v1/accounts?email=staff@example.com").bearer(&admin).send().await.expect(200).json();
    let staff = text(&accounts["items"][0]["id"]);
    let promote =
        shop.patch(&format!("/v1/accounts/{staff}")).bearer(&admin).json(&json!({"role": "staff"})).send().await;
    assert!(promote.status.is_success(), "{}", promote.text);
    let staff = shop.sign_in("staff@example.com", "correct horse battery").await;

    let (cart, order) = shop.buy(DEMO_SKU, 1).await;
    let open_cart = shop.guest_cart(DEMO_SKU, 1).await;
    let other_guest = shop.guest_cart(DEMO_SKU, 1).await.token;
    let victim = shop.customer("victim@example.com").await;
    let account = shop.get("/v1/accounts/me").bearer(&victim).send().await.expect(200).json();
    let session = shop.get("/v1/sessions").bearer(&victim).send().await.expect(200).json();
    let made = shop.post("/v1/products").bearer(&admin).json(&product("ACCESS", 9)).send().await.expect(201).json();
    let payments =
        shop.get(&format!("/v1/payments?order_id={}", text(&order["id"]))).bearer(&admin).send().await.json();
    let parcels = format!("/v1/orders/{}/fulfilments", text(&order["id"]));
    let packed = shop.post(&parcels).bearer(&admin).key(&shop.new_key()).json(&json!({})).send().await;
    let packed = packed.expect(201).json();
    let mail = shop.wait("a mail", async || shop.mails("haneul@example.com").await.pop()).await;
    let messages = shop.get("/v1/messages?limit=1").bearer(&admin).send().await.expect(200).json();
    assert_ne!(cart.token, other_guest);

    let ids = BTreeMap::from([
        ("accounts", text(&account["id"])),
        ("sessions", text(&session["items"][0]["id"])),
        ("api-keys", "key_00000000000000000000000000000001".to_owned()),
        ("products", text(&made["id"])),
        ("variants", text(&made["variants"][0]["id"])),
        ("categories", "no-such-category".to_owned()),
        ("carts", open_cart.id),
        ("lines", text(&open_cart.body["lines"][0]["id"])),
        ("orders", text(&order["id"])),
        ("fulfilments", text(&packed["fulfilments"][0]["id"])),
        ("returns", "rtn_00000000000000000000000000000001".to_owned()),
        ("payments", text(&payments["items"][0]["id"])),
        ("payment-providers", "sandbox".to_owned()),
        ("messages", text(&messages["items"][0]["id"])),
        ("mailbox", mail["id"].to_string()),
        ("dead-letters", "1".to_owned()),
    ]);
    let tokens = BTreeMap::from([("admin", admin), ("staff", staff), ("customer", customer)]);
    Cast { tokens, other_guest, ids }
}
