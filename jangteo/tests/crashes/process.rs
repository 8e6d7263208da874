//! One running `jangteo`, in either of its roles.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::client::Client;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(4);

pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub fn start(arguments: &[&str], environment: &[(&str, &str)], log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jangteo"));
        command.args(arguments).envs(environment.iter().copied()).env("LC_ALL", "C").current_dir(std::env::temp_dir());
        let child = command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        Self { child, log: log.to_owned() }
    }

    /// Waits until `path` is answered.
    pub async fn until_ready(&mut self, client: &Client, path: &str) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while client.get(path, &[]).await.is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("ended with {status} before it answered; {}", self.said()));
            }
            if Instant::now() > deadline {
                return Err(format!("does not answer; {}", self.said()));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits for `words` in its output; answers all of it.
    pub async fn until_said(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = std::fs::read_to_string(&self.log).unwrap_or_default();
            if output.contains(words) {
                return output;
            }
            assert!(Instant::now() < deadline, "it never said {words}: {output}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// How it ended, if it does within `patience`.
    pub async fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.child.try_wait().unwrap();
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks it to stop, and waits until it has, with success.
    pub async fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        match self.end(PATIENCE).await {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("ended with {status}; {}", self.said())),
            None => Err(format!("does not stop; {}", self.said())),
        }
    }

    pub fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("the end of its log:\n{}", lines[lines.len().saturating_sub(15)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that stays the same over restarts: below the range from which the kernel gives out ports by itself.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
