//! Staff make, change and remove categories; everybody lists them.

use chassis::idempotency::Receipt;
use contracts::{LocalizedText, Page, Violation};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    category::{Category, CategoryInput},
    cursor,
    edit_product::{given, replace},
    error::CatalogueError,
    service::ProductService,
    validation,
};

const POSITION_MAX: i64 = 1_000_000;

/// The members of a category to change; those that are absent stay as they are.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CategoryPatch {
    /// Its name.
    pub name: Option<LocalizedText>,
    /// The handle of the category it belongs to; null makes it one of the first level.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub parent: Option<Option<String>>,
    /// Smaller ones are shown first.
    #[schema(minimum = -1_000_000, maximum = 1_000_000)]
    pub position: Option<i64>,
}

impl ProductService {
    /// Makes a category.
    pub async fn create_category(
        &self,
        input: CategoryInput,
        receipt: Option<Receipt<Category>>,
    ) -> Result<Category, CatalogueError> {
        let mut violations = validation::check_handle("/handle", &input.handle);
        violations.extend(check(&input.name, input.position));
        if !violations.is_empty() {
            return Err(CatalogueError::Invalid(violations));
        }
        let now = self.env.now();
        let category = Category {
            handle: input.handle,
            name: input.name,
            parent: input.parent,
            position: input.position,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let record = receipt.map(|receipt| receipt.record(&category, now)).transpose()?;
        self.store.create_category(category.clone(), record).await?;
        Ok(category)
    }

    /// Changes the given members of a category. `seen` is the version that the caller has seen.
    pub async fn edit_category(
        &self,
        handle: &str,
        seen: Option<u64>,
        patch: CategoryPatch,
    ) -> Result<Category, CatalogueError> {
        let mut category = self.get_category(handle).await?;
        let current = category.version;
        if seen.is_some_and(|seen| seen != current) {
            return Err(CatalogueError::Stale { current });
        }
        replace(&mut category.name, patch.name);
        replace(&mut category.parent, patch.parent);
        replace(&mut category.position, patch.position);
        let violations = check(&category.name, category.position);
        if !violations.is_empty() {
            return Err(CatalogueError::Invalid(violations));
        }
        category.version += 1;
        category.updated_at = self.env.now();
        self.store.update_category(category.clone(), current).await?;
        // Products are found by the names of their category and of those above it.
        self.feed.category_changed(handle).await;
        Ok(category)
    }

    /// Removes a category that nothing belongs to.
    pub async fn delete_category(&self, handle: &str, seen: Option<u64>) -> Result<(), CatalogueError> {
        Ok(self.store.delete_category(handle.to_owned(), seen).await?)
    }

    /// The category with this handle.
    pub async fn get_category(&self, handle: &str) -> Result<Category, CatalogueError> {
        self.store.find_category(handle.to_owned()).await?.ok_or(CatalogueError::NotFound("category"))
    }

    /// Categories by position, then handle.
    pub async fn list_categories(&self, limit: u32, cursor: Option<&str>) -> Result<Page<Category>, CatalogueError> {
        let after = cursor.map(cursor::decode).transpose()?;
        let categories = self.store.list_categories(after, limit + 1).await?;
        Ok(Page::from_overread(categories, limit, |last| cursor::encode(&(last.position, &last.handle))))
    }
}

fn check(name: &LocalizedText, position: i64) -> Vec<Violation> {
    let mut violations = validation::check_name("/name", name);
    if position.abs() > POSITION_MAX {
        let detail = format!("must be between -{POSITION_MAX} and {POSITION_MAX}");
        violations.push(Violation::new("/position", detail));
    }
    violations
}
