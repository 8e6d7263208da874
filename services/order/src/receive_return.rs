//! Notes goods of a return that arrived, for staff: their money goes back in the same commit.

use chassis::idempotency::Receipt;
use contracts::order::{OrderId, ReturnId};

use crate::{
    advance_order::AdvanceError,
    order::{
        Order,
        returns::{NewArrival, ReceivedUnits, ReturnRefused},
    },
    order_view::OrderView,
    owner::Shopper,
    request_return::ReturnError,
    service::OrderService,
};

impl OrderService {
    /// Notes what arrived. Two notes at once cannot count the same units: the second decides on what is missing
    /// after the first.
    pub(crate) async fn receive_return(
        &self,
        shopper: &Shopper,
        (id, return_id): (OrderId, ReturnId),
        lines: Vec<ReceivedUnits>,
        include_shipping: bool,
        receipt: Receipt<OrderView>,
    ) -> Result<OrderView, AdvanceError<ReturnError>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let new = NewArrival { return_id, refund_id: self.env.new_id(), lines, include_shipping };
        let decide = |order: &Order| order.receive_return(&new).map_err(|refused: ReturnRefused| refused.into());
        let keep = |order: &Order| receipt.record(&OrderView::of(order), now).map(Some);
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }
}
