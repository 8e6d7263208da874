//! The program in a terminal: import, export, verify, and trouble at start.

use std::{path::Path, process::Output};

use serde_json::json;

use crate::shop::{Shop, program};

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sample() -> String {
    format!("{}/tests/data/shopify-home-and-garden.csv", env!("CARGO_MANIFEST_DIR"))
}

fn import(data: &Path, file: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["import", file, "--currency", "USD", "--data-dir", data.to_str().unwrap()];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn a_merchants_csv_goes_in_and_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = import(&data, &sample(), &[]);
    assert!(first.status.success(), "{}", stderr(&first));
    let export = |name: &str| {
        let file = folder.path().join(name);
        let output =
            run(&["export", file.to_str().unwrap(), "--currency", "USD", "--data-dir", data.to_str().unwrap()]);
        assert!(output.status.success(), "{}", stderr(&output));
        file
    };
    let exported = export("one.csv");
    let again = import(&data, exported.to_str().unwrap(), &[]);
    let summary = String::from_utf8_lossy(&again.stdout).into_owned() + &stderr(&again);
    assert!(again.status.success(), "{summary}");
    assert!(summary.contains("0 created") && summary.contains("0 updated"), "{summary}");
    assert_eq!(std::fs::read(exported).unwrap(), std::fs::read(export("two.csv")).unwrap());
    let verified = run(&["verify", "--data-dir", data.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

#[test]
fn bad_rows_are_named_and_atomic_means_nothing_or_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.csv");
    std::fs::write(
        &file,
        "Handle,Title,Body (HTML),Vendor,Variant SKU,Variant Price\n\
         good,Good,<p>fine</p>,V,GOOD-1,12.50\nbad,Bad,,V,BAD-1,cheap\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let atomic = folder.path().join("atomic");
    let refused = import(&atomic, file, &["--atomic"]);
    assert!(!refused.status.success());
    let text = stderr(&refused);
    assert!(text.contains('3') && text.contains("Variant Price") && text.contains("cheap"), "{text}");
    let twice = import(&atomic, file, &[]);
    let summary = String::from_utf8_lossy(&twice.stdout).into_owned() + &stderr(&twice);
    assert_eq!(twice.status.code(), Some(1), "{summary}");
    assert!(summary.contains("1 created"), "the atomic run must have left nothing: {summary}");
}

#[test]
fn files_that_are_no_catalogue_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("x.csv");
    for content in [&b""[..], b"a,b\n1,2\n", b"Handle,Title\n\xb0\xa1,\xb3\xaa\n"] {
        std::fs::write(&file, content).unwrap();
        let output = import(&data, file.to_str().unwrap(), &[]);
        assert!(!output.status.success());
        assert!(stderr(&output).len() > 20 && !stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
    let missing = import(&data, "/no/such/file.csv", &[]);
    assert!(stderr(&missing).contains("/no/such/file.csv"), "{}", stderr(&missing));
}

#[tokio::test]
async fn a_running_shop_is_imported_into_with_a_key() {
    let shop = Shop::open().await;
    let admin = shop.admin_token().await;
    let wanted = json!({"name": "importer", "permissions": ["catalog:write", "stock:write"]});
    let key = shop.post("/v1/api-keys").bearer(&admin).json(&wanted).send().await.expect(201).json();
    let secret = key
        .as_object()
        .unwrap()
        .values()
        .filter_map(|value| value.as_str())
        .find(|value| value.starts_with("jgt_") && value.len() > 40);
    let url = shop.url.clone();
    let secret = secret.unwrap().to_owned();
    let import = |key: String| {
        let url = url.clone();
        tokio::task::spawn_blocking(move || {
            program()
                .args(["import", &sample(), "--currency", "USD", "--url", &url])
                .env("JANGTEO_API_KEY", key)
                .output()
                .unwrap()
        })
    };
    let done = import(secret).await.unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
    let found = shop.get("/v1/products/clay-plant-pot").send().await.expect(200).json();
    assert_eq!(found["variants"].as_array().unwrap().len(), 2);
    let refused = import(format!("jgt_{}", "0".repeat(64))).await.unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    shop.stop_and_verify();
}

#[tokio::test]
async fn trouble_at_start_says_what_to_do() {
    let shop = Shop::open().await;
    let locked = run(&["verify", "--data-dir", shop.data_dir().to_str().unwrap()]);
    assert_eq!(locked.status.code(), Some(2));
    assert!(stderr(&locked).contains(shop.data_dir().to_str().unwrap()), "{}", stderr(&locked));
    let address = shop.url.trim_start_matches("http://").to_owned();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = run(&["--listen", &address, "--data-dir", data.to_str().unwrap()]);
    assert!(!data.exists(), "a port in use must be found before anything is written");
    assert_eq!(taken.status.code(), Some(2));
    assert!(stderr(&taken).contains("--listen"), "{}", stderr(&taken));

    let file = folder.path().join("jangteo.toml");
    std::fs::write(&file, "[order]\ncolour = 1\n").unwrap();
    let unknown = run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("colour") && stderr(&unknown).contains("jangteo.toml"), "{}", stderr(&unknown));

    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("order.db"), vec![b'x'; 8192]).unwrap();
    let refused = run(&["verify", "--data-dir", foreign.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("order.db"), "{}", stderr(&refused));
}

#[test]
fn help_and_completions_work() {
    for arguments in
        [&["--help"][..], &["import", "--help"], &["completions", "bash"], &["config", "check"], &["openapi"]]
    {
        let output = run(arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}: {}", stderr(&output));
    }
}

#[tokio::test]
async fn a_lost_password_is_replaced_and_a_key_is_made_while_the_shop_is_stopped() {
    let mut shop = Shop::open().await;
    assert!(shop.stop().success(), "{}", shop.log());
    let data = shop.data_dir();
    let reset = run(&["reset-password", "--data-dir", data.to_str().unwrap()]);
    assert!(reset.status.success(), "{}", stderr(&reset));
    let password = String::from_utf8(reset.stdout).unwrap().trim().to_owned();
    let key = run(&["api-key", "robot", "--permission", "orders:read", "--data-dir", data.to_str().unwrap()]);
    assert!(key.status.success(), "{}", stderr(&key));
    let key = String::from_utf8(key.stdout).unwrap().trim().to_owned();
    let wrong = run(&["api-key", "robot", "--permission", "everything", "--data-dir", data.to_str().unwrap()]);
    assert!(stderr(&wrong).contains("orders:read"), "the known ones are named: {}", stderr(&wrong));
    let unknown = run(&["reset-password", "--email", "nobody@example.com", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));

    let old = shop.admin.clone();
    let shop = shop.reopen().await;
    shop.sign_in(&old.0, &password).await;
    let refused = json!({"email": old.0, "password": old.1});
    shop.post("/v1/sessions").json(&refused).send().await.expect(401);
    shop.get("/v1/orders").bearer(&key).send().await.expect(200);
    assert_eq!(shop.post("/v1/products").bearer(&key).json(&json!({})).send().await.status, 403);
    shop.stop_and_verify();
}
