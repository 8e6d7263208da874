//! The wire form of every message, kept for ever in `contracts/proto/wire.txt`: a line may be added, none may go or
//! change, or a service of the version before would misread this one.
//!
//! `UPDATE_GOLDEN=1 cargo test -p rpc --test golden` adds the new lines.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet};

fn fields(prefix: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{prefix}.{}", message.name());
    for field in &message.field {
        let kind = if field.type_name().is_empty() { field.r#type().as_str_name() } else { field.type_name() };
        let repeated = if field.label().as_str_name() == "LABEL_REPEATED" { " repeated" } else { "" };
        lines.insert(format!("field {name} {} {} {kind}{repeated}", field.number(), field.name()));
    }
    for nested in &message.nested_type {
        fields(&name, nested, lines);
    }
}

fn wire() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for file in FileDescriptorSet::decode(rpc::proto::DESCRIPTORS).unwrap().file {
        let package = file.package().to_owned();
        if !package.starts_with("jangteo.") {
            continue;
        }
        for message in &file.message_type {
            fields(&package, message, &mut lines);
        }
        for kind in &file.enum_type {
            for value in &kind.value {
                lines.insert(format!("value {package}.{} {} {}", kind.name(), value.number(), value.name()));
            }
        }
        for service in &file.service {
            for method in &service.method {
                let (from, to) = (method.input_type(), method.output_type());
                lines.insert(format!("call {package}.{}/{} {from} {to}", service.name(), method.name()));
            }
        }
    }
    lines
}

#[test]
fn no_message_changes_its_wire_form() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/proto/wire.txt");
    let kept: BTreeSet<String> = fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    let now = wire();
    let gone: Vec<&String> = kept.difference(&now).collect();
    assert!(gone.is_empty(), "a service of the version before still speaks these:\n{gone:#?}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, text).unwrap();
    } else {
        let new: Vec<&String> = now.difference(&kept).collect();
        assert!(new.is_empty(), "run with UPDATE_GOLDEN=1 to keep:\n{new:#?}");
    }
}
