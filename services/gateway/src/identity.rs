//! Who asks: access tokens verified, API keys exchanged for access tokens.

use std::{sync::Arc, time::Duration};

use chassis::{Env, Problem, access::bearer, token::TokenVerifier};
use contracts::{
    Caller,
    auth::{API_KEY_PREFIX, AuthApi, AuthError},
};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

/// An exchanged token is used until this long before it expires, so that no service meets an expired one.
const RENEW_BEFORE: Duration = Duration::from_secs(30);
const EXCHANGED_LEN_MAX: usize = 10_000;
/// API keys are shorter; nothing longer is worth a hash.
const API_KEY_LEN_MAX: usize = 256;

#[derive(Clone)]
struct Exchanged {
    authorization: HeaderValue,
    access_token: Arc<str>,
    renew_at: Timestamp,
}

/// Finds out who asks.
pub(crate) struct Identity {
    env: Env,
    auth: Arc<dyn AuthApi>,
    verifier: Arc<TokenVerifier>,
    exchanged: Cache<[u8; 32], Exchanged>,
}

impl Identity {
    pub(crate) fn new(env: &Env, auth: Arc<dyn AuthApi>, verifier: Arc<TokenVerifier>) -> Self {
        Self { env: env.clone(), auth, verifier, exchanged: Cache::new(EXCHANGED_LEN_MAX) }
    }

    /// The caller. An API key in `headers` is replaced by its access token: services see one kind of credential.
    pub(crate) async fn find(&self, headers: &mut HeaderMap) -> Result<Caller, Problem> {
        let Some(token) = bearer(headers)? else { return Ok(Caller::Anonymous) };
        if !token.starts_with(API_KEY_PREFIX) {
            return self.verifier.verify(token).await;
        }
        let exchanged = self.exchange(token).await?;
        let caller = self.verifier.verify(&exchanged.access_token).await?;
        headers.insert(header::AUTHORIZATION, exchanged.authorization);
        Ok(caller)
    }

    /// True if only auth can tell who asks: an API key that was not exchanged lately. Auth keeps a record of
    /// each that it refuses, so nobody may make it do that without limit.
    pub(crate) fn has_to_ask(&self, headers: &HeaderMap) -> bool {
        let Ok(Some(token)) = bearer(headers) else { return false };
        token.starts_with(API_KEY_PREFIX) && self.known(&digest(token)).is_none()
    }

    fn known(&self, digest: &[u8; 32]) -> Option<Exchanged> {
        let now = self.env.now();
        self.exchanged.get(digest).filter(|known| now < known.renew_at)
    }

    async fn exchange(&self, key: &str) -> Result<Exchanged, Problem> {
        let refuse = |error: AuthError| Problem::new(error.code(), error.to_string());
        if key.len() > API_KEY_LEN_MAX {
            return Err(refuse(AuthError::InvalidApiKey));
        }
        let digest = digest(key);
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        let grant = self.auth.exchange_api_key(key).await.map_err(|error| {
            self.exchanged.remove(&digest);
            refuse(error)
        })?;
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", grant.access_token)).map_err(Problem::internal)?;
        authorization.set_sensitive(true);
        let renew_at = grant.expires_at.checked_sub(RENEW_BEFORE).unwrap_or(grant.expires_at);
        let exchanged = Exchanged { authorization, access_token: grant.access_token.into(), renew_at };
        self.exchanged.insert(digest, exchanged.clone());
        Ok(exchanged)
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}
