//! The cart: what somebody means to buy. Prices are not part of it; they are asked for when it is shown.

pub(crate) mod contact;
pub(crate) mod pricing;

use contracts::{
    Currency, Locale, Violation,
    order::{Address, CartId, LineId, OrderId},
    product::VariantId,
};
use jiff::Timestamp;

use crate::owner::Owner;

/// Units of one line at most.
pub(crate) const QUANTITY_MAX: i64 = 999;
/// Lines of one cart at most.
pub(crate) const LINES_MAX: usize = 100;

/// A cart as it is stored.
#[derive(Clone, PartialEq)]
pub(crate) struct Cart {
    pub(crate) id: CartId,
    pub(crate) version: u64,
    pub(crate) owner: Owner,
    pub(crate) currency: Currency,
    pub(crate) locale: Locale,
    pub(crate) email: Option<String>,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) shipping_method: Option<String>,
    /// In the order they were added.
    pub(crate) lines: Vec<CartLine>,
    /// The order it became.
    pub(crate) order_id: Option<OrderId>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// So many of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CartLine {
    pub(crate) id: LineId,
    pub(crate) variant_id: VariantId,
    pub(crate) quantity: i64,
}

/// A change of everything but the lines; what is `None` stays, `Some(None)` is removed.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct CartPatch {
    pub(crate) locale: Option<Locale>,
    pub(crate) email: Option<Option<String>>,
    pub(crate) shipping_address: Option<Option<Address>>,
    pub(crate) shipping_method: Option<Option<String>>,
}

impl Cart {
    /// What is missing before it can be ordered, whether or not anything has to be delivered.
    pub(crate) fn missing(&self) -> Vec<Violation> {
        let mut missing = Vec::new();
        if self.lines.is_empty() {
            missing.push(Violation::new("/lines", "the cart is empty: add at least one line"));
        }
        if self.email.is_none() {
            missing.push(Violation::new("/email", "say where to write to"));
        }
        missing
    }

    /// What is missing of the delivery, if anything has to be delivered.
    pub(crate) fn missing_delivery(&self) -> Vec<Violation> {
        let mut missing = Vec::new();
        if self.shipping_address.is_none() {
            missing.push(Violation::new("/shipping_address", "say where to deliver to"));
        }
        if self.shipping_method.is_none() {
            missing.push(Violation::new("/shipping_method", "choose one of GET /v1/shipping-methods"));
        }
        missing
    }
}

/// Refuses a quantity that no line may have.
pub(crate) fn check_quantity(quantity: i64) -> Result<(), String> {
    if (1..=QUANTITY_MAX).contains(&quantity) { Ok(()) } else { Err(format!("must be between 1 and {QUANTITY_MAX}")) }
}
