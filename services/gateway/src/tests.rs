//! The gateway before real in-process services: routing, limits, identity, CORS.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    routing::{any, get},
};
use chassis::{
    Env,
    env::ManualClock,
    http::Json,
    service::Service,
    testing::{TOKEN_LASTS, TestAuth},
    transport::{HttpTransport, HttpTransportConfig, RouterTransport, Transport},
};
use contracts::{Caller, Permission, auth::AuthApi};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{BuildError, Deps, Gateway, GatewayConfig, Quota, Rates, Upstream, build};

const SERVICES: [&str; 5] = ["product", "order", "payment", "auth", "notification"];

struct Scene {
    env: Env,
    clock: Arc<ManualClock>,
    auth: Arc<TestAuth>,
    gateway: Gateway,
}

/// Answers with what it was sent; hangs at `/v1/products/slow`.
fn echo(service: &'static str) -> Router {
    let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: axum::body::Bytes| async move {
        let headers: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into())).collect();
        let seen = json!({ "service": service, "method": method.as_str(), "uri": uri.to_string(),
            "headers": headers, "bytes": body.len() });
        ([("keep-alive", "timeout=5"), ("etag", "\"1\"")], Json(seen))
    };
    Router::new()
        .route("/v1/products/slow", any(std::future::pending::<()>))
        .route("/v1/products/only-get", get(|| async {}))
        .method_not_allowed_fallback(chassis::service::wrong_method)
        .fallback(handler)
}

fn in_process(service: &'static str) -> Upstream {
    Upstream { service, transport: Arc::new(RouterTransport(echo(service))) }
}

fn scene_with(config: GatewayConfig, replace: Vec<Upstream>) -> Scene {
    let (env, clock) = Env::simulated(1);
    let auth = TestAuth::new(&env);
    let upstreams = replace.into_iter().chain(SERVICES.map(in_process)).collect();
    let api: Arc<dyn AuthApi> = Arc::clone(&auth) as _;
    let deps = Deps { env: env.clone(), auth: api, verifier: auth.verifier(), upstreams };
    Scene { gateway: build(config, deps).unwrap(), env, clock, auth }
}

fn scene() -> Scene {
    scene_with(GatewayConfig::default(), Vec::new())
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Scene {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.gateway.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request("GET", path, headers, Body::empty())).await
    }

    fn customer(&self) -> String {
        format!("Bearer {}", self.auth.account_token(self.env.new_id(), &[]))
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "shop.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(body).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 1, 2, 3], 4000))));
    request
}

#[tokio::test]
async fn every_prefix_reaches_its_service_and_nothing_else_is_there() {
    let scene = scene();
    for (path, service) in [
        ("/v1/products?q=x", "product"),
        ("/v1/product-imports", "product"),
        ("/v1/carts/1/lines", "order"),
        ("/v1/payment-providers/sandbox/webhooks", "payment"),
        ("/v1/sessions", "auth"),
        ("/.well-known/jwks.json", "auth"),
        ("/v1/messages", "notification"),
    ] {
        let answer = scene.get(path, &[]).await;
        assert_eq!((answer.status, answer.body["service"].as_str()), (200, Some(service)), "{path}");
        assert_eq!(answer.body["uri"], path);
    }
    for path in ["/v1", "/v1/productsx", "/livez", "/metrics", "/dev/mailbox", "/v1//products", "*"] {
        let answer = scene.get(path, &[]).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (404, Some("not_found")), "{path}");
    }
    let dev = scene_with(GatewayConfig { dev_mailbox: true, ..GatewayConfig::default() }, Vec::new());
    assert_eq!(dev.get("/dev/mailbox", &[]).await.status, 200);
}

#[tokio::test]
async fn a_wrong_method_keeps_its_allow_header() {
    let scene = scene();
    let answer = scene.send(request("DELETE", "/v1/products/only-get", &[], Body::empty())).await;
    assert_eq!((answer.status, answer.headers["allow"].to_str().unwrap()), (405, "GET,HEAD"));
    let answer = scene.send(request("POST", "/", &[], Body::empty())).await;
    assert_eq!((answer.status, answer.headers["allow"].to_str().unwrap()), (405, "GET,HEAD"));
}

