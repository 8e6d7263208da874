//! Who depends on whom: crates by their manifests, services by the contracts they call and the topics they read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, bail};

use crate::{checks::write_or_check, run::root};

const FILE: &str = "docs/service-graph.txt";

/// Crates that may depend on services. Everything else may not.
const ASSEMBLERS: [&str; 4] = ["jangteo", "sim", "bench", "xtask"];

/// Writes or checks the snapshot, after checking the rules that no snapshot may break.
pub(crate) fn write(check: bool) -> Result<()> {
    let crates = crates()?;
    obey_layers(&crates)?;
    let mut text =
        String::from("# Written by `cargo xtask graph`. A new line here is a decision: review it.\n\n## Crates\n");
    for (name, dependencies) in &crates {
        let list = dependencies.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        writeln!(text, "{name} -> {}", if list.is_empty() { "-" } else { &list })?;
    }
    text.push_str("\n## Calls and events between services\n");
    for line in calls()? {
        writeln!(text, "{line}")?;
    }
    write_or_check(FILE, &text, check, "cargo xtask graph")
}

/// Every crate of the workspace with the workspace crates it depends on (tests apart).
fn crates() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let manifest = read_toml(&root().join("Cargo.toml"))?;
    let members = manifest["workspace"]["members"].as_array().context("workspace.members")?;
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for member in members.iter().filter_map(toml::Value::as_str) {
        let manifest = read_toml(&root().join(member).join("Cargo.toml"))?;
        let name = manifest["package"]["name"].as_str().context("package.name")?.to_owned();
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let dependencies = dependencies.map(|table| table.keys().cloned().collect()).unwrap_or_default();
        crates.insert(name, dependencies);
    }
    let names: BTreeSet<String> = crates.keys().cloned().collect();
    for dependencies in crates.values_mut() {
        dependencies.retain(|dependency| names.contains(dependency));
    }
    Ok(crates)
}

/// contracts <- chassis <- services <- assemblers, and no service knows another.
fn obey_layers(crates: &BTreeMap<String, BTreeSet<String>>) -> Result<()> {
    for (name, dependencies) in crates {
        let allowed: &[&str] = match name.as_str() {
            "contracts" => &[],
            "chassis" => &["contracts"],
            "sandbox-provider" => &["chassis"],
            assembler if ASSEMBLERS.contains(&assembler) => continue,
            _ => &["contracts", "chassis"],
        };
        if let Some(forbidden) = dependencies.iter().find(|dependency| !allowed.contains(&dependency.as_str())) {
            bail!("{name} must not depend on {forbidden}: see the layers in ARCHITECTURE.md");
        }
    }
    Ok(())
}

/// Lines like `order calls product` and `payment reads order.events`, read off the sources.
fn calls() -> Result<BTreeSet<String>> {
    let services = ["auth", "gateway", "notification", "order", "payment", "product"];
    let mut lines = BTreeSet::new();
    for service in services {
        let source = sources(&root().join("services").join(service).join("src"))?;
        for other in services.iter().filter(|other| **other != service) {
            let mut name = other.to_string();
            name[..1].make_ascii_uppercase();
            if source.contains(&format!("dyn {name}Api")) {
                lines.insert(format!("{service} calls {other}"));
            }
            if source.contains(&format!("{name}Event::TOPIC")) || source.contains(&format!("\"{other}.events\"")) {
                lines.insert(format!("{service} reads {other}.events"));
            }
        }
    }
    Ok(lines)
}

/// All Rust sources under `folder`, without their unit tests.
fn sources(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            text.push_str(&sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path)?;
            text.push_str(source.split("#[cfg(test)]").next().unwrap_or_default());
        }
    }
    Ok(text)
}

fn read_toml(path: &Path) -> Result<toml::Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(toml::Value::Table(text.parse().with_context(|| path.display().to_string())?))
}
