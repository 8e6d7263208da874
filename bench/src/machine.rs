//! What the figures were measured on.

use std::process::Command;

use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) commit: String,
}

/// Reads what Linux tells; what it does not tell stays empty.
pub(crate) fn facts() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let kilobytes: f64 = value(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        cpu: value(&cpus, "model name"),
        memory_gib: (kilobytes / 1024.0 / 1024.0 * 10.0).round() / 10.0,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        commit: commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default(),
    }
}
