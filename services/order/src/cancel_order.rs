//! Calls an order off, for its buyer or for staff. Money and goods go back by themselves.

use chassis::idempotency::Receipt;
use contracts::{Permission, order::OrderId};

use crate::{
    advance_order::AdvanceError,
    order::{Order, status::Refused},
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// Why an order was not called off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CancelRefused {
    /// No such order, or it belongs to somebody else.
    #[error("no such order")]
    NotFound,
    #[error("the order has version {current}")]
    Stale { current: u64 },
    #[error(transparent)]
    Status(Refused),
}

impl OrderService {
    /// Cancels the order, if it has the version `if_match`.
    pub(crate) async fn cancel_order(
        &self,
        shopper: &Shopper,
        id: OrderId,
        if_match: Option<u64>,
        reason: String,
        receipt: Option<Receipt<OrderView>>,
    ) -> Result<OrderView, AdvanceError<CancelRefused>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let decide = |order: &Order| {
            if !shopper.owns(&order.terms.owner) && !shopper.may(Permission::OrdersWrite) {
                return Err(CancelRefused::NotFound);
            }
            match if_match {
                Some(version) if version != order.version => Err(CancelRefused::Stale { current: order.version }),
                _ => order.cancel(reason.clone()).map_err(CancelRefused::Status),
            }
        };
        let keep =
            |order: &Order| receipt.as_ref().map(|receipt| receipt.record(&OrderView::of(order), now)).transpose();
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }
}
