//! The catalogue's own words: products, variants, prices, and what staff and imports send to make them.

use std::collections::BTreeMap;

use contracts::{
    Currency, LocalizedText, Money, Violation,
    product::{ProductId, TaxClass, VariantId},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who sees a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProductStatus {
    /// In the making: staff only.
    #[default]
    Draft,
    /// On sale.
    Active,
    /// Taken out of the shop; kept for the records.
    Archived,
}

impl ProductStatus {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

/// What a buyer chooses between: colour, size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductOption {
    /// What the choice is called.
    pub name: LocalizedText,
    /// The choices, in the order they are shown.
    #[schema(min_items = 1, max_items = 100)]
    pub values: Vec<String>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// `http(s)://…`, or a path of this shop that begins with `/`.
    #[schema(max_length = 2048, example = "https://cdn.example.com/earbuds.jpg")]
    pub url: String,
    /// What it shows, for those who cannot see it.
    #[serde(default)]
    pub alt: LocalizedText,
}

/// What a variant costs in one currency, tax included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The price.
    pub amount: Money,
    /// A former or recommended price that is shown struck out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_at: Option<Money>,
}

/// What a shopper looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Grows by one whenever what is shown of the product changes.
    pub version: u64,
    /// Its name in addresses; unique.
    pub handle: String,
    /// Who sees it.
    pub status: ProductStatus,
    /// Its name.
    pub title: LocalizedText,
    /// Its description, sanitised HTML.
    pub description_html: LocalizedText,
    /// Who makes it.
    pub vendor: String,
    /// What kind of thing it is, in the merchant's words.
    pub product_type: String,
    /// The handle of its category.
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
    /// Anything else, such as columns of an import, so that nothing is lost.
    pub attributes: BTreeMap<String, String>,
    /// What a buyer buys, in the order it is shown.
    pub variants: Vec<Variant>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When staff or an import last changed it.
    pub updated_at: Timestamp,
}

/// What a shopper buys. Its stock is kept apart, in a [`crate::stock::StockLevel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its id.
    pub id: VariantId,
    /// The shop's own code; unique.
    pub sku: Option<String>,
    /// GTIN, ISBN or another code on the package.
    pub barcode: Option<String>,
    /// One value per option of the product.
    pub option_values: Vec<String>,
    /// At most one per currency.
    pub prices: Vec<Price>,
    /// How it is taxed.
    pub tax_class: TaxClass,
    /// False for what needs no delivery.
    pub requires_shipping: bool,
    /// What one of it weighs.
    pub weight_grams: i64,
    /// False for what never runs out.
    pub track_stock: bool,
    /// True if it may be sold beyond what is on hand.
    pub allow_backorder: bool,
    /// Its own picture.
    pub image_url: Option<String>,
    /// What it costs the merchant; staff only.
    pub cost: Option<Money>,
    /// Anything else.
    pub attributes: BTreeMap<String, String>,
}

impl Variant {
    /// The price in `currency`.
    pub fn price(&self, currency: Currency) -> Option<Price> {
        self.prices.iter().find(|price| price.amount.currency == currency).copied()
    }
}

/// A whole product as staff or an import want it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    /// Its name in addresses: lower-case letters, digits, `-` and `_`.
    #[schema(min_length = 1, max_length = 255, example = "wireless-earbuds")]
    pub handle: String,
    /// Who sees it.
    #[serde(default)]
    pub status: ProductStatus,
    /// Its name; at least one language.
    pub title: LocalizedText,
    /// Its description; unsafe HTML is removed.
    #[serde(default)]
    pub description_html: LocalizedText,
    /// Who makes it.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub vendor: String,
    /// What kind of thing it is, in the merchant's words.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub product_type: String,
    /// The handle of its category.
    #[serde(default)]
    pub category: Option<String>,
    /// Keywords.
    #[serde(default)]
    #[schema(max_items = 250)]
    pub tags: Vec<String>,
    /// What a buyer chooses between.
    #[serde(default)]
    #[schema(max_items = 3)]
    pub options: Vec<ProductOption>,
    /// Pictures, the first one leads.
    #[serde(default)]
    #[schema(max_items = 250)]
    pub images: Vec<Image>,
    /// Title for search engines.
    #[serde(default)]
    pub seo_title: String,
    /// Description for search engines.
    #[serde(default)]
    pub seo_description: String,
    /// Anything else, kept as it is.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// What a buyer buys.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub variants: Vec<VariantInput>,
}

