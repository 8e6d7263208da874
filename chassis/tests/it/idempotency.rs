//! Idempotency keys: replay, misuse, requests in flight, expiry.

use std::{sync::Arc, time::Duration};

use axum::{body::to_bytes, response::IntoResponse as _};
use chassis::{
    Env, Problem, StoreError,
    env::ManualClock,
    idempotency::{self, Answer, Begun, Idempotency, IdempotencyConfig, IdempotencyKey, Receipt},
    sqlite::{Database, Location, Schema},
};
use http::StatusCode;

const SCHEMA: Schema = Schema { name: "test", migrations: &[idempotency::SCHEMA] };

struct Till {
    env: Env,
    clock: Arc<ManualClock>,
    database: Database,
    idempotency: Idempotency,
}

impl Till {
    fn open() -> Self {
        let (env, clock) = Env::simulated(1);
        let database = Database::open(&Location::Memory, &SCHEMA).unwrap();
        let idempotency = Idempotency::new(&env, database.clone(), IdempotencyConfig::default());
        Self { env, clock, database, idempotency }
    }

    async fn keep(&self, key: &IdempotencyKey, number: u32) -> Result<(), StoreError> {
        let receipt = Receipt::new(key.clone(), |number: &u32| {
            let (location, etag) = (Some("/v1/orders/1".to_owned()), Some("\"1\"".to_owned()));
            Ok(Answer { status: 201, location, etag, body: serde_json::to_vec(number)? })
        });
        let record = receipt.record(&number, self.env.now())?;
        self.database.write(move |transaction| idempotency::keep(transaction, &record)).await
    }
}

fn key(scope: &str, request: u8) -> IdempotencyKey {
    IdempotencyKey { scope: scope.to_owned(), key: "k-1".to_owned(), request_hash: [request; 32] }
}

async fn refusal(begun: Result<Begun, Problem>) -> (StatusCode, String) {
    let Err(problem) = begun else { panic!("it was not refused") };
    let response = problem.into_response();
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_again() {
    let till = Till::open();
    let guard = till.idempotency.begin(&key("acc_1", 1)).await.unwrap();
    assert!(matches!(guard, Begun::Fresh(_)));
    till.keep(&key("acc_1", 1), 7).await.unwrap();
    drop(guard);
    for _ in 0..2 {
        let Begun::Replay(response) = till.idempotency.begin(&key("acc_1", 1)).await.unwrap() else {
            panic!("the work would be done again");
        };
        assert_eq!(response.status(), StatusCode::CREATED);
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("location"), Some("/v1/orders/1"));
        assert_eq!(header("etag"), Some("\"1\""));
        assert_eq!(header("idempotency-replayed"), Some("true"));
        assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "7");
    }
    till.env.stop().await;
}

#[tokio::test]
async fn keys_of_different_callers_never_meet() {
    let till = Till::open();
    till.keep(&key("acc_1", 1), 7).await.unwrap();
    assert!(matches!(till.idempotency.begin(&key("acc_2", 1)).await, Ok(Begun::Fresh(_))));
    till.env.stop().await;
}

#[tokio::test]
async fn a_key_serves_one_request_only() {
    let till = Till::open();
    till.keep(&key("acc_1", 1), 7).await.unwrap();
    let (status, body) = refusal(till.idempotency.begin(&key("acc_1", 2)).await).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(body.contains("idempotency_key_reused"), "{body}");
    assert!(till.keep(&key("acc_1", 1), 8).await.is_err(), "what another replica kept stays");
    till.env.stop().await;
}

#[tokio::test]
async fn a_second_request_waits_while_the_first_runs() {
    let till = Till::open();
    let running = till.idempotency.begin(&key("acc_1", 1)).await.unwrap();
    let (status, body) = refusal(till.idempotency.begin(&key("acc_1", 1)).await).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body.contains("idempotency_key_in_flight"), "{body}");
    // It failed: nothing was kept, and the key is free.
    drop(running);
    assert!(matches!(till.idempotency.begin(&key("acc_1", 1)).await, Ok(Begun::Fresh(_))));
    till.env.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_forgotten_after_its_time() {
    let till = Till::open();
    till.keep(&key("acc_1", 1), 7).await.unwrap();
    till.clock.advance(IdempotencyConfig::default().kept() - Duration::from_secs(1));
    assert!(matches!(till.idempotency.begin(&key("acc_1", 1)).await, Ok(Begun::Replay(_))));
    till.clock.advance(Duration::from_secs(2));
    assert!(matches!(till.idempotency.begin(&key("acc_1", 2)).await, Ok(Begun::Fresh(_))), "before it is swept");
    tokio::time::sleep(Duration::from_secs(700)).await;
    let kept = till.database.read(|connection| {
        Ok::<i64, StoreError>(connection.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0))?)
    });
    assert_eq!(kept.await.unwrap(), 0);
    till.env.stop().await;
}

#[tokio::test]
async fn a_key_serves_again_once_its_answer_has_expired() {
    let till = Till::open();
    till.keep(&key("acc_1", 1), 7).await.unwrap();
    till.clock.advance(IdempotencyConfig::default().kept());
    till.keep(&key("acc_1", 2), 8).await.expect("the old answer is not swept yet, and counts no more");
    assert!(matches!(till.idempotency.begin(&key("acc_1", 2)).await, Ok(Begun::Replay(_))));
    assert!(till.keep(&key("acc_1", 2), 9).await.is_err());
    till.env.stop().await;
}
