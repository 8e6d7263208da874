//! What a quote needs of a variant, kept in its own row so that one look-up answers it.

use contracts::{
    Currency, LocalizedText, Money,
    product::{ProductId, TaxClass, VariantId, VariantQuote},
};
use serde::{Deserialize, Serialize};

use crate::{
    product::{Product, Variant},
    stock::StockLevel,
};

#[derive(Serialize, Deserialize)]
pub(super) struct Offer {
    product_id: ProductId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sku: Option<String>,
    title: LocalizedText,
    option_values: Vec<String>,
    prices: Vec<(Currency, i64)>,
    tax_class: TaxClass,
    requires_shipping: bool,
}

impl Offer {
    pub(super) fn new(product: &Product, variant: &Variant) -> Self {
        let price = |price: &crate::product::Price| (price.amount.currency, price.amount.amount_minor);
        Self {
            product_id: product.id,
            sku: variant.sku.clone(),
            title: product.title.clone(),
            option_values: variant.option_values.clone(),
            prices: variant.prices.iter().map(price).collect(),
            tax_class: variant.tax_class,
            requires_shipping: variant.requires_shipping,
        }
    }

    /// The quote, if there is a price in `currency`.
    pub(super) fn quote(self, variant_id: VariantId, currency: Currency, level: &StockLevel) -> Option<VariantQuote> {
        let amount = self.prices.iter().find(|(known, _)| *known == currency).map(|(_, amount)| *amount);
        Some(VariantQuote {
            variant_id,
            product_id: self.product_id,
            sku: self.sku,
            title: self.title,
            option_values: self.option_values,
            unit_price: Money::new(amount?, currency),
            tax_class: self.tax_class,
            requires_shipping: self.requires_shipping,
            available: level.available(),
        })
    }
}
