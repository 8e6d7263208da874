//! What several contracts share on the wire. To the wire everything maps; from it, what a contract forbids is
//! refused with the name of the field.

use std::{fmt::Display, str::FromStr};

use contracts::{Currency, LocalizedText, Money};
use jiff::Timestamp;

use crate::proto::common::v1 as wire;

/// A message that the contract does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Malformed {
    field: &'static str,
    reason: String,
}

impl Malformed {
    pub(crate) fn new(field: &'static str, reason: impl Display) -> Self {
        Self { field, reason: reason.to_string() }
    }
}

/// A field that must be there.
pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::new(field, "is missing"))
}

/// A field in text form: an id, a currency.
pub(crate) fn parsed<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|error| Malformed::new(field, error))
}

pub(crate) fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

pub(crate) fn from_timestamp(field: &'static str, at: Option<prost_types::Timestamp>) -> Result<Timestamp, Malformed> {
    let at = required(field, at)?;
    Timestamp::new(at.seconds, at.nanos).map_err(|error| Malformed::new(field, error))
}

impl From<Money> for wire::Money {
    fn from(money: Money) -> Self {
        Self { amount_minor: money.amount_minor, currency: money.currency.code().to_owned() }
    }
}

pub(crate) fn from_money(field: &'static str, money: Option<wire::Money>) -> Result<Money, Malformed> {
    let money = required(field, money)?;
    let currency: Currency = parsed(field, &money.currency)?;
    Ok(Money::new(money.amount_minor, currency))
}

impl From<LocalizedText> for wire::LocalizedText {
    fn from(text: LocalizedText) -> Self {
        Self { by_locale: text.0.into_iter().map(|(locale, text)| (locale.tag().to_owned(), text)).collect() }
    }
}

/// Languages that this version does not know are left out.
impl From<wire::LocalizedText> for LocalizedText {
    fn from(text: wire::LocalizedText) -> Self {
        let known = |(tag, text): (String, String)| tag.parse().ok().map(|locale| (locale, text));
        Self(text.by_locale.into_iter().filter_map(known).collect())
    }
}
