//! Settings from the environment, and the listener that only operators see.

use std::process::Output;

use chassis::transport::{HttpTransport, HttpTransportConfig, Transport as _};
use http_body_util::BodyExt as _;

use crate::shop::{DEMO_SKU, Shop, program};

fn check(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        program().args(["config", "check"]).envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(!text.contains("panicked"), "{text}");
    (status.code(), text)
}

#[test]
fn the_environment_is_a_layer_and_its_mistakes_are_named() {
    let (code, text) = check(&[
        ("JANGTEO__SERVER__LISTEN", "127.0.0.1:9999"),
        ("JANGTEO__NOTIFICATION__SMTP__HOST", "mail.example.com"),
        ("JANGTEO__NOTIFICATION__SMTP__USERNAME", "shop"),
        ("JANGTEO__NOTIFICATION__SMTP__PASSWORD", "very-secret-word"),
        ("JANGTEO__PAYMENT__PROVIDERS__SANDBOX__URL", "http://127.0.0.1:1"),
        ("JANGTEO__PAYMENT__PROVIDERS__SANDBOX__SECRET_KEY", "sk_very-secret-word"),
        ("JANGTEO__PAYMENT__PROVIDERS__SANDBOX__WEBHOOK_SECRET", "whs_very-secret-word"),
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("127.0.0.1:9999") && text.contains("mail.example.com"), "{text}");
    assert!(!text.contains("very-secret-word"), "secrets are hidden: {text}");

    for (name, value, named) in [
        ("JANGTEO__ORDER__COLOUR", "red", "colour"),
        ("JANGTEO__COLOUR", "red", "colour"),
        ("JANGTEO__SERVER__LISTEN", "everywhere", "server.listen"),
        ("JANGTEO__SERVER__CONNECTIONS_MAX", "-1", "connections_max"),
        ("JANGTEO__AUTH__ACCESS_TOKEN_SECONDS", "0", "access_token_seconds"),
    ] {
        let (code, text) = check(&[(name, value)]);
        assert_eq!(code, Some(2), "{name}={value}: {text}");
        assert!(text.contains(name) || text.contains(named), "{name}={value}: {text}");
    }
    let (_, text) = check(&[("JANGTEO__ORDER__COLOUR", "red")]);
    assert!(text.contains("JANGTEO__ORDER__COLOUR"), "{text}");
    let (code, text) = check(&[("JANGTEO__NOTIFICATION__SMTP__PASSWORD", "very-secret-word")]);
    assert!(code == Some(2) && !text.contains("very-secret-word"), "{text}");
    let missing = program().args(["config", "check", "--config", "/no/such.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/no/such.toml"));
}

#[tokio::test]
async fn health_and_metrics_are_for_operators_only() {
    let shop = Shop::open().await;
    shop.buy(DEMO_SKU, 1).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        shop.get(path).send().await.problem(404, "unknown_path");
        let (status, text) = internal(&shop, path).await;
        assert_eq!(status, 200, "{path}: {text}");
    }
    let (_, metrics) = internal(&shop, "/metrics").await;
    for name in ["http_request", "sqlite_batch_transactions", "outbox_relayed_total"] {
        assert!(metrics.contains(name), "{name} is missing: {metrics}");
    }
    assert!(!metrics.contains("ord_") && !metrics.contains('@'), "no ids, no people");
    let (status, _) = internal(&shop, "/v1/products").await;
    assert_eq!(status, 404, "the internal listener sells nothing");
}

async fn internal(shop: &Shop, path: &str) -> (u16, String) {
    let config =
        HttpTransportConfig { base: shop.internal.clone(), connect_timeout: std::time::Duration::from_secs(5) };
    let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
    let response = HttpTransport::new(&config).unwrap().send(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}
