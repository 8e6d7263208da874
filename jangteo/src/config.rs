//! The configuration of the whole shop, layer upon layer.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use chassis::{
    config::{ConfigError, Layers, redacted},
    idempotency::IdempotencyConfig,
    server::ServerConfig,
    telemetry::TelemetryConfig,
};
use serde::Deserialize;
use toml::{Table, Value};

use crate::cli::RunArguments;

const DEFAULTS: &str = include_str!("config.default.toml");

/// Read when no file is named and it exists.
const FILE: &str = "jangteo.toml";

/// Every setting there is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder that holds all data.
    pub data_dir: PathBuf,
    /// What a new shop is filled with.
    pub demo: DemoConfig,
    /// The first account.
    pub admin: AdminConfig,
    /// The public listener.
    pub server: ServerConfig,
    /// The internal listener.
    pub internal: InternalConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
    /// Idempotency keys, of all services.
    pub idempotency: IdempotencyConfig,
    /// The edge.
    #[serde(default)]
    pub gateway: gateway::GatewayConfig,
    /// Accounts and tokens.
    #[serde(default)]
    pub auth: auth_service::Config,
    /// Catalogue and stock.
    #[serde(default)]
    pub product: product_service::Config,
    /// Carts and orders.
    #[serde(default)]
    pub order: order_service::Config,
    /// Payments and providers.
    #[serde(default)]
    pub payment: payment_service::Config,
    /// Mails.
    #[serde(default)]
    pub notification: notification_service::Config,
    /// The sandbox payment provider that is started with the shop.
    #[serde(default)]
    pub sandbox_provider: sandbox_provider::SandboxConfig,
}

impl Config {
    /// True if everybody may read the mails at `/dev/mailbox`: in demo shops only, where nobody is real.
    pub fn shows_mailbox(&self) -> bool {
        self.demo.enabled && self.notification.mailbox && self.notification.smtp.is_none()
    }
}

/// Section `[demo]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoConfig {
    /// Fill a new data folder.
    pub enabled: bool,
    /// With so many products.
    pub products: usize,
}

/// Section `[admin]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Who signs in first.
    pub email: String,
}

/// Section `[internal]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InternalConfig {
    /// Where health and metrics are served.
    pub listen: SocketAddr,
}

/// Reads all layers; `flags` are the highest.
pub fn load(flags: &RunArguments) -> Result<Config> {
    checked(&layers(flags)?)
}

/// Reads all layers and answers the merged settings as TOML, secrets hidden.
pub fn check(file: Option<&Path>) -> Result<String> {
    let flags = RunArguments { config: file.map(Path::to_path_buf), ..RunArguments::default() };
    let layers = layers(&flags)?;
    checked(&layers)?;
    Ok(redacted(&layers.merged()))
}

/// The settings, if they make sense.
fn checked(layers: &Layers) -> Result<Config> {
    let config: Config = layers.read()?;
    config.auth.check()?;
    config.order.check()?;
    Ok(config)
}

fn layers(flags: &RunArguments) -> Result<Layers, ConfigError> {
    let mut layers = Layers::new(DEFAULTS)?;
    let file = flags.config.clone().or_else(|| Some(PathBuf::from(FILE)).filter(|path| path.exists()));
    if let Some(path) = file {
        layers = layers.file(&path)?;
    }
    Ok(layers.env(std::env::vars()).overrides(overrides(flags)))
}

fn overrides(flags: &RunArguments) -> Table {
    let mut table = Table::new();
    let mut set = |section: &str, key: &str, value: Value| {
        let entry = table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(inner) = entry {
            inner.insert(key.to_owned(), value);
        }
    };
    if let Some(listen) = flags.listen {
        set("server", "listen", Value::String(listen.to_string()));
    }
    if flags.no_demo {
        set("demo", "enabled", Value::Boolean(false));
    }
    if let Some(products) = flags.demo_products {
        set("demo", "products", Value::Integer(i64::try_from(products).unwrap_or(i64::MAX)));
    }
    if let Some(folder) = &flags.data_dir {
        table.insert("data_dir".to_owned(), Value::String(folder.display().to_string()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_complete_and_valid() {
        let config: Config = Layers::new(DEFAULTS).unwrap().read().unwrap();
        assert_eq!(config.server, ServerConfig::default(), "the file and the code must say the same");
        assert_eq!(config.telemetry, TelemetryConfig::default());
        assert_eq!(config.idempotency, IdempotencyConfig::default());
        config.order.check().unwrap();
    }

    #[test]
    fn what_the_file_shows_as_examples_is_valid() {
        let is_section = |text: &str| text.starts_with('[');
        let is_setting = |text: &&str| is_section(text) || text.contains(" = ");
        let uncommented = |line: &'static str| match line.strip_prefix("# ") {
            Some(example) => Some(example).filter(is_setting),
            None => Some(line).filter(|line| is_section(line)),
        };
        let examples: Vec<&str> = DEFAULTS.lines().filter_map(uncommented).collect();
        let examples = examples.join("\n");
        assert!(examples.contains("[payment.providers.sandbox]"), "{examples}");
        let table: Table = examples.parse().unwrap();
        let config: Config = Layers::new(DEFAULTS).unwrap().overrides(table).read().unwrap();
        assert!(config.payment.providers.sandbox.is_some() && config.notification.smtp.is_some());
    }

    #[test]
    fn answers_are_kept_for_some_time_at_least() {
        let with = |hours: i64| {
            let table = format!("[idempotency]\nkept_hours = {hours}").parse().unwrap();
            Layers::new(DEFAULTS).unwrap().overrides(table).read::<Config>()
        };
        assert_eq!(with(1).unwrap().idempotency.kept().as_secs(), 3600);
        let refused = with(0).unwrap_err().to_string();
        assert!(refused.contains("idempotency.kept_hours"), "{refused}");
    }

    #[test]
    fn strangers_read_mails_in_demo_shops_only() {
        let with = |no_demo| {
            let flags = RunArguments { no_demo, ..RunArguments::default() };
            Layers::new(DEFAULTS).unwrap().overrides(overrides(&flags)).read::<Config>().unwrap()
        };
        assert!(with(false).shows_mailbox());
        assert!(!with(true).shows_mailbox());
    }

    #[test]
    fn flags_win() {
        let flags = RunArguments {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
            data_dir: Some("elsewhere".into()),
            no_demo: true,
            ..RunArguments::default()
        };
        let layers = Layers::new(DEFAULTS).unwrap().env([("JANGTEO__SERVER__LISTEN".into(), "127.0.0.1:2".into())]);
        let config: Config = layers.overrides(overrides(&flags)).read().unwrap();
        assert_eq!(config.server.listen.port(), 1);
        assert_eq!(config.data_dir, PathBuf::from("elsewhere"));
        assert!(!config.demo.enabled);
    }
}
