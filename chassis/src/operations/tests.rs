//! The routes over a real bus and queue: paging over both, what belongs to whom, what is hidden.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use contracts::{Caller, Permission};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;

use super::{
    Operations,
    dead_letters::Owner,
    rebuild::{Progress, Rebuild},
};
use crate::{
    Env, StoreError,
    bus::{Bus, EmbeddedBus, Record},
    queue::{EmbeddedQueue, Job, Queue, WorkError, Worker, WorkerConfig},
    service::Service,
    sqlite::Location,
    testing::TestAuth,
};

/// Counts to ten, one step per permit.
struct Steps(Semaphore);

#[async_trait]
impl Rebuild for Steps {
    fn name(&self) -> &'static str {
        "steps"
    }

    async fn run(&self, progress: Arc<Progress>) -> Result<(), StoreError> {
        progress.expect(10);
        for _ in 0..10 {
            self.0.acquire().await.map_err(|_| StoreError::Full)?.forget();
            progress.advance(1);
        }
        Ok(())
    }
}

struct Hopeless;

#[async_trait]
impl Worker for Hopeless {
    async fn work(&self, _: &Job, _: u32) -> Result<(), WorkError> {
        Err(WorkError::Dead("no such address".to_owned()))
    }
}

struct Shop {
    env: Env,
    bus: Arc<EmbeddedBus>,
    queue: Arc<EmbeddedQueue>,
    steps: Arc<Steps>,
    service: Service,
    operator: String,
    nobody: String,
}

impl Shop {
    fn open() -> Self {
        let env = Env::system();
        let auth = TestAuth::new(&env);
        let bus = EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let queue = EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        let steps = Arc::new(Steps(Semaphore::new(0)));
        let operations = Operations {
            env: env.clone(),
            service: "till",
            bus: bus.clone(),
            queue: queue.clone(),
            owner: Owner { groups: &["till"], queues: &["till.calls"] },
            topic: Some("till.events"),
            rebuild: Some(steps.clone()),
        };
        let router = OpenApiRouter::new().merge(operations.router());
        let service = Service::assemble(&env, "till", router, auth.verifier()).unwrap();
        let token = |permissions: &[Permission]| {
            auth.token_for(&Caller::ApiKey { id: env.new_id(), permissions: permissions.to_vec() })
        };
        let (operator, nobody) = (token(&[Permission::Operate]), token(&[]));
        Self { env, bus, queue, steps, service, operator, nobody }
    }

