//! Work that is cut off and started again.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::shop::{Setup, Shop, program};

const PRODUCTS: usize = 3000;

/// A file with so many products of two variants each.
fn csv(path: &Path) {
    let mut text =
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price\n".to_owned();
    for n in 0..PRODUCTS {
        for size in ["S", "L"] {
            let title = if size == "S" { "Shirt,Size" } else { "," };
            writeln!(text, "shirt-{n},{title},{size},SHIRT-{n}-{size},5,10.00").unwrap();
        }
    }
    std::fs::write(path, text).unwrap();
}

fn import(data: &Path, file: &Path, more: &[&str]) -> Command {
    let mut command = program();
    command.arg("import").arg(file).args(["--currency", "USD", "--data-dir"]).arg(data).args(more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Waits until the store of products has been written to.
fn wait_for_writes(import: &mut Child, data: &Path, bytes: u64) {
    let started = Instant::now();
    let log = data.join("product.db-wal");
    while std::fs::metadata(&log).map_or(0, |meta| meta.len()) < bytes {
        assert!(import.try_wait().unwrap().is_none(), "the import ended too early to be cut off");
        assert!(started.elapsed() < Duration::from_secs(30), "the import does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_verified(data: &Path) {
    let output = program().arg("verify").arg("--data-dir").arg(data).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn an_import_that_was_cut_off_is_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("shirts.csv"));
    csv(&file);
    for signal in ["-TERM", "-KILL"] {
        let mut child = import(&data, &file, &[]).spawn().unwrap();
        wait_for_writes(&mut child, &data, 500_000);
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{}", said(&output));
        assert_verified(&data);
    }
    let rest = import(&data, &file, &[]).output().unwrap();
    assert!(rest.status.success(), "{}", said(&rest));
    assert!(!said(&rest).contains(&format!("{PRODUCTS} created")), "some was there already: {}", said(&rest));
    let again = import(&data, &file, &[]).output().unwrap();
    assert!(said(&again).contains(&format!("0 created, 0 updated, {PRODUCTS} unchanged")), "{}", said(&again));
    assert_verified(&data);
}

#[test]
fn an_atomic_import_that_was_killed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("shirts.csv"));
    csv(&file);
    let mut child = import(&data, &file, &["--atomic"]).spawn().unwrap();
    // Beyond what the tables alone take.
    wait_for_writes(&mut child, &data, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_verified(&data);
    let whole = import(&data, &file, &["--atomic"]).output().unwrap();
    assert!(said(&whole).contains(&format!("{PRODUCTS} created, 0 updated, 0 unchanged")), "{}", said(&whole));
    assert_verified(&data);
}

#[tokio::test]
async fn seeding_that_was_interrupted_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { products: 1500, ..Setup::default() };
    for signal in ["-TERM", "-KILL"] {
        let mut child = setup.command(folder.path()).spawn().unwrap();
        wait_for_writes(&mut child, &folder.path().join("data"), 800_000);
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        let mut banner = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut banner).unwrap();
        assert_eq!(banner, "", "it was open before it was cut off");
    }
    let shop = Shop::open_in(folder, setup, None).await;
    let mut count = 0;
    let mut path = "/v1/products?limit=100".to_owned();
    loop {
        let page = shop.get(&path).send().await.expect(200).json();
        count += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/products?limit=100&cursor={cursor}");
    }
    assert_eq!(count, 1500);
    shop.stop_and_verify();
}
