//! One kept-alive HTTP/1.1 connection.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection that asks one thing at a time.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // The sender hears of it too.
            let _ = connection.await;
        });
        Ok(Self { sender, host: HeaderValue::from_str(&address.to_string())? })
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<http::Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        let map = request.headers_mut();
        map.insert(header::HOST, self.host.clone());
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value)?);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Asks and keeps the answer.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let (parts, mut body) = self.exchange(method, path, headers, body).await?.into_parts();
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            match &first {
                None => first = Some(bytes),
                Some(_) => rest.extend_from_slice(&bytes),
            }
        }
        let mut whole = first.unwrap_or_default();
        if !rest.is_empty() {
            whole = [&whole[..], &rest[..]].concat().into();
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body: whole })
    }

    /// Gets `path`, throws the body away, and wants 200.
    pub(crate) async fn get_and_drop(&mut self, path: &str) -> Result<()> {
        let (parts, mut body) = self.exchange(Method::GET, path, &[], Bytes::new()).await?.into_parts();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        if parts.status != StatusCode::OK {
            bail!("GET {path} answered {}", parts.status);
        }
        Ok(())
    }
}

/// Gets `path` once and wants 200.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.ask(Method::GET, path, &[("accept", "application/json")], Bytes::new()).await?;
    if answer.status != StatusCode::OK {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        bail!("GET {path} answered {}: {body}", answer.status);
    }
    Ok(answer)
}

/// The text between `before` and the next `"`.
pub(crate) fn member(body: &[u8], before: &str) -> Result<String> {
    let text = std::str::from_utf8(body)?;
    let rest = text.split_once(before).with_context(|| format!("no {before} in {text}"))?.1;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}
