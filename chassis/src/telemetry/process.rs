//! Memory, file descriptors and processor time of this process, read when asked for (Linux).

use std::fmt::Write as _;

/// `/proc` counts processor time in these, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the metrics to `text`.
pub(super) fn render(text: &mut String) {
    if let Some(bytes) = resident_bytes() {
        gauge(text, "process_resident_memory_bytes", "Memory in RAM.", bytes);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        gauge(text, "process_open_fds", "Open file descriptors.", entries.count());
    }
    if let Some(seconds) = cpu_seconds() {
        let name = "process_cpu_seconds_total";
        let _infallible = write!(text, "# HELP {name} Processor time.\n# TYPE {name} counter\n{name} {seconds}\n");
    }
}

fn gauge(text: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    let _infallible = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kibibytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the name in parentheses, may contain spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}
