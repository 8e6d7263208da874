//! Keeps the search index current: one task writes it, fed by product events, changes of categories and
//! requests for a rebuild.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chassis::{
    Env, StoreError,
    bus::{ConsumeError, Consumer},
    operations::rebuild::{Progress, Rebuild},
};
use contracts::{
    Envelope, Event as _,
    product::{ProductEvent, ProductId},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    category::Category,
    error::CatalogueError,
    product::ProductStatus,
    search::{IndexedProduct, SearchIndex},
    store::{ListQuery, ListSort, ProductStore, Stocked},
};

/// Changes in one commit of the index.
const BATCH_LEN: usize = 256;
/// Products read at once by a rebuild.
const REBUILD_LEN: u32 = 500;
const CATEGORIES_MAX: u32 = 10_000;
/// Deeper trees do not exist.
const DEPTH_MAX: usize = 32;
/// Between two commits of the index: what changes meanwhile shares the next one.
const GATHER_DELAY: Duration = Duration::from_millis(200);
const REST_INTERVAL: Duration = Duration::from_secs(5);

enum Task {
    /// A product changed; answered when searches see it.
    Product(ProductId, oneshot::Sender<()>),
    /// A category has another name or place.
    Category(String),
    /// Make the index again; answered when it is there.
    Rebuild(Arc<Progress>, oneshot::Sender<Result<(), StoreError>>),
}

/// The way to the index.
#[derive(Clone)]
pub struct IndexFeed {
    tasks: mpsc::Sender<Task>,
}

impl IndexFeed {
    /// For a stopped shop: leads nowhere. What changes is announced, and indexed at the shop's next start.
    pub(crate) fn closed() -> Self {
        Self { tasks: mpsc::channel(1).0 }
    }

    /// Has products of the category indexed again.
    pub(crate) async fn category_changed(&self, handle: &str) {
        // Fails only while the process stops.
        let _ = self.tasks.send(Task::Category(handle.to_owned())).await;
    }

    /// Has the index made again, in the background.
    pub async fn rebuild(&self) {
        let (sender, _) = oneshot::channel();
        let _ = self.tasks.send(Task::Rebuild(Arc::default(), sender)).await;
    }
}

#[async_trait]
impl Rebuild for IndexFeed {
    fn name(&self) -> &'static str {
        "search"
    }

    async fn run(&self, progress: Arc<Progress>) -> Result<(), StoreError> {
        let stopping = || StoreError::Unavailable("the search index is stopping".to_owned());
        let (sender, receiver) = oneshot::channel();
        self.tasks.send(Task::Rebuild(progress, sender)).await.map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())?
    }
}

#[async_trait]
impl Consumer for IndexFeed {
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError> {
        let Some(ProductEvent::Changed(changed)) = ProductEvent::open(envelope)? else { return Ok(()) };
        let (sender, receiver) = oneshot::channel();
        let stopped = "the search index is stopping";
        let task = Task::Product(changed.product_id, sender);
        self.tasks.send(task).await.map_err(|_| ConsumeError::Outage(stopped.to_owned()))?;
        receiver.await.map_err(|_| ConsumeError::Outage("the product could not be indexed".to_owned()))
    }
}

/// Writes the index.
struct Indexer {
    env: Env,
    store: Arc<dyn ProductStore>,
    search: Arc<SearchIndex>,
    searchable: Arc<AtomicU64>,
}

/// Starts the task that writes `search`; `searchable` grows whenever searches see something new.
pub(crate) fn start(
    env: &Env,
    store: Arc<dyn ProductStore>,
    search: Arc<SearchIndex>,
    searchable: Arc<AtomicU64>,
) -> IndexFeed {
    let (sender, receiver) = mpsc::channel(BATCH_LEN * 2);
    let indexer = Indexer { env: env.clone(), store, search, searchable };
    env.spawn("search-index", async move { indexer.run(receiver).await });
    IndexFeed { tasks: sender }
}

