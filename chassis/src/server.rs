//! Serves a router over HTTP/1.1: hyper with the limits that a public listener needs and nothing in between.

mod body;
mod connection;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{extract::Request, response::Response};
use hyper_util::server::graceful::GracefulShutdown;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::body::BodyError;
use crate::Env;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 1024;
/// After a failed accept (out of file descriptors), time for others to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One listener and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How long the head of a request may take, and how long an idle connection is kept.
    #[serde(rename = "header_read_timeout_ms", deserialize_with = "millis")]
    pub header_read_timeout: Duration,
    /// How long a connection may be still while a body is under way, in either direction.
    #[serde(rename = "body_timeout_ms", deserialize_with = "millis")]
    pub body_timeout: Duration,
    /// How long a request may take until the head of its response.
    #[serde(rename = "request_timeout_ms", deserialize_with = "millis")]
    pub request_timeout: Duration,
    /// Connections at the same time; more wait to be accepted.
    pub connections_max: usize,
    /// How long requests under way may take when the process stops.
    #[serde(rename = "drain_timeout_ms", deserialize_with = "millis")]
    pub drain_timeout: Duration,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
}

fn millis<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|millis| Duration::from_millis(u64::from(millis)))
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            header_read_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(150),
            connections_max: 10_000,
            drain_timeout: Duration::from_secs(10),
            header_bytes_max: 32 * 1024,
        }
    }
}

/// Why a port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "port {port} is in use: another program, or another Jangteo, listens on {address}. \
         Stop it, or choose another port: --listen {ip}:{other}",
        port = .address.port(), ip = .address.ip(), other = other_port(*.address)
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// Only the administrator may listen there.
    #[error(
        "this user may not listen on {address}. Choose a port above 1023: --listen {ip}:8080",
        ip = .address.ip()
    )]
    Forbidden {
        /// The address.
        address: SocketAddr,
    },
    /// This machine does not have the address, or something else.
    #[error("cannot listen on {address}: {reason}. Choose another address with --listen")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: io::Error,
    },
}

fn other_port(address: SocketAddr) -> u16 {
    address.port().checked_add(1).unwrap_or(8080)
}

/// Listens on `address`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|reason| match reason.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::Forbidden { address },
        _ => BindError::Other { address, reason },
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
    // A restart must not wait until the kernel has forgotten the connections of the last run.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `env` is asked to stop, then lets requests under way finish within the drain timeout.
///
/// `service` is a router, or anything that answers requests like one.
pub async fn serve<S>(listener: TcpListener, service: S, config: ServerConfig, env: Env)
where
    S: tower::Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let slots = Arc::new(Semaphore::new(config.connections_max.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let abort = CancellationToken::new();
    let settings = Arc::new(connection::Settings::new(&config, service));
    let mut stopping = pin!(env.stopping());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopping => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let connection = settings.connect(stream, peer);
                let (watched, abort) = (graceful.watch(connection), abort.clone());
                env.spawn("connection", async move {
                    let _slot = slot;
                    tokio::select! {
                        biased;
                        result = watched => if let Err(error) = result {
                            tracing::debug!(%error, %peer, "connection ended");
                        },
                        () = abort.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(config.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end of the drain timeout");
    }
    abort.cancel();
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

#[cfg(test)]
mod tests;
