//! The sliding window of a consumer: what was taken from a topic, what runs, what is done.
//!
//! Events of one key stand in a lane and run one after another; lanes know nothing of each other. What may
//! be committed is the offset below which everything is done.

use std::collections::{HashMap, VecDeque};

use crate::bus::Delivery;

/// An event in the window, and which of the consumer's topics it came from.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) source: usize,
    pub(super) delivery: Delivery,
}

#[derive(Debug)]
pub(super) struct Window {
    sources: Vec<Source>,
    /// Per key with a running event, those that wait for it.
    lanes: HashMap<String, VecDeque<Taken>>,
    len: usize,
}

/// One topic that the consumer reads.
#[derive(Debug)]
struct Source {
    /// Everything up to here was taken.
    taken: u64,
    /// Everything up to here is done.
    done: u64,
    /// Everything up to here was committed.
    committed: u64,
    /// What was taken and comes after `done`, in order: its offset, and whether it is done.
    open: VecDeque<(u64, bool)>,
}

impl Window {
    /// An empty window over topics that were committed up to these offsets.
    pub(super) fn new(committed: &[u64]) -> Self {
        let source = |&offset| Source { taken: offset, done: offset, committed: offset, open: VecDeque::new() };
        Self { sources: committed.iter().map(source).collect(), lanes: HashMap::new(), len: 0 }
    }

    /// Events taken and not done.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where to go on reading `source`.
    pub(super) fn taken(&self, source: usize) -> u64 {
        self.sources[source].taken
    }

    /// Takes an event in; gives it back if it may run at once.
    pub(super) fn take(&mut self, source: usize, delivery: Delivery) -> Option<Taken> {
        let from = &mut self.sources[source];
        if delivery.offset <= from.taken {
            return None; // The bus gave it twice.
        }
        from.taken = delivery.offset;
        from.open.push_back((delivery.offset, false));
        self.len += 1;
        let taken = Taken { source, delivery };
        if let Some(lane) = self.lanes.get_mut(&taken.delivery.record.key) {
            lane.push_back(taken);
            return None;
        }
        self.lanes.insert(taken.delivery.record.key.clone(), VecDeque::new());
        Some(taken)
    }

    /// Notes that an event is done; the next of its key may run.
    pub(super) fn finish(&mut self, taken: &Taken) -> Option<Taken> {
        let from = &mut self.sources[taken.source];
        if let Ok(index) = from.open.binary_search_by_key(&taken.delivery.offset, |(offset, _)| *offset) {
            from.open[index].1 = true;
            self.len -= 1;
        }
        while let Some((offset, true)) = from.open.front() {
            from.done = *offset;
            from.open.pop_front();
        }
        let key = &taken.delivery.record.key;
        let next = self.lanes.get_mut(key).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.lanes.remove(key);
        }
        next
    }

    /// What can be committed of `source` and was not yet.
    pub(super) fn uncommitted(&self, source: usize) -> Option<u64> {
        let from = &self.sources[source];
        (from.done > from.committed).then_some(from.done)
    }

    /// Notes that `source` was committed up to `offset`.
    pub(super) fn committed(&mut self, source: usize, offset: u64) {
        self.sources[source].committed = offset;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use contracts::event::EventId;

    use super::{Taken, Window};
    use crate::bus::{Delivery, Record};

    fn delivery(offset: u64, key: &str) -> Delivery {
        let id = EventId::from_uuid(uuid::Uuid::from_u128(offset.into()));
        Delivery { offset, record: Record { topic: "t".into(), key: key.into(), id, payload: Bytes::new() } }
    }

    fn offset(taken: Option<Taken>) -> Option<u64> {
        taken.map(|taken| taken.delivery.offset)
    }

    #[test]
    fn runs_one_event_of_a_key_at_a_time_and_commits_behind_the_slowest() {
        let mut window = Window::new(&[10]);
        let slow = window.take(0, delivery(11, "a")).unwrap();
        let quick = window.take(0, delivery(14, "b")).unwrap();
        assert_eq!(offset(window.take(0, delivery(15, "a"))), None, "11 runs");
        assert_eq!(offset(window.take(0, delivery(15, "a"))), None, "given twice");
        assert_eq!((window.len(), window.taken(0)), (3, 15));

        assert_eq!(offset(window.finish(&quick)), None);
        assert_eq!(window.uncommitted(0), None, "11 is open");
        let next = window.finish(&slow);
        assert_eq!(window.uncommitted(0), Some(14));
        window.committed(0, 14);
        assert_eq!(window.uncommitted(0), None);
        assert_eq!(offset(window.finish(&next.unwrap())), None);
        assert_eq!((window.uncommitted(0), window.len()), (Some(15), 0));
    }

    #[test]
    fn a_key_is_in_order_over_both_topics_of_a_consumer() {
        let mut window = Window::new(&[0, 0]);
        let live = window.take(0, delivery(1, "a")).unwrap();
        assert_eq!(offset(window.take(1, delivery(2, "a"))), None);
        let replayed = window.finish(&live).unwrap();
        assert_eq!((replayed.source, window.uncommitted(0), window.uncommitted(1)), (1, Some(1), None));
        window.finish(&replayed);
        assert_eq!(window.uncommitted(1), Some(2));
    }
}
