//! Forgetting what is no longer needed: a little at a time, so that nobody waits long behind it, and now and then.

use std::time::Duration;

use crate::{Env, StoreError};

/// How often it is looked whether there is something to forget.
const INTERVAL: Duration = Duration::from_secs(3600);
/// Between two commits, so that others get their turn.
const BREATH: Duration = Duration::from_millis(100);

/// Calls `forget` in the background until the process stops: again at once while it answers `batch_len`, the number
/// of things it forgets in one commit, and else after an hour. `what` is forgotten, for the log.
pub fn start<F>(env: &Env, what: &'static str, batch_len: usize, mut forget: impl FnMut() -> F + Send + 'static)
where
    F: Future<Output = Result<usize, StoreError>> + Send,
{
    let task_env = env.clone();
    env.spawn("forget", async move {
        loop {
            let pause = match forget().await {
                Ok(forgotten) if forgotten >= batch_len => BREATH,
                Ok(_) => INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, what, "what is no longer needed stays for now");
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use crate::{Env, StoreError};

    #[tokio::test(start_paused = true)]
    async fn goes_on_while_there_is_more_and_then_rests() {
        let env = Env::system();
        let left = Arc::new(AtomicUsize::new(25));
        let calls = Arc::new(AtomicUsize::new(0));
        let (stock, count) = (Arc::clone(&left), Arc::clone(&calls));
        super::start(&env, "numbers", 10, move || {
            let (stock, count) = (Arc::clone(&stock), Arc::clone(&count));
            async move {
                if count.fetch_add(1, Ordering::SeqCst) == 3 {
                    return Err(StoreError::Full);
                }
                let taken = stock.load(Ordering::SeqCst).min(10);
                stock.fetch_sub(taken, Ordering::SeqCst);
                Ok(taken)
            }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((left.load(Ordering::SeqCst), calls.load(Ordering::SeqCst)), (0, 3), "10, 10, 5");
        left.store(5, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!((left.load(Ordering::SeqCst), calls.load(Ordering::SeqCst)), (5, 4), "the disk was full");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(left.load(Ordering::SeqCst), 0);
        env.stop().await;
    }
}
