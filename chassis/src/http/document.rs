//! What every operation's document has in common, so that no service has to repeat it.

use std::collections::BTreeMap;

use contracts::{ErrorCode, Violation};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        path::Operation,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::problem::ProblemBody;

/// The refusals that an operation of its own may answer with: `responses((status = 200, body = View), Problems)`.
/// What the chassis itself may answer (401, 403, 413, 429, 5xx …) is added to every operation's document anyway.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        ["400", "404", "409", "422"].into_iter().map(|status| (status.to_owned(), problem(status))).collect()
    }
}

fn problem(status: &str) -> RefOr<Response> {
    let description = match status {
        "400" => "The request is malformed or breaks a rule; `errors` names every mistake.",
        "401" => "The token or key is missing, expired, forged or revoked.",
        "403" => "The caller is known and may not do this.",
        "404" => "There is no such thing, or it is not the caller's.",
        "408" => "The request arrived too slowly.",
        "409" => "The request contradicts the present state.",
        "412" => "`If-Match` names a version that is no longer current.",
        "413" => "The body is too large.",
        "415" => "The body has the wrong media type.",
        "422" => "Well-formed, but cannot be done as asked.",
        "428" => "`If-Match` is required here.",
        "429" => "Too many requests; `Retry-After` says when to come back.",
        "431" => "The headers are too large.",
        "503" => "Something needed is down or busy; `Retry-After` says when to come back.",
        "504" => "It took too long; whether it was done is unknown.",
        _ => "Something is broken on our side.",
    };
    ResponseBuilder::new()
        .description(description)
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build(),
        )
        .into()
}

/// Adds the answers that the chassis and the gateway give on the operation's behalf.
pub(crate) fn add_shared_responses(path: &str, operation: &mut Operation, needs_permission: bool) {
    let mut statuses = vec!["400", "401", "408", "429", "431", "500", "503", "504"];
    if needs_permission {
        statuses.push("403");
    }
    if path.contains('{') {
        statuses.push("404");
    }
    if operation.request_body.is_some() {
        statuses.extend(["413", "415"]);
    }
    for parameter in operation.parameters.iter().flatten() {
        if let RefOr::T(parameter) = parameter {
            match parameter.name.to_ascii_lowercase().as_str() {
                "idempotency-key" => statuses.extend(["409", "422"]),
                "if-match" => statuses.extend(["412", "428"]),
                _ => {}
            }
        }
    }
    for status in statuses {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| problem(status));
    }
}

/// Adds the schemas of problems and the ways to authenticate.
pub(crate) fn add_components(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas = vec![
        (ProblemBody::name().into_owned(), ProblemBody::schema()),
        (ErrorCode::name().into_owned(), ErrorCode::schema()),
        (Violation::name().into_owned(), Violation::schema()),
    ];
    ProblemBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    bearer.description = Some(
        "An access token from `POST /v1/sessions`, or an API key (`jgt_…`). \
         The names beside it are the permissions that the operation needs."
            .to_owned(),
    );
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme(
        "guest",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "Guest-Token",
            "What `POST /v1/carts` gave to a caller without an account.",
        ))),
    );
}