#[tokio::test]
async fn what_clients_claim_about_themselves_is_not_passed_on() {
    let scene = scene();
    let answer = scene
        .get(
            "/v1/products",
            &[
                ("x-forwarded-for", "6.6.6.6"),
                ("x-forwarded-proto", "https"),
                ("x-real-ip", "6.6.6.6"),
                ("forwarded", "for=6.6.6.6"),
                ("connection", "x-private, authorization"),
                ("x-private", "1"),
                ("upgrade", "websocket"),
                ("te", "trailers"),
                ("accept-language", "ko"),
            ],
        )
        .await;
    let seen = &answer.body["headers"];
    assert_eq!(seen["x-forwarded-for"], "10.1.2.3");
    assert_eq!(seen["x-forwarded-proto"], "http");
    assert_eq!(seen["x-forwarded-host"], "shop.example");
    assert_eq!(seen["accept-language"], "ko");
    for gone in ["x-real-ip", "forwarded", "connection", "x-private", "upgrade", "te"] {
        assert!(seen[gone].is_null(), "{gone}");
    }
    assert!(!answer.headers.contains_key("keep-alive"));
    assert_eq!(answer.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn answers_are_safe_for_browsers_and_traceable() {
    let scene = scene();
    let answer = scene.get("/v1/products", &[("x-request-id", "mine-1")]).await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    assert!(!answer.headers.contains_key("strict-transport-security"));
    let answer = scene.get("/nothing", &[("x-request-id", "has space")]).await;
    assert_eq!(answer.headers["x-request-id"].len(), 32, "a fresh one, on problems too");
    let https = scene_with(GatewayConfig { https: true, ..GatewayConfig::default() }, Vec::new());
    let answer = https.get("/v1/products", &[]).await;
    assert!(answer.headers.contains_key("strict-transport-security"));
    assert_eq!(answer.body["headers"]["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn bad_tokens_stop_at_the_edge_and_good_ones_pass() {
    let scene = scene();
    let token = scene.customer();
    let answer = scene.get("/v1/orders", &[("authorization", &token)]).await;
    assert_eq!((answer.status, answer.body["headers"]["authorization"].as_str()), (200, Some(token.as_str())));
    for bad in
        ["Bearer x.y.z", "Basic eDp5", "Bearer", "Bearer jgt_unknown", &format!("Bearer jgt_{}", "x".repeat(999))]
    {
        let answer = scene.get("/v1/products", &[("authorization", bad)]).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (401, Some("unauthenticated")), "{bad}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    scene.clock.advance(TOKEN_LASTS + Duration::from_secs(6));
    assert_eq!(
        scene.get("/v1/orders", &[("authorization", &token)]).await.body["type"],
        "urn:jangteo:problem:token_expired"
    );
}

#[tokio::test]
async fn an_api_key_becomes_a_token_once_while_it_lasts() {
    let scene = scene();
    let program = Caller::ApiKey { id: scene.env.new_id(), permissions: vec![Permission::CatalogWrite] };
    let key = format!("Bearer {}", scene.auth.add_api_key(program.clone()));
    for _ in 0..3 {
        let answer = scene.get("/v1/products", &[("authorization", &key)]).await;
        let passed = answer.body["headers"]["authorization"].as_str().unwrap().to_owned();
        let token = passed.strip_prefix("Bearer ").unwrap();
        assert_eq!(scene.auth.verifier().verify(token).await.unwrap(), program);
    }
    assert_eq!(scene.auth.exchange_calls.load(Ordering::SeqCst), 1);
    scene.clock.advance(TOKEN_LASTS - Duration::from_secs(30));
    assert_eq!(scene.get("/v1/products", &[("authorization", &key)]).await.status, 200);
    assert_eq!(scene.auth.exchange_calls.load(Ordering::SeqCst), 2, "renewed before it expires");
    scene.auth.set_down(true);
    scene.clock.advance(TOKEN_LASTS);
    let answer = scene.get("/v1/products", &[("authorization", &key)]).await;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (503, "1"));
}

#[tokio::test]
async fn clients_are_limited_each_for_themselves_by_class() {
    let rate = Rates { read: Quota::new(60, 2), write: Quota::new(60, 1), login: Quota::new(1, 1), ..Rates::default() };
    let scene = scene_with(GatewayConfig { rate, ..GatewayConfig::default() }, Vec::new());
    let first = scene.get("/v1/products", &[]).await;
    assert_eq!(
        (&first.headers["ratelimit-limit"], &first.headers["ratelimit-remaining"]),
        (&"2".parse().unwrap(), &"1".parse().unwrap())
    );
    assert_eq!(scene.get("/v1/orders", &[]).await.status, 200, "all reads count together");
    let refused = scene.get("/v1/products", &[]).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (429, Some("rate_limited")));
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.headers["ratelimit-remaining"], "0");
    let token = scene.customer();
    assert_eq!(scene.get("/v1/products", &[("authorization", &token)]).await.status, 200, "an account of its own");
    let login = || request("POST", "/v1/sessions", &[], Body::from("{}"));
    assert_eq!(scene.send(login()).await.status, 200);
    let refused = scene.send(login()).await;
    assert_eq!((refused.status, &refused.headers["retry-after"]), (429, &"60".parse().unwrap()));
    assert_eq!(scene.send(request("POST", "/v1/carts", &[], Body::empty())).await.status, 200);
    assert_eq!(scene.send(request("POST", "/v1/carts", &[], Body::empty())).await.status, 429);
    let notice = || request("POST", "/v1/payment-providers/sandbox/webhooks", &[], Body::from("{}"));
    assert_eq!(scene.send(notice()).await.status, 200, "a provider is not a customer");
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.get("/v1/products", &[]).await.status, 200);
    let guess = [("authorization", "Bearer x.y.z")];
    scene.clock.advance(Duration::from_secs(60));
    let statuses = [
        scene.get("/v1/orders", &guess).await.status,
        scene.get("/v1/orders", &guess).await.status,
        scene.get("/v1/orders", &guess).await.status,
    ];
    assert_eq!(statuses, [401, 401, 429], "guessing counts");
}

#[tokio::test]
async fn whoever_guesses_at_keys_soon_asks_auth_no_more() {
    let rate = Rates { read: Quota::new(60, 2), ..Rates::default() };
    let scene = scene_with(GatewayConfig { rate, ..GatewayConfig::default() }, Vec::new());
    let program = Caller::ApiKey { id: scene.env.new_id(), permissions: Vec::new() };
    let key = format!("Bearer {}", scene.auth.add_api_key(program));
    assert_eq!(scene.get("/v1/products", &[("authorization", &key)]).await.status, 200);
    let mut statuses = Vec::new();
    for guess in 0..5 {
        let guess = format!("Bearer jgt_{guess:064}");
        statuses.push(scene.get("/v1/products", &[("authorization", &guess)]).await.status);
    }
    assert_eq!(statuses, [401, 401, 429, 429, 429]);
    assert_eq!(scene.auth.exchange_calls.load(Ordering::SeqCst), 3, "of the guesses two");
    assert_eq!(scene.get("/v1/products", &[("authorization", &key)]).await.status, 200, "a known key goes on");
}

#[tokio::test]
async fn bodies_are_bounded_by_the_route_whether_they_say_so_or_not() {
    let scene = scene();
    let mib = || vec![b'x'; 1024 * 1024];
    let said = mib().len().to_string();
    let post = |path: &str, headers: &[(&str, &str)], body: Body| request("POST", path, headers, body);
    let answer = scene.send(post("/v1/orders", &[("content-length", &said)], Body::from(mib()))).await;
    assert_eq!((answer.status, answer.body["code"].as_str()), (413, Some("payload_too_large")));
    let chunks = futures::stream::iter((0..32).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 32 * 1024])));
    let answer = scene.send(post("/v1/orders", &[], Body::from_stream(chunks))).await;
    assert_eq!(answer.status, 413);
    let answer = scene.send(post("/v1/product-imports", &[("content-length", &said)], Body::from(mib()))).await;
    assert_eq!((answer.status, answer.body["bytes"].as_u64()), (200, Some(1024 * 1024)), "imports may be large");
    let answer = scene.send(post("/v1/orders", &[], Body::from(vec![b'x'; 256 * 1024]))).await;
    assert_eq!((answer.status, answer.body["bytes"].as_u64()), (200, Some(256 * 1024)));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_is_given_up() {
    let answer = scene().get("/v1/products/slow", &[]).await;
    assert_eq!((answer.status, answer.body["code"].as_str()), (504, Some("timeout")));
}

