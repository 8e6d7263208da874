//! One connection: its protocol settings, and how a request gets from hyper to the router.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    response::{IntoResponse, Response},
};
use contracts::ErrorCode;
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, Timeout},
};
use tower::Service;

use super::{ServerConfig, body::MovingBody};
use crate::Problem;

/// What one read may take; hyper's own default, of 400 KiB, would let ten thousand connections hold 4 GB.
const BUFFER_BYTES_MIN: usize = 64 * 1024;

/// What all connections of a listener share.
pub(super) struct Settings<S> {
    builder: http1::Builder,
    service: S,
    body_timeout: Duration,
    request_timeout: Duration,
}

impl<S: Clone> Settings<S> {
    pub(super) fn new(config: &ServerConfig, service: S) -> Self {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_read_timeout)
            .max_buf_size(config.header_bytes_max.max(BUFFER_BYTES_MIN))
            .max_header_size(config.header_bytes_max);
        // No `pipeline_flush`: with it, answers wait for as long as anything unread is buffered, so that half a
        // request delays the answer before it, and a head that cannot be parsed is never answered at all.
        Self { builder, service, body_timeout: config.body_timeout, request_timeout: config.request_timeout }
    }

    pub(super) fn connect(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> http1::Connection<TokioIo<MovingStream>, PerConnection<S>>
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone,
    {
        let service = PerConnection { settings: Arc::clone(self), service: self.service.clone(), peer };
        let stream = MovingStream { inner: stream, limit: self.body_timeout, timer: None };
        self.builder.serve_connection(TokioIo::new(stream), service)
    }
}

pub(super) struct PerConnection<S> {
    settings: Arc<Settings<S>>,
    service: S,
    peer: SocketAddr,
}

impl<S> hyper::service::Service<http::Request<Incoming>> for PerConnection<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, request: http::Request<Incoming>) -> Answering<S::Future> {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(ConnectInfo(self.peer));
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(MovingBody::new(body, self.settings.body_timeout))
        };
        let answer = self.service.clone().call(Request::from_parts(parts, body));
        Answering { answer: tokio::time::timeout(self.settings.request_timeout, answer) }
    }
}

pin_project_lite::pin_project! {
    /// The answer, or a problem when it takes too long.
    pub(super) struct Answering<F> {
        #[pin]
        answer: Timeout<F>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answer.poll(context).map(|answer| match answer {
            Ok(answer) => answer,
            Err(_) => Ok(Problem::new(
                ErrorCode::Timeout,
                "This took too long and was given up. Whether it was done is unknown.",
            )
            .into_response()),
        })
    }
}

/// A connection whose peer must go on reading: otherwise answers nobody takes would pile up.
pub(super) struct MovingStream {
    inner: TcpStream,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl MovingStream {
    fn watch<T>(&mut self, context: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.timer = None;
            return progress;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for MovingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for MovingStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
