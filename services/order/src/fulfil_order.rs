//! Makes a parcel of an order, for staff.

use chassis::{StoreError, idempotency::Receipt};
use contracts::order::{LineQuantity, OrderId};
use jiff::Timestamp;

use crate::{
    advance_order::AdvanceError,
    order::{
        Order,
        fulfilment::{FulfilRefused, Label, NewFulfilment},
    },
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// What goes into a parcel.
pub(crate) struct Pack {
    /// Everything that is open, if absent.
    pub(crate) lines: Option<Vec<LineQuantity>>,
    pub(crate) label: Label,
    /// True if it has left already.
    pub(crate) shipped: bool,
}

impl OrderService {
    /// Makes the parcel. Of two at once, the second decides on what the first has left: no unit is in both.
    pub(crate) async fn fulfil_order(
        &self,
        shopper: &Shopper,
        id: OrderId,
        pack: Pack,
        receipt: Receipt<OrderView>,
    ) -> Result<OrderView, AdvanceError<FulfilRefused>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let return_until = self.return_until(now)?;
        let Pack { lines, label, shipped } = pack;
        let new = NewFulfilment { id: self.env.new_id(), lines, label, shipped };
        let decide = |order: &Order| order.create_fulfilment(&new, return_until);
        let keep = |order: &Order| receipt.record(&OrderView::of(order), now).map(Some);
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }

    /// Until when goods that leave or arrive `now` may be sent back.
    pub(crate) fn return_until(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        now.checked_add(self.config.return_window()).map_err(|error| StoreError::corrupt("clock", error))
    }
}
