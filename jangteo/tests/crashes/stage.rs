//! What a case is played on: a provider that is never killed, an address for the shop, and a prepared data folder.

use std::{net::SocketAddr, path::Path};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::{Client, Stop},
    process::{Process, free_address},
};

const SECRET_KEY: &str = "sk_crash_tests";
const WEBHOOK_SECRET: &str = "whs_crash_tests_0123456789";
pub const STOCK: i64 = 1000;

/// A shop's data with one product and a cart that only has to be ordered; every case begins with a copy.
pub struct Template {
    folder: tempfile::TempDir,
    /// An administrator's access token.
    pub admin: String,
    pub cart: String,
    pub guest: String,
    pub variant: String,
}

/// A provider, and where the shop is.
pub struct Stage {
    sandbox: Client,
    sandbox_url: String,
    pub shop: SocketAddr,
    // Ends before its folder goes.
    _provider: Process,
    _folder: tempfile::TempDir,
}

impl Template {
    pub async fn prepare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::open().await;
        let process = stage.start_shop(folder.path(), &[]).await.unwrap();
        let banner = process.until_said("Ctrl-C").await;
        let (before, after) = banner.lines().find_map(|line| line.split_once("password")).unwrap();
        let email = before.split_whitespace().find(|word| word.contains('@')).unwrap();
        let password = after.trim_start_matches(':').split_whitespace().next().unwrap();

        let client = Client::new(stage.shop);
        let post = async |path: &str, token: &str, body: Value| {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str())];
            let headers = if token.is_empty() { &[][..] } else { &headers };
            let reply = client.ask(Method::POST, path, headers, Some(&body)).await.unwrap();
            reply.expect(StatusCode::CREATED).unwrap()
        };
        let session = post("/v1/sessions", "", json!({"email": email, "password": password})).await;
        let admin = text(&session["access_token"]);
        let product = post("/v1/products", &admin, product()).await;
        let cart = post("/v1/carts", "", cart()).await;
        process.stop().await.unwrap();
        Self {
            folder,
            admin,
            cart: text(&cart["id"]),
            guest: text(&cart["guest_token"]),
            variant: text(&product["variants"][0]["id"]),
        }
    }

    /// A copy of the data, for one case.
    pub fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::Builder::new().prefix("jangteo-crash-").tempdir().unwrap();
        copy_folder(&self.folder.path().join("data"), &copy.path().join("data"));
        copy
    }
}

impl Stage {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, provider) = (free_address(), free_address());
        let webhooks = format!("http://{shop}/v1/payment-providers/sandbox/webhooks");
        let (listen, data) = (provider.to_string(), folder.path().join("data").display().to_string());
        let arguments = [
            "sandbox-provider",
            "--control",
            "--listen",
            &listen,
            "--data-dir",
            &data,
            "--webhook-url",
            &webhooks,
            "--secret-key",
            SECRET_KEY,
            "--webhook-secret",
            WEBHOOK_SECRET,
        ];
        let mut process = Process::start(&arguments, &[], &folder.path().join("log"));
        let sandbox = Client::new(provider);
        process.until_ready(&sandbox, "/livez").await.unwrap();
        let sandbox_url = format!("http://{provider}");
        Self { sandbox, sandbox_url, shop, _provider: process, _folder: folder }
    }

    /// Starts the shop on `folder` and waits until it answers.
    pub async fn start_shop(&self, folder: &Path, environment: &[(&str, &str)]) -> Result<Process, String> {
        let file = folder.join("jangteo.toml");
        std::fs::write(&file, self.settings()).unwrap();
        let (listen, data) = (self.shop.to_string(), folder.join("data").display().to_string());
        let file = file.display().to_string();
        let arguments = ["--no-demo", "--listen", &listen, "--data-dir", &data, "--config", &file];
        let mut process = Process::start(&arguments, environment, &folder.join("log"));
        process.until_ready(&Client::new(self.shop), "/v1/products?limit=1").await?;
        Ok(process)
    }

    fn settings(&self) -> String {
        format!(
            "[internal]\nlisten = \"127.0.0.1:0\"\n[auth]\naccess_token_seconds = 3600\n\
             [gateway.rate]\nread = {{ per_minute = 1000000, burst = 100000 }}\n\
             [payment]\ninquiry_pause_ms = 50\n\
             [payment.providers.sandbox]\nurl = \"{}\"\nsecret_key = \"{SECRET_KEY}\"\n\
             webhook_secret = \"{WEBHOOK_SECRET}\"\n",
            self.sandbox_url
        )
    }

    /// The provider's books.
    pub async fn totals(&self) -> Result<Value, Stop> {
        self.sandbox.get("/control/totals", &[("authorization", &bearer())]).await?.expect(StatusCode::OK)
    }

    /// The provider's books when it has nothing more to tell.
    pub async fn settled_totals(&self) -> Result<Value, Stop> {
        let told = |totals: &Value| totals["webhooks_waiting"] == 0;
        let headers = [("authorization", bearer())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.sandbox.wait("/control/totals", &headers, "the webhooks to be taken", told).await
    }
}

fn bearer() -> String {
    format!("Bearer {SECRET_KEY}")
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

fn product() -> Value {
    json!({
        "handle": "crash", "status": "active", "title": {"ko": "시험 상품", "en": "Test product"},
        "variants": [{
            "sku": "CRASH", "track_stock": true, "on_hand": STOCK,
            "prices": [{"amount": {"amount_minor": 11000, "currency": "KRW"}}],
        }],
    })
}

fn cart() -> Value {
    json!({
        "currency": "KRW", "email": "haneul@example.com", "locale": "ko", "lines": [{"sku": "CRASH", "quantity": 3}],
        "shipping_address": {
            "name": "김하늘", "phone": "+821012345678", "country": "KR", "postal_code": "04524",
            "city": "서울특별시 중구", "line1": "세종대로 110",
        },
        "shipping_method": "standard",
    })
}
