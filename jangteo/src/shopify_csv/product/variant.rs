//! A row's variant: numbers, prices, stock.

use contracts::{Currency, Money, product::TaxClass};
use product_service::product::{Price, VariantInput};

use super::{Draft, short};
use crate::shopify_csv::{
    columns::{Column, Level},
    read::Row,
};

impl Draft<'_> {
    pub(super) fn variant(&mut self, row: &Row, options: usize) -> VariantInput {
        let header = self.header;
        let cell = |column: &Column| header.cell(&row.cells, column);
        let filled = |column: &Column| Some(cell(column)).filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let taxable = self.boolean(row.line, &Column::Taxable, cell(&Column::Taxable)).unwrap_or(true);
        let requires_shipping =
            self.boolean(row.line, &Column::RequiresShipping, cell(&Column::RequiresShipping)).unwrap_or(true);
        let on_hand = self.quantity(row);
        let track_stock = self.tracks_stock(row, on_hand, requires_shipping);
        VariantInput {
            sku: filled(&Column::Sku),
            // A spreadsheet's mark for "this is text, not a number".
            barcode: filled(&Column::Barcode).map(|code| code.strip_prefix('\'').unwrap_or(&code).to_owned()),
            option_values: self.values(row, options),
            prices: self.prices(row),
            tax_class: if taxable { TaxClass::Standard } else { TaxClass::Exempt },
            requires_shipping,
            weight_grams: self.grams(row),
            track_stock,
            allow_backorder: self.continues_when_out(row),
            image_url: filled(&Column::VariantImage),
            cost: self.cost(row),
            attributes: self.attributes(row, Level::Variant),
            on_hand: on_hand.filter(|_| track_stock),
        }
    }

    fn values(&mut self, row: &Row, options: usize) -> Vec<String> {
        let mut values = Vec::with_capacity(options);
        for index in 0..options {
            let column = Column::OptionValue(index);
            let value = self.header.cell(&row.cells, &column);
            if value.trim().is_empty() {
                self.complain(row.line, &column, "is missing; the product has this option");
            }
            values.push(value.to_owned());
        }
        for index in options..super::OPTIONS_MAX {
            let column = Column::OptionValue(index);
            let value = self.header.cell(&row.cells, &column).trim();
            let none = value.is_empty() || (options == 0 && index == 0 && value == "Default Title");
            if !none {
                let name = self.header.name(&Column::OptionName(index, None));
                self.complain(row.line, &column, format!("there is a value, but the first row has no {name}"));
            }
        }
        values
    }

    /// At most one price per currency, in the order of their codes.
    fn prices(&mut self, row: &Row) -> Vec<Price> {
        let header = self.header;
        let mut prices = Vec::new();
        for (named, currency) in &header.currencies {
            let amount = self.money(row, &Column::Price(*named), *currency);
            let compare_at = self.money(row, &Column::CompareAt(*named), *currency);
            match (amount, compare_at) {
                (Some(amount), compare_at) => prices.push(Price { amount, compare_at }),
                (None, Some(_)) if header.cell(&row.cells, &Column::Price(*named)).trim().is_empty() => {
                    let price = header.name(&Column::Price(*named));
                    self.complain(row.line, &Column::CompareAt(*named), format!("needs a {price} beside it"));
                }
                (None, _) => {}
            }
        }
        prices
    }

    fn cost(&mut self, row: &Row) -> Option<Money> {
        let header = self.header;
        let mut costs = Vec::new();
        for (named, currency) in &header.currencies {
            costs.extend(self.money(row, &Column::Cost(*named), *currency));
        }
        if costs.len() > 1 {
            self.complain(row.line, &Column::Cost(None), "the cost is given in several currencies; one is enough");
        }
        costs.pop()
    }

    fn money(&mut self, row: &Row, column: &Column, currency: Currency) -> Option<Money> {
        let text = self.header.cell(&row.cells, column).trim();
        if text.is_empty() {
            return None;
        }
        match Money::parse_major(text, currency) {
            Ok(money) => Some(money),
            Err(error) => {
                let number = text.strip_prefix('-').unwrap_or(text);
                let reason = if number.len() < text.len() && Money::parse_major(number, currency).is_ok() {
                    format!("`{}` is negative; an amount is 0 or more", short(text))
                } else if text.contains(',') {
                    format!("`{}` must be written with a point for decimals and no commas", short(text))
                } else {
                    error.to_string()
                };
                self.complain(row.line, column, reason);
                None
            }
        }
    }

    fn quantity(&mut self, row: &Row) -> Option<i64> {
        let text = self.header.cell(&row.cells, &Column::Quantity).trim();
        if text.is_empty() {
            return None;
        }
        let quantity = text.parse().ok();
        if quantity.is_none() {
            self.complain(row.line, &Column::Quantity, format!("`{}` is not a whole number", short(text)));
        }
        quantity
    }

    /// See the module's text: a quantity counts, whatever the tracker says.
    fn tracks_stock(&self, row: &Row, on_hand: Option<i64>, requires_shipping: bool) -> bool {
        if !self.header.has(&Column::Tracker) {
            return true;
        }
        let tracker = self.header.cell(&row.cells, &Column::Tracker).trim();
        match on_hand {
            _ if !tracker.is_empty() => true,
            None => false,
            Some(0) => requires_shipping,
            Some(_) => true,
        }
    }

    fn continues_when_out(&mut self, row: &Row) -> bool {
        let text = self.header.cell(&row.cells, &Column::Policy).trim();
        match text.to_lowercase().as_str() {
            "continue" | "true" | "yes" => true,
            "deny" | "false" | "no" | "" => false,
            other => {
                let reason = format!("`{}` is not deny or continue", short(other));
                self.complain(row.line, &Column::Policy, reason);
                false
            }
        }
    }

    /// Whole grams; Shopify keeps fractions of those that were entered in pounds.
    fn grams(&mut self, row: &Row) -> i64 {
        let text = self.header.cell(&row.cells, &Column::Grams).trim();
        if text.is_empty() {
            return 0;
        }
        match text.parse::<f64>() {
            Ok(grams) if (0.0..=1e15).contains(&grams) => grams.round() as i64,
            Ok(grams) if grams < 0.0 => {
                self.complain(row.line, &Column::Grams, format!("`{}` is negative", short(text)));
                0
            }
            _ => {
                self.complain(row.line, &Column::Grams, format!("`{}` is not a number", short(text)));
                0
            }
        }
    }
}
