//! Verifies access tokens (JWT, ES256) with the public keys that the auth service publishes.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use contracts::{
    Caller, ErrorCode, Permission, Role,
    auth::{AccountId, ApiKeyId, AuthApi},
};
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, JwkSet},
};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Env, Problem};

/// Clocks of two machines may differ by this much.
const LEEWAY: Duration = Duration::from_secs(5);
/// Tokens of strangers with made-up key ids must not turn into requests to auth.
const REFETCH_AFTER: Duration = Duration::from_secs(3);
/// A withdrawn key is forgotten after this long.
const KEYS_FRESH: Duration = Duration::from_secs(300);
const VERIFIED_LEN_MAX: usize = 10_000;
const TOKEN_LEN_MAX: usize = 4096;

/// Whose tokens are accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenConfig {
    /// The `iss` that tokens must name.
    pub issuer: String,
    /// The `aud` that tokens must name.
    pub audience: String,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self { issuer: "https://jangteo.example".to_owned(), audience: "jangteo".to_owned() }
    }
}

/// What an access token says (RFC 7519, RFC 9068). The auth service signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// For whom it is.
    pub aud: String,
    /// Whose it is: `acc_…` or `key_…`.
    pub sub: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// When it stops working, seconds since 1970.
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// Permissions, separated by spaces.
    #[serde(default)]
    pub scope: String,
    /// The roles of the account, for people who read tokens; permissions decide.
    #[serde(default)]
    pub roles: Vec<Role>,
}

#[derive(Clone)]
struct Verified {
    caller: Caller,
    exp: i64,
}

struct Keys {
    by_id: HashMap<String, DecodingKey>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

/// Verifies tokens; each only once while it lasts.
pub struct TokenVerifier {
    env: Env,
    auth: Arc<dyn AuthApi>,
    validation: Validation,
    keys: RwLock<Keys>,
    fetching: tokio::sync::Mutex<()>,
    verified: Cache<[u8; 32], Verified>,
}

impl TokenVerifier {
    /// A verifier with the keys of `auth`, fetched when first needed.
    pub fn new(env: &Env, auth: Arc<dyn AuthApi>, config: TokenConfig) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[config.issuer]);
        validation.set_audience(&[config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is checked here, by the clock of `env`.
        validation.validate_exp = false;
        Self {
            env: env.clone(),
            auth,
            validation,
            keys: RwLock::new(Keys { by_id: HashMap::new(), fetched_at: None, tried_at: None }),
            fetching: tokio::sync::Mutex::new(()),
            verified: Cache::new(VERIFIED_LEN_MAX),
        }
    }

    /// Whose token this is.
    pub async fn verify(&self, token: &str) -> Result<Caller, Problem> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(invalid("it is too long"));
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let now = self.env.now();
        if let Some(known) = self.verified.get(&digest) {
            check_expiry(known.exp, now)?;
            return Ok(known.caller);
        }
        let verified = self.verify_signed(token, now).await?;
        let caller = verified.caller.clone();
        self.verified.insert(digest, verified);
        Ok(caller)
    }

    async fn verify_signed(&self, token: &str, now: Timestamp) -> Result<Verified, Problem> {
        let header = decode_header(token).map_err(|_| invalid("it is not a JWT"))?;
        if header.alg != Algorithm::ES256 {
            return Err(invalid("it is not signed with ES256"));
        }
        let key_id = header.kid.ok_or_else(|| invalid("it names no key"))?;
        let key = self.key(&key_id, now).await?.ok_or_else(|| invalid("its key is unknown"))?;
        let claims = decode::<Claims>(token, &key, &self.validation)
            .map_err(|_| invalid("its signature, issuer or audience is wrong"))?
            .claims;
        check_expiry(claims.exp, now)?;
        Ok(Verified { caller: caller(&claims)?, exp: claims.exp })
    }

    async fn key(&self, id: &str, now: Timestamp) -> Result<Option<DecodingKey>, Problem> {
        if let Some(key) = self.cached_key(id, now) {
            return Ok(Some(key));
        }
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(key) = self.cached_key(id, now) {
            return Ok(Some(key));
        }
        if !self.may_fetch(now) {
            return self.any_key(id);
        }
        match self.fetch().await {
            Ok(by_id) => {
                let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                keys.by_id = by_id;
                keys.fetched_at = Some(now);
            }
            Err(error) => tracing::warn!(error, "the keys of the auth service could not be fetched"),
        }
        self.any_key(id)
    }

    /// The key, if the set is fresh.
    fn cached_key(&self, id: &str, now: Timestamp) -> Option<DecodingKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = keys.fetched_at.is_some_and(|at| within(at, now, KEYS_FRESH));
        fresh.then(|| keys.by_id.get(id).cloned()).flatten()
    }

    /// The key, however old the set is: while auth is down, known keys go on working.
    fn any_key(&self, id: &str) -> Result<Option<DecodingKey>, Problem> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if keys.fetched_at.is_none() {
            return Err(Problem::new(ErrorCode::Unavailable, "Tokens cannot be verified at the moment. Try again."));
        }
        Ok(keys.by_id.get(id).cloned())
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let recently = keys.tried_at.is_some_and(|at| within(at, now, REFETCH_AFTER));
        if !recently {
            keys.tried_at = Some(now);
        }
        !recently
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, String> {
        let text = self.auth.jwks().await.map_err(|error| error.to_string())?;
        let set: JwkSet = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let mut by_id = HashMap::new();
        for jwk in set.keys {
            let p256 = matches!(&jwk.algorithm, AlgorithmParameters::EllipticCurve(params) if params.curve == EllipticCurve::P256);
            if let (true, Some(id), Ok(key)) = (p256, jwk.common.key_id.clone(), DecodingKey::from_jwk(&jwk)) {
                by_id.insert(id, key);
            }
        }
        Ok(by_id)
    }
}

fn within(start: Timestamp, now: Timestamp, duration: Duration) -> bool {
    now.duration_since(start).unsigned_abs() < duration
}

fn check_expiry(exp: i64, now: Timestamp) -> Result<(), Problem> {
    let leeway = i64::try_from(LEEWAY.as_secs()).unwrap_or(0);
    if now.as_second() <= exp.saturating_add(leeway) {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::Unauthenticated, "The access token has expired. Get a new one with the refresh token.")
        .kind("token_expired"))
}

fn caller(claims: &Claims) -> Result<Caller, Problem> {
    // A permission that this version does not know opens nothing here.
    let permissions = claims.scope.split_ascii_whitespace().filter_map(Permission::find).collect();
    if let Ok(id) = claims.sub.parse::<AccountId>() {
        return Ok(Caller::Account { id, permissions });
    }
    match claims.sub.parse::<ApiKeyId>() {
        Ok(id) => Ok(Caller::ApiKey { id, permissions }),
        Err(_) => Err(invalid("its subject is neither an account nor an API key")),
    }
}

fn invalid(why: &str) -> Problem {
    Problem::new(ErrorCode::Unauthenticated, format!("The access token is not valid: {why}.")).kind("invalid_token")
}

#[cfg(test)]
mod tests;