#[tokio::test]
async fn a_service_that_is_down_is_unavailable_and_one_behind_http_answers_the_same() {
    let env = Env::system();
    let listener = chassis::server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = chassis::server::ServerConfig::default();
    env.spawn("server", chassis::server::serve(listener, echo("order"), server, env.clone()));
    let config = HttpTransportConfig { base: format!("http://{address}"), connect_timeout: Duration::from_secs(2) };
    let remote: Arc<dyn Transport> = Arc::new(HttpTransport::new(&config).unwrap());
    let scene = scene_with(GatewayConfig::default(), vec![Upstream { service: "order", transport: remote }]);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = scene.get("/v1/orders?limit=1", &[("traceparent", parent)]).await;
    assert_eq!((answer.status, answer.body["uri"].as_str()), (200, Some("/v1/orders?limit=1")));
    let passed = answer.body["headers"]["traceparent"].as_str().unwrap();
    assert!(passed.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && passed != parent, "{passed}");
    let chunks = futures::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 32 * 1024])));
    let answer = scene.send(request("POST", "/v1/orders", &[], Body::from_stream(chunks))).await;
    assert_eq!(answer.status, 413);
    env.stop().await;
    for method in ["GET", "POST"] {
        let answer = scene.send(request(method, "/v1/orders", &[], Body::empty())).await;
        assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()), "{method}");
        assert!(!answer.body.to_string().contains("127.0.0.1"), "no internals: {}", answer.body);
    }
}

