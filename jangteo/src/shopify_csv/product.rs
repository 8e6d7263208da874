//! The rows of one product become a product, or a list of everything that is wrong with them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use contracts::{Locale, LocalizedText};
use product_service::product::{Image, ProductInput, ProductOption, ProductStatus, VariantInput};

use super::{
    columns::{Column, Level},
    header::Header,
    read::{ReadOptions, Row},
};

mod variant;

/// Options that a product can have.
const OPTIONS_MAX: usize = 3;

/// Something wrong in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The line on which the row begins.
    pub line: u64,
    /// The column, as this file calls it.
    pub column: String,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

/// A product that cannot be taken, with all that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its handle; empty if that is what is missing.
    pub handle: String,
    /// At least one.
    pub errors: Vec<RowError>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// A product, and where in the file each part of it stands.
#[derive(Debug, Clone)]
pub struct ParsedProduct {
    /// The line on which it begins.
    pub line: u64,
    /// The product.
    pub input: ProductInput,
    variant_lines: Vec<u64>,
    image_lines: Vec<u64>,
    header: Arc<Header>,
}

impl ParsedProduct {
    /// Where in the file a violation is: `/variants/2/sku` is line 14, column `Variant SKU`.
    pub fn locate(&self, violation: &contracts::Violation) -> RowError {
        let parts: Vec<&str> = violation.field.split('/').skip(1).collect();
        let index: usize = parts.get(1).and_then(|index| index.parse().ok()).unwrap_or(0);
        let lines = match parts.first() {
            Some(&"variants") => &self.variant_lines,
            Some(&"images") => &self.image_lines,
            _ => &Vec::new(),
        };
        let line = lines.get(index).copied().unwrap_or(self.line);
        let column =
            column_of(&parts, index).map_or_else(|| violation.field.clone(), |column| self.header.name(&column));
        RowError { line, column, reason: violation.detail.clone() }
    }
}

/// The column that a part of a product is read from.
fn column_of(parts: &[&str], index: usize) -> Option<Column> {
    Some(match (*parts.first()?, *parts.get(2).unwrap_or(&"")) {
        ("handle", _) => Column::Handle,
        ("title", _) => Column::Title(None),
        ("description_html", _) => Column::Body(None),
        ("vendor", _) => Column::Vendor,
        ("product_type", _) => Column::Type,
        ("category", _) => Column::CategoryHandle,
        ("tags", _) => Column::Tags,
        ("seo_title", _) => Column::SeoTitle,
        ("seo_description", _) => Column::SeoDescription,
        ("attributes", _) => Column::ProductAttribute((*parts.get(1)?).replace("~1", "/").replace("~0", "~")),
        ("options", "values") => Column::OptionValue(index),
        ("options", _) => Column::OptionName(index, None),
        ("images", "alt") => Column::ImageAlt(None),
        ("images", _) => Column::ImageSrc,
        ("variants", "sku") => Column::Sku,
        ("variants", "barcode") => Column::Barcode,
        ("variants", "prices") if parts.contains(&"compare_at") => Column::CompareAt(None),
        ("variants", "prices") => Column::Price(None),
        ("variants", "weight_grams") => Column::Grams,
        ("variants", "image_url") => Column::VariantImage,
        ("variants", "cost") => Column::Cost(None),
        ("variants", "on_hand") => Column::Quantity,
        ("variants", "option_values") => Column::OptionValue(parts.get(3).and_then(|at| at.parse().ok()).unwrap_or(0)),
        ("variants", "attributes") => Column::VariantAttribute((*parts.get(3)?).replace("~1", "/").replace("~0", "~")),
        _ => return None,
    })
}

/// Reads one product's rows.
pub(super) fn parse(header: &Arc<Header>, options: ReadOptions, rows: &[Row]) -> Result<ParsedProduct, Rejection> {
    let mut draft = Draft { header, options, rows, errors: Vec::new() };
    let mut product = ParsedProduct {
        line: rows.first().map_or(0, |row| row.line),
        input: draft.product(),
        variant_lines: Vec::new(),
        image_lines: Vec::new(),
        header: Arc::clone(header),
    };
    draft.variants(&mut product);
    draft.images(&mut product);
    draft.option_values(&mut product.input);
    if draft.errors.is_empty() {
        return Ok(product);
    }
    draft.errors.sort_by_key(|error| error.line);
    Err(Rejection { handle: product.input.handle, errors: draft.errors })
}

/// A product being read.
struct Draft<'a> {
    header: &'a Header,
    options: ReadOptions,
    rows: &'a [Row],
    errors: Vec<RowError>,
}

