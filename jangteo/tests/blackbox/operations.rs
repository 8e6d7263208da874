//! Operating a shop from the command line, stopped and running: dead letters, events, rebuilds; what a stop leaves.

use std::{path::Path, process::Output};

use chassis::{
    Env,
    bus::{Bus as _, EmbeddedBus, Record},
    sqlite::Location,
};
use serde_json::{Value, json};

use crate::shop::{DEMO_SKU, Shop, program};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command on the data of a stopped shop.
fn on_files(data: &Path, arguments: &[&str]) -> Output {
    program().args(arguments).arg("--data-dir").arg(data).output().unwrap()
}

/// A running shop, and a key to operate it.
struct Operator<'a> {
    shop: &'a Shop,
    key: String,
}

impl<'a> Operator<'a> {
    async fn of(shop: &'a Shop, permission: &str) -> Self {
        let admin = shop.admin_token().await;
        let wanted = json!({"name": "operator", "permissions": [permission]});
        let made = shop.post("/v1/api-keys").bearer(&admin).json(&wanted).send().await.expect(201).json();
        let secret = |value: &&str| value.starts_with("jgt_") && value.len() > 40;
        let key = made.as_object().unwrap().values().filter_map(Value::as_str).find(secret).unwrap().to_owned();
        Self { shop, key }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command.args(arguments).args(["--url", &self.shop.url]).env("JANGTEO_API_KEY", &self.key);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

/// Puts an event about `key`, with a token in it, among the dead letters of the mails.
async fn bury(data: &Path, key: &str) {
    let env = Env::system();
    let bus = EmbeddedBus::open(&env, &Location::in_folder(data, "bus.db")).unwrap();
    let id: contracts::event::EventId = env.new_id();
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/jangteo/order", "type": "order.imagined",
        "dataschema": "/schemas/order.imagined/1", "subject": key, "time": env.now(),
        "datacontenttype": "application/json", "data": {"token": "tok_secret"},
    });
    let payload = event.to_string().into_bytes().into();
    let record = Record { topic: "order.events".to_owned(), key: key.to_owned(), id, payload };
    bus.bury("notification", record, "no template for it", 10, env.now()).await.unwrap();
    env.stop().await;
}

#[tokio::test]
async fn dead_letters_are_seen_replayed_and_dropped() {
    let mut shop = Shop::open().await;
    assert!(shop.stop().success(), "{}", shop.log());
    let data = shop.data_dir();
    for key in ["ord_one", "ord_two", "ord_three"] {
        bury(&data, key).await;
    }
    let listed = on_files(&data, &["dead-letters", "list"]);
    assert_eq!(out(&listed).lines().count(), 3, "{}", out(&listed));
    assert!(out(&listed).contains("about ord_one") && out(&listed).contains("no template for it"));
    assert_eq!(on_files(&data, &["verify"]).status.code(), Some(1), "each is a violation");
    let dropped = on_files(&data, &["dead-letters", "drop", "1", "99"]);
    assert_eq!(dropped.status.code(), Some(1), "99 is not there");
    assert_eq!(out(&dropped), "1 is gone\n99 is not among what was given up\n");

    let shop = shop.reopen().await;
    let operator = Operator::of(&shop, "system:operate").await;
    let listed = operator.run(&["dead-letters", "list"]).await;
    assert_eq!(out(&listed).lines().count(), 2, "{}{}", out(&listed), String::from_utf8_lossy(&listed.stderr));
    let shown: Value = serde_json::from_str(&out(&operator.run(&["dead-letters", "show", "2"]).await)).unwrap();
    assert_eq!((&shown["key"], &shown["payload"]["data"]["token"]), (&json!("ord_two"), &json!("(hidden)")));
    let replayed = operator.run(&["dead-letters", "replay", "all"]).await;
    assert_eq!(out(&replayed), "2 is handled again\n3 is handled again\n");
    assert_eq!(operator.run(&["dead-letters", "show", "2"]).await.status.code(), Some(1));
    assert_eq!(out(&operator.run(&["dead-letters", "list"]).await), "Nothing was given up.\n");
    let stranger = Operator::of(&shop, "orders:read").await.run(&["dead-letters", "list"]).await;
    assert_eq!(stranger.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("system:operate"));
    shop.stop_and_verify();
}

