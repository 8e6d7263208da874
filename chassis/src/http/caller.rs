//! Who asks, and in which language.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use contracts::{Caller, ErrorCode, Locale};
use http::{HeaderName, header, request::Parts};
use secrecy::SecretString;

use crate::Problem;

/// The header by which a guest proves what is theirs.
pub(crate) const GUEST_TOKEN: HeaderName = HeaderName::from_static("guest-token");
/// Guest tokens are `gst_` and 64 hexadecimal digits; anything much longer is noise.
const GUEST_TOKEN_LEN_MAX: usize = 128;

/// Who makes the request; [`crate::access::protect`] found out.
#[derive(Debug, Clone)]
pub struct CurrentCaller(pub Caller);

impl<S: Sync> FromRequestParts<S> for CurrentCaller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Anonymous)))
    }
}

/// The `Guest-Token` header.
#[derive(Debug, Clone)]
pub struct GuestToken(pub Option<SecretString>);

impl<S: Sync> FromRequestParts<S> for GuestToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(GUEST_TOKEN) else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(token) if !token.is_empty() && token.len() <= GUEST_TOKEN_LEN_MAX => {
                Ok(Self(Some(SecretString::from(token))))
            }
            _ => Err(Problem::new(ErrorCode::Unauthenticated, "The Guest-Token header is not a guest token.")),
        }
    }
}

/// The language the caller prefers among those the shop speaks.
#[derive(Debug, Clone, Copy)]
pub struct AcceptedLocale(pub Option<Locale>);

impl<S: Sync> FromRequestParts<S> for AcceptedLocale {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self(header.and_then(preferred)))
    }
}

/// The known language with the greatest weight; the first of equals (RFC 9110 §12.5.4).
fn preferred(header: &str) -> Option<Locale> {
    let mut best: Option<(f32, Locale)> = None;
    for range in header.split(',') {
        let mut parts = range.split(';');
        let Some(locale) = parts.next().and_then(|tag| locale(tag.trim())) else { continue };
        let weight = parts
            .find_map(|part| part.trim().strip_prefix("q="))
            .map_or(Some(1.0), |weight| weight.parse::<f32>().ok())
            .unwrap_or(0.0);
        if weight > best.map_or(0.0, |(weight, _)| weight) {
            best = Some((weight, locale));
        }
    }
    best.map(|(_, locale)| locale)
}

/// `ko`, `ko-KR` and `KO` are all Korean.
fn locale(tag: &str) -> Option<Locale> {
    let primary = tag.split('-').next().unwrap_or(tag).to_ascii_lowercase();
    primary.parse().ok()
}

#[cfg(test)]
mod tests {
    use contracts::Locale;

    use super::preferred;

    #[test]
    fn prefers_by_weight_then_order_and_ignores_what_it_does_not_speak() {
        assert_eq!(preferred("ko-KR,ko;q=0.9,en;q=0.8"), Some(Locale::Ko));
        assert_eq!(preferred("fr, en;q=0.5, ko;q=0.7"), Some(Locale::Ko));
        assert_eq!(preferred("EN"), Some(Locale::En));
        assert_eq!(preferred("ko;q=0"), None);
        assert_eq!(preferred("fr;q=x, *"), None);
        assert_eq!(preferred(""), None);
    }
}
