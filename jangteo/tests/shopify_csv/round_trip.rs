//! Any product that the catalogue takes reads back as it was written, whatever the file's own language
//! and currency.

use std::collections::BTreeMap;

use contracts::{Currency, Locale, LocalizedText, Money, product::TaxClass};
use jangteo::shopify_csv::ReadOptions;
use product_service::product::{Image, Price, ProductInput, ProductOption, ProductStatus, VariantInput};
use proptest::{collection::vec, option, prelude::*, sample::select, string::string_regex};

use crate::{good, written};

/// Text with everything that a CSV stumbles over, without blanks at the ends.
fn text() -> impl Strategy<Value = String> {
    string_regex("[가-힣a-zA-Z0-9\"',;<>&/](?:[가-힣a-z \"',;\n\r\t/é🫖]{0,12}[가-힣a-zA-Z0-9\"';])?").unwrap()
}

fn localized(min: usize) -> impl Strategy<Value = LocalizedText> {
    (option::of(text()), option::of(text()), any::<bool>(), text()).prop_map(move |(ko, en, first, spare)| {
        let mut all = BTreeMap::new();
        all.extend(ko.map(|text| (Locale::Ko, text)));
        all.extend(en.map(|text| (Locale::En, text)));
        if all.len() < min {
            all.insert(if first { Locale::Ko } else { Locale::En }, spare);
        }
        LocalizedText(all)
    })
}

fn attributes() -> impl Strategy<Value = BTreeMap<String, String>> {
    let odd = [
        "Title",
        "Gift Card",
        "gift card",
        "Variant Fulfillment Service",
        "Variant Price",
        "Variant Foo",
        "Foo",
        " Foo",
        "Price / USD",
        "Variant Attribute / x",
        "Option1 Value",
        "Status",
    ];
    let name = prop_oneof![select(odd.to_vec()).prop_map(str::to_owned), text()];
    let value = prop_oneof![select(vec!["false", "manual", "true", " "]).prop_map(str::to_owned), text()];
    proptest::collection::btree_map(name, value, 0..4)
}

fn money(currency: Currency) -> impl Strategy<Value = Money> {
    (0..=1_000_000_000_000_i64).prop_map(move |amount| Money::new(amount, currency))
}

fn prices() -> impl Strategy<Value = Vec<Price>> {
    let price = |currency| {
        option::of((money(currency), option::of(money(currency))))
            .prop_map(|price| price.map(|(amount, compare_at)| Price { amount, compare_at }))
    };
    let kwd: Currency = "KWD".parse().unwrap();
    // In the order of their codes, as the catalogue keeps them.
    (price(Currency::KRW), price(kwd), price(Currency::USD))
        .prop_map(|(krw, kwd, usd)| [krw, kwd, usd].into_iter().flatten().collect())
}

fn variant() -> impl Strategy<Value = VariantInput> {
    let cost = prop_oneof![Just(None), money(Currency::KRW).prop_map(Some), money(Currency::USD).prop_map(Some)];
    (
        (option::of(text()), option::of(text()), prices(), any::<bool>(), any::<bool>(), 0..1_000_000_000_i64),
        (any::<bool>(), any::<bool>(), option::of(text()), cost, attributes(), option::of(-1000..1_000_000_i64)),
    )
        .prop_map(|(left, right)| {
            let (sku, barcode, prices, exempt, requires_shipping, weight_grams) = left;
            let (track_stock, allow_backorder, image, cost, attributes, on_hand) = right;
            VariantInput {
                sku,
                barcode,
                option_values: Vec::new(),
                prices,
                tax_class: if exempt { TaxClass::Exempt } else { TaxClass::Standard },
                requires_shipping,
                weight_grams,
                track_stock,
                allow_backorder,
                image_url: image.map(|name| format!("https://x/{name}")),
                cost,
                attributes,
                // What is not counted has no count.
                on_hand: on_hand.filter(|_| track_stock),
            }
        })
}

/// Options, and variants that take some of their combinations.
fn choices() -> impl Strategy<Value = (Vec<ProductOption>, Vec<VariantInput>)> {
    let values =
        proptest::collection::btree_set(text(), 1..4).prop_map(|values| values.into_iter().collect::<Vec<_>>());
    let option = (localized(1), values.prop_shuffle()).prop_map(|(name, values)| ProductOption { name, values });
    (vec(option, 0..=3), vec(variant(), 0..6), any::<u64>()).prop_map(|(options, mut variants, seed)| {
        let combinations: usize = options.iter().map(|option| option.values.len()).product();
        variants.truncate(combinations);
        for (index, variant) in variants.iter_mut().enumerate() {
            let mut number = (index + seed as usize % combinations) % combinations;
            for option in &options {
                variant.option_values.push(option.values[number % option.values.len()].clone());
                number /= option.values.len();
            }
        }
        (options, variants)
    })
}

fn product() -> impl Strategy<Value = ProductInput> {
    let status = select(vec![ProductStatus::Draft, ProductStatus::Active, ProductStatus::Archived]);
    let image = (text(), localized(0)).prop_map(|(name, alt)| Image { url: format!("/{name}"), alt });
    (
        (
            string_regex("[a-z가-힣0-9_-]{1,12}").unwrap(),
            status,
            localized(1),
            localized(0),
            option::of(text()),
            option::of(text()),
        ),
        (
            option::of(string_regex("[a-z-]{1,8}").unwrap()),
            vec(text(), 0..4),
            vec(image, 0..5),
            option::of(text()),
            option::of(text()),
        ),
        (attributes(), choices()),
    )
        .prop_map(
            |((handle, status, title, description_html, vendor, product_type), middle, (attributes, choices))| {
                let (category, tags, images, seo_title, seo_description) = middle;
                ProductInput {
                    handle,
                    status,
                    title,
                    description_html,
                    vendor: vendor.unwrap_or_default(),
                    product_type: product_type.unwrap_or_default(),
                    category,
                    tags,
                    options: choices.0,
                    images,
                    seo_title: seo_title.unwrap_or_default(),
                    seo_description: seo_description.unwrap_or_default(),
                    attributes,
                    variants: choices.1,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_was_written_reads_back_the_same(
        mut products in vec(product(), 1..4),
        currency in select(vec![Currency::KRW, Currency::USD]),
        locale in select(vec![Locale::Ko, Locale::En]),
    ) {
        for (index, product) in products.iter_mut().enumerate() {
            product.handle.push_str(&index.to_string());
        }
        let options = ReadOptions { currency, locale };
        let file = written(&products, options);
        let read = good(&file, options);
        prop_assert_eq!(&read, &products, "{}", String::from_utf8_lossy(&file));
    }

    #[test]
    fn any_bytes_are_answered(file in "(?s)(Handle,Title,Variant Price\n)?.{0,300}") {
        let options = ReadOptions { currency: Currency::KRW, locale: Locale::Ko };
        if let Ok(products) = jangteo::shopify_csv::read(file.as_bytes(), options) {
            prop_assert!(products.count() <= file.len());
        }
    }
}
