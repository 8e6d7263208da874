//! The service's use cases hang on this; each has a file of its own.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chassis::{Env, idempotency::Record};

use crate::{
    error::{self, CatalogueError},
    index_products::IndexFeed,
    rendered::RenderedCache,
    revision::{Origin, Revision, Wanted, revise},
    search::SearchIndex,
    store::{ProductStore, SaveBatch, SaveOutcome, SaveRefusal, Stamp, Stocked},
};

/// How often a change is tried again when others change the same product.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// Product-service at work.
pub struct ProductService {
    pub(crate) env: Env,
    pub(crate) store: Arc<dyn ProductStore>,
    pub(crate) search: Arc<SearchIndex>,
    pub(crate) feed: IndexFeed,
    pub(crate) rendered: RenderedCache,
    /// Grows with every change of the search index.
    pub(crate) searchable: Arc<AtomicU64>,
}

impl ProductService {
    /// The service on `store`, with an index that `feed` keeps current.
    pub fn new(
        env: &Env,
        store: Arc<dyn ProductStore>,
        search: Arc<SearchIndex>,
        feed: IndexFeed,
        searchable: Arc<AtomicU64>,
    ) -> Self {
        Self { env: env.clone(), store, search, feed, rendered: RenderedCache::default(), searchable }
    }

    /// The store, for exports and checks.
    pub fn store(&self) -> &Arc<dyn ProductStore> {
        &self.store
    }

    /// Has the search index made again, in the background.
    pub async fn rebuild_search(&self) {
        self.feed.rebuild().await;
    }

    /// Grows whenever anything that the public sees changes.
    pub(crate) fn generation(&self) -> u64 {
        self.store.generation() + self.searchable.load(Ordering::Acquire)
    }

    /// What `wanted` makes of the product that is there, if one is.
    pub(crate) fn revise(&self, current: Option<&Stocked>, wanted: Wanted) -> Result<Revision, CatalogueError> {
        let origin =
            Origin { product_id: self.env.new_id(), variant_id: &mut || self.env.new_id(), now: self.env.now() };
        let current = current.map(|(product, levels)| (product, levels.as_slice()));
        revise(current, wanted, origin).map_err(CatalogueError::Invalid)
    }

    /// Writes one revision. `false` if somebody else was faster.
    pub(crate) async fn save(
        &self,
        revision: Revision,
        record: Option<Record>,
        actor: &str,
    ) -> Result<bool, CatalogueError> {
        let batch = SaveBatch {
            revisions: vec![revision],
            atomic: true,
            make_categories: false,
            record,
            stamp: Stamp::new(&self.env, actor),
        };
        let outcome = self.store.save(batch).await?.pop();
        match outcome {
            Some(SaveOutcome::Refused(refusals)) if refusals.contains(&SaveRefusal::Stale) => Ok(false),
            Some(SaveOutcome::Refused(refusals)) => Err(refused(&refusals)),
            Some(SaveOutcome::Written) | None => Ok(true),
        }
    }
}

fn refused(refusals: &[SaveRefusal]) -> CatalogueError {
    let violations = refusals.iter().map(error::violation).collect();
    let of_input = |refusal: &SaveRefusal| matches!(refusal, SaveRefusal::UnknownCategory);
    if refusals.iter().all(of_input) {
        CatalogueError::Invalid(violations)
    } else {
        CatalogueError::Conflict(violations)
    }
}
