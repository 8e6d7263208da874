//! What an input makes of a product: matching of variants, and whether anything changes at all.

use std::collections::HashMap;

use contracts::{
    Violation,
    product::{ProductId, VariantId},
};
use jiff::Timestamp;

use crate::{
    product::{Product, ProductInput, Variant, VariantInput},
    stock::StockLevel,
    validation,
};

/// So many of a variant are on the shelf, as somebody counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Which variant.
    pub variant_id: VariantId,
    /// How many.
    pub on_hand: i64,
    /// Where the variant stands in the product, for messages.
    pub position: usize,
}

/// A product as it will be, and what has to be written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The product, with the version that it will have.
    pub product: Product,
    /// The version that it replaces; `None` for a new product.
    pub replaces: Option<u64>,
    /// False if only counts differ.
    pub edited: bool,
    /// Counts that differ from what is on hand.
    pub counts: Vec<Count>,
    /// Variants that the product no longer has.
    pub retired: Vec<VariantId>,
}

impl Revision {
    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        !self.edited && self.counts.is_empty()
    }
}

/// Where new ids and the time come from.
pub struct Origin<'a> {
    /// The id, should the product be new.
    pub product_id: ProductId,
    /// Mints ids for new variants.
    pub variant_id: &'a mut dyn FnMut() -> VariantId,
    /// The present instant.
    pub now: Timestamp,
}

/// What a product shall be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Everything but ids.
    pub input: ProductInput,
    /// Which variant each entry of `input.variants` is (`None`: a new one); if absent, they are found by
    /// SKU and option values.
    pub ids: Option<Vec<Option<VariantId>>>,
}

impl Wanted {
    /// What an import or a whole new product says.
    pub fn by_content(input: ProductInput) -> Self {
        Self { input, ids: None }
    }

    /// `product` as it is, to be changed.
    pub fn same(product: &Product) -> Self {
        let ids = product.variants.iter().map(|variant| Some(variant.id)).collect();
        Self { input: product.to_input(), ids: Some(ids) }
    }
}

/// Turns `wanted` into a new product, or into a new version of `current`. Variants are the same if their
/// SKU is, else if their option values are; those that the input does not name are retired.
pub fn revise(
    current: Option<(&Product, &[StockLevel])>,
    wanted: Wanted,
    origin: Origin<'_>,
) -> Result<Revision, Vec<Violation>> {
    let mut input = validation::tidy(wanted.input);
    let violations = validation::check(&input);
    if !violations.is_empty() {
        return Err(violations);
    }
    let (before, levels) = current.map_or((None, &[][..]), |(product, levels)| (Some(product), levels));
    let inputs = std::mem::take(&mut input.variants);
    let known = before.map_or(&[][..], |product| &product.variants);
    let matched = wanted.ids.unwrap_or_else(|| match_variants(known, &inputs));
    let mut counts = Vec::new();
    let mut variants = Vec::with_capacity(inputs.len());
    for (position, (input, known)) in inputs.into_iter().zip(&matched).enumerate() {
        let variant_id = known.unwrap_or_else(|| (origin.variant_id)());
        let on_hand = levels.iter().find(|level| level.variant_id == variant_id).map_or(0, |level| level.on_hand);
        if let Some(counted) = input.on_hand.filter(|counted| *counted != on_hand) {
            counts.push(Count { variant_id, on_hand: counted, position });
        }
        variants.push(make_variant(variant_id, input));
    }
    let retired = known.iter().map(|variant| variant.id).filter(|id| !matched.contains(&Some(*id))).collect();
    let mut product = make_product(input, variants, before, &origin);
    let edited = before.is_none_or(|before| *before != product);
    if edited {
        product.version = before.map_or(1, |before| before.version + 1);
        product.updated_at = origin.now;
    }
    Ok(Revision { product, replaces: before.map(|before| before.version), edited, counts, retired })
}

/// For each input the variant that it means, if there is one.
fn match_variants(known: &[Variant], inputs: &[VariantInput]) -> Vec<Option<VariantId>> {
    let by_sku: HashMap<&str, VariantId> =
        known.iter().filter_map(|variant| Some((variant.sku.as_deref()?, variant.id))).collect();
    let mut matched: Vec<Option<VariantId>> =
        inputs.iter().map(|input| by_sku.get(input.sku.as_deref()?).copied()).collect();
    let taken: Vec<VariantId> = matched.iter().flatten().copied().collect();
    let by_values: HashMap<&[String], VariantId> = known
        .iter()
        .filter(|variant| !taken.contains(&variant.id))
        .map(|variant| (variant.option_values.as_slice(), variant.id))
        .collect();
    for (input, matched) in inputs.iter().zip(&mut matched) {
        if matched.is_none() {
            *matched = by_values.get(input.option_values.as_slice()).copied();
        }
    }
    matched
}

