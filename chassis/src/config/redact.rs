//! Configuration as people may see it.

use toml::{Table, Value};

const SECRET_ENDINGS: [&str; 5] = ["password", "secret", "token", "key", "credentials"];
const HIDDEN: &str = "(hidden)";

/// `table` in TOML, without its secrets.
pub fn redacted(table: &Table) -> String {
    toml::to_string_pretty(&hide(table)).unwrap_or_default()
}

/// One value for a message.
pub(super) fn shown(key: &str, value: &Value) -> String {
    hide_value(key, value).to_string()
}

fn hide(table: &Table) -> Table {
    table.iter().map(|(key, value)| (key.clone(), hide_value(key, value))).collect()
}

fn hide_value(key: &str, value: &Value) -> Value {
    match value {
        Value::Table(table) => Value::Table(hide(table)),
        Value::Array(items) if !is_secret(key) => {
            Value::Array(items.iter().map(|item| hide_value(key, item)).collect())
        }
        Value::String(text) if text.is_empty() => value.clone(),
        _ if is_secret(key) => Value::String(HIDDEN.to_owned()),
        Value::String(text) => Value::String(without_userinfo(text)),
        other => other.clone(),
    }
}

/// `value` without its secrets.
pub fn redacted_json(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Object(members) => {
            let hide = |(key, value): (String, Json)| match value {
                Json::String(text) if is_secret(&key) && !text.is_empty() => (key, Json::String(HIDDEN.to_owned())),
                other => (key, redacted_json(other)),
            };
            Json::Object(members.into_iter().map(hide).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(redacted_json).collect()),
        other => other,
    }
}

fn is_secret(key: &str) -> bool {
    SECRET_ENDINGS.iter().any(|ending| {
        key.strip_suffix(ending)
            .or_else(|| key.strip_suffix('s')?.strip_suffix(ending))
            .is_some_and(|before| before.is_empty() || before.ends_with('_'))
    })
}

/// `postgres://user:password@host/db` hides what stands before the `@`.
fn without_userinfo(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest.get(..authority_len).and_then(|authority| authority.rfind('@')) {
        Some(at) => format!("{scheme}://{HIDDEN}{}", rest.get(at..).unwrap_or_default()),
        None => text.to_owned(),
    }
}
