//! Makes the list of orders anew from their streams while the shop serves: beside the one in use, which stays as it
//! is until the new one takes its place in one commit.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::{
    Env, StoreError,
    operations::rebuild::{Progress, Rebuild},
};

use crate::store::sqlite::SqliteStore;

/// Orders made at once.
const BATCH_LEN: usize = 500;
/// Orders that may be left for the commit that holds everybody up.
const LEFT_MAX: usize = 50;
/// How often what happened meanwhile is caught up with before that commit, however much is left.
const ROUNDS_MAX: usize = 20;

/// A rebuild that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many orders there are.
    pub orders: u64,
    /// The facts they were made of.
    pub events: u64,
    /// How long it took.
    pub millis: u64,
}

/// Why nothing was made anew; the list in use is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// One at a time.
    #[error("the list of orders is being rebuilt already")]
    Running,
    /// The process stops.
    #[error("the rebuild was interrupted; start it again")]
    Interrupted,
    /// The store failed, or a stream makes no order: `jangteo verify` says which.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the list of orders, with what each waits for, from the streams alone.
pub async fn rebuild(store: &SqliteStore, env: &Env, progress: &Progress) -> Result<Rebuilt, RebuildError> {
    let _alone = store.begin_alone().ok_or(RebuildError::Running)?;
    let began = tokio::time::Instant::now();
    let (mut mark, expected) = store.begin_rebuild().await?;
    progress.expect(expected);
    let (mut orders, mut events) = (0, 0);
    let mut batch = store.project_after(None, BATCH_LEN).await?;
    while let Some(last) = batch.orders.last().map(|order| order.id) {
        let len = batch.orders.len() as u64;
        (orders, events) = (orders + len, events + batch.events);
        let next = store.project_after(Some(last), BATCH_LEN);
        let (next, filled) = tokio::join!(next, store.fill_rebuild(batch.orders));
        filled?;
        batch = next?;
        progress.advance(len);
        if env.is_stopping() {
            return Err(RebuildError::Interrupted);
        }
    }
    for _ in 0..ROUNDS_MAX {
        let (changed, now) = store.project_changed(mark).await?;
        let left = changed.orders.len();
        store.refill_rebuild(changed.orders).await?;
        mark = now;
        if left <= LEFT_MAX {
            break;
        }
    }
    store.finish_rebuild(mark).await?;
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(orders, events, millis, "the list of orders was made again");
    Ok(Rebuilt { orders, events, millis })
}

/// The list of orders of a service that runs.
pub(crate) struct OrderList {
    pub(crate) env: Env,
    pub(crate) store: SqliteStore,
}

#[async_trait]
impl Rebuild for OrderList {
    fn name(&self) -> &'static str {
        "orders"
    }

    async fn run(&self, progress: Arc<Progress>) -> Result<(), StoreError> {
        match rebuild(&self.store, &self.env, &progress).await {
            Ok(_) => Ok(()),
            Err(RebuildError::Store(error)) => Err(error),
            Err(other) => Err(StoreError::Unavailable(other.to_string())),
        }
    }
}
