//! Signs access tokens (JWT, ES256) and publishes the keys that verify them.

use std::sync::{Arc, PoisonError, RwLock};

use chassis::{Env, StoreError, token::Claims};
use contracts::{
    Permission, Role,
    auth::{AccessGrant, SessionId},
};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};

use crate::{secret::hex, store::SigningKey};

/// A retired key stays published this much longer than its last token lives: another replica may sign
/// with it until it notices the rotation.
const RETIRED_GRACE: SignedDuration = SignedDuration::from_mins(5);
/// A random number is no P-256 private key once in 2^32 times; so many times in a row is a broken source.
const KEY_ATTEMPTS_MAX: usize = 8;
/// PKCS #8 (RFC 5208) around a P-256 private key (RFC 5915) without its public half.
const PKCS8_P256: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
];

/// What tokens say about themselves.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// From `iat` to `exp`.
    pub lifetime: SignedDuration,
}

/// For whom a token is.
#[derive(Debug, Clone)]
pub struct Subject {
    /// `acc_…` or `key_…`.
    pub id: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// The roles of the account.
    pub roles: Vec<Role>,
    /// The session that the token belongs to.
    pub session: Option<SessionId>,
    /// Not valid after this, if that is before the usual lifetime ends.
    pub until: Option<Timestamp>,
}

/// The shared claims, and the session, which only auth itself reads.
#[derive(Serialize, Deserialize)]
struct SessionClaims {
    #[serde(flatten)]
    claims: Claims,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
}

/// The keys in memory: one that signs, and all that verify.
struct Keyring {
    kid: String,
    signing: EncodingKey,
    created_at: Timestamp,
    published: Vec<(Jwk, Option<Timestamp>)>,
}

/// Signs and verifies with the keys it was given last.
pub struct TokenSigner {
    rules: TokenRules,
    keyring: RwLock<Option<Arc<Keyring>>>,
}

impl TokenSigner {
    /// A signer without keys yet.
    pub fn new(rules: TokenRules) -> Self {
        Self { rules, keyring: RwLock::new(None) }
    }

    /// Takes the keys that are stored. False if none of them signs.
    pub fn load(&self, keys: &[SigningKey]) -> Result<bool, StoreError> {
        let Some((active, private_key)) = keys
            .iter()
            .filter(|key| key.retired_at.is_none())
            .find_map(|key| key.private_key.as_ref().map(|it| (key, it)))
        else {
            return Ok(false);
        };
        let published = keys
            .iter()
            .map(|key| Ok((serde_json::from_str(&key.public_jwk)?, key.retired_at)))
            .collect::<Result<_, StoreError>>()?;
        let keyring = Keyring {
            kid: active.kid.clone(),
            signing: EncodingKey::from_ec_der(private_key.expose_secret()),
            created_at: active.created_at,
            published,
        };
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keyring));
        Ok(true)
    }

    /// The id of the key that signs, and since when it does.
    pub fn active(&self) -> Option<(String, Timestamp)> {
        self.keyring().ok().map(|keyring| (keyring.kid.clone(), keyring.created_at))
    }

    /// How long a token lives, in seconds.
    pub fn lifetime_seconds(&self) -> i64 {
        self.rules.lifetime.as_secs()
    }

    /// A token for `subject`, from now on.
    pub fn sign(&self, env: &Env, subject: &Subject) -> Result<AccessGrant, StoreError> {
        let keyring = self.keyring()?;
        let now = env.now();
        let usual = now.saturating_add(self.rules.lifetime).unwrap_or(now);
        // `exp` has whole seconds.
        let exp = subject.until.map_or(usual, |until| usual.min(until)).as_second();
        let scope: Vec<_> = subject.permissions.iter().map(|permission| permission.as_str()).collect();
        let claims = Claims {
            iss: self.rules.issuer.clone(),
            aud: self.rules.audience.clone(),
            sub: subject.id.clone(),
            iat: now.as_second(),
            exp,
            jti: hex(&env.random_bytes::<16>()),
            scope: scope.join(" "),
            roles: subject.roles.clone(),
        };
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(keyring.kid.clone());
        // RFC 9068 §2.1: so that no other kind of JWT is taken for an access token.
        header.typ = Some("at+jwt".to_owned());
        let access_token =
            jsonwebtoken::encode(&header, &SessionClaims { claims, sid: subject.session }, &keyring.signing)
                .map_err(|error| StoreError::corrupt("signing_keys.private_key", error))?;
        let expires_at = Timestamp::from_second(exp).map_err(|error| StoreError::corrupt("clock", error))?;
        Ok(AccessGrant { access_token, expires_at })
    }

    /// The session that a token of ours belongs to. The guard of the route has verified the rest.
    pub fn session_of(&self, token: &str) -> Option<SessionId> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let keyring = self.keyring().ok()?;
        let (jwk, _) = keyring.published.iter().find(|(jwk, _)| jwk.common.key_id.as_ref() == Some(&kid))?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_audience(&[&self.rules.audience]);
        // The guard has checked it, by the clock of `env`.
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(jwk).ok()?;
        jsonwebtoken::decode::<SessionClaims>(token, &key, &validation).ok()?.claims.sid
    }

    /// The public keys whose tokens may still be valid at `now`, as RFC 7517 JSON.
    pub fn jwks(&self, now: Timestamp) -> Result<String, StoreError> {
        let keyring = self.keyring()?;
        let kept = self.rules.lifetime.saturating_add(RETIRED_GRACE);
        let in_use = |retired_at: &Option<Timestamp>| retired_at.is_none_or(|at| now.duration_since(at) < kept);
        let keys = keyring.published.iter().filter(|(_, retired_at)| in_use(retired_at));
        Ok(serde_json::to_string(&JwkSet { keys: keys.map(|(jwk, _)| jwk.clone()).collect() })?)
    }

    fn keyring(&self) -> Result<Arc<Keyring>, StoreError> {
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        keyring.clone().ok_or_else(|| StoreError::Unavailable("the signing keys are not loaded yet".to_owned()))
    }
}

