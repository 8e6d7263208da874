//! An auth service for tests: it signs whatever token a test needs, with keys that everybody knows.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use contracts::{
    Caller, Permission,
    auth::{API_KEY_PREFIX, AccessGrant, AuthApi, AuthError},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};

use crate::{
    Env,
    token::{Claims, TokenConfig, TokenVerifier},
};

/// PKCS #8, base64: the keys of every test.
const KEYS: [&str; 2] = [
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8dzgjcXxKr370LcThOsB5eDrAvlYByGST9Z8NDsP4nWhRANCAATXxQ9G7C4niiXado19U/DG2/pLjNM7FLc/WM6W9XvChvUK1gtibRLn6n8lnBjqILgyMMkY/4VcsQoJngJV52cF",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+yUEfWBGCX7iCGoAlHEuffeCPLjW7Fss0hLO2e9FK8yhRANCAART0E0aZ7rgK+ws316ocVgvW0FDhuPeTlSlSsjvV1LNXfRmW0sJyBbDBSiNGJ7tSp0C3kRPeKase8sfX0zeAhid",
];

/// How long its tokens last.
pub const TOKEN_LASTS: Duration = Duration::from_secs(300);

/// An auth service in memory.
pub struct TestAuth {
    env: Env,
    config: TokenConfig,
    current: AtomicUsize,
    down: std::sync::atomic::AtomicBool,
    /// How often the keys were fetched.
    pub jwks_calls: AtomicUsize,
    /// How often an API key was exchanged.
    pub exchange_calls: AtomicUsize,
    api_keys: RwLock<Vec<(String, Caller)>>,
}

impl TestAuth {
    /// A new one, which signs with its first key.
    pub fn new(env: &Env) -> Arc<Self> {
        Arc::new(Self {
            env: env.clone(),
            config: TokenConfig::default(),
            current: AtomicUsize::new(0),
            down: false.into(),
            jwks_calls: AtomicUsize::new(0),
            exchange_calls: AtomicUsize::new(0),
            api_keys: RwLock::default(),
        })
    }

    /// A verifier of its tokens.
    pub fn verifier(self: &Arc<Self>) -> Arc<TokenVerifier> {
        Arc::new(TokenVerifier::new(&self.env, Arc::clone(self) as Arc<dyn AuthApi>, self.config.clone()))
    }

    /// A token of an account with these permissions: `Authorization: Bearer <token>`.
    pub fn account_token(&self, id: contracts::auth::AccountId, permissions: &[Permission]) -> String {
        self.token_for(&Caller::Account { id, permissions: permissions.to_vec() })
    }

    /// A token of `caller`.
    pub fn token_for(&self, caller: &Caller) -> String {
        self.sign(&self.claims_for(caller))
    }

    /// What a token of `caller` says, for tests that change it before signing.
    pub fn claims_for(&self, caller: &Caller) -> Claims {
        let permissions: &[Permission] = match caller {
            Caller::Anonymous => &[],
            Caller::Account { permissions, .. } | Caller::ApiKey { permissions, .. } => permissions,
        };
        let now = self.env.now().as_second();
        Claims {
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            sub: caller.actor(),
            iat: now,
            exp: now + i64::try_from(TOKEN_LASTS.as_secs()).unwrap_or(0),
            jti: format!("{:032x}", u128::from_be_bytes(self.env.random_bytes())),
            scope: permissions.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(" "),
            roles: Vec::new(),
        }
    }

    /// Signs with the current key.
    pub fn sign(&self, claims: &Claims) -> String {
        let number = self.current.load(Ordering::SeqCst);
        self.sign_as(claims, &key_id(number), number)
    }

    /// Signs with key `number` and says that it was the key `id`.
    pub fn sign_as(&self, claims: &Claims, id: &str, number: usize) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(id.to_owned());
        encode(&header, claims, &signing_key(number)).unwrap_or_default()
    }

    /// From now on its second key signs; the first is withdrawn.
    pub fn rotate(&self) {
        self.current.store(1, Ordering::SeqCst);
    }

    /// Whether it answers.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Makes an API key that stands for `caller`.
    pub fn add_api_key(&self, caller: Caller) -> String {
        let key = format!("{API_KEY_PREFIX}{:032x}", u128::from_be_bytes(self.env.random_bytes()));
        self.api_keys.write().unwrap_or_else(PoisonError::into_inner).push((key.clone(), caller));
        key
    }

    fn up(&self) -> Result<(), AuthError> {
        if self.down.load(Ordering::SeqCst) { Err(AuthError::Unavailable) } else { Ok(()) }
    }
}

fn key_id(number: usize) -> String {
    format!("test-{number}")
}

fn signing_key(number: usize) -> EncodingKey {
    EncodingKey::from_ec_der(&STANDARD.decode(KEYS[number % KEYS.len()]).unwrap_or_default())
}

#[async_trait]
impl AuthApi for TestAuth {
    async fn exchange_api_key(&self, key: &str) -> Result<AccessGrant, AuthError> {
        self.exchange_calls.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        let keys = self.api_keys.read().unwrap_or_else(PoisonError::into_inner);
        let (_, caller) = keys.iter().find(|(known, _)| known == key).ok_or(AuthError::InvalidApiKey)?;
        let expires_at = self.env.now().checked_add(TOKEN_LASTS).map_err(|_| AuthError::Unavailable)?;
        Ok(AccessGrant { access_token: self.token_for(caller), expires_at })
    }

    async fn jwks(&self) -> Result<String, AuthError> {
        self.jwks_calls.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        let number = self.current.load(Ordering::SeqCst);
        let mut jwk =
            Jwk::from_encoding_key(&signing_key(number), Algorithm::ES256).map_err(|_| AuthError::Unavailable)?;
        jwk.common.key_id = Some(key_id(number));
        serde_json::to_string(&serde_json::json!({ "keys": [jwk] })).map_err(|_| AuthError::Unavailable)
    }
}