/// Makes the index of a stopped shop again.
pub async fn rebuild(
    env: &Env,
    store: Arc<dyn ProductStore>,
    search: SearchIndex,
    progress: &Progress,
) -> Result<(), CatalogueError> {
    let indexer = Indexer { env: env.clone(), store, search: Arc::new(search), searchable: Arc::default() };
    indexer.rebuild(progress).await
}

impl Indexer {
    async fn run(self, mut tasks: mpsc::Receiver<Task>) {
        if self.search.needs_rebuild() {
            self.report(self.rebuild(&Progress::default()).await, "the search index could not be made");
        }
        let mut batch = Vec::with_capacity(BATCH_LEN);
        loop {
            tokio::select! {
                biased;
                () = self.env.stopping() => return,
                taken = tasks.recv_many(&mut batch, BATCH_LEN) => {
                    if taken == 0 {
                        return;
                    }
                    self.handle(batch.drain(..)).await;
                    tokio::select! {
                        biased;
                        () = self.env.stopping() => return,
                        () = tokio::time::sleep(GATHER_DELAY) => {}
                    }
                }
                () = tokio::time::sleep(REST_INTERVAL) => {
                    let search = Arc::clone(&self.search);
                    if search.is_awake() {
                        let rested = self.blocking(move || search.rest()).await;
                        self.report(rested, "the search index could not let go of its writer");
                    }
                }
            }
        }
    }

    async fn handle(&self, batch: impl Iterator<Item = Task>) {
        let (mut ids, mut waiting) = (BTreeSet::new(), Vec::new());
        let (mut categories, mut rebuilds) = (Vec::new(), Vec::new());
        for task in batch {
            match task {
                Task::Product(id, sender) => {
                    ids.insert(id);
                    waiting.push(sender);
                }
                Task::Category(handle) => categories.push(handle),
                Task::Rebuild(progress, sender) => rebuilds.push((progress, sender)),
            }
        }
        let applied = self.index(ids.into_iter().collect(), false).await;
        if applied.is_ok() {
            waiting.into_iter().for_each(|sender| {
                let _ = sender.send(());
            });
        }
        self.report(applied, "changed products could not be indexed");
        for handle in categories {
            self.report(self.index_category(handle).await, "products of a changed category could not be indexed");
        }
        for (progress, sender) in rebuilds {
            let made = self.rebuild(&progress).await;
            // Who asked may not wait for it.
            let _ = sender.send(made.as_ref().copied().map_err(|error| StoreError::Unavailable(error.to_string())));
            self.report(made, "the search index could not be made again");
        }
    }

    /// Brings products in the index to their present state; `anew` also if they are there in this version.
    async fn index(&self, ids: Vec<ProductId>, anew: bool) -> Result<(), CatalogueError> {
        if ids.is_empty() {
            return Ok(());
        }
        let products = self.store.get_many(ids.clone()).await?;
        let shelves = Shelves::read(self.store.as_ref()).await?;
        let active: Vec<IndexedProduct> = products
            .iter()
            .filter(|(product, _)| on_sale(product.status))
            .map(|stocked| shelves.index(stocked))
            .collect();
        let kept: BTreeSet<ProductId> = active.iter().map(|product| product.id).collect();
        let gone: Vec<ProductId> = ids.into_iter().filter(|id| anew || !kept.contains(id)).collect();
        let search = Arc::clone(&self.search);
        self.blocking(move || {
            search.remove(&gone)?;
            search.apply(active)
        })
        .await
    }

    async fn index_category(&self, handle: String) -> Result<(), CatalogueError> {
        let mut after = None;
        loop {
            let query = ListQuery {
                status: Some(ProductStatus::Active),
                category: Some(handle.clone()),
                in_stock: None,
                min_price: None,
                max_price: None,
                sort: ListSort::Newest,
                after,
                limit: REBUILD_LEN,
            };
            let listed = self.store.list(query).await?;
            after = listed.last().map(|last| last.place.clone());
            if after.is_none() {
                return Ok(());
            }
            self.index(listed.into_iter().map(|listed| listed.id).collect(), true).await?;
        }
    }