/// A fresh P-256 key.
pub fn generate(env: &Env) -> Result<SigningKey, StoreError> {
    for _ in 0..KEY_ATTEMPTS_MAX {
        let mut pkcs8 = PKCS8_P256.to_vec();
        pkcs8.extend_from_slice(&env.random_bytes::<32>());
        let private_key = SecretSlice::from(pkcs8);
        let signing = EncodingKey::from_ec_der(private_key.expose_secret());
        let Ok(mut jwk) = Jwk::from_encoding_key(&signing, Algorithm::ES256) else { continue };
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|error| StoreError::corrupt("thumbprint", error))?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public_jwk = serde_json::to_string(&jwk)?;
        return Ok(SigningKey {
            kid,
            private_key: Some(private_key),
            public_jwk,
            created_at: env.now(),
            retired_at: None,
        });
    }
    Err(StoreError::Corrupt("the source of randomness gives no valid private key".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> (Env, TokenSigner, SigningKey) {
        let (env, _) = Env::simulated(3);
        let rules = TokenRules {
            issuer: "https://jangteo.example".to_owned(),
            audience: "jangteo".to_owned(),
            lifetime: SignedDuration::from_mins(5),
        };
        let signer = TokenSigner::new(rules);
        let key = generate(&env).unwrap();
        assert!(signer.load(std::slice::from_ref(&key)).unwrap());
        (env, signer, key)
    }

    fn subject(env: &Env) -> Subject {
        Subject {
            id: "acc_00000000000000000000000000000001".to_owned(),
            permissions: vec![Permission::CatalogWrite, Permission::StockWrite],
            roles: vec![Role::Staff],
            session: Some(env.new_id()),
            until: None,
        }
    }

    #[test]
    fn a_token_carries_what_was_asked_for() {
        let (env, signer, key) = signer();
        let subject = subject(&env);
        let grant = signer.sign(&env, &subject).unwrap();
        let header = jsonwebtoken::decode_header(&grant.access_token).unwrap();
        assert_eq!((header.alg, header.kid, header.typ), (Algorithm::ES256, Some(key.kid), Some("at+jwt".to_owned())));
        assert_eq!(signer.session_of(&grant.access_token), subject.session);
        assert_eq!(grant.expires_at.duration_since(env.now()), SignedDuration::from_mins(5));
        assert_eq!(signer.session_of("nonsense"), None);
    }

    #[test]
    fn the_published_set_has_public_halves_only() {
        let (env, signer, key) = signer();
        let jwks = signer.jwks(env.now()).unwrap();
        let set: serde_json::Value = serde_json::from_str(&jwks).unwrap();
        let jwk = set["keys"][0].as_object().unwrap();
        let members: std::collections::BTreeSet<_> = jwk.keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"].into());
        assert_eq!(jwk["kid"], key.kid.as_str());
        assert_eq!((&jwk["alg"], &jwk["use"], &jwk["kty"]), (&"ES256".into(), &"sig".into(), &"EC".into()));
    }

    #[test]
    fn a_retired_key_stays_published_until_its_tokens_are_gone() {
        let (env, signer, mut old) = signer();
        old.retired_at = Some(env.now());
        old.private_key = None;
        let next = generate(&env).unwrap();
        assert!(signer.load(&[next, old]).unwrap());
        let keys_after = |minutes: i64| {
            let jwks = signer.jwks(env.now() + SignedDuration::from_mins(minutes)).unwrap();
            serde_json::from_str::<JwkSet>(&jwks).unwrap().keys.len()
        };
        assert_eq!((keys_after(0), keys_after(9), keys_after(10)), (2, 2, 1));
    }

    #[test]
    fn the_private_half_stays_out_of_debug_output() {
        let (_, _, key) = signer();
        let bytes = key.private_key.as_ref().unwrap().expose_secret();
        assert_eq!(bytes.len(), PKCS8_P256.len() + 32);
        assert!(format!("{key:?}").contains("REDACTED"));
    }
}
