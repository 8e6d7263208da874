//! Layers override each other, and what is wrong is named with its source.

use serde::Deserialize;

use super::{Layers, Source, Table, load, redacted};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: String,
    order: Order,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Order {
    hold_seconds: u32,
    provider_secret: String,
    origins: Vec<String>,
}

const DEFAULTS: &str = r#"
listen = "127.0.0.1:8080"
[order]
hold_seconds = 900
provider_secret = ""
origins = []
"#;

fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn error(file: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jangteo.toml");
    std::fs::write(&path, file).unwrap();
    load::<Config>(DEFAULTS, Some(&path), vars(variables), Table::new()).unwrap_err().to_string()
}

#[test]
fn later_layers_win_and_variables_take_the_type_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jangteo.toml");
    std::fs::write(&path, "listen = \"0.0.0.0:1\"\n[order]\nhold_seconds = 1\n").unwrap();
    let variables = vars(&[
        ("JANGTEO__ORDER__HOLD_SECONDS", "2"),
        ("JANGTEO__ORDER__PROVIDER_SECRET", "12345"),
        ("JANGTEO__ORDER__ORIGINS", "[\"https://a.example\"]"),
        ("HOME", "/root"),
    ]);
    let overrides: Table = "listen = \"0.0.0.0:3\"".parse().unwrap();
    let config: Config = load(DEFAULTS, Some(&path), variables, overrides).unwrap();
    let order =
        Order { hold_seconds: 2, provider_secret: "12345".to_owned(), origins: vec!["https://a.example".to_owned()] };
    assert_eq!(config, Config { listen: "0.0.0.0:3".to_owned(), order });
}

#[test]
fn names_the_key_and_the_source_of_what_is_wrong() {
    let message = error("[order]\nhold_secs = 1\n", &[]);
    assert!(message.contains("`order.hold_secs`") && message.contains("jangteo.toml"), "{message}");
    assert!(message.contains("hold_seconds"), "says what is known: {message}");
    let message = error("[order]\nhold_seconds = \"soon\"\n", &[]);
    assert!(message.contains("`order.hold_seconds`") && message.contains("soon"), "{message}");
    let message = error("", &[("JANGTEO__ORDER__HOLD_SECONDS", "-1")]);
    assert!(message.contains("the environment variable JANGTEO__ORDER__HOLD_SECONDS"), "{message}");
    let message = error("", &[("JANGTEO__ORDERS__HOLD_SECONDS", "1")]);
    assert!(message.contains("`orders`") && message.contains("JANGTEO__ORDERS__HOLD_SECONDS"), "{message}");
    let message = error("listen = ", &[]);
    assert!(message.contains("jangteo.toml is not valid TOML"), "{message}");
    let missing = load::<Config>("listen = \"x\"\n[order]\n", None, vec![], Table::new()).unwrap_err().to_string();
    assert!(missing.contains("`order.hold_seconds` is not set"), "{missing}");
    assert!(missing.contains("JANGTEO__ORDER__HOLD_SECONDS"), "{missing}");
}

#[test]
fn secrets_are_never_shown() {
    let table: Table = r#"
        database_url = "postgres://user:hunter2@db/shop"
        smtp_password = "hunter2"
        api_keys = ["hunter2"]
        [token]
        signing_key = "hunter2"
        monkey = "visible"
    "#
    .parse()
    .unwrap();
    let text = redacted(&table);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("visible") && text.contains("@db/shop"), "{text}");
    let message = error("[order]\nprovider_secret = [\"hunter2\"]\n", &[]);
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn sources_read_well() {
    assert_eq!(Source::CommandLine.to_string(), "the command line");
    assert!(Layers::new(DEFAULTS).unwrap().merged().contains_key("order"));
}
