//! Lets an order go on that waited for a person, for staff.

use chassis::idempotency::Receipt;
use contracts::order::OrderId;

use crate::{
    advance_order::AdvanceError,
    order::{Order, status::Refused},
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// Why an order does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseRefused {
    #[error("the order has version {current}")]
    Stale { current: u64 },
    #[error(transparent)]
    Status(Refused),
}

impl OrderService {
    /// Confirms the order as it is, if it has the version `if_match`.
    pub(crate) async fn release_order(
        &self,
        shopper: &Shopper,
        id: OrderId,
        if_match: Option<u64>,
        receipt: Option<Receipt<OrderView>>,
    ) -> Result<OrderView, AdvanceError<ReleaseRefused>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let decide = |order: &Order| match if_match {
            Some(version) if version != order.version => Err(ReleaseRefused::Stale { current: order.version }),
            _ => order.release().map_err(ReleaseRefused::Status),
        };
        let keep =
            |order: &Order| receipt.as_ref().map(|receipt| receipt.record(&OrderView::of(order), now)).transpose();
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }
}
