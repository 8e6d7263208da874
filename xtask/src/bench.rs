//! Builds what is measured as a user would, then measures it.

use anyhow::{Context as _, Result};

use crate::run::{cargo, root, step};

/// Builds release binaries and runs the bench program.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    step("build for release", cargo().args(["build", "--release", "--package", "jangteo", "--package", "bench"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let release = target.join("release");
    let mut bench = std::process::Command::new(release.join("bench"));
    bench.current_dir(root()).arg("--bin").arg(release.join("jangteo")).args(arguments);
    step("bench", &mut bench).context("the bench did not finish")
}
