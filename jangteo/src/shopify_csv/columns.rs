//! What each column of a file means, under all the names it has had.

use contracts::{Currency, Locale};

/// Before the name of an attribute that would mean something else on its own.
const PRODUCT_ATTRIBUTE: &str = "Product Attribute / ";
const VARIANT_ATTRIBUTE: &str = "Variant Attribute / ";

/// The meaning of a column. Where a language or currency is `None`, it is the file's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Column {
    Handle,
    Title(Option<Locale>),
    Body(Option<Locale>),
    Vendor,
    Type,
    Tags,
    /// All tags as JSON, where one contains a comma.
    TagsJson,
    CategoryHandle,
    Published,
    Status,
    SeoTitle,
    SeoDescription,
    OptionName(usize, Option<Locale>),
    /// All values as JSON, where variants alone do not tell them.
    OptionValuesJson(usize),
    ProductAttribute(String),
    OptionValue(usize),
    Sku,
    Barcode,
    Grams,
    Tracker,
    Quantity,
    Policy,
    Price(Option<Currency>),
    CompareAt(Option<Currency>),
    Cost(Option<Currency>),
    RequiresShipping,
    Taxable,
    VariantImage,
    VariantAttribute(String),
    ImageSrc,
    ImagePosition,
    ImageAlt(Option<Locale>),
    /// A column without a name, as spreadsheets leave them at the end.
    Nameless,
}

/// To what a column belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Product,
    Variant,
    Image,
}

impl Column {
    /// The meaning of a header.
    pub(super) fn parse(header: &str) -> Self {
        if let Some(name) = header.strip_prefix(PRODUCT_ATTRIBUTE) {
            return Self::ProductAttribute(name.to_owned());
        }
        if let Some(name) = header.strip_prefix(VARIANT_ATTRIBUTE) {
            return Self::VariantAttribute(name.to_owned());
        }
        let name = header.split_whitespace().collect::<Vec<_>>().join(" ");
        let key = name.to_lowercase();
        if key.is_empty() {
            return Self::Nameless;
        }
        known(&key).or_else(|| of_option(&key)).or_else(|| qualified(&key)).unwrap_or_else(|| attribute(&key, name))
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::OptionValue(_)
            | Self::Sku
            | Self::Barcode
            | Self::Grams
            | Self::Tracker
            | Self::Quantity
            | Self::Policy
            | Self::Price(_)
            | Self::CompareAt(_)
            | Self::Cost(_)
            | Self::RequiresShipping
            | Self::Taxable
            | Self::VariantImage
            | Self::VariantAttribute(_) => Level::Variant,
            Self::ImageSrc | Self::ImagePosition | Self::ImageAlt(_) => Level::Image,
            _ => Level::Product,
        }
    }

    /// True for what only a row with a variant of its own fills in; other cells may hold defaults.
    pub(super) fn marks_variant(&self) -> bool {
        matches!(
            self,
            Self::OptionValue(_)
                | Self::Sku
                | Self::Barcode
                | Self::Quantity
                | Self::Price(_)
                | Self::CompareAt(_)
                | Self::Cost(_)
        )
    }

    /// The header that is written.
    pub(super) fn name(&self) -> String {
        let in_language = |name: &str, locale: &Option<Locale>| match locale {
            Some(locale) => format!("{name} / {}", locale.tag()),
            None => name.to_owned(),
        };
        let in_currency = |name: &str, currency: &Option<Currency>| match currency {
            Some(currency) => format!("{name} / {currency}"),
            None => name.to_owned(),
        };
        match self {
            Self::Title(locale) => in_language("Title", locale),
            Self::Body(locale) => in_language("Body (HTML)", locale),
            Self::ImageAlt(locale) => in_language("Image Alt Text", locale),
            Self::OptionName(index, locale) => in_language(&format!("Option{} Name", index + 1), locale),
            Self::OptionValue(index) => format!("Option{} Value", index + 1),
            Self::OptionValuesJson(index) => format!("Option{} Values / JSON", index + 1),
            Self::Price(currency) => in_currency("Variant Price", currency),
            Self::CompareAt(currency) => in_currency("Variant Compare At Price", currency),
            Self::Cost(currency) => in_currency("Cost per item", currency),
            Self::ProductAttribute(name) if *self != Self::parse(name) => format!("{PRODUCT_ATTRIBUTE}{name}"),
            Self::VariantAttribute(name) if *self != Self::parse(name) => format!("{VARIANT_ATTRIBUTE}{name}"),
            Self::ProductAttribute(name) | Self::VariantAttribute(name) => name.clone(),
            Self::Nameless => String::new(),
            _ => NAMES.iter().find(|(column, _)| column == self).map_or("", |(_, names)| names[0]).to_owned(),
        }
    }

    /// A value that says no more than an empty cell, so that it need not be kept.
    pub(super) fn default_value(&self) -> Option<&'static str> {
        match self {
            Self::ProductAttribute(name) if name == GIFT_CARD => Some("false"),
            Self::VariantAttribute(name) if name == FULFILLMENT_SERVICE => Some("manual"),
            _ => None,
        }
    }

    /// The header for an attribute with this value: one that equals a default needs a column of its own,
    /// where it is not taken for one.
    pub(super) fn attribute_header(&self, value: &str) -> String {
        let name = self.name();
        match (self, self.default_value()) {
            (Self::ProductAttribute(plain), Some(default)) if default == value => format!("{PRODUCT_ATTRIBUTE}{plain}"),
            (Self::VariantAttribute(plain), Some(default)) if default == value => format!("{VARIANT_ATTRIBUTE}{plain}"),
            _ => name,
        }
    }

    /// True if this header is one of [`Column::attribute_header`]'s, whose values are taken as they are.
    pub(super) fn is_literal(header: &str) -> bool {
        header.starts_with(PRODUCT_ATTRIBUTE) || header.starts_with(VARIANT_ATTRIBUTE)
    }
}

