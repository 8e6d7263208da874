//! The newest records of each topic, in memory: consumer groups that keep up never read the file.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, futures::OwnedNotified};

use crate::bus::Delivery;

/// Records kept per topic.
const RECORDS_MAX: usize = 4096;
/// Bytes kept per topic.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The ends of all topics.
#[derive(Default)]
pub(super) struct Tail {
    topics: Mutex<BTreeMap<String, Arc<Topic>>>,
}

struct Topic {
    end: Mutex<End>,
    /// Rung whenever there may be something new to read. It wakes in the order of waiting, as simulation needs.
    changed: Arc<Notify>,
}

/// All records of a topic after `after`, without a gap. `after` is `u64::MAX` while that is unknown.
struct End {
    after: u64,
    records: VecDeque<Delivery>,
    bytes: usize,
}

impl Tail {
    fn topic(&self, topic: &str) -> Arc<Topic> {
        let mut topics = lock(&self.topics);
        if let Some(known) = topics.get(topic) {
            return Arc::clone(known);
        }
        let end = Mutex::new(End { after: u64::MAX, records: VecDeque::new(), bytes: 0 });
        let new = Arc::new(Topic { end, changed: Arc::default() });
        topics.insert(topic.to_owned(), Arc::clone(&new));
        new
    }

    /// Resolves at the next change of `topic` after this call.
    pub(super) fn changed(&self, topic: &str) -> OwnedNotified {
        Arc::clone(&self.topic(topic).changed).notified_owned()
    }

    /// Up to `limit` records after `offset`; `None` if only the file knows.
    pub(super) fn read(&self, topic: &str, offset: u64, limit: usize) -> Option<Vec<Delivery>> {
        let topic = self.topic(topic);
        let end = lock(&topic.end);
        (offset >= end.after).then(|| end.records.iter().skip(end.first_after(offset)).take(limit).cloned().collect())
    }

    /// How many records there are after `offset`; `None` if only the file knows.
    pub(super) fn count_after(&self, topic: &str, offset: u64) -> Option<u64> {
        let topic = self.topic(topic);
        let end = lock(&topic.end);
        (offset >= end.after).then(|| (end.records.len() - end.first_after(offset)) as u64)
    }

    /// Adds what was just committed. Callers come in the order of the commits.
    pub(super) fn append(&self, deliveries: Vec<Delivery>) {
        let mut touched: Vec<(String, Arc<Topic>)> = Vec::new();
        for delivery in deliveries {
            let known = touched.iter().position(|(name, _)| *name == delivery.record.topic);
            let index = known.unwrap_or_else(|| {
                let name = delivery.record.topic.clone();
                let topic = self.topic(&name);
                touched.push((name, topic));
                touched.len() - 1
            });
            lock(&touched[index].1.end).push(delivery);
        }
        for (_, topic) in touched {
            topic.changed.notify_waiters();
        }
    }

    /// Forgets everything after a commit of which nobody knows whether it happened; the file knows.
    pub(super) fn forget(&self) {
        let topics: Vec<_> = lock(&self.topics).values().cloned().collect();
        for topic in topics {
            *lock(&topic.end) = End { after: u64::MAX, records: VecDeque::new(), bytes: 0 };
            topic.changed.notify_waiters();
        }
    }
}

impl End {
    fn first_after(&self, offset: u64) -> usize {
        self.records.partition_point(|delivery| delivery.offset <= offset)
    }

    fn push(&mut self, delivery: Delivery) {
        if self.after == u64::MAX {
            self.after = delivery.offset - 1;
        }
        self.bytes += size(&delivery);
        self.records.push_back(delivery);
        while self.records.len() > RECORDS_MAX || (self.bytes > BYTES_MAX && self.records.len() > 1) {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= size(&oldest);
            self.after = oldest.offset;
        }
    }
}

fn size(delivery: &Delivery) -> usize {
    let record = &delivery.record;
    size_of::<Delivery>() + record.topic.len() + record.key.len() + record.payload.len()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{RECORDS_MAX, Tail};
    use crate::bus::{Delivery, Record};

    fn deliveries(offsets: std::ops::RangeInclusive<u64>) -> Vec<Delivery> {
        let id = contracts::event::EventId::from_uuid(uuid::Uuid::nil());
        let record = Record { topic: "t".into(), key: "k".into(), id, payload: Bytes::from_static(b"{}") };
        offsets.map(|offset| Delivery { offset, record: record.clone() }).collect()
    }

    #[test]
    fn knows_only_what_it_saw_without_a_gap() {
        let tail = Tail::default();
        assert_eq!(tail.read("t", 0, 10), None, "nothing seen yet: the file may hold older records");
        tail.append(deliveries(5..=7));
        assert_eq!(tail.read("t", 3, 10), None, "4 may be a record of this topic");
        assert_eq!(tail.read("t", 4, 2), Some(deliveries(5..=6)));
        assert_eq!(tail.read("t", 7, 10), Some(vec![]));
        assert_eq!(tail.count_after("t", 5), Some(2));
        tail.forget();
        assert_eq!(tail.read("t", 7, 10), None);
        tail.append(deliveries(9..=9));
        assert_eq!(tail.read("t", 7, 10), None, "8 was perhaps committed while nobody looked");
        assert_eq!(tail.read("t", 8, 10), Some(deliveries(9..=9)));
    }

    #[test]
    fn drops_the_oldest_first() {
        let tail = Tail::default();
        let last = RECORDS_MAX as u64 + 3;
        tail.append(deliveries(1..=last));
        assert_eq!(tail.read("t", 2, 1), None);
        assert_eq!(tail.read("t", 3, 1), Some(deliveries(4..=4)));
        assert_eq!(tail.count_after("t", 3), Some(RECORDS_MAX as u64));
    }
}
