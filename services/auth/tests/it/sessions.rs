//! Signing in, refreshing, signing out.

use serde_json::json;

use crate::app::{App, PASSWORD};

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn signing_in_gives_tokens() {
    let app = App::start().await;
    let id = app.register("mina@example.com").await;
    let answer = app.sign_in("Mina@example.com", PASSWORD).await.expect(201);
    assert_eq!((answer.body["token_type"].as_str(), answer.body["expires_in"].as_i64()), (Some("Bearer"), Some(300)));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.text("refresh_token").starts_with("rft_") && answer.text("session_id").starts_with("ses_"));
    assert_eq!(app.get("/v1/accounts/me", &answer.text("access_token")).await.expect(200).text("id"), id);
    app.wait(306);
    app.get("/v1/accounts/me", &answer.text("access_token")).await.problem(401, "token_expired");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let app = App::start().await;
    app.register("mina@example.com").await;
    let wrong = app.sign_in("mina@example.com", "not the password").await.problem(401, "wrong_credentials");
    let unknown = app.sign_in("nobody@example.com", "not the password").await.problem(401, "wrong_credentials");
    assert_eq!(wrong.body, unknown.body);
    app.sign_in("not an address", "x").await.expect(400);
    app.post("/v1/sessions", None, json!({"email": "mina@example.com"})).await.expect(400);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_reuse_ends_the_session() {
    let app = App::start().await;
    let first = app.member("mina@example.com").await;
    let bystander = app.sign_in("mina@example.com", PASSWORD).await.expect(201);
    let second = app.refresh(&first.text("refresh_token")).await.expect(200);
    assert_eq!(second.text("session_id"), first.text("session_id"));
    assert_ne!(second.text("refresh_token"), first.text("refresh_token"));
    app.get("/v1/accounts/me", &second.text("access_token")).await.expect(200);
    // Strictly: also a moment later.
    app.refresh(&first.text("refresh_token")).await.problem(401, "invalid_refresh_token");
    app.refresh(&second.text("refresh_token")).await.problem(401, "invalid_refresh_token");
    app.refresh(&bystander.text("refresh_token")).await.expect(200);
    let events = app.events(2).await;
    assert_eq!(events[1].0, "account.sessions_revoked");
    assert_eq!((&events[1].1["reason"], &events[1].1["locale"]), (&json!("refresh_token_reused"), &json!("ko")));
}

#[tokio::test]
async fn made_up_refresh_tokens_are_refused() {
    let app = App::start().await;
    let real = app.member("mina@example.com").await.text("refresh_token");
    for bad in [
        "",
        "rft_",
        "rft_xyz",
        &real[..67],
        &format!("{real}0"),
        &real.to_uppercase(),
        &format!("rft_{}", "0".repeat(64)),
    ] {
        app.refresh(bad).await.problem(401, "invalid_refresh_token");
    }
    app.refresh(&real).await.expect(200);
}

#[tokio::test]
async fn a_session_ends_after_thirty_idle_days_and_ninety_in_all() {
    let app = App::start().await;
    let idle = app.member("mina@example.com").await.text("refresh_token");
    let mut busy = app.sign_in("mina@example.com", PASSWORD).await.expect(201).text("refresh_token");
    for _ in 0..3 {
        app.wait(29 * DAY);
        busy = app.refresh(&busy).await.expect(200).text("refresh_token");
    }
    app.refresh(&idle).await.problem(401, "invalid_refresh_token");
    app.wait(3 * DAY);
    app.refresh(&busy).await.problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn one_lists_and_ends_ones_own_sessions_only() {
    let app = App::start().await;
    let first = app.member("mina@example.com").await;
    app.wait(1);
    let second = app.sign_in("mina@example.com", PASSWORD).await.expect(201);
    let stranger = app.member("other@example.com").await;
    let token = second.text("access_token");
    let page = app.get("/v1/sessions?limit=1", &token).await.expect(200);
    assert_eq!(page.body["items"][0]["id"], second.text("session_id"));
    assert_eq!(page.body["items"][0]["current"], true);
    let cursor = page.text("next_cursor");
    let rest = app.get(&format!("/v1/sessions?limit=1&cursor={cursor}"), &token).await.expect(200);
    assert_eq!(rest.body["items"][0]["id"], first.text("session_id"));
    assert_eq!((&rest.body["items"][0]["current"], rest.body.get("next_cursor")), (&json!(false), None));

    let path = |answer: &crate::app::Answer| format!("/v1/sessions/{}", answer.text("session_id"));
    app.delete(&path(&stranger), &token).await.expect(404);
    app.delete("/v1/sessions/ses_1", &token).await.expect(400);
    app.delete(&path(&first), &token).await.expect(204);
    app.delete(&path(&first), &token).await.expect(404);
    app.refresh(&first.text("refresh_token")).await.problem(401, "invalid_refresh_token");
    app.refresh(&stranger.text("refresh_token")).await.expect(200);
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=x", "curser=x"] {
        app.get(&format!("/v1/sessions?{bad}"), &token).await.expect(400);
    }
}

#[tokio::test]
async fn signing_out_ends_the_current_session() {
    let app = App::start().await;
    let session = app.member("mina@example.com").await;
    let token = session.text("access_token");
    app.delete("/v1/sessions/current", &token).await.expect(204);
    app.refresh(&session.text("refresh_token")).await.problem(401, "invalid_refresh_token");
    app.delete("/v1/sessions/current", &token).await.expect(204);
}
