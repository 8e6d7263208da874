//! How products look outside. The public form is rendered when it changes and stored ready to send.

use std::collections::BTreeMap;

use contracts::{
    LocalizedText, Money,
    product::{ProductId, TaxClass, VariantId},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    product::{Image, Price, Product, ProductOption, ProductStatus, Variant},
    stock::StockLevel,
};

/// A product. Members marked "staff only" are present with `view=full`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductView {
    /// Its id.
    pub id: ProductId,
    /// Grows whenever what is shown changes, sold out included; also the `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Its name in addresses.
    pub handle: String,
    /// Who sees it.
    pub status: ProductStatus,
    /// Its name.
    pub title: LocalizedText,
    /// Its description, safe HTML.
    pub description_html: LocalizedText,
    /// Who makes it.
    pub vendor: String,
    /// What kind of thing it is, in the merchant's words.
    pub product_type: String,
    /// The handle of its category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Keywords.
    pub tags: Vec<String>,
    /// What a buyer chooses between.
    pub options: Vec<ProductOption>,
    /// Pictures, the first one leads.
    pub images: Vec<Image>,
    /// Title for search engines.
    pub seo_title: String,
    /// Description for search engines.
    pub seo_description: String,
    /// Can any variant be bought now?
    pub in_stock: bool,
    /// What a buyer buys.
    pub variants: Vec<VariantView>,
    /// Whatever else is kept. Staff only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attributes: Option<BTreeMap<String, String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When staff or an import last changed it.
    pub updated_at: Timestamp,
}

/// A variant: what a buyer buys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Variant)]
pub struct VariantView {
    /// Its id.
    pub id: VariantId,
    /// The shop's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// GTIN, ISBN or another code on the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// One value per option of the product.
    pub option_values: Vec<String>,
    /// Tax-inclusive prices.
    pub prices: Vec<Price>,
    /// How it is taxed.
    pub tax_class: TaxClass,
    /// False for what needs no delivery.
    pub requires_shipping: bool,
    /// What one of it weighs.
    pub weight_grams: i64,
    /// Its own picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Can it be bought now?
    pub in_stock: bool,
    /// What the shop keeps to itself. Staff only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub internal: Option<VariantInternal>,
}

/// What only staff see of a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VariantInternal {
    /// What it costs the merchant.
    pub cost: Option<Money>,
    /// Whatever else is kept.
    pub attributes: BTreeMap<String, String>,
    /// Its stock.
    pub stock: StockView,
}

/// The stock of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StockLevel)]
pub struct StockView {
    /// Which variant.
    pub variant_id: VariantId,
    /// On the shelf.
    pub on_hand: i64,
    /// Of these, promised to orders.
    #[schema(minimum = 0)]
    pub reserved: i64,
    /// How many can be bought; null if there is no limit.
    pub available: Option<i64>,
    /// False for what never runs out.
    pub track_stock: bool,
    /// True if it may be sold beyond what is on hand.
    pub allow_backorder: bool,
}

impl From<StockLevel> for StockView {
    fn from(level: StockLevel) -> Self {
        Self {
            variant_id: level.variant_id,
            on_hand: level.on_hand,
            reserved: level.reserved,
            available: level.available(),
            track_stock: level.track,
            allow_backorder: level.backorder,
        }
    }
}

/// How much of a product is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Buyers.
    Public,
    /// Staff: cost, attributes and stock too.
    Staff,
}

impl ProductView {
    /// `product` as `audience` sees it.
    pub fn new(product: &Product, levels: &[StockLevel], audience: Audience) -> Self {
        let by_variant: BTreeMap<VariantId, &StockLevel> =
            levels.iter().map(|level| (level.variant_id, level)).collect();
        let variants: Vec<VariantView> = product
            .variants
            .iter()
            .map(|variant| VariantView::new(variant, by_variant.get(&variant.id).copied(), audience))
            .collect();
        Self {
            id: product.id,
            version: product.version,
            handle: product.handle.clone(),
            status: product.status,
            title: product.title.clone(),
            description_html: product.description_html.clone(),
            vendor: product.vendor.clone(),
            product_type: product.product_type.clone(),
            category: product.category.clone(),
            tags: product.tags.clone(),
            options: product.options.clone(),
            images: product.images.clone(),
            seo_title: product.seo_title.clone(),
            seo_description: product.seo_description.clone(),
            in_stock: variants.iter().any(|variant| variant.in_stock),
            variants,
            attributes: (audience == Audience::Staff).then(|| product.attributes.clone()),
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

impl VariantView {
    /// `variant` as `audience` sees it.
    pub fn new(variant: &Variant, level: Option<&StockLevel>, audience: Audience) -> Self {
        let level = level
            .copied()
            .unwrap_or_else(|| StockLevel::uncounted(variant.id, variant.track_stock, variant.allow_backorder));
        Self {
            id: variant.id,
            sku: variant.sku.clone(),
            barcode: variant.barcode.clone(),
            option_values: variant.option_values.clone(),
            prices: variant.prices.clone(),
            tax_class: variant.tax_class,
            requires_shipping: variant.requires_shipping,
            weight_grams: variant.weight_grams,
            image_url: variant.image_url.clone(),
            in_stock: level.in_stock(),
            internal: (audience == Audience::Staff).then(|| VariantInternal {
                cost: variant.cost,
                attributes: variant.attributes.clone(),
                stock: level.into(),
            }),
        }
    }
}
