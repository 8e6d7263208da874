//! Takes what a provider tells by itself: checked, stored as it came, and applied, in one commit.

use std::sync::Arc;

use chassis::Env;
use http::HeaderMap;

use crate::{
    payment::{Change, Command, Ids, Policy, payment_of},
    provider::{NoticeError, Providers},
    store::{ChangeError, PaymentStore, ProviderEvent, Taken},
};

/// The longest id an event may have.
const EVENT_ID_LEN_MAX: usize = 200;

/// Takes webhooks.
#[derive(Clone)]
pub struct TakeWebhook {
    /// Clock and ids.
    pub env: Env,
    /// The record.
    pub store: Arc<dyn PaymentStore>,
    /// Who may send them.
    pub providers: Providers,
    /// How payments are handled.
    pub policy: Policy,
}

/// Why a webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no such provider.
    #[error("no such provider")]
    NoProvider,
    /// It is not believed.
    #[error(transparent)]
    Notice(#[from] NoticeError),
    /// It could not be stored or applied.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl TakeWebhook {
    /// Takes the webhook `body` of the provider called `provider`.
    pub async fn take(&self, provider: &str, headers: &HeaderMap, body: Vec<u8>) -> Result<Taken, WebhookError> {
        let now = self.env.now();
        let adapter = self.providers.find(provider).ok_or(WebhookError::NoProvider)?;
        let notice = adapter.parse_webhook(headers, &body, now).inspect_err(|error| {
            metrics::counter!("payment_webhooks_refused_total").increment(1);
            tracing::warn!(provider, %error, "a webhook was refused");
        })?;
        if notice.event_id.len() > EVENT_ID_LEN_MAX {
            return Err(NoticeError::Malformed("the event's id is too long".to_owned()).into());
        }
        let about =
            notice.snapshot.and_then(|snapshot| Some((payment_of(&snapshot.reference)?, Command::Notice(snapshot))));
        let event = ProviderEvent {
            provider: provider.to_owned(),
            event_id: notice.event_id,
            event_type: notice.event_type,
            body,
            about,
        };
        let change = Change::new(now, Ids::new(self.env.new_id()), self.policy);
        chassis::fail_point!("payment.webhook.before");
        let taken = self.store.take_provider_event(event, change).await?;
        chassis::fail_point!("payment.webhook.after");
        metrics::counter!("payment_webhooks_total", "taken" => taken.as_str()).increment(1);
        Ok(taken)
    }
}