pub(super) const GIFT_CARD: &str = "Gift Card";
pub(super) const FULFILLMENT_SERVICE: &str = "Variant Fulfillment Service";
pub(super) const TRACKER: &str = "Variant Inventory Tracker";

/// The name that is written first, then the others, of which letter case does not matter.
const NAMES: &[(Column, &[&str])] = &[
    (Column::Handle, &["Handle", "URL handle"]),
    (Column::Title(None), &["Title"]),
    (Column::Body(None), &["Body (HTML)", "Body HTML", "Body", "Description"]),
    (Column::Vendor, &["Vendor"]),
    (Column::Type, &["Type", "Product type", "Custom product type"]),
    (Column::Tags, &["Tags"]),
    (Column::TagsJson, &["Tags / JSON"]),
    (Column::CategoryHandle, &["Category Handle"]),
    (Column::Published, &["Published", "Published on online store"]),
    (Column::Status, &["Status"]),
    (Column::SeoTitle, &["SEO Title"]),
    (Column::SeoDescription, &["SEO Description"]),
    (Column::Sku, &["Variant SKU", "SKU"]),
    (Column::Barcode, &["Variant Barcode", "Barcode"]),
    (Column::Grams, &["Variant Grams", "Weight value (grams)", "Grams"]),
    (Column::Tracker, &[TRACKER, "Inventory tracker"]),
    (Column::Quantity, &["Variant Inventory Qty", "Inventory quantity", "Variant Inventory Quantity"]),
    (Column::Policy, &["Variant Inventory Policy", "Continue selling when out of stock", "Inventory policy"]),
    (Column::Price(None), &["Variant Price", "Price"]),
    (Column::CompareAt(None), &["Variant Compare At Price", "Compare-at price", "Compare At Price"]),
    (Column::Cost(None), &["Cost per item", "Variant Cost"]),
    (Column::RequiresShipping, &["Variant Requires Shipping", "Requires shipping"]),
    (Column::Taxable, &["Variant Taxable", "Charge tax", "Taxable"]),
    (Column::VariantImage, &["Variant Image", "Variant image URL"]),
    (Column::ImageSrc, &["Image Src", "Product image URL", "Image source"]),
    (Column::ImagePosition, &["Image Position"]),
    (Column::ImageAlt(None), &["Image Alt Text"]),
];

/// Attributes that were renamed over the years: how they are kept, and their other name.
const RENAMED: &[(&str, &str)] = &[
    (GIFT_CARD, "gift card"),
    (FULFILLMENT_SERVICE, "variant fulfillment service"),
    (FULFILLMENT_SERVICE, "fulfillment service"),
    ("Variant Weight Unit", "weight unit for display"),
    ("Variant Tax Code", "tax code"),
    ("Product Category", "product category"),
];

