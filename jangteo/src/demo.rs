//! The demo shop: a plausible Korean general store, made from word lists. The same number gives the same
//! product, so that a seeding that was cut off goes on where it stopped, and any count can be had: 500 to
//! look around, 100,000 to measure.

mod shelves;
mod words;

use contracts::{Currency, LocalizedText, Money, product::TaxClass};
use product_service::{
    category::CategoryInput,
    product::{Price, ProductInput, ProductOption, ProductStatus, VariantInput},
};

use self::{
    shelves::SHELVES,
    words::{Choices, DEPARTMENTS, STYLES, Shelf, Thing, Word},
};

/// Of this there is always plenty; the start page's example buys it.
pub const DEMO_SKU: &str = "DEMO-TEE-BLACK-M";
/// On the shelf of each variant of the first product.
const DEMO_STOCK: i64 = 100_000;
/// So many things further is the next product, so that neighbours in a list differ; coprime to their count.
const STRIDE: usize = 37;
/// Won for a dollar, about.
const WON_PER_DOLLAR: i64 = 1350;

/// The categories, parents first.
pub fn categories() -> Vec<CategoryInput> {
    let departments = DEPARTMENTS.iter().map(|(handle, name)| (*handle, *name, None));
    let shelves = SHELVES.iter().map(|shelf| (shelf.handle, shelf.name, Some(shelf.parent.to_owned())));
    let numbered = departments.chain(shelves).zip(1..);
    numbered
        .map(|((handle, name, parent), position)| CategoryInput {
            handle: handle.to_owned(),
            name: both(name),
            parent,
            position,
        })
        .collect()
}

/// The first `count` products. The first one is always the T-shirt that has [`DEMO_SKU`].
pub fn products(count: usize) -> impl Iterator<Item = ProductInput> {
    (0..count).map(product)
}

fn product(number: usize) -> ProductInput {
    let things: usize = SHELVES.iter().map(|shelf| shelf.things.len()).sum();
    let Some(rest) = number.checked_sub(1) else { return demo_tee() };
    let (mut index, round) = (rest * STRIDE % things, rest / things);
    for shelf in SHELVES {
        if let Some(thing) = shelf.things.get(index) {
            return shelf_product(number, shelf, thing, round);
        }
        index -= shelf.things.len();
    }
    demo_tee()
}

/// One thing in one of its styles and materials. Within a shelf every round has another pair of them;
/// when all are used up, names are numbered.
fn shelf_product(number: usize, shelf: &Shelf, thing: &Thing, round: usize) -> ProductInput {
    // With an even number of features and 32 styles no pair comes twice before all have come.
    let shift = usize::try_from(thing.hundreds).unwrap_or(0) + thing.name.1.len();
    let feature = shelf.features[(round + shift) % shelf.features.len()];
    let styles = round / shelf.features.len() + round + shift * 5;
    let style = STYLES[styles % STYLES.len()];
    let edition = round / (shelf.features.len() * STYLES.len());
    let suffix = if edition == 0 { String::new() } else { format!(" {}", edition + 1) };
    let title =
        |pick: fn(Word) -> &'static str| format!("{} {} {}{suffix}", pick(style), pick(feature), pick(thing.name));
    let (ko, en) = (title(|word| word.0), title(|word| word.1));
    let chance = mix(number as u64);
    ProductInput {
        handle: slug(&en),
        status: ProductStatus::Active,
        description_html: description(&ko, &en, feature, shelf),
        title: LocalizedText::both(ko, en),
        vendor: shelf.vendors[chance as usize % shelf.vendors.len()].to_owned(),
        product_type: thing.name.1.to_owned(),
        category: Some(shelf.handle.to_owned()),
        tags: tags(shelf, thing, feature),
        options: options(shelf.choices),
        variants: variants(shelf, thing, number, &format!("{}-{number:05}", shelf.code)),
        ..ProductInput::default()
    }
}

