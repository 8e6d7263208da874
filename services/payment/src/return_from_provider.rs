//! The buyer comes back from a page of the provider. What the address says is not believed, for anybody can
//! make one up: the provider is asked. If it does not answer, its webhook or the next inquiry tells.

use std::sync::Arc;

use chassis::{Env, StoreError};
use contracts::payment::PaymentId;

use crate::{
    payment::{Change, Command, Ids, Payment, Policy},
    provider::Providers,
    store::{ChangeError, Lookup, PaymentStore},
};

/// Takes buyers back.
#[derive(Clone)]
pub struct ReturnFromProvider {
    /// Clock and ids.
    pub env: Env,
    /// The record.
    pub store: Arc<dyn PaymentStore>,
    /// Whom to ask.
    pub providers: Providers,
    /// How payments are handled.
    pub policy: Policy,
    /// Where the buyer goes on; `{order_id}` stands for the order.
    pub return_to: Option<String>,
}

impl ReturnFromProvider {
    /// Finds out how it went; answers the payment as it is then, if there is one.
    pub async fn take(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        let found = self.store.find(Lookup::Payment(id)).await?;
        let Some(call) = found.as_ref().filter(|payment| payment.state.is_undecided()).and_then(Payment::look) else {
            return Ok(found);
        };
        match self.providers.query(&call).await {
            Ok(Some(snapshot)) => {
                let change = Change::new(self.env.now(), Ids::new(self.env.new_id()), self.policy);
                match self.store.change(id, Command::Look(snapshot), change).await {
                    Ok(_) => {}
                    Err(ChangeError::Store(error)) => return Err(error),
                    Err(error) => tracing::warn!(%id, %error, "a payment does not follow its provider"),
                }
            }
            Ok(None) => {}
            Err(error) => tracing::info!(%id, %error, "a buyer comes back, and the provider does not say how it went"),
        }
        self.store.find(Lookup::Payment(id)).await
    }

    /// Where the buyer of `payment` goes on.
    pub fn onwards(&self, payment: &Payment) -> Option<String> {
        Some(self.return_to.as_ref()?.replace("{order_id}", &payment.order_id.to_string()))
    }
}
