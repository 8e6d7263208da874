//! Builds what is measured as a user would, then measures it.

use anyhow::{Context as _, Result};

use crate::run::{cargo, root, step};

/// Builds release binaries and runs the bench program.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    run("bench", &[], arguments)
}

/// Builds release binaries and lets customers buy while the shop is killed again and again.
pub(crate) fn soak(arguments: &[String]) -> Result<()> {
    run("soak", &["soak"], arguments)
}

fn run(name: &str, command: &[&str], arguments: &[String]) -> Result<()> {
    step("build for release", cargo().args(["build", "--release", "--package", "jangteo", "--package", "bench"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let release = target.join("release");
    let mut bench = std::process::Command::new(release.join("bench"));
    bench.current_dir(root()).args(command).arg("--bin").arg(release.join("jangteo")).args(arguments);
    step(name, &mut bench).with_context(|| format!("the {name} did not finish"))
}
