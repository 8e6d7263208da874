//! The closed loop: so many clients, each asking again as soon as it was answered.

use std::{cell::RefCell, future::Future, net::SocketAddr, rc::Rc, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{task::LocalSet, time::Instant};

use crate::http1::Connection;

/// Durations in microseconds; percentiles are exact.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn note(&mut self, duration: Duration) {
        self.0.push(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    /// Milliseconds that `percent` of the durations do not exceed.
    pub(crate) fn percentile_ms(&mut self, percent: f64) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// When a loop warms up, measures and ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    pub(crate) fn new(warm_up: Duration, measure: Duration) -> Self {
        let begin = Instant::now() + warm_up;
        Self { begin, end: begin + measure }
    }

    /// Whether something that was finished at `at` counts.
    pub(crate) fn counts(&self, at: Instant) -> bool {
        (self.begin..self.end).contains(&at)
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    pub(crate) fn seconds(&self) -> f64 {
        (self.end - self.begin).as_secs_f64()
    }
}

/// What a loop of plain reads came to.
#[derive(Debug)]
pub(crate) struct Reads {
    pub(crate) per_second: f64,
    pub(crate) latencies: Latencies,
}

/// Lets `clients` connections get the paths, in turn, each starting at another one. Any failure ends the bench:
/// a figure of a server that fails is worth nothing.
pub(crate) async fn read(
    address: SocketAddr,
    paths: &[String],
    clients: usize,
    warm_up: Duration,
    measure: Duration,
) -> Result<Reads> {
    let window = Window::new(warm_up, measure);
    let latencies = Rc::new(RefCell::new(Latencies::default()));
    let paths: Rc<[String]> = paths.into();
    run_clients(clients, |number| {
        let (latencies, paths) = (Rc::clone(&latencies), Rc::clone(&paths));
        async move {
            let mut connection = Connection::open(address).await.context("cannot connect")?;
            let mut turn = number;
            while !window.is_over() {
                let started = Instant::now();
                connection.get_and_drop(&paths[turn % paths.len()]).await?;
                turn += 1;
                let ended = Instant::now();
                if window.counts(ended) {
                    latencies.borrow_mut().note(ended - started);
                }
            }
            Ok(())
        }
    })
    .await?;
    let latencies = latencies.take();
    if latencies.len() == 0 {
        bail!("nothing was answered in {measure:?}");
    }
    Ok(Reads { per_second: latencies.len() as f64 / window.seconds(), latencies })
}

/// Runs `clients` tasks on this thread to their end; the first failure is everybody's.
pub(crate) async fn run_clients<F>(clients: usize, client: impl Fn(usize) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + 'static,
{
    let local = LocalSet::new();
    let tasks: Vec<_> = (0..clients).map(|number| local.spawn_local(client(number))).collect();
    local
        .run_until(async {
            for task in tasks {
                task.await??;
            }
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact() {
        let mut latencies = Latencies::default();
        for micros in (1..=1000).rev() {
            latencies.note(Duration::from_micros(micros * 1000));
        }
        assert!((latencies.percentile_ms(50.0) - 500.0).abs() < 1e-9);
        assert!((latencies.percentile_ms(99.0) - 990.0).abs() < 1e-9);
        assert!((latencies.percentile_ms(100.0) - 1000.0).abs() < 1e-9);
        assert!(Latencies::default().percentile_ms(99.0).is_nan());
    }
}
