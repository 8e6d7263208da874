//! Keeps the sent mails in the service's own store, to be read at `/dev/mailbox`.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Mail, MailTransport, SendError};
use crate::store::NotificationStore;

/// Mails kept; older ones are dropped.
pub const MAILS_KEPT: u32 = 1_000;

/// The transport of a shop that has no mail server.
pub struct Mailbox {
    store: Arc<dyn NotificationStore>,
}

impl Mailbox {
    /// A mailbox in `store`.
    pub fn new(store: Arc<dyn NotificationStore>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl MailTransport for Mailbox {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        self.store
            .put_in_mailbox(mail.message.id, mail.message.mail_id(), mail.at, MAILS_KEPT)
            .await
            .map_err(|error| SendError::Transient(error.to_string()))
    }
}
