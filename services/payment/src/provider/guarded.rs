//! Keeps a sick provider from making us sick: bounded calls at once, a deadline for each, and a pause for
//! everybody after too many failures in a row.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use http::HeaderMap;
use jiff::Timestamp;
use tokio::{sync::Semaphore, time::Instant};

use super::{Notice, NoticeError, Outcome, Provider, ProviderCall, QueryError, Snapshot, make};

/// Failures in a row after which calls are held back.
const FAILURES_MAX: u32 = 20;
/// How long they are held back before one call tries.
const REST: Duration = Duration::from_secs(2);

/// A provider behind a bulkhead, a timeout and a circuit breaker.
pub struct Guarded {
    provider: Arc<dyn Provider>,
    permits: Semaphore,
    timeout: Duration,
    breaker: Mutex<Breaker>,
}

#[derive(Default)]
struct Breaker {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Guarded {
    /// At most `calls_max` calls at once, each answered within `timeout`.
    pub fn new(provider: Arc<dyn Provider>, calls_max: usize, timeout: Duration) -> Self {
        Self { provider, permits: Semaphore::new(calls_max), timeout, breaker: Mutex::default() }
    }

    /// True if a call may be made now. After a rest, one call at a time finds out whether it is over.
    fn admits(&self) -> bool {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match breaker.rests_until {
            Some(until) if now < until => false,
            Some(_) => {
                breaker.rests_until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    fn note(&self, answered: bool) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *breaker = Breaker::default();
            return;
        }
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= FAILURES_MAX {
            metrics::counter!("payment_provider_rests_total").increment(1);
            breaker.rests_until = Some(Instant::now() + REST);
        }
    }

    async fn call(&self, call: &ProviderCall) -> Outcome {
        let Ok(_permit) = self.permits.acquire().await else {
            return Outcome::Unreachable("the process is stopping".to_owned());
        };
        if !self.admits() {
            return Outcome::Unreachable("the provider is given a rest after many failures".to_owned());
        }
        let started = Instant::now();
        chassis::fail_point!("payment.provider", call.kind.as_str(), "before");
        let outcome = tokio::time::timeout(self.timeout, make(&*self.provider, call))
            .await
            .unwrap_or_else(|_| Outcome::Unknown(format!("no answer within {:?}", self.timeout)));
        chassis::fail_point!("payment.provider", call.kind.as_str(), "after");
        let name = match &outcome {
            Outcome::Approved(_) => "approved",
            Outcome::Declined { .. } => "declined",
            Outcome::Pending(_) => "pending",
            Outcome::Unknown(_) => "unknown",
            Outcome::Unreachable(_) => "unreachable",
        };
        metrics::histogram!("payment_provider_call_seconds", "kind" => call.kind.as_str(), "outcome" => name)
            .record(started.elapsed().as_secs_f64());
        self.note(!matches!(outcome, Outcome::Unknown(_) | Outcome::Unreachable(_)));
        outcome
    }
}

#[async_trait]
impl Provider for Guarded {
    async fn authorize(&self, call: &ProviderCall) -> Outcome {
        self.call(call).await
    }

    async fn capture(&self, call: &ProviderCall) -> Outcome {
        self.call(call).await
    }

    async fn void(&self, call: &ProviderCall) -> Outcome {
        self.call(call).await
    }

    async fn refund(&self, call: &ProviderCall) -> Outcome {
        self.call(call).await
    }

    async fn query(&self, call: &ProviderCall) -> Result<Option<Snapshot>, QueryError> {
        let _permit = self.permits.acquire().await.map_err(|error| QueryError(error.to_string()))?;
        if !self.admits() {
            return Err(QueryError("the provider is given a rest after many failures".to_owned()));
        }
        chassis::fail_point!("payment.provider.query.before");
        let answer = tokio::time::timeout(self.timeout, self.provider.query(call))
            .await
            .unwrap_or_else(|_| Err(QueryError(format!("no answer within {:?}", self.timeout))));
        chassis::fail_point!("payment.provider.query.after");
        self.note(answer.is_ok());
        answer
    }

    fn parse_webhook(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Notice, NoticeError> {
        self.provider.parse_webhook(headers, body, now)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use async_trait::async_trait;
    use http::HeaderMap;
    use jiff::Timestamp;

    use super::{FAILURES_MAX, Guarded};
    use crate::provider::{Notice, NoticeError, Outcome, Provider, ProviderCall, QueryError, Snapshot, contract};

    /// Takes every call and never answers.
    #[derive(Default)]
    struct Silent {
        calls: AtomicU32,
    }

    #[async_trait]
    impl Provider for Silent {
        async fn authorize(&self, _: &ProviderCall) -> Outcome {
            self.calls.fetch_add(1, Ordering::SeqCst);
            pending().await
        }

        async fn capture(&self, _: &ProviderCall) -> Outcome {
            pending().await
        }

        async fn void(&self, _: &ProviderCall) -> Outcome {
            pending().await
        }

        async fn refund(&self, _: &ProviderCall) -> Outcome {
            pending().await
        }

        async fn query(&self, _: &ProviderCall) -> Result<Option<Snapshot>, QueryError> {
            pending().await
        }

        fn parse_webhook(&self, _: &HeaderMap, _: &[u8], _: Timestamp) -> Result<Notice, NoticeError> {
            Err(NoticeError::Forged)
        }
    }

    #[tokio::test]
    async fn silence_is_an_unknown_outcome_and_after_much_of_it_nobody_is_asked() {
        let silent = Arc::new(Silent::default());
        let guarded = Guarded::new(Arc::clone(&silent) as Arc<dyn Provider>, 4, Duration::from_millis(2));
        let call = contract::some_authorization();
        for _ in 0..FAILURES_MAX {
            assert!(matches!(guarded.authorize(&call).await, Outcome::Unknown(_)));
        }
        assert!(matches!(guarded.authorize(&call).await, Outcome::Unreachable(_)));
        assert!(guarded.query(&call).await.is_err());
        assert_eq!(silent.calls.load(Ordering::SeqCst), FAILURES_MAX);
    }
}
