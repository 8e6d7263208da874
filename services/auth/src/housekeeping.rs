//! What auth does by itself: new signing keys, old sessions forgotten.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    Auth,
    error::Error,
    rotate_signing_key::{load_signing_keys, rotate_signing_key},
    throttle,
};

/// How soon a rotation by another replica is noticed.
const INTERVAL: Duration = Duration::from_secs(60);
/// Sweeping writes, so an idle shop does it rarely: once in so many intervals.
const SWEEP_EVERY: u64 = 60;
/// Sessions that ended are kept this long, so that a stolen token is still recognised as one.
const ENDED_SESSIONS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Looks after keys and sessions until the process stops.
pub(crate) fn start(auth: Arc<Auth>) {
    let env = auth.env.clone();
    env.clone().spawn("auth-housekeeping", async move {
        for round in 1_u64.. {
            tokio::select! {
                biased;
                () = env.stopping() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let swept = async { if round % SWEEP_EVERY == 0 { sweep(&auth).await } else { Ok(()) } };
            if let Err(error) = look_after_keys(&auth).await.and(swept.await) {
                tracing::warn!(%error, "auth housekeeping will try again");
            }
        }
    });
}

/// Takes keys that other replicas made, and makes one if the present one is old or missing.
pub(crate) async fn look_after_keys(auth: &Auth) -> Result<(), Error> {
    load_signing_keys(auth).await?;
    let now = auth.env.now();
    let due = |created_at| now.duration_since(created_at) >= auth.signing_key_lifetime;
    if auth.signer.active().is_none_or(|(_, created_at)| due(created_at)) {
        rotate_signing_key(auth).await?;
    }
    Ok(())
}

async fn sweep(auth: &Auth) -> Result<(), Error> {
    let now = auth.env.now();
    let before = |kept| now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
    Ok(auth.store.sweep(before(ENDED_SESSIONS_KEPT), before(throttle::FORGOTTEN_AFTER)).await?)
}
