//! The audit trail, and the invariants that `jangteo verify` checks.

use auth_service::{ensure_admin, verify};
use http::Method;
use serde_json::json;

use crate::app::{App, PASSWORD};

#[tokio::test]
async fn the_trail_says_who_did_what() {
    let app = App::start().await;
    let admin = app.admin().await;
    let member = app.member("mina@example.com").await;
    let id = app.get("/v1/accounts/me", &member.text("access_token")).await.text("id");
    app.sign_in("mina@example.com", "not the password").await.expect(401);
    app.sign_in("nobody@example.com", "not the password").await.expect(401);
    app.patch(&format!("/v1/accounts/{id}"), &admin, json!({"role": "staff"})).await.expect(200);
    let trail = app.trail(&admin).await;
    let sequences: Vec<_> = trail.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=trail.len() as u64).collect::<Vec<_>>());
    let types: Vec<_> = trail.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "signing_key.rotated",
            "account.created",
            "session.started",
            "account.created",
            "session.started",
            "session.refused",
            "session.refused",
            "account.role_changed",
        ]
    );
    let admin_id = app.get("/v1/accounts/me", &admin).await.text("id");
    assert_eq!((&trail[4]["actor"], &trail[5]["target"]), (&json!(id), &json!(id)));
    assert_eq!((&trail[5]["details"]["reason"], trail[6].get("target")), (&json!("wrong_password"), None));
    assert_eq!((&trail[7]["actor"], &trail[7]["target"]), (&json!(admin_id), &json!(id)));
    assert_eq!(trail[7]["details"], json!({"from": "customer", "to": "staff"}));
    assert!(trail[3]["trace_id"].is_string());
}

#[tokio::test]
async fn the_trail_is_filtered_and_paged() {
    let app = App::start().await;
    let admin = app.admin().await;
    app.wait(60);
    let since = app.env.now();
    let member = app.member("mina@example.com").await;
    let id = app.get("/v1/accounts/me", &member.text("access_token")).await.text("id");
    let types = async |query: String| {
        let page = app.get(&format!("/v1/audit-events?{query}"), &admin).await.expect(200).body;
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(types(format!("actor={id}")).await, ["session.started"]);
    assert_eq!(types(format!("target={id}")).await, ["account.created"]);
    assert_eq!(types(format!("type=account.created&from={since}")).await, ["account.created"]);
    assert_eq!(types(format!("until={since}&limit=1")).await, ["session.started"]);
    assert_eq!(types("cursor=2".to_owned()).await, ["signing_key.rotated"]);
    for bad in ["type=x", "from=yesterday", "cursor=x", "limit=0", "who=me"] {
        app.get(&format!("/v1/audit-events?{bad}"), &admin).await.expect(400);
    }
}

#[tokio::test]
async fn the_trail_has_no_secret_and_no_address() {
    let app = App::start().await;
    let admin = app.admin().await;
    let member = app.member("mina@example.com").await;
    app.sign_in("eve@example.com", "hunter2 hunter2").await.expect(401);
    let next = app.refresh(&member.text("refresh_token")).await.expect(200);
    app.refresh(&member.text("refresh_token")).await.expect(401);
    let body = json!({"name": "import", "permissions": ["stock:write"]});
    let secret = app.post("/v1/api-keys", Some(&admin), body).await.expect(201).text("secret");
    let trail = serde_json::to_string(&app.trail(&admin).await).unwrap();
    for hidden in [
        PASSWORD,
        "hunter2",
        "mina@",
        "eve@",
        "Mina Kim",
        &secret,
        &next.text("refresh_token"),
        &member.text("refresh_token"),
        &member.text("access_token"),
    ] {
        assert!(!trail.contains(hidden), "{hidden} is in the audit trail");
    }
}

#[tokio::test]
async fn the_first_admin_is_made_once() {
    let app = App::start().await;
    app.admin().await;
    assert!(ensure_admin(&app.running.auth, "other@example.com").await.unwrap().is_none());
    let app = App::start().await;
    app.register("admin@example.com").await;
    // Nobody is promoted because of their address.
    assert!(ensure_admin(&app.running.auth, "admin@example.com").await.is_err());
    assert!(ensure_admin(&app.running.auth, "nonsense").await.is_err());
}

#[tokio::test]
async fn the_invariants_hold_after_a_busy_day() {
    let app = App::start().await;
    assert_eq!(verify(&*app.running.store).await.unwrap(), Vec::<String>::new());
    let admin = app.admin().await;
    let member = app.member("mina@example.com").await;
    app.refresh(&member.text("refresh_token")).await.expect(200);
    app.refresh(&member.text("refresh_token")).await.expect(401);
    auth_service::rotate_signing_key::rotate_signing_key(&app.running.auth).await.unwrap();
    app.program(&admin, json!(["stock:write"])).await;
    app.send(Method::POST, "/v1/sessions", &[], Some(json!({}))).await.expect(400);
    assert_eq!(verify(&*app.running.store).await.unwrap(), Vec::<String>::new());
}
