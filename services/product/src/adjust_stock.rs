//! Staff correct or count stock and read its ledger.

use chassis::idempotency::Receipt;
use contracts::{Page, Violation, product::VariantId};

use crate::{
    cursor,
    error::CatalogueError,
    service::ProductService,
    stock::Movement,
    store::{AdjustStock, Stamp},
    view::StockView,
};

const REASON_CHARS_MAX: usize = 255;

impl ProductService {
    /// Corrects or counts the stock of a variant.
    pub async fn adjust_stock(
        &self,
        adjust: AdjustStock,
        receipt: Option<Receipt<StockView>>,
        actor: &str,
    ) -> Result<StockView, CatalogueError> {
        if adjust.reason.chars().count() > REASON_CHARS_MAX {
            let detail = format!("must be at most {REASON_CHARS_MAX} characters");
            return Err(CatalogueError::Invalid(vec![Violation::new("/reason", detail)]));
        }
        Ok(self.store.adjust(adjust, receipt, Stamp::new(&self.env, actor)).await?.into())
    }

    /// The stock of a variant.
    pub async fn get_stock(&self, id: VariantId) -> Result<StockView, CatalogueError> {
        let level = self.store.find_level(id).await?;
        level.map(StockView::from).ok_or(CatalogueError::NotFound("variant"))
    }

    /// The ledger of a variant, newest first.
    pub async fn list_movements(
        &self,
        id: VariantId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Movement>, CatalogueError> {
        let before = cursor.map(cursor::decode).transpose()?;
        if self.store.find_level(id).await?.is_none() {
            return Err(CatalogueError::NotFound("variant"));
        }
        let movements = self.store.list_movements(id, before, limit + 1).await?;
        Ok(Page::from_overread(movements, limit, |last| cursor::encode(&last.number)))
    }
}
