//! How a call is made and taken: deadline and trace go with it, and one that did not get through is repeated.

use std::{future::Future, time::Duration};

use chassis::{Env, trace, trace::TraceContext};
use tokio::time::Instant;
use tonic::{Code, Request, Status, metadata::MetadataMap};

const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    static DEADLINE: Instant;
}

/// How long calls may take and how often they are made again.
#[derive(Debug, Clone, Copy)]
pub struct CallPolicy {
    /// For all attempts together; a shorter deadline of whoever asked us counts instead.
    pub deadline: Duration,
    /// How often a call is made at most.
    pub attempts_max: u32,
    /// The first pause between attempts; it doubles, and half of it is random.
    pub pause: Duration,
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(2), attempts_max: 4, pause: Duration::from_millis(20) }
    }
}

/// Runs `work` with a deadline that the calls it makes inherit.
pub async fn within<T>(deadline: Instant, work: impl Future<Output = T>) -> T {
    DEADLINE.scope(deadline, work).await
}

/// Makes a call that may be repeated, until it gets through, is refused, or its deadline passes. `attempt` sends
/// the request it is given.
pub(crate) async fn make<T, M: Clone, F>(
    env: &Env,
    policy: CallPolicy,
    message: M,
    mut attempt: impl FnMut(Request<M>) -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<tonic::Response<T>, Status>>,
{
    let own = Instant::now() + policy.deadline;
    let deadline = DEADLINE.try_with(|inherited| own.min(*inherited)).unwrap_or(own);
    let mut attempts = 1;
    loop {
        let request = request(message.clone(), deadline);
        // The server keeps the deadline as well; this one covers also the wait for a connection.
        let answer = tokio::time::timeout_at(deadline, attempt(request)).await;
        let status = match answer {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => status,
            Err(_) => return Err(Status::deadline_exceeded("no answer within the deadline")),
        };
        let pause = chassis::bus::backoff(env, attempts, policy.pause, policy.deadline);
        if status.code() != Code::Unavailable || attempts >= policy.attempts_max || Instant::now() + pause >= deadline {
            return Err(status);
        }
        tracing::debug!(%status, attempts, "the call did not get through; making it again");
        tokio::time::sleep(pause).await;
        attempts += 1;
    }
}

fn request<M>(message: M, deadline: Instant) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    if let Some(value) = trace::current_traceparent().and_then(|value| value.parse().ok()) {
        request.metadata_mut().insert(TRACEPARENT, value);
    }
    request
}

/// Does the work of a call that came in, under the caller's trace and deadline.
pub(crate) async fn take<T>(env: &Env, metadata: &MetadataMap, work: impl Future<Output = T>) -> T {
    let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
    let trace = text(TRACEPARENT).and_then(TraceContext::parse).map(|trace| trace.child(env));
    let work = trace::scope(trace.unwrap_or_else(|| TraceContext::root(env)), work);
    match text("grpc-timeout").and_then(timeout) {
        Some(timeout) => within(Instant::now() + timeout, work).await,
        None => work.await,
    }
}

/// `250m` is 250 ms: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
fn timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    let amount: u64 = (digits.len() <= 8).then(|| digits.parse().ok()).flatten()?;
    Some(match unit {
        "H" => Duration::from_secs(amount.checked_mul(3600)?),
        "M" => Duration::from_secs(amount.checked_mul(60)?),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::timeout;

    #[test]
    fn timeouts_read_as_the_protocol_says() {
        assert_eq!(timeout("2S"), Some(Duration::from_secs(2)));
        assert_eq!(timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(timeout("3H"), Some(Duration::from_secs(10_800)));
        for bad in ["", "S", "2", "-1S", "123456789S", "2s", "2 S", "초"] {
            assert_eq!(timeout(bad), None, "{bad}");
        }
    }
}
