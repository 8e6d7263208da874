//! The one table of public paths.

use std::time::Duration;

use http::Method;

/// Bytes of a body where nothing else is said; the services allow the same.
const BODY_BYTES: usize = chassis::service::BODY_BYTES_MAX;
const IMPORT_BYTES: usize = 64 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(15);
const IMPORT_TIMEOUT: Duration = Duration::from_secs(120);

/// What is under one path prefix.
#[derive(Debug)]
pub struct Route {
    /// The path itself and everything below it.
    pub prefix: &'static str,
    /// Who answers.
    pub service: &'static str,
    /// How often a client may ask.
    pub class: Class,
    /// How long the service may take.
    pub timeout: Duration,
    /// How large a body may be.
    pub body_bytes_max: usize,
    /// Only where `dev_mailbox` is set.
    pub dev_only: bool,
}

/// Which quota a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `read` or `write`, by the method.
    ByMethod,
    /// `login` when something is sent, else `read`.
    Login,
    /// `webhook` when something is sent, else `read`: one sender speaks for many customers, and signs.
    Webhook,
}

/// Every public path that a service answers.
pub static ROUTES: [Route; 23] = [
    route("/v1/products", "product"),
    route("/v1/variants", "product"),
    route("/v1/categories", "product"),
    route("/v1/stock-movements", "product"),
    Route { timeout: IMPORT_TIMEOUT, body_bytes_max: IMPORT_BYTES, ..route("/v1/product-imports", "product") },
    Route { timeout: IMPORT_TIMEOUT, ..route("/v1/search-index", "product") },
    route("/v1/carts", "order"),
    route("/v1/orders", "order"),
    route("/v1/shipping-methods", "order"),
    route("/v1/payments", "payment"),
    Route { class: Class::Webhook, ..route("/v1/payment-providers", "payment") },
    Route { class: Class::Login, ..route("/v1/accounts", "auth") },
    Route { class: Class::Login, ..route("/v1/sessions", "auth") },
    route("/v1/api-keys", "auth"),
    route("/v1/audit-events", "auth"),
    route("/.well-known/jwks.json", "auth"),
    route("/v1/messages", "notification"),
    route("/v1/operations/auth", "auth"),
    route("/v1/operations/product", "product"),
    route("/v1/operations/order", "order"),
    route("/v1/operations/payment", "payment"),
    route("/v1/operations/notification", "notification"),
    Route { dev_only: true, ..route("/dev/mailbox", "notification") },
];

const fn route(prefix: &'static str, service: &'static str) -> Route {
    Route { prefix, service, class: Class::ByMethod, timeout: TIMEOUT, body_bytes_max: BODY_BYTES, dev_only: false }
}

impl Route {
    /// True if `path` is the prefix or below it.
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Where the route for `path` stands in [`ROUTES`].
pub(crate) fn find(path: &str, dev: bool) -> Option<usize> {
    ROUTES.iter().position(|route| route.covers(path)).filter(|at| dev || !ROUTES[*at].dev_only)
}

/// True for methods that change nothing (RFC 9110 §9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

#[cfg(test)]
mod tests {
    use super::{ROUTES, find};

    #[test]
    fn a_prefix_ends_where_a_segment_ends_and_no_route_hides_another() {
        let prefix = |path: &str| find(path, false).map(|at| ROUTES[at].prefix);
        assert_eq!(prefix("/v1/products"), Some("/v1/products"));
        assert_eq!(prefix("/v1/products/x/y"), Some("/v1/products"));
        assert_eq!(prefix("/v1/productsx"), None);
        assert_eq!(prefix("/v1/payment-providers/sandbox/webhooks"), Some("/v1/payment-providers"));
        assert_eq!(prefix("/dev/mailbox"), None);
        assert!(find("/dev/mailbox", true).is_some());
        for (at, route) in ROUTES.iter().enumerate() {
            assert_eq!(find(route.prefix, true), Some(at), "{} is hidden", route.prefix);
        }
    }
}
