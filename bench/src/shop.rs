//! A `jangteo` process on a data folder of its own.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::time::Instant;

use crate::http1;

/// Seeding a hundred thousand products takes a while.
const START_MAX: Duration = Duration::from_secs(30 * 60);
const STOP_MAX: Duration = Duration::from_secs(60);

/// Everything as delivered, except: quotas that one load generator would use up at once, and no line in the
/// log per request.
const SETTINGS: &str = r#"
[internal]
listen = "INTERNAL"

[telemetry]
log = "warn"

[gateway.rate]
read = { per_minute = 4000000000, burst = 1000000 }
write = { per_minute = 4000000000, burst = 1000000 }
login = { per_minute = 4000000000, burst = 1000000 }
"#;

/// A running shop.
pub(crate) struct Shop {
    process: Child,
    bin: PathBuf,
    folder: PathBuf,
    products: usize,
    pub(crate) address: SocketAddr,
    internal: SocketAddr,
}

/// How a shop is started that is not as any other.
pub(crate) struct Way<'a> {
    /// Demo goods in a new shop.
    pub(crate) products: usize,
    /// Where it is; the same after a restart.
    pub(crate) address: SocketAddr,
    /// More settings.
    pub(crate) settings: &'a str,
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Shop {
    /// Starts a shop in `folder`, seeded with the demo goods if the folder is new; answers how long it took until
    /// it answered.
    pub(crate) async fn start(bin: &Path, folder: &Path, products: usize) -> Result<(Self, Duration)> {
        Self::start_as(bin, folder, &Way { products, address: free_address()?, settings: "" }).await
    }

    /// The same in another way.
    pub(crate) async fn start_as(bin: &Path, folder: &Path, way: &Way<'_>) -> Result<(Self, Duration)> {
        let (products, address, internal) = (way.products, way.address, free_address()?);
        let settings = folder.join("bench.toml");
        std::fs::write(&settings, SETTINGS.replace("INTERNAL", &internal.to_string()) + way.settings)?;
        let log = File::options().create(true).append(true).open(folder.join("shop.log"))?;
        let mut command = Command::new(bin);
        command.arg("--config").arg(&settings).arg("--data-dir").arg(folder.join("data"));
        command.args(["--listen", &address.to_string(), "--demo-products", &products.to_string()]);
        let started = Instant::now();
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", bin.display()))?;
        let (bin, folder) = (bin.to_owned(), folder.to_owned());
        let mut shop = Self { process, bin, folder, products, address, internal };
        shop.until_ready(started).await?;
        Ok((shop, started.elapsed()))
    }

    /// Stops and starts it again.
    pub(crate) async fn restart(self) -> Result<(Self, Duration)> {
        let (bin, folder, products) = (self.bin.clone(), self.folder.clone(), self.products);
        self.stop().await?;
        Self::start(&bin, &folder, products).await
    }

    /// Asks it to stop and waits until it has, with success.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status()?;
        let deadline = Instant::now() + STOP_MAX;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return if status.success() { Ok(()) } else { Err(self.failure(&format!("ended with {status}"))) };
            }
            if !asked.success() || Instant::now() > deadline {
                return Err(self.failure("did not stop when asked"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// E-mail address and password of the first account, as the banner of the first start told them.
    pub(crate) async fn admin(&self) -> Result<(String, String)> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let log = std::fs::read_to_string(self.folder.join("shop.log"))?;
            if let Some((before, after)) = log.lines().find_map(|line| line.split_once("password")) {
                let email = before.split_whitespace().find(|word| word.contains('@'));
                let password = after.trim_start_matches(':').split_whitespace().next();
                if let (Some(email), Some(password)) = (email, password) {
                    return Ok((email.to_owned(), password.to_owned()));
                }
            }
            if Instant::now() > deadline {
                bail!("the shop does not say who its administrator is: {log}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A line of `/proc/PID/status`, in megabytes.
    pub(crate) fn memory_mb(&self, line: &str) -> Result<f64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let rest = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
        let kilobytes: f64 = rest
            .and_then(|rest| rest.split_whitespace().next())
            .with_context(|| format!("{path} has no {line}"))?
            .parse()?;
        Ok(kilobytes / 1024.0)
    }

    /// What it tells about itself.
    pub(crate) async fn metrics(&self) -> Result<Metrics> {
        let answer = http1::get(self.internal, "/metrics").await?;
        Ok(Metrics(String::from_utf8(answer.body.to_vec())?))
    }

    async fn until_ready(&mut self, started: Instant) -> Result<()> {
        while http1::get(self.address, "/v1/products?limit=1").await.is_err() {
            if let Some(status) = self.process.try_wait()? {
                return Err(self.failure(&format!("ended with {status} before it answered")));
            }
            if started.elapsed() > START_MAX {
                return Err(self.failure("does not answer"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    fn failure(&self, what: &str) -> anyhow::Error {
        let log = std::fs::read_to_string(self.folder.join("shop.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        anyhow::anyhow!("{} {what}; the end of its log:\n{tail}", self.bin.display())
    }
}

/// One scrape of `/metrics`.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The sum of the series of `name` that have `label`, such as `synced="true"`; of all of them if it is empty.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let whole = labels.is_empty() || labels.starts_with('{');
            (whole && labels.contains(label)).then(|| value.parse::<f64>().ok()).flatten()
        });
        values.sum()
    }
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until `path` is answered with 200.
pub(crate) async fn until_answers(address: SocketAddr, path: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = http1::get(address, path).await {
        if Instant::now() > deadline {
            bail!("{address}: {error}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn series_are_summed_by_name_and_label() {
        let text = "# HELP c x\nc 1\nc{a=\"x\",b=\"y\"} 2\nc{a=\"z\"} 4\nc_total 100\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!(metrics.sum("c", ""), 7.0);
        assert_eq!(metrics.sum("c", "a=\"z\""), 4.0);
        assert_eq!(metrics.sum("none", ""), 0.0);
    }
}
