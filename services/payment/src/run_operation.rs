//! Sends an operation to its provider, or asks what became of one. Runs from the queue, possibly more than
//! once: the record says before and after every call how far it got.

use async_trait::async_trait;
use chassis::{
    Env,
    queue::{Job as QueuedJob, WorkError, Worker},
};
use contracts::payment::PaymentId;
use std::sync::Arc;

use crate::{
    payment::{Change, Command, Ids, Job, OperationId, Policy, Reply},
    provider::{Outcome, ProviderCall, Providers, make},
    store::{ChangeError, Lookup, PaymentStore},
};

/// The worker of the queue [`crate::store::PROVIDER_CALLS`].
pub struct RunOperation {
    /// Clock and ids.
    pub env: Env,
    /// The record.
    pub store: Arc<dyn PaymentStore>,
    /// Whom to call.
    pub providers: Providers,
    /// How payments are handled.
    pub policy: Policy,
}

impl From<ChangeError> for WorkError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => error.into(),
            ChangeError::Refused(_) | ChangeError::NoPayment => Self::Dead(error.to_string()),
        }
    }
}

#[async_trait]
impl Worker for RunOperation {
    async fn work(&self, job: &QueuedJob, _attempt: u32) -> Result<(), WorkError> {
        match serde_json::from_slice(&job.payload)? {
            Job::Run { payment_id, operation_id } => self.run(payment_id, operation_id).await,
            Job::Inquire { payment_id, operation_id, inquiry } => {
                let payment = self.store.find(Lookup::Payment(payment_id)).await?;
                match payment.and_then(|payment| payment.inquiry(operation_id, inquiry)) {
                    Some(call) => self.ask(&call).await,
                    None => Ok(()),
                }
            }
            Job::Look { payment_id } => self.look(payment_id).await,
        }
    }
}

impl RunOperation {
    async fn run(&self, payment: PaymentId, operation: OperationId) -> Result<(), WorkError> {
        match self.change(payment, Command::Begin(operation)).await? {
            Reply::Done => Ok(()),
            Reply::Retry(reason) => Err(WorkError::Retry { reason, after: None }),
            Reply::Ask(call) => self.ask(&call).await,
            Reply::Send(call) => {
                let outcome = match self.providers.find(&call.provider) {
                    Some(provider) => make(&**provider, &call).await,
                    None => Outcome::Unreachable(format!("the provider `{}` is not configured", call.provider)),
                };
                match self.change(payment, Command::Answer(operation, outcome)).await? {
                    Reply::Retry(reason) => Err(WorkError::Retry { reason, after: None }),
                    _ => Ok(()),
                }
            }
        }
    }

    async fn ask(&self, call: &ProviderCall) -> Result<(), WorkError> {
        let answer = self.providers.query(call).await;
        self.change(call.payment_id, Command::Learn(call.operation_id, answer)).await?;
        Ok(())
    }

    async fn look(&self, payment: PaymentId) -> Result<(), WorkError> {
        let found = self.store.find(Lookup::Payment(payment)).await?;
        let Some(call) = found.and_then(|payment| payment.look()) else { return Ok(()) };
        match self.providers.query(&call).await {
            Ok(Some(snapshot)) => self.change(payment, Command::Look(snapshot)).await.map(|_| ())?,
            Ok(None) => {}
            Err(error) => return Err(WorkError::Retry { reason: error.to_string(), after: None }),
        }
        Ok(())
    }

    async fn change(&self, payment: PaymentId, command: Command) -> Result<Reply, ChangeError> {
        let change = Change::new(self.env.now(), Ids::new(self.env.new_id()), self.policy);
        self.store.change(payment, command, change).await
    }
}
