//! The rules a product must keep, all checked at once, and the tidying that happens on the way in.

use std::collections::{BTreeMap, HashSet};

use contracts::{LocalizedText, Money, Violation, product::ProductId};

use crate::product::{Image, Price, ProductInput, ProductOption, VariantInput};

const NAME_CHARS_MAX: usize = 255;
const DESCRIPTION_BYTES_MAX: usize = 256 * 1024;
const SEO_CHARS_MAX: usize = 1000;
const URL_BYTES_MAX: usize = 2048;
const TAGS_MAX: usize = 250;
const IMAGES_MAX: usize = 250;
const OPTIONS_MAX: usize = 3;
const OPTION_VALUES_MAX: usize = 100;
const VARIANTS_MAX: usize = 500;
const ATTRIBUTES_MAX: usize = 200;
const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
const PRICES_MAX: usize = 30;
const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000;
const WEIGHT_GRAMS_MAX: i64 = 1_000_000_000;
/// Counts beyond this are typing errors.
pub const ON_HAND_MAX: i64 = 1_000_000_000;

/// Trims, turns empty strings into nothing, and removes unsafe HTML. Tidying twice changes nothing.
pub fn tidy(mut input: ProductInput) -> ProductInput {
    input.handle = input.handle.trim().to_owned();
    input.category = filled(input.category);
    input.attributes.retain(|_, value| !value.is_empty());
    for text in [&mut input.vendor, &mut input.product_type, &mut input.seo_title, &mut input.seo_description] {
        *text = text.trim().to_owned();
    }
    tidy_text(&mut input.title);
    input.description_html.0.retain(|_, html| {
        *html = sanitise(html);
        !html.is_empty()
    });
    let mut seen = HashSet::new();
    input.tags = input.tags.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
    input.tags.retain(|tag| seen.insert(tag.clone()));
    for option in &mut input.options {
        tidy_text(&mut option.name);
    }
    for image in &mut input.images {
        tidy_text(&mut image.alt);
    }
    input.variants = input.variants.into_iter().map(tidy_variant).collect();
    input
}

fn tidy_variant(mut variant: VariantInput) -> VariantInput {
    variant.sku = filled(variant.sku);
    variant.barcode = filled(variant.barcode);
    variant.image_url = filled(variant.image_url);
    variant.attributes.retain(|_, value| !value.is_empty());
    variant
}

fn tidy_text(text: &mut LocalizedText) {
    text.0.retain(|_, text| {
        *text = text.trim().to_owned();
        !text.is_empty()
    });
}

fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn sanitise(html: &str) -> String {
    let html = html.trim();
    // Without markup or entities there is nothing to parse.
    if html.contains(['<', '>', '&', '\0']) { ammonia::clean(html).trim().to_owned() } else { html.to_owned() }
}

/// Everything that is wrong with a tidied `input`; pointers are relative to it.
pub fn check(input: &ProductInput) -> Vec<Violation> {
    let mut report = Report::default();
    report.handle("/handle", &input.handle);
    if input.title.is_empty() {
        report.add("/title", "needs a text in at least one language (ko, en)");
    }
    report.localized("/title", &input.title, NAME_CHARS_MAX);
    for (locale, html) in &input.description_html.0 {
        if html.len() > DESCRIPTION_BYTES_MAX {
            report.add(format!("/description_html/{}", locale.tag()), "must be at most 256 KiB");
        }
    }
    report.line("/vendor", &input.vendor, NAME_CHARS_MAX);
    report.line("/product_type", &input.product_type, NAME_CHARS_MAX);
    if let Some(category) = &input.category {
        report.handle("/category", category);
    }
    report.at_most("/tags", input.tags.len(), TAGS_MAX);
    for (index, tag) in input.tags.iter().enumerate() {
        report.line(&format!("/tags/{index}"), tag, NAME_CHARS_MAX);
    }
    report.chars("/seo_title", &input.seo_title, NAME_CHARS_MAX);
    report.chars("/seo_description", &input.seo_description, SEO_CHARS_MAX);
    report.attributes("/attributes", &input.attributes);
    report.images(&input.images);
    report.options(&input.options);
    report.variants(&input.options, &input.variants);
    report.violations
}

