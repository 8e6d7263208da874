//! Mails that leave the shop, to a real SMTP server.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::shop::{DEMO_SKU, Shop, cart, free_port, text};

/// aiosmtpd, and the folder where it leaves what it got.
struct Sink {
    server: Child,
    folder: tempfile::TempDir,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Sink {
    /// Starts a server on `port` and waits until it listens. The first start installs it.
    async fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/servers/smtpsink.sh");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(script);
        command.arg("run").arg(folder.path()).env("SMTPSINK_PORT", port.to_string());
        let mut server = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let started = Instant::now();
        while !folder.path().join("port").exists() {
            let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(server.try_wait().unwrap().is_none(), "the SMTP server ended before it listened: {log}");
            assert!(started.elapsed() < Duration::from_secs(120), "the SMTP server does not start: {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { server, folder }
    }

    fn mails(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("mails.jsonl")).unwrap_or_default();
        // The last line may be under way.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

#[tokio::test]
async fn mails_wait_for_the_server_and_arrive_once() {
    let port = free_port();
    let smtp = format!("[notification.smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n");
    let shop = Shop::open_with(&smtp).await;
    // What goes to a server is not shown to everybody.
    for path in ["/dev/mailbox", "/dev/mailbox/1"] {
        shop.get(path).send().await.problem(404, "unknown_path");
    }
    let index = shop.get("/").send().await.expect(200).json();
    assert!(index.get("mailbox").is_none(), "{index}");
    let document = shop.get("/openapi.json").send().await.expect(200).json();
    assert!(document["paths"].get("/dev/mailbox").is_none());

    // Nobody listens yet; the shop sells all the same.
    let (_, order) = shop.buy(DEMO_SKU, 2).await;
    let admin = shop.admin_token().await;
    shop.wait("a failed attempt", async || {
        let messages = shop.get("/v1/messages").bearer(&admin).send().await.expect(200).json();
        messages["items"].as_array().unwrap().iter().any(|item| item["attempts"].as_u64() > Some(0)).then_some(())
    })
    .await;
    let sink = Sink::start(port).await;
    // The administrator's welcome waited, too, and may come at any time.
    let to_buyers = || {
        let mails = sink.mails().into_iter();
        mails.filter(|mail| mail["to"][0] != "admin@jangteo.example").collect::<Vec<_>>()
    };
    let mail = shop.wait("the mail", async || to_buyers().pop()).await;
    assert_eq!(mail["to"][0], "haneul@example.com");
    let subject = text(&mail["headers"]["Subject"]);
    assert!(subject.contains(order["number"].as_str().unwrap()), "{subject}");
    for body in [text(&mail["text"]), text(&mail["html"])] {
        assert!(body.contains("주문") && body.contains("김하늘") && body.contains('₩') | body.contains('원'), "{body}");
    }
    assert_eq!(mail["headers"]["Content-Language"], "ko");

    // Another one, in English, tells that everything before has been sent.
    let mut english = cart(DEMO_SKU, 1);
    english["locale"] = "en".into();
    english["email"] = "john@example.com".into();
    let made = shop.post("/v1/carts").json(&english).send().await.expect(201).json();
    let order =
        serde_json::json!({"cart_id": made["id"], "payment_method": {"provider": "sandbox", "token": "tok_approve"}});
    let guest = text(&made["guest_token"]);
    shop.post("/v1/orders").guest(&guest).key(&shop.new_key()).json(&order).send().await.expect(201);
    shop.wait("the second mail", async || (to_buyers().len() >= 2).then_some(())).await;
    let mails = to_buyers();
    assert_eq!(mails.len(), 2, "{mails:#?}");
    assert!(text(&mails[1]["text"]).contains("order"), "{}", mails[1]);
    shop.wait("all messages to be sent", async || {
        let messages = shop.get("/v1/messages").bearer(&admin).send().await.expect(200).json();
        messages["items"].as_array().unwrap().iter().all(|item| item["state"] == "sent").then_some(())
    })
    .await;
    // Nothing is sent again after a restart.
    let shop = shop.stop_and_restart().await;
    shop.buy(DEMO_SKU, 1).await;
    shop.wait("the third mail", async || (to_buyers().len() >= 3).then_some(())).await;
    assert_eq!(to_buyers().len(), 3);
    shop.stop_and_verify();
}
