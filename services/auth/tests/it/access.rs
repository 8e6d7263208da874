//! Forged tokens, and doing more than one may.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::app::{App, PASSWORD};

const ADMIN_ONLY: [(&str, &str); 7] = [
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/acc_00000000000000000000000000000001"),
    ("PATCH", "/v1/accounts/acc_00000000000000000000000000000001"),
    ("POST", "/v1/api-keys"),
    ("GET", "/v1/api-keys"),
    ("DELETE", "/v1/api-keys/key_00000000000000000000000000000001"),
    ("GET", "/v1/audit-events"),
];

const SIGNED_IN_ONLY: [(&str, &str); 6] = [
    ("GET", "/v1/accounts/me"),
    ("PATCH", "/v1/accounts/me"),
    ("POST", "/v1/accounts/me/password"),
    ("GET", "/v1/sessions"),
    ("DELETE", "/v1/sessions/current"),
    ("DELETE", "/v1/sessions/ses_00000000000000000000000000000001"),
];

#[tokio::test]
async fn routes_are_closed_to_those_without_the_right_token() {
    let app = App::start().await;
    let customer = format!("Bearer {}", app.member("mina@example.com").await.text("access_token"));
    for (method, path) in ADMIN_ONLY.into_iter().chain(SIGNED_IN_ONLY) {
        app.send(method.parse().unwrap(), path, &[], None).await.expect(401);
    }
    for (method, path) in ADMIN_ONLY {
        let headers = [("authorization", customer.as_str())];
        app.send(method.parse().unwrap(), path, &headers, Some(json!({}))).await.expect(403);
    }
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&decode_base64(part)).unwrap()
}

/// Base64url without padding, as in a JWT.
fn decode_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<u8> = text.bytes().flat_map(|byte| (0..6).rev().map(move |bit| value(byte) >> bit & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let app = App::start().await;
    let token = app.member("mina@example.com").await.text("access_token");
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("a JWT has three parts") };
    let (kid, mut claims) = (decode(header)["kid"].as_str().unwrap().to_owned(), decode(payload));
    claims["scope"] = json!("accounts:write audit:read");

    let sign = |algorithm: Algorithm, key: &EncodingKey| {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.clone());
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };
    let stranger = auth_service::signing::generate(&app.env).unwrap();
    let strange_key = {
        use secrecy::ExposeSecret as _;
        EncodingKey::from_ec_der(stranger.private_key.as_ref().unwrap().expose_secret())
    };
    let jwks = app.running.api.jwks().await.unwrap();
    let other_payload = sign(Algorithm::HS256, &EncodingKey::from_secret(b"x"));
    let other_payload = other_payload.split('.').nth(1).unwrap();
    for forged in [
        sign(Algorithm::ES256, &strange_key),
        sign(Algorithm::HS256, &EncodingKey::from_secret(jwks.as_bytes())),
        format!("{header}.{other_payload}.{signature}"),
        format!("{header}.{payload}."),
        // {"alg":"none","kid":…} is no algorithm that exists here.
        format!("eyJhbGciOiJub25lIn0.{payload}."),
        format!("{header}.{payload}.{signature}x"),
        "x".to_owned(),
        "jgt_0000".to_owned(),
    ] {
        app.get("/v1/accounts/me", &forged).await.expect(401);
    }
    app.get("/v1/accounts/me", &token).await.expect(200);
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_hold() {
    let app = App::start().await;
    let admin = app.admin().await;
    let admin_id = app.get("/v1/accounts/me", &admin).await.text("id");
    let customer = app.register("mina@example.com").await;
    let clerk = app.program(&admin, json!(["accounts:write"])).await;

    let key = |permissions: Value| json!({"name": "more", "permissions": permissions});
    let refused = app.post("/v1/api-keys", Some(&clerk), key(json!(["accounts:write", "refunds:write"]))).await;
    assert_eq!(refused.problem(403, "permissions_exceeded").body["permissions"], json!(["refunds:write"]));
    app.post("/v1/api-keys", Some(&clerk), key(json!(["accounts:write"]))).await.expect(201);
    for role in ["staff", "admin"] {
        let refused = app.patch(&format!("/v1/accounts/{customer}"), &clerk, json!({"role": role})).await;
        refused.problem(403, "permissions_exceeded");
    }
    for change in [json!({"role": "customer"}), json!({"disabled": true})] {
        let refused = app.patch(&format!("/v1/accounts/{admin_id}"), &clerk, change).await;
        refused.problem(403, "permissions_exceeded");
    }
    app.patch(&format!("/v1/accounts/{customer}"), &clerk, json!({"disabled": true})).await.expect(200);
    // It may not read the trail, and it is nobody's account.
    app.get("/v1/audit-events", &clerk).await.expect(403);
    app.get("/v1/accounts/me", &clerk).await.problem(403, "not_a_person");
}

