//! Forgets what providers told long ago. Their events are kept as they came, to answer questions of
//! yesterday's dispute, and long enough that no provider repeats one; for ever would fill the disk.

use std::{sync::Arc, time::Duration};

use chassis::{Env, forget};
use jiff::Timestamp;

use crate::store::PaymentStore;

const KEPT: Duration = Duration::from_secs(180 * 24 * 3600);
/// Events forgotten in one commit.
const BATCH_LEN: u32 = 500;

/// Forgets until the process stops.
pub(crate) fn start(env: &Env, store: Arc<dyn PaymentStore>) {
    let now = env.clone();
    forget::start(env, "old provider events", BATCH_LEN as usize, move || {
        let store = Arc::clone(&store);
        let before = now.now().checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        async move { store.forget_provider_events(before, BATCH_LEN).await }
    });
}