    /// Makes the index again beside the one that is searched, which stays if the process stops before the end.
    async fn rebuild(&self, progress: &Progress) -> Result<(), CatalogueError> {
        progress.expect(self.store.count().await?);
        let shelves = Shelves::read(self.store.as_ref()).await?;
        let search = Arc::clone(&self.search);
        let mut rebuilding = self.env.blocking(move || search.begin_rebuild()).await??;
        let mut after = None;
        while !self.env.is_stopping() {
            let page = self.store.list_all(after, REBUILD_LEN).await?;
            let Some((last, _)) = page.last() else {
                tracing::info!(products = progress.done(), "the search index is complete");
                return self.blocking(move || rebuilding.finish()).await;
            };
            after = Some(last.id);
            let active: Vec<IndexedProduct> = page
                .iter()
                .filter(|(product, _)| on_sale(product.status))
                .map(|stocked| shelves.index(stocked))
                .collect();
            let added = move || rebuilding.add(&active).map(|()| rebuilding);
            rebuilding = self.env.blocking(added).await??;
            self.searchable.fetch_add(1, Ordering::AcqRel);
            progress.advance(page.len() as u64);
        }
        Err(CatalogueError::Store(StoreError::Unavailable("the process stops".to_owned())))
    }

    /// Runs a change of the index, which waits for the disk.
    async fn blocking(
        &self,
        change: impl FnOnce() -> Result<(), crate::search::SearchError> + Send + 'static,
    ) -> Result<(), CatalogueError> {
        let changed = self.env.blocking(change).await?;
        self.searchable.fetch_add(1, Ordering::AcqRel);
        Ok(changed?)
    }

    fn report(&self, outcome: Result<(), CatalogueError>, what: &'static str) {
        if let Err(error) = outcome {
            tracing::error!(%error, "{what}");
        }
    }
}

fn on_sale(status: ProductStatus) -> bool {
    status == ProductStatus::Active
}

/// All categories, to tell those above one.
struct Shelves(HashMap<String, Category>);

impl Shelves {
    async fn read(store: &dyn ProductStore) -> Result<Self, CatalogueError> {
        let categories = store.list_categories(None, CATEGORIES_MAX).await?;
        Ok(Self(categories.into_iter().map(|category| (category.handle.clone(), category)).collect()))
    }

    /// The category with this handle and those above it.
    fn path(&self, handle: Option<&str>) -> Vec<&Category> {
        let mut path = Vec::new();
        let mut above = handle.and_then(|handle| self.0.get(handle));
        while let Some(category) = above.filter(|_| path.len() < DEPTH_MAX) {
            path.push(category);
            above = category.parent.as_deref().and_then(|parent| self.0.get(parent));
        }
        path
    }

    fn index(&self, (product, levels): &Stocked) -> IndexedProduct {
        let path = self.path(product.category.as_deref());
        let mut keywords = vec![product.vendor.clone(), product.product_type.clone()];
        keywords.extend(product.tags.iter().cloned());
        keywords.extend(path.iter().flat_map(|category| category.name.0.values().cloned()));
        keywords.extend(product.options.iter().flat_map(|option| option.values.iter().cloned()));
        for variant in &product.variants {
            keywords.extend(variant.sku.iter().chain(&variant.barcode).cloned());
        }
        keywords.retain(|keyword| !keyword.is_empty());
        let prices = product.variants.iter().flat_map(|variant| variant.prices.iter().map(|price| price.amount));
        IndexedProduct {
            id: product.id,
            version: product.version,
            changed_at: product.updated_at,
            titles: product.title.clone(),
            descriptions_html: product.description_html.clone(),
            keywords,
            categories: path.iter().map(|category| category.handle.clone()).collect(),
            prices: prices.collect(),
            in_stock: levels.iter().any(crate::stock::StockLevel::in_stock),
        }
    }
}
