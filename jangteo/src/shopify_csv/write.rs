//! Writes products as a file that Shopify takes, and that [`super::read()`] reads back as the same products.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use contracts::{Currency, Locale, LocalizedText, Money, product::TaxClass};
use product_service::product::{Image, ProductInput, ProductStatus, VariantInput};

use super::{
    columns::{Column, FULFILLMENT_SERVICE, GIFT_CARD, Level},
    product::in_order_of_appearance,
};

/// Which columns a set of products needs. Show it every product before writing the first.
#[derive(Debug, Clone)]
pub struct Columns {
    currency: Currency,
    locale: Locale,
    /// Beside those that every file has.
    further: BTreeSet<Column>,
    /// Attributes by the headers they are written under.
    attributes: BTreeMap<String, Column>,
}

/// What every file has, in Shopify's order.
fn fixed() -> Vec<Column> {
    let option = |index| [Column::OptionName(index, None), Column::OptionValue(index)];
    let mut columns = vec![
        Column::Handle,
        Column::Title(None),
        Column::Body(None),
        Column::Vendor,
        Column::Type,
        Column::Tags,
        Column::Published,
    ];
    columns.extend((0..3).flat_map(option));
    columns.extend([
        Column::Sku,
        Column::Grams,
        Column::Tracker,
        Column::Quantity,
        Column::Policy,
        Column::VariantAttribute(FULFILLMENT_SERVICE.to_owned()),
        Column::Price(None),
        Column::CompareAt(None),
        Column::RequiresShipping,
        Column::Taxable,
        Column::Barcode,
        Column::ImageSrc,
        Column::ImagePosition,
        Column::ImageAlt(None),
        Column::ProductAttribute(GIFT_CARD.to_owned()),
        Column::SeoTitle,
        Column::SeoDescription,
        Column::VariantImage,
        Column::Cost(None),
        Column::Status,
    ]);
    columns
}

impl Columns {
    /// For a file with prices in `currency` and texts in `locale`; others go to columns of their own.
    pub fn new(currency: Currency, locale: Locale) -> Self {
        Self { currency, locale, further: BTreeSet::new(), attributes: BTreeMap::new() }
    }

    /// Notes what `product` needs.
    pub fn add(&mut self, product: &ProductInput) {
        self.add_locales(&product.title, Column::Title);
        self.add_locales(&product.description_html, Column::Body);
        for image in &product.images {
            self.add_locales(&image.alt, Column::ImageAlt);
        }
        for (index, option) in product.options.iter().enumerate() {
            self.add_locales(&option.name, |locale| Column::OptionName(index, locale));
            if !values_are_told(product, index) {
                self.further.insert(Column::OptionValuesJson(index));
            }
        }
        if !tags_are_told(product) {
            self.further.insert(Column::TagsJson);
        }
        if product.category.is_some() {
            self.further.insert(Column::CategoryHandle);
        }
        self.add_attributes(&product.attributes, Column::ProductAttribute);
        for variant in &product.variants {
            for price in &variant.prices {
                self.add_currency(price.amount.currency, Column::Price);
                if price.compare_at.is_some() {
                    self.add_currency(price.amount.currency, Column::CompareAt);
                }
            }
            if let Some(cost) = variant.cost {
                self.add_currency(cost.currency, Column::Cost);
            }
            self.add_attributes(&variant.attributes, Column::VariantAttribute);
        }
    }

    fn add_locales(&mut self, text: &LocalizedText, column: impl Fn(Option<Locale>) -> Column) {
        let others = text.0.keys().filter(|locale| **locale != self.locale);
        self.further.extend(others.map(|locale| column(Some(*locale))));
    }

    fn add_currency(&mut self, currency: Currency, column: fn(Option<Currency>) -> Column) {
        if currency != self.currency {
            self.further.insert(column(Some(currency)));
        }
    }

    fn add_attributes(&mut self, attributes: &BTreeMap<String, String>, column: fn(String) -> Column) {
        for (name, value) in attributes {
            let column = column(name.clone());
            let header = column.attribute_header(value);
            // Two attributes have columns in every file.
            let has_column = [GIFT_CARD, FULFILLMENT_SERVICE].contains(&header.as_str());
            if !has_column {
                self.attributes.insert(header, column);
            }
        }
    }
}

/// True if the variants tell all values of an option in their order.
fn values_are_told(product: &ProductInput, index: usize) -> bool {
    let values = product.variants.iter().filter_map(|variant| variant.option_values.get(index));
    product.options.get(index).is_some_and(|option| in_order_of_appearance(values) == option.values)
}

fn tags_are_told(product: &ProductInput) -> bool {
    product.tags.iter().all(|tag| !tag.contains(',') && tag.trim() == tag && !tag.is_empty())
}

/// Writes a file.
pub struct Writer<W: Write> {
    rows: csv::Writer<W>,
    columns: Columns,
    /// Meaning and header of every column, in order.
    layout: Vec<(Column, String)>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(writer: W, columns: Columns) -> csv::Result<Self> {
        let mut layout: Vec<(Column, String)> = fixed()
            .into_iter()
            .chain(columns.further.iter().cloned())
            .map(|column| (column.clone(), column.name()))
            .collect();
        layout.extend(columns.attributes.iter().map(|(header, column)| (column.clone(), header.clone())));
        let mut rows = csv::Writer::from_writer(writer);
        rows.write_record(layout.iter().map(|(_, header)| header))?;
        Ok(Self { rows, columns, layout })
    }

