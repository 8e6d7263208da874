//! A world: processes with their disks, the wires between them, and everything that happens to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Arguments,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::{
    Env,
    env::SeededEntropy,
    sqlite::{Location, OpenError, SimulatedFile},
};
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::{
    clock::SimClock,
    coverage::Coverage,
    disk::SimDisk,
    fault::{Fault, Faults},
    plan::Plan,
    rng::Rng,
    services::{self, Parts},
    trace::Trace,
};

/// Where something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The people, and the network; never dies.
    Outside,
    /// The edge.
    Gateway,
    /// A service.
    Auth,
    /// A service.
    Product,
    /// A service.
    Order,
    /// A service.
    Payment,
    /// A service.
    Notification,
    /// The bus.
    Broker,
    /// The payment provider.
    Provider,
}

impl Place {
    /// All places.
    pub const ALL: [Self; 9] = [
        Self::Outside,
        Self::Gateway,
        Self::Auth,
        Self::Product,
        Self::Order,
        Self::Payment,
        Self::Notification,
        Self::Broker,
        Self::Provider,
    ];
    /// Those that can die, in the order in which they start.
    pub const MORTAL: [Self; 8] = [
        Self::Broker,
        Self::Auth,
        Self::Provider,
        Self::Product,
        Self::Order,
        Self::Payment,
        Self::Notification,
        Self::Gateway,
    ];

    /// What traces call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Gateway => "gateway",
            Self::Auth => "auth",
            Self::Product => "product",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Notification => "notification",
            Self::Broker => "broker",
            Self::Provider => "provider",
        }
    }
}

/// A place with what runs there now.
struct Node {
    state: Mutex<NodeState>,
    error_micros: Arc<AtomicI64>,
}

#[derive(Default)]
struct NodeState {
    env: Option<Env>,
    lives: u64,
    parts: Parts,
    files: BTreeMap<&'static str, Arc<SimulatedFile>>,
}

/// The world.
pub struct World {
    /// What it was made from.
    pub plan: Plan,
    /// What goes wrong.
    pub faults: Faults,
    /// What was reached.
    pub coverage: Coverage,
    began: Instant,
    nodes: BTreeMap<Place, Node>,
    trace: Mutex<Trace>,
    /// Counts moments, to tell before from after.
    moment: AtomicU64,
    wrongs: Mutex<BTreeSet<String>>,
}

impl World {
    /// A world in which nothing runs yet. Must be called in the runtime whose time it has.
    pub fn new(plan: Plan) -> Arc<Self> {
        let nodes = Place::ALL.map(|place| {
            let state = Mutex::new(NodeState::default());
            (place, Node { state, error_micros: Arc::default() })
        });
        let this = Arc::new(Self {
            faults: Faults::new(plan.seed, &plan.faults),
            coverage: Coverage::default(),
            began: Instant::now(),
            nodes: nodes.into_iter().collect(),
            trace: Mutex::new(Trace::new(plan.recorded)),
            moment: AtomicU64::new(0),
            wrongs: Mutex::default(),
            plan,
        });
        let env = this.new_env(Place::Outside);
        this.state(Place::Outside).env = Some(env);
        this
    }

    /// Notes what happens.
    pub fn log(&self, event: Arguments<'_>) {
        lock(&self.trace).add(self.began.elapsed().as_micros(), event);
    }

