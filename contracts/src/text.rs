//! Texts in several languages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A language that Jangteo speaks to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// Korean.
    Ko,
    /// English.
    #[default]
    En,
}

impl Locale {
    /// The BCP 47 language tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }

    /// The first language of an `Accept-Language` header that is spoken here.
    pub fn from_accept_language(header: &str) -> Option<Self> {
        header.split(',').find_map(|range| match range.trim().get(..2)?.to_ascii_lowercase().as_str() {
            "ko" => Some(Self::Ko),
            "en" => Some(Self::En),
            _ => None,
        })
    }
}

impl std::str::FromStr for Locale {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ko" => Ok(Self::Ko),
            "en" => Ok(Self::En),
            other => Err(format!("unknown locale `{}`: use ko or en", other.chars().take(16).collect::<String>())),
        }
    }
}

/// The same text per language: `{"ko": "무선 이어폰", "en": "Wireless earbuds"}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct LocalizedText(pub BTreeMap<Locale, String>);

impl LocalizedText {
    /// A text in one language.
    pub fn one(locale: Locale, text: impl Into<String>) -> Self {
        Self(BTreeMap::from([(locale, text.into())]))
    }

    /// A text in Korean and English.
    pub fn both(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self(BTreeMap::from([(Locale::Ko, ko.into()), (Locale::En, en.into())]))
    }

    /// The text in `locale`, or in English, or in whatever language there is.
    pub fn get(&self, locale: Locale) -> &str {
        self.0
            .get(&locale)
            .or_else(|| self.0.get(&Locale::En))
            .or_else(|| self.0.values().next())
            .map_or("", String::as_str)
    }

    /// True if no language has any text.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(String::is_empty)
    }
}
