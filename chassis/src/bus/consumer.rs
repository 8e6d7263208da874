//! The consumer runtime that all bus adapters share.
//!
//! Per group and topic one task reads ahead in a bounded window and handles events side by side, those of
//! one key strictly one after another. A key that is slow or fails holds up no other key. What is committed
//! is the offset below which everything was handled or buried.

mod attempt;
mod window;

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};

pub(crate) use self::attempt::panic_message;
use self::{
    attempt::{Attempts, Outcome},
    window::{Taken, Window},
};
use super::{Bus, BusError, Consumer, Delivery, StartFrom, retry_topic};
use crate::Env;

/// Events asked for at once.
const FETCH_LEN_MAX: usize = 256;

/// How a consumer group reads.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerConfig {
    /// Where a new group begins.
    pub from: StartFrom,
    /// Events handled at once, per topic.
    pub concurrency: usize,
    /// No more events are fetched while so many are in hand, per topic.
    pub window: usize,
    /// After so many failures an event goes to the dead letters. Outages do not count.
    pub attempts_max: u32,
    /// First pause between attempts; it doubles.
    pub backoff_base: Duration,
    /// Longest pause between attempts.
    pub backoff_max: Duration,
    /// How long running handlers may take to finish when the process stops.
    pub stop_grace: Duration,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            from: StartFrom::Earliest,
            concurrency: 256,
            window: 4096,
            attempts_max: 10,
            backoff_base: Duration::from_millis(50),
            backoff_max: Duration::from_secs(10),
            stop_grace: Duration::from_secs(10),
        }
    }
}

/// Reads `topics` for `group` in background tasks until the process stops. Every topic comes with the
/// group's own retry topic, so that replayed dead letters reach this group and no other.
pub fn start_consumer(
    env: &Env,
    bus: Arc<dyn Bus>,
    group: &'static str,
    topics: &'static [&'static str],
    config: ConsumerConfig,
    consumer: Arc<dyn Consumer>,
) {
    for &topic in topics {
        let attempts = Attempts::new(env, Arc::clone(&bus), (group, topic), config, Arc::clone(&consumer));
        let reader = Reader { sources: [topic.into(), retry_topic(topic, group).into()], attempts: Arc::new(attempts) };
        env.spawn("bus-consumer", async move { reader.run().await });
    }
}

/// Reads one topic and its retry topic.
struct Reader {
    sources: [Arc<str>; 2],
    attempts: Arc<Attempts>,
}

type Fetch = BoxFuture<'static, (usize, Result<Vec<Delivery>, BusError>)>;

impl Reader {
    async fn run(&self) {
        let Some(mut window) = self.open_window().await else { return };
        let mut fetches: FuturesUnordered<Fetch> = FuturesUnordered::new();
        let mut fetching = [false; 2];
        let mut failures = [0_u32; 2];
        let mut running = FuturesUnordered::new();
        let env = self.attempts.env.clone();
        let mut stopping = pin!(env.stopping());
        loop {
            for source in 0..self.sources.len() {
                let room = self.attempts.config.window.max(1).saturating_sub(window.len());
                if !fetching[source] && room > 0 {
                    fetching[source] = true;
                    fetches.push(self.fetch(source, window.taken(source), room, failures[source]));
                }
            }
            tokio::select! {
                biased;
                () = &mut stopping => break,
                Some(settled) = running.next() => {
                    let mut next = Some(settled);
                    while let Some((taken, outcome)) = next {
                        running.extend(finish(&mut window, &taken, &outcome).map(|taken| self.settle(taken)));
                        next = running.next().now_or_never().flatten();
                    }
                    self.commit(&mut window).await;
                }
                Some((source, fetched)) = fetches.next() => {
                    fetching[source] = false;
                    match fetched {
                        Ok(deliveries) => {
                            failures[source] = 0;
                            let ready = deliveries.into_iter().filter_map(|one| window.take(source, one));
                            running.extend(ready.map(|taken| self.settle(taken)));
                        }
                        Err(error) => {
                            failures[source] = failures[source].saturating_add(1);
                            let topic = &*self.sources[source];
                            tracing::warn!(group = self.attempts.group, topic, %error, "the bus gives no events");
                        }
                    }
                }
            }
        }
        let drained = async {
            while let Some((taken, outcome)) = running.next().await {
                // What it makes ready is for the next process.
                finish(&mut window, &taken, &outcome);
            }
        };
        if tokio::time::timeout(self.attempts.config.stop_grace, drained).await.is_err() {
            tracing::warn!(group = self.attempts.group, "handlers were cut off; their events come again");
        }
        self.commit(&mut window).await;
    }

    fn settle(&self, taken: Taken) -> impl Future<Output = (Taken, Outcome)> + Send + use<> {
        Arc::clone(&self.attempts).settle(taken)
    }

    /// Asks the bus for more, after a pause if it failed before.
    fn fetch(&self, source: usize, offset: u64, room: usize, failures: u32) -> Fetch {
        let (attempts, topic) = (Arc::clone(&self.attempts), Arc::clone(&self.sources[source]));
        Box::pin(async move {
            if failures > 0 && !attempts.pause(failures).await {
                return (source, Ok(Vec::new()));
            }
            (source, attempts.bus.fetch(&topic, offset, room.min(FETCH_LEN_MAX)).await)
        })
    }

    /// Finds out where the group stands; `None` if the process stops before the bus answers.
    async fn open_window(&self) -> Option<Window> {
        let (bus, group) = (&self.attempts.bus, self.attempts.group);
        for attempt in 1.. {
            let known = futures::future::try_join(
                bus.join(group, &self.sources[0], self.attempts.config.from),
                bus.join(group, &self.sources[1], StartFrom::Earliest),
            );
            match known.await {
                Ok((live, replayed)) => return Some(Window::new(&[live, replayed])),
                Err(error) => tracing::warn!(group, %error, "the bus does not tell where the group stands"),
            }
            if !self.attempts.pause(attempt).await {
                break;
            }
        }
        None
    }

    async fn commit(&self, window: &mut Window) {
        for (source, topic) in self.sources.iter().enumerate() {
            let Some(offset) = window.uncommitted(source) else { continue };
            match self.attempts.bus.commit(self.attempts.group, topic, offset).await {
                Ok(()) => window.committed(source, offset),
                // The next commit covers this one.
                Err(error) => tracing::warn!(group = self.attempts.group, %topic, %error, "an offset was not kept"),
            }
        }
    }
}

/// Notes what became of an event; gives the next of its key that may run.
fn finish(window: &mut Window, taken: &Taken, outcome: &Outcome) -> Option<Taken> {
    match outcome {
        Outcome::Done => window.finish(taken),
        Outcome::Abandoned => None,
    }
}