    /// The trace.
    pub fn trace(&self) -> MutexGuard<'_, Trace> {
        lock(&self.trace)
    }

    /// Notes what must never be.
    pub fn blame(&self, what: String) {
        self.log(format_args!("WRONG {what}"));
        lock(&self.wrongs).insert(what);
    }

    /// What was noted so.
    pub fn wrongs(&self) -> Vec<String> {
        lock(&self.wrongs).iter().cloned().collect()
    }

    /// True if `fault` happens now; then it is noted.
    pub fn strikes(&self, fault: Fault, whom: &dyn std::fmt::Display) -> bool {
        let strikes = self.faults.strikes(fault);
        if strikes {
            self.coverage.reached(fault.name());
            self.log(format_args!("** {whom}: {}", fault.name()));
        }
        strikes
    }

    /// How much time has passed.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A number greater than any before.
    pub fn moment(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::Relaxed)
    }

    /// The process that runs at `place`, if one does.
    pub fn env(&self, place: Place) -> Option<Env> {
        self.state(place).env.clone()
    }

    /// Does something in the background that no crash ends.
    pub fn background(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(env) = self.env(Place::Outside) {
            env.spawn("outside", task);
        }
    }

    /// What runs at `place`; everything is absent while it is down.
    pub fn parts(&self, place: Place) -> Parts {
        self.state(place).parts.clone()
    }

    /// The file `name` on the disk of `place`; it outlives the process there.
    pub fn file(self: &Arc<Self>, place: Place, name: &'static str) -> Result<Arc<SimulatedFile>, OpenError> {
        if let Some(known) = self.state(place).files.get(name) {
            return Ok(Arc::clone(known));
        }
        let file = SimulatedFile::new(Arc::new(SimDisk { world: Arc::clone(self), place, name }))?;
        self.state(place).files.insert(name, Arc::clone(&file));
        Ok(file)
    }

    /// The same as a location.
    pub fn location(self: &Arc<Self>, place: Place, name: &'static str) -> Result<Location, OpenError> {
        self.file(place, name).map(Location::Simulated)
    }

    /// All files there are.
    pub fn files(&self) -> Vec<(Place, &'static str, Arc<SimulatedFile>)> {
        let mut files = Vec::new();
        for place in Place::ALL {
            files.extend(self.state(place).files.iter().map(|(name, file)| (place, *name, Arc::clone(file))));
        }
        files
    }

    fn new_env(&self, place: Place) -> Env {
        let lives = {
            let mut state = self.state(place);
            state.lives += 1;
            state.lives
        };
        let clock = SimClock::new(self.began, Arc::clone(&self.node(place).error_micros));
        let mut rng = Rng::of(self.plan.seed, place.name());
        let seed = (0..lives).map(|_| rng.draw()).last().unwrap_or_default();
        Env::simulated_process(Arc::new(clock), Arc::new(SeededEntropy::new(seed)))
    }

    /// Sets the clock of `place` wrong by so much.
    pub fn set_clock(&self, place: Place, error_millis: i64) {
        self.log(format_args!("the clock of {} is wrong by {error_millis} ms", place.name()));
        self.node(place).error_micros.store(error_millis * 1000, Ordering::Relaxed);
    }

    /// Starts what belongs at `place`; a start that fails is a death, and is tried again.
    pub fn start(self: &Arc<Self>, place: Place) {
        let env = self.new_env(place);
        self.state(place).env = Some(env.clone());
        self.log(format_args!("{} starts", place.name()));
        let (world, task_env) = (Arc::clone(self), env.clone());
        env.spawn("start", async move {
            match services::build(&world, &task_env, place).await {
                Ok(parts) => {
                    world.log(format_args!("{} is up", place.name()));
                    world.state(place).parts = parts;
                }
                Err(error) => {
                    world.log(format_args!("{} does not start: {error}", place.name()));
                    world.crash(place);
                }
            }
        });
    }

    /// Kills what runs at `place`, wherever it stands. It comes again after a while.
    pub fn crash(self: &Arc<Self>, place: Place) {
        let env = {
            let mut state = self.state(place);
            state.parts = Parts::default();
            state.env.take()
        };
        let Some(env) = env else { return };
        self.log(format_args!("{} dies", place.name()));
        env.kill();
        let millis = 50 + self.faults.latency(0, 15_000);
        let world = Arc::clone(self);
        self.background(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            world.coverage.reached("restarted");
            world.start(place);
        });
    }

    /// Waits until everything is up.
    pub async fn settle_in(&self) {
        while Place::MORTAL.iter().any(|place| !self.parts(*place).up) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills everything and lets go of it, disks included: nothing of a world outlives it.
    pub fn end(&self) {
        for place in Place::ALL {
            let mut state = self.state(place);
            if let Some(env) = state.env.take() {
                env.kill();
            }
            let rest = std::mem::take(&mut *state);
            drop(state);
            drop(rest);
        }
    }

    fn node(&self, place: Place) -> &Node {
        &self.nodes[&place]
    }

    fn state(&self, place: Place) -> MutexGuard<'_, NodeState> {
        lock(&self.node(place).state)
    }
}

/// A call to something that runs elsewhere: what to do there, if it is there.
pub type Errand<T> = Box<dyn FnOnce(Parts) -> Option<BoxFuture<'static, T>> + Send>;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
