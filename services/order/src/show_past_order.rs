//! Shows an order as it was, and what became of it between two times. Both follow from its stream.

use chassis::StoreError;
use contracts::order::OrderId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    order::{Order, stream::StoredFact},
    order_view::{OrderEventView, OrderView},
    owner::Shopper,
    service::OrderService,
    show_order::{ShowError, shown_to},
};

/// What became of an order between two times.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct OrderChanges {
    /// What differs.
    changes: Vec<OrderChange>,
    /// What happened meanwhile, oldest first.
    events: Vec<OrderEventView>,
}

/// A place where an order differs.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct OrderChange {
    /// JSON Pointer (RFC 6901) into the order; empty if there was no order yet.
    #[schema(example = "/status")]
    path: String,
    /// What stood there; `null` if nothing did.
    before: Value,
    /// What stands there now; `null` if nothing does.
    after: Value,
}

impl OrderService {
    /// The order as it was at `at`.
    pub(crate) async fn show_order_at(
        &self,
        shopper: &Shopper,
        id: OrderId,
        at: Timestamp,
    ) -> Result<OrderView, ShowError> {
        let placed_at = self.readable_order(shopper, id).await?.placed_at;
        let stream = self.orders.load(id).await?;
        let order = order_at(id, &stream, at)?.ok_or(ShowError::NotYetPlaced { placed_at })?;
        Ok(shown_to(shopper, &order))
    }

    /// What became of the order after `from` and until `until`.
    pub(crate) async fn list_order_changes(
        &self,
        shopper: &Shopper,
        id: OrderId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<OrderChanges, ShowError> {
        let placed_at = self.readable_order(shopper, id).await?.placed_at;
        let stream = self.orders.load(id).await?;
        let show = |order: Option<Order>| -> Result<Value, StoreError> {
            Ok(order.map(|order| serde_json::to_value(shown_to(shopper, &order))).transpose()?.unwrap_or_default())
        };
        let before = order_at(id, &stream, from)?;
        let after = order_at(id, &stream, until)?.ok_or(ShowError::NotYetPlaced { placed_at })?;
        let seen = before.as_ref().map_or(0, |order| order.version);
        let between = stream.into_iter().filter(|fact| (seen + 1..=after.version).contains(&fact.seq));
        let events = between.map(OrderEventView::of).collect::<Result<_, _>>().map_err(StoreError::from)?;
        let mut changes = Vec::new();
        compare(String::new(), show(before)?, show(Some(after))?, &mut changes);
        Ok(OrderChanges { changes, events })
    }
}

/// The order as it was at `at`; `None` before it was placed.
fn order_at(id: OrderId, stream: &[StoredFact], at: Timestamp) -> Result<Option<Order>, StoreError> {
    let until = stream.iter().position(|fact| fact.origin.at > at).unwrap_or(stream.len());
    match stream.get(..until) {
        None | Some([]) => Ok(None),
        Some(past) => Order::fold(id, past).map(Some).map_err(|error| StoreError::corrupt(&id.to_string(), error)),
    }
}

/// Collects the deepest places where two values differ.
fn compare(path: String, before: Value, after: Value, changes: &mut Vec<OrderChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(mut after)) => {
            for (name, before) in before {
                let below = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                compare(below, before, after.remove(&name).unwrap_or_default(), changes);
            }
            for (name, after) in after {
                let below = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                compare(below, Value::Null, after, changes);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            let len = before.len().max(after.len());
            let (mut before, mut after) = (before.into_iter(), after.into_iter());
            for index in 0..len {
                let (before, after) = (before.next().unwrap_or_default(), after.next().unwrap_or_default());
                compare(format!("{path}/{index}"), before, after, changes);
            }
        }
        (before, after) => changes.push(OrderChange { path, before, after }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(before: Value, after: Value) -> Value {
        let mut changes = Vec::new();
        compare(String::new(), before, after, &mut changes);
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        json!(changes.iter().map(|change| json!([change.path, change.before, change.after])).collect::<Vec<_>>())
    }

    #[test]
    fn names_the_deepest_places_that_differ() {
        let before = json!({"a": 1, "b": {"c": [1, 2], "d/e": "x"}, "gone": true, "same": [{}]});
        let after = json!({"a": 2, "b": {"c": [1, 3, {"f": 4}], "d/e": "y"}, "new": null, "more": {}, "same": [{}]});
        assert_eq!(
            differences(before, after),
            json!([
                ["/a", 1, 2],
                ["/b/c/1", 2, 3],
                ["/b/c/2", null, {"f": 4}],
                ["/b/d~1e", "x", "y"],
                ["/gone", true, null],
                ["/more", null, {}],
            ])
        );
        assert_eq!(differences(json!(null), json!({"a": 1})), json!([["", null, {"a": 1}]]));
        assert_eq!(differences(json!({"a": [1]}), json!({"a": {"b": 1}})), json!([["/a", [1], {"b": 1}]]));
        assert_eq!(differences(json!({"a": 1}), json!({"a": 1})), json!([]));
    }
}
