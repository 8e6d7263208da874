//! Virtual time, which every process reads with an error of its own.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chassis::env::Clock;
use jiff::Timestamp;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z.
const BEGINNING_MICROS: i64 = 1_767_225_600_000_000;

/// The clock of one process.
pub struct SimClock {
    began: Instant,
    error_micros: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock of the world that began at `began`.
    pub fn new(began: Instant, error_micros: Arc<AtomicI64>) -> Self {
        Self { began, error_micros }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        let micros = BEGINNING_MICROS.saturating_add(passed).saturating_add(self.error_micros.load(Ordering::Relaxed));
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }
}
