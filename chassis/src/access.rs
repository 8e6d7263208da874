//! Who may call what: the `security` that an operation declares in its OpenAPI document is what is enforced.
//!
//! | declaration                                      | who may call                                        |
//! |--------------------------------------------------|-----------------------------------------------------|
//! | `security(())`                                   | anyone                                              |
//! | `security((), ("bearer" = []))`                  | anyone; a token is understood if sent               |
//! | `security(("guest" = []), ("bearer" = []))`      | whoever sends a `Guest-Token`, or is signed in      |
//! | `security(("bearer" = []))`                      | whoever is signed in                                |
//! | `security(("bearer" = ["catalog:write"]))`       | whoever holds the permission                        |
//!
//! An operation that declares nothing is a bug that stops the service from starting.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use contracts::{Caller, ErrorCode, Permission};
use futures::future::BoxFuture;
use http::{HeaderMap, Method, header};
use tower::{Layer, Service};
use utoipa::openapi::{OpenApi, path::Operation};
use utoipa_axum::router::OpenApiRouter;

use crate::{Problem, http::add_components, http::add_shared_responses, token::TokenVerifier};

/// Why a document cannot be enforced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Nobody said who may call it.
    #[error("{method} {path} does not declare who may call it: add `security(…)` to its #[utoipa::path]")]
    Undeclared {
        /// The operation's method.
        method: Method,
        /// The operation's path.
        path: String,
    },
    /// A scheme or permission that does not exist.
    #[error("{method} {path} declares `{what}`, which is neither a known scheme nor a known permission")]
    Unknown {
        /// The operation's method.
        method: Method,
        /// The operation's path.
        path: String,
        /// The unknown name.
        what: String,
    },
}

/// One way to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Nothing is asked for.
    Open,
    /// A `Guest-Token` was sent; whose it is, the use case finds out.
    Guest,
    /// A valid token with all of these permissions.
    Bearer(Vec<Permission>),
}

/// Who may call an operation: whoever finds one way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access(pub Vec<Way>);

/// One operation of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// Its method.
    pub method: Method,
    /// Its path, as in the document: `/v1/orders/{id}`.
    pub path: String,
    /// Who may call it.
    pub access: Access,
}

impl Access {
    /// Lets the caller in or says why not.
    pub fn check(&self, caller: &Caller, headers: &HeaderMap) -> Result<(), Problem> {
        let mut missing = None;
        for way in &self.0 {
            match (way, caller) {
                (Way::Open, _) => return Ok(()),
                (Way::Guest, _) if headers.contains_key(crate::http::GUEST_TOKEN) => return Ok(()),
                (Way::Guest, _) | (Way::Bearer(_), Caller::Anonymous) => {}
                (Way::Bearer(needed), caller) => match needed.iter().find(|needed| !caller.may(**needed)) {
                    None => return Ok(()),
                    Some(lacking) => missing = Some(*lacking),
                },
            }
        }
        Err(match missing {
            Some(permission) => Problem::new(
                ErrorCode::Forbidden,
                format!("This needs the permission `{}`, which you do not hold.", permission.as_str()),
            )
            .with("permission", permission),
            None if self.0.contains(&Way::Guest) => Problem::new(
                ErrorCode::Unauthenticated,
                "Sign in (`Authorization: Bearer …`) or send the `Guest-Token` that you were given.",
            ),
            None => Problem::new(ErrorCode::Unauthenticated, "Sign in: send `Authorization: Bearer …`."),
        })
    }

    fn of(method: &Method, path: &str, operation: &Operation) -> Result<Self, AccessError> {
        let unknown =
            |what: &str| AccessError::Unknown { method: method.clone(), path: path.to_owned(), what: what.to_owned() };
        // The type keeps its members private; its JSON form is the standard's.
        let declared = serde_json::to_value(&operation.security).unwrap_or_default();
        let mut ways = Vec::new();
        for requirement in declared.as_array().into_iter().flatten() {
            let schemes: Vec<_> = requirement.as_object().into_iter().flatten().collect();
            ways.push(match schemes.as_slice() {
                [] => Way::Open,
                [(name, _)] if *name == "guest" => Way::Guest,
                [(name, scopes)] if *name == "bearer" => {
                    let scopes = scopes.as_array().into_iter().flatten().filter_map(|scope| scope.as_str());
                    Way::Bearer(
                        scopes
                            .map(|scope| Permission::find(scope).ok_or_else(|| unknown(scope)))
                            .collect::<Result<_, _>>()?,
                    )
                }
                [(name, _), ..] => return Err(unknown(name)),
            });
        }
        if ways.is_empty() {
            return Err(AccessError::Undeclared { method: method.clone(), path: path.to_owned() });
        }
        Ok(Self(ways))
    }

