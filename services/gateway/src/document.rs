//! One OpenAPI document out of those of the services.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::routes;

const SCHEMAS: &str = "#/components/schemas/";

/// Merges the documents of services, keeping what is public. `dev` keeps development paths too.
pub fn merge(documents: Vec<(&str, Value)>, dev: bool) -> Value {
    let mut merged = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jangteo",
            "description": "A shop over HTTP: catalogue, carts, orders, payments. Errors are RFC 9457 problems.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": {},
        "components": {},
        "tags": [],
    });
    let mut operation_ids = HashSet::new();
    for (service, mut document) in documents {
        rename_conflicting_schemas(service, &mut document, &merged);
        let paths = take_object(&mut document["paths"]);
        for (path, mut item) in paths.into_iter().filter(|(path, _)| routes::find(path, dev).is_some()) {
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                name_uniquely(service, operation, &mut operation_ids);
            }
            merged["paths"][path] = item;
        }
        for (section, entries) in take_object(&mut document["components"]) {
            for (name, entry) in entries.as_object().cloned().unwrap_or_default() {
                merged["components"][&section][name] = entry;
            }
        }
        let tags = document["tags"].as_array().cloned().unwrap_or_default();
        if let Some(known) = merged["tags"].as_array_mut() {
            known.extend(tags);
        }
    }
    merged
}

fn take_object(value: &mut Value) -> Map<String, Value> {
    match value.take() {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Operation ids are unique in a document; two services may both have a `list`.
fn name_uniquely(service: &str, operation: &mut Value, taken: &mut HashSet<String>) {
    let Some(id) = operation.get("operationId").and_then(Value::as_str).map(str::to_owned) else { return };
    let id = if taken.contains(&id) { format!("{service}_{id}") } else { id };
    operation["operationId"] = Value::String(id.clone());
    taken.insert(id);
}

/// A schema that another service defines differently under the same name gets its service's name in front.
fn rename_conflicting_schemas(service: &str, document: &mut Value, merged: &Value) {
    let Some(schemas) = document.pointer("/components/schemas").and_then(Value::as_object) else { return };
    let conflicting: Vec<String> = schemas
        .iter()
        .filter(|(name, schema)| merged["components"]["schemas"].get(*name).is_some_and(|other| other != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    for name in conflicting {
        let mut letters = service.chars();
        let capital: String =
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        let new = format!("{capital}{name}");
        if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
            && let Some(schema) = schemas.remove(&name)
        {
            schemas.insert(new.clone(), schema);
        }
        replace_references(document, &format!("{SCHEMAS}{name}"), &format!("{SCHEMAS}{new}"));
    }
}

fn replace_references(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text == old => new.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_references(item, old, new)),
        Value::Object(members) => members.values_mut().for_each(|member| replace_references(member, old, new)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge;

    #[test]
    fn keeps_public_paths_and_tells_equal_names_apart() {
        let document = |path: &str, kind: &str| {
            json!({
                "paths": {
                    path: { "get": { "operationId": "list", "schema": { "$ref": "#/components/schemas/View" } } },
                    "/internal": { "get": { "operationId": "secret" } },
                    "/dev/mailbox": { "get": { "operationId": "mailbox" } },
                },
                "components": { "schemas": { "View": { "type": kind }, "Problem": { "type": "object" } } },
            })
        };
        let merged = merge(
            vec![("product", document("/v1/products", "object")), ("order", document("/v1/orders", "string"))],
            false,
        );
        assert_eq!(merged["paths"].as_object().unwrap().len(), 2);
        assert_eq!(merged["paths"]["/v1/products"]["get"]["operationId"], "list");
        assert_eq!(merged["paths"]["/v1/orders"]["get"]["operationId"], "order_list");
        let reference = &merged["paths"]["/v1/orders"]["get"]["schema"]["$ref"];
        assert_eq!(reference, "#/components/schemas/OrderView");
        assert_eq!(merged["components"]["schemas"]["OrderView"]["type"], "string");
        assert_eq!(merged["components"]["schemas"]["View"]["type"], "object");
        assert_eq!(merged["components"]["schemas"].as_object().unwrap().len(), 3);
    }
}