    async fn call(&self, token: &str, method: &str, path: &str) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(format!("/v1/operations/till{path}"));
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let response = self.service.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(&self.operator, "GET", path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    fn record(&self, topic: &str, key: &str, payload: &str) -> Record {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        Record { topic: topic.to_owned(), key: key.to_owned(), id: self.env.new_id(), payload }
    }

    async fn bury(&self, group: &str, key: &str, payload: &str) {
        let record = self.record("order.events", key, payload);
        self.bus.bury(group, record, "no such till", 10, self.env.now()).await.unwrap();
    }

    /// Gives up one job each.
    async fn kill_jobs(&self, queues: &[&'static str]) {
        for queue in queues {
            self.queue.start_worker(&self.env, queue, WorkerConfig::default(), Arc::new(Hopeless));
            let payload = Bytes::from_static(b"{\"to\": \"a@example.com\", \"secret_key\": \"sk_1\"}");
            let (id, due_at) = (self.env.new_id(), self.env.now());
            let job = Job {
                queue: (*queue).to_owned(),
                key: "a@example.com".to_owned(),
                id,
                due_at,
                traceparent: None,
                payload,
            };
            self.queue.push(vec![job]).await.unwrap();
        }
        while self.queue.dead_jobs(0, 10).await.unwrap().len() < queues.len() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_service_shows_what_it_gave_up_and_nothing_else() {
    let shop = Shop::open();
    for number in 1..=3 {
        shop.bury("till", &format!("ord_{number}"), r#"{"data": {"payment_method": {"token": "tok_1", "n": 1}}}"#)
            .await;
        shop.bury("other", "ord_9", "{}").await;
    }
    shop.kill_jobs(&["till.calls", "other.calls"]).await;

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("/dead-letters?limit=2{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2 && items.iter().all(|item| item.get("payload").is_none()), "{page}");
        seen.extend(items.iter().map(|item| (item["kind"].clone(), item["source"].clone(), item["id"].clone())));
        match page.get("next_cursor") {
            Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[..3].iter().all(|(kind, source, _)| kind == "event" && source == "order.events"));
    assert_eq!((&seen[3].0, &seen[3].1), (&json!("job"), &json!("till.calls")));
    assert_eq!(shop.call(&shop.operator, "GET", "/dead-letters?cursor=nonsense").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(shop.call(&shop.operator, "GET", "/dead-letters?limit=0").await.0, StatusCode::BAD_REQUEST);

    let event = shop.get(&format!("/dead-letters/{}", seen[0].2.as_str().unwrap())).await;
    assert_eq!(event["payload"], json!({"data": {"payment_method": {"token": "(hidden)", "n": 1}}}));
    assert_eq!(
        (&event["reason"], &event["attempts"], &event["group"]),
        (&json!("no such till"), &json!(10), &json!("till"))
    );
    let job = shop.get(&format!("/dead-letters/{}", seen[3].2.as_str().unwrap())).await;
    assert_eq!(job["payload"], json!({"to": "a@example.com", "secret_key": "(hidden)"}));
    let others: Vec<_> = shop.bus.dead_letters(0, 10).await.unwrap();
    let other = others.iter().find(|letter| letter.group == "other").unwrap().id;
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/replay")] {
        let (status, _) = shop.call(&shop.operator, method, &format!("/dead-letters/{other}{path}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method}: it is another service's");
        let (status, _) = shop.call(&shop.operator, method, &format!("/dead-letters/nonsense{path}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method}");
        let (status, _) = shop.call(&shop.nobody, method, &format!("/dead-letters/1{path}")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method}");
    }
    shop.env.stop().await;
}

#[tokio::test]
async fn dead_letters_are_replayed_or_dropped_once() {
    let shop = Shop::open();
    shop.bury("till", "ord_1", "{}").await;
    shop.bury("till", "ord_2", "not json, tok_1").await;
    let shown = shop.get("/dead-letters/2").await;
    assert_eq!(shown["payload"], json!("15 bytes that are not JSON"));
    assert_eq!(shop.call(&shop.operator, "POST", "/dead-letters/1/replay").await.0, StatusCode::ACCEPTED);
    assert_eq!(shop.call(&shop.operator, "POST", "/dead-letters/1/replay").await.0, StatusCode::NOT_FOUND);
    let again = shop.bus.read(&crate::bus::retry_topic("order.events", "till"), 0, 10).await.unwrap();
    assert_eq!(again[0].record.key, "ord_1");
    assert_eq!(shop.call(&shop.operator, "DELETE", "/dead-letters/2").await.0, StatusCode::NO_CONTENT);
    assert_eq!(shop.call(&shop.operator, "DELETE", "/dead-letters/2").await.0, StatusCode::NOT_FOUND);
    assert_eq!(shop.get("/dead-letters").await["items"], json!([]));
    shop.env.stop().await;
}

#[tokio::test]
async fn a_topic_is_read_from_anywhere() {
    let shop = Shop::open();
    let told = |number: u64| {
        let kind = if number.is_multiple_of(2) { "till.opened" } else { "till.closed" };
        let payload = format!(r#"{{"type": "{kind}", "data": {{"number": {number}, "token": "tok_1"}}}}"#);
        shop.record("till.events", &format!("t{}", number % 3), &payload)
    };
    shop.bus.publish((0..6).map(told).collect()).await.unwrap();
    shop.bus
        .publish(vec![shop.record("till.events", "t0", "garbage"), shop.record("other", "t0", "{}")])
        .await
        .unwrap();

    let all = shop.get("/events").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 7);
    assert_eq!(all["items"][1]["data"], json!({"number": 1, "token": "(hidden)"}));
    assert!(all["items"][6].get("data").is_none() && all.get("next_cursor").is_none());
    let numbers = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().filter_map(|item| item["data"]["number"].as_u64()).collect()
    };
    let page = shop.get("/events?limit=2&from=3").await;
    assert_eq!((numbers(&page), page["next_cursor"].as_str()), (vec![2, 3], Some("5")));
    let next = shop.get("/events?limit=2&from=5").await;
    assert_eq!((numbers(&next), next["next_cursor"].as_str()), (vec![4, 5], Some("7")));
    assert_eq!(numbers(&shop.get("/events?type=till.opened").await), [0, 2, 4]);
    assert_eq!(numbers(&shop.get("/events?key=t1&type=till.opened").await), [4]);
    assert_eq!(shop.get("/events?from=1000").await, json!({"items": []}));
    assert_eq!(shop.call(&shop.operator, "GET", "/events?from=-1").await.0, StatusCode::BAD_REQUEST);
    shop.env.stop().await;
}

#[tokio::test]
async fn a_rebuild_runs_once_at_a_time_and_says_how_far_it_is() {
    let shop = Shop::open();
    assert_eq!(
        shop.get("/rebuild").await,
        json!({"name": "steps", "running": false, "failed": false, "done": 0, "total": 0})
    );
    let state = async |seen: &(dyn Fn(&Value) -> bool + Sync)| loop {
        let state = shop.get("/rebuild").await;
        if seen(&state) {
            return state;
        }
        tokio::task::yield_now().await;
    };
    for _ in 0..2 {
        let (status, started) = shop.call(&shop.operator, "POST", "/rebuild").await;
        assert_eq!((status, &started["running"]), (StatusCode::ACCEPTED, &json!(true)), "again does nothing");
    }
    shop.steps.0.add_permits(4);
    let midway = state(&|state| state["done"] == 4).await;
    assert_eq!((&midway["total"], &midway["running"]), (&json!(10), &json!(true)));
    shop.steps.0.add_permits(6);
    let ended = state(&|state| state["running"] == false).await;
    assert_eq!((&ended["done"], &ended["failed"]), (&json!(10), &json!(false)), "one run used all permits");
    assert!(ended["ended_at"].is_string());
    shop.steps.0.close();
    shop.call(&shop.operator, "POST", "/rebuild").await;
    assert_eq!(state(&|state| state["running"] == false).await["failed"], true);
    shop.env.stop().await;
}

#[test]
fn the_names_of_operations_are_of_the_service() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let shop = Shop::open();
    let document = serde_json::to_value(&shop.service.openapi).unwrap();
    let list = &document["paths"]["/v1/operations/till/dead-letters"]["get"];
    assert_eq!(list["operationId"], "list_dead_letters_of_till");
    assert_eq!(document["paths"].as_object().unwrap().len(), 5);
    assert!(list["responses"]["503"].is_object() && list["responses"]["403"].is_object());
}
