//! Gives money of an order back, wholly or in part, for staff.

use chassis::idempotency::Receipt;
use contracts::order::OrderId;

use crate::{
    advance_order::AdvanceError,
    order::{
        Order,
        refund::{RefundRefused, RefundScope},
    },
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// Why money does not go back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefundError {
    #[error("the order has version {current}")]
    Stale { current: u64 },
    #[error(transparent)]
    Refused(#[from] RefundRefused),
}

impl OrderService {
    /// Requests a refund, if the order has the version `if_match`. Two requests at once cannot take the same
    /// money: the second decides on what the first has left.
    pub(crate) async fn refund_order(
        &self,
        shopper: &Shopper,
        id: OrderId,
        if_match: Option<u64>,
        scope: RefundScope,
        reason: String,
        receipt: Receipt<OrderView>,
    ) -> Result<OrderView, AdvanceError<RefundError>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let refund_id = self.env.new_id();
        let decide = |order: &Order| match if_match {
            Some(version) if version != order.version => Err(RefundError::Stale { current: order.version }),
            _ => Ok(order.request_refund(refund_id, &scope, reason.clone())?),
        };
        let keep = |order: &Order| receipt.record(&OrderView::of(order), now).map(Some);
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }
}
