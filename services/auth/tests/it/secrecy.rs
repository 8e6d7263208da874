//! Neither secrets nor personal details reach the log.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;

use crate::app::{App, PASSWORD};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_neither_secrets_nor_personal_details() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("the log is listening");

    let app = App::start().await;
    let admin = app.admin().await;
    let member = app.member("mina@example.com").await;
    app.sign_in("mina@example.com", "hunter2 hunter2").await.expect(401);
    app.register_again("mina@example.com").await;
    let change = json!({"current": "hunter2 hunter2", "new": "an even better one"});
    app.post("/v1/accounts/me/password", Some(&member.text("access_token")), change).await.expect(403);
    app.refresh(&member.text("refresh_token")).await.expect(200);
    app.refresh(&member.text("refresh_token")).await.expect(401);
    let body = json!({"name": "import", "permissions": ["stock:write"]});
    let secret = app.post("/v1/api-keys", Some(&admin), body).await.expect(201).text("secret");
    app.running.api.exchange_api_key(&secret).await.unwrap();
    app.running.api.exchange_api_key("jgt_wrong").await.unwrap_err();
    app.events(3).await;
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the log is listening"));
    for hidden in [
        PASSWORD,
        "hunter2",
        "an even better one",
        "mina@",
        "Mina Kim",
        "$argon2id$",
        &secret,
        "jgt_wrong",
        &member.text("refresh_token"),
        &member.text("access_token"),
    ] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

impl App {
    async fn register_again(&self, email: &str) {
        let body = json!({"email": email, "password": PASSWORD, "name": "Mina Kim"});
        self.post("/v1/accounts", None, body).await.problem(409, "email_taken");
    }
}
