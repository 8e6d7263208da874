//! W3C Trace Context: which request caused what, across services, events and log lines.
//!
//! <https://www.w3.org/TR/trace-context/#traceparent-header>

use std::future::Future;

use crate::Env;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// A position in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// The beginning of a new trace.
    pub fn root(env: &Env) -> Self {
        // One draw: every request comes by here, and the system's randomness is a system call.
        let bytes: [u8; 24] = env.random_bytes();
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u128, byte| (number << 8) | u128::from(*byte));
        let (trace_id, span_id) = bytes.split_at(16);
        let span_id = u64::try_from(number(span_id)).unwrap_or(1);
        Self { trace_id: number(trace_id).max(1), span_id: span_id.max(1), sampled: true }
    }

    /// A step caused by this one.
    pub fn child(self, env: &Env) -> Self {
        Self { span_id: u64::from_be_bytes(env.random_bytes()).max(1), ..self }
    }

    /// Reads a `traceparent` header; `None` if it is malformed, as the standard asks.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, len: usize| {
            text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let well_formed = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
        if !well_formed || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok()?;
        let span_id = u64::from_str_radix(span, 16).ok()?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, sampled })
    }

    /// The header value.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }

    /// The trace id in hexadecimal, for logs.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

/// The trace of the task that asks, if it has one.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|current| *current).ok()
}

/// The `traceparent` of the task that asks.
pub fn current_traceparent() -> Option<String> {
    current().map(|current| current.traceparent())
}

/// Runs `task` as part of `trace`.
pub async fn scope<T>(trace: TraceContext, task: impl Future<Output = T>) -> T {
    CURRENT.scope(trace, task).await
}

/// Runs `work` as part of `trace`, on this thread.
pub fn sync_scope<T>(trace: Option<TraceContext>, work: impl FnOnce() -> T) -> T {
    match trace {
        Some(trace) => CURRENT.sync_scope(trace, work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    #[test]
    fn reads_what_the_standard_allows_and_nothing_else() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceContext::parse(header).map(|trace| trace.traceparent()), Some(header.to_owned()));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad:?}");
        }
    }
}
