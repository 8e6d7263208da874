//! Everything that goes wrong in a world, each with a rate and a stream of randomness of its own.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::rng::Rng;

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal / $rate:literal,)*) => {
        /// A way to go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];

            /// What people call it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// The highest share of occasions at which it happens.
            pub fn rate_max(self) -> f64 {
                match self { $(Self::$fault => $rate,)* }
            }
        }
    };
}

faults! {
    /// A call takes long.
    CallDelayed = "fault: call delayed" / 0.1,
    /// A call never arrives; its caller may know that or not.
    CallDropped = "fault: call dropped" / 0.1,
    /// A call is done and its answer is lost.
    CallUnanswered = "fault: call done, answer lost" / 0.1,
    /// A callee stops where it is because its caller went away.
    CallAbandoned = "fault: callee stopped when its caller left" / 0.5,
    /// Events come late.
    BusDelayed = "fault: events late" / 0.6,
    /// The bus takes no events.
    BusRefused = "fault: events refused" / 0.2,
    /// The bus takes events and does not say so.
    BusUnanswered = "fault: events taken, answer lost" / 0.2,
    /// An event comes once more, later.
    BusRepeated = "fault: event repeated" / 0.2,
    /// Events of different keys change places.
    BusReordered = "fault: events reordered across keys" / 0.5,
    /// A job is done twice.
    QueueRepeated = "fault: job repeated" / 0.2,
    /// The queue takes no jobs.
    QueueRefused = "fault: jobs refused" / 0.2,
    /// A disk takes its time.
    StoreSlow = "fault: store slow" / 0.05,
    /// A store fails and does nothing.
    StoreUnavailable = "fault: store unavailable" / 0.05,
    /// A store does nothing, and nobody knows that.
    StoreLost = "fault: commit lost, outcome unknown" / 0.05,
    /// A store commits, and nobody knows that.
    StoreUnanswered = "fault: commit done, outcome unknown" / 0.05,
    /// A process dies at some moment.
    Crash = "fault: crash at any await" / 0.5,
    /// A process dies before a commit.
    CrashBeforeCommit = "fault: crash before a commit" / 0.02,
    /// A process dies after a commit.
    CrashAfterCommit = "fault: crash after a commit" / 0.02,
    /// The clocks of services differ.
    ClockSkew = "fault: clock skew" / 1.0,
    /// A clock jumps.
    ClockStep = "fault: clock step" / 0.5,
    /// The provider is told to misbehave.
    ProviderTrouble = "fault: provider trouble" / 0.5,
    /// A webhook is lost.
    WebhookLost = "fault: webhook lost" / 0.5,
    /// A webhook comes minutes late.
    WebhookLate = "fault: webhook late" / 0.5,
    /// A webhook comes again.
    WebhookRepeated = "fault: webhook repeated" / 0.5,
    /// Webhooks overtake each other.
    WebhookReordered = "fault: webhooks reordered" / 0.5,
    /// The provider says DONE and 46 ms later ABORTED.
    WebhookContradicted = "fault: DONE, then ABORTED" / 0.3,
}

/// The faults of one world.
pub struct Faults {
    raging: AtomicBool,
    of: BTreeMap<Fault, Mutex<(f64, Rng)>>,
    /// What is not a fault but chance: latencies.
    latency: Mutex<Rng>,
}

impl Faults {
    /// Those of `rates`, resting.
    pub fn new(seed: u64, rates: &BTreeMap<Fault, f64>) -> Self {
        let of = rates.iter().map(|(fault, rate)| (*fault, Mutex::new((*rate, Rng::of(seed, fault.name())))));
        Self { raging: AtomicBool::new(false), of: of.collect(), latency: Mutex::new(Rng::of(seed, "latency")) }
    }

    /// Lets them happen from now on, or no more.
    pub fn rage(&self, raging: bool) {
        self.raging.store(raging, Ordering::Relaxed);
    }

    /// True while they happen.
    pub fn are_raging(&self) -> bool {
        self.raging.load(Ordering::Relaxed)
    }

    /// True if `fault` happens on this occasion.
    pub fn strikes(&self, fault: Fault) -> bool {
        self.are_raging()
            && self.of.get(&fault).is_some_and(|state| {
                let (rate, rng) = &mut *lock(state);
                rng.chance(*rate)
            })
    }

    /// A number for `fault`, in `from..=to`.
    pub fn size(&self, fault: Fault, from: u64, to: u64) -> u64 {
        self.of.get(&fault).map_or(from, |state| lock(state).1.between(from, to))
    }

    /// Brings `items` into the order that `fault` wants.
    pub fn shuffle<T>(&self, fault: Fault, items: &mut [T]) {
        if let Some(state) = self.of.get(&fault) {
            lock(state).1.shuffle(items);
        }
    }

    /// An ordinary latency, in `from..=to`; with faults at rest everything is at once.
    pub fn latency(&self, from: u64, to: u64) -> u64 {
        if self.are_raging() { lock(&self.latency).between(from, to) } else { 0 }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
