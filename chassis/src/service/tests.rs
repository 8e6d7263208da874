//! What every assembled service does around its handlers.

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Service;
use crate::{Env, http::Json, testing::TestAuth, trace};

#[utoipa::path(get, path = "/v1/things", responses((status = 200)), security(()))]
async fn list() -> String {
    trace::current_traceparent().unwrap_or_default()
}

#[utoipa::path(post, path = "/v1/things", request_body = String, responses((status = 200)), security(()))]
async fn create(Json(name): Json<String>) -> String {
    assert_ne!(name, "boom", "a bug");
    name
}

async fn send(request: Request<Body>) -> Response<Body> {
    let (env, _) = Env::simulated(1);
    let router = OpenApiRouter::new().routes(routes!(list, create));
    let service = Service::assemble(&env, "things", router, TestAuth::new(&env).verifier()).unwrap();
    service.router.oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn create_request(body: String) -> Request<Body> {
    Request::post("/v1/things").header("content-type", "application/json").body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let response = send(Request::get("/v1/nothing").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let response = send(Request::delete("/v1/things").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    assert!(text(response).await.contains("method_not_allowed"));
}

#[tokio::test]
async fn a_panic_is_a_problem_without_its_message() {
    let response = send(create_request("\"boom\"".to_owned())).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = text(response).await;
    assert!(text.contains("\"internal\"") && !text.contains("a bug"), "{text}");
}

#[tokio::test]
async fn bodies_are_bounded_and_the_document_is_served() {
    let large = format!("\"{}\"", "x".repeat(super::BODY_BYTES_MAX));
    assert_eq!(send(create_request(large)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(create_request("\"ok\"".to_owned())).await.status(), StatusCode::OK);
    let document = text(send(Request::get("/openapi.json").body(Body::empty()).unwrap()).await).await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert!(document["paths"]["/v1/things"]["post"]["responses"]["413"].is_object());
}

#[tokio::test]
async fn continues_the_callers_trace() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = Request::get("/v1/things").header("traceparent", parent).body(Body::empty()).unwrap();
    let inside = text(send(request).await).await;
    assert!(inside.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && inside != parent, "{inside}");
    let fresh = text(send(Request::get("/v1/things").body(Body::empty()).unwrap()).await).await;
    assert!(fresh.starts_with("00-"), "{fresh}");
}
