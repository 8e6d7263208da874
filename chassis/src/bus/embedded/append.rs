//! How records get into the log: whatever waits is written together, by one task at a time, so that the
//! tail in memory sees commits in their order and a publisher that goes away leaves nothing half done.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{log, tail::Tail};
use crate::{
    Env, StoreError,
    bus::{BusError, Delivery, Record},
    sqlite::Database,
};

/// What is to be appended.
pub(super) enum Append {
    /// New records.
    Records(Vec<Record>),
    /// The event of the dead letter with this id.
    DeadLetter(u64),
}

type Answer = Result<bool, BusError>;

/// The only writer of the log.
pub(super) struct Appender {
    pub(super) env: Env,
    pub(super) database: Database,
    pub(super) tail: Tail,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    appends: Vec<Append>,
    answers: Vec<oneshot::Sender<Answer>>,
    /// A task is there that takes what waits.
    attended: bool,
}

impl Appender {
    pub(super) fn new(env: &Env, database: Database) -> Arc<Self> {
        Arc::new(Self { env: env.clone(), database, tail: Tail::default(), waiting: Mutex::default() })
    }

    /// Appends. `false` if there was nothing to append: no such dead letter.
    pub(super) async fn append(self: &Arc<Self>, append: Append) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let attended = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.appends.push(append);
            waiting.answers.push(sender);
            std::mem::replace(&mut waiting.attended, true)
        };
        if !attended {
            let this = Arc::clone(self);
            self.env.spawn("bus-append", async move { while this.append_waiting().await {} });
        }
        receiver.await.unwrap_or_else(|_| Err(BusError("the log writer has stopped".to_owned())))
    }

    /// Writes all that waits in one commit; `false` when nothing waited.
    async fn append_waiting(&self) -> bool {
        let (appends, answers) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.attended = !waiting.appends.is_empty();
            (std::mem::take(&mut waiting.appends), std::mem::take(&mut waiting.answers))
        };
        if appends.is_empty() {
            return false;
        }
        let now = self.env.now();
        let written: Result<(Vec<Delivery>, Vec<bool>), StoreError> = self
            .database
            .write_unsynced(move |transaction| {
                let (mut deliveries, mut found) = (Vec::new(), Vec::with_capacity(appends.len()));
                for append in appends {
                    let before = deliveries.len();
                    match append {
                        Append::Records(records) => {
                            for record in records {
                                deliveries.push(log::append(transaction, record, now)?);
                            }
                        }
                        Append::DeadLetter(id) => deliveries.extend(log::replay(transaction, id, now)?),
                    }
                    found.push(deliveries.len() > before);
                }
                Ok((deliveries, found))
            })
            .await;
        match written {
            Ok((deliveries, found)) => {
                self.tail.append(deliveries);
                answer_all(answers, found.into_iter().map(Ok));
            }
            Err(error) => {
                // Perhaps it is in the file all the same; then readers must look there.
                self.tail.forget();
                answer_all(answers, std::iter::repeat(Err(BusError(error.to_string()))));
            }
        }
        true
    }
}

fn answer_all(senders: Vec<oneshot::Sender<Answer>>, answers: impl Iterator<Item = Answer>) {
    for (sender, answer) in senders.into_iter().zip(answers) {
        // A publisher that went away does not want to know.
        let _ = sender.send(answer);
    }
}