/// Beginnings of attributes that belong to a variant.
const OF_VARIANT: &[&str] = &["variant ", "price / ", "compare at price / ", "compare-at price / ", "unit price "];

fn known(key: &str) -> Option<Column> {
    let named = |names: &[&str]| names.iter().any(|name| name.to_lowercase() == key);
    NAMES.iter().find(|(_, names)| named(names)).map(|(column, _)| column.clone())
}

/// `option2 name`, `option2 value`, `option2 values / json`.
fn of_option(key: &str) -> Option<Column> {
    let rest = key.strip_prefix("option")?;
    let (number, rest) = rest.split_at_checked(1)?;
    let index = number.parse::<usize>().ok().filter(|number| (1..=3).contains(number))? - 1;
    match rest.trim_start() {
        "name" => Some(Column::OptionName(index, None)),
        "value" => Some(Column::OptionValue(index)),
        "values / json" => Some(Column::OptionValuesJson(index)),
        _ => None,
    }
}

/// `title / ko`, `variant price / usd`.
fn qualified(key: &str) -> Option<Column> {
    let (name, qualifier) = key.rsplit_once(" / ")?;
    let column = known(name).or_else(|| of_option(name))?;
    let locale = qualifier.parse::<Locale>().ok();
    let currency = qualifier.to_uppercase().parse::<Currency>().ok();
    match column {
        Column::Title(_) => locale.map(|locale| Column::Title(Some(locale))),
        Column::Body(_) => locale.map(|locale| Column::Body(Some(locale))),
        Column::ImageAlt(_) => locale.map(|locale| Column::ImageAlt(Some(locale))),
        Column::OptionName(index, _) => locale.map(|locale| Column::OptionName(index, Some(locale))),
        Column::Price(_) => currency.map(|currency| Column::Price(Some(currency))),
        Column::CompareAt(_) => currency.map(|currency| Column::CompareAt(Some(currency))),
        Column::Cost(_) => currency.map(|currency| Column::Cost(Some(currency))),
        _ => None,
    }
}

fn attribute(key: &str, name: String) -> Column {
    let name = RENAMED.iter().find(|(_, other)| *other == key).map_or(name, |(kept, _)| (*kept).to_owned());
    let key = name.to_lowercase();
    let of_variant =
        OF_VARIANT.iter().any(|beginning| key.starts_with(beginning)) || key.contains("(variant.metafields.");
    if of_variant { Column::VariantAttribute(name) } else { Column::ProductAttribute(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_vintages_are_understood() {
        for (header, column) in [
            ("Handle", Column::Handle),
            ("URL handle", Column::Handle),
            ("body (html)", Column::Body(None)),
            ("Option2  Value", Column::OptionValue(1)),
            ("Option3 name", Column::OptionName(2, None)),
            ("Price", Column::Price(None)),
            ("Variant Price / USD", Column::Price(Some(Currency::USD))),
            ("Price / International", Column::VariantAttribute("Price / International".to_owned())),
            ("Included / United States", Column::ProductAttribute("Included / United States".to_owned())),
            ("Option1 Linked To", Column::ProductAttribute("Option1 Linked To".to_owned())),
            ("Fulfillment service", Column::VariantAttribute(FULFILLMENT_SERVICE.to_owned())),
            ("Title / ko", Column::Title(Some(Locale::Ko))),
            (
                "Size (product.metafields.custom.size)",
                Column::ProductAttribute("Size (product.metafields.custom.size)".to_owned()),
            ),
            (" ", Column::Nameless),
        ] {
            assert_eq!(Column::parse(header), column, "{header}");
        }
    }

    #[test]
    fn every_name_is_read_back_as_what_it_was_written_for() {
        let attributes =
            ["Foo", "Title", "gift card", "Variant X", "Variant Price", " padded ", "Product Attribute / x", "가"];
        let attributes = attributes.iter().flat_map(|name| {
            [Column::ProductAttribute((*name).to_owned()), Column::VariantAttribute((*name).to_owned())]
        });
        let languages =
            [Column::Title(Some(Locale::Ko)), Column::OptionName(1, Some(Locale::En)), Column::OptionValuesJson(2)];
        let known = NAMES.iter().map(|(column, _)| column.clone());
        for column in known.chain(attributes).chain(languages) {
            assert_eq!(Column::parse(&column.name()), column, "{}", column.name());
        }
    }
}
