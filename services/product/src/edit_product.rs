//! Staff change or archive a product.

use std::collections::BTreeMap;

use contracts::LocalizedText;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{
    error::CatalogueError,
    product::{Image, Product, ProductInput, ProductOption, ProductStatus, VariantInput},
    revision::Wanted,
    service::{ATTEMPTS_MAX, ProductService},
    store::{ProductKey, Stocked},
    view::{Audience, ProductView},
};

/// The members of a product to change; those that are absent stay as they are.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProductPatch {
    /// Its name in addresses.
    pub handle: Option<String>,
    /// Who sees it.
    pub status: Option<ProductStatus>,
    /// Its name.
    pub title: Option<LocalizedText>,
    /// Its description; unsafe HTML is removed.
    pub description_html: Option<LocalizedText>,
    /// Who makes it.
    pub vendor: Option<String>,
    /// What kind of thing it is.
    pub product_type: Option<String>,
    /// The handle of its category; null takes it out.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub category: Option<Option<String>>,
    /// Keywords.
    pub tags: Option<Vec<String>>,
    /// What a buyer chooses between.
    pub options: Option<Vec<ProductOption>>,
    /// Pictures.
    pub images: Option<Vec<Image>>,
    /// Title for search engines.
    pub seo_title: Option<String>,
    /// Description for search engines.
    pub seo_description: Option<String>,
    /// Anything else.
    pub attributes: Option<BTreeMap<String, String>>,
    /// All variants: the ones there now are found by SKU, else by option values; those not named are removed.
    pub variants: Option<Vec<VariantInput>>,
}

/// Tells `null` (`Some(None)`) from absent (`None`).
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ProductPatch {
    fn apply(self, wanted: &mut Wanted) {
        let ProductInput {
            handle,
            status,
            title,
            description_html,
            vendor,
            product_type,
            category,
            tags,
            options,
            images,
            seo_title,
            seo_description,
            attributes,
            variants,
        } = &mut wanted.input;
        replace(handle, self.handle);
        replace(status, self.status);
        replace(title, self.title);
        replace(description_html, self.description_html);
        replace(vendor, self.vendor);
        replace(product_type, self.product_type);
        replace(category, self.category);
        replace(tags, self.tags);
        replace(options, self.options);
        replace(images, self.images);
        replace(seo_title, self.seo_title);
        replace(seo_description, self.seo_description);
        replace(attributes, self.attributes);
        if let Some(given) = self.variants {
            *variants = given;
            wanted.ids = None;
        }
    }
}

pub(crate) fn replace<T>(member: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *member = given;
    }
}

impl ProductService {
    /// Changes the given members of a product. `seen` is the version that the caller has seen.
    pub async fn edit_product(
        &self,
        key: ProductKey,
        seen: Option<u64>,
        patch: ProductPatch,
        actor: &str,
    ) -> Result<ProductView, CatalogueError> {
        let edit = |_: &Product, wanted: &mut Wanted| {
            patch.clone().apply(wanted);
            Ok(())
        };
        let (product, levels) = self.change_product(key, seen, actor, edit).await?;
        Ok(ProductView::new(&product, &levels, Audience::Staff))
    }

    /// Takes a product out of the shop; its orders and stock stay.
    pub async fn archive_product(
        &self,
        key: ProductKey,
        seen: Option<u64>,
        actor: &str,
    ) -> Result<ProductView, CatalogueError> {
        let patch = ProductPatch { status: Some(ProductStatus::Archived), ..ProductPatch::default() };
        self.edit_product(key, seen, patch, actor).await
    }

    /// Reads, changes and writes a product until nobody interferes. With `seen`, interference is refused.
    pub(crate) async fn change_product(
        &self,
        key: ProductKey,
        seen: Option<u64>,
        actor: &str,
        edit: impl Fn(&Product, &mut Wanted) -> Result<(), CatalogueError> + Send,
    ) -> Result<Stocked, CatalogueError> {
        for _ in 0..ATTEMPTS_MAX {
            let not_found = CatalogueError::NotFound(match key {
                ProductKey::Variant(_) => "variant",
                ProductKey::Id(_) | ProductKey::Handle(_) => "product",
            });
            let current = self.store.find(key.clone()).await?.ok_or(not_found)?;
            if seen.is_some_and(|seen| seen != current.0.version) {
                return Err(CatalogueError::Stale { current: current.0.version });
            }
            let mut wanted = Wanted::same(&current.0);
            edit(&current.0, &mut wanted)?;
            let revision = self.revise(Some(&current), wanted)?;
            if revision.is_empty() {
                return Ok(current);
            }
            let id = revision.product.id;
            if self.save(revision, None, actor).await? {
                return self.store.find(ProductKey::Id(id)).await?.ok_or(CatalogueError::NotFound("product"));
            }
        }
        Err(CatalogueError::Busy)
    }
}
