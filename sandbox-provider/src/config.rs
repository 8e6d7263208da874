//! What can be set.

use std::{net::SocketAddr, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

/// Which events are told by webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvents {
    /// Every one, as real providers do.
    #[default]
    All,
    /// Only what the merchant cannot know from the answer to a request: later decisions, lost answers,
    /// and everything about tokens whose webhooks misbehave. Saves one request per operation under load.
    Unanswered,
}

/// Section `[sandbox_provider]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where buyers' browsers reach it, for the pages that it sends them to; `http://` and `listen` without it.
    pub public_url: Option<String>,
    /// What merchants authenticate with: `Authorization: Bearer KEY`, or Basic with the key as user name.
    pub secret_key: SecretString,
    /// Where webhooks go; none are sent without it.
    pub webhook_url: Option<String>,
    /// Signs webhooks: `whsec_` and base64, or any text.
    pub webhook_secret: SecretString,
    /// Which events are told.
    pub webhook_events: WebhookEvents,
    /// Opens `/control`, which orders faults and shows totals.
    pub control: bool,
    /// How long a slow answer takes.
    pub slow_ms: u64,
    /// How long an answer takes that the client must not wait for.
    pub hang_ms: u64,
    /// After how long a pending authorization is decided.
    pub pending_ms: u64,
    /// After how long an authorization is broken off, or is said to be.
    pub abort_ms: u64,
    /// How long an account waits for its transfer, if the merchant does not say.
    pub deposit_due_ms: u64,
    /// How late a late webhook is.
    pub webhook_late_ms: u64,
    /// How long the first webhook waits when the order is turned round.
    pub webhook_reorder_ms: u64,
    /// First pause before a webhook is sent again; it doubles up to an hour.
    pub webhook_retry_ms: u64,
    /// After so many attempts a webhook is given up.
    pub webhook_attempts_max: u32,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            public_url: None,
            secret_key: SecretString::from("sk_sandbox"),
            webhook_url: None,
            webhook_secret: SecretString::from("whsec_c2FuZGJveC13ZWJob29rLXNlY3JldA=="),
            webhook_events: WebhookEvents::All,
            control: false,
            slow_ms: 3_000,
            hang_ms: 60_000,
            pending_ms: 5_000,
            abort_ms: 46,
            deposit_due_ms: 24 * 3_600_000,
            webhook_late_ms: 30_000,
            webhook_reorder_ms: 3_000,
            webhook_retry_ms: 1_000,
            webhook_attempts_max: 15,
        }
    }
}

impl SandboxConfig {
    pub(crate) fn slow(&self) -> Duration {
        Duration::from_millis(self.slow_ms)
    }

    /// The address of the page where the buyer decides on an authorization.
    pub(crate) fn page(&self, authorization: &str) -> String {
        let base = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        format!("{}/pages/{authorization}", base.trim_end_matches('/'))
    }

    pub(crate) fn hang(&self) -> Duration {
        Duration::from_millis(self.hang_ms)
    }
}
