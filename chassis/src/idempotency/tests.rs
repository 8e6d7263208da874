//! What a service keeps of refusals, over its assembled routes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::State,
    response::Response,
};
use contracts::ErrorCode;
use http::{Request, StatusCode};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Begun, Idempotency, IdempotencyConfig};
use crate::{
    Env, Problem,
    env::ManualClock,
    http::Keyed,
    service::Service,
    sqlite::{Database, Location, Schema},
    testing::TestAuth,
};

const SCHEMA: Schema = Schema { name: "test", migrations: &[super::SCHEMA] };

/// A desk that answers what it is told to, and counts how often it was asked.
#[derive(Clone)]
struct Desk {
    idempotency: Idempotency,
    asked: Arc<AtomicU32>,
    open: Arc<Semaphore>,
}

#[derive(serde::Deserialize, utoipa::ToSchema)]
struct Wish {
    answer: u16,
}

#[utoipa::path(post, path = "/v1/wishes", request_body = Wish, responses((status = 201)), security(()))]
async fn wish(State(desk): State<Desk>, request: Keyed<Wish>) -> Result<Response, Problem> {
    let Keyed { body, key } = request;
    if body.answer == 400 {
        return Err(Problem::invalid(Vec::new()));
    }
    let key = key.ok_or_else(|| Problem::internal("no key"))?;
    let _held = match desk.idempotency.begin(&key).await? {
        Begun::Replay(response) => return Ok(response),
        Begun::Fresh(held) => held,
    };
    let count = desk.asked.fetch_add(1, Ordering::SeqCst) + 1;
    desk.open.acquire().await.unwrap().forget();
    let problem = |code| Problem::new(code, format!("no, for the {count}. time")).with("count", count);
    match body.answer {
        404 => Err(problem(ErrorCode::NotFound)),
        409 => Err(problem(ErrorCode::Conflict).kind("sold_out")),
        412 => Err(problem(ErrorCode::PreconditionFailed)),
        422 => Err(problem(ErrorCode::Unprocessable)),
        424 => Err(problem(ErrorCode::Unprocessable).undecided()),
        423 => Err(problem(ErrorCode::Conflict).retry_after(1)),
        429 => Err(problem(ErrorCode::RateLimited)),
        503 => Err(problem(ErrorCode::Unavailable)),
        504 => Err(problem(ErrorCode::Timeout)),
        500 => Err(Problem::internal("broken")),
        _ => panic!("a bug"),
    }
}

struct Wishes {
    env: Env,
    clock: Arc<ManualClock>,
    desk: Desk,
    service: Service,
}

impl Wishes {
    fn open(config: IdempotencyConfig) -> Self {
        let (env, clock) = Env::simulated(1);
        let database = Database::open(&Location::Memory, &SCHEMA).unwrap();
        let idempotency = Idempotency::new(&env, database, config);
        let desk = Desk { idempotency, asked: Arc::default(), open: Arc::new(Semaphore::new(100)) };
        let router = OpenApiRouter::new().routes(routes!(wish)).with_state(desk.clone());
        let service = Service::assemble(&env, "wishes", router, TestAuth::new(&env).verifier()).unwrap();
        Self { env, clock, desk, service }
    }

    fn send(&self, answer: u16, key: &str) -> impl Future<Output = (StatusCode, bool, String, Vec<u8>)> + use<> {
        let request = Request::post("/v1/wishes")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(format!("{{\"answer\": {answer}}}")))
            .unwrap();
        let router = self.service.router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status();
            let replayed = response.headers().contains_key("idempotency-replayed");
            let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
            (status, replayed, kind, to_bytes(response.into_body(), 10_000).await.unwrap().to_vec())
        }
    }

    fn asked(&self) -> u32 {
        self.desk.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn what_a_use_case_refused_is_refused_the_same_again() {
    let wishes = Wishes::open(IdempotencyConfig::default());
    for (number, answer) in [404, 409, 422].into_iter().enumerate() {
        let key = format!("refused-0123456789-{answer}");
        let first = wishes.send(answer, &key).await;
        assert_eq!((first.0.as_u16(), first.1, first.2.as_str()), (answer, false, "application/problem+json"));
        for _ in 0..2 {
            let again = wishes.send(answer, &key).await;
            assert_eq!((again.0, again.1, &again.2, &again.3), (first.0, true, &first.2, &first.3), "byte for byte");
        }
        assert_eq!(wishes.asked(), number as u32 + 1);
        let (status, _, _, body) = wishes.send(503, &key).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "another request under the key");
        assert!(String::from_utf8(body).unwrap().contains("idempotency_key_reused"));
    }
    wishes.env.stop().await;
}

#[tokio::test]
async fn what_was_not_decided_leaves_the_key_free() {
    let wishes = Wishes::open(IdempotencyConfig::default());
    for (number, answer) in [412, 423, 424, 429, 503, 504, 500, 1].into_iter().enumerate() {
        let key = format!("undecided-0123456789-{answer}");
        for _ in 0..2 {
            let (_, replayed, ..) = wishes.send(answer, &key).await;
            assert!(!replayed, "{answer}");
        }
        assert_eq!(wishes.asked(), 2 * (number as u32 + 1), "{answer}");
    }
    let key = "invalid-0123456789";
    assert_eq!(wishes.send(400, key).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(wishes.send(409, key).await.0, StatusCode::CONFLICT, "a mistake may be corrected under the same key");
    assert!(wishes.send(409, key).await.1);
    wishes.env.stop().await;
}

#[tokio::test]
async fn a_refusal_is_kept_before_the_key_is_free() {
    let wishes = Wishes::open(IdempotencyConfig::default());
    wishes.desk.open.forget_permits(100);
    let key = "in-flight-0123456789";
    let mut first = Box::pin(wishes.send(404, key));
    assert!(futures::poll!(&mut first).is_pending());
    let (status, replayed, _, body) = wishes.send(404, key).await;
    assert_eq!((status, replayed), (StatusCode::CONFLICT, false));
    assert!(String::from_utf8(body).unwrap().contains("idempotency_key_in_flight"));
    wishes.desk.open.add_permits(1);
    assert_eq!(first.await.0, StatusCode::NOT_FOUND);
    assert!(wishes.send(404, key).await.1);
    assert_eq!(wishes.asked(), 1);
    // A caller that goes away before the answer leaves the key free.
    let mut gone = Box::pin(wishes.send(409, "gone-0123456789-00"));
    assert!(futures::poll!(&mut gone).is_pending());
    drop(gone);
    wishes.desk.open.add_permits(1);
    assert!(!wishes.send(409, "gone-0123456789-00").await.1);
    wishes.env.stop().await;
}

#[tokio::test]
async fn answers_are_kept_for_as_long_as_configured() {
    let two_hours = IdempotencyConfig { kept_hours: 2.try_into().unwrap() };
    let wishes = Wishes::open(two_hours);
    let key = "window-0123456789";
    wishes.send(404, key).await;
    wishes.clock.advance(Duration::from_secs(2 * 3600 - 1));
    assert!(wishes.send(404, key).await.1);
    wishes.clock.advance(Duration::from_secs(1));
    assert!(!wishes.send(404, key).await.1, "decided anew");
    assert!(wishes.send(404, key).await.1, "and kept over the one that expired");
    wishes.env.stop().await;
}
