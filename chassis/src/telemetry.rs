//! Logs, metrics and health: what operators see.

mod internal;
mod log;
mod process;
mod requests;

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;

pub use internal::{Readiness, internal_router};
pub use requests::RequestMetrics;

use crate::Env;

/// Upper bounds of the histogram buckets, in seconds: from a cached read to a request at its deadline.
const BUCKETS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// A filter: `info`, or `warn,order_service=debug`.
    pub log: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is malformed.
    #[error("`{filter}` is not a log filter ({reason}): use `info` or `warn,order_service=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It was started before in this process.
    #[error("telemetry was started twice: {0}")]
    Twice(String),
}

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Makes this process's metrics count. Call before services are built: handles taken earlier count nothing.
    pub fn install() -> Result<Self, TelemetryError> {
        let twice = |error: &dyn std::fmt::Display| TelemetryError::Twice(error.to_string());
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).map_err(|error| twice(&error))?;
        let handle = builder.install_recorder().map_err(|error| twice(&error))?;
        Ok(Self { handle })
    }

    /// Folds histogram samples together now and then, so that they do not pile up between scrapes.
    pub fn start_upkeep(&self, env: &Env) {
        let (handle, task_env) = (self.handle.clone(), env.clone());
        env.spawn("metrics-upkeep", async move {
            loop {
                tokio::select! {
                    biased;
                    () = task_env.stopping() => return,
                    () = tokio::time::sleep(UPKEEP_PERIOD) => handle.run_upkeep(),
                }
            }
        });
    }

    /// Everything, in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        process::render(&mut text);
        text
    }
}

/// Starts logs and metrics of this process.
pub fn init(config: &TelemetryConfig) -> Result<Metrics, TelemetryError> {
    log::install(config)?;
    Metrics::install()
}

#[cfg(test)]
mod tests;