#[tokio::test]
async fn what_was_said_is_read_from_anywhere() {
    let mut shop = Shop::open().await;
    let (_, order) = shop.buy(DEMO_SKU, 1).await;
    let id = order["id"].as_str().unwrap().to_owned();
    let lines = |output: &Output| -> Vec<Value> {
        let text = out(output);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let operator = Operator::of(&shop, "system:operate").await;
    let told = lines(&operator.run(&["events", "order.events", "--key", &id]).await);
    assert_eq!((&told[0]["type"], &told[0]["subject"]), (&json!("order.placed"), &json!(id)));
    assert_eq!(told[0]["data"]["payment_method"]["token"], "(hidden)");
    assert!(told.iter().any(|event| event["type"] == "order.confirmed"));
    let all = lines(&operator.run(&["events", "product.events"]).await);
    assert!(all.len() >= 12, "one for each product at least, over several pages");
    let from = all[5]["offset"].to_string();
    let some = lines(&operator.run(&["events", "product.events", "--from", &from, "--limit", "3"]).await);
    assert_eq!(some, all[5..8]);
    let unknown = operator.run(&["events", "weather.events"]).await;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("order.events"), "it names those that there are");

    assert!(shop.stop().success(), "{}", shop.log());
    let data = shop.data_dir();
    let head = format!(
        "'{}' events product.events --data-dir '{}' | head -n 1",
        env!("CARGO_BIN_EXE_jangteo"),
        data.display()
    );
    let head = std::process::Command::new("bash").args(["-o", "pipefail", "-c", &head]).output().unwrap();
    assert!(head.status.success() && lines(&head) == all[..1], "{}", String::from_utf8_lossy(&head.stderr));
    let stopped = lines(&on_files(&data, &["events", "order.events", "--type", "order.placed", "--key", &id]));
    assert_eq!(stopped, told[..1]);
    assert!(lines(&on_files(&data, &["events", "order.events", "--from", "1000000"])).is_empty());
}

#[tokio::test]
async fn the_search_is_made_again_stopped_and_running() {
    let mut shop = Shop::open().await;
    let operator = Operator::of(&shop, "system:operate").await;
    let found = async |shop: &Shop| {
        let page = shop.get("/v1/products?q=shirt").send().await.expect(200).json();
        page["items"].as_array().unwrap().len()
    };
    shop.wait("the first index", async || (found(&shop).await > 0).then_some(())).await;
    let before = found(&shop).await;
    for what in ["search", "orders"] {
        let made = operator.run(&["rebuild", what]).await;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    assert_eq!(found(&shop).await, before);

    assert!(shop.stop().success(), "{}", shop.log());
    std::fs::remove_dir_all(shop.data_dir().join("search")).unwrap();
    let made = on_files(&shop.data_dir(), &["rebuild"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success() && said.contains("search: 12 made again"), "{said}");
    assert!(said.contains("orders: 0 made again"), "{said}");
    let shop = shop.reopen().await;
    assert_eq!(found(&shop).await, before, "nothing is missing from the first request on");
    shop.stop_and_verify();
}

#[tokio::test]
async fn a_clean_stop_leaves_everything_in_the_files_themselves() {
    let mut shop = Shop::open().await;
    shop.buy(DEMO_SKU, 1).await;
    assert!(shop.stop().success(), "{}", shop.log());
    let data = shop.data_dir();
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with("-wal") && entry.metadata().unwrap().len() > 0 {
            logs.push(name);
        }
    }
    assert!(logs.is_empty(), "{logs:?}");
    let verified = on_files(&data, &["verify"]);
    assert!(out(&verified).contains("All invariants hold"), "{}", out(&verified));
}

#[tokio::test]
async fn what_waits_to_be_sent_is_told_and_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let sample = format!("{}/tests/data/shopify-home-and-garden.csv", env!("CARGO_MANIFEST_DIR"));
    let data = folder.path().join("data");
    let imported = on_files(&data, &["import", &sample, "--currency", "USD"]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let verified = on_files(&data, &["verify"]);
    assert!(verified.status.success(), "{}", out(&verified));
    assert!(out(&verified).contains("product: ") && out(&verified).contains("are sent when the shop starts"));
}
