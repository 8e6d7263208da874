//! The pages that people see, in a real browser.

use std::{path::Path, process::Command};

use crate::shop::{DEMO_SKU, Shop};

/// The page after its scripts have run.
async fn browse(url: String, language: &'static str) -> String {
    let dump = move || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/browser.sh");
        let output = Command::new(script).args(["dump", &url, language]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    tokio::task::spawn_blocking(dump).await.unwrap()
}

#[tokio::test]
async fn the_documents_and_the_mailbox_open_in_a_browser() {
    let shop = Shop::open().await;
    let (_, order) = shop.buy(DEMO_SKU, 1).await;
    let mail = shop.wait("the mail", async || shop.mails("haneul@example.com").await.pop()).await;
    let mail_path = format!("/dev/mailbox/{}", mail["id"]);
    let docs = browse(format!("{}/docs/", shop.url), "en").await;
    for operation in ["/v1/products", "/v1/orders", "Place an order", "Create a cart"] {
        assert!(docs.contains(operation), "{operation} is not on the page: {docs}");
    }
    let number = order["number"].as_str().unwrap();
    for (language, title) in [("ko", "우편함"), ("en", "ailbox")] {
        let list = browse(format!("{}/dev/mailbox", shop.url), language).await;
        assert!(list.contains(title) && list.contains(number) && list.contains("haneul@example.com"), "{list}");
        let mail = browse(format!("{}{mail_path}", shop.url), language).await;
        assert!(mail.contains(number) && mail.contains("김하늘"), "{mail}");
    }
}
