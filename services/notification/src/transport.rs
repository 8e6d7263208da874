//! What carries a mail away: the built-in mailbox of a demo shop, or an SMTP server.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::message::{Content, Message};

pub mod mailbox;
pub mod smtp;

/// A mail ready to go.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The message it carries.
    pub message: Message,
    /// What it says.
    pub content: Content,
    /// When it goes; its `Date` header.
    pub at: Timestamp,
}

/// Why a mail did not go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Try again later: no connection, a busy server, a full disk, credentials that need repair.
    #[error("{0}")]
    Transient(String),
    /// This mail will never be taken: no such recipient, refused content.
    #[error("{0}")]
    Permanent(String),
}

/// Carries mails. `Ok` means taken; whether somebody reads it is beyond this system.
///
/// A crash after the server took a mail and before that was recorded sends it again: delivery is
/// at least once. The copy has the same `Message-ID`, by which receivers drop it.
#[async_trait]
pub trait MailTransport: Send + Sync {
    /// Hands one mail over.
    async fn send(&self, mail: &Mail) -> Result<(), SendError>;
}
