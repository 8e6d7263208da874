//! The limit of HTTP: a hyper server that does nothing but send the same bytes, in a process of its own as
//! the shop is.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::{http1::Answer, shop};

/// A running bare server.
pub(crate) struct Bare {
    process: Child,
    pub(crate) address: SocketAddr,
    _files: tempfile::TempDir,
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Bare {
    /// Starts a server that sends what `answer` holds.
    pub(crate) async fn start(answer: &Answer) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let (body, headers) = (files.path().join("body"), files.path().join("headers.json"));
        std::fs::write(&body, &answer.body)?;
        std::fs::write(&headers, serde_json::to_vec(&own_headers(&answer.headers))?)?;
        let address = shop::free_address()?;
        let process = Command::new(std::env::current_exe()?)
            .arg("bare-server")
            .arg(address.to_string())
            .args([&body, &headers])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the bare server")?;
        let bare = Self { process, address, _files: files };
        shop::until_answers(address, "/").await.context("the bare server does not answer")?;
        Ok(bare)
    }
}

/// Headers that the answer has of its own; the rest hyper writes for every server.
fn own_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let by_hyper = [header::DATE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    headers
        .iter()
        .filter(|(name, _)| !by_hyper.contains(name))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}

/// Serves until killed.
pub(crate) fn serve(listen: SocketAddr, body: &Path, headers: &Path) -> Result<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let texts: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(headers)?)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &texts {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
    }
    // As many threads as the shop has.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (body, headers) = (body.clone(), headers.clone());
            let service = service_fn(move |_request| {
                let mut response = Response::new(Full::new(body.clone()));
                *response.headers_mut() = headers.clone();
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(async move {
                // A client that goes away is no concern of the limit.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}
