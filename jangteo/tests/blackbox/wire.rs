//! What comes over the wire when the peer is slow, old, odd or hostile.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{interval, timeout},
};

use crate::shop::{Reply, Shop};

/// Limits short enough to wait for.
const HURRIED: &str = "[server]\nheader_read_timeout_ms = 400\nbody_timeout_ms = 400\n";
const SOON: Duration = Duration::from_secs(20);

async fn connect(shop: &Shop) -> TcpStream {
    TcpStream::connect(shop.url.trim_start_matches("http://")).await.unwrap()
}

/// Sends `request` and reads until the other side closes.
async fn exchange(shop: &Shop, request: &[u8]) -> String {
    let mut stream = connect(shop).await;
    stream.write_all(request).await.unwrap();
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends the conversation as well as a close does.
    let _ = timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the connection was left open");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends `text` over and over, one byte at a time, until the other side has had enough.
async fn trickle(stream: TcpStream, text: &[u8]) -> String {
    let (mut reader, mut writer) = stream.into_split();
    let mut bytes = Vec::new();
    let mut pace = interval(Duration::from_millis(60));
    let feed = async {
        for byte in text.iter().cycle() {
            pace.tick().await;
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        _ = reader.read_to_end(&mut bytes) => {}
        () = feed => {}
        () = tokio::time::sleep(SOON) => panic!("a slow client was never cut off"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_keep_nobody_waiting() {
    let shop = Shop::open_with(HURRIED).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut head = connect(&shop).await;
        head.write_all(b"GET /v1/products HTTP/1.1\r\nhost: shop\r\nx-slow: ").await.unwrap();
        slow.push(tokio::spawn(trickle(head, b"a")));
        let mut body = connect(&shop).await;
        let begin = b"POST /v1/carts HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
        body.write_all(begin).await.unwrap();
        // A body may be slow as long as it moves; this one stands still.
        slow.push(tokio::spawn(async move { read_to_end(&mut body).await }));
    }
    for _ in 0..50 {
        shop.get("/v1/products?limit=2").send().await.expect(200);
    }
    for (n, one) in slow.into_iter().enumerate() {
        let answer = one.await.unwrap();
        let still_body = n % 2 == 1;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(
            !still_body || answer.contains("urn:jangteo:problem:"),
            "the client with a slow body is told: {answer:?}"
        );
    }
    assert!(!shop.log().contains("panicked"), "{}", shop.log());
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_off() {
    let shop = Shop::open_with(HURRIED).await;
    let mut stream = connect(&shop).await;
    let requests = b"GET /openapi.json HTTP/1.1\r\nhost: shop\r\n\r\n".repeat(500_000);
    // Sooner or later neither side can send: the shop must be the one to give up.
    let sent = timeout(SOON, stream.write_all(&requests)).await.expect("the shop never gave up");
    assert!(sent.is_err(), "nobody answers half a million requests into the void");
    shop.get("/v1/products?limit=1").send().await.expect(200);
}

#[tokio::test]
async fn heads_and_bodies_beyond_the_limits_are_refused() {
    let shop = Shop::open_with(HURRIED).await;
    let one = format!("GET / HTTP/1.1\r\nhost: shop\r\nx-big: {}\r\n\r\n", "a".repeat(100_000));
    let answer = exchange(&shop, one.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many: String = (0..500).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let answer = exchange(&shop, format!("GET / HTTP/1.1\r\nhost: shop\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = format!("GET /v1/products?q={} HTTP/1.1\r\nhost: shop\r\n\r\n", "a".repeat(100_000));
    let answer = exchange(&shop, long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"), "{answer}");

    let said = b"POST /v1/carts HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{";
    let answer = exchange(&shop, said).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"), "{answer}");
    // Nothing said, and more and more comes.
    let mut chunked = b"POST /v1/carts HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"4000\r\n");
        chunked.extend_from_slice(&[b' '; 0x4000]);
        chunked.extend_from_slice(b"\r\n");
    }
    let mut stream = connect(&shop).await;
    let _ = stream.write_all(&chunked).await;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"), "{answer}");
}

#[tokio::test]
async fn garbage_is_refused_and_what_came_before_it_answered() {
    let shop = Shop::open_with(HURRIED).await;
    let garbage: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is a TLS hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: shop\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: shop\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/carts HTTP/1.1\r\nhost: shop\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}{}{}",
        b"POST /v1/carts HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
    ];
    for bytes in garbage {
        let answer = exchange(&shop, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer}");
    }
    // Smuggling: a request that two hops could understand differently is not answered as two.
    let smuggled = b"POST /v1/carts HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/shipping-methods HTTP/1.1\r\nhost: shop\r\n\r\n";
    let answer = exchange(&shop, smuggled).await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    let pipelined =
        b"GET /v1/products?limit=1 HTTP/1.1\r\nhost: shop\r\n\r\nGET /openapi.json HTTP/1.1\r\nhost: shop\r\n\r\n\x01garbage\r\n\r\n";
    let answer = exchange(&shop, pipelined).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "both good requests: {}", &answer[..500]);
    assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "and a refusal");
    assert!(!shop.log().contains("panicked"), "{}", shop.log());
    shop.stop_and_verify();
}

#[tokio::test]
async fn old_and_rare_forms_of_http_work() {
    let shop = Shop::open().await;
    let old = exchange(&shop, b"GET /v1/products?limit=1 HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200") && old.contains("\"items\""), "closed after the answer: {old}");

    let get = shop.get("/v1/products?limit=1").send().await.expect(200);
    let head = shop.call(http::Method::HEAD, "/v1/products?limit=1").send().await.expect(200);
    assert_eq!(head.headers["content-length"], get.headers["content-length"]);
    assert_eq!((head.headers["etag"].clone(), head.text.as_str()), (get.headers["etag"].clone(), ""));
    for path in ["/", "/openapi.json", "/docs/", "/dev/mailbox", "/v1/products/nothing-of-this-name"] {
        let head = shop.call(http::Method::HEAD, path).send().await;
        assert!(head.text.is_empty() && [200, 404].contains(&head.status.as_u16()), "{path}: {}", head.status);
    }
    shop.get("/v1/products?limit=1").header("if-none-match", get.etag()).send().await.expect(304);

    for method in ["BREW", "TRACE", "CONNECTED", "PUT"] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let reply = shop.call(method, "/v1/products").send().await;
        assert!(reply.headers["allow"].to_str().unwrap().contains("GET"), "{:?}", reply.headers);
        reply.problem(405, "method_not_allowed");
    }
}

async fn preflight(shop: &Shop, origin: &str) -> Reply {
    shop.call(http::Method::OPTIONS, "/v1/orders")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, guest-token, idempotency-key")
        .send()
        .await
}

#[tokio::test]
async fn browsers_on_other_origins_may_ask_first() {
    let shop = Shop::open().await;
    let reply = preflight(&shop, "https://storefront.example").await.expect(204);
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    let allowed = reply.headers["access-control-allow-headers"].to_str().unwrap();
    for header in ["content-type", "guest-token", "idempotency-key", "if-match", "authorization"] {
        assert!(allowed.contains(header), "{allowed}");
    }
    assert!(reply.headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let get = shop.get("/v1/products?limit=1").header("origin", "https://storefront.example").send().await.expect(200);
    assert!(get.headers["access-control-expose-headers"].to_str().unwrap().contains("etag"));
    // Errors must be readable too.
    let lost = shop.get("/v1/nothing").header("origin", "https://storefront.example").send().await.expect(404);
    assert_eq!(lost.headers["access-control-allow-origin"], "*");

    let strict = Shop::open_with("[gateway]\ncors_origins = [\"https://storefront.example\"]\n").await;
    let reply = preflight(&strict, "https://storefront.example").await.expect(204);
    assert_eq!(reply.headers["access-control-allow-origin"], "https://storefront.example");
    let reply = preflight(&strict, "https://evil.example").await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"), "{:?}", reply.headers);
}
