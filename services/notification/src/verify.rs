//! The invariants of this service, judged on live data by `jangteo verify`.

use chassis::{StoreError, queue::Queue};

use crate::store::{NotificationStore, SEND_QUEUE};

/// Dead jobs looked at.
const DEAD_JOBS_MAX: usize = 100_000;

/// Judges every message: none is doubled, all have a text and are recorded well, and what is not at rest
/// has a job that will move it. Answers one sentence per violation.
pub async fn verify(store: &dyn NotificationStore, queue: &dyn Queue) -> Result<Vec<String>, StoreError> {
    let facts = store.facts().await?;
    let mut violations = Vec::new();
    for id in &facts.duplicates {
        violations.push(format!("{id}: there is another message for the same event, recipient and channel"));
    }
    for id in &facts.without_content {
        violations.push(format!("{id}: the message has no text"));
    }
    for id in &facts.ill_recorded {
        violations.push(format!("{id}: marked sent without a moment of sending, or failed without a reason"));
    }
    let dead = queue.dead_jobs(DEAD_JOBS_MAX).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    for message in &facts.open {
        let stranded = dead.iter().any(|dead| dead.job.queue == SEND_QUEUE && dead.job.id == message.job_id);
        if stranded && !store.job_is_waiting(message.job_id).await? {
            let state = message.state.as_str();
            violations.push(format!("{}: is {state}, but its delivery job was given up", message.id));
        }
    }
    Ok(violations)
}