impl<'a> Draft<'a> {
    fn complain(&mut self, line: u64, column: &Column, reason: impl Into<String>) {
        self.errors.push(RowError { line, column: self.header.name(column), reason: reason.into() });
    }

    /// A cell of the first row, which carries the product's own columns.
    fn first(&self, column: &Column) -> &'a str {
        self.rows.first().map_or("", |row| self.header.cell(&row.cells, column))
    }

    fn product(&mut self) -> ProductInput {
        let line = self.rows.first().map_or(0, |row| row.line);
        let title = self.localized(Column::Title);
        let handle = self.handle(&title);
        if title.0.is_empty() {
            self.complain(line, &Column::Title(None), "is missing; the first row of a product needs it");
        } else if handle.is_empty() {
            self.complain(line, &Column::Handle, "is missing; a product needs one");
        }
        let category = self.first(&Column::CategoryHandle).trim();
        ProductInput {
            handle,
            status: self.status(line),
            title,
            description_html: self.localized(Column::Body),
            vendor: self.first(&Column::Vendor).to_owned(),
            product_type: self.first(&Column::Type).to_owned(),
            category: (!category.is_empty()).then(|| category.to_owned()),
            tags: self.tags(line),
            options: self.product_options(),
            seo_title: self.first(&Column::SeoTitle).to_owned(),
            seo_description: self.first(&Column::SeoDescription).to_owned(),
            attributes: self.first_row_attributes(),
            ..ProductInput::default()
        }
    }

    /// The handle; Shopify makes one of the title if there is none.
    fn handle(&self, title: &LocalizedText) -> String {
        let given = self.first(&Column::Handle).trim().to_lowercase();
        if !given.is_empty() {
            return given;
        }
        let words = title.get(self.options.locale).to_lowercase();
        let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-")
    }

    /// A text in all languages that the first row has it in.
    fn localized(&self, column: fn(Option<Locale>) -> Column) -> LocalizedText {
        self.rows.first().map(|row| self.localized_in(row, column)).unwrap_or_default()
    }

    fn localized_in(&self, row: &Row, column: impl Fn(Option<Locale>) -> Column) -> LocalizedText {
        let texts = self.header.locales.iter().filter_map(|(named, locale)| {
            let text = self.header.cell(&row.cells, &column(*named));
            (!text.trim().is_empty()).then(|| (*locale, text.to_owned()))
        });
        LocalizedText(texts.collect())
    }

    /// `Status` says it; older files have only `Published`. What is active but not published is not shown
    /// in a shop, which is what a draft is.
    fn status(&mut self, line: u64) -> ProductStatus {
        let published = self.first(&Column::Published).trim();
        let published = self.boolean(line, &Column::Published, published).unwrap_or(true);
        let status = self.first(&Column::Status).trim().to_lowercase();
        match status.as_str() {
            "active" | "" if published => ProductStatus::Active,
            "active" | "" | "draft" | "unlisted" => ProductStatus::Draft,
            "archived" => ProductStatus::Archived,
            other => {
                self.complain(line, &Column::Status, format!("`{}` is not active, draft or archived", short(other)));
                ProductStatus::Draft
            }
        }
    }

    /// `None` if the cell is empty or wrong.
    fn boolean(&mut self, line: u64, column: &Column, text: &str) -> Option<bool> {
        match text.trim().to_lowercase().as_str() {
            "" => None,
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            other => {
                self.complain(line, column, format!("`{}` is not true or false", short(other)));
                None
            }
        }
    }

    fn tags(&mut self, line: u64) -> Vec<String> {
        let all = self.first(&Column::TagsJson);
        if !all.is_empty() {
            return self.json_list(line, &Column::TagsJson, all);
        }
        let tags = self.first(&Column::Tags).split(',').map(str::trim);
        tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
    }

    fn json_list(&mut self, line: u64, column: &Column, text: &str) -> Vec<String> {
        serde_json::from_str(text).unwrap_or_else(|_| {
            self.complain(line, column, "is not a JSON list of texts");
            Vec::new()
        })
    }

    /// Names of the options. `Title` with the only value `Default Title` is how Shopify says that there are none.
    fn product_options(&self) -> Vec<ProductOption> {
        let name =
            |index| self.rows.first().map(|row| self.localized_in(row, |locale| Column::OptionName(index, locale)));
        let names: Vec<LocalizedText> =
            (0..OPTIONS_MAX).map_while(name).take_while(|name| !name.0.is_empty()).collect();
        let is_default = |name: &LocalizedText| name.0.values().all(|name| name.trim() == "Title");
        let default_value = self.first(&Column::OptionValue(0)).trim() == "Default Title";
        match names.as_slice() {
            [only] if is_default(only) && default_value => Vec::new(),
            _ => names.into_iter().map(|name| ProductOption { name, values: Vec::new() }).collect(),
        }
    }

    /// The values of the options: as listed, or in the order in which variants have them.
    fn option_values(&mut self, product: &mut ProductInput) {
        for index in 0..product.options.len() {
            let column = Column::OptionValuesJson(index);
            let listed = self.first(&column);
            let values = if listed.is_empty() {
                in_order_of_appearance(product.variants.iter().filter_map(|variant| variant.option_values.get(index)))
            } else {
                let line = self.rows.first().map_or(0, |row| row.line);
                self.json_list(line, &column, listed)
            };
            product.options[index].values = values;
        }
    }

    /// Cells of the first row in columns that only the merchant understands.
    fn first_row_attributes(&self) -> BTreeMap<String, String> {
        self.rows.first().map(|row| self.attributes(row, Level::Product)).unwrap_or_default()
    }

    fn attributes(&self, row: &Row, level: Level) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        for ((column, header), cell) in self.header.columns.iter().zip(&row.cells) {
            let default = if Column::is_literal(header) { None } else { column.default_value() };
            let says_something = !cell.is_empty() && !default.is_some_and(|default| cell.eq_ignore_ascii_case(default));
            if let Column::ProductAttribute(name) | Column::VariantAttribute(name) = column
                && column.level() == level
                && says_something
            {
                attributes.insert(name.clone(), cell.to_owned());
            }
        }
        attributes
    }

    fn variants(&mut self, product: &mut ParsedProduct) {
        for (index, row) in self.rows.iter().enumerate() {
            self.check_shape(row);
            if self.header.has_variant(&row.cells, index == 0) {
                let mut variant = self.variant(row, product.input.options.len());
                if index > 0 {
                    self.add_attributes_of_later_row(row, &product.input, &mut variant);
                }
                product.input.variants.push(variant);
                product.variant_lines.push(row.line);
            } else if index > 0 && self.header.cell(&row.cells, &Column::ImageSrc).trim().is_empty() {
                self.complain(row.line, &Column::ImageSrc, "the row holds neither a variant nor a picture");
            }
        }
    }

    /// A row that is longer than the header, or that ends in the middle of a text.
    fn check_shape(&mut self, row: &Row) {
        let (columns, cells) = (self.header.columns.len(), row.cells.len());
        let beyond = row.cells.iter().skip(columns).any(|cell| !cell.trim().is_empty());
        let nameless = self.header.any_filled(&row.cells, |column| *column == Column::Nameless);
        if beyond || nameless {
            let reason =
                format!("the row has values beyond the {columns} columns of the header, or in one without a name");
            self.errors.push(RowError { line: row.line, column: "(none)".to_owned(), reason });
        }
        let cut = cells < columns && row.cells.iter().next_back().is_some_and(|cell| cell.contains('\n'));
        if cut {
            let reason = "the row ends within a text of several lines; is a quotation mark not closed?";
            let column = self.header.columns.get(cells - 1).map_or_else(String::new, |(_, header)| header.clone());
            self.errors.push(RowError { line: row.line, column, reason: reason.to_owned() });
        }
    }

    /// A product's column that has something else in a variant's row says something of the variant.
    fn add_attributes_of_later_row(&self, row: &Row, product: &ProductInput, variant: &mut VariantInput) {
        for (name, value) in self.attributes(row, Level::Product) {
            if product.attributes.get(&name) != Some(&value) {
                variant.attributes.entry(name).or_insert(value);
            }
        }
    }

    fn images(&mut self, product: &mut ParsedProduct) {
        let mut images = Vec::new();
        for row in self.rows {
            let url = self.header.cell(&row.cells, &Column::ImageSrc).trim();
            if url.is_empty() {
                continue;
            }
            let position = self.header.cell(&row.cells, &Column::ImagePosition).trim();
            let position = match position.parse::<u32>() {
                Ok(position) => position,
                Err(_) if position.is_empty() => u32::MAX,
                Err(_) => {
                    let reason = format!("`{}` is not a whole number", short(position));
                    self.complain(row.line, &Column::ImagePosition, reason);
                    u32::MAX
                }
            };
            let alt = self.localized_in(row, Column::ImageAlt);
            images.push((position, row.line, Image { url: url.to_owned(), alt }));
        }
        images.sort_by_key(|(position, _, _)| *position);
        for (_, line, image) in images {
            product.image_lines.push(line);
            product.input.images.push(image);
        }
    }
}

/// Each value once.
pub(super) fn in_order_of_appearance<'v>(values: impl Iterator<Item = &'v String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for value in values {
        if !seen.contains(value) {
            seen.push(value.clone());
        }
    }
    seen
}

fn short(text: &str) -> String {
    text.chars().take(32).collect()
}
