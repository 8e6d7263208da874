//! Real files, and what is read from them.

use contracts::{Currency, Locale, Money, product::TaxClass};
use product_service::product::{ProductInput, ProductStatus};

use crate::{KRW, USD, good, written};

const HOME_AND_GARDEN: &[u8] = include_bytes!("../data/shopify-home-and-garden.csv");
const MARKETS_2024: &[u8] = include_bytes!("../data/shopify-2024-markets.csv");
const KOREAN_2025: &[u8] = include_bytes!("../data/shopify-2025-korean.csv");

fn find<'a>(products: &'a [ProductInput], handle: &str) -> &'a ProductInput {
    products.iter().find(|product| product.handle == handle).unwrap()
}

#[test]
fn shopifys_own_sample() {
    let products = good(HOME_AND_GARDEN, USD);
    assert_eq!(products.len(), 20);
    let pot = find(&products, "clay-plant-pot");
    assert_eq!(pot.title.get(Locale::En), "Clay Plant Pot");
    assert_eq!(pot.status, ProductStatus::Active);
    assert_eq!(pot.tags, ["Pot", "Plants"]);
    assert_eq!(pot.options[0].values, ["Regular", "Large"]);
    assert_eq!(pot.images.len(), 2);
    let variant = &pot.variants[1];
    assert_eq!(variant.option_values, ["Large"]);
    assert_eq!(variant.prices[0].amount, Money::new(1599, Currency::USD));
    assert_eq!((variant.sku.as_ref(), variant.on_hand, variant.track_stock), (None, Some(3), true));
    let light = find(&products, "copper-light");
    assert!(light.options.is_empty(), "Title / Default Title is no option");
    assert_eq!(light.variants[0].prices[0].compare_at, Some(Money::new(7500, Currency::USD)));
    let sold_out = find(&products, "pink-armchair");
    assert_eq!((sold_out.variants[0].on_hand, sold_out.variants[0].track_stock), (Some(0), true));
    assert_eq!(light.variants[0].attributes["Variant Weight Unit"], "kg");
}

#[test]
fn a_file_of_2024_with_markets_and_metafields() {
    let products = good(MARKETS_2024, USD);
    assert_eq!(products.len(), 3);
    let tee = find(&products, "merino-tee");
    assert_eq!(tee.variants.len(), 9);
    assert_eq!(tee.images.len(), 4, "three of variants, one on a row of its own");
    assert_eq!(tee.options[0].values, ["Black", "Oat / Cream", "Forest \"Deep\""]);
    assert_eq!(tee.attributes["Care (product.metafields.custom.care)"], "Wash cold.\nDry flat.");
    assert_eq!(tee.attributes["Included / United States"], "true");
    assert!(!tee.attributes.contains_key("Gift Card"), "false is what it would be anyway");
    assert_eq!(tee.variants[2].attributes["Price / International"], "31.00");
    assert_eq!(tee.variants[0].barcode.as_deref(), Some("8800000000001"));
    assert_eq!(tee.variants[0].cost, Some(Money::new(1150, Currency::USD)));
    assert_eq!(tee.variants[0].weight_grams, 180);
    assert_eq!(find(&products, "wool-wash").status, ProductStatus::Archived);
    let download = find(&products, "knitting-pattern-pdf");
    assert_eq!(download.status, ProductStatus::Draft, "not published");
    let variant = &download.variants[0];
    assert!(!variant.requires_shipping && !variant.track_stock && variant.allow_backorder);
}

#[test]
fn a_korean_file_of_2025_with_a_byte_order_mark_and_new_headers() {
    let products = good(KOREAN_2025, KRW);
    assert_eq!(products.len(), 4);
    let dress = find(&products, "linen-dress");
    assert_eq!(dress.title.get(Locale::Ko), "린넨 롱 원피스");
    assert!(dress.description_html.get(Locale::Ko).contains("\"프리\" 사이즈, 66까지</li>\n"));
    assert_eq!(dress.options[0].name.get(Locale::Ko), "색상");
    assert_eq!(dress.images.len(), 4);
    assert_eq!(dress.images[2].alt.get(Locale::Ko), "뒷모습,\n자연광");
    assert_eq!(dress.variants.len(), 2);
    assert_eq!(dress.variants[0].prices[0].compare_at, Some(Money::new(79_000, Currency::KRW)));
    assert_eq!(dress.attributes["Option1 Linked To"], "product.metafields.shopify.color-pattern");
    let rice = find(&products, "햅쌀-10kg");
    assert_eq!(rice.variants[0].tax_class, TaxClass::Exempt);
    assert_eq!(rice.variants[0].prices[0].amount, Money::new(42_000, Currency::KRW));
    let voucher = find(&products, "gift-50000");
    assert_eq!(voucher.attributes["Gift Card"], "TRUE");
    assert!(!voucher.variants[0].track_stock);
    let coat = find(&products, "winter-coat");
    assert_eq!((coat.status, coat.variants[0].weight_grams), (ProductStatus::Draft, 1361));
}

#[test]
fn writing_them_and_reading_that_changes_nothing() {
    for (file, options) in [(HOME_AND_GARDEN, USD), (MARKETS_2024, USD), (KOREAN_2025, KRW)] {
        let products = good(file, options);
        let once = written(&products, options);
        assert_eq!(good(&once, options), products);
        assert_eq!(written(&good(&once, options), options), once);
    }
}

#[test]
fn they_keep_the_rules_of_the_catalogue() {
    for (file, options) in [(HOME_AND_GARDEN, USD), (MARKETS_2024, USD), (KOREAN_2025, KRW)] {
        for product in good(file, options) {
            let product = product_service::validation::tidy(product);
            assert_eq!(product_service::validation::check(&product), [], "{}", product.handle);
        }
    }
}

#[test]
fn the_demo_shop_survives_the_format() {
    let products: Vec<ProductInput> = jangteo::demo::products(50).collect();
    for options in [USD, KRW] {
        let file = written(&products, options);
        assert_eq!(good(&file, options), products);
    }
}
