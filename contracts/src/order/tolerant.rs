//! How events read the types that requests share with them: a request with an unknown member is a mistake of the
//! caller, an event with one comes from a newer program and is read without it.

use serde::{Deserialize, Deserializer};

use super::{Address, LineQuantity, PaymentMethod};

#[derive(Deserialize)]
#[serde(remote = "Address")]
struct TolerantAddress {
    name: String,
    phone: String,
    country: String,
    postal_code: String,
    city: String,
    line1: String,
    #[serde(default)]
    line2: String,
}

#[derive(Deserialize)]
#[serde(remote = "PaymentMethod")]
struct TolerantPaymentMethod {
    provider: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(remote = "LineQuantity")]
struct TolerantLineQuantity {
    line_id: super::LineId,
    quantity: i64,
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    #[derive(Deserialize)]
    struct Told(#[serde(with = "TolerantAddress")] Address);
    Ok(Option::<Told>::deserialize(deserializer)?.map(|told| told.0))
}

pub(super) fn payment_method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PaymentMethod, D::Error> {
    TolerantPaymentMethod::deserialize(deserializer)
}

pub(super) fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LineQuantity>, D::Error> {
    #[derive(Deserialize)]
    struct Told(#[serde(with = "TolerantLineQuantity")] LineQuantity);
    Ok(Vec::<Told>::deserialize(deserializer)?.into_iter().map(|told| told.0).collect())
}
