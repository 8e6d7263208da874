//! Calls an order off, or units of it, for its buyer or for staff. Money and goods go back by themselves.

use chassis::idempotency::Receipt;
use contracts::{
    Permission,
    order::{LineQuantity, OrderId},
};

use crate::{
    advance_order::AdvanceError,
    order::{
        Order,
        cancellation::{CancelRefused, NewCancellation},
    },
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// What is called off, and why.
pub(crate) struct CancelOrder {
    /// These units; everything, if absent.
    pub(crate) lines: Option<Vec<LineQuantity>>,
    pub(crate) reason: String,
}

/// Why an order was not called off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CancelError {
    /// No such order, or it belongs to somebody else.
    #[error("no such order")]
    NotFound,
    #[error("the order has version {current}")]
    Stale { current: u64 },
    #[error(transparent)]
    Refused(#[from] CancelRefused),
}

impl OrderService {
    /// Cancels the order or units of it, if it has the version `if_match`.
    pub(crate) async fn cancel_order(
        &self,
        shopper: &Shopper,
        id: OrderId,
        if_match: Option<u64>,
        wanted: CancelOrder,
        receipt: Option<Receipt<OrderView>>,
    ) -> Result<OrderView, AdvanceError<CancelError>> {
        let origin = self.request_of(shopper);
        let now = origin.at;
        let CancelOrder { lines, reason } = wanted;
        let new = lines.map(|lines| NewCancellation {
            id: self.env.new_id(),
            refund_id: self.env.new_id(),
            lines,
            reason: reason.clone(),
        });
        let decide = |order: &Order| {
            if !shopper.owns(&order.terms.owner) && !shopper.may(Permission::OrdersWrite) {
                return Err(CancelError::NotFound);
            }
            match (if_match, &new) {
                (Some(version), _) if version != order.version => Err(CancelError::Stale { current: order.version }),
                (_, Some(new)) => Ok(order.cancel_lines(new)?),
                (_, None) => Ok(order.cancel(reason.clone())?),
            }
        };
        let keep =
            |order: &Order| receipt.as_ref().map(|receipt| receipt.record(&OrderView::of(order), now)).transpose();
        let order = self.advance(id, origin, || None, decide, keep).await?;
        Ok(OrderView::of(&order))
    }
}
