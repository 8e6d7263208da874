//! Interface that `cli.rs` (the lead's) calls; the author of import replaces the body of this file.
use crate::config::Config;
use anyhow::Result;
use contracts::{Currency, Locale};
use secrecy::SecretString;
use std::{path::PathBuf, process::ExitCode};

/// Where products go to or come from.
pub enum Target {
    /// A stopped shop's data folder (config.data_dir).
    Stopped {
        /// All settings.
        config: Box<Config>,
    },
    /// A running shop.
    Running {
        /// http://host:port
        url: String,
        /// jgt_...
        api_key: SecretString,
    },
}
/// What to import.
pub struct ImportOptions {
    /// The CSV.
    pub file: PathBuf,
    /// Where to.
    pub target: Target,
    /// Of the prices.
    pub currency: Currency,
    /// Of the texts.
    pub locale: Locale,
    /// All or nothing.
    pub atomic: bool,
}
/// Imports.
pub fn run(_options: &ImportOptions) -> Result<ExitCode> {
    anyhow::bail!("being written")
}
