//! Whose a cart or an order is, and who is asking.

use std::fmt;

use chassis::Env;
use contracts::{Caller, Permission, auth::AccountId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How guest tokens begin, so that secret scanners find them.
const TOKEN_PREFIX: &str = "gst_";

/// SHA-256 of a guest token; the token itself is never stored. Compared in constant time.
#[derive(Clone, Copy)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of what a caller sent.
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        unhex(&text).map(Self).ok_or_else(|| serde::de::Error::custom("a token hash is 64 hexadecimal digits"))
    }
}

/// A new guest token, shown to its holder once, and the hash that is kept of it.
pub(crate) fn mint_guest_token(env: &Env) -> (String, TokenHash) {
    let token = format!("{TOKEN_PREFIX}{}", hex(&env.random_bytes::<32>()));
    let hash = TokenHash::of(&token);
    (token, hash)
}

/// `bytes` in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// To whom something belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Owner {
    /// A signed-in customer.
    Account(AccountId),
    /// Whoever holds the token.
    Guest(TokenHash),
}

impl Owner {
    pub(crate) fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account(id) => Some(*id),
            Self::Guest(_) => None,
        }
    }

    pub(crate) fn guest(&self) -> Option<TokenHash> {
        match self {
            Self::Account(_) => None,
            Self::Guest(hash) => Some(*hash),
        }
    }
}

/// Who is asking: a verified token, a guest token, or both.
#[derive(Debug, Clone)]
pub(crate) struct Shopper {
    pub(crate) caller: Caller,
    pub(crate) guest: Option<TokenHash>,
}

impl Shopper {
    /// True if what belongs to `owner` is this shopper's.
    pub(crate) fn owns(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Account(id) => self.caller.account() == Some(*id),
            Owner::Guest(hash) => self.guest == Some(*hash),
        }
    }

    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.caller.may(permission)
    }

    /// For the record of who did something.
    pub(crate) fn actor(&self) -> String {
        match (&self.caller, self.guest) {
            (Caller::Anonymous, Some(_)) => "guest".to_owned(),
            (caller, _) => caller.actor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_token_opens_only_what_it_was_made_for() {
        let (env, _) = Env::simulated(1);
        let (token, hash) = mint_guest_token(&env);
        assert!(token.starts_with("gst_") && token.len() == 68);
        let shopper = |guest| Shopper { caller: Caller::Anonymous, guest };
        assert!(shopper(Some(TokenHash::of(&token))).owns(&Owner::Guest(hash)));
        assert!(!shopper(Some(TokenHash::of("gst_other"))).owns(&Owner::Guest(hash)));
        assert!(!shopper(None).owns(&Owner::Guest(hash)));
        assert!(!shopper(Some(hash)).owns(&Owner::Account(env.new_id())));
    }

    #[test]
    fn hashes_survive_json_and_stay_out_of_debug() {
        let hash = TokenHash::of("gst_secret");
        let json = serde_json::to_string(&Owner::Guest(hash)).unwrap();
        assert_eq!(serde_json::from_str::<Owner>(&json).unwrap(), Owner::Guest(hash));
        assert_eq!(format!("{hash:?}"), "TokenHash(..)");
        assert!(serde_json::from_str::<TokenHash>("\"zz\"").is_err());
    }
}