/// A variant as staff or an import want it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantInput {
    /// The shop's own code; unique in the shop.
    #[serde(default)]
    #[schema(max_length = 255, example = "EAR-BLK")]
    pub sku: Option<String>,
    /// GTIN, ISBN or another code on the package.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub barcode: Option<String>,
    /// One value per option of the product.
    #[serde(default)]
    pub option_values: Vec<String>,
    /// At most one per currency, tax included.
    #[serde(default)]
    pub prices: Vec<Price>,
    /// How it is taxed.
    #[serde(default)]
    pub tax_class: TaxClass,
    /// False for what needs no delivery.
    #[serde(default = "yes")]
    pub requires_shipping: bool,
    /// What one of it weighs.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub weight_grams: i64,
    /// False for what never runs out.
    #[serde(default = "yes")]
    pub track_stock: bool,
    /// True if it may be sold beyond what is on hand.
    #[serde(default)]
    pub allow_backorder: bool,
    /// Its own picture.
    #[serde(default)]
    pub image_url: Option<String>,
    /// What it costs the merchant.
    #[serde(default)]
    pub cost: Option<Money>,
    /// Anything else, kept as it is.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// How many are on the shelf, as counted now; absent leaves the count alone.
    #[serde(default)]
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000)]
    pub on_hand: Option<i64>,
}

impl Default for VariantInput {
    fn default() -> Self {
        Self {
            sku: None,
            barcode: None,
            option_values: Vec::new(),
            prices: Vec::new(),
            tax_class: TaxClass::Standard,
            requires_shipping: true,
            weight_grams: 0,
            track_stock: true,
            allow_backorder: false,
            image_url: None,
            cost: None,
            attributes: BTreeMap::new(),
            on_hand: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// What became of one imported product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ImportOutcome {
    /// It is new.
    Created {
        /// Its id.
        id: ProductId,
    },
    /// It was there and is different now.
    Updated {
        /// Its id.
        id: ProductId,
    },
    /// It was there and is exactly this.
    Unchanged {
        /// Its id.
        id: ProductId,
    },
    /// It breaks rules; nothing of it was written.
    Rejected {
        /// All that is wrong; pointers are relative to this product.
        violations: Vec<Violation>,
    },
}

impl Product {
    /// The product as input that would make it again; stock counts are left alone.
    pub fn to_input(&self) -> ProductInput {
        ProductInput {
            handle: self.handle.clone(),
            status: self.status,
            title: self.title.clone(),
            description_html: self.description_html.clone(),
            vendor: self.vendor.clone(),
            product_type: self.product_type.clone(),
            category: self.category.clone(),
            tags: self.tags.clone(),
            options: self.options.clone(),
            images: self.images.clone(),
            seo_title: self.seo_title.clone(),
            seo_description: self.seo_description.clone(),
            attributes: self.attributes.clone(),
            variants: self.variants.iter().map(Variant::to_input).collect(),
        }
    }
}

impl Variant {
    /// The variant as input that would make it again; its stock count is left alone.
    pub fn to_input(&self) -> VariantInput {
        VariantInput {
            sku: self.sku.clone(),
            barcode: self.barcode.clone(),
            option_values: self.option_values.clone(),
            prices: self.prices.clone(),
            tax_class: self.tax_class,
            requires_shipping: self.requires_shipping,
            weight_grams: self.weight_grams,
            track_stock: self.track_stock,
            allow_backorder: self.allow_backorder,
            image_url: self.image_url.clone(),
            cost: self.cost,
            attributes: self.attributes.clone(),
            on_hand: None,
        }
    }
}
