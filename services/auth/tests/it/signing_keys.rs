//! The keys that sign access tokens.

use std::time::Duration;

use auth_service::rotate_signing_key::rotate_signing_key;
use http::Method;

use crate::app::App;

async fn kids(app: &App) -> Vec<String> {
    let answer = app.send(Method::GET, "/.well-known/jwks.json", &[], None).await.expect(200);
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    let keys = answer.body["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tokens_outlive_the_rotation_of_their_key() {
    let app = App::start().await;
    let member = app.member("mina@example.com").await;
    let before = kids(&app).await;
    app.get("/v1/accounts/me", &member.text("access_token")).await.expect(200);
    app.wait(10);
    rotate_signing_key(&app.running.auth).await.unwrap();
    let after = kids(&app).await;
    assert_eq!((before.len(), after.len(), &after[1]), (1, 2, &before[0]));
    app.get("/v1/accounts/me", &member.text("access_token")).await.expect(200);
    let next = app.refresh(&member.text("refresh_token")).await.expect(200);
    app.get("/v1/accounts/me", &next.text("access_token")).await.expect(200);
    app.wait(600);
    assert_eq!(kids(&app).await, [after[0].clone()]);
}

#[tokio::test(start_paused = true)]
async fn keys_rotate_by_themselves_after_thirty_days() {
    let app = App::start().await;
    let before = kids(&app).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(kids(&app).await, before);
    app.wait(30 * 24 * 3600);
    tokio::time::sleep(Duration::from_secs(61)).await;
    let after = kids(&app).await;
    assert_eq!((after.len(), &after[1]), (2, &before[0]));
}
