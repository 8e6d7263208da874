//! Tokens that are expired, forged, foreign or signed by a rotated key.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::{Caller, ErrorCode, Permission, auth::AccountId};

use super::TokenVerifier;
use crate::{
    Env, Problem,
    env::ManualClock,
    testing::{TOKEN_LASTS, TestAuth},
};

struct Scene {
    clock: Arc<ManualClock>,
    auth: Arc<TestAuth>,
    verifier: Arc<TokenVerifier>,
    caller: Caller,
}

fn scene() -> Scene {
    let (env, clock) = Env::simulated(1);
    let auth = TestAuth::new(&env);
    let verifier = auth.verifier();
    let caller = Caller::Account { id: env.new_id::<AccountId>(), permissions: vec![Permission::OrdersRead] };
    Scene { clock, auth, verifier, caller }
}

async fn refusal(scene: &Scene, token: &str) -> Problem {
    let problem = scene.verifier.verify(token).await.unwrap_err();
    assert_eq!(problem.code(), ErrorCode::Unauthenticated, "{problem:?}");
    problem
}

#[tokio::test]
async fn a_token_is_its_caller_and_the_keys_are_fetched_once() {
    let scene = scene();
    for _ in 0..3 {
        let token = scene.auth.token_for(&scene.caller);
        assert_eq!(scene.verifier.verify(&token).await.unwrap(), scene.caller);
        assert_eq!(scene.verifier.verify(&token).await.unwrap(), scene.caller);
    }
    assert_eq!(scene.auth.jwks_calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_expired_token_is_refused_even_if_it_was_verified_before() {
    let scene = scene();
    let token = scene.auth.token_for(&scene.caller);
    scene.verifier.verify(&token).await.unwrap();
    scene.clock.advance(TOKEN_LASTS + Duration::from_secs(5));
    assert!(scene.verifier.verify(&token).await.is_ok(), "within the leeway");
    scene.clock.advance(Duration::from_secs(1));
    assert!(refusal(&scene, &token).await.detail().contains("expired"));
    assert!(scene.auth.verifier().verify(&token).await.is_err(), "by a fresh verifier too");
}

#[tokio::test]
async fn forged_and_foreign_tokens_are_refused() {
    let scene = scene();
    let claims = scene.auth.claims_for(&scene.caller);
    let good = scene.auth.sign(&claims);
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);

    let mut admin = claims.clone();
    admin.scope = "accounts:write".to_owned();
    let swapped = format!("{}.{}.{}", parts[0], encode(&serde_json::to_string(&admin).unwrap()), parts[2]);
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none","typ":"JWT","kid":"test-0"}"#), parts[1]);
    let hmac = format!("{}.{}.{}", encode(r#"{"alg":"HS256","kid":"test-0"}"#), parts[1], parts[2]);
    let nameless = format!("{}.{}.{}", encode(r#"{"alg":"ES256"}"#), parts[1], parts[2]);
    let mut audience = claims.clone();
    audience.aud = "elsewhere".to_owned();
    let mut issuer = claims.clone();
    issuer.iss = "https://evil.example".to_owned();
    let mut subject = claims.clone();
    subject.sub = "ord_00000000000000000000000000000007".to_owned();
    for token in [
        swapped,
        unsigned,
        hmac,
        nameless,
        scene.auth.sign_as(&claims, "test-0", 1),
        scene.auth.sign_as(&claims, "unknown", 0),
        scene.auth.sign(&audience),
        scene.auth.sign(&issuer),
        scene.auth.sign(&subject),
        "x".repeat(5000),
        "nonsense".to_owned(),
        String::new(),
    ] {
        refusal(&scene, &token).await;
    }
    scene.verifier.verify(&good).await.unwrap();
}

#[tokio::test]
async fn a_rotated_key_is_found_and_strangers_cannot_make_us_ask_often() {
    let scene = scene();
    scene.verifier.verify(&scene.auth.token_for(&scene.caller)).await.unwrap();
    let claims = scene.auth.claims_for(&scene.caller);
    scene.clock.advance(Duration::from_secs(3));
    for n in 0..50 {
        refusal(&scene, &scene.auth.sign_as(&claims, &format!("made-up-{n}"), 0)).await;
    }
    assert_eq!(scene.auth.jwks_calls.load(Ordering::SeqCst), 2, "one for the first token, one for all strangers");
    scene.auth.rotate();
    scene.clock.advance(Duration::from_secs(3));
    let token = scene.auth.token_for(&scene.caller);
    assert_eq!(scene.verifier.verify(&token).await.unwrap(), scene.caller);
    refusal(&scene, &scene.auth.sign_as(&scene.auth.claims_for(&scene.caller), "test-0", 0)).await;
}

#[tokio::test]
async fn known_keys_go_on_working_while_auth_is_down() {
    let scene = scene();
    scene.auth.set_down(true);
    let token = scene.auth.token_for(&scene.caller);
    assert_eq!(scene.verifier.verify(&token).await.unwrap_err().code(), ErrorCode::Unavailable);
    scene.auth.set_down(false);
    scene.clock.advance(Duration::from_secs(3));
    scene.verifier.verify(&token).await.unwrap();
    scene.auth.set_down(true);
    scene.clock.advance(Duration::from_secs(3600));
    scene.verifier.verify(&scene.auth.token_for(&scene.caller)).await.unwrap();
}