/// Everything that is wrong with a handle of a category.
pub fn check_handle(field: &str, handle: &str) -> Vec<Violation> {
    let mut report = Report::default();
    report.handle(field, handle);
    report.violations
}

/// Everything that is wrong with a name in several languages.
pub fn check_name(field: &str, name: &LocalizedText) -> Vec<Violation> {
    let mut report = Report::default();
    if name.is_empty() {
        report.add(field, "needs a text in at least one language (ko, en)");
    }
    report.localized(field, name, NAME_CHARS_MAX);
    report.violations
}

#[derive(Default)]
struct Report {
    violations: Vec<Violation>,
}

impl Report {
    fn add(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.violations.push(Violation::new(field, detail));
    }

    fn at_most(&mut self, field: &str, len: usize, max: usize) {
        if len > max {
            self.add(field, format!("must have at most {max} entries, has {len}"));
        }
    }

    fn chars(&mut self, field: &str, text: &str, max: usize) {
        if text.chars().count() > max {
            self.add(field, format!("must be at most {max} characters"));
        }
    }

    /// Text without control characters.
    fn line(&mut self, field: &str, text: &str, max: usize) {
        self.chars(field, text, max);
        if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            self.add(field, "must not contain control characters");
        }
    }

    fn localized(&mut self, field: &str, text: &LocalizedText, max: usize) {
        for (locale, text) in &text.0 {
            self.line(&format!("{field}/{}", locale.tag()), text, max);
        }
    }

    fn handle(&mut self, field: &str, handle: &str) {
        let allowed = |c: char| c == '-' || c == '_' || (c.is_alphanumeric() && !c.is_uppercase());
        if handle.is_empty() || handle.chars().count() > NAME_CHARS_MAX {
            self.add(field, format!("must be 1 to {NAME_CHARS_MAX} characters"));
        } else if !handle.chars().all(allowed) {
            self.add(field, "must consist of lower-case letters, digits, `-` and `_`");
        } else if handle.parse::<ProductId>().is_ok() {
            self.add(field, "must not look like a product id");
        }
    }

    fn url(&mut self, field: &str, url: &str) {
        let known = url.starts_with("https://") || url.starts_with("http://") || url.starts_with('/');
        if !known || url.len() > URL_BYTES_MAX || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            self.add(
                field,
                format!("must begin with https://, http:// or /, at most {URL_BYTES_MAX} bytes, no spaces"),
            );
        }
    }

    fn attributes(&mut self, field: &str, attributes: &BTreeMap<String, String>) {
        self.at_most(field, attributes.len(), ATTRIBUTES_MAX);
        for (name, value) in attributes {
            if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || value.len() > ATTRIBUTE_BYTES_MAX {
                let shown: String = name.chars().take(40).collect();
                self.add(
                    format!("{field}/{}", shown.replace('~', "~0").replace('/', "~1")),
                    format!("names take 1 to {NAME_CHARS_MAX} characters, values at most 64 KiB"),
                );
            }
        }
    }

    fn images(&mut self, images: &[Image]) {
        self.at_most("/images", images.len(), IMAGES_MAX);
        for (index, image) in images.iter().enumerate() {
            self.url(&format!("/images/{index}/url"), &image.url);
            self.localized(&format!("/images/{index}/alt"), &image.alt, SEO_CHARS_MAX);
        }
    }

    fn options(&mut self, options: &[ProductOption]) {
        self.at_most("/options", options.len(), OPTIONS_MAX);
        for (index, option) in options.iter().enumerate() {
            let field = format!("/options/{index}");
            if option.name.is_empty() {
                self.add(format!("{field}/name"), "needs a text in at least one language (ko, en)");
            }
            self.localized(&format!("{field}/name"), &option.name, NAME_CHARS_MAX);
            if option.values.is_empty() || option.values.len() > OPTION_VALUES_MAX {
                self.add(format!("{field}/values"), format!("must have 1 to {OPTION_VALUES_MAX} values"));
            }
            let mut seen = HashSet::new();
            for (at, value) in option.values.iter().enumerate() {
                let field = format!("{field}/values/{at}");
                if value.is_empty() {
                    self.add(&field, "must not be empty");
                }
                self.line(&field, value, NAME_CHARS_MAX);
                if !seen.insert(value) {
                    self.add(&field, "is there twice");
                }
            }
        }
    }

    fn variants(&mut self, options: &[ProductOption], variants: &[VariantInput]) {
        self.at_most("/variants", variants.len(), VARIANTS_MAX);
        let (mut combinations, mut skus) = (HashSet::new(), HashSet::new());
        for (index, variant) in variants.iter().take(VARIANTS_MAX).enumerate() {
            let field = format!("/variants/{index}");
            self.option_values(&field, options, variant);
            if !combinations.insert(&variant.option_values) {
                self.add(format!("{field}/option_values"), "another variant has the same combination");
            }
            if let Some(sku) = &variant.sku {
                self.line(&format!("{field}/sku"), sku, NAME_CHARS_MAX);
                if !skus.insert(sku) {
                    self.add(format!("{field}/sku"), "another variant has the same SKU");
                }
            }
            if let Some(barcode) = &variant.barcode {
                self.line(&format!("{field}/barcode"), barcode, NAME_CHARS_MAX);
            }
            self.prices(&format!("{field}/prices"), &variant.prices);
            if !(0..=WEIGHT_GRAMS_MAX).contains(&variant.weight_grams) {
                self.add(format!("{field}/weight_grams"), format!("must be between 0 and {WEIGHT_GRAMS_MAX}"));
            }
            if let Some(url) = &variant.image_url {
                self.url(&format!("{field}/image_url"), url);
            }
            if let Some(cost) = variant.cost {
                self.amount(&format!("{field}/cost/amount_minor"), cost);
            }
            self.attributes(&format!("{field}/attributes"), &variant.attributes);
            self.on_hand(&format!("{field}/on_hand"), variant);
        }
    }

    fn option_values(&mut self, field: &str, options: &[ProductOption], variant: &VariantInput) {
        if variant.option_values.len() != options.len() {
            let detail = format!("must have one value per option of the product, which has {}", options.len());
            return self.add(format!("{field}/option_values"), detail);
        }
        for (at, (value, option)) in variant.option_values.iter().zip(options).enumerate() {
            if !option.values.contains(value) {
                self.add(format!("{field}/option_values/{at}"), "is not among the values of this option");
            }
        }
    }

    fn prices(&mut self, field: &str, prices: &[Price]) {
        self.at_most(field, prices.len(), PRICES_MAX);
        let mut currencies = HashSet::new();
        for (index, price) in prices.iter().enumerate() {
            self.amount(&format!("{field}/{index}/amount/amount_minor"), price.amount);
            if !currencies.insert(price.amount.currency) {
                self.add(format!("{field}/{index}"), format!("there is another price in {}", price.amount.currency));
            }
            if let Some(compare_at) = price.compare_at {
                self.amount(&format!("{field}/{index}/compare_at/amount_minor"), compare_at);
                if compare_at.currency != price.amount.currency {
                    self.add(format!("{field}/{index}/compare_at/currency"), "must be the currency of the amount");
                }
            }
        }
    }

    fn amount(&mut self, field: &str, money: Money) {
        if !(0..=AMOUNT_MINOR_MAX).contains(&money.amount_minor) {
            self.add(field, format!("must be between 0 and {AMOUNT_MINOR_MAX}"));
        }
    }

    fn on_hand(&mut self, field: &str, variant: &VariantInput) {
        let Some(on_hand) = variant.on_hand else { return };
        let may_be_negative = variant.allow_backorder || !variant.track_stock;
        let min = if may_be_negative { -ON_HAND_MAX } else { 0 };
        if !(min..=ON_HAND_MAX).contains(&on_hand) {
            self.add(field, format!("must be between {min} and {ON_HAND_MAX}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::{Currency, Locale};

    use super::*;

    fn good() -> ProductInput {
        ProductInput {
            handle: "티셔츠-basic_2".to_owned(),
            title: LocalizedText::both("티셔츠", "T-shirt"),
            options: vec![ProductOption {
                name: LocalizedText::one(Locale::En, "Size"),
                values: vec!["S".to_owned(), "L".to_owned()],
            }],
            variants: ["S", "L"]
                .map(|size| VariantInput {
                    sku: Some(format!("T-{size}")),
                    option_values: vec![size.to_owned()],
                    prices: vec![Price { amount: Money::new(12_900, Currency::KRW), compare_at: None }],
                    ..VariantInput::default()
                })
                .to_vec(),
            ..ProductInput::default()
        }
    }

    fn fields(input: &ProductInput) -> Vec<String> {
        check(input).into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_good_product_passes_and_tidying_keeps_it() {
        assert_eq!(check(&good()), []);
        assert_eq!(tidy(good()), good());
    }

    #[test]
    fn all_violations_are_named_at_once() {
        let mut bad = good();
        bad.handle = "Has Spaces".to_owned();
        bad.title = LocalizedText::default();
        bad.variants[0]
            .prices
            .push(Price { amount: Money::new(-1, Currency::KRW), compare_at: Some(Money::new(1, Currency::USD)) });
        bad.variants[1].sku = bad.variants[0].sku.clone();
        bad.variants[1].option_values = vec!["S".to_owned()];
        bad.variants[1].on_hand = Some(-1);
        bad.variants[1].weight_grams = -5;
        bad.variants[1].image_url = Some("javascript:alert(1)".to_owned());
        assert_eq!(
            fields(&bad),
            [
                "/handle",
                "/title",
                "/variants/0/prices/1/amount/amount_minor",
                "/variants/0/prices/1",
                "/variants/0/prices/1/compare_at/currency",
                "/variants/1/option_values",
                "/variants/1/sku",
                "/variants/1/weight_grams",
                "/variants/1/image_url",
                "/variants/1/on_hand",
            ]
        );
    }

    #[test]
    fn option_values_must_be_known_and_complete() {
        let mut bad = good();
        bad.variants[0].option_values = vec!["XL".to_owned()];
        bad.variants[1].option_values = vec![];
        assert_eq!(fields(&bad), ["/variants/0/option_values/0", "/variants/1/option_values"]);
    }

    #[test]
    fn negative_stock_needs_backorder() {
        let mut input = good();
        input.variants[0].on_hand = Some(-3);
        assert_eq!(fields(&input), ["/variants/0/on_hand"]);
        input.variants[0].allow_backorder = true;
        assert_eq!(check(&input), []);
    }

    #[test]
    fn handles_never_collide_with_ids_and_tidying_is_idempotent() {
        let mut input = good();
        input.handle = "prd_00000000000000000000000000000007".to_owned();
        assert_eq!(fields(&input), ["/handle"]);
        input.description_html = LocalizedText::both(
            "<p onclick=\"x()\">안녕 & <script>alert(1)</script><a href=\"javascript:x\">b</a></p>",
            "5 > 3 <b>bold",
        );
        input.tags = vec![" a ".to_owned(), "a".to_owned(), String::new()];
        let once = tidy(input);
        assert_eq!(once.description_html.get(Locale::Ko), "<p>안녕 &amp; <a rel=\"noopener noreferrer\">b</a></p>");
        assert_eq!(once.tags, ["a"]);
        assert_eq!(tidy(once.clone()), once);
    }
}
