//! Events as they were first written, kept for ever in `tests/golden/<type>/`: every later version of this
//! program must read them and lose nothing, and must read what a newer one adds.
//!
//! `UPDATE_GOLDEN=1 cargo test -p contracts --test golden` writes the file of a new type or of a type that has
//! grown; files that exist are never changed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use contracts::{Event, auth::AuthEvent, order::OrderEvent, payment::PaymentEvent, product::ProductEvent};
use serde_json::{Value, value::RawValue};

mod samples;

fn folder(event_type: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(event_type)
}

/// The files of a type, the oldest first.
fn golden(event_type: &str) -> Vec<(PathBuf, Value)> {
    let numbered = |number: usize| folder(event_type).join(format!("{number}.json"));
    let read = |path: PathBuf| fs::read_to_string(&path).ok().map(|text| (path, serde_json::from_str(&text).unwrap()));
    (1..).map_while(|number| read(numbered(number))).collect()
}

fn decode<E: Event>(event_type: &str, data: &Value) -> Result<E, String> {
    let raw: Box<RawValue> = serde_json::value::to_raw_value(data).unwrap();
    match E::from_parts(event_type, &raw) {
        Ok(Some(event)) => Ok(event),
        Ok(None) => Err("the type is not known any more".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn encode<E: Event>(event: &E) -> Value {
    serde_json::from_str(event.to_data().unwrap().get()).unwrap()
}

/// What of `small` is missing or different in `large`, by JSON pointer.
fn lost(small: &Value, large: &Value, at: &str) -> Vec<String> {
    match (small, large) {
        (Value::Object(small), Value::Object(large)) => small
            .iter()
            .flat_map(|(key, value)| match large.get(key) {
                Some(found) => lost(value, found, &format!("{at}/{key}")),
                None if value.is_null() => Vec::new(),
                None => vec![format!("{at}/{key}")],
            })
            .collect(),
        (Value::Array(small), Value::Array(large)) if small.len() == large.len() => {
            small.iter().zip(large).enumerate().flat_map(|(i, (a, b))| lost(a, b, &format!("{at}/{i}"))).collect()
        }
        (small, large) if small == large => Vec::new(),
        _ => vec![at.to_owned()],
    }
}

/// The names of all members, whatever their values.
fn members(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
                found.push(format!("{at}/{key}"));
                members(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, &format!("{at}/*"), found)),
        _ => {}
    }
}

/// `value` as a newer program may write it: every object that may grow has a member more.
fn grown(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut object: serde_json::Map<String, Value> =
                object.iter().map(|(key, value)| (key.clone(), grown(value))).collect();
            // Money is what its two members say and never grows; texts are keyed by language.
            let may_grow = !object.contains_key("amount_minor") && object.keys().all(|key| key.len() > 2);
            if may_grow {
                object.insert("added_later".to_owned(), Value::from(1));
            }
            Value::Object(object)
        }
        Value::Array(items) => items.iter().map(grown).collect(),
        other => other.clone(),
    }
}

fn check<E: Event>(samples: Vec<E>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (event_type, _) in E::TYPES {
        let kept = golden(event_type);
        for (path, data) in &kept {
            let name = path.display();
            match decode::<E>(event_type, data) {
                Ok(event) => {
                    let missing = lost(data, &encode(&event), "");
                    wrong.extend(missing.iter().map(|at| format!("{name}: {at} is lost or changed")));
                }
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
            if let Err(error) = decode::<E>(event_type, &grown(data)) {
                wrong.push(format!("{name}: refuses what a newer program adds: {error}"));
            }
        }
        let of_type: Vec<Value> =
            samples.iter().filter(|sample| sample.event_type() == *event_type).map(encode).collect();
        assert!(!of_type.is_empty(), "tests/samples.rs has no {event_type}");
        for sample in of_type {
            wrong.extend(remember(event_type, &kept, &sample));
        }
    }
    wrong
}

/// A shape that no kept file has is written, or missed.
fn remember(event_type: &str, kept: &[(PathBuf, Value)], sample: &Value) -> Option<String> {
    let names = |value: &Value| {
        let mut found = Vec::new();
        members(value, "", &mut found);
        found
    };
    let known: Vec<String> = kept.iter().flat_map(|(_, data)| names(data)).collect();
    let new: Vec<String> = names(sample).into_iter().filter(|name| !known.contains(name)).collect();
    if !kept.is_empty() && new.is_empty() {
        return None;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_none() {
        return Some(format!("{event_type}: no kept file has {new:?}; run with UPDATE_GOLDEN=1"));
    }
    let number = golden(event_type).len() + 1;
    fs::create_dir_all(folder(event_type)).unwrap();
    let text = serde_json::to_string_pretty(sample).unwrap();
    fs::write(folder(event_type).join(format!("{number}.json")), text + "\n").unwrap();
    None
}

#[test]
fn every_event_ever_written_is_still_read() {
    let mut wrong = check::<OrderEvent>(samples::order());
    wrong.extend(check::<PaymentEvent>(samples::payment()));
    wrong.extend(check::<ProductEvent>(samples::product()));
    wrong.extend(check::<AuthEvent>(samples::auth()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_kept_files_are_all_of_known_types() {
    let known: Vec<&str> = [OrderEvent::TYPES, PaymentEvent::TYPES, ProductEvent::TYPES, AuthEvent::TYPES]
        .into_iter()
        .flatten()
        .map(|(event_type, _)| *event_type)
        .collect();
    for entry in fs::read_dir(folder("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name.as_str()), "{name} was published once and is not understood any more");
    }
}
