//! What operators can set: `[gateway]` in `jangteo.toml`.

use std::{net::IpAddr, num::NonZeroU32};

use serde::Deserialize;

/// The gateway's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Origins whose pages may call the API from a browser. `*` alone: any. Cookies are never used, so any
    /// origin is safe.
    pub cors_origins: Vec<String>,
    /// True when clients reach this listener through TLS that ends in front of it.
    pub https: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Shows the mails that were sent at `/dev/mailbox`. For demonstration only.
    pub dev_mailbox: bool,
    /// How often one client may ask.
    pub rate: Rates,
    /// Clients whose rate is remembered at the same time.
    pub rate_clients_max: usize,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            cors_origins: vec!["*".to_owned()],
            https: false,
            trusted_proxies: Vec::new(),
            dev_mailbox: false,
            rate: Rates::default(),
            rate_clients_max: 100_000,
        }
    }
}

/// A quota per class of route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Requests that change nothing.
    pub read: Quota,
    /// Requests that change something.
    pub write: Quota,
    /// Sign-in and sign-up, where passwords are guessed.
    pub login: Quota,
    /// Notices from payment providers.
    pub webhook: Quota,
}

/// So many at once, and so many per minute in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Requests per minute in the long run.
    pub per_minute: NonZeroU32,
    /// Requests at once, after a pause.
    pub burst: NonZeroU32,
}

impl Quota {
    /// A quota; zeros count as one.
    pub const fn new(per_minute: u32, burst: u32) -> Self {
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self { per_minute: at_least_one(per_minute), burst: at_least_one(burst) }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            read: Quota::new(12_000, 400),
            write: Quota::new(3_000, 100),
            login: Quota::new(30, 20),
            webhook: Quota::new(120_000, 5_000),
        }
    }
}
