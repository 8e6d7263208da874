//! Moves a parcel on, or corrects its label, for staff.

use contracts::order::{FulfilmentId, OrderId};

use crate::{
    advance_order::AdvanceError,
    order::{
        Order,
        fulfilment::{FulfilRefused, FulfilmentChange},
    },
    order_view::OrderView,
    owner::Shopper,
    service::OrderService,
};

/// Why a parcel is not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeFulfilmentError {
    #[error("the order has version {current}")]
    Stale { current: u64 },
    #[error(transparent)]
    Refused(#[from] FulfilRefused),
}

impl OrderService {
    /// Changes the parcel, if the order has the version `if_match`.
    pub(crate) async fn change_fulfilment(
        &self,
        shopper: &Shopper,
        (id, fulfilment_id): (OrderId, FulfilmentId),
        if_match: Option<u64>,
        change: FulfilmentChange,
    ) -> Result<OrderView, AdvanceError<ChangeFulfilmentError>> {
        let origin = self.request_of(shopper);
        let return_until = self.return_until(origin.at)?;
        let decide = |order: &Order| match if_match {
            Some(version) if version != order.version => Err(ChangeFulfilmentError::Stale { current: order.version }),
            _ => Ok(order.change_fulfilment(fulfilment_id, &change, return_until)?),
        };
        let order = self.advance(id, origin, || None, decide, |_| Ok(None)).await?;
        Ok(OrderView::of(&order))
    }
}
