//! What was said on a topic, as the bus keeps it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    bus::{Bus, BusError, Delivery},
    config::redacted_json,
};

/// Events read at once.
const READ_LEN: usize = 500;
/// Events looked at for one answer at most, however few match.
const SCANNED_MAX: usize = 10_000;

/// A CloudEvent with its place in the topic as the extension attribute `offset`, its secrets hidden.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToldEvent {
    /// Its place in the topic.
    #[schema(minimum = 1, example = 42)]
    pub offset: u64,
    /// The CloudEvent.
    #[serde(flatten)]
    pub event: Map<String, Value>,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// From this offset on.
    pub from: u64,
    /// So many at most.
    pub limit: usize,
    /// Of this type.
    pub event_type: Option<String>,
    /// With this key.
    pub key: Option<String>,
}

/// Those that match, and the offset to go on from if more may follow.
pub async fn read(bus: &dyn Bus, topic: &str, query: &EventQuery) -> Result<(Vec<ToldEvent>, Option<u64>), BusError> {
    let (mut found, mut after, mut scanned) = (Vec::new(), query.from.saturating_sub(1), 0);
    while scanned < SCANNED_MAX {
        let deliveries = bus.read(topic, after, READ_LEN).await?;
        if deliveries.is_empty() {
            return Ok((found, None));
        }
        scanned += deliveries.len();
        for delivery in deliveries {
            if found.len() == query.limit {
                return Ok((found, Some(delivery.offset)));
            }
            after = delivery.offset;
            found.extend(told(delivery, query));
        }
    }
    Ok((found, Some(after + 1)))
}

fn told(delivery: Delivery, query: &EventQuery) -> Option<ToldEvent> {
    let record = delivery.record;
    if query.key.as_ref().is_some_and(|key| *key != record.key) {
        return None;
    }
    let event = match serde_json::from_slice::<Value>(&record.payload) {
        Ok(Value::Object(event)) => event,
        // Whoever reads a topic must see that something is wrong there.
        Ok(_) | Err(_) => Map::from_iter([("id".to_owned(), Value::String(record.id.to_string()))]),
    };
    let of_type = |wanted: &String| event.get("type").and_then(Value::as_str) == Some(wanted);
    if !query.event_type.as_ref().is_none_or(of_type) {
        return None;
    }
    match redacted_json(Value::Object(event)) {
        Value::Object(event) => Some(ToldEvent { offset: delivery.offset, event }),
        _ => None,
    }
}