    fn needs_permission(&self) -> bool {
        self.0.iter().any(|way| matches!(way, Way::Bearer(needed) if !needed.is_empty()))
            && !self.0.contains(&Way::Open)
    }
}

/// Every operation of `document` with who may call it.
pub fn operations(document: &OpenApi) -> Result<Vec<Guarded>, AccessError> {
    let mut found = Vec::new();
    for (path, item) in &document.paths.paths {
        let slots = [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
            (Method::OPTIONS, &item.options),
            (Method::HEAD, &item.head),
            (Method::PATCH, &item.patch),
            (Method::TRACE, &item.trace),
        ];
        for (method, operation) in slots {
            if let Some(operation) = operation {
                let access = Access::of(&method, path, operation)?;
                found.push(Guarded { method, path: path.clone(), access });
            }
        }
    }
    Ok(found)
}

/// Puts a guard before every route and completes the document with what the guard and the chassis answer.
pub fn protect(router: OpenApiRouter, verifier: Arc<TokenVerifier>) -> Result<(axum::Router, OpenApi), AccessError> {
    let (router, mut document) = router.split_for_parts();
    let mut table: HashMap<String, Vec<(Method, Access)>> = HashMap::new();
    for Guarded { method, path, access } in operations(&document)? {
        if let Some(operation) = document.paths.paths.get_mut(&path).and_then(|item| slot(item, &method)) {
            add_shared_responses(&path, operation, access.needs_permission());
        }
        table.entry(path).or_default().push((method, access));
    }
    add_components(&mut document);
    if table.is_empty() {
        return Ok((router, document));
    }
    Ok((router.route_layer(GuardLayer { table: Arc::new(table), verifier }), document))
}

fn slot<'a>(item: &'a mut utoipa::openapi::PathItem, method: &Method) -> Option<&'a mut Operation> {
    match method.as_str() {
        "GET" => item.get.as_mut(),
        "PUT" => item.put.as_mut(),
        "POST" => item.post.as_mut(),
        "DELETE" => item.delete.as_mut(),
        "OPTIONS" => item.options.as_mut(),
        "HEAD" => item.head.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "TRACE" => item.trace.as_mut(),
        _ => None,
    }
}

/// The token in `Authorization: Bearer …`, if that header was sent.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Some(token.trim()))
        .ok_or_else(|| {
            Problem::new(ErrorCode::Unauthenticated, "The Authorization header must be `Bearer` and an access token.")
        })
}

#[derive(Clone)]
struct GuardLayer {
    table: Arc<HashMap<String, Vec<(Method, Access)>>>,
    verifier: Arc<TokenVerifier>,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, layer: self.clone() }
    }
}

#[derive(Clone)]
struct Guard<S> {
    inner: S,
    layer: GuardLayer,
}

impl GuardLayer {
    /// HEAD is answered by the GET handler unless declared.
    fn access(&self, request: &Request) -> Option<&Access> {
        let path = request.extensions().get::<MatchedPath>()?;
        let operations = self.table.get(path.as_str())?;
        let find = |wanted: &Method| operations.iter().find(|(method, _)| method == wanted).map(|(_, access)| access);
        find(request.method()).or_else(|| (request.method() == Method::HEAD).then(|| find(&Method::GET)).flatten())
    }

    async fn admit(&self, request: &mut Request) -> Result<(), Problem> {
        let caller = match bearer(request.headers())? {
            Some(token) => self.verifier.verify(token).await?,
            None => Caller::Anonymous,
        };
        let access = self
            .access(request)
            .ok_or_else(|| Problem::internal(format!("no access declared for {}", request.uri().path())))?;
        access.check(&caller, request.headers())?;
        request.extensions_mut().insert(caller);
        Ok(())
    }
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.admit(&mut request).await {
                Ok(()) => inner.call(request).await,
                Err(problem) => Ok(problem.into_response()),
            }
        })
    }
}

#[cfg(test)]
mod tests;
