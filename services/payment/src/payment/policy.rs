//! What the shop decides about payments in general.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How payments are handled, as the settings have it.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How to wait for the unknown.
    pub inquiries: InquiryPolicy,
    /// So many payment methods may be tried for one order.
    pub attempts_max: u32,
    /// How payments that are opened now are captured.
    pub capture: CaptureMethod,
}

impl Default for Policy {
    fn default() -> Self {
        Self { inquiries: InquiryPolicy::default(), attempts_max: 3, capture: CaptureMethod::Automatic }
    }
}

/// How long to wait before asking what became of a call, and when to give it up.
#[derive(Debug, Clone, Copy)]
pub struct InquiryPolicy {
    /// First pause; it doubles.
    pub base: Duration,
    /// Longest pause.
    pub max: Duration,
    /// An authorization that the provider has not heard of this long after it was sent never arrived.
    pub lost_after: Duration,
}

impl Default for InquiryPolicy {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), max: Duration::from_secs(300), lost_after: Duration::from_secs(600) }
    }
}

/// Who takes the money of a confirmed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMethod {
    /// The service itself, all of it, as soon as the order is confirmed.
    #[default]
    Automatic,
    /// Staff, wholly or in parts.
    Manual,
}

impl CaptureMethod {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }

    /// The method with this stored form.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Automatic, Self::Manual].into_iter().find(|method| method.as_str() == text)
    }
}
