//! Approves, rejects, calls off or moves a return on. Buyers may only call theirs off.

use contracts::{
    Permission,
    order::{OrderId, ReturnId},
};

use crate::{
    advance_order::AdvanceError,
    order::{Order, returns::ReturnStatus},
    order_view::OrderView,
    owner::Shopper,
    request_return::ReturnError,
    service::OrderService,
};

impl OrderService {
    /// Takes the return one step on.
    pub(crate) async fn move_return(
        &self,
        shopper: &Shopper,
        (id, return_id): (OrderId, ReturnId),
        to: ReturnStatus,
        reason: Option<String>,
    ) -> Result<OrderView, AdvanceError<ReturnError>> {
        let staff = shopper.may(Permission::OrdersWrite);
        let decide = |order: &Order| {
            if !staff && !shopper.owns(&order.terms.owner) {
                return Err(ReturnError::NotFound);
            }
            if !staff && to != ReturnStatus::Cancelled {
                return Err(ReturnError::StaffOnly);
            }
            Ok(order.move_return(return_id, to, reason.clone())?)
        };
        let order = self.advance(id, self.request_of(shopper), || None, decide, |_| Ok(None)).await?;
        Ok(OrderView::of(&order))
    }
}
