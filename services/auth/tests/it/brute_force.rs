//! Guessing passwords does not get far.

use auth_service::Config;
use serde_json::json;

use crate::app::{App, PASSWORD};

#[tokio::test]
async fn five_failures_lock_the_address_for_longer_each_time() {
    let app = App::start().await;
    app.register("mina@example.com").await;
    for _ in 0..5 {
        app.sign_in("mina@example.com", "not the password").await.problem(401, "wrong_credentials");
    }
    // The right password is not looked at either.
    let locked = app.sign_in("mina@example.com", PASSWORD).await.problem(429, "locked_out");
    assert_eq!(locked.header("retry-after"), "30");
    app.wait(29);
    app.sign_in("MINA@example.com", PASSWORD).await.problem(429, "locked_out");
    app.wait(1);
    app.sign_in("mina@example.com", "not the password").await.problem(401, "wrong_credentials");
    let locked = app.sign_in("mina@example.com", PASSWORD).await.problem(429, "locked_out");
    assert_eq!(locked.header("retry-after"), "60");
    app.wait(60);
    app.sign_in("mina@example.com", PASSWORD).await.expect(201);
    app.sign_in("mina@example.com", "not the password").await.problem(401, "wrong_credentials");
    app.sign_in("mina@example.com", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_lock_does_not_tell_whether_there_is_an_account() {
    let app = App::start().await;
    for _ in 0..5 {
        app.sign_in("nobody@example.com", "not the password").await.problem(401, "wrong_credentials");
    }
    app.sign_in("nobody@example.com", "not the password").await.problem(429, "locked_out");
    // Others are not concerned.
    app.member("mina@example.com").await;
}

#[tokio::test]
async fn guesses_in_parallel_count_too() {
    let app = App::start().await;
    app.register("mina@example.com").await;
    let guess = || app.sign_in("mina@example.com", "not the password");
    let (a, b, c, d, e, f, g, h) = tokio::join!(guess(), guess(), guess(), guess(), guess(), guess(), guess(), guess());
    let looked_at = [a, b, c, d, e, f, g, h].iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn guessing_the_present_password_counts_too() {
    let app = App::start().await;
    let token = app.member("mina@example.com").await.text("access_token");
    let guess = json!({"current": "not the password", "new": "an even better one"});
    for _ in 0..5 {
        app.post("/v1/accounts/me/password", Some(&token), guess.clone()).await.problem(403, "wrong_password");
    }
    app.post("/v1/accounts/me/password", Some(&token), guess).await.problem(429, "locked_out");
    app.sign_in("mina@example.com", PASSWORD).await.problem(429, "locked_out");
}

#[tokio::test]
async fn more_callers_than_can_wait_are_turned_away() {
    let app = App::with(Config { hashes_concurrent: 1, hashes_waiting_max: 1, ..Config::default() }).await;
    app.register("mina@example.com").await;
    let sign_in = || app.sign_in("mina@example.com", PASSWORD);
    let (a, b, c, d) = tokio::join!(sign_in(), sign_in(), sign_in(), sign_in());
    let mut statuses = [a, b, c, d].map(|answer| {
        if answer.status == 503 {
            assert_eq!(answer.header("retry-after"), "1");
        }
        answer.status.as_u16()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 503, 503]);
    // What was turned away was not counted.
    app.sign_in("mina@example.com", PASSWORD).await.expect(201);
}
