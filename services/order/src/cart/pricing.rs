//! What lines cost: prices contain their tax, every line is rounded by itself, and sums are sums of lines.

use contracts::{
    Currency, Money, MoneyError,
    order::{LineId, OrderLine, Totals},
    product::{TaxClass, VariantQuote},
};

use crate::{
    config::{Config, ShippingMethod, TaxRates},
    order::fact::ShippingLine,
};

/// The order line for `quantity` units at the quoted price.
pub(crate) fn price_line(
    id: LineId,
    quantity: i64,
    quote: &VariantQuote,
    tax: &TaxRates,
) -> Result<OrderLine, MoneyError> {
    let total = quote.unit_price.checked_mul(quantity)?;
    Ok(OrderLine {
        id,
        variant_id: quote.variant_id,
        product_id: quote.product_id,
        sku: quote.sku.clone(),
        title: quote.title.clone(),
        option_values: quote.option_values.clone(),
        quantity,
        unit_price: quote.unit_price,
        total,
        tax: total.tax_included(tax.of(quote.tax_class)),
        tax_class: quote.tax_class,
    })
}

/// Sums up `lines` and, if something has to be delivered, `method`. Delivery is taxed at the ordinary rate.
pub(crate) fn sum_up(
    currency: Currency,
    lines: &[OrderLine],
    method: Option<&ShippingMethod>,
    config: &Config,
) -> Result<(Totals, Option<ShippingLine>), MoneyError> {
    let subtotal = Money::sum(currency, lines.iter().map(|line| line.total))?;
    let shipping = method.and_then(|method| {
        let price = method.price_for(subtotal)?;
        let tax = price.tax_included(config.tax.of(TaxClass::Standard));
        Some(ShippingLine { method: method.id.clone(), price, tax })
    });
    let (price, tax) = shipping
        .as_ref()
        .map_or((Money::zero(currency), Money::zero(currency)), |shipping| (shipping.price, shipping.tax));
    let totals = Totals {
        subtotal,
        shipping: price,
        tax: Money::sum(currency, lines.iter().map(|line| line.tax).chain([tax]))?,
        total: subtotal.checked_add(price)?,
    };
    Ok((totals, shipping))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quote(price: i64, tax_class: TaxClass) -> VariantQuote {
        VariantQuote {
            variant_id: uuid::Uuid::from_u128(1).into(),
            product_id: uuid::Uuid::from_u128(2).into(),
            sku: None,
            title: contracts::LocalizedText::both("가", "a"),
            option_values: Vec::new(),
            unit_price: Money::new(price, Currency::KRW),
            tax_class,
            requires_shipping: true,
            available: None,
        }
    }

    proptest! {
        #[test]
        fn totals_are_sums_of_their_parts(
            lines in proptest::collection::vec((0_i64..10_000_000, 1_i64..=999, any::<bool>()), 0..20),
            method in 0_usize..3,
        ) {
            let config = Config::default();
            let lines: Vec<OrderLine> = lines.into_iter().map(|(price, quantity, exempt)| {
                let class = if exempt { TaxClass::Exempt } else { TaxClass::Standard };
                price_line(uuid::Uuid::from_u128(3).into(), quantity, &quote(price, class), &config.tax).unwrap()
            }).collect();
            let method = &config.shipping_methods[method];
            let (totals, shipping) = sum_up(Currency::KRW, &lines, Some(method), &config).unwrap();
            let shipping = shipping.unwrap();
            let sum: i64 = lines.iter().map(|line| line.total.amount_minor).sum();
            let tax: i64 = lines.iter().map(|line| line.tax.amount_minor).sum();
            prop_assert_eq!(totals.subtotal.amount_minor, sum);
            prop_assert_eq!(totals.total.amount_minor, sum + shipping.price.amount_minor);
            prop_assert_eq!(totals.tax.amount_minor, tax + shipping.tax.amount_minor);
            for line in &lines {
                prop_assert_eq!(line.total.amount_minor, line.unit_price.amount_minor * line.quantity);
                prop_assert!(line.tax.amount_minor >= 0 && line.tax.amount_minor <= line.total.amount_minor);
                if line.tax_class == TaxClass::Exempt {
                    prop_assert_eq!(line.tax.amount_minor, 0);
                }
            }
        }
    }

    #[test]
    fn an_amount_that_does_not_fit_is_refused() {
        let line = price_line(
            uuid::Uuid::from_u128(3).into(),
            999,
            &quote(i64::MAX / 2, TaxClass::Standard),
            &TaxRates::default(),
        );
        assert_eq!(line, Err(MoneyError::Overflow));
    }

    #[test]
    fn delivery_is_free_from_the_threshold_on() {
        let config = Config::default();
        let standard = config.shipping_method("standard").unwrap();
        assert_eq!(standard.price_for(Money::new(49_999, Currency::KRW)), Some(Money::new(3_000, Currency::KRW)));
        assert_eq!(standard.price_for(Money::new(50_000, Currency::KRW)), Some(Money::new(0, Currency::KRW)));
        assert_eq!(standard.price_for(Money::new(1, "EUR".parse().unwrap())), None);
    }
}
