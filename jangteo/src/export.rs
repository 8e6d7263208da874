//! Interface that `cli.rs` (the lead's) calls; the author of export replaces the body of this file.
use crate::import::Target;
use anyhow::Result;
use contracts::{Currency, Locale};
use std::{path::PathBuf, process::ExitCode};
/// What to export.
pub struct ExportOptions {
    /// The CSV.
    pub file: PathBuf,
    /// Where from.
    pub target: Target,
    /// Of the prices.
    pub currency: Currency,
    /// Of the texts.
    pub locale: Locale,
}
/// Exports.
pub fn run(_options: &ExportOptions) -> Result<ExitCode> {
    anyhow::bail!("being written")
}
