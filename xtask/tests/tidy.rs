//! Rules about the repository itself: what the documents name exists, files stay small, every file says what it is for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn tracked(suffix: &str) -> Vec<String> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(root()).args(arguments).output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines().filter(|path| path.ends_with(suffix) && root().join(path).exists()).map(str::to_owned).collect()
}

/// Text between backticks that looks like a path of this repository.
fn paths_named(document: &str) -> Vec<String> {
    let roots = [
        ".ci/",
        "contracts/",
        "chassis/",
        "services/",
        "sandbox-provider/",
        "jangteo/",
        "bench/",
        "sim/",
        "xtask/",
        "docs/",
        "dev/",
        "openapi/",
    ];
    document
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| roots.iter().any(|root| code.starts_with(root)) && !code.contains([' ', '*', '{', '<', '…']))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_path_named_in_the_documents_exists() {
    let documents = tracked(".md");
    assert!(documents.iter().any(|path| path == "ARCHITECTURE.md"));
    let mut missing = Vec::new();
    for document in documents {
        for path in paths_named(&fs::read_to_string(root().join(&document)).unwrap()) {
            if !root().join(&path).exists() && path != "bench/results/latest.json" {
                missing.push(format!("{document} names {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_path_rule_can_fail() {
    assert_eq!(paths_named("see `docs/nowhere.md` and `cargo test`"), ["docs/nowhere.md"]);
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for path in tracked(".rs") {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        if text.lines().count() > 500 {
            wrong.push(format!("{path}: more than 500 lines"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{path}: does not begin with a module comment"));
        }
        for word in ["TODO", "FIXME", "unimplemented!", "todo!"] {
            if text.contains(word) && !path.starts_with("xtask/") {
                wrong.push(format!("{path}: contains {word}"));
            }
        }
        let body = text.split("#[cfg(test)]").next().unwrap_or_default();
        if body.contains("select! {") && body.matches("select! {").count() > body.matches("biased;").count() {
            wrong.push(format!("{path}: a `select!` without `biased;` is not deterministic"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn readmes_show_the_same_commands() {
    let commands = |name: &str| {
        let text = fs::read_to_string(root().join(name)).unwrap();
        text.split("```").skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let strip = |blocks: Vec<String>| -> Vec<String> {
        let lines =
            blocks.iter().flat_map(|block| block.lines()).map(|line| line.split('#').next().unwrap().trim().to_owned());
        lines
            .filter(|line| line.starts_with("cargo ") || line.starts_with("curl ") || line.starts_with("jangteo "))
            .collect()
    };
    assert_eq!(strip(commands("README.md")), strip(commands("README.ko.md")));
}
