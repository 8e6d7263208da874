//! The catalogue of a shop, as import and export see it: the store of a stopped shop, or the API of a
//! running one.

use std::collections::VecDeque;

use anyhow::{Result, anyhow, bail};
use chassis::{
    Env,
    datadir::{self, DataDirLock},
    sqlite::Location,
};
use contracts::{Page, product::ProductId};
use http::Method;
use product_service::{
    ProductService,
    product::{ImportOutcome, ProductInput, VariantInput},
    view::{ProductView, VariantView},
};
use serde::{Deserialize, Serialize};

use crate::target::{RunningShop, Target};

/// Products in a page of an export.
const PAGE_LEN: u32 = 100;
/// Who the history names for what is imported into a stopped shop.
const ACTOR: &str = "import";

/// An open catalogue.
pub(crate) enum Catalogue {
    Stopped { env: Env, service: Box<ProductService>, after: Option<ProductId>, ended: bool, _lock: DataDirLock },
    Running { shop: Box<RunningShop>, cursor: Option<String>, ended: bool },
}

#[derive(Serialize)]
struct ImportRequest<'a> {
    products: &'a [ProductInput],
    atomic: bool,
}

#[derive(Deserialize)]
struct ImportAnswer {
    outcomes: Vec<ImportOutcome>,
}

impl Catalogue {
    /// Opens the catalogue to write to it; a data folder that does not exist is made.
    pub(crate) fn open(target: &Target) -> Result<Self> {
        match target {
            Target::Stopped { config } => {
                let env = Env::system();
                let lock = datadir::lock(&config.data_dir)?;
                let service = product_service::open_stopped(&env, &Location::in_folder(lock.path(), "product.db"))?;
                Ok(Self::Stopped { env, service: Box::new(service), after: None, ended: false, _lock: lock })
            }
            Target::Running { url, api_key } => {
                let shop = RunningShop::new(url, api_key)?;
                Ok(Self::Running { shop: Box::new(shop), cursor: None, ended: false })
            }
        }
    }

    /// Opens the catalogue to read it; a data folder that does not exist is an error.
    pub(crate) fn open_existing(target: &Target) -> Result<Self> {
        if let Target::Stopped { config } = target
            && !config.data_dir.is_dir()
        {
            bail!("there is no data folder {}; choose one with --data-dir", config.data_dir.display());
        }
        Self::open(target)
    }

    /// Makes or changes products; one outcome each.
    pub(crate) async fn import(&self, products: Vec<ProductInput>, atomic: bool) -> Result<Vec<ImportOutcome>> {
        let wanted = products.len();
        let outcomes = match self {
            Self::Stopped { service, .. } => service.import_products(products, atomic, ACTOR.to_owned()).await?,
            Self::Running { shop, .. } => {
                let body = serde_json::to_vec(&ImportRequest { products: &products, atomic })?;
                let answer: ImportAnswer = shop.ask(Method::POST, "/v1/product-imports", Some(body)).await?;
                answer.outcomes
            }
        };
        if outcomes.len() != wanted {
            bail!("the shop answered {} outcomes for {wanted} products", outcomes.len());
        }
        Ok(outcomes)
    }

    /// The next products, of whatever status, with their stock; none at the end.
    pub(crate) async fn next_page(&mut self) -> Result<VecDeque<ProductInput>> {
        match self {
            Self::Stopped { ended, .. } | Self::Running { ended, .. } if *ended => Ok(VecDeque::new()),
            Self::Stopped { service, after, ended, .. } => {
                let page = service.store().list_all(*after, PAGE_LEN).await?;
                *ended = page.len() < PAGE_LEN as usize;
                *after = page.last().map(|(product, _)| product.id);
                Ok(page.into_iter().map(|(product, levels)| stocked(&product, &levels)).collect())
            }
            Self::Running { shop, cursor, ended } => {
                let mut path = format!("/v1/products?status=any&view=full&limit={PAGE_LEN}");
                if let Some(cursor) = cursor {
                    path.push_str("&cursor=");
                    path.push_str(cursor);
                }
                let page: Page<ProductView> = shop.ask(Method::GET, &path, None).await?;
                *ended = page.next_cursor.is_none();
                *cursor = page.next_cursor;
                page.items.into_iter().map(shown).collect()
            }
        }
    }

    /// Ends whatever runs in the background.
    pub(crate) async fn close(self) {
        if let Self::Stopped { env, .. } = self {
            env.stop().await;
        }
    }
}

/// A stored product as an import would make it, counts included.
fn stocked(product: &product_service::product::Product, levels: &[product_service::stock::StockLevel]) -> ProductInput {
    let mut input = product.to_input();
    for (variant, input) in product.variants.iter().zip(&mut input.variants) {
        let level = levels.iter().find(|level| level.variant_id == variant.id);
        input.on_hand = level.map(|level| level.on_hand);
    }
    input
}

/// A product in the form that staff see, as an import would make it.
fn shown(view: ProductView) -> Result<ProductInput> {
    let missing =
        || anyhow!("the shop does not show everything of `{}`; does the key have catalog:write?", view.handle);
    let attributes = view.attributes.clone().ok_or_else(missing)?;
    let variants = view.variants.iter().map(|variant| shown_variant(variant).ok_or_else(missing));
    Ok(ProductInput {
        variants: variants.collect::<Result<_>>()?,
        handle: view.handle,
        status: view.status,
        title: view.title,
        description_html: view.description_html,
        vendor: view.vendor,
        product_type: view.product_type,
        category: view.category,
        tags: view.tags,
        options: view.options,
        images: view.images,
        seo_title: view.seo_title,
        seo_description: view.seo_description,
        attributes,
    })
}

fn shown_variant(view: &VariantView) -> Option<VariantInput> {
    let internal = view.internal.as_ref()?;
    Some(VariantInput {
        sku: view.sku.clone(),
        barcode: view.barcode.clone(),
        option_values: view.option_values.clone(),
        prices: view.prices.clone(),
        tax_class: view.tax_class,
        requires_shipping: view.requires_shipping,
        weight_grams: view.weight_grams,
        track_stock: internal.stock.track_stock,
        allow_backorder: internal.stock.allow_backorder,
        image_url: view.image_url.clone(),
        cost: internal.cost,
        attributes: internal.attributes.clone(),
        on_hand: Some(internal.stock.on_hand),
    })
}
