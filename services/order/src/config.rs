//! What a shop decides about carts and orders: section `[order]` of `jangteo.toml`.

use std::{collections::BTreeMap, time::Duration};

use contracts::{Currency, LocalizedText, Money, money::PPM, product::TaxClass};
use serde::{Deserialize, Serialize};

/// Settings of the order service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Tax inside prices, per tax class.
    pub tax: TaxRates,
    /// How goods can travel, in the order shown.
    pub shipping_methods: Vec<ShippingMethod>,
    /// How long a placed order waits for its payment, in seconds.
    pub pay_within_seconds: u32,
    /// How much longer its stock is held, so that a payment in the last second finds it, in seconds.
    pub hold_margin_seconds: u32,
    /// How long the money of a confirmed order may take to arrive before payment is reminded of it, in seconds.
    pub capture_within_seconds: u32,
    /// How long a cart lives after its last change, in days.
    pub cart_idle_days: u32,
    /// How long goods may be sent back after they were shipped or, if that is known, delivered, in days.
    pub return_window_days: u32,
    /// What all services do with idempotency keys.
    #[serde(skip)]
    pub idempotency: chassis::idempotency::IdempotencyConfig,
}

/// Tax rates in parts per million, contained in the prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaxRates {
    /// The ordinary rate.
    pub standard_ppm: i64,
    /// The rate of exempt goods.
    pub exempt_ppm: i64,
}

/// A way for goods to travel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShippingMethod {
    /// Names it in requests.
    pub id: String,
    /// What people call it.
    pub name: LocalizedText,
    /// Tax-inclusive price in minor units, per currency. Without a price in a currency it is not offered there.
    pub price: BTreeMap<String, i64>,
    /// From this subtotal on it is free, in minor units, per currency.
    #[serde(default)]
    pub free_from: BTreeMap<String, i64>,
}

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("order.{field}: {detail}")]
pub struct ConfigError {
    /// Which setting.
    pub field: String,
    /// What is wrong and what is expected.
    pub detail: String,
}

impl Default for TaxRates {
    fn default() -> Self {
        Self { standard_ppm: 100_000, exempt_ppm: 0 }
    }
}

impl TaxRates {
    /// The rate of `class`.
    pub fn of(&self, class: TaxClass) -> i64 {
        match class {
            TaxClass::Standard => self.standard_ppm,
            TaxClass::Exempt => self.exempt_ppm,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let prices = |krw, usd| BTreeMap::from([("KRW".to_owned(), krw), ("USD".to_owned(), usd)]);
        Self {
            tax: TaxRates::default(),
            shipping_methods: vec![
                ShippingMethod {
                    id: "standard".to_owned(),
                    name: LocalizedText::both("일반 배송", "Standard delivery"),
                    price: prices(3_000, 500),
                    free_from: prices(50_000, 5_000),
                },
                ShippingMethod {
                    id: "express".to_owned(),
                    name: LocalizedText::both("당일 배송", "Same-day delivery"),
                    price: prices(6_000, 1_500),
                    free_from: BTreeMap::new(),
                },
                ShippingMethod {
                    id: "pickup".to_owned(),
                    name: LocalizedText::both("매장 수령", "Pick up in store"),
                    price: prices(0, 0),
                    free_from: BTreeMap::new(),
                },
            ],
            pay_within_seconds: 15 * 60,
            hold_margin_seconds: 5 * 60,
            capture_within_seconds: 15 * 60,
            cart_idle_days: 30,
            return_window_days: 30,
            idempotency: chassis::idempotency::IdempotencyConfig::default(),
        }
    }
}

impl Config {
    /// Refuses what cannot be, naming the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field: String, detail: &str| Err(ConfigError { field, detail: detail.to_owned() });
        for (field, rate) in [("standard_ppm", self.tax.standard_ppm), ("exempt_ppm", self.tax.exempt_ppm)] {
            if !(0..=PPM).contains(&rate) {
                return refuse(format!("tax.{field}"), "must be between 0 and 1000000 (parts per million)");
            }
        }
        let seconds = [
            ("pay_within_seconds", self.pay_within_seconds),
            ("hold_margin_seconds", self.hold_margin_seconds),
            ("capture_within_seconds", self.capture_within_seconds),
        ];
        for (field, value) in seconds {
            if !(1..=30 * 24 * 3600).contains(&value) {
                return refuse(field.to_owned(), "must be between 1 second and 30 days");
            }
        }
        if !(1..=3650).contains(&self.cart_idle_days) {
            return refuse("cart_idle_days".to_owned(), "must be between 1 and 3650");
        }
        if self.return_window_days > 3650 {
            return refuse("return_window_days".to_owned(), "must be between 0 and 3650");
        }
        self.check_shipping_methods()
    }

