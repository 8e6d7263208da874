//! What staff orders: money taken in parts, the rest let go. The order is written down with the caller's key
//! in one commit; the provider is called afterwards, by the worker.

use std::sync::Arc;

use chassis::{Env, idempotency::Receipt};
use contracts::payment::PaymentId;

use crate::{
    payment::{Change, Command, Ids, Policy},
    store::{ChangeError, PaymentRecord, PaymentStore},
};

/// Takes the instructions of staff.
#[derive(Clone)]
pub struct InstructPayment {
    /// Clock and ids.
    pub env: Env,
    /// The record.
    pub store: Arc<dyn PaymentStore>,
    /// How payments are handled.
    pub policy: Policy,
}

impl InstructPayment {
    /// Takes `amount_minor`, or all that is left.
    pub async fn capture(
        &self,
        payment: PaymentId,
        amount_minor: Option<i64>,
        receipt: Receipt<PaymentRecord>,
    ) -> Result<PaymentRecord, ChangeError> {
        self.instruct(payment, Command::Capture { amount_minor }, receipt).await
    }

    /// Lets go of what was not taken.
    pub async fn void(
        &self,
        payment: PaymentId,
        receipt: Receipt<PaymentRecord>,
    ) -> Result<PaymentRecord, ChangeError> {
        self.instruct(payment, Command::Void, receipt).await
    }

    async fn instruct(
        &self,
        payment: PaymentId,
        command: Command,
        receipt: Receipt<PaymentRecord>,
    ) -> Result<PaymentRecord, ChangeError> {
        let change = Change::new(self.env.now(), Ids::new(self.env.new_id()), self.policy);
        self.store.instruct(payment, command, change, receipt).await
    }
}
