//! What was sent and what was not, when a call fails.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, routing::any};
use http::{HeaderMap, Request, Uri};
use http_body_util::BodyExt as _;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::{HttpTransport, HttpTransportConfig, RouterTransport, Transport, TransportError};
use crate::{
    Env,
    server::{ServerConfig, bind, serve},
    trace::TraceContext,
};

fn http(base: String) -> HttpTransport {
    HttpTransport::new(&HttpTransportConfig { base, connect_timeout: Duration::from_secs(2) }).unwrap()
}

fn router() -> Router {
    Router::new().fallback(any(|uri: Uri, headers: HeaderMap| async move {
        let trace = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or("-");
        format!("{} {trace}", uri.path_and_query().map_or("", |path| path.as_str()))
    }))
}

async fn text(transport: &dyn Transport, trace: TraceContext) -> String {
    let mut request = Request::get("/v1/things?x=1").body(Body::empty()).unwrap();
    request.extensions_mut().insert(trace);
    let response = transport.send(request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn the_same_request_goes_either_way() {
    let env = Env::system();
    let trace = TraceContext::root(&env);
    assert_eq!(text(&RouterTransport(router()), trace).await, "/v1/things?x=1 -");
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    env.spawn("server", serve(listener, router(), ServerConfig::default(), env.clone()));
    let remote = http(format!("http://{address}"));
    assert_eq!(text(&remote, trace).await, format!("/v1/things?x=1 {}", trace.traceparent()));
    let prefixed = http(format!("http://{address}/base/"));
    assert!(text(&prefixed, trace).await.starts_with("/base/v1/things?x=1 "));
    env.stop().await;
}

#[tokio::test]
async fn tells_not_sent_from_not_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request = || Request::post("/").body(Body::from("x")).unwrap();
    let remote = http(format!("http://{address}"));
    let hang_up = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 16];
        stream.read_exact(&mut head).await.unwrap();
    };
    let (answer, ()) = tokio::join!(remote.send(request()), hang_up);
    assert!(matches!(answer, Err(TransportError::Unknown(_))), "{answer:?}");
    drop(listener);
    let answer = http(format!("http://{address}")).send(request()).await;
    assert!(matches!(answer, Err(TransportError::Unreachable(_))), "{answer:?}");
}

#[test]
fn an_address_that_is_none_is_refused() {
    for base in ["", "localhost", "ftp://x", "/path"] {
        let config = HttpTransportConfig { base: base.to_owned(), connect_timeout: Duration::from_secs(1) };
        assert!(HttpTransport::new(&config).is_err(), "{base}");
    }
}
