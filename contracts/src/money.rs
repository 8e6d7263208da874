//! Money as checked integers of minor units, and the two operations commerce needs on it: splitting a
//! sum so that the parts always add up to the whole, and taking the tax out of a tax-inclusive price.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One million: tax and discount rates are integers in parts per million (10 % = 100 000).
pub const PPM: i64 = 1_000_000;

/// An ISO 4217 currency that this system knows the minor unit of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Code and exponent (digits after the point) by ISO 4217.
const EXPONENTS: &[([u8; 3], u32)] = &[
    (*b"AUD", 2),
    (*b"BHD", 3),
    (*b"BRL", 2),
    (*b"CAD", 2),
    (*b"CHF", 2),
    (*b"CNY", 2),
    (*b"DKK", 2),
    (*b"EUR", 2),
    (*b"GBP", 2),
    (*b"HKD", 2),
    (*b"IDR", 2),
    (*b"INR", 2),
    (*b"JOD", 3),
    (*b"JPY", 0),
    (*b"KRW", 0),
    (*b"KWD", 3),
    (*b"MXN", 2),
    (*b"MYR", 2),
    (*b"NOK", 2),
    (*b"NZD", 2),
    (*b"PHP", 2),
    (*b"PLN", 2),
    (*b"SEK", 2),
    (*b"SGD", 2),
    (*b"THB", 2),
    (*b"TWD", 2),
    (*b"USD", 2),
    (*b"VND", 0),
];

impl Currency {
    /// South Korean won: no minor unit.
    pub const KRW: Self = Self(*b"KRW");
    /// United States dollar: cents.
    pub const USD: Self = Self(*b"USD");

    /// The three-letter code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Digits after the decimal point: 0 for KRW, 2 for USD, 3 for KWD.
    pub fn exponent(self) -> u32 {
        EXPONENTS.iter().find(|(code, _)| *code == self.0).map_or(2, |(_, exponent)| *exponent)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let code: [u8; 3] =
            text.as_bytes().try_into().map_err(|_| MoneyError::UnknownCurrency(text.chars().take(16).collect()))?;
        if EXPONENTS.iter().any(|(known, _)| *known == code) {
            Ok(Self(code))
        } else {
            Err(MoneyError::UnknownCurrency(text.to_owned()))
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(EXPONENTS.iter().map(|(code, _)| Currency(*code).to_string())))
            .description(Some("ISO 4217 code"))
            .into()
    }
}

impl ToSchema for Currency {}

/// Why a computation with money was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit 64 bits of minor units.
    #[error("the amount is too large")]
    Overflow,
    /// Two currencies in one sum.
    #[error("cannot mix {0} and {1}")]
    CurrencyMismatch(Currency, Currency),
    /// Not an ISO 4217 code known here.
    #[error("unknown currency `{0}`")]
    UnknownCurrency(String),
    /// Not a decimal number of this currency.
    #[error("`{text}` is not an amount in {currency} ({digits} digits after the point at most)")]
    NotAnAmount {
        /// The text, shortened.
        text: String,
        /// The currency it should have been in.
        currency: Currency,
        /// Digits after the point that the currency has.
        digits: u32,
    },
}

/// An amount in minor units of one currency: `{"amount_minor": 12900, "currency": "KRW"}` is ₩12,900.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units: won, cents, fils.
    #[schema(example = 12900)]
    pub amount_minor: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

impl Money {
    /// `amount_minor` of `currency`.
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The sum; both must be of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let amount = self.amount_minor.checked_add(other.amount_minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// The difference; both must be of one currency.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let amount = self.amount_minor.checked_sub(other.amount_minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// The amount `quantity` times.
    pub fn checked_mul(self, quantity: i64) -> Result<Self, MoneyError> {
        let amount = self.amount_minor.checked_mul(quantity).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// The sum of `parts` in `currency`, computed in 128 bits.
    pub fn sum(currency: Currency, parts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        let mut total: i128 = 0;
        for part in parts {
            Self::zero(currency).same_currency(part)?;
            total += i128::from(part.amount_minor);
        }
        Ok(Self::new(i64::try_from(total).map_err(|_| MoneyError::Overflow)?, currency))
    }

    /// Splits by `weights` with the largest-remainder method: the parts always sum to the whole, and no
    /// part is more than one minor unit from its exact share. All-zero weights split evenly.
    pub fn split(self, weights: &[u64]) -> Vec<Self> {
        if weights.is_empty() {
            return Vec::new();
        }
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        let even = total == 0;
        let total = if even { weights.len() as u128 } else { total };
        let amount = u128::from(self.amount_minor.unsigned_abs());
        let mut parts: Vec<(usize, u128, u128)> = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| {
                let share = amount * if even { 1 } else { u128::from(*weight) };
                (index, share / total, share % total)
            })
            .collect();
        let given: u128 = parts.iter().map(|(_, share, _)| share).sum();
        parts.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
        let missing = usize::try_from(amount - given).unwrap_or(usize::MAX);
        for part in parts.iter_mut().take(missing) {
            part.1 += 1;
        }
        parts.sort_by_key(|part| part.0);
        parts
            .into_iter()
            .map(|(_, share, _)| {
                let share = i64::try_from(share).unwrap_or(i64::MAX);
                Self::new(if self.amount_minor < 0 { -share } else { share }, self.currency)
            })
            .collect()
    }

    /// The tax contained in this tax-inclusive amount at `rate_ppm`: the supply value is rounded half
    /// up and the tax is the rest (₩30,000 at 10 % is 27,273 + 2,727, as Toss Payments returns it).
    pub fn tax_included(self, rate_ppm: i64) -> Self {
        let gross = i128::from(self.amount_minor);
        let divisor = i128::from(PPM + rate_ppm.max(0));
        let supply = (gross * i128::from(PPM) * 2 + divisor).div_euclid(divisor * 2);
        Self::new(i64::try_from(gross - supply).unwrap_or(0), self.currency)
    }

    /// Reads a decimal number of major units: `"12.90"` in USD is 1290 minor units. Refuses exponents,
    /// signs, group separators and more digits after the point than the currency has, unless they are 0.
    pub fn parse_major(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let digits = currency.exponent();
        let error = || MoneyError::NotAnAmount { text: text.chars().take(32).collect(), currency, digits };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(error());
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > digits as usize {
            return Err(error());
        }
        let minor = format!("{whole}{fraction:0<width$}", width = digits as usize);
        minor.parse().map(|amount| Self::new(amount, currency)).map_err(|_| error())
    }

    /// Major units as a decimal number without the currency: 1290 USD cents are `12.90`.
    pub fn to_major(self) -> String {
        let digits = self.currency.exponent() as usize;
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let padded = format!("{:0>width$}", self.amount_minor.unsigned_abs(), width = digits + 1);
        let (whole, fraction) = padded.split_at(padded.len() - digits);
        if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_major(), self.currency)
    }
}
