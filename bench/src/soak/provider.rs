//! The payment provider: a process of its own that is never killed. Somebody else's books do not die with ours.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    http1::Connection,
    shop::{free_address, until_answers},
};

const SECRET_KEY: &str = "sk_soak";
const WEBHOOK_SECRET: &str = "whs_soak_0123456789abcdef";

pub(crate) struct Provider {
    process: Child,
    address: SocketAddr,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Provider {
    /// Starts it; it tells the shop at `shop` what happens.
    pub(crate) async fn start(bin: &Path, folder: &Path, shop: SocketAddr) -> Result<Self> {
        let address = free_address()?;
        let log = std::fs::File::create(folder.join("provider.log"))?;
        let mut command = Command::new(bin);
        command.args(["sandbox-provider", "--control", "--listen", &address.to_string()]);
        command.args(["--webhook-url", &format!("http://{shop}/v1/payment-providers/sandbox/webhooks")]);
        command.args(["--secret-key", SECRET_KEY, "--webhook-secret", WEBHOOK_SECRET]);
        command.arg("--data-dir").arg(folder.join("provider"));
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let process = process.with_context(|| format!("cannot start {}", bin.display()))?;
        let provider = Self { process, address };
        until_answers(address, "/livez").await?;
        Ok(provider)
    }

    /// What a shop has to be told of it.
    pub(crate) fn settings(&self) -> String {
        format!(
            "\n[payment.providers.sandbox]\nurl = \"http://{}\"\nsecret_key = \"{SECRET_KEY}\"\n\
             webhook_secret = \"{WEBHOOK_SECRET}\"\n",
            self.address
        )
    }

    /// Its books, when all that it had to tell was heard.
    pub(crate) async fn settled(&self, patience: Duration) -> Result<Value> {
        let deadline = Instant::now() + patience;
        let mut connection = Connection::open(self.address).await?;
        loop {
            let bearer = format!("Bearer {SECRET_KEY}");
            let headers = [("authorization", bearer.as_str())];
            let answer = connection.ask(Method::GET, "/control/totals", &headers, Bytes::new()).await?;
            let totals: Value = serde_json::from_slice(&answer.body)?;
            if totals["webhooks_waiting"] == 0 {
                return Ok(totals);
            }
            if Instant::now() > deadline {
                bail!("the provider's webhooks are not taken: {totals}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
