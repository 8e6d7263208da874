//! Counters of one HTTP route, looked up in the registry once.

use std::{sync::OnceLock, time::Duration};

use http::StatusCode;
use metrics::{Counter, Histogram};

/// What routes answer in practice; others are looked up each time.
const STATUSES: [u16; 22] =
    [200, 201, 202, 204, 303, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503, 504];

/// `http_requests_total` and `http_request_seconds` of one route.
pub struct RequestMetrics {
    service: &'static str,
    route: String,
    method: String,
    seconds: OnceLock<Histogram>,
    totals: [OnceLock<Counter>; STATUSES.len()],
}

impl RequestMetrics {
    /// The metrics of `method route`; nothing is registered before the first request.
    pub fn new(service: &'static str, route: String, method: String) -> Self {
        Self { service, route, method, seconds: OnceLock::new(), totals: [const { OnceLock::new() }; STATUSES.len()] }
    }

    /// Counts one answer.
    pub fn record(&self, status: StatusCode, elapsed: Duration) {
        self.seconds.get_or_init(|| self.histogram()).record(elapsed.as_secs_f64());
        match STATUSES.iter().position(|known| *known == status.as_u16()).and_then(|at| self.totals.get(at)) {
            Some(total) => total.get_or_init(|| self.counter(status)).increment(1),
            None => self.counter(status).increment(1),
        }
    }

    fn histogram(&self) -> Histogram {
        metrics::histogram!(
            "http_request_seconds",
            "service" => self.service, "route" => self.route.clone(), "method" => self.method.clone(),
        )
    }

    fn counter(&self, status: StatusCode) -> Counter {
        metrics::counter!(
            "http_requests_total",
            "service" => self.service, "route" => self.route.clone(), "method" => self.method.clone(),
            "status" => status.as_str().to_owned(),
        )
    }
}
