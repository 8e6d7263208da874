//! Is there an order of events that explains what clients saw? After Wing and Gong, with memory.

use std::{collections::HashSet, hash::Hash};

/// Something that was done, or perhaps was.
#[derive(Debug, Clone)]
pub struct Event<D> {
    /// What.
    pub deed: D,
    /// When it was asked for.
    pub began: u64,
    /// When it was known to be done; `None` if that never was: it may have happened at any time since, or not.
    pub ended: Option<u64>,
}

/// More events than this in one history are not looked at.
const EVENTS_MAX: usize = 60;

/// True if the events can have happened one after another, each between its beginning and its end, so that every
/// step is one that `step` allows.
pub fn explains<S: Clone + Eq + Hash, D>(first: S, events: &[Event<D>], step: impl Fn(&S, &D) -> Option<S>) -> bool {
    if events.len() > EVENTS_MAX {
        return true;
    }
    let certain = |at: &usize| events[*at].ended.is_some();
    let needed: u64 = (0..events.len()).filter(certain).fold(0, |mask, at| mask | 1 << at);
    let mut seen: HashSet<(u64, S)> = HashSet::new();
    let mut open = vec![(0_u64, first)];
    while let Some((done, state)) = open.pop() {
        if done & needed == needed {
            return true;
        }
        // Nothing may come after something that was over before it began.
        let waiting = (0..events.len()).filter(|at| done & 1 << at == 0);
        let first_end = waiting.clone().filter_map(|at| events[at].ended).min().unwrap_or(u64::MAX);
        for at in waiting.filter(|at| events[*at].began <= first_end) {
            if let Some(next) = step(&state, &events[at].deed) {
                let reached = (done | 1 << at, next);
                if seen.insert(reached.clone()) {
                    open.push(reached);
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Event, explains};

    /// Adds to a number and sees the sum.
    type Deed = (i64, Option<i64>);

    fn step(state: &i64, (add, seen): &Deed) -> Option<i64> {
        let sum = state + add;
        seen.is_none_or(|seen| seen == sum).then_some(sum)
    }

    fn event(add: i64, seen: Option<i64>, began: u64, ended: Option<u64>) -> Event<Deed> {
        Event { deed: (add, seen), began, ended }
    }

    #[test]
    fn finds_an_order_if_there_is_one() {
        let side_by_side = [event(1, Some(3), 1, Some(4)), event(2, Some(2), 2, Some(3))];
        assert!(explains(0, &side_by_side, step));
        let one_after_another = [event(1, Some(3), 1, Some(2)), event(2, Some(2), 3, Some(4))];
        assert!(!explains(0, &one_after_another, step), "the first was over before the second began");
    }

    #[test]
    fn what_nobody_knows_may_have_happened() {
        let look = |seen| event(0, Some(seen), 5, Some(6));
        for (seen, explained) in [(0, true), (7, true), (3, false)] {
            assert_eq!(explains(0, &[event(7, None, 1, None), look(seen)], step), explained, "{seen}");
        }
        assert!(!explains(0, &[look(7), event(7, None, 8, None)], step), "it had not been asked for");
    }

    #[test]
    fn what_was_acknowledged_is_there() {
        assert!(!explains(0, &[event(7, Some(7), 1, Some(2)), event(0, Some(0), 3, Some(4))], step));
    }
}