    fn check_shipping_methods(&self) -> Result<(), ConfigError> {
        for (index, method) in self.shipping_methods.iter().enumerate() {
            let refuse = |field: &str, detail: String| {
                Err(ConfigError { field: format!("shipping_methods[{index}].{field}"), detail })
            };
            let well_formed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if method.id.is_empty() || method.id.len() > 32 || !method.id.bytes().all(well_formed) {
                return refuse("id", "must be 1 to 32 of a-z, 0-9 and -".to_owned());
            }
            if self.shipping_methods.iter().take(index).any(|other| other.id == method.id) {
                return refuse("id", format!("`{}` is used twice", method.id));
            }
            if method.name.is_empty() {
                return refuse("name", "must be given in at least one language".to_owned());
            }
            for (field, prices) in [("price", &method.price), ("free_from", &method.free_from)] {
                for (currency, amount) in prices {
                    if let Err(error) = currency.parse::<Currency>() {
                        return refuse(field, error.to_string());
                    }
                    if *amount < 0 {
                        return refuse(field, format!("{currency} must not be negative"));
                    }
                }
            }
        }
        Ok(())
    }

    /// The shipping method that requests call `id`.
    pub(crate) fn shipping_method(&self, id: &str) -> Option<&ShippingMethod> {
        self.shipping_methods.iter().find(|method| method.id == id)
    }

    pub(crate) fn pay_within(&self) -> Duration {
        Duration::from_secs(self.pay_within_seconds.into())
    }

    pub(crate) fn hold_margin(&self) -> Duration {
        Duration::from_secs(self.hold_margin_seconds.into())
    }

    pub(crate) fn cart_idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.cart_idle_days) * 24 * 3600)
    }

    pub(crate) fn return_window(&self) -> Duration {
        Duration::from_secs(u64::from(self.return_window_days) * 24 * 3600)
    }
}

impl ShippingMethod {
    /// What it costs for goods of `subtotal`; `None` if it is not offered in that currency.
    pub(crate) fn price_for(&self, subtotal: Money) -> Option<Money> {
        let amount = *self.price.get(subtotal.currency.code())?;
        let free = self.free_from.get(subtotal.currency.code()).is_some_and(|from| subtotal.amount_minor >= *from);
        Some(Money::new(if free { 0 } else { amount }, subtotal.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_survives_serialization() {
        let config = Config::default();
        config.check().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }

    #[test]
    fn names_what_cannot_be() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().field
        };
        assert_eq!(with(|config| config.tax.standard_ppm = -1), "tax.standard_ppm");
        assert_eq!(with(|config| config.pay_within_seconds = 0), "pay_within_seconds");
        assert_eq!(with(|config| config.cart_idle_days = 0), "cart_idle_days");
        assert_eq!(with(|config| config.capture_within_seconds = 0), "capture_within_seconds");
        assert_eq!(with(|config| config.return_window_days = 3651), "return_window_days");
        assert_eq!(with(|config| config.shipping_methods[1].id = "standard".into()), "shipping_methods[1].id");
        assert_eq!(with(|config| config.shipping_methods[0].id = "So Fast".into()), "shipping_methods[0].id");
        assert_eq!(
            with(|config| config.shipping_methods[0].price.extend([("XXX".to_owned(), 1)])),
            "shipping_methods[0].price"
        );
        assert_eq!(
            with(|config| config.shipping_methods[2].free_from.extend([("KRW".to_owned(), -1)])),
            "shipping_methods[2].free_from"
        );
    }
}
