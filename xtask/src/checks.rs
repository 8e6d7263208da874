//! What has to hold before a change lands.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{
    graph,
    run::{cargo, root, step},
    tools,
};

/// The newest Schemathesis that was tried here.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// Fresh seeds of the simulator, besides those that once failed.
pub(crate) const SEEDS: u32 = 200;

/// Everything CI runs.
pub(crate) fn test(quick: bool) -> Result<()> {
    lint()?;
    graph::write(true)?;
    step("build the program", cargo().args(["build", "--package", "jangteo"]))?;
    openapi(true)?;
    step("tests", cargo().args(["test", "--workspace", "--all-features"]))?;
    if !quick {
        sim(SEEDS, Some(seed_of_tree()?), false, false)?;
        schemathesis()?;
    }
    println!("\nAll checks passed.");
    Ok(())
}

/// The checks that read the code only.
pub(crate) fn lint() -> Result<()> {
    step("format", cargo().args(["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"];
    step("clippy", cargo().args(clippy))?;
    let deny = tools::cargo_deny()?;
    let checks = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    step("deny", Command::new(deny).current_dir(root()).args(checks))?;
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "--deny warnings");
    step("docs", &mut doc)
}

/// The first seed of a check: fresh with every change of the sources, and the same whenever they are checked again.
fn seed_of_tree() -> Result<u64> {
    let output = Command::new("git").current_dir(root()).args(["rev-parse", "HEAD^{tree}"]).output()?;
    let tree = String::from_utf8(output.stdout)?;
    let digits = tree.get(..10).context("git does not say which tree is checked")?;
    Ok(u64::from_str_radix(digits, 16)?)
}

/// Simulates the shop.
pub(crate) fn sim(seeds: u32, seed: Option<u64>, whole: bool, release: bool) -> Result<()> {
    let mut sim = cargo();
    sim.args(["run", "--quiet", "--package", "sim"]).args(release.then_some("--release"));
    sim.args(["--", "--seeds", &seeds.to_string()]).args(whole.then_some("--whole"));
    if let Some(seed) = seed {
        sim.args(["--seed", &seed.to_string()]);
    }
    step("simulate", &mut sim)
}

/// Writes or checks the OpenAPI document that stands in the repository.
pub(crate) fn openapi(check: bool) -> Result<()> {
    let output = cargo()
        .args(["run", "--quiet", "--package", "jangteo", "--", "openapi"])
        .output()
        .context("cannot run `jangteo openapi`")?;
    if !output.status.success() {
        bail!("`jangteo openapi` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    write_or_check("openapi/jangteo.json", &String::from_utf8(output.stdout)?, check, "cargo xtask openapi")
}

/// Writes `content`, or with `check` fails if the file differs.
pub(crate) fn write_or_check(path: &str, content: &str, check: bool, command: &str) -> Result<()> {
    let file = root().join(path);
    if !check {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file, content)?;
        println!("wrote {path}");
        return Ok(());
    }
    if std::fs::read_to_string(&file).unwrap_or_default() == content {
        return Ok(());
    }
    bail!("{path} is not what the code says. Run `{command}`, read the difference and commit it.")
}

/// Throws generated requests at a running gateway: no 5xx, no answer outside the document.
fn schemathesis() -> Result<()> {
    let environment = tools::python("schemathesis", &[SCHEMATHESIS])?;
    let mut script = Command::new("bash");
    script.current_dir(root()).arg("dev/schemathesis.sh").env("SCHEMATHESIS", environment.join("bin/schemathesis"));
    step("Schemathesis", &mut script)
}
