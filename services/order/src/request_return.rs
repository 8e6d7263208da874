//! Asks the shop to take goods back, for their buyer or for staff.

use chassis::idempotency::Receipt;
use contracts::{
    Permission,
    order::{LineQuantity, OrderId},
};

use crate::{
    advance_order::AdvanceError,
    order::{
        Order,
        returns::{NewReturn, ReturnRefused},
    },
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// Why nothing became of a return.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReturnError {
    /// No such order, or it belongs to somebody else.
    #[error("no such order")]
    NotFound,
    /// Buyers ask for returns and call them off; the rest is for staff.
    #[error("only staff may do that")]
    StaffOnly,
    #[error(transparent)]
    Refused(#[from] ReturnRefused),
}

impl OrderService {
    /// Requests the return.
    pub(crate) async fn request_return(
        &self,
        shopper: &Shopper,
        id: OrderId,
        lines: Vec<LineQuantity>,
        reason: String,
        receipt: Receipt<OrderView>,
    ) -> Result<OrderView, AdvanceError<ReturnError>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let new = NewReturn { id: self.env.new_id(), lines, reason };
        let decide = |order: &Order| {
            if !shopper.owns(&order.terms.owner) && !shopper.may(Permission::OrdersWrite) {
                return Err(ReturnError::NotFound);
            }
            Ok(order.request_return(&new, now)?)
        };
        let keep = |order: &Order| receipt.record(&OrderView::of(order), now).map(Some);
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }
}