#[tokio::test]
async fn roles_open_routes_and_the_last_admin_stays() {
    let app = App::start().await;
    let admin = app.admin().await;
    let admin_id = app.get("/v1/accounts/me", &admin).await.text("id");
    let member = app.member("mina@example.com").await;
    let member_id = app.get("/v1/accounts/me", &member.text("access_token")).await.text("id");
    let path = |id: &str| format!("/v1/accounts/{id}");
    for change in [json!({"role": "staff"}), json!({"disabled": true})] {
        app.patch(&path(&admin_id), &admin, change).await.problem(409, "last_admin");
    }
    let promoted = app.patch(&path(&member_id), &admin, json!({"role": "admin"})).await.expect(200);
    assert_eq!((promoted.text("role").as_str(), promoted.header("etag")), ("admin", "\"2\""));
    // The old token holds what it held; the next one holds more.
    app.get("/v1/accounts", &member.text("access_token")).await.expect(403);
    let next = app.refresh(&member.text("refresh_token")).await.expect(200);
    app.get("/v1/accounts", &next.text("access_token")).await.expect(200);
    app.patch(&path(&admin_id), &next.text("access_token"), json!({"role": "customer"})).await.expect(200);
    app.get(&path("acc_00000000000000000000000000000001"), &admin).await.expect(404);
    app.get(&path("ord_00000000000000000000000000000001"), &admin).await.expect(400);
}

#[tokio::test]
async fn a_disabled_account_is_out() {
    let app = App::start().await;
    let admin = app.admin().await;
    let member = app.member("mina@example.com").await;
    let token = member.text("access_token");
    let id = app.get("/v1/accounts/me", &token).await.text("id");
    let path = format!("/v1/accounts/{id}");
    app.patch(&path, &admin, json!({"disabled": true})).await.expect(200);
    app.refresh(&member.text("refresh_token")).await.problem(401, "invalid_refresh_token");
    app.sign_in("mina@example.com", PASSWORD).await.problem(403, "account_disabled");
    app.sign_in("mina@example.com", "not the password").await.problem(401, "wrong_credentials");
    app.patch("/v1/accounts/me", &token, json!({"name": "Eve"})).await.problem(403, "account_disabled");
    app.patch(&path, &admin, json!({"disabled": false})).await.expect(200);
    app.sign_in("mina@example.com", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn accounts_are_listed_by_role_and_address() {
    let app = App::start().await;
    let admin = app.admin().await;
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        app.wait(1);
        app.register(email).await;
    }
    let emails = async |query: &str| {
        let page = app.get(&format!("/v1/accounts?{query}"), &admin).await.expect(200).body;
        let items = page["items"].as_array().unwrap().iter();
        let emails: Vec<_> = items.map(|item| item["email"].as_str().unwrap().to_owned()).collect();
        (emails, page["next_cursor"].as_str().map(str::to_owned))
    };
    let (first, cursor) = emails("role=customer&limit=2").await;
    assert_eq!(first, ["c@example.com", "b@example.com"]);
    let (rest, cursor) = emails(&format!("role=customer&limit=2&cursor={}", cursor.unwrap())).await;
    assert_eq!((rest, cursor), (vec!["a@example.com".to_owned()], None));
    assert_eq!(emails("email=B@EXAMPLE.COM").await.0, ["b@example.com"]);
    assert_eq!(emails("role=admin").await.0, ["admin@example.com"]);
    for bad in ["role=king", "email=x", "cursor=acc_1", "page=2"] {
        app.get(&format!("/v1/accounts?{bad}"), &admin).await.expect(400);
    }
}
