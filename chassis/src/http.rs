//! What handlers read from requests and answer with. Every rejection is a [`crate::Problem`].

mod answer;
mod caller;
mod document;
mod json;
mod keyed;
mod params;
mod precondition;
mod wording;

pub use answer::answer;
pub(crate) use caller::GUEST_TOKEN;
pub use caller::{AcceptedLocale, CurrentCaller, GuestToken};
pub use document::Problems;
pub(crate) use document::{add_components, add_shared_responses};
pub use json::Json;
pub(crate) use keyed::IDEMPOTENCY_KEY;
pub use keyed::Keyed;
pub use params::{Path, Query};
pub use precondition::{IfMatch, etag};

#[cfg(test)]
mod tests;