fn make_product(input: ProductInput, variants: Vec<Variant>, before: Option<&Product>, origin: &Origin<'_>) -> Product {
    Product {
        id: before.map_or(origin.product_id, |before| before.id),
        version: before.map_or(1, |before| before.version),
        handle: input.handle,
        status: input.status,
        title: input.title,
        description_html: input.description_html,
        vendor: input.vendor,
        product_type: input.product_type,
        category: input.category,
        tags: input.tags,
        options: input.options,
        images: input.images,
        seo_title: input.seo_title,
        seo_description: input.seo_description,
        attributes: input.attributes,
        variants,
        created_at: before.map_or(origin.now, |before| before.created_at),
        updated_at: before.map_or(origin.now, |before| before.updated_at),
    }
}

fn make_variant(id: VariantId, mut input: VariantInput) -> Variant {
    // The order of currencies means nothing, so that another order is no change.
    input.prices.sort_by_key(|price| price.amount.currency);
    Variant {
        id,
        sku: input.sku,
        barcode: input.barcode,
        option_values: input.option_values,
        prices: input.prices,
        tax_class: input.tax_class,
        requires_shipping: input.requires_shipping,
        weight_grams: input.weight_grams,
        track_stock: input.track_stock,
        allow_backorder: input.allow_backorder,
        image_url: input.image_url,
        cost: input.cost,
        attributes: input.attributes,
    }
}

#[cfg(test)]
mod tests {
    use contracts::{Locale, LocalizedText};
    use jiff::ToSpan as _;

    use super::*;
    use crate::product::ProductOption;

    fn input(variants: &[(Option<&str>, &str)]) -> ProductInput {
        ProductInput {
            handle: "mug".to_owned(),
            title: LocalizedText::one(Locale::En, "Mug"),
            options: vec![ProductOption {
                name: LocalizedText::one(Locale::En, "Colour"),
                values: vec!["red".to_owned(), "blue".to_owned(), "green".to_owned()],
            }],
            variants: variants
                .iter()
                .map(|(sku, colour)| VariantInput {
                    sku: sku.map(str::to_owned),
                    option_values: vec![(*colour).to_owned()],
                    ..VariantInput::default()
                })
                .collect(),
            ..ProductInput::default()
        }
    }

    fn run(current: Option<&Product>, input: ProductInput, levels: &[StockLevel]) -> Revision {
        let mut next = current.map_or(0, |product| product.variants.len() as u128 + 100);
        let mut mint = || {
            next += 1;
            VariantId::from_uuid(uuid::Uuid::from_u128(next))
        };
        let now = Timestamp::UNIX_EPOCH + current.map_or(0, |_| 1).hours();
        let product_id = ProductId::from_uuid(uuid::Uuid::from_u128(1));
        let origin = Origin { product_id, variant_id: &mut mint, now };
        revise(current.map(|product| (product, levels)), Wanted::by_content(input), origin).unwrap()
    }

    #[test]
    fn the_same_input_again_is_no_change() {
        let made = run(None, input(&[(Some("R"), "red"), (None, "blue")]), &[]).product;
        let again = run(Some(&made), input(&[(Some("R"), "red"), (None, "blue")]), &[]);
        assert!(again.is_empty());
        assert_eq!(again.product, made);
        assert!(run(Some(&made), made.to_input(), &[]).is_empty());
    }

    #[test]
    fn variants_keep_their_id_by_sku_then_by_option_values() {
        let made = run(None, input(&[(Some("R"), "red"), (Some("B"), "blue")]), &[]).product;
        let (red, blue) = (made.variants[0].id, made.variants[1].id);
        // The colours were swapped under the same SKUs.
        let swapped = run(Some(&made), input(&[(Some("B"), "red"), (Some("R"), "blue")]), &[]);
        assert_eq!(swapped.product.variants.iter().map(|v| v.id).collect::<Vec<_>>(), [blue, red]);
        // A renamed SKU is found by its option values; the other one is gone.
        let renamed = run(Some(&made), input(&[(Some("RED"), "red"), (None, "green")]), &[]);
        assert_eq!(renamed.product.variants[0].id, red);
        assert!(![red, blue].contains(&renamed.product.variants[1].id));
        assert_eq!(renamed.retired, [blue]);
        assert_eq!((renamed.product.version, renamed.replaces), (2, Some(1)));
    }

    #[test]
    fn a_different_count_alone_is_no_edit() {
        let made = run(None, input(&[(None, "red")]), &[]).product;
        let id = made.variants[0].id;
        let level = StockLevel { variant_id: id, on_hand: 5, reserved: 1, track: true, backorder: false };
        let mut counted = made.to_input();
        counted.variants[0].on_hand = Some(5);
        assert!(run(Some(&made), counted.clone(), &[level]).is_empty());
        counted.variants[0].on_hand = Some(4);
        let revision = run(Some(&made), counted, &[level]);
        assert!(!revision.edited);
        assert_eq!(revision.counts, [Count { variant_id: id, on_hand: 4, position: 0 }]);
    }
}
