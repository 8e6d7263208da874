//! Refresh tokens and API keys: random, shown once, kept as SHA-256.
//!
//! A slow hash protects what people choose; these have 256 random bits, so a fast one is enough.

use chassis::Env;
use contracts::auth::API_KEY_PREFIX;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// How refresh tokens begin.
pub const REFRESH_TOKEN_PREFIX: &str = "rft_";
/// Characters of an API key that lists show, so that people tell keys apart.
const SHOWN_HEX_CHARS: usize = 8;
const HALF_HEX_CHARS: usize = 32;

/// SHA-256 of a secret.
pub type Digest = [u8; 32];

/// SHA-256 of `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A refresh token: `rft_` and 64 random hexadecimal digits. The first half stays the same through all
/// rotations of a session and finds it; the second half is new each time. So one row per session tells
/// the current token from every older one, however often it rotated.
#[derive(Clone)]
pub struct RefreshToken {
    family: SecretString,
    nonce: SecretString,
}

impl RefreshToken {
    /// The first token of a session.
    pub fn mint(env: &Env) -> Self {
        Self { family: random_half(env), nonce: random_half(env) }
    }

    /// The next token of the same session.
    pub fn rotate(&self, env: &Env) -> Self {
        Self { family: self.family.clone(), nonce: random_half(env) }
    }

    /// Reads what a client sent; `None` if it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(REFRESH_TOKEN_PREFIX).filter(|rest| is_hex(rest, 2 * HALF_HEX_CHARS))?;
        let (family, nonce) = hex.split_at(HALF_HEX_CHARS);
        Some(Self { family: family.into(), nonce: nonce.into() })
    }

    /// What finds the session.
    pub fn family_digest(&self) -> Digest {
        digest(self.family.expose_secret().as_bytes())
    }

    /// What tells the current token from older ones.
    pub fn digest(&self) -> Digest {
        digest(self.reveal().expose_secret().as_bytes())
    }

    /// The token itself, for its owner.
    pub fn reveal(&self) -> SecretString {
        let (family, nonce) = (self.family.expose_secret(), self.nonce.expose_secret());
        format!("{REFRESH_TOKEN_PREFIX}{family}{nonce}").into()
    }
}

fn random_half(env: &Env) -> SecretString {
    hex(&env.random_bytes::<{ HALF_HEX_CHARS / 2 }>()).into()
}

/// An API key: `jgt_` and 64 random hexadecimal digits.
pub struct ApiKeySecret(SecretString);

impl ApiKeySecret {
    /// A new key.
    pub fn mint(env: &Env) -> Self {
        Self(format!("{API_KEY_PREFIX}{}", hex(&env.random_bytes::<32>())).into())
    }

    /// Reads what a client sent; `None` if it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(API_KEY_PREFIX)?;
        is_hex(rest, 2 * HALF_HEX_CHARS).then(|| Self(text.into()))
    }

    /// What is stored.
    pub fn digest(&self) -> Digest {
        digest(self.0.expose_secret().as_bytes())
    }

    /// The beginning, which may be shown.
    pub fn prefix(&self) -> String {
        self.0.expose_secret().chars().take(API_KEY_PREFIX.len() + SHOWN_HEX_CHARS).collect()
    }

    /// The key itself, for its owner.
    pub fn reveal(self) -> SecretString {
        self.0
    }
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_token_finds_the_same_session_and_differs() {
        let (env, _) = Env::simulated(1);
        let first = RefreshToken::mint(&env);
        let second = first.rotate(&env);
        assert_eq!(first.family_digest(), second.family_digest());
        assert_ne!(first.digest(), second.digest());
        let parsed = RefreshToken::parse(second.reveal().expose_secret()).unwrap();
        assert_eq!((parsed.family_digest(), parsed.digest()), (second.family_digest(), second.digest()));
        assert_ne!(RefreshToken::mint(&env).family_digest(), first.family_digest());
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let hex = "0".repeat(64);
        for bad in
            [String::new(), hex.clone(), format!("rft_{hex}0"), format!("rft_{}", "G".repeat(64)), format!("jgt_{hex}")]
        {
            assert!(RefreshToken::parse(&bad).is_none(), "{bad:?} must be refused");
        }
        assert!(ApiKeySecret::parse(&format!("rft_{hex}")).is_none());
        assert!(ApiKeySecret::parse(&format!("jgt_{hex}")).is_some());
    }
}
