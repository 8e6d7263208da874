//! Shows an order and its history to its owner and to staff.

use chassis::StoreError;
use contracts::{Page, Permission, order::OrderId};
use jiff::Timestamp;

use crate::{
    order::{Order, saga::Saga},
    order_view::{OrderEventView, OrderView, SagaView},
    owner::Shopper,
    service::OrderService,
};

/// Why an order is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowError {
    #[error("no such order")]
    NotFound,
    /// It was placed later.
    #[error("the order was placed at {placed_at}")]
    NotYetPlaced { placed_at: Timestamp },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OrderService {
    /// The order.
    pub(crate) async fn show_order(&self, shopper: &Shopper, id: OrderId) -> Result<OrderView, ShowError> {
        Ok(shown_to(shopper, &self.readable_order(shopper, id).await?))
    }

    /// What happened to the order after event `after_seq`, oldest first.
    pub(crate) async fn list_order_events(
        &self,
        shopper: &Shopper,
        id: OrderId,
        after_seq: u64,
        limit: u32,
    ) -> Result<Page<OrderEventView>, ShowError> {
        self.readable_order(shopper, id).await?;
        let facts = self.orders.list_facts(id, after_seq, limit.saturating_add(1)).await?;
        let page = Page::from_overread(facts, limit, |fact| fact.seq.to_string());
        let items = page.items.into_iter().map(OrderEventView::of).collect::<Result<_, _>>();
        Ok(Page { items: items.map_err(StoreError::from)?, next_cursor: page.next_cursor })
    }

    pub(crate) async fn readable_order(&self, shopper: &Shopper, id: OrderId) -> Result<Order, ShowError> {
        match self.load_order(id).await? {
            Some(order) if shopper.owns(&order.terms.owner) || shopper.may(Permission::OrdersRead) => Ok(order),
            _ => Err(ShowError::NotFound),
        }
    }
}

/// The order as `shopper` sees it: staff also see where its saga stands.
pub(crate) fn shown_to(shopper: &Shopper, order: &Order) -> OrderView {
    let saga = Saga::of(order).filter(|_| shopper.may(Permission::OrdersRead)).map(SagaView::from);
    OrderView { saga, ..OrderView::of(order) }
}
