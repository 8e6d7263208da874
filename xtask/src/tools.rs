//! Tools that the checks need and a fresh machine lacks, installed once into a folder of our own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::run::{cargo, step};

const CARGO_DENY: &str = "0.20.2";

/// `$JANGTEO_TOOLS`, or `~/.cache/jangteo/tools`.
pub(crate) fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("JANGTEO_TOOLS") {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").context("neither JANGTEO_TOOLS nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/jangteo/tools"))
}

/// The path of cargo-deny, built on first use.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let folder = folder()?;
    let binary = folder.join("bin/cargo-deny");
    if !binary.exists() {
        let mut install = cargo();
        install.args(["install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root"]).arg(&folder);
        step("install cargo-deny", &mut install)?;
    }
    Ok(binary)
}

/// A Python virtual environment with `packages`, made on first use; answers its folder.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = folder()?.join(name);
    let marker = folder.join(".installed");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    step("create a Python environment", Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = folder.join("bin/pip");
    step(&format!("install {}", packages.join(" ")), Command::new(pip).args(["install", "--quiet"]).args(packages))?;
    std::fs::write(&marker, wanted)?;
    Ok(folder)
}
