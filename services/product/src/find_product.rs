//! One product, rendered and kept until the catalogue changes.

use crate::{
    error::CatalogueError,
    product::ProductStatus,
    rendered::{Asked, Rendered},
    service::ProductService,
    store::ProductKey,
    view::{Audience, ProductView},
};

impl ProductService {
    /// The product with this id or handle as JSON; drafts and archived ones only if `unlisted`.
    pub async fn get_product(
        &self,
        id_or_handle: &str,
        audience: Audience,
        unlisted: bool,
    ) -> Result<Rendered, CatalogueError> {
        if audience == Audience::Staff {
            let found = self.store.find(ProductKey::parse(id_or_handle)).await?;
            let (product, levels) = found.ok_or(CatalogueError::NotFound("product"))?;
            let view = ProductView::new(&product, &levels, audience);
            let body = serde_json::to_vec(&view).map_err(chassis::StoreError::from)?;
            return Ok(Rendered { body: body.into(), etag: chassis::http::etag(product.version).into() });
        }
        let asked = Asked::Product(id_or_handle.to_owned());
        let generation = self.generation();
        if let Some(rendered) = self.rendered.get(&asked, generation) {
            return Ok(rendered);
        }
        let found = self.store.find_view(ProductKey::parse(id_or_handle)).await?;
        let listed = |status| unlisted || status == ProductStatus::Active;
        let view = found.filter(|view| listed(view.status)).ok_or(CatalogueError::NotFound("product"))?;
        let rendered = Rendered { body: view.view.into(), etag: chassis::http::etag(view.version).into() };
        if view.status == ProductStatus::Active {
            self.rendered.keep(asked, generation, rendered.clone());
        }
        Ok(rendered)
    }
}
