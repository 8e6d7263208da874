//! The only door to time, randomness and tasks, so that a simulator can own them.
//!
//! `clippy.toml` bans the doors around it. Sleeping and measuring durations stay with `tokio::time`,
//! which runs on virtual time when a test pauses it.

use std::{
    cell::RefCell,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// The present instant, UTC.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes, good enough for secrets.
pub trait Entropy: Send + Sync {
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

/// Time, randomness and tasks of one process. Cloning is cheap.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Of a process in a simulated world: cancelled when it is killed.
    life: Option<CancellationToken>,
}

impl Env {
    /// The real world.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
    }

    /// A world with the given clock and entropy.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, tasks: TaskTracker::new(), stop: CancellationToken::new(), life: None }
    }

    /// A process in a simulated world: it can be [killed](Self::kill), and blocking work runs inline.
    pub fn simulated_process(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { life: Some(CancellationToken::new()), ..Self::new(clock, entropy) }
    }

    /// Ends all tasks of a simulated process where they stand, without a word to them. No other can be killed.
    pub fn kill(&self) {
        if let Some(life) = &self.life {
            life.cancel();
        }
    }

    /// Runs `work` while this process lives; `None` if it is killed before.
    pub async fn live<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let Some(life) = &self.life else { return Some(work.await) };
        tokio::select! {
            biased;
            () = life.cancelled() => None,
            done = work => Some(done),
        }
    }

    /// A world where time stands still until told and randomness follows from `seed`.
    pub fn simulated(seed: u64) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        (Self::new(clock.clone(), Arc::new(SeededEntropy::new(seed))), clock)
    }

    /// The present instant, cut to the microsecond that stores keep.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Mints an id: UUIDv7 from this clock and entropy (RFC 9562 §5.7).
    pub fn new_id<T: From<uuid::Uuid>>(&self) -> T {
        let millis = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        T::from(uuid::Builder::from_unix_timestamp_millis(millis, &self.random_bytes()).into_uuid())
    }

    /// `N` random bytes.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// A random number in `0..bound`, for jitter; not for secrets.
    pub fn random_below(&self, bound: u64) -> u64 {
        u64::from_le_bytes(self.random_bytes()) % bound.max(1)
    }

    /// Runs `task` in the background until it ends; [`Env::stop`] waits for it. A long-running task
    /// watches [`Env::stopping`].
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        use tracing::Instrument as _;
        let task = task.instrument(tracing::info_span!("task", name));
        let handle = if self.life.is_some() {
            let env = self.clone();
            self.tasks.spawn(async move { env.live(task).await.unwrap_or_default() })
        } else {
            self.tasks.spawn(task)
        };
        // The watcher is not tracked: it only reports what the tracked task did.
        tokio::spawn(async move {
            if let Err(error) = handle.await
                && error.is_panic()
            {
                tracing::error!(task = name, "a background task panicked");
            }
        });
    }

    /// Runs CPU-heavy or blocking work off the async threads.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, crate::StoreError> {
        if self.life.is_some() {
            return Ok(work());
        }
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| crate::StoreError::Corrupt(format!("a blocking task panicked: {error}")))
    }

    /// Resolves when the process is asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// True once the process was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks all tasks to stop, without waiting.
    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    /// Asks all tasks to stop and waits until they have.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

struct SystemEntropy;

/// Random bytes drawn ahead by each thread: every request draws a trace id, and each draw would be a system call.
const DRAWN_AHEAD: usize = 1024;

thread_local! {
    static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; DRAWN_AHEAD], used: DRAWN_AHEAD }) };
}

/// Bytes that were drawn and not given to anybody yet; those that were given are zero.
struct Drawn {
    bytes: [u8; DRAWN_AHEAD],
    used: usize,
}

impl Drawn {
    fn fill(&mut self, buffer: &mut [u8]) {
        if self.used + buffer.len() > DRAWN_AHEAD {
            draw(&mut self.bytes);
            self.used = 0;
        }
        let given = &mut self.bytes[self.used..self.used + buffer.len()];
        buffer.copy_from_slice(given);
        given.fill(0);
        self.used += buffer.len();
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
#[expect(clippy::panic, reason = "without randomness no secret is safe; the kernel always has some")]
fn draw(buffer: &mut [u8]) {
    if let Err(error) = getrandom::fill(buffer) {
        panic!("the operating system gives no randomness: {error}");
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() > DRAWN_AHEAD {
            draw(buffer);
        } else {
            DRAWN.with_borrow_mut(|drawn| drawn.fill(buffer));
        }
    }
}

/// A clock that moves only when told.
pub struct ManualClock(AtomicU64);

impl Default for ManualClock {
    /// 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self(AtomicU64::new(1_767_225_600_000_000))
    }
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: std::time::Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let micros = i64::try_from(self.0.load(Ordering::SeqCst)).unwrap_or(i64::MAX);
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }
}

/// SplitMix64: the same seed gives the same bytes. For simulation only.
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use super::{DRAWN_AHEAD, Env, ManualClock, SeededEntropy};

    #[test]
    fn no_random_bytes_are_given_twice() {
        let env = Env::system();
        let mut seen = HashSet::new();
        for _ in 0..3 * DRAWN_AHEAD / 24 {
            assert!(seen.insert(env.random_bytes::<24>()));
        }
        let (long, longer) = (env.random_bytes::<DRAWN_AHEAD>(), env.random_bytes::<{ DRAWN_AHEAD + 1 }>());
        assert!(long != longer[1..] && long.iter().any(|byte| *byte != 0) && longer.iter().any(|byte| *byte != 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_killed_goes_no_further() {
        let clock = Arc::new(ManualClock::default());
        let env = Env::simulated_process(clock, Arc::new(SeededEntropy::new(1)));
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        env.spawn("counts", async move {
            loop {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(steps.load(Ordering::SeqCst), 3);
        assert_eq!(env.live(async { 7 }).await, Some(7));
        env.kill();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(steps.load(Ordering::SeqCst), 3);
        assert_eq!(env.live(std::future::pending::<u8>()).await, None);
        env.stop().await;
    }
}