    /// Writes the rows of a product that was added to the columns before.
    pub fn write(&mut self, product: &ProductInput) -> csv::Result<()> {
        let count = product.variants.len().max(product.images.len()).max(1);
        for index in 0..count {
            let (variant, image) = (product.variants.get(index), product.images.get(index));
            for (column, header) in &self.layout {
                let cell = match column.level() {
                    _ if *column == Column::Handle => product.handle.clone(),
                    Level::Product if index == 0 => self.product_cell(product, column, header),
                    Level::Variant => {
                        variant.map_or_else(String::new, |it| self.variant_cell(product, it, column, header))
                    }
                    Level::Image => image.map_or_else(String::new, |image| self.image_cell(image, index, column)),
                    Level::Product => String::new(),
                };
                self.rows.write_field(cell)?;
            }
            self.rows.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> std::io::Result<W> {
        self.rows.flush()?;
        self.rows.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
    }

    fn text(&self, text: &LocalizedText, locale: Option<Locale>) -> String {
        text.0.get(&locale.unwrap_or(self.columns.locale)).cloned().unwrap_or_default()
    }

    fn product_cell(&self, product: &ProductInput, column: &Column, header: &str) -> String {
        match column {
            Column::Title(locale) => self.text(&product.title, *locale),
            Column::Body(locale) => self.text(&product.description_html, *locale),
            Column::Vendor => product.vendor.clone(),
            Column::Type => product.product_type.clone(),
            Column::Tags => product.tags.join(", "),
            Column::TagsJson if !tags_are_told(product) => json_list(&product.tags),
            Column::CategoryHandle => product.category.clone().unwrap_or_default(),
            Column::Published => (product.status == ProductStatus::Active).to_string(),
            Column::Status => product.status.as_str().to_owned(),
            Column::SeoTitle => product.seo_title.clone(),
            Column::SeoDescription => product.seo_description.clone(),
            Column::OptionName(0, None) if product.options.is_empty() && !product.variants.is_empty() => {
                "Title".to_owned()
            }
            Column::OptionName(index, locale) => {
                product.options.get(*index).map(|option| self.text(&option.name, *locale)).unwrap_or_default()
            }
            Column::OptionValuesJson(index) if !values_are_told(product, *index) => {
                product.options.get(*index).map(|option| json_list(&option.values)).unwrap_or_default()
            }
            Column::ProductAttribute(name) => attribute(&product.attributes, name, column, header),
            _ => String::new(),
        }
    }

    fn variant_cell(&self, product: &ProductInput, variant: &VariantInput, column: &Column, header: &str) -> String {
        let price = |currency: &Option<Currency>| {
            let currency = currency.unwrap_or(self.columns.currency);
            variant.prices.iter().find(|price| price.amount.currency == currency)
        };
        let cost = |currency: &Option<Currency>| {
            variant.cost.filter(|cost| cost.currency == currency.unwrap_or(self.columns.currency))
        };
        match column {
            Column::OptionValue(0) if product.options.is_empty() => "Default Title".to_owned(),
            Column::OptionValue(index) => variant.option_values.get(*index).cloned().unwrap_or_default(),
            Column::Sku => variant.sku.clone().unwrap_or_default(),
            // One apostrophe is taken off when it is read.
            Column::Barcode => variant.barcode.as_ref().map(|code| protected(code)).unwrap_or_default(),
            Column::Grams => variant.weight_grams.to_string(),
            Column::Tracker if variant.track_stock => "shopify".to_owned(),
            Column::Quantity if variant.track_stock => {
                variant.on_hand.map(|on_hand| on_hand.to_string()).unwrap_or_default()
            }
            Column::Policy => if variant.allow_backorder { "continue" } else { "deny" }.to_owned(),
            Column::Price(currency) => price(currency).map(|price| price.amount.to_major()).unwrap_or_default(),
            Column::CompareAt(currency) => {
                price(currency).and_then(|price| price.compare_at).map(Money::to_major).unwrap_or_default()
            }
            Column::Cost(currency) => cost(currency).map(Money::to_major).unwrap_or_default(),
            Column::RequiresShipping => variant.requires_shipping.to_string(),
            Column::Taxable => (variant.tax_class == TaxClass::Standard).to_string(),
            Column::VariantImage => variant.image_url.clone().unwrap_or_default(),
            Column::VariantAttribute(name) => attribute(&variant.attributes, name, column, header),
            _ => String::new(),
        }
    }

    fn image_cell(&self, image: &Image, index: usize, column: &Column) -> String {
        match column {
            Column::ImageSrc => image.url.clone(),
            Column::ImagePosition => (index + 1).to_string(),
            Column::ImageAlt(locale) => self.text(&image.alt, *locale),
            _ => String::new(),
        }
    }
}

/// An attribute, if this is the column that its value belongs in; otherwise the column's default.
fn attribute(attributes: &BTreeMap<String, String>, name: &str, column: &Column, header: &str) -> String {
    let value = attributes.get(name).filter(|value| column.attribute_header(value) == header);
    let default = if Column::is_literal(header) { None } else { column.default_value() };
    value.cloned().or_else(|| default.map(str::to_owned)).unwrap_or_default()
}

fn protected(code: &str) -> String {
    if code.starts_with('\'') { format!("'{code}") } else { code.to_owned() }
}

fn json_list(values: &[String]) -> String {
    serde_json::to_string(values).unwrap_or_default()
}
