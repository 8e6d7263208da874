//! Connections to a service that may have several addresses: all that its name resolves to are used, and the
//! name is looked up again and again, as a headless Kubernetes service needs it.

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use chassis::Env;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint, channel::Change};

/// How often the name is looked up.
const LOOKUP_EVERY: Duration = Duration::from_secs(5);
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// A dead peer is noticed after these two together, also when nothing is asked of it.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(5);
/// Changes of addresses that wait to be taken.
const CHANGES_MAX: usize = 64;

/// A channel to `target`, `host:port`. Returns at once; calls wait until an address is known.
pub fn open(env: &Env, target: String) -> Channel {
    let (channel, changes) = Channel::balance_channel(CHANGES_MAX);
    let resolver = Resolver { target, known: HashSet::new(), changes };
    let stopping = env.clone();
    env.spawn("rpc.resolver", async move {
        tokio::select! {
            biased;
            () = stopping.stopping() => {}
            () = resolver.run() => {}
        }
    });
    channel
}

struct Resolver {
    target: String,
    known: HashSet<SocketAddr>,
    changes: mpsc::Sender<Change<SocketAddr, Endpoint>>,
}

impl Resolver {
    async fn run(mut self) {
        loop {
            let found = tokio::net::lookup_host(&self.target).await.map(HashSet::from_iter);
            match found {
                // An empty answer is more likely a hiccup of the name server than the end of a service.
                Ok(found) if found.is_empty() => {}
                Ok(found) => {
                    if !self.change_to(found).await {
                        return;
                    }
                }
                Err(error) => tracing::warn!(service = self.target, %error, "the name of a service does not resolve"),
            }
            tokio::time::sleep(LOOKUP_EVERY).await;
        }
    }

    /// False if nobody uses the channel any more.
    async fn change_to(&mut self, found: HashSet<SocketAddr>) -> bool {
        let gone = self.known.difference(&found).map(|address| Change::Remove(*address));
        let new =
            found.difference(&self.known).filter_map(|address| Some(Change::Insert(*address, endpoint(*address)?)));
        let changes: Vec<_> = gone.chain(new).collect();
        for change in changes {
            if self.changes.send(change).await.is_err() {
                return false;
            }
        }
        self.known = found;
        true
    }
}

fn endpoint(address: SocketAddr) -> Option<Endpoint> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
    Some(
        endpoint
            .connect_timeout(CONNECT_MAX)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_MAX)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true),
    )
}
