//! A running shop: the real program on a fresh data folder, driven over HTTP only.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::body::Body;
use chassis::transport::{HttpTransport, HttpTransportConfig, Transport as _};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

/// How long a condition may take to become true.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything comes from one address, and many shops run side by side.
const QUIET: &str = "
[internal]
listen = \"127.0.0.1:0\"
[gateway.rate]
read = { per_minute = 1000000, burst = 100000 }
write = { per_minute = 1000000, burst = 100000 }
login = { per_minute = 1000000, burst = 100000 }
";

/// A SKU of the demo shop with ample stock.
pub const DEMO_SKU: &str = "DEMO-TEE-BLACK-M";

pub struct Shop {
    process: Option<Child>,
    pub url: String,
    /// Where health and metrics are.
    pub internal: String,
    pub admin: (String, String),
    folder: tempfile::TempDir,
    transport: HttpTransport,
    keys: AtomicU64,
    setup: Setup,
}

/// How the program is started.
#[derive(Clone)]
pub struct Setup {
    /// Additional configuration.
    pub config: String,
    /// Products in the demo shop.
    pub products: u32,
    /// What a shell does before it becomes the program.
    pub prelude: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self { config: String::new(), products: 12, prelude: "" }
    }
}

impl Setup {
    /// The program, on the data in `folder`.
    pub fn command(&self, folder: &Path) -> Command {
        let file = folder.join("jangteo.toml");
        std::fs::write(&file, format!("{QUIET}{}", self.config)).unwrap();
        let mut command = program();
        if !self.prelude.is_empty() {
            let script = format!("{}; exec \"$0\" \"$@\"", self.prelude);
            command = isolated(Command::new("bash"));
            command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_jangteo"));
        }
        command
            .args(["--listen", "127.0.0.1:0", "--demo-products", &self.products.to_string(), "--data-dir"])
            .arg(folder.join("data"))
            .arg("--config")
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(folder.join("log")).unwrap()));
        command
    }
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// The problem must have this status and type, and a detail that helps.
    #[track_caller]
    pub fn problem(self, status: u16, kind: &str) -> Value {
        let reply = self.expect(status);
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{}", reply.text);
        let body = reply.json();
        assert_eq!(body["type"], format!("urn:jangteo:problem:{kind}"), "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{body}");
        body
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

/// One request under construction.
pub struct Call<'a> {
    shop: &'a Shop,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn guest(self, token: &str) -> Self {
        self.header("guest-token", token)
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        if !self.headers.iter().any(|(name, _)| name == "content-type") {
            self.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    pub async fn send(self) -> Reply {
        let (status, headers, text) = self.try_send().await.unwrap();
        Reply { status, headers, text }
    }

    pub async fn try_send(self) -> Result<(StatusCode, HeaderMap, String), String> {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body)).unwrap();
        let sent = tokio::time::timeout(PATIENCE, self.shop.transport.send(request)).await;
        let response = sent.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

impl Shop {
    /// A shop with a few demo products.
    pub async fn open() -> Self {
        Self::open_with("").await
    }

    /// A shop with additional configuration.
    pub async fn open_with(config: &str) -> Self {
        Self::open_as(Setup { config: config.to_owned(), ..Setup::default() }).await
    }

    /// A shop that is started in another way.
    pub async fn open_as(setup: Setup) -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), setup, None).await
    }

    /// A shop on the data in `folder`, which says who its administrator is if it was run before.
    pub async fn open_in(folder: tempfile::TempDir, setup: Setup, admin: Option<(String, String)>) -> Self {
        Self::try_open_in(folder, setup, admin).unwrap_or_else(|log| panic!("the shop did not start: {log}"))
    }

    /// As [`Self::open_in`], or what the program said when it ended instead.
    fn try_open_in(folder: tempfile::TempDir, setup: Setup, admin: Option<(String, String)>) -> Result<Self, String> {
        let mut process = setup.command(folder.path()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let (mut url, mut internal, mut admin) = (None, None, admin);
        let mut line = String::new();
        loop {
            line.clear();
            if output.read_line(&mut line).unwrap() == 0 {
                process.wait().unwrap();
                return Err(std::fs::read_to_string(folder.path().join("log")).unwrap_or_default());
            }
            let word = |prefix: &str| line.split_whitespace().find(|word| word.starts_with(prefix)).map(str::to_owned);
            url = url.or_else(|| word("http://127.0.0.1:"));
            if line.contains("/readyz") {
                internal = word("http://127.0.0.1:").map(|url| url.trim_end_matches("/readyz").to_owned());
            }
            if let Some((before, password)) = line.split_once("password") {
                let email = before.split_whitespace().find(|word| word.contains('@'));
                let password = password.trim_start_matches(':').split_whitespace().next();
                if let (None, Some(email), Some(password)) = (&admin, email, password) {
                    admin = Some((email.to_owned(), password.to_owned()));
                }
            }
            // The last line of the banner.
            if line.contains("Ctrl-C") {
                break;
            }
        }
        // Somebody has to read on, or the program blocks on a full pipe.
        std::thread::spawn(move || {
            let _ = output.read_to_end(&mut Vec::new());
        });
        let url = url.unwrap();
        let transport =
            HttpTransport::new(&HttpTransportConfig { base: url.clone(), connect_timeout: Duration::from_secs(5) })
                .unwrap();
        let (admin, internal) = (admin.unwrap(), internal.unwrap());
        Ok(Self { process: Some(process), url, internal, admin, folder, transport, keys: AtomicU64::new(0), setup })
    }

    /// Kills the program as the power cut would, and starts it again on the same data.
    pub async fn kill_and_restart(mut self) -> Self {
        self.kill();
        self.reopen().await
    }

    /// Kills the program as the power cut would.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Asks the program to stop, waits until it has, and starts it again on the same data.
    pub async fn stop_and_restart(mut self) -> Self {
        assert!(self.stop().success(), "{}", self.log());
        self.reopen().await
    }

    /// Starts the program again on the same data.
    pub async fn reopen(mut self) -> Self {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        let reopened = Self::open_in(folder, self.setup.clone(), Some(self.admin.clone())).await;
        // Keys must not repeat after a restart.
        reopened.keys.store(self.keys.load(Ordering::Relaxed), Ordering::Relaxed);
        reopened
    }

    /// As [`Self::reopen`], or what the program said when it ended instead.
    pub async fn try_reopen(mut self) -> Result<Self, String> {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Self::try_open_in(folder, self.setup.clone(), Some(self.admin.clone()))
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Ctrl-C; answers how the program ended.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        let mut process = self.process.take().unwrap();
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        process.wait().unwrap()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call { shop: self, method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub fn patch(&self, path: &str) -> Call<'_> {
        self.call(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    pub fn new_key(&self) -> String {
        format!("scenario-key-{:06}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    /// Signs in and answers the access token.
    pub async fn sign_in(&self, email: &str, password: &str) -> String {
        let session = json!({"email": email, "password": password});
        let reply = self.post("/v1/sessions").json(&session).send().await.expect(201);
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn admin_token(&self) -> String {
        self.sign_in(&self.admin.0, &self.admin.1).await
    }

    /// Registers a customer and answers the access token.
    pub async fn customer(&self, email: &str) -> String {
        let account = json!({"email": email, "password": "correct horse battery", "name": "Lee Sora", "locale": "ko"});
        self.post("/v1/accounts").json(&account).send().await.expect(201);
        self.sign_in(email, "correct horse battery").await
    }

    /// Asks again until `done` says so.
    pub async fn wait<T>(&self, what: &str, mut done: impl AsyncFnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(value) = done().await {
                return value;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain for {what}; the log says:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A complete guest cart with `quantity` of `sku`.
    pub async fn guest_cart(&self, sku: &str, quantity: i64) -> GuestCart {
        let reply = self.post("/v1/carts").json(&cart(sku, quantity)).send().await.expect(201);
        let body = reply.json();
        GuestCart { id: text(&body["id"]), token: text(&body["guest_token"]), body }
    }

    /// Places an order from `cart`, paying with `token`.
    pub async fn place(&self, cart: &GuestCart, token: &str, key: &str) -> Reply {
        let order = json!({"cart_id": cart.id, "payment_method": {"provider": "sandbox", "token": token}});
        self.post("/v1/orders").guest(&cart.token).key(key).json(&order).send().await
    }

    /// Waits until the order has `status`.
    pub async fn wait_for_status(&self, order: &str, guest: &str, status: &str) -> Value {
        self.wait(&format!("order {order} to become {status}"), async || {
            let body = self.get(&format!("/v1/orders/{order}")).guest(guest).send().await.expect(200).json();
            (body["status"] == status).then_some(body)
        })
        .await
    }

    /// Buys `quantity` of `sku` as a guest and waits until the order is confirmed.
    pub async fn buy(&self, sku: &str, quantity: i64) -> (GuestCart, Value) {
        let cart = self.guest_cart(sku, quantity).await;
        let order = self.place(&cart, "tok_approve", &self.new_key()).await.expect(201).json();
        let order = self.wait_for_status(order["id"].as_str().unwrap(), &cart.token, "confirmed").await;
        (cart, order)
    }

    /// The mails to `recipient`, newest first.
    pub async fn mails(&self, recipient: &str) -> Vec<Value> {
        let reply = self.get("/dev/mailbox?limit=100").header("accept", "application/json").send().await.expect(200);
        let items = reply.json()["items"].as_array().unwrap().clone();
        items.into_iter().filter(|mail| mail["recipient"] == recipient).collect()
    }

    /// Stops the shop and runs `jangteo verify` on its data.
    pub fn stop_and_verify(mut self) {
        assert!(self.stop().success(), "{}", self.log());
        let output = program().arg("verify").arg("--data-dir").arg(self.data_dir()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub struct GuestCart {
    pub id: String,
    pub token: String,
    pub body: Value,
}

/// The program under test, away from any configuration of the machine.
pub fn program() -> Command {
    isolated(Command::new(env!("CARGO_BIN_EXE_jangteo")))
}

fn isolated(mut command: Command) -> Command {
    command.current_dir(std::env::temp_dir()).env("LC_ALL", "C").env_remove("JANGTEO_API_KEY");
    command
}

/// A port that nobody listens on, for a server to come.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

pub fn address() -> Value {
    json!({
        "name": "김하늘", "phone": "+821012345678", "country": "KR", "postal_code": "04524",
        "city": "서울특별시 중구", "line1": "세종대로 110", "line2": "3층",
    })
}

pub fn cart(sku: &str, quantity: i64) -> Value {
    json!({
        "currency": "KRW", "email": "haneul@example.com", "locale": "ko",
        "lines": [{"sku": sku, "quantity": quantity}],
        "shipping_address": address(), "shipping_method": "standard",
    })
}

/// A product with one variant, `sku`, and `stock` of it.
pub fn product(sku: &str, stock: i64) -> Value {
    json!({
        "handle": sku.to_lowercase(), "status": "active",
        "title": {"ko": "시험 상품", "en": "Test product"},
        "variants": [{
            "sku": sku, "track_stock": true, "on_hand": stock,
            "prices": [{"amount": {"amount_minor": 11000, "currency": "KRW"}}],
        }],
    })
}
