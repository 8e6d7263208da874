//! Registering, and one's own account.

use http::Method;
use serde_json::json;

use crate::app::{App, PASSWORD};

#[tokio::test]
async fn somebody_registers_and_it_is_said() {
    let app = App::start().await;
    let body = json!({"email": " Mina@Example.com", "password": PASSWORD, "name": "김민아", "locale": "ko"});
    let answer = app.post("/v1/accounts", None, body).await.expect(201);
    let id = answer.text("id");
    assert_eq!(answer.header("location"), format!("/v1/accounts/{id}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    let expected = json!({
        "id": id, "email": "mina@example.com", "name": "김민아", "locale": "ko", "role": "customer",
        "disabled": false, "version": 1, "created_at": answer.body["created_at"], "updated_at": answer.body["created_at"],
    });
    assert_eq!(answer.body, expected);
    let said = json!({"account_id": id, "email": "mina@example.com", "name": "김민아", "locale": "ko"});
    assert_eq!(app.events(1).await, [("account.created".to_owned(), said)]);
}

#[tokio::test]
async fn every_mistake_is_named() {
    let app = App::start().await;
    let body = json!({"email": "mina", "password": PASSWORD, "name": "  "});
    let answer = app.post("/v1/accounts", None, body).await.problem(400, "invalid_request");
    let fields: Vec<_> = answer.body["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["/email", "/name"]);
    for (password, name) in [("password123", ""), ("mina.kim-2026!", "Mina"), ("short", "Mina")] {
        let body = json!({"email": "mina.kim@example.com", "password": password, "name": name});
        let answer = app.post("/v1/accounts", None, body).await.problem(400, "invalid_request");
        let errors = answer.body["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["field"] == "/password"), "{}", answer.body);
    }
    for body in [
        json!({}),
        json!([]),
        json!({"email": "a@example.com", "password": PASSWORD, "name": "A", "role": "admin"}),
        json!({"email": "a@example.com", "password": PASSWORD, "name": "A", "locale": "fr"}),
        json!({"email": "a@example.com", "password": 1_234_567_890, "name": "A"}),
    ] {
        app.post("/v1/accounts", None, body).await.expect(400);
    }
}

#[tokio::test]
async fn an_address_registers_once() {
    let app = App::start().await;
    app.register("mina@example.com").await;
    let body = json!({"email": "MINA@example.com", "password": "another good one", "name": "Eve"});
    app.post("/v1/accounts", None, body).await.problem(409, "email_taken");
    app.sign_in("mina@example.com", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn registering_can_be_repeated_with_a_key() {
    let app = App::start().await;
    let key = [("idempotency-key", "b5a9c1d2-0d5e-4a7e-9f57-2f4d3c1b0a99")];
    let register = async |email: &str, name: &str| {
        let body = json!({"email": email, "password": PASSWORD, "name": name});
        app.send(Method::POST, "/v1/accounts", &key, Some(body)).await
    };
    let first = register("mina@example.com", "Mina").await.expect(201);
    let second = register("mina@example.com", "Mina").await.expect(201);
    assert_eq!(first.body, second.body);
    assert_eq!(second.header("idempotency-replayed"), "true");
    register("mina@example.com", "Somebody").await.problem(422, "idempotency_key_reused");
    // Nobody has a token yet, so the same key of another person must not meet this one.
    let other = register("other@example.com", "Mina").await.expect(201);
    assert_ne!(first.text("id"), other.text("id"));
}

#[tokio::test]
async fn one_reads_and_changes_ones_own_account() {
    let app = App::start().await;
    let token = app.member("mina@example.com").await.text("access_token");
    let read = app.get("/v1/accounts/me", &token).await.expect(200);
    assert_eq!((read.header("etag"), read.text("email").as_str()), ("\"1\"", "mina@example.com"));
    let bearer = format!("Bearer {token}");
    let patch = async |etag: &str, body| {
        let headers = [("authorization", bearer.as_str()), ("if-match", etag)];
        app.send(Method::PATCH, "/v1/accounts/me", &headers, Some(body)).await
    };
    let changed = patch("\"1\"", json!({"name": "Kim Mina", "locale": "en"})).await.expect(200);
    assert_eq!((changed.header("etag"), changed.text("name").as_str()), ("\"2\"", "Kim Mina"));
    assert_eq!(changed.text("locale"), "en");
    let stale = patch("\"1\"", json!({"name": "Too Late"})).await.expect(412);
    assert_eq!(stale.body["current_version"], 2);
    patch("\"2\"", json!({"name": "a\nb"})).await.expect(400);
    patch("\"2\"", json!({"role": "admin"})).await.expect(400);
    patch("\"2\"", json!({"email": "eve@example.com"})).await.expect(400);
    let unconditional = app.patch("/v1/accounts/me", &token, json!({"name": "Mina"})).await.expect(200);
    assert_eq!(unconditional.header("etag"), "\"3\"");
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_says_so() {
    let app = App::start().await;
    let own = app.member("mina@example.com").await;
    let other = app.sign_in("mina@example.com", PASSWORD).await.expect(201);
    let token = own.text("access_token");
    let change = async |current: &str, new: &str| {
        app.post("/v1/accounts/me/password", Some(&token), json!({"current": current, "new": new})).await
    };
    change("not the password", "an even better one").await.problem(403, "wrong_password");
    change(PASSWORD, "password123").await.problem(400, "invalid_request");
    change(PASSWORD, "an even better one").await.expect(204);
    app.refresh(&other.text("refresh_token")).await.problem(401, "invalid_refresh_token");
    app.refresh(&own.text("refresh_token")).await.expect(200);
    app.sign_in("mina@example.com", PASSWORD).await.problem(401, "wrong_credentials");
    app.sign_in("mina@example.com", "an even better one").await.expect(201);
    let events = app.events(2).await;
    assert_eq!(events[1].0, "account.sessions_revoked");
    assert_eq!(events[1].1["reason"], "password_changed");
}
