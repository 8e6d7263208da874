//! Takes another payment method of a buyer whose first did not work.

use chassis::idempotency::Receipt;
use contracts::{
    Permission,
    order::{OrderId, PaymentMethod},
};

use crate::{
    advance_order::AdvanceError,
    order::{Order, payment::NoMethodWanted},
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// Why the method was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MethodRefused {
    /// No such order, or it belongs to somebody else.
    #[error("no such order")]
    NotFound,
    #[error(transparent)]
    NotWanted(#[from] NoMethodWanted),
}

impl OrderService {
    /// Passes the method on to payment, which tries it until the order's deadline.
    pub(crate) async fn give_payment_method(
        &self,
        shopper: &Shopper,
        id: OrderId,
        method: PaymentMethod,
        receipt: Receipt<OrderView>,
    ) -> Result<OrderView, AdvanceError<MethodRefused>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let decide = |order: &Order| {
            if !shopper.owns(&order.terms.owner) && !shopper.may(Permission::OrdersWrite) {
                return Err(MethodRefused::NotFound);
            }
            Ok(order.give_payment_method(method.clone())?)
        };
        let keep = |order: &Order| receipt.record(&OrderView::of(order), now).map(Some);
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }
}