#[tokio::test]
async fn browsers_may_call_from_listed_origins_only() {
    let preflight = |origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        request("OPTIONS", "/v1/carts", &headers, Body::empty())
    };
    let any = scene().send(preflight("https://anywhere.example")).await;
    assert_eq!((any.status, &any.headers["access-control-allow-origin"]), (204, &"*".parse().unwrap()));
    assert!(any.headers["access-control-allow-headers"].to_str().unwrap().contains("idempotency-key"));
    assert!(!any.headers.contains_key("access-control-allow-credentials"));
    let config = GatewayConfig { cors_origins: vec!["https://shop.example".to_owned()], ..GatewayConfig::default() };
    let listed = scene_with(config, Vec::new());
    let answer = listed.send(preflight("https://shop.example")).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
    let answer = listed.send(preflight("https://evil.example")).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let answer = listed.get("/v1/products", &[("origin", "https://shop.example")]).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
    assert!(answer.headers["access-control-expose-headers"].to_str().unwrap().contains("etag"));
    assert_eq!(answer.headers["vary"], "origin");
}

#[utoipa::path(get, path = "/v1/products", responses((status = 200)), security(()))]
async fn list_products() {}

#[tokio::test]
async fn own_pages_and_the_merged_document() {
    let (env, _) = Env::simulated(2);
    let verifier = TestAuth::new(&env).verifier();
    let services = SERVICES.map(|name| {
        let router = OpenApiRouter::new();
        let router = if name == "product" { router.routes(routes!(list_products)) } else { router };
        let service = Service::assemble(&env, name, router, Arc::clone(&verifier)).unwrap();
        Upstream { service: name, transport: Arc::new(RouterTransport(service.router)) }
    });
    let scene = scene_with(GatewayConfig::default(), services.into());
    let index = scene.get("/", &[]).await;
    assert_eq!((index.status, index.body["openapi"].as_str()), (200, Some("/openapi.json")));
    let document = scene.get("/openapi.json", &[]).await;
    assert_eq!(document.status, 200);
    assert!(document.body["paths"]["/v1/products"]["get"]["responses"]["429"].is_object());
    assert!(document.body["components"]["securitySchemes"]["bearer"].is_object());
    assert_eq!(scene.get("/docs", &[]).await.headers["location"], "/docs/");
    let docs = scene.get("/docs/", &[]).await;
    assert!(docs.status == 200 && docs.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(docs.headers["content-security-policy"].to_str().unwrap().contains("'self'"));
    assert_eq!(scene.get("/docs/swagger-ui-bundle.js", &[]).await.status, 200);
}

#[tokio::test]
async fn a_gateway_that_cannot_work_is_not_built() {
    let (env, _) = Env::simulated(1);
    let auth = TestAuth::new(&env);
    let deps = |upstreams: Vec<Upstream>| Deps {
        env: env.clone(),
        auth: Arc::clone(&auth) as Arc<dyn AuthApi>,
        verifier: auth.verifier(),
        upstreams,
    };
    let missing = build(GatewayConfig::default(), deps(vec![in_process("product")])).err().unwrap();
    assert!(matches!(missing, BuildError::NoUpstream { service: "order", .. }), "{missing}");
    for origin in ["shop.example", "https://shop.example/", "https://*.example", "https://"] {
        let config = GatewayConfig { cors_origins: vec![origin.to_owned()], ..GatewayConfig::default() };
        let error = build(config, deps(SERVICES.map(in_process).into())).err().unwrap();
        assert!(matches!(error, BuildError::Origin { .. }), "{origin}");
    }
}
