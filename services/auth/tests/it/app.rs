//! The service under test and a client for it.

use std::{sync::Arc, time::Duration};

use auth_service::{Config, Deps, Running, build, ensure_admin};
use axum::body::Body;
use chassis::{Env, bus::Bus, env::ManualClock, sqlite::Location};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct App {
    pub(crate) env: Env,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) running: Running,
}

/// An answer, read completely.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// Insists on the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// Insists on a problem of this kind.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, kind: &str) -> Self {
        let this = self.expect(status);
        assert_eq!(this.body["type"], format!("urn:jangteo:problem:{kind}"));
        this
    }

    pub(crate) fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_else(|| panic!("{member} in {}", self.body)).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (env, clock) = Env::simulated(7);
        let bus: Arc<dyn Bus> = chassis::bus::EmbeddedBus::open(&env, &Location::Memory).unwrap();
        let queue = chassis::queue::EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        let deps = Deps { env: env.clone(), location: Location::Memory, bus: Arc::clone(&bus), queue };
        let running = build(config, deps).await.unwrap();
        Self { env, clock, bus, running }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method.clone()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let response = self.running.service.router.clone().oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        self.insist_documented(&method, path, parts.status, &parts.headers);
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Every answer of every test must be one that the document announces.
    fn insist_documented(&self, method: &Method, path: &str, status: StatusCode, headers: &HeaderMap) {
        let document = serde_json::to_value(&self.running.service.openapi).unwrap();
        let wanted: Vec<_> = path.split('?').next().unwrap().split('/').collect();
        let matches = |template: &str| {
            let segments: Vec<_> = template.split('/').collect();
            let fits = |(segment, wanted): (&&str, &&str)| segment == wanted || segment.starts_with('{');
            segments.len() == wanted.len() && segments.iter().zip(&wanted).all(fits)
        };
        let mut paths: Vec<_> = document["paths"].as_object().unwrap().iter().collect();
        // `/v1/accounts/me` before `/v1/accounts/{id}`.
        paths.sort_by_key(|(template, _)| template.contains('{'));
        let (template, item) = paths.into_iter().find(|(template, _)| matches(template)).expect("a documented path");
        let answer = &item[method.as_str().to_ascii_lowercase()]["responses"][status.as_str()];
        assert!(answer.is_object(), "{method} {template} answered {status}, which is not documented");
        if let Some(media_type) = headers.get("content-type") {
            let media_type = media_type.to_str().unwrap();
            assert!(answer["content"][media_type].is_object(), "{method} {template} {status}: {media_type}");
        }
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, Some(token), None).await
    }

    pub(crate) async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(token), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, Some(token), None).await
    }

    async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.send(method, path, &headers, body).await
    }

    /// Registers; answers the account's id.
    pub(crate) async fn register(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD, "name": "Mina Kim", "locale": "ko"});
        self.post("/v1/accounts", None, body).await.expect(201).text("id")
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("/v1/sessions", None, json!({"email": email, "password": password})).await
    }

    /// Registers and signs in; answers the tokens.
    pub(crate) async fn member(&self, email: &str) -> Answer {
        self.register(email).await;
        self.sign_in(email, PASSWORD).await.expect(201)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/v1/sessions/refresh", None, json!({"refresh_token": token})).await
    }

    /// Makes the first administrator and signs in; answers the access token.
    pub(crate) async fn admin(&self) -> String {
        let password = ensure_admin(&self.running.auth, "admin@example.com").await.unwrap().unwrap();
        self.sign_in("admin@example.com", password.expose_secret()).await.expect(201).text("access_token")
    }

    /// A token with exactly these permissions.
    pub(crate) async fn program(&self, admin: &str, permissions: Value) -> String {
        let body = json!({"name": "program", "permissions": permissions});
        let secret = self.post("/v1/api-keys", Some(admin), body).await.expect(201).text("secret");
        self.running.api.exchange_api_key(&secret).await.unwrap().access_token
    }

    /// Waits for the next events that were published, at least `count`; answers type and data.
    pub(crate) async fn events(&self, count: usize) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        let mut offset = 0;
        while events.len() < count {
            let fetched = self.bus.fetch("auth.events", offset, 100);
            let fetched = tokio::time::timeout(Duration::from_secs(20), fetched).await;
            for delivery in fetched.expect("events come").unwrap() {
                offset = delivery.offset;
                let envelope: Value = serde_json::from_slice(&delivery.record.payload).unwrap();
                events.push((envelope["type"].as_str().unwrap().to_owned(), envelope["data"].clone()));
            }
        }
        events
    }

    /// The whole audit trail, oldest first: type, actor, target, details.
    pub(crate) async fn trail(&self, admin: &str) -> Vec<Value> {
        let mut items = self.get("/v1/audit-events?limit=100", admin).await.expect(200).body["items"].clone();
        let items = items.as_array_mut().unwrap();
        items.reverse();
        items.clone()
    }
}
