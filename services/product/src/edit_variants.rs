//! Staff add, change and remove variants and their prices.

use std::collections::BTreeMap;

use chassis::idempotency::Receipt;
use contracts::{
    Money,
    product::{TaxClass, VariantId},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    edit_product::{given, replace},
    error::CatalogueError,
    product::{Price, Product, VariantInput},
    revision::Wanted,
    service::{ATTEMPTS_MAX, ProductService},
    stock::StockLevel,
    store::{ProductKey, Stocked},
    view::{Audience, VariantView},
};

/// The members of a variant to change; those that are absent stay as they are.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VariantPatch {
    /// The shop's own code; null removes it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub sku: Option<Option<String>>,
    /// GTIN, ISBN or another code; null removes it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub barcode: Option<Option<String>>,
    /// One value per option of the product.
    pub option_values: Option<Vec<String>>,
    /// All prices.
    pub prices: Option<Vec<Price>>,
    /// How it is taxed.
    pub tax_class: Option<TaxClass>,
    /// False for what needs no delivery.
    pub requires_shipping: Option<bool>,
    /// What one of it weighs.
    pub weight_grams: Option<i64>,
    /// False for what never runs out.
    pub track_stock: Option<bool>,
    /// True if it may be sold beyond what is on hand.
    pub allow_backorder: Option<bool>,
    /// Its own picture; null removes it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub image_url: Option<Option<String>>,
    /// What it costs the merchant; null removes it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Money>)]
    pub cost: Option<Option<Money>>,
    /// Anything else.
    pub attributes: Option<BTreeMap<String, String>>,
}

impl VariantPatch {
    fn apply(self, variant: &mut VariantInput) {
        replace(&mut variant.sku, self.sku);
        replace(&mut variant.barcode, self.barcode);
        replace(&mut variant.option_values, self.option_values);
        replace(&mut variant.prices, self.prices);
        replace(&mut variant.tax_class, self.tax_class);
        replace(&mut variant.requires_shipping, self.requires_shipping);
        replace(&mut variant.weight_grams, self.weight_grams);
        replace(&mut variant.track_stock, self.track_stock);
        replace(&mut variant.allow_backorder, self.allow_backorder);
        replace(&mut variant.image_url, self.image_url);
        replace(&mut variant.cost, self.cost);
        replace(&mut variant.attributes, self.attributes);
    }
}

/// A variant with the version of its product.
#[derive(Debug, Clone)]
pub struct EditedVariant {
    /// The variant.
    pub variant: VariantView,
    /// The version of its product, which is its own `ETag` too.
    pub version: u64,
}

impl ProductService {
    /// Adds a variant at the end.
    pub async fn add_variant(
        &self,
        key: ProductKey,
        seen: Option<u64>,
        input: VariantInput,
        receipt: Option<Receipt<EditedVariant>>,
        actor: &str,
    ) -> Result<EditedVariant, CatalogueError> {
        for _ in 0..ATTEMPTS_MAX {
            let current = self.store.find(key.clone()).await?.ok_or(CatalogueError::NotFound("product"))?;
            if seen.is_some_and(|seen| seen != current.0.version) {
                return Err(CatalogueError::Stale { current: current.0.version });
            }
            let mut wanted = Wanted::same(&current.0);
            let position = wanted.input.variants.len();
            wanted.input.variants.push(input.clone());
            wanted.ids.iter_mut().for_each(|ids| ids.push(None));
            let revision = self.revise(Some(&current), wanted).map_err(|error| relative(error, position))?;
            let Some(variant) = revision.product.variants.last() else { return Err(CatalogueError::Busy) };
            let level = StockLevel {
                on_hand: input.on_hand.unwrap_or(0),
                ..StockLevel::uncounted(variant.id, variant.track_stock, variant.allow_backorder)
            };
            let edited = EditedVariant {
                variant: VariantView::new(variant, Some(&level), Audience::Staff),
                version: revision.product.version,
            };
            let record = receipt.as_ref().map(|receipt| receipt.record(&edited, self.env.now())).transpose()?;
            if self.save(revision, record, actor).await.map_err(|error| relative(error, position))? {
                return Ok(edited);
            }
        }
        Err(CatalogueError::Busy)
    }

    /// Changes the given members of a variant.
    pub async fn edit_variant(
        &self,
        id: VariantId,
        seen: Option<u64>,
        patch: VariantPatch,
        actor: &str,
    ) -> Result<EditedVariant, CatalogueError> {
        let edit = |product: &Product, wanted: &mut Wanted| {
            let position = position(product, id)?;
            patch.clone().apply(&mut wanted.input.variants[position]);
            Ok(())
        };
        let changed = self.change_product(ProductKey::Variant(id), seen, actor, edit).await;
        match changed {
            Ok(stocked) => show(&stocked, id),
            Err(error) => {
                let stocked = self.store.find(ProductKey::Variant(id)).await?;
                let position = stocked.and_then(|(product, _)| position(&product, id).ok());
                Err(position.map_or(CatalogueError::NotFound("variant"), |position| relative(error, position)))
            }
        }
    }

    /// Removes a variant; its stock and movements stay for the records.
    pub async fn remove_variant(&self, id: VariantId, seen: Option<u64>, actor: &str) -> Result<(), CatalogueError> {
        let edit = |product: &Product, wanted: &mut Wanted| {
            let position = position(product, id)?;
            wanted.input.variants.remove(position);
            wanted.ids.iter_mut().for_each(|ids| {
                ids.remove(position);
            });
            Ok(())
        };
        self.change_product(ProductKey::Variant(id), seen, actor, edit).await.map(|_| ())
    }
}

fn position(product: &Product, id: VariantId) -> Result<usize, CatalogueError> {
    product.variants.iter().position(|variant| variant.id == id).ok_or(CatalogueError::NotFound("variant"))
}

fn show((product, levels): &Stocked, id: VariantId) -> Result<EditedVariant, CatalogueError> {
    let variant = &product.variants[position(product, id)?];
    let level = levels.iter().find(|level| level.variant_id == id);
    Ok(EditedVariant { variant: VariantView::new(variant, level, Audience::Staff), version: product.version })
}

/// Pointers into the product become pointers into the variant, which is what the caller sent.
fn relative(error: CatalogueError, position: usize) -> CatalogueError {
    let prefix = format!("/variants/{position}");
    let strip = |violations: Vec<contracts::Violation>| {
        let strip = |mut violation: contracts::Violation| {
            if let Some(rest) = violation.field.strip_prefix(&prefix) {
                violation.field = rest.to_owned();
            }
            violation
        };
        violations.into_iter().map(strip).collect()
    };
    match error {
        CatalogueError::Invalid(violations) => CatalogueError::Invalid(strip(violations)),
        CatalogueError::Conflict(violations) => CatalogueError::Conflict(strip(violations)),
        other => other,
    }
}
