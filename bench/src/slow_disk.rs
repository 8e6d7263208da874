//! `--slow-disk N`: everything on a disk that syncs at most N times a second, whatever this machine has.
//!
//! Disks differ by a factor of twenty in this one number, and it decides what durable work costs. A small library
//! slows `fdatasync` down for the bench and the shop alike, so that the limit and the figure meet the same disk.

use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

const SOURCE: &str = include_str!("slow_disk.c");
/// Set in the process that runs on the slow disk; the library reads it.
const MICROS: &str = "SLOW_DISK_SYNC_US";

/// Starts this program anew on a disk with so many syncs a second; returns only in the process that is on it.
pub(crate) fn enter(syncs_per_second: u32, folder: &Path) -> Result<()> {
    if std::env::var_os(MICROS).is_some() {
        return Ok(());
    }
    if syncs_per_second == 0 {
        bail!("--slow-disk needs at least one sync a second");
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let (source, library) = (folder.join("slow_disk.c"), folder.join("slow_disk.so"));
    std::fs::write(&source, SOURCE)?;
    let mut compile = Command::new("cc");
    compile.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    if !compile.status().context("cannot start the C compiler `cc`")?.success() {
        bail!("the C compiler failed: {compile:?}");
    }
    let error = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env("LD_PRELOAD", &library)
        .env(MICROS, (1_000_000 / syncs_per_second).to_string())
        .exec();
    Err(error).context("cannot start anew on the slow disk")
}
