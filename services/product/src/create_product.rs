//! Staff make a product.

use chassis::idempotency::Receipt;

use crate::{
    error::CatalogueError,
    product::ProductInput,
    revision::Wanted,
    service::ProductService,
    stock::StockLevel,
    view::{Audience, ProductView},
};

impl ProductService {
    /// Makes a product with its variants, prices and counts.
    pub async fn create_product(
        &self,
        input: ProductInput,
        receipt: Option<Receipt<ProductView>>,
        actor: &str,
    ) -> Result<ProductView, CatalogueError> {
        let revision = self.revise(None, Wanted::by_content(input))?;
        let levels: Vec<StockLevel> = revision
            .product
            .variants
            .iter()
            .map(|variant| {
                let counted = revision.counts.iter().find(|count| count.variant_id == variant.id);
                StockLevel {
                    on_hand: counted.map_or(0, |count| count.on_hand),
                    ..StockLevel::uncounted(variant.id, variant.track_stock, variant.allow_backorder)
                }
            })
            .collect();
        let view = ProductView::new(&revision.product, &levels, Audience::Staff);
        let record = receipt.map(|receipt| receipt.record(&view, self.env.now())).transpose()?;
        if self.save(revision, record, actor).await? { Ok(view) } else { Err(CatalogueError::Busy) }
    }
}
