//! Keys for programs.

use contracts::auth::AuthError;
use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_revoked() {
    let app = App::start().await;
    let admin = app.admin().await;
    let body = json!({"name": " nightly import ", "permissions": ["stock:write", "accounts:write", "stock:write"]});
    let made = app.post("/v1/api-keys", Some(&admin), body).await.expect(201);
    let (id, secret) = (made.text("id"), made.text("secret"));
    assert_eq!((made.text("name").as_str(), made.header("cache-control")), ("nightly import", "no-store"));
    assert_eq!(made.body["permissions"], json!(["stock:write", "accounts:write"]));
    assert!(secret.len() == 68 && secret.starts_with(&made.text("prefix")));

    let grant = app.running.api.exchange_api_key(&secret).await.unwrap();
    let listed = app.get("/v1/api-keys", &grant.access_token).await.expect(200).body["items"][0].clone();
    assert_eq!((&listed["id"], listed.get("secret")), (&json!(id), None));
    assert!(listed["last_used_at"].is_string());

    app.delete(&format!("/v1/api-keys/{id}"), &admin).await.expect(204);
    assert_eq!(app.running.api.exchange_api_key(&secret).await.unwrap_err(), AuthError::InvalidApiKey);
    app.delete(&format!("/v1/api-keys/{id}"), &admin).await.expect(404);
    assert!(app.get("/v1/api-keys", &admin).await.body["items"][0]["revoked_at"].is_string());
}

#[tokio::test]
async fn a_key_expires_and_its_tokens_with_it() {
    let app = App::start().await;
    let admin = app.admin().await;
    let expires_at = app.env.now() + jiff::SignedDuration::from_secs(60);
    let body = json!({"name": "short", "permissions": ["orders:read"], "expires_at": expires_at});
    let secret = app.post("/v1/api-keys", Some(&admin), body).await.expect(201).text("secret");
    let grant = app.running.api.exchange_api_key(&secret).await.unwrap();
    assert_eq!(grant.expires_at, expires_at);
    app.wait(60);
    assert_eq!(app.running.api.exchange_api_key(&secret).await.unwrap_err(), AuthError::InvalidApiKey);
}

#[tokio::test]
async fn bad_keys_and_bad_wishes_are_refused() {
    let app = App::start().await;
    let admin = app.admin().await;
    for key in ["", "jgt_", &format!("jgt_{}", "0".repeat(64)), "rft_0000"] {
        assert_eq!(app.running.api.exchange_api_key(key).await.unwrap_err(), AuthError::InvalidApiKey);
    }
    for body in [
        json!({"name": "", "permissions": ["orders:read"]}),
        json!({"name": "x", "permissions": []}),
        json!({"name": "x", "permissions": ["everything"]}),
        json!({"name": "x", "permissions": ["orders:read"], "expires_at": "2001-01-01T00:00:00Z"}),
        json!({"name": "x", "permissions": ["orders:read"], "expires_at": "tomorrow"}),
    ] {
        app.post("/v1/api-keys", Some(&admin), body).await.expect(400);
    }
}
