//! The invariants of this service, judged on live data by `jangteo verify`.

use std::collections::HashSet;

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
        violations.push(format!("notification: {id} is not the only message for its event, recipient and channel"));
    }
    for id in &facts.without_content {
        violations.push(format!("notification: {id} has no text"));
    }
    for id in &facts.ill_recorded {
        violations.push(format!("notification: {id} is sent at no moment, or failed without a reason"));
    }
    let dead = queue.dead_jobs(0, DEAD_JOBS_MAX).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let given_up: HashSet<_> =
        dead.iter().filter(|dead| dead.job.queue == SEND_QUEUE).map(|dead| dead.job.id).collect();
    for message in facts.open.iter().filter(|message| given_up.contains(&message.job_id)) {
        let (id, state) = (message.id, message.state.as_str());
        violations.push(format!("notification: {id} is {state}, but its delivery job was given up"));
    }
    Ok(violations)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chassis::{
        Env,
        queue::{DeadJob, EmbeddedQueue, Job, WorkError, Worker, WorkerConfig},
        sqlite::Location,
    };
    use contracts::Event as _;

    use super::*;
    use crate::{
        message::{Content, tests::queued},
        store::sqlite::SqliteStore,
    };

    struct GivesUp;

    #[async_trait::async_trait]
    impl Worker for GivesUp {
        async fn work(&self, _: &Job, _: u32) -> Result<(), WorkError> {
            Err(WorkError::Dead("no".to_owned()))
        }
    }

    async fn dead_jobs(queue: &dyn Queue) -> Vec<DeadJob> {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(5));
        loop {
            let dead = queue.dead_jobs(0, 10).await.unwrap();
            if !dead.is_empty() {
                return dead;
            }
            interval.tick().await;
        }
    }

    #[tokio::test]
    async fn a_message_whose_job_is_gone_is_found_and_a_waiting_one_is_not() {
        let env = Env::system();
        let store = SqliteStore::open(&Location::Memory).unwrap();
        let queue = EmbeddedQueue::open(&env, &Location::Memory).unwrap();
        let message = queued(1);
        let event = contracts::auth::AuthEvent::SessionsRevoked(contracts::auth::SessionsRevoked {
            account_id: message.about.parse().unwrap(),
            email: message.recipient.clone(),
            locale: message.locale,
            reason: "password_changed".to_owned(),
        });
        let envelope = event.seal(message.event_id, message.about.clone(), message.created_at, None).unwrap();
        let content = Content { subject: "s".to_owned(), text: "t".to_owned(), html: "h".to_owned() };
        assert!(store.create(&envelope, message.clone(), content).await.unwrap());
        assert_eq!(verify(&store, &*queue).await.unwrap(), Vec::<String>::new());

        queue.start_worker(&env, SEND_QUEUE, WorkerConfig::default(), Arc::new(GivesUp));
        let job = Job {
            queue: SEND_QUEUE.to_owned(),
            key: message.recipient.clone(),
            id: message.job_id,
            due_at: message.created_at,
            traceparent: None,
            payload: bytes::Bytes::from_static(b"{}"),
        };
        queue.push(vec![job]).await.unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(10), dead_jobs(&*queue)).await.unwrap();
        let violations = verify(&store, &*queue).await.unwrap();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].contains("given up"), "{violations:?}");
        env.stop().await;
    }
}
