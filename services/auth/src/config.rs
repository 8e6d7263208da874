//! Settings: section `[auth]` of `jangteo.toml`.

use chassis::token::TokenConfig;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{session::Lifetimes, signing::TokenRules};

const DAY_SECONDS: u64 = 24 * 3600;
const HASHES_CONCURRENT_MAX: usize = 1024;
const HASHES_WAITING_MAX: usize = 100_000;

/// Settings of the auth service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The `iss` of access tokens.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
    /// How long an access token lives. A role or permission taken away works until then.
    pub access_token_seconds: u32,
    /// A session ends if it is not refreshed for so long.
    pub session_idle_days: u32,
    /// A session ends after so long in any case.
    pub session_days: u32,
    /// The key that signs access tokens is replaced after so long.
    pub signing_key_days: u32,
    /// Passwords hashed at once; 0 means one per core. Each takes 19 MiB.
    pub hashes_concurrent: usize,
    /// Callers that may wait for their password to be hashed; more get 503.
    pub hashes_waiting_max: usize,
    /// What all services do with idempotency keys.
    #[serde(skip)]
    pub idempotency: chassis::idempotency::IdempotencyConfig,
}

impl Default for Config {
    fn default() -> Self {
        let TokenConfig { issuer, audience } = TokenConfig::default();
        Self {
            issuer,
            audience,
            access_token_seconds: 300,
            session_idle_days: 30,
            session_days: 90,
            signing_key_days: 30,
            hashes_concurrent: 0,
            hashes_waiting_max: 64,
            idempotency: chassis::idempotency::IdempotencyConfig::default(),
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("auth.{setting} is {found}; it must be {expected}")]
pub struct ConfigError {
    setting: &'static str,
    found: String,
    expected: &'static str,
}

impl Config {
    /// Refuses settings that make no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let bounds = [
            ("access_token_seconds", self.access_token_seconds, 5, 3600, "between 5 and 3600"),
            ("session_idle_days", self.session_idle_days, 1, 365, "between 1 and 365"),
            ("session_days", self.session_days, 1, 365, "between 1 and 365"),
            ("signing_key_days", self.signing_key_days, 1, 365, "between 1 and 365"),
        ];
        for (setting, found, min, max, expected) in bounds {
            if !(min..=max).contains(&found) {
                return Err(ConfigError { setting, found: found.to_string(), expected });
            }
        }
        let counts = [
            ("hashes_concurrent", self.hashes_concurrent, HASHES_CONCURRENT_MAX, "at most 1024"),
            ("hashes_waiting_max", self.hashes_waiting_max, HASHES_WAITING_MAX, "at most 100000"),
        ];
        for (setting, found, max, expected) in counts {
            if found > max {
                return Err(ConfigError { setting, found: found.to_string(), expected });
            }
        }
        for (setting, found) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if found.is_empty() {
                return Err(ConfigError { setting, found: "empty".to_owned(), expected: "a name or URL" });
            }
        }
        Ok(())
    }

    /// What verifiers of our tokens expect.
    pub fn token_config(&self) -> TokenConfig {
        TokenConfig { issuer: self.issuer.clone(), audience: self.audience.clone() }
    }

    pub(crate) fn token_rules(&self) -> TokenRules {
        TokenRules {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            lifetime: SignedDuration::from_secs(self.access_token_seconds.into()),
        }
    }

    pub(crate) fn lifetimes(&self) -> Lifetimes {
        Lifetimes { idle: days(self.session_idle_days), absolute: days(self.session_days) }
    }

    pub(crate) fn signing_key_lifetime(&self) -> SignedDuration {
        days(self.signing_key_days)
    }

    pub(crate) fn hashes_concurrent(&self) -> usize {
        match self.hashes_concurrent {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            chosen => chosen,
        }
    }
}

fn days(count: u32) -> SignedDuration {
    SignedDuration::from_secs((u64::from(count) * DAY_SECONDS).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_defaults_make_sense_and_nonsense_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let error = Config { session_days: 0, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "auth.session_days is 0; it must be between 1 and 365");
        assert!(Config { hashes_waiting_max: usize::MAX, ..Config::default() }.check().is_err());
        let error = Config { issuer: String::new(), ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "auth.issuer is empty; it must be a name or URL");
    }
}
