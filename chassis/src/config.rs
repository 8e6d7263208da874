//! Configuration in layers: built-in defaults, a TOML file, environment variables, command line. A later layer
//! wins. A key that nobody knows or a value of the wrong kind is refused, with its name and where it came from.

mod redact;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use redact::{redacted, redacted_json};

/// `JANGTEO__ORDER__HOLD_SECONDS=600` sets `hold_seconds` in `[order]`.
pub const ENV_PREFIX: &str = "JANGTEO__";

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {reason}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A layer is not TOML.
    #[error("{source_name} is not valid TOML: {reason}")]
    Syntax {
        /// Which layer.
        source_name: Source,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A key or value is wrong.
    #[error("`{key}` in {source_name}: {reason}")]
    Value {
        /// The key, dotted.
        key: String,
        /// Which layer set it.
        source_name: Source,
        /// What is wrong.
        reason: String,
    },
    /// A key that has no default is not set.
    #[error("`{key}` is not set: set it in the configuration file or as {ENV_PREFIX}{variable}", variable = key.to_uppercase().replace('.', "__"))]
    Missing {
        /// The key, dotted.
        key: String,
    },
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    Defaults,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The command line.
    CommandLine,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the built-in defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}

struct Layer {
    source: Source,
    table: Table,
    /// What an environment variable says, before it was taken for a number or a list.
    raw: Option<(Vec<String>, String)>,
}

/// The layers, lowest first.
#[derive(Default)]
pub struct Layers(Vec<Layer>);

impl Layers {
    /// The lowest layer.
    pub fn new(defaults_toml: &str) -> Result<Self, ConfigError> {
        Self::default().toml(Source::Defaults, defaults_toml)
    }

    /// Adds a file.
    pub fn file(self, path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?;
        self.toml(Source::File(path.to_owned()), &text)
    }

    /// Adds those of `variables` that begin with [`ENV_PREFIX`].
    pub fn env(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, text) in variables {
            let Some(key) = name.strip_prefix(ENV_PREFIX) else { continue };
            let path: Vec<String> = key.to_lowercase().split("__").map(str::to_owned).collect();
            let mut table = Table::new();
            set(&mut table, &path, guess(&text));
            self.0.push(Layer { source: Source::Variable(name), table, raw: Some((path, text)) });
        }
        self
    }

    /// Adds what the command line says.
    pub fn overrides(mut self, table: Table) -> Self {
        self.0.push(Layer { source: Source::CommandLine, table, raw: None });
        self
    }

    /// Everything in one table.
    pub fn merged(&self) -> Table {
        let mut merged = Table::new();
        for layer in &self.0 {
            merge(&mut merged, layer.table.clone());
        }
        merged
    }

    /// Reads the merged layers as `T`, which denies unknown fields.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let mut merged = self.merged();
        // An environment variable has no type: `12345` may be meant as a text. Every retry settles one variable.
        for _ in 0..=self.0.len() {
            let error = match serde_path_to_error::deserialize::<_, T>(Value::Table(merged.clone())) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let path: Vec<String> = error.path().iter().map(|segment| segment.to_string()).collect();
            let as_text = self.0.iter().rev().find_map(|layer| layer.raw.as_ref().filter(|(own, _)| *own == path));
            match as_text {
                Some((_, text)) if lookup(&merged, &path).is_some_and(|value| !value.is_str()) => {
                    set(&mut merged, &path, Value::String(text.clone()));
                }
                _ => return Err(self.explain(&merged, path, error.inner().message())),
            }
        }
        Err(ConfigError::Missing { key: String::new() })
    }

    fn toml(mut self, source: Source, text: &str) -> Result<Self, ConfigError> {
        match text.parse::<Table>() {
            Ok(table) => {
                self.0.push(Layer { source, table, raw: None });
                Ok(self)
            }
            Err(error) => Err(ConfigError::Syntax { source_name: source, reason: error.to_string() }),
        }
    }

    fn explain(&self, merged: &Table, mut path: Vec<String>, message: &str) -> ConfigError {
        let named = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
        if let Some(field) = named("missing field `") {
            path.push(field.to_owned());
            return ConfigError::Missing { key: path.join(".") };
        }
        let mut reason = message.trim().to_owned();
        if let Some(field) = named("unknown field `") {
            if path.last().is_none_or(|last| last != field) {
                path.push(field.to_owned());
            }
            let known = message.split_once("expected ").map_or("", |(_, known)| known.trim_start_matches("one of "));
            reason = format!("there is no such setting; known here: {known}");
        } else if let Some(value) = lookup(merged, &path).filter(|value| !value.is_table()) {
            let key = path.last().map_or("", String::as_str);
            reason = format!("{reason} (it is {})", redact::shown(key, value));
        }
        let source_name = self
            .0
            .iter()
            .rev()
            .find(|layer| lookup(&layer.table, &path).is_some())
            .map_or(Source::Defaults, |layer| layer.source.clone());
        ConfigError::Value { key: path.join("."), source_name, reason }
    }
}

/// Reads a `T` from all layers: defaults, the file if there is one, `variables`, `overrides`.
pub fn load<T: DeserializeOwned>(
    defaults_toml: &str,
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    overrides: Table,
) -> Result<T, ConfigError> {
    let mut layers = Layers::new(defaults_toml)?;
    if let Some(path) = file {
        layers = layers.file(path)?;
    }
    layers.env(variables).overrides(overrides).read()
}

/// `5`, `true` and `["a"]` are what they look like; everything else is a text.
fn guess(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| if table.len() == 1 { table.remove("value") } else { None })
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn set(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn lookup<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    match path {
        [] => None,
        [key] => table.get(key),
        [key, rest @ ..] => match table.get(key)? {
            Value::Table(inner) => lookup(inner, rest),
            other => Some(other),
        },
    }
}

#[cfg(test)]
mod tests;
