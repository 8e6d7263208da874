//! Data folders that cannot be used as they are.

use std::{
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Output},
};

use crate::shop::{DEMO_SKU, Shop, program, text};

/// Starts the shop, which has to refuse.
fn refused(data: &Path) -> String {
    // A program that does not refuse would run on.
    let output = Command::new("timeout")
        .args(["20", env!("CARGO_BIN_EXE_jangteo"), "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()])
        .env("JANGTEO__INTERNAL__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    said(&output, 2, data)
}

fn said(output: &Output, code: i32, data: &Path) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(data.to_str().unwrap()) && !text.contains("panicked"), "{text}");
    text
}

fn verify(data: &Path) -> Output {
    program().args(["verify", "--data-dir", data.to_str().unwrap()]).output().unwrap()
}

/// Brings what stands in the logs into the files themselves, so that a file can be changed by hand.
fn settle(data: &Path) {
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "db") {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
    }
}

#[test]
fn what_is_no_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for data in [file.clone(), file.join("below")] {
        assert!(refused(&data).contains("--data-dir"));
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    // Nobody, not even root, makes folders there.
    assert!(refused(Path::new("/proc/jangteo")).contains("--data-dir"));
}

#[tokio::test]
async fn a_read_only_folder_is_refused_and_left_alone() {
    let mut shop = Shop::open().await;
    assert!(shop.stop().success());
    let data = shop.data_dir();
    let permissions = |mode| std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
    permissions(0o555);
    let lock = data.join("LOCK");
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&lock).is_ok() {
        // Permissions do not bind root; a read-only mount does.
        let script =
            "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && exec \"$0\" verify --data-dir \"$1\"";
        let output = Command::new("unshare")
            .args(["--mount", "bash", "-c", script, env!("CARGO_BIN_EXE_jangteo")])
            .arg(&data)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let may_mount = !text.contains("unshare:") && !text.contains("mount:");
        assert!(!may_mount || said(&output, 2, &data).contains("writable"), "{text}");
    } else {
        assert!(refused(&data).contains("writable"));
    }
    permissions(0o755);
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o644)).unwrap();
    let shop = shop.reopen().await;
    shop.stop_and_verify();
}

#[tokio::test]
async fn data_of_a_newer_version_is_refused_and_left_alone() {
    let mut shop = Shop::open().await;
    let (cart, order) = shop.buy(DEMO_SKU, 1).await;
    assert!(shop.stop().success());
    let data = shop.data_dir();
    settle(&data);
    let version = std::fs::read(data.join("VERSION")).unwrap();
    std::fs::write(data.join("VERSION"), "99\n").unwrap();
    assert!(refused(&data).contains("newer"));
    std::fs::write(data.join("VERSION"), version).unwrap();
    // The user version of an SQLite file stands at byte 60, big endian.
    let file = std::fs::OpenOptions::new().read(true).write(true).open(data.join("order.db")).unwrap();
    let mut before = [0; 4];
    file.read_exact_at(&mut before, 60).unwrap();
    file.write_all_at(&99_u32.to_be_bytes(), 60).unwrap();
    let text = refused(&data);
    assert!(text.contains("newer") && text.contains("order.db"), "{text}");
    file.write_all_at(&before, 60).unwrap();
    let shop = shop.reopen().await;
    let path = format!("/v1/orders/{}", text_of(&order));
    shop.get(&path).guest(&cart.token).send().await.expect(200);
    shop.stop_and_verify();
}

fn text_of(order: &serde_json::Value) -> String {
    text(&order["id"])
}

#[tokio::test]
async fn foreign_files_are_refused_and_left_alone() {
    let mut shop = Shop::open().await;
    assert!(shop.stop().success());
    let data = shop.data_dir();
    settle(&data);
    let foreign = data.join("payment.db");
    // A whole database, but another program's: who owns a file stands at byte 68.
    let mut other = std::fs::read(&foreign).unwrap();
    other[68..72].copy_from_slice(b"DIAR");
    for content in [b"a diary, not a database ".repeat(500), other] {
        std::fs::write(&foreign, &content).unwrap();
        let text = refused(&data);
        assert!(text.contains("payment.db") && text.contains("not a Jangteo database"), "{text}");
        assert_eq!(std::fs::read(&foreign).unwrap(), content);
    }
}

#[tokio::test]
async fn a_damaged_file_is_named_and_nothing_panics() {
    for name in ["order.db", "product.db"] {
        let mut shop = Shop::open().await;
        let (cart, order) = shop.buy(DEMO_SKU, 1).await;
        let admin = shop.admin_token().await;
        assert!(shop.stop().success());
        let data = shop.data_dir();
        settle(&data);
        overwrite_pages(&data.join(name));
        let output = verify(&data);
        let text = said(&output, output.status.code().unwrap(), &data);
        assert!(!output.status.success() && text.contains(name), "{text}");

        // The program may refuse; if it starts, what it cannot read is a problem and nothing else.
        let shop = match shop.try_reopen().await {
            Ok(shop) => shop,
            Err(log) => {
                assert!(log.contains(name) && !log.contains("panicked"), "{log}");
                continue;
            }
        };
        let paths = [
            "/v1/products",
            "/v1/products?q=shirt",
            "/v1/categories",
            "/v1/orders",
            &format!("/v1/orders/{}", text_of(&order)),
        ];
        for path in paths {
            for call in [shop.get(path).guest(&cart.token), shop.get(path).bearer(&admin)] {
                let reply = call.send().await;
                if reply.status.is_server_error() {
                    let problem = reply.json();
                    assert!(!problem.to_string().contains("malformed"), "no internals: {problem}");
                }
            }
        }
        let reply = shop.post("/v1/carts").json(&crate::shop::cart(DEMO_SKU, 1)).send().await;
        assert!(reply.status == 201 || reply.json()["type"].is_string(), "{}", reply.text);
        assert!(!shop.log().contains("panicked"), "{}", shop.log());
    }
}

/// Overwrites what is neither the schema nor a root that the schema needs to be read.
fn overwrite_pages(path: &Path) {
    // What the log still holds must be in the file.
    rusqlite::Connection::open(path).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let bytes = std::fs::metadata(path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let pages = bytes / 4096;
    assert!(pages > 20, "{} has only {pages} pages", path.display());
    for page in pages / 3..pages {
        file.write_all_at(&[0x5a; 4096], page * 4096).unwrap();
    }
}
