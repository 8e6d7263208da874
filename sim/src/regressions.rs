//! Seeds that once broke something, each with its story.

use serde::Deserialize;

const FILE: &str = include_str!("../regressions.toml");

/// A seed that once broke something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// The seed.
    pub seed: u64,
    /// What it broke and what was done about it.
    pub story: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    regression: Vec<Regression>,
}

/// All of them.
pub fn regressions() -> Result<Vec<Regression>, toml::de::Error> {
    Ok(toml::from_str::<File>(FILE)?.regression)
}
