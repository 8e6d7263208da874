//! Forgets what providers told long ago. Their events are kept as they came, to answer questions of
//! yesterday's dispute, and long enough that no provider repeats one; for ever would fill the disk.

use std::{sync::Arc, time::Duration};

use chassis::Env;
use jiff::Timestamp;

use crate::store::PaymentStore;

const KEPT: Duration = Duration::from_secs(180 * 24 * 3600);
const INTERVAL: Duration = Duration::from_secs(3600);
/// Events forgotten in one commit.
const BATCH_LEN: u32 = 500;

/// Forgets until the process stops.
pub(crate) fn start(env: &Env, store: Arc<dyn PaymentStore>) {
    let task_env = env.clone();
    env.spawn("forget-provider-events", async move {
        loop {
            let before = task_env.now().checked_sub(KEPT).unwrap_or(Timestamp::MIN);
            let pause = match store.forget_provider_events(before, BATCH_LEN).await {
                Ok(forgotten) if forgotten == BATCH_LEN as usize => Duration::from_millis(100),
                Ok(_) => INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "old provider events stay for now");
                    INTERVAL
                }
            };
            tokio::select! {
                biased;
                () = task_env.stopping() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}
