//! The server over real sockets: slow clients, limits, draining.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::ConnectInfo,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

use super::{BindError, ServerConfig, bind, serve};
use crate::Env;

const SOON: Duration = Duration::from_secs(10);

struct Running {
    env: Env,
    address: SocketAddr,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

fn config() -> ServerConfig {
    ServerConfig {
        header_read_timeout: Duration::from_millis(150),
        body_timeout: Duration::from_millis(150),
        request_timeout: Duration::from_secs(5),
        drain_timeout: Duration::from_millis(300),
        ..ServerConfig::default()
    }
}

async fn start(config: ServerConfig) -> Running {
    let env = Env::system();
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, outside) = (Arc::clone(&entered), Arc::clone(&release));
    let wait = move || async move {
        inside.notify_one();
        outside.notified().await;
        "done"
    };
    let router = Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route("/wait", get(wait))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024] }));
    env.spawn("server", serve(listener, router, config, env.clone()));
    Running { env, address, entered, release }
}

async fn connect(running: &Running, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _closed_or_reset = timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the server must close");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn answers_and_says_who_the_peer_is() {
    let running = start(config()).await;
    let answer = rest(connect(&running, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("127.0.0.1"), "{answer}");
    running.env.stop().await;
}

#[tokio::test]
async fn slow_heads_slow_bodies_and_huge_heads_are_cut_off() {
    let running = start(config()).await;
    rest(connect(&running, "GET / HTTP/1.1\r\nhos").await).await;
    rest(connect(&running, "").await).await;
    let idle = rest(connect(&running, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(idle.contains("200 OK"), "an idle connection is closed after its answer: {idle}");
    let body = rest(connect(&running, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await).await;
    assert!(body.starts_with("HTTP/1.1 4"), "{body}");
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(100_000));
    let answer = rest(connect(&running, &head).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    running.env.stop().await;
}

#[tokio::test]
async fn half_a_request_or_garbage_does_not_hold_back_the_answers_before_it() {
    let running = start(config()).await;
    let good = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let answers = rest(connect(&running, &format!("{good}{good}GET / HT")).await).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    let answers = rest(connect(&running, &format!("{good}\u{1}garbage\r\n\r\n")).await).await;
    assert!(answers.starts_with("HTTP/1.1 200") && answers.contains("HTTP/1.1 400"), "{answers}");
    running.env.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let running = start(config()).await;
    let mut stream = connect(&running, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // Wait until the server gave up on us: only then does writing fail.
    let gone = async {
        loop {
            if stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, gone).await.expect("the server must give up");
    running.env.stop().await;
}

#[tokio::test]
async fn a_request_has_a_deadline() {
    let running = start(ServerConfig { request_timeout: Duration::from_millis(50), ..config() }).await;
    let answer = rest(connect(&running, "GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("problem+json"), "{answer}");
    running.env.stop().await;
}

#[tokio::test]
async fn stopping_lets_requests_finish_but_not_forever() {
    for released in [true, false] {
        let running = start(config()).await;
        let stream = connect(&running, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
        timeout(SOON, running.entered.notified()).await.unwrap();
        running.env.request_stop();
        if released {
            running.release.notify_one();
        }
        timeout(SOON, running.env.stop()).await.expect("the drain is bounded");
        let answer = rest(stream).await;
        assert_eq!(answer.contains("done"), released, "{answer}");
        assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let running =
        start(ServerConfig { connections_max: 1, header_read_timeout: Duration::from_secs(60), ..config() }).await;
    let first = connect(&running, "GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    timeout(SOON, running.entered.notified()).await.unwrap();
    let mut second = connect(&running, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut byte = [0];
    let waits = timeout(Duration::from_millis(100), second.read(&mut byte)).await.is_err();
    assert!(waits, "the second waits for the first");
    running.release.notify_one();
    assert!(rest(first).await.ends_with("done"));
    assert!(rest(second).await.contains("200 OK"));
    running.env.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let running = start(config()).await;
    let error = bind(running.address).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&running.address.port().to_string()) && text.contains("--listen"), "{text}");
    running.env.stop().await;
}
