//! A cart as callers see it, with the prices of this moment.

use contracts::{
    Currency, Locale, LocalizedText, Money, MoneyError, Violation,
    order::{Address, CartId, LineId, OrderId, OrderLine, Totals},
    product::{ProductId, TaxClass, VariantId, VariantQuote},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    cart::{
        Cart, CartLine,
        pricing::{price_line, sum_up},
    },
    config::{Config, ShippingMethod},
    order::fact::ShippingLine,
    quotes::{Quotes, Unsellable},
};

/// A cart. Prices contain their tax and are those of this moment; they become fixed when it is ordered.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct CartView {
    /// Names the cart.
    pub(crate) id: CartId,
    /// The number in its `ETag`; every change of the cart raises it.
    pub(crate) version: u64,
    /// Of all amounts.
    pub(crate) currency: Currency,
    /// The language of mails.
    pub(crate) locale: Locale,
    /// Where mails go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// In the order they were added.
    pub(crate) lines: Vec<CartLineView>,
    /// Where goods go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shipping_address: Option<Address>,
    /// How goods travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shipping_method: Option<String>,
    /// What that costs; absent while no method is chosen or nothing has to travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shipping: Option<ShippingLine>,
    /// The sums, without lines that cannot be bought.
    pub(crate) totals: Totals,
    /// What has to be done before it can be ordered; empty if it can.
    pub(crate) missing: Vec<Violation>,
    /// The order it became; such a cart does not change any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<OrderId>,
    /// Shown once, to a guest who made the cart: whoever sends it as `Guest-Token` owns the cart and its order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^gst_[0-9a-f]{64}$")]
    pub(crate) guest_token: Option<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
    /// When it is forgotten, unless it changes before.
    pub(crate) expires_at: Timestamp,
}

/// A line of a cart.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct CartLineView {
    /// Names the line.
    id: LineId,
    /// What is meant to be bought.
    variant_id: VariantId,
    /// How many.
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
    /// Its product.
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<ProductId>,
    /// The shop's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<String>,
    /// The product's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<LocalizedText>,
    /// The option values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    option_values: Vec<String>,
    /// Tax-inclusive price of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price: Option<Money>,
    /// Tax-inclusive price of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Money>,
    /// The tax inside `total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax: Option<Money>,
    /// The class it is taxed by.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_class: Option<TaxClass>,
    /// False for what needs no delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_shipping: Option<bool>,
    /// How many there are; only said if that is fewer than `quantity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<i64>,
    /// Why it cannot be bought any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Unsellable>,
}

/// Why a cart cannot be shown.
#[derive(Debug)]
pub(crate) enum NotShown {
    /// A line has no quote; ask again.
    Unpriced,
    Money(MoneyError),
}

impl From<MoneyError> for NotShown {
    fn from(error: MoneyError) -> Self {
        Self::Money(error)
    }
}

impl CartView {
    /// Prices `cart` by `quotes`.
    pub(crate) fn new(cart: Cart, quotes: &Quotes, config: &Config) -> Result<Self, NotShown> {
        let mut missing = cart.missing();
        let (mut lines, mut sold, mut ships) = (Vec::with_capacity(cart.lines.len()), Vec::new(), false);
        for (index, line) in cart.lines.iter().enumerate() {
            match quotes.find(line.variant_id).ok_or(NotShown::Unpriced)? {
                Ok(quote) => {
                    let priced = price_line(line.id, line.quantity, quote, &config.tax)?;
                    missing.extend(shortage(index, line, quote));
                    lines.push(CartLineView::of(&priced, quote));
                    sold.push(priced);
                    ships |= quote.requires_shipping;
                }
                Err(problem) => {
                    missing.push(Violation::new(format!("/lines/{index}"), problem.advice()));
                    lines.push(CartLineView::unsellable(line, problem));
                }
            }
        }
        let method = cart.shipping_method.as_deref().filter(|_| ships);
        let method: Option<&ShippingMethod> = method.and_then(|id| config.shipping_method(id));
        let (totals, shipping) = sum_up(cart.currency, &sold, method, config)?;
        if ships {
            missing.extend(cart.missing_delivery());
            if cart.shipping_method.is_some() && shipping.is_none() {
                missing.push(method_not_offered());
            }
        }
        let Cart { id, version, currency, locale, email, shipping_address, shipping_method, order_id, .. } = cart;
        let Cart { created_at, updated_at, expires_at, .. } = cart;
        Ok(Self {
            id,
            version,
            currency,
            locale,
            email,
            lines,
            shipping_address,
            shipping_method,
            shipping,
            totals,
            missing,
            order_id,
            guest_token: None,
            created_at,
            updated_at,
            expires_at,
        })
    }
}

impl CartLineView {
    fn of(line: &OrderLine, quote: &VariantQuote) -> Self {
        Self {
            id: line.id,
            variant_id: line.variant_id,
            quantity: line.quantity,
            product_id: Some(line.product_id),
            sku: line.sku.clone(),
            title: Some(line.title.clone()),
            option_values: line.option_values.clone(),
            unit_price: Some(line.unit_price),
            total: Some(line.total),
            tax: Some(line.tax),
            tax_class: Some(line.tax_class),
            requires_shipping: Some(quote.requires_shipping),
            available: quote.available.filter(|available| *available < line.quantity),
            problem: None,
        }
    }

    fn unsellable(line: &CartLine, problem: Unsellable) -> Self {
        Self {
            id: line.id,
            variant_id: line.variant_id,
            quantity: line.quantity,
            product_id: None,
            sku: None,
            title: None,
            option_values: Vec::new(),
            unit_price: None,
            total: None,
            tax: None,
            tax_class: None,
            requires_shipping: None,
            available: None,
            problem: Some(problem),
        }
    }
}

impl Unsellable {
    /// What the buyer should do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::NotOnSale => "is not on sale any more: remove it",
            Self::NoPrice => "has no price in the cart's currency any more: remove it",
        }
    }
}

/// The violation of a shipping method that is not offered, or not any more.
pub(crate) fn method_not_offered() -> Violation {
    Violation::new("/shipping_method", "is not offered for this cart: choose one of GET /v1/shipping-methods")
}

fn shortage(index: usize, line: &CartLine, quote: &VariantQuote) -> Option<Violation> {
    let available = quote.available.filter(|available| *available < line.quantity)?;
    let advice = if available > 0 { format!("only {available} are left") } else { "is sold out: remove it".to_owned() };
    Some(Violation::new(format!("/lines/{index}/quantity"), advice))
}
