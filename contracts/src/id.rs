//! Typed identifiers: a UUIDv7 inside, a prefixed string outside (`ord_0198f3c2…`).
//!
//! A [`crate::order::OrderId`] cannot be passed where a product id is wanted, and a wrong prefix is
//! refused when parsing, so a swapped id fails at the edge instead of finding nothing in the store.

use std::borrow::Cow;

/// Why a string is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}_` followed by 32 lower-case hexadecimal digits")]
pub struct ParseIdError {
    /// The prefix that was expected, without the underscore.
    pub prefix: Cow<'static, str>,
}

/// Splits `prefix_hex` and parses the hexadecimal part; shared by all id types.
#[doc(hidden)]
pub fn parse_prefixed(text: &str, prefix: &'static str) -> Result<uuid::Uuid, ParseIdError> {
    let error = || ParseIdError { prefix: Cow::Borrowed(prefix) };
    let hex = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|hex| hex.len() == 32 && !hex.bytes().any(|byte| byte.is_ascii_uppercase()))
        .ok_or_else(error)?;
    uuid::Uuid::try_parse(hex).map_err(|_| error())
}

/// Declares an id type with its external prefix.
#[macro_export]
macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// The external prefix, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID; use `Env::new_id` to mint one.
            pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            pub const fn as_uuid(&self) -> uuid::Uuid {
                self.0
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::ParseIdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::id::parse_prefixed(text, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-9a-f]{32}$")))
                    .examples([concat!($prefix, "_0198f3c2a1b07c3d8e4f5a6b7c8d9e0f")])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

#[cfg(test)]
mod tests {
    use crate::order::OrderId;

    #[test]
    fn round_trips_and_refuses_everything_else() {
        let id = OrderId::from_uuid(uuid::Uuid::from_u128(7));
        let text = id.to_string();
        assert_eq!(text, "ord_00000000000000000000000000000007");
        assert_eq!(text.parse(), Ok(id));
        for bad in [
            "",
            "ord",
            "ord_",
            "prd_00000000000000000000000000000007",
            "ord_0000000000000000000000000000000g",
            "ord_0000000000000000000000000000000A",
            "ord_00000000-0000-0000-0000-000000000007",
            "ord_000000000000000000000000000000071",
        ] {
            assert!(bad.parse::<OrderId>().is_err(), "{bad:?} must be refused");
        }
    }
}