fn demo_tee() -> ProductInput {
    let mut product = ProductInput {
        handle: "demo-tee".to_owned(),
        status: ProductStatus::Active,
        title: LocalizedText::both("장터 데모 티셔츠", "Jangteo Demo Tee"),
        description_html: LocalizedText::both(
            "<p>처음 사 보는 물건입니다. 재고가 넉넉합니다.</p>",
            "<p>The first thing to buy here. There is plenty of it.</p>",
        ),
        vendor: "Jangteo".to_owned(),
        product_type: "T-shirt".to_owned(),
        category: Some("tops".to_owned()),
        tags: ["티셔츠", "tee", "demo"].map(str::to_owned).to_vec(),
        ..ProductInput::default()
    };
    let shelf = &SHELVES[0];
    product.options = options(shelf.choices);
    product.variants = variants(shelf, &shelf.things[0], 0, "DEMO-TEE");
    for variant in &mut product.variants {
        variant.on_hand = Some(DEMO_STOCK);
        variant.prices = prices(19_900, None);
    }
    product
}

fn both(word: Word) -> LocalizedText {
    LocalizedText::both(word.0, word.1)
}

fn options(choices: Choices) -> Vec<ProductOption> {
    let option = |(name, values): &(Word, &[&str])| ProductOption {
        name: both(*name),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    choices.iter().map(option).collect()
}

/// Every combination of the choices.
fn variants(shelf: &Shelf, thing: &Thing, number: usize, sku: &str) -> Vec<VariantInput> {
    let mut combinations = vec![Vec::new()];
    for (_, values) in shelf.choices {
        combinations = combinations
            .iter()
            .flat_map(|combination: &Vec<usize>| {
                (0..values.len()).map(move |value| [combination.as_slice(), &[value]].concat())
            })
            .collect();
    }
    let variant = |(index, picked): (usize, Vec<usize>)| {
        let values: Vec<String> =
            picked.iter().zip(shelf.choices).map(|(pick, (_, values))| values[*pick].to_owned()).collect();
        // Colours cost the same; of the other choices each further value costs more.
        let dearer: usize = picked.iter().skip(1).sum();
        let suffix: String = values.iter().map(|value| format!("-{}", slug(value).to_ascii_uppercase())).collect();
        let chance = mix((number as u64) << 8 | index as u64);
        let won = won(shelf, thing, number, dearer as i64);
        VariantInput {
            sku: Some(format!("{sku}{suffix}")),
            barcode: Some(barcode(number * 100 + index)),
            option_values: values,
            prices: prices(won, (number % 7 == 3).then_some(won * 5 / 4 / 1000 * 1000 + 900)),
            tax_class: shelf.tax_class,
            weight_grams: thing.grams + thing.grams / 5 * dearer as i64,
            cost: Some(Money::new(won * 55 / 100, Currency::KRW)),
            on_hand: Some(stock(chance)),
            ..VariantInput::default()
        }
    };
    combinations.into_iter().enumerate().map(variant).collect()
}

/// Prices of one thing differ by up to a third either way, and end in 900 as in Korean shops.
fn won(shelf: &Shelf, thing: &Thing, number: usize, dearer: i64) -> i64 {
    let percent = 70 + (mix(number as u64 ^ 0x5EED) % 65) as i64;
    let percent = percent + dearer * if matches!(shelf.tax_class, TaxClass::Exempt) { 60 } else { 15 };
    let won = thing.hundreds * percent;
    (won / 1000).max(1) * 1000 + 900
}

fn prices(won: i64, former: Option<i64>) -> Vec<Price> {
    // Dollar prices end in 99 cents.
    let cents = |won: i64| (won / WON_PER_DOLLAR).max(1) * 100 + 99;
    let price = |currency, amount, compare_at: Option<i64>| Price {
        amount: Money::new(amount, currency),
        compare_at: compare_at.map(|amount| Money::new(amount, currency)),
    };
    vec![price(Currency::KRW, won, former), price(Currency::USD, cents(won), former.map(cents))]
}

/// Most variants are well stocked, some are almost gone, a few are.
fn stock(chance: u64) -> i64 {
    match chance % 100 {
        0..=2 => 0,
        3..=9 => 1 + (chance >> 8) as i64 % 3,
        _ => 20 + ((chance >> 8) % 180) as i64,
    }
}

fn tags(shelf: &Shelf, thing: &Thing, feature: Word) -> Vec<String> {
    let department = DEPARTMENTS.iter().find(|(handle, _)| *handle == shelf.parent).map(|(_, name)| *name);
    let words = [Some(shelf.name), department, Some(thing.name), Some(feature)];
    words.into_iter().flatten().flat_map(|(ko, en)| [ko.to_owned(), en.to_lowercase()]).collect()
}

fn description(ko: &str, en: &str, feature: Word, shelf: &Shelf) -> LocalizedText {
    let tax_free = matches!(shelf.tax_class, TaxClass::Exempt);
    let tax_ko =
        if tax_free { "부가세 면세 상품입니다." } else { "가격에 부가세가 들어 있습니다." };
    let tax_en = if tax_free { "Exempt from VAT." } else { "The price includes VAT." };
    LocalizedText::both(
        format!(
            "<p><strong>{ko}</strong>, {} 코너에서 오래 사랑받는 물건입니다.</p>\
             <ul><li>특징: {}</li><li>평일 오후 2시까지 주문하면 그날 보냅니다.</li><li>{tax_ko}</li></ul>",
            shelf.name.0, feature.0,
        ),
        format!(
            "<p><strong>{en}</strong>, a lasting favourite from our {} shelf.</p>\
             <ul><li>Known for: {}</li><li>Orders before 2 pm on weekdays leave the same day.</li><li>{tax_en}</li></ul>",
            shelf.name.1.to_lowercase().replace('&', "and"),
            feature.1,
        ),
    )
}

/// An EAN-13 from the range for use within a shop (prefix 20), so that it is nobody else's.
fn barcode(number: usize) -> String {
    let digits = format!("20{:010}", number % 10_000_000_000);
    let sum: u32 =
        digits.bytes().zip([1, 3].iter().cycle()).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Lower-case ASCII letters and digits with `-` in between.
fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// SplitMix64: spreads a number over all bits.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_first_product_can_be_bought_by_its_known_sku() {
        let tee = products(1).next().unwrap();
        let variant = tee.variants.iter().find(|variant| variant.sku.as_deref() == Some(DEMO_SKU)).unwrap();
        assert_eq!(variant.option_values, ["Black", "M"]);
        assert_eq!(variant.on_hand, Some(DEMO_STOCK));
        assert_eq!(variant.prices[0].amount, Money::new(19_900, Currency::KRW));
    }

    #[test]
    fn the_demo_shop_has_the_promised_size() {
        let variants: usize = products(500).map(|product| product.variants.len()).sum();
        assert!((5_700..=6_300).contains(&variants), "{variants}");
        assert!(products(500).eq(products(500)), "the same every time");
    }

    #[test]
    fn every_category_is_used_and_known() {
        let handles: Vec<String> = categories().into_iter().map(|category| category.handle).collect();
        assert_eq!(handles.iter().collect::<HashSet<_>>().len(), handles.len());
        let used: HashSet<String> = products(500).filter_map(|product| product.category).collect();
        assert_eq!(used.len(), SHELVES.len());
        assert!(used.iter().all(|handle| handles.contains(handle)));
        let parents_first = categories()
            .iter()
            .enumerate()
            .all(|(index, category)| category.parent.as_ref().is_none_or(|parent| handles[..index].contains(parent)));
        assert!(parents_first);
    }

    #[test]
    fn products_are_all_different_also_when_every_pair_of_words_is_used_up() {
        let (mut handles, mut titles, mut skus, mut barcodes) =
            (HashSet::new(), HashSet::new(), HashSet::new(), HashSet::new());
        for product in products(40_000) {
            for variant in &product.variants {
                assert!(skus.insert(variant.sku.clone().unwrap()), "{:?}", variant.sku);
                assert!(barcodes.insert(variant.barcode.clone().unwrap()), "{:?}", variant.barcode);
                assert!(variant.prices.iter().all(|price| price.amount.amount_minor > 0));
            }
            assert!(titles.insert(product.title.0.clone()), "{:?}", product.title);
            assert!(handles.insert(product.handle), "{:?}", product.title);
        }
    }

    #[test]
    fn everything_passes_the_rules_of_the_catalogue() {
        for product in products(2000) {
            let violations = product_service::validation::check(&product);
            assert!(violations.is_empty(), "{}: {violations:?}", product.handle);
            assert_eq!(product_service::validation::tidy(product.clone()), product, "nothing is left to tidy");
        }
    }

    #[test]
    fn barcodes_have_their_check_digit() {
        // GS1's own example.
        assert_eq!(barcode(0), "2000000000008");
        let sum: u32 = barcode(1234).bytes().zip([1, 3].iter().cycle()).map(|(b, w)| u32::from(b - b'0') * w).sum();
        assert_eq!(sum % 10, 0);
    }
}
