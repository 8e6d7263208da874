//! Access control is what the document declares, nothing more and nothing less.

use axum::body::Body;
use contracts::{Caller, Permission};
use http::{Method, Request, StatusCode};
use tower::ServiceExt as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AccessError, Way, operations, protect};
use crate::{Env, http::CurrentCaller, testing::TestAuth};

#[utoipa::path(get, path = "/open", responses((status = 200)), security(()))]
async fn open(caller: CurrentCaller) -> String {
    caller.0.actor()
}
#[utoipa::path(get, path = "/understood", responses((status = 200)), security((), ("bearer" = [])))]
async fn understood(caller: CurrentCaller) -> String {
    caller.0.actor()
}
#[utoipa::path(get, path = "/guest/{id}", responses((status = 200)), security(("guest" = []), ("bearer" = [])))]
async fn guest(caller: CurrentCaller) -> String {
    caller.0.actor()
}
#[utoipa::path(get, path = "/signed-in", responses((status = 200)), security(("bearer" = [])))]
async fn signed_in(caller: CurrentCaller) -> String {
    caller.0.actor()
}
#[utoipa::path(post, path = "/staff", responses((status = 200)), security(("bearer" = ["catalog:write"])))]
async fn staff(caller: CurrentCaller) -> String {
    caller.0.actor()
}
#[utoipa::path(get, path = "/forgotten", responses((status = 200)))]
async fn forgotten() {}
#[utoipa::path(get, path = "/misspelt", responses((status = 200)), security(("bearer" = ["catalogue:write"])))]
async fn misspelt() {}

fn router() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(open))
        .routes(routes!(understood))
        .routes(routes!(guest))
        .routes(routes!(signed_in))
        .routes(routes!(staff))
}

/// Every operation with every kind of caller: the whole matrix.
#[tokio::test]
async fn what_is_declared_is_what_is_enforced() {
    let (env, _) = Env::simulated(1);
    let auth = TestAuth::new(&env);
    let (router, _) = protect(router(), auth.verifier()).unwrap();
    let customer = auth.account_token(env.new_id(), &[]);
    let staff = auth.account_token(env.new_id(), &[Permission::CatalogWrite]);
    let key = auth.token_for(&Caller::ApiKey { id: env.new_id(), permissions: vec![Permission::CatalogWrite] });
    let none: &[(&str, &str)] = &[];
    let (customer, staff, key) = (format!("Bearer {customer}"), format!("bearer {staff}"), format!("Bearer {key}"));
    let customer: &[(&str, &str)] = &[("authorization", &customer)];
    let staff: &[(&str, &str)] = &[("authorization", &staff)];
    let key: &[(&str, &str)] = &[("authorization", &key)];
    let guest: &[(&str, &str)] = &[("guest-token", "gst_1")];
    let forged: &[(&str, &str)] = &[("authorization", "Bearer forged"), ("guest-token", "gst_1")];
    let basic: &[(&str, &str)] = &[("authorization", "Basic eDp5")];
    let columns = [none, guest, customer, staff, key, forged, basic];
    let matrix = [
        ("GET", "/open", [200, 200, 200, 200, 200, 401, 401]),
        ("HEAD", "/open", [200, 200, 200, 200, 200, 401, 401]),
        ("GET", "/understood", [200, 200, 200, 200, 200, 401, 401]),
        ("GET", "/guest/1", [401, 200, 200, 200, 200, 401, 401]),
        ("GET", "/signed-in", [401, 401, 200, 200, 200, 401, 401]),
        ("HEAD", "/signed-in", [401, 401, 200, 200, 200, 401, 401]),
        ("POST", "/staff", [401, 401, 403, 200, 200, 401, 401]),
    ];
    for (method, path, wanted) in matrix {
        for (headers, wanted) in columns.iter().zip(wanted) {
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status().as_u16(), wanted, "{method} {path} {headers:?}");
            assert_eq!(response.headers().contains_key("www-authenticate"), wanted == 401);
        }
    }
}

#[test]
fn an_operation_that_declares_nothing_or_nonsense_is_refused() {
    let (env, _) = Env::simulated(1);
    let verifier = TestAuth::new(&env).verifier();
    let undeclared = protect(OpenApiRouter::new().routes(routes!(forgotten)), verifier.clone()).err();
    assert_eq!(undeclared, Some(AccessError::Undeclared { method: Method::GET, path: "/forgotten".to_owned() }));
    let unknown = protect(OpenApiRouter::new().routes(routes!(misspelt)), verifier).err().unwrap();
    assert!(unknown.to_string().contains("catalogue:write"), "{unknown}");
}

#[tokio::test]
async fn a_route_outside_the_document_is_closed() {
    let (env, _) = Env::simulated(1);
    let hidden = router().route("/hidden", axum::routing::get(|| async { "secret" }));
    let (router, _) = protect(hidden, TestAuth::new(&env).verifier()).unwrap();
    let request = Request::get("/hidden").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn the_document_lists_who_may_call_and_what_may_go_wrong() {
    let (env, _) = Env::simulated(1);
    let (_, document) = protect(router(), TestAuth::new(&env).verifier()).unwrap();
    let listed = operations(&document).unwrap();
    let staff = listed.iter().find(|operation| operation.path == "/staff").unwrap();
    assert_eq!(staff.method, Method::POST);
    assert_eq!(staff.access.0, vec![Way::Bearer(vec![Permission::CatalogWrite])]);
    let json = serde_json::to_value(&document).unwrap();
    for status in ["200", "400", "401", "403", "429", "500", "503", "504"] {
        assert!(json["paths"]["/staff"]["post"]["responses"][status].is_object(), "{status}");
    }
    assert!(json["paths"]["/open"]["get"]["responses"]["403"].is_null());
    assert!(json["paths"]["/guest/{id}"]["get"]["responses"]["404"].is_object());
    for scheme in ["bearer", "guest"] {
        assert!(json["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
    }
    for schema in ["Problem", "Violation", "ErrorCode"] {
        assert!(json["components"]["schemas"][schema].is_object(), "{schema}");
    }
}
