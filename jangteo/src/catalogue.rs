//! The catalogue of a shop, as import and export see it: the store of a stopped shop, or the API of a
//! running one.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use axum::body::Body;
use chassis::{
    Env,
    datadir::{self, DataDirLock},
    sqlite::Location,
    transport::{HttpTransport, HttpTransportConfig, Transport as _, TransportError},
};
use contracts::{Page, product::ProductId};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use product_service::{
    ProductService,
    product::{ImportOutcome, ProductInput, VariantInput},
    view::{ProductView, VariantView},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::config::Config;

/// Products in a page of an export.
const PAGE_LEN: u32 = 100;
/// Who the history names for what is imported into a stopped shop.
const ACTOR: &str = "import";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the shop gives an import.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Requests are repeated when the shop is busy or does not answer; repeating an import is safe.
const ATTEMPTS_MAX: u32 = 8;
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Where products go to or come from.
pub enum Target {
    /// The data folder of a stopped shop.
    Stopped {
        /// The shop's settings; `data_dir` says where.
        config: Box<Config>,
    },
    /// A running shop.
    Running {
        /// Where it answers: `http://127.0.0.1:8080`.
        url: String,
        /// A key with `catalog:write`.
        api_key: SecretString,
    },
}

/// An open catalogue.
pub(crate) enum Catalogue {
    Stopped { env: Env, service: Box<ProductService>, after: Option<ProductId>, ended: bool, _lock: DataDirLock },
    Running { shop: Box<Shop>, cursor: Option<String>, ended: bool },
}

/// A running shop.
pub(crate) struct Shop {
    transport: HttpTransport,
    url: String,
    api_key: SecretString,
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
                let config = HttpTransportConfig { base: url.clone(), connect_timeout: CONNECT_TIMEOUT };
                let transport = HttpTransport::new(&config).context("--url")?;
                let shop = Shop { transport, url: url.clone(), api_key: api_key.clone() };
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

/// How one attempt at a request ended.
enum Attempt {
    Done(Vec<u8>),
    /// Worth repeating after a while.
    Later(Option<Duration>, anyhow::Error),
    Failed(anyhow::Error),
}

impl Shop {
    /// Sends a request until it is answered, and reads the answer.
    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<T> {
        let body = bytes::Bytes::from(body.unwrap_or_default());
        let mut wait = WAIT_FIRST;
        for attempt in 1.. {
            match self.attempt(&method, path, body.clone()).await? {
                Attempt::Done(answer) => {
                    return serde_json::from_slice(&answer)
                        .with_context(|| format!("{} does not answer like this version of Jangteo", self.url));
                }
                Attempt::Failed(error) => return Err(error),
                Attempt::Later(_, error) if attempt >= ATTEMPTS_MAX => return Err(error),
                Attempt::Later(told, _) => {
                    tokio::time::sleep(told.unwrap_or(wait).min(WAIT_MAX)).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
        }
        bail!("{} did not answer", self.url)
    }

    async fn attempt(&self, method: &Method, path: &str, body: bytes::Bytes) -> Result<Attempt> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.api_key.expose_secret()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .context("--url")?;
        let unanswered = || anyhow!("{} did not answer in time", self.url);
        let exchange = async {
            let response = match self.transport.send(request).await {
                Ok(response) => response,
                Err(TransportError::Unreachable(reason)) => {
                    let error = anyhow!("cannot reach {}: {reason}. Is the shop running there?", self.url);
                    return Attempt::Failed(error);
                }
                Err(TransportError::Unknown(reason)) => {
                    return Attempt::Later(None, anyhow!("{} broke off: {reason}", self.url));
                }
            };
            let (parts, body) = response.into_parts();
            match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
                Ok(body) => self.judge(parts.status, &parts.headers, body.to_bytes().to_vec()),
                Err(error) => Attempt::Later(None, anyhow!("{} broke off: {error}", self.url)),
            }
        };
        Ok(tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or_else(|_| Attempt::Later(None, unanswered())))
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Attempt {
        if status.is_success() {
            return Attempt::Done(body);
        }
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let detail =
            serde_json::from_slice::<Problem>(&body).map_or_else(|_| String::new(), |it| format!(": {}", it.detail));
        let hint = match status {
            StatusCode::UNAUTHORIZED => " (is the API key right?)",
            StatusCode::FORBIDDEN => " (the API key needs catalog:write)",
            StatusCode::PAYLOAD_TOO_LARGE => " (leave out --atomic, or import into the stopped shop with --data-dir)",
            _ => "",
        };
        let error = anyhow!("{} refused with {status}{detail}{hint}", self.url);
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        if !busy.contains(&status) {
            return Attempt::Failed(error);
        }
        let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Attempt::Later(seconds.map(Duration::from_secs), error)
    }
}
