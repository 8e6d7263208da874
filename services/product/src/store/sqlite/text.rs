//! Reads ids and times from their stored form.

use std::{fmt::Display, str::FromStr};

use chassis::StoreError;
use jiff::Timestamp;

pub(super) fn id<T: FromStr<Err: Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::corrupt("an id", error))
}

pub(super) fn timestamp(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::corrupt("a time", error))
}
