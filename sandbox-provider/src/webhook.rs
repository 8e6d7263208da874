//! Webhooks: written in the commit that did the work, sent afterwards, and again until they are taken.

pub(crate) mod queue;
pub(crate) mod sender;
