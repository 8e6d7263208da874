//! Health, readiness and metrics on the internal listener.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::ServiceExt as _;

use super::{BUCKETS, LogFormat, Metrics, Readiness, RequestMetrics, TelemetryConfig, internal_router, log};
use crate::{Env, trace::TraceContext};

async fn get(router: &axum::Router, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn detached() -> (metrics_exporter_prometheus::PrometheusRecorder, Metrics) {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap().build_recorder();
    let metrics = Metrics { handle: recorder.handle() };
    (recorder, metrics)
}

#[tokio::test(start_paused = true)]
async fn readiness_names_what_fails_and_ends_when_stopping() {
    let (env, _) = Env::simulated(1);
    let (_, metrics) = detached();
    let readiness = Readiness::new()
        .check("order store", || async { false })
        .check("product store", || async { true })
        .check("search index", std::future::pending);
    let router = internal_router(&env, metrics.clone(), readiness);
    let (status, body) = get(&router, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, r#"{"failing":["order store","search index"],"ready":false}"#));
    assert_eq!(get(&router, "/livez").await.0, 200);
    let router = internal_router(&env, metrics, Readiness::new());
    assert_eq!(get(&router, "/readyz").await.0, 200);
    env.request_stop();
    assert_eq!(get(&router, "/readyz").await, (503, r#"{"failing":["stopping"],"ready":false}"#.to_owned()));
}

#[test]
fn metrics_count_requests_and_describe_the_process() {
    let (recorder, metrics) = detached();
    metrics::with_local_recorder(&recorder, || {
        let route = RequestMetrics::new("order", "/v1/orders".to_owned(), "POST".to_owned());
        route.record(StatusCode::CREATED, Duration::from_millis(3));
        route.record(StatusCode::CREATED, Duration::from_millis(3));
        route.record(StatusCode::IM_A_TEAPOT, Duration::from_millis(3));
    });
    let text = metrics.render();
    for line in [
        r#"http_requests_total{service="order",route="/v1/orders",method="POST",status="201"} 2"#,
        r#"http_requests_total{service="order",route="/v1/orders",method="POST",status="418"} 1"#,
        r#"http_request_seconds_bucket{service="order",route="/v1/orders",method="POST",le="0.005"} 3"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    if cfg!(target_os = "linux") {
        for name in ["process_resident_memory_bytes ", "process_open_fds ", "process_cpu_seconds_total "] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            assert!(value.parse::<f64>().unwrap() >= 0.0);
        }
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn log_lines_say_their_trace() {
    let (env, _) = Env::simulated(1);
    let trace = TraceContext::root(&env);
    for format in [LogFormat::Text, LogFormat::Json] {
        let lines = Lines::default();
        let writer = lines.clone();
        let config = TelemetryConfig { log: "info".to_owned(), format };
        let subscriber = log::subscriber(&config, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(stock = 3, "outside");
            crate::trace::sync_scope(Some(trace), || tracing::warn!(stock = 4, "inside"));
            tracing::debug!("too quiet");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let [outside, inside] = text.lines().collect::<Vec<_>>().try_into().unwrap();
        assert!(!outside.contains("trace") && outside.contains("outside"), "{outside}");
        assert!(inside.contains(&trace.trace_id()) && inside.contains("inside"), "{inside}");
        if format == LogFormat::Json {
            for line in [outside, inside] {
                assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["stock"].is_number(), "{line}");
            }
        }
    }
}

#[test]
fn a_malformed_filter_is_named() {
    let config = TelemetryConfig { log: "info,=x=".to_owned(), format: LogFormat::Text };
    let error = log::subscriber(&config, false, io::sink).err().unwrap().to_string();
    assert!(error.contains("info,=x="), "{error}");
}
